/* Differential exports: what their readers get. Whether the readers take it is tested
   end to end. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>

#include "fixtures.h"

#include "diff.h"

/* Two sides: main calls same, more and gone; more and fresh on the new one. */
struct pair {
    struct fixture fx[PRF_DIFF_SIDES];
    const struct prf_profile *profiles[PRF_DIFF_SIDES][1];
    const char *roots[1];
    struct prf_export_options options;
    struct prf_diff_request request;
};

enum { MAIN = 1, SAME, MORE, OTHER };

static void
pair_open(struct pair *pair, const char *name)
{
    static struct prf_function codes[PRF_DIFF_SIDES][5];
    *pair = (struct pair){.roots = {"/src"}};
    for (int side = 0; side < PRF_DIFF_SIDES; side++) {
        const char *file = "/src/app/m.py";
        codes[side][0] = (struct prf_function){"", "", "", 0, 0};
        codes[side][MAIN] = (struct prf_function){file, "main", "main", 1, 0};
        codes[side][SAME] = (struct prf_function){file, "same", "same", 10, 0};
        codes[side][MORE] = (struct prf_function){file, name, name, 20, 0};
        codes[side][OTHER] = side == 0
                                 ? (struct prf_function){file, "gone", "gone", 30, 0}
                                 : (struct prf_function){file, "fresh", "fresh", 40, 0};
        fixture_open(&pair->fx[side]);
        struct prf_profile *p = pair->fx[side].result.profile;
        p->codes = codes[side];
        p->n_codes = 5;
        fixture_tree(p, 8);
        uint32_t top = fixture_call(p, 0, MAIN, 1000);
        fixture_call(p, top, SAME, 5000);
        fixture_call(p, fixture_call(p, top, MORE, side == 0 ? 2000 : 4000), OTHER,
                     3000);
        fixture_fold(p);
        pair->profiles[side][0] = p;
        pair->request.sides[side] =
            (struct prf_side_profiles){pair->profiles[side], pair->roots, 1};
        pair->request.results[side] = &pair->fx[side].result;
    }
    pair->request.names[0] = "v1";
    pair->request.names[1] = "HEAD";
    pair->request.run = &pair->fx[1].run;
    pair->request.options = &pair->options;
}

static void
pair_close(struct pair *pair)
{
    fixture_close(&pair->fx[0]);
    fixture_close(&pair->fx[1]);
}

static int
pair_try(struct pair *pair, const char *format, char **text, struct prf_error *err)
{
    size_t size;
    FILE *out = open_memstream(text, &size);
    assert_non_null(out);
    assert_non_null(prf_diff_format_find(format));
    int rc = prf_diff_export(prf_diff_format_find(format), &pair->request, out, err);
    fclose(out);
    return rc;
}

static char *
pair_export(struct pair *pair, const char *format)
{
    struct prf_error err = {0};
    char *text = NULL;
    if (pair_try(pair, format, &text, &err) < 0) {
        fail_msg("%s", err.text);
    }
    return text;
}

static void
collapsed(void **state)
{
    struct pair pair;
    (void)state;
    pair_open(&pair, "more");
    char *text = pair_export(&pair, "collapsed-diff");
    assert_string_equal(text, "app/m.py:main 1000 1000\n"
                              "app/m.py:main;app/m.py:same 5000 5000\n"
                              "app/m.py:main;app/m.py:more 2000 4000\n"
                              "app/m.py:main;app/m.py:more;app/m.py:gone 3000 0\n"
                              "app/m.py:main;app/m.py:more;app/m.py:fresh 0 3000\n");
    free(text);
    pair.request.column = "calls";
    text = pair_export(&pair, "collapsed-diff");
    assert_contains(text, "app/m.py:main;app/m.py:more 1 1\n");
    free(text);
    pair_close(&pair);
}

/* Opens and closes of a profile in pairs, on one clock; the sum of its own times. */
static json_int_t
check_events(const json_t *profile, const json_t *frames)
{
    const json_t *events = json_object_get(profile, "events"), *event;
    json_int_t at = 0, open[16] = {0};
    size_t depth = 0, i;
    assert_string_equal(json_string_value(json_object_get(profile, "type")), "evented");
    json_array_foreach(events, i, event)
    {
        json_int_t frame = json_integer_value(json_object_get(event, "frame"));
        json_int_t now = json_integer_value(json_object_get(event, "at"));
        assert_true(now >= at);
        at = now;
        assert_true(frame >= 0 && (size_t)frame < json_array_size(frames));
        if (json_string_value(json_object_get(event, "type"))[0] == 'O') {
            assert_true(depth < 16);
            open[depth++] = frame;
        } else {
            assert_true(depth > 0 && open[depth - 1] == frame);
            depth--;
        }
    }
    assert_int_equal(depth, 0);
    assert_int_equal(json_integer_value(json_object_get(profile, "endValue")), at);
    return at;
}

static void
speedscope(void **state)
{
    static const json_int_t totals[] = {11000, 13000, 8000};
    struct pair pair;
    (void)state;
    pair_open(&pair, "more");
    char *text = pair_export(&pair, "speedscope");
    json_t *document = json_loads(text, 0, NULL);
    const json_t *frames =
        json_object_get(json_object_get(document, "shared"), "frames");
    const json_t *profiles = json_object_get(document, "profiles");
    assert_int_equal(json_array_size(profiles), 3);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(check_events(json_array_get(profiles, i), frames), totals[i]);
    }
    assert_contains(text, "\"base: v1\"");
    assert_contains(text, "\"new: HEAD\"");
    assert_contains(text, "\"more +100 %\"");
    assert_contains(text, "\"gone gone\"");
    assert_contains(text, "\"fresh new\"");
    json_decref(document);
    free(text);
    pair_close(&pair);
}

/* Nothing differs: there is no third profile, which could not be shown. */
static void
speedscope_without_a_difference(void **state)
{
    struct pair pair;
    (void)state;
    pair_open(&pair, "more");
    pair.request.sides[1] = pair.request.sides[0];
    char *text = pair_export(&pair, "speedscope");
    json_t *document = json_loads(text, 0, NULL);
    assert_int_equal(json_array_size(json_object_get(document, "profiles")), 2);
    json_decref(document);
    free(text);
    pair_close(&pair);
}

static void
flame(void **state)
{
    struct pair pair;
    (void)state;
    pair_open(&pair, "more");
    char *text = pair_export(&pair, "svg");
    assert_contains(text, "app/m.py:more\nown: 2.000 us \u2192 4.000 us (+100 %)\n"
                          "with what it calls: 5.000 us \u2192 7.000 us (+40 %)\n"
                          "calls: 1 \u2192 1</title>");
    assert_contains(text, "only in base:");
    assert_contains(text, "3.000 us  gone \u2190 more \u2190 main");
    assert_contains(text, "class=\"n\""); /* fresh */
    assert_contains(text, "v1 \u2192 HEAD, own_ns of call: 11.000 us \u2192 13.000 us");
    assert_lacks(text, "<script");
    assert_int_equal(count_of(text, "<title>"), 4); /* gone has no box */
    assert_contains(text, "fill=\"#67001f\"");      /* the largest change */
    free(text);
    pair_close(&pair);
}

static void
hostile_names(void **state)
{
    static const char *const formats[] = {"collapsed-diff", "svg", "dot-diff"};
    struct pair pair;
    (void)state;
    pair_open(&pair, FIXTURE_HOSTILE);
    for (size_t i = 0; i < FIXTURE_LEN(formats); i++) {
        char *text = pair_export(&pair, formats[i]);
        assert_lacks(text, "\033");
        if (strcmp(formats[i], "svg") == 0) {
            assert_lacks(text, "<i>");
        }
        free(text);
    }
    char *text = pair_export(&pair, "speedscope");
    json_t *document = json_loads(text, 0, NULL);
    assert_non_null(document);
    json_decref(document);
    free(text);
    text = pair_export(&pair, "collapsed-diff");
    assert_contains(text, "a,b|c");
    free(text);
    pair_close(&pair);
}

static void
graph(void **state)
{
    struct pair pair;
    (void)state;
    pair_open(&pair, "more");
    char *text = pair_export(&pair, "dot-diff");
    assert_contains(text, "fresh (new)\\ncalls 0 \u2192 1");
    assert_contains(text, "gone (gone)\\ncalls 1 \u2192 0");
    assert_contains(text, "own 0.002 ms \u2192 0.004 ms (+100 %)");
    assert_int_equal(count_of(text, "style=\"filled,dashed\""), 2);
    assert_int_equal(count_of(text, "style=dashed"), 2); /* the arrows to them */
    assert_contains(text, "v1 \u2192 HEAD");
    free(text);
    pair_close(&pair);
}

static void
what_is_missing(void **state)
{
    struct pair pair;
    struct prf_error err = {0};
    char *text = NULL;
    (void)state;
    pair_open(&pair, "more");
    pair.request.column = "bananas";
    assert_int_equal(pair_try(&pair, "svg", &text, &err), PRF_ENOTFOUND);
    assert_string_equal(err.text,
                        "stacks have no column 'bananas': there are calls, own_ns");
    free(text);
    pair.request.column = NULL;
    pair.fx[0].result.profile->tree.n = 0;
    static const char *const formats[] = {"collapsed-diff", "speedscope", "svg"};
    for (size_t i = 0; i < FIXTURE_LEN(formats); i++) {
        prf_error_clear(&err);
        assert_int_equal(pair_try(&pair, formats[i], &text, &err), PRF_EUNAVAILABLE);
        assert_contains(err.text, "have no stacks on both sides");
        free(text);
    }
    pair.fx[0].result.profile->edges.n_columns = 0;
    prf_error_clear(&err);
    assert_int_equal(pair_try(&pair, "dot-diff", &text, &err), PRF_EUNAVAILABLE);
    assert_contains(err.text, "have no calls to draw a graph of");
    free(text);
    assert_null(prf_diff_format_find("json"));
    pair_close(&pair);
}

static void
percents_and_colors(void **state)
{
    char text[PRF_DIFF_TEXT];
    (void)state;
    assert_string_equal(prf_diff_percent(100, 112.34, text, sizeof text), "+12 %");
    assert_string_equal(prf_diff_percent(100, 98.76, text, sizeof text), "-1.2 %");
    assert_string_equal(prf_diff_percent(5, 5, text, sizeof text), "\u00b10 %");
    assert_string_equal(prf_diff_percent(0, 5, text, sizeof text), "new");
    assert_string_equal(prf_diff_percent(5, 0, text, sizeof text), "gone");
    struct prf_color more = prf_diff_color(1, 1), less = prf_diff_color(-1, 1),
                     none = prf_diff_color(0, 1), empty = prf_diff_color(0, 0);
    assert_true(more.red > more.blue && less.blue > less.red);
    assert_int_equal(none.red, 0xF7);
    assert_int_equal(empty.blue, 0xF7);
    struct prf_color quarter = prf_diff_color(PRF_DIFF_HALFWAY, 1);
    assert_int_equal(quarter.red,
                     prf_colormap_at(prf_colormap_find("RdBu_r"), 0.75).red);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(collapsed),
        cmocka_unit_test(speedscope),
        cmocka_unit_test(speedscope_without_a_difference),
        cmocka_unit_test(flame),
        cmocka_unit_test(hostile_names),
        cmocka_unit_test(graph),
        cmocka_unit_test(what_is_missing),
        cmocka_unit_test(percents_and_colors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
