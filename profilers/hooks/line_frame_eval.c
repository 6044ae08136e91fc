/* Line events before sys.monitoring. A trace function slows down every bytecode of the
   threads that have one, so it is switched on for the frames of chosen functions alone,
   by replacing the evaluation of frames (PEP 523). The trace function has no object:
   sys.gettrace() in the case says None, and a case that sets its own takes the place.
 */
#define Py_BUILD_CORE_MODULE 1
#include "line_source.h"

#if PRF_HAVE_FRAME_EVAL

#include "frame_eval.h"

/* Protected by the GIL. Frames that return after the end of their start must not touch
   its threads: they may be gone. */
static struct prf_line_events *line_eval_active;
static uint64_t line_eval_serial;

static int
line_eval_trace(PyObject *Py_UNUSED(self), PyFrameObject *frame, int what,
                PyObject *Py_UNUSED(arg))
{
    struct prf_line_events *events = line_eval_active;
    if (what != PyTrace_LINE || events == NULL) {
        return 0;
    }
    struct prf_line_thread *thread = prf_line_thread_get(events, prf_thread_state());
    if (thread != NULL) {
        prf_line_at(thread, frame->f_frame->f_code, frame->f_lineno);
    }
    return 0;
}

/* Have lines traced in the frames below `cframe` from now on, unless the case has its
   own trace function in place. */
static inline void
line_eval_trace_on(struct prf_line_events *events, PyThreadState *tstate)
{
    if (tstate->c_tracefunc == NULL) {
        tstate->c_tracefunc = line_eval_trace;
    } else if (tstate->c_tracefunc != line_eval_trace) {
        events->replaced = true;
        return;
    }
    tstate->cframe->use_tracing = 255;
}

static inline bool
line_eval_ours_alone(const PyThreadState *tstate)
{
    return tstate->c_tracefunc == line_eval_trace && tstate->c_profilefunc == NULL;
}

/* A frame takes the flag over from its caller when it starts, and hands it back when it
   ends. */
static PyObject *
line_eval_chosen(PyThreadState *tstate, _PyInterpreterFrame *frame, int throwflag,
                 struct prf_line_thread *thread, struct prf_line_code *code)
{
    struct prf_line_events *events = thread->events;
    uint64_t serial = line_eval_serial;
    uint8_t before = tstate->cframe->use_tracing;
    bool begins =
        frame->owner == FRAME_OWNED_BY_THREAD || _PyInterpreterFrame_LASTI(frame) < 0;
    long offset = begins ? -1 : (long)_PyInterpreterFrame_LASTI(frame) * 2;
    prf_line_enter(thread, code, offset);
    line_eval_trace_on(events, tstate);
    PyObject *result = _PyEval_EvalFrameDefault(tstate, frame, throwflag);
    if (serial != line_eval_serial) {
        return result;
    }
    prf_line_leave(thread, code->code);
    if (tstate->c_tracefunc == line_eval_trace) {
        if (tstate->c_profilefunc == NULL) {
            tstate->cframe->use_tracing = before;
        }
    } else {
        events->replaced = true;
        if (tstate->c_tracefunc == NULL && before != 0) {
            line_eval_trace_on(events, tstate); /* the caller is a chosen one */
        }
    }
    return result;
}

static inline PyObject *
line_eval_other(PyThreadState *tstate, _PyInterpreterFrame *frame, int throwflag)
{
    uint8_t before = tstate->cframe->use_tracing;
    if (before == 0 || !line_eval_ours_alone(tstate)) {
        return _PyEval_EvalFrameDefault(tstate, frame, throwflag);
    }
    tstate->cframe->use_tracing = 0;
    PyObject *result = _PyEval_EvalFrameDefault(tstate, frame, throwflag);
    if (line_eval_active == NULL) {
        return result;
    }
    if (tstate->c_tracefunc == NULL) {
        line_eval_active->replaced = true;
        line_eval_trace_on(line_eval_active, tstate);
    } else if (tstate->c_tracefunc == line_eval_trace) {
        tstate->cframe->use_tracing = before;
    }
    return result;
}

static PyObject *
line_eval_hook(PyThreadState *tstate, _PyInterpreterFrame *frame, int throwflag)
{
    struct prf_line_events *events = line_eval_active;
    PyCodeObject *code = frame->f_code;
    if (events == NULL || tstate->tracing || prf_frame_eval_makes_generator(frame)) {
        return _PyEval_EvalFrameDefault(tstate, frame, throwflag);
    }
    struct prf_line_thread *thread = prf_line_thread_get(events, tstate);
    if (thread == NULL) {
        events->ops->lost(events->user);
        return _PyEval_EvalFrameDefault(tstate, frame, throwflag);
    }
    if (prf_frame_eval_stack_low(&thread->stack_floor)) {
        return NULL;
    }
    prf_frame_eval_seen(frame);
    struct prf_line_code *known = prf_line_known(code);
    if (!prf_line_is_code(known)) {
        known = known == prf_line_refused(events)
                    ? NULL
                    : prf_line_first_look(thread, code, frame->f_globals);
    }
    return known ? line_eval_chosen(tstate, frame, throwflag, thread, known)
                 : line_eval_other(tstate, frame, throwflag);
}

static int
line_eval_start(struct prf_line_events *events, struct prf_error *err)
{
    if (PyThreadState_Get()->c_tracefunc != NULL) {
        return prf_fail(err, PRF_EUNAVAILABLE,
                        "a trace function is set already (sys.settrace, coverage or a "
                        "debugger); remove it");
    }
    int rc = prf_frame_eval_start(line_eval_hook, err);
    if (rc < 0) {
        return rc;
    }
    /* Finding the stack is slow: not in the measured region. */
    struct prf_line_thread *thread = prf_line_thread_get(events, PyThreadState_Get());
    if (thread != NULL) {
        thread->stack_floor = prf_frame_eval_floor();
    }
    line_eval_active = events;
    line_eval_serial++;
    return 0;
}

static void
line_eval_stop(struct prf_line_events *events)
{
    PyThreadState *tstate = PyInterpreterState_ThreadHead(PyInterpreterState_Get());
    for (; tstate != NULL; tstate = PyThreadState_Next(tstate)) {
        if (tstate->c_tracefunc == line_eval_trace) {
            tstate->c_tracefunc = NULL;
            tstate->cframe->use_tracing = tstate->c_profilefunc != NULL ? 255 : 0;
        } else if (tstate->c_tracefunc != NULL) {
            events->replaced = true;
        }
    }
    if (!prf_frame_eval_stop(line_eval_hook)) {
        events->replaced = true;
    }
    line_eval_active = NULL;
    line_eval_serial++;
}

const struct prf_line_source prf_line_frame_eval = {
    .start = line_eval_start,
    .stop = line_eval_stop,
};

#endif
