/* Format "svg" of a comparison: a differential flame graph. A box is as wide as the
   function with what it calls takes on the new side; its colour is the change of its
   own cost. What is gone has no width there and is listed below. Readable without a
   script: all that a box cannot hold is its tooltip. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "colormap.h"
#include "diff.h"
#include "flame_layout.h"
#include "formats.h"
#include "label.h"
#include "units.h"
#include "xml.h"

#define FLAME_WIDTH 1200
#define FLAME_MARGIN 12
#define FLAME_ROW 18
#define FLAME_HEAD 108
#define FLAME_LEAST 0.3     /* pixels; what is narrower is not drawn */
#define FLAME_CHARACTER 7.4 /* pixels, about */
#define FLAME_GONE_MAX 20   /* lines */
#define FLAME_BAR_CELLS 41  /* of the legend */
#define FLAME_BAR_CELL 10   /* pixels */
#define FLAME_SPAN (FLAME_WIDTH - 2.0 * FLAME_MARGIN)

struct flame {
    const struct prf_diff *diff;
    const struct prf_merged_tree *tree;
    FILE *out;
    double *all[PRF_DIFF_SIDES]; /* inclusive */
    struct prf_flame_layout layout;
    double largest; /* absolute change of own cost in a box */
    struct prf_strbuf text;
};

static double
flame_change(const struct flame *f, uint32_t node)
{
    return node == 0 ? 0 : prf_amount_change(&f->tree->amounts[node]);
}

static int
flame_lay_out(struct flame *f, struct prf_error *err)
{
    const struct prf_flame_tree tree = {.parent = f->tree->parent,
                                        .all = f->all[PRF_DIFF_NEXT],
                                        .n = f->tree->n,
                                        .least = FLAME_LEAST / FLAME_SPAN};
    for (uint32_t i = 1; i < f->tree->n; i++) {
        f->largest = fmax(f->largest, fabs(flame_change(f, i)));
    }
    return prf_flame_lay_out(&tree, &f->layout, err);
}

/* ---- text ---- */

static const char *
flame_amount(const struct flame *f, double amount, char *buf)
{
    return prf_format_amount(amount, f->tree->unit,
                             f->diff->request->options->time_unit, buf, PRF_UNIT_TEXT);
}

/* "1.2 ms → 1.5 ms (+25 %)" */
static void
flame_add_change(struct flame *f, double base, double next)
{
    char a[PRF_UNIT_TEXT], b[PRF_UNIT_TEXT], change[PRF_DIFF_TEXT];
    prf_strbuf_addf(&f->text, "%s \u2192 %s (%s)", flame_amount(f, base, a),
                    flame_amount(f, next, b),
                    prf_diff_percent(base, next, change, sizeof change));
}

/* prf_xml_put makes line ends visible; those in names are already. */
static void
flame_put_lines(struct flame *f, const char *text)
{
    struct prf_strbuf line = PRF_STRBUF_INIT;
    for (; *text != '\0'; text += *text == '\n') {
        size_t n = strcspn(text, "\n");
        prf_strbuf_clear(&line);
        prf_strbuf_add(&line, text, n);
        prf_xml_put(f->out, prf_strbuf_text(&line));
        text += n;
        if (*text == '\n') {
            fputc('\n', f->out);
        }
    }
    f->text.failed = f->text.failed || line.failed;
    prf_strbuf_release(&line);
}

static void
flame_put_tooltip(struct flame *f, uint32_t node)
{
    const struct prf_amount *a = &f->tree->amounts[node];
    prf_strbuf_clear(&f->text);
    prf_frame_add(&f->text, &f->diff->functions[f->tree->item[node]],
                  f->diff->request->options->strip_dirs);
    prf_strbuf_adds(&f->text, "\nown: ");
    flame_add_change(f, a->cost[PRF_DIFF_BASE], a->cost[PRF_DIFF_NEXT]);
    if (a->cost[0] != a->cost[1] && flame_change(f, node) == 0) {
        prf_strbuf_adds(&f->text, ", no more than the repeats differ");
    }
    prf_strbuf_adds(&f->text, "\nwith what it calls: ");
    flame_add_change(f, f->all[PRF_DIFF_BASE][node], f->all[PRF_DIFF_NEXT][node]);
    if (!isnan(a->calls[0]) && !isnan(a->calls[1])) {
        prf_strbuf_addf(&f->text, "\ncalls: %.0f \u2192 %.0f", a->calls[PRF_DIFF_BASE],
                        a->calls[PRF_DIFF_NEXT]);
    }
    fputs("<title>", f->out);
    flame_put_lines(f, prf_strbuf_text(&f->text));
    fputs("</title>", f->out);
}

/* The name as far as it fits; the box cuts off what a wide font adds. */
static void
flame_put_name(struct flame *f, const char *name, double width, double height)
{
    size_t room = (size_t)((width - 6) / FLAME_CHARACTER);
    struct prf_strbuf shown = PRF_STRBUF_INIT;
    prf_strbuf_clear(&f->text);
    prf_visible_add(&f->text, name, PRF_VISIBLE_LINE);
    prf_shorten_add(&shown, prf_strbuf_text(&f->text), room, "\u2026");
    fprintf(f->out, "<text x=\"3\" y=\"%.0f\"", height - 5);
    fputs(">", f->out);
    prf_xml_put(f->out, prf_strbuf_text(&shown));
    fputs("</text>", f->out);
    prf_strbuf_release(&shown);
}

/* ---- boxes ---- */

static void
flame_put_box(struct flame *f, uint32_t node)
{
    const struct prf_amount *a = &f->tree->amounts[node];
    const char *name =
        node == 0 ? "all" : f->diff->functions[f->tree->item[node]].qualname;
    const struct prf_flame_box *box = &f->layout.boxes[node];
    double x = FLAME_MARGIN + box->x * FLAME_SPAN;
    double y = FLAME_HEAD + (double)(f->layout.n_rows - 1 - box->row) * FLAME_ROW;
    double width = f->all[PRF_DIFF_NEXT][0] > 0 ? box->width * FLAME_SPAN : 0;
    double height = FLAME_ROW - 1;
    struct prf_color color = prf_diff_color(flame_change(f, node), f->largest);
    bool fresh = node != 0 && f->all[PRF_DIFF_BASE][node] <= 0;
    fprintf(f->out, "<svg x=\"%.2f\" y=\"%.0f\" width=\"%.2f\" height=\"%.0f\"%s>", x,
            y, width, height, prf_color_is_dark(color) ? " class=\"d\"" : "");
    if (node != 0) {
        flame_put_tooltip(f, node);
    }
    fprintf(f->out, "<rect%s width=\"%.2f\" height=\"%.0f\" fill=\"#%02x%02x%02x\"/>",
            fresh && !a->on[PRF_DIFF_BASE] ? " class=\"n\"" : "", width, height,
            color.red, color.green, color.blue);
    if (width >= 4 * FLAME_CHARACTER) {
        flame_put_name(f, name, width, height);
    }
    fputs("</svg>\n", f->out);
}

/* ---- what is not there any more ---- */

/* The lowest box of a branch that is gone. */
static bool
flame_is_gone(const struct flame *f, uint32_t node)
{
    uint32_t parent = f->tree->parent[node];
    return f->all[PRF_DIFF_NEXT][node] <= 0 && f->all[PRF_DIFF_BASE][node] > 0 &&
           (parent == 0 || f->all[PRF_DIFF_NEXT][parent] > 0);
}

struct flame_gone {
    double amount;
    uint32_t node;
};

static int
flame_by_amount(const void *left, const void *right)
{
    const struct flame_gone *a = left, *b = right;
    return a->amount != b->amount ? (a->amount > b->amount ? -1 : 1)
                                  : (a->node > b->node) - (a->node < b->node);
}

/* Largest first; the caller's (free). NULL: no memory. */
static struct flame_gone *
flame_find_gone(const struct flame *f, size_t *n)
{
    struct flame_gone *gone = calloc(f->tree->n, sizeof *gone);
    *n = 0;
    for (uint32_t i = 1; gone != NULL && i < f->tree->n; i++) {
        if (flame_is_gone(f, i)) {
            gone[(*n)++] = (struct flame_gone){f->all[PRF_DIFF_BASE][i], i};
        }
    }
    if (gone != NULL) {
        qsort(gone, *n, sizeof *gone, flame_by_amount);
    }
    return gone;
}

static void
flame_put_line(struct flame *f, double y, const char *class, const char *text)
{
    fprintf(f->out, "<text class=\"%s\" x=\"%d\" y=\"%.0f\">", class, FLAME_MARGIN, y);
    prf_xml_put(f->out, text);
    fputs("</text>\n", f->out);
}

/* "24.1 ms  parse, called by main": nearest callers first, as many as fit. */
static void
flame_put_gone_line(struct flame *f, uint32_t node, double y)
{
    char amount[PRF_UNIT_TEXT];
    struct prf_strbuf shown = PRF_STRBUF_INIT;
    prf_strbuf_clear(&f->text);
    prf_strbuf_addf(&f->text, "%s  ",
                    flame_amount(f, f->all[PRF_DIFF_BASE][node], amount));
    prf_visible_add(&f->text, f->diff->functions[f->tree->item[node]].qualname,
                    PRF_VISIBLE_LINE);
    for (uint32_t i = f->tree->parent[node]; i != 0 && f->text.len < 400;
         i = f->tree->parent[i]) {
        prf_strbuf_adds(&f->text, " \u2190 ");
        prf_visible_add(&f->text, f->diff->functions[f->tree->item[i]].qualname,
                        PRF_VISIBLE_LINE);
    }
    prf_shorten_add(&shown, prf_strbuf_text(&f->text),
                    (size_t)(FLAME_SPAN / FLAME_CHARACTER), "\u2026");
    flame_put_line(f, y, "g", prf_strbuf_text(&shown));
    prf_strbuf_release(&shown);
}

static void
flame_put_gone(struct flame *f, const struct flame_gone *gone, size_t n, double y)
{
    char more[64];
    if (n > 0) {
        flame_put_line(f, y, "h", "only in base:");
    }
    for (size_t i = 0; i < n && i < FLAME_GONE_MAX; i++) {
        y += FLAME_ROW;
        flame_put_gone_line(f, gone[i].node, y);
    }
    if (n > FLAME_GONE_MAX) {
        snprintf(more, sizeof more, "and %zu more", n - FLAME_GONE_MAX);
        flame_put_line(f, y + FLAME_ROW, "g", more);
    }
}

/* ---- the page ---- */

/* Amounts under the colours they have. */
static void
flame_put_ticks(struct flame *f, double x, double y)
{
    static const double parts[] = {-1, -PRF_DIFF_HALFWAY, 0, PRF_DIFF_HALFWAY, 1};
    char amount[PRF_UNIT_TEXT];
    size_t n = sizeof parts / sizeof *parts;
    for (size_t i = 0; i < n; i++) {
        double at = x + (double)i / (double)(n - 1) * FLAME_BAR_CELLS * FLAME_BAR_CELL;
        fprintf(f->out,
                "<text class=\"s\" font-size=\"10\" text-anchor=\"middle\" "
                "x=\"%.1f\" y=\"%.0f\">%s%s</text>\n",
                at, y,
                parts[i] < 0   ? "\u2212"
                : parts[i] > 0 ? "+"
                               : "\u00b1",
                flame_amount(f, fabs(parts[i]) * f->largest, amount));
    }
}

static void
flame_put_legend(struct flame *f)
{
    double y = 66;
    char more[64] = "";
    double x = FLAME_SPAN + FLAME_MARGIN - FLAME_BAR_CELLS * FLAME_BAR_CELL - 40;
    for (int i = 0; i < FLAME_BAR_CELLS; i++) {
        double part = 2.0 * i / (FLAME_BAR_CELLS - 1) - 1;
        struct prf_color c = prf_diff_color(part * fabs(part), 1);
        fprintf(f->out,
                "<rect class=\"b\" x=\"%.0f\" y=\"%.0f\" width=\"%d\" "
                "height=\"14\" fill=\"#%02x%02x%02x\"/>\n",
                x + i * FLAME_BAR_CELL, y, FLAME_BAR_CELL, c.red, c.green, c.blue);
    }
    flame_put_ticks(f, x, y + 28);
    size_t n_left = f->layout.n_left;
    if (n_left > 0) {
        snprintf(more, sizeof more, " %zu %s too narrow to be shown.", n_left,
                 n_left == 1 ? "box is" : "boxes are");
    }
    fprintf(f->out,
            "<text class=\"s\" x=\"%d\" y=\"%.0f\">Colour: change of the function's "
            "own cost on this path, blue less, red more; dashed: new there.</text>\n"
            "<text class=\"s\" x=\"%d\" y=\"%.0f\">Width: the function with what it "
            "calls, on the new side.%s</text>\n",
            FLAME_MARGIN, y + 11, FLAME_MARGIN, y + 28, more);
}

static void
flame_put_head(struct flame *f, double height)
{
    const struct prf_diff_request *r = f->diff->request;
    struct prf_strbuf title = PRF_STRBUF_INIT;
    fprintf(f->out,
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%.0f\" "
            "viewBox=\"0 0 %d %.0f\" role=\"img\" "
            "font-family=\"system-ui, 'DejaVu Sans', sans-serif\" font-size=\"12\">\n"
            "<style>text{fill:#1f2328}.d text{fill:#ffffff}.h{font-weight:600}"
            ".s{fill:#57606a}rect{stroke:#8c959f;stroke-width:0.5}.b{stroke:none}"
            ".n{stroke:#1f2328;stroke-width:1.5;stroke-dasharray:4 2}</style>\n"
            "<rect width=\"%d\" height=\"%.0f\" class=\"b\" fill=\"#ffffff\"/>"
            "\n",
            FLAME_WIDTH, height, FLAME_WIDTH, height, FLAME_WIDTH, height);
    prf_strbuf_clear(&f->text);
    prf_visible_add(&f->text, r->results[PRF_DIFF_NEXT]->case_id, PRF_VISIBLE_LINE);
    prf_shorten_add(&title, prf_strbuf_text(&f->text), 110, "\u2026");
    fprintf(f->out, "<text class=\"h\" font-size=\"16\" x=\"%d\" y=\"28\">",
            FLAME_MARGIN);
    prf_xml_put(f->out, prf_strbuf_text(&title));
    fputs("</text>\n", f->out);
    prf_strbuf_clear(&f->text);
    prf_strbuf_addf(&f->text, "%s \u2192 %s, %s of %s: ", r->names[PRF_DIFF_BASE],
                    r->names[PRF_DIFF_NEXT], f->tree->column,
                    r->results[PRF_DIFF_NEXT]->profiler);
    flame_add_change(f, f->all[PRF_DIFF_BASE][0], f->all[PRF_DIFF_NEXT][0]);
    prf_strbuf_clear(&title);
    prf_visible_add(&title, prf_strbuf_text(&f->text), PRF_VISIBLE_LINE);
    flame_put_line(f, 52, "s", prf_strbuf_text(&title));
    prf_strbuf_release(&title);
}

static int
flame_draw(struct flame *f)
{
    size_t n_gone;
    struct flame_gone *gone = flame_find_gone(f, &n_gone);
    if (gone == NULL) {
        return PRF_ENOMEM;
    }
    size_t lines = n_gone > FLAME_GONE_MAX ? FLAME_GONE_MAX + 1 : n_gone;
    double bottom = FLAME_HEAD + (double)f->layout.n_rows * FLAME_ROW;
    double height = bottom + FLAME_MARGIN;
    if (n_gone > 0) {
        height += (double)(lines + 1) * FLAME_ROW + FLAME_MARGIN;
    }
    flame_put_head(f, height);
    flame_put_legend(f);
    for (uint32_t i = 0; i < f->tree->n; i++) {
        if (f->layout.boxes[i].drawn) {
            flame_put_box(f, i);
        }
    }
    flame_put_gone(f, gone, n_gone, bottom + FLAME_ROW);
    fputs("</svg>\n", f->out);
    free(gone);
    return 0;
}

static int
flame_write(const struct prf_diff *diff, FILE *out, struct prf_error *err)
{
    struct flame f = {
        .diff = diff, .tree = &diff->tree, .out = out, .text = PRF_STRBUF_INIT};
    int rc = prf_diff_need_stacks(diff, err);
    if (rc < 0) {
        return rc;
    }
    f.all[0] = prf_diff_inclusive(f.tree, PRF_DIFF_BASE);
    f.all[1] = prf_diff_inclusive(f.tree, PRF_DIFF_NEXT);
    rc = f.all[0] && f.all[1] ? flame_lay_out(&f, err) : PRF_ENOMEM;
    if (rc == 0) {
        rc = flame_draw(&f);
    }
    rc = f.text.failed ? PRF_ENOMEM : rc;
    free(f.all[0]);
    free(f.all[1]);
    prf_flame_layout_release(&f.layout);
    prf_strbuf_release(&f.text);
    return rc;
}

static int
svg_write(const struct prf_diff *diff, FILE *out, struct prf_error *err)
{
    return diff->request->graph ? prf_diff_graph_svg(diff, out, err)
                                : flame_write(diff, out, err);
}

const struct prf_diff_format prf_diff_svg = {
    .name = "svg",
    .extension = ".svg",
    .summary = "a picture: differential flame graph; with --graph who calls whom",
    .write = svg_write,
};
