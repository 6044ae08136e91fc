/* Tracing a child process from its start to its end: open, start; at exit stop,
   collect. There is one at most, and it lives as long as the process. */
#include "trace_child.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <pyprofiler/backend.h>

#include "clock.h"
#include "codes.h"
#include "compat.h"
#include "writer.h"

static struct {
    const struct prf_backend *backend;
    void *state;
    struct prf_writer *writer;
} child; /* protected by the GIL */

static void
child_after_fork(void)
{
    if (child.writer != NULL) {
        prf_writer_detach(child.writer);
    }
}

static const struct prf_backend *
child_backend(void)
{
    for (size_t i = 0; prf_backends[i] != NULL; i++) {
        if (strcmp(prf_backends[i]->name, "tracer") == 0) {
            return prf_backends[i];
        }
    }
    return NULL;
}

struct child_fields {
    const char *recording;
    double ns_per_tick;
};

/* One line of the text. */
static int
child_set(struct child_fields *fields, char *name, struct prf_error *err)
{
    char *value = strchr(name, '=');
    if (value == NULL) {
        return 0;
    }
    *value++ = '\0';
    if (strcmp(name, "recording") == 0) {
        fields->recording = value;
    } else if (strcmp(name, "ns_per_tick") == 0) {
        fields->ns_per_tick = strtod(value, NULL);
    } else if (strcmp(name, "option") == 0) {
        char *text = strchr(value, '=');
        if (text != NULL) {
            *text++ = '\0';
            return prf_options_set(child.backend->options, value, text, child.state,
                                   err);
        }
    }
    return 0;
}

/* Reads `text`, which is changed. */
static int
child_parse(struct child_fields *fields, char *text, struct prf_error *err)
{
    char *rest = NULL;
    int rc = prf_options_defaults(child.backend->options, child.state, err);
    for (char *line = strtok_r(text, "\n", &rest); line != NULL && rc == 0;
         line = strtok_r(NULL, "\n", &rest)) {
        rc = child_set(fields, line, err);
    }
    if (rc == 0 && (fields->recording == NULL || !(fields->ns_per_tick > 0))) {
        rc = prf_fail(err, PRF_EPROTOCOL, "not what a tracer left");
    }
    return rc;
}

static void
child_release(void)
{
    if (child.state != NULL) {
        child.backend->close(child.state);
        prf_options_release(child.backend->options, child.state);
        free(child.state);
    }
    prf_writer_close(child.writer);
    child.state = NULL;
    child.writer = NULL;
}

/* At exit. The recording is whole without it, but for what collect adds. */
static PyObject *
child_end(PyObject *Py_UNUSED(self), PyObject *Py_UNUSED(ignored))
{
    struct prf_error err = {0};
    const struct prf_round round = {.loops = 1};
    if (child.state != NULL && child.backend->stop(child.state, &round, &err) >= 0) {
        child.backend->collect(child.state, prf_writer_sink(child.writer), &err);
    }
    child_release();
    Py_RETURN_NONE;
}

static PyMethodDef child_end_def = {"trace_child_end", child_end, METH_NOARGS, NULL};

static int
child_at_exit(void)
{
    PyObject *module = PyImport_ImportModule("atexit");
    PyObject *function = module ? PyCFunction_New(&child_end_def, NULL) : NULL;
    PyObject *done =
        function ? PyObject_CallMethod(module, "register", "O", function) : NULL;
    Py_XDECREF(done);
    Py_XDECREF(function);
    Py_XDECREF(module);
    return done ? 0 : -1;
}

static int
child_open(char *text, struct prf_error *err)
{
    struct child_fields fields = {0};
    prf_clock_init();
    child.backend = child_backend();
    child.state = child.backend ? calloc(1, child.backend->state_size) : NULL;
    if (child.state == NULL) {
        return prf_fail(err, PRF_ENOMEM, "out of memory");
    }
    int rc = child_parse(&fields, text, err);
    if (rc == 0) {
        rc = prf_writer_open_child(fields.recording, fields.ns_per_tick, &child.writer,
                                   err);
    }
    if (rc < 0) {
        return rc;
    }
    struct prf_sink *sink = prf_writer_sink(child.writer);
    const struct prf_session session = {.sink = sink, .case_id = "", .case_file = ""};
    prf_sink_schema(sink, child.backend->metrics);
    rc = child.backend->open(child.state, &session, err);
    if (rc == 0 && child_at_exit() < 0) {
        rc = prf_fail(err, PRF_EPYTHON, "cannot register an exit function");
    }
    return rc;
}

/* When what holds the start has gone; see trace_child.h. Other code may be unwinding.
 */
static void
child_start(PyObject *Py_UNUSED(capsule))
{
    struct prf_error err = {0};
    struct prf_round round = {.loops = 1};
    struct prf_exception saved;
    prf_exception_save(&saved);
    if (child.state != NULL && child.backend->start(child.state, &round, &err) < 0) {
        child_release();
    }
    PyErr_Clear();
    prf_exception_restore(&saved);
}

PyObject *
prf_trace_child(PyObject *Py_UNUSED(module), PyObject *text)
{
    struct prf_error err = {0};
    PyObject *start = NULL;
    PyObject *bytes = PyUnicode_Check(text) ? PyUnicode_EncodeFSDefault(text) : NULL;
    if (bytes != NULL && child.state == NULL) {
        prf_codes_hide(&child_end_def);
        pthread_atfork(NULL, NULL, child_after_fork);
        if (child_open(PyBytes_AS_STRING(bytes), &err) == 0) {
            start = PyCapsule_New(&child, NULL, child_start);
        }
        if (start == NULL) {
            child_release();
        }
    }
    PyErr_Clear();
    Py_XDECREF(bytes);
    return start != NULL ? start : Py_NewRef(Py_None);
}
