/* Between call_events.c and the mechanisms that feed it. */
#ifndef PRF_CALL_SOURCE_H
#define PRF_CALL_SOURCE_H

#include "call_events.h"
#include "compat.h"

/* A mechanism. start leaves nothing behind when it fails; stop is called only after a
   start that returned 0. */
struct prf_call_source {
    int (*start)(struct prf_call_events *events, struct prf_error *err);
    void (*stop)(struct prf_call_events *events);
};

#if PRF_HAVE_MONITORING
extern const struct prf_call_source prf_call_monitoring;
#else
extern const struct prf_call_source prf_call_setprofile;
#endif
extern const struct prf_call_source prf_call_frame_eval; /* `source` is not its own */

#if PRF_HAVE_MONITORING
/* Of prf_call_monitoring, when frame evaluation ended in the middle of the run: tell
   Python's calls by events too. -1 (no exception set): the case took them away. */
int prf_call_monitoring_go_on(struct prf_call_events *events);
#endif

/* The object of the thread with that thread state, new or not; NULL (no exception set)
   when there is no memory. Borrowed from `events`. */
struct prf_call_thread *prf_call_thread_find(struct prf_call_events *events,
                                             PyThreadState *tstate);

/* Fast half: most events come from the thread of the last one. */
static inline struct prf_call_thread *
prf_call_thread_get(struct prf_call_events *events, PyThreadState *tstate)
{
    struct prf_call_thread *thread = events->current;
    if (__builtin_expect(thread != NULL && thread->id == tstate->id, 1)) {
        return thread;
    }
    return prf_call_thread_find(events, tstate);
}

/* In enter_python: does the function start, or does a generator go on? */
bool prf_call_source_starting(const struct prf_call_thread *thread,
                              const PyCodeObject *code);

/* Then: the local variable with that name, the `place`-th; new reference, NULL (perhaps
   with an exception) when it has no value. */
PyObject *prf_call_source_local(const struct prf_call_thread *thread,
                                const PyCodeObject *code, PyObject *name, int place);

/* The same two for a frame that is being entered in prf_call_frame_eval. */
bool prf_call_frame_starting(const struct prf_call_thread *thread,
                             const PyCodeObject *code);
PyObject *prf_call_frame_local(const struct prf_call_thread *thread,
                               const PyCodeObject *code, int place);

/* Turn the Python exception that is set into an error with the code PRF_EPYTHON. */
int prf_call_source_fail(struct prf_error *err, const char *doing);

#endif
