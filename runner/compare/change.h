/* Did a metric of a case change between two sides, by how much, and how sure is that?
   Pure: no files, no clock, no state; the same input gives the same answer.

   What is independent is the process. Values that one process measured share its memory
   layout, hash seed and neighbours, so they say little about another process; the
   interval is therefore made by resampling processes, then values within each. */
#ifndef PRF_CHANGE_H
#define PRF_CHANGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <pyprofiler/backend.h> /* enum prf_better */
#include <pyprofiler/error.h>

enum prf_verdict {
    PRF_VERDICT_SAME,         /* the interval lies within the threshold */
    PRF_VERDICT_FASTER,       /* better: less time, fewer bytes, more of what is good */
    PRF_VERDICT_SLOWER,       /* worse */
    PRF_VERDICT_WITHIN_NOISE, /* it changed, by less than the threshold */
    PRF_VERDICT_INCONCLUSIVE, /* cannot tell: more runs are needed */
};

/* The values of one process, warm-up excluded; borrowed. */
struct prf_process_values {
    const double *values;
    size_t n;
};

/* One metric of one case on one side: the processes in which it was measured, in the
   order of measuring. */
struct prf_side_values {
    const struct prf_process_values *processes;
    size_t n;
};

struct prf_change_rules {
    double threshold;     /* smaller changes are not reported: 0.02 is two per cent */
    double alpha;         /* rate of false discoveries over the suite: 0.01 */
    uint64_t seed;        /* of the bootstrap */
    unsigned n_resamples; /* 0: 2,000 */
};

/* Facts about a metric that are not in its values. */
struct prf_change_metric {
    const char *unit; /* "ns" "bytes" "count" ... */
    enum prf_better better;
    /* Relative standard deviation between processes that measured the same code, from
       other results of this case; < 0: not known, an assumption by unit is made. Used
       where a side has too few processes to say it. */
    double between;
    /* Both sides were measured alternately, process i of one beside process i of the
       other: pairs are resampled, so that drift of the machine cancels. */
    bool paired;
};

struct prf_change {
    enum prf_verdict verdict;
    double base, next;      /* medians, in the metric's unit */
    double ratio;           /* next / base; NAN: base is 0 and next is not */
    double ci_low, ci_high; /* 95 % interval of the ratio */
    double p_value;         /* Mann-Whitney, two-sided */
    double q_value; /* the smallest rate of false discoveries at which it counts */
    double effect;  /* Cliff's delta: -1 all of next below base ... 1 all above */
    size_t n_base, n_next; /* values */
    size_t processes_base, processes_next;
    double detectable; /* the smallest relative change that this could have seen with a
                          power of 80 %; INFINITY: none */
    bool exact;        /* all values of a side are the same: no statistics needed */
    enum prf_better better;
};

/* "slower", "within noise", ...; for metrics whose unit is no time "smaller"/"larger".
 */
const char *prf_verdict_name(enum prf_verdict verdict, const char *unit,
                             enum prf_better better);
/* A stable word for machines: "same" "faster" "slower" "within-noise" "inconclusive".
 */
const char *prf_verdict_word(enum prf_verdict verdict);

/* Everything but q_value and verdict. PRF_ENOMEM; a side without values is PRF_EUSAGE.
 */
int prf_change_measure(const struct prf_side_values *base,
                       const struct prf_side_values *next,
                       const struct prf_change_metric *metric,
                       const struct prf_change_rules *rules, struct prf_change *out,
                       struct prf_error *err);

/* q-values (Benjamini and Hochberg) and verdicts of a whole suite. Changes with a
   threshold of their own (a budget) have it in `thresholds`; NULL: rules->threshold for
   all. PRF_ENOMEM. */
int prf_change_judge(struct prf_change *changes, size_t n, const double *thresholds,
                     const struct prf_change_rules *rules, struct prf_error *err);

/* For measuring until it is clear, looking after each pair of processes: is there a
   verdict now? The error rate of all looks together is rules->alpha divided by
   `n_cases` (alpha spending). Sets out->verdict; INCONCLUSIVE: go on. */
int prf_change_look(const struct prf_side_values *base,
                    const struct prf_side_values *next,
                    const struct prf_change_metric *metric,
                    const struct prf_change_rules *rules, size_t n_cases,
                    struct prf_change *out, struct prf_error *err);

#endif
