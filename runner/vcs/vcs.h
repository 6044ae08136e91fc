/* What the measured code's repository says of itself. Reads only; never touches the
   user's index, refs or work tree. */
#ifndef PRF_VCS_H
#define PRF_VCS_H

#include <stddef.h>

#include <pyprofiler/error.h>

#include "result.h"

/* Everything known about the repository that holds `path` (a file or folder), strings in
   `arena`. Never fails for a reason of the repository's (none, unborn, bare, shallow, other
   owner, corrupt, ...): then fields stay empty and `note` says why and what to do.
   PRF_ENOMEM only. */
int prf_vcs_describe(const char *path, struct prf_arena *arena, struct prf_commit *out,
                     struct prf_error *err);

/* The full id of the commit that `revision` names, as git rev-parse would.
   PRF_ENOTFOUND with a text that names it; PRF_EVCS. */
int prf_vcs_resolve(const char *path, const char *revision, char out[41],
                    struct prf_error *err);

/* Version of the library, "1.5.1". */
const char *prf_vcs_library(void);

#endif
