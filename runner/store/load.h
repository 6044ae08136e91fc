/* Reading the columns of a row into an arena, for load.c and load_profile.c. */
#ifndef PRF_LOAD_H
#define PRF_LOAD_H

#include "sqlite_store.h"

struct prf_loader {
    sqlite3_stmt *statement; /* at a row */
    struct prf_arena *arena;
    bool failed; /* no memory */
};

/* A copy of the column, or NULL for NULL. */
const char *prf_load_text(struct prf_loader *loader, int column);

/* Zeroed room for n things; NULL for none. */
void *prf_load_alloc(struct prf_loader *loader, size_t n, size_t size);

/* Done with the statement: the result so far, or PRF_ENOMEM. */
int prf_load_end(struct prf_loader *loader, int rc, struct prf_error *err);

#endif
