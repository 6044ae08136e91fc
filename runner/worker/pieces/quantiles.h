/* Quantiles of durations, after Hyndman and Fan (1996), type 7: that of numpy's default
   and of statistics.quantiles(method="inclusive"). Any thread. */
#ifndef PRF_PIECES_QUANTILES_H
#define PRF_PIECES_QUANTILES_H

#include <stddef.h>
#include <stdint.h>

/* Durations in steps of 2 %, for quantiles in bounded memory: a bucket holds those in
   [1.02^i, 1.02^(i+1)) ns, its middle is within 1 % of all of them. */
#define PRF_PIECE_BUCKETS 1536u /* up to 1.6e13 ns, four and a half hours */

/* Sort in place; `room` has room for as many. Linear in n. */
void prf_quantiles_sort(uint64_t *values, uint64_t *room, size_t n);

/* `percent` (0 to 100) of n sorted values; 0 when there is none. */
double prf_quantile_of_sorted(const uint64_t *sorted, size_t n, double percent);

/* Durations counted in the steps of PRF_PIECE_BUCKETS. */
struct prf_quantile_buckets {
    const uint64_t *counts;
    uint64_t n;      /* in all */
    double min, max; /* seconds, exact */
};

/* The same in seconds, within 1 % of that of the durations. */
double prf_quantile_of_buckets(const struct prf_quantile_buckets *b, double percent);

#endif
