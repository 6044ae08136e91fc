/* One case file under supervision; see supervise.h. */
#include "supervise.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <pyprofiler/protocol.h>

#include "children.h"
#include "gather.h"
#include "interrupt.h"
#include "path.h"
#include "reader.h"

#define SECOND_NS 1000000000
#define HELLO_LIMIT_NS (20LL * SECOND_NS)
#define READY_LIMIT_NS (30LL * SECOND_NS)
#define FORK_LIMIT_NS (30LL * SECOND_NS)
#define ABORT_GRACE_NS (SECOND_NS / 2) /* for faulthandler to write where it hangs */
#define KILL_GRACE_NS (5LL * SECOND_NS)
#define QUIT_GRACE_NS (SECOND_NS / 2)
#define OUTPUT_MAX (1u << 20)

static int64_t
supervise_deadline(int64_t limit_ns)
{
    return limit_ns <= 0 ? -1 : prf_clock_ns() + limit_ns;
}

/* --- text from files ------------------------------------------------------------- */

/* Length of the well-formed UTF-8 sequence at `p`, 0 when there is none. */
static size_t
supervise_utf8(const unsigned char *p, size_t left)
{
    size_t n = p[0] < 0x80 ? 1 : p[0] >= 0xc2 && p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
    if (p[0] == 0 || (p[0] >= 0x80 && p[0] < 0xc2) || p[0] > 0xf4 || n > left) {
        return 0;
    }
    for (size_t i = 1; i < n; i++) {
        if ((p[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    bool overlong = (p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xf0 && p[1] < 0x90);
    bool outside = (p[0] == 0xed && p[1] >= 0xa0) || (p[0] == 0xf4 && p[1] >= 0x90);
    return overlong || outside ? 0 : n;
}

/* The bytes as text that every format can carry: what is not UTF-8, and NULs, become
   U+FFFD. */
static const char *
supervise_text(struct prf_arena *arena, const char *data, size_t len)
{
    struct prf_strbuf sb = PRF_STRBUF_INIT;
    const unsigned char *p = (const unsigned char *)data;
    size_t i = 0, from = 0;
    while (i < len) {
        size_t n = supervise_utf8(p + i, len - i);
        if (n == 0) {
            prf_strbuf_add(&sb, data + from, i - from);
            prf_strbuf_adds(&sb, "\xef\xbf\xbd");
            from = ++i;
            continue;
        }
        i += n;
    }
    prf_strbuf_add(&sb, data + from, len - from);
    const char *text = prf_arena_strndup(arena, prf_strbuf_text(&sb), sb.len);
    prf_strbuf_release(&sb);
    return text;
}

/* The start of a file as text, "" when there is nothing; *cut when there is more. */
static const char *
supervise_file_text(struct prf_arena *arena, const char *path, bool *cut)
{
    char *data = malloc(OUTPUT_MAX);
    const char *text = "";
    int fd = path == NULL || data == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    *cut = false;
    if (fd >= 0) {
        ssize_t n = pread(fd, data, OUTPUT_MAX, 0);
        *cut = fstat(fd, &st) == 0 && st.st_size > OUTPUT_MAX;
        text = n > 0 ? supervise_text(arena, data, (size_t)n) : "";
        close(fd);
    }
    free(data);
    return text == NULL ? "" : text;
}

/* The last line of the worker's own output that says something, "" without. */
static const char *
supervise_log_line(struct prf_engine *engine, struct prf_arena *arena)
{
    bool cut;
    const char *text = supervise_file_text(arena, engine->log, &cut);
    size_t end = strlen(text);
    while (end > 0 && (text[end - 1] == '\n' || text[end - 1] == ' ')) {
        end--;
    }
    size_t start = end;
    while (start > 0 && text[start - 1] != '\n') {
        start--;
    }
    const char *line = prf_arena_strndup(arena, text + start, end - start);
    return line == NULL ? "" : line;
}

/* --- starting a worker ----------------------------------------------------------- */

static void
engine_stop_worker(struct prf_engine *engine, int64_t grace_ns)
{
    if (engine->running) {
        prf_worker_stop(&engine->worker, grace_ns);
        prf_children_sweep(0);
    }
    engine->running = false;
    engine->imported = false;
    engine->n_runs = 0;
}

/* "killed by SIGSEGV" or "exit code 3", in the arena. */
static const char *
engine_ending(struct prf_engine *engine, struct prf_arena *arena)
{
    char buf[64], name[32];
    const struct prf_ending *e = &engine->worker.ending;
    if (e->signal != 0) {
        snprintf(buf, sizeof buf, "ended by %s",
                 prf_signal_name(e->signal, name, sizeof name));
    } else {
        snprintf(buf, sizeof buf, "ended with exit code %d", e->code);
    }
    const char *text = prf_arena_strdup(arena, buf);
    return text == NULL ? "ended" : text;
}

/* The worker did not do its part: why, with its last words. */
static int
engine_fail(struct prf_engine *engine, int event, const char *doing,
            struct prf_error *err)
{
    struct prf_arena arena = {0};
    int rc;
    if (event == PRF_WORKER_INTERRUPTED) {
        return prf_fail(err, PRF_EINTERRUPTED, "interrupted");
    }
    if (event < 0) {
        return event;
    }
    const char *line = supervise_log_line(engine, &arena);
    const char *sep = *line == '\0' ? "" : ": ";
    if (event == PRF_WORKER_GONE) {
        rc = prf_fail(err, PRF_EPYTHON, "the worker %s while %s%s%s",
                      engine_ending(engine, &arena), doing, sep, line);
    } else if (event == PRF_WORKER_DEADLINE) {
        rc = prf_fail(err, PRF_EPYTHON, "the worker did not answer while %s%s%s", doing,
                      sep, line);
    } else {
        rc = prf_fail(err, PRF_EPROTOCOL, "the worker sent something else while %s",
                      doing);
    }
    prf_arena_release(&arena);
    return rc;
}

static int
engine_take_hello(struct prf_engine *engine, const json_t *hello, struct prf_error *err)
{
    json_int_t abi = json_integer_value(json_object_get(hello, "abi"));
    if (strcmp(prf_message_type(hello), "hello") != 0) {
        const char *why = json_string_value(json_object_get(hello, "error"));
        return prf_fail(err, PRF_EPYTHON, "the worker cannot start: %s",
                        why == NULL ? prf_message_type(hello) : why);
    }
    if (abi != PRF_PROTOCOL_VERSION) {
        return prf_fail(err, PRF_EPROTOCOL,
                        "the worker speaks version %d, this program %d: they are from "
                        "different builds, install again",
                        (int)abi, PRF_PROTOCOL_VERSION);
    }
    if (engine->greeted) {
        return 0; /* a plan borrows from what the first one said */
    }
    engine->greeted = true;
    return prf_profilers_add(&engine->profilers, json_object_get(hello, "backends"),
                             err);
}

int
prf_engine_start(struct prf_engine *engine, const struct prf_supervision *sv,
                 struct prf_error *err)
{
    struct prf_worker_setup setup = sv->worker;
    json_t *hello = NULL;
    engine->sv = sv;
    int rc = 0;
    if (engine->log == NULL && !sv->show_output && !setup.foreground) {
        rc = prf_scratch_file(sv->scratch, "log", &engine->log, err);
    }
    if (rc < 0) {
        return rc;
    }
    setup.log = engine->log;
    rc = prf_worker_start(&engine->worker, &setup, err);
    engine->running = rc == 0;
    if (rc < 0) {
        return rc;
    }
    int event = prf_worker_receive(&engine->worker, prf_clock_ns() + HELLO_LIMIT_NS, 0,
                                   &hello, err);
    rc = event == PRF_WORKER_MESSAGE ? engine_take_hello(engine, hello, err)
                                     : engine_fail(engine, event, "starting", err);
    json_decref(hello);
    if (rc < 0) {
        engine_stop_worker(engine, 0);
    }
    return rc;
}

static int
engine_init(struct prf_engine *engine, struct prf_error *err)
{
    const struct prf_supervision *sv = engine->sv;
    const struct prf_target *t = engine->target;
    char *folder = t->module == NULL && t->path != NULL ? prf_path_dirname(t->path)
                                                        : prf_path_absolute(".");
    json_t *answer = NULL;
    int rc = prf_worker_send(&engine->worker,
                             json_pack("{s:s, s:s, s:s, s:[s], s:s?, s:s?}", "type",
                                       "init", "executable", sv->executable,
                                       "package_dir", sv->package_dir, "argv",
                                       t->path != NULL ? t->path : t->module, "path0",
                                       folder, "hash_seed", sv->hash_seed),
                             err);
    free(folder);
    if (rc < 0) {
        return rc;
    }
    int event = prf_worker_receive(&engine->worker, prf_clock_ns() + READY_LIMIT_NS, 0,
                                   &answer, err);
    if (event != PRF_WORKER_MESSAGE) {
        rc = engine_fail(engine, event, "starting Python", err);
    } else if (strcmp(prf_message_type(answer), "ready") != 0) {
        const char *why = json_string_value(json_object_get(answer, "error"));
        rc = prf_fail(err, PRF_EPYTHON, "Python does not start: %s",
                      why == NULL ? "" : why);
    }
    json_decref(answer);
    return rc;
}

/* --- importing the case file ----------------------------------------------------- */

static json_t *
engine_import_message(struct prf_engine *engine, const char *output)
{
    const struct prf_target *t = engine->target;
    json_t *plugins = json_array();
    for (size_t i = 0; engine->sv->plugins != NULL && i < engine->sv->plugins->n; i++) {
        json_array_append_new(plugins, json_string(engine->sv->plugins->items[i]));
    }
    return json_pack("{s:s, s:s, s:s, s:s?, s:o}", "type", "import",
                     t->module != NULL ? "module" : "path",
                     t->module != NULL ? t->module : t->path, "node", t->node, "output",
                     output, "plugins", plugins);
}

/* The result that stands for a file which could not be imported. */
static void
engine_set_failure(struct prf_engine *engine, const char *reason)
{
    struct prf_result *f = &engine->failure;
    f->status = PRF_STATUS_ERROR;
    f->reason = reason;
    f->case_id = engine->target->node;
    f->case_file = engine->target->path;
    f->duration_ns = -1;
    engine->failed = true;
}

static void
engine_take_import_failure(struct prf_engine *engine, const json_t *message)
{
    struct prf_result *f = &engine->failure;
    const char *reason = json_string_value(json_object_get(message, "reason"));
    const char *trace = json_string_value(json_object_get(message, "traceback"));
    const char *file = json_string_value(json_object_get(message, "file"));
    engine_set_failure(engine, prf_result_text(f, "%s", reason == NULL ? "" : reason));
    f->traceback = trace == NULL ? NULL : prf_result_text(f, "%s", trace);
    f->case_line = (int)json_integer_value(json_object_get(message, "line"));
    if (file != NULL) {
        f->case_file = prf_result_text(f, "%s", file);
    }
}

/* No answer to the import: the file ended the process, or hangs. */
static int
engine_import_died(struct prf_engine *engine, int event, struct prf_error *err)
{
    struct prf_result *f = &engine->failure;
    char name[32];
    if (event == PRF_WORKER_DEADLINE) {
        prf_process_signal(&engine->worker.process, SIGABRT);
        prf_worker_stop(&engine->worker, 0);
        engine_set_failure(
            engine, prf_result_text(f,
                                    "the import did not end after %g s "
                                    "(--import-timeout)",
                                    (double)engine->sv->import_timeout_ns / 1e9));
        return 0;
    }
    if (event != PRF_WORKER_GONE) {
        return engine_fail(engine, event, "importing the file", err);
    }
    int signo = engine->worker.ending.signal;
    engine_set_failure(engine,
                       prf_result_text(f, "the process %s while importing the file",
                                       engine_ending(engine, &f->arena)));
    if (signo != 0) {
        f->signal = prf_result_text(f, "%s", prf_signal_name(signo, name, sizeof name));
    }
    return 0;
}

static int
engine_take_cases(struct prf_engine *engine, const json_t *message,
                  struct prf_error *err)
{
    const char *type = prf_message_type(message);
    int rc = 0;
    if (strcmp(type, "import-failed") == 0) {
        engine_take_import_failure(engine, message);
        return 0;
    }
    if (strcmp(type, "cases") != 0) {
        return prf_fail(err, PRF_EPROTOCOL, "the worker answered '%s' to an import",
                        type);
    }
    engine->imported = true;
    if (engine->file.cases == NULL) { /* not again: the plan borrows from the first */
        rc = prf_case_file_parse(message, &engine->file, err);
    }
    if (rc == 0 && engine->n_imports == 0) {
        rc = prf_profilers_add(&engine->profilers, json_object_get(message, "backends"),
                               err);
    }
    engine->n_imports++;
    return rc;
}

static int
engine_do_import(struct prf_engine *engine, struct prf_error *err)
{
    char *output = NULL;
    json_t *answer = NULL;
    bool cut;
    int rc = engine_init(engine, err);
    if (rc == 0 && !engine->sv->show_output) {
        rc = prf_scratch_file(engine->sv->scratch, "import", &output, err);
    }
    if (rc == 0) {
        rc = prf_worker_send(&engine->worker, engine_import_message(engine, output),
                             err);
    }
    if (rc < 0) {
        goto out;
    }
    int event = prf_worker_receive(&engine->worker,
                                   supervise_deadline(engine->sv->import_timeout_ns), 0,
                                   &answer, err);
    rc = event == PRF_WORKER_MESSAGE ? engine_take_cases(engine, answer, err)
                                     : engine_import_died(engine, event, err);
    if (engine->failed) {
        engine->failure.output =
            supervise_file_text(&engine->failure.arena, output, &cut);
    }
out:
    if (output != NULL) {
        unlink(output);
        free(output);
    }
    json_decref(answer);
    if (rc < 0 || engine->failed) {
        engine_stop_worker(engine, 0);
    }
    return rc;
}

int
prf_engine_import(struct prf_engine *engine, const struct prf_target *target,
                  struct prf_error *err)
{
    engine->target = target;
    return engine_do_import(engine, err);
}

/* A worker that has imported the file; with `fresh` one that has run nothing yet. */
static int
engine_ensure(struct prf_engine *engine, bool fresh, struct prf_error *err)
{
    if (engine->running && (engine->worker.ended || (fresh && engine->n_runs > 0))) {
        engine_stop_worker(engine, QUIT_GRACE_NS);
    }
    if (engine->running && engine->imported) {
        return 0;
    }
    int rc = prf_engine_start(engine, engine->sv, err);
    return rc < 0 ? rc : engine_do_import(engine, err);
}

/* --- one run --------------------------------------------------------------------- */

struct run_files {
    char *recording, *output, *fault;
};

static int
run_files_make(struct prf_engine *engine, struct run_files *files,
               struct prf_error *err)
{
    struct prf_scratch *scratch = engine->sv->scratch;
    int rc = prf_scratch_file(scratch, "rec", &files->recording, err);
    if (rc == 0) {
        rc = prf_scratch_file(scratch, "fault", &files->fault, err);
    }
    if (rc == 0 && !engine->sv->show_output) {
        rc = prf_scratch_file(scratch, "out", &files->output, err);
    }
    return rc;
}

static void
run_files_remove(struct run_files *files)
{
    char *const paths[] = {files->recording, files->output, files->fault};
    if (files->recording != NULL) {
        prf_gather_remove(files->recording);
    }
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        if (paths[i] != NULL) {
            unlink(paths[i]);
            free(paths[i]);
        }
    }
}

/* The state of waiting for the end of a run. */
struct run_wait {
    struct prf_engine *engine;
    struct prf_outcome *outcome;
    struct prf_result *result;
    pid_t pid; /* of the measured process, 0 before `started` */
    bool inline_run;
    int64_t deadline_ns;
    enum { RUN_STARTING, RUN_GOING, RUN_ABORTED, RUN_KILLED } stage;
};

static void
run_signal(struct run_wait *w, int signo)
{
    if (w->inline_run) {
        prf_process_signal(&w->engine->worker.process, signo);
    } else if (w->pid > 0) {
        if (signo == SIGKILL) {
            kill(-w->pid, signo);
        }
        kill(w->pid, signo);
    }
}

/* The limit was reached: ask where it hangs, then end it, then give the worker up.
   Returns false in the last case. */
static bool
run_escalate(struct run_wait *w)
{
    switch (w->stage) {
    case RUN_STARTING:
        return false;
    case RUN_GOING:
        w->outcome->timed_out = true;
        run_signal(w, SIGABRT);
        w->stage = RUN_ABORTED;
        w->deadline_ns = prf_clock_ns() + ABORT_GRACE_NS;
        return true;
    case RUN_ABORTED:
        run_signal(w, SIGKILL);
        w->stage = RUN_KILLED;
        w->deadline_ns = prf_clock_ns() + KILL_GRACE_NS;
        return true;
    case RUN_KILLED:
        break;
    }
    return false;
}

static void
run_take_exited(struct run_wait *w, const json_t *m)
{
    const json_t *code = json_object_get(m, "code");
    w->outcome->code = json_is_integer(code) ? (int)json_integer_value(code) : -1;
    w->outcome->signal = (int)json_integer_value(json_object_get(m, "signal"));
    w->outcome->n_left = (int)json_integer_value(json_object_get(m, "left")) +
                         prf_children_sweep(w->engine->worker.process.pid);
    w->result->cpu_ns = json_integer_value(json_object_get(m, "utime_ns")) +
                        json_integer_value(json_object_get(m, "stime_ns"));
    w->result->max_rss_bytes = json_integer_value(json_object_get(m, "maxrss_bytes"));
}

/* The worker ended under the case (or was the case). */
static void
run_take_gone(struct run_wait *w)
{
    const struct prf_ending *e = &w->engine->worker.ending;
    run_signal(w, SIGKILL);
    w->outcome->code = e->code;
    w->outcome->signal = e->signal;
    w->outcome->worker_lost = !w->inline_run;
    engine_stop_worker(w->engine, 0);
}

/* One message: 1 when the run is over, 0 to go on, or an error. */
static int
run_take_message(struct run_wait *w, const json_t *m, struct prf_error *err)
{
    const char *type = prf_message_type(m);
    if (strcmp(type, "started") == 0) {
        w->pid = (pid_t)json_integer_value(json_object_get(m, "pid"));
        w->stage = RUN_GOING;
        w->deadline_ns = supervise_deadline(w->engine->sv->timeout_ns);
        return 0;
    }
    if (strcmp(type, "exited") == 0) {
        run_take_exited(w, m);
        return 1;
    }
    const char *why = json_string_value(json_object_get(m, "error"));
    return prf_fail(err, PRF_EPROTOCOL, "the worker answered '%s' to a run%s%s", type,
                    why == NULL ? "" : ": ", why == NULL ? "" : why);
}

/* Until the run ended one way or the other. PRF_EINTERRUPTED. */
static int
run_await(struct run_wait *w, struct prf_error *err)
{
    for (;;) {
        json_t *m = NULL;
        int rc = prf_worker_receive(&w->engine->worker, w->deadline_ns, 0, &m, err);
        switch (rc) {
        case PRF_WORKER_MESSAGE:
            rc = run_take_message(w, m, err);
            json_decref(m);
            if (rc != 0) {
                return rc < 0 ? rc : 0;
            }
            break;
        case PRF_WORKER_DEADLINE:
            if (!run_escalate(w)) {
                run_signal(w, SIGKILL);
                prf_process_signal(&w->engine->worker.process, SIGKILL);
            }
            break;
        case PRF_WORKER_GONE:
            run_take_gone(w);
            return 0;
        case PRF_WORKER_INTERRUPTED:
            run_signal(w, SIGKILL);
            return prf_fail(err, PRF_EINTERRUPTED, "interrupted");
        default:
            return rc;
        }
    }
}

/* The recording as the result's profile. One that nothing was written to is none. */
static void
run_read_recording(struct prf_measured *m, const char *path)
{
    struct prf_error err = {0};
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0 && fstat(fd, &st) == 0 && st.st_size > 0) {
        void *map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
        if (map != MAP_FAILED) {
            m->map = map;
            m->map_size = (size_t)st.st_size;
        }
    }
    if (fd >= 0) {
        close(fd);
    }
    if (m->map == NULL) {
        return;
    }
    if (prf_recording_parse_mapped(m->map, m->map_size, &m->result.profile, &err) < 0) {
        m->result.profile = NULL;
        prf_result_note(&m->result, "the recording cannot be read: %s", err.text);
        return;
    }
    m->result.recording = m->map;
    m->result.recording_size = prf_recording_size(m->map, m->map_size);
    m->result.recording_mapped = true;
}

/* What was said about recordings of child processes that could not be taken in. */
static void
run_note_children(struct prf_measured *m, const struct prf_gathered *gathered,
                  const struct prf_error *err)
{
    if (gathered->n_bad > 0) {
        prf_result_note(&m->result,
                        "%zu child process%s left no recording that can be read",
                        gathered->n_bad, gathered->n_bad == 1 ? "" : "es");
    }
    if (err->code != 0) {
        prf_result_note(&m->result, "recordings of child processes are lost: %s",
                        err->text);
    }
}

static void
run_finish(struct prf_measured *m, const struct run_files *files,
           struct prf_outcome *outcome)
{
    struct prf_result *r = &m->result;
    struct prf_gathered gathered;
    struct prf_error err = {0};
    bool cut;
    (void)prf_gather_children(files->recording, &gathered, &err);
    run_read_recording(m, files->recording);
    run_note_children(m, &gathered, &err);
    outcome->fault = supervise_file_text(&r->arena, files->fault, &cut);
    prf_judge(r, outcome);
    r->output = supervise_file_text(&r->arena, files->output, &cut);
    if (cut) {
        prf_result_note(r, "the output was cut after 1 MiB");
    }
}

static json_t *
run_message(const struct prf_item *item, const struct run_files *files, json_t *options,
            bool inline_run)
{
    return json_pack("{s:s, s:s, s:s, s:O, s:s, s:s?, s:s, s:b, s:n}", "type", "run",
                     "case", item->kase->id, "profiler", item->profiler->name,
                     "options", options, "recording", files->recording, "output",
                     files->output, "fault", files->fault, "inline", inline_run,
                     "affinity");
}

static int
engine_measure(struct prf_engine *engine, const struct prf_item *item, json_t *options,
               bool exec, struct prf_measured *out, struct prf_error *err)
{
    struct run_files files = {0};
    struct prf_outcome outcome = {.code = -1, .limit_ns = engine->sv->timeout_ns};
    struct run_wait w = {
        .engine = engine,
        .outcome = &outcome,
        .result = &out->result,
        .inline_run = exec || engine->sv->isolation == PRF_ISOLATION_NONE,
        .deadline_ns = prf_clock_ns() + FORK_LIMIT_NS,
    };
    int rc = run_files_make(engine, &files, err);
    if (rc == 0) {
        out->result.started_ns = prf_wall_ns();
        rc = prf_worker_send(&engine->worker,
                             run_message(item, &files, options, w.inline_run), err);
    }
    if (rc == 0) {
        engine->n_runs++;
        rc = run_await(&w, err);
    }
    if (rc == 0) {
        run_finish(out, &files, &outcome);
    }
    if (engine->running && (exec || rc < 0)) {
        engine_stop_worker(engine, rc < 0 ? 0 : QUIT_GRACE_NS);
    }
    run_files_remove(&files);
    return rc;
}

/* What is known of a result before it runs. */
static void
engine_describe(const struct prf_item *item, json_t *options, struct prf_result *r)
{
    const struct prf_case *c = item->kase;
    char *text = json_dumps(options, JSON_COMPACT | JSON_SORT_KEYS);
    r->case_id = prf_result_text(r, "%s", c->id);
    r->case_hash = c->hash == NULL ? NULL : prf_result_text(r, "%s", c->hash);
    r->case_file = prf_result_text(r, "%s", c->file);
    r->case_line = c->line;
    r->profiler = prf_result_text(r, "%s", item->profiler->name);
    r->options = prf_result_text(r, "%s", text == NULL ? "{}" : text);
    r->started_ns = prf_wall_ns();
    r->duration_ns = -1;
    free(text);
}

/* A worker for the case could not be had although the file was imported before. */
static int
engine_lost(struct prf_engine *engine, struct prf_measured *out, struct prf_error *err)
{
    struct prf_result *r = &out->result;
    if (err->code == PRF_EINTERRUPTED) {
        return PRF_EINTERRUPTED;
    }
    r->status = PRF_STATUS_ERROR;
    r->reason =
        prf_result_text(r, "%s", engine->failed ? engine->failure.reason : err->text);
    if (engine->failed) {
        r->traceback = engine->failure.traceback == NULL
                           ? NULL
                           : prf_result_text(r, "%s", engine->failure.traceback);
        prf_result_release(&engine->failure);
        engine->failed = false;
    }
    prf_error_clear(err);
    return 0;
}

int
prf_engine_run(struct prf_engine *engine, const struct prf_item *item, json_t *options,
               struct prf_measured *out, struct prf_error *err)
{
    enum prf_isolation isolation = engine->sv->isolation;
    bool threads = engine->file.n_threads > 1 && isolation == PRF_ISOLATION_FORK;
    bool exec = isolation == PRF_ISOLATION_EXEC || item->profiler->exclusive || threads;
    struct prf_result *r = &out->result;
    int rc = 0;
    *out = (struct prf_measured){0};
    engine_describe(item, options, r);
    if (item->skip != NULL) {
        r->status = PRF_STATUS_SKIPPED;
        r->reason = prf_result_text(r, "%s", item->skip);
    } else if (engine_ensure(engine, exec, err) < 0 || engine->failed) {
        rc = engine_lost(engine, out, err);
    } else {
        rc = engine_measure(engine, item, options, exec, out, err);
        if (rc < 0) {
            rc = engine_lost(engine, out, err);
        }
    }
    for (const char **note = item->notes; rc == 0 && *note != NULL; note++) {
        prf_result_note(r, "%s", *note);
    }
    if (rc == 0 && threads && item->skip == NULL && !engine->noted_threads) {
        engine->noted_threads = true;
        prf_result_note(r,
                        "the import left %d threads running, so each case of the file "
                        "ran in a new process instead of a fork",
                        engine->file.n_threads - 1);
    }
    if (rc < 0) {
        prf_measured_release(out);
    }
    return rc;
}

void
prf_measured_release(struct prf_measured *measured)
{
    prf_result_release(&measured->result);
    if (measured->map != NULL) {
        munmap(measured->map, measured->map_size);
    }
    *measured = (struct prf_measured){0};
}

void
prf_engine_close(struct prf_engine *engine)
{
    engine_stop_worker(engine, prf_interrupt_count() > 0 ? 0 : QUIT_GRACE_NS);
    prf_result_release(&engine->failure);
    prf_case_file_release(&engine->file);
    prf_profilers_release(&engine->profilers);
    if (engine->log != NULL) {
        unlink(engine->log);
        free(engine->log);
    }
    *engine = (struct prf_engine){0};
}
