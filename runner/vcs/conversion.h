/* Which files of a tree git may write otherwise than they are stored. Asking libgit2
   about every file costs more than writing it (14 stat and 12 readlink each, 160 us),
   so it is asked only about files whose name occurs in a rule that can change a byte.
 */
#ifndef PRF_CONVERSION_H
#define PRF_CONVERSION_H

#include <stdbool.h>
#include <stddef.h>

#include <git2.h>

#include "strbuf.h"

/* Zeroed: no file is written otherwise. */
struct prf_conversion {
    bool all;                   /* any file may be */
    struct prf_strbuf suffixes; /* ".bat" with its NUL, one after the other */
};

/* What the configuration and the attributes outside of the tree ask for. */
void prf_conversion_init(struct prf_conversion *conversion, git_repository *repo);
void prf_conversion_release(struct prf_conversion *conversion);

/* Adds the rules of a .gitattributes. */
void prf_conversion_add(struct prf_conversion *conversion, const char *text,
                        size_t size);

/* A point to return to when the folder of such a file is done. */
struct prf_conversion_mark {
    bool all;
    size_t len;
};

struct prf_conversion_mark prf_conversion_mark(const struct prf_conversion *conversion);
void prf_conversion_return(struct prf_conversion *conversion,
                           struct prf_conversion_mark mark);

/* May a file of that name be converted? */
bool prf_conversion_concerns(const struct prf_conversion *conversion, const char *name);

#endif
