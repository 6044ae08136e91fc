/* Copies of the tables of pieces; see view.h. */
#include "view.h"

#include <stdlib.h>
#include <string.h>

#include "record.h"

static int
view_copy_pieces(const struct prf_pieces *p, bool buckets, struct prf_view *s)
{
    for (uint32_t i = 0; i < p->n_pieces; i++) {
        const struct prf_piece *piece = &p->pieces[i];
        struct prf_view_piece *copy = &s->pieces[i];
        *copy = (struct prf_view_piece){.name = Py_NewRef(piece->name),
                                        .n_calls = piece->n_calls,
                                        .mean = piece->mean,
                                        .m2 = piece->m2,
                                        .first = piece->first};
        s->n_pieces = i + 1;
        if (piece->n_calls > 0) {
            copy->min = piece->min;
            copy->max = piece->max;
        }
        if (buckets && piece->buckets != NULL) {
            size_t size = PRF_PIECE_BUCKETS * sizeof *piece->buckets;
            copy->buckets = malloc(size);
            if (copy->buckets == NULL) {
                return -1;
            }
            memcpy(copy->buckets, piece->buckets, size);
        }
    }
    return 0;
}

static void
view_copy_nodes(const struct prf_pieces *p, struct prf_view *s)
{
    for (uint32_t i = 1; i < p->n_nodes; i++) {
        const struct prf_piece_node *node = &p->nodes[i];
        s->nodes[i] = (struct prf_view_node){.parent = node->parent,
                                             .piece = node->piece,
                                             .depth = s->nodes[node->parent].depth + 1,
                                             .nested = node->nested,
                                             .n_calls = node->n_calls,
                                             .total = node->total,
                                             .own = node->own,
                                             .running = node->own};
    }
    s->n_nodes = p->n_nodes > 0 ? p->n_nodes : 1;
}

static void
view_copy_calls(const struct prf_pieces *p, struct prf_view *s)
{
    for (uint64_t i = 0; i < p->n_calls; i += PRF_PIECE_CHUNK) {
        uint64_t left = p->n_calls - i;
        size_t n = left < PRF_PIECE_CHUNK ? (size_t)left : PRF_PIECE_CHUNK;
        memcpy(&s->calls[i], p->chunks[i / PRF_PIECE_CHUNK], n * sizeof *s->calls);
    }
}

/* What follows from the nodes: sums upwards (a parent has a lower id), and per piece.
 */
static void
view_add_up(struct prf_view *s)
{
    for (uint32_t i = s->n_nodes - 1; i > 0; i--) {
        struct prf_view_node *node = &s->nodes[i], *parent = &s->nodes[node->parent];
        node->seen |= node->n_calls > 0 || node->own > 0;
        parent->seen |= node->seen;
        parent->running += node->running;
    }
    for (uint32_t i = 1; i < s->n_nodes; i++) {
        const struct prf_view_node *node = &s->nodes[i];
        struct prf_view_piece *piece = &s->pieces[node->piece];
        piece->own += node->own;
        piece->total += node->nested ? 0 : node->total;
        piece->running += node->nested ? 0 : node->running;
    }
}

static int
view_earlier(const void *a, const void *b, void *context)
{
    const struct prf_view_piece *pieces = context;
    uint32_t i = *(const uint32_t *)a, k = *(const uint32_t *)b;
    if ((pieces[i].n_calls == 0) != (pieces[k].n_calls == 0)) {
        return pieces[i].n_calls == 0 ? 1 : -1;
    }
    if (pieces[i].first != pieces[k].first) {
        return pieces[i].first < pieces[k].first ? -1 : 1;
    }
    return i < k ? -1 : i > k;
}

static void
view_put_in_order(struct prf_view *s)
{
    for (uint32_t i = 0; i < s->n_pieces; i++) {
        if (s->pieces[i].n_calls > 0 || s->pieces[i].own > 0) {
            s->order[s->n_order++] = i;
            s->n_called += s->pieces[i].n_calls > 0;
        }
    }
    qsort_r(s->order, s->n_order, sizeof *s->order, view_earlier, s->pieces);
}

static int
view_allocate(const struct prf_pieces *p, unsigned parts, struct prf_view *s)
{
    s->pieces = calloc(p->n_pieces + 1u, sizeof *s->pieces);
    s->nodes = calloc(p->n_nodes + 1u, sizeof *s->nodes);
    s->threads = calloc(p->n_threads + 1u, sizeof *s->threads);
    s->order = calloc(p->n_pieces + 1u, sizeof *s->order);
    if (parts & PRF_VIEW_CALLS) {
        s->calls = malloc((size_t)(p->n_calls + 1) * sizeof *s->calls);
    }
    bool failed = !s->pieces || !s->nodes || !s->threads || !s->order ||
                  (!s->calls && (parts & PRF_VIEW_CALLS));
    return failed ? -1 : 0;
}

int
prf_view_take(PyObject *profiler, unsigned parts, struct prf_view *s)
{
    *s = (struct prf_view){0};
    const struct prf_pieces *p = prf_pieces_of(profiler);
    if (p == NULL) {
        return -1;
    }
    prf_record_catch_up((struct prf_profiler *)profiler);
    if (view_allocate(p, parts, s) < 0 ||
        view_copy_pieces(p, parts & PRF_VIEW_BUCKETS, s) < 0) {
        prf_view_release(s);
        PyErr_NoMemory();
        return -1;
    }
    view_copy_nodes(p, s);
    for (uint32_t i = 0; i < p->n_threads; i++) {
        s->threads[i] = p->threads[i].ident;
    }
    if (s->calls != NULL) {
        view_copy_calls(p, s);
    }
    s->n_threads = p->n_threads;
    s->n_callers = p->n_callers;
    s->n_calls = p->n_calls;
    s->n_recorded = p->n_recorded;
    s->n_lost = p->n_lost;
    s->began = p->began;
    s->ended = p->ended;
    s->keep_calls = p->keep_calls;
    view_add_up(s);
    view_put_in_order(s);
    return 0;
}

void
prf_view_release(struct prf_view *s)
{
    for (uint32_t i = 0; i < s->n_pieces; i++) {
        Py_XDECREF(s->pieces[i].name);
        free(s->pieces[i].buckets);
    }
    free(s->pieces);
    free(s->nodes);
    free(s->threads);
    free(s->calls);
    free(s->order);
    *s = (struct prf_view){0};
}

uint64_t
prf_view_waiting(const struct prf_view_piece *piece)
{
    /* What runs inside calls that have not ended is not in their total yet. */
    return piece->total > piece->running ? piece->total - piece->running : 0;
}

/* Whether call `a` comes after call `b` in an order by duration. */
static bool
view_is_shorter(const struct prf_view *s, uint64_t a, uint64_t b)
{
    uint64_t x = s->calls[a].duration, y = s->calls[b].duration;
    return x != y ? x < y : a > b;
}

/* Let the call at `at` of a heap with the shortest call on top sink to its place. */
static void
view_sink(const struct prf_view *s, uint64_t *heap, size_t n, size_t at)
{
    for (size_t below; (below = 2 * at + 1) < n; at = below) {
        if (below + 1 < n && view_is_shorter(s, heap[below + 1], heap[below])) {
            below++;
        }
        if (!view_is_shorter(s, heap[below], heap[at])) {
            return;
        }
        uint64_t swap = heap[at];
        heap[at] = heap[below];
        heap[below] = swap;
    }
}

uint64_t *
prf_view_longest(const struct prf_view *s, size_t most, size_t *n)
{
    size_t room = most < s->n_calls ? most : (size_t)s->n_calls;
    uint64_t *heap = malloc((room + 1) * sizeof *heap);
    if (heap == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    for (size_t i = 0; i < room; i++) {
        heap[i] = i;
    }
    for (size_t i = room / 2; i-- > 0;) {
        view_sink(s, heap, room, i);
    }
    for (uint64_t i = room; room > 0 && i < s->n_calls; i++) {
        if (view_is_shorter(s, heap[0], i)) {
            heap[0] = i;
            view_sink(s, heap, room, 0);
        }
    }
    for (size_t left = room; left > 1; left--) { /* the shortest goes last */
        uint64_t swap = heap[0];
        heap[0] = heap[left - 1];
        heap[left - 1] = swap;
        view_sink(s, heap, left - 1, 0);
    }
    *n = room;
    return heap;
}

struct prf_view_sums
prf_view_sum(const struct prf_view *s)
{
    struct prf_view_sums sums = {0};
    double weighted = 0;
    for (uint32_t i = 0; i < s->n_pieces; i++) {
        const struct prf_view_piece *piece = &s->pieces[i];
        sums.own += piece->own;
        if (piece->n_calls == 0) {
            continue;
        }
        sums.min = sums.n_calls == 0 || piece->min < sums.min ? piece->min : sums.min;
        sums.max = piece->max > sums.max ? piece->max : sums.max;
        sums.n_calls += piece->n_calls;
        weighted += piece->mean * (double)piece->n_calls;
    }
    sums.mean = sums.n_calls > 0 ? weighted / (double)sums.n_calls : 0;
    uint64_t running = 0;
    for (uint32_t i = 1; i < s->n_nodes; i++) {
        if (s->nodes[i].parent == 0) {
            sums.total += s->nodes[i].total;
            running += s->nodes[i].running;
        }
    }
    sums.waiting = sums.total > running ? sums.total - running : 0;
    return sums;
}
