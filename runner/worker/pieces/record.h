/* The hot path: what was entered and left, into a struct prf_pieces.

   Every thread has a strand: the stack of what runs on it. Functions, and generators
   and coroutines while they are resumed, come and go as a stack does; blocks may be
   left in any order and on any thread. Whatever interval lies between two events of a
   thread is own time of the entry that was on top.

   A block in a coroutine that is not itself profiled stays open while other tasks run
   on its thread. tstate->context tells them apart: an entry runs while the context it
   was entered in is the thread's or one from which that was entered (Context.run); else
   it is parked, and back on the stack when its context is. All under the GIL. */
#ifndef PRF_PIECES_RECORD_H
#define PRF_PIECES_RECORD_H

#include <Python.h>

#include "clock.h"
#include "compat.h"
#include "pieces.h"

struct prf_entry {
    uint64_t start;
    uint64_t own;      /* ticks in which it was on top, until the newest event */
    uint64_t serial;   /* of its strand; what is on the C stack finds it by that */
    PyObject *block;   /* strong; NULL: a function or a resumption */
    PyObject *context; /* compared only */
    uint32_t node;
    bool left; /* has ended while others were above it; dropped when on top */
};

struct prf_strand {
    PyThreadState *tstate; /* compared only: with its id, as memory is used again */
    uint64_t tstate_id;
    uint64_t context_version;
    uint64_t newest; /* ticks of the newest event */
    uint64_t n_pushed;
    struct prf_entry *entries; /* entries[0] is the root's, always there */
    uint32_t top, n_room;
    struct prf_entry *parked; /* in the order in which they were entered */
    uint32_t n_parked, n_parked_room;
    uint32_t thread; /* index in threads, PRF_PIECE_NONE before its first kept call */
    bool counted;    /* in n_callers */
    unsigned long ident;
    uintptr_t stack_floor; /* 0: not deep enough to ask for it */
    struct prf_strand *next;
};

/* PerformanceProfiler. */
struct prf_profiler {
    PyObject_HEAD struct prf_pieces pieces;
    bool enabled;
    uint32_t epoch;            /* ids of pieces and nodes of another one mean nothing */
    uint32_t n_suspended;      /* generators and coroutines begun and not ended */
    uint64_t cleared;          /* ticks: nothing counts from before */
    struct prf_strand *recent; /* of the thread that was here last */
    struct prf_strand *strands;
    uint32_t n_strands, n_strands_swept;
    PyObject *ids;   /* strong: dict of name to index in pieces */
    uint32_t *slots; /* hash table of nodes, 0: free */
    uint32_t n_slots;
    uint64_t n_pieces_room, n_nodes_room, n_threads_room, n_chunks_room;
    double ns_per_tick; /* for buckets; 0: calls are kept */
    PyObject *weakrefs;
};

/* A piece as its function knows it, with the node it had last. */
struct prf_piece_ref {
    PyObject *name; /* strong, an exact str */
    uint64_t key;   /* epoch and parent for which node is right */
    uint32_t node;
    uint32_t piece;
    uint32_t epoch; /* for which piece is right */
};

/* Where a function's entry is. */
struct prf_mark {
    struct prf_strand *strand; /* NULL: it has none, there was no memory */
    uint64_t serial;
    uint32_t at;
};

/* ---- a profiler's data ---- */

int prf_record_init(struct prf_profiler *p); /* -1, MemoryError */
void prf_record_release(struct prf_profiler *p);
void prf_record_clear(struct prf_profiler *p); /* see PerformanceProfiler.clear */
int prf_record_traverse(struct prf_profiler *p, visitproc visit, void *arg);
void prf_record_drop_blocks(struct prf_profiler *p); /* tp_clear */

/* ---- events; no Python error leaves them, what is lost is counted ---- */

struct prf_strand *prf_record_strand_slow(struct prf_profiler *p,
                                          PyThreadState *tstate);
void prf_record_switch(struct prf_profiler *p, struct prf_strand *s,
                       PyThreadState *tstate);
uint32_t prf_record_node_slow(struct prf_profiler *p, uint32_t parent,
                              struct prf_piece_ref *ref);
bool prf_record_grow(struct prf_strand *s);
void prf_record_leave_slow(struct prf_profiler *p, const struct prf_mark *mark,
                           uint64_t now);

struct prf_ended {
    uint64_t start, end, own; /* ticks */
    uint32_t node;
};

/* Adds a call, on the strand on which it ended. */
void prf_record_call(struct prf_profiler *p, struct prf_strand *s,
                     const struct prf_ended *call);

/* Up to now on this thread, for who reads. */
void prf_record_catch_up(struct prf_profiler *p);

/* Drops entries on top that have ended before those above them. Code may run. */
void prf_record_settle(struct prf_strand *s);
void prf_record_sweep(struct prf_profiler *p); /* strands of threads that are gone */
void prf_record_free_strands(struct prf_profiler *p);

/* The interval since the newest event belongs to what is on top. */
static inline void
prf_record_charge(struct prf_profiler *p, struct prf_strand *s, uint64_t now)
{
    struct prf_entry *e = &s->entries[s->top];
    p->pieces.nodes[e->node].own += now - s->newest;
    e->own += now - s->newest;
    s->newest = now;
}

/* The strand of this thread, its stack as the thread's context says; NULL: no memory.
 */
static inline struct prf_strand *
prf_record_strand(struct prf_profiler *p)
{
    PyThreadState *tstate = prf_thread_state();
    struct prf_strand *s = p->recent;
    if (s == NULL || s->tstate != tstate || s->tstate_id != prf_thread_serial(tstate)) {
        s = prf_record_strand_slow(p, tstate);
    }
    if (s != NULL && s->context_version != prf_context_version(tstate)) {
        prf_record_switch(p, s, tstate);
    }
    return s;
}

/* The node of a piece under another node; PRF_PIECE_NONE: no memory. */
static inline uint32_t
prf_record_node(struct prf_profiler *p, uint32_t parent, struct prf_piece_ref *ref)
{
    if (ref->key == ((uint64_t)p->epoch << 32 | parent)) {
        return ref->node;
    }
    return prf_record_node_slow(p, parent, ref);
}

/* Puts an entry on top; false, counted: no memory. Reads the clock last. */
static inline bool
prf_record_push(struct prf_profiler *p, struct prf_strand *s, uint32_t node,
                PyObject *block)
{
    if (s->top + 1 == s->n_room && !prf_record_grow(s)) {
        p->pieces.n_lost++;
        return false;
    }
    struct prf_entry *parent = &s->entries[s->top++], *e = parent + 1;
    uint64_t *own = &p->pieces.nodes[parent->node].own;
    *e = (struct prf_entry){
        .serial = ++s->n_pushed,
        .block = Py_XNewRef(block),
        .context = prf_context(s->tstate),
        .node = node,
    };
    uint64_t now = prf_now();
    *own += now - s->newest;
    parent->own += now - s->newest;
    s->newest = now;
    e->start = now;
    return true;
}

/* Enter a function. */
static inline void
prf_record_enter(struct prf_profiler *p, struct prf_piece_ref *ref,
                 struct prf_mark *mark)
{
    mark->strand = NULL;
    struct prf_strand *s = prf_record_strand(p);
    uint32_t node = PRF_PIECE_NONE;
    if (s != NULL) {
        node = prf_record_node(p, s->entries[s->top].node, ref);
    }
    if (node == PRF_PIECE_NONE) {
        p->pieces.n_lost++;
    } else if (prf_record_push(p, s, node, NULL)) {
        *mark = (struct prf_mark){s, s->n_pushed, s->top};
    }
}

/* Leave it. An exception may be set and stays. */
static inline void
prf_record_leave(struct prf_profiler *p, const struct prf_mark *mark)
{
    uint64_t now = prf_now();
    struct prf_strand *s = mark->strand;
    if (s == NULL) {
        return;
    }
    struct prf_entry *e = &s->entries[s->top];
    if (s->top != mark->at || e->serial != mark->serial || e[-1].left ||
        s->context_version != prf_context_version(s->tstate)) {
        prf_record_leave_slow(p, mark, now);
        return;
    }
    prf_record_charge(p, s, now);
    s->top--;
    prf_record_call(p, s, &(struct prf_ended){e->start, now, e->own, e->node});
}

/* ---- C stack: a Python call through us takes some, without us it may take none ----
 */

#define PRF_RECORD_STACK_RESERVE (1u << 20)
#define PRF_RECORD_EVALUATION                                                          \
    2 /* units of recursion in C that a Python frame takes                             \
       */

/* Sets the RecursionError for a stack that is low. */
void prf_record_stack_refuse(void);

/* A function called with the limit for recursion in C raised by what fits the stack;
   for calls that are not recorded. */
PyObject *prf_record_call_deep(PyObject *function, PyObject *const *args, size_t n_args,
                               PyObject *kwnames);

/* Before and after the call of what a mark was made for. -1: RecursionError. On another
   stack than the thread's (a coroutine library's) nothing is known and all is allowed.
 */
static inline int
prf_record_call_begin(const struct prf_mark *mark)
{
    char here;
    if (mark->strand == NULL) {
        return 0;
    }
    if (__builtin_expect(mark->strand->stack_floor - (uintptr_t)&here <
                             PRF_RECORD_STACK_RESERVE,
                         0)) {
        prf_record_stack_refuse();
        return -1;
    }
    prf_recursion_lend(mark->strand->tstate, PRF_RECORD_EVALUATION);
    return 0;
}

static inline void
prf_record_call_end(const struct prf_mark *mark)
{
    if (mark->strand != NULL) {
        prf_recursion_lend(mark->strand->tstate, -PRF_RECORD_EVALUATION);
    }
}

/* ---- resumptions: a generator's or coroutine's life in pieces ---- */

struct prf_activity {
    struct prf_piece_ref ref;
    uint64_t start; /* of the first resumption; 0: not begun, or begun unseen */
    uint64_t own;     /* ticks of all of them that were left */
    uint64_t cleared; /* of the profiler, when own and saved were right */
    uint32_t node;    /* of all of them */
    bool begun, ended;
    struct prf_entry *saved; /* blocks that are open in it while it is suspended */
    uint32_t n_saved;
};

void prf_activity_resume(struct prf_profiler *p, struct prf_activity *a,
                         struct prf_mark *mark);
/* An exception may be set and stays. */
void prf_activity_suspend(struct prf_profiler *p, struct prf_activity *a,
                          const struct prf_mark *mark, bool ended);
void prf_activity_release(struct prf_profiler *p, struct prf_activity *a);

/* ---- blocks (block.c) ---- */

/* Enter: false, counted: no memory. */
bool prf_record_enter_block(struct prf_profiler *p, PyObject *name, PyObject *block,
                            uint64_t *start, uint32_t *node);
/* The block says already that it is left. */
void prf_record_leave_block(struct prf_profiler *p, PyObject *block, uint64_t start,
                            uint32_t node, PyObject *metadata);
bool prf_block_is_left(PyObject *block);

/* What it has when it is left while what it is in is suspended. */
void prf_block_set_own(PyObject *block, uint64_t own);
uint64_t prf_block_own(PyObject *block);

/* ---- the types ---- */

PyObject *prf_block_new(struct prf_profiler *p, PyObject *name, PyObject *metadata);
int prf_pieces_add_block(PyObject *module);

/* Instrument a callable, NULL or None as name: its own. The callable itself while p is
   disabled. New reference. */
PyObject *prf_wrapper_new(struct prf_profiler *p, PyObject *function, PyObject *name);
int prf_pieces_add_wrapper(PyObject *module);

enum prf_activity_kind {
    PRF_ACTIVITY_NONE, /* a function that returns when it is done */
    PRF_ACTIVITY_GENERATOR,
    PRF_ACTIVITY_COROUTINE,
    PRF_ACTIVITY_ITERABLE_COROUTINE, /* types.coroutine */
    PRF_ACTIVITY_ASYNC_GENERATOR,
};

/* An object that drives `steal_inner`, a fresh one of that kind; what is none of that
   kind itself. */
PyObject *prf_activity_new(struct prf_profiler *p, PyObject *name,
                           enum prf_activity_kind kind, PyObject *steal_inner);
int prf_pieces_add_activities(PyObject *module);

#endif
