/* Runs under supervision, against a worker that only speaks the protocol and does to
   itself what its case file says. */
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
#include <sys/wait.h>

#include "children.h"
#include "interrupt.h"
#include "path.h"
#include "plan.h"
#include "supervise.h"

struct fixture {
    struct prf_scratch scratch;
    struct prf_supervision sv;
    struct prf_engine engine;
    struct prf_targets targets;
    struct prf_plan plan;
    struct prf_error err;
    char *path;
    const struct prf_profiler *chosen[2];
};

static int
set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    assert_int_equal(prf_scratch_open(&f->scratch, &f->err), 0);
    f->sv = (struct prf_supervision){
        .worker = {.host = PRF_HOST_EMBED,
                   .launcher = PRF_FIXTURES "/fake_worker.py",
                   .libpython = "none",
                   .plugin = "none"},
        .executable = "/usr/bin/python3",
        .package_dir = "/",
        .scratch = &f->scratch,
    };
    *state = f;
    return 0;
}

static int
tear_down(void **state)
{
    struct fixture *f = *state;
    char *folder = strdup(f->scratch.folder);
    prf_plan_release(&f->plan);
    prf_engine_close(&f->engine);
    prf_targets_release(&f->targets);
    prf_scratch_close(&f->scratch);
    assert_false(prf_path_exists(folder));
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* no process is left */
    free(folder);
    free(f->path);
    free(f);
    return 0;
}

/* Import a case file with that content; 0 or what the import returned. */
static int
import(struct fixture *f, const char *script)
{
    assert_int_equal(prf_scratch_file(&f->scratch, "py", &f->path, &f->err), 0);
    FILE *file = fopen(f->path, "we");
    assert_non_null(file);
    fputs(script, file);
    fclose(file);
    assert_int_equal(prf_targets_add(&f->targets, f->path, f->scratch.folder, &f->err),
                     0);
    assert_int_equal(prf_engine_start(&f->engine, &f->sv, &f->err), 0);
    return prf_engine_import(&f->engine, &f->targets.items[0], &f->err);
}

static void
plan(struct fixture *f, const char *profiler)
{
    f->chosen[0] = prf_profilers_find(&f->engine.profilers, profiler);
    assert_non_null(f->chosen[0]);
    struct prf_plan_request request = {.target = &f->targets.items[0],
                                       .chosen = f->chosen,
                                       .n_chosen = 1,
                                       .known = &f->engine.profilers};
    assert_int_equal(prf_plan_build(&f->plan, &f->engine.file, &request, &f->err), 0);
}

static void
run(struct fixture *f, size_t i, struct prf_measured *out)
{
    json_t *options = json_object();
    assert_true(i < f->plan.n);
    if (prf_engine_run(&f->engine, &f->plan.items[i], options, out, &f->err) < 0) {
        fail_msg("%s", f->err.text);
    }
    json_decref(options);
}

static void
expect(struct fixture *f, size_t i, enum prf_status status, const char *reason)
{
    struct prf_measured m;
    run(f, i, &m);
    if (m.result.status != status ||
        (reason != NULL && strstr(m.result.reason, reason) == NULL)) {
        fail_msg("case %zu: %s, '%s'", i, prf_status_name(m.result.status),
                 m.result.reason == NULL ? "" : m.result.reason);
    }
    prf_measured_release(&m);
}

static const char zoo[] =
    "{\"cases\": [{\"class\": \"C\", \"method\": \"a\", \"do\": \"ok\"},"
    "{\"class\": \"C\", \"method\": \"b\", \"do\": \"failed\"},"
    "{\"class\": \"C\", \"method\": \"c\", \"do\": \"crash\"},"
    "{\"class\": \"C\", \"method\": \"d\", \"do\": \"exit\"},"
    "{\"class\": \"C\", \"method\": \"e\", \"do\": \"silent\"},"
    "{\"class\": \"C\", \"method\": \"f\", \"do\": \"worker-crash\"},"
    "{\"class\": \"C\", \"method\": \"g\", \"do\": \"nonsense\"},"
    "{\"class\": \"C\", \"method\": \"h\", \"do\": \"damage\"},"
    "{\"class\": \"C\", \"method\": \"i\", \"do\": \"ok\", \"skip\": \"not now\"},"
    "{\"class\": \"C\", \"method\": \"j\", \"do\": \"ok\"}]}";

/* Whatever happens to a case or the worker, the next case has its own true status. */
static void
check_zoo(struct fixture *f, const char *lost)
{
    expect(f, 0, PRF_STATUS_OK, NULL);
    expect(f, 1, PRF_STATUS_FAILED, "ValueError: no");
    expect(f, 2, PRF_STATUS_CRASHED, "SIGSEGV during body");
    expect(f, 3, PRF_STATUS_CRASHED, "exit code 4 during body");
    expect(f, 4, PRF_STATUS_CRASHED, "exit code 0 (os._exit?)");
    expect(f, 5, PRF_STATUS_CRASHED, lost);
    expect(f, 6, PRF_STATUS_ERROR, "answered 'surprise'");
    expect(f, 7, PRF_STATUS_CRASHED, "exit code 0");
    expect(f, 8, PRF_STATUS_SKIPPED, "not now");
    expect(f, 9, PRF_STATUS_OK, NULL);
}

static void
test_fork(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(import(f, zoo), 0);
    plan(f, "stopwatch");
    check_zoo(f, "the worker was ended by SIGKILL");
}

static void
test_exec(void **state)
{
    struct fixture *f = *state;
    f->sv.isolation = PRF_ISOLATION_EXEC;
    assert_int_equal(import(f, zoo), 0);
    plan(f, "stopwatch");
    check_zoo(f, "the process was ended by SIGKILL");
}

static void
test_none(void **state)
{
    struct fixture *f = *state;
    f->sv.isolation = PRF_ISOLATION_NONE;
    assert_int_equal(import(f, zoo), 0);
    plan(f, "stopwatch");
    check_zoo(f, "the process was ended by SIGKILL");
}

static void
test_result(void **state)
{
    struct fixture *f = *state;
    struct prf_measured m;
    assert_int_equal(import(f, zoo), 0);
    plan(f, "cprofile");
    run(f, 2, &m);
    assert_string_equal(m.result.profiler, "call");
    assert_string_equal(m.result.signal, "SIGSEGV");
    assert_string_equal(m.result.traceback, "Fatal Python error: Segmentation fault\n");
    assert_non_null(strstr(m.result.output, "printed by pid"));
    assert_non_null(strstr(m.result.output, "\xef\xbf\xbd"));
    assert_int_equal(m.result.cpu_ns, 1500);
    assert_true(m.result.recording_size > 0);
    prf_measured_release(&m);
}

/* The pid that a result's output tells. */
static int
run_pid(struct fixture *f, size_t i)
{
    struct prf_measured m;
    run(f, i, &m);
    assert_int_equal(m.result.status, PRF_STATUS_OK);
    int pid = atoi(m.result.output + strlen("printed by pid "));
    prf_measured_release(&m);
    return pid;
}

static void
test_isolation_none_is_one_process(void **state)
{
    struct fixture *f = *state;
    f->sv.isolation = PRF_ISOLATION_NONE;
    assert_int_equal(import(f, zoo), 0);
    plan(f, "stopwatch");
    int worker = f->engine.worker.process.pid;
    assert_int_equal(run_pid(f, 0), worker);
    assert_int_equal(run_pid(f, 9), worker);
}

static void
test_exclusive_profiler_runs_alone(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(import(f, zoo), 0);
    plan(f, "alone");
    int first = f->engine.worker.process.pid;
    assert_int_equal(run_pid(f, 0), first);
    assert_false(f->engine.running);
    assert_int_not_equal(run_pid(f, 9), first);
}

static void
test_threads_after_import(void **state)
{
    struct fixture *f = *state;
    struct prf_measured m;
    assert_int_equal(import(f, "{\"threads\": 3, \"cases\": [{\"class\": \"C\", "
                               "\"method\": \"a\", \"do\": \"ok\"}]}"),
                     0);
    plan(f, "stopwatch");
    run(f, 0, &m);
    assert_int_equal(m.result.status, PRF_STATUS_OK);
    assert_non_null(strstr(m.result.profile->notes[0], "2 threads"));
    assert_false(f->engine.running); /* it was its own worker */
    prf_measured_release(&m);
}

/* The case ignores SIGABRT: the group is killed after the grace. */
static void
test_timeout(void **state)
{
    struct fixture *f = *state;
    f->sv.timeout_ns = 20000000;
    assert_int_equal(import(f, "{\"cases\": [{\"class\": \"C\", \"method\": \"a\", "
                               "\"do\": \"hang\"}, {\"class\": \"C\", \"method\": "
                               "\"b\", \"do\": \"hang\"}]}"),
                     0);
    plan(f, "stopwatch");
    expect(f, 0, PRF_STATUS_TIMEOUT, "(--timeout)");
    expect(f, 1, PRF_STATUS_TIMEOUT, "(--timeout)");
}

static void
expect_import(struct fixture *f, const char *script, const char *reason)
{
    assert_int_equal(import(f, script), 0);
    assert_true(f->engine.failed);
    assert_int_equal(f->engine.failure.status, PRF_STATUS_ERROR);
    assert_non_null(strstr(f->engine.failure.reason, reason));
}

static void
test_import_fails(void **state)
{
    struct fixture *f = *state;
    expect_import(f, "{\"import\": \"fail\"}", "SyntaxError: bad");
    assert_int_equal(f->engine.failure.case_line, 7);
    assert_string_equal(f->engine.failure.traceback, "Traceback\n");
}

static void
test_import_exits(void **state)
{
    expect_import(*state, "{\"import\": \"exit\"}", "exit code 3 while importing");
}

static void
test_import_crashes(void **state)
{
    struct fixture *f = *state;
    expect_import(f, "{\"import\": \"crash\"}", "SIGSEGV while importing");
    assert_string_equal(f->engine.failure.signal, "SIGSEGV");
}

static void
test_import_hangs(void **state)
{
    struct fixture *f = *state;
    f->sv.import_timeout_ns = 20000000;
    expect_import(f, "{\"import\": \"hang\"}", "--import-timeout");
}

static void
test_worker_that_is_none(void **state)
{
    struct fixture *f = *state;
    f->sv.worker.launcher = "/bin/false";
    assert_int_equal(prf_engine_start(&f->engine, &f->sv, &f->err), PRF_EPYTHON);
    assert_non_null(strstr(f->err.text, "exit code 1 while starting"));
    prf_error_clear(&f->err);
    f->sv.worker.launcher = "/no/such/worker";
    assert_int_equal(prf_engine_start(&f->engine, &f->sv, &f->err), PRF_EIO);
    assert_non_null(strstr(f->err.text, "/no/such/worker"));
}

/* Last: the process stays interrupted. */
static void
test_interrupt(void **state)
{
    struct fixture *f = *state;
    struct prf_measured m;
    assert_int_equal(import(f, zoo), 0);
    plan(f, "stopwatch");
    assert_int_equal(prf_interrupt_install(&f->err), 0);
    raise(SIGINT);
    assert_int_equal(prf_interrupt_count(), 1);
    json_t *options = json_object();
    assert_int_equal(
        prf_engine_run(&f->engine, &f->plan.items[0], options, &m, &f->err),
        PRF_EINTERRUPTED);
    json_decref(options);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
    prf_children_adopt();
    const struct CMUnitTest tests[] = {
        TEST(test_fork),
        TEST(test_exec),
        TEST(test_none),
        TEST(test_result),
        TEST(test_isolation_none_is_one_process),
        TEST(test_exclusive_profiler_runs_alone),
        TEST(test_threads_after_import),
        TEST(test_timeout),
        TEST(test_import_fails),
        TEST(test_import_exits),
        TEST(test_import_crashes),
        TEST(test_import_hangs),
        TEST(test_worker_that_is_none),
        TEST(test_interrupt),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
