/* Which commit made a case slower: what a bisection found, as a model that is rendered.
   Strings and arrays are the bisection's arena's. */
#ifndef PRF_BISECTION_H
#define PRF_BISECTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena.h"
#include "history.h" /* struct prf_history_commit */

enum prf_bisect_outcome {
    PRF_BISECT_FOUND,   /* one commit, or several that cannot be told apart */
    PRF_BISECT_SAME,    /* the ends do not differ */
    PRF_BISECT_STUCK,   /* what is left cannot be measured */
    PRF_BISECT_STOPPED, /* time or runs are used up, or the user stopped it */
};

/* "found" "same" "stuck" "stopped". */
const char *prf_bisect_outcome_name(enum prf_bisect_outcome outcome);

/* Of one metric. */
struct prf_bisect_answer {
    const char *metric, *unit;
    enum prf_better better;
    enum prf_bisect_outcome outcome;
    const struct prf_history_commit *candidates; /* oldest first; the last one is the
                                                    first that is known to be bad */
    size_t n_candidates;
    const struct prf_history_commit *before; /* the last one known to be good */
    const struct prf_history_commit *merge;  /* by which it came in, or NULL */
    double probability;                      /* that it is one of the candidates */
    double ratio, ci_low, ci_high;           /* after / before */
    size_t n_observations;
};

struct prf_bisect_skip {
    const struct prf_history_commit *commit;
    const char *why; /* one line */
};

struct prf_bisection {
    struct prf_arena arena;
    const char *case_id, *profiler;
    struct prf_history_setting setting;
    struct prf_history_commit good, bad;
    size_t n_commits; /* after the good one */
    bool first_parent;
    double confidence, threshold;
    struct prf_bisect_answer *answers; /* one for each metric */
    size_t n_answers;
    struct prf_bisect_skip *skips;
    size_t n_skips;
    size_t n_processes; /* measured by this command */
    size_t n_reused;    /* observations that were stored before */
    int64_t duration_ns;
    bool interrupted;
    const char *stopped; /* why it ended before its time: "--max-time is used up" */
    const char *command; /* that goes on */
};

/* Is what was found worse (or better) than before? */
bool prf_bisect_is_worse(const struct prf_bisect_answer *answer);

void prf_bisection_release(struct prf_bisection *bisection);

#endif
