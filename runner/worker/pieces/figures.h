/* Figures of the calls of pieces, for the files that tell them. With the GIL. */
#ifndef PRF_PIECES_FIGURES_H
#define PRF_PIECES_FIGURES_H

#include "view.h"

/* Seconds. */
struct prf_piece_figures {
    double total, own, waiting;
    double mean, median, p95, p99, min, max, stddev;
};

/* Durations of kept calls by piece: those of `piece` are at[piece] .. at[piece + 1]. */
struct prf_piece_durations {
    uint64_t *ticks; /* in the order in which the calls ended */
    size_t *at;
};

/* From a view with calls. -1: no memory, MemoryError is set. */
int prf_piece_durations_of(const struct prf_view *s, struct prf_piece_durations *d);
void prf_piece_durations_release(struct prf_piece_durations *d);

/* Those that need no single calls: the quantiles are 0. */
struct prf_piece_figures prf_piece_figures_exact(const struct prf_view_piece *piece);

/* Calls to take a quantile of. */
struct prf_piece_sample {
    uint64_t n_calls, n_kept;
    const uint64_t *sorted;  /* ticks of the kept ones */
    const uint64_t *buckets; /* of all, or NULL */
    double min, max;         /* seconds */
};

/* Seconds; from the kept calls when these are all, or there are no buckets. */
double prf_piece_sample_quantile(const struct prf_piece_sample *s, double percent);

/* Add PRF_PIECE_BUCKETS counts, NULL being zeros, to as many. */
void prf_piece_buckets_add(const uint32_t *buckets, uint64_t *counts);

/* One for each piece of the view, which has calls and buckets; the caller's (free).
   NULL: no memory, MemoryError is set. */
struct prf_piece_figures *prf_piece_figures_of(const struct prf_view *s);

/* All calls of all pieces; times in seconds. */
struct prf_pieces_summary {
    unsigned n_functions, n_threads;
    uint64_t n_calls, n_kept, n_lost;
    bool keep_calls;
    double total, own, waiting, elapsed;
    double mean, median, p95, min, max;
};

/* From a view with calls and buckets. -1: MemoryError. */
int prf_pieces_summarize(const struct prf_view *s, struct prf_pieces_summary *sum);

/* RuntimeError: calls were asked for and none were kept; says what to do. NULL. */
PyObject *prf_pieces_no_calls(void);

/* calls.c: FunctionCall and the sequence of them; -1, exception set. */
int prf_pieces_add_calls(PyObject *module);

#endif
