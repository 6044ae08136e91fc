/* What is told of a script that was run: summary, hotspots, suggestions, the comparison
   with the runs of it before, and files with all that. */
#ifndef PRF_RUN_SCRIPT_H
#define PRF_RUN_SCRIPT_H

#include "run.h"

/* Offsets are in struct prf_script_report_options. */
extern const struct prf_option prf_script_report_table[];

/* Before anything runs: are the options right, can the folder be made? PRF_EUSAGE. */
int prf_run_script_check(struct prf_running *r, struct prf_error *err);

/* Is the present result told of here alone? Text, json and html of scripts are; json and
   html not beside cases, with which they are in one document. */
bool prf_run_script_tells(const struct prf_running *r);

/* After the result of a script was stored: judge it, write the files, and when it is
   told of here, the report to where it belongs.
   What fails is said, and remembered as an internal failure. */
void prf_run_script_tell(struct prf_running *r, const struct prf_result *result);

#endif
