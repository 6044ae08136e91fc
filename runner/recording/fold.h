/* From the calling-context tree to functions and calls between them. */
#ifndef PRF_FOLD_H
#define PRF_FOLD_H

#include <pyprofiler/backend.h>
#include <pyprofiler/error.h>

#include "profile.h"

/* Fill profile->sites and profile->edges from profile->tree, whose columns fold as
   `folds` says (one per column). A function's cumulative amount counts a node only when
   the function is not already above it, an edge's only when the same edge is not: the
   rules of cProfile. Linear in the number of nodes. PRF_ENOMEM. */
int prf_fold_tree(struct prf_profile *profile, const enum prf_fold *folds,
                  struct prf_error *err);

#endif
