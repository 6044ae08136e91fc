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
    /* What the repeats of both sides show as noise of the difference of the costs: of a
       side with fewer than six results highest - lowest, with more half of the interval
       that holds the median with 95 %. 0: one result a side. */
    double noise;
    bool counted; /* all results of a side have the same number of calls */
};

/* Numbers of calls of both sides that are exact and not the same, or calls on one side
   only. */
bool prf_amount_counts(const struct prf_amount *amount);

/* next - base, 0 when it is no more than the repeats show and calls say nothing else.
 */
double prf_amount_change(const struct prf_amount *amount);

/* Rows with the same key, side and result add up. Sorts `rows`; *out is the arena's, by
   key. n_results: of each side. PRF_ENOMEM. */
int prf_amounts_fold(struct prf_amount_row *rows, size_t n,
                     const size_t n_results[PRF_DIFF_SIDES], struct prf_arena *arena,
                     struct prf_amount **out, size_t *n_out);

#endif
