/* Benjamini and Hochberg's step-up procedure; see fdr.h. */
#include "fdr.h"

#include <math.h>
#include <stdlib.h>

struct fdr_item {
    double p;
    size_t at;
};

static int
fdr_by_p(const void *a, const void *b)
{
    double x = ((const struct fdr_item *)a)->p, y = ((const struct fdr_item *)b)->p;
    return (x > y) - (x < y);
}

int
prf_fdr(const double *p, size_t n, double *q, struct prf_error *err)
{
    if (n == 0) {
        return 0;
    }
    struct fdr_item *items = malloc(n * sizeof *items);
    if (items == NULL) {
        return prf_fail(err, PRF_ENOMEM, "out of memory");
    }
    for (size_t i = 0; i < n; i++) {
        items[i] = (struct fdr_item){isnan(p[i]) ? 1.0 : p[i], i};
    }
    qsort(items, n, sizeof *items, fdr_by_p);
    double smallest = 1.0;
    for (size_t i = n; i-- > 0;) {
        smallest = fmin(smallest, items[i].p * (double)n / (double)(i + 1));
        q[items[i].at] = smallest;
    }
    free(items);
    return 0;
}
