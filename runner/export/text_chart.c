/* Series as charts of a terminal: a column of blocks for each stretch of time, as high
   as the highest point in it, with axes, and marks as labelled ticks under it. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "axis.h"
#include "plot.h"
#include "strbuf.h"
#include "text.h"
#include "units.h"

#define CHART_WIDTH_MIN 40
#define CHART_WIDTH_MAX 120
#define CHART_ROWS 12
#define CHART_ROWS_MORE 4 /* of the curves after the first */
#define CHART_CHARTS_MAX 9
#define CHART_MARK_ROWS 4
#define CHART_GAP 2 /* between labels */

struct chart {
    const struct prf_text *text;
    const struct prf_series *series;
    struct prf_axis time, amount;
    int rows, columns;
    int left; /* room for the labels of the amounts */
    double values[CHART_WIDTH_MAX];
};

/* Eighths of a row, for people with blocks and for people without. */
static const char *const chart_blocks[] = {" ",      "\u2581", "\u2582",
                                           "\u2583", "\u2584", "\u2585",
                                           "\u2586", "\u2587", "\u2588"};
static const char *const chart_ascii[] = {" ", ".", ".", ".", "#", "#", "#", "#", "#"};

static const char *
chart_sign(const struct chart *c, const char *fine, const char *ascii)
{
    return c->text->style->ascii ? ascii : fine;
}

/* ---- the curve ---- */

static int
chart_column(const struct chart *c, double at_ns)
{
    double column = prf_axis_part(&c->time, at_ns) * c->columns;
    return column < 0 ? 0 : column >= c->columns ? c->columns - 1 : (int)column;
}

/* The highest point of each column; between two points the curve stays where it was. */
static void
chart_fill(struct chart *c)
{
    int last = -1;
    for (int i = 0; i < c->columns; i++) {
        c->values[i] = NAN;
    }
    for (size_t i = 0; i < c->series->n; i++) {
        double value = c->series->values[i];
        if (!isfinite(value)) {
            continue;
        }
        int column = chart_column(c, (double)c->series->at_ns[i]);
        for (int gap = last + 1; last >= 0 && gap < column; gap++) {
            c->values[gap] = c->values[last];
        }
        c->values[column] = fmax(c->values[column], value);
        last = column > last ? column : last;
    }
}

/* Eighths of the row (0: the topmost) that the column fills; what is there is seen. */
static int
chart_level(const struct chart *c, int row, double value)
{
    if (isnan(value)) {
        return 0;
    }
    double eighths = rint(prf_axis_part(&c->amount, value) * c->rows * 8);
    double level = fmax(eighths, 1) - 8.0 * (c->rows - 1 - row);
    return level < 0 ? 0 : level > 8 ? 8 : (int)level;
}

/* The tick whose place is the upper edge of that row, or -1. */
static int
chart_tick_of(const struct chart *c, int row)
{
    for (int i = 0; i < c->amount.n_ticks; i++) {
        double amount = c->amount.first + i * c->amount.step;
        if ((int)rint(c->rows * (1 - prf_axis_part(&c->amount, amount))) == row) {
            return i;
        }
    }
    return -1;
}

static void
chart_put_amount(const struct chart *c, int row)
{
    char label[PRF_UNIT_TEXT] = "";
    int tick = chart_tick_of(c, row);
    if (tick >= 0) {
        prf_axis_label(&c->amount, tick, label, sizeof label);
    }
    const char *suffix = tick >= 0 ? c->amount.scale.suffix : "";
    int width = c->left - (int)strlen(c->amount.scale.suffix) - 1;
    fprintf(c->text->out, "  %*s %-*s ", width, label,
            (int)strlen(c->amount.scale.suffix), suffix);
    if (row == c->rows) {
        fputs(chart_sign(c, "\u2514", "+"), c->text->out);
    } else {
        fputs(tick >= 0 ? chart_sign(c, "\u2524", "+") : chart_sign(c, "\u2502", "|"),
              c->text->out);
    }
}

static void
chart_put_rows(const struct chart *c)
{
    const char *const *levels = c->text->style->ascii ? chart_ascii : chart_blocks;
    for (int row = 0; row < c->rows; row++) {
        int end = c->columns;
        while (end > 0 && chart_level(c, row, c->values[end - 1]) == 0) {
            end--;
        }
        chart_put_amount(c, row);
        for (int i = 0; i < end; i++) {
            fputs(levels[chart_level(c, row, c->values[i])], c->text->out);
        }
        fputc('\n', c->text->out);
    }
}

/* ---- below the curve ---- */

static bool
chart_is_time_tick(const struct chart *c, int column)
{
    for (int i = 0; i < c->time.n_ticks; i++) {
        if (chart_column(c, c->time.first + i * c->time.step) == column) {
            return true;
        }
    }
    return false;
}

/* Begin a line under the curve, with `text` where the amounts' units are. */
static void
chart_begin_line(const struct chart *c, const char *text)
{
    fprintf(c->text->out, "  %*s ", c->left + 1, text);
}

/* Move on the line from column *at to `column`, and say that `width` follow. */
static void
chart_move(const struct chart *c, int *at, int column, int width)
{
    fprintf(c->text->out, "%*s", column - *at, "");
    *at = column + width;
}

static void
chart_put_times(const struct chart *c)
{
    char label[PRF_UNIT_TEXT];
    int at = 0;
    chart_put_amount(c, c->rows);
    for (int i = 0; i < c->columns; i++) {
        fputs(chart_is_time_tick(c, i) ? chart_sign(c, "\u252c", "+")
                                       : chart_sign(c, "\u2500", "-"),
              c->text->out);
    }
    fputc('\n', c->text->out);
    chart_begin_line(c, c->time.scale.suffix);
    for (int i = 0; i < c->time.n_ticks; i++) {
        int column = chart_column(c, c->time.first + i * c->time.step);
        prf_axis_label(&c->time, i, label, sizeof label);
        int width = (int)strlen(label);
        if ((at == 0 || column > at) && column + width <= c->columns) {
            chart_move(c, &at, column, width);
            fputs(label, c->text->out);
        }
    }
    fputc('\n', c->text->out);
}

static int
chart_name_width(const struct prf_mark *mark)
{
    struct prf_strbuf shown = PRF_STRBUF_INIT;
    prf_visible_add(&shown, mark->name, PRF_VISIBLE_LINE);
    size_t width = prf_text_width(prf_strbuf_text(&shown));
    prf_strbuf_release(&shown);
    return width < CHART_WIDTH_MAX ? (int)width : CHART_WIDTH_MAX;
}

/* The marks that have room in a row, each a tick and its name; those are taken out of
   `left`. What a name has no room for on the right is cut off. */
static void
chart_put_mark_row(const struct chart *c, const struct prf_profile *p, bool *left)
{
    int at = 0;
    chart_begin_line(c, "");
    for (size_t i = 0; i < p->n_marks; i++) {
        int column = chart_column(c, p->marks[i].at_ns);
        if (!left[i] || (at > 0 && column < at + CHART_GAP)) {
            continue;
        }
        int room = c->columns - column - 1, width = chart_name_width(&p->marks[i]);
        width = width < room ? width : room;
        chart_move(c, &at, column, 1 + width);
        fputs(chart_sign(c, "\u2191", "^"), c->text->out);
        if (width > 0) {
            prf_text_put_padded(c->text, p->marks[i].name, (size_t)width);
        }
        left[i] = false;
    }
    fputc('\n', c->text->out);
}

static void
chart_put_marks(const struct chart *c, const struct prf_profile *p)
{
    bool left[CHART_WIDTH_MAX * CHART_MARK_ROWS];
    size_t n = p->n_marks, n_left = n;
    if (n > sizeof left) { /* more than there are places */
        chart_begin_line(c, "");
        fprintf(c->text->out, "%zu marks\n", n);
        return;
    }
    memset(left, true, sizeof left);
    for (int row = 0; row < CHART_MARK_ROWS && n_left > 0; row++) {
        chart_put_mark_row(c, p, left);
        n_left = 0;
        for (size_t i = 0; i < n; i++) {
            n_left += left[i];
        }
    }
    if (n_left > 0) {
        chart_begin_line(c, "");
        fprintf(c->text->out, "and %zu more mark%s\n", n_left, n_left == 1 ? "" : "s");
    }
}

/* ---- the whole ---- */

static void
chart_put_words(const struct prf_text *text, const struct prf_profile *p,
                const struct prf_series *s)
{
    struct prf_plot_range range;
    char name[128], low[PRF_UNIT_TEXT], high[PRF_UNIT_TEXT], at[PRF_UNIT_TEXT];
    char last[PRF_UNIT_TEXT], span[PRF_UNIT_TEXT];
    const char *unit = text->options->time_unit;
    fputs("  ", text->out);
    prf_text_put(text, prf_plot_name(s, name, sizeof name), PRF_VISIBLE_LINE);
    if (!prf_plot_range(s, &range)) {
        fputs(": no points\n", text->out);
        return;
    }
    fprintf(text->out, ": %s to %s (at %s), last %s, %zu point%s in %s\n",
            prf_format_amount(range.low, s->unit, unit, low, sizeof low),
            prf_format_amount(range.high, s->unit, unit, high, sizeof high),
            prf_format_time(range.high_at_ns, unit, at, sizeof at),
            prf_format_amount(s->values[s->n - 1], s->unit, unit, last, sizeof last),
            s->n, s->n == 1 ? "" : "s",
            prf_format_time(range.to_ns - range.from_ns, unit, span, sizeof span));
    double peak = s->process == 0 ? prf_plot_true_peak(p, s, range.high) : NAN;
    if (isfinite(peak)) {
        fprintf(text->out, "  between the points it was as high as %s\n",
                prf_format_amount(peak, s->unit, unit, high, sizeof high));
    }
}

static int
chart_label_room(const struct prf_axis *axis)
{
    char label[PRF_UNIT_TEXT];
    size_t widest = 0;
    for (int i = 0; i < axis->n_ticks; i++) {
        size_t len = strlen(prf_axis_label(axis, i, label, sizeof label));
        widest = len > widest ? len : widest;
    }
    return (int)(widest + 1 + strlen(axis->scale.suffix));
}

static void
chart_put(struct chart *c, const struct prf_profile *p, int rows)
{
    struct prf_plot_range range;
    int width = c->text->style->width > 0 ? c->text->style->width : 80;
    width = width > CHART_WIDTH_MAX ? CHART_WIDTH_MAX : width;
    width = width < CHART_WIDTH_MIN ? CHART_WIDTH_MIN : width;
    prf_plot_range(c->series, &range);
    c->rows = rows;
    c->amount =
        prf_axis(c->series->unit, range.low, range.high, rows / 3, PRF_AXIS_ROUND);
    c->left = chart_label_room(&c->amount);
    c->columns = width - c->left - 4;
    chart_fill(c);
    chart_put_rows(c);
    chart_put_times(c);
    if (rows == CHART_ROWS) {
        chart_put_marks(c, p);
    }
}

/* All charts have one axis of time, so that they can be compared. */
static struct prf_axis
chart_time_axis(const struct prf_profile *p)
{
    struct prf_plot_range range;
    double last = 0;
    for (size_t i = 0; i < p->n_series; i++) {
        if (prf_plot_range(&p->series[i], &range)) {
            last = fmax(last, range.to_ns);
        }
    }
    return prf_axis("ns", 0, last, 6, PRF_AXIS_EXACT);
}

void
prf_text_series(const struct prf_text *text, const struct prf_profile *profile)
{
    struct chart chart = {.text = text, .time = chart_time_axis(profile)};
    struct prf_plot_range range;
    int n_charts = 0;
    for (size_t i = 0; i < profile->n_series; i++) {
        const struct prf_series *s = &profile->series[i];
        fputc('\n', text->out);
        chart_put_words(text, profile, s);
        if (s->n < 3 || !prf_plot_range(s, &range) || n_charts == CHART_CHARTS_MAX) {
            continue; /* two points are said in words */
        }
        chart.series = s;
        chart_put(&chart, profile, n_charts++ == 0 ? CHART_ROWS : CHART_ROWS_MORE);
    }
}
