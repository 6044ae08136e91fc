/* Did a metric of a case change between two sides, by how much, and how sure is that?
   Pure: no files, no clock, no state; the same input gives the same answer.

   What is independent is the process. Values that one process measured share its memory
   layout, hash seed and neighbours, so they say little about another process. A side is
   therefore the median of its processes' medians, and what is resampled is

   - the values, where there is only one process: the difference to other processes is
     then an assumption (see `between`), added as noise;
   - the processes' medians, where there are several. These differ by what happens
   within a process as well, so resampling the values too would count that twice
   (Davison and Hinkley 1997, 3.8). With fewer than eight a side the bootstrap is known
   to be too narrow: it is widened by noise to the variance that both sides together and
   the assumption say, the assumption weighing less with every process;
   - the pairs, where processes were measured alternately: the mean of the logarithms of
     their ratios without the outer quarters, so that drift cancels and a process
     that was disturbed does not count.

   Quantiles of the resamples are moved outwards by Student's t over the normal
   distribution ("expanded percentile", Hesterberg 2015), with the degrees of freedom
   that processes and assumption give.

   A change counts when two tests agree. Ranks (Mann and Whitney; Wilcoxon for pairs)
   assume nothing about the noise, but see one process's values as independent, and of
   few processes they can say little: 4 against 4 never give less than p = 0.03. The
   bootstrap knows about processes, but trusts its degrees of freedom in the far tail.
   So the larger p is taken, except where the sides do not overlap at all: ranks can say
   no more then, and the bootstrap decides.

   Values that are not finite are left out. When values are 0 or negative, differences
   take the place of logarithms, relative to the base's median. */
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

/* What is asked for when nobody says otherwise. Counts are exact, so they need no room
   for noise, only for the layout of code, which moves machine instructions by some per
   mille. */
#define PRF_THRESHOLD 0.02
#define PRF_THRESHOLD_COUNT 0.005

struct prf_change_rules {
    double threshold;       /* smaller changes are not reported: 0.02 is two per cent */
    double threshold_count; /* the same for metrics of unit "count"; 0: `threshold` */
    double alpha;           /* rate of false discoveries over the suite: 0.01 */
    uint64_t seed;          /* of the bootstrap */
    unsigned n_resamples;   /* 0: 1,000 */
};

/* Facts about a metric that are not in its values. */
struct prf_change_metric {
    const char *unit; /* "ns" "bytes" "count" ... */
    enum prf_better better;
    /* Relative standard deviation between processes that measured the same code, from
       other results of this case; < 0: not known, an assumption by unit is made. Used
       where a side has too few processes to say it. The assumptions: time and all that
       is not named 4 %, bytes 1 %, counts 0 (what they vary within a process, if they
       do). */
    double between;
    /* Both sides were measured alternately, process i of one beside process i of the
       other: pairs are resampled, so that drift of the machine cancels. */
    bool paired;
    /* A process stands for its lowest value instead of its median: right where whatever
       disturbs a process only adds, as to time. */
    bool lowest;
};

struct prf_change {
    enum prf_verdict verdict;
    double base,
        next; /* medians over processes of their medians, in the metric's unit */
    /* next / base, so above 1 is always larger: of a base below 0 it is
       1 + (next - base) / |base|. Paired: the mean of the pairs' ratios, which drift
       does not touch. NAN: base is 0 and next is not. */
    double ratio;
    double ci_low, ci_high; /* 95 % interval of the ratio; NAN when that is */
    double p_value; /* Mann-Whitney, two-sided, of the processes' medians from 4 a side
                       on, else of the values; paired: Wilcoxon's signed ranks */
    double p_bootstrap; /* the level at which the interval would just reach 1 */
    double p_verdict;   /* that and the bootstrap agree: what q_value is made of */
    double q_value;     /* the smallest rate of false discoveries at which it counts */
    double effect; /* Cliff's delta of all values: -1 all of next below base ... 1 */
    size_t n_base, n_next; /* values */
    size_t processes_base, processes_next;
    double detectable; /* the smallest relative change that this could have seen with a
                          power of 80 %; INFINITY: none */
    double error;      /* standard error of the logarithm of the ratio */
    double degrees;    /* of freedom of that */
    bool exact;  /* all values of a side are the same: no statistics needed. A count
                    needs one value for that, all else three processes a side */
    bool looked; /* by prf_change_look: prf_change_judge keeps a clear verdict */
    enum prf_better better;
};

/* "slower", "within noise", ...; for metrics whose unit is no time, or of which more is
   better, "smaller"/"larger". Metrics that are neither good nor bad "changed" instead
   of being within noise. */
const char *prf_verdict_name(enum prf_verdict verdict, const char *unit,
                             enum prf_better better);
bool prf_change_is_time(const char *unit);

/* The threshold that the rules have for a metric of that unit (NULL: none). */
double prf_change_threshold(const struct prf_change_rules *rules, const char *unit);

/* A stable word for machines: "same" "faster" "slower" "within-noise" "inconclusive".
 */
const char *prf_verdict_word(enum prf_verdict verdict);

/* Everything but q_value and verdict. PRF_ENOMEM; a side without finite values is
   PRF_EUSAGE. */
int prf_change_measure(const struct prf_side_values *base,
                       const struct prf_side_values *next,
                       const struct prf_change_metric *metric,
                       const struct prf_change_rules *rules, struct prf_change *out,
                       struct prf_error *err);

/* q-values (Benjamini and Hochberg) and verdicts of a whole suite. Changes with a
   threshold of their own (a budget) have it in `thresholds`; NULL: rules->threshold for
   all. PRF_ENOMEM.

   FASTER, SLOWER: q < alpha, the interval excludes 1, and the change reaches the
   threshold. WITHIN_NOISE: the first two, but it is smaller. SAME: not clear of 1, but
   the interval lies within the threshold. Else INCONCLUSIVE. Exact metrics: any
   difference is real, q is 0 or 1, and they do not loosen the q of others. Metrics of
   PRF_BETTER_NONE never get better or worse: what would be is WITHIN_NOISE, whatever
   its size. `detectable` is corrected for the size of the suite. Where prf_change_look
   has spent half of alpha, the changes it left open are judged by the other half. */
int prf_change_judge(struct prf_change *changes, size_t n, const double *thresholds,
                     const struct prf_change_rules *rules, struct prf_error *err);

/* For measuring until it is clear, looking after each pair of processes: is there a
   verdict now? Sets out->verdict; INCONCLUSIVE: go on. For FASTER and SLOWER the error
   rate of all looks up to 200 pairs together is half of rules->alpha divided by
   `n_cases`, spread evenly over the numbers of pairs at which it looks at all (6, 7, 8,
   9, 10, then every 12 % more; none beyond 200); at others it is INCONCLUSIVE. SAME and
   WITHIN_NOISE: the interval at the level of 5 % over all looks lies within the
   threshold; nobody is woken by these, so they are not divided by `n_cases`. Exact
   metrics have their verdict as soon as they are exact. Errors as prf_change_measure.
 */
int prf_change_look(const struct prf_side_values *base,
                    const struct prf_side_values *next,
                    const struct prf_change_metric *metric,
                    const struct prf_change_rules *rules, size_t n_cases,
                    struct prf_change *out, struct prf_error *err);

#endif
