/* A layer over Python's allocators while tracemalloc traces: which block made the most
   bytes be held at once. Two comparisons an allocation, one a free (measured: 1-2 ns of
   tracemalloc's 400). Installing and removing need the GIL; the hooks run with and
   without it. */
#ifndef PRF_ALLOCATOR_H
#define PRF_ALLOCATOR_H

#include <stdbool.h>
#include <stddef.h>

struct prf_allocator_peak {
    size_t n_bytes;        /* traced in all; 0: nothing was seen */
    const void *traceback; /* see traces.h; NULL: not known */
    bool foreign;          /* made by memory that an extension module tracks itself */
};

/* Put the layer over what is there; `current` is what prf_traces_counter gave. False:
   it could not be removed before and is still in the way. */
bool prf_allocator_install(const volatile size_t *current);

/* Take it off, if nobody put another over it. False: somebody did, or replaced it. */
bool prf_allocator_remove(void);

/* From now on (true) to the next call no allocation makes a peak: what runs is ours.
   With the GIL; without a layer it does nothing. */
void prf_allocator_look_away(bool away);

/* The peak since it was installed. */
struct prf_allocator_peak prf_allocator_peak(void);

#endif
