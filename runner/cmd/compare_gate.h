/* Verdicts and gates of `pyprofiler compare`, and what GitHub shows of them. */
#ifndef PRF_COMPARE_GATE_H
#define PRF_COMPARE_GATE_H

#include <pyprofiler/error.h>

#include "compare.h"
#include "compare_report.h"

/* Verdicts of all items, under the thresholds of their clauses, then the clauses of
   @budget and of [tool.pyprofiler.gate]. PRF_EUSAGE: the table is wrong. */
int prf_compare_judge(struct prf_comparing *c, struct prf_error *err);

/* Append the comparison as Markdown to the file that $GITHUB_STEP_SUMMARY names;
   nothing when it is not set. PRF_EIO. */
int prf_compare_step_summary(const struct prf_comparison *comparison,
                             const struct prf_compare_report_options *options,
                             struct prf_error *err);

#endif
