/* Is one run out of line with the runs before it? Of a script there is one value a run,
   so the question is not whether two sides differ but whether the new value is one that
   the earlier ones foretell. Pure: no files, no clock, no state.

   On the scale of logarithms, where noise is relative, a new value from the same source
   as n earlier ones, whose mean is m and whose standard deviation is s, lies with 95 %
   within

       m +- t(n - 1; 0.975) * s * sqrt(1 + 1 / n)

   (the prediction interval of a single future observation; Hahn and Meeker, Statistical
   Intervals, 1991, 4.7). Subtracted from the new value it is the interval of the
   change: it excludes 1 exactly when the value is outside. The p-value is the tail of
   Student's t at the value.

   One earlier run that was disturbed must not hide a change, so outliers are left out,
   the farthest first: a value that the others together would foretell with less than
   0.1 % / n (the test of Grubbs, 1969, by deleted residuals), at most one and one more
   for each ten.

   Several values of a run are judged together, since each is one more chance to be
   wrong: a change counts at a rate of false discoveries of 2 % (fdr.h). When nothing
   changed at all, that is the rate at which a run gets any verdict but "no change". It
   is less than 5 % because a single run cannot be told from a disturbed one: where one
   run in fifty is disturbed by more than the threshold, one in fifty is reported, and
   both together shall stay below 5 %. */
#ifndef PRF_PREVIOUS_H
#define PRF_PREVIOUS_H

#include <stddef.h>

#include <pyprofiler/backend.h> /* enum prf_better */
#include <pyprofiler/error.h>

/* Fewer earlier runs give no verdict: with a noise of 5 % the interval of two reaches
   from 0.46 to 2.2 times the value, and fewer than five cannot do without an outlier.
 */
#define PRF_PREVIOUS_LEAST 5

/* What is asked for when nobody says otherwise. */
#define PRF_PREVIOUS_RUNS 20
#define PRF_PREVIOUS_THRESHOLD 0.10
#define PRF_PREVIOUS_ALPHA 0.02

enum prf_previous_verdict {
    PRF_PREVIOUS_FEW,  /* not enough runs: see n_needed */
    PRF_PREVIOUS_SAME, /* no change that is beyond threshold and noise */
    PRF_PREVIOUS_REGRESSION,
    PRF_PREVIOUS_IMPROVEMENT,
};

/* "not enough runs" "no change" "regression" "improvement". */
const char *prf_previous_verdict_name(enum prf_previous_verdict verdict);

/* One quantity. Values that are not positive and finite do not count; when the new one
   is none, everything but `value` is NAN or 0. */
struct prf_previous {
    double value;
    size_t n;           /* earlier values, outliers included */
    size_t n_out;       /* outliers among them */
    size_t n_needed;    /* more earlier runs until there is a verdict */
    double typical;     /* geometric mean of those that are no outliers; NAN: n is 0 */
    double least, most; /* of the same */
    double ratio;       /* value / typical */
    double ci_low, ci_high; /* 95 % of the ratio; NAN: too few */
    double p_value;         /* NAN: too few */
    double q_value;         /* with all that was judged together */
    enum prf_previous_verdict verdict;
};

/* All but q_value and the verdict. */
void prf_previous_estimate(double value, const double *earlier, size_t n,
                           struct prf_previous *out);

/* The rest, of all that belongs to one run: items[i] is better when it is as better[i]
   says (no direction: never a regression nor an improvement, and not among those judged
   together). `threshold` 0.1: ten per cent more is a regression, and one part in 1.1
   less an improvement. PRF_ENOMEM. */
int prf_previous_judge(struct prf_previous *items, const enum prf_better *better,
                       size_t n, double threshold, struct prf_error *err);

#endif
