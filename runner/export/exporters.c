/* The table of formats, and what a result must have for them; see exporter.h. */
#include "exporter.h"

#include <errno.h>
#include <string.h>

#include "formats.h"
#include "label.h"
#include "order.h"
#include "strbuf.h"
#include "suggest.h"

/* One format a line. */
/* clang-format off */
const struct prf_exporter *const prf_exporters[] = {
    &prf_exporter_text,
    &prf_exporter_json,
    &prf_exporter_csv,
    &prf_exporter_markdown,
    &prf_exporter_html,
    &prf_exporter_pstats,
    &prf_exporter_callgrind,
    &prf_exporter_collapsed,
    &prf_exporter_speedscope,
    &prf_exporter_chrometrace,
    &prf_exporter_perfetto,
    &prf_exporter_flamegraph,
    &prf_exporter_dot,
    &prf_exporter_svg,
    &prf_exporter_png,
    &prf_exporter_pdf,
    &prf_exporter_mprof,
    NULL,
};
/* clang-format on */

#define EXPORTERS_N (sizeof prf_exporters / sizeof *prf_exporters - 1)

static const char *const exporters_models[] = {
    "sites", "edges", "stacks", "metrics", "series", "events", "snapshots",
};

const char *const prf_call_columns[] = {"calls", "primitive_calls", "own_ns",
                                        "cumulative_ns", NULL};

bool
prf_call_index(const struct prf_table *table, struct prf_call_index *out)
{
    int *const fields[] = {&out->calls, &out->primitive, &out->own, &out->cumulative};
    for (size_t i = 0; prf_call_columns[i] != NULL; i++) {
        *fields[i] =
            prf_column_find(table->columns, table->n_columns, prf_call_columns[i]);
        if (*fields[i] < 0) {
            return false;
        }
    }
    return true;
}

/* Where samples were counted they stand for calls: how often a function was seen. */
static int
exporters_column(const struct prf_table *table, const char *name)
{
    int at = prf_column_find(table->columns, table->n_columns, name);
    bool is_calls = strcmp(name, "calls") == 0 || strcmp(name, "primitive_calls") == 0;
    return at >= 0 || !is_calls ? at
                                : prf_column_find(table->columns, table->n_columns,
                                                  "cumulative_samples_count");
}

bool
prf_cost_index(const struct prf_table *table, struct prf_call_index *out)
{
    int *const fields[] = {&out->calls, &out->primitive, &out->own, &out->cumulative};
    for (size_t i = 0; prf_call_columns[i] != NULL; i++) {
        *fields[i] = exporters_column(table, prf_call_columns[i]);
        if (*fields[i] < 0) {
            return false;
        }
    }
    return true;
}

int
prf_stack_column(const struct prf_tree *tree)
{
    int own = prf_column_find(tree->columns, tree->n_columns, "own_ns");
    for (size_t i = 0; own < 0 && i < tree->n_columns; i++) {
        if (strcmp(tree->columns[i].unit, "count") != 0) {
            own = (int)i;
        }
    }
    return own >= 0 || tree->n_columns == 0 ? own : 0;
}

void
prf_frame_add(struct prf_strbuf *sb, const struct prf_function *code, bool strip_dirs)
{
    const char *file = prf_code_file(code, strip_dirs);
    if (strcmp(file, "~") != 0) {
        prf_visible_add(sb, file, PRF_VISIBLE_LINE);
        prf_strbuf_addc(sb, ':');
    }
    prf_visible_add(sb, code->qualname, PRF_VISIBLE_LINE);
}

int
prf_exporter_find(const char *name, const struct prf_exporter **out,
                  struct prf_error *err)
{
    const char *names[EXPORTERS_N];
    struct prf_strbuf all = PRF_STRBUF_INIT;
    for (size_t i = 0; i < EXPORTERS_N; i++) {
        names[i] = prf_exporters[i]->name;
        if (strcmp(names[i], name) == 0) {
            *out = prf_exporters[i];
            prf_strbuf_release(&all);
            return 0;
        }
        prf_strbuf_addf(&all, "%s%s", i > 0 ? " " : "", names[i]);
    }
    const char *near = prf_suggest(name, names, EXPORTERS_N);
    int rc = prf_fail(err, PRF_EUSAGE, "unknown format '%s'%s%s%s; formats: %s", name,
                      near ? ", did you mean '" : "", near ? near : "",
                      near ? "'?" : "", prf_strbuf_text(&all));
    prf_strbuf_release(&all);
    return rc;
}

unsigned
prf_result_models(const struct prf_result *result)
{
    const struct prf_profile *p = result->profile;
    unsigned models = 0;
    if (p == NULL) {
        return 0;
    }
    /* A declared table without rows is still one: a program may call nothing. */
    models |= p->sites.n_columns > 0 ? PRF_MODEL_SITES : 0;
    models |= p->edges.n_columns > 0 ? PRF_MODEL_EDGES : 0;
    models |= p->tree.n > 1 && p->tree.n_columns > 0 ? PRF_MODEL_STACKS : 0;
    models |= p->n_metrics > 0 ? PRF_MODEL_METRICS : 0;
    models |= p->n_series > 0 ? PRF_MODEL_SERIES : 0;
    models |= p->n_snapshots > 0 ? PRF_MODEL_SNAPSHOTS : 0;
    /* The model only knows that there were events; they stand in the recording. */
    bool events = p->n_event_chunks > 0 && result->recording != NULL;
    models |= events ? PRF_MODEL_EVENTS : 0;
    return models;
}

/* Appends the columns that the format needs and the sites have not. */
static void
exporters_missing_columns(const struct prf_exporter *exporter,
                          const struct prf_result *result, struct prf_strbuf *missing)
{
    const struct prf_table *sites = &result->profile->sites;
    for (const char *const *c = exporter->columns; c != NULL && *c != NULL; c++) {
        if (exporters_column(sites, *c) < 0) {
            prf_strbuf_addf(missing, "%s%s", missing->len > 0 ? ", " : "", *c);
        }
    }
}

int
prf_exporter_check(const struct prf_exporter *exporter, const struct prf_result *result,
                   struct prf_error *err)
{
    struct prf_strbuf missing = PRF_STRBUF_INIT;
    unsigned has = prf_result_models(result);
    unsigned lacks = exporter->needs & ~has;
    bool any = exporter->needs_any != 0 && (exporter->needs_any & has) == 0;
    lacks |= any ? exporter->needs_any : 0;
    const struct prf_profile *p = result->profile;
    for (size_t i = 0; p != NULL && (lacks & PRF_MODEL_EVENTS) != 0 && i < p->n_metrics;
         i++) {
        if (strcmp(p->metrics[i].name, "events") == 0 && p->n_event_chunks == 0) {
            return prf_fail(err, PRF_EUNAVAILABLE,
                            "nothing was recorded: the result has no event to write as "
                            "'%s'",
                            exporter->name);
        }
    }
    const char *what = "models";
    int rc = 0;
    for (unsigned i = 0; i < sizeof exporters_models / sizeof *exporters_models; i++) {
        if ((lacks & 1u << i) != 0) {
            prf_strbuf_addf(&missing, "%s%s",
                            missing.len > 0 ? any ? " or " : ", " : "",
                            exporters_models[i]);
        }
    }
    if (lacks == 0 && result->profile != NULL) {
        exporters_missing_columns(exporter, result, &missing);
        what = "site columns";
    }
    if (missing.len > 0) {
        rc = prf_fail(
            err, PRF_EUNAVAILABLE,
            "format '%s' needs what the result of '%s' does not have: %s (%s); "
            "`pyprofiler profilers` shows which profilers have it",
            exporter->name, result->profiler, prf_strbuf_text(&missing), what);
    }
    prf_strbuf_release(&missing);
    return rc;
}

int
prf_export(const struct prf_exporter *exporter, const struct prf_run *run,
           const struct prf_result *const *results, size_t n,
           const struct prf_export_options *options, FILE *out, struct prf_error *err)
{
    if (exporter->single && n != 1) {
        return prf_fail(err, PRF_EUSAGE,
                        "format '%s' takes one result, %zu were selected; name one by "
                        "its id",
                        exporter->name, n);
    }
    for (size_t i = 0; i < n; i++) {
        int rc = prf_exporter_check(exporter, results[i], err);
        if (rc == 0 && options->sort &&
            (prf_result_models(results[i]) & PRF_MODEL_SITES)) {
            rc = prf_order_check(&results[i]->profile->sites, options->sort, err);
        }
        if (rc < 0) {
            return rc;
        }
    }
    errno = 0;
    int rc = exporter->write(run, results, n, options, out, err);
    if (rc == 0 && (fflush(out) != 0 || ferror(out))) {
        rc = prf_fail(err, PRF_EIO, "cannot write the %s output: %s", exporter->name,
                      errno != 0 ? strerror(errno) : "output error");
    }
    return rc;
}
