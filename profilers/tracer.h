/* The tracer's state, between the file of its hooks, of its texts and of its options.

   Protected by the GIL. */
#ifndef PRF_TRACER_H
#define PRF_TRACER_H

#include <Python.h>

#include <stdbool.h>
#include <stdint.h>

#include <pyprofiler/backend.h>

#include "call_events.h"
#include "codes.h"
#include "trace_children.h"
#include "trace_stream.h"

struct tracer {
    /* options */
    uint64_t entries;  /* 0: no limit */
    int64_t max_depth; /* negative: no limit */
    int64_t min_ns;    /* 0: none */
    struct prf_strlist include_files, exclude_files;
    bool ignore_c_function, ignore_frozen, ignore_multiprocess;
    bool log_func_args, log_func_retval, log_gc, log_exceptions, log_async;
    char *output_file;
    int64_t verbose;
    uint64_t port;
    bool server_only, flamegraph;
    /* session */
    struct prf_sink *sink;
    struct prf_codes codes;
    struct prf_call_events events;
    struct prf_call_ops ops;
    struct prf_trace_children children;
    PyObject *gc_callback; /* strong, while it is among gc.callbacks */
    PyObject *repr;        /* strong: a reprlib.Repr, with --log-func-* */
    uint64_t min_ticks;
    bool careful;   /* every call takes the slow half: an option wants it */
    bool filtering; /* by files: C functions go with their caller */
    bool closed;    /* nothing can be recorded any more */
    bool forked;    /* a child that has no recording yet */
    bool running;
    uint64_t n_calls;                             /* counted only with a limit */
    uint64_t n_over, n_deep, n_short, n_filtered; /* calls that were left out */
    uint32_t n_marks;
    uint64_t start_ns, mark_ns, wall_ns;
};

/* A call that is open. In most only the key and the head are set; they stay when it has
   ended, because the next call from there is often of the same function. */
struct tracer_entry {
    const void *key;     /* code or method; bit 0: the other fields are set */
    PyObject *task;      /* strong: name of the asyncio task that it began; or NULL */
    unsigned char *from; /* of its events */
    unsigned char *to;
    uint64_t before; /* ticks of the event before it */
    uint64_t n_before;
    uint64_t began;
    unsigned flags; /* enum tracer_entry_flags */
    uint32_t head;  /* see prf_trace_head; 0: calls take the slow half */
};

enum tracer_entry_flags {
    TRACER_SILENT = 1,    /* not in the stream */
    TRACER_COROUTINE = 2, /* what it calls runs in the same task */
};

struct tracer_thread {
    struct prf_call_thread base;
    struct prf_trace_stream stream;
    struct tracer_entry *top;   /* of the open calls; *stack is nobody's */
    struct tracer_entry *last;  /* place in `stack` */
    struct tracer_entry *stack; /* malloc'ed, or &none */
    struct tracer_entry none;
    unsigned char *limit; /* of the extent: the stream's stands before it at times */
    struct prf_rec_thread *record;
    uint32_t id;      /* of the record */
    unsigned n_named; /* tries to find the thread's name */
};

/* Room for `bytes` in the thread's stream; false: the event is lost. Runs no Python
   code, but may allocate. */
bool prf_tracer_room(struct tracer *st, struct tracer_thread *t, size_t bytes);

/* No more events on this thread; calls that are open stay so in the stream. */
void prf_tracer_thread_finish(struct tracer *st, struct tracer_thread *t);

/* From now on the active tracer hears of forks. Idempotent. */
void prf_tracer_watch_forks(void);

/* The hook. */
extern const struct prf_call_ops prf_tracer_call_ops;

/* The tracer that runs in this process, or NULL. */
struct tracer *prf_tracer_active(void);

/* Begin and end to hear of garbage collections. */
int prf_tracer_gc_start(struct tracer *st, struct prf_error *err);
void prf_tracer_gc_stop(struct tracer *st);

/* Name of the asyncio task that runs on this thread; new reference, or NULL. */
PyObject *prf_tracer_task(void);

#endif
