/* The tracer in a Python process that a traced case started. */
#ifndef PRF_TRACE_CHILD_H
#define PRF_TRACE_CHILD_H

#include <Python.h>

/* trace_child(text): get ready to trace into a recording beside that of the case;
   `text` is the value of PYPROFILER_TRACE. Returns an object (None: untraced): tracing
   begins when it is freed, so that whoever holds it decides which frames are not seen,
   and lasts until the interpreter ends. Never raises: a process that cannot be traced
   runs on. */
PyObject *prf_trace_child(PyObject *module, PyObject *text);

#endif
