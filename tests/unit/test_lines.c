/* Source lines in profiles, and the tables of functions line by line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include <pyprofiler/sink.h>

#include "fixtures.h"
#include "reader.h"
#include "sources.h"
#include "writer.h"

static void
sources_are_taken_apart(void **state)
{
    (void)state;
    uint32_t id = 0, first = 0;
    const char *lines = NULL;
    assert_true(prf_source_parse("12 7\ndef f():\n    pass\n", &id, &first, &lines));
    assert_int_equal(id, 12);
    assert_int_equal(first, 7);
    assert_string_equal(lines, "def f():\n    pass\n");
    assert_true(prf_source_parse("1 2\n", &id, &first, &lines));
    static const char *const wrong[] = {"",       "1",      "1 2",  "1 \nx",
                                        " 1 2\n", "-1 2\n", "1\n2", "1 99999999999\n",
                                        "x y\n"};
    for (size_t i = 0; i < FIXTURE_LEN(wrong); i++) {
        assert_false(prf_source_parse(wrong[i], &id, &first, &lines));
    }
}

/* What a backend records is what the reader gives. */
static void
sources_go_through_a_recording(void **state)
{
    (void)state;
    char path[] = "/tmp/prf-lines.XXXXXX";
    struct prf_error err = {0};
    struct prf_writer *writer = NULL;
    struct prf_profile *p = NULL;
    close(mkstemp(path));
    assert_int_equal(prf_writer_open(path, 1.0, &writer, &err), 0);
    struct prf_sink *sink = prf_writer_sink(writer);
    prf_sink_code(sink, "a.py", "f", "f", 3, 0);
    prf_sink_code(sink, "a.py", "g", "g", 9, 0);
    prf_sink_info(sink, PRF_INFO_SOURCE, "2 9\ndef g():\r\n    return 1");
    prf_sink_info(sink, PRF_INFO_SOURCE, "damaged");
    prf_sink_info(sink, PRF_INFO_SOURCE, "77 1\nno such function");
    prf_writer_close(writer);
    assert_int_equal(prf_recording_read(path, &p, &err), 0);
    unlink(path);
    size_t len = 0;
    assert_null(prf_source_find(p, 1));
    assert_int_equal(prf_source_find(p, 2)->first_line, 9);
    assert_memory_equal(prf_source_line(p, 2, 10, &len), "    return 1", 12);
    assert_int_equal(len, 12);
    prf_source_line(p, 2, 9, &len);
    assert_int_equal(len, 8); /* without "\r\n" */
    assert_null(prf_source_line(p, 2, 8, &len));
    assert_null(prf_source_line(p, 2, 11, &len));
    assert_null(prf_source_line(p, 1, 3, &len));
    assert_int_equal(p->n_notes, 1); /* 2 damaged entries */
    assert_contains(p->notes[0], "2 damaged");
    prf_profile_free(p);
}

static struct prf_function functions[] = {
    {"", "", "", 0, 0},
    {"/src/b.py", "late", "late", 20, 0},
    {"/src/a.py", "f", "M.f", 1, 0},
};
static struct prf_key keys[] = {{1, 21}, {2, 3}, {2, 2}, {2, 3}};
static const char source[] = "def f(self):\n\tx = 1\n    return \033[31mx\n\n# end";

static void
fixture_table(struct fixture *fx, struct prf_column *columns, size_t n_columns,
              int64_t *values)
{
    static struct prf_source sources[] = {{2, 1, source}};
    fixture_open(fx);
    struct prf_profile *p = fx->result.profile;
    p->codes = functions;
    p->n_codes = FIXTURE_LEN(functions);
    p->sites = (struct prf_table){.columns = columns,
                                  .n_columns = n_columns,
                                  .n = FIXTURE_LEN(keys),
                                  .keys = keys,
                                  .values = values};
    p->sources = sources;
    p->n_sources = 1;
}

static void
fixture_times(struct fixture *fx)
{
    static struct prf_column columns[] = {{"hits", "count", PRF_BETTER_LESS},
                                          {"time", "ns", PRF_BETTER_LESS}};
    static int64_t values[] = {4, 9000, 1, 1500, 2, 500, 2, 2000};
    fixture_table(fx, columns, 2, values);
}

static char *
text_of(const struct fixture *fx, const struct prf_export_options *options)
{
    const struct prf_result *results[] = {&fx->result};
    size_t size;
    return fixture_export_all("text", &fx->run, results, 1, options, &size);
}

static void
lines_look_like_line_profiler(void **state)
{
    (void)state;
    struct fixture fx;
    fixture_times(&fx);
    char *text = text_of(&fx, &(struct prf_export_options){0});
    assert_contains(text,
                    "\nTimer unit: 1e-06 s\n"
                    "\n"
                    "Total time: 4e-06 s\n"
                    "File: /src/a.py\n"
                    "Function: M.f at line 1\n"
                    "\n"
                    "Line #      Hits         Time  Per Hit   % Time  Line Contents\n"
                    "==============================================================\n"
                    "     1                                           def f(self):\n"
                    "     2         2          0.5      0.2     12.5  \tx = 1\n"
                    "     3         3          3.5      1.2     87.5      return "
                    "\\x1b[31mx\n"
                    "     4\n"
                    "     5                                           # end\n"
                    "\n"
                    "Total time: 9e-06 s\n"
                    "File: /src/b.py\n"
                    "Function: late at line 20\n");
    /* No source is known: the lines that ran. */
    assert_contains(text, "\n    21         4          9.0      2.2    100.0\n");
    free(text);
    fixture_close(&fx);
}

static void
functions_are_sorted_and_counted(void **state)
{
    (void)state;
    struct fixture fx;
    fixture_times(&fx);
    const struct prf_export_options options = {
        .sort = "time", .top_k = 1, .time_unit = "ns", .strip_dirs = true};
    char *text = text_of(&fx, &options);
    assert_contains(text, "Timer unit: 1e-09 s\n");
    assert_contains(text, "File: b.py\n");
    assert_contains(text, "     4       9000.0   2250.0    100.0\n");
    assert_contains(text, "\n  (1 of 2 functions)\n");
    assert_lacks(text, "M.f");
    free(text);
    fixture_close(&fx);
}

static void
lines_look_like_memory_profiler(void **state)
{
    (void)state;
    static struct prf_column columns[] = {{"usage", "bytes", PRF_BETTER_LESS},
                                          {"increment", "bytes", PRF_BETTER_LESS},
                                          {"occurrences", "count", PRF_BETTER_NONE}};
    static int64_t values[] = {1 << 20,     0, 1, 3 << 20,     1 << 20,      1,
                               5 * 1048576, 0, 1, 2 * 1048576, -3 * 1048576, 2};
    struct fixture fx;
    fixture_table(&fx, columns, 3, values);
    char *text = text_of(&fx, &(struct prf_export_options){0});
    assert_contains(text,
                    "\nFilename: /src/a.py\n"
                    "Function: M.f at line 1\n"
                    "\n"
                    "Line #    Mem usage    Increment  Occurrences   Line Contents\n"
                    "=============================================================\n"
                    "     1                                          def f(self):\n"
                    "     2    5.000 MiB    0.000 MiB            1   \tx = 1\n"
                    "     3    3.000 MiB   -2.000 MiB            3       return ");
    free(text);
    /* Small amounts are not all zeros. */
    for (size_t i = 0; i < FIXTURE_LEN(values); i++) {
        values[i] = i % 3 == 2 ? 1 : 2048;
    }
    text = text_of(&fx, &(struct prf_export_options){0});
    assert_contains(text, "     2    2.000 KiB    2.000 KiB            1   \tx = 1\n");
    free(text);
    fixture_close(&fx);
}

static void
json_has_the_source(void **state)
{
    (void)state;
    struct fixture fx;
    fixture_times(&fx);
    char *text = fixture_export("json", &fx);
    assert_contains(text, "\"source\": \"\\u0009x = 1\", \"hits\": 2");
    assert_contains(text, "\"function\": \"late\", \"hits\": 4");
    free(text);
    fixture_close(&fx);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sources_are_taken_apart),
        cmocka_unit_test(sources_go_through_a_recording),
        cmocka_unit_test(lines_look_like_line_profiler),
        cmocka_unit_test(functions_are_sorted_and_counted),
        cmocka_unit_test(lines_look_like_memory_profiler),
        cmocka_unit_test(json_has_the_source),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
