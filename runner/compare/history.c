/* Collecting values and choosing which of them make a history; see history.h. */
#include "history.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <pyprofiler/stats.h>

#include "history_pool.h"
#include "strbuf.h"

static bool
history_same(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static int
history_no_memory(struct prf_error *err)
{
    return prf_fail(err, PRF_ENOMEM, "out of memory");
}

int
prf_history_begin(struct prf_history *history, const struct prf_history_commit *commits,
                  size_t n, struct prf_error *err)
{
    *history = (struct prf_history){.commits = commits, .n_commits = n};
    history->pool = calloc(1, sizeof *history->pool);
    return history->pool == NULL ? history_no_memory(err) : 0;
}

static void
history_pool_free(struct prf_history *history)
{
    struct history_pool *pool = history->pool;
    if (pool != NULL) {
        free(pool->lines);
        free(pool->settings);
        free(pool->raws);
        free(pool->places_of);
        free(pool);
    }
    history->pool = NULL;
}

void
prf_history_release(struct prf_history *history)
{
    history_pool_free(history);
    prf_arena_release(&history->arena);
    *history = (struct prf_history){0};
}

const struct prf_history_commit *
prf_history_commit_of(const struct prf_history *history,
                      const struct prf_history_series *series, size_t point)
{
    return &history->commits[history->places[series->points[point].place].commit];
}

/* ---- adding ---- */

/* NULL stays NULL; no memory sticks in *failed. */
static const char *
history_copy(struct prf_history *history, const char *text, bool *failed)
{
    const char *copy = text == NULL ? NULL : prf_arena_strdup(&history->arena, text);
    *failed = *failed || (text != NULL && copy == NULL);
    return copy;
}

static bool
history_same_setting(const struct prf_history_setting *a,
                     const struct prf_history_setting *b)
{
    return history_same(a->machine, b->machine) && history_same(a->python, b->python) &&
           history_same(a->implementation, b->implementation) &&
           history_same(a->flags, b->flags) && history_same(a->host, b->host) &&
           history_same(a->options, b->options);
}

/* Its index; PRF_HISTORY_NONE: no memory. The newest is looked at first: values of one
   setting come in a row. */
static size_t
history_setting(struct prf_history *history, const struct prf_history_setting *wanted)
{
    struct history_pool *pool = history->pool;
    for (size_t i = pool->n_settings; i-- > 0;) {
        if (history_same_setting(&pool->settings[i], wanted)) {
            return i;
        }
    }
    struct prf_history_setting *grown =
        realloc(pool->settings, (pool->n_settings + 1) * sizeof *grown);
    if (grown == NULL) {
        return PRF_HISTORY_NONE;
    }
    pool->settings = grown;
    bool failed = false;
    grown[pool->n_settings] = (struct prf_history_setting){
        .machine = history_copy(history, wanted->machine, &failed),
        .hostname = history_copy(history, wanted->hostname, &failed),
        .cpu = history_copy(history, wanted->cpu, &failed),
        .python = history_copy(history, wanted->python, &failed),
        .implementation = history_copy(history, wanted->implementation, &failed),
        .flags = history_copy(history, wanted->flags, &failed),
        .host = history_copy(history, wanted->host, &failed),
        .options = history_copy(history, wanted->options, &failed),
    };
    return failed ? PRF_HISTORY_NONE : pool->n_settings++;
}

static size_t
history_line(struct prf_history *history, const struct prf_history_value *v)
{
    struct history_pool *pool = history->pool;
    for (size_t i = 0; i < pool->n_lines; i++) {
        struct history_line *line = &pool->lines[i];
        if (history_same(line->metric, v->metric) &&
            strcmp(line->case_id, v->case_id) == 0 &&
            strcmp(line->profiler, v->profiler) == 0) {
            return i;
        }
    }
    struct history_line *grown =
        realloc(pool->lines, (pool->n_lines + 1) * sizeof *grown);
    if (grown == NULL) {
        return PRF_HISTORY_NONE;
    }
    pool->lines = grown;
    bool failed = false;
    grown[pool->n_lines] = (struct history_line){
        .case_id = history_copy(history, v->case_id, &failed),
        .profiler = history_copy(history, v->profiler, &failed),
        .metric = history_copy(history, v->metric, &failed),
        .unit = history_copy(history, v->unit == NULL ? "" : v->unit, &failed),
        .better = v->better,
    };
    return failed ? PRF_HISTORY_NONE : pool->n_lines++;
}

static int
history_grow(struct history_pool *pool)
{
    if (pool->n_raws < pool->capacity) {
        return 0;
    }
    size_t capacity = pool->capacity == 0 ? 64 : 2 * pool->capacity;
    struct history_raw *grown = realloc(pool->raws, capacity * sizeof *grown);
    if (grown == NULL) {
        return PRF_ENOMEM;
    }
    pool->raws = grown;
    pool->capacity = capacity;
    return 0;
}

/* With fewer than six values there is no interval of their median. */
#define HISTORY_CI_MIN 6

static int
history_summarize(const struct prf_history_value *v, struct history_raw *raw)
{
    struct prf_summary summary = {0};
    double *scratch = v->n == 0 ? NULL : malloc(v->n * sizeof *scratch);
    raw->value = raw->ci_low = raw->ci_high = NAN;
    if (v->n == 0) {
        return 0;
    }
    if (scratch == NULL) {
        return PRF_ENOMEM;
    }
    prf_summarize(v->samples, v->n, scratch, &summary);
    free(scratch);
    raw->n = summary.n;
    if (summary.n > 0) {
        raw->value = summary.median;
    }
    if (summary.n >= HISTORY_CI_MIN) {
        raw->ci_low = summary.ci_low;
        raw->ci_high = summary.ci_high;
    }
    return 0;
}

int
prf_history_add(struct prf_history *history, const struct prf_history_value *value,
                struct prf_error *err)
{
    struct history_pool *pool = history->pool;
    bool failed = history_grow(pool) < 0;
    if (failed) {
        return history_no_memory(err);
    }
    struct history_raw *raw = &pool->raws[pool->n_raws];
    *raw = (struct history_raw){
        .line = history_line(history, value),
        .setting = history_setting(history, &value->setting),
        .commit = value->commit,
        .tree = history_copy(history, value->tree, &failed),
        .case_hash = history_copy(history, value->case_hash, &failed),
        .result = history_copy(history, value->result_id, &failed),
        .started_ns = value->started_ns,
    };
    failed = failed || history_summarize(value, raw) < 0 ||
             raw->line == PRF_HISTORY_NONE || raw->setting == PRF_HISTORY_NONE;
    if (isnan(raw->value)) {
        raw->status = history_copy(
            history, value->status == NULL ? "failed" : value->status, &failed);
    }
    if (failed) {
        return history_no_memory(err);
    }
    pool->n_raws++;
    return 0;
}

/* ---- which lines ---- */

static bool
history_line_before(const struct history_pool *pool, size_t line)
{
    for (size_t i = 0; i < line; i++) {
        if (pool->lines[i].metric != NULL &&
            strcmp(pool->lines[i].case_id, pool->lines[line].case_id) == 0 &&
            strcmp(pool->lines[i].profiler, pool->lines[line].profiler) == 0) {
            return true;
        }
    }
    return false;
}

/* Without metrics that were asked for: the first one of each case. */
static bool
history_wants(const struct history_pool *pool, const struct prf_history_rules *rules,
              size_t line)
{
    const char *metric = pool->lines[line].metric;
    if (metric == NULL) {
        return false;
    }
    if (rules->metrics == NULL) {
        return !history_line_before(pool, line);
    }
    for (const char *const *m = rules->metrics; *m != NULL; m++) {
        if (strcmp(*m, metric) == 0) {
            return true;
        }
    }
    return false;
}

static int
history_check_metrics(const struct history_pool *pool,
                      const struct prf_history_rules *rules, struct prf_error *err)
{
    for (const char *const *m = rules->metrics; m != NULL && *m != NULL; m++) {
        struct prf_strbuf known = PRF_STRBUF_INIT;
        bool found = false;
        for (size_t i = 0; i < pool->n_lines; i++) {
            const char *metric = pool->lines[i].metric;
            found = found || history_same(metric, *m);
            if (metric != NULL && strstr(prf_strbuf_text(&known), metric) == NULL) {
                prf_strbuf_addf(&known, "%s%s", known.len > 0 ? ", " : "", metric);
            }
        }
        if (!found) {
            prf_fail(err, PRF_ENOTFOUND, "no metric '%s'; there is: %s", *m,
                     known.len > 0 ? prf_strbuf_text(&known) : "none");
        }
        prf_strbuf_release(&known);
        if (!found) {
            return PRF_ENOTFOUND;
        }
    }
    return 0;
}

/* ---- which settings ---- */

static bool
history_of_case(const struct history_pool *pool, const struct history_raw *raw,
                size_t line)
{
    const struct history_line *a = &pool->lines[raw->line], *b = &pool->lines[line];
    return raw->line == line ||
           (a->metric == NULL && strcmp(a->case_id, b->case_id) == 0 &&
            strcmp(a->profiler, b->profiler) == 0);
}

/* The newest setting of the line older than `than` (in time of its newest value), or
   PRF_HISTORY_NONE. `newest[i]`: when setting i has its newest value, 0: it has none.
 */
static size_t
history_next_setting(const int64_t *newest, size_t n, size_t than)
{
    size_t best = PRF_HISTORY_NONE;
    for (size_t i = 0; i < n; i++) {
        bool after = than == PRF_HISTORY_NONE || newest[i] < newest[than] ||
                     (newest[i] == newest[than] && i > than);
        if (newest[i] != INT64_MIN && after &&
            (best == PRF_HISTORY_NONE || newest[i] > newest[best])) {
            best = i;
        }
    }
    return best;
}

static void
history_add_difference(struct prf_strbuf *sb, const char *noun, const char *a,
                       const char *b)
{
    if (!history_same(a, b)) {
        prf_strbuf_addf(sb, "%s%s %s", sb->len > 0 ? ", " : "", noun,
                        a == NULL || *a == '\0' ? "not known" : a);
    }
}

/* How `a` differs from `b`, in words; the arena's, NULL: no memory. */
static const char *
history_difference(struct prf_history *history, const struct prf_history_setting *a,
                   const struct prf_history_setting *b)
{
    struct prf_strbuf sb = PRF_STRBUF_INIT;
    if (!history_same(a->machine, b->machine)) {
        prf_strbuf_addf(&sb, "machine %s", a->hostname == NULL ? "?" : a->hostname);
        if (a->cpu != NULL && !history_same(a->cpu, b->cpu)) {
            prf_strbuf_addf(&sb, " (%s)", a->cpu);
        } else if (history_same(a->hostname, b->hostname) && a->machine != NULL) {
            prf_strbuf_addf(&sb, " (%.8s)", a->machine);
        }
    }
    history_add_difference(&sb, "Python", a->python, b->python);
    history_add_difference(&sb, "implementation", a->implementation, b->implementation);
    history_add_difference(&sb, "build flags", a->flags, b->flags);
    history_add_difference(&sb, "host", a->host, b->host);
    history_add_difference(&sb, "options", a->options, b->options);
    const char *text =
        sb.failed ? NULL : prf_arena_strdup(&history->arena, prf_strbuf_text(&sb));
    prf_strbuf_release(&sb);
    return text;
}

/* ---- finishing ---- */

/* A series in the making: what it is of. */
struct history_pick {
    size_t line, setting, newest_setting;
    int64_t newest_ns;
};

struct history_picks {
    struct history_pick *items;
    size_t n;
};

static int
history_pick_line(struct prf_history *history, const struct prf_history_rules *rules,
                  size_t line, struct history_picks *picks)
{
    struct history_pool *pool = history->pool;
    int64_t *newest = malloc((pool->n_settings + 1) * sizeof *newest);
    size_t setting = PRF_HISTORY_NONE, first = PRF_HISTORY_NONE;
    if (newest == NULL) {
        return PRF_ENOMEM;
    }
    for (size_t i = 0; i < pool->n_settings; i++) {
        newest[i] = INT64_MIN;
    }
    for (size_t i = 0; i < pool->n_raws; i++) {
        const struct history_raw *raw = &pool->raws[i];
        bool counts = raw->line == line && (raw->tree == NULL || rules->wip);
        if (counts && raw->started_ns > newest[raw->setting]) {
            newest[raw->setting] = raw->started_ns;
        }
    }
    while ((setting = history_next_setting(newest, pool->n_settings, setting)) !=
           PRF_HISTORY_NONE) {
        first = first == PRF_HISTORY_NONE ? setting : first;
        if (setting != first && !rules->across_machines) {
            break;
        }
        picks->items[picks->n++] =
            (struct history_pick){line, setting, first, newest[setting]};
    }
    free(newest);
    return 0;
}

/* Marks the raws that are shown, counts the others by why they are not. */
static int
history_use(struct prf_history *history, const struct prf_history_rules *rules,
            const struct history_picks *picks, bool *use)
{
    struct history_pool *pool = history->pool;
    const struct history_raw *newest = NULL; /* of those of other settings */
    size_t shown = 0;
    for (size_t i = 0; i < pool->n_raws; i++) {
        const struct history_raw *raw = &pool->raws[i];
        const struct history_pick *other = NULL;
        for (size_t k = 0; k < picks->n; k++) {
            const struct history_pick *pick = &picks->items[k];
            if (history_of_case(pool, raw, pick->line)) {
                use[i] = use[i] || raw->setting == pick->setting;
                other = pick;
            }
        }
        if (use[i] && raw->tree != NULL && !rules->wip) {
            use[i] = false;
            history->n_dirty++;
        } else if (!use[i] && other != NULL && raw->line == other->line) {
            history->n_other++;
            if (newest == NULL || raw->started_ns >= newest->started_ns) {
                newest = raw;
                shown = other->newest_setting;
            }
        }
    }
    if (newest != NULL) {
        history->other = history_difference(history, &pool->settings[newest->setting],
                                            &pool->settings[shown]);
    }
    return newest != NULL && history->other == NULL ? PRF_ENOMEM : 0;
}

static int
history_fill_series(struct prf_history *history, const struct history_pick *pick,
                    const bool *use, struct prf_history_series *series,
                    struct prf_error *err)
{
    struct history_pool *pool = history->pool;
    const struct history_line *line = &pool->lines[pick->line];
    struct prf_history_setting *setting =
        prf_arena_alloc(&history->arena, sizeof *setting);
    struct history_raw *raws = malloc((pool->n_raws + 1) * sizeof *raws);
    size_t n = 0;
    int rc = PRF_ENOMEM;
    if (setting == NULL || raws == NULL) {
        goto out;
    }
    *setting = pool->settings[pick->setting];
    *series = (struct prf_history_series){
        .case_id = line->case_id,
        .profiler = line->profiler,
        .metric = line->metric,
        .unit = line->unit,
        .better = line->better,
        .setting = setting,
        .newest_ns = pick->newest_ns,
    };
    if (pick->setting != pick->newest_setting) {
        series->differs =
            history_difference(history, setting, &pool->settings[pick->newest_setting]);
        if (series->differs == NULL) {
            goto out;
        }
    }
    for (size_t i = 0; i < pool->n_raws; i++) {
        if (use[i] && pool->raws[i].setting == pick->setting &&
            history_of_case(pool, &pool->raws[i], pick->line)) {
            raws[n++] = pool->raws[i];
        }
    }
    rc = history_level(history, series, raws, n, err);
out:
    free(raws);
    return rc == PRF_ENOMEM ? history_no_memory(err) : rc;
}

static void
history_count_measured(struct prf_history *history)
{
    for (size_t i = 0; i < history->n_places; i++) {
        bool any = false;
        for (size_t k = 0; k < history->n_series && !any; k++) {
            const struct prf_history_series *s = &history->series[k];
            size_t low = 0, high = s->n; /* points are sorted by place */
            while (low < high) {
                size_t middle = low + (high - low) / 2;
                if (s->points[middle].place < i) {
                    low = middle + 1;
                } else {
                    high = middle;
                }
            }
            any =
                low < s->n && s->points[low].place == i && !isnan(s->points[low].value);
        }
        history->n_measured += any && history->places[i].kind == PRF_PLACE_COMMIT;
    }
}

static int
history_order_picks(const void *a, const void *b, void *arg)
{
    const struct history_pick *x = a, *y = b;
    const struct history_pool *pool = arg;
    int order = strcmp(pool->lines[x->line].case_id, pool->lines[y->line].case_id);
    if (order == 0) {
        order = (x->line > y->line) - (x->line < y->line);
    }
    return order != 0 ? order
                      : (x->newest_ns < y->newest_ns) - (x->newest_ns > y->newest_ns);
}

static int
history_build(struct prf_history *history, const struct prf_history_rules *rules,
              const struct history_picks *picks, bool *use, struct prf_error *err)
{
    int rc = history_use(history, rules, picks, use);
    if (rc == 0) {
        rc = history_place(history, use, err);
    }
    history->series =
        prf_arena_alloc(&history->arena, picks->n * sizeof *history->series);
    if (rc == 0 && history->series == NULL) {
        rc = PRF_ENOMEM;
    }
    for (size_t i = 0; rc == 0 && i < picks->n; i++) {
        struct prf_history_series *series = &history->series[history->n_series];
        rc = history_fill_series(history, &picks->items[i], use, series, err);
        if (rc == 0) {
            history->n_series++;
            rc = history_find_steps(history, series, rules, err);
        }
    }
    if (rc == 0) {
        history_count_measured(history);
    }
    return rc == PRF_ENOMEM ? history_no_memory(err) : rc;
}

static int
history_fail_empty(const struct prf_history *history, struct prf_error *err)
{
    bool dirty = false;
    for (size_t i = 0; i < history->pool->n_raws; i++) {
        dirty = dirty || history->pool->raws[i].tree != NULL;
    }
    return prf_fail(err, PRF_ENOTFOUND,
                    dirty ? "all results are of dirty trees: --wip shows them"
                          : "no result of these commits has a value");
}

int
prf_history_finish(struct prf_history *history, const struct prf_history_rules *rules,
                   struct prf_error *err)
{
    struct history_pool *pool = history->pool;
    size_t room = pool->n_lines * (pool->n_settings + 1) + 1;
    struct history_picks picks = {malloc(room * sizeof *picks.items), 0};
    bool *use = calloc(pool->n_raws + 1, sizeof *use);
    int rc = picks.items == NULL || use == NULL ? history_no_memory(err) : 0;
    history->threshold = rules->threshold;
    history->alpha = rules->alpha;
    if (rc == 0) {
        rc = history_check_metrics(pool, rules, err);
    }
    for (size_t i = 0; rc == 0 && i < pool->n_lines; i++) {
        if (history_wants(pool, rules, i) &&
            history_pick_line(history, rules, i, &picks) < 0) {
            rc = history_no_memory(err);
        }
    }
    if (rc == 0 && picks.n == 0) {
        rc = history_fail_empty(history, err);
    }
    if (rc == 0) {
        qsort_r(picks.items, picks.n, sizeof *picks.items, history_order_picks, pool);
        rc = history_build(history, rules, &picks, use, err);
    }
    free(picks.items);
    free(use);
    history_pool_free(history);
    return rc;
}
