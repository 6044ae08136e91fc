/* Change points of a noisy history; see steps.h. Outliers are cut first, against what
   their neighbours say; then the cheapest partition into levels is found, and each of
   its steps has to stand a test of its own. */
#include "steps.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "distributions.h"

/* What remains of an outlier, in standard deviations from its neighbours' median. */
#define STEPS_CUT 2.5
/* Two commits at least make a level, so that one outlier makes none. */
#define STEPS_SHORTEST 2
/* Shorter than this, away and back again, is no level. */
#define STEPS_EXCURSION 5
#define STEPS_NO_WEIGHT 1e-6
/* So many processes of a commit are not all disturbed by so much: log(1.5), and a
   number of standard deviations. Such a commit is a level by itself. */
#define STEPS_SURE_PROCESSES 3
#define STEPS_SURE 0.405
#define STEPS_SURE_SIGMAS 6.0

struct steps_series {
    size_t n;
    size_t *at;     /* index of each measured level */
    double *x;      /* logarithms, or parts of the median where these do not exist */
    double *weight; /* of a level: 1, less when it is known less well than others */
    double *w, *wx; /* running sums, n + 1 */
    double *wxx;
    double *cost; /* of the best partition of the first i */
    size_t *from; /* where its last level starts */
    bool *sure;   /* is the level no outlier, whatever its neighbours are? */
    double sigma; /* between neighbours on the same level, by what is typical */
    bool logarithmic, exact;
};

static int
steps_by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double
steps_median(double *x, size_t n)
{
    if (n == 0) {
        return 0.0;
    }
    qsort(x, n, sizeof *x, steps_by_value);
    return n % 2 == 1 ? x[n / 2] : (x[n / 2 - 1] + x[n / 2]) / 2.0;
}

static int
steps_read(const struct prf_level *levels, size_t n, struct steps_series *s,
           struct prf_error *err)
{
    double *room = calloc(7 * (n + 1), sizeof *room);
    s->at = calloc(2 * (n + 1), sizeof *s->at);
    s->x = room;
    s->sure = calloc(n + 1, sizeof *s->sure);
    if (room == NULL || s->at == NULL || s->sure == NULL) {
        return prf_fail(err, PRF_ENOMEM, "out of memory");
    }
    s->weight = room + (n + 1);
    s->w = s->weight + (n + 1);
    s->wx = s->w + (n + 1);
    s->wxx = s->wx + (n + 1);
    s->cost = s->wxx + (n + 1);
    s->from = s->at + (n + 1);
    s->logarithmic = true;
    for (size_t i = 0; i < n; i++) {
        if (!levels[i].missing && isfinite(levels[i].value)) {
            s->at[s->n] = i;
            s->x[s->n++] = levels[i].value;
            s->logarithmic = s->logarithmic && levels[i].value > 0.0;
        }
    }
    return 0;
}

/* Relative differences: by logarithms where there are any. `room` is for n values. */
static void
steps_transform(struct steps_series *s, double *room)
{
    double unit = 1.0;
    if (!s->logarithmic) {
        for (size_t i = 0; i < s->n; i++) {
            room[i] = fabs(s->x[i]);
        }
        unit = steps_median(room, s->n);
        unit = unit > 0.0 ? unit : 1.0;
    }
    for (size_t i = 0; i < s->n; i++) {
        s->x[i] = s->logarithmic ? log(s->x[i]) : s->x[i] / unit;
    }
}

/* Spread by the typical difference to a neighbour, which few steps do not move. The
   larger one at a distance of 1, 2 and 3: noise that wanders shows only there. */
static double
steps_sigma(const struct steps_series *s, double *room)
{
    double sigma = 0.0;
    for (size_t lag = 1; lag <= 3 && (lag == 1 || s->n >= 12 * lag); lag++) {
        for (size_t i = lag; i < s->n; i++) {
            room[i - lag] = fabs(s->x[i] - s->x[i - lag]);
        }
        double typical = steps_median(room, s->n - lag) * 1.4826 / sqrt(2.0);
        sigma = fmax(sigma, typical);
    }
    return sigma;
}

/* Noise, and how much each level counts. What repeats to the last digit is exact: one
   commit then is a level, but only the last one, for an outlier goes back. */
static void
steps_weigh(const struct prf_level *levels, struct steps_series *s, double *room)
{
    size_t known = 0;
    s->sigma = steps_sigma(s, room);
    for (size_t i = 0; i < s->n; i++) {
        if (levels[s->at[i]].sigma > 0.0) {
            room[known++] = levels[s->at[i]].sigma;
        }
    }
    double typical = steps_median(room, known);
    s->exact = s->sigma == 0.0 && typical == 0.0;
    s->sigma = fmax(s->sigma, typical);
    for (size_t i = 0; i < s->n; i++) {
        double own = fmax(levels[s->at[i]].sigma, s->sigma);
        s->weight[i] = own > 0.0 ? (s->sigma / own) * (s->sigma / own) : 1.0;
    }
    s->sigma = s->exact ? 1e-9 : s->sigma;
}

/* In an exact series what repeats is no outlier, and the last one may be a step. */
static bool
steps_stands(const struct steps_series *s, const double *x, size_t i)
{
    return s->exact &&
           (i + 1 == s->n || x[i] == x[i + 1] || (i > 0 && x[i] == x[i - 1]));
}

/* Cut what sticks out of its five neighbours: a step does not, an outlier does. */
static void
steps_cut(const struct prf_level *levels, struct steps_series *s, double *room)
{
    double far = fmax(STEPS_SURE, STEPS_SURE_SIGMAS * s->sigma);
    memcpy(room, s->x, s->n * sizeof *room);
    for (size_t i = 0; i < s->n; i++) {
        size_t width = s->n < 5 ? s->n : 5;
        size_t start = i < width / 2 ? 0 : i - width / 2;
        start = start + width > s->n ? s->n - width : start;
        double near[5];
        memcpy(near, room + start, width * sizeof *near);
        double middle = steps_median(near, width), reach = STEPS_CUT * s->sigma;
        s->sure[i] = s->logarithmic && levels[s->at[i]].n >= STEPS_SURE_PROCESSES &&
                     fabs(s->x[i] - middle) > far;
        if (s->sure[i] || steps_stands(s, room, i)) {
            continue;
        }
        s->x[i] = fmin(fmax(s->x[i], middle - reach), middle + reach);
    }
}

static void
steps_sum(struct steps_series *s)
{
    double centre = s->n > 0 ? s->x[0] : 0.0;
    for (size_t i = 0; i < s->n; i++) {
        double x = s->x[i] - centre;
        s->w[i + 1] = s->w[i] + s->weight[i];
        s->wx[i + 1] = s->wx[i] + s->weight[i] * x;
        s->wxx[i + 1] = s->wxx[i] + s->weight[i] * x * x;
    }
}

/* Squares around the mean of [from, to). */
static double
steps_squares(const struct steps_series *s, size_t from, size_t to)
{
    double w = s->w[to] - s->w[from], wx = s->wx[to] - s->wx[from];
    return fmax(0.0, s->wxx[to] - s->wxx[from] - wx * wx / w);
}

static double
steps_mean(const struct steps_series *s, size_t from, size_t to)
{
    return (s->wx[to] - s->wx[from]) / (s->w[to] - s->w[from]);
}

/* The cheapest partition, each level costing `penalty` (Jackson and others 2005).
   Squares of n / 2: 40 ms for 5,000 commits, so nothing is pruned. */
static void
steps_partition(struct steps_series *s, double penalty)
{
    s->cost[0] = -penalty;
    for (size_t to = 1; to <= s->n; to++) {
        size_t shortest = s->exact && to == s->n ? 1 : STEPS_SHORTEST;
        s->cost[to] = INFINITY;
        shortest = s->sure[to - 1] ? 1 : shortest;
        for (size_t from = 0; from + shortest <= to; from++) {
            double cost = s->cost[from] + penalty + steps_squares(s, from, to);
            if (cost < s->cost[to]) {
                s->cost[to] = cost;
                s->from[to] = from;
            }
        }
    }
}

/* Level k is [bounds[k], bounds[k + 1]); their number. */
static size_t
steps_bounds(const struct steps_series *s, size_t *bounds)
{
    size_t n = 0;
    for (size_t to = s->n; to > 0; to = s->from[to]) {
        bounds[n++] = to;
    }
    bounds[n] = 0;
    for (size_t i = 0; i < (n + 1) / 2; i++) {
        size_t moved = bounds[i];
        bounds[i] = bounds[n - i];
        bounds[n - i] = moved;
    }
    return n;
}

/* What remains beside the levels: standard deviation, and how much neighbours agree. */
struct steps_noise {
    double sigma, degrees, inflation;
};

static struct steps_noise
steps_noise(const struct steps_series *s, const size_t *bounds, size_t n_levels)
{
    double squares = 0.0, products = 0.0, previous = 0.0;
    for (size_t k = 0; k < n_levels; k++) {
        double mean = steps_mean(s, bounds[k], bounds[k + 1]) + s->x[0];
        for (size_t i = bounds[k]; i < bounds[k + 1]; i++) {
            double rest = s->x[i] - mean;
            products += i > bounds[k] ? rest * previous : 0.0;
            squares += s->weight[i] * rest * rest;
            previous = rest;
        }
    }
    double free = (double)s->n - (double)n_levels;
    struct steps_noise noise = {s->sigma, fmax(free, 1.0), 1.0};
    if (free > 0.0) {
        noise.sigma = fmax(s->sigma, sqrt(squares / free));
    }
    double same = squares > 0.0 && free >= 10.0 ? products / squares : 0.0;
    same = fmin(fmax(same, 0.0), 0.8);
    noise.inflation = sqrt((1.0 + same) / (1.0 - same));
    return noise;
}

struct steps_test {
    double difference, error, p;
};

static struct steps_test
steps_test(const struct steps_series *s, const struct steps_noise *noise, size_t from,
           size_t at, size_t to)
{
    double before = s->w[at] - s->w[from], after = s->w[to] - s->w[at];
    struct steps_test test = {
        .difference = steps_mean(s, at, to) - steps_mean(s, from, at),
        .error = noise->sigma * noise->inflation * sqrt(1.0 / before + 1.0 / after),
    };
    /* Of all places the best was chosen: each could have been one. */
    double p = prf_t_tail(test.difference / test.error, noise->degrees);
    test.p = fmin(1.0, p * (double)s->n);
    return test;
}

static bool
steps_is_large(const struct steps_series *s, double difference, double threshold)
{
    double relative = s->logarithmic ? expm1(difference) : difference;
    return fabs(relative) >= threshold;
}

/* Take away the step that convinces least, until all do. */
static size_t
steps_prune(const struct steps_series *s, size_t *bounds, size_t n_levels,
            double threshold, double alpha)
{
    while (n_levels > 1) {
        struct steps_noise noise = steps_noise(s, bounds, n_levels);
        size_t weakest = 0;
        double most = -1.0;
        for (size_t k = 1; k < n_levels; k++) {
            struct steps_test test =
                steps_test(s, &noise, bounds[k - 1], bounds[k], bounds[k + 1]);
            bool small = !steps_is_large(s, test.difference, threshold);
            double doubt = test.p + (small ? 1.0 : 0.0);
            if (doubt > most) {
                most = doubt;
                weakest = k;
            }
        }
        if (most <= alpha) {
            break;
        }
        memmove(bounds + weakest, bounds + weakest + 1,
                (n_levels - weakest) * sizeof *bounds);
        n_levels--;
    }
    return n_levels;
}

static double
steps_level_ratio(const struct steps_series *s, double before, double difference)
{
    return s->logarithmic ? exp(difference)
                          : (before != 0.0 ? 1.0 + difference / fabs(before) : NAN);
}

/* Few commits away from a level and back again are outliers that came together: they no
   longer count. True: there were some, and the partition has to be found anew. */
static bool
steps_drop_excursions(struct steps_series *s, const size_t *bounds, size_t n_levels,
                      double threshold)
{
    bool dropped = false;
    for (size_t k = 1; !s->exact && k + 1 < n_levels; k++) {
        double back = steps_mean(s, bounds[k + 1], bounds[k + 2]) -
                      steps_mean(s, bounds[k - 1], bounds[k]);
        if (bounds[k + 1] - bounds[k] >= STEPS_EXCURSION || s->sure[bounds[k]] ||
            steps_is_large(s, back, threshold)) {
            continue;
        }
        for (size_t i = bounds[k]; i < bounds[k + 1]; i++) {
            dropped = dropped || s->weight[i] > STEPS_NO_WEIGHT;
            s->weight[i] = STEPS_NO_WEIGHT;
        }
    }
    return dropped;
}

/* Levels that stand every test. */
static size_t
steps_search(struct steps_series *s, double threshold, double alpha, size_t *bounds)
{
    /* Candidates are cheap, the test afterwards is strict: about 2 log n. */
    double penalty = s->sigma * s->sigma * (4.0 + 2.0 * log((double)s->n));
    size_t n_levels;
    do {
        steps_sum(s);
        steps_partition(s, penalty);
        n_levels = steps_bounds(s, bounds);
        n_levels = steps_prune(s, bounds, n_levels, threshold, alpha);
    } while (steps_drop_excursions(s, bounds, n_levels, threshold));
    return n_levels;
}

static int
steps_report(const struct steps_series *s, const size_t *bounds, size_t n_levels,
             struct prf_step **out, size_t *n_out, struct prf_error *err)
{
    if (n_levels < 2) {
        return 0;
    }
    struct prf_step *steps = calloc(n_levels - 1, sizeof *steps);
    if (steps == NULL) {
        return prf_fail(err, PRF_ENOMEM, "out of memory");
    }
    struct steps_noise noise = steps_noise(s, bounds, n_levels);
    double t95 = prf_t_quantile(0.05, noise.degrees);
    for (size_t k = 1; k < n_levels; k++) {
        struct steps_test test =
            steps_test(s, &noise, bounds[k - 1], bounds[k], bounds[k + 1]);
        double before = steps_mean(s, bounds[k - 1], bounds[k]) + s->x[0];
        double reach = s->exact ? 0.0 : t95 * test.error;
        steps[k - 1] = (struct prf_step){
            .at = s->at[bounds[k]],
            .before = s->at[bounds[k] - 1],
            .ratio = steps_level_ratio(s, before, test.difference),
            .ci_low = steps_level_ratio(s, before, test.difference - reach),
            .ci_high = steps_level_ratio(s, before, test.difference + reach),
            .p_value = test.p,
        };
    }
    *out = steps;
    *n_out = n_levels - 1;
    return 0;
}

int
prf_steps_find(const struct prf_level *levels, size_t n, double threshold, double alpha,
               struct prf_step **out, size_t *n_out, struct prf_error *err)
{
    struct steps_series s = {0};
    size_t *bounds = NULL;
    int rc = steps_read(levels, n, &s, err);
    *out = NULL;
    *n_out = 0;
    if (rc != 0 || s.n < 2) {
        goto out;
    }
    bounds = calloc(s.n + 1, sizeof *bounds);
    if (bounds == NULL) {
        rc = prf_fail(err, PRF_ENOMEM, "out of memory");
        goto out;
    }
    /* The running sums' room is free until they are made. */
    steps_transform(&s, s.w);
    steps_weigh(levels, &s, s.w);
    steps_cut(levels, &s, s.w);
    memset(s.w, 0, (n + 1) * sizeof *s.w);
    size_t n_levels = steps_search(&s, threshold, alpha, bounds);
    rc = steps_report(&s, bounds, n_levels, out, n_out, err);
out:
    free(bounds);
    free(s.x);
    free(s.at);
    free(s.sure);
    return rc;
}
