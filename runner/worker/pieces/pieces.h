/* What a PerformanceProfiler knows: pieces (functions and blocks by name), the tree of
   who ran inside whom, and the calls themselves. record.c fills it in the hot path,
   everything else only reads. All of it belongs to one profiler object and is protected
   by the GIL: nothing here is called without it.

   Times are ticks of hooks/clock.h. A call begins when its function is entered (for a
   coroutine: when it is first sent to) and lasts until it returns, raises, is closed or
   dropped, waiting included. Its own time is the time in which it was what its thread
   ran: not what was called from it, and not while it was suspended. So own times of one
   thread never add up to more than the clock showed.

   A block in a coroutine that is not profiled itself may have been suspended between two
   events of its thread; nobody can tell when. Such an interval is no own time. */
#ifndef PRF_PIECES_H
#define PRF_PIECES_H

#include <Python.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "quantiles.h"

#define PRF_PIECE_NONE UINT32_MAX /* no piece, no node */

struct prf_piece {
    PyObject *name;    /* strong, a str */
    uint64_t n_calls;  /* that ended; 0: not called since the last clear */
    uint64_t min, max; /* ticks of a call; min is UINT64_MAX without calls */
    double mean, m2;   /* of durations in ticks, by Welford's recurrence */
    uint64_t first;    /* start of its earliest call, for the order of reports */
    uint32_t *buckets; /* malloc'ed; NULL while calls are kept */
};

/* A piece that ran inside the piece of another node: ids are indices, 0 is the root,
   which is no piece. The parent of a node has a lower id. */
struct prf_piece_node {
    uint32_t parent;
    uint32_t piece;
    bool nested;      /* an ancestor is the same piece: its time counts there already */
    uint64_t n_calls; /* that ended */
    uint64_t total;   /* ticks, waiting and callees included */
    uint64_t own;     /* ticks, see above; of calls that have not ended, too */
};

struct prf_piece_call {
    uint64_t start; /* ticks */
    uint64_t duration;
    uint64_t own; /* of the duration, see above */
    uint32_t node;
    uint32_t thread; /* index in threads */
};

struct prf_piece_thread {
    uint64_t ident; /* threading.get_ident() */
};

#define PRF_PIECE_CHUNK 4096u /* calls in a chunk */

struct prf_pieces {
    struct prf_piece *pieces;
    uint32_t n_pieces;
    struct prf_piece_node *nodes; /* nodes[0] is the root: its own means nothing */
    uint32_t n_nodes;
    struct prf_piece_call **chunks; /* in the order in which calls ended */
    uint64_t n_calls;               /* in chunks */
    struct prf_piece_thread *threads;
    uint32_t n_threads;
    PyObject *metadata;  /* strong: dict of call index (int) to dict, or NULL */
    uint64_t n_recorded; /* calls that ended since the last clear, kept or not */
    uint64_t n_lost;     /* calls for which there was no memory */
    uint32_t n_callers;  /* threads on which calls ended since then */
    uint64_t max_calls;  /* kept at most, the newest are dropped; 0: no limit */
    bool keep_calls;
    uint64_t began; /* ticks: of the first call since the last clear; 0: none */
    uint64_t ended; /* of the newest end */
};

/* The call at `index` (below n_calls), borrowed. */
static inline const struct prf_piece_call *
prf_pieces_call(const struct prf_pieces *p, uint64_t index)
{
    return &p->chunks[index / PRF_PIECE_CHUNK][index % PRF_PIECE_CHUNK];
}

/* The piece of that name that has calls; else the only one that is a method of that name
   ("run" finds "Task.run"); PRF_PIECE_NONE: there is none, or several. No exception. */
uint32_t prf_pieces_find(const struct prf_pieces *p, PyObject *name);

/* Seconds as time.perf_counter() shows them, of a moment in ticks. */
double prf_pieces_moment(uint64_t ticks);

/* Seconds of a duration in ticks. */
double prf_pieces_seconds(double ticks);

/* ---- the types: each adds itself to the module `_pyprofiler`; -1, exception set ----
 */

/* profiler.c: PerformanceProfiler, and the functions profile_block, get_profiler,
   create_profiler, instrument(func, name) of the global one. */
int prf_pieces_add_profiler(PyObject *module);

/* stats.c: FunctionStats and FunctionCall. */
int prf_pieces_add_stats(PyObject *module);

/* The pieces of a PerformanceProfiler, borrowed; NULL with TypeError: it is none. */
struct prf_pieces *prf_pieces_of(PyObject *profiler);

/* stats.c, report.c, export.c: methods of PerformanceProfiler that only read. They are
   in its method table (profiler.c) under the same names. FASTCALL | KEYWORDS all. */
PyObject *prf_pieces_get_function_stats(PyObject *self, PyObject *const *args,
                                        Py_ssize_t n_args, PyObject *kwnames);
PyObject *prf_pieces_get_all_function_stats(PyObject *self, PyObject *const *args,
                                            Py_ssize_t n_args, PyObject *kwnames);
PyObject *prf_pieces_get_all_calls(PyObject *self, PyObject *const *args,
                                   Py_ssize_t n_args, PyObject *kwnames);
PyObject *prf_pieces_get_hotspots(PyObject *self, PyObject *const *args,
                                  Py_ssize_t n_args, PyObject *kwnames);
PyObject *prf_pieces_get_slowest_calls(PyObject *self, PyObject *const *args,
                                       Py_ssize_t n_args, PyObject *kwnames);
PyObject *prf_pieces_get_call_tree(PyObject *self, PyObject *const *args,
                                   Py_ssize_t n_args, PyObject *kwnames);
PyObject *prf_pieces_generate_flame_graph_text(PyObject *self, PyObject *const *args,
                                               Py_ssize_t n_args, PyObject *kwnames);
PyObject *prf_pieces_generate_timeline_text(PyObject *self, PyObject *const *args,
                                            Py_ssize_t n_args, PyObject *kwnames);
PyObject *prf_pieces_get_summary(PyObject *self, PyObject *const *args,
                                 Py_ssize_t n_args, PyObject *kwnames);
PyObject *prf_pieces_export_to_json(PyObject *self, PyObject *const *args,
                                    Py_ssize_t n_args, PyObject *kwnames);
PyObject *prf_pieces_export_to_csv(PyObject *self, PyObject *const *args,
                                   Py_ssize_t n_args, PyObject *kwnames);
PyObject *prf_pieces_print_report(PyObject *self, PyObject *const *args,
                                  Py_ssize_t n_args, PyObject *kwnames);

#endif
