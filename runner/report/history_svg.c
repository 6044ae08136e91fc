/* A history as a picture: one panel for each series, values with their intervals, the
   level between steps, the steps with their commits. What a point is stands in its
   tooltip. No script; light and dark. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "axis.h"
#include "history_report.h"
#include "xml.h"

#define SVG_WIDTH 1000
#define SVG_LEFT 84
#define SVG_RIGHT 24
#define SVG_HEAD 50 /* title and setting */
#define SVG_HEIGHT 280
#define SVG_FOOT 56 /* labels of commits */
#define SVG_ROW 15
#define SVG_LABEL_ROWS 4
#define SVG_LABEL_ROOM 76 /* between labels of commits */
#define SVG_CHARACTER 6.7
#define SVG_INNER (SVG_WIDTH - SVG_LEFT - SVG_RIGHT)

static const char svg_style[] =
    "<style>\n"
    ".ground{fill:#ffffff}text{fill:#24292f}.dim{fill:#57606a}\n"
    ".axis{stroke:#57606a}.grid{stroke:#d8dee4}.gap{fill:#eaeef2}\n"
    ".line{fill:none;stroke:#0969da;stroke-opacity:0.35}\n"
    ".level{stroke:#0969da;stroke-width:2;stroke-opacity:0.55}\n"
    ".ci{stroke:#0969da;stroke-opacity:0.5}\n"
    ".point{fill:#0969da;stroke:#ffffff;stroke-width:1}\n"
    ".dense{stroke:none;fill-opacity:0.45}\n"
    ".aside{fill:#ffffff;stroke:#0969da}.wip{fill:#ffffff;stroke:#8250df}\n"
    "g:hover>.point{fill:#24292f}\n"
    ".worse{stroke:#cf222e}.better{stroke:#1a7f37}.other{stroke:#9a6700}\n"
    ".step{stroke-dasharray:4 3}\n"
    "text.worse{fill:#cf222e}text.better{fill:#1a7f37}text.other{fill:#9a6700}\n"
    ".label{stroke:#ffffff;stroke-width:3;paint-order:stroke}\n"
    "@media (prefers-color-scheme:dark){\n"
    ".ground{fill:#0d1117}text{fill:#e6edf3}.dim{fill:#9198a1}\n"
    ".axis{stroke:#9198a1}.grid{stroke:#2a313c}.gap{fill:#161b22}\n"
    ".line,.level,.ci{stroke:#58a6ff}.point{fill:#58a6ff;stroke:#0d1117}\n"
    ".aside{fill:#0d1117;stroke:#58a6ff}.wip{fill:#0d1117;stroke:#bc8cff}\n"
    "g:hover>.point{fill:#e6edf3}\n"
    ".worse{stroke:#ff7b72}.better{stroke:#3fb950}.other{stroke:#d29922}\n"
    "text.worse{fill:#ff7b72}text.better{fill:#3fb950}text.other{fill:#d29922}\n"
    ".label{stroke:#0d1117}}\n"
    "</style>\n";

struct svg {
    const struct prf_history *history;
    const struct prf_history_series *series;
    const struct prf_history_options *options;
    FILE *out;
    struct prf_axis axis;
    double top; /* of the curve of the panel */
    int n_rows; /* of labels of steps above it */
    double *scratch;
};

static double
svg_x(const struct svg *s, double place)
{
    return SVG_LEFT + (place + 0.5) * SVG_INNER / (double)s->history->n_places;
}

static double
svg_y(const struct svg *s, double value)
{
    double y = s->top + SVG_HEIGHT * (1 - prf_axis_part(&s->axis, value));
    return fmin(fmax(y, s->top), s->top + SVG_HEIGHT);
}

static void
svg_line(const struct svg *s, const char *class, double x1, double y1, double x2,
         double y2)
{
    fprintf(s->out,
            "<line class=\"%s\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>\n",
            class, x1, y1, x2, y2);
}

static void
svg_text(const struct svg *s, double x, double y, const char *attributes,
         const char *text)
{
    fprintf(s->out, "<text x=\"%.1f\" y=\"%.1f\" %s>", x, y, attributes);
    prf_xml_put(s->out, text);
    fputs("</text>\n", s->out);
}

/* ---- axes ---- */

static struct prf_axis
svg_axis(const struct prf_history_series *series)
{
    double low = INFINITY, high = -INFINITY, ci_low = INFINITY, ci_high = -INFINITY;
    for (size_t i = 0; i < series->n; i++) {
        const struct prf_history_point *p = &series->points[i];
        if (!isnan(p->value)) {
            low = fmin(low, p->value);
            high = fmax(high, p->value);
            ci_low = fmin(ci_low, p->ci_low);
            ci_high = fmax(ci_high, p->ci_high);
        }
    }
    if (!isfinite(low)) {
        return prf_axis(series->unit, 0, 1, 6, PRF_AXIS_ROUND);
    }
    double room = fmax((high - low) / 2, fabs(high) / 50);
    return prf_axis(series->unit, fmin(low, fmax(ci_low, low - room)),
                    fmax(high, fmin(ci_high, high + room)), 6, PRF_AXIS_ROUND);
}

static void
svg_amounts(const struct svg *s)
{
    char label[PRF_UNIT_TEXT], title[160];
    for (int i = 0; i < s->axis.n_ticks; i++) {
        double y = svg_y(s, s->axis.first + i * s->axis.step);
        svg_line(s, "grid", SVG_LEFT, y, SVG_WIDTH - SVG_RIGHT, y);
        svg_text(s, SVG_LEFT - 8, y + 4, "class=\"dim\" text-anchor=\"end\"",
                 prf_axis_label(&s->axis, i, label, sizeof label));
    }
    bool unit = s->axis.scale.suffix[0] != '\0';
    snprintf(title, sizeof title, "%.100s%s%s%s", s->series->metric, unit ? " [" : "",
             s->axis.scale.suffix, unit ? "]" : "");
    double middle = s->top + SVG_HEIGHT / 2.0;
    char place[96];
    snprintf(place, sizeof place,
             "text-anchor=\"middle\" transform=\"rotate(-90 18 %.1f)\"", middle);
    svg_text(s, 18, middle, place, title);
}

static void
svg_commits(const struct svg *s)
{
    const struct prf_history *h = s->history;
    double bottom = s->top + SVG_HEIGHT, last = 2 * SVG_WIDTH;
    char date[PRF_DATE_TEXT], id[16];
    svg_line(s, "axis", SVG_LEFT, bottom, SVG_WIDTH - SVG_RIGHT, bottom);
    svg_line(s, "axis", SVG_LEFT, s->top, SVG_LEFT, bottom);
    for (size_t i = h->n_places; i-- > 0;) { /* the newest one has its label */
        double x = svg_x(s, (double)i);
        if (h->places[i].kind != PRF_PLACE_COMMIT || last - x < SVG_LABEL_ROOM) {
            continue;
        }
        const struct prf_history_commit *c = &h->commits[h->places[i].commit];
        snprintf(id, sizeof id, "%.9s", c->id);
        svg_line(s, "axis", x, bottom, x, bottom + 5);
        x = fmin(x, SVG_WIDTH - SVG_LABEL_ROOM / 2.0);
        last = x;
        svg_text(s, x, bottom + 19, "text-anchor=\"middle\" font-family=\"monospace\"",
                 id);
        svg_text(s, x, bottom + 34, "class=\"dim\" text-anchor=\"middle\"",
                 prf_history_date(c->time, date, sizeof date));
    }
}

static void
svg_gaps(const struct svg *s)
{
    const struct prf_history *h = s->history;
    double width = (double)SVG_INNER / (double)h->n_places;
    for (size_t i = 0; i < h->n_places; i++) {
        const struct prf_history_place *p = &h->places[i];
        if (p->kind == PRF_PLACE_GAP) {
            fprintf(s->out,
                    "<rect class=\"gap\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" "
                    "height=\"%d\"><title>%zu commit%s not measured</title></rect>\n",
                    svg_x(s, (double)i) - width / 2, s->top, width, SVG_HEIGHT,
                    p->n_commits, p->n_commits == 1 ? "" : "s");
        }
    }
}

/* ---- values ---- */

static bool
svg_on_line(const struct svg *s, size_t point)
{
    const struct prf_history_point *p = &s->series->points[point];
    const struct prf_history_place *place = &s->history->places[p->place];
    return !isnan(p->value) && place->kind == PRF_PLACE_COMMIT && !place->aside;
}

static int
svg_by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The level from one step to the next: the median of its values. */
static void
svg_level(const struct svg *s, size_t from, size_t end)
{
    size_t n = 0, first = PRF_HISTORY_NONE, last = 0;
    for (size_t i = from; i < end; i++) {
        if (svg_on_line(s, i)) {
            s->scratch[n++] = s->series->points[i].value;
            first = first == PRF_HISTORY_NONE ? i : first;
            last = i;
        }
    }
    if (n < 2) {
        return;
    }
    qsort(s->scratch, n, sizeof *s->scratch, svg_by_value);
    double y = svg_y(s, s->scratch[(n - 1) / 2] / 2 + s->scratch[n / 2] / 2);
    svg_line(s, "level", svg_x(s, (double)s->series->points[first].place), y,
             svg_x(s, (double)s->series->points[last].place), y);
}

static void
svg_curve(const struct svg *s)
{
    const char *command = "M";
    fputs("<path class=\"line\" d=\"", s->out);
    for (size_t i = 0; i < s->series->n; i++) {
        if (svg_on_line(s, i)) {
            fprintf(s->out, "%s%.1f %.1f", command,
                    svg_x(s, (double)s->series->points[i].place),
                    svg_y(s, s->series->points[i].value));
            command = "L";
        }
    }
    fputs("\"/>\n", s->out);
}

static void
svg_levels(const struct svg *s)
{
    size_t from = 0;
    for (size_t i = 0; i <= s->series->n_steps; i++) {
        size_t end = i < s->series->n_steps ? s->series->steps[i].at : s->series->n;
        svg_level(s, from, end);
        from = end;
    }
}

/* With so many points none is seen alone: they are a cloud, the levels lie over it. */
#define SVG_DENSE 3.0

static double
svg_spacing(const struct svg *s)
{
    return (double)SVG_INNER / (double)s->history->n_places;
}

static void
svg_title(const struct svg *s, const struct prf_history_point *p)
{
    const struct prf_history_place *place = &s->history->places[p->place];
    const struct prf_history_commit *c = &s->history->commits[place->commit];
    char value[PRF_UNIT_TEXT], low[PRF_UNIT_TEXT], high[PRF_UNIT_TEXT];
    char date[PRF_DATE_TEXT];
    const char *unit = s->series->unit, *time_unit = s->options->time_unit;
    fprintf(s->out, "<title>%.12s%s %s ", c->id,
            place->kind == PRF_PLACE_WIP ? " and uncommitted changes" : "",
            prf_history_date(c->time, date, sizeof date));
    prf_xml_put(s->out, c->author == NULL ? "" : c->author);
    fputc('\n', s->out);
    prf_xml_put(s->out, c->summary == NULL ? "" : c->summary);
    fprintf(s->out, "\n%s",
            prf_format_amount(p->value, unit, time_unit, value, sizeof value));
    if (!isnan(p->ci_low)) {
        fprintf(s->out, " (%s to %s)",
                prf_format_amount(p->ci_low, unit, time_unit, low, sizeof low),
                prf_format_amount(p->ci_high, unit, time_unit, high, sizeof high));
    }
    fprintf(s->out, ", %zu process%s%s</title>", p->n_processes,
            p->n_processes == 1 ? "" : "es",
            p->source_changed ? ", the case was edited" : "");
}

static void
svg_point(const struct svg *s, const struct prf_history_point *p)
{
    const struct prf_history_place *place = &s->history->places[p->place];
    double width = svg_spacing(s), x = svg_x(s, (double)p->place);
    double radius = width > 9 ? 4 : width > 5 ? 3 : width > SVG_DENSE ? 2 : 1.5;
    fputs("<g>", s->out);
    svg_title(s, p);
    if (!isnan(p->ci_low) && width > SVG_DENSE) {
        double low = svg_y(s, p->ci_low), high = svg_y(s, p->ci_high);
        svg_line(s, "ci", x, low, x, high);
        if (width > 12) {
            svg_line(s, "ci", x - 3, low, x + 3, low);
            svg_line(s, "ci", x - 3, high, x + 3, high);
        }
    }
    fprintf(s->out,
            "<circle class=\"point%s\" cx=\"%.1f\" cy=\"%.1f\" r=\"%g\"/></g>\n",
            place->kind == PRF_PLACE_WIP ? " wip"
            : place->aside               ? " aside"
            : width > SVG_DENSE          ? ""
                                         : " dense",
            x, svg_y(s, p->value), radius);
}

/* ---- steps ---- */

static const char *
svg_step_class(const struct prf_history_step *step)
{
    return step->worse ? "worse" : step->better ? "better" : "other";
}

static void
svg_step_text(const struct svg *s, const struct prf_history_step *step, char *buf,
              size_t size)
{
    char change[24];
    snprintf(buf, size, "%s %s%.9s",
             prf_history_change(step->ratio, change, sizeof change),
             step->n_between > 0 ? "up to " : "",
             prf_history_commit_of(s->history, s->series, step->at)->id);
}

static double
svg_step_x(const struct svg *s, const struct prf_history_step *step)
{
    return svg_x(s, ((double)s->series->points[step->before].place +
                     (double)s->series->points[step->at].place) /
                        2);
}

static void
svg_step_label(const struct svg *s, const struct prf_history_step *step, int row)
{
    char label[64], attributes[64];
    double x = svg_step_x(s, step), y = s->top - 8 - SVG_ROW * (s->n_rows - 1 - row);
    const struct prf_history_commit *c =
        prf_history_commit_of(s->history, s->series, step->at);
    fputs("<g><title>", s->out);
    prf_xml_put(s->out, c->author == NULL ? "" : c->author);
    fputs(": ", s->out);
    prf_xml_put(s->out, c->summary == NULL ? "" : c->summary);
    fputs("</title>", s->out);
    snprintf(attributes, sizeof attributes, "step %s", svg_step_class(step));
    svg_line(s, attributes, x, row < 0 ? s->top : y - 9, x, s->top + SVG_HEIGHT);
    if (row >= 0) {
        svg_step_text(s, step, label, sizeof label);
        double left = SVG_WIDTH - 6 - SVG_CHARACTER * (double)strlen(label);
        snprintf(attributes, sizeof attributes, "class=\"label %s\"",
                 svg_step_class(step));
        svg_text(s, fmin(x + 4, left), y, attributes, label);
    }
    fputs("</g>\n", s->out);
}

/* Draws the steps, or (draw false) says how many rows their labels take. */
static int
svg_steps(const struct svg *s, bool draw)
{
    double ends[SVG_LABEL_ROWS] = {0};
    char label[64];
    int n_rows = 0;
    for (size_t i = 0; i < s->series->n_steps; i++) {
        const struct prf_history_step *step = &s->series->steps[i];
        double x = svg_step_x(s, step);
        int row = 0;
        svg_step_text(s, step, label, sizeof label);
        while (row < SVG_LABEL_ROWS && x < ends[row]) {
            row++;
        }
        if (row < SVG_LABEL_ROWS) {
            ends[row] = x + SVG_CHARACTER * (double)strlen(label) + 12;
        }
        n_rows = row < SVG_LABEL_ROWS && row >= n_rows ? row + 1 : n_rows;
        if (draw) {
            svg_step_label(s, step, row < SVG_LABEL_ROWS ? row : -1);
        }
    }
    return n_rows;
}

/* ---- panels ---- */

static double
svg_panel_height(const struct svg *s)
{
    return SVG_HEAD + SVG_ROW * svg_steps(s, false) + 12 + SVG_HEIGHT + SVG_FOOT;
}

static void
svg_head(const struct svg *s, double top)
{
    struct prf_strbuf text = PRF_STRBUF_INIT, cut = PRF_STRBUF_INIT;
    char more[96];
    prf_shorten_add(&cut, s->series->case_id, 84, "\u2026");
    prf_strbuf_addf(&cut, "  %s", s->series->profiler);
    svg_text(s, SVG_LEFT, top + 24, "font-size=\"15\" font-weight=\"600\"",
             prf_strbuf_text(&cut));
    prf_history_add_setting(&text, s->series->setting, " \u00b7 ");
    snprintf(more, sizeof more, " \u00b7 %zu of %zu commits measured",
             s->history->n_measured, s->history->n_commits - s->history->n_older);
    prf_strbuf_adds(&text, more);
    svg_text(s, SVG_LEFT, top + 42, "class=\"dim\"", prf_strbuf_text(&text));
    prf_strbuf_release(&text);
    prf_strbuf_release(&cut);
}

static void
svg_panel(struct svg *s, double top)
{
    s->n_rows = svg_steps(s, false);
    s->axis = svg_axis(s->series);
    s->top = top + SVG_HEAD + SVG_ROW * s->n_rows + 12;
    svg_head(s, top);
    svg_gaps(s);
    svg_amounts(s);
    svg_commits(s);
    bool dense = svg_spacing(s) <= SVG_DENSE;
    if (!dense) {
        svg_curve(s);
        svg_levels(s);
    }
    svg_steps(s, true);
    for (size_t i = 0; i < s->series->n; i++) {
        if (!isnan(s->series->points[i].value)) {
            svg_point(s, &s->series->points[i]);
        }
    }
    if (dense) {
        svg_levels(s);
    }
}

static int
history_svg_write(const struct prf_history *h,
                  const struct prf_history_options *options, FILE *out,
                  struct prf_error *err)
{
    struct svg s = {.history = h, .options = options, .out = out};
    double height = 8, top = 0;
    s.scratch = malloc((h->n_places + 1) * sizeof *s.scratch);
    if (s.scratch == NULL) {
        return prf_fail(err, PRF_ENOMEM, "out of memory");
    }
    for (size_t i = 0; i < h->n_series; i++) {
        s.series = &h->series[i];
        height += svg_panel_height(&s);
    }
    fprintf(out,
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%.0f\" "
            "viewBox=\"0 0 %d %.0f\" role=\"img\" "
            "font-family=\"system-ui, 'DejaVu Sans', sans-serif\" font-size=\"12\">\n"
            "<title>",
            SVG_WIDTH, height, SVG_WIDTH, height);
    prf_xml_put(out, h->n_series == 1 ? h->series[0].case_id : "history");
    fprintf(out, "</title>\n%s<rect class=\"ground\" width=\"%d\" height=\"%.0f\"/>\n",
            svg_style, SVG_WIDTH, height);
    for (size_t i = 0; i < h->n_series; i++) {
        s.series = &h->series[i];
        svg_panel(&s, top);
        top += svg_panel_height(&s);
    }
    fputs("</svg>\n", out);
    free(s.scratch);
    return 0;
}

const struct prf_history_format prf_history_svg = {
    .name = "svg",
    .extension = ".svg",
    .summary = "a picture: values, intervals, steps",
    .write = history_svg_write,
};
