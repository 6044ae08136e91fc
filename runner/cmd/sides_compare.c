/* From two sides to a comparison: results paired by case, profiler and options, with
   what is missing and what must not be compared; see sides.h. */
#include "sides.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "between.h"
#include "select.h"
#include "settings.h"
#include "sides_errors.h"
#include "strbuf.h"

/* Of a side, the newest results of a case; and how many results are looked at to learn
   how noisy a case is, which takes 30 ms. */
#define PAIRS_NEWEST 20
#define PAIRS_LOOKED 10000

/* Results of one case under one profiler with certain options, oldest first. */
struct group {
    const struct prf_side_result *items;
    size_t n;
};

/* Those of a group that were measured in one setting. */
struct sample {
    const struct prf_side_result **results;
    size_t n;
};

struct pairing {
    const struct prf_sides *sides;
    const struct prf_sides_filter *filter;
    struct prf_comparison *out;
    struct prf_side_results base, next, like;
    struct prf_settings settings;
    size_t *codes;             /* which code each run of `like` ran */
    size_t like_at;            /* the first result of `like` that was not passed yet */
    size_t like_setting;       /* or PRF_NO_SETTING */
    struct sample left, right; /* of the pair that is worked on */
    struct prf_process_values *processes; /* room for both */
    struct prf_between_value *between;
    double *scratch; /* for the values of a process */
    double *medians; /* of the new side's processes */
    size_t room;     /* items */
    bool metric_found;
    struct prf_strlist warnings;
    struct prf_error *err;
};

static int
pairs_no_memory(struct pairing *p)
{
    return prf_fail(p->err, PRF_ENOMEM, "out of memory");
}

static const char *
pairs_copy(struct pairing *p, const char *text)
{
    return text == NULL ? NULL : prf_arena_strdup(&p->out->arena, text);
}

/* A new item, zeroed but for what `like` says; NULL: no memory, and p->err is set. */
static struct prf_compared *
pairs_add(struct pairing *p, const struct prf_compared *item)
{
    if (p->out->n == p->room) {
        size_t room = p->room == 0 ? 256 : 2 * p->room;
        struct prf_compared *items =
            prf_arena_alloc(&p->out->arena, room * sizeof *items);
        if (items == NULL) {
            pairs_no_memory(p);
            return NULL;
        }
        if (p->out->n > 0) {
            memcpy(items, p->out->items, p->out->n * sizeof *items);
        }
        p->out->items = items;
        p->room = room;
    }
    p->out->items[p->out->n] = *item;
    return &p->out->items[p->out->n++];
}

/* --- groups ------------------------------------------------------------------------
 */

static int
pairs_order_text(const char *a, const char *b)
{
    return a == b ? 0 : a == NULL ? -1 : b == NULL ? 1 : strcmp(a, b);
}

static int
pairs_order_case(const struct prf_side_result *a, const struct prf_side_result *b)
{
    int order = pairs_order_text(a->case_id, b->case_id);
    return order != 0 ? order : pairs_order_text(a->profiler, b->profiler);
}

static int
pairs_order(const struct prf_side_result *a, const struct prf_side_result *b)
{
    int order = pairs_order_case(a, b);
    return order != 0 ? order : pairs_order_text(a->options, b->options);
}

typedef int pairs_same(const struct prf_side_result *, const struct prf_side_result *);

/* The results from `at` on that are the same by `order`. */
static struct group
pairs_group(struct group all, size_t at, pairs_same *order)
{
    struct group group = {.items = all.items + at};
    while (at + group.n < all.n && order(&group.items[group.n], &group.items[0]) == 0) {
        group.n++;
    }
    return group;
}

static const struct prf_side_result *
pairs_newest(struct group group)
{
    return &group.items[group.n - 1];
}

/* --- values ------------------------------------------------------------------------
 */

static void
pairs_take(struct sample *sample, struct group group, const size_t *setting_of,
           size_t setting)
{
    sample->n = 0;
    for (size_t i = 0; i < group.n; i++) {
        if (setting == PRF_NO_SETTING || setting_of[group.items[i].run_at] == setting) {
            sample->results[sample->n++] = &group.items[i];
        }
    }
}

static bool
pairs_wants(struct pairing *p, const char *metric)
{
    const struct prf_strlist *wanted = p->filter->metrics;
    bool found = wanted == NULL || wanted->n == 0;
    for (size_t i = 0; !found && i < wanted->n; i++) {
        found = strcmp(wanted->items[i], metric) == 0;
    }
    p->metric_found = p->metric_found || found;
    return found;
}

static const struct prf_metric_values *
pairs_metric(const struct prf_side_result *result, const char *name)
{
    for (size_t i = 0; i < result->n_metrics; i++) {
        if (result->metrics[i].name == name ||
            strcmp(result->metrics[i].name, name) == 0) {
            return &result->metrics[i];
        }
    }
    return NULL;
}

static bool
pairs_has_values(const struct prf_metric_values *metric)
{
    for (size_t i = 0; i < metric->n; i++) {
        if (isfinite(metric->samples[i])) {
            return true;
        }
    }
    return false;
}

/* Values of the metric in each process of the sample that has some. */
static struct prf_side_values
pairs_values(const struct sample *sample, const char *name,
             struct prf_process_values *room)
{
    struct prf_side_values values = {.processes = room};
    for (size_t i = 0; i < sample->n; i++) {
        const struct prf_metric_values *m = pairs_metric(sample->results[i], name);
        if (m != NULL && sample->results[i]->status == PRF_STATUS_OK &&
            pairs_has_values(m)) {
            room[values.n++] = (struct prf_process_values){m->samples, m->n};
        }
    }
    return values;
}

/* Of the processes' medians; *n: how many have values. */
static double
pairs_median(struct pairing *p, const struct sample *sample, const char *name,
             size_t *n)
{
    struct prf_side_values values = pairs_values(sample, name, p->processes);
    *n = 0;
    for (size_t i = 0; i < values.n; i++) {
        size_t finite = 0;
        for (size_t k = 0; k < values.processes[i].n; k++) {
            p->scratch[finite] = values.processes[i].values[k];
            finite += isfinite(p->scratch[finite]);
        }
        if (finite > 0) {
            p->medians[(*n)++] = prf_between_median(p->scratch, finite);
        }
    }
    return *n > 0 ? prf_between_median(p->medians, *n) : (double)NAN;
}

/* --- items -------------------------------------------------------------------------
 */

/* What an item says of its case; of the new side where it is there. */
static struct prf_compared
pairs_item(struct pairing *p, const struct prf_side_result *base,
           const struct prf_side_result *next)
{
    const struct prf_side_result *one = next != NULL ? next : base;
    return (struct prf_compared){
        .case_id = pairs_copy(p, one->case_id),
        .profiler = pairs_copy(p, one->profiler),
        .options = pairs_copy(p, one->options),
        .case_file = pairs_copy(p, one->case_file),
        .case_line = one->case_line,
        .source_changed = base != NULL && next != NULL && base->case_hash != NULL &&
                          next->case_hash != NULL &&
                          strcmp(base->case_hash, next->case_hash) != 0,
        .budget = next == NULL ? NULL : pairs_copy(p, next->budget),
        .base_result = base == NULL ? NULL : pairs_copy(p, base->id),
        .next_result = next == NULL ? NULL : pairs_copy(p, next->id),
    };
}

/* Of what has no base: the metrics of the new side. */
static int
pairs_add_measured(struct pairing *p, struct group next, struct prf_compared *item)
{
    const struct prf_side_result *newest = next.n == 0 ? NULL : pairs_newest(next);
    if (newest == NULL || newest->status != PRF_STATUS_OK) {
        return 0;
    }
    pairs_take(&p->right, next, p->settings.of_next,
               p->settings.of_next[newest->run_at]);
    item->alone =
        prf_arena_alloc(&p->out->arena, (newest->n_metrics + 1) * sizeof *item->alone);
    if (item->alone == NULL) {
        return pairs_no_memory(p);
    }
    for (size_t i = 0; i < newest->n_metrics; i++) {
        const struct prf_metric_values *m = &newest->metrics[i];
        struct prf_alone alone = {.better = m->better};
        if (pairs_wants(p, m->name)) {
            alone.median = pairs_median(p, &p->right, m->name, &alone.n);
        }
        if (alone.n > 0) {
            alone.metric = pairs_copy(p, m->name);
            alone.unit = pairs_copy(p, m->unit);
            item->alone[item->n_alone++] = alone;
        }
    }
    return 0;
}

static int
pairs_alone(struct pairing *p, const struct prf_side_result *base,
            const struct prf_side_result *next, struct group of_next)
{
    struct prf_strbuf why = PRF_STRBUF_INIT;
    struct prf_compared item = pairs_item(p, base, next);
    item.uncompared = base != NULL ? PRF_ONLY_BASE : PRF_ONLY_NEXT;
    prf_strbuf_addf(&why, "not measured on the side of '%s'",
                    base != NULL ? p->sides->next.name : p->sides->base.name);
    item.why = pairs_copy(p, prf_strbuf_text(&why));
    prf_strbuf_release(&why);
    int rc = pairs_add_measured(p, of_next, &item);
    return rc < 0 ? rc : pairs_add(p, &item) == NULL ? PRF_ENOMEM : 0;
}

/* `of_next`: all results of the new side, if there are. */
static int
pairs_refused(struct pairing *p, const struct prf_side_result *base,
              const struct prf_side_result *next, struct group of_next, const char *why)
{
    struct prf_compared item = pairs_item(p, base, next);
    item.uncompared = PRF_OTHER_MACHINE;
    item.why = pairs_copy(p, why);
    int rc = pairs_add_measured(p, of_next, &item);
    return rc < 0 ? rc : pairs_add(p, &item) == NULL ? PRF_ENOMEM : 0;
}

/* The newest result of a side has no values: why. */
static int
pairs_failed(struct pairing *p, const struct prf_side_result *base,
             const struct prf_side_result *next, struct group of_next)
{
    struct prf_strbuf why = PRF_STRBUF_INIT;
    const struct prf_side_result *of[] = {base, next};
    const char *const names[] = {p->sides->base.name, p->sides->next.name};
    struct prf_compared item = pairs_item(p, base, next);
    item.uncompared = PRF_NOT_MEASURED;
    for (size_t i = 0; i < 2; i++) {
        if (of[i]->status != PRF_STATUS_OK) {
            prf_strbuf_addf(&why, "%s%s on the side of '%s'%s%s",
                            why.len > 0 ? "; " : "", prf_status_name(of[i]->status),
                            names[i], of[i]->reason == NULL ? "" : ": ",
                            of[i]->reason == NULL ? "" : of[i]->reason);
        }
    }
    item.why = pairs_copy(p, prf_strbuf_text(&why));
    prf_strbuf_release(&why);
    int rc = pairs_add_measured(p, of_next, &item);
    return rc < 0 ? rc : pairs_add(p, &item) == NULL ? PRF_ENOMEM : 0;
}

/* --- metrics -----------------------------------------------------------------------
 */

/* How noisy the metric is between processes, from the results of `known`. */
static double
pairs_between(struct pairing *p, struct group known, const char *name)
{
    size_t n = 0;
    for (size_t i = 0; i < known.n; i++) {
        const struct prf_metric_values *m = pairs_metric(&known.items[i], name);
        if (m != NULL && known.items[i].status == PRF_STATUS_OK) {
            memcpy(p->scratch, m->samples, m->n * sizeof *p->scratch);
            p->between[n++] = (struct prf_between_value){
                prf_between_median(p->scratch, m->n), p->codes[known.items[i].run_at]};
        }
    }
    return prf_between(p->between, n);
}

static int
pairs_measure(struct pairing *p, const struct prf_compared *like,
              const struct prf_metric_values *metric, struct group known)
{
    struct prf_side_values base = pairs_values(&p->left, metric->name, p->processes);
    struct prf_side_values next =
        pairs_values(&p->right, metric->name, p->processes + base.n);
    struct prf_compared *item = pairs_add(p, like);
    if (item == NULL) {
        return PRF_ENOMEM;
    }
    item->metric = pairs_copy(p, metric->name);
    item->unit = pairs_copy(p, metric->unit);
    item->change.better = metric->better;
    if (base.n == 0 || next.n == 0) {
        size_t n = 0;
        bool neither = base.n == 0 && next.n == 0;
        item->uncompared = neither       ? PRF_NOT_MEASURED
                           : base.n == 0 ? PRF_ONLY_NEXT
                                         : PRF_ONLY_BASE;
        item->change.next =
            base.n == 0 ? pairs_median(p, &p->right, metric->name, &n) : NAN;
        item->change.n_next = n;
        item->why = neither       ? "neither side has values of it"
                    : base.n == 0 ? "the base has no values of it"
                                  : "the new side has no values of it";
        return 0;
    }
    struct prf_change_metric facts = {.unit = metric->unit,
                                      .better = metric->better,
                                      .between = pairs_between(p, known, metric->name)};
    return prf_change_measure(&base, &next, &facts, &p->out->rules, &item->change,
                              p->err);
}

/* Every metric of either side: in the order of the newest result, then what only others
   have. */
static int
pairs_metrics(struct pairing *p, const struct prf_compared *like, struct group known)
{
    const struct sample *const samples[] = {&p->right, &p->left};
    size_t first = p->out->n;
    int rc = 0;
    for (size_t s = 0; s < 2; s++) {
        for (size_t i = samples[s]->n; rc == 0 && i-- > 0;) {
            const struct prf_side_result *r = samples[s]->results[i];
            for (size_t m = 0; rc == 0 && m < r->n_metrics; m++) {
                bool done = !pairs_wants(p, r->metrics[m].name);
                for (size_t k = first; !done && k < p->out->n; k++) {
                    done = strcmp(p->out->items[k].metric, r->metrics[m].name) == 0;
                }
                rc = done ? 0 : pairs_measure(p, like, &r->metrics[m], known);
            }
        }
    }
    return rc;
}

/* --- pairs -------------------------------------------------------------------------
 */

/* The best setting in which both were measured. */
static size_t
pairs_setting(const struct pairing *p, struct group base, struct group next)
{
    size_t best = PRF_NO_SETTING;
    for (size_t i = 0; i < next.n; i++) {
        size_t setting = p->settings.of_next[next.items[i].run_at];
        bool shared = false;
        for (size_t k = 0; !shared && k < base.n; k++) {
            shared = p->settings.of_base[base.items[k].run_at] == setting;
        }
        if (shared && (best == PRF_NO_SETTING || p->settings.items[setting].rank <
                                                     p->settings.items[best].rank)) {
            best = setting;
        }
    }
    return best;
}

/* What is known of the case from other runs; the results of `like` are in the same
   order as those of the sides, so one walk passes them all. */
static struct group
pairs_known(struct pairing *p, const struct prf_side_result *result, size_t setting)
{
    struct group none = {0};
    while (p->like_at < p->like.n &&
           pairs_order(&p->like.items[p->like_at], result) < 0) {
        p->like_at++;
    }
    if (p->like_at == p->like.n || setting != p->like_setting ||
        pairs_order(&p->like.items[p->like_at], result) != 0) {
        return none;
    }
    struct group all = {p->like.items, p->like.n};
    return pairs_group(all, p->like_at, pairs_order);
}

/* Both sides were measured with the same options. */
static int
pairs_pair(struct pairing *p, struct group base, struct group next)
{
    size_t setting = pairs_setting(p, base, next);
    size_t left = setting, right = setting;
    if (setting == PRF_NO_SETTING) { /* the newest of each */
        left = p->settings.of_base[pairs_newest(base)->run_at];
        right = p->settings.of_next[pairs_newest(next)->run_at];
        const char *why =
            prf_settings_differ(&p->settings, left, right, &p->out->arena);
        if (why == NULL) {
            return pairs_no_memory(p);
        }
        if (!p->filter->across_machines) {
            return pairs_refused(p, pairs_newest(base), pairs_newest(next), next, why);
        }
        prf_settings_used(&p->settings, left, right);
    }
    pairs_take(&p->left, base, p->settings.of_base, left);
    pairs_take(&p->right, next, p->settings.of_next, right);
    const struct prf_side_result *old = p->left.results[p->left.n - 1];
    const struct prf_side_result *new = p->right.results[p->right.n - 1];
    prf_settings_left_out(&p->settings, base.n - p->left.n, next.n - p->right.n);
    if (old->status != PRF_STATUS_OK || new->status != PRF_STATUS_OK) {
        return pairs_failed(p, old, new, next);
    }
    struct prf_compared like = pairs_item(p, old, new);
    return pairs_metrics(p, &like, pairs_known(p, new, setting));
}

static const char *
pairs_options(const struct prf_side_result *result)
{
    return result->options == NULL || strcmp(result->options, "{}") == 0
               ? "none"
               : result->options;
}

/* A case that was measured on one side only, or with other options there. */
static int
pairs_single(struct pairing *p, struct group mine, bool is_base, struct group others)
{
    const struct prf_side_result *one = pairs_newest(mine);
    const struct group none = {0};
    if (others.n == 0) {
        return pairs_alone(p, is_base ? one : NULL, is_base ? NULL : one,
                           is_base ? none : mine);
    }
    struct prf_strbuf why = PRF_STRBUF_INIT;
    prf_strbuf_addf(&why,
                    "the profiler had other options: %s here, %s on the side of '%s'",
                    pairs_options(one), pairs_options(pairs_newest(others)),
                    is_base ? p->sides->next.name : p->sides->base.name);
    int rc = pairs_refused(p, is_base ? one : NULL, is_base ? NULL : one,
                           is_base ? none : mine, prf_strbuf_text(&why));
    prf_strbuf_release(&why);
    return rc;
}

/* One case under one profiler: by options. */
static int
pairs_case(struct pairing *p, struct group base, struct group next)
{
    size_t i = 0, k = 0;
    int rc = 0;
    while (rc == 0 && (i < base.n || k < next.n)) {
        int order = i == base.n   ? 1
                    : k == next.n ? -1
                                  : pairs_order(&base.items[i], &next.items[k]);
        struct group left = {0}, right = {0};
        if (order <= 0) {
            left = pairs_group(base, i, pairs_order);
        }
        if (order >= 0) {
            right = pairs_group(next, k, pairs_order);
        }
        i += left.n;
        k += right.n;
        rc = order == 0  ? pairs_pair(p, left, right)
             : order < 0 ? pairs_single(p, left, true, next)
                         : pairs_single(p, right, false, base);
    }
    return rc;
}

static int
pairs_all(struct pairing *p)
{
    struct group base = {p->base.items, p->base.n};
    struct group next = {p->next.items, p->next.n};
    const char *keyword = p->filter->keyword;
    size_t i = 0, k = 0;
    int rc = 0;
    while (rc == 0 && (i < base.n || k < next.n)) {
        int order = i == base.n   ? 1
                    : k == next.n ? -1
                                  : pairs_order_case(&base.items[i], &next.items[k]);
        struct group left = {0}, right = {0};
        if (order <= 0) {
            left = pairs_group(base, i, pairs_order_case);
        }
        if (order >= 0) {
            right = pairs_group(next, k, pairs_order_case);
        }
        i += left.n;
        k += right.n;
        const char *id = (order <= 0 ? left : right).items[0].case_id;
        if (keyword == NULL || prf_select_matches(keyword, id)) {
            rc = pairs_case(p, left, right);
        }
    }
    return rc;
}

/* --- what is read ------------------------------------------------------------------
 */

static int
pairs_read(struct pairing *p, struct prf_store *store, const struct prf_side *side,
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

/* What is known of the noise, from runs on the machine of the newest run of the new
   side; runs of which it is not known what they ran are a code of their own each. */
static int
pairs_read_like(struct pairing *p, struct prf_store *store)
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
        return pairs_no_memory(p);
    }
    for (size_t i = 0; i < p->like.n_runs; i++) {
        size_t k = 0;
        while (k < i &&
               !pairs_same_code(&p->like.runs[i].commit, &p->like.runs[k].commit)) {
            k++;
        }
        p->codes[i] = k;
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
pairs_rooms(struct pairing *p)
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
               ? pairs_no_memory(p)
               : 0;
}

/* --- what is said ------------------------------------------------------------------
 */

/* The side for reports: commit and tree of a run are known from its results. */
static int
pairs_describe(struct pairing *p, const struct prf_side *side,
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
            runs[n++] = pairs_copy(p, results->runs[i].id);
        }
    }
    *out = (struct prf_compared_side){
        .name = pairs_copy(p, side->name),
        .commit = pairs_copy(p, of_run ? commit->id : side->commit),
        .tree = of_run
                    ? (commit->dirty ? pairs_copy(p, commit->tree) : NULL)
                    : (side->kind == PRF_SIDE_TREE ? pairs_copy(p, side->tree) : NULL),
        .summary = pairs_copy(p, side->summary),
        .runs = runs,
    };
    free(used);
    return used == NULL || runs == NULL || out->name == NULL ? pairs_no_memory(p) : 0;
}

static int
pairs_warnings(struct pairing *p)
{
    const struct prf_strlist *notes = &p->sides->notes;
    const struct prf_strlist *own = &p->warnings;
    if (prf_settings_warn(&p->settings, &p->warnings) < 0) {
        return pairs_no_memory(p);
    }
    const char **list =
        prf_arena_alloc(&p->out->arena, (notes->n + own->n + 1) * sizeof *list);
    for (size_t i = 0; list != NULL && i < notes->n + own->n; i++) {
        list[i] =
            pairs_copy(p, i < notes->n ? notes->items[i] : own->items[i - notes->n]);
        if (list[i] == NULL) {
            return pairs_no_memory(p);
        }
    }
    p->out->warnings = list;
    p->out->conditions = prf_settings_describe(&p->settings, &p->out->arena);
    return list == NULL || p->out->conditions == NULL ? pairs_no_memory(p) : 0;
}

/* --- both sides --------------------------------------------------------------------
 */

static bool
pairs_same_runs(const struct pairing *p)
{
    bool same = p->base.n_runs == p->next.n_runs;
    for (size_t i = 0; same && i < p->base.n_runs; i++) {
        same = strcmp(p->base.runs[i].id, p->next.runs[i].id) == 0;
    }
    return same;
}

static int
pairs_make(struct pairing *p, struct prf_store *store)
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
        (rc = pairs_all(p)) < 0) {
        return rc;
    }
    if (pairs_same_runs(p) &&
        prf_strlist_add(&p->warnings, "both sides are the same runs") < 0) {
        return pairs_no_memory(p);
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
    struct pairing p = {.sides = sides, .filter = filter, .out = out, .err = err};
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
