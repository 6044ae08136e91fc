/* Files that options of profilers ask for: see PRF_OPT_OUTPUT. */
#ifndef PRF_RUN_OUTPUTS_H
#define PRF_RUN_OUTPUTS_H

#include "run.h"

/* Before anything runs: may the files be written? PRF_EUSAGE, PRF_EIO. */
int prf_run_outputs_check(struct prf_running *r, struct prf_error *err);

/* Write what the options of the result's profiler ask for and say where it is. What
   fails is said, and remembered as an internal failure. */
void prf_run_outputs_write(struct prf_running *r, const struct prf_result *result);

#endif
