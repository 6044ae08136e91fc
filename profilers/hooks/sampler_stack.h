/* Reading the stack of a Python thread at any moment: in a signal handler on that
   thread, or from another one without the GIL. What is read may be half written or
   gone, so the reading is guarded against faults, and a code object is believed only
   when it is one beyond doubt (see stack_code in the file).

   Async-signal-safe; no GIL. */
#ifndef PRF_SAMPLER_STACK_H
#define PRF_SAMPLER_STACK_H

#include <Python.h>

#include <stdint.h>

#include <pyprofiler/error.h>

#include "sampler_ring.h"

enum prf_sampler_outcome {
    PRF_SAMPLER_TAKEN,
    PRF_SAMPLER_NO_FRAMES, /* the thread runs no Python now */
    PRF_SAMPLER_TORN,      /* the stack was being changed, or was gone */
    PRF_SAMPLER_FULL,      /* there was no room in the ring */
};

struct prf_sampler_request {
    struct prf_sampler_ring *ring;
    const void *base;   /* frame where the stack ends, it is not part; or NULL */
    uint32_t max_depth; /* frames, the innermost */
    uint64_t weight_ns;
};

enum prf_sampler_outcome
prf_sampler_stack_read(PyThreadState *tstate,
                       const struct prf_sampler_request *request);

/* The frame that a thread is in, NULL: none. With the GIL. */
const void *prf_sampler_stack_top(PyThreadState *tstate);

/* From now on faults while a stack is read are caught (SIGSEGV, SIGBUS); all others go
   where they went before. PRF_EIO. */
int prf_sampler_guard_start(struct prf_error *err);

/* Put ours over handlers that the program has put in place since, which a reader has
   noticed; until then stacks are not read. Any thread. */
void prf_sampler_guard_renew(void);

/* The handlers as they were, unless somebody else has put one in place since: then ours
   stays and hands on. Idempotent; async-signal-safe. */
void prf_sampler_guard_stop(void);

#endif
