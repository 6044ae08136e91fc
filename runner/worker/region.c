/* The type _pyprofiler.Region: a context manager that starts several sessions and stops
   them in the reverse order. In C so that no Python frame of ours runs between the
   first start and the last stop: what the profilers see is the block alone. The package
   derives its own class from it and fills in _begin, _refused and _end. */
#include "session.h"

#include <time.h>

#include "clock.h"
#include "codes.h"
#include "compat.h"
#include "session_state.h"

enum region_phase { REGION_NEW, REGION_RUNNING, REGION_ENDED };

struct region {
    PyObject_HEAD enum region_phase phase;
    PyObject *sessions; /* strong: a list of Session, in the order of their start */
    PyObject *failures; /* strong: a list of (index, code, text) */
    uint64_t began_ns, ended_ns; /* CLOCK_MONOTONIC */
    uint64_t started_ns;         /* since 1970 */
};

static struct prf_session_object *
region_session(const struct region *r, Py_ssize_t i)
{
    return (struct prf_session_object *)PyList_GET_ITEM(r->sessions, i);
}

static uint64_t
region_wall_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* A session around this one measures the program, not what we do for this one: until
   prf_unseen_leave of what this returns. */
static PyThreadState *
region_go_unseen(void)
{
    PyThreadState *tstate = PyThreadState_Get();
    prf_unseen_enter(tstate);
    return tstate;
}

/* ---- the way in ---- */

static int
region_failed(struct region *r, Py_ssize_t index, const struct prf_error *err)
{
    PyObject *failure = Py_BuildValue("nis", index, err->code, err->text);
    int rc = failure == NULL ? -1 : PyList_Append(r->failures, failure);
    Py_XDECREF(failure);
    return rc;
}

/* The list of sessions that _begin returns. */
static int
region_take_sessions(struct region *r)
{
    PyThreadState *tstate = region_go_unseen();
    PyObject *list = PyObject_CallMethod((PyObject *)r, "_begin", NULL);
    prf_unseen_leave(tstate);
    PyObject *own = list != NULL ? PySequence_List(list) : NULL;
    Py_XDECREF(list);
    for (Py_ssize_t i = 0; own != NULL && i < PyList_GET_SIZE(own); i++) {
        if (prf_session_of(PyList_GET_ITEM(own, i)) == NULL) {
            Py_CLEAR(own);
        }
    }
    if (own != NULL) {
        Py_SETREF(r->sessions, own);
    }
    return own == NULL ? -1 : 0;
}

typedef int region_step(struct prf_session_object *s, struct prf_error *err);

/* Each session one step on; one that fails is left out. -1 with an exception. */
static int
region_each(struct region *r, region_step *step)
{
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(r->sessions); i++) {
        struct prf_session_object *s = region_session(r, i);
        struct prf_error err = {0};
        bool good = step != prf_session_start || s->state != NULL; /* it was opened */
        if (good && step(s, &err) < 0 && region_failed(r, i, &err) < 0) {
            return -1;
        }
    }
    return 0;
}

static bool
region_is_measuring(const struct region *r)
{
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(r->sessions); i++) {
        if (region_session(r, i)->phase == PRF_SESSION_MEASURING) {
            return true;
        }
    }
    return false;
}

/* An exception may be set: what happens here does not touch it. */
static void
region_stop(struct region *r)
{
    struct prf_exception saved;
    prf_exception_save(&saved);
    r->phase = REGION_ENDED; /* first: a stop may let other threads run */
    r->ended_ns = prf_clock_monotonic_ns();
    for (Py_ssize_t i = PyList_GET_SIZE(r->sessions); i-- > 0;) {
        struct prf_error err = {0};
        if (prf_session_stop(region_session(r, i), &err) < 0) {
            region_failed(r, i, &err);
        }
    }
    prf_exception_restore(&saved);
}

/* Something could not start. Where that is because others hold what it needs, the rest
   goes on; when there is no rest, or it is another mistake, who derives from us says
   whether to refuse. Nothing measures while Python code of ours runs. */
static int
region_ask(struct region *r)
{
    bool mistake = false;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(r->failures); i++) {
        PyObject *code = PyTuple_GET_ITEM(PyList_GET_ITEM(r->failures, i), 1);
        mistake |= PyLong_AsLong(code) != PRF_EUNAVAILABLE;
    }
    if (PyList_GET_SIZE(r->failures) == 0 || (region_is_measuring(r) && !mistake)) {
        return 0;
    }
    region_stop(r);
    PyThreadState *tstate = region_go_unseen();
    PyObject *done = PyObject_CallMethod((PyObject *)r, "_refused", NULL);
    prf_unseen_leave(tstate);
    Py_XDECREF(done);
    r->phase = done == NULL ? REGION_ENDED : REGION_RUNNING;
    return done == NULL ? -1 : 0;
}

static PyObject *
region_enter(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    struct region *r = (struct region *)self;
    if (r->phase != REGION_NEW) {
        PyErr_SetString(PyExc_RuntimeError,
                        r->phase == REGION_RUNNING
                            ? "this session runs already"
                            : "this session has ended: make a new one");
        return NULL;
    }
    r->phase = REGION_RUNNING;
    r->started_ns = region_wall_ns();
    if (region_take_sessions(r) < 0 || region_each(r, prf_session_open) < 0 ||
        region_each(r, prf_session_start) < 0 || region_ask(r) < 0) {
        region_stop(r);
        return NULL;
    }
    r->began_ns = prf_clock_monotonic_ns();
    return Py_NewRef(self);
}

/* ---- the way out ---- */

static PyObject *
region_exit(PyObject *self, PyObject *args)
{
    struct region *r = (struct region *)self;
    PyObject *type = Py_None, *value = Py_None, *traceback = Py_None;
    if (!PyArg_UnpackTuple(args, "__exit__", 0, 3, &type, &value, &traceback)) {
        return NULL;
    }
    if (r->phase != REGION_RUNNING) {
        PyErr_SetString(PyExc_RuntimeError, "this session does not run");
        return NULL;
    }
    region_stop(r);
    PyThreadState *tstate = region_go_unseen();
    PyObject *done = PyObject_CallMethod(self, "_end", "OOO", type, value, traceback);
    prf_unseen_leave(tstate);
    return done;
}

static PyObject *
region_mark(PyObject *self, PyObject *name)
{
    struct region *r = (struct region *)self;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(r->sessions); i++) {
        prf_session_mark(region_session(r, i), name);
    }
    Py_RETURN_NONE;
}

/* ---- attributes ---- */

static uint64_t
region_ns(const struct region *r)
{
    if (r->began_ns == 0) {
        return 0;
    }
    return (r->phase == REGION_RUNNING ? prf_clock_monotonic_ns() : r->ended_ns) -
           r->began_ns;
}

static PyObject *
region_get_duration(PyObject *self, void *Py_UNUSED(closure))
{
    return PyFloat_FromDouble((double)region_ns((struct region *)self) / 1e9);
}

static PyObject *
region_get_duration_ns(PyObject *self, void *Py_UNUSED(closure))
{
    return PyLong_FromUnsignedLongLong(region_ns((struct region *)self));
}

static PyObject *
region_get_started_ns(PyObject *self, void *Py_UNUSED(closure))
{
    return PyLong_FromUnsignedLongLong(((struct region *)self)->started_ns);
}

static PyObject *
region_get_running(PyObject *self, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(((struct region *)self)->phase == REGION_RUNNING);
}

static PyObject *
region_get_ended(PyObject *self, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(((struct region *)self)->phase == REGION_ENDED);
}

static PyObject *
region_get_sessions(PyObject *self, void *Py_UNUSED(closure))
{
    return PyList_AsTuple(((struct region *)self)->sessions);
}

static PyObject *
region_get_failures(PyObject *self, void *Py_UNUSED(closure))
{
    return PyList_AsTuple(((struct region *)self)->failures);
}

/* ---- functions of the package that run inside the block ---- */

static PyObject *
region_hide(PyObject *Py_UNUSED(type), PyObject *function)
{
    PyObject *code = PyObject_GetAttrString(function, "__code__");
    if (code != NULL && PyCode_Check(code)) {
        prf_codes_hide_python((PyCodeObject *)code);
    } else if (code != NULL) {
        PyErr_SetString(PyExc_TypeError, "not a function's code");
        Py_CLEAR(code);
    }
    Py_XDECREF(code);
    return code == NULL ? NULL : Py_NewRef(function);
}

/* ---- the type ---- */

static PyObject *
region_new(PyTypeObject *type, PyObject *Py_UNUSED(args), PyObject *Py_UNUSED(kwargs))
{
    struct region *r = (struct region *)type->tp_alloc(type, 0);
    if (r != NULL && ((r->sessions = PyList_New(0)) == NULL ||
                      (r->failures = PyList_New(0)) == NULL)) {
        Py_CLEAR(r);
    }
    return (PyObject *)r;
}

static int
region_traverse(PyObject *self, visitproc visit, void *arg)
{
    struct region *r = (struct region *)self;
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(r->sessions);
    Py_VISIT(r->failures);
    return 0;
}

static int
region_clear(PyObject *self)
{
    struct region *r = (struct region *)self;
    Py_CLEAR(r->sessions);
    Py_CLEAR(r->failures);
    return 0;
}

static void
region_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    region_clear(self);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyMethodDef region_methods[] = {
    {"__enter__", region_enter, METH_NOARGS, PyDoc_STR("Start all sessions.")},
    {"__exit__", region_exit, METH_VARARGS, PyDoc_STR("Stop them.")},
    {"mark", region_mark, METH_O,
     PyDoc_STR("mark($self, name, /)\n--\n\nRecord a named moment, in every profiler "
               "that runs.")},
    {"_hide", region_hide, METH_O | METH_CLASS,
     PyDoc_STR("_hide($type, function, /)\n--\n\nLeave a function of the package out "
               "of every result; returns it.")},
    {NULL},
};

static PyGetSetDef region_attributes[] = {
    {"duration", region_get_duration, NULL,
     PyDoc_STR("seconds from the start to the end, or until now; 0.0 before it"), NULL},
    {"duration_ns", region_get_duration_ns, NULL, PyDoc_STR("the same in nanoseconds"),
     NULL},
    {"started_ns", region_get_started_ns, NULL,
     PyDoc_STR("when it began, in nanoseconds since 1970; 0 before it"), NULL},
    {"running", region_get_running, NULL, PyDoc_STR("between its start and its end"),
     NULL},
    {"ended", region_get_ended, NULL, PyDoc_STR("it was started and has ended"), NULL},
    {"_sessions", region_get_sessions, NULL, NULL, NULL},
    {"_failures", region_get_failures, NULL, NULL, NULL},
    {NULL},
};

static char region_doc[] = "A block of code under several profilers.";

static PyType_Slot region_slots[] = {
    {Py_tp_doc, region_doc},           {Py_tp_new, region_new},
    {Py_tp_dealloc, region_dealloc},   {Py_tp_traverse, region_traverse},
    {Py_tp_clear, region_clear},       {Py_tp_methods, region_methods},
    {Py_tp_getset, region_attributes}, {0},
};

static PyType_Spec region_spec = {
    .name = "_pyprofiler.Region",
    .basicsize = sizeof(struct region),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = region_slots,
};

int
prf_region_add_type(PyObject *module)
{
    PyObject *type = PyType_FromSpec(&region_spec);
    int rc = type == NULL ? -1 : PyModule_AddObjectRef(module, "Region", type);
    for (const PyMethodDef *m = region_methods; m->ml_name != NULL; m++) {
        prf_codes_hide(m);
    }
    Py_XDECREF(type);
    return rc;
}
