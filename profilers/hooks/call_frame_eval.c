/* Call events of Python functions by replacing the evaluation of frames (PEP 523): a
   third of the cost of a profile function, two thirds of that of sys.monitoring. Before
   3.12 the profile function is kept for C functions, but it also slows down every
   bytecode, so frames that call none run without (frame_modes.h). From 3.12 on this is
   for Python functions only.

   In exchange every Python call nests C frames: see frame_eval.h. */
#define Py_BUILD_CORE_MODULE 1
#include "call_source.h"

#include <internal/pycore_code.h>

#include "frame_eval.h"
#include "frame_modes.h"

/* Protected by the GIL. Frames that were entered under an earlier start, or return
   after the end of theirs, must not touch its threads: they may be gone. */
static struct prf_call_events *frame_eval_active;
static uint64_t frame_eval_serial;

#if !PRF_HAVE_MONITORING

static struct prf_frame_modes frame_eval_modes; /* only with C functions */

/* The mode to run the frame in; NULL: without tracing, C functions do not count. */
static inline struct prf_frame_mode *
frame_eval_mode(PyCodeObject *code)
{
    static struct prf_frame_mode traced = {.kind = PRF_FRAME_TRACED};
    struct prf_frame_mode *mode = prf_frame_modes_get(&frame_eval_modes, code);
    return mode ? mode : &traced;
}

static inline bool
frame_eval_traced(struct prf_frame_mode *mode, const _PyInterpreterFrame *frame)
{
    return mode->kind != PRF_FRAME_LEAF &&
           (mode->kind == PRF_FRAME_TRACED ||
            !prf_frame_mode_holds(mode, frame->f_globals, frame->f_builtins));
}

/* After a call: may the caller go on as it was? Somebody else's trace function, or a
   rebound global, and it is traced from here on. */
static inline uint8_t
frame_eval_caller_tracing(PyThreadState *tstate, struct prf_frame_mode *caller,
                          uint8_t before)
{
    if (before == 0 &&
        (tstate->c_tracefunc != NULL ||
         (caller != NULL && caller->kind == PRF_FRAME_GLOBALS &&
          !prf_frame_mode_holds(caller, caller->globals, caller->builtins)))) {
        return 255;
    }
    return before;
}

/* Evaluate with tracing for this frame alone: a frame takes the flag over from its
   caller when it starts, and hands it back when it ends. */
static inline PyObject *
frame_eval_run(PyThreadState *tstate, _PyInterpreterFrame *frame, int throwflag,
               struct prf_call_thread *thread, uint64_t serial)
{
    struct prf_frame_mode *mode = frame_eval_mode(prf_frame_eval_code(frame));
    struct prf_frame_mode *caller = thread->mode;
    _PyCFrame *cframe = tstate->cframe;
    uint8_t before = cframe->use_tracing;
    bool ours = tstate->c_profilefunc == thread->events->profile_function;
    if (ours &&
        (tstate->c_tracefunc == NULL || tstate->c_tracefunc == prf_frame_eval_trace)) {
        cframe->use_tracing = frame_eval_traced(mode, frame) ? 255 : 0;
    }
    thread->mode = mode;
    PyObject *result = prf_frame_eval_below(tstate, frame, throwflag);
    if (serial == frame_eval_serial) {
        thread->mode = caller;
        if (ours && tstate->c_profilefunc == thread->events->profile_function) {
            cframe->use_tracing = frame_eval_caller_tracing(tstate, caller, before);
        }
    }
    return result;
}

/* The function that ends raised the exception that leaves it, if the traceback starts
   here. */
static void
frame_eval_raised(struct prf_call_thread *thread, PyThreadState *tstate)
{
    PyTracebackObject *traceback = (PyTracebackObject *)tstate->curexc_traceback;
    if (tstate->curexc_type != NULL &&
        (traceback == NULL || traceback->tb_next == NULL)) {
        thread->events->ops->raised(thread, tstate->curexc_type, tstate->curexc_value);
    }
}

/* Evaluate, with events for C functions where they are wanted. */
static inline PyObject *
frame_eval_inside(PyThreadState *tstate, _PyInterpreterFrame *frame, int throwflag,
                  struct prf_call_thread *thread, uint64_t serial)
{
    if (thread->events->flags & PRF_CALL_NO_C) {
        return prf_frame_eval_below(tstate, frame, throwflag);
    }
    return frame_eval_run(tstate, frame, throwflag, thread, serial);
}

static PyObject *
frame_eval_stack_end(PyThreadState *Py_UNUSED(tstate),
                     _PyInterpreterFrame *Py_UNUSED(frame), int Py_UNUSED(throwflag))
{
    prf_frame_eval_refuse();
    return NULL;
}

#else

#define FRAME_EVAL_END_UNITS 150 /* of C recursion in the reserve of 1 MB */

static PyObject *frame_eval_init; /* borrowed: "__init__", the interpreter has it */

/* Exceptions are told by sys.monitoring. */
static inline void
frame_eval_raised(struct prf_call_thread *Py_UNUSED(thread),
                  PyThreadState *Py_UNUSED(tstate))
{
}

/* What Python would have done without recursion in C: the evaluation, which counts
   double, and the call of a class where inlining.h forbids the short way. */
static inline int
frame_eval_units(const PyCodeObject *code)
{
    return 2 + (PRF_HAVE_INLINED_INIT && code->co_name == frame_eval_init);
}

static inline PyObject *
frame_eval_inside(PyThreadState *tstate, _PyInterpreterFrame *frame, int throwflag,
                  struct prf_call_thread *Py_UNUSED(thread), uint64_t Py_UNUSED(serial))
{
    int n_units = frame_eval_units(PRF_FRAME_CODE(frame));
    prf_recursion_lend(tstate, n_units);
    PyObject *result = prf_frame_eval_below(tstate, frame, throwflag);
    prf_recursion_lend(tstate, -n_units);
    return result;
}

/* From here on sys.monitoring tells the calls, which takes no C stack, also of this
   frame and the returns of those below. */
static PyObject *
frame_eval_stack_end(PyThreadState *tstate, _PyInterpreterFrame *frame, int throwflag)
{
    struct prf_call_events *events = frame_eval_active;
    struct prf_exception saved; /* with throwflag */
    prf_exception_save(&saved);
    prf_call_frame_eval.stop(events);
    int rc = prf_call_monitoring_go_on(events);
    prf_exception_restore(&saved);
    if (rc < 0) {
        prf_frame_eval_refuse();
        throwflag = 1; /* unwinds at once */
    }
    int above = prf_recursion_above(tstate, FRAME_EVAL_END_UNITS);
    prf_recursion_lend(tstate, -above);
    PyObject *result = prf_frame_eval_below(tstate, frame, throwflag);
    prf_recursion_lend(tstate, above);
    return result;
}

#endif

static PyObject *
frame_eval_hook(PyThreadState *tstate, _PyInterpreterFrame *frame, int throwflag)
{
    struct prf_call_events *events = frame_eval_active;
    struct prf_call_thread *thread =
        events ? prf_call_thread_get(events, tstate) : NULL;
    if (thread == NULL || tstate->tracing || prf_frame_eval_makes_generator(frame)) {
        return prf_frame_eval_below(tstate, frame, throwflag);
    }
    if (prf_frame_eval_stack_low(&thread->stack_floor)) {
        return frame_eval_stack_end(tstate, frame, throwflag);
    }
    uint64_t serial = frame_eval_serial;
    PyCodeObject *code = prf_frame_eval_code(frame); /* held by the user once entered */
    prf_inlining_seen(frame);
    thread->frame = frame;
    events->ops->enter_python(thread, code);
    PyObject *result = frame_eval_inside(tstate, frame, throwflag, thread, serial);
    if (serial == frame_eval_serial) {
        if (__builtin_expect(result == NULL, 0) && events->ops->raised != NULL) {
            frame_eval_raised(thread, tstate);
        }
        events->ops->leave_python(thread, code, result);
    }
    return result;
}

static int
frame_eval_prepare(struct prf_error *err)
{
#if !PRF_HAVE_MONITORING
    if (prf_frame_modes_init(&frame_eval_modes) < 0) {
        return prf_fail(err, PRF_ENOMEM, "no memory for the modes of frames");
    }
#else
    frame_eval_init = PyUnicode_InternFromString("__init__");
    if (frame_eval_init == NULL) {
        PyErr_Clear();
        return prf_fail(err, PRF_ENOMEM, "no memory for frame evaluation");
    }
    Py_DECREF(frame_eval_init);
#endif
    return 0;
}

static void
frame_eval_release(void)
{
#if !PRF_HAVE_MONITORING
    prf_frame_modes_release(&frame_eval_modes);
#endif
}

static int
frame_eval_start(struct prf_call_events *events, struct prf_error *err)
{
    int rc = frame_eval_prepare(err);
    if (rc < 0) {
        return rc;
    }
    rc = prf_frame_eval_start(PRF_FRAME_EVAL_CALLS, frame_eval_hook, err);
    if (rc < 0) {
        frame_eval_release();
        return rc;
    }
    /* Finding the stack reads /proc/self/maps, 0.3 ms: not in the measured region. */
    struct prf_call_thread *thread = prf_call_thread_get(events, prf_thread_state());
    if (thread != NULL) {
        thread->stack_floor = prf_frame_eval_floor();
    }
    frame_eval_active = events;
    frame_eval_serial++;
    return 0;
}

static void
frame_eval_stop(struct prf_call_events *events)
{
    if (!prf_frame_eval_stop(PRF_FRAME_EVAL_CALLS)) {
        events->replaced = true;
    }
    frame_eval_active = NULL;
    frame_eval_serial++;
    frame_eval_release();
}

bool
prf_call_frame_starting(const struct prf_call_thread *thread, const PyCodeObject *code)
{
    _PyInterpreterFrame *frame = thread->frame;
    return _PyInterpreterFrame_LASTI(frame) <= code->_co_firsttraceable;
}

PyObject *
prf_call_frame_local(const struct prf_call_thread *thread, const PyCodeObject *code,
                     int place)
{
    _PyInterpreterFrame *frame = thread->frame;
    PyObject *value = frame->localsplus[place];
    const char *kinds = PyBytes_AS_STRING(code->co_localspluskinds);
    /* A generator has made its cells when its body starts. */
    bool cells = (code->co_flags & PRF_FRAME_EVAL_GENERATORS) != 0;
    if (cells && (kinds[place] & CO_FAST_CELL) && value != NULL &&
        PyCell_Check(value)) {
        value = PyCell_GET(value);
    }
    return Py_XNewRef(value);
}

#if !PRF_HAVE_MONITORING

bool
prf_call_source_starting(const struct prf_call_thread *thread, const PyCodeObject *code)
{
    return prf_call_frame_starting(thread, code);
}

PyObject *
prf_call_source_local(const struct prf_call_thread *thread, const PyCodeObject *code,
                      PyObject *Py_UNUSED(name), int place)
{
    return prf_call_frame_local(thread, code, place);
}

#endif

const struct prf_call_source prf_call_frame_eval = {
    .start = frame_eval_start,
    .stop = frame_eval_stop,
};
