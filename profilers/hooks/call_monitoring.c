/* Call events from sys.monitoring. The callbacks are objects of a type of our own with
   a vectorcall of its own: no argument parsing, no bound method, 16-24 ns an event.

   Where only Python functions count, replacing the evaluation of frames costs less
   (call_frame_eval.c), and only what is left is asked for here, until the C stack ends.
 */
#include "call_source.h"

#if PRF_HAVE_MONITORING

#include <stdlib.h>

#include "monitoring.h"

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
    struct prf_monitoring tool;
    struct prf_monitoring_event events[N_EVENTS + 1];
    bool of_python[N_EVENTS]; /* of `events`: calls and returns of Python functions */
    PyObject *missing;        /* strong: sys.monitoring.MISSING */
    bool frames;              /* frame evaluation tells Python's calls */
};

static inline struct prf_call_thread *
monitoring_thread(PyObject *self)
{
    struct prf_call_events *events = prf_monitoring_user(self);
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

/* The events that the user wants, without Python's calls if frame evaluation tells
 * them.
 */
static void
monitoring_choose(struct monitoring *mon, const struct prf_call_events *events)
{
    int n = 0;
    for (int i = 0; i < N_EVENTS; i++) {
        const struct monitoring_event *event = &monitoring_events[i];
        if ((event->of == OF_C && (events->flags & PRF_CALL_NO_C)) ||
            (event->of == OF_RAISED && events->ops->raised == NULL)) {
            continue;
        }
        mon->of_python[n] = event->of == OF_PYTHON;
        mon->events[n++] = (struct prf_monitoring_event){
            .name = event->name,
            .function = event->function,
            .scope = mon->frames && event->of == OF_PYTHON ? PRF_MONITORING_NONE
                                                           : PRF_MONITORING_GLOBAL,
        };
    }
}

static void
monitoring_stop(struct prf_call_events *events)
{
    struct monitoring *mon = events->source;
    if (mon->frames) {
        prf_call_frame_eval.stop(events);
    }
    events->replaced = events->replaced || !prf_monitoring_is_ours(&mon->tool);
    prf_monitoring_stop(&mon->tool);
    Py_XDECREF(mon->missing);
    free(mon);
    events->source = NULL;
}

static int
monitoring_begin(struct monitoring *mon, struct prf_call_events *events,
                 struct prf_error *err)
{
    /* With another evaluation in place (a compiler, a profiler of ours) everything
       comes from here. */
    struct prf_error none = {0};
    mon->frames = (events->flags & PRF_CALL_NO_C) != 0 &&
                  prf_call_frame_eval.start(events, &none) == 0;
    monitoring_choose(mon, events);
    int rc =
        prf_monitoring_start(&mon->tool, events->ops->name, mon->events, events, err);
    if (rc < 0 && mon->frames) {
        prf_call_frame_eval.stop(events);
    }
    return rc;
}

static int
monitoring_start(struct prf_call_events *events, struct prf_error *err)
{
    struct monitoring *mon = calloc(1, sizeof(*mon));
    if (mon == NULL) {
        return prf_fail(err, PRF_ENOMEM, "no memory for sys.monitoring");
    }
    events->source = mon;
    PyObject *module = PySys_GetObject("monitoring"); /* borrowed from sys */
    mon->missing = module ? PyObject_GetAttrString(module, "MISSING") : NULL;
    int rc = mon->missing == NULL ? prf_call_source_fail(err, "using sys.monitoring")
                                  : monitoring_begin(mon, events, err);
    if (rc < 0) {
        Py_XDECREF(mon->missing);
        free(mon);
        events->source = NULL;
    }
    return rc;
}

int
prf_call_monitoring_go_on(struct prf_call_events *events)
{
    struct monitoring *mon = events->source;
    mon->frames = false;
    for (int i = 0; mon->events[i].name != NULL; i++) {
        mon->events[i].scope |= mon->of_python[i] ? PRF_MONITORING_GLOBAL : 0;
    }
    int rc = prf_monitoring_reset(&mon->tool);
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
