/* Line events before sys.monitoring. A trace function slows down every bytecode of the
   threads that have one, and is asked at each. So the frames of chosen functions run a
   copy of their code that tells by itself when a line begins (line_rewrite.h), which
   replacing the evaluation of frames (PEP 523) lets us put there.

   Frames for which that cannot be done (a generator from before the start, a frame that
   ran already) have a trace function, switched on for them alone. It has no object:
   sys.gettrace() in the case says None, and a case that sets its own takes the place.

   While a thread has such a function of the case, what begins there runs its own code,
   uncounted: debuggers compare frame.f_code with that of the function. */
#define Py_BUILD_CORE_MODULE 1
#include "line_source.h"

#if !PRF_HAVE_MONITORING

#include <stdlib.h>

#include "frame_eval.h"
#include "line_rewrite.h"

/* Protected by the GIL. Frames that return after the end of their start must not touch
   its threads: they may be gone. */
static struct prf_line_events *line_eval_active;
static uint64_t line_eval_serial;

/* --- frames that tell by themselves --- */

/* What stands in the copy's constants for a line. */
struct line_probe {
    PyObject_HEAD struct prf_line_code *code; /* NULL: the session is over */
    int line;
};

/* What is kept of a chosen function. */
struct line_copy {
    PyCodeObject *code;         /* strong: with probes */
    int *line_at;               /* by its instructions; malloc'ed */
    struct line_probe **probes; /* strong, one for each line or NULL */
};

static PyTypeObject *line_probe_type; /* made once, for good */

static PyObject *
line_probe_tell(PyObject *self)
{
    struct line_probe *probe = (struct line_probe *)self;
    struct prf_line_events *events = line_eval_active;
    if (events != NULL && probe->code != NULL) {
        struct prf_line_thread *thread =
            prf_line_thread_get(events, prf_thread_state());
        struct prf_line_frame *frame = thread ? prf_line_top(thread) : NULL;
        if (frame != NULL && frame->code == probe->code) {
            prf_line_to(thread, frame, probe->line);
        }
    }
    Py_RETURN_NONE;
}

static PyType_Slot line_probe_slots[] = {{Py_nb_invert, line_probe_tell}, {0, NULL}};

static PyType_Spec line_probe_spec = {
    .name = "pyprofiler.line_probe",
    .basicsize = sizeof(struct line_probe),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = line_probe_slots,
};

static PyObject *
line_probe_new(struct prf_line_code *code, int line)
{
    struct line_copy *copy = code->source;
    struct line_probe *probe =
        (struct line_probe *)PyType_GenericAlloc(line_probe_type, 0);
    if (probe != NULL) {
        probe->code = code;
        probe->line = line;
        copy->probes[line] = (struct line_probe *)Py_NewRef(probe);
    }
    return (PyObject *)probe;
}

/* Generators may go on with the copy long after the session. */
static void
line_eval_release(struct prf_line_code *code)
{
    struct line_copy *copy = code->source;
    if (copy == NULL) {
        return;
    }
    for (int i = 0; copy->probes != NULL && i < code->n_lines; i++) {
        if (copy->probes[i] != NULL) {
            copy->probes[i]->code = NULL;
            Py_DECREF(copy->probes[i]);
        }
    }
    Py_XDECREF(copy->code);
    free(copy->probes);
    free(copy->line_at);
    free(copy);
    code->source = NULL;
}

/* Without a copy the function is traced. */
static int
line_eval_copy(struct prf_line_events *Py_UNUSED(events), struct prf_line_code *code)
{
    struct line_copy *copy = calloc(1, sizeof(*copy));
    code->source = copy;
    if (copy == NULL) {
        return 0;
    }
    copy->probes = calloc((size_t)code->n_lines + 1, sizeof(void *));
    if (copy->probes != NULL) {
        copy->code = prf_line_rewrite(code, line_probe_new, &copy->line_at);
    }
    if (copy->code == NULL) {
        line_eval_release(code);
    }
    PyErr_Clear();
    return 0;
}

static PyCodeObject *
line_eval_copy_of(const struct prf_line_code *code)
{
    const struct line_copy *copy = code->source;
    return copy ? copy->code : NULL;
}

/* For the hook of the calls. */
static PyCodeObject *
line_eval_original(PyCodeObject *code)
{
    struct prf_line_code *known = prf_line_known(code);
    return prf_line_is_code(known) ? known->code : code;
}

/* A frame that is about to begin gets the copy, and the place on the stack that it
   needs more: the frame is the last one on the thread's stack. */
static inline bool
line_eval_use_copy(PyThreadState *tstate, _PyInterpreterFrame *frame,
                   const struct prf_line_code *code)
{
    const struct line_copy *copy = code->source;
    if (copy == NULL || tstate->datastack_top + 1 >= tstate->datastack_limit) {
        return false;
    }
    tstate->datastack_top++;
    Py_INCREF(copy->code);
    Py_SETREF(frame->f_code, copy->code);
    frame->prev_instr = _PyCode_CODE(copy->code) - 1;
    return true;
}

/* A generator's frame is made to the size that its function's code says. */
static PyObject *
line_eval_make_generator(PyThreadState *tstate, _PyInterpreterFrame *frame,
                         int throwflag, struct prf_line_code *code)
{
    PyFunctionObject *function = (PyFunctionObject *)Py_NewRef(frame->f_func);
    PyObject *original = function->func_code;
    if (original != (PyObject *)code->code ||
        !line_eval_use_copy(tstate, frame, code)) {
        Py_DECREF(function);
        return _PyEval_EvalFrameDefault(tstate, frame, throwflag);
    }
    function->func_code = Py_NewRef(frame->f_code);
    PyObject *result = _PyEval_EvalFrameDefault(tstate, frame, throwflag);
    Py_SETREF(function->func_code, original);
    Py_DECREF(function);
    return result;
}

/* --- frames that are traced --- */

static int
line_eval_trace(PyObject *Py_UNUSED(self), PyFrameObject *frame, int what,
                PyObject *Py_UNUSED(arg))
{
    struct prf_line_events *events = line_eval_active;
    if ((what != PyTrace_LINE && what != PyTrace_RETURN) || events == NULL) {
        return 0;
    }
    struct prf_line_thread *thread = prf_line_thread_get(events, prf_thread_state());
    struct prf_line_frame *top = thread ? prf_line_top(thread) : NULL;
    PyCodeObject *code = frame->f_frame->f_code;
    if (top != NULL && what == PyTrace_LINE) {
        prf_line_at(thread, code, frame->f_lineno);
    } else if (top != NULL && top->open && top->code->code == code) {
        prf_line_leave(thread, code); /* nobody else sees it */
    }
    return 0;
}

/* A debugger, or another tool of the case, that could notice the copy. */
static inline bool
line_eval_foreign(const PyThreadState *tstate)
{
    return tstate->c_tracefunc != NULL && tstate->c_tracefunc != line_eval_trace;
}

/* Have lines traced in the frames that begin now, unless the case has its own trace
   function in place. */
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

/* Evaluate without our trace function, if it is on. A frame takes the flag over from
   its caller when it starts, and hands it back when it ends. */
static inline PyObject *
line_eval_untraced(PyThreadState *tstate, _PyInterpreterFrame *frame, int throwflag)
{
    if (__builtin_expect(tstate->c_tracefunc != line_eval_trace, 1)) {
        return _PyEval_EvalFrameDefault(tstate, frame, throwflag);
    }
    uint64_t serial = line_eval_serial;
    uint8_t before = tstate->cframe->use_tracing;
    tstate->c_tracefunc = NULL;
    if (tstate->c_profilefunc == NULL) {
        tstate->cframe->use_tracing = 0;
    }
    PyObject *result = _PyEval_EvalFrameDefault(tstate, frame, throwflag);
    if (serial != line_eval_serial) {
        return result;
    }
    if (tstate->c_tracefunc == NULL) {
        tstate->c_tracefunc = line_eval_trace;
        tstate->cframe->use_tracing = before;
    } else {
        line_eval_active->replaced = true;
    }
    return result;
}

static PyObject *
line_eval_traced(PyThreadState *tstate, _PyInterpreterFrame *frame, int throwflag,
                 struct prf_line_events *events)
{
    uint64_t serial = line_eval_serial;
    uint8_t before = tstate->cframe->use_tracing;
    line_eval_trace_on(events, tstate);
    PyObject *result = _PyEval_EvalFrameDefault(tstate, frame, throwflag);
    if (serial != line_eval_serial) {
        return result;
    }
    if (tstate->c_tracefunc == line_eval_trace) {
        if (tstate->c_profilefunc == NULL) {
            tstate->cframe->use_tracing = before;
        }
    } else {
        events->replaced = true;
        if (tstate->c_tracefunc == NULL && before != 0) {
            line_eval_trace_on(events, tstate); /* the caller is traced too */
        }
    }
    return result;
}

/* --- both --- */

/* Where a frame goes on; -1: it begins. */
static inline int
line_eval_line(const _PyInterpreterFrame *frame, const struct prf_line_code *code)
{
    long at = (long)_PyInterpreterFrame_LASTI(frame);
    if (frame->owner == FRAME_OWNED_BY_THREAD || at < 0) {
        return -1;
    }
    const struct line_copy *copy = code->source;
    return frame->f_code == code->code ? code->line_at[at] : copy->line_at[at];
}

static PyObject *
line_eval_chosen(PyThreadState *tstate, _PyInterpreterFrame *frame, int throwflag,
                 struct prf_line_thread *thread, struct prf_line_code *code)
{
    uint64_t serial = line_eval_serial;
    PyObject *result;
    prf_line_enter(thread, code, line_eval_line(frame, code));
    if (frame->f_code != code->code || (frame->owner == FRAME_OWNED_BY_THREAD &&
                                        line_eval_use_copy(tstate, frame, code))) {
        result = line_eval_untraced(tstate, frame, throwflag);
    } else {
        result = line_eval_traced(tstate, frame, throwflag, thread->events);
    }
    if (serial == line_eval_serial) {
        prf_line_leave(thread, code->code);
    }
    return result;
}

static PyObject *
line_eval_hook(PyThreadState *tstate, _PyInterpreterFrame *frame, int throwflag)
{
    struct prf_line_events *events = line_eval_active;
    PyCodeObject *code = frame->f_code;
    if (events == NULL || tstate->tracing) {
        return _PyEval_EvalFrameDefault(tstate, frame, throwflag);
    }
    struct prf_line_thread *thread = prf_line_thread_get(events, tstate);
    if (thread == NULL) {
        events->ops->lost(events->user);
        return _PyEval_EvalFrameDefault(tstate, frame, throwflag);
    }
    if (prf_frame_eval_stack_low(&thread->stack_floor)) {
        prf_frame_eval_refuse();
        return NULL;
    }
    prf_inlining_seen(frame);
    struct prf_line_code *known = prf_line_known(code);
    if (!prf_line_is_code(known)) {
        known = known == prf_line_refused(events)
                    ? NULL
                    : prf_line_first_look(thread, code, frame->f_globals);
    }
    if (known == NULL) {
        return line_eval_untraced(tstate, frame, throwflag);
    }
    if (line_eval_foreign(tstate) && frame->f_code == known->code) {
        events->set_aside = true;
        return _PyEval_EvalFrameDefault(tstate, frame, throwflag);
    }
    if (prf_frame_eval_makes_generator(frame)) {
        return line_eval_make_generator(tstate, frame, throwflag, known);
    }
    return line_eval_chosen(tstate, frame, throwflag, thread, known);
}

static int
line_eval_start(struct prf_line_events *events, struct prf_error *err)
{
    if (line_probe_type == NULL) {
        line_probe_type = (PyTypeObject *)PyType_FromSpec(&line_probe_spec);
    }
    if (line_probe_type == NULL) {
        PyErr_Clear();
        return prf_fail(err, PRF_ENOMEM, "no memory for the type of lines");
    }
    int rc = prf_frame_eval_start(PRF_FRAME_EVAL_LINES, line_eval_hook, err);
    if (rc < 0) {
        return rc;
    }
    /* Finding the stack is slow: not in the measured region. */
    struct prf_line_thread *thread = prf_line_thread_get(events, PyThreadState_Get());
    if (thread != NULL) {
        thread->stack_floor = prf_frame_eval_floor();
    }
    prf_frame_eval_original = line_eval_original;
    prf_frame_eval_trace = line_eval_trace;
    line_eval_active = events;
    line_eval_serial++;
    return 0;
}

static bool
line_eval_open(struct prf_line_events *events, PyThreadState *tstate)
{
    if (line_eval_foreign(tstate)) {
        events->set_aside = true;
        return false;
    }
    tstate->c_tracefunc = line_eval_trace;
    tstate->cframe->use_tracing = 255;
    return true;
}

static void
line_eval_stop(struct prf_line_events *events)
{
    PyThreadState *tstate = PyInterpreterState_ThreadHead(PyInterpreterState_Get());
    for (; tstate != NULL; tstate = PyThreadState_Next(tstate)) {
        if (tstate->c_tracefunc == line_eval_trace) {
            tstate->c_tracefunc = NULL;
            tstate->cframe->use_tracing = tstate->c_profilefunc != NULL ? 255 : 0;
        }
    }
    if (!prf_frame_eval_stop(PRF_FRAME_EVAL_LINES)) {
        events->replaced = true;
    }
    prf_frame_eval_original = NULL;
    line_eval_active = NULL;
    line_eval_serial++;
}

const struct prf_line_source prf_line_frame_eval = {
    .start = line_eval_start,
    .stop = line_eval_stop,
    .chosen = line_eval_copy,
    .release = line_eval_release,
    .copy = line_eval_copy_of,
    .open = line_eval_open,
};

#endif
