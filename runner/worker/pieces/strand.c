/* What runs on each thread, and what waits: entries come, go, are parked and come back.
 */
#define Py_BUILD_CORE_MODULE 1
#include "frame_eval.h"

#include "record.h"

#include <stdlib.h>
#include <string.h>

#define STRAND_DEEP 256u /* entries; before that many the end of the stack is far */
#define STRAND_LENT                                                                    \
    500 /* units: at most 0.5 MB of stack until it is looked at again                  \
         */
#define STRAND_SWEEP_MIN                                                               \
    64u /* threads that have come before those gone are looked for */

static bool
strand_entries_grow(struct prf_entry **entries, uint32_t *n_room)
{
    uint32_t n_new = *n_room == 0 ? 32 : 2 * *n_room;
    struct prf_entry *grown = realloc(*entries, n_new * sizeof(*grown));
    if (grown == NULL) {
        return false;
    }
    *entries = grown;
    *n_room = n_new;
    return true;
}

bool
prf_record_grow(struct prf_strand *s)
{
    if (s->n_room >= STRAND_DEEP) {
        s->stack_floor = prf_frame_eval_floor();
    }
    return strand_entries_grow(&s->entries, &s->n_room);
}

void
prf_record_stack_refuse(void)
{
    prf_frame_eval_refuse();
}

PyObject *
prf_record_call_deep(PyObject *function, PyObject *const *args, size_t n_args,
                     PyObject *kwnames)
{
    uintptr_t floor = prf_frame_eval_floor();
    if (prf_frame_eval_stack_low(&floor)) {
        return PyObject_Vectorcall(function, args, n_args,
                                   kwnames); /* or RecursionError */
    }
    PyThreadState *tstate = prf_thread_state();
    prf_recursion_lend(tstate, STRAND_LENT);
    PyObject *result = PyObject_Vectorcall(function, args, n_args, kwnames);
    prf_recursion_lend(tstate, -STRAND_LENT);
    return result;
}

void
prf_record_settle(struct prf_strand *s)
{
    while (s->top > 0 && s->entries[s->top].left) {
        s->top--;
    }
}

/* ---- contexts ---- */

/* From here on the thread has a context, which tells it from others. */
static PyObject *
strand_force_context(PyThreadState *tstate)
{
    if (prf_context(tstate) == NULL) {
        struct prf_exception exc;
        prf_exception_save(&exc);
        Py_XDECREF(PyContext_CopyCurrent()); /* makes one */
        prf_exception_restore(&exc);
    }
    return prf_context(tstate);
}

static bool
strand_is_entered(PyObject *current, const PyObject *context)
{
    while (current != NULL && current != context) {
        current = prf_context_outer(current);
    }
    return current == context;
}

/* Whether what is on top may have been suspended since the newest event: a block whose
   context can have been left, as nothing under it runs in the same one. */
static bool
strand_was_left(const struct prf_strand *s, PyObject *current)
{
    const struct prf_entry *top = &s->entries[s->top];
    if (!strand_is_entered(current, top->context)) {
        return true;
    }
    if (top->block == NULL || prf_context_outer(top->context) == NULL) {
        return false;
    }
    const struct prf_entry *under = top - 1;
    while (under > s->entries && under->block != NULL) {
        under--;
    }
    return under == s->entries || under->context != top->context;
}

/* No memory: they stay where they are. */
static void
strand_park(struct prf_strand *s, PyObject *current)
{
    uint32_t keep = s->top;
    while (keep > 0 && !strand_is_entered(current, s->entries[keep].context)) {
        keep--;
    }
    for (uint32_t i = keep + 1; i <= s->top; i++) {
        if (s->entries[i].left) {
            continue;
        }
        if (s->n_parked == s->n_parked_room &&
            !strand_entries_grow(&s->parked, &s->n_parked_room)) {
            return;
        }
        s->parked[s->n_parked++] = s->entries[i];
        s->entries[i].left = true;
        s->entries[i].block = NULL;
    }
    s->top = keep;
    prf_record_settle(s);
}

static void
strand_unpark(struct prf_strand *s, PyObject *current)
{
    uint32_t n_left = 0;
    for (uint32_t i = 0; i < s->n_parked; i++) {
        bool back = strand_is_entered(current, s->parked[i].context) &&
                    (s->top + 1 < s->n_room || prf_record_grow(s));
        if (back) {
            s->entries[++s->top] = s->parked[i];
        } else if (n_left++ != i) { /* most stay, and there may be a thousand */
            s->parked[n_left - 1] = s->parked[i];
        }
    }
    s->n_parked = n_left;
}

void
prf_record_switch(struct prf_profiler *p, struct prf_strand *s, PyThreadState *tstate)
{
    uint64_t now = prf_now();
    PyObject *current = strand_force_context(tstate);
    s->context_version = prf_context_version(tstate);
    if (s->top > 0 && strand_was_left(s, current)) {
        p->pieces.nodes[0].own += now - s->newest; /* nobody's: see pieces.h */
        s->newest = now;
    } else {
        prf_record_charge(p, s, now);
    }
    strand_park(s, current);
    strand_unpark(s, current);
}

/* ---- threads ---- */

static bool
strand_is_of(const struct prf_strand *s, const PyThreadState *tstate)
{
    return s->tstate == tstate && s->tstate_id == prf_thread_serial(tstate);
}

static bool
strand_thread_lives(const struct prf_strand *s, PyInterpreterState *interp)
{
    PyThreadState *tstate = PyInterpreterState_ThreadHead(interp);
    while (tstate != NULL && !strand_is_of(s, tstate)) {
        tstate = PyThreadState_Next(tstate);
    }
    return tstate != NULL;
}

/* A block may still be left on another thread. */
static bool
strand_has_blocks(const struct prf_strand *s)
{
    uint32_t n_blocks = 0;
    for (uint32_t i = 1; i <= s->top; i++) {
        n_blocks += s->entries[i].block != NULL;
    }
    for (uint32_t i = 0; i < s->n_parked; i++) {
        n_blocks += s->parked[i].block != NULL;
    }
    return n_blocks > 0;
}

static void
strand_free(struct prf_strand *s)
{
    free(s->entries);
    free(s->parked);
    free(s);
}

void
prf_record_sweep(struct prf_profiler *p)
{
    PyInterpreterState *interp = PyInterpreterState_Get();
    for (struct prf_strand **at = &p->strands; *at != NULL;) {
        struct prf_strand *s = *at;
        if (strand_has_blocks(s) || strand_thread_lives(s, interp)) {
            at = &s->next;
            continue;
        }
        *at = s->next;
        p->n_strands--;
        if (p->recent == s) {
            p->recent = NULL;
        }
        strand_free(s);
    }
    p->n_strands_swept = p->n_strands;
}

void
prf_record_free_strands(struct prf_profiler *p)
{
    prf_record_drop_blocks(p);
    while (p->strands != NULL) {
        struct prf_strand *s = p->strands;
        p->strands = s->next;
        strand_free(s);
    }
    p->recent = NULL;
}

static struct prf_strand *
strand_new(struct prf_profiler *p, PyThreadState *tstate)
{
    if (p->n_strands >= STRAND_SWEEP_MIN && p->n_strands >= 2 * p->n_strands_swept) {
        prf_record_sweep(p);
    }
    struct prf_strand *s = calloc(1, sizeof(*s));
    if (s == NULL || !prf_record_grow(s)) {
        free(s);
        return NULL;
    }
    s->entries[0] = (struct prf_entry){.context = strand_force_context(tstate)};
    s->tstate = tstate;
    s->tstate_id = prf_thread_serial(tstate);
    s->context_version = prf_context_version(tstate);
    s->thread = PRF_PIECE_NONE;
    s->ident = PyThread_get_thread_ident();
    s->newest = prf_now();
    s->next = p->strands;
    p->strands = s;
    p->n_strands++;
    return s;
}

struct prf_strand *
prf_record_strand_slow(struct prf_profiler *p, PyThreadState *tstate)
{
    struct prf_strand *s = p->strands;
    while (s != NULL && !strand_is_of(s, tstate)) {
        s = s->next;
    }
    if (s == NULL) {
        s = strand_new(p, tstate);
    }
    if (s != NULL) {
        p->recent = s;
    }
    return s;
}

/* Up to date with the thread's context and the clock. */
static void
strand_arrive(struct prf_profiler *p, struct prf_strand *s, uint64_t now)
{
    if (s->context_version != prf_context_version(s->tstate)) {
        prf_record_switch(p, s, s->tstate);
    }
    if (now > s->newest) {
        prf_record_charge(p, s, now);
    }
}

void
prf_record_catch_up(struct prf_profiler *p)
{
    PyThreadState *tstate = prf_thread_state();
    struct prf_strand *s = p->strands;
    while (s != NULL && !strand_is_of(s, tstate)) {
        s = s->next;
    }
    if (s != NULL) {
        strand_arrive(p, s, prf_now());
    }
}

/* ---- leaving, in whatever order ---- */

static void
strand_remove_entry(struct prf_strand *s, uint32_t at)
{
    s->entries[at].left = true;
    s->entries[at].block = NULL; /* its reference is the caller's */
    prf_record_settle(s);
}

static void
strand_remove_parked(struct prf_strand *s, uint32_t at)
{
    s->n_parked--;
    memmove(&s->parked[at], &s->parked[at + 1],
            (s->n_parked - at) * sizeof(*s->parked));
}

static bool
strand_is(const struct prf_entry *e, uint64_t serial, const PyObject *block)
{
    return block != NULL ? e->block == block : e->block == NULL && e->serial == serial;
}

/* The entry of a function by its serial, or of a block, taken out; false: not here. */
static bool
strand_take(struct prf_strand *s, uint64_t serial, const PyObject *block,
            struct prf_entry *out)
{
    for (uint32_t i = s->top; i > 0; i--) {
        if (!s->entries[i].left && strand_is(&s->entries[i], serial, block)) {
            *out = s->entries[i];
            strand_remove_entry(s, i);
            return true;
        }
    }
    for (uint32_t i = 0; i < s->n_parked; i++) {
        if (strand_is(&s->parked[i], serial, block)) {
            *out = s->parked[i];
            strand_remove_parked(s, i);
            return true;
        }
    }
    return false;
}

void
prf_record_leave_slow(struct prf_profiler *p, const struct prf_mark *mark, uint64_t now)
{
    struct prf_entry e;
    strand_arrive(p, mark->strand, now);
    if (strand_take(mark->strand, mark->serial, NULL, &e)) {
        prf_record_call(p, mark->strand,
                        &(struct prf_ended){e.start, now, e.own, e.node});
    }
}

bool
prf_record_enter_block(struct prf_profiler *p, PyObject *name, PyObject *block,
                       uint64_t *start, uint32_t *node)
{
    struct prf_piece_ref ref = {.name = name};
    struct prf_strand *s = prf_record_strand(p);
    *node = PRF_PIECE_NONE;
    if (s != NULL) {
        *node = prf_record_node(p, s->entries[s->top].node, &ref);
    }
    if (*node == PRF_PIECE_NONE) {
        p->pieces.n_lost++;
        return false;
    }
    if (!prf_record_push(p, s, *node, block)) {
        return false;
    }
    *start = s->entries[s->top].start;
    return true;
}

static void
strand_keep_metadata(struct prf_profiler *p, PyObject *metadata)
{
    if (p->pieces.metadata == NULL) {
        p->pieces.metadata = PyDict_New();
    }
    PyObject *index = PyLong_FromUnsignedLongLong(p->pieces.n_calls - 1);
    if (p->pieces.metadata == NULL || index == NULL ||
        PyDict_SetItem(p->pieces.metadata, index, metadata) < 0) {
        PyErr_Clear(); /* no memory: the call is kept, without it */
    }
    Py_XDECREF(index);
}

/* Left on another thread than it was entered on. */
static bool
strand_take_anywhere(struct prf_profiler *p, const PyObject *block, uint64_t now,
                     struct prf_entry *out)
{
    for (struct prf_strand *s = p->strands; s != NULL; s = s->next) {
        if (s->entries[s->top].block == block && now > s->newest) {
            prf_record_charge(p, s, now);
        }
        if (strand_take(s, 0, block, out)) {
            return true;
        }
    }
    return false;
}

void
prf_record_leave_block(struct prf_profiler *p, PyObject *block, uint64_t start,
                       uint32_t node, PyObject *metadata)
{
    uint64_t now = prf_now();
    struct prf_entry e = {.block = NULL, .own = prf_block_own(block)};
    struct prf_strand *s = prf_record_strand(p);
    if (s == NULL) {
        p->pieces.n_lost++;
        return;
    }
    strand_arrive(p, s, now);
    if (s->entries[s->top].block == block) {
        e = s->entries[s->top];
        strand_remove_entry(s, s->top);
    } else if (!strand_take(s, 0, block, &e)) {
        /* else in something suspended, which drops it when resumed */
        strand_take_anywhere(p, block, now, &e);
    }
    uint64_t n_before = p->pieces.n_calls;
    prf_record_call(p, s, &(struct prf_ended){start, now, e.own, node});
    if (metadata != NULL && p->pieces.n_calls != n_before) {
        strand_keep_metadata(p, metadata);
    }
    Py_XDECREF(e.block);
}

/* ---- generators and coroutines ---- */

static void
strand_reattach(struct prf_profiler *p, struct prf_strand *s, struct prf_activity *a)
{
    uint32_t n_saved = a->n_saved;
    bool forget = a->cleared != p->cleared;
    a->n_saved = 0;
    a->own = forget ? 0 : a->own;
    a->cleared = p->cleared;
    for (uint32_t i = 0; i < n_saved; i++) {
        PyObject *block = a->saved[i].block;
        bool open = !prf_block_is_left(block);
        if (open && (s->top + 1 < s->n_room || prf_record_grow(s))) {
            s->entries[++s->top] = a->saved[i];
            s->entries[s->top].context = prf_context(s->tstate);
            s->entries[s->top].own = forget ? 0 : a->saved[i].own;
        } else {
            Py_DECREF(block); /* no code runs: whoever leaves it holds it, too */
        }
    }
}

void
prf_activity_resume(struct prf_profiler *p, struct prf_activity *a,
                    struct prf_mark *mark)
{
    mark->strand = NULL;
    struct prf_strand *s = prf_record_strand(p);
    if (s == NULL) {
        return;
    }
    if (!a->begun) {
        a->node = prf_record_node(p, s->entries[s->top].node, &a->ref);
    }
    if (a->node == PRF_PIECE_NONE) {
        p->pieces.n_lost++;
        return;
    }
    if (!prf_record_push(p, s, a->node, NULL)) {
        return;
    }
    *mark = (struct prf_mark){s, s->n_pushed, s->top};
    if (!a->begun) {
        a->begun = true;
        a->start = s->entries[s->top].start;
        p->n_suspended++;
    }
    strand_reattach(p, s, a);
}

/* What is open above `at` goes with the activity; false: no memory, it stays. */
static bool
strand_detach(struct prf_strand *s, uint32_t at, struct prf_activity *a)
{
    uint32_t n_open = s->top - at;
    if (n_open == 0) {
        return true;
    }
    struct prf_entry *saved = realloc(a->saved, n_open * sizeof(*saved));
    if (saved == NULL) {
        return false;
    }
    a->saved = saved;
    for (uint32_t i = at + 1; i <= s->top; i++) {
        if (s->entries[i].block != NULL) {
            prf_block_set_own(s->entries[i].block, s->entries[i].own);
            a->saved[a->n_saved++] = s->entries[i];
        }
    }
    s->top = at;
    return true;
}

static void
activity_end(struct prf_profiler *p, struct prf_activity *a, struct prf_strand *s,
             uint64_t now)
{
    a->ended = true;
    p->n_suspended--;
    prf_record_call(p, s, &(struct prf_ended){a->start, now, a->own, a->node});
}

void
prf_activity_suspend(struct prf_profiler *p, struct prf_activity *a,
                     const struct prf_mark *mark, bool ended)
{
    uint64_t now = prf_now();
    struct prf_strand *s = mark->strand;
    struct prf_entry e;
    if (s != NULL) {
        strand_arrive(p, s, now);
        if (!ended && mark->at <= s->top &&
            s->entries[mark->at].serial == mark->serial) {
            strand_detach(s, mark->at, a);
        }
        if (strand_take(s, mark->serial, NULL, &e)) {
            a->own = (a->cleared == p->cleared ? a->own : 0) + e.own;
            a->cleared = p->cleared;
        }
    }
    if (ended && a->begun && !a->ended) {
        s = s != NULL ? s : prf_record_strand(p);
        if (s != NULL) {
            activity_end(p, a, s, now);
        }
    }
}

void
prf_activity_release(struct prf_profiler *p, struct prf_activity *a)
{
    if (a->begun && !a->ended) {
        a->ended = true;
        p->n_suspended--;
    }
    struct prf_entry *saved = a->saved;
    uint32_t n_saved = a->n_saved;
    a->saved = NULL;
    a->n_saved = 0;
    for (uint32_t i = 0; i < n_saved; i++) {
        Py_DECREF(saved[i].block);
    }
    free(saved);
}

/* ---- references ---- */

int
prf_record_traverse(struct prf_profiler *p, visitproc visit, void *arg)
{
    for (struct prf_strand *s = p->strands; s != NULL; s = s->next) {
        for (uint32_t i = 1; i <= s->top; i++) {
            Py_VISIT(s->entries[i].block);
        }
        for (uint32_t i = 0; i < s->n_parked; i++) {
            Py_VISIT(s->parked[i].block);
        }
    }
    Py_VISIT(p->pieces.metadata);
    return 0;
}

/* One at a time: dropping one may run code that changes the stacks. */
static PyObject *
strand_any_block(struct prf_profiler *p)
{
    for (struct prf_strand *s = p->strands; s != NULL; s = s->next) {
        for (uint32_t i = s->top; i > 0; i--) {
            PyObject *block = s->entries[i].block;
            if (block != NULL) {
                strand_remove_entry(s, i);
                return block;
            }
        }
        if (s->n_parked > 0) {
            return s->parked[--s->n_parked].block;
        }
    }
    return NULL;
}

void
prf_record_drop_blocks(struct prf_profiler *p)
{
    for (PyObject *block; (block = strand_any_block(p)) != NULL;) {
        Py_DECREF(block);
    }
}
