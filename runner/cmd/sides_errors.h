/* What is said when two sides cannot be compared at all. */
#ifndef PRF_SIDES_ERRORS_H
#define PRF_SIDES_ERRORS_H

#include <pyprofiler/error.h>

#include "sides.h"

/* The side has no results, or none of that profiler (NULL: any). PRF_ENOTFOUND with
   what there is, and what to do. */
int prf_sides_no_results(struct prf_store *store, const struct prf_side *side,
                         const char *profiler, struct prf_error *err);

/* No result has that metric. PRF_EUSAGE with a suggestion, or what there is. */
int prf_sides_no_metric(const char *asked, const struct prf_side_results *base,
                        const struct prf_side_results *next, struct prf_error *err);

#endif
