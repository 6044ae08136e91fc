/* Amounts as people read them; see units.h. */
#include "units.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

struct units_step {
    const char *name;
    double size;
};

static const struct units_step units_time[] = {
    {"s", 1e9}, {"ms", 1e6}, {"us", 1e3}, {"ns", 1.0}, {NULL, 0}};
static const struct units_step units_bytes[] = {{"TiB", 1099511627776.0},
                                                {"GiB", 1073741824.0},
                                                {"MiB", 1048576.0},
                                                {"KiB", 1024.0},
                                                {"B", 1.0},
                                                {NULL, 0}};

/* The largest step that is not above the amount, else the smallest. */
static const struct units_step *
units_fit(const struct units_step *steps, double amount)
{
    const struct units_step *step = steps;
    while (step[1].name != NULL && fabs(amount) < step->size) {
        step++;
    }
    return step;
}

static const struct units_step *
units_named(const struct units_step *steps, const char *name)
{
    for (const struct units_step *step = steps; name != NULL && step->name; step++) {
        if (strcmp(step->name, name) == 0) {
            return step;
        }
    }
    return NULL;
}

struct prf_scale
prf_scale_for(const char *unit, double largest, const char *time_unit)
{
    const struct units_step *step = NULL;
    if (strcmp(unit, "ns") == 0) {
        step = units_named(units_time, time_unit);
        step = step != NULL ? step : units_fit(units_time, largest);
    } else if (strcmp(unit, "bytes") == 0) {
        step = units_fit(units_bytes, largest);
    }
    if (step != NULL) {
        return (struct prf_scale){step->size, step->size == 1.0 ? 0 : 3, step->name};
    }
    if (strcmp(unit, "percent") == 0) {
        return (struct prf_scale){1.0, 1, "%"};
    }
    return (struct prf_scale){1.0, 0, strcmp(unit, "count") == 0 ? "" : unit};
}

const char *
prf_format_amount(double amount, const char *unit, const char *time_unit, char *buf,
                  size_t size)
{
    if (!isfinite(amount)) {
        snprintf(buf, size, "-");
        return buf;
    }
    struct prf_scale scale = prf_scale_for(unit, amount, time_unit);
    double scaled = amount / scale.divisor;
    /* A whole number stays one; a fraction (a mean of counts) keeps its decimals. */
    int decimals = scale.decimals == 0 && scaled != rint(scaled) ? 1 : scale.decimals;
    /* 1e15: as many digits as a double holds, and as the caller's room does. */
    snprintf(buf, size, fabs(scaled) < 1e15 ? "%.*f%s%s" : "%.*e%s%s", decimals, scaled,
             scale.suffix[0] != '\0' ? " " : "", scale.suffix);
    return buf;
}

const char *
prf_format_time(double ns, const char *unit, char *buf, size_t size)
{
    return prf_format_amount(ns, "ns", unit, buf, size);
}

const char *
prf_format_bytes(double bytes, char *buf, size_t size)
{
    return prf_format_amount(bytes, "bytes", NULL, buf, size);
}
