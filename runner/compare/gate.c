/* Gates; see gate.h. */
#include "gate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "gate_names.h"
#include "suggest.h"

#define GATE_LIMITS_MAX 8 /* of one clause */

/* --- limits of a clause ------------------------------------------------------------
 */

/* The text of a limit: a string as it is, a number in `buf`; NULL: neither. */
static const char *
gate_text(const json_t *value, char buf[32])
{
    if (json_is_string(value)) {
        return json_string_value(value);
    }
    if (json_is_number(value)) {
        snprintf(buf, 32, "%.15g", json_number_value(value));
        return buf;
    }
    return NULL;
}

static size_t
gate_count(const json_t *value)
{
    return json_is_array(value) ? json_array_size(value) : 1;
}

static const json_t *
gate_at(const json_t *value, size_t i)
{
    return json_is_array(value) ? json_array_get(value, i) : value;
}

static const char *
gate_kind(const json_t *value)
{
    const char *wrong = json_string_value(json_object_get(value, "wrong"));
    return wrong != NULL            ? wrong
           : json_is_boolean(value) ? "a boolean"
           : json_is_array(value)   ? "a list"
           : json_is_object(value)  ? "a table"
                                    : "null";
}

static int
gate_parse(const char *name, const json_t *value, struct prf_limit *out, char buf[32],
           struct prf_error *err)
{
    struct prf_error why = {0};
    const char *text = gate_text(value, buf);
    if (text == NULL) {
        return prf_fail(
            err, PRF_EUSAGE,
            "'%s' takes a limit such as '+3%%', '1.5 s', '64 MB' or a number, not %s",
            name, gate_kind(value));
    }
    if (prf_limit_parse(text, out, &why) < 0) {
        return prf_fail(err, PRF_EUSAGE, "'%s': %s", name, why.text);
    }
    return 0;
}

/* --- checking names and limits -----------------------------------------------------
 */

#define GATE_NAMES_MAX 256

/* The nearest of the names of metrics; of one profiler's, or with the short ones. */
static const char *
gate_near_metric(const char *name, const char *profiler, size_t len,
                 const struct prf_gate_known *known)
{
    const char *names[GATE_NAMES_MAX];
    size_t n = 0;
    for (size_t i = 0; profiler == NULL && i < prf_gate_n_shorts; i++) {
        names[n++] = prf_gate_shorts[i].name;
    }
    for (size_t i = 0; i < known->n && n < GATE_NAMES_MAX; i++) {
        if (profiler == NULL ||
            prf_gate_same(profiler, len, known->metrics[i].profiler)) {
            names[n++] = known->metrics[i].name;
        }
    }
    return prf_suggest(name, names, n);
}

static int
gate_fail_near(struct prf_error *err, const char *what, const char *near)
{
    return near == NULL
               ? prf_fail(err, PRF_EUSAGE, "%s", what)
               : prf_fail(err, PRF_EUSAGE, "%s, did you mean '%s'?", what, near);
}

/* "profiler.metric": wrong when the profiler is known, or looks like a known one. */
static int
gate_check_exact(const char *name, size_t len, const struct prf_gate_known *known,
                 struct prf_error *err)
{
    const char *profilers[GATE_NAMES_MAX];
    char what[160], profiler[64];
    bool found = false;
    size_t n = known->n < GATE_NAMES_MAX ? known->n : GATE_NAMES_MAX;
    for (size_t i = 0; i < n; i++) {
        profilers[i] = known->metrics[i].profiler;
        found |= prf_gate_same(name, len, profilers[i]);
    }
    if (found) {
        snprintf(what, sizeof what, "'%.*s' does not measure '%s'", (int)len, name,
                 name + len + 1);
        return gate_fail_near(err, what,
                              gate_near_metric(name + len + 1, name, len, known));
    }
    snprintf(profiler, sizeof profiler, "%.*s", (int)len, name);
    const char *near = prf_suggest(profiler, profilers, n);
    if (near != NULL) {
        snprintf(what, sizeof what, "no profiler '%s'", profiler);
        return gate_fail_near(err, what, near);
    }
    return known->complete
               ? prf_fail(err, PRF_EUSAGE, "no profiler measures '%s'", name)
               : 0;
}

/* A name that means no known metric. */
static int
gate_check_name(const char *name, const struct prf_gate_known *known,
                struct prf_error *err)
{
    const char *dot = strchr(name, '.');
    char what[160];
    if (*name == '\0') {
        return prf_fail(err, PRF_EUSAGE,
                        "it takes limits of metrics by name: wall_time='+3%%'");
    }
    if (dot != NULL) {
        return gate_check_exact(name, (size_t)(dot - name), known, err);
    }
    const char *near = gate_near_metric(name, NULL, 0, known);
    snprintf(what, sizeof what, "no profiler measures '%s'", name);
    return near != NULL || known->complete ? gate_fail_near(err, what, near) : 0;
}

/* Every limit of a clause, against every metric that its name means. */
static int
gate_check_clause(const char *name, const json_t *value,
                  const struct prf_gate_known *known, struct prf_error *err)
{
    size_t n_meant = 0, n = gate_count(value);
    char buf[32];
    int rc = 0;
    for (size_t k = 0; k < known->n; k++) {
        n_meant += prf_gate_means(name, known->metrics[k].profiler,
                                  known->metrics[k].name) > 0;
    }
    if (n_meant == 0) {
        rc = gate_check_name(name, known, err);
    }
    if (rc == 0 && (n == 0 || n > GATE_LIMITS_MAX)) {
        rc = prf_fail(err, PRF_EUSAGE, "'%s' takes one to %d limits, not %zu", name,
                      GATE_LIMITS_MAX, n);
    }
    for (size_t i = 0; rc == 0 && i < n; i++) {
        struct prf_limit limit;
        struct prf_error why = {0};
        rc = gate_parse(name, gate_at(value, i), &limit, buf, err);
        for (size_t k = 0; rc == 0 && k < known->n; k++) {
            const struct prf_gate_metric *m = &known->metrics[k];
            if (prf_gate_means(name, m->profiler, m->name) > 0 &&
                prf_limit_fits(&limit, m->unit, &why) < 0) {
                rc = prf_fail(err, PRF_EUSAGE, "'%s': %s", name, why.text);
            }
        }
    }
    return rc;
}

int
prf_gate_check_budget(const json_t *budget, const struct prf_gate_known *known,
                      struct prf_error *err)
{
    const char *name;
    json_t *value;
    struct prf_error why = {0};
    json_object_foreach((json_t *)budget, name, value)
    {
        if (gate_check_clause(name, value, known, &why) < 0) {
            return prf_fail(err, why.code, PRF_GATE_BUDGET ": %s", why.text);
        }
    }
    return 0;
}

static int
gate_check_keys(const json_t *table, const char *prefix,
                const struct prf_gate_known *known, bool nested, struct prf_error *err)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)table, key, value)
    {
        struct prf_strbuf name = PRF_STRBUF_INIT;
        int rc = 0;
        prf_strbuf_addf(&name, "%s%s%s", prefix, *prefix == '\0' ? "" : ".", key);
        if (json_is_object(value) && !nested) {
            rc = gate_check_keys(value, prf_gate_is_profiler(key) ? key : "", known,
                                 true, err);
        } else {
            rc = gate_check_clause(prf_strbuf_text(&name), value, known, err);
        }
        prf_strbuf_release(&name);
        if (rc < 0) {
            return rc;
        }
    }
    return 0;
}

int
prf_gate_check_table(const json_t *table, const char *path,
                     const struct prf_gate_known *known, struct prf_error *err)
{
    struct prf_error why = {0};
    if (table == NULL) {
        return 0;
    }
    if (!json_is_object(table)) {
        return prf_fail(err, PRF_EUSAGE,
                        "'%s': 'gate' in [tool.pyprofiler] is no table", path);
    }
    if (gate_check_keys(table, "", known, false, &why) < 0) {
        return prf_fail(err, why.code, "'%s': " PRF_GATE_TABLE ": %s", path, why.text);
    }
    return 0;
}

/* --- finding the clauses of a metric ------------------------------------------------
 */

struct gate_found {
    const char *name, *source;
    const json_t *value;
    int strength;
};

static void
gate_offer(struct gate_found *found, const struct gate_found *other)
{
    if (other->strength >= found->strength) {
        *found = *other;
    }
}

/* The clause of one table; `level` is how much the table counts. */
static void
gate_look(const struct prf_gate_subject *s, const json_t *table, const char *source,
          int level, struct gate_found *found)
{
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)table, name, value)
    {
        int means =
            json_is_object(value) ? 0 : prf_gate_means(name, s->profiler, s->metric);
        if (means > 0) {
            gate_offer(found,
                       &(struct gate_found){name, source, value, 2 * level + means});
        }
    }
}

/* tracemalloc.peak, written without quotes. */
static void
gate_look_profiler(const struct prf_gate_subject *s, const char *profiler,
                   const json_t *table, struct gate_found *found)
{
    const char *name;
    json_t *value;
    if (!prf_gate_same(profiler, strlen(profiler), s->profiler)) {
        return;
    }
    json_object_foreach((json_t *)table, name, value)
    {
        if (prf_gate_same(name, strlen(name), s->metric)) {
            gate_offer(found, &(struct gate_found){name, PRF_GATE_TABLE, value, 2});
        }
    }
}

static struct gate_found
gate_find(const struct prf_gate_subject *s)
{
    struct gate_found found = {0};
    const char *key;
    json_t *value;
    int level = 0;
    gate_look(s, s->table, PRF_GATE_TABLE, level, &found);
    json_object_foreach((json_t *)s->table, key, value)
    {
        if (json_is_object(value) && prf_gate_is_profiler(key)) {
            gate_look_profiler(s, key, value, &found);
        } else if (json_is_object(value) && prf_gate_matches(key, s->case_id)) {
            gate_look(s, value, PRF_GATE_TABLE, ++level, &found);
        }
    }
    gate_look(s, s->budget, PRF_GATE_BUDGET, ++level, &found);
    return found;
}

/* --- judging ------------------------------------------------------------------------
 */

/* What is being judged: a change, or a summary alone. */
struct gate_case {
    const struct prf_gate_subject *subject;
    const struct prf_change *change;   /* NULL: not compared, `uncompared` says why */
    const struct prf_summary *summary; /* NULL: not measured */
    const char *uncompared;
    bool absolute_only;
};

static enum prf_kept
gate_judge_limit(const struct gate_case *g, const struct prf_limit *limit,
                 struct prf_strbuf *why)
{
    const struct prf_gate_subject *s = g->subject;
    if (limit->relative && g->change != NULL) {
        return prf_limit_judge_change(limit, g->change, why);
    }
    if (!limit->relative && g->summary != NULL) {
        return prf_limit_judge_value(limit, g->summary->median, g->summary->ci_low,
                                     g->summary->ci_high, s->unit, s->better, why);
    }
    prf_strbuf_addf(why, "not compared: %s", g->uncompared);
    return PRF_UNKNOWN;
}

static int
gate_append(struct prf_arena *arena, struct prf_clause **clauses, size_t *n,
            const struct prf_clause *clause)
{
    struct prf_clause *more = prf_arena_alloc(arena, (*n + 1) * sizeof *more);
    if (more == NULL || clause->text == NULL || clause->why == NULL) {
        return -1;
    }
    if (*n > 0) {
        memcpy(more, *clauses, *n * sizeof *more);
    }
    more[(*n)++] = *clause;
    *clauses = more;
    return 0;
}

/* One limit of the clause, judged and appended. A limit that is none was in a budget
   that another version understood: said, not hidden. */
static int
gate_judge_one(const struct gate_case *g, const struct gate_found *found,
               const json_t *value, struct prf_arena *arena,
               struct prf_clause **clauses, size_t *n)
{
    struct prf_strbuf text = PRF_STRBUF_INIT, why = PRF_STRBUF_INIT;
    struct prf_limit limit;
    struct prf_error wrong = {0};
    char buf[32];
    int rc = 0;
    enum prf_kept kept = PRF_UNKNOWN;
    prf_strbuf_adds(&text, found->name);
    if (gate_parse(found->name, value, &limit, buf, &wrong) < 0 ||
        prf_limit_fits(&limit, g->subject->unit, &wrong) < 0) {
        prf_strbuf_adds(&why, wrong.text);
    } else if (limit.relative && g->absolute_only) {
        goto out;
    } else {
        prf_strbuf_addc(&text, ' ');
        prf_limit_add(&text, &limit, g->subject->unit, g->subject->better);
        kept = gate_judge_limit(g, &limit, &why);
    }
    rc = gate_append(arena, clauses, n,
                     &(struct prf_clause){
                         .text = prf_arena_strdup(arena, prf_strbuf_text(&text)),
                         .source = found->source,
                         .broken = kept == PRF_BROKEN,
                         .unknown = kept == PRF_UNKNOWN,
                         .why = prf_arena_strdup(arena, prf_strbuf_text(&why)),
                     });
out:
    rc = text.failed || why.failed ? -1 : rc;
    prf_strbuf_release(&text);
    prf_strbuf_release(&why);
    return rc;
}

static int
gate_judge_clauses(const struct gate_case *g, struct prf_arena *arena,
                   struct prf_clause **clauses, size_t *n, struct prf_error *err)
{
    struct gate_found found = gate_find(g->subject);
    size_t n_limits = found.value == NULL ? 0 : gate_count(found.value);
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < n_limits; i++) {
        rc = gate_judge_one(g, &found, gate_at(found.value, i), arena, clauses, n);
    }
    return rc < 0 ? prf_fail(err, PRF_ENOMEM, "out of memory") : 0;
}

int
prf_gate_judge_summary(const struct prf_gate_subject *subject,
                       const struct prf_summary *summary, struct prf_arena *arena,
                       struct prf_clause **clauses, size_t *n, struct prf_error *err)
{
    const struct gate_case g = {
        .subject = subject, .summary = summary, .absolute_only = true};
    return gate_judge_clauses(&g, arena, clauses, n, err);
}

static struct prf_gate_subject
gate_subject(const struct prf_compared *item, const json_t *table, const json_t *budget)
{
    return (struct prf_gate_subject){
        .table = table,
        .budget = budget,
        .case_id = item->case_id,
        .profiler = item->profiler,
        .metric = item->metric,
        .unit = item->unit,
        .better = item->change.better,
    };
}

static void
gate_threshold(struct prf_compared *item, const struct gate_found *found)
{
    double rule = item->threshold;
    bool first = true;
    for (size_t i = 0; found->value != NULL && i < gate_count(found->value); i++) {
        struct prf_limit limit;
        struct prf_error ignored = {0};
        char buf[32];
        if (gate_parse(found->name, gate_at(found->value, i), &limit, buf, &ignored) ==
                0 &&
            limit.relative && limit.amount >= 0.0) {
            item->threshold =
                first ? limit.amount : fmin(item->threshold, limit.amount);
            first = false;
        }
    }
    /* While it was measured the verdict was asked for under the common threshold. */
    if (item->threshold != rule && item->change.looked) {
        item->change.verdict = PRF_VERDICT_INCONCLUSIVE;
    }
}

/* A budget that is no JSON (a damaged store) counts as none. */
static json_t *
gate_budget(const struct prf_compared *item)
{
    return item->budget == NULL ? NULL : json_loads(item->budget, 0, NULL);
}

int
prf_gate_thresholds(struct prf_comparison *comparison, const json_t *table,
                    struct prf_error *err)
{
    (void)err;
    for (size_t i = 0; i < comparison->n; i++) {
        struct prf_compared *item = &comparison->items[i];
        json_t *budget = item->metric == NULL ? NULL : gate_budget(item);
        struct prf_gate_subject s = gate_subject(item, table, budget);
        if (item->metric != NULL && item->uncompared == PRF_COMPARED) {
            struct gate_found found = gate_find(&s);
            gate_threshold(item, &found);
        }
        json_decref(budget);
    }
    return 0;
}

static const char *
gate_uncompared(const struct prf_compared *item)
{
    static const char *const why[] = {
        [PRF_COMPARED] = "",
        [PRF_ONLY_BASE] = "it is gone",
        [PRF_ONLY_NEXT] = "it is new",
        [PRF_OTHER_MACHINE] = "measured under other conditions",
        [PRF_NOT_MEASURED] = "not measured",
    };
    return item->why != NULL ? item->why : why[item->uncompared];
}

/* Of what has no base only absolute clauses say something. */
static int
gate_judge_alone(struct prf_comparison *comparison, struct prf_compared *item,
                 const json_t *table, const json_t *budget, struct prf_error *err)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < item->n_alone; i++) {
        const struct prf_alone *alone = &item->alone[i];
        double median = alone->median;
        struct prf_gate_subject s = gate_subject(item, table, budget);
        s.metric = alone->metric;
        s.unit = alone->unit;
        s.better = alone->better;
        const struct prf_summary summary = {
            .n = alone->n, .median = median, .ci_low = median, .ci_high = median};
        rc = prf_gate_judge_summary(&s, &summary, &comparison->arena, &item->clauses,
                                    &item->n_clauses, err);
    }
    return rc;
}

static int
gate_judge_change(struct prf_comparison *comparison, struct prf_compared *item,
                  const json_t *table, const json_t *budget, struct prf_error *err)
{
    const struct prf_change *c = &item->change;
    struct prf_gate_subject s = gate_subject(item, table, budget);
    /* The median of processes: how sure it is, is not known. */
    struct prf_summary next = {
        .n = c->n_next, .median = c->next, .ci_low = c->next, .ci_high = c->next};
    struct gate_case g = {
        .subject = &s,
        .change = item->uncompared == PRF_COMPARED ? c : NULL,
        .summary = c->n_next > 0 ? &next : NULL,
        .uncompared = gate_uncompared(item),
    };
    return gate_judge_clauses(&g, &comparison->arena, &item->clauses, &item->n_clauses,
                              err);
}

int
prf_gate_judge(struct prf_comparison *comparison, const json_t *table,
               struct prf_error *err)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < comparison->n; i++) {
        struct prf_compared *item = &comparison->items[i];
        json_t *budget = gate_budget(item);
        item->clauses = NULL;
        item->n_clauses = 0;
        if (item->n_alone > 0) {
            rc = gate_judge_alone(comparison, item, table, budget, err);
        } else if (item->metric != NULL && item->uncompared != PRF_ONLY_BASE) {
            rc = gate_judge_change(comparison, item, table, budget, err);
        }
        json_decref(budget);
    }
    return rc;
}
