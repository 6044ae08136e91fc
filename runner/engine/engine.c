/* The worker of a case file: its start and the import; see engine.h. */
#include "engine.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <pyprofiler/protocol.h>

#include "captured.h"
#include "children.h"
#include "interrupt.h"
#include "path.h"
#include "valgrind.h"

#define HELLO_LIMIT_NS (20LL * 1000000000)
#define READY_LIMIT_NS (30LL * 1000000000)
#define VALGRIND_FACTOR 10 /* how much longer all that may take under it */

int64_t
prf_engine_deadline(int64_t limit_ns)
{
    return limit_ns <= 0 ? -1 : prf_clock_ns() + limit_ns;
}

/* The moment at which a step of ours, not of the user's code, has taken too long. */
static int64_t
engine_limit(const struct prf_engine *engine, int64_t limit_ns)
{
    return prf_clock_ns() + limit_ns * (engine->valgrind != NULL ? VALGRIND_FACTOR : 1);
}

/* --- starting a worker ----------------------------------------------------------- */

void
prf_engine_stop(struct prf_engine *engine, int64_t grace_ns)
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

int
prf_engine_fail(struct prf_engine *engine, int event, const char *doing,
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
    const char *line = prf_captured_last_line(&arena, engine->log);
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
    if (engine->valgrind != NULL) {
        prf_valgrind_apply(engine->valgrind, &setup);
    }
    rc = prf_worker_start(&engine->worker, &setup, err);
    engine->running = rc == 0;
    if (rc < 0) {
        return rc;
    }
    int event = prf_worker_receive(
        &engine->worker, engine_limit(engine, HELLO_LIMIT_NS), 0, &hello, err);
    rc = event == PRF_WORKER_MESSAGE ? engine_take_hello(engine, hello, err)
                                     : prf_engine_fail(engine, event, "starting", err);
    json_decref(hello);
    if (rc < 0) {
        prf_engine_stop(engine, 0);
    }
    return rc;
}

int
prf_engine_init(struct prf_engine *engine, struct prf_error *err)
{
    const struct prf_supervision *sv = engine->sv;
    json_t *answer = NULL;
    int rc = prf_worker_send(&engine->worker,
                             json_pack("{s:s, s:s, s:s, s:s?}", "type", "init",
                                       "executable", sv->executable, "package_dir",
                                       sv->package_dir, "hash_seed", sv->hash_seed),
                             err);
    if (rc < 0) {
        return rc;
    }
    int event = prf_worker_receive(
        &engine->worker, engine_limit(engine, READY_LIMIT_NS), 0, &answer, err);
    if (event != PRF_WORKER_MESSAGE) {
        rc = prf_engine_fail(engine, event, "starting Python", err);
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
    return json_pack("{s:s, s:s, s:s, s:s?, s:o, s:s?, s:s?}", "type", "import",
                     t->module != NULL ? "module" : "path",
                     t->module != NULL ? t->module : t->path, "node", t->node, "output",
                     output, "plugins", plugins, "foreign_root",
                     engine->sv->foreign_root, "own_root", engine->sv->own_root);
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
        return prf_engine_fail(engine, event, "importing the file", err);
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
    int rc = prf_engine_init(engine, err);
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
                                   prf_engine_deadline(engine->sv->import_timeout_ns),
                                   0, &answer, err);
    rc = event == PRF_WORKER_MESSAGE ? engine_take_cases(engine, answer, err)
                                     : engine_import_died(engine, event, err);
    if (engine->failed) {
        engine->failure.output =
            prf_captured_read(&engine->failure.arena, output, &cut);
    }
out:
    if (output != NULL) {
        unlink(output);
        free(output);
    }
    json_decref(answer);
    if (rc < 0 || engine->failed) {
        prf_engine_stop(engine, 0);
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
int
prf_engine_ensure(struct prf_engine *engine, bool fresh, struct prf_error *err)
{
    if (engine->running && (engine->worker.ended || (fresh && engine->n_runs > 0) ||
                            engine->valgrind != NULL)) {
        prf_engine_stop(engine, PRF_ENGINE_QUIT_NS);
    }
    if (engine->running && engine->imported) {
        return 0;
    }
    int rc = prf_engine_start(engine, engine->sv, err);
    return rc < 0 ? rc : engine_do_import(engine, err);
}
