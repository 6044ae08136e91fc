/* Between the two files of the speedscope format. */
#ifndef PRF_SPEEDSCOPE_H
#define PRF_SPEEDSCOPE_H

#include <stdio.h>

#include "exporter.h"

/* Write a profile for each thread that has events, after a comma if `comma`. Function n
   of the result is frame base + n. PRF_EIO, PRF_ENOMEM. */
int prf_speedscope_events(FILE *out, const struct prf_result *result, uint32_t base,
                          bool comma, struct prf_error *err);

#endif
