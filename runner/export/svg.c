/* Format "svg": the picture that fits what a result has; curves over time as a plot. */
#include "formats.h"
#include "plot.h"

static int
svg_write(const struct prf_run *run, const struct prf_result *const *results, size_t n,
          const struct prf_export_options *options, FILE *out, struct prf_error *err)
{
    (void)run;
    (void)n;
    (void)options;
    (void)err;
    prf_plot_svg(results[0], out);
    return 0;
}

const struct prf_exporter prf_exporter_svg = {
    .name = "svg",
    .extension = ".svg",
    .summary = "a picture: curves over time with their marks",
    .needs_any = PRF_MODEL_SERIES,
    .write = svg_write,
    .single = true,
};
