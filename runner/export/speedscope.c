/* Format "speedscope": the calling-context tree for www.speedscope.app, one "evented"
   profile for each result. Each node of the tree is opened once and closed once, so the
   file grows with the tree and not with tree times depth, as "sampled" would. Where the
   calls themselves were recorded, these are shown: see speedscope_events.c. */
#include <stdlib.h>
#include <string.h>

#include <pyprofiler/version.h>

#include "formats.h"
#include "jsonout.h"
#include "label.h"
#include "speedscope.h"

#define SPEEDSCOPE_SCHEMA "https://www.speedscope.app/file-format-schema.json"

/* Children of a node as a list through the nodes, in the order of the tree. */
struct speedscope_links {
    uint32_t *child;   /* first one, 0: none */
    uint32_t *sibling; /* next one, 0: none */
};

static int
speedscope_link(const struct prf_tree *tree, struct speedscope_links *links)
{
    links->child = calloc(tree->n + 1, sizeof *links->child);
    links->sibling = calloc(tree->n + 1, sizeof *links->sibling);
    if (links->child == NULL || links->sibling == NULL) {
        return -1;
    }
    for (size_t i = tree->n; i-- > 1;) {
        links->sibling[i] = links->child[tree->parent[i]];
        links->child[tree->parent[i]] = (uint32_t)i;
    }
    return 0;
}

static void
speedscope_event(struct prf_jsonout *js, const char *type, uint32_t frame, int64_t at)
{
    prf_json_open(js, NULL, '{');
    prf_json_text(js, "type", type);
    prf_json_uint(js, "frame", frame);
    prf_json_int(js, "at", at);
    prf_json_close(js, '}');
    fputc('\n', js->out);
}

/* Depth first and without recursion: a stack of Python can be deeper than ours. Own
   time comes before the children's; the tree does not know their order. */
static void
speedscope_walk(struct prf_jsonout *js, const struct prf_tree *tree,
                const struct speedscope_links *links, uint32_t base)
{
    int column = prf_stack_column(tree);
    int64_t at = 0;
    uint32_t node = links->child[0];
    while (node != 0) {
        int64_t own = tree->values[node * tree->n_columns + (size_t)column];
        speedscope_event(js, "O", base + tree->code[node], at);
        at += own > 0 ? own : 0;
        if (links->child[node] != 0) {
            node = links->child[node];
            continue;
        }
        speedscope_event(js, "C", base + tree->code[node], at);
        while (node != 0 && links->sibling[node] == 0) {
            node = tree->parent[node];
            if (node != 0) {
                speedscope_event(js, "C", base + tree->code[node], at);
            }
        }
        node = node != 0 ? links->sibling[node] : 0;
    }
}

static int64_t
speedscope_total(const struct prf_tree *tree)
{
    int column = prf_stack_column(tree);
    int64_t total = 0;
    for (size_t i = 1; i < tree->n; i++) {
        int64_t own = tree->values[i * tree->n_columns + (size_t)column];
        total += own > 0 ? own : 0;
    }
    return total;
}

static const char *
speedscope_unit(const struct prf_tree *tree)
{
    const char *unit = tree->columns[prf_stack_column(tree)].unit;
    return strcmp(unit, "ns") == 0      ? "nanoseconds"
           : strcmp(unit, "bytes") == 0 ? "bytes"
                                        : "none";
}

static int
speedscope_profile(struct prf_jsonout *js, const struct prf_result *result,
                   uint32_t base, struct prf_error *err)
{
    const struct prf_tree *tree = &result->profile->tree;
    struct speedscope_links links = {NULL, NULL};
    int rc = 0;
    if (speedscope_link(tree, &links) < 0) {
        rc = prf_fail(err, PRF_ENOMEM, "out of memory");
        goto out;
    }
    prf_json_open(js, NULL, '{');
    prf_json_text(js, "type", "evented");
    prf_json_text(js, "name", result->case_id);
    prf_json_text(js, "unit", speedscope_unit(tree));
    prf_json_int(js, "startValue", 0);
    prf_json_int(js, "endValue", speedscope_total(tree));
    prf_json_open(js, "events", '[');
    fputc('\n', js->out);
    speedscope_walk(js, tree, &links, base);
    prf_json_close(js, ']');
    prf_json_close(js, '}');
out:
    free(links.child);
    free(links.sibling);
    return rc;
}

/* All codes of a result, the placeholder too: frame numbers are ids plus a base. */
static void
speedscope_frames(struct prf_jsonout *js, const struct prf_profile *p, bool strip_dirs)
{
    for (uint32_t id = 0; id < p->n_codes; id++) {
        const struct prf_function *code = prf_row_code(p, id);
        prf_json_open(js, NULL, '{');
        prf_json_text(js, "name", code->qualname);
        prf_json_text(js, "file", prf_code_file(code, strip_dirs));
        if (code->first_line > 0) {
            prf_json_uint(js, "line", code->first_line);
        }
        prf_json_close(js, '}');
        fputc('\n', js->out);
    }
}

static int
speedscope_write(const struct prf_run *run, const struct prf_result *const *results,
                 size_t n, const struct prf_export_options *options, FILE *out,
                 struct prf_error *err)
{
    (void)run;
    struct prf_jsonout js = {.out = out, .scratch = PRF_STRBUF_INIT};
    uint32_t base = 0;
    int rc = 0;
    prf_json_open(&js, NULL, '{');
    prf_json_text(&js, "$schema", SPEEDSCOPE_SCHEMA);
    prf_json_text(&js, "exporter", "pyprofiler@" PRF_VERSION);
    prf_json_text(&js, "name", n == 1 ? results[0]->case_id : "pyprofiler");
    prf_json_int(&js, "activeProfileIndex", 0);
    prf_json_open(&js, "shared", '{');
    prf_json_open(&js, "frames", '[');
    fputc('\n', out);
    for (size_t i = 0; i < n; i++) {
        speedscope_frames(&js, results[i]->profile, options->strip_dirs);
    }
    prf_json_close(&js, ']');
    prf_json_close(&js, '}');
    prf_json_open(&js, "profiles", '[');
    for (size_t i = 0; i < n && rc == 0; i++) {
        bool events = (prf_result_models(results[i]) & PRF_MODEL_EVENTS) != 0;
        rc = events ? prf_speedscope_events(out, results[i], base, js.comma, err)
                    : speedscope_profile(&js, results[i], base, err);
        js.comma = true;
        base += (uint32_t)results[i]->profile->n_codes;
    }
    prf_json_close(&js, ']');
    prf_json_close(&js, '}');
    fputc('\n', out);
    if (rc == 0 && js.failed) {
        rc = prf_fail(err, PRF_ENOMEM, "out of memory");
    }
    prf_jsonout_release(&js);
    return rc;
}

const struct prf_exporter prf_exporter_speedscope = {
    .name = "speedscope",
    .extension = ".speedscope.json",
    .summary = "flame graph for www.speedscope.app",
    .needs = PRF_MODEL_STACKS,
    .write = speedscope_write,
};
