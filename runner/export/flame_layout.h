/* Where the boxes of a flame graph are: each box beside the others of its parent, the
   widest first. Knows no format, and neither amounts' units nor names. */
#ifndef PRF_FLAME_LAYOUT_H
#define PRF_FLAME_LAYOUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <pyprofiler/error.h>

#include "profile.h"
#include "strbuf.h"

/* A tree by node; node 0 is the whole, and parents come before their children. */
struct prf_flame_tree {
    const uint32_t *parent;
    const double *all; /* amount with what is below it; >= 0 */
    size_t n;          /* nodes, at least 1 */
    double least;      /* part of the whole: narrower boxes are not drawn */
    uint32_t max_rows; /* what is beyond is not drawn; 0: no limit */
};

struct prf_flame_box {
    double x, width; /* parts of the whole */
    uint32_t row;    /* 0: the whole */
    bool drawn;
};

struct prf_flame_layout {
    struct prf_flame_box *boxes; /* by node */
    uint32_t *order;             /* nodes but the whole: by parent, the widest first */
    size_t n;                    /* nodes */
    uint32_t n_rows;             /* of what is drawn */
    size_t n_left;               /* boxes with an amount that are not drawn */
};

/* Zeroed, or to be released. PRF_ENOMEM. */
int prf_flame_lay_out(const struct prf_flame_tree *tree, struct prf_flame_layout *out,
                      struct prf_error *err);
void prf_flame_layout_release(struct prf_flame_layout *layout);

/* The flame graph of a profile's tree. */
struct prf_flame {
    const struct prf_profile *profile; /* borrowed */
    struct prf_flame_layout layout;
    double *own, *all; /* amounts by node */
    const char *unit;  /* of them; borrowed from the profile */
};

/* Of a profile that has stacks (prf_result_models); `least` and `max_rows` as above.
   To be released also after a failure. PRF_ENOMEM. */
int prf_flame_init(struct prf_flame *flame, const struct prf_profile *profile,
                   double least, uint32_t max_rows, struct prf_error *err);
void prf_flame_release(struct prf_flame *flame);

/* What a box shows: the function's name, "all" of the whole. Borrowed. */
const char *prf_flame_name(const struct prf_flame *flame, uint32_t node);

/* All that a box cannot hold, as an element <title>. `scratch` is used on the way. */
void prf_flame_put_title(const struct prf_flame *flame, uint32_t node, bool strip_dirs,
                         struct prf_strbuf *scratch, FILE *out);

/* The same number for a text in every picture, for its colour. */
uint32_t prf_flame_hash(const char *text);

#endif
