/* Bayesian bisection; see search.h.

   The posterior is over the commit that made the step, and over there being none. For
   each, the two levels and the noise are integrated out: normal values, a scaled
   inverse chi-squared prior for the variance, a flat one for the level before and a
   normal one for the step, as wide as `SEARCH_STEP` standard deviations of the noise.
   That leaves one formula in the numbers, sums and squares before and after (a t
   distribution). What is measured next is where a step before and a step after are
   closest to being equally likely: with two levels that is the largest expected
   information. */
#include "search.h"

#include <math.h>
#include <stdlib.h>

#include "distributions.h"

/* Noise as long as nothing is known of it, and what that weighs in measurements. */
#define SEARCH_SIGMA 0.015
#define SEARCH_SIGMA_WEIGHT 2.0
#define SEARCH_SIGMA_KNOWN_WEIGHT 20.0
/* What a level that is given weighs. */
#define SEARCH_LEVEL_WEIGHT 4.0
/* Typical size of a step, in standard deviations of the noise. */
#define SEARCH_STEP 5.0
/* Chance that good and bad do not differ, before anything is measured. */
#define SEARCH_NONE 0.05
/* A commit next to one that does not build may not build either. */
#define SEARCH_BUILDS_BESIDE 0.7

struct search_place {
    double n, sum, squares; /* of logarithms less `origin` */
    bool skipped;           /* it cannot be measured */
    bool barred;            /* not any more, or not at all: it is not asked for again */
};

/* Place 0 is the good commit, place k + 1 is commit k. */
struct prf_search {
    struct search_place *places;
    double *posterior; /* of n commits, then of no step */
    size_t n;
    double confidence;
    double prior_squares, prior_weight;
    double origin;
    bool has_origin;
    double given[2]; /* levels, NAN */
    size_t n_measured;
};

int
prf_search_new(const struct prf_search_request *request, struct prf_search **out,
               struct prf_error *err)
{
    *out = NULL;
    if (request->n == 0) {
        return prf_fail(err, PRF_EUSAGE, "no commits to search");
    }
    struct prf_search *search = calloc(1, sizeof *search);
    struct search_place *places = calloc(request->n + 1, sizeof *places);
    double *posterior = calloc(request->n + 1, sizeof *posterior);
    if (search == NULL || places == NULL || posterior == NULL) {
        free(search);
        free(places);
        free(posterior);
        return prf_fail(err, PRF_ENOMEM, "out of memory");
    }
    bool known = request->sigma > 0.0;
    double sigma = known ? request->sigma : SEARCH_SIGMA;
    *search = (struct prf_search){
        .places = places,
        .posterior = posterior,
        .n = request->n,
        .confidence = request->confidence,
        .prior_weight = known ? SEARCH_SIGMA_KNOWN_WEIGHT : SEARCH_SIGMA_WEIGHT,
        .given = {request->good_level, request->bad_level},
    };
    search->prior_squares = sigma * sigma * search->prior_weight;
    *out = search;
    return 0;
}

void
prf_search_free(struct prf_search *search)
{
    if (search != NULL) {
        free(search->places);
        free(search->posterior);
        free(search);
    }
}

static size_t
search_place(size_t index)
{
    return index == PRF_SEARCH_GOOD ? 0 : index + 1;
}

static void
search_add(struct search_place *sum, const struct search_place *more)
{
    sum->n += more->n;
    sum->sum += more->sum;
    sum->squares += more->squares;
}

/* A level that is given counts as measurements that agree. */
static struct search_place
search_given(const struct prf_search *search, int side)
{
    double level = search->given[side] - search->origin;
    double n = isfinite(search->given[side]) ? SEARCH_LEVEL_WEIGHT : 0.0;
    return n > 0.0 ? (struct search_place){.n = n,
                                           .sum = n * level,
                                           .squares = n * level * level}
                   : (struct search_place){0};
}

static double
search_around_mean(const struct search_place *group)
{
    return group->n > 0.0
               ? fmax(0.0, group->squares - group->sum * group->sum / group->n)
               : 0.0;
}

struct search_fit {
    double likelihood; /* its logarithm */
    double difference; /* after - before; NAN: one of them was not measured */
    double variance;   /* of that, in units of the noise's */
    double squares, degrees;
};

/* Degrees of freedom: given levels bring none, their scatter is not known. */
static double
search_degrees(const struct prf_search *search)
{
    return search->prior_weight + (double)search->n_measured;
}

static struct search_fit
search_fit(const struct prf_search *search, const struct search_place *before,
           const struct search_place *after)
{
    struct search_fit fit = {
        .difference = NAN,
        .squares = search->prior_squares + search_around_mean(before) +
                   search_around_mean(after),
        .degrees = search_degrees(search) - 1.0,
    };
    double shrunk = fit.squares, factor = 0.0;
    if (before->n > 0.0 && after->n > 0.0) {
        double typical = SEARCH_STEP * SEARCH_STEP;
        fit.difference = after->sum / after->n - before->sum / before->n;
        fit.variance = 1.0 / before->n + 1.0 / after->n;
        shrunk += fit.difference * fit.difference / (fit.variance + typical);
        factor = 0.5 * log(fit.variance / (fit.variance + typical));
    }
    fit.likelihood = factor - 0.5 * fit.degrees * log(shrunk);
    return fit;
}

static void
search_groups(const struct prf_search *search, struct search_place *before,
              struct search_place *after)
{
    *before = search_given(search, 0);
    *after = search_given(search, 1);
    search_add(before, &search->places[0]);
    for (size_t k = 0; k < search->n; k++) {
        search_add(after, &search->places[k + 1]);
    }
}

static void
search_move(struct search_place *before, struct search_place *after,
            const struct search_place *place)
{
    search_add(before, place);
    search_add(after, &(struct search_place){.n = -place->n,
                                             .sum = -place->sum,
                                             .squares = -place->squares});
    after->n = after->n < 0.5 ? 0.0 : after->n;
}

/* The likelihood of no step at all. */
static double
search_no_step(const struct prf_search *search)
{
    struct search_place all, after;
    search_groups(search, &all, &after);
    search_add(&all, &after);
    double squares = search->prior_squares + search_around_mean(&all);
    return -0.5 * (search_degrees(search) - 1.0) * log(squares);
}

static void
search_update(struct prf_search *search)
{
    struct search_place before, after;
    double *posterior = search->posterior, sum = 0.0;
    double highest = posterior[search->n] = search_no_step(search) + log(SEARCH_NONE);
    double each = log((1.0 - SEARCH_NONE) / (double)search->n);
    search_groups(search, &before, &after);
    for (size_t k = 0; k < search->n; k++) {
        posterior[k] = search_fit(search, &before, &after).likelihood + each;
        highest = fmax(highest, posterior[k]);
        search_move(&before, &after, &search->places[k + 1]);
    }
    for (size_t k = 0; k <= search->n; k++) {
        posterior[k] = exp(posterior[k] - highest);
        sum += posterior[k];
    }
    for (size_t k = 0; k <= search->n; k++) {
        posterior[k] /= sum;
    }
}

void
prf_search_tell(struct prf_search *search, size_t index, double value)
{
    if (!isfinite(value)) {
        prf_search_skip(search, index);
        return;
    }
    if (!search->has_origin) {
        search->origin = value;
        search->has_origin = true;
    }
    struct search_place *place = &search->places[search_place(index)];
    double x = value - search->origin;
    search_add(place, &(struct search_place){.n = 1.0, .sum = x, .squares = x * x});
    place->skipped = place->barred = false;
    search->n_measured++;
    search_update(search);
}

void
prf_search_skip(struct prf_search *search, size_t index)
{
    struct search_place *place = &search->places[search_place(index)];
    place->skipped = place->n == 0.0;
    place->barred = true;
}

/* The likeliest run of commits that cannot be told apart: those that cannot be
   measured, and the one behind them. */
static void
search_best_range(const struct prf_search *search, size_t *first, size_t *last,
                  double *probability)
{
    *first = *last = 0;
    *probability = -1.0;
    double sum = 0.0;
    for (size_t k = 0, start = 0; k < search->n; k++) {
        sum += search->posterior[k];
        if (search->places[k + 1].skipped && k + 1 < search->n) {
            continue;
        }
        if (sum > *probability) {
            *first = start;
            *last = k;
            *probability = sum;
        }
        start = k + 1;
        sum = 0.0;
    }
}

/* How likely a commit can be measured, by what is known of it and of its neighbours. */
static double
search_builds(const struct prf_search *search, size_t place)
{
    const struct search_place *places = search->places;
    if (places[place].barred) {
        return 0.0;
    }
    if (places[place].n > 0.0) {
        return 1.0;
    }
    bool beside = (place > 0 && places[place - 1].skipped) ||
                  (place < search->n && places[place + 1].skipped);
    return beside ? SEARCH_BUILDS_BESIDE : 1.0;
}

/* The ends first, twice each unless their level is given: the noise has to be seen. */
static bool
search_next_end(const struct prf_search *search, size_t *index)
{
    const struct search_place *good = &search->places[0],
                              *bad = &search->places[search->n];
    double need_good = isfinite(search->given[0]) ? 0.0 : 2.0;
    double need_bad = isfinite(search->given[1]) ? 0.0 : 2.0;
    bool good_first = good->n <= bad->n;
    if (!good->barred && good->n < need_good && (good_first || bad->n >= need_bad)) {
        *index = PRF_SEARCH_GOOD;
        return true;
    }
    if (!bad->barred && bad->n < need_bad) {
        *index = search->n - 1;
        return true;
    }
    return false;
}

/* What the hypotheses, each by its posterior, expect of a measurement. */
struct search_forecast {
    double mean, square; /* of what they expect */
    double noise;        /* variance around it */
};

static void
search_forecast(struct search_forecast *forecast, double posterior, double sign,
                const struct search_place *group, double variance)
{
    double mean = group->n > 0.0 ? group->sum / group->n : 0.0;
    double unsure = group->n > 0.0 ? 1.0 / group->n : SEARCH_STEP * SEARCH_STEP;
    forecast->mean += sign * posterior * mean;
    forecast->square += sign * posterior * mean * mean;
    forecast->noise += sign * posterior * variance * (1.0 + unsure);
}

/* Half the logarithm of how much more a measurement varies because it is not known
   where the step is: its information, as if all were normal. Ends are places like
   others: where the levels are in doubt, hypotheses differ in what they expect there.
 */
static double
search_gain(const struct search_forecast *forecast)
{
    double spread = forecast->square - forecast->mean * forecast->mean;
    return 0.5 * log1p(fmax(spread, 0.0) / forecast->noise);
}

/* Groups of each hypothesis, in turn: `before` and `after` of a step at k. */
struct search_cursor {
    struct search_place before, after;
};

static double
search_variance(const struct search_fit *fit)
{
    return fit->squares / fmax(fit->degrees, 1.0);
}

/* The place that tells most. Going up a place, one hypothesis changes from expecting
   its level before to that after, so one pass is enough. */
static bool
search_next_best(const struct prf_search *search, size_t *index)
{
    struct search_forecast forecast = {0};
    struct search_cursor start, cursor;
    search_groups(search, &start.before, &start.after);
    cursor = start;
    for (size_t k = 0; k < search->n; k++) {
        struct search_fit fit = search_fit(search, &cursor.before, &cursor.after);
        search_forecast(&forecast, search->posterior[k], 1.0, &cursor.before,
                        search_variance(&fit));
        search_move(&cursor.before, &cursor.after, &search->places[k + 1]);
    }
    struct search_place all = start.before;
    search_add(&all, &start.after);
    struct search_fit none = search_fit(search, &all, &(struct search_place){0});
    search_forecast(&forecast, search->posterior[search->n], 1.0, &all,
                    search_variance(&none));
    double best = -1.0;
    cursor = start;
    for (size_t place = 0; place <= search->n; place++) {
        double gain = search_gain(&forecast) * search_builds(search, place);
        if (!search->places[place].barred && gain > best) {
            best = gain;
            *index = place == 0 ? PRF_SEARCH_GOOD : place - 1;
        }
        if (place < search->n) {
            struct search_fit fit = search_fit(search, &cursor.before, &cursor.after);
            double variance = search_variance(&fit), p = search->posterior[place];
            search_forecast(&forecast, p, -1.0, &cursor.before, variance);
            search_forecast(&forecast, p, 1.0, &cursor.after, variance);
            search_move(&cursor.before, &cursor.after, &search->places[place + 1]);
        }
    }
    return best >= 0.0;
}

/* Evidence for no step grows slowly, and noise may be larger than a step: so half of
   what a search may take at most is enough to call the ends equal when that is
   likelier. */
static bool
search_gives_up(const struct prf_search *search)
{
    size_t patience = 24 + (size_t)(6.0 * log2((double)search->n + 1.0));
    double none = search->posterior[search->n];
    return none >= search->confidence || search->n_measured >= patience ||
           (none >= 2.0 * SEARCH_NONE && search->n_measured >= patience / 2);
}

enum prf_search_next
prf_search_next(struct prf_search *search, size_t *index)
{
    size_t first, last;
    double probability;
    if (search_next_end(search, index)) {
        return PRF_SEARCH_MEASURE;
    }
    if (search->n_measured == 0) {
        search_update(search);
    }
    search_best_range(search, &first, &last, &probability);
    if (probability >= search->confidence) {
        return first == last ? PRF_SEARCH_DONE : PRF_SEARCH_STUCK;
    }
    if (search_gives_up(search)) {
        return PRF_SEARCH_STUCK;
    }
    bool found = search_next_best(search, index);
    return found ? PRF_SEARCH_MEASURE : PRF_SEARCH_STUCK;
}

/* Grow the range to its likelier side until it is believed. */
static void
search_widen(const struct prf_search *search, struct prf_search_answer *out)
{
    double some = 1.0 - search->posterior[search->n];
    while (out->probability < search->confidence * some &&
           (out->first > 0 || out->last + 1 < search->n)) {
        double left = out->first > 0 ? search->posterior[out->first - 1] : -1.0;
        double right =
            out->last + 1 < search->n ? search->posterior[out->last + 1] : -1.0;
        if (left >= right) {
            out->first--;
            out->probability += left;
        } else {
            out->last++;
            out->probability += right;
        }
    }
}

void
prf_search_answer(const struct prf_search *search, struct prf_search_answer *out)
{
    struct search_place before, after;
    size_t likeliest = 0;
    *out = (struct prf_search_answer){.n_measured = search->n_measured, .ratio = NAN};
    search_best_range(search, &out->first, &out->last, &out->probability);
    search_widen(search, out);
    search_groups(search, &before, &after);
    for (size_t k = 0; k < search->n; k++) {
        likeliest = search->posterior[k] > search->posterior[likeliest] ? k : likeliest;
    }
    for (size_t k = 0; k < likeliest; k++) {
        search_move(&before, &after, &search->places[k + 1]);
    }
    struct search_fit fit = search_fit(search, &before, &after);
    double reach = prf_t_quantile(0.05, fmax(fit.degrees, 1.0)) *
                   sqrt(fit.squares / fmax(fit.degrees, 1.0) * fit.variance);
    out->ratio = exp(fit.difference);
    out->ci_low = exp(fit.difference - reach);
    out->ci_high = exp(fit.difference + reach);
    out->differs = search->posterior[search->n] < 1.0 - search->confidence &&
                   (out->ci_low > 1.0 || out->ci_high < 1.0);
}
