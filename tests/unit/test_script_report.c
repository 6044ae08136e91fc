/* What is told of a script, from results built by hand. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>

#include "fixtures.h"
#include "script_report.h"
#include "script_rules.h"

#define MS 1000000LL
#define MIB (1024.0 * 1024)

/* --- building results --------------------------------------------------------------
 */

#define MODEL_ROWS 16

/* A call profile in the making: functions, their rows, calls between them, a tree. */
struct model {
    struct prf_run run;
    struct prf_result result;
    struct prf_profile *p;
};

static void
model_open(struct model *m)
{
    static struct prf_column columns[] = {{"calls", "count", PRF_BETTER_LESS},
                                          {"primitive_calls", "count", PRF_BETTER_LESS},
                                          {"own_ns", "ns", PRF_BETTER_LESS},
                                          {"cumulative_ns", "ns", PRF_BETTER_LESS}};
    *m = (struct model){
        .run = {.id = "run-1",
                .commit = {.id = "0123456789abcdef0123456789abcdef01234567",
                           .root = "/home/me/project"},
                .python = {.version = "3.12.1", .implementation = "CPython"},
                .machine = {.cpu = "A CPU", .n_cpus = 2}},
        .result = {.id = "res-1",
                   .case_id = "slow.py",
                   .profiler = "call",
                   .case_hash = "new",
                   .started_ns = 1700000000123456789,
                   .duration_ns = -1}};
    m->p = calloc(1, sizeof *m->p);
    assert_non_null(m->p);
    m->result.profile = m->p;
    m->p->duration_ns = -1;
    m->p->codes = fixture_alloc(m->p, MODEL_ROWS * sizeof *m->p->codes);
    m->p->codes[0] = (struct prf_function){"", "", "", 0, 0};
    m->p->n_codes = 1;
    m->p->metrics = fixture_alloc(m->p, MODEL_ROWS * sizeof *m->p->metrics);
    for (int i = 0; i < 2; i++) {
        struct prf_table *t = i == 0 ? &m->p->sites : &m->p->edges;
        t->columns = columns;
        t->n_columns = FIXTURE_LEN(columns);
        t->keys = fixture_alloc(m->p, MODEL_ROWS * sizeof *t->keys);
        t->values = fixture_alloc(m->p, MODEL_ROWS * 4 * sizeof *t->values);
    }
}

static void
model_close(struct model *m)
{
    prf_result_release(&m->result);
    prf_run_release(&m->run);
}

static void
model_row(struct prf_table *t, uint32_t code, uint32_t other, const int64_t values[4])
{
    assert_true(t->n < MODEL_ROWS);
    t->keys[t->n].code = code;
    t->keys[t->n].other = other;
    memcpy(t->values + t->n * 4, values, 4 * sizeof *values);
    t->n++;
}

/* file NULL: a C function. */
static uint32_t
model_code(struct model *m, const char *file, const char *name, uint32_t line)
{
    uint32_t code = (uint32_t)m->p->n_codes++;
    m->p->codes[code] = (struct prf_function){file ? file : "", name, name, line,
                                              file ? 0 : PRF_CODE_C};
    return code;
}

static uint32_t
model_function(struct model *m, const char *file, const char *name, int64_t calls,
               int64_t own_ns, int64_t all_ns)
{
    uint32_t code = model_code(m, file, name, 10 + (uint32_t)m->p->n_codes);
    model_row(&m->p->sites, code, 0, (int64_t[]){calls, calls, own_ns, all_ns});
    return code;
}

static void
model_edge(struct model *m, uint32_t caller, uint32_t callee, int64_t calls,
           int64_t own_ns, int64_t all_ns)
{
    model_row(&m->p->edges, caller, callee, (int64_t[]){calls, calls, own_ns, all_ns});
}

static void
model_metric(struct model *m, const char *name, const char *unit, double value)
{
    double *sample = fixture_alloc(m->p, sizeof *sample);
    *sample = value;
    m->p->metrics[m->p->n_metrics++] =
        (struct prf_metric_values){.name = name,
                                   .unit = unit,
                                   .better = PRF_BETTER_LESS,
                                   .samples = sample,
                                   .n = 1};
}

static void
model_figures(struct model *m, double wall_ns, double cpu_ns, double peak_bytes)
{
    model_metric(m, "wall_time", "ns", wall_ns);
    model_metric(m, "cpu_time", "ns", cpu_ns);
    model_metric(m, "average_cpu", "percent", 100 * cpu_ns / wall_ns);
    model_metric(m, "peak_memory", "bytes", peak_bytes);
}

/* A table of lines with two columns of `unit`. */
static void
model_lines(struct model *m, const char *column, const char *unit, const char *count)
{
    struct prf_column *columns = fixture_alloc(m->p, 4 * sizeof *columns);
    columns[0] = (struct prf_column){count, "count", PRF_BETTER_NONE};
    columns[1] = (struct prf_column){column, unit, PRF_BETTER_LESS};
    columns[2] = (struct prf_column){"spare_1", "count", PRF_BETTER_NONE};
    columns[3] = (struct prf_column){"spare_2", "count", PRF_BETTER_NONE};
    m->p->sites.columns = columns;
}

static struct prf_script_report
report_of(struct model *m, size_t room)
{
    struct prf_script_report report;
    struct prf_error err = {0};
    assert_int_equal(prf_script_report_init(&report, &m->run, &m->result, room, &err),
                     0);
    return report;
}

/* --- reading what came out ---------------------------------------------------------
 */

static char *
text_of(const struct prf_script_report *report, int verbosity)
{
    char *data = NULL;
    size_t n = 0;
    FILE *out = open_memstream(&data, &n);
    struct prf_style style = {.width = 100, .verbosity = verbosity};
    assert_non_null(out);
    prf_script_report_text(out, &style, report);
    assert_int_equal(fclose(out), 0);
    return data;
}

static char *
document_of(const struct prf_script_report *report, bool html)
{
    char *data = NULL;
    size_t n = 0;
    FILE *out = open_memstream(&data, &n);
    struct prf_error err = {0};
    assert_non_null(out);
    assert_int_equal(html ? prf_script_report_html(out, report, &err)
                          : prf_script_report_json(out, report, &err),
                     0);
    assert_int_equal(fclose(out), 0);
    return data;
}

static const struct prf_suggestion *
find_rule(const struct prf_script_report *report, const char *rule)
{
    for (size_t i = 0; i < report->n_suggestions; i++) {
        if (strcmp(report->suggestions[i].rule, rule) == 0) {
            return &report->suggestions[i];
        }
    }
    return NULL;
}

/* Does the rule speak of that result? Closes the model. */
static void
assert_rule(struct model *m, const char *rule, const char *words)
{
    struct prf_script_report report = report_of(m, 0);
    const struct prf_suggestion *s = find_rule(&report, rule);
    if (words == NULL && s != NULL) {
        fail_msg("false alarm of %s: %s", rule, s->seen);
    } else if (words != NULL) {
        assert_non_null(s);
        assert_contains(s->seen, words);
        assert_true(s->advice[0] != '\0');
    }
    prf_script_report_release(&report);
    model_close(m);
}

/* --- hotspots ----------------------------------------------------------------------
 */

static void
hotspots_are_by_own_time(void **state)
{
    (void)state;
    struct model m;
    model_open(&m);
    model_function(&m, "/s.py", "<module>", 1, 1 * MS, 100 * MS);
    model_function(&m, "/s.py", "slow", 3, 90 * MS, 99 * MS);
    model_function(&m, NULL, "<built-in method builtins.len>", 7, 9 * MS, 9 * MS);
    struct prf_script_report r = report_of(&m, 0);
    assert_int_equal(r.hotspots.n, 3);
    assert_string_equal(r.hotspots.items[0].function->qualname, "slow");
    assert_int_equal(r.hotspots.items[0].line, 12);
    assert_true(r.hotspots.items[0].calls == 3);
    assert_true(r.hotspots.whole == 100 * MS);
    assert_true(prf_hotspot_part(&r.hotspots, r.hotspots.items[0].own) == 0.9);
    assert_string_equal(r.hotspots.items[2].function->qualname, "<module>");
    assert_string_equal(r.hotspots.own_column, "own_ns");
    prf_script_report_release(&r);
    model_close(&m);
}

static void
lines_of_a_function_add_up(void **state)
{
    (void)state;
    struct model m;
    model_open(&m);
    model_lines(&m, "time", "ns", "hits");
    uint32_t a = model_code(&m, "/s.py", "a", 1), b = model_code(&m, "/s.py", "b", 5);
    model_row(&m.p->sites, a, 2, (int64_t[]){1, 10, 0, 0});
    model_row(&m.p->sites, b, 6, (int64_t[]){1, 15, 0, 0});
    model_row(&m.p->sites, a, 3, (int64_t[]){1, 10, 0, 0});
    model_metric(&m, "wall_time", "ns", 40);
    struct prf_script_report r = report_of(&m, 0);
    assert_int_equal(r.hotspots.n, 2);
    assert_string_equal(r.hotspots.items[0].function->qualname, "a");
    assert_true(r.hotspots.items[0].total == 20);
    assert_true(isnan(r.hotspots.items[0].own));
    assert_true(isnan(r.hotspots.items[0].calls)); /* hits of lines are no calls */
    assert_int_equal(r.hotspots.items[0].line, 1);
    assert_true(r.hotspots.whole == 40);
    prf_script_report_release(&r);
    model_close(&m);
}

static void
memory_is_by_line(void **state)
{
    (void)state;
    struct model m;
    model_open(&m);
    model_lines(&m, "increment", "bytes", "occurrences");
    uint32_t a = model_code(&m, "/s.py", "a", 1);
    model_row(&m.p->sites, a, 2, (int64_t[]){1, 1000, 0, 0});
    model_row(&m.p->sites, a, 3, (int64_t[]){9, 3000, 0, 0});
    model_row(&m.p->sites, a, 4, (int64_t[]){1, -500, 0, 0});
    struct prf_script_report r = report_of(&m, 0);
    assert_true(r.hotspots.lines);
    assert_int_equal(r.hotspots.n, 2); /* what gave memory back is no hotspot */
    assert_int_equal(r.hotspots.items[0].line, 3);
    assert_true(r.hotspots.items[0].own == 3000 && r.hotspots.whole == 4000);
    assert_string_equal(r.hotspots.what, "memory");
    prf_script_report_release(&r);
    model_close(&m);
}

/* The one in which most was held. */
static void
snapshots_have_hotspots(void **state)
{
    (void)state;
    struct model m;
    model_open(&m);
    model_code(&m, "/s.py", "a", 1);
    struct prf_stack stacks[] = {{0, 0, 0}, {0, 1, 7}, {0, 1, 8}};
    struct prf_held more[] = {{1, 100, 1}, {2, 900, 3}}, less[] = {{1, 50, 1}};
    struct prf_snapshot snapshots[] = {{"peak", 1, 1000, 4, 2, more},
                                       {"stop", 2, 50, 1, 1, less}};
    m.p->stacks = stacks;
    m.p->n_stacks = 3;
    m.p->snapshots = snapshots;
    m.p->n_snapshots = 2;
    m.p->sites.n_columns = 0;
    struct prf_script_report r = report_of(&m, 0);
    assert_int_equal(r.hotspots.n, 2);
    assert_int_equal(r.hotspots.items[0].line, 8);
    assert_true(r.hotspots.items[0].own == 900 && r.hotspots.items[0].calls == 3);
    prf_script_report_release(&r);
    model_close(&m);
}

/* A column that nobody has heard of. */
static void
unknown_amounts_have_hotspots(void **state)
{
    (void)state;
    struct model m;
    model_open(&m);
    model_lines(&m, "own_samples", "count", "calls");
    uint32_t a = model_code(&m, "/s.py", "a", 1), b = model_code(&m, "/s.py", "b", 5);
    model_row(&m.p->sites, a, 0, (int64_t[]){1, 10, 0, 0});
    model_row(&m.p->sites, b, 0, (int64_t[]){1, 30, 0, 0});
    struct prf_script_report r = report_of(&m, 0);
    assert_string_equal(r.hotspots.items[0].function->qualname, "b");
    assert_string_equal(r.hotspots.what, "samples");
    assert_false(r.hotspots.lines);
    prf_script_report_release(&r);
    model_close(&m);
}

static void
without_hotspots_it_is_said(void **state)
{
    (void)state;
    struct model m;
    model_open(&m);
    m.p->sites.n_columns = 0;
    model_figures(&m, 2e9, 2e9, MIB);
    struct prf_script_report r = report_of(&m, 0);
    char *text = text_of(&r, 0);
    assert_contains(text, "none: this profiler does not look at functions or lines");
    free(text);
    prf_script_report_release(&r);
    prf_profile_free(m.result.profile);
    m.result.profile = NULL;
    m.result.status = PRF_STATUS_CRASHED;
    m.result.signal = "SIGKILL";
    r = report_of(&m, 0);
    text = text_of(&r, 0);
    assert_contains(text, "crashed (SIGKILL); what follows was measured until then");
    assert_contains(text, "none: nothing was recorded");
    free(text);
    prf_script_report_release(&r);
    model_close(&m);
}

/* --- figures -----------------------------------------------------------------------
 */

static void
figures_of_a_script(void **state)
{
    (void)state;
    struct model m;
    model_open(&m);
    model_metric(&m, "wall_time", "ns", 1); /* the profiler's own comes first */
    model_figures(&m, 2e9, 1e9, 3 * MIB);
    struct prf_script_report r = report_of(&m, 0);
    assert_true(r.figures[PRF_SCRIPT_WALL].value == 2e9);
    assert_true(r.figures[PRF_SCRIPT_CPU].value == 1e9);
    assert_true(r.figures[PRF_SCRIPT_LOAD].value == 50);
    assert_true(r.figures[PRF_SCRIPT_PEAK].value == 3 * MIB);
    char *text = text_of(&r, 0);
    assert_contains(text, "wall time         2.000 s\n");
    assert_contains(text, "average CPU        50.0 %\n");
    assert_contains(text, "peak memory     3.000 MiB\n");
    free(text);
    prf_script_report_release(&r);
    model_close(&m);
}

/* What is known of the process when the run recorded none. */
static void
figures_of_a_process(void **state)
{
    (void)state;
    struct model m;
    model_open(&m);
    m.result.duration_ns = 100;
    m.result.cpu_ns = 80;
    m.result.max_rss_bytes = 4096;
    struct prf_script_report r = report_of(&m, 0);
    assert_true(r.figures[PRF_SCRIPT_WALL].value == 100);
    assert_true(r.figures[PRF_SCRIPT_LOAD].value == 80);
    assert_true(r.figures[PRF_SCRIPT_PEAK].value == 4096);
    prf_script_report_release(&r);
    model_close(&m);
}

/* --- rules: one test that it speaks, one that it does not ---------------------------
 */

static void
rule_dominant(void **state)
{
    (void)state;
    struct model m;
    model_open(&m);
    model_function(&m, "/s.py", "main", 1, 30 * MS, 100 * MS);
    model_function(&m, "/s.py", "heavy", 4, 70 * MS, 70 * MS);
    assert_rule(&m, "dominant-function", "'heavy' takes 70 % of the time by itself");
}

static void
rule_dominant_is_silent(void **state)
{
    (void)state;
    struct model m;
    model_open(&m); /* evenly spread */
    model_function(&m, "/s.py", "a", 1, 49 * MS, 100 * MS);
    model_function(&m, "/s.py", "b", 4, 51 * MS / 2, 51 * MS);
    model_function(&m, "/s.py", "c", 4, 51 * MS / 2, 51 * MS);
    assert_rule(&m, "dominant-function", NULL);
    model_open(&m); /* nothing was done */
    model_function(&m, "/s.py", "a", 1, 9000, 9000);
    model_function(&m, "/s.py", "b", 1, 10, 10);
    assert_rule(&m, "dominant-function", NULL);
    model_open(&m); /* it is the only one */
    model_function(&m, "/s.py", "a", 1, 9 * MS, 9 * MS);
    assert_rule(&m, "dominant-function", NULL);
    model_open(&m); /* it waits: that is for another rule */
    model_figures(&m, 500e6, 10e6, MIB);
    model_function(&m, "/s.py", "a", 1, 9 * MS, 500 * MS);
    model_function(&m, NULL, "<built-in method time.sleep>", 1, 490 * MS, 490 * MS);
    assert_rule(&m, "dominant-function", NULL);
}

static void
many_calls(struct model *m, int64_t calls, int64_t others, int64_t own_ns)
{
    model_open(m);
    uint32_t loop =
        model_function(m, "/s.py", "loop", 1, 50 * MS, 50 * MS + calls * own_ns);
    uint32_t tiny = model_function(m, "/s.py", "tiny", calls + others, calls * own_ns,
                                   calls * own_ns);
    model_edge(m, loop, tiny, calls, calls * own_ns, calls * own_ns);
}

static void
rule_many_calls(void **state)
{
    (void)state;
    struct model m;
    many_calls(&m, 1000000, 0, 60);
    assert_rule(&m, "many-calls",
                "'loop' calls 'tiny' 1000000 times, 60 ns each: 55 %");
}

static void
rule_many_calls_is_silent(void **state)
{
    (void)state;
    struct model m;
    many_calls(&m, 5000, 0, 60); /* few */
    assert_rule(&m, "many-calls", NULL);
    many_calls(&m, 200000, 0, 5000); /* each does something */
    assert_rule(&m, "many-calls", NULL);
    many_calls(&m, 200000, 200000, 300); /* from everywhere */
    assert_rule(&m, "many-calls", NULL);
    many_calls(&m, 100000, 0, 10); /* they cost nothing */
    assert_rule(&m, "many-calls", NULL);
}

static void
waiting(struct model *m, double wall_ns, double cpu_ns, const char *function,
        int64_t own_ns)
{
    model_open(m);
    model_figures(m, wall_ns, cpu_ns, MIB);
    model_function(m, "/s.py", "main", 1, 5 * MS, (int64_t)wall_ns);
    model_function(m, NULL, function, 3, own_ns, own_ns);
}

static void
rule_waiting(void **state)
{
    (void)state;
    struct model m;
    waiting(&m, 1e9, 1e8, "<built-in method time.sleep>", 890 * MS);
    assert_rule(&m, "waiting",
                "Of 1.000 s, 90 % is waiting (average CPU 10 %), most of it in "
                "'<built-in method time.sleep>'.");
    waiting(&m, 1e9, 1e8, "<method 'recv' of '_socket.socket' objects>", 890 * MS);
    assert_rule(&m, "waiting", "'recv'");
    model_open(&m); /* no functions are known */
    m.p->sites.n_columns = 0;
    model_figures(&m, 1e9, 1e8, MIB);
    assert_rule(&m, "waiting", "90 % is waiting");
}

static void
rule_waiting_is_silent(void **state)
{
    (void)state;
    struct model m;
    waiting(&m, 1e9, 9e8, "<built-in method time.sleep>", 100 * MS); /* it works */
    assert_rule(&m, "waiting", NULL);
    waiting(&m, 50e6, 1e6, "<built-in method time.sleep>", 49 * MS); /* not long */
    assert_rule(&m, "waiting", NULL);
    /* the machine was busy: nothing that waits was seen */
    waiting(&m, 1e9, 3e8, "<method 'join' of 'str' objects>", 900 * MS);
    assert_rule(&m, "waiting", NULL);
    waiting(&m, 1e9, 3e8, "<built-in method m.thread_count>", 900 * MS);
    assert_rule(&m, "waiting", NULL);
}

static void
imports(struct model *m, double wall_ns, int64_t import_ns)
{
    model_open(m);
    model_figures(m, wall_ns, wall_ns, MIB);
    model_function(m, "/s.py", "<module>", 1, (int64_t)wall_ns - import_ns,
                   (int64_t)wall_ns);
    model_function(m, "<frozen importlib._bootstrap>", "_find_and_load", 120, import_ns,
                   import_ns);
}

static void
rule_imports(void **state)
{
    (void)state;
    struct model m;
    imports(&m, 200e6, 150 * MS);
    assert_rule(&m, "imports", "75 % of the time (150.000 ms) is importing, 120");
}

static void
rule_imports_is_silent(void **state)
{
    (void)state;
    struct model m;
    imports(&m, 200e6, 50 * MS);
    assert_rule(&m, "imports", NULL);
    imports(&m, 20e6, 15 * MS); /* Python itself takes as long */
    assert_rule(&m, "imports", NULL);
    imports(&m, 3e9, 2000 * MS); /* a long program */
    assert_rule(&m, "imports", NULL);
}

static void
memory(struct model *m, const char *file, int64_t first, int64_t second)
{
    model_open(m);
    model_lines(m, "increment", "bytes", "occurrences");
    uint32_t a = model_code(m, file, "a", 1);
    model_row(&m->p->sites, a, 2, (int64_t[]){1, first, 0, 0});
    model_row(&m->p->sites, a, 3, (int64_t[]){1, second, 0, 0});
}

static void
rule_memory(void **state)
{
    (void)state;
    struct model m;
    memory(&m, "/dir/s.py", 90 << 20, 10 << 20);
    assert_rule(&m, "memory-in-one-place",
                "One line s.py:2 accounts for 90 % of the memory (90.000 MiB)");
}

static void
rule_memory_is_silent(void **state)
{
    (void)state;
    struct model m;
    memory(&m, "/dir/s.py", 40 << 20, 41 << 20 >> 1);
    m.p->sites.values[4 + 1] = 45 << 20;
    m.p->sites.values[1] = 44 << 20;
    model_row(&m.p->sites, 1, 4, (int64_t[]){1, 43 << 20, 0, 0});
    assert_rule(&m, "memory-in-one-place", NULL);
    memory(&m, "/dir/s.py", 90 << 10, 10 << 10); /* little */
    assert_rule(&m, "memory-in-one-place", NULL);
    memory(&m, "<frozen importlib._bootstrap_external>", 90 << 20, 10 << 20);
    assert_rule(&m, "memory-in-one-place", NULL);
}

static void
named(struct model *m, const char *name, int64_t calls, int64_t own_ns)
{
    model_open(m);
    model_figures(m, 100e6, 100e6, MIB);
    model_function(m, "/s.py", "main", 1, 100 * MS - own_ns, 100 * MS);
    model_function(m, NULL, name, calls, own_ns, own_ns);
}

static void
rule_collecting(void **state)
{
    (void)state;
    struct model m;
    named(&m, "<built-in method gc.collect>", 12, 40 * MS);
    assert_rule(&m, "collecting", "gc.collect takes 40 % of the time (40.000 ms in 12");
    named(&m, "<built-in method gc.collect>", 1, 4 * MS);
    assert_rule(&m, "collecting", NULL);
}

static void
rule_printing(void **state)
{
    (void)state;
    struct model m;
    named(&m, "<built-in method builtins.print>", 50000, 45 * MS);
    assert_rule(&m, "printing", "print takes 45 % of the time (50000 calls)");
    named(&m, "<built-in method builtins.print>", 3, 45 * MS);
    assert_rule(&m, "printing", NULL);
    named(&m, "<built-in method builtins.print>", 50000, 5 * MS);
    assert_rule(&m, "printing", NULL);
}

/* A recursion of `calls` in all that is `depth` deep at most. */
static void
recursion(struct model *m, int64_t calls, uint32_t depth)
{
    model_open(m);
    model_function(m, "/s.py", "main", 1, 10 * MS, 100 * MS);
    uint32_t f = model_code(m, "/s.py", "fib", 3);
    model_row(&m->p->sites, f, 0, (int64_t[]){calls, 1, 90 * MS, 90 * MS});
    model_row(&m->p->edges, f, f, (int64_t[]){calls - 1, 0, 80 * MS, 80 * MS});
    fixture_tree(m->p, depth + 2);
    uint32_t node = 0;
    for (uint32_t i = 0; i < depth; i++) {
        node = fixture_call(m->p, node, f, 1);
    }
}

static void
rule_recursion(void **state)
{
    (void)state;
    struct model m;
    recursion(&m, 21891, 20);
    assert_rule(
        &m, "recursion",
        "'fib' calls itself: 1 call from outside became 21891, at most 20 deep, "
        "90 % of the time.");
}

static void
rule_recursion_is_silent(void **state)
{
    (void)state;
    struct model m;
    recursion(&m, 3000, 3000); /* a loop in disguise: nothing is done twice */
    assert_rule(&m, "recursion", NULL);
    recursion(&m, 177, 10); /* not worth it */
    assert_rule(&m, "recursion", NULL);
    recursion(&m, 21891, 20); /* it hardly takes time */
    m.p->sites.values[4 + 2] = m.p->sites.values[4 + 3] = 1 * MS;
    assert_rule(&m, "recursion", NULL);
    recursion(&m, 21891, 20); /* no stacks: how deep it is is not known */
    m.p->tree.n = 0;
    assert_rule(&m, "recursion", NULL);
}

static void
rule_overhead(void **state)
{
    (void)state;
    struct model m;
    model_open(&m);
    model_figures(&m, 500e6, 500e6, MIB);
    model_function(&m, "/s.py", "a", 6000000, 250 * MS, 250 * MS);
    model_function(&m, "/s.py", "b", 1, 250 * MS, 500 * MS);
    assert_rule(&m, "overhead", "About 72 % of the wall time is the profiler's");
    model_open(&m);
    model_figures(&m, 500e6, 500e6, MIB);
    model_function(&m, "/s.py", "a", 100000, 250 * MS, 250 * MS);
    model_function(&m, "/s.py", "b", 1, 250 * MS, 500 * MS);
    assert_rule(&m, "overhead", NULL);
}

static void
nothing_stands_out(void **state)
{
    (void)state;
    struct model m;
    model_open(&m);
    model_figures(&m, 900e6, 880e6, MIB);
    for (int i = 0; i < 9; i++) {
        model_function(&m, "/s.py", "f", 100, 100 * MS, 100 * MS);
    }
    struct prf_script_report r = report_of(&m, 0);
    assert_int_equal(r.n_suggestions, 0);
    char *text = text_of(&r, 0);
    assert_lacks(text, "Suggestions");
    free(text);
    prf_script_report_release(&r);
    model_close(&m);
}

static void
suggestions_are_by_weight(void **state)
{
    (void)state;
    struct model m;
    recursion(&m, 21891, 20);
    struct prf_script_report r = report_of(&m, 0);
    assert_int_equal(r.n_suggestions, 2);
    assert_string_equal(r.suggestions[0].rule, "dominant-function"); /* both 90 % */
    assert_string_equal(r.suggestions[1].rule, "recursion");
    assert_string_equal(r.suggestions[1].file, "/s.py");
    assert_int_equal(r.suggestions[1].line, 3);
    prf_script_report_release(&r);
    model_close(&m);
    for (const struct prf_rule *a = prf_rules; a->name != NULL; a++) {
        for (const struct prf_rule *b = a + 1; b->name != NULL; b++) {
            assert_string_not_equal(a->name, b->name);
        }
    }
}

/* --- comparison --------------------------------------------------------------------
 */

/* A run of main and work, and n runs before it that took base_ms each, a per cent more
   or less. */
static struct prf_script_report
compared(struct model *m, double now_ms, double base_ms, size_t n)
{
    model_open(m);
    model_figures(m, now_ms * 1e6, now_ms * 1e6, 20 * MIB);
    model_function(m, "/home/me/project/slow.py", "main", 1, 10 * MS,
                   (int64_t)(now_ms * 1e6));
    model_function(m, "/home/me/project/slow.py", "work", 9,
                   (int64_t)((now_ms - 10) * 1e6), (int64_t)((now_ms - 10) * 1e6));
    struct prf_script_report r = report_of(m, 20);
    const char *columns[3];
    assert_int_equal(prf_script_columns(&r, columns), 2);
    assert_string_equal(columns[0], "own_ns");
    assert_string_equal(columns[1], "cumulative_ns");
    assert_null(columns[2]);
    for (size_t i = 0; i < n; i++) {
        struct model before;
        double ms = base_ms * (1 + 0.01 * ((double)(i % 3) - 1));
        /* work, then main: the hotspots' order */
        const double amounts[] = {(ms - 10) * 1e6, (ms - 10) * 1e6, 10e6, ms * 1e6};
        struct prf_error err = {0};
        model_open(&before);
        model_figures(&before, ms * 1e6, ms * 1e6, 20 * MIB);
        before.result.id = "earlier";
        before.result.case_hash = i == 0 ? NULL : "old";
        before.run.commit.id = "fedcba9876543210fedcba9876543210fedcba98";
        assert_int_equal(
            prf_script_report_add(&r, &before.run, &before.result, amounts, &err), 0);
        model_close(&before);
    }
    struct prf_error err = {0};
    assert_int_equal(prf_script_report_judge(&r, 0.1, &err), 0);
    return r;
}

static const struct prf_script_row *
find_row(const struct prf_script_report *r, const char *name, const char *function)
{
    for (size_t i = 0; i < r->comparison.n_rows; i++) {
        const struct prf_script_row *row = &r->comparison.rows[i];
        const char *of = row->hotspot ? row->hotspot->function->qualname : "";
        if (strcmp(row->name, name) == 0 && strcmp(of, function) == 0) {
            return row;
        }
    }
    fail_msg("no row %s %s", name, function);
    return NULL;
}

static void
a_regression_is_found(void **state)
{
    (void)state;
    struct model m;
    struct prf_script_report r = compared(&m, 200, 100, 9);
    assert_int_equal(find_row(&r, "wall_time", "")->judged.verdict,
                     PRF_PREVIOUS_REGRESSION);
    assert_int_equal(find_row(&r, "own", "work")->judged.verdict,
                     PRF_PREVIOUS_REGRESSION);
    assert_int_equal(find_row(&r, "own", "main")->judged.verdict, PRF_PREVIOUS_SAME);
    assert_int_equal(find_row(&r, "total", "main")->judged.verdict,
                     PRF_PREVIOUS_REGRESSION);
    assert_int_equal(find_row(&r, "peak_memory", "")->judged.verdict,
                     PRF_PREVIOUS_SAME);
    /* wall, CPU, own of work (its total says the same), total of main */
    assert_int_equal(r.comparison.n_regressions, 4);
    char *text = text_of(&r, 0);
    assert_contains(text, "wall time: regression, 99.9");
    assert_contains(text, "200.000 ms, +100.0 %");
    assert_contains(text, "peak memory: no change, 20.000 MiB \u2192 20.000 MiB, ");
    assert_contains(text, "own time of work: regression");
    assert_lacks(text, "total time of work");
    assert_lacks(text, "own time of main");
    assert_contains(text, "slow.py:12\n"); /* relative to the root */
    assert_lacks(text, "needed");
    assert_lacks(text, PRF_SCRIPT_ELSEWHERE);
    free(text);
    text = text_of(&r, 1);
    assert_contains(text, "own time of main: no change");
    free(text);
    text = text_of(&r, -1);
    assert_lacks(text, "Hotspots");
    assert_contains(text, "wall time: regression");
    free(text);
    prf_script_report_release(&r);
    model_close(&m);
}

/* A run of that wall time in units of `ns`, 100 of it computed, in which work took so
   much; before it eight on a busy machine, of 105 to 140, in which work took 9. */
static struct prf_script_report
busy(struct model *m, double ns, double wall, double work)
{
    struct prf_error err = {0};
    model_open(m);
    model_figures(m, wall * ns, 100 * ns, 20 * MIB);
    model_function(m, "slow.py", "work", 9, (int64_t)(work * ns), (int64_t)(work * ns));
    struct prf_script_report r = report_of(m, 20);
    for (int i = 0; i < 8; i++) {
        struct model before;
        const double work_ns = 9 * ns * (1 + 0.01 * (i % 3)),
                     amounts[] = {work_ns, work_ns};
        model_open(&before);
        model_figures(&before, (105 + 5 * i) * ns, 100 * ns, 20 * MIB);
        assert_int_equal(
            prf_script_report_add(&r, &before.run, &before.result, amounts, &err), 0);
        model_close(&before);
    }
    assert_int_equal(prf_script_report_judge(&r, 0.1, &err), 0);
    return r;
}

static enum prf_previous_verdict
busy_verdict(double ns, double wall, double work)
{
    struct model m;
    struct prf_script_report r = busy(&m, ns, wall, work);
    enum prf_previous_verdict verdict = find_row(&r, "own", "work")->judged.verdict;
    prf_script_report_release(&r);
    model_close(&m);
    return verdict;
}

/* A process that waited for the processor waited in some function. */
static void
time_that_others_took_is_no_regression(void **state)
{
    (void)state;
    /* 20 ms were waited: 10 ms can be that, 50 cannot */
    assert_int_equal(busy_verdict(1e6, 120, 19), PRF_PREVIOUS_SAME);
    assert_int_equal(busy_verdict(1e6, 120, 59), PRF_PREVIOUS_REGRESSION);
    /* little was waited */
    assert_int_equal(busy_verdict(1e6, 102, 19), PRF_PREVIOUS_REGRESSION);
    /* the whole got slower: waiting is what it does */
    assert_int_equal(busy_verdict(1e6, 400, 150), PRF_PREVIOUS_REGRESSION);
    /* and faster: the runs before had waited up to 40 ms */
    assert_int_equal(busy_verdict(1e6, 105, 5), PRF_PREVIOUS_SAME);
    assert_int_equal(busy_verdict(1e6, 60, 5), PRF_PREVIOUS_IMPROVEMENT);
}

static void
less_than_a_millisecond_is_no_regression(void **state)
{
    (void)state;
    assert_int_equal(busy_verdict(1e6, 102, 19), PRF_PREVIOUS_REGRESSION);
    assert_int_equal(busy_verdict(1e4, 102, 19), PRF_PREVIOUS_SAME);
}

/* What is below one per cent may double. */
static void
small_hotspots_are_not_judged(void **state)
{
    (void)state;
    struct model m;
    struct prf_script_report r = compared(&m, 2000, 2000, 9);
    const struct prf_script_row *row = find_row(&r, "own", "main");
    assert_int_equal(row->better, PRF_BETTER_NONE);
    assert_true(isnan(row->judged.q_value));
    assert_int_equal(find_row(&r, "total", "main")->better, PRF_BETTER_LESS);
    prf_script_report_release(&r);
    model_close(&m);
}

static void
an_improvement_is_found(void **state)
{
    (void)state;
    struct model m;
    struct prf_script_report r = compared(&m, 50, 100, 9);
    assert_int_equal(r.comparison.n_regressions, 0);
    assert_true(r.comparison.n_improvements > 0);
    char *text = text_of(&r, 0);
    assert_contains(text, "wall time: improvement");
    free(text);
    prf_script_report_release(&r);
    model_close(&m);
}

static void
the_source_was_changed(void **state)
{
    (void)state;
    struct model m;
    struct prf_script_report r = compared(&m, 100, 100, 9);
    assert_true(r.comparison.source_changed);
    assert_int_equal(r.comparison.source_before, 1); /* of run 0 nothing is known */
    char *text = text_of(&r, 0);
    assert_contains(text,
                    "the source was changed since the run before (fedcba9876, now "
                    "0123456789)");
    free(text);
    prf_script_report_release(&r);
    model_close(&m);
}

static void
few_runs_are_said(void **state)
{
    (void)state;
    struct model m;
    struct prf_script_report r = compared(&m, 300, 100, 3);
    assert_int_equal(r.comparison.n_regressions, 0);
    char *text = text_of(&r, 0);
    assert_contains(text, "wall time: not enough runs");
    assert_contains(text, "2 more runs are needed for a verdict");
    free(text);
    prf_script_report_release(&r);
    model_close(&m);
    r = compared(&m, 300, 100, 0);
    text = text_of(&r, 0);
    assert_contains(text, "this is the first run of it under these conditions");
    assert_contains(text, "5 more runs are needed");
    free(text);
    prf_script_report_release(&r);
    model_close(&m);
}

static void
more_runs_than_room(void **state)
{
    (void)state;
    struct model m;
    struct prf_script_report r = compared(&m, 100, 100, 30);
    assert_int_equal(r.comparison.n_earlier, 20);
    assert_int_equal(find_row(&r, "wall_time", "")->judged.n, 20);
    prf_script_report_release(&r);
    model_close(&m);
}

/* The wall time alone is worse: the machine may have been busy. */
static void
a_busy_machine_is_named(void **state)
{
    (void)state;
    struct model m;
    struct prf_script_report r = compared(&m, 200, 100, 9);
    r.figures[PRF_SCRIPT_CPU].value = 100e6;
    r.comparison.n_regressions = 0;
    struct prf_error err = {0};
    assert_int_equal(prf_script_report_judge(&r, 0.1, &err), 0);
    assert_true(prf_script_is_elsewhere(&r));
    char *text = text_of(&r, 0);
    assert_contains(text, "The CPU time did not change");
    free(text);
    prf_script_report_release(&r);
    model_close(&m);
}

/* --- documents ---------------------------------------------------------------------
 */

static void
json_document(void **state)
{
    (void)state;
    struct model m;
    struct prf_script_report r = compared(&m, 200, 100, 9);
    char *text = document_of(&r, false);
    json_error_t error;
    json_t *root = json_loads(text, JSON_REJECT_DUPLICATES, &error);
    if (root == NULL) {
        fail_msg("%s: %s", error.text, text);
    }
    const char *schema = NULL, *verdict = NULL, *function = NULL, *id = NULL;
    double wall = 0, percent = 0;
    int regressions = 0;
    json_t *rows = NULL, *earlier = NULL;
    int rc = json_unpack_ex(
        root, &error, 0,
        "{s:s, s:{s:{s:F}}, s:[{s:s, s:F}], s:{s:i, s:o, s:o}, s:[{s:s}]}", "schema",
        &schema, "summary", "wall_time", "value", &wall, "hotspots", "function",
        &function, "own_percent", &percent, "comparison", "regressions", &regressions,
        "rows", &rows, "earlier", &earlier, "results", "id", &id);
    if (rc != 0) {
        fail_msg("%s", error.text);
    }
    assert_string_equal(schema, "pyprofiler/script/1");
    assert_true(wall == 200e6 && percent > 90);
    assert_string_equal(function, "work");
    assert_string_equal(id, "res-1");
    assert_int_equal(regressions, 4);
    assert_int_equal(json_array_size(earlier), 9);
    assert_int_equal(json_unpack(json_array_get(rows, 0), "{s:s}", "verdict", &verdict),
                     0);
    assert_string_equal(verdict, "regression");
    json_decref(root);
    free(text);
    r.comparison.none = "--previous 0";
    text = document_of(&r, false);
    root = json_loads(text, JSON_REJECT_DUPLICATES, &error);
    assert_true(json_is_null(json_object_get(root, "comparison")));
    json_decref(root);
    free(text);
    prf_script_report_release(&r);
    model_close(&m);
}

static void
html_document(void **state)
{
    (void)state;
    struct model m;
    struct prf_script_report r = compared(&m, 200, 100, 9);
    char *text = document_of(&r, true);
    assert_contains(text, "<!DOCTYPE html>");
    assert_contains(text, "Regression check");
    assert_contains(text, "<circle class=\"now bad\"");
    assert_contains(text, "'work' takes 95 % of the time by itself");
    assert_contains(text, "prefers-color-scheme:dark");
    assert_lacks(text, "http://");
    assert_lacks(text, "https://");
    assert_lacks(text, "nan");
    free(text);
    prf_script_report_release(&r);
    model_close(&m);
}

/* Nothing that came from a program is markup, wherever it is shown. */
static void
html_is_escaped(void **state)
{
    (void)state;
    static const char evil[] = "\"><script>alert(1)</script><!--";
    struct model m;
    model_open(&m);
    model_figures(&m, 100e6, 1e6, MIB);
    model_metric(&m, evil, evil, 3);
    uint32_t f = model_function(&m, evil, evil, 1, 80 * MS, 80 * MS);
    model_function(&m, "/s.py", "other", 1, 20 * MS, 20 * MS);
    fixture_tree(m.p, 4);
    fixture_call(m.p, fixture_call(m.p, 0, f, 10), f, 70);
    m.result.case_id = evil;
    m.result.profiler = evil;
    m.result.status = PRF_STATUS_FAILED;
    m.result.reason = evil;
    m.result.traceback = evil;
    m.result.output = evil;
    m.result.signal = evil;
    m.run.commit.branch = evil;
    m.run.machine.cpu = evil;
    const char *notes[] = {evil};
    m.p->notes = notes;
    m.p->n_notes = 1;
    struct prf_script_report r = report_of(&m, 2);
    struct prf_error err = {0};
    const double amounts[] = {1, 2, 3, 4};
    assert_int_equal(prf_script_report_add(&r, &m.run, &m.result, amounts, &err), 0);
    assert_int_equal(prf_script_report_judge(&r, 0.1, &err), 0);
    char *text = document_of(&r, true);
    assert_lacks(text, "<script>alert");
    assert_lacks(text, "<!--");
    assert_contains(text, "&lt;script&gt;alert(1)");
    free(text);
    prf_script_report_release(&r);
    model_close(&m);
}

/* Of a result that is no script's. */
static void
html_of_any_result(void **state)
{
    (void)state;
    struct fixture fx;
    const struct prf_exporter *html = NULL;
    const struct prf_export_options options = {0};
    struct prf_error err = {0};
    char *data = NULL;
    size_t n = 0;
    fixture_fib(&fx);
    FILE *out = open_memstream(&data, &n);
    const struct prf_result *results[] = {&fx.result, &fx.result};
    assert_int_equal(prf_exporter_find("html", &html, &err), 0);
    assert_int_equal(prf_export(html, &fx.run, results, 2, &options, out, &err), 0);
    assert_int_equal(fclose(out), 0);
    assert_contains(data, "Flame graph");
    assert_contains(data, "<text x=\"4\" y=\"14\">fib</text>");
    assert_contains(data, "data-v=\"177\">177</td>");
    assert_lacks(data, "Regression check");
    free(data);
    fixture_close(&fx);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hotspots_are_by_own_time),
        cmocka_unit_test(lines_of_a_function_add_up),
        cmocka_unit_test(memory_is_by_line),
        cmocka_unit_test(snapshots_have_hotspots),
        cmocka_unit_test(unknown_amounts_have_hotspots),
        cmocka_unit_test(without_hotspots_it_is_said),
        cmocka_unit_test(figures_of_a_script),
        cmocka_unit_test(figures_of_a_process),
        cmocka_unit_test(rule_dominant),
        cmocka_unit_test(rule_dominant_is_silent),
        cmocka_unit_test(rule_many_calls),
        cmocka_unit_test(rule_many_calls_is_silent),
        cmocka_unit_test(rule_waiting),
        cmocka_unit_test(rule_waiting_is_silent),
        cmocka_unit_test(rule_imports),
        cmocka_unit_test(rule_imports_is_silent),
        cmocka_unit_test(rule_memory),
        cmocka_unit_test(rule_memory_is_silent),
        cmocka_unit_test(rule_collecting),
        cmocka_unit_test(rule_printing),
        cmocka_unit_test(rule_recursion),
        cmocka_unit_test(rule_recursion_is_silent),
        cmocka_unit_test(rule_overhead),
        cmocka_unit_test(nothing_stands_out),
        cmocka_unit_test(suggestions_are_by_weight),
        cmocka_unit_test(a_regression_is_found),
        cmocka_unit_test(small_hotspots_are_not_judged),
        cmocka_unit_test(time_that_others_took_is_no_regression),
        cmocka_unit_test(less_than_a_millisecond_is_no_regression),
        cmocka_unit_test(an_improvement_is_found),
        cmocka_unit_test(the_source_was_changed),
        cmocka_unit_test(few_runs_are_said),
        cmocka_unit_test(more_runs_than_room),
        cmocka_unit_test(a_busy_machine_is_named),
        cmocka_unit_test(json_document),
        cmocka_unit_test(html_document),
        cmocka_unit_test(html_is_escaped),
        cmocka_unit_test(html_of_any_result),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
