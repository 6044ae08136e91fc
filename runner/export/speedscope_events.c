/* The events of a result for speedscope: each thread as an "evented" profile of its
   own, with calls where they were in time. */
#include <inttypes.h>
#include <string.h>

#include "outbuf.h"
#include "speedscope.h"
#include "timeline.h"

static void
speedscope_put(struct prf_outbuf *ob, char type, uint64_t frame, int64_t at_ns)
{
    char head[] = "{\"type\":\"O\",\"frame\":";
    head[9] = type;
    prf_outbuf_add(ob, head, sizeof head - 1);
    prf_outbuf_uint(ob, frame);
    prf_outbuf_add(ob, ",\"at\":", 6);
    prf_outbuf_uint(ob, (uint64_t)at_ns);
    prf_outbuf_add(ob, "}", 1);
}

/* "case, MainThread", or "child 12, Thread-1". */
static void
speedscope_put_name(struct prf_outbuf *ob, const struct prf_result *result,
                    const struct prf_events *events, uint32_t thread)
{
    struct prf_strbuf name = PRF_STRBUF_INIT;
    uint32_t process = events->threads[thread].process;
    prf_timeline_process_name(&name, events, process, result);
    prf_strbuf_adds(&name, ", ");
    prf_timeline_thread_name(&name, events, thread);
    prf_outbuf_json(ob, prf_strbuf_text(&name), name.len);
    ob->failed |= name.failed;
    prf_strbuf_release(&name);
}

static int
speedscope_thread(struct prf_outbuf *ob, const struct prf_result *result,
                  struct prf_events *events, uint32_t thread, uint32_t base,
                  struct prf_error *err)
{
    struct prf_event_cursor *cursor = NULL;
    struct prf_event e;
    int64_t last = 0;
    bool comma = false;
    int more = 1;
    int rc = prf_event_cursor_open(events, thread, &cursor, err);
    if (rc < 0) {
        return rc;
    }
    prf_outbuf_adds(ob, "{\"type\":\"evented\",\"unit\":\"nanoseconds\",\"name\":");
    speedscope_put_name(ob, result, events, thread);
    prf_outbuf_adds(ob, ",\"startValue\":0,\"events\":[\n");
    while (!ob->failed && (more = prf_event_next(cursor, &e)) > 0) {
        if (e.op <= PRF_EVENT_CALL) { /* RETURN, UNWIND or CALL */
            prf_outbuf_add(ob, ",\n", comma ? 2 : 0);
            speedscope_put(ob, e.op == PRF_EVENT_CALL ? 'O' : 'C',
                           (uint64_t)base + e.call->code, e.at_ns);
            comma = true;
        }
        last = e.at_ns;
    }
    prf_outbuf_adds(ob, "],\"endValue\":");
    prf_outbuf_uint(ob, (uint64_t)last);
    prf_outbuf_add(ob, "}", 1);
    prf_event_cursor_free(cursor);
    return more < 0 ? prf_fail(err, more, "out of memory") : 0;
}

int
prf_speedscope_events(FILE *out, const struct prf_result *result, uint32_t base,
                      bool comma, struct prf_error *err)
{
    struct prf_events *events = NULL;
    struct prf_outbuf ob = {0};
    int rc = prf_timeline_open(result, &events, err);
    if (rc < 0 || (rc = prf_outbuf_begin(&ob, out, err)) < 0) {
        goto out;
    }
    for (uint32_t i = 0; rc == 0 && i < events->n_threads; i++) {
        if (events->threads[i].has_events) {
            prf_outbuf_add(&ob, ",\n", comma ? 2 : 0);
            rc = speedscope_thread(&ob, result, events, i, base, err);
            comma = true;
        }
    }
out:
    prf_events_free(events);
    int end = ob.data == NULL ? 0 : prf_outbuf_end(&ob, err);
    return rc < 0 ? rc : end;
}
