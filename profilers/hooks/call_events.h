/* Calls and returns of Python and C functions, in all threads of the interpreter, from
   whatever the version offers: sys.monitoring, PyEval_SetProfile, or frame evaluation.

   What is an event, and of which function, is exactly what the standard cProfile of the
   same version makes of it: a resumed generator is a call, a yield is a return; of the
   callables only C functions and method descriptors count, by their PyMethodDef.

   Everything runs with the GIL held. Several users at once: one of each profiler (by
   `ops->name`), each with a place of its own in sys.monitoring; before 3.12 there is
   one place, so one user. Lines (line_events.h) may be told beside it. */
#ifndef PRF_CALL_EVENTS_H
#define PRF_CALL_EVENTS_H

#include <Python.h>

#include <stdbool.h>
#include <stdint.h>

#include <pyprofiler/error.h>

struct prf_call_events;
struct prf_frame_mode;
struct prf_call_source;

/* One for each thread, made when its first event comes (or at start, see `ops`). A
   user's struct starts with it. */
struct prf_call_thread {
    PyObject_HEAD struct prf_call_events *events; /* NULL: detached, the user is gone */
    struct prf_call_thread *next;
    uint64_t id;        /* of the thread state; never used twice */
    uint64_t native_id; /* the kernel's */
    void *user;
    void *frame;           /* of call_frame_eval.c: that is being entered; borrowed */
    bool resuming;         /* of call_monitoring.c: a generator goes on */
    uintptr_t stack_floor; /* of call_frame_eval.c */
    struct prf_frame_mode *mode; /* likewise: of the frame that runs; borrowed */
};

enum prf_call_end { PRF_CALL_RETURNED, PRF_CALL_RAISED };

/* What the user wants to be told. Called in the middle of a call: no allocation but
   from what is reserved, no Python code except with the exception put aside. */
struct prf_call_ops {
    const char *name;       /* of the profiler, for those who find the place taken */
    Py_ssize_t thread_size; /* of the user's struct */
    void (*thread_start)(struct prf_call_thread *thread);
    void (*enter_python)(struct prf_call_thread *thread, PyCodeObject *code);
    /* `self` and `module` are for its name and may be NULL; `caller` is what calls. */
    void (*enter_c)(struct prf_call_thread *thread, PyMethodDef *method, PyObject *self,
                    PyObject *module, PyCodeObject *caller);
    /* `result`: what is returned or yielded, borrowed; NULL: an exception leaves it. */
    void (*leave_python)(struct prf_call_thread *thread, PyCodeObject *code,
                         PyObject *result);
    void (*leave_c)(struct prf_call_thread *thread, PyMethodDef *method,
                    PyCodeObject *caller, enum prf_call_end end);
    /* An exception was raised in the Python function that runs, not passed on by one
       that it called. Before 3.12 only those that leave the function, just before it is
       left. `value` may be NULL, or not an exception yet (the argument for one). May be
       NULL. */
    void (*raised)(struct prf_call_thread *thread, PyObject *type, PyObject *value);
};

enum prf_call_flags {
    PRF_CALL_NO_C = 1, /* Python functions only: a third to a half of the cost */
};

struct prf_call_events {
    const struct prf_call_ops *ops;
    void *user;
    unsigned flags;
    PyObject *thread_type;           /* strong */
    struct prf_call_thread *threads; /* strong references, newest use first */
    struct prf_call_thread *current; /* borrowed: that of the last event */
    bool replaced; /* after stop: the case had taken the place or put its own there */
    struct prf_call_events *next_running;
    const struct prf_call_source *running; /* NULL: stopped */
    void *source;                          /* what the mechanism keeps */
    Py_tracefunc profile_function;         /* what it installed in threads, or NULL */
};

/* PRF_EPYTHON: no memory in Python. */
int prf_call_events_open(struct prf_call_events *events, const struct prf_call_ops *ops,
                         void *user, unsigned flags, struct prf_error *err);

/* From now on. PRF_EUNAVAILABLE: another tool holds what is needed; it is named, and
   goes on undisturbed. Calls that are open stay unseen, those made from now on count,
   on every thread. */
int prf_call_events_start(struct prf_call_events *events, struct prf_error *err);

/* No more events on any thread; what is open is left, and its return not told. May be
   called on another thread than the start. Idempotent, cannot fail. */
void prf_call_events_stop(struct prf_call_events *events);

/* The object of the calling thread, new or not; NULL: no memory. Borrowed. */
struct prf_call_thread *prf_call_thread_current(struct prf_call_events *events);

/* In enter_python: names and values of the arguments as a new dict, in the order of the
   signature; NULL without an exception for a generator that goes on, or without memory.
   Runs no code of the case. */
PyObject *prf_call_arguments(struct prf_call_thread *thread, PyCodeObject *code);

/* Idempotent. Threads that still run keep their (detached) object. */
void prf_call_events_close(struct prf_call_events *events);

#endif
