/* Snapshots in the model: see read_snapshots.h. Trusts no row, as all of the reader. */
#include "read_snapshots.h"

#include <stdlib.h>
#include <string.h>

int
prf_read_snapshots_init(struct prf_read_snapshots *r, struct prf_profile *p,
                        const size_t rows[16])
{
    struct prf_arena *arena = &p->arena;
    *r = (struct prf_read_snapshots){.p = p};
    if (rows[PRF_CHUNK_STACK] > 0) {
        p->stacks =
            prf_arena_alloc(arena, (rows[PRF_CHUNK_STACK] + 1) * sizeof *p->stacks);
        p->n_stacks = p->stacks != NULL;
    }
    p->snapshots =
        prf_arena_alloc(arena, (rows[PRF_CHUNK_SNAPSHOT] + 1) * sizeof *p->snapshots);
    r->held = calloc(rows[PRF_CHUNK_HELD] + 1, sizeof *r->held);
    bool stacks = rows[PRF_CHUNK_STACK] == 0 || p->stacks != NULL;
    return stacks && p->snapshots != NULL && r->held != NULL ? 0 : PRF_ENOMEM;
}

void
prf_read_snapshots_release(struct prf_read_snapshots *r)
{
    free(r->held);
    r->held = NULL;
}

void
prf_read_stack(struct prf_read_snapshots *r, const struct prf_rec_stack *row,
               uint32_t code)
{
    struct prf_profile *p = r->p;
    uint32_t parent = row->parent;
    if (parent >= p->n_stacks) { /* parents are written before their children */
        parent = 0;
        r->n_damaged++;
    }
    p->stacks[p->n_stacks++] = (struct prf_stack){parent, code, row->line};
}

void
prf_read_held(struct prf_read_snapshots *r, const struct prf_rec_held *row)
{
    r->held[r->n_held++] = *row;
}

int
prf_read_snapshot(struct prf_read_snapshots *r, const unsigned char *row, size_t size)
{
    struct prf_profile *p = r->p;
    struct prf_snapshot *snapshot = &p->snapshots[p->n_snapshots];
    struct prf_rec_snapshot rec = {0};
    const char *name = "?";
    if (size >= sizeof rec) {
        memcpy(&rec, row, sizeof rec);
    }
    if (size < sizeof rec || rec.name_len > size - sizeof rec) {
        r->n_damaged++; /* it stays: those after it keep their numbers */
    } else {
        name =
            prf_arena_strndup(&p->arena, (const char *)row + sizeof rec, rec.name_len);
    }
    *snapshot = (struct prf_snapshot){.name = name,
                                      .at_ns = rec.at_ns,
                                      .n_bytes = rec.n_bytes,
                                      .n_blocks = rec.n_blocks};
    p->n_snapshots += name != NULL;
    return name != NULL ? 0 : PRF_ENOMEM;
}

static bool
snapshots_is_right(const struct prf_read_snapshots *r, const struct prf_rec_held *held)
{
    return held->snapshot < r->p->n_snapshots && held->stack > 0 &&
           held->stack < r->p->n_stacks;
}

static size_t
snapshots_hash(const struct prf_stack *s)
{
    uint64_t h = ((uint64_t)s->parent << 32 | s->code) * 0x9E3779B97F4A7C15u;
    return (size_t)(((h ^ s->line) * 0x9E3779B97F4A7C15u) >> 20);
}

/* same[i]: the first stack with the frames of stack i. NULL: no memory. A traceback
   that Python shortened is there once for each of those it was made from. */
static uint32_t *
snapshots_equal_stacks(const struct prf_profile *p)
{
    size_t capacity = 16;
    while (capacity < 2 * p->n_stacks) {
        capacity *= 2;
    }
    uint32_t *same = calloc(p->n_stacks + 1, sizeof *same);
    uint32_t *slots = calloc(capacity, sizeof *slots);
    for (uint32_t i = 1; same != NULL && slots != NULL && i < p->n_stacks; i++) {
        struct prf_stack stack = p->stacks[i];
        stack.parent = same[stack.parent]; /* parents come first */
        size_t at = snapshots_hash(&stack) & (capacity - 1);
        for (; slots[at] != 0; at = (at + 1) & (capacity - 1)) {
            const struct prf_stack *other = &p->stacks[slots[at]];
            if (same[other->parent] == stack.parent && other->code == stack.code &&
                other->line == stack.line) {
                break;
            }
        }
        slots[at] = slots[at] != 0 ? slots[at] : i;
        same[i] = slots[at];
    }
    if (slots == NULL) {
        free(same);
        same = NULL;
    }
    free(slots);
    return same;
}

/* One entry a traceback, at the place of its first one. */
static int
snapshots_merge(struct prf_profile *p)
{
    if (p->n_stacks == 0) {
        return 0;
    }
    uint32_t *same = snapshots_equal_stacks(p);
    struct prf_held **entry = calloc(p->n_stacks, sizeof(struct prf_held *));
    int rc = same == NULL || entry == NULL ? PRF_ENOMEM : 0;
    for (size_t i = 0; rc == 0 && i < p->n_snapshots; i++) {
        struct prf_snapshot *snapshot = &p->snapshots[i];
        size_t n = snapshot->n;
        snapshot->n = 0;
        for (size_t k = 0; k < n; k++) {
            struct prf_held held = snapshot->held[k];
            held.stack = same[held.stack];
            struct prf_held *to = entry[held.stack];
            /* older snapshots' entries stand before this one's */
            if (to == NULL || to < snapshot->held) {
                to = entry[held.stack] = &snapshot->held[snapshot->n++];
                *to = held;
            } else {
                to->n_bytes += held.n_bytes;
                to->n_blocks += held.n_blocks;
            }
        }
    }
    free(same);
    free(entry);
    return rc;
}

int
prf_read_snapshots_finish(struct prf_read_snapshots *r)
{
    struct prf_profile *p = r->p;
    struct prf_held *all = prf_arena_alloc(&p->arena, (r->n_held + 1) * sizeof *all);
    if (all == NULL) {
        return PRF_ENOMEM;
    }
    for (size_t i = 0; i < r->n_held; i++) {
        if (snapshots_is_right(r, &r->held[i])) {
            p->snapshots[r->held[i].snapshot].n++;
        } else {
            r->n_damaged++;
        }
    }
    for (size_t i = 0; i < p->n_snapshots; i++) {
        p->snapshots[i].held = all;
        all += p->snapshots[i].n;
        p->snapshots[i].n = 0;
    }
    for (size_t i = 0; i < r->n_held; i++) {
        const struct prf_rec_held *held = &r->held[i];
        if (snapshots_is_right(r, held)) {
            struct prf_snapshot *snapshot = &p->snapshots[held->snapshot];
            snapshot->held[snapshot->n++] =
                (struct prf_held){held->stack, held->n_bytes, held->n_blocks};
        }
    }
    return snapshots_merge(p);
}

void
prf_read_peak(struct prf_profile *p, const char *text)
{
    unsigned long stack = strtoul(text, NULL, 10);
    p->peak_stack = stack < p->n_stacks ? (uint32_t)stack : 0;
}
