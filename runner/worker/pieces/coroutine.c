/* Generators, coroutines and async generators of profiled functions: each is driven by
   an object of ours, which is on the stack whenever the inner one runs and never else.
   What the object does not have itself it asks the inner one for, its class, too. */
#include "record.h"

#include <stddef.h>

struct activity {
    PyObject_HEAD struct prf_profiler *profiler; /* strong */
    PyObject *inner;                             /* strong */
    struct prf_activity state;
    const char *frame; /* attribute of inner: None when it has ended */
    PyObject *weakrefs;
};

/* What __anext__, asend, athrow and aclose of an async generator return. */
struct step {
    PyObject_HEAD struct activity *generator; /* strong */
    PyObject *inner;                          /* strong */
    bool closes;
};

static PyTypeObject step_type;

/* ---- in and out ---- */

static void
activity_enter(struct activity *o, struct prf_mark *mark)
{
    mark->strand = NULL;
    if (!o->state.begun && !o->profiler->enabled) {
        o->state.ended = true; /* it begins unseen and stays so */
    }
    if (!o->state.ended) {
        prf_activity_resume(o->profiler, &o->state, mark);
    }
}

/* With an exception set or not. */
static bool
activity_has_ended(const struct activity *o)
{
    struct prf_exception exc;
    prf_exception_save(&exc);
    PyObject *frame = PyObject_GetAttrString(o->inner, o->frame);
    bool ended = frame == NULL || frame == Py_None;
    Py_XDECREF(frame);
    prf_exception_restore(&exc);
    return ended;
}

static void
activity_leave(struct activity *o, const struct prf_mark *mark, bool ended)
{
    if (!o->state.ended) {
        prf_activity_suspend(o->profiler, &o->state, mark, ended);
    }
}

static PySendResult
activity_send(PyObject *self, PyObject *value, PyObject **result)
{
    struct activity *o = (struct activity *)self;
    struct prf_mark mark;
    Py_INCREF(self);
    activity_enter(o, &mark);
    PySendResult sent = PyIter_Send(o->inner, value, result);
    /* An error may also be that it runs already, or cannot take a value yet. */
    activity_leave(o, &mark,
                   sent == PYGEN_RETURN ||
                       (sent == PYGEN_ERROR && activity_has_ended(o)));
    Py_DECREF(self);
    return sent;
}

/* What a generator's send() gives for a result of am_send. */
static PyObject *
activity_yield(PySendResult sent, PyObject *steal_result)
{
    if (sent != PYGEN_RETURN) {
        return steal_result;
    }
    if (steal_result == Py_None) {
        PyErr_SetNone(PyExc_StopIteration);
    } else { /* an instance: the value may be a tuple or an exception itself */
        PyObject *stop = PyObject_CallOneArg(PyExc_StopIteration, steal_result);
        if (stop != NULL) {
            PyErr_SetObject(PyExc_StopIteration, stop);
            Py_DECREF(stop);
        }
    }
    Py_DECREF(steal_result);
    return NULL;
}

static PyObject *
activity_next(PyObject *self)
{
    PyObject *result = NULL;
    PySendResult sent = activity_send(self, Py_None, &result);
    if (sent == PYGEN_RETURN && result == Py_None) {
        Py_DECREF(result);
        return NULL; /* as generators end, without an exception object */
    }
    return activity_yield(sent, result);
}

static PyObject *
activity_method_send(PyObject *self, PyObject *value)
{
    PyObject *result = NULL;
    PySendResult sent = activity_send(self, value, &result);
    return activity_yield(sent, result);
}

static PyObject *
activity_call_inner(PyObject *inner, const char *method, PyObject *args)
{
    PyObject *function = PyObject_GetAttrString(inner, method);
    PyObject *result = function == NULL ? NULL : PyObject_CallObject(function, args);
    Py_XDECREF(function);
    return result;
}

static PyObject *
activity_drive(struct activity *o, const char *method, PyObject *args)
{
    struct prf_mark mark;
    activity_enter(o, &mark);
    PyObject *result = activity_call_inner(o->inner, method, args);
    activity_leave(o, &mark, activity_has_ended(o));
    return result;
}

static PyObject *
activity_throw(PyObject *self, PyObject *args)
{
    return activity_drive((struct activity *)self, "throw", args);
}

static PyObject *
activity_close(PyObject *self, PyObject *unused)
{
    (void)unused;
    struct activity *o = (struct activity *)self;
    return o->state.begun ? activity_drive(o, "close", NULL)
                          : activity_call_inner(o->inner, "close", NULL);
}

/* ---- async generators ---- */

static PyObject *
activity_step(struct activity *o, const char *method, PyObject *args, bool closes)
{
    PyObject *inner = activity_call_inner(o->inner, method, args);
    struct step *s = inner == NULL ? NULL : PyObject_GC_New(struct step, &step_type);
    if (s == NULL) {
        Py_XDECREF(inner);
        return NULL;
    }
    s->generator = (struct activity *)Py_NewRef(o);
    s->inner = inner;
    s->closes = closes;
    PyObject_GC_Track(s);
    return (PyObject *)s;
}

static PyObject *
activity_anext(PyObject *self)
{
    return activity_step((struct activity *)self, "__anext__", NULL, false);
}

static PyObject *
activity_asend(PyObject *self, PyObject *args)
{
    return activity_step((struct activity *)self, "asend", args, false);
}

static PyObject *
activity_athrow(PyObject *self, PyObject *args)
{
    return activity_step((struct activity *)self, "athrow", args, false);
}

static PyObject *
activity_aclose(PyObject *self, PyObject *args)
{
    return activity_step((struct activity *)self, "aclose", args, true);
}

static PySendResult
step_send(PyObject *self, PyObject *value, PyObject **result)
{
    struct step *s = (struct step *)self;
    struct activity *o = s->generator;
    struct prf_mark mark;
    Py_INCREF(self);
    if (s->closes && !o->state.begun) {
        mark.strand = NULL;
    } else {
        activity_enter(o, &mark);
    }
    PySendResult sent = PyIter_Send(s->inner, value, result);
    bool may_end = sent == PYGEN_ERROR || (sent == PYGEN_RETURN && s->closes);
    activity_leave(o, &mark, may_end && activity_has_ended(o));
    Py_DECREF(self);
    return sent;
}

static PyObject *
step_next(PyObject *self)
{
    PyObject *result = NULL;
    PySendResult sent = step_send(self, Py_None, &result);
    return activity_yield(sent, result);
}

static PyObject *
step_method_send(PyObject *self, PyObject *value)
{
    PyObject *result = NULL;
    PySendResult sent = step_send(self, value, &result);
    return activity_yield(sent, result);
}

static PyObject *
step_drive(struct step *s, const char *method, PyObject *args)
{
    struct activity *o = s->generator;
    struct prf_mark mark = {.strand = NULL};
    if (o->state.begun) {
        activity_enter(o, &mark);
    }
    PyObject *result = activity_call_inner(s->inner, method, args);
    activity_leave(o, &mark, activity_has_ended(o));
    return result;
}

static PyObject *
step_throw(PyObject *self, PyObject *args)
{
    return step_drive((struct step *)self, "throw", args);
}

static PyObject *
step_close(PyObject *self, PyObject *unused)
{
    (void)unused;
    return step_drive((struct step *)self, "close", NULL);
}

static int
step_traverse(PyObject *self, visitproc visit, void *arg)
{
    struct step *s = (struct step *)self;
    Py_VISIT(s->generator);
    Py_VISIT(s->inner);
    return 0;
}

static void
step_dealloc(PyObject *self)
{
    struct step *s = (struct step *)self;
    PyObject_GC_UnTrack(self);
    Py_CLEAR(s->inner);
    Py_CLEAR(s->generator);
    PyObject_GC_Del(self);
}

/* ---- the objects ---- */

static PyObject *
activity_getattro(PyObject *self, PyObject *name)
{
    PyObject *value = PyObject_GenericGetAttr(self, name);
    if (value != NULL || !PyErr_ExceptionMatches(PyExc_AttributeError)) {
        return value;
    }
    PyErr_Clear();
    return PyObject_GetAttr(((struct activity *)self)->inner, name);
}

/* `__name__` and `__qualname__` can be set, as those of the inner one. */
static int
activity_setattro(PyObject *self, PyObject *name, PyObject *value)
{
    return PyObject_SetAttr(((struct activity *)self)->inner, name, value);
}

static PyObject *
activity_class(PyObject *self, void *unused)
{
    (void)unused;
    return PyObject_GetAttrString(((struct activity *)self)->inner, "__class__");
}

static PyObject *
activity_repr(PyObject *self)
{
    return PyUnicode_FromFormat("<profiled %R>", ((struct activity *)self)->inner);
}

static int
activity_traverse(PyObject *self, visitproc visit, void *arg)
{
    struct activity *o = (struct activity *)self;
    Py_VISIT(o->profiler);
    Py_VISIT(o->inner);
    for (uint32_t i = 0; i < o->state.n_saved; i++) {
        Py_VISIT(o->state.saved[i].block);
    }
    return 0;
}

/* Dropped before its end: that is its end. Its clean-up code runs inside it. */
static void
activity_finalize(PyObject *self)
{
    struct activity *o = (struct activity *)self;
    if (!o->state.begun || o->state.ended || Py_REFCNT(o->inner) > 1) {
        return;
    }
    struct prf_exception exc;
    prf_exception_save(&exc);
    if (Py_TYPE(self)->tp_as_async != NULL && Py_TYPE(self)->tp_as_async->am_anext) {
        /* its event loop closes it, later */
        activity_leave(o, &(struct prf_mark){.strand = NULL}, true);
    } else {
        PyObject *result = activity_drive(o, "close", NULL);
        if (result == NULL) {
            PyErr_WriteUnraisable(self);
        }
        Py_XDECREF(result);
    }
    prf_exception_restore(&exc);
}

static void
activity_dealloc(PyObject *self)
{
    struct activity *o = (struct activity *)self;
    if (PyObject_CallFinalizerFromDealloc(self) < 0) {
        return;
    }
    PyObject_GC_UnTrack(self);
    if (o->weakrefs != NULL) {
        PyObject_ClearWeakRefs(self);
    }
    Py_CLEAR(o->inner);
    prf_activity_release(o->profiler, &o->state);
    Py_CLEAR(o->state.ref.name);
    Py_CLEAR(o->profiler);
    PyObject_GC_Del(self);
}

static PyObject *
activity_self(PyObject *self)
{
    return Py_NewRef(self);
}

static PyMethodDef generator_methods[] = {
    {"send", activity_method_send, METH_O, NULL},
    {"throw", activity_throw, METH_VARARGS, NULL},
    {"close", activity_close, METH_NOARGS, NULL},
    {NULL},
};

static PyMethodDef async_generator_methods[] = {
    {"asend", activity_asend, METH_VARARGS, NULL},
    {"athrow", activity_athrow, METH_VARARGS, NULL},
    {"aclose", activity_aclose, METH_VARARGS, NULL},
    {"__class_getitem__", Py_GenericAlias, METH_O | METH_CLASS, NULL},
    {NULL},
};

static PyMethodDef step_methods[] = {
    {"send", step_method_send, METH_O, NULL},
    {"throw", step_throw, METH_VARARGS, NULL},
    {"close", step_close, METH_NOARGS, NULL},
    {NULL},
};

static PyGetSetDef activity_getset[] = {
    {"__class__", activity_class, NULL, NULL, NULL},
    {NULL},
};

#define ACTIVITY_TYPE(name)                                                            \
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "_pyprofiler." name,                      \
                                .tp_basicsize = sizeof(struct activity),               \
                                .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC |  \
                                            Py_TPFLAGS_DISALLOW_INSTANTIATION,         \
                                .tp_weaklistoffset =                                   \
                                    offsetof(struct activity, weakrefs),               \
                                .tp_getattro = activity_getattro,                      \
                                .tp_setattro = activity_setattro,                      \
                                .tp_repr = activity_repr,                              \
                                .tp_traverse = activity_traverse,                      \
                                .tp_finalize = activity_finalize,                      \
                                .tp_dealloc = activity_dealloc,                        \
                                .tp_getset = activity_getset

static PyAsyncMethods generator_async = {.am_send = activity_send};
static PyAsyncMethods coroutine_async = {
    .am_send = activity_send,
    .am_await = activity_self,
};
static PyAsyncMethods async_generator_async = {
    .am_aiter = activity_self,
    .am_anext = activity_anext,
};
static PyAsyncMethods step_async = {.am_send = step_send, .am_await = activity_self};

static PyTypeObject generator_type = {
    ACTIVITY_TYPE("ProfiledGenerator"), .tp_as_async = &generator_async,
    .tp_iter = activity_self,           .tp_iternext = activity_next,
    .tp_methods = generator_methods,
};

/* Iterates, as what its await gives; but it is no iterable. */
static PyTypeObject coroutine_type = {
    ACTIVITY_TYPE("ProfiledCoroutine"),
    .tp_as_async = &coroutine_async,
    .tp_iternext = activity_next,
    .tp_methods = generator_methods,
};

static PyTypeObject iterable_coroutine_type = {
    ACTIVITY_TYPE("ProfiledIterableCoroutine"),
    .tp_as_async = &coroutine_async,
    .tp_iter = activity_self,
    .tp_iternext = activity_next,
    .tp_methods = generator_methods,
};

static PyTypeObject async_generator_type = {
    ACTIVITY_TYPE("ProfiledAsyncGenerator"),
    .tp_as_async = &async_generator_async,
    .tp_methods = async_generator_methods,
};

static PyTypeObject step_type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "_pyprofiler.ProfiledAsyncStep",
    .tp_basicsize = sizeof(struct step),
    .tp_flags =
        Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .tp_as_async = &step_async,
    .tp_iter = activity_self,
    .tp_iternext = step_next,
    .tp_traverse = step_traverse,
    .tp_dealloc = step_dealloc,
    .tp_methods = step_methods,
};

static const struct {
    PyTypeObject *type;
    const char *frame;
} activity_kinds[] = {
    [PRF_ACTIVITY_GENERATOR] = {&generator_type, "gi_frame"},
    [PRF_ACTIVITY_COROUTINE] = {&coroutine_type, "cr_frame"},
    [PRF_ACTIVITY_ITERABLE_COROUTINE] = {&iterable_coroutine_type, "gi_frame"},
    [PRF_ACTIVITY_ASYNC_GENERATOR] = {&async_generator_type, "ag_frame"},
};

PyObject *
prf_activity_new(struct prf_profiler *p, PyObject *name, enum prf_activity_kind kind,
                 PyObject *steal_inner)
{
    struct activity *o = PyObject_GC_New(struct activity, activity_kinds[kind].type);
    if (o == NULL) {
        Py_DECREF(steal_inner);
        return NULL;
    }
    o->profiler = (struct prf_profiler *)Py_NewRef(p);
    o->inner = steal_inner;
    o->state = (struct prf_activity){.ref = {.name = Py_NewRef(name)}};
    o->frame = activity_kinds[kind].frame;
    o->weakrefs = NULL;
    PyObject_GC_Track(o);
    return (PyObject *)o;
}

int
prf_pieces_add_activities(PyObject *module)
{
    (void)module; /* made by functions only: no name in the module */
    for (size_t i = 0; i < Py_ARRAY_LENGTH(activity_kinds); i++) {
        if (activity_kinds[i].type != NULL &&
            PyType_Ready(activity_kinds[i].type) < 0) {
            return -1;
        }
    }
    return PyType_Ready(&step_type);
}
