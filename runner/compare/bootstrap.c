/* Resampled medians by their known distribution; see bootstrap.h. */
#include "bootstrap.h"

#include <math.h>
#include <string.h>

#include "distributions.h"

/* The rank of the median of a resample has a Beta((n+1)/2, (n+1)/2) distribution, as in
   Maritz and Jarrett (1978). A symmetric Beta is Student's t in disguise, and Wallace's
   approximation of t (1959) makes its quantiles one formula. */
void
prf_strata_positions(size_t n, double positions[PRF_STRATA])
{
    double df = (double)n + 1.0;
    double k = (8.0 * df + 3.0) / (8.0 * df + 1.0);
    for (size_t i = 0; i < PRF_STRATA / 2; i++) {
        double z = prf_normal_quantile(((double)i + 0.5) / PRF_STRATA);
        double u = 0.5 - 0.5 * sqrt(-expm1(-z * z * k * k / df));
        positions[i] = u;
        positions[PRF_STRATA - 1 - i] = 1.0 - u;
    }
}

void
prf_strata_fill(const double *sorted, size_t n, const double positions[PRF_STRATA],
                struct prf_strata *out)
{
    for (size_t i = 0; i < PRF_STRATA; i++) {
        size_t at = (size_t)(positions[i] * (double)n);
        out->level[i] = sorted[at < n ? at : n - 1];
    }
}

double
prf_strata_variance(const struct prf_strata *strata)
{
    double mean = 0.0, squares = 0.0;
    for (size_t i = 0; i < PRF_STRATA; i++) {
        mean += strata->level[i] / PRF_STRATA;
    }
    for (size_t i = 0; i < PRF_STRATA; i++) {
        double d = strata->level[i] - mean;
        squares += d * d / PRF_STRATA;
    }
    return squares;
}

void
prf_bootstrap_sides(const struct prf_strata *base, const struct prf_strata *next,
                    double centre, struct prf_random *random, double *out,
                    size_t n_resamples)
{
    for (size_t i = 0; i < n_resamples; i++) {
        uint64_t bits = prf_random_bits(random);
        out[i] = next->level[bits >> 56] - base->level[(bits >> 48) & 255] - centre;
    }
}

double
prf_trimmed_mean(const double *sorted, size_t n, size_t trim)
{
    double sum = 0.0;
    for (size_t i = trim; i < n - trim; i++) {
        sum += sorted[i];
    }
    return sum / (double)(n - 2 * trim);
}

/* The trimmed mean of the values taken counts[i] times each. */
static double
bootstrap_trimmed(const double *sorted, const unsigned *counts, size_t n, size_t trim)
{
    double sum = 0.0;
    size_t skip = trim, left = n - 2 * trim;
    for (size_t i = 0; left > 0; i++) {
        size_t count = counts[i], skipped = count < skip ? count : skip;
        skip -= skipped;
        count -= skipped;
        count = count < left ? count : left;
        left -= count;
        sum += (double)count * sorted[i];
    }
    return sum / (double)(n - 2 * trim);
}

void
prf_bootstrap_pairs(const double *sorted, size_t n, size_t trim, double centre,
                    struct prf_random *random, double *out, size_t n_resamples,
                    unsigned *counts)
{
    for (size_t i = 0; i < n_resamples; i++) {
        memset(counts, 0, n * sizeof *counts);
        for (size_t k = 0; k < n; k++) {
            counts[prf_random_below(random, n)]++;
        }
        out[i] = bootstrap_trimmed(sorted, counts, n, trim) - centre;
    }
}

/* The number of ones in 64 bits, spread evenly between whole numbers, is normal to
   within 1 % at the quantiles that are asked for, and needs no logarithm. */
void
prf_bootstrap_smooth(double *resamples, size_t n, double deviation,
                     struct prf_random *random)
{
    double scale = deviation / sqrt(16.0 + 1.0 / 12.0);
    if (!(deviation > 0.0)) {
        return;
    }
    for (size_t i = 0; i < n; i++) {
        int ones = __builtin_popcountll(prf_random_bits(random));
        resamples[i] += ((double)ones - 32.5 + prf_random_unit(random)) * scale;
    }
}

/* Hoare's selection (1961), as Wirth writes it: afterwards x[k] is the k-th smallest,
   what is before it is not larger and what is behind it not smaller. */
static double
bootstrap_select(double *x, ptrdiff_t n, ptrdiff_t k)
{
    ptrdiff_t low = 0, high = n - 1;
    while (low < high) {
        double pivot = x[k];
        ptrdiff_t i = low, j = high;
        while (i <= j) {
            while (x[i] < pivot) {
                i++;
            }
            while (pivot < x[j]) {
                j--;
            }
            if (i <= j) {
                double moved = x[i];
                x[i++] = x[j];
                x[j--] = moved;
            }
        }
        low = j < k ? i : low;
        high = k < i ? j : high;
    }
    return x[k];
}

void
prf_bootstrap_quantiles(double *resamples, size_t n, double *low, double *high)
{
    ptrdiff_t all = (ptrdiff_t)n, tail = (ptrdiff_t)(0.025 * (double)(n - 1));
    *low = bootstrap_select(resamples, all, tail);
    *high = bootstrap_select(resamples + tail, all - tail, all - 1 - 2 * tail);
}
