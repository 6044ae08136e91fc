/* Ticks at 1, 2 or 5 times a power of ten of the unit that fits; see axis.h. */
#include "axis.h"

#include <math.h>
#include <stdio.h>

/* The round number that is nearest to `amount` > 0, by ratio. */
static double
axis_round(double amount)
{
    double power = pow(10, floor(log10(amount))), part = amount / power;
    return power * (part < 1.5 ? 1 : part < 3.2 ? 2 : part < 7.1 ? 5 : 10);
}

struct prf_axis
prf_axis(const char *unit, double min, double max, int n_ticks, enum prf_axis_ends ends)
{
    struct prf_axis axis = {.low = min, .high = max};
    if (ends == PRF_AXIS_ROUND && min > 0 && min < max / 2) {
        axis.low = 0;
    }
    axis.scale = prf_scale_for(unit, fmax(fabs(min), fabs(max)), NULL);
    double divisor = axis.scale.divisor, span = axis.high - axis.low;
    if (!(span > 0)) { /* one amount: a unit's step around it is as good as any */
        span = fmax(fabs(max) / divisor, 1) * divisor / 10;
        axis.high += span;
    }
    axis.step = axis_round(span / divisor / n_ticks) * divisor;
    if (ends == PRF_AXIS_ROUND) {
        axis.low = floor(axis.low / axis.step) * axis.step;
        axis.high = ceil(axis.high / axis.step - 1e-9) * axis.step;
    }
    axis.first = ceil(axis.low / axis.step - 1e-9) * axis.step;
    axis.n_ticks = 1 + (int)floor((axis.high - axis.first) / axis.step + 1e-9);
    axis.decimals = (int)fmax(0, -floor(log10(axis.step / divisor) + 1e-9));
    return axis;
}

double
prf_axis_part(const struct prf_axis *axis, double amount)
{
    return (amount - axis->low) / (axis->high - axis->low);
}

const char *
prf_axis_label(const struct prf_axis *axis, int tick, char *buf, size_t size)
{
    double amount = (axis->first + tick * axis->step) / axis->scale.divisor;
    /* "-0" is what rounding makes of almost nothing. */
    snprintf(buf, size, "%.*f", axis->decimals,
             fabs(amount) < axis->step / axis->scale.divisor / 1e6 ? 0.0 : amount);
    return buf;
}
