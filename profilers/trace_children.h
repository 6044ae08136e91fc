/* How Python processes that the case starts come to trace, too: through the environment
   they inherit. What stands there, and who reads it, is in
   runner/worker/python/pyprofiler/_tracing/sitecustomize.py. */
#ifndef PRF_TRACE_CHILDREN_H
#define PRF_TRACE_CHILDREN_H

#include <Python.h>

#include <pyprofiler/backend.h>

#define PRF_TRACE_VARIABLE "PYPROFILER_TRACE"

/* What the environment was before; zeroed: nothing was changed. */
struct prf_trace_children {
    PyObject *trace, *path;         /* strong: values set by us, or NULL */
    PyObject *old_trace, *old_path; /* strong: those before, NULL: not set */
};

/* Children started from now on record beside `sink` with the options in `state`. Does
   nothing in a child, where everything is there already, nor where it cannot work: no
   file, or no plugin that a plain Python can load.
   Runs Python code: only while nothing is traced. */
void prf_trace_children_start(struct prf_trace_children *c, struct prf_sink *sink,
                              const struct prf_option *options, const void *state);

/* The environment as it was, except where the case has changed it. Idempotent. */
void prf_trace_children_stop(struct prf_trace_children *c);

#endif
