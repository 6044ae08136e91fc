/* Where the cost of a result is: the functions or lines with most of it, from whatever
   the result has. Functions with times come first, then lines with memory, then other
   amounts; stacks of snapshots last. No profiler is known by its name. */
#ifndef PRF_HOTSPOTS_H
#define PRF_HOTSPOTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <pyprofiler/error.h>

#include "arena.h"
#include "result.h"

struct prf_hotspot {
    const struct prf_function *function; /* borrowed from the profile */
    uint32_t line; /* of the row, or the function's first; 0: none */
    double calls;  /* or how often a line ran; NAN: not known */
    double own;    /* NAN: not known */
    double total;  /* with what it calls; NAN: not known */
};

struct prf_hotspots {
    struct prf_hotspot *items; /* the largest first */
    size_t n;                  /* as many as were asked for, or fewer */
    size_t n_all;              /* functions or lines with a cost */
    const char *unit;          /* of own and total: "ns" "bytes" "count" */
    const char *what;          /* "time" "memory" "instructions" */
    bool lines;                /* they are lines, else functions */
    double whole;              /* what is 100 %; > 0 when n is */
    /* Columns of the sites that the amounts are the sums of; NULL: not of the sites. */
    const char *own_column, *total_column, *calls_column;
    const char *none; /* n is 0: why, for people */
};

/* At most `most` of them; everything is the arena's or the profile's. PRF_ENOMEM. */
int prf_hotspots_find(const struct prf_result *result, size_t most,
                      struct prf_arena *arena, struct prf_hotspots *out,
                      struct prf_error *err);

/* The cost that they are sorted by: own, else total. */
double prf_hotspot_cost(const struct prf_hotspot *hotspot);

/* A part of the whole, 0 to 1 but for rounding; NAN for NAN. */
double prf_hotspot_part(const struct prf_hotspots *hotspots, double amount);

#endif
