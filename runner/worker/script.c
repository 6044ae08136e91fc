/* A whole program under a profiler: everything as `python script.py` has it. The
   program is run by the functions that Python's own main uses, and the process ends as
   Python's does: threads are waited for, exit handlers run, then the interpreter is
   finalised. The measured region ends after the exit handlers: ours was registered
   first, so it is called last. Also sys.exit gets there, which does not return here. */
#include <Python.h>

#include "script.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <pyprofiler/backend.h>

#include "catalog.h"
#include "clock.h"
#include "codes.h"
#include "compat.h"
#include "control.h"
#include "lifecycle.h"
#include "procmem.h"
#include "pyerr.h"
#include "writer.h"
#include "zygote.h"

#define SCRIPT_PHASE_SIZE 32
#define SCRIPT_ERROR_CODE 3 /* what went wrong is ours: PRF_EXIT_INTERNAL */

enum { SCRIPT_WALL, SCRIPT_CPU, SCRIPT_LOAD, SCRIPT_PEAK, SCRIPT_N_METRICS };

/* Recorded for every script, behind the backend's own metrics. */
static const struct prf_metric script_metrics[] = {
    [SCRIPT_WALL] = {"wall_time", "ns", PRF_SCOPE_RESULT, PRF_BETTER_LESS,
                     PRF_FOLD_NONE, "from the first line to the last exit handler"},
    [SCRIPT_CPU] = {"cpu_time", "ns", PRF_SCOPE_RESULT, PRF_BETTER_LESS, PRF_FOLD_NONE,
                    "of all threads, and of the children that were waited for"},
    [SCRIPT_LOAD] = {"average_cpu", "percent", PRF_SCOPE_RESULT, PRF_BETTER_NONE,
                     PRF_FOLD_NONE, "of one processor"},
    [SCRIPT_PEAK] = {"peak_memory", "bytes", PRF_SCOPE_RESULT, PRF_BETTER_LESS,
                     PRF_FOLD_NONE, "largest resident set of the process"},
    {NULL},
};

enum script_kind { SCRIPT_FILE, SCRIPT_MODULE, SCRIPT_CODE };

struct script {
    enum script_kind kind;
    char *what;        /* path, module or code */
    char *file;        /* absolute path of the source; NULL: none */
    bool is_container; /* a folder or an archive */
    const char *id;
    pid_t owner;
    const struct prf_backend *backend;
    void *state;
    struct prf_writer *writer;
    struct prf_sink *sink;
    struct prf_rec_sample *samples[SCRIPT_N_METRICS]; /* in the recording */
    char *phase;                                      /* likewise */
    uint64_t wall_ns, cpu_ns;                         /* at the start */
    bool started;
};

/* The one of this process, for as long as the process lives; protected by the GIL. */
static struct script script;

/* ---- clocks ---- */

static uint64_t
script_time_ns(const struct timeval *tv)
{
    return (uint64_t)tv->tv_sec * 1000000000u + (uint64_t)tv->tv_usec * 1000u;
}

static uint64_t
script_cpu_ns(void)
{
    struct timespec own = {0};
    struct rusage children = {0};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &own);
    getrusage(RUSAGE_CHILDREN, &children);
    return (uint64_t)own.tv_sec * 1000000000u + (uint64_t)own.tv_nsec +
           script_time_ns(&children.ru_utime) + script_time_ns(&children.ru_stime);
}

/* ---- what is recorded beside the profile ---- */

static void
script_phase(const char *phase)
{
    if (script.phase != NULL) {
        strncpy(script.phase, phase, SCRIPT_PHASE_SIZE - 1);
    }
}

static bool
script_measures(const struct prf_metric *metric)
{
    for (const struct prf_metric *m = script_metrics; m->name != NULL; m++) {
        if (metric->scope == PRF_SCOPE_RESULT && strcmp(metric->name, m->name) == 0) {
            return true;
        }
    }
    return false;
}

/* Places for our metrics, instead of the backend's by the same names: the runner fills
 * them in when the process cannot. */
static void
script_reserve_samples(void)
{
    struct prf_rows rows;
    uint32_t first = 0;
    for (; script.backend->metrics[first].name != NULL; first++) {
        if (first < 64 && script_measures(&script.backend->metrics[first])) {
            script.sink->muted |= 1ull << first;
        }
    }
    prf_sink_schema(script.sink, script_metrics);
    prf_rows_init(&rows, script.sink, PRF_CHUNK_SAMPLE, sizeof(struct prf_rec_sample));
    for (uint32_t i = 0; i < SCRIPT_N_METRICS; i++) {
        struct prf_rec_sample *row = prf_rows_add(&rows);
        if (row != NULL) {
            *row = (struct prf_rec_sample){
                .metric = first + i, .flags = PRF_SAMPLE_OPEN, .value = NAN};
        }
        script.samples[i] = row;
    }
}

static void
script_fill_sample(int metric, double value)
{
    struct prf_rec_sample *row = script.samples[metric];
    if (row != NULL) {
        row->value = value;
        row->flags = 0;
    }
}

static void
script_fill_samples(double wall_ns, double cpu_ns, int64_t peak_bytes)
{
    char text[32];
    script_fill_sample(SCRIPT_WALL, wall_ns);
    script_fill_sample(SCRIPT_CPU, cpu_ns);
    if (wall_ns > 0) {
        script_fill_sample(SCRIPT_LOAD, 100.0 * cpu_ns / wall_ns);
    }
    if (peak_bytes >= 0) {
        script_fill_sample(SCRIPT_PEAK, (double)peak_bytes);
    }
    snprintf(text, sizeof text, "%.0f", wall_ns);
    prf_sink_info(script.sink, PRF_INFO_DURATION, text);
}

static void
script_record_error(struct prf_error *err)
{
    if (err->code == PRF_EUSAGE) {
        prf_sink_info(script.sink, PRF_INFO_USAGE, "");
    }
    prf_sink_info(script.sink, PRF_INFO_REASON, err->text);
    prf_sink_info(script.sink, PRF_INFO_STATUS, "error");
    prf_error_clear(err);
}

/* The exception that ended the script: Python has printed it and left it in sys. */
static void
script_record_exception(void)
{
    PyObject *exc = prf_exception_last(); /* borrowed from sys */
    char *reason = exc == NULL ? NULL : prf_pyerr_reason(exc);
    char *traceback = exc == NULL ? NULL : prf_pyerr_traceback(exc);
    if (reason != NULL) {
        prf_sink_info(script.sink, PRF_INFO_REASON, reason);
    }
    if (traceback != NULL) {
        prf_sink_info(script.sink, PRF_INFO_TRACEBACK, traceback);
    }
    free(reason);
    free(traceback);
}

/* ---- the end ---- */

static void
script_close(void)
{
    script.backend->close(script.state);
    prf_options_release(script.backend->options, script.state);
    free(script.state);
    script.state = NULL;
    script_phase("exit");
    prf_writer_close(script.writer);
    script.phase = NULL;
    script.writer = NULL;
}

/* The last exit handler. A process that the script forked is not the one measured. */
static PyObject *
script_end(PyObject *Py_UNUSED(self), PyObject *Py_UNUSED(ignored))
{
    struct prf_error err = {0};
    const struct prf_round round = {.loops = 1};
    if (!script.started || getpid() != script.owner) {
        Py_RETURN_NONE;
    }
    script.started = false;
    uint64_t wall_ns = prf_clock_monotonic_ns(), cpu_ns = script_cpu_ns();
    int64_t peak_bytes = prf_procmem_peak();
    int rc = script.backend->stop(script.state, &round, &err);
    script_fill_samples((double)(wall_ns - script.wall_ns),
                        (double)(cpu_ns - script.cpu_ns), peak_bytes);
    script_phase("collecting results");
    if (rc >= 0) {
        rc = script.backend->collect(script.state, script.sink, &err);
    }
    if (rc < 0) {
        script_record_error(&err);
    }
    script_close();
    PyErr_Clear();
    Py_RETURN_NONE;
}

static PyMethodDef script_end_def = {"script_end", script_end, METH_NOARGS, NULL};

static int
script_at_exit(void)
{
    PyObject *module = PyImport_ImportModule("atexit");
    PyObject *function = module ? PyCFunction_New(&script_end_def, NULL) : NULL;
    PyObject *done =
        function ? PyObject_CallMethod(module, "register", "O", function) : NULL;
    int rc = done == NULL ? -1 : 0;
    prf_codes_hide(&script_end_def);
    Py_XDECREF(done);
    Py_XDECREF(function);
    Py_XDECREF(module);
    return rc;
}

static void
script_detach_fork(void)
{
    if (script.writer != NULL) {
        prf_writer_detach(script.writer);
    }
}

/* As Python's main does it: Ctrl-C that nobody caught ends the process by the signal,
   so that whoever started it sees why. */
static _Noreturn void
script_finish(int code, bool interrupted)
{
    if (Py_FinalizeEx() < 0) {
        code = 120;
    }
    if (interrupted) {
        signal(SIGINT, SIG_DFL);
        kill(getpid(), SIGINT);
    }
    exit(code); // NOLINT(concurrency-mt-unsafe): Python has ended
}

/* ---- the body ---- */

static int
script_run_main(const char *module, int set_argv0)
{
    PyObject *runpy = PyImport_ImportModule("runpy");
    PyObject *done = runpy == NULL
                         ? NULL
                         : PyObject_CallMethod(runpy, "_run_module_as_main", "sO",
                                               module, set_argv0 ? Py_True : Py_False);
    Py_XDECREF(runpy);
    if (done == NULL) {
        PyErr_Print(); /* does not return after sys.exit */
        return -1;
    }
    Py_DECREF(done);
    return 0;
}

static int
script_run_file(void)
{
    FILE *file = fopen(script.file, "rbe");
    PyCompilerFlags flags = _PyCompilerFlags_INIT;
    if (file == NULL) {
        fprintf(stderr, "pyprofiler: cannot open '%s': %s\n", script.what,
                strerror(errno));
        return -1;
    }
    return PyRun_AnyFileExFlags(file, script.file, 1, &flags) == 0 ? 0 : -1;
}

static int
script_body(void)
{
    PyCompilerFlags flags = _PyCompilerFlags_INIT;
    switch (script.kind) {
    case SCRIPT_MODULE:
        return script_run_main(script.what, 1);
    case SCRIPT_CODE:
        return PyRun_SimpleStringFlags(script.what, &flags);
    case SCRIPT_FILE:
        break;
    }
    return script.is_container ? script_run_main("__main__", 0) : script_run_file();
}

/* PYTHONINSPECT: a terminal goes on in the script's names, and gives the exit code. */
static int
script_inspect_after(int code)
{
    const char *asked = getenv("PYTHONINSPECT");      // NOLINT(concurrency-mt-unsafe)
    PyCompilerFlags flags = _PyCompilerFlags_INIT;
    if (asked == NULL || *asked == '\0' || !isatty(STDIN_FILENO)) {
        return code;
    }
    ((PyConfig *)_Py_GetConfig())->inspect = 0; /* from now on sys.exit exits */
    return PyRun_AnyFileExFlags(stdin, "<stdin>", 0, &flags) != 0;
}

/* ---- the beginning ---- */

/* Bytes as they were: in messages each is the code point of the same number. */
static char *
script_bytes(const char *text)
{
    char *bytes = text == NULL ? NULL : malloc(strlen(text) + 1), *to = bytes;
    for (const unsigned char *p = (const unsigned char *)text;
         bytes != NULL && *p != '\0'; p++) {
        if (*p >= 0xC0 && p[1] != '\0') {
            *to++ = (char)((*p & 3) << 6 | (p[1] & 0x3F));
            p++;
        } else {
            *to++ = (char)*p;
        }
    }
    if (bytes != NULL) {
        *to = '\0';
    }
    return bytes;
}

static PyObject *
script_argv(const json_t *words)
{
    PyObject *list = PyList_New(0);
    for (size_t i = 0; list != NULL && i < json_array_size(words); i++) {
        char *word = script_bytes(json_string_value(json_array_get(words, i)));
        PyObject *bytes = word == NULL ? NULL : PyBytes_FromString(word);
        if (bytes == NULL || PyList_Append(list, bytes) < 0) {
            Py_CLEAR(list);
        }
        Py_XDECREF(bytes);
        free(word);
    }
    return list;
}

/* sys and __main__ as Python sets them; *hash is the caller's reference or None. */
static int
script_prepare(const json_t *request, const char *kind, PyObject **hash)
{
    int rc = -1;
    PyObject *argv = script_argv(json_object_get(request, "argv"));
    PyObject *module = argv ? PyImport_ImportModule("pyprofiler._script") : NULL;
    PyObject *done = module == NULL ? NULL
                                    : PyObject_CallMethod(module, "prepare", "syO",
                                                          kind, script.what, argv);
    PyObject *file = NULL, *bytes = NULL, *path0 = NULL; /* two borrowed from done */
    int is_container = 0;
    if (done != NULL &&
        PyArg_ParseTuple(done, "OOpO", &file, hash, &is_container, &path0)) {
        if (path0 != Py_None) {
            prf_config_set_path0(path0);
        }
        rc = 0;
        script.is_container = is_container;
        Py_INCREF(*hash);
    }
    if (rc == 0 && file != Py_None) {
        bytes = PyUnicode_EncodeFSDefault(file);
        script.file = bytes == NULL ? NULL : strdup(PyBytes_AS_STRING(bytes));
        rc = script.file == NULL ? -1 : 0;
    }
    if (rc == 0 && (script.kind == SCRIPT_MODULE || script.is_container)) {
        /* before the start: the import is not the script's */
        PyObject *runpy = PyImport_ImportModule("runpy");
        rc = runpy == NULL ? -1 : 0;
        Py_XDECREF(runpy);
    }
    Py_XDECREF(bytes);
    Py_XDECREF(done);
    Py_XDECREF(module);
    Py_XDECREF(argv);
    return rc;
}

static int
script_open_backend(const json_t *request, struct prf_error *err)
{
    const char *name = json_string_value(json_object_get(request, "profiler"));
    script.backend = name == NULL ? NULL : prf_catalog_find(name);
    if (script.backend == NULL) {
        return prf_fail(err, PRF_EUSAGE,
                        "profiler '%s' is registered by Python code, which cannot "
                        "profile a script",
                        name == NULL ? "" : name);
    }
    script.state = calloc(1, script.backend->state_size + 1);
    if (script.state == NULL) {
        return prf_fail(err, PRF_ENOMEM, "out of memory");
    }
    int rc = prf_life_set_options(script.backend, script.state,
                                  json_object_get(request, "options"), err);
    const struct prf_session session = {
        .sink = script.sink,
        .case_id = script.id,
        .case_file = script.file != NULL          ? script.file
                     : script.kind == SCRIPT_CODE ? "<string>"
                                                  : "",
        .is_script = true,
    };
    prf_sink_schema(script.sink, script.backend->metrics);
    script_reserve_samples();
    return rc < 0 ? rc : script.backend->open(script.state, &session, err);
}

static int
script_open_recording(const json_t *request, struct prf_error *err)
{
    const char *path = json_string_value(json_object_get(request, "recording"));
    if (path == NULL) {
        return prf_fail(err, PRF_EPROTOCOL, "a script needs a recording");
    }
    int rc = prf_writer_open(path, prf_clock_ns_per_tick(), &script.writer, err);
    if (rc == 0) {
        script.sink = prf_writer_sink(script.writer);
        script.phase =
            prf_sink_info_slot(script.sink, PRF_INFO_PHASE, SCRIPT_PHASE_SIZE);
        pthread_atfork(NULL, NULL, script_detach_fork);
    }
    return rc;
}

static int
script_tell(int control, PyObject *hash, struct prf_error *err)
{
    char *text = hash == Py_None ? NULL : prf_pyerr_text(hash);
    json_t *m =
        json_pack("{ss si ss? ss? sI}", "type", "started", "pid", (int)getpid(), "file",
                  script.file, "hash", text, "cpu_ns", (json_int_t)script_cpu_ns());
    if (m == NULL) { /* a path that is no UTF-8 */
        m = json_pack("{ss si sn ss? sI}", "type", "started", "pid", (int)getpid(),
                      "file", "hash", text, "cpu_ns", (json_int_t)script_cpu_ns());
    }
    free(text);
    return prf_control_send(control, m, err);
}

static int
script_kind(const char *name)
{
    static const char *const kinds[] = {
        [SCRIPT_FILE] = "file", [SCRIPT_MODULE] = "module", [SCRIPT_CODE] = "code"};
    for (int i = 0; name != NULL && i < 3; i++) {
        if (strcmp(kinds[i], name) == 0) {
            return i;
        }
    }
    return -1;
}

/* From here on the process is the script's. */
static _Noreturn void
script_go(void)
{
    struct prf_error err = {0};
    struct prf_round round = {.loops = 1};
    prctl(PR_SET_CHILD_SUBREAPER, 0);
    prf_frames_forget(PyThreadState_Get());
    PyGC_Collect();
    prf_procmem_reset_peak();
    if (script.backend->start(script.state, &round, &err) < 0) {
        script_record_error(&err);
        script_close();
        script_finish(SCRIPT_ERROR_CODE, false);
    }
    script.started = true;
    script_phase("the script");
    script.cpu_ns = script_cpu_ns();
    script.wall_ns = prf_clock_monotonic_ns();
    int rc = script_body();
    bool interrupted = false;
    if (rc < 0 && script.started && getpid() == script.owner) {
        PyObject *last = prf_exception_last(); /* borrowed from sys */
        interrupted =
            last != NULL && PyErr_GivenExceptionMatches(last, PyExc_KeyboardInterrupt);
        script_record_exception();
    }
    rc = script_inspect_after(rc < 0 ? 1 : 0);
    script_finish(rc, interrupted);
}

int
prf_script_run(int control, const json_t *request, struct prf_error *err)
{
    const char *kind = json_string_value(json_object_get(request, "kind"));
    const char *what = json_string_value(json_object_get(request, "what"));
    PyObject *hash = NULL;
    int number = script_kind(kind);
    script = (struct script){
        .kind = number < 0 ? SCRIPT_FILE : (enum script_kind)number,
        .what = script_bytes(what),
        .id = json_string_value(json_object_get(request, "case")),
        .owner = getpid(),
    };
    if (number < 0 || script.what == NULL || script.id == NULL) {
        return prf_fail(err, PRF_EPROTOCOL, "not a script");
    }
    if (script_prepare(request, kind, &hash) < 0 || script_at_exit() < 0) {
        return prf_fail_py(err, "cannot prepare the script");
    }
    int rc = script_open_recording(request, err);
    if (rc == 0) {
        prf_zygote_watch_faults(json_string_value(json_object_get(request, "fault")));
        rc = script_tell(control, hash, err);
    }
    Py_DECREF(hash);
    if (rc < 0) {
        return rc;
    }
    close(control);
    if (script_open_backend(request, err) < 0) {
        script_record_error(err);
        script_finish(SCRIPT_ERROR_CODE, false);
    }
    script_go();
}

json_t *
prf_script_inspect(const json_t *request, struct prf_error *err)
{
    const char *path = json_string_value(json_object_get(request, "path"));
    char *read = path == NULL ? NULL : script_bytes(path);
    PyObject *module = PyImport_ImportModule("pyprofiler._script");
    PyObject *found = read == NULL || module == NULL
                          ? NULL
                          : PyObject_CallMethod(module, "is_script_file", "y", read);
    free(read);
    Py_XDECREF(module);
    if (found == NULL) {
        prf_fail_py(err, "cannot look at the file");
        return NULL;
    }
    json_t *j =
        json_pack("{ss so}", "type", "inspected", "script",
                  found == Py_None ? json_null() : json_boolean(found == Py_True));
    Py_DECREF(found);
    return j;
}
