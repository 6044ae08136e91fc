/* pyprofiler run: cases × profilers, results printed and kept. */
#include "run.h"
#include "run_budget.h"
#include "run_outputs.h"
#include "run_script.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <pyprofiler/version.h>

#include "captured.h"
#include "command.h"
#include "comparison.h"
#include "document.h"
#include "interrupt.h"
#include "keep_tree.h"
#include "machine.h"
#include "select_stored.h"
#include "shell.h"
#include "snapshot_stats.h"
#include "strbuf.h"
#include "vcs.h"

/* --- the facts of a run ---------------------------------------------------------- */

/* The command line as a shell would take it. */
static const char *
run_quoted_command(struct prf_arena *arena, int argc, char **argv)
{
    struct prf_strbuf sb = PRF_STRBUF_INIT;
    prf_strbuf_adds(&sb, argc > 1 ? "pyprofiler-run " : "pyprofiler-run");
    prf_shell_add_words(&sb, argv + 1, argc > 1 ? (size_t)argc - 1 : 0);
    const char *text = prf_captured_text(arena, prf_strbuf_text(&sb), sb.len);
    prf_strbuf_release(&sb);
    return text;
}

int
prf_run_describe(struct prf_running *r, int argc, char **argv, struct prf_error *err)
{
    struct prf_run *run = &r->run;
    const struct prf_interpreter *py = &r->hosting.python;
    run->started_ns = prf_wall_ns();
    run->id = prf_run_new_id(&run->arena, run->started_ns);
    run->tool_version = PRF_VERSION;
    run->command = run_quoted_command(&run->arena, argc, argv);
    run->python = (struct prf_python){
        .version = py->version,
        .executable = py->executable,
        .implementation = py->implementation,
        .host = r->hosting.host == PRF_HOST_EMBED ? "embed" : "python",
        .flags = py->flags,
        .libpython = r->hosting.host == PRF_HOST_EMBED ? py->libpython : NULL,
    };
    int rc = prf_machine_describe(&run->arena, &run->machine, err);
    return rc < 0 ? rc
                  : prf_vcs_describe(r->hosting.root, &run->arena, &run->commit, err);
}

/* --- what becomes of a result ---------------------------------------------------- */

/* The first trouble with the store is said, and the run goes on without it. */
static void
run_store_trouble(struct prf_running *r, const struct prf_error *err)
{
    prf_progress_clear(&r->progress);
    prf_say_error(err);
    fputs("pyprofiler: the results are not kept\n", stderr);
    r->store_failed = true;
}

static void
run_store_result(struct prf_running *r, const struct prf_result *result)
{
    struct prf_error err = {0};
    int rc = 0;
    if (r->options.no_store || r->store_failed) {
        return;
    }
    if (r->store == NULL) {
        char *path = prf_stored_path(r->options.store, r->hosting.root);
        rc = path == NULL ? prf_fail(&err, PRF_ENOMEM, "out of memory")
                          : prf_store_open(path, PRF_STORE_WRITE, &r->store, &err);
        free(path);
        if (rc == 0) {
            rc = prf_store_add_run(r->store, &r->run, &err);
        }
    }
    if (rc == 0) {
        rc = prf_store_add_result(r->store, result, &err);
    }
    if (rc < 0) {
        run_store_trouble(r, &err);
    }
}

static bool
run_is_bad(const struct prf_result *result)
{
    return result->status != PRF_STATUS_OK && result->status != PRF_STATUS_SKIPPED;
}

static void
run_say_wrong(struct prf_running *r, const struct prf_result *result, const char *why)
{
    struct prf_error err = {0};
    r->usage_failed = true;
    prf_fail(&err, PRF_EUSAGE, "%s: %s", result->profiler, why);
    for (size_t i = 0; i < r->wrong.n; i++) {
        if (strcmp(r->wrong.items[i], err.text) == 0) {
            return;
        }
    }
    (void)prf_strlist_add(&r->wrong, err.text);
    prf_progress_clear(&r->progress);
    prf_say_error(&err);
}

/* What is wrong with the command line but only shows when a case has run. */
static void
run_check_usage(struct prf_running *r, const struct prf_result *result)
{
    const struct prf_profile *p = result->profile;
    struct prf_snapshot_request request = {0};
    struct prf_snapshot_choice choice;
    struct prf_error err = {0};
    if (p != NULL && result->status == PRF_STATUS_ERROR && p->usage) {
        run_say_wrong(r, result, result->reason == NULL ? "usage" : result->reason);
    }
    if (p == NULL || p->n_snapshots == 0 || result->status != PRF_STATUS_OK) {
        return;
    }
    if (prf_snapshot_request_parse(result->options, &request, &err) == 0 &&
        prf_snapshot_choose(p, &request, &choice, &err) < 0) {
        run_say_wrong(r, result, err.text);
    }
    prf_snapshot_request_release(&request);
}

FILE *
prf_run_report(const struct prf_running *r)
{
    return r->has_script ? stderr : stdout;
}

static void
run_print_result(struct prf_running *r, const struct prf_result *result)
{
    static const struct prf_export_options options = {0};
    struct prf_error err = {0};
    FILE *out = prf_run_report(r);
    if (!r->headed && r->style.verbosity >= 0) {
        prf_report_head(out, &r->style, &r->run);
    }
    r->headed = true;
    if (prf_report_result(out, &r->style, result, &options, &err) < 0) {
        prf_say_error(&err);
        r->internal_failed = true;
    }
    for (size_t i = 0; i < result->n_clauses; i++) {
        prf_report_clause(out, &r->style, 2, &result->clauses[i]);
    }
    if (!r->options.no_store && !r->store_failed && r->style.verbosity >= 0) {
        fprintf(out, "[%s]\n", result->id);
    }
    fflush(out);
}

static void
run_keep_duration(struct prf_running *r, const struct prf_result *result)
{
    struct prf_duration *more =
        realloc(r->durations, (r->n_durations + 1) * sizeof *more);
    if (more == NULL || result->duration_ns < 0) {
        r->durations = more == NULL ? r->durations : more;
        return;
    }
    r->durations = more;
    struct prf_duration *d = &r->durations[r->n_durations];
    if (asprintf(&d->what, "%s  %s", result->case_id, result->profiler) >= 0) {
        d->ns = result->duration_ns;
        r->n_durations++;
    }
}

/* For a document at the end. Without memory for it the result is in the store only. */
static bool
run_keep(struct prf_running *r, struct prf_measured *measured)
{
    struct prf_measured *more = realloc(r->kept, (r->n_kept + 1) * sizeof *more);
    if (more == NULL) {
        r->internal_failed = true;
        return false;
    }
    r->kept = more;
    r->kept[r->n_kept++] = *measured;
    return true;
}

void
prf_run_take_result(struct prf_running *r, struct prf_measured *measured)
{
    struct prf_result *result = &measured->result;
    struct prf_error err = {0};
    result->id = prf_result_new_id(&result->arena);
    result->run_id = prf_arena_strdup(&result->arena, r->run.id);
    r->totals.n[result->status]++;
    r->n_bad += run_is_bad(result);
    run_store_result(r, result);
    if (r->options.durations > 0) {
        run_keep_duration(r, result);
    }
    prf_progress_clear(&r->progress);
    if (prf_run_budget_judge(r, result, &err) < 0) {
        prf_say_error(&err);
        r->internal_failed = true;
    }
    bool told = prf_run_script_tells(r);
    r->n_told += told;
    if (r->for_script) {
        prf_run_script_tell(r, result);
    } else if (r->exporter == NULL) {
        run_print_result(r, result);
    }
    run_check_usage(r, result);
    prf_run_outputs_write(r, result);
    char *what = NULL;
    if (asprintf(&what, "%s %s", result->case_id, result->profiler) >= 0) {
        prf_progress_done(&r->progress, what, prf_status_name(result->status));
        free(what);
    }
    uint64_t limit = r->options.exitfirst ? 1 : r->options.maxfail;
    r->stop |= limit > 0 && r->n_bad >= limit;
    if (told || r->exporter == NULL || !run_keep(r, measured)) {
        prf_measured_release(measured);
    }
}

/* --- the report at the end ------------------------------------------------------- */

static int
run_compare_durations(const void *a, const void *b)
{
    const struct prf_duration *x = a, *y = b;
    return x->ns < y->ns ? 1 : x->ns > y->ns ? -1 : 0;
}

static void
run_print_durations(struct prf_running *r, FILE *out)
{
    char buf[32];
    if (r->n_durations > 0) {
        qsort(r->durations, r->n_durations, sizeof *r->durations,
              run_compare_durations);
        fputs("\nslowest cases:\n", out);
    }
    for (size_t i = 0; i < r->n_durations && i < r->options.durations; i++) {
        fprintf(out, "%12s  %s\n",
                prf_format_time((double)r->durations[i].ns, NULL, buf, sizeof buf),
                r->durations[i].what);
    }
}

/* The results for the document; those that a format cannot show are said and left out.
 */
static size_t
run_document_results(struct prf_running *r, const struct prf_result **out)
{
    size_t n = 0;
    for (size_t i = 0; i < r->n_kept; i++) {
        const struct prf_result *result = &r->kept[i].result;
        struct prf_error why = {0};
        if ((r->exporter->needs & (PRF_MODEL_STACKS | PRF_MODEL_EVENTS)) == 0 ||
            prf_exporter_check(r->exporter, result, &why) == 0) {
            out[n++] = result;
        } else {
            prf_say_warning("%s is left out: %s", result->case_id, why.text);
        }
    }
    return n;
}

static int
run_write_document(struct prf_running *r, struct prf_error *err)
{
    struct prf_document document;
    struct prf_export_options options = {0};
    const struct prf_result **results = calloc(r->n_kept + 1, sizeof *results);
    unsigned flags = (r->options.force ? PRF_DOCUMENT_FORCE : 0u) |
                     (r->exporter->binary ? PRF_DOCUMENT_BINARY : 0u);
    size_t n = results == NULL ? 0 : run_document_results(r, results);
    int rc = results == NULL ? prf_fail(err, PRF_ENOMEM, "out of memory")
             : n == 0 && r->n_kept > 0
                 ? prf_fail(err, PRF_EUNAVAILABLE, "no result can be written as '%s'",
                            r->exporter->name)
                 : prf_document_open(&document, r->options.output, flags, err);
    if (rc < 0) {
        free(results);
        return rc;
    }
    options.color = document.path == NULL && r->style.color;
    rc = r->exporter->write(&r->run, results, n, &options, document.file, err);
    if (rc == 0) {
        rc = prf_document_commit(&document, err);
    }
    prf_document_close(&document);
    free(results);
    return rc;
}

/* What was measured, as it is; a run that was interrupted is no baseline. */
static void
run_save_baseline(struct prf_running *r)
{
    const char *name = r->options.save_baseline;
    const char *const runs[] = {r->run.id, NULL};
    struct prf_error err = {0};
    if (name == NULL || r->store_failed) {
        return;
    }
    if (r->interrupted || r->store == NULL) {
        prf_say_warning("baseline '%s' is not saved: %s", name,
                        r->interrupted ? "the run was interrupted"
                                       : "nothing was measured");
    } else if (prf_store_save_baseline(r->store, name, runs, &err) < 0) {
        run_store_trouble(r, &err);
    }
}

static void
run_finish(struct prf_running *r)
{
    struct prf_error err = {0};
    r->run.duration_ns = prf_wall_ns() - r->run.started_ns;
    r->run.interrupted = r->interrupted;
    r->totals.duration_ns = r->run.duration_ns;
    if (r->store != NULL && !r->store_failed &&
        prf_store_finish_run(r->store, r->run.id, r->run.duration_ns, &err) < 0) {
        run_store_trouble(r, &err);
    }
    run_save_baseline(r);
    prf_error_clear(&err);
    bool nothing = r->n_kept == 0 && (r->usage_failed || r->n_script_documents > 0);
    if (r->exporter != NULL && !nothing && run_write_document(r, &err) < 0) {
        prf_say_error(&err);
        r->internal_failed = true;
    }
    bool is_text = r->exporter == NULL;
    if (r->n_selected > 0 && (is_text || r->style.verbosity >= 0)) {
        struct prf_style style =
            is_text ? r->style : prf_say_style(&r->options.general, stderr);
        FILE *out = is_text ? prf_run_report(r) : stderr;
        run_print_durations(r, out);
        if (r->n_told < r->n_selected) { /* else each was told of in full */
            prf_report_summary(out, &style, &r->totals);
        }
        prf_run_budget_summary(r, out, &style);
    }
}

static int
run_exit_code(const struct prf_running *r)
{
    if (r->interrupted) {
        return PRF_EXIT_INTERRUPTED;
    }
    if (r->usage_failed) {
        return PRF_EXIT_USAGE;
    }
    if (r->has_script && (r->store_failed || r->internal_failed)) {
        return PRF_EXIT_INTERNAL;
    }
    if (r->script_code != 0 && !r->options.exit_zero) {
        return r->script_code;
    }
    if (r->n_bad > r->n_bad_scripts && !r->options.exit_zero) {
        return PRF_EXIT_FAILED;
    }
    if (r->store_failed || r->internal_failed) {
        return PRF_EXIT_INTERNAL;
    }
    bool worse =
        r->n_script_regressions > 0 && r->options.script_report.fail_on_regression;
    if ((r->n_broken > 0 || worse) && !r->options.exit_zero) {
        return PRF_EXIT_REGRESSION;
    }
    return r->n_selected == 0 ? PRF_EXIT_NOTHING : PRF_EXIT_OK;
}

/* --- the run itself -------------------------------------------------------------- */

/* The output is checked before anything runs: an hour's results must have a place. */
static int
run_prepare_output(struct prf_running *r, struct prf_error *err)
{
    bool file = r->options.output != NULL && strcmp(r->options.output, "-") != 0;
    unsigned flags = r->options.force ? PRF_DOCUMENT_FORCE : 0u;
    int rc = 0;
    if (file || strcmp(r->options.format, "text") != 0) {
        rc = prf_exporter_find(r->options.format, &r->exporter, err);
        flags |= rc == 0 && r->exporter->binary ? PRF_DOCUMENT_BINARY : 0u;
    }
    if (rc == 0) {
        rc = prf_document_check(r->options.output, flags, err);
    }
    if (rc == 0) {
        rc = prf_run_outputs_check(r, err);
    }
    if (rc == 0) {
        rc = prf_run_script_check(r, err);
    }
    r->style = prf_say_style(&r->options.general, prf_run_report(r));
    bool quiet = r->style.verbosity < 0 || r->has_script;
    struct prf_style style = prf_say_style(&r->options.general, stderr);
    const char *term = getenv("TERM");
    bool live = isatty(STDERR_FILENO) && (term == NULL || strcmp(term, "dumb") != 0);
    prf_progress_init(&r->progress, quiet ? NULL : stderr, live, style.width);
    return rc;
}

/* Was a whole file named that has no cases, and no code that would make it a script? */
static bool
run_has_other_files(const struct prf_running *r)
{
    for (size_t i = 0; r->options.keyword == NULL && i < r->targets.n; i++) {
        if (prf_target_may_be_script(&r->targets.items[i])) {
            return true;
        }
    }
    return false;
}

static int
run_go(struct prf_running *r, int argc, char **argv, struct prf_error *err)
{
    int rc = run_prepare_output(r, err);
    if (rc == 0) {
        rc = prf_run_describe(r, argc, argv, err);
    }
    if (rc < 0) {
        return rc;
    }
    prf_run_keep_tree(r);
    prf_run_prepare_store(r);
    rc = prf_run_files(r, err);
    r->interrupted = rc == PRF_EINTERRUPTED || prf_interrupt_count() > 0;
    prf_progress_clear(&r->progress);
    if (rc < 0 && rc != PRF_EINTERRUPTED) {
        prf_say_error(err);
        r->internal_failed = true;
    }
    prf_error_clear(err);
    run_finish(r);
    if (r->interrupted) {
        fprintf(stderr,
                "pyprofiler: interrupted: %zu result%s kept, the rest did not run\n",
                r->progress.n_done, r->progress.n_done == 1 ? " is" : "s are");
    }
    if (r->n_selected == 0 && !r->interrupted && !r->usage_failed && r->n_bad == 0) {
        fprintf(stderr, "pyprofiler: no case was selected%s\n",
                run_has_other_files(r) ? "; --script runs a file that has none" : "");
    }
    return 0;
}

static int
run_main(const struct prf_command *self, int argc, char **argv)
{
    struct prf_running *r = calloc(1, sizeof *r);
    struct prf_error err = {0};
    int code = PRF_EXIT_OK;
    int rc = r == NULL ? prf_fail(&err, PRF_ENOMEM, "out of memory")
                       : prf_run_begin(r, self, argc, argv, &err);
    if (rc == 0 && r->options.list) {
        code = prf_list_print(r, strcmp(r->options.format, "json") == 0, &err);
        rc = code < 0 ? code : 0;
    } else if (rc == 0) {
        rc = run_go(r, argc, argv, &err);
        code = rc < 0 ? code : run_exit_code(r);
    }
    if (rc < 0) {
        code = prf_say_error(&err);
    }
    if (r != NULL) {
        prf_run_end(r);
    }
    free(r);
    return code;
}

const struct prf_command prf_cmd_run = {
    .name = "run",
    .summary = "run cases under profilers",
    .usage =
        "[OPTIONS] TARGET... [PROFILER[,PROFILER...] [PROFILER-OPTIONS]] [-- ARGS]",
    .about =
        "Runs the cases of the targets (file.py, file.py::Class::case[params], a "
        "folder, "
        "a dotted module) under the profilers; without one: stopwatch. Words are "
        "targets up to the first that names a profiler; what follows are its options: "
        "pyprofiler-run TARGET PROFILER --help. A file without cases is a script: it "
        "is "
        "run as python would run it, with ARGS, under the profilers; without one: "
        "call.",
    .groups = prf_run_groups,
    .run = run_main,
};
