/* What was added to a history, before it is finished; between history.c (collecting),
   history_places.c (the axis of commits) and history_levels.c (values and steps). */
#ifndef PRF_HISTORY_POOL_H
#define PRF_HISTORY_POOL_H

#include "history.h"

/* A metric of a case under a profiler; metric NULL: what failed. */
struct history_line {
    const char *case_id, *profiler, *metric, *unit;
    enum prf_better better;
};

/* One process. */
struct history_raw {
    size_t line, setting, commit;
    const char *tree, *case_hash, *result, *status; /* status: it failed */
    double value;                                   /* median */
    double ci_low, ci_high; /* of it within the process; NAN: too few values */
    size_t n;
    int64_t started_ns;
    size_t place; /* once places are known */
};

struct history_pool {
    struct history_line *lines;
    size_t n_lines;
    struct prf_history_setting *settings;
    size_t n_settings;
    struct history_raw *raws;
    size_t n_raws, capacity;
    size_t *places_of; /* commit -> its first place, or PRF_HISTORY_NONE */
};

/* Places of `history` from the raws that `use` (by index) says. PRF_ENOMEM. */
int history_place(struct prf_history *history, const bool *use, struct prf_error *err);

/* Points of `series` from `raws`, which are sorted in place. PRF_ENOMEM. */
int history_level(struct prf_history *history, struct prf_history_series *series,
                  struct history_raw *raws, size_t n, struct prf_error *err);

/* Steps among its points. PRF_ENOMEM. */
int history_find_steps(struct prf_history *history, struct prf_history_series *series,
                       const struct prf_history_rules *rules, struct prf_error *err);

#endif
