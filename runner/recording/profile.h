/* A measured case as a model: what exporters, reports and the store work on, whatever
   the profiler was. Built by the reader from a recording. */
#ifndef PRF_PROFILE_H
#define PRF_PROFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <pyprofiler/backend.h>
#include <pyprofiler/error.h>

#include "arena.h"

struct prf_function {
    const char *file; /* "" for a C function; "~" is what pstats makes of it */
    const char *name;
    const char *qualname; /* "Sorter.sort"; for a C function its pstats name */
    uint32_t first_line;
    uint32_t flags; /* enum prf_code_flags */
};

/* One column of nodes, sites or edges. Units are for people: ticks are converted. */
struct prf_column {
    const char *name; /* "calls" "primitive_calls" "own_ns" "cumulative_ns" ... */
    const char *unit; /* "count" "ns" "bytes" */
    enum prf_better better;
};

/* Rows with `n_columns` values each; row i starts at values + i * n_columns. */
struct prf_table {
    struct prf_column *columns;
    size_t n_columns;
    size_t n;
    struct prf_key {
        uint32_t code;  /* index in codes[]; site: the function. edge: the caller */
        uint32_t other; /* site: line, 0 for the function. edge: the callee */
    } * keys;
    int64_t *values;
};

/* The calling-context tree, parents before children. Node 0 is the root. */
struct prf_tree {
    struct prf_column *columns; /* own amounts: "calls", "own_ns" */
    size_t n_columns;
    size_t n; /* nodes, the root included */
    uint32_t *parent;
    uint32_t *code;  /* index in codes[] */
    int64_t *values; /* of node i at i * n_columns */
};

/* Of what has samples; what was only declared is not in a profile. */
struct prf_metric_values {
    const char *name; /* "wall_time" */
    const char *unit; /* "ns" */
    enum prf_better better;
    double *samples; /* warm-up excluded */
    size_t n;
    size_t n_warmup;
};

struct prf_mark {
    const char *name;
    double at_ns;
    double delta_ns;
    uint32_t n;
};

struct prf_series {
    const char *name;
    const char *unit;
    uint32_t process;
    size_t n;
    uint64_t *at_ns;
    double *values;
};

/* What was held at one moment, by stack. */
struct prf_snapshot {
    const char *name; /* "start", a mark's, "stop", "peak" */
    double at_ns;
    int64_t n_bytes, n_blocks; /* in all */
    size_t n;
    struct prf_held {
        uint32_t stack; /* index in stacks[] */
        int64_t n_bytes, n_blocks;
    } * held;
};

struct prf_stack {
    uint32_t parent; /* index in stacks[], 0: this is the outermost frame */
    uint32_t code;   /* index in codes[] */
    uint32_t line;
};

/* Lines of a function as they were when it was measured. */
struct prf_source {
    uint32_t code; /* index in codes[] */
    uint32_t first_line;
    const char *text;
};

struct prf_profile {
    struct prf_arena arena;     /* owns everything below */
    struct prf_function *codes; /* [0] is a placeholder: ids count from 1 */
    size_t n_codes;
    struct prf_tree tree;   /* n <= 1: the profiler has no stacks */
    struct prf_table sites; /* given by the backend, or folded from the tree */
    struct prf_table edges;
    struct prf_metric_values *metrics;
    size_t n_metrics;
    struct prf_mark *marks;
    size_t n_marks;
    struct prf_series *series;
    size_t n_series;
    struct prf_stack *stacks; /* [0] is a placeholder */
    size_t n_stacks;          /* that included; 0: none */
    struct prf_snapshot *snapshots;
    size_t n_snapshots;
    uint32_t peak_stack; /* of the allocation that made the peak; 0: not known */
    struct prf_source *sources;
    size_t n_sources;
    size_t n_event_chunks; /* events themselves stay in the recording: see events.h */
    size_t n_event_processes, n_event_threads; /* that have events */
    const char **notes;
    size_t n_notes;
    const char *phase, *status, *reason, *traceback, *report, *rounds; /* or NULL */
    bool usage; /* the reason is an error of the command line; not in the store */
    int64_t duration_ns; /* of the measured body, all rounds; -1: not known */
    uint64_t n_lost;
    uint32_t pid;
};

/* Index of the column with that name, or -1. */
int prf_column_find(const struct prf_column *columns, size_t n, const char *name);

void prf_profile_free(struct prf_profile *profile);

#endif
