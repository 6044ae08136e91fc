/* Inside the folder: results of two sides, paired by case, profiler and options. */
#ifndef PRF_SIDES_PAIRS_H
#define PRF_SIDES_PAIRS_H

#include "between.h"
#include "settings.h"
#include "sides.h"

/* The run is one of a side: what is judged must not say how noisy it may be. */
#define PRF_PAIRING_OWN SIZE_MAX

/* Those of a group that were measured in one setting. */
struct prf_sample {
    const struct prf_side_result **results;
    size_t n;
};

struct prf_pairing {
    const struct prf_sides *sides;
    const struct prf_sides_filter *filter;
    struct prf_comparison *out;
    struct prf_side_results base, next, like;
    struct prf_settings settings;
    size_t *codes;       /* which code each run of `like` ran, or PRF_PAIRING_OWN */
    size_t like_at;      /* the first result of `like` that was not passed yet */
    size_t like_setting; /* or PRF_NO_SETTING */
    struct prf_sample left, right;        /* of the pair that is worked on */
    struct prf_process_values *processes; /* room for both */
    struct prf_between_value *between;
    double *scratch; /* for the values of a process */
    double *medians; /* of the new side's processes */
    size_t room;     /* items */
    bool metric_found;
    struct prf_strlist warnings;
    struct prf_error *err;
};

/* What was read of both sides becomes the items of `out`. Negative: `err` is set. */
int prf_pairing_all(struct prf_pairing *p);

/* Sets the error; returns PRF_ENOMEM. */
int prf_pairing_no_memory(struct prf_pairing *p);

/* In the comparison's arena; NULL of NULL. */
const char *prf_pairing_copy(struct prf_pairing *p, const char *text);

#endif
