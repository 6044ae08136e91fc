/* What the formats for streams of events have in common. */
#ifndef PRF_TIMELINE_H
#define PRF_TIMELINE_H

#include "event_tree.h"
#include "exporter.h"
#include "strbuf.h"

/* Events of a result; the caller's (prf_events_free). PRF_ENOMEM, PRF_ECORRUPT. */
int prf_timeline_open(const struct prf_result *result, struct prf_events **out,
                      struct prf_error *err);

/* Append what people see of a function on a time line: "Class.method (file.py:12)". */
void prf_timeline_name(struct prf_strbuf *sb, const struct prf_function *code,
                       bool strip_dirs);

/* "py", or "c" for a C function. */
const char *prf_timeline_category(const struct prf_function *code);

/* The case for the process itself, "child 123" for its children. */
void prf_timeline_process_name(struct prf_strbuf *sb, const struct prf_events *events,
                               uint32_t process, const struct prf_result *result);

/* A thread without a name (Python had none for it yet) is "MainThread" when it is its
   process's first, else "thread" and its number. */
void prf_timeline_thread_name(struct prf_strbuf *sb, const struct prf_events *events,
                              uint32_t thread);

/* The kernel's number, or when it is not known one that no other thread has. */
uint64_t prf_timeline_tid(const struct prf_events *events, uint32_t thread);

/* "ValueError" of "ValueError: no such thing". */
struct prf_text prf_timeline_exception(struct prf_text text);

/* Spans that are open on a thread: a collection, and tasks one in the other. */
struct prf_timeline_spans {
    bool in_gc;
    int64_t gc_began_ns;
    struct prf_text gc_name;
    struct prf_timeline_task {
        uint64_t id;
        int64_t began_ns;
        struct prf_text name;
    } * tasks;
    size_t n, room;
};

/* A task began: its entry, or NULL (no memory, or absurdly many). */
struct prf_timeline_task *prf_timeline_push_task(struct prf_timeline_spans *spans);

/* The innermost task ended: its entry, until the next push, or NULL. */
struct prf_timeline_task *prf_timeline_pop_task(struct prf_timeline_spans *spans);

/* One for each thread of the events; prf_timeline_spans_free. NULL: no memory. */
struct prf_timeline_spans *prf_timeline_spans_new(const struct prf_events *events);
void prf_timeline_spans_free(struct prf_timeline_spans *spans,
                             const struct prf_events *events);

#endif
