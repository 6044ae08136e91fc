/* Curves over time: axes, the picture, the chart of a terminal, mprof's lines. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>

#include "axis.h"
#include "fixtures.h"
#include "plot.h"
#include "text.h"

#define MIB 1048576.0

/* ---- axes ---- */

/* The labels of an axis, its unit last: "0 50 100 MiB". */
static void
assert_axis(const char *unit, double min, double max, int n, enum prf_axis_ends ends,
            const char *want)
{
    struct prf_axis axis = prf_axis(unit, min, max, n, ends);
    char got[256] = "", label[PRF_UNIT_TEXT];
    for (int i = 0; i < axis.n_ticks; i++) {
        size_t len = strlen(got);
        snprintf(got + len, sizeof got - len, "%s ",
                 prf_axis_label(&axis, i, label, sizeof label));
    }
    size_t len = strlen(got);
    snprintf(got + len, sizeof got - len, "%s", axis.scale.suffix);
    assert_string_equal(got, want);
    assert_true(prf_axis_part(&axis, min) >= 0 && prf_axis_part(&axis, max) <= 1);
    assert_true(prf_axis_part(&axis, axis.low) == 0);
    assert_true(fabs(prf_axis_part(&axis, axis.high) - 1) < 1e-12);
}

static void
axes_have_round_numbers(void **state)
{
    (void)state;
    assert_axis("bytes", 12.1 * MIB, 131.9 * MIB, 4, PRF_AXIS_ROUND,
                "0 50 100 150 MiB");
    assert_axis("bytes", 100 * MIB, 103 * MIB, 4, PRF_AXIS_ROUND,
                "100 101 102 103 MiB");
    assert_axis("bytes", 0, 0.3 * MIB, 4, PRF_AXIS_ROUND, "0 100 200 300 400 KiB");
    assert_axis("ns", 0, 1.25e9, 5, PRF_AXIS_EXACT, "0.0 0.2 0.4 0.6 0.8 1.0 1.2 s");
    assert_axis("ns", 0, 247e6, 6, PRF_AXIS_EXACT, "0 50 100 150 200 ms");
    assert_axis("count", -3, 3, 3, PRF_AXIS_ROUND, "-4 -2 0 2 4 ");
}

/* One amount, or none at all, still makes an axis. */
static void
axes_of_one_amount(void **state)
{
    (void)state;
    assert_axis("bytes", 5 * MIB, 5 * MIB, 2, PRF_AXIS_ROUND, "5.0 5.2 5.4 5.6 MiB");
    assert_axis("ns", 0, 0, 5, PRF_AXIS_EXACT, "0.00 0.02 0.04 0.06 0.08 0.10 ns");
}

/* ---- models ---- */

static uint64_t series_at[] = {0, 100000000, 200000000, 300000000, 400000000};
static double series_main[] = {10 * MIB, 10 * MIB, 40 * MIB, 20 * MIB, 20 * MIB};
static double series_child[] = {5 * MIB, 15 * MIB, 5 * MIB};

/* The case and a child that lives from 0.1 s to 0.3 s, three marks, and a peak of
   50 MiB that no sample saw. */
static void
fixture_memory(struct fixture *fx)
{
    static struct prf_series series[] = {
        {"rss", "bytes", 0, 5, series_at, series_main},
        {"rss", "bytes", 3, 3, series_at + 1, series_child}};
    static double peak[] = {50 * MIB};
    static struct prf_metric_values metrics[] = {
        {"peak", "bytes", PRF_BETTER_LESS, peak, 1, 0}};
    static struct prf_mark marks[] = {{"loaded data", 1e8, 1e8, 1},
                                      {"<b>&\033", 2.5e8, 1.5e8, 1},
                                      {"near", 2.6e8, 1e7, 1}};
    fixture_open(fx);
    fx->result.profiler = "memory-time";
    fx->result.started_ns = 1700000000000000000;
    struct prf_profile *p = fx->result.profile;
    p->series = series;
    p->n_series = FIXTURE_LEN(series);
    p->metrics = metrics;
    p->n_metrics = FIXTURE_LEN(metrics);
    p->marks = marks;
    p->n_marks = FIXTURE_LEN(marks);
}

/* ---- mprof ---- */

static void
mprof_lines(void **state)
{
    (void)state;
    struct fixture fx;
    fixture_memory(&fx);
    char *text = fixture_export("mprof", &fx);
    assert_string_equal(
        text, "CMDLINE cases/fib.py::Fib::profile_fib\n"
              "MEM 10.000000 1700000000.000000\n"
              "MEM 10.000000 1700000000.100000\n"
              "MEM 40.000000 1700000000.200000\n"
              "MEM 20.000000 1700000000.300000\n"
              "MEM 20.000000 1700000000.400000\n"
              "FUNC loaded_data 10.000000 1700000000.100000 40.000000 "
              "1700000000.250000 0\n"
              "FUNC <b>&\\x1b 40.000000 1700000000.250000 40.000000 "
              "1700000000.260000 0\n"
              "FUNC near 40.000000 1700000000.260000 20.000000 1700000000.400000 0\n"
              "CHLD 3 5.000000 1700000000.100000\n"
              "CHLD 3 15.000000 1700000000.200000\n"
              "CHLD 3 5.000000 1700000000.300000\n");
    free(text);
    fixture_close(&fx);
}

static void
mprof_takes_memory_only(void **state)
{
    (void)state;
    static uint64_t at[] = {1};
    static double value[] = {2};
    static struct prf_series series[] = {{"load", "percent", 0, 1, at, value}};
    struct fixture fx;
    struct prf_error err = {0};
    const struct prf_exporter *exporter = NULL;
    const struct prf_export_options options = {0};
    fixture_open(&fx);
    fx.result.profile->series = series;
    fx.result.profile->n_series = 1;
    const struct prf_result *result = &fx.result;
    assert_int_equal(prf_exporter_find("mprof", &exporter, &err), 0);
    assert_int_equal(prf_export(exporter, &fx.run, &result, 1, &options, stderr, &err),
                     PRF_EUNAVAILABLE);
    assert_contains(err.text, "needs memory over time");
    fixture_close(&fx);
    fixture_fib(&fx);
    result = &fx.result;
    prf_error_clear(&err);
    assert_int_equal(prf_export(exporter, &fx.run, &result, 1, &options, stderr, &err),
                     PRF_EUNAVAILABLE);
    assert_contains(err.text, "series");
    fixture_close(&fx);
}

/* ---- svg ---- */

static void
svg_of_curves(void **state)
{
    (void)state;
    struct fixture fx;
    fixture_memory(&fx);
    char *text = fixture_export("svg", &fx);
    assert_contains(text, "<title>cases/fib.py::Fib::profile_fib</title>");
    assert_contains(text, ">rss [MiB]</text>");
    assert_contains(text, ">time [ms]</text>");
    assert_contains(text, "prefers-color-scheme:dark");
    assert_int_equal(count_of(text, "class=\"curve c0\""), 2); /* and in the legend */
    assert_int_equal(count_of(text, "class=\"curve c1\""), 2);
    assert_contains(text, ">rss, child 3</text>");
    assert_contains(text, ">peak 50.000 MiB between samples</text>");
    assert_int_equal(count_of(text, "class=\"mark\""), 3);
    assert_contains(text, ">loaded data</text>");
    assert_contains(text, ">&lt;b&gt;&amp;\\x1b</text>");
    assert_lacks(text, "<script");
    assert_lacks(text, "nan");
    /* 40 of 60 MiB: two thirds up; the case's curve begins where the axis does. */
    assert_contains(text, "M76 ");
    free(text);
    fixture_close(&fx);
}

/* Long series are no larger than the picture is wide, and keep their extremes. */
static void
svg_of_many_points(void **state)
{
    (void)state;
    enum { N = 200000 };
    struct fixture fx;
    fixture_open(&fx);
    struct prf_profile *p = fx.result.profile;
    uint64_t *at = fixture_alloc(p, N * sizeof *at);
    double *values = fixture_alloc(p, N * sizeof *values);
    for (size_t i = 0; i < N; i++) {
        at[i] = i * 1000000;
        values[i] = i == 77777 ? 90 * MIB : i == 1234 ? NAN : 10 * MIB;
    }
    struct prf_series series = {"rss", "bytes", 0, N, at, values};
    p->series = &series;
    p->n_series = 1;
    char *text = fixture_export("svg", &fx);
    assert_in_range(strlen(text), 1000, 60000);
    assert_contains(text, ">peak 90.000 MiB at 77.777 s</text>");
    assert_lacks(text, "nan");
    free(text);
    fixture_close(&fx);
}

/* Curves of several units stand in panels of their own; without points it says so. */
static void
svg_of_other_series(void **state)
{
    (void)state;
    static uint64_t at[] = {0, 10};
    static double values[] = {1, 2}, none[] = {NAN, NAN};
    static struct prf_series series[] = {{"rss", "bytes", 0, 2, at, values},
                                         {"load", "percent", 0, 2, at, values}};
    static struct prf_series empty[] = {{"rss", "bytes", 0, 0, NULL, NULL},
                                        {"uss", "bytes", 0, 2, at, none}};
    struct fixture fx;
    fixture_open(&fx);
    fx.result.profile->series = series;
    fx.result.profile->n_series = 2;
    char *text = fixture_export("svg", &fx);
    assert_contains(text, ">rss [B]</text>");
    assert_contains(text, ">load [%]</text>");
    assert_int_equal(count_of(text, "class=\"curve c0\""), 2);
    free(text);
    fx.result.profile->series = empty;
    text = fixture_export("svg", &fx);
    assert_contains(text, ">no points</text>");
    assert_lacks(text, "nan");
    free(text);
    fixture_close(&fx);
}

/* ---- the chart ---- */

static char *
chart(const struct fixture *fx, const struct prf_style *style)
{
    const struct prf_export_options options = {0};
    char *data = NULL;
    size_t size;
    FILE *out = open_memstream(&data, &size);
    assert_non_null(out);
    const struct prf_text text = {.out = out, .style = style, .options = &options};
    prf_text_series(&text, fx->result.profile);
    fclose(out);
    return data;
}

static void
charts_with_marks(void **state)
{
    (void)state;
    struct fixture fx;
    const struct prf_style style = {.width = 50, .ascii = true};
    fixture_memory(&fx);
    char *text = chart(&fx, &style);
    assert_string_equal(text, "\n"
                              "  rss: 10.000 MiB to 40.000 MiB (at 200.000 ms), last "
                              "20.000 MiB, 5 points in 400.000 ms\n"
                              "  between the points it was as high as 50.000 MiB\n"
                              "  40 MiB +                    ##########\n"
                              "         |                    ##########\n"
                              "         |                    ##########\n"
                              "  30 MiB +                    ##########\n"
                              "         |                    ##########\n"
                              "         |                    ##########\n"
                              "  20 MiB +                    ####################\n"
                              "         |                    ####################\n"
                              "         |                    ####################\n"
                              "  10 MiB +########################################\n"
                              "         |########################################\n"
                              "         |########################################\n"
                              "   0 MiB ++----+----+----+----+----+----+----+---+\n"
                              "       ms 0    50   100  150  200  250  300  350\n"
                              "                    ^loaded data   ^<b>&\\x1b\n"
                              "                                    ^near\n"
                              "\n"
                              "  rss, child 3: 5.000 MiB to 15.000 MiB (at 200.000 "
                              "ms), last 5.000 MiB, 3 points in 200.000 ms\n"
                              "  20 MiB +\n"
                              "         |                    ##########\n"
                              "         |                    ##########\n"
                              "         |          #####################\n"
                              "   0 MiB ++----+----+----+----+----+----+----+---+\n"
                              "       ms 0    50   100  150  200  250  300  350\n");
    free(text);
    fixture_close(&fx);
}

static void
charts_in_blocks(void **state)
{
    (void)state;
    struct fixture fx;
    const struct prf_style style = {.width = 40};
    fixture_memory(&fx);
    fx.result.profile->n_series = 1;
    fx.result.profile->n_marks = 1;
    fx.result.profile->n_metrics = 0;
    char *text = chart(&fx, &style);
    assert_string_equal(text, "\n"
                              "  rss: 10.000 MiB to 40.000 MiB (at 200.000 ms), last "
                              "20.000 MiB, 5 points in 400.000 ms\n"
                              "  40 MiB ┤               ███████\n"
                              "         │               ███████\n"
                              "         │               ███████\n"
                              "  30 MiB ┤               ███████\n"
                              "         │               ███████\n"
                              "         │               ███████\n"
                              "  20 MiB ┤               ███████████████\n"
                              "         │               ███████████████\n"
                              "         │               ███████████████\n"
                              "  10 MiB ┤██████████████████████████████\n"
                              "         │██████████████████████████████\n"
                              "         │██████████████████████████████\n"
                              "   0 MiB └┬──┬───┬───┬───┬──┬───┬───┬──┬\n"
                              "       ms 0  50  100 150 200    300 350\n"
                              "                 ↑loaded data\n");
    free(text);
    fixture_close(&fx);
}

/* Two points, none, all the same, more marks than fit. */
static void
charts_of_little_and_of_much(void **state)
{
    (void)state;
    static double flat[] = {MIB, MIB, MIB, MIB, MIB};
    static struct prf_series series[] = {{"two", "bytes", 0, 2, series_at, flat},
                                         {"none", "bytes", 0, 0, NULL, NULL},
                                         {"flat", "bytes", 0, 5, series_at, flat}};
    static struct prf_mark marks[600];
    struct fixture fx;
    const struct prf_style style = {.width = 40, .ascii = true};
    fixture_open(&fx);
    fx.result.profile->series = series;
    fx.result.profile->n_series = FIXTURE_LEN(series);
    for (size_t i = 0; i < FIXTURE_LEN(marks); i++) {
        marks[i] = (struct prf_mark){"m", 1e6, 0, 1};
    }
    fx.result.profile->marks = marks;
    fx.result.profile->n_marks = 6;
    char *text = chart(&fx, &style);
    assert_contains(text, "two: 1.000 MiB to 1.000 MiB (at 0 ns)");
    assert_contains(text, "none: no points\n");
    assert_int_equal(count_of(text, "^m\n"), 4);
    assert_contains(text, "and 2 more marks\n");
    free(text);
    fx.result.profile->n_marks = FIXTURE_LEN(marks);
    text = chart(&fx, &style);
    assert_contains(text, "600 marks\n");
    free(text);
    fixture_close(&fx);
}

/* ---- tables ---- */

static void
csv_has_a_row_for_each_point(void **state)
{
    (void)state;
    struct fixture fx;
    fixture_memory(&fx);
    char *text = fixture_export("csv", &fx);
    assert_contains(text, ",p95,p99,process,at_ns\r\n");
    assert_contains(text,
                    "memory-time,ok,rss,bytes,41943040,,,,,,,,,,,,0,200000000\r\n");
    assert_contains(text,
                    "memory-time,ok,rss,bytes,5242880,,,,,,,,,,,,3,300000000\r\n");
    assert_int_equal(count_of(text, "\r\n"), 1 + 1 + 5 + 3);
    /* As many columns in each row. */
    size_t n = 0, first = 0;
    for (const char *s = text; *s != '\0'; s++) {
        n += *s == ',';
        if (*s == '\n') {
            first = first == 0 ? n : first;
            assert_int_equal(n, first);
            n = 0;
        }
    }
    free(text);
    fixture_close(&fx);
}

static void
markdown_has_a_row_for_each_curve(void **state)
{
    (void)state;
    struct fixture fx;
    fixture_memory(&fx);
    char *text = fixture_export("markdown", &fx);
    assert_contains(text, "| rss | 10.000 MiB | 40.000 MiB | 200.000 ms | 20.000 MiB | "
                          "5 |\n| rss, child 3 | 5.000 MiB | 15.000 MiB |");
    free(text);
    fixture_close(&fx);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(axes_have_round_numbers),
        cmocka_unit_test(axes_of_one_amount),
        cmocka_unit_test(mprof_lines),
        cmocka_unit_test(mprof_takes_memory_only),
        cmocka_unit_test(svg_of_curves),
        cmocka_unit_test(svg_of_many_points),
        cmocka_unit_test(svg_of_other_series),
        cmocka_unit_test(charts_with_marks),
        cmocka_unit_test(charts_in_blocks),
        cmocka_unit_test(charts_of_little_and_of_much),
        cmocka_unit_test(csv_has_a_row_for_each_point),
        cmocka_unit_test(markdown_has_a_row_for_each_curve),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
