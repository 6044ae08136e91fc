/* tracer: every call and return of Python and C functions on all threads, with the time
   of each, as a stream of a few bytes an event.

   The hook looks up the function's encoded id, reads the clock and writes 3 to 5 bytes
   into the thread's extent. Its stack of keys tells which returns belong to calls that
   were recorded. Whatever needs more than that (options that look at each call,
   coroutines, new functions, full extents) goes through tracer_enter and tracer_leave.
   Protected by the GIL. */
#include "tracer.h"

#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

#include "backends.h"
#include "clock.h"
#include "compat.h"
#include "trace_text.h"

#define TRACER_NAME_ROOM 64u /* bytes of a thread's name */
#define TRACER_NAME_TRIES 16u

enum { TRACER_CALLS, TRACER_TIME, TRACER_WALL_TIME, TRACER_EVENTS };

static struct tracer *tracer_active;

struct tracer *
prf_tracer_active(void)
{
    return tracer_active;
}

/* ---- room ---- */

/* In a forked child, on the only thread that is left: the parent's extents are not ours
   to write. Async-signal-safe. */
static void
tracer_after_fork(void)
{
    struct tracer *st = tracer_active;
    if (st == NULL) {
        return;
    }
    st->forked = true;
    for (struct prf_call_thread *b = st->events.threads; b != NULL; b = b->next) {
        struct tracer_thread *t = (struct tracer_thread *)b;
        t->stream.p = t->stream.limit = t->stream.data = t->limit = NULL;
        t->stream.used = NULL;
        t->record = NULL;
        t->n_named = 0;
    }
}

/* threading's name of the calling thread, borrowed from the object; NULL without an
   exception: not known (yet). Looks only into dictionaries. */
static PyObject *
tracer_thread_object(void)
{
    PyObject *modules = PyImport_GetModuleDict(); /* borrowed from the interpreter */
    PyObject *module = PyDict_GetItemString(modules, "threading");
    PyObject *active = module && PyModule_Check(module)
                           ? PyDict_GetItemString(PyModule_GetDict(module), "_active")
                           : NULL;
    PyObject *ident = PyLong_FromUnsignedLong(PyThread_get_thread_ident());
    PyObject *object = ident && active && PyDict_CheckExact(active)
                           ? PyDict_GetItemWithError(active, ident)
                           : NULL;
    Py_XDECREF(ident);
    return object;
}

static bool
tracer_write_name(struct prf_rec_thread *record)
{
    struct prf_exception saved;
    struct prf_trace_buffer name = {0};
    prf_exception_save(&saved);
    PyObject *object = tracer_thread_object();
    PyObject *text = PyUnicode_InternFromString("_name");
    PyObject *value = object && text ? PyObject_GenericGetAttr(object, text) : NULL;
    bool found = value != NULL && PyUnicode_Check(value);
    if (found) {
        prf_trace_buffer_str(&name, value);
        size_t n = name.len < TRACER_NAME_ROOM ? name.len : TRACER_NAME_ROOM;
        while (n < name.len && n > 0 && ((unsigned char)name.text[n] & 0xc0) == 0x80) {
            n--;
        }
        memcpy(record + 1, name.text, n);
        record->name_len = (uint32_t)n;
    }
    Py_XDECREF(value);
    Py_XDECREF(text);
    PyErr_Clear();
    prf_exception_restore(&saved);
    return found;
}

/* A new thread is entered in threading's table by its own first lines: until then the
   stream stops every few events to look again. */
static void
tracer_name_thread(struct tracer_thread *t)
{
    if (t->n_named < TRACER_NAME_TRIES && !tracer_write_name(t->record)) {
        t->n_named++;
        unsigned char *stop = t->stream.p + PRF_TRACE_EVENT_MAX;
        t->stream.limit = stop < t->limit ? stop : t->limit;
    } else {
        t->n_named = TRACER_NAME_TRIES;
        t->stream.limit = t->limit;
    }
}

static uint32_t
tracer_depth(const struct tracer_thread *t)
{
    uint32_t depth = 0;
    for (struct tracer_entry *e = t->stack + 1; e <= t->top; e++) {
        depth += ((uintptr_t)e->key & 1) == 0 || (e->flags & TRACER_SILENT) == 0;
    }
    return depth;
}

static bool
tracer_open_extent(struct tracer *st, struct tracer_thread *t, uint32_t depth,
                   size_t bytes)
{
    if (t->record == NULL) {
        t->record = prf_sink_thread_slot(st->sink, t->base.native_id, TRACER_NAME_ROOM);
        t->id = st->sink->n_threads;
    }
    const struct prf_trace_chunk chunk = {
        .sink = st->sink, .thread = t->id, .depth = depth, .min_bytes = bytes};
    if (t->stream.last == 0) {
        t->stream.last = prf_now();
    }
    if (t->record == NULL || prf_trace_extend(&t->stream, &chunk) < 0) {
        st->closed = true;
        return false;
    }
    t->limit = t->stream.limit;
    return true;
}

/* A forked child goes on in a recording of its own, which begins with the calls that
   are open. */
static bool
tracer_adopt_fork(struct tracer *st, struct tracer_thread *t)
{
    st->forked = false;
    st->n_calls = st->n_over = st->n_deep = st->n_short = 0;
    if (st->ignore_multiprocess || st->sink->ops->fork == NULL ||
        st->sink->ops->fork(st->sink) < 0) {
        st->closed = true;
        return false;
    }
    t->base.native_id = (uint64_t)getpid();
    t->stream.n_events = 0;
    t->stream.last = prf_now();
    size_t n = (size_t)(t->top - t->stack);
    if (!tracer_open_extent(st, t, 0, (n + 2) * PRF_TRACE_EVENT_MAX)) {
        return false;
    }
    for (struct tracer_entry *e = t->stack + 1; e <= t->top; e++) {
        const void *key = (const void *)((uintptr_t)e->key & ~(uintptr_t)1);
        if (e->key != key) {
            Py_CLEAR(e->task);
            e->from = e->to = NULL;
        }
        if (e->key == key || (e->flags & TRACER_SILENT) == 0) {
            prf_trace_call_id(&t->stream, prf_codes_find(&st->codes, key),
                              t->stream.last);
        }
    }
    tracer_name_thread(t);
    return true;
}

bool
prf_tracer_room(struct tracer *st, struct tracer_thread *t, size_t bytes)
{
    if (st->forked && !tracer_adopt_fork(st, t)) {
        return false;
    }
    if (st->closed) {
        return false;
    }
    struct prf_trace_stream *s = &t->stream;
    if (s->data != NULL && s->p < t->limit && (size_t)(t->limit - s->p) >= bytes) {
        if (s->limit != t->limit && s->p >= s->limit) {
            tracer_name_thread(t);
            s->limit = s->limit > s->p ? s->limit : t->limit;
        }
        return true;
    }
    if (!tracer_open_extent(st, t, tracer_depth(t), bytes)) {
        return false;
    }
    tracer_name_thread(t);
    return true;
}

/* ---- calls ---- */

static int
tracer_grow_stack(struct tracer_thread *t)
{
    size_t n = (size_t)(t->last - t->stack) + 1, capacity = n < 64 ? 64 : n * 2;
    struct tracer_entry *stack = malloc(capacity * sizeof *stack);
    if (stack == NULL) {
        return -1;
    }
    size_t used = (size_t)(t->top - t->stack) + 1;
    memcpy(stack, t->stack, used * sizeof *stack);
    if (t->stack != &t->none) {
        free(t->stack);
    }
    t->stack = stack;
    t->top = stack + used - 1;
    t->last = stack + capacity - 1;
    return 0;
}

/* What is known of a call when it comes through the slow half. */
struct tracer_call {
    const void *key;
    uint32_t id;
    unsigned flags;             /* enum tracer_entry_flags */
    PyObject *task;             /* taken over */
    struct prf_trace_text args; /* NULL text: none */
};

/* Is the call to be left out? Counts it then. */
static bool
tracer_leaves_out(struct tracer *st, const struct tracer_thread *t)
{
    if (!st->careful) {
        return false;
    }
    if (st->max_depth >= 0 && t->top - t->stack >= st->max_depth) {
        st->n_deep++;
        return true;
    }
    if (st->entries > 0 && st->n_calls >= st->entries) {
        st->n_over++;
        return true;
    }
    st->n_calls++;
    return false;
}

static void
tracer_write_call(struct tracer_thread *t, const struct tracer_call *call,
                  const struct prf_trace_buffer *task)
{
    struct prf_trace_stream *s = &t->stream;
    struct tracer_entry *e = t->top;
    if (call->task != NULL) {
        prf_trace_span(s, (unsigned)PRF_SPAN_TASK << 1, prf_trace_buffer_text(task),
                       prf_now());
    }
    e->from = s->p;
    e->before = s->last;
    e->n_before = s->n_events;
    prf_trace_call_id(s, call->id, prf_now());
    e->began = s->last;
    if (call->args.text != NULL) {
        prf_trace_note(s, PRF_NOTE_ARGS, call->args);
    }
    e->to = s->p;
}

/* A call with an entry of its own. */
static void
tracer_enter_flagged(struct tracer *st, struct tracer_thread *t,
                     struct tracer_call *call)
{
    struct prf_trace_buffer task;
    task.len = 0;
    if (call->task != NULL) {
        prf_trace_buffer_str(&task, call->task);
    }
    size_t bytes = (4 * PRF_TRACE_EVENT_MAX) + call->args.len + task.len;
    bool silent = tracer_leaves_out(st, t);
    if (!silent && !prf_tracer_room(st, t, bytes)) {
        st->sink->ops->lost(st->sink, 1);
        silent = true;
    }
    *++t->top = (struct tracer_entry){
        .key = (const char *)call->key + 1,
        .task = silent ? NULL : call->task,
        .flags = call->flags | (silent ? TRACER_SILENT : 0),
    };
    if (silent) {
        Py_XDECREF(call->task);
    } else {
        tracer_write_call(t, call, &task);
    }
}

static void
tracer_enter_plain(struct tracer *st, struct tracer_thread *t,
                   const struct tracer_call *call)
{
    if (!prf_trace_has_room(&t->stream) &&
        !prf_tracer_room(st, t, 2 * PRF_TRACE_EVENT_MAX)) {
        st->sink->ops->lost(st->sink, 1);
        *++t->top = (struct tracer_entry){.key = (const char *)call->key + 1,
                                          .flags = TRACER_SILENT};
        return;
    }
    (++t->top)->key = call->key;
    prf_trace_call_id(&t->stream, call->id, prf_now());
}

static void
tracer_enter(struct tracer *st, struct tracer_thread *t, struct tracer_call *call)
{
    if (call->id == 0 || (t->top == t->last && tracer_grow_stack(t) < 0)) {
        st->sink->ops->lost(st->sink, 1);
        Py_XDECREF(call->task);
    } else if (st->careful || call->flags != 0) {
        tracer_enter_flagged(st, t, call);
    } else {
        tracer_enter_plain(st, t, call);
    }
}

static bool
tracer_is_coroutine(const PyCodeObject *code)
{
    return (code->co_flags & (CO_COROUTINE | CO_ASYNC_GENERATOR)) != 0;
}

static bool
tracer_in_coroutine(const struct tracer_thread *t)
{
    return ((uintptr_t)t->top->key & 1) != 0 && (t->top->flags & TRACER_COROUTINE) != 0;
}

/* With room for the texts of its arguments on the stack. */
static __attribute__((noinline)) void
tracer_enter_with_args(struct tracer *st, struct tracer_thread *t, PyCodeObject *code,
                       struct tracer_call *call)
{
    struct prf_trace_buffer args;
    args.len = 0;
    PyObject *dict = prf_call_arguments(&t->base, code);
    if (dict != NULL) {
        prf_trace_buffer_values(&args, st->repr, dict);
        call->args = prf_trace_buffer_text(&args);
        Py_DECREF(dict);
    }
    tracer_enter(st, t, call);
}

static __attribute__((noinline)) void
tracer_enter_python_other(struct tracer *st, struct tracer_thread *t,
                          PyCodeObject *code)
{
    struct tracer_call call = {.key = code};
    call.id = prf_codes_add_python(&st->codes, code);
    if (call.id == PRF_CODE_SKIPPED) {
        return;
    }
    if (tracer_is_coroutine(code) && st->log_async) {
        call.flags = TRACER_COROUTINE;
        call.task = tracer_in_coroutine(t) ? NULL : prf_tracer_task();
    }
    if (st->log_func_args) {
        tracer_enter_with_args(st, t, code, &call);
    } else {
        tracer_enter(st, t, &call);
    }
    if (!st->careful && call.flags == 0 && call.id != 0) {
        prf_codes_slot(&st->codes, code)->user = prf_trace_head(call.id);
    }
}

static void
tracer_enter_python(struct prf_call_thread *thread, PyCodeObject *code)
{
    struct tracer_thread *t = (struct tracer_thread *)thread;
    struct tracer *st = thread->user;
    uint32_t head = prf_codes_slot(&st->codes, code)->user;
    if (__builtin_expect(head != 0 && t->top < t->last, 1) &&
        prf_trace_has_room(&t->stream)) {
        (++t->top)->key = code;
        prf_trace_call(&t->stream, head, prf_now());
    } else {
        tracer_enter_python_other(st, t, code);
    }
}

/* C functions belong to no file: those called by a function that is left out are left
   out with it. */
static bool
tracer_skips_c(struct tracer *st, PyCodeObject *caller)
{
    return st->filtering &&
           prf_codes_add_python(&st->codes, caller) == PRF_CODE_SKIPPED;
}

static __attribute__((noinline)) void
tracer_enter_c_other(struct tracer *st, struct tracer_thread *t, PyMethodDef *method,
                     uint32_t id)
{
    struct tracer_call call = {.key = method, .id = id};
    if (call.id == PRF_CODE_SKIPPED) {
        return;
    }
    tracer_enter(st, t, &call);
    if (!st->careful && !st->filtering && call.id != 0) {
        prf_codes_slot(&st->codes, method)->user = prf_trace_head(call.id);
    }
}

static void
tracer_enter_c(struct prf_call_thread *thread, PyMethodDef *method, PyObject *self,
               PyObject *module, PyCodeObject *caller)
{
    struct tracer_thread *t = (struct tracer_thread *)thread;
    struct tracer *st = thread->user;
    uint32_t head = prf_codes_slot(&st->codes, method)->user;
    if (__builtin_expect(head != 0 && t->top < t->last, 1) &&
        prf_trace_has_room(&t->stream)) {
        (++t->top)->key = method;
        prf_trace_call(&t->stream, head, prf_now());
    } else if (!tracer_skips_c(st, caller)) {
        uint32_t id = prf_codes_add_c(&st->codes, method, self, module);
        tracer_enter_c_other(st, t, method, id);
    }
}

/* ---- returns ---- */

/* A short call with nothing inside is taken back out of the stream. */
static bool
tracer_takes_back(struct tracer *st, struct tracer_thread *t,
                  const struct tracer_entry *e, uint64_t now)
{
    struct prf_trace_stream *s = &t->stream;
    if (st->min_ticks == 0 || e->task != NULL || e->to == NULL || e->to != s->p ||
        now - e->began >= st->min_ticks) {
        return false;
    }
    st->n_short++;
    s->last = e->before;
    s->n_events = e->n_before - 1;
    prf_trace_commit(s, e->from);
    return true;
}

struct tracer_return {
    enum prf_event_op op;
    uint64_t now;
    PyObject *result; /* borrowed; NULL: a C function, or none */
};

static void
tracer_write_result(struct tracer *st, struct tracer_thread *t, PyObject *result)
{
    struct prf_trace_buffer text;
    text.len = 0;
    prf_trace_buffer_result(&text, st->repr, result);
    if (prf_tracer_room(st, t, text.len + (2 * PRF_TRACE_EVENT_MAX))) {
        prf_trace_note(&t->stream, PRF_NOTE_RETVAL, prf_trace_buffer_text(&text));
    }
}

static void
tracer_end_task(struct tracer *st, struct tracer_thread *t, PyObject *task)
{
    struct prf_trace_buffer name;
    name.len = 0;
    prf_trace_buffer_str(&name, task);
    if (prf_tracer_room(st, t, name.len + (2 * PRF_TRACE_EVENT_MAX))) {
        prf_trace_span(&t->stream, (unsigned)PRF_SPAN_TASK << 1 | 1,
                       prf_trace_buffer_text(&name), prf_now());
    }
    Py_DECREF(task);
}

/* End the innermost call. */
static void
tracer_pop(struct tracer *st, struct tracer_thread *t, const struct tracer_return *r)
{
    const struct tracer_entry e = *t->top;
    bool flagged = ((uintptr_t)e.key & 1) != 0;
    bool silent = flagged && ((e.flags & TRACER_SILENT) != 0 ||
                              tracer_takes_back(st, t, &e, r->now));
    if (!silent && (prf_trace_has_room(&t->stream) ||
                    prf_tracer_room(st, t, 2 * PRF_TRACE_EVENT_MAX))) {
        prf_trace_return(&t->stream, r->op, r->now);
    }
    t->top--;
    if (silent) {
        return;
    }
    if (flagged && r->result != NULL && st->log_func_retval) {
        tracer_write_result(st, t, r->result);
    }
    if (flagged && e.task != NULL) {
        tracer_end_task(st, t, e.task);
    }
}

/* A return that is not plain, or of a function that was left out or entered before the
   start, or from below functions whose return was not seen. */
static __attribute__((noinline)) void
tracer_leave_other(struct tracer *st, struct tracer_thread *t, const void *key,
                   const struct tracer_return *r)
{
    if (((uintptr_t)t->top->key & ~(uintptr_t)1) != (uintptr_t)key) {
        const struct tracer_entry *e = t->top;
        if (prf_codes_find(&st->codes, key) == PRF_CODE_SKIPPED) {
            return;
        }
        while (e > t->stack && ((uintptr_t)e->key & ~(uintptr_t)1) != (uintptr_t)key) {
            e--;
        }
        if (e == t->stack) {
            return;
        }
        const struct tracer_return unseen = {.op = PRF_EVENT_RETURN, .now = r->now};
        for (ptrdiff_t n = t->top - e; n > 0; n--) {
            tracer_pop(st, t, &unseen);
        }
    }
    tracer_pop(st, t, r);
}

static inline void
tracer_leave(struct prf_call_thread *thread, const void *key, enum prf_event_op op,
             PyObject *result)
{
    uint64_t now = prf_now();
    struct tracer_thread *t = (struct tracer_thread *)thread;
    if (__builtin_expect(t->top->key == key, 1) && prf_trace_has_room(&t->stream)) {
        t->top--;
        prf_trace_return(&t->stream, op, now);
    } else {
        const struct tracer_return r = {op, now, result};
        tracer_leave_other(thread->user, t, key, &r);
    }
}

static void
tracer_leave_python(struct prf_call_thread *thread, PyCodeObject *code,
                    PyObject *result)
{
    tracer_leave(thread, code, result ? PRF_EVENT_RETURN : PRF_EVENT_UNWIND, result);
}

static void
tracer_leave_c(struct prf_call_thread *thread, PyMethodDef *method,
               PyCodeObject *caller, enum prf_call_end end)
{
    struct tracer *st = thread->user;
    if (__builtin_expect(st->filtering, 0) && tracer_skips_c(st, caller)) {
        return;
    }
    tracer_leave(thread, method,
                 end == PRF_CALL_RETURNED ? PRF_EVENT_RETURN : PRF_EVENT_UNWIND, NULL);
}

/* Only in functions that are in the stream. */
static void
tracer_raised(struct prf_call_thread *thread, PyObject *type, PyObject *value)
{
    struct tracer_thread *t = (struct tracer_thread *)thread;
    struct tracer *st = thread->user;
    bool flagged = ((uintptr_t)t->top->key & 1) != 0;
    if (t->top == t->stack || (flagged && (t->top->flags & TRACER_SILENT))) {
        return;
    }
    struct prf_trace_buffer text;
    text.len = 0;
    prf_trace_buffer_exception(&text, type, value);
    if (prf_tracer_room(st, t, text.len + (2 * PRF_TRACE_EVENT_MAX))) {
        prf_trace_exception(&t->stream, prf_trace_buffer_text(&text), prf_now());
    }
}

static void
tracer_thread_start(struct prf_call_thread *thread)
{
    struct tracer_thread *t = (struct tracer_thread *)thread;
    t->stack = t->top = t->last = &t->none;
}

static const struct prf_call_ops tracer_ops = {
    .thread_size = sizeof(struct tracer_thread),
    .thread_start = tracer_thread_start,
    .enter_python = tracer_enter_python,
    .enter_c = tracer_enter_c,
    .leave_python = tracer_leave_python,
    .leave_c = tracer_leave_c,
    .raised = tracer_raised,
};

/* ---- the backend ---- */

static void
tracer_watch_forks(void)
{
    static bool watching;
    if (!watching) {
        watching = pthread_atfork(NULL, NULL, tracer_after_fork) == 0;
    }
}

static int
tracer_prepare(struct tracer *st, struct prf_error *err)
{
    if (st->ignore_frozen && prf_strlist_add(&st->exclude_files, "<frozen *") < 0) {
        return prf_fail(err, PRF_ENOMEM, "out of memory");
    }
    st->filtering = st->include_files.n > 0 || st->exclude_files.n > 0;
    st->min_ticks = (uint64_t)((double)st->min_ns / st->sink->ns_per_tick);
    st->careful = st->entries > 0 || st->max_depth >= 0 || st->min_ticks > 0 ||
                  st->log_func_args || st->log_func_retval;
    st->ops = tracer_ops;
    if (!st->log_exceptions) {
        st->ops.raised = NULL;
    }
    if (st->log_func_args || st->log_func_retval) {
        st->repr = prf_trace_repr_new();
        if (st->repr == NULL) {
            PyErr_Clear();
            return prf_fail(err, PRF_EPYTHON, "cannot import reprlib");
        }
    }
    return 0;
}

static int
tracer_open(void *state, const struct prf_session *session, struct prf_error *err)
{
    struct tracer *st = state;
    st->sink = session->sink;
    prf_clock_init();
    tracer_watch_forks();
    int rc = tracer_prepare(st, err);
    if (rc == 0) {
        rc = prf_codes_init(&st->codes, st->sink, &st->include_files,
                            &st->exclude_files, err);
    }
    if (rc == 0) {
        rc = prf_call_events_open(&st->events, &st->ops, st,
                                  st->ignore_c_function ? PRF_CALL_NO_C : 0, err);
    }
    return rc;
}

static int
tracer_start(void *state, struct prf_round *round, struct prf_error *err)
{
    struct tracer *st = state;
    (void)round;
    if (tracer_active != NULL) {
        return prf_fail(err, PRF_EUNAVAILABLE, "another tracer runs in this process");
    }
    if (!st->ignore_multiprocess) {
        prf_trace_children_start(&st->children, st->sink, prf_tracer.options, st);
    }
    int rc = st->log_gc ? prf_tracer_gc_start(st, err) : 0;
    if (rc == 0) {
        rc = prf_call_events_start(&st->events, err);
    }
    if (rc < 0) {
        prf_tracer_gc_stop(st);
        prf_trace_children_stop(&st->children);
        return rc;
    }
    tracer_active = st;
    st->running = true;
    st->n_marks = 0;
    st->start_ns = st->mark_ns = prf_clock_monotonic_ns();
    return 0;
}

/* Calls that are open stay so in the stream. */
static void
tracer_finish_thread(struct tracer *st, struct tracer_thread *t)
{
    for (; t->top > t->stack; t->top--) {
        if ((uintptr_t)t->top->key & 1) {
            Py_CLEAR(t->top->task);
        }
    }
    prf_trace_finish(&t->stream, st->sink);
    t->limit = NULL;
}

static void
tracer_halt(struct tracer *st)
{
    if (!st->running) {
        return;
    }
    prf_call_events_stop(&st->events);
    prf_tracer_gc_stop(st);
    st->running = false;
    tracer_active = NULL;
    prf_trace_children_stop(&st->children);
    for (struct prf_call_thread *t = st->events.threads; t != NULL; t = t->next) {
        tracer_finish_thread(st, (struct tracer_thread *)t);
    }
}

static int
tracer_stop(void *state, const struct prf_round *round, struct prf_error *err)
{
    struct tracer *st = state;
    (void)round;
    (void)err;
    st->wall_ns += prf_clock_monotonic_ns() - st->start_ns;
    tracer_halt(st);
    return PRF_DONE;
}

/* The calling thread with room for one event and a name; NULL: lost. */
static struct tracer_thread *
tracer_thread_for(struct tracer *st, size_t len)
{
    struct tracer_thread *t =
        st->running ? (struct tracer_thread *)prf_call_thread_current(&st->events)
                    : NULL;
    if (t != NULL && !prf_tracer_room(st, t, len + (2 * PRF_TRACE_EVENT_MAX))) {
        t = NULL;
    }
    return t;
}

static void
tracer_mark(void *state, const char *name)
{
    struct tracer *st = state;
    uint64_t now = prf_clock_monotonic_ns();
    struct prf_rec_mark mark = {
        .index = st->n_marks++,
        .at_ns = (double)(now - st->start_ns),
        .delta_ns = (double)(now - st->mark_ns),
        .n = 1,
    };
    struct prf_trace_text text = {name, strlen(name)};
    struct tracer_thread *t = tracer_thread_for(st, text.len);
    if (t != NULL) {
        prf_trace_instant(&t->stream, text, prf_now());
    }
    prf_sink_mark(st->sink, &mark, name);
    st->mark_ns = prf_clock_monotonic_ns();
}

static void
tracer_counter(void *state, const char *name, double value)
{
    struct tracer *st = state;
    struct prf_trace_text text = {name, strlen(name)};
    struct tracer_thread *t = tracer_thread_for(st, text.len);
    if (t != NULL) {
        prf_trace_counter(&t->stream, text, value, prf_now());
    }
}

static void
tracer_note(struct prf_sink *sink, uint64_t n, const char *text)
{
    char line[200];
    if (n > 0) {
        snprintf(line, sizeof line, "%llu calls %s", (unsigned long long)n, text);
        prf_sink_info(sink, PRF_INFO_NOTE, line);
    }
}

static void
tracer_say(struct tracer *st, struct prf_sink *sink)
{
    tracer_note(sink, st->n_over,
                "came after --tracer-entries was reached and are not in the trace");
    tracer_note(sink, st->n_deep, "deeper than --max-stack-depth were left out");
    tracer_note(sink, st->n_short, "shorter than --min-duration were left out");
    if (st->closed) {
        prf_sink_info(sink, PRF_INFO_NOTE,
                      "no more space for the recording: the trace ends early");
    }
    if (st->events.replaced) {
        prf_sink_info(sink, PRF_INFO_NOTE,
                      "the case set a profile function of its own (sys.setprofile); "
                      "calls were not seen from then on");
    }
    if (st->server_only || st->port != 0 || st->flamegraph) {
        prf_sink_info(sink, PRF_INFO_NOTE,
                      "there is no viewer to serve: 'pyprofiler export' writes the "
                      "trace for ui.perfetto.dev (--format chrometrace, perfetto) and "
                      "for flame graphs (--format speedscope, collapsed)");
    }
}

static int
tracer_collect(void *state, struct prf_sink *sink, struct prf_error *err)
{
    struct tracer *st = state;
    struct prf_rows samples;
    uint64_t n_events = 0;
    (void)err;
    for (struct prf_call_thread *t = st->events.threads; t != NULL; t = t->next) {
        n_events += ((struct tracer_thread *)t)->stream.n_events;
    }
    prf_rows_init(&samples, sink, PRF_CHUNK_SAMPLE, sizeof(struct prf_rec_sample));
    prf_sink_sample(&samples, TRACER_WALL_TIME, 0, (double)st->wall_ns);
    prf_sink_sample(&samples, TRACER_EVENTS, 0, (double)n_events);
    if (st->n_over > 0) {
        sink->ops->lost(sink, st->n_over);
    }
    tracer_say(st, sink);
    return 0;
}

static void
tracer_close(void *state)
{
    struct tracer *st = state;
    tracer_halt(st);
    for (struct prf_call_thread *b = st->events.threads; b != NULL; b = b->next) {
        struct tracer_thread *t = (struct tracer_thread *)b;
        if (t->stack != &t->none) {
            free(t->stack);
            t->stack = t->top = t->last = &t->none;
        }
    }
    prf_call_events_close(&st->events);
    prf_codes_release(&st->codes);
    Py_CLEAR(st->repr);
}

static const char *const tracer_aliases[] = {"viztracer", NULL};

static const struct prf_metric tracer_metrics[] = {
    [TRACER_CALLS] = {"calls", "count", PRF_SCOPE_NODE, PRF_BETTER_LESS, PRF_FOLD_CALLS,
                      "how often the function was called"},
    [TRACER_TIME] = {"time", "tick", PRF_SCOPE_NODE, PRF_BETTER_LESS, PRF_FOLD_COST,
                     "wall time in the function"},
    [TRACER_WALL_TIME] = {"wall_time", "ns", PRF_SCOPE_RESULT, PRF_BETTER_LESS,
                          PRF_FOLD_NONE, "of the case, tracing included"},
    [TRACER_EVENTS] = {"events", "count", PRF_SCOPE_RESULT, PRF_BETTER_NONE,
                       PRF_FOLD_NONE, "recorded, in the case's own process"},
    {NULL},
};

#define TRACER_FIELD(field) .offset = offsetof(struct tracer, field)

static const struct prf_option tracer_options[] = {
    {.type = PRF_OPT_UINT,
     .name = "tracer-entries",
     TRACER_FIELD(entries),
     .def = "0",
     .unit = "N",
     .help = "stop recording after N calls; 0: no limit"},
    {.type = PRF_OPT_INT,
     .name = "max-stack-depth",
     TRACER_FIELD(max_depth),
     .def = "-1",
     .unit = "N",
     .help = "leave out calls with N or more others open around them; negative: none"},
    {.type = PRF_OPT_DURATION,
     .name = "min-duration",
     TRACER_FIELD(min_ns),
     .def = "0",
     .unit = "DURATION",
     .help = "leave out calls that are shorter and have nothing inside"},
    {.type = PRF_OPT_LIST,
     .name = "include-files",
     .unit = "PATH|GLOB",
     TRACER_FIELD(include_files),
     .help = "only functions of these files and folders"},
    {.type = PRF_OPT_LIST,
     .name = "exclude-files",
     .unit = "PATH|GLOB",
     TRACER_FIELD(exclude_files),
     .help = "no functions of these files and folders"},
    {.type = PRF_OPT_FLAG,
     .name = "ignore-c-function",
     .aliases = "ignore-c-functions",
     TRACER_FIELD(ignore_c_function),
     .help = "Python functions only"},
    {.type = PRF_OPT_FLAG,
     .name = "ignore-frozen",
     TRACER_FIELD(ignore_frozen),
     .help = "no functions of frozen modules, which are those of import"},
    {.type = PRF_OPT_FLAG,
     .name = "log-func-args",
     TRACER_FIELD(log_func_args),
     .help = "names and values of the arguments of each call"},
    {.type = PRF_OPT_FLAG,
     .name = "log-func-retval",
     TRACER_FIELD(log_func_retval),
     .help = "what each Python function returns"},
    {.type = PRF_OPT_FLAG,
     .name = "log-gc",
     TRACER_FIELD(log_gc),
     .def = "true",
     .help = "garbage collections"},
    {.type = PRF_OPT_FLAG,
     .name = "log-exceptions",
     .aliases = "log-exception",
     TRACER_FIELD(log_exceptions),
     .def = "true",
     .help = "exceptions where they are raised"},
    {.type = PRF_OPT_FLAG,
     .name = "log-async",
     TRACER_FIELD(log_async),
     .def = "true",
     .help = "which asyncio task runs"},
    {.type = PRF_OPT_FLAG,
     .name = "ignore-multiprocess",
     TRACER_FIELD(ignore_multiprocess),
     .help = "do not trace child processes"},
    {.type = PRF_OPT_STRING,
     .name = "output-file",
     TRACER_FIELD(output_file),
     .unit = "FILE",
     .choices = "chrometrace",
     .help = "write the trace there, as Chrome's JSON",
     .flags = PRF_OPT_OUTPUT},
    {.type = PRF_OPT_INT,
     .name = "verbose",
     TRACER_FIELD(verbose),
     .def = "1",
     .unit = "N",
     .help = "has no effect",
     .flags = PRF_OPT_HIDDEN},
    {.type = PRF_OPT_FLAG,
     .name = "server-only",
     TRACER_FIELD(server_only),
     .help = "has no effect: see pyprofiler-export(1)",
     .flags = PRF_OPT_HIDDEN},
    {.type = PRF_OPT_UINT,
     .short_name = 'p',
     .name = "port",
     TRACER_FIELD(port),
     .def = "0",
     .unit = "N",
     .help = "has no effect: see pyprofiler-export(1)",
     .flags = PRF_OPT_HIDDEN},
    {.type = PRF_OPT_FLAG,
     .name = "flamegraph",
     TRACER_FIELD(flamegraph),
     .help = "has no effect: see pyprofiler-export(1)",
     .flags = PRF_OPT_HIDDEN},
    PRF_OPTIONS_END,
};

const struct prf_backend prf_tracer = {
    .abi = PRF_BACKEND_ABI,
    .name = "tracer",
    .aliases = tracer_aliases,
    .summary = "every call and return on a timeline: all threads and child processes",
    .state_size = sizeof(struct tracer),
    .metrics = tracer_metrics,
    .options = tracer_options,
    .open = tracer_open,
    .start = tracer_start,
    .stop = tracer_stop,
    .mark = tracer_mark,
    .collect = tracer_collect,
    .close = tracer_close,
    .counter = tracer_counter,
};
