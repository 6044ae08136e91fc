/* Targets, profilers, and what belongs to whom on the command line of a run; the
   configuration behind it. */
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

#include "choice.h"
#include "command.h"
#include "config.h"
#include "path.h"
#include "targets.h"
#include "words.h"

static const char backends[] =
    "[{\"name\": \"stopwatch\", \"options\": [{\"type\": \"uint\", \"name\": "
    "\"rounds\"},"
    " {\"type\": \"flag\", \"name\": \"quick\"}]},"
    "{\"name\": \"call\", \"aliases\": [\"cprofile\"], \"options\": ["
    " {\"type\": \"list\", \"name\": \"include-files\"},"
    " {\"type\": \"uint\", \"name\": \"top-k\"},"
    " {\"type\": \"count\", \"name\": \"deep\", \"short\": \"d\"}]},"
    "{\"name\": \"absent\", \"available\": false, \"why\": \"no hardware\","
    " \"options\": []}]";

struct run_target {
    int64_t timeout_ns;
    bool help;
};
static const struct prf_option run_table[] = {
    {PRF_OPT_DURATION, 0, "timeout", NULL, offsetof(struct run_target, timeout_ns),
     .help = ""},
    {PRF_OPT_FLAG, 'h', "help", NULL, offsetof(struct run_target, help), .help = ""},
    PRF_OPTIONS_END,
};
static const struct prf_option_group groups[] = {{"run", run_table, 0}, {NULL}};

static char top[] = "/tmp/prf-words-XXXXXX";
static struct prf_profilers known;

static void
put(const char *name, const char *text)
{
    FILE *f = fopen(name, "we");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static int
group_set_up(void **state)
{
    (void)state;
    struct prf_error err = {0};
    json_t *list = json_loads(backends, 0, NULL);
    assert_non_null(mkdtemp(top));
    assert_int_equal(chdir(top), 0);
    put("sort.py", "from pyprofiler import ProfilerCase\n");
    put("other.py", "# from pyprofiler import nothing\nx = 'import pyprofiler'\n");
    mkdir("call", 0777);
    mkdir("pkg", 0777);
    put("pkg/__init__.py", "");
    put("pkg/case.py", "if 1:\n    import pyprofiler.profiler as p\n");
    mkdir("pkg/venv", 0777);
    put("pkg/venv/pyvenv.cfg", "");
    put("pkg/venv/case.py", "import pyprofiler\n");
    assert_int_equal(prf_profilers_add(&known, list, &err), 0);
    json_decref(list);
    return 0;
}

static int
group_tear_down(void **state)
{
    (void)state;
    prf_profilers_release(&known);
    prf_path_remove_tree(top);
    return 0;
}

struct line {
    struct prf_words words;
    struct prf_choice choice;
    struct prf_layers layers;
    struct run_target target;
    struct prf_error err;
    int rc;
};

static void
line_read(struct line *l, const char *const *argv, const json_t *config)
{
    int argc = 0;
    while (argv[argc] != NULL) {
        argc++;
    }
    *l = (struct line){0};
    l->rc = prf_words_read(argc, (char **)argv, groups, &known, &l->layers, &l->target,
                           &l->words, &l->err);
    struct prf_choice_request request = {.words = &l->words,
                                         .known = &known,
                                         .config = config,
                                         .config_path = "file",
                                         .groups = groups,
                                         .layers = &l->layers,
                                         .layer = PRF_LAYER_COMMAND + 1,
                                         .target = &l->target,
                                         .lenient = true};
    if (l->rc == 0) {
        l->rc = prf_choice_make(&l->choice, &request, &l->err);
    }
}

static void
line_release(struct line *l)
{
    prf_choice_release(&l->choice);
    prf_words_release(&l->words);
}

#define LINE(l, ...)                                                                   \
    line_read((l), (const char *const[]){"pyprofiler-run", __VA_ARGS__, NULL}, NULL)

static const char *
option_of(const struct line *l, size_t i, const char *name)
{
    return json_string_value(json_object_get(l->choice.options[i], name));
}

static void
test_words_are_targets_up_to_the_profiler(void **state)
{
    (void)state;
    struct line l;
    LINE(&l, "sort.py::Sorting", "pkg", "pkg.case", "--timeout=3", "cprofile",
         "--top_k", "5", "-dd", "--include-files", "a,b", "--include-files=c",
         "--timeout", "4");
    assert_int_equal(l.rc, 0);
    assert_int_equal(l.words.n_targets, 3);
    assert_string_equal(l.words.profilers, "cprofile");
    assert_int_equal(l.choice.n, 1);
    assert_string_equal(l.choice.items[0]->name, "call");
    assert_string_equal(option_of(&l, 0, "top-k"), "5");
    assert_string_equal(option_of(&l, 0, "deep"), "2");
    assert_int_equal(
        json_array_size(json_object_get(l.choice.options[0], "include-files")), 3);
    assert_int_equal(l.target.timeout_ns, 4000000000);
    line_release(&l);
}

static void
test_no_profiler_is_stopwatch(void **state)
{
    (void)state;
    struct line l;
    LINE(&l, "sort.py");
    assert_int_equal(l.rc, 0);
    assert_null(l.words.profilers);
    assert_string_equal(l.choice.items[0]->name, "stopwatch");
    line_release(&l);
}

/* A folder is called like a profiler: after a target the profiler is meant. */
static void
test_profiler_wins_over_a_folder(void **state)
{
    (void)state;
    struct line l;
    LINE(&l, "sort.py", "call");
    assert_string_equal(l.words.profilers, "call");
    line_release(&l);
    LINE(&l, "call");
    assert_int_equal(l.words.n_targets, 1);
    line_release(&l);
}

static void
test_several_profilers(void **state)
{
    (void)state;
    struct line l;
    LINE(&l, "sort.py", "call,stopwatch,cprofile", "--quick", "--top-k=1");
    assert_int_equal(l.rc, 0);
    assert_int_equal(l.choice.n, 2);
    assert_string_equal(option_of(&l, 1, "quick"), "true");
    assert_null(option_of(&l, 0, "quick"));
    line_release(&l);
}

/* It may be registered by the case file, which is not imported yet. */
static void
test_unknown_profiler_is_a_candidate(void **state)
{
    (void)state;
    struct line l;
    LINE(&l, "sort.py", "mine", "--whatever");
    assert_int_equal(l.rc, 0);
    assert_true(l.choice.unknown);
    struct prf_choice strict;
    struct prf_choice_request request = {.words = &l.words,
                                         .known = &known,
                                         .groups = groups,
                                         .layers = &l.layers,
                                         .target = &l.target};
    assert_int_equal(prf_choice_make(&strict, &request, &l.err), PRF_EUSAGE);
    assert_non_null(strstr(l.err.text, "'mine' is no profiler"));
    line_release(&l);
}

static void
check_mistake(const char *const *argv, int code, const char *says)
{
    struct line l;
    line_read(&l, argv, NULL);
    assert_int_equal(l.rc, code);
    if (strstr(l.err.text, says) == NULL) {
        fail_msg("'%s' does not say '%s'", l.err.text, says);
    }
    line_release(&l);
}

#define MISTAKE(code, says, ...)                                                       \
    check_mistake((const char *const[]){"pyprofiler-run", __VA_ARGS__, NULL}, (code),  \
                  (says))

static void
test_mistakes(void **state)
{
    (void)state;
    MISTAKE(PRF_EUSAGE, "did you mean '--rounds'", "sort.py", "stopwatch", "--ronds=3");
    MISTAKE(PRF_EUSAGE, "--rounds takes a whole number", "sort.py", "stopwatch",
            "--rounds=x");
    MISTAKE(PRF_EUSAGE, "'call,stopwatch'", "sort.py", "call", "stopwatch");
    MISTAKE(PRF_EUSAGE, "targets come before it", "sort.py", "call", "other.py");
    MISTAKE(PRF_EUSAGE, "no target before the profiler 'stopwatch'", "stopwatch");
    MISTAKE(PRF_EUNAVAILABLE, "no hardware", "sort.py", "absent");
    MISTAKE(PRF_EUSAGE, "unknown option '--rounds'", "--rounds=3", "sort.py",
            "stopwatch");
}

static void
test_configuration_of_a_profiler(void **state)
{
    (void)state;
    struct line l;
    json_t *config =
        json_loads("{\"cprofile\": {\"top_k\": 7, \"deep\": 1,"
                   " \"include-files\": [\"x\"]}, \"stopwatch\": {\"rounds\": 2}}",
                   0, NULL);
    line_read(&l,
              (const char *const[]){"p", "sort.py", "call", "--include-files=y", NULL},
              config);
    assert_int_equal(l.rc, 0);
    assert_string_equal(option_of(&l, 0, "top-k"), "7");
    json_t *files = json_object_get(l.choice.options[0], "include-files");
    assert_int_equal(json_array_size(files), 1); /* not added to the file's */
    assert_string_equal(json_string_value(json_array_get(files, 0)), "y");
    line_release(&l);
    json_decref(config);
    config = json_loads("{\"call\": {\"topk\": 7}}", 0, NULL);
    line_read(&l, (const char *const[]){"p", "sort.py", "call", NULL}, config);
    assert_int_equal(l.rc, PRF_EUSAGE);
    assert_non_null(strstr(l.err.text, "[tool.pyprofiler.call]: unknown key 'topk'"));
    line_release(&l);
    json_decref(config);
}

static int
apply(const char *text, struct run_target *target, struct prf_error *err)
{
    struct prf_layers layers = {0};
    json_t *table = json_loads(text, 0, NULL);
    int rc = prf_config_apply(table, "/p/pyproject.toml", prf_cmd_run.groups, groups,
                              &layers, target, err);
    if (rc == 0) {
        rc = prf_config_check_profilers(table, "/p/pyproject.toml", &known, err);
    }
    json_decref(table);
    return rc;
}

static void
test_configuration(void **state)
{
    (void)state;
    struct run_target t = {0};
    struct prf_error err = {0};
    assert_int_equal(
        apply("{\"timeout\": 2.5, \"no_store\": true, \"mine\": {}}", &t, &err), 0);
    assert_int_equal(t.timeout_ns, 2500000000);
    static const char *const wrong[][2] = {
        {"{\"timeuot\": 3}",
         "unknown key 'timeuot' in [tool.pyprofiler], did you mean 'timeout'"},
        {"{\"timeout\": [1]}", "takes another kind of value"},
        {"{\"timeout\": \"long\"}", "/p/pyproject.toml: --timeout takes a time"},
        {"{\"stopwach\": {}}", "did you mean 'stopwatch'"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        prf_error_clear(&err);
        assert_int_equal(apply(wrong[i][0], &t, &err), PRF_EUSAGE);
        assert_non_null(strstr(err.text, "/p/pyproject.toml"));
        if (strstr(err.text, wrong[i][1]) == NULL) {
            fail_msg("'%s' does not say '%s'", err.text, wrong[i][1]);
        }
    }
}

static void
test_environment(void **state)
{
    (void)state;
    struct run_target t = {0};
    struct prf_layers layers = {0};
    struct prf_error err = {0};
    setenv("PYPROFILER_TIMEOUT", "5", 1);
    assert_int_equal(prf_config_environment(groups, &layers, &t, &err), 0);
    assert_int_equal(t.timeout_ns, 5000000000);
    setenv("PYPROFILER_TIMEOUT", "x", 1);
    assert_int_equal(prf_config_environment(groups, &layers, &t, &err), PRF_EUSAGE);
    assert_non_null(strstr(err.text, "PYPROFILER_TIMEOUT: "));
    unsetenv("PYPROFILER_TIMEOUT");
}

static void
test_pyproject_is_found_upwards(void **state)
{
    (void)state;
    char folder[128];
    snprintf(folder, sizeof folder, "%s/pkg", top);
    assert_null(prf_config_find(folder));
    put("pyproject.toml", "[tool.other]\n");
    assert_null(prf_config_find(folder));
    put("pyproject.toml", "[tool.pyprofiler]\n");
    char *found = prf_config_find(folder);
    assert_non_null(found);
    assert_true(strncmp(found, top, strlen(top)) == 0);
    free(found);
    unlink("pyproject.toml");
}

static void
test_targets(void **state)
{
    (void)state;
    struct prf_targets t = {0};
    struct prf_error err = {0};
    assert_int_equal(prf_targets_add(&t, ".", top, &err), 0);
    assert_int_equal(t.n, 2); /* not other.py, nothing of the venv */
    assert_string_equal(t.items[0].node, "pkg/case.py");
    assert_string_equal(t.items[1].node, "sort.py");
    prf_targets_release(&t);
    assert_int_equal(prf_targets_add(&t, "sort.py::A::m[x=1::2]", top, &err), 0);
    assert_int_equal(prf_targets_add(&t, "sort::B", top, &err), 0);
    assert_int_equal(t.n, 1);
    assert_int_equal(t.items[0].n_selectors, 2);
    assert_string_equal(t.items[0].selectors[0].method, "m[x=1::2]");
    struct prf_case c = {.class_name = "A", .method = "m", .params = "x=1::2"};
    assert_true(prf_target_selects(&t.items[0], &c));
    c.params = "x=2";
    assert_false(prf_target_selects(&t.items[0], &c));
    prf_targets_release(&t);
    assert_int_equal(prf_targets_add(&t, "pkg.case", top, &err), 0);
    assert_string_equal(t.items[0].node, "pkg/case.py");
    assert_string_equal(t.items[0].module, "pkg.case");
    prf_targets_release(&t);
}

static void
test_targets_that_are_not_there(void **state)
{
    (void)state;
    static const char *const wrong[][2] = {
        {"srot.py", "did you mean 'sort.py'"},
        {"pkg/cas.py", "did you mean 'pkg/case.py'"},
        {"no/such/place.py", "no such file"},
        {"pkg::Class", "is a folder"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct prf_targets t = {0};
        struct prf_error err = {0};
        assert_int_equal(prf_targets_add(&t, wrong[i][0], top, &err), PRF_EUSAGE);
        if (strstr(err.text, wrong[i][1]) == NULL) {
            fail_msg("'%s' does not say '%s'", err.text, wrong[i][1]);
        }
        prf_targets_release(&t);
    }
}

static void
test_selectors_that_fit_nothing(void **state)
{
    (void)state;
    static const char *const wrong[][2] = {
        {"sort.py::Sortin", "no class 'Sortin' in 'sort.py', did you mean 'Sorting'"},
        {"sort.py::Sorting::profile_hep", "did you mean 'profile_heap'"},
        {"sort.py::Sorting::profile_heap[n=3]", "no case 'profile_heap[n=3]'"},
    };
    struct prf_case cases[] = {
        {.id = "sort.py::Sorting::profile_heap[n=2]",
         .class_name = "Sorting",
         .method = "profile_heap",
         .params = "n=2"},
    };
    struct prf_case_file file = {.cases = cases, .n = 1};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct prf_targets t = {0};
        struct prf_error err = {0};
        assert_int_equal(prf_targets_add(&t, wrong[i][0], top, &err), 0);
        assert_int_equal(prf_target_check(&t.items[0], &file, &err), PRF_EUSAGE);
        if (strstr(err.text, wrong[i][1]) == NULL) {
            fail_msg("'%s' does not say '%s'", err.text, wrong[i][1]);
        }
        prf_targets_release(&t);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words_are_targets_up_to_the_profiler),
        cmocka_unit_test(test_no_profiler_is_stopwatch),
        cmocka_unit_test(test_profiler_wins_over_a_folder),
        cmocka_unit_test(test_several_profilers),
        cmocka_unit_test(test_unknown_profiler_is_a_candidate),
        cmocka_unit_test(test_mistakes),
        cmocka_unit_test(test_configuration_of_a_profiler),
        cmocka_unit_test(test_configuration),
        cmocka_unit_test(test_environment),
        cmocka_unit_test(test_pyproject_is_found_upwards),
        cmocka_unit_test(test_targets),
        cmocka_unit_test(test_targets_that_are_not_there),
        cmocka_unit_test(test_selectors_that_fit_nothing),
    };
    return cmocka_run_group_tests(tests, group_set_up, group_tear_down);
}
