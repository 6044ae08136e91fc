/* The model of a script's report; see script_report.h. */
#include "script_report.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "label.h"
#include "script_rules.h"

/* An amount of a hotspot below this part of the whole is not judged: nobody would mind,
   and each that is judged makes a false alarm likelier. */
#define SCRIPT_SMALL 0.01

/* Nor a change of time that is smaller: whether a page was there already makes tenths
   of it in a program that takes tenths of it. */
#define SCRIPT_SLIGHT_NS 1e6

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
        const struct prf_hotspot *spot = &h->items[i / n_columns];
        bool small = prf_hotspot_part(h, own ? spot->own : spot->total) < SCRIPT_SMALL;
        rc = script_add_row(
            report, (struct prf_script_row){own ? "own" : "total", h->unit, spot,
                                            small ? PRF_BETTER_NONE : PRF_BETTER_LESS});
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

/* ---- what other programs took ---- */

/* Time in which the process did not compute, of the run (i = -1) or an earlier one. */
static double
script_lost_ns(const struct prf_script_report *report, ptrdiff_t i)
{
    const struct prf_script_row *rows = report->comparison.rows;
    return i < 0 ? report->figures[PRF_SCRIPT_WALL].value -
                       report->figures[PRF_SCRIPT_CPU].value
                 : rows[PRF_SCRIPT_WALL].earlier[i] - rows[PRF_SCRIPT_CPU].earlier[i];
}

/* How much of a change can be time that the process had to wait for a processor: what
   this run lost, or what made the earlier ones slower. In several threads at once each
   waits. */
static double
script_taken_ns(const struct prf_script_report *report, bool faster)
{
    const struct prf_script_comparison *c = &report->comparison;
    double wall = report->figures[PRF_SCRIPT_WALL].value;
    double taken = faster ? 0 : fmax(script_lost_ns(report, -1), 0);
    for (size_t i = 0; faster && i < c->n_earlier; i++) {
        taken = fmax(taken, script_lost_ns(report, (ptrdiff_t)i));
    }
    return wall > 0 ? taken * fmax(report->hotspots.whole / wall, 1) : taken;
}

/* The scheduler's time slice is milliseconds, and falls on whatever function runs: one
   of 10 us then takes 8 ms, which is far outside of anything it did before, and is no
   change of it. On a busy machine that happened to every second run. So an amount of a
   hotspot counts when at least half of the change cannot be that, or when the time of
   the whole, wall or CPU, says the same. */
static bool
script_may_be_taken(const struct prf_script_report *report,
                    const struct prf_script_row *row, const struct prf_previous *judged)
{
    const struct prf_previous *p = &judged[row - report->comparison.rows];
    double change_ns = p->value - p->typical;
    return row->hotspot != NULL && p->verdict != judged[PRF_SCRIPT_WALL].verdict &&
           p->verdict != judged[PRF_SCRIPT_CPU].verdict &&
           fabs(change_ns) < 2 * script_taken_ns(report, change_ns < 0);
}

/* A change that the figures alone would call one, and that is none. */
static bool
script_is_doubtful(const struct prf_script_report *report,
                   const struct prf_script_row *row, const struct prf_previous *judged)
{
    const struct prf_previous *p = &judged[row - report->comparison.rows];
    return p->verdict != PRF_PREVIOUS_FEW && strcmp(row->unit, "ns") == 0 &&
           (fabs(p->value - p->typical) < SCRIPT_SLIGHT_NS ||
            script_may_be_taken(report, row, judged));
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
        if (script_is_doubtful(report, &c->rows[i], judged)) {
            judged[i].verdict = PRF_PREVIOUS_SAME;
        }
        c->rows[i].judged = judged[i];
        if (!prf_script_row_repeats(report, &c->rows[i])) {
            c->n_regressions += judged[i].verdict == PRF_PREVIOUS_REGRESSION;
            c->n_improvements += judged[i].verdict == PRF_PREVIOUS_IMPROVEMENT;
        }
    }
    script_judge_source(report);
    free(judged);
    free(better);
    return rc;
}

bool
prf_script_row_repeats(const struct prf_script_report *report,
                       const struct prf_script_row *row)
{
    const struct prf_hotspot *spot = row->hotspot;
    return spot != NULL && report->hotspots.own_column != NULL &&
           strcmp(row->name, "total") == 0 && spot->own == spot->total;
}

bool
prf_script_is_elsewhere(const struct prf_script_report *report)
{
    const struct prf_script_row *rows = report->comparison.rows;
    const struct prf_previous *wall = &rows[PRF_SCRIPT_WALL].judged;
    const struct prf_previous *cpu = &rows[PRF_SCRIPT_CPU].judged;
    return (wall->verdict == PRF_PREVIOUS_REGRESSION ||
            wall->verdict == PRF_PREVIOUS_IMPROVEMENT) &&
           cpu->verdict == PRF_PREVIOUS_SAME;
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
