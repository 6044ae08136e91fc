/* Amounts as people read them. */
#ifndef PRF_UNITS_H
#define PRF_UNITS_H

#include <stddef.h>

#define PRF_UNIT_TEXT 32 /* room for any amount */

/* "1.234 ms" with a fitting unit, or in `unit` ("s" "ms" "us" "ns") when not NULL. An
   amount that is not finite is "-". Returns `buf`. */
const char *prf_format_time(double ns, const char *unit, char *buf, size_t size);
const char *prf_format_bytes(double bytes, char *buf, size_t size);

/* An amount of any declared unit ("ns" "bytes" "count" "percent" ...); `time_unit` as
   above. */
const char *prf_format_amount(double amount, const char *unit, const char *time_unit,
                              char *buf, size_t size);

/* One scale for a whole column: divide by it, print with so many decimals. */
struct prf_scale {
    double divisor;
    int decimals;
    const char *suffix; /* "ms", "MiB", "" */
};

/* The scale that fits a column whose largest amount is `largest`. */
struct prf_scale prf_scale_for(const char *unit, double largest, const char *time_unit);

#endif
