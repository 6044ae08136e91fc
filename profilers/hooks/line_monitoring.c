/* Line events from sys.monitoring. A function is looked at when it is called for the
   first time: then its events are either local from there on, or the look is disabled
   at that place, and its code is again what it was without us. */
#include "line_source.h"

#if PRF_HAVE_MONITORING

#include <stdlib.h>

#include "call_source.h"
#include "monitoring.h"

/* Is DISABLE the answer? Otherwise the frame has been entered or does not count. */
static inline bool
line_monitoring_enter(struct prf_line_events *events, PyObject *const *args,
                      long offset)
{
    PyCodeObject *code = (PyCodeObject *)args[0];
    struct prf_line_thread *thread = prf_line_thread_get(events, prf_thread_state());
    struct prf_line_code *known = prf_line_known(code);
    if (thread == NULL) {
        return false;
    }
    if (!prf_line_is_code(known)) {
        if (known == prf_line_refused(events)) {
            return true;
        }
        known = prf_line_first_look(thread, code, PyEval_GetGlobals());
        if (known == NULL) {
            return prf_line_known(code) == prf_line_refused(events);
        }
    }
    prf_line_enter(thread, known, prf_line_of_offset(known, offset));
    return false;
}

static inline PyObject *
line_monitoring_answer(const struct prf_line_events *events, bool disable)
{
    const struct prf_monitoring *mon = events->source;
    return Py_NewRef(disable ? mon->disable : Py_None);
}

/* The arguments of all start with (code, instruction offset). */
static PyObject *
line_monitoring_start(PyObject *self, PyObject *const *args, size_t Py_UNUSED(nargsf),
                      PyObject *Py_UNUSED(kwnames))
{
    struct prf_line_events *events = prf_monitoring_user(self);
    if (events == NULL) {
        Py_RETURN_NONE;
    }
    return line_monitoring_answer(events, line_monitoring_enter(events, args, -1));
}

static PyObject *
line_monitoring_resume(PyObject *self, PyObject *const *args, size_t Py_UNUSED(nargsf),
                       PyObject *Py_UNUSED(kwnames))
{
    struct prf_line_events *events = prf_monitoring_user(self);
    if (events == NULL) {
        Py_RETURN_NONE;
    }
    return line_monitoring_answer(
        events, line_monitoring_enter(events, args, prf_small_int(args[1])));
}

/* As resume, but this event must not be disabled: that removes the callback. */
static PyObject *
line_monitoring_throw(PyObject *self, PyObject *const *args, size_t Py_UNUSED(nargsf),
                      PyObject *Py_UNUSED(kwnames))
{
    struct prf_line_events *events = prf_monitoring_user(self);
    if (events != NULL) {
        line_monitoring_enter(events, args, prf_small_int(args[1]));
    }
    Py_RETURN_NONE;
}

/* (code, line) */
static PyObject *
line_monitoring_line(PyObject *self, PyObject *const *args, size_t Py_UNUSED(nargsf),
                     PyObject *Py_UNUSED(kwnames))
{
    struct prf_line_events *events = prf_monitoring_user(self);
    struct prf_line_thread *thread =
        events ? prf_line_thread_get(events, prf_thread_state()) : NULL;
    if (thread != NULL) {
        prf_line_at(thread, (PyCodeObject *)args[0], prf_small_int(args[1]));
    }
    Py_RETURN_NONE;
}

static PyObject *
line_monitoring_leave(PyObject *self, PyObject *const *args, size_t Py_UNUSED(nargsf),
                      PyObject *Py_UNUSED(kwnames))
{
    struct prf_line_events *events = prf_monitoring_user(self);
    struct prf_line_thread *thread =
        events ? prf_line_thread_get(events, prf_thread_state()) : NULL;
    if (thread != NULL) {
        prf_line_leave(thread, (PyCodeObject *)args[0]);
    }
    Py_RETURN_NONE;
}

/* Of all code, because it cannot be local: the frame on top is ours or none is. It
   costs only where exceptions pass through a function. */
static PyObject *
line_monitoring_unwind(PyObject *self, PyObject *const *args, size_t Py_UNUSED(nargsf),
                       PyObject *Py_UNUSED(kwnames))
{
    struct prf_line_events *events = prf_monitoring_user(self);
    struct prf_line_thread *thread =
        events ? prf_line_thread_get(events, prf_thread_state()) : NULL;
    struct prf_line_frame *top = thread ? prf_line_top(thread) : NULL;
    if (top != NULL && (PyObject *)top->code->code == args[0]) {
        prf_line_leave(thread, top->code->code);
    }
    Py_RETURN_NONE;
}

/* A call or a resumption is looked at everywhere, and stays on in chosen code. */
#define ANYWHERE (PRF_MONITORING_GLOBAL | PRF_MONITORING_LOCAL)

static const struct prf_monitoring_event line_monitoring_events[] = {
    {"PY_START", line_monitoring_start, ANYWHERE},
    {"PY_RESUME", line_monitoring_resume, ANYWHERE},
    {"PY_THROW", line_monitoring_throw, PRF_MONITORING_GLOBAL},
    {"PY_UNWIND", line_monitoring_unwind, PRF_MONITORING_GLOBAL},
    {"PY_RETURN", line_monitoring_leave, PRF_MONITORING_LOCAL},
    {"PY_YIELD", line_monitoring_leave, PRF_MONITORING_LOCAL},
    {"LINE", line_monitoring_line, PRF_MONITORING_LOCAL},
    {NULL},
};

static int
line_monitoring_chosen(struct prf_line_events *events, struct prf_line_code *code)
{
    return prf_monitoring_watch(events->source, code->code);
}

/* Local events come for frames that run, too. */
static bool
line_monitoring_open(struct prf_line_events *Py_UNUSED(events),
                     PyThreadState *Py_UNUSED(tstate))
{
    return true;
}

static void
line_monitoring_end(struct prf_line_events *events)
{
    struct prf_monitoring *mon = events->source;
    bool ours = prf_monitoring_is_ours(mon);
    for (struct prf_line_code *c = events->codes; ours && c != NULL; c = c->next) {
        prf_monitoring_unwatch(mon, c->code);
    }
    events->replaced = events->replaced || !ours;
    prf_monitoring_stop(mon);
    free(mon);
    events->source = NULL;
}

static int
line_monitoring_begin(struct prf_line_events *events, struct prf_error *err)
{
    struct prf_monitoring *mon = calloc(1, sizeof(*mon));
    if (mon == NULL) {
        return prf_fail(err, PRF_ENOMEM, "no memory for sys.monitoring");
    }
    events->source = mon;
    int rc = prf_monitoring_start(mon, events->ops->name, line_monitoring_events,
                                  events, err);
    if (rc < 0) {
        free(mon);
        events->source = NULL;
        return rc;
    }
    for (struct prf_line_code *c = events->codes; c != NULL; c = c->next) {
        if (prf_monitoring_watch(mon, c->code) < 0) {
            rc = prf_call_source_fail(err, "watching a function");
            line_monitoring_end(events);
            return rc;
        }
    }
    return 0;
}

const struct prf_line_source prf_line_monitoring = {
    .start = line_monitoring_begin,
    .stop = line_monitoring_end,
    .chosen = line_monitoring_chosen,
    .open = line_monitoring_open,
};

#endif
