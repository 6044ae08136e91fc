/* tracer: every call and return of Python and C functions on all threads, with the time
   of each, as a stream of a few bytes an event (trace_stream.h): its options, its life,
   and what it says in the end. The hook is in trace_calls.c. Protected by the GIL. */
#include "tracer.h"

#include <stddef.h>
#include <stdlib.h>

#include "backends.h"
#include "clock.h"
#include "trace_text.h"

enum { TRACER_CALLS, TRACER_TIME, TRACER_WALL_TIME, TRACER_EVENTS };

static struct tracer *tracer_active;

struct tracer *
prf_tracer_active(void)
{
    return tracer_active;
}

static int
tracer_prepare(struct tracer *st, struct prf_error *err)
{
    if (st->ignore_frozen && prf_strlist_add(&st->exclude_files, "<frozen *") < 0) {
        return prf_fail(err, PRF_ENOMEM, "out of memory");
    }
    st->filtering = st->include_files.n > 0 || st->exclude_files.n > 0;
    st->min_ticks = (uint64_t)((double)st->min_ns / st->sink->ns_per_tick);
    st->careful = st->entries > 0 || st->max_depth >= 0 || st->min_ticks > 0 ||
                  st->log_func_args || st->log_func_retval;
    st->ops = prf_tracer_call_ops;
    if (!st->log_exceptions) {
        st->ops.raised = NULL;
    }
    if (st->log_func_args || st->log_func_retval) {
        st->repr = prf_trace_repr_new();
        if (st->repr == NULL) {
            PyErr_Clear();
            return prf_fail(err, PRF_EPYTHON, "cannot import reprlib");
        }
    }
    return 0;
}

static int
tracer_open(void *state, const struct prf_session *session, struct prf_error *err)
{
    struct tracer *st = state;
    st->sink = session->sink;
    prf_clock_init();
    prf_tracer_watch_forks();
    int rc = tracer_prepare(st, err);
    if (rc == 0) {
        rc = prf_codes_init(&st->codes, st->sink, &st->include_files,
                            &st->exclude_files, err);
    }
    if (rc == 0) {
        rc = prf_call_events_open(&st->events, &st->ops, st,
                                  st->ignore_c_function ? PRF_CALL_NO_C : 0, err);
    }
    return rc;
}

static int
tracer_start(void *state, struct prf_round *round, struct prf_error *err)
{
    struct tracer *st = state;
    (void)round;
    if (tracer_active != NULL) {
        return prf_fail(err, PRF_EUNAVAILABLE,
                        "pyprofiler's 'tracer' runs already in this process; stop it "
                        "first");
    }
    if (!st->ignore_multiprocess) {
        prf_trace_children_start(&st->children, st->sink, prf_tracer.options, st);
    }
    int rc = st->log_gc ? prf_tracer_gc_start(st, err) : 0;
    if (rc == 0) {
        rc = prf_call_events_start(&st->events, err);
    }
    if (rc < 0) {
        prf_tracer_gc_stop(st);
        prf_trace_children_stop(&st->children);
        return rc;
    }
    tracer_active = st;
    st->running = true;
    st->n_marks = 0;
    st->start_ns = st->mark_ns = prf_clock_monotonic_ns();
    return 0;
}

static void
tracer_halt(struct tracer *st)
{
    if (!st->running) {
        return;
    }
    prf_call_events_stop(&st->events);
    prf_tracer_gc_stop(st);
    st->running = false;
    tracer_active = NULL;
    prf_trace_children_stop(&st->children);
    for (struct prf_call_thread *t = st->events.threads; t != NULL; t = t->next) {
        prf_tracer_thread_finish(st, (struct tracer_thread *)t);
    }
}

static int
tracer_stop(void *state, const struct prf_round *round, struct prf_error *err)
{
    struct tracer *st = state;
    (void)round;
    (void)err;
    st->wall_ns += prf_clock_monotonic_ns() - st->start_ns;
    tracer_halt(st);
    return PRF_DONE;
}

/* The calling thread with room for one event and a name; NULL: lost. */
static struct tracer_thread *
tracer_thread_for(struct tracer *st, size_t len)
{
    struct tracer_thread *t =
        st->running ? (struct tracer_thread *)prf_call_thread_current(&st->events)
                    : NULL;
    if (t != NULL && !prf_tracer_room(st, t, len + (2 * PRF_TRACE_EVENT_MAX))) {
        t = NULL;
    }
    return t;
}

static void
tracer_mark(void *state, const char *name)
{
    struct tracer *st = state;
    uint64_t now = prf_clock_monotonic_ns();
    struct prf_rec_mark mark = {
        .index = st->n_marks++,
        .at_ns = (double)(now - st->start_ns),
        .delta_ns = (double)(now - st->mark_ns),
        .n = 1,
    };
    struct prf_trace_text text = {name, strlen(name)};
    struct tracer_thread *t = tracer_thread_for(st, text.len);
    if (t != NULL) {
        prf_trace_instant(&t->stream, text, prf_now());
    }
    prf_sink_mark(st->sink, &mark, name);
    st->mark_ns = prf_clock_monotonic_ns();
}

static void
tracer_counter(void *state, const char *name, double value)
{
    struct tracer *st = state;
    struct prf_trace_text text = {name, strlen(name)};
    struct tracer_thread *t = tracer_thread_for(st, text.len);
    if (t != NULL) {
        prf_trace_counter(&t->stream, text, value, prf_now());
    }
}

static void
tracer_note(struct prf_sink *sink, uint64_t n, const char *text)
{
    char line[200];
    if (n > 0) {
        snprintf(line, sizeof line, "%llu calls %s", (unsigned long long)n, text);
        prf_sink_info(sink, PRF_INFO_NOTE, line);
    }
}

static void
tracer_say(struct tracer *st, struct prf_sink *sink)
{
    tracer_note(sink, st->n_over,
                "came after --tracer-entries was reached and are not in the trace");
    tracer_note(sink, st->n_deep, "deeper than --max-stack-depth were left out");
    tracer_note(sink, st->n_short, "shorter than --min-duration were left out");
    tracer_note(sink, st->n_filtered,
                "of files that --include-files, --exclude-files or --ignore-frozen "
                "leave out, and of C functions from there, are not in the trace");
    if (st->ignore_c_function) {
        prf_sink_info(sink, PRF_INFO_NOTE,
                      "calls of C functions were left out (--ignore-c-function) and "
                      "not counted");
    }
    if (st->closed) {
        prf_sink_info(sink, PRF_INFO_NOTE,
                      "no more space for the recording: the trace ends early");
    }
    if (st->events.replaced) {
        prf_sink_info(sink, PRF_INFO_NOTE,
                      "the case put a profile function (sys.setprofile) or a frame "
                      "evaluation of its own in place; C functions, with the latter "
                      "Python functions, were not seen from then on");
    }
    if (st->server_only || st->port != 0 || st->flamegraph) {
        prf_sink_info(sink, PRF_INFO_NOTE,
                      "there is no viewer to serve: 'pyprofiler export' writes the "
                      "trace for ui.perfetto.dev (--format chrometrace, perfetto) and "
                      "for flame graphs (--format speedscope, collapsed)");
    }
}

static int
tracer_collect(void *state, struct prf_sink *sink, struct prf_error *err)
{
    struct tracer *st = state;
    struct prf_rows samples;
    uint64_t n_events = 0;
    (void)err;
    for (struct prf_call_thread *t = st->events.threads; t != NULL; t = t->next) {
        n_events += ((struct tracer_thread *)t)->stream.n_events;
    }
    prf_rows_init(&samples, sink, PRF_CHUNK_SAMPLE, sizeof(struct prf_rec_sample));
    prf_sink_sample(&samples, TRACER_WALL_TIME, 0, (double)st->wall_ns);
    prf_sink_sample(&samples, TRACER_EVENTS, 0, (double)n_events);
    if (st->n_over > 0) {
        sink->ops->lost(sink, st->n_over);
    }
    tracer_say(st, sink);
    prf_codes_note(&st->codes, sink);
    return 0;
}

static void
tracer_close(void *state)
{
    struct tracer *st = state;
    tracer_halt(st);
    for (struct prf_call_thread *b = st->events.threads; b != NULL; b = b->next) {
        struct tracer_thread *t = (struct tracer_thread *)b;
        if (t->stack != &t->none) {
            free(t->stack);
            t->stack = t->top = t->last = &t->none;
        }
    }
    prf_call_events_close(&st->events);
    prf_codes_release(&st->codes);
    Py_CLEAR(st->repr);
}

static const char *const tracer_aliases[] = {"viztracer", NULL};

static const struct prf_metric tracer_metrics[] = {
    [TRACER_CALLS] = {"calls", "count", PRF_SCOPE_NODE, PRF_BETTER_LESS, PRF_FOLD_CALLS,
                      "how often the function was called"},
    [TRACER_TIME] = {"time", "tick", PRF_SCOPE_NODE, PRF_BETTER_LESS, PRF_FOLD_COST,
                     "wall time in the function"},
    [TRACER_WALL_TIME] = {"wall_time", "ns", PRF_SCOPE_RESULT, PRF_BETTER_LESS,
                          PRF_FOLD_NONE, "of the case, tracing included"},
    [TRACER_EVENTS] = {"events", "count", PRF_SCOPE_RESULT, PRF_BETTER_NONE,
                       PRF_FOLD_NONE, "recorded, in the case's own process"},
    {NULL},
};

#define TRACER_FIELD(field) .offset = offsetof(struct tracer, field)

static const struct prf_option tracer_options[] = {
    {.type = PRF_OPT_UINT,
     .name = "tracer-entries",
     TRACER_FIELD(entries),
     .def = "0",
     .unit = "N",
     .help = "stop recording after N calls; 0: no limit"},
    {.type = PRF_OPT_INT,
     .name = "max-stack-depth",
     TRACER_FIELD(max_depth),
     .def = "-1",
     .unit = "N",
     .help = "leave out calls with N or more others open around them; negative: none"},
    {.type = PRF_OPT_DURATION,
     .name = "min-duration",
     TRACER_FIELD(min_ns),
     .def = "0",
     .unit = "DURATION",
     .help = "leave out calls that are shorter and have nothing inside"},
    {.type = PRF_OPT_LIST,
     .name = "include-files",
     .unit = "PATH|GLOB",
     TRACER_FIELD(include_files),
     .help = "only functions of these files and folders"},
    {.type = PRF_OPT_LIST,
     .name = "exclude-files",
     .unit = "PATH|GLOB",
     TRACER_FIELD(exclude_files),
     .help = "no functions of these files and folders"},
    {.type = PRF_OPT_FLAG,
     .name = "ignore-c-function",
     .aliases = "ignore-c-functions",
     TRACER_FIELD(ignore_c_function),
     .help = "Python functions only"},
    {.type = PRF_OPT_FLAG,
     .name = "ignore-frozen",
     TRACER_FIELD(ignore_frozen),
     .help = "no functions of frozen modules, which are those of import"},
    {.type = PRF_OPT_FLAG,
     .name = "log-func-args",
     TRACER_FIELD(log_func_args),
     .help = "names and values of the arguments of each call"},
    {.type = PRF_OPT_FLAG,
     .name = "log-func-retval",
     TRACER_FIELD(log_func_retval),
     .help = "what each Python function returns"},
    {.type = PRF_OPT_FLAG,
     .name = "log-gc",
     TRACER_FIELD(log_gc),
     .def = "true",
     .help = "garbage collections"},
    {.type = PRF_OPT_FLAG,
     .name = "log-exceptions",
     .aliases = "log-exception",
     TRACER_FIELD(log_exceptions),
     .def = "true",
     .help = "exceptions where they are raised"},
    {.type = PRF_OPT_FLAG,
     .name = "log-async",
     TRACER_FIELD(log_async),
     .def = "true",
     .help = "which asyncio task runs"},
    {.type = PRF_OPT_FLAG,
     .name = "ignore-multiprocess",
     TRACER_FIELD(ignore_multiprocess),
     .help = "do not trace child processes"},
    {.type = PRF_OPT_STRING,
     .name = "output-file",
     TRACER_FIELD(output_file),
     .unit = "FILE",
     .choices = "chrometrace",
     .help = "write the trace there, as Chrome's JSON",
     .flags = PRF_OPT_OUTPUT},
    {.type = PRF_OPT_INT,
     .name = "verbose",
     TRACER_FIELD(verbose),
     .def = "1",
     .unit = "N",
     .help = "has no effect",
     .flags = PRF_OPT_HIDDEN},
    {.type = PRF_OPT_FLAG,
     .name = "server-only",
     TRACER_FIELD(server_only),
     .help = "has no effect: see pyprofiler-export(1)",
     .flags = PRF_OPT_HIDDEN},
    {.type = PRF_OPT_UINT,
     .short_name = 'p',
     .name = "port",
     TRACER_FIELD(port),
     .def = "0",
     .unit = "N",
     .help = "has no effect: see pyprofiler-export(1)",
     .flags = PRF_OPT_HIDDEN},
    {.type = PRF_OPT_FLAG,
     .name = "flamegraph",
     TRACER_FIELD(flamegraph),
     .help = "has no effect: see pyprofiler-export(1)",
     .flags = PRF_OPT_HIDDEN},
    PRF_OPTIONS_END,
};

const struct prf_backend prf_tracer = {
    .abi = PRF_BACKEND_ABI,
    .name = "tracer",
    .aliases = tracer_aliases,
    .summary = "every call and return on a timeline: all threads and child processes",
    .state_size = sizeof(struct tracer),
    .metrics = tracer_metrics,
    .options = tracer_options,
    .open = tracer_open,
    .start = tracer_start,
    .stop = tracer_stop,
    .mark = tracer_mark,
    .collect = tracer_collect,
    .close = tracer_close,
    .counter = tracer_counter,
};
