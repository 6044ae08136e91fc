/* Building the graph that is drawn; see graph_model.h. */
#include "graph_model.h"

#include <stdlib.h>
#include <string.h>

#include "formats.h"
#include "graph_names.h"
#include "graph_options.h"

#define GRAPH_NONE UINT32_MAX

struct model {
    struct prf_graph *graph;
    const struct prf_profile *profile;
    struct prf_call_index site_at, edge_at;
    struct prf_graph_node *all; /* every function; those that stay move to the front */
    const char **modules;       /* of all[i].group, while groups are not numbered */
    uint32_t *node_of;          /* code -> index in nodes, GRAPH_NONE: left out */
    int64_t *heaviest; /* node -> edge that comes in with most time, -1: none */
};

double
prf_graph_share(const struct prf_graph *graph, int64_t ns)
{
    return graph->total_ns > 0 ? (double)ns / (double)graph->total_ns : 0.0;
}

static int
model_reserve(struct model *m)
{
    const struct prf_profile *p = m->profile;
    struct prf_graph *g = m->graph;
    m->all = prf_arena_alloc(&g->arena, (p->sites.n + 1) * sizeof *m->all);
    m->modules = prf_arena_alloc(&g->arena, (p->sites.n + 1) * sizeof *m->modules);
    m->heaviest = prf_arena_alloc(&g->arena, (p->sites.n + 1) * sizeof *m->heaviest);
    m->node_of = prf_arena_alloc(&g->arena, (p->n_codes + 1) * sizeof *m->node_of);
    g->groups = prf_arena_alloc(&g->arena, (p->sites.n + 1) * sizeof *g->groups);
    g->edges = prf_arena_alloc(&g->arena, (p->edges.n + 1) * sizeof *g->edges);
    bool whole =
        m->all && m->modules && m->heaviest && m->node_of && g->groups && g->edges;
    return whole ? 0 : PRF_ENOMEM;
}

/* One node for each function; rows of its lines, if there are such, add up. */
static void
model_take_sites(struct model *m)
{
    const struct prf_table *sites = &m->profile->sites;
    struct prf_graph *g = m->graph;
    memset(m->node_of, 0xFF, (m->profile->n_codes + 1) * sizeof *m->node_of);
    for (size_t i = 0; i < sites->n; i++) {
        uint32_t code = sites->keys[i].code;
        const int64_t *row = sites->values + i * sites->n_columns;
        if (code >= m->profile->n_codes) {
            continue;
        }
        if (m->node_of[code] == GRAPH_NONE) {
            m->node_of[code] = (uint32_t)g->n_functions;
            m->all[g->n_functions++].code = &m->profile->codes[code];
        }
        struct prf_graph_node *node = &m->all[m->node_of[code]];
        node->calls += row[m->site_at.calls];
        node->primitive += row[m->site_at.primitive];
        node->own_ns += row[m->site_at.own];
        node->cumulative_ns += row[m->site_at.cumulative];
        g->total_ns += row[m->site_at.own];
        g->total_calls += row[m->site_at.calls];
    }
}

static int
model_compare_codes(const struct prf_function *a, const struct prf_function *b)
{
    int order = strcmp(a->file, b->file);
    if (order == 0) {
        order = (a->first_line > b->first_line) - (a->first_line < b->first_line);
    }
    return order != 0 ? order : strcmp(a->qualname, b->qualname);
}

/* Most time first; equal ones in an order that does not depend on the run. */
static int
model_by_time(const void *left, const void *right)
{
    const struct prf_graph_node *a = left, *b = right;
    if (a->cumulative_ns != b->cumulative_ns) {
        return a->cumulative_ns > b->cumulative_ns ? -1 : 1;
    }
    if (a->own_ns != b->own_ns) {
        return a->own_ns > b->own_ns ? -1 : 1;
    }
    return model_compare_codes(a->code, b->code);
}

static void
model_prune(struct model *m)
{
    struct prf_graph *g = m->graph;
    double min = g->options.min_percent / 100.0;
    qsort(m->all, g->n_functions, sizeof *m->all, model_by_time);
    size_t n = 0;
    while (n < g->n_functions && prf_graph_share(g, m->all[n].cumulative_ns) >= min) {
        n++;
    }
    g->n_below_min = g->n_functions - n;
    if (g->options.top_k > 0 && n > g->options.top_k) {
        g->n_below_top = n - g->options.top_k;
        n = g->options.top_k;
    }
    g->nodes = m->all;
    g->n_nodes = n;
}

struct model_name {
    const char *module;
    struct prf_graph_node node;
};

static int
model_by_group(const void *left, const void *right)
{
    const struct model_name *a = left, *b = right;
    int order = strcmp(a->module, b->module);
    return order != 0 ? order : model_compare_codes(a->node.code, b->node.code);
}

/* Name what stays, sort it by module and number the modules. */
static int
model_group(struct model *m)
{
    struct prf_graph *g = m->graph;
    struct model_name *named = calloc(g->n_nodes + 1, sizeof *named);
    struct prf_graph_names names = {0};
    int rc = named == NULL ? PRF_ENOMEM : prf_graph_names_init(&names, g);
    for (size_t i = 0; rc == 0 && i < g->n_nodes; i++) {
        named[i].node = g->nodes[i];
        rc = prf_graph_names_get(&names, g->nodes[i].code, &named[i].module,
                                 &named[i].node.name);
    }
    if (rc == 0) {
        qsort(named, g->n_nodes, sizeof *named, model_by_group);
    }
    for (size_t i = 0; rc == 0 && i < g->n_nodes; i++) {
        if (i == 0 || strcmp(named[i].module, named[i - 1].module) != 0) {
            g->groups[g->n_groups++] = named[i].module;
        }
        g->nodes[i] = named[i].node;
        g->nodes[i].group = (uint32_t)(g->n_groups - 1);
    }
    prf_graph_names_release(&names);
    free(named);
    return rc;
}

static void
model_number(struct model *m)
{
    memset(m->node_of, 0xFF, (m->profile->n_codes + 1) * sizeof *m->node_of);
    for (size_t i = 0; i < m->graph->n_nodes; i++) {
        m->node_of[m->graph->nodes[i].code - m->profile->codes] = (uint32_t)i;
        m->heaviest[i] = -1;
    }
}

static int
model_by_ends(const void *left, const void *right)
{
    const struct prf_graph_edge *a = left, *b = right;
    if (a->from != b->from) {
        return a->from < b->from ? -1 : 1;
    }
    return (a->to > b->to) - (a->to < b->to);
}

/* Edges between nodes that stay. */
static void
model_take_edges(struct model *m)
{
    const struct prf_table *edges = &m->profile->edges;
    struct prf_graph *g = m->graph;
    for (size_t i = 0; i < edges->n; i++) {
        struct prf_key key = edges->keys[i];
        const int64_t *row = edges->values + i * edges->n_columns;
        if (key.code >= m->profile->n_codes || key.other >= m->profile->n_codes ||
            m->node_of[key.code] == GRAPH_NONE || m->node_of[key.other] == GRAPH_NONE) {
            continue;
        }
        g->edges[g->n_edges++] =
            (struct prf_graph_edge){.from = m->node_of[key.code],
                                    .to = m->node_of[key.other],
                                    .calls = row[m->edge_at.calls],
                                    .cumulative_ns = row[m->edge_at.cumulative]};
    }
    qsort(g->edges, g->n_edges, sizeof *g->edges, model_by_ends);
}

/* Thin edges go, but every function keeps the one that says where it came from. */
static void
model_prune_edges(struct model *m)
{
    struct prf_graph *g = m->graph;
    size_t n = 0;
    for (size_t i = 0; i < g->n_edges; i++) {
        const struct prf_graph_edge *e = &g->edges[i];
        int64_t *best = &m->heaviest[e->to];
        if (e->from != e->to &&
            (*best < 0 || e->cumulative_ns > g->edges[*best].cumulative_ns)) {
            *best = (int64_t)i;
        }
    }
    for (size_t i = 0; i < g->n_edges; i++) {
        struct prf_graph_edge e = g->edges[i];
        if (m->heaviest[e.to] == (int64_t)i ||
            prf_graph_share(g, e.cumulative_ns) >= g->options.min_percent / 100.0) {
            g->edges[n++] = e;
        }
    }
    g->n_thin = g->n_edges - n;
    g->n_edges = n;
}

int
prf_graph_build(struct prf_graph *graph, const struct prf_run *run,
                const struct prf_result *result,
                const struct prf_export_options *options, struct prf_error *err)
{
    *graph = (struct prf_graph){.run = run, .result = result};
    struct model m = {.graph = graph, .profile = result->profile};
    int rc = prf_graph_options_read(&graph->options, result, options, err);
    if (rc < 0) {
        return rc;
    }
    graph->counted = prf_call_index(&m.profile->sites, &m.site_at) ? "call" : "sample";
    if (!prf_cost_index(&m.profile->sites, &m.site_at) ||
        !prf_cost_index(&m.profile->edges, &m.edge_at)) {
        return prf_fail(err, PRF_EUNAVAILABLE,
                        "the result of '%s' has no calls to draw a graph of",
                        result->profiler);
    }
    rc = model_reserve(&m);
    if (rc == 0) {
        model_take_sites(&m);
        model_prune(&m);
        rc = model_group(&m);
    }
    if (rc == 0) {
        model_number(&m);
        model_take_edges(&m);
        model_prune_edges(&m);
    }
    return rc < 0 ? prf_fail(err, rc, "out of memory while building a graph") : 0;
}

void
prf_graph_release(struct prf_graph *graph)
{
    prf_options_release(prf_graph_table, &graph->options);
    prf_arena_release(&graph->arena);
}
