/* The graph that is drawn of a result: its functions and who calls whom, without what
   is too little to see, grouped by module. Knows no format. */
#ifndef PRF_GRAPH_MODEL_H
#define PRF_GRAPH_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "exporter.h"
#include "strbuf.h"

/* How it is drawn. Filled from prf_graph_table. */
struct prf_graph_options {
    double min_percent; /* of the total time */
    uint64_t top_k;     /* most functions; 0: all */
    char *units;        /* of times: "us" "ms" "s" "ns" */
    char *font;
    uint64_t font_size, group_font_size; /* points */
    char *colormap;                      /* a name prf_colormap_find knows */
    char *color_by;                      /* "cumulative" "own" */
    char *comparator;                    /* "auto" "greater" "lower" */
};

/* The options that a picture is drawn by, of a profiler or of an export. */
extern const struct prf_option prf_graph_table[];
/* The first ones of it are options of tables too. */
#define PRF_GRAPH_OF_TABLES 2
#define PRF_GRAPH_LOOK (prf_graph_table + PRF_GRAPH_OF_TABLES)

struct prf_graph_node {
    const struct prf_function *code; /* borrowed from the profile */
    const char *name; /* "Sorter.sort", on one line, without the module */
    uint32_t group;
    int64_t calls, primitive, own_ns, cumulative_ns;
};

struct prf_graph_edge {
    uint32_t from, to; /* indices of nodes */
    int64_t calls, cumulative_ns;
};

struct prf_graph {
    struct prf_arena arena;
    const struct prf_run *run;       /* borrowed */
    const struct prf_result *result; /* borrowed */
    struct prf_graph_options options;
    const char *counted; /* "call", or "sample" of what was sampled */
    const char **groups; /* names of modules, sorted */
    size_t n_groups;
    struct prf_graph_node *nodes; /* by group, then file, line and name */
    size_t n_nodes;
    struct prf_graph_edge *edges; /* by `from`, then `to` */
    size_t n_edges;
    int64_t total_ns, total_calls; /* of all functions, shown or not */
    size_t n_functions;
    size_t n_below_min; /* functions left out: below min_percent ... */
    size_t n_below_top; /* ... and beyond top_k */
    size_t n_thin;      /* edges left out between functions that are shown */
};

/* The graph of a result with sites and edges of calls (prf_call_columns), drawn as the
   options say that it was measured with, `options` over them. PRF_EUSAGE: one of
   `options` is not valid; PRF_EUNAVAILABLE: no calls; PRF_ENOMEM. Release it also after
   a failure. */
int prf_graph_build(struct prf_graph *graph, const struct prf_run *run,
                    const struct prf_result *result,
                    const struct prf_export_options *options, struct prf_error *err);
void prf_graph_release(struct prf_graph *graph);

/* Share of the total, 0..1. */
double prf_graph_share(const struct prf_graph *graph, int64_t ns);

/* The graph as a program for Graphviz (DOT, UTF-8), the same bytes for the same result.
   PRF_ENOMEM. */
int prf_graph_dot(const struct prf_graph *graph, struct prf_strbuf *out,
                  struct prf_error *err);

/* prf_exporter.write of format "svg", for results that are graphs. */
int prf_graph_svg(const struct prf_run *run, const struct prf_result *const *results,
                  size_t n, const struct prf_export_options *options, FILE *out,
                  struct prf_error *err);

#endif
