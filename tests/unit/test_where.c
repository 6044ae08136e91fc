/* Where the cost changed: known profiles of two sides. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fixtures.h"

#include "amounts.h"
#include "diff_lines.h"
#include "merged_tree.h"
#include "where.h"

#define MOST 8

/* Profiles of both sides, until check_close(). */
struct check {
    struct prf_arena arena;
    struct prf_profile profiles[PRF_DIFF_SIDES][MOST];
    const struct prf_profile *list[PRF_DIFF_SIDES][MOST];
    const char *roots[PRF_DIFF_SIDES][MOST];
    struct prf_where_request request;
    struct prf_where *where;
    size_t n;
};

static void
check_open(struct check *c)
{
    memset(c, 0, sizeof *c);
    for (int side = 0; side < PRF_DIFF_SIDES; side++) {
        c->request.sides[side].profiles = c->list[side];
        c->request.sides[side].roots = c->roots[side];
    }
}

static void
check_close(struct check *c)
{
    for (int side = 0; side < PRF_DIFF_SIDES; side++) {
        for (size_t i = 0; i < c->request.sides[side].n; i++) {
            prf_arena_release(&c->profiles[side][i].arena);
        }
    }
    prf_arena_release(&c->arena);
}

/* One result more on a side, of a project in `root`. Borrows `codes`. */
static struct prf_profile *
check_result(struct check *c, enum prf_diff_side side, const char *root,
             struct prf_function *codes, size_t n_codes)
{
    size_t i = c->request.sides[side].n++;
    assert_true(i < MOST);
    struct prf_profile *p = &c->profiles[side][i];
    p->codes = codes;
    p->n_codes = n_codes;
    c->list[side][i] = p;
    c->roots[side][i] = root;
    return p;
}

/* A function's row, in a profile without stacks. */
static void
check_site(struct prf_profile *p, uint32_t code, uint32_t line, int64_t hits,
           int64_t time)
{
    static struct prf_column columns[] = {{"hits", "count", PRF_BETTER_LESS},
                                          {"time", "ns", PRF_BETTER_LESS}};
    if (p->sites.keys == NULL) {
        p->sites.columns = columns;
        p->sites.n_columns = 2;
        p->sites.keys = fixture_alloc(p, 16 * sizeof *p->sites.keys);
        p->sites.values = fixture_alloc(p, 16 * 2 * sizeof(int64_t));
    }
    p->sites.keys[p->sites.n] = (struct prf_key){code, line};
    p->sites.values[2 * p->sites.n] = hits;
    p->sites.values[2 * p->sites.n + 1] = time;
    p->sites.n++;
}

/* `calls` calls of `code` under `parent`; the node. */
static uint32_t
check_calls(struct prf_profile *p, uint32_t parent, uint32_t code, int64_t calls,
            int64_t own_ns)
{
    if (p->tree.parent == NULL) {
        fixture_tree(p, 16);
    }
    uint32_t node = fixture_call(p, parent, code, own_ns);
    p->tree.values[node * 2] += calls - 1;
    return node;
}

static void
check_find(struct check *c)
{
    struct prf_error err = {0};
    assert_int_equal(prf_where_find(&c->request, &c->arena, &c->where, &c->n, &err), 0);
    for (size_t i = 0; i < c->n; i++) { /* the parts are the whole */
        const struct prf_where *w = &c->where[i];
        double whole = w->next - w->base;
        assert_true(fabs(w->by_calls + w->by_cost - whole) <= 1e-9 * fabs(whole));
    }
}

static const struct prf_where *
check_entry(const struct check *c, const char *function)
{
    for (size_t i = 0; i < c->n; i++) {
        if (strcmp(c->where[i].function, function) == 0 && c->where[i].stack == NULL) {
            return &c->where[i];
        }
    }
    fail_msg("'%s' is not listed", function);
    return NULL;
}

static bool
check_lists(const struct check *c, const char *function)
{
    for (size_t i = 0; i < c->n; i++) {
        if (strcmp(c->where[i].function, function) == 0) {
            return true;
        }
    }
    return false;
}

static void
assert_near(double value, double expected)
{
    if (fabs(value - expected) > 1e-6 * fabs(expected) + 1e-9) {
        fail_msg("%.17g is not %.17g", value, expected);
    }
}

/* ---- functions ---- */

enum { MAIN = 1, MORE, DEARER, GONE, SAME, BOTH, C_FUNCTION };

static struct prf_function base_codes[] = {
    {"", "", "", 0, 0},
    {"/a/app/m.py", "main", "main", 1, 0},
    {"/a/app/m.py", "more", "more", 10, 0},
    {"/a/app/m.py", "dearer", "C.dearer", 20, 0},
    {"/a/app/m.py", "gone", "gone", 30, 0},
    {"/a/app/m.py", "same", "same", 40, 0},
    {"/a/app/m.py", "both", "both", 50, 0},
    {"", "x", "<built-in method x of object at 0x7f00>", 0, PRF_CODE_C},
};
/* Elsewhere, in another order, moved by two lines. */
static struct prf_function next_codes[] = {
    {"", "", "", 0, 0},
    {"/tmp/b/app/m.py", "same", "same", 42, 0},
    {"/tmp/b/app/m.py", "fresh", "fresh", 60, 0},
    {"/tmp/b/app/m.py", "dearer", "C.dearer", 22, 0},
    {"/tmp/b/app/m.py", "more", "more", 12, 0},
    {"/tmp/b/app/m.py", "main", "main", 3, 0},
    {"/tmp/b/app/m.py", "both", "both", 52, 0},
    {"", "x", "<built-in method x of object at 0x8e01>", 0, PRF_CODE_C},
};

static void
check_known(struct check *c)
{
    struct prf_profile *b =
        check_result(c, PRF_DIFF_BASE, "/a", base_codes, FIXTURE_LEN(base_codes));
    struct prf_profile *n =
        check_result(c, PRF_DIFF_NEXT, "/tmp/b", next_codes, FIXTURE_LEN(next_codes));
    uint32_t top = check_calls(b, 0, MAIN, 1, 1000);
    check_calls(b, top, MORE, 10, 10000);
    check_calls(b, top, DEARER, 5, 5000);
    check_calls(b, top, GONE, 3, 3000);
    check_calls(b, top, SAME, 7, 70000);
    check_calls(b, top, BOTH, 10, 1000);
    check_calls(b, top, C_FUNCTION, 2, 500);
    fixture_fold(b);
    top = check_calls(n, 0, 5, 1, 1010);
    check_calls(n, top, 4, 20, 20000);
    check_calls(n, top, 3, 5, 15000);
    check_calls(n, top, 2, 4, 8000);
    check_calls(n, top, 1, 7, 70100);
    check_calls(n, top, 6, 20, 4000);
    check_calls(n, top, 7, 4, 1000);
    fixture_fold(n);
}

static void
functions(void **state)
{
    struct check c;
    (void)state;
    check_open(&c);
    check_known(&c);
    check_find(&c);

    const struct prf_where *w = check_entry(&c, "more");
    assert_int_equal(w->kinds, PRF_SITE_MORE_CALLS);
    assert_string_equal(w->file, "app/m.py");
    assert_int_equal(w->line, 12);
    assert_string_equal(w->column, "own_ns");
    assert_string_equal(w->unit, "ns");
    assert_near(w->base, 10000);
    assert_near(w->next, 20000);
    assert_near(w->calls_base, 10);
    assert_near(w->calls_next, 20);
    assert_near(w->by_calls, 10000);
    assert_near(w->by_cost, 0);

    w = check_entry(&c, "C.dearer");
    assert_int_equal(w->kinds, PRF_SITE_DEARER);
    assert_near(w->by_calls, 0);
    assert_near(w->by_cost, 10000);

    w = check_entry(&c, "both");
    assert_int_equal(w->kinds, PRF_SITE_MORE_CALLS | PRF_SITE_DEARER);
    assert_near(w->by_calls, 2000); /* 10 calls more of 200 */
    assert_near(w->by_cost, 1000);  /* 10 calls of 100 more */

    w = check_entry(&c, "fresh");
    assert_int_equal(w->kinds, PRF_SITE_NEW);
    assert_near(w->by_calls, 8000);
    assert_near(w->calls_base, 0);

    w = check_entry(&c, "gone");
    assert_int_equal(w->kinds, PRF_SITE_GONE);
    assert_near(w->next - w->base, -3000);
    assert_int_equal(w->line, 30);

    w = check_entry(&c, next_codes[7].qualname); /* the address is no part of it */
    assert_int_equal(w->kinds, PRF_SITE_MORE_CALLS);
    assert_string_equal(w->file, "");

    assert_false(check_lists(&c, "same")); /* 0.3 % of it all in one result is noise */
    assert_false(check_lists(&c, "main"));
    for (size_t i = 1; i < c.n && c.where[i].stack == NULL; i++) {
        assert_true(fabs(c.where[i].next - c.where[i].base) <=
                    fabs(c.where[i - 1].next - c.where[i - 1].base));
    }
    check_close(&c);
}

static void
top_and_column(void **state)
{
    struct check c;
    struct prf_error err = {0};
    (void)state;
    check_open(&c);
    check_known(&c);
    c.request.top = 2;
    c.request.column = "calls";
    check_find(&c);
    assert_true(c.n >= 2);
    assert_string_equal(c.where[0].function,
                        "both"); /* 10 more, as "more"; first by name */
    assert_string_equal(c.where[0].column, "calls");
    assert_int_equal(c.where[0].kinds, PRF_SITE_MORE_CALLS);
    assert_near(c.where[0].by_calls, 10);
    assert_near(c.where[0].by_cost, 0);
    for (size_t i = 2; i < c.n; i++) {
        assert_non_null(c.where[i].stack);
    }
    c.request.column = "own"; /* without its unit */
    check_find(&c);
    assert_string_equal(c.where[0].column, "own_ns");
    c.request.column = "bananas";
    assert_int_equal(prf_where_find(&c.request, &c.arena, &c.where, &c.n, &err),
                     PRF_ENOTFOUND);
    assert_string_equal(err.text, "no column 'bananas': there are calls, "
                                  "primitive_calls, own_ns, cumulative_ns");
    check_close(&c);
}

/* What the repeats show is not listed, what exceeds it is. */
static void
repeats(void **state)
{
    static const int64_t noisy[2][3] = {{1000, 1300, 1100}, {1200, 1400, 1250}};
    static const int64_t steady[2][3] = {{1000, 1010, 1005}, {1100, 1110, 1090}};
    struct check c;
    (void)state;
    check_open(&c);
    for (int side = 0; side < PRF_DIFF_SIDES; side++) {
        for (int i = 0; i < 3; i++) {
            struct prf_profile *p =
                check_result(&c, side, "/a", base_codes, FIXTURE_LEN(base_codes));
            uint32_t top = check_calls(p, 0, MAIN, 1, noisy[side][i]);
            check_calls(p, top, DEARER, 5, steady[side][i]);
            fixture_fold(p);
        }
    }
    check_find(&c);
    assert_false(check_lists(&c, "main"));
    const struct prf_where *w = check_entry(&c, "C.dearer");
    assert_near(w->base, 1005); /* medians */
    assert_near(w->next, 1100);
    check_close(&c);
}

/* The number of calls is exact, however long they take. */
static void
counted_calls(void **state)
{
    static const int64_t times[2][2] = {{1000, 3000}, {2000, 4000}};
    struct check c;
    (void)state;
    check_open(&c);
    for (int side = 0; side < PRF_DIFF_SIDES; side++) {
        for (int i = 0; i < 2; i++) {
            struct prf_profile *p =
                check_result(&c, side, "/a", base_codes, FIXTURE_LEN(base_codes));
            check_site(p, MORE, 0, side == 0 ? 5 : 10, times[side][i]);
            check_site(p, SAME, 0, 5, times[side][i]);
            check_site(p, BOTH, 0, side * 5 + i,
                       times[side][i]); /* they do not agree */
        }
    }
    check_find(&c);
    assert_int_equal(c.n, 1);
    assert_string_equal(c.where[0].function, "more");
    assert_near(c.where[0].by_calls, 1500);
    assert_near(c.where[0].by_cost, -500);
    check_close(&c);
}

/* sys.path.insert(0, "/a/cases/..") */
static void
paths_with_dots(void **state)
{
    static struct prf_function dotted[] = {{"", "", "", 0, 0},
                                           {"/a/cases/../m.py", "f", "f", 5, 0}};
    static struct prf_function plain[] = {{"", "", "", 0, 0},
                                          {"/b/m.py", "f", "f", 5, 0}};
    struct check c;
    (void)state;
    check_open(&c);
    check_site(check_result(&c, PRF_DIFF_BASE, "/a", dotted, 2), 1, 0, 1, 10);
    check_site(check_result(&c, PRF_DIFF_NEXT, "/b", plain, 2), 1, 0, 1, 20);
    check_find(&c);
    assert_int_equal(c.n, 1);
    assert_string_equal(c.where[0].file, "m.py");
    check_close(&c);
}

/* With six results or more it is the interval of the median. */
static void
many_repeats(void **state)
{
    struct prf_amount_row rows[20];
    const size_t n_results[PRF_DIFF_SIDES] = {10, 10};
    struct prf_arena arena = {0};
    struct prf_amount *amounts;
    size_t n;
    (void)state;
    for (uint32_t i = 0; i < 20; i++) {
        double outlier = i % 10 == 9 ? 1e6 : 0;
        rows[i] = (struct prf_amount_row){1, 0, i / 10, i % 10, i % 10 + outlier, 1};
    }
    assert_int_equal(prf_amounts_fold(rows, 20, n_results, &arena, &amounts, &n), 0);
    assert_int_equal(n, 1);
    assert_near(amounts[0].cost[0], 4.5);
    assert_true(amounts[0].high[0] < 1e6 && amounts[0].low[0] < 4.5);
    assert_near(prf_amount_change(&amounts[0]), 0);
    prf_arena_release(&arena);
}

/* Five results each that lie apart are enough, however much they differ; of two the gap
   must be wider than what one side shows. */
static void
apart(void **state)
{
    static const double values[2][5] = {{10, 12, 11, 40, 10},
                                        {900, 450, 500, 2000, 600}};
    static const double two[3][2] = {{100, 130}, {140, 175}, {161, 300}};
    struct prf_amount_row rows[10];
    size_t n_results[PRF_DIFF_SIDES] = {5, 5}, n;
    struct prf_arena arena = {0};
    struct prf_amount *amounts;
    (void)state;
    for (uint32_t i = 0; i < 10; i++) {
        rows[i] = (struct prf_amount_row){1, 0, i / 5, i % 5, values[i / 5][i % 5], 1};
    }
    assert_int_equal(prf_amounts_fold(rows, 10, n_results, &arena, &amounts, &n), 0);
    assert_near(prf_amount_change(&amounts[0]), 589);
    n_results[0] = n_results[1] = 2;
    for (int next = 1; next < 3; next++) {
        for (uint32_t i = 0; i < 4; i++) {
            double value = two[i < 2 ? 0 : next][i % 2];
            rows[i] = (struct prf_amount_row){1, 0, i / 2, i % 2, value, 1};
        }
        assert_int_equal(prf_amounts_fold(rows, 4, n_results, &arena, &amounts, &n), 0);
        assert_near(prf_amount_change(&amounts[0]), next == 1 ? 0 : 115.5);
    }
    prf_arena_release(&arena);
}

/* A result that has not called it counts as 0. */
static void
missing_in_a_result(void **state)
{
    struct prf_amount_row rows[] = {{1, 0, PRF_DIFF_BASE, 0, 10, 1},
                                    {1, 0, PRF_DIFF_NEXT, 2, 30, 3},
                                    {1, 0, PRF_DIFF_NEXT, 2, 6, 3}};
    const size_t n_results[PRF_DIFF_SIDES] = {1, 3};
    struct prf_arena arena = {0};
    struct prf_amount *amounts;
    size_t n;
    (void)state;
    assert_int_equal(prf_amounts_fold(rows, 3, n_results, &arena, &amounts, &n), 0);
    assert_near(amounts[0].cost[PRF_DIFF_NEXT], 0);
    assert_near(amounts[0].low[PRF_DIFF_NEXT], 0);
    assert_near(amounts[0].high[PRF_DIFF_NEXT], 36);
    assert_true(amounts[0].on[PRF_DIFF_NEXT]);
    prf_arena_release(&arena);
}

/* ---- which is which ---- */

static void
renamed_file(void **state)
{
    static struct prf_function old_codes[] = {{"", "", "", 0, 0},
                                              {"/a/old.py", "f", "f", 5, 0}};
    static struct prf_function new_codes[] = {{"", "", "", 0, 0},
                                              {"/a/pkg/new.py", "f", "f", 9, 0}};
    static const struct prf_diff_hunk hunks[] = {
        {"old.py", "pkg/new.py", 0, 0, 1, 4, "@@ -0,0 +1,4 @@\n"}};
    struct check c;
    (void)state;
    check_open(&c);
    check_site(check_result(&c, PRF_DIFF_BASE, "/a/", old_codes, 2), 1, 0, 1, 10);
    check_site(check_result(&c, PRF_DIFF_NEXT, "/a", new_codes, 2), 1, 0, 1, 20);
    c.request.hunks = hunks;
    c.request.n_hunks = 1;
    check_find(&c);
    assert_int_equal(c.n, 1);
    assert_int_equal(c.where[0].kinds, PRF_SITE_DEARER);
    assert_string_equal(c.where[0].file, "pkg/new.py");
    assert_int_equal(c.where[0].line, 9);

    c.request.hunks = NULL; /* nothing says that it is the same */
    c.request.n_hunks = 0;
    check_find(&c);
    assert_int_equal(c.n, 2);
    assert_int_equal(c.where[0].kinds, PRF_SITE_NEW);
    assert_int_equal(c.where[1].kinds, PRF_SITE_GONE);
    check_close(&c);
}

/* Every commit may have an environment of its own. */
static void
installed_packages(void **state)
{
    static struct prf_function old_codes[] = {
        {"", "", "", 0, 0},
        {"/a/.venv/lib/python3.12/site-packages/x/y.py", "f", "f", 5, 0}};
    static struct prf_function new_codes[] = {
        {"", "", "", 0, 0},
        {"/t/v/lib/python3.12/site-packages/x/y.py", "f", "f", 5, 0}};
    struct check c;
    (void)state;
    check_open(&c);
    check_site(check_result(&c, PRF_DIFF_BASE, "/a", old_codes, 2), 1, 0, 1, 10);
    check_site(check_result(&c, PRF_DIFF_NEXT, NULL, new_codes, 2), 1, 0, 1, 20);
    check_find(&c);
    assert_int_equal(c.n, 1);
    assert_string_equal(c.where[0].file, "site-packages/x/y.py");
    check_close(&c);
}

/* The first of two lambdas is gone; a line above both is new. */
static void
lambdas(void **state)
{
    static struct prf_function old_codes[] = {
        {"", "", "", 0, 0},
        {"/a/m.py", "<lambda>", "f.<locals>.<lambda>", 5, 0},
        {"/a/m.py", "<lambda>", "f.<locals>.<lambda>", 6, 0}};
    static struct prf_function new_codes[] = {
        {"", "", "", 0, 0}, {"/a/m.py", "<lambda>", "f.<locals>.<lambda>", 6, 0}};
    static const struct prf_diff_hunk hunks[] = {
        {"m.py", "m.py", 0, 0, 1, 1, "@@ -0,0 +1 @@\n+x\n"},
        {"m.py", "m.py", 5, 1, 5, 0, "@@ -5 +5,0 @@\n-y\n"}};
    struct check c;
    (void)state;
    check_open(&c);
    struct prf_profile *b = check_result(&c, PRF_DIFF_BASE, "/a", old_codes, 3);
    check_site(b, 1, 0, 1, 10);
    check_site(b, 2, 0, 1, 100);
    check_site(check_result(&c, PRF_DIFF_NEXT, "/a", new_codes, 2), 1, 0, 1, 150);
    c.request.hunks = hunks;
    c.request.n_hunks = 2;
    check_find(&c);
    assert_int_equal(c.n, 2);
    assert_near(c.where[0].base, 100); /* the second one */
    assert_near(c.where[0].next, 150);
    assert_int_equal(c.where[1].kinds, PRF_SITE_GONE);

    c.request.hunks = NULL; /* by order */
    c.request.n_hunks = 0;
    check_find(&c);
    assert_near(c.where[0].base, 10);
    assert_near(c.where[0].next, 150);
    check_close(&c);
}

static void
lines_through_a_diff(void **state)
{
    static const struct prf_diff_hunk hunks[] = {
        {"b.py", "b.py", 10, 2, 13, 1, ""}, /* 10-11 became 13 */
        {"a.py", "z.py", 0, 0, 0, 0, ""},   /* renamed only */
        {"b.py", "b.py", 3, 0, 4, 3, ""},   /* 4-6 are new */
        {"b.py", "b.py", 20, 1, 21, 0, ""}, /* 20 is gone */
        {"c.py", NULL, 1, 9, 0, 0, ""},     /* deleted */
        {NULL, "d.py", 0, 0, 1, 9, ""},     /* new */
    };
    static const struct {
        const char *file;
        uint32_t line, mapped;
    } expected[] = {{"b.py", 1, 1},   {"b.py", 3, 3},   {"b.py", 4, 7},
                    {"b.py", 9, 12},  {"b.py", 10, 0},  {"b.py", 11, 0},
                    {"b.py", 12, 14}, {"b.py", 19, 21}, {"b.py", 20, 0},
                    {"b.py", 21, 22}, {"a.py", 7, 7},   {"c.py", 3, 0},
                    {"d.py", 3, 3},   {"bb.py", 5, 5}};
    struct prf_arena arena = {0};
    struct prf_diff_lines lines;
    (void)state;
    assert_int_equal(prf_diff_lines_init(&lines, hunks, FIXTURE_LEN(hunks), &arena), 0);
    for (size_t i = 0; i < FIXTURE_LEN(expected); i++) {
        uint32_t mapped =
            prf_diff_lines_map(&lines, expected[i].file, expected[i].line);
        if (mapped != expected[i].mapped) {
            fail_msg("%s:%u is %u", expected[i].file, expected[i].line, mapped);
        }
    }
    assert_string_equal(prf_diff_lines_file(&lines, "a.py"), "z.py");
    assert_string_equal(prf_diff_lines_file(&lines, "b.py"), "b.py");
    prf_arena_release(&arena);
}

/* ---- lines ---- */

static struct prf_function one_code[] = {{"", "", "", 0, 0},
                                         {"/a/m.py", "f", "f", 10, 0}};

static void
lines(void **state)
{
    static const struct prf_diff_hunk hunks[] = {
        {"m.py", "m.py", 2, 0, 3, 5, "@@ -2,0 +3,5 @@\n+import\n"},
        {"m.py", "m.py", 13, 1, 18, 2, "@@ -13 +18,2 @@\n-old\n+new\n+new\n"}};
    static struct prf_function moved[] = {{"", "", "", 0, 0},
                                          {"/a/m.py", "f", "f", 15, 0}};
    struct check c;
    (void)state;
    check_open(&c);
    struct prf_profile *b = check_result(&c, PRF_DIFF_BASE, "/a", one_code, 2);
    struct prf_profile *n = check_result(&c, PRF_DIFF_NEXT, "/a", moved, 2);
    check_site(b, 1, 11, 1, 100);
    check_site(b, 1, 12, 10, 1000);
    check_site(b, 1, 13, 10, 500);
    check_site(n, 1, 16, 1, 100);   /* 11 */
    check_site(n, 1, 17, 30, 3000); /* 12 */
    check_site(n, 1, 18, 10, 600);
    check_site(n, 1, 19, 10, 700);
    c.request.hunks = hunks;
    c.request.n_hunks = 2;
    check_find(&c);
    assert_int_equal(c.n, 4);
    assert_int_equal(c.where[0].line, 17);
    assert_int_equal(c.where[0].kinds, PRF_SITE_MORE_CALLS);
    assert_near(c.where[0].by_calls, 2000);
    assert_string_equal(c.where[0].hunks[0], hunks[1].text); /* the function's */
    assert_null(c.where[0].hunks[1]);
    assert_int_equal(c.where[1].line, 19);
    assert_int_equal(c.where[1].kinds, PRF_SITE_NEW);
    assert_string_equal(c.where[1].hunks[0], hunks[1].text);
    assert_int_equal(c.where[3].line, 13);
    assert_int_equal(c.where[3].kinds, PRF_SITE_GONE);

    c.request.hunks = NULL; /* then lines count from the function's first */
    c.request.n_hunks = 0;
    check_find(&c);
    assert_int_equal(c.where[0].line, 17);
    assert_int_equal(c.where[0].kinds, PRF_SITE_MORE_CALLS);
    check_close(&c);
}

/* ---- hunks ---- */

static const struct prf_diff_hunk known_hunks[] = {
    {"app/m.py", "app/m.py", 0, 0, 1, 2, "imports"},
    {"app/m.py", "app/m.py", 11, 1, 13, 1, "more"},
    {"app/m.py", "app/m.py", 24, 0, 27, 2, "dearer"},
    {"app/m.py", "app/m.py", 30, 5, 30, 0, "gone"},
    {"other.py", "other.py", 11, 1, 13, 1, "elsewhere"},
};

static void
hunks_of_functions(void **state)
{
    struct check c;
    (void)state;
    check_open(&c);
    check_known(&c);
    c.request.hunks = known_hunks;
    c.request.n_hunks = FIXTURE_LEN(known_hunks);
    check_find(&c);
    const char *const names[] = {"more", "C.dearer", "gone"};
    const char *const texts[] = {"more", "dearer", "gone"};
    for (size_t i = 0; i < FIXTURE_LEN(names); i++) {
        const struct prf_where *w = check_entry(&c, names[i]);
        assert_string_equal(w->hunks[0], texts[i]);
        assert_null(w->hunks[1]);
    }
    assert_null(check_entry(&c, "both")->hunks[0]);
    assert_null(check_entry(&c, next_codes[7].qualname)->hunks[0]);
    check_close(&c);
}

static const char *
text_of_m(void *arg, enum prf_diff_side side, const char *file)
{
    static const char text[] = "\n\n\n\n\n\n\n\n\n\n\n" /* 11 */
                               "def more():\n"
                               "    pass\n"
                               "\n"
                               "def unseen():\n"
                               "    pass\n";
    (void)arg;
    return side == PRF_DIFF_NEXT && strcmp(file, "app/m.py") == 0 ? text : NULL;
}

/* A function that was not called is not known; the source tells where the other ends.
 */
static void
hunks_with_the_text(void **state)
{
    static const struct prf_diff_hunk unseen[] = {
        {"app/m.py", "app/m.py", 14, 0, 15, 1, "unseen"}};
    struct check c;
    (void)state;
    check_open(&c);
    check_known(&c);
    c.request.hunks = unseen;
    c.request.n_hunks = 1;
    check_find(&c);
    assert_string_equal(check_entry(&c, "more")->hunks[0], "unseen");
    c.request.text = text_of_m;
    check_find(&c);
    assert_null(check_entry(&c, "more")->hunks[0]);
    check_close(&c);
}

static void
spans(void **state)
{
    static const char text[] = "import x\n"                    /* 1 */
                               "\n"                            /* 2 */
                               "@decorated(\n"                 /* 3 */
                               "    1)\n"                      /* 4 */
                               "def f(a,\n"                    /* 5 */
                               "      b):  # \"\"\"\n"         /* 6 */
                               "    s = \"\"\"\n"              /* 7 */
                               "not the end\n"                 /* 8 */
                               "\"\"\"\n"                      /* 9 */
                               "    t = ['#', \"it's\",\n"     /* 10 */
                               "]\n"                           /* 11 */
                               "\n"                            /* 12 */
                               "# still\n"                     /* 13 */
                               "    return s\n"                /* 14 */
                               "\n"                            /* 15 */
                               "class C:\n"                    /* 16 */
                               "    async def m(self): pass\n" /* 17 */
                               "    def n(self):\n"            /* 18 */
                               "        def inner():\n"        /* 19 */
                               "            return 1\n"        /* 20 */
                               "        return inner\n"        /* 21 */
                               "x = 1\n";                      /* 22 */
    static const uint32_t expected[][2] = {{3, 14},  {5, 14},  {16, 21}, {17, 17},
                                           {18, 21}, {19, 20}, {99, 99}};
    (void)state;
    for (size_t i = 0; i < FIXTURE_LEN(expected); i++) {
        struct prf_span span = prf_where_span(text, expected[i][0]);
        assert_int_equal(span.first, expected[i][0]);
        assert_int_equal(span.last, expected[i][1]);
    }
    assert_int_equal(prf_where_span("def f(:", 1).last, 1);
    assert_int_equal(prf_where_span("", 1).last, 1);
}

/* ---- stacks ---- */

/* main -> more and main -> both -> more: the second path is what changed. */
static void
stacks(void **state)
{
    struct check c;
    (void)state;
    check_open(&c);
    for (int side = 0; side < PRF_DIFF_SIDES; side++) {
        struct prf_profile *p =
            check_result(&c, side, "/a", base_codes, FIXTURE_LEN(base_codes));
        uint32_t top = check_calls(p, 0, MAIN, 1, 1000);
        check_calls(p, top, MORE, 10, 1000);
        uint32_t both = check_calls(p, top, BOTH, 1, 100);
        check_calls(p, both, MORE, side == 0 ? 10 : 50, side == 0 ? 1000 : 5000);
        fixture_fold(p);
    }
    check_find(&c);
    assert_int_equal(c.n, 2);
    assert_null(c.where[0].stack);
    assert_string_equal(c.where[0].function, "more");
    assert_near(c.where[0].next - c.where[0].base, 4000);
    const struct prf_where *w = &c.where[1];
    assert_string_equal(w->function, "more");
    assert_string_equal(w->stack[0], "main");
    assert_string_equal(w->stack[1], "both");
    assert_string_equal(w->stack[2], "more");
    assert_null(w->stack[3]);
    assert_near(w->base, 1000);
    assert_near(w->next, 5000);
    assert_int_equal(w->kinds, PRF_SITE_MORE_CALLS);
    check_close(&c);
}

/* fib(10) against fib(12): own time is added up over all depths. */
static void
recursion(void **state)
{
    struct check c;
    (void)state;
    check_open(&c);
    for (int side = 0; side < PRF_DIFF_SIDES; side++) {
        struct prf_profile *p =
            check_result(&c, side, "/a", base_codes, FIXTURE_LEN(base_codes));
        fixture_tree(p, 32);
        fixture_fib_calls(p, fixture_call(p, 0, MAIN, 50), side == 0 ? 10 : 12);
        fixture_fold(p);
    }
    check_find(&c);
    const struct prf_where *w = check_entry(&c, "more");
    assert_near(w->calls_base, 177);
    assert_near(w->calls_next, 465);
    assert_near(w->by_calls, 28800);
    assert_near(w->by_cost, 0);
    assert_int_equal(w->kinds, PRF_SITE_MORE_CALLS);
    check_close(&c);
}

static void
merged_trees(void **state)
{
    struct check c;
    struct prf_diff_lines no_diff;
    struct prf_match match;
    struct prf_merged_tree tree;
    struct prf_error err = {0};
    (void)state;
    check_open(&c);
    check_known(&c);
    assert_int_equal(prf_diff_lines_init(&no_diff, NULL, 0, &c.arena), 0);
    assert_int_equal(prf_match_build(&match, c.request.sides, &no_diff, &c.arena, &err),
                     0);
    assert_int_equal(
        prf_merged_tree_build(&tree, &match, c.request.sides, NULL, &c.arena, &err), 0);
    assert_int_equal(tree.n, 9); /* root, main, five of both sides, one new, one gone */
    double sums[PRF_DIFF_SIDES] = {0, 0};
    for (size_t i = 1; i < tree.n; i++) {
        assert_true(tree.parent[i] < i);
        sums[0] += tree.amounts[i].cost[0];
        sums[1] += tree.amounts[i].cost[1];
    }
    assert_near(sums[0], 90500);
    assert_near(sums[1], 119110);
    assert_int_equal(
        prf_merged_tree_build(&tree, &match, c.request.sides, "hits", &c.arena, &err),
        PRF_ENOTFOUND);
    assert_string_equal(err.text,
                        "stacks have no column 'hits': there are calls, own_ns");
    check_close(&c);
}

static void
nothing_to_compare(void **state)
{
    struct check c;
    (void)state;
    check_open(&c);
    check_result(&c, PRF_DIFF_BASE, NULL, base_codes, 1);
    check_result(&c, PRF_DIFF_NEXT, NULL, base_codes, 1);
    check_find(&c);
    assert_int_equal(c.n, 0);
    check_close(&c);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(functions),
        cmocka_unit_test(top_and_column),
        cmocka_unit_test(repeats),
        cmocka_unit_test(counted_calls),
        cmocka_unit_test(paths_with_dots),
        cmocka_unit_test(many_repeats),
        cmocka_unit_test(apart),
        cmocka_unit_test(missing_in_a_result),
        cmocka_unit_test(renamed_file),
        cmocka_unit_test(installed_packages),
        cmocka_unit_test(lambdas),
        cmocka_unit_test(lines_through_a_diff),
        cmocka_unit_test(lines),
        cmocka_unit_test(hunks_of_functions),
        cmocka_unit_test(hunks_with_the_text),
        cmocka_unit_test(spans),
        cmocka_unit_test(stacks),
        cmocka_unit_test(recursion),
        cmocka_unit_test(merged_trees),
        cmocka_unit_test(nothing_to_compare),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
