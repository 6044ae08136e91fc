/* The axis of a history: commits that were measured, dirty trees behind theirs, and
   gaps; see history_pool.h. */
#include <stdlib.h>
#include <string.h>

#include "history_pool.h"

/* A dirty tree that was measured. */
struct places_tree {
    size_t commit;
    const char *tree;
    int64_t started_ns;
};

struct places {
    bool *measured; /* of each commit, as it is */
    struct places_tree *trees;
    size_t n_trees;
};

static int
places_by_tree(const void *a, const void *b)
{
    const struct places_tree *x = a, *y = b;
    if (x->commit != y->commit) {
        return x->commit < y->commit ? -1 : 1;
    }
    int order = strcmp(x->tree, y->tree);
    return order != 0
               ? order
               : (x->started_ns > y->started_ns) - (x->started_ns < y->started_ns);
}

static int
places_by_time(const void *a, const void *b)
{
    const struct places_tree *x = a, *y = b;
    if (x->commit != y->commit) {
        return x->commit < y->commit ? -1 : 1;
    }
    return x->started_ns != y->started_ns ? (x->started_ns < y->started_ns ? -1 : 1)
                                          : strcmp(x->tree, y->tree);
}

/* Each tree once, at the time when it was first measured. */
static void
places_order_trees(struct places *p)
{
    size_t n = 0;
    if (p->n_trees == 0) {
        return;
    }
    qsort(p->trees, p->n_trees, sizeof *p->trees, places_by_tree);
    for (size_t i = 1; i < p->n_trees; i++) {
        if (p->trees[i].commit != p->trees[n].commit ||
            strcmp(p->trees[i].tree, p->trees[n].tree) != 0) {
            p->trees[++n] = p->trees[i];
        }
    }
    p->n_trees = n + 1;
    qsort(p->trees, p->n_trees, sizeof *p->trees, places_by_time);
}

static void
places_collect(const struct prf_history *history, const bool *use, struct places *p)
{
    const struct history_pool *pool = history->pool;
    for (size_t i = 0; i < pool->n_raws; i++) {
        const struct history_raw *raw = &pool->raws[i];
        if (use[i] && raw->tree == NULL) {
            p->measured[raw->commit] = true;
        } else if (use[i]) {
            p->trees[p->n_trees++] =
                (struct places_tree){raw->commit, raw->tree, raw->started_ns};
        }
    }
    places_order_trees(p);
}

static void
places_add(struct prf_history *history, enum prf_history_kind kind, size_t commit,
           const char *tree)
{
    bool aside = history->commits[commit].aside;
    struct prf_history_place *last =
        history->n_places == 0 ? NULL : &history->places[history->n_places - 1];
    if (kind == PRF_PLACE_GAP && last == NULL) {
        history->n_older++;
        return;
    }
    if (kind == PRF_PLACE_GAP && last->kind == PRF_PLACE_GAP) {
        last->n_commits++;
        last->aside = last->aside && aside;
        return;
    }
    size_t *first = &history->pool->places_of[commit];
    if (*first == PRF_HISTORY_NONE) {
        *first = history->n_places;
    }
    history->places[history->n_places++] = (struct prf_history_place){
        .kind = kind,
        .commit = commit,
        .n_commits = kind == PRF_PLACE_GAP,
        .tree = tree,
        .aside = aside,
    };
}

/* Two more for each commit at most: itself or its gap, and its trees. */
static void
places_lay_out(struct prf_history *history, const struct places *p)
{
    size_t at = 0;
    for (size_t i = 0; i < history->n_commits; i++) {
        history->pool->places_of[i] = PRF_HISTORY_NONE;
        places_add(history, p->measured[i] ? PRF_PLACE_COMMIT : PRF_PLACE_GAP, i, NULL);
        for (; at < p->n_trees && p->trees[at].commit == i; at++) {
            places_add(history, PRF_PLACE_WIP, i, p->trees[at].tree);
        }
    }
}

/* The place of a commit or of a tree behind it. */
static size_t
places_find(const struct prf_history *history, const struct history_raw *raw)
{
    size_t place = history->pool->places_of[raw->commit];
    for (; place < history->n_places && history->places[place].commit == raw->commit;
         place++) {
        const struct prf_history_place *at = &history->places[place];
        if (raw->tree == NULL
                ? at->kind == PRF_PLACE_COMMIT
                : at->kind == PRF_PLACE_WIP && strcmp(at->tree, raw->tree) == 0) {
            break;
        }
    }
    return place;
}

int
history_place(struct prf_history *history, const bool *use, struct prf_error *err)
{
    struct history_pool *pool = history->pool;
    struct places p = {.measured = calloc(history->n_commits + 1, 1),
                       .trees = malloc((pool->n_raws + 1) * sizeof *p.trees)};
    int rc = 0;
    pool->places_of = malloc((history->n_commits + 1) * sizeof *pool->places_of);
    if (p.measured == NULL || p.trees == NULL || pool->places_of == NULL) {
        rc = prf_fail(err, PRF_ENOMEM, "out of memory");
        goto out;
    }
    places_collect(history, use, &p);
    history->places =
        prf_arena_alloc(&history->arena,
                        (history->n_commits + p.n_trees + 1) * sizeof *history->places);
    if (history->places == NULL) {
        rc = prf_fail(err, PRF_ENOMEM, "out of memory");
        goto out;
    }
    places_lay_out(history, &p);
    for (size_t i = 0; i < pool->n_raws; i++) {
        if (use[i]) {
            pool->raws[i].place = places_find(history, &pool->raws[i]);
        }
    }
out:
    free(p.measured);
    free(p.trees);
    return rc;
}
