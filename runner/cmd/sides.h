/* The two sides of a comparison: from words ("main~3", "v1..HEAD", "wip~1", a run id, a
   baseline) to what they mean, and from there to stored results, paired by case. */
#ifndef PRF_SIDES_H
#define PRF_SIDES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <pyprofiler/error.h>

#include "arena.h"
#include "comparison.h"
#include "store.h"

struct prf_sides_words {
    const char *base, *next; /* as on the command line; NULL: not given */
    const char *baseline;    /* instead of `base`; or NULL */
    bool lenient;            /* a missing baseline is no error */
    const char *folder;      /* in the repository; "." */
    bool without_results;    /* they will be measured: none need to be stored */
};

/* What a side is. Strings are the sides' arena's. */
struct prf_side {
    enum prf_side_kind kind; /* of store.h */
    const char *id; /* 40 digits of the commit or tree; the run's id; baseline's name */
    const char *name;   /* as the user gave it, or "the work tree" */
    const char *commit; /* 40 digits, or NULL */
    const char *tree;   /* 40 digits, or NULL; of a dirty work tree what was measured */
    const char *summary; /* of the commit's message, or NULL */
    int64_t time;        /* of the commit, seconds since 1970; 0: not known */
    bool work_tree;      /* as it is now, with its changes */
};

struct prf_sides {
    struct prf_arena arena;
    struct prf_side base, next;
    struct prf_strlist notes; /* for the user: "'wip' is the branch ..." */
    bool no_baseline;         /* lenient: there is none of that name */
};

/* `store` may be NULL when there is none: then run ids, baselines and kept trees are
   not found. PRF_ENOTFOUND, PRF_EUSAGE: names the word, suggests, says what to do;
   PRF_EVCS, PRF_ESTORE. Release in any case. */
int prf_sides_resolve(struct prf_store *store, const struct prf_sides_words *words,
                      struct prf_sides *out, struct prf_error *err);
void prf_sides_release(struct prf_sides *sides);

/* Which cases, profilers and metrics; NULL: all. */
struct prf_sides_filter {
    const char *keyword; /* -k, checked before */
    const char *profiler;
    const struct prf_strlist *metrics;
    bool across_machines;
};

/* The comparison of what is stored of both sides: paired, with what is missing and what
   must not be compared listed; not judged. The rules are to be set before.
   PRF_ENOTFOUND: a side has no results at all; PRF_EUSAGE: a metric that no result has.
 */
int prf_sides_compare(struct prf_store *store, const struct prf_sides *sides,
                      const struct prf_sides_filter *filter, struct prf_comparison *out,
                      struct prf_error *err);

#endif
