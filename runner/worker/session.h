/* The type _pyprofiler.Session: a profiler driven by Python code in this process. */
#ifndef PRF_SESSION_H
#define PRF_SESSION_H

#include <Python.h>

/* Add the type to `module`; -1 with an exception set. */
int prf_session_add_type(PyObject *module);

#endif
