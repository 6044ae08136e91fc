/* The store's earlier results: which ones, in which order, with which amounts. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "path.h"
#include "store.h"

static char folder[64];
static struct prf_store *store;

static int
set_up(void **state)
{
    char file[128];
    struct prf_error err = {0};
    (void)state;
    strcpy(folder, "/tmp/prf-earlier-XXXXXX");
    if (mkdtemp(folder) == NULL) {
        return -1;
    }
    snprintf(file, sizeof file, "%s/results.db", folder);
    return prf_store_open(file, PRF_STORE_WRITE, &store, &err);
}

static int
tear_down(void **state)
{
    (void)state;
    prf_store_close(store);
    prf_path_remove_tree(folder);
    return 0;
}

static struct prf_run
run_of(const char *id)
{
    return (struct prf_run){
        .id = id,
        .commit = {.id = "0123456789abcdef0123456789abcdef01234567"},
        .python = {.version = "3.12.1",
                   .implementation = "CPython",
                   .executable = "/usr/bin/python3",
                   .flags = "",
                   .host = "embed"},
        .machine = {.fingerprint = "f00d", .n_cpus = 2}};
}

static struct prf_result
result_of(const struct prf_run *run, const char *id)
{
    return (struct prf_result){.id = id,
                               .run_id = run->id,
                               .case_id = "slow.py[-n 3]",
                               .profiler = "call",
                               .options = "{}",
                               .case_hash = "hash",
                               .status = PRF_STATUS_OK};
}

static void
add(const struct prf_run *run, const struct prf_result *result)
{
    struct prf_error err = {0};
    if (prf_store_add_run(store, run, &err) != 0 ||
        prf_store_add_result(store, result, &err) != 0) {
        fail_msg("%s", err.text);
    }
}

static void
add_plain(const char *run_id, const char *id)
{
    struct prf_run run = run_of(run_id);
    struct prf_result result = result_of(&run, id);
    add(&run, &result);
}

static int
collect(const struct prf_earlier *earlier, void *arg)
{
    size_t len = strlen(arg);
    assert_string_equal(earlier->run->id, earlier->result->run_id);
    assert_string_equal(earlier->result->case_hash, "hash");
    snprintf((char *)arg + len, 512 - len, "%s ", earlier->result->id);
    return 0;
}

static void
assert_earlier(const struct prf_run *run, const struct prf_result *result, size_t limit,
               const char *ids)
{
    char found[512] = "";
    struct prf_error err = {0};
    const struct prf_earlier_query query = {
        .run = run, .result = result, .limit = limit};
    if (prf_store_earlier(store, &query, collect, found, &err) != 0) {
        fail_msg("%s", err.text);
    }
    assert_string_equal(found, ids);
}

static void
newest_first_up_to_the_limit(void **state)
{
    (void)state;
    add_plain("1", "a");
    add_plain("2", "b");
    add_plain("3", "c");
    struct prf_run now = run_of("4");
    struct prf_result result = result_of(&now, "d");
    assert_earlier(&now, &result, 20, "c b a "); /* not in the store */
    add(&now, &result);
    assert_earlier(&now, &result, 20, "c b a "); /* not itself */
    assert_earlier(&now, &result, 2, "c b ");
    assert_earlier(&now, &result, 0, "");
    add_plain("5", "e");
    assert_earlier(&now, &result, 20, "c b a "); /* and nothing newer */
}

static void
only_the_same_conditions(void **state)
{
    (void)state;
    struct prf_run now = run_of("9"), r;
    struct prf_result result = result_of(&now, "now"), x;
    add_plain("1", "same");
#define OTHER_RUN(run_id, field, value)                                                \
    r = run_of(run_id);                                                                \
    r.field = value;                                                                   \
    x = result_of(&r, "x" run_id);                                                     \
    add(&r, &x)
#define OTHER_RESULT(run_id, field, value)                                             \
    r = run_of(run_id);                                                                \
    x = result_of(&r, "x" run_id);                                                     \
    x.field = value;                                                                   \
    add(&r, &x)
    OTHER_RUN("20", machine.fingerprint, "beef");
    OTHER_RUN("21", python.version, "3.13.0");
    OTHER_RUN("22", python.implementation, "PyPy");
    OTHER_RUN("23", python.host, "python");
    OTHER_RUN("24", python.flags, "--with-pydebug");
    OTHER_RESULT("25", case_id, "slow.py");
    OTHER_RESULT("26", profiler, "line");
    OTHER_RESULT("27", options, "{\"max-nodes\":\"3\"}");
    OTHER_RESULT("28", options, NULL);
    OTHER_RESULT("29", status, PRF_STATUS_FAILED);
    assert_earlier(&now, &result, 20, "same ");
    /* what chooses the lines of a table only */
    OTHER_RESULT("30", options,
                 "{\"sort\":\"time\",\"top-k\":\"3\",\"strip-dirs\":\"true\"}");
    assert_earlier(&now, &result, 20, "x30 same ");
    result.options = "{\"max-nodes\":\"3\",\"sort\":\"calls\"}";
    assert_earlier(&now, &result, 20, "x27 ");
    result.options = NULL;
    assert_earlier(&now, &result, 20, "x28 ");
    result.case_id = "unknown.py";
    assert_earlier(&now, &result, 20, "");
}

/* --- amounts -----------------------------------------------------------------------
 */

static struct prf_column columns[] = {{"calls", "count", PRF_BETTER_LESS},
                                      {"own_ns", "ns", PRF_BETTER_LESS},
                                      {"cumulative_ns", "ns", PRF_BETTER_LESS}};

static int
collect_amounts(const struct prf_earlier *earlier, void *arg)
{
    memcpy(arg, earlier->amounts, 6 * sizeof(double));
    assert_int_equal(earlier->result->profile->n_metrics, 1);
    return 0;
}

/* A function that moved, and was there twice; one that is gone; one of another file. */
static void
amounts_of_functions(void **state)
{
    (void)state;
    struct prf_function codes[] = {{"", "", "", 0, 0},
                                   {"/s.py", "f", "C.f", 3, 0},
                                   {"/s.py", "f", "C.f", 30, 0},
                                   {"/other.py", "f", "C.f", 3, 0}};
    struct prf_key keys[] = {{1, 0}, {2, 0}, {3, 0}};
    int64_t values[] = {1, 10, 100, 2, 20, 200, 4, 40, 400};
    double wall = 7;
    struct prf_metric_values metric = {"wall_time", "ns", PRF_BETTER_LESS, &wall, 1, 0};
    struct prf_profile profile = {.codes = codes,
                                  .n_codes = 4,
                                  .sites = {columns, 3, 3, keys, values},
                                  .metrics = &metric,
                                  .n_metrics = 1};
    struct prf_run run = run_of("1"), now = run_of("2");
    struct prf_result before = result_of(&run, "a"), result = result_of(&now, "b");
    before.profile = &profile;
    add(&run, &before);
    const struct prf_function wanted[] = {{"/s.py", "f", "C.f", 5, 0},
                                          {"/s.py", "g", "C.g", 9, 0}};
    const char *const names[] = {"own_ns", "cumulative_ns", "nothing"};
    const struct prf_earlier_query query = {.run = &now,
                                            .result = &result,
                                            .limit = 5,
                                            .functions = wanted,
                                            .n_functions = 2,
                                            .columns = names,
                                            .n_columns = 3};
    double amounts[6] = {0};
    struct prf_error err = {0};
    if (prf_store_earlier(store, &query, collect_amounts, amounts, &err) != 0) {
        fail_msg("%s", err.text);
    }
    assert_true(amounts[0] == 30 && amounts[1] == 300 && isnan(amounts[2]));
    assert_true(isnan(amounts[3]) && isnan(amounts[4]) && isnan(amounts[5]));
}

static int
stop(const struct prf_earlier *earlier, void *arg)
{
    (void)earlier;
    ++*(int *)arg;
    return 42;
}

static void
a_visitor_can_stop(void **state)
{
    (void)state;
    int n = 0;
    add_plain("1", "a");
    add_plain("2", "b");
    struct prf_run now = run_of("3");
    struct prf_result result = result_of(&now, "c");
    const struct prf_earlier_query query = {.run = &now, .result = &result, .limit = 9};
    assert_int_equal(prf_store_earlier(store, &query, stop, &n, NULL), 42);
    assert_int_equal(n, 1);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(newest_first_up_to_the_limit),
        TEST(only_the_same_conditions),
        TEST(amounts_of_functions),
        TEST(a_visitor_can_stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
