/* Quantiles; see quantiles.h. */
#include "quantiles.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#define QUANTILES_FEW 64u /* up to so many are sorted by insertion */

static void
quantiles_sort_few(uint64_t *values, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        uint64_t value = values[i];
        size_t k = i;
        for (; k > 0 && values[k - 1] > value; k--) {
            values[k] = values[k - 1];
        }
        values[k] = value;
    }
}

/* One pass of a radix sort, by the byte at `shift`; false: all have the same there. */
static bool
quantiles_pass(const uint64_t *from, uint64_t *to, size_t n, unsigned shift)
{
    size_t counts[256] = {0};
    for (size_t i = 0; i < n; i++) {
        counts[from[i] >> shift & 0xFF]++;
    }
    if (counts[from[0] >> shift & 0xFF] == n) {
        return false;
    }
    size_t at = 0;
    for (size_t i = 0; i < 256; i++) {
        size_t here = counts[i];
        counts[i] = at;
        at += here;
    }
    for (size_t i = 0; i < n; i++) {
        to[counts[from[i] >> shift & 0xFF]++] = from[i];
    }
    return true;
}

void
prf_quantiles_sort(uint64_t *values, uint64_t *room, size_t n)
{
    if (n <= QUANTILES_FEW) {
        quantiles_sort_few(values, n);
        return;
    }
    uint64_t *from = values, *to = room;
    for (unsigned shift = 0; shift < 64; shift += 8) {
        if (quantiles_pass(from, to, n, shift)) {
            uint64_t *swap = from;
            from = to;
            to = swap;
        }
    }
    if (from != values) {
        memcpy(values, from, n * sizeof *values);
    }
}

/* Between two neighbours; as numpy does, so that the ends are met exactly. */
static double
quantiles_between(double low, double high, double part)
{
    return part < 0.5 ? low + (high - low) * part : high - (high - low) * (1 - part);
}

double
prf_quantile_of_sorted(const uint64_t *sorted, size_t n, double percent)
{
    if (n == 0) {
        return 0;
    }
    double place = (double)(n - 1) * (percent / 100);
    size_t low = (size_t)floor(place);
    size_t high = low + 1 < n ? low + 1 : low;
    return quantiles_between((double)sorted[low], (double)sorted[high],
                             place - (double)low);
}

/* Seconds of the value with so many below it. */
static double
quantiles_ranked(const struct prf_quantile_buckets *b, uint64_t rank)
{
    if (rank == 0) {
        return b->min;
    }
    if (rank + 1 >= b->n) {
        return b->max;
    }
    uint64_t below = 0;
    uint32_t i = 0;
    while (i + 1 < PRF_PIECE_BUCKETS && below + b->counts[i] <= rank) {
        below += b->counts[i++];
    }
    double middle = 1e-9 * pow(1.02, i + 0.5);
    return fmin(fmax(middle, b->min), b->max);
}

double
prf_quantile_of_buckets(const struct prf_quantile_buckets *b, double percent)
{
    if (b->n == 0) {
        return 0;
    }
    double place = (double)(b->n - 1) * (percent / 100);
    uint64_t low = (uint64_t)floor(place);
    uint64_t high = low + 1 < b->n ? low + 1 : low;
    return quantiles_between(quantiles_ranked(b, low), quantiles_ranked(b, high),
                             place - (double)low);
}
