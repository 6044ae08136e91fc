/* The model of a script's report; see script_report.h. */
#include "script_report.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "label.h"
#include "script_rules.h"

static const struct prf_script_figure script_figures[PRF_SCRIPT_FIGURES] = {
    [PRF_SCRIPT_WALL] = {"wall_time", "wall time", "ns", PRF_BETTER_LESS, NAN},
    [PRF_SCRIPT_CPU] = {"cpu_time", "CPU time", "ns", PRF_BETTER_LESS, NAN},
    [PRF_SCRIPT_LOAD] = {"average_cpu", "average CPU", "percent", PRF_BETTER_NONE, NAN},
    [PRF_SCRIPT_PEAK] = {"peak_memory", "peak memory", "bytes", PRF_BETTER_LESS, NAN},
};

static int
script_no_memory(struct prf_error *err)
{
    return prf_fail(err, PRF_ENOMEM, "out of memory");
}

/* ---- figures ---- */

static int
script_compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The median of its values: a case has rounds, a script has one. */
static double
script_median(const struct prf_metric_values *metric)
{
    double *sorted = calloc(metric->n + 1, sizeof *sorted);
    if (sorted == NULL || metric->n == 0) {
        free(sorted);
        return NAN;
    }
    memcpy(sorted, metric->samples, metric->n * sizeof *sorted);
    qsort(sorted, metric->n, sizeof *sorted, script_compare);
    double median = (sorted[(metric->n - 1) / 2] + sorted[metric->n / 2]) / 2;
    free(sorted);
    return median;
}

/* The last metric of that name: a profiler may have one of its own before the run's. */
static double
script_metric(const struct prf_profile *p, const char *name)
{
    for (size_t i = p == NULL ? 0 : p->n_metrics; i-- > 0;) {
        if (strcmp(p->metrics[i].name, name) == 0) {
            return script_median(&p->metrics[i]);
        }
    }
    return NAN;
}

static double
script_or(double value, int64_t instead)
{
    return isnan(value) && instead > 0 ? (double)instead : value;
}

/* What the run recorded; of what it did not (a case, a process that died early) what is
   known of the process. */
static void
script_read_figures(const struct prf_result *result, double out[PRF_SCRIPT_FIGURES])
{
    for (size_t i = 0; i < PRF_SCRIPT_FIGURES; i++) {
        out[i] = script_metric(result->profile, script_figures[i].name);
    }
    out[PRF_SCRIPT_WALL] = script_or(out[PRF_SCRIPT_WALL], result->duration_ns);
    out[PRF_SCRIPT_CPU] = script_or(out[PRF_SCRIPT_CPU], result->cpu_ns);
    out[PRF_SCRIPT_PEAK] = script_or(out[PRF_SCRIPT_PEAK], result->max_rss_bytes);
}

/* ---- the rows that are compared ---- */

size_t
prf_script_columns(const struct prf_script_report *report, const char *columns[3])
{
    size_t n = 0;
    if (report->hotspots.own_column != NULL) {
        columns[n++] = report->hotspots.own_column;
    }
    if (report->hotspots.total_column != NULL) {
        columns[n++] = report->hotspots.total_column;
    }
    columns[n] = NULL;
    return n;
}

/* The earlier amounts of a function are those of all its rows: a line among them has no
   such history, since lines move. */
static size_t
script_hotspot_columns(const struct prf_script_report *report)
{
    const char *columns[3];
    return report->hotspots.lines ? 0 : prf_script_columns(report, columns);
}

static int
script_add_row(struct prf_script_report *report, struct prf_script_row row)
{
    struct prf_script_comparison *c = &report->comparison;
    row.earlier = prf_arena_alloc(&report->arena, (c->room + 1) * sizeof *row.earlier);
    if (row.earlier == NULL) {
        return PRF_ENOMEM;
    }
    prf_previous_estimate(NAN, NULL, 0, &row.judged);
    c->rows[c->n_rows++] = row;
    return 0;
}

static int
script_make_rows(struct prf_script_report *report, struct prf_error *err)
{
    struct prf_script_comparison *c = &report->comparison;
    const struct prf_hotspots *h = &report->hotspots;
    size_t n_columns = script_hotspot_columns(report);
    size_t most = PRF_SCRIPT_FIGURES + h->n * n_columns;
    int rc = 0;
    c->rows = prf_arena_alloc(&report->arena, most * sizeof *c->rows);
    c->earlier = prf_arena_alloc(&report->arena, (c->room + 1) * sizeof *c->earlier);
    if (c->rows == NULL || c->earlier == NULL) {
        return script_no_memory(err);
    }
    for (size_t i = 0; rc == 0 && i < PRF_SCRIPT_FIGURES; i++) {
        const struct prf_script_figure *f = &report->figures[i];
        rc = script_add_row(report,
                            (struct prf_script_row){f->name, f->unit, NULL, f->better});
    }
    for (size_t i = 0; rc == 0 && i < h->n * n_columns; i++) {
        bool own = h->own_column != NULL && i % n_columns == 0;
        rc = script_add_row(
            report, (struct prf_script_row){own ? "own" : "total", h->unit,
                                            &h->items[i / n_columns], PRF_BETTER_LESS});
    }
    return rc < 0 ? script_no_memory(err) : 0;
}

static double
script_row_value(const struct prf_script_report *report,
                 const struct prf_script_row *row)
{
    if (row->hotspot == NULL) {
        return report->figures[row - report->comparison.rows].value;
    }
    return strcmp(row->name, "own") == 0 ? row->hotspot->own : row->hotspot->total;
}

/* ---- filling it ---- */

int
prf_script_report_init(struct prf_script_report *report, const struct prf_run *run,
                       const struct prf_result *result, size_t room,
                       struct prf_error *err)
{
    double values[PRF_SCRIPT_FIGURES];
    *report = (struct prf_script_report){.run = run, .result = result};
    report->comparison.room = room;
    report->comparison.threshold = PRF_PREVIOUS_THRESHOLD;
    script_read_figures(result, values);
    for (size_t i = 0; i < PRF_SCRIPT_FIGURES; i++) {
        report->figures[i] = script_figures[i];
        report->figures[i].value = values[i];
    }
    double wall = values[PRF_SCRIPT_WALL], cpu = values[PRF_SCRIPT_CPU];
    if (isnan(values[PRF_SCRIPT_LOAD]) && wall > 0) {
        report->figures[PRF_SCRIPT_LOAD].value = 100 * cpu / wall;
    }
    int rc = prf_hotspots_find(result, PRF_SCRIPT_HOTSPOTS, &report->arena,
                               &report->hotspots, err);
    if (rc == 0) {
        rc = script_make_rows(report, err);
    }
    return rc < 0 ? rc : prf_rules_apply(report, err);
}

void
prf_script_report_release(struct prf_script_report *report)
{
    prf_arena_release(&report->arena);
    *report = (struct prf_script_report){0};
}

static const char *
script_copy(struct prf_script_report *report, const char *text, bool *failed)
{
    const char *copy = text == NULL ? NULL : prf_arena_strdup(&report->arena, text);
    *failed |= text != NULL && copy == NULL;
    return copy;
}

int
prf_script_report_add(struct prf_script_report *report, const struct prf_run *run,
                      const struct prf_result *result, const double *amounts,
                      struct prf_error *err)
{
    struct prf_script_comparison *c = &report->comparison;
    double figures[PRF_SCRIPT_FIGURES];
    bool failed = false;
    if (c->n_earlier == c->room) {
        return 0;
    }
    script_read_figures(result, figures);
    for (size_t i = 0; i < c->n_rows; i++) {
        c->rows[i].earlier[c->n_earlier] =
            i < PRF_SCRIPT_FIGURES ? figures[i] : amounts[i - PRF_SCRIPT_FIGURES];
    }
    c->earlier[c->n_earlier++] = (struct prf_script_earlier){
        .result_id = script_copy(report, result->id, &failed),
        .started_ns = result->started_ns,
        .commit = script_copy(report, run->commit.id, &failed),
        .dirty = run->commit.dirty,
        .hash = script_copy(report, result->case_hash, &failed),
    };
    return failed ? script_no_memory(err) : 0;
}

/* Is the source another one than when it was run last? */
static void
script_judge_source(struct prf_script_report *report)
{
    struct prf_script_comparison *c = &report->comparison;
    const char *now = report->result->case_hash;
    for (size_t i = 0; now != NULL && i < c->n_earlier; i++) {
        if (c->earlier[i].hash != NULL) {
            c->source_changed = strcmp(c->earlier[i].hash, now) != 0;
            c->source_before = i;
            return;
        }
    }
}

int
prf_script_report_judge(struct prf_script_report *report, double threshold,
                        struct prf_error *err)
{
    struct prf_script_comparison *c = &report->comparison;
    struct prf_previous *judged = calloc(c->n_rows + 1, sizeof *judged);
    enum prf_better *better = calloc(c->n_rows + 1, sizeof *better);
    int rc = judged == NULL || better == NULL ? script_no_memory(err) : 0;
    c->threshold = threshold;
    for (size_t i = 0; rc == 0 && i < c->n_rows; i++) {
        prf_previous_estimate(script_row_value(report, &c->rows[i]), c->rows[i].earlier,
                              c->n_earlier, &judged[i]);
        better[i] = c->rows[i].better;
    }
    rc = rc == 0 ? prf_previous_judge(judged, better, c->n_rows, threshold, err) : rc;
    for (size_t i = 0; rc == 0 && i < c->n_rows; i++) {
        c->rows[i].judged = judged[i];
        c->n_regressions += judged[i].verdict == PRF_PREVIOUS_REGRESSION;
        c->n_improvements += judged[i].verdict == PRF_PREVIOUS_IMPROVEMENT;
    }
    script_judge_source(report);
    free(judged);
    free(better);
    return rc;
}

/* ---- words ---- */

void
prf_script_row_label(struct prf_strbuf *sb, const struct prf_script_report *report,
                     const struct prf_script_row *row)
{
    if (row->hotspot == NULL) {
        prf_strbuf_adds(sb, report->figures[row - report->comparison.rows].label);
        return;
    }
    prf_strbuf_addf(sb, "%s %s of ", row->name, report->hotspots.what);
    prf_visible_add(sb, row->hotspot->function->qualname, PRF_VISIBLE_LINE);
}

const char *
prf_script_percent(double ratio, char *buf, size_t size)
{
    double percent = 100 * (ratio - 1);
    if (!isfinite(ratio)) {
        snprintf(buf, size, "-");
    } else if (fabs(percent) < 999.5) {
        snprintf(buf, size, "%+.1f %%", percent);
    } else {
        snprintf(buf, size, "x %.3g", ratio);
    }
    return buf;
}
