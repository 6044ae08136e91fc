/* The backend behind every profiler that is a Python class; see adapter.h. What it
   calls is pyprofiler._adapter. */
#include "adapter.h"

#include <stdlib.h>
#include <string.h>

#include "pyerr.h"

/* The dict name -> class of ProfilerFactory, or NULL when nobody registered anything
   (the module is not even imported then). A strong reference. */
static PyObject *
adapter_registered(void)
{
    PyObject *registered = NULL;
    PyObject *modules = PyImport_GetModuleDict(); /* borrowed from the interpreter */
    PyObject *module = PyDict_GetItemString(modules, "pyprofiler._profilers");
    PyObject *factory =
        module == NULL ? NULL : PyObject_GetAttrString(module, "ProfilerFactory");
    if (factory != NULL) {
        registered = PyObject_GetAttrString(factory, "registered");
    }
    PyErr_Clear();
    Py_XDECREF(factory);
    return registered;
}

static json_t *
adapter_describe_one(PyObject *functions, PyObject *json, PyObject *name, PyObject *cls)
{
    json_t *j = NULL;
    PyObject *dict = PyObject_CallMethod(functions, "describe", "OO", name, cls);
    PyObject *text =
        dict == NULL ? NULL : PyObject_CallMethod(json, "dumps", "O", dict);
    const char *utf8 = text == NULL ? NULL : PyUnicode_AsUTF8(text);
    if (utf8 != NULL) {
        j = json_loads(utf8, 0, NULL);
    }
    PyErr_Clear();
    Py_XDECREF(dict);
    Py_XDECREF(text);
    return j;
}

json_t *
prf_adapter_describe(void)
{
    json_t *list = json_array();
    PyObject *registered = adapter_registered();
    if (registered == NULL || PyDict_GET_SIZE(registered) == 0) {
        Py_XDECREF(registered);
        return list;
    }
    PyObject *functions = PyImport_ImportModule("pyprofiler._adapter");
    PyObject *json = PyImport_ImportModule("json");
    PyObject *name, *cls;
    Py_ssize_t at = 0;
    while (functions != NULL && json != NULL &&
           PyDict_Next(registered, &at, &name, &cls)) {
        json_t *j = adapter_describe_one(functions, json, name, cls);
        if (j != NULL) {
            json_array_append_new(list, j);
        }
    }
    PyErr_Clear();
    Py_XDECREF(registered);
    Py_XDECREF(functions);
    Py_XDECREF(json);
    return list;
}

PyObject *
prf_adapter_find(const char *name)
{
    PyObject *registered = adapter_registered();
    PyObject *cls =
        registered == NULL ? NULL : Py_XNewRef(PyDict_GetItemString(registered, name));
    Py_XDECREF(registered);
    return cls;
}

/* JSON texts and lists of texts as the same in Python. */
static PyObject *
adapter_options(const json_t *options)
{
    PyObject *dict = PyDict_New();
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)options, name, value)
    {
        PyObject *item;
        if (json_is_array(value)) {
            item = PyList_New(0);
            size_t i;
            json_t *word;
            json_array_foreach(value, i, word)
            {
                PyObject *text = PyUnicode_FromString(json_string_value(word));
                if (text != NULL && item != NULL) {
                    PyList_Append(item, text);
                }
                Py_XDECREF(text);
            }
        } else {
            item = PyUnicode_FromString(json_is_string(value) ? json_string_value(value)
                                                              : "true");
        }
        if (item == NULL || PyDict_SetItemString(dict, name, item) < 0) {
            Py_CLEAR(dict);
        }
        Py_XDECREF(item);
        if (dict == NULL) {
            break;
        }
    }
    return dict;
}

int
prf_adapter_create(struct prf_adapter *a, const char *name, PyObject *cls,
                   const json_t *options, struct prf_error *err)
{
    PyObject *dict = adapter_options(options);
    a->functions = PyImport_ImportModule("pyprofiler._adapter");
    if (dict != NULL && a->functions != NULL) {
        a->profiler =
            PyObject_CallMethod(a->functions, "create", "sOO", name, cls, dict);
    }
    Py_XDECREF(dict);
    if (a->profiler == NULL) {
        char what[256];
        snprintf(what, sizeof what, "cannot make the profiler '%s'", name);
        return prf_fail_py(err, what);
    }
    return 0;
}

PyObject *
prf_adapter_wrap(struct prf_adapter *a, PyObject *body)
{
    PyObject *functools = PyImport_ImportModule("functools");
    PyObject *run = PyObject_GetAttrString(a->functions, "run");
    PyObject *wrapped = NULL;
    if (functools != NULL && run != NULL) {
        wrapped =
            PyObject_CallMethod(functools, "partial", "OOO", run, a->profiler, body);
    }
    Py_XDECREF(functools);
    Py_XDECREF(run);
    return wrapped;
}

static int
adapter_call(struct prf_adapter *a, const char *function, struct prf_error *err)
{
    PyObject *done = PyObject_CallMethod(a->functions, function, "O", a->profiler);
    if (done == NULL) {
        char what[64];
        snprintf(what, sizeof what, "the profiler's %s failed", function);
        return prf_fail_py(err, what);
    }
    Py_DECREF(done);
    return 0;
}

static int
adapter_open(void *state, const struct prf_session *session, struct prf_error *err)
{
    struct prf_adapter *a = state;
    (void)session;
    return a->profiler != NULL ? 0 : prf_fail(err, PRF_EPYTHON, "no profiler object");
}

static int
adapter_start(void *state, struct prf_round *round, struct prf_error *err)
{
    (void)round;
    return adapter_call(state, "start", err);
}

static int
adapter_stop(void *state, const struct prf_round *round, struct prf_error *err)
{
    (void)round;
    int rc = adapter_call(state, "stop", err);
    return rc < 0 ? rc : PRF_DONE;
}

static void
adapter_mark(void *state, const char *name)
{
    struct prf_adapter *a = state;
    Py_XDECREF(PyObject_CallMethod(a->functions, "mark", "Os", a->profiler, name));
    PyErr_Clear(); /* a mark cannot fail */
}

static int
adapter_collect(void *state, struct prf_sink *sink, struct prf_error *err)
{
    struct prf_adapter *a = state;
    PyObject *report = PyObject_CallMethod(a->functions, "report", "O", a->profiler);
    if (report == NULL) {
        return prf_fail_py(err, "the profiler's report failed");
    }
    char *text = prf_pyerr_text(report);
    Py_DECREF(report);
    if (text == NULL) {
        return prf_fail(err, PRF_ENOMEM, "out of memory for the profiler's report");
    }
    prf_sink_info(sink, PRF_INFO_REPORT, text);
    free(text);
    return 0;
}

static void
adapter_close(void *state)
{
    struct prf_adapter *a = state;
    Py_CLEAR(a->profiler);
    Py_CLEAR(a->functions);
}

static const struct prf_metric adapter_metrics[] = {{NULL}};
static const struct prf_option adapter_options_table[] = {PRF_OPTIONS_END};

const struct prf_backend prf_adapter_backend = {
    .abi = PRF_BACKEND_ABI,
    .name = "python",
    .summary = "a profiler written in Python",
    .state_size = sizeof(struct prf_adapter),
    .metrics = adapter_metrics,
    .options = adapter_options_table,
    .open = adapter_open,
    .start = adapter_start,
    .stop = adapter_stop,
    .mark = adapter_mark,
    .collect = adapter_collect,
    .close = adapter_close,
};
