/* The bytes that Python's tracemalloc counts; see traced.h. */
#include "traced.h"

#include "traces.h"

static bool
traced_call(struct prf_traced *traced, const char *name, int64_t bytes[2])
{
    PyObject *got = PyObject_CallMethod(traced->module, name, NULL);
    if (got != NULL && bytes != NULL) {
        bytes[0] = PyLong_AsLongLong(PyTuple_GetItem(got, 0));
        bytes[1] = PyLong_AsLongLong(PyTuple_GetItem(got, 1));
    }
    bool done = got != NULL && !PyErr_Occurred();
    Py_XDECREF(got);
    PyErr_Clear();
    return done;
}

static bool
traced_is_tracing(struct prf_traced *traced)
{
    PyObject *tracing = PyObject_CallMethod(traced->module, "is_tracing", NULL);
    bool on = tracing == Py_True;
    Py_XDECREF(tracing);
    PyErr_Clear();
    return on;
}

int
prf_traced_start(struct prf_traced *traced, struct prf_error *err)
{
    /* Where the case's file traces already, its counts are left alone. */
    traced->was_tracing = !prf_traces_enter(traced_is_tracing(traced));
    traced->started = true;
    if (!traced->was_tracing && !traced_call(traced, "start", NULL)) {
        return prf_fail(err, PRF_EPYTHON, "tracemalloc does not start");
    }
    bool found = traced_is_tracing(traced) && prf_traces_locate(&traced->slow);
    traced->counter = found ? prf_traces_counter() : NULL;
    if (!traced->was_tracing) {
        traced_call(traced, "reset_peak", NULL); /* the search raised it */
    }
    return 0;
}

void
prf_traced_stop(struct prf_traced *traced)
{
    if (traced->started && prf_traces_leave() && traced_is_tracing(traced)) {
        traced_call(traced, "stop", NULL);
    }
    traced->started = false;
}

int
prf_traced_open(struct prf_traced *traced, struct prf_error *err)
{
    traced->module = PyImport_ImportModule("_tracemalloc");
    if (traced->module == NULL) {
        PyErr_Clear();
        return prf_fail(err, PRF_EUNAVAILABLE,
                        "this Python has no tracemalloc; use another --backend");
    }
    int rc = prf_traced_start(traced, err);
    prf_traced_stop(traced);
    return rc;
}

bool
prf_traced_ask(struct prf_traced *traced, int64_t bytes[2])
{
    return traced_call(traced, "get_traced_memory", bytes);
}

int64_t
prf_traced_read(struct prf_traced *traced)
{
    int64_t bytes[2];
    if (traced->counter != NULL) {
        return (int64_t)*traced->counter;
    }
    return prf_traced_ask(traced, bytes) ? bytes[0] : -1;
}

void
prf_traced_close(struct prf_traced *traced)
{
    prf_traced_stop(traced);
    Py_CLEAR(traced->module);
}
