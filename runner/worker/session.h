/* The types _pyprofiler.Session, a profiler driven by Python code in this process, and
   _pyprofiler.Region, a block of code under several of them. */
#ifndef PRF_SESSION_H
#define PRF_SESSION_H

#include <Python.h>

/* Add both types to `module`; -1 with an exception set. */
int prf_session_add_type(PyObject *module);

/* region.c: Region alone. */
int prf_region_add_type(PyObject *module);

/* The Session that `object` is, or NULL with TypeError; borrowed. */
struct prf_session_object;
struct prf_session_object *prf_session_of(PyObject *object);

#endif
