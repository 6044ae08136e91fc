/* What change.c and verdict.c share. */
#ifndef PRF_VERDICT_H
#define PRF_VERDICT_H

#include "change.h"

/* The smallest relative change that would have been found with a power of 80 % at the
   level `alpha`, and that reaches `threshold`. */
double prf_change_detectable(const struct prf_change *change, double alpha,
                             double threshold);

#endif
