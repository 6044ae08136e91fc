/* Programs of a run: which targets are, and each of them under the profilers. */
#include <stdlib.h>
#include <string.h>

#include "captured.h"
#include "interrupt.h"
#include "path.h"
#include "run.h"
#include "script.h"
#include "select.h"
#include "shell.h"

/* --- which targets are programs ----------------------------------------------------
 */

/* A file that is no Python at all is left to Python to complain about, as a program,
   unless its text speaks of cases. */
static bool
scripts_speaks_of_cases(const char *path)
{
    char *text = NULL;
    struct prf_error ignored = {0};
    bool found = prf_file_read(path, &text, NULL, &ignored) < 0 ||
                 strstr(text, "ProfilerCase") != NULL ||
                 strstr(text, "profile_") != NULL;
    free(text);
    return found;
}

static int
scripts_inspect(struct prf_running *r, struct prf_target *target, struct prf_error *err)
{
    int answer = 0, rc = 0;
    if (!prf_target_may_be_script(target)) {
        return 0;
    }
    if (!r->engine.running) { /* the last one has looked at a file */
        rc = prf_engine_start(&r->engine, &r->hosting.sv, err);
    }
    if (rc == 0) {
        rc = prf_script_inspect(&r->engine, target, &answer, err);
    }
    prf_engine_rest(&r->engine);
    if (rc == 0 &&
        (answer > 0 || (answer < 0 && !scripts_speaks_of_cases(target->path)))) {
        target->kind = PRF_TARGET_SCRIPT;
    }
    return rc;
}

/* --script names files, or folders that python would run. */
static int
scripts_check(const struct prf_target *target, struct prf_error *err)
{
    if (target->kind != PRF_TARGET_SCRIPT || !prf_path_is_dir(target->path)) {
        return 0;
    }
    char *inner = prf_path_join(target->path, "__main__.py");
    bool found = inner != NULL && prf_path_exists(inner);
    free(inner);
    return found ? 0
                 : prf_fail(err, PRF_EUSAGE,
                            "'%s' is a folder without __main__.py: it cannot be run",
                            target->given);
}

static int
scripts_add_programs(struct prf_running *r, struct prf_error *err)
{
    const struct prf_strlist *modules = &r->options.modules;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < modules->n; i++) {
        rc = prf_targets_add_script(&r->targets, PRF_TARGET_MODULE, modules->items[i],
                                    r->hosting.root, err);
    }
    if (rc == 0 && r->options.code != NULL) {
        rc = prf_targets_add_script(&r->targets, PRF_TARGET_CODE, r->options.code,
                                    r->hosting.root, err);
    }
    return rc;
}

int
prf_run_find_scripts(struct prf_running *r, struct prf_error *err)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < r->targets.n; i++) {
        rc = scripts_inspect(r, &r->targets.items[i], err);
    }
    if (rc == 0) {
        rc = scripts_add_programs(r, err);
    }
    for (size_t i = 0; rc == 0 && i < r->targets.n; i++) {
        const struct prf_target *target = &r->targets.items[i];
        rc = scripts_check(target, err);
        r->has_script |= target->kind != PRF_TARGET_CASES;
    }
    r->for_script = r->targets.n > 0 && r->targets.items[0].kind != PRF_TARGET_CASES;
    if (rc == 0 && r->script_argv != NULL && !r->has_script) {
        rc = prf_fail(err, PRF_EUSAGE,
                      "what follows '--' is for a script, and no target is one; "
                      "--script makes it one");
    }
    return rc;
}

/* --- running them ------------------------------------------------------------------
 */

const char *
prf_run_script_id(struct prf_running *r, const struct prf_target *target)
{
    struct prf_strbuf sb = PRF_STRBUF_INIT;
    prf_strbuf_adds(&sb, target->node);
    if (r->n_script_argv > 0) {
        prf_strbuf_addc(&sb, '[');
        prf_shell_add_words(&sb, r->script_argv, r->n_script_argv);
        prf_strbuf_addc(&sb, ']');
    }
    const char *id = prf_captured_text(&r->targets.arena, prf_strbuf_text(&sb), sb.len);
    prf_strbuf_release(&sb);
    return id;
}

/* A script has no time limit but one that is asked for when it is started. */
static int64_t
scripts_timeout(const struct prf_running *r)
{
    for (size_t i = 0; i < r->layers.n; i++) {
        const struct prf_option *o = r->layers.set[i].option;
        if (o->name != NULL && strcmp(o->name, "timeout") == 0 &&
            r->layers.set[i].layer > PRF_LAYER_FILE) {
            return r->options.timeout_ns;
        }
    }
    return 0;
}

/* What became of the process decides our own exit code. A script that did not begin is
   no failure of the script. */
static void
scripts_count(struct prf_running *r, const struct prf_result *result,
              const struct prf_script_end *end)
{
    int code = prf_script_exit_code(end);
    bool is_ours = result->status == PRF_STATUS_ERROR;
    bool is_usage = is_ours && result->profile != NULL && result->profile->usage;
    r->n_bad_scripts += result->status != PRF_STATUS_OK;
    r->internal_failed |= is_ours && !is_usage;
    if (!is_ours && r->script_code == 0) {
        r->script_code = code;
    }
    r->stop |= end->told_to_stop != 0 && code != 0;
}

static int
scripts_run_one(struct prf_running *r, const struct prf_script *script, size_t i,
                struct prf_error *err)
{
    struct prf_supervision sv = r->hosting.sv;
    struct prf_script_end end;
    struct prf_measured m;
    sv.timeout_ns = scripts_timeout(r);
    fflush(NULL);
    int rc = prf_script_run(&sv, script, r->choice.items[i], r->choice.options[i], &m,
                            &end, err);
    if (rc == 0) {
        r->n_selected++;
        scripts_count(r, &m.result, &end);
        prf_run_take_result(r, &m);     /* stores it, then reports it */
    } else if (end.told_to_stop != 0) { /* before the script had begun */
        prf_error_clear(err);
        r->script_code = r->script_code == 0 ? 128 + end.told_to_stop : r->script_code;
        r->n_selected++;
        r->stop = true;
        rc = 0;
    }
    return rc;
}

int
prf_run_script(struct prf_running *r, const struct prf_target *target,
               struct prf_error *err)
{
    const struct prf_supervision *sv = &r->hosting.sv;
    const struct prf_script script = {
        .target = target,
        .id = prf_run_script_id(r, target),
        .argv = r->script_argv,
        .n_argv = r->n_script_argv,
    };
    if (script.id == NULL) {
        return prf_fail(err, PRF_ENOMEM, "out of memory");
    }
    if (r->options.keyword != NULL &&
        !prf_select_matches(r->options.keyword, script.id)) {
        return 0;
    }
    int rc = 0;
    if (!r->engine.greeted) { /* a file of cases had the last one */
        rc = prf_engine_start(&r->engine, &r->hosting.sv, err);
    }
    if (rc == 0) {
        rc = prf_run_choose(r, false, err);
    }
    prf_engine_rest(&r->engine); /* nobody else runs beside the script */
    for (size_t i = 0; rc == 0 && i < r->choice.n && !r->stop; i++) {
        rc = scripts_run_one(r, &script, i, err);
        if (rc == 0 && prf_interrupt_count() > 0) {
            rc = prf_fail(err, PRF_EINTERRUPTED, "interrupted");
        }
    }
    if (rc == PRF_EUSAGE || rc == PRF_EUNAVAILABLE) {
        prf_say_error(err);
        prf_error_clear(err);
        if (sv->plugins != NULL && sv->plugins->n > 0) {
            fputs("pyprofiler: a profiler that is written in Python cannot profile a "
                  "script\n",
                  stderr);
        }
        r->usage_failed = true;
        rc = 0;
    }
    return rc;
}
