/* pyprofiler bisect: which commit made a case slower. Measures commits between a good
   and a bad one beside the good one, until the probability of one of them is clear. */
#include "bisect.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bisect_report.h"
#include "command.h"
#include "compare.h"
#include "document.h"
#include "history_report.h"
#include "hosting.h"
#include "interrupt.h"
#include "path.h"
#include "pick_series.h"
#include "process.h"
#include "select_stored.h"
#include "shell.h"
#include "strbuf.h"

#define BISECT_TREES 12 /* checkouts that are kept for another measurement */

#define AT(field) offsetof(struct prf_bisect_options, field)

static const struct prf_option bisect_what[] = {
    {PRF_OPT_STRING, 0, "good", NULL, AT(good), .unit = "COMMIT",
     .help = "where it was good; an ancestor of the bad one"},
    {PRF_OPT_STRING, 0, "bad", NULL, AT(bad), .unit = "COMMIT", .def = "HEAD",
     .help = "where it is bad"},
    {PRF_OPT_STRING, 'p', "profiler", NULL, AT(profiler), .unit = "NAME",
     .help = "measure with this profiler; stopwatch without it"},
    {PRF_OPT_LIST, 'm', "metric", "metrics", AT(metrics), .unit = "NAMES",
     .help = "these metrics instead of the profiler's first; each has its own answer"},
    {PRF_OPT_FLAG, 0, "first-parent", NULL, AT(first_parent),
     .help = "name the merge, do not look into what it merged"},
    PRF_OPTIONS_END,
};

static const struct prf_option bisect_search[] = {
    {PRF_OPT_STRING, 0, "confidence", NULL, AT(confidence), .def = "95%",
     .unit = "PERCENT", .help = "go on until the answer is that probable"},
    {PRF_OPT_STRING, 0, "threshold", NULL, AT(threshold), .def = "2%",
     .unit = "PERCENT", .help = "smaller differences of the ends count as none"},
    {PRF_OPT_DURATION, 0, "max-time", NULL, AT(max_time_ns), .def = "0",
     .help = "stop after that time; 0: no limit"},
    {PRF_OPT_UINT, 0, "max-runs", NULL, AT(max_runs), .def = "0", .unit = "N",
     .help = "stop after so many measured processes; 0: no limit"},
    {PRF_OPT_FLAG, 0, "fresh", NULL, AT(fresh),
     .help = "do not count what was measured before"},
    PRF_OPTIONS_END,
};

static const struct prf_option bisect_report[] = {
    {PRF_OPT_CHOICE, 0, "format", NULL, AT(format), .def = "text",
     .choices = "text|json", .help = "of the report"},
    {PRF_OPT_STRING, 'o', "output", NULL, AT(output), .unit = "FILE",
     .help = "write the report there; -: standard output"},
    {PRF_OPT_FLAG, 'f', "force", NULL, AT(force), .help = "overwrite the output file"},
    PRF_OPTIONS_END,
};

static const struct prf_option bisect_store[] = {
    {PRF_OPT_STRING, 0, "store", NULL, AT(store), .unit = "FILE",
     .help = "where the results are [.pyprofiler/results.db at the repository's root]"},
    PRF_OPTIONS_END,
};

static const struct prf_option_group bisect_groups[] = {
    {"what", bisect_what, 0},
    {"search", bisect_search, 0},
    {"measuring", prf_measuring_table, AT(measuring)},
    {"report", bisect_report, 0},
    {"store", bisect_store, 0},
    {"general", prf_general_table, AT(general)},
    {NULL},
};

static const struct prf_option_group bisect_stored[] = {
    {"store", bisect_store, 0},
    {NULL},
};

static const struct prf_option_group bisect_configurable[] = {
    {"measuring", prf_measuring_table, AT(measuring)},
    {NULL},
};

/* ---- the command line ---- */

/* The words of run, when the user gave none. */
struct bisect_words {
    char **argv;
    int argc;
    char *target, *profiler;
    bool own;
};

static void
bisect_words_release(struct bisect_words *w)
{
    if (w->own) {
        free(w->argv);
    }
    free(w->target);
    free(w->profiler);
}

/* The case's file as run finds it from here, or NULL: `id` names no file. */
static char *
bisect_target(const char *id)
{
    const char *colons = strstr(id, "::");
    size_t n = colons == NULL ? strlen(id) : (size_t)(colons - id);
    char *file = strndup(id, n), *root = prf_hosting_root("."), *found = NULL;
    if (file != NULL && root != NULL && !prf_path_exists(file)) {
        char *joined = prf_path_join(root, file);
        free(file);
        file = joined;
    }
    if (file != NULL && *file != '\0' && prf_path_exists(file) &&
        !prf_path_is_dir(file) &&
        asprintf(&found, "%s%s", file, colons == NULL ? "" : colons) < 0) {
        found = NULL;
    }
    free(root);
    free(file);
    return found;
}

/* What the store calls the case that `what` is a part of. */
static char *
bisect_stored_case(const struct prf_bisector *b, const char *what)
{
    struct prf_store *store = NULL;
    struct prf_series_picks picks = {0};
    struct prf_series_request request = {
        .what = what, .profiler = prf_stored_profiler(b->options.profiler)};
    char *target = NULL;
    if (prf_stored_open(b->options.store, &store, NULL) == 0 &&
        prf_series_pick(store, &request, &picks, NULL) == 0) {
        target = bisect_target(picks.items[0].case_id);
    }
    prf_series_release(&picks);
    prf_store_close(store);
    return target;
}

static int
bisect_make_words(const struct prf_bisector *b, struct bisect_words *w,
                  struct prf_error *err)
{
    w->own = true;
    w->argc = 0;
    w->argv = calloc(3, sizeof *w->argv);
    w->target = bisect_target(b->words[0]);
    if (w->target == NULL) {
        w->target = bisect_stored_case(b, b->words[0]);
    }
    const char *profiler = b->options.profiler;
    w->profiler = profiler == NULL ? NULL : strdup(profiler);
    if (w->argv == NULL || (profiler != NULL && w->profiler == NULL)) {
        return prf_fail(err, PRF_ENOMEM, "out of memory");
    }
    if (w->target != NULL) {
        w->argv[w->argc++] = w->target;
    }
    if (w->profiler != NULL) {
        w->argv[w->argc++] = w->profiler;
    }
    return 0;
}

static int
bisect_check(struct prf_bisector *b, const struct bisect_words *w, int n,
             struct prf_error *err)
{
    const struct prf_bisect_options *o = &b->options;
    if (n == 0) {
        return prf_fail(err, PRF_EUSAGE,
                        "which case? give the id of one or a part of it");
    }
    if (o->good == NULL) {
        return prf_fail(err, PRF_EUSAGE, "since when? give --good COMMIT");
    }
    if (w->argv != NULL && o->profiler != NULL) {
        return prf_fail(err, PRF_EUSAGE,
                        "--profiler has no meaning beside '--': name "
                        "the profiler after it");
    }
    int rc = prf_compare_ratio("threshold", o->threshold, &b->model.threshold, err);
    if (rc == 0) {
        rc = prf_compare_ratio("confidence", o->confidence, &b->model.confidence, err);
    }
    if (rc == 0 && b->model.confidence < 0.5) {
        rc = prf_fail(err, PRF_EUSAGE, "--confidence is from 50%% to below 100%%");
    }
    return rc;
}

static int
bisect_parse(struct prf_bisector *b, const struct prf_command *self, int argc,
             char **argv, struct bisect_words *w, struct prf_error *err)
{
    int end = argc;
    for (int i = 1; i < argc && end == argc; i++) {
        if (strcmp(argv[i], "--") == 0) {
            end = i;
            w->argc = argc - i - 1;
            w->argv = argv + i + 1;
        }
    }
    int rc = prf_groups_defaults(self->groups, &b->options, err);
    if (rc == 0) {
        rc = prf_args_parse(end, argv, self->groups, &b->layers, &b->options, b->words,
                            1, err);
    }
    if (rc < 0 || b->options.general.help) {
        return rc;
    }
    rc = bisect_check(b, w, rc, err);
    if (rc == 0) {
        rc = prf_hosting_configure_store(bisect_stored, &b->layers, &b->options, err);
    }
    return rc == 0 && w->argv == NULL ? bisect_make_words(b, w, err) : rc;
}

/* ---- commits ---- */

static int
bisect_check_order(struct prf_bisector *b, const struct prf_revision *good,
                   const struct prf_revision *bad, struct prf_error *err)
{
    const struct prf_bisect_options *o = &b->options;
    char base[41] = "";
    if (strcmp(good->id, bad->id) == 0) {
        return prf_fail(err, PRF_EUSAGE, "good and bad are the same commit %.*s",
                        PRF_BISECT_ID, good->id);
    }
    int rc = prf_vcs_merge_base(".", good->id, bad->id, base, err);
    if (rc < 0) {
        return rc;
    }
    if (strcmp(base, bad->id) == 0) {
        return prf_fail(
            err, PRF_EUSAGE,
            "the good commit '%s' comes after the bad one '%s': swap --good "
            "and --bad",
            o->good, o->bad);
    }
    if (strcmp(base, good->id) != 0) {
        return prf_fail(
            err, PRF_EUSAGE,
            "the good commit '%s' is no ancestor of the bad one '%s'; their "
            "merge base is %.*s: is that one good?",
            o->good, o->bad, PRF_BISECT_ID, base);
    }
    return 0;
}

/* The line of first parents from `good` to `bad`: each commit holds the ones before it,
   so that there is one step and not one for each branch. */
static int
bisect_read_line(struct prf_bisector *b, const char *good, const char *bad,
                 struct prf_bisect_line *line, struct prf_error *err)
{
    struct prf_strbuf range = PRF_STRBUF_INIT;
    struct prf_arena *arena = &b->model.arena;
    int rc = prf_vcs_revision(".", good, arena, &line->good, err);
    prf_strbuf_addf(&range, "%s..%s", line->good.id == NULL ? "" : line->good.id, bad);
    if (rc == 0) {
        rc = prf_vcs_range(".", prf_strbuf_text(&range), PRF_RANGE_FIRST_PARENT, arena,
                           &line->commits, err);
    }
    prf_strbuf_release(&range);
    return rc < 0 || line->commits.n == 0 ? rc : prf_bisect_show(b, line, err);
}

/* ---- merges ---- */

/* Looks for what came in by parent number `k` of the merge that was found. 1: there is
   no such parent; 0: `answer` may be better now. */
static int
bisect_look_into(struct prf_bisector *b, size_t metric, size_t k,
                 struct prf_bisect_answer *answers, struct prf_error *err)
{
    struct prf_bisect_answer *answer = &answers[metric];
    const struct prf_history_commit *merge = answer->candidates;
    struct prf_error ignored = {0};
    struct prf_bisect_line line = {0};
    char parent[41], first[41], base[41], name[64];
    snprintf(name, sizeof name, "%.40s^%zu", merge->id, k);
    if (prf_vcs_resolve(".", name, parent, &ignored) < 0) {
        return 1;
    }
    prf_error_clear(&ignored);
    snprintf(name, sizeof name, "%.40s^1", merge->id);
    if (prf_vcs_resolve(".", name, first, &ignored) < 0 ||
        prf_vcs_merge_base(".", first, parent, base, &ignored) < 0 ||
        strcmp(base, parent) == 0) {
        return 0; /* histories without a common commit: the merge is the answer */
    }
    bool *wanted = prf_arena_alloc(&b->model.arena, b->n_metrics * sizeof *wanted);
    struct prf_bisect_answer *inner =
        prf_arena_alloc(&b->model.arena, b->n_metrics * sizeof *inner);
    if (wanted == NULL || inner == NULL) {
        return prf_fail(err, PRF_ENOMEM, "out of memory");
    }
    wanted[metric] = true;
    line.wanted = wanted;
    int rc = bisect_read_line(b, base, parent, &line, err);
    if (rc < 0 || line.commits.n == 0) {
        return rc;
    }
    if (b->options.general.quiet == 0) {
        fprintf(stderr, "pyprofiler: %.*s is a merge: looking at %zu commit%s of %s\n",
                PRF_BISECT_ID, merge->id, line.commits.n,
                line.commits.n == 1 ? "" : "s", name);
    }
    struct prf_error why = {0};
    rc = prf_bisect_search(b, &line, inner, &why);
    if (rc == PRF_EUNAVAILABLE) {
        return 0; /* its base cannot be measured: the merge is the answer */
    }
    if (rc < 0) {
        return prf_fail(err, rc, "%s", why.text);
    }
    if (inner[metric].outcome == PRF_BISECT_FOUND) {
        inner[metric].merge = answer->merge != NULL ? answer->merge : merge;
        *answer = inner[metric];
    }
    return 0;
}

/* A merge that made the step may have brought it in. */
static int
bisect_descend(struct prf_bisector *b, size_t metric, struct prf_bisect_answer *answers,
               struct prf_error *err)
{
    struct prf_bisect_answer *a = &answers[metric];
    int rc = 0;
    for (size_t k = 2; rc == 0 && a->outcome == PRF_BISECT_FOUND &&
                       a->n_candidates == 1 && b->model.stopped == NULL;
         k++) {
        const char *found = a->candidates->id;
        rc = bisect_look_into(b, metric, k, answers, err);
        if (rc == 0 && strcmp(found, a->candidates->id) != 0) {
            k = 1; /* the one inside may be a merge too */
        }
    }
    return rc > 0 ? 0 : rc;
}

/* ---- the command ---- */

static int
bisect_choose_metrics(struct prf_bisector *b, bool *wanted, struct prf_error *err)
{
    const struct prf_strlist *asked = &b->options.metrics;
    struct prf_strbuf known = PRF_STRBUF_INIT;
    int rc = 0;
    for (size_t i = 0; i < b->n_metrics; i++) {
        prf_strbuf_addf(&known, "%s%s", i > 0 ? ", " : "", b->metrics[i].name);
    }
    if (b->n_metrics == 0) {
        rc = prf_fail(err, PRF_EUNAVAILABLE,
                      "profiler '%s' gives no metric of the case", b->model.profiler);
    } else if (asked->n == 0) {
        wanted[0] = true;
    }
    for (size_t i = 0; rc == 0 && i < asked->n; i++) {
        bool found = false;
        for (size_t k = 0; k < b->n_metrics; k++) {
            if (strcmp(asked->items[i], b->metrics[k].name) == 0) {
                wanted[k] = found = true;
            }
        }
        if (!found) {
            rc = prf_fail(err, PRF_EUSAGE, "no metric '%s'; there is: %s",
                          asked->items[i], prf_strbuf_text(&known));
        }
    }
    prf_strbuf_release(&known);
    return rc;
}

static void
bisect_describe(struct prf_bisector *b, const struct prf_bisect_line *line, int argc,
                char **argv)
{
    struct prf_strbuf command = PRF_STRBUF_INIT;
    const struct prf_run *run = &b->run.run->run;
    struct prf_bisection *m = &b->model;
    m->setting = (struct prf_history_setting){
        .machine = run->machine.fingerprint,
        .hostname = run->machine.hostname,
        .cpu = run->machine.cpu,
        .python = run->python.version,
        .implementation = run->python.implementation,
        .flags = run->python.flags,
        .host = run->python.host,
    };
    prf_strbuf_adds(&command, argc > 1 ? "pyprofiler bisect " : "pyprofiler bisect");
    prf_shell_add_words(&command, argv + 1, (size_t)argc - 1);
    m->command = prf_arena_strdup(&m->arena, prf_strbuf_text(&command));
    prf_strbuf_release(&command);
    m->good = line->shown[0];
    m->bad = line->shown[line->commits.n];
    m->n_commits = line->commits.n;
    m->first_parent = b->options.first_parent;
}

static int
bisect_find(struct prf_bisector *b, struct prf_bisect_line *line, struct prf_error *err)
{
    struct prf_bisection *m = &b->model;
    int rc = prf_bisect_probe(b, &line->good, err);
    if (rc < 0) {
        return rc;
    }
    bool *wanted = prf_arena_alloc(&m->arena, (b->n_metrics + 1) * sizeof *wanted);
    struct prf_bisect_answer *answers = calloc(b->n_metrics + 1, sizeof *answers);
    m->answers = answers;
    rc = wanted == NULL || answers == NULL ? prf_fail(err, PRF_ENOMEM, "out of memory")
                                           : bisect_choose_metrics(b, wanted, err);
    line->wanted = wanted;
    if (rc == 0) {
        rc = prf_bisect_search(b, line, answers, err);
    }
    for (size_t i = 0; rc == 0 && !m->first_parent && i < b->n_metrics; i++) {
        rc = wanted[i] ? bisect_descend(b, i, answers, err) : 0;
    }
    for (size_t i = 0; answers != NULL && wanted != NULL && i < b->n_metrics; i++) {
        if (answers[i].metric != NULL) {
            answers[m->n_answers++] = answers[i];
        }
    }
    return rc;
}

static int
bisect_go(struct prf_bisector *b, const struct bisect_words *w, int argc, char **argv,
          struct prf_error *err)
{
    struct prf_bisect_options *o = &b->options;
    struct prf_revision good = {0}, bad = {0};
    struct prf_bisect_line line = {0};
    struct prf_measuring_request request = {
        .argc = w->argc,
        .argv = w->argv,
        .whole_argc = argc,
        .whole_argv = argv,
        .groups = bisect_configurable,
        .layers = &b->layers,
        .target = o,
        .options = &o->measuring,
        .store = o->store,
        .many_processes = true,
        .max_trees = BISECT_TREES,
    };
    int rc = prf_vcs_revision(".", o->good, &b->model.arena, &good, err);
    if (rc == 0) {
        rc = prf_vcs_revision(".", o->bad, &b->model.arena, &bad, err);
    }
    if (rc == 0) {
        rc = bisect_check_order(b, &good, &bad, err);
    }
    if (rc == 0) {
        rc = bisect_read_line(b, good.id, bad.id, &line, err);
    }
    if (rc == 0) {
        rc = prf_interrupt_install(err);
    }
    if (rc == 0) {
        rc = prf_measuring_begin(&b->run, &request, err);
    }
    if (rc == 0 && b->run.setup.n_profilers != 1) {
        rc = prf_fail(err, PRF_EUSAGE, "bisect takes one profiler, not %zu",
                      b->run.setup.n_profilers);
    }
    if (rc == 0) {
        b->started_ns = prf_wall_ns();
        bisect_describe(b, &line, argc, argv);
        rc = bisect_find(b, &line, err);
        b->model.duration_ns = prf_wall_ns() - b->started_ns;
    }
    if (rc == PRF_EINTERRUPTED) {
        b->model.interrupted = true;
        b->model.stopped = "interrupted";
    }
    return rc;
}

static int
bisect_write(struct prf_bisector *b, struct prf_error *err)
{
    const struct prf_bisect_options *o = &b->options;
    struct prf_document document = {0};
    int rc = prf_document_open(&document, o->output, o->force ? PRF_DOCUMENT_FORCE : 0u,
                               err);
    if (rc < 0) {
        return rc;
    }
    struct prf_style style = prf_say_style(&o->general, document.file);
    if (strcmp(o->format, "json") == 0) {
        rc = prf_bisect_json(&b->model, document.file, err);
    } else {
        prf_bisect_text(&b->model, &style, document.file);
    }
    if (rc == 0) {
        rc = prf_document_commit(&document, err);
    }
    prf_document_close(&document);
    return rc;
}

static int
bisect_exit(const struct prf_bisector *b)
{
    for (size_t i = 0; i < b->model.n_answers; i++) {
        if (b->model.answers[i].outcome == PRF_BISECT_FOUND && !b->model.interrupted) {
            return PRF_EXIT_OK;
        }
    }
    return b->model.interrupted ? PRF_EXIT_INTERRUPTED : PRF_EXIT_FAILED;
}

static int
bisect_main(const struct prf_command *self, int argc, char **argv)
{
    struct prf_bisector b = {0};
    struct bisect_words words = {0};
    struct prf_error err = {0};
    int code = PRF_EXIT_OK;
    int rc = bisect_parse(&b, self, argc, argv, &words, &err);
    if (rc >= 0 && b.options.general.help) {
        prf_say_help(stdout, self, "pyprofiler bisect");
        goto out;
    }
    if (rc >= 0 && b.options.output != NULL) {
        rc = prf_document_check(b.options.output,
                                b.options.force ? PRF_DOCUMENT_FORCE : 0u, &err);
    }
    if (rc >= 0) {
        rc = bisect_go(&b, &words, argc, argv, &err);
    }
    if (rc == 0 || (rc == PRF_EINTERRUPTED && b.model.case_id != NULL)) {
        prf_error_clear(&err);
        rc = bisect_write(&b, &err);
        code = bisect_exit(&b);
    } else if (rc == PRF_EUNAVAILABLE) {
        prf_say_error(&err); /* nothing to be found where the good end has no value */
        code = PRF_EXIT_FAILED;
        rc = 0;
    }
    code = rc < 0 ? prf_say_error(&err) : code;
out:
    prf_bisect_close_sides(&b);
    prf_measuring_end(&b.run);
    prf_bisection_release(&b.model);
    bisect_words_release(&words);
    prf_groups_release(self->groups, &b.options);
    return code;
}

const struct prf_command prf_cmd_bisect = {
    .name = "bisect",
    .summary = "which commit made a case slower",
    .usage = "[OPTIONS] CASE --good COMMIT [--bad COMMIT] [-- WORDS OF run]",
    .about =
        "Measures a case at commits between a good and a bad one, each beside the good "
        "one and as often as the noise asks for, until it is clear which commit made "
        "the step. Commits that cannot be measured are skipped. What was measured is "
        "stored: a bisection that was stopped goes on when it is started again.",
    .groups = bisect_groups,
    .run = bisect_main,
};
