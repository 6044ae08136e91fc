/* Model -> file format. An exporter needs models (sites, edges, stacks, ...), never a
   profiler. One table names them all. */
#ifndef PRF_EXPORTER_H
#define PRF_EXPORTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include <pyprofiler/error.h>

#include "result.h"

enum prf_model {
    PRF_MODEL_SITES = 1,
    PRF_MODEL_EDGES = 2,
    PRF_MODEL_STACKS = 4,
    PRF_MODEL_METRICS = 8,
    PRF_MODEL_SERIES = 16,
    PRF_MODEL_EVENTS = 32,
    PRF_MODEL_SNAPSHOTS = 64,
};

struct prf_export_options {
    const char *sort; /* site column for tables; NULL: the format's default */
    size_t top_k;     /* 0: all */
    bool strip_dirs;
    const char *time_unit; /* "s" "ms" "us", NULL: chosen per table */
    bool color;            /* text only */
    /* Pictures: a JSON object of options (prf_graph_table) over those that the result
       was measured with; NULL: none. */
    const char *picture;
};

struct prf_exporter {
    const char *name;      /* "pstats" */
    const char *extension; /* ".pstats" */
    const char *summary;
    unsigned needs; /* enum prf_model: all of these ... */
    bool binary;    /* never to a terminal */
    /* Write `n` results of one run. PRF_EIO, PRF_ENOMEM. */
    int (*write)(const struct prf_run *run, const struct prf_result *const *results,
                 size_t n, const struct prf_export_options *options, FILE *out,
                 struct prf_error *err);
    bool single; /* takes exactly one result */
    /* Columns that the sites must have too, ends with a NULL; NULL: any will do. */
    const char *const *columns;
    unsigned needs_any; /* ... and at least one of these; 0: no further demand */
};

/* Ends with a NULL. */
extern const struct prf_exporter *const prf_exporters[];

/* PRF_EUSAGE with a suggestion. */
int prf_exporter_find(const char *name, const struct prf_exporter **out,
                      struct prf_error *err);

/* Which models a result has (enum prf_model). */
unsigned prf_result_models(const struct prf_result *result);

/* PRF_EUNAVAILABLE: the result lacks a model that the format needs; says which. */
int prf_exporter_check(const struct prf_exporter *exporter,
                       const struct prf_result *result, struct prf_error *err);

/* Check every result, then write them. `out` is flushed and its errors are looked at.
   PRF_EUSAGE: more or less than one result for a format that takes one, or a sort key
   that is not known; PRF_EUNAVAILABLE, PRF_EIO, PRF_ENOMEM. After a failure the file
   holds nothing that can be relied on. */
int prf_export(const struct prf_exporter *exporter, const struct prf_run *run,
               const struct prf_result *const *results, size_t n,
               const struct prf_export_options *options, FILE *out,
               struct prf_error *err);

#endif
