/* pyprofiler history: the values of a case over the commits. Reads the commits of a
   range and what is stored of them, finds the steps, renders. */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "compare.h"
#include "document.h"
#include "history_report.h"
#include "hosting.h"
#include "pick_series.h"
#include "say.h"
#include "select_stored.h"
#include "strbuf.h"
#include "vcs.h"

#define HISTORY_WORDS 32

struct history_options {
    char *keyword, *profiler;
    struct prf_strlist metrics;
    bool first_parent, across_machines, wip, force;
    char *threshold, *alpha, *format, *output, *time_unit, *store;
    uint64_t rows;
    struct prf_general_options general;
};

#define AT(field) offsetof(struct history_options, field)

static const struct prf_option history_selection[] = {
    {PRF_OPT_STRING, 'k', "keyword", NULL, AT(keyword), .unit = "EXPR",
     .help = "all cases whose id fits: words, and, or, not, parentheses; then every "
             "word is of the range"},
    {PRF_OPT_STRING, 'p', "profiler", NULL, AT(profiler), .unit = "NAME",
     .help = "results of this profiler; needed where there are several, none of them "
             "stopwatch"},
    {PRF_OPT_LIST, 'm', "metric", "metrics", AT(metrics), .unit = "NAMES",
     .help = "these metrics instead of the profiler's first"},
    {PRF_OPT_FLAG, 0, "first-parent", NULL, AT(first_parent),
     .help = "leave out what came in by merges"},
    {PRF_OPT_FLAG, 0, "wip", NULL, AT(wip),
     .help = "show dirty work trees too, behind their commits"},
    {PRF_OPT_FLAG, 0, "across-machines", NULL, AT(across_machines),
     .help =
         "show results of other machines, interpreters and options too, each on its "
         "own, and say what differs"},
    PRF_OPTIONS_END,
};

static const struct prf_option history_judging[] = {
    {PRF_OPT_STRING, 0, "threshold", NULL, AT(threshold), .def = "2%",
     .unit = "PERCENT", .help = "smaller steps are not reported: 5% or 0.05"},
    {PRF_OPT_STRING, 0, "alpha", NULL, AT(alpha), .def = "1%", .unit = "PERCENT",
     .help = "rate of false alarms of a history"},
    PRF_OPTIONS_END,
};

static const struct prf_option history_report[] = {
    {PRF_OPT_STRING, 0, "format", NULL, AT(format), .unit = "FORMAT",
     .help = "see below; without it the extension of the output file decides"},
    {PRF_OPT_UINT, 'n', "rows", NULL, AT(rows), .def = "20", .unit = "N",
     .help = "rows of the table in text and markdown, the newest; 0: all"},
    {PRF_OPT_CHOICE, 0, "time-unit", "units", AT(time_unit), .choices = "s|ms|us|ns",
     .help = "unit of times; what fits without it"},
    {PRF_OPT_STRING, 'o', "output", NULL, AT(output), .unit = "FILE",
     .help = "write there; -: standard output"},
    {PRF_OPT_FLAG, 'f', "force", NULL, AT(force), .help = "overwrite the output file"},
    PRF_OPTIONS_END,
};

static const struct prf_option history_store[] = {
    {PRF_OPT_STRING, 0, "store", NULL, AT(store), .unit = "FILE",
     .help = "where the results are [.pyprofiler/results.db at the repository's root]"},
    PRF_OPTIONS_END,
};

static const struct prf_option_group history_groups[] = {
    {"selection", history_selection, 0},
    {"steps", history_judging, 0},
    {"report", history_report, 0},
    {"store", history_store, 0},
    {"general", prf_general_table, AT(general)},
    {NULL},
};

static const struct prf_option_group history_configurable[] = {
    {"steps", history_judging, 0},
    {"store", history_store, 0},
    {NULL},
};

/* A history in the making. */
struct historian {
    struct history_options options;
    struct prf_layers layers;
    const char *words[HISTORY_WORDS];
    struct prf_strbuf range;
    struct prf_store *store;
    struct prf_series_picks series;
    struct prf_arena arena; /* of the commits */
    struct prf_history_commit *commits;
    size_t n_commits;
    struct history_found {
        const char *id;
        size_t at;
    } * found; /* commits by id */
    struct prf_history history;
    const struct prf_series_pick *now; /* the series that is read */
    char last_elsewhere[64];           /* a result is counted once */
};

/* ---- commits ---- */

static int
history_by_id(const void *a, const void *b)
{
    return strcmp(((const struct history_found *)a)->id,
                  ((const struct history_found *)b)->id);
}

static size_t
history_find(const struct historian *hs, const char *id)
{
    struct history_found key = {id, 0};
    const struct history_found *found =
        id == NULL ? NULL
                   : bsearch(&key, hs->found, hs->n_commits, sizeof key, history_by_id);
    return found == NULL ? PRF_HISTORY_NONE : found->at;
}

/* Commits that are not on the line of first parents: a neighbour in the list is not
   their parent. */
static int
history_mark_aside(struct historian *hs, struct prf_error *err)
{
    struct prf_revisions line = {0};
    int rc = prf_vcs_range(".", prf_strbuf_text(&hs->range), PRF_RANGE_FIRST_PARENT,
                           &hs->arena, &line, err);
    for (size_t i = 0; rc == 0 && i < hs->n_commits; i++) {
        hs->commits[i].aside = true;
    }
    for (size_t i = 0; rc == 0 && i < line.n; i++) {
        size_t at = history_find(hs, line.items[i].id);
        if (at != PRF_HISTORY_NONE) {
            hs->commits[at].aside = false;
        }
    }
    return rc;
}

static int
history_read_commits(struct historian *hs, struct prf_error *err)
{
    bool first_parent = hs->options.first_parent;
    struct prf_revisions all = {0};
    int rc = prf_vcs_range(".", prf_strbuf_text(&hs->range),
                           first_parent ? PRF_RANGE_FIRST_PARENT : 0u, &hs->arena, &all,
                           err);
    if (rc < 0) {
        return rc;
    }
    hs->commits = prf_arena_alloc(&hs->arena, (all.n + 1) * sizeof *hs->commits);
    hs->found = prf_arena_alloc(&hs->arena, (all.n + 1) * sizeof *hs->found);
    if (hs->commits == NULL || hs->found == NULL) {
        return prf_fail(err, PRF_ENOMEM, "out of memory");
    }
    hs->n_commits = all.n;
    for (size_t i = 0; i < all.n; i++) {
        const struct prf_revision *r = &all.items[i];
        hs->commits[i] = (struct prf_history_commit){.id = r->id,
                                                     .summary = r->summary,
                                                     .author = r->author,
                                                     .tags = r->tags,
                                                     .time = r->time};
        hs->found[i] = (struct history_found){r->id, i};
    }
    qsort(hs->found, all.n, sizeof *hs->found, history_by_id);
    return first_parent ? 0 : history_mark_aside(hs, err);
}

/* ---- values ---- */

static int
history_take(const struct prf_point *p, void *arg)
{
    struct historian *hs = arg;
    size_t commit = history_find(hs, p->commit);
    if (commit == PRF_HISTORY_NONE) {
        bool again = strcmp(hs->last_elsewhere, p->result_id) == 0;
        hs->history.n_elsewhere += !again;
        snprintf(hs->last_elsewhere, sizeof hs->last_elsewhere, "%s", p->result_id);
        return 0;
    }
    if (p->metric != NULL && p->n_samples == 0) {
        return 0; /* only declared */
    }
    struct prf_history_value value = {
        .case_id = hs->now->case_id,
        .profiler = hs->now->profiler,
        .metric = p->status == PRF_STATUS_OK ? p->metric : NULL,
        .unit = p->unit,
        .better = p->better,
        .samples = p->samples,
        .n = p->status == PRF_STATUS_OK ? p->n_samples : 0,
        .commit = commit,
        .tree = !p->dirty         ? NULL
                : p->tree == NULL ? "not known"
                                  : p->tree,
        .setting = {.machine = p->fingerprint,
                    .hostname = p->hostname,
                    .cpu = p->cpu,
                    .python = p->version,
                    .implementation = p->implementation,
                    .flags = p->flags,
                    .host = p->host,
                    .options = p->options},
        .case_hash = p->case_hash,
        .result_id = p->result_id,
        .status = prf_status_name(p->status),
        .started_ns = p->started_ns,
    };
    return prf_history_add(&hs->history, &value, NULL);
}

static int
history_read_values(struct historian *hs, struct prf_error *err)
{
    int rc = prf_history_begin(&hs->history, hs->commits, hs->n_commits, err);
    hs->history.range = prf_strbuf_text(&hs->range);
    hs->history.first_parent = hs->options.first_parent;
    for (size_t i = 0; rc == 0 && i < hs->series.n; i++) {
        hs->now = &hs->series.items[i];
        rc = prf_store_points(hs->store, hs->now->case_id, hs->now->profiler,
                              history_take, hs, err);
    }
    return rc < 0 ? prf_fail(err, rc, "out of memory") : rc;
}

static int
history_finish(struct historian *hs, struct prf_error *err)
{
    const struct prf_strlist *asked = &hs->options.metrics;
    const char **metrics =
        prf_arena_alloc(&hs->arena, (asked->n + 1) * sizeof *metrics);
    struct prf_history_rules rules = {.across_machines = hs->options.across_machines,
                                      .wip = hs->options.wip,
                                      .metrics = asked->n > 0 ? metrics : NULL};
    if (metrics == NULL) {
        return prf_fail(err, PRF_ENOMEM, "out of memory");
    }
    for (size_t i = 0; i < asked->n; i++) {
        metrics[i] = asked->items[i];
    }
    int rc =
        prf_compare_ratio("threshold", hs->options.threshold, &rules.threshold, err);
    if (rc == 0) {
        rc = prf_compare_ratio("alpha", hs->options.alpha, &rules.alpha, err);
    }
    if (rc == 0 && rules.alpha == 0) {
        rc = prf_fail(err, PRF_EUSAGE, "--alpha must be more than 0");
    }
    return rc < 0 ? rc : prf_history_finish(&hs->history, &rules, err);
}

/* ---- the command ---- */

static int
history_write(struct historian *hs, struct prf_error *err)
{
    const struct history_options *o = &hs->options;
    const struct prf_history_format *format = NULL;
    struct prf_document document = {0};
    int rc = prf_history_format_find(o->format, o->output, &format, err);
    if (rc == 0) {
        rc = prf_document_open(&document, o->output, o->force ? PRF_DOCUMENT_FORCE : 0u,
                               err);
    }
    if (rc < 0) {
        return rc;
    }
    struct prf_style style = prf_say_style(&o->general, document.file);
    struct prf_history_options options = {
        .style = &style, .time_unit = o->time_unit, .n_rows = o->rows};
    rc = format->write(&hs->history, &options, document.file, err);
    if (rc == 0) {
        rc = prf_document_commit(&document, err);
    }
    prf_document_close(&document);
    return rc;
}

/* The first word is the case, unless -k says which; the others are the range. */
static int
history_read_words(struct historian *hs, int n, struct prf_error *err)
{
    int first = hs->options.keyword == NULL;
    if (n < first) {
        return prf_fail(err, PRF_EUSAGE,
                        "which case? give the id of one or a part of it, or -k EXPR");
    }
    for (int i = first; i < n; i++) {
        prf_strbuf_addf(&hs->range, "%s%s", i > first ? " " : "", hs->words[i]);
    }
    if (n == first) {
        prf_strbuf_adds(&hs->range, "HEAD");
    }
    return hs->range.failed ? prf_fail(err, PRF_ENOMEM, "out of memory") : 0;
}

static int
history_go(struct historian *hs, struct prf_error *err)
{
    const struct history_options *o = &hs->options;
    const struct prf_history_format *format = NULL;
    struct prf_series_request request = {
        .what = o->keyword == NULL ? hs->words[0] : NULL,
        .keyword = o->keyword,
        .profiler = prf_stored_profiler(o->profiler),
    };
    int rc = prf_history_format_find(o->format, o->output, &format, err);
    if (rc == 0) {
        rc = prf_stored_open(o->store, &hs->store, err);
    }
    if (rc == 0) {
        rc = prf_series_pick(hs->store, &request, &hs->series, err);
    }
    if (rc == 0) {
        rc = history_read_commits(hs, err);
    }
    if (rc == 0) {
        rc = history_read_values(hs, err);
    }
    if (rc == 0) {
        rc = history_finish(hs, err);
    }
    return rc < 0 ? rc : history_write(hs, err);
}

static void
history_help(const struct prf_command *self)
{
    prf_say_help(stdout, self, "pyprofiler history");
    fputs("\nformats:\n", stdout);
    for (size_t i = 0; prf_history_formats[i] != NULL; i++) {
        printf("  %-12s %s\n", prf_history_formats[i]->name,
               prf_history_formats[i]->summary);
    }
}

static int
history_main(const struct prf_command *self, int argc, char **argv)
{
    struct historian hs = {0};
    struct prf_error err = {0};
    int rc = prf_groups_defaults(self->groups, &hs.options, &err);
    if (rc == 0) {
        rc = prf_args_parse(argc, argv, self->groups, &hs.layers, &hs.options, hs.words,
                            HISTORY_WORDS, &err);
    }
    if (rc >= 0 && hs.options.general.help) {
        history_help(self);
        goto out;
    }
    if (rc >= 0) {
        rc = history_read_words(&hs, rc, &err);
    }
    if (rc >= 0) {
        rc = prf_hosting_configure_store(history_configurable, &hs.layers, &hs.options,
                                         &err);
    }
    if (rc >= 0) {
        rc = history_go(&hs, &err);
    }
out:
    prf_history_release(&hs.history);
    prf_series_release(&hs.series);
    prf_arena_release(&hs.arena);
    prf_strbuf_release(&hs.range);
    prf_store_close(hs.store);
    prf_groups_release(self->groups, &hs.options);
    return rc < 0 ? prf_say_error(&err) : PRF_EXIT_OK;
}

const struct prf_command prf_cmd_history = {
    .name = "history",
    .summary = "a case over the commits, and which of them made a step",
    .usage = "[OPTIONS] CASE [RANGE...]",
    .about = "Shows what was stored of a case over the commits of a range, in "
             "topological order, and the steps in it. CASE is a node id or a part of "
             "one that fits only one case; RANGE is what git rev-list takes, HEAD "
             "without it.",
    .groups = history_groups,
    .run = history_main,
};
