/* The rate of false discoveries over a suite. Pure. */
#ifndef PRF_FDR_H
#define PRF_FDR_H

#include <stddef.h>

#include <pyprofiler/error.h>

/* Benjamini and Hochberg's (1995) q-values of n p-values: the smallest rate of false
   discoveries at which each would count as one. NAN counts as 1. `q` may be `p`.
   PRF_ENOMEM. */
int prf_fdr(const double *p, size_t n, double *q, struct prf_error *err);

#endif
