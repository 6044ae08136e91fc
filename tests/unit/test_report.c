/* What people see: the tables, and that nothing of a program reaches the terminal raw.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "fixtures.h"
#include "report.h"

static const struct prf_style plain = {.width = 80};

static char *
report_with(const struct fixture *fx, const struct prf_style *style,
            const struct prf_export_options *options)
{
    struct prf_error err = {0};
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    assert_non_null(out);
    int rc = prf_report_result(out, style, &fx->result, options, &err);
    fclose(out);
    if (rc < 0) {
        fail_msg("%s", err.text);
    }
    return text;
}

static char *
report(const struct fixture *fx, const struct prf_style *style)
{
    return report_with(fx, style, &(struct prf_export_options){0});
}

static char *
case_line(const struct fixture *fx, const struct prf_style *style)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    prf_report_case_line(out, style, &fx->result);
    fclose(out);
    return text;
}

static void
calls_look_like_cprofile(void **state)
{
    (void)state;
    struct fixture fx;
    fixture_fib(&fx);
    char *text = report(&fx, &plain);
    assert_contains(text, "         179 function calls (3 primitive calls) in 0.000019 "
                          "seconds\n\n   Ordered by: cumulative time; times in us\n");
    assert_contains(
        text, "   ncalls  tottime  percall  cumtime  percall filename:lineno("
              "function)\n"
              "        1    1.000    1.000   18.707   18.707 /src/app/fib.py:10("
              "Fib.profile_fib)\n"
              "    177/1   17.700    0.100   17.700   17.700 /src/app/fib.py:3(fib)"
              "\n"
              "        1    0.007    0.007    0.007    0.007 {built-in method "
              "builtins.len}\n");
    assert_lacks(text, "was called by");
    assert_lacks(text, "\033");
    free(text);
    fixture_close(&fx);
}

static void
calls_as_asked_for(void **state)
{
    (void)state;
    struct fixture fx;
    const struct prf_style verbose = {.width = 80, .verbosity = 1};
    fixture_fib(&fx);
    char *text = report_with(
        &fx, &verbose,
        &(struct prf_export_options){
            .sort = "tottime", .top_k = 1, .strip_dirs = true, .time_unit = "s"});
    assert_contains(text, "   Ordered by: internal time\n");
    assert_contains(text, "List reduced from 3 to 1 due to restriction <1>");
    assert_contains(text, " fib.py:3(fib)\n");
    assert_lacks(text, "builtins.len");
    assert_contains(text,
                    "      <-        1    0.000    0.000  fib.py:10(Fib.profile_fib)");
    assert_contains(text, "      <-    176");
    free(text);
    struct prf_error err = {0};
    assert_int_equal(prf_report_result(stderr, &plain, &fx.result,
                                       &(struct prf_export_options){.sort = "nonsense"},
                                       &err),
                     PRF_EUSAGE);
    assert_contains(err.text, "unknown sort key 'nonsense'");
    fixture_close(&fx);
}

static void
rounds_of_a_stopwatch(void **state)
{
    (void)state;
    struct fixture fx;
    fixture_rounds(&fx);
    char *text = report(&fx, &plain);
    assert_contains(text, "wall_time                      cpu_time\n");
    assert_contains(text, "4.000 ms \u00b1 121.9 %");
    assert_contains(text, "2.250 .. 12.000 ms");
    assert_contains(text, "6.682 ms \u00b1 8.228 ms");
    assert_contains(text, "21.000 ms");
    assert_contains(text, "1 mild, 1 severe of 11");
    assert_contains(text, "none of 6");
    assert_contains(text, "peak_memory");
    assert_contains(text, "3.000 MiB\n");
    assert_contains(text, "11 \u00d7 1000 loops, 2 warm-up\n");
    assert_contains(text, "\u2588");
    assert_contains(text, "  index  mark             at [ms]    delta [ms]\n");
    assert_contains(text, "      0  start              0.000         0.000\n");
    assert_contains(text, "      1  generated          1.000         1.000\n");
    assert_contains(text, "\\x1b");
    assert_lacks(text, "\033");
    free(text);
    text = report_with(&fx, &(struct prf_style){.width = 80, .ascii = true},
                       &(struct prf_export_options){.time_unit = "us"});
    assert_contains(text, "4000.000 us +- 121.9 %");
    assert_contains(text, "delta [us]");
    for (const char *s = text; *s != '\0'; s++) {
        assert_true((unsigned char)*s < 0x80);
    }
    free(text);
    fixture_close(&fx);
}

static void
declared_columns(void **state)
{
    (void)state;
    struct fixture fx;
    fixture_lines(&fx);
    char *text = report(&fx, &plain);
    assert_contains(text, "  hits  growth [MiB]  site\n"
                          "     7         1.000  /src/m.py:3(M.f)\n"
                          "     1         0.002  /src/m.py:2(M.f)\n"
                          "     7        -0.004  /src/m.py:5(M.f)\n");
    assert_contains(text, "rss: 1.000 MiB to 4.000 MiB (at 20 ns), last 2.000 MiB, "
                          "4 points in 30 ns");
    assert_contains(text, "rss, child 1: no points");
    free(text);
    fixture_close(&fx);
}

static void
failures_are_explained(void **state)
{
    (void)state;
    static const char *notes[] = {"the case left \033[1mthreads"};
    struct fixture fx;
    fixture_open(&fx);
    fx.result.status = PRF_STATUS_CRASHED;
    fx.result.signal = "SIGSEGV";
    fx.result.reason = "ended by \033]0;SIGSEGV";
    fx.result.traceback = "Traceback (most recent call last):\n"
                          "  File \"x.py\", line 1, in f\nValueError: \033[2J\n";
    fx.result.output = "printed\n\033[31mred";
    fx.result.profile->notes = notes;
    fx.result.profile->n_notes = 1;
    fx.result.profile->n_lost = 12;
    char *text = report(&fx, &plain);
    assert_contains(text, "call  crashed (SIGSEGV)\n  ended by \\x1b]0;SIGSEGV\n");
    assert_contains(text, "    File \"x.py\", line 1, in f\n  ValueError: \\x1b[2J\n");
    assert_contains(text, "captured output\nprinted\n\\x1b[31mred\n");
    assert_contains(text, "note: the case left \\x1b[1mthreads\n");
    assert_contains(text, "12 events lost: the tables are incomplete\n");
    assert_lacks(text, "\033");
    free(text);
    text = report(&fx, &(struct prf_style){.width = 80, .color = true});
    assert_contains(text, "\033[31mcrashed (SIGSEGV)\033[0m");
    assert_contains(text, "\033[2m  File \"x.py\", line 1, in f\033[0m");
    assert_contains(text, "\\x1b[2J");
    free(text);
    fixture_close(&fx);
}

static void
a_profilers_own_report_is_printed(void **state)
{
    (void)state;
    struct fixture fx;
    fixture_open(&fx);
    fx.result.profile->report = "line one\n\tline two \033[5m";
    fx.result.output = "not shown of a case that is ok";
    char *text = report(&fx, &plain);
    assert_contains(text, "line one\n\tline two \\x1b[5m\n");
    assert_lacks(text, "not shown");
    free(text);
    prf_profile_free(fx.result.profile);
    fx.result.profile = NULL;
    text = report(&fx, &plain);
    assert_string_equal(text, "cases/fib.py::Fib::profile_fib  call\n");
    free(text);
    fixture_close(&fx);
}

static void
case_lines(void **state)
{
    (void)state;
    struct fixture fx;
    const struct prf_style ascii = {.width = 80, .ascii = true};
    fixture_fib(&fx);
    char *text = case_line(&fx, &ascii);
    assert_contains(text, "ok   cases/fib.py::Fib::profile_fib");
    assert_contains(text, "  call  179 calls, 20.000 us\n");
    assert_int_equal(strlen(text), 81);
    free(text);
    fixture_close(&fx);
    fixture_rounds(&fx);
    text = case_line(&fx, &plain);
    assert_contains(text, "\u2713 cases/");
    assert_contains(text, "stopwatch  4.000 ms \u00b1 121.9 %\n");
    free(text);
    fx.result.status = PRF_STATUS_SKIPPED;
    fx.result.reason = "later";
    text = case_line(&fx, &ascii);
    assert_contains(text, "skip cases/");
    assert_contains(text, "skipped: later\n");
    free(text);
    fx.result.status = PRF_STATUS_FAILED;
    fx.result.reason = "ValueError: a reason that is far too long for one line \033[2J";
    text = case_line(&fx, &(struct prf_style){.width = 80, .color = true});
    assert_contains(text, "\033[31m\u2717\033[0m cases/fib.py::Fib::profile_fib");
    assert_contains(text, "\n    stopwatch  failed: ValueError: a reason");
    assert_contains(text, "one line \\x1b[2J\n");
    free(text);
    fx.result.status = PRF_STATUS_OK;
    fx.result.case_id =
        "a/very/long/path/that/does/not/fit/into/the/line/of/a/terminal/"
        "file.py::Class::profile_case";
    text = case_line(&fx, &ascii);
    assert_contains(text, "...");
    assert_contains(text, "profile_case  stopwatch");
    assert_true(strlen(text) <= 81);
    free(text);
    fixture_close(&fx);
}

static void
summaries(void **state)
{
    (void)state;
    char *text = NULL;
    size_t size;
    const struct prf_totals totals = {
        .n = {[PRF_STATUS_OK] = 5, [PRF_STATUS_FAILED] = 1, [PRF_STATUS_SKIPPED] = 2},
        .duration_ns = 1300000000};
    FILE *out = open_memstream(&text, &size);
    prf_report_summary(out, &plain, &totals);
    prf_report_summary(out, &plain, &(struct prf_totals){.duration_ns = 4000000});
    fclose(out);
    assert_string_equal(text, "5 ok, 1 failed, 2 skipped in 1.3 s\n"
                              "nothing was run in 4 ms\n");
    free(text);
}

static void
heads(void **state)
{
    (void)state;
    struct fixture fx;
    char *text = NULL;
    size_t size;
    fixture_open(&fx);
    FILE *out = open_memstream(&text, &size);
    prf_report_head(out, &plain, &fx.run);
    fx.run.commit = (struct prf_commit){.note = "no repository\033"};
    prf_report_head(out, &plain, &fx.run);
    prf_report_head(out, &plain, &(struct prf_run){0});
    fclose(out);
    assert_contains(text, "commit 0123456789 on main, with uncommitted changes\n"
                          "CPython 3.11.2 (embedded), A CPU x 2\n");
    assert_contains(text, "no commit: no repository\\x1b\n");
    assert_contains(text, "Python of unknown version\n");
    free(text);
    fixture_close(&fx);
}

static void
clear_environment(void)
{
    static const char *const names[] = {"NO_COLOR", "FORCE_COLOR", "CLICOLOR_FORCE",
                                        "LC_ALL",   "LC_CTYPE",    "LANG"};
    for (size_t i = 0; i < FIXTURE_LEN(names); i++) {
        unsetenv(names[i]);
    }
}

static void
colour_rules(void **state)
{
    (void)state;
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    clear_environment();
    assert_false(prf_color_enabled(PRF_COLOR_AUTO, fds[1]));
    assert_true(prf_color_enabled(PRF_COLOR_ALWAYS, fds[1]));
    setenv("FORCE_COLOR", "1", 1);
    assert_true(prf_color_enabled(PRF_COLOR_AUTO, fds[1]));
    assert_false(prf_color_enabled(PRF_COLOR_NEVER, fds[1]));
    setenv("NO_COLOR", "", 1);
    assert_true(prf_color_enabled(PRF_COLOR_AUTO, fds[1]));
    setenv("NO_COLOR", "1", 1);
    assert_false(prf_color_enabled(PRF_COLOR_AUTO, fds[1]));
    assert_true(prf_color_enabled(PRF_COLOR_ALWAYS, fds[1]));
    clear_environment();
    setenv("CLICOLOR_FORCE", "1", 1);
    assert_true(prf_color_enabled(PRF_COLOR_AUTO, fds[1]));
    clear_environment();
    assert_false(prf_unicode_enabled());
    setenv("LANG", "de_DE.UTF-8", 1);
    assert_true(prf_unicode_enabled());
    setenv("LC_ALL", "C", 1);
    assert_false(prf_unicode_enabled());
    close(fds[0]);
    close(fds[1]);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calls_look_like_cprofile),
        cmocka_unit_test(calls_as_asked_for),
        cmocka_unit_test(rounds_of_a_stopwatch),
        cmocka_unit_test(declared_columns),
        cmocka_unit_test(failures_are_explained),
        cmocka_unit_test(a_profilers_own_report_is_printed),
        cmocka_unit_test(case_lines),
        cmocka_unit_test(summaries),
        cmocka_unit_test(heads),
        cmocka_unit_test(colour_rules),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
