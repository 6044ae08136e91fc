/* The summary of a workflow's step on GitHub. */
#ifndef PRF_COMPARE_SUMMARY_H
#define PRF_COMPARE_SUMMARY_H

#include <pyprofiler/error.h>

#include "compare_report.h"

/* Append the comparison as Markdown to the file that $GITHUB_STEP_SUMMARY names;
   nothing when it is not set. PRF_EIO. */
int prf_compare_step_summary(const struct prf_comparison *comparison,
                             const struct prf_compare_report_options *options,
                             struct prf_error *err);

#endif
