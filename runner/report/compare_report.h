/* A comparison as a document: for people, for machines, for a build server. Each format
   is one entry of a table. Writes to the FILE it is given and knows no command. */
#ifndef PRF_COMPARE_REPORT_H
#define PRF_COMPARE_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include <pyprofiler/error.h>

#include "comparison.h"
#include "text.h" /* struct prf_style */

/* What is listed and how. Strings and arrays are borrowed. */
struct prf_compare_report_options {
    const struct prf_style *style;
    /* The items to list, in this order: already filtered by --only-changed and sorted
       by
       --sort. Totals and the exit code are of all items of the comparison. */
    const struct prf_compared *const *items;
    size_t n;
    bool only_changed; /* some are left out: say how many */
    bool where;        /* list prf_compared.where */
    const char *root;  /* of the repository: files are shown relative to it; or NULL */
};

struct prf_compare_format {
    const char *name;      /* "json" */
    const char *extension; /* ".json": chooses the format of -o FILE */
    const char *summary;   /* one line, lower case */
    /* PRF_ENOMEM; what cannot be written is found by who closes the file. */
    int (*write)(const struct prf_comparison *comparison,
                 const struct prf_compare_report_options *options, FILE *out,
                 struct prf_error *err);
};

/* In the order of the help; ends with NULL. */
extern const struct prf_compare_format *const prf_compare_formats[];

/* PRF_EUSAGE: none is called so; the text has a suggestion or lists them. */
int prf_compare_format_find(const char *name, const struct prf_compare_format **out,
                            struct prf_error *err);

/* One for each file of a format. */
extern const struct prf_compare_format prf_compare_text, prf_compare_json,
    prf_compare_csv, prf_compare_markdown, prf_compare_junit, prf_compare_github;

#endif
