/* A copy of what a PerformanceProfiler knows, at one moment. Making Python objects can
   run the program's code (finalizers), which records on: so methods copy first, in C
   alone, and then make their objects from the copy. With the GIL. */
#ifndef PRF_PIECES_VIEW_H
#define PRF_PIECES_VIEW_H

#include "pieces.h"

/* Times in ticks, of all nodes of the piece. */
struct prf_view_piece {
    PyObject *name; /* strong */
    uint64_t n_calls;
    uint64_t min, max; /* 0 without calls */
    double mean, m2;
    uint64_t first;
    uint64_t total;    /* of the outermost calls */
    uint64_t own;      /* of all calls */
    uint64_t running;  /* own, and that of what was called from the outermost calls */
    uint32_t *buckets; /* PRF_PIECE_BUCKETS of them, or NULL */
};

struct prf_view_node {
    uint32_t parent, piece;
    uint32_t depth; /* 0: the root */
    bool nested;
    bool seen; /* it or a node below it was called */
    uint64_t n_calls, total, own;
    uint64_t running; /* its own and that of all nodes below it */
};

struct prf_view {
    struct prf_view_piece *pieces;
    uint32_t n_pieces;
    struct prf_view_node *nodes; /* nodes[0] is the root */
    uint32_t n_nodes;            /* at least 1 */
    uint64_t *threads;           /* idents */
    uint32_t n_threads;
    struct prf_piece_call *calls; /* NULL when not asked for */
    uint64_t n_calls;             /* kept, in `calls` or not */
    uint32_t n_callers;           /* threads on which calls ended */
    uint32_t *order;   /* pieces with calls that ended, by their first call, and after
                          them those that have own time only: they run */
    uint32_t n_called; /* of the former */
    uint32_t n_order;  /* of both */
    uint64_t n_recorded, n_lost;
    uint64_t began, ended;
    bool keep_calls;
};

enum prf_view_parts {
    PRF_VIEW_TREE = 0,    /* pieces, nodes, threads: always there */
    PRF_VIEW_CALLS = 1,   /* `calls` */
    PRF_VIEW_BUCKETS = 2, /* `buckets` of pieces that have them */
};

/* -1: MemoryError, or TypeError when `profiler` is none; nothing is to be released. */
int prf_view_take(PyObject *profiler, unsigned parts, struct prf_view *s);

void prf_view_release(struct prf_view *s);

/* Time in which a call of the piece was active but nothing of it ran. */
uint64_t prf_view_waiting(const struct prf_view_piece *piece);

/* Indices of the `most` longest of the calls, which were asked for, the longest first
   and the earlier one first of equals; *n of them, the caller's (free). NULL:
   MemoryError. */
uint64_t *prf_view_longest(const struct prf_view *s, size_t most, size_t *n);

/* All calls of all pieces. */
struct prf_view_sums {
    uint64_t n_calls;
    uint64_t min, max; /* ticks; 0 without calls */
    double mean;
    uint64_t total;   /* ticks of calls that no piece was around */
    uint64_t own;     /* of all pieces */
    uint64_t waiting; /* of `total`, while nothing of it ran */
};

struct prf_view_sums prf_view_sum(const struct prf_view *s);

#endif
