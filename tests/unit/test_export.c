/* The table of formats, sort keys, names and units, and the formats for people and
   programs that need no other program to be checked. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>

#include "fixtures.h"
#include "label.h"
#include "order.h"
#include "units.h"

static void
formats_are_found_by_name(void **state)
{
    (void)state;
    const struct prf_exporter *exporter = NULL;
    struct prf_error err = {0};
    assert_int_equal(prf_exporter_find("pstats", &exporter, &err), 0);
    assert_string_equal(exporter->extension, ".pstats");
    assert_int_equal(prf_exporter_find("pstat", &exporter, &err), PRF_EUSAGE);
    assert_contains(err.text, "did you mean 'pstats'?");
    prf_error_clear(&err);
    assert_int_equal(prf_exporter_find("zzzzzzzzzz", &exporter, &err), PRF_EUSAGE);
    assert_contains(err.text, "formats: text json csv");
    assert_lacks(err.text, "did you mean");
}

static int
try_export(const char *format, const struct fixture *fx, size_t n, const char *sort,
           FILE *out, struct prf_error *err)
{
    const struct prf_export_options options = {.sort = sort};
    const struct prf_result *results[] = {&fx->result, &fx->result};
    const struct prf_exporter *exporter = NULL;
    assert_int_equal(prf_exporter_find(format, &exporter, err), 0);
    return prf_export(exporter, &fx->run, results, n, &options, out, err);
}

static void
what_a_format_needs_is_said(void **state)
{
    (void)state;
    struct fixture fx;
    struct prf_error err = {0};
    fixture_rounds(&fx);
    assert_int_equal(try_export("collapsed", &fx, 1, NULL, stderr, &err),
                     PRF_EUNAVAILABLE);
    assert_contains(err.text, "stopwatch");
    assert_contains(err.text, "stacks");
    assert_contains(err.text, "pyprofiler profilers");
    fixture_close(&fx);
    /* It has sites, but not those of calls. */
    fixture_lines(&fx);
    prf_error_clear(&err);
    assert_int_equal(try_export("pstats", &fx, 1, NULL, stderr, &err),
                     PRF_EUNAVAILABLE);
    assert_contains(err.text, "primitive_calls, own_ns, cumulative_ns");
    fixture_close(&fx);
    fixture_open(&fx);
    prf_profile_free(fx.result.profile);
    fx.result.profile = NULL;
    prf_error_clear(&err);
    assert_int_equal(prf_result_models(&fx.result), 0);
    assert_int_equal(try_export("pstats", &fx, 1, NULL, stderr, &err),
                     PRF_EUNAVAILABLE);
    fixture_close(&fx);
}

static void
other_failures_of_an_export(void **state)
{
    (void)state;
    struct fixture fx;
    struct prf_error err = {0};
    fixture_fib(&fx);
    assert_int_equal(try_export("pstats", &fx, 2, NULL, stderr, &err), PRF_EUSAGE);
    assert_contains(err.text, "takes one result, 2 were selected");
    prf_error_clear(&err);
    assert_int_equal(try_export("csv", &fx, 1, "cumulativ3", stderr, &err), PRF_EUSAGE);
    assert_contains(err.text, "did you mean 'cumulative'?");
    FILE *full = fopen("/dev/full", "w");
    assert_non_null(full);
    prf_error_clear(&err);
    assert_int_equal(try_export("json", &fx, 1, NULL, full, &err), PRF_EIO);
    assert_contains(err.text, "cannot write the json output");
    fclose(full);
    fixture_close(&fx);
}

/* Names of the rows in the order of `sort`: "name name ". */
static void
assert_order(const struct fixture *fx, const char *sort, size_t top_k, const char *want)
{
    const struct prf_export_options options = {.sort = sort, .top_k = top_k};
    const struct prf_profile *p = fx->result.profile;
    struct prf_error err = {0};
    uint32_t *rows = NULL;
    char got[256] = "";
    size_t n = 0;
    int rc = prf_order_rows(p, &p->sites, &options, "cumulative", &rows, &n, &err);
    if (rc < 0) {
        fail_msg("%s: %s", sort, err.text);
    }
    for (size_t i = 0; i < n; i++) {
        size_t len = strlen(got);
        snprintf(got + len, sizeof got - len, "%s ",
                 p->codes[p->sites.keys[rows[i]].code].name);
    }
    free(rows);
    assert_string_equal(got, want);
}

static void
sort_keys_of_pstats(void **state)
{
    (void)state;
    struct fixture fx;
    fixture_fib(&fx);
    assert_order(&fx, NULL, 0, "profile_fib fib len ");
    assert_order(&fx, "cumulative", 0, "profile_fib fib len ");
    assert_order(&fx, "cumtime", 2, "profile_fib fib ");
    assert_order(&fx, "cum", 0, "profile_fib fib len ");
    assert_order(&fx, "calls", 1, "fib ");
    assert_order(&fx, "ncalls", 1, "fib ");
    assert_order(&fx, "tottime", 0, "fib profile_fib len ");
    assert_order(&fx, "TIME", 0, "fib profile_fib len ");
    assert_order(&fx, "own-ns", 0, "fib profile_fib len ");
    assert_order(&fx, "own", 0, "fib profile_fib len ");
    assert_order(&fx, "pcalls", 0, "fib profile_fib len ");
    assert_order(&fx, "primitive_calls", 1, "fib ");
    assert_order(&fx, "line", 0, "len fib profile_fib ");
    assert_order(&fx, "name", 0, "len profile_fib fib ");
    assert_order(&fx, "nfl", 1, "len ");
    assert_order(&fx, "file", 0, "fib profile_fib len ");
    assert_order(&fx, "filename", 1, "fib ");
    assert_order(&fx, "module", 1, "fib ");
    assert_order(&fx, "stdname", 0, "fib profile_fib len ");
    fixture_close(&fx);
}

static void
sort_keys_that_are_not(void **state)
{
    (void)state;
    static const char *const bad[] = {"c", "", "growth_bytes", "calls_", "xyzzyxyzzy"};
    struct fixture fx;
    struct prf_error err = {0};
    fixture_fib(&fx);
    for (size_t i = 0; i < FIXTURE_LEN(bad); i++) {
        prf_error_clear(&err);
        assert_int_equal(prf_order_check(&fx.result.profile->sites, bad[i], &err),
                         PRF_EUSAGE);
        assert_contains(err.text, "this table has: calls ncalls");
    }
    prf_error_clear(&err);
    assert_int_equal(prf_order_check(&fx.result.profile->sites, "c", &err), PRF_EUSAGE);
    assert_contains(err.text, "ambiguous");
    fixture_close(&fx);
    /* pstats' words mean nothing where there are no calls; the columns do. */
    fixture_lines(&fx);
    prf_error_clear(&err);
    assert_int_equal(prf_order_check(&fx.result.profile->sites, "tottime", &err),
                     PRF_EUSAGE);
    assert_lacks(err.text, "ncalls");
    assert_int_equal(prf_order_check(&fx.result.profile->sites, "hits", NULL), 0);
    assert_string_equal(prf_order_default(&fx.result.profile->sites), "growth_bytes");
    fixture_close(&fx);
}

static void
strip_dirs_sorts_by_the_last_part(void **state)
{
    (void)state;
    static struct prf_function codes[] = {
        {"", "", "", 0, 0}, {"/a/z.py", "z", "z", 1, 0}, {"/b/y.py", "y", "y", 1, 0}};
    static struct prf_column column = {"hits", "count", PRF_BETTER_NONE};
    static struct prf_key keys[] = {{1, 0}, {2, 0}};
    static int64_t values[] = {1, 1};
    struct prf_profile p = {.codes = codes, .n_codes = 3};
    struct prf_export_options options = {.sort = "file"};
    uint32_t *rows = NULL;
    size_t n;
    p.sites = (struct prf_table){&column, 1, 2, keys, values};
    assert_int_equal(prf_order_rows(&p, &p.sites, &options, NULL, &rows, &n, NULL), 0);
    assert_int_equal(rows[0], 0);
    free(rows);
    options.strip_dirs = true;
    assert_int_equal(prf_order_rows(&p, &p.sites, &options, NULL, &rows, &n, NULL), 0);
    assert_int_equal(rows[0], 1);
    free(rows);
}

static void
assert_visible(const char *text, enum prf_visible lines, const char *want)
{
    struct prf_strbuf sb = PRF_STRBUF_INIT;
    prf_visible_add(&sb, text, lines);
    assert_string_equal(prf_strbuf_text(&sb), want);
    prf_strbuf_release(&sb);
}

static void
control_characters_are_made_visible(void **state)
{
    (void)state;
    assert_visible("a\033[2Jb", PRF_VISIBLE_LINE, "a\\x1b[2Jb");
    assert_visible("a\nb\tc\r", PRF_VISIBLE_LINE, "a\\nb\\tc\\r");
    assert_visible("a\nb\tc\r", PRF_VISIBLE_LINES, "a\nb\tc\\r");
    assert_visible("\xC2\x9B", PRF_VISIBLE_LINES, "\\u009b"); /* CSI in one character */
    assert_visible("\xE2\x80\xAE", PRF_VISIBLE_LINE, "\\u202e");
    assert_visible("\x7F\xFFok", PRF_VISIBLE_LINE, "\\x7f\\xffok");
    assert_visible("\xC3\xA9\xE6\xBC\xA2\xF0\x9F\x90\x8D", PRF_VISIBLE_LINE,
                   "\xC3\xA9\xE6\xBC\xA2\xF0\x9F\x90\x8D");
}

static void
text_is_made_valid_utf8(void **state)
{
    (void)state;
    static const struct {
        const char *text, *want;
    } table[] = {
        {"\xC3\xA9", "\xC3\xA9"},
        {"\xC3", "\xEF\xBF\xBD"},
        {"\xC0\x80", "\xEF\xBF\xBD\xEF\xBF\xBD"},                   /* overlong */
        {"\xED\xA0\x80x", "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBDx"}, /* surrogate */
        {"\xF4\x90\x80\x80", "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD"},
    };
    for (size_t i = 0; i < FIXTURE_LEN(table); i++) {
        struct prf_strbuf sb = PRF_STRBUF_INIT;
        prf_utf8_add(&sb, table[i].text);
        assert_string_equal(prf_strbuf_text(&sb), table[i].want);
        prf_strbuf_release(&sb);
    }
}

static void
long_text_is_shortened_in_the_middle(void **state)
{
    (void)state;
    static const struct {
        size_t width;
        const char *want;
    } table[] = {
        {10, "0123456789"}, {9, "012...789"}, {8, "01...789"}, {2, "01"}, {0, ""}};
    for (size_t i = 0; i < FIXTURE_LEN(table); i++) {
        struct prf_strbuf sb = PRF_STRBUF_INIT;
        prf_shorten_add(&sb, "0123456789", table[i].width, "...");
        assert_string_equal(prf_strbuf_text(&sb), table[i].want);
        prf_strbuf_release(&sb);
    }
}

static void
amounts(void **state)
{
    (void)state;
    char buf[PRF_UNIT_TEXT];
    assert_string_equal(prf_format_time(1234567, NULL, buf, sizeof buf), "1.235 ms");
    assert_string_equal(prf_format_time(1234567, "us", buf, sizeof buf), "1234.567 us");
    assert_string_equal(prf_format_time(1234567, "s", buf, sizeof buf), "0.001 s");
    assert_string_equal(prf_format_time(0, NULL, buf, sizeof buf), "0 ns");
    assert_string_equal(prf_format_time(12.5, NULL, buf, sizeof buf), "12.5 ns");
    assert_string_equal(prf_format_time(-2e9, NULL, buf, sizeof buf), "-2.000 s");
    assert_string_equal(prf_format_time(NAN, NULL, buf, sizeof buf), "-");
    assert_string_equal(prf_format_bytes(1536, buf, sizeof buf), "1.500 KiB");
    assert_string_equal(prf_format_bytes(3, buf, sizeof buf), "3 B");
    assert_string_equal(prf_format_amount(12.34, "percent", NULL, buf, sizeof buf),
                        "12.3 %");
    assert_string_equal(prf_format_amount(7, "count", "ms", buf, sizeof buf), "7");
    assert_true(strlen(prf_format_amount(-1.7e308, "bytes", NULL, buf, sizeof buf)) <
                sizeof buf - 1);
}

static json_t *
get(const json_t *object, const char *key)
{
    json_t *value = json_object_get(object, key);
    if (value == NULL) {
        fail_msg("no key '%s'", key);
    }
    return value;
}

static json_t *
load_first_result(const char *text, json_t **root)
{
    json_error_t why;
    *root = json_loads(text, JSON_REJECT_DUPLICATES, &why);
    if (*root == NULL) {
        fail_msg("%s at %d of:\n%s", why.text, why.position, text);
    }
    assert_string_equal(json_string_value(get(*root, "schema")), "pyprofiler/run/1");
    return json_array_get(get(*root, "results"), 0);
}

static void
json_of_a_call_profile(void **state)
{
    (void)state;
    struct fixture fx;
    json_t *root;
    fixture_fib(&fx);
    char *text = fixture_export("json", &fx);
    const json_t *result = load_first_result(text, &root);
    assert_string_equal(json_string_value(get(get(root, "commit"), "branch")), "main");
    assert_true(json_is_true(get(get(root, "commit"), "dirty")));
    assert_string_equal(json_string_value(get(get(root, "python"), "host")), "embed");
    assert_string_equal(json_string_value(get(get(root, "machine"), "fingerprint")),
                        "f00d");
    assert_string_equal(json_string_value(get(result, "status")), "ok");
    assert_true(json_is_null(get(result, "reason")));
    assert_int_equal(json_integer_value(get(result, "duration_ns")), 20000);
    const json_t *fib = json_array_get(get(result, "sites"), 1);
    assert_string_equal(json_string_value(get(fib, "function")), "fib");
    assert_int_equal(json_integer_value(get(fib, "line")), 3);
    assert_int_equal(json_integer_value(get(fib, "calls")), 177);
    assert_int_equal(json_integer_value(get(fib, "cumulative_ns")), 17700);
    assert_int_equal(json_array_size(get(result, "edges")), 3);
    const json_t *edge = json_array_get(get(result, "edges"), 0);
    assert_string_equal(json_string_value(get(get(edge, "caller"), "function")),
                        "Fib.profile_fib");
    assert_int_equal(json_integer_value(get(edge, "calls")), 1);
    json_decref(root);
    free(text);
    fixture_close(&fx);
}

static void
json_of_metrics(void **state)
{
    (void)state;
    struct fixture fx;
    json_t *root;
    static double odd[] = {NAN, INFINITY};
    struct prf_metric_values broken = {"broken", "ns", PRF_BETTER_MORE, odd, 2, 0};
    static const char *notes[] = {"a \xFF note"};
    fixture_rounds(&fx);
    struct prf_profile *p = fx.result.profile;
    p->notes = notes;
    p->n_notes = 1;
    p->n_lost = 3;
    fx.result.duration_ns = -1;
    char *text = fixture_export("json", &fx);
    const json_t *result = load_first_result(text, &root);
    const json_t *wall = get(get(result, "metrics"), "wall_time");
    assert_string_equal(json_string_value(get(wall, "unit")), "ns");
    assert_string_equal(json_string_value(get(wall, "better")), "less");
    assert_true(json_number_value(get(wall, "value")) == 4e6);
    assert_true(json_number_value(json_array_get(get(wall, "ci95"), 0)) == 2.25e6);
    assert_true(json_number_value(json_array_get(get(wall, "ci95"), 1)) == 12e6);
    assert_int_equal(json_integer_value(get(wall, "n")), 11);
    assert_int_equal(json_array_size(get(wall, "samples")), 11);
    assert_true(json_number_value(get(wall, "iqr")) == 2.5e6);
    assert_int_equal(json_integer_value(get(get(wall, "outliers"), "severe")), 1);
    assert_string_equal(
        json_string_value(get(json_array_get(get(result, "marks"), 0), "name")),
        "generated");
    assert_int_equal(json_integer_value(get(get(result, "rounds"), "loops")), 1000);
    assert_int_equal(json_integer_value(get(result, "lost")), 3);
    assert_true(json_is_null(get(result, "duration_ns")));
    assert_string_equal(json_string_value(json_array_get(get(result, "notes"), 0)),
                        "a \xEF\xBF\xBD note");
    json_decref(root);
    free(text);
    p->metrics = &broken;
    p->n_metrics = 1;
    p->rounds = "{not json";
    text = fixture_export("json", &fx);
    result = load_first_result(text, &root);
    const json_t *none = get(get(result, "metrics"), "broken");
    assert_int_equal(json_integer_value(get(none, "n")), 0);
    assert_true(json_is_null(json_array_get(get(none, "samples"), 0)));
    assert_true(json_is_null(get(result, "rounds")));
    json_decref(root);
    free(text);
    fixture_close(&fx);
}

static void
json_of_a_result_without_profile(void **state)
{
    (void)state;
    struct fixture fx;
    json_t *root;
    fixture_open(&fx);
    prf_profile_free(fx.result.profile);
    fx.result.profile = NULL;
    fx.result.status = PRF_STATUS_CRASHED;
    fx.result.signal = "SIGSEGV";
    fx.result.output = FIXTURE_HOSTILE;
    /* An order that only sites have is no reason to fail where there are none. */
    const struct prf_export_options options = {.sort = "tottime", .top_k = 1};
    const struct prf_result *one = &fx.result;
    size_t size;
    char *text = fixture_export_all("json", &fx.run, &one, 1, &options, &size);
    const json_t *result = load_first_result(text, &root);
    assert_string_equal(json_string_value(get(result, "status")), "crashed");
    assert_string_equal(json_string_value(get(result, "signal")), "SIGSEGV");
    assert_int_equal(json_object_size(get(result, "metrics")), 0);
    assert_int_equal(json_array_size(get(result, "sites")), 0);
    assert_string_equal(json_string_value(get(result, "output")),
                        "a;b|c\"<i>,\n\033[31m\xEF\xBF\xBDz");
    json_decref(root);
    free(text);
    fixture_close(&fx);
}

static void
json_of_several_results_and_series(void **state)
{
    (void)state;
    struct fixture a, b;
    const struct prf_export_options options = {.sort = "hits", .top_k = 1};
    json_t *root;
    size_t size;
    fixture_lines(&a);
    fixture_lines(&b);
    const struct prf_result *both[] = {&a.result, &b.result};
    char *text = fixture_export_all("json", &a.run, both, 2, &options, &size);
    const json_t *result = load_first_result(text, &root);
    assert_int_equal(json_array_size(get(root, "results")), 2);
    assert_int_equal(json_array_size(get(result, "sites")), 1);
    assert_int_equal(
        json_integer_value(get(json_array_get(get(result, "sites"), 0), "line")), 3);
    const json_t *rss = json_array_get(get(result, "series"), 0);
    assert_int_equal(json_array_size(get(rss, "at_ns")), 4);
    assert_int_equal(json_array_size(get(rss, "values")), 4);
    assert_int_equal(json_integer_value(json_array_get(get(rss, "at_ns"), 2)), 20);
    assert_true(json_number_value(json_array_get(get(rss, "values"), 2)) == 4194304);
    json_decref(root);
    free(text);
    fixture_close(&a);
    fixture_close(&b);
}

static void
csv_rows(void **state)
{
    (void)state;
    struct fixture a, b, c;
    const struct prf_export_options options = {.strip_dirs = true};
    size_t size;
    fixture_fib(&a);
    fixture_rounds(&b);
    fixture_open(&c);
    c.result.status = PRF_STATUS_FAILED;
    const struct prf_result *all[] = {&a.result, &b.result, &c.result};
    char *text = fixture_export_all("csv", &a.run, all, 3, &options, &size);
    assert_contains(text,
                    "case,profiler,status,file,line,function,calls,primitive_calls,"
                    "own_ns,cumulative_ns,metric,unit,value,");
    assert_contains(text,
                    "\r\ncases/fib.py::Fib::profile_fib,call,ok,fib.py,3,fib,177,1,"
                    "17700,17700,,,");
    assert_contains(text,
                    ",stopwatch,ok,,,,,,,,wall_time,ns,4000000,2250000,12000000,11,");
    assert_int_equal(count_of(text, "\r\n"), 1 + 3 + 3 + 1);
    /* Every row has as many fields as the head. */
    size_t n_lines = 0, commas = 0;
    for (const char *s = text; *s != '\0'; s++) {
        commas += *s == ',';
        n_lines += *s == '\n';
    }
    assert_int_equal(commas, n_lines * 23);
    free(text);
    fixture_close(&a);
    fixture_close(&b);
    fixture_close(&c);
}

static void
markdown_tables(void **state)
{
    (void)state;
    struct fixture fx;
    fixture_rounds(&fx);
    char *text = fixture_export("markdown", &fx);
    assert_contains(text, "# pyprofiler: 0123456789 (with uncommitted changes)");
    assert_contains(text,
                    "| wall\\_time | 4.000 ms | 2.250 ms | 12.000 ms | 1.500 ms |");
    free(text);
    fixture_close(&fx);
    fixture_hostile(&fx);
    fx.result.status = PRF_STATUS_FAILED;
    fx.result.reason = "a | b";
    text = fixture_export("markdown", &fx);
    assert_contains(text, "**failed**: a \\| b");
    assert_contains(text, ":1(a;b\\|c\"&lt;i\\>,\\\\n\\\\x1b\\[31m\\\\xffz) |\n");
    assert_lacks(text, "<i>");
    free(text);
    fixture_close(&fx);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(formats_are_found_by_name),
        cmocka_unit_test(what_a_format_needs_is_said),
        cmocka_unit_test(other_failures_of_an_export),
        cmocka_unit_test(sort_keys_of_pstats),
        cmocka_unit_test(sort_keys_that_are_not),
        cmocka_unit_test(strip_dirs_sorts_by_the_last_part),
        cmocka_unit_test(control_characters_are_made_visible),
        cmocka_unit_test(text_is_made_valid_utf8),
        cmocka_unit_test(long_text_is_shortened_in_the_middle),
        cmocka_unit_test(amounts),
        cmocka_unit_test(json_of_a_call_profile),
        cmocka_unit_test(json_of_metrics),
        cmocka_unit_test(json_of_a_result_without_profile),
        cmocka_unit_test(json_of_several_results_and_series),
        cmocka_unit_test(csv_rows),
        cmocka_unit_test(markdown_tables),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
