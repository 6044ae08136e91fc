/* The bootstrap of a difference of medians (Efron 1979), without a loop over values:
   the median of a resample of n sorted values is one of them, and how often which is
   known. Pure. */
#ifndef PRF_BOOTSTRAP_H
#define PRF_BOOTSTRAP_H

#include <stddef.h>

#include "random.h"

#define PRF_STRATA 256

/* Equally likely outcomes of the median of a resample, in ascending order. */
struct prf_strata {
    double level[PRF_STRATA];
};

/* Where in n ascending values, as a fraction, each outcome lies. */
void prf_strata_positions(size_t n, double positions[PRF_STRATA]);
void prf_strata_fill(const double *sorted, size_t n, const double positions[PRF_STRATA],
                     struct prf_strata *out);
double prf_strata_variance(const struct prf_strata *strata);

/* Differences of medians less `centre`, one per resample. */
void prf_bootstrap_sides(const struct prf_strata *base, const struct prf_strata *next,
                         double centre, struct prf_random *random, double *out,
                         size_t n_resamples);

/* The same for pairs: of the mean of `n` ascending differences without the `trim`
   smallest and largest. `counts` is room for n. */
void prf_bootstrap_pairs(const double *sorted, size_t n, size_t trim, double centre,
                         struct prf_random *random, double *out, size_t n_resamples,
                         unsigned *counts);

double prf_trimmed_mean(const double *sorted, size_t n, size_t trim);

/* Smooth the resamples by normal noise of this standard deviation. */
void prf_bootstrap_smooth(double *resamples, size_t n, double deviation,
                          struct prf_random *random);

/* The 2.5 % and 97.5 % quantiles; reorders. */
void prf_bootstrap_quantiles(double *resamples, size_t n, double *low, double *high);

#endif
