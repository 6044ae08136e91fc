/* Format "perfetto": the trace format of ui.perfetto.dev and its trace processor, with
   names written once. Field numbers are those of Perfetto's trace_packet.proto,
   track_event.proto, track_descriptor.proto and interned_data.proto. */
#include <stdlib.h>
#include <string.h>

#include "formats.h"
#include "jsoncheck.h"
#include "outbuf.h"
#include "protobuf.h"
#include "timeline.h"

enum { TRACE_PACKET = 1 };
enum {
    PACKET_TIMESTAMP = 8,
    PACKET_SEQUENCE_ID = 10,
    PACKET_TRACK_EVENT = 11,
    PACKET_INTERNED_DATA = 12,
    PACKET_SEQUENCE_FLAGS = 13,
    PACKET_TRACK_DESCRIPTOR = 60,
};
enum { FLAG_STATE_CLEARED = 1, FLAG_NEEDS_STATE = 2 };
enum {
    TRACK_UUID = 1,
    TRACK_NAME = 2,
    TRACK_PROCESS = 3,
    TRACK_THREAD = 4,
    TRACK_PARENT_UUID = 5,
    TRACK_COUNTER = 8,
};
enum { PROCESS_PID = 1, PROCESS_NAME = 6 };
enum { THREAD_PID = 1, THREAD_TID = 2, THREAD_NAME = 5 };
enum {
    EVENT_CATEGORY_IIDS = 3,
    EVENT_DEBUG_ANNOTATIONS = 4,
    EVENT_TYPE = 9,
    EVENT_NAME_IID = 10,
    EVENT_TRACK_UUID = 11,
    EVENT_CATEGORIES = 22,
    EVENT_NAME = 23,
    EVENT_DOUBLE_COUNTER_VALUE = 44,
};
enum { TYPE_SLICE_BEGIN = 1, TYPE_SLICE_END = 2, TYPE_INSTANT = 3, TYPE_COUNTER = 4 };
enum { INTERNED_CATEGORIES = 1, INTERNED_NAMES = 2 };
enum { INTERNED_IID = 1, INTERNED_NAME = 2 };
enum {
    ANNOTATION_BOOL = 2,
    ANNOTATION_STRING = 6,
    ANNOTATION_JSON = 9,
    ANNOTATION_NAME = 10,
};

#define PERFETTO_SEQUENCE 1
#define PERFETTO_COUNTERS 8192 /* slots: half as many counters get a track */

enum { CATEGORY_PY = 1, CATEGORY_C = 2 };

struct perfetto_counter {
    uint64_t uuid; /* 0: free */
    uint32_t process;
    struct prf_text name;
};

struct perfetto {
    struct prf_outbuf ob;
    struct prf_protobuf packet, event, part, small; /* messages in messages */
    struct prf_protobuf interned;                   /* of the next packet */
    const struct prf_result *result;
    struct prf_events *events;
    struct prf_timeline_spans *spans;
    bool *named;     /* codes whose names were written */
    bool *has_tasks; /* threads with a track for tasks */
    struct perfetto_counter *counters;
    size_t n_counters;
    uint64_t base; /* ids of this result's names and tracks are above it */
    uint64_t next_uuid;
    bool strip_dirs;
    bool begun; /* a packet was written */
};

/* ---- tracks ---- */

static uint64_t
perfetto_process_uuid(const struct perfetto *pf, uint32_t process)
{
    return pf->base + 1 + process;
}

static uint64_t
perfetto_thread_uuid(const struct perfetto *pf, uint32_t thread)
{
    return pf->base + 1 + pf->events->n_processes + (uint64_t)2 * thread;
}

static uint64_t
perfetto_tasks_uuid(const struct perfetto *pf, uint32_t thread)
{
    return perfetto_thread_uuid(pf, thread) + 1;
}

/* ---- packets ---- */

static void
perfetto_put(struct perfetto *pf)
{
    unsigned char head[2 * PRF_LEB128_MAX], *p = head;
    prf_protobuf_uint(&pf->packet, PACKET_SEQUENCE_ID, PERFETTO_SEQUENCE);
    prf_protobuf_uint(&pf->packet, PACKET_SEQUENCE_FLAGS,
                      pf->begun ? FLAG_NEEDS_STATE
                                : FLAG_NEEDS_STATE | FLAG_STATE_CLEARED);
    pf->begun = true;
    *p++ = TRACE_PACKET << 3 | 2;
    p = prf_leb128_put(p, pf->packet.n);
    prf_outbuf_add(&pf->ob, (const char *)head, (size_t)(p - head));
    prf_outbuf_add(&pf->ob, (const char *)pf->packet.data, pf->packet.n);
    prf_protobuf_clear(&pf->packet);
}

static void
perfetto_put_track(struct perfetto *pf)
{
    prf_protobuf_message(&pf->packet, PACKET_TRACK_DESCRIPTOR, &pf->event);
    perfetto_put(pf);
}

/* Begin pf->event. */
static void
perfetto_begin(struct perfetto *pf, unsigned type, uint64_t track)
{
    prf_protobuf_clear(&pf->event);
    prf_protobuf_uint(&pf->event, EVENT_TYPE, type);
    prf_protobuf_uint(&pf->event, EVENT_TRACK_UUID, track);
}

static void
perfetto_end(struct perfetto *pf, int64_t at_ns)
{
    prf_protobuf_uint(&pf->packet, PACKET_TIMESTAMP,
                      pf->events->start_ns + (uint64_t)at_ns);
    if (pf->interned.n > 0) {
        prf_protobuf_message(&pf->packet, PACKET_INTERNED_DATA, &pf->interned);
        prf_protobuf_clear(&pf->interned);
    }
    prf_protobuf_message(&pf->packet, PACKET_TRACK_EVENT, &pf->event);
    perfetto_put(pf);
}

static void
perfetto_annotate(struct perfetto *pf, const char *name, struct prf_text text)
{
    size_t from, to;
    if (text.len == 0) {
        return;
    }
    prf_protobuf_clear(&pf->small);
    prf_protobuf_text(&pf->small, ANNOTATION_NAME, name, strlen(name));
    prf_protobuf_text(&pf->small,
                      prf_json_object(text.data, text.len, &from, &to)
                          ? ANNOTATION_JSON
                          : ANNOTATION_STRING,
                      text.data, text.len);
    prf_protobuf_message(&pf->event, EVENT_DEBUG_ANNOTATIONS, &pf->small);
}

static void
perfetto_annotate_true(struct perfetto *pf, const char *name)
{
    prf_protobuf_clear(&pf->small);
    prf_protobuf_text(&pf->small, ANNOTATION_NAME, name, strlen(name));
    prf_protobuf_uint(&pf->small, ANNOTATION_BOOL, 1);
    prf_protobuf_message(&pf->event, EVENT_DEBUG_ANNOTATIONS, &pf->small);
}

static void
perfetto_intern(struct perfetto *pf, uint32_t kind, uint64_t iid, const char *text,
                size_t len)
{
    prf_protobuf_clear(&pf->part);
    prf_protobuf_uint(&pf->part, INTERNED_IID, iid);
    prf_protobuf_text(&pf->part, INTERNED_NAME, text, len);
    prf_protobuf_message(&pf->interned, kind, &pf->part);
}

/* The number that stands for a function's name; its first use brings the name along. */
static uint64_t
perfetto_name(struct perfetto *pf, uint32_t code)
{
    uint64_t iid = pf->base + 1 + code;
    if (!pf->named[code]) {
        struct prf_strbuf name = PRF_STRBUF_INIT;
        prf_timeline_name(&name, &pf->events->codes[code], pf->strip_dirs);
        pf->interned.failed |= name.failed;
        perfetto_intern(pf, INTERNED_NAMES, iid, prf_strbuf_text(&name), name.len);
        prf_strbuf_release(&name);
        pf->named[code] = true;
    }
    return iid;
}

/* ---- events ---- */

static void
perfetto_call(struct perfetto *pf, const struct prf_event *e)
{
    const struct prf_function *code = &pf->events->codes[e->call->code];
    bool is_c = prf_timeline_category(code)[0] == 'c';
    perfetto_begin(pf, TYPE_SLICE_BEGIN, perfetto_thread_uuid(pf, e->thread));
    prf_protobuf_uint(&pf->event, EVENT_CATEGORY_IIDS, is_c ? CATEGORY_C : CATEGORY_PY);
    prf_protobuf_uint(&pf->event, EVENT_NAME_IID, perfetto_name(pf, e->call->code));
    perfetto_annotate(pf, "args", e->call->args);
    perfetto_end(pf, e->at_ns);
}

static void
perfetto_return(struct perfetto *pf, const struct prf_event *e)
{
    perfetto_begin(pf, TYPE_SLICE_END, perfetto_thread_uuid(pf, e->thread));
    perfetto_annotate(pf, "value", e->text);
    if (e->cut) {
        perfetto_annotate_true(pf, "end not seen");
    } else if (e->op == PRF_EVENT_UNWIND) {
        perfetto_annotate_true(pf, "left by exception");
    }
    perfetto_end(pf, e->at_ns);
}

/* Anything with a name of its own. */
static void
perfetto_named(struct perfetto *pf, unsigned type, uint64_t track, const char *category,
               struct prf_text name)
{
    perfetto_begin(pf, type, track);
    prf_protobuf_text(&pf->event, EVENT_CATEGORIES, category, strlen(category));
    prf_protobuf_text(&pf->event, EVENT_NAME, name.data, name.len);
}

static void
perfetto_instant(struct perfetto *pf, const struct prf_event *e)
{
    bool raised = e->op == PRF_EVENT_EXCEPTION;
    perfetto_named(pf, TYPE_INSTANT, perfetto_thread_uuid(pf, e->thread),
                   raised ? "exception" : "mark",
                   raised ? prf_timeline_exception(e->text) : e->name);
    perfetto_annotate(pf, raised ? "exception" : "args", e->text);
    perfetto_end(pf, e->at_ns);
}

static void
perfetto_put_counter_track(struct perfetto *pf, const struct perfetto_counter *counter)
{
    prf_protobuf_clear(&pf->event);
    prf_protobuf_uint(&pf->event, TRACK_UUID, counter->uuid);
    prf_protobuf_uint(&pf->event, TRACK_PARENT_UUID,
                      perfetto_process_uuid(pf, counter->process));
    prf_protobuf_text(&pf->event, TRACK_NAME, counter->name.data, counter->name.len);
    prf_protobuf_bytes(&pf->event, TRACK_COUNTER, NULL, 0);
    perfetto_put_track(pf);
}

/* The track of a process's counter; 0: there are too many. */
static uint64_t
perfetto_counter_uuid(struct perfetto *pf, uint32_t process, struct prf_text name)
{
    uint64_t h = process;
    for (size_t i = 0; i < name.len; i++) {
        h = (h ^ (unsigned char)name.data[i]) * 0x100000001B3u; /* FNV-1a */
    }
    size_t i = (size_t)h % PERFETTO_COUNTERS;
    struct perfetto_counter *c = &pf->counters[i];
    while (c->uuid != 0 &&
           (c->process != process || c->name.len != name.len ||
            (name.len > 0 && memcmp(c->name.data, name.data, name.len) != 0))) {
        i = (i + 1) % PERFETTO_COUNTERS;
        c = &pf->counters[i];
    }
    if (c->uuid == 0 && pf->n_counters < PERFETTO_COUNTERS / 2) {
        *c = (struct perfetto_counter){pf->next_uuid++, process, name};
        pf->n_counters++;
        perfetto_put_counter_track(pf, c);
    }
    return c->uuid;
}

static void
perfetto_counter(struct perfetto *pf, const struct prf_event *e)
{
    uint64_t uuid =
        perfetto_counter_uuid(pf, pf->events->threads[e->thread].process, e->name);
    if (uuid != 0) {
        perfetto_begin(pf, TYPE_COUNTER, uuid);
        prf_protobuf_double(&pf->event, EVENT_DOUBLE_COUNTER_VALUE, e->value);
        perfetto_end(pf, e->at_ns);
    }
}

/* Tasks run across calls: they have a track of their own beside the thread's. */
static void
perfetto_put_tasks_track(struct perfetto *pf, uint32_t thread)
{
    prf_protobuf_clear(&pf->event);
    prf_protobuf_uint(&pf->event, TRACK_UUID, perfetto_tasks_uuid(pf, thread));
    prf_protobuf_uint(&pf->event, TRACK_PARENT_UUID, perfetto_thread_uuid(pf, thread));
    prf_protobuf_text(&pf->event, TRACK_NAME, "tasks", 5);
    perfetto_put_track(pf);
    pf->has_tasks[thread] = true;
}

static void
perfetto_task(struct perfetto *pf, const struct prf_event *e)
{
    struct prf_timeline_spans *spans = &pf->spans[e->thread];
    uint64_t track = perfetto_tasks_uuid(pf, e->thread);
    if (!e->ends && prf_timeline_push_task(spans) != NULL) {
        if (!pf->has_tasks[e->thread]) {
            perfetto_put_tasks_track(pf, e->thread);
        }
        perfetto_named(pf, TYPE_SLICE_BEGIN, track, "task", e->name);
        perfetto_end(pf, e->at_ns);
    } else if (e->ends && prf_timeline_pop_task(spans) != NULL) {
        perfetto_begin(pf, TYPE_SLICE_END, track);
        perfetto_end(pf, e->at_ns);
    }
}

static void
perfetto_gc(struct perfetto *pf, const struct prf_event *e)
{
    struct prf_timeline_spans *spans = &pf->spans[e->thread];
    uint64_t track = perfetto_thread_uuid(pf, e->thread);
    if (!e->ends && !spans->in_gc) {
        perfetto_named(pf, TYPE_SLICE_BEGIN, track, "gc", (struct prf_text){"gc", 2});
        perfetto_annotate(pf, "what", e->name);
        perfetto_end(pf, e->at_ns);
    } else if (e->ends && spans->in_gc) {
        perfetto_begin(pf, TYPE_SLICE_END, track);
        perfetto_annotate(pf, "result", e->name);
        perfetto_end(pf, e->at_ns);
    }
    spans->in_gc = !e->ends;
}

static void
perfetto_event(struct perfetto *pf, const struct prf_event *e)
{
    switch (e->op) {
    case PRF_EVENT_CALL:
        perfetto_call(pf, e);
        break;
    case PRF_EVENT_RETURN:
    case PRF_EVENT_UNWIND:
        perfetto_return(pf, e);
        break;
    case PRF_EVENT_INSTANT:
    case PRF_EVENT_EXCEPTION:
        perfetto_instant(pf, e);
        break;
    case PRF_EVENT_COUNTER:
        perfetto_counter(pf, e);
        break;
    case PRF_EVENT_SPAN:
        if (e->span == PRF_SPAN_GC) {
            perfetto_gc(pf, e);
        } else {
            perfetto_task(pf, e);
        }
        break;
    default:
        break;
    }
}

/* ---- the document ---- */

static void
perfetto_put_process(struct perfetto *pf, uint32_t process, struct prf_strbuf *name)
{
    prf_strbuf_clear(name);
    prf_timeline_process_name(name, pf->events, process, pf->result);
    prf_protobuf_clear(&pf->part);
    prf_protobuf_uint(&pf->part, PROCESS_PID, pf->events->processes[process].pid);
    prf_protobuf_text(&pf->part, PROCESS_NAME, prf_strbuf_text(name), name->len);
    prf_protobuf_clear(&pf->event);
    prf_protobuf_uint(&pf->event, TRACK_UUID, perfetto_process_uuid(pf, process));
    prf_protobuf_message(&pf->event, TRACK_PROCESS, &pf->part);
    perfetto_put_track(pf);
}

static void
perfetto_put_thread(struct perfetto *pf, uint32_t thread, struct prf_strbuf *name)
{
    const struct prf_event_thread *t = &pf->events->threads[thread];
    prf_protobuf_clear(&pf->part);
    prf_protobuf_uint(&pf->part, THREAD_PID, pf->events->processes[t->process].pid);
    prf_protobuf_uint(&pf->part, THREAD_TID, prf_timeline_tid(pf->events, thread));
    prf_strbuf_clear(name);
    prf_timeline_thread_name(name, pf->events, thread);
    prf_protobuf_text(&pf->part, THREAD_NAME, prf_strbuf_text(name), name->len);
    prf_protobuf_clear(&pf->event);
    prf_protobuf_uint(&pf->event, TRACK_UUID, perfetto_thread_uuid(pf, thread));
    prf_protobuf_uint(&pf->event, TRACK_PARENT_UUID,
                      perfetto_process_uuid(pf, t->process));
    prf_protobuf_message(&pf->event, TRACK_THREAD, &pf->part);
    perfetto_put_track(pf);
}

static void
perfetto_put_tracks(struct perfetto *pf)
{
    struct prf_strbuf name = PRF_STRBUF_INIT;
    for (uint32_t i = 0; i < pf->events->n_processes; i++) {
        perfetto_put_process(pf, i, &name);
    }
    for (uint32_t i = 0; i < pf->events->n_threads; i++) {
        if (pf->events->threads[i].has_events) {
            perfetto_put_thread(pf, i, &name);
        }
    }
    pf->event.failed |= name.failed;
    prf_strbuf_release(&name);
}

static int
perfetto_prepare(struct perfetto *pf, struct prf_error *err)
{
    int rc = prf_timeline_open(pf->result, &pf->events, err);
    if (rc < 0) {
        return rc;
    }
    pf->next_uuid =
        pf->base + 1 + pf->events->n_processes + (uint64_t)2 * pf->events->n_threads;
    pf->spans = prf_timeline_spans_new(pf->events);
    pf->named = calloc(pf->events->n_codes + 1, sizeof *pf->named);
    pf->has_tasks = calloc(pf->events->n_threads + 1, sizeof *pf->has_tasks);
    pf->counters = calloc(PERFETTO_COUNTERS, sizeof *pf->counters);
    pf->n_counters = 0;
    return pf->spans == NULL || pf->named == NULL || pf->has_tasks == NULL ||
                   pf->counters == NULL
               ? prf_fail(err, PRF_ENOMEM, "out of memory")
               : 0;
}

static void
perfetto_release(struct perfetto *pf)
{
    if (pf->events != NULL) {
        uint64_t names = pf->base + 1 + pf->events->n_codes;
        pf->base = names > pf->next_uuid ? names : pf->next_uuid;
        prf_timeline_spans_free(pf->spans, pf->events);
    }
    free(pf->named);
    free(pf->has_tasks);
    free(pf->counters);
    prf_events_free(pf->events);
    pf->named = pf->has_tasks = NULL;
    pf->counters = NULL;
    pf->spans = NULL;
    pf->events = NULL;
}

/* What began and was not seen to end is ended with its process. */
static void
perfetto_finish(struct perfetto *pf)
{
    for (uint32_t i = 0; i < pf->events->n_threads; i++) {
        int64_t last = pf->events->processes[pf->events->threads[i].process].last_ns;
        struct prf_event e = {.op = PRF_EVENT_SPAN, .thread = i, .at_ns = last};
        e.ends = true;
        while (pf->spans[i].n > 0) {
            perfetto_task(pf, &e);
        }
        if (pf->spans[i].in_gc) {
            perfetto_gc(pf, &e);
        }
    }
}

static bool
perfetto_failed(const struct perfetto *pf)
{
    return pf->packet.failed || pf->event.failed || pf->part.failed ||
           pf->small.failed || pf->interned.failed;
}

static int
perfetto_result(struct perfetto *pf, struct prf_error *err)
{
    struct prf_event_cursor *cursor = NULL;
    struct prf_event event;
    int more = 1;
    int rc = prf_event_cursor_open(pf->events, PRF_EVENTS_ALL, &cursor, err);
    perfetto_put_tracks(pf);
    while (rc == 0 && !pf->ob.failed && !perfetto_failed(pf) &&
           (more = prf_event_next(cursor, &event)) > 0) {
        perfetto_event(pf, &event);
    }
    if (rc == 0) {
        perfetto_finish(pf);
    }
    if (rc == 0 && (more < 0 || perfetto_failed(pf))) {
        rc = prf_fail(err, PRF_ENOMEM, "out of memory");
    }
    prf_event_cursor_free(cursor);
    return rc;
}

static int
perfetto_write(const struct prf_run *run, const struct prf_result *const *results,
               size_t n, const struct prf_export_options *options, FILE *out,
               struct prf_error *err)
{
    struct perfetto pf = {.strip_dirs = options->strip_dirs,
                          .base = 8 /* above the categories */};
    int rc = prf_outbuf_begin(&pf.ob, out, err);
    (void)run;
    perfetto_intern(&pf, INTERNED_CATEGORIES, CATEGORY_PY, "py", 2);
    perfetto_intern(&pf, INTERNED_CATEGORIES, CATEGORY_C, "c", 1);
    for (size_t i = 0; i < n && rc == 0; i++) {
        pf.result = results[i];
        rc = perfetto_prepare(&pf, err);
        if (rc == 0) {
            rc = perfetto_result(&pf, err);
        }
        perfetto_release(&pf);
    }
    int end = prf_outbuf_end(&pf.ob, err);
    prf_protobuf_release(&pf.packet);
    prf_protobuf_release(&pf.event);
    prf_protobuf_release(&pf.part);
    prf_protobuf_release(&pf.small);
    prf_protobuf_release(&pf.interned);
    return rc < 0 ? rc : end;
}

const struct prf_exporter prf_exporter_perfetto = {
    .name = "perfetto",
    .extension = ".perfetto-trace",
    .summary = "time line for ui.perfetto.dev and trace_processor, a third of the size",
    .needs = PRF_MODEL_EVENTS,
    .binary = true,
    .write = perfetto_write,
};
