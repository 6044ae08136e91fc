/* What the files of the test host share; see host.c. With the GIL. */
#ifndef PRF_TEST_HOST_H
#define PRF_TEST_HOST_H

#include <Python.h>

#include <pyprofiler/backend.h>

/* Backends that hear the events and do nothing: the floor of what hooks cost. */
extern const struct prf_backend prf_host_empty, prf_host_empty_line;

/* RuntimeError "code: text"; returns NULL. */
PyObject *prf_host_raise(const struct prf_error *err);

/* Append and take over `item`, which may be NULL with an exception. */
int prf_host_append(PyObject *list, PyObject *item);

/* read(path): a recording as a dict. */
PyObject *prf_host_read(PyObject *module, PyObject *path);

#endif
