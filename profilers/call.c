/* call: which functions were called, how often, by whom, and how long they took; the
   standard cProfile's counts for less of its time.

   The hook keeps a calling-context tree and one clock value for each thread. On every
   event the time since the last one goes to the node the thread is in; then the thread
   moves to a child (one look-up) or to the parent (none). Primitive calls, cumulative
   times, callers and flame graphs are derived from the tree when it is read. Protected
   by the GIL. */
#include "backends.h"

#include <stddef.h>
#include <stdlib.h>

#include "call_events.h"
#include "calltree.h"
#include "clock.h"
#include "codes.h"

#define CALL_MAX_NODES "1000000" /* 24 MB of recording and 72 MB of index */

struct call {
    /* options */
    char *sort;
    bool strip_dirs;
    uint64_t top_k;
    bool ignore_c_function;
    struct prf_strlist include_files, exclude_files;
    uint64_t max_nodes;
    /* session */
    struct prf_sink *sink;
    struct prf_codes codes;
    struct prf_calltree tree;
    struct prf_call_events events;
    bool filtering;
    uint32_t n_marks;
    uint64_t start_ns, mark_ns, wall_ns;
};

enum { CALL_CALLS, CALL_TIME, CALL_WALL_TIME };

/* The stack of a thread is the path from `node` to the root. Only where the tree was
   full, the way back is kept in `spilled`. */
struct call_thread {
    struct prf_call_thread base;
    struct prf_calltree_node *node;
    uint64_t last;                      /* ticks of the last event */
    struct prf_calltree_node **spilled; /* malloc'ed */
    size_t n_spilled, spilled_capacity;
};

static void
call_thread_start(struct prf_call_thread *thread)
{
    struct call_thread *t = (struct call_thread *)thread;
    struct call *st = thread->user;
    t->node = &st->tree.root;
    t->last = prf_now();
}

/* Room for one more way back. */
static int
call_reserve_spilled(struct call_thread *t)
{
    if (t->n_spilled < t->spilled_capacity) {
        return 0;
    }
    size_t capacity = t->spilled_capacity ? t->spilled_capacity * 2 : 256;
    void *grown = realloc(t->spilled, capacity * sizeof(void *));
    if (grown == NULL) {
        return -1;
    }
    t->spilled = grown;
    t->spilled_capacity = capacity;
    return 0;
}

static inline void
call_push(struct call_thread *t, struct prf_calltree_node *child)
{
    struct prf_calltree_node *node = t->node;
    child->row->calls++;
    t->node = child;
    uint64_t now = prf_now();
    node->row->own_ticks += (int64_t)(now - t->last);
    t->last = now;
}

static void
call_lost(struct call *st)
{
    st->sink->ops->lost(st->sink, 1);
}

/* `child` is not the one that was entered last, or NULL: lost. */
static void
call_push_other(struct call *st, struct call_thread *t, struct prf_calltree_node *child)
{
    if (child == NULL) {
        call_lost(st);
        return;
    }
    if (child->parent == NULL) { /* the tree is full: see prf_calltree_add */
        if (call_reserve_spilled(t) < 0) {
            call_lost(st);
            return;
        }
        t->spilled[t->n_spilled++] = t->node;
    } else {
        t->node->last_key = child->key;
        t->node->last = child;
    }
    call_push(t, child);
}

static __attribute__((noinline)) void
call_enter_python_other(struct call *st, struct call_thread *t, PyCodeObject *code)
{
    struct prf_calltree_node *child = prf_calltree_find(&st->tree, t->node, code);
    if (child == NULL) {
        uint32_t id = prf_codes_add_python(&st->codes, code);
        if (id == PRF_CODE_SKIPPED) {
            return;
        }
        child = id ? prf_calltree_add(&st->tree, t->node, code, id) : NULL;
    }
    call_push_other(st, t, child);
}

static void
call_enter_python(struct prf_call_thread *thread, PyCodeObject *code)
{
    struct call_thread *t = (struct call_thread *)thread;
    if (__builtin_expect(t->node->last_key == code, 1)) {
        call_push(t, t->node->last);
    } else {
        call_enter_python_other(thread->user, t, code);
    }
}

/* C functions belong to no file: those called by a function that is left out are left
   out with it. */
static bool
call_skips_c(struct call *st, PyCodeObject *caller)
{
    return st->filtering &&
           prf_codes_add_python(&st->codes, caller) == PRF_CODE_SKIPPED;
}

static __attribute__((noinline)) void
call_enter_c_other(struct call *st, struct call_thread *t, PyMethodDef *method,
                   PyObject *self, PyObject *module)
{
    struct prf_calltree_node *child = prf_calltree_find(&st->tree, t->node, method);
    if (child == NULL) {
        uint32_t id = prf_codes_add_c(&st->codes, method, self, module);
        if (id == PRF_CODE_SKIPPED) {
            return;
        }
        /* Naming it may have let another thread run, not moved this one. */
        child = prf_calltree_find(&st->tree, t->node, method);
        if (child == NULL && id != 0) {
            child = prf_calltree_add(&st->tree, t->node, method, id);
        }
    }
    call_push_other(st, t, child);
}

static void
call_enter_c(struct prf_call_thread *thread, PyMethodDef *method, PyObject *self,
             PyObject *module, PyCodeObject *caller)
{
    struct call_thread *t = (struct call_thread *)thread;
    struct call *st = thread->user;
    if (__builtin_expect(st->filtering, 0) && call_skips_c(st, caller)) {
        return;
    }
    if (__builtin_expect(t->node->last_key == method, 1)) {
        call_push(t, t->node->last);
    } else {
        call_enter_c_other(st, t, method, self, module);
    }
}

/* The way back from `node`, of which *n_spilled say where full trees were entered. */
static inline struct prf_calltree_node *
call_up(const struct call_thread *t, const struct prf_calltree_node *node,
        size_t *n_spilled)
{
    return __builtin_expect(node->parent != NULL, 1) ? node->parent
                                                     : t->spilled[--*n_spilled];
}

/* A return that does not fit: of a function that was left out or entered before the
   start, or from below functions whose return was not seen (stack-switching
   extensions). */
static __attribute__((noinline)) void
call_leave_other(struct call_thread *t, const void *key)
{
    size_t n_spilled = t->n_spilled;
    struct prf_calltree_node *node = t->node;
    while (node->id != 0 && node->key != key) {
        node = call_up(t, node, &n_spilled);
    }
    if (node->id != 0) {
        t->node = call_up(t, node, &n_spilled);
        t->n_spilled = n_spilled;
    }
}

static inline void
call_leave(struct call_thread *t, const void *key)
{
    uint64_t now = prf_now();
    struct prf_calltree_node *node = t->node;
    node->row->own_ticks += (int64_t)(now - t->last);
    t->last = now;
    if (__builtin_expect(node->key == key, 1)) {
        t->node = call_up(t, node, &t->n_spilled);
    } else {
        call_leave_other(t, key);
    }
}

static void
call_leave_python(struct prf_call_thread *thread, PyCodeObject *code, PyObject *result)
{
    (void)result;
    call_leave((struct call_thread *)thread, code);
}

static void
call_leave_c(struct prf_call_thread *thread, PyMethodDef *method, PyCodeObject *caller,
             enum prf_call_end end)
{
    (void)end;
    struct call *st = thread->user;
    if (__builtin_expect(st->filtering, 0) && call_skips_c(st, caller)) {
        return;
    }
    call_leave((struct call_thread *)thread, method);
}

static const struct prf_call_ops call_ops = {
    .thread_size = sizeof(struct call_thread),
    .thread_start = call_thread_start,
    .enter_python = call_enter_python,
    .enter_c = call_enter_c,
    .leave_python = call_leave_python,
    .leave_c = call_leave_c,
};

static int
call_open(void *state, const struct prf_session *session, struct prf_error *err)
{
    struct call *st = state;
    st->sink = session->sink;
    st->filtering = st->include_files.n > 0 || st->exclude_files.n > 0;
    prf_clock_init();
    int rc = prf_codes_init(&st->codes, st->sink, &st->include_files,
                            &st->exclude_files, err);
    if (rc == 0) {
        rc = prf_calltree_init(&st->tree, st->sink, st->max_nodes, err);
    }
    if (rc == 0) {
        rc = prf_call_events_open(&st->events, &call_ops, st,
                                  st->ignore_c_function ? PRF_CALL_NO_C : 0, err);
    }
    return rc;
}

static int
call_start(void *state, struct prf_round *round, struct prf_error *err)
{
    struct call *st = state;
    (void)round;
    st->n_marks = 0;
    int rc = prf_call_events_start(&st->events, err);
    st->start_ns = st->mark_ns = prf_clock_monotonic_ns();
    return rc;
}

/* What still runs, on any thread, has taken the time so far. */
static void
call_close_frames(struct call *st)
{
    uint64_t now = prf_now();
    struct prf_call_thread *thread = st->events.threads;
    for (; thread != NULL; thread = thread->next) {
        struct call_thread *t = (struct call_thread *)thread;
        t->node->row->own_ticks += (int64_t)(now - t->last);
        t->last = now;
        t->node = &st->tree.root;
        t->n_spilled = 0;
    }
}

static int
call_stop(void *state, const struct prf_round *round, struct prf_error *err)
{
    struct call *st = state;
    (void)round;
    (void)err;
    st->wall_ns += prf_clock_monotonic_ns() - st->start_ns;
    prf_call_events_stop(&st->events);
    call_close_frames(st);
    return PRF_DONE;
}

static void
call_mark(void *state, const char *name)
{
    struct call *st = state;
    uint64_t now = prf_clock_monotonic_ns();
    struct prf_rec_mark mark = {
        .index = st->n_marks++,
        .at_ns = (double)(now - st->start_ns),
        .delta_ns = (double)(now - st->mark_ns),
        .n = 1,
    };
    prf_sink_mark(st->sink, &mark, name);
    st->mark_ns = prf_clock_monotonic_ns();
}

static int
call_collect(void *state, struct prf_sink *sink, struct prf_error *err)
{
    struct call *st = state;
    struct prf_rows samples;
    (void)err;
    prf_rows_init(&samples, sink, PRF_CHUNK_SAMPLE, sizeof(struct prf_rec_sample));
    prf_sink_sample(&samples, CALL_WALL_TIME, 0, (double)st->wall_ns);
    if (st->events.replaced) {
        prf_sink_info(sink, PRF_INFO_NOTE,
                      "the case set a profile function of its own (sys.setprofile); "
                      "calls were not seen from then on");
    }
    if (st->tree.truncated != NULL) {
        prf_sink_info(
            sink, PRF_INFO_NOTE,
            "too many different call stacks: the rest is counted by caller and "
            "callee under '[truncated]'; calls and own times are complete, "
            "cumulative times of what called it are not");
    }
    return 0;
}

static void
call_close(void *state)
{
    struct call *st = state;
    struct prf_call_thread *thread = st->events.threads;
    prf_call_events_stop(&st->events);
    for (; thread != NULL; thread = thread->next) {
        struct call_thread *t = (struct call_thread *)thread;
        free(t->spilled);
        t->spilled = NULL;
    }
    prf_call_events_close(&st->events);
    prf_calltree_release(&st->tree);
    prf_codes_release(&st->codes);
}

static const char *const call_aliases[] = {"cprofile", NULL};

static const struct prf_metric call_metrics[] = {
    [CALL_CALLS] = {"calls", "count", PRF_SCOPE_NODE, PRF_BETTER_LESS, PRF_FOLD_CALLS,
                    "how often the function was called"},
    [CALL_TIME] = {"time", "tick", PRF_SCOPE_NODE, PRF_BETTER_LESS, PRF_FOLD_COST,
                   "wall time in the function"},
    [CALL_WALL_TIME] = {"wall_time", "ns", PRF_SCOPE_RESULT, PRF_BETTER_LESS,
                        PRF_FOLD_NONE, "of the case, profiling included"},
    {NULL},
};

static const struct prf_option call_options[] = {
    {.type = PRF_OPT_CHOICE,
     .name = "sort",
     .offset = offsetof(struct call, sort),
     .def = "cumulative",
     .choices = "calls|cumulative|cumtime|file|filename|line|module|name|ncalls|nfl|"
                "pcalls|stdname|time|tottime",
     .help = "order of the table, by a key of pstats"},
    {.type = PRF_OPT_FLAG,
     .name = "strip-dirs",
     .offset = offsetof(struct call, strip_dirs),
     .help = "show file names without their folders"},
    {.type = PRF_OPT_UINT,
     .name = "top-k",
     .offset = offsetof(struct call, top_k),
     .def = "0",
     .unit = "N",
     .help = "show the first N functions only; 0: all"},
    {.type = PRF_OPT_FLAG,
     .name = "ignore-c-function",
     .aliases = "ignore-c-functions",
     .offset = offsetof(struct call, ignore_c_function),
     .help = "Python functions only; their time includes the C functions they call"},
    {.type = PRF_OPT_LIST,
     .name = "include-files",
     .unit = "PATH|GLOB",
     .offset = offsetof(struct call, include_files),
     .help = "only functions of these files and folders; others count as their caller"},
    {.type = PRF_OPT_LIST,
     .name = "exclude-files",
     .unit = "PATH|GLOB",
     .offset = offsetof(struct call, exclude_files),
     .help = "no functions of these files and folders; they count as their caller"},
    {.type = PRF_OPT_UINT,
     .name = "max-nodes",
     .offset = offsetof(struct call, max_nodes),
     .def = CALL_MAX_NODES,
     .min = 1,
     .max = 1 << 30,
     .unit = "N",
     .help = "most different call stacks to tell apart"},
    PRF_OPTIONS_END,
};

const struct prf_backend prf_call = {
    .abi = PRF_BACKEND_ABI,
    .name = "call",
    .aliases = call_aliases,
    .summary = "which functions: calls, own and cumulative time, callers; all threads",
    .state_size = sizeof(struct call),
    .metrics = call_metrics,
    .options = call_options,
    .open = call_open,
    .start = call_start,
    .stop = call_stop,
    .mark = call_mark,
    .collect = call_collect,
    .close = call_close,
};
