/* Options and words over tables; layers of sources. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "args.h"

struct target {
    bool flag, other;
    int64_t verbose, limit_ns;
    char *text;
    struct prf_strlist list;
};

static const struct prf_option first_table[] = {
    {PRF_OPT_FLAG, 'f', "flag", "banner", offsetof(struct target, flag), .help = ""},
    {PRF_OPT_COUNT, 'v', "verbose", NULL, offsetof(struct target, verbose), .help = ""},
    {PRF_OPT_STRING, 'k', "key-word", NULL, offsetof(struct target, text), .help = ""},
    PRF_OPTIONS_END,
};
static const struct prf_option second_table[] = {
    {PRF_OPT_DURATION, 0, "limit", NULL, offsetof(struct target, limit_ns), .help = ""},
    {PRF_OPT_LIST, 'l', "list", NULL, offsetof(struct target, list), .help = ""},
    {PRF_OPT_FLAG, 0, "linear", NULL, offsetof(struct target, other), .help = ""},
    PRF_OPTIONS_END,
};
static const struct prf_option_group groups[] = {
    {"first", first_table, 0}, {"second", second_table, 0}, {NULL}};

#define MAX_WORDS 4

struct parsed {
    struct target target;
    struct prf_layers layers;
    struct prf_error err;
    const char *words[MAX_WORDS];
    int rc;
};

static void
parse(struct parsed *p, const char *const *argv)
{
    int argc = 0;
    while (argv[argc] != NULL) {
        argc++;
    }
    *p = (struct parsed){0};
    p->rc = prf_args_parse(argc, (char **)argv, groups, &p->layers, &p->target,
                           p->words, MAX_WORDS, &p->err);
}

#define PARSE(p, ...) parse((p), (const char *const[]){"prog", __VA_ARGS__, NULL})

/* A profiler of the user's may have an option with a name of one letter. */
static void
test_names_of_one_letter(void **state)
{
    (void)state;
    static const struct prf_option letters[] = {
        {PRF_OPT_FLAG, 'n', "nothing", NULL, 0, .help = ""},
        {PRF_OPT_INT, 0, "n", NULL, 0, .help = ""},
        PRF_OPTIONS_END,
    };
    const struct prf_option_group both[] = {{"letters", letters, 0}, {NULL}};
    const struct prf_option_group *group = NULL;
    assert_ptr_equal(prf_groups_find(both, "n", &group), &letters[1]);
    assert_ptr_equal(group, &both[0]);
    assert_null(prf_groups_find(groups, "f", &group)); /* that is the short one's */
    assert_null(prf_groups_find(groups, "", &group));
}

static void
test_forms(void **state)
{
    (void)state;
    struct parsed p;
    PARSE(&p, "a", "--key-word=x=y", "-vfv", "--limit", "1.5s", "-", "--", "-f");
    assert_int_equal(p.rc, 3);
    assert_string_equal(p.words[0], "a");
    assert_string_equal(p.words[1], "-");
    assert_string_equal(p.words[2], "-f");
    assert_string_equal(p.target.text, "x=y");
    assert_int_equal(p.target.verbose, 2);
    assert_true(p.target.flag);
    assert_int_equal(p.target.limit_ns, 1500000000);
    prf_groups_release(groups, &p.target);
}

static void
test_values_of_short_options(void **state)
{
    (void)state;
    const char *const forms[][3] = {
        {"-kword", NULL}, {"-k", "word"}, {"-k=word", NULL}};
    for (size_t i = 0; i < 3; i++) {
        struct parsed p;
        PARSE(&p, forms[i][0], forms[i][1]);
        assert_int_equal(p.rc, 0);
        assert_string_equal(p.target.text, "word");
        prf_groups_release(groups, &p.target);
    }
}

static void
test_names(void **state)
{
    (void)state;
    struct parsed p;
    PARSE(&p, "--key_word", "a", "--banner", "--lim=2", "--linear", "--no-linear");
    assert_int_equal(p.rc, 0);
    assert_string_equal(p.target.text, "a");
    assert_true(p.target.flag);
    assert_false(p.target.other);
    assert_int_equal(p.target.limit_ns, 2000000000);
    prf_groups_release(groups, &p.target);
}

static void
check_mistake(const char *const *argv, const char *says)
{
    struct parsed p;
    parse(&p, argv);
    assert_int_equal(p.rc, PRF_EUSAGE);
    if (strstr(p.err.text, says) == NULL) {
        fail_msg("'%s' does not say '%s'", p.err.text, says);
    }
    prf_groups_release(groups, &p.target);
}

#define MISTAKE(says, ...)                                                             \
    check_mistake((const char *const[]){"prog", __VA_ARGS__, NULL}, (says))

static void
test_mistakes(void **state)
{
    (void)state;
    MISTAKE("did you mean '--limit'", "--limt=3");
    MISTAKE("'--limit' or '--list'", "--li=3");
    MISTAKE("unknown option '-z'", "-fz");
    MISTAKE("--limit needs a value", "--limit");
    MISTAKE("--no-flag takes no value", "--no-flag=1");
    MISTAKE("--limit takes a time", "--limit", "long");
    MISTAKE("unexpected word 'e'", "a", "b", "c", "d", "e");
}

/* File, environment, command line: the later one wins in whatever order they come. */
static void
test_layers(void **state)
{
    (void)state;
    struct target t = {0};
    struct prf_layers layers = {0};
    struct prf_error err = {0};
    const struct prf_option *o = &first_table[2], *list = &second_table[1];
    assert_int_equal(
        prf_layers_set(&layers, PRF_LAYER_COMMAND, &groups[0], o, "cli", &t, &err), 0);
    assert_int_equal(
        prf_layers_set(&layers, PRF_LAYER_FILE, &groups[0], o, "file", &t, &err), 0);
    assert_string_equal(t.text, "cli");
    prf_layers_set(&layers, PRF_LAYER_FILE, &groups[1], list, "a,b", &t, &err);
    assert_int_equal(t.list.n, 2);
    prf_layers_set(&layers, PRF_LAYER_ENVIRONMENT, &groups[1], list, "c", &t, &err);
    prf_layers_set(&layers, PRF_LAYER_ENVIRONMENT, &groups[1], list, "d", &t, &err);
    assert_int_equal(t.list.n, 2);
    assert_string_equal(t.list.items[0], "c");
    assert_string_equal(t.list.items[1], "d");
    assert_int_equal(prf_layers_set(&layers, PRF_LAYER_FILE, &groups[1],
                                    &second_table[0], "bad", &t, &err),
                     PRF_EUSAGE);
    prf_groups_release(groups, &t);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forms),
        cmocka_unit_test(test_names_of_one_letter),
        cmocka_unit_test(test_values_of_short_options),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_mistakes),
        cmocka_unit_test(test_layers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
