/* Replacing the evaluation of frames: see frame_eval.h. */
#define Py_BUILD_CORE_MODULE 1
#include "frame_eval.h"

#if PRF_HAVE_FRAME_EVAL

#include <pthread.h>
#include <sys/resource.h>

#define FRAME_EVAL_RESERVE (256u << 10) /* left for what a frame may call in C */
#define FRAME_EVAL_STACK (96u << 20)    /* asked for: at 1 KB a call 90,000 deep */

#define FRAME_EVAL_FIRST_VERSION 0x70000000u /* no function has it by itself */

PyObject *prf_frame_eval_getitem;

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
    return (uintptr_t)base + FRAME_EVAL_RESERVE;
}

bool
prf_frame_eval_refuse(void)
{
    PyErr_SetString(PyExc_RecursionError,
                    "no C stack left for a deeper recursion under the profiler");
    return true;
}

/* The specialised form needs a function version of 16 bits: one beyond them undoes and
   forbids it. */
void
prf_frame_eval_forbid_inlining(PyFunctionObject *function)
{
    static uint32_t next_version = FRAME_EVAL_FIRST_VERSION; /* protected by the GIL */
    if (function->func_version < FRAME_EVAL_FIRST_VERSION) {
        function->func_version = next_version++;
    }
}

/* The same for all classes that are there now, from `type` down. */
static void
frame_eval_forbid_below(PyTypeObject *type)
{
    PyObject *getitem =
        type->tp_dict ? PyDict_GetItem(type->tp_dict, prf_frame_eval_getitem) : NULL;
    if (getitem != NULL && PyFunction_Check(getitem)) {
        prf_frame_eval_forbid_inlining((PyFunctionObject *)getitem);
    }
    PyObject *list =
        PyObject_CallMethod((PyObject *)&PyType_Type, "__subclasses__", "O", type);
    for (Py_ssize_t i = 0; list != NULL && i < PyList_GET_SIZE(list); i++) {
        frame_eval_forbid_below((PyTypeObject *)PyList_GET_ITEM(list, i));
    }
    PyErr_Clear();
    Py_XDECREF(list);
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
    if (prf_frame_eval_getitem == NULL &&
        (prf_frame_eval_getitem = PyUnicode_InternFromString("__getitem__")) == NULL) {
        PyErr_Clear();
        return prf_fail(err, PRF_ENOMEM, "no memory for frame evaluation");
    }
    frame_eval_forbid_below(&PyBaseObject_Type);
    frame_eval_raise_stack_limit();
    _PyInterpreterState_SetEvalFrameFunc(interp, hook);
    return 0;
}

bool
prf_frame_eval_stop(_PyFrameEvalFunction hook)
{
    PyInterpreterState *interp = PyInterpreterState_Get();
    if (_PyInterpreterState_GetEvalFrameFunc(interp) != hook) {
        return false;
    }
    _PyInterpreterState_SetEvalFrameFunc(interp, _PyEval_EvalFrameDefault);
    return true;
}

#endif
