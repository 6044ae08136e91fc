/* The calling-context trees of all results of two sides as one tree, whose nodes have
   the amounts of both sides. */
#ifndef PRF_MERGED_TREE_H
#define PRF_MERGED_TREE_H

#include "amounts.h"
#include "match.h"

struct prf_merged_tree {
    size_t n;                   /* nodes, the root included */
    uint32_t *parent;           /* parents come before their children */
    uint32_t *item;             /* index in the match, 0 for the root */
    struct prf_amount *amounts; /* own amounts of each node; the root's are 0 */
    const char *column, *unit;  /* of the cost; borrowed */
};

/* `column` NULL: own cost. n is 1 when a side has no tree. PRF_ENOTFOUND: no such
   column (names those that there are); PRF_ENOMEM. Everything is the arena's. */
int prf_merged_tree_build(struct prf_merged_tree *tree, const struct prf_match *match,
                          const struct prf_side_profiles sides[PRF_DIFF_SIDES],
                          const char *column, struct prf_arena *arena,
                          struct prf_error *err);

#endif
