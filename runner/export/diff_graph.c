/* Format "dot-diff", and "svg" with --graph: who calls whom on both sides of a
   comparison. The graph of a profile that has the larger amounts of both sides decides
   what is shown and how it is grouped; labels and colours are of the difference. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "colormap.h"
#include "diff.h"
#include "dot_text.h"
#include "formats.h"
#include "units.h"

#define GRAPH_BAR_CELLS 21

/* As prf_call_columns are. */
enum { GRAPH_CALLS, GRAPH_PRIMITIVE, GRAPH_OWN, GRAPH_CUMULATIVE, GRAPH_COLUMNS };

struct graph_amounts {
    struct prf_amount *items; /* by key */
    size_t n;
};

struct graph_diff {
    const struct prf_diff *diff;
    struct prf_arena *arena;
    struct prf_profile both; /* its arena stays empty: all is diff's */
    struct prf_result result;
    struct prf_graph graph;
    struct graph_amounts own, cumulative, edges;
    struct prf_strbuf *out;
    struct prf_strbuf text; /* scratch */
    double largest[2]; /* absolute change of own cost in boxes, of costs of arrows */
};

enum graph_table { GRAPH_SITES, GRAPH_EDGES };

static const struct prf_table *
graph_table_of(const struct prf_profile *p, enum graph_table table)
{
    return table == GRAPH_SITES ? &p->sites : &p->edges;
}

/* ---- amounts ---- */

static int
graph_check(const struct graph_diff *g, struct prf_error *err)
{
    const struct prf_diff_request *r = g->diff->request;
    struct prf_call_index at;
    for (int side = 0; side < PRF_DIFF_SIDES; side++) {
        for (size_t i = 0; i < r->sides[side].n; i++) {
            const struct prf_profile *p = r->sides[side].profiles[i];
            if (!prf_call_index(&p->sites, &at) || !prf_call_index(&p->edges, &at)) {
                return prf_fail(err, PRF_EUNAVAILABLE,
                                "the results of '%s' have no calls to draw a graph of; "
                                "measure with profiler call or callgraph",
                                r->results[side]->profiler);
            }
        }
    }
    return 0;
}

static size_t
graph_rows(const struct graph_diff *g, enum graph_table table, bool own,
           struct prf_amount_row *rows)
{
    const struct prf_diff_request *r = g->diff->request;
    size_t n = 0;
    for (uint32_t side = 0; side < PRF_DIFF_SIDES; side++) {
        for (uint32_t i = 0; i < r->sides[side].n; i++) {
            const struct prf_profile *p = r->sides[side].profiles[i];
            const struct prf_table *t = graph_table_of(p, table);
            const uint32_t *of = g->diff->match.of[side][i];
            struct prf_call_index at;
            prf_call_index(t, &at);
            for (size_t k = 0; k < t->n; k++) {
                const int64_t *row = t->values + k * t->n_columns;
                struct prf_key key = t->keys[k];
                bool known = key.code < p->n_codes &&
                             (table == GRAPH_SITES || key.other < p->n_codes);
                if (known) {
                    rows[n++] = (struct prf_amount_row){
                        .a = of[key.code],
                        .b = table == GRAPH_EDGES ? of[key.other] : 0,
                        .side = side,
                        .result = i,
                        .cost = (double)row[own ? at.own : at.cumulative],
                        .calls = (double)row[at.calls]};
                }
            }
        }
    }
    return n;
}

static int
graph_fold(struct graph_diff *g, enum graph_table table, bool own,
           struct graph_amounts *out)
{
    const struct prf_diff_request *r = g->diff->request;
    const size_t n_results[PRF_DIFF_SIDES] = {r->sides[0].n, r->sides[1].n};
    size_t room = 1;
    for (int side = 0; side < PRF_DIFF_SIDES; side++) {
        for (size_t i = 0; i < r->sides[side].n; i++) {
            room += graph_table_of(r->sides[side].profiles[i], table)->n;
        }
    }
    struct prf_amount_row *rows = calloc(room, sizeof *rows);
    if (rows == NULL) {
        return PRF_ENOMEM;
    }
    size_t n = graph_rows(g, table, own, rows);
    int rc = prf_amounts_fold(rows, n, n_results, g->arena, &out->items, &out->n);
    free(rows);
    return rc;
}

/* ---- the profile of both ---- */

static int64_t
graph_larger(const double values[PRF_DIFF_SIDES])
{
    return (int64_t)fmax(values[0], values[1]);
}

static int
graph_reserve(struct graph_diff *g, struct prf_table *table, size_t n)
{
    static struct prf_column columns[GRAPH_COLUMNS] = {
        [GRAPH_CALLS] = {"calls", "count", PRF_BETTER_LESS},
        [GRAPH_PRIMITIVE] = {"primitive_calls", "count", PRF_BETTER_LESS},
        [GRAPH_OWN] = {"own_ns", "ns", PRF_BETTER_LESS},
        [GRAPH_CUMULATIVE] = {"cumulative_ns", "ns", PRF_BETTER_LESS},
    };
    *table = (struct prf_table){.columns = columns, .n_columns = GRAPH_COLUMNS, .n = n};
    table->keys = prf_arena_alloc(g->arena, (n + 1) * sizeof *table->keys);
    table->values =
        prf_arena_alloc(g->arena, (n + 1) * GRAPH_COLUMNS * sizeof *table->values);
    return table->keys == NULL || table->values == NULL ? PRF_ENOMEM : 0;
}

static void
graph_row(struct prf_table *table, size_t i, const struct prf_amount *cumulative,
          const struct prf_amount *own)
{
    int64_t *row = table->values + i * GRAPH_COLUMNS;
    table->keys[i] = (struct prf_key){cumulative->a, cumulative->b};
    row[GRAPH_CALLS] = row[GRAPH_PRIMITIVE] = graph_larger(cumulative->calls);
    row[GRAPH_CUMULATIVE] = graph_larger(cumulative->cost);
    row[GRAPH_OWN] = own != NULL ? graph_larger(own->cost) : 0;
}

/* Names of modules are looked for where the files are. */
static int
graph_codes(struct graph_diff *g)
{
    const struct prf_match *match = &g->diff->match;
    g->both.codes = prf_arena_alloc(g->arena, match->n * sizeof *g->both.codes);
    g->both.n_codes = match->n;
    for (size_t i = 0; g->both.codes != NULL && i < match->n; i++) {
        g->both.codes[i] = g->diff->functions[i];
        g->both.codes[i].file = i == 0 ? "" : match->items[i].path;
    }
    return g->both.codes == NULL ? PRF_ENOMEM : 0;
}

static int
graph_merge(struct graph_diff *g)
{
    int rc = graph_fold(g, GRAPH_SITES, true, &g->own);
    if (rc == 0) {
        rc = graph_fold(g, GRAPH_SITES, false, &g->cumulative);
    }
    if (rc == 0) {
        rc = graph_fold(g, GRAPH_EDGES, false, &g->edges);
    }
    if (rc == 0) {
        rc = graph_codes(g);
    }
    if (rc == 0) {
        rc = graph_reserve(g, &g->both.sites, g->cumulative.n);
    }
    if (rc == 0) {
        rc = graph_reserve(g, &g->both.edges, g->edges.n);
    }
    for (size_t i = 0; rc == 0 && i < g->cumulative.n; i++) {
        graph_row(&g->both.sites, i, &g->cumulative.items[i], &g->own.items[i]);
    }
    for (size_t i = 0; rc == 0 && i < g->edges.n; i++) {
        graph_row(&g->both.edges, i, &g->edges.items[i], NULL);
    }
    return rc;
}

static int
graph_by_key(const void *left, const void *right)
{
    const struct prf_amount *a = left, *b = right;
    if (a->a != b->a) {
        return a->a < b->a ? -1 : 1;
    }
    return (a->b > b->b) - (a->b < b->b);
}

static const struct prf_amount *
graph_find(const struct graph_amounts *amounts, uint32_t a, uint32_t b)
{
    struct prf_amount key = {.a = a, .b = b};
    const struct prf_amount *found =
        bsearch(&key, amounts->items, amounts->n, sizeof key, graph_by_key);
    if (found == NULL) {
        PRF_BUG("a drawn function or call has no amounts");
    }
    return found;
}

static uint32_t
graph_item(const struct graph_diff *g, size_t node)
{
    return (uint32_t)(g->graph.nodes[node].code - g->both.codes);
}

static const struct prf_amount *
graph_edge_amount(const struct graph_diff *g, const struct prf_graph_edge *e)
{
    return graph_find(&g->edges, graph_item(g, e->from), graph_item(g, e->to));
}

static void
graph_measure(struct graph_diff *g)
{
    for (size_t i = 0; i < g->graph.n_nodes; i++) {
        double change = prf_amount_change(graph_find(&g->own, graph_item(g, i), 0));
        g->largest[0] = fmax(g->largest[0], fabs(change));
    }
    for (size_t i = 0; i < g->graph.n_edges; i++) {
        double change = prf_amount_change(graph_edge_amount(g, &g->graph.edges[i]));
        g->largest[1] = fmax(g->largest[1], fabs(change));
    }
}

/* ---- the program ---- */

static void
graph_put_time(struct graph_diff *g, double ns)
{
    char text[PRF_UNIT_TEXT];
    prf_strbuf_adds(g->out,
                    prf_format_time(ns, g->graph.options.units, text, sizeof text));
}

/* "1.2 ms → 1.5 ms (+25 %)" */
static void
graph_put_times(struct graph_diff *g, const struct prf_amount *a)
{
    char change[PRF_DIFF_TEXT];
    graph_put_time(g, a->cost[PRF_DIFF_BASE]);
    prf_strbuf_adds(g->out, " \u2192 ");
    graph_put_time(g, a->cost[PRF_DIFF_NEXT]);
    prf_strbuf_addf(g->out, " (%s)",
                    prf_diff_percent(a->cost[PRF_DIFF_BASE], a->cost[PRF_DIFF_NEXT],
                                     change, sizeof change));
}

static void
graph_put_calls(struct graph_diff *g, const struct prf_amount *a)
{
    if (a->calls[PRF_DIFF_BASE] == a->calls[PRF_DIFF_NEXT]) {
        prf_strbuf_addf(g->out, "%.0f", a->calls[PRF_DIFF_NEXT]);
    } else {
        prf_strbuf_addf(g->out, "%.0f \u2192 %.0f", a->calls[PRF_DIFF_BASE],
                        a->calls[PRF_DIFF_NEXT]);
    }
}

static void
graph_put_color(struct graph_diff *g, struct prf_color c)
{
    prf_strbuf_addf(g->out, "\"#%02x%02x%02x\"", c.red, c.green, c.blue);
}

static bool
graph_on_one_side(const struct prf_amount *a)
{
    return a->on[PRF_DIFF_BASE] != a->on[PRF_DIFF_NEXT];
}

static void
graph_put_node(struct graph_diff *g, size_t i)
{
    const struct prf_graph_node *n = &g->graph.nodes[i];
    uint32_t item = graph_item(g, i);
    const struct prf_amount *own = graph_find(&g->own, item, 0);
    struct prf_color color = prf_diff_color(prf_amount_change(own), g->largest[0]);
    prf_strbuf_addf(g->out, "    n%zu [label=\"", i);
    prf_dot_put(g->out, n->name);
    if (graph_on_one_side(own)) {
        prf_strbuf_addf(g->out, " (%s)", own->on[PRF_DIFF_NEXT] ? "new" : "gone");
    }
    prf_strbuf_adds(g->out, "\\ncalls ");
    graph_put_calls(g, own);
    prf_strbuf_adds(g->out, "\\ntotal ");
    graph_put_times(g, graph_find(&g->cumulative, item, 0));
    prf_strbuf_adds(g->out, "\\nown ");
    graph_put_times(g, own);
    prf_strbuf_adds(g->out, "\", fillcolor=");
    graph_put_color(g, color);
    prf_strbuf_addf(g->out, ", fontcolor=%s%s, tooltip=\"",
                    prf_color_is_dark(color) ? "white" : "black",
                    graph_on_one_side(own)
                        ? ", style=\"filled,dashed\", penwidth=1.5, color=gray20"
                        : "");
    prf_dot_put(g->out, prf_dot_line(&g->text, n->code->qualname));
    if (n->code->file[0] != '\0') {
        prf_strbuf_adds(g->out, " (");
        prf_dot_put(g->out, prf_dot_line(&g->text, g->diff->functions[item].file));
        prf_strbuf_addf(g->out, ":%" PRIu32 ")", n->code->first_line);
    }
    prf_strbuf_adds(g->out, "\"];\n");
}

/* Nodes are in the order of their groups. */
static void
graph_put_groups(struct graph_diff *g)
{
    const struct prf_graph *graph = &g->graph;
    for (size_t group = 0, i = 0; group < graph->n_groups; group++) {
        prf_strbuf_addf(g->out, "  subgraph cluster_%zu {\n    label=\"", group);
        prf_dot_put(g->out, graph->groups[group]);
        prf_strbuf_adds(g->out, "\";\n");
        for (; i < graph->n_nodes && graph->nodes[i].group == group; i++) {
            graph_put_node(g, i);
        }
        prf_strbuf_adds(g->out, "  }\n");
    }
}

/* On white: no change is a gray line, a small one is seen. */
static struct prf_color
graph_line_color(double change, double largest)
{
    struct prf_color c = prf_diff_color(change, largest);
    while (!prf_color_is_dark(c)) {
        c.red = (unsigned char)(c.red * 0.9);
        c.green = (unsigned char)(c.green * 0.9);
        c.blue = (unsigned char)(c.blue * 0.9);
    }
    return c;
}

static void
graph_put_edge(struct graph_diff *g, const struct prf_graph_edge *e)
{
    const struct prf_amount *a = graph_edge_amount(g, e);
    double share = prf_graph_share(&g->graph, graph_larger(a->cost));
    prf_strbuf_addf(g->out, "  n%" PRIu32 " -> n%" PRIu32 " [label=\"", e->from, e->to);
    graph_put_calls(g, a);
    prf_strbuf_adds(g->out, " \u00d7\\n");
    graph_put_times(g, a);
    prf_strbuf_addf(g->out, "\", penwidth=%.2f, arrowsize=%.2f%s, color=",
                    0.6 + 3.4 * sqrt(fmin(share, 1)), 0.5 + 0.4 * sqrt(fmin(share, 1)),
                    graph_on_one_side(a) ? ", style=dashed" : "");
    graph_put_color(g, graph_line_color(prf_amount_change(a), g->largest[1]));
    prf_strbuf_adds(g->out, ", tooltip=\"");
    prf_dot_put(g->out, g->graph.nodes[e->from].name);
    prf_strbuf_adds(g->out, " calls ");
    prf_dot_put(g->out, g->graph.nodes[e->to].name);
    prf_strbuf_adds(g->out, "\"];\n");
}

static void
graph_put_line(struct graph_diff *g, const char *text)
{
    prf_strbuf_adds(g->out, "<TR><TD ALIGN=\"LEFT\">");
    prf_dot_put_html(g->out, prf_dot_line(&g->text, text));
    prf_strbuf_adds(g->out, "</TD></TR>\n");
}

static void
graph_put_bar(struct graph_diff *g)
{
    prf_strbuf_adds(g->out, "<TR><TD ALIGN=\"LEFT\"><TABLE BORDER=\"0\" "
                            "CELLBORDER=\"0\" CELLSPACING=\"0\" CELLPADDING=\"2\"><TR>"
                            "<TD>colour of a box: own time, less \u2212");
    graph_put_time(g, g->largest[0]);
    prf_strbuf_adds(g->out, "</TD>");
    for (int i = 0; i < GRAPH_BAR_CELLS; i++) {
        prf_strbuf_adds(g->out, "<TD WIDTH=\"9\" BGCOLOR=");
        double part = 2.0 * i / (GRAPH_BAR_CELLS - 1) - 1;
        graph_put_color(g, prf_diff_color(part * fabs(part), 1));
        prf_strbuf_adds(g->out, "></TD>");
    }
    prf_strbuf_adds(g->out, "<TD>+");
    graph_put_time(g, g->largest[0]);
    prf_strbuf_adds(g->out, " more; halfway: ");
    graph_put_time(g, PRF_DIFF_HALFWAY * g->largest[0]);
    prf_strbuf_adds(g->out, "</TD></TR></TABLE></TD></TR>\n");
}

static void
graph_put_left_out(struct graph_diff *g)
{
    const struct prf_graph *graph = &g->graph;
    size_t n = graph->n_below_min + graph->n_below_top;
    char text[128];
    if (n > 0) {
        snprintf(text, sizeof text,
                 "%zu function%s below %g %% of the time, or beyond the first %" PRIu64
                 ", not shown",
                 n, n == 1 ? "" : "s", graph->options.min_percent,
                 graph->options.top_k);
        graph_put_line(g, text);
    }
}

static void
graph_put_legend(struct graph_diff *g)
{
    const struct prf_diff_request *r = g->diff->request;
    struct prf_strbuf line = PRF_STRBUF_INIT;
    prf_strbuf_addf(g->out,
                    "  label=<<FONT POINT-SIZE=\"%" PRIu64 "\"><TABLE BORDER=\"0\" "
                    "CELLSPACING=\"0\" CELLPADDING=\"1\">\n<TR><TD ALIGN=\"LEFT\"><B>",
                    g->graph.options.font_size + 1);
    prf_dot_put_html(g->out, prf_dot_line(&g->text, g->result.case_id));
    prf_strbuf_adds(g->out, "</B></TD></TR>\n");
    prf_strbuf_addf(&line, "%s: %s \u2192 %s", g->result.profiler,
                    r->names[PRF_DIFF_BASE], r->names[PRF_DIFF_NEXT]);
    graph_put_line(g, prf_strbuf_text(&line));
    graph_put_bar(g);
    graph_put_line(g,
                   "box: calls; total: time with what it calls; own: without; dashed: "
                   "new or gone");
    graph_put_line(g, "arrow: calls from there, and their time with what they call; "
                      "its colour is the change of that time");
    graph_put_left_out(g);
    prf_strbuf_adds(g->out, "</TABLE></FONT>>;\n");
    g->out->failed = g->out->failed || line.failed;
    prf_strbuf_release(&line);
}

/* The whole program into `out`. */
static int
graph_program(const struct prf_diff *diff, struct prf_strbuf *out,
              struct prf_error *err)
{
    const struct prf_diff_request *r = diff->request;
    struct prf_arena arena = {0};
    struct graph_diff g = {.diff = diff,
                           .arena = &arena,
                           .result = *r->results[PRF_DIFF_NEXT],
                           .out = out,
                           .text = PRF_STRBUF_INIT};
    int rc = graph_check(&g, err);
    if (rc == 0) {
        rc = graph_merge(&g);
    }
    if (rc == 0) {
        g.result.profile = &g.both;
        rc = prf_graph_build(&g.graph, r->run, &g.result, r->options, err);
    }
    if (rc == 0) {
        graph_measure(&g);
        prf_dot_put_head(&g.graph, out);
        graph_put_groups(&g);
        for (size_t i = 0; i < g.graph.n_edges; i++) {
            graph_put_edge(&g, &g.graph.edges[i]);
        }
        graph_put_legend(&g);
        prf_strbuf_adds(out, "}\n");
        rc = out->failed || g.text.failed ? PRF_ENOMEM : 0;
    }
    prf_graph_release(&g.graph);
    prf_strbuf_release(&g.text);
    prf_arena_release(&arena);
    return rc;
}

int
prf_diff_graph_svg(const struct prf_diff *diff, FILE *out, struct prf_error *err)
{
    struct prf_strbuf program = PRF_STRBUF_INIT;
    int rc = graph_program(diff, &program, err);
    if (rc == 0) {
        rc = prf_graph_draw(prf_strbuf_text(&program), "svg", out, err);
    }
    prf_strbuf_release(&program);
    return rc;
}

static int
dot_write(const struct prf_diff *diff, FILE *out, struct prf_error *err)
{
    struct prf_strbuf program = PRF_STRBUF_INIT;
    int rc = graph_program(diff, &program, err);
    if (rc == 0) {
        fwrite(prf_strbuf_text(&program), 1, program.len, out);
    }
    prf_strbuf_release(&program);
    return rc;
}

const struct prf_diff_format prf_diff_dot = {
    .name = "dot-diff",
    .extension = ".dot",
    .summary = "who calls whom on both sides, for Graphviz",
    .write = dot_write,
};
