/* Events of C functions from PyEval_SetProfile, before sys.monitoring. A profile
   function belongs to a thread: those that run at start get it there, those started
   later get it through _thread.start_new_thread, whose method definition is exchanged
   while we run. That way it does not matter under which name a module holds the
   function. */
#define Py_BUILD_CORE_MODULE 1
#include "call_source.h"

#if !PRF_HAVE_MONITORING

#include <stdlib.h>
#include <string.h>

#include "frame_eval.h"

/* One function object of the module _thread whose m_ml is exchanged. */
struct setprofile_patch {
    PyCFunctionObject *function; /* strong */
    PyMethodDef *original;
    PyMethodDef ours;
};

struct setprofile {
    struct setprofile_patch patches[2]; /* start_new_thread and its older name */
    uint64_t thread_id;                 /* of the thread state that started */
    PyTypeObject *begin_type;           /* strong */
    uint64_t serial;                    /* of this start: see setprofile_active */
};

/* The function of a new thread: installs the profile function there, then calls what
   the user gave. */
struct setprofile_begin {
    PyObject_HEAD PyObject *function; /* strong */
    uint64_t serial;                  /* of the start it belongs to */
};

/* Who gets the events, for code that is reached through _thread; protected by the GIL.
 */
static struct prf_call_events *setprofile_active;
static uint64_t setprofile_serial;

/* Calls of C functions only: those of Python functions come from call_frame_eval.c. */
static int
setprofile_hook(PyObject *self, PyFrameObject *frame, int what, PyObject *arg)
{
    struct prf_call_thread *thread = (struct prf_call_thread *)self;
    if (what < PyTrace_C_CALL || thread->events == NULL || !PyCFunction_Check(arg)) {
        return 0;
    }
    const struct prf_call_ops *ops = thread->events->ops;
    PyCFunctionObject *fn = (PyCFunctionObject *)arg;
    PyCodeObject *code = PyFrame_GetCode(frame);
    Py_DECREF(code); /* the frame runs: it keeps it */
    if (__builtin_expect(prf_frame_eval_original != NULL, 0)) {
        code = prf_frame_eval_original(code);
    }
    if (what == PyTrace_C_CALL) {
        ops->enter_c(thread, fn->m_ml, fn->m_self, fn->m_module, code);
    } else if (what == PyTrace_C_RETURN || what == PyTrace_C_EXCEPTION) {
        ops->leave_c(thread, fn->m_ml, code,
                     what == PyTrace_C_RETURN ? PRF_CALL_RETURNED : PRF_CALL_RAISED);
    }
    return 0;
}

/* --- threads that start while we run --- */

static PyObject *
begin_call(PyObject *op, PyObject *args, PyObject *kwargs)
{
    struct setprofile_begin *self = (struct setprofile_begin *)op;
    if (setprofile_active != NULL && self->serial == setprofile_serial) {
        struct prf_call_thread *thread =
            prf_call_thread_find(setprofile_active, PyThreadState_Get());
        if (thread != NULL) {
            PyEval_SetProfile(setprofile_hook, (PyObject *)thread);
        }
    }
    return PyObject_Call(self->function, args, kwargs);
}

/* "Exception ignored in thread started by: ..." must name the user's function. */
static PyObject *
begin_repr(PyObject *op)
{
    return PyObject_Repr(((struct setprofile_begin *)op)->function);
}

static int
begin_traverse(PyObject *op, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(op));
    Py_VISIT(((struct setprofile_begin *)op)->function);
    return 0;
}

static int
begin_clear(PyObject *op)
{
    Py_CLEAR(((struct setprofile_begin *)op)->function);
    return 0;
}

static void
begin_dealloc(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    begin_clear(op);
    type->tp_free(op);
    Py_DECREF(type);
}

static PyType_Slot begin_slots[] = {
    {Py_tp_call, begin_call},         {Py_tp_repr, begin_repr},
    {Py_tp_traverse, begin_traverse}, {Py_tp_clear, begin_clear},
    {Py_tp_dealloc, begin_dealloc},   {0, NULL},
};

static PyType_Spec begin_spec = {
    .name = "pyprofiler.thread_begin",
    .basicsize = sizeof(struct setprofile_begin),
    .flags =
        Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = begin_slots,
};

/* `args` with the function wrapped; new reference, NULL with an exception. */
static PyObject *
setprofile_wrap_args(const struct setprofile *sp, PyObject *args)
{
    PyTypeObject *type = sp->begin_type;
    struct setprofile_begin *begin = (struct setprofile_begin *)type->tp_alloc(type, 0);
    if (begin == NULL) {
        return NULL;
    }
    begin->function = Py_NewRef(PyTuple_GET_ITEM(args, 0));
    begin->serial = sp->serial;
    PyObject *wrapped = PyTuple_New(PyTuple_GET_SIZE(args));
    if (wrapped == NULL) {
        Py_DECREF(begin);
        return NULL;
    }
    PyTuple_SET_ITEM(wrapped, 0, (PyObject *)begin);
    for (Py_ssize_t i = 1; i < PyTuple_GET_SIZE(args); i++) {
        PyTuple_SET_ITEM(wrapped, i, Py_NewRef(PyTuple_GET_ITEM(args, i)));
    }
    return wrapped;
}

/* In place of _thread.start_new_thread(function, args[, kwargs]). Wrong arguments go to
   the original as they are: its messages are the right ones. */
static PyObject *
setprofile_start_new_thread(PyObject *module, PyObject *args)
{
    const struct setprofile *sp = setprofile_active->source;
    PyCFunction original = sp->patches[0].original->ml_meth;
    if (!PyTuple_Check(args) || PyTuple_GET_SIZE(args) < 1 ||
        !PyCallable_Check(PyTuple_GET_ITEM(args, 0))) {
        return original(module, args);
    }
    PyObject *wrapped = setprofile_wrap_args(sp, args);
    if (wrapped == NULL) {
        return NULL;
    }
    PyObject *result = original(module, wrapped);
    Py_DECREF(wrapped);
    return result;
}

static int
setprofile_patch_function(struct setprofile_patch *patch, PyObject *module,
                          const char *name)
{
    PyObject *function = PyObject_GetAttrString(module, name);
    if (function == NULL) {
        return -1;
    }
    if (!PyCFunction_Check(function) ||
        PyCFunction_GET_FLAGS(function) != METH_VARARGS) {
        Py_DECREF(function); /* somebody's wrapper: it leads to the original */
        return 0;
    }
    patch->function = (PyCFunctionObject *)function;
    patch->original = patch->function->m_ml;
    patch->ours = *patch->original;
    patch->ours.ml_meth = setprofile_start_new_thread;
    patch->function->m_ml = &patch->ours;
    return 0;
}

static void
setprofile_unpatch(struct setprofile_patch *patch)
{
    if (patch->function != NULL) {
        patch->function->m_ml = patch->original;
        Py_CLEAR(patch->function);
    }
}

static int
setprofile_patch_threads(struct setprofile *sp)
{
    static const char *const names[] = {"start_new_thread", "start_new"};
    PyObject *module = PyImport_ImportModule("_thread");
    int rc = module ? 0 : -1;
    for (int i = 0; rc == 0 && i < 2; i++) {
        rc = setprofile_patch_function(&sp->patches[i], module, names[i]);
    }
    Py_XDECREF(module);
    return rc;
}

/* --- start and stop --- */

static int
setprofile_install(struct prf_call_events *events)
{
    PyThreadState *tstate = PyInterpreterState_ThreadHead(PyInterpreterState_Get());
    for (; tstate != NULL; tstate = PyThreadState_Next(tstate)) {
        struct prf_call_thread *thread = prf_call_thread_find(events, tstate);
        if (thread == NULL) {
            PyErr_NoMemory();
            return -1;
        }
        bool is_free =
            tstate->c_profilefunc == NULL || tstate->c_profilefunc == setprofile_hook;
        if (is_free &&
            _PyEval_SetProfile(tstate, setprofile_hook, (PyObject *)thread) < 0) {
            return -1;
        }
    }
    return 0;
}

static void
setprofile_uninstall(struct prf_call_events *events)
{
    const struct setprofile *sp = events->source;
    PyThreadState *tstate = PyInterpreterState_ThreadHead(PyInterpreterState_Get());
    for (; tstate != NULL; tstate = PyThreadState_Next(tstate)) {
        bool ours = tstate->c_profilefunc == setprofile_hook;
        if (ours) {
            if (_PyEval_SetProfile(tstate, NULL, NULL) < 0) {
                PyErr_Clear(); /* an audit hook objects; `events` is NULL from now on */
            }
        }
        if (!ours && (tstate->c_profilefunc != NULL || tstate->id == sp->thread_id)) {
            events->replaced = true;
        }
    }
}

static void
setprofile_stop(struct prf_call_events *events)
{
    struct setprofile *sp = events->source;
    setprofile_uninstall(events);
    events->profile_function = NULL;
    prf_call_frame_eval.stop(events);
    for (int i = 0; i < 2; i++) {
        setprofile_unpatch(&sp->patches[i]);
    }
    Py_CLEAR(sp->begin_type);
    setprofile_active = NULL;
    events->source = NULL;
    free(sp);
}

/* Refuses, saying whose profile function it is. */
static int
setprofile_refuse(const PyThreadState *tstate, struct prf_error *err)
{
    PyObject *object = tstate->c_profileobj; /* borrowed from the thread */
    const char *type = object ? Py_TYPE(object)->tp_name : "?";
    const char *base =
        object && Py_TYPE(object)->tp_base ? Py_TYPE(object)->tp_base->tp_name : "";
    if (strcmp(type, "_lsprof.Profiler") == 0 ||
        strcmp(base, "_lsprof.Profiler") == 0) {
        return prf_fail(err, PRF_EUNAVAILABLE,
                        "a profile function is set already: this thread is profiled by "
                        "'cProfile'; call its disable() first");
    }
    PyObject *repr = object ? PyObject_Repr(object) : NULL;
    const char *text = repr ? PyUnicode_AsUTF8(repr) : NULL;
    PyErr_Clear();
    int rc = prf_fail(err, PRF_EUNAVAILABLE,
                      "a profile function is set already, by sys.setprofile or a "
                      "debugger: '%s'; remove it with sys.setprofile(None)",
                      text ? text : type);
    Py_XDECREF(repr);
    return rc;
}

static int
setprofile_start(struct prf_call_events *events, struct prf_error *err)
{
    PyThreadState *tstate = PyThreadState_Get();
    if (tstate->c_profilefunc != NULL && tstate->c_profilefunc != setprofile_hook) {
        return setprofile_refuse(tstate, err);
    }
    int rc = prf_call_frame_eval.start(events, err);
    if (rc < 0) {
        return rc;
    }
    struct setprofile *sp = calloc(1, sizeof(*sp));
    if (sp == NULL) {
        prf_call_frame_eval.stop(events);
        return prf_fail(err, PRF_ENOMEM, "no memory for the profile function");
    }
    sp->serial = ++setprofile_serial;
    sp->thread_id = PyThreadState_Get()->id;
    events->source = sp;
    events->profile_function = setprofile_hook;
    setprofile_active = events;
    sp->begin_type = (PyTypeObject *)PyType_FromSpec(&begin_spec);
    if (sp->begin_type == NULL || setprofile_patch_threads(sp) < 0 ||
        setprofile_install(events) < 0) {
        rc = prf_call_source_fail(err, "installing the profile function");
        setprofile_stop(events);
        return rc;
    }
    return 0;
}

const struct prf_call_source prf_call_setprofile = {
    .start = setprofile_start,
    .stop = setprofile_stop,
};

#endif
