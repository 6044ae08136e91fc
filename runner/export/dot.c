/* Format "dot": the graph as a program for Graphviz. Everything that came from a
   program goes through prf_dot_put or prf_dot_put_html: names may hold quotes, angle
   brackets, entities and escapes. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "colormap.h"
#include "dot_text.h"
#include "formats.h"
#include "graph_model.h"
#include "units.h"

/* From so many boxes on a good layout takes too long: 1,400 boxes and 2,400 arrows more
   than 100 s, with the limits below 4 s. */
#define DOT_MANY_NODES 400
#define DOT_BAR_CELLS 21 /* colours of the legend, every 5 % */

struct dot {
    const struct prf_graph *graph;
    const struct prf_colormap *colors;
    struct prf_strbuf *out;
    struct prf_strbuf text; /* scratch */
};

static void
dot_put_time(struct dot *dot, int64_t ns)
{
    char text[PRF_UNIT_TEXT];
    prf_strbuf_adds(dot->out, prf_format_time((double)ns, dot->graph->options.units,
                                              text, sizeof text));
}

static void
dot_put_share(struct dot *dot, int64_t ns)
{
    prf_strbuf_addf(dot->out, " (%.1f %%)", 100.0 * prf_graph_share(dot->graph, ns));
}

static void
dot_put_color(struct dot *dot, struct prf_color c)
{
    prf_strbuf_addf(dot->out, "\"#%02x%02x%02x\"", c.red, c.green, c.blue);
}

static const char *
dot_text_color(const struct dot *dot, double share, struct prf_color color)
{
    const char *how = dot->graph->options.comparator;
    bool white = strcmp(how, "greater") == 0 ? share > 0.5
                 : strcmp(how, "lower") == 0 ? share < 0.5
                                             : prf_color_is_dark(color);
    return white ? "white" : "black";
}

static void
dot_put_node(struct dot *dot, size_t i)
{
    const struct prf_graph_node *n = &dot->graph->nodes[i];
    bool by_own = strcmp(dot->graph->options.color_by, "own") == 0;
    double share = prf_graph_share(dot->graph, by_own ? n->own_ns : n->cumulative_ns);
    struct prf_color color = prf_colormap_at(dot->colors, share);
    prf_strbuf_addf(dot->out, "    n%zu [label=\"", i);
    prf_dot_put(dot->out, n->name);
    prf_strbuf_addf(dot->out, "\\n%" PRId64, n->calls);
    if (n->primitive != n->calls) {
        prf_strbuf_addf(dot->out, "/%" PRId64, n->primitive);
    }
    prf_strbuf_addf(dot->out, " %s%s\\ntotal ", dot->graph->counted,
                    n->calls == 1 ? "" : "s");
    dot_put_time(dot, n->cumulative_ns);
    dot_put_share(dot, n->cumulative_ns);
    prf_strbuf_adds(dot->out, "\\nown ");
    dot_put_time(dot, n->own_ns);
    dot_put_share(dot, n->own_ns);
    prf_strbuf_adds(dot->out, "\", fillcolor=");
    dot_put_color(dot, color);
    prf_strbuf_addf(dot->out, ", fontcolor=%s, tooltip=\"",
                    dot_text_color(dot, share, color));
    prf_dot_put(dot->out, prf_dot_line(&dot->text, n->code->qualname));
    if (n->code->file[0] != '\0') {
        prf_strbuf_adds(dot->out, " (");
        prf_dot_put(dot->out, prf_dot_line(&dot->text, n->code->file));
        prf_strbuf_addf(dot->out, ":%" PRIu32 ")", n->code->first_line);
    }
    prf_strbuf_adds(dot->out, "\"];\n");
}

/* Nodes are in the order of their groups. */
static void
dot_put_groups(struct dot *dot)
{
    const struct prf_graph *g = dot->graph;
    for (size_t group = 0, i = 0; group < g->n_groups; group++) {
        prf_strbuf_addf(dot->out, "  subgraph cluster_%zu {\n    label=\"", group);
        prf_dot_put(dot->out, g->groups[group]);
        prf_strbuf_adds(dot->out, "\";\n");
        for (; i < g->n_nodes && g->nodes[i].group == group; i++) {
            dot_put_node(dot, i);
        }
        prf_strbuf_adds(dot->out, "  }\n");
    }
}

/* Lines on white: the light end of a map would not be seen. */
static struct prf_color
dot_line_color(struct prf_color c)
{
    while (!prf_color_is_dark(c)) {
        c.red = (unsigned char)(c.red * 0.9);
        c.green = (unsigned char)(c.green * 0.9);
        c.blue = (unsigned char)(c.blue * 0.9);
    }
    return c;
}

static void
dot_put_edge(struct dot *dot, const struct prf_graph_edge *e)
{
    double share = prf_graph_share(dot->graph, e->cumulative_ns);
    prf_strbuf_addf(dot->out,
                    "  n%" PRIu32 " -> n%" PRIu32 " [label=\"%" PRId64 " ×\\n", e->from,
                    e->to, e->calls);
    dot_put_time(dot, e->cumulative_ns);
    prf_strbuf_addf(dot->out, "\", penwidth=%.2f, arrowsize=%.2f, color=",
                    0.6 + 3.4 * sqrt(share), 0.5 + 0.4 * sqrt(share));
    dot_put_color(dot, dot_line_color(prf_colormap_at(dot->colors, share)));
    prf_strbuf_adds(dot->out, ", tooltip=\"");
    prf_dot_put(dot->out, dot->graph->nodes[e->from].name);
    prf_strbuf_adds(dot->out, " calls ");
    prf_dot_put(dot->out, dot->graph->nodes[e->to].name);
    prf_strbuf_adds(dot->out, "\"];\n");
}

static void
dot_open_line(struct dot *dot)
{
    prf_strbuf_adds(dot->out, "<TR><TD ALIGN=\"LEFT\">");
}

static void
dot_close_line(struct dot *dot)
{
    prf_strbuf_adds(dot->out, "</TD></TR>\n");
}

static void
dot_put_line(struct dot *dot, const char *text)
{
    dot_open_line(dot);
    prf_dot_put_html(dot->out, prf_dot_line(&dot->text, text));
    dot_close_line(dot);
}

static void
dot_put_bar(struct dot *dot)
{
    bool by_own = strcmp(dot->graph->options.color_by, "own") == 0;
    dot_open_line(dot);
    prf_strbuf_addf(
        dot->out,
        "<TABLE BORDER=\"0\" CELLBORDER=\"0\" CELLSPACING=\"0\" "
        "CELLPADDING=\"2\"><TR><TD>colour: %s, share of the total&#160; 0 %%"
        "</TD>",
        by_own ? "own time" : "time with what it calls");
    for (int i = 0; i < DOT_BAR_CELLS; i++) {
        prf_strbuf_adds(dot->out, "<TD WIDTH=\"9\" BGCOLOR=");
        dot_put_color(dot,
                      prf_colormap_at(dot->colors, (double)i / (DOT_BAR_CELLS - 1)));
        prf_strbuf_adds(dot->out, "></TD>");
    }
    prf_strbuf_adds(dot->out, "<TD>100 %</TD></TR></TABLE>");
    dot_close_line(dot);
}

static bool
dot_is_sampled(const struct prf_graph *graph)
{
    return strcmp(graph->counted, "sample") == 0;
}

static void
dot_put_total(struct dot *dot)
{
    const struct prf_graph *g = dot->graph;
    dot_open_line(dot);
    prf_dot_put_html(dot->out, prf_dot_line(&dot->text, g->result->profiler));
    prf_strbuf_adds(dot->out, ": ");
    dot_put_time(dot, g->total_ns);
    prf_strbuf_adds(dot->out, " in all threads, ");
    if (!dot_is_sampled(g)) { /* a sample is seen in many functions */
        prf_strbuf_addf(dot->out, "%" PRId64 " call%s of ", g->total_calls,
                        g->total_calls == 1 ? "" : "s");
    }
    prf_strbuf_addf(dot->out, "%zu function%s", g->n_functions,
                    g->n_functions == 1 ? "" : "s");
    dot_close_line(dot);
}

/* What the picture leaves out. */
static void
dot_put_left_out(struct dot *dot)
{
    const struct prf_graph *g = dot->graph;
    char text[128];
    if (g->n_below_min > 0) {
        snprintf(text, sizeof text, "%zu function%s below %g %% not shown",
                 g->n_below_min, g->n_below_min == 1 ? "" : "s",
                 g->options.min_percent);
        dot_put_line(dot, text);
    }
    if (g->n_below_top > 0) {
        snprintf(text, sizeof text,
                 "%zu function%s not shown: the %" PRIu64 " with the most time are",
                 g->n_below_top, g->n_below_top == 1 ? "" : "s", g->options.top_k);
        dot_put_line(dot, text);
    }
    if (g->n_thin > 0) {
        snprintf(text, sizeof text, "%zu arrow%s below %g %% not shown", g->n_thin,
                 g->n_thin == 1 ? "" : "s", g->options.min_percent);
        dot_put_line(dot, text);
    }
}

static void
dot_put_legend(struct dot *dot)
{
    const struct prf_profile *p = dot->graph->result->profile;
    char lost[64];
    prf_strbuf_addf(dot->out,
                    "  label=<<FONT POINT-SIZE=\"%" PRIu64 "\"><TABLE BORDER=\"0\" "
                    "CELLSPACING=\"0\" CELLPADDING=\"1\">\n<TR><TD ALIGN=\"LEFT\"><B>",
                    dot->graph->options.font_size + 1);
    prf_dot_put_html(dot->out, prf_dot_line(&dot->text, dot->graph->result->case_id));
    prf_strbuf_adds(dot->out, "</B></TD></TR>\n");
    dot_put_total(dot);
    dot_put_bar(dot);
    bool sampled = dot_is_sampled(dot->graph);
    dot_put_line(dot, sampled ? "box: samples; total: time with what it calls; own: "
                                "without"
                              : "box: calls (/ those not under itself); total: time "
                                "with what it calls; own: without");
    dot_put_line(dot, sampled
                          ? "arrow: samples below that call, and their time"
                          : "arrow: calls from there, and their time with what they "
                            "call");
    dot_put_left_out(dot);
    for (size_t i = 0; i < p->n_notes; i++) {
        dot_put_line(dot, p->notes[i]);
    }
    if (p->n_lost > 0) {
        snprintf(lost, sizeof lost,
                 "%" PRIu64 " event%s lost: the picture is incomplete", p->n_lost,
                 p->n_lost == 1 ? "" : "s");
        dot_put_line(dot, lost);
    }
    prf_strbuf_adds(dot->out, "</TABLE></FONT>>;\n");
}

void
prf_dot_put_head(const struct prf_graph *graph, struct prf_strbuf *out)
{
    const struct prf_graph_options *o = &graph->options;
    struct dot whole = {.graph = graph, .out = out, .text = PRF_STRBUF_INIT};
    struct dot *dot = &whole;
    prf_strbuf_adds(dot->out, "digraph calls {\n  charset=\"UTF-8\"; bgcolor=white; "
                              "labelloc=t; labeljust=l; style=rounded; color=gray60;\n"
                              "  fontname=\"");
    prf_dot_put(dot->out, prf_dot_line(&dot->text, o->font));
    prf_strbuf_addf(dot->out, "\"; fontsize=%" PRIu64 ";\n", o->group_font_size);
    if (dot->graph->n_nodes > DOT_MANY_NODES) {
        prf_strbuf_adds(dot->out, "  nslimit=1; nslimit1=1; mclimit=0.3;\n");
    }
    prf_strbuf_adds(dot->out,
                    "  node [shape=box, style=filled, penwidth=0.5, color=gray50, "
                    "margin=\"0.08,0.04\", height=0, fontname=\"");
    prf_dot_put(dot->out, prf_dot_line(&dot->text, o->font));
    prf_strbuf_addf(dot->out, "\", fontsize=%" PRIu64 "];\n", o->font_size);
    prf_strbuf_adds(dot->out, "  edge [fontcolor=gray25, fontname=\"");
    prf_dot_put(dot->out, prf_dot_line(&dot->text, o->font));
    prf_strbuf_addf(dot->out, "\", fontsize=%" PRIu64 "];\n", o->font_size);
    out->failed = out->failed || dot->text.failed;
    prf_strbuf_release(&dot->text);
}

int
prf_graph_dot(const struct prf_graph *graph, struct prf_strbuf *out,
              struct prf_error *err)
{
    struct dot dot = {.graph = graph,
                      .colors = prf_colormap_find(graph->options.colormap),
                      .out = out,
                      .text = PRF_STRBUF_INIT};
    prf_dot_put_head(graph, out);
    dot_put_groups(&dot);
    for (size_t i = 0; i < graph->n_edges; i++) {
        dot_put_edge(&dot, &graph->edges[i]);
    }
    dot_put_legend(&dot);
    prf_strbuf_adds(out, "}\n");
    bool failed = out->failed || dot.text.failed;
    prf_strbuf_release(&dot.text);
    return failed ? prf_fail(err, PRF_ENOMEM, "out of memory") : 0;
}

static int
dot_write(const struct prf_run *run, const struct prf_result *const *results, size_t n,
          const struct prf_export_options *options, FILE *out, struct prf_error *err)
{
    struct prf_graph graph;
    struct prf_strbuf text = PRF_STRBUF_INIT;
    (void)n;
    int rc = prf_graph_build(&graph, run, results[0], options, err);
    if (rc == 0) {
        rc = prf_graph_dot(&graph, &text, err);
    }
    if (rc == 0) {
        fwrite(prf_strbuf_text(&text), 1, text.len, out);
    }
    prf_strbuf_release(&text);
    prf_graph_release(&graph);
    return rc;
}

const struct prf_exporter prf_exporter_dot = {
    .name = "dot",
    .extension = ".dot",
    .summary = "who calls whom, for Graphviz",
    .needs = PRF_MODEL_SITES | PRF_MODEL_EDGES,
    .columns = prf_call_columns,
    .write = dot_write,
    .single = true,
};
