/* A flame graph as inline SVG; see html.h. Positions are in per cent, so that it is as
   wide as the window. Each box is an svg of its own, which cuts off its text. */
#include "flame_layout.h"
#include "html.h"
#include "label.h"
#include "xml.h"

#define FLAME_ROW 20       /* pixels */
#define FLAME_LEAST 0.0005 /* of the whole: narrower boxes are not drawn */
#define FLAME_TEXT 0.018   /* of the whole: narrower boxes show no text */
#define FLAME_MAX 5000     /* boxes */
#define FLAME_ROWS_MAX 400 /* what is deeper no window shows */

struct flame {
    FILE *out;
    struct prf_flame graph;
    bool strip_dirs;
    struct prf_strbuf text;
};

/* A colour for each file, the same in every report. */
static void
flame_put_box(struct flame *f, uint32_t node)
{
    const struct prf_flame_box *box = &f->graph.layout.boxes[node];
    const struct prf_profile *profile = f->graph.profile;
    const char *file =
        node == 0 ? "" : prf_row_code(profile, profile->tree.code[node])->file;
    fprintf(f->out,
            "<svg class=\"f%s\" x=\"%.4f%%\" y=\"%u\" width=\"%.4f%%\" height=\"%d\" "
            "style=\"--h:%u\" data-x=\"%.8f\" data-w=\"%.8f\" data-d=\"%u\" "
            "tabindex=\"%d\" role=\"button\">",
            file[0] == '\0' ? " c" : "", 100 * box->x, box->row * FLAME_ROW,
            100 * box->width, FLAME_ROW, prf_flame_hash(file) % 360, box->x, box->width,
            box->row, node == 0 ? 0 : -1);
    prf_flame_put_title(&f->graph, node, f->strip_dirs, &f->text, f->out);
    fprintf(f->out, "<rect width=\"100%%\" height=\"%d\" rx=\"2\"/>", FLAME_ROW - 1);
    fprintf(f->out, "<text x=\"4\" y=\"14\"%s>",
            box->width < FLAME_TEXT ? " style=\"display:none\"" : "");
    prf_xml_put(f->out, prf_flame_name(&f->graph, node));
    fputs("</text></svg>\n", f->out);
}

static void
flame_draw(struct flame *f)
{
    const struct prf_flame_layout *l = &f->graph.layout;
    size_t n_drawn = 0, n_left = l->n_left;
    fputs("<div class=\"flame\"><div class=\"tools\" hidden>"
          "<input type=\"search\" placeholder=\"Search\" aria-label=\"Search in the "
          "flame graph\"><button type=\"button\">Whole</button>"
          "<span class=\"dim\">Click a box, or move with the arrow keys and press "
          "Enter, to zoom; Escape shows the whole.</span></div>\n",
          f->out);
    fprintf(f->out,
            "<svg width=\"100%%\" height=\"%u\" role=\"group\" aria-label=\"Flame "
            "graph\">\n",
            l->n_rows * FLAME_ROW);
    flame_put_box(f, 0);
    for (size_t i = 0; i + 1 < l->n; i++) {
        bool drawn = l->boxes[l->order[i]].drawn;
        if (drawn && n_drawn < FLAME_MAX) {
            flame_put_box(f, l->order[i]);
            n_drawn++;
        } else {
            n_left += drawn;
        }
    }
    fputs("</svg>\n", f->out);
    if (n_left > 0) {
        fprintf(f->out,
                "<p class=\"dim\">%zu box%s too narrow or too deep to be shown.</p>\n",
                n_left, n_left == 1 ? " is" : "es are");
    }
    fputs("</div>\n", f->out);
}

int
prf_html_flame(FILE *out, const struct prf_profile *profile, bool strip_dirs,
               struct prf_error *err)
{
    struct flame f = {.out = out, .strip_dirs = strip_dirs, .text = PRF_STRBUF_INIT};
    int rc = prf_flame_init(&f.graph, profile, FLAME_LEAST, FLAME_ROWS_MAX, err);
    if (rc == 0 && f.graph.all[0] > 0) {
        flame_draw(&f);
    }
    if (rc == 0 && f.text.failed) {
        rc = prf_fail(err, PRF_ENOMEM, "out of memory");
    }
    prf_strbuf_release(&f.text);
    prf_flame_release(&f.graph);
    return rc;
}
