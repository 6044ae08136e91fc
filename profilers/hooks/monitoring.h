/* A tool of sys.monitoring whose callbacks are C functions: objects of a type of our
   own with a vectorcall of its own, so no argument parsing and no bound method (16-24
   ns an event). Needs the GIL. */
#ifndef PRF_MONITORING_H
#define PRF_MONITORING_H

#include "compat.h"

#if PRF_HAVE_MONITORING

#include <stdbool.h>

#include <pyprofiler/error.h>

struct prf_monitoring_callback {
    PyObject_HEAD vectorcallfunc vectorcall;
    void *user; /* NULL after the stop: do nothing */
};

enum prf_monitoring_scope {
    PRF_MONITORING_GLOBAL = 1, /* in all code from the start */
    PRF_MONITORING_LOCAL = 2,  /* in the code that is given to prf_monitoring_watch */
};

struct prf_monitoring_event {
    const char *name; /* in sys.monitoring.events; NULL ends a table */
    vectorcallfunc function;
    unsigned scope; /* enum prf_monitoring_scope, or'ed */
};

enum { PRF_MONITORING_MAX = 12 };

struct prf_monitoring {
    PyObject *module;            /* strong: sys.monitoring */
    PyObject *disable;           /* strong: its DISABLE */
    PyTypeObject *callback_type; /* strong */
    const struct prf_monitoring_event *events;
    struct prf_monitoring_callback *callbacks[PRF_MONITORING_MAX]; /* strong */
    int tool_id;
    long local_mask;
    bool claimed;
};

/* The user of a callback; NULL: it was stopped. */
static inline void *
prf_monitoring_user(PyObject *callback)
{
    return ((struct prf_monitoring_callback *)callback)->user;
}

/* Claim the profiler's tool id and begin. PRF_EUNAVAILABLE: who has it; PRF_EPYTHON.
   After a failure there is nothing to stop. */
int prf_monitoring_start(struct prf_monitoring *mon,
                         const struct prf_monitoring_event *events, void *user,
                         struct prf_error *err);

/* Local events of a code object on, or off. -1 with an exception. */
int prf_monitoring_watch(struct prf_monitoring *mon, PyCodeObject *code);
void prf_monitoring_unwatch(struct prf_monitoring *mon, PyCodeObject *code);

/* False: the case freed our tool id or gave it to another. */
bool prf_monitoring_is_ours(const struct prf_monitoring *mon);

/* Take everything back. Idempotent, cannot fail: what the case may have undone itself
   is not an error. */
void prf_monitoring_stop(struct prf_monitoring *mon);

#endif
#endif
