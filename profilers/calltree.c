/* Growing the calling-context tree: the slow half of the call profiler's hook. */
#include "calltree.h"

#include <stdlib.h>

#define CALLTREE_SLAB_NODES 1024u
#define CALLTREE_FIRST_SHIFT 52u /* 4096 slots */

struct calltree_slab {
    struct calltree_slab *next;
    struct prf_calltree_node nodes[CALLTREE_SLAB_NODES];
};

int
prf_calltree_init(struct prf_calltree *tree, struct prf_sink *sink, size_t limit,
                  struct prf_error *err)
{
    *tree = (struct prf_calltree){.shift = CALLTREE_FIRST_SHIFT, .limit = limit};
    prf_rows_init(&tree->rows, sink, PRF_CHUNK_NODE, sizeof(struct prf_calltree_row));
    tree->root.row = &tree->root_row;
    tree->capacity = (size_t)1 << (64 - CALLTREE_FIRST_SHIFT);
    tree->slots = calloc(tree->capacity, sizeof(struct prf_calltree_node *));
    if (tree->slots == NULL) {
        return prf_fail(err, PRF_ENOMEM, "no memory for the tree of calls");
    }
    return 0;
}

void
prf_calltree_release(struct prf_calltree *tree)
{
    while (tree->slabs != NULL) {
        struct calltree_slab *next = tree->slabs->next;
        free(tree->slabs);
        tree->slabs = next;
    }
    free(tree->slots);
    *tree = (struct prf_calltree){0};
}

static void
calltree_place(struct prf_calltree *tree, struct prf_calltree_node *node)
{
    size_t mask = tree->capacity - 1;
    size_t i = prf_calltree_hash(node->row->node.parent, node->key, tree->shift);
    while (tree->slots[i] != NULL) {
        i = (i + 1) & mask;
    }
    tree->slots[i] = node;
}

/* Twice the slots, at most half of them in use afterwards. */
static int
calltree_grow(struct prf_calltree *tree)
{
    struct prf_calltree_node **old = tree->slots;
    size_t n_old = tree->capacity;
    struct prf_calltree_node **slots = calloc(n_old * 2, sizeof(*slots));
    if (slots == NULL) {
        return -1;
    }
    tree->slots = slots;
    tree->capacity = n_old * 2;
    tree->shift--;
    for (size_t i = 0; i < n_old; i++) {
        if (old[i] != NULL) {
            calltree_place(tree, old[i]);
        }
    }
    free(old);
    return 0;
}

static struct prf_calltree_node *
calltree_alloc(struct prf_calltree *tree)
{
    if (tree->slabs == NULL || tree->slab_used == CALLTREE_SLAB_NODES) {
        struct calltree_slab *slab = calloc(1, sizeof(*slab));
        if (slab == NULL) {
            return NULL;
        }
        slab->next = tree->slabs;
        tree->slabs = slab;
        tree->slab_used = 0;
    }
    return &tree->slabs->nodes[tree->slab_used];
}

static struct prf_calltree_node *
calltree_new(struct prf_calltree *tree, struct prf_calltree_node *parent, const void *key,
             uint32_t code)
{
    if ((tree->n + 1) * 2 > tree->capacity && calltree_grow(tree) < 0) {
        return NULL;
    }
    struct prf_calltree_node *node = calltree_alloc(tree);
    struct prf_calltree_row *row = node ? prf_rows_add(&tree->rows) : NULL;
    if (row == NULL) {
        return NULL;
    }
    tree->slab_used++;
    tree->n++;
    row->node.parent = parent->id;
    row->node.code = code;
    *node = (struct prf_calltree_node){
        .row = row, .parent = parent, .key = key, .id = tree->rows.n, .code = code};
    calltree_place(tree, node);
    return node;
}

static struct prf_calltree_node *
calltree_find_or_new(struct prf_calltree *tree, struct prf_calltree_node *parent,
                     const void *key, uint32_t code)
{
    struct prf_calltree_node *node = prf_calltree_find(tree, parent, key);
    return node ? node : calltree_new(tree, parent, key, code);
}

static struct prf_calltree_node *
calltree_pair(struct prf_calltree *tree, struct prf_calltree_node *parent,
              const void *key, uint32_t code)
{
    if (tree->truncated == NULL) {
        uint32_t id = prf_sink_code(tree->rows.sink, "", "[truncated]", "[truncated]", 0,
                                    PRF_CODE_C);
        tree->truncated = id ? calltree_new(tree, &tree->root, tree, id) : NULL;
        if (tree->truncated == NULL) {
            return NULL;
        }
    }
    struct prf_calltree_node *caller =
        calltree_find_or_new(tree, tree->truncated, parent->key, parent->code);
    if (caller == NULL) {
        return NULL;
    }
    struct prf_calltree_node *pair = calltree_find_or_new(tree, caller, key, code);
    if (pair != NULL) {
        pair->parent = NULL;
    }
    return pair;
}

struct prf_calltree_node *
prf_calltree_add(struct prf_calltree *tree, struct prf_calltree_node *parent,
                 const void *key, uint32_t code)
{
    if (tree->n < tree->limit || parent->id == 0) {
        return calltree_new(tree, parent, key, code);
    }
    return calltree_pair(tree, parent, key, code);
}
