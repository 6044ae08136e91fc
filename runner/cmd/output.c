/* Options of the commands that write stored results; see output.h. */
#include "output.h"

#include <stddef.h>

#define AT(field) offsetof(struct prf_output_options, field)

const struct prf_option prf_output_table[] = {
    {PRF_OPT_STRING, 'o', "output", NULL, AT(output), .unit = "FILE",
     .help = "write there; -: standard output"},
    {PRF_OPT_FLAG, 'f', "force", NULL, AT(force), .help = "overwrite the output file"},
    {PRF_OPT_STRING, 0, "sort", NULL, AT(sort), .unit = "COLUMN",
     .help = "what tables of functions are sorted by"},
    {PRF_OPT_UINT, 0, "top-k", NULL, AT(top_k), .unit = "N",
     .help = "rows of a table, functions of a picture; 0: all"},
    {PRF_OPT_FLAG, 0, "strip-dirs", NULL, AT(strip_dirs),
     .help = "file names without folders"},
    {PRF_OPT_CHOICE, 0, "time-unit", "units", AT(time_unit), .choices = "s|ms|us|ns",
     .help = "unit of times; chosen per table without it"},
    PRF_OPTIONS_END,
};

const struct prf_option prf_output_store_table[] = {
    {PRF_OPT_STRING, 0, "store", NULL, AT(store), .unit = "FILE",
     .help = "where the results are [.pyprofiler/results.db at the repository's root]"},
    PRF_OPTIONS_END,
};

struct prf_export_options
prf_output_of_export(const struct prf_output_options *o)
{
    return (struct prf_export_options){.sort = o->sort,
                                       .top_k = o->top_k,
                                       .strip_dirs = o->strip_dirs,
                                       .time_unit = o->time_unit};
}
