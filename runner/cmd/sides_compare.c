/* From two sides to a comparison: both are read, with what is known of the noise, and
   paired; see sides.h. */
#include "sides.h"

#include <stdlib.h>
#include <string.h>

#include "sides_errors.h"
#include "sides_pairs.h"

/* Of a side, the newest results of a case; and how many results are looked at to learn
   how noisy a case is, which takes 30 ms. */
#define PAIRS_NEWEST 20
#define PAIRS_LOOKED 10000

/* --- what is read ------------------------------------------------------------------
 */

static int
pairs_read(struct prf_pairing *p, struct prf_store *store, const struct prf_side *side,
           struct prf_side_results *out)
{
    struct prf_side_query query = {.kind = side->kind,
                                   .id = side->id,
                                   .profiler = p->filter->profiler,
                                   .n_newest = PAIRS_NEWEST};
    return prf_store_side(store, &query, out, p->err);
}

/* Runs of one commit, or of one tree, ran the same code. */
static bool
pairs_same_code(const struct prf_commit *a, const struct prf_commit *b)
{
    if (a->tree != NULL && b->tree != NULL) {
        return strcmp(a->tree, b->tree) == 0;
    }
    return !a->dirty && !b->dirty && a->id != NULL && b->id != NULL &&
           strcmp(a->id, b->id) == 0;
}

static bool
pairs_has_run(const struct prf_side_results *side, const char *id)
{
    for (size_t i = 0; i < side->n_runs; i++) {
        if (strcmp(side->runs[i].id, id) == 0) {
            return true;
        }
    }
    return false;
}

/* What is known of the noise, from other runs on the machine of the newest run of the
   new side; runs of which it is not known what they ran are a code of their own each.
 */
static int
pairs_read_like(struct prf_pairing *p, struct prf_store *store)
{
    struct prf_side_query query = {.kind = PRF_SIDE_LIKE,
                                   .id = p->next.runs[0].id,
                                   .profiler = p->filter->profiler,
                                   .n_newest = PAIRS_NEWEST,
                                   .n_looked = PAIRS_LOOKED};
    p->like_setting = p->settings.of_next[0];
    int rc = prf_store_side(store, &query, &p->like, p->err);
    if (rc < 0) {
        return rc;
    }
    p->codes = calloc(p->like.n_runs + 1, sizeof *p->codes);
    if (p->codes == NULL) {
        return prf_pairing_no_memory(p);
    }
    for (size_t i = 0; i < p->like.n_runs; i++) {
        size_t k = 0;
        while (k < i &&
               !pairs_same_code(&p->like.runs[i].commit, &p->like.runs[k].commit)) {
            k++;
        }
        const char *id = p->like.runs[i].id;
        bool own = pairs_has_run(&p->base, id) || pairs_has_run(&p->next, id);
        p->codes[i] = own ? PRF_PAIRING_OWN : k;
    }
    return 0;
}

static size_t
pairs_most_samples(const struct prf_side_results *side)
{
    size_t most = 0;
    for (size_t i = 0; i < side->n; i++) {
        for (size_t m = 0; m < side->items[i].n_metrics; m++) {
            most =
                side->items[i].metrics[m].n > most ? side->items[i].metrics[m].n : most;
        }
    }
    return most;
}

static int
pairs_rooms(struct prf_pairing *p)
{
    p->left.results = calloc(p->base.n + 1, sizeof *p->left.results);
    p->right.results = calloc(p->next.n + 1, sizeof *p->right.results);
    p->processes = calloc(p->base.n + p->next.n + 1, sizeof *p->processes);
    p->between = calloc(p->like.n + 1, sizeof *p->between);
    size_t most = pairs_most_samples(&p->like), of_next = pairs_most_samples(&p->next);
    p->scratch = calloc((most > of_next ? most : of_next) + 1, sizeof *p->scratch);
    p->medians = calloc(p->next.n + 1, sizeof *p->medians);
    return p->left.results == NULL || p->right.results == NULL ||
                   p->processes == NULL || p->between == NULL || p->scratch == NULL ||
                   p->medians == NULL
               ? prf_pairing_no_memory(p)
               : 0;
}

/* --- what is said ------------------------------------------------------------------
 */

/* The side for reports: commit and tree of a run are known from its results. */
static int
pairs_describe(struct prf_pairing *p, const struct prf_side *side,
               const struct prf_side_results *results, struct prf_compared_side *out)
{
    const char **runs =
        prf_arena_alloc(&p->out->arena, (results->n_runs + 1) * sizeof *runs);
    const struct prf_commit *commit = &results->runs[0].commit;
    bool of_run = side->kind == PRF_SIDE_RUN || side->kind == PRF_SIDE_BASELINE;
    bool *used = calloc(results->n_runs, sizeof *used);
    size_t n = 0;
    for (size_t i = 0; used != NULL && i < results->n; i++) {
        used[results->items[i].run_at] = true;
    }
    for (size_t i = 0; runs != NULL && used != NULL && i < results->n_runs; i++) {
        if (used[i]) {
            runs[n++] = prf_pairing_copy(p, results->runs[i].id);
        }
    }
    *out = (struct prf_compared_side){
        .name = prf_pairing_copy(p, side->name),
        .commit = prf_pairing_copy(p, of_run ? commit->id : side->commit),
        .tree = of_run ? (commit->dirty ? prf_pairing_copy(p, commit->tree) : NULL)
                       : (side->kind == PRF_SIDE_TREE ? prf_pairing_copy(p, side->tree)
                                                      : NULL),
        .summary = prf_pairing_copy(p, side->summary),
        .runs = runs,
    };
    free(used);
    return used == NULL || runs == NULL || out->name == NULL ? prf_pairing_no_memory(p)
                                                             : 0;
}

static int
pairs_warnings(struct prf_pairing *p)
{
    const struct prf_strlist *notes = &p->sides->notes;
    const struct prf_strlist *own = &p->warnings;
    if (prf_settings_warn(&p->settings, &p->warnings) < 0) {
        return prf_pairing_no_memory(p);
    }
    const char **list =
        prf_arena_alloc(&p->out->arena, (notes->n + own->n + 1) * sizeof *list);
    for (size_t i = 0; list != NULL && i < notes->n + own->n; i++) {
        list[i] = prf_pairing_copy(p, i < notes->n ? notes->items[i]
                                                   : own->items[i - notes->n]);
        if (list[i] == NULL) {
            return prf_pairing_no_memory(p);
        }
    }
    p->out->warnings = list;
    p->out->conditions = prf_settings_describe(&p->settings, &p->out->arena);
    return list == NULL || p->out->conditions == NULL ? prf_pairing_no_memory(p) : 0;
}

/* --- both sides --------------------------------------------------------------------
 */

static bool
pairs_same_runs(const struct prf_pairing *p)
{
    bool same = p->base.n_runs == p->next.n_runs;
    for (size_t i = 0; same && i < p->base.n_runs; i++) {
        same = strcmp(p->base.runs[i].id, p->next.runs[i].id) == 0;
    }
    return same;
}

static int
pairs_make(struct prf_pairing *p, struct prf_store *store)
{
    const struct prf_side *base = &p->sides->base, *next = &p->sides->next;
    int rc;
    if ((rc = pairs_read(p, store, base, &p->base)) < 0 ||
        (rc = pairs_read(p, store, next, &p->next)) < 0) {
        return rc;
    }
    if (p->base.n == 0 || p->next.n == 0) {
        return prf_sides_no_results(store, p->base.n == 0 ? base : next,
                                    p->filter->profiler, p->err);
    }
    if ((rc = prf_settings_find(&p->settings, &p->base, &p->next, p->err)) < 0 ||
        (rc = pairs_read_like(p, store)) < 0 || (rc = pairs_rooms(p)) < 0 ||
        (rc = pairs_describe(p, base, &p->base, &p->out->base)) < 0 ||
        (rc = pairs_describe(p, next, &p->next, &p->out->next)) < 0 ||
        (rc = prf_pairing_all(p)) < 0) {
        return rc;
    }
    if (pairs_same_runs(p) &&
        prf_strlist_add(&p->warnings, "both sides are the same runs") < 0) {
        return prf_pairing_no_memory(p);
    }
    const struct prf_strlist *metrics = p->filter->metrics;
    if (metrics != NULL && metrics->n > 0 && !p->metric_found) {
        return prf_sides_no_metric(metrics->items[0], &p->base, &p->next, p->err);
    }
    return pairs_warnings(p);
}

int
prf_sides_compare(struct prf_store *store, const struct prf_sides *sides,
                  const struct prf_sides_filter *filter, struct prf_comparison *out,
                  struct prf_error *err)
{
    struct prf_pairing p = {.sides = sides, .filter = filter, .out = out, .err = err};
    int rc = pairs_make(&p, store);
    free(p.codes);
    free(p.left.results);
    free(p.right.results);
    free(p.processes);
    free(p.between);
    free(p.scratch);
    free(p.medians);
    prf_strlist_release(&p.warnings);
    prf_settings_release(&p.settings);
    prf_side_results_release(&p.base);
    prf_side_results_release(&p.next);
    prf_side_results_release(&p.like);
    return rc;
}
