/* Threads, functions and frames of the line events, and which mechanism feeds them. */
#include "line_source.h"

#include <opcode.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"

#define LINE_FIRST_FRAMES 64u

#if PRF_HAVE_MONITORING
static const struct prf_line_source *const line_source = &prf_line_monitoring;
#else
static const struct prf_line_source *const line_source = &prf_line_frame_eval;
#endif

Py_ssize_t prf_line_extra = -1;

static uint64_t line_serial; /* protected by the GIL */

int
prf_line_events_open(struct prf_line_events *events, const struct prf_line_ops *ops,
                     void *user, unsigned flags, struct prf_error *err)
{
    *events = (struct prf_line_events){
        .ops = ops, .user = user, .flags = flags, .serial = ++line_serial};
    if (prf_line_extra < 0) {
        prf_line_extra = PyUnstable_Eval_RequestCodeExtraIndex(NULL);
    }
    if (prf_line_extra < 0) {
        return prf_fail(err, PRF_EUNAVAILABLE,
                        "no place is left on code objects: too many tools use them");
    }
    return 0;
}

/* --- threads and frames --- */

struct prf_line_thread *
prf_line_thread_find(struct prf_line_events *events, PyThreadState *tstate)
{
    uint64_t id = tstate->id;
    for (struct prf_line_thread **p = &events->threads; *p != NULL; p = &(*p)->next) {
        struct prf_line_thread *thread = *p;
        if (thread->id == id) {
            *p = thread->next; /* to the front: ended threads sink */
            thread->next = events->threads;
            events->threads = thread;
            return events->current = thread;
        }
    }
    struct prf_line_thread *thread = calloc(1, sizeof(*thread));
    if (thread != NULL) {
        thread->events = events;
        thread->id = id;
        thread->next = events->threads;
        events->threads = thread;
    }
    return events->current = thread;
}

static int
line_reserve(struct prf_line_thread *thread)
{
    if (thread->n < thread->capacity) {
        return 0;
    }
    uint32_t capacity = thread->capacity ? thread->capacity * 2 : LINE_FIRST_FRAMES;
    void *grown = realloc(thread->frames, capacity * sizeof(*thread->frames));
    if (grown == NULL) {
        return -1;
    }
    thread->frames = grown;
    thread->capacity = capacity;
    return 0;
}

/* 1 + index of the innermost frame of a code below the top, or 0. In a recursion it is
   near; the whole way is gone only where another thread runs the same function. */
static uint32_t
line_find_outer(const struct prf_line_thread *thread, const struct prf_line_code *code)
{
    uint32_t i = thread->n;
    while (i > 0 && thread->frames[i - 1].code != code) {
        i--;
    }
    return i;
}

static void
line_enter(struct prf_line_thread *thread, struct prf_line_code *code, int line,
           bool open)
{
    if (__builtin_expect(line_reserve(thread) < 0, 0)) {
        thread->events->ops->lost(thread->events->user);
        return;
    }
    uint32_t outer = code->n_active > 0 ? line_find_outer(thread, code) : 0;
    struct prf_line_frame *frame = &thread->frames[thread->n++];
    *frame = (struct prf_line_frame){
        .code = code,
        .line = line,
        .open = open,
        .outer = outer,
    };
    code->n_active++;
    thread->events->ops->enter(thread, frame);
}

void
prf_line_enter(struct prf_line_thread *thread, struct prf_line_code *code, int line)
{
    line_enter(thread, code, line, false);
}

static void
line_pop(struct prf_line_thread *thread)
{
    struct prf_line_frame *frame = &thread->frames[thread->n - 1];
    thread->events->ops->leave(thread, frame);
    frame->code->n_active--;
    thread->n--;
}

void
prf_line_leave(struct prf_line_thread *thread, const PyCodeObject *code)
{
    uint32_t i = thread->n;
    if (__builtin_expect(i > 0 && thread->frames[i - 1].code->code == code, 1)) {
        line_pop(thread);
        return;
    }
    /* Frames above it whose end was not seen (stack-switching extensions) end too. */
    while (i > 0 && thread->frames[i - 1].code->code != code) {
        i--;
    }
    while (i > 0 && thread->n >= i) {
        line_pop(thread);
    }
}

/* --- functions --- */

static bool
line_next_range(PyObject *ranges, PyObject **item, int *start, int *end, int *line)
{
    Py_XDECREF(*item);
    *item = PyIter_Next(ranges);
    if (*item == NULL) {
        return false;
    }
    PyObject *number = PyTuple_GET_ITEM(*item, 2);
    *start = (int)PyLong_AsLong(PyTuple_GET_ITEM(*item, 0));
    *end = (int)PyLong_AsLong(PyTuple_GET_ITEM(*item, 1));
    *line = number == Py_None ? -1 : (int)PyLong_AsLong(number);
    return true;
}

/* Fill line_at with numbers of the file, find their limits. */
static void
line_code_read(struct prf_line_code *code, PyObject *ranges, int n_instructions)
{
    PyObject *item = NULL;
    int start, end, line, low = INT_MAX, high = -1;
    while (line_next_range(ranges, &item, &start, &end, &line)) {
        for (int i = start / 2; i < end / 2 && i < n_instructions; i++) {
            code->line_at[i] = line;
        }
        if (line >= 0) {
            low = line < low ? line : low;
            high = line > high ? line : high;
        }
    }
    code->first_line = high >= 0 ? low : 0;
    code->n_lines = high >= 0 ? high - low + 1 : 0;
}

/* What comes before the first RESUME is of no line: there a generator waits for its
   first resumption. Behind it the line of the `def` is one that runs, unless it is that
   of a generator's last handler. */
static void
line_code_prologue(struct prf_line_code *code, const unsigned char *bytes, int n)
{
    int i = 0;
    while (i < n && bytes[2 * i] != RESUME) {
        code->line_at[i++] = -1;
    }
    for (i++; i < n; i++) {
        bool handler =
            bytes[2 * i] == RERAISE || (i + 1 < n && bytes[2 * i + 2] == RERAISE);
        if (code->line_at[i] == code->code->co_firstlineno && !handler) {
            code->body_on_def_line = true;
        }
    }
}

/* The table of lines by instruction. -1 with or without an exception. */
static int
line_code_lines(struct prf_line_code *code)
{
    int n = (int)Py_SIZE(code->code);
    PyObject *ranges = PyObject_CallMethod((PyObject *)code->code, "co_lines", NULL);
    code->line_at = malloc(((size_t)n + 1) * sizeof(int));
    if (ranges == NULL || code->line_at == NULL) {
        Py_XDECREF(ranges);
        return -1;
    }
    memset(code->line_at, 0xff, ((size_t)n + 1) * sizeof(int));
    line_code_read(code, ranges, n);
    Py_DECREF(ranges);
    PyObject *bytes = PyCode_GetCode(code->code);
    if (bytes == NULL) {
        return -1;
    }
    line_code_prologue(code, (const unsigned char *)PyBytes_AS_STRING(bytes), n);
    Py_DECREF(bytes);
    for (int i = 0; i < n; i++) {
        code->line_at[i] -= code->line_at[i] < 0 ? 0 : code->first_line;
    }
    return PyErr_Occurred() ? -1 : 0;
}

static void
line_code_free(struct prf_line_events *events, struct prf_line_code *code)
{
    if (line_source->release != NULL) {
        line_source->release(code);
    }
    events->ops->code_release(code);
    Py_XDECREF(code->code);
    free(code->line_at);
    free(code);
}

/* Hang something, or nothing, on the code objects of a function. -1 with an exception.
 */
static int
line_code_mark(struct prf_line_code *code, void *mark)
{
    PyCodeObject *copy = line_source->copy ? line_source->copy(code) : NULL;
    int rc = PyUnstable_Code_SetExtra((PyObject *)code->code, prf_line_extra, mark);
    if (rc == 0 && copy != NULL) {
        rc = PyUnstable_Code_SetExtra((PyObject *)copy, prf_line_extra, mark);
    }
    return rc;
}

/* NULL with or without an exception. */
static struct prf_line_code *
line_code_new(struct prf_line_events *events, PyCodeObject *code)
{
    struct prf_line_code *lc = calloc(1, events->ops->code_size);
    if (lc == NULL) {
        return NULL;
    }
    lc->code = (PyCodeObject *)Py_NewRef(code);
    if (line_code_lines(lc) < 0 || events->ops->code_init(events->user, lc) < 0) {
        line_code_free(events, lc);
        return NULL;
    }
    lc->next = events->codes;
    events->codes = lc;
    return lc;
}

static struct prf_line_code *
line_look(struct prf_line_thread *thread, PyCodeObject *code, PyObject *globals)
{
    struct prf_line_events *events = thread->events;
    enum prf_line_verdict verdict = events->ops->look(thread, code, globals);
    struct prf_line_code *lc = NULL;
    if (verdict == PRF_LINE_YES) {
        lc = line_code_new(events, code);
        if (lc != NULL &&
            (line_source->chosen(events, lc) < 0 || line_code_mark(lc, lc) < 0)) {
            line_code_mark(lc, prf_line_refused(events));
            lc = NULL;
        }
        if (lc == NULL) {
            events->ops->lost(events->user);
        }
    }
    if (verdict == PRF_LINE_NEVER) {
        PyUnstable_Code_SetExtra((PyObject *)code, prf_line_extra,
                                 prf_line_refused(events));
    }
    return lc;
}

struct prf_line_code *
prf_line_first_look(struct prf_line_thread *thread, PyCodeObject *code,
                    PyObject *globals)
{
    uint64_t start = prf_now();
    struct prf_exception saved;
    prf_exception_save(&saved);
    struct prf_line_code *lc = line_look(thread, code, globals);
    PyErr_Clear();
    prf_exception_restore(&saved);
    if (lc != NULL && thread->events->ops->pause != NULL) {
        thread->events->ops->pause(thread, prf_now() - start);
    }
    return lc;
}

/* --- frames that run at the start --- */

/* The function of the frame, if it is wanted. */
static struct prf_line_code *
line_open_code(struct prf_line_thread *thread, PyFrameObject *frame)
{
    PyCodeObject *code = PyFrame_GetCode(frame);
    struct prf_line_code *known = prf_line_known(code);
    if (!prf_line_is_code(known)) {
        PyObject *globals = PyFrame_GetGlobals(frame);
        known = known == prf_line_refused(thread->events)
                    ? NULL
                    : prf_line_first_look(thread, code, globals);
        Py_XDECREF(globals);
    }
    Py_DECREF(code); /* the frame keeps it */
    return known;
}

/* Enter those of a frame and the ones below it on the stack, the outermost first, or
   only the first one from inside. */
static void
line_open_stack(struct prf_line_thread *thread, PyFrameObject *frame)
{
    struct prf_line_code **codes = NULL;
    bool one = (thread->events->flags & PRF_LINE_OPEN_INNERMOST) != 0;
    size_t n = 0, capacity = 0;
    while (frame != NULL && !(one && n > 0)) {
        struct prf_line_code *code = line_open_code(thread, frame);
        if (code != NULL && n == capacity) {
            capacity = capacity ? capacity * 2 : LINE_FIRST_FRAMES;
            void *grown = realloc(codes, capacity * sizeof(*codes));
            if (grown == NULL) {
                thread->events->ops->lost(thread->events->user);
                break;
            }
            codes = grown;
        }
        if (code != NULL) {
            codes[n++] = code;
        }
        Py_SETREF(frame, PyFrame_GetBack(frame));
    }
    Py_XDECREF(frame);
    while (n > 0) {
        line_enter(thread, codes[--n], -1, true);
    }
    free(codes);
}

static void
line_open_thread(struct prf_line_events *events, PyThreadState *tstate)
{
    PyFrameObject *frame = PyThreadState_GetFrame(tstate);
    struct prf_line_thread *thread =
        frame != NULL ? prf_line_thread_find(events, tstate) : NULL;
    if (thread != NULL && line_source->open(events, tstate)) {
        line_open_stack(thread, (PyFrameObject *)Py_NewRef(frame));
    }
    Py_XDECREF(frame);
}

static void
line_open(struct prf_line_events *events)
{
    PyThreadState *tstate = PyThreadState_Get();
    if (events->flags & PRF_LINE_OPEN_INNERMOST) {
        line_open_thread(events, tstate);
    } else if (events->flags & PRF_LINE_OPEN_FRAMES) {
        tstate = PyInterpreterState_ThreadHead(PyInterpreterState_Get());
        for (; tstate != NULL; tstate = PyThreadState_Next(tstate)) {
            line_open_thread(events, tstate);
        }
    }
}

/* --- life --- */

static struct prf_line_events *line_running; /* NULL: nobody. Protected by the GIL */

/* The functions of an earlier round are chosen already. */
static int
line_mark_codes(struct prf_line_events *events, bool on)
{
    int rc = 0;
    for (struct prf_line_code *c = events->codes; c != NULL; c = c->next) {
        if (line_code_mark(c, on ? c : NULL) < 0) {
            PyErr_Clear();
            rc = -1;
        }
    }
    return rc;
}

int
prf_line_events_start(struct prf_line_events *events, struct prf_error *err)
{
    if (line_running != NULL) {
        const char *name = line_running->ops->name;
        return strcmp(name, events->ops->name) == 0
                   ? prf_fail(err, PRF_EUNAVAILABLE,
                              "pyprofiler's '%s' runs already in this process; stop it "
                              "first",
                              name)
                   : prf_fail(err, PRF_EUNAVAILABLE,
                              "lines are held by pyprofiler's '%s'; stop it first",
                              name);
    }
    if (line_mark_codes(events, true) < 0) {
        line_mark_codes(events, false);
        return prf_fail(err, PRF_ENOMEM, "no memory for the functions to watch");
    }
    int rc = line_source->start(events, err);
    if (rc < 0) {
        line_mark_codes(events, false);
        return rc;
    }
    events->running = line_source;
    line_running = events;
    line_open(events);
    return 0;
}

void
prf_line_events_stop(struct prf_line_events *events)
{
    if (events->running == NULL) {
        return;
    }
    events->running->stop(events);
    events->running = NULL;
    line_running = NULL;
    line_mark_codes(events, false);
    for (struct prf_line_thread *t = events->threads; t != NULL; t = t->next) {
        while (t->n > 0) {
            line_pop(t);
        }
    }
}

void
prf_line_events_close(struct prf_line_events *events)
{
    prf_line_events_stop(events);
    while (events->codes != NULL) {
        struct prf_line_code *code = events->codes;
        events->codes = code->next;
        line_code_free(events, code);
    }
    while (events->threads != NULL) {
        struct prf_line_thread *thread = events->threads;
        events->threads = thread->next;
        free(thread->frames);
        free(thread);
    }
    events->current = NULL;
}
