/* Bisections of simulated histories, with fixed seeds. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "noise.h"
#include "search.h"

#define N 64

struct history {
    size_t step; /* first bad commit */
    double ratio, sigma;
    bool broken[N];
};

static enum prf_search_next
search(struct history *h, struct prf_search_request *request, struct prf_random *random,
       struct prf_search_answer *answer)
{
    struct prf_search *s = NULL;
    enum prf_search_next next;
    size_t index = 0, attempts = 0;
    assert_int_equal(prf_search_new(request, &s, NULL), 0);
    while ((next = prf_search_next(s, &index)) == PRF_SEARCH_MEASURE) {
        assert_true(index == PRF_SEARCH_GOOD || index < request->n);
        assert_true(attempts++ < 200);
        if (index != PRF_SEARCH_GOOD && h->broken[index]) {
            prf_search_skip(s, index);
            continue;
        }
        bool bad = index != PRF_SEARCH_GOOD && index >= h->step;
        prf_search_tell(s, index,
                        log(bad ? 100.0 * h->ratio : 100.0) +
                            h->sigma * noise_normal(random));
    }
    prf_search_answer(s, answer);
    prf_search_free(s);
    return next;
}

static struct history
history(struct prf_random *random, double ratio, double sigma)
{
    struct history h = {prf_random_below(random, N), ratio, sigma, {false}};
    for (size_t i = 0; i + 1 < N; i++) {
        h.broken[i] = prf_random_unit(random) < 0.1;
    }
    return h;
}

static const struct prf_search_request request = {
    .n = N, .good_level = NAN, .bad_level = NAN, .sigma = -1.0, .confidence = 0.95};

/* It is in the range, and between first and last nothing could have been measured. */
static bool
is_right(const struct history *h, const struct prf_search_answer *a)
{
    bool right = a->first <= h->step && h->step <= a->last;
    for (size_t i = a->first; i < a->last; i++) {
        right = right && h->broken[i];
    }
    return right;
}

static void
the_step_is_found_through_noise(void **state)
{
    (void)state;
    struct prf_random random;
    size_t right = 0, runs = 0, covered = 0;
    prf_random_seed(&random, 1);
    for (size_t i = 0; i < 200; i++) {
        struct history h = history(&random, 1.05, 0.015);
        struct prf_search_request r = request;
        struct prf_search_answer a;
        search(&h, &r, &random, &a);
        right += is_right(&h, &a) && a.differs;
        runs += a.n_measured;
        covered += a.ci_low <= 1.05 && a.ci_high >= 1.05;
    }
    if (right < 190 || runs > 200 * 18 || covered < 180) {
        fail_msg("%zu right, %zu runs, %zu covered", right, runs, covered);
    }
}

static void
good_and_bad_may_be_the_same(void **state)
{
    (void)state;
    struct prf_random random;
    size_t differs = 0;
    prf_random_seed(&random, 2);
    for (size_t i = 0; i < 200; i++) {
        struct history h = history(&random, 1.0, i % 2 ? 0.01 : 0.0);
        struct prf_search_request r = request;
        struct prf_search_answer a;
        search(&h, &r, &random, &a);
        differs += a.differs;
    }
    assert_true(differs <= 10);
}

static void
without_noise_it_bisects(void **state)
{
    (void)state;
    struct prf_random random;
    prf_random_seed(&random, 3);
    for (size_t step = 0; step < N; step++) {
        struct history h = {step, 0.9, 0.0, {false}};
        struct prf_search_request r = request;
        struct prf_search_answer a;
        assert_int_equal(search(&h, &r, &random, &a), PRF_SEARCH_DONE);
        assert_true(a.first == step && a.last == step && a.differs);
        assert_true(a.n_measured <= 14);
        assert_true(fabs(a.ratio - 0.9) < 1e-9);
    }
}

/* What cannot be measured makes a range, and it is said that this is the reason. */
static void
broken_commits_make_a_range(void **state)
{
    (void)state;
    struct prf_random random;
    struct history h = {30, 1.2, 0.005, {false}};
    struct prf_search_request r = request;
    struct prf_search_answer a;
    prf_random_seed(&random, 4);
    for (size_t i = 28; i < 33; i++) {
        h.broken[i] = true;
    }
    assert_int_equal(search(&h, &r, &random, &a), PRF_SEARCH_STUCK);
    assert_int_equal(a.first, 28);
    assert_int_equal(a.last, 33);
    assert_true(a.probability >= 0.95 && a.differs);
}

/* Levels from results that are there save measurements. */
static void
known_levels_save_runs(void **state)
{
    (void)state;
    struct prf_random random;
    size_t plain = 0, known = 0, right = 0;
    prf_random_seed(&random, 5);
    for (size_t i = 0; i < 50; i++) {
        struct history h = history(&random, 1.05, 0.01);
        struct prf_search_request r = request;
        struct prf_search_answer a;
        search(&h, &r, &random, &a);
        plain += a.n_measured;
        r.good_level = log(100.0);
        r.bad_level = log(105.0);
        r.sigma = 0.01;
        search(&h, &r, &random, &a);
        known += a.n_measured;
        right += is_right(&h, &a);
    }
    assert_true(known + 50 < plain);
    assert_true(right >= 47);
}

static void
odd_requests(void **state)
{
    (void)state;
    struct prf_search_request r = request;
    struct prf_search *s = NULL;
    struct prf_error err = {0};
    struct prf_search_answer a;
    struct prf_random random;
    size_t index;
    r.n = 0;
    assert_int_equal(prf_search_new(&r, &s, &err), PRF_EUSAGE);
    assert_null(s);
    prf_search_free(NULL);
    /* Nothing can be measured. */
    r.n = 3;
    assert_int_equal(prf_search_new(&r, &s, NULL), 0);
    for (int i = 0; prf_search_next(s, &index) == PRF_SEARCH_MEASURE; i++) {
        assert_true(i < 10);
        prf_search_tell(s, index, NAN);
    }
    prf_search_answer(s, &a);
    assert_true(!a.differs && a.n_measured == 0 && a.first == 0 && a.last == 2);
    prf_search_free(s);
    /* One commit: it made the step, or there is none. */
    struct history one = {0, 1.1, 0.01, {false}};
    r.n = 1;
    prf_random_seed(&random, 6);
    assert_int_equal(search(&one, &r, &random, &a), PRF_SEARCH_DONE);
    assert_true(a.first == 0 && a.last == 0 && a.differs);
}

/* Measured once, then it fails: a flaky case, or one that gives no such value. */
static void
what_fails_later_is_not_asked_for_again(void **state)
{
    (void)state;
    struct prf_search_request r = request;
    struct prf_search *s = NULL;
    struct prf_search_answer a;
    struct prf_random random;
    bool told[8] = {false};
    size_t index = 0;
    r.n = 8;
    r.good_level = 0.0;
    prf_random_seed(&random, 7);
    assert_int_equal(prf_search_new(&r, &s, NULL), 0);
    prf_search_skip(s, PRF_SEARCH_GOOD);
    for (int i = 0; prf_search_next(s, &index) == PRF_SEARCH_MEASURE; i++) {
        assert_true(i < 100 && index < r.n);
        if (told[index]) {
            prf_search_skip(s, index);
        } else {
            prf_search_tell(s, index, 0.03 * noise_normal(&random));
        }
        told[index] = true;
    }
    prf_search_answer(s, &a);
    assert_true(a.n_measured <= 8);
    prf_search_free(s);
}

/* All values are relative to the good end: it has none of its own. */
static void
the_good_end_may_be_left_out(void **state)
{
    (void)state;
    struct prf_random random;
    size_t right = 0;
    prf_random_seed(&random, 8);
    for (size_t i = 0; i < 100; i++) {
        struct history h = history(&random, 1.1, 0.015);
        struct prf_search_request r = request;
        struct prf_search_answer a;
        struct prf_search *s = NULL;
        size_t index = 0;
        r.good_level = 0.0;
        assert_int_equal(prf_search_new(&r, &s, NULL), 0);
        prf_search_skip(s, PRF_SEARCH_GOOD);
        while (prf_search_next(s, &index) == PRF_SEARCH_MEASURE) {
            assert_true(index < N);
            if (h.broken[index]) {
                prf_search_skip(s, index);
            } else {
                prf_search_tell(s, index,
                                (index >= h.step ? log(h.ratio) : 0.0) +
                                    h.sigma * noise_normal(&random));
            }
        }
        prf_search_answer(s, &a);
        right += a.differs && is_right(&h, &a);
        prf_search_free(s);
    }
    assert_true(right >= 95);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_step_is_found_through_noise),
        cmocka_unit_test(good_and_bad_may_be_the_same),
        cmocka_unit_test(without_noise_it_bisects),
        cmocka_unit_test(broken_commits_make_a_range),
        cmocka_unit_test(known_levels_save_runs),
        cmocka_unit_test(odd_requests),
        cmocka_unit_test(what_fails_later_is_not_asked_for_again),
        cmocka_unit_test(the_good_end_may_be_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
