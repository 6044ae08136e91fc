/* The memory of a process and of those it started, each with a number of its own that
   stays. Allocates once; no GIL, one thread at a time. */
#ifndef PRF_PROCTREE_H
#define PRF_PROCTREE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "procmem.h"

#define PRF_PROCTREE_MAX 1024 /* processes at one time */

struct prf_proctree_child {
    struct prf_procmem reader;
    pid_t parent;
    uint32_t number; /* from 1 on, in order of appearance */
    int64_t
        bytes; /* of the last sample; -1: it shares its parent's memory, or is gone */
    uint32_t seen; /* the sample that listed it last */
    bool apart;    /* it has memory of its own */
};

struct prf_proctree {
    enum prf_procmem_kind kind;
    size_t n, max;                       /* max: PRF_PROCTREE_MAX, or less */
    struct prf_proctree_child *children; /* PRF_PROCTREE_MAX of them */
    struct prf_proctree_link {
        pid_t pid, parent;
    } * links;   /* of one sample, parents before children */
    pid_t *pids; /* of one listing */
    uint32_t n_numbers, n_samples;
    uint64_t n_missed; /* processes there was no room for */
};

/* PRF_ENOMEM. */
int prf_proctree_init(struct prf_proctree *tree, enum prf_procmem_kind kind,
                      struct prf_error *err);

/* Look for children of this process, and theirs, and read the memory of each into its
   `bytes`; those that ended are dropped. Returns the sum. A child between vfork and
   exec has its parent's memory, which is not counted again. */
int64_t prf_proctree_sample(struct prf_proctree *tree);

/* Idempotent. */
void prf_proctree_release(struct prf_proctree *tree);

#endif
