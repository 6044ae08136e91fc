/* Amounts of the results of two sides by key: functions, lines, edges, nodes of a tree.
   A result that has no row for a key has the amount 0. */
#ifndef PRF_AMOUNTS_H
#define PRF_AMOUNTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena.h"
#include "match.h"

struct prf_amount_row {
    uint32_t a, b; /* the key */
    uint32_t side; /* enum prf_diff_side */
    uint32_t result;
    double cost;
    double calls; /* NAN: not known */
};

struct prf_amount {
    uint32_t a, b;
    bool on[PRF_DIFF_SIDES];      /* some result of the side has it */
    double cost[PRF_DIFF_SIDES];  /* medians over all results of the side */
    double calls[PRF_DIFF_SIDES]; /* likewise; NAN: not known */
    /* Where the median of the costs lies: with fewer than six results from the lowest
       to the highest, with more the interval that holds it with 95 %. */
    double low[PRF_DIFF_SIDES], high[PRF_DIFF_SIDES];
    double mean[PRF_DIFF_SIDES];
    double squares[PRF_DIFF_SIDES]; /* sums of squared deviations from these */
    size_t n[PRF_DIFF_SIDES];       /* results of each side */
    bool counted; /* all results of a side have the same number of calls */
};

/* Numbers of calls of both sides that are exact and not the same, or calls on one side
   only. */
bool prf_amount_counts(const struct prf_amount *amount);

/* next - base, 0 when it is no more than the repeats show and calls say nothing else:
   the intervals must lie apart, and of fewer than five results a side, whose ranges do
   so by chance too often, a t test must be sure at 1 % (5 % where a side has one). */
double prf_amount_change(const struct prf_amount *amount);

/* Rows with the same key, side and result add up. Sorts `rows`; *out is the arena's, by
   key. n_results: of each side. PRF_ENOMEM. */
int prf_amounts_fold(struct prf_amount_row *rows, size_t n,
                     const size_t n_results[PRF_DIFF_SIDES], struct prf_arena *arena,
                     struct prf_amount **out, size_t *n_out);

#endif
