/* A test host: the extension module `prf_host`, which runs a callable under a backend
   in the interpreter that imports it, and reads the recording back. It stands in for
   the worker, so that backends are tested without processes and a control pipe.

   run() is one session at a time, Session any number; the GIL is held throughout. */
#include "host.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "clock.h"
#include "codes.h"
#include "compat.h"
#include "trace_child.h"
#include "traces.h"
#include "writer.h"

/* The session that runs, for mark() and for forked children. */
static struct {
    const struct prf_backend *backend;
    void *state;
    struct prf_writer *writer;
} host;

static const struct prf_backend *
host_find(const char *name)
{
    if (strcmp(name, prf_host_empty.name) == 0) {
        return &prf_host_empty;
    }
    if (strcmp(name, prf_host_empty_line.name) == 0) {
        return &prf_host_empty_line;
    }
    for (size_t i = 0; prf_backends[i] != NULL; i++) {
        const char *const *alias = prf_backends[i]->aliases;
        for (; alias != NULL && *alias != NULL; alias++) {
            if (strcmp(*alias, name) == 0) {
                return prf_backends[i];
            }
        }
        if (strcmp(prf_backends[i]->name, name) == 0) {
            return prf_backends[i];
        }
    }
    PyErr_Format(PyExc_LookupError, "no backend '%s'", name);
    return NULL;
}

/* --- one session --- */

static int
host_set_option(const struct prf_backend *backend, void *state, PyObject *key,
                PyObject *value, struct prf_error *err)
{
    const char *name = PyUnicode_AsUTF8(key);
    PyObject *text = value == Py_None ? NULL : PyObject_Str(value);
    int rc = prf_options_set(backend->options, name,
                             text ? PyUnicode_AsUTF8(text) : NULL, state, err);
    Py_XDECREF(text);
    return rc;
}

static int
host_set_options(const struct prf_backend *backend, void *state, PyObject *options,
                 struct prf_error *err)
{
    int rc = prf_options_defaults(backend->options, state, err);
    Py_ssize_t pos = 0;
    PyObject *key, *value;
    while (rc == 0 && options != NULL && PyDict_Next(options, &pos, &key, &value)) {
        rc = host_set_option(backend, state, key, value, err);
    }
    return rc;
}

/* body() or, for more than one loop, loop(n, body). Returns false when it raised. */
static bool
host_run_body(PyObject *body, PyObject *loop, uint64_t loops)
{
    PyObject *result = loops == 1 ? PyObject_CallNoArgs(body)
                                  : PyObject_CallFunction(loop, "KO", loops, body);
    Py_XDECREF(result);
    return result != NULL;
}

struct host_counts {
    unsigned long rounds;
    unsigned long long executions;
};

/* start, body, stop until done. 0, or an error; an exception of the body is kept. */
static int
host_measure(PyObject *body, PyObject *loop, bool can_loop, struct host_counts *counts,
             struct prf_error *err)
{
    int rc = PRF_MORE;
    PyObject *exception = NULL;
    while (rc == PRF_MORE && exception == NULL) {
        struct prf_round round = {.loops = 1, .can_loop = can_loop};
        rc = host.backend->start(host.state, &round, err);
        if (rc < 0) {
            break;
        }
        round.raised = !host_run_body(body, loop, round.loops);
        if (round.raised) {
            PyObject *type, *traceback;
            PyErr_Fetch(&type, &exception, &traceback);
            PyErr_NormalizeException(&type, &exception, &traceback);
            Py_XDECREF(type);
            Py_XDECREF(traceback);
        }
        rc = host.backend->stop(host.state, &round, err);
        counts->rounds++;
        counts->executions += round.loops;
    }
    if (rc >= 0) {
        int collected =
            host.backend->collect(host.state, prf_writer_sink(host.writer), err);
        rc = collected < 0 ? collected : 0;
    }
    if (exception != NULL) {
        PyErr_SetObject((PyObject *)Py_TYPE(exception), exception);
        Py_DECREF(exception);
    }
    return rc;
}

static const char host_loop_source[] = "from itertools import repeat\n"
                                       "def loop(n, body):\n"
                                       "    for _ in repeat(None, n):\n"
                                       "        body()\n";

static PyObject *
host_loop_function(void)
{
    PyObject *globals = PyDict_New();
    PyObject *result = NULL, *loop = NULL;
    if (globals != NULL &&
        PyDict_SetItemString(globals, "__builtins__", PyEval_GetBuiltins()) == 0) {
        result = PyRun_String(host_loop_source, Py_file_input, globals, globals);
    }
    if (result != NULL) {
        loop = Py_XNewRef(PyDict_GetItemString(globals, "loop"));
    }
    Py_XDECREF(result);
    Py_XDECREF(globals);
    return loop;
}

static PyObject *
host_run(PyObject *Py_UNUSED(module), PyObject *args, PyObject *kwargs)
{
    static const char *const names[] = {"profiler", "body",      "recording", "options",
                                        "can_loop", "only_open", "case_file", NULL};
    const char *profiler, *path, *case_file = "/host.py";
    PyObject *body, *options = NULL, *loop = NULL;
    int can_loop = 1, only_open = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "sOs|O!pps", (char **)names,
                                     &profiler, &body, &path, &PyDict_Type, &options,
                                     &can_loop, &only_open, &case_file)) {
        return NULL;
    }
    if (host.backend != NULL) {
        PyErr_SetString(PyExc_RuntimeError, "a session is running");
        return NULL;
    }
    struct prf_error err = {0};
    struct host_counts counts = {0, 0};
    const struct prf_backend *backend = host_find(profiler);
    loop = backend ? host_loop_function() : NULL;
    if (loop == NULL) {
        return NULL;
    }
    host.backend = backend;
    host.state = calloc(1, backend->state_size);
    int rc = host_set_options(backend, host.state, options, &err);
    if (rc == 0) {
        rc = prf_writer_open(path, prf_clock_ns_per_tick(), &host.writer, &err);
    }
    if (rc == 0) {
        prf_sink_schema(prf_writer_sink(host.writer), backend->metrics);
        struct prf_session session = {.sink = prf_writer_sink(host.writer),
                                      .case_id = "host.py::Host::body",
                                      .case_file = case_file,
                                      .class_name = "Host",
                                      .method_name = "body"};
        rc = backend->open(host.state, &session, &err);
        if (rc == 0 && !only_open) {
            rc = host_measure(body, loop, can_loop != 0, &counts, &err);
        }
        backend->close(host.state);
    }
    prf_options_release(backend->options, host.state);
    free(host.state);
    prf_writer_close(host.writer);
    host.backend = NULL;
    host.state = NULL;
    host.writer = NULL;
    Py_DECREF(loop);
    if (rc < 0) {
        PyErr_Clear();
        return prf_host_raise(&err);
    }
    return PyErr_Occurred() ? NULL
                            : Py_BuildValue("{sksK}", "rounds", counts.rounds,
                                            "executions", counts.executions);
}

/* --- Session: start and stop where Python code says so, several at once --- */

struct host_session {
    PyObject_HEAD const struct prf_backend *backend;
    void *state; /* NULL: closed */
    struct prf_writer *writer;
    struct host_session *next;
    bool started;
};

static struct host_session *host_sessions; /* borrowed: that are open */

static PyObject *
host_session_close(PyObject *self, PyObject *Py_UNUSED(args))
{
    struct host_session *s = (struct host_session *)self;
    struct host_session **p = &host_sessions;
    struct prf_error err = {0};
    if (s->state == NULL) {
        Py_RETURN_NONE;
    }
    int rc = 0;
    if (s->started) {
        rc = s->backend->collect(s->state, prf_writer_sink(s->writer), &err);
    }
    s->backend->close(s->state);
    prf_options_release(s->backend->options, s->state);
    free(s->state);
    prf_writer_close(s->writer);
    s->state = NULL;
    s->writer = NULL;
    while (*p != NULL && *p != s) {
        p = &(*p)->next;
    }
    *p = s->next;
    if (rc < 0) {
        return prf_host_raise(&err);
    }
    Py_RETURN_NONE;
}

static int
host_session_open(struct host_session *s, const char *path, const char *case_file,
                  PyObject *options, struct prf_error *err)
{
    s->state = calloc(1, s->backend->state_size);
    s->next = host_sessions;
    host_sessions = s;
    int rc = host_set_options(s->backend, s->state, options, err);
    if (rc == 0) {
        rc = prf_writer_open(path, prf_clock_ns_per_tick(), &s->writer, err);
    }
    if (rc < 0) {
        return rc;
    }
    prf_sink_schema(prf_writer_sink(s->writer), s->backend->metrics);
    struct prf_session session = {.sink = prf_writer_sink(s->writer),
                                  .case_id = "",
                                  .case_file = case_file,
                                  .from_inside = true};
    return s->backend->open(s->state, &session, err);
}

static int
host_session_init(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static const char *const names[] = {"profiler", "recording", "options", "case_file",
                                        NULL};
    struct host_session *s = (struct host_session *)self;
    const char *profiler, *path, *case_file = "/host.py";
    PyObject *options = NULL;
    struct prf_error err = {0};
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "ss|O!s", (char **)names, &profiler,
                                     &path, &PyDict_Type, &options, &case_file)) {
        return -1;
    }
    s->backend = host_find(profiler);
    if (s->backend == NULL) {
        return -1;
    }
    if (host_session_open(s, path, case_file, options, &err) < 0) {
        Py_XDECREF(host_session_close(self, NULL));
        prf_host_raise(&err);
        return -1;
    }
    return 0;
}

static PyObject *
host_session_start(PyObject *self, PyObject *Py_UNUSED(args))
{
    struct host_session *s = (struct host_session *)self;
    struct prf_round round = {.loops = 1};
    struct prf_error err = {0};
    PyThreadState *tstate = PyThreadState_Get();
    prf_unseen_enter(tstate); /* by the others that run */
    int rc = s->backend->start(s->state, &round, &err);
    prf_unseen_leave(tstate);
    if (rc < 0) {
        return prf_host_raise(&err);
    }
    s->started = true;
    Py_RETURN_NONE;
}

static PyObject *
host_session_stop(PyObject *self, PyObject *Py_UNUSED(args))
{
    struct host_session *s = (struct host_session *)self;
    struct prf_round round = {.loops = 1};
    struct prf_error err = {0};
    PyThreadState *tstate = PyThreadState_Get();
    prf_unseen_enter(tstate);
    int rc = s->backend->stop(s->state, &round, &err);
    prf_unseen_leave(tstate);
    if (rc < 0) {
        return prf_host_raise(&err);
    }
    Py_RETURN_NONE;
}

static void
host_session_dealloc(PyObject *self)
{
    Py_XDECREF(host_session_close(self, NULL));
    PyTypeObject *type = Py_TYPE(self);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyMethodDef host_session_methods[] = {
    {"start", host_session_start, METH_NOARGS, NULL},
    {"stop", host_session_stop, METH_NOARGS, NULL},
    {"close", host_session_close, METH_NOARGS, NULL},
    {NULL},
};

static PyType_Slot host_session_slots[] = {
    {Py_tp_init, host_session_init},
    {Py_tp_new, PyType_GenericNew},
    {Py_tp_dealloc, host_session_dealloc},
    {Py_tp_methods, host_session_methods},
    {0, NULL},
};

static PyType_Spec host_session_spec = {
    .name = "prf_host.Session",
    .basicsize = sizeof(struct host_session),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = host_session_slots,
};

static void
host_after_fork(void)
{
    if (host.writer != NULL) {
        prf_writer_detach(host.writer);
    }
    for (struct host_session *s = host_sessions; s != NULL; s = s->next) {
        prf_writer_detach(s->writer);
    }
}

/* --- somebody else's frame evaluation --- */

static PyObject *
host_foreign_eval(PyThreadState *tstate, struct _PyInterpreterFrame *frame,
                  int throwflag)
{
    return _PyEval_EvalFrameDefault(tstate, frame, throwflag);
}

/* foreign_evaluation(True | False | None) -> is it in place? */
static PyObject *
host_foreign(PyObject *Py_UNUSED(module), PyObject *on)
{
    PyInterpreterState *interp = PyInterpreterState_Get();
    if (on != Py_None) {
        _PyInterpreterState_SetEvalFrameFunc(
            interp, on == Py_True ? host_foreign_eval : _PyEval_EvalFrameDefault);
    }
    return PyBool_FromLong(_PyInterpreterState_GetEvalFrameFunc(interp) ==
                           host_foreign_eval);
}

/* hide(function): as the package does with its own. */
static PyObject *
host_hide(PyObject *Py_UNUSED(module), PyObject *function)
{
    prf_codes_hide_python((PyCodeObject *)PyFunction_GetCode(function));
    Py_RETURN_NONE;
}

static PyObject *
host_mark(PyObject *Py_UNUSED(module), PyObject *name)
{
    const char *text = PyUnicode_AsUTF8(name);
    if (text == NULL) {
        return NULL;
    }
    if (host.backend != NULL && host.backend->mark != NULL) {
        host.backend->mark(host.state, text);
    }
    Py_RETURN_NONE;
}

static PyObject *
host_backends(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(args))
{
    PyObject *list = PyList_New(0);
    for (size_t i = 0; list != NULL && prf_backends[i] != NULL; i++) {
        struct prf_error err = {0};
        const struct prf_backend *b = prf_backends[i];
        const char *why = b->probe && b->probe(&err) < 0 ? err.text : NULL;
        if (prf_host_append(list, Py_BuildValue("(sz)", b->name, why)) < 0) {
            Py_CLEAR(list);
        }
    }
    return list;
}

static PyObject *
host_counter(PyObject *Py_UNUSED(module), PyObject *args)
{
    const char *name;
    double value;
    if (!PyArg_ParseTuple(args, "sd", &name, &value)) {
        return NULL;
    }
    if (host.backend != NULL && host.backend->counter != NULL) {
        host.backend->counter(host.state, name, value);
    }
    Py_RETURN_NONE;
}

static PyObject *
host_slow_traces(PyObject *Py_UNUSED(module), PyObject *slow)
{
    prf_traces_disable(slow == Py_True);
    Py_RETURN_NONE;
}

enum { HOST_RUN, HOST_MARK, HOST_COUNTER };

static PyMethodDef host_methods[] = {
    [HOST_RUN] =
        {"run", (PyCFunction)(void (*)(void))host_run, METH_VARARGS | METH_KEYWORDS,
         "run(profiler, body, recording, options={}, can_loop=True, only_open=False, "
         "case_file='/host.py')"},
    [HOST_MARK] = {"mark", host_mark, METH_O, "mark(name): what self.trace(name) does"},
    [HOST_COUNTER] = {"counter", host_counter, METH_VARARGS,
                      "counter(name, value): what self.counter(name, value) does"},
    {"hide", host_hide, METH_O, "hide(function): leave it out of results"},
    {"foreign_evaluation", host_foreign, METH_O,
     "foreign_evaluation(on): put another evaluation of frames in place (PEP 523)"},
    {"read", prf_host_read, METH_O, "read(recording) -> dict"},
    {"slow_traces", host_slow_traces, METH_O,
     "slow_traces(bool): tracemalloc's tables are not read"},
    {"backends", host_backends, METH_NOARGS, "[(name, why it is unavailable or None)]"},
    {NULL},
};

static struct PyModuleDef host_module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "prf_host",
    .m_size = -1,
    .m_methods = host_methods,
};

PyMODINIT_FUNC PyInit_prf_host(void);

PyMODINIT_FUNC
PyInit_prf_host(void)
{
    prf_clock_init();
    prf_codes_hide(&host_methods[HOST_MARK]);
    prf_codes_hide(&host_methods[HOST_COUNTER]);
    for (PyMethodDef *method = host_session_methods; method->ml_name; method++) {
        prf_codes_hide(method);
    }
    pthread_atfork(NULL, NULL, host_after_fork);
    PyObject *module = PyModule_Create(&host_module);
    PyObject *type = PyType_FromSpec(&host_session_spec);
    if (module == NULL || type == NULL ||
        PyModule_AddObjectRef(module, "Session", type) < 0) {
        Py_CLEAR(module);
    }
    Py_XDECREF(type);
    return module;
}

/* --- the same object in a child process of a traced body --- */

static PyMethodDef child_methods[] = {
    {"trace_child", prf_trace_child, METH_O, "as the worker's"},
    {NULL},
};

static struct PyModuleDef child_module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_pyprofiler",
    .m_size = -1,
    .m_methods = child_methods,
};

PyMODINIT_FUNC PyInit__pyprofiler(void);

PyMODINIT_FUNC
PyInit__pyprofiler(void)
{
    return PyModule_Create(&child_module);
}
