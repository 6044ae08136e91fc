/* One run of a program; see script.h. */
#include "script.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <pyprofiler/recording.h>

#include "children.h"
#include "engine.h"
#include "judge.h"
#include "strbuf.h"
#include "valgrind.h"

#define SCRIPT_START_NS 60000000000LL
#define SCRIPT_VALGRIND_FACTOR 10
#define SCRIPT_ABORT_NS 500000000LL /* for faulthandler to write where it hangs */

/* ---- signals ---- */

static atomic_int script_pid;  /* that signals are handed on to; 0: none */
static atomic_int script_told; /* the last signal that asked us to stop */

static const int script_signals[] = {SIGINT,  SIGTERM, SIGHUP,
                                     SIGQUIT, SIGUSR1, SIGUSR2};
enum { SCRIPT_N_SIGNALS = sizeof script_signals / sizeof *script_signals };

/* Async-signal-safe. What the terminal sends, the whole process group gets. */
static void
script_handler(int signo, siginfo_t *info, void *context)
{
    int saved = errno;
    pid_t pid = atomic_load(&script_pid);
    (void)context;
    if (signo == SIGINT || signo == SIGTERM || signo == SIGHUP) {
        atomic_store(&script_told, signo);
    }
    if (info->si_code <= 0 && pid > 0 && info->si_pid != pid) {
        kill(pid, signo);
    }
    errno = saved;
}

static void
script_catch_signals(struct sigaction *before)
{
    struct sigaction action = {.sa_sigaction = script_handler,
                               .sa_flags = SA_SIGINFO | SA_RESTART};
    sigemptyset(&action.sa_mask);
    atomic_store(&script_pid, 0);
    atomic_store(&script_told, 0);
    for (size_t i = 0; i < SCRIPT_N_SIGNALS; i++) {
        sigaction(script_signals[i], NULL, &before[i]);
        if (before[i].sa_handler != SIG_IGN) { /* nohup: it stays ignored */
            sigaction(script_signals[i], &action, NULL);
        }
    }
}

static void
script_release_signals(const struct sigaction *before)
{
    atomic_store(&script_pid, 0);
    for (size_t i = 0; i < SCRIPT_N_SIGNALS; i++) {
        sigaction(script_signals[i], &before[i], NULL);
    }
}

/* ---- waiting ---- */

struct script_wait {
    struct prf_worker *worker;
    struct prf_outcome *outcome;
    int64_t timeout_ns; /* 0: none */
    struct rusage usage;
};

/* Reap it; the worker is no process any more. */
static void
script_reap(struct script_wait *w)
{
    struct prf_process *process = &w->worker->process;
    int status = 0;
    pid_t pid;
    do {
        pid = wait4(process->pid, &status, 0, &w->usage);
    } while (pid < 0 && errno == EINTR);
    atomic_store(&script_pid, 0);
    w->outcome->code = pid > 0 && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    w->outcome->signal = pid > 0 && WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    if (process->pidfd >= 0) {
        close(process->pidfd);
    }
    *process = (struct prf_process){.pidfd = -1};
    w->worker->ended = true;
}

/* False: the moment came first. */
static bool
script_ended_by(const struct script_wait *w, int64_t deadline_ns)
{
    struct pollfd pfd = {.fd = w->worker->process.pidfd, .events = POLLIN};
    int n;
    do {
        n = poll(&pfd, 1, prf_clock_left_ms(deadline_ns));
    } while ((n < 0 && errno == EINTR) ||
             (n == 0 && prf_clock_left_ms(deadline_ns) != 0));
    return n != 0;
}

/* Until it ended by itself, or at the limit by force: first asked where it hangs. */
static void
script_await(struct script_wait *w)
{
    if (!script_ended_by(w, prf_engine_deadline(w->timeout_ns))) {
        w->outcome->timed_out = true;
        prf_process_signal(&w->worker->process, SIGABRT);
        if (!script_ended_by(w, prf_clock_ns() + SCRIPT_ABORT_NS)) {
            prf_process_signal(&w->worker->process, SIGKILL);
        }
    }
    script_reap(w);
}

/* ---- metrics of a process that could not record them ---- */

struct script_values {
    double values[4]; /* as in the recording: wall, cpu, load, peak */
    size_t n;
};

static void
script_fill_rows(unsigned char *data, uint64_t size, struct script_values *from)
{
    for (uint64_t at = 0; at + sizeof(struct prf_rec_sample) <= size;
         at += sizeof(struct prf_rec_sample)) {
        struct prf_rec_sample row;
        memcpy(&row, data + at, sizeof row);
        if ((row.flags & PRF_SAMPLE_OPEN) && from->n < 4) {
            row.flags = 0;
            row.value = from->values[from->n++];
            memcpy(data + at, &row, sizeof row);
        }
    }
}

static void
script_fill_map(unsigned char *map, uint64_t size, struct script_values *from)
{
    struct prf_rec_header *head = (struct prf_rec_header *)(void *)map;
    uint64_t committed = atomic_load(&head->committed);
    uint64_t end = committed < size ? committed : size;
    uint64_t at = PRF_RECORDING_HEADER;
    while (at + sizeof(struct prf_chunk) <= end) {
        struct prf_chunk *chunk = (struct prf_chunk *)(void *)(map + at);
        uint64_t data = at + sizeof *chunk, used = atomic_load(&chunk->used);
        if (chunk->capacity > end - data) {
            break;
        }
        if (chunk->kind == PRF_CHUNK_SAMPLE && used <= chunk->capacity) {
            script_fill_rows(map + data, used, from);
        }
        at = (data + chunk->capacity + PRF_CHUNK_ALIGN - 1) / PRF_CHUNK_ALIGN *
             PRF_CHUNK_ALIGN;
    }
}

/* What was seen from outside goes where the process would have written it. */
static void
script_fill_samples(const char *recording, struct script_values *from)
{
    struct stat st;
    int fd = open(recording, O_RDWR | O_CLOEXEC);
    if (fd >= 0 && fstat(fd, &st) == 0 && st.st_size > (off_t)PRF_RECORDING_HEADER) {
        size_t size = (size_t)st.st_size;
        void *map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (map != MAP_FAILED) {
            script_fill_map(map, size, from);
            munmap(map, size);
        }
    }
    if (fd >= 0) {
        close(fd);
    }
}

static double
script_seconds_ns(const struct timeval *tv)
{
    return (double)tv->tv_sec * 1e9 + (double)tv->tv_usec * 1e3;
}

static void
script_take_usage(struct prf_result *r, const struct script_wait *w, int64_t wall_ns,
                  int64_t start_cpu_ns, const char *recording)
{
    double cpu_ns =
        script_seconds_ns(&w->usage.ru_utime) + script_seconds_ns(&w->usage.ru_stime);
    double own_ns = fmax(cpu_ns - (double)start_cpu_ns, 0);
    struct script_values values = {
        .values = {(double)wall_ns, own_ns,
                   wall_ns > 0 ? 100.0 * own_ns / (double)wall_ns : NAN,
                   (double)w->usage.ru_maxrss * 1024}};
    r->cpu_ns = (int64_t)cpu_ns;
    r->max_rss_bytes = w->usage.ru_maxrss * 1024;
    script_fill_samples(recording, &values);
}

/* ---- the beginning ---- */

/* Any bytes as text: each is the code point of the same number. */
static json_t *
script_text(const char *bytes)
{
    struct prf_strbuf sb = PRF_STRBUF_INIT;
    for (const unsigned char *p = (const unsigned char *)bytes; *p != '\0'; p++) {
        if (*p < 0x80) {
            prf_strbuf_addc(&sb, (char)*p);
        } else {
            prf_strbuf_addc(&sb, (char)(0xC0 | *p >> 6));
            prf_strbuf_addc(&sb, (char)(0x80 | (*p & 0x3F)));
        }
    }
    json_t *text = json_string(prf_strbuf_text(&sb));
    prf_strbuf_release(&sb);
    return text;
}

static json_t *
script_message(const struct prf_script *script, const struct prf_profiler *profiler,
               json_t *options, const struct prf_engine_files *files)
{
    static const char *const kinds[] = {[PRF_TARGET_SCRIPT] = "file",
                                        [PRF_TARGET_MODULE] = "module",
                                        [PRF_TARGET_CODE] = "code"};
    json_t *argv = json_array();
    for (size_t i = 0; i < script->n_argv; i++) {
        json_array_append_new(argv, script_text(script->argv[i]));
    }
    return json_pack("{s:s, s:s, s:s, s:o, s:o, s:s, s:O, s:s, s:s, s:n}", "type",
                     "script", "case", script->id, "kind", kinds[script->target->kind],
                     "what", script_text(script->target->given), "argv", argv,
                     "profiler", profiler->name, "options", options, "recording",
                     files->recording, "fault", files->fault, "affinity");
}

/* A worker that has become the script; *cpu_ns is what it had used by then. */
static int
script_start(struct prf_engine *engine, const struct prf_supervision *sv,
             json_t *steal_message, struct prf_result *r, int64_t *cpu_ns,
             struct prf_error *err)
{
    json_t *answer = NULL;
    int rc = prf_engine_start(engine, sv, err);
    if (rc == 0) {
        atomic_store(&script_pid, engine->worker.process.pid);
        rc = prf_engine_init(engine, err);
    }
    if (rc < 0) {
        json_decref(steal_message);
        return rc;
    }
    rc = prf_worker_send(&engine->worker, steal_message, err);
    if (rc < 0) {
        return rc;
    }
    int64_t limit_ns =
        SCRIPT_START_NS * (engine->valgrind != NULL ? SCRIPT_VALGRIND_FACTOR : 1);
    int event = prf_worker_receive(&engine->worker, prf_clock_ns() + limit_ns, INT_MAX,
                                   &answer, err);
    if (event != PRF_WORKER_MESSAGE) {
        return prf_engine_fail(engine, event, "starting the script", err);
    }
    if (strcmp(prf_message_type(answer), "started") != 0) {
        const char *why = json_string_value(json_object_get(answer, "error"));
        rc = prf_fail(err, PRF_EPYTHON, "the script cannot start: %s",
                      why == NULL ? prf_message_type(answer) : why);
    } else {
        const char *file = json_string_value(json_object_get(answer, "file"));
        const char *hash = json_string_value(json_object_get(answer, "hash"));
        *cpu_ns = json_integer_value(json_object_get(answer, "cpu_ns"));
        r->case_file = prf_result_text(r, "%s", file == NULL ? "" : file);
        r->case_hash = hash == NULL ? NULL : prf_result_text(r, "%s", hash);
    }
    json_decref(answer);
    return rc;
}

static int
script_supervise(struct prf_engine *engine, const struct prf_supervision *sv,
                 json_t *steal_message, const struct prf_engine_files *files,
                 struct prf_measured *out, struct prf_outcome *outcome,
                 struct prf_error *err)
{
    int64_t cpu_ns = 0;
    struct script_wait w = {
        .worker = &engine->worker, .outcome = outcome, .timeout_ns = sv->timeout_ns};
    int rc = script_start(engine, sv, steal_message, &out->result, &cpu_ns, err);
    if (rc < 0) {
        prf_engine_stop(engine, 0);
        return rc;
    }
    int64_t started_ns = prf_clock_ns();
    out->result.started_ns = prf_wall_ns();
    script_await(&w);
    int64_t wall_ns = prf_clock_ns() - started_ns;
    script_take_usage(&out->result, &w, wall_ns, cpu_ns, files->recording);
    prf_engine_finish(out, files, outcome);
    if (out->result.duration_ns < 0) {
        out->result.duration_ns = wall_ns;
    }
    /* What it left running is not ours to end: python would leave it, too. */
    prf_children_adopt();
    prf_engine_stop(engine, 0);
    return 0;
}

int
prf_script_exit_code(const struct prf_script_end *end)
{
    return end->process.signal != 0 ? 128 + end->process.signal : end->process.code;
}

int
prf_script_run(const struct prf_supervision *shared, const struct prf_script *script,
               const struct prf_profiler *profiler, json_t *options,
               struct prf_measured *out, struct prf_script_end *end,
               struct prf_error *err)
{
    struct prf_supervision sv = *shared;
    struct prf_engine_files files = {0};
    struct prf_valgrind valgrind = {0};
    struct sigaction before[SCRIPT_N_SIGNALS];
    struct prf_engine engine = {.sv = &sv, .target = script->target};
    struct prf_outcome outcome = {.code = -1,
                                  .is_script = true,
                                  .limit_ns = sv.timeout_ns,
                                  .valgrind = profiler->valgrind};
    sv.worker.foreground = true;
    sv.show_output = true;
    *out = (struct prf_measured){0};
    *end = (struct prf_script_end){.process = {.code = -1}};
    prf_engine_describe(&out->result, script->id, profiler, options);
    int rc = prf_engine_files_make(&sv, &files, err);
    if (rc == 0 && profiler->valgrind) {
        engine.valgrind = &valgrind;
        rc = prf_valgrind_prepare(&valgrind, &sv, options, err);
    }
    if (rc == 0) {
        script_catch_signals(before);
        rc = script_supervise(&engine, &sv,
                              script_message(script, profiler, options, &files), &files,
                              out, &outcome, err);
        end->told_to_stop = atomic_load(&script_told);
        script_release_signals(before);
    }
    end->process = (struct prf_ending){.code = outcome.code, .signal = outcome.signal};
    prf_engine_close(&engine);
    prf_valgrind_release(&valgrind);
    prf_engine_files_remove(&files);
    if (rc < 0) {
        prf_measured_release(out);
    }
    return rc;
}

int
prf_script_inspect(struct prf_engine *engine, const struct prf_target *target,
                   int *answer, struct prf_error *err)
{
    json_t *m = NULL;
    engine->target = target;
    int rc = prf_engine_init(engine, err);
    if (rc == 0) {
        rc = prf_worker_send(&engine->worker,
                             json_pack("{s:s, s:o}", "type", "inspect", "path",
                                       script_text(target->path)),
                             err);
    }
    if (rc < 0) {
        return rc;
    }
    int event = prf_worker_receive(&engine->worker, prf_clock_ns() + SCRIPT_START_NS, 0,
                                   &m, err);
    if (event != PRF_WORKER_MESSAGE) {
        return prf_engine_fail(engine, event, "reading the file", err);
    }
    const json_t *found = json_object_get(m, "script");
    if (strcmp(prf_message_type(m), "inspected") != 0) {
        rc = prf_fail(err, PRF_EPROTOCOL, "the worker cannot read '%s'", target->path);
    }
    *answer = json_is_true(found) ? 1 : json_is_false(found) ? 0 : -1;
    json_decref(m);
    return rc;
}
