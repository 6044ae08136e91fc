/* The life of a session: open, start, stop, finish, drop; see session_state.h. */
#include "session_state.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "compat.h"
#include "pyerr.h"

PyObject *
prf_session_raise(const struct prf_error *err)
{
    PyObject *type = err->code == PRF_EUSAGE      ? PyExc_ValueError
                     : err->code == PRF_ENOTFOUND ? PyExc_ValueError
                     : err->code == PRF_EIO       ? PyExc_OSError
                     : err->code == PRF_ENOMEM    ? PyExc_MemoryError
                                                  : PyExc_RuntimeError;
    PyErr_SetString(type, err->text);
    return NULL;
}

/* ---- opening ---- */

static int
life_set_option(struct prf_session_object *s, PyObject *name, PyObject *value,
                struct prf_error *err)
{
    char *key = prf_pyerr_text(name);
    char *text = prf_pyerr_text(value);
    int rc = key == NULL || text == NULL
                 ? prf_fail(err, PRF_ENOMEM, "out of memory")
                 : prf_options_set(s->backend->options, key, text, s->state, err);
    free(key);
    free(text);
    return rc;
}

static int
life_set_options(struct prf_session_object *s, struct prf_error *err)
{
    const struct prf_option *table = s->backend->options;
    int rc = prf_options_defaults(table, s->state, err);
    /* The caller runs the body, once: there is nothing to warm up with. */
    if (rc == 0 && (s->backend->caps & PRF_CAP_ROUNDS) &&
        prf_options_find(table, "warmup") != NULL) {
        rc = prf_options_set(table, "warmup", "0", s->state, err);
    }
    PyObject *name, *value;
    Py_ssize_t at = 0;
    while (rc == 0 && PyDict_Next(s->options, &at, &name, &value)) {
        if (!PyList_Check(value)) {
            rc = life_set_option(s, name, value, err);
            continue;
        }
        for (Py_ssize_t i = 0; i < PyList_GET_SIZE(value) && rc == 0; i++) {
            rc = life_set_option(s, name, PyList_GET_ITEM(value, i), err);
        }
    }
    return rc;
}

static int
life_open_backend(struct prf_session_object *s, struct prf_error *err)
{
    int rc = prf_session_file_open(s, err);
    if (rc < 0) {
        return rc;
    }
    s->state = calloc(1, s->backend->state_size + 1);
    if (s->state == NULL) {
        return prf_fail(err, PRF_ENOMEM, "out of memory");
    }
    struct prf_sink *sink = prf_writer_sink(s->writer);
    prf_sink_schema(sink, s->backend->metrics);
    const struct prf_session session = {.sink = sink,
                                        .case_id = s->label,
                                        .case_file = s->file,
                                        .from_inside = true};
    rc = life_set_options(s, err);
    return rc < 0 ? rc : s->backend->open(s->state, &session, err);
}

int
prf_session_open(struct prf_session_object *s, struct prf_error *err)
{
    prf_session_drop(s);
    int rc = s->backend->probe != NULL ? s->backend->probe(err) : 0;
    if (rc == 0) {
        s->busy = true;
        rc = life_open_backend(s, err);
        s->busy = false;
    }
    if (rc < 0) {
        prf_session_drop(s);
    }
    return rc;
}

/* ---- measuring ---- */

/* Hooks belong to the process: what one session sees, another one cannot see again.
   These two have none. */
static bool
life_is_shared(const struct prf_backend *backend)
{
    return strcmp(backend->name, "stopwatch") == 0 ||
           strcmp(backend->name, "passthrough") == 0;
}

static int
life_check_alone(const struct prf_session_object *s, struct prf_error *err)
{
    struct prf_session_object *other;
    struct prf_error ignored = {0};
    if (life_is_shared(s->backend)) {
        return 0;
    }
    while ((other = prf_session_measuring(s->backend)) != NULL &&
           other->owner != getpid()) {
        prf_session_stop(other, &ignored); /* a fork's copy, of use to nobody */
    }
    if (other == NULL) {
        return 0;
    }
    bool named = other->label[0] != '\0';
    return prf_fail(
        err, PRF_EUNAVAILABLE,
        "pyprofiler's '%s' runs already in this process%s%s%s; stop it first",
        s->backend->name, named ? ", for '" : "", named ? other->label : "",
        named ? "'" : "");
}

int
prf_session_start(struct prf_session_object *s, struct prf_error *err)
{
    struct prf_round round = {.loops = 1};
    int rc = life_check_alone(s, err);
    if (rc == 0) {
        PyThreadState *tstate = PyThreadState_Get();
        s->phase = PRF_SESSION_MEASURING; /* first: a start may let other threads run */
        s->busy = true;
        prf_unseen_enter(tstate);
        rc = s->backend->start(s->state, &round, err);
        prf_unseen_leave(tstate);
        s->busy = false;
    }
    if (rc < 0) {
        s->phase = PRF_SESSION_NEW; /* there is nothing to stop */
        prf_session_drop(s);
        return rc;
    }
    s->began_ns = prf_clock_monotonic_ns();
    return 0;
}

int
prf_session_stop(struct prf_session_object *s, struct prf_error *err)
{
    if (s->phase != PRF_SESSION_MEASURING) {
        return 0;
    }
    s->ended_ns = prf_clock_monotonic_ns();
    s->phase = PRF_SESSION_STOPPED;
    s->busy = true;
    PyThreadState *tstate = PyThreadState_Get();
    prf_unseen_enter(tstate);
    int rc = s->backend->stop(s->state, &(struct prf_round){.loops = 1}, err);
    prf_unseen_leave(tstate);
    s->busy = false;
    return rc < 0 ? rc : 0;
}

void
prf_session_mark(struct prf_session_object *s, PyObject *name)
{
    if (s->phase == PRF_SESSION_MEASURING && !s->busy && s->backend->mark != NULL) {
        char *text = prf_pyerr_text(name);
        s->backend->mark(s->state, text == NULL ? "?" : text);
        free(text);
    }
}

/* ---- the end ---- */

static void
life_info(struct prf_sink *sink, const char *key, const char *text)
{
    if (text != NULL) {
        prf_sink_info(sink, key, text);
    }
}

static void
life_close_backend(struct prf_session_object *s)
{
    void *state = s->state;
    s->state = NULL;
    if (state != NULL) {
        s->backend->close(state);
        prf_options_release(s->backend->options, state);
        free(state);
    }
}

int
prf_session_finish(struct prf_session_object *s,
                   const struct prf_session_outcome *outcome, struct prf_error *err)
{
    if (s->phase == PRF_SESSION_DONE) {
        return 0;
    }
    if (s->phase != PRF_SESSION_STOPPED) {
        return prf_fail(err, PRF_EPROTOCOL,
                        "nothing was measured yet: call start() and stop() first");
    }
    if (s->owner != getpid()) {
        return prf_fail(err, PRF_EPROTOCOL,
                        "what was measured belongs to the process that started the "
                        "session, %d, and not to its fork",
                        (int)s->owner);
    }
    char duration[32];
    struct prf_sink *sink = prf_writer_sink(s->writer);
    snprintf(duration, sizeof duration, "%llu",
             (unsigned long long)(s->ended_ns - s->began_ns));
    s->busy = true;
    int rc = s->backend->collect(s->state, sink, err);
    life_info(sink, PRF_INFO_DURATION, duration);
    life_info(sink, PRF_INFO_REASON, outcome->reason);
    life_info(sink, PRF_INFO_TRACEBACK, outcome->traceback);
    life_info(sink, PRF_INFO_STATUS, rc < 0 ? "error" : outcome->status);
    life_close_backend(s);
    prf_session_file_close(s);
    s->phase = PRF_SESSION_DONE;
    s->busy = false;
    return rc < 0 ? rc : 0;
}

void
prf_session_drop(struct prf_session_object *s)
{
    struct prf_exception saved;
    struct prf_error ignored = {0};
    prf_exception_save(&saved);
    prf_session_stop(s, &ignored);
    s->busy = true;
    life_close_backend(s);
    prf_session_file_remove(s);
    s->phase = PRF_SESSION_NEW;
    s->busy = false;
    prf_exception_restore(&saved);
}
