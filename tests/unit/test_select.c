/* -k expressions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "select.h"

static const char id[] = "cases/sort.py::Sorting::profile_sort[n=100]";

static void
test_matches(void **state)
{
    (void)state;
    static const struct {
        const char *expression;
        bool holds;
    } table[] = {
        {"sort", true},
        {"SORTING", true},
        {"n=100", true},
        {"heap", false},
        {"not heap", true},
        {"not not heap", false},
        {"sort and heap", false},
        {"heap or sort", true},
        {"heap and heap or sort", true},
        {"heap and (heap or sort)", false},
        {"not (heap or json) and Sorting", true},
        {"(((sort)))", true},
        {"android", false},
        {"not heap and not sort", false},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct prf_error err = {0};
        assert_int_equal(prf_select_check(table[i].expression, &err), 0);
        if (prf_select_matches(table[i].expression, id) != table[i].holds) {
            fail_msg("wrong: %s", table[i].expression);
        }
    }
}

static void
test_syntax(void **state)
{
    (void)state;
    static const struct {
        const char *expression, *says;
    } table[] = {
        {"", "a word is missing"},        {"sort and", "a word is missing"},
        {"or sort", "a word is missing"}, {"sort heap", "'and' or 'or' is missing"},
        {"(sort", "')' is missing"},      {"sort)", "'and' or 'or' is missing"},
        {"()", "unexpected ')'"},         {"not", "a word is missing"},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct prf_error err = {0};
        assert_int_equal(prf_select_check(table[i].expression, &err), PRF_EUSAGE);
        assert_non_null(strstr(err.text, table[i].says));
    }
}

static void
test_depth(void **state)
{
    (void)state;
    char text[400];
    struct prf_error err = {0};
    memset(text, '(', 399);
    text[399] = '\0';
    assert_int_equal(prf_select_check(text, &err), PRF_EUSAGE);
    assert_non_null(strstr(err.text, "nested too deeply"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_matches),
        cmocka_unit_test(test_syntax),
        cmocka_unit_test(test_depth),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
