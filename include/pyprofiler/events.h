/* The stream of a tracing backend: what PRF_CHUNK_EVENT holds.

   A chunk belongs to one thread and starts with struct prf_event_chunk; the events
   follow without padding, in order of time. Chunks of one thread are in file order. A
   chunk's first event counts its time from `ticks`, every other from the one before.

   An event is a head, a LEB128 number `argument << 3 | op`, and what its op says.
   Numbers are LEB128; a text is its length in bytes and UTF-8. `delta` is in ticks.

       op          argument   then
       RETURN      delta                       the innermost call ends
       UNWIND      delta                       ... by an exception
       CALL        code id    delta
       INSTANT     delta      name, text       a mark, or an instant of the case's; the
                                               text (JSON or empty) tells more
       COUNTER     delta      name, double (8 bytes, little endian)
       EXCEPTION   delta      text             "TypeError: ..." raised in the innermost
                                               call
       SPAN        delta      kind, name       something that is no call begins or ends
                                               on the thread: kind is enum prf_span <<
   1, | 1 at its end NOTE        kind       text             of the call that began last
   (PRF_NOTE_ARGS) or ended last (PRF_NOTE_RETVAL), a JSON object; no time of its own

   Codes are those of the recording the chunk stands in. The clock is that of the
   recording's header: `ticks` of every process on one machine compare. */
#ifndef PYPROFILER_EVENTS_H
#define PYPROFILER_EVENTS_H

#include <stdint.h>

struct prf_event_chunk {
    uint32_t thread; /* id of a prf_rec_thread */
    uint32_t depth;  /* calls that were open when the chunk began */
    uint64_t ticks;
};

enum prf_event_op {
    PRF_EVENT_RETURN,
    PRF_EVENT_UNWIND,
    PRF_EVENT_CALL,
    PRF_EVENT_INSTANT,
    PRF_EVENT_COUNTER,
    PRF_EVENT_EXCEPTION,
    PRF_EVENT_SPAN,
    PRF_EVENT_NOTE,
};

enum prf_span {
    PRF_SPAN_GC,   /* name: "generation 2"; at its end "collected 12" */
    PRF_SPAN_TASK, /* an asyncio task runs; name: the task's */
};

enum prf_note { PRF_NOTE_ARGS, PRF_NOTE_RETVAL };

#define PRF_LEB128_MAX 10 /* bytes of the longest number */

static inline unsigned char *
prf_leb128_put(unsigned char *p, uint64_t value)
{
    while (value >= 0x80) {
        *p++ = (unsigned char)(value | 0x80);
        value >>= 7;
    }
    *p++ = (unsigned char)value;
    return p;
}

/* The number at *p, and *p after it. False: it does not end before `end`. */
static inline _Bool
prf_leb128_get(const unsigned char **p, const unsigned char *end, uint64_t *value)
{
    uint64_t v = 0;
    for (unsigned shift = 0; *p < end && shift < 64; shift += 7) {
        unsigned char byte = *(*p)++;
        v |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            *value = v;
            return 1;
        }
    }
    return 0;
}

#endif
