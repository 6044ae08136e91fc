/* Format "speedscope" of a comparison. Speedscope has no differential view, so that the
   file holds three profiles with the same stacks: base, new, and the difference, where
   a frame is as wide as its own cost changed, be it more or less, and its name says by
   how much. As in speedscope.c each node is opened and closed once. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <pyprofiler/version.h>

#include "diff.h"
#include "formats.h"
#include "jsonout.h"

#define SPEEDSCOPE_SCHEMA "https://www.speedscope.app/file-format-schema.json"

struct speedscope_diff {
    const struct prf_diff *diff;
    struct prf_jsonout js;
    uint32_t *child, *sibling; /* 0: none */
    double *own;               /* of each node, of the profile that is written */
    bool *shown;               /* it or one below it has an amount */
    double (*of_items)[PRF_DIFF_SIDES]; /* own cost of each function */
};

static int
speedscope_reserve(struct speedscope_diff *s)
{
    const struct prf_merged_tree *tree = &s->diff->tree;
    s->child = calloc(tree->n, sizeof *s->child);
    s->sibling = calloc(tree->n, sizeof *s->sibling);
    s->own = calloc(tree->n, sizeof *s->own);
    s->shown = calloc(tree->n, sizeof *s->shown);
    s->of_items = calloc(s->diff->match.n, sizeof *s->of_items);
    if (!s->child || !s->sibling || !s->own || !s->shown || !s->of_items) {
        return PRF_ENOMEM;
    }
    for (size_t i = tree->n; i-- > 1;) {
        s->sibling[i] = s->child[tree->parent[i]];
        s->child[tree->parent[i]] = (uint32_t)i;
        for (int side = 0; side < PRF_DIFF_SIDES; side++) {
            s->of_items[tree->item[i]][side] += tree->amounts[i].cost[side];
        }
    }
    return 0;
}

static void
speedscope_frame(struct speedscope_diff *s, const struct prf_function *function,
                 const char *change)
{
    struct prf_strbuf name = PRF_STRBUF_INIT;
    prf_strbuf_addf(&name, "%s%s%s", function->qualname, change[0] != '\0' ? " " : "",
                    change);
    prf_json_open(&s->js, NULL, '{');
    prf_json_text(&s->js, "name", prf_strbuf_text(&name));
    prf_json_text(&s->js, "file", function->file[0] != '\0' ? function->file : "~");
    if (function->first_line > 0) {
        prf_json_uint(&s->js, "line", function->first_line);
    }
    prf_json_close(&s->js, '}');
    fputc('\n', s->js.out);
    s->js.failed = s->js.failed || name.failed;
    prf_strbuf_release(&name);
}

/* Twice as many as functions: with their change in the name behind those without. */
static void
speedscope_frames(struct speedscope_diff *s)
{
    const struct prf_diff *diff = s->diff;
    char change[PRF_DIFF_TEXT];
    prf_json_open(&s->js, "shared", '{');
    prf_json_open(&s->js, "frames", '[');
    fputc('\n', s->js.out);
    for (size_t i = 0; i < diff->match.n; i++) {
        speedscope_frame(s, &diff->functions[i], "");
    }
    for (size_t i = 0; i < diff->match.n; i++) {
        speedscope_frame(s, &diff->functions[i],
                         prf_diff_percent(s->of_items[i][0], s->of_items[i][1], change,
                                          sizeof change));
    }
    prf_json_close(&s->js, ']');
    prf_json_close(&s->js, '}');
}

static void
speedscope_event(struct speedscope_diff *s, const char *type, uint32_t frame, double at)
{
    prf_json_open(&s->js, NULL, '{');
    prf_json_text(&s->js, "type", type);
    prf_json_uint(&s->js, "frame", frame);
    prf_json_int(&s->js, "at", (int64_t)at);
    prf_json_close(&s->js, '}');
    fputc('\n', s->js.out);
}

static uint32_t
speedscope_first_shown(const struct speedscope_diff *s, uint32_t node)
{
    while (node != 0 && !s->shown[node]) {
        node = s->sibling[node];
    }
    return node;
}

/* Depth first and without recursion. */
static void
speedscope_walk(struct speedscope_diff *s, uint32_t frames)
{
    const struct prf_merged_tree *tree = &s->diff->tree;
    double at = 0;
    uint32_t node = speedscope_first_shown(s, s->child[0]);
    while (node != 0) {
        speedscope_event(s, "O", frames + tree->item[node], at);
        at += s->own[node];
        uint32_t next = speedscope_first_shown(s, s->child[node]);
        while (node != 0 && next == 0) {
            speedscope_event(s, "C", frames + tree->item[node], at);
            next = speedscope_first_shown(s, s->sibling[node]);
            node = tree->parent[node];
        }
        node = next;
    }
}

static double
speedscope_total(struct speedscope_diff *s)
{
    const struct prf_merged_tree *tree = &s->diff->tree;
    double total = 0;
    memset(s->shown, 0, tree->n * sizeof *s->shown);
    for (size_t i = tree->n; i-- > 1;) {
        s->shown[i] = s->shown[i] || s->own[i] > 0;
        s->shown[tree->parent[i]] = s->shown[tree->parent[i]] || s->shown[i];
        total += s->own[i];
    }
    return total;
}

static void
speedscope_profile(struct speedscope_diff *s, const char *name, uint32_t frames)
{
    const char *unit = s->diff->tree.unit;
    double total = speedscope_total(s);
    if (total <= 0) { /* speedscope refuses a profile without events */
        return;
    }
    prf_json_open(&s->js, NULL, '{');
    prf_json_text(&s->js, "type", "evented");
    prf_json_text(&s->js, "name", name);
    prf_json_text(&s->js, "unit",
                  strcmp(unit, "ns") == 0      ? "nanoseconds"
                  : strcmp(unit, "bytes") == 0 ? "bytes"
                                               : "none");
    prf_json_int(&s->js, "startValue", 0);
    prf_json_int(&s->js, "endValue", (int64_t)total);
    prf_json_open(&s->js, "events", '[');
    fputc('\n', s->js.out);
    speedscope_walk(s, frames);
    prf_json_close(&s->js, ']');
    prf_json_close(&s->js, '}');
}

/* Whole numbers, so that what opens at a time also closes there. */
static void
speedscope_side(struct speedscope_diff *s, enum prf_diff_side side)
{
    struct prf_strbuf name = PRF_STRBUF_INIT;
    for (size_t i = 1; i < s->diff->tree.n; i++) {
        s->own[i] = round(fmax(s->diff->tree.amounts[i].cost[side], 0));
    }
    prf_strbuf_addf(&name, "%s: %s", side == PRF_DIFF_BASE ? "base" : "new",
                    s->diff->request->names[side]);
    speedscope_profile(s, prf_strbuf_text(&name), 0);
    prf_strbuf_release(&name);
}

static void
speedscope_difference(struct speedscope_diff *s)
{
    for (size_t i = 1; i < s->diff->tree.n; i++) {
        const double *cost = s->diff->tree.amounts[i].cost;
        s->own[i] = round(fabs(cost[PRF_DIFF_NEXT] - cost[PRF_DIFF_BASE]));
    }
    speedscope_profile(s, "difference (more or less)", (uint32_t)s->diff->match.n);
}

static int
speedscope_write(const struct prf_diff *diff, FILE *out, struct prf_error *err)
{
    struct speedscope_diff s = {.diff = diff,
                                .js = {.out = out, .scratch = PRF_STRBUF_INIT}};
    int rc = prf_diff_need_stacks(diff, err);
    rc = rc < 0 ? rc : speedscope_reserve(&s);
    if (rc == 0) {
        prf_json_open(&s.js, NULL, '{');
        prf_json_text(&s.js, "$schema", SPEEDSCOPE_SCHEMA);
        prf_json_text(&s.js, "exporter", "pyprofiler@" PRF_VERSION);
        prf_json_text(&s.js, "name", diff->request->results[PRF_DIFF_NEXT]->case_id);
        prf_json_int(&s.js, "activeProfileIndex", 0);
        speedscope_frames(&s);
        prf_json_open(&s.js, "profiles", '[');
        speedscope_side(&s, PRF_DIFF_BASE);
        speedscope_side(&s, PRF_DIFF_NEXT);
        speedscope_difference(&s);
        prf_json_close(&s.js, ']');
        prf_json_close(&s.js, '}');
        fputc('\n', out);
        rc = s.js.failed ? PRF_ENOMEM : 0;
    }
    prf_jsonout_release(&s.js);
    free(s.child);
    free(s.sibling);
    free(s.own);
    free(s.shown);
    free(s.of_items);
    return rc;
}

const struct prf_diff_format prf_diff_speedscope = {
    .name = "speedscope",
    .extension = ".speedscope.json",
    .summary = "base, new and their difference for www.speedscope.app",
    .write = speedscope_write,
};
