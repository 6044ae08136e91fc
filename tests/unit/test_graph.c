/* The graph that is drawn: what it leaves out, what things are called, how they are
   coloured, and that no name gets out of its quotes. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "colormap.h"
#include "fixtures.h"
#include "graph_model.h"
#include "module.h"
#include "trim.h"

static const struct prf_export_options as_measured;

static void
graph_of(const struct fixture *fx, const char *picture, struct prf_graph *graph)
{
    struct prf_export_options options = {.picture = picture};
    struct prf_error err = {0};
    if (prf_graph_build(graph, &fx->run, &fx->result, &options, &err) < 0) {
        fail_msg("%s", err.text);
    }
}

static char *
dot_of(const struct prf_graph *graph)
{
    struct prf_strbuf text = PRF_STRBUF_INIT;
    struct prf_error err = {0};
    assert_int_equal(prf_graph_dot(graph, &text, &err), 0);
    return prf_strbuf_steal(&text);
}

static void
graph_of_fib(void **state)
{
    (void)state;
    struct fixture fx;
    struct prf_graph g;
    fixture_fib(&fx);
    graph_of(&fx, "{\"min-percent\": \"0\"}", &g);
    assert_int_equal(g.n_groups, 2);
    assert_string_equal(g.groups[0], "builtins");
    assert_string_equal(g.groups[1], "fib");
    assert_int_equal(g.n_nodes, 3);
    assert_string_equal(g.nodes[0].name, "len");
    assert_string_equal(g.nodes[1].name, "fib"); /* by line */
    assert_int_equal(g.nodes[1].calls, 177);
    assert_int_equal(g.nodes[1].primitive, 1);
    assert_string_equal(g.nodes[2].name, "Fib.profile_fib");
    assert_int_equal(g.total_ns, 18707);
    assert_int_equal(g.nodes[2].cumulative_ns, 18707);
    assert_int_equal(g.n_edges, 3); /* fib -> fib, profile_fib -> len, fib */
    assert_int_equal(g.edges[0].from, 1);
    assert_int_equal(g.edges[0].to, 1);
    assert_int_equal(g.edges[0].calls, 176);
    assert_int_equal(g.edges[1].to, 0);
    assert_int_equal(g.n_below_min + g.n_below_top + g.n_thin, 0);
    prf_graph_release(&g);
    prf_graph_release(&g);
    fixture_close(&fx);
}

static void
pruning_counts_what_it_leaves_out(void **state)
{
    (void)state;
    struct fixture fx;
    struct prf_graph g;
    fixture_fib(&fx);
    graph_of(&fx, NULL, &g); /* len() took 7 of 18707 ns */
    assert_int_equal(g.n_nodes, 2);
    assert_int_equal(g.n_functions, 3);
    assert_int_equal(g.n_below_min, 1);
    assert_int_equal(g.n_edges, 2);
    prf_graph_release(&g);
    graph_of(&fx, "{\"min-percent\": \"0\", \"top-k\": \"1\"}", &g);
    assert_int_equal(g.n_nodes, 1);
    assert_string_equal(g.nodes[0].name, "Fib.profile_fib");
    assert_int_equal(g.n_below_top, 2);
    assert_int_equal(g.n_edges, 0);
    prf_graph_release(&g);
    graph_of(&fx, "{\"min-percent\": \"99\"}", &g);
    char *text = dot_of(&g);
    assert_contains(text, "2 functions below 99 % not shown");
    free(text);
    prf_graph_release(&g);
    fixture_close(&fx);
}

/* top -> a (90), top -> b (9), a -> c (1), b -> c (2): at 5 % c would be out, at 2.5 %
   its total of 3 keeps it, with the heavier of its two thin edges. */
static void
a_function_keeps_its_heaviest_edge(void **state)
{
    (void)state;
    static struct prf_function codes[] = {{"", "", "", 0, 0},
                                          {"/x/m.py", "top", "top", 1, 0},
                                          {"/x/m.py", "a", "a", 2, 0},
                                          {"/x/m.py", "b", "b", 3, 0},
                                          {"/x/m.py", "c", "c", 4, 0}};
    struct fixture fx;
    struct prf_graph g;
    fixture_open(&fx);
    struct prf_profile *p = fx.result.profile;
    p->codes = codes;
    p->n_codes = FIXTURE_LEN(codes);
    fixture_tree(p, 8);
    uint32_t top = fixture_call(p, 0, 1, 1);
    uint32_t a = fixture_call(p, top, 2, 89), b = fixture_call(p, top, 3, 7);
    fixture_call(p, a, 4, 1);
    fixture_call(p, b, 4, 2);
    fixture_fold(p);
    graph_of(&fx, "{\"min-percent\": \"2.5\"}", &g);
    assert_int_equal(g.n_nodes, 4);
    assert_int_equal(g.n_edges, 3);
    assert_int_equal(g.n_thin, 1);
    assert_int_equal(g.edges[2].from, 2); /* b */
    assert_int_equal(g.edges[2].to, 3);
    prf_graph_release(&g);
    fixture_close(&fx);
}

static void
options_of_result_and_export(void **state)
{
    (void)state;
    struct fixture fx;
    struct prf_graph g;
    struct prf_error err = {0};
    fixture_fib(&fx);
    fx.result.options = "{\"units\": \"auto\", \"top-k\": \"2\", \"font_size\": \"9\", "
                        "\"sort\": \"calls\", \"exclude\": [\"a\"]}";
    graph_of(&fx, "{\"font-size\": \"8\"}", &g);
    assert_string_equal(g.options.units, "ms"); /* "auto" means nothing here */
    assert_int_equal(g.options.top_k, 2);
    assert_int_equal(g.options.font_size, 8);
    assert_string_equal(g.options.font, "Verdana");
    assert_int_equal(g.options.group_font_size, 10);
    assert_string_equal(g.options.colormap, "viridis");
    prf_graph_release(&g);
    fx.result.options = "not JSON";
    struct prf_export_options given = {.top_k = 7, .time_unit = "us"};
    assert_int_equal(prf_graph_build(&g, &fx.run, &fx.result, &given, &err), 0);
    assert_int_equal(g.options.top_k, 7);
    assert_string_equal(g.options.units, "us");
    prf_graph_release(&g);
    given.picture = "{\"colormap\": \"mauve\"}";
    assert_int_equal(prf_graph_build(&g, &fx.run, &fx.result, &given, &err),
                     PRF_EUSAGE);
    assert_contains(err.text, "colormap");
    prf_graph_release(&g);
    fixture_close(&fx);
}

static void
without_calls_there_is_no_graph(void **state)
{
    (void)state;
    struct fixture fx;
    struct prf_graph g;
    struct prf_error err = {0};
    fixture_lines(&fx);
    assert_int_equal(prf_graph_build(&g, &fx.run, &fx.result, &as_measured, &err),
                     PRF_EUNAVAILABLE);
    assert_contains(err.text, "memory-line");
    prf_graph_release(&g);
    fixture_close(&fx);
}

/* Outside of strings and HTML-like labels, what a program named must not be seen. */
static void
no_name_leaves_its_quotes(void **state)
{
    (void)state;
    struct fixture fx;
    struct prf_graph g;
    fixture_hostile(&fx);
    graph_of(&fx, "{\"min-percent\": \"0\", \"font\": \"a\\\"b\\\\\"}", &g);
    char *text = dot_of(&g);
    assert_contains(text, "a;b|c\\\"<i>,\\\\n\\\\x1b[31m\\\\xffz");
    assert_contains(text, "fontname=\"a\\\"b\\\\\"");
    assert_contains(text, "profile_x[a;b|c&quot;&lt;i&gt;,\\n\\x1b[31m\\xffz]");
    for (const char *s = text; *s != '\0'; s++) {
        assert_true((unsigned char)*s >= 0x20 || *s == '\n');
    }
    free(text);
    prf_graph_release(&g);
    fixture_close(&fx);
}

static void
names_of_c_functions(void **state)
{
    (void)state;
    static const char *const names[][3] = {
        {"<built-in method time.sleep>", "time", "sleep"},
        {"<built-in method builtins.len>", "builtins", "len"},
        {"<method 'append' of 'list' objects>", "builtins", "list.append"},
        {"<method 'popleft' of 'collections.deque' objects>", "collections",
         "deque.popleft"},
        {"<json.loads>", "json", "loads"},
        {"<len>", "builtins", "len"},
        {"<", "", "<"},
        {"[truncated]", "", "[truncated]"},
        {"<method 'odd", "", "<method 'odd"},
    };
    struct prf_function codes[FIXTURE_LEN(names) + 1] = {{"", "", "", 0, 0}};
    struct fixture fx;
    struct prf_graph g;
    fixture_open(&fx);
    struct prf_profile *p = fx.result.profile;
    fixture_tree(p, FIXTURE_LEN(names) + 1);
    for (size_t i = 0; i < FIXTURE_LEN(names); i++) {
        codes[i + 1] =
            (struct prf_function){"", names[i][0], names[i][0], 0, PRF_CODE_C};
        fixture_call(p, 0, (uint32_t)i + 1, 10);
    }
    p->codes = codes;
    p->n_codes = FIXTURE_LEN(codes);
    fixture_fold(p);
    graph_of(&fx, NULL, &g);
    assert_int_equal(g.n_nodes, FIXTURE_LEN(names));
    for (size_t i = 0; i < FIXTURE_LEN(names); i++) {
        size_t k = 0;
        while (g.nodes[k].code != &codes[i + 1]) {
            k++;
        }
        assert_string_equal(g.groups[g.nodes[k].group], names[i][1]);
        assert_string_equal(g.nodes[k].name, names[i][2]);
    }
    prf_graph_release(&g);
    fixture_close(&fx);
}

static void
modules(void **state)
{
    (void)state;
    static const char *const roots[] = {"/srv/project", "/srv/project/cases/",
                                        "/"};
    static const char *const files[][2] = {
        {"/srv/project/shop/cart.py", "shop.cart"},
        {"/srv/project/shop/__init__.py", "shop"},
        {"/srv/project/cases/sort.py", "sort"},
        {"/srv/projects/other.py", "other"},
        {"/srv/project/.venv/lib/python3.12/site-packages/rich/table.py",
         "rich.table"},
        {"/usr/lib/python3/dist-packages/attr/_make.py", "attr._make"},
        {"/usr/lib/python3.11/json/decoder.py", "json.decoder"},
        {"/usr/lib/pythonx/json/decoder.py", "decoder"},
        {"relative.py", "relative"},
        {"/x/y", "y"},
        {"<frozen importlib._bootstrap>", "importlib._bootstrap"},
        {"<string>", "<string>"},
        {"<frozen ", ""},
        {"", ""},
    };
    struct prf_strbuf text = PRF_STRBUF_INIT;
    for (size_t i = 0; i < FIXTURE_LEN(files); i++) {
        prf_strbuf_clear(&text);
        prf_module_add(&text, files[i][0], roots, FIXTURE_LEN(roots));
        assert_string_equal(prf_strbuf_text(&text), files[i][1]);
    }
    prf_strbuf_release(&text);
}

static void
assert_color(const char *map, double fraction, unsigned rgb)
{
    const struct prf_colormap *m = prf_colormap_find(map);
    assert_non_null(m);
    struct prf_color c = prf_colormap_at(m, fraction);
    assert_int_equal((unsigned)c.red << 16 | (unsigned)c.green << 8 | c.blue, rgb);
}

static void
colors(void **state)
{
    (void)state;
    assert_color("viridis", 0, 0x440154);
    assert_color("viridis", 0.5, 0x21918C);
    assert_color("viridis", 1, 0xFDE725);
    assert_color("viridis", 7, 0xFDE725);
    assert_color("viridis", -1, 0x440154);
    assert_color("viridis", NAN, 0x440154);
    assert_color("gray", 0.5, 0x808080);
    assert_color("gray_r", 0, 0xFFFFFF);
    assert_color("hot", 1, 0xFFFFFF);
    assert_color("hot_r", 0, 0xFFFFFF);
    assert_color("RdYlGn_r", 1, 0xA50026);
    assert_true(prf_color_is_dark((struct prf_color){0, 0, 0}));
    assert_false(prf_color_is_dark((struct prf_color){255, 255, 255}));
    assert_true(prf_color_is_dark((struct prf_color){0x44, 0x01, 0x54}));
    assert_false(prf_color_is_dark((struct prf_color){0xFD, 0xE7, 0x25}));
    assert_null(prf_colormap_find("mauve"));
    /* Every word that the option takes is a map. */
    char names[] = PRF_COLORMAPS, *rest = names, *name;
    while ((name = strsep(&rest, "|")) != NULL) {
        assert_non_null(prf_colormap_find(name));
    }
}

static const enum prf_fold folds[] = {PRF_FOLD_CALLS, PRF_FOLD_COST};

static struct prf_trimmed
trim(struct prf_profile *p, int64_t max_depth)
{
    struct prf_trimmed trimmed;
    struct prf_error err = {0};
    assert_int_equal(prf_trim_tree(p, folds, max_depth, &trimmed, &err), 0);
    return trimmed;
}

/* top -> hidden -> {C function, shown -> C function}; hidden is at the root too. */
static void
trimming_hides_functions(void **state)
{
    (void)state;
    static struct prf_function codes[] = {{"", "", "", 0, 0},
                                          {"/m.py", "top", "top", 1, 0},
                                          {"/h.py", "hid", "hid", 1, PRF_CODE_HIDDEN},
                                          {"/m.py", "shown", "shown", 5, 0},
                                          {"", "len", "<len>", 0, PRF_CODE_C}};
    struct fixture fx;
    fixture_open(&fx);
    struct prf_profile *p = fx.result.profile;
    p->codes = codes;
    p->n_codes = FIXTURE_LEN(codes);
    fixture_tree(p, 16);
    uint32_t top = fixture_call(p, 0, 1, 100);
    uint32_t hidden = fixture_call(p, top, 2, 20);
    fixture_call(p, hidden, 4, 3);
    uint32_t shown = fixture_call(p, hidden, 3, 40);
    fixture_call(p, shown, 4, 5);
    fixture_call(p, fixture_call(p, 0, 2, 7), 3, 9);
    struct prf_trimmed trimmed = trim(p, -1);
    assert_int_equal(trimmed.n_hidden, 3);
    assert_int_equal(trimmed.n_deep, 0);
    assert_int_equal(p->tree.n, 5); /* root, top, top/shown, its len, shown */
    assert_int_equal(p->tree.values[1], 7);
    assert_int_equal(p->tree.values[2 + 1], 123);
    assert_int_equal(p->tree.code[2], 3);
    assert_int_equal(p->tree.parent[2], 1);
    assert_int_equal(p->tree.parent[3], 2);
    assert_int_equal(p->tree.parent[4], 0);
    fixture_fold(p);
    assert_int_equal(p->edges.n, 2);
    fixture_close(&fx);
}

static void
trimming_by_depth(void **state)
{
    (void)state;
    struct fixture fx;
    fixture_fib(&fx);
    struct prf_profile *p = fx.result.profile;
    p->sites = p->edges = (struct prf_table){0};
    struct prf_trimmed trimmed = trim(p, 2);
    assert_int_equal(trimmed.n_deep, 177 - 3);
    assert_int_equal(trimmed.n_hidden, 0);
    assert_int_equal(p->tree.n, 5); /* root, profile_fib, fib, fib, len */
    int64_t own = 0;
    for (size_t i = 0; i < p->tree.n; i++) {
        own += p->tree.values[i * 2 + 1];
    }
    assert_int_equal(own, 18707);
    trimmed = trim(p, 0);
    assert_int_equal(trimmed.n_deep, 4);
    assert_int_equal(p->tree.n, 2);
    fixture_close(&fx);
}

/* Graphviz would take minutes for a good layout of thousands of boxes. */
static void
layout_of_many_is_limited(void **state)
{
    (void)state;
    static char names[401][8];
    static struct prf_function codes[402];
    struct fixture fx;
    struct prf_graph g;
    fixture_open(&fx);
    struct prf_profile *p = fx.result.profile;
    fixture_tree(p, 402);
    for (uint32_t i = 1; i <= 401; i++) {
        snprintf(names[i - 1], sizeof names[0], "f%u", i);
        codes[i] = (struct prf_function){"/m.py", names[i - 1], names[i - 1], i, 0};
        fixture_call(p, i - 1, i, 10);
    }
    p->codes = codes;
    p->n_codes = 402;
    fixture_fold(p);
    graph_of(&fx, "{\"min-percent\": \"0\", \"top-k\": \"400\"}", &g);
    char *text = dot_of(&g);
    assert_lacks(text, "nslimit");
    free(text);
    prf_graph_release(&g);
    graph_of(&fx, "{\"min-percent\": \"0\", \"top-k\": \"0\"}", &g);
    text = dot_of(&g);
    assert_contains(text, "nslimit");
    assert_int_equal(g.n_nodes, 401);
    free(text);
    prf_graph_release(&g);
    fixture_close(&fx);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(graph_of_fib),
        cmocka_unit_test(pruning_counts_what_it_leaves_out),
        cmocka_unit_test(a_function_keeps_its_heaviest_edge),
        cmocka_unit_test(options_of_result_and_export),
        cmocka_unit_test(without_calls_there_is_no_graph),
        cmocka_unit_test(no_name_leaves_its_quotes),
        cmocka_unit_test(names_of_c_functions),
        cmocka_unit_test(modules),
        cmocka_unit_test(colors),
        cmocka_unit_test(trimming_hides_functions),
        cmocka_unit_test(trimming_by_depth),
        cmocka_unit_test(layout_of_many_is_limited),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
