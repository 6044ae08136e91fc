/* Replacing the evaluation of frames: see frame_eval.h. */
#define Py_BUILD_CORE_MODULE 1
#include "frame_eval.h"

#include <pthread.h>
#include <sys/resource.h>

#define FRAME_EVAL_RESERVE (1u << 20) /* left for what a frame may call in C */
#define FRAME_EVAL_STACK (96u << 20)  /* asked for: at 1 KB a call 90,000 deep */

uintptr_t
prf_frame_eval_floor(void)
{
    pthread_attr_t attr;
    void *base = NULL;
    size_t size = 0;
    if (pthread_getattr_np(pthread_self(), &attr) == 0) {
        pthread_attr_getstack(&attr, &base, &size);
        pthread_attr_destroy(&attr);
    }
    return (uintptr_t)base +
           (size / 2 < FRAME_EVAL_RESERVE ? size / 2 : FRAME_EVAL_RESERVE);
}

void
prf_frame_eval_refuse(void)
{
    PyErr_SetString(PyExc_RecursionError,
                    "no C stack left for a deeper recursion under the profiler");
}

/* The main thread's stack grows up to the soft limit of the moment. */
static void
frame_eval_raise_stack_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_STACK, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY &&
        limit.rlim_cur < FRAME_EVAL_STACK) {
        limit.rlim_cur =
            limit.rlim_max < FRAME_EVAL_STACK ? limit.rlim_max : FRAME_EVAL_STACK;
        setrlimit(RLIMIT_STACK, &limit);
    }
}

int
prf_frame_eval_start(_PyFrameEvalFunction hook, struct prf_error *err)
{
    PyInterpreterState *interp = PyInterpreterState_Get();
    if (_PyInterpreterState_GetEvalFrameFunc(interp) != _PyEval_EvalFrameDefault) {
        return prf_fail(err, PRF_EUNAVAILABLE,
                        "another tool evaluates the frames (PEP 523: a debugger or a "
                        "compiler); remove it");
    }
    int rc = prf_inlining_forbid(err);
    if (rc < 0) {
        return rc;
    }
    frame_eval_raise_stack_limit();
    _PyInterpreterState_SetEvalFrameFunc(interp, hook);
    return 0;
}

bool
prf_frame_eval_stop(_PyFrameEvalFunction hook)
{
    PyInterpreterState *interp = PyInterpreterState_Get();
    prf_inlining_allow();
    if (_PyInterpreterState_GetEvalFrameFunc(interp) != hook) {
        return false;
    }
    _PyInterpreterState_SetEvalFrameFunc(interp, _PyEval_EvalFrameDefault);
    return true;
}
