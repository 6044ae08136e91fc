/* Time lines of any format; see timeline.h. */
#include "timeline.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <pyprofiler/recording.h>

#include "label.h"

#define TIMELINE_TASKS_MAX ((size_t)1 << 16) /* tasks in tasks: more are damage */

int
prf_timeline_open(const struct prf_result *result, struct prf_events **out,
                  struct prf_error *err)
{
    return prf_events_open(result->recording, result->recording_size,
                           result->recording_mapped ? PRF_EVENTS_MAPPED : 0, out, err);
}

void
prf_timeline_name(struct prf_strbuf *sb, const struct prf_function *code,
                  bool strip_dirs)
{
    size_t len = strlen(code->qualname);
    bool angles =
        len >= 2 && code->qualname[0] == '<' && code->qualname[len - 1] == '>';
    if ((code->flags & PRF_CODE_C) == 0) {
        prf_strbuf_addf(sb, "%s (%s:%" PRIu32 ")", code->qualname,
                        prf_code_file(code, strip_dirs), code->first_line);
    } else if (angles) {
        prf_strbuf_add(sb, code->qualname + 1, len - 2);
    } else {
        prf_strbuf_adds(sb, code->qualname);
    }
}

const char *
prf_timeline_category(const struct prf_function *code)
{
    return (code->flags & PRF_CODE_C) != 0 ? "c" : "py";
}

void
prf_timeline_process_name(struct prf_strbuf *sb, const struct prf_events *events,
                          uint32_t process, const struct prf_result *result)
{
    if (process == 0) {
        prf_strbuf_adds(sb, result->case_id);
    } else {
        prf_strbuf_addf(sb, "child %" PRIu32, events->processes[process].pid);
    }
}

uint64_t
prf_timeline_tid(const struct prf_events *events, uint32_t thread)
{
    uint64_t tid = events->threads[thread].tid;
    return tid != 0 && tid <= INT32_MAX ? tid : (uint64_t)INT32_MAX - thread;
}

void
prf_timeline_thread_name(struct prf_strbuf *sb, const struct prf_events *events,
                         uint32_t thread)
{
    const struct prf_event_thread *t = &events->threads[thread];
    if (t->name[0] != '\0') {
        prf_strbuf_adds(sb, t->name);
    } else if (t->tid == events->processes[t->process].pid) {
        prf_strbuf_adds(sb, "MainThread");
    } else {
        prf_strbuf_addf(sb, "thread %" PRIu64, prf_timeline_tid(events, thread));
    }
}

struct prf_text
prf_timeline_exception(struct prf_text text)
{
    const char *colon = memchr(text.data, ':', text.len);
    return colon == NULL ? text
                         : (struct prf_text){text.data, (size_t)(colon - text.data)};
}

struct prf_timeline_task *
prf_timeline_push_task(struct prf_timeline_spans *spans)
{
    if (spans->n == TIMELINE_TASKS_MAX) {
        return NULL;
    }
    if (spans->n == spans->room) {
        size_t room = spans->room == 0 ? 8 : spans->room * 2;
        struct prf_timeline_task *tasks = realloc(spans->tasks, room * sizeof *tasks);
        if (tasks == NULL) {
            return NULL;
        }
        spans->tasks = tasks;
        spans->room = room;
    }
    return &spans->tasks[spans->n++];
}

struct prf_timeline_task *
prf_timeline_pop_task(struct prf_timeline_spans *spans)
{
    return spans->n > 0 ? &spans->tasks[--spans->n] : NULL;
}

struct prf_timeline_spans *
prf_timeline_spans_new(const struct prf_events *events)
{
    return calloc(events->n_threads + 1, sizeof(struct prf_timeline_spans));
}

void
prf_timeline_spans_free(struct prf_timeline_spans *spans,
                        const struct prf_events *events)
{
    for (size_t i = 0; spans != NULL && i < events->n_threads; i++) {
        free(spans[i].tasks);
    }
    free(spans);
}
