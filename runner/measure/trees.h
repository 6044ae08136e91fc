/* Checkouts of trees in a temporary folder: made, built and remembered, so that a tree
   is built once and one that cannot be built is tried once. */
#ifndef PRF_TREES_H
#define PRF_TREES_H

#include <stdbool.h>
#include <stddef.h>

#include <pyprofiler/error.h>

#include "side.h"
#include "tempdir.h"

struct prf_checkout {
    char id[41];
    char *place;  /* its folder among the trees: holds the others */
    char *folder; /* of the checkout; named as the user's root, which some look at */
    char *venv;   /* or NULL */
    char *unbuildable; /* why; NULL: ready */
    char *output;      /* of the build, or NULL */
    unsigned n_users;
    unsigned long used; /* when last, by a counter */
};

struct prf_trees {
    const struct prf_measure_setup *setup;
    struct prf_tempdir base; /* holds the places; no path: none was needed yet */
    bool on_disk;            /* memory was too small */
    unsigned n_made;
    unsigned long clock;
    struct prf_checkout **items;
    size_t n;
};

void prf_trees_init(struct prf_trees *trees, const struct prf_measure_setup *setup);

/* The checkout of the tree with that id, made and built when there is none. Also one
   that cannot be: (*out)->unbuildable. PRF_EIO, PRF_ENOMEM, PRF_EINTERRUPTED. */
int prf_trees_take(struct prf_trees *trees, const char *id, struct prf_checkout **out,
                   struct prf_error *err);

/* Not used any more: kept while setup->max_trees allows. */
void prf_trees_give(struct prf_trees *trees, struct prf_checkout *tree);

/* Delete all, or with setup->keep_trees leave the folder. */
void prf_trees_release(struct prf_trees *trees);

#endif
