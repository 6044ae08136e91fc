/* The options and the state of `pyprofiler compare`, shared by its files. */
#ifndef PRF_COMPARE_H
#define PRF_COMPARE_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "args.h"
#include "compare_where.h"
#include "compare_run.h"
#include "comparison.h"
#include "measuring.h"
#include "compare_bisect.h"
#include "say.h"
#include "sides.h"
#include "store.h"

struct prf_compare_options {
    /* selection */
    char *keyword, *profiler;
    struct prf_strlist metrics;
    bool across_machines;
    /* baselines */
    char *baseline, *baseline_lenient, *save_baseline;
    /* judging */
    char *threshold, *alpha;
    uint64_t seed;
    /* report */
    char *sort, *format, *output;
    bool only_changed, force, exit_zero;
    char *store;
    /* one line for each group that is another file's: its options */
    struct prf_compare_where_options where;
    struct prf_compare_run_options measure;
    struct prf_measuring_options measuring;
    struct prf_compare_bisect_options bisect;
    struct prf_general_options general;
};

/* What a comparison knows and has done so far. */
struct prf_comparing {
    struct prf_compare_options options;
    struct prf_layers layers;
    const char *words[2]; /* BASE, NEW; NULL: not given */
    int run_argc;         /* after "--": words for run */
    char **run_argv;
    char *root;              /* of the repository, or the current folder */
    char *store_path;        /* the database's file */
    struct prf_store *store; /* NULL: there is none yet */
    char *pyproject;         /* with a table of ours, or NULL */
    json_t *config;          /* that table, or NULL */
    struct prf_sides sides;
    struct prf_comparison comparison;
    int run_exit; /* of --run: how to exit whatever the comparison says; < 0: as it says
                   */
};

/* "5%" or "0.05" of --`option`. PRF_EUSAGE: neither, or not below 100 %. */
int prf_compare_ratio(const char *option, const char *text, double *out,
                      struct prf_error *err);

/* Can the report be written? Before anything is measured. PRF_EUSAGE. */
int prf_compare_check(const struct prf_comparing *c, struct prf_error *err);

/* Write it. PRF_EUSAGE, PRF_EIO, PRF_ENOMEM. */
int prf_compare_write(struct prf_comparing *c, struct prf_error *err);

/* Items that were compared. */
size_t prf_compare_count(const struct prf_comparison *comparison);

/* Say on standard error why that is none: what there is on each side. */
void prf_compare_say_nothing(const struct prf_comparing *c);

#endif
