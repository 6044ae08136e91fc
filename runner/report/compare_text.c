/* A comparison for a terminal: one line for each item. */
#include <inttypes.h>
#include <math.h>

#include "compare_report.h"

static void
compare_text_item(const struct prf_compared *item, FILE *out)
{
    fprintf(out, "%s  %s  %s  ", item->case_id, item->profiler,
            item->metric == NULL ? "-" : item->metric);
    if (item->uncompared != PRF_COMPARED) {
        fprintf(out, "%s\n", item->why == NULL ? "not compared" : item->why);
        return;
    }
    const struct prf_change *c = &item->change;
    fprintf(out, "%+.1f%% (%+.1f%% to %+.1f%%)  %s (p=%.3g n=%zu+%zu)%s\n",
            100.0 * (c->ratio - 1.0), 100.0 * (c->ci_low - 1.0),
            100.0 * (c->ci_high - 1.0),
            prf_verdict_name(c->verdict, item->unit, c->better), c->p_value, c->n_base,
            c->n_next, item->source_changed ? "  [source changed]" : "");
}

static int
compare_text_write(const struct prf_comparison *comparison,
                   const struct prf_compare_report_options *options, FILE *out,
                   struct prf_error *err)
{
    (void)err;
    fprintf(out, "%s -> %s\n", comparison->base.name, comparison->next.name);
    for (size_t i = 0; i < options->n; i++) {
        compare_text_item(options->items[i], out);
    }
    return 0;
}

const struct prf_compare_format prf_compare_text = {
    .name = "text",
    .extension = ".txt",
    .summary = "a table for a terminal",
    .write = compare_text_write,
};
