/* Alternate measuring of two sides; see pairs.h. */
#include "pairs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int
pairs_no_memory(struct prf_error *err)
{
    return prf_fail(err, PRF_ENOMEM, "out of memory");
}

static const char *
pairs_copy(struct prf_pairs *pairs, const char *text)
{
    return text == NULL ? NULL : prf_arena_strdup(&pairs->arena, text);
}

static const char *pairs_text(struct prf_pairs *pairs, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static const char *
pairs_text(struct prf_pairs *pairs, const char *format, ...)
{
    char *text = NULL;
    va_list args;
    va_start(args, format);
    int n = vasprintf(&text, format, args);
    va_end(args);
    const char *kept = n < 0 ? NULL : pairs_copy(pairs, text);
    free(n < 0 ? NULL : text);
    return kept == NULL ? "not measured" : kept;
}

/* --- which pairs there are ----------------------------------------------------------
 */

static bool
pairs_differ(const char *a, const char *b)
{
    return a != NULL && b != NULL && strcmp(a, b) != 0;
}

static int
pairs_add(struct prf_pairs *pairs, const struct prf_measure_item *base,
          const struct prf_measure_item *next, const char *why, struct prf_error *err)
{
    const struct prf_measure_item *item = next == NULL ? base : next;
    struct prf_pair *more = realloc(pairs->items, (pairs->n + 1) * sizeof *more);
    if (more == NULL) {
        return pairs_no_memory(err);
    }
    pairs->items = more;
    struct prf_pair *pair = &more[pairs->n++];
    *pair = (struct prf_pair){.case_id = item->case_id,
                              .profiler = item->profiler,
                              .case_line = item->kase->line,
                              .base = base,
                              .next = next,
                              .why = pairs_copy(pairs, why)};
    if (base != NULL && next != NULL) {
        const char *skip = next->skip != NULL ? next->skip : base->skip;
        pair->source_changed = pairs_differ(base->kase->hash, next->kase->hash);
        if (why == NULL && skip != NULL) {
            pair->why = pairs_text(pairs, "skipped: %s", skip);
        }
    }
    pair->settled = pair->why != NULL;
    pairs->n_open += !pair->settled;
    return 0;
}

static int
pairs_match(struct prf_pairs *pairs, struct prf_error *err)
{
    struct prf_measure_side *base = pairs->base, *next = pairs->next;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < next->n_items; i++) {
        const struct prf_measure_item *item = &next->items[i];
        const char *why = NULL;
        const struct prf_measure_item *old =
            prf_measure_find(base, item->case_id, item->profiler, &why);
        rc = pairs_add(pairs, old, item, old == NULL ? why : NULL, err);
    }
    for (size_t i = 0; rc == 0 && i < base->n_items; i++) {
        const struct prf_measure_item *item = &base->items[i];
        const char *why = NULL;
        if (prf_measure_find(next, item->case_id, item->profiler, &why) == NULL) {
            rc = pairs_add(pairs, item, NULL, why, err);
        }
    }
    return rc;
}

int
prf_pairs_make(struct prf_pairs *pairs, struct prf_measure_side *base,
               struct prf_measure_side *next, const struct prf_change_rules *rules,
               const struct prf_strlist *metrics, struct prf_error *err)
{
    *pairs = (struct prf_pairs){
        .base = base, .next = next, .rules = rules, .metrics = metrics};
    int rc = pairs_match(pairs, err);
    pairs->n_cases = pairs->n_open;
    return rc;
}

/* --- values --------------------------------------------------------------------------
 */

static const struct prf_metric_values *
pairs_metric_of(const struct prf_result *result, const char *name)
{
    const struct prf_profile *p = result->profile;
    for (size_t i = 0; p != NULL && i < p->n_metrics; i++) {
        if (p->metrics[i].n > 0 && strcmp(p->metrics[i].name, name) == 0) {
            return &p->metrics[i];
        }
    }
    return NULL;
}

static bool
pairs_wants(const struct prf_pairs *pairs, const char *name)
{
    const struct prf_strlist *list = pairs->metrics;
    bool wanted = list == NULL || list->n == 0;
    for (size_t i = 0; !wanted && i < list->n; i++) {
        wanted = strcmp(list->items[i], name) == 0;
    }
    return wanted;
}

/* The metrics that both sides have, from the first pair of processes. */
static int
pairs_find_metrics(struct prf_pairs *pairs, struct prf_pair *pair,
                   const struct prf_result *base, const struct prf_result *next,
                   struct prf_error *err)
{
    const struct prf_profile *p = next->profile;
    pair->metrics = calloc(p->n_metrics + 1, sizeof *pair->metrics);
    if (pair->metrics == NULL) {
        return pairs_no_memory(err);
    }
    for (size_t i = 0; i < p->n_metrics; i++) {
        const struct prf_metric_values *m = &p->metrics[i];
        if (m->n > 0 && m->better != PRF_BETTER_NONE && pairs_wants(pairs, m->name) &&
            pairs_metric_of(base, m->name) != NULL) {
            pair->metrics[pair->n_metrics++] =
                (struct prf_pair_metric){.name = pairs_copy(pairs, m->name),
                                         .unit = pairs_copy(pairs, m->unit),
                                         .better = m->better};
        }
    }
    return 0;
}

static int
pairs_grow(struct prf_pair_metric *m, struct prf_error *err)
{
    if (m->n < m->capacity) {
        return 0;
    }
    size_t capacity = m->capacity == 0 ? 16 : 2 * m->capacity;
    struct prf_process_values *base = realloc(m->base, capacity * sizeof *base);
    m->base = base == NULL ? m->base : base;
    struct prf_process_values *next = realloc(m->next, capacity * sizeof *next);
    m->next = next == NULL ? m->next : next;
    if (base == NULL || next == NULL) {
        return pairs_no_memory(err);
    }
    m->capacity = capacity;
    return 0;
}

static int
pairs_take(struct prf_pairs *pairs, struct prf_process_values *out,
           const struct prf_metric_values *m, struct prf_error *err)
{
    double *values = prf_arena_alloc(&pairs->arena, m->n * sizeof *values);
    if (values == NULL) {
        return pairs_no_memory(err);
    }
    memcpy(values, m->samples, m->n * sizeof *values);
    *out = (struct prf_process_values){.values = values, .n = m->n};
    return 0;
}

static int
pairs_add_values(struct prf_pairs *pairs, struct prf_pair *pair,
                 const struct prf_result *base, const struct prf_result *next,
                 struct prf_error *err)
{
    int rc = pair->n == 0 ? pairs_find_metrics(pairs, pair, base, next, err) : 0;
    for (size_t i = 0; rc == 0 && i < pair->n_metrics; i++) {
        struct prf_pair_metric *m = &pair->metrics[i];
        const struct prf_metric_values *a = pairs_metric_of(base, m->name);
        const struct prf_metric_values *b = pairs_metric_of(next, m->name);
        if (a == NULL || b == NULL) {
            continue;
        }
        rc = pairs_grow(m, err);
        if (rc == 0) {
            rc = pairs_take(pairs, &m->base[m->n], a, err);
        }
        if (rc == 0) {
            rc = pairs_take(pairs, &m->next[m->n], b, err);
        }
        m->n += rc == 0;
    }
    pair->n += rc == 0;
    return rc;
}

/* --- verdicts ------------------------------------------------------------------------
 */

static void
pairs_settle(struct prf_pairs *pairs, struct prf_pair *pair)
{
    pairs->n_open -= !pair->settled;
    pair->settled = true;
}

static int
pairs_look(struct prf_pairs *pairs, struct prf_pair *pair, struct prf_error *err)
{
    bool all = true;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < pair->n_metrics; i++) {
        struct prf_pair_metric *m = &pair->metrics[i];
        const struct prf_side_values base = {m->base, m->n}, next = {m->next, m->n};
        const struct prf_change_metric metric = {
            .unit = m->unit,
            .better = m->better,
            .between = -1,
            .paired = true,
            .lowest = m->better == PRF_BETTER_LESS && prf_change_is_time(m->unit)};
        if (m->settled) {
            continue; /* what is decided stays: values after it were chosen by it */
        }
        rc = prf_change_look(&base, &next, &metric, pairs->rules,
                             pairs->n_cases * pair->n_metrics, &m->change, err);
        m->settled = m->change.verdict != PRF_VERDICT_INCONCLUSIVE;
        all &= m->settled || (pairs->first_decides && i > 0);
    }
    if (rc == 0 && all) {
        pairs_settle(pairs, pair);
    }
    return rc;
}

void
prf_pairs_give_up(struct prf_pairs *pairs, struct prf_pair *pair, const char *why)
{
    pair->why = pairs_copy(pairs, why);
    pairs_settle(pairs, pair);
}

/* --- measuring -----------------------------------------------------------------------
 */

static void
pairs_fail(struct prf_pairs *pairs, struct prf_pair *pair,
           const struct prf_measure_side *side, const struct prf_result *result)
{
    const char *reason = result->reason == NULL ? "" : result->reason;
    pair->why = result->status == PRF_STATUS_SKIPPED
                    ? pairs_text(pairs, "skipped: %s", reason)
                    : pairs_text(pairs, "%s at %s%s%s", prf_status_name(result->status),
                                 side->name, *reason == '\0' ? "" : ": ", reason);
    pairs_settle(pairs, pair);
}

static void
pairs_remember(struct prf_pairs *pairs, struct prf_pair *pair, bool is_base,
               const struct prf_result *result)
{
    const char **id = is_base ? &pair->base_result : &pair->next_result;
    *id = pairs_copy(pairs, result->id);
    if (!is_base || pair->case_file == NULL) {
        pair->case_file = pairs_copy(pairs, result->case_file);
        pair->budget = pairs_copy(pairs, result->budget);
    }
}

/* One process of one side: 1, 0 when the case failed there, or an error. */
static int
pairs_measure_side(struct prf_pairs *pairs, struct prf_pair *pair, bool is_base,
                   struct prf_measured *out, struct prf_error *spare,
                   struct prf_error *err)
{
    struct prf_measure_side *side = is_base ? pairs->base : pairs->next;
    struct prf_error why = {0};
    int rc = prf_measure_run(side, is_base ? pair->base : pair->next, out, &why);
    if (rc == PRF_ESTORE && out->result.id != NULL) {
        prf_fail(spare, rc, "%s", why.text);
        rc = 0;
    }
    if (rc < 0) {
        return prf_fail(err, rc, "%s", why.text);
    }
    pairs_remember(pairs, pair, is_base, &out->result);
    if (out->result.status != PRF_STATUS_OK || out->result.profile == NULL) {
        pairs_fail(pairs, pair, side, &out->result);
        return 0;
    }
    return 1;
}

int
prf_pairs_measure(struct prf_pairs *pairs, struct prf_pair *pair,
                  struct prf_error *spare, struct prf_error *err)
{
    struct prf_measured base = {0}, next = {0};
    bool base_first = pair->n % 2 == 0;
    int rc = pairs_measure_side(pairs, pair, base_first, base_first ? &base : &next,
                                spare, err);
    if (rc > 0) {
        rc = pairs_measure_side(pairs, pair, !base_first, base_first ? &next : &base,
                                spare, err);
    }
    if (rc > 0) {
        rc = pairs_add_values(pairs, pair, &base.result, &next.result, err);
        if (rc == 0 && pair->n_metrics == 0) {
            prf_pairs_give_up(pairs, pair, "both sides have no metric in common");
        } else if (rc == 0) {
            rc = pairs_look(pairs, pair, err);
        }
    }
    prf_measured_release(&base);
    prf_measured_release(&next);
    return rc;
}

void
prf_pairs_release(struct prf_pairs *pairs)
{
    for (size_t i = 0; i < pairs->n; i++) {
        for (size_t k = 0; k < pairs->items[i].n_metrics; k++) {
            free(pairs->items[i].metrics[k].base);
            free(pairs->items[i].metrics[k].next);
        }
        free(pairs->items[i].metrics);
    }
    free(pairs->items);
    struct prf_arena arena = pairs->arena;
    prf_arena_release(&arena);
    *pairs = (struct prf_pairs){0};
}
