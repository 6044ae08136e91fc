/* Folding the calling-context tree; see fold.h. */
#include "fold.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* (caller, callee) -> index of the edge, by open addressing. */
struct edge_map {
    uint64_t *keys; /* caller << 32 | callee, 0: free (callee is never 0) */
    uint32_t *edges;
    size_t mask;
};

struct fold {
    struct prf_profile *p;
    const enum prf_fold *folds;
    int64_t *inclusive;   /* of node i at i * n_columns */
    uint32_t *child;      /* first child of a node, 0: none */
    uint32_t *sibling;    /* next child of the same parent */
    uint32_t *site_of;    /* code -> site + 1 */
    uint32_t *site_depth; /* how often the site's function is on the stack now */
    uint32_t *edge_of;    /* node -> edge + 1, 0: called from the root */
    uint32_t *edge_depth;
    struct edge_map map;
};

static uint32_t
edge_map_get(struct edge_map *map, uint32_t caller, uint32_t callee, uint32_t next)
{
    uint64_t key = (uint64_t)caller << 32 | callee;
    size_t i = (size_t)(key * 0x9E3779B97F4A7C15u >> 20) & map->mask;
    while (map->keys[i] != 0 && map->keys[i] != key) {
        i = (i + 1) & map->mask;
    }
    if (map->keys[i] == 0) {
        map->keys[i] = key;
        map->edges[i] = next;
    }
    return map->edges[i];
}

/* Number the functions and edges that occur, in order of first appearance. */
static void
fold_number(struct fold *f)
{
    struct prf_profile *p = f->p;
    struct prf_tree *t = &p->tree;
    for (uint32_t i = 1; i < t->n; i++) {
        uint32_t code = t->code[i], caller = t->code[t->parent[i]];
        if (f->site_of[code] == 0) {
            p->sites.keys[p->sites.n] = (struct prf_key){.code = code, .other = 0};
            f->site_of[code] = (uint32_t)++p->sites.n;
        }
        if (t->parent[i] != 0) {
            uint32_t next = (uint32_t)p->edges.n;
            uint32_t edge = edge_map_get(&f->map, caller, code, next);
            if (edge == next) {
                p->edges.keys[p->edges.n++] =
                    (struct prf_key){.code = caller, .other = code};
            }
            f->edge_of[i] = edge + 1;
        }
    }
}

static void
fold_sum_subtrees(struct fold *f)
{
    struct prf_tree *t = &f->p->tree;
    memcpy(f->inclusive, t->values, t->n * t->n_columns * sizeof *f->inclusive);
    for (size_t i = t->n - 1; i > 0; i--) {
        uint32_t parent = t->parent[i];
        for (size_t c = 0; c < t->n_columns; c++) {
            f->inclusive[parent * t->n_columns + c] +=
                f->inclusive[i * t->n_columns + c];
        }
        f->sibling[i] = f->child[parent];
        f->child[parent] = (uint32_t)i;
    }
}

/* Add node `i` to a row of sites or edges; two columns of it per column of the tree. */
static void
fold_add(struct fold *f, uint32_t i, int64_t *row, bool outermost)
{
    struct prf_tree *t = &f->p->tree;
    for (size_t c = 0; c < t->n_columns; c++) {
        int64_t own = t->values[i * t->n_columns + c];
        row[2 * c] += own;
        if (outermost) {
            row[2 * c + 1] += f->folds[c] == PRF_FOLD_CALLS
                                  ? own
                                  : f->inclusive[i * t->n_columns + c];
        }
    }
}

static void
fold_enter(struct fold *f, uint32_t i)
{
    struct prf_profile *p = f->p;
    uint32_t site = f->site_of[p->tree.code[i]] - 1;
    fold_add(f, i, p->sites.values + site * p->sites.n_columns,
             f->site_depth[site]++ == 0);
    if (f->edge_of[i] != 0) {
        uint32_t edge = f->edge_of[i] - 1;
        fold_add(f, i, p->edges.values + edge * p->edges.n_columns,
                 f->edge_depth[edge]++ == 0);
    }
}

static void
fold_leave(struct fold *f, uint32_t i)
{
    f->site_depth[f->site_of[f->p->tree.code[i]] - 1]--;
    if (f->edge_of[i] != 0) {
        f->edge_depth[f->edge_of[i] - 1]--;
    }
}

/* Depth first, without recursion: parents are known, so no stack is needed. */
static void
fold_walk(struct fold *f)
{
    uint32_t i = 0;
    for (;;) {
        if (f->child[i] != 0) {
            i = f->child[i];
            fold_enter(f, i);
            continue;
        }
        while (i != 0 && f->sibling[i] == 0) {
            fold_leave(f, i);
            i = f->p->tree.parent[i];
        }
        if (i == 0) {
            return;
        }
        fold_leave(f, i);
        i = f->sibling[i];
        fold_enter(f, i);
    }
}

static int
fold_columns(struct prf_profile *p, const enum prf_fold *folds, struct prf_table *table)
{
    struct prf_tree *t = &p->tree;
    table->n_columns = 2 * t->n_columns;
    table->columns =
        prf_arena_alloc(&p->arena, table->n_columns * sizeof *table->columns);
    if (table->columns == NULL) {
        return PRF_ENOMEM;
    }
    for (size_t c = 0; c < t->n_columns; c++) {
        struct prf_column *own = &table->columns[2 * c], *all = own + 1;
        *own = *all = t->columns[c];
        if (folds[c] == PRF_FOLD_CALLS) {
            all->name = "primitive_calls";
            continue;
        }
        /* The tree's column is "own_x" already. */
        const char *bare = t->columns[c].name + strlen("own_");
        char name[128];
        snprintf(name, sizeof name, "cumulative_%s", bare);
        all->name = prf_arena_strdup(&p->arena, name);
        if (all->name == NULL) {
            return PRF_ENOMEM;
        }
    }
    return 0;
}

static int
fold_reserve(struct fold *f)
{
    struct prf_profile *p = f->p;
    size_t n = p->tree.n, columns = p->tree.n_columns;
    size_t slots = 16;
    while (slots < 2 * n) {
        slots *= 2;
    }
    f->map.mask = slots - 1;
    f->map.keys = calloc(slots, sizeof *f->map.keys);
    f->map.edges = calloc(slots, sizeof *f->map.edges);
    f->inclusive = calloc(n * columns, sizeof *f->inclusive);
    f->child = calloc(n, sizeof *f->child);
    f->sibling = calloc(n, sizeof *f->sibling);
    f->edge_of = calloc(n, sizeof *f->edge_of);
    f->edge_depth = calloc(n, sizeof *f->edge_depth);
    f->site_of = calloc(p->n_codes, sizeof *f->site_of);
    f->site_depth = calloc(p->n_codes, sizeof *f->site_depth);
    p->sites.keys = prf_arena_alloc(&p->arena, p->n_codes * sizeof *p->sites.keys);
    p->edges.keys = prf_arena_alloc(&p->arena, n * sizeof *p->edges.keys);
    bool whole = f->map.keys && f->map.edges && f->inclusive && f->child &&
                 f->sibling && f->edge_of && f->edge_depth && f->site_of &&
                 f->site_depth && p->sites.keys && p->edges.keys;
    return whole ? 0 : PRF_ENOMEM;
}

static int
fold_values(struct prf_profile *p, struct prf_table *table)
{
    table->values =
        prf_arena_alloc(&p->arena, table->n * table->n_columns * sizeof(int64_t));
    return table->values == NULL ? PRF_ENOMEM : 0;
}

int
prf_fold_tree(struct prf_profile *p, const enum prf_fold *folds, struct prf_error *err)
{
    struct fold f = {.p = p, .folds = folds};
    int rc = 0;
    if (p->tree.n <= 1 || p->tree.n_columns == 0) {
        return 0;
    }
    if ((rc = fold_columns(p, folds, &p->sites)) < 0 ||
        (rc = fold_columns(p, folds, &p->edges)) < 0 || (rc = fold_reserve(&f)) < 0) {
        goto out;
    }
    fold_number(&f);
    if ((rc = fold_values(p, &p->sites)) < 0 || (rc = fold_values(p, &p->edges)) < 0) {
        goto out;
    }
    fold_sum_subtrees(&f);
    fold_walk(&f);
out:
    free(f.map.keys);
    free(f.map.edges);
    free(f.inclusive);
    free(f.child);
    free(f.sibling);
    free(f.edge_of);
    free(f.edge_depth);
    free(f.site_of);
    free(f.site_depth);
    return rc < 0 ? prf_fail(err, rc, "out of memory while folding a call tree") : 0;
}
