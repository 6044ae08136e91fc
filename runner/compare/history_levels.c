/* Values of commits with their intervals, and the steps among them; see history_pool.h.

   What is independent is the process, so the interval of a commit comes from how much
   processes that measured the same commit differ. That spread is pooled over all
   commits of the series: two or three processes each say little, all of them together
   say it well. Where no commit has two processes, the interval within the process is
   given, and its standard error counts as not known. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "history_pool.h"
#include "steps.h"

static int
levels_by_place(const void *a, const void *b)
{
    const struct history_raw *x = a, *y = b;
    if (x->place != y->place) {
        return x->place < y->place ? -1 : 1;
    }
    return (x->started_ns > y->started_ns) - (x->started_ns < y->started_ns);
}

static int
levels_by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* ---- points ---- */

/* The raws of one place. `values` has room for all of them. */
static void
levels_make_point(const struct history_raw *raws, size_t n, double *values,
                  struct prf_history_point *out)
{
    *out = (struct prf_history_point){.place = raws[0].place,
                                      .value = NAN,
                                      .ci_low = NAN,
                                      .ci_high = NAN,
                                      .sigma = -1};
    size_t k = 0;
    for (size_t i = 0; i < n; i++) {
        out->result = raws[i].result;
        if (isnan(raws[i].value)) {
            out->n_failed++;
            out->status = raws[i].status;
            continue;
        }
        values[k++] = raws[i].value;
        out->n_values += raws[i].n;
        out->ci_low = raws[i].ci_low;
        out->ci_high = raws[i].ci_high;
    }
    out->n_processes = k;
    if (k == 0) {
        return;
    }
    qsort(values, k, sizeof *values, levels_by_value);
    out->value = k % 2 != 0 ? values[k / 2] : values[k / 2 - 1] / 2 + values[k / 2] / 2;
    if (k > 1) { /* the interval of one of them says nothing about the others */
        out->ci_low = out->ci_high = NAN;
    }
}

/* ---- intervals ---- */

struct levels_spread {
    bool logarithmic; /* all values are above 0: the spread is relative */
    double squares;   /* sum of squared distances from the means of the places */
    size_t df;
};

static double
levels_scaled(const struct levels_spread *spread, double value)
{
    return spread->logarithmic ? log(value) : value;
}

/* Adds what the processes of one place say. */
static void
levels_add_spread(struct levels_spread *spread, const struct history_raw *raws,
                  size_t n)
{
    double sum = 0, squares = 0;
    size_t k = 0;
    for (size_t i = 0; i < n; i++) {
        if (!isnan(raws[i].value)) {
            sum += levels_scaled(spread, raws[i].value);
            k++;
        }
    }
    for (size_t i = 0; i < n && k > 1; i++) {
        if (!isnan(raws[i].value)) {
            double d = levels_scaled(spread, raws[i].value) - sum / (double)k;
            squares += d * d;
        }
    }
    spread->squares += squares;
    spread->df += k > 1 ? k - 1 : 0;
}

/* 97.5 % quantile of Student's t: exact for 1 and 2, then Cornish and Fisher's
   expansion, which is right to 1 % from 3 on. */
static double
levels_student(size_t df)
{
    static const double z = 1.959963984540054;
    if (df < 3) {
        return df == 1 ? 12.706 : 4.303;
    }
    double n = (double)df, z3 = z * z * z, z5 = z3 * z * z;
    return z + (z3 + z) / (4 * n) + (5 * z5 + 16 * z3 + 3 * z) / (96 * n * n) +
           (3 * z5 * z * z + 19 * z5 + 17 * z3 - 15 * z) / (384 * n * n * n);
}

static void
levels_set_interval(const struct levels_spread *spread, struct prf_history_point *point)
{
    if (spread->df == 0 || point->n_processes == 0) {
        return;
    }
    double n = (double)point->n_processes;
    /* The median of three and more varies by that much more than their mean. */
    double error = sqrt(spread->squares / (double)spread->df / n) *
                   (point->n_processes > 2 ? 1.2533 : 1);
    double half = levels_student(spread->df) * error;
    if (spread->logarithmic) {
        point->ci_low = point->value * exp(-half);
        point->ci_high = point->value * exp(half);
        point->sigma = error;
    } else {
        point->ci_low = point->value - half;
        point->ci_high = point->value + half;
        point->sigma =
            point->value == 0 ? (error > 0 ? -1 : 0) : error / fabs(point->value);
    }
}

static size_t
levels_run(const struct history_raw *raws, size_t n, size_t from)
{
    size_t end = from + 1;
    while (end < n && raws[end].place == raws[from].place) {
        end++;
    }
    return end;
}

/* The case's own source changed when the newest result of a place has another hash than
   that of the place before. */
static void
levels_mark_source(const struct history_raw *raws, size_t n, const char **hash,
                   struct prf_history_point *point)
{
    const char *own = NULL;
    for (size_t i = 0; i < n; i++) {
        own = raws[i].case_hash != NULL ? raws[i].case_hash : own;
    }
    point->source_changed = own != NULL && *hash != NULL && strcmp(own, *hash) != 0;
    *hash = own != NULL ? own : *hash;
}

int
history_level(struct prf_history *history, struct prf_history_series *series,
              struct history_raw *raws, size_t n, struct prf_error *err)
{
    struct levels_spread spread = {.logarithmic = true};
    const char *hash = NULL;
    double *values = malloc((n + 1) * sizeof *values);
    series->points = prf_arena_alloc(&history->arena, (n + 1) * sizeof *series->points);
    if (values == NULL || series->points == NULL) {
        free(values);
        return prf_fail(err, PRF_ENOMEM, "out of memory");
    }
    qsort(raws, n, sizeof *raws, levels_by_place);
    for (size_t i = 0; i < n; i++) {
        spread.logarithmic = spread.logarithmic && !(raws[i].value <= 0);
    }
    for (size_t i = 0, end; i < n; i = end) {
        end = levels_run(raws, n, i);
        struct prf_history_point *point = &series->points[series->n++];
        levels_make_point(raws + i, end - i, values, point);
        levels_mark_source(raws + i, end - i, &hash, point);
        levels_add_spread(&spread, raws + i, end - i);
    }
    for (size_t i = 0; i < series->n; i++) {
        levels_set_interval(&spread, &series->points[i]);
    }
    free(values);
    return 0;
}

/* ---- steps ---- */

/* The line on which steps are looked for: commits, each one's parent before it, and one
   missing level for each gap. point[i] is the point of level i. */
struct levels_line {
    struct prf_level *levels;
    size_t *point;
    size_t n;
};

static void
levels_draw_line(const struct prf_history *history,
                 const struct prf_history_series *series, struct levels_line *line)
{
    size_t at = 0;
    for (size_t place = 0; place < history->n_places; place++) {
        const struct prf_history_place *p = &history->places[place];
        while (at < series->n && series->points[at].place < place) {
            at++;
        }
        bool own = at < series->n && series->points[at].place == place &&
                   !isnan(series->points[at].value);
        if (p->aside || p->kind == PRF_PLACE_WIP) {
            continue;
        }
        line->point[line->n] = own ? at : PRF_HISTORY_NONE;
        line->levels[line->n++] = (struct prf_level){
            .value = own ? series->points[at].value : 0,
            .sigma = own ? series->points[at].sigma : -1,
            .missing = !own,
            .n = own ? series->points[at].n_processes : 0,
        };
    }
}

static struct prf_history_step
levels_step(const struct prf_history *history, const struct prf_history_series *series,
            const struct levels_line *line, const struct prf_step *found)
{
    struct prf_history_step step = {
        .before = line->point[found->before],
        .at = line->point[found->at],
        .ratio = found->ratio,
        .ci_low = found->ci_low,
        .ci_high = found->ci_high,
        .p_value = found->p_value,
    };
    size_t before = history->places[series->points[step.before].place].commit;
    size_t at = history->places[series->points[step.at].place].commit;
    step.n_between = at - before - 1;
    step.worse = (series->better == PRF_BETTER_LESS && step.ratio > 1) ||
                 (series->better == PRF_BETTER_MORE && step.ratio < 1);
    step.better = series->better != PRF_BETTER_NONE && !step.worse;
    return step;
}

int
history_find_steps(struct prf_history *history, struct prf_history_series *series,
                   const struct prf_history_rules *rules, struct prf_error *err)
{
    size_t room = history->n_places + 1, n = 0;
    struct levels_line line = {.levels = malloc(room * sizeof *line.levels),
                               .point = malloc(room * sizeof *line.point)};
    struct prf_step *steps = NULL;
    int rc = 0;
    if (line.levels == NULL || line.point == NULL) {
        rc = prf_fail(err, PRF_ENOMEM, "out of memory");
        goto out;
    }
    levels_draw_line(history, series, &line);
    if (line.n > 0) {
        rc = prf_steps_find(line.levels, line.n, rules->threshold, rules->alpha, &steps,
                            &n, err);
    }
    if (rc == 0 && n > 0) {
        series->steps = prf_arena_alloc(&history->arena, n * sizeof *series->steps);
        rc = series->steps == NULL ? prf_fail(err, PRF_ENOMEM, "out of memory") : 0;
    }
    for (size_t i = 0; rc == 0 && i < n; i++) {
        series->steps[series->n_steps++] =
            levels_step(history, series, &line, &steps[i]);
    }
out:
    free(steps);
    free(line.levels);
    free(line.point);
    return rc;
}
