/* The data of a profiler: pieces by name, nodes, calls. Under the GIL; no Python error
   leaves this file but from prf_record_init. */
#include "record.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A tree of mutual recursion can grow without end; from here on a piece goes where an
   ancestor has it already. 40 MB of nodes. */
#define RECORD_NODES_MAX (1u << 20)

/* Room for one more; false: no memory. */
static bool
record_room(void *items, uint64_t n, uint64_t *n_room, size_t size)
{
    if (n < *n_room) {
        return true;
    }
    void **array = items;
    uint64_t n_new = *n_room == 0 ? 16 : 2 * *n_room;
    void *grown = realloc(*array, n_new * size);
    if (grown == NULL) {
        return false;
    }
    *array = grown;
    *n_room = n_new;
    return true;
}

/* ---- pieces ---- */

static bool
record_piece_init(struct prf_profiler *p, struct prf_piece *piece, PyObject *name)
{
    *piece = (struct prf_piece){.min = UINT64_MAX};
    if (!p->pieces.keep_calls) {
        piece->buckets = calloc(PRF_PIECE_BUCKETS, sizeof(*piece->buckets));
        if (piece->buckets == NULL) {
            return false;
        }
    }
    piece->name = Py_NewRef(name);
    return true;
}

static uint32_t
record_add_piece(struct prf_profiler *p, PyObject *name)
{
    uint32_t id = PRF_PIECE_NONE;
    PyObject *number = PyLong_FromUnsignedLong(p->pieces.n_pieces);
    if (number == NULL || PyDict_SetItem(p->ids, name, number) < 0) {
        goto out;
    }
    if (!record_room(&p->pieces.pieces, p->pieces.n_pieces, &p->n_pieces_room,
                     sizeof(struct prf_piece)) ||
        !record_piece_init(p, &p->pieces.pieces[p->pieces.n_pieces], name)) {
        PyDict_DelItem(p->ids, name);
        goto out;
    }
    id = p->pieces.n_pieces++;
out:
    PyErr_Clear();
    Py_XDECREF(number);
    return id;
}

static uint32_t
record_piece(struct prf_profiler *p, PyObject *name)
{
    PyObject *number = PyDict_GetItemWithError(p->ids, name);
    if (number != NULL) {
        return (uint32_t)PyLong_AsUnsignedLong(number);
    }
    PyErr_Clear();
    return record_add_piece(p, name);
}

static bool
record_is_method(PyObject *whole, PyObject *name)
{
    Py_ssize_t length = PyUnicode_GET_LENGTH(whole), n = PyUnicode_GET_LENGTH(name);
    return length > n && PyUnicode_READ_CHAR(whole, length - n - 1) == '.' &&
           PyUnicode_Tailmatch(whole, name, 0, length, 1) == 1;
}

uint32_t
prf_pieces_find(const struct prf_pieces *pieces, PyObject *name)
{
    uint32_t found = PRF_PIECE_NONE;
    uint32_t n_methods = 0;
    for (uint32_t i = 0; i < pieces->n_pieces; i++) {
        if (pieces->pieces[i].n_calls == 0) {
            continue;
        }
        if (PyUnicode_Compare(pieces->pieces[i].name, name) == 0) {
            return i;
        }
        if (record_is_method(pieces->pieces[i].name, name)) {
            found = i;
            n_methods++;
        }
    }
    PyErr_Clear();
    return n_methods == 1 ? found : PRF_PIECE_NONE;
}

/* ---- nodes ---- */

static uint32_t
record_slot(const struct prf_profiler *p, uint32_t parent, uint32_t piece)
{
    uint64_t key = (uint64_t)parent << 32 | piece;
    uint32_t slot = (uint32_t)((key * 0x9e3779b97f4a7c15u) >> 32) & (p->n_slots - 1);
    for (;; slot = (slot + 1) & (p->n_slots - 1)) {
        uint32_t node = p->slots[slot];
        if (node == 0 || (p->pieces.nodes[node].parent == parent &&
                          p->pieces.nodes[node].piece == piece)) {
            return slot;
        }
    }
}

/* At most half of the slots are used. */
static bool
record_slots_grow(struct prf_profiler *p)
{
    if (2 * (uint64_t)p->pieces.n_nodes < p->n_slots) {
        return true;
    }
    uint32_t n_new = p->n_slots == 0 ? 64 : 2 * p->n_slots;
    uint32_t *grown = calloc(n_new, sizeof(*grown));
    if (grown == NULL) {
        return false;
    }
    free(p->slots);
    p->slots = grown;
    p->n_slots = n_new;
    for (uint32_t i = 1; i < p->pieces.n_nodes; i++) {
        const struct prf_piece_node *node = &p->pieces.nodes[i];
        p->slots[record_slot(p, node->parent, node->piece)] = i;
    }
    return true;
}

/* The nearest of parent and its ancestors that is of the piece; 0: none. */
static uint32_t
record_ancestor(const struct prf_profiler *p, uint32_t parent, uint32_t piece)
{
    while (parent != 0 && p->pieces.nodes[parent].piece != piece) {
        parent = p->pieces.nodes[parent].parent;
    }
    return parent;
}

static uint32_t
record_add_node(struct prf_profiler *p, uint32_t parent, uint32_t piece)
{
    if (!record_slots_grow(p) ||
        !record_room(&p->pieces.nodes, p->pieces.n_nodes, &p->n_nodes_room,
                     sizeof(struct prf_piece_node))) {
        return PRF_PIECE_NONE;
    }
    uint32_t id = p->pieces.n_nodes++;
    p->pieces.nodes[id] = (struct prf_piece_node){
        .parent = parent,
        .piece = piece,
        .nested = record_ancestor(p, parent, piece) != 0,
    };
    p->slots[record_slot(p, parent, piece)] = id;
    return id;
}

static uint32_t
record_child(struct prf_profiler *p, uint32_t parent, uint32_t piece)
{
    uint32_t id = p->n_slots == 0 ? 0 : p->slots[record_slot(p, parent, piece)];
    if (id != 0) {
        return id;
    }
    if (p->pieces.n_nodes < RECORD_NODES_MAX) {
        return record_add_node(p, parent, piece);
    }
    uint32_t ancestor = record_ancestor(p, parent, piece);
    if (ancestor != 0 && p->pieces.nodes[ancestor].nested) {
        return ancestor;
    }
    /* Past the limit, but at most one more for a node that is there. */
    id = p->slots[record_slot(p, ancestor, piece)];
    return id != 0 ? id : record_add_node(p, ancestor, piece);
}

uint32_t
prf_record_node_slow(struct prf_profiler *p, uint32_t parent, struct prf_piece_ref *ref)
{
    if (ref->epoch != p->epoch) {
        uint32_t piece = record_piece(p, ref->name);
        if (piece == PRF_PIECE_NONE) {
            return PRF_PIECE_NONE;
        }
        ref->piece = piece;
        ref->epoch = p->epoch;
    }
    uint32_t node = record_child(p, parent, ref->piece);
    if (node != PRF_PIECE_NONE) {
        ref->node = node;
        ref->key = (uint64_t)p->epoch << 32 | parent;
    }
    return node;
}

/* ---- calls ---- */

static bool
record_thread(struct prf_profiler *p, struct prf_strand *s)
{
    if (!record_room(&p->pieces.threads, p->pieces.n_threads, &p->n_threads_room,
                     sizeof(struct prf_piece_thread))) {
        return false;
    }
    s->thread = p->pieces.n_threads++;
    p->pieces.threads[s->thread].ident = s->ident;
    return true;
}

/* Where the next call goes; NULL: no memory. */
static struct prf_piece_call *
record_next_call(struct prf_profiler *p)
{
    uint64_t chunk = p->pieces.n_calls / PRF_PIECE_CHUNK;
    uint64_t at = p->pieces.n_calls % PRF_PIECE_CHUNK;
    if (at == 0) {
        if (!record_room(&p->pieces.chunks, chunk, &p->n_chunks_room,
                         sizeof(*p->pieces.chunks))) {
            return NULL;
        }
        p->pieces.chunks[chunk] = malloc(PRF_PIECE_CHUNK * sizeof(**p->pieces.chunks));
        if (p->pieces.chunks[chunk] == NULL) {
            return NULL;
        }
    }
    return &p->pieces.chunks[chunk][at];
}

static void
record_keep(struct prf_profiler *p, struct prf_strand *s,
            const struct prf_piece_call *ended)
{
    if (p->pieces.max_calls != 0 && p->pieces.n_calls >= p->pieces.max_calls) {
        return;
    }
    struct prf_piece_call *call = NULL;
    if (s->thread != PRF_PIECE_NONE || record_thread(p, s)) {
        call = record_next_call(p);
    }
    if (call == NULL) {
        p->pieces.n_lost++;
        return;
    }
    *call = *ended;
    call->thread = s->thread;
    p->pieces.n_calls++;
}

static void
record_bucket(const struct prf_profiler *p, struct prf_piece *piece, uint64_t duration)
{
    double ns = (double)duration * p->ns_per_tick;
    double index = ns <= 1 ? 0 : log(ns) * 50.498349791843466; /* 1 / log(1.02) */
    uint32_t at = index < PRF_PIECE_BUCKETS ? (uint32_t)index : PRF_PIECE_BUCKETS - 1;
    if (piece->buckets[at] < UINT32_MAX) {
        piece->buckets[at]++;
    }
}

static void
record_statistics(struct prf_piece *piece, uint64_t start, uint64_t duration)
{
    if (piece->n_calls++ == 0 || start < piece->first) {
        piece->first = start;
    }
    if (duration < piece->min) {
        piece->min = duration;
    }
    if (duration > piece->max) {
        piece->max = duration;
    }
    double delta = (double)duration - piece->mean;
    piece->mean += delta / (double)piece->n_calls;
    piece->m2 += delta * ((double)duration - piece->mean);
}

void
prf_record_call(struct prf_profiler *p, struct prf_strand *s,
                const struct prf_ended *call)
{
    uint64_t start = call->start < p->cleared ? p->cleared : call->start;
    uint64_t end = call->end;
    uint64_t duration = end > start ? end - start : 0; /* another processor's counter */
    struct prf_piece_node *node = &p->pieces.nodes[call->node];
    struct prf_piece *piece = &p->pieces.pieces[node->piece];
    node->n_calls++;
    node->total += duration;
    record_statistics(piece, start, duration);
    if (p->pieces.n_recorded++ == 0 || start < p->pieces.began) {
        p->pieces.began = start;
    }
    if (end > p->pieces.ended) {
        p->pieces.ended = end;
    }
    if (!s->counted) {
        s->counted = true;
        p->pieces.n_callers++;
    }
    if (p->pieces.keep_calls) {
        record_keep(p, s,
                    &(struct prf_piece_call){
                        .start = start,
                        .duration = duration,
                        .own = call->own < duration ? call->own : duration,
                        .node = call->node});
    } else {
        record_bucket(p, piece, duration);
    }
}

/* ---- life ---- */

int
prf_record_init(struct prf_profiler *p)
{
    prf_clock_init();
    p->epoch++;
    p->ids = PyDict_New();
    p->pieces.nodes = calloc(16, sizeof(*p->pieces.nodes));
    if (p->ids == NULL || p->pieces.nodes == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    p->n_nodes_room = 16;
    p->pieces.n_nodes = 1;
    if (!p->pieces.keep_calls) {
        p->ns_per_tick = prf_clock_ns_per_tick();
    }
    return 0;
}

static void
record_free_calls(struct prf_profiler *p)
{
    for (uint64_t i = 0; i * PRF_PIECE_CHUNK < p->pieces.n_calls; i++) {
        free(p->pieces.chunks[i]);
    }
    free(p->pieces.chunks);
    p->pieces.chunks = NULL;
    p->n_chunks_room = 0;
    p->pieces.n_calls = 0;
}

static void
record_free_pieces(struct prf_profiler *p)
{
    for (uint32_t i = 0; i < p->pieces.n_pieces; i++) {
        Py_DECREF(p->pieces.pieces[i].name);
        free(p->pieces.pieces[i].buckets);
    }
    p->pieces.n_pieces = 0;
}

void
prf_record_release(struct prf_profiler *p)
{
    record_free_calls(p);
    record_free_pieces(p);
    free(p->pieces.pieces);
    free(p->pieces.nodes);
    free(p->pieces.threads);
    free(p->slots);
    prf_record_free_strands(p);
    Py_CLEAR(p->ids);
    Py_CLEAR(p->pieces.metadata);
}

static bool
record_is_busy(const struct prf_profiler *p)
{
    bool busy = p->n_suspended > 0;
    for (struct prf_strand *s = p->strands; s != NULL; s = s->next) {
        busy = busy || s->top > 0 || s->n_parked > 0;
    }
    return busy;
}

static void
record_zero_entries(struct prf_strand *s)
{
    for (uint32_t i = 0; i <= s->top; i++) {
        s->entries[i].own = 0;
    }
    for (uint32_t i = 0; i < s->n_parked; i++) {
        s->parked[i].own = 0;
    }
}

/* What runs keeps its node. */
static void
record_zero(struct prf_profiler *p)
{
    for (uint32_t i = 0; i < p->pieces.n_nodes; i++) {
        struct prf_piece_node *node = &p->pieces.nodes[i];
        node->n_calls = node->total = node->own = 0;
    }
    for (uint32_t i = 0; i < p->pieces.n_pieces; i++) {
        struct prf_piece *piece = &p->pieces.pieces[i];
        uint32_t *buckets = piece->buckets;
        *piece = (struct prf_piece){
            .name = piece->name, .min = UINT64_MAX, .buckets = buckets};
        if (buckets != NULL) {
            memset(buckets, 0, PRF_PIECE_BUCKETS * sizeof(*buckets));
        }
    }
}

static void
record_forget(struct prf_profiler *p)
{
    record_free_pieces(p);
    PyDict_Clear(p->ids);
    p->pieces.nodes[0] = (struct prf_piece_node){0};
    p->pieces.n_nodes = 1;
    free(p->slots);
    p->slots = NULL;
    p->n_slots = 0;
    p->epoch++;
}

void
prf_record_clear(struct prf_profiler *p)
{
    prf_record_sweep(p);
    PyObject *metadata = p->pieces.metadata;
    p->pieces.metadata = NULL;
    record_free_calls(p);
    if (record_is_busy(p)) {
        record_zero(p);
    } else {
        record_forget(p);
    }
    p->pieces.n_threads = 0;
    p->pieces.n_callers = 0;
    p->pieces.n_recorded = p->pieces.n_lost = 0;
    p->pieces.began = p->pieces.ended = 0;
    p->cleared = prf_now();
    for (struct prf_strand *s = p->strands; s != NULL; s = s->next) {
        s->thread = PRF_PIECE_NONE;
        s->counted = false;
        s->newest = p->cleared;
        record_zero_entries(s);
    }
    Py_XDECREF(metadata); /* code may run */
}

double
prf_pieces_seconds(double ticks)
{
    return ticks * prf_clock_ns_per_tick() * 1e-9;
}

/* time.perf_counter() is CLOCK_MONOTONIC in seconds. */
double
prf_pieces_moment(uint64_t ticks)
{
    static uint64_t anchor_ticks, anchor_ns;
    if (anchor_ticks == 0) {
        prf_clock_ns_per_tick();
        anchor_ns = prf_clock_monotonic_ns();
        anchor_ticks = prf_now();
    }
    double since = ((double)ticks - (double)anchor_ticks) * prf_clock_ns_per_tick();
    return ((double)anchor_ns + since) * 1e-9;
}
