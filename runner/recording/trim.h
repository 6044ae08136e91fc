/* Leaving calls out of a tree after it was recorded whole: the hook stays fast, and a
   process that dies leaves nothing half counted. */
#ifndef PRF_TRIM_H
#define PRF_TRIM_H

#include <pyprofiler/backend.h>
#include <pyprofiler/error.h>

#include "profile.h"

struct prf_trimmed {
    int64_t n_hidden; /* calls of functions that count as their caller */
    int64_t n_deep;   /* calls that were too deep */
};

/* Remove from profile->tree the calls of codes with PRF_CODE_HIDDEN, those of C
   functions made by them, and those more than `max_depth` shown calls below the root's
   children (negative: no limit). Their costs go to the innermost caller that stays,
   what they called becomes a call of it. Columns fold as `folds` says, one for each.
   PRF_ENOMEM. */
int prf_trim_tree(struct prf_profile *profile, const enum prf_fold *folds,
                  int64_t max_depth, struct prf_trimmed *out, struct prf_error *err);

#endif
