/* Quantiles of durations, exact and from buckets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "quantiles.h"

static void
assert_close(double got, double want)
{
    assert_true(fabs(got - want) <= 1e-12 * fabs(want));
}

/* ---- sorting ---- */

static int
earlier(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

/* Numbers of `bits` bits, always the same ones. */
static uint64_t
next_number(uint64_t *state, unsigned bits)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (*state ^ *state >> 29) >> (64 - bits);
}

static void
check_sort(size_t n, unsigned bits)
{
    uint64_t *values = calloc(n + 1, sizeof *values);
    uint64_t *room = calloc(n + 1, sizeof *room);
    uint64_t *want = calloc(n + 1, sizeof *want);
    uint64_t state = n + bits;
    assert_true(values != NULL && room != NULL && want != NULL);
    for (size_t i = 0; i < n; i++) {
        values[i] = want[i] = next_number(&state, bits);
    }
    qsort(want, n, sizeof *want, earlier);
    prf_quantiles_sort(values, room, n);
    assert_memory_equal(values, want, n * sizeof *values);
    free(values);
    free(room);
    free(want);
}

/* Few values, many, and as many different bytes as make an odd number of passes. */
static void
test_sort(void **state)
{
    (void)state;
    const size_t sizes[] = {1, 2, 63, 64, 65, 1000, 20000};
    const unsigned bits[] = {1, 8, 9, 24, 40, 64};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        for (size_t k = 0; k < sizeof bits / sizeof *bits; k++) {
            check_sort(sizes[i], bits[k]);
        }
    }
    prf_quantiles_sort(NULL, NULL, 0);
}

/* ---- exact ---- */

static void
test_of_sorted(void **state)
{
    (void)state;
    const uint64_t values[] = {1, 2, 4, 8};
    assert_close(prf_quantile_of_sorted(values, 4, 0), 1);
    assert_close(prf_quantile_of_sorted(values, 4, 50), 3); /* between 2 and 4 */
    assert_close(prf_quantile_of_sorted(values, 4, 25), 1.75);
    assert_close(prf_quantile_of_sorted(values, 4, 95), 7.4);
    assert_close(prf_quantile_of_sorted(values, 4, 100), 8);
    assert_close(prf_quantile_of_sorted(values, 1, 99), 1);
    assert_true(prf_quantile_of_sorted(values, 0, 50) == 0);
}

/* The ends are met exactly, also where a sum of halves would round. */
static void
test_of_sorted_never_leaves_its_neighbours(void **state)
{
    (void)state;
    const uint64_t values[] = {(1u << 30) + 1, UINT64_C(3) << 51};
    for (int percent = 0; percent <= 100; percent++) {
        double got = prf_quantile_of_sorted(values, 2, percent);
        assert_true(got >= (double)values[0] && got <= (double)values[1]);
    }
    assert_true(prf_quantile_of_sorted(values, 2, 100) == (double)values[1]);
}

/* ---- from buckets ---- */

static uint32_t
bucket_of(double ns)
{
    double index = ns <= 1 ? 0 : log(ns) / log(1.02);
    return index < PRF_PIECE_BUCKETS ? (uint32_t)index : PRF_PIECE_BUCKETS - 1;
}

static void
test_of_buckets(void **state)
{
    (void)state;
    enum { N = 1000 };
    static uint64_t counts[PRF_PIECE_BUCKETS], values[N];
    for (size_t i = 0; i < N; i++) {
        values[i] = 100 + i * i; /* 100 ns to 1 ms */
        counts[bucket_of((double)values[i])]++;
    }
    const struct prf_quantile_buckets buckets = {.counts = counts,
                                                 .n = N,
                                                 .min = (double)values[0] * 1e-9,
                                                 .max = (double)values[N - 1] * 1e-9};
    for (int percent = 0; percent <= 100; percent++) {
        double want = prf_quantile_of_sorted(values, N, percent) * 1e-9;
        double got = prf_quantile_of_buckets(&buckets, percent);
        assert_true(fabs(got - want) <= 0.0101 * want);
    }
    assert_close(prf_quantile_of_buckets(&buckets, 0), buckets.min);
    assert_close(prf_quantile_of_buckets(&buckets, 100), buckets.max);
}

static void
test_of_buckets_at_the_ends(void **state)
{
    (void)state;
    static uint64_t counts[PRF_PIECE_BUCKETS];
    struct prf_quantile_buckets buckets = {.counts = counts};
    assert_true(prf_quantile_of_buckets(&buckets, 50) == 0);
    counts[0] = 3; /* what took no nanosecond */
    buckets.n = 3;
    assert_true(prf_quantile_of_buckets(&buckets, 50) == 0);
    counts[0] = 0;
    counts[PRF_PIECE_BUCKETS - 1] = 3; /* what took days: no longer than the longest */
    buckets.min = 2e5;
    buckets.max = 3e5;
    double middle = prf_quantile_of_buckets(&buckets, 50);
    assert_true(middle >= buckets.min && middle <= buckets.max);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sort),
        cmocka_unit_test(test_of_sorted),
        cmocka_unit_test(test_of_sorted_never_leaves_its_neighbours),
        cmocka_unit_test(test_of_buckets),
        cmocka_unit_test(test_of_buckets_at_the_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
