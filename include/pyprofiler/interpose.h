/* What the launcher's own malloc and mmap tell. They are defined in the executable, so
   that libpython, extension modules and most of the C library call them; the plugin
   finds this table with dlsym(RTLD_DEFAULT, PRF_INTERPOSE_SYMBOL). It is not there
   under another host, nor in a build with a sanitizer, which brings a malloc of its
   own. */
#ifndef PYPROFILER_INTERPOSE_H
#define PYPROFILER_INTERPOSE_H

#include <stdbool.h>
#include <stdint.h>

#define PRF_INTERPOSE_ABI 1u
#define PRF_INTERPOSE_SYMBOL "prf_interpose_export"

struct prf_interpose_counts {
    int64_t n_bytes; /* usable bytes that came, less what went; below 0: more went */
    int64_t peak;    /* largest n_bytes, to 64 KiB a thread */
    uint64_t n_allocations;
};

struct prf_interpose {
    uint32_t abi;
    /* Count from zero from now on; off: the counts stay as they are. Any thread. */
    void (*count)(bool on);
    void (*read)(struct prf_interpose_counts *counts);
};

#endif
