/* Amounts by key; see amounts.h. */
#include "amounts.h"

#include <math.h>
#include <stdlib.h>

#include <pyprofiler/error.h>
#include <pyprofiler/stats.h>

#include "distributions.h"

/* From so many values on there is an interval of the median, see stats.h. */
#define AMOUNTS_INTERVAL_MIN 6
#define AMOUNTS_FEW 5

bool
prf_amount_counts(const struct prf_amount *amount)
{
    return amount->on[0] != amount->on[1] ||
           (amount->counted && amount->calls[0] != amount->calls[1]);
}

/* Student's t of the costs. One result a side says nothing of the spread; one on one
   side little: there the level is lower, and what is listed must be large as well. */
static bool
amount_is_sure(const struct prf_amount *a)
{
    double n[] = {(double)a->n[0], (double)a->n[1]};
    double degrees = n[0] + n[1] - 2;
    double level = a->n[0] == 1 || a->n[1] == 1 ? 0.05 : 0.01;
    if (degrees < 1) {
        return true;
    }
    double error =
        sqrt((a->squares[0] + a->squares[1]) / degrees * (1 / n[0] + 1 / n[1]));
    return fabs(a->mean[1] - a->mean[0]) > error * prf_t_quantile(level, degrees);
}

/* Do the repeats of the sides lie apart? */
static bool
amount_is_apart(const struct prf_amount *a)
{
    double gap = fmax(a->low[PRF_DIFF_NEXT] - a->high[PRF_DIFF_BASE],
                      a->low[PRF_DIFF_BASE] - a->high[PRF_DIFF_NEXT]);
    bool few = a->n[0] < AMOUNTS_FEW || a->n[1] < AMOUNTS_FEW;
    return gap > 0 && (!few || amount_is_sure(a));
}

double
prf_amount_change(const struct prf_amount *amount)
{
    double change = amount->cost[PRF_DIFF_NEXT] - amount->cost[PRF_DIFF_BASE];
    return prf_amount_counts(amount) || amount_is_apart(amount) ? change : 0;
}

struct amounts_scratch {
    double *cost, *calls, *sorted; /* room for the results of a side */
};

static int
amounts_order(const void *left, const void *right)
{
    const struct prf_amount_row *a = left, *b = right;
    const uint32_t keys[][2] = {
        {a->a, b->a}, {a->b, b->b}, {a->side, b->side}, {a->result, b->result}};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        if (keys[i][0] != keys[i][1]) {
            return keys[i][0] < keys[i][1] ? -1 : 1;
        }
    }
    return 0;
}

static void
amounts_interval(struct prf_amount *out, uint32_t side, const struct prf_summary *s)
{
    bool few = s->n < AMOUNTS_INTERVAL_MIN;
    out->low[side] = few ? s->min : s->ci_low;
    out->high[side] = few ? s->max : s->ci_high;
}

static void
amounts_spread(struct prf_amount *out, uint32_t side, const double *values, size_t n)
{
    double sum = 0, squares = 0;
    for (size_t i = 0; i < n; i++) {
        sum += values[i];
    }
    for (size_t i = 0; i < n; i++) {
        double deviation = values[i] - sum / (double)n;
        squares += deviation * deviation;
    }
    out->mean[side] = n > 0 ? sum / (double)n : 0;
    out->squares[side] = squares;
}

static bool
amounts_same(const double *values, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        if (values[i] != values[0]) {
            return false;
        }
    }
    return n > 0 && !isnan(values[0]);
}

static double
amounts_median(const double *values, size_t n, double *sorted)
{
    struct prf_summary s;
    for (size_t i = 0; i < n; i++) {
        if (isnan(values[i])) {
            return NAN;
        }
    }
    prf_summarize(values, n, sorted, &s);
    return s.median;
}

/* The rows of one key on one side. */
static void
amounts_side(struct prf_amount *out, const struct prf_amount_row *rows, size_t n,
             size_t n_results, struct amounts_scratch *scratch)
{
    uint32_t side = rows->side;
    struct prf_summary summary;
    for (size_t i = 0; i < n_results; i++) {
        scratch->cost[i] = scratch->calls[i] = 0;
    }
    for (size_t i = 0; i < n; i++) {
        scratch->cost[rows[i].result] += rows[i].cost;
        scratch->calls[rows[i].result] += rows[i].calls;
    }
    prf_summarize(scratch->cost, n_results, scratch->sorted, &summary);
    out->on[side] = true;
    out->counted = out->counted && amounts_same(scratch->calls, n_results);
    out->cost[side] = summary.median;
    amounts_interval(out, side, &summary);
    amounts_spread(out, side, scratch->cost, n_results);
    out->calls[side] = amounts_median(scratch->calls, n_results, scratch->sorted);
}

/* A side without the key made no calls, if calls are known at all. */
static void
amounts_finish(struct prf_amount *out)
{
    for (int side = 0; side < PRF_DIFF_SIDES; side++) {
        if (!out->on[side]) {
            out->calls[side] = isnan(out->calls[!side]) ? NAN : 0;
        }
    }
}

static void
amounts_groups(const struct prf_amount_row *rows, size_t n,
               const size_t n_results[PRF_DIFF_SIDES], struct amounts_scratch *scratch,
               struct prf_amount *out, size_t *n_out)
{
    for (size_t i = 0, end; i < n; i = end) {
        const struct prf_amount_row *first = &rows[i];
        struct prf_amount *amount = *n_out > 0 ? &out[*n_out - 1] : NULL;
        for (end = i; end < n && rows[end].a == first->a && rows[end].b == first->b &&
                      rows[end].side == first->side;) {
            end++;
        }
        if (amount == NULL || amount->a != first->a || amount->b != first->b) {
            amount = &out[(*n_out)++];
            *amount = (struct prf_amount){.a = first->a,
                                          .b = first->b,
                                          .counted = true,
                                          .n = {n_results[0], n_results[1]}};
        }
        amounts_side(amount, first, end - i, n_results[first->side], scratch);
    }
    for (size_t i = 0; i < *n_out; i++) {
        amounts_finish(&out[i]);
    }
}

int
prf_amounts_fold(struct prf_amount_row *rows, size_t n,
                 const size_t n_results[PRF_DIFF_SIDES], struct prf_arena *arena,
                 struct prf_amount **out, size_t *n_out)
{
    size_t most = (n_results[0] > n_results[1] ? n_results[0] : n_results[1]) + 1;
    double *scratch = calloc(3 * most, sizeof *scratch);
    *n_out = 0;
    *out = prf_arena_alloc(arena, (n + 1) * sizeof **out);
    if (scratch != NULL && *out != NULL) {
        struct amounts_scratch s = {scratch, scratch + most, scratch + 2 * most};
        qsort(rows, n, sizeof *rows, amounts_order);
        amounts_groups(rows, n, n_results, &s, *out, n_out);
    }
    free(scratch);
    return scratch == NULL || *out == NULL ? PRF_ENOMEM : 0;
}
