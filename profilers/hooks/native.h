/* Memory that this process took from the C library, malloc and anonymous mmap, as the
   launcher counts it in its own malloc: exact to the byte for the thread that asks, to
   64 KiB for every other, without a system call. Python's allocators stand on it: small
   objects come in arenas of 256 KiB or 1 MiB. Any thread, no GIL. */
#ifndef PRF_NATIVE_H
#define PRF_NATIVE_H

#include <stdint.h>

#include <pyprofiler/error.h>
#include <pyprofiler/interpose.h>

/* The launcher's table. PRF_EUNAVAILABLE: this process was not started by it, or a
   sanitizer has malloc's place. */
int prf_native_find(const struct prf_interpose **out, struct prf_error *err);

/* Bytes since counting began, less what was given back. */
static inline int64_t
prf_native_bytes(const struct prf_interpose *native)
{
    struct prf_interpose_counts counts;
    native->read(&counts);
    return counts.n_bytes;
}

#endif
