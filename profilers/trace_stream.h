/* The stream of events of one thread (<pyprofiler/events.h>), encoded where they
   happen, straight into the thread's extent: what was written is part of the result at
   once. Calls and returns are inline and write without a loop; the numbers have at
   least two bytes, so that the length depends on as little as possible.

   Protected by the GIL. Nothing here calls Python. */
#ifndef PRF_TRACE_STREAM_H
#define PRF_TRACE_STREAM_H

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <pyprofiler/events.h>
#include <pyprofiler/sink.h>

#define PRF_TRACE_EVENT_MAX (2 * PRF_LEB128_MAX + 4) /* bytes of one without texts */
#define PRF_TRACE_HEAD_MAX (1u << 18)                /* ids below have a head */

struct prf_trace_stream {
    unsigned char *p;       /* where the next event goes */
    unsigned char *limit;   /* from here on there may be no room for one */
    unsigned char *data;    /* of the extent */
    _Atomic uint64_t *used; /* of the extent */
    uint64_t last;          /* ticks of the last event */
    uint64_t n_events;
    struct prf_extent extent;
    size_t n_extents;
};

/* What opens a chunk of the stream. */
struct prf_trace_chunk {
    struct prf_sink *sink;
    uint32_t thread;  /* id of its record */
    uint32_t depth;   /* calls that are open */
    size_t min_bytes; /* for the events that are about to come */
};

static inline bool
prf_trace_has_room(const struct prf_trace_stream *s)
{
    return __builtin_expect(s->p < s->limit, 1);
}

/* The encoded `id << 3 | CALL`, its length in the top byte; 0: the id is too large. */
static inline uint32_t
prf_trace_head(uint32_t id)
{
    uint32_t v = id << 3 | PRF_EVENT_CALL;
    if (id >= PRF_TRACE_HEAD_MAX) {
        return 0;
    }
    if (v < 1u << 14) {
        return 2u << 24 | (v & 0x7f) | 0x80 | (v >> 7) << 8;
    }
    return 3u << 24 | (v & 0x7f) | (v & 0x3f80) << 1 | (v & 0x1fc000) << 2 | 0x8080;
}

/* Apart, so that the fast half keeps everything in registers. */
unsigned char *prf_trace_put_large(unsigned char *p, uint64_t v);

/* A number of two or three bytes, more only after 1 ms without an event. */
static inline unsigned char *
prf_trace_put_number(unsigned char *p, uint64_t v)
{
    if (__builtin_expect(v >= 1u << 21, 0)) {
        return prf_trace_put_large(p, v);
    }
    uint32_t x = (uint32_t)v;
    uint32_t third = x >> 14 != 0;
    x = (x & 0x7f) | (x & 0x3f80) << 1 | (x & 0x1fc000) << 2 | 0x80 | third << 15;
    x = htole32(x);
    memcpy(p, &x, sizeof x);
    return p + 2 + third;
}

static inline void
prf_trace_commit(struct prf_trace_stream *s, unsigned char *p)
{
    s->p = p;
    s->n_events++;
    atomic_store_explicit(s->used, (uint64_t)(p - s->data), memory_order_release);
}

/* Ticks since the last event; counters of two cores may differ by a few. */
static inline uint64_t
prf_trace_delta(struct prf_trace_stream *s, uint64_t now)
{
    uint64_t delta = now - s->last;
    if (__builtin_expect(delta > INT64_MAX, 0)) {
        return 0;
    }
    s->last = now;
    return delta;
}

/* A call, when there is room. The caller has just read the clock. */
static inline void
prf_trace_call(struct prf_trace_stream *s, uint32_t head, uint64_t now)
{
    uint32_t bytes = htole32(head);
    memcpy(s->p, &bytes, sizeof bytes);
    prf_trace_commit(
        s, prf_trace_put_number(s->p + (head >> 24), prf_trace_delta(s, now)));
}

/* RETURN or UNWIND, when there is room. */
static inline void
prf_trace_return(struct prf_trace_stream *s, enum prf_event_op op, uint64_t now)
{
    prf_trace_commit(s, prf_trace_put_number(s->p, prf_trace_delta(s, now) << 3 | op));
}

/* The slow halves, when there is room (for their texts, too). */
void prf_trace_call_id(struct prf_trace_stream *s, uint32_t id, uint64_t now);

struct prf_trace_text {
    const char *text;
    size_t len;
};

void prf_trace_instant(struct prf_trace_stream *s, struct prf_trace_text name,
                       uint64_t now);
void prf_trace_counter(struct prf_trace_stream *s, struct prf_trace_text name,
                       double value, uint64_t now);
void prf_trace_exception(struct prf_trace_stream *s, struct prf_trace_text text,
                         uint64_t now);
/* `kind`: enum prf_span << 1, | 1 at its end. */
void prf_trace_span(struct prf_trace_stream *s, unsigned kind,
                    struct prf_trace_text name, uint64_t now);
void prf_trace_note(struct prf_trace_stream *s, enum prf_note kind,
                    struct prf_trace_text text);

/* Go on in a new extent; that of before is given back. Its time starts at s->last. -1:
   there is none, the stream has no room any more. */
int prf_trace_extend(struct prf_trace_stream *s, const struct prf_trace_chunk *chunk);

/* Nothing more is written; the next event needs a new extent. */
void prf_trace_finish(struct prf_trace_stream *s, struct prf_sink *sink);

#endif
