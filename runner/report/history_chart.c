/* A series of a history as a chart of a terminal: dots of braille, 2 by 4 in each
   character, or one sign a character where there is no Unicode. A place on the axis is
   a commit that was measured, or a gap. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "axis.h"
#include "history_report.h"

#define CHART_WIDTH_MIN 40
#define CHART_WIDTH_MAX 120
#define CHART_ROWS 11
#define CHART_DOTS_X 2
#define CHART_DOTS_Y 4

enum chart_ink { CHART_INTERVAL = 1, CHART_POINT = 2 };

struct chart {
    const struct prf_history *history;
    const struct prf_history_series *series;
    const struct prf_style *style;
    FILE *out;
    struct prf_axis axis;
    int left, columns;
    int n_x, n_y; /* dots */
    unsigned char dots[CHART_ROWS * CHART_DOTS_Y][CHART_WIDTH_MAX * CHART_DOTS_X];
    size_t step_of[CHART_WIDTH_MAX]; /* 1 + the step whose line is in that column */
};

static const char *
chart_sign(const struct chart *c, const char *fine, const char *ascii)
{
    return c->style->ascii ? ascii : fine;
}

/* ---- where things are ---- */

static double
chart_x(const struct chart *c, double place)
{
    return (place + 0.5) * c->n_x / (double)c->history->n_places;
}

static int
chart_y(const struct chart *c, double value)
{
    double y = (1 - prf_axis_part(&c->axis, value)) * c->n_y - 0.5;
    return y < 0 ? 0 : y > c->n_y - 1 ? c->n_y - 1 : (int)lrint(y);
}

/* Intervals may be much wider than what the values differ by: they are cut off where
   the values would become a flat line. */
static struct prf_axis
chart_axis(const struct prf_history_series *s)
{
    double low = INFINITY, high = -INFINITY, outer_low = INFINITY,
           outer_high = -INFINITY;
    for (size_t i = 0; i < s->n; i++) {
        const struct prf_history_point *p = &s->points[i];
        if (!isnan(p->value)) {
            low = fmin(low, p->value);
            high = fmax(high, p->value);
            outer_low = fmin(outer_low, p->ci_low);
            outer_high = fmax(outer_high, p->ci_high);
        }
    }
    if (!isfinite(low)) {
        return prf_axis(s->unit, 0, 1, CHART_ROWS / 3, PRF_AXIS_ROUND);
    }
    double room = fmax((high - low) / 3, fabs(high) / 50);
    low = fmin(low, fmax(outer_low, low - room));
    high = fmax(high, fmin(outer_high, high + room));
    return prf_axis(s->unit, low, high, CHART_ROWS / 3, PRF_AXIS_ROUND);
}

/* ---- drawing ---- */

static void
chart_dot(struct chart *c, int x, int y, enum chart_ink ink)
{
    if (x >= 0 && x < c->n_x && y >= 0 && y < c->n_y && c->dots[y][x] < ink) {
        c->dots[y][x] = (unsigned char)ink;
    }
}

static void
chart_draw_point(struct chart *c, const struct prf_history_point *p)
{
    double spacing = (double)c->n_x / (double)c->history->n_places;
    int x = (int)chart_x(c, (double)p->place), y = chart_y(c, p->value);
    int wide = c->style->ascii || spacing < 2 ? 1 : spacing < 5 ? 2 : 3;
    /* Without room between them intervals would hide the values. */
    if (spacing >= (c->style->ascii ? 2 : 5) && !isnan(p->ci_low)) {
        for (int at = chart_y(c, p->ci_high); at <= chart_y(c, p->ci_low); at++) {
            chart_dot(c, x, at, CHART_INTERVAL);
        }
    }
    for (int at = 0; at < wide; at++) {
        chart_dot(c, x + at - wide / 2, y, CHART_POINT);
    }
}

static void
chart_draw(struct chart *c)
{
    const struct prf_history_series *s = c->series;
    for (size_t i = 0; i < s->n; i++) {
        if (!isnan(s->points[i].value)) {
            chart_draw_point(c, &s->points[i]);
        }
    }
    int per_column = c->n_x / c->columns;
    for (size_t i = 0; i < s->n_steps; i++) {
        double middle = ((double)s->points[s->steps[i].before].place +
                         (double)s->points[s->steps[i].at].place) /
                        2;
        int column = (int)(chart_x(c, middle) / per_column);
        c->step_of[column < c->columns ? column : c->columns - 1] = i + 1;
    }
}

/* ---- printing ---- */

static void
chart_put_braille(const struct chart *c, int row, int column)
{
    /* Bits of the dots of a character, by line and column. */
    static const unsigned bits[CHART_DOTS_Y][CHART_DOTS_X] = {
        {0x01, 0x08}, {0x02, 0x10}, {0x04, 0x20}, {0x40, 0x80}};
    unsigned set = 0;
    for (int y = 0; y < CHART_DOTS_Y; y++) {
        for (int x = 0; x < CHART_DOTS_X; x++) {
            set |= c->dots[row * CHART_DOTS_Y + y][column * CHART_DOTS_X + x] != 0
                       ? bits[y][x]
                       : 0;
        }
    }
    unsigned point = 0x2800 + set; /* three bytes of UTF-8 */
    putc((int)(0xE0 | point >> 12), c->out);
    putc((int)(0x80 | (point >> 6 & 0x3F)), c->out);
    putc((int)(0x80 | (point & 0x3F)), c->out);
}

static bool
chart_is_empty(const struct chart *c, int row, int column)
{
    int per_x = c->n_x / c->columns, per_y = c->n_y / CHART_ROWS;
    for (int y = 0; y < per_y; y++) {
        for (int x = 0; x < per_x; x++) {
            if (c->dots[row * per_y + y][column * per_x + x] != 0) {
                return false;
            }
        }
    }
    return true;
}

static const char *
chart_step_paint(const struct chart *c, size_t step)
{
    const struct prf_history_step *s = &c->series->steps[step];
    return prf_paint(c->style, s->worse ? PRF_RED : s->better ? PRF_GREEN : PRF_YELLOW);
}

static void
chart_put_cell(const struct chart *c, int row, int column)
{
    size_t step = c->step_of[column];
    if (!chart_is_empty(c, row, column)) {
        if (c->style->ascii) {
            putc(c->dots[row][column] == CHART_POINT ? 'o' : '|', c->out);
        } else {
            chart_put_braille(c, row, column);
        }
    } else if (step > 0) {
        fprintf(c->out, "%s%s%s", chart_step_paint(c, step - 1),
                chart_sign(c, "\u250a", ":"), prf_paint(c->style, PRF_PLAIN));
    } else {
        putc(' ', c->out);
    }
}

static int
chart_tick_of(const struct chart *c, int row)
{
    for (int i = 0; i < c->axis.n_ticks; i++) {
        double part = prf_axis_part(&c->axis, c->axis.first + i * c->axis.step);
        int at = (int)((1 - part) * CHART_ROWS);
        if ((at < CHART_ROWS ? at : CHART_ROWS - 1) == row) {
            return i;
        }
    }
    return -1;
}

static void
chart_put_rows(const struct chart *c)
{
    char label[PRF_UNIT_TEXT];
    for (int row = 0; row < CHART_ROWS; row++) {
        int tick = chart_tick_of(c, row), end = c->columns;
        label[0] = '\0';
        if (tick >= 0) {
            prf_axis_label(&c->axis, tick, label, sizeof label);
        }
        const char *suffix = tick >= 0 ? c->axis.scale.suffix : "";
        fprintf(
            c->out, "  %*s %-*s %s", c->left - (int)strlen(c->axis.scale.suffix) - 1,
            label, (int)strlen(c->axis.scale.suffix), suffix,
            tick >= 0 ? chart_sign(c, "\u2524", "+") : chart_sign(c, "\u2502", "|"));
        while (end > 0 && chart_is_empty(c, row, end - 1) && c->step_of[end - 1] == 0) {
            end--;
        }
        for (int column = 0; column < end; column++) {
            chart_put_cell(c, row, column);
        }
        putc('\n', c->out);
    }
}

/* Numbers of the steps, where there is room; the table has them all. */
static void
chart_put_steps(const struct chart *c)
{
    int at = 0;
    if (c->series->n_steps == 0) {
        return;
    }
    fprintf(c->out, "  %*s", c->left + 2, "");
    for (int column = 0; column < c->columns; column++) {
        size_t step = c->step_of[column];
        char number[24];
        int n = snprintf(number, sizeof number, "%zu", step);
        if (step == 0 || column < at) {
            continue;
        }
        bool up = c->series->steps[step - 1].ratio > 1;
        fprintf(c->out, "%*s%s%s%s%s", column - at, "", chart_step_paint(c, step - 1),
                up ? chart_sign(c, "\u25b2", "^") : chart_sign(c, "\u25bc", "v"),
                number, prf_paint(c->style, PRF_PLAIN));
        at = column + 1 + n;
    }
    putc('\n', c->out);
}

static void
chart_put_foot(const struct chart *c)
{
    char date[PRF_DATE_TEXT], from[64], to[64];
    const struct prf_history *h = c->history;
    const struct prf_history_place *last = &h->places[h->n_places - 1];
    size_t end = last->commit + (last->kind == PRF_PLACE_GAP ? last->n_commits - 1 : 0);
    const struct prf_history_commit *first = &h->commits[h->places[0].commit];
    fprintf(c->out, "  %*s %s", c->left, "", chart_sign(c, "\u2514", "+"));
    for (int i = 0; i < c->columns; i++) {
        fputs(chart_sign(c, "\u2500", "-"), c->out);
    }
    putc('\n', c->out);
    chart_put_steps(c);
    snprintf(from, sizeof from, "%.9s %s", first->id,
             prf_history_date(first->time, date, sizeof date));
    snprintf(to, sizeof to, "%.9s %s", h->commits[end].id,
             prf_history_date(h->commits[end].time, date, sizeof date));
    fprintf(c->out, "  %*s%s%s", c->left + 2, "", prf_paint(c->style, PRF_DIM), from);
    if (h->n_places > 1) {
        fprintf(c->out, "%*s", c->columns - (int)strlen(from), to);
    }
    fprintf(c->out, "%s\n", prf_paint(c->style, PRF_PLAIN));
}

void
prf_history_chart(const struct prf_history *history,
                  const struct prf_history_series *series,
                  const struct prf_history_options *options, FILE *out)
{
    struct chart *c = calloc(1, sizeof *c);
    char label[PRF_UNIT_TEXT];
    int width = options->style->width > 0 ? options->style->width : 80;
    size_t widest = 0;
    if (c == NULL || history->n_places == 0) {
        free(c); /* the table says it all */
        return;
    }
    width = width > CHART_WIDTH_MAX ? CHART_WIDTH_MAX : width;
    width = width < CHART_WIDTH_MIN ? CHART_WIDTH_MIN : width;
    c->history = history;
    c->series = series;
    c->style = options->style;
    c->out = out;
    c->axis = chart_axis(series);
    for (int i = 0; i < c->axis.n_ticks; i++) {
        size_t len = strlen(prf_axis_label(&c->axis, i, label, sizeof label));
        widest = len > widest ? len : widest;
    }
    c->left = (int)(widest + 1 + strlen(c->axis.scale.suffix));
    c->columns = width - c->left - 4;
    c->n_x = c->columns * (options->style->ascii ? 1 : CHART_DOTS_X);
    c->n_y = CHART_ROWS * (options->style->ascii ? 1 : CHART_DOTS_Y);
    chart_draw(c);
    chart_put_rows(c);
    chart_put_foot(c);
    free(c);
}
