/* What `call` and `callgraph` share: call events recorded as a calling-context tree,
   with one clock value for each thread. On every event the time since the last one goes
   to the node the thread is in; then the thread moves to a child (one look-up) or to
   the parent (none). Protected by the GIL; all functions need it. */
#ifndef PRF_CALL_RECORDER_H
#define PRF_CALL_RECORDER_H

#include <stdbool.h>
#include <stdint.h>

#include <pyprofiler/backend.h>

#include "call_events.h"
#include "calltree.h"
#include "codes.h"

struct prf_call_recorder {
    struct prf_sink *sink;
    struct prf_codes codes;
    struct prf_calltree tree;
    struct prf_call_ops ops;
    struct prf_call_events events;
    bool filtering;
    uint32_t n_marks;
    uint64_t start_ns, mark_ns, wall_ns;
};

struct prf_call_recorder_options {
    const char *profiler; /* its name; borrowed for good */
    /* Files whose functions count as their caller; borrowed, may be NULL. */
    const struct prf_strlist *include_files, *exclude_files;
    uint64_t max_nodes; /* most different stacks to tell apart */
    unsigned flags;     /* enum prf_call_flags */
};

#define PRF_CALL_MAX_NODES "1000000" /* 24 MB of recording and 72 MB of index */

/* The metrics of a backend whose result is what the recorder recorded. */
extern const struct prf_metric prf_call_metrics[];

/* `st` is zeroed. PRF_ENOMEM, PRF_EPYTHON; close it also then. */
int prf_call_recorder_open(struct prf_call_recorder *st, struct prf_sink *sink,
                           const struct prf_call_recorder_options *options,
                           struct prf_error *err);

/* PRF_EUNAVAILABLE: another tool holds what is needed. */
int prf_call_recorder_start(struct prf_call_recorder *st, struct prf_error *err);
void prf_call_recorder_stop(struct prf_call_recorder *st);
void prf_call_recorder_mark(struct prf_call_recorder *st, const char *name);

/* The wall time, and notes about what was not seen. */
void prf_call_recorder_collect(struct prf_call_recorder *st, struct prf_sink *sink);
void prf_call_recorder_close(struct prf_call_recorder *st);

#endif
