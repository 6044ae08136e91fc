/* What is said when two sides cannot be compared at all; see sides_errors.h. */
#include "sides_errors.h"

#include <string.h>

#include "strbuf.h"
#include "suggest.h"

/* How many dirty trees are looked at for a hint. */
#define ERRORS_TREES 100
#define ERRORS_METRICS 64

/* "commit 1a2b3c4 (message)", "run 2026...", "baseline 'fast'" */
static void
errors_say_side(struct prf_strbuf *text, const struct prf_side *side)
{
    switch (side->kind) {
    case PRF_SIDE_COMMIT:
        prf_strbuf_addf(text, "commit %.10s", side->id);
        break;
    case PRF_SIDE_TREE:
        prf_strbuf_addf(text, "the changed work tree %.10s", side->id);
        break;
    case PRF_SIDE_RUN:
        prf_strbuf_addf(text, "run %s", side->id);
        break;
    case PRF_SIDE_BASELINE:
    case PRF_SIDE_LIKE:
        prf_strbuf_addf(text, "baseline '%s'", side->id);
        break;
    }
    if (side->kind == PRF_SIDE_COMMIT && side->summary != NULL) {
        prf_strbuf_addf(text, " (%s)", side->summary);
    }
}

/* Profilers that the side has results of; "" for none. */
static int
errors_say_profilers(struct prf_store *store, const struct prf_side *side,
                     struct prf_strbuf *text, struct prf_error *err)
{
    struct prf_side_query query = {.kind = side->kind, .id = side->id, .n_newest = 1};
    struct prf_side_results results = {0};
    int rc = prf_store_side(store, &query, &results, err);
    for (size_t i = 0; i < results.n; i++) {
        bool first = true;
        for (size_t k = 0; first && k < i; k++) {
            first = results.items[k].profiler != results.items[i].profiler &&
                    strcmp(results.items[k].profiler, results.items[i].profiler) != 0;
        }
        if (first) {
            prf_strbuf_addf(text, "%s%s", text->len > 0 ? ", " : "",
                            results.items[i].profiler);
        }
    }
    prf_side_results_release(&results);
    return rc;
}

/* The commit was measured with changes only: which of the dirty trees that is. */
static void
errors_say_dirty(struct prf_store *store, const struct prf_side *side,
                 struct prf_strbuf *text)
{
    struct prf_dirty_tree *trees = NULL;
    struct prf_arena arena = {0};
    struct prf_error ignored = {0};
    size_t n = 0, i = 0;
    if (side->kind == PRF_SIDE_COMMIT) {
        prf_store_dirty_trees(store, ERRORS_TREES, &arena, &trees, &n, &ignored);
    }
    while (i < n &&
           (trees[i].commit == NULL || strcmp(trees[i].commit, side->id) != 0)) {
        i++;
    }
    if (i < n && i == 0) {
        prf_strbuf_adds(text, "; with changes it was: 'wip'");
    } else if (i < n) {
        prf_strbuf_addf(text, "; with changes it was: 'wip~%zu'", i);
    }
    prf_arena_release(&arena);
}

int
prf_sides_no_results(struct prf_store *store, const struct prf_side *side,
                     const char *profiler, struct prf_error *err)
{
    struct prf_strbuf what = PRF_STRBUF_INIT, hint = PRF_STRBUF_INIT;
    int rc = profiler == NULL ? 0 : errors_say_profilers(store, side, &hint, err);
    errors_say_side(&what, side);
    if (rc == 0 && hint.len > 0) {
        rc = prf_fail(err, PRF_ENOTFOUND,
                      "no results of profiler '%s' for %s; there are: %s", profiler,
                      prf_strbuf_text(&what), prf_strbuf_text(&hint));
    } else if (rc == 0) {
        errors_say_dirty(store, side, &hint);
        rc = prf_fail(err, PRF_ENOTFOUND,
                      "no results for %s: measure it with 'pyprofiler compare --run "
                      "...', or check it out and 'pyprofiler-run'%s",
                      prf_strbuf_text(&what), prf_strbuf_text(&hint));
    }
    prf_strbuf_release(&what);
    prf_strbuf_release(&hint);
    return rc;
}

/* Names of metrics that are not among `names` yet. */
static size_t
errors_metrics(const struct prf_side_results *side, const char **names, size_t n)
{
    for (size_t i = 0; i < side->n; i++) {
        const struct prf_side_result *r = &side->items[i];
        for (size_t m = 0; m < r->n_metrics && n < ERRORS_METRICS; m++) {
            size_t k = 0;
            while (k < n && strcmp(names[k], r->metrics[m].name) != 0) {
                k++;
            }
            names[k] = r->metrics[m].name;
            n += k == n;
        }
    }
    return n;
}

int
prf_sides_no_metric(const char *asked, const struct prf_side_results *base,
                    const struct prf_side_results *next, struct prf_error *err)
{
    const char *names[ERRORS_METRICS];
    struct prf_strbuf list = PRF_STRBUF_INIT;
    size_t n = errors_metrics(base, names, errors_metrics(next, names, 0));
    const char *near = prf_suggest(asked, names, n);
    for (size_t i = 0; i < n; i++) {
        prf_strbuf_addf(&list, "%s%s", i > 0 ? ", " : "", names[i]);
    }
    if (near != NULL) {
        prf_fail(err, PRF_EUSAGE, "no metric '%s', did you mean '%s'?", asked, near);
    } else {
        prf_fail(err, PRF_EUSAGE, "no metric '%s' in these results; there are: %s",
                 asked, prf_strbuf_text(&list));
    }
    prf_strbuf_release(&list);
    return PRF_EUSAGE;
}
