/* memory-line: what the process held after each line of the case and of the functions
   it calls, and what the line added.

   The memory is read at each event of a frame that counts: what a line leaves is what
   the next one finds. A line's increment contains those of the functions it calls. On
   the thread of the case the count of calls begins at the case's method; on others at
   the first function of the case's file. Protected by the GIL. */
#include "backends.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "call_source.h"
#include "clock.h"
#include "codes.h"
#include "line_choice.h"
#include "line_events.h"
#include "line_sources.h"
#include "marks.h"
#include "native.h"
#include "procmem.h"
#include "proctree.h"
#include "traces.h"

struct memory_line {
    /* options */
    char *backend;
    bool include_children;
    int64_t max_depth;
    char *sort;
    uint64_t top_k;
    bool strip_dirs;
    /* session */
    struct prf_sink *sink;
    const char *method_name; /* borrowed from the session; NULL: none */
    struct prf_codes codes;
    struct prf_strlist no_patterns;
    struct prf_line_choice choice;
    struct prf_line_sources sources;
    struct prf_line_events events;
    struct prf_rows rows;
    struct prf_procmem process;
    struct prf_proctree children;
    PyObject *traced_memory;  /* strong: _tracemalloc.get_traced_memory, or NULL */
    bool started_tracemalloc; /* see hooks/traces.h */
    const struct prf_interpose *native; /* NULL: memory is of another kind */
    struct prf_marks marks;
    uint64_t wall_ns;
};

enum {
    MEMORY_LINE_USAGE,
    MEMORY_LINE_INCREMENT,
    MEMORY_LINE_OCCURRENCES,
    MEMORY_LINE_WALL_TIME
};

#define MEMORY_LINE_ABOVE (-1) /* depth of what runs around the case */

struct memory_line_row {
    struct prf_rec_site site;
    int64_t usage, increment, occurrences;
};

struct memory_line_slot {
    struct memory_line_row *row; /* NULL: the line never ran */
    bool ended;                  /* once at least */
};

struct memory_line_code {
    struct prf_line_code base;
    uint32_t id;
    bool begins; /* a case begins here: depth 0 */
    struct memory_line_slot *slots;
};

static struct memory_line_row memory_line_nowhere; /* where a row had no memory */

static void
memory_line_lost(void *user)
{
    struct memory_line *st = user;
    st->sink->ops->lost(st->sink, 1);
}

/* ---- what is held ---- */

/* Bytes that tracemalloc counts now. */
static int64_t
memory_line_traced(PyObject *traced_memory)
{
    PyObject *pair = PyObject_CallNoArgs(traced_memory);
    int64_t bytes = 0;
    if (pair != NULL && PyTuple_Check(pair) && PyTuple_GET_SIZE(pair) == 2) {
        bytes = PyLong_AsLongLong(PyTuple_GET_ITEM(pair, 0));
    }
    PyErr_Clear();
    Py_XDECREF(pair);
    return bytes;
}

static int64_t
memory_line_held(struct memory_line *st)
{
    if (st->traced_memory != NULL) {
        return memory_line_traced(st->traced_memory);
    }
    if (st->native != NULL) {
        return prf_native_bytes(st->native);
    }
    int64_t bytes = prf_procmem_read(&st->process);
    if (st->include_children) {
        bytes += prf_proctree_sample(&st->children);
    }
    return bytes;
}

static enum prf_procmem_kind
memory_line_kind(const char *backend)
{
    size_t n = strlen(backend);
    const char *end = n > 3 ? backend + n - 3 : backend; /* of psutil_pss as of pss */
    return strcmp(end, "pss") == 0   ? PRF_PROCMEM_PSS
           : strcmp(end, "uss") == 0 ? PRF_PROCMEM_USS
                                     : PRF_PROCMEM_RSS;
}

/* ---- lines ---- */

static __attribute__((noinline)) struct memory_line_row *
memory_line_row_new(struct memory_line *st, struct memory_line_code *code, int line)
{
    struct memory_line_row *row = prf_rows_add(&st->rows);
    if (row == NULL) {
        return code->slots[line].row = &memory_line_nowhere;
    }
    row->site.line = (uint32_t)(code->base.first_line + line);
    row->site.code = code->id;
    return code->slots[line].row = row;
}

static inline struct memory_line_row *
memory_line_row(struct memory_line *st, struct prf_line_frame *frame, int line)
{
    struct memory_line_code *code = (struct memory_line_code *)frame->code;
    struct memory_line_row *row = code->slots[line].row;
    return row != NULL ? row : memory_line_row_new(st, code, line);
}

static inline bool
memory_line_counts(const struct memory_line *st, int depth)
{
    return depth >= 0 && (st->max_depth < 0 || depth <= st->max_depth);
}

/* The depth of a call from the innermost frame of a list. Below the limit it no longer
   matters how far. */
static int
memory_line_depth(const struct memory_line *st, const struct prf_line_thread *thread,
                  uint32_t n_frames, bool begins)
{
    int caller = n_frames > 0 ? thread->frames[n_frames - 1].depth : MEMORY_LINE_ABOVE;
    if (caller == MEMORY_LINE_ABOVE) {
        return begins ? 0 : MEMORY_LINE_ABOVE;
    }
    return memory_line_counts(st, caller) ? caller + 1 : caller;
}

static bool
memory_line_begins(const struct memory_line *st, const PyCodeObject *code)
{
    return prf_line_choice_in_case(&st->choice, code) ||
           (st->method_name != NULL &&
            PyUnicode_CompareWithASCIIString(code->co_name, st->method_name) == 0);
}

static enum prf_line_verdict
memory_line_look(struct prf_line_thread *thread, PyCodeObject *code, PyObject *globals)
{
    struct memory_line *st = thread->events->user;
    (void)globals;
    if (prf_codes_is_hidden_python(code)) {
        return PRF_LINE_NEVER;
    }
    bool above =
        thread->n == 0 || thread->frames[thread->n - 1].depth == MEMORY_LINE_ABOVE;
    int depth =
        memory_line_depth(st, thread, thread->n, above && memory_line_begins(st, code));
    return memory_line_counts(st, depth) ? PRF_LINE_YES : PRF_LINE_NOT_NOW;
}

static int
memory_line_code_init(void *user, struct prf_line_code *base)
{
    struct memory_line *st = user;
    struct memory_line_code *code = (struct memory_line_code *)base;
    code->id = prf_codes_add_python(&st->codes, base->code);
    code->begins = memory_line_begins(st, base->code);
    code->slots = calloc((size_t)base->n_lines + 1, sizeof *code->slots);
    if (code->id == 0 || code->slots == NULL) {
        return -1;
    }
    if (prf_line_sources_ready(&st->sources, base->code)) {
        prf_line_sources_add(&st->sources, code->id, base->code);
    }
    return 0;
}

static void
memory_line_code_release(struct prf_line_code *base)
{
    free(((struct memory_line_code *)base)->slots);
}

/* Memory after the line, the highest. Until it has ended once, that before it: a
   process that dies in the line leaves the last reading, not a 0. */
static void
memory_line_usage(struct prf_line_frame *frame, struct memory_line_row *row,
                  int64_t held)
{
    bool *ended = &((struct memory_line_code *)frame->code)->slots[frame->line].ended;
    row->usage = held > row->usage || !*ended ? held : row->usage;
    *ended = true;
}

/* The frame's line left `held` behind. */
static void
memory_line_charge(struct memory_line *st, struct prf_line_frame *frame, int64_t held)
{
    if (frame->line >= 0) {
        struct memory_line_row *row = memory_line_row(st, frame, frame->line);
        row->increment += held - frame->value;
        memory_line_usage(frame, row, held);
    }
    frame->value = held;
}

/* The frame of the same function that a recursion waits in, or NULL. Of a function that
   runs several times at once the innermost frame alone counts, so that the increments
   of its lines add up to what the process grew. */
static struct prf_line_frame *
memory_line_outer(const struct memory_line *st, const struct prf_line_thread *thread,
                  const struct prf_line_frame *frame)
{
    struct prf_line_frame *outer =
        frame->outer != 0 ? &thread->frames[frame->outer - 1] : NULL;
    return outer != NULL && memory_line_counts(st, outer->depth) ? outer : NULL;
}

/* The line of a `def` shows what was held when the function was called. */
static void
memory_line_enter(struct prf_line_thread *thread, struct prf_line_frame *frame)
{
    struct memory_line *st = thread->events->user;
    struct memory_line_code *code = (struct memory_line_code *)frame->code;
    frame->depth = memory_line_depth(st, thread, thread->n - 1, code->begins);
    if (!memory_line_counts(st, frame->depth)) {
        return;
    }
    frame->value = memory_line_held(st);
    struct prf_line_frame *outer = memory_line_outer(st, thread, frame);
    if (outer != NULL && outer->line >= 0) {
        memory_line_row(st, outer, outer->line)->increment +=
            frame->value - outer->value;
    }
    if (frame->line < 0 && !frame->open && !code->base.body_on_def_line &&
        code->base.n_lines > 0) {
        struct memory_line_row *row = memory_line_row(st, frame, 0);
        row->usage = frame->value > row->usage ? frame->value : row->usage;
        row->occurrences++;
    }
}

static void
memory_line_line(struct prf_line_thread *thread, struct prf_line_frame *frame, int line)
{
    struct memory_line *st = thread->events->user;
    if (memory_line_counts(st, frame->depth)) {
        int64_t held = memory_line_held(st);
        memory_line_charge(st, frame, held);
        struct memory_line_row *row = memory_line_row(st, frame, line);
        row->usage = row->occurrences++ == 0 ? held : row->usage;
    }
}

static void
memory_line_leave(struct prf_line_thread *thread, struct prf_line_frame *frame)
{
    struct memory_line *st = thread->events->user;
    if (!memory_line_counts(st, frame->depth)) {
        return;
    }
    int64_t held = memory_line_held(st);
    memory_line_charge(st, frame, held);
    struct prf_line_frame *outer = memory_line_outer(st, thread, frame);
    if (outer != NULL) {
        outer->value = held;
    }
}

static const struct prf_line_ops memory_line_ops = {
    .name = "memory-line",
    .code_size = sizeof(struct memory_line_code),
    .look = memory_line_look,
    .code_init = memory_line_code_init,
    .code_release = memory_line_code_release,
    .enter = memory_line_enter,
    .line = memory_line_line,
    .leave = memory_line_leave,
    .lost = memory_line_lost,
};

/* ---- life ---- */

static int
memory_line_open_tracemalloc(struct memory_line *st, struct prf_error *err)
{
    PyObject *module = PyImport_ImportModule("_tracemalloc");
    PyObject *tracing = module ? PyObject_CallMethod(module, "is_tracing", NULL) : NULL;
    PyObject *started = tracing;
    Py_XINCREF(started);
    st->started_tracemalloc = tracing != NULL;
    if (tracing != NULL && prf_traces_enter(tracing == Py_True)) {
        Py_SETREF(started, PyObject_CallMethod(module, "start", NULL));
    }
    st->traced_memory =
        started ? PyObject_GetAttrString(module, "get_traced_memory") : NULL;
    Py_XDECREF(started);
    Py_XDECREF(tracing);
    Py_XDECREF(module);
    return st->traced_memory ? 0 : prf_call_source_fail(err, "starting tracemalloc");
}

static void
memory_line_close_tracemalloc(struct memory_line *st)
{
    Py_CLEAR(st->traced_memory);
    bool is_last = st->started_tracemalloc && prf_traces_leave();
    st->started_tracemalloc = false;
    if (is_last) {
        PyObject *module = PyImport_ImportModule("_tracemalloc");
        PyObject *result = module ? PyObject_CallMethod(module, "stop", NULL) : NULL;
        PyErr_Clear();
        Py_XDECREF(result);
        Py_XDECREF(module);
    }
}

static int
memory_line_open_process(struct memory_line *st, struct prf_error *err)
{
    enum prf_procmem_kind kind = memory_line_kind(st->backend);
    int rc = prf_procmem_open(&st->process, 0, kind, err);
    if (rc == 0 && st->include_children) {
        rc = prf_proctree_init(&st->children, kind, err);
    }
    return rc;
}

static int
memory_line_open(void *state, const struct prf_session *session, struct prf_error *err)
{
    struct memory_line *st = state;
    const char *file = session->case_file ? session->case_file : "";
    st->sink = session->sink;
    st->method_name = session->method_name;
    st->process.fd = -1;
    prf_clock_init();
    prf_rows_init(&st->rows, st->sink, PRF_CHUNK_SITE, sizeof(struct memory_line_row));
    int rc = prf_codes_init(&st->codes, st->sink, NULL, NULL, err);
    if (rc == 0) {
        rc = prf_line_choice_init(&st->choice, &st->no_patterns, file, err);
    }
    if (rc == 0) {
        rc = prf_line_sources_init(&st->sources, st->sink, file, err);
    }
    if (rc == 0) {
        rc = prf_line_events_open(&st->events, &memory_line_ops, st,
                                  session->from_inside ? PRF_LINE_OPEN_INNERMOST : 0,
                                  err);
    }
    if (rc < 0) {
        return rc;
    }
    bool traced = strcmp(st->backend, "tracemalloc") == 0;
    bool counted = strcmp(st->backend, "malloc") == 0;
    if (!traced && !counted) {
        return memory_line_open_process(st, err);
    }
    if (st->include_children) {
        return prf_fail(err, PRF_EUSAGE,
                        "%s knows this process only: --include-children needs another "
                        "--backend",
                        st->backend);
    }
    return counted ? prf_native_find(&st->native, err) : 0;
}

static int
memory_line_start(void *state, struct prf_round *round, struct prf_error *err)
{
    struct memory_line *st = state;
    (void)round;
    int rc = prf_line_choice_begin(&st->choice, err);
    if (rc == 0 && strcmp(st->backend, "tracemalloc") == 0) {
        rc = memory_line_open_tracemalloc(st, err);
    }
    if (rc == 0) {
        rc = prf_line_events_start(&st->events, err);
    }
    if (rc < 0) {
        memory_line_close_tracemalloc(st);
    } else if (st->native != NULL) {
        st->native->count(true);
    }
    prf_marks_begin(&st->marks, prf_clock_monotonic_ns());
    return rc;
}

static int
memory_line_stop(void *state, const struct prf_round *round, struct prf_error *err)
{
    struct memory_line *st = state;
    (void)round;
    (void)err;
    st->wall_ns += prf_clock_monotonic_ns() - st->marks.start_ns;
    prf_line_events_stop(&st->events);
    memory_line_close_tracemalloc(st);
    if (st->native != NULL) {
        st->native->count(false);
    }
    return PRF_DONE;
}

static void
memory_line_mark(void *state, const char *name)
{
    struct memory_line *st = state;
    prf_marks_add(&st->marks, st->sink, name);
}

static int
memory_line_collect(void *state, struct prf_sink *sink, struct prf_error *err)
{
    struct memory_line *st = state;
    struct prf_rows samples;
    (void)err;
    prf_rows_init(&samples, sink, PRF_CHUNK_SAMPLE, sizeof(struct prf_rec_sample));
    prf_sink_sample(&samples, MEMORY_LINE_WALL_TIME, 0, (double)st->wall_ns);
    for (struct prf_line_code *c = st->events.codes; c != NULL; c = c->next) {
        if (!prf_line_sources_ready(&st->sources, c->code)) {
            prf_line_sources_add(&st->sources, ((struct memory_line_code *)c)->id,
                                 c->code);
        }
    }
    if (st->events.replaced) {
        prf_sink_info(sink, PRF_INFO_NOTE, PRF_LINE_REPLACED);
    }
    if (st->events.set_aside) {
        prf_sink_info(sink, PRF_INFO_NOTE, PRF_LINE_SET_ASIDE);
    }
    return 0;
}

static void
memory_line_close(void *state)
{
    struct memory_line *st = state;
    prf_line_events_close(&st->events);
    memory_line_close_tracemalloc(st);
    prf_procmem_close(&st->process);
    prf_proctree_release(&st->children);
    prf_line_sources_release(&st->sources);
    prf_line_choice_release(&st->choice);
    prf_codes_release(&st->codes);
}

static const char *const memory_line_aliases[] = {"memory-profiler-line", NULL};

static const struct prf_metric memory_line_metrics[] = {
    [MEMORY_LINE_USAGE] = {"usage", "bytes", PRF_SCOPE_SITE, PRF_BETTER_LESS,
                           PRF_FOLD_NONE,
                           "memory of the process after the line, the highest"},
    [MEMORY_LINE_INCREMENT] = {"increment", "bytes", PRF_SCOPE_SITE, PRF_BETTER_LESS,
                               PRF_FOLD_NONE,
                               "what the line added, all times together; less than 0: "
                               "it gave memory back"},
    [MEMORY_LINE_OCCURRENCES] = {"occurrences", "count", PRF_SCOPE_SITE,
                                 PRF_BETTER_NONE, PRF_FOLD_NONE,
                                 "how often the line ran"},
    [MEMORY_LINE_WALL_TIME] = {"wall_time", "ns", PRF_SCOPE_RESULT, PRF_BETTER_LESS,
                               PRF_FOLD_NONE, "of the case, profiling included"},
    {NULL},
};

static const struct prf_option memory_line_options[] = {
    {.type = PRF_OPT_CHOICE,
     .name = "backend",
     .offset = offsetof(struct memory_line, backend),
     .def = "rss",
     .choices = "rss|pss|uss|tracemalloc|malloc|psutil|psutil_pss|psutil_uss|posix",
     .help =
         "what counts as memory: pages of the process, objects of Python, or what came "
         "from malloc"},
    {.type = PRF_OPT_INT,
     .name = "max-depth",
     .offset = offsetof(struct memory_line, max_depth),
     .def = "1",
     .min = -1000000,
     .max = 1000000,
     .unit = "N",
     .help =
         "how deep below the case functions are shown; 0: the case alone, negative: "
         "no limit"},
    {.type = PRF_OPT_FLAG,
     .short_name = 'C',
     .name = "include-children",
     .offset = offsetof(struct memory_line, include_children),
     .help = "add the memory of the processes that the case started"},
    {.type = PRF_OPT_CHOICE,
     .name = "sort",
     .offset = offsetof(struct memory_line, sort),
     .def = "stdname",
     .choices =
         "file|filename|increment|line|module|name|nfl|occurrences|stdname|usage",
     .help = "order of the functions: by an amount, or where they are"},
    {.type = PRF_OPT_UINT,
     .name = "top-k",
     .offset = offsetof(struct memory_line, top_k),
     .def = "0",
     .unit = "N",
     .help = "show the first N functions only; 0: all"},
    {.type = PRF_OPT_FLAG,
     .name = "strip-dirs",
     .offset = offsetof(struct memory_line, strip_dirs),
     .help = "show file names without their folders"},
    PRF_OPTIONS_END,
};

const struct prf_backend prf_memory_line = {
    .abi = PRF_BACKEND_ABI,
    .name = "memory-line",
    .aliases = memory_line_aliases,
    .summary = "which lines take memory: usage and increment of each line of the case",
    .state_size = sizeof(struct memory_line),
    .metrics = memory_line_metrics,
    .options = memory_line_options,
    .open = memory_line_open,
    .start = memory_line_start,
    .stop = memory_line_stop,
    .mark = memory_line_mark,
    .collect = memory_line_collect,
    .close = memory_line_close,
};
