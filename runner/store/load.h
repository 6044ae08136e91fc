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

/* The next varint (zigzag LEB128) of [*p, end), 0 when it is cut off. */
int64_t prf_load_varint(const unsigned char **p, const unsigned char *end);

/* The columns of a table as its profile keeps them, JSON; NULL: none. PRF_ECORRUPT. */
int prf_load_columns(struct prf_sqlite *s, const char *text, struct prf_table *table,
                     struct prf_arena *arena, struct prf_error *err);

/* Done with the statement: the result so far, or PRF_ENOMEM. */
int prf_load_end(struct prf_loader *loader, int rc, struct prf_error *err);

#endif
