/* Mann-Whitney with Cliff's delta in one merge of sorted arrays, and the signed-rank
   test; see rank.h. */
#include "rank.h"

#include <math.h>
#include <stdlib.h>

#include "distributions.h"

/* Up to here the counts of arrangements are whole numbers that a double holds. */
#define RANK_EXACT_MAX 50

struct rank_merge {
    double above; /* pairs with next > base, equal ones count half */
    double ties;  /* sum of t^3 - t over groups of equal values */
};

static size_t
rank_run(const double *sorted, size_t n, size_t from, double value)
{
    size_t end = from;
    while (end < n && sorted[end] == value) {
        end++;
    }
    return end - from;
}

static struct rank_merge
rank_merge(const double *base, size_t n_base, const double *next, size_t n_next)
{
    struct rank_merge merge = {0};
    size_t b = 0, x = 0;
    while (b < n_base || x < n_next) {
        double value =
            b < n_base && (x == n_next || base[b] <= next[x]) ? base[b] : next[x];
        double in_base = (double)rank_run(base, n_base, b, value);
        double in_next = (double)rank_run(next, n_next, x, value);
        double equal = in_base + in_next;
        merge.above += in_next * ((double)b + in_base / 2.0);
        merge.ties += equal * equal * equal - equal;
        b += (size_t)in_base;
        x += (size_t)in_next;
    }
    return merge;
}

/* P(U <= u) without ties: the coefficients of Gauss's binomial
   prod (1 - q^(m+i)) / (1 - q^i), of which only the first u + 1 are needed. */
static int
rank_exact_sides(size_t n, size_t m, size_t u, double *out, struct prf_error *err)
{
    double *count = calloc(u + 1, sizeof *count);
    if (count == NULL) {
        return prf_fail(err, PRF_ENOMEM, "out of memory");
    }
    count[0] = 1.0;
    double all = 1.0;
    for (size_t i = 1; i <= n; i++) {
        for (size_t k = u + 1; k-- > m + i;) {
            count[k] -= count[k - m - i];
        }
        for (size_t k = i; k <= u; k++) {
            count[k] += count[k - i];
        }
        all = all * (double)(m + i) / (double)i;
    }
    double below = 0.0;
    for (size_t k = 0; k <= u; k++) {
        below += count[k];
    }
    free(count);
    *out = below / all;
    return 0;
}

/* Two-sided, from how far a statistic lies from its mean. */
static double
rank_normal(double statistic, double mean, double variance)
{
    if (!(variance > 0.0)) {
        return 1.0;
    }
    double z = fmax(fabs(statistic - mean) - 0.5, 0.0) / sqrt(variance);
    return prf_normal_tail(z);
}

int
prf_rank_sides(const double *base, size_t n_base, const double *next, size_t n_next,
               struct prf_rank *out, struct prf_error *err)
{
    struct rank_merge merge = rank_merge(base, n_base, next, n_next);
    double b = (double)n_base, x = (double)n_next, n = b + x;
    double lower = fmin(merge.above, b * x - merge.above);
    out->effect = 2.0 * merge.above / (b * x) - 1.0;
    out->apart = base[n_base - 1] < next[0] || next[n_next - 1] < base[0];
    if (merge.ties > 0.0 || n > RANK_EXACT_MAX) {
        double variance = b * x / 12.0 * (n + 1.0 - merge.ties / (n * (n - 1.0)));
        out->p = rank_normal(merge.above, b * x / 2.0, variance);
        return 0;
    }
    double tail = 0.0;
    int rc = rank_exact_sides(n_base, n_next, (size_t)lower, &tail, err);
    out->p = fmin(2.0 * tail, 1.0);
    return rc;
}

static int
rank_by_size(const void *a, const void *b)
{
    double x = fabs(*(const double *)a), y = fabs(*(const double *)b);
    return (x > y) - (x < y);
}

static size_t
rank_drop_zeros(double *differences, size_t n)
{
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        if (differences[i] != 0.0) {
            differences[kept++] = differences[i];
        }
    }
    return kept;
}

/* P(W <= w) without ties: subsets of 1..n by their sum. */
static int
rank_exact_pairs(size_t n, size_t w, double *out, struct prf_error *err)
{
    double *chance = calloc(w + 1, sizeof *chance);
    if (chance == NULL) {
        return prf_fail(err, PRF_ENOMEM, "out of memory");
    }
    chance[0] = 1.0;
    double below = 0.0;
    for (size_t i = 1; i <= n; i++) {
        for (size_t k = w + 1; k-- > 0;) {
            chance[k] = (chance[k] + (k >= i ? chance[k - i] : 0.0)) / 2.0;
        }
    }
    for (size_t k = 0; k <= w; k++) {
        below += chance[k];
    }
    free(chance);
    *out = below;
    return 0;
}

int
prf_rank_pairs(double *differences, size_t n, struct prf_rank *out,
               struct prf_error *err)
{
    *out = (struct prf_rank){.p = 1.0};
    n = rank_drop_zeros(differences, n);
    if (n == 0) {
        return 0;
    }
    qsort(differences, n, sizeof *differences, rank_by_size);
    double up = 0.0, ties = 0.0, m = (double)n;
    for (size_t i = 0, end; i < n; i = end) {
        for (end = i; end < n && fabs(differences[end]) == fabs(differences[i]);
             end++) {
        }
        double equal = (double)(end - i), rank = (double)(i + end + 1) / 2.0;
        ties += equal * equal * equal - equal;
        for (size_t k = i; k < end; k++) {
            up += differences[k] > 0.0 ? rank : 0.0;
        }
    }
    double all = m * (m + 1.0) / 2.0, lower = fmin(up, all - up);
    out->effect = 2.0 * up / all - 1.0;
    out->apart = lower == 0.0;
    if (ties > 0.0 || n > RANK_EXACT_MAX) {
        double variance = m * (m + 1.0) * (2.0 * m + 1.0) / 24.0 - ties / 48.0;
        out->p = rank_normal(up, all / 2.0, variance);
        return 0;
    }
    double tail = 0.0;
    int rc = rank_exact_pairs(n, (size_t)lower, &tail, err);
    out->p = fmin(2.0 * tail, 1.0);
    return rc;
}
