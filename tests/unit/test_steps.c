/* Steps in histories whose truth is known, with fixed seeds. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "noise.h"
#include "steps.h"

#define MAX 400

static struct prf_level levels[MAX];

static size_t
find(size_t n, struct prf_step *first)
{
    struct prf_step *steps = NULL;
    size_t n_steps = 0;
    assert_int_equal(prf_steps_find(levels, n, 0.02, 0.01, &steps, &n_steps, NULL), 0);
    assert_true((steps == NULL) == (n_steps == 0));
    if (n_steps > 0) {
        *first = steps[0];
    }
    free(steps);
    return n_steps;
}

/* 1 % of noise, 5 % of outliers when asked for, one in ten not measured. */
static void
fill(struct prf_random *random, size_t n, double outliers)
{
    for (size_t i = 0; i < n; i++) {
        double out = prf_random_unit(random) < outliers ? 0.3 : 0.0;
        levels[i] = (struct prf_level){
            .value = 1000.0 * (1.0 + 0.01 * noise_normal(random) + out),
            .sigma = -1.0,
            .missing = prf_random_unit(random) < 0.1};
    }
}

static void
noise_is_no_step(void **state)
{
    (void)state;
    static const size_t sizes[] = {4, 8, 30, 100};
    struct prf_random random;
    struct prf_step step;
    prf_random_seed(&random, 1);
    for (int kind = 0; kind < 2; kind++) {
        for (size_t s = 0; s < 4; s++) {
            size_t alarms = 0;
            for (size_t i = 0; i < 500; i++) {
                fill(&random, sizes[s], kind == 0 ? 0.0 : 0.05);
                alarms += find(sizes[s], &step) > 0;
            }
            if (alarms > 7) {
                fail_msg("%zu of 500 histories of %zu have a step", alarms, sizes[s]);
            }
        }
    }
}

static void
a_step_is_found_where_it_is(void **state)
{
    (void)state;
    struct prf_random random;
    struct prf_step step;
    size_t found = 0, covered = 0;
    prf_random_seed(&random, 2);
    for (size_t i = 0; i < 200; i++) {
        size_t at = 10 + prf_random_below(&random, 20);
        fill(&random, 40, 0.02);
        for (size_t k = at; k < 40; k++) {
            levels[k].value *= 1.06;
        }
        levels[at].missing = levels[at - 1].missing = false;
        if (find(40, &step) == 1 && step.at + 1 >= at && step.at <= at + 1) {
            found++;
            covered += step.ci_low <= 1.06 && step.ci_high >= 1.06;
            assert_true(step.before < step.at && step.p_value <= 0.01);
        }
    }
    assert_true(found >= 190);
    assert_true(covered >= found * 88 / 100);
}

static void
missing_commits_lie_between(void **state)
{
    (void)state;
    struct prf_random random;
    struct prf_step step;
    prf_random_seed(&random, 3);
    fill(&random, 30, 0.0);
    for (size_t i = 0; i < 30; i++) {
        levels[i].missing = i >= 13 && i < 17;
        levels[i].value *= i < 15 ? 1.0 : 0.9;
    }
    levels[20].value = NAN;
    assert_int_equal(find(30, &step), 1);
    assert_int_equal(step.before, 12);
    assert_int_equal(step.at, 17);
    assert_true(step.ratio > 0.88 && step.ratio < 0.92);
}

static void
small_steps_are_below_the_threshold(void **state)
{
    (void)state;
    struct prf_step step;
    for (size_t i = 0; i < 40; i++) {
        levels[i] = (struct prf_level){.value = i < 20 ? 1000 : 1010, .sigma = -1.0};
    }
    assert_int_equal(find(40, &step), 0);
    for (size_t i = 20; i < 40; i++) {
        levels[i].value = 1030;
    }
    assert_int_equal(find(40, &step), 1);
    assert_int_equal(step.at, 20);
    assert_true(fabs(step.ratio - 1.03) < 1e-9 && step.ci_low == step.ci_high);
}

static void
exact_values_step_at_the_last_commit(void **state)
{
    (void)state;
    struct prf_step step;
    for (size_t i = 0; i < 10; i++) {
        levels[i] = (struct prf_level){.value = i < 9 ? 500 : 550, .sigma = -1.0};
    }
    assert_int_equal(find(10, &step), 1);
    assert_int_equal(step.at, 9);
    /* In the middle it went back: an outlier. */
    levels[9].value = 500;
    levels[4].value = 550;
    assert_int_equal(find(10, &step), 0);
}

static void
how_well_a_level_is_known_counts(void **state)
{
    (void)state;
    struct prf_step step;
    for (size_t i = 0; i < 20; i++) {
        levels[i] = (struct prf_level){.value = i < 10 ? 1000 : 1050, .sigma = 0.005};
    }
    assert_int_equal(find(20, &step), 1);
    for (size_t i = 0; i < 20; i++) {
        levels[i].sigma = 0.2;
    }
    assert_int_equal(find(20, &step), 0);
}

static void
odd_input(void **state)
{
    (void)state;
    struct prf_step step;
    assert_int_equal(find(0, &step), 0);
    for (size_t i = 0; i < 20; i++) {
        levels[i] = (struct prf_level){.value = i < 10 ? 0 : 7, .sigma = -1.0};
    }
    assert_int_equal(find(1, &step), 0);
    assert_int_equal(find(20, &step), 1);
    assert_true(step.at == 10 && isnan(step.ratio));
    for (size_t i = 0; i < 20; i++) {
        levels[i].value = i < 10 ? -10 : -5;
    }
    assert_int_equal(find(20, &step), 1);
    assert_true(fabs(step.ratio - 1.5) < 1e-9);
    for (size_t i = 0; i < 20; i++) {
        levels[i].missing = true;
    }
    assert_int_equal(find(20, &step), 0);
}

/* One commit, then five, then two: too few for a level each, but each of several
   processes that agree. */
static void
few_commits_of_several_processes_are_levels(void **state)
{
    static const double values[] = {1855, 6727, 7072, 6672, 6949, 6430, 1662, 1852};
    struct prf_step *steps;
    size_t n;
    (void)state;
    for (size_t processes = 1; processes <= 3; processes += 2) {
        for (size_t i = 0; i < 8; i++) {
            levels[i] =
                (struct prf_level){.value = values[i], .sigma = 0.06, .n = processes};
        }
        assert_int_equal(prf_steps_find(levels, 8, 0.02, 0.01, &steps, &n, NULL), 0);
        assert_int_equal(n, processes == 3 ? 2 : 0);
        if (n == 2) {
            assert_int_equal(steps[0].at, 1);
            assert_int_equal(steps[1].at, 6);
        }
        free(steps);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(few_commits_of_several_processes_are_levels),
        cmocka_unit_test(noise_is_no_step),
        cmocka_unit_test(a_step_is_found_where_it_is),
        cmocka_unit_test(missing_commits_lie_between),
        cmocka_unit_test(small_steps_are_below_the_threshold),
        cmocka_unit_test(exact_values_step_at_the_last_commit),
        cmocka_unit_test(how_well_a_level_is_known_counts),
        cmocka_unit_test(odd_input),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
