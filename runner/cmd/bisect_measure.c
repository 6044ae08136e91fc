/* Measuring for a bisection: a commit and the good end, one process each, side by side,
   so that drift of the machine cancels; see bisect.h. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bisect.h"
#include "change.h"
#include "process.h"
#include "strbuf.h"

#include <pyprofiler/stats.h>

#define BISECT_OPEN_MAX 6 /* sides with a plan; the checkouts of others are kept */
#define BISECT_TRIES 2    /* of a commit whose case fails: it may be flaky */

static int
measure_no_memory(struct prf_error *err)
{
    return prf_fail(err, PRF_ENOMEM, "out of memory");
}

/* ---- sides ---- */

static struct prf_bisect_side *
measure_find(struct prf_bisector *b, const char *id)
{
    for (size_t i = 0; i < b->n_sides; i++) {
        if (strcmp(b->sides[i].id, id) == 0) {
            return &b->sides[i];
        }
    }
    return NULL;
}

/* The one that was not used for longest makes room. */
static void
measure_make_room(struct prf_bisector *b, const char *good)
{
    struct prf_bisect_side *oldest = NULL;
    size_t n_open = 0;
    for (size_t i = 0; i < b->n_sides; i++) {
        struct prf_bisect_side *s = &b->sides[i];
        n_open += s->side != NULL;
        if (s->side != NULL && strcmp(s->id, good) != 0 &&
            (oldest == NULL || s->used < oldest->used)) {
            oldest = s;
        }
    }
    if (n_open >= BISECT_OPEN_MAX && oldest != NULL) {
        prf_measure_close(oldest->side);
        oldest->side = NULL;
        oldest->item = NULL;
    }
}

void
prf_bisect_close_sides(struct prf_bisector *b)
{
    for (size_t i = 0; i < b->n_sides; i++) {
        prf_measure_close(b->sides[i].side);
    }
    free(b->sides);
    b->sides = NULL;
    b->n_sides = 0;
}

static const char *
measure_keep(struct prf_bisector *b, const char *text)
{
    const char *copy = prf_arena_strdup(&b->model.arena, text);
    return copy == NULL ? "" : copy;
}

/* The case as it was named: a whole id goes before a part of one. */
static const struct prf_measure_item *
measure_match(const struct prf_measure_side *side, const char *what, size_t *n)
{
    const struct prf_measure_item *found = NULL;
    *n = 0;
    for (size_t i = 0; i < side->n_items; i++) {
        const struct prf_measure_item *item = &side->items[i];
        if (strcmp(item->case_id, what) == 0) {
            *n = 1;
            return item;
        }
        if (strstr(item->case_id, what) != NULL) {
            found = item;
            (*n)++;
        }
    }
    return found;
}

/* Which case is bisected: as the good end has it. */
static int
measure_choose_case(struct prf_bisector *b, struct prf_bisect_side *s,
                    struct prf_error *err)
{
    size_t n = 0;
    const char *what = b->words[0];
    const struct prf_measure_side *side = s->side;
    const struct prf_measure_item *item = measure_match(side, what, &n);
    if (n == 1) {
        b->model.case_id = measure_keep(b, item->case_id);
        b->model.profiler = measure_keep(b, item->profiler);
        return 0;
    }
    if (side->n_failures > 0 && n == 0) {
        return prf_fail(err, side->failures[0].usage ? PRF_EUSAGE : PRF_EUNAVAILABLE,
                        "%s: '%s' cannot be used: %s", side->name,
                        side->failures[0].node, side->failures[0].reason);
    }
    struct prf_strbuf list = PRF_STRBUF_INIT;
    for (size_t i = 0; i < side->n_items && i < 8; i++) {
        if (n == 0 || strstr(side->items[i].case_id, what) != NULL) {
            prf_strbuf_addf(&list, "%s%s", list.len > 0 ? ", " : "",
                            side->items[i].case_id);
        }
    }
    prf_fail(err, PRF_EUSAGE, "'%s' fits %s: %s", what,
             n == 0 ? "no case" : "several cases, name one",
             list.len > 0 ? prf_strbuf_text(&list) : "there are none");
    prf_strbuf_release(&list);
    return PRF_EUSAGE;
}

static int
measure_choose_item(struct prf_bisector *b, struct prf_bisect_side *s,
                    struct prf_error *err)
{
    const char *why = NULL;
    if (s->side->unbuildable != NULL) {
        s->why = measure_keep(b, s->side->unbuildable);
        return 0;
    }
    if (b->model.case_id == NULL) {
        int rc = measure_choose_case(b, s, err);
        if (rc < 0) {
            return rc;
        }
    }
    s->item = prf_measure_find(s->side, b->model.case_id, b->model.profiler, &why);
    why = s->item != NULL ? s->item->skip : why;
    if (why != NULL) {
        s->why = measure_keep(b, why);
    }
    return 0;
}

/* Checked out and planned, or why it cannot be measured. */
static int
measure_open(struct prf_bisector *b, const struct prf_revision *commit,
             const char *good, struct prf_bisect_side **out, struct prf_error *err)
{
    struct prf_bisect_side *s = measure_find(b, commit->id);
    char name[PRF_BISECT_ID + 1];
    if (s == NULL) {
        struct prf_bisect_side *grown =
            realloc(b->sides, (b->n_sides + 1) * sizeof *grown);
        if (grown == NULL) {
            return measure_no_memory(err);
        }
        b->sides = grown;
        s = &grown[b->n_sides++];
        *s = (struct prf_bisect_side){.id = commit->id};
    }
    *out = s;
    s->used = ++b->clock;
    if (s->side != NULL || s->why != NULL) {
        return 0;
    }
    measure_make_room(b, good);
    snprintf(name, sizeof name, "%s", commit->id);
    struct prf_measure_request request = {.name = name,
                                          .commit = commit->id,
                                          .tree = commit->tree,
                                          .author_time = commit->time};
    int rc = prf_measuring_side(&b->run, &request, &s->side, err);
    return rc < 0 ? rc : measure_choose_item(b, s, err);
}

/* ---- one process ---- */

/* One number for a process: of times the lowest, whatever disturbs adds to them. */
static double
measure_reduce(const double *samples, size_t n, const struct prf_bisect_metric *metric)
{
    bool lowest = metric->better == PRF_BETTER_LESS && prf_change_is_time(metric->unit);
    struct prf_summary summary = {0};
    double *scratch = malloc(n * sizeof *scratch);
    if (scratch == NULL) {
        return NAN;
    }
    prf_summarize(samples, n, scratch, &summary);
    free(scratch);
    return summary.n == 0 ? NAN : lowest ? summary.min : summary.median;
}

static double
measure_value(const struct prf_result *result, const struct prf_bisect_metric *metric)
{
    const struct prf_profile *p = result->profile;
    for (size_t i = 0; p != NULL && i < p->n_metrics; i++) {
        if (strcmp(p->metrics[i].name, metric->name) == 0 && p->metrics[i].n > 0) {
            return measure_reduce(p->metrics[i].samples, p->metrics[i].n, metric);
        }
    }
    return NAN;
}

/* 1: it failed, and s->why says how. `values` of each metric; the first time, with no
   metrics known, the result tells which there are. */
static int
measure_once(struct prf_bisector *b, struct prf_bisect_side *s, double *values,
             struct prf_error *err)
{
    struct prf_measured measured = {0};
    int rc = prf_measure_run(s->side, s->item, &measured, err);
    if (rc < 0) {
        prf_measured_release(&measured);
        return rc;
    }
    const struct prf_result *result = &measured.result;
    b->model.n_processes++;
    if (result->status != PRF_STATUS_OK) {
        struct prf_strbuf why = PRF_STRBUF_INIT;
        prf_strbuf_addf(&why, "the case %s%s%s",
                        result->status == PRF_STATUS_TIMEOUT   ? "timed out"
                        : result->status == PRF_STATUS_SKIPPED ? "was skipped"
                        : result->status == PRF_STATUS_CRASHED ? "crashed"
                                                               : "failed",
                        result->reason == NULL ? "" : ": ",
                        result->reason == NULL ? "" : result->reason);
        s->why = measure_keep(b, prf_strbuf_text(&why));
        prf_strbuf_release(&why);
        rc = 1;
    }
    for (size_t i = 0; rc == 0 && i < b->n_metrics; i++) {
        values[i] = measure_value(result, &b->metrics[i]);
    }
    if (rc == 0 && b->metrics == NULL) {
        const struct prf_profile *p = result->profile;
        size_t n = p == NULL ? 0 : p->n_metrics;
        b->metrics = prf_arena_alloc(&b->model.arena, (n + 1) * sizeof *b->metrics);
        for (size_t i = 0; i < n && b->metrics != NULL; i++) {
            b->metrics[b->n_metrics++] = (struct prf_bisect_metric){
                .name = measure_keep(b, p->metrics[i].name),
                .unit = measure_keep(b, p->metrics[i].unit),
                .better = p->metrics[i].better,
            };
        }
    }
    prf_measured_release(&measured);
    return rc;
}

/* As measure_once, but what fails gets another chance. */
static int
measure_tried(struct prf_bisector *b, struct prf_bisect_side *s, double *values,
              struct prf_error *err)
{
    int rc = 1;
    for (int i = 0; rc == 1 && i < BISECT_TRIES; i++) {
        s->why = NULL;
        rc = measure_once(b, s, values, err);
    }
    return rc;
}

static int
measure_fail_good(const struct prf_bisect_side *s, struct prf_error *err)
{
    return prf_fail(err, PRF_EUNAVAILABLE, "the good end %.*s cannot be measured: %s",
                    PRF_BISECT_ID, s->id, s->why);
}

int
prf_bisect_probe(struct prf_bisector *b, const struct prf_revision *good,
                 struct prf_error *err)
{
    struct prf_bisect_side *s = NULL;
    int rc = measure_open(b, good, good->id, &s, err);
    if (rc == 0 && s->why == NULL) {
        rc = measure_tried(b, s, NULL, err);
    }
    if (rc >= 0 && s->why != NULL) {
        return measure_fail_good(s, err);
    }
    return rc;
}

/* Counts and bytes may be 0 on one side: one unit more on both keeps the logarithm. */
static double
measure_log_ratio(double next, double base)
{
    if (isnan(next) || isnan(base) || next < 0 || base < 0) {
        return NAN;
    }
    return next > 0 && base > 0 ? log(next / base) : log((next + 1) / (base + 1));
}

int
prf_bisect_measure(struct prf_bisector *b, const struct prf_revision *good,
                   const struct prf_revision *commit, double *values, const char **why,
                   struct prf_error *err)
{
    struct prf_bisect_side *s = NULL, *g = NULL;
    double *base = calloc(b->n_metrics + 1, sizeof *base);
    int rc = base == NULL ? measure_no_memory(err)
                          : measure_open(b, commit, good->id, &s, err);
    if (rc < 0) {
        goto out;
    }
    if (s->why != NULL) {
        *why = s->why;
        rc = 1;
        goto out;
    }
    rc = measure_open(b, good, good->id, &g, err);
    s = measure_find(b, commit->id); /* the list may have moved */
    if (rc == 0 && b->reversed) {
        rc = measure_tried(b, s, values, err);
    }
    if (rc == 0) {
        rc = measure_tried(b, g, base, err);
        if (rc == 1) {
            rc = measure_fail_good(g, err);
        }
    }
    if (rc == 0 && !b->reversed) {
        rc = measure_tried(b, s, values, err);
    }
    b->reversed = !b->reversed;
    for (size_t i = 0; rc == 0 && i < b->n_metrics; i++) {
        values[i] = measure_log_ratio(values[i], base[i]);
    }
    if (rc == 1) {
        *why = s->why;
    }
out:
    free(base);
    return rc;
}

/* ---- what is stored ---- */

/* Results count as a pair when they were measured so soon after each other. */
#define BISECT_NEAR_NS 60000000000

struct reuse_value {
    size_t index; /* PRF_SEARCH_GOOD, or of the commit */
    double value;
    size_t n; /* samples it is of */
    int64_t started_ns;
    bool used;
};

struct reuse {
    struct prf_bisector *b;
    const struct prf_bisect_line *line;
    const char *options; /* of the case here */
    const struct prf_bisect_metric *metric;
    struct reuse_value *values;
    size_t n;
};

static bool
reuse_same(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static bool
reuse_fits(const struct reuse *r, const struct prf_point *p)
{
    const struct prf_history_setting *s = &r->b->model.setting;
    return p->status == PRF_STATUS_OK && !p->dirty && p->n_samples > 0 &&
           p->commit != NULL && p->started_ns < r->b->started_ns &&
           reuse_same(p->metric, r->metric->name) &&
           reuse_same(p->fingerprint, s->machine) &&
           reuse_same(p->version, s->python) &&
           reuse_same(p->implementation, s->implementation) &&
           reuse_same(p->flags, s->flags) && reuse_same(p->host, s->host) &&
           reuse_same(p->options, r->options);
}

static int
reuse_take(const struct prf_point *p, void *arg)
{
    struct reuse *r = arg;
    const struct prf_revisions *commits = &r->line->commits;
    size_t index = PRF_SEARCH_GOOD;
    if (!reuse_fits(r, p)) {
        return 0;
    }
    if (strcmp(p->commit, r->line->good.id) != 0) {
        for (index = 0; index < commits->n; index++) {
            if (strcmp(commits->items[index].id, p->commit) == 0) {
                break;
            }
        }
        if (index == commits->n) {
            return 0;
        }
    }
    struct reuse_value *grown = realloc(r->values, (r->n + 1) * sizeof *grown);
    if (grown == NULL) {
        return PRF_ENOMEM;
    }
    r->values = grown;
    r->values[r->n++] =
        (struct reuse_value){index, measure_reduce(p->samples, p->n_samples, r->metric),
                             p->n_samples, p->started_ns, false};
    return 0;
}

/* The lowest of many is lower than that of few. */
static bool
reuse_as_long(const struct reuse_value *a, const struct reuse_value *b)
{
    return a->n <= 2 * b->n && b->n <= 2 * a->n;
}

/* The good one measured nearest to `value` that no other one has. */
static struct reuse_value *
reuse_nearest(struct reuse *r, const struct reuse_value *value)
{
    struct reuse_value *best = NULL;
    int64_t best_ns = BISECT_NEAR_NS;
    for (size_t i = 0; i < r->n; i++) {
        struct reuse_value *v = &r->values[i];
        int64_t distance = v->started_ns - value->started_ns;
        distance = distance < 0 ? -distance : distance;
        if (v->index == PRF_SEARCH_GOOD && !v->used && distance < best_ns &&
            reuse_as_long(v, value)) {
            best = v;
            best_ns = distance;
        }
    }
    return best;
}

int
prf_bisect_reuse(struct prf_bisector *b, const struct prf_bisect_line *line,
                 prf_bisect_tell *tell, void *arg, struct prf_error *err)
{
    const struct prf_bisect_side *good = measure_find(b, line->good.id);
    int rc = 0;
    for (size_t m = 0; rc == 0 && m < b->n_metrics; m++) {
        struct reuse r = {.b = b,
                          .line = line,
                          .options = good != NULL && good->item != NULL
                                         ? good->item->options_text
                                         : "{}",
                          .metric = &b->metrics[m]};
        if (!line->wanted[m]) {
            continue;
        }
        rc = prf_store_points(b->run.store, b->model.case_id, b->model.profiler,
                              reuse_take, &r, err);
        for (size_t i = 0; rc == 0 && i < r.n; i++) {
            struct reuse_value *v = &r.values[i];
            struct reuse_value *g =
                v->index == PRF_SEARCH_GOOD ? NULL : reuse_nearest(&r, v);
            double value = g == NULL ? NAN : measure_log_ratio(v->value, g->value);
            if (g != NULL && !isnan(value)) {
                g->used = true;
                tell(arg, m, v->index, value);
                b->model.n_reused++;
            }
        }
        free(r.values);
    }
    return rc < 0 ? prf_fail(err, rc, "out of memory") : rc;
}
