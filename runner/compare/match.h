/* Which function of one side is which of the other. The same one: same file (relative
   to its side's root, through renames) and same qualified name. Of several with one
   name (lambdas, comprehensions, redefinitions) those whose first line went to the
   other's through the diff belong together, the rest by order. */
#ifndef PRF_MATCH_H
#define PRF_MATCH_H

#include <stddef.h>
#include <stdint.h>

#include <pyprofiler/error.h>

#include "arena.h"
#include "diff_lines.h"
#include "profile.h"

enum prf_diff_side { PRF_DIFF_BASE, PRF_DIFF_NEXT, PRF_DIFF_SIDES };

/* What was measured on a side: the profiles of its results, and of each the folder that
   its sources were in, absolute, or NULL. Borrowed. */
struct prf_side_profiles {
    const struct prf_profile *const *profiles;
    const char *const *roots;
    size_t n;
};

struct prf_matched_on {
    const char *file;       /* relative; NULL: the function is not on this side */
    uint32_t first_line;    /* 0 for a C function */
    uint32_t profile, code; /* the first profile that has it, and its code there */
};

struct prf_matched {
    const struct prf_function *function; /* of the new side, if there */
    const char *file; /* of that side; without folders that differ between sides: of an
                         installed package from "site-packages/" on. "" in C */
    const char *path; /* likewise as it was on that machine, without "." and ".." */
    struct prf_matched_on on[PRF_DIFF_SIDES];
};

struct prf_match {
    struct prf_matched *items; /* [0] is a placeholder */
    size_t n;
    uint32_t **of[PRF_DIFF_SIDES]; /* [side][profile][code] -> item */
};

/* Everything is the arena's; names are borrowed from the profiles. PRF_ENOMEM. */
int prf_match_build(struct prf_match *match,
                    const struct prf_side_profiles sides[PRF_DIFF_SIDES],
                    const struct prf_diff_lines *lines, struct prf_arena *arena,
                    struct prf_error *err);

#endif
