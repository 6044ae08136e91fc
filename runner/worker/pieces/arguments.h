/* Arguments of methods that are called with FASTCALL | KEYWORDS. With the GIL. */
#ifndef PRF_PIECES_ARGUMENTS_H
#define PRF_PIECES_ARGUMENTS_H

#include <Python.h>

/* How a method is called: the arguments at `args`, n of them by position. */
struct prf_call_arguments {
    PyObject *const *args;
    Py_ssize_t n;
    PyObject *kwnames; /* or NULL */
};

/* What a method takes: names in order, at most four. */
struct prf_signature {
    const char *method;
    const char *names[4];
    int n_positional; /* those before can be given by position */
    int n_required;
};

/* The values by place in `names`, borrowed; NULL where none was given. -1: TypeError.
 */
int prf_arguments_bind(const struct prf_signature *signature,
                       struct prf_call_arguments given, PyObject *values[4]);

/* A number of things: an int from `least` on, None (all of them: SIZE_MAX), or
   `otherwise` when `value` is NULL. -1: TypeError or ValueError naming the argument. */
int prf_arguments_count(const char *name, PyObject *value, size_t least,
                        size_t otherwise, size_t *count);

#endif
