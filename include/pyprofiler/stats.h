/* Statistics of one set of samples. Pure functions without allocation unless said;
   units are those of the samples. */
#ifndef PYPROFILER_STATS_H
#define PYPROFILER_STATS_H

#include <stddef.h>

struct prf_summary {
    size_t n;
    double min, max, mean, stddev;   /* stddev: n - 1 */
    double median, q1, q3, p95, p99; /* linear interpolation (type 7) */
    double mad;                      /* median absolute deviation, unscaled */
    double ci_low, ci_high;          /* 95 % of the median, from order statistics */
    size_t n_mild, n_severe;         /* Tukey: beyond 1.5 and 3 IQR */
};

/* Summary of values[0..n). `scratch` has room for n doubles. Values that are not finite
   are left out, of `n` too, so that no NaN comes of them. n = 0 gives all zeros; with
   n < 6 no interval of the median has 95 % coverage: min and max are given. */
void prf_summarize(const double *values, size_t n, double *scratch,
                   struct prf_summary *out);

/* Half the width of the interval over the median: 0.01 is one per cent. INFINITY when
   n < 6 or the median is 0. */
double prf_relative_ci(const struct prf_summary *summary);

#endif
