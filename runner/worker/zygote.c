/* The zygote: initialises Python, imports the case file, then forks once per run. */
#include <Python.h>

#include "zygote.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <pyprofiler/protocol.h>
#include <pyprofiler/version.h>

#include "catalog.h"
#include "clock.h"
#include "control.h"
#include "discover.h"
#include "interp.h"
#include "lifecycle.h"
#include "pyerr.h"
#include "script.h"
#include "threads.h"
#include "writer.h"

PyMODINIT_FUNC PyInit__pyprofiler(void); /* module.c */

#define BASELINE_MAX 256
#define FAULT_FD_MIN 200 /* out of the way of what a case opens and closes */

struct zygote {
    int control;
    const char *host;
    struct prf_discovery found;
};

/* One request to run, its texts borrowed from the message. */
struct order {
    const struct prf_case *c;
    const char *profiler, *recording, *output, *fault;
    const json_t *options, *affinity;
};

static struct prf_writer *open_writer; /* of the run in this process, for fork */

/* ---- the measured process ---- */

/* Make `fd` another name for the file at `path`. */
static void
order_redirect(const char *path, int flags, int fd)
{
    int file = open(path, flags | O_CLOEXEC, 0666);
    if (file == fd) {
        fcntl(fd, F_SETFD, 0);
    } else if (file >= 0) {
        dup2(file, fd);
        close(file);
    }
}

/* Python prints where it was when a fatal signal comes. */
void
prf_zygote_watch_faults(const char *path)
{
    int low =
        path == NULL ? -1 : open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (low < 0) {
        return;
    }
    int fd = fcntl(low, F_DUPFD_CLOEXEC, FAULT_FD_MIN);
    close(low);
    PyObject *module = PyImport_ImportModule("faulthandler");
    PyObject *done =
        module == NULL ? NULL : PyObject_CallMethod(module, "enable", "i", fd);
    PyErr_Clear();
    Py_XDECREF(module);
    Py_XDECREF(done);
}

static void
order_set_affinity(const json_t *cpus)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    size_t i;
    json_t *cpu;
    json_array_foreach((json_t *)cpus, i, cpu)
    {
        CPU_SET((int)json_integer_value(cpu), &set);
    }
    if (json_array_size(cpus) > 0) {
        sched_setaffinity(0, sizeof set, &set);
    }
}

static void
order_detach_fork(void)
{
    if (open_writer != NULL) {
        prf_writer_detach(open_writer);
    }
}

static void
order_run(const struct order *o)
{
    struct prf_error err = {0};
    struct prf_writer *writer = NULL;
    if (prf_writer_open(o->recording, prf_clock_ns_per_tick(), &writer, &err) < 0) {
        fprintf(stderr, "pyprofiler: %s\n", err.text);
        return;
    }
    open_writer = writer;
    prf_life_run(o->c, o->profiler, o->options, prf_writer_sink(writer));
    open_writer = NULL;
    prf_interp_flush();
    fflush(NULL);
    prf_writer_close(writer);
}

/* The forked child: its own session, so that all it starts can be found and ended. */
static _Noreturn void
zygote_child(struct zygote *z, const struct order *o, pid_t parent)
{
    close(z->control);
    setsid();
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) {
        _exit(1);
    }
    order_redirect("/dev/null", O_RDONLY, 0);
    if (o->output != NULL) {
        order_redirect(o->output, O_WRONLY | O_CREAT | O_APPEND, 1);
        order_redirect(o->output, O_WRONLY | O_CREAT | O_APPEND, 2);
    }
    prf_zygote_watch_faults(o->fault);
    order_set_affinity(o->affinity);
    order_run(o);
    _exit(0);
}

/* ---- the zygote ---- */

static json_t *
zygote_exited(pid_t pid, int status, int left, const struct rusage *usage)
{
    json_t *j = json_pack("{ss si si sI sI sI}", "type", "exited", "pid", (int)pid,
                          "left", left, "utime_ns",
                          (json_int_t)usage->ru_utime.tv_sec * 1000000000 +
                              (json_int_t)usage->ru_utime.tv_usec * 1000,
                          "stime_ns",
                          (json_int_t)usage->ru_stime.tv_sec * 1000000000 +
                              (json_int_t)usage->ru_stime.tv_usec * 1000,
                          "maxrss_bytes", (json_int_t)usage->ru_maxrss * 1024);
    json_object_set_new(
        j, "code", WIFEXITED(status) ? json_integer(WEXITSTATUS(status)) : json_null());
    json_object_set_new(j, "signal",
                        WIFSIGNALED(status) ? json_integer(WTERMSIG(status))
                                            : json_null());
    return j;
}

static int
zygote_wait(struct zygote *z, pid_t pid, const pid_t *keep, size_t n_keep,
            struct prf_error *err)
{
    int status = 0;
    struct rusage usage = {0};
    while (wait4(pid, &status, 0, &usage) < 0 && errno == EINTR) {
    }
    int left = prf_children_sweep(keep, n_keep, PRF_SWEEP_ALL);
    return prf_control_send(z->control, zygote_exited(pid, status, left, &usage), err);
}

static int
zygote_run_forked(struct zygote *z, const struct order *o, struct prf_error *err)
{
    pid_t
        keep[BASELINE_MAX]; /* children of the import: resource trackers and the like */
    size_t n_keep = prf_children(keep, BASELINE_MAX);
    struct sigaction chld, plain = {.sa_handler = SIG_DFL};
    pid_t parent = getpid();
    sigaction(SIGCHLD, &plain, &chld); /* ignored, there would be no exit status */
    PyOS_BeforeFork();
    pid_t pid = fork();
    if (pid == 0) {
        PyOS_AfterFork_Child();
        sigaction(SIGCHLD, &chld, NULL);
        zygote_child(z, o, parent);
    }
    int why = errno;
    PyOS_AfterFork_Parent();
    int rc = 0;
    if (pid < 0) {
        rc = prf_fail(err, PRF_EIO, "cannot fork: %s", strerror(why));
    } else {
        rc = prf_control_send(
            z->control, json_pack("{ss si}", "type", "started", "pid", (int)pid), err);
        if (rc == 0) {
            rc = zygote_wait(z, pid, keep, n_keep, err);
        }
    }
    sigaction(SIGCHLD, &chld, NULL);
    return rc;
}

/* In this very process: for debuggers, and where a process of its own is wanted. */
static int
zygote_run_inline(struct zygote *z, const struct order *o, struct prf_error *err)
{
    pid_t keep[BASELINE_MAX];
    size_t n_keep = prf_children(keep, BASELINE_MAX);
    int saved[3];
    int rc = prf_control_send(
        z->control, json_pack("{ss si}", "type", "started", "pid", (int)getpid()), err);
    for (int fd = 0; fd < 3; fd++) {
        saved[fd] = fcntl(fd, F_DUPFD_CLOEXEC, FAULT_FD_MIN);
    }
    order_redirect("/dev/null", O_RDONLY, 0);
    if (o->output != NULL) {
        order_redirect(o->output, O_WRONLY | O_CREAT | O_APPEND, 1);
        order_redirect(o->output, O_WRONLY | O_CREAT | O_APPEND, 2);
    }
    prf_zygote_watch_faults(o->fault);
    order_set_affinity(o->affinity);
    order_run(o);
    for (int fd = 0; fd < 3; fd++) {
        if (saved[fd] >= 0) {
            dup2(saved[fd], fd);
            close(saved[fd]);
        }
    }
    struct rusage usage = {0};
    getrusage(RUSAGE_SELF, &usage);
    int left = prf_children_sweep(keep, n_keep, PRF_SWEEP_BUT_HELPERS);
    if (rc == 0) {
        rc =
            prf_control_send(z->control, zygote_exited(getpid(), 0, left, &usage), err);
    }
    return rc;
}

static int
zygote_run(struct zygote *z, const json_t *request, struct prf_error *err)
{
    const char *id = json_string_value(json_object_get(request, "case"));
    struct order o = {
        .c = id == NULL ? NULL : prf_discovery_find(&z->found, id),
        .profiler = json_string_value(json_object_get(request, "profiler")),
        .recording = json_string_value(json_object_get(request, "recording")),
        .output = json_string_value(json_object_get(request, "output")),
        .fault = json_string_value(json_object_get(request, "fault")),
        .options = json_object_get(request, "options"),
        .affinity = json_object_get(request, "affinity"),
    };
    if (o.c == NULL || o.profiler == NULL || o.recording == NULL) {
        return prf_fail(err, PRF_EPROTOCOL, "cannot run '%s': no such case here",
                        id == NULL ? "" : id);
    }
    return json_is_true(json_object_get(request, "inline"))
               ? zygote_run_inline(z, &o, err)
               : zygote_run_forked(z, &o, err);
}

/* What every child would do again: import what a run needs. Then objects that are there
   now are kept from the garbage collector, which would copy the pages they are on. */
static void
zygote_warm_up(void)
{
    static const char *const modules[] = {"faulthandler", "pyprofiler._driver"};
    for (size_t i = 0; i < sizeof modules / sizeof *modules; i++) {
        Py_XDECREF(PyImport_ImportModule(modules[i]));
    }
    PyObject *gc = PyImport_ImportModule("gc");
    Py_XDECREF(gc == NULL ? NULL : PyObject_CallMethod(gc, "freeze", NULL));
    Py_XDECREF(gc);
    PyErr_Clear();
}

static int
zygote_import(struct zygote *z, const json_t *request, struct prf_error *err)
{
    const char *output = json_string_value(json_object_get(request, "output"));
    if (output != NULL) {
        order_redirect(output, O_WRONLY | O_CREAT | O_APPEND, 1);
        order_redirect(output, O_WRONLY | O_CREAT | O_APPEND, 2);
    }
    prf_discovery_release(&z->found);
    pid_t importer = getpid();
    json_t *answer = prf_discover(request, &z->found);
    if (getpid() != importer) { /* a fork in the file: only the original answers */
        _exit(0);
    }
    if (answer == NULL) {
        return prf_fail(err, PRF_ENOMEM, "out of memory while listing cases");
    }
    zygote_warm_up();
    return prf_control_send(z->control, answer, err);
}

static int
zygote_inspect(struct zygote *z, const json_t *request, struct prf_error *err)
{
    json_t *answer = prf_script_inspect(request, err);
    return answer == NULL ? err->code : prf_control_send(z->control, answer, err);
}

/* The extension module in sys.modules: an embedded plugin is on no import path. */
static int
zygote_add_module(void)
{
    PyObject *modules = PyImport_GetModuleDict(); /* borrowed from the interpreter */
    if (PyDict_GetItemString(modules, "_pyprofiler") != NULL) {
        return 0;
    }
    PyObject *module = PyInit__pyprofiler();
    int rc = module == NULL ? -1 : PyDict_SetItemString(modules, "_pyprofiler", module);
    Py_XDECREF(module);
    return rc;
}

static int
zygote_start(struct zygote *z, const json_t *init, struct prf_error *err)
{
    int rc = prf_interp_start(init, err);
    if (rc == 0 && (zygote_add_module() < 0 || prf_life_install() < 0)) {
        rc = prf_fail_py(err, "cannot set up the package 'pyprofiler'");
    }
    return rc < 0 ? rc : prf_control_send(z->control, prf_interp_describe(), err);
}

static int
zygote_say_hello(struct zygote *z, struct prf_error *err)
{
    char python[16];
    unsigned minor = (unsigned)(Py_Version >> 16) & 0xff;
    snprintf(python, sizeof python, "%u.%u", (unsigned)(Py_Version >> 24), minor);
    json_t *hello =
        json_pack("{ss si ss ss ss so}", "type", "hello", "abi", PRF_PROTOCOL_VERSION,
                  "version", PRF_VERSION, "python", python, "host", z->host, "backends",
                  prf_catalog_describe());
    return prf_control_send(z->control, hello, err);
}

static int
zygote_answer(struct zygote *z, const json_t *request, bool *quit,
              struct prf_error *err)
{
    const char *type = json_string_value(json_object_get(request, "type"));
    if (type == NULL) {
        return prf_fail(err, PRF_EPROTOCOL, "a message without a type");
    }
    if (strcmp(type, "init") == 0) {
        return zygote_start(z, request, err);
    }
    if (strcmp(type, "quit") == 0) {
        *quit = true;
        return 0;
    }
    if (!Py_IsInitialized()) {
        return prf_fail(err, PRF_EPROTOCOL, "'%s' came before 'init'", type);
    }
    if (strcmp(type, "import") == 0) {
        return zygote_import(z, request, err);
    }
    if (strcmp(type, "run") == 0) {
        return zygote_run(z, request, err);
    }
    if (strcmp(type, "inspect") == 0) {
        return zygote_inspect(z, request, err);
    }
    if (strcmp(type, "script") == 0) {
        return prf_script_run(z->control, request, err);
    }
    return prf_fail(err, PRF_EPROTOCOL, "unknown message '%s'", type);
}

int
prf_zygote_serve(int control, const char *host)
{
    struct zygote z = {.control = control, .host = host};
    struct prf_error err = {0};
    bool quit = false;
    fcntl(control, F_SETFD, FD_CLOEXEC);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    pthread_atfork(NULL, NULL, order_detach_fork);
    /* Objects are freed in the order of their hashes: with a seed of chance the heap
       would be another one each time, and with it the instructions that a case takes.
     */
    json_object_seed(1);
    prf_clock_init();
    prf_catalog_load();
    int rc = zygote_say_hello(&z, &err);
    while (rc == 0 && !quit) {
        json_t *request = NULL;
        rc = prf_control_receive(control, &request, &err);
        if (rc == PRF_ENOTFOUND) { /* the runner has gone: nobody is left to tell */
            return 0;
        }
        if (rc == 0) {
            rc = zygote_answer(&z, request, &quit, &err);
        }
        json_decref(request);
        if (rc < 0) {
            prf_control_send(control,
                             json_pack("{ss ss}", "type", "failed", "error", err.text),
                             NULL);
        }
    }
    return rc < 0;
}
