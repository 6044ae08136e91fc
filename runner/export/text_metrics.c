/* Statistics of the metrics: one column for each metric, one row for each figure, so
   that wall time and CPU time stand side by side. */
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <pyprofiler/stats.h>

#include "text.h"
#include "units.h"

#define METRICS_LABEL 16 /* width of the figures' names */
#define METRICS_CELL 30  /* width of a metric */
#define METRICS_BINS 30
#define METRICS_BINS_MIN 10 /* samples below which a distribution is just noise */

struct metrics_view {
    const struct prf_text *text;
    const struct prf_metric_values *metric;
    struct prf_summary summary;
};

typedef void metrics_figure(const struct metrics_view *view, char *buf, size_t size);

/* All figures of a metric in one unit, that of its median. */
static void
metrics_amount(const struct metrics_view *view, double amount, char *buf, size_t size)
{
    const char *unit = view->metric->unit;
    struct prf_scale scale =
        prf_scale_for(unit, view->summary.median, view->text->options->time_unit);
    if (strcmp(unit, "ns") == 0) {
        prf_format_time(amount, scale.suffix, buf, size);
    } else {
        prf_format_amount(amount, unit, NULL, buf, size);
    }
}

static void
metrics_median(const struct metrics_view *view, char *buf, size_t size)
{
    char amount[PRF_UNIT_TEXT];
    const char *pm = view->text->style->ascii ? "+-" : "\u00b1";
    double half = prf_relative_ci(&view->summary);
    metrics_amount(view, view->summary.median, amount, sizeof amount);
    if (isfinite(half)) {
        snprintf(buf, size, "%s %s %.1f %%", amount, pm, 100.0 * half);
    } else {
        snprintf(buf, size, "%s", amount);
    }
}

static void
metrics_mean(const struct metrics_view *view, char *buf, size_t size)
{
    char mean[PRF_UNIT_TEXT], stddev[PRF_UNIT_TEXT];
    const char *pm = view->text->style->ascii ? "+-" : "\u00b1";
    metrics_amount(view, view->summary.mean, mean, sizeof mean);
    metrics_amount(view, view->summary.stddev, stddev, sizeof stddev);
    snprintf(buf, size, "%s %s %s", mean, pm, stddev);
}

static void
metrics_interval(const struct metrics_view *view, char *buf, size_t size)
{
    char low[PRF_UNIT_TEXT], high[PRF_UNIT_TEXT];
    metrics_amount(view, view->summary.ci_low, low, sizeof low);
    metrics_amount(view, view->summary.ci_high, high, sizeof high);
    snprintf(buf, size, "%.*s .. %s", (int)strcspn(low, " "), low, high);
}

static void
metrics_min(const struct metrics_view *view, char *buf, size_t size)
{
    metrics_amount(view, view->summary.min, buf, size);
}

static void
metrics_iqr(const struct metrics_view *view, char *buf, size_t size)
{
    metrics_amount(view, view->summary.q3 - view->summary.q1, buf, size);
}

static void
metrics_p95(const struct metrics_view *view, char *buf, size_t size)
{
    metrics_amount(view, view->summary.p95, buf, size);
}

static void
metrics_p99(const struct metrics_view *view, char *buf, size_t size)
{
    metrics_amount(view, view->summary.p99, buf, size);
}

/* "3 mild, 1 severe of 40" */
static void
metrics_outliers(const struct metrics_view *view, char *buf, size_t size)
{
    const struct prf_summary *s = &view->summary;
    if (s->n_mild + s->n_severe == 0) {
        snprintf(buf, size, "none of %zu", s->n);
    } else if (s->n_severe == 0) {
        snprintf(buf, size, "%zu mild of %zu", s->n_mild, s->n);
    } else if (s->n_mild == 0) {
        snprintf(buf, size, "%zu severe of %zu", s->n_severe, s->n);
    } else {
        snprintf(buf, size, "%zu mild, %zu severe of %zu", s->n_mild, s->n_severe,
                 s->n);
    }
}

static const struct {
    const char *name;
    metrics_figure *format;
} metrics_figures[] = {
    {"median", metrics_median}, {"95 % interval", metrics_interval},
    {"min", metrics_min},       {"mean", metrics_mean},
    {"IQR", metrics_iqr},       {"p95", metrics_p95},
    {"p99", metrics_p99},       {"outliers", metrics_outliers},
};

static void
metrics_put_cell(const struct prf_text *text, const char *cell)
{
    size_t width = prf_text_width(cell);
    fprintf(text->out, "%*s%s", width < METRICS_CELL ? (int)(METRICS_CELL - width) : 1,
            "", cell);
}

static void
metrics_put_block(const struct prf_text *text, const struct metrics_view *views,
                  size_t n)
{
    char cell[3 * PRF_UNIT_TEXT];
    fprintf(text->out, "\n%s  %-*s", prf_paint(text->style, PRF_BOLD), METRICS_LABEL,
            "");
    for (size_t i = 0; i < n; i++) {
        struct prf_strbuf name = PRF_STRBUF_INIT;
        prf_visible_add(&name, views[i].metric->name, PRF_VISIBLE_LINE);
        metrics_put_cell(text, prf_strbuf_text(&name));
        prf_strbuf_release(&name);
    }
    fprintf(text->out, "%s\n", prf_paint(text->style, PRF_PLAIN));
    for (size_t f = 0; f < sizeof metrics_figures / sizeof *metrics_figures; f++) {
        fprintf(text->out, "  %-*s", METRICS_LABEL, metrics_figures[f].name);
        for (size_t i = 0; i < n; i++) {
            metrics_figures[f].format(&views[i], cell, sizeof cell);
            metrics_put_cell(text, cell);
        }
        fputc('\n', text->out);
    }
}

/* Metrics that were measured once are a list. */
static void
metrics_put_single(const struct prf_text *text, const struct metrics_view *view)
{
    char amount[PRF_UNIT_TEXT];
    fputs("  ", text->out);
    prf_text_put_padded(text, view->metric->name, 28);
    if (view->summary.n == 0) {
        snprintf(amount, sizeof amount, "-");
    } else {
        metrics_amount(view, view->summary.median, amount, sizeof amount);
    }
    fprintf(text->out, "  %16s\n", amount);
}

/* How the samples are spread; those beyond the severe fences are counted at the ends.
 */
static void
metrics_put_histogram(const struct prf_text *text, const struct metrics_view *view)
{
    const struct prf_summary *s = &view->summary;
    double bins[METRICS_BINS] = {0}, iqr = s->q3 - s->q1;
    double low = fmax(s->min, s->q1 - 3.0 * iqr),
           high = fmin(s->max, s->q3 + 3.0 * iqr);
    char from[PRF_UNIT_TEXT], to[PRF_UNIT_TEXT];
    if (text->style->ascii || s->n < METRICS_BINS_MIN || !(high > low)) {
        return;
    }
    for (size_t i = 0; i < view->metric->n; i++) {
        double part = (view->metric->samples[i] - low) / (high - low);
        if (isfinite(part)) {
            part = fmin(fmax(part, 0.0), 1.0) * METRICS_BINS;
            bins[part >= METRICS_BINS ? METRICS_BINS - 1 : (size_t)part]++;
        }
    }
    metrics_amount(view, low, from, sizeof from);
    metrics_amount(view, high, to, sizeof to);
    fprintf(text->out, "\n  %-*s  %s \u2595", METRICS_LABEL, view->metric->name, from);
    prf_text_bars(text, bins, METRICS_BINS);
    fprintf(text->out, "\u258f %s\n", to);
}

static bool
metrics_get(const json_t *object, const char *key, json_int_t *out)
{
    const json_t *value = json_object_get(object, key);
    *out = json_integer_value(value);
    return json_is_integer(value);
}

/* "40 rounds × 1000 loops, 2 warm-up", as far as the profiler said it. */
static void
metrics_put_rounds(const struct prf_text *text, const struct prf_profile *p)
{
    json_t *how = p->rounds != NULL ? json_loads(p->rounds, 0, NULL) : NULL;
    const char *times = text->style->ascii ? "x" : "\u00d7";
    json_int_t rounds, loops, warmup;
    if (metrics_get(how, "rounds", &rounds) && rounds > 0) {
        fprintf(text->out, "  %-*s  %" JSON_INTEGER_FORMAT, METRICS_LABEL, "rounds",
                rounds);
        if (metrics_get(how, "loops", &loops)) {
            fprintf(text->out, " %s %" JSON_INTEGER_FORMAT " loop%s", times, loops,
                    loops == 1 ? "" : "s");
        }
        if (metrics_get(how, "warmup", &warmup)) {
            fprintf(text->out, ", %" JSON_INTEGER_FORMAT " warm-up", warmup);
        }
        fputc('\n', text->out);
    }
    json_decref(how);
}

static int
metrics_summarize(struct metrics_view *view)
{
    double *scratch = calloc(view->metric->n + 1, sizeof *scratch);
    if (scratch == NULL) {
        return -1;
    }
    prf_summarize(view->metric->samples, view->metric->n, scratch, &view->summary);
    free(scratch);
    return 0;
}

/* Metrics with several samples first, in their order; how many there are. */
static size_t
metrics_partition(struct metrics_view *views, const struct prf_text *text,
                  const struct prf_profile *p)
{
    size_t n_many = 0, next = 0;
    for (size_t i = 0; i < p->n_metrics; i++) {
        n_many += p->metrics[i].n > 1;
    }
    for (int single = 0; single <= 1; single++) {
        for (size_t i = 0; i < p->n_metrics; i++) {
            if ((p->metrics[i].n <= 1) == (single == 1)) {
                views[next++] =
                    (struct metrics_view){.text = text, .metric = &p->metrics[i]};
            }
        }
    }
    return n_many;
}

static void
metrics_put_all(const struct prf_text *text, const struct prf_profile *p,
                const struct metrics_view *views, size_t n_many)
{
    int width = text->style->width > 0 ? text->style->width : 80;
    size_t fit = width > METRICS_LABEL + 2 + 2 * METRICS_CELL
                     ? (size_t)(width - METRICS_LABEL - 2) / METRICS_CELL
                     : 2;
    for (size_t i = 0; i < n_many; i += fit) {
        metrics_put_block(text, views + i, n_many - i < fit ? n_many - i : fit);
    }
    if (p->n_metrics > n_many) {
        fputc('\n', text->out);
    }
    for (size_t i = n_many; i < p->n_metrics; i++) {
        metrics_put_single(text, &views[i]);
    }
    metrics_put_rounds(text, p);
    if (n_many > 0) {
        metrics_put_histogram(text, &views[0]);
    }
}

int
prf_text_metrics(const struct prf_text *text, const struct prf_profile *profile,
                 struct prf_error *err)
{
    struct metrics_view *views = calloc(profile->n_metrics + 1, sizeof *views);
    bool whole = views != NULL;
    size_t n_many = whole ? metrics_partition(views, text, profile) : 0;
    for (size_t i = 0; whole && i < profile->n_metrics; i++) {
        whole = metrics_summarize(&views[i]) == 0;
    }
    if (whole) {
        metrics_put_all(text, profile, views, n_many);
    }
    free(views);
    return whole ? 0 : prf_fail(err, PRF_ENOMEM, "out of memory");
}
