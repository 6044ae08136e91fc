/* The tracer's threads: their extents, their names, and what a fork makes of them. */
#include "tracer.h"

#include <pthread.h>
#include <unistd.h>

#include "clock.h"
#include "compat.h"
#include "trace_text.h"

#define THREAD_NAME_ROOM 64u /* bytes of a thread's name */
#define THREAD_NAME_TRIES 16u

/* In a forked child, on the only thread that is left: the parent's extents are not ours
   to write. Async-signal-safe. */
static void
thread_after_fork(void)
{
    struct tracer *st = prf_tracer_active();
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
thread_object(void)
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
thread_write_name(struct prf_rec_thread *record)
{
    struct prf_exception saved;
    struct prf_trace_buffer name = {0};
    prf_exception_save(&saved);
    PyObject *object = thread_object();
    PyObject *text = PyUnicode_InternFromString("_name");
    PyObject *value = object && text ? PyObject_GenericGetAttr(object, text) : NULL;
    bool found = value != NULL && PyUnicode_Check(value);
    if (found) {
        prf_trace_buffer_str(&name, value);
        size_t n = name.len < THREAD_NAME_ROOM ? name.len : THREAD_NAME_ROOM;
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
thread_find_name(struct tracer_thread *t)
{
    if (t->n_named < THREAD_NAME_TRIES && !thread_write_name(t->record)) {
        t->n_named++;
        unsigned char *stop = t->stream.p + PRF_TRACE_EVENT_MAX;
        t->stream.limit = stop < t->limit ? stop : t->limit;
    } else {
        t->n_named = THREAD_NAME_TRIES;
        t->stream.limit = t->limit;
    }
}

static uint32_t
thread_depth(const struct tracer_thread *t)
{
    uint32_t depth = 0;
    for (struct tracer_entry *e = t->stack + 1; e <= t->top; e++) {
        depth += ((uintptr_t)e->key & 1) == 0 || (e->flags & TRACER_SILENT) == 0;
    }
    return depth;
}

static bool
thread_open_extent(struct tracer *st, struct tracer_thread *t, uint32_t depth,
                   size_t bytes)
{
    if (t->record == NULL) {
        t->record = prf_sink_thread_slot(st->sink, t->base.native_id, THREAD_NAME_ROOM);
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
thread_adopt_fork(struct tracer *st, struct tracer_thread *t)
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
    if (!thread_open_extent(st, t, 0, (n + 2) * PRF_TRACE_EVENT_MAX)) {
        return false;
    }
    for (struct tracer_entry *e = t->stack + 1; e <= t->top; e++) {
        const void *key = (const char *)e->key - ((uintptr_t)e->key & 1);
        if (e->key != key) {
            Py_CLEAR(e->task);
            e->from = e->to = NULL;
        }
        if (e->key == key || (e->flags & TRACER_SILENT) == 0) {
            prf_trace_call_id(&t->stream, prf_codes_find(&st->codes, key),
                              t->stream.last);
        }
    }
    thread_find_name(t);
    return true;
}

bool
prf_tracer_room(struct tracer *st, struct tracer_thread *t, size_t bytes)
{
    if (st->forked && !thread_adopt_fork(st, t)) {
        return false;
    }
    if (st->closed) {
        return false;
    }
    struct prf_trace_stream *s = &t->stream;
    if (s->data != NULL && s->p < t->limit && (size_t)(t->limit - s->p) >= bytes) {
        if (s->limit != t->limit && s->p >= s->limit) {
            thread_find_name(t);
            s->limit = s->limit > s->p ? s->limit : t->limit;
        }
        return true;
    }
    if (!thread_open_extent(st, t, thread_depth(t), bytes)) {
        return false;
    }
    thread_find_name(t);
    return true;
}

void
prf_tracer_watch_forks(void)
{
    static bool watching;
    if (!watching) {
        watching = pthread_atfork(NULL, NULL, thread_after_fork) == 0;
    }
}

/* Calls that are open stay so in the stream. */
void
prf_tracer_thread_finish(struct tracer *st, struct tracer_thread *t)
{
    for (; t->top > t->stack; t->top--) {
        if ((uintptr_t)t->top->key & 1) {
            Py_CLEAR(t->top->task);
        }
    }
    prf_trace_finish(&t->stream, st->sink);
    t->limit = NULL;
}
