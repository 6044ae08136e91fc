/* Inside the folder: which metric a name in a gate means, which cases a pattern. */
#ifndef PRF_GATE_NAMES_H
#define PRF_GATE_NAMES_H

#include "gate.h"

/* Short names. */
struct prf_gate_short {
    const char *name;
    const char *profiler; /* NULL: any */
    const char *metric;
};
extern const struct prf_gate_short prf_gate_shorts[];
extern const size_t prf_gate_n_shorts;

/* Equal, '_' and '-' being the same, up to `len` bytes of `a`? */
bool prf_gate_same(const char *a, size_t len, const char *b);

/* Does a name mean the metric? 2: exactly, with its profiler. */
int prf_gate_means(const char *name, const char *profiler, const char *metric);

/* A key without '/', ':' or '*' matches no case: tracemalloc.peak = "64 MB", unquoted,
   is the table "tracemalloc" to TOML. */
bool prf_gate_is_profiler(const char *key);

/* A pattern of the shell, a whole id, or the beginning of one as targets have it. */
bool prf_gate_matches(const char *pattern, const char *case_id);

#endif
