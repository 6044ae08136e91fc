/* Format "collapsed": one line for each stack, "root;caller;function 42", as
   flamegraph.pl and speedscope read it. The weight is the own amount of the innermost
   frame, time in nanoseconds: microseconds would lose the small ones. */
#include <inttypes.h>
#include <stdlib.h>

#include "formats.h"
#include "label.h"

struct collapsed_file {
    const struct prf_profile *profile;
    bool strip_dirs;
    FILE *out;
    struct prf_strbuf text;
    uint32_t *path; /* room for the deepest stack */
};

/* ';' separates frames, so that in a name it becomes ','. */
static void
collapsed_put_frame(struct collapsed_file *file, uint32_t code)
{
    prf_strbuf_clear(&file->text);
    prf_frame_add(&file->text, prf_row_code(file->profile, code), file->strip_dirs);
    for (const char *s = prf_strbuf_text(&file->text); *s != '\0'; s++) {
        putc(*s == ';' ? ',' : *s, file->out);
    }
}

static void
collapsed_put_stack(struct collapsed_file *file, uint32_t node, int64_t weight)
{
    const struct prf_tree *tree = &file->profile->tree;
    size_t depth = 0;
    for (uint32_t i = node; i != 0; i = tree->parent[i]) {
        file->path[depth++] = tree->code[i];
    }
    while (depth-- > 0) {
        collapsed_put_frame(file, file->path[depth]);
        putc(depth > 0 ? ';' : ' ', file->out);
    }
    fprintf(file->out, "%" PRId64 "\n", weight);
}

static int
collapsed_write(const struct prf_run *run, const struct prf_result *const *results,
                size_t n, const struct prf_export_options *options, FILE *out,
                struct prf_error *err)
{
    (void)run;
    (void)n;
    const struct prf_tree *tree = &results[0]->profile->tree;
    int column = prf_stack_column(tree);
    struct collapsed_file file = {.profile = results[0]->profile,
                                  .strip_dirs = options->strip_dirs,
                                  .out = out,
                                  .text = PRF_STRBUF_INIT,
                                  .path = calloc(tree->n + 1, sizeof *file.path)};
    if (file.path == NULL) {
        return prf_fail(err, PRF_ENOMEM, "out of memory");
    }
    for (size_t i = 1; column >= 0 && i < tree->n; i++) {
        int64_t weight = tree->values[i * tree->n_columns + (size_t)column];
        if (weight > 0) {
            collapsed_put_stack(&file, (uint32_t)i, weight);
        }
    }
    int rc = file.text.failed ? prf_fail(err, PRF_ENOMEM, "out of memory") : 0;
    prf_strbuf_release(&file.text);
    free(file.path);
    return rc;
}

const struct prf_exporter prf_exporter_collapsed = {
    .name = "collapsed",
    .extension = ".collapsed",
    .summary = "stacks with their own time, for flamegraph.pl",
    .needs = PRF_MODEL_STACKS,
    .write = collapsed_write,
    .single = true,
};
