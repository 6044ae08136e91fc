/* Tails and quantiles; see distributions.h. */
#include "distributions.h"

#include <math.h>

#define SQRT_HALF 0.70710678118654752440

double
prf_normal_tail(double z)
{
    return erfc(fabs(z) * SQRT_HALF);
}

/* Acklam's rational approximation of the lower half, good to 1e-9 relative. */
static double
distributions_lower_quantile(double p)
{
    static const double a[] = {-3.969683028665376e+01, 2.209460984245205e+02,
                               -2.759285104469687e+02, 1.383577518672690e+02,
                               -3.066479806614716e+01, 2.506628277459239e+00};
    static const double b[] = {-5.447609879822406e+01, 1.615858368580409e+02,
                               -1.556989798598866e+02, 6.680131188771972e+01,
                               -1.328068155288572e+01};
    static const double c[] = {-7.784894002430293e-03, -3.223964580411365e-01,
                               -2.400758277161838e+00, -2.549732539343734e+00,
                               4.374664141464968e+00,  2.938163982698783e+00};
    static const double d[] = {7.784695709041462e-03, 3.224671290700398e-01,
                               2.445134137142996e+00, 3.754408661907416e+00};
    if (p < 0.02425) {
        double q = sqrt(-2.0 * log(p));
        return (((((c[0] * q + c[1]) * q + c[2]) * q + c[3]) * q + c[4]) * q + c[5]) /
               ((((d[0] * q + d[1]) * q + d[2]) * q + d[3]) * q + 1.0);
    }
    double q = p - 0.5, r = q * q;
    return (((((a[0] * r + a[1]) * r + a[2]) * r + a[3]) * r + a[4]) * r + a[5]) * q /
           (((((b[0] * r + b[1]) * r + b[2]) * r + b[3]) * r + b[4]) * r + 1.0);
}

double
prf_normal_quantile(double p)
{
    if (!(p > 0.0)) {
        return -INFINITY;
    }
    if (!(p < 1.0)) {
        return INFINITY;
    }
    return p <= 0.5 ? distributions_lower_quantile(p)
                    : -distributions_lower_quantile(1.0 - p);
}

/* The continued fraction of the incomplete beta function, by Lentz's method. It
   converges quickly for x < (a + 1) / (a + b + 2). */
static double
distributions_beta_fraction(double x, double a, double b)
{
    const double tiny = 1e-300;
    double c = 1.0, d = 1.0 - (a + b) * x / (a + 1.0);
    d = 1.0 / (fabs(d) < tiny ? tiny : d);
    double f = d;
    for (int m = 1; m < 500; m++) {
        double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
        double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
        d = 1.0 + even * d;
        c = 1.0 + even / c;
        d = 1.0 / (fabs(d) < tiny ? tiny : d);
        c = fabs(c) < tiny ? tiny : c;
        f *= d * c;
        d = 1.0 + odd * d;
        c = 1.0 + odd / c;
        d = 1.0 / (fabs(d) < tiny ? tiny : d);
        c = fabs(c) < tiny ? tiny : c;
        f *= d * c;
        if (fabs(d * c - 1.0) < 1e-14) {
            break;
        }
    }
    return f;
}

/* The regularised incomplete beta function I_x(a, b); y = 1 - x, given apart because
   the difference would lose the tail. */
static double
distributions_beta(double x, double y, double a, double b)
{
    if (x <= 0.0) {
        return 0.0;
    }
    if (y <= 0.0) {
        return 1.0;
    }
    double front = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log(y));
    if (x < (a + 1.0) / (a + b + 2.0)) {
        return front * distributions_beta_fraction(x, a, b) / a;
    }
    return 1.0 - front * distributions_beta_fraction(y, b, a) / b;
}

double
prf_t_tail(double t, double df)
{
    if (isinf(t)) {
        return 0.0;
    }
    if (df > 1e6) {
        return prf_normal_tail(t);
    }
    double whole = df + t * t;
    if (isinf(whole)) {
        return 0.0;
    }
    return distributions_beta(df / whole, t * t / whole, df / 2.0, 0.5);
}

static double
distributions_t_density(double t, double df)
{
    return exp(lgamma((df + 1.0) / 2.0) - lgamma(df / 2.0) -
               (df + 1.0) / 2.0 * log1p(t * t / df)) /
           sqrt(df * 3.14159265358979323846);
}

/* From Wallace's approximation (1959), improved by Newton's method on the logarithm of
   the tail, which is nearly straight. */
double
prf_t_quantile(double p, double df)
{
    double z = prf_normal_quantile(1.0 - p / 2.0);
    if (p < 1e-9) {
        z = -prf_normal_quantile(p / 2.0);
    }
    if (df > 1e6) {
        return z;
    }
    double k = (8.0 * df + 3.0) / (8.0 * df + 1.0);
    double t = sqrt(df * expm1(fmin(z * z * k * k / df, 600.0)));
    for (int i = 0; i < 8; i++) {
        double tail = prf_t_tail(t, df), density = distributions_t_density(t, df);
        if (!(tail > 0.0) || !(density > 0.0)) {
            break;
        }
        double step = log(tail / p) * tail / (2.0 * density);
        t = fmax(t + step, t / 2.0);
        if (fabs(step) < 1e-10 * t) {
            break;
        }
    }
    return t;
}
