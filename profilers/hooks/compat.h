/* What differs between CPython versions, under names of our own. The only file that may
   look at PY_VERSION_HEX: the rest asks for a feature (PRF_HAVE_...) or calls a
   function from here. */
#ifndef PRF_COMPAT_H
#define PRF_COMPAT_H

#include <Python.h>

#include <stdbool.h>
#include <stdint.h>

/* major << 8 | minor of the headers this is compiled with. */
#define PRF_PYTHON_COMPILED (PY_VERSION_HEX >> 16)

/* sys.monitoring (PEP 669); before it there is PyEval_SetProfile for each thread. */
#if PY_VERSION_HEX >= 0x030C0000
#define PRF_HAVE_MONITORING 1
#else
#define PRF_HAVE_MONITORING 0
#endif

/* Specialised bytecode that enters frames past a replaced frame evaluation (PEP 523):
   see inlining.h. */
#define PRF_HAVE_INLINED_GETITEM (PY_VERSION_HEX < 0x030C0000)
#define PRF_HAVE_INLINED_INIT (PY_VERSION_HEX >= 0x030D0000)

/* The code of a struct _PyInterpreterFrame, for files that may look into it. */
#if PY_VERSION_HEX >= 0x030D0000
#define PRF_FRAME_CODE(frame) ((PyCodeObject *)(frame)->f_executable)
#else
#define PRF_FRAME_CODE(frame) ((frame)->f_code)
#endif

/* The instruction that a frame is at, the next or the one before: inside its code. */
#if PY_VERSION_HEX >= 0x030D0000
#define PRF_FRAME_INSTR(frame) ((frame)->instr_ptr)
#else
#define PRF_FRAME_INSTR(frame) ((frame)->prev_instr)
#endif

/* A frame of the interpreter's own between evaluations, without code of anybody's. */
#if PY_VERSION_HEX >= 0x030C0000
#define PRF_FRAME_IS_SHIM(frame) ((frame)->owner == FRAME_OWNED_BY_CSTACK)
#else
#define PRF_FRAME_IS_SHIM(frame) false
#endif

/* The innermost frame of a thread. */
#if PY_VERSION_HEX >= 0x030D0000
#define PRF_THREAD_FRAME(tstate) ((tstate)->current_frame)
#else
#define PRF_THREAD_FRAME(tstate) ((tstate)->cframe->current_frame)
#endif

/* Does the thread hold the GIL now? Asked without it; for files that may look inside. */
#if PY_VERSION_HEX >= 0x030D0000
#define PRF_THREAD_HOLDS_GIL(tstate) ((tstate)->_status.holds_gil)
#elif PY_VERSION_HEX >= 0x030C0000
#define PRF_THREAD_HOLDS_GIL(tstate) ((tstate)->_status.active)
#else
#define PRF_THREAD_HOLDS_GIL(tstate)                                                   \
    ((uintptr_t)(tstate) ==                                                            \
     _Py_atomic_load_relaxed(&_PyRuntime.gilstate.tstate_current))
#endif

/* After Py_AddPendingCall on a thread without the GIL: before 3.13 only one that Python's
   main thread made lets it leave its bytecode. For files that may look inside. */
#if PY_VERSION_HEX >= 0x030D0000
#define PRF_BREAK_EVALUATION(interp) ((void)(interp))
#else
#define PRF_BREAK_EVALUATION(interp)                                                   \
    _Py_atomic_store_relaxed(&(interp)->ceval.eval_breaker, 1)
#endif

/* While it is held no thread state is added or removed. No GIL needed; never wait for
   anything meanwhile. */
#if PY_VERSION_HEX >= 0x030D0000
#define PRF_THREADS_LOCK() PyMutex_Lock(&_PyRuntime.interpreters.mutex)
#define PRF_THREADS_UNLOCK() PyMutex_Unlock(&_PyRuntime.interpreters.mutex)
#else
#define PRF_THREADS_LOCK()                                                             \
    PyThread_acquire_lock(_PyRuntime.interpreters.mutex, WAIT_LOCK)
#define PRF_THREADS_UNLOCK() PyThread_release_lock(_PyRuntime.interpreters.mutex)
#endif

/* The exception that is being raised, put aside: hooks run in the middle of
   generator.throw(), where one may be set. */
struct prf_exception {
#if PY_VERSION_HEX >= 0x030C0000
    PyObject *value;
#else
    PyObject *type, *value, *traceback;
#endif
};

static inline void
prf_exception_save(struct prf_exception *exc)
{
#if PY_VERSION_HEX >= 0x030C0000
    exc->value = PyErr_GetRaisedException();
#else
    PyErr_Fetch(&exc->type, &exc->value, &exc->traceback);
#endif
}

/* Also drops whatever was raised since it was saved. */
static inline void
prf_exception_restore(struct prf_exception *exc)
{
#if PY_VERSION_HEX >= 0x030C0000
    PyErr_SetRaisedException(exc->value);
#else
    PyErr_Restore(exc->type, exc->value, exc->traceback);
#endif
}

/* From 3.12 on an evaluation inside another one counts against a limit for recursion in
   C (1,500 deep in 3.12.1), which Python functions that call each other do not without
   us: so much more of it is allowed while one runs. */
static inline void
prf_recursion_lend(PyThreadState *tstate, int n_units)
{
#if PY_VERSION_HEX >= 0x030C0000
    tstate->c_recursion_remaining += n_units;
#else
    (void)tstate;
    (void)n_units;
#endif
}

/* Whether the limit for recursion in C is near, which a call through a callable of ours
   takes from though the function alone would not. */
static inline bool
prf_recursion_is_low(void)
{
#if PY_VERSION_HEX >= 0x030D0000
    return PyThreadState_GetUnchecked()->c_recursion_remaining < 100;
#elif PY_VERSION_HEX >= 0x030C0000
    return _PyThreadState_UncheckedGet()->c_recursion_remaining < 100;
#else
    return false; /* one limit for all calls */
#endif
}

/* How many units the thread has above `n_units`; not below 0. */
static inline int
prf_recursion_above(const PyThreadState *tstate, int n_units)
{
#if PY_VERSION_HEX >= 0x030C0000
    int above = tstate->c_recursion_remaining - n_units;
    return above > 0 ? above : 0;
#else
    (void)tstate;
    (void)n_units;
    return 0;
#endif
}

#if PY_VERSION_HEX >= 0x030D0000
PyAPI_FUNC(const PyConfig *) _Py_GetConfig(void); /* exported, in no public header */
#endif

/* From 3.13 on Python compares the place of a module with this to hint at a script that
   hides a module by its name. `path0`: what was put first on sys.path. */
static inline void
prf_config_set_path0(PyObject *path0)
{
#if PY_VERSION_HEX >= 0x030D0000
    PyConfig *config = (PyConfig *)_Py_GetConfig();
    Py_ssize_t n = 0;
    wchar_t *text = PyUnicode_AsWideCharString(path0, &n);
    wchar_t *copy = PyMem_RawMalloc(((size_t)n + 1) * sizeof *copy);
    if (text != NULL && copy != NULL && config->sys_path_0 == NULL) {
        memcpy(copy, text, ((size_t)n + 1) * sizeof *copy);
        config->sys_path_0 = copy; /* freed with the rest of it */
        copy = NULL;
    }
    PyMem_Free(text);
    PyMem_RawFree(copy);
    PyErr_Clear();
#else
    (void)path0;
#endif
}

/* The exception that Python printed last, borrowed from sys; NULL: none. */
static inline PyObject *
prf_exception_last(void)
{
#if PY_VERSION_HEX >= 0x030C0000
    return PySys_GetObject("last_exc");
#else
    return PySys_GetObject("last_value");
#endif
}

/* The frames that called us are no callers of what runs from here on. For good: this
   thread must never return into them. */
static inline void
prf_frames_forget(PyThreadState *tstate)
{
#if PY_VERSION_HEX >= 0x030D0000
    tstate->current_frame = NULL;
#else
    tstate->cframe->current_frame = NULL;
#endif
}

/* Take the exception that is set, as one object with its traceback; NULL: none was. */
static inline PyObject *
prf_exception_take(void)
{
#if PY_VERSION_HEX >= 0x030C0000
    return PyErr_GetRaisedException();
#else
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    if (type == NULL) {
        return NULL;
    }
    PyErr_NormalizeException(&type, &value, &traceback);
    if (traceback != NULL) {
        PyException_SetTraceback(value, traceback);
    }
    Py_DECREF(type);
    Py_XDECREF(traceback);
    return value;
#endif
}

/* Something of our own on a code object, by an index of the interpreter's; gone with
   the code. The public names of 3.12. */
#if PY_VERSION_HEX < 0x030C0000
#define PyUnstable_Eval_RequestCodeExtraIndex _PyEval_RequestCodeExtraIndex
#define PyUnstable_Code_GetExtra _PyCode_GetExtra
#define PyUnstable_Code_SetExtra _PyCode_SetExtra
#endif

/* The value of an int that is known to be small: a line or an offset. */
static inline long
prf_small_int(PyObject *number)
{
#if PY_VERSION_HEX >= 0x030C0000
    return (long)PyUnstable_Long_CompactValue((PyLongObject *)number);
#else
    return PyLong_AsLong(number);
#endif
}

/* Between the two, Python code on this thread runs unseen by profilers and tracers. */
static inline void
prf_unseen_enter(PyThreadState *tstate)
{
    PyThreadState_EnterTracing(tstate);
}

static inline void
prf_unseen_leave(PyThreadState *tstate)
{
    PyThreadState_LeaveTracing(tstate);
}

/* The thread state that holds the GIL, unchecked: a load from thread-local storage. */
static inline PyThreadState *
prf_thread_state(void)
{
#if PY_VERSION_HEX >= 0x030D0000
    return PyThreadState_GetUnchecked();
#else
    return _PyThreadState_UncheckedGet();
#endif
}

/* Another number for every thread state of an interpreter, though their memory is used
   again. */
static inline uint64_t
prf_thread_serial(const PyThreadState *tstate)
{
    return tstate->id;
}

/* The contextvars.Context that is entered, borrowed; NULL: the thread has none yet. */
static inline PyObject *
prf_context(const PyThreadState *tstate)
{
    return tstate->context;
}

/* Changes whenever a context is entered or left. */
static inline uint64_t
prf_context_version(const PyThreadState *tstate)
{
    return tstate->context_ver;
}

/* The context from which a context was entered, borrowed; NULL: none, or it is not
   entered. The first field of struct _pycontextobject in 3.11, 3.12 and 3.13, whose
   header needs the core's own macros. */
static inline PyObject *
prf_context_outer(PyObject *context)
{
    struct context_head {
        PyObject_HEAD PyObject *ctx_prev;
    };
    return ((struct context_head *)context)->ctx_prev;
}

#endif
