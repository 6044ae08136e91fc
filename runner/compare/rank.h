/* Tests by rank: what can be said without a model of the noise. Pure. */
#ifndef PRF_RANK_H
#define PRF_RANK_H

#include <stdbool.h>
#include <stddef.h>

#include <pyprofiler/error.h>

struct prf_rank {
    double p;      /* two-sided */
    double effect; /* Cliff's delta: P(next > base) - P(next < base) */
    bool apart;    /* no value of one side reaches into the other: as far as ranks go */
};

/* Mann and Whitney's test (1947) of two ascending arrays, neither empty. Exact when no
   two values are equal and there are at most 50 in all, by the normal approximation
   with corrections for ties and continuity otherwise. PRF_ENOMEM. */
int prf_rank_sides(const double *base, size_t n_base, const double *next, size_t n_next,
                   struct prf_rank *out, struct prf_error *err);

/* Wilcoxon's signed-rank test (1945) of n > 0 differences, which are reordered. Exact
   up to 50 without ties. Differences of 0 are left out; p is 1 when none is left.
   `effect` is the matched-pairs rank correlation. PRF_ENOMEM. */
int prf_rank_pairs(double *differences, size_t n, struct prf_rank *out,
                   struct prf_error *err);

#endif
