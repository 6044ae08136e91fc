/* Which of the stored cases a command line means, and under which profiler. */
#ifndef PRF_PICK_SERIES_H
#define PRF_PICK_SERIES_H

#include <stddef.h>

#include <pyprofiler/error.h>

#include "arena.h"
#include "store.h"

struct prf_series_request {
    const char *what;     /* an id or a part of one that fits one case; or ... */
    const char *keyword;  /* ... an expression as -k has it */
    const char *profiler; /* canonical name; NULL: the only one, or stopwatch */
};

struct prf_series_pick {
    const char *case_id, *profiler;
};

struct prf_series_picks {
    struct prf_arena arena;
    struct prf_series_pick *items; /* by case */
    size_t n;
};

/* PRF_ENOTFOUND: nothing fits; PRF_EUSAGE: several cases fit `what`, several profilers
   do, or the expression is none. The text lists what there is. Release in any case. */
int prf_series_pick(struct prf_store *store, const struct prf_series_request *request,
                    struct prf_series_picks *out, struct prf_error *err);
void prf_series_release(struct prf_series_picks *picks);

#endif
