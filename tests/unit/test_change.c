/* Statistics of a comparison: against values from SciPy, and against simulated truth
   with fixed seeds: how often it cries wolf, what it finds, how often the interval is
   right. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bootstrap.h"
#include "comparison.h"
#include "distributions.h"
#include "fdr.h"
#include "noise.h"
#include "rank.h"

#define LEN(a) (sizeof(a) / sizeof *(a))
#define MAX_PROCESSES 200
#define MAX_VALUES 20

static const struct prf_change_rules rules = {
    .threshold = 0.02, .alpha = 0.01, .seed = 1, .n_resamples = 500};
static const struct prf_change_metric wall = {
    .unit = "ns", .better = PRF_BETTER_LESS, .between = -1.0};
static const struct prf_change_metric wall_paired = {
    .unit = "ns", .better = PRF_BETTER_LESS, .between = -1.0, .paired = true};

struct side {
    double values[MAX_PROCESSES][MAX_VALUES];
    struct prf_process_values processes[MAX_PROCESSES];
    struct prf_side_values side;
};
static struct side base, next;

static void
assert_near(double got, double want, double tolerance)
{
    if (!(fabs(got - want) <= tolerance * fmax(1e-300, fabs(want)))) {
        fail_msg("%.17g is not %.17g", got, want);
    }
}

/* One more process of `n` values around `level`. */
static void
add_process(struct side *side, struct prf_random *random, enum noise noise, size_t n,
            double level)
{
    size_t i = side->side.n++;
    double offset = noise_between(random, noise);
    for (size_t k = 0; k < n; k++) {
        side->values[i][k] = level * (1.0 + offset + noise_within(random, noise));
    }
    side->processes[i] = (struct prf_process_values){side->values[i], n};
    side->side.processes = side->processes;
}

static void
fill(struct side *side, struct prf_random *random, enum noise noise, size_t n_processes,
     size_t n, double level)
{
    side->side.n = 0;
    for (size_t i = 0; i < n_processes; i++) {
        add_process(side, random, noise, n, level);
    }
}

/* Alternately, ABBA, while the machine slows down by `drift` with every process. */
static void
fill_pair(struct prf_random *random, enum noise noise, size_t i, double drift,
          double ratio)
{
    double slot = 2.0 * (double)i, first = 1.0 + drift * slot,
           second = 1.0 + drift * (slot + 1.0);
    bool base_first = i % 2 == 0;
    add_process(&base, random, noise, 5, 1000.0 * (base_first ? first : second));
    add_process(&next, random, noise, 5,
                1000.0 * ratio * (base_first ? second : first));
}

static struct prf_change
measure(const struct prf_change_metric *metric)
{
    struct prf_change change;
    struct prf_error err = {0};
    if (prf_change_measure(&base.side, &next.side, metric, &rules, &change, &err) !=
        0) {
        fail_msg("%s", err.text);
    }
    return change;
}

static struct prf_change
judge(const struct prf_change_metric *metric)
{
    struct prf_change change = measure(metric);
    assert_int_equal(prf_change_judge(&change, 1, NULL, &rules, NULL), 0);
    return change;
}

static bool
is_alarm(const struct prf_change *change)
{
    return change->verdict == PRF_VERDICT_SLOWER ||
           change->verdict == PRF_VERDICT_FASTER;
}

/* One process a side with these values. */
static struct prf_change
judge_values(const double *b, size_t n_base, const double *x, size_t n_next,
             const struct prf_change_metric *metric)
{
    struct prf_process_values one = {b, n_base}, other = {x, n_next};
    struct prf_side_values sides[2] = {{&one, 1}, {&other, 1}};
    struct prf_change change;
    assert_int_equal(
        prf_change_measure(&sides[0], &sides[1], metric, &rules, &change, NULL), 0);
    assert_int_equal(prf_change_judge(&change, 1, NULL, &rules, NULL), 0);
    return change;
}

static void
distributions_as_scipy_has_them(void **state)
{
    (void)state;
    assert_near(prf_t_tail(2.5, 4), 0.06676654481198814, 1e-12);
    assert_near(prf_t_tail(-12, 7.5), 3.660806455619481e-06, 1e-11);
    assert_near(prf_t_tail(0.3, 30), 0.7662461052843528, 1e-12);
    assert_near(prf_t_quantile(0.05, 1), 12.706204736174705, 1e-9);
    assert_near(prf_t_quantile(0.05, 3.5), 2.9400886379827296, 1e-9);
    assert_near(prf_t_quantile(1e-6, 9), 11.636782027328891, 1e-9);
    assert_near(prf_normal_quantile(1e-10), -6.361340902404056, 1e-8);
    assert_near(prf_normal_quantile(0.3), -0.5244005127080409, 1e-8);
    assert_true(prf_t_tail(INFINITY, 3) == 0.0);
}

static void
mann_whitney_as_scipy_has_it(void **state)
{
    (void)state;
    struct prf_rank rank;
    const double a[] = {1, 2, 3, 4, 5}, b[] = {6, 7, 8, 9, 10};
    assert_int_equal(prf_rank_sides(a, 5, b, 5, &rank, NULL), 0);
    assert_near(rank.p, 0.007936507936507936, 1e-12);
    assert_true(rank.apart && rank.effect == 1.0);
    const double c[] = {1.1, 2.2, 3.3, 9.9}, d[] = {2.5, 4.4, 5.5, 6.6, 7.7, 8.8};
    assert_int_equal(prf_rank_sides(c, 4, d, 6, &rank, NULL), 0);
    assert_near(rank.p, 0.35238095238095235, 1e-12);
    assert_near(rank.effect, 1.0 - 2.0 * 7.0 / 24.0, 1e-12);
    assert_false(rank.apart);
    const double tied[] = {1, 2, 2, 3, 3, 3, 4}, more[] = {2, 3, 4, 4, 5, 5, 6, 6};
    assert_int_equal(prf_rank_sides(tied, 7, more, 8, &rank, NULL), 0);
    assert_near(rank.p, 0.025144761173357368, 1e-9);
    assert_near(rank.effect, 1.0 - 2.0 * 8.5 / 56.0, 1e-12);
    double low[60], high[60];
    for (int i = 0; i < 60; i++) {
        low[i] = i;
        high[i] = i + 7.5;
    }
    assert_int_equal(prf_rank_sides(low, 60, high, 60, &rank, NULL), 0);
    assert_near(rank.p, 0.02694585619564296, 1e-9);
}

static int
by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* 20 against 20: the largest that a usual comparison of two processes has. */
static void
mann_whitney_of_twenty_is_exact(void **state)
{
    (void)state;
    struct prf_rank rank;
    double a[20], b[20];
    for (int i = 0; i < 20; i++) {
        a[i] = (i * 7) % 41 + 0.5 * ((i * 3) % 5) + 0.01 * i;
        b[i] = a[i] * 1.3 + 3.003;
    }
    qsort(a, 20, sizeof *a, by_value);
    qsort(b, 20, sizeof *b, by_value);
    assert_int_equal(prf_rank_sides(a, 20, b, 20, &rank, NULL), 0);
    assert_near(rank.p, 0.08097630609600429, 1e-12);
}

static void
signed_ranks_as_scipy_has_them(void **state)
{
    (void)state;
    struct prf_rank rank;
    double plain[] = {1.5, -0.5, 2.5, 3.5, -4.5, 5.5, 6.5, 7.5};
    assert_int_equal(prf_rank_pairs(plain, LEN(plain), &rank, NULL), 0);
    assert_near(rank.p, 0.109375, 1e-12);
    double tied[] = {1, 1, 2, -2, 3, 4, 4, 5, 0, 0};
    assert_int_equal(prf_rank_pairs(tied, LEN(tied), &rank, NULL), 0);
    assert_near(rank.p, 0.04910953919720455, 1e-9);
    assert_int_equal(prf_rank_pairs((double[]){0, 0}, 2, &rank, NULL), 0);
    assert_true(rank.p == 1.0 && !rank.apart);
}

static void
false_discovery_rates_as_scipy_has_them(void **state)
{
    (void)state;
    const double p[] = {0.01, 0.04, 0.03, 0.005, 0.5, NAN};
    const double want[] = {0.03, 0.06, 0.06, 0.03, 0.6, 1.0};
    double q[LEN(p)];
    assert_int_equal(prf_fdr(p, LEN(p), q, NULL), 0);
    for (size_t i = 0; i < LEN(p); i++) {
        assert_near(q[i], want[i], 1e-12);
    }
    assert_int_equal(prf_fdr(NULL, 0, NULL, NULL), 0);
}

/* The standard error of the median of 101 normal values is 1.2533 / sqrt(101). */
static void
strata_are_the_bootstrap_of_a_median(void **state)
{
    (void)state;
    double sorted[101], positions[PRF_STRATA], low, high;
    struct prf_strata strata;
    for (int i = 0; i < 101; i++) {
        sorted[i] = prf_normal_quantile((i + 0.5) / 101.0);
    }
    prf_strata_positions(101, positions);
    prf_strata_fill(sorted, 101, positions, &strata);
    assert_near(sqrt(prf_strata_variance(&strata)), 1.2533 / sqrt(101.0), 0.05);
    double resamples[1001];
    for (int i = 0; i < 1001; i++) {
        resamples[i] = (i * 613) % 1001;
    }
    prf_bootstrap_quantiles(resamples, 1001, &low, &high);
    assert_true(low == 25.0 && high == 975.0);
}

/* 500 comparisons of a thing with itself for each noise and number of processes. One in
   a hundred may be called a change; the interval should hold 1 in 95 of a hundred. */
static void
same_code_is_no_change(void **state)
{
    (void)state;
    static const size_t sizes[] = {1, 2, 5, 10, 20};
    struct prf_random random;
    prf_random_seed(&random, 4);
    for (enum noise noise = 0; noise < N_NOISES; noise++) {
        for (size_t s = 0; s < LEN(sizes); s++) {
            size_t alarms = 0, covered = 0, n = 500;
            for (size_t i = 0; i < n; i++) {
                fill(&base, &random, noise, sizes[s], 8, 1000.0);
                fill(&next, &random, noise, sizes[s], 8, 1000.0);
                struct prf_change change = judge(&wall);
                alarms += is_alarm(&change);
                covered += change.ci_low <= 1.0 && change.ci_high >= 1.0;
            }
            if (alarms > n / 100 || covered < n * 90 / 100) {
                fail_msg("%s, %zu processes: %zu alarms, %zu covered",
                         noise_names[noise], sizes[s], alarms, covered);
            }
        }
    }
}

static void
drift_is_no_change_when_paired(void **state)
{
    (void)state;
    struct prf_random random;
    prf_random_seed(&random, 5);
    for (enum noise noise = 0; noise < N_NOISES; noise++) {
        size_t alarms = 0, covered = 0, n = 500;
        for (size_t i = 0; i < n; i++) {
            base.side.n = next.side.n = 0;
            for (size_t k = 0; k < 10; k++) {
                fill_pair(&random, noise, k, 0.02, 1.0);
            }
            struct prf_change change = judge(&wall_paired);
            alarms += is_alarm(&change);
            covered += change.ci_low <= 1.0 && change.ci_high >= 1.0;
        }
        if (alarms > n / 100 || covered < n * 90 / 100) {
            fail_msg("%s: %zu alarms, %zu covered", noise_names[noise], alarms,
                     covered);
        }
    }
}

/* What the error control is for: with the values of one process taken as independent,
   as Mann and Whitney's test alone does, this suite would be full of wolves. */
static void
values_of_one_process_are_not_independent(void **state)
{
    (void)state;
    struct prf_random random;
    size_t naive = 0, alarms = 0, over = 0;
    prf_random_seed(&random, 6);
    for (size_t i = 0; i < 500; i++) {
        fill(&base, &random, NOISE_OFFSETS, 1, 20, 1000.0);
        fill(&next, &random, NOISE_OFFSETS, 1, 20, 1000.0);
        struct prf_change change = judge(&wall);
        naive += change.p_value < 0.01;
        over += fabs(change.ratio - 1.0) >= rules.threshold;
        alarms += is_alarm(&change);
    }
    assert_true(naive > 250 && over > 250);
    assert_true(alarms <= 5);
}

/* A change of the size that is called detectable is found in 80 % of comparisons. */
static void
power_is_as_stated(void **state)
{
    (void)state;
    static const enum noise noises[] = {NOISE_NORMAL, NOISE_SKEWED, NOISE_OFFSETS};
    static const size_t sizes[] = {5, 10, 20};
    struct prf_random random;
    prf_random_seed(&random, 7);
    for (size_t v = 0; v < LEN(noises) * LEN(sizes); v++) {
        size_t found = 0, n = 300;
        for (size_t i = 0; i < n; i++) {
            fill(&base, &random, noises[v / 3], sizes[v % 3], 10, 1000.0);
            fill(&next, &random, noises[v / 3], sizes[v % 3], 10, 1000.0);
            double detectable = measure(&wall).detectable;
            fill(&next, &random, noises[v / 3], sizes[v % 3], 10,
                 1000.0 * (1.0 + detectable));
            found += judge(&wall).verdict == PRF_VERDICT_SLOWER;
        }
        if (found < n * 68 / 100 || found > n * 92 / 100) {
            fail_msg("%s, %zu processes: %zu of %zu found", noise_names[noises[v / 3]],
                     sizes[v % 3], found, n);
        }
    }
}

/* Suites of 100 with 10 that became 10 % slower: nearly all are found, and of what is
   reported hardly any is wrong. */
static void
discoveries_of_a_suite_are_true(void **state)
{
    (void)state;
    struct prf_random random;
    size_t found = 0, wrong = 0;
    prf_random_seed(&random, 8);
    for (size_t suite = 0; suite < 20; suite++) {
        struct prf_change changes[100];
        for (size_t i = 0; i < 100; i++) {
            fill(&base, &random, NOISE_NORMAL, 10, 10, 1000.0);
            fill(&next, &random, NOISE_NORMAL, 10, 10, i < 10 ? 1100.0 : 1000.0);
            changes[i] = measure(&wall);
        }
        assert_int_equal(prf_change_judge(changes, 100, NULL, &rules, NULL), 0);
        for (size_t i = 0; i < 100; i++) {
            found += i < 10 && changes[i].verdict == PRF_VERDICT_SLOWER;
            wrong += i >= 10 && is_alarm(&changes[i]);
        }
    }
    assert_true(found >= 190);
    assert_true(wrong <= 2);
}

/* p-values that would be discoveries alone are none among a hundred; and what the suite
   could have seen is larger for that. */
static void
a_suite_asks_for_more_than_one_case(void **state)
{
    (void)state;
    struct prf_random random;
    struct prf_change changes[100], alone;
    prf_random_seed(&random, 9);
    fill(&base, &random, NOISE_NORMAL, 10, 10, 1000.0);
    fill(&next, &random, NOISE_NORMAL, 10, 10, 1030.0);
    alone = measure(&wall);
    alone.p_verdict = 0.005;
    for (size_t i = 0; i < 100; i++) {
        changes[i] = alone;
        changes[i].p_verdict = i == 0 ? 0.005 : 0.02 + 0.0098 * (double)i;
    }
    assert_int_equal(prf_change_judge(&alone, 1, NULL, &rules, NULL), 0);
    assert_int_equal(prf_change_judge(changes, 100, NULL, &rules, NULL), 0);
    assert_int_equal(alone.verdict, PRF_VERDICT_SLOWER);
    assert_int_equal(changes[0].verdict, PRF_VERDICT_INCONCLUSIVE);
    assert_near(changes[0].q_value, 0.5, 1e-12);
    assert_true(changes[0].detectable > alone.detectable);
}

struct looked {
    enum prf_verdict verdict;
    size_t pairs;
};

static struct looked
look_until_clear(struct prf_random *random, double ratio, size_t n_cases, size_t most)
{
    struct prf_change change = {.verdict = PRF_VERDICT_INCONCLUSIVE};
    struct prf_change_rules quick = rules;
    quick.n_resamples = 500;
    base.side.n = next.side.n = 0;
    while (base.side.n < most && change.verdict == PRF_VERDICT_INCONCLUSIVE) {
        /* Between processes 2 % as a whole. */
        double a = 1.0 + 0.0173 * noise_normal(random);
        double b = 1.0 + 0.0173 * noise_normal(random);
        size_t i = base.side.n;
        fill_pair(random, NOISE_NORMAL, i, 0.003, ratio);
        for (size_t k = 0; k < 5; k++) {
            base.values[i][k] *= a;
            next.values[i][k] *= b;
        }
        assert_int_equal(prf_change_look(&base.side, &next.side, &wall_paired, &quick,
                                         n_cases, &change, NULL),
                         0);
        assert_true(change.looked);
    }
    return (struct looked){change.verdict, base.side.n};
}

/* Three processes in ten are disturbed, often by half their time: a mean that keeps most
   of them finds one change in twenty. */
static void
a_disturbed_process_does_not_count(void **state)
{
    (void)state;
    struct prf_random random;
    struct prf_change_rules quick = rules;
    size_t found = 0;
    quick.n_resamples = 300;
    prf_random_seed(&random, 12);
    for (size_t t = 0; t < 20; t++) {
        struct prf_change change = {.verdict = PRF_VERDICT_INCONCLUSIVE};
        base.side.n = next.side.n = 0;
        while (base.side.n < 130) {
            size_t i = base.side.n;
            fill_pair(&random, NOISE_NORMAL, i, 0.003, 1.05);
            struct side *sides[] = {&base, &next};
            for (int side = 0; side < 2; side++) {
                bool disturbed = prf_random_unit(&random) < 0.3;
                double by = noise_normal(&random) * (disturbed ? 0.4 : 0.03);
                for (size_t k = 0; k < 5; k++) {
                    sides[side]->values[i][k] *= exp(disturbed ? fabs(by) : by);
                }
            }
        }
        assert_int_equal(prf_change_look(&base.side, &next.side, &wall_paired, &quick,
                                         2, &change, NULL),
                         0);
        found += change.p_verdict < 0.0001 && change.ratio > 1.02;
    }
    if (found < 12) {
        fail_msg("%zu of 20 found", found);
    }
}

static void
looking_often_is_safe_and_quick(void **state)
{
    (void)state;
    struct prf_random random;
    size_t alarms = 0, found = 0, pairs = 0;
    prf_random_seed(&random, 10);
    for (size_t i = 0; i < 200; i++) {
        struct looked same = look_until_clear(&random, 1.0, 1, 60);
        alarms +=
            same.verdict == PRF_VERDICT_SLOWER || same.verdict == PRF_VERDICT_FASTER;
    }
    for (size_t i = 0; i < 100; i++) {
        struct looked slower = look_until_clear(&random, 1.05, 1, 45);
        found += slower.verdict == PRF_VERDICT_SLOWER;
        pairs += slower.pairs;
    }
    if (alarms > 2 || found < 98 || pairs > 100 * 25) {
        fail_msg("%zu alarms, %zu found after %zu pairs", alarms, found, pairs);
    }
}

static void
looking_ends_when_nothing_changed(void **state)
{
    (void)state;
    struct prf_random random;
    size_t same = 0;
    prf_random_seed(&random, 11);
    for (size_t i = 0; i < 20; i++) {
        same += look_until_clear(&random, 1.0, 1, 100).verdict == PRF_VERDICT_SAME;
    }
    assert_true(same >= 19);
}

/* A clear look stays when the suite is judged; an open one is judged by what is left of
   alpha. */
static void
judging_keeps_what_a_look_decided(void **state)
{
    (void)state;
    struct prf_random random;
    prf_random_seed(&random, 12);
    fill(&base, &random, NOISE_NORMAL, 10, 10, 1000.0);
    fill(&next, &random, NOISE_NORMAL, 10, 10, 1100.0);
    struct prf_change changes[3];
    changes[0] = changes[1] = changes[2] = measure(&wall);
    for (size_t i = 0; i < 3; i++) {
        changes[i].looked = true;
    }
    changes[0].verdict = PRF_VERDICT_SAME;
    changes[2].p_verdict = 0.007;
    assert_int_equal(prf_change_judge(changes, 3, NULL, &rules, NULL), 0);
    assert_int_equal(changes[0].verdict, PRF_VERDICT_SAME);
    assert_int_equal(changes[1].verdict, PRF_VERDICT_SLOWER);
    assert_true(changes[2].q_value < rules.alpha);
    assert_int_equal(changes[2].verdict, PRF_VERDICT_INCONCLUSIVE);
}

static void
exact_metrics_need_no_statistics(void **state)
{
    (void)state;
    const struct prf_change_metric count = {
        .unit = "count", .better = PRF_BETTER_LESS, .between = -1.0};
    struct prf_change c = judge_values((double[]){100}, 1, (double[]){103}, 1, &count);
    assert_true(c.exact && c.verdict == PRF_VERDICT_SLOWER);
    assert_true(c.p_value == 0.0 && c.ci_low == c.ratio && c.ci_high == c.ratio);
    assert_near(c.ratio, 1.03, 1e-15);
    c = judge_values((double[]){100, 100}, 2, (double[]){101}, 1, &count);
    assert_int_equal(c.verdict, PRF_VERDICT_WITHIN_NOISE);
    c = judge_values((double[]){100}, 1, (double[]){100}, 1, &count);
    assert_int_equal(c.verdict, PRF_VERDICT_SAME);
    assert_true(c.p_value == 1.0 && c.q_value == 1.0);
    c = judge_values((double[]){100}, 1, (double[]){90}, 1, &count);
    assert_int_equal(c.verdict, PRF_VERDICT_FASTER);
    /* One time is not exact for being alone, nor is one number of bytes. */
    c = judge_values((double[]){100}, 1, (double[]){103}, 1, &wall);
    assert_true(!c.exact && c.verdict == PRF_VERDICT_INCONCLUSIVE);
    /* Counts that vary are no longer exact. */
    c = judge_values((double[]){100, 104, 99, 101, 97, 103}, 6,
                     (double[]){103, 100, 98, 104, 101, 99}, 6, &count);
    assert_true(!c.exact && !is_alarm(&c));
}

static void
zero_and_below(void **state)
{
    (void)state;
    const struct prf_change_metric count = {
        .unit = "count", .better = PRF_BETTER_LESS, .between = -1.0};
    struct prf_change c = judge_values((double[]){0}, 1, (double[]){0}, 1, &count);
    assert_true(c.ratio == 1.0 && c.verdict == PRF_VERDICT_SAME);
    c = judge_values((double[]){0}, 1, (double[]){5}, 1, &count);
    assert_true(isnan(c.ratio) && c.verdict == PRF_VERDICT_SLOWER);
    c = judge_values((double[]){-10}, 1, (double[]){-5}, 1, &count);
    assert_near(c.ratio, 1.5, 1e-15);
    assert_int_equal(c.verdict, PRF_VERDICT_SLOWER);
    /* Not exact: a base of 0 with noise around it. */
    const double around[] = {-1, 0, 1, -2, 2, 0}, far[] = {99, 100, 101, 98, 102, 100};
    c = judge_values(around, 6, far, 6, &wall);
    assert_true(isnan(c.ratio) && isnan(c.ci_low) && c.verdict == PRF_VERDICT_SLOWER);
    c = judge_values(far, 6, around, 6, &wall);
    assert_true(c.ratio == 0.0 && c.verdict == PRF_VERDICT_FASTER);
}

static void
what_is_not_finite_is_left_out(void **state)
{
    (void)state;
    const double b[] = {100, NAN, 101, INFINITY, 99}, x[] = {-INFINITY, 200, 201, 199};
    struct prf_change c = judge_values(b, 5, x, 4, &wall);
    assert_true(c.n_base == 3 && c.n_next == 3);
    assert_near(c.ratio, 2.0, 1e-12);
    assert_int_equal(c.verdict, PRF_VERDICT_SLOWER);
    assert_true(isfinite(c.ci_low) && isfinite(c.ci_high) && isfinite(c.p_value));
    struct prf_process_values none = {(double[]){NAN}, 1}, one = {b, 1};
    struct prf_side_values empty = {&none, 1}, full = {&one, 1}, nothing = {NULL, 0};
    struct prf_error err = {0};
    assert_int_equal(prf_change_measure(&empty, &full, &wall, &rules, &c, &err),
                     PRF_EUSAGE);
    assert_string_equal(err.text, "a side has no values to compare");
    assert_int_equal(
        prf_change_measure(&full, &nothing, &wall_paired, &rules, &c, NULL),
        PRF_EUSAGE);
    assert_int_equal(prf_change_look(&full, &nothing, &wall, &rules, 1, &c, NULL),
                     PRF_EUSAGE);
}

static void
extremes_make_no_nan(void **state)
{
    (void)state;
    static const double odd[][3] = {{1e308, 1.1e308, 1.2e308},
                                    {1e-308, 2e-308, 1.5e-308},
                                    {-1e308, 1e308, 0},
                                    {5, 5, 5},
                                    {0, 0, 1},
                                    {1e-300, 1, 1e300}};
    for (size_t i = 0; i < LEN(odd) * LEN(odd); i++) {
        struct prf_change c = judge_values(odd[i / LEN(odd)], 3, odd[i % LEN(odd)], 3,
                                           i % 2 ? &wall : &wall_paired);
        assert_true(c.p_value >= 0.0 && c.p_value <= 1.0);
        assert_true(c.p_verdict >= 0.0 && c.p_verdict <= 1.0);
        assert_true(c.q_value >= 0.0 && c.q_value <= 1.0);
        assert_false(isnan(c.effect) || isnan(c.detectable));
        if (i % LEN(odd) == i / LEN(odd)) {
            assert_false(is_alarm(&c));
        }
    }
}

/* Half a pair is none. */
static void
pairs_need_both_sides(void **state)
{
    (void)state;
    struct prf_random random;
    prf_random_seed(&random, 13);
    base.side.n = next.side.n = 0;
    for (size_t k = 0; k < 8; k++) {
        fill_pair(&random, NOISE_NORMAL, k, 0.0, 1.0);
    }
    next.values[3][0] = NAN;
    next.processes[3].n = 1;
    base.side.n = 7;
    struct prf_change c = measure(&wall_paired);
    assert_int_equal(c.processes_base, 6);
    assert_int_equal(c.processes_next, 6);
    assert_int_equal(c.n_base, 30);
}

static void
what_is_known_of_other_results_helps(void **state)
{
    (void)state;
    struct prf_random random;
    struct prf_change_metric known = wall;
    known.between = 0.005;
    prf_random_seed(&random, 14);
    fill(&base, &random, NOISE_NORMAL, 1, 20, 1000.0);
    fill(&next, &random, NOISE_NORMAL, 1, 20, 1080.0);
    struct prf_change by_unit = judge(&wall), by_results = judge(&known);
    assert_int_equal(by_unit.verdict, PRF_VERDICT_INCONCLUSIVE);
    assert_int_equal(by_results.verdict, PRF_VERDICT_SLOWER);
    assert_true(by_results.detectable < by_unit.detectable / 2.0);
}

static void
the_seed_decides(void **state)
{
    (void)state;
    struct prf_random random;
    struct prf_change_rules other = rules;
    struct prf_change a, b, c;
    other.seed = 2;
    prf_random_seed(&random, 15);
    fill(&base, &random, NOISE_NORMAL, 3, 20, 1000.0);
    fill(&next, &random, NOISE_NORMAL, 3, 20, 1010.0);
    a = measure(&wall);
    b = measure(&wall);
    assert_int_equal(
        prf_change_measure(&base.side, &next.side, &wall, &other, &c, NULL), 0);
    assert_true(a.ci_low == b.ci_low && a.ci_high == b.ci_high);
    assert_true(a.ci_low != c.ci_low);
    assert_near(a.ci_low, c.ci_low, 0.02);
}

static void
better_decides_the_word(void **state)
{
    (void)state;
    struct prf_change_metric m = {.unit = "count", .between = -1.0};
    const double a[] = {100}, b[] = {150};
    m.better = PRF_BETTER_MORE;
    assert_int_equal(judge_values(a, 1, b, 1, &m).verdict, PRF_VERDICT_FASTER);
    assert_int_equal(judge_values(b, 1, a, 1, &m).verdict, PRF_VERDICT_SLOWER);
    m.better = PRF_BETTER_NONE;
    assert_int_equal(judge_values(a, 1, b, 1, &m).verdict, PRF_VERDICT_WITHIN_NOISE);
    static const struct {
        enum prf_verdict verdict;
        const char *unit;
        enum prf_better better;
        const char *name, *word;
    } names[] = {
        {PRF_VERDICT_SLOWER, "ns", PRF_BETTER_LESS, "slower", "slower"},
        {PRF_VERDICT_FASTER, "ns", PRF_BETTER_LESS, "faster", "faster"},
        {PRF_VERDICT_SLOWER, "bytes", PRF_BETTER_LESS, "larger", "slower"},
        {PRF_VERDICT_FASTER, "bytes", PRF_BETTER_LESS, "smaller", "faster"},
        {PRF_VERDICT_FASTER, "count", PRF_BETTER_MORE, "larger", "faster"},
        {PRF_VERDICT_SLOWER, NULL, PRF_BETTER_MORE, "smaller", "slower"},
        {PRF_VERDICT_SAME, "ns", PRF_BETTER_LESS, "same", "same"},
        {PRF_VERDICT_WITHIN_NOISE, "ns", PRF_BETTER_LESS, "within noise",
         "within-noise"},
        {PRF_VERDICT_WITHIN_NOISE, "ns", PRF_BETTER_NONE, "changed", "within-noise"},
        {PRF_VERDICT_INCONCLUSIVE, "ns", PRF_BETTER_LESS, "inconclusive",
         "inconclusive"},
    };
    for (size_t i = 0; i < LEN(names); i++) {
        assert_string_equal(
            prf_verdict_name(names[i].verdict, names[i].unit, names[i].better),
            names[i].name);
        assert_string_equal(prf_verdict_word(names[i].verdict), names[i].word);
    }
}

static void
a_comparison_judges_what_has_values(void **state)
{
    (void)state;
    const struct prf_change_metric count = {
        .unit = "count", .better = PRF_BETTER_LESS, .between = -1.0};
    struct prf_change up = judge_values((double[]){100}, 1, (double[]){105}, 1, &count);
    up.verdict = PRF_VERDICT_INCONCLUSIVE;
    struct prf_clause clauses[2] = {{.text = "a", .broken = true}, {.text = "b"}};
    struct prf_compared items[] = {
        {.case_id = "a",
         .metric = "calls",
         .change = up,
         .threshold = 0.02,
         .clauses = clauses,
         .n_clauses = 2},
        {.case_id = "b", .metric = "calls", .change = up, .threshold = 0.10},
        {.case_id = "c", .uncompared = PRF_ONLY_BASE},
        {.case_id = "d",
         .metric = "calls",
         .change = up,
         .threshold = 0.02,
         .uncompared = PRF_OTHER_MACHINE},
    };
    struct prf_comparison comparison = {
        .items = items, .n = LEN(items), .rules = rules};
    assert_int_equal(prf_comparison_judge(&comparison, NULL), 0);
    assert_int_equal(items[0].change.verdict, PRF_VERDICT_SLOWER);
    assert_int_equal(items[1].change.verdict, PRF_VERDICT_WITHIN_NOISE);
    assert_int_equal(items[3].change.verdict, PRF_VERDICT_INCONCLUSIVE);
    assert_int_equal(prf_comparison_regressions(&comparison), 1);
    assert_int_equal(prf_comparison_broken(&comparison), 1);
    prf_comparison_release(&comparison);
    assert_int_equal(comparison.n, 0);
    assert_int_equal(prf_comparison_judge(&comparison, NULL), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(distributions_as_scipy_has_them),
        cmocka_unit_test(mann_whitney_as_scipy_has_it),
        cmocka_unit_test(mann_whitney_of_twenty_is_exact),
        cmocka_unit_test(signed_ranks_as_scipy_has_them),
        cmocka_unit_test(false_discovery_rates_as_scipy_has_them),
        cmocka_unit_test(strata_are_the_bootstrap_of_a_median),
        cmocka_unit_test(same_code_is_no_change),
        cmocka_unit_test(drift_is_no_change_when_paired),
        cmocka_unit_test(values_of_one_process_are_not_independent),
        cmocka_unit_test(power_is_as_stated),
        cmocka_unit_test(discoveries_of_a_suite_are_true),
        cmocka_unit_test(a_suite_asks_for_more_than_one_case),
        cmocka_unit_test(looking_often_is_safe_and_quick),
        cmocka_unit_test(a_disturbed_process_does_not_count),
        cmocka_unit_test(looking_ends_when_nothing_changed),
        cmocka_unit_test(judging_keeps_what_a_look_decided),
        cmocka_unit_test(exact_metrics_need_no_statistics),
        cmocka_unit_test(zero_and_below),
        cmocka_unit_test(what_is_not_finite_is_left_out),
        cmocka_unit_test(extremes_make_no_nan),
        cmocka_unit_test(pairs_need_both_sides),
        cmocka_unit_test(what_is_known_of_other_results_helps),
        cmocka_unit_test(the_seed_decides),
        cmocka_unit_test(better_decides_the_word),
        cmocka_unit_test(a_comparison_judges_what_has_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
