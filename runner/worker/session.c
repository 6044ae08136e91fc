/* The type _pyprofiler.Session: one profiler, driven by Python code. It records as
   every run does, into a file of its own, and reports with the runner's tables. */
#include "session.h"

#include <stdlib.h>
#include <string.h>

#include "catalog.h"
#include "codes.h"
#include "session_state.h"

/* False with an exception: a call into its backend lets other threads run, and one of
   them came back here. */
static bool
session_is_free(const struct prf_session_object *s)
{
    if (s->busy) {
        PyErr_SetString(PyExc_RuntimeError,
                        "another thread is starting, stopping or reading this session");
    }
    return !s->busy;
}

static PyObject *
session_done(int rc, const struct prf_error *err)
{
    return rc < 0 ? prf_session_raise(err) : Py_NewRef(Py_None);
}

static PyObject *
session_start(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    struct prf_session_object *s = (struct prf_session_object *)self;
    struct prf_error err = {0};
    if (!session_is_free(s)) {
        return NULL;
    }
    if (s->phase == PRF_SESSION_MEASURING) {
        PyErr_SetString(PyExc_RuntimeError, "it measures already: call stop() first");
        return NULL;
    }
    int rc = prf_session_open(s, &err);
    return session_done(rc < 0 ? rc : prf_session_start(s, &err), &err);
}

static PyObject *
session_stop(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    struct prf_session_object *s = (struct prf_session_object *)self;
    struct prf_error err = {0};
    return session_is_free(s) ? session_done(prf_session_stop(s, &err), &err) : NULL;
}

static PyObject *
session_mark(PyObject *self, PyObject *name)
{
    prf_session_mark((struct prf_session_object *)self, name);
    Py_RETURN_NONE;
}

static PyObject *
session_finish(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char status_key[] = "status", reason_key[] = "reason",
                traceback_key[] = "traceback";
    static char *names[] = {status_key, reason_key, traceback_key, NULL};
    struct prf_session_object *s = (struct prf_session_object *)self;
    struct prf_session_outcome outcome = {.status = "ok"};
    struct prf_error err = {0};
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|szz:finish", names,
                                     &outcome.status, &outcome.reason,
                                     &outcome.traceback) ||
        !session_is_free(s)) {
        return NULL;
    }
    return session_done(prf_session_finish(s, &outcome, &err), &err);
}

static PyObject *
session_report(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    struct prf_session_object *s = (struct prf_session_object *)self;
    return session_is_free(s) ? prf_session_report(s) : NULL;
}

static PyObject *
session_formats(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    struct prf_session_object *s = (struct prf_session_object *)self;
    return session_is_free(s) ? prf_session_formats(s) : NULL;
}

static PyObject *
session_export(PyObject *self, PyObject *args, PyObject *kwargs)
{
    struct prf_session_object *s = (struct prf_session_object *)self;
    const char *format;
    if (!PyArg_ParseTuple(args, "s:export", &format) || !session_is_free(s)) {
        return NULL;
    }
    return prf_session_export(s, format, kwargs);
}

/* The one result of the document that the JSON exporter writes. */
static PyObject *
session_result(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    PyObject *json = NULL, *run = NULL, *result = NULL;
    struct prf_session_object *s = (struct prf_session_object *)self;
    PyObject *bytes = session_is_free(s) ? prf_session_export(s, "json", NULL) : NULL;
    if (bytes != NULL) {
        json = PyImport_ImportModule("json");
    }
    if (json != NULL) {
        run = PyObject_CallMethod(json, "loads", "O", bytes);
    }
    PyObject *results = run ? PyMapping_GetItemString(run, "results") : NULL;
    if (results != NULL) {
        result = PySequence_GetItem(results, 0);
    }
    Py_XDECREF(results);
    Py_XDECREF(run);
    Py_XDECREF(json);
    Py_XDECREF(bytes);
    return result;
}

static PyObject *
session_keep(PyObject *self, PyObject *arg)
{
    struct prf_session_object *s = (struct prf_session_object *)self;
    const struct prf_session_outcome good = {.status = "ok"};
    struct prf_error err = {0};
    PyObject *path = NULL;
    if (!session_is_free(s) || !PyUnicode_FSConverter(arg, &path)) {
        return NULL;
    }
    int rc = prf_session_finish(s, &good, &err);
    rc = rc < 0 ? rc : prf_session_file_keep(s, PyBytes_AS_STRING(path), &err);
    Py_DECREF(path);
    return rc < 0 ? prf_session_raise(&err) : PyUnicode_DecodeFSDefault(s->path);
}

/* ---- attributes ---- */

static PyObject *
session_get_recording(PyObject *self, void *Py_UNUSED(closure))
{
    struct prf_session_object *s = (struct prf_session_object *)self;
    return s->path == NULL ? Py_NewRef(Py_None) : PyUnicode_DecodeFSDefault(s->path);
}

static PyObject *
session_get_name(PyObject *self, void *Py_UNUSED(closure))
{
    return PyUnicode_FromString(((struct prf_session_object *)self)->backend->name);
}

static PyObject *
session_get_measuring(PyObject *self, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(((struct prf_session_object *)self)->phase ==
                           PRF_SESSION_MEASURING);
}

/* ---- the type ---- */

static int
session_set_texts(struct prf_session_object *s, const char *label, const char *file)
{
    char *own_label = strdup(label), *own_file = strdup(file);
    if (own_label == NULL || own_file == NULL) {
        free(own_label);
        free(own_file);
        PyErr_NoMemory();
        return -1;
    }
    free(s->label);
    free(s->file);
    s->label = own_label;
    s->file = own_file;
    return 0;
}

static int
session_init(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char name_key[] = "name", options_key[] = "options", case_key[] = "case",
                file_key[] = "file";
    static char *names[] = {name_key, options_key, case_key, file_key, NULL};
    struct prf_session_object *s = (struct prf_session_object *)self;
    const char *name, *label = "", *file = "";
    PyObject *options;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "sO!|ss:Session", names, &name,
                                     &PyDict_Type, &options, &label, &file) ||
        prf_session_prepare() < 0 || !session_is_free(s)) {
        return -1;
    }
    const struct prf_backend *backend = prf_catalog_find(name);
    if (backend == NULL) {
        PyErr_Format(PyExc_ValueError, "there is no profiler '%s' in this build", name);
        return -1;
    }
    PyObject *copy = PyDict_Copy(options);
    if (copy == NULL || session_set_texts(s, label, file) < 0) {
        Py_XDECREF(copy);
        return -1;
    }
    prf_session_drop(s);
    s->backend = backend;
    Py_XSETREF(s->options, copy);
    return 0;
}

/* Without a backend nothing else is safe to call: __new__ alone gives no session. */
static PyObject *
session_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    PyObject *self = PyType_GenericNew(type, args, kwargs);
    if (self != NULL) {
        ((struct prf_session_object *)self)->backend = prf_catalog_find("passthrough");
        ((struct prf_session_object *)self)->options = PyDict_New();
    }
    if (self != NULL &&
        session_set_texts((struct prf_session_object *)self, "", "") < 0) {
        Py_CLEAR(self);
    }
    return self;
}

static void
session_dealloc(PyObject *self)
{
    struct prf_session_object *s = (struct prf_session_object *)self;
    PyTypeObject *type = Py_TYPE(self);
    prf_session_drop(s);
    free(s->label);
    free(s->file);
    Py_CLEAR(s->options);
    type->tp_free(self);
    Py_DECREF(type);
}

#define SESSION_WITH_KEYWORDS(function) (PyCFunction)(void (*)(void))(function)

static PyMethodDef session_methods[] = {
    {"start", session_start, METH_NOARGS,
     PyDoc_STR("start()\n--\n\nBegin to measure; what was measured before is dropped.\n"
               "RuntimeError: it measures already, or something else holds what it "
               "needs.")},
    {"stop", session_stop, METH_NOARGS,
     PyDoc_STR("stop()\n--\n\nEnd to measure; nothing when it does not.")},
    {"mark", session_mark, METH_O,
     PyDoc_STR("mark(name)\n--\n\nA named moment; nothing when it does not measure.")},
    {"finish", SESSION_WITH_KEYWORDS(session_finish), METH_VARARGS | METH_KEYWORDS,
     PyDoc_STR("finish(status='ok', reason=None, traceback=None)\n--\n\n"
               "Write all that was measured into the recording. The methods that read "
               "do it themselves.")},
    {"report", session_report, METH_NOARGS,
     PyDoc_STR("report()\n--\n\nThe tables of what was measured, as text.")},
    {"formats", session_formats, METH_NOARGS,
     PyDoc_STR("formats()\n--\n\nNames of the formats that export takes here.")},
    {"export", SESSION_WITH_KEYWORDS(session_export), METH_VARARGS | METH_KEYWORDS,
     PyDoc_STR("export(format, /, **options)\n--\n\nThe result in another tool's "
               "format, as bytes. Options: sort, top_k, strip_dirs, time_unit, color, "
               "picture (a dict).\nValueError: there is no such format, or the result "
               "lacks what it needs.")},
    {"result", session_result, METH_NOARGS,
     PyDoc_STR("result()\n--\n\nThe result as a dict, as in schema pyprofiler/run/1.")},
    {"keep", session_keep, METH_O,
     PyDoc_STR("keep(path)\n--\n\nMove the recording there, for good; returns its "
               "absolute path.")},
    {NULL},
};

static PyGetSetDef session_attributes[] = {
    {"name", session_get_name, NULL, PyDoc_STR("of the profiler"), NULL},
    {"measuring", session_get_measuring, NULL, PyDoc_STR("between start and stop"),
     NULL},
    {"recording", session_get_recording, NULL,
     PyDoc_STR("path of the recording; None: there is none"), NULL},
    {NULL},
};

static char session_doc[] =
    "Session(name, options, case='', file='')\n--\n\nA profiler by name; options as "
    "text, the name of what is measured, the file whose functions are meant.";

static PyType_Slot session_slots[] = {
    {Py_tp_doc, session_doc},
    {Py_tp_init, session_init},
    {Py_tp_new, session_new},
    {Py_tp_dealloc, session_dealloc},
    {Py_tp_methods, session_methods},
    {Py_tp_getset, session_attributes},
    {0},
};

static PyType_Spec session_spec = {
    .name = "_pyprofiler.Session",
    .basicsize = sizeof(struct prf_session_object),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = session_slots,
};

struct prf_session_object *
prf_session_of(PyObject *object)
{
    /* The type cannot be derived from, and there is one for the process. */
    if (Py_TYPE(object)->tp_dealloc != session_dealloc) {
        PyErr_Format(PyExc_TypeError, "a Session is needed, not %.100s",
                     Py_TYPE(object)->tp_name);
        return NULL;
    }
    return (struct prf_session_object *)object;
}

int
prf_session_add_type(PyObject *module)
{
    PyObject *type = PyType_FromSpec(&session_spec);
    int rc = type == NULL ? -1 : PyModule_AddObjectRef(module, "Session", type);
    for (size_t i = 0; i < 3; i++) { /* start, stop, mark: they are called in between */
        prf_codes_hide(&session_methods[i]);
    }
    Py_XDECREF(type);
    return rc < 0 ? rc : prf_region_add_type(module);
}
