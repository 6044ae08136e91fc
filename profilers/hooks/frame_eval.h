/* What everyone needs who replaces the evaluation of frames (PEP 523, see compat.h):
   every Python call nests C frames then, and no call may get around us (inlining.h).
   Looks inside the interpreter: include it with Py_BUILD_CORE_MODULE defined. Needs the
   GIL. */
#ifndef PRF_FRAME_EVAL_H
#define PRF_FRAME_EVAL_H

#include "inlining.h"

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

/* Set the RecursionError for a stack that is low. */
void prf_frame_eval_refuse(void);

/* Python's own limit counts calls, not bytes. Without us Python calls take no C stack,
   so a case may raise sys.setrecursionlimit as far as it likes. `*floor` is the calling
   thread's, 0: find it. True: nothing may be called any more. */
static inline bool
prf_frame_eval_stack_low(uintptr_t *floor)
{
    char here;
    if (__builtin_expect(*floor == 0, 0)) {
        *floor = prf_frame_eval_floor();
    }
    return __builtin_expect((uintptr_t)&here < *floor, 0);
}

#define PRF_FRAME_EVAL_GENERATORS (CO_GENERATOR | CO_COROUTINE | CO_ASYNC_GENERATOR)

/* The call of a generator function only makes the generator: not a call of its body. */
static inline bool
prf_frame_eval_makes_generator(const _PyInterpreterFrame *frame)
{
    return (PRF_FRAME_CODE(frame)->co_flags & PRF_FRAME_EVAL_GENERATORS) != 0 &&
           frame->owner == FRAME_OWNED_BY_THREAD;
}

#endif
