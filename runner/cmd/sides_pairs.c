/* Which result is compared with which, and what is missing; see sides_pairs.h. */
#include "sides_pairs.h"

#include <math.h>
#include <string.h>

#include "select.h"
#include "side.h"
#include "strbuf.h"
#include "tempdir.h"

/* Results of one case under one profiler with certain options, oldest first. */
struct group {
    const struct prf_side_result *items;
    size_t n;
};

int
prf_pairing_no_memory(struct prf_pairing *p)
{
    return prf_fail(p->err, PRF_ENOMEM, "out of memory");
}

const char *
prf_pairing_copy(struct prf_pairing *p, const char *text)
{
    return text == NULL ? NULL : prf_arena_strdup(&p->out->arena, text);
}

/* A new item, zeroed but for what `like` says; NULL: no memory, and p->err is set. */
static struct prf_compared *
pairs_add(struct prf_pairing *p, const struct prf_compared *item)
{
    if (p->out->n == p->room) {
        size_t room = p->room == 0 ? 256 : 2 * p->room;
        struct prf_compared *items =
            prf_arena_alloc(&p->out->arena, room * sizeof *items);
        if (items == NULL) {
            prf_pairing_no_memory(p);
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
pairs_take(struct prf_sample *sample, struct group group, const size_t *setting_of,
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
pairs_wants(struct prf_pairing *p, const char *metric)
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
pairs_values(const struct prf_sample *sample, const char *name,
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
pairs_median(struct prf_pairing *p, const struct prf_sample *sample, const char *name,
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
pairs_item(struct prf_pairing *p, const struct prf_side_result *base,
           const struct prf_side_result *next)
{
    const struct prf_side_result *one = next != NULL ? next : base;
    if (one == NULL) {
        PRF_BUG("a case on neither side");
    }
    return (struct prf_compared){
        .case_id = prf_pairing_copy(p, one->case_id),
        .profiler = prf_pairing_copy(p, one->profiler),
        .options = prf_pairing_copy(p, one->options),
        .case_file = prf_pairing_copy(p, one->case_file),
        .case_line = one->case_line,
        .source_changed = base != NULL && next != NULL && base->case_hash != NULL &&
                          next->case_hash != NULL &&
                          strcmp(base->case_hash, next->case_hash) != 0,
        .budget = next == NULL ? NULL : prf_pairing_copy(p, next->budget),
        .base_result = base == NULL ? NULL : prf_pairing_copy(p, base->id),
        .next_result = next == NULL ? NULL : prf_pairing_copy(p, next->id),
    };
}

/* Of what has no base: the metrics of the new side. */
static int
pairs_add_measured(struct prf_pairing *p, struct group next, struct prf_compared *item)
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
        return prf_pairing_no_memory(p);
    }
    for (size_t i = 0; i < newest->n_metrics; i++) {
        const struct prf_metric_values *m = &newest->metrics[i];
        struct prf_alone alone = {.better = m->better};
        if (pairs_wants(p, m->name)) {
            alone.median = pairs_median(p, &p->right, m->name, &alone.n);
        }
        if (alone.n > 0) {
            alone.metric = prf_pairing_copy(p, m->name);
            alone.unit = prf_pairing_copy(p, m->unit);
            item->alone[item->n_alone++] = alone;
        }
    }
    return 0;
}

static int
pairs_alone(struct prf_pairing *p, const struct prf_side_result *base,
            const struct prf_side_result *next, struct group of_next)
{
    struct prf_strbuf why = PRF_STRBUF_INIT;
    struct prf_compared item = pairs_item(p, base, next);
    item.uncompared = base != NULL ? PRF_ONLY_BASE : PRF_ONLY_NEXT;
    prf_strbuf_addf(&why, "not measured on the side of '%s'",
                    base != NULL ? p->sides->next.name : p->sides->base.name);
    item.why = prf_pairing_copy(p, prf_strbuf_text(&why));
    prf_strbuf_release(&why);
    int rc = pairs_add_measured(p, of_next, &item);
    return rc < 0 ? rc : pairs_add(p, &item) == NULL ? PRF_ENOMEM : 0;
}

/* `of_next`: all results of the new side, if there are. */
static int
pairs_refused(struct prf_pairing *p, const struct prf_side_result *base,
              const struct prf_side_result *next, struct group of_next, const char *why)
{
    struct prf_compared item = pairs_item(p, base, next);
    item.uncompared = PRF_OTHER_MACHINE;
    item.why = prf_pairing_copy(p, why);
    int rc = pairs_add_measured(p, of_next, &item);
    return rc < 0 ? rc : pairs_add(p, &item) == NULL ? PRF_ENOMEM : 0;
}

/* The newest result of a side has no values: why. */
static int
pairs_failed(struct prf_pairing *p, const struct prf_side_result *base,
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
    item.why = prf_pairing_copy(p, prf_strbuf_text(&why));
    prf_strbuf_release(&why);
    int rc = pairs_add_measured(p, of_next, &item);
    return rc < 0 ? rc : pairs_add(p, &item) == NULL ? PRF_ENOMEM : 0;
}

/* --- metrics -----------------------------------------------------------------------
 */

/* How noisy the metric is between processes, from the results of `known`. */
static double
pairs_between(struct prf_pairing *p, struct group known, const char *name)
{
    size_t n = 0;
    for (size_t i = 0; i < known.n; i++) {
        const struct prf_metric_values *m = pairs_metric(&known.items[i], name);
        if (m != NULL && known.items[i].status == PRF_STATUS_OK &&
            p->codes[known.items[i].run_at] != PRF_PAIRING_OWN) {
            memcpy(p->scratch, m->samples, m->n * sizeof *p->scratch);
            p->between[n++] = (struct prf_between_value){
                prf_between_median(p->scratch, m->n), p->codes[known.items[i].run_at]};
        }
    }
    return prf_between(p->between, n);
}

/* Was it measured in a checkout of ours, not in the user's work tree? */
static bool
pairs_in_checkout(const struct prf_side_result *result)
{
    const char *root = result->run->commit.root;
    return root != NULL &&
           strstr(root, "/" PRF_TEMPDIR_PREFIX PRF_MEASURE_TREES) != NULL;
}

/* Counts are exact, so what hardly moves a time shows: another path of the same code
   moves machine instructions by per cents. */
static bool
pairs_elsewhere(const struct prf_pairing *p, const struct prf_metric_values *metric)
{
    const struct prf_sample *of[] = {&p->left, &p->right};
    size_t n = 0, n_checkouts = 0;
    for (size_t s = 0; s < 2; s++) {
        for (size_t i = 0; i < of[s]->n; i++) {
            n++;
            n_checkouts += pairs_in_checkout(of[s]->results[i]);
        }
    }
    return !p->filter->across_machines && metric->unit != NULL &&
           strcmp(metric->unit, "count") == 0 && n_checkouts > 0 && n_checkouts < n;
}

static int
pairs_measure(struct prf_pairing *p, const struct prf_compared *like,
              const struct prf_metric_values *metric, struct group known)
{
    struct prf_side_values base = pairs_values(&p->left, metric->name, p->processes);
    struct prf_side_values next =
        pairs_values(&p->right, metric->name, p->processes + base.n);
    struct prf_compared *item = pairs_add(p, like);
    if (item == NULL) {
        return PRF_ENOMEM;
    }
    item->metric = prf_pairing_copy(p, metric->name);
    item->unit = prf_pairing_copy(p, metric->unit);
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
    if (pairs_elsewhere(p, metric)) {
        item->uncompared = PRF_OTHER_MACHINE;
        item->why = "counted in the work tree and in a checkout, whose paths differ: "
                    "compare --run counts both alike";
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
pairs_metrics(struct prf_pairing *p, const struct prf_compared *like,
              struct group known)
{
    const struct prf_sample *const samples[] = {&p->right, &p->left};
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
pairs_setting(const struct prf_pairing *p, struct group base, struct group next)
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
pairs_known(struct prf_pairing *p, const struct prf_side_result *result, size_t setting)
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
pairs_pair(struct prf_pairing *p, struct group base, struct group next)
{
    size_t setting = pairs_setting(p, base, next);
    size_t left = setting, right = setting;
    if (setting == PRF_NO_SETTING) { /* the newest of each */
        left = p->settings.of_base[pairs_newest(base)->run_at];
        right = p->settings.of_next[pairs_newest(next)->run_at];
        const char *why =
            prf_settings_differ(&p->settings, left, right, &p->out->arena);
        if (why == NULL) {
            return prf_pairing_no_memory(p);
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
pairs_single(struct prf_pairing *p, struct group mine, bool is_base,
             struct group others)
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
pairs_case(struct prf_pairing *p, struct group base, struct group next)
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

int
prf_pairing_all(struct prf_pairing *p)
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
