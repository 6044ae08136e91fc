/* A script's report on a terminal; see script_report.h. */
#include "script_report.h"

#include <math.h>
#include <string.h>
#include <time.h>

#include "units.h"

struct script_text {
    FILE *out;
    const struct prf_style *style;
    const struct prf_script_report *report;
    struct prf_text text;
};

static const char *
script_bold(const struct script_text *t)
{
    return prf_paint(t->style, PRF_BOLD);
}

static const char *
script_plain(const struct script_text *t)
{
    return prf_paint(t->style, PRF_PLAIN);
}

static void
script_heading(const struct script_text *t, const char *title)
{
    fprintf(t->out, "\n%s%s%s\n", script_bold(t), title, script_plain(t));
}

static const char *
script_plus_minus(const struct script_text *t)
{
    return t->style->ascii ? "+-" : "\u00b1";
}

/* ---- head ---- */

static void
script_put_status(const struct script_text *t)
{
    const struct prf_result *r = t->report->result;
    if (r->status == PRF_STATUS_OK) {
        return;
    }
    fprintf(t->out, "  %s%s", prf_paint(t->style, PRF_RED), prf_status_name(r->status));
    if (r->signal != NULL) {
        fprintf(t->out, " (%s)", r->signal);
    }
    fputs(script_plain(t), t->out);
    if (r->reason != NULL) {
        fputs(": ", t->out);
        prf_text_put(&t->text, r->reason, PRF_VISIBLE_LINE);
    }
    fputs("; what follows was measured until then\n", t->out);
}

static void
script_put_head(const struct script_text *t)
{
    const struct prf_result *r = t->report->result;
    fprintf(t->out, "%spyprofiler%s  ", script_bold(t), script_plain(t));
    prf_text_put(&t->text, r->case_id, PRF_VISIBLE_LINE);
    fputs("  ", t->out);
    prf_text_put(&t->text, r->profiler, PRF_VISIBLE_LINE);
    fputc('\n', t->out);
    script_put_status(t);
}

/* ---- figures ---- */

/* "  (9.8 s to 10.4 s in 12 earlier runs)" */
static void
script_put_range(const struct script_text *t, const struct prf_script_row *row)
{
    char low[PRF_UNIT_TEXT], high[PRF_UNIT_TEXT];
    const struct prf_previous *p = &row->judged;
    if (p->n == 0 || isnan(p->least)) {
        return;
    }
    prf_format_amount(p->least, row->unit, NULL, low, sizeof low);
    prf_format_amount(p->most, row->unit, NULL, high, sizeof high);
    fprintf(t->out, "  %s%s%s%s in %zu earlier run%s%s", prf_paint(t->style, PRF_DIM),
            low, p->n > 1 ? " to " : "", p->n > 1 ? high : "", p->n - p->n_out,
            p->n - p->n_out == 1 ? "" : "s", script_plain(t));
}

static void
script_put_figures(const struct script_text *t)
{
    char amount[PRF_UNIT_TEXT];
    for (size_t i = 0; i < PRF_SCRIPT_FIGURES; i++) {
        const struct prf_script_figure *f = &t->report->figures[i];
        if (isnan(f->value)) {
            continue;
        }
        prf_format_amount(f->value, f->unit, NULL, amount, sizeof amount);
        fprintf(t->out, "  %-12s %12s", f->label, amount);
        if (t->report->comparison.none == NULL) {
            script_put_range(t, &t->report->comparison.rows[i]);
        }
        fputc('\n', t->out);
    }
}

/* ---- hotspots ---- */

static void
script_put_part(const struct script_text *t, double amount)
{
    char text[PRF_UNIT_TEXT];
    const struct prf_hotspots *h = &t->report->hotspots;
    if (isnan(amount)) {
        fprintf(t->out, " %12s %7s", "-", "");
        return;
    }
    prf_format_amount(amount, h->unit, NULL, text, sizeof text);
    fprintf(t->out, " %12s %5.1f %%", text, 100 * prf_hotspot_part(h, amount));
}

/* The name on the line if there is room, else on the next. */
static void
script_put_place(const struct script_text *t, const struct prf_hotspot *spot)
{
    const struct prf_function *f = spot->function;
    fputs("  ", t->out);
    prf_text_put(&t->text, f->qualname[0] != '\0' ? f->qualname : "(line)",
                 PRF_VISIBLE_LINE);
    if (f->file[0] != '\0') {
        fprintf(t->out, "  %s", prf_paint(t->style, PRF_DIM));
        prf_text_put(&t->text, f->file, PRF_VISIBLE_LINE);
        if (spot->line > 0) {
            fprintf(t->out, ":%u", spot->line);
        }
        fputs(script_plain(t), t->out);
    }
    fputc('\n', t->out);
}

static void
script_put_hotspots(const struct script_text *t)
{
    const struct prf_hotspots *h = &t->report->hotspots;
    bool totals = h->total_column != NULL, owns = h->total_column == NULL;
    char calls[PRF_UNIT_TEXT];
    script_heading(t, "Hotspots");
    if (h->n == 0) {
        fprintf(t->out, "  none: %s\n", h->none);
        return;
    }
    for (size_t i = 0; i < h->n; i++) {
        owns |= !isnan(h->items[i].own);
    }
    fprintf(t->out, "  %s%9s", prf_paint(t->style, PRF_DIM),
            h->lines ? "count" : "calls");
    if (owns) {
        fprintf(t->out, " %12s %7s", totals ? "own" : h->what, "");
    }
    if (totals) {
        fprintf(t->out, " %12s %7s", "total", "");
    }
    fprintf(t->out, "  where%s\n", script_plain(t));
    for (size_t i = 0; i < h->n; i++) {
        const struct prf_hotspot *spot = &h->items[i];
        prf_format_amount(spot->calls, "count", NULL, calls, sizeof calls);
        fprintf(t->out, "  %9s", calls);
        if (owns) {
            script_put_part(t, spot->own);
        }
        if (totals) {
            script_put_part(t, spot->total);
        }
        script_put_place(t, spot);
    }
    if (h->n_all > h->n) {
        fprintf(t->out, "  %sand %zu more%s\n", prf_paint(t->style, PRF_DIM),
                h->n_all - h->n, script_plain(t));
    }
}

/* ---- suggestions ---- */

/* A paragraph within the terminal's width, indented. */
static void
script_put_wrapped(const struct script_text *t, const char *words, size_t indent)
{
    size_t width = t->style->width > 40 ? (size_t)t->style->width : 80, at = indent;
    fprintf(t->out, "%*s", (int)indent, "");
    while (*words != '\0') {
        size_t n = strcspn(words, " ");
        if (at > indent && at + 1 + n > width) {
            fprintf(t->out, "\n%*s", (int)indent, "");
            at = indent;
        } else if (at > indent) {
            fputc(' ', t->out);
            at++;
        }
        fwrite(words, 1, n, t->out);
        at += n;
        words += n;
        words += strspn(words, " ");
    }
    fputc('\n', t->out);
}

static void
script_put_suggestions(const struct script_text *t)
{
    const struct prf_script_report *r = t->report;
    if (r->n_suggestions > 0) {
        script_heading(t, "Suggestions");
    }
    for (size_t i = 0; i < r->n_suggestions; i++) {
        script_put_wrapped(t, r->suggestions[i].seen, 2);
        script_put_wrapped(t, r->suggestions[i].advice, 4);
    }
}

/* ---- comparison ---- */

static const char *
script_paint(const struct script_text *t, enum prf_previous_verdict verdict)
{
    return prf_paint(t->style, verdict == PRF_PREVIOUS_REGRESSION    ? PRF_RED
                               : verdict == PRF_PREVIOUS_IMPROVEMENT ? PRF_GREEN
                                                                     : PRF_PLAIN);
}

/* "wall time: regression, 1.45 s -> 1.93 s, +33.1 % (+28.0 % to +38.4 %)" */
static void
script_put_row(const struct script_text *t, const struct prf_script_row *row)
{
    char before[PRF_UNIT_TEXT], now[PRF_UNIT_TEXT], change[32], low[32], high[32];
    const struct prf_previous *p = &row->judged;
    struct prf_strbuf label = PRF_STRBUF_INIT;
    prf_script_row_label(&label, t->report, row);
    prf_format_amount(p->typical, row->unit, NULL, before, sizeof before);
    prf_format_amount(p->value, row->unit, NULL, now, sizeof now);
    fprintf(t->out, "  %s: %s%s%s, %s %s %s, %s", prf_strbuf_text(&label),
            script_paint(t, p->verdict), prf_previous_verdict_name(p->verdict),
            script_plain(t), before, t->style->ascii ? "->" : "\u2192", now,
            prf_script_percent(p->ratio, change, sizeof change));
    if (!isnan(p->ci_low)) {
        fprintf(t->out, " (95 %%: %s to %s)",
                prf_script_percent(p->ci_low, low, sizeof low),
                prf_script_percent(p->ci_high, high, sizeof high));
    }
    fputc('\n', t->out);
    prf_strbuf_release(&label);
}

static void
script_put_commit(const struct script_text *t, const char *commit, bool dirty)
{
    fprintf(t->out, "%.10s%s", commit != NULL ? commit : "no commit",
            commit != NULL && dirty ? " with changes" : "");
}

static void
script_put_source(const struct script_text *t)
{
    const struct prf_script_comparison *c = &t->report->comparison;
    const struct prf_commit *now = &t->report->run->commit;
    if (!c->source_changed) {
        return;
    }
    const struct prf_script_earlier *before = &c->earlier[c->source_before];
    fputs("  the source was changed since the run before (", t->out);
    script_put_commit(t, before->commit, before->dirty);
    fputs(", now ", t->out);
    script_put_commit(t, now->id, now->dirty);
    fputs(")\n", t->out);
}

/* Rows that are of interest: all that changed; of the rest the time and the memory of
   the run, and with -v all. */
static bool
script_is_shown(const struct script_text *t, const struct prf_script_row *row)
{
    bool changed = row->judged.verdict == PRF_PREVIOUS_REGRESSION ||
                   row->judged.verdict == PRF_PREVIOUS_IMPROVEMENT;
    bool figure = row->hotspot == NULL && strcmp(row->name, "cpu_time") != 0;
    return row->better != PRF_BETTER_NONE && row->judged.n > 0 &&
           (changed || figure || t->style->verbosity > 0);
}

static void
script_put_needed(const struct script_text *t)
{
    const struct prf_script_comparison *c = &t->report->comparison;
    size_t needed = 0;
    for (size_t i = 0; i < c->n_rows; i++) {
        size_t n = c->rows[i].judged.n_needed;
        bool figure = c->rows[i].hotspot == NULL && !isnan(c->rows[i].judged.value);
        needed = figure && n > needed ? n : needed;
    }
    if (needed > 0) {
        fprintf(t->out, "  %zu more run%s needed for a verdict\n", needed,
                needed == 1 ? " is" : "s are");
    }
}

static void
script_put_comparison(const struct script_text *t)
{
    const struct prf_script_comparison *c = &t->report->comparison;
    script_heading(t, "Regression check");
    if (c->none != NULL) {
        fprintf(t->out, "  none: %s\n", c->none);
        return;
    }
    if (c->n_earlier == 0) {
        fputs("  this is the first run of it under these conditions\n", t->out);
        script_put_needed(t);
        return;
    }
    char since[32] = "";
    time_t oldest = (time_t)(c->earlier[c->n_earlier - 1].started_ns / 1000000000);
    struct tm tm;
    if (localtime_r(&oldest, &tm) != NULL) {
        strftime(since, sizeof since, "%Y-%m-%d %H:%M", &tm);
    }
    fprintf(t->out, "  against %zu earlier run%s since %s, threshold %s%g %%\n",
            c->n_earlier, c->n_earlier == 1 ? "" : "s", since, script_plus_minus(t),
            100 * c->threshold);
    script_put_source(t);
    for (size_t i = 0; i < c->n_rows; i++) {
        if (script_is_shown(t, &c->rows[i])) {
            script_put_row(t, &c->rows[i]);
        }
    }
    script_put_needed(t);
}

static void
script_put_files(const struct script_text *t)
{
    const struct prf_script_report *r = t->report;
    if (r->json_path != NULL || r->html_path != NULL) {
        fputc('\n', t->out);
    }
    if (r->json_path != NULL) {
        fputs("JSON report: ", t->out);
        prf_text_put(&t->text, r->json_path, PRF_VISIBLE_LINE);
        fputc('\n', t->out);
    }
    if (r->html_path != NULL) {
        fputs("HTML report: ", t->out);
        prf_text_put(&t->text, r->html_path, PRF_VISIBLE_LINE);
        fputc('\n', t->out);
    }
}

/* All that a quiet report says. */
static void
script_put_regressions(const struct script_text *t)
{
    const struct prf_script_comparison *c = &t->report->comparison;
    for (size_t i = 0; i < c->n_rows; i++) {
        if (c->rows[i].judged.verdict == PRF_PREVIOUS_REGRESSION) {
            script_put_row(t, &c->rows[i]);
        }
    }
}

void
prf_script_report_text(FILE *out, const struct prf_style *style,
                       const struct prf_script_report *report)
{
    static const struct prf_export_options options = {0};
    const struct script_text t = {out, style, report, {out, style, &options}};
    if (style->verbosity < 0) {
        script_put_regressions(&t);
        return;
    }
    script_put_head(&t);
    script_put_figures(&t);
    script_put_hotspots(&t);
    script_put_suggestions(&t);
    script_put_files(&t);
    script_put_comparison(&t);
    if (report->kept) {
        fprintf(out, "[%s]\n", report->result->id);
    }
}
