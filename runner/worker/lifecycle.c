/* The life of one case:
       set-up of the class, instance, (set-up, start, BODY, stop, tear-down)*,
       tear-down of the class, collect
   The first thing that goes wrong gives the status; what follows still runs. */
#include "lifecycle.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "adapter.h"
#include "allocator.h"
#include "catalog.h"
#include "codes.h"
#include "pyerr.h"
#include "threads.h"

enum verdict { LIFE_OK, LIFE_FAILED, LIFE_SKIPPED, LIFE_ERROR };

struct life {
    const struct prf_case *c;
    const struct prf_backend *backend;
    void *state; /* of the backend */
    struct prf_sink *sink;
    char *phase; /* a slot of the recording, PHASE_SIZE bytes */
    pid_t owner;
    bool fixtures; /* set-up or tear-down around each execution */
    enum verdict verdict;
    uint64_t measured_ns;
    PyObject *driver; /* module pyprofiler._driver */
    PyObject *self;   /* the instance */
    PyObject *method; /* bound */
    PyObject *runner; /* asyncio.Runner of an async case, or NULL */
    PyObject *loop;   /* its event loop */
};

#define PHASE_SIZE 32

static struct life *running; /* for marks; protected by the GIL */

/* ---- what is said ---- */

static void
life_phase(struct life *l, const char *phase)
{
    if (l->phase != NULL) {
        strncpy(l->phase, phase, PHASE_SIZE - 1);
    }
}

static void
life_verdict(struct life *l, enum verdict verdict, const char *reason)
{
    if (l->verdict != LIFE_OK) {
        prf_sink_info(l->sink, PRF_INFO_NOTE, reason); /* the first one stands */
        return;
    }
    l->verdict = verdict;
    prf_sink_info(l->sink, PRF_INFO_REASON, reason);
}

static void
life_error(struct life *l, struct prf_error *err)
{
    life_verdict(l, LIFE_ERROR, err->text);
    prf_error_clear(err);
}

/* Is it one of the ways to say "skip"? unittest's counts only if somebody imported it.
 */
static bool
life_is_skip(PyObject *exc)
{
    static const char *const classes[][2] = {
        {"pyprofiler._case", "SkipCase"},
        {"unittest.case", "SkipTest"},
    };
    PyObject *modules = PyImport_GetModuleDict(); /* borrowed from the interpreter */
    bool skip = false;
    for (size_t i = 0; i < 2 && !skip; i++) {
        PyObject *module = PyDict_GetItemString(modules, classes[i][0]);
        PyObject *cls = module ? PyObject_GetAttrString(module, classes[i][1]) : NULL;
        skip = cls != NULL && PyObject_IsInstance(exc, cls) == 1;
        Py_XDECREF(cls);
    }
    PyErr_Clear();
    return skip;
}

/* The exception that is set, raised in `where`, becomes the verdict (or a note). */
static void
life_raised(struct life *l, enum verdict verdict, const char *where)
{
    PyObject *exc = prf_pyerr_take();
    if (exc == NULL) {
        return;
    }
    if (life_is_skip(exc)) {
        char *text = prf_pyerr_text(exc);
        life_verdict(l, LIFE_SKIPPED, text == NULL ? "" : text);
        free(text);
        Py_DECREF(exc);
        return;
    }
    bool first = l->verdict == LIFE_OK;
    char *traceback = prf_pyerr_traceback(exc), *reason = prf_pyerr_reason(exc);
    char line[1024];
    snprintf(line, sizeof line, "%s%s%s", verdict == LIFE_FAILED ? "" : where,
             verdict == LIFE_FAILED ? "" : ": ", reason == NULL ? "exception" : reason);
    life_verdict(l, verdict, line);
    if (first && traceback != NULL) {
        prf_sink_info(l->sink, PRF_INFO_TRACEBACK, traceback);
    }
    free(traceback);
    free(reason);
    Py_DECREF(exc);
}

/* Call self.<name>() or Class.<name>(); false: it raised, and that is the verdict. */
static bool
life_call(struct life *l, PyObject *object, const char *name)
{
    PyObject *done = PyObject_CallMethod(object, name, NULL);
    if (done == NULL) {
        life_raised(l, LIFE_ERROR, name);
        return false;
    }
    Py_DECREF(done);
    return true;
}

/* A case may fork and let the child run out of the body: it is not the one that is
   measured, and says nothing. */
static void
life_leave_fork(struct life *l)
{
    if (getpid() != l->owner) {
        PyErr_Clear();
        _exit(0);
    }
}

/* ---- before ---- */

int
prf_life_set_options(const struct prf_backend *backend, void *state,
                     const json_t *options, struct prf_error *err)
{
    const struct prf_option *table = backend->options;
    int rc = prf_options_defaults(table, state, err);
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)options, name, value)
    {
        size_t n = json_is_array(value) ? json_array_size(value) : 1;
        for (size_t i = 0; i < n && rc == 0; i++) {
            const json_t *text =
                json_is_array(value) ? json_array_get(value, i) : value;
            rc = prf_options_set(table, name, json_string_value(text), state, err);
        }
    }
    return rc;
}

static int
life_open_backend(struct life *l, const char *profiler, const json_t *options,
                  struct prf_error *err)
{
    int rc = 0;
    PyObject *cls = prf_adapter_find(profiler);
    l->backend = cls != NULL ? &prf_adapter_backend : prf_catalog_find(profiler);
    if (l->backend == NULL) {
        return prf_fail(err, PRF_ENOTFOUND, "there is no profiler '%s'", profiler);
    }
    l->state = calloc(1, l->backend->state_size + 1);
    if (l->state == NULL) {
        rc = prf_fail(err, PRF_ENOMEM, "out of memory");
    } else if (cls != NULL) {
        rc = prf_adapter_create(l->state, profiler, cls, options, err);
    } else {
        rc = prf_life_set_options(l->backend, l->state, options, err);
    }
    Py_XDECREF(cls);
    prf_sink_schema(l->sink, l->backend->metrics);
    const struct prf_session session = {
        .sink = l->sink,
        .case_id = l->c->id,
        .case_file = l->c->file,
        .class_name = l->c->class_name,
        .method_name = l->c->method_name,
    };
    return rc < 0 ? rc : l->backend->open(l->state, &session, err);
}

/* Does the class have its own `name`, other than ProfilerCase's? */
static bool
life_overrides(PyObject *cls, PyObject *base, const char *name)
{
    PyObject *own = PyObject_GetAttrString(cls, name);
    PyObject *inherited = PyObject_GetAttrString(base, name);
    bool differs = own != inherited;
    PyErr_Clear();
    Py_XDECREF(own);
    Py_XDECREF(inherited);
    return differs;
}

static int
life_prepare(struct life *l)
{
    int rc = -1;
    PyObject *package = PyImport_ImportModule("pyprofiler._case");
    PyObject *base = package ? PyObject_GetAttrString(package, "ProfilerCase") : NULL;
    l->driver = PyImport_ImportModule("pyprofiler._driver");
    if (base == NULL || l->driver == NULL) {
        goto out;
    }
    l->fixtures = life_overrides(l->c->type, base, "setUp") ||
                  life_overrides(l->c->type, base, "tearDown");
    l->self = PyObject_CallMethod(l->driver, "instance", "O", l->c->type);
    if (l->self == NULL) {
        goto out;
    }
    l->method = PyObject_GetAttrString(l->self, l->c->method_name);
    if (l->method != NULL && l->c->is_async) {
        l->runner = PyObject_CallMethod(l->driver, "open_runner", NULL);
        l->loop = l->runner ? PyObject_CallMethod(l->runner, "get_loop", NULL) : NULL;
    }
    if (l->method == NULL || (l->c->is_async && l->loop == NULL)) {
        goto out;
    }
    if (l->backend == &prf_adapter_backend && !l->c->is_async) {
        PyObject *body =
            PyObject_CallMethod(l->driver, "bind", "OO", l->method, l->c->kwargs);
        PyObject *wrapped = body == NULL ? NULL : prf_adapter_wrap(l->state, body);
        Py_XDECREF(body);
        if (wrapped == NULL) {
            goto out;
        }
        Py_SETREF(l->method, wrapped);
    }
    rc = 0;
out:
    Py_XDECREF(package);
    Py_XDECREF(base);
    return rc;
}

/* ---- measuring ---- */

static PyObject *
life_kwargs(const struct life *l)
{
    /* the adapter's callable is bound to them already */
    bool bound = l->backend == &prf_adapter_backend && !l->c->is_async;
    return bound || PyDict_GET_SIZE(l->c->kwargs) == 0 ? NULL : l->c->kwargs;
}

static PyObject *
life_body_async(struct life *l, uint64_t loops)
{
    PyObject *coro = loops == 1
                         ? PyObject_VectorcallDict(l->method, NULL, 0, life_kwargs(l))
                         : PyObject_CallMethod(l->driver, "aloop", "OOK", l->method,
                                               l->c->kwargs, (unsigned long long)loops);
    if (coro == NULL) {
        return NULL;
    }
    PyObject *done = PyObject_CallMethod(l->loop, "run_until_complete", "O", coro);
    Py_DECREF(coro);
    return done;
}

/* BODY: the method once, straight from here so that no frame of ours is seen, or many
   times in a loop as timeit's. */
static PyObject *
life_body(struct life *l, uint64_t loops)
{
    if (l->runner != NULL) {
        return life_body_async(l, loops);
    }
    if (loops == 1) {
        return PyObject_VectorcallDict(l->method, NULL, 0, life_kwargs(l));
    }
    PyObject *kwargs = life_kwargs(l);
    return PyObject_CallMethod(l->driver, "loop", "OOK", l->method,
                               kwargs == NULL ? Py_None : kwargs,
                               (unsigned long long)loops);
}

static uint64_t
life_now_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* start, BODY, stop. PRF_MORE, PRF_DONE, or a negative code (the verdict is set). */
static int
life_measure(struct life *l)
{
    struct prf_error err = {0};
    struct prf_round round = {.loops = 1, .can_loop = !l->fixtures};
    int rc = l->backend->start(l->state, &round, &err);
    if (rc < 0) {
        life_error(l, &err);
        return rc;
    }
    running = l; /* marks outside the body are not of the measured region */
    uint64_t begin_ns = life_now_ns();
    PyObject *done = life_body(l, round.loops);
    uint64_t end_ns = life_now_ns();
    running = NULL;
    PyObject *exc = done == NULL ? prf_pyerr_take() : NULL;
    life_leave_fork(l);
    l->measured_ns += end_ns - begin_ns;
    round.raised = done == NULL;
    rc = l->backend->stop(l->state, &round, &err);
    Py_XDECREF(done);
    if (exc != NULL) {
        PyErr_SetObject((PyObject *)Py_TYPE(exc), exc);
        Py_DECREF(exc);
        life_raised(l, LIFE_FAILED, "body");
        return PRF_EPYTHON;
    }
    if (rc < 0) {
        life_error(l, &err);
    }
    return rc;
}

/* One execution with its fixtures; as life_measure. */
static int
life_round(struct life *l)
{
    if (l->fixtures) {
        life_phase(l, "setUp");
        if (!life_call(l, l->self, "setUp")) {
            life_call(l, l->self, "doCleanups");
            return PRF_EPYTHON;
        }
    }
    life_phase(l, "the case");
    int rc = life_measure(l);
    if (l->fixtures) {
        life_phase(l, "tearDown");
        if (!life_call(l, l->self, "tearDown")) {
            rc = PRF_EPYTHON;
        }
    }
    if (!life_call(l, l->self, "doCleanups")) {
        rc = PRF_EPYTHON;
    }
    return rc;
}

static void
life_rounds(struct life *l)
{
    /* What set-up left behind is not collected in the measured region. */
    PyGC_Collect();
    while (life_round(l) == PRF_MORE) {
    }
    life_leave_fork(l);
}

/* ---- after ---- */

static void
life_collect(struct life *l)
{
    struct prf_error err = {0};
    life_phase(l, "collecting results");
    if (l->backend->collect(l->state, l->sink, &err) < 0) {
        life_error(l, &err);
    }
}

static void
life_finish(struct life *l)
{
    static const char *const names[] = {
        [LIFE_OK] = "ok",
        [LIFE_FAILED] = "failed",
        [LIFE_SKIPPED] = "skipped",
        [LIFE_ERROR] = "error",
    };
    char text[64];
    snprintf(text, sizeof text, "%llu", (unsigned long long)l->measured_ns);
    prf_sink_info(l->sink, PRF_INFO_DURATION, text);
    prf_sink_info(l->sink, PRF_INFO_STATUS, names[l->verdict]);
    life_phase(l, "exit");
}

static void
life_release(struct life *l)
{
    if (l->state != NULL) {
        l->backend->close(l->state);
        prf_options_release(l->backend->options, l->state);
        free(l->state);
    }
    Py_CLEAR(l->loop);
    Py_CLEAR(l->method);
    Py_CLEAR(l->self);
    Py_CLEAR(l->driver);
    PyErr_Clear();
}

static void
life_close_runner(struct life *l)
{
    if (l->runner != NULL) {
        PyObject *done = PyObject_CallMethod(l->driver, "close_runner", "O", l->runner);
        if (done == NULL) {
            life_raised(l, LIFE_ERROR, "closing the event loop");
        }
        Py_XDECREF(done);
        Py_CLEAR(l->runner);
    }
}

void
prf_life_run(const struct prf_case *c, const char *profiler, const json_t *options,
             struct prf_sink *sink)
{
    struct prf_error err = {0};
    struct life l = {.c = c, .sink = sink, .owner = getpid()};
    l.phase = prf_sink_info_slot(sink, PRF_INFO_PHASE, PHASE_SIZE);
    life_phase(&l, "opening the profiler");
    if (life_open_backend(&l, profiler, options, &err) < 0) {
        if (err.code == PRF_EUSAGE) {
            prf_sink_info(sink, PRF_INFO_USAGE, "");
        }
        life_error(&l, &err);
        goto out;
    }
    int n_threads = prf_thread_count();
    life_phase(&l, "setUpClass");
    if (life_call(&l, c->type, "setUpClass")) {
        if (life_prepare(&l) < 0) {
            life_raised(&l, LIFE_ERROR, c->class_name);
        } else {
            life_rounds(&l);
        }
        life_phase(&l, "tearDownClass");
        life_close_runner(&l);
        life_call(&l, c->type, "tearDownClass");
    }
    life_call(&l, c->type, "doClassCleanups");
    int left = prf_thread_count() - n_threads;
    for (int i = 0; i < 10 && left > 0; i++) {
        /* a thread that was joined may still be on its way out of the kernel */
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
        left = prf_thread_count() - n_threads;
    }
    if (left > 0) {
        char note[96];
        snprintf(note, sizeof note, "the case left %d thread%s running", left,
                 left == 1 ? "" : "s");
        prf_sink_info(sink, PRF_INFO_NOTE, note);
    }
    life_collect(&l);
out:
    life_finish(&l);
    life_release(&l);
}

/* ---- marks ---- */

/* UTF-8 of a str, malloc'ed; NULL: no memory, or it has none. Not PyUnicode_AsUTF8: it
   keeps its result in the str, where those who look at memory would see it. */
static char *
life_utf8(PyObject *str)
{
    Py_ssize_t n = PyUnicode_GET_LENGTH(str);
    char *text = malloc(4 * (size_t)n + 1), *to = text;
    for (Py_ssize_t i = 0; to != NULL && i < n; i++) {
        Py_UCS4 c = PyUnicode_READ_CHAR(str, i);
        int n_more = c < 0x80 ? 0 : c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
        static const unsigned char heads[] = {0, 0xC0, 0xE0, 0xF0};
        if (c >= 0xD800 && c <= 0xDFFF) {
            free(text);
            return NULL;
        }
        *to++ = (char)(heads[n_more] | c >> 6 * n_more);
        while (n_more-- > 0) {
            *to++ = (char)(0x80 | (c >> 6 * n_more & 0x3F));
        }
    }
    if (to != NULL) {
        *to = '\0';
    }
    return text;
}

static void
life_mark(struct life *l, PyObject *name)
{
    char *text = PyUnicode_Check(name) ? life_utf8(name) : NULL;
    if (text == NULL) { /* any object, or text that has no UTF-8 */
        text = prf_pyerr_text(name);
    }
    l->backend->mark(l->state, text == NULL ? "?" : text);
    free(text);
}

/* "_profiler", for good: made at each mark it would be memory that the case is seen to
   allocate. */
static PyObject *life_profiler_name;

/* ProfilerCase.trace, in C so that it can be left out of results. An object that
   carries a profiler of its own (runCases) marks there. */
static PyObject *
life_py_trace(PyObject *self, PyObject *name)
{
    struct life *l = running;
    prf_allocator_look_away(true);
    PyObject *own = PyObject_GetAttr(self, life_profiler_name);
    if (own != NULL && own != Py_None) {
        Py_DECREF(own);
        prf_allocator_look_away(false);
        return PyObject_CallMethod(self, "_trace_into", "OO", own, name);
    }
    PyErr_Clear(); /* a subclass that does not call our __init__ has none */
    Py_XDECREF(own);
    if (l != NULL && l->backend->mark != NULL) {
        life_mark(l, name);
    }
    prf_allocator_look_away(false);
    Py_RETURN_NONE;
}

/* ProfilerCase.counter; a profiler without counters has nothing to do. */
static PyObject *
life_py_counter(PyObject *self, PyObject *const *args, Py_ssize_t n_args)
{
    struct life *l = running;
    (void)self;
    if (n_args != 2) {
        return PyErr_Format(PyExc_TypeError,
                            "counter() takes a name and a value (%zd given)", n_args);
    }
    double value = PyFloat_AsDouble(args[1]);
    if (value == -1.0 && PyErr_Occurred()) {
        return NULL;
    }
    if (l != NULL && l->backend->counter != NULL) {
        char *name = prf_pyerr_text(args[0]);
        l->backend->counter(l->state, name == NULL ? "?" : name, value);
        free(name);
    }
    Py_RETURN_NONE;
}

static PyMethodDef life_trace_def = {
    "trace",
    life_py_trace,
    METH_O,
    PyDoc_STR("trace($self, name)\n--\n\nRecord a mark: a named moment of the measured "
              "region, in every profiler."),
};

static PyMethodDef life_counter_def = {
    "counter",
    (PyCFunction)(void (*)(void))life_py_counter,
    METH_FASTCALL,
    PyDoc_STR(
        "counter($self, name, value)\n--\n\nRecord the value of a quantity at this "
        "moment, in profilers that have a timeline."),
};

static int
life_install_method(PyObject *cls, PyMethodDef *method)
{
    PyObject *function = PyDescr_NewMethod((PyTypeObject *)cls, method);
    int rc =
        function == NULL ? -1 : PyObject_SetAttrString(cls, method->ml_name, function);
    prf_codes_hide(method);
    Py_XDECREF(function);
    return rc;
}

int
prf_life_install(void)
{
    PyObject *package = PyImport_ImportModule("pyprofiler._case");
    PyObject *cls = package ? PyObject_GetAttrString(package, "ProfilerCase") : NULL;
    int rc = -1;
    life_profiler_name = PyUnicode_InternFromString("_profiler");
    if (cls != NULL && life_profiler_name != NULL) {
        rc = life_install_method(cls, &life_trace_def);
        rc = rc < 0 ? rc : life_install_method(cls, &life_counter_def);
    }
    Py_XDECREF(package);
    Py_XDECREF(cls);
    return rc;
}
