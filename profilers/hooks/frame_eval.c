/* Replacing the evaluation of frames: see frame_eval.h. */
#define Py_BUILD_CORE_MODULE 1
#define _GNU_SOURCE 1 /* dladdr */
#include "frame_eval.h"

#include <dlfcn.h>
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

/* By place; NULL: free. Protected by the GIL. */
static _PyFrameEvalFunction frame_eval_hooks[2];
static _PyFrameEvalFunction frame_eval_known[2]; /* that were there once */
_PyFrameEvalFunction prf_frame_eval_below = _PyEval_EvalFrameDefault;

/* What the interpreter has while nobody else is there. */
static _PyFrameEvalFunction
frame_eval_top(void)
{
    _PyFrameEvalFunction calls = frame_eval_hooks[PRF_FRAME_EVAL_CALLS];
    return calls != NULL ? calls : prf_frame_eval_below;
}

/* A tool that put back what it had found may leave one of ours behind: it does nothing
   then. */
static bool
frame_eval_is_free(_PyFrameEvalFunction there)
{
    return there == _PyEval_EvalFrameDefault ||
           there == frame_eval_known[PRF_FRAME_EVAL_CALLS] ||
           there == frame_eval_known[PRF_FRAME_EVAL_LINES];
}

static void
frame_eval_place(enum prf_frame_eval_place place, _PyFrameEvalFunction hook)
{
    frame_eval_hooks[place] = hook;
    frame_eval_known[place] = hook != NULL ? hook : frame_eval_known[place];
    _PyFrameEvalFunction lines = frame_eval_hooks[PRF_FRAME_EVAL_LINES];
    prf_frame_eval_below = lines != NULL ? lines : _PyEval_EvalFrameDefault;
}

/* Whose evaluation it is can be told from where its code lies. */
static int
frame_eval_refuse_foreign(_PyFrameEvalFunction foreign, struct prf_error *err)
{
    Dl_info where = {0};
    union {
        _PyFrameEvalFunction function;
        void *address;
    } holder = {foreign};
    bool found = dladdr(holder.address, &where) != 0 && where.dli_fname != NULL;
    return prf_fail(
        err, PRF_EUNAVAILABLE,
        "the evaluation of frames (PEP 523) is held by %s%s%s (a debugger or "
        "a compiler); remove it, or start the profiler before it",
        found ? "'" : "another tool", found ? where.dli_fname : "", found ? "'" : "");
}

int
prf_frame_eval_start(enum prf_frame_eval_place place, _PyFrameEvalFunction hook,
                     struct prf_error *err)
{
    PyInterpreterState *interp = PyInterpreterState_Get();
    _PyFrameEvalFunction there = _PyInterpreterState_GetEvalFrameFunc(interp);
    if (!frame_eval_is_free(there)) {
        return frame_eval_refuse_foreign(there, err);
    }
    if (frame_eval_hooks[place] != NULL) {
        return prf_fail(
            err, PRF_EUNAVAILABLE,
            "the evaluation of frames (PEP 523) is held by another profiler "
            "of pyprofiler; stop it first");
    }
    int rc = prf_inlining_forbid(err);
    if (rc < 0) {
        return rc;
    }
    frame_eval_raise_stack_limit();
    frame_eval_place(place, hook);
    _PyInterpreterState_SetEvalFrameFunc(interp, frame_eval_top());
    return 0;
}

PyCodeObject *(*prf_frame_eval_original)(PyCodeObject *code);
Py_tracefunc prf_frame_eval_trace;

bool
prf_frame_eval_stop(enum prf_frame_eval_place place)
{
    PyInterpreterState *interp = PyInterpreterState_Get();
    bool ours = _PyInterpreterState_GetEvalFrameFunc(interp) == frame_eval_top();
    prf_inlining_allow();
    frame_eval_place(place, NULL);
    if (ours) {
        _PyInterpreterState_SetEvalFrameFunc(interp, frame_eval_top());
    }
    return ours;
}
