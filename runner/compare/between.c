/* Noise between processes; see between.h. */
#include "between.h"

#include <math.h>
#include <stdlib.h>

#define BETWEEN_FREEDOM_MIN 4

static int
between_order(const void *left, const void *right)
{
    const struct prf_between_value *a = left;
    const struct prf_between_value *b = right;
    return (a->code > b->code) - (a->code < b->code);
}

/* Squared deviations of the logarithms from their mean; a deviation of a logarithm is a
   relative one. */
static double
between_squares(const struct prf_between_value *values, size_t n, size_t *n_good)
{
    double sum = 0.0, squares = 0.0;
    *n_good = 0;
    for (size_t i = 0; i < n; i++) {
        if (values[i].median > 0.0 && isfinite(values[i].median)) {
            sum += log(values[i].median);
            ++*n_good;
        }
    }
    for (size_t i = 0; i < n; i++) {
        if (values[i].median > 0.0 && isfinite(values[i].median)) {
            double d = log(values[i].median) - sum / (double)*n_good;
            squares += d * d;
        }
    }
    return squares;
}

/* What a chi-squared variable exceeds with 80 %, by Wilson and Hilferty; within 1 %
   from four degrees of freedom on. */
static double
between_chi2(double freedom)
{
    double a = 2.0 / (9.0 * freedom);
    double root = 1.0 - a - 0.8416212335729143 * sqrt(a);
    return freedom * root * root * root;
}

double
prf_between(struct prf_between_value *values, size_t n)
{
    double squares = 0.0;
    size_t freedom = 0;
    if (n > 0) {
        qsort(values, n, sizeof *values, between_order);
    }
    for (size_t i = 0, end; i < n; i = end) {
        size_t n_good;
        for (end = i + 1; end < n && values[end].code == values[i].code; end++) {
        }
        squares += between_squares(values + i, end - i, &n_good);
        freedom += n_good > 0 ? n_good - 1 : 0;
    }
    return freedom < BETWEEN_FREEDOM_MIN
               ? -1.0
               : sqrt(squares / between_chi2((double)freedom));
}

/* The k-th smallest comes to its place, smaller ones before it (Hoare). */
static double
between_select(double *values, size_t n, size_t k)
{
    size_t low = 0, high = n - 1;
    while (low < high) {
        double pivot = values[k];
        size_t i = low, j = high;
        do {
            while (values[i] < pivot) {
                i++;
            }
            while (pivot < values[j]) {
                j--;
            }
            if (i <= j) {
                double swapped = values[i];
                values[i++] = values[j];
                values[j] = swapped;
                if (j == 0) {
                    break;
                }
                j--;
            }
        } while (i <= j);
        if (j < k) {
            low = i;
        }
        if (k < i) {
            high = j;
        }
    }
    return values[k];
}

double
prf_between_median(double *values, size_t n)
{
    double upper = between_select(values, n, n / 2);
    if (n % 2 == 1) {
        return upper;
    }
    double lower = values[0];
    for (size_t i = 1; i < n / 2; i++) {
        lower = values[i] > lower ? values[i] : lower;
    }
    return lower / 2.0 + upper / 2.0;
}
