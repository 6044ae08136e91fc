/* Format "flamegraph": a flame graph, the root on top, as one SVG without a script:
   what a box cannot hold is its tooltip. It may stand alone or inside a page, light or
   dark. */
#include <stdlib.h>

#include "flame_layout.h"
#include "formats.h"
#include "label.h"
#include "xml.h"

#define FLAME_WIDTH 1000
#define FLAME_ROW 18       /* pixels */
#define FLAME_LEAST 0.0005 /* of the whole; narrower boxes are not drawn */
#define FLAME_ROWS_MAX 200
#define FLAME_CHARACTER 6.6 /* pixels, about */

struct flame_picture {
    struct prf_flame flame;
    FILE *out;
    bool strip_dirs;
    struct prf_strbuf text, shown;
};

/* The same for a name in every picture: warm, light enough for dark letters. */
static void
flame_put_color(struct flame_picture *p, uint32_t node)
{
    uint32_t hash = prf_flame_hash(prf_flame_name(&p->flame, node));
    if (node == 0) {
        fputs(" fill=\"#c9c9c9\"", p->out);
    } else {
        fprintf(p->out, " fill=\"hsl(%u %u%% %u%%)\"", hash % 50, 70 + hash / 50 % 25,
                62 + hash / 1250 % 12);
    }
}

static void
flame_put_box(struct flame_picture *p, uint32_t node)
{
    const struct prf_flame_box *box = &p->flame.layout.boxes[node];
    double x = FLAME_WIDTH * box->x, width = FLAME_WIDTH * box->width;
    double room = (width - 6) / FLAME_CHARACTER;
    unsigned y = box->row * FLAME_ROW;
    fputs("<g>", p->out);
    prf_flame_put_title(&p->flame, node, p->strip_dirs, &p->text, p->out);
    fprintf(p->out, "<rect x=\"%.2f\" y=\"%u\" width=\"%.2f\" height=\"%d\" rx=\"1.5\"",
            x, y, width, FLAME_ROW - 1);
    flame_put_color(p, node);
    fputs("/>", p->out);
    if (room >= 2) {
        prf_strbuf_clear(&p->text);
        prf_strbuf_clear(&p->shown);
        prf_visible_add(&p->text, prf_flame_name(&p->flame, node), PRF_VISIBLE_LINE);
        prf_shorten_add(&p->shown, prf_strbuf_text(&p->text), (size_t)room, "\u2026");
        fprintf(p->out, "<text x=\"%.2f\" y=\"%.1f\">", x + 3, y + 12.5);
        prf_xml_put(p->out, prf_strbuf_text(&p->shown));
        fputs("</text>", p->out);
    }
    fputs("</g>\n", p->out);
}

static void
flame_put(struct flame_picture *p, const char *profiler)
{
    const struct prf_flame_layout *l = &p->flame.layout;
    fputs("<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"pf\" role=\"img\" "
          "aria-label=\"flame graph of ",
          p->out);
    prf_xml_put(p->out, profiler);
    fprintf(
        p->out,
        "\" viewBox=\"0 0 %d %u\" width=\"%d\" "
        "style=\"max-width:100%%;height:auto\">\n"
        "<style>.pf rect{stroke:#fff;stroke-width:.4}"
        ".pf text{font:11px ui-monospace,monospace;fill:#1b1b1b;"
        "pointer-events:none}.pf g:hover rect{stroke:#000;stroke-width:1}</style>\n",
        FLAME_WIDTH, l->n_rows * FLAME_ROW, FLAME_WIDTH);
    flame_put_box(p, 0);
    for (size_t i = 0; i + 1 < l->n; i++) {
        if (l->boxes[l->order[i]].drawn) {
            flame_put_box(p, l->order[i]);
        }
    }
    fputs("</svg>\n", p->out);
}

static int
flame_write(const struct prf_run *run, const struct prf_result *const *results,
            size_t n, const struct prf_export_options *options, FILE *out,
            struct prf_error *err)
{
    (void)run;
    (void)n;
    struct flame_picture p = {.out = out,
                              .strip_dirs = options->strip_dirs,
                              .text = PRF_STRBUF_INIT,
                              .shown = PRF_STRBUF_INIT};
    int rc =
        prf_flame_init(&p.flame, results[0]->profile, FLAME_LEAST, FLAME_ROWS_MAX, err);
    if (rc == 0) {
        flame_put(&p, results[0]->profiler);
    }
    if (rc == 0 && (p.text.failed || p.shown.failed)) {
        rc = prf_fail(err, PRF_ENOMEM, "out of memory for a flame graph");
    }
    prf_strbuf_release(&p.text);
    prf_strbuf_release(&p.shown);
    prf_flame_release(&p.flame);
    return rc;
}

const struct prf_exporter prf_exporter_flamegraph = {
    .name = "flamegraph",
    .extension = ".flame.svg",
    .summary = "a picture: a flame graph with tooltips",
    .needs = PRF_MODEL_STACKS,
    .write = flame_write,
    .single = true,
};
