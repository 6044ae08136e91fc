/* The side of a comparison as the store gives it, baselines, dirty trees, and what is
   made of the noise between processes. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "between.h"
#include "path.h"
#include "store.h"

#define COMMIT_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define COMMIT_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define TREE_A "1111111111111111111111111111111111111111"
#define TREE_B "2222222222222222222222222222222222222222"
#define TREE_DIRTY "3333333333333333333333333333333333333333"

static char folder[64];
static struct prf_store *store;

static int
set_up(void **state)
{
    char file[128];
    (void)state;
    strcpy(folder, "/tmp/prf-side-XXXXXX");
    if (mkdtemp(folder) == NULL) {
        return -1;
    }
    snprintf(file, sizeof file, "%s/results.db", folder);
    return prf_store_open(file, PRF_STORE_WRITE, &store, NULL);
}

static int
tear_down(void **state)
{
    (void)state;
    prf_store_close(store);
    store = NULL;
    prf_path_remove_tree(folder);
    return 0;
}

struct where {
    const char *commit, *tree;
    bool dirty;
    const char *fingerprint, *version;
    const char *root, *branch;
};

static void
add_run(const char *id, struct where w)
{
    struct prf_error err = {0};
    struct prf_run run = {
        .id = id,
        .duration_ns = 1,
        .commit = {.id = w.commit,
                   .tree = w.tree,
                   .dirty = w.dirty,
                   .root = w.root,
                   .branch = w.branch},
        .python = {.version = w.version == NULL ? "3.11.2" : w.version,
                   .executable = id, /* another venv is another row, not another side */
                   .host = "embed"},
        .machine = {.fingerprint = w.fingerprint == NULL ? "f00d" : w.fingerprint,
                    .kernel = id},
    };
    if (prf_store_add_run(store, &run, &err) != 0) {
        fail_msg("%s", err.text);
    }
}

struct what {
    const char *run, *id, *name, *profiler, *options, *budget;
    enum prf_status status;
    double value; /* the samples are it, it plus 1, it plus 2 */
};

static void
add_result(struct what w)
{
    struct prf_error err = {0};
    double samples[] = {w.value, w.value + 1, w.value + 2};
    struct prf_metric_values metrics[] = {
        {"wall_time", "ns", PRF_BETTER_LESS, samples, 3, 1},
        {"nothing", "ns", PRF_BETTER_LESS, samples, 0, 0},
        {"calls", "count", PRF_BETTER_NONE, samples, 1, 0},
    };
    struct prf_profile profile = {
        .metrics = metrics, .n_metrics = 3, .duration_ns = -1};
    bool ok = w.status == PRF_STATUS_OK;
    struct prf_result result = {
        .id = w.id,
        .run_id = w.run,
        .case_id = w.name,
        .case_hash = "hash",
        .case_file = "/srv/a.py",
        .case_line = 7,
        .profiler = w.profiler == NULL ? "stopwatch" : w.profiler,
        .options = w.options,
        .budget = w.budget,
        .status = w.status,
        .reason = ok ? NULL : "it raised",
        .profile = ok ? &profile : NULL,
    };
    if (prf_store_add_result(store, &result, &err) != 0) {
        fail_msg("%s", err.text);
    }
}

static struct prf_side_results
side_of(struct prf_side_query query)
{
    struct prf_side_results results = {0};
    struct prf_error err = {0};
    if (prf_store_side(store, &query, &results, &err) != 0) {
        fail_msg("%s", err.text);
    }
    return results;
}

/* The ids, in order, as "r1 r2 ". */
static void
assert_side(struct prf_side_query query, const char *ids)
{
    char found[4096] = "";
    struct prf_side_results results = side_of(query);
    for (size_t i = 0; i < results.n; i++) {
        size_t n = strlen(found);
        snprintf(found + n, sizeof found - n, "%s ", results.items[i].id);
        assert_ptr_equal(results.items[i].run, &results.runs[results.items[i].run_at]);
    }
    assert_string_equal(found, ids);
    prf_side_results_release(&results);
}

static const struct where clean_a = {COMMIT_A, TREE_A};
static const struct where clean_b = {COMMIT_B, TREE_B};
static const struct where dirty_a = {COMMIT_A, TREE_DIRTY, .dirty = true};

static void
test_kinds(void **state)
{
    (void)state;
    const char *const names[] = {"run-1", "run-3", NULL};
    add_run("run-1", clean_a);
    add_run("run-2", dirty_a);
    add_run("run-3", clean_b);
    add_run("run-4", clean_a);
    add_result((struct what){"run-1", "b1", "b.py::B"});
    add_result((struct what){"run-1", "a1", "a.py::A"});
    add_result((struct what){"run-2", "a2", "a.py::A"});
    add_result((struct what){"run-3", "a3", "a.py::A"});
    add_result((struct what){"run-4", "a4", "a.py::A"});
    add_result((struct what){"run-4", "c4", "a.py::A", .profiler = "call"});
    /* by case, profiler, oldest first; not of the changed work tree */
    assert_side((struct prf_side_query){PRF_SIDE_COMMIT, COMMIT_A}, "c4 a1 a4 b1 ");
    assert_side((struct prf_side_query){PRF_SIDE_COMMIT, COMMIT_A, "call"}, "c4 ");
    assert_side((struct prf_side_query){PRF_SIDE_COMMIT, TREE_A}, "");
    assert_side((struct prf_side_query){PRF_SIDE_TREE, TREE_DIRTY}, "a2 ");
    assert_side((struct prf_side_query){PRF_SIDE_TREE, TREE_A}, "c4 a1 a4 b1 ");
    assert_side((struct prf_side_query){PRF_SIDE_RUN, "run-4"}, "c4 a4 ");
    assert_int_equal(prf_store_save_baseline(store, "two", names, NULL), 0);
    assert_side((struct prf_side_query){PRF_SIDE_BASELINE, "two"}, "a1 a3 b1 ");
}

static void
test_content(void **state)
{
    (void)state;
    add_run("run-1", clean_a);
    add_result((struct what){"run-1", "x", "a.py::A", .options = "{\"rounds\": 3}",
                             .budget = "{\"wall_time\": \"+3%\"}", .value = 5});
    add_result((struct what){"run-1", "y", "a.py::B", .status = PRF_STATUS_FAILED});
    struct prf_side_results results =
        side_of((struct prf_side_query){PRF_SIDE_COMMIT, COMMIT_A});
    assert_int_equal(results.n, 2);
    assert_int_equal(results.n_runs, 1);
    assert_string_equal(results.runs[0].commit.tree, TREE_A);
    assert_string_equal(results.runs[0].python.version, "3.11.2");
    const struct prf_side_result *x = &results.items[0], *y = &results.items[1];
    assert_string_equal(x->case_id, "a.py::A");
    assert_string_equal(x->profiler, "stopwatch");
    assert_string_equal(x->options, "{\"rounds\": 3}");
    assert_string_equal(x->budget, "{\"wall_time\": \"+3%\"}");
    assert_string_equal(x->case_hash, "hash");
    assert_string_equal(x->case_file, "/srv/a.py");
    assert_int_equal(x->case_line, 7);
    assert_int_equal(x->n_metrics, 2); /* one has no samples */
    assert_string_equal(x->metrics[0].name, "wall_time");
    assert_string_equal(x->metrics[0].unit, "ns");
    assert_int_equal(x->metrics[0].better, PRF_BETTER_LESS);
    assert_int_equal(x->metrics[0].n, 3);
    assert_int_equal(x->metrics[0].n_warmup, 1);
    assert_true(x->metrics[0].samples[2] == 7.0);
    assert_string_equal(x->metrics[1].name, "calls");
    assert_true(x->metrics[1].samples[0] == 5.0);
    assert_null(x->reason);
    assert_int_equal(y->status, PRF_STATUS_FAILED);
    assert_string_equal(y->reason, "it raised");
    assert_int_equal(y->n_metrics, 0);
    assert_null(y->budget);
    prf_side_results_release(&results);
}

static void
test_newest(void **state)
{
    (void)state;
    char run[16], id[16];
    for (int r = 0; r < 4; r++) {
        snprintf(run, sizeof run, "run-%d", r);
        add_run(run, clean_a);
        for (int i = 0; i < 2; i++) { /* several of a case in one run */
            snprintf(id, sizeof id, "%d%c", r, 'a' + i);
            add_result((struct what){run, id, "a.py::A"});
        }
    }
    add_result((struct what){"run-0", "old", "a.py::A", .options = "{\"k\": 1}"});
    struct prf_side_query query = {PRF_SIDE_COMMIT, COMMIT_A};
    assert_side(query, "0a 0b 1a 1b 2a 2b 3a 3b old ");
    query.n_newest = 3; /* of each set of options */
    assert_side(query, "2b 3a 3b old ");
    query.n_newest = 2;
    assert_side(query, "3a 3b old ");
    query.n_newest = 1;
    assert_side(query, "3b old ");
    query.n_newest = 0;
    query.n_looked = 1; /* one run */
    assert_side(query, "3a 3b ");
    query.n_looked = 13; /* a run is ten, its results count one by one */
    assert_side(query, "2a 2b 3a 3b ");
}

static void
test_many(void **state)
{
    (void)state;
    char name[32], id[32];
    add_run("run-1", clean_a);
    for (int i = 0; i < 700; i++) {
        snprintf(name, sizeof name, "a.py::profile_%03d", (i * 37) % 700);
        snprintf(id, sizeof id, "%03d", (i * 37) % 700);
        add_result((struct what){"run-1", id, name, .value = (i * 37) % 700});
    }
    struct prf_side_results results =
        side_of((struct prf_side_query){PRF_SIDE_RUN, "run-1"});
    assert_int_equal(results.n, 700);
    for (int i = 0; i < 700; i++) {
        snprintf(id, sizeof id, "%03d", i);
        assert_string_equal(results.items[i].id, id);
        assert_int_equal(results.items[i].n_metrics, 2);
        assert_true(results.items[i].metrics[0].samples[0] == (double)i);
    }
    prf_side_results_release(&results);
}

/* Machines by fingerprint and Pythons by what matters, whatever else differs. */
static void
test_like(void **state)
{
    (void)state;
    add_run("run-1", clean_a);
    add_run("run-2", (struct where){COMMIT_B, TREE_B, .fingerprint = "beef"});
    add_run("run-3", (struct where){COMMIT_B, TREE_B, .version = "3.12.1"});
    add_run("run-4", dirty_a);
    add_result((struct what){"run-1", "a", "a.py::A"});
    add_result((struct what){"run-2", "b", "a.py::A"});
    add_result((struct what){"run-3", "c", "a.py::A"});
    add_result((struct what){"run-4", "d", "a.py::A", .budget = "{}"});
    assert_side((struct prf_side_query){PRF_SIDE_LIKE, "run-4"}, "a d ");
    assert_side((struct prf_side_query){PRF_SIDE_LIKE, "run-3"}, "c ");
}

static void
assert_side_fails(struct prf_side_query query, const char *words)
{
    struct prf_side_results results;
    struct prf_error err = {0};
    assert_int_equal(prf_store_side(store, &query, &results, &err), PRF_ENOTFOUND);
    if (strstr(err.text, words) == NULL) {
        fail_msg("no '%s' in '%s'", words, err.text);
    }
    assert_int_equal(results.n, 0);
}

static void
test_not_found(void **state)
{
    (void)state;
    add_run("run-1", clean_a);
    assert_side_fails((struct prf_side_query){PRF_SIDE_RUN, "run"}, "no run 'run'");
    assert_side_fails((struct prf_side_query){PRF_SIDE_LIKE, "x"}, "no run 'x'");
    assert_side_fails((struct prf_side_query){PRF_SIDE_BASELINE, "x"},
                      "no baseline 'x'");
    assert_side((struct prf_side_query){PRF_SIDE_COMMIT, COMMIT_B}, "");
    assert_side((struct prf_side_query){PRF_SIDE_TREE, TREE_B}, "");
}

static void
test_find_run(void **state)
{
    (void)state;
    struct prf_arena arena = {0};
    struct prf_error err = {0};
    const char *id = NULL;
    add_run("2026-a", clean_a);
    add_run("2026-b", clean_a);
    assert_int_equal(prf_store_find_run(store, "2026-a", &arena, &id, &err), 0);
    assert_string_equal(id, "2026-a");
    assert_int_equal(prf_store_find_run(store, "2026", &arena, &id, &err),
                     PRF_ENOTFOUND);
    assert_non_null(strstr(err.text, "ambiguous"));
    prf_error_clear(&err);
    assert_int_equal(prf_store_find_run(store, "7", &arena, &id, &err), PRF_ENOTFOUND);
    assert_non_null(strstr(err.text, "no run '7'"));
    prf_arena_release(&arena);
}

static void
test_baselines(void **state)
{
    (void)state;
    const char *const one[] = {"run-1", NULL}, *const two[] = {"run-2", "run-2", NULL};
    const char *const gone[] = {"run-1", "run-9", NULL}, *const none[] = {NULL};
    struct prf_strlist names = {0};
    struct prf_error err = {0};
    add_run("run-1", clean_a);
    add_run("run-2", clean_b);
    add_result((struct what){"run-1", "a1", "a.py::A"});
    add_result((struct what){"run-2", "a2", "a.py::A"});
    assert_int_equal(prf_store_save_baseline(store, "x", one, &err), 0);
    assert_int_equal(prf_store_save_baseline(store, "y", one, &err), 0);
    assert_int_equal(prf_store_save_baseline(store, "x", two, &err), 0);
    assert_side((struct prf_side_query){PRF_SIDE_BASELINE, "x"}, "a2 ");
    assert_side((struct prf_side_query){PRF_SIDE_BASELINE, "y"}, "a1 ");
    /* what cannot be saved leaves what was there */
    assert_int_equal(prf_store_save_baseline(store, "x", gone, &err), PRF_ENOTFOUND);
    assert_int_equal(prf_store_save_baseline(store, "x", none, NULL), PRF_EUSAGE);
    assert_int_equal(prf_store_save_baseline(store, "x", NULL, NULL), PRF_EUSAGE);
    assert_int_equal(prf_store_save_baseline(store, "", one, NULL), PRF_EUSAGE);
    assert_side((struct prf_side_query){PRF_SIDE_BASELINE, "x"}, "a2 ");
    prf_error_clear(&err);
    assert_int_equal(prf_store_baselines(store, &names, &err), 0);
    assert_int_equal(names.n, 2);
    assert_string_equal(names.items[0], "x"); /* saved last */
    assert_string_equal(names.items[1], "y");
    prf_strlist_release(&names);
}

static void
test_dirty_trees(void **state)
{
    (void)state;
    struct prf_arena arena = {0};
    struct prf_dirty_tree *trees = NULL;
    size_t n = 9;
    assert_int_equal(prf_store_dirty_trees(store, 4, &arena, &trees, &n, NULL), 0);
    assert_int_equal(n, 0);
    add_run("run-1", dirty_a);
    add_run("run-2", (struct where){COMMIT_A, TREE_B, .dirty = true});
    add_run("run-3", dirty_a);
    add_run("run-4", clean_a);
    add_run("run-5",
            (struct where){NULL, NULL, .dirty = true}); /* its tree is unknown */
    assert_int_equal(prf_store_dirty_trees(store, 4, &arena, &trees, &n, NULL), 0);
    assert_int_equal(n, 2);
    assert_string_equal(trees[0].tree, TREE_DIRTY);
    assert_string_equal(trees[0].commit, COMMIT_A);
    assert_string_equal(trees[0].run, "run-3");
    assert_string_equal(trees[1].tree, TREE_B);
    assert_int_equal(prf_store_dirty_trees(store, 1, &arena, &trees, &n, NULL), 0);
    assert_int_equal(n, 1);
    prf_arena_release(&arena);
}

/* Kept trees keep their places when they are measured again in a checkout; a run in the
   work tree makes one the newest. */
static void
test_dirty_trees_measured_again(void **state)
{
    (void)state;
    struct prf_arena arena = {0};
    struct prf_dirty_tree *trees = NULL;
    size_t n = 0;
    struct where old = {COMMIT_A, TREE_DIRTY, .dirty = true, .root = "/home/p"};
    struct where newer = {COMMIT_A, TREE_B, .dirty = true, .root = "/home/p"};
    add_run("run-1", old);
    add_run("run-2", newer);
    newer.root = old.root = "/tmp/1";
    add_run("run-3", newer);
    add_run("run-4", old);
    assert_int_equal(prf_store_dirty_trees(store, 4, &arena, &trees, &n, NULL), 0);
    assert_int_equal(n, 2);
    assert_string_equal(trees[0].tree, TREE_B);
    assert_string_equal(trees[1].tree, TREE_DIRTY);
    old.root = "/home/p";
    old.branch = "main";
    add_run("run-5", old);
    assert_int_equal(prf_store_dirty_trees(store, 4, &arena, &trees, &n, NULL), 0);
    assert_int_equal(n, 2);
    assert_string_equal(trees[0].tree, TREE_DIRTY);
    prf_arena_release(&arena);
}

/* --- noise between processes -------------------------------------------------------
 */

static void
test_median(void **state)
{
    (void)state;
    for (size_t n = 1; n <= 40; n++) {
        double values[40];
        for (size_t i = 0; i < n; i++) {
            values[i] = (double)((i * 17 + 5) % n);
        }
        /* 17 and n have a common divisor for few n: then values repeat */
        double sorted[40];
        memcpy(sorted, values, sizeof sorted);
        for (size_t i = 1; i < n; i++) {
            for (size_t k = i; k > 0 && sorted[k - 1] > sorted[k]; k--) {
                double swapped = sorted[k];
                sorted[k] = sorted[k - 1];
                sorted[k - 1] = swapped;
            }
        }
        double want = (sorted[(n - 1) / 2] + sorted[n / 2]) / 2.0;
        assert_true(prf_between_median(values, n) == want);
    }
}

static void
test_between(void **state)
{
    (void)state;
    struct prf_between_value few[] = {{10, 0}, {11, 0}, {12, 0}, {13, 0}};
    assert_true(prf_between(few, 4) < 0.0); /* three degrees of freedom */
    assert_true(prf_between(NULL, 0) < 0.0);
    /* one of each code says nothing, however many they are */
    struct prf_between_value alone[] = {{1, 0}, {2, 1}, {3, 2}, {4, 3}, {5, 4}, {6, 5}};
    assert_true(prf_between(alone, 6) < 0.0);
    /* levels of the codes do not count: each deviates by 1 % from its own */
    struct prf_between_value pairs[200];
    for (size_t i = 0; i < 200; i++) {
        double level = i % 2 == 0 ? exp(0.01) : exp(-0.01);
        pairs[i] = (struct prf_between_value){level * (double)(1 + i / 2), 100 - i / 2};
    }
    /* the variance of two values that lie 0.02 apart is 0.0002 */
    double many = prf_between(pairs, 200);
    assert_true(many > sqrt(0.0002) && many < 1.1 * sqrt(0.0002));
    double some = prf_between(pairs, 10);
    assert_true(some > 1.2 * sqrt(0.0002) && some < 1.8 * sqrt(0.0002));
    struct prf_between_value same[] = {{5, 0}, {5, 0}, {5, 0}, {5, 0}, {5, 0}};
    assert_true(prf_between(same, 5) == 0.0);
    struct prf_between_value odd[] = {{0, 0}, {NAN, 0}, {-1, 0}, {5, 0}, {5, 0}};
    assert_true(prf_between(odd, 5) < 0.0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_kinds),
        TEST(test_content),
        TEST(test_newest),
        TEST(test_many),
        TEST(test_like),
        TEST(test_not_found),
        TEST(test_find_run),
        TEST(test_baselines),
        TEST(test_dirty_trees),
        TEST(test_dirty_trees_measured_again),
        cmocka_unit_test(test_median),
        cmocka_unit_test(test_between),
    };
    return cmocka_run_group_tests_name("side", tests, NULL, NULL);
}
