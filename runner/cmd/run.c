/* pyprofiler run: cases × profilers, results printed and kept. */
#include "run.h"
#include "run_budget.h"
#include "run_outputs.h"
#include "run_script.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <pyprofiler/version.h>

#include "captured.h"
#include "command.h"
#include "comparison.h"
#include "config.h"
#include "document.h"
#include "interrupt.h"
#include "keep_tree.h"
#include "machine.h"
#include "path.h"
#include "select.h"
#include "select_stored.h"
#include "snapshot_stats.h"
#include "strbuf.h"
#include "targets.h"
#include "vcs.h"

#define AT(field) offsetof(struct prf_run_options, field)

const struct prf_option prf_script_table[] = {
    {PRF_OPT_FLAG, 0, "script", NULL, AT(script),
     .help = "the targets are programs, to be run as python runs them"},
    {PRF_OPT_LIST, 'm', "module", NULL, AT(modules), .unit = "MODULE",
     .help = "run a module as python -m does"},
    {PRF_OPT_STRING, 'c', "code", NULL, AT(code), .unit = "CODE",
     .help = "run code as python -c does"},
    PRF_OPTIONS_END,
};

static const struct prf_option run_selection[] = {
    {PRF_OPT_STRING, 'k', "keyword", NULL, AT(keyword), .unit = "EXPR",
     .help = "only cases whose id fits: words, and, or, not, parentheses"},
    {PRF_OPT_FLAG, 0, "list", "lists|collect-only", AT(list),
     .help = "print the cases, run nothing"},
    {PRF_OPT_FLAG, 'x', "exitfirst", NULL, AT(exitfirst),
     .help = "stop at the first case that fails"},
    {PRF_OPT_UINT, 0, "maxfail", NULL, AT(maxfail), .unit = "N",
     .help = "stop after N cases that fail"},
    PRF_OPTIONS_END,
};

static const struct prf_option run_execution[] = {
    {PRF_OPT_CHOICE, 0, "isolation", NULL, AT(isolation), .def = "fork",
     .choices = "fork|exec|none",
     .help = "each case in a fork, in a process of its own, or all in one process"},
    {PRF_OPT_DURATION, 0, "timeout", NULL, AT(timeout_ns), .def = "600s",
     .help = "limit for one case under one profiler; 0: none"},
    {PRF_OPT_FLAG, 's', "show-output", "no-capture", AT(show_output),
     .help = "let through what cases print, as it comes"},
    PRF_OPTIONS_END,
};

static const struct prf_option run_output[] = {
    {PRF_OPT_STRING, 'o', "output", NULL, AT(output), .unit = "FILE",
     .help = "write the report there; -: standard output"},
    {PRF_OPT_CHOICE, 0, "format", NULL, AT(format), .def = "text",
     .choices = "text|json|html|csv|markdown|speedscope|chrometrace|perfetto",
     .help = "of the report"},
    {PRF_OPT_FLAG, 'f', "force", NULL, AT(force), .help = "overwrite the output file"},
    {PRF_OPT_UINT, 0, "durations", NULL, AT(durations), .unit = "N",
     .help = "list the N slowest cases at the end"},
    {PRF_OPT_FLAG, 0, "exit-zero", NULL, AT(exit_zero),
     .help = "exit with 0 also when cases fail or budgets are broken"},
    PRF_OPTIONS_END,
};

static const struct prf_option run_store[] = {
    {PRF_OPT_STRING, 0, "store", NULL, AT(store), .unit = "FILE",
     .help =
         "where results are kept [.pyprofiler/results.db at the repository's root]"},
    {PRF_OPT_FLAG, 0, "no-store", NULL, AT(no_store),
     .help = "do not keep the results"},
    {PRF_OPT_STRING, 0, "save-baseline", NULL, AT(save_baseline), .unit = "NAME",
     .help = "save the run under that name, for compare --baseline NAME"},
    PRF_OPTIONS_END,
};

static const struct prf_option_group run_groups[] = {
    {"selection", run_selection, 0},
    {"scripts", prf_script_table, 0},
    {"reports of scripts", prf_script_report_table, AT(script_report)},
    {"execution", run_execution, 0},
    {"interpreter", prf_hosting_table, AT(hosting)},
    {"output", run_output, 0},
    {"store", run_store, 0},
    {"general", prf_general_table, AT(general)},
    {NULL},
};

/* --- the facts of a run ---------------------------------------------------------- */

static void
run_quote_word(struct prf_strbuf *sb, const char *word)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                "0123456789-_=+./:,@%";
    if (*word != '\0' && word[strspn(word, plain)] == '\0') {
        prf_strbuf_adds(sb, word);
        return;
    }
    prf_strbuf_addc(sb, '\'');
    for (; *word != '\0'; word++) {
        prf_strbuf_adds(sb, *word == '\'' ? "'\\''" : (char[2]){*word, '\0'});
    }
    prf_strbuf_addc(sb, '\'');
}

void
prf_run_quote(struct prf_strbuf *sb, char *const *words, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        prf_strbuf_adds(sb, i > 0 ? " " : "");
        run_quote_word(sb, words[i]);
    }
}

/* The command line as a shell would take it. */
static const char *
run_quoted_command(struct prf_arena *arena, int argc, char **argv)
{
    struct prf_strbuf sb = PRF_STRBUF_INIT;
    prf_strbuf_adds(&sb, argc > 1 ? "pyprofiler-run " : "pyprofiler-run");
    prf_run_quote(&sb, argv + 1, argc > 1 ? (size_t)argc - 1 : 0);
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

/* --- the beginning --------------------------------------------------------------- */

int
prf_run_choose(struct prf_running *r, bool lenient, struct prf_error *err)
{
    struct prf_choice_request request = {
        .words = &r->words,
        .known = &r->engine.profilers,
        .config = r->hosting.python.config,
        .config_path = r->hosting.pyproject,
        .groups = r->groups,
        .layers = &r->layers,
        .layer = ++r->command_layer,
        .target = &r->options,
        .standard = r->for_script ? "call" : NULL,
        .lenient = lenient,
    };
    prf_choice_release(&r->choice);
    return prf_choice_make(&r->choice, &request, err);
}

static void
run_print_profiler_help(const struct prf_profiler *p)
{
    printf("usage: pyprofiler-run [OPTIONS] TARGET... %s [OPTIONS]\n\n%s\n", p->name,
           p->summary);
    prf_say_options(stdout, "options", p->options, 80);
    static const struct prf_option help[] = {
        {PRF_OPT_FLAG, 'h', "help", .help = "print this and exit"}, PRF_OPTIONS_END};
    prf_say_options(stdout, "general", help, 80);
}

/* --help after a profiler's name is about the profiler. */
static int
run_help(struct prf_running *r, int argc, char **argv)
{
    const struct prf_profiler *p = NULL;
    for (int i = 1; p == NULL && i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            break;
        }
        p = argv[i][0] == '-' ? NULL
                              : prf_profilers_find(&r->engine.profilers, argv[i]);
    }
    if (p == NULL) {
        prf_say_help(stdout, &prf_cmd_run, "pyprofiler-run");
    } else {
        run_print_profiler_help(p);
    }
    return 1;
}

static enum prf_isolation
run_isolation(const char *name)
{
    return strcmp(name, "exec") == 0   ? PRF_ISOLATION_EXEC
           : strcmp(name, "none") == 0 ? PRF_ISOLATION_NONE
                                       : PRF_ISOLATION_FORK;
}

/* What the options say about supervision; again whenever they were read anew. */
static void
run_apply_options(struct prf_running *r)
{
    struct prf_supervision *sv = &r->hosting.sv;
    sv->isolation = run_isolation(r->options.isolation);
    sv->timeout_ns = r->options.timeout_ns;
    sv->import_timeout_ns = r->options.hosting.import_timeout_ns;
    sv->hash_seed = r->options.hosting.hash_seed;
    sv->show_output = r->options.show_output;
    sv->worker.out_to_err =
        strcmp(r->options.format, "text") != 0 &&
        (r->options.output == NULL || strcmp(r->options.output, "-") == 0);
    sv->worker.foreground =
        sv->isolation == PRF_ISOLATION_NONE && r->options.show_output;
}

/* Is one of the words a target? */
static bool
run_names_target(const struct prf_running *r, int argc, char **argv)
{
    struct prf_args args = {.argc = argc, .argv = argv, .at = 1};
    struct prf_arg arg;
    struct prf_error ignored = {0};
    int rc;
    while ((rc = prf_args_next(&args, r->groups, &arg, &ignored)) != PRF_ARG_END) {
        bool program = rc == PRF_ARG_OPTION && arg.group->options == prf_script_table &&
                       arg.option->name != NULL &&
                       strcmp(arg.option->name, "script") != 0;
        if (program || (rc == PRF_ARG_WORD && prf_target_plausible(arg.word))) {
            return true;
        }
        prf_error_clear(&ignored);
    }
    return false;
}

static int
run_add_default(struct prf_running *r, const char *folder, const char *word,
                struct prf_error *err)
{
    char *path = prf_path_join(word[0] == '/' ? "" : folder, word);
    int rc = path == NULL ? prf_fail(err, PRF_ENOMEM, "out of memory")
                          : prf_strlist_add(&r->default_words, path);
    free(path);
    return rc < 0 ? prf_fail(err, rc, "out of memory") : 0;
}

/* `targets` of the configuration, else the folder for cases of the repository. */
static int
run_find_defaults(struct prf_running *r, struct prf_error *err)
{
    static const char *const folders[] = {"profiling", "cases"};
    const json_t *value = json_object_get(r->hosting.python.config, "targets");
    char *base =
        r->hosting.pyproject == NULL ? NULL : prf_path_dirname(r->hosting.pyproject);
    int rc = 0;
    if (base != NULL && json_is_string(value)) {
        rc = run_add_default(r, base, json_string_value(value), err);
    }
    for (size_t i = 0; base != NULL && rc == 0 && i < json_array_size(value); i++) {
        const char *word = json_string_value(json_array_get(value, i));
        rc = word == NULL
                 ? prf_fail(err, PRF_EUSAGE, "'%s': 'targets' takes a list of texts",
                            r->hosting.pyproject)
                 : run_add_default(r, base, word, err);
    }
    for (size_t i = 0; rc == 0 && r->default_words.n == 0 && i < 2; i++) {
        char *path = prf_path_join(r->hosting.root, folders[i]);
        if (path != NULL && prf_path_is_dir(path)) {
            rc = run_add_default(r, "", path, err);
        }
        free(path);
    }
    free(base);
    return rc;
}

/* Put them where a user would have written them. */
static int
run_insert_defaults(struct prf_running *r, int *argc, char ***argv,
                    struct prf_error *err)
{
    if (!r->may_default || run_names_target(r, *argc, *argv)) {
        return 0;
    }
    int rc = run_find_defaults(r, err);
    size_t n = r->default_words.n, k = 0;
    char **more = calloc((size_t)*argc + n + 1, sizeof *more);
    if (rc < 0 || more == NULL) {
        free(more);
        return rc < 0 ? rc : prf_fail(err, PRF_ENOMEM, "out of memory");
    }
    more[k++] = (*argv)[0];
    for (size_t i = 0; i < n; i++) {
        more[k++] = r->default_words.items[i];
    }
    for (int i = 1; i < *argc; i++) {
        more[k++] = (*argv)[i];
    }
    r->default_argv = more;
    *argv = more;
    *argc = (int)k;
    return 0;
}

static int
run_read_words(struct prf_running *r, int argc, char **argv, struct prf_error *err)
{
    int rc = run_insert_defaults(r, &argc, &argv, err);
    if (rc < 0) {
        return rc;
    }
    rc = prf_words_read(argc, argv, r->groups, &r->engine.profilers, &r->layers,
                        &r->options, &r->words, err);
    if (rc == 0 && r->words.n_targets == 0 && !r->words.has_program) {
        rc = prf_fail(err, PRF_EUSAGE,
                      "no target: give a file, a folder or a module; see --help");
    }
    if (rc == 0 && r->hosting.python.config != NULL) {
        rc = prf_config_check_profilers(r->hosting.python.config, r->hosting.pyproject,
                                        &r->engine.profilers, err);
    }
    if (rc == 0) {
        rc = prf_run_gate_check(r, err);
    }
    for (size_t i = 0; rc == 0 && i < r->words.n_targets; i++) {
        const char *word = r->words.targets[i];
        rc = r->options.script
                 ? prf_targets_add_script(&r->targets, PRF_TARGET_SCRIPT, word,
                                          r->hosting.root, err)
                 : prf_targets_add(&r->targets, word, r->hosting.root, err);
    }
    if (rc == 0) {
        rc = prf_run_find_scripts(r, err);
    }
    if (rc == 0) {
        rc = prf_run_choose(r, true, err);
    }
    if (rc == 0 && r->options.keyword != NULL) {
        rc = prf_select_check(r->options.keyword, err);
    }
    if (rc == 0 && r->options.no_store && r->options.save_baseline != NULL) {
        rc = prf_fail(err, PRF_EUSAGE,
                      "--save-baseline needs the store: not with "
                      "--no-store");
    }
    return rc;
}

/* What follows "--" is the scripts', when something stands before it: returns the rest.
 */
static int
run_cut_script_argv(struct prf_running *r, int argc, char **argv)
{
    for (int i = 2; i < argc; i++) {
        if (strcmp(argv[i], "--") == 0) {
            r->script_argv = argv + i + 1;
            r->n_script_argv = (size_t)(argc - i - 1);
            return i;
        }
    }
    return argc;
}

int
prf_run_begin(struct prf_running *r, const struct prf_command *command, int argc,
              char **argv, struct prf_error *err)
{
    const char *first = NULL;
    struct prf_hosting_request request = {.groups = command->groups,
                                          .layers = &r->layers,
                                          .target = &r->options,
                                          .options = &r->options.hosting};
    int rc = prf_groups_defaults(run_groups, &r->options, err);
    if (rc < 0) {
        return rc;
    }
    r->groups = command->groups;
    r->command_layer = PRF_LAYER_COMMAND;
    argc = run_cut_script_argv(r, argc, argv);
    prf_words_prescan(argc, argv, command->groups, &r->options, &r->layers, &first);
    if (r->options.general.help && (first == NULL || command != &prf_cmd_run)) {
        prf_say_help(stdout, command,
                     command == &prf_cmd_run ? "pyprofiler-run" : "pyprofiler list");
        return 1;
    }
    request.near = first;
    rc = prf_hosting_configure(&r->hosting, &request, err);
    if (rc == 0) {
        rc = prf_hosting_prepare(&r->hosting, &r->options.hosting, err);
    }
    if (rc == 0) {
        run_apply_options(r);
        rc = prf_engine_start(&r->engine, &r->hosting.sv, err);
    }
    if (rc == 0 && r->options.general.help) {
        return run_help(r, argc, argv);
    }
    if (rc == 0) {
        rc = run_read_words(r, argc, argv, err);
        run_apply_options(r);
    }
    return rc;
}

void
prf_run_end(struct prf_running *r)
{
    prf_engine_close(&r->engine);
    for (size_t i = 0; i < r->n_kept; i++) {
        prf_measured_release(&r->kept[i]);
    }
    for (size_t i = 0; i < r->n_durations; i++) {
        free(r->durations[i].what);
    }
    free(r->kept);
    free(r->durations);
    prf_strlist_release(&r->default_words);
    free(r->default_argv);
    prf_strlist_release(&r->outputs);
    prf_strlist_release(&r->broken);
    prf_strlist_release(&r->wrong);
    prf_store_close(r->store);
    prf_choice_release(&r->choice);
    prf_targets_release(&r->targets);
    prf_words_release(&r->words);
    prf_run_release(&r->run);
    prf_hosting_release(&r->hosting);
    prf_groups_release(run_groups, &r->options);
}

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
    .groups = run_groups,
    .run = run_main,
};
