/* compare --run: measure both sides, alternately; see compare_run.h. */
#include "compare_run.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "compare.h"
#include "interrupt.h"
#include "keep_tree.h"
#include "measuring.h"
#include "pairs.h"
#include "vcs.h"

#define AT(field) offsetof(struct prf_compare_run_options, field)
#define SECOND_NS 1000000000

const struct prf_option prf_compare_run_table[] = {
    {PRF_OPT_FLAG, 0, "run", NULL, AT(run),
     .help = "measure both sides now, alternately; what follows -- are words of run"},
    {PRF_OPT_DURATION, 0, "max-time", NULL, AT(max_time_ns), .def = "60s",
     .help = "measure no longer than that; 0: until every case has a verdict"},
    {PRF_OPT_UINT, 0, "max-runs", NULL, AT(max_runs), .unit = "N",
     .help = "at most so many processes of each case on each side; 0: no limit"},
    {PRF_OPT_FLAG, 0, "in-place", NULL, AT(in_place),
     .help = "measure the work tree where it is, not a checkout of what it holds"},
    {PRF_OPT_FLAG, 0, "no-store", NULL, AT(no_store),
     .help = "do not keep the results"},
    PRF_OPTIONS_END,
};

struct compare_run {
    struct prf_comparing *c;
    struct prf_measuring_words words;
    struct prf_measure_side *base, *next;
    struct prf_pairs pairs;
    struct prf_progress progress;
    struct prf_error spare; /* the first trouble with the store */
    int64_t started_ns, budget_ns;
    size_t n_max;
    bool interrupted;
};

/* --- the sides -----------------------------------------------------------------------
 */

/* What the work tree holds now is checked out as the other side is: on another file
   system, or under another path, the same code takes another time. */
static int
compare_run_work_tree(struct compare_run *r, const struct prf_side *side,
                      struct prf_measure_request *request, char tree[41],
                      struct prf_error *err)
{
    struct prf_measure_setup *s = &r->words.setup;
    const struct prf_commit *commit = &r->words.run->run.commit;
    prf_run_keep_tree(r->words.run);
    if (r->c->options.measure.in_place) {
        request->tree = NULL;
        return 0;
    }
    request->commit = commit->id;
    request->dirty = commit->dirty;
    request->author_time = side->time;
    s->objects = r->words.objects;
    request->tree = tree;
    return prf_vcs_keep(s->root, r->words.objects, tree, err);
}

static int
compare_run_open(struct compare_run *r, const struct prf_side *side,
                 struct prf_measure_side **out, struct prf_error *err)
{
    char kept[41];
    struct prf_measure_request request = {.name = side->name,
                                          .commit = side->commit,
                                          .tree = side->tree,
                                          .dirty = side->kind == PRF_SIDE_TREE,
                                          .author_time = side->time};
    int rc = 0;
    if (side->work_tree) {
        rc = compare_run_work_tree(r, side, &request, kept, err);
    } else if (side->tree == NULL) {
        rc = prf_fail(err, PRF_EUSAGE,
                      "'%s' cannot be measured again: --run takes revisions, 'wip' and "
                      "the work tree",
                      side->name);
    }
    return rc < 0 ? rc : prf_measuring_side(&r->words, &request, out, err);
}

static int
compare_run_resolve(struct compare_run *r, struct prf_error *err)
{
    struct prf_comparing *c = r->c;
    struct prf_sides_words words = {.base = c->words[0],
                                    .next = c->words[1],
                                    .folder = r->words.setup.root,
                                    .without_results = true};
    int rc = prf_sides_resolve(r->words.store, &words, &c->sides, err);
    for (size_t i = 0; i < c->sides.notes.n && c->options.general.quiet == 0; i++) {
        fprintf(stderr, "pyprofiler: %s\n", c->sides.notes.items[i]);
    }
    return rc;
}

/* A side that cannot be built: nothing to compare, but what can be measured is kept. */
static int
compare_run_other(struct compare_run *r, struct prf_measure_side *side,
                  struct prf_error *err)
{
    int rc = 0;
    r->c->run_exit = PRF_EXIT_FAILED;
    for (size_t i = 0; rc == 0 && side->unbuildable == NULL && i < side->n_items; i++) {
        struct prf_measured m = {0};
        if (side->items[i].skip == NULL) {
            rc = prf_measure_run(side, &side->items[i], &m, err);
        }
        prf_measured_release(&m);
    }
    return rc;
}

/* --- measuring -----------------------------------------------------------------------
 */

static void
compare_run_begin_progress(struct compare_run *r)
{
    const struct prf_general_options *general = &r->c->options.general;
    struct prf_style style = prf_say_style(general, stderr);
    const char *term = getenv("TERM");
    bool live = isatty(STDERR_FILENO) && (term == NULL || strcmp(term, "dumb") != 0);
    prf_progress_init(&r->progress, general->quiet > 0 ? NULL : stderr, live,
                      style.width);
    prf_progress_expect(&r->progress, r->pairs.n_open);
}

static void
compare_run_show(struct compare_run *r, const struct prf_pair *pair)
{
    char text[256];
    int64_t spent_ns = prf_clock_ns() - r->started_ns;
    int n = snprintf(text, sizeof text, "%zu left, ", r->pairs.n_open);
    if (r->budget_ns > 0) {
        int64_t left_ns = spent_ns > r->budget_ns ? 0 : r->budget_ns - spent_ns;
        n += snprintf(text + n, sizeof text - (size_t)n, "%" PRId64 " s at most, ",
                      left_ns / SECOND_NS);
    }
    snprintf(text + n, sizeof text - (size_t)n, "%s", pair->case_id);
    prf_progress_show(&r->progress, text);
}

static const char *
compare_run_status(const struct prf_pair *pair)
{
    if (pair->why != NULL) {
        return "not measured";
    }
    for (size_t i = 0; i < pair->n_metrics; i++) {
        const struct prf_pair_metric *m = &pair->metrics[i];
        if (m->change.verdict == PRF_VERDICT_SLOWER ||
            m->change.verdict == PRF_VERDICT_FASTER) {
            return prf_verdict_name(m->change.verdict, m->unit, m->better);
        }
    }
    return pair->settled ? "no change" : "not settled";
}

static void
compare_run_done(struct compare_run *r, const struct prf_pair *pair)
{
    char *what = NULL;
    if (asprintf(&what, "%s %s (%zu pair%s):", pair->case_id, pair->profiler, pair->n,
                 pair->n == 1 ? "" : "s") >= 0) {
        prf_progress_done(&r->progress, what, compare_run_status(pair));
        free(what);
    }
}

static bool
compare_run_is_over(const struct compare_run *r)
{
    return r->budget_ns > 0 && prf_clock_ns() - r->started_ns >= r->budget_ns;
}

/* Round by round, each open case once: what drifts meets all of them. */
static int
compare_run_rounds(struct compare_run *r, struct prf_error *err)
{
    bool over = false;
    for (size_t round = 1; r->pairs.n_open > 0 && !over; round++) {
        for (size_t i = 0; i < r->pairs.n && !over; i++) {
            struct prf_pair *pair = &r->pairs.items[i];
            if (pair->settled) {
                continue;
            }
            compare_run_show(r, pair);
            int rc = prf_pairs_measure(&r->pairs, pair, &r->spare, err);
            if (rc < 0) {
                return rc;
            }
            if (pair->settled) {
                compare_run_done(r, pair);
            }
            if (prf_interrupt_count() > 0) {
                return prf_fail(err, PRF_EINTERRUPTED, "interrupted");
            }
            over = compare_run_is_over(r);
        }
        over |= r->n_max > 0 && round >= r->n_max;
    }
    return 0;
}

static void
compare_run_give_up(struct compare_run *r)
{
    for (size_t i = 0; i < r->pairs.n; i++) {
        struct prf_pair *pair = &r->pairs.items[i];
        if (pair->n == 0 && !pair->settled) {
            prf_pairs_give_up(&r->pairs, pair,
                              r->interrupted ? "interrupted before it was measured"
                                             : "no time was left for it (--max-time)");
        }
        if (!pair->settled) {
            compare_run_done(r, pair);
        }
    }
}

static int
compare_run_measure(struct compare_run *r, struct prf_error *err)
{
    int rc = prf_pairs_make(&r->pairs, r->base, r->next, &r->c->comparison.rules,
                            &r->c->options.metrics, err);
    if (rc < 0) {
        return rc;
    }
    r->pairs.first_decides = prf_compare_first_decides(r->c);
    compare_run_begin_progress(r);
    r->started_ns = prf_clock_ns();
    rc = compare_run_rounds(r, err);
    r->interrupted = rc == PRF_EINTERRUPTED || prf_interrupt_count() > 0;
    if (rc == PRF_EINTERRUPTED) {
        prf_error_clear(err);
        rc = 0;
    }
    prf_progress_clear(&r->progress);
    compare_run_give_up(r);
    r->c->comparison.measured_ns = prf_clock_ns() - r->started_ns;
    if (r->spare.code != 0) {
        prf_say_error(&r->spare);
        fputs("pyprofiler: some results are not kept\n", stderr);
    }
    return rc;
}

/* --- the comparison
 * ------------------------------------------------------------------- */

static const char *
compare_run_copy(struct prf_comparison *comparison, const char *text)
{
    return text == NULL ? NULL : prf_arena_strdup(&comparison->arena, text);
}

static void
compare_run_describe(struct prf_comparison *comparison, struct prf_compared_side *out,
                     const struct prf_side *side,
                     const struct prf_measure_side *measured)
{
    const struct prf_commit *commit = &measured->run.commit;
    const char **runs = prf_arena_alloc(&comparison->arena, 2 * sizeof *runs);
    if (runs != NULL) {
        runs[0] = compare_run_copy(comparison, measured->run.id);
    }
    *out = (struct prf_compared_side){
        .name = compare_run_copy(comparison, side->name),
        .commit = compare_run_copy(comparison, commit->id),
        .tree = commit->dirty ? compare_run_copy(comparison, commit->tree) : NULL,
        .summary = compare_run_copy(comparison, side->summary),
        .runs = runs};
}

static enum prf_uncompared
compare_run_uncompared(const struct prf_pair *pair)
{
    return pair->why != NULL ? PRF_NOT_MEASURED : PRF_COMPARED;
}

static struct prf_compared
compare_run_item(struct prf_comparison *comparison, const struct prf_pair *pair)
{
    return (struct prf_compared){
        .case_id = compare_run_copy(comparison, pair->case_id),
        .profiler = compare_run_copy(comparison, pair->profiler),
        .case_file = compare_run_copy(comparison, pair->case_file),
        .case_line = pair->case_line,
        .uncompared = compare_run_uncompared(pair),
        .why = compare_run_copy(comparison, pair->why),
        .source_changed = pair->source_changed,
        .budget = compare_run_copy(comparison, pair->budget),
        .base_result = compare_run_copy(comparison, pair->base_result),
        .next_result = compare_run_copy(comparison, pair->next_result),
    };
}

static int
compare_run_order(const void *a, const void *b)
{
    const struct prf_compared *x = a, *y = b;
    int order = strcmp(x->case_id, y->case_id);
    order = order != 0 ? order : strcmp(x->profiler, y->profiler);
    return order != 0 || x->metric == NULL || y->metric == NULL
               ? order
               : strcmp(x->metric, y->metric);
}

/* What was said of the sides belongs into the report too: a verdict over other code
   than it names is none. */
static int
compare_run_warn(struct compare_run *r, struct prf_error *err)
{
    struct prf_comparison *out = &r->c->comparison;
    const struct prf_measure_side *sides[] = {r->base, r->next};
    size_t n = r->base->warnings.n + r->next->warnings.n, k = 0;
    const char **list = prf_arena_alloc(&out->arena, (n + 1) * sizeof *list);
    if (list == NULL) {
        return prf_fail(err, PRF_ENOMEM, "out of memory");
    }
    for (size_t i = 0; i < 2; i++) {
        for (size_t j = 0; j < sides[i]->warnings.n; j++) {
            char *text = NULL;
            if (asprintf(&text, "%s: %s", sides[i]->name, sides[i]->warnings.items[j]) <
                0) {
                return prf_fail(err, PRF_ENOMEM, "out of memory");
            }
            list[k++] = compare_run_copy(out, text);
            free(text);
        }
    }
    out->warnings = n > 0 ? list : NULL;
    return 0;
}

/* From exactly the pairs that were measured. */
static int
compare_run_fill(struct compare_run *r, struct prf_error *err)
{
    struct prf_comparison *out = &r->c->comparison;
    size_t n = 0;
    for (size_t i = 0; i < r->pairs.n; i++) {
        n += r->pairs.items[i].n_metrics + 1;
    }
    out->items = prf_arena_alloc(&out->arena, (n + 1) * sizeof *out->items);
    if (out->items == NULL) {
        return prf_fail(err, PRF_ENOMEM, "out of memory");
    }
    for (size_t i = 0; i < r->pairs.n; i++) {
        const struct prf_pair *pair = &r->pairs.items[i];
        for (size_t k = 0; pair->why == NULL && k < pair->n_metrics; k++) {
            struct prf_compared *item = &out->items[out->n++];
            *item = compare_run_item(out, pair);
            item->metric = compare_run_copy(out, pair->metrics[k].name);
            item->unit = compare_run_copy(out, pair->metrics[k].unit);
            item->change = pair->metrics[k].change;
            item->aside = k > 0 && r->pairs.first_decides;
        }
        if (pair->why != NULL) {
            out->items[out->n++] = compare_run_item(out, pair);
        }
    }
    qsort(out->items, out->n, sizeof *out->items, compare_run_order);
    compare_run_describe(out, &out->base, &r->c->sides.base, r->base);
    compare_run_describe(out, &out->next, &r->c->sides.next, r->next);
    out->measured = true;
    out->interrupted = r->interrupted;
    return 0;
}

/* --- the whole
 * ------------------------------------------------------------------------ */

static int
compare_run_begin(struct compare_run *r, int argc, char **argv, struct prf_error *err)
{
    struct prf_comparing *c = r->c;
    const struct prf_option_group groups[] = {
        {"measuring", prf_compare_run_table,
         offsetof(struct prf_compare_options, measure)},
        {"sides", prf_measuring_table, offsetof(struct prf_compare_options, measuring)},
        {NULL},
    };
    const struct prf_measuring_request request = {
        .argc = c->run_argc,
        .argv = c->run_argv,
        .whole_argc = argc,
        .whole_argv = argv,
        .groups = groups,
        .layers = &c->layers,
        .target = &c->options,
        .options = &c->options.measuring,
        .store = c->options.store,
        .no_store = c->options.measure.no_store,
        .many_processes = true,
        .max_trees = 2,
    };
    if (c->options.profiler != NULL) {
        return prf_fail(err, PRF_EUSAGE,
                        "--profiler chooses stored results; with --run name '%s' after "
                        "'--'",
                        c->options.profiler);
    }
    int rc = prf_measuring_begin(&r->words, &request, err);
    r->budget_ns = c->options.measure.max_time_ns;
    r->n_max = (size_t)c->options.measure.max_runs;
    if (rc == 0 && c->options.keyword != NULL) {
        rc =
            r->words.setup.keyword == NULL
                ? 0
                : prf_fail(err, PRF_EUSAGE, "--keyword is given before and after '--'");
        r->words.setup.keyword = c->options.keyword;
    }
    return rc;
}

/* An import that fails in a checkout of the work tree: was it for built modules? */
static bool
compare_run_lacks_files(const struct compare_run *r,
                        const struct prf_measure_failure *failure)
{
    return r->c->sides.next.work_tree && !r->next->in_place &&
           r->words.setup.build == NULL &&
           (strstr(failure->reason, "ModuleNotFoundError") != NULL ||
            strstr(failure->reason, "ImportError") != NULL);
}

/* For the user now, and for the report. */
static int compare_run_note(struct prf_measure_side *side, struct prf_error *err,
                            const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static int
compare_run_note(struct prf_measure_side *side, struct prf_error *err,
                 const char *format, ...)
{
    char *text = NULL;
    va_list args;
    va_start(args, format);
    int n = vasprintf(&text, format, args);
    va_end(args);
    int rc = n < 0 ? PRF_ENOMEM : prf_strlist_add(&side->warnings, text);
    if (rc == 0) {
        prf_say_warning("%s: %s", side->name, text);
    }
    free(n < 0 ? NULL : text);
    return rc < 0 ? prf_fail(err, PRF_ENOMEM, "out of memory") : 0;
}

/* A file that gives no case on either side would be missed by nobody. */
static int
compare_run_check_next(struct compare_run *r, struct prf_error *err)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < r->next->n_failures; i++) {
        const struct prf_measure_failure *failure = &r->next->failures[i];
        rc = failure->usage
                 ? prf_fail(err, PRF_EUSAGE, "%s", failure->reason)
                 : compare_run_note(
                       r->next, err, "'%s' cannot be imported: %s%s", failure->node,
                       failure->reason,
                       compare_run_lacks_files(r, failure)
                           ? "; a checkout has no files that git ignores: --build "
                             "makes them, or measure with --in-place"
                           : "");
    }
    return rc;
}

/* Somebody works on while their work tree is measured. */
static int
compare_run_check_changed(struct compare_run *r, struct prf_error *err)
{
    const struct prf_commit *then = &r->words.run->run.commit;
    struct prf_commit now = {0};
    struct prf_error ignored = {0};
    if (!r->next->in_place || then->tree == NULL ||
        prf_vcs_describe(r->words.setup.root, &r->c->comparison.arena, &now, &ignored) <
            0 ||
        now.tree == NULL || strcmp(now.tree, then->tree) == 0) {
        return 0;
    }
    return compare_run_note(r->next, err,
                            "it changed while it was measured: what was compared is "
                            "neither what it was nor what it is");
}

/* NEW first: what is wrong with it is the user's command line or work tree. */
static int
compare_run_go(struct compare_run *r, struct prf_error *err)
{
    int rc = compare_run_resolve(r, err);
    if (rc == 0) {
        rc = compare_run_open(r, &r->c->sides.next, &r->next, err);
    }
    if (rc == 0) {
        rc = compare_run_check_next(r, err);
    }
    if (rc == 0) {
        rc = compare_run_open(r, &r->c->sides.base, &r->base, err);
    }
    if (rc < 0) {
        return rc;
    }
    if (r->base->unbuildable != NULL || r->next->unbuildable != NULL) {
        return compare_run_other(r, r->next, err);
    }
    rc = compare_run_measure(r, err);
    if (rc == 0) {
        rc = compare_run_check_changed(r, err);
    }
    if (rc == 0) {
        rc = compare_run_warn(r, err);
    }
    return rc < 0 ? rc : compare_run_fill(r, err);
}

int
prf_compare_run(struct prf_comparing *c, int argc, char **argv, struct prf_error *err)
{
    struct compare_run r = {.c = c};
    int rc = c->words[0] == NULL ? prf_fail(err, PRF_EUSAGE,
                                            "--run measures BASE: a baseline is not "
                                            "measured again, give a revision")
                                 : compare_run_begin(&r, argc, argv, err);
    if (rc == 0) {
        rc = compare_run_go(&r, err);
    }
    if (r.interrupted) {
        c->run_exit = PRF_EXIT_INTERRUPTED;
    }
    prf_pairs_release(&r.pairs);
    prf_measure_close(r.base);
    prf_measure_close(r.next);
    c->store = r.words.store; /* what follows looks into the results */
    r.words.store = NULL;
    prf_measuring_end(&r.words);
    return rc;
}
