/* Importing a case file and finding its cases. All functions need the GIL. */
#ifndef PRF_DISCOVER_H
#define PRF_DISCOVER_H

#include <Python.h>

#include <stdbool.h>

#include <jansson.h>

/* One case, as the worker needs it to run it. */
struct prf_case {
    char *id;
    char *file;
    char *class_name;
    char *method_name;
    PyObject *type;   /* strong */
    PyObject *kwargs; /* strong, a dict */
    bool is_async;
};

struct prf_discovery {
    struct prf_case *cases;
    size_t n;
};

/* Import what the protocol's `import` message names and answer it: the message `cases`,
   or `import-failed` (whatever the file raised). NULL: no memory. */
json_t *prf_discover(const json_t *request, struct prf_discovery *out);

const struct prf_case *prf_discovery_find(const struct prf_discovery *d,
                                          const char *id);

void prf_discovery_release(struct prf_discovery *d);

#endif
