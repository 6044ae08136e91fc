/* Arguments by position and by name; see arguments.h. */
#include "arguments.h"

#include <stdint.h>

#define ARGUMENTS_MAX 4

static int
arguments_number(const struct prf_signature *signature)
{
    int n = 0;
    while (n < ARGUMENTS_MAX && signature->names[n] != NULL) {
        n++;
    }
    return n;
}

static int
arguments_find(const struct prf_signature *signature, PyObject *name)
{
    for (int i = arguments_number(signature) - 1; i >= 0; i--) {
        if (PyUnicode_CompareWithASCIIString(name, signature->names[i]) == 0) {
            return i;
        }
    }
    PyErr_Format(PyExc_TypeError, "%s() got an unexpected keyword argument '%U'",
                 signature->method, name);
    return -1;
}

static int
arguments_bind_named(const struct prf_signature *signature,
                     struct prf_call_arguments given, PyObject *values[4])
{
    Py_ssize_t n = given.kwnames == NULL ? 0 : PyTuple_GET_SIZE(given.kwnames);
    for (Py_ssize_t i = 0; i < n; i++) {
        int at = arguments_find(signature, PyTuple_GET_ITEM(given.kwnames, i));
        if (at < 0) {
            return -1;
        }
        if (values[at] != NULL) {
            PyErr_Format(PyExc_TypeError, "%s() got multiple values for argument '%s'",
                         signature->method, signature->names[at]);
            return -1;
        }
        values[at] = given.args[given.n + i];
    }
    return 0;
}

int
prf_arguments_bind(const struct prf_signature *signature,
                   struct prf_call_arguments given, PyObject *values[4])
{
    memset(values, 0, ARGUMENTS_MAX * sizeof *values);
    if (given.n > signature->n_positional) {
        PyErr_Format(PyExc_TypeError,
                     "%s() takes at most %d positional argument%s, %zd given",
                     signature->method, signature->n_positional,
                     signature->n_positional == 1 ? "" : "s", given.n);
        return -1;
    }
    for (Py_ssize_t i = 0; i < given.n; i++) {
        values[i] = given.args[i];
    }
    if (arguments_bind_named(signature, given, values) < 0) {
        return -1;
    }
    for (int i = 0; i < signature->n_required; i++) {
        if (values[i] == NULL) {
            PyErr_Format(PyExc_TypeError, "%s() misses the argument '%s'",
                         signature->method, signature->names[i]);
            return -1;
        }
    }
    return 0;
}

int
prf_arguments_count(const char *name, PyObject *value, size_t least, size_t otherwise,
                    size_t *count)
{
    if (value == NULL || value == Py_None) {
        *count = value == NULL ? otherwise : SIZE_MAX;
        return 0;
    }
    if (!PyIndex_Check(value)) {
        PyErr_Format(PyExc_TypeError, "%s must be an int or None, not %.100s", name,
                     Py_TYPE(value)->tp_name);
        return -1;
    }
    Py_ssize_t number = PyNumber_AsSsize_t(value, NULL); /* clipped, not wrapped */
    if (number == -1 && PyErr_Occurred()) {
        return -1;
    }
    if (number < 0 || (size_t)number < least) {
        PyErr_Format(PyExc_ValueError, "%s must be at least %zu, not %R", name, least,
                     value);
        return -1;
    }
    *count = (size_t)number;
    return 0;
}
