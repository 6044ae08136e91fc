/* One const struct per backend; registry.c lists them. */
#ifndef PRF_BACKENDS_H
#define PRF_BACKENDS_H

#include <pyprofiler/backend.h>

extern const struct prf_backend prf_stopwatch;
extern const struct prf_backend prf_call;
extern const struct prf_backend prf_tracemalloc;
extern const struct prf_backend prf_memory_line;
extern const struct prf_backend prf_memory_time;
extern const struct prf_backend prf_callgraph;
extern const struct prf_backend prf_tracer;
extern const struct prf_backend prf_line;
extern const struct prf_backend prf_sampling;
extern const struct prf_backend prf_instructions;
extern const struct prf_backend prf_passthrough;

#endif
