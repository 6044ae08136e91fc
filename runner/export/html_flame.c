/* A flame graph as inline SVG; see html.h. Positions are in per cent, so that it is as
   wide as the window. Each box is an svg of its own, which cuts off its text. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "formats.h"
#include "html.h"
#include "label.h"
#include "units.h"
#include "xml.h"

#define FLAME_ROW 20        /* pixels */
#define FLAME_LEAST 0.0005  /* of the whole: narrower boxes are not drawn */
#define FLAME_TEXT 0.018    /* of the whole: narrower boxes show no text */
#define FLAME_MAX 5000      /* boxes */
#define FLAME_DEPTH_MAX 400 /* levels: deeper ones no window shows */

struct flame_node {
    double all, own; /* amounts */
    double x, width; /* parts of the whole */
    uint32_t depth;
};

struct flame {
    FILE *out;
    const struct prf_profile *profile;
    const char *unit;
    int calls; /* column, or -1 */
    bool strip_dirs;
    struct flame_node *nodes;
    uint32_t *order; /* nodes by parent, widest first */
    uint32_t n_depths;
    size_t n_drawn, n_left;
    struct prf_strbuf text;
};

struct flame_child {
    double width;
    uint32_t parent, node;
};

static int
flame_compare(const void *left, const void *right)
{
    const struct flame_child *a = left, *b = right;
    if (a->parent != b->parent) {
        return a->parent < b->parent ? -1 : 1;
    }
    if (a->width != b->width) {
        return a->width > b->width ? -1 : 1;
    }
    return (a->node > b->node) - (a->node < b->node);
}

/* Parents come before their children. */
static void
flame_sum(struct flame *f)
{
    const struct prf_tree *t = &f->profile->tree;
    int own = prf_stack_column(t);
    for (size_t i = t->n; i-- > 0;) {
        int64_t amount = t->values[i * t->n_columns + (size_t)own];
        f->nodes[i].own = i > 0 && amount > 0 ? (double)amount : 0;
        f->nodes[i].all += f->nodes[i].own;
        if (i > 0) {
            f->nodes[t->parent[i]].all += f->nodes[i].all;
        }
    }
}

static int
flame_sort(struct flame *f)
{
    const struct prf_tree *t = &f->profile->tree;
    struct flame_child *children = calloc(t->n, sizeof *children);
    f->order = calloc(t->n, sizeof *f->order);
    for (uint32_t i = 1; children != NULL && f->order != NULL && i < t->n; i++) {
        children[i - 1] = (struct flame_child){f->nodes[i].all, t->parent[i], i};
    }
    if (children != NULL && f->order != NULL) {
        qsort(children, t->n - 1, sizeof *children, flame_compare);
        for (size_t i = 0; i + 1 < t->n; i++) {
            f->order[i] = children[i].node;
        }
    }
    int rc = children == NULL || f->order == NULL ? PRF_ENOMEM : 0;
    free(children);
    return rc;
}

static bool
flame_is_drawn(const struct flame *f, uint32_t node)
{
    const struct flame_node *n = &f->nodes[node];
    return n->width >= FLAME_LEAST && n->depth < FLAME_DEPTH_MAX;
}

static void
flame_place(struct flame *f)
{
    const struct prf_tree *t = &f->profile->tree;
    double whole = f->nodes[0].all, at = 0;
    f->nodes[0].width = 1;
    f->n_depths = 1;
    for (size_t i = 0; i + 1 < t->n; i++) {
        uint32_t node = f->order[i], parent = t->parent[node];
        if (i == 0 || parent != t->parent[f->order[i - 1]]) {
            at = f->nodes[parent].x;
        }
        f->nodes[node].x = at;
        f->nodes[node].width = whole > 0 ? f->nodes[node].all / whole : 0;
        f->nodes[node].depth = f->nodes[parent].depth + 1;
        at += f->nodes[node].width;
        if (flame_is_drawn(f, node) && f->nodes[node].depth >= f->n_depths) {
            f->n_depths = f->nodes[node].depth + 1;
        }
    }
}

/* A colour for each file, the same in every report. */
static unsigned
flame_hue(const char *file)
{
    uint32_t hash = 2166136261u; /* FNV-1a */
    for (; *file != '\0'; file++) {
        hash = (hash ^ (unsigned char)*file) * 16777619u;
    }
    return hash % 360;
}

static void
flame_put_title(struct flame *f, uint32_t node)
{
    char own[PRF_UNIT_TEXT], all[PRF_UNIT_TEXT];
    const struct flame_node *n = &f->nodes[node];
    const struct prf_tree *t = &f->profile->tree;
    const struct prf_function *code = prf_row_code(f->profile, t->code[node]);
    double whole = f->nodes[0].all;
    prf_strbuf_clear(&f->text);
    if (node == 0) {
        prf_strbuf_adds(&f->text, "all");
    } else {
        prf_label_add(&f->text, code, code->first_line, f->strip_dirs);
    }
    fputs("<title>", f->out);
    prf_xml_put(f->out, prf_strbuf_text(&f->text));
    fprintf(f->out, "\n%s (%.1f %%), own %s (%.1f %%)",
            prf_format_amount(n->all, f->unit, NULL, all, sizeof all),
            100 * n->all / whole,
            prf_format_amount(n->own, f->unit, NULL, own, sizeof own),
            100 * n->own / whole);
    if (f->calls >= 0 && node != 0) {
        fprintf(f->out, ", %" PRId64 " calls",
                t->values[(size_t)node * t->n_columns + (size_t)f->calls]);
    }
    fputs("</title>", f->out);
}

static void
flame_put_box(struct flame *f, uint32_t node)
{
    const struct flame_node *n = &f->nodes[node];
    const struct prf_function *code =
        prf_row_code(f->profile, f->profile->tree.code[node]);
    const char *name = node == 0 ? "all" : code->qualname;
    bool plain = node == 0 || code->file[0] == '\0';
    fprintf(f->out,
            "<svg class=\"f%s\" x=\"%.4f%%\" y=\"%u\" width=\"%.4f%%\" height=\"%d\" "
            "style=\"--h:%u\" data-x=\"%.8f\" data-w=\"%.8f\" data-d=\"%u\" "
            "tabindex=\"%d\" role=\"button\">",
            plain ? " c" : "", 100 * n->x, n->depth * FLAME_ROW, 100 * n->width,
            FLAME_ROW, flame_hue(plain ? "" : code->file), n->x, n->width, n->depth,
            node == 0 ? 0 : -1);
    flame_put_title(f, node);
    fprintf(f->out, "<rect width=\"100%%\" height=\"%d\" rx=\"2\"/>", FLAME_ROW - 1);
    fprintf(f->out, "<text x=\"4\" y=\"14\"%s>",
            n->width < FLAME_TEXT ? " style=\"display:none\"" : "");
    prf_xml_put(f->out, name[0] != '\0' ? name : "?");
    fputs("</text></svg>\n", f->out);
}

static void
flame_draw(struct flame *f)
{
    fputs("<div class=\"flame\"><div class=\"tools\" hidden>"
          "<input type=\"search\" placeholder=\"Search\" aria-label=\"Search in the "
          "flame graph\"><button type=\"button\">Whole</button>"
          "<span class=\"dim\">Click a box, or move with the arrow keys and press "
          "Enter, to zoom; Escape shows the whole.</span></div>\n",
          f->out);
    fprintf(f->out,
            "<svg width=\"100%%\" height=\"%u\" role=\"group\" aria-label=\"Flame "
            "graph\">\n",
            f->n_depths * FLAME_ROW);
    flame_put_box(f, 0);
    for (size_t i = 0; i + 1 < f->profile->tree.n; i++) {
        bool drawn = flame_is_drawn(f, f->order[i]) && f->n_drawn < FLAME_MAX;
        if (drawn) {
            flame_put_box(f, f->order[i]);
            f->n_drawn++;
        } else {
            f->n_left += f->nodes[f->order[i]].all > 0;
        }
    }
    fputs("</svg>\n", f->out);
    if (f->n_left > 0) {
        fprintf(f->out,
                "<p class=\"dim\">%zu box%s too narrow or too deep to be shown.</p>\n",
                f->n_left, f->n_left == 1 ? " is" : "es are");
    }
    fputs("</div>\n", f->out);
}

int
prf_html_flame(FILE *out, const struct prf_profile *profile, bool strip_dirs,
               struct prf_error *err)
{
    const struct prf_tree *t = &profile->tree;
    int column = prf_stack_column(t);
    struct flame f = {.out = out,
                      .profile = profile,
                      .strip_dirs = strip_dirs,
                      .text = PRF_STRBUF_INIT};
    f.nodes = calloc(t->n, sizeof *f.nodes);
    f.calls = prf_column_find(t->columns, t->n_columns, "calls");
    int rc = f.nodes == NULL ? PRF_ENOMEM : 0;
    if (rc == 0) {
        f.unit = t->columns[column].unit;
        flame_sum(&f);
        rc = flame_sort(&f);
    }
    if (rc == 0 && f.nodes[0].all > 0) {
        flame_place(&f);
        flame_draw(&f);
    }
    rc = rc < 0 || f.text.failed ? prf_fail(err, PRF_ENOMEM, "out of memory") : 0;
    prf_strbuf_release(&f.text);
    free(f.nodes);
    free(f.order);
    return rc;
}
