/* Leaving calls out of a tree; see trim.h. */
#include "trim.h"

#include <stdlib.h>
#include <string.h>

#include <pyprofiler/recording.h>

struct trim {
    struct prf_tree *tree;
    const struct prf_profile *profile;
    const enum prf_fold *folds;
    int64_t max_depth;
    uint32_t *kept;    /* old node -> new one: itself, or the caller it counts as */
    uint32_t *depth;   /* new node -> calls from the root */
    bool *folded;      /* old node: it counts as its caller */
    int64_t *n_hidden; /* borrowed */
    int64_t *n_deep;   /* borrowed */
};

/* Which counter the calls of node `i` belong to; NULL: it stays. */
static int64_t *
trim_why(const struct trim *t, size_t i)
{
    uint32_t parent = t->tree->parent[i];
    uint32_t flags = t->profile->codes[t->tree->code[i]].flags;
    if ((flags & PRF_CODE_HIDDEN) != 0 ||
        ((flags & PRF_CODE_C) != 0 && t->folded[parent])) {
        return t->n_hidden;
    }
    bool deep = t->max_depth >= 0 && (int64_t)t->depth[t->kept[parent]] > t->max_depth;
    return deep ? t->n_deep : NULL;
}

/* Node `i` counts as the caller it has now. */
static void
trim_fold(struct trim *t, size_t i, int64_t *counter)
{
    struct prf_tree *tree = t->tree;
    uint32_t into = t->kept[tree->parent[i]];
    const int64_t *from = tree->values + i * tree->n_columns;
    int64_t *to = tree->values + into * tree->n_columns;
    for (size_t c = 0; c < tree->n_columns; c++) {
        if (t->folds[c] == PRF_FOLD_CALLS) {
            *counter += from[c];
        } else {
            to[c] += from[c];
        }
    }
    t->kept[i] = into;
    t->folded[i] = true;
}

/* Node `i` becomes node `to` (not above it). */
static void
trim_keep(struct trim *t, size_t i, uint32_t to)
{
    struct prf_tree *tree = t->tree;
    uint32_t parent = t->kept[tree->parent[i]];
    uint32_t code = tree->code[i];
    memmove(tree->values + to * tree->n_columns, tree->values + i * tree->n_columns,
            tree->n_columns * sizeof *tree->values);
    t->kept[i] = to;
    t->depth[to] = t->depth[parent] + 1;
    tree->parent[to] = parent;
    tree->code[to] = code;
}

/* In place: a new node is never after the old one. */
static void
trim_walk(struct trim *t)
{
    size_t n = 1;
    for (size_t i = 1; i < t->tree->n; i++) {
        int64_t *counter = trim_why(t, i);
        if (counter != NULL) {
            trim_fold(t, i, counter);
        } else {
            trim_keep(t, i, (uint32_t)n++);
        }
    }
    t->tree->n = n;
}

static bool
trim_needed(const struct prf_profile *p, int64_t max_depth)
{
    bool needed = max_depth >= 0;
    for (size_t i = 1; i < p->n_codes && !needed; i++) {
        needed = (p->codes[i].flags & PRF_CODE_HIDDEN) != 0;
    }
    return needed && p->tree.n > 1;
}

int
prf_trim_tree(struct prf_profile *p, const enum prf_fold *folds, int64_t max_depth,
              struct prf_trimmed *out, struct prf_error *err)
{
    *out = (struct prf_trimmed){0};
    if (!trim_needed(p, max_depth)) {
        return 0;
    }
    struct trim t = {.tree = &p->tree,
                     .profile = p,
                     .folds = folds,
                     .max_depth = max_depth,
                     .kept = calloc(p->tree.n, sizeof *t.kept),
                     .depth = calloc(p->tree.n, sizeof *t.depth),
                     .folded = calloc(p->tree.n, sizeof *t.folded),
                     .n_hidden = &out->n_hidden,
                     .n_deep = &out->n_deep};
    bool whole = t.kept != NULL && t.depth != NULL && t.folded != NULL;
    if (whole) {
        trim_walk(&t);
    }
    free(t.kept);
    free(t.depth);
    free(t.folded);
    return whole ? 0 : prf_fail(err, PRF_ENOMEM, "out of memory while trimming calls");
}
