/* The clock of the hooks, in ticks: the processor's time stamp counter where it runs at
   one rate in all states and on all cores (10 ns a read, measured), the virtual counter on
   aarch64, else CLOCK_MONOTONIC in nanoseconds (26 ns). Monotonic on one machine, not
   ordered against memory. Any thread, no GIL. */
#ifndef PRF_CLOCK_H
#define PRF_CLOCK_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#if defined(__x86_64__)
#include <x86intrin.h>
#endif

/* True once prf_clock_init has found a usable counter. Written once, before threads. */
extern bool prf_clock_has_counter;

/* Choose the clock and note where it stands. Idempotent; call it as early as possible,
   because calibration compares with this moment. */
void prf_clock_init(void);

/* Nanoseconds a tick; 1.0 for CLOCK_MONOTONIC. Waits until 2 ms have passed since
   prf_clock_init, for 50 ppm; the first call decides for the process and its forks. */
double prf_clock_ns_per_tick(void);

/* CLOCK_MONOTONIC in nanoseconds. */
static inline uint64_t
prf_clock_monotonic_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static inline uint64_t
prf_clock_counter(void)
{
#if defined(__x86_64__)
    return __rdtsc();
#elif defined(__aarch64__)
    uint64_t value;
    __asm__ volatile("mrs %0, cntvct_el0" : "=r"(value));
    return value;
#else
    return 0;
#endif
}

static inline uint64_t
prf_now(void)
{
    return __builtin_expect(prf_clock_has_counter, 1) ? prf_clock_counter()
                                                      : prf_clock_monotonic_ns();
}

#endif
