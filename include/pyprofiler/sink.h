/* What a backend may emit, in the field's models and never in a format. A sink hands
   out extents, pieces of memory that belong to the result from the moment `used` covers
   them; the writer of a recording implements it over a shared mapping, tests in memory.
   The functions here may be called with or without the GIL, but by one thread at a time
   for one sink; `extend` alone is safe from several threads. */
#ifndef PYPROFILER_SINK_H
#define PYPROFILER_SINK_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <pyprofiler/recording.h>

/* Exported by the plugin, for backends that are loaded into it. */
#pragma GCC visibility push(default)

struct prf_sink;

struct prf_extent {
    unsigned char *data;
    size_t capacity;
    _Atomic uint64_t *used;
};

struct prf_sink_ops {
    /* A new, zeroed extent of at least `min_bytes`. 0, or -1 when there is no memory:
       what should have gone there is then counted in `lost`. */
    int (*extend)(struct prf_sink *sink, uint32_t kind, uint32_t row_size,
                  size_t min_bytes, struct prf_extent *out);
    void (*lost)(struct prf_sink *sink, uint64_t n);
    /* Nothing more goes into this extent: its memory may be given back at once, so that
       a stream costs disk and no memory. NULL: it stays. */
    void (*seal)(struct prf_sink *sink, const struct prf_extent *extent);
    /* In a forked child: from now on the sink is a recording of the child's own, beside
       its parent's (see <pyprofiler/recording.h>), with the schema and the codes so far
       under the same ids. Everything else starts anew; extents from before still exist
       but belong to nothing. 0, or -1: it cannot be made. NULL: a child has none. */
    int (*fork)(struct prf_sink *sink);
    /* What the names of children's recordings start with; borrowed. NULL: as above. */
    const char *(*base)(struct prf_sink *sink);
};

/* One open extent for the records of each kind that has them. */
struct prf_sink {
    const struct prf_sink_ops *ops;
    struct prf_extent open[16]; /* indexed by kind; records only */
    uint32_t n_codes, n_threads, n_snapshots;
    double ns_per_tick; /* of the clock that the process uses, see hooks/clock.h */
    uint64_t muted;     /* bit i: samples of the metric with index i are not recorded */
};

/* A table that grows in the sink: its rows are zeroed and keep their address. */
struct prf_rows {
    struct prf_sink *sink;
    uint32_t kind;
    uint32_t row_size;
    uint32_t n; /* rows added so far, in all extents */
    struct prf_extent extent;
};

void prf_rows_init(struct prf_rows *rows, struct prf_sink *sink, uint32_t kind,
                   uint32_t row_size);

/* Slow half of prf_rows_add: opens the next extent. */
int prf_rows_extend(struct prf_rows *rows);

/* A new zeroed row, part of the result at once, or NULL (counted as lost). */
static inline void *
prf_rows_add(struct prf_rows *rows)
{
    struct prf_extent *e = &rows->extent;
    uint64_t used = e->used ? atomic_load_explicit(e->used, memory_order_relaxed) : 0;
    if (used + rows->row_size > e->capacity) {
        if (prf_rows_extend(rows) < 0) {
            return NULL;
        }
        used = 0;
    }
    void *row = e->data + used;
    atomic_store_explicit(e->used, used + rows->row_size, memory_order_release);
    rows->n++;
    return row;
}

/* Id (from 1) of a new code record, 0 when there is no memory. Call it once per code.
 */
uint32_t prf_sink_code(struct prf_sink *sink, const char *file, const char *name,
                       const char *qualname, uint32_t first_line, uint32_t flags);

/* One raw value of the metric with that index in the backend's table. */
void prf_sink_sample(struct prf_rows *samples, uint32_t metric, uint32_t flags,
                     double value);

void prf_sink_mark(struct prf_sink *sink, const struct prf_rec_mark *mark,
                   const char *name);

/* Id (from 1) of a new thread record, 0 when there is no memory. */
uint32_t prf_sink_thread(struct prf_sink *sink, uint64_t tid, const char *name);

/* The same, its name to be set later, up to `room` bytes: they go behind the struct,
   `name_len` is written after them. Its id is sink->n_threads. NULL: no memory. */
struct prf_rec_thread *prf_sink_thread_slot(struct prf_sink *sink, uint64_t tid,
                                            size_t room);

/* Index (from 0) of a new snapshot record, UINT32_MAX when there is no memory. */
uint32_t prf_sink_snapshot(struct prf_sink *sink,
                           const struct prf_rec_snapshot *snapshot, const char *name);

/* Declare the columns and metrics of what follows: once, before any row. `metrics` ends
   with a NULL name (struct prf_metric of backend.h). */
struct prf_metric;
void prf_sink_schema(struct prf_sink *sink, const struct prf_metric *metrics);

/* Key and text. Keys in use: see PRF_INFO_*. A text of any length. */
void prf_sink_info(struct prf_sink *sink, const char *key, const char *text);

/* Room for `size` bytes of text under `key` that may be overwritten at any time: what
   stands there up to the first NUL counts. NULL: lost. */
char *prf_sink_info_slot(struct prf_sink *sink, const char *key, size_t size);

#define PRF_INFO_PHASE "phase"   /* last one counts: what the process was doing */
#define PRF_INFO_STATUS "status" /* ok failed skipped error */
#define PRF_INFO_REASON "reason" /* one line: why skipped, or the exception */
#define PRF_INFO_USAGE "usage"   /* the reason is what was asked for, not the case */
#define PRF_INFO_TRACEBACK "traceback"
#define PRF_INFO_DURATION "duration_ns" /* of the measured body, all rounds */
#define PRF_INFO_NOTE "note"            /* any number: what the reader should know */
#define PRF_INFO_MAX_DEPTH "max_depth"  /* calls below the first that are shown */
#define PRF_INFO_REPORT "report"        /* a Python profiler's own text */
/* Source of a function whose lines are sites: "<code id> <first line>\n" and its lines.
 */
#define PRF_INFO_SOURCE "source"
/* Id of the stack of the allocation that made the peak of what was held. */
#define PRF_INFO_PEAK "peak_stack"
#define PRF_INFO_ROUNDS "rounds" /* stopwatch: JSON object, how it was measured */

#pragma GCC visibility pop

#endif
