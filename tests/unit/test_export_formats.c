/* Formats that other programs read, each checked with the program itself where it is
   installed: pstats, callgrind_annotate, json.tool, csv. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "fixtures.h"

#define PYTHON "python3"

static bool
installed(const char *program)
{
    char command[128];
    snprintf(command, sizeof command, "command -v %s >/dev/null 2>&1", program);
    if (system(command) == 0) { // NOLINT(cert-env33-c): words of this file only
        return true;
    }
    print_message("skipped: '%s' is not installed\n", program);
    return false;
}

/* What `command` (with %s for the file) prints about the exported result. */
static char *
consume(const char *command, const char *data, size_t size)
{
    char path[] = "/tmp/prf-export-XXXXXX", line[1024];
    char *text = NULL;
    size_t len = 0;
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, data, size), size);
    close(fd);
    snprintf(line, sizeof line, command, path); // NOLINT: a literal of this file
    FILE *pipe = popen(line, "r");              // NOLINT(cert-env33-c)
    assert_non_null(pipe);
    FILE *out = open_memstream(&text, &len);
    for (int c; (c = getc(pipe)) != EOF;) {
        putc(c, out);
    }
    fclose(out);
    int status = pclose(pipe);
    unlink(path);
    if (status != 0) {
        fail_msg("'%s' ended with %d:\n%s", line, status, text);
    }
    return text;
}

static char *
export_and_consume(const char *format, const struct fixture *fx, const char *command)
{
    const struct prf_export_options options = {0};
    const struct prf_result *result = &fx->result;
    size_t size;
    char *data = fixture_export_all(format, &fx->run, &result, 1, &options, &size);
    char *text = consume(command, data, size);
    free(data);
    return text;
}

#define PSTATS_PROGRAM                                                                 \
    PYTHON " -c \"import pstats, sys; s = pstats.Stats(sys.argv[1])\n"                 \
           "print(s.total_calls, s.prim_calls, '%%.9f' %% s.total_tt)\n"               \
           "for k in sorted(s.stats): print(k, *s.stats[k])\n"                         \
           "s.sort_stats('cumulative').print_stats(); s.print_callers()\" %s 2>&1"

static void
pstats_reads_what_we_write(void **state)
{
    (void)state;
    struct fixture fx;
    if (!installed(PYTHON)) {
        skip();
    }
    fixture_fib(&fx);
    char *text = export_and_consume("pstats", &fx, PSTATS_PROGRAM);
    assert_contains(text, "179 3 0.000018707\n");
    assert_contains(text, "('/src/app/fib.py', 3, 'fib') 1 177 1.77e-05 1.77e-05 "
                          "{('/src/app/fib.py', 3, 'fib'): (176, ");
    /* From profile_fib: one call, all the time below it. */
    assert_contains(text,
                    "('/src/app/fib.py', 10, 'profile_fib'): (1, 1, 1e-07, 1.77e-05)");
    assert_contains(text, "('~', 0, '<built-in method builtins.len>') 1 1 7e-09 7e-09");
    assert_contains(text, "179 function calls (3 primitive calls)");
    assert_contains(text, "177/1");
    assert_contains(text, "{built-in method builtins.len}");
    free(text);
    fixture_close(&fx);
}

static void
pstats_takes_any_name(void **state)
{
    (void)state;
    struct fixture fx;
    if (!installed(PYTHON)) {
        skip();
    }
    fixture_hostile(&fx);
    char *text =
        export_and_consume("pstats", &fx, "PYTHONIOENCODING=utf-8 " PSTATS_PROGRAM);
    assert_contains(text, "2 2 0.000000042");
    assert_contains(text, "('(1)', 2, '(2)')");
    free(text);
    fixture_close(&fx);
}

/* Two codes with one (file, line, name) are one key for pstats, and large counts need
   more than the 32 bits of marshal's 'i'. */
static void
pstats_adds_up_what_it_cannot_tell_apart(void **state)
{
    (void)state;
    static struct prf_function codes[] = {{"", "", "", 0, 0},
                                          {"/a.py", "<lambda>", "f.<lambda>", 5, 0},
                                          {"/a.py", "<lambda>", "g.<lambda>", 5, 0},
                                          {"/a.py", "h", "h", 9, 0}};
    static struct prf_key sites[] = {{1, 0}, {2, 0}, {3, 0}};
    static struct prf_key edges[] = {{3, 1}, {3, 2}, {0, 3}};
    static int64_t values[] = {5000000000, 5000000000, 1000000000, 1000000000,
                               1,          1,          2000000000, 2000000000,
                               1,          1,          0,          3000000000};
    static struct prf_column columns[] = {{"calls", "count", 0},
                                          {"primitive_calls", "count", 0},
                                          {"own_ns", "ns", 0},
                                          {"cumulative_ns", "ns", 0}};
    struct fixture fx;
    if (!installed(PYTHON)) {
        skip();
    }
    fixture_open(&fx);
    struct prf_profile *p = fx.result.profile;
    p->codes = codes;
    p->n_codes = FIXTURE_LEN(codes);
    p->sites = (struct prf_table){columns, 4, 3, sites, values};
    p->edges = (struct prf_table){columns, 4, 3, edges, values};
    char *text = export_and_consume("pstats", &fx, PSTATS_PROGRAM);
    assert_contains(text, "('/a.py', 5, '<lambda>') 5000000001 5000000001 3.0 3.0 "
                          "{('/a.py', 9, 'h'): (5000000001, 5000000001, 3.0, 3.0)}");
    assert_contains(text, "('/a.py', 9, 'h') 1 1 0.0 3.0 {}");
    free(text);
    fixture_close(&fx);
}

static void
callgrind_annotate_reads_what_we_write(void **state)
{
    (void)state;
    struct fixture fx;
    if (!installed("callgrind_annotate")) {
        skip();
    }
    fixture_fib(&fx);
    char *text =
        export_and_consume("callgrind", &fx,
                           "callgrind_annotate --auto=no --threshold=100 "
                           "--inclusive=no --show-percs=no --tree=both %s 2>&1");
    assert_contains(text, "18,707  PROGRAM TOTALS");
    assert_contains(text, "17,700  *  /src/app/fib.py:fib");
    assert_contains(text, "fib.py:fib (176x)");
    assert_contains(text, "fib.py:fib (1x)");
    assert_contains(text, "~:<built-in method builtins.len> (1x)");
    free(text);
    text = export_and_consume("callgrind", &fx,
                              "callgrind_annotate --auto=no --threshold=100 "
                              "--inclusive=yes --show-percs=no %s 2>&1");
    assert_contains(text, "18,707  /src/app/fib.py:Fib.profile_fib");
    free(text);
    fixture_close(&fx);
}

static void
callgrind_takes_any_name(void **state)
{
    (void)state;
    struct fixture fx;
    fixture_hostile(&fx);
    char *text = fixture_export("callgrind", &fx);
    assert_contains(text, "fn=(1) a;b|c\"<i>,\\n\\x1b[31m\\xffz\n");
    assert_contains(text, "cfi=./(1)\ncfn=(2) (2)\ncalls=1 2\n1 2\n");
    assert_contains(text, "totals: 42\n");
    free(text);
    if (installed("callgrind_annotate")) {
        text = export_and_consume("callgrind", &fx,
                                  "callgrind_annotate --auto=no %s 2>&1");
        assert_contains(text, "42 (100.0%)  PROGRAM TOTALS");
        free(text);
    }
    fixture_close(&fx);
}

static void
collapsed_stacks(void **state)
{
    (void)state;
    struct fixture fx;
    fixture_fib(&fx);
    char *text = fixture_export("collapsed", &fx);
    assert_contains(text, "/src/app/fib.py:Fib.profile_fib 1000\n");
    assert_contains(text, "/src/app/fib.py:Fib.profile_fib;/src/app/fib.py:fib 100\n");
    assert_contains(text, ";/src/app/fib.py:fib;/src/app/fib.py:fib 200\n");
    assert_contains(text, "Fib.profile_fib;<built-in method builtins.len> 7\n");
    long long total = 0;
    for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        total += strtoll(strrchr(line, ' ') + 1, NULL, 10);
    }
    assert_int_equal(total, 18707);
    free(text);
    fixture_close(&fx);
}

static void
collapsed_takes_any_name(void **state)
{
    (void)state;
    struct fixture fx;
    fixture_hostile(&fx);
    char *text = fixture_export("collapsed", &fx);
    assert_int_equal(count_of(text, "\n"), 2);
    assert_int_equal(count_of(text, ";"), 1);
    assert_contains(text, ";(1):(2) 2\n");
    assert_lacks(text, "\033");
    free(text);
    fixture_close(&fx);
}

/* Opened and closed in order, times that do not go back, and what each frame had. */
static void
check_speedscope_events(const json_t *profile, size_t n_frames, int64_t total)
{
    uint64_t stack[64] = {0};
    size_t depth = 0, i;
    int64_t now = 0;
    json_t *event;
    json_array_foreach(json_object_get(profile, "events"), i, event)
    {
        const char *type = json_string_value(json_object_get(event, "type"));
        uint64_t frame = (uint64_t)json_integer_value(json_object_get(event, "frame"));
        int64_t at = json_integer_value(json_object_get(event, "at"));
        assert_true(at >= now && frame < n_frames);
        now = at;
        if (type[0] == 'O') {
            assert_true(depth < FIXTURE_LEN(stack));
            stack[depth++] = frame;
        } else {
            assert_true(depth > 0);
            assert_int_equal(stack[--depth], frame);
        }
    }
    assert_int_equal(depth, 0);
    assert_int_equal(now, total);
    assert_int_equal(json_integer_value(json_object_get(profile, "endValue")), total);
}

static void
speedscope_document(void **state)
{
    (void)state;
    struct fixture a, b;
    const struct prf_export_options options = {.strip_dirs = true};
    size_t size;
    fixture_fib(&a);
    fixture_hostile(&b);
    const struct prf_result *both[] = {&a.result, &b.result};
    char *text = fixture_export_all("speedscope", &a.run, both, 2, &options, &size);
    json_error_t why;
    json_t *root = json_loads(text, JSON_REJECT_DUPLICATES, &why);
    assert_non_null(root);
    const json_t *frames = json_object_get(json_object_get(root, "shared"), "frames");
    const json_t *profiles = json_object_get(root, "profiles");
    assert_string_equal(json_string_value(json_object_get(root, "$schema")),
                        "https://www.speedscope.app/file-format-schema.json");
    assert_int_equal(strncmp(json_string_value(json_object_get(root, "exporter")),
                             "pyprofiler@", 11),
                     0);
    assert_int_equal(json_array_size(profiles), 2);
    check_speedscope_events(json_array_get(profiles, 0), 4, 18707);
    check_speedscope_events(json_array_get(profiles, 1), json_array_size(frames), 42);
    const json_t *fib = json_array_get(frames, 2);
    assert_string_equal(json_string_value(json_object_get(fib, "name")), "fib");
    assert_string_equal(json_string_value(json_object_get(fib, "file")), "fib.py");
    assert_string_equal(
        json_string_value(json_object_get(json_array_get(profiles, 0), "unit")),
        "nanoseconds");
    json_decref(root);
    free(text);
    fixture_close(&a);
    fixture_close(&b);
}

/* A stack far deeper than C's own would be if the walk recursed. */
static void
speedscope_of_a_deep_stack(void **state)
{
    (void)state;
    enum { DEPTH = 200000 };
    struct fixture fx;
    fixture_fib(&fx);
    struct prf_profile *p = fx.result.profile;
    fixture_tree(p, DEPTH + 1);
    for (uint32_t i = 1; i <= DEPTH; i++) {
        p->tree.parent[i] = i - 1;
        p->tree.code[i] = 2;
        p->tree.values[i * 2 + 1] = 1;
    }
    p->tree.n = DEPTH + 1;
    char *text = fixture_export("speedscope", &fx);
    assert_int_equal(count_of(text, "\"O\""), DEPTH);
    assert_int_equal(count_of(text, "\"C\""), DEPTH);
    assert_contains(text, "\"endValue\": 200000");
    free(text);
    fixture_close(&fx);
}

static void
python_reads_our_json(void **state)
{
    (void)state;
    struct fixture fx;
    if (!installed(PYTHON)) {
        skip();
    }
    fixture_hostile(&fx);
    fx.result.output = "printed " FIXTURE_HOSTILE;
    free(export_and_consume("json", &fx, PYTHON " -m json.tool %s 2>&1"));
    free(export_and_consume("speedscope", &fx, PYTHON " -m json.tool %s 2>&1"));
    fixture_close(&fx);
}

static void
python_reads_our_csv(void **state)
{
    (void)state;
    struct fixture fx;
    if (!installed(PYTHON)) {
        skip();
    }
    fixture_hostile(&fx);
    char *text = export_and_consume(
        "csv", &fx,
        PYTHON " -c \"import csv, sys\n"
               "rows = list(csv.DictReader(open(sys.argv[1], newline='', "
               "encoding='utf-8'), strict=True))\n"
               "print(len(rows), ascii(rows[0]['function']), rows[0]['calls'], "
               "rows[1]['own_ns'], ascii(rows[1]['file']))\" %s 2>&1");
    assert_contains(text, "2 'a;b|c\"<i>,\\n\\x1b[31m\\ufffdz' 1 2 '(1)'\n");
    free(text);
    fixture_close(&fx);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pstats_reads_what_we_write),
        cmocka_unit_test(pstats_takes_any_name),
        cmocka_unit_test(pstats_adds_up_what_it_cannot_tell_apart),
        cmocka_unit_test(callgrind_annotate_reads_what_we_write),
        cmocka_unit_test(callgrind_takes_any_name),
        cmocka_unit_test(collapsed_stacks),
        cmocka_unit_test(collapsed_takes_any_name),
        cmocka_unit_test(speedscope_document),
        cmocka_unit_test(speedscope_of_a_deep_stack),
        cmocka_unit_test(python_reads_our_json),
        cmocka_unit_test(python_reads_our_csv),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
