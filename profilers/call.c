/* call: which functions were called, how often, by whom, and how long they took; the
   standard cProfile's counts for less of its time. Primitive calls, cumulative times,
   callers and flame graphs are derived from the recorded tree when it is read. */
#include "backends.h"

#include <stddef.h>

#include "call_recorder.h"

struct call {
    /* options */
    char *sort;
    bool strip_dirs;
    uint64_t top_k;
    bool ignore_c_function;
    struct prf_strlist include_files, exclude_files;
    uint64_t max_nodes;
    /* session */
    struct prf_call_recorder recorder;
};

static int
call_open(void *state, const struct prf_session *session, struct prf_error *err)
{
    struct call *st = state;
    const struct prf_call_recorder_options options = {
        .profiler = "call",
        .include_files = &st->include_files,
        .exclude_files = &st->exclude_files,
        .max_nodes = st->max_nodes,
        .flags = st->ignore_c_function ? PRF_CALL_NO_C : 0,
    };
    return prf_call_recorder_open(&st->recorder, session->sink, &options, err);
}

static int
call_start(void *state, struct prf_round *round, struct prf_error *err)
{
    (void)round;
    return prf_call_recorder_start(&((struct call *)state)->recorder, err);
}

static int
call_stop(void *state, const struct prf_round *round, struct prf_error *err)
{
    (void)round;
    (void)err;
    prf_call_recorder_stop(&((struct call *)state)->recorder);
    return PRF_DONE;
}

static void
call_mark(void *state, const char *name)
{
    prf_call_recorder_mark(&((struct call *)state)->recorder, name);
}

static int
call_collect(void *state, struct prf_sink *sink, struct prf_error *err)
{
    (void)err;
    prf_call_recorder_collect(&((struct call *)state)->recorder, sink);
    return 0;
}

static void
call_close(void *state)
{
    prf_call_recorder_close(&((struct call *)state)->recorder);
}

static const char *const call_aliases[] = {"cprofile", NULL};

static const struct prf_option call_options[] = {
    {.type = PRF_OPT_CHOICE,
     .name = "sort",
     .offset = offsetof(struct call, sort),
     .def = "cumulative",
     .choices = "calls|cumulative|cumtime|file|filename|line|module|name|ncalls|nfl|"
                "pcalls|stdname|time|tottime",
     .help = "order of the table, by a key of pstats"},
    {.type = PRF_OPT_FLAG,
     .name = "strip-dirs",
     .offset = offsetof(struct call, strip_dirs),
     .help = "show file names without their folders"},
    {.type = PRF_OPT_UINT,
     .name = "top-k",
     .offset = offsetof(struct call, top_k),
     .def = "0",
     .unit = "N",
     .help = "show the first N functions only; 0: all"},
    {.type = PRF_OPT_FLAG,
     .name = "ignore-c-function",
     .aliases = "ignore-c-functions",
     .offset = offsetof(struct call, ignore_c_function),
     .help = "Python functions only; their time includes the C functions they call"},
    {.type = PRF_OPT_LIST,
     .name = "include-files",
     .unit = "PATH|GLOB",
     .offset = offsetof(struct call, include_files),
     .help = "only functions of these files and folders; others count as their caller"},
    {.type = PRF_OPT_LIST,
     .name = "exclude-files",
     .unit = "PATH|GLOB",
     .offset = offsetof(struct call, exclude_files),
     .help = "no functions of these files and folders; they count as their caller"},
    {.type = PRF_OPT_UINT,
     .name = "max-nodes",
     .offset = offsetof(struct call, max_nodes),
     .def = PRF_CALL_MAX_NODES,
     .min = 1,
     .max = 1 << 30,
     .unit = "N",
     .help = "most different call stacks to tell apart"},
    PRF_OPTIONS_END,
};

const struct prf_backend prf_call = {
    .abi = PRF_BACKEND_ABI,
    .name = "call",
    .aliases = call_aliases,
    .summary = "which functions: calls, own and cumulative time, callers; all threads",
    .state_size = sizeof(struct call),
    .metrics = prf_call_metrics,
    .options = call_options,
    .open = call_open,
    .start = call_start,
    .stop = call_stop,
    .mark = call_mark,
    .collect = call_collect,
    .close = call_close,
};
