/* Call events from sys.monitoring. The callbacks are objects of a type of our own with
   a vectorcall of its own: no argument parsing, no bound method, 16-24 ns an event.

   Where only Python functions count, replacing the evaluation of frames costs less
   (call_frame_eval.c), and only what is left is asked for here, until the C stack ends.
 */
#include "call_source.h"

#if PRF_HAVE_MONITORING

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <structmember.h>

struct monitoring_callback {
    PyObject_HEAD vectorcallfunc vectorcall;
    struct prf_call_events *events; /* borrowed; NULL after stop */
};

enum monitoring_of {
    OF_PYTHON,
    OF_C,      /* not asked for with PRF_CALL_NO_C */
    OF_RAISED, /* only for users that want to know */
};

struct monitoring_event {
    const char *name; /* in sys.monitoring.events */
    vectorcallfunc function;
    enum monitoring_of of;
};

enum { N_EVENTS = 10 };

struct monitoring {
    PyObject *module;                                /* strong: sys.monitoring */
    PyObject *missing;                               /* strong: its MISSING */
    PyTypeObject *callback_type;                     /* strong */
    struct monitoring_callback *callbacks[N_EVENTS]; /* strong */
    int tool_id;
    bool frames; /* frame evaluation tells Python's calls */
};

static inline struct prf_call_thread *
monitoring_thread(PyObject *self)
{
    struct prf_call_events *events = ((struct monitoring_callback *)self)->events;
    if (events == NULL) {
        return NULL;
    }
    return prf_call_thread_get(events, prf_thread_state());
}

/* The arguments are (code, instruction offset, ...). */
static PyObject *
monitoring_enter(PyObject *self, PyObject *const *args, size_t Py_UNUSED(nargsf),
                 PyObject *Py_UNUSED(kwnames))
{
    struct prf_call_thread *thread = monitoring_thread(self);
    if (thread != NULL) {
        thread->events->ops->enter_python(thread, (PyCodeObject *)args[0]);
    }
    Py_RETURN_NONE;
}

/* A generator goes on. */
static PyObject *
monitoring_resume(PyObject *self, PyObject *const *args, size_t Py_UNUSED(nargsf),
                  PyObject *Py_UNUSED(kwnames))
{
    struct prf_call_thread *thread = monitoring_thread(self);
    if (thread != NULL) {
        thread->resuming = true;
        thread->events->ops->enter_python(thread, (PyCodeObject *)args[0]);
        thread->resuming = false;
    }
    Py_RETURN_NONE;
}

static PyObject *
monitoring_unwind(PyObject *self, PyObject *const *args, size_t Py_UNUSED(nargsf),
                  PyObject *Py_UNUSED(kwnames))
{
    struct prf_call_thread *thread = monitoring_thread(self);
    if (thread != NULL) {
        thread->events->ops->leave_python(thread, (PyCodeObject *)args[0], NULL);
    }
    Py_RETURN_NONE;
}

/* (code, offset, exception); comes again in each function that it passes. */
static PyObject *
monitoring_raise(PyObject *self, PyObject *const *args, size_t Py_UNUSED(nargsf),
                 PyObject *Py_UNUSED(kwnames))
{
    struct prf_call_thread *thread = monitoring_thread(self);
    PyTracebackObject *traceback =
        (PyTracebackObject *)((PyBaseExceptionObject *)args[2])->traceback;
    if (thread != NULL && (traceback == NULL || traceback->tb_next == NULL)) {
        thread->events->ops->raised(thread, (PyObject *)Py_TYPE(args[2]), args[2]);
    }
    Py_RETURN_NONE;
}

static PyObject *
monitoring_leave(PyObject *self, PyObject *const *args, size_t Py_UNUSED(nargsf),
                 PyObject *Py_UNUSED(kwnames))
{
    struct prf_call_thread *thread = monitoring_thread(self);
    if (thread != NULL) {
        thread->events->ops->leave_python(thread, (PyCodeObject *)args[0], args[2]);
    }
    Py_RETURN_NONE;
}

/* The method that a call of args[2] with the first argument args[3] runs, as cProfile
   sees it: NULL for Python functions, types and other callables. */
static inline PyMethodDef *
monitoring_method(const struct monitoring *mon, PyObject *const *args)
{
    PyObject *callable = args[2];
    if (PyCFunction_Check(callable)) {
        return ((PyCFunctionObject *)callable)->m_ml;
    }
    if (Py_TYPE(callable) == &PyMethodDescr_Type && args[3] != mon->missing) {
        /* Called on an object of another type it only raises TypeError. */
        PyMethodDescrObject *descr = (PyMethodDescrObject *)callable;
        return PyObject_TypeCheck(args[3], PyDescr_TYPE(descr)) ? descr->d_method
                                                                : NULL;
    }
    return NULL;
}

/* (code, offset, callable, first argument or MISSING) */
static PyObject *
monitoring_c_call(PyObject *self, PyObject *const *args, size_t Py_UNUSED(nargsf),
                  PyObject *Py_UNUSED(kwnames))
{
    PyObject *callable = args[2];
    if (PyFunction_Check(callable)) {
        Py_RETURN_NONE; /* its PY_START comes */
    }
    struct prf_call_thread *thread = monitoring_thread(self);
    if (thread == NULL) {
        Py_RETURN_NONE;
    }
    struct prf_call_events *events = thread->events;
    PyMethodDef *method = monitoring_method(events->source, args);
    if (method != NULL) {
        PyObject *bound = args[3], *module = NULL;
        if (PyCFunction_Check(callable)) {
            bound = ((PyCFunctionObject *)callable)->m_self;
            module = ((PyCFunctionObject *)callable)->m_module;
        }
        events->ops->enter_c(thread, method, bound, module, (PyCodeObject *)args[0]);
    }
    Py_RETURN_NONE;
}

static inline PyObject *
monitoring_c_end(PyObject *self, PyObject *const *args, enum prf_call_end end)
{
    struct prf_call_thread *thread = monitoring_thread(self);
    if (thread == NULL) {
        Py_RETURN_NONE;
    }
    PyMethodDef *method = monitoring_method(thread->events->source, args);
    if (method != NULL) {
        thread->events->ops->leave_c(thread, method, (PyCodeObject *)args[0], end);
    }
    Py_RETURN_NONE;
}

static PyObject *
monitoring_c_return(PyObject *self, PyObject *const *args, size_t Py_UNUSED(nargsf),
                    PyObject *Py_UNUSED(kwnames))
{
    return monitoring_c_end(self, args, PRF_CALL_RETURNED);
}

static PyObject *
monitoring_c_raise(PyObject *self, PyObject *const *args, size_t Py_UNUSED(nargsf),
                   PyObject *Py_UNUSED(kwnames))
{
    return monitoring_c_end(self, args, PRF_CALL_RAISED);
}

static const struct monitoring_event monitoring_events[N_EVENTS] = {
    {"PY_START", monitoring_enter, OF_PYTHON},
    {"PY_RESUME", monitoring_resume, OF_PYTHON},
    {"PY_THROW", monitoring_resume, OF_PYTHON},
    {"PY_RETURN", monitoring_leave, OF_PYTHON},
    {"PY_YIELD", monitoring_leave, OF_PYTHON},
    {"PY_UNWIND", monitoring_unwind, OF_PYTHON},
    {"CALL", monitoring_c_call, OF_C},
    {"C_RETURN", monitoring_c_return, OF_C},
    {"C_RAISE", monitoring_c_raise, OF_C},
    {"RAISE", monitoring_raise, OF_RAISED},
};

static PyMemberDef callback_members[] = {
    {"__vectorcalloffset__", T_PYSSIZET,
     offsetof(struct monitoring_callback, vectorcall), READONLY, NULL},
    {NULL},
};

static PyType_Slot callback_slots[] = {
    {Py_tp_members, callback_members},
    {Py_tp_call, PyVectorcall_Call},
    {0, NULL},
};

static PyType_Spec callback_spec = {
    .name = "pyprofiler.monitoring_callback",
    .basicsize = sizeof(struct monitoring_callback),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_VECTORCALL |
             Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = callback_slots,
};

static struct monitoring_callback *
monitoring_callback_new(struct monitoring *mon, struct prf_call_events *events,
                        vectorcallfunc function)
{
    struct monitoring_callback *callback =
        (struct monitoring_callback *)PyType_GenericAlloc(mon->callback_type, 0);
    if (callback != NULL) {
        callback->vectorcall = function;
        callback->events = events;
    }
    return callback;
}

/* sys.monitoring.events.NAME, or -1 with an exception. */
static long
monitoring_event_bit(const struct monitoring *mon, const char *name)
{
    PyObject *names = PyObject_GetAttrString(mon->module, "events");
    PyObject *bit = names ? PyObject_GetAttrString(names, name) : NULL;
    long value = bit ? PyLong_AsLong(bit) : -1;
    Py_XDECREF(bit);
    Py_XDECREF(names);
    return value;
}

/* Call a function of sys.monitoring, only success counts. */
static int
monitoring_do(PyObject *result)
{
    Py_XDECREF(result);
    return result ? 0 : -1;
}

static int
monitoring_register(struct monitoring *mon, long bit, PyObject *callback)
{
    return monitoring_do(PyObject_CallMethod(mon->module, "register_callback", "ilO",
                                             mon->tool_id, bit, callback));
}

/* Have the events of the registered callbacks, without Python's calls if frame
   evaluation tells them. */
static int
monitoring_set_events(const struct monitoring *mon)
{
    long mask = 0;
    for (int i = 0; i < N_EVENTS; i++) {
        const struct monitoring_event *event = &monitoring_events[i];
        if (mon->callbacks[i] == NULL || (mon->frames && event->of == OF_PYTHON)) {
            continue;
        }
        long bit = monitoring_event_bit(mon, event->name);
        if (bit < 0) {
            return -1;
        }
        mask |= bit;
    }
    return monitoring_do(
        PyObject_CallMethod(mon->module, "set_events", "il", mon->tool_id, mask));
}

static int
monitoring_install(struct monitoring *mon, struct prf_call_events *events)
{
    for (int i = 0; i < N_EVENTS; i++) {
        const struct monitoring_event *event = &monitoring_events[i];
        if ((event->of == OF_C && (events->flags & PRF_CALL_NO_C)) ||
            (event->of == OF_RAISED && events->ops->raised == NULL)) {
            continue;
        }
        long bit = monitoring_event_bit(mon, event->name);
        mon->callbacks[i] = monitoring_callback_new(mon, events, event->function);
        if (bit < 0 || mon->callbacks[i] == NULL ||
            monitoring_register(mon, bit, (PyObject *)mon->callbacks[i]) < 0) {
            return -1;
        }
    }
    return monitoring_set_events(mon);
}

/* Take everything back that monitoring_install did, as far as it got. Cannot fail: what
   the case may have undone itself is not an error. */
static void
monitoring_uninstall(struct monitoring *mon)
{
    if (monitoring_do(PyObject_CallMethod(mon->module, "set_events", "ii", mon->tool_id,
                                          0)) < 0) {
        PyErr_Clear();
    }
    for (int i = 0; i < N_EVENTS; i++) {
        long bit = monitoring_event_bit(mon, monitoring_events[i].name);
        if (mon->callbacks[i] == NULL) {
            continue;
        }
        mon->callbacks[i]->events = NULL;
        if (monitoring_register(mon, bit, Py_None) < 0) {
            PyErr_Clear();
        }
        Py_CLEAR(mon->callbacks[i]);
    }
    if (monitoring_do(
            PyObject_CallMethod(mon->module, "free_tool_id", "i", mon->tool_id)) < 0) {
        PyErr_Clear();
    }
}

static void
monitoring_free(struct monitoring *mon)
{
    Py_XDECREF(mon->callback_type);
    Py_XDECREF(mon->missing);
    Py_XDECREF(mon->module);
    free(mon);
}

static int
monitoring_open(struct monitoring *mon)
{
    PyObject *sys = PyImport_ImportModule("sys");
    mon->module = sys ? PyObject_GetAttrString(sys, "monitoring") : NULL;
    Py_XDECREF(sys);
    if (mon->module == NULL) {
        return -1;
    }
    mon->missing = PyObject_GetAttrString(mon->module, "MISSING");
    mon->callback_type = (PyTypeObject *)PyType_FromSpec(&callback_spec);
    PyObject *id = PyObject_GetAttrString(mon->module, "PROFILER_ID");
    mon->tool_id = id ? (int)PyLong_AsLong(id) : -1;
    Py_XDECREF(id);
    return mon->missing && mon->callback_type && mon->tool_id >= 0 ? 0 : -1;
}

/* 0 when the tool id is ours now; otherwise says who has it. */
static int
monitoring_claim(struct monitoring *mon, struct prf_error *err)
{
    PyObject *holder = PyObject_CallMethod(mon->module, "get_tool", "i", mon->tool_id);
    int rc = 0;
    if (holder != NULL && holder != Py_None) {
        const char *name = PyUnicode_Check(holder) ? PyUnicode_AsUTF8(holder) : NULL;
        rc = prf_fail(err, PRF_EUNAVAILABLE,
                      "the profiler's place in sys.monitoring is held by '%s'; stop it",
                      name ? name : "?");
    } else if (holder == NULL ||
               monitoring_do(PyObject_CallMethod(mon->module, "use_tool_id", "is",
                                                 mon->tool_id, "pyprofiler")) < 0) {
        rc = prf_call_source_fail(err, "claiming a tool id of sys.monitoring");
    }
    PyErr_Clear();
    Py_XDECREF(holder);
    return rc;
}

static void
monitoring_stop(struct prf_call_events *events)
{
    struct monitoring *mon = events->source;
    if (mon->frames) {
        prf_call_frame_eval.stop(events);
    }
    monitoring_uninstall(mon);
    monitoring_free(mon);
    events->source = NULL;
}

static int
monitoring_start(struct prf_call_events *events, struct prf_error *err)
{
    struct monitoring *mon = calloc(1, sizeof(*mon));
    if (mon == NULL) {
        return prf_fail(err, PRF_ENOMEM, "no memory for sys.monitoring");
    }
    int rc = monitoring_open(mon) < 0
                 ? prf_call_source_fail(err, "using sys.monitoring")
                 : monitoring_claim(mon, err);
    if (rc != 0) {
        monitoring_free(mon);
        return rc;
    }
    events->source = mon;
    /* With another tool's evaluation in place (a compiler) everything comes from here.
     */
    struct prf_error none = {0};
    mon->frames = (events->flags & PRF_CALL_NO_C) != 0 &&
                  prf_call_frame_eval.start(events, &none) == 0;
    if (monitoring_install(mon, events) < 0) {
        rc = prf_call_source_fail(err, "installing the callbacks of sys.monitoring");
        monitoring_stop(events);
    }
    return rc;
}

int
prf_call_monitoring_go_on(struct prf_call_events *events)
{
    struct monitoring *mon = events->source;
    mon->frames = false;
    int rc = monitoring_set_events(mon);
    PyErr_Clear();
    return rc;
}

static bool
monitoring_by_frames(const struct prf_call_thread *thread)
{
    return ((const struct monitoring *)thread->events->source)->frames;
}

bool
prf_call_source_starting(const struct prf_call_thread *thread, const PyCodeObject *code)
{
    return monitoring_by_frames(thread) ? prf_call_frame_starting(thread, code)
                                        : !thread->resuming;
}

PyObject *
prf_call_source_local(const struct prf_call_thread *thread, const PyCodeObject *code,
                      PyObject *name, int place)
{
    if (monitoring_by_frames(thread)) {
        return prf_call_frame_local(thread, code, place);
    }
    PyFrameObject *frame = PyThreadState_GetFrame(prf_thread_state());
    PyObject *value = frame ? PyFrame_GetVar(frame, name) : NULL;
    PyErr_Clear();
    Py_XDECREF(frame);
    return value;
}

const struct prf_call_source prf_call_monitoring = {
    .start = monitoring_start,
    .stop = monitoring_stop,
};

#endif
