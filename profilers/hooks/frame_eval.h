/* What everyone needs who replaces the evaluation of frames (PEP 523, see compat.h):
   every Python call nests C frames then, and no call may get around us. Looks inside
   the interpreter: include it with Py_BUILD_CORE_MODULE defined. Needs the GIL. */
#ifndef PRF_FRAME_EVAL_H
#define PRF_FRAME_EVAL_H

#include "compat.h"

#if PRF_HAVE_FRAME_EVAL

#include <internal/pycore_frame.h>
#include <stdbool.h>

#include <pyprofiler/error.h>

/* Put `hook` in place for all threads. PRF_EUNAVAILABLE: another tool has its own. */
int prf_frame_eval_start(_PyFrameEvalFunction hook, struct prf_error *err);

/* False: the case had put its own in place, which stays. */
bool prf_frame_eval_stop(_PyFrameEvalFunction hook);

/* The lowest address that the calling thread may use for a frame. 0.3 ms the first time
   on the main thread: it reads /proc/self/maps. */
uintptr_t prf_frame_eval_floor(void);

/* Python's own limit counts calls, not bytes. Without us Python calls take no C stack,
   so a case may raise sys.setrecursionlimit as far as it likes. `*floor` is the calling
   thread's, 0: find it. True: a RecursionError is set. */
bool prf_frame_eval_refuse(void);

static inline bool
prf_frame_eval_stack_low(uintptr_t *floor)
{
    char here;
    if (__builtin_expect(*floor == 0, 0)) {
        *floor = prf_frame_eval_floor();
    }
    return __builtin_expect((uintptr_t)&here < *floor, 0) && prf_frame_eval_refuse();
}

/* The call of a generator function only makes the generator: not a call of its body. */
static inline bool
prf_frame_eval_makes_generator(const _PyInterpreterFrame *frame)
{
    return (frame->f_code->co_flags &
            (CO_GENERATOR | CO_COROUTINE | CO_ASYNC_GENERATOR)) != 0 &&
           frame->owner == FRAME_OWNED_BY_THREAD;
}

extern PyObject *prf_frame_eval_getitem; /* "__getitem__", interned for good */

/* x[i] with a __getitem__ written in Python enters its frame without asking for the
   evaluation function where 3.11 has specialised it (3.11.2 does, 3.11.7 does not). */
void prf_frame_eval_forbid_inlining(PyFunctionObject *function);

/* Call it on each frame: a class may have been made since the start. */
static inline void
prf_frame_eval_seen(const _PyInterpreterFrame *frame)
{
    if (__builtin_expect(frame->f_code->co_name == prf_frame_eval_getitem, 0)) {
        prf_frame_eval_forbid_inlining(frame->f_func);
    }
}

#endif
#endif
