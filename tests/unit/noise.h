/* Noise of known shape for tests of statistics, the same in every run. */
#ifndef PRF_TEST_NOISE_H
#define PRF_TEST_NOISE_H

#include <math.h>

#include "random.h"

enum noise {
    NOISE_NORMAL,
    NOISE_SKEWED,
    NOISE_TWO_HUMPS,
    NOISE_OUTLIERS,
    NOISE_OFFSETS
};
#define N_NOISES 5

static const char *const noise_names[N_NOISES] = {"normal", "log-normal", "two humps",
                                                  "outliers", "offsets of 4 %"};

static inline double
noise_normal(struct prf_random *random)
{
    double u = 1.0 - prf_random_unit(random), v = prf_random_unit(random);
    return sqrt(-2.0 * log(u)) * cos(6.283185307179586 * v);
}

/* Relative offset of a process. */
static inline double
noise_between(struct prf_random *random, enum noise noise)
{
    switch (noise) {
    case NOISE_SKEWED:
        return expm1(0.03 * noise_normal(random));
    case NOISE_TWO_HUMPS:
        return (prf_random_unit(random) < 0.5 ? 0.04 : 0.0) +
               0.005 * noise_normal(random);
    case NOISE_OFFSETS:
        return 0.04 * noise_normal(random);
    default:
        return 0.01 * noise_normal(random);
    }
}

/* Relative deviation of one value from its process. */
static inline double
noise_within(struct prf_random *random, enum noise noise)
{
    switch (noise) {
    case NOISE_SKEWED:
        return expm1(0.05 * noise_normal(random));
    case NOISE_TWO_HUMPS:
        return (prf_random_unit(random) < 0.4 ? 0.06 : 0.0) +
               0.01 * noise_normal(random);
    case NOISE_OUTLIERS:
        return 0.01 * noise_normal(random) +
               (prf_random_unit(random) < 0.1 ? prf_random_unit(random) : 0.0);
    default:
        return 0.02 * noise_normal(random);
    }
}

#endif
