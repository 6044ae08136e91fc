/* Statistics of one set of samples; see <pyprofiler/stats.h>. No allocation: a profiler
   calls this between rounds, in the process it measures. */
#include <pyprofiler/stats.h>

#include <math.h>

/* Up to here the rank is counted out; beyond it the normal approximation gives the same
   rank or its neighbour, and 0.5^n would come near the end of a double. */
#define STATS_EXACT_MAX 200

/* Below this even [min, max] covers the median with less than 95 %: 1 - 2 * 0.5^5. */
#define STATS_CI_MIN 6

static void
stats_sift(double *heap, size_t root, size_t n)
{
    double moved = heap[root];
    for (size_t child; (child = 2 * root + 1) < n; root = child) {
        if (child + 1 < n && heap[child + 1] > heap[child]) {
            child++;
        }
        if (heap[child] <= moved) {
            break;
        }
        heap[root] = heap[child];
    }
    heap[root] = moved;
}

/* Heap sort, because qsort() of glibc allocates. */
static void
stats_sort(double *values, size_t n)
{
    for (size_t i = n / 2; i-- > 0;) {
        stats_sift(values, i, n);
    }
    for (size_t end = n; end-- > 1;) {
        double largest = values[0];
        values[0] = values[end];
        values[end] = largest;
        stats_sift(values, 0, end);
    }
}

static size_t
stats_copy_finite(const double *values, size_t n, double *out)
{
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        if (isfinite(values[i])) {
            out[kept++] = values[i];
        }
    }
    return kept;
}

/* Hyndman and Fan's type 7. The weighted sum does not overflow where b - a would. */
static double
stats_quantile(const double *sorted, size_t n, double p)
{
    double h = (double)(n - 1) * p;
    size_t low = (size_t)h;
    if (low + 1 >= n || sorted[low] == sorted[low + 1]) {
        return sorted[low];
    }
    double part = h - (double)low;
    return (1.0 - part) * sorted[low] + part * sorted[low + 1];
}

static void
stats_moments(const double *values, size_t n, struct prf_summary *out)
{
    long double sum = 0, squares = 0;
    for (size_t i = 0; i < n; i++) {
        sum += values[i];
    }
    long double mean = sum / (long double)n;
    for (size_t i = 0; i < n; i++) {
        long double d = values[i] - mean;
        squares += d * d;
    }
    out->mean = (double)mean;
    out->stddev = n > 1 ? (double)sqrtl(squares / (long double)(n - 1)) : 0.0;
}

/* Rank k, from 1, such that [x(k), x(n+1-k)] holds the median with at least 95 %: the
   largest k with P(Binomial(n, 1/2) < k) <= 0.025. n >= STATS_CI_MIN. */
static size_t
stats_ci_rank(size_t n)
{
    if (n > STATS_EXACT_MAX) {
        double x = (double)n;
        return (size_t)((x - 1.959963984540054 * sqrt(x)) / 2.0);
    }
    double term = pow(0.5, (double)n), below = 0.0;
    size_t k = 0;
    while (below + term <= 0.025) {
        below += term;
        term *= (double)(n - k) / (double)(k + 1);
        k++;
    }
    return k;
}

static void
stats_interval(const double *sorted, size_t n, struct prf_summary *out)
{
    size_t k = n < STATS_CI_MIN ? 1 : stats_ci_rank(n);
    out->ci_low = sorted[k - 1];
    out->ci_high = sorted[n - k];
}

static void
stats_outliers(const double *sorted, size_t n, struct prf_summary *out)
{
    double iqr = out->q3 - out->q1;
    for (size_t i = 0; i < n; i++) {
        double beyond = fmax(out->q1 - sorted[i], sorted[i] - out->q3);
        if (beyond > 3.0 * iqr) {
            out->n_severe++;
        } else if (beyond > 1.5 * iqr) {
            out->n_mild++;
        }
    }
}

void
prf_summarize(const double *values, size_t n, double *scratch, struct prf_summary *out)
{
    *out = (struct prf_summary){0};
    n = stats_copy_finite(values, n, scratch);
    if (n == 0) {
        return;
    }
    stats_sort(scratch, n);
    out->n = n;
    out->min = scratch[0];
    out->max = scratch[n - 1];
    stats_moments(scratch, n, out);
    out->median = stats_quantile(scratch, n, 0.5);
    out->q1 = stats_quantile(scratch, n, 0.25);
    out->q3 = stats_quantile(scratch, n, 0.75);
    out->p95 = stats_quantile(scratch, n, 0.95);
    out->p99 = stats_quantile(scratch, n, 0.99);
    stats_interval(scratch, n, out);
    stats_outliers(scratch, n, out);
    for (size_t i = 0; i < n; i++) {
        scratch[i] = fabs(scratch[i] - out->median);
    }
    stats_sort(scratch, n);
    out->mad = stats_quantile(scratch, n, 0.5);
}

double
prf_relative_ci(const struct prf_summary *summary)
{
    if (summary->n < STATS_CI_MIN || summary->median == 0.0) {
        return INFINITY;
    }
    double half = summary->ci_high / 2.0 - summary->ci_low / 2.0;
    return half / fabs(summary->median);
}
