/* sampling: where the time goes, seen from samples of all threads' stacks. Costs the
   same however many functions are called; what takes less than some intervals in all is
   seen by chance only. Each sample weighs the time since the one before it, so that the
   sum is the time of the threads and not the number of samples that were due. */
#include "backends.h"

#include <Python.h>

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "calltree.h"
#include "codes.h"
#include "marks.h"
#include "sampler.h"

enum { SAMPLING_SAMPLES, SAMPLING_TIME, SAMPLING_WALL_TIME, SAMPLING_TAKEN };

struct sampling {
    /* options */
    uint64_t interval_us, rate_hz;
    char *mode, *threads;
    uint64_t max_stack_depth, max_nodes;
    struct prf_strlist include_files, exclude_files;
    char *sort;
    bool strip_dirs;
    uint64_t top_k;
    /* session */
    struct prf_sink *sink;
    struct prf_codes codes;
    struct prf_calltree tree;
    struct prf_sampler_config config;
    struct prf_sampler_counts counts;
    struct prf_marks marks;
    uint64_t wall_ns;
    uint64_t n_samples, n_truncated;
    uint64_t n_unplaced; /* no memory for their place in the tree */
};

/* ---- samples ---- */

static struct prf_calltree_node *
sampling_child(struct sampling *st, struct prf_calltree_node *parent, const void *key,
               uint32_t code)
{
    struct prf_calltree_node *child = prf_calltree_find(&st->tree, parent, key);
    return child != NULL ? child : prf_calltree_add(&st->tree, parent, key, code);
}

/* Stands for the callers that --max-stack-depth left out. */
static struct prf_calltree_node *
sampling_outer(struct sampling *st)
{
    struct prf_calltree_node *root = &st->tree.root;
    struct prf_calltree_node *node = prf_calltree_find(&st->tree, root, st);
    if (node == NULL) {
        uint32_t code = prf_sink_code(st->sink, "", "[callers not recorded]",
                                      "[callers not recorded]", 0, PRF_CODE_C);
        node = code != 0 ? prf_calltree_add(&st->tree, root, st, code) : NULL;
    }
    return node;
}

/* The function called from the node; that node itself where the function is filtered
   out, NULL: no memory. */
static struct prf_calltree_node *
sampling_callee(struct sampling *st, struct prf_calltree_node *node, PyCodeObject *code)
{
    uint32_t id = prf_codes_add_python(&st->codes, code);
    if (id == PRF_CODE_SKIPPED) {
        return node;
    }
    return id != 0 ? sampling_child(st, node, code, id) : NULL;
}

static void
sampling_take(void *user, const struct prf_sampler_entry *entry)
{
    struct sampling *st = user;
    struct prf_calltree_node *node =
        entry->truncated ? sampling_outer(st) : &st->tree.root;
    st->n_truncated += entry->truncated;
    for (uint32_t i = entry->n; i-- > 0 && node != NULL;) {
        node = sampling_callee(st, node, entry->frames[i].code);
    }
    if (node != NULL) {
        st->n_samples++;
        node->row->calls++;
        node->row->own_ticks += (int64_t)entry->weight_ns;
    } else {
        st->n_unplaced++;
    }
}

/* ---- the backend ---- */

static int
sampling_open(void *state, const struct prf_session *session, struct prf_error *err)
{
    struct sampling *st = state;
    bool is_case = !session->from_inside && session->case_file != NULL &&
                   session->case_file[0] != '\0';
    st->sink = session->sink;
    st->config = (struct prf_sampler_config){
        .mode = strcmp(st->mode, "cpu") == 0 ? PRF_SAMPLER_CPU : PRF_SAMPLER_WALL,
        .interval_ns =
            st->interval_us > 0 ? st->interval_us * 1000 : 1000000000u / st->rate_hz,
        .this_thread_only = strcmp(st->threads, "main") == 0,
        .below_here = is_case,
        .max_depth = (uint32_t)st->max_stack_depth,
        .take = sampling_take,
        .user = st,
    };
    int rc = prf_codes_init(&st->codes, st->sink, &st->include_files,
                            &st->exclude_files, err);
    if (rc == 0) {
        rc = prf_calltree_init(&st->tree, st->sink, st->max_nodes, err);
    }
    return rc;
}

static int
sampling_start(void *state, struct prf_round *round, struct prf_error *err)
{
    struct sampling *st = state;
    (void)round;
    int rc = prf_sampler_start(&st->config, err);
    prf_marks_begin(&st->marks, prf_clock_monotonic_ns());
    return rc;
}

static int
sampling_stop(void *state, const struct prf_round *round, struct prf_error *err)
{
    struct sampling *st = state;
    (void)round;
    (void)err;
    st->wall_ns += prf_clock_monotonic_ns() - st->marks.start_ns;
    prf_sampler_stop(st, &st->counts);
    return PRF_DONE;
}

static void
sampling_mark(void *state, const char *name)
{
    struct sampling *st = state;
    prf_marks_add(&st->marks, st->sink, name);
}

static void
sampling_note(struct sampling *st, struct prf_sink *sink)
{
    char text[256];
    const struct prf_sampler_counts *counts = &st->counts;
    prf_codes_note(&st->codes, sink);
    if (st->n_samples == 0) {
        snprintf(text, sizeof text,
                 "no sample was taken: the case ran for less than some intervals of "
                 "%.3g us%s",
                 (double)st->config.interval_ns / 1e3,
                 st->config.mode == PRF_SAMPLER_CPU ? " of processor time" : "");
        prf_sink_info(sink, PRF_INFO_NOTE, text);
    }
    if (counts->n_torn > 0) {
        snprintf(
            text, sizeof text,
            "%llu samples fell in a moment when the stack could not be read; their "
            "time went to the thread's next sample",
            (unsigned long long)counts->n_torn);
        prf_sink_info(sink, PRF_INFO_NOTE, text);
    }
    if (st->n_truncated > 0) {
        snprintf(text, sizeof text,
                 "%llu samples were deeper than --max-stack-depth: they stand under "
                 "'[callers not recorded]'",
                 (unsigned long long)st->n_truncated);
        prf_sink_info(sink, PRF_INFO_NOTE, text);
    }
    if (st->tree.truncated != NULL) {
        prf_sink_info(sink, PRF_INFO_NOTE,
                      "too many different call stacks: the rest is counted by caller "
                      "and callee under '[truncated]'; own times are complete, "
                      "cumulative times of what called it are not");
    }
}

static int
sampling_collect(void *state, struct prf_sink *sink, struct prf_error *err)
{
    struct sampling *st = state;
    struct prf_rows samples;
    (void)err;
    prf_rows_init(&samples, sink, PRF_CHUNK_SAMPLE, sizeof(struct prf_rec_sample));
    prf_sink_sample(&samples, SAMPLING_WALL_TIME, 0, (double)st->wall_ns);
    prf_sink_sample(&samples, SAMPLING_TAKEN, 0, (double)st->n_samples);
    sampling_note(st, sink);
    if (st->n_unplaced + st->counts.n_full > 0) {
        sink->ops->lost(sink, st->n_unplaced + st->counts.n_full);
    }
    return 0;
}

static void
sampling_close(void *state)
{
    struct sampling *st = state;
    prf_sampler_stop(st, &st->counts);
    prf_calltree_release(&st->tree);
    prf_codes_release(&st->codes);
}

static const char *const sampling_aliases[] = {"sample", NULL};

/* The columns of struct prf_calltree_row, in its order. */
static const struct prf_metric sampling_metrics[] = {
    [SAMPLING_SAMPLES] = {"samples", "count", PRF_SCOPE_NODE, PRF_BETTER_LESS,
                          PRF_FOLD_COST, "samples that found the function running"},
    [SAMPLING_TIME] = {"time", "ns", PRF_SCOPE_NODE, PRF_BETTER_LESS, PRF_FOLD_COST,
                       "time that the samples stand for"},
    [SAMPLING_WALL_TIME] = {"wall_time", "ns", PRF_SCOPE_RESULT, PRF_BETTER_LESS,
                            PRF_FOLD_NONE, "of the case, profiling included"},
    [SAMPLING_TAKEN] = {"samples_taken", "count", PRF_SCOPE_RESULT, PRF_BETTER_NONE,
                        PRF_FOLD_NONE, "samples in the result, of all threads"},
    {NULL},
};

static const struct prf_option sampling_options[] = {
    {.type = PRF_OPT_UINT,
     .short_name = 'i',
     .name = "interval",
     .offset = offsetof(struct sampling, interval_us),
     .def = "0",
     .max = 10000000,
     .unit = "US",
     .help = "microseconds between samples, instead of --rate; 0: as --rate says"},
    {.type = PRF_OPT_UINT,
     .short_name = 'r',
     .name = "rate",
     .offset = offsetof(struct sampling, rate_hz),
     .def = "1000",
     .min = 1,
     .max = 20000,
     .unit = "HZ",
     .help = "samples a second of each thread"},
    {.type = PRF_OPT_CHOICE,
     .name = "mode",
     .offset = offsetof(struct sampling, mode),
     .def = "wall",
     .choices = "wall|cpu",
     .help = "time by the wall clock, waiting included, or processor time of threads"},
    {.type = PRF_OPT_CHOICE,
     .name = "threads",
     .offset = offsetof(struct sampling, threads),
     .def = "all",
     .choices = "all|main",
     .help = "all threads, or the one that runs the case"},
    {.type = PRF_OPT_UINT,
     .name = "max-stack-depth",
     .offset = offsetof(struct sampling, max_stack_depth),
     .def = "1024",
     .min = 1,
     .max = 65536,
     .unit = "N",
     .help = "record the N innermost calls of a stack"},
    {.type = PRF_OPT_LIST,
     .name = "include-files",
     .unit = "PATH|GLOB",
     .offset = offsetof(struct sampling, include_files),
     .help = "only functions of these files and folders; others count as their caller"},
    {.type = PRF_OPT_LIST,
     .name = "exclude-files",
     .unit = "PATH|GLOB",
     .offset = offsetof(struct sampling, exclude_files),
     .help = "no functions of these files and folders; they count as their caller"},
    {.type = PRF_OPT_CHOICE,
     .name = "sort",
     .offset = offsetof(struct sampling, sort),
     .def = "tottime",
     .choices = "cumulative|cumtime|file|filename|line|module|name|nfl|stdname|time|"
                "tottime",
     .help = "order of the table, by a key of pstats"},
    {.type = PRF_OPT_FLAG,
     .name = "strip-dirs",
     .offset = offsetof(struct sampling, strip_dirs),
     .help = "show file names without their folders"},
    {.type = PRF_OPT_UINT,
     .name = "top-k",
     .offset = offsetof(struct sampling, top_k),
     .def = "0",
     .unit = "N",
     .help = "show the first N functions only; 0: all"},
    {.type = PRF_OPT_UINT,
     .name = "max-nodes",
     .offset = offsetof(struct sampling, max_nodes),
     .def = "1000000",
     .min = 1,
     .max = 1 << 30,
     .unit = "N",
     .help = "most different call stacks to tell apart"},
    PRF_OPTIONS_END,
};

const struct prf_backend prf_sampling = {
    .abi = PRF_BACKEND_ABI,
    .name = "sampling",
    .aliases = sampling_aliases,
    .summary = "where the time goes, from samples of all threads; next to no cost",
    .state_size = sizeof(struct sampling),
    .metrics = sampling_metrics,
    .options = sampling_options,
    .open = sampling_open,
    .start = sampling_start,
    .stop = sampling_stop,
    .mark = sampling_mark,
    .collect = sampling_collect,
    .close = sampling_close,
};
