/* The loop of a run: targets, their cases, the profilers. */
#include "run.h"
#include "run_budget.h"

#include <stdlib.h>
#include <string.h>

#include "interrupt.h"

/* A target that is wrong is said, and the others run. */
static void
files_usage(struct prf_running *r, struct prf_error *err)
{
    prf_progress_clear(&r->progress);
    prf_say_error(err);
    r->usage_failed |= err->code == PRF_EUSAGE || err->code == PRF_EUNAVAILABLE;
    r->internal_failed |= err->code != PRF_EUSAGE && err->code != PRF_EUNAVAILABLE;
    prf_error_clear(err);
}

/* A dotted module that nobody has is a mistake in the command line, not in a file. */
static bool
files_is_missing_module(const struct prf_engine *engine)
{
    const char *reason = engine->failure.reason;
    const char *module = engine->target->module;
    const char *quoted = reason == NULL ? NULL : strstr(reason, "No module named '");
    if (engine->target->path != NULL || module == NULL || quoted == NULL) {
        return false;
    }
    quoted += strlen("No module named '");
    size_t n = strcspn(quoted, "'");
    return strncmp(module, quoted, n) == 0 && (module[n] == '\0' || module[n] == '.');
}

/* The file could not be imported: a result of its own, under its first profiler. */
static void
files_take_failure(struct prf_running *r)
{
    struct prf_measured m = {0};
    struct prf_result *f = &r->engine.failure;
    struct prf_result *out = &m.result;
    struct prf_error err = {0};
    if (files_is_missing_module(&r->engine)) {
        prf_fail(&err, PRF_EUSAGE, "no such file or module: '%s'",
                 r->engine.target->module);
        files_usage(r, &err);
        return;
    }
    *out = *f; /* with its arena */
    *f = (struct prf_result){0};
    r->engine.failed = false;
    out->profiler = prf_result_text(out, "%s",
                                    r->choice.n > 0 ? r->choice.items[0]->name
                                    : r->words.profilers == NULL ? "stopwatch"
                                                                 : r->words.profilers);
    out->case_id = prf_result_text(out, "%s", out->case_id);
    out->options = "{}";
    out->started_ns = prf_wall_ns();
    r->n_selected++;
    prf_run_take_result(r, &m);
}

static json_t *
files_options(const struct prf_running *r, const struct prf_profiler *profiler)
{
    for (size_t i = 0; i < r->choice.n; i++) {
        if (r->choice.items[i] == profiler) {
            return r->choice.options[i];
        }
    }
    return NULL;
}

static int
files_run_plan(struct prf_running *r, const struct prf_plan *plan,
               struct prf_error *err)
{
    prf_progress_expect(&r->progress, plan->n);
    r->n_selected += plan->n;
    for (size_t i = 0; i < plan->n && !r->stop; i++) {
        struct prf_measured m;
        const struct prf_item *item = &plan->items[i];
        prf_progress_show(&r->progress, item->kase->id);
        int rc =
            prf_engine_run(&r->engine, item, files_options(r, item->profiler), &m, err);
        if (rc < 0) {
            return rc;
        }
        prf_run_take_result(r, &m);
        if (prf_interrupt_count() > 0) {
            return prf_fail(err, PRF_EINTERRUPTED, "interrupted");
        }
    }
    return 0;
}

static int
files_run_cases(struct prf_running *r, const struct prf_target *target,
                struct prf_error *err)
{
    struct prf_plan plan = {0};
    for (const char **w = r->engine.file.warnings; *w != NULL; w++) {
        prf_progress_clear(&r->progress);
        prf_say_warning("%s: %s", target->node, *w);
    }
    int rc = prf_target_check(target, &r->engine.file, err);
    if (rc == 0) {
        rc = prf_run_choose(r, false, err);
    }
    if (rc < 0) {
        files_usage(r, err);
        return 0;
    }
    struct prf_plan_request request = {
        .target = target,
        .expression = r->options.keyword,
        .chosen = r->choice.items,
        .n_chosen = r->choice.n,
        .known = &r->engine.profilers,
    };
    rc = prf_plan_build(&plan, &r->engine.file, &request, err);
    if (rc == 0) {
        rc = prf_run_budgets_check(r, &plan, err);
    }
    if (rc == 0) {
        rc = files_run_plan(r, &plan, err);
    }
    prf_plan_release(&plan);
    return rc;
}

static int
files_run_one(struct prf_running *r, const struct prf_target *target,
              struct prf_error *err)
{
    int rc = 0;
    if (!r->engine.running) {
        prf_choice_release(&r->choice); /* borrows from the engine's profilers */
        prf_engine_close(&r->engine);
        rc = prf_engine_start(&r->engine, &r->hosting.sv, err);
    }
    if (rc == 0) {
        rc = prf_engine_import(&r->engine, target, err);
    }
    if (rc == PRF_EINTERRUPTED) {
        return rc;
    }
    if (rc < 0) {
        files_usage(r, err);
        return 0;
    }
    if (r->engine.failed) {
        files_take_failure(r);
        return 0;
    }
    return files_run_cases(r, target, err);
}

int
prf_run_files(struct prf_running *r, struct prf_error *err)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < r->targets.n && !r->stop; i++) {
        const struct prf_target *target = &r->targets.items[i];
        r->for_script = target->kind != PRF_TARGET_CASES;
        rc = r->for_script ? prf_run_script(r, target, err)
                           : files_run_one(r, target, err);
        if (r->engine.greeted && (r->engine.imported || r->engine.file.cases != NULL)) {
            prf_choice_release(&r->choice);
            prf_engine_close(&r->engine);
        }
    }
    return rc;
}
