/* Curves over time as a picture: SVG for every series of a result, its marks as
   labelled lines, its peak. One panel for each unit. No script; light and dark. */
#ifndef PRF_PLOT_H
#define PRF_PLOT_H

#include <stdio.h>

#include "result.h"

/* The name of a curve for people: "rss", "rss, child 2". Returns `buf`. */
const char *prf_plot_name(const struct prf_series *series, char *buf, size_t size);

/* Points with their lowest and highest finite value; false: there are none. */
struct prf_plot_range {
    double low, high;
    double high_at_ns; /* of the first one that is the highest */
    double from_ns, to_ns;
};
bool prf_plot_range(const struct prf_series *series, struct prf_plot_range *out);

/* The peak that the profiler measured between the points of `series` (a metric "peak"
   of its unit that is above `highest`), NAN: there is none. */
double prf_plot_true_peak(const struct prf_profile *profile,
                          const struct prf_series *series, double highest);

/* The whole document. The result has a profile with series. */
void prf_plot_svg(const struct prf_result *result, FILE *out);

#endif
