/* The calling-context tree: one node for each distinct stack of functions. Its rows (who,
   called from where, how often, own ticks) live in the recording, so that a crash keeps
   them; what finds them again is private memory.

   The path from a node to its root is the stack of the thread that is in it: entering a
   function is one look-up, leaving it is following `parent`. Protected by the GIL. */
#ifndef PRF_CALLTREE_H
#define PRF_CALLTREE_H

#include <stdint.h>

#include <pyprofiler/error.h>
#include <pyprofiler/sink.h>

struct prf_calltree_row {
    struct prf_rec_node node;
    int64_t calls;
    int64_t own_ticks;
};

struct prf_calltree_node {
    const void *last_key; /* the child that was entered last: most calls repeat */
    struct prf_calltree_node *last;
    struct prf_calltree_row *row;
    struct prf_calltree_node *parent; /* NULL: the root, or a node that is entered from
                                         many (see prf_calltree_add) */
    const void *key;
    uint32_t id; /* of the row, 0 for the root */
    uint32_t code;
};

struct prf_calltree {
    struct prf_rows rows;
    struct prf_calltree_node **slots; /* open addressing on (parent id, key) */
    size_t capacity;                  /* a power of two */
    unsigned shift;
    size_t n, limit;
    struct prf_calltree_node root;
    struct prf_calltree_row root_row; /* swallows the time outside of all functions */
    struct prf_calltree_node *truncated; /* NULL until the limit was reached */
    struct calltree_slab *slabs;
    size_t slab_used;
};

/* At most `limit` nodes for distinct stacks. PRF_ENOMEM. */
int prf_calltree_init(struct prf_calltree *tree, struct prf_sink *sink, size_t limit,
                      struct prf_error *err);
void prf_calltree_release(struct prf_calltree *tree);

static inline size_t
prf_calltree_hash(uint32_t parent, const void *key, unsigned shift)
{
    uint64_t h = (uint64_t)(uintptr_t)key * 0x9E3779B97F4A7C15u;
    return (size_t)((h ^ (uint64_t)parent * 0xD6E8FEB86659FD93u) >> shift);
}

/* The child of `parent` with that key, or NULL. */
static inline struct prf_calltree_node *
prf_calltree_find(const struct prf_calltree *tree, const struct prf_calltree_node *parent,
                  const void *key)
{
    size_t mask = tree->capacity - 1;
    size_t i = prf_calltree_hash(parent->id, key, tree->shift);
    struct prf_calltree_node *node;
    while ((node = tree->slots[i]) != NULL) {
        if (node->key == key && node->row->node.parent == parent->id) {
            return node;
        }
        i = (i + 1) & mask;
    }
    return NULL;
}

/* Add the child, which must not be there. Once the tree is full, what would be a new stack
   is counted in a node for the pair (function of `parent`, key) instead, below a node for
   the code "[truncated]"; such a node has no parent to return to. NULL: no memory. */
struct prf_calltree_node *prf_calltree_add(struct prf_calltree *tree,
                                           struct prf_calltree_node *parent,
                                           const void *key, uint32_t code);

#endif
