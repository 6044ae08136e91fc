/* Profilers written in Python (register_profiler) as backends. All functions need the
   GIL. */
#ifndef PRF_ADAPTER_H
#define PRF_ADAPTER_H

#include <Python.h>

#include <jansson.h>

#include <pyprofiler/backend.h>

/* Array of BACKEND objects for the classes that are registered now. */
json_t *prf_adapter_describe(void);

/* The registered class with that name; NULL, and no exception, when there is none. A
   strong reference. */
PyObject *prf_adapter_find(const char *name);

/* The one adapter; its state is a struct prf_adapter, filled by prf_adapter_create. */
extern const struct prf_backend prf_adapter_backend;

struct prf_adapter {
    PyObject *functions; /* module pyprofiler._adapter, strong */
    PyObject *profiler;  /* the object, strong */
};

/* Make the profiler object with its options (JSON object of texts or lists of texts).
 */
int prf_adapter_create(struct prf_adapter *a, const char *name, PyObject *cls,
                       const json_t *options, struct prf_error *err);

/* `body` (a callable) as the profiler wants to call it; a new reference. */
PyObject *prf_adapter_wrap(struct prf_adapter *a, PyObject *body);

#endif
