/* How much processes that run the same code differ: the noise of a metric between
   processes, from results of the past. Pure. */
#ifndef PRF_BETWEEN_H
#define PRF_BETWEEN_H

#include <stddef.h>

/* The median of a process and which code it ran: equal numbers, equal code. */
struct prf_between_value {
    double median;
    size_t code;
};

/* The relative standard deviation, pooled over the codes; values that are not positive
   do not count. It is the upper end of the estimate's 80 % interval, since too small a
   value means false alarms: with few values it is far above the estimate. < 0: not
   known, fewer than four degrees of freedom. Sorts `values`. */
double prf_between(struct prf_between_value *values, size_t n);

/* The median of n > 0 values, which it shuffles. */
double prf_between_median(double *values, size_t n);

#endif
