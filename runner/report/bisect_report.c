/* What a bisection found, for people and for machines; see bisect_report.h. */
#include "bisect_report.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "change.h"
#include "history_report.h"
#include "jsonout.h"
#include "shell.h"

#define BISECT_LISTED 12 /* candidates and skipped commits that are listed */

struct bisect_text {
    const struct prf_bisection *b;
    const struct prf_style *style;
    struct prf_text text;
    FILE *out;
};

static void
text_put(const struct bisect_text *t, const char *what)
{
    prf_text_put(&t->text, what == NULL ? "" : what, PRF_VISIBLE_LINE);
}

static void
text_commit(const struct bisect_text *t, const struct prf_history_commit *c)
{
    char date[PRF_DATE_TEXT];
    fprintf(t->out, "%.12s  %s  ", c->id, prf_history_date(c->time, date, sizeof date));
    text_put(t, c->author);
    fputs(": ", t->out);
    text_put(t, c->summary);
    putc('\n', t->out);
}

static void
text_change(const struct bisect_text *t, const struct prf_bisect_answer *a)
{
    char change[24], low[24], high[24];
    bool worse = prf_bisect_is_worse(a);
    fprintf(t->out, "%s%s (%s to %s) %s%s",
            prf_paint(t->style, worse ? PRF_RED : PRF_GREEN),
            prf_history_change(a->ratio, change, sizeof change),
            prf_history_change(a->ci_low, low, sizeof low),
            prf_history_change(a->ci_high, high, sizeof high),
            prf_verdict_name(worse ? PRF_VERDICT_SLOWER : PRF_VERDICT_FASTER, a->unit,
                             a->better),
            prf_paint(t->style, PRF_PLAIN));
}

static void
text_candidates(const struct bisect_text *t, const struct prf_bisect_answer *a)
{
    for (size_t i = 0; i < a->n_candidates && i < BISECT_LISTED; i++) {
        fputs("    ", t->out);
        text_commit(t, &a->candidates[i]);
    }
    if (a->n_candidates > BISECT_LISTED) {
        fprintf(t->out, "    and %zu more, up to %.12s\n",
                a->n_candidates - BISECT_LISTED, a->candidates[a->n_candidates - 1].id);
    }
}

static void
text_found(const struct bisect_text *t, const struct prf_bisect_answer *a)
{
    const struct prf_history_commit *last = &a->candidates[a->n_candidates - 1];
    if (a->n_candidates == 1) {
        fprintf(t->out, "  %s%.12s made it%s: ", prf_paint(t->style, PRF_BOLD),
                last->id, prf_paint(t->style, PRF_PLAIN));
    } else {
        fprintf(t->out,
                "  %sone of %zu commits made it%s, between which nothing can be "
                "measured: ",
                prf_paint(t->style, PRF_BOLD), a->n_candidates,
                prf_paint(t->style, PRF_PLAIN));
    }
    text_change(t, a);
    fprintf(t->out, ", probability %.3g%%\n", 100 * a->probability);
    text_candidates(t, a);
    if (a->merge != NULL) {
        fputs("  it came in by the merge\n    ", t->out);
        text_commit(t, a->merge);
    }
    fprintf(t->out, "  where: pyprofiler compare --run %.12s %.12s", a->before->id,
            last->id);
    struct prf_strbuf word = PRF_STRBUF_INIT;
    prf_shell_add(&word, t->b->case_id);
    fputs(" -- ", t->out);
    text_put(t, prf_strbuf_text(&word));
    fputs(" call\n", t->out);
    prf_strbuf_release(&word);
}

/* That no difference was found is not that there is none. */
static bool
text_is_same(const struct bisect_text *t, const struct prf_bisect_answer *a)
{
    double reach = 1 + t->b->threshold;
    return a->ci_low >= 1 / reach && a->ci_high <= reach;
}

static void
text_answer(const struct bisect_text *t, const struct prf_bisect_answer *a)
{
    fprintf(t->out, "\n%s", prf_paint(t->style, PRF_BOLD));
    text_put(t, a->metric);
    fprintf(t->out, "%s\n", prf_paint(t->style, PRF_PLAIN));
    switch (a->outcome) {
    case PRF_BISECT_FOUND:
        text_found(t, a);
        break;
    case PRF_BISECT_SAME:
        fputs(text_is_same(t, a)
                  ? "  the two ends do not differ: "
                  : "  the noise is too large to tell the two ends apart: ",
              t->out);
        text_change(t, a);
        fprintf(t->out, ", threshold %g%%\n", 100 * t->b->threshold);
        break;
    case PRF_BISECT_STUCK:
    case PRF_BISECT_STOPPED:
        fprintf(t->out, "  not found%s",
                a->outcome == PRF_BISECT_STUCK ? ": what is left cannot be measured"
                                               : "");
        if (a->n_candidates > 0) {
            fprintf(t->out, "; among %zu commits with a probability of %.3g%%\n",
                    a->n_candidates, 100 * a->probability);
            text_candidates(t, a);
        } else {
            putc('\n', t->out);
        }
        break;
    }
}

void
prf_bisect_text(const struct prf_bisection *bisection, const struct prf_style *style,
                FILE *out)
{
    struct prf_export_options none = {0};
    struct bisect_text t = {
        .b = bisection, .style = style, .text = {out, style, &none}, .out = out};
    char took[PRF_UNIT_TEXT];
    fputs(prf_paint(style, PRF_BOLD), out);
    text_put(&t, bisection->case_id);
    fprintf(out, "%s  ", prf_paint(style, PRF_PLAIN));
    text_put(&t, bisection->profiler);
    fprintf(out, "\n%.12s..%.12s, %zu commit%s%s\n", bisection->good.id,
            bisection->bad.id, bisection->n_commits,
            bisection->n_commits == 1 ? "" : "s",
            bisection->first_parent ? " on the line of first parents" : "");
    for (size_t i = 0; i < bisection->n_answers; i++) {
        text_answer(&t, &bisection->answers[i]);
    }
    fprintf(out, "\n%zu process%s measured in %s", bisection->n_processes,
            bisection->n_processes == 1 ? "" : "es",
            prf_format_time((double)bisection->duration_ns, NULL, took, sizeof took));
    if (bisection->n_reused > 0) {
        fprintf(out, ", %zu stored observation%s reused", bisection->n_reused,
                bisection->n_reused == 1 ? "" : "s");
    }
    putc('\n', out);
    for (size_t i = 0; i < bisection->n_skips && i < BISECT_LISTED; i++) {
        fprintf(out, "skipped %.12s: ", bisection->skips[i].commit->id);
        text_put(&t, bisection->skips[i].why);
        putc('\n', out);
    }
    if (bisection->n_skips > BISECT_LISTED) {
        fprintf(out, "and %zu more skipped\n", bisection->n_skips - BISECT_LISTED);
    }
    if (bisection->stopped != NULL) {
        fprintf(out, "%s: what was measured is stored, the same command goes on:\n  ",
                bisection->stopped);
        text_put(&t, bisection->command);
        putc('\n', out);
    }
}

/* ---- json ---- */

static void
json_commit(struct prf_jsonout *js, const char *key, const struct prf_history_commit *c)
{
    if (c == NULL || c->id == NULL) {
        prf_json_raw(js, key, "null");
        return;
    }
    prf_json_open(js, key, '{');
    prf_json_text(js, "commit", c->id);
    prf_json_int(js, "time", c->time);
    prf_json_text(js, "author", c->author);
    prf_json_text(js, "subject", c->summary);
    prf_json_close(js, '}');
}

static void
json_answer(struct prf_jsonout *js, const struct prf_bisect_answer *a)
{
    prf_json_open(js, NULL, '{');
    prf_json_text(js, "metric", a->metric);
    prf_json_text(js, "unit", a->unit);
    prf_json_text(js, "outcome", prf_bisect_outcome_name(a->outcome));
    json_commit(js, "commit",
                a->outcome == PRF_BISECT_FOUND && a->n_candidates == 1 ? a->candidates
                                                                       : NULL);
    prf_json_open(js, "candidates", '[');
    for (size_t i = 0; i < a->n_candidates; i++) {
        json_commit(js, NULL, &a->candidates[i]);
    }
    prf_json_close(js, ']');
    json_commit(js, "before", a->before);
    json_commit(js, "merge", a->merge);
    prf_json_double(js, "probability", a->probability);
    prf_json_double(js, "ratio", a->ratio);
    prf_json_open(js, "ci95", '[');
    prf_json_double(js, NULL, a->ci_low);
    prf_json_double(js, NULL, a->ci_high);
    prf_json_close(js, ']');
    prf_json_text(js, "verdict",
                  a->outcome == PRF_BISECT_SAME ? "same"
                  : isnan(a->ratio)             ? NULL
                  : prf_bisect_is_worse(a)      ? "slower"
                                                : "faster");
    prf_json_uint(js, "observations", a->n_observations);
    prf_json_close(js, '}');
}

int
prf_bisect_json(const struct prf_bisection *b, FILE *out, struct prf_error *err)
{
    struct prf_jsonout js = {.out = out};
    prf_json_open(&js, NULL, '{');
    prf_json_text(&js, "schema", "pyprofiler/bisect/1");
    prf_json_text(&js, "case", b->case_id);
    prf_json_text(&js, "profiler", b->profiler);
    json_commit(&js, "good", &b->good);
    json_commit(&js, "bad", &b->bad);
    prf_json_uint(&js, "commits", b->n_commits);
    prf_json_bool(&js, "first_parent", b->first_parent);
    prf_json_double(&js, "confidence", b->confidence);
    prf_json_double(&js, "threshold", b->threshold);
    prf_json_open(&js, "answers", '[');
    for (size_t i = 0; i < b->n_answers; i++) {
        json_answer(&js, &b->answers[i]);
    }
    prf_json_close(&js, ']');
    prf_json_open(&js, "skipped", '[');
    for (size_t i = 0; i < b->n_skips; i++) {
        prf_json_open(&js, NULL, '{');
        prf_json_text(&js, "commit", b->skips[i].commit->id);
        prf_json_text(&js, "why", b->skips[i].why);
        prf_json_close(&js, '}');
    }
    prf_json_close(&js, ']');
    prf_json_uint(&js, "processes", b->n_processes);
    prf_json_uint(&js, "reused", b->n_reused);
    prf_json_int(&js, "duration_ns", b->duration_ns);
    prf_json_bool(&js, "interrupted", b->interrupted);
    prf_json_text(&js, "stopped", b->stopped);
    prf_json_close(&js, '}');
    putc('\n', out);
    bool failed = js.failed;
    prf_jsonout_release(&js);
    return failed ? prf_fail(err, PRF_ENOMEM, "out of memory") : 0;
}
