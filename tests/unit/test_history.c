/* The model of a history: places, levels and their intervals, settings, steps. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "bisection.h"
#include "history.h"
#include "history_report.h"
#include "shell.h"
#include "store.h"

#define N 12

struct story {
    struct prf_history_commit commits[N];
    char ids[N][41];
    struct prf_history history;
    struct prf_history_rules rules;
};

static int
story_open(void **state)
{
    struct story *s = calloc(1, sizeof *s);
    assert_non_null(s);
    for (int i = 0; i < N; i++) {
        snprintf(s->ids[i], sizeof s->ids[i], "%040d", i);
        s->commits[i] = (struct prf_history_commit){.id = s->ids[i],
                                                    .summary = "a change",
                                                    .author = "A",
                                                    .tags = "",
                                                    .time = 1700000000 + i};
    }
    s->rules = (struct prf_history_rules){.threshold = 0.02, .alpha = 0.01};
    assert_int_equal(prf_history_begin(&s->history, s->commits, N, NULL), 0);
    *state = s;
    return 0;
}

static int
story_close(void **state)
{
    struct story *s = *state;
    prf_history_release(&s->history);
    prf_history_release(&s->history); /* idempotent */
    free(s);
    return 0;
}

static struct prf_history_value
value_of(size_t commit, const double *sample, size_t n)
{
    static int64_t now = 0;
    return (struct prf_history_value){
        .case_id = "a.py::A::profile_a",
        .profiler = "stopwatch",
        .metric = "wall_time",
        .unit = "ns",
        .better = PRF_BETTER_LESS,
        .samples = sample,
        .n = n,
        .commit = commit,
        .setting = {.machine = "f00d",
                    .hostname = "box",
                    .python = "3.12.1",
                    .implementation = "CPython",
                    .host = "embed",
                    .options = "{}"},
        .case_hash = "h",
        .result_id = "r",
        .started_ns = ++now,
    };
}

static void
assert_near(double value, double expected, double within)
{
    if (!(fabs(value - expected) <= within)) {
        fail_msg("%.17g instead of %g within %g", value, expected, within);
    }
}

static void
add(struct story *s, size_t commit, double value)
{
    struct prf_history_value v = value_of(commit, &value, 1);
    assert_int_equal(prf_history_add(&s->history, &v, NULL), 0);
}

static const struct prf_history_series *
finish(struct story *s)
{
    struct prf_error err = {0};
    if (prf_history_finish(&s->history, &s->rules, &err) != 0) {
        fail_msg("%s", err.text);
    }
    return &s->history.series[0];
}

/* ---- places ---- */

static void
test_gaps_are_one_place(void **state)
{
    struct story *s = *state;
    add(s, 2, 100);
    add(s, 6, 101);
    finish(s);
    const struct prf_history *h = &s->history;
    assert_int_equal(h->n_places, 4);
    assert_int_equal(h->n_older, 2);
    assert_int_equal(h->n_measured, 2);
    assert_int_equal(h->places[0].kind, PRF_PLACE_COMMIT);
    assert_int_equal(h->places[1].kind, PRF_PLACE_GAP);
    assert_int_equal(h->places[1].commit, 3);
    assert_int_equal(h->places[1].n_commits, 3);
    assert_int_equal(h->places[2].commit, 6);
    assert_int_equal(h->places[3].kind, PRF_PLACE_GAP);
    assert_int_equal(h->places[3].n_commits, N - 7);
}

static void
add_tree(struct story *s, size_t commit, const char *tree, double value)
{
    struct prf_history_value v = value_of(commit, &value, 1);
    v.tree = tree;
    assert_int_equal(prf_history_add(&s->history, &v, NULL), 0);
}

static void
test_dirty_trees_stand_behind_their_commit(void **state)
{
    struct story *s = *state;
    add(s, 3, 100);
    add_tree(s, 3, "bbbb", 90);
    add_tree(s, 3, "aaaa", 80);
    add_tree(s, 3, "bbbb", 92);
    add(s, 4, 100);
    s->rules.wip = true;
    const struct prf_history_series *series = finish(s);
    const struct prf_history *h = &s->history;
    assert_int_equal(h->n_dirty, 0);
    assert_int_equal(h->places[1].kind, PRF_PLACE_WIP);
    assert_string_equal(h->places[1].tree, "bbbb"); /* measured first */
    assert_string_equal(h->places[2].tree, "aaaa");
    assert_int_equal(h->places[3].kind, PRF_PLACE_COMMIT);
    assert_int_equal(series->n, 4);
    assert_near(series->points[1].value, 91, 1e-9);
    assert_int_equal(series->points[1].n_processes, 2);
    assert_int_equal(series->n_steps, 0); /* a dirty tree is no commit that made it */
}

static void
test_dirty_trees_are_counted(void **state)
{
    struct story *s = *state;
    add(s, 3, 100);
    add_tree(s, 3, "aaaa", 80);
    const struct prf_history_series *series = finish(s);
    assert_int_equal(s->history.n_dirty, 1);
    assert_int_equal(series->n, 1);
    struct prf_strbuf notes = PRF_STRBUF_INIT;
    prf_history_add_notes(&notes, &s->history);
    assert_string_equal(prf_strbuf_text(&notes),
                        "1 result of dirty trees: --wip shows them\n");
    prf_strbuf_release(&notes);
}

static void
assert_fails(struct story *s, int code, const char *words)
{
    struct prf_error err = {0};
    int rc = prf_history_finish(&s->history, &s->rules, &err);
    if (rc != code || strstr(err.text, words) == NULL) {
        fail_msg("%d '%s' instead of %d '%s'", rc, err.text, code, words);
    }
}

static void
test_only_dirty_trees(void **state)
{
    struct story *s = *state;
    add_tree(s, 3, "aaaa", 80);
    assert_fails(s, PRF_ENOTFOUND, "--wip");
}

static void
test_nothing(void **state)
{
    assert_fails(*state, PRF_ENOTFOUND, "no result");
}

static void
test_unknown_metric(void **state)
{
    struct story *s = *state;
    static const char *const metrics[] = {"wall_clock", NULL};
    add(s, 1, 5);
    s->rules.metrics = metrics;
    assert_fails(s, PRF_ENOTFOUND, "no metric 'wall_clock'; there is: wall_time");
}

/* ---- levels ---- */

static void
test_interval_is_pooled_over_commits(void **state)
{
    struct story *s = *state;
    for (size_t i = 0; i < N; i++) {
        add(s, i, 99);
        add(s, i, 101);
    }
    add(s, 0, 100);
    const struct prf_history_series *series = finish(s);
    const struct prf_history_point *two = &series->points[1];
    assert_int_equal(series->n, N);
    assert_int_equal(two->n_processes, 2);
    assert_near(two->value, 100, 1e-9);
    /* 12 and a half times 2 % apart: sigma 1.4 % of one process, 1 % of two; t of 13 */
    assert_near(two->sigma, 0.0098, 0.0005);
    assert_near(two->ci_high / 100 - 1, 2.16 * 0.0098, 0.002);
    assert_near(two->ci_low * two->ci_high, 10000, 1e-6);
    assert_int_equal(series->n_steps, 0);
}

static void
test_one_process_has_its_own_interval(void **state)
{
    struct story *s = *state;
    const double samples[] = {10, 11, 12, 13, 14, 15, 16, 17};
    struct prf_history_value v = value_of(1, samples, 8);
    assert_int_equal(prf_history_add(&s->history, &v, NULL), 0);
    add(s, 2, 13);
    const struct prf_history_series *series = finish(s);
    assert_near(series->points[0].value, 13.5, 1e-9);
    assert_near(series->points[0].ci_low, 10, 1e-9);
    assert_near(series->points[0].ci_high, 17, 1e-9);
    assert_true(series->points[0].sigma < 0);
    assert_true(isnan(series->points[1].ci_low));
}

static void
test_values_of_zero_and_below(void **state)
{
    struct story *s = *state;
    add(s, 1, 0);
    add(s, 1, 2);
    add(s, 2, -4);
    const struct prf_history_series *series = finish(s);
    assert_near(series->points[0].value, 1, 1e-9);
    assert_true(series->points[0].ci_low < 0); /* not a ratio */
    assert_near(series->points[1].value, -4, 1e-9);
}

static void
test_failures_have_a_place(void **state)
{
    struct story *s = *state;
    add(s, 1, 100);
    struct prf_history_value v = value_of(2, NULL, 0);
    v.metric = NULL;
    v.status = "crashed";
    assert_int_equal(prf_history_add(&s->history, &v, NULL), 0);
    add(s, 3, 100);
    const struct prf_history_series *series = finish(s);
    assert_int_equal(series->n, 3);
    assert_true(isnan(series->points[1].value));
    assert_int_equal(series->points[1].n_failed, 1);
    assert_string_equal(series->points[1].status, "crashed");
    assert_int_equal(s->history.n_measured, 2);
}

static void
test_source_of_the_case(void **state)
{
    struct story *s = *state;
    const double one = 1;
    static const char *const hashes[] = {"a", "a", NULL, "a", "b", "b"};
    for (size_t i = 0; i < 6; i++) {
        struct prf_history_value v = value_of(i, &one, 1);
        v.case_hash = hashes[i];
        assert_int_equal(prf_history_add(&s->history, &v, NULL), 0);
    }
    const struct prf_history_series *series = finish(s);
    for (size_t i = 0; i < 6; i++) {
        assert_int_equal(series->points[i].source_changed, i == 4);
    }
}

/* ---- settings ---- */

static void
add_on(struct story *s, size_t commit, const char *python, const char *options)
{
    const double value = 100;
    struct prf_history_value v = value_of(commit, &value, 1);
    v.setting.python = python;
    v.setting.options = options;
    assert_int_equal(prf_history_add(&s->history, &v, NULL), 0);
}

static void
test_only_the_newest_setting(void **state)
{
    struct story *s = *state;
    add_on(s, 1, "3.11.2", "{}");
    add_on(s, 2, "3.11.2", "{}");
    add_on(s, 2, "3.12.1", "{}");
    const struct prf_history_series *series = finish(s);
    assert_int_equal(s->history.n_series, 1);
    assert_string_equal(series->setting->python, "3.12.1");
    assert_int_equal(series->n, 1);
    assert_int_equal(s->history.n_other, 2);
    assert_string_equal(s->history.other, "Python 3.11.2");
}

static void
test_settings_side_by_side(void **state)
{
    struct story *s = *state;
    add_on(s, 1, "3.11.2", "{}");
    add_on(s, 2, "3.12.1", "{\"rounds\":\"5\"}");
    s->rules.across_machines = true;
    const struct prf_history_series *series = finish(s);
    assert_int_equal(s->history.n_series, 2);
    assert_null(series[0].differs);
    assert_string_equal(series[1].differs, "Python 3.11.2, options {}");
    assert_int_equal(s->history.n_other, 0);
}

/* ---- steps ---- */

static void
test_step_names_its_commit(void **state)
{
    struct story *s = *state;
    for (size_t i = 0; i < N; i++) {
        for (int k = 0; k < 3; k++) {
            add(s, i, (i < 7 ? 100 : 150) + k);
        }
    }
    const struct prf_history_series *series = finish(s);
    assert_int_equal(series->n_steps, 1);
    assert_ptr_equal(prf_history_commit_of(&s->history, series, series->steps[0].at),
                     &s->commits[7]);
    assert_int_equal(series->steps[0].n_between, 0);
    assert_true(series->steps[0].worse);
    assert_near(series->steps[0].ratio, 1.5, 0.02);
    assert_string_equal(prf_history_step_word(series, &series->steps[0]), "slower");
}

static void
test_step_over_a_gap(void **state)
{
    struct story *s = *state;
    for (size_t i = 0; i < N; i += i == 4 ? 4 : 1) {
        for (int k = 0; k < 3; k++) {
            add(s, i, (i < 6 ? 150 : 100) + k);
        }
    }
    const struct prf_history_series *series = finish(s);
    struct prf_strbuf command = PRF_STRBUF_INIT;
    assert_int_equal(series->n_steps, 1);
    assert_int_equal(series->steps[0].n_between, 3);
    assert_true(series->steps[0].better);
    prf_history_add_bisect(&command, &s->history, series, &series->steps[0]);
    assert_string_equal(prf_strbuf_text(&command),
                        "pyprofiler bisect a.py::A::profile_a --metric wall_time "
                        "--good 000000000000 --bad 000000000000");
    prf_strbuf_release(&command);
}

/* What came in by a merge lies between its neighbours in the list, but is no child of
   theirs. */
static void
test_side_branch_makes_no_step(void **state)
{
    struct story *s = *state;
    for (size_t i = 0; i < N; i++) {
        s->commits[i].aside = i >= 4 && i < 8;
        for (int k = 0; k < 3; k++) {
            add(s, i, (i >= 4 && i < 8 ? 200 : 100) + k);
        }
    }
    const struct prf_history_series *series = finish(s);
    assert_int_equal(series->n, N);
    assert_int_equal(series->n_steps, 0);
    assert_true(s->history.places[5].aside);
}

/* ---- the store ---- */

#define COMMIT "0123456789abcdef0123456789abcdef01234567"

static void
add_stored(struct prf_store *store, const char *id, const char *case_id,
           double *samples, size_t n)
{
    struct prf_metric_values metric = {.name = "wall_time",
                                       .unit = "ns",
                                       .better = PRF_BETTER_LESS,
                                       .samples = samples,
                                       .n = n};
    struct prf_profile profile = {.metrics = &metric, .n_metrics = n > 0};
    struct prf_run run = {.id = id,
                          .commit = {.id = COMMIT, .dirty = true, .tree = "t"},
                          .python = {.version = "3.12.1", .host = "embed"},
                          .machine = {.fingerprint = "f00d", .hostname = "box"}};
    struct prf_result result = {.id = id,
                                .run_id = id,
                                .case_id = case_id,
                                .profiler = "stopwatch",
                                .options = "{}",
                                .status = n > 0 ? PRF_STATUS_OK : PRF_STATUS_CRASHED,
                                .profile = &profile};
    assert_int_equal(prf_store_add_run(store, &run, NULL), 0);
    assert_int_equal(prf_store_add_result(store, &result, NULL), 0);
}

struct seen {
    int n, stop_after;
    double sum;
    bool crashed;
};

static int
see_point(const struct prf_point *p, void *arg)
{
    struct seen *seen = arg;
    assert_string_equal(p->commit, COMMIT);
    assert_string_equal(p->tree, "t");
    assert_true(p->dirty);
    assert_string_equal(p->fingerprint, "f00d");
    assert_string_equal(p->version, "3.12.1");
    assert_string_equal(p->options, "{}");
    if (p->status == PRF_STATUS_CRASHED) {
        assert_null(p->metric);
        seen->crashed = true;
    } else {
        assert_string_equal(p->metric, "wall_time");
        assert_string_equal(p->unit, "ns");
        assert_int_equal(p->better, PRF_BETTER_LESS);
    }
    for (size_t i = 0; i < p->n_samples; i++) {
        seen->sum += p->samples[i];
    }
    return ++seen->n == seen->stop_after ? 7 : 0;
}

static int
see_series(const char *case_id, const char *profiler, void *arg)
{
    struct seen *seen = arg;
    assert_string_equal(case_id, seen->n == 0 ? "a.py::A::a" : "a.py::A::b");
    assert_string_equal(profiler, "stopwatch");
    seen->n++;
    return 0;
}

static void
test_values_of_the_store(void **state)
{
    (void)state;
    char folder[] = "/tmp/prf_history_XXXXXX", file[64];
    struct prf_store *store = NULL;
    double few[] = {1, 2}, more[] = {10, 20, 30};
    assert_non_null(mkdtemp(folder));
    snprintf(file, sizeof file, "%s/s.db", folder);
    assert_int_equal(prf_store_open(file, PRF_STORE_WRITE, &store, NULL), 0);
    add_stored(store, "r1", "a.py::A::b", few, 2);
    add_stored(store, "r2", "a.py::A::a", few, 2);
    add_stored(store, "r3", "a.py::A::b", NULL, 0);
    add_stored(store, "r4", "a.py::A::b", more, 3);
    struct seen seen = {0}, stopped = {.stop_after = 2}, none = {0}, series = {0};
    assert_int_equal(
        prf_store_points(store, "a.py::A::b", "stopwatch", see_point, &seen, NULL), 0);
    assert_int_equal(seen.n, 3);
    assert_true(seen.crashed);
    assert_near(seen.sum, 63, 0);
    assert_int_equal(
        prf_store_points(store, "a.py::A::b", "stopwatch", see_point, &stopped, NULL),
        7);
    assert_int_equal(stopped.n, 2);
    assert_int_equal(
        prf_store_points(store, "a.py::A::b", "call", see_point, &none, NULL), 0);
    assert_int_equal(none.n, 0);
    assert_int_equal(prf_store_series(store, see_series, &series, NULL), 0);
    assert_int_equal(series.n, 2);
    prf_store_close(store);
    char command[128];
    snprintf(command, sizeof command, "rm -r %s", folder);
    assert_int_equal(system(command), 0);
}

/* ---- words ---- */

static void
test_changes_in_words(void **state)
{
    (void)state;
    char buf[24];
    assert_string_equal(prf_history_change(1.034, buf, sizeof buf), "+3.4%");
    assert_string_equal(prf_history_change(0.5, buf, sizeof buf), "-50.0%");
    assert_string_equal(prf_history_change(12.5, buf, sizeof buf), "x12.5");
    assert_string_equal(prf_history_change(NAN, buf, sizeof buf), "-");
    assert_string_equal(prf_history_date(1700000000, buf, sizeof buf), "2023-11-14");
    assert_string_equal(prf_history_date(0, buf, sizeof buf), "-");
    for (int i = PRF_BISECT_FOUND; i <= PRF_BISECT_STOPPED; i++) {
        assert_non_null(prf_bisect_outcome_name((enum prf_bisect_outcome)i));
    }
}

static void
test_words_of_a_shell(void **state)
{
    (void)state;
    struct prf_strbuf sb = PRF_STRBUF_INIT;
    prf_shell_add(&sb, "a.py::A::b");
    prf_strbuf_addc(&sb, ' ');
    prf_shell_add(&sb, "b[x='1'; rm]");
    prf_strbuf_addc(&sb, ' ');
    prf_shell_add(&sb, "");
    assert_string_equal(prf_strbuf_text(&sb), "a.py::A::b 'b[x='\\''1'\\''; rm]' ''");
    prf_strbuf_release(&sb);
}

static void
test_formats(void **state)
{
    (void)state;
    const struct prf_history_format *format = NULL;
    struct prf_error err = {0};
    assert_int_equal(prf_history_format_find(NULL, NULL, &format, &err), 0);
    assert_string_equal(format->name, "text");
    assert_int_equal(prf_history_format_find(NULL, "a.svg", &format, &err), 0);
    assert_string_equal(format->name, "svg");
    assert_int_equal(prf_history_format_find("jsn", NULL, &format, &err), PRF_EUSAGE);
    assert_non_null(strstr(err.text, "did you mean 'json'"));
    prf_error_clear(&err);
    assert_int_equal(prf_history_format_find("zzzzzz", NULL, &format, &err),
                     PRF_EUSAGE);
    assert_non_null(strstr(err.text, "there are: text"));
}

int
main(void)
{
#define STORY(f) cmocka_unit_test_setup_teardown(f, story_open, story_close)
    const struct CMUnitTest tests[] = {
        STORY(test_gaps_are_one_place),
        STORY(test_dirty_trees_stand_behind_their_commit),
        STORY(test_dirty_trees_are_counted),
        STORY(test_only_dirty_trees),
        STORY(test_nothing),
        STORY(test_unknown_metric),
        STORY(test_interval_is_pooled_over_commits),
        STORY(test_one_process_has_its_own_interval),
        STORY(test_values_of_zero_and_below),
        STORY(test_failures_have_a_place),
        STORY(test_source_of_the_case),
        STORY(test_only_the_newest_setting),
        STORY(test_settings_side_by_side),
        STORY(test_step_names_its_commit),
        STORY(test_step_over_a_gap),
        STORY(test_side_branch_makes_no_step),
        cmocka_unit_test(test_values_of_the_store),
        cmocka_unit_test(test_changes_in_words),
        cmocka_unit_test(test_words_of_a_shell),
        cmocka_unit_test(test_formats),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
