/* Trees of two sides in one; see merged_tree.h. */
#include "merged_tree.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "diff_columns.h"
#include "strbuf.h"

struct merge {
    struct prf_merged_tree *tree;
    const struct prf_match *match;
    const struct prf_side_profiles *sides;
    const char *column;
    struct prf_amount_row *rows;
    size_t n_rows;
    uint32_t *node_of; /* of the profile that is read: its node -> ours */
    uint64_t *keys;    /* (parent, item) by open addressing, 0: free */
    uint32_t *nodes;
    size_t mask;
};

static uint32_t
merge_node(struct merge *m, uint32_t parent, uint32_t item)
{
    uint64_t key = ((uint64_t)parent << 32 | item) + 1;
    size_t i = (size_t)(key * 0x9E3779B97F4A7C15u >> 20) & m->mask;
    while (m->keys[i] != 0 && m->keys[i] != key) {
        i = (i + 1) & m->mask;
    }
    if (m->keys[i] == 0) {
        m->keys[i] = key;
        m->nodes[i] = (uint32_t)m->tree->n++;
        m->tree->parent[m->nodes[i]] = parent;
        m->tree->item[m->nodes[i]] = item;
    }
    return m->nodes[i];
}

static int
merge_no_column(const struct prf_tree *tree, const char *column, struct prf_error *err)
{
    struct prf_strbuf names = PRF_STRBUF_INIT;
    for (size_t i = 0; i < tree->n_columns; i++) {
        prf_strbuf_addf(&names, "%s%s", i > 0 ? ", " : "", tree->columns[i].name);
    }
    int rc = prf_fail(err, PRF_ENOTFOUND, "stacks have no column '%s': there are %s",
                      column, prf_strbuf_text(&names));
    prf_strbuf_release(&names);
    return rc;
}

static int
merge_profile(struct merge *m, enum prf_diff_side side, uint32_t result,
              struct prf_error *err)
{
    const struct prf_tree *t = &m->sides[side].profiles[result]->tree;
    const uint32_t *item_of = m->match->of[side][result];
    struct prf_diff_columns at = prf_diff_columns(t->columns, t->n_columns, m->column);
    if (t->n <= 1) {
        return 0;
    }
    if (at.cost < 0) {
        return merge_no_column(t, m->column != NULL ? m->column : "", err);
    }
    m->tree->column = t->columns[at.cost].name;
    m->tree->unit = t->columns[at.cost].unit;
    m->node_of[0] = 0;
    for (size_t i = 1; i < t->n; i++) {
        const int64_t *row = t->values + i * t->n_columns;
        m->node_of[i] = merge_node(m, m->node_of[t->parent[i]], item_of[t->code[i]]);
        m->rows[m->n_rows++] = (struct prf_amount_row){
            .a = m->node_of[i],
            .side = side,
            .result = result,
            .cost = (double)row[at.cost],
            .calls = at.calls >= 0 ? (double)row[at.calls] : (double)NAN};
    }
    return 0;
}

/* Nodes of all profiles, and of the largest one. False: a side has none. */
static bool
merge_count(const struct prf_side_profiles sides[PRF_DIFF_SIDES], size_t *all,
            size_t *largest)
{
    size_t of_side[PRF_DIFF_SIDES] = {0, 0};
    *largest = 1;
    for (int side = 0; side < PRF_DIFF_SIDES; side++) {
        for (size_t i = 0; i < sides[side].n; i++) {
            size_t n = sides[side].profiles[i]->tree.n;
            of_side[side] += n > 1 ? n : 0;
            *largest = n > *largest ? n : *largest;
        }
    }
    *all = of_side[0] + of_side[1] + 1;
    return of_side[0] > 0 && of_side[1] > 0;
}

static int
merge_reserve(struct merge *m, size_t n, size_t largest, struct prf_arena *arena)
{
    size_t slots = 16;
    while (slots < 2 * n) {
        slots *= 2;
    }
    m->mask = slots - 1;
    m->keys = calloc(slots, sizeof *m->keys);
    m->nodes = calloc(slots, sizeof *m->nodes);
    m->rows = calloc(n, sizeof *m->rows);
    m->node_of = calloc(largest, sizeof *m->node_of);
    m->tree->parent = prf_arena_alloc(arena, n * sizeof *m->tree->parent);
    m->tree->item = prf_arena_alloc(arena, n * sizeof *m->tree->item);
    return m->keys && m->nodes && m->rows && m->node_of && m->tree->parent &&
                   m->tree->item
               ? 0
               : PRF_ENOMEM;
}

/* Each node has a row, so that the amounts are in the order of the nodes. */
static int
merge_fold(struct merge *m, struct prf_arena *arena)
{
    const size_t n_results[PRF_DIFF_SIDES] = {m->sides[0].n, m->sides[1].n};
    struct prf_amount *amounts;
    size_t n;
    int rc = prf_amounts_fold(m->rows, m->n_rows, n_results, arena, &amounts, &n);
    m->tree->amounts = prf_arena_alloc(arena, m->tree->n * sizeof *amounts);
    if (rc < 0 || m->tree->amounts == NULL) {
        return PRF_ENOMEM;
    }
    memcpy(m->tree->amounts + 1, amounts, n * sizeof *amounts);
    return 0;
}

int
prf_merged_tree_build(struct prf_merged_tree *tree, const struct prf_match *match,
                      const struct prf_side_profiles sides[PRF_DIFF_SIDES],
                      const char *column, struct prf_arena *arena,
                      struct prf_error *err)
{
    struct merge m = {.tree = tree, .match = match, .sides = sides, .column = column};
    size_t n, largest;
    *tree = (struct prf_merged_tree){.n = 1};
    if (!merge_count(sides, &n, &largest)) {
        return 0;
    }
    int rc = merge_reserve(&m, n, largest, arena);
    for (int side = 0; side < PRF_DIFF_SIDES; side++) {
        for (uint32_t i = 0; rc == 0 && i < sides[side].n; i++) {
            rc = merge_profile(&m, side, i, err);
        }
    }
    if (rc == 0) {
        rc = merge_fold(&m, arena);
    }
    free(m.keys);
    free(m.nodes);
    free(m.rows);
    free(m.node_of);
    return rc == PRF_ENOMEM ? prf_fail(err, rc, "out of memory") : rc;
}
