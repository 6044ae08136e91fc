/* Options of the commands that write stored results. */
#ifndef PRF_OUTPUT_H
#define PRF_OUTPUT_H

#include <stdbool.h>
#include <stdint.h>

#include <pyprofiler/options.h>

#include "exporter.h"

struct prf_output_options {
    char *output, *sort, *time_unit, *store;
    uint64_t top_k;
    bool force, strip_dirs;
};

/* Where to, and how tables look; offsets are in struct prf_output_options. */
extern const struct prf_option prf_output_table[];
/* Where from. */
extern const struct prf_option prf_output_store_table[];

/* What an exporter is told; borrows from `o`. */
struct prf_export_options prf_output_of_export(const struct prf_output_options *o);

#endif
