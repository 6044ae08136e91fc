/* Format "chrometrace": the JSON of Chrome's trace viewer, which Perfetto, Speedscope
   and VizTracer's users load. One entry for a call, written when it ends. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <pyprofiler/version.h>

#include "formats.h"
#include "outbuf.h"
#include "timeline.h"

/* A piece of text that is put together once and written often. */
struct chrometrace_piece {
    char *text;
    size_t len;
};

struct chrometrace {
    struct prf_outbuf ob;
    const struct prf_result *result;
    struct prf_events *events;
    struct chrometrace_piece *codes;   /* {"ph":"X","cat":"py","name":"f (a.py:3)", */
    struct chrometrace_piece *threads; /* "pid":1,"tid":2,"ts": */
    struct prf_timeline_spans *spans;  /* of each thread */
    int64_t shift_ns;                  /* of this result against the first one */
    uint64_t n_tasks;                  /* ids of asynchronous spans */
    bool strip_dirs;
    bool comma;
};

static int
chrometrace_keep(struct chrometrace_piece *piece, struct prf_outbuf *scratch,
                 struct prf_error *err)
{
    piece->text = malloc(scratch->n + 1);
    if (piece->text == NULL) {
        return prf_fail(err, PRF_ENOMEM, "out of memory");
    }
    memcpy(piece->text, scratch->data, scratch->n);
    piece->len = scratch->n;
    scratch->n = 0;
    return 0;
}

static int
chrometrace_make_codes(struct chrometrace *ct, struct prf_outbuf *scratch,
                       struct prf_error *err)
{
    struct prf_strbuf name = PRF_STRBUF_INIT;
    int rc = 0;
    for (size_t i = 0; i < ct->events->n_codes && rc == 0; i++) {
        const struct prf_function *code = &ct->events->codes[i];
        prf_strbuf_clear(&name);
        prf_timeline_name(&name, code, ct->strip_dirs);
        /* Longer ones would not be read by anyone, and must fit the buffer. */
        size_t len = name.len < PRF_OUTBUF_SMALL / 8 ? name.len : PRF_OUTBUF_SMALL / 8;
        prf_outbuf_adds(scratch, "{\"ph\":\"X\",\"cat\":\"");
        prf_outbuf_adds(scratch, prf_timeline_category(code));
        prf_outbuf_adds(scratch, "\",\"name\":");
        prf_outbuf_json(scratch, prf_strbuf_text(&name), len);
        prf_outbuf_adds(scratch, ",");
        rc = name.failed ? prf_fail(err, PRF_ENOMEM, "out of memory")
                         : chrometrace_keep(&ct->codes[i], scratch, err);
    }
    prf_strbuf_release(&name);
    return rc;
}

static int
chrometrace_make_threads(struct chrometrace *ct, struct prf_outbuf *scratch,
                         struct prf_error *err)
{
    int rc = 0;
    for (uint32_t i = 0; i < ct->events->n_threads && rc == 0; i++) {
        const struct prf_event_thread *thread = &ct->events->threads[i];
        prf_outbuf_adds(scratch, "\"pid\":");
        prf_outbuf_uint(scratch, ct->events->processes[thread->process].pid);
        prf_outbuf_adds(scratch, ",\"tid\":");
        prf_outbuf_uint(scratch, prf_timeline_tid(ct->events, i));
        prf_outbuf_adds(scratch, ",\"ts\":");
        rc = chrometrace_keep(&ct->threads[i], scratch, err);
    }
    return rc;
}

static int
chrometrace_prepare(struct chrometrace *ct, struct prf_error *err)
{
    struct prf_outbuf scratch;
    int rc = prf_timeline_open(ct->result, &ct->events, err);
    if (rc < 0) {
        return rc;
    }
    ct->codes = calloc(ct->events->n_codes + 1, sizeof *ct->codes);
    ct->threads = calloc(ct->events->n_threads + 1, sizeof *ct->threads);
    ct->spans = prf_timeline_spans_new(ct->events);
    if (ct->codes == NULL || ct->threads == NULL || ct->spans == NULL) {
        return prf_fail(err, PRF_ENOMEM, "out of memory");
    }
    /* Pieces are short: this buffer is never written to its file. */
    if ((rc = prf_outbuf_begin(&scratch, ct->ob.out, err)) == 0 &&
        (rc = chrometrace_make_codes(ct, &scratch, err)) == 0) {
        rc = chrometrace_make_threads(ct, &scratch, err);
    }
    free(scratch.data);
    return rc;
}

static void
chrometrace_release(struct chrometrace *ct)
{
    for (size_t i = 0; ct->codes != NULL && i < ct->events->n_codes; i++) {
        free(ct->codes[i].text);
    }
    for (size_t i = 0; ct->threads != NULL && i < ct->events->n_threads; i++) {
        free(ct->threads[i].text);
    }
    free(ct->codes);
    free(ct->threads);
    prf_timeline_spans_free(ct->spans, ct->events);
    prf_events_free(ct->events);
    ct->codes = ct->threads = NULL;
    ct->spans = NULL;
    ct->events = NULL;
}

/* ---- entries ---- */

static void
chrometrace_comma(struct chrometrace *ct)
{
    prf_outbuf_add(&ct->ob, ",\n", ct->comma ? 2 : 0);
    ct->comma = true;
}

/* The thread and the time. */
static void
chrometrace_place(struct chrometrace *ct, uint32_t thread, int64_t at_ns)
{
    const struct chrometrace_piece *piece = &ct->threads[thread];
    prf_outbuf_add(&ct->ob, piece->text, piece->len);
    prf_outbuf_us(&ct->ob, at_ns + ct->shift_ns);
}

/* Arguments, value and end of a call, when there is something to tell. */
static void
chrometrace_call_args(struct chrometrace *ct, const struct prf_event *e)
{
    const struct prf_text *args = &e->call->args;
    if (args->len == 0 && e->text.len == 0 && !e->cut && e->op == PRF_EVENT_RETURN) {
        return;
    }
    prf_outbuf_adds(&ct->ob, ",\"args\":{");
    bool first = !prf_outbuf_members(&ct->ob, args->data, args->len, true);
    first &= !prf_outbuf_members(&ct->ob, e->text.data, e->text.len, first);
    if (e->cut) {
        prf_outbuf_adds(&ct->ob,
                        first ? "\"end not seen\":true" : ",\"end not seen\":true");
    } else if (e->op == PRF_EVENT_UNWIND) {
        prf_outbuf_adds(&ct->ob, first ? "\"left by exception\":true"
                                       : ",\"left by exception\":true");
    }
    prf_outbuf_add(&ct->ob, "}", 1);
}

static void
chrometrace_call(struct chrometrace *ct, const struct prf_event *e)
{
    const struct chrometrace_piece *code = &ct->codes[e->call->code];
    chrometrace_comma(ct);
    prf_outbuf_add(&ct->ob, code->text, code->len);
    chrometrace_place(ct, e->thread, e->call->began_ns);
    prf_outbuf_add(&ct->ob, ",\"dur\":", 7);
    prf_outbuf_us(&ct->ob, e->at_ns - e->call->began_ns);
    chrometrace_call_args(ct, e);
    prf_outbuf_add(&ct->ob, "}", 1);
}

/* Any other entry up to its time; it is closed with the caller's last member. */
static void
chrometrace_begin(struct chrometrace *ct, const char *head, struct prf_text name,
                  uint32_t thread, int64_t at_ns)
{
    chrometrace_comma(ct);
    prf_outbuf_adds(&ct->ob, head);
    prf_outbuf_adds(&ct->ob, ",\"name\":");
    prf_outbuf_json(&ct->ob, name.data, name.len);
    prf_outbuf_add(&ct->ob, ",", 1);
    chrometrace_place(ct, thread, at_ns);
}

static void
chrometrace_instant(struct chrometrace *ct, const struct prf_event *e)
{
    chrometrace_begin(ct, "{\"ph\":\"i\",\"s\":\"t\",\"cat\":\"mark\"", e->name,
                      e->thread, e->at_ns);
    if (e->text.len > 0) {
        prf_outbuf_adds(&ct->ob, ",\"args\":{");
        (void)prf_outbuf_members(&ct->ob, e->text.data, e->text.len, true);
        prf_outbuf_add(&ct->ob, "}", 1);
    }
    prf_outbuf_add(&ct->ob, "}", 1);
}

static void
chrometrace_exception(struct chrometrace *ct, const struct prf_event *e)
{
    chrometrace_begin(ct, "{\"ph\":\"i\",\"s\":\"t\",\"cat\":\"exception\"",
                      prf_timeline_exception(e->text), e->thread, e->at_ns);
    prf_outbuf_adds(&ct->ob, ",\"args\":{\"exception\":");
    prf_outbuf_json(&ct->ob, e->text.data, e->text.len);
    prf_outbuf_add(&ct->ob, "}}", 2);
}

/* JSON has no number for what is not finite: such a value makes a gap. */
static void
chrometrace_counter(struct chrometrace *ct, const struct prf_event *e)
{
    if (!isfinite(e->value)) {
        return;
    }
    chrometrace_begin(ct, "{\"ph\":\"C\",\"cat\":\"counter\"", e->name, e->thread,
                      e->at_ns);
    prf_outbuf_adds(&ct->ob, ",\"args\":{\"value\":");
    prf_outbuf_double(&ct->ob, e->value);
    prf_outbuf_add(&ct->ob, "}}", 2);
}

static void
chrometrace_gc(struct chrometrace *ct, uint32_t thread, int64_t end_ns,
               struct prf_text found)
{
    struct prf_timeline_spans *spans = &ct->spans[thread];
    if (!spans->in_gc) {
        return;
    }
    spans->in_gc = false;
    chrometrace_begin(ct, "{\"ph\":\"X\",\"cat\":\"gc\"", (struct prf_text){"gc", 2},
                      thread, spans->gc_began_ns);
    prf_outbuf_adds(&ct->ob, ",\"dur\":");
    prf_outbuf_us(&ct->ob, end_ns - spans->gc_began_ns);
    prf_outbuf_adds(&ct->ob, ",\"args\":{\"what\":");
    prf_outbuf_json(&ct->ob, spans->gc_name.data, spans->gc_name.len);
    prf_outbuf_adds(&ct->ob, ",\"result\":");
    prf_outbuf_json(&ct->ob, found.data, found.len);
    prf_outbuf_add(&ct->ob, "}}", 2);
}

/* Tasks run across calls of the loop: asynchronous entries may do so. */
static void
chrometrace_task(struct chrometrace *ct, uint32_t thread, bool ends, int64_t at_ns,
                 const struct prf_timeline_task *task)
{
    chrometrace_begin(
        ct, ends ? "{\"ph\":\"e\",\"cat\":\"task\"" : "{\"ph\":\"b\",\"cat\":\"task\"",
        task->name, thread, at_ns);
    prf_outbuf_adds(&ct->ob, ",\"id\":");
    prf_outbuf_uint(&ct->ob, task->id);
    prf_outbuf_add(&ct->ob, "}", 1);
}

static void
chrometrace_span(struct chrometrace *ct, const struct prf_event *e)
{
    struct prf_timeline_spans *spans = &ct->spans[e->thread];
    struct prf_timeline_task *task;
    if (e->span == PRF_SPAN_GC && e->ends) {
        chrometrace_gc(ct, e->thread, e->at_ns, e->name);
    } else if (e->span == PRF_SPAN_GC) {
        spans->in_gc = true;
        spans->gc_began_ns = e->at_ns;
        spans->gc_name = e->name;
    } else if (e->ends && (task = prf_timeline_pop_task(spans)) != NULL) {
        chrometrace_task(ct, e->thread, true, e->at_ns, task);
    } else if (!e->ends && (task = prf_timeline_push_task(spans)) != NULL) {
        *task = (struct prf_timeline_task){++ct->n_tasks, e->at_ns, e->name};
        chrometrace_task(ct, e->thread, false, e->at_ns, task);
    }
}

static void
chrometrace_event(struct chrometrace *ct, const struct prf_event *e)
{
    switch (e->op) {
    case PRF_EVENT_RETURN:
    case PRF_EVENT_UNWIND:
        chrometrace_call(ct, e);
        break;
    case PRF_EVENT_INSTANT:
        chrometrace_instant(ct, e);
        break;
    case PRF_EVENT_COUNTER:
        chrometrace_counter(ct, e);
        break;
    case PRF_EVENT_EXCEPTION:
        chrometrace_exception(ct, e);
        break;
    case PRF_EVENT_SPAN:
        chrometrace_span(ct, e);
        break;
    default: /* a call is written when it ends */
        break;
    }
}

/* ---- the document ---- */

static void
chrometrace_meta(struct chrometrace *ct, const char *what, uint32_t pid, uint64_t tid)
{
    chrometrace_comma(ct);
    prf_outbuf_adds(&ct->ob, "{\"ph\":\"M\",\"name\":\"");
    prf_outbuf_adds(&ct->ob, what);
    prf_outbuf_adds(&ct->ob, "\",\"pid\":");
    prf_outbuf_uint(&ct->ob, pid);
    prf_outbuf_adds(&ct->ob, ",\"tid\":");
    prf_outbuf_uint(&ct->ob, tid);
    prf_outbuf_adds(&ct->ob, ",\"args\":{");
}

static void
chrometrace_meta_name(struct chrometrace *ct, const char *text)
{
    prf_outbuf_adds(&ct->ob, "\"name\":");
    prf_outbuf_json(&ct->ob, text, strlen(text));
    prf_outbuf_add(&ct->ob, "}}", 2);
}

static void
chrometrace_meta_sort(struct chrometrace *ct, uint64_t index)
{
    prf_outbuf_adds(&ct->ob, "\"sort_index\":");
    prf_outbuf_uint(&ct->ob, index);
    prf_outbuf_add(&ct->ob, "}}", 2);
}

/* Names of processes and threads, in the order in which they appeared. */
static void
chrometrace_names(struct chrometrace *ct, struct prf_strbuf *name)
{
    const struct prf_events *e = ct->events;
    for (uint32_t i = 0; i < e->n_processes; i++) {
        prf_strbuf_clear(name);
        prf_timeline_process_name(name, e, i, ct->result);
        chrometrace_meta(ct, "process_name", e->processes[i].pid, 0);
        chrometrace_meta_name(ct, prf_strbuf_text(name));
        chrometrace_meta(ct, "process_sort_index", e->processes[i].pid, 0);
        chrometrace_meta_sort(ct, i);
    }
    for (uint32_t i = 0; i < e->n_threads; i++) {
        const struct prf_event_thread *thread = &e->threads[i];
        uint32_t pid = e->processes[thread->process].pid;
        if (!thread->has_events) {
            continue;
        }
        prf_strbuf_clear(name);
        prf_timeline_thread_name(name, e, i);
        chrometrace_meta(ct, "thread_name", pid, prf_timeline_tid(e, i));
        chrometrace_meta_name(ct, prf_strbuf_text(name));
        chrometrace_meta(ct, "thread_sort_index", pid, prf_timeline_tid(e, i));
        chrometrace_meta_sort(ct, i - e->processes[thread->process].first_thread);
    }
}

/* What began and was not seen to end is ended with its process. */
static void
chrometrace_finish(struct chrometrace *ct)
{
    for (uint32_t i = 0; i < ct->events->n_threads; i++) {
        int64_t last = ct->events->processes[ct->events->threads[i].process].last_ns;
        struct prf_timeline_task *task;
        chrometrace_gc(ct, i, last, (struct prf_text){"end not seen", 12});
        while ((task = prf_timeline_pop_task(&ct->spans[i])) != NULL) {
            chrometrace_task(ct, i, true, last, task);
        }
    }
}

static int
chrometrace_result(struct chrometrace *ct, struct prf_error *err)
{
    struct prf_strbuf name = PRF_STRBUF_INIT;
    struct prf_event_cursor *cursor = NULL;
    struct prf_event event;
    int more = 1;
    chrometrace_names(ct, &name);
    int rc = name.failed
                 ? prf_fail(err, PRF_ENOMEM, "out of memory")
                 : prf_event_cursor_open(ct->events, PRF_EVENTS_ALL, &cursor, err);
    while (rc == 0 && !ct->ob.failed && (more = prf_event_next(cursor, &event)) > 0) {
        chrometrace_event(ct, &event);
    }
    if (rc == 0) {
        rc = more < 0 ? prf_fail(err, more, "out of memory") : 0;
        chrometrace_finish(ct);
    }
    prf_event_cursor_free(cursor);
    prf_strbuf_release(&name);
    return rc;
}

/* What the viewer shows as information about the trace. */
static void
chrometrace_other(struct chrometrace *ct, const struct prf_result *const *results,
                  size_t n)
{
    uint64_t n_lost = 0;
    prf_outbuf_adds(&ct->ob, "\n],\"displayTimeUnit\":\"ns\",\"otherData\":{"
                             "\"exporter\":\"pyprofiler@" PRF_VERSION "\",\"cases\":[");
    for (size_t i = 0; i < n; i++) {
        prf_outbuf_add(&ct->ob, ",", i > 0);
        prf_outbuf_json(&ct->ob, results[i]->case_id, strlen(results[i]->case_id));
        n_lost += results[i]->profile->n_lost;
    }
    prf_outbuf_adds(&ct->ob, "],\"lost\":");
    prf_outbuf_uint(&ct->ob, n_lost);
    prf_outbuf_adds(&ct->ob, ",\"notes\":[");
    bool comma = false;
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < results[i]->profile->n_notes; k++) {
            const char *note = results[i]->profile->notes[k];
            prf_outbuf_add(&ct->ob, ",", comma);
            prf_outbuf_json(&ct->ob, note, strlen(note));
            comma = true;
        }
    }
    prf_outbuf_adds(&ct->ob, "]}}\n");
}

static int
chrometrace_write(const struct prf_run *run, const struct prf_result *const *results,
                  size_t n, const struct prf_export_options *options, FILE *out,
                  struct prf_error *err)
{
    struct chrometrace ct = {.strip_dirs = options->strip_dirs};
    uint64_t start_ns = 0;
    int rc = prf_outbuf_begin(&ct.ob, out, err);
    (void)run;
    if (rc == 0) {
        prf_outbuf_adds(&ct.ob, "{\"traceEvents\":[\n");
    }
    for (size_t i = 0; i < n && rc == 0; i++) {
        ct.result = results[i];
        rc = chrometrace_prepare(&ct, err);
        if (rc == 0) {
            /* Cases of one run on one time line, one after the other. */
            start_ns = i == 0 ? ct.events->start_ns : start_ns;
            ct.shift_ns = (int64_t)(ct.events->start_ns - start_ns);
            rc = chrometrace_result(&ct, err);
        }
        chrometrace_release(&ct);
    }
    if (rc == 0) {
        chrometrace_other(&ct, results, n);
    }
    int end = prf_outbuf_end(&ct.ob, err);
    return rc < 0 ? rc : end;
}

const struct prf_exporter prf_exporter_chrometrace = {
    .name = "chrometrace",
    .extension = ".trace.json",
    .summary = "time line for ui.perfetto.dev and chrome://tracing",
    .needs = PRF_MODEL_EVENTS,
    .write = chrometrace_write,
};
