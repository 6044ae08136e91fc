/* Private temporary folders. While its owner lives a folder is locked; what a killed
   one left is removed when the next one is made. */
#ifndef PRF_TEMPDIR_H
#define PRF_TEMPDIR_H

#include <pyprofiler/error.h>

#define PRF_TEMPDIR_UNLOCKED (-2)
#define PRF_TEMPDIR_PREFIX "pyprofiler-"

struct prf_tempdir {
    char *path; /* absolute; NULL: there is none */
    int lock; /* PRF_TEMPDIR_UNLOCKED: the folder is for others too, and never swept */
};

/* `parent`/pyprofiler-`kind`XXXXXX, for us only. With out->lock PRF_TEMPDIR_UNLOCKED it
   stays when we are gone. PRF_EIO, PRF_ENOMEM: then out->path is NULL. */
int prf_tempdir_open(struct prf_tempdir *out, const char *parent, const char *kind,
                     struct prf_error *err);

/* Delete it and what is in it. Idempotent. */
void prf_tempdir_remove(struct prf_tempdir *dir);

/* Forget it: it stays. */
void prf_tempdir_release(struct prf_tempdir *dir);

#endif
