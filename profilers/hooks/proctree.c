/* Children are found anew for each sample: they come and go. See proctree.h. */
#define _GNU_SOURCE 1
#include "proctree.h"

#include <linux/kcmp.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

int
prf_proctree_init(struct prf_proctree *tree, enum prf_procmem_kind kind,
                  struct prf_error *err)
{
    *tree = (struct prf_proctree){.kind = kind, .max = PRF_PROCTREE_MAX};
    tree->children = calloc(PRF_PROCTREE_MAX, sizeof *tree->children);
    tree->links = calloc(PRF_PROCTREE_MAX, sizeof *tree->links);
    tree->pids = calloc(PRF_PROCTREE_MAX, sizeof *tree->pids);
    if (tree->children == NULL || tree->links == NULL || tree->pids == NULL) {
        prf_proctree_release(tree);
        return prf_fail(err, PRF_ENOMEM, "out of memory");
    }
    return 0;
}

void
prf_proctree_release(struct prf_proctree *tree)
{
    for (size_t i = 0; i < tree->n; i++) {
        prf_procmem_close(&tree->children[i].reader);
    }
    free(tree->children);
    free(tree->links);
    free(tree->pids);
    tree->children = NULL;
    tree->links = NULL;
    tree->pids = NULL;
    tree->n = 0;
}

/* NULL: there is no room, or it is gone already. */
static struct prf_proctree_child *
proctree_add(struct prf_proctree *tree, pid_t pid, pid_t parent)
{
    struct prf_error err = {0};
    if (tree->n == tree->max) { /* some that ended are not dropped yet */
        tree->n_missed++;
        return NULL;
    }
    struct prf_proctree_child *child = &tree->children[tree->n];
    *child = (struct prf_proctree_child){.parent = parent};
    if (prf_procmem_open(&child->reader, pid, tree->kind, &err) < 0) {
        return NULL;
    }
    tree->n++;
    return child;
}

static struct prf_proctree_child *
proctree_find(struct prf_proctree *tree, pid_t pid, pid_t parent)
{
    for (size_t i = 0; i < tree->n; i++) {
        if (tree->children[i].reader.pid == pid) {
            return &tree->children[i];
        }
    }
    return proctree_add(tree, pid, parent);
}

/* Where the kernel does not compare, it counts as apart. */
static bool
proctree_is_apart(const struct prf_proctree_child *child)
{
    return child->apart ||
           syscall(SYS_kcmp, child->parent, child->reader.pid, KCMP_VM, 0, 0) != 0;
}

static void
proctree_read(struct prf_proctree *tree, struct prf_proctree_child *child)
{
    child->apart = proctree_is_apart(child);
    child->bytes = child->apart ? prf_procmem_read(&child->reader) : -1;
    if (child->bytes >= 0 && child->number == 0) {
        child->number = ++tree->n_numbers;
    }
}

static void
proctree_drop_ended(struct prf_proctree *tree)
{
    for (size_t i = 0; i < tree->n;) {
        if (tree->children[i].seen == tree->n_samples) {
            i++;
            continue;
        }
        prf_procmem_close(&tree->children[i].reader);
        tree->children[i] = tree->children[--tree->n];
    }
}

/* Append the children of `pid` (0: of this process, whose id is `parent`). */
static size_t
proctree_list(struct prf_proctree *tree, pid_t pid, pid_t parent, size_t n)
{
    size_t found = prf_procmem_children(pid, tree->pids, tree->max - n);
    for (size_t i = 0; i < found; i++) {
        tree->links[n + i] = (struct prf_proctree_link){tree->pids[i], parent};
    }
    return n + found;
}

int64_t
prf_proctree_sample(struct prf_proctree *tree)
{
    int64_t sum = 0;
    size_t n = proctree_list(tree, 0, getpid(), 0);
    tree->n_samples++;
    for (size_t i = 0; i < n; i++) {
        struct prf_proctree_link link = tree->links[i];
        struct prf_proctree_child *child = proctree_find(tree, link.pid, link.parent);
        if (child != NULL) {
            child->seen = tree->n_samples;
            proctree_read(tree, child);
            sum += child->bytes > 0 ? child->bytes : 0;
        }
        n = proctree_list(tree, link.pid, link.pid, n);
    }
    tree->n_missed += n == tree->max; /* more were not even listed */
    proctree_drop_ended(tree);
    return sum;
}
