/* The life of one case under one profiler, in this process. Needs the GIL. */
#ifndef PRF_LIFECYCLE_H
#define PRF_LIFECYCLE_H

#include <jansson.h>

#include <pyprofiler/backend.h>

#include "discover.h"

/* Set up, measure, tear down; everything there is to say goes into `sink`: status,
   traceback, marks, what the profiler collected. `profiler` is any name or alias. Does
   not return in a process that the case forked. */
void prf_life_run(const struct prf_case *c, const char *profiler, const json_t *options,
                  struct prf_sink *sink);

/* The backend's defaults and `options` (the protocol's) into its state. PRF_EUSAGE. */
int prf_life_set_options(const struct prf_backend *backend, void *state,
                         const json_t *options, struct prf_error *err);

/* Put ProfilerCase.trace in C in the place of the package's; -1 with an exception set. */
int prf_life_install(void);

#endif
