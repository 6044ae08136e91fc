/* Inside the engine: the worker that supervise.c runs cases in. */
#ifndef PRF_ENGINE_H
#define PRF_ENGINE_H

#include <stdbool.h>
#include <stdint.h>

#include <pyprofiler/error.h>

#include "supervise.h"

#define PRF_ENGINE_QUIT_NS (1000000000LL / 2) /* how long a worker may take to end */

/* The moment (prf_clock_ns) at which a limit from now ends; -1: there is no limit. */
int64_t prf_engine_deadline(int64_t limit_ns);

/* End the worker, by force after the grace. Idempotent. */
void prf_engine_stop(struct prf_engine *engine, int64_t grace_ns);

/* The error for an event other than a message while `doing`, with the last words of the
   worker. */
int prf_engine_fail(struct prf_engine *engine, int event, const char *doing,
                    struct prf_error *err);

/* A worker that has imported the file; with `fresh` one that has run nothing yet. */
int prf_engine_ensure(struct prf_engine *engine, bool fresh, struct prf_error *err);

#endif
