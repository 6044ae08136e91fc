/* Session(name, options): start(), stop(), mark(name), report() -> str. What the
   profiler classes of the package stand on. It records as every run does, into a file
   of its own, and reports with the runner's tables. */
#include "session.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>
#include <pyprofiler/backend.h>

#include "catalog.h"
#include "clock.h"
#include "pyerr.h"
#include "reader.h"
#include "report.h"
#include "writer.h"

struct session {
    PyObject_HEAD const struct prf_backend *backend;
    void *state;               /* of the backend; NULL: nothing was started yet */
    struct prf_writer *writer; /* while there is a state */
    char path[64];             /* of the recording, "" when there is none */
    PyObject *options;         /* strong, a dict of texts or lists of texts */
    bool measuring;
    bool opened;
    bool collected;
};

static PyObject *
session_raise(struct prf_error *err)
{
    PyErr_SetString(err->code == PRF_EUSAGE ? PyExc_ValueError : PyExc_RuntimeError,
                    err->text);
    return NULL;
}

/* ---- one recording from start to report ---- */

static void
session_drop(struct session *s)
{
    if (s->state != NULL) {
        if (s->measuring) {
            struct prf_error err = {0};
            s->backend->stop(s->state, &(struct prf_round){.loops = 1}, &err);
        }
        s->backend->close(s->state);
        prf_options_release(s->backend->options, s->state);
        free(s->state);
    }
    prf_writer_close(s->writer);
    if (s->path[0] != '\0') {
        unlink(s->path);
    }
    s->state = NULL;
    s->writer = NULL;
    s->path[0] = '\0';
    s->measuring = s->opened = s->collected = false;
}

static int
session_set_option(struct session *s, PyObject *name, PyObject *value,
                   struct prf_error *err)
{
    char *key = prf_pyerr_text(name);
    char *text = prf_pyerr_text(value);
    int rc = PRF_ENOMEM;
    if (key != NULL && text != NULL) {
        rc = prf_options_set(s->backend->options, key, text, s->state, err);
    }
    free(key);
    free(text);
    return rc;
}

static int
session_set_options(struct session *s, struct prf_error *err)
{
    const struct prf_option *table = s->backend->options;
    int rc = prf_options_defaults(table, s->state, err);
    /* The caller runs the body, once: there is nothing to warm up with. */
    if (rc == 0 && (s->backend->caps & PRF_CAP_ROUNDS) &&
        prf_options_find(table, "warmup") != NULL) {
        rc = prf_options_set(table, "warmup", "0", s->state, err);
    }
    PyObject *name, *value;
    Py_ssize_t at = 0;
    while (rc == 0 && PyDict_Next(s->options, &at, &name, &value)) {
        if (!PyList_Check(value)) {
            rc = session_set_option(s, name, value, err);
            continue;
        }
        for (Py_ssize_t i = 0; i < PyList_GET_SIZE(value) && rc == 0; i++) {
            rc = session_set_option(s, name, PyList_GET_ITEM(value, i), err);
        }
    }
    return rc;
}

static int
session_open(struct session *s, struct prf_error *err)
{
    snprintf(s->path, sizeof s->path, "/tmp/pyprofiler-session.XXXXXX");
    int fd = mkstemp(s->path);
    if (fd < 0) {
        s->path[0] = '\0';
        return prf_fail(err, PRF_EIO, "cannot make a file in '/tmp' to record to");
    }
    close(fd);
    int rc = prf_writer_open(s->path, prf_clock_ns_per_tick(), &s->writer, err);
    if (rc < 0) {
        return rc;
    }
    s->state = calloc(1, s->backend->state_size + 1);
    if (s->state == NULL) {
        return prf_fail(err, PRF_ENOMEM, "out of memory");
    }
    struct prf_sink *sink = prf_writer_sink(s->writer);
    prf_sink_schema(sink, s->backend->metrics);
    const struct prf_session session = {.sink = sink, .case_id = "", .case_file = ""};
    rc = session_set_options(s, err);
    return rc < 0 ? rc : s->backend->open(s->state, &session, err);
}

static PyObject *
session_start(PyObject *self, PyObject *ignored)
{
    struct session *s = (struct session *)self;
    (void)ignored;
    struct prf_error err = {0};
    struct prf_round round = {.loops = 1};
    session_drop(s);
    if (session_open(s, &err) < 0 || s->backend->start(s->state, &round, &err) < 0) {
        session_drop(s);
        return session_raise(&err);
    }
    s->measuring = true;
    Py_RETURN_NONE;
}

static PyObject *
session_stop(PyObject *self, PyObject *ignored)
{
    struct session *s = (struct session *)self;
    (void)ignored;
    struct prf_error err = {0};
    if (s->measuring) {
        s->measuring = false;
        if (s->backend->stop(s->state, &(struct prf_round){.loops = 1}, &err) < 0) {
            return session_raise(&err);
        }
    }
    Py_RETURN_NONE;
}

static PyObject *
session_mark(PyObject *self, PyObject *name)
{
    struct session *s = (struct session *)self;
    if (s->measuring && s->backend->mark != NULL) {
        char *text = prf_pyerr_text(name);
        s->backend->mark(s->state, text == NULL ? "?" : text);
        free(text);
    }
    Py_RETURN_NONE;
}

/* The options as a result has them, for the report: a JSON object. NULL: no memory. */
static char *
session_options_json(const struct session *s)
{
    json_t *object = json_object();
    PyObject *name, *value;
    Py_ssize_t at = 0;
    while (PyDict_Next(s->options, &at, &name, &value)) {
        char *key = prf_pyerr_text(name);
        const struct prf_option *option =
            key != NULL ? prf_options_find(s->backend->options, key) : NULL;
        json_t *texts = json_array();
        Py_ssize_t n = PyList_Check(value) ? PyList_GET_SIZE(value) : 1;
        for (Py_ssize_t i = 0; i < n; i++) {
            char *text =
                prf_pyerr_text(PyList_Check(value) ? PyList_GET_ITEM(value, i) : value);
            json_array_append_new(texts, json_string(text != NULL ? text : ""));
            free(text);
        }
        if (option != NULL) {
            json_object_set(object, option->name,
                            PyList_Check(value) ? texts : json_array_get(texts, 0));
        }
        json_decref(texts);
        free(key);
    }
    char *text = json_dumps(object, JSON_COMPACT);
    json_decref(object);
    return text;
}

static int
session_render(struct session *s, char **text, struct prf_error *err)
{
    size_t size = 0;
    FILE *out = NULL;
    struct prf_result result = {.id = "", .case_id = "", .duration_ns = -1};
    const struct prf_style style = {.width = 80};
    const struct prf_export_options options = {0};
    char *asked = session_options_json(s);
    result.profiler = s->backend->name;
    result.options = asked;
    int rc = prf_recording_read(s->path, &result.profile, err);
    if (rc < 0) {
        goto out;
    }
    out = open_memstream(text, &size);
    if (out == NULL) {
        rc = prf_fail(err, PRF_ENOMEM, "out of memory for a report");
        goto out;
    }
    rc = prf_report_result(out, &style, &result, &options, err);
    if (fclose(out) != 0 && rc == 0) {
        rc = prf_fail(err, PRF_ENOMEM, "out of memory for a report");
    }
out:
    prf_result_release(&result);
    free(asked);
    return rc;
}

static PyObject *
session_report(PyObject *self, PyObject *ignored)
{
    struct session *s = (struct session *)self;
    (void)ignored;
    struct prf_error err = {0};
    if (s->state == NULL || s->measuring) {
        PyErr_SetString(PyExc_RuntimeError,
                        "nothing was measured yet: call start() and stop() first");
        return NULL;
    }
    if (!s->collected) {
        if (s->backend->collect(s->state, prf_writer_sink(s->writer), &err) < 0) {
            return session_raise(&err);
        }
        s->collected = true;
    }
    char *text = NULL;
    if (session_render(s, &text, &err) < 0) {
        free(text);
        return session_raise(&err);
    }
    PyObject *str = PyUnicode_DecodeUTF8(text, (Py_ssize_t)strlen(text), "replace");
    free(text);
    return str;
}

/* ---- the type ---- */

static int
session_init(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char name_key[] = "name", options_key[] = "options";
    static char *names[] = {name_key, options_key, NULL};
    struct session *s = (struct session *)self;
    const char *name;
    PyObject *options;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "sO!:Session", names, &name,
                                     &PyDict_Type, &options)) {
        return -1;
    }
    session_drop(s);
    s->backend = prf_catalog_find(name);
    if (s->backend == NULL) {
        PyErr_Format(PyExc_ValueError, "there is no profiler '%s' in this build", name);
        return -1;
    }
    Py_XSETREF(s->options, Py_NewRef(options));
    return 0;
}

static void
session_dealloc(PyObject *self)
{
    struct session *s = (struct session *)self;
    PyTypeObject *type = Py_TYPE(self);
    session_drop(s);
    Py_CLEAR(s->options);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyMethodDef session_methods[] = {
    {"start", session_start, METH_NOARGS,
     PyDoc_STR(
         "start()\n--\n\nBegin to measure; what was measured before is dropped.")},
    {"stop", session_stop, METH_NOARGS, PyDoc_STR("stop()\n--\n\nEnd to measure.")},
    {"mark", session_mark, METH_O, PyDoc_STR("mark(name)\n--\n\nA named moment.")},
    {"report", session_report, METH_NOARGS,
     PyDoc_STR("report()\n--\n\nThe tables of what was measured, as text.")},
    {NULL},
};

static char session_doc[] =
    "Session(name, options)\n--\n\nA profiler by name; options as text.";

static PyType_Slot session_slots[] = {
    {Py_tp_doc, session_doc},         {Py_tp_init, session_init},
    {Py_tp_new, PyType_GenericNew},   {Py_tp_dealloc, session_dealloc},
    {Py_tp_methods, session_methods}, {0},
};

static PyType_Spec session_spec = {
    .name = "_pyprofiler.Session",
    .basicsize = sizeof(struct session),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = session_slots,
};

int
prf_session_add_type(PyObject *module)
{
    PyObject *type = PyType_FromSpec(&session_spec);
    int rc = type == NULL ? -1 : PyModule_AddObjectRef(module, "Session", type);
    Py_XDECREF(type);
    return rc;
}
