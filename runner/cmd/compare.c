/* pyprofiler compare: did it get slower or bigger between two sides? Reads both sides,
   judges each metric of each case, renders the verdicts. */
#include "compare.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "compare_gate.h"
#include "compare_report.h"
#include "hosting.h"
#include "select.h"
#include "select_stored.h"

#define AT(field) offsetof(struct prf_compare_options, field)

static const struct prf_option compare_selection[] = {
    {PRF_OPT_STRING, 'k', "keyword", NULL, AT(keyword), .unit = "EXPR",
     .help = "only cases whose id fits: words, and, or, not, parentheses"},
    {PRF_OPT_STRING, 'p', "profiler", NULL, AT(profiler), .unit = "NAME",
     .help = "only results of this profiler"},
    {PRF_OPT_LIST, 'm', "metric", "metrics", AT(metrics), .unit = "NAMES",
     .help = "only these metrics; may be repeated"},
    {PRF_OPT_FLAG, 0, "across-machines", NULL, AT(across_machines),
     .help = "compare results of different machines or interpreters too, and say what "
             "differs"},
    PRF_OPTIONS_END,
};

static const struct prf_option compare_baselines[] = {
    {PRF_OPT_STRING, 0, "baseline", NULL, AT(baseline), .unit = "NAME",
     .help = "the base is what was saved under that name"},
    {PRF_OPT_STRING, 0, "baseline-lenient", NULL, AT(baseline_lenient), .unit = "NAME",
     .help = "the same; without one of that name nothing is compared"},
    {PRF_OPT_STRING, 0, "save-baseline", NULL, AT(save_baseline), .unit = "NAME",
     .help = "save the results of the new side under that name"},
    PRF_OPTIONS_END,
};

static const struct prf_option compare_judging[] = {
    {PRF_OPT_STRING, 0, "threshold", NULL, AT(threshold), .unit = "PERCENT",
     .help = "smaller changes are not reported: 5% or 0.05 [2%; of counts 0.5%]"},
    {PRF_OPT_STRING, 0, "alpha", NULL, AT(alpha), .def = "1%", .unit = "PERCENT",
     .help = "rate of false alarms among all that is reported"},
    {PRF_OPT_UINT, 0, "seed", NULL, AT(seed), .def = "1", .unit = "N",
     .help = "of the resampling: the same seed gives the same intervals"},
    PRF_OPTIONS_END,
};

static const struct prf_option compare_report[] = {
    {PRF_OPT_FLAG, 0, "only-changed", NULL, AT(only_changed),
     .help = "leave out what is the same, within noise or inconclusive"},
    {PRF_OPT_CHOICE, 0, "sort", NULL, AT(sort), .def = "case",
     .choices = "case|metric|change|p|value",
     .help = "order of the list; change: largest first"},
    {PRF_OPT_STRING, 0, "format", NULL, AT(format), .unit = "FORMAT",
     .help = "see below; without it the extension of the output file decides"},
    {PRF_OPT_STRING, 'o', "output", NULL, AT(output), .unit = "FILE",
     .help = "write the report there; -: standard output"},
    {PRF_OPT_FLAG, 'f', "force", NULL, AT(force), .help = "overwrite the output file"},
    {PRF_OPT_FLAG, 0, "exit-zero", NULL, AT(exit_zero),
     .help = "exit with 0 also when something got worse"},
    PRF_OPTIONS_END,
};

static const struct prf_option compare_store[] = {
    {PRF_OPT_STRING, 0, "store", NULL, AT(store), .unit = "FILE",
     .help = "where the results are [.pyprofiler/results.db at the repository's root]"},
    PRF_OPTIONS_END,
};

static const struct prf_option_group compare_groups[] = {
    {"selection", compare_selection, 0},
    {"baselines", compare_baselines, 0},
    {"judging", compare_judging, 0},
    {"report", compare_report, 0},
    {"store", compare_store, 0},
    {"where it changed", prf_compare_where_table, AT(where)},
    /* a group of another file: one line here, its options in struct prf_compare_options
     */
    {"measuring", prf_compare_run_table, AT(measure)},
    {"sides that are measured", prf_measuring_table, AT(measuring)},
    {"git bisect", prf_compare_bisect_table, AT(bisect)},
    {"general", prf_general_table, AT(general)},
    {NULL},
};

/* What [tool.pyprofiler] and the environment may say of a comparison. */
static const struct prf_option_group compare_configurable[] = {
    {"judging", compare_judging, 0},
    {"store", compare_store, 0},
    {NULL},
};

/* --- the command line ------------------------------------------------------------- */

int
prf_compare_ratio(const char *option, const char *text, double *out,
                  struct prf_error *err)
{
    char *end = NULL;
    double value = strtod(text, &end);
    bool percent = end != text && strcmp(end, "%") == 0;
    bool plain = end != text && *end == '\0';
    *out = percent ? value / 100.0 : value;
    if ((percent || plain) && *out >= 0.0 && *out < 1.0) { /* not of a NaN either */
        return 0;
    }
    return prf_fail(err, PRF_EUSAGE,
                    "--%s takes a share below 100%%, as '5%%' or '0.05', not '%s'",
                    option, text);
}

static int
compare_rules(struct prf_comparing *c, struct prf_error *err)
{
    struct prf_change_rules *rules = &c->comparison.rules;
    int rc = 0;
    *rules = (struct prf_change_rules){.threshold = PRF_THRESHOLD,
                                       .threshold_count = PRF_THRESHOLD_COUNT,
                                       .seed = c->options.seed};
    if (c->options.threshold != NULL) {
        rules->threshold_count = 0.0;
        rc = prf_compare_ratio("threshold", c->options.threshold, &rules->threshold,
                               err);
    }
    if (rc == 0) {
        rc = prf_compare_ratio("alpha", c->options.alpha, &rules->alpha, err);
    }
    if (rc == 0 && rules->alpha == 0.0) {
        rc = prf_fail(err, PRF_EUSAGE, "--alpha must be more than 0");
    }
    return rc;
}

/* What follows "--" is for run. */
static int
compare_split(struct prf_comparing *c, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--") == 0) {
            c->run_argc = argc - i - 1;
            c->run_argv = argv + i + 1;
            return i;
        }
    }
    return argc;
}

static int
compare_parse(struct prf_comparing *c, const struct prf_command *self, int argc,
              char **argv, struct prf_error *err)
{
    struct prf_compare_options *o = &c->options;
    int rc = prf_groups_defaults(self->groups, o, err);
    if (rc == 0) {
        rc = prf_args_parse(compare_split(c, argc, argv), argv, self->groups,
                            &c->layers, o, c->words, 2, err);
    }
    prf_compare_bisect_prepare(c);
    if (rc < 0 || o->general.help) {
        return rc;
    }
    if (o->baseline != NULL && o->baseline_lenient != NULL) {
        return prf_fail(err, PRF_EUSAGE,
                        "--baseline and --baseline-lenient exclude each other");
    }
    if (o->baseline != NULL || o->baseline_lenient != NULL) {
        if (c->words[1] != NULL) {
            return prf_fail(err, PRF_EUSAGE,
                            "unexpected word '%s': the base is the baseline",
                            c->words[1]);
        }
        c->words[1] = c->words[0];
        c->words[0] = NULL;
    } else if (c->words[0] == NULL) {
        return prf_fail(
            err, PRF_EUSAGE,
            "compare with what? give BASE: a revision, a run, or --baseline "
            "NAME; see --help");
    }
    if (c->options.measure.run && c->words[0] == NULL) {
        return prf_fail(err, PRF_EUSAGE,
                        "--run measures BASE now, and a baseline cannot be measured");
    }
    if (!c->options.measure.run && c->run_argv != NULL) {
        return prf_fail(err, PRF_EUSAGE, "words after '--' are for --run");
    }
    return o->keyword == NULL ? 0 : prf_select_check(o->keyword, err);
}

/* Where the repository and its store are. */
static int
compare_places(struct prf_comparing *c, struct prf_error *err)
{
    c->root = prf_hosting_root(".");
    c->store_path = c->root == NULL ? NULL : prf_stored_path(c->options.store, c->root);
    return c->store_path == NULL ? prf_fail(err, PRF_ENOMEM, "out of memory") : 0;
}

/* The table, and what it and the environment say. */
static int
compare_configure(struct prf_comparing *c, struct prf_error *err)
{
    int rc = prf_hosting_configure_table(compare_configurable, &c->layers, &c->options,
                                         &c->config, &c->pyproject, err);
    if (rc == 0) {
        rc = compare_places(c, err);
    }
    if (rc == 0) {
        rc = compare_rules(c, err);
    }
    return rc < 0 ? rc : prf_compare_check(c, err);
}

/* --- read --------------------------------------------------------------------------
 */

static int
compare_open(struct prf_comparing *c, struct prf_error *err)
{
    struct prf_error why = {0};
    int rc = prf_store_open(c->store_path, PRF_STORE_READ, &c->store, &why);
    if (rc == PRF_ENOTFOUND && c->options.baseline_lenient != NULL) {
        return 0; /* then there is no baseline either */
    }
    if (rc == PRF_ENOTFOUND) {
        return prf_fail(err, rc, "no store at '%s'; pyprofiler-run makes it",
                        c->store_path);
    }
    return rc < 0 ? prf_fail(err, rc, "%s", why.text) : 0;
}

static int
compare_read(struct prf_comparing *c, struct prf_error *err)
{
    const struct prf_compare_options *o = &c->options;
    struct prf_sides_words words = {
        .base = c->words[0],
        .next = c->words[1],
        .baseline = o->baseline != NULL ? o->baseline : o->baseline_lenient,
        .lenient = o->baseline_lenient != NULL,
        .folder = ".",
    };
    struct prf_sides_filter filter = {.keyword = o->keyword,
                                      .profiler = prf_stored_profiler(o->profiler),
                                      .metrics = &o->metrics,
                                      .across_machines = o->across_machines};
    int rc = prf_sides_resolve(c->store, &words, &c->sides, err);
    if (rc < 0 || c->sides.no_baseline) {
        return rc;
    }
    return prf_sides_compare(c->store, &c->sides, &filter, &c->comparison, err);
}

/* --- the baseline ------------------------------------------------------------------
 */

/* Runs of the new side; ends with NULL, the caller's with what it points to borrowed
   from `results`. */
static const char **
compare_runs(const struct prf_side_results *results)
{
    const char **ids = calloc(results->n_runs + 1, sizeof *ids);
    for (size_t i = 0, n = 0; ids != NULL && i < results->n_runs; i++) {
        ids[n++] = results->runs[i].id;
    }
    return ids;
}

/* What NEW is. The reading connection cannot write. */
static int
compare_save(struct prf_comparing *c, struct prf_error *err)
{
    const char *name = c->options.save_baseline;
    const char *const *runs = c->comparison.next.runs;
    struct prf_side_query query = {.kind = c->sides.next.kind, .id = c->sides.next.id};
    struct prf_side_results results = {0};
    const char **found = NULL;
    struct prf_store *store = NULL;
    int rc = c->sides.next.id == NULL
                 ? prf_fail(err, PRF_ENOTFOUND,
                            "baseline '%s' is not saved: there is no new side", name)
                 : prf_store_open(c->store_path, PRF_STORE_WRITE, &store, err);
    if (rc == 0 && (runs == NULL || runs[0] == NULL)) {
        rc = prf_store_side(store, &query, &results, err);
        runs = found = rc < 0 ? NULL : compare_runs(&results);
    }
    if (rc == 0) {
        rc = prf_store_save_baseline(store, name, runs, err);
    }
    if (rc == 0 && c->options.general.quiet == 0) {
        fprintf(stderr, "pyprofiler: saved as baseline '%s'\n", name);
    }
    free(found);
    prf_side_results_release(&results);
    prf_store_close(store);
    return rc;
}

/* --- the command -------------------------------------------------------------------
 */

/* Read, judge, render. 1: there is nothing to say but the exit code. */
static int
compare_go(struct prf_comparing *c, int argc, char **argv, struct prf_error *err)
{
    bool run = c->options.measure.run;
    int rc = run ? prf_compare_run(c, argc, argv, err) : compare_open(c, err);
    if (rc == 0 && !run) {
        rc = compare_read(c, err);
    }
    bool empty = c->sides.no_baseline || (run && c->comparison.items == NULL);
    if (rc == 0 && !empty) {
        rc = prf_compare_judge(c, err);
        rc = rc < 0 ? rc : prf_compare_where(c, err);
        rc = rc < 0 ? rc : prf_compare_write(c, err);
    }
    if (rc == 0 && c->options.save_baseline != NULL) {
        rc = compare_save(c, err);
    }
    return rc;
}

/* Notes that no report has told. */
static void
compare_say_notes(const struct prf_comparing *c)
{
    for (size_t i = 0; i < c->sides.notes.n; i++) {
        fprintf(stderr, "pyprofiler: %s\n", c->sides.notes.items[i]);
    }
}

static int
compare_exit(const struct prf_comparing *c)
{
    const struct prf_comparison *comparison = &c->comparison;
    if (c->run_exit >= 0) {
        return c->run_exit;
    }
    if (c->sides.no_baseline) {
        compare_say_notes(c);
        return PRF_EXIT_OK;
    }
    bool worse = prf_comparison_regressions(comparison) > 0 ||
                 prf_comparison_broken(comparison) > 0;
    bool fails = worse && !c->options.exit_zero;
    if (prf_compare_count(comparison) == 0) {
        prf_compare_say_nothing(c);
        return fails ? PRF_EXIT_REGRESSION : PRF_EXIT_NOTHING;
    }
    return fails ? PRF_EXIT_REGRESSION : PRF_EXIT_OK;
}

static void
compare_help(const struct prf_command *self)
{
    prf_say_help(stdout, self, "pyprofiler compare");
    fputs("\nformats:\n", stdout);
    for (size_t i = 0; prf_compare_formats[i] != NULL; i++) {
        printf("  %-14s %s\n", prf_compare_formats[i]->name,
               prf_compare_formats[i]->summary);
    }
    prf_compare_diff_help(stdout);
}

static int
compare_main(const struct prf_command *self, int argc, char **argv)
{
    struct prf_comparing c = {0};
    struct prf_error err = {0};
    int code = PRF_EXIT_OK;
    int rc = compare_parse(&c, self, argc, argv, &err);
    if (rc >= 0 && c.options.general.help) {
        compare_help(self);
        goto out;
    }
    c.run_exit = -1;
    if (rc >= 0) {
        rc = compare_configure(&c, &err);
    }
    if (rc >= 0) {
        rc = compare_go(&c, argc, argv, &err);
    }
    code = rc < 0 ? prf_say_error(&err) : rc > 0 ? PRF_EXIT_OK : compare_exit(&c);
    if (c.options.bisect.bisect || prf_compare_is_bisect(argc, argv)) {
        code = prf_compare_bisect_exit(&c, rc);
    }
out:
    prf_comparison_release(&c.comparison);
    prf_sides_release(&c.sides);
    prf_store_close(c.store);
    free(c.root);
    free(c.store_path);
    free(c.pyproject);
    json_decref(c.config);
    prf_groups_release(self->groups, &c.options);
    return code;
}

const struct prf_command prf_cmd_compare = {
    .name = "compare",
    .summary = "what got slower or bigger between two commits, runs or baselines",
    .usage = "[OPTIONS] BASE [NEW] [-- WORDS OF run]",
    .about =
        "Compares stored results of two sides and gives a verdict for each metric of "
        "each "
        "case. A side is a revision as git takes it, the start of a run's id, wip or "
        "wip~N for the latest dirty work trees, or a baseline; A..B is A B, A...B is "
        "the "
        "merge base of both and B. Without NEW: the work tree as it is.",
    .groups = compare_groups,
    .run = compare_main,
};
