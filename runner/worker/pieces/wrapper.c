/* What @profile makes of a function: a callable that enters and leaves it. Looks like
   the function wherever it can: what it does not have itself it asks the function for.
 */
#include "record.h"

#include <stddef.h>
#include <string.h>

#include <structmember.h>

struct wrapper {
    PyObject_HEAD vectorcallfunc call;
    struct prf_profiler *profiler; /* strong */
    PyObject *function;            /* strong */
    struct prf_piece_ref ref;
    enum prf_activity_kind kind;
    PyObject *dict;
    PyObject *weakrefs;
};

static PyTypeObject wrapper_type;

/* ---- calls ---- */

static PyObject *
wrapper_call(PyObject *self, PyObject *const *args, size_t n_args, PyObject *kwnames)
{
    struct wrapper *w = (struct wrapper *)self;
    if (!w->profiler->enabled) {
        return PyObject_Vectorcall(w->function, args, n_args, kwnames);
    }
    struct prf_mark mark;
    Py_INCREF(self); /* the call may drop the last name of the function */
    prf_record_enter(w->profiler, &w->ref, &mark);
    PyObject *result = PyObject_Vectorcall(w->function, args, n_args, kwnames);
    prf_record_leave(w->profiler, &mark);
    Py_DECREF(self);
    return result;
}

/* The call of a generator or coroutine function runs none of its code. */
static PyObject *
wrapper_call_activity(PyObject *self, PyObject *const *args, size_t n_args,
                      PyObject *kwnames)
{
    struct wrapper *w = (struct wrapper *)self;
    PyObject *inner = PyObject_Vectorcall(w->function, args, n_args, kwnames);
    if (inner == NULL || !w->profiler->enabled) {
        return inner;
    }
    return prf_activity_new(w->profiler, w->ref.name, w->kind, inner);
}

/* ---- what a function is ---- */

static enum prf_activity_kind
wrapper_kind_of_code(const PyCodeObject *code)
{
    static const struct {
        int flags;
        enum prf_activity_kind kind;
    } kinds[] = {
        {CO_COROUTINE, PRF_ACTIVITY_COROUTINE},
        {CO_ASYNC_GENERATOR, PRF_ACTIVITY_ASYNC_GENERATOR},
        {CO_ITERABLE_COROUTINE, PRF_ACTIVITY_ITERABLE_COROUTINE},
        {CO_GENERATOR, PRF_ACTIVITY_GENERATOR},
    };
    for (size_t i = 0; i < Py_ARRAY_LENGTH(kinds); i++) {
        if (code->co_flags & kinds[i].flags) {
            return kinds[i].kind;
        }
    }
    return PRF_ACTIVITY_NONE;
}

/* New reference to what a functools.partial calls; NULL: it is none. No exception. */
static PyObject *
wrapper_inside_partial(PyObject *function)
{
    PyObject *inner = NULL;
    if (strcmp(Py_TYPE(function)->tp_name, "functools.partial") == 0) {
        inner = PyObject_GetAttrString(function, "func");
        PyErr_Clear();
    }
    return inner;
}

static enum prf_activity_kind
wrapper_kind(PyObject *function)
{
    enum prf_activity_kind kind = PRF_ACTIVITY_NONE;
    PyObject *partial = wrapper_inside_partial(function);
    if (partial != NULL) {
        kind = wrapper_kind(partial);
        Py_DECREF(partial);
    } else if (PyMethod_Check(function)) {
        kind = wrapper_kind(PyMethod_GET_FUNCTION(function));
    } else if (PyFunction_Check(function)) {
        kind = wrapper_kind_of_code((PyCodeObject *)PyFunction_GET_CODE(function));
    } else if (Py_IS_TYPE(function, &wrapper_type)) {
        kind = ((struct wrapper *)function)->kind;
    }
    return kind;
}

/* An attribute that is a str, as an exact one; NULL, no exception: there is none. */
static PyObject *
wrapper_text(PyObject *object, const char *attribute)
{
    PyObject *value = PyObject_GetAttrString(object, attribute);
    PyObject *text = NULL;
    if (value != NULL && PyUnicode_Check(value)) {
        text = PyUnicode_FromObject(value);
    }
    Py_XDECREF(value);
    PyErr_Clear();
    return text;
}

/* "outer.<locals>.Class.method" is Class.method. */
static PyObject *
wrapper_without_locals(PyObject *steal_qualname)
{
    PyObject *mark = PyUnicode_FromString("<locals>.");
    PyObject *parts = mark == NULL ? NULL : PyUnicode_RPartition(steal_qualname, mark);
    PyObject *last = parts == NULL ? NULL : Py_NewRef(PyTuple_GET_ITEM(parts, 2));
    Py_XDECREF(parts);
    Py_XDECREF(mark);
    Py_DECREF(steal_qualname);
    return last;
}

static PyObject *
wrapper_default_name(PyObject *function)
{
    PyObject *partial = wrapper_inside_partial(function);
    if (partial != NULL) {
        PyObject *name = wrapper_default_name(partial);
        Py_DECREF(partial);
        return name;
    }
    PyObject *name = wrapper_text(function, "__qualname__");
    if (name != NULL) {
        return wrapper_without_locals(name);
    }
    name = wrapper_text(function, "__name__");
    return name != NULL ? name
                        : wrapper_text((PyObject *)Py_TYPE(function), "__name__");
}

/* ---- making one ---- */

/* As functools.update_wrapper does: for what a type has, too, the instance must have
   its own; everything else is looked up in the function. */
static int
wrapper_copy_names(struct wrapper *w)
{
    static const char *const names[] = {"__module__", "__name__", "__qualname__",
                                        "__doc__"};
    for (size_t i = 0; i < Py_ARRAY_LENGTH(names); i++) {
        PyObject *value = PyObject_GetAttrString(w->function, names[i]);
        if (value == NULL) {
            if (!PyErr_ExceptionMatches(PyExc_AttributeError)) {
                return -1;
            }
            PyErr_Clear();
            continue;
        }
        int rc = PyDict_SetItemString(w->dict, names[i], value);
        Py_DECREF(value);
        if (rc < 0) {
            return -1;
        }
    }
    return 0;
}

static PyObject *
wrapper_of_callable(struct prf_profiler *p, PyObject *function, PyObject *name)
{
    struct wrapper *w = PyObject_GC_New(struct wrapper, &wrapper_type);
    if (w == NULL) {
        return NULL;
    }
    w->profiler = (struct prf_profiler *)Py_NewRef(p);
    w->function = Py_NewRef(function);
    w->kind = wrapper_kind(function);
    w->call = w->kind == PRF_ACTIVITY_NONE ? wrapper_call : wrapper_call_activity;
    w->ref =
        (struct prf_piece_ref){.name = name != NULL ? PyUnicode_FromObject(name)
                                                    : wrapper_default_name(function)};
    w->dict = PyDict_New();
    w->weakrefs = NULL;
    PyObject_GC_Track(w);
    if (w->ref.name == NULL || w->dict == NULL || wrapper_copy_names(w) < 0) {
        if (!PyErr_Occurred()) {
            PyErr_SetString(PyExc_TypeError, "the function has no name: give it one");
        }
        Py_CLEAR(w);
    }
    return (PyObject *)w;
}

/* @profile above @staticmethod or @classmethod. */
static PyObject *
wrapper_of_descriptor(struct prf_profiler *p, PyObject *descriptor, PyObject *name)
{
    PyObject *result = NULL;
    PyObject *function = PyObject_GetAttrString(descriptor, "__func__");
    PyObject *wrapper = function == NULL ? NULL : prf_wrapper_new(p, function, name);
    if (wrapper != NULL) {
        result = PyObject_CallOneArg((PyObject *)Py_TYPE(descriptor), wrapper);
    }
    Py_XDECREF(wrapper);
    Py_XDECREF(function);
    return result;
}

PyObject *
prf_wrapper_new(struct prf_profiler *p, PyObject *function, PyObject *name)
{
    if (name == Py_None) {
        name = NULL;
    }
    if (name != NULL && !PyUnicode_Check(name)) {
        PyErr_Format(PyExc_TypeError, "the name of a piece is a str, not %s",
                     Py_TYPE(name)->tp_name);
        return NULL;
    }
    bool is_descriptor = PyObject_TypeCheck(function, &PyStaticMethod_Type) ||
                         PyObject_TypeCheck(function, &PyClassMethod_Type);
    if (!is_descriptor && !PyCallable_Check(function)) {
        PyErr_Format(PyExc_TypeError, "cannot profile %R: it cannot be called",
                     function);
        return NULL;
    }
    if (!p->enabled) {
        return Py_NewRef(function);
    }
    return is_descriptor ? wrapper_of_descriptor(p, function, name)
                         : wrapper_of_callable(p, function, name);
}

/* ---- the type ---- */

static PyObject *
wrapper_getattro(PyObject *self, PyObject *name)
{
    PyObject *value = PyObject_GenericGetAttr(self, name);
    struct wrapper *w = (struct wrapper *)self;
    if (value != NULL || w->function == NULL ||
        !PyErr_ExceptionMatches(PyExc_AttributeError)) {
        return value;
    }
    PyErr_Clear();
    return PyObject_GetAttr(w->function, name);
}

static PyObject *
wrapper_bind(PyObject *self, PyObject *object, PyObject *type)
{
    (void)type;
    return object == NULL || object == Py_None ? Py_NewRef(self)
                                               : PyMethod_New(self, object);
}

static PyObject *
wrapper_repr(PyObject *self)
{
    return PyUnicode_FromFormat("<profiled %R>", ((struct wrapper *)self)->function);
}

/* Pickled by its name, as a function is. */
static PyObject *
wrapper_reduce(PyObject *self, PyObject *unused)
{
    (void)unused;
    return PyObject_GetAttrString(self, "__qualname__");
}

static int
wrapper_traverse(PyObject *self, visitproc visit, void *arg)
{
    struct wrapper *w = (struct wrapper *)self;
    Py_VISIT(w->profiler);
    Py_VISIT(w->function);
    Py_VISIT(w->dict);
    return 0;
}

static int
wrapper_clear(PyObject *self)
{
    Py_CLEAR(((struct wrapper *)self)->dict);
    return 0;
}

static void
wrapper_dealloc(PyObject *self)
{
    struct wrapper *w = (struct wrapper *)self;
    PyObject_GC_UnTrack(self);
    if (w->weakrefs != NULL) {
        PyObject_ClearWeakRefs(self);
    }
    Py_CLEAR(w->dict);
    Py_CLEAR(w->function);
    Py_CLEAR(w->profiler);
    Py_CLEAR(w->ref.name);
    PyObject_GC_Del(self);
}

static PyMethodDef wrapper_methods[] = {
    {"__reduce__", wrapper_reduce, METH_NOARGS, NULL},
    {NULL},
};

static PyMemberDef wrapper_members[] = {
    {"__wrapped__", T_OBJECT, offsetof(struct wrapper, function), READONLY,
     PyDoc_STR("The function itself.")},
    {NULL},
};

static PyGetSetDef wrapper_getset[] = {
    {"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict, NULL, NULL},
    {NULL},
};

static PyTypeObject wrapper_type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "_pyprofiler.ProfiledFunction",
    .tp_basicsize = sizeof(struct wrapper),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL |
                Py_TPFLAGS_METHOD_DESCRIPTOR | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .tp_vectorcall_offset = offsetof(struct wrapper, call),
    .tp_call = PyVectorcall_Call,
    .tp_dictoffset = offsetof(struct wrapper, dict),
    .tp_weaklistoffset = offsetof(struct wrapper, weakrefs),
    .tp_getattro = wrapper_getattro,
    .tp_setattro = PyObject_GenericSetAttr,
    .tp_descr_get = wrapper_bind,
    .tp_repr = wrapper_repr,
    .tp_traverse = wrapper_traverse,
    .tp_clear = wrapper_clear,
    .tp_dealloc = wrapper_dealloc,
    .tp_methods = wrapper_methods,
    .tp_members = wrapper_members,
    .tp_getset = wrapper_getset,
};

int
prf_pieces_add_wrapper(PyObject *module)
{
    return PyModule_AddType(module, &wrapper_type);
}
