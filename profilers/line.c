/* line: how often each line of chosen functions ran and how long it took, the calls it
   made included.

   Each frame knows its line and since when; at the next event of the frame that time
   goes to the line. Of a recursive function only the innermost frame of a thread counts
   at a time, so that its lines add up to the time it was there, and none counts twice.
   Time in which a generator is suspended is nobody's. Protected by the GIL. */
#include "backends.h"

#include <stddef.h>
#include <stdlib.h>

#include "clock.h"
#include "codes.h"
#include "line_choice.h"
#include "line_events.h"
#include "line_sources.h"
#include "marks.h"

struct line {
    /* options */
    struct prf_strlist functions;
    char *sort;
    char *units;
    uint64_t top_k;
    bool strip_dirs;
    /* session */
    struct prf_sink *sink;
    struct prf_codes codes;
    struct prf_line_choice choice;
    struct prf_line_sources sources;
    struct prf_line_events events;
    struct prf_rows rows;
    struct prf_marks marks;
    uint64_t wall_ns;
};

enum { LINE_HITS, LINE_TIME, LINE_WALL_TIME };

struct line_row {
    struct prf_rec_site site;
    int64_t hits;
    int64_t ticks;
};

struct line_code {
    struct prf_line_code base;
    uint32_t id;
    bool has_source;
    struct line_row **rows; /* by line, NULL until it runs */
};

static struct line_row line_nowhere; /* where a row had no memory */

static void
line_lost(void *user)
{
    struct line *st = user;
    st->sink->ops->lost(st->sink, 1);
}

static __attribute__((noinline)) struct line_row *
line_row_new(struct line *st, struct line_code *code, int line)
{
    struct line_row *row = prf_rows_add(&st->rows);
    if (row == NULL) {
        return code->rows[line] = &line_nowhere;
    }
    row->site.line = (uint32_t)(code->base.first_line + line);
    row->site.code = code->id;
    return code->rows[line] = row;
}

static inline struct line_row *
line_row(struct line *st, struct line_code *code, int line)
{
    struct line_row *row = code->rows[line];
    return __builtin_expect(row != NULL, 1) ? row : line_row_new(st, code, line);
}

/* The frame's line ran until now. */
static inline void
line_charge(struct line *st, struct prf_line_frame *frame, uint64_t now)
{
    if (frame->line >= 0) {
        struct line_code *code = (struct line_code *)frame->code;
        line_row(st, code, frame->line)->ticks += (int64_t)now - frame->value;
    }
}

static enum prf_line_verdict
line_look(struct prf_line_thread *thread, PyCodeObject *code, PyObject *globals)
{
    struct line *st = thread->events->user;
    return prf_line_choice_takes(&st->choice, code, globals) ? PRF_LINE_YES
                                                             : PRF_LINE_NEVER;
}

static int
line_code_init(void *user, struct prf_line_code *base)
{
    struct line *st = user;
    struct line_code *code = (struct line_code *)base;
    code->id = prf_codes_add_python(&st->codes, base->code);
    code->rows = calloc((size_t)base->n_lines + 1, sizeof(*code->rows));
    if (code->id == 0 || code->rows == NULL) {
        return -1;
    }
    if (prf_line_sources_ready(&st->sources, base->code)) {
        prf_line_sources_add(&st->sources, code->id, base->code);
        code->has_source = true;
    }
    return 0;
}

static void
line_code_release(struct prf_line_code *base)
{
    free(((struct line_code *)base)->rows);
}

static void
line_enter(struct prf_line_thread *thread, struct prf_line_frame *frame)
{
    uint64_t now = prf_now();
    if (__builtin_expect(frame->outer != 0, 0)) {
        line_charge(thread->events->user, &thread->frames[frame->outer - 1], now);
    }
    frame->value = (int64_t)now;
}

static void
line_line(struct prf_line_thread *thread, struct prf_line_frame *frame, int line)
{
    struct line *st = thread->events->user;
    uint64_t now = prf_now();
    line_charge(st, frame, now);
    line_row(st, (struct line_code *)frame->code, line)->hits++;
    frame->value = (int64_t)now;
}

static void
line_leave(struct prf_line_thread *thread, struct prf_line_frame *frame)
{
    uint64_t now = prf_now();
    line_charge(thread->events->user, frame, now);
    if (__builtin_expect(frame->outer != 0, 0)) {
        thread->frames[frame->outer - 1].value = (int64_t)now;
    }
}

/* As if all that runs on the thread had begun so much later. */
static void
line_pause(struct prf_line_thread *thread, uint64_t ticks)
{
    for (uint32_t i = 0; i < thread->n; i++) {
        thread->frames[i].value += (int64_t)ticks;
    }
}

static const struct prf_line_ops line_ops = {
    .name = "line",
    .code_size = sizeof(struct line_code),
    .look = line_look,
    .code_init = line_code_init,
    .code_release = line_code_release,
    .enter = line_enter,
    .line = line_line,
    .leave = line_leave,
    .pause = line_pause,
    .lost = line_lost,
};

static int
line_open(void *state, const struct prf_session *session, struct prf_error *err)
{
    struct line *st = state;
    const char *file = session->case_file ? session->case_file : "";
    st->sink = session->sink;
    prf_clock_init();
    prf_rows_init(&st->rows, st->sink, PRF_CHUNK_SITE, sizeof(struct line_row));
    int rc = prf_codes_init(&st->codes, st->sink, NULL, NULL, err);
    if (rc == 0) {
        rc = prf_line_choice_init(&st->choice, &st->functions, file, err);
        st->choice.takes_module = session->is_script || session->from_inside;
    }
    if (rc == 0) {
        rc = prf_line_sources_init(&st->sources, st->sink, file, err);
    }
    if (rc == 0) {
        rc = prf_line_events_open(&st->events, &line_ops, st,
                                  session->from_inside ? PRF_LINE_OPEN_FRAMES : 0, err);
    }
    return rc;
}

static int
line_start(void *state, struct prf_round *round, struct prf_error *err)
{
    struct line *st = state;
    (void)round;
    int rc = prf_line_choice_begin(&st->choice, err);
    if (rc == 0) {
        rc = prf_line_events_start(&st->events, err);
    }
    prf_marks_begin(&st->marks, prf_clock_monotonic_ns());
    return rc;
}

static int
line_stop(void *state, const struct prf_round *round, struct prf_error *err)
{
    struct line *st = state;
    (void)round;
    (void)err;
    st->wall_ns += prf_clock_monotonic_ns() - st->marks.start_ns;
    prf_line_events_stop(&st->events);
    return PRF_DONE;
}

static void
line_mark(void *state, const char *name)
{
    struct line *st = state;
    prf_marks_add(&st->marks, st->sink, name);
}

static int
line_collect(void *state, struct prf_sink *sink, struct prf_error *err)
{
    struct line *st = state;
    struct prf_rows samples;
    (void)err;
    prf_rows_init(&samples, sink, PRF_CHUNK_SAMPLE, sizeof(struct prf_rec_sample));
    prf_sink_sample(&samples, LINE_WALL_TIME, 0, (double)st->wall_ns);
    for (struct prf_line_code *c = st->events.codes; c != NULL; c = c->next) {
        struct line_code *code = (struct line_code *)c;
        if (!code->has_source) {
            prf_line_sources_add(&st->sources, code->id, c->code);
            code->has_source = true;
        }
    }
    prf_line_choice_note(&st->choice, sink);
    if (st->events.replaced) {
        prf_sink_info(sink, PRF_INFO_NOTE, PRF_LINE_REPLACED);
    }
    if (st->events.set_aside) {
        prf_sink_info(sink, PRF_INFO_NOTE, PRF_LINE_SET_ASIDE);
    }
    return 0;
}

static void
line_close(void *state)
{
    struct line *st = state;
    prf_line_events_close(&st->events);
    prf_line_sources_release(&st->sources);
    prf_line_choice_release(&st->choice);
    prf_codes_release(&st->codes);
}

static const char *const line_aliases[] = {"line-profiler", NULL};

static const struct prf_metric line_metrics[] = {
    [LINE_HITS] = {"hits", "count", PRF_SCOPE_SITE, PRF_BETTER_LESS, PRF_FOLD_NONE,
                   "how often the line ran"},
    [LINE_TIME] = {"time", "tick", PRF_SCOPE_SITE, PRF_BETTER_LESS, PRF_FOLD_NONE,
                   "wall time of the line, the calls it made included"},
    [LINE_WALL_TIME] = {"wall_time", "ns", PRF_SCOPE_RESULT, PRF_BETTER_LESS,
                        PRF_FOLD_NONE, "of the case, profiling included"},
    {NULL},
};

static const struct prf_option line_options[] = {
    {.type = PRF_OPT_LIST,
     .name = "functions",
     .unit = "PLACE:NAME",
     .offset = offsetof(struct line, functions),
     .help =
         "functions by globs: module:qualname, file.py:qualname, or qualname for the "
         "case's file; default: all of the case's file"},
    {.type = PRF_OPT_CHOICE,
     .name = "sort",
     .offset = offsetof(struct line, sort),
     .def = "stdname",
     .choices = "file|filename|hits|line|module|name|nfl|stdname|time",
     .help = "order of the functions: by time, hits, or where they are"},
    {.type = PRF_OPT_UINT,
     .name = "top-k",
     .offset = offsetof(struct line, top_k),
     .def = "0",
     .unit = "N",
     .help = "show the first N functions only; 0: all"},
    {.type = PRF_OPT_CHOICE,
     .name = "units",
     .aliases = "unit|output-unit",
     .offset = offsetof(struct line, units),
     .def = "auto",
     .choices = "auto|s|ms|us|ns|1|1e-3|1e-6|1e-9",
     .help = "unit of the times; 1e-3, in seconds, is ms"},
    {.type = PRF_OPT_FLAG,
     .name = "strip-dirs",
     .offset = offsetof(struct line, strip_dirs),
     .help = "show file names without their folders"},
    PRF_OPTIONS_END,
};

const struct prf_backend prf_line = {
    .abi = PRF_BACKEND_ABI,
    .name = "line",
    .aliases = line_aliases,
    .summary =
        "which lines: hits and time of each line of chosen functions; all threads",
    .state_size = sizeof(struct line),
    .metrics = line_metrics,
    .options = line_options,
    .open = line_open,
    .start = line_start,
    .stop = line_stop,
    .mark = line_mark,
    .collect = line_collect,
    .close = line_close,
};
