/* Budgets on `run`: checked before a case runs, absolute clauses judged after it. */
#ifndef PRF_RUN_BUDGET_H
#define PRF_RUN_BUDGET_H

#include <pyprofiler/error.h>

#include "plan.h"
#include "run.h"

/* [tool.pyprofiler.gate], against what the known profilers measure. PRF_EUSAGE. */
int prf_run_gate_check(const struct prf_running *r, struct prf_error *err);

/* A case whose @budget cannot be understood gets prf_item.wrong. PRF_ENOMEM. */
int prf_run_budgets_check(const struct prf_running *r, struct prf_plan *plan,
                          struct prf_error *err);

/* Sets result->clauses, counts and remembers those that are broken. PRF_ENOMEM. */
int prf_run_budget_judge(struct prf_running *r, struct prf_result *result,
                         struct prf_error *err);

/* Every broken clause of the run, a line each; nothing when there is none. */
void prf_run_budget_summary(const struct prf_running *r, FILE *out,
                            const struct prf_style *style);

#endif
