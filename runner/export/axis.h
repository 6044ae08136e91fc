/* An axis that people can read: where it begins and ends, and round numbers on it. */
#ifndef PRF_AXIS_H
#define PRF_AXIS_H

#include <stddef.h>

#include "units.h"

struct prf_axis {
    double low, high; /* of the axis */
    double first;     /* the first tick */
    double step;      /* between ticks, > 0 */
    int n_ticks;
    struct prf_scale scale; /* of the labels; its suffix is the unit */
    int decimals;
};

enum prf_axis_ends {
    PRF_AXIS_EXACT, /* it begins and ends with the amounts */
    PRF_AXIS_ROUND, /* ... with the ticks around them, at 0 when that is not far away */
};

/* An axis for amounts of `unit` ("ns", "bytes", ...) from `min` to `max`, both finite,
   with about `n_ticks` ticks. */
struct prf_axis prf_axis(const char *unit, double min, double max, int n_ticks,
                         enum prf_axis_ends ends);

/* Where `amount` is on the axis: 0 at its beginning, 1 at its end. */
double prf_axis_part(const struct prf_axis *axis, double amount);

/* "0.5": the amount of a tick without the unit. Returns `buf`. */
const char *prf_axis_label(const struct prf_axis *axis, int tick, char *buf,
                           size_t size);

#endif
