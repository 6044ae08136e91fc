/* The command line of `pyprofiler run`: its options, the targets and profilers that it
   or the configuration names, and the engine that knows them. */
#include "run.h"
#include "run_budget.h"
#include "run_script.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "config.h"
#include "path.h"
#include "select.h"
#include "targets.h"

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

static const struct prf_option begin_selection[] = {
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

static const struct prf_option begin_execution[] = {
    {PRF_OPT_CHOICE, 0, "isolation", NULL, AT(isolation), .def = "fork",
     .choices = "fork|exec|none",
     .help = "each case in a fork, in a process of its own, or all in one process"},
    {PRF_OPT_DURATION, 0, "timeout", NULL, AT(timeout_ns), .def = "600s",
     .help = "limit for one case under one profiler; 0: none"},
    {PRF_OPT_FLAG, 's', "show-output", "no-capture", AT(show_output),
     .help = "let through what cases print, as it comes"},
    PRF_OPTIONS_END,
};

static const struct prf_option begin_output[] = {
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

static const struct prf_option begin_store[] = {
    {PRF_OPT_STRING, 0, "store", NULL, AT(store), .unit = "FILE",
     .help =
         "where results are kept [.pyprofiler/results.db at the repository's root]"},
    {PRF_OPT_FLAG, 0, "no-store", NULL, AT(no_store),
     .help = "do not keep the results"},
    {PRF_OPT_STRING, 0, "save-baseline", NULL, AT(save_baseline), .unit = "NAME",
     .help = "save the run under that name, for compare --baseline NAME"},
    PRF_OPTIONS_END,
};

const struct prf_option_group prf_run_groups[] = {
    {"selection", begin_selection, 0},
    {"scripts", prf_script_table, 0},
    {"reports of scripts", prf_script_report_table, AT(script_report)},
    {"execution", begin_execution, 0},
    {"interpreter", prf_hosting_table, AT(hosting)},
    {"output", begin_output, 0},
    {"store", begin_store, 0},
    {"general", prf_general_table, AT(general)},
    {NULL},
};

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
begin_print_profiler_help(const struct prf_profiler *p)
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
begin_help(struct prf_running *r, int argc, char **argv)
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
        begin_print_profiler_help(p);
    }
    return 1;
}

static enum prf_isolation
begin_isolation(const char *name)
{
    return strcmp(name, "exec") == 0   ? PRF_ISOLATION_EXEC
           : strcmp(name, "none") == 0 ? PRF_ISOLATION_NONE
                                       : PRF_ISOLATION_FORK;
}

/* What the options say about supervision; again whenever they were read anew. */
static void
begin_apply_options(struct prf_running *r)
{
    struct prf_supervision *sv = &r->hosting.sv;
    sv->isolation = begin_isolation(r->options.isolation);
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
begin_names_target(const struct prf_running *r, int argc, char **argv)
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
begin_add_default(struct prf_running *r, const char *folder, const char *word,
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
begin_find_defaults(struct prf_running *r, struct prf_error *err)
{
    static const char *const folders[] = {"profiling", "cases"};
    const json_t *value = json_object_get(r->hosting.python.config, "targets");
    char *base =
        r->hosting.pyproject == NULL ? NULL : prf_path_dirname(r->hosting.pyproject);
    int rc = 0;
    if (base != NULL && json_is_string(value)) {
        rc = begin_add_default(r, base, json_string_value(value), err);
    }
    for (size_t i = 0; base != NULL && rc == 0 && i < json_array_size(value); i++) {
        const char *word = json_string_value(json_array_get(value, i));
        rc = word == NULL
                 ? prf_fail(err, PRF_EUSAGE, "'%s': 'targets' takes a list of texts",
                            r->hosting.pyproject)
                 : begin_add_default(r, base, word, err);
    }
    for (size_t i = 0; rc == 0 && r->default_words.n == 0 && i < 2; i++) {
        char *path = prf_path_join(r->hosting.root, folders[i]);
        if (path != NULL && prf_path_is_dir(path)) {
            rc = begin_add_default(r, "", path, err);
        }
        free(path);
    }
    free(base);
    return rc;
}

/* Put them where a user would have written them. */
static int
begin_insert_defaults(struct prf_running *r, int *argc, char ***argv,
                      struct prf_error *err)
{
    if (!r->may_default || begin_names_target(r, *argc, *argv)) {
        return 0;
    }
    int rc = begin_find_defaults(r, err);
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
begin_read_words(struct prf_running *r, int argc, char **argv, struct prf_error *err)
{
    int rc = begin_insert_defaults(r, &argc, &argv, err);
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
begin_cut_script_argv(struct prf_running *r, int argc, char **argv)
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
    int rc = prf_groups_defaults(prf_run_groups, &r->options, err);
    if (rc < 0) {
        return rc;
    }
    r->groups = command->groups;
    r->command_layer = PRF_LAYER_COMMAND;
    argc = begin_cut_script_argv(r, argc, argv);
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
        begin_apply_options(r);
        rc = prf_engine_start(&r->engine, &r->hosting.sv, err);
    }
    if (rc == 0 && r->options.general.help) {
        return begin_help(r, argc, argv);
    }
    if (rc == 0) {
        rc = begin_read_words(r, argc, argv, err);
        begin_apply_options(r);
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
    prf_groups_release(prf_run_groups, &r->options);
}
