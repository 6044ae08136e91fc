/* Format "svg": who calls whom, as a picture for a browser. */
#include "formats.h"
#include "graph_model.h"

const struct prf_exporter prf_exporter_svg = {
    .name = "svg",
    .extension = ".svg",
    .summary = "who calls whom, as a picture for a browser",
    .needs = PRF_MODEL_SITES | PRF_MODEL_EDGES,
    .columns = prf_call_columns,
    .write = prf_graph_svg,
    .single = true,
};
