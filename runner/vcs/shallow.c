/* Following parents in a shallow clone; see shallow.h. */
#include "shallow.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct shallow_ids {
    git_oid *items;
    size_t n, room;
};

/* A commit whose parents are looked at. */
struct shallow_frame {
    git_commit *commit;
    unsigned next;
};

struct prf_shallow_walk {
    git_repository *repo;
    bool first_parent;
    struct shallow_ids pushed, hidden;
    git_oid *seen; /* a hash table, its size a power of two; zeros are free */
    size_t n_seen, seen_room;
    struct shallow_frame *stack;
    size_t depth, stack_room;
};

struct prf_shallow_walk *
prf_shallow_walk_new(git_repository *repo, bool first_parent)
{
    struct prf_shallow_walk *walk = calloc(1, sizeof *walk);
    if (walk != NULL) {
        walk->repo = repo;
        walk->first_parent = first_parent;
    }
    return walk;
}

void
prf_shallow_walk_free(struct prf_shallow_walk *walk)
{
    if (walk == NULL) {
        return;
    }
    while (walk->depth > 0) {
        git_commit_free(walk->stack[--walk->depth].commit);
    }
    free(walk->stack);
    free(walk->seen);
    free(walk->pushed.items);
    free(walk->hidden.items);
    free(walk);
}

static int
shallow_add(struct shallow_ids *ids, const git_oid *id)
{
    if (ids->n == ids->room) {
        size_t room = ids->room == 0 ? 64 : 2 * ids->room;
        git_oid *grown = realloc(ids->items, room * sizeof *grown);
        if (grown == NULL) {
            return GIT_ERROR;
        }
        ids->items = grown;
        ids->room = room;
    }
    ids->items[ids->n++] = *id;
    return 0;
}

int
prf_shallow_walk_mark(struct prf_shallow_walk *walk, const git_oid *id, bool hide)
{
    return shallow_add(hide ? &walk->hidden : &walk->pushed, id);
}

static void
shallow_put(git_oid *table, size_t room, const git_oid *id, bool *there)
{
    uint64_t hash;
    memcpy(&hash, id->id, sizeof hash);
    size_t at = (size_t)hash & (room - 1);
    while (!git_oid_is_zero(&table[at]) && !git_oid_equal(&table[at], id)) {
        at = (at + 1) & (room - 1);
    }
    *there = !git_oid_is_zero(&table[at]);
    table[at] = *id;
}

/* 1: it is new, 0: it was seen before. */
static int
shallow_see(struct prf_shallow_walk *walk, const git_oid *id)
{
    bool there;
    if (2 * (walk->n_seen + 1) > walk->seen_room) {
        size_t room = walk->seen_room == 0 ? 1024 : 2 * walk->seen_room;
        git_oid *table = calloc(room, sizeof *table);
        if (table == NULL) {
            return GIT_ERROR;
        }
        for (size_t i = 0; i < walk->seen_room; i++) {
            if (!git_oid_is_zero(&walk->seen[i])) {
                shallow_put(table, room, &walk->seen[i], &there);
            }
        }
        free(walk->seen);
        walk->seen = table;
        walk->seen_room = room;
    }
    shallow_put(walk->seen, walk->seen_room, id, &there);
    walk->n_seen += !there;
    return !there;
}

/* Go to a commit that was not seen; one that is missing is behind the end. */
static int
shallow_enter(struct prf_shallow_walk *walk, const git_oid *id)
{
    git_commit *commit = NULL;
    int code = shallow_see(walk, id);
    if (code <= 0) {
        return code;
    }
    if (walk->depth == walk->stack_room) {
        size_t room = walk->stack_room == 0 ? 64 : 2 * walk->stack_room;
        struct shallow_frame *grown = realloc(walk->stack, room * sizeof *grown);
        if (grown == NULL) {
            return GIT_ERROR;
        }
        walk->stack = grown;
        walk->stack_room = room;
    }
    code = git_commit_lookup(&commit, walk->repo, id);
    if (code == 0) {
        walk->stack[walk->depth++] = (struct shallow_frame){commit, 0};
    }
    return code == GIT_ENOTFOUND ? 0 : code;
}

/* All that is reached from `id` and was not seen: children after their parents into
   `out`, or NULL. */
static int
shallow_follow(struct prf_shallow_walk *walk, const git_oid *id, bool first_parent,
               struct shallow_ids *out)
{
    int code = shallow_enter(walk, id);
    while (code == 0 && walk->depth > 0) {
        struct shallow_frame *top = &walk->stack[walk->depth - 1];
        unsigned n = git_commit_parentcount(top->commit);
        n = first_parent && n > 1 ? 1 : n;
        if (top->next < n) {
            code = shallow_enter(walk, git_commit_parent_id(top->commit, top->next++));
            continue;
        }
        code = out == NULL ? 0 : shallow_add(out, git_commit_id(top->commit));
        git_commit_free(top->commit);
        walk->depth--;
    }
    return code;
}

int
prf_shallow_walk_run(struct prf_shallow_walk *walk, git_oid **out, size_t *n)
{
    struct shallow_ids found = {0};
    int code = 0;
    for (size_t i = 0; code == 0 && i < walk->hidden.n; i++) {
        code = shallow_follow(walk, &walk->hidden.items[i], false, NULL);
    }
    for (size_t i = 0; code == 0 && i < walk->pushed.n; i++) {
        code = shallow_follow(walk, &walk->pushed.items[i], walk->first_parent, &found);
    }
    *out = found.items;
    *n = found.n;
    return code;
}

bool
prf_shallow_reaches(git_repository *repo, const git_oid *from, const git_oid *id)
{
    struct prf_shallow_walk *walk = prf_shallow_walk_new(repo, false);
    git_oid *ids = NULL;
    size_t n = 0;
    bool found = false;
    if (walk != NULL && prf_shallow_walk_mark(walk, from, false) == 0 &&
        prf_shallow_walk_run(walk, &ids, &n) == 0) {
        for (size_t i = 0; i < n; i++) {
            found |= git_oid_equal(&ids[i], id) != 0;
        }
    }
    free(ids);
    prf_shallow_walk_free(walk);
    return found;
}
