/* A history for machines; the layout is "pyprofiler/history/1". */
#include <math.h>
#include <string.h>

#include "history_report.h"
#include "jsonout.h"

static const char *const json_better[] = {
    [PRF_BETTER_NONE] = NULL, [PRF_BETTER_LESS] = "less", [PRF_BETTER_MORE] = "more"};

static void
json_interval(struct prf_jsonout *js, double low, double high)
{
    if (isnan(low) || isnan(high)) {
        prf_json_raw(js, "ci95", "null");
        return;
    }
    prf_json_open(js, "ci95", '[');
    prf_json_double(js, NULL, low);
    prf_json_double(js, NULL, high);
    prf_json_close(js, ']');
}

static void
json_setting(struct prf_jsonout *js, const struct prf_history_setting *s)
{
    prf_json_open(js, "machine", '{');
    prf_json_text(js, "fingerprint", s->machine);
    prf_json_text(js, "hostname", s->hostname);
    prf_json_text(js, "cpu", s->cpu);
    prf_json_close(js, '}');
    prf_json_open(js, "python", '{');
    prf_json_text(js, "version", s->python);
    prf_json_text(js, "implementation", s->implementation);
    prf_json_text(js, "flags", s->flags);
    prf_json_text(js, "host", s->host);
    prf_json_close(js, '}');
    prf_json_text(js, "options", s->options);
}

static void
json_commit(struct prf_jsonout *js, const struct prf_history_commit *c)
{
    prf_json_text(js, "commit", c->id);
    prf_json_int(js, "time", c->time);
    prf_json_text(js, "author", c->author);
    prf_json_text(js, "subject", c->summary);
}

static void
json_point(struct prf_jsonout *js, const struct prf_history *h,
           const struct prf_history_point *p)
{
    const struct prf_history_place *place = &h->places[p->place];
    const struct prf_history_commit *c = &h->commits[place->commit];
    prf_json_open(js, NULL, '{');
    json_commit(js, c);
    prf_json_text(js, "tags", c->tags);
    prf_json_bool(js, "first_parent", !place->aside);
    prf_json_text(js, "dirty_tree", place->tree);
    prf_json_double(js, "value", p->value);
    json_interval(js, p->ci_low, p->ci_high);
    prf_json_uint(js, "processes", p->n_processes);
    prf_json_uint(js, "values", p->n_values);
    prf_json_uint(js, "failed", p->n_failed);
    prf_json_text(js, "status", isnan(p->value) ? p->status : "ok");
    prf_json_text(js, "result", p->result);
    prf_json_bool(js, "source_changed", p->source_changed);
    prf_json_close(js, '}');
}

static void
json_step(struct prf_jsonout *js, const struct prf_history *h,
          const struct prf_history_series *s, const struct prf_history_step *step)
{
    struct prf_strbuf command = PRF_STRBUF_INIT;
    prf_json_open(js, NULL, '{');
    json_commit(js, prf_history_commit_of(h, s, step->at));
    prf_json_text(js, "before", prf_history_commit_of(h, s, step->before)->id);
    prf_json_uint(js, "not_measured", step->n_between);
    prf_json_double(js, "ratio", step->ratio);
    json_interval(js, step->ci_low, step->ci_high);
    prf_json_double(js, "p", step->p_value);
    prf_json_text(js, "verdict",
                  step->worse    ? "slower"
                  : step->better ? "faster"
                                 : "changed");
    if (step->n_between > 0) {
        prf_history_add_bisect(&command, h, s, step);
    }
    prf_json_text(js, "bisect", step->n_between > 0 ? prf_strbuf_text(&command) : NULL);
    prf_strbuf_release(&command);
    prf_json_close(js, '}');
}

static void
json_series(struct prf_jsonout *js, const struct prf_history *h,
            const struct prf_history_series *s)
{
    prf_json_open(js, NULL, '{');
    prf_json_text(js, "case", s->case_id);
    prf_json_text(js, "profiler", s->profiler);
    prf_json_text(js, "metric", s->metric);
    prf_json_text(js, "unit", s->unit);
    prf_json_text(js, "better", json_better[s->better]);
    json_setting(js, s->setting);
    prf_json_text(js, "differs", s->differs);
    prf_json_open(js, "points", '[');
    for (size_t i = 0; i < s->n; i++) {
        json_point(js, h, &s->points[i]);
    }
    prf_json_close(js, ']');
    prf_json_open(js, "steps", '[');
    for (size_t i = 0; i < s->n_steps; i++) {
        json_step(js, h, s, &s->steps[i]);
    }
    prf_json_close(js, ']');
    prf_json_close(js, '}');
}

static void
json_gaps(struct prf_jsonout *js, const struct prf_history *h)
{
    prf_json_open(js, "gaps", '[');
    for (size_t i = 0; i < h->n_places; i++) {
        const struct prf_history_place *p = &h->places[i];
        if (p->kind == PRF_PLACE_GAP) {
            prf_json_open(js, NULL, '{');
            prf_json_text(js, "first", h->commits[p->commit].id);
            prf_json_text(js, "last", h->commits[p->commit + p->n_commits - 1].id);
            prf_json_uint(js, "n", p->n_commits);
            prf_json_close(js, '}');
        }
    }
    prf_json_close(js, ']');
}

static int
history_json_write(const struct prf_history *h,
                   const struct prf_history_options *options, FILE *out,
                   struct prf_error *err)
{
    (void)options;
    struct prf_jsonout js = {.out = out};
    prf_json_open(&js, NULL, '{');
    prf_json_text(&js, "schema", "pyprofiler/history/1");
    prf_json_text(&js, "range", h->range);
    prf_json_bool(&js, "first_parent", h->first_parent);
    prf_json_double(&js, "threshold", h->threshold);
    prf_json_double(&js, "alpha", h->alpha);
    prf_json_uint(&js, "commits", h->n_commits);
    prf_json_uint(&js, "measured", h->n_measured);
    prf_json_uint(&js, "older_not_measured", h->n_older);
    prf_json_open(&js, "not_shown", '{');
    prf_json_uint(&js, "dirty_trees", h->n_dirty);
    prf_json_uint(&js, "other_settings", h->n_other);
    prf_json_text(&js, "other_differs", h->other);
    prf_json_uint(&js, "other_commits", h->n_elsewhere);
    prf_json_close(&js, '}');
    prf_json_open(&js, "series", '[');
    for (size_t i = 0; i < h->n_series; i++) {
        json_series(&js, h, &h->series[i]);
    }
    prf_json_close(&js, ']');
    json_gaps(&js, h);
    prf_json_close(&js, '}');
    putc('\n', out);
    bool failed = js.failed;
    prf_jsonout_release(&js);
    return failed ? prf_fail(err, PRF_ENOMEM, "out of memory") : 0;
}

const struct prf_history_format prf_history_json = {
    .name = "json",
    .extension = ".json",
    .summary = "all of it, for machines",
    .write = history_json_write,
};
