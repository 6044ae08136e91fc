/* The table of built-in backends, in the order in which they are listed. */
#include <pyprofiler/backend.h>

#include "backends.h"

const struct prf_backend *const prf_backends[] = {
    &prf_stopwatch,
    &prf_call,
    &prf_tracemalloc,
    &prf_memory_line,
    &prf_memory_time,
    &prf_callgraph,
    &prf_tracer,
    &prf_line,
    &prf_sampling,
    &prf_instructions,
    &prf_passthrough,
    NULL,
};
