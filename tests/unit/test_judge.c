/* What a recording and an ending mean together. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <signal.h>

#include "judge.h"

struct judged {
    const char *status, *phase;
    struct prf_outcome outcome;
    enum prf_status expected;
    const char *reason; /* part of it; NULL: none */
    const char *signal;
};

static const struct judged table[] = {
    {"ok", "body", {.code = 0}, PRF_STATUS_OK, NULL, NULL},
    {"failed", "body", {.code = 0}, PRF_STATUS_FAILED, "the reason", NULL},
    {"skipped", "set-up", {.code = 0}, PRF_STATUS_SKIPPED, "the reason", NULL},
    {"error", "set-up", {.code = 0}, PRF_STATUS_ERROR, "the reason", NULL},
    {NULL,
     "body",
     {.code = 0},
     PRF_STATUS_CRASHED,
     "exit code 0 during body (os._exit?)",
     NULL},
    {NULL, NULL, {.code = 7}, PRF_STATUS_CRASHED, "exit code 7 (os._exit?)", NULL},
    {NULL,
     "body",
     {.code = -1, .signal = SIGSEGV},
     PRF_STATUS_CRASHED,
     "SIGSEGV during body",
     "SIGSEGV"},
    {"ok",
     "tear-down",
     {.code = -1, .signal = SIGABRT},
     PRF_STATUS_CRASHED,
     "SIGABRT during tear-down",
     "SIGABRT"},
    {NULL,
     "body",
     {.code = -1, .signal = SIGKILL},
     PRF_STATUS_CRASHED,
     "memory ran out",
     "SIGKILL"},
    {NULL,
     "body",
     {.code = -1, .signal = SIGABRT, .timed_out = true, .limit_ns = 2000000000},
     PRF_STATUS_TIMEOUT,
     "2 s (--timeout) during body",
     NULL},
    {"ok",
     "exit",
     {.code = -1, .signal = SIGKILL, .timed_out = true},
     PRF_STATUS_OK,
     NULL,
     NULL},
    {NULL,
     "body",
     {.code = 1, .worker_lost = true},
     PRF_STATUS_CRASHED,
     "the worker ended",
     NULL},
    {"nonsense", "body", {.code = 0}, PRF_STATUS_CRASHED, "exit code 0", NULL},
    {NULL, "body", {.code = -1}, PRF_STATUS_CRASHED, "nobody saw how", NULL},
};

/* A script's exit code is its own, and the recording may hold an exception. */
static void
check_script(int code, int signo, const char *raised, enum prf_status expected,
             const char *reason)
{
    struct prf_result r = {0};
    struct prf_outcome outcome = {.code = code, .signal = signo, .is_script = true};
    r.profile = calloc(1, sizeof *r.profile);
    assert_non_null(r.profile);
    r.profile->duration_ns = 5;
    r.profile->reason = raised;
    prf_judge(&r, &outcome);
    assert_int_equal(r.status, expected);
    if (reason == NULL) {
        assert_null(r.reason);
    } else {
        assert_non_null(strstr(r.reason, reason));
    }
    assert_int_equal(r.signal != NULL, signo != 0);
    assert_int_equal(r.profile->n_notes, 0);
    prf_result_release(&r);
}

static void
test_scripts(void **state)
{
    (void)state;
    check_script(0, 0, NULL, PRF_STATUS_OK, NULL);
    check_script(3, 0, NULL, PRF_STATUS_FAILED, "exit code 3");
    check_script(1, 0, "KeyError: 1", PRF_STATUS_FAILED, "KeyError: 1");
    check_script(-1, SIGSEGV, NULL, PRF_STATUS_CRASHED, "SIGSEGV");
    check_script(-1, SIGINT, "KeyboardInterrupt", PRF_STATUS_FAILED,
                 "KeyboardInterrupt");
}

static void
test_a_script_that_ended_halfway_is_noted(void **state)
{
    (void)state;
    struct prf_result r = {0};
    struct prf_outcome outcome = {.code = 0, .is_script = true};
    prf_judge(&r, &outcome);
    assert_int_equal(r.status, PRF_STATUS_OK);
    assert_int_equal(r.profile->n_notes, 1);
    assert_non_null(strstr(r.profile->notes[0], "os._exit"));
    prf_result_release(&r);
}

static void
check(const struct judged *j)
{
    struct prf_result r = {0};
    r.profile = calloc(1, sizeof *r.profile);
    assert_non_null(r.profile);
    r.profile->status = j->status;
    r.profile->phase = j->phase;
    r.profile->duration_ns = 5;
    r.profile->reason = j->expected == PRF_STATUS_OK ? NULL : "the reason";
    prf_judge(&r, &j->outcome);
    assert_int_equal(r.status, j->expected);
    assert_int_equal(r.duration_ns, 5);
    if (j->reason == NULL) {
        assert_null(r.reason);
    } else if (strstr(r.reason, j->reason) == NULL) {
        fail_msg("'%s' does not say '%s'", r.reason, j->reason);
    }
    if (j->signal == NULL) {
        assert_null(r.signal);
    } else {
        assert_string_equal(r.signal, j->signal);
    }
    prf_result_release(&r);
}

static void
test_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        check(&table[i]);
    }
}

static void
test_fault_text_is_the_traceback(void **state)
{
    (void)state;
    struct prf_result r = {0};
    struct prf_outcome outcome = {.code = -1, .signal = SIGSEGV, .fault = "Fatal"};
    prf_judge(&r, &outcome);
    assert_string_equal(r.traceback, "Fatal");
    assert_int_equal(r.duration_ns, 0);
    prf_result_release(&r);
}

static void
test_left_processes_are_noted(void **state)
{
    (void)state;
    struct prf_result r = {0};
    struct prf_outcome outcome = {.code = 0, .n_left = 2};
    prf_judge(&r, &outcome);
    assert_int_equal(r.profile->n_notes, 1);
    assert_string_equal(r.profile->notes[0],
                        "2 processes of the case outlived it and were killed");
    prf_result_note(&r, "%s", "another");
    assert_int_equal(r.profile->n_notes, 2);
    assert_string_equal(r.profile->notes[1], "another");
    prf_result_release(&r);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_fault_text_is_the_traceback),
        cmocka_unit_test(test_left_processes_are_noted),
        cmocka_unit_test(test_scripts),
        cmocka_unit_test(test_a_script_that_ended_halfway_is_noted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
