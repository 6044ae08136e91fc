/* One run of a case under supervision; see supervise.h. */
#include "supervise.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <pyprofiler/protocol.h>

#include "captured.h"
#include "children.h"
#include "engine.h"
#include "gather.h"
#include "interrupt.h"
#include "path.h"
#include "valgrind.h"

#define SECOND_NS 1000000000
#define FORK_LIMIT_NS (30LL * SECOND_NS)
#define ABORT_GRACE_NS (SECOND_NS / 2) /* for faulthandler to write where it hangs */
#define KILL_GRACE_NS (5LL * SECOND_NS)

int
prf_engine_files_make(const struct prf_supervision *sv, struct prf_engine_files *files,
                      struct prf_error *err)
{
    struct prf_scratch *scratch = sv->scratch;
    int rc = prf_scratch_file(scratch, "rec", &files->recording, err);
    if (rc == 0) {
        rc = prf_scratch_file(scratch, "fault", &files->fault, err);
    }
    if (rc == 0 && !sv->show_output) {
        rc = prf_scratch_file(scratch, "out", &files->output, err);
    }
    return rc;
}

void
prf_engine_files_remove(struct prf_engine_files *files)
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
    prf_engine_stop(w->engine, 0);
}

/* One message: 1 when the run is over, 0 to go on, or an error. */
static int
run_take_message(struct run_wait *w, const json_t *m, struct prf_error *err)
{
    const char *type = prf_message_type(m);
    if (strcmp(type, "started") == 0) {
        w->pid = (pid_t)json_integer_value(json_object_get(m, "pid"));
        w->stage = RUN_GOING;
        w->deadline_ns = prf_engine_deadline(w->engine->sv->timeout_ns);
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

/* A recording that lacks its end because the disk is full looks as if the case had
   ended the process. */
static void
run_note_full_disk(struct prf_result *r, const struct prf_engine_files *files)
{
    struct statvfs fs;
    if (r->status == PRF_STATUS_CRASHED && r->signal == NULL &&
        statvfs(files->recording, &fs) == 0 && fs.f_blocks > 0 && fs.f_bavail == 0) {
        r->status = PRF_STATUS_ERROR;
        r->reason = prf_result_text(r,
                                    "no space left for '%s', so the recording is not "
                                    "whole: set TMPDIR to a folder with room",
                                    files->recording);
    }
}

void
prf_engine_finish(struct prf_measured *m, const struct prf_engine_files *files,
                  struct prf_outcome *outcome)
{
    struct prf_result *r = &m->result;
    bool cut;
    prf_measured_read(m, files->recording);
    outcome->fault = prf_captured_read(&r->arena, files->fault, &cut);
    prf_judge(r, outcome);
    run_note_full_disk(r, files);
    r->output = prf_captured_read(&r->arena, files->output, &cut);
    if (cut) {
        prf_result_note(r, "the output was cut after 1 MiB");
    }
}

static json_t *
run_message(const struct prf_item *item, const struct prf_engine_files *files,
            json_t *options, bool inline_run)
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
    struct prf_engine_files files = {0};
    struct prf_outcome outcome = {.code = -1,
                                  .limit_ns = engine->sv->timeout_ns,
                                  .valgrind = engine->valgrind != NULL};
    struct run_wait w = {
        .engine = engine,
        .outcome = &outcome,
        .result = &out->result,
        .inline_run = exec || engine->sv->isolation == PRF_ISOLATION_NONE,
        .deadline_ns = prf_clock_ns() + FORK_LIMIT_NS,
    };
    int rc = prf_engine_files_make(engine->sv, &files, err);
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
        prf_engine_finish(out, &files, &outcome);
    }
    if (engine->running && (exec || rc < 0)) {
        prf_engine_stop(engine, rc < 0 ? 0 : PRF_ENGINE_QUIT_NS);
    }
    prf_engine_files_remove(&files);
    return rc;
}

void
prf_engine_describe(struct prf_result *r, const char *case_id,
                    const struct prf_profiler *profiler, const json_t *options)
{
    char *text = json_dumps(options, JSON_COMPACT | JSON_SORT_KEYS);
    r->case_id = prf_result_text(r, "%s", case_id);
    r->profiler = prf_result_text(r, "%s", profiler->name);
    r->options = prf_result_text(r, "%s", text == NULL ? "{}" : text);
    r->started_ns = prf_wall_ns();
    r->duration_ns = -1;
    free(text);
}

/* What is known of a result before it runs. */
static void
engine_describe(const struct prf_item *item, json_t *options, struct prf_result *r)
{
    const struct prf_case *c = item->kase;
    prf_engine_describe(r, c->id, item->profiler, options);
    r->case_hash = c->hash == NULL ? NULL : prf_result_text(r, "%s", c->hash);
    r->case_file = prf_result_text(r, "%s", c->file);
    r->case_line = c->line;
    r->budget = c->budget == NULL ? NULL : prf_result_text(r, "%s", c->budget);
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

/* Does the item want a worker under valgrind? */
static int
engine_choose(struct prf_engine *engine, const struct prf_item *item,
              const json_t *options, struct prf_valgrind *valgrind,
              struct prf_error *err)
{
    if (!item->profiler->valgrind) {
        return 0;
    }
    engine->valgrind = valgrind;
    return prf_valgrind_prepare(valgrind, engine->sv, options, err);
}

int
prf_engine_run(struct prf_engine *engine, const struct prf_item *item, json_t *options,
               struct prf_measured *out, struct prf_error *err)
{
    enum prf_isolation isolation = engine->sv->isolation;
    bool threads = engine->file.n_threads > 1 && isolation == PRF_ISOLATION_FORK;
    bool exec = isolation == PRF_ISOLATION_EXEC || item->profiler->exclusive ||
                item->profiler->valgrind || threads;
    struct prf_valgrind valgrind = {0};
    struct prf_result *r = &out->result;
    int rc = 0;
    *out = (struct prf_measured){0};
    engine_describe(item, options, r);
    if (item->skip != NULL) {
        r->status = PRF_STATUS_SKIPPED;
        r->reason = prf_result_text(r, "%s", item->skip);
    } else if (item->wrong != NULL) {
        r->status = PRF_STATUS_ERROR;
        r->reason = prf_result_text(r, "%s", item->wrong);
    } else if (engine_choose(engine, item, options, &valgrind, err) < 0 ||
               prf_engine_ensure(engine, exec, err) < 0 || engine->failed) {
        rc = engine_lost(engine, out, err);
    } else {
        rc = engine_measure(engine, item, options, exec, out, err);
        if (rc < 0) {
            rc = engine_lost(engine, out, err);
        }
    }
    engine->valgrind = NULL;
    prf_valgrind_release(&valgrind);
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
prf_engine_rest(struct prf_engine *engine)
{
    prf_engine_stop(engine, PRF_ENGINE_QUIT_NS);
}

void
prf_engine_close(struct prf_engine *engine)
{
    prf_engine_stop(engine, prf_interrupt_count() > 0 ? 0 : PRF_ENGINE_QUIT_NS);
    prf_result_release(&engine->failure);
    prf_case_file_release(&engine->file);
    prf_profilers_release(&engine->profilers);
    if (engine->log != NULL) {
        unlink(engine->log);
        free(engine->log);
    }
    *engine = (struct prf_engine){0};
}
