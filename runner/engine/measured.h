/* A result and the recording that it was read from. */
#ifndef PRF_MEASURED_H
#define PRF_MEASURED_H

#include <stddef.h>

#include "result.h"

struct prf_measured {
    struct prf_result result;
    void *map;
    size_t map_size;
};

/* Take in the recordings of child processes beside `recording`, then all of it as the
   result's profile. What cannot be read is a note of the result; nothing recorded at
   all is no profile. */
void prf_measured_read(struct prf_measured *measured, const char *recording);
void prf_measured_release(struct prf_measured *measured);

#endif
