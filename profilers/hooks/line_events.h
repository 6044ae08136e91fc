/* Lines of chosen functions as they run, in all threads of the interpreter, from
   whatever the version offers: local events of sys.monitoring, or a trace function that
   frame evaluation switches on for the chosen frames alone. Other code runs at full
   speed, but for one look at each function (and a call through frame evaluation).

   What is a line event is exactly what the sys.settrace of the same version makes of
   it. A generator's frame is entered at each resumption and left at each suspension.
   Frames that ran already at the start are not seen unless that is asked for (enum
   prf_line_flags); then their lines count from the next one that they come to.

   Everything runs with the GIL held. One user at a time between start and stop (what is
   known of a function hangs on its code object); calls (call_events.h) may be told
   beside it. */
#ifndef PRF_LINE_EVENTS_H
#define PRF_LINE_EVENTS_H

#include <Python.h>

#include <stdbool.h>
#include <stdint.h>

#include <pyprofiler/error.h>

struct prf_line_events;
struct prf_line_source;

/* A function that was chosen. A user's struct starts with it. Lines are counted from
   `first_line`, the lowest that an instruction has: "line" below is that index. */
struct prf_line_code {
    PyCodeObject *code; /* strong */
    struct prf_line_code *next;
    int first_line;
    int n_lines;
    int *line_at;          /* by instruction, -1: none. Malloc'ed */
    uint32_t n_active;     /* frames of it in all threads */
    bool body_on_def_line; /* "def f(): return 1": its first line is run */
    void *source;          /* what the mechanism keeps */
};

/* A frame of a chosen function. */
struct prf_line_frame {
    struct prf_line_code *code;
    int line;       /* that runs, or -1 before the first */
    bool open;      /* it ran already at the start */
    uint32_t outer; /* 1 + index of the next frame of the same code below it, or 0 */
    int depth;      /* the user's */
    int64_t value;  /* likewise */
};

struct prf_line_thread {
    struct prf_line_events *events;
    struct prf_line_thread *next;
    uint64_t id;                   /* of the thread state; never used twice */
    struct prf_line_frame *frames; /* malloc'ed; the innermost is the last */
    uint32_t n, capacity;
    uintptr_t stack_floor; /* of line_frame_eval.c */
};

enum prf_line_verdict {
    PRF_LINE_NEVER,   /* not this function, not asked again */
    PRF_LINE_NOT_NOW, /* not this call */
    PRF_LINE_YES,     /* this function from now on */
};

/* What the user wants to be told. Called in the middle of a call: `look` and
   `code_init` may work (an exception that is set has been put aside, no events come
   from inside), the others not. A frame is valid until the next event of its thread. */
struct prf_line_ops {
    const char *name; /* of the profiler, for those who find the place taken */
    size_t code_size; /* of the user's struct */
    /* Of a code that was not chosen yet; `globals` of the frame. */
    enum prf_line_verdict (*look)(struct prf_line_thread *thread, PyCodeObject *code,
                                  PyObject *globals);
    /* -1: no memory, the function is left out. */
    int (*code_init)(void *user, struct prf_line_code *code);
    void (*code_release)(struct prf_line_code *code);
    /* The frame is there. `line` is where a generator goes on, -1 for a call. */
    void (*enter)(struct prf_line_thread *thread, struct prf_line_frame *frame);
    /* From frame->line (the caller of this sets it then) to `line`. */
    void (*line)(struct prf_line_thread *thread, struct prf_line_frame *frame,
                 int line);
    /* The frame is still there: return, yield or unwinding. */
    void (*leave)(struct prf_line_thread *thread, struct prf_line_frame *frame);
    /* We took so many ticks to look at a function, which are nobody's. May be NULL. */
    void (*pause)(struct prf_line_thread *thread, uint64_t ticks);
    void (*lost)(void *user); /* no memory for a frame or a function */
};

enum prf_line_flags {
    PRF_LINE_OPEN_FRAMES = 1,    /* frames that run at the start, on all threads */
    PRF_LINE_OPEN_INNERMOST = 2, /* of them the innermost that is wanted, on the
                                    thread that starts */
};

struct prf_line_events {
    const struct prf_line_ops *ops;
    void *user;
    unsigned flags;
    struct prf_line_thread *threads; /* newest use first */
    struct prf_line_thread *current; /* borrowed: that of the last event */
    struct prf_line_code *codes;     /* the last chosen first */
    uint64_t serial; /* of this use of the hook: see prf_line_look in line_source.h */
    bool replaced;   /* the case had put its own trace function or tool in place */
    bool set_aside;  /* functions were left alone while it had a trace function */
    const struct prf_line_source *running; /* NULL: stopped */
    void *source;                          /* what the mechanism keeps */
};

/* What a result says when `replaced`. */
#define PRF_LINE_REPLACED                                                              \
    "the case put a trace function of its own in place (sys.settrace, a debugger) or " \
    "took the profiler's place in sys.monitoring; lines were not seen from then on"

/* What a result says when `set_aside`. */
#define PRF_LINE_SET_ASIDE                                                             \
    "lines that ran while the case had a trace function of its own (sys.settrace, a "  \
    "debugger) were not counted"

/* `flags`: enum prf_line_flags. PRF_EUNAVAILABLE. */
int prf_line_events_open(struct prf_line_events *events, const struct prf_line_ops *ops,
                         void *user, unsigned flags, struct prf_error *err);

/* From now on. PRF_EUNAVAILABLE: another tool holds what is needed; it is named, and
   goes on undisturbed. */
int prf_line_events_start(struct prf_line_events *events, struct prf_error *err);

/* No more events on any thread; frames that still run are left. May be called on
   another thread than the start. Idempotent, cannot fail. */
void prf_line_events_stop(struct prf_line_events *events);

/* Idempotent. */
void prf_line_events_close(struct prf_line_events *events);

#endif
