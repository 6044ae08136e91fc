/* Differential exports: the stacks or calls of two sides of a comparison in one file.
   One case and one profiler; amounts are medians over the results of a side. */
#ifndef PRF_DIFF_H
#define PRF_DIFF_H

#include <stdio.h>

#include "merged_tree.h"
#include "colormap.h"
#include "exporter.h"

struct prf_diff_request {
    struct prf_side_profiles sides[PRF_DIFF_SIDES];   /* at least one result each */
    const char *names[PRF_DIFF_SIDES];                /* of the sides: "main~3" */
    const struct prf_result *results[PRF_DIFF_SIDES]; /* the newest of each */
    const struct prf_run *run;                        /* that of the new one */
    const struct prf_diff_hunk *hunks; /* between them; NULL: there is no diff */
    size_t n_hunks;
    const char *column; /* NULL: own cost */
    bool graph;         /* svg: who calls whom instead of a flame graph */
    const struct prf_export_options *options;
};

/* What the formats work on. */
struct prf_diff {
    const struct prf_diff_request *request;
    struct prf_arena arena;
    struct prf_match match;
    struct prf_function *functions; /* of each item, with files that both sides share */
    struct prf_merged_tree tree;    /* n is 1: there are no stacks */
};

struct prf_diff_format {
    const char *name, *extension, *summary;
    int (*write)(const struct prf_diff *diff, FILE *out, struct prf_error *err);
};

/* Ends with a NULL. */
extern const struct prf_diff_format *const prf_diff_formats[];
extern const struct prf_diff_format prf_diff_collapsed, prf_diff_speedscope,
    prf_diff_svg, prf_diff_dot;

/* NULL: none is called so. */
const struct prf_diff_format *prf_diff_format_find(const char *name);

/* PRF_EUNAVAILABLE: a side has not got what the format needs; PRF_ENOTFOUND: no such
   column; PRF_EUSAGE: an option of pictures; PRF_EIO, PRF_ENOMEM. */
int prf_diff_export(const struct prf_diff_format *format,
                    const struct prf_diff_request *request, FILE *out,
                    struct prf_error *err);

/* For formats that need stacks. PRF_EUNAVAILABLE. */
int prf_diff_need_stacks(const struct prf_diff *diff, struct prf_error *err);

/* "+12.3 %", "new", "gone", "±0 %", for people. Returns `buf`. */
#define PRF_DIFF_TEXT 32
const char *prf_diff_percent(double base, double next, char *buf, size_t size);

/* The colour of a difference: blue is less, red is more, to the same degree; white is
   none, the ends of the map are `scale`, the largest difference. In between by the
   square root, so that a tenth of the largest is still seen. */
#define PRF_DIFF_HALFWAY                                                               \
    0.25 /* of `scale` has the colour between white and the end                        \
          */
struct prf_color prf_diff_color(double difference, double scale);

/* The whole amount of each node, with what is below it, of one side; calloc'ed, the
   caller's. NULL: no memory. */
double *prf_diff_inclusive(const struct prf_merged_tree *tree, enum prf_diff_side side);

/* prf_diff_svg of who calls whom. */
int prf_diff_graph_svg(const struct prf_diff *diff, FILE *out, struct prf_error *err);

#endif
