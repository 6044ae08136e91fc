/* Estimate, interval and p-values of one change; see change.h. All memory of a
   measurement is one block. */
#include "change.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "bootstrap.h"
#include "distributions.h"
#include "rank.h"
#include "verdict.h"

#define CHANGE_RESAMPLES 1000
/* From here on processes speak for themselves. */
#define CHANGE_ENOUGH 8
/* With fewer a side an assumption about times is not overruled. */
#define CHANGE_SPEAKS 3
#define CHANGE_DISTRUST_DEGREES 3.0
/* What an assumption weighs, in degrees of freedom: by unit, and from other results. */
#define CHANGE_WEIGHT_ASSUMED 4.0
#define CHANGE_WEIGHT_KNOWN 10.0
/* What ranks of pairs must reach; see change.h. */
#define CHANGE_PAIRS_AGREE 0.05
#define CHANGE_Z95 1.959963984540054

static const struct {
    const char *unit;
    double between;
} change_assumed[] = {{"bytes", 0.01}, {"count", 0.0}};
#define CHANGE_ASSUMED_ELSE 0.04

/* Processes with finite values only. Transformed values are logarithms, or parts of the
   base's median. */
struct change_side {
    double *values;  /* all, ascending once they are pooled */
    double *medians; /* transformed, in the order of measuring */
    double *sorted;  /* the same, ascending */
    double *within;  /* variance of each of the medians because of its values */
    size_t *sizes;   /* values of each */
    size_t n, n_processes;
    double median; /* in the metric's unit */
    bool positive, constant;
};

struct change_scale {
    bool logarithmic;
    double unit; /* what differences are relative to */
};

/* The distribution of the estimate around what is estimated. */
struct change_estimate {
    double centre; /* next - base, transformed */
    double extra;  /* variance that the resamples lack */
    double degrees;
    bool few; /* processes: how askew the distribution is, they cannot say */
};

static int
change_by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* qsort() of glibc costs three times as much for the twenty values of a usual side. */
static void
change_sort(double *x, size_t n)
{
    if (n > 32) {
        qsort(x, n, sizeof *x, change_by_value);
        return;
    }
    for (size_t i = 1; i < n; i++) {
        double moved = x[i];
        size_t k = i;
        for (; k > 0 && x[k - 1] > moved; k--) {
            x[k] = x[k - 1];
        }
        x[k] = moved;
    }
}

static double
change_median(const double *sorted, size_t n)
{
    return n % 2 == 1 ? sorted[n / 2] : sorted[n / 2 - 1] / 2.0 + sorted[n / 2] / 2.0;
}

/* Finite values, each process's ascending. A pair that lacks one side is no pair, so
   `keep_empty` leaves such a process in its place. */
static void
change_read(const struct prf_side_values *from, bool keep_empty,
            struct change_side *side)
{
    side->positive = side->constant = true;
    for (size_t i = 0; i < from->n; i++) {
        const struct prf_process_values *process = &from->processes[i];
        size_t start = side->n;
        for (size_t k = 0; k < process->n; k++) {
            if (isfinite(process->values[k])) {
                side->values[side->n++] = process->values[k];
            }
        }
        if (side->n > start || keep_empty) {
            change_sort(side->values + start, side->n - start);
            side->sizes[side->n_processes++] = side->n - start;
        }
    }
    for (size_t i = 0; i < side->n; i++) {
        side->positive = side->positive && side->values[i] > 0.0;
        side->constant = side->constant && side->values[i] == side->values[0];
    }
}

static void
change_drop_process(struct change_side *side, size_t index)
{
    size_t start = 0, end = 0, size = side->sizes[index];
    for (size_t i = 0; i <= index; i++) {
        start = end;
        end += side->sizes[i];
    }
    memmove(side->values + start, side->values + end,
            (side->n - end) * sizeof *side->values);
    memmove(side->sizes + index, side->sizes + index + 1,
            (side->n_processes - index - 1) * sizeof *side->sizes);
    side->n -= size;
    side->n_processes--;
}

/* Only whole pairs. */
static void
change_match(struct change_side *base, struct change_side *next)
{
    while (base->n_processes > next->n_processes) {
        change_drop_process(base, base->n_processes - 1);
    }
    while (next->n_processes > base->n_processes) {
        change_drop_process(next, next->n_processes - 1);
    }
    for (size_t i = base->n_processes; i-- > 0;) {
        if (base->sizes[i] == 0 || next->sizes[i] == 0) {
            change_drop_process(base, i);
            change_drop_process(next, i);
        }
    }
}

static double
change_transform(double value, const struct change_scale *scale)
{
    return scale->logarithmic ? log(value) : value / scale->unit;
}

/* The value at a position of ascending values, between neighbours by their distance. */
static double
change_at(const double *sorted, size_t n, double position)
{
    double h = fmin(fmax(position * (double)n - 0.5, 0.0), (double)n - 1.0);
    size_t low = (size_t)h, high = low + 1 < n ? low + 1 : low;
    double part = h - (double)low;
    return (1.0 - part) * sorted[low] + part * sorted[high];
}

/* Variance of the median of n values: half the distance between the order statistics
   one standard deviation of its rank below and above; `assumed` for too few to tell. */
static double
change_within(const double *sorted, size_t n, const struct change_scale *scale,
              double assumed)
{
    if (n < 4) {
        return assumed * assumed / (double)n;
    }
    double reach = 0.5 / sqrt((double)n + 2.0);
    double low = change_transform(change_at(sorted, n, 0.5 - reach), scale);
    double high = change_transform(change_at(sorted, n, 0.5 + reach), scale);
    return (high - low) * (high - low) / 4.0;
}

/* The side's median in the metric's unit; `sorted` is used as room. */
static void
change_find_median(struct change_side *side, bool lowest)
{
    const double *values = side->values;
    for (size_t i = 0; i < side->n_processes; i++) {
        side->medians[i] = lowest ? values[0] : change_median(values, side->sizes[i]);
        side->sorted[i] = side->medians[i];
        values += side->sizes[i];
    }
    change_sort(side->sorted, side->n_processes);
    side->median = change_median(side->sorted, side->n_processes);
}

static void
change_rescale(struct change_side *side, const struct change_scale *scale,
               double assumed)
{
    const double *values = side->values;
    for (size_t i = 0; i < side->n_processes; i++) {
        side->within[i] = change_within(values, side->sizes[i], scale, assumed);
        side->medians[i] = change_transform(side->medians[i], scale);
        side->sorted[i] = change_transform(side->sorted[i], scale);
        values += side->sizes[i];
    }
}

static double
change_mean(const double *x, size_t n)
{
    double sum = 0.0;
    for (size_t i = 0; i < n; i++) {
        sum += x[i] / (double)n;
    }
    return sum;
}

static double
change_squares(const double *x, size_t n)
{
    double mean = change_mean(x, n), squares = 0.0;
    for (size_t i = 0; i < n; i++) {
        squares += (x[i] - mean) * (x[i] - mean);
    }
    return squares;
}

/* Relative spread of single values within the processes, for counts: what varies within
   varies between. */
static double
change_spread(const struct change_side *side)
{
    double sum = 0.0;
    for (size_t i = 0; i < side->n_processes; i++) {
        sum += side->within[i] * (double)side->sizes[i] * 2.0 / 3.14159265358979;
    }
    return sqrt(sum / (double)side->n_processes);
}

static double
change_assume(const struct prf_change_metric *metric)
{
    if (metric->between >= 0.0) {
        return metric->between;
    }
    const char *unit = metric->unit == NULL ? "" : metric->unit;
    for (size_t i = 0; i < sizeof change_assumed / sizeof *change_assumed; i++) {
        if (strcmp(unit, change_assumed[i].unit) == 0) {
            return change_assumed[i].between;
        }
    }
    return CHANGE_ASSUMED_ELSE;
}

/* An assumption about processes, and what it weighs beside `observed` degrees of
   freedom of our own: less with each of them, nothing when they are enough. */
struct change_prior {
    double between;
    double weight;
};

static struct change_prior
change_prior(const struct prf_change_metric *metric, double between, double observed)
{
    double weight =
        metric->between >= 0.0 ? CHANGE_WEIGHT_KNOWN : CHANGE_WEIGHT_ASSUMED;
    return (struct change_prior){between,
                                 weight * fmax(0.0, 1.0 - observed / CHANGE_ENOUGH)};
}

/* Variance of a process's median: what was observed, with the assumption, and never
   less than observed. */
static double
change_shrink(const struct change_prior *prior, double assumed, double squares,
              double observed)
{
    double both = (prior->weight * assumed + squares) / (prior->weight + observed);
    return observed > 0.0 ? fmax(both, squares / observed) : both;
}

/* How much more the median of n normal values varies than their mean. */
static double
change_median_cost(size_t n)
{
    static const double cost[CHANGE_ENOUGH] = {1,     1,     1,     1.346,
                                               1.193, 1.434, 1.288, 1.473};
    return n < CHANGE_ENOUGH ? cost[n] : 1.5;
}

struct change_part {
    double variance, extra, degrees;
};

/* One side of the estimate: its variance, and what of it the strata lack. */
static struct change_part
change_side_part(const struct change_side *side, const struct change_prior *prior,
                 double squares, double observed, double resampled)
{
    size_t n = side->n_processes;
    double own = change_squares(side->medians, n);
    if (n >= CHANGE_ENOUGH) {
        /* A kernel as wide as the standard error of a mean smooths the steps between
           order statistics. */
        double extra =
            own / (double)(n - 1) * change_median_cost(n) / ((double)n * (double)n);
        return (struct change_part){resampled + extra, extra, (double)n - 1.0};
    }
    double within = change_mean(side->within, n);
    double assumed = prior->between * prior->between + within;
    double variance = change_shrink(prior, assumed, squares, observed) *
                      change_median_cost(n) / (double)n;
    struct change_part part = {variance, fmax(0.0, variance - resampled),
                               prior->weight + observed};
    if (observed == 0.0 && side->sizes[0] > 1 && variance > 0.0) {
        double between = prior->between * prior->between;
        part.degrees = variance * variance /
                       (between * between / prior->weight +
                        within * within / ((double)side->sizes[0] - 1.0));
    }
    return part;
}

/* Satterthwaite's degrees of freedom of a sum of variances. */
static double
change_degrees(const struct change_part *a, const struct change_part *b)
{
    double sum = a->variance + b->variance;
    double divisor =
        a->variance * a->variance / a->degrees + b->variance * b->variance / b->degrees;
    return divisor > 0.0 ? sum * sum / divisor : fmin(a->degrees, b->degrees);
}

static void
change_fill_strata(const struct change_side *side, const struct change_scale *scale,
                   const double positions[PRF_STRATA], struct prf_strata *out)
{
    if (side->n_processes > 1) {
        prf_strata_fill(side->sorted, side->n_processes, positions, out);
        return;
    }
    prf_strata_fill(side->values, side->n, positions, out);
    double last = NAN, transformed = NAN;
    for (size_t i = 0; i < PRF_STRATA; i++) {
        if (out->level[i] != last) {
            last = out->level[i];
            transformed = change_transform(last, scale);
        }
        out->level[i] = transformed;
    }
}

/* What varies freely: processes, or the values of a single one. */
static size_t
change_units(const struct change_side *side)
{
    return side->n_processes > 1 ? side->n_processes : side->n;
}

/* One or two processes a side, and nothing known of others: on a busy machine one in
   ten takes half as long again, and two can be so by chance. So what they say of their
   own spread is not believed below the assumption, and the tails stay heavy. */
static void
change_distrust(const struct change_side *base, const struct change_side *next,
                const struct prf_change_metric *metric, double between,
                struct change_part parts[2], double *degrees)
{
    const struct change_side *sides[] = {base, next};
    size_t fewest =
        base->n_processes < next->n_processes ? base->n_processes : next->n_processes;
    if (fewest >= CHANGE_SPEAKS || metric->between >= 0.0 ||
        between < CHANGE_ASSUMED_ELSE) {
        return;
    }
    for (int i = 0; i < 2; i++) {
        double least = between * between / (double)sides[i]->n_processes;
        parts[i].extra += fmax(0.0, least - parts[i].variance);
        parts[i].variance = fmax(parts[i].variance, least);
    }
    *degrees = fmin(*degrees, CHANGE_DISTRUST_DEGREES);
}

static struct change_estimate
change_resample_sides(const struct change_side *base, const struct change_side *next,
                      const struct change_scale *scale,
                      const struct prf_change_metric *metric, double between,
                      struct prf_random *random, double *resamples, size_t n_resamples)
{
    double positions[PRF_STRATA];
    struct prf_strata strata[2];
    prf_strata_positions(change_units(base), positions);
    change_fill_strata(base, scale, positions, &strata[0]);
    if (change_units(next) != change_units(base)) {
        prf_strata_positions(change_units(next), positions);
    }
    change_fill_strata(next, scale, positions, &strata[1]);
    double observed = (double)(base->n_processes + next->n_processes - 2);
    double squares = change_squares(base->medians, base->n_processes) +
                     change_squares(next->medians, next->n_processes);
    struct change_prior prior = change_prior(metric, between, observed);
    struct change_part parts[2] = {
        change_side_part(base, &prior, squares, observed,
                         prf_strata_variance(&strata[0])),
        change_side_part(next, &prior, squares, observed,
                         prf_strata_variance(&strata[1])),
    };
    double degrees = change_degrees(&parts[0], &parts[1]);
    change_distrust(base, next, metric, between, parts, &degrees);
    struct change_estimate estimate = {
        .centre = change_median(next->sorted, next->n_processes) -
                  change_median(base->sorted, base->n_processes),
        .extra = parts[0].extra + parts[1].extra,
        .degrees = degrees,
        .few = base->n_processes < CHANGE_ENOUGH || next->n_processes < CHANGE_ENOUGH,
    };
    if (scale->logarithmic) {
        estimate.centre = log(next->median) - log(base->median);
    }
    prf_bootstrap_sides(&strata[0], &strata[1], estimate.centre, random, resamples,
                        n_resamples);
    return estimate;
}

/* `differences` of the pairs come ascending. */
static struct change_estimate
change_resample_pairs(const struct change_side *base, const struct change_side *next,
                      const double *differences, const struct prf_change_metric *metric,
                      double between, struct prf_random *random, double *resamples,
                      size_t n_resamples, unsigned *counts)
{
    size_t n = base->n_processes, trim = n / 4;
    double observed = (double)n - 1.0;
    double squares = change_squares(differences, n);
    struct change_estimate estimate = {.centre =
                                           prf_trimmed_mean(differences, n, trim)};
    prf_bootstrap_pairs(differences, n, trim, estimate.centre, random, resamples,
                        n_resamples, counts);
    if (n >= CHANGE_ENOUGH) {
        estimate.extra = squares / observed / ((double)n * (double)n);
        estimate.degrees = observed - 2.0 * (double)trim;
        return estimate;
    }
    struct change_prior prior = change_prior(metric, between, observed);
    double assumed = 2.0 * between * between + change_mean(base->within, n) +
                     change_mean(next->within, n);
    double variance = change_shrink(&prior, assumed, squares, observed) / (double)n;
    double resampled = squares / ((double)n * (double)n);
    estimate.extra = fmax(0.0, variance - resampled);
    estimate.degrees = prior.weight + observed;
    return estimate;
}

static double
change_ratio(double difference, const struct change_scale *scale,
             const struct prf_change *change)
{
    if (scale->logarithmic) {
        return exp(difference);
    }
    if (change->base == 0.0) {
        return difference == 0.0 && change->next == 0.0 ? 1.0 : NAN;
    }
    return 1.0 + difference;
}

/* Interval and p from the resamples. Their quantiles, which may lie askew, are moved
   outwards by t; the p is the level at which the interval just reaches 1. */
static void
change_conclude(const struct change_estimate *estimate,
                const struct change_scale *scale, const struct prf_change_rules *rules,
                double *resamples, size_t n_resamples, struct prf_change *out)
{
    double low, high;
    prf_bootstrap_quantiles(resamples, n_resamples, &low, &high);
    double t95 = prf_t_quantile(0.05, estimate->degrees);
    double half = (high - low) / 2.0, below = fmax(-low, half / 2.0),
           above = fmax(high, half / 2.0);
    double expand = t95 / CHANGE_Z95;
    out->ratio = change_ratio(estimate->centre, scale, out);
    out->ci_low = change_ratio(estimate->centre - below * expand, scale, out);
    out->ci_high = change_ratio(estimate->centre + above * expand, scale, out);
    if (isnan(out->ratio)) {
        out->ci_low = out->ci_high = NAN;
    }
    double error_below = below / CHANGE_Z95, error_above = above / CHANGE_Z95;
    out->error = half / CHANGE_Z95;
    if (estimate->few) {
        /* The shorter half of a lopsided resample of four processes made three false
           alarms of one. */
        error_below = fmax(error_below, out->error);
        error_above = fmax(error_above, out->error);
        out->error = (error_below + error_above) / 2.0;
    }
    double toward = estimate->centre > 0.0 ? error_below : error_above;
    out->degrees = estimate->degrees;
    if (estimate->centre == 0.0) {
        out->p_verdict = 1.0;
    } else {
        out->p_verdict = prf_t_tail(toward > 0.0 ? estimate->centre / toward : INFINITY,
                                    estimate->degrees);
    }
    out->detectable = prf_change_detectable(out, rules->alpha, rules->threshold);
}

/* Ranks of what is independent, as far as there is enough of it. */
static int
change_rank(const struct change_side *base, const struct change_side *next,
            double *differences, struct prf_change *out, struct prf_error *err)
{
    struct prf_rank values, units;
    int rc = prf_rank_sides(base->values, base->n, next->values, next->n, &values, err);
    units = values;
    if (rc == 0 && differences != NULL) {
        rc = prf_rank_pairs(differences, base->n_processes, &units, err);
    } else if (rc == 0 && base->n_processes >= 4 && next->n_processes >= 4) {
        rc = prf_rank_sides(base->sorted, base->n_processes, next->sorted,
                            next->n_processes, &units, err);
    }
    if (rc != 0) {
        return rc;
    }
    out->effect = values.effect;
    out->p_value = units.p;
    out->p_bootstrap = out->p_verdict;
    bool agreed = differences != NULL && units.p <= CHANGE_PAIRS_AGREE;
    if (!units.apart && !agreed) {
        out->p_verdict = fmax(out->p_verdict, units.p);
    }
    return 0;
}

static bool
change_is_exact(const struct change_side *base, const struct change_side *next,
                const struct prf_change_metric *metric)
{
    size_t fewest =
        base->n_processes < next->n_processes ? base->n_processes : next->n_processes;
    return base->constant && next->constant &&
           (change_assume(metric) == 0.0 || fewest >= 3);
}

static void
change_set_exact(const struct prf_change_rules *rules, struct prf_change *out)
{
    bool equal = out->base == out->next;
    out->exact = true;
    out->ratio = out->base > 0.0   ? out->next / out->base
                 : out->base < 0.0 ? 1.0 + (out->next - out->base) / -out->base
                                   : (equal ? 1.0 : NAN);
    out->ci_low = out->ci_high = out->ratio;
    out->p_value = out->p_verdict = equal ? 1.0 : 0.0;
    out->effect = (double)(out->next > out->base) - (double)(out->next < out->base);
    out->degrees = INFINITY;
    out->detectable = rules->threshold;
}

static struct change_scale
change_choose_scale(const struct change_side *base, const struct change_side *next)
{
    double unit = fabs(base->median);
    if (unit == 0.0) {
        unit = fabs(next->median);
    }
    return (struct change_scale){base->positive && next->positive,
                                 unit > 0.0 ? unit : 1.0};
}

/* Memory of a measurement: sides, differences and resamples. */
struct change_room {
    void *block;
    struct change_side sides[2];
    double *differences, *resamples;
    unsigned *counts;
};

static size_t
change_count(const struct prf_side_values *side)
{
    size_t n = 0;
    for (size_t i = 0; i < side->n; i++) {
        n += side->processes[i].n;
    }
    return n;
}

static int
change_allocate(const struct prf_side_values *const from[2], size_t n_resamples,
                struct change_room *room, struct prf_error *err)
{
    size_t values[2] = {change_count(from[0]), change_count(from[1])};
    size_t doubles = values[0] + values[1] + 3 * (from[0]->n + from[1]->n) +
                     from[0]->n + n_resamples;
    size_t sizes = from[0]->n + from[1]->n;
    double *next = malloc(doubles * sizeof *next + sizes * sizeof(size_t) +
                          from[0]->n * sizeof(unsigned));
    room->block = next;
    if (next == NULL) {
        return prf_fail(err, PRF_ENOMEM, "out of memory");
    }
    for (int i = 0; i < 2; i++) {
        struct change_side *side = &room->sides[i];
        *side = (struct change_side){.values = next};
        next += values[i];
        side->medians = next;
        side->sorted = side->medians + from[i]->n;
        side->within = side->sorted + from[i]->n;
        next = side->within + from[i]->n;
    }
    room->differences = next;
    room->resamples = next + from[0]->n;
    room->sides[0].sizes = (size_t *)(room->resamples + n_resamples);
    room->sides[1].sizes = room->sides[0].sizes + from[0]->n;
    room->counts = (unsigned *)(room->sides[1].sizes + from[1]->n);
    return 0;
}

/* Statistics of what is not exact. */
static int
change_estimate(struct change_room *room, const struct prf_change_metric *metric,
                const struct prf_change_rules *rules, size_t n_resamples,
                struct prf_change *out, struct prf_error *err)
{
    struct change_side *base = &room->sides[0], *next = &room->sides[1];
    struct change_scale scale = change_choose_scale(base, next);
    struct prf_random random;
    struct change_estimate estimate;
    double between = change_assume(metric);
    change_rescale(base, &scale, between);
    change_rescale(next, &scale, between);
    if (between == 0.0) {
        between = fmax(0.01, fmax(change_spread(base), change_spread(next)));
    }
    prf_random_seed(&random, rules->seed);
    double *differences = metric->paired ? room->differences : NULL;
    if (differences != NULL) {
        for (size_t i = 0; i < base->n_processes; i++) {
            differences[i] = next->medians[i] - base->medians[i];
        }
        change_sort(differences, base->n_processes);
        estimate =
            change_resample_pairs(base, next, differences, metric, between, &random,
                                  room->resamples, n_resamples, room->counts);
    } else {
        estimate = change_resample_sides(base, next, &scale, metric, between, &random,
                                         room->resamples, n_resamples);
    }
    prf_bootstrap_smooth(room->resamples, n_resamples, sqrt(estimate.extra), &random);
    change_conclude(&estimate, &scale, rules, room->resamples, n_resamples, out);
    change_sort(base->values, base->n);
    change_sort(next->values, next->n);
    return change_rank(base, next, differences, out, err);
}

int
prf_change_measure(const struct prf_side_values *base,
                   const struct prf_side_values *next,
                   const struct prf_change_metric *metric,
                   const struct prf_change_rules *rules, struct prf_change *out,
                   struct prf_error *err)
{
    const struct prf_side_values *const from[2] = {base, next};
    struct prf_change_rules own = *rules;
    own.threshold = prf_change_threshold(rules, metric->unit);
    size_t n_resamples =
        rules->n_resamples == 0 ? CHANGE_RESAMPLES : rules->n_resamples;
    n_resamples = n_resamples < 100 ? 100 : n_resamples;
    struct change_room room = {0};
    int rc = change_allocate(from, n_resamples, &room, err);
    *out = (struct prf_change){
        .verdict = PRF_VERDICT_INCONCLUSIVE, .better = metric->better, .q_value = 1.0};
    if (rc != 0) {
        return rc;
    }
    struct change_side *b = &room.sides[0], *x = &room.sides[1];
    change_read(base, metric->paired, b);
    change_read(next, metric->paired, x);
    if (metric->paired) {
        change_match(b, x);
    }
    if (b->n == 0 || x->n == 0) {
        rc = prf_fail(err, PRF_EUSAGE, "a side has no values to compare");
        goto out;
    }
    change_find_median(b, metric->lowest);
    change_find_median(x, metric->lowest);
    out->base = b->median;
    out->next = x->median;
    out->n_base = b->n;
    out->n_next = x->n;
    out->processes_base = b->n_processes;
    out->processes_next = x->n_processes;
    if (change_is_exact(b, x, metric)) {
        change_set_exact(&own, out);
    } else {
        rc = change_estimate(&room, metric, &own, n_resamples, out, err);
    }
out:
    free(room.block);
    return rc;
}
