/* Models built by hand for the tests of exporters and reports. Include after cmocka.h.
 */
#ifndef PRF_TEST_FIXTURES_H
#define PRF_TEST_FIXTURES_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "exporter.h"
#include "fold.h"
#include "result.h"

#define FIXTURE_LEN(a) (sizeof(a) / sizeof *(a))

/* What is wrong with names in one: separators, quotes, markup, an escape, bad UTF-8. */
#define FIXTURE_HOSTILE "a;b|c\"<i>,\n\033[31m\xFFz"

struct fixture {
    struct prf_run run;
    struct prf_result result;
};

static inline struct prf_profile *
fixture_profile(struct fixture *fx)
{
    struct prf_profile *p = calloc(1, sizeof *p);
    assert_non_null(p);
    p->duration_ns = -1;
    fx->result.profile = p;
    return p;
}

static inline void
fixture_open(struct fixture *fx)
{
    *fx = (struct fixture){
        .run = {.id = "run-1",
                .tool_version = "0.1.0",
                .commit = {.id = "0123456789abcdef0123456789abcdef01234567",
                           .branch = "main",
                           .dirty = true,
                           .tree = "89abcdef0123456789abcdef0123456789abcdef"},
                .python = {.version = "3.11.2",
                           .executable = "/usr/bin/python3",
                           .implementation = "CPython",
                           .host = "embed"},
                .machine = {.fingerprint = "f00d", .cpu = "A CPU", .n_cpus = 2}},
        .result = {.id = "res-1",
                   .run_id = "run-1",
                   .case_id = "cases/fib.py::Fib::profile_fib",
                   .profiler = "call",
                   .duration_ns = 20000},
    };
    fixture_profile(fx);
}

static inline void
fixture_close(struct fixture *fx)
{
    prf_result_release(&fx->result);
    prf_run_release(&fx->run);
}

static inline void *
fixture_alloc(struct prf_profile *p, size_t size)
{
    void *memory = prf_arena_alloc(&p->arena, size);
    assert_non_null(memory);
    return memory;
}

/* A tree with room for `room` nodes and the columns "calls" and "own_ns". */
static inline void
fixture_tree(struct prf_profile *p, size_t room)
{
    static struct prf_column columns[] = {{"calls", "count", PRF_BETTER_NONE},
                                          {"own_ns", "ns", PRF_BETTER_LESS}};
    p->tree.columns = columns;
    p->tree.n_columns = FIXTURE_LEN(columns);
    p->tree.parent = fixture_alloc(p, room * sizeof *p->tree.parent);
    p->tree.code = fixture_alloc(p, room * sizeof *p->tree.code);
    p->tree.values = fixture_alloc(p, room * FIXTURE_LEN(columns) * sizeof(int64_t));
    p->tree.n = 1;
}

/* Count a call of `code` under `parent`; the node it belongs to. */
static inline uint32_t
fixture_call(struct prf_profile *p, uint32_t parent, uint32_t code, int64_t own_ns)
{
    struct prf_tree *tree = &p->tree;
    uint32_t node = 1;
    while (node < tree->n &&
           (tree->parent[node] != parent || tree->code[node] != code)) {
        node++;
    }
    tree->n += node == tree->n;
    tree->parent[node] = parent;
    tree->code[node] = code;
    tree->values[node * 2] += 1;
    tree->values[node * 2 + 1] += own_ns;
    return node;
}

static inline void
fixture_fold(struct prf_profile *p)
{
    static const enum prf_fold folds[] = {PRF_FOLD_CALLS, PRF_FOLD_COST};
    struct prf_error err = {0};
    assert_int_equal(prf_fold_tree(p, folds, &err), 0);
}

static inline void
fixture_fib_calls(struct prf_profile *p, uint32_t parent, int n)
{
    uint32_t node = fixture_call(p, parent, 2, 100);
    if (n >= 2) {
        fixture_fib_calls(p, node, n - 1);
        fixture_fib_calls(p, node, n - 2);
    }
}

/* profile_fib() calls fib(10), which makes 177 calls, and len() once. Own times: 1000,
   100 for each fib, 7: 18707 ns in all. */
static inline void
fixture_fib(struct fixture *fx)
{
    static struct prf_function codes[] = {
        {"", "", "", 0, 0},
        {"/src/app/fib.py", "profile_fib", "Fib.profile_fib", 10, 0},
        {"/src/app/fib.py", "fib", "fib", 3, 0},
        {"", "len", "<built-in method builtins.len>", 0, PRF_CODE_C},
    };
    fixture_open(fx);
    struct prf_profile *p = fx->result.profile;
    p->codes = codes;
    p->n_codes = FIXTURE_LEN(codes);
    fixture_tree(p, 32);
    uint32_t top = fixture_call(p, 0, 1, 1000);
    fixture_fib_calls(p, top, 10);
    fixture_call(p, top, 3, 7);
    fixture_fold(p);
}

/* Two functions whose file and name are hostile; one calls the other. */
static inline void
fixture_hostile(struct fixture *fx)
{
    static struct prf_function codes[] = {
        {"", "", "", 0, 0},
        {"/src/" FIXTURE_HOSTILE ".py", FIXTURE_HOSTILE, FIXTURE_HOSTILE, 1, 0},
        {"(1)", "(2)", "(2)", 2, 0},
    };
    fixture_open(fx);
    struct prf_profile *p = fx->result.profile;
    fx->result.case_id = "x.py::C::profile_x[" FIXTURE_HOSTILE "]";
    p->codes = codes;
    p->n_codes = FIXTURE_LEN(codes);
    fixture_tree(p, 8);
    fixture_call(p, fixture_call(p, 0, 1, 40), 2, 2);
    fixture_fold(p);
}

/* Two metrics with samples, one measured once, two marks. */
static inline void
fixture_rounds(struct fixture *fx)
{
    static double wall[] = {1.5e6,  2.25e6, 2.5e6, 3e6,  3.5e6, 4e6,
                            4.25e6, 5e6,    5.5e6, 30e6, 12e6};
    static double cpu[] = {1e6, 1e6, 1e6, 1e6, 1e6, 1e6};
    static double peak[] = {3 * 1048576.0};
    static struct prf_metric_values metrics[] = {
        {"wall_time", "ns", PRF_BETTER_LESS, wall, FIXTURE_LEN(wall), 2},
        {"peak_memory", "bytes", PRF_BETTER_LESS, peak, FIXTURE_LEN(peak), 0},
        {"cpu_time", "ns", PRF_BETTER_LESS, cpu, FIXTURE_LEN(cpu), 2},
    };
    static struct prf_mark marks[] = {{"generated", 1e6, 1e6, 11},
                                      {"sor\033ted", 3.5e6, 2.5e6, 11}};
    fixture_open(fx);
    struct prf_profile *p = fx->result.profile;
    fx->result.profiler = "stopwatch";
    p->metrics = metrics;
    p->n_metrics = FIXTURE_LEN(metrics);
    p->marks = marks;
    p->n_marks = FIXTURE_LEN(marks);
    p->rounds = "{\"rounds\": 11, \"loops\": 1000, \"warmup\": 2}";
}

/* Lines with memory, and a curve: columns no exporter was written for. */
static inline void
fixture_lines(struct fixture *fx)
{
    static struct prf_function codes[] = {{"", "", "", 0, 0},
                                          {"/src/m.py", "f", "M.f", 1, 0}};
    static struct prf_column columns[] = {{"hits", "count", PRF_BETTER_NONE},
                                          {"growth_bytes", "bytes", PRF_BETTER_LESS}};
    static struct prf_key keys[] = {{1, 2}, {1, 3}, {1, 5}};
    static int64_t values[] = {1, 2048, 7, 1048576, 7, -4096};
    static uint64_t at[] = {0, 10, 20, 30};
    static double curve[] = {1048576, 2097152, 4194304, 2097152};
    static struct prf_series series[] = {{"rss", "bytes", 0, 4, at, curve},
                                         {"rss", "bytes", 1, 0, NULL, NULL}};
    fixture_open(fx);
    struct prf_profile *p = fx->result.profile;
    fx->result.profiler = "memory-line";
    p->codes = codes;
    p->n_codes = FIXTURE_LEN(codes);
    p->sites = (struct prf_table){
        .columns = columns, .n_columns = 2, .n = 3, .keys = keys, .values = values};
    p->series = series;
    p->n_series = FIXTURE_LEN(series);
}

/* The output of a format for some results, NUL-terminated; the caller's (free). */
static inline char *
fixture_export_all(const char *format, const struct prf_run *run,
                   const struct prf_result *const *results, size_t n,
                   const struct prf_export_options *options, size_t *size)
{
    const struct prf_exporter *exporter = NULL;
    struct prf_error err = {0};
    char *data = NULL;
    FILE *out = open_memstream(&data, size);
    assert_non_null(out);
    assert_int_equal(prf_exporter_find(format, &exporter, &err), 0);
    int rc = prf_export(exporter, run, results, n, options, out, &err);
    fclose(out);
    if (rc < 0) {
        fail_msg("%s: %s", format, err.text);
    }
    return data;
}

static inline char *
fixture_export(const char *format, const struct fixture *fx)
{
    const struct prf_export_options options = {0};
    const struct prf_result *result = &fx->result;
    size_t size;
    return fixture_export_all(format, &fx->run, &result, 1, &options, &size);
}

static inline void
assert_contains(const char *text, const char *what)
{
    if (strstr(text, what) == NULL) {
        fail_msg("'%s' is not in:\n%s", what, text);
    }
}

static inline void
assert_lacks(const char *text, const char *what)
{
    if (strstr(text, what) != NULL) {
        fail_msg("'%s' is in:\n%s", what, text);
    }
}

/* Without strstr(): under ASan each call of it measures all of the text again. */
static inline size_t
count_of(const char *text, const char *what)
{
    size_t n = 0, len = strlen(what);
    for (const char *s = text; *s != '\0'; s++) {
        n += *s == *what && strncmp(s, what, len) == 0;
    }
    return n;
}

#endif
