/* The picture of a result's series; see plot.h. */
#include "plot.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "axis.h"
#include "label.h"
#include "strbuf.h"
#include "xml.h"

#define PLOT_WIDTH 960
#define PLOT_LEFT 76
#define PLOT_RIGHT 28
#define PLOT_TITLE 40
#define PLOT_HEIGHT 300 /* of the curves in a panel */
#define PLOT_FOOT 46    /* ticks and title of the time axis */
#define PLOT_ROW 15     /* a line of text */
#define PLOT_LABEL_ROWS 6
#define PLOT_LABEL_MAX 28 /* characters of a mark's name; the rest is its tooltip */
#define PLOT_CHARACTER 6.7
#define PLOT_COLORS 8
#define PLOT_LEGEND_COLUMNS 4
#define PLOT_LEGEND_MAX 24
#define PLOT_BINS (PLOT_WIDTH - PLOT_LEFT - PLOT_RIGHT)

static const char plot_style[] =
    "<style>\n"
    ".ground{fill:#ffffff}text{fill:#24292f}.dim{fill:#57606a}\n"
    ".axis{stroke:#57606a}.grid{stroke:#d8dee4}\n"
    ".curve{fill:none;stroke-width:1.5;stroke-linejoin:round}\n"
    ".mark{stroke:#8250df;stroke-dasharray:3 3}\n"
    ".label{fill:#8250df;stroke:#ffffff;stroke-width:3;paint-order:stroke}\n"
    ".peak{stroke:#cf222e;fill:none}\n"
    ".figure{fill:#cf222e;stroke:#ffffff;stroke-width:3;paint-order:stroke}\n"
    ".c0{stroke:#0969da}.c1{stroke:#1a7f37}.c2{stroke:#bc4c00}.c3{stroke:#bf3989}\n"
    ".c4{stroke:#1b7c83}.c5{stroke:#9a6700}.c6{stroke:#6639ba}.c7{stroke:#57606a}\n"
    ".area{fill:#0969da;fill-opacity:0.1;stroke:none}\n"
    "@media (prefers-color-scheme:dark){\n"
    ".ground{fill:#0d1117}text{fill:#e6edf3}.dim{fill:#9198a1}\n"
    ".axis{stroke:#9198a1}.grid{stroke:#2a313c}\n"
    ".mark{stroke:#bc8cff}.label{fill:#bc8cff;stroke:#0d1117}\n"
    ".peak{stroke:#ff7b72}\n"
    ".figure{fill:#ff7b72;stroke:#0d1117}\n"
    ".c0{stroke:#58a6ff}.c1{stroke:#3fb950}.c2{stroke:#f0883e}.c3{stroke:#f778ba}\n"
    ".c4{stroke:#39c5cf}.c5{stroke:#d29922}.c6{stroke:#a371f7}.c7{stroke:#9198a1}\n"
    ".area{fill:#58a6ff}}\n"
    "</style>\n";

struct plot_label {
    double x;
    int row; /* -1: there was no room */
};

struct plot {
    FILE *out;
    const struct prf_profile *profile;
    struct prf_axis time;
    int n_rows; /* of labels of marks */
    double top; /* of the panel that is drawn */
    const char *unit;
    struct prf_axis amount;
    const struct prf_series *first; /* of the panel */
    double true_peak;
};

const char *
prf_plot_name(const struct prf_series *series, char *buf, size_t size)
{
    if (series->process == 0) {
        snprintf(buf, size, "%s", series->name);
    } else {
        snprintf(buf, size, "%s, child %" PRIu32, series->name, series->process);
    }
    return buf;
}

bool
prf_plot_range(const struct prf_series *series, struct prf_plot_range *out)
{
    bool any = false;
    for (size_t i = 0; i < series->n; i++) {
        double value = series->values[i], at_ns = (double)series->at_ns[i];
        if (!isfinite(value)) {
            continue;
        }
        if (!any) {
            *out = (struct prf_plot_range){value, value, at_ns, at_ns, at_ns};
        }
        any = true;
        out->low = fmin(out->low, value);
        out->from_ns = fmin(out->from_ns, at_ns);
        out->to_ns = fmax(out->to_ns, at_ns);
        if (value > out->high) {
            out->high = value;
            out->high_at_ns = at_ns;
        }
    }
    return any;
}

double
prf_plot_true_peak(const struct prf_profile *profile, const struct prf_series *series,
                   double highest)
{
    for (size_t i = 0; i < profile->n_metrics; i++) {
        const struct prf_metric_values *m = &profile->metrics[i];
        if (strcmp(m->name, "peak") == 0 && strcmp(m->unit, series->unit) == 0 &&
            m->n == 1 && m->samples[0] > highest) {
            return m->samples[0];
        }
    }
    return NAN;
}

static double
plot_x(const struct plot *p, double at_ns)
{
    return PLOT_LEFT + PLOT_BINS * prf_axis_part(&p->time, at_ns);
}

static double
plot_y(const struct plot *p, double value)
{
    return p->top + PLOT_HEIGHT * (1 - prf_axis_part(&p->amount, value));
}

static void
plot_put_line(const struct plot *p, const char *class, double x1, double y1, double x2,
              double y2)
{
    fprintf(p->out,
            "<line class=\"%s\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>\n",
            class, x1, y1, x2, y2);
}

/* ---- axes ---- */

static void
plot_put_amounts(const struct plot *p)
{
    char label[PRF_UNIT_TEXT];
    for (int i = 0; i < p->amount.n_ticks; i++) {
        double y = plot_y(p, p->amount.first + i * p->amount.step);
        plot_put_line(p, "grid", PLOT_LEFT, y, PLOT_WIDTH - PLOT_RIGHT, y);
        fprintf(
            p->out,
            "<text class=\"dim\" x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%s</text>\n",
            PLOT_LEFT - 8, y + 4, prf_axis_label(&p->amount, i, label, sizeof label));
    }
    double middle = p->top + PLOT_HEIGHT / 2.0;
    fprintf(p->out,
            "<text x=\"18\" y=\"%.1f\" text-anchor=\"middle\" "
            "transform=\"rotate(-90 18 %.1f)\">",
            middle, middle);
    prf_xml_put(p->out, p->first->name);
    fputs(p->amount.scale.suffix[0] != '\0' ? " [" : "", p->out);
    prf_xml_put(p->out, p->amount.scale.suffix);
    fputs(p->amount.scale.suffix[0] != '\0' ? "]</text>\n" : "</text>\n", p->out);
}

static void
plot_put_times(const struct plot *p)
{
    char label[PRF_UNIT_TEXT];
    double bottom = p->top + PLOT_HEIGHT;
    for (int i = 0; i < p->time.n_ticks; i++) {
        double x = plot_x(p, p->time.first + i * p->time.step);
        plot_put_line(p, "axis", x, bottom, x, bottom + 5);
        fprintf(p->out,
                "<text class=\"dim\" x=\"%.1f\" y=\"%.1f\" "
                "text-anchor=\"middle\">%s</text>\n",
                x, bottom + 19, prf_axis_label(&p->time, i, label, sizeof label));
    }
    plot_put_line(p, "axis", PLOT_LEFT, bottom, PLOT_WIDTH - PLOT_RIGHT, bottom);
    plot_put_line(p, "axis", PLOT_LEFT, p->top, PLOT_LEFT, bottom);
    fprintf(p->out,
            "<text x=\"%d\" y=\"%.1f\" text-anchor=\"middle\">time [%s]</text>\n",
            PLOT_LEFT + PLOT_BINS / 2, bottom + 38, p->time.scale.suffix);
}

/* ---- curves ---- */

/* The points that fall on one column of pixels: no more of them can be seen. */
struct plot_bin {
    long column;
    size_t n;
    double first, last, low, high;
    bool low_is_first;
};

static void
plot_put_bin(const struct plot *p, const struct plot_bin *bin, const char **command)
{
    double x = PLOT_LEFT + (double)bin->column;
    double between[2] = {bin->low_is_first ? bin->low : bin->high,
                         bin->low_is_first ? bin->high : bin->low};
    double ys[] = {bin->first, between[0], between[1], bin->last}, before = NAN;
    for (size_t i = 0; i < 4; i++) {
        if (ys[i] != before) {
            fprintf(p->out, "%s%.0f %.1f", *command, x, plot_y(p, ys[i]));
            *command = "L";
            before = ys[i];
        }
    }
}

static void
plot_add_to_bin(struct plot_bin *bin, double value)
{
    if (bin->n++ == 0) {
        bin->first = bin->low = bin->high = value;
    }
    if (value < bin->low) {
        bin->low = value;
        bin->low_is_first = false;
    }
    if (value > bin->high) {
        bin->high = value;
        bin->low_is_first = true;
    }
    bin->last = value;
}

/* Commands of a path along the points. */
static void
plot_put_points(const struct plot *p, const struct prf_series *s)
{
    struct plot_bin bin = {.column = -1};
    const char *command = "M";
    for (size_t i = 0; i < s->n; i++) {
        if (!isfinite(s->values[i])) {
            continue;
        }
        double x = plot_x(p, (double)s->at_ns[i]) - PLOT_LEFT;
        long column = lround(x);
        if (column != bin.column && bin.n > 0) {
            plot_put_bin(p, &bin, &command);
            bin.n = 0;
        }
        bin.column = column;
        plot_add_to_bin(&bin, s->values[i]);
    }
    if (bin.n > 0) {
        plot_put_bin(p, &bin, &command);
    }
}

/* After eight colours they come again, dashed. */
static void
plot_put_class(FILE *out, size_t color)
{
    fprintf(out, "class=\"curve c%zu\"", color % PLOT_COLORS);
    if (color >= PLOT_COLORS) {
        fprintf(out, " stroke-dasharray=\"%zu 3\"", 2 + 3 * (color / PLOT_COLORS));
    }
}

static void
plot_put_curve(const struct plot *p, const struct prf_series *s, size_t color)
{
    struct prf_plot_range range;
    if (!prf_plot_range(s, &range)) {
        return;
    }
    if (s == p->first && range.to_ns > range.from_ns) {
        fputs("<path class=\"area\" d=\"", p->out);
        plot_put_points(p, s);
        fprintf(p->out, "V%.1fH%.0fZ\"/>\n", p->top + PLOT_HEIGHT,
                plot_x(p, range.from_ns));
    }
    fputs("<path ", p->out);
    plot_put_class(p->out, color);
    fputs(" stroke-linecap=\"round\" d=\"", p->out);
    plot_put_points(p, s);
    fputs(range.to_ns > range.from_ns ? "\"/>\n" : "h0\"/>\n", p->out);
}

/* The highest point of the first curve, and what the kernel saw above it. */
static void
plot_put_peak(const struct plot *p)
{
    struct prf_plot_range range;
    char amount[PRF_UNIT_TEXT], at[PRF_UNIT_TEXT];
    if (!prf_plot_range(p->first, &range)) {
        return;
    }
    double x = plot_x(p, range.high_at_ns), y = plot_y(p, range.high);
    bool above = isfinite(p->true_peak);
    bool on_left = x > PLOT_LEFT + PLOT_BINS / 2.0;
    fprintf(p->out, "<circle class=\"peak\" cx=\"%.1f\" cy=\"%.1f\" r=\"4\"/>\n", x, y);
    if (above) {
        y = plot_y(p, p->true_peak);
        plot_put_line(p, "peak", PLOT_LEFT, y, PLOT_WIDTH - PLOT_RIGHT, y);
    }
    prf_format_amount(above ? p->true_peak : range.high, p->unit, NULL, amount,
                      sizeof amount);
    prf_format_time(range.high_at_ns, NULL, at, sizeof at);
    fprintf(p->out,
            "<text class=\"figure\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">peak %s",
            on_left ? x - 8 : x + 8, y - 6, on_left ? "end" : "start", amount);
    fprintf(p->out, above ? " between samples</text>\n" : " at %s</text>\n", at);
}

/* ---- marks ---- */

static size_t
plot_label_width(const char *name)
{
    size_t width = prf_text_width(name);
    return width < PLOT_LABEL_MAX ? width : PLOT_LABEL_MAX;
}

/* The row for a label at `x`, so that it covers none before it; -1: none has room. */
static int
plot_find_row(double ends[PLOT_LABEL_ROWS], double x, size_t width)
{
    for (int row = 0; row < PLOT_LABEL_ROWS; row++) {
        if (x >= ends[row]) {
            ends[row] = x + PLOT_CHARACTER * (double)width + 10;
            return row;
        }
    }
    return -1;
}

static void
plot_put_mark_line(const struct plot *p, const struct prf_mark *mark, double top)
{
    double x = plot_x(p, mark->at_ns);
    fputs("<g><title>", p->out);
    prf_xml_put(p->out, mark->name);
    fputs("</title>", p->out);
    plot_put_line(p, "mark", x, top, x, p->top + PLOT_HEIGHT);
    fputs("</g>\n", p->out);
}

static void
plot_put_mark_name(const struct plot *p, const struct prf_mark *mark, double y)
{
    struct prf_strbuf name = PRF_STRBUF_INIT;
    size_t width = plot_label_width(mark->name);
    double left = PLOT_WIDTH - 4 - PLOT_CHARACTER * (double)width;
    prf_shorten_add(&name, mark->name, width, "\u2026");
    fprintf(p->out, "<text class=\"label\" x=\"%.1f\" y=\"%.1f\">",
            fmin(plot_x(p, mark->at_ns) + 4, left), y);
    prf_xml_put(p->out, prf_strbuf_text(&name));
    fputs("</text>\n", p->out);
    prf_strbuf_release(&name);
}

enum plot_pass { PLOT_MEASURE, PLOT_LINES, PLOT_NAMES };

/* Walk over the marks in their order; the rows that their names take. Names are drawn
   after all lines, so that none is crossed. */
static int
plot_marks(const struct plot *p, enum plot_pass pass)
{
    double ends[PLOT_LABEL_ROWS] = {0};
    int n_rows = 0;
    for (size_t i = 0; i < p->profile->n_marks; i++) {
        const struct prf_mark *mark = &p->profile->marks[i];
        int row =
            plot_find_row(ends, plot_x(p, mark->at_ns), plot_label_width(mark->name));
        double y = p->top - 8 - PLOT_ROW * (p->n_rows - 1 - row);
        n_rows = row >= n_rows ? row + 1 : n_rows;
        if (pass == PLOT_LINES) {
            plot_put_mark_line(p, mark, row < 0 ? p->top : y - 9);
        } else if (pass == PLOT_NAMES && row >= 0) {
            plot_put_mark_name(p, mark, y);
        }
    }
    return n_rows;
}

/* ---- panels ---- */

static bool
plot_is_of(const struct prf_series *s, const char *unit)
{
    return s->n > 0 && strcmp(s->unit, unit) == 0;
}

static size_t
plot_count(const struct plot *p, const char *unit)
{
    size_t n = 0;
    for (size_t i = 0; i < p->profile->n_series; i++) {
        n += plot_is_of(&p->profile->series[i], unit);
    }
    return n;
}

/* How high the names of the curves stand; one curve is named by its axis. */
static double
plot_legend_height(size_t n_curves)
{
    size_t n = n_curves > PLOT_LEGEND_MAX ? PLOT_LEGEND_MAX + 1 : n_curves;
    size_t n_rows = (n + PLOT_LEGEND_COLUMNS - 1) / PLOT_LEGEND_COLUMNS;
    return n < 2 ? 0 : 10.0 + PLOT_ROW * (double)n_rows;
}

static void
plot_put_legend_entry(const struct plot *p, size_t index, const char *name)
{
    size_t row = index / PLOT_LEGEND_COLUMNS, column = index % PLOT_LEGEND_COLUMNS;
    double x = PLOT_LEFT + (double)(column * PLOT_BINS) / PLOT_LEGEND_COLUMNS;
    double y = p->top + PLOT_HEIGHT + PLOT_FOOT + 12 + PLOT_ROW * (double)row;
    if (index < PLOT_LEGEND_MAX) {
        fputs("<path ", p->out);
        plot_put_class(p->out, index);
        fprintf(p->out, " d=\"M%.1f %.1fh22\"/>\n", x, y - 4);
    }
    fprintf(p->out, "<text x=\"%.1f\" y=\"%.1f\">", x + 28, y);
    prf_xml_put(p->out, name);
    fputs("</text>\n", p->out);
}

static void
plot_put_legend(const struct plot *p)
{
    char name[128];
    size_t index = 0, n = plot_count(p, p->unit);
    for (size_t i = 0; n > 1 && i < p->profile->n_series; i++) {
        const struct prf_series *s = &p->profile->series[i];
        if (plot_is_of(s, p->unit) && index++ < PLOT_LEGEND_MAX) {
            plot_put_legend_entry(p, index - 1, prf_plot_name(s, name, sizeof name));
        }
    }
    if (n > PLOT_LEGEND_MAX) {
        snprintf(name, sizeof name, "and %zu more", n - PLOT_LEGEND_MAX);
        plot_put_legend_entry(p, PLOT_LEGEND_MAX, name);
    }
}

/* The axis of amounts for all curves of the panel. */
static void
plot_measure(struct plot *p)
{
    struct prf_plot_range all = {.low = INFINITY, .high = -INFINITY}, range = {0};
    for (size_t i = 0; i < p->profile->n_series; i++) {
        const struct prf_series *s = &p->profile->series[i];
        if (plot_is_of(s, p->unit) && prf_plot_range(s, &range)) {
            all.low = fmin(all.low, range.low);
            all.high = fmax(all.high, range.high);
        }
    }
    prf_plot_range(p->first, &range);
    p->true_peak = prf_plot_true_peak(p->profile, p->first, range.high);
    all.high = fmax(all.high, isfinite(p->true_peak) ? p->true_peak : all.high);
    p->amount = prf_axis(p->unit, all.low, all.high, 6, PRF_AXIS_ROUND);
}

static void
plot_put_panel(struct plot *p)
{
    size_t color = 0;
    plot_measure(p);
    plot_put_amounts(p);
    for (size_t i = 0; i < p->profile->n_series; i++) {
        if (plot_is_of(&p->profile->series[i], p->unit)) {
            plot_put_curve(p, &p->profile->series[i], color++);
        }
    }
    plot_put_times(p);
    plot_marks(p, PLOT_LINES);
    plot_marks(p, PLOT_NAMES);
    plot_put_peak(p);
    plot_put_legend(p);
}

/* The first curve of a unit that no curve before it has, from *at on; NULL: no more. */
static const struct prf_series *
plot_next_panel(const struct prf_profile *profile, size_t *at)
{
    struct prf_plot_range range;
    while (*at < profile->n_series) {
        const struct prf_series *s = &profile->series[(*at)++];
        bool known = !prf_plot_range(s, &range);
        for (const struct prf_series *b = profile->series; b < s && !known; b++) {
            known = plot_is_of(b, s->unit) && prf_plot_range(b, &range);
        }
        if (!known) {
            return s;
        }
    }
    return NULL;
}

static double
plot_panel_height(const struct plot *p, const char *unit)
{
    return PLOT_ROW * p->n_rows + 16.0 + PLOT_HEIGHT + PLOT_FOOT +
           plot_legend_height(plot_count(p, unit)) + 8;
}

static void
plot_put_head(const struct plot *p, const struct prf_result *result, double height)
{
    fprintf(p->out,
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%.0f\" "
            "viewBox=\"0 0 %d %.0f\" role=\"img\" "
            "font-family=\"system-ui, 'DejaVu Sans', sans-serif\" font-size=\"12\">\n"
            "<title>",
            PLOT_WIDTH, height, PLOT_WIDTH, height);
    prf_xml_put(p->out, result->case_id);
    fprintf(p->out, "</title>\n%s", plot_style);
    fprintf(p->out,
            "<rect class=\"ground\" width=\"%d\" height=\"%.0f\"/>\n"
            "<text x=\"%d\" y=\"26\" font-size=\"15\" font-weight=\"600\">",
            PLOT_WIDTH, height, PLOT_LEFT);
    struct prf_strbuf title = PRF_STRBUF_INIT;
    prf_shorten_add(&title, result->case_id, 90, "\u2026");
    prf_xml_put(p->out, prf_strbuf_text(&title));
    fputs("</text>\n", p->out);
    prf_strbuf_release(&title);
}

/* From the start of the case to the last point or mark. */
static struct prf_axis
plot_time_axis(const struct prf_profile *profile)
{
    struct prf_plot_range range;
    double last = 0;
    for (size_t i = 0; i < profile->n_series; i++) {
        if (prf_plot_range(&profile->series[i], &range)) {
            last = fmax(last, range.to_ns);
        }
    }
    for (size_t i = 0; i < profile->n_marks; i++) {
        last = fmax(last, profile->marks[i].at_ns);
    }
    return prf_axis("ns", 0, last, 10, PRF_AXIS_EXACT);
}

void
prf_plot_svg(const struct prf_result *result, FILE *out)
{
    struct plot p = {.out = out, .profile = result->profile};
    p.time = plot_time_axis(p.profile);
    p.n_rows = plot_marks(&p, PLOT_MEASURE);
    double height = PLOT_TITLE;
    for (size_t at = 0; (p.first = plot_next_panel(p.profile, &at)) != NULL;) {
        height += plot_panel_height(&p, p.first->unit);
    }
    bool empty = height == PLOT_TITLE;
    plot_put_head(&p, result, empty ? height + 2 * PLOT_ROW : height);
    if (empty) {
        fprintf(out, "<text x=\"%d\" y=\"%d\">no points</text>\n", PLOT_LEFT,
                PLOT_TITLE + PLOT_ROW);
    }
    double top = PLOT_TITLE;
    for (size_t at = 0; (p.first = plot_next_panel(p.profile, &at)) != NULL;) {
        p.unit = p.first->unit;
        p.top = top + PLOT_ROW * p.n_rows + 16;
        plot_put_panel(&p);
        top += plot_panel_height(&p, p.unit);
    }
    fputs("</svg>\n", out);
}
