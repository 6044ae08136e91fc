/* A history for a terminal: the chart, the steps, then a table of commits. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "history_report.h"

#define TEXT_ID 9 /* digits of a commit */

struct history_text {
    const struct prf_history *history;
    const struct prf_history_series *series;
    const struct prf_history_options *options;
    const struct prf_style *style;
    struct prf_text text;
    struct prf_scale scale; /* of the column of values */
    FILE *out;
    int value_width, ci_width, remark_width;
};

static const char *
text_paint(const struct history_text *t, enum prf_paint paint)
{
    return prf_paint(t->style, paint);
}

static const char *
text_sign(const struct history_text *t, const char *fine, const char *ascii)
{
    return t->style->ascii ? ascii : fine;
}

static void
text_put(const struct history_text *t, const char *what)
{
    prf_text_put(&t->text, what == NULL ? "" : what, PRF_VISIBLE_LINE);
}

/* What is left of a line after `used` columns, for text that is cut off there. */
static size_t
text_room(const struct history_text *t, size_t used)
{
    size_t width = t->style->width > 0 ? (size_t)t->style->width : 10000;
    return width > used + 12 ? width - used : 12;
}

/* A subject says most at its beginning: it is cut off at its end. */
static void
text_put_cut(const struct history_text *t, const char *what, size_t used)
{
    size_t room = text_room(t, used), end = 0;
    struct prf_strbuf safe = PRF_STRBUF_INIT;
    prf_visible_add(&safe, what == NULL ? "" : what, PRF_VISIBLE_LINE);
    const char *text = prf_strbuf_text(&safe), *dots = text_sign(t, "\u2026", "...");
    bool cut = prf_text_width(text) > room;
    for (size_t n = 0; cut && n + prf_text_width(dots) < room; n++) {
        uint32_t point;
        end += prf_utf8_next(text + end, safe.len - end, &point);
    }
    fprintf(t->out, "%.*s%s", cut ? (int)end : (int)safe.len, text, cut ? dots : "");
    prf_strbuf_release(&safe);
}

/* ---- head ---- */

static void
text_head(const struct history_text *t)
{
    const struct prf_history *h = t->history;
    const char *dot = text_sign(t, " \u00b7 ", ", ");
    struct prf_strbuf setting = PRF_STRBUF_INIT;
    fputs(text_paint(t, PRF_BOLD), t->out);
    text_put(t, t->series->case_id);
    fprintf(t->out, "%s  ", text_paint(t, PRF_PLAIN));
    text_put(t, t->series->profiler);
    fputs("  ", t->out);
    text_put(t, t->series->metric);
    fprintf(t->out, "\n%s", text_paint(t, PRF_DIM));
    prf_history_add_setting(&setting, t->series->setting, dot);
    text_put(t, prf_strbuf_text(&setting));
    prf_strbuf_release(&setting);
    fprintf(t->out, "%s%zu of %zu commit%s measured", dot, h->n_measured,
            h->n_commits - h->n_older, h->n_commits - h->n_older == 1 ? "" : "s");
    if (h->n_older > 0) {
        fprintf(t->out, " (%zu older ones are not)", h->n_older);
    }
    fprintf(t->out, "%s\n", text_paint(t, PRF_PLAIN));
    if (t->series->differs != NULL) {
        fprintf(t->out, "%snot the newest setting: ", text_paint(t, PRF_YELLOW));
        text_put(t, t->series->differs);
        fprintf(t->out, "%s\n", text_paint(t, PRF_PLAIN));
    }
    putc('\n', t->out);
}

/* ---- steps ---- */

static enum prf_paint
text_step_paint(const struct prf_history_step *step)
{
    return step->worse ? PRF_RED : step->better ? PRF_GREEN : PRF_YELLOW;
}

static void
text_step(const struct history_text *t, size_t index)
{
    const struct prf_history_series *s = t->series;
    const struct prf_history_step *step = &s->steps[index];
    const struct prf_history_commit *at =
        prf_history_commit_of(t->history, s, step->at);
    char change[24], low[24], high[24], date[PRF_DATE_TEXT];
    prf_history_change(step->ratio, change, sizeof change);
    fprintf(t->out, "  %s%s%zu  %s (%s to %s) %s%s",
            text_paint(t, text_step_paint(step)),
            step->ratio > 1 ? text_sign(t, "\u25b2", "^") : text_sign(t, "\u25bc", "v"),
            index + 1, change, prf_history_change(step->ci_low, low, sizeof low),
            prf_history_change(step->ci_high, high, sizeof high),
            prf_history_step_word(s, step), text_paint(t, PRF_PLAIN));
    if (step->n_between > 0) {
        fprintf(t->out, " in one of %zu commits\n", step->n_between + 1);
        fprintf(t->out, "      after %.*s, up to ", TEXT_ID,
                prf_history_commit_of(t->history, s, step->before)->id);
    } else {
        fputs("\n      ", t->out);
    }
    fprintf(t->out, "%.*s  %s  ", TEXT_ID, at->id,
            prf_history_date(at->time, date, sizeof date));
    text_put(t, at->author);
    fputs(": ", t->out);
    text_put_cut(t, at->summary, 60);
    putc('\n', t->out);
    if (step->n_between > 0) {
        struct prf_strbuf command = PRF_STRBUF_INIT;
        prf_history_add_bisect(&command, t->history, s, step);
        fputs("      which one: ", t->out);
        text_put(t, prf_strbuf_text(&command));
        putc('\n', t->out);
        prf_strbuf_release(&command);
    }
}

static void
text_steps(const struct history_text *t)
{
    putc('\n', t->out);
    if (t->series->n_steps == 0) {
        fprintf(t->out, "  no step of %g%% or more\n", 100 * t->history->threshold);
    }
    for (size_t i = 0; i < t->series->n_steps; i++) {
        text_step(t, i);
    }
}

/* ---- table ---- */

static const char *
text_interval(const struct history_text *t, const struct prf_history_point *p,
              char *buf, size_t size)
{
    double half = (p->ci_high - p->ci_low) / 2;
    if (isnan(half)) {
        snprintf(buf, size, "-");
    } else if (p->value != 0) {
        snprintf(buf, size, "%s%.1f%%", text_sign(t, "\u00b1", "+-"),
                 100 * half / fabs(p->value));
    } else {
        snprintf(buf, size, "%s%g", text_sign(t, "\u00b1", "+-"),
                 half / t->scale.divisor);
    }
    return buf;
}

static void
text_padded(const struct history_text *t, const char *what, int width)
{
    int used = (int)prf_text_width(what);
    fprintf(t->out, "%*s%s", used < width ? width - used : 0, "", what);
}

static void
text_value(const struct history_text *t, const struct prf_history_point *p)
{
    char value[PRF_UNIT_TEXT], interval[PRF_UNIT_TEXT];
    if (isnan(p->value)) {
        text_padded(t, p->status == NULL ? "-" : p->status, t->value_width);
        text_padded(t, "", t->ci_width + 6);
        return;
    }
    double scaled = p->value / t->scale.divisor;
    int decimals =
        t->scale.decimals == 0 && scaled != rint(scaled) ? 1 : t->scale.decimals;
    snprintf(value, sizeof value, "%.*f", decimals, scaled);
    text_padded(t, value, t->value_width);
    fputc(' ', t->out);
    text_padded(t, text_interval(t, p, interval, sizeof interval), t->ci_width);
    fprintf(t->out, " %4zu", p->n_processes);
}

#define TEXT_REMARK 32

/* The number of the step, or what else is to be said of the point. Returns `buf`. */
static const char *
text_remark(const struct history_text *t, size_t point, char *buf, size_t size)
{
    const struct prf_history_step *step = prf_history_step_at(t->series, point);
    const struct prf_history_point *p = &t->series->points[point];
    char change[24];
    buf[0] = '\0';
    if (step != NULL) {
        snprintf(buf, size, "%s%zu %s",
                 step->ratio > 1 ? text_sign(t, "\u25b2", "^")
                                 : text_sign(t, "\u25bc", "v"),
                 (size_t)(step - t->series->steps) + 1,
                 prf_history_change(step->ratio, change, sizeof change));
    } else if (p->source_changed) {
        snprintf(buf, size, "case edited");
    } else if (!isnan(p->value) && p->n_failed > 0) {
        snprintf(buf, size, "%zu %.9s", p->n_failed,
                 p->status == NULL ? "failed" : p->status);
    }
    return buf;
}

static void
text_put_remark(const struct history_text *t, size_t point)
{
    char remark[TEXT_REMARK];
    const struct prf_history_step *step = prf_history_step_at(t->series, point);
    text_remark(t, point, remark, sizeof remark);
    int left = t->remark_width - (int)prf_text_width(remark);
    fprintf(t->out, "  %s%s%*s%s%s",
            step == NULL ? "" : text_paint(t, text_step_paint(step)), remark,
            left > 0 ? left : 0, "", step == NULL ? "" : text_paint(t, PRF_PLAIN),
            t->remark_width > 0 ? "  " : "");
}

static void
text_row(const struct history_text *t, size_t place)
{
    const struct prf_history_place *p = &t->history->places[place];
    const struct prf_history_commit *commit = &t->history->commits[p->commit];
    size_t point = prf_history_point_at(t->series, place);
    char date[PRF_DATE_TEXT];
    int used = 2 + TEXT_ID + 2 + 10 + 1 + t->value_width + 1 + t->ci_width + 5 + 2 +
               t->remark_width + 2;
    if (p->kind == PRF_PLACE_GAP || point == PRF_HISTORY_NONE) {
        size_t n = p->kind == PRF_PLACE_GAP ? p->n_commits : 1;
        fprintf(t->out, "  %s%s %zu commit%s not measured%s\n", text_paint(t, PRF_DIM),
                text_sign(t, "\u00b7\u00b7\u00b7", "..."), n, n == 1 ? "" : "s",
                text_paint(t, PRF_PLAIN));
        return;
    }
    if (p->kind == PRF_PLACE_WIP) {
        fprintf(t->out, "  + %.*s  dirty tree ", TEXT_ID - 2, p->tree);
    } else {
        fprintf(t->out, "%c %.*s  %-10s ", p->aside ? '|' : ' ', TEXT_ID, commit->id,
                prf_history_date(commit->time, date, sizeof date));
    }
    text_value(t, &t->series->points[point]);
    text_put_remark(t, point);
    text_put_cut(t, p->kind == PRF_PLACE_WIP ? "" : commit->summary, (size_t)used);
    putc('\n', t->out);
}

static void
text_measure_columns(struct history_text *t)
{
    char buf[PRF_UNIT_TEXT];
    double largest = 0;
    for (size_t i = 0; i < t->series->n; i++) {
        double value = t->series->points[i].value;
        largest = isnan(value) ? largest : fmax(largest, fabs(value));
    }
    t->scale = prf_scale_for(t->series->unit, largest, t->options->time_unit);
    int width = snprintf(buf, sizeof buf, "%.*f", t->scale.decimals,
                         largest / t->scale.divisor);
    t->value_width = width > 7 ? width : 7;
    t->remark_width = 0;
    t->ci_width = 7;
    for (size_t i = 0; i < t->series->n; i++) {
        int used = (int)prf_text_width(
            text_interval(t, &t->series->points[i], buf, sizeof buf));
        t->ci_width = used > t->ci_width ? used : t->ci_width;
        char remark[TEXT_REMARK];
        used = (int)prf_text_width(text_remark(t, i, remark, sizeof remark));
        t->remark_width = used > t->remark_width ? used : t->remark_width;
    }
}

static void
text_table_head(const struct history_text *t)
{
    const char *unit = t->scale.suffix;
    fprintf(t->out, "\n%s  %-*s  %-10s ", text_paint(t, PRF_BOLD), TEXT_ID, "commit",
            "date");
    text_padded(t, *unit != '\0' ? unit : "value", t->value_width);
    fprintf(t->out, " %*s %4s  %-*s%ssubject%s\n", t->ci_width, "95%", "n",
            t->remark_width, "", t->remark_width > 0 ? "  " : "",
            text_paint(t, PRF_PLAIN));
}

/* A place is in the table when it is among the newest, or a step begins there. */
static void
text_table(struct history_text *t)
{
    size_t n = t->history->n_places, rows = t->options->n_rows, n_hidden = 0;
    size_t from = rows == 0 || rows >= n ? 0 : n - rows;
    text_measure_columns(t);
    text_table_head(t);
    for (size_t place = 0; place < n; place++) {
        size_t point =
            place < from ? prf_history_point_at(t->series, place) : PRF_HISTORY_NONE;
        if (place < from && (point == PRF_HISTORY_NONE ||
                             prf_history_step_at(t->series, point) == NULL)) {
            n_hidden++;
            continue;
        }
        if (n_hidden > 0) {
            fprintf(t->out, "  %s%s %zu row%s: --rows 0 shows all%s\n",
                    text_paint(t, PRF_DIM), text_sign(t, "\u00b7\u00b7\u00b7", "..."),
                    n_hidden, n_hidden == 1 ? "" : "s", text_paint(t, PRF_PLAIN));
            n_hidden = 0;
        }
        text_row(t, place);
    }
}

static int
history_text_write(const struct prf_history *history,
                   const struct prf_history_options *options, FILE *out,
                   struct prf_error *err)
{
    (void)err;
    struct prf_strbuf notes = PRF_STRBUF_INIT;
    struct prf_export_options none = {0};
    struct history_text t = {.history = history,
                             .options = options,
                             .style = options->style,
                             .text = {out, options->style, &none},
                             .out = out};
    for (size_t i = 0; i < history->n_series; i++) {
        t.series = &history->series[i];
        fputs(i > 0 ? "\n\n" : "", out);
        text_head(&t);
        if (t.series->n > 1) {
            prf_history_chart(history, t.series, options, out);
            text_steps(&t);
        }
        text_table(&t);
    }
    prf_history_add_notes(&notes, history);
    if (notes.len > 0 && options->style->verbosity >= 0) {
        putc('\n', out);
        prf_text_put(&t.text, prf_strbuf_text(&notes), PRF_VISIBLE_LINES);
    }
    prf_strbuf_release(&notes);
    return 0;
}

const struct prf_history_format prf_history_text = {
    .name = "text",
    .extension = ".txt",
    .summary = "a chart, the steps and a table, for a terminal",
    .write = history_text_write,
};
