/* What became of a case: the recording's word and what was seen from outside, put
   together. Pure: no files, no processes. */
#ifndef PRF_JUDGE_H
#define PRF_JUDGE_H

#include <stdbool.h>
#include <stdint.h>

#include "result.h"

struct prf_outcome {
    int code;         /* exit status, -1: none was seen */
    int signal;       /* that ended the process, 0: none */
    bool timed_out;   /* we ended it at the limit */
    bool worker_lost; /* the zygote ended, not (only) the case */
    bool valgrind;    /* it ran under valgrind */
    bool is_script;   /* its exit code is its own: 0 is good */
    int64_t limit_ns;
    int n_left;        /* processes it left behind, killed */
    const char *fault; /* faulthandler's text, "" or NULL: none */
};

/* Set status, reason, signal and traceback of `result`, whose profile (or NULL) is what
   the recording says. */
void prf_judge(struct prf_result *result, const struct prf_outcome *outcome);

/* Add a note to the result's profile, making an empty one if there is none. */
void prf_result_note(struct prf_result *result, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Text in the result's arena. */
const char *prf_result_text(struct prf_result *result, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
