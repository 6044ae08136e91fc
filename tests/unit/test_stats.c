/* Statistics against values from numpy and from the binomial distribution. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <pyprofiler/stats.h>

#define LEN(a) (sizeof(a) / sizeof *(a))

static void
assert_near(double got, double want)
{
    if (!(fabs(got - want) <= 1e-12 * fmax(1.0, fabs(want)))) {
        fail_msg("%.17g is not %.17g", got, want);
    }
}

static void
assert_no_nan(const struct prf_summary *s)
{
    const double all[] = {s->min,    s->max, s->mean, s->stddev, s->median, s->q1,
                          s->q3,     s->p95, s->p99,  s->mad,    s->ci_low, s->ci_high};
    for (size_t i = 0; i < LEN(all); i++) {
        assert_false(isnan(all[i]));
    }
}

static struct prf_summary
summarize(const double *values, size_t n)
{
    double *scratch = malloc((n + 1) * sizeof *scratch);
    struct prf_summary s;
    assert_non_null(scratch);
    prf_summarize(values, n, scratch, &s);
    free(scratch);
    assert_no_nan(&s);
    return s;
}

static void
no_samples_give_zeros(void **state)
{
    (void)state;
    struct prf_summary s = summarize(NULL, 0);
    assert_int_equal(s.n, 0);
    assert_near(s.median, 0);
    assert_near(s.ci_high, 0);
    assert_true(isinf(prf_relative_ci(&s)));
}

static void
one_sample(void **state)
{
    (void)state;
    struct prf_summary s = summarize((double[]){42}, 1);
    assert_int_equal(s.n, 1);
    assert_near(s.median, 42);
    assert_near(s.p99, 42);
    assert_near(s.stddev, 0);
    assert_near(s.mad, 0);
    assert_near(s.ci_low, 42);
    assert_near(s.ci_high, 42);
    assert_true(isinf(prf_relative_ci(&s)));
}

static void
five_have_no_interval_but_their_range(void **state)
{
    (void)state;
    struct prf_summary s = summarize((double[]){3, 1, 2, 5, 4}, 5);
    assert_near(s.mean, 3);
    assert_near(s.stddev, 1.5811388300841898);
    assert_near(s.q1, 2);
    assert_near(s.q3, 4);
    assert_near(s.p95, 4.8);
    assert_near(s.p99, 4.96);
    assert_near(s.mad, 1);
    assert_near(s.ci_low, 1);
    assert_near(s.ci_high, 5);
    assert_true(isinf(prf_relative_ci(&s)));
}

static void
six_are_the_fewest_with_an_interval(void **state)
{
    (void)state;
    struct prf_summary s = summarize((double[]){6, 1, 5, 2, 4, 3}, 6);
    assert_near(s.median, 3.5);
    assert_near(s.stddev, 1.8708286933869707);
    assert_near(s.q1, 2.25);
    assert_near(s.q3, 4.75);
    assert_near(s.p95, 5.75);
    assert_near(s.p99, 5.95);
    assert_near(s.mad, 1.5);
    assert_near(s.ci_low, 1);
    assert_near(s.ci_high, 6);
    assert_near(prf_relative_ci(&s), 2.5 / 3.5);
}

static void
outliers_by_tukeys_fences(void **state)
{
    (void)state;
    const double values[] = {1.5, 2.25, 2.5, 3, 3.5, 4, 4.25, 5, 5.5, 30, 12};
    struct prf_summary s = summarize(values, LEN(values));
    assert_near(s.mean, 6.681818181818182);
    assert_near(s.stddev, 8.228070026660953);
    assert_near(s.q1, 2.75);
    assert_near(s.q3, 5.25);
    assert_near(s.p95, 21.0);
    assert_near(s.p99, 28.2);
    assert_near(s.mad, 1.5);
    assert_int_equal(s.n_mild, 1);   /* 12 */
    assert_int_equal(s.n_severe, 1); /* 30 */
    assert_near(s.ci_low, 2.25);
    assert_near(s.ci_high, 12);
}

static void
ties(void **state)
{
    (void)state;
    struct prf_summary s = summarize((double[]){5, 5, 5, 5, 5, 5, 9}, 7);
    assert_near(s.median, 5);
    assert_near(s.mad, 0);
    assert_near(s.stddev, 1.511857892036909);
    assert_int_equal(s.n_severe, 1);
    s = summarize((double[]){5, 5, 5, 5, 5, 5, 5}, 7);
    assert_near(s.stddev, 0);
    assert_int_equal(s.n_mild + s.n_severe, 0);
    assert_near(prf_relative_ci(&s), 0);
}

/* Ranks of the interval for 1..n; exact ones counted out with integers. */
static void
interval_ranks(void **state)
{
    (void)state;
    static const struct {
        size_t n, rank;
    } table[] = {{6, 1},   {8, 1},    {9, 2},    {10, 2},    {15, 4},
                 {20, 6},  {30, 10},  {40, 14},  {50, 18},   {100, 40},
                 {200, 86}, {300, 133}, {500, 228}, {1000, 469}};
    for (size_t t = 0; t < LEN(table); t++) {
        double values[1000];
        size_t n = table[t].n;
        for (size_t i = 0; i < n; i++) {
            values[n - 1 - i] = (double)(i + 1);
        }
        struct prf_summary s = summarize(values, n);
        assert_near(s.ci_low, (double)table[t].rank);
        assert_near(s.ci_high, (double)(n + 1 - table[t].rank));
    }
}

static void
the_order_of_samples_does_not_count(void **state)
{
    (void)state;
    double up[101], mixed[101];
    for (size_t i = 0; i < LEN(up); i++) {
        up[i] = (double)i;
        mixed[(i * 37) % LEN(up)] = (double)i;
    }
    struct prf_summary a = summarize(up, LEN(up));
    struct prf_summary b = summarize(mixed, LEN(mixed));
    assert_near(a.median, 50);
    assert_near(b.median, 50);
    assert_near(b.q1, 25);
    assert_near(b.p95, 95);
    assert_near(a.mad, b.mad);
    assert_near(a.stddev, b.stddev);
}

static void
what_is_not_finite_is_left_out(void **state)
{
    (void)state;
    struct prf_summary s =
        summarize((double[]){NAN, 1, INFINITY, 3, -INFINITY, 2, NAN}, 7);
    assert_int_equal(s.n, 3);
    assert_near(s.median, 2);
    assert_near(s.max, 3);
    s = summarize((double[]){NAN, NAN}, 2);
    assert_int_equal(s.n, 0);
}

static void
the_largest_doubles_do_not_make_nan(void **state)
{
    (void)state;
    const double big = 1.7e308;
    const double values[] = {big, -big, big, -big, big, -big, big, -big};
    struct prf_summary s = summarize(values, LEN(values));
    assert_near(s.mean, 0);
    assert_near(s.median, 0);
    assert_false(isnan(prf_relative_ci(&s)));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_samples_give_zeros),
        cmocka_unit_test(one_sample),
        cmocka_unit_test(five_have_no_interval_but_their_range),
        cmocka_unit_test(six_are_the_fewest_with_an_interval),
        cmocka_unit_test(outliers_by_tukeys_fences),
        cmocka_unit_test(ties),
        cmocka_unit_test(interval_ranks),
        cmocka_unit_test(the_order_of_samples_does_not_count),
        cmocka_unit_test(what_is_not_finite_is_left_out),
        cmocka_unit_test(the_largest_doubles_do_not_make_nan),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
