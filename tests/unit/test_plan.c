/* Cases x profilers: accept, skip, unknown names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "plan.h"

static const char backends[] =
    "[{\"name\": \"stopwatch\", \"options\": []},"
    "{\"name\": \"call\", \"aliases\": [\"cprofile\"], \"options\": []},"
    "{\"name\": \"memory-line\", \"aliases\": [\"memory-profiler-line\"], \"options\": "
    "[]},"
    "{\"name\": \"passthrough\", \"options\": []}]";

struct decided {
    const char *members; /* of the case, as JSON */
    const char *profiler;
    const char *skip; /* part of the reason, NULL: it runs */
    const char *note;
};

static const struct decided table[] = {
    {"", "call", NULL, NULL},
    {", \"accept\": [\"cprofile\"]", "call", NULL, NULL},
    {", \"accept\": [\"memory_profiler_line\"]", "memory-line", NULL, NULL},
    {", \"accept\": [\"stopwatch\", \"call\"]", "memory-line",
     "accepts only 'stopwatch', 'call'", NULL},
    {", \"accept\": [\"stopwatch\"]", "passthrough", NULL, NULL},
    {", \"accept\": []", "call", "accepts only", NULL},
    {", \"reject\": [\"cprofile\"]", "call", "skips profiler 'call'", NULL},
    {", \"reject\": [\"passthrough\"]", "passthrough", "skips profiler", NULL},
    {", \"accept\": [\"call\"], \"reject\": [\"call\"]", "call", "skips profiler",
     NULL},
    {", \"skip\": \"not today\", \"accept\": [\"call\"]", "call", "not today", NULL},
    {", \"skip\": \"\"", "call", "skipped by the case", NULL},
    {", \"accept\": [\"call\", \"stopwach\"]", "call", NULL,
     "did you mean 'stopwatch'"},
    {", \"reject\": [\"nothing_like_it\"]", "call", NULL, "skip_profiler names"},
};

static void
check(const struct decided *d, struct prf_profilers *known)
{
    char text[512];
    struct prf_error err = {0};
    struct prf_case_file file;
    struct prf_plan plan;
    struct prf_target target = {.node = "a.py", .whole = true};
    snprintf(text, sizeof text,
             "{\"cases\": [{\"id\": \"a.py::C::m\", \"class\": \"C\", "
             "\"method\": \"m\"%s}]}",
             d->members);
    json_t *message = json_loads(text, 0, NULL);
    assert_non_null(message);
    assert_int_equal(prf_case_file_parse(message, &file, &err), 0);
    const struct prf_profiler *chosen[] = {prf_profilers_find(known, d->profiler)};
    struct prf_plan_request request = {
        .target = &target, .chosen = chosen, .n_chosen = 1, .known = known};
    assert_int_equal(prf_plan_build(&plan, &file, &request, &err), 0);
    assert_int_equal(plan.n, 1);
    const struct prf_item *item = &plan.items[0];
    if ((d->skip == NULL) != (item->skip == NULL) ||
        (d->skip != NULL && strstr(item->skip, d->skip) == NULL)) {
        fail_msg("%s: skip is '%s'", d->members, item->skip);
    }
    if ((d->note == NULL) != (item->notes[0] == NULL) ||
        (d->note != NULL && strstr(item->notes[0], d->note) == NULL)) {
        fail_msg("%s: note is '%s'", d->members, item->notes[0]);
    }
    prf_plan_release(&plan);
    prf_case_file_release(&file);
    json_decref(message);
}

static void
test_decisions(void **state)
{
    (void)state;
    struct prf_profilers known = {0};
    struct prf_error err = {0};
    json_t *list = json_loads(backends, 0, NULL);
    assert_int_equal(prf_profilers_add(&known, list, &err), 0);
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        check(&table[i], &known);
    }
    prf_profilers_release(&known);
    json_decref(list);
}

static void
test_damaged_messages(void **state)
{
    (void)state;
    struct prf_error err = {0};
    struct prf_profilers known = {0};
    struct prf_case_file file;
    json_t *no_name = json_loads("[{\"options\": []}]", 0, NULL);
    json_t *no_type =
        json_loads("[{\"name\": \"a\", \"options\": [{\"name\": \"b\"}]}]", 0, NULL);
    json_t *no_id = json_loads("{\"cases\": [{\"class\": \"C\"}]}", 0, NULL);
    assert_int_equal(prf_profilers_add(&known, no_name, &err), PRF_EPROTOCOL);
    assert_int_equal(prf_profilers_add(&known, no_type, &err), PRF_EPROTOCOL);
    assert_int_equal(prf_case_file_parse(no_id, &file, &err), PRF_EPROTOCOL);
    prf_profilers_release(&known);
    json_decref(no_name);
    json_decref(no_type);
    json_decref(no_id);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_decisions),
        cmocka_unit_test(test_damaged_messages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
