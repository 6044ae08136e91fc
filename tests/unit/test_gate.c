/* Limits as people write them, whose they are, and when they are broken. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "fixtures.h"
#include "gate.h"

static struct prf_limit
limit(const char *text)
{
    struct prf_limit out;
    struct prf_error err = {0};
    if (prf_limit_parse(text, &out, &err) < 0) {
        fail_msg("%s", err.text);
    }
    return out;
}

static void
limits_are_parsed(void **state)
{
    static const struct {
        const char *text;
        double amount;
        bool relative;
        enum prf_quantity quantity;
        enum prf_bound bound;
    } good[] = {
        {"+3%", 0.03, true, PRF_QUANTITY_PLAIN, PRF_BOUND_WORSE},
        {"3 %", 0.03, true, PRF_QUANTITY_PLAIN, PRF_BOUND_WORSE},
        {"<= -5%", -0.05, true, PRF_QUANTITY_PLAIN, PRF_BOUND_AT_MOST},
        {"64 MB", 64e6, false, PRF_QUANTITY_BYTES, PRF_BOUND_WORSE},
        {"64MiB", 64 * 1048576.0, false, PRF_QUANTITY_BYTES, PRF_BOUND_WORSE},
        {" 1.5 s ", 1.5e9, false, PRF_QUANTITY_TIME, PRF_BOUND_WORSE},
        {"200 us", 2e5, false, PRF_QUANTITY_TIME, PRF_BOUND_WORSE},
        {"200 \u00b5s", 2e5, false, PRF_QUANTITY_TIME, PRF_BOUND_WORSE},
        {"2min", 120e9, false, PRF_QUANTITY_TIME, PRF_BOUND_WORSE},
        {"<=1000", 1000, false, PRF_QUANTITY_PLAIN, PRF_BOUND_AT_MOST},
        {">= .5", 0.5, false, PRF_QUANTITY_PLAIN, PRF_BOUND_AT_LEAST},
        {"1e3", 1000, false, PRF_QUANTITY_PLAIN, PRF_BOUND_WORSE},
    };
    static const char *const bad[] = {"",     "x",        "nan",   "inf",  "+",
                                      "3 mb", "3 apples", "3%%",   "0x10", ">= +3%",
                                      "== 3", "3 MB s",   "1,5 s", "1e999"};
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        struct prf_limit l = limit(good[i].text);
        assert_true(fabs(l.amount - good[i].amount) <= 1e-12 * fabs(good[i].amount));
        assert_int_equal(l.relative, good[i].relative);
        assert_int_equal(l.quantity, good[i].quantity);
        assert_int_equal(l.bound, good[i].bound);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct prf_limit l;
        struct prf_error err = {0};
        assert_int_equal(prf_limit_parse(bad[i], &l, &err), PRF_EUSAGE);
        assert_contains(err.text, bad[i]);
    }
}

static void
limits_fit_units(void **state)
{
    (void)state;
    struct prf_error err = {0};
    struct prf_limit size = limit("64 MB"), time = limit("1 s"), plain = limit("5");
    assert_int_equal(prf_limit_fits(&size, "bytes", &err), 0);
    assert_int_equal(prf_limit_fits(&time, "ns", &err), 0);
    assert_int_equal(prf_limit_fits(&plain, "count", &err), 0);
    assert_int_equal(prf_limit_fits(&plain, "ns", &err), 0);
    assert_int_equal(prf_limit_fits(&size, "ns", &err), PRF_EUSAGE);
    assert_string_equal(err.text, "'64 MB' is a size, the metric is a time");
    prf_error_clear(&err);
    assert_int_equal(prf_limit_fits(&time, "count", &err), PRF_EUSAGE);
    assert_string_equal(err.text, "'1 s' is a time, the metric is a number");
}

static const char *
shown(const char *text, const char *unit, enum prf_better better)
{
    static char buf[64];
    struct prf_strbuf sb = PRF_STRBUF_INIT;
    struct prf_limit l = limit(text);
    prf_limit_add(&sb, &l, unit, better);
    snprintf(buf, sizeof buf, "%s", prf_strbuf_text(&sb));
    prf_strbuf_release(&sb);
    return buf;
}

static void
limits_are_shown(void **state)
{
    (void)state;
    assert_string_equal(shown("3%", "ns", PRF_BETTER_LESS), "<= +3%");
    assert_string_equal(shown("-5%", "ns", PRF_BETTER_LESS), "<= -5%");
    assert_string_equal(shown("+3%", "count", PRF_BETTER_MORE), ">= -3%");
    assert_string_equal(shown("64 MB ", "bytes", PRF_BETTER_LESS), "<= 64 MB");
    assert_string_equal(shown("1000000", "ns", PRF_BETTER_LESS), "<= 1.000 ms");
    assert_string_equal(shown("1000", "count", PRF_BETTER_MORE), ">= 1000");
    assert_string_equal(shown("<= 1000", "count", PRF_BETTER_MORE), "<= 1000");
}

static struct prf_change
change(enum prf_verdict verdict, double ratio, double half)
{
    return (struct prf_change){.verdict = verdict,
                               .base = 100,
                               .next = 100 * ratio,
                               .ratio = ratio,
                               .ci_low = ratio - half,
                               .ci_high = ratio + half,
                               .n_base = 10,
                               .n_next = 10,
                               .detectable = 0.042,
                               .better = PRF_BETTER_LESS};
}

static enum prf_kept
kept(const char *text, const struct prf_change *c, const char *why)
{
    struct prf_strbuf sb = PRF_STRBUF_INIT;
    struct prf_limit l = limit(text);
    enum prf_kept kept = prf_limit_judge_change(&l, c, &sb);
    if (why != NULL) {
        assert_string_equal(prf_strbuf_text(&sb), why);
    }
    prf_strbuf_release(&sb);
    return kept;
}

static void
noise_breaks_nothing(void **state)
{
    (void)state;
    struct prf_change slower = change(PRF_VERDICT_SLOWER, 1.071, 0.012);
    struct prf_change noise = change(PRF_VERDICT_INCONCLUSIVE, 1.071, 0.2);
    struct prf_change same = change(PRF_VERDICT_SAME, 1.01, 0.005);
    struct prf_change little = change(PRF_VERDICT_WITHIN_NOISE, 1.02, 0.015);
    struct prf_change blind = noise;
    blind.detectable = INFINITY;
    assert_int_equal(kept("+3%", &slower, "is +7.1% (+5.9% to +8.3%)"), PRF_BROKEN);
    assert_int_equal(kept("+10%", &slower, NULL), PRF_KEPT);
    assert_int_equal(
        kept("+3%", &noise, "is +7.1% (-12.9% to +27.1%); sees 4.2% and more"),
        PRF_UNKNOWN);
    assert_int_equal(kept("+3%", &blind, "is +7.1% (-12.9% to +27.1%); too few runs"),
                     PRF_UNKNOWN);
    assert_int_equal(kept("+30%", &noise, NULL), PRF_KEPT);
    assert_int_equal(kept("+3%", &same, NULL), PRF_KEPT);
    assert_int_equal(kept("+3%", &little, NULL), PRF_KEPT);
}

static void
better_is_asked_for(void **state)
{
    (void)state;
    struct prf_change much = change(PRF_VERDICT_FASTER, 0.90, 0.02);
    struct prf_change some = change(PRF_VERDICT_FASTER, 0.97, 0.01);
    struct prf_change maybe = change(PRF_VERDICT_INCONCLUSIVE, 0.93, 0.1);
    struct prf_change none = change(PRF_VERDICT_SAME, 1.0, 0.01);
    assert_int_equal(kept("-5%", &much, NULL), PRF_KEPT);
    assert_int_equal(kept("-5%", &some, NULL), PRF_BROKEN);
    assert_int_equal(kept("-5%", &maybe, NULL), PRF_UNKNOWN);
    assert_int_equal(kept("-5%", &none, NULL), PRF_BROKEN);
}

static void
more_may_be_better(void **state)
{
    (void)state;
    struct prf_change less = change(PRF_VERDICT_SLOWER, 0.93, 0.01);
    struct prf_change more = change(PRF_VERDICT_FASTER, 1.2, 0.01);
    less.better = more.better = PRF_BETTER_MORE;
    assert_int_equal(kept("+3%", &less, "is -7.0% (-8.0% to -6.0%)"), PRF_BROKEN);
    assert_int_equal(kept("+8%", &less, NULL), PRF_KEPT);
    assert_int_equal(kept("+3%", &more, NULL), PRF_KEPT);
    assert_int_equal(kept("-5%", &more, NULL), PRF_KEPT);
}

static void
exact_changes(void **state)
{
    (void)state;
    struct prf_change equal = change(PRF_VERDICT_SAME, 1.0, 0.0);
    struct prf_change more = change(PRF_VERDICT_WITHIN_NOISE, 1.01, 0.0);
    struct prf_change zero = change(PRF_VERDICT_SLOWER, 1.0, 0.0);
    equal.exact = more.exact = zero.exact = true;
    zero.base = 0;
    zero.next = 7;
    zero.ratio = zero.ci_low = zero.ci_high = NAN;
    assert_int_equal(kept("0%", &equal, "is +0.0%"), PRF_KEPT);
    assert_int_equal(kept("0%", &more, "is +1.0%"), PRF_BROKEN);
    assert_int_equal(kept("-5%", &more, NULL), PRF_BROKEN);
    assert_int_equal(kept("1000%", &zero, "was 0 and is 7"), PRF_BROKEN);
}

static enum prf_kept
value(const char *text, double median, double low, double high, const char *why)
{
    struct prf_strbuf sb = PRF_STRBUF_INIT;
    struct prf_limit l = limit(text);
    enum prf_kept kept =
        prf_limit_judge_value(&l, median, low, high, "ns", PRF_BETTER_LESS, &sb);
    assert_string_equal(prf_strbuf_text(&sb), why);
    prf_strbuf_release(&sb);
    return kept;
}

static void
absolute_limits(void **state)
{
    (void)state;
    assert_int_equal(
        value("1 ms", 2e6, 1.5e6, 3e6, "is 2.000 ms (1.500 ms to 3.000 ms)"),
        PRF_BROKEN);
    assert_int_equal(
        value("1 ms", 2e6, 0.5e6, 3e6, "is 2.000 ms (500.000 us to 3.000 ms)"),
        PRF_UNKNOWN);
    assert_int_equal(value("1 ms", 9e5, 9e5, 9e5, "is 900.000 us"), PRF_KEPT);
    assert_int_equal(value("1 ms", 1e6, 1e6, 1e6, "is 1.000 ms"), PRF_KEPT);
    assert_int_equal(value(">= 1 ms", 9e5, 9e5, 9e5, "is 900.000 us"), PRF_BROKEN);
    assert_int_equal(value(">= 1 ms", 2e6, 2e6, 2e6, "is 2.000 ms"), PRF_KEPT);
    assert_int_equal(value("1 ms", NAN, NAN, NAN, "is -"), PRF_UNKNOWN);
}

/* --- names ---------------------------------------------------------------------- */

static struct prf_gate_known
own(bool complete)
{
    return (struct prf_gate_known){prf_gate_own, prf_gate_n_own, complete};
}

static json_t *
json(const char *text)
{
    json_error_t why;
    json_t *value = json_loads(text, JSON_DECODE_ANY, &why);
    if (value == NULL) {
        fail_msg("%s", why.text);
    }
    return value;
}

static void
assert_table(const char *text, bool complete, const char *expected)
{
    struct prf_gate_known known = own(complete);
    struct prf_error err = {0};
    json_t *table = json(text);
    int rc = prf_gate_check_table(table, "p.toml", &known, &err);
    json_decref(table);
    assert_int_equal(rc, expected == NULL ? 0 : PRF_EUSAGE);
    if (expected != NULL) {
        assert_string_equal(err.text, expected);
    }
}

static void
tables_are_checked(void **state)
{
    (void)state;
    assert_table("{\"wall_time\": \"+3%\", \"peak_memory\": \"64 MB\","
                 " \"tracemalloc.peak\": [1000, \"+5%\"],"
                 " \"tracemalloc\": {\"current\": 5},"
                 " \"cases/sort.py::*\": {\"cpu-time\": \"1 s\"}}",
                 true, NULL);
    assert_table("3", true, "'p.toml': 'gate' in [tool.pyprofiler] is no table");
    assert_table(
        "{\"wal_time\": 1}", false,
        "'p.toml': [tool.pyprofiler.gate]: no profiler measures 'wal_time', did "
        "you mean 'wall_time'?");
    assert_table("{\"something\": 1}", false, NULL);
    assert_table("{\"something\": 1}", true,
                 "'p.toml': [tool.pyprofiler.gate]: no profiler measures 'something'");
    assert_table("{\"tracemalloc\": {\"speed\": 1}}", true,
                 "'p.toml': [tool.pyprofiler.gate]: 'tracemalloc' does not "
                 "measure 'speed'");
    assert_table("{\"stopwatch.cpu_tme\": 1}", false,
                 "'p.toml': [tool.pyprofiler.gate]: 'stopwatch' does not measure "
                 "'cpu_tme', did you mean 'cpu_time'?");
    assert_table("{\"stopwach.cpu_time\": 1}", false,
                 "'p.toml': [tool.pyprofiler.gate]: no profiler 'stopwach', did you "
                 "mean 'stopwatch'?");
    assert_table("{\"acme.speed\": 1}", false, NULL);
    assert_table("{\"acme.speed\": 1}", true,
                 "'p.toml': [tool.pyprofiler.gate]: no profiler measures 'acme.speed'");
    assert_table("{\"wall_time\": \"1 MB\"}", false,
                 "'p.toml': [tool.pyprofiler.gate]: 'wall_time': '1 MB' is a size, the "
                 "metric is a time");
    assert_table("{\"wall_time\": true}", false,
                 "'p.toml': [tool.pyprofiler.gate]: 'wall_time' takes a limit such as "
                 "'+3%', '1.5 s', '64 MB' or a number, not a boolean");
    assert_table("{\"wall_time\": []}", false,
                 "'p.toml': [tool.pyprofiler.gate]: 'wall_time' takes one to 8 limits, "
                 "not 0");
    assert_table("{\"a*\": {\"b*\": {\"wall_time\": 1}}}", true,
                 "'p.toml': [tool.pyprofiler.gate]: no profiler measures 'b*'");
}

static void
budgets_are_checked(void **state)
{
    static const struct {
        const char *budget, *error;
    } cases[] = {
        {"{\"wall_time\": \"+3%\", \"call.wall_time\": 5}", NULL},
        {"{\"\": {\"wrong\": \"empty\"}}",
         "@budget: it takes limits of metrics by name: wall_time='+3%'"},
        {"{\"wall_time\": {\"wrong\": \"NoneType\"}}",
         "@budget: 'wall_time' takes a limit such as '+3%', '1.5 s', '64 MB' or a "
         "number, "
         "not NoneType"},
        {"{\"peak\": \"lots\"}",
         "@budget: 'peak': 'lots' is no limit: '+3%', '1.5 s', '64 MB' or a number"},
    };
    (void)state;
    struct prf_gate_known known = own(true);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct prf_error err = {0};
        json_t *budget = json(cases[i].budget);
        int rc = prf_gate_check_budget(budget, &known, &err);
        json_decref(budget);
        assert_int_equal(rc, cases[i].error == NULL ? 0 : PRF_EUSAGE);
        assert_string_equal(err.text, cases[i].error == NULL ? "" : cases[i].error);
    }
}

/* The clause that holds for a value of 10 of "m/s.py::C::profile_x[n=1]". */
static void
assert_holds(const char *table, const char *budget, const char *profiler,
             const char *metric, const char *expected)
{
    json_t *t = table == NULL ? NULL : json(table);
    json_t *b = budget == NULL ? NULL : json(budget);
    struct prf_arena arena = {0};
    struct prf_error err = {0};
    struct prf_clause *clauses = NULL;
    size_t n = 0;
    const struct prf_summary ten = {.n = 1, .median = 10, .ci_low = 10, .ci_high = 10};
    const struct prf_gate_subject subject = {.table = t,
                                             .budget = b,
                                             .case_id = "m/s.py::C::profile_x[n=1]",
                                             .profiler = profiler,
                                             .metric = metric,
                                             .unit = "bytes",
                                             .better = PRF_BETTER_LESS};
    assert_int_equal(prf_gate_judge_summary(&subject, &ten, &arena, &clauses, &n, &err),
                     0);
    struct prf_strbuf sb = PRF_STRBUF_INIT;
    for (size_t i = 0; i < n; i++) {
        prf_strbuf_addf(&sb, "%s%s%s %s", i > 0 ? "; " : "", clauses[i].text,
                        clauses[i].broken ? "!" : "", clauses[i].source);
    }
    assert_string_equal(prf_strbuf_text(&sb), expected);
    prf_strbuf_release(&sb);
    prf_arena_release(&arena);
    json_decref(t);
    json_decref(b);
}

#define GATE " [tool.pyprofiler.gate]"

static void
the_stronger_clause_holds(void **state)
{
    (void)state;
    const char *peak = "{\"peak\": 5, \"tracemalloc.peak\": 20}";
    assert_holds(peak, NULL, "tracemalloc", "peak", "tracemalloc.peak <= 20 B" GATE);
    assert_holds(peak, NULL, "memory-time", "peak", "peak <= 5 B!" GATE);
    assert_holds(peak, "{\"peak_memory\": 7}", "tracemalloc", "peak",
                 "peak_memory <= 7 B! @budget");
    assert_holds("{\"memory_time.peak\": 1}", NULL, "memory-time", "peak",
                 "memory_time.peak <= 1 B!" GATE);
    assert_holds("{\"tracemalloc\": {\"peak\": 3}}", NULL, "tracemalloc", "peak",
                 "peak <= 3 B!" GATE);
    assert_holds("{\"tracemalloc\": {\"peak\": 3}}", NULL, "memory-time", "peak", "");
    /* of what hooks every call, the plain name says nothing */
    assert_holds("{\"wall_time\": 5}", NULL, "call", "wall_time", "");
    assert_holds("{\"wall_time\": 5}", NULL, "stopwatch", "wall_time",
                 "wall_time <= 5 B!" GATE);
    /* several limits; relative ones need a base */
    assert_holds(NULL, "{\"peak\": [\"+3%\", \"<= 9\", \"11 B\"]}", "tracemalloc",
                 "peak", "peak <= 9 B! @budget; peak <= 11 B @budget");
    /* damaged, or of another version: said, and not broken */
    assert_holds(NULL, "{\"peak\": \"9 s\"}", "tracemalloc", "peak", "peak @budget");
}

static void
patterns(void **state)
{
    static const char *const fit[] = {"m/s.py::*",
                                      "*profile_x*",
                                      "m/",
                                      "m/s.py",
                                      "m/s.py::C",
                                      "m/s.py::C::profile_x",
                                      "m/s.py::C::profile_x[n=1]",
                                      "m/?.py::C::profile_[xy]*"};
    static const char *const misfit[] = {"m/s.p*::D::*", "m/s.py::C::profile", "n/",
                                         "s.py::C"};
    (void)state;
    char table[128];
    for (size_t i = 0; i < sizeof fit / sizeof *fit; i++) {
        snprintf(table, sizeof table, "{\"peak\": 1, \"%s\": {\"peak\": 2}}", fit[i]);
        assert_holds(table, NULL, "tracemalloc", "peak", "peak <= 2 B!" GATE);
    }
    for (size_t i = 0; i < sizeof misfit / sizeof *misfit; i++) {
        snprintf(table, sizeof table, "{\"peak\": 1, \"%s\": {\"peak\": 2}}",
                 misfit[i]);
        assert_holds(table, NULL, "tracemalloc", "peak", "peak <= 1 B!" GATE);
    }
    assert_holds("{\"m/*\": {\"peak\": 2}, \"*\": {\"peak\": 3}}", NULL, "tracemalloc",
                 "peak", "peak <= 3 B!" GATE);
}

/* --- a whole comparison ----------------------------------------------------------- */

static void
comparisons(void **state)
{
    (void)state;
    struct prf_error err = {0};
    json_t *table = json("{\"wall_time\": [\"+5%\", \"+10%\"], \"peak\": \"50 B\"}");
    struct prf_compared items[] = {
        {.case_id = "a.py::A::profile_a",
         .profiler = "stopwatch",
         .metric = "wall_time",
         .unit = "ns",
         .threshold = 0.02,
         .change = change(PRF_VERDICT_SLOWER, 1.071, 0.01)},
        {.case_id = "a.py::A::profile_a",
         .profiler = "stopwatch",
         .metric = "wall_time",
         .unit = "ns",
         .threshold = 0.02,
         .budget = "{\"wall_time\": \"-5%\"}",
         .change = change(PRF_VERDICT_SAME, 1.0, 0.01)},
        {.case_id = "a.py::A::profile_a",
         .profiler = "tracemalloc",
         .metric = "peak",
         .unit = "bytes",
         .threshold = 0.02,
         .uncompared = PRF_ONLY_NEXT,
         .change = change(PRF_VERDICT_SAME, 1.0, 0.01)},
        {.case_id = "a.py::A::profile_a",
         .profiler = "stopwatch",
         .metric = "wall_time",
         .unit = "ns",
         .uncompared = PRF_OTHER_MACHINE,
         .why = "the machines differ"},
        {.case_id = "a.py::A::profile_a",
         .profiler = "tracemalloc",
         .metric = "peak",
         .unit = "bytes",
         .uncompared = PRF_ONLY_BASE,
         .change = change(PRF_VERDICT_SAME, 1.0, 0.01)},
        {.case_id = "a.py::A::profile_a",
         .profiler = "stopwatch",
         .uncompared = PRF_NOT_MEASURED,
         .budget = "no JSON"},
    };
    struct prf_comparison c = {.items = items, .n = sizeof items / sizeof *items};
    assert_int_equal(prf_gate_thresholds(&c, table, &err), 0);
    assert_true(items[0].threshold == 0.05);
    assert_true(items[1].threshold == 0.02);
    assert_int_equal(prf_gate_judge(&c, table, &err), 0);
    assert_int_equal(items[0].n_clauses, 2);
    assert_true(items[0].clauses[0].broken && !items[0].clauses[1].broken);
    assert_string_equal(items[0].clauses[0].text, "wall_time <= +5%");
    assert_string_equal(items[0].clauses[0].why, "is +7.1% (+6.1% to +8.1%)");
    assert_int_equal(items[1].n_clauses, 1);
    assert_true(items[1].clauses[0].broken);
    assert_string_equal(items[1].clauses[0].source, "@budget");
    assert_int_equal(items[2].n_clauses, 1);
    assert_true(items[2].clauses[0].broken);
    assert_string_equal(items[2].clauses[0].why, "is 100 B");
    assert_int_equal(items[3].n_clauses, 2);
    assert_true(items[3].clauses[0].unknown);
    assert_string_equal(items[3].clauses[0].why, "not compared: the machines differ");
    assert_int_equal(items[4].n_clauses, 0);
    assert_int_equal(items[5].n_clauses, 0);
    assert_int_equal(prf_comparison_broken(&c), 3);
    prf_comparison_release(&c);
    json_decref(table);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(limits_are_parsed),
        cmocka_unit_test(limits_fit_units),
        cmocka_unit_test(limits_are_shown),
        cmocka_unit_test(noise_breaks_nothing),
        cmocka_unit_test(better_is_asked_for),
        cmocka_unit_test(more_may_be_better),
        cmocka_unit_test(exact_changes),
        cmocka_unit_test(absolute_limits),
        cmocka_unit_test(tables_are_checked),
        cmocka_unit_test(budgets_are_checked),
        cmocka_unit_test(the_stronger_clause_holds),
        cmocka_unit_test(patterns),
        cmocka_unit_test(comparisons),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
