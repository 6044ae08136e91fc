/* tracemalloc: where memory that is held was allocated. Python's own tracemalloc
   tracks; snapshots are aggregated in its tables, without building objects, and how
   they are shown is decided when a report is made. Protected by the GIL. */
#include "backends.h"

#include <Python.h>

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "allocator.h"
#include "clock.h"
#include "marks.h"
#include "snapshots.h"
#include "traces.h"

#define TRACEMALLOC_DEEP 25 /* frames where one would not do */

enum {
    TRACEMALLOC_IS_TRACING,
    TRACEMALLOC_START,
    TRACEMALLOC_STOP,
    TRACEMALLOC_RESET_PEAK,
    TRACEMALLOC_LIMIT,
    TRACEMALLOC_MEMORY,
    TRACEMALLOC_FUNCTIONS,
};

static const char *const tracemalloc_functions[TRACEMALLOC_FUNCTIONS] = {
    [TRACEMALLOC_IS_TRACING] = "is_tracing",
    [TRACEMALLOC_START] = "start",
    [TRACEMALLOC_STOP] = "stop",
    [TRACEMALLOC_RESET_PEAK] = "reset_peak",
    [TRACEMALLOC_LIMIT] = "get_traceback_limit",
    [TRACEMALLOC_MEMORY] = "get_traced_memory",
};

struct tracemalloc {
    /* options; most are for the report */
    uint64_t nframe;
    char *key, *index, *diff;
    uint64_t top_k;
    bool cumulative;
    struct prf_strlist include, exclude;
    /* session */
    struct prf_sink *sink;
    struct prf_snapshots snapshots;
    /* Strong, of _tracemalloc: looked up while nothing is traced, because the names
       would stay in the cache of attributes. */
    PyObject *functions[TRACEMALLOC_FUNCTIONS];
    bool entered; /* in hooks/traces.h */
    bool started; /* tracing was off before us */
    bool peak_reset;
    bool measuring; /* between start and stop */
    bool with_peak;
    bool stopped_inside, peak_lost;
    const char *slow; /* why the tables are not read, NULL: they are */
    uint32_t peak_stack;
    double peak_bytes, current_bytes;
    struct prf_marks marks;
};

enum {
    TRACEMALLOC_PEAK,
    TRACEMALLOC_CURRENT,
    TRACEMALLOC_SIZE,
    TRACEMALLOC_COUNT,
    TRACEMALLOC_SIZE_DIFF,
    TRACEMALLOC_COUNT_DIFF,
};

/* ---- asking Python's ---- */

static int
tracemalloc_fail(struct prf_error *err, const char *what)
{
    PyErr_Clear();
    return prf_fail(err, PRF_EPYTHON, "tracemalloc failed: %s", what);
}

static bool
tracemalloc_is_tracing(const struct tracemalloc *st)
{
    PyObject *answer = PyObject_CallNoArgs(st->functions[TRACEMALLOC_IS_TRACING]);
    bool tracing = answer == Py_True;
    Py_XDECREF(answer);
    PyErr_Clear();
    return tracing;
}

static int
tracemalloc_call(const struct tracemalloc *st, int function, struct prf_error *err)
{
    PyObject *answer = PyObject_CallNoArgs(st->functions[function]);
    Py_XDECREF(answer);
    return answer != NULL ? 0 : tracemalloc_fail(err, tracemalloc_functions[function]);
}

static uint64_t
tracemalloc_nframe(const struct tracemalloc *st)
{
    bool deep = st->cumulative || strcmp(st->key, "traceback") == 0;
    return st->nframe != 0 ? st->nframe : deep ? TRACEMALLOC_DEEP : 1;
}

static int
tracemalloc_trace(struct tracemalloc *st, struct prf_error *err)
{
    st->started = prf_traces_enter(tracemalloc_is_tracing(st));
    st->entered = true;
    if (!st->started) {
        return 0;
    }
    PyObject *answer =
        PyObject_CallFunction(st->functions[TRACEMALLOC_START], "K",
                              (unsigned long long)tracemalloc_nframe(st));
    Py_XDECREF(answer);
    return answer != NULL ? 0 : tracemalloc_fail(err, "start");
}

/* The end of tracemalloc_trace, also of one that failed: off, unless others use it. */
static int
tracemalloc_untrace(struct tracemalloc *st, struct prf_error *err)
{
    bool is_last = st->entered && prf_traces_leave();
    st->entered = false;
    return is_last && tracemalloc_is_tracing(st)
               ? tracemalloc_call(st, TRACEMALLOC_STOP, err)
               : 0;
}

/* Current and highest bytes that are traced. */
static void
tracemalloc_amounts(struct tracemalloc *st)
{
    PyObject *pair = PyObject_CallNoArgs(st->functions[TRACEMALLOC_MEMORY]);
    if (pair != NULL && PyTuple_Check(pair) && PyTuple_GET_SIZE(pair) == 2) {
        st->current_bytes = (double)PyLong_AsSize_t(PyTuple_GET_ITEM(pair, 0));
        st->peak_bytes = (double)PyLong_AsSize_t(PyTuple_GET_ITEM(pair, 1));
    }
    Py_XDECREF(pair);
    PyErr_Clear();
}

/* ---- life ---- */

static int
tracemalloc_import(struct tracemalloc *st, struct prf_error *err)
{
    PyObject *module = PyImport_ImportModule("_tracemalloc");
    bool all = module != NULL;
    for (int i = 0; all && i < TRACEMALLOC_FUNCTIONS; i++) {
        st->functions[i] = PyObject_GetAttrString(module, tracemalloc_functions[i]);
        all = st->functions[i] != NULL;
    }
    Py_XDECREF(module);
    return all ? 0 : tracemalloc_fail(err, "this Python has no '_tracemalloc'");
}

/* Whether there are such snapshots shows when the case has run; what can name none is
   refused before. */
static int
tracemalloc_check(const struct tracemalloc *st, struct prf_error *err)
{
    if (st->cumulative && strcmp(st->key, "traceback") == 0) {
        return prf_fail(err, PRF_EUSAGE,
                        "--cumulative goes with --key lineno or filename, not with "
                        "traceback");
    }
    if (st->index != NULL && *st->index == '\0') {
        return prf_fail(err, PRF_EUSAGE, "--index takes a number or a name, not ''");
    }
    const char *colon = st->diff == NULL || *st->diff == '\0'
                            ? NULL
                            : strchr(st->diff + 1, ':'); /* A is not empty */
    if (st->diff != NULL && (colon == NULL || colon[1] == '\0')) {
        return prf_fail(err, PRF_EUSAGE, "--diff takes two snapshots as A:B, not '%s'",
                        st->diff);
    }
    return 0;
}

static int
tracemalloc_open(void *state, const struct prf_session *session, struct prf_error *err)
{
    struct tracemalloc *st = state;
    st->sink = session->sink;
    int rc = tracemalloc_check(st, err);
    if (rc == 0) {
        rc = tracemalloc_import(st, err);
    }
    if (rc < 0) {
        return rc;
    }
    /* The first search takes some milliseconds and allocates: not in start. */
    rc = tracemalloc_trace(st, err);
    if (rc == 0) {
        prf_traces_locate(&st->slow);
    }
    if (rc == 0) {
        rc = tracemalloc_untrace(st, err);
    }
    return rc < 0
               ? rc
               : prf_snapshots_init(&st->snapshots, st->sink, session->case_file, err);
}

/* Tracing that was on before is used as it is: it goes on, with a limit of its own. */
static void
tracemalloc_note_shared(struct tracemalloc *st)
{
    PyObject *limit = PyObject_CallNoArgs(st->functions[TRACEMALLOC_LIMIT]);
    long n = limit != NULL ? PyLong_AsLong(limit) : -1;
    char text[240];
    if (n > 0) {
        snprintf(text, sizeof text,
                 "tracemalloc was tracing before the case%s, with %ld frame%s a "
                 "traceback: it was used as it is and left on%s",
                 prf_traces_are_ours() ? " for another profiler" : "", n,
                 n == 1 ? "" : "s",
                 (uint64_t)n < tracemalloc_nframe(st)
                     ? "; what was asked for needs more frames (--nframe)"
                     : "");
        prf_sink_info(st->sink, PRF_INFO_NOTE, text);
    }
    Py_XDECREF(limit);
    PyErr_Clear();
}

/* The one between start and stop: there is one layer over the allocators. */
static struct tracemalloc *tracemalloc_active;

static int
tracemalloc_begin(struct tracemalloc *st, struct prf_error *err)
{
    int rc = tracemalloc_trace(st, err);
    if (rc < 0) {
        return rc;
    }
    if (!st->started) {
        tracemalloc_note_shared(st);
    }
    prf_traces_locate(&st->slow);
    /* The peak of a program that traces is its own, where ours can be told apart. */
    st->peak_reset = st->started || prf_traces_counter() == NULL;
    if (st->peak_reset) {
        rc = tracemalloc_call(st, TRACEMALLOC_RESET_PEAK, err);
    }
    return rc < 0 ? rc : prf_snapshots_take(&st->snapshots, "start", 0.0, err);
}

static int
tracemalloc_start(void *state, struct prf_round *round, struct prf_error *err)
{
    struct tracemalloc *st = state;
    (void)round;
    if (tracemalloc_active != NULL) {
        return prf_fail(err, PRF_EUNAVAILABLE,
                        "pyprofiler's 'tracemalloc' runs already in this process; stop "
                        "it first");
    }
    int rc = tracemalloc_begin(st, err);
    if (rc < 0) {
        struct prf_error none = {0};
        tracemalloc_untrace(st, &none);
        return rc;
    }
    const volatile size_t *counter = prf_traces_counter();
    st->with_peak = counter != NULL && prf_allocator_install(counter);
    if (!st->with_peak && !st->peak_reset) {
        st->peak_reset = true; /* no other way to know it */
        PyErr_Clear();
        tracemalloc_call(st, TRACEMALLOC_RESET_PEAK, err);
    }
    tracemalloc_active = st;
    st->measuring = true;
    prf_marks_begin(&st->marks, prf_clock_monotonic_ns());
    return 0;
}

/* The stack of the peak, while tracemalloc's tables are still there. */
static void
tracemalloc_settle_peak(struct tracemalloc *st)
{
    struct prf_allocator_peak peak = prf_allocator_peak();
    st->peak_lost = st->peak_lost || peak.foreign;
    if ((double)peak.n_bytes > st->peak_bytes || !st->peak_reset) {
        st->peak_bytes = (double)peak.n_bytes; /* the case reset Python's */
    }
    if (peak.traceback != NULL && prf_traces_knows(peak.traceback)) {
        st->peak_stack = prf_snapshots_stack(&st->snapshots, peak.traceback);
    }
}

static int
tracemalloc_stop(void *state, const struct prf_round *round, struct prf_error *err)
{
    struct tracemalloc *st = state;
    (void)round;
    double at_ns = (double)(prf_clock_monotonic_ns() - st->marks.start_ns);
    bool tracing = tracemalloc_is_tracing(st);
    st->measuring = false;
    if (st->with_peak) { /* first: what follows allocates */
        st->peak_lost = !prf_allocator_remove();
    }
    st->stopped_inside = st->stopped_inside || !tracing;
    /* A list of objects would count in the peak; the pair of amounts in the snapshot.
     */
    if (tracing && st->slow != NULL) {
        tracemalloc_amounts(st);
    }
    int rc = prf_snapshots_take(&st->snapshots, "stop", at_ns, err);
    if (tracing && st->slow == NULL) {
        tracemalloc_amounts(st);
    }
    if (st->with_peak) {
        tracemalloc_settle_peak(st);
        st->with_peak = false;
    }
    tracemalloc_active = NULL;
    struct prf_error late = {0};
    int untraced = tracemalloc_untrace(st, rc == 0 ? err : &late);
    rc = rc < 0 ? rc : untraced;
    return rc < 0 ? rc : PRF_DONE;
}

static void
tracemalloc_mark(void *state, const char *name)
{
    struct tracemalloc *st = state;
    struct prf_error err = {0};
    double at_ns = prf_marks_add(&st->marks, st->sink, name);
    if (st->measuring) {
        st->stopped_inside = st->stopped_inside || !tracemalloc_is_tracing(st);
        prf_snapshots_take(&st->snapshots, name, at_ns, &err);
    }
    st->marks.last_ns = prf_clock_monotonic_ns(); /* without what the snapshot took */
}

static void
tracemalloc_notes(struct tracemalloc *st, struct prf_sink *sink)
{
    char text[200];
    if (st->slow != NULL) {
        snprintf(
            text, sizeof text,
            "snapshots were made of Python objects, which is slow and takes memory: "
            "%s; the traceback at the peak is not known",
            st->slow);
        prf_sink_info(sink, PRF_INFO_NOTE, text);
    }
    if (st->stopped_inside) {
        prf_sink_info(sink, PRF_INFO_NOTE,
                      "the case stopped tracemalloc: what it held then is not known");
    } else if (st->peak_lost && st->peak_stack == 0) {
        prf_sink_info(sink, PRF_INFO_NOTE,
                      "the peak was reached by memory that is not of Python's "
                      "allocators, or the case replaced them: its traceback is not "
                      "known");
    }
}

static int
tracemalloc_collect(void *state, struct prf_sink *sink, struct prf_error *err)
{
    struct tracemalloc *st = state;
    struct prf_rows samples;
    char text[16];
    (void)err;
    prf_rows_init(&samples, sink, PRF_CHUNK_SAMPLE, sizeof(struct prf_rec_sample));
    prf_sink_sample(&samples, TRACEMALLOC_PEAK, 0, st->peak_bytes);
    prf_sink_sample(&samples, TRACEMALLOC_CURRENT, 0, st->current_bytes);
    prf_snapshots_write_sites(&st->snapshots);
    prf_snapshots_write_sources(&st->snapshots);
    if (st->peak_stack != 0) {
        snprintf(text, sizeof text, "%u", st->peak_stack);
        prf_sink_info(sink, PRF_INFO_PEAK, text);
    }
    tracemalloc_notes(st, sink);
    return 0;
}

static void
tracemalloc_close(void *state)
{
    struct tracemalloc *st = state;
    struct prf_error err = {0};
    if (st->with_peak) {
        prf_allocator_remove();
    }
    if (st->functions[TRACEMALLOC_FUNCTIONS - 1] != NULL) {
        tracemalloc_untrace(st, &err);
    }
    prf_snapshots_release(&st->snapshots);
    for (int i = 0; i < TRACEMALLOC_FUNCTIONS; i++) {
        Py_CLEAR(st->functions[i]);
    }
}

static const struct prf_metric tracemalloc_metrics[] = {
    [TRACEMALLOC_PEAK] = {"peak", "bytes", PRF_SCOPE_RESULT, PRF_BETTER_LESS,
                          PRF_FOLD_NONE, "most bytes that were held at once"},
    [TRACEMALLOC_CURRENT] = {"current", "bytes", PRF_SCOPE_RESULT, PRF_BETTER_LESS,
                             PRF_FOLD_NONE, "bytes that were held at the end"},
    [TRACEMALLOC_SIZE] = {"size", "bytes", PRF_SCOPE_SITE, PRF_BETTER_LESS,
                          PRF_FOLD_NONE, "held at the end"},
    [TRACEMALLOC_COUNT] = {"count", "count", PRF_SCOPE_SITE, PRF_BETTER_LESS,
                           PRF_FOLD_NONE, "blocks held at the end"},
    [TRACEMALLOC_SIZE_DIFF] = {"size_diff", "bytes", PRF_SCOPE_SITE, PRF_BETTER_LESS,
                               PRF_FOLD_NONE, "more than at the start"},
    [TRACEMALLOC_COUNT_DIFF] = {"count_diff", "count", PRF_SCOPE_SITE, PRF_BETTER_LESS,
                                PRF_FOLD_NONE, "more blocks than at the start"},
    {NULL},
};

static const struct prf_option tracemalloc_options[] = {
    {.type = PRF_OPT_UINT,
     .name = "nframe",
     .offset = offsetof(struct tracemalloc, nframe),
     .def = "0",
     .max = 65535,
     .unit = "N",
     .help = "frames of a traceback; 0: 1, or 25 where one would not do"},
    {.type = PRF_OPT_CHOICE,
     .name = "key",
     .offset = offsetof(struct tracemalloc, key),
     .def = "lineno",
     .choices = "lineno|filename|traceback",
     .help = "what the report sums up by"},
    {.type = PRF_OPT_UINT,
     .name = "top-k",
     .offset = offsetof(struct tracemalloc, top_k),
     .def = "10",
     .unit = "N",
     .help = "show the first N entries; 0: all"},
    {.type = PRF_OPT_STRING,
     .name = "index",
     .offset = offsetof(struct tracemalloc, index),
     .def = "-1",
     .unit = "N|NAME",
     .help = "snapshot to show: 0 is the one at the start, -1 the last; or its name"},
    {.type = PRF_OPT_STRING,
     .name = "diff",
     .offset = offsetof(struct tracemalloc, diff),
     .unit = "A:B",
     .help = "show B and how it differs from A, snapshots by number or name"},
    {.type = PRF_OPT_FLAG,
     .name = "cumulative",
     .offset = offsetof(struct tracemalloc, cumulative),
     .help = "count a block at every frame of its traceback"},
    {.type = PRF_OPT_LIST,
     .name = "include",
     .aliases = "include-files",
     .unit = "GLOB",
     .offset = offsetof(struct tracemalloc, include),
     .help = "only what was allocated in these files"},
    {.type = PRF_OPT_LIST,
     .name = "exclude",
     .aliases = "exclude-files",
     .unit = "GLOB",
     .offset = offsetof(struct tracemalloc, exclude),
     .help = "nothing that was allocated in these files"},
    PRF_OPTIONS_END,
};

const struct prf_backend prf_tracemalloc = {
    .abi = PRF_BACKEND_ABI,
    .name = "tracemalloc",
    .summary = "where memory that is held was allocated; snapshots, differences, peak",
    .state_size = sizeof(struct tracemalloc),
    .metrics = tracemalloc_metrics,
    .options = tracemalloc_options,
    .open = tracemalloc_open,
    .start = tracemalloc_start,
    .stop = tracemalloc_stop,
    .mark = tracemalloc_mark,
    .collect = tracemalloc_collect,
    .close = tracemalloc_close,
};
