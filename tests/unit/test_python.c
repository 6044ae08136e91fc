/* Interpreters that are none, or cannot host cases. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <sys/stat.h>

#include "path.h"
#include "python.h"

static char top[] = "/tmp/prf-python-XXXXXX";

/* An executable script in the folder; the caller's. */
static char *
script(const char *name, const char *text)
{
    char *path = prf_path_join(top, name);
    char *folder = prf_path_dirname(path);
    assert_int_equal(prf_path_mkdirs(folder, NULL), 0);
    FILE *f = fopen(path, "we");
    assert_non_null(f);
    fprintf(f, "#!/bin/sh\n%s", text);
    fclose(f);
    chmod(path, 0755);
    free(folder);
    return path;
}

static int
group_set_up(void **state)
{
    (void)state;
    return mkdtemp(top) == NULL;
}

static int
group_tear_down(void **state)
{
    (void)state;
    prf_path_remove_tree(top);
    return 0;
}

static void
expect_ask(const char *text, const char *says)
{
    struct prf_interpreter py;
    struct prf_error err = {0};
    char *path = script("bad", text);
    int rc = prf_python_ask(path, NULL, &py, &err);
    if (rc == 0) {
        rc = prf_python_check(&py, "/no/such/plugin.so", "3.11 3.12", &err);
        prf_interpreter_release(&py);
    }
    assert_int_equal(rc, PRF_EUNAVAILABLE);
    if (strstr(err.text, says) == NULL || strstr(err.text, "bad") == NULL) {
        fail_msg("'%s' does not say '%s'", err.text, says);
    }
    free(path);
}

static void
test_not_usable(void **state)
{
    (void)state;
    expect_ask("echo hello", "no Python");
    expect_ask("echo oops >&2; exit 3", "exit code 3): oops");
    expect_ask("kill -9 $$", "SIGKILL");
    expect_ask("printf 'version=3.10.1\nmajor=3\nminor=10\nname=cpython\n'",
               "is Python 3.10.1; 3.11 or later");
    expect_ask("printf 'version=2.7.18\nmajor=2\nminor=7\nname=python\n'", "2.7.18");
    expect_ask("printf 'version=3.11.1\nmajor=3\nminor=11\nname=pypy\n'",
               "not CPython");
    expect_ask("printf 'version=3.13.1\nmajor=3\nminor=13\nname=cpython\n"
               "Py_GIL_DISABLED=1\n'",
               "free-threaded");
    expect_ask(
        "printf 'version=3.99.1\nmajor=3\nminor=99\nname=cpython\n'",
        "no plugin for Python 3.99 ('/no/such/plugin.so' does not exist); built for: "
        "3.11 3.12");
}

static void
test_choice(void **state)
{
    (void)state;
    struct prf_error err = {0};
    const char *source = NULL;
    char *found = NULL;
    char *python = script("proj/.venv/bin/python", "");
    char *near = prf_path_join(top, "proj/deep/er");
    char *root = prf_path_join(top, "proj");
    assert_int_equal(prf_path_mkdirs(near, &err), 0);
    unsetenv("VIRTUAL_ENV");
    struct prf_python_choice choice = {.near = near, .root = root};
    assert_int_equal(prf_python_choose(&choice, &found, &source, &err), 0);
    assert_string_equal(found, python);
    assert_string_equal(source, ".venv");
    free(found);
    choice.own = "/own/bin/python"; /* of an installation by pip */
    assert_int_equal(prf_python_choose(&choice, &found, &source, &err), 0);
    assert_string_equal(found, python);
    free(found);
    choice.own_first = true;
    assert_int_equal(prf_python_choose(&choice, &found, &source, &err), 0);
    assert_string_equal(found, "/own/bin/python");
    assert_string_equal(source, "its own environment");
    free(found);
    choice.own_first = false;
    choice.near = "/";
    assert_int_equal(prf_python_choose(&choice, &found, &source, &err), 0);
    assert_string_equal(found, "/own/bin/python");
    free(found);
    choice.own = NULL;
    choice.near = near;
    setenv("VIRTUAL_ENV", "/no/such/venv", 1);
    assert_int_equal(prf_python_choose(&choice, &found, &source, &err), PRF_EUSAGE);
    assert_non_null(strstr(err.text, "/no/such/venv"));
    choice.asked = root; /* a folder, but no venv */
    choice.source = "--python";
    prf_error_clear(&err);
    assert_int_equal(prf_python_choose(&choice, &found, &source, &err), PRF_EUSAGE);
    assert_non_null(strstr(err.text, "holds no bin/python"));
    unsetenv("VIRTUAL_ENV");
    free(python);
    free(near);
    free(root);
}

static void
test_asked_for(void **state)
{
    (void)state;
    static const char *const wrong[][2] = {
        {"/no/such/python", "does not exist"},
        {"no-such-python", "no 'no-such-python' on PATH"},
        {"3.99", "no 'python3.99' on PATH"},
        {"/etc/passwd", "cannot be executed"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct prf_error err = {0};
        const char *source;
        char *found;
        struct prf_python_choice choice = {.asked = wrong[i][0], .source = "--python"};
        assert_int_equal(prf_python_choose(&choice, &found, &source, &err), PRF_EUSAGE);
        if (strstr(err.text, wrong[i][1]) == NULL ||
            strstr(err.text, "--python") == NULL) {
            fail_msg("'%s' does not say '%s'", err.text, wrong[i][1]);
        }
    }
}

/* A real one: what it says of itself, and the table of a pyproject.toml. */
static void
test_real(void **state)
{
    (void)state;
    struct prf_interpreter py;
    struct prf_error err = {0};
    char *found = NULL;
    const char *source;
    struct prf_python_choice choice = {.asked = PRF_TEST_PYTHON, .source = "test"};
    assert_int_equal(prf_python_choose(&choice, &found, &source, &err), 0);
    char *file = prf_path_join(top, "pyproject.toml");
    FILE *f = fopen(file, "we");
    assert_non_null(f);
    fputs("[tool.pyprofiler]\ntimeout = 3\n", f);
    fclose(f);
    if (prf_python_ask(found, file, &py, &err) < 0) {
        fail_msg("%s", err.text);
    }
    assert_string_equal(py.implementation, "CPython");
    assert_int_equal(py.major, 3);
    assert_true(py.executable[0] == '/');
    assert_int_equal(json_integer_value(json_object_get(py.config, "timeout")), 3);
    prf_interpreter_release(&py);
    f = fopen(file, "we");
    assert_non_null(f);
    fputs("[tool.pyprofiler\n", f);
    fclose(f);
    assert_int_equal(prf_python_ask(found, file, &py, &err), PRF_EUSAGE);
    assert_non_null(strstr(err.text, "pyproject.toml"));
    free(file);
    free(found);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_not_usable),
        cmocka_unit_test(test_choice),
        cmocka_unit_test(test_asked_for),
        cmocka_unit_test(test_real),
    };
    return cmocka_run_group_tests(tests, group_set_up, group_tear_down);
}
