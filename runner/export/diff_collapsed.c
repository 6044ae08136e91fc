/* Format "collapsed-diff": one line for each stack, "root;caller;function 12 34", the
   amounts of base and new, as difffolded.pl makes it and flamegraph.pl reads it. */
#include <math.h>
#include <stdlib.h>

#include "diff.h"
#include "formats.h"

/* ';' separates frames, so that in a name it becomes ','. */
static void
collapsed_put(const struct prf_diff *diff, uint32_t node, struct prf_strbuf *text,
              FILE *out)
{
    prf_strbuf_clear(text);
    prf_frame_add(text, &diff->functions[diff->tree.item[node]],
                  diff->request->options->strip_dirs);
    for (const char *s = prf_strbuf_text(text); *s != '\0'; s++) {
        putc(*s == ';' ? ',' : *s, out);
    }
}

static void
collapsed_put_stack(const struct prf_diff *diff, uint32_t node, uint32_t *path,
                    struct prf_strbuf *text, FILE *out)
{
    size_t depth = 0;
    for (uint32_t i = node; i != 0; i = diff->tree.parent[i]) {
        path[depth++] = i;
    }
    while (depth-- > 0) {
        collapsed_put(diff, path[depth], text, out);
        putc(depth > 0 ? ';' : ' ', out);
    }
}

static int
collapsed_write(const struct prf_diff *diff, FILE *out, struct prf_error *err)
{
    const struct prf_merged_tree *tree = &diff->tree;
    struct prf_strbuf text = PRF_STRBUF_INIT;
    int rc = prf_diff_need_stacks(diff, err);
    uint32_t *path = rc == 0 ? calloc(tree->n, sizeof *path) : NULL;
    if (rc == 0 && path == NULL) {
        rc = PRF_ENOMEM;
    }
    for (uint32_t i = 1; rc == 0 && i < tree->n; i++) {
        double base = fmax(tree->amounts[i].cost[PRF_DIFF_BASE], 0);
        double next = fmax(tree->amounts[i].cost[PRF_DIFF_NEXT], 0);
        if (base > 0 || next > 0) {
            collapsed_put_stack(diff, i, path, &text, out);
            fprintf(out, "%.0f %.0f\n", base, next);
        }
    }
    rc = text.failed ? PRF_ENOMEM : rc;
    prf_strbuf_release(&text);
    free(path);
    return rc;
}

const struct prf_diff_format prf_diff_collapsed = {
    .name = "collapsed-diff",
    .extension = ".collapsed-diff",
    .summary = "stacks with their own cost on both sides, for flamegraph.pl",
    .write = collapsed_write,
};
