/* A script's report for programs, schema "pyprofiler/script/1"; see script_report.h.
   Keys are only ever added to it. */
#include <math.h>
#include <string.h>

#include "jsonmodel.h"
#include "script_report.h"

/* What is not known is null. */
static void
script_number(struct prf_jsonout *js, const char *key, double value)
{
    if (isfinite(value)) {
        prf_json_double(js, key, value);
    } else {
        prf_json_raw(js, key, "null");
    }
}

static void
script_interval(struct prf_jsonout *js, const char *key, double low, double high)
{
    if (!isfinite(low) || !isfinite(high)) {
        prf_json_raw(js, key, "null");
        return;
    }
    prf_json_open(js, key, '[');
    prf_json_double(js, NULL, low);
    prf_json_double(js, NULL, high);
    prf_json_close(js, ']');
}

static void
script_summary(struct prf_jsonout *js, const struct prf_script_report *report)
{
    prf_json_open(js, "summary", '{');
    for (size_t i = 0; i < PRF_SCRIPT_FIGURES; i++) {
        const struct prf_script_figure *f = &report->figures[i];
        prf_json_open(js, f->name, '{');
        prf_json_text(js, "unit", f->unit);
        script_number(js, "value", f->value);
        prf_json_close(js, '}');
    }
    prf_json_close(js, '}');
}

static void
script_function(struct prf_jsonout *js, const struct prf_hotspot *spot)
{
    prf_json_text(js, "file", prf_code_file(spot->function, false));
    prf_json_uint(js, "line", spot->line);
    prf_json_text(js, "function", spot->function->qualname);
}

static void
script_hotspots(struct prf_jsonout *js, const struct prf_script_report *report)
{
    const struct prf_hotspots *h = &report->hotspots;
    prf_json_open(js, "hotspots", '[');
    for (size_t i = 0; i < h->n; i++) {
        const struct prf_hotspot *spot = &h->items[i];
        prf_json_open(js, NULL, '{');
        script_function(js, spot);
        prf_json_text(js, "kind", h->lines ? "line" : "function");
        prf_json_text(js, "unit", h->unit);
        script_number(js, "calls", spot->calls);
        script_number(js, "own", spot->own);
        script_number(js, "own_percent", 100 * prf_hotspot_part(h, spot->own));
        script_number(js, "total", spot->total);
        script_number(js, "total_percent", 100 * prf_hotspot_part(h, spot->total));
        prf_json_close(js, '}');
    }
    prf_json_close(js, ']');
    prf_json_text(js, "hotspots_note", h->none);
}

static void
script_suggestions(struct prf_jsonout *js, const struct prf_script_report *report)
{
    prf_json_open(js, "suggestions", '[');
    for (size_t i = 0; i < report->n_suggestions; i++) {
        const struct prf_suggestion *s = &report->suggestions[i];
        prf_json_open(js, NULL, '{');
        prf_json_text(js, "rule", s->rule);
        prf_json_text(js, "seen", s->seen);
        prf_json_text(js, "advice", s->advice);
        prf_json_text(js, "file", s->file);
        prf_json_uint(js, "line", s->line);
        prf_json_close(js, '}');
    }
    prf_json_close(js, ']');
}

static void
script_row(struct prf_jsonout *js, const struct prf_script_report *report,
           const struct prf_script_row *row)
{
    const struct prf_previous *p = &row->judged;
    prf_json_open(js, NULL, '{');
    prf_json_text(js, "name", row->name);
    prf_json_text(js, "unit", row->unit);
    if (row->hotspot != NULL) {
        prf_json_open(js, "hotspot", '{');
        script_function(js, row->hotspot);
        prf_json_close(js, '}');
    }
    prf_json_text(js, "verdict", prf_previous_verdict_name(p->verdict));
    script_number(js, "value", p->value);
    script_number(js, "typical", p->typical);
    script_interval(js, "range", p->least, p->most);
    script_number(js, "ratio", p->ratio);
    script_interval(js, "ci95", p->ci_low, p->ci_high);
    script_number(js, "p", p->p_value);
    script_number(js, "q", p->q_value);
    prf_json_uint(js, "n", p->n);
    prf_json_uint(js, "outliers", p->n_out);
    prf_json_uint(js, "needed", p->n_needed);
    prf_json_open(js, "earlier", '[');
    for (size_t i = 0; i < report->comparison.n_earlier; i++) {
        script_number(js, NULL, row->earlier[i]);
    }
    prf_json_close(js, ']');
    prf_json_close(js, '}');
}

/* Newest first, as the values of the rows are. */
static void
script_earlier(struct prf_jsonout *js, const struct prf_script_comparison *c)
{
    prf_json_open(js, "earlier", '[');
    for (size_t i = 0; i < c->n_earlier; i++) {
        const struct prf_script_earlier *e = &c->earlier[i];
        prf_json_open(js, NULL, '{');
        prf_json_text(js, "id", e->result_id);
        prf_json_int(js, "started_ns", e->started_ns);
        prf_json_text(js, "commit", e->commit);
        prf_json_bool(js, "dirty", e->dirty);
        prf_json_text(js, "source", e->hash);
        prf_json_close(js, '}');
    }
    prf_json_close(js, ']');
}

static void
script_comparison(struct prf_jsonout *js, const struct prf_script_report *report)
{
    const struct prf_script_comparison *c = &report->comparison;
    if (c->none != NULL) {
        prf_json_raw(js, "comparison", "null");
        prf_json_text(js, "comparison_note", c->none);
        return;
    }
    prf_json_open(js, "comparison", '{');
    prf_json_double(js, "threshold", c->threshold);
    prf_json_uint(js, "regressions", c->n_regressions);
    prf_json_uint(js, "improvements", c->n_improvements);
    prf_json_bool(js, "source_changed", c->source_changed);
    script_earlier(js, c);
    prf_json_open(js, "rows", '[');
    for (size_t i = 0; i < c->n_rows; i++) {
        script_row(js, report, &c->rows[i]);
    }
    prf_json_close(js, ']');
    prf_json_close(js, '}');
}

int
prf_script_report_json(FILE *out, const struct prf_script_report *report,
                       struct prf_error *err)
{
    static const struct prf_export_options options = {0};
    struct prf_jsonout js = {.out = out, .scratch = PRF_STRBUF_INIT};
    prf_json_open(&js, NULL, '{');
    prf_json_run(&js, "pyprofiler/script/1", report->run);
    script_summary(&js, report);
    script_hotspots(&js, report);
    script_suggestions(&js, report);
    script_comparison(&js, report);
    prf_json_open(&js, "results", '[');
    int rc = prf_json_result(&js, report->result, &options, err);
    prf_json_close(&js, ']');
    prf_json_close(&js, '}');
    fputc('\n', out);
    if (rc == 0 && js.failed) {
        rc = prf_fail(err, PRF_ENOMEM, "out of memory");
    }
    prf_jsonout_release(&js);
    return rc;
}
