/* A tool of sys.monitoring whose callbacks are C functions: objects of a type of our
   own with a vectorcall of its own, so no argument parsing and no bound method (16-24
   ns an event). Needs the GIL.

   There are six places for tools. Those that PEP 669 leaves free (3, 4) come first, so
   that a program can use cProfile, which takes the profiler's, while it is measured;
   then the profiler's, those of the optimizer, of coverage and of the debugger. The
   name of the tool is "pyprofiler." and that of the profiler. */
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
    PRF_MONITORING_NONE = 0,   /* registered only */
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
    PyObject *name;              /* strong: the very object that the place holds */
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

/* Claim a place for the profiler with that name and begin. `events` is borrowed until
   the stop. PRF_EUNAVAILABLE: all are held, says by whom; PRF_EPYTHON. After a failure
   there is nothing to stop. Events that other tools disabled come to them again. */
int prf_monitoring_start(struct prf_monitoring *mon, const char *name,
                         const struct prf_monitoring_event *events, void *user,
                         struct prf_error *err);

/* The scopes in `events` were changed: have the global ones. -1 with an exception. */
int prf_monitoring_reset(struct prf_monitoring *mon);

/* Local events of a code object on, or off. -1 with an exception. */
int prf_monitoring_watch(struct prf_monitoring *mon, PyCodeObject *code);
void prf_monitoring_unwatch(struct prf_monitoring *mon, PyCodeObject *code);

/* False: the program freed our place or gave it to another. */
bool prf_monitoring_is_ours(const struct prf_monitoring *mon);

/* Take everything back, but nothing from a tool that has the place now. Idempotent,
   cannot fail: what the program may have undone itself is not an error. */
void prf_monitoring_stop(struct prf_monitoring *mon);

#endif
#endif
