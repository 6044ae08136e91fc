/* PerformanceProfiler, and the functions of the module on the global one. */
#include "readers.h"
#include "record.h"

#include <stddef.h>

#include <structmember.h>

static PyTypeObject profiler_type;

struct prf_pieces *
prf_pieces_of(PyObject *profiler)
{
    if (!PyObject_TypeCheck(profiler, &profiler_type)) {
        PyErr_Format(PyExc_TypeError, "expected a PerformanceProfiler, not %s",
                     Py_TYPE(profiler)->tp_name);
        return NULL;
    }
    return &((struct prf_profiler *)profiler)->pieces;
}

/* ---- life ---- */

static PyObject *
profiler_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    (void)args;
    (void)kwargs;
    struct prf_profiler *p = (struct prf_profiler *)type->tp_alloc(type, 0);
    if (p == NULL) {
        return NULL;
    }
    p->enabled = true;
    p->pieces.keep_calls = true;
    if (prf_record_init(p) < 0) {
        Py_CLEAR(p);
    }
    return (PyObject *)p;
}

static int
profiler_parse_max(PyObject *value, uint64_t *out)
{
    *out = 0;
    if (value == NULL || value == Py_None) {
        return 0;
    }
    if (!PyLong_Check(value) || PyBool_Check(value)) {
        PyErr_Format(PyExc_TypeError, "max_calls is an int or None, not %s",
                     Py_TYPE(value)->tp_name);
        return -1;
    }
    *out = PyLong_AsUnsignedLongLong(value);
    if (PyErr_Occurred() || *out == 0) {
        PyErr_Format(PyExc_ValueError, "max_calls is at least 1 (or None), not %R",
                     value);
        return -1;
    }
    return 0;
}

static int
profiler_init(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static const char *const keywords[] = {"enabled", "keep_calls", "max_calls", NULL};
    struct prf_profiler *p = (struct prf_profiler *)self;
    int enabled = 1, keep_calls = 1;
    PyObject *max = NULL;
    uint64_t max_calls;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|p$pO:PerformanceProfiler",
                                     (char **)keywords, &enabled, &keep_calls, &max) ||
        profiler_parse_max(max, &max_calls) < 0) {
        return -1;
    }
    if (max_calls != 0 && !keep_calls) {
        PyErr_SetString(PyExc_ValueError,
                        "max_calls limits the calls that are kept: it "
                        "needs keep_calls=True");
        return -1;
    }
    if (p->pieces.n_pieces > 0) {
        PyErr_SetString(PyExc_RuntimeError, "this profiler has been used already");
        return -1;
    }
    p->enabled = enabled;
    p->pieces.keep_calls = keep_calls;
    p->pieces.max_calls = max_calls;
    p->ns_per_tick = keep_calls ? 0 : prf_clock_ns_per_tick();
    return 0;
}

static int
profiler_traverse(PyObject *self, visitproc visit, void *arg)
{
    return prf_record_traverse((struct prf_profiler *)self, visit, arg);
}

static int
profiler_clear_references(PyObject *self)
{
    struct prf_profiler *p = (struct prf_profiler *)self;
    prf_record_drop_blocks(p);
    Py_CLEAR(p->pieces.metadata);
    return 0;
}

static void
profiler_dealloc(PyObject *self)
{
    struct prf_profiler *p = (struct prf_profiler *)self;
    PyObject_GC_UnTrack(self);
    if (p->weakrefs != NULL) {
        PyObject_ClearWeakRefs(self);
    }
    prf_record_release(p);
    Py_TYPE(self)->tp_free(self);
}

static PyObject *
profiler_repr(PyObject *self)
{
    struct prf_profiler *p = (struct prf_profiler *)self;
    return PyUnicode_FromFormat("<%s %s, %llu calls>", Py_TYPE(self)->tp_name,
                                p->enabled ? "enabled" : "disabled",
                                (unsigned long long)p->pieces.n_recorded);
}

/* ---- switches ---- */

static PyObject *
profiler_enable(PyObject *self, PyObject *unused)
{
    (void)unused;
    ((struct prf_profiler *)self)->enabled = true;
    Py_RETURN_NONE;
}

static PyObject *
profiler_disable(PyObject *self, PyObject *unused)
{
    (void)unused;
    ((struct prf_profiler *)self)->enabled = false;
    Py_RETURN_NONE;
}

static PyObject *
profiler_clear(PyObject *self, PyObject *unused)
{
    (void)unused;
    prf_record_clear((struct prf_profiler *)self);
    Py_RETURN_NONE;
}

static PyObject *
profiler_get_enabled(PyObject *self, void *unused)
{
    (void)unused;
    return PyBool_FromLong(((struct prf_profiler *)self)->enabled);
}

static int
profiler_set_enabled(PyObject *self, PyObject *value, void *unused)
{
    (void)unused;
    int truth = value == NULL ? -1 : PyObject_IsTrue(value);
    if (truth < 0) {
        if (value == NULL) {
            PyErr_SetString(PyExc_AttributeError, "enabled cannot be deleted");
        }
        return -1;
    }
    ((struct prf_profiler *)self)->enabled = truth;
    return 0;
}

static PyObject *
profiler_get_keep_calls(PyObject *self, void *unused)
{
    (void)unused;
    return PyBool_FromLong(((struct prf_profiler *)self)->pieces.keep_calls);
}

static PyObject *
profiler_get_max_calls(PyObject *self, void *unused)
{
    (void)unused;
    uint64_t max = ((struct prf_profiler *)self)->pieces.max_calls;
    return max == 0 ? Py_NewRef(Py_None) : PyLong_FromUnsignedLongLong(max);
}

/* ---- profile_function ---- */

/* self is the tuple (profiler, name). */
static PyObject *
profiler_decorate(PyObject *self, PyObject *function)
{
    return prf_wrapper_new((struct prf_profiler *)PyTuple_GET_ITEM(self, 0), function,
                           PyTuple_GET_ITEM(self, 1));
}

static PyMethodDef profiler_decorate_def = {
    "profile_function", profiler_decorate, METH_O,
    PyDoc_STR("profile_function(func)\n--\n\nProfile func under the name given.")};

static PyObject *
profiler_decorator(struct prf_profiler *p, PyObject *name)
{
    if (name != Py_None && !PyUnicode_Check(name)) {
        PyErr_Format(PyExc_TypeError, "the name of a piece is a str, not %s",
                     Py_TYPE(name)->tp_name);
        return NULL;
    }
    PyObject *pair = PyTuple_Pack(2, p, name);
    PyObject *decorator =
        pair == NULL ? NULL : PyCFunction_New(&profiler_decorate_def, pair);
    Py_XDECREF(pair);
    return decorator;
}

static PyObject *
profiler_profile_function(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static const char *const keywords[] = {"func", "name", NULL};
    struct prf_profiler *p = (struct prf_profiler *)self;
    PyObject *function = Py_None, *name = Py_None;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|OO:profile_function",
                                     (char **)keywords, &function, &name)) {
        return NULL;
    }
    if (PyUnicode_Check(function) && name == Py_None) {
        return profiler_decorator(p, function);
    }
    return function == Py_None ? profiler_decorator(p, name)
                               : prf_wrapper_new(p, function, name);
}

/* ---- profile_block ---- */

static PyObject *
profiler_block_metadata(PyObject *const *values, PyObject *kwnames, PyObject **name)
{
    PyObject *metadata = PyDict_New();
    for (Py_ssize_t i = 0; metadata != NULL && i < PyTuple_GET_SIZE(kwnames); i++) {
        PyObject *key = PyTuple_GET_ITEM(kwnames, i);
        if (*name == NULL && PyUnicode_CompareWithASCIIString(key, "name") == 0) {
            *name = values[i];
        } else if (PyDict_SetItem(metadata, key, values[i]) < 0) {
            Py_CLEAR(metadata);
        }
    }
    return metadata;
}

static PyObject *
profiler_make_block(struct prf_profiler *p, PyObject *name, PyObject *metadata)
{
    if (name == NULL || !PyUnicode_Check(name)) {
        PyErr_Format(PyExc_TypeError, "profile_block() takes a name, a str, not %s",
                     name == NULL ? "nothing" : Py_TYPE(name)->tp_name);
        return NULL;
    }
    PyObject *exact = PyUnicode_FromObject(name);
    PyObject *block = exact == NULL ? NULL : prf_block_new(p, exact, metadata);
    Py_XDECREF(exact);
    return block;
}

static PyObject *
profiler_profile_block(PyObject *self, PyObject *const *args, Py_ssize_t n_args,
                       PyObject *kwnames)
{
    struct prf_profiler *p = (struct prf_profiler *)self;
    PyObject *name = n_args > 0 ? args[0] : NULL;
    if (n_args > 1) {
        PyErr_Format(PyExc_TypeError,
                     "profile_block() takes a name and keyword arguments, not %zd "
                     "positional ones",
                     n_args);
        return NULL;
    }
    if (kwnames == NULL || PyTuple_GET_SIZE(kwnames) == 0) {
        return profiler_make_block(p, name, NULL);
    }
    PyObject *metadata = profiler_block_metadata(args + n_args, kwnames, &name);
    PyObject *block = NULL;
    if (metadata != NULL) {
        block = profiler_make_block(p, name,
                                    PyDict_GET_SIZE(metadata) > 0 ? metadata : NULL);
        Py_DECREF(metadata);
    }
    return block;
}

/* ---- the type ---- */

static PyMethodDef profiler_methods[] = {
    {"enable", profiler_enable, METH_NOARGS,
     PyDoc_STR("enable($self, /)\n--\n\nCount calls from now on. Functions that were "
               "decorated while the profiler was\ndisabled are what they were and stay "
               "uncounted.")},
    {"disable", profiler_disable, METH_NOARGS,
     PyDoc_STR("disable($self, /)\n--\n\nDo not count calls that begin from now on; "
               "those that run are counted when they end.")},
    {"clear", profiler_clear, METH_NOARGS,
     PyDoc_STR("clear($self, /)\n--\n\nForget all that was recorded. A call that is "
               "running counts when it ends, with the\ntime since now.")},
    {"profile_function", (PyCFunction)(void (*)(void))profiler_profile_function,
     METH_VARARGS | METH_KEYWORDS,
     PyDoc_STR(
         "profile_function($self, func=None, name=None)\n--\n\n"
         "func, counted and timed; as a decorator bare, @p.profile_function, or with a "
         "name,\n@p.profile_function(\"name\"). While the profiler is disabled, func "
         "itself.\n\n"
         "A function is named by its __qualname__ from the class on, or from the "
         "function that it\nis defined in: 'load', 'Cache.load'. Functions of one name "
         "are one piece. Methods are also\nfound by their own name, while only one "
         "class "
         "has it.\n\n"
         "A call lasts until it returns or raises. One of a generator or coroutine "
         "function\nlasts from when it is first resumed until it returns, raises, is "
         "closed or is dropped;\none that is never resumed or has not ended is not "
         "counted.")},
    {"profile_block", (PyCFunction)(void (*)(void))profiler_profile_block,
     METH_FASTCALL | METH_KEYWORDS,
     PyDoc_STR(
         "profile_block($self, name, /, **metadata)\n--\n\nA context manager that "
         "times its body as a piece of that name. For one use. The\nkeyword "
         "arguments are kept with the call.")},
    PRF_PIECES_READERS,
    {NULL},
};

static PyGetSetDef profiler_getset[] = {
    {"enabled", profiler_get_enabled, profiler_set_enabled,
     PyDoc_STR("Whether calls that begin now are counted."), NULL},
    {"keep_calls", profiler_get_keep_calls, NULL,
     PyDoc_STR("Whether each call is kept; else quantiles are within 1 %."), NULL},
    {"max_calls", profiler_get_max_calls, NULL,
     PyDoc_STR("How many calls are kept at most; None: all."), NULL},
    {NULL},
};

static PyTypeObject profiler_type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "_pyprofiler.PerformanceProfiler",
    .tp_doc = PyDoc_STR(
        "PerformanceProfiler(enabled=True, *, keep_calls=True, max_calls=None)\n--\n\n"
        "Times functions and blocks of a program, in all threads and tasks.\n\n"
        "Each call that ended is kept, 32 bytes; the newest are dropped when there are "
        "max_calls.\nkeep_calls=False keeps statistics only, in bounded memory."),
    .tp_basicsize = sizeof(struct prf_profiler),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .tp_new = profiler_new,
    .tp_init = profiler_init,
    .tp_weaklistoffset = offsetof(struct prf_profiler, weakrefs),
    .tp_traverse = profiler_traverse,
    .tp_clear = profiler_clear_references,
    .tp_dealloc = profiler_dealloc,
    .tp_repr = profiler_repr,
    .tp_methods = profiler_methods,
    .tp_getset = profiler_getset,
};

/* ---- the global profiler: an object that the functions of the module share ---- */

struct global {
    PyObject_HEAD PyObject *profiler; /* strong; NULL before its first use */
};

static int
global_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(((struct global *)self)->profiler);
    return 0;
}

static int
global_clear(PyObject *self)
{
    Py_CLEAR(((struct global *)self)->profiler);
    return 0;
}

static void
global_dealloc(PyObject *self)
{
    PyObject_GC_UnTrack(self);
    global_clear(self);
    PyObject_GC_Del(self);
}

static PyTypeObject global_type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "_pyprofiler.GlobalProfiler",
    .tp_basicsize = sizeof(struct global),
    .tp_flags =
        Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .tp_traverse = global_traverse,
    .tp_clear = global_clear,
    .tp_dealloc = global_dealloc,
};

/* Borrowed. */
static PyObject *
global_profiler(PyObject *self)
{
    struct global *g = (struct global *)self;
    if (g->profiler == NULL) {
        g->profiler = PyObject_CallNoArgs((PyObject *)&profiler_type);
    }
    return g->profiler;
}

static PyObject *
global_get_profiler(PyObject *self, PyObject *unused)
{
    (void)unused;
    return Py_XNewRef(global_profiler(self));
}

static PyObject *
global_create_profiler(PyObject *self, PyObject *args, PyObject *kwargs)
{
    (void)self;
    return PyObject_Call((PyObject *)&profiler_type, args, kwargs);
}

static PyObject *
global_profile_block(PyObject *self, PyObject *const *args, Py_ssize_t n_args,
                     PyObject *kwnames)
{
    PyObject *profiler = global_profiler(self);
    return profiler == NULL ? NULL
                            : profiler_profile_block(profiler, args, n_args, kwnames);
}

static PyObject *
global_instrument(PyObject *self, PyObject *args, PyObject *kwargs)
{
    PyObject *profiler = global_profiler(self);
    return profiler == NULL ? NULL : profiler_profile_function(profiler, args, kwargs);
}

static PyMethodDef global_functions[] = {
    {"get_profiler", global_get_profiler, METH_NOARGS,
     PyDoc_STR("get_profiler()\n--\n\nThe profiler of @profile and profile_block().")},
    {"create_profiler", (PyCFunction)(void (*)(void))global_create_profiler,
     METH_VARARGS | METH_KEYWORDS,
     PyDoc_STR(
         "create_profiler(enabled=True, *, keep_calls=True, max_calls=None)\n--\n\n"
         "A PerformanceProfiler of its own. Functions decorated while it is "
         "disabled are left as\nthey are: enable() does not bring them back.")},
    {"profile_block", (PyCFunction)(void (*)(void))global_profile_block,
     METH_FASTCALL | METH_KEYWORDS,
     PyDoc_STR("profile_block(name, /, **metadata)\n--\n\nget_profiler().profile_block("
               "name, **metadata)")},
    {"instrument", (PyCFunction)(void (*)(void))global_instrument,
     METH_VARARGS | METH_KEYWORDS,
     PyDoc_STR("instrument(func=None, name=None)\n--\n\n"
               "get_profiler().profile_function(func, name)")},
    {NULL},
};

static int
global_add(PyObject *module)
{
    struct global *g = PyObject_GC_New(struct global, &global_type);
    PyObject *module_name = PyModule_GetNameObject(module);
    int rc = g == NULL || module_name == NULL ? -1 : 0;
    if (g != NULL) {
        g->profiler = NULL;
        PyObject_GC_Track(g);
    }
    for (PyMethodDef *def = global_functions; rc == 0 && def->ml_name != NULL; def++) {
        PyObject *function = PyCFunction_NewEx(def, (PyObject *)g, module_name);
        rc = function == NULL ? -1
                              : PyModule_AddObjectRef(module, def->ml_name, function);
        Py_XDECREF(function);
    }
    Py_XDECREF(module_name);
    Py_XDECREF(g);
    return rc;
}

int
prf_pieces_add_profiler(PyObject *module)
{
    if (PyType_Ready(&global_type) < 0 || prf_pieces_add_block(module) < 0 ||
        prf_pieces_add_wrapper(module) < 0 || prf_pieces_add_activities(module) < 0 ||
        prf_pieces_add_stats(module) < 0 ||
        PyModule_AddType(module, &profiler_type) < 0) {
        return -1;
    }
    return global_add(module);
}
