/* Decoding events and pairing the ends of calls with their beginnings; see events.h. */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <pyprofiler/recording.h>

#include "events_index.h"

#define CURSOR_GIVE_BACK ((size_t)4 << 20)
#define CURSOR_DEPTH_MAX ((size_t)1 << 20) /* more open calls are only counted */
#define CURSOR_TIME_MAX ((int64_t)1 << 61)

struct cursor_thread {
    struct prf_call *calls;
    size_t n, room;
    uint64_t depth; /* calls that are open, the unknown ones too */
    int64_t last_ns;
};

struct prf_event_cursor {
    struct prf_events *events;
    struct prf_events_index *x;
    struct cursor_thread *threads;
    uint32_t only;  /* PRF_EVENTS_ALL, or the thread */
    uint32_t chunk; /* being read, or PRF_EVENTS_NONE */
    const unsigned char *p, *end;
    uint64_t ticks;
    size_t kept; /* pages before this offset were given back */
    /* calls to be ended before reading on: of a thread, down to a depth */
    bool closing;
    uint32_t closing_thread;
    uint64_t closing_depth;
    int64_t closing_ns;
    bool at_end;
    uint32_t ended; /* at_end: the next thread whose calls are to be ended */
    size_t n_damaged, n_unmatched;
};

/* When each process was seen last: known once all was read. */
static int
cursor_survey(struct prf_events *events, struct prf_error *err)
{
    struct prf_event_cursor *c = NULL;
    struct prf_event event;
    int rc = prf_event_cursor_open(events, PRF_EVENTS_ALL, &c, err);
    for (int more = 1; rc == 0 && more > 0 && !c->at_end;) {
        more = prf_event_next(c, &event);
        rc = more < 0 ? more : 0;
    }
    prf_event_cursor_free(c);
    return rc < 0 ? prf_fail(err, rc, "out of memory while reading events") : 0;
}

int
prf_event_cursor_open(struct prf_events *events, uint32_t thread,
                      struct prf_event_cursor **out, struct prf_error *err)
{
    if (thread != PRF_EVENTS_ALL && !events->index->surveyed &&
        cursor_survey(events, err) < 0) {
        return PRF_ENOMEM;
    }
    struct prf_event_cursor *c = calloc(1, sizeof *c);
    if (c == NULL ||
        (c->threads = calloc(events->n_threads + 1, sizeof *c->threads)) == NULL) {
        free(c);
        return prf_fail(err, PRF_ENOMEM, "out of memory");
    }
    c->events = events;
    c->x = events->index;
    c->only = thread;
    c->chunk = PRF_EVENTS_NONE;
    for (size_t i = 0; i < events->n_threads; i++) {
        c->threads[i].last_ns = INT64_MIN;
    }
    *out = c;
    return 0;
}

void
prf_event_cursor_free(struct prf_event_cursor *cursor)
{
    if (cursor == NULL) {
        return;
    }
    for (size_t i = 0; i < cursor->events->n_threads; i++) {
        free(cursor->threads[i].calls);
    }
    free(cursor->threads);
    free(cursor);
}

size_t
prf_event_cursor_damaged(const struct prf_event_cursor *cursor)
{
    return cursor->n_damaged;
}

size_t
prf_event_cursor_unmatched(const struct prf_event_cursor *cursor)
{
    return cursor->n_unmatched;
}

/* ---- time ---- */

static int64_t
cursor_time(const struct prf_events_clock *clock, uint64_t ticks)
{
    double ns = (double)(int64_t)(ticks - clock->base_ticks) * clock->ns_per_tick;
    if (!(ns < (double)CURSOR_TIME_MAX)) {
        return CURSOR_TIME_MAX;
    }
    return clock->base_ns + (ns > 0 ? (int64_t)ns : 0);
}

/* The time of an event: a thread never goes back. */
static int64_t
cursor_at(struct prf_event_cursor *c, uint32_t thread)
{
    const struct prf_events_source *source =
        &c->x->sources[c->events->threads[thread].process];
    struct cursor_thread *t = &c->threads[thread];
    int64_t at = cursor_time(&source->clock, c->ticks);
    if (at > t->last_ns) {
        t->last_ns = at;
    }
    return t->last_ns;
}

/* ---- open calls ---- */

static struct prf_call *
cursor_innermost(struct cursor_thread *t)
{
    return t->n > 0 ? &t->calls[t->n - 1] : NULL;
}

static struct prf_call *
cursor_push(struct cursor_thread *t)
{
    if (t->calls == NULL || t->n == t->room) {
        size_t room = t->room == 0 ? 32 : t->room * 2;
        struct prf_call *calls = realloc(t->calls, room * sizeof *calls);
        if (calls == NULL) {
            return NULL;
        }
        t->calls = calls;
        t->room = room;
    }
    struct prf_call *call = &t->calls[t->n++];
    *call = (struct prf_call){.user = t->n > 1 ? call[-1].user : 0};
    return call;
}

/* Calls whose beginning nobody saw: however many, they are one entry. */
static int
cursor_push_unknown(struct cursor_thread *t, uint64_t n)
{
    struct prf_call *call = cursor_innermost(t);
    if (call == NULL || call->code != 0 || call->n_unknown == 0) {
        call = cursor_push(t);
        if (call == NULL) {
            return PRF_ENOMEM;
        }
    }
    call->n_unknown += n;
    t->depth += n;
    return 0;
}

/* The innermost call ends at `at_ns`: true when there is an event in it. */
static bool
cursor_pop(struct prf_event_cursor *c, uint32_t thread, int64_t at_ns,
           struct prf_event *event)
{
    struct cursor_thread *t = &c->threads[thread];
    struct prf_call *call = cursor_innermost(t);
    if (call == NULL) {
        c->n_unmatched++;
        return false;
    }
    t->depth--;
    if (call->n_unknown > 0) {
        call->n_unknown--;
        t->n -= call->n_unknown == 0;
        return false;
    }
    t->n--; /* what it points to stays until the next event */
    event->thread = thread;
    event->at_ns = at_ns;
    event->call = call;
    event->caller = cursor_innermost(t);
    if (event->caller != NULL) {
        event->caller->inner_ns += at_ns - call->began_ns;
    }
    return true;
}

/* ---- chunks ---- */

static const struct prf_chunk *
cursor_chunk(const struct prf_event_cursor *c, uint32_t i)
{
    return (const void *)(c->x->data + c->x->chunks[i].offset);
}

/* Where the events of a chunk are. */
static void
cursor_bounds(const struct prf_event_cursor *c, uint32_t i, const unsigned char **p,
              const unsigned char **end)
{
    const struct prf_chunk *chunk = cursor_chunk(c, i);
    uint64_t used = atomic_load_explicit(&chunk->used, memory_order_relaxed);
    const struct prf_events_chunk *place = &c->x->chunks[i];
    const struct prf_events_source *source =
        &c->x->sources[c->events->threads[place->thread].process];
    uint64_t room = source->end - place->offset - sizeof *chunk;
    uint64_t most = chunk->capacity < room ? chunk->capacity : room;
    const unsigned char *data = (const unsigned char *)(chunk + 1);
    *p = data + sizeof(struct prf_event_chunk);
    *end = data + (used < most ? used : most);
}

static void
cursor_give_back(struct prf_event_cursor *c)
{
    if (c->chunk == PRF_EVENTS_NONE) {
        return;
    }
    size_t from = c->x->chunks[c->chunk].offset;
    size_t to = (size_t)(c->end - c->x->data);
    if (c->only != PRF_EVENTS_ALL) {
        prf_events_give_back(c->x, from, to);
    } else if (to < c->kept || to - c->kept >= CURSOR_GIVE_BACK) {
        prf_events_give_back(c->x, c->kept < from ? c->kept : from, to);
        c->kept = to;
    }
}

static uint32_t
cursor_following(const struct prf_event_cursor *c)
{
    if (c->only != PRF_EVENTS_ALL) {
        return c->chunk == PRF_EVENTS_NONE ? c->x->first_chunk[c->only]
                                           : c->x->chunks[c->chunk].next;
    }
    uint32_t next = c->chunk == PRF_EVENTS_NONE ? 0 : c->chunk + 1;
    return next < c->events->n_chunks ? next : PRF_EVENTS_NONE;
}

/* The next chunk, and the calls of its thread as it says they were. 0: there is none.
 */
static int
cursor_open_chunk(struct prf_event_cursor *c)
{
    uint32_t next = cursor_following(c);
    cursor_give_back(c);
    if (next == PRF_EVENTS_NONE) {
        return 0;
    }
    struct prf_event_chunk head;
    c->chunk = next;
    memcpy(&head, cursor_chunk(c, next) + 1, sizeof head);
    cursor_bounds(c, next, &c->p, &c->end);
    c->ticks = head.ticks;
    uint32_t thread = c->x->chunks[next].thread;
    struct cursor_thread *t = &c->threads[thread];
    if (head.depth > t->depth) {
        return cursor_push_unknown(t, head.depth - t->depth) < 0 ? PRF_ENOMEM : 1;
    }
    if (head.depth < t->depth) {
        c->closing = true;
        c->closing_thread = thread;
        c->closing_depth = head.depth;
        c->closing_ns = cursor_at(c, thread);
    }
    return 1;
}

/* ---- decoding ---- */

enum { DECODE_NOTHING = 0, DECODE_EVENT = 1, DECODE_DAMAGED = 2 };

static bool
cursor_number(struct prf_event_cursor *c, uint64_t *value)
{
    if (c->p < c->end && *c->p < 0x80) {
        *value = *c->p++;
        return true;
    }
    return prf_leb128_get(&c->p, c->end, value);
}

static bool
cursor_text_at(const unsigned char **p, const unsigned char *end, struct prf_text *text)
{
    uint64_t len;
    if (!prf_leb128_get(p, end, &len) || len > (uint64_t)(end - *p)) {
        return false;
    }
    *text = (struct prf_text){(const char *)*p, (size_t)len};
    *p += len;
    return true;
}

static bool
cursor_text(struct prf_event_cursor *c, struct prf_text *text)
{
    return cursor_text_at(&c->p, c->end, text);
}

/* The note of a kind that follows the event just read. One that begins the thread's
   next chunk is passed over there, as every note is that nobody asked for. */
static void
cursor_take_note(struct prf_event_cursor *c, enum prf_note kind, struct prf_text *text)
{
    const unsigned char head = (unsigned char)(kind << 3 | PRF_EVENT_NOTE);
    if (c->p < c->end) {
        if (*c->p != head) {
            return;
        }
        c->p++;
        if (!cursor_text(c, text)) {
            c->p = c->end;
            c->n_damaged++;
        }
        return;
    }
    uint32_t next = c->x->chunks[c->chunk].next;
    const unsigned char *p, *end;
    if (next != PRF_EVENTS_NONE) {
        cursor_bounds(c, next, &p, &end);
        if (p < end && *p == head) {
            p++;
            (void)cursor_text_at(&p, end, text);
        }
    }
}

static int
cursor_call(struct prf_event_cursor *c, uint32_t thread, uint64_t id,
            struct prf_event *event)
{
    struct cursor_thread *t = &c->threads[thread];
    const struct prf_events_source *source =
        &c->x->sources[c->events->threads[thread].process];
    uint64_t delta;
    if (!cursor_number(c, &delta)) {
        return DECODE_DAMAGED;
    }
    c->ticks += delta;
    int64_t at = cursor_at(c, thread);
    bool known = id > 0 && id <= source->n_codes;
    if (!known || t->n >= CURSOR_DEPTH_MAX) {
        c->n_damaged += !known;
        return cursor_push_unknown(t, 1) < 0 ? PRF_ENOMEM : DECODE_NOTHING;
    }
    struct prf_call *call = cursor_push(t);
    if (call == NULL) {
        return PRF_ENOMEM;
    }
    t->depth++;
    call->code = source->codes[id - 1];
    call->began_ns = at;
    cursor_take_note(c, PRF_NOTE_ARGS, &call->args);
    event->at_ns = at;
    event->call = call;
    event->caller = t->n > 1 ? call - 1 : NULL;
    return DECODE_EVENT;
}

/* Events that say something about a moment. */
static bool
cursor_moment(struct prf_event_cursor *c, uint32_t thread, struct prf_event *event)
{
    event->call = cursor_innermost(&c->threads[thread]);
    event->at_ns = cursor_at(c, thread);
    switch (event->op) {
    case PRF_EVENT_INSTANT:
        return cursor_text(c, &event->name) && cursor_text(c, &event->text);
    case PRF_EVENT_EXCEPTION:
        return cursor_text(c, &event->text);
    case PRF_EVENT_COUNTER:
        if (!cursor_text(c, &event->name) ||
            c->end - c->p < (ptrdiff_t)sizeof event->value) {
            return false;
        }
        memcpy(&event->value, c->p, sizeof event->value);
        c->p += sizeof event->value;
        return true;
    default: {
        uint64_t kind;
        if (!cursor_number(c, &kind) || !cursor_text(c, &event->name) || kind > 3) {
            return false;
        }
        event->span = (enum prf_span)(kind >> 1);
        event->ends = kind & 1;
        return true;
    }
    }
}

/* One event of the chunk. DECODE_..., PRF_ENOMEM. */
static int
cursor_decode(struct prf_event_cursor *c, struct prf_event *event)
{
    uint32_t thread = c->x->chunks[c->chunk].thread;
    struct prf_text note;
    uint64_t number;
    if (!cursor_number(c, &number)) {
        return DECODE_DAMAGED;
    }
    event->op = (enum prf_event_op)(number & 7);
    event->thread = thread;
    switch (event->op) {
    case PRF_EVENT_RETURN:
    case PRF_EVENT_UNWIND:
        c->ticks += number >> 3;
        if (!cursor_pop(c, thread, cursor_at(c, thread), event)) {
            return DECODE_NOTHING;
        }
        cursor_take_note(c, PRF_NOTE_RETVAL, &event->text);
        return DECODE_EVENT;
    case PRF_EVENT_CALL:
        return cursor_call(c, thread, number >> 3, event);
    case PRF_EVENT_NOTE:
        return cursor_text(c, &note) ? DECODE_NOTHING : DECODE_DAMAGED;
    default:
        c->ticks += number >> 3;
        return cursor_moment(c, thread, event) ? DECODE_EVENT : DECODE_DAMAGED;
    }
}

/* ---- ends ---- */

/* One call of those that are to be ended. */
static bool
cursor_close_one(struct prf_event_cursor *c, struct prf_event *event)
{
    struct cursor_thread *t = &c->threads[c->closing_thread];
    while (t->depth > c->closing_depth) {
        struct prf_call *top = cursor_innermost(t);
        uint64_t excess = t->depth - c->closing_depth;
        if (top->n_unknown > 1) { /* all but the last at once */
            uint64_t n = top->n_unknown - 1 < excess ? top->n_unknown - 1 : excess;
            top->n_unknown -= n;
            t->depth -= n;
            continue;
        }
        if (cursor_pop(c, c->closing_thread, c->closing_ns, event)) {
            event->op = PRF_EVENT_RETURN;
            event->cut = true;
            return true;
        }
    }
    c->closing = false;
    return false;
}

/* Now it is known when each process was seen last. */
static void
cursor_finish(struct prf_event_cursor *c)
{
    struct prf_events *e = c->events;
    c->at_end = true;
    if (c->only != PRF_EVENTS_ALL) {
        return;
    }
    c->x->surveyed = true;
    for (size_t i = 0; i < e->n_threads; i++) {
        struct prf_event_process *process = &e->processes[e->threads[i].process];
        if (c->threads[i].last_ns > process->last_ns) {
            process->last_ns = c->threads[i].last_ns;
        }
    }
}

/* The next thread with open calls; false: none. */
static bool
cursor_close_next(struct prf_event_cursor *c)
{
    for (; c->ended < c->events->n_threads; c->ended++) {
        struct cursor_thread *t = &c->threads[c->ended];
        if (t->depth == 0) {
            continue;
        }
        int64_t last =
            c->events->processes[c->events->threads[c->ended].process].last_ns;
        c->closing = true;
        c->closing_thread = c->ended;
        c->closing_depth = 0;
        c->closing_ns = last > t->last_ns ? last : t->last_ns;
        return true;
    }
    return false;
}

int
prf_event_next(struct prf_event_cursor *c, struct prf_event *event)
{
    for (;;) {
        *event = (struct prf_event){0};
        if (c->closing) {
            if (cursor_close_one(c, event)) {
                return 1;
            }
        } else if (c->p < c->end) {
            int rc = cursor_decode(c, event);
            if (rc == DECODE_EVENT || rc < 0) {
                return rc;
            }
            if (rc ==
                DECODE_DAMAGED) { /* where the next event begins cannot be known */
                c->n_damaged++;
                c->p = c->end;
            }
        } else if (c->at_end) {
            if (!cursor_close_next(c)) {
                return 0;
            }
        } else {
            int rc = cursor_open_chunk(c);
            if (rc < 0) {
                return rc;
            }
            if (rc == 0) {
                cursor_finish(c);
            }
        }
    }
}
