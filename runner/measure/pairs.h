/* Two sides measured alternately, A B B A: what drifts on the machine meets both alike.
   Each pair is one fresh process of either side; a case is measured until each of its
   metrics has a verdict. */
#ifndef PRF_PAIRS_H
#define PRF_PAIRS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <pyprofiler/options.h> /* struct prf_strlist */

#include "arena.h"
#include "change.h"
#include "side.h"

/* A metric of a case: process i of one side was measured beside process i of the other.
 */
struct prf_pair_metric {
    const char *name, *unit;
    enum prf_better better;
    struct prf_process_values *base, *next; /* n of each */
    size_t n, capacity;
    struct prf_change change; /* after the last look */
    bool settled;
};

/* One case under one profiler. Strings are the pairs' arena's. */
struct prf_pair {
    const char *case_id, *profiler, *case_file, *budget;
    int case_line;
    const struct prf_measure_item *base, *next; /* NULL: not on that side */
    const char *why;                            /* it is not measured; NULL: it is */
    bool source_changed;
    bool settled;
    struct prf_pair_metric *metrics;
    size_t n_metrics;
    size_t n;                              /* pairs of processes */
    const char *base_result, *next_result; /* ids of the newest ones, or NULL */
};

struct prf_pairs {
    struct prf_arena arena;
    struct prf_measure_side *base, *next;
    const struct prf_change_rules *rules;
    const struct prf_strlist *metrics; /* only these; NULL or empty: all */
    bool first_decides; /* the profiler's first metric settles a pair, not all of them;
                           set after prf_pairs_make */
    struct prf_pair *items;
    size_t n, n_open; /* all; those that can be measured and are not settled */
    size_t n_cases; /* n_open of the beginning: the error rate is shared out to them */
};

/* The cases of both sides, which are planned. Borrows from the sides and the rules,
   which stay. PRF_ENOMEM. Release in any case. */
int prf_pairs_make(struct prf_pairs *pairs, struct prf_measure_side *base,
                   struct prf_measure_side *next, const struct prf_change_rules *rules,
                   const struct prf_strlist *metrics, struct prf_error *err);

/* Measure an open pair once more on both sides, the other side first than the last
   time, and look whether it is settled. A side on which the case fails settles it.
   *spare (or NULL) gets the first failure to store. PRF_EINTERRUPTED, PRF_ENOMEM. */
int prf_pairs_measure(struct prf_pairs *pairs, struct prf_pair *pair,
                      struct prf_error *spare, struct prf_error *err);

/* Give a pair up that was never measured. */
void prf_pairs_give_up(struct prf_pairs *pairs, struct prf_pair *pair, const char *why);

void prf_pairs_release(struct prf_pairs *pairs);

#endif
