/* callgraph: who calls whom, as a picture. The hook and the tree are those of `call`;
   what is left out of the picture (the standard library, names, depth) is recorded too
   and folded into its caller when the recording is read, so that it costs nothing here
   and a crash keeps all. How the picture looks is for the exporters: those options are
   only declared here. */
#include "backends.h"

#include <Python.h>

#include <fnmatch.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "call_recorder.h"
#include "colormap.h"
#include "module.h"

struct callgraph {
    /* options */
    int64_t max_depth;
    char *units;
    bool include_stdlib, include_c;
    struct prf_strlist include, exclude;
    uint64_t max_nodes;
    char *font, *colormap, *color_by, *comparator, *folder;
    uint64_t font_size, group_font_size, top_k;
    double min_percent;
    /* session */
    struct prf_strlist roots; /* sys.path at the start */
    bool *included;           /* has include.items[i] matched a function? */
    char *stdlib;             /* its folder, or NULL */
    struct prf_strbuf name;   /* of the function that is looked at */
    struct prf_call_recorder recorder;
};

/* Functions that packages brought are below it too, but are not the library's. */
static bool
callgraph_is_stdlib(const struct callgraph *st, const char *file)
{
    size_t n = st->stdlib ? strlen(st->stdlib) : 0;
    if (strncmp(file, "<frozen ", 8) == 0) {
        return true;
    }
    return n > 0 && strncmp(file, st->stdlib, n) == 0 && file[n] == '/' &&
           strncmp(file + n + 1, "site-packages/", 14) != 0 &&
           strncmp(file + n + 1, "dist-packages/", 14) != 0;
}

/* Each one that matches is remembered in `matched`, unless that is NULL. */
static bool
callgraph_matches(const struct prf_strlist *globs, const char *name, bool *matched)
{
    bool any = false;
    for (size_t i = 0; i < globs->n; i++) {
        if (fnmatch(globs->items[i], name, 0) == 0) {
            any = true;
            if (matched != NULL) {
                matched[i] = true;
            }
        }
    }
    return any;
}

static void
callgraph_note(const struct callgraph *st, struct prf_sink *sink)
{
    for (size_t i = 0; i < st->include.n; i++) {
        char text[512];
        if (!st->included[i]) {
            snprintf(text, sizeof text, "--include '%s' matched no function that ran%s",
                     st->include.items[i],
                     st->include_stdlib
                         ? ""
                         : "; those of the standard library need --include-stdlib");
            prf_sink_info(sink, PRF_INFO_NOTE, text);
        }
    }
}

static uint32_t
callgraph_flags(void *user, const char *file, const char *qualname)
{
    struct callgraph *st = user;
    if (!st->include_stdlib && callgraph_is_stdlib(st, file)) {
        return PRF_CODE_HIDDEN;
    }
    if (st->include.n == 0 && st->exclude.n == 0) {
        return 0;
    }
    prf_strbuf_clear(&st->name);
    prf_module_add(&st->name, file, (const char *const *)st->roots.items, st->roots.n);
    prf_strbuf_addc(&st->name, '.');
    prf_strbuf_adds(&st->name, qualname);
    const char *name = prf_strbuf_text(&st->name);
    bool kept =
        (st->include.n == 0 || callgraph_matches(&st->include, name, st->included)) &&
        !callgraph_matches(&st->exclude, name, NULL);
    return kept ? 0 : PRF_CODE_HIDDEN;
}

/* UTF-8 of a str that is no surprise, borrowed; NULL without an exception. */
static const char *
callgraph_text(PyObject *object)
{
    const char *text =
        object && PyUnicode_Check(object) ? PyUnicode_AsUTF8(object) : NULL;
    PyErr_Clear();
    return text;
}

static int
callgraph_look_around(struct callgraph *st, struct prf_error *err)
{
    const char *stdlib = callgraph_text(PySys_GetObject("_stdlib_dir"));
    PyObject *path = PySys_GetObject("path"); /* borrowed from sys */
    int rc = 0;
    if (stdlib != NULL && (st->stdlib = strdup(stdlib)) == NULL) {
        rc = PRF_ENOMEM;
    }
    for (Py_ssize_t i = 0; path && PyList_Check(path) && i < PyList_GET_SIZE(path);
         i++) {
        const char *root = callgraph_text(PyList_GET_ITEM(path, i));
        if (rc == 0 && root != NULL && root[0] == '/') {
            rc = prf_strlist_add(&st->roots, root);
        }
    }
    return rc < 0 ? prf_fail(err, rc, "no memory for the names of modules") : 0;
}

static int
callgraph_open(void *state, const struct prf_session *session, struct prf_error *err)
{
    struct callgraph *st = state;
    const struct prf_call_recorder_options options = {
        .profiler = "callgraph",
        .max_nodes = st->max_nodes,
        .flags = st->include_c ? 0 : PRF_CALL_NO_C,
    };
    char depth[32];
    int rc = callgraph_look_around(st, err);
    st->included = calloc(st->include.n + 1, sizeof *st->included);
    if (rc == 0 && st->included == NULL) {
        rc = prf_fail(err, PRF_ENOMEM, "no memory for --include");
    }
    if (rc == 0) {
        rc = prf_call_recorder_open(&st->recorder, session->sink, &options, err);
    }
    st->recorder.codes.flags_of = callgraph_flags;
    st->recorder.codes.flags_user = st;
    if (rc == 0 && st->max_depth >= 0) {
        snprintf(depth, sizeof depth, "%lld", (long long)st->max_depth);
        prf_sink_info(session->sink, PRF_INFO_MAX_DEPTH, depth);
    }
    return rc;
}

static int
callgraph_start(void *state, struct prf_round *round, struct prf_error *err)
{
    (void)round;
    return prf_call_recorder_start(&((struct callgraph *)state)->recorder, err);
}

static int
callgraph_stop(void *state, const struct prf_round *round, struct prf_error *err)
{
    (void)round;
    (void)err;
    prf_call_recorder_stop(&((struct callgraph *)state)->recorder);
    return PRF_DONE;
}

static void
callgraph_mark(void *state, const char *name)
{
    prf_call_recorder_mark(&((struct callgraph *)state)->recorder, name);
}

static int
callgraph_collect(void *state, struct prf_sink *sink, struct prf_error *err)
{
    (void)err;
    prf_call_recorder_collect(&((struct callgraph *)state)->recorder, sink);
    callgraph_note(state, sink);
    return 0;
}

static void
callgraph_close(void *state)
{
    struct callgraph *st = state;
    prf_call_recorder_close(&st->recorder);
    prf_strlist_release(&st->roots);
    prf_strbuf_release(&st->name);
    free(st->stdlib);
    free(st->included);
    st->included = NULL;
    st->stdlib = NULL;
}

static const struct prf_option callgraph_options[] = {
    {.type = PRF_OPT_INT,
     .name = "max-depth",
     .offset = offsetof(struct callgraph, max_depth),
     .def = "-1",
     .unit = "N",
     .help = "calls below the case to tell apart, deeper ones count as the function at "
             "that depth; negative: no limit"},
    {.type = PRF_OPT_CHOICE,
     .name = "units",
     .offset = offsetof(struct callgraph, units),
     .def = "ms",
     .choices = "us|ms|s",
     .help = "unit of times in the picture"},
    {.type = PRF_OPT_FLAG,
     .name = "include-stdlib",
     .offset = offsetof(struct callgraph, include_stdlib),
     .help = "show functions of the standard library; they count as their caller "
             "otherwise"},
    {.type = PRF_OPT_FLAG,
     .name = "include-c-function",
     .aliases = "include-c-functions",
     .offset = offsetof(struct callgraph, include_c),
     .help = "show functions written in C; their time is their caller's otherwise"},
    {.type = PRF_OPT_LIST,
     .name = "include",
     .unit = "GLOB",
     .offset = offsetof(struct callgraph, include),
     .help = "only functions whose module.function matches; others count as their "
             "caller"},
    {.type = PRF_OPT_LIST,
     .name = "exclude",
     .unit = "GLOB",
     .offset = offsetof(struct callgraph, exclude),
     .help = "no functions whose module.function matches; they count as their caller"},
    {.type = PRF_OPT_DOUBLE,
     .name = "min-percent",
     .offset = offsetof(struct callgraph, min_percent),
     .def = "0.5",
     .max = 100,
     .unit = "PERCENT",
     .help = "leave out of the picture what took less of the time"},
    {.type = PRF_OPT_UINT,
     .name = "top-k",
     .offset = offsetof(struct callgraph, top_k),
     .def = "100",
     .unit = "N",
     .help = "most functions in the picture, those with the most time; 0: all"},
    {.type = PRF_OPT_STRING,
     .name = "font",
     .offset = offsetof(struct callgraph, font),
     .def = "Verdana",
     .unit = "NAME",
     .help = "font of the picture"},
    {.type = PRF_OPT_UINT,
     .name = "font-size",
     .offset = offsetof(struct callgraph, font_size),
     .def = "7",
     .min = 1,
     .max = 200,
     .unit = "POINTS",
     .help = "size of text in the picture"},
    {.type = PRF_OPT_UINT,
     .name = "group-font-size",
     .offset = offsetof(struct callgraph, group_font_size),
     .def = "10",
     .min = 1,
     .max = 200,
     .unit = "POINTS",
     .help = "size of the names of modules"},
    {.type = PRF_OPT_CHOICE,
     .name = "colormap",
     .offset = offsetof(struct callgraph, colormap),
     .def = "viridis",
     .choices = PRF_COLORMAPS,
     .help = "from the least to the most time"},
    {.type = PRF_OPT_CHOICE,
     .name = "color-by",
     .offset = offsetof(struct callgraph, color_by),
     .def = "cumulative",
     .choices = "cumulative|own",
     .help = "the time that the colour of a function shows"},
    {.type = PRF_OPT_CHOICE,
     .name = "comparator",
     .offset = offsetof(struct callgraph, comparator),
     .def = "auto",
     .choices = "auto|greater|lower",
     .help = "text is white on functions with more, or with less, than half of the "
             "time; auto: whatever reads best"},
    {.type = PRF_OPT_STRING,
     .name = "folder",
     .offset = offsetof(struct callgraph, folder),
     .unit = "DIR",
     .choices = "svg",
     .flags = PRF_OPT_OUTPUT,
     .help = "write a picture of each case there"},
    {.type = PRF_OPT_UINT,
     .name = "max-nodes",
     .offset = offsetof(struct callgraph, max_nodes),
     .def = PRF_CALL_MAX_NODES,
     .min = 1,
     .max = 1 << 30,
     .unit = "N",
     .help = "most different call stacks to tell apart"},
    PRF_OPTIONS_END,
};

const struct prf_backend prf_callgraph = {
    .abi = PRF_BACKEND_ABI,
    .name = "callgraph",
    .summary = "who calls whom: a picture of functions, grouped by module",
    .state_size = sizeof(struct callgraph),
    .metrics = prf_call_metrics,
    .options = callgraph_options,
    .open = callgraph_open,
    .start = callgraph_start,
    .stop = callgraph_stop,
    .mark = callgraph_mark,
    .collect = callgraph_collect,
    .close = callgraph_close,
};
