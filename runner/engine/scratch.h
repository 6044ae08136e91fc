/* The private folder for the files of one run of ours: recordings, captured output. */
#ifndef PRF_SCRATCH_H
#define PRF_SCRATCH_H

#include <stddef.h>

#include <pyprofiler/error.h>

#include "tempdir.h"

struct prf_scratch {
    const char *folder; /* the dir's path */
    struct prf_tempdir dir;
    unsigned n; /* files handed out, for their names */
};

/* Under $TMPDIR, readable by us only; what killed runs left there is removed. PRF_EIO,
 * PRF_ENOMEM. */
int prf_scratch_open(struct prf_scratch *scratch, struct prf_error *err);

/* An empty new file `<n>.<kind>`, n always as long,
   so that counting instructions does not see it; *path is the caller's. */
int prf_scratch_file(struct prf_scratch *scratch, const char *kind, char **path,
                     struct prf_error *err);

/* Delete the folder and what is in it. Idempotent. */
void prf_scratch_close(struct prf_scratch *scratch);

#endif
