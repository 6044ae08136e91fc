/* The values of cases over commits as a model: filled with what was measured, then
   finished (levels with their intervals, gaps, steps), then rendered. Pure: knows
   neither the store nor the repository. */
#ifndef PRF_HISTORY_H
#define PRF_HISTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <pyprofiler/backend.h> /* enum prf_better */
#include <pyprofiler/error.h>

#include "arena.h"

#define PRF_HISTORY_NONE ((size_t)-1)

struct prf_history_commit {
    const char *id; /* 40 hex digits */
    const char *summary, *author;
    const char *tags; /* "" or separated by blanks */
    int64_t time;     /* seconds since 1970, UTC */
    bool aside; /* came in by a merge: it is shown, but a value that differs from the
                   one before it is no step, since the one before it is no parent */
};

/* Under what a result was measured: only equal ones may be compared. */
struct prf_history_setting {
    const char *machine, *hostname, *cpu; /* machine: the fingerprint */
    const char *python, *implementation, *flags, *host;
    const char *options; /* of the profiler, JSON */
};

/* A metric of one process; texts and samples are borrowed for the call. */
struct prf_history_value {
    const char *case_id, *profiler;
    const char *metric; /* NULL: it failed, `status` */
    const char *unit;
    enum prf_better better;
    const double *samples;
    size_t n;
    size_t commit;    /* index */
    const char *tree; /* of a dirty tree; NULL: the commit as it is */
    struct prf_history_setting setting;
    const char *case_hash;
    const char *result_id, *status;
    int64_t started_ns;
};

/* A place on the axis of commits. */
struct prf_history_place {
    enum prf_history_kind {
        PRF_PLACE_COMMIT,
        PRF_PLACE_WIP, /* a dirty tree, behind its commit */
        PRF_PLACE_GAP, /* commits that were not measured */
    } kind;
    size_t commit;    /* index; of a gap the first one */
    size_t n_commits; /* of a gap */
    const char *tree; /* of a dirty tree */
    bool aside;
};

struct prf_history_point {
    size_t place;
    double value; /* median over processes; NAN: there is none, see `status` */
    double ci_low, ci_high; /* 95 %; NAN: not known */
    double sigma;           /* relative standard error; < 0: not known */
    size_t n_processes, n_values, n_failed;
    const char *status;  /* of the last one that failed, or NULL */
    const char *result;  /* id of the newest */
    bool source_changed; /* of the case, since the value before */
};

struct prf_history_step {
    size_t before, at;      /* points: the last one before it, the first one after it */
    size_t n_between;       /* commits between them; 0: `at` made it */
    double ratio;           /* level after / level before */
    double ci_low, ci_high; /* 95 % */
    double p_value;
    bool worse, better; /* neither: the metric has no direction */
};

struct prf_history_series {
    const char *case_id, *profiler, *metric, *unit;
    enum prf_better better;
    const struct prf_history_setting *setting;
    const char *differs; /* from the newest setting, in words; NULL: it is that */
    struct prf_history_point *points; /* by place */
    size_t n;
    struct prf_history_step *steps;
    size_t n_steps;
    int64_t newest_ns; /* when its newest result was measured */
};

struct prf_history_rules {
    double threshold;     /* smaller steps are not reported */
    double alpha;         /* rate of false alarms of a history */
    bool across_machines; /* a series for each setting, not only for the newest */
    bool wip;
    const char *const
        *metrics; /* which, ends with NULL; NULL: the first of each case */
};

struct prf_history {
    struct prf_arena arena;
    const char *range;                        /* as the user gave it */
    const struct prf_history_commit *commits; /* topological, oldest first */
    size_t n_commits;
    struct prf_history_place *places;
    size_t n_places;
    struct prf_history_series *series; /* by case, metric in the profiler's order */
    size_t n_series;
    size_t n_measured;  /* commits with a value */
    size_t n_older;     /* not measured, before the first place */
    size_t n_dirty;     /* results of dirty trees that are not shown */
    size_t n_elsewhere; /* results of commits that are not in the range */
    size_t n_other;     /* results of other settings that are not shown */
    const char *other;  /* how the newest of those differs, or NULL */
    bool first_parent;
    double threshold, alpha;   /* of the rules */
    struct history_pool *pool; /* until it is finished */
};

/* An empty one over `commits`, which are borrowed until it is released. PRF_ENOMEM. */
int prf_history_begin(struct prf_history *history,
                      const struct prf_history_commit *commits, size_t n,
                      struct prf_error *err);

/* In the order of measuring. PRF_ENOMEM. */
int prf_history_add(struct prf_history *history, const struct prf_history_value *value,
                    struct prf_error *err);

/* Once, after the last value. PRF_ENOTFOUND: no values, or none of a metric that was
   asked for (the text lists what there is). PRF_ENOMEM. */
int prf_history_finish(struct prf_history *history,
                       const struct prf_history_rules *rules, struct prf_error *err);

void prf_history_release(struct prf_history *history);

/* The commit of a point. */
const struct prf_history_commit *
prf_history_commit_of(const struct prf_history *history,
                      const struct prf_history_series *series, size_t point);

#endif
