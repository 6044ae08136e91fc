/* tracemalloc's tables: see traces.h. All that is known of their layout is here; it is
   that of 3.11 to 3.13, and every use of it was confirmed by a planted block.

   The tables change under the GIL and tracemalloc's own lock; frees of raw blocks take
   the lock alone. So it is held while a table is walked, and nothing in between may
   allocate through Python. */
#include "traces.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "traces_scan.h"

#define TRACES_FIRST_CAPACITY 1024u

static struct {
    struct prf_traces_places at;
    bool searched, found, disabled;
    const char *why;
} known;

/* ---- aggregating ---- */

static struct prf_trace_sum *
traces_slot(struct prf_trace_sum *sums, size_t capacity, const void *traceback)
{
    uint64_t h = (uint64_t)(uintptr_t)traceback * 0x9E3779B97F4A7C15u;
    size_t i = (size_t)(h >> 32) & (capacity - 1);
    while (sums[i].n_blocks != 0 && sums[i].traceback != traceback) {
        i = (i + 1) & (capacity - 1);
    }
    return &sums[i];
}

static int
traces_grow(struct prf_traces *out)
{
    size_t capacity = out->capacity ? out->capacity * 2 : TRACES_FIRST_CAPACITY;
    struct prf_trace_sum *sums = calloc(capacity, sizeof *sums);
    if (sums == NULL) {
        out->failed = true;
        return -1;
    }
    for (size_t i = 0; i < out->capacity; i++) {
        if (out->sums[i].n_blocks != 0) {
            *traces_slot(sums, capacity, out->sums[i].traceback) = out->sums[i];
        }
    }
    free(out->sums);
    out->sums = sums;
    out->capacity = capacity;
    out->last = NULL;
    return 0;
}

static void
traces_add_other(struct prf_traces *out, const void *traceback, size_t n_bytes)
{
    if (2 * out->n >= out->capacity && traces_grow(out) < 0) {
        return;
    }
    struct prf_trace_sum *sum = traces_slot(out->sums, out->capacity, traceback);
    out->n += sum->n_blocks == 0;
    sum->traceback = traceback;
    sum->n_bytes += (int64_t)n_bytes;
    sum->n_blocks++;
    out->last = sum;
}

static inline void
traces_add(struct prf_traces *out, const void *traceback, size_t n_bytes)
{
    /* Neighbours in memory often come from one line: 70 % in a parsed JSON file. */
    if (out->last != NULL && out->last->traceback == traceback) {
        out->last->n_bytes += (int64_t)n_bytes;
        out->last->n_blocks++;
    } else {
        traces_add_other(out, traceback, n_bytes);
    }
}

/* ---- from the tables ---- */

static void
traces_walk(struct prf_traces *out, const struct prf_hashtable *table)
{
    for (size_t i = 0; i < table->n_buckets && !out->failed; i++) {
        const struct prf_hashentry *entry = table->buckets[i];
        for (; entry != NULL; entry = entry->next) {
            const struct prf_trace *trace = entry->value;
            traces_add(out, trace->traceback, trace->n_bytes);
        }
    }
}

static void
traces_walk_all(struct prf_traces *out)
{
    const struct prf_hashtable *domains = *known.at.domains;
    traces_walk(out, *known.at.traces);
    for (size_t i = 0; i < domains->n_buckets; i++) {
        const struct prf_hashentry *entry = domains->buckets[i];
        for (; entry != NULL; entry = entry->next) {
            traces_walk(out, entry->value);
        }
    }
}

/* ---- from objects ---- */

static int
traces_walk_list(struct prf_traces *out, struct prf_error *err)
{
    PyObject *module = PyImport_ImportModule("_tracemalloc");
    out->list = module ? PyObject_CallMethod(module, "_get_traces", NULL) : NULL;
    Py_XDECREF(module);
    if (out->list == NULL || !PyList_Check(out->list)) {
        PyErr_Clear();
        return prf_fail(err, PRF_EPYTHON, "_tracemalloc has no list of traces");
    }
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(out->list); i++) {
        PyObject *trace = PyList_GET_ITEM(out->list, i); /* (domain, size, frames, n) */
        traces_add(out, PyTuple_GET_ITEM(trace, 2),
                   PyLong_AsSize_t(PyTuple_GET_ITEM(trace, 1)));
    }
    return 0;
}

static bool
traces_use_tables(void)
{
    return known.found && !known.disabled;
}

int
prf_traces_take(struct prf_traces *out, struct prf_error *err)
{
    *out = (struct prf_traces){0};
    int rc = 0;
    if (traces_use_tables()) {
        PyThread_acquire_lock(known.at.lock, WAIT_LOCK);
        traces_walk_all(out);
        PyThread_release_lock(known.at.lock);
    } else {
        rc = traces_walk_list(out, err);
    }
    if (rc == 0 && out->failed) {
        rc = prf_fail(err, PRF_ENOMEM, "out of memory for a snapshot");
    }
    return rc;
}

void
prf_traces_release(struct prf_traces *traces)
{
    free(traces->sums);
    Py_XDECREF(traces->list);
    *traces = (struct prf_traces){0};
}

/* ---- tracebacks ---- */

unsigned
prf_traces_n_frames(const struct prf_traces *traces, const void *traceback)
{
    if (traces->list != NULL) {
        return (unsigned)PyTuple_GET_SIZE((PyObject *)traceback);
    }
    return ((const struct prf_traceback *)traceback)->n_frames;
}

PyObject *
prf_traces_frame(const struct prf_traces *traces, const void *traceback, unsigned index,
                 unsigned *line)
{
    if (traces->list != NULL) {
        PyObject *frame = PyTuple_GET_ITEM((PyObject *)traceback, index);
        *line = (unsigned)PyLong_AsUnsignedLong(PyTuple_GET_ITEM(frame, 1));
        return PyTuple_GET_ITEM(frame, 0);
    }
    const struct prf_traceback *tb = traceback;
    *line = tb->frames[index].line;
    return tb->frames[index].filename;
}

const void *
prf_traces_find(const void *block)
{
    const void *traceback = NULL;
    PyThread_acquire_lock(known.at.lock, WAIT_LOCK);
    const struct prf_hashtable *table = *known.at.traces;
    const struct prf_hashentry *entry =
        table->buckets[prf_hash_pointer(block) & (table->n_buckets - 1)];
    for (; entry != NULL && traceback == NULL; entry = entry->next) {
        if (entry->key == block) {
            traceback = ((const struct prf_trace *)entry->value)->traceback;
        }
    }
    PyThread_release_lock(known.at.lock);
    return traceback;
}

bool
prf_traces_knows(const void *traceback)
{
    const struct prf_hashtable *table = *known.at.tracebacks;
    for (size_t i = 0; i < table->n_buckets; i++) {
        const struct prf_hashentry *entry = table->buckets[i];
        for (; entry != NULL; entry = entry->next) {
            if (entry->key == traceback) {
                return true;
            }
        }
    }
    return false;
}

const volatile size_t *
prf_traces_counter(void)
{
    return traces_use_tables() ? known.at.current : NULL;
}

/* ---- finding them ---- */

bool
prf_traces_locate(const char **why)
{
    if (!known.searched) {
        known.searched = true;
        known.found = prf_traces_scan(&known.at, &known.why);
    } else if (known.found && !prf_traces_check(&known.at)) {
        known.found = false;
        known.why = "the tables of tracemalloc moved";
    }
    *why = known.disabled ? "the tables are not used" : known.why;
    return traces_use_tables();
}

void
prf_traces_disable(bool disabled)
{
    known.disabled = disabled;
}

/* Protected by the GIL. */
static struct {
    unsigned n_users;
    bool ours; /* started by one of them */
} traces_use;

bool
prf_traces_enter(bool is_tracing)
{
    traces_use.ours = !is_tracing || (traces_use.n_users > 0 && traces_use.ours);
    traces_use.n_users++;
    return !is_tracing;
}

bool
prf_traces_leave(void)
{
    bool last = --traces_use.n_users == 0;
    return last && traces_use.ours;
}

bool
prf_traces_are_ours(void)
{
    return traces_use.n_users > 0 && traces_use.ours;
}
