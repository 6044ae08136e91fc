/* A comparison as JSON, schema "pyprofiler/compare/1". Keys are only ever added to it;
   a number that is not known or not finite is null. */
#include <math.h>

#include "compare_report.h"
#include "compare_words.h"
#include "jsonout.h"

static void
json_strings(struct prf_jsonout *js, const char *key, const char *const *texts)
{
    prf_json_open(js, key, '[');
    for (; texts != NULL && *texts != NULL; texts++) {
        prf_json_text(js, NULL, *texts);
    }
    prf_json_close(js, ']');
}

static void
json_side(struct prf_jsonout *js, const char *key, const struct prf_compared_side *side)
{
    prf_json_open(js, key, '{');
    prf_json_text(js, "name", side->name);
    prf_json_text(js, "commit", side->commit);
    prf_json_text(js, "tree", side->tree);
    prf_json_text(js, "summary", side->summary);
    json_strings(js, "runs", side->runs);
    prf_json_close(js, '}');
}

static void
json_rules(struct prf_jsonout *js, const struct prf_change_rules *rules)
{
    prf_json_open(js, "rules", '{');
    prf_json_double(js, "threshold", rules->threshold);
    prf_json_double(js, "threshold_count", prf_change_threshold(rules, "count"));
    prf_json_double(js, "alpha", rules->alpha);
    prf_json_uint(js, "seed", rules->seed);
    prf_json_close(js, '}');
}

static void
json_totals(struct prf_jsonout *js, const struct prf_comparison *comparison)
{
    size_t verdicts[PRF_VERDICT_INCONCLUSIVE + 1] = {0};
    size_t n_uncompared = 0, n_clauses = 0, n_broken = 0, n_unknown = 0;
    for (size_t i = 0; i < comparison->n; i++) {
        const struct prf_compared *item = &comparison->items[i];
        bool compared = item->uncompared == PRF_COMPARED && item->metric != NULL;
        verdicts[item->change.verdict] += compared;
        n_uncompared += !compared;
        n_clauses += item->n_clauses;
        for (size_t k = 0; k < item->n_clauses; k++) {
            n_broken += item->clauses[k].broken;
            n_unknown += !item->clauses[k].broken && item->clauses[k].unknown;
        }
    }
    prf_json_open(js, "totals", '{');
    for (int v = 0; v <= PRF_VERDICT_INCONCLUSIVE; v++) {
        prf_json_uint(js, prf_verdict_word((enum prf_verdict)v), verdicts[v]);
    }
    prf_json_uint(js, "uncompared", n_uncompared);
    prf_json_uint(js, "clauses", n_clauses);
    prf_json_uint(js, "clauses_broken", n_broken);
    prf_json_uint(js, "clauses_unknown", n_unknown);
    prf_json_close(js, '}');
}

static const char *
json_better(enum prf_better better)
{
    return better == PRF_BETTER_LESS   ? "less"
           : better == PRF_BETTER_MORE ? "more"
                                       : NULL;
}

static void
json_change(struct prf_jsonout *js, const struct prf_change *c)
{
    prf_json_text(js, "verdict", prf_verdict_word(c->verdict));
    prf_json_double(js, "base", c->base);
    prf_json_double(js, "new", c->next);
    prf_json_double(js, "ratio", c->ratio);
    prf_json_open(js, "ci95", '[');
    prf_json_double(js, NULL, c->ci_low);
    prf_json_double(js, NULL, c->ci_high);
    prf_json_close(js, ']');
    prf_json_double(js, "p", c->p_value);
    prf_json_double(js, "q", c->q_value);
    prf_json_double(js, "effect", c->effect);
    prf_json_double(js, "detectable", c->detectable);
    prf_json_bool(js, "exact", c->exact);
    prf_json_open(js, "n", '[');
    prf_json_uint(js, NULL, c->n_base);
    prf_json_uint(js, NULL, c->n_next);
    prf_json_close(js, ']');
    prf_json_open(js, "processes", '[');
    prf_json_uint(js, NULL, c->processes_base);
    prf_json_uint(js, NULL, c->processes_next);
    prf_json_close(js, ']');
}

static void
json_kinds(struct prf_jsonout *js, unsigned kinds)
{
    static const char *const names[] = {"more-calls", "dearer",      "new",
                                        "gone",       "fewer-calls", "cheaper"};
    prf_json_open(js, "kinds", '[');
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (kinds & (1u << i)) {
            prf_json_text(js, NULL, names[i]);
        }
    }
    prf_json_close(js, ']');
}

static void
json_where(struct prf_jsonout *js, const struct prf_where *w)
{
    prf_json_open(js, NULL, '{');
    prf_json_text(js, "file", w->file);
    prf_json_uint(js, "line", w->line);
    prf_json_text(js, "function", w->function);
    prf_json_text(js, "column", w->column);
    prf_json_text(js, "unit", w->unit);
    prf_json_double(js, "base", w->base);
    prf_json_double(js, "new", w->next);
    prf_json_double(js, "calls_base", w->calls_base);
    prf_json_double(js, "calls_new", w->calls_next);
    prf_json_double(js, "by_calls", w->by_calls);
    prf_json_double(js, "by_cost", w->by_cost);
    json_kinds(js, w->kinds);
    json_strings(js, "hunks", w->hunks);
    if (w->stack != NULL) {
        json_strings(js, "stack", w->stack);
    }
    prf_json_close(js, '}');
}

static const char *
json_uncompared(enum prf_uncompared uncompared)
{
    static const char *const names[] = {
        [PRF_COMPARED] = NULL,
        [PRF_ONLY_BASE] = "only-base",
        [PRF_ONLY_NEXT] = "only-new",
        [PRF_OTHER_MACHINE] = "other-conditions",
        [PRF_NOT_MEASURED] = "not-measured",
    };
    return names[uncompared];
}

static void
json_item(struct prf_jsonout *js, const struct prf_compared *item)
{
    prf_json_open(js, NULL, '{');
    prf_json_text(js, "case", item->case_id);
    prf_json_text(js, "profiler", item->profiler);
    prf_json_text(js, "options", item->options);
    prf_json_text(js, "metric", item->metric);
    prf_json_text(js, "unit", item->unit);
    prf_json_text(js, "better", json_better(item->change.better));
    prf_json_text(js, "file", item->case_file);
    prf_json_int(js, "line", item->case_line);
    prf_json_text(js, "uncompared", json_uncompared(item->uncompared));
    prf_json_text(js, "why",
                  item->uncompared == PRF_COMPARED ? item->why : prf_words_why(item));
    if (item->uncompared == PRF_COMPARED && item->metric != NULL) {
        json_change(js, &item->change);
    } else {
        prf_json_text(js, "verdict", NULL);
    }
    prf_json_double(js, "threshold", item->threshold);
    prf_json_bool(js, "source_changed", item->source_changed);
    prf_json_open(js, "clauses", '[');
    for (size_t i = 0; i < item->n_clauses; i++) {
        prf_json_clause(js, &item->clauses[i]);
    }
    prf_json_close(js, ']');
    prf_json_text(js, "where_profiler", item->where_profiler);
    prf_json_open(js, "where", '[');
    for (size_t i = 0; i < item->n_where; i++) {
        json_where(js, &item->where[i]);
    }
    prf_json_close(js, ']');
    prf_json_open(js, "results", '{');
    prf_json_text(js, "base", item->base_result);
    prf_json_text(js, "new", item->next_result);
    prf_json_close(js, '}');
    prf_json_close(js, '}');
    fputc('\n', js->out);
}

static int
json_write(const struct prf_comparison *comparison,
           const struct prf_compare_report_options *options, FILE *out,
           struct prf_error *err)
{
    struct prf_jsonout js = {.out = out, .scratch = PRF_STRBUF_INIT};
    prf_json_open(&js, NULL, '{');
    prf_json_text(&js, "schema", "pyprofiler/compare/1");
    json_side(&js, "base", &comparison->base);
    json_side(&js, "new", &comparison->next);
    prf_json_text(&js, "conditions", comparison->conditions);
    json_rules(&js, &comparison->rules);
    prf_json_bool(&js, "measured", comparison->measured);
    prf_json_int(&js, "measured_ns", comparison->measured_ns);
    prf_json_bool(&js, "interrupted", comparison->interrupted);
    json_strings(&js, "warnings", comparison->warnings);
    json_totals(&js, comparison);
    prf_json_bool(&js, "only_changed", options->only_changed);
    prf_json_open(&js, "items", '[');
    fputc('\n', out);
    for (size_t i = 0; i < options->n; i++) {
        json_item(&js, options->items[i]);
    }
    prf_json_close(&js, ']');
    prf_json_close(&js, '}');
    fputc('\n', out);
    bool failed = js.failed;
    prf_jsonout_release(&js);
    return failed ? prf_fail(err, PRF_ENOMEM, "out of memory") : 0;
}

const struct prf_compare_format prf_compare_json = {
    .name = "json",
    .extension = ".json",
    .summary = "everything, for programs (schema pyprofiler/compare/1)",
    .write = json_write,
};
