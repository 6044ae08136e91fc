/* The part of `pyprofiler compare` that says where the cost changed, and draws it. */
#ifndef PRF_COMPARE_WHERE_H
#define PRF_COMPARE_WHERE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <pyprofiler/error.h>
#include <pyprofiler/options.h>

struct prf_compare_where_options {
    bool all;  /* for what did not change too */
    bool none; /* do not look */
    bool graph;
    char *column;
    uint64_t top_k;
};

extern const struct prf_option prf_compare_where_table[];

struct prf_comparing;
struct prf_compare_options;

/* Fill prf_compared.where of judged items that got better or worse (of all that were
   compared with --where). What cannot be read is left out with a note. PRF_EUSAGE: no
   result has the column; PRF_ENOMEM. */
int prf_compare_where(struct prf_comparing *c, struct prf_error *err);

/* Is the report a differential export: by --format, or by the name of --output? */
bool prf_compare_is_diff(const struct prf_compare_options *options);

/* Write it. PRF_EUSAGE: not one case and profiler, says which there are; and what
   prf_diff_export says. */
int prf_compare_diff(struct prf_comparing *c, struct prf_error *err);

/* One line for each format. */
void prf_compare_diff_help(FILE *out);

#endif
