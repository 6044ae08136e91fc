/* The normal and Student's t distribution: tails and quantiles. Pure. */
#ifndef PRF_DISTRIBUTIONS_H
#define PRF_DISTRIBUTIONS_H

/* z with P(Z < z) = p; +-INFINITY at 1 and 0. Relative error below 1e-8. */
double prf_normal_quantile(double p);

/* P(|Z| >= |z|), P(|T| >= |t|) with `df` > 0 degrees of freedom, which need not be
   whole; exact far into the tail. */
double prf_normal_tail(double z);
double prf_t_tail(double t, double df);

/* t with P(|T| >= t) = p, 0 < p < 1. */
double prf_t_quantile(double p, double df);

#endif
