/* What commands that measure trees have in common; see measuring.h. */
#include "measuring.h"

#include <dirent.h>
#include <sched.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "config.h"
#include "path.h"
#include "select_stored.h"

#define AT(field) offsetof(struct prf_measuring_options, field)

const struct prf_option prf_measuring_table[] = {
    {PRF_OPT_STRING, 0, "build", NULL, AT(build), .unit = "COMMAND",
     .help = "for a shell in each checkout, before it is measured"},
    {PRF_OPT_DURATION, 0, "build-timeout", NULL, AT(build_timeout_ns), .def = "600s",
     .help = "limit for the build; 0: none"},
    {PRF_OPT_FLAG, 0, "venv", NULL, AT(venv),
     .help = "a virtual environment for each checkout, in which it is built and run"},
    {PRF_OPT_FLAG, 0, "system-site-packages", NULL, AT(system_site_packages),
     .help = "that environment sees the packages of its interpreter"},
    {PRF_OPT_LIST, 0, "overlay", NULL, AT(overlay), .unit = "PATHS",
     .help = "files and folders of the work tree to lay over each checkout, as the "
             "targets are"},
    {PRF_OPT_STRING, 0, "cpu", NULL, AT(cpu), .def = "last", .unit = "N",
     .help = "measure on this processor only; last: of those we may use; none: any"},
    {PRF_OPT_FLAG, 0, "keep-trees", NULL, AT(keep_trees),
     .help = "leave the checkouts and say where they are"},
    PRF_OPTIONS_END,
};

/* --- the words of run ---------------------------------------------------------------
 */

/* Options of run that are the command's own matter here. */
static int
measuring_check_options(const struct prf_run_options *o, struct prf_error *err)
{
    const char *wrong = o->list                          ? "list"
                        : o->output != NULL              ? "output"
                        : strcmp(o->format, "text") != 0 ? "format"
                        : o->store != NULL               ? "store"
                        : o->no_store                    ? "no-store"
                        : o->save_baseline != NULL       ? "save-baseline"
                        : o->exit_zero                   ? "exit-zero"
                                                         : NULL;
    return wrong == NULL
               ? 0
               : prf_fail(err, PRF_EUSAGE,
                          "--%s has no meaning after '--': give it before", wrong);
}

/* The first case file imported as the sides will import it. */
static int
measuring_import(struct prf_running *r, struct prf_error *err)
{
    char *path = prf_measure_python_path(r->hosting.root, r->hosting.root);
    const char *const environment[] = {path, NULL};
    int rc = path == NULL ? prf_fail(err, PRF_ENOMEM, "out of memory") : 0;
    prf_choice_release(&r->choice);
    prf_engine_close(&r->engine);
    r->hosting.sv.worker.environment = environment;
    if (rc == 0) {
        rc = prf_engine_start(&r->engine, &r->hosting.sv, err);
    }
    if (rc == 0) {
        rc = prf_engine_import(&r->engine, &r->targets.items[0], err);
    }
    r->hosting.sv.worker.environment = NULL;
    free(path);
    if (rc == 0 && r->engine.failed) {
        rc = prf_fail(err, PRF_EUSAGE, "'%s' cannot be imported: %s",
                      r->targets.items[0].node, r->engine.failure.reason);
    }
    return rc;
}

/* A profiler that only a case file knows: it has to be imported to tell. */
static int
measuring_choose(struct prf_running *r, struct prf_error *err)
{
    if (!r->choice.unknown) {
        return 0;
    }
    int rc = r->targets.n == 0 ? 0 : measuring_import(r, err);
    return rc < 0 ? rc : prf_run_choose(r, false, err);
}

/* So many processes are measured that each can be short, where a profiler has a flag
   for that. What the user says of the length goes before it: the profiler sees to it.
 */
static json_t *
measuring_shorten(const struct prf_profiler *profiler, const json_t *options)
{
    const struct prf_option *o = profiler->options;
    for (; o != NULL && o->type != PRF_OPT_END; o++) {
        if (o->type == PRF_OPT_FLAG && strcmp(o->name, "short") == 0 &&
            json_object_get(options, o->name) == NULL) {
            json_t *given = json_copy((json_t *)options);
            json_object_set_new(given, o->name, json_string("true"));
            return given;
        }
    }
    return NULL;
}

/* Names and options are copied: the engine that they come from is closed. */
static int
measuring_take_profilers(struct prf_measuring_words *w,
                         const struct prf_measuring_request *request,
                         struct prf_error *err)
{
    const struct prf_choice *choice = &w->run->choice;
    w->profilers = calloc(choice->n + 1, sizeof *w->profilers);
    int rc = w->profilers == NULL ? PRF_ENOMEM : 0;
    for (size_t i = 0; rc == 0 && i < choice->n; i++) {
        rc = prf_strlist_add(&w->names, choice->items[i]->name);
    }
    for (size_t i = 0; rc == 0 && i < choice->n; i++) {
        w->profilers[i] = (struct prf_measure_profiler){
            .name = w->names.items[i], .options = json_copy(choice->options[i])};
        w->setup.n_profilers++;
        if (request->many_processes) {
            w->profilers[i].given =
                measuring_shorten(choice->items[i], w->profilers[i].options);
        }
    }
    return rc < 0 ? prf_fail(err, rc, "out of memory") : 0;
}

static int
measuring_read_words(struct prf_measuring_words *w,
                     const struct prf_measuring_request *request, struct prf_error *err)
{
    struct prf_running *r = w->run;
    static char name[] = "run";
    char **argv = calloc((size_t)request->argc + 2, sizeof *argv);
    if (argv == NULL) {
        return prf_fail(err, PRF_ENOMEM, "out of memory");
    }
    argv[0] = name;
    for (int i = 0; i < request->argc; i++) {
        argv[i + 1] = request->argv[i];
    }
    r->may_default = true;
    int rc = prf_run_begin(r, &prf_cmd_run, request->argc + 1, argv, err);
    if (rc == 0 && r->has_script) {
        rc =
            prf_fail(err, PRF_EUSAGE,
                     "a script cannot be measured here, only cases can; pyprofiler-run "
                     "runs it, and compares with its runs before");
    }
    if (rc == 0) {
        rc = measuring_check_options(&r->options, err);
    }
    if (rc == 0) {
        rc = measuring_choose(r, err);
    }
    if (rc == 0) {
        rc = measuring_take_profilers(w, request, err);
    }
    prf_choice_release(&r->choice);
    prf_engine_close(&r->engine);
    free(argv);
    return rc;
}

/* --- what sides are opened with ------------------------------------------------------
 */

/* What a folder holds, to tell one of cases from one of code. */
struct measuring_census {
    const struct prf_targets *targets;
    size_t n_cases, n_others; /* Python files */
    bool package;             /* it, or a folder right in it, is one */
};

static bool
measuring_is_target(const struct prf_targets *targets, const char *path)
{
    for (size_t i = 0; i < targets->n; i++) {
        if (targets->items[i].path != NULL &&
            strcmp(targets->items[i].path, path) == 0) {
            return true;
        }
    }
    return false;
}

static void
measuring_count(struct measuring_census *census, const char *folder, unsigned depth)
{
    DIR *dir = opendir(folder);
    struct dirent *entry;
    struct stat st;
    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        const char *name = entry->d_name;
        size_t n = strlen(name);
        char *path = name[0] == '.' ? NULL : prf_path_join(folder, name);
        if (path == NULL) {
            continue;
        }
        if (lstat(path, &st) == 0 && S_ISDIR(st.st_mode)) {
            measuring_count(census, path, depth + 1);
        } else if (strcmp(name, "__init__.py") == 0) {
            census->package |= depth < 2;
        } else if (n > 3 && strcmp(name + n - 3, ".py") == 0) {
            bool is_case = measuring_is_target(census->targets, path);
            census->n_cases += is_case;
            census->n_others += !is_case;
        }
        free(path);
    }
    if (dir != NULL) {
        closedir(dir);
    }
}

/* The code under test, with cases in it: laid over whole it would hide the old code. */
static bool
measuring_is_code(const struct prf_targets *targets, const char *folder)
{
    struct measuring_census census = {.targets = targets};
    measuring_count(&census, folder, 0);
    return census.package && census.n_others > census.n_cases;
}

static int
measuring_take_folders(struct prf_measuring_words *w, struct prf_error *err)
{
    const struct prf_words *words = &w->run->words;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < words->n_targets; i++) {
        char *path = prf_path_absolute(words->targets[i]);
        if (path == NULL) {
            rc = PRF_ENOMEM;
        } else if (prf_path_is_dir(path) &&
                   !measuring_is_code(&w->run->targets, path)) {
            rc = prf_strlist_add(&w->folders, path);
        }
        free(path);
    }
    return rc < 0 ? prf_fail(err, rc, "out of memory") : 0;
}

/* Relative to the current folder when it is there, else to the root. */
static int
measuring_take_overlay(struct prf_measuring_words *w, const char *word,
                       struct prf_error *err)
{
    const char *root = w->run->hosting.root;
    char *path = prf_path_absolute(word);
    int rc = 0;
    if (path != NULL && !prf_path_exists(path)) {
        free(path);
        char *joined = prf_path_join(root, word);
        path = joined == NULL ? NULL : prf_path_absolute(joined);
        free(joined);
    }
    char *relative = path == NULL ? NULL : prf_path_relative(path, root);
    if (relative == NULL) {
        rc = prf_fail(err, PRF_ENOMEM, "out of memory");
    } else if (!prf_path_exists(path)) {
        rc = prf_fail(err, PRF_EUSAGE, "--overlay: there is no '%s'", word);
    } else if (relative[0] == '/') {
        rc = prf_fail(err, PRF_EUSAGE, "--overlay: '%s' is not below '%s'", word, root);
    } else {
        rc = prf_strlist_add(&w->overlay, path) < 0
                 ? prf_fail(err, PRF_ENOMEM, "out of memory")
                 : 0;
    }
    free(relative);
    free(path);
    return rc;
}

/* The number of a processor + 1, or 0. */
static int
measuring_cpu(const char *text, int *out, struct prf_error *err)
{
    cpu_set_t allowed;
    int last = -1;
    if (sched_getaffinity(0, sizeof allowed, &allowed) < 0) {
        CPU_ZERO(&allowed);
    }
    for (int i = 0; i < CPU_SETSIZE; i++) {
        last = CPU_ISSET((size_t)i, &allowed) ? i : last;
    }
    if (strcmp(text, "none") == 0 || strcmp(text, "last") == 0) {
        *out = text[0] == 'n' ? 0 : last + 1;
        return 0;
    }
    char *end;
    long n = strtol(text, &end, 10);
    if (end == text || *end != '\0' || n < 0 || n >= CPU_SETSIZE ||
        !CPU_ISSET((size_t)n, &allowed)) {
        return prf_fail(err, PRF_EUSAGE,
                        "--cpu takes the number of a processor that we may use, 'last' "
                        "or 'none', not '%s'",
                        text);
    }
    *out = (int)n + 1;
    return 0;
}

static int
measuring_open_store(struct prf_measuring_words *w,
                     const struct prf_measuring_request *request, struct prf_error *err)
{
    w->store_path = prf_stored_path(request->store, w->run->hosting.root);
    char *folder = w->store_path == NULL ? NULL : prf_path_dirname(w->store_path);
    w->objects = folder == NULL ? NULL : prf_path_join(folder, "objects");
    free(folder);
    if (w->objects == NULL) {
        return prf_fail(err, PRF_ENOMEM, "out of memory");
    }
    return request->no_store
               ? 0
               : prf_store_open(w->store_path, PRF_STORE_WRITE, &w->store, err);
}

static void
measuring_fill(struct prf_measuring_words *w,
               const struct prf_measuring_request *request)
{
    const struct prf_measuring_options *o = request->options;
    struct prf_running *r = w->run;
    struct prf_measure_setup *s = &w->setup;
    s->root = r->hosting.root;
    s->objects = prf_path_is_dir(w->objects) ? w->objects : NULL;
    s->sv = r->hosting.sv;
    s->facts = &r->run;
    s->targets = &r->targets;
    s->folders = &w->folders;
    s->overlay = &w->overlay;
    s->keyword = r->options.keyword;
    s->profilers = w->profilers;
    s->build = o->build != NULL && *o->build == '\0' ? NULL : o->build;
    s->build_timeout_ns = o->build_timeout_ns;
    s->venv = o->venv;
    s->system_site_packages = o->system_site_packages;
    s->keep_trees = o->keep_trees;
    s->max_trees = request->max_trees;
    s->store = w->store;
}

/* [tool.pyprofiler] and the environment, below what the command line said. */
static int
measuring_configure(struct prf_measuring_words *w,
                    const struct prf_measuring_request *request, struct prf_error *err)
{
    const struct prf_hosting *h = &w->run->hosting;
    int rc =
        prf_config_environment(request->groups, request->layers, request->target, err);
    return rc < 0 || h->python.config == NULL
               ? rc
               : prf_config_apply(h->python.config, h->pyproject, prf_cmd_run.groups,
                                  request->groups, request->layers, request->target,
                                  err);
}

static int
measuring_describe(struct prf_measuring_words *w,
                   const struct prf_measuring_request *request, struct prf_error *err)
{
    struct prf_run *run = &w->run->run;
    struct prf_run_options *o = &w->run->options;
    int rc = prf_run_describe(w->run, request->whole_argc, request->whole_argv, err);
    o->no_store = request->no_store; /* what keeps the tree looks there */
    o->store = request->store == NULL ? NULL : strdup(request->store);
    if (rc == 0 && run->commit.root == NULL) {
        rc = prf_fail(err, PRF_EVCS, "%s",
                      run->commit.note == NULL ? "there is no repository here"
                                               : run->commit.note);
    }
    return rc;
}

int
prf_measuring_begin(struct prf_measuring_words *words,
                    const struct prf_measuring_request *request, struct prf_error *err)
{
    const struct prf_measuring_options *o = request->options;
    *words = (struct prf_measuring_words){.run = calloc(1, sizeof *words->run)};
    int rc = words->run == NULL ? prf_fail(err, PRF_ENOMEM, "out of memory")
                                : measuring_read_words(words, request, err);
    if (rc != 0) {
        return rc;
    }
    rc = measuring_configure(words, request, err);
    if (rc == 0) {
        rc = measuring_take_folders(words, err);
    }
    for (size_t i = 0; rc == 0 && i < o->overlay.n; i++) {
        rc = measuring_take_overlay(words, o->overlay.items[i], err);
    }
    if (rc == 0) {
        rc = measuring_cpu(o->cpu, &words->setup.cpu, err);
    }
    if (rc == 0) {
        rc = measuring_describe(words, request, err);
    }
    if (rc == 0) {
        rc = measuring_open_store(words, request, err);
    }
    if (rc == 0) {
        measuring_fill(words, request);
        rc = prf_measuring_open(&words->setup, &words->measuring, err);
    }
    return rc;
}

void
prf_measuring_end(struct prf_measuring_words *words)
{
    prf_measuring_close(words->measuring);
    prf_store_close(words->store);
    for (size_t i = 0; i < words->setup.n_profilers; i++) {
        json_decref(words->profilers[i].options);
        json_decref(words->profilers[i].given);
    }
    free(words->profilers);
    prf_strlist_release(&words->names);
    prf_strlist_release(&words->folders);
    prf_strlist_release(&words->overlay);
    free(words->store_path);
    free(words->objects);
    if (words->run != NULL) {
        prf_run_end(words->run);
    }
    free(words->run);
    *words = (struct prf_measuring_words){0};
}

int
prf_measuring_side(struct prf_measuring_words *words,
                   const struct prf_measure_request *request,
                   struct prf_measure_side **out, struct prf_error *err)
{
    struct prf_measure_side *side = NULL;
    int rc = prf_measure_open(words->measuring, request, &side, err);
    if (rc < 0) {
        return rc;
    }
    *out = side;
    if (side->unbuildable != NULL) {
        prf_say_warning("%s cannot be measured: %s", side->name, side->unbuildable);
        if (side->output != NULL) {
            fputs(side->output, stderr);
            fputs(side->output[strlen(side->output) - 1] == '\n' ? "" : "\n", stderr);
        }
        return 0;
    }
    rc = prf_measure_plan(side, err);
    for (size_t i = 0; i < side->warnings.n; i++) {
        prf_say_warning("%s: %s", side->name, side->warnings.items[i]);
    }
    if (words->setup.keep_trees && !side->in_place) {
        fprintf(stderr, "pyprofiler: %s is in '%s'\n", side->name, side->folder);
    }
    return rc;
}
