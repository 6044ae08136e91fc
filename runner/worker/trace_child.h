/* The tracer in a Python process that a traced case started. */
#ifndef PRF_TRACE_CHILD_H
#define PRF_TRACE_CHILD_H

#include <Python.h>

/* trace_child(text): begin to trace into a recording beside that of the case, until the
   interpreter ends; `text` is the value of PYPROFILER_TRACE. Never raises: a process
   that cannot be traced runs on. */
PyObject *prf_trace_child(PyObject *module, PyObject *text);

#endif
