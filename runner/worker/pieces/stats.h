/* Statistics of a piece, for the files that report them. With the GIL. */
#ifndef PRF_PIECES_STATS_H
#define PRF_PIECES_STATS_H

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
