/* The slow half of the event stream: extents, and events with texts. */
#include "trace_stream.h"

#define STREAM_FIRST ((size_t)4 << 10) /* a program may have thousands of threads */
#define STREAM_MAX ((size_t)256 << 10)

static unsigned char *
stream_put_text(unsigned char *p, struct prf_trace_text text)
{
    p = prf_leb128_put(p, text.len);
    memcpy(p, text.text, text.len);
    return p + text.len;
}

/* The head of an event whose argument is its time. */
static unsigned char *
stream_put_head(struct prf_trace_stream *s, enum prf_event_op op, uint64_t now)
{
    return prf_leb128_put(s->p, prf_trace_delta(s, now) << 3 | op);
}

unsigned char *
prf_trace_put_large(unsigned char *p, uint64_t v)
{
    return prf_leb128_put(p, v);
}

void
prf_trace_call_id(struct prf_trace_stream *s, uint32_t id, uint64_t now)
{
    unsigned char *p = prf_leb128_put(s->p, (uint64_t)id << 3 | PRF_EVENT_CALL);
    prf_trace_commit(s, prf_leb128_put(p, prf_trace_delta(s, now)));
}

void
prf_trace_instant(struct prf_trace_stream *s, struct prf_trace_text name, uint64_t now)
{
    unsigned char *p = stream_put_head(s, PRF_EVENT_INSTANT, now);
    p = stream_put_text(p, name);
    prf_trace_commit(s, stream_put_text(p, (struct prf_trace_text){"", 0}));
}

void
prf_trace_counter(struct prf_trace_stream *s, struct prf_trace_text name, double value,
                  uint64_t now)
{
    unsigned char *p = stream_put_head(s, PRF_EVENT_COUNTER, now);
    uint64_t bits;
    p = stream_put_text(p, name);
    memcpy(&bits, &value, sizeof bits);
    bits = htole64(bits);
    memcpy(p, &bits, sizeof bits);
    prf_trace_commit(s, p + sizeof bits);
}

void
prf_trace_exception(struct prf_trace_stream *s, struct prf_trace_text text,
                    uint64_t now)
{
    unsigned char *p = stream_put_head(s, PRF_EVENT_EXCEPTION, now);
    prf_trace_commit(s, stream_put_text(p, text));
}

void
prf_trace_span(struct prf_trace_stream *s, unsigned kind, struct prf_trace_text name,
               uint64_t now)
{
    unsigned char *p = stream_put_head(s, PRF_EVENT_SPAN, now);
    prf_trace_commit(s, stream_put_text(prf_leb128_put(p, kind), name));
}

void
prf_trace_note(struct prf_trace_stream *s, enum prf_note kind,
               struct prf_trace_text text)
{
    unsigned char *p = prf_leb128_put(s->p, (uint64_t)kind << 3 | PRF_EVENT_NOTE);
    prf_trace_commit(s, stream_put_text(p, text));
}

void
prf_trace_finish(struct prf_trace_stream *s, struct prf_sink *sink)
{
    if (s->data != NULL && sink->ops->seal != NULL) {
        sink->ops->seal(sink, &s->extent);
    }
    s->p = s->limit = s->data = NULL;
    s->used = NULL;
}

int
prf_trace_extend(struct prf_trace_stream *s, const struct prf_trace_chunk *chunk)
{
    struct prf_sink *sink = chunk->sink;
    size_t bytes = STREAM_FIRST << (2 * (s->n_extents < 3 ? s->n_extents : 3));
    size_t need =
        chunk->min_bytes + sizeof(struct prf_event_chunk) + PRF_TRACE_EVENT_MAX;
    prf_trace_finish(s, sink);
    bytes = bytes > STREAM_MAX ? STREAM_MAX : bytes;
    bytes = bytes > need ? bytes : need;
    if (sink->ops->extend(sink, PRF_CHUNK_EVENT, 0, bytes, &s->extent) < 0) {
        return -1;
    }
    const struct prf_event_chunk head = {
        .thread = chunk->thread, .depth = chunk->depth, .ticks = s->last};
    memcpy(s->extent.data, &head, sizeof head);
    s->n_extents++;
    s->data = s->extent.data;
    s->used = s->extent.used;
    s->p = s->data + sizeof head;
    s->limit = s->data + s->extent.capacity - PRF_TRACE_EVENT_MAX;
    atomic_store_explicit(s->used, sizeof head, memory_order_release);
    return 0;
}
