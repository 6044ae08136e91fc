/* Format "json": the machine's twin of every report, schema "pyprofiler/run/1". Keys
   are only ever added to it. */
#include <jansson.h>
#include <stdlib.h>

#include <pyprofiler/stats.h>

#include "comparison.h"
#include "formats.h"
#include "jsonmodel.h"
#include "label.h"
#include "order.h"
#include "sources.h"

static const char *const json_better[] = {
    [PRF_BETTER_NONE] = NULL,
    [PRF_BETTER_LESS] = "less",
    [PRF_BETTER_MORE] = "more",
};

void
prf_json_run(struct prf_jsonout *js, const char *schema, const struct prf_run *run)
{
    const struct prf_commit *commit = &run->commit;
    prf_json_text(js, "schema", schema);
    prf_json_text(js, "run", run->id);
    if (run->interrupted) {
        prf_json_bool(js, "interrupted", true);
    }
    prf_json_open(js, "commit", '{');
    prf_json_text(js, "id", commit->id);
    prf_json_text(js, "branch", commit->branch);
    prf_json_bool(js, "dirty", commit->dirty);
    prf_json_text(js, "tree", commit->tree);
    prf_json_text(js, "note", commit->note);
    prf_json_close(js, '}');
    prf_json_open(js, "python", '{');
    prf_json_text(js, "version", run->python.version);
    prf_json_text(js, "executable", run->python.executable);
    prf_json_text(js, "host", run->python.host);
    prf_json_close(js, '}');
    prf_json_open(js, "machine", '{');
    prf_json_text(js, "fingerprint", run->machine.fingerprint);
    prf_json_close(js, '}');
}

static void
json_summary(struct prf_jsonout *js, const struct prf_summary *s)
{
    prf_json_double(js, "value", s->median);
    prf_json_open(js, "ci95", '[');
    prf_json_double(js, NULL, s->ci_low);
    prf_json_double(js, NULL, s->ci_high);
    prf_json_close(js, ']');
    prf_json_uint(js, "n", s->n);
    prf_json_double(js, "min", s->min);
    prf_json_double(js, "max", s->max);
    prf_json_double(js, "mean", s->mean);
    prf_json_double(js, "stddev", s->stddev);
    prf_json_double(js, "q1", s->q1);
    prf_json_double(js, "q3", s->q3);
    prf_json_double(js, "iqr", s->q3 - s->q1);
    prf_json_double(js, "p95", s->p95);
    prf_json_double(js, "p99", s->p99);
    prf_json_double(js, "mad", s->mad);
    prf_json_open(js, "outliers", '{');
    prf_json_uint(js, "mild", s->n_mild);
    prf_json_uint(js, "severe", s->n_severe);
    prf_json_close(js, '}');
}

static void
json_metric(struct prf_jsonout *js, const struct prf_metric_values *metric)
{
    struct prf_summary summary = {0};
    double *scratch = calloc(metric->n + 1, sizeof *scratch);
    js->failed |= scratch == NULL;
    if (scratch != NULL) {
        prf_summarize(metric->samples, metric->n, scratch, &summary);
    }
    free(scratch);
    prf_json_open(js, metric->name, '{');
    prf_json_text(js, "unit", metric->unit);
    prf_json_text(js, "better", json_better[metric->better]);
    json_summary(js, &summary);
    prf_json_open(js, "samples", '[');
    for (size_t i = 0; i < metric->n; i++) {
        prf_json_double(js, NULL, metric->samples[i]);
    }
    prf_json_close(js, ']');
    prf_json_close(js, '}');
}

static void
json_function(struct prf_jsonout *js, const struct prf_function *code, uint32_t line,
              bool strip_dirs)
{
    prf_json_text(js, "file", prf_code_file(code, strip_dirs));
    prf_json_uint(js, "line", line);
    prf_json_text(js, "function", code->qualname);
}

static void
json_columns(struct prf_jsonout *js, const struct prf_table *table, size_t row)
{
    for (size_t c = 0; c < table->n_columns; c++) {
        prf_json_int(js, table->columns[c].name,
                     table->values[row * table->n_columns + c]);
    }
    prf_json_close(js, '}');
    fputc('\n', js->out);
}

/* The text of a line as it was measured, where it was recorded. */
static void
json_source(struct prf_jsonout *js, const struct prf_profile *p, struct prf_key key)
{
    size_t len = 0;
    const char *line =
        key.other != 0 ? prf_source_line(p, key.code, key.other, &len) : NULL;
    char *text = line != NULL ? strndup(line, len) : NULL;
    if (text != NULL) {
        prf_json_text(js, "source", text);
    }
    free(text);
}

/* All of them as they were measured, unless an order or a number was asked for. */
static int
json_sites(struct prf_jsonout *js, const struct prf_profile *p,
           const struct prf_export_options *options, struct prf_error *err)
{
    uint32_t *rows = NULL;
    size_t n = p->sites.n;
    if (n > 0 && (options->sort != NULL || options->top_k > 0)) {
        int rc = prf_order_rows(p, &p->sites, options, prf_order_default(&p->sites),
                                &rows, &n, err);
        if (rc < 0) {
            return rc;
        }
    }
    prf_json_open(js, "sites", '[');
    for (size_t i = 0; i < n; i++) {
        size_t row = rows != NULL ? rows[i] : i;
        struct prf_key key = p->sites.keys[row];
        prf_json_open(js, NULL, '{');
        json_function(js, prf_row_code(p, key.code), prf_row_line(p, key),
                      options->strip_dirs);
        json_source(js, p, key);
        json_columns(js, &p->sites, row);
    }
    prf_json_close(js, ']');
    free(rows);
    return 0;
}

static void
json_edges(struct prf_jsonout *js, const struct prf_profile *p, bool strip_dirs)
{
    prf_json_open(js, "edges", '[');
    for (size_t i = 0; i < p->edges.n; i++) {
        struct prf_key key = p->edges.keys[i];
        const struct prf_function *caller = prf_row_code(p, key.code);
        const struct prf_function *callee = prf_row_code(p, key.other);
        prf_json_open(js, NULL, '{');
        prf_json_open(js, "caller", '{');
        json_function(js, caller, caller->first_line, strip_dirs);
        prf_json_close(js, '}');
        prf_json_open(js, "callee", '{');
        json_function(js, callee, callee->first_line, strip_dirs);
        prf_json_close(js, '}');
        json_columns(js, &p->edges, i);
    }
    prf_json_close(js, ']');
}

static void
json_marks(struct prf_jsonout *js, const struct prf_profile *p)
{
    prf_json_open(js, "marks", '[');
    for (size_t i = 0; i < p->n_marks; i++) {
        prf_json_open(js, NULL, '{');
        prf_json_text(js, "name", p->marks[i].name);
        prf_json_double(js, "at_ns", p->marks[i].at_ns);
        prf_json_double(js, "delta_ns", p->marks[i].delta_ns);
        prf_json_uint(js, "n", p->marks[i].n);
        prf_json_close(js, '}');
    }
    prf_json_close(js, ']');
}

static void
json_series(struct prf_jsonout *js, const struct prf_profile *p)
{
    prf_json_open(js, "series", '[');
    for (size_t i = 0; i < p->n_series; i++) {
        const struct prf_series *series = &p->series[i];
        prf_json_open(js, NULL, '{');
        prf_json_text(js, "name", series->name);
        prf_json_text(js, "unit", series->unit);
        prf_json_uint(js, "process", series->process);
        prf_json_open(js, "at_ns", '[');
        for (size_t k = 0; k < series->n; k++) {
            prf_json_uint(js, NULL, series->at_ns[k]);
        }
        prf_json_close(js, ']');
        prf_json_open(js, "values", '[');
        for (size_t k = 0; k < series->n; k++) {
            prf_json_double(js, NULL, series->values[k]);
        }
        prf_json_close(js, ']');
        prf_json_close(js, '}');
        fputc('\n', js->out);
    }
    prf_json_close(js, ']');
}

/* Innermost frame last. */
static void
json_stack(struct prf_jsonout *js, const struct prf_profile *p, const char *key,
           uint32_t stack, bool strip_dirs)
{
    size_t n = 0, i = 0;
    for (uint32_t at = stack; at != 0; at = p->stacks[at].parent) {
        n++;
    }
    uint32_t *path = calloc(n + 1, sizeof *path);
    js->failed |= path == NULL;
    for (uint32_t at = stack; path != NULL && at != 0; at = p->stacks[at].parent) {
        path[i++] = at;
    }
    prf_json_open(js, key, '[');
    while (i-- > 0) {
        const struct prf_stack *frame = &p->stacks[path[i]];
        prf_json_open(js, NULL, '{');
        prf_json_text(js, "file",
                      prf_code_file(prf_row_code(p, frame->code), strip_dirs));
        prf_json_uint(js, "line", frame->line);
        prf_json_close(js, '}');
    }
    prf_json_close(js, ']');
    free(path);
}

static void
json_snapshots(struct prf_jsonout *js, const struct prf_profile *p, bool strip_dirs)
{
    prf_json_open(js, "snapshots", '[');
    for (size_t i = 0; i < p->n_snapshots; i++) {
        const struct prf_snapshot *snapshot = &p->snapshots[i];
        prf_json_open(js, NULL, '{');
        prf_json_text(js, "name", snapshot->name);
        prf_json_double(js, "at_ns", snapshot->at_ns);
        prf_json_int(js, "size", snapshot->n_bytes);
        prf_json_int(js, "count", snapshot->n_blocks);
        prf_json_open(js, "held", '[');
        for (size_t k = 0; k < snapshot->n; k++) {
            prf_json_open(js, NULL, '{');
            prf_json_int(js, "size", snapshot->held[k].n_bytes);
            prf_json_int(js, "count", snapshot->held[k].n_blocks);
            json_stack(js, p, "traceback", snapshot->held[k].stack, strip_dirs);
            prf_json_close(js, '}');
            fputc('\n', js->out);
        }
        prf_json_close(js, ']');
        prf_json_close(js, '}');
    }
    prf_json_close(js, ']');
    json_stack(js, p, "peak_traceback", p->peak_stack, strip_dirs);
}

/* How the stopwatch measured: the recording's own JSON, when it is whole. */
static void
json_rounds(struct prf_jsonout *js, const struct prf_profile *p)
{
    json_t *rounds =
        p->rounds ? json_loads(p->rounds, JSON_REJECT_DUPLICATES, NULL) : NULL;
    char *text = rounds != NULL ? json_dumps(rounds, JSON_COMPACT) : NULL;
    prf_json_raw(js, "rounds", text != NULL ? text : "null");
    free(text);
    json_decref(rounds);
}

static int
json_profile(struct prf_jsonout *js, const struct prf_profile *p,
             const struct prf_export_options *options, struct prf_error *err)
{
    prf_json_uint(js, "lost", p->n_lost);
    prf_json_open(js, "metrics", '{');
    for (size_t i = 0; i < p->n_metrics; i++) {
        json_metric(js, &p->metrics[i]);
    }
    prf_json_close(js, '}');
    int rc = json_sites(js, p, options, err);
    json_edges(js, p, options->strip_dirs);
    json_marks(js, p);
    json_series(js, p);
    json_snapshots(js, p, options->strip_dirs);
    json_rounds(js, p);
    prf_json_open(js, "notes", '[');
    for (size_t i = 0; i < p->n_notes; i++) {
        prf_json_text(js, NULL, p->notes[i]);
    }
    prf_json_close(js, ']');
    prf_json_text(js, "report", p->report);
    return rc;
}

/* The case's @budget as it stands there, and the clauses that were judged. */
static void
json_budget(struct prf_jsonout *js, const struct prf_result *result)
{
    json_t *budget = result->budget
                         ? json_loads(result->budget, JSON_REJECT_DUPLICATES, NULL)
                         : NULL;
    char *text = budget != NULL ? json_dumps(budget, JSON_COMPACT) : NULL;
    prf_json_raw(js, "budget", text != NULL ? text : "null");
    free(text);
    json_decref(budget);
    prf_json_open(js, "clauses", '[');
    for (size_t i = 0; i < result->n_clauses; i++) {
        prf_json_clause(js, &result->clauses[i]);
    }
    prf_json_close(js, ']');
}

int
prf_json_result(struct prf_jsonout *js, const struct prf_result *result,
                const struct prf_export_options *options, struct prf_error *err)
{
    static const struct prf_profile nothing = {0};
    prf_json_open(js, NULL, '{');
    prf_json_text(js, "id", result->id);
    prf_json_text(js, "case", result->case_id);
    prf_json_text(js, "profiler", result->profiler);
    prf_json_text(js, "status", prf_status_name(result->status));
    prf_json_text(js, "reason", result->reason);
    prf_json_text(js, "signal", result->signal);
    prf_json_text(js, "traceback", result->traceback);
    if (result->duration_ns < 0) {
        prf_json_raw(js, "duration_ns", "null");
    } else {
        prf_json_int(js, "duration_ns", result->duration_ns);
    }
    json_budget(js, result);
    int rc =
        json_profile(js, result->profile ? result->profile : &nothing, options, err);
    prf_json_open(js, "artifacts", '[');
    prf_json_close(js, ']');
    prf_json_text(js, "output", result->output);
    prf_json_close(js, '}');
    fputc('\n', js->out);
    return rc;
}

static int
json_write(const struct prf_run *run, const struct prf_result *const *results, size_t n,
           const struct prf_export_options *options, FILE *out, struct prf_error *err)
{
    struct prf_jsonout js = {.out = out, .scratch = PRF_STRBUF_INIT};
    prf_json_open(&js, NULL, '{');
    prf_json_run(&js, "pyprofiler/run/1", run);
    prf_json_open(&js, "results", '[');
    fputc('\n', out);
    int rc = 0;
    for (size_t i = 0; i < n && rc == 0; i++) {
        rc = prf_json_result(&js, results[i], options, err);
    }
    prf_json_close(&js, ']');
    prf_json_close(&js, '}');
    fputc('\n', out);
    if (rc == 0 && js.failed) {
        rc = prf_fail(err, PRF_ENOMEM, "out of memory");
    }
    prf_jsonout_release(&js);
    return rc;
}

const struct prf_exporter prf_exporter_json = {
    .name = "json",
    .extension = ".json",
    .summary = "everything, for programs (schema pyprofiler/run/1)",
    .write = json_write,
};
