/* The tables of Python's tracemalloc, read where they are: no object is built for a
   trace. They have no public names, so they are looked up once in a process, by blocks
   that are planted for it, and every session plants one more to see that they still
   are what they were. Where that fails, `_tracemalloc._get_traces()` is asked instead.

   Nothing here allocates traced memory, unless it says so. The GIL is needed, except
   where it says otherwise. */
#ifndef PRF_TRACES_H
#define PRF_TRACES_H

#include <Python.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <pyprofiler/error.h>

/* What one traceback holds. Tracebacks are interned: one pointer, one traceback. */
struct prf_trace_sum {
    const void *traceback; /* borrowed from tracemalloc, or from `list` */
    int64_t n_bytes, n_blocks;
};

/* Everything that is traced at one moment, in all domains. */
struct prf_traces {
    struct prf_trace_sum *sums; /* free slots have n_blocks 0 */
    size_t n, capacity;
    struct prf_trace_sum *last; /* the slot that was counted last */
    PyObject *list;             /* strong: the traces as objects; NULL: the tables */
    bool failed;                /* out of memory: incomplete */
};

/* Find the tables, or see that those found before are right. Tracing must be on. False:
   they are not found, *why says how far it came. Raises tracemalloc's peak. */
bool prf_traces_locate(const char **why);

/* From now on act as if nothing had been found (true), for tests. */
void prf_traces_disable(bool disabled);

/* List what is traced; empty when tracing is off. PRF_ENOMEM, PRF_EPYTHON. */
int prf_traces_take(struct prf_traces *out, struct prf_error *err);
void prf_traces_release(struct prf_traces *traces);

/* Frames of a traceback of `traces`; frame 0 is the innermost. The file is borrowed; a
   frame that cannot be read is NULL, line 0. */
unsigned prf_traces_n_frames(const struct prf_traces *traces, const void *traceback);
PyObject *prf_traces_frame(const struct prf_traces *traces, const void *traceback,
                           unsigned index, unsigned *line);

/* Traceback of a block that Python's allocators gave out, or NULL. Without the GIL too.
   Only after prf_traces_locate was true. */
const void *prf_traces_find(const void *block);

/* Is this still a traceback of tracemalloc's (nobody has cleared them)? */
bool prf_traces_knows(const void *traceback);

/* Bytes that are traced now, to be read at any time by any thread; NULL: not found. */
const volatile size_t *prf_traces_counter(void);

/* There is one tracemalloc for all profilers and the program. For each that begins to
   use it; `is_tracing`: it is on. True: it is off, the caller has to start it. What the
   program started is not ours to stop. */
bool prf_traces_enter(bool is_tracing);

/* For each enter, also when the start failed. True: one of us started it and nobody
   else uses it, so the caller has to stop it, if it is still on. */
bool prf_traces_leave(void);

/* Did a profiler start it (true), or the program? While one uses it. */
bool prf_traces_are_ours(void);

#endif
