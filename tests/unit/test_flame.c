/* Flame graphs: where the boxes are, and the picture of a result. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fixtures.h"
#include "flame_layout.h"

/* 0 ─┬─ 1 (30) ── 3 (30) ── 5 (1)
      └─ 2 (70) ── 4 (20)          */
static const uint32_t parents[] = {0, 0, 0, 1, 2, 3};
static const double amounts[] = {100, 30, 70, 30, 20, 1};

static struct prf_flame_layout
layout(double least, uint32_t max_rows)
{
    const struct prf_flame_tree tree = {.parent = parents,
                                        .all = amounts,
                                        .n = FIXTURE_LEN(parents),
                                        .least = least,
                                        .max_rows = max_rows};
    struct prf_flame_layout out;
    struct prf_error err = {0};
    assert_int_equal(prf_flame_lay_out(&tree, &out, &err), 0);
    return out;
}

static void
boxes_stand_on_their_parents(void **state)
{
    (void)state;
    static const double x[] = {0, 0.7, 0, 0.7, 0, 0.7};
    static const uint32_t rows[] = {0, 1, 1, 2, 2, 3};
    struct prf_flame_layout l = layout(0, 0);
    for (size_t i = 0; i < FIXTURE_LEN(parents); i++) {
        assert_float_equal(l.boxes[i].x, x[i], 1e-9);
        assert_float_equal(l.boxes[i].width, amounts[i] / 100, 1e-9);
        assert_int_equal(l.boxes[i].row, rows[i]);
        assert_true(l.boxes[i].drawn);
    }
    assert_int_equal(l.order[0], 2); /* the widest first */
    assert_int_equal(l.order[1], 1);
    assert_int_equal(l.n_rows, 4);
    assert_int_equal(l.n_left, 0);
    prf_flame_layout_release(&l);
}

static void
what_cannot_be_seen_is_left_out(void **state)
{
    (void)state;
    struct prf_flame_layout l = layout(0.25, 0);
    assert_false(l.boxes[4].drawn || l.boxes[5].drawn);
    assert_true(l.boxes[3].drawn);
    assert_int_equal(l.n_rows, 3);
    assert_int_equal(l.n_left, 2);
    prf_flame_layout_release(&l);
    l = layout(0, 2);
    assert_true(l.boxes[1].drawn && l.boxes[2].drawn);
    assert_false(l.boxes[3].drawn);
    assert_int_equal(l.n_rows, 2);
    assert_int_equal(l.n_left, 3);
    prf_flame_layout_release(&l);
}

static void
nothing_was_measured(void **state)
{
    (void)state;
    static const double zeros[FIXTURE_LEN(parents)];
    const struct prf_flame_tree tree = {
        .parent = parents, .all = zeros, .n = FIXTURE_LEN(parents), .least = 0.001};
    struct prf_flame_layout l;
    struct prf_error err = {0};
    assert_int_equal(prf_flame_lay_out(&tree, &l, &err), 0);
    assert_true(l.boxes[0].drawn);
    assert_false(l.boxes[1].drawn);
    assert_int_equal(l.n_rows, 1);
    assert_int_equal(l.n_left, 0);
    prf_flame_layout_release(&l);
}

static void
picture(void **state)
{
    (void)state;
    struct fixture fx;
    fixture_fib(&fx);
    char *text = fixture_export("flamegraph", &fx);
    assert_contains(text, "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"pf\"");
    assert_contains(text, "aria-label=\"flame graph of call\"");
    assert_contains(text, "<title>all\n18.707 us (100.0 %), own 0 ns (0.0 %)</title>"
                          "<rect x=\"0.00\" y=\"0\" width=\"1000.00\"");
    /* 18707 of it, 1000 its own; its callee has all but that and len's 7 */
    assert_contains(text, "(100.0 %), own 1.000 us (5.3 %), 1 calls</title>"
                          "<rect x=\"0.00\" y=\"18\" width=\"1000.00\"");
    assert_contains(text, "<rect x=\"0.00\" y=\"36\" width=\"946.17\"");
    assert_contains(text, ">Fib.profile_fib</text>");
    assert_lacks(text, "builtins.len"); /* 0.4 pixels */
    assert_contains(text, "</svg>\n");
    free(text);
    fixture_close(&fx);
}

static void
picture_takes_any_name(void **state)
{
    (void)state;
    struct fixture fx;
    fixture_hostile(&fx);
    char *text = fixture_export("flamegraph", &fx);
    assert_lacks(text, "\033");
    assert_lacks(text, "<script");
    assert_int_equal(count_of(text, "<title>"), 3);
    free(text);
    fixture_close(&fx);
}

static void
picture_needs_stacks(void **state)
{
    (void)state;
    const struct prf_exporter *exporter = NULL;
    struct prf_error err = {0};
    struct fixture fx;
    fixture_lines(&fx);
    assert_int_equal(prf_exporter_find("flamegraph", &exporter, &err), 0);
    assert_int_equal(prf_exporter_check(exporter, &fx.result, &err), PRF_EUNAVAILABLE);
    assert_contains(err.text, "stacks");
    fixture_close(&fx);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(boxes_stand_on_their_parents),
        cmocka_unit_test(what_cannot_be_seen_is_left_out),
        cmocka_unit_test(nothing_was_measured),
        cmocka_unit_test(picture),
        cmocka_unit_test(picture_takes_any_name),
        cmocka_unit_test(picture_needs_stacks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
