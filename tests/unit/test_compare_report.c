/* A comparison made by hand, in every format: figures, verdicts, what is not compared,
   and that nothing of a program escapes its place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "compare_report.h"
#include "fixtures.h"

static const struct prf_style plain = {.width = 80};

/* A name that is a command in each of the formats. */
#define HOSTILE "a|b`c`<script>&\"'@me\033[31m]]>%0A,x:y\n::error::z\001\xff"

static struct prf_change
change(enum prf_verdict verdict, double base, double next, double half)
{
    return (struct prf_change){
        .verdict = verdict,
        .base = base,
        .next = next,
        .ratio = next / base,
        .ci_low = next / base - half,
        .ci_high = next / base + half,
        .p_value = 0.446,
        .q_value = 0.5,
        .effect = 0.25,
        .n_base = 10,
        .n_next = 12,
        .processes_base = 2,
        .processes_next = 3,
        .detectable = 0.042,
        .better = PRF_BETTER_LESS,
    };
}

static struct prf_clause broken[] = {
    {.text = "wall_time <= +3%",
     .source = "@budget",
     .broken = true,
     .why = "is +7.1% (+5.9% to +8.3%)"},
    {.text = "wall_time <= 5 ms", .source = "[tool.pyprofiler.gate]", .why = "is 1 ms"},
    {.text = "wall_time <= +9%",
     .source = "@budget",
     .unknown = true,
     .why = "is +7.1%; a change below 4% cannot be seen with these runs"},
};

static const char *const hunks[] = {
    "@@ -10,2 +10,3 @@\n-    old\n+    new\n+    more\n", NULL};
static const char *const stack[] = {"main", "Sorter.sort", NULL};

static struct prf_where where[] = {
    {.file = "sort.py",
     .line = 12,
     .function = "Sorter.sort",
     .column = "own_ns",
     .unit = "ns",
     .base = 1e6,
     .next = 1.5e6,
     .calls_base = 10,
     .calls_next = 15,
     .by_calls = 3e5,
     .by_cost = 2e5,
     .kinds = PRF_SITE_MORE_CALLS | PRF_SITE_DEARER,
     .hunks = hunks,
     .stack = stack},
    {.file = "",
     .function = "sorted",
     .unit = "ns",
     .base = 0,
     .next = 1e5,
     .calls_base = NAN,
     .calls_next = NAN,
     .by_calls = NAN,
     .by_cost = NAN,
     .kinds = PRF_SITE_NEW},
};

#define CASE "cases/sort.py::Sorting::profile_"

static struct prf_compared items[16];
static const struct prf_compared *listed[16];
static struct prf_comparison comparison;

static void
add(struct prf_compared item)
{
    item.case_file = "/srv/cases/sort.py";
    item.case_line = 7;
    item.threshold = 0.02;
    items[comparison.n] = item;
    listed[comparison.n] = &items[comparison.n];
    comparison.n++;
}

static void
add_compared(const char *case_id, const char *metric, const char *unit,
             struct prf_change c)
{
    add((struct prf_compared){.case_id = case_id,
                              .profiler = "stopwatch",
                              .metric = metric,
                              .unit = unit,
                              .change = c});
}

static void
add_uncompared(const char *case_id, enum prf_uncompared kind, const char *why)
{
    add((struct prf_compared){
        .case_id = case_id, .profiler = "stopwatch", .uncompared = kind, .why = why});
}

static int
make(void **state)
{
    static const char *const warnings[] = {"a warning", NULL};
    (void)state;
    comparison = (struct prf_comparison){
        .base = {.name = "main~3",
                 .commit = "3f2a1bc9d0aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
                 .summary = "Sort in place"},
        .next = {.name = "the work tree",
                 .commit = "0123456789aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
                 .tree = "fffffffffffaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"},
        .items = items,
        .rules = {.threshold = 0.02, .alpha = 0.01, .seed = 1},
        .warnings = warnings,
        .conditions = "CPython 3.12.1 (embedded), Some CPU x 2",
    };
    add_compared(CASE "a", "wall_time", "ns",
                 change(PRF_VERDICT_SLOWER, 1e6, 1.071e6, 0.012));
    items[0].clauses = broken;
    items[0].n_clauses = 3;
    items[0].where = where;
    items[0].n_where = 2;
    items[0].source_changed = true;
    add_compared(CASE "a", "cpu_time", "ns",
                 change(PRF_VERDICT_SAME, 1e6, 1.001e6, 0.005));
    add_compared(CASE "b", "wall_time", "ns",
                 change(PRF_VERDICT_FASTER, 2e6, 1e6, 0.01));
    add_compared(CASE "c", "wall_time", "ns",
                 change(PRF_VERDICT_WITHIN_NOISE, 1e6, 1.011e6, 0.004));
    add_compared(CASE "d", "wall_time", "ns",
                 change(PRF_VERDICT_INCONCLUSIVE, 1e6, 1.05e6, 0.1));
    struct prf_change none = change(PRF_VERDICT_SLOWER, 0, 4096, 0);
    none.ratio = none.ci_low = none.ci_high = none.p_value = none.q_value =
        none.effect = NAN;
    none.detectable = INFINITY;
    add_compared(CASE "e", "peak", "bytes", none);
    add_uncompared(CASE "f", PRF_ONLY_BASE, NULL);
    add_uncompared(CASE "g", PRF_ONLY_NEXT, NULL);
    add_uncompared(CASE "h", PRF_OTHER_MACHINE, "the machines differ: x, y");
    add_uncompared(CASE "i", PRF_NOT_MEASURED, "crashed (SIGSEGV)");
    return 0;
}

static char *
write_as(const char *name, const struct prf_style *style, bool with_where)
{
    const struct prf_compare_format *format = NULL;
    struct prf_error err = {0};
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    assert_int_equal(prf_compare_format_find(name, &format, &err), 0);
    const struct prf_compare_report_options options = {.style = style,
                                                       .items = listed,
                                                       .n = comparison.n,
                                                       .where = with_where,
                                                       .root = "/srv"};
    assert_int_equal(format->write(&comparison, &options, out, &err), 0);
    fclose(out);
    return text;
}

static const char *const formats[] = {"text",     "json",  "csv",
                                      "markdown", "junit", "github"};

static void
formats_are_found(void **state)
{
    (void)state;
    const struct prf_compare_format *format = NULL;
    struct prf_error err = {0};
    assert_int_equal(prf_compare_format_find("jsn", &format, &err), PRF_EUSAGE);
    assert_contains(err.text, "did you mean 'json'?");
    prf_error_clear(&err);
    assert_int_equal(prf_compare_format_find("nonsense", &format, &err), PRF_EUSAGE);
    assert_contains(err.text, "text, json, csv, markdown, junit, github");
}

static void
text_shows_all(void **state)
{
    (void)state;
    char *text = write_as("text", &plain, true);
    assert_contains(text, "base  main~3 (3f2a1bc9d0, Sort in place)\n"
                          "new   the work tree (0123456789 with changes)\n"
                          "CPython 3.12.1 (embedded), Some CPU x 2\n"
                          "warning: a warning\n");
    assert_contains(text, CASE "a  stopwatch  (its source changed)\n");
    assert_contains(text, "\u2717 wall_time  1.000 ms   1.071 ms");
    assert_contains(text, "+7.1% (+5.9% to +8.3%)");
    assert_contains(text, "slower\n");
    assert_contains(text, "    budget broken: wall_time <= +3%, is +7.1% (+5.9% to "
                          "+8.3%)  (@budget)\n");
    assert_contains(text, "    budget not clear: wall_time <= +9%");
    assert_lacks(text, "wall_time <= 5 ms");
    assert_contains(text, "~ (p=0.446 n=10+12)");
    assert_contains(text, "\u2713 wall_time  2.000 ms   1.000 ms  -50.0%");
    assert_contains(text, "inconclusive");
    assert_contains(text, "(sees 4.2% and more)");
    assert_contains(text, "was 0");
    assert_contains(text, "gone: only the base has it\n");
    assert_contains(text, "new: the base does not have it\n");
    assert_contains(text, "not compared: the machines differ: x, y\n");
    assert_contains(text, "not compared: crashed (SIGSEGV)\n");
    assert_contains(text, "sort.py:12 Sorter.sort");
    assert_contains(text, "1.000 ms -> 1.500 ms: called more often (10 -> 15) +300.000 "
                          "us, each call dearer +200.000 us");
    assert_contains(text, "+    more\n");
    assert_contains(text, "main > Sorter.sort\n");
    assert_contains(text,
                    "1 slower, 1 larger, 1 faster, 1 same, 1 within noise, 1 "
                    "inconclusive, 1 gone, 1 new, 2 not compared, 1 budget broken, "
                    "1 budget not clear\n");
    assert_lacks(text, "\033");
    free(text);
}

static void
text_fits(void **state)
{
    (void)state;
    const struct prf_style narrow = {.width = 64, .ascii = true};
    const struct prf_style color = {.color = true};
    const struct prf_style quiet = {.width = 80, .verbosity = -1};
    const struct prf_style verbose = {.width = 80, .verbosity = 1};
    char *text = write_as("text", &narrow, false);
    assert_contains(text, "+7.1% (+- 1.2%)");
    assert_contains(text, "! wall_time");
    assert_contains(text, "* wall_time");
    for (const char *s = text; *s != '\0'; s++) {
        assert_true((unsigned char)*s < 0x80);
    }
    free(text);
    text = write_as("text", &color, false);
    assert_contains(text, "\033[31mslower\033[0m");
    assert_contains(text, "\033[32mfaster\033[0m");
    assert_lacks(text, "where:");
    free(text);
    text = write_as("text", &quiet, false);
    assert_lacks(text, "main~3");
    assert_lacks(text, "may be chance");
    assert_contains(text, "1 slower");
    free(text);
    text = write_as("text", &verbose, false);
    assert_contains(text,
                    "of 2+3 processes, q=0.5, effect +0.25, sees 4.2% and more\n");
    assert_contains(text, "budget kept: wall_time <= 5 ms");
    free(text);
}

static void
json_is_read_back(void **state)
{
    (void)state;
    char *text = write_as("json", &plain, true);
    json_error_t why;
    json_t *root = json_loads(text, JSON_REJECT_DUPLICATES, &why);
    assert_non_null(root);
    assert_string_equal(json_string_value(json_object_get(root, "schema")),
                        "pyprofiler/compare/1");
    json_t *totals = json_object_get(root, "totals");
    assert_int_equal(json_integer_value(json_object_get(totals, "slower")), 2);
    assert_int_equal(json_integer_value(json_object_get(totals, "within-noise")), 1);
    assert_int_equal(json_integer_value(json_object_get(totals, "uncompared")), 4);
    assert_int_equal(json_integer_value(json_object_get(totals, "clauses_broken")), 1);
    json_t *list = json_object_get(root, "items");
    assert_int_equal(json_array_size(list), 10);
    json_t *first = json_array_get(list, 0);
    assert_string_equal(json_string_value(json_object_get(first, "verdict")), "slower");
    assert_true(json_is_true(json_object_get(first, "source_changed")));
    assert_int_equal(json_array_size(json_object_get(first, "clauses")), 3);
    json_t *place = json_array_get(json_object_get(first, "where"), 0);
    assert_int_equal(json_array_size(json_object_get(place, "kinds")), 2);
    assert_string_equal(
        json_string_value(json_array_get(json_object_get(place, "kinds"), 0)),
        "more-calls");
    json_t *zero = json_array_get(list, 5);
    assert_true(json_is_null(json_object_get(zero, "ratio")));
    assert_true(json_is_null(json_object_get(zero, "detectable")));
    assert_true(json_number_value(json_object_get(zero, "new")) == 4096.0);
    static const char *const kinds[] = {"only-base", "only-new", "other-conditions",
                                        "not-measured"};
    for (size_t i = 0; i < 4; i++) {
        json_t *item = json_array_get(list, 6 + i);
        assert_string_equal(json_string_value(json_object_get(item, "uncompared")),
                            kinds[i]);
        assert_true(json_is_null(json_object_get(item, "verdict")));
        assert_true(json_is_string(json_object_get(item, "why")));
    }
    json_decref(root);
    free(text);
}

static void
csv_has_rows(void **state)
{
    (void)state;
    char *text = write_as("csv", &plain, false);
    size_t n = 0, commas = 0, head = 0;
    assert_contains(text,
                    CASE "a,stopwatch,wall_time,ns,slower,1000000,1071000,1.071,");
    assert_contains(text, ",wall_time <= +3%,wall_time <= +9%\r\n");
    assert_contains(text, CASE "h,stopwatch,,,,,,,,,,,,,,,,,0.02,false,not compared,"
                               "\"the machines differ: x, y\",,\r\n");
    assert_contains(text,
                    CASE "e,stopwatch,peak,bytes,slower,0,4096,,,,,,,,10,12,2,3,");
    for (char *line = text; *line != '\0'; line = strstr(line, "\r\n") + 2) {
        bool quoted = false;
        commas = 0;
        for (char *s = line; *s != '\r'; s++) {
            quoted ^= *s == '"';
            commas += *s == ',' && !quoted;
        }
        head = n++ == 0 ? commas : head;
        assert_int_equal(commas, head);
    }
    assert_int_equal(n, 11);
    free(text);
}

static void
markdown_puts_changes_first(void **state)
{
    (void)state;
    char *text = write_as("markdown", &plain, true);
    assert_contains(text, "### pyprofiler: :x: 1 slower, 1 larger, 1 faster");
    assert_contains(text,
                    "\nmain\\~3 (3f2a1bc9d0, Sort in place) \u2192 the work tree");
    const char *slower =
        strstr(text, "**slower**; its source changed<br>budget broken: ");
    const char *fold =
        strstr(text, "<details><summary>7 without a change</summary>\n\n|");
    const char *same = strstr(text, "cpu\\_time | 1.000 ms | 1.001 ms |");
    assert_non_null(slower);
    assert_non_null(fold);
    assert_non_null(same);
    assert_true(slower < fold && fold < same);
    assert_contains(text, "\n```diff\n@@ -10,2 +10,3 @@\n-    old\n");
    assert_contains(text, "\n</details>\n");
    assert_contains(text, ":warning: a warning\n");
    free(text);
}

static void
junit_counts(void **state)
{
    (void)state;
    char *text = write_as("junit", &plain, true);
    assert_contains(text, "failures=\"2\" skipped=\"4\" tests=\"9\"");
    assert_contains(text, "<testcase classname=\"cases.sort.Sorting\" "
                          "name=\"profile_a (stopwatch)\" file=\"cases/sort.py\" "
                          "line=\"7\"");
    assert_contains(text, "<failure message=\"wall_time 1.000 ms -&gt; 1.071 ms, +7.1% "
                          "(+5.9% to +8.3%): slower, the case's own source changed\">");
    assert_contains(text, "budget broken: wall_time &lt;= +3%");
    assert_contains(text, "<skipped type=\"pyprofiler.skip\" message=\"crashed "
                          "(SIGSEGV)\">");
    assert_contains(text, "<property name=\"base\" value=\"main~3 (");
    free(text);
}

static void
github_annotates(void **state)
{
    (void)state;
    char *text = write_as("github", &plain, true);
    assert_contains(text, "::error file=cases/sort.py,line=7,title=cases/sort.py%3A%3A"
                          "Sorting%3A%3Aprofile_a stopwatch::wall_time 1.000 ms -> "
                          "1.071 ms, +7.1%25 (+5.9%25 to +8.3%25): slower, the case's "
                          "own source changed%0Awhere:%0Asort.py:12 Sorter.sort");
    assert_contains(text,
                    "::error file=cases/sort.py,line=7,title=cases/sort.py%3A%3A"
                    "Sorting%3A%3Aprofile_a stopwatch::budget broken: wall_time <= "
                    "+3%25");
    assert_contains(text, "::warning file=");
    assert_contains(text, "::notice file=cases/sort.py,line=7,title=cases/sort.py%3A%3A"
                          "Sorting%3A%3Aprofile_b");
    assert_contains(text, "profile_i stopwatch::not compared: crashed (SIGSEGV)\n");
    assert_lacks(text, "profile_c");
    free(text);
}

static void
another_profiler_is_named(void **state)
{
    (void)state;
    static const char *const people[] = {"text", "markdown", "junit", "github"};
    items[0].where_profiler = "call";
    for (size_t i = 0; i < sizeof people / sizeof *people; i++) {
        char *text = write_as(people[i], &plain, true);
        assert_contains(text, "where, as call has it:");
        free(text);
        text = write_as(people[i], &plain, false);
        assert_lacks(text, "as call has it");
        free(text);
    }
}

static void
counts_have_their_threshold(void **state)
{
    (void)state;
    comparison.rules.threshold_count = 0.005;
    char *text = write_as("text", &plain, false);
    assert_contains(text, "changes below 2% are not reported");
    free(text);
    items[1].unit = "count";
    text = write_as("text", &plain, false);
    assert_contains(text, "changes below 2% (of counts 0.5%) are not reported");
    free(text);
    text = write_as("json", &plain, false);
    assert_contains(text, "\"threshold_count\"");
    free(text);
}

/* A whole name of it must not appear in any format as it is. */
static void
nothing_escapes(void **state)
{
    (void)state;
    static const char *const evil_hunks[] = {"```\n</details>\n+\033[31m\001\n", NULL};
    struct prf_where place = where[0];
    place.function = HOSTILE;
    place.file = HOSTILE;
    place.hunks = evil_hunks;
    struct prf_clause clause = {
        .text = HOSTILE, .why = HOSTILE, .source = "@budget", .broken = true};
    items[0].case_id = HOSTILE;
    items[0].metric = HOSTILE;
    items[0].where = &place;
    items[0].n_where = 1;
    items[0].clauses = &clause;
    items[0].n_clauses = 1;
    items[9].why = HOSTILE;
    comparison.base.name = comparison.base.summary = HOSTILE;
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        char *text = write_as(formats[i], &plain, true);
        assert_lacks(text, "\xff");
        if (strcmp(formats[i], "csv") == 0) { /* RFC 4180 has quotes for all of it */
            assert_contains(text, "\n\"a|b`c`<script>&\"\"'@me");
        } else {
            assert_lacks(text, "\001");
            assert_lacks(text, "\033");
        }
        if (strcmp(formats[i], "text") == 0 || strcmp(formats[i], "github") == 0) {
            assert_lacks(text, "\n::error::z"); /* a log that GitHub reads */
        }
        if (strcmp(formats[i], "markdown") == 0) {
            assert_lacks(text, "<script>&");
            assert_contains(text, "a\\|b\\`c\\`&lt;script\\>&amp;\"'&#64;me");
            assert_contains(text, "\n````diff\n```\n");
        }
        if (strcmp(formats[i], "junit") == 0) {
            assert_lacks(text, "<script>");
            assert_lacks(text, "]]>");
        }
        if (strcmp(formats[i], "github") == 0) {
            assert_contains(text, "%250A%2Cx%3Ay%0A%3A%3Aerror");
        }
        free(text);
    }
}

static void
nothing_is_a_document(void **state)
{
    (void)state;
    comparison.n = 0;
    comparison.warnings = NULL;
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        char *text = write_as(formats[i], &plain, true);
        assert_true(strlen(text) > 0);
        free(text);
    }
    char *text = write_as("text", &plain, true);
    assert_contains(text, "nothing was compared\n");
    free(text);
    text = write_as("junit", &plain, true);
    assert_contains(text, "failures=\"0\" skipped=\"0\" tests=\"0\"");
    free(text);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(formats_are_found, make),
        cmocka_unit_test_setup(text_shows_all, make),
        cmocka_unit_test_setup(text_fits, make),
        cmocka_unit_test_setup(json_is_read_back, make),
        cmocka_unit_test_setup(csv_has_rows, make),
        cmocka_unit_test_setup(markdown_puts_changes_first, make),
        cmocka_unit_test_setup(junit_counts, make),
        cmocka_unit_test_setup(github_annotates, make),
        cmocka_unit_test_setup(another_profiler_is_named, make),
        cmocka_unit_test_setup(counts_have_their_threshold, make),
        cmocka_unit_test_setup(nothing_escapes, make),
        cmocka_unit_test_setup(nothing_is_a_document, make),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
