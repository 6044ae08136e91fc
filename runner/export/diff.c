/* What all differential exports share; see diff.h. */
#include "diff.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "colormap.h"
#include "formats.h"

const struct prf_diff_format *const prf_diff_formats[] = {
    &prf_diff_collapsed, &prf_diff_speedscope, &prf_diff_svg, &prf_diff_dot, NULL,
};

const struct prf_diff_format *
prf_diff_format_find(const char *name)
{
    for (size_t i = 0; prf_diff_formats[i] != NULL; i++) {
        if (strcmp(prf_diff_formats[i]->name, name) == 0) {
            return prf_diff_formats[i];
        }
    }
    return NULL;
}

int
prf_diff_need_stacks(const struct prf_diff *diff, struct prf_error *err)
{
    if (diff->tree.n > 1) {
        return 0;
    }
    return prf_fail(err, PRF_EUNAVAILABLE,
                    "the results of '%s' have no stacks on both sides; measure with "
                    "profiler call, or choose its results with -p call",
                    diff->request->results[PRF_DIFF_NEXT]->profiler);
}

const char *
prf_diff_percent(double base, double next, char *buf, size_t size)
{
    double percent = 100.0 * (next - base) / base;
    if (base == next) {
        snprintf(buf, size, "\u00b10 %%");
    } else if (base <= 0 || next <= 0) {
        snprintf(buf, size, "%s", next > base ? "new" : "gone");
    } else {
        snprintf(buf, size, "%+.*f %%", fabs(percent) < 10 ? 1 : 0, percent);
    }
    return buf;
}

struct prf_color
prf_diff_color(double difference, double scale)
{
    double part = scale > 0 ? sqrt(fmin(fabs(difference) / scale, 1)) : 0;
    return prf_colormap_at(prf_colormap_find("RdBu_r"),
                           0.5 + copysign(part, difference) / 2);
}

double *
prf_diff_inclusive(const struct prf_merged_tree *tree, enum prf_diff_side side)
{
    double *all = calloc(tree->n, sizeof *all);
    for (size_t i = tree->n; all != NULL && i-- > 1;) {
        all[i] += fmax(tree->amounts[i].cost[side], 0);
        all[tree->parent[i]] += all[i];
    }
    return all;
}

static int
diff_functions(struct prf_diff *diff)
{
    static const struct prf_function unknown = {
        .file = "", .name = "<unknown>", .qualname = "<unknown>"};
    diff->functions =
        prf_arena_alloc(&diff->arena, diff->match.n * sizeof *diff->functions);
    for (size_t i = 0; diff->functions != NULL && i < diff->match.n; i++) {
        const struct prf_matched *m = &diff->match.items[i];
        diff->functions[i] = i == 0 ? unknown : *m->function;
        if (i > 0 && m->function->file[0] != '\0') {
            diff->functions[i].file = m->file;
        }
    }
    return diff->functions == NULL ? PRF_ENOMEM : 0;
}

int
prf_diff_export(const struct prf_diff_format *format,
                const struct prf_diff_request *request, FILE *out,
                struct prf_error *err)
{
    struct prf_diff diff = {.request = request};
    struct prf_diff_lines lines;
    int rc = prf_diff_lines_init(&lines, request->hunks, request->n_hunks, &diff.arena);
    if (rc == 0) {
        rc = prf_match_build(&diff.match, request->sides, &lines, &diff.arena, err);
    }
    if (rc == 0) {
        rc = diff_functions(&diff);
    }
    if (rc == 0) {
        rc = prf_merged_tree_build(&diff.tree, &diff.match, request->sides,
                                   request->column, &diff.arena, err);
    }
    if (rc == 0) {
        rc = format->write(&diff, out, err);
    }
    if (rc == 0 && (fflush(out) != 0 || ferror(out))) {
        rc = prf_fail(err, PRF_EIO, "cannot write the whole file");
    }
    prf_arena_release(&diff.arena);
    return rc == PRF_ENOMEM ? prf_fail(err, rc, "out of memory") : rc;
}
