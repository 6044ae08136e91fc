/* What everyone needs who replaces the evaluation of frames (PEP 523, see compat.h):
   every Python call nests C frames then, and no call may get around us (inlining.h).

   The interpreter has one place for it and we have two hooks, which may both be there,
   started and stopped in any order: that of the calls is asked first and sees the code
   as the program has it; what it calls to evaluate is that of the lines, which may run
   another code, or else the interpreter's own. Each place has one user at a time.

   Looks inside the interpreter: include it with Py_BUILD_CORE_MODULE defined. Needs the
   GIL. */
#ifndef PRF_FRAME_EVAL_H
#define PRF_FRAME_EVAL_H

#include "inlining.h"

#include <internal/pycore_frame.h>
#include <stdbool.h>

#include <pyprofiler/error.h>

enum prf_frame_eval_place { PRF_FRAME_EVAL_CALLS, PRF_FRAME_EVAL_LINES };

/* What evaluates a frame below the hook of the calls: never NULL. Read it, only. */
extern _PyFrameEvalFunction prf_frame_eval_below;

/* Of the lines' hook, if it runs other code than the program has: the code that a frame
   of it stands for; NULL: it never does. */
extern PyCodeObject *(*prf_frame_eval_original)(PyCodeObject *code);

/* Of the lines' hook too: its trace function, which it takes away from the frames that
   have no need of it; NULL: it has none. */
extern Py_tracefunc prf_frame_eval_trace;

/* Put `hook` in its place for all threads. PRF_EUNAVAILABLE: another tool has its own,
   the text names it; or the place is taken. */
int prf_frame_eval_start(enum prf_frame_eval_place place, _PyFrameEvalFunction hook,
                         struct prf_error *err);

/* False: the program had put its own evaluation in place, which stays. */
bool prf_frame_eval_stop(enum prf_frame_eval_place place);

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

/* The code of a frame as the program has it. Only a generator that goes on can have
   another before the hook of the lines was asked. */
static inline PyCodeObject *
prf_frame_eval_code(const _PyInterpreterFrame *frame)
{
    PyCodeObject *code = PRF_FRAME_CODE(frame);
    if (__builtin_expect(prf_frame_eval_original != NULL, 0) &&
        frame->owner != FRAME_OWNED_BY_THREAD) {
        return prf_frame_eval_original(code);
    }
    return code;
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
