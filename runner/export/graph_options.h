/* How a graph is drawn, from what a result and an export say. */
#ifndef PRF_GRAPH_OPTIONS_H
#define PRF_GRAPH_OPTIONS_H

#include "graph_model.h"

/* Fill `out` (zeroed; release it with prf_graph_table, also after a failure).
   PRF_EUSAGE: a value of given->picture is not valid; PRF_ENOMEM. */
int prf_graph_options_read(struct prf_graph_options *out,
                           const struct prf_result *result,
                           const struct prf_export_options *given,
                           struct prf_error *err);

#endif
