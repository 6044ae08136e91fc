/* The state of `pyprofiler bisect`, shared by its files: the command (bisect.c), the
   search over one line of commits (bisect_line.c) and measuring (bisect_measure.c). */
#ifndef PRF_BISECT_H
#define PRF_BISECT_H

#include <stdbool.h>
#include <stdint.h>

#include "bisection.h"
#include "measuring.h"
#include "search.h"
#include "vcs.h"

struct prf_bisect_options {
    char *good, *bad, *profiler;
    struct prf_strlist metrics;
    bool first_parent, fresh, force;
    char *confidence, *threshold, *format, *output, *store;
    int64_t max_time_ns;
    uint64_t max_runs;
    struct prf_measuring_options measuring;
    struct prf_general_options general;
};

/* A metric of the case. */
struct prf_bisect_metric {
    const char *name, *unit;
    enum prf_better better;
};

/* A commit that was checked out. */
struct prf_bisect_side {
    const char *id;                /* 40 digits */
    struct prf_measure_side *side; /* NULL: closed, or it cannot be measured */
    const struct prf_measure_item *item;
    const char *why; /* it cannot be measured; NULL: it can */
    unsigned long used;
};

struct prf_bisector {
    struct prf_bisect_options options;
    struct prf_layers layers;
    const char *words[1];
    struct prf_measuring_words run;
    struct prf_bisection model;
    struct prf_bisect_metric *metrics; /* in the model's arena */
    size_t n_metrics;
    struct prf_bisect_side *sides;
    size_t n_sides;
    unsigned long clock;
    int64_t started_ns; /* since 1970 */
    bool reversed;      /* the next pair begins with the commit */
};

/* What is left of a line of commits. */
struct prf_bisect_line {
    struct prf_revision good;
    struct prf_revisions commits;           /* after it, oldest first */
    const struct prf_history_commit *shown; /* the good one, then the others */
    const bool *wanted;                     /* which metrics */
};

/* Make a line of the model's; PRF_ENOMEM. */
int prf_bisect_show(struct prf_bisector *b, struct prf_bisect_line *line,
                    struct prf_error *err);

/* Search the line for each metric that is wanted; what it finds goes to `answers` (one
   for each metric of the case). PRF_EINTERRUPTED: with what is known so far. */
int prf_bisect_search(struct prf_bisector *b, const struct prf_bisect_line *line,
                      struct prf_bisect_answer *answers, struct prf_error *err);

/* Measure the good commit once, so that the case and its metrics are known.
   PRF_EUNAVAILABLE: it cannot be measured. */
int prf_bisect_probe(struct prf_bisector *b, const struct prf_revision *good,
                     struct prf_error *err);

/* One commit beside the good one, each in a fresh process: the logarithm of the ratio
   of each metric, NAN where there is none. 1: the commit cannot be measured, *why. */
int prf_bisect_measure(struct prf_bisector *b, const struct prf_revision *good,
                       const struct prf_revision *commit, double *values,
                       const char **why, struct prf_error *err);

/* Pairs like these that are in the store, as `tell` wants them. PRF_ESTORE. */
typedef void prf_bisect_tell(void *arg, size_t metric, size_t index, double value);
int prf_bisect_reuse(struct prf_bisector *b, const struct prf_bisect_line *line,
                     prf_bisect_tell *tell, void *arg, struct prf_error *err);

void prf_bisect_close_sides(struct prf_bisector *b);

/* How to call a commit in messages: the beginning of its id. */
#define PRF_BISECT_ID 12

#endif
