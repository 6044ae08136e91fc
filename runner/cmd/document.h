/* Writing results where the user wants them: -o FILE, "-", never over a file without
   -f, never binary to a terminal, never half a file. */
#ifndef PRF_DOCUMENT_H
#define PRF_DOCUMENT_H

#include <stdbool.h>
#include <stdio.h>

#include <pyprofiler/error.h>

enum prf_document_flags {
    PRF_DOCUMENT_FORCE = 1,
    PRF_DOCUMENT_BINARY = 2,
};

struct prf_document {
    FILE *file;
    char *path;      /* NULL: standard output */
    char *temporary; /* beside `path` until it is whole; NULL: written in place */
    unsigned flags;
};

/* May it be written? Ask before the work is done. PRF_EUSAGE. */
int prf_document_check(const char *path, unsigned flags, struct prf_error *err);

/* `path` "-" or NULL: standard output. PRF_EUSAGE, PRF_EIO. */
int prf_document_open(struct prf_document *document, const char *path, unsigned flags,
                      struct prf_error *err);

/* Make it appear under its name. PRF_EIO. */
int prf_document_commit(struct prf_document *document, struct prf_error *err);

/* "calls-profile_fib" and the extension: the case's file and name, as far as files may
   be called so. The caller's; NULL: no memory. */
char *prf_document_name(const char *case_id, const char *extension);

/* Give up what was not committed. Idempotent. */
void prf_document_close(struct prf_document *document);

#endif
