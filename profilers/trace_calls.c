/* The tracer's hook: calls and returns, and what the options make of them.

   The fast half looks up the function's encoded id, reads the clock and writes 3 to 5
   bytes into the thread's extent. The stack of keys tells which returns belong to calls
   that were recorded. Whatever needs more (options that look at each call, coroutines,
   new functions, full extents) goes through calls_enter and calls_pop. */
#include "tracer.h"

#include <stddef.h>
#include <stdlib.h>

#include "clock.h"
#include "trace_text.h"

static int
calls_grow_stack(struct tracer_thread *t)
{
    size_t n = (size_t)(t->last - t->stack) + 1, capacity = n < 64 ? 64 : n * 2;
    struct tracer_entry *stack = calloc(capacity, sizeof *stack);
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
struct calls_entering {
    const void *key;
    uint32_t id;
    unsigned flags;             /* enum tracer_entry_flags */
    PyObject *task;             /* taken over */
    struct prf_trace_text args; /* NULL text: none */
};

/* Is the call to be left out? Counts it then. */
static bool
calls_leaves_out(struct tracer *st, const struct tracer_thread *t)
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
calls_write_call(struct tracer_thread *t, const struct calls_entering *call,
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
calls_enter_flagged(struct tracer *st, struct tracer_thread *t,
                    struct calls_entering *call)
{
    struct prf_trace_buffer task;
    task.len = 0;
    if (call->task != NULL) {
        prf_trace_buffer_str(&task, call->task);
    }
    size_t bytes = (4 * PRF_TRACE_EVENT_MAX) + call->args.len + task.len;
    bool silent = calls_leaves_out(st, t);
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
        calls_write_call(t, call, &task);
    }
}

static void
calls_enter_plain(struct tracer *st, struct tracer_thread *t,
                  const struct calls_entering *call)
{
    if (!prf_trace_has_room(&t->stream) &&
        !prf_tracer_room(st, t, 2 * PRF_TRACE_EVENT_MAX)) {
        st->sink->ops->lost(st->sink, 1);
        *++t->top = (struct tracer_entry){.key = (const char *)call->key + 1,
                                          .flags = TRACER_SILENT};
        return;
    }
    *++t->top = (struct tracer_entry){.key = call->key};
    prf_trace_call_id(&t->stream, call->id, prf_now());
}

static void
calls_enter(struct tracer *st, struct tracer_thread *t, struct calls_entering *call)
{
    if (call->id == 0 || (t->top == t->last && calls_grow_stack(t) < 0)) {
        st->sink->ops->lost(st->sink, 1);
        Py_XDECREF(call->task);
    } else if (st->careful || call->flags != 0) {
        calls_enter_flagged(st, t, call);
    } else {
        calls_enter_plain(st, t, call);
    }
}

static bool
calls_is_coroutine(const PyCodeObject *code)
{
    return (code->co_flags & (CO_COROUTINE | CO_ASYNC_GENERATOR)) != 0;
}

static bool
calls_in_coroutine(const struct tracer_thread *t)
{
    return ((uintptr_t)t->top->key & 1) != 0 && (t->top->flags & TRACER_COROUTINE) != 0;
}

/* With room for the texts of its arguments on the stack. */
static __attribute__((noinline)) void
calls_enter_with_args(struct tracer *st, struct tracer_thread *t, PyCodeObject *code,
                      struct calls_entering *call)
{
    struct prf_trace_buffer args;
    args.len = 0;
    PyObject *dict = prf_call_arguments(&t->base, code);
    if (dict != NULL) {
        prf_trace_buffer_values(&args, st->repr, dict);
        call->args = prf_trace_buffer_text(&args);
        Py_DECREF(dict);
    }
    calls_enter(st, t, call);
    call->args.text = NULL;
}

static __attribute__((noinline)) void
calls_enter_python_other(struct tracer *st, struct tracer_thread *t, PyCodeObject *code)
{
    struct calls_entering call = {.key = code};
    call.id = prf_codes_add_python(&st->codes, code);
    if (call.id == PRF_CODE_SKIPPED) {
        st->n_filtered += st->filtering && !prf_codes_is_hidden_python(code);
        return;
    }
    if (calls_is_coroutine(code) && st->log_async) {
        call.flags = TRACER_COROUTINE;
        call.task = calls_in_coroutine(t) ? NULL : prf_tracer_task();
    }
    if (st->log_func_args) {
        calls_enter_with_args(st, t, code, &call);
    } else {
        calls_enter(st, t, &call);
    }
    if (!st->careful && call.flags == 0 && call.id != 0) {
        prf_codes_slot(&st->codes, code)->user = prf_trace_head(call.id);
    }
}

/* A plain call, when there is room for all of it. The place above the stack's top often
   holds the same function, from the last time: no look-up then. */
static inline __attribute__((always_inline)) bool
calls_enter_fast(struct tracer *st, struct tracer_thread *t, const void *key)
{
    if (__builtin_expect(t->top >= t->last || !prf_trace_has_room(&t->stream), 0)) {
        return false;
    }
    struct tracer_entry *e = t->top + 1;
    if (e->key != key || e->head == 0) {
        uint32_t head = prf_codes_slot(&st->codes, key)->user;
        if (head == 0) {
            return false;
        }
        e->key = key;
        e->head = head;
    }
    t->top = e;
    prf_trace_call(&t->stream, e->head, prf_now());
    return true;
}

static void
calls_enter_python(struct prf_call_thread *thread, PyCodeObject *code)
{
    struct tracer_thread *t = (struct tracer_thread *)thread;
    struct tracer *st = thread->user;
    if (!calls_enter_fast(st, t, code)) {
        calls_enter_python_other(st, t, code);
    }
}

/* C functions belong to no file: those called by a function that is left out are left
   out with it. */
static bool
calls_skips_c(struct tracer *st, PyCodeObject *caller)
{
    return st->filtering &&
           prf_codes_add_python(&st->codes, caller) == PRF_CODE_SKIPPED;
}

static __attribute__((noinline)) void
calls_enter_c_other(struct tracer *st, struct tracer_thread *t, PyMethodDef *method,
                    uint32_t id)
{
    struct calls_entering call = {.key = method, .id = id};
    if (call.id == PRF_CODE_SKIPPED) {
        return;
    }
    calls_enter(st, t, &call);
    if (!st->careful && !st->filtering && call.id != 0) {
        prf_codes_slot(&st->codes, method)->user = prf_trace_head(call.id);
    }
}

static void
calls_enter_c(struct prf_call_thread *thread, PyMethodDef *method, PyObject *self,
              PyObject *module, PyCodeObject *caller)
{
    struct tracer_thread *t = (struct tracer_thread *)thread;
    struct tracer *st = thread->user;
    if (calls_enter_fast(st, t, method)) {
        return;
    }
    if (calls_skips_c(st, caller)) {
        st->n_filtered++;
    } else {
        uint32_t id = prf_codes_add_c(&st->codes, method, self, module);
        calls_enter_c_other(st, t, method, id);
    }
}

/* ---- returns ---- */

/* A short call with nothing inside is taken back out of the stream. */
static bool
calls_takes_back(struct tracer *st, struct tracer_thread *t,
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

struct calls_leaving {
    enum prf_event_op op;
    uint64_t now;
    PyObject *result; /* borrowed; NULL: a C function, or none */
};

static void
calls_write_result(struct tracer *st, struct tracer_thread *t, PyObject *result)
{
    struct prf_trace_buffer text;
    text.len = 0;
    prf_trace_buffer_result(&text, st->repr, result);
    if (prf_tracer_room(st, t, text.len + (2 * PRF_TRACE_EVENT_MAX))) {
        prf_trace_note(&t->stream, PRF_NOTE_RETVAL, prf_trace_buffer_text(&text));
    }
}

static void
calls_end_task(struct tracer *st, struct tracer_thread *t, PyObject *task)
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
calls_pop(struct tracer *st, struct tracer_thread *t, const struct calls_leaving *r)
{
    const struct tracer_entry e = *t->top;
    bool flagged = ((uintptr_t)e.key & 1) != 0;
    bool silent = flagged && ((e.flags & TRACER_SILENT) != 0 ||
                              calls_takes_back(st, t, &e, r->now));
    if (!silent && (prf_trace_has_room(&t->stream) ||
                    prf_tracer_room(st, t, 2 * PRF_TRACE_EVENT_MAX))) {
        prf_trace_return(&t->stream, r->op, r->now);
    }
    t->top--;
    if (silent) {
        return;
    }
    if (flagged && r->result != NULL && st->log_func_retval) {
        calls_write_result(st, t, r->result);
    }
    if (flagged && e.task != NULL) {
        calls_end_task(st, t, e.task);
    }
}

/* A return that is not plain, or of a function that was left out or entered before the
   start, or from below functions whose return was not seen. */
static void
calls_leave_other(struct tracer *st, struct tracer_thread *t, const void *key,
                  const struct calls_leaving *r)
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
        const struct calls_leaving unseen = {.op = PRF_EVENT_RETURN, .now = r->now};
        for (ptrdiff_t n = t->top - e; n > 0; n--) {
            calls_pop(st, t, &unseen);
        }
    }
    calls_pop(st, t, r);
}

/* Apart, so that the fast half needs no frame of its own on the stack. */
static __attribute__((noinline)) void
calls_leave_slow(struct tracer_thread *t, const void *key, struct calls_leaving r)
{
    calls_leave_other(t->base.user, t, key, &r);
}

static inline __attribute__((always_inline)) void
calls_leave(struct prf_call_thread *thread, const void *key, enum prf_event_op op,
            PyObject *result)
{
    uint64_t now = prf_now();
    struct tracer_thread *t = (struct tracer_thread *)thread;
    if (__builtin_expect(t->top->key == key, 1) && prf_trace_has_room(&t->stream)) {
        t->top--;
        prf_trace_return(&t->stream, op, now);
    } else {
        calls_leave_slow(t, key, (struct calls_leaving){op, now, result});
    }
}

static void
calls_leave_python(struct prf_call_thread *thread, PyCodeObject *code, PyObject *result)
{
    calls_leave(thread, code, result ? PRF_EVENT_RETURN : PRF_EVENT_UNWIND, result);
}

static void
calls_leave_c(struct prf_call_thread *thread, PyMethodDef *method, PyCodeObject *caller,
              enum prf_call_end end)
{
    struct tracer *st = thread->user;
    if (__builtin_expect(st->filtering, 0) && calls_skips_c(st, caller)) {
        return;
    }
    calls_leave(thread, method,
                end == PRF_CALL_RETURNED ? PRF_EVENT_RETURN : PRF_EVENT_UNWIND, NULL);
}

/* Only in functions that are in the stream. */
static void
calls_raised(struct prf_call_thread *thread, PyObject *type, PyObject *value)
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
calls_thread_start(struct prf_call_thread *thread)
{
    struct tracer_thread *t = (struct tracer_thread *)thread;
    t->stack = t->top = t->last = &t->none;
}

const struct prf_call_ops prf_tracer_call_ops = {
    .name = "tracer",
    .thread_size = sizeof(struct tracer_thread),
    .thread_start = calls_thread_start,
    .enter_python = calls_enter_python,
    .enter_c = calls_enter_c,
    .leave_python = calls_leave_python,
    .leave_c = calls_leave_c,
    .raised = calls_raised,
};
