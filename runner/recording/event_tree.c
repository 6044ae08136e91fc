/* Calls of a stream as a tree; see event_tree.h. */
#include "event_tree.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TREE_ROOM ((size_t)1 << 10)
#define TREE_NOTES 9 /* room for this one and the reader's own */

struct tree_node {
    uint32_t parent, code;
    int64_t calls, own_ns;
};

/* Nodes by (parent, code), open addressing. */
struct tree {
    struct tree_node *nodes; /* [0]: the root */
    size_t n, room;
    uint32_t *slots; /* 2 * room; 0: free */
};

static uint32_t *
tree_slot(const struct tree *tree, uint32_t parent, uint32_t code)
{
    size_t mask = tree->room * 2 - 1;
    uint64_t key = (uint64_t)parent << 32 | code;
    size_t i = (size_t)(key * 0x9E3779B97F4A7C15u >> 20) & mask;
    while (tree->slots[i] != 0 && (tree->nodes[tree->slots[i]].parent != parent ||
                                   tree->nodes[tree->slots[i]].code != code)) {
        i = (i + 1) & mask;
    }
    return &tree->slots[i];
}

static int
tree_grow(struct tree *tree, size_t room)
{
    uint32_t *slots = calloc(room * 2, sizeof *slots);
    struct tree_node *nodes = realloc(tree->nodes, room * sizeof *nodes);
    if (nodes != NULL) {
        tree->nodes = nodes;
        nodes[0] = (struct tree_node){0};
    }
    if (slots == NULL || nodes == NULL || room > UINT32_MAX / 2) {
        free(slots);
        return PRF_ENOMEM;
    }
    free(tree->slots);
    tree->slots = slots;
    tree->room = room;
    for (size_t i = 1; i < tree->n; i++) {
        *tree_slot(tree, nodes[i].parent, nodes[i].code) = (uint32_t)i;
    }
    return 0;
}

/* The node of `code` called from `parent`, 0: no memory. */
static uint32_t
tree_node(struct tree *tree, uint32_t parent, uint32_t code)
{
    uint32_t *slot = tree_slot(tree, parent, code);
    if (*slot == 0) {
        if (tree->n == tree->room) {
            if (tree_grow(tree, tree->room * 2) < 0) {
                return 0;
            }
            slot = tree_slot(tree, parent, code);
        }
        *slot = (uint32_t)tree->n;
        tree->nodes[tree->n++] = (struct tree_node){parent, code, 0, 0};
    }
    return *slot;
}

static int
tree_take(struct tree *tree, const struct prf_event *event)
{
    struct prf_call *call = event->call;
    if (event->op == PRF_EVENT_CALL) {
        call->user = tree_node(tree, call->user, call->code);
        if (call->user == 0) {
            return PRF_ENOMEM;
        }
        tree->nodes[call->user].calls++;
    } else if (event->op == PRF_EVENT_RETURN || event->op == PRF_EVENT_UNWIND) {
        tree->nodes[call->user].own_ns +=
            event->at_ns - call->began_ns - call->inner_ns;
    }
    return 0;
}

static int
tree_store(const struct tree *tree, struct prf_profile *p)
{
    struct prf_tree *t = &p->tree;
    int calls = prf_column_find(t->columns, t->n_columns, "calls");
    int own = prf_column_find(t->columns, t->n_columns, "own_ns");
    t->parent = prf_arena_alloc(&p->arena, tree->n * sizeof *t->parent);
    t->code = prf_arena_alloc(&p->arena, tree->n * sizeof *t->code);
    t->values =
        prf_arena_alloc(&p->arena, tree->n * t->n_columns * sizeof *t->values + 1);
    if (t->parent == NULL || t->code == NULL || t->values == NULL) {
        return PRF_ENOMEM;
    }
    for (size_t i = 1; i < tree->n; i++) {
        t->parent[i] = tree->nodes[i].parent;
        t->code[i] = tree->nodes[i].code;
        if (calls >= 0) {
            t->values[i * t->n_columns + (size_t)calls] = tree->nodes[i].calls;
        }
        if (own >= 0) {
            t->values[i * t->n_columns + (size_t)own] = tree->nodes[i].own_ns;
        }
    }
    t->n = tree->n;
    return 0;
}

/* Equal functions have equal indices there: codes[] of the profile is a prefix. */
static int
tree_codes(const struct prf_events *events, struct prf_profile *p)
{
    struct prf_function *codes =
        prf_arena_alloc(&p->arena, events->n_codes * sizeof *codes);
    if (codes == NULL) {
        return PRF_ENOMEM;
    }
    for (size_t i = 0; i < events->n_codes; i++) {
        codes[i] = events->codes[i];
        codes[i].file = prf_arena_strdup(&p->arena, codes[i].file);
        codes[i].name = prf_arena_strdup(&p->arena, codes[i].name);
        codes[i].qualname = prf_arena_strdup(&p->arena, codes[i].qualname);
        if (!codes[i].file || !codes[i].name || !codes[i].qualname) {
            return PRF_ENOMEM;
        }
    }
    p->codes = codes;
    p->n_codes = events->n_codes;
    return 0;
}

static int
tree_note(struct prf_profile *p, const char *note)
{
    const char **notes =
        prf_arena_alloc(&p->arena, (p->n_notes + TREE_NOTES) * sizeof *notes);
    char *copy = prf_arena_strdup(&p->arena, note);
    if (notes == NULL || copy == NULL) {
        return PRF_ENOMEM;
    }
    if (p->n_notes > 0) {
        memcpy(notes, p->notes, p->n_notes * sizeof *notes);
    }
    notes[p->n_notes++] = copy;
    p->notes = notes;
    return 0;
}

static int
tree_notes(const struct prf_events *events, struct prf_profile *p)
{
    char text[512];
    int rc = 0;
    for (size_t i = 1; i < events->n_processes; i++) {
        const struct prf_event_process *process = &events->processes[i];
        p->n_lost += process->n_lost;
        for (size_t k = 0; k < process->n_notes && rc == 0; k++) {
            snprintf(text, sizeof text, "process %" PRIu32 ": %s", process->pid,
                     process->notes[k]);
            rc = tree_note(p, text);
        }
    }
    return rc;
}

static void
tree_count(const struct prf_events *events, struct prf_profile *p)
{
    uint32_t last = UINT32_MAX;
    p->n_event_chunks = events->n_chunks;
    for (size_t i = 0; i < events->n_threads; i++) {
        if (events->threads[i].has_events) {
            p->n_event_threads++;
            p->n_event_processes += events->threads[i].process != last;
            last = events->threads[i].process;
        }
    }
}

/* What was met on the way, if anything. */
static int
tree_trouble(const struct prf_events *events, const struct prf_event_cursor *cursor,
             struct prf_profile *p)
{
    char text[160];
    size_t n_damaged = events->n_damaged + prf_event_cursor_damaged(cursor);
    size_t n_unmatched = prf_event_cursor_unmatched(cursor);
    int rc = 0;
    if (n_damaged > 0) {
        snprintf(text, sizeof text,
                 "%zu damaged places in the stream of events were left out", n_damaged);
        rc = tree_note(p, text);
    }
    if (n_unmatched > 0 && rc == 0) {
        snprintf(text, sizeof text,
                 "%zu ends of calls whose beginnings were not seen were left out",
                 n_unmatched);
        rc = tree_note(p, text);
    }
    return rc;
}

int
prf_events_count(struct prf_events *events, struct prf_profile *profile,
                 struct prf_error *err)
{
    tree_count(events, profile);
    return tree_notes(events, profile) < 0 ? prf_fail(err, PRF_ENOMEM, "out of memory")
                                           : 0;
}

int
prf_events_fold(struct prf_events *events, struct prf_profile *profile,
                struct prf_error *err)
{
    struct tree tree = {.n = 1};
    struct prf_event_cursor *cursor = NULL;
    struct prf_event event;
    int more = 1;
    int rc = tree_grow(&tree, TREE_ROOM);
    if (rc < 0 ||
        (rc = prf_event_cursor_open(events, PRF_EVENTS_ALL, &cursor, err)) < 0) {
        goto out;
    }
    while (rc == 0 && (more = prf_event_next(cursor, &event)) > 0) {
        rc = tree_take(&tree, &event);
    }
    rc = more < 0 ? more : rc;
    tree_count(events, profile);
    if (rc < 0 || (rc = tree_codes(events, profile)) < 0 ||
        (rc = tree_notes(events, profile)) < 0 ||
        (rc = tree_trouble(events, cursor, profile)) < 0) {
        goto out;
    }
    rc = profile->tree.n_columns > 0 ? tree_store(&tree, profile) : 0;
out:
    prf_event_cursor_free(cursor);
    free(tree.nodes);
    free(tree.slots);
    return rc < 0 ? prf_fail(err, rc, "out of memory while reading events") : 0;
}
