/* The search over one line of commits: asks runner/compare/search.h what to measure,
   measures it, tells the outcome, until each metric has its answer; see bisect.h. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bisect.h"
#include "history_report.h"
#include "interrupt.h"
#include "process.h"
#include "strbuf.h"

/* What a metric's search came to. */
enum line_state { LINE_SEARCHING, LINE_DONE, LINE_STUCK };

struct line_search {
    struct prf_bisector *b;
    const struct prf_bisect_line *line;
    struct prf_search **searches; /* by metric; NULL: not wanted */
    enum line_state *states;
    double *values;
};

static struct prf_history_commit
line_commit(const struct prf_revision *r)
{
    return (struct prf_history_commit){.id = r->id,
                                       .summary = r->summary,
                                       .author = r->author,
                                       .tags = r->tags,
                                       .time = r->time};
}

int
prf_bisect_show(struct prf_bisector *b, struct prf_bisect_line *line,
                struct prf_error *err)
{
    size_t n = line->commits.n;
    struct prf_history_commit *shown =
        prf_arena_alloc(&b->model.arena, (n + 1) * sizeof *shown);
    if (shown == NULL) {
        return prf_fail(err, PRF_ENOMEM, "out of memory");
    }
    shown[0] = line_commit(&line->good);
    for (size_t i = 0; i < n; i++) {
        shown[i + 1] = line_commit(&line->commits.items[i]);
    }
    line->shown = shown;
    return 0;
}

/* ---- the end of it ---- */

static void
line_stop(struct prf_bisector *b, const char *why)
{
    if (b->model.stopped == NULL) {
        b->model.stopped = why;
    }
}

static bool
line_is_used_up(struct prf_bisector *b)
{
    const struct prf_bisect_options *o = &b->options;
    if (o->max_time_ns > 0 && prf_wall_ns() - b->started_ns >= o->max_time_ns) {
        line_stop(b, "the time of --max-time is used up");
    } else if (o->max_runs > 0 && b->model.n_processes + 2 > o->max_runs) {
        line_stop(b, "the processes of --max-runs are used up");
    }
    return b->model.stopped != NULL;
}

static enum prf_bisect_outcome
line_outcome(const struct line_search *s, enum line_state state,
             const struct prf_search_answer *a)
{
    const struct prf_bisection *m = &s->b->model;
    if (state == LINE_SEARCHING) {
        return PRF_BISECT_STOPPED;
    }
    if (state == LINE_STUCK && a->differs && a->probability < m->confidence) {
        return PRF_BISECT_STUCK;
    }
    bool below = fabs(log(a->ratio)) < log1p(m->threshold);
    return a->differs && !below ? PRF_BISECT_FOUND
           : isfinite(a->ratio) ? PRF_BISECT_SAME
                                : PRF_BISECT_STUCK;
}

static void
line_fill(const struct line_search *s, size_t metric, struct prf_bisect_answer *out)
{
    struct prf_search_answer a = {0};
    const struct prf_bisect_metric *m = &s->b->metrics[metric];
    prf_search_answer(s->searches[metric], &a);
    *out = (struct prf_bisect_answer){
        .metric = m->name,
        .unit = m->unit,
        .better = m->better,
        .outcome = line_outcome(s, s->states[metric], &a),
        .probability = a.probability,
        .ratio = a.ratio,
        .ci_low = a.ci_low,
        .ci_high = a.ci_high,
        .n_observations = a.n_measured,
    };
    if (a.differs && a.first <= a.last && a.last < s->line->commits.n) {
        out->before = &s->line->shown[a.first];
        out->candidates = &s->line->shown[a.first + 1];
        out->n_candidates = a.last - a.first + 1;
    }
}

/* ---- measuring ---- */

static void
line_tell(void *arg, size_t metric, size_t index, double value)
{
    struct line_search *s = arg;
    prf_search_tell(s->searches[metric], index, value);
}

static int
line_skip(struct line_search *s, size_t index, const char *why, struct prf_error *err)
{
    struct prf_bisection *m = &s->b->model;
    struct prf_bisect_skip *grown = realloc(m->skips, (m->n_skips + 1) * sizeof *grown);
    if (grown == NULL) {
        return prf_fail(err, PRF_ENOMEM, "out of memory");
    }
    m->skips = grown;
    grown[m->n_skips++] = (struct prf_bisect_skip){&s->line->shown[index + 1], why};
    for (size_t i = 0; i < s->b->n_metrics; i++) {
        if (s->searches[i] != NULL) {
            prf_search_skip(s->searches[i], index);
        }
    }
    if (s->b->options.general.quiet == 0) {
        fprintf(stderr, "pyprofiler: %.*s skipped: %s\n", PRF_BISECT_ID,
                s->line->shown[index + 1].id, why);
    }
    return 0;
}

/* What was measured, and among which commits the step now is. */
static void
line_progress(const struct line_search *s, size_t index)
{
    if (s->b->options.general.quiet > 0) {
        return;
    }
    fprintf(stderr, "pyprofiler: [%zu] %.*s", s->b->model.n_processes, PRF_BISECT_ID,
            s->line->shown[index + 1].id);
    for (size_t i = 0; i < s->b->n_metrics; i++) {
        struct prf_search_answer a = {0};
        char change[24];
        if (s->searches[i] == NULL) {
            continue;
        }
        prf_search_answer(s->searches[i], &a);
        fprintf(stderr, "  %s %s", s->b->metrics[i].name,
                prf_history_change(exp(s->values[i]), change, sizeof change));
        if (a.differs && a.last < s->line->commits.n) {
            fprintf(stderr, ", it is among %zu commit%s up to %.*s (%.0f%%)",
                    a.last - a.first + 1, a.last == a.first ? "" : "s", PRF_BISECT_ID,
                    s->line->shown[a.last + 1].id, 100 * a.probability);
        }
    }
    fputc('\n', stderr);
}

static int
line_measure(struct line_search *s, size_t index, struct prf_error *err)
{
    const struct prf_bisect_line *line = s->line;
    const char *why = NULL;
    int rc = prf_bisect_measure(s->b, &line->good, &line->commits.items[index],
                                s->values, &why, err);
    if (rc != 0) {
        return rc < 0 ? rc : line_skip(s, index, why, err);
    }
    for (size_t i = 0; i < s->b->n_metrics; i++) {
        if (s->searches[i] == NULL) {
            continue;
        }
        if (!isnan(s->values[i])) {
            prf_search_tell(s->searches[i], index, s->values[i]);
        } else {
            prf_search_skip(s->searches[i], index);
        }
    }
    line_progress(s, index);
    return 0;
}

/* What the first metric that still searches wants. False: none does. */
static bool
line_next(struct line_search *s, size_t *index)
{
    bool any = false;
    for (size_t i = 0; i < s->b->n_metrics; i++) {
        size_t wants = 0;
        if (s->searches[i] == NULL || s->states[i] != LINE_SEARCHING) {
            continue;
        }
        enum prf_search_next next = prf_search_next(s->searches[i], &wants);
        s->states[i] = next == PRF_SEARCH_DONE    ? LINE_DONE
                       : next == PRF_SEARCH_STUCK ? LINE_STUCK
                                                  : LINE_SEARCHING;
        if (next == PRF_SEARCH_MEASURE && !any) {
            *index = wants;
            any = true;
        }
    }
    return any;
}

static int
line_begin(struct line_search *s, struct prf_error *err)
{
    size_t n = s->b->n_metrics;
    /* Values are relative to the good end, so that its level is known: 0. */
    struct prf_search_request request = {.n = s->line->commits.n,
                                         .good_level = 0,
                                         .bad_level = NAN,
                                         .confidence = s->b->model.confidence};
    s->searches = calloc(n + 1, sizeof *s->searches);
    s->states = calloc(n + 1, sizeof *s->states);
    s->values = calloc(n + 1, sizeof *s->values);
    if (s->searches == NULL || s->states == NULL || s->values == NULL) {
        return prf_fail(err, PRF_ENOMEM, "out of memory");
    }
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < n; i++) {
        if (s->line->wanted[i]) {
            rc = prf_search_new(&request, &s->searches[i], err);
        }
        if (s->searches[i] != NULL) {
            /* measured with every other commit: alone it has nothing to tell */
            prf_search_skip(s->searches[i], PRF_SEARCH_GOOD);
        }
    }
    return rc;
}

static void
line_end(struct line_search *s)
{
    for (size_t i = 0; s->searches != NULL && i < s->b->n_metrics; i++) {
        prf_search_free(s->searches[i]);
    }
    free(s->searches);
    free(s->states);
    free(s->values);
}

int
prf_bisect_search(struct prf_bisector *b, const struct prf_bisect_line *line,
                  struct prf_bisect_answer *answers, struct prf_error *err)
{
    struct line_search s = {.b = b, .line = line};
    size_t index = 0;
    int rc = line_begin(&s, err);
    if (rc == 0 && !b->options.fresh) {
        rc = prf_bisect_reuse(b, line, line_tell, &s, err);
    }
    while (rc == 0 && line_next(&s, &index) && !line_is_used_up(b)) {
        rc = prf_interrupt_count() > 0 ? prf_fail(err, PRF_EINTERRUPTED, "interrupted")
                                       : line_measure(&s, index, err);
    }
    for (size_t i = 0; (rc == 0 || rc == PRF_EINTERRUPTED) && i < b->n_metrics; i++) {
        if (s.searches != NULL && s.searches[i] != NULL) {
            line_fill(&s, i, &answers[i]);
        }
    }
    line_end(&s);
    return rc;
}
