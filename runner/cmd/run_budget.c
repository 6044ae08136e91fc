/* Budgets on `run`; see run_budget.h. */
#include "run_budget.h"

#include <stdlib.h>
#include <string.h>

#include "gate.h"

static const json_t *
budget_table(const struct prf_running *r)
{
    return json_object_get(r->hosting.python.config, "gate");
}

/* What the profilers measure. The rows are the caller's (free). */
static int
budget_known(const struct prf_profilers *profilers, struct prf_gate_known *out,
             struct prf_error *err)
{
    size_t n = 0;
    for (size_t i = 0; i < profilers->n; i++) {
        n += profilers->items[i]->n_metrics;
    }
    struct prf_gate_metric *metrics = calloc(n + 1, sizeof *metrics);
    if (metrics == NULL) {
        return prf_fail(err, PRF_ENOMEM, "out of memory");
    }
    *out = (struct prf_gate_known){.metrics = metrics, .complete = true};
    for (size_t i = 0; i < profilers->n; i++) {
        const struct prf_profiler *p = profilers->items[i];
        for (size_t k = 0; k < p->n_metrics; k++) {
            /* those of sites and curves have no value for the case as a whole */
            if (strcmp(p->metrics[k].scope, "result") == 0) {
                metrics[out->n++] = (struct prf_gate_metric){
                    p->name, p->metrics[k].name, p->metrics[k].unit};
            }
        }
    }
    return 0;
}

int
prf_run_gate_check(const struct prf_running *r, struct prf_error *err)
{
    struct prf_gate_known known = {0};
    if (budget_table(r) == NULL) {
        return 0;
    }
    int rc = budget_known(&r->engine.profilers, &known, err);
    if (rc == 0) {
        rc = prf_gate_check_table(budget_table(r), r->hosting.pyproject, &known, err);
    }
    free((void *)known.metrics);
    return rc;
}

static json_t *
budget_parse(const char *text)
{
    return text == NULL ? NULL : json_loads(text, 0, NULL);
}

int
prf_run_budgets_check(const struct prf_running *r, struct prf_plan *plan,
                      struct prf_error *err)
{
    struct prf_gate_known known = {0};
    int rc = budget_known(&r->engine.profilers, &known, err);
    for (size_t i = 0; rc == 0 && i < plan->n; i++) {
        struct prf_item *item = &plan->items[i];
        struct prf_error wrong = {0};
        json_t *budget = budget_parse(item->kase->budget);
        if (prf_gate_check_budget(budget, &known, &wrong) < 0) {
            item->wrong = prf_arena_strdup(&plan->arena, wrong.text);
            rc = item->wrong == NULL ? prf_fail(err, PRF_ENOMEM, "out of memory") : 0;
        }
        json_decref(budget);
    }
    free((void *)known.metrics);
    return rc;
}

static int
budget_judge_metric(const struct prf_running *r, struct prf_result *result,
                    const json_t *budget, const struct prf_metric_values *metric,
                    struct prf_clause **clauses, struct prf_error *err)
{
    const struct prf_gate_subject subject = {.table = budget_table(r),
                                             .budget = budget,
                                             .case_id = result->case_id,
                                             .profiler = result->profiler,
                                             .metric = metric->name,
                                             .unit = metric->unit,
                                             .better = metric->better};
    struct prf_summary summary = {0};
    double *scratch = calloc(metric->n + 1, sizeof *scratch);
    int rc = 0;
    if (scratch == NULL) {
        return prf_fail(err, PRF_ENOMEM, "out of memory");
    }
    prf_summarize(metric->samples, metric->n, scratch, &summary);
    if (summary.n > 0) {
        rc = prf_gate_judge_summary(&subject, &summary, &result->arena, clauses,
                                    &result->n_clauses, err);
    }
    free(scratch);
    return rc;
}

static void
budget_remember(struct prf_running *r, const struct prf_result *result)
{
    for (size_t i = 0; i < result->n_clauses; i++) {
        const struct prf_clause *c = &result->clauses[i];
        struct prf_strbuf sb = PRF_STRBUF_INIT;
        if (!c->broken) {
            continue;
        }
        prf_strbuf_addf(&sb, "%s  %s  %s %s", result->case_id, result->profiler,
                        c->text, c->why);
        (void)prf_strlist_add(&r->broken, prf_strbuf_text(&sb));
        prf_strbuf_release(&sb);
        r->n_broken++;
    }
}

int
prf_run_budget_judge(struct prf_running *r, struct prf_result *result,
                     struct prf_error *err)
{
    const struct prf_profile *p = result->profile;
    struct prf_clause *clauses = NULL;
    int rc = 0;
    if (p == NULL || result->status != PRF_STATUS_OK ||
        (result->budget == NULL && budget_table(r) == NULL)) {
        return 0;
    }
    json_t *budget = budget_parse(result->budget);
    for (size_t i = 0; rc == 0 && i < p->n_metrics; i++) {
        rc = budget_judge_metric(r, result, budget, &p->metrics[i], &clauses, err);
    }
    json_decref(budget);
    result->clauses = clauses;
    budget_remember(r, result);
    return rc;
}

void
prf_run_budget_summary(const struct prf_running *r, FILE *out,
                       const struct prf_style *style)
{
    static const struct prf_export_options options = {0};
    const struct prf_text text = {.out = out, .style = style, .options = &options};
    if (r->n_broken > 0) {
        fprintf(out, "%s%zu budget%s broken:%s\n", prf_paint(style, PRF_RED),
                r->n_broken, r->n_broken == 1 ? "" : "s", prf_paint(style, PRF_PLAIN));
    }
    for (size_t i = 0; i < r->broken.n; i++) {
        fputs("  ", out);
        prf_text_put(&text, r->broken.items[i], PRF_VISIBLE_LINE);
        fputc('\n', out);
    }
}
