/* The tables and how they came to be. `user_version` of a file counts the steps it has
   been through. A step that was released is never edited: a change is a new step. */
#ifndef PRF_SCHEMA_H
#define PRF_SCHEMA_H

#include "sqlite_store.h"

/* Marks a database as ours: "PyPr". */
#define PRF_SCHEMA_APPLICATION 0x50795072

struct prf_schema {
    const char *const *steps; /* SQL; steps[i] leads from version i to i + 1 */
    int n_steps;
};

extern const struct prf_schema prf_schema_current;

/* PRF_ESTORE: made by a newer program; PRF_ECORRUPT: not a store. *version is the
   file's, 0 for an empty one. */
int prf_schema_check(struct prf_sqlite *s, const struct prf_schema *schema,
                     int *version, struct prf_error *err);

/* Brings the file to the schema's version, each step in a transaction of its own. Safe
   when several processes do it at once. */
int prf_schema_migrate(struct prf_sqlite *s, const struct prf_schema *schema,
                       struct prf_error *err);

#endif
