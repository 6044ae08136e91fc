/* One run against those before it: simulated truth, and what can be computed by hand.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "noise.h"
#include "previous.h"

#define LEN(a) (sizeof(a) / sizeof *(a))

static struct prf_previous
judge(double value, const double *earlier, size_t n, double threshold)
{
    struct prf_previous p;
    struct prf_error err = {0};
    enum prf_better better = PRF_BETTER_LESS;
    prf_previous_estimate(value, earlier, n, &p);
    assert_int_equal(prf_previous_judge(&p, &better, 1, threshold, &err), 0);
    return p;
}

static void
assert_near(double got, double want)
{
    if (!(fabs(got - want) <= 1e-9 * fabs(want))) {
        fail_msg("%.17g is not %.17g", got, want);
    }
}

static void
nothing_earlier(void **state)
{
    (void)state;
    struct prf_previous p = judge(2.0, NULL, 0, 0.1);
    assert_int_equal(p.verdict, PRF_PREVIOUS_FEW);
    assert_int_equal(p.n_needed, PRF_PREVIOUS_LEAST);
    assert_true(isnan(p.typical) && isnan(p.ratio) && isnan(p.ci_low));
}

static void
few_runs_have_a_change_but_no_verdict(void **state)
{
    (void)state;
    const double earlier[] = {1, 1, 1, 1};
    for (size_t n = 1; n <= LEN(earlier); n++) {
        struct prf_previous p = judge(3.0, earlier, n, 0.1);
        assert_int_equal(p.verdict, PRF_PREVIOUS_FEW);
        assert_int_equal(p.n_needed, PRF_PREVIOUS_LEAST - n);
        assert_near(p.ratio, 3.0);
        assert_true(isnan(p.ci_low));
    }
}

/* By hand: logarithms -2..2 times 0.01 have s = 0.0158113883, t(4; 0.975)
   = 2.776445105, and the half width is t * s * sqrt(1.2). */
static void
interval_by_hand(void **state)
{
    (void)state;
    double earlier[5];
    for (int i = 0; i < 5; i++) {
        earlier[i] = exp(0.01 * (i - 2));
    }
    struct prf_previous p = judge(1.2, earlier, 5, 0.1);
    double half = 2.7764451051977987 * 0.015811388300841896 * sqrt(1.2);
    assert_near(p.typical, 1.0);
    assert_near(p.ratio, 1.2);
    assert_near(p.ci_low, 1.2 * exp(-half));
    assert_near(p.ci_high, 1.2 * exp(half));
    assert_near(p.least, exp(-0.02));
    assert_near(p.most, exp(0.02));
    assert_int_equal(p.verdict, PRF_PREVIOUS_REGRESSION);
}

static void
both_threshold_and_interval_count(void **state)
{
    (void)state;
    const double quiet[] = {100, 100.1, 99.9, 100, 100.05, 99.95};
    const double noisy[] = {100, 130, 80, 110, 90, 120};
    assert_int_equal(judge(105, quiet, 6, 0.10).verdict, PRF_PREVIOUS_SAME);
    assert_true(judge(105, quiet, 6, 0.10).ci_low > 1);
    assert_int_equal(judge(105, quiet, 6, 0.02).verdict, PRF_PREVIOUS_REGRESSION);
    assert_int_equal(judge(120, noisy, 6, 0.10).verdict, PRF_PREVIOUS_SAME);
    assert_int_equal(judge(80, quiet, 6, 0.10).verdict, PRF_PREVIOUS_IMPROVEMENT);
    assert_int_equal(judge(95, quiet, 6, 0.10).verdict, PRF_PREVIOUS_SAME);
}

static void
equal_values(void **state)
{
    (void)state;
    const double equal[] = {7, 7, 7, 7, 7, 7};
    struct prf_previous p = judge(7, equal, 6, 0.1);
    assert_int_equal(p.verdict, PRF_PREVIOUS_SAME);
    assert_near(p.p_value, 1);
    assert_int_equal(judge(8, equal, 6, 0.1).verdict, PRF_PREVIOUS_REGRESSION);
    assert_int_equal(judge(7.5, equal, 6, 0.1).verdict, PRF_PREVIOUS_SAME);
}

static void
more_may_be_better(void **state)
{
    (void)state;
    const double earlier[] = {100, 101, 99, 100, 102};
    const enum prf_better better[] = {PRF_BETTER_MORE, PRF_BETTER_MORE,
                                      PRF_BETTER_NONE};
    struct prf_error err = {0};
    struct prf_previous items[3];
    prf_previous_estimate(50, earlier, 5, &items[0]);
    prf_previous_estimate(200, earlier, 5, &items[1]);
    prf_previous_estimate(200, earlier, 5, &items[2]);
    assert_int_equal(prf_previous_judge(items, better, 3, 0.1, &err), 0);
    assert_int_equal(items[0].verdict, PRF_PREVIOUS_REGRESSION);
    assert_int_equal(items[1].verdict, PRF_PREVIOUS_IMPROVEMENT);
    assert_int_equal(items[2].verdict, PRF_PREVIOUS_SAME);
    assert_true(isnan(items[2].q_value));
}

static void
one_outlier_hides_nothing(void **state)
{
    (void)state;
    const double earlier[] = {100, 101, 99, 100, 102, 98, 500, 100, 101};
    struct prf_previous p = judge(130, earlier, LEN(earlier), 0.1);
    assert_int_equal(p.n, 9);
    assert_int_equal(p.n_out, 1);
    assert_true(p.most < 103);
    assert_int_equal(p.verdict, PRF_PREVIOUS_REGRESSION);
}

static void
values_that_are_none(void **state)
{
    (void)state;
    const double earlier[] = {0, -1, NAN, INFINITY, 5};
    struct prf_previous p = judge(5, earlier, 5, 0.1);
    assert_int_equal(p.n, 1);
    assert_int_equal(p.verdict, PRF_PREVIOUS_FEW);
    p = judge(0, earlier, 5, 0.1);
    assert_int_equal(p.n, 0);
    assert_int_equal(p.verdict, PRF_PREVIOUS_FEW);
    p = judge(NAN, earlier, 5, 0.1);
    assert_true(isnan(p.ratio));
}

/* --- simulated truth ---------------------------------------------------------------
 */

struct world {
    double sigma;
    double outliers; /* part of the runs that are 30 % off */
    size_t n;        /* earlier runs */
    double change;   /* of the new one */
};

#define WORLD_METRICS 6

/* What the metrics of a run share, and what each has for itself. */
static void
world_run(struct prf_random *random, const struct world *w, double change,
          double out[WORLD_METRICS])
{
    double shared = 0.8 * w->sigma * noise_normal(random);
    double off = prf_random_unit(random) < w->outliers ? 1.3 : 1.0;
    for (size_t i = 0; i < WORLD_METRICS; i++) {
        out[i] = change * off * exp(shared + 0.6 * w->sigma * noise_normal(random));
    }
}

/* The part of runs that get `verdict` for any of their metrics. */
static double
world_rate(const struct world *w, bool regression_only, size_t n_runs)
{
    static const enum prf_better better[WORLD_METRICS] = {
        PRF_BETTER_LESS, PRF_BETTER_LESS, PRF_BETTER_LESS,
        PRF_BETTER_LESS, PRF_BETTER_LESS, PRF_BETTER_LESS};
    struct prf_random random;
    size_t hits = 0;
    prf_random_seed(&random, 42);
    for (size_t r = 0; r < n_runs; r++) {
        double values[100][WORLD_METRICS], value[WORLD_METRICS];
        struct prf_previous items[WORLD_METRICS];
        struct prf_error err = {0};
        bool hit = false;
        for (size_t k = 0; k < w->n; k++) {
            world_run(&random, w, 1.0, values[k]);
        }
        world_run(&random, w, w->change, value);
        for (size_t i = 0; i < WORLD_METRICS; i++) {
            double earlier[100];
            for (size_t k = 0; k < w->n; k++) {
                earlier[k] = values[k][i];
            }
            prf_previous_estimate(value[i], earlier, w->n, &items[i]);
        }
        assert_int_equal(prf_previous_judge(items, better, WORLD_METRICS, 0.1, &err),
                         0);
        for (size_t i = 0; i < WORLD_METRICS; i++) {
            hit |= items[i].verdict == PRF_PREVIOUS_REGRESSION ||
                   (!regression_only && items[i].verdict == PRF_PREVIOUS_IMPROVEMENT);
        }
        hits += hit;
    }
    return (double)hits / (double)n_runs;
}

/* Any verdict on any of six quantities, with one run in fifty disturbed: five per cent.
   The numbers by chance are the same in every run of the test. */
static void
false_alarms(void **state)
{
    (void)state;
    static const double sigmas[] = {0.01, 0.03, 0.05, 0.10};
    static const size_t counts[] = {5, 10, 20};
    for (size_t s = 0; s < LEN(sigmas); s++) {
        for (size_t k = 0; k < LEN(counts); k++) {
            for (int outliers = 0; outliers < 2; outliers++) {
                struct world w = {sigmas[s], outliers * 0.02, counts[k], 1.0};
                double rate = world_rate(&w, false, 2000);
                print_message("sigma %.2f, %zu runs, outliers %.2f: %.2f %%\n", w.sigma,
                              w.n, w.outliers, 100 * rate);
                assert_true(rate <= 0.05);
            }
        }
    }
}

static void
power_at_twice(void **state)
{
    (void)state;
    static const double sigmas[] = {0.01, 0.05, 0.10};
    for (size_t s = 0; s < LEN(sigmas); s++) {
        for (int outliers = 0; outliers < 2; outliers++) {
            for (size_t n = 5; n <= 20; n += 5) {
                struct world w = {sigmas[s], outliers * 0.02, n, 2.0};
                double rate = world_rate(&w, true, 1000);
                print_message("sigma %.2f, %zu runs, outliers %.2f: %.1f %%\n", w.sigma,
                              n, w.outliers, 100 * rate);
                assert_true(rate >= (n == 5 ? 0.90 : 0.99));
            }
        }
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_earlier),
        cmocka_unit_test(few_runs_have_a_change_but_no_verdict),
        cmocka_unit_test(interval_by_hand),
        cmocka_unit_test(both_threshold_and_interval_count),
        cmocka_unit_test(equal_values),
        cmocka_unit_test(more_may_be_better),
        cmocka_unit_test(one_outlier_hides_nothing),
        cmocka_unit_test(values_that_are_none),
        cmocka_unit_test(false_alarms),
        cmocka_unit_test(power_at_twice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
