/* Which amounts of a table or tree a difference is made of. */
#ifndef PRF_DIFF_COLUMNS_H
#define PRF_DIFF_COLUMNS_H

#include <stddef.h>

#include "profile.h"

struct prf_diff_columns {
    int cost;  /* index, -1: the table has no columns */
    int calls; /* how often that cost arose, -1: not known; `cost` when it is a number
                  of calls itself */
};

/* `asked` NULL: own costs, else what the profiler is about. An asked column that the
   table has not got, also by the beginning of its name up to "_", gives cost -1. */
struct prf_diff_columns prf_diff_columns(const struct prf_column *columns, size_t n,
                                         const char *asked);

#endif
