/* Recording the calling-context tree from call events; see call_recorder.h. Everything
   up to recorder_ops is the hook. */
#include "call_recorder.h"

#include <stdlib.h>

#include "clock.h"

enum { RECORDER_CALLS, RECORDER_TIME, RECORDER_WALL_TIME };

const struct prf_metric prf_call_metrics[] = {
    [RECORDER_CALLS] = {"calls", "count", PRF_SCOPE_NODE, PRF_BETTER_LESS,
                        PRF_FOLD_CALLS, "how often the function was called"},
    [RECORDER_TIME] = {"time", "tick", PRF_SCOPE_NODE, PRF_BETTER_LESS, PRF_FOLD_COST,
                       "wall time in the function"},
    [RECORDER_WALL_TIME] = {"wall_time", "ns", PRF_SCOPE_RESULT, PRF_BETTER_LESS,
                            PRF_FOLD_NONE, "of the case, profiling included"},
    {NULL},
};

/* The stack of a thread is the path from `node` to the root. Only where the tree was
   full, the way back is kept in `spilled`. */
struct recorder_thread {
    struct prf_call_thread base;
    struct prf_calltree_node *node;
    uint64_t last;                      /* ticks of the last event */
    struct prf_calltree_node **spilled; /* malloc'ed */
    size_t n_spilled, spilled_capacity;
};

static void
recorder_thread_start(struct prf_call_thread *thread)
{
    struct recorder_thread *t = (struct recorder_thread *)thread;
    struct prf_call_recorder *st = thread->user;
    t->node = &st->tree.root;
    t->last = prf_now();
}

/* Room for one more way back. */
static int
recorder_reserve_spilled(struct recorder_thread *t)
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
recorder_push(struct recorder_thread *t, struct prf_calltree_node *child)
{
    struct prf_calltree_node *node = t->node;
    child->row->calls++;
    t->node = child;
    uint64_t now = prf_now();
    node->row->own_ticks += (int64_t)(now - t->last);
    t->last = now;
}

static void
recorder_lost(struct prf_call_recorder *st)
{
    st->sink->ops->lost(st->sink, 1);
}

/* `child` is not the one that was entered last, or NULL: lost. */
static void
recorder_push_other(struct prf_call_recorder *st, struct recorder_thread *t,
                    struct prf_calltree_node *child)
{
    if (child == NULL) {
        recorder_lost(st);
        return;
    }
    if (child->parent == NULL) { /* the tree is full: see prf_calltree_add */
        if (recorder_reserve_spilled(t) < 0) {
            recorder_lost(st);
            return;
        }
        t->spilled[t->n_spilled++] = t->node;
    } else {
        t->node->last_key = child->key;
        t->node->last = child;
    }
    recorder_push(t, child);
}

static __attribute__((noinline)) void
recorder_enter_python_other(struct prf_call_recorder *st, struct recorder_thread *t,
                            PyCodeObject *code)
{
    struct prf_calltree_node *child = prf_calltree_find(&st->tree, t->node, code);
    if (child == NULL) {
        uint32_t id = prf_codes_add_python(&st->codes, code);
        if (id == PRF_CODE_SKIPPED) {
            return;
        }
        child = id ? prf_calltree_add(&st->tree, t->node, code, id) : NULL;
    }
    recorder_push_other(st, t, child);
}

static void
recorder_enter_python(struct prf_call_thread *thread, PyCodeObject *code)
{
    struct recorder_thread *t = (struct recorder_thread *)thread;
    if (__builtin_expect(t->node->last_key == code, 1)) {
        recorder_push(t, t->node->last);
    } else {
        recorder_enter_python_other(thread->user, t, code);
    }
}

/* C functions belong to no file: those called by a function that is left out are left
   out with it. */
static bool
recorder_skips_c(struct prf_call_recorder *st, PyCodeObject *caller)
{
    return st->filtering &&
           prf_codes_add_python(&st->codes, caller) == PRF_CODE_SKIPPED;
}

static __attribute__((noinline)) void
recorder_enter_c_other(struct prf_call_recorder *st, struct recorder_thread *t,
                       PyMethodDef *method, PyObject *self, PyObject *module)
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
    recorder_push_other(st, t, child);
}

static void
recorder_enter_c(struct prf_call_thread *thread, PyMethodDef *method, PyObject *self,
                 PyObject *module, PyCodeObject *caller)
{
    struct recorder_thread *t = (struct recorder_thread *)thread;
    struct prf_call_recorder *st = thread->user;
    if (__builtin_expect(st->filtering, 0) && recorder_skips_c(st, caller)) {
        return;
    }
    if (__builtin_expect(t->node->last_key == method, 1)) {
        recorder_push(t, t->node->last);
    } else {
        recorder_enter_c_other(st, t, method, self, module);
    }
}

/* The way back from `node`, of which *n_spilled say where full trees were entered. */
static inline struct prf_calltree_node *
recorder_up(const struct recorder_thread *t, const struct prf_calltree_node *node,
            size_t *n_spilled)
{
    return __builtin_expect(node->parent != NULL, 1) ? node->parent
                                                     : t->spilled[--*n_spilled];
}

/* A return that does not fit: of a function that was left out or entered before the
   start, or from below functions whose return was not seen (stack-switching
   extensions). */
static __attribute__((noinline)) void
recorder_leave_other(struct recorder_thread *t, const void *key)
{
    size_t n_spilled = t->n_spilled;
    struct prf_calltree_node *node = t->node;
    while (node->id != 0 && node->key != key) {
        node = recorder_up(t, node, &n_spilled);
    }
    if (node->id != 0) {
        t->node = recorder_up(t, node, &n_spilled);
        t->n_spilled = n_spilled;
    }
}

static inline void
recorder_leave(struct recorder_thread *t, const void *key)
{
    uint64_t now = prf_now();
    struct prf_calltree_node *node = t->node;
    node->row->own_ticks += (int64_t)(now - t->last);
    t->last = now;
    if (__builtin_expect(node->key == key, 1)) {
        t->node = recorder_up(t, node, &t->n_spilled);
    } else {
        recorder_leave_other(t, key);
    }
}

static void
recorder_leave_python(struct prf_call_thread *thread, PyCodeObject *code,
                      PyObject *result)
{
    (void)result;
    recorder_leave((struct recorder_thread *)thread, code);
}

static void
recorder_leave_c(struct prf_call_thread *thread, PyMethodDef *method,
                 PyCodeObject *caller, enum prf_call_end end)
{
    struct prf_call_recorder *st = thread->user;
    (void)end;
    if (__builtin_expect(st->filtering, 0) && recorder_skips_c(st, caller)) {
        return;
    }
    recorder_leave((struct recorder_thread *)thread, method);
}

static const struct prf_call_ops recorder_ops = {
    .thread_size = sizeof(struct recorder_thread),
    .thread_start = recorder_thread_start,
    .enter_python = recorder_enter_python,
    .enter_c = recorder_enter_c,
    .leave_python = recorder_leave_python,
    .leave_c = recorder_leave_c,
};

int
prf_call_recorder_open(struct prf_call_recorder *st, struct prf_sink *sink,
                       const struct prf_call_recorder_options *options,
                       struct prf_error *err)
{
    const struct prf_strlist *include = options->include_files;
    const struct prf_strlist *exclude = options->exclude_files;
    st->sink = sink;
    st->ops = recorder_ops;
    st->ops.name = options->profiler;
    st->filtering =
        (include != NULL && include->n > 0) || (exclude != NULL && exclude->n > 0);
    prf_clock_init();
    int rc = prf_codes_init(&st->codes, sink, include, exclude, err);
    if (rc == 0) {
        rc = prf_calltree_init(&st->tree, sink, options->max_nodes, err);
    }
    if (rc == 0) {
        rc = prf_call_events_open(&st->events, &st->ops, st, options->flags, err);
    }
    return rc;
}

int
prf_call_recorder_start(struct prf_call_recorder *st, struct prf_error *err)
{
    st->n_marks = 0;
    int rc = prf_call_events_start(&st->events, err);
    st->start_ns = st->mark_ns = prf_clock_monotonic_ns();
    return rc;
}

/* What still runs, on any thread, has taken the time so far. */
static void
recorder_close_frames(struct prf_call_recorder *st)
{
    uint64_t now = prf_now();
    struct prf_call_thread *thread = st->events.threads;
    for (; thread != NULL; thread = thread->next) {
        struct recorder_thread *t = (struct recorder_thread *)thread;
        t->node->row->own_ticks += (int64_t)(now - t->last);
        t->last = now;
        t->node = &st->tree.root;
        t->n_spilled = 0;
    }
}

void
prf_call_recorder_stop(struct prf_call_recorder *st)
{
    st->wall_ns += prf_clock_monotonic_ns() - st->start_ns;
    prf_call_events_stop(&st->events);
    recorder_close_frames(st);
}

void
prf_call_recorder_mark(struct prf_call_recorder *st, const char *name)
{
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

void
prf_call_recorder_collect(struct prf_call_recorder *st, struct prf_sink *sink)
{
    struct prf_rows samples;
    prf_rows_init(&samples, sink, PRF_CHUNK_SAMPLE, sizeof(struct prf_rec_sample));
    prf_sink_sample(&samples, RECORDER_WALL_TIME, 0, (double)st->wall_ns);
    prf_codes_note(&st->codes, sink);
    if (st->events.replaced) {
        prf_sink_info(sink, PRF_INFO_NOTE,
                      "the case put a profile function (sys.setprofile) or a frame "
                      "evaluation of its own in place; C functions, with the latter "
                      "Python functions, were not seen from then on");
    }
    if (st->tree.truncated != NULL) {
        prf_sink_info(
            sink, PRF_INFO_NOTE,
            "too many different call stacks: the rest is counted by caller and "
            "callee under '[truncated]'; calls and own times are complete, "
            "cumulative times of what called it are not");
    }
}

void
prf_call_recorder_close(struct prf_call_recorder *st)
{
    struct prf_call_thread *thread = st->events.threads;
    prf_call_events_stop(&st->events);
    for (; thread != NULL; thread = thread->next) {
        struct recorder_thread *t = (struct recorder_thread *)thread;
        free(t->spilled);
        t->spilled = NULL;
    }
    prf_call_events_close(&st->events);
    prf_calltree_release(&st->tree);
    prf_codes_release(&st->codes);
}
