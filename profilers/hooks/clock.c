/* Choosing and calibrating the clock of the hooks. */
#include "clock.h"

#include <stdio.h>
#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#define CLOCK_CALIBRATION_NS 2000000u /* 50 ns of jitter in it are 25 ppm */

bool prf_clock_has_counter;

struct clock_pair {
    uint64_t ns;
    uint64_t ticks;
};

static struct clock_pair clock_anchor; /* written once by prf_clock_init */
static double clock_ns_per_tick;       /* 0: not calibrated yet */

#if defined(__x86_64__)
/* The kernel distrusts the counter (unsynchronised cores, a migrated virtual machine)
   when it uses another clock source itself. */
static bool
clock_kernel_uses_tsc(void)
{
    char word[32] = "";
    FILE *f = fopen("/sys/devices/system/clocksource/clocksource0/current_clocksource",
                    "re");
    if (f == NULL) {
        return false;
    }
    if (fgets(word, sizeof(word), f) == NULL) {
        word[0] = '\0';
    }
    fclose(f);
    return strcmp(word, "tsc\n") == 0;
}

static bool
clock_counter_usable(void)
{
    unsigned a, b, c, d;
    bool invariant = __get_cpuid(0x80000007u, &a, &b, &c, &d) && (d & (1u << 8)) != 0;
    return invariant && clock_kernel_uses_tsc();
}
#elif defined(__aarch64__)
static bool
clock_counter_usable(void)
{
    return true; /* the architecture promises one constant rate */
}
#else
static bool
clock_counter_usable(void)
{
    return false;
}
#endif

/* Both clocks at one moment: of some tries the one that took least between its ends. */
static struct clock_pair
clock_read_pair(void)
{
    struct clock_pair best = {0, 0};
    uint64_t width = UINT64_MAX;
    for (int i = 0; i < 8; i++) {
        uint64_t before = prf_clock_counter();
        uint64_t ns = prf_clock_monotonic_ns();
        uint64_t after = prf_clock_counter();
        if (after - before < width) {
            width = after - before;
            best = (struct clock_pair){ns, before + width / 2};
        }
    }
    return best;
}

void
prf_clock_init(void)
{
    if (clock_anchor.ns != 0) {
        return;
    }
    prf_clock_has_counter = clock_counter_usable();
    clock_anchor = clock_read_pair();
}

double
prf_clock_ns_per_tick(void)
{
    prf_clock_init();
    if (clock_ns_per_tick > 0) {
        return clock_ns_per_tick;
    }
    if (!prf_clock_has_counter) {
        return clock_ns_per_tick = 1.0;
    }
    while (prf_clock_monotonic_ns() - clock_anchor.ns < CLOCK_CALIBRATION_NS) {
    }
    struct clock_pair now = clock_read_pair();
    double ns = (double)(now.ns - clock_anchor.ns);
    return clock_ns_per_tick = ns / (double)(now.ticks - clock_anchor.ticks);
}
