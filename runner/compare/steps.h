/* Steps in a history of values: between which commits did the level change? Pure. */
#ifndef PRF_STEPS_H
#define PRF_STEPS_H

#include <stdbool.h>
#include <stddef.h>

#include <pyprofiler/error.h>

/* A commit's value: the median over its processes and how well it is known. */
struct prf_level {
    double value;
    double sigma; /* relative standard error; < 0: not known */
    bool missing; /* not measured: keeps its place, a step may lie on either side */
    size_t n;     /* processes */
};

struct prf_step {
    size_t at;              /* index of the first level after it */
    size_t before;          /* index of the last measured level before it */
    double ratio;           /* level after / level before */
    double ci_low, ci_high; /* 95 % interval of the ratio */
    double p_value;
};

/* Steps of at least `threshold` (0.02: two per cent) in time order, at a false-alarm
   rate of `alpha` per history. *out is the caller's (free), NULL when there are none.
   Robust: a single outlier is no step; a new level is believed from its third commit
   on, and one that is left for the old one again from its fifth; from its first, when it
   has three processes or more and is half as much again off its neighbours. Where most neighbours
   are equal to the last digit (counts), from its second, or when it is the last commit.
   Noise is learned from neighbours and `sigma`, whichever is larger. Values of 0 or
   below: differences relative to the median size take the place of logarithms; ratio is
   then 1 + difference / |before|, NAN when that is 0. PRF_ENOMEM. */
int prf_steps_find(const struct prf_level *levels, size_t n, double threshold,
                   double alpha, struct prf_step **out, size_t *n_out,
                   struct prf_error *err);

#endif
