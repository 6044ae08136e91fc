/* Between line_events.c and the mechanisms that feed it. */
#ifndef PRF_LINE_SOURCE_H
#define PRF_LINE_SOURCE_H

#include "compat.h"
#include "line_events.h"

/* A mechanism. start leaves nothing behind when it fails; stop is called only after a
   start that returned 0. */
struct prf_line_source {
    int (*start)(struct prf_line_events *events, struct prf_error *err);
    void (*stop)(struct prf_line_events *events);
    /* A function was chosen. -1 with an exception. */
    int (*chosen)(struct prf_line_events *events, struct prf_line_code *code);
    /* It goes; `code->source` may be NULL. May be NULL. */
    void (*release)(struct prf_line_code *code);
    /* Frames that run on that thread are to tell their lines and their end. False: they
       cannot. */
    bool (*open)(struct prf_line_events *events, PyThreadState *tstate);
    /* The code that frames of it run, or NULL. May be NULL. */
    PyCodeObject *(*copy)(const struct prf_line_code *code);
};

#if PRF_HAVE_MONITORING
extern const struct prf_line_source prf_line_monitoring;
#endif
#if !PRF_HAVE_MONITORING
extern const struct prf_line_source prf_line_frame_eval;
#endif

/* The index of what hangs on code objects: a struct prf_line_code of the user that runs
   (of nobody who is stopped), or the mark of one that does not want the function (its
   serial, odd). -1 until the first open. */
extern Py_ssize_t prf_line_extra;

static inline void *
prf_line_refused(const struct prf_line_events *events)
{
    return (void *)(uintptr_t)(events->serial << 1 | 1); /* NOLINT: a mark */
}

/* Slow halves. NULL: no memory, or not wanted. */
struct prf_line_thread *prf_line_thread_find(struct prf_line_events *events,
                                             PyThreadState *tstate);
struct prf_line_code *prf_line_first_look(struct prf_line_thread *thread,
                                          PyCodeObject *code, PyObject *globals);

static inline struct prf_line_thread *
prf_line_thread_get(struct prf_line_events *events, PyThreadState *tstate)
{
    struct prf_line_thread *thread = events->current;
    if (__builtin_expect(thread != NULL && thread->id == tstate->id, 1)) {
        return thread;
    }
    return prf_line_thread_find(events, tstate);
}

/* What is known of a code: a chosen one, prf_line_refused, or something else that needs
   a look. */
static inline void *
prf_line_known(PyCodeObject *code)
{
    void *extra = NULL;
    PyUnstable_Code_GetExtra((PyObject *)code, prf_line_extra, &extra);
    return extra;
}

static inline bool
prf_line_is_code(const void *known)
{
    return known != NULL && ((uintptr_t)known & 1) == 0;
}

/* A frame begins (line -1), or goes on in a line. */
void prf_line_enter(struct prf_line_thread *thread, struct prf_line_code *code,
                    int line);

/* A frame of `code` ends or is suspended; one that was not seen to begin is ignored. */
void prf_line_leave(struct prf_line_thread *thread, const PyCodeObject *code);

/* The line of an instruction, by its offset in bytes; -1 begins. */
static inline int
prf_line_of_offset(const struct prf_line_code *code, long offset)
{
    return offset < 0 ? -1 : code->line_at[offset / 2];
}

static inline struct prf_line_frame *
prf_line_top(struct prf_line_thread *thread)
{
    return thread->n > 0 ? &thread->frames[thread->n - 1] : NULL;
}

/* The frame comes to a line, perhaps the one it is in. */
static inline void
prf_line_to(struct prf_line_thread *thread, struct prf_line_frame *frame, int line)
{
    if (line != frame->line) {
        thread->events->ops->line(thread, frame, line);
        frame->line = line;
    }
}

/* A line of `code`, as a number in its file. */
static inline void
prf_line_at(struct prf_line_thread *thread, const PyCodeObject *code, long number)
{
    struct prf_line_frame *frame = prf_line_top(thread);
    if (__builtin_expect(frame == NULL || frame->code->code != code, 0)) {
        return; /* a frame from before the start */
    }
    long line = number - frame->code->first_line;
    if (line >= 0 && line < frame->code->n_lines) {
        prf_line_to(thread, frame, (int)line);
    }
}

#endif
