/* Format "svg": the picture that fits what a result has, curves over time or who calls
   whom. */
#include "formats.h"
#include "graph_model.h"
#include "plot.h"

static int
svg_write(const struct prf_run *run, const struct prf_result *const *results, size_t n,
          const struct prf_export_options *options, FILE *out, struct prf_error *err)
{
    struct prf_call_index calls;
    if ((prf_result_models(results[0]) & PRF_MODEL_SERIES) != 0) {
        prf_plot_svg(results[0], out);
        return 0;
    }
    if (!prf_cost_index(&results[0]->profile->sites, &calls)) {
        return prf_fail(err, PRF_EUNAVAILABLE,
                        "format 'svg' draws calls and times, and the result of '%s' has "
                        "other amounts",
                        results[0]->profiler);
    }
    return prf_graph_svg(run, results, n, options, out, err);
}

const struct prf_exporter prf_exporter_svg = {
    .name = "svg",
    .extension = ".svg",
    .summary = "a picture: curves over time with their marks, or who calls whom",
    .needs_any = PRF_MODEL_SERIES | PRF_MODEL_EDGES,
    .write = svg_write,
    .single = true,
};
