/* One run against those before it; see previous.h. */
#include "previous.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#include "distributions.h"
#include "fdr.h"

/* An earlier value that the others foretell with less is left out, over their number.
 */
#define PREVIOUS_OUTLIER 0.001

struct previous_moments {
    size_t n;
    double mean, deviation; /* of logarithms */
    size_t farthest;        /* index of the value farthest from the mean */
};

static bool
previous_counts(double value)
{
    return isfinite(value) && value > 0;
}

/* Of those that are in (`out` is 0). */
static struct previous_moments
previous_moments(const double *logs, const unsigned char *out, size_t n)
{
    struct previous_moments m = {0};
    double squares = 0, most = -1;
    for (size_t i = 0; i < n; i++) {
        m.mean += out[i] ? 0 : logs[i];
        m.n += !out[i];
    }
    m.mean /= m.n > 0 ? (double)m.n : 1.0;
    for (size_t i = 0; i < n; i++) {
        double d = out[i] ? 0 : fabs(logs[i] - m.mean);
        squares += d * d;
        if (!out[i] && d > most) {
            most = d;
            m.farthest = i;
        }
    }
    /* What rounding leaves of equal values is not noise. */
    double variance = m.n > 1 ? squares / (double)(m.n - 1) : 0;
    m.deviation = variance > 1e-24 ? sqrt(variance) : 0;
    return m;
}

/* How far one more value would be off, in the measure of Student's t. */
static double
previous_t(const struct previous_moments *m, double value)
{
    double distance = value - m->mean;
    double spread = m->deviation * sqrt(1.0 + 1.0 / (double)m->n);
    return fabs(distance) < 1e-12 ? 0 : distance / spread; /* spread 0: infinite */
}

static double
previous_p(const struct previous_moments *m, double value)
{
    double t = previous_t(m, value);
    return isinf(t) ? 0 : t == 0 ? 1 : prf_t_tail(t, (double)(m->n - 1));
}

/* Mark the farthest value when the others do not foretell it. */
static bool
previous_drop(const double *logs, unsigned char *out, size_t n)
{
    struct previous_moments all = previous_moments(logs, out, n);
    if (all.n < PRF_PREVIOUS_LEAST) {
        return false;
    }
    out[all.farthest] = 1;
    struct previous_moments rest = previous_moments(logs, out, n);
    bool drop =
        previous_p(&rest, logs[all.farthest]) * (double)all.n < PREVIOUS_OUTLIER;
    out[all.farthest] = drop;
    return drop;
}

static void
previous_range(const double *logs, const unsigned char *out, size_t n,
               struct prf_previous *p)
{
    for (size_t i = 0; i < n; i++) {
        double value = exp(logs[i]);
        if (!out[i]) {
            p->least = isnan(p->least) ? value : fmin(p->least, value);
            p->most = isnan(p->most) ? value : fmax(p->most, value);
        }
    }
}

static void
previous_interval(const struct previous_moments *m, struct prf_previous *p)
{
    double half = m->deviation * sqrt(1.0 + 1.0 / (double)m->n) *
                  prf_t_quantile(0.05, (double)(m->n - 1));
    p->p_value = previous_p(m, log(p->value));
    p->ci_low = p->ratio * exp(-half);
    p->ci_high = p->ratio * exp(half);
}

/* How many runs are looked at is for the user to say; it fits a stack up to here, and
   more would say no more: the newest are taken. */
#define PREVIOUS_MAX 1000

void
prf_previous_estimate(double value, const double *earlier, size_t n,
                      struct prf_previous *p)
{
    double logs[PREVIOUS_MAX];
    unsigned char out[PREVIOUS_MAX] = {0};
    *p = (struct prf_previous){.value = value, .n_needed = PRF_PREVIOUS_LEAST};
    p->typical = p->least = p->most = p->ratio = NAN;
    p->ci_low = p->ci_high = p->p_value = p->q_value = NAN;
    if (!previous_counts(value)) {
        return;
    }
    for (size_t i = 0; i < n && p->n < PREVIOUS_MAX; i++) {
        if (previous_counts(earlier[i])) {
            logs[p->n++] = log(earlier[i]);
        }
    }
    size_t may_drop = 1 + p->n / 10;
    while (p->n_out < may_drop && previous_drop(logs, out, p->n)) {
        p->n_out++;
    }
    struct previous_moments m = previous_moments(logs, out, p->n);
    p->n_needed = p->n < PRF_PREVIOUS_LEAST ? PRF_PREVIOUS_LEAST - p->n : 0;
    if (m.n == 0) {
        return;
    }
    p->typical = exp(m.mean);
    p->ratio = value / p->typical;
    previous_range(logs, out, p->n, p);
    if (p->n_needed == 0) {
        previous_interval(&m, p);
    }
}

const char *
prf_previous_verdict_name(enum prf_previous_verdict verdict)
{
    static const char *const names[] = {
        [PRF_PREVIOUS_FEW] = "not enough runs",
        [PRF_PREVIOUS_SAME] = "no change",
        [PRF_PREVIOUS_REGRESSION] = "regression",
        [PRF_PREVIOUS_IMPROVEMENT] = "improvement",
    };
    return names[verdict];
}

static enum prf_previous_verdict
previous_verdict(const struct prf_previous *p, enum prf_better better, double threshold)
{
    if (isnan(p->p_value)) {
        return PRF_PREVIOUS_FEW;
    }
    bool more = p->ratio > 1 + threshold, less = p->ratio < 1 / (1 + threshold);
    if (better == PRF_BETTER_NONE || !(p->q_value <= PRF_PREVIOUS_ALPHA) ||
        (!more && !less)) {
        return PRF_PREVIOUS_SAME;
    }
    return more == (better == PRF_BETTER_LESS) ? PRF_PREVIOUS_REGRESSION
                                               : PRF_PREVIOUS_IMPROVEMENT;
}

int
prf_previous_judge(struct prf_previous *items, const enum prf_better *better, size_t n,
                   double threshold, struct prf_error *err)
{
    double *p = calloc(n + 1, sizeof *p);
    size_t *of = calloc(n + 1, sizeof *of);
    size_t judged = 0;
    int rc = p == NULL || of == NULL ? prf_fail(err, PRF_ENOMEM, "out of memory") : 0;
    for (size_t i = 0; rc == 0 && i < n; i++) {
        if (!isnan(items[i].p_value) && better[i] != PRF_BETTER_NONE) {
            p[judged] = items[i].p_value;
            of[judged++] = i;
        }
    }
    rc = rc == 0 ? prf_fdr(p, judged, p, err) : rc;
    for (size_t i = 0; rc == 0 && i < judged; i++) {
        items[of[i]].q_value = p[i];
    }
    for (size_t i = 0; rc == 0 && i < n; i++) {
        items[i].verdict = previous_verdict(&items[i], better[i], threshold);
    }
    free(p);
    free(of);
    return rc;
}
