/* The profiles behind a comparison: of one case and profiler the newest results of each
   side, whole, from their recordings; and what changed in the sources between them. */
#ifndef PRF_COMPARE_PROFILES_H
#define PRF_COMPARE_PROFILES_H

#include "compare.h"
#include "diff_lines.h"
#include "match.h"

#define PRF_PROFILES_MAX 5 /* results of a side that are read */

/* The results of both sides, read once for a comparison. Zeroed it is empty. */
struct prf_compared_results {
    struct prf_comparing *comparing;
    struct prf_side_results *parts[PRF_DIFF_SIDES]; /* of each query */
    size_t n_parts[PRF_DIFF_SIDES];
    /* Hunks between the two trees that were asked for last, in the comparison's arena.
     */
    const char *revisions[PRF_DIFF_SIDES];
    struct prf_diff_hunk *hunks;
    size_t n_hunks;
    bool hunks_known;
};

/* PRF_ENOTFOUND: they were not stored; PRF_ESTORE, PRF_ENOMEM. Release it also after a
 * failure. */
int prf_compared_results_read(struct prf_compared_results *results,
                              struct prf_comparing *comparing, struct prf_error *err);
void prf_compared_results_release(struct prf_compared_results *results);

/* The profiles of one case; borrows from the results. */
struct prf_case_profiles {
    struct prf_side_profiles sides[PRF_DIFF_SIDES];
    const struct prf_profile *profiles[PRF_DIFF_SIDES][PRF_PROFILES_MAX];
    const char *roots[PRF_DIFF_SIDES][PRF_PROFILES_MAX];
    struct prf_recording_map maps[PRF_DIFF_SIDES][PRF_PROFILES_MAX];
    const struct prf_side_result *newest[PRF_DIFF_SIDES];
    const struct prf_run *runs[PRF_DIFF_SIDES]; /* of the newest */
    const struct prf_diff_hunk *hunks; /* between the newest; NULL: not known */
    size_t n_hunks;
    struct prf_arena arena;
};

/* Up to `most` (at most PRF_PROFILES_MAX) results a side that were ok, the newest. A
   side without any has n = 0, which is no error. `options` NULL: any. PRF_ECORRUPT,
   PRF_ESTORE, PRF_ENOMEM. Release it also after a failure. */
int prf_case_profiles_load(struct prf_case_profiles *profiles,
                           const struct prf_compared_results *results,
                           const struct prf_compared *of, const char *profiler,
                           size_t most, struct prf_error *err);
void prf_case_profiles_release(struct prf_case_profiles *profiles);

/* Fill in the hunks between the newest results of both sides. Not to know them (no
   repository, a commit that is gone) is no error. PRF_ENOMEM. */
int prf_case_profiles_hunks(struct prf_case_profiles *profiles,
                            struct prf_compared_results *results,
                            struct prf_error *err);

/* A prf_where_text over the repository; `arg` is the struct prf_case_profiles_text. */
struct prf_case_profiles_text {
    struct prf_compared_results *results;
    struct prf_case_profiles *profiles;
    struct {
        enum prf_diff_side side;
        const char *file, *text; /* text NULL: could not be read */
    } * read;                    /* what was asked for so far, in the profiles' arena */
    size_t n, room;
};
const char *prf_case_profiles_text(void *arg, enum prf_diff_side side,
                                   const char *file);

#endif
