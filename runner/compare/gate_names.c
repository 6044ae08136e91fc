/* Names of metrics and cases in gates; see gate_names.h. */
#include "gate_names.h"

#include <fnmatch.h>
#include <string.h>

const struct prf_gate_metric prf_gate_own[] = {
    {"stopwatch", "wall_time", "ns"},
    {"stopwatch", "cpu_time", "ns"},
    {"call", "wall_time", "ns"},
    {"callgraph", "wall_time", "ns"},
    {"line", "wall_time", "ns"},
    {"sampling", "wall_time", "ns"},
    {"sampling", "samples_taken", "count"},
    {"memory-line", "wall_time", "ns"},
    {"tracer", "wall_time", "ns"},
    {"tracer", "events", "count"},
    {"tracemalloc", "peak", "bytes"},
    {"tracemalloc", "current", "bytes"},
    {"memory-time", "peak", "bytes"},
    {"memory-time", "start", "bytes"},
    {"memory-time", "end", "bytes"},
    {"memory-time", "increment", "bytes"},
    {"memory-time", "mean", "bytes"},
    {"instructions", "instructions", "count"},
    {"instructions", "data_reads", "count"},
    {"instructions", "data_writes", "count"},
    {"instructions", "l1_misses", "count"},
    {"instructions", "ll_misses", "count"},
    {"instructions", "estimated_cycles", "count"},
};
const size_t prf_gate_n_own = sizeof prf_gate_own / sizeof *prf_gate_own;

/* A profiler that hooks every call makes the time its own, so a plain
   "wall_time" is never judged on what that measured. */
const struct prf_gate_short prf_gate_shorts[] = {
    {"wall_time", "stopwatch", "wall_time"},
    {"cpu_time", "stopwatch", "cpu_time"},
    {"peak_memory", NULL, "peak"},
};
const size_t prf_gate_n_shorts = sizeof prf_gate_shorts / sizeof *prf_gate_shorts;

bool
prf_gate_same(const char *a, size_t len, const char *b)
{
    for (size_t i = 0; i < len; i++) {
        if (b[i] == '\0' || (a[i] == '_' ? '-' : a[i]) != (b[i] == '_' ? '-' : b[i])) {
            return false;
        }
    }
    return b[len] == '\0';
}

int
prf_gate_means(const char *name, const char *profiler, const char *metric)
{
    const char *dot = strchr(name, '.');
    bool limited = false;
    if (dot != NULL) {
        return prf_gate_same(name, (size_t)(dot - name), profiler) &&
                       prf_gate_same(dot + 1, strlen(dot + 1), metric)
                   ? 2
                   : 0;
    }
    for (size_t i = 0; i < prf_gate_n_shorts; i++) {
        const struct prf_gate_short *s = &prf_gate_shorts[i];
        if (prf_gate_same(name, strlen(name), s->name)) {
            limited |= s->profiler != NULL;
            if (strcmp(metric, s->metric) == 0 &&
                (s->profiler == NULL || strcmp(profiler, s->profiler) == 0)) {
                return 1;
            }
        }
    }
    return !limited && prf_gate_same(name, strlen(name), metric);
}

bool
prf_gate_is_profiler(const char *key)
{
    return strpbrk(key, "/:*?[.") == NULL;
}

bool
prf_gate_matches(const char *pattern, const char *case_id)
{
    size_t n = strlen(pattern);
    bool begins = n > 0 && strncmp(case_id, pattern, n) == 0;
    return (begins && (case_id[n] == '\0' || case_id[n] == '[' ||
                       strncmp(case_id + n, "::", 2) == 0 || pattern[n - 1] == '/')) ||
           fnmatch(pattern, case_id, 0) == 0;
}
