/* Files of callgrind: as it writes them, cut off, and as nobody should. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "callgrind_dump.h"

static const char whole[] = "# callgrind format\n"
                            "version: 1\n"
                            "creator: callgrind-3.19.0\n"
                            "positions: line\n"
                            "events: Ir Dr Dw\n"
                            "summary: 150 40 20\n"
                            "\n"
                            "ob=/lib/one.so\n"
                            "fl=???\n"
                            "fn=outer\n"
                            "0 30 10 5\n"
                            "cfn=inner\n"
                            "calls=3 0 \n"
                            "0 60 15 9\n"
                            "cob=/lib/two.so\n"
                            "cfn=other\n"
                            "calls=1 0 \n"
                            "0 60 15 6\n"
                            "\n"
                            "fn=inner\n"
                            "0 20\n"
                            "+2 40 15 9\n"
                            "\n"
                            "ob=/lib/two.so\n"
                            "fn=other\n"
                            "* 60 15 6\n"
                            "\n"
                            "totals: 150 40 20\n";

/* Reads `size` bytes as if they were a file of callgrind's. */
static int
read_bytes(struct prf_callgrind_dump *dump, const char *bytes, size_t size,
           struct prf_error *err)
{
    char path[] = "/tmp/prf-dump-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, size), (ssize_t)size);
    close(fd);
    int rc = prf_callgrind_dump_read(dump, path, err);
    unlink(path);
    return rc;
}

static int
read_text(struct prf_callgrind_dump *dump, const char *text, struct prf_error *err)
{
    return read_bytes(dump, text, strlen(text), err);
}

static void
check(const struct prf_callgrind_dump *dump, size_t i, const char *name,
      const char *object, int64_t calls, int64_t own)
{
    assert_true(i < dump->n_functions);
    assert_string_equal(dump->functions[i].name, name);
    assert_string_equal(dump->functions[i].object, object);
    assert_int_equal(dump->functions[i].calls, calls);
    assert_int_equal(dump->functions[i].own, own);
}

static void
test_whole_file(void **state)
{
    struct prf_callgrind_dump dump;
    struct prf_error err = {0};
    (void)state;
    assert_int_equal(read_text(&dump, whole, &err), 0);
    assert_int_equal(dump.n_events, 3);
    assert_int_equal(prf_callgrind_dump_total(&dump, "Ir"), 150);
    assert_int_equal(prf_callgrind_dump_total(&dump, "Dw"), 20);
    assert_int_equal(prf_callgrind_dump_total(&dump, "ILmr"), 0);
    assert_int_equal(dump.n_functions, 3);
    check(&dump, 0, "inner", "/lib/one.so", 3,
          60); /* by name where they cost the same */
    check(&dump, 1, "other", "/lib/two.so", 1, 60);
    check(&dump, 2, "outer", "/lib/one.so", 0, 30);
    prf_callgrind_dump_release(&dump);
}

/* Callgrind killed while it wrote: no part of it is taken for all. */
static void
test_every_truncation(void **state)
{
    (void)state;
    size_t n = strlen(whole);
    for (size_t size = 0; size < n; size++) {
        struct prf_callgrind_dump dump;
        struct prf_error err = {0};
        int rc = read_bytes(&dump, whole, size, &err);
        if (rc != PRF_ECORRUPT) {
            fail_msg("%zu of %zu bytes: %d, Ir %lld", size, n, rc,
                     (long long)prf_callgrind_dump_total(&dump, "Ir"));
        }
        assert_non_null(strstr(err.text, "totals"));
        prf_callgrind_dump_release(&dump);
    }
}

/* Every byte replaced in turn: whatever is said, nothing is read that is not there
   (the sanitizers look). */
static void
test_every_byte_damaged(void **state)
{
    static const char bad[] = {'\0', '\n', '-', '9', ' ', '=', '\xff'};
    char text[sizeof whole];
    (void)state;
    for (size_t at = 0; at < sizeof whole - 1; at++) {
        for (size_t i = 0; i < sizeof bad; i++) {
            struct prf_callgrind_dump dump;
            struct prf_error err = {0};
            memcpy(text, whole, sizeof whole);
            text[at] = bad[i];
            int rc = read_bytes(&dump, text, sizeof whole - 1, &err);
            assert_true(rc == 0 || rc == PRF_ECORRUPT);
            prf_callgrind_dump_release(&dump);
        }
    }
}

static void
check_corrupt(const char *text)
{
    struct prf_callgrind_dump dump;
    struct prf_error err = {0};
    int rc = read_text(&dump, text, &err);
    if (rc != PRF_ECORRUPT) {
        fail_msg("%d for '%.60s'", rc, text);
    }
    prf_callgrind_dump_release(&dump);
}

static void
test_hostile_files(void **state)
{
    (void)state;
    check_corrupt("");
    check_corrupt("totals: 5\n"); /* of what? */
    check_corrupt("events:\ntotals: 5\n");
    check_corrupt("events: Ir\n");
    check_corrupt("events: Ir\ntotals:\n");
    check_corrupt("events: Ir\ntotals: many\n");
    check_corrupt("events: Ir Dr\ntotals: 5\n");
    check_corrupt("events: Ir\ntotals: -5\n");
    check_corrupt("events: Ir\ntotals: 99999999999999999999\n");
}

/* More events than there is room for, one of them twice, costs before any function. */
static void
test_odd_files(void **state)
{
    struct prf_callgrind_dump dump;
    struct prf_error err = {0};
    (void)state;
    assert_int_equal(read_text(&dump,
                               "events: a b c d e f g h i j k l m n o p q r\n"
                               "0 7\ncalls=2 0\n0 9\n"
                               "totals: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18\n",
                               &err),
                     0);
    assert_int_equal(dump.n_events, PRF_CALLGRIND_EVENTS_MAX);
    assert_int_equal(prf_callgrind_dump_total(&dump, "p"), 16);
    assert_int_equal(prf_callgrind_dump_total(&dump, "q"), 0);
    check(&dump, 0, "???", "", 2, 7);
    prf_callgrind_dump_release(&dump);

    assert_int_equal(read_text(&dump,
                               "events: Ir\n0 9223372036854775807\n0 "
                               "9223372036854775807\ntotals: 1\n",
                               &err),
                     0);
    assert_int_equal(dump.n_functions, 1); /* a sum that does not fit */
    prf_callgrind_dump_release(&dump);

    assert_int_equal(
        read_text(&dump, "events: Ir\ncalls=1 0\nfn=f\n0 5\ntotals: 5\n", &err), 0);
    check(&dump, 0, "???", "", 1, 0); /* a cost after "calls" is that of the call */
    assert_int_equal(dump.n_functions, 1);
    prf_callgrind_dump_release(&dump);
}

static void
test_no_file(void **state)
{
    struct prf_callgrind_dump dump;
    struct prf_error err = {0};
    (void)state;
    assert_int_equal(prf_callgrind_dump_read(&dump, "/tmp/is-not-there/out.1", &err),
                     PRF_ENOTFOUND);
    prf_callgrind_dump_release(&dump);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole_file),
        cmocka_unit_test(test_every_truncation),
        cmocka_unit_test(test_every_byte_damaged),
        cmocka_unit_test(test_hostile_files),
        cmocka_unit_test(test_odd_files),
        cmocka_unit_test(test_no_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
