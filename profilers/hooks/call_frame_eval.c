/* Call events of Python functions alone, by replacing the evaluation of frames (PEP 523).
   A third of the cost of a profile function, which also slows down every bytecode on 3.11.

   In exchange every Python call nests C frames: see frame_eval_stack_low. The only file
   that looks inside the interpreter. */
#define Py_BUILD_CORE_MODULE 1
#include "call_source.h"

#if PRF_HAVE_FRAME_EVAL

#include <internal/pycore_frame.h>
#include <pthread.h>
#include <sys/resource.h>

#define FRAME_EVAL_RESERVE (256u << 10) /* left for what a frame may call in C */
#define FRAME_EVAL_STACK (512u << 20)   /* asked for: 1 KB a call, limits up to 400,000 */

/* Protected by the GIL. Frames that were entered under an earlier start, or return after
   the end of theirs, must not touch its threads: they may be gone. */
static struct prf_call_events *frame_eval_active;
static uint64_t frame_eval_serial;

/* The lowest address that the calling thread may use, with the reserve. */
static uintptr_t
frame_eval_find_floor(void)
{
    pthread_attr_t attr;
    void *base = NULL;
    size_t size = 0;
    if (pthread_getattr_np(pthread_self(), &attr) == 0) {
        pthread_attr_getstack(&attr, &base, &size);
        pthread_attr_destroy(&attr);
    }
    return (uintptr_t)base + FRAME_EVAL_RESERVE;
}

/* Python's own limit counts calls, not bytes. Without us Python calls take no C stack, so
   a case may raise sys.setrecursionlimit as far as it likes. */
static inline bool
frame_eval_stack_low(struct prf_call_thread *thread)
{
    char here;
    if (__builtin_expect(thread->stack_floor == 0, 0)) {
        thread->stack_floor = frame_eval_find_floor();
    }
    return (uintptr_t)&here < thread->stack_floor;
}

static PyObject *
frame_eval_hook(PyThreadState *tstate, struct _PyInterpreterFrame *frame, int throwflag)
{
    struct prf_call_events *events = frame_eval_active;
    struct prf_call_thread *thread =
        events ? prf_call_thread_get(events, tstate) : NULL;
    if (thread == NULL) {
        return _PyEval_EvalFrameDefault(tstate, frame, throwflag);
    }
    if (frame_eval_stack_low(thread)) {
        PyErr_SetString(PyExc_RecursionError,
                        "no C stack left under 'call --ignore-c-function'");
        return NULL;
    }
    uint64_t serial = frame_eval_serial;
    PyCodeObject *code = frame->f_code; /* held by the registry once it was entered */
    events->ops->enter_python(thread, code);
    PyObject *result = _PyEval_EvalFrameDefault(tstate, frame, throwflag);
    if (serial == frame_eval_serial) {
        events->ops->leave_python(thread, code);
    }
    return result;
}

/* The main thread's stack grows up to the soft limit of the moment. */
static void
frame_eval_raise_stack_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_STACK, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY &&
        limit.rlim_cur < FRAME_EVAL_STACK) {
        limit.rlim_cur = limit.rlim_max < FRAME_EVAL_STACK ? limit.rlim_max
                                                           : FRAME_EVAL_STACK;
        setrlimit(RLIMIT_STACK, &limit);
    }
}

static int
frame_eval_start(struct prf_call_events *events, struct prf_error *err)
{
    PyInterpreterState *interp = PyInterpreterState_Get();
    if (_PyInterpreterState_GetEvalFrameFunc(interp) != _PyEval_EvalFrameDefault) {
        return prf_fail(err, PRF_EUNAVAILABLE,
                        "another tool evaluates the frames (PEP 523: a debugger or a "
                        "compiler); remove it, or leave out --ignore-c-function");
    }
    frame_eval_raise_stack_limit();
    frame_eval_active = events;
    frame_eval_serial++;
    _PyInterpreterState_SetEvalFrameFunc(interp, frame_eval_hook);
    return 0;
}

static void
frame_eval_stop(struct prf_call_events *events)
{
    PyInterpreterState *interp = PyInterpreterState_Get();
    if (_PyInterpreterState_GetEvalFrameFunc(interp) == frame_eval_hook) {
        _PyInterpreterState_SetEvalFrameFunc(interp, _PyEval_EvalFrameDefault);
    }
    else {
        events->replaced = true;
    }
    frame_eval_active = NULL;
    frame_eval_serial++;
}

const struct prf_call_source prf_call_frame_eval = {
    .start = frame_eval_start,
    .stop = frame_eval_stop,
};

#endif
