/* The formats, one file each; exporters.c lists them. */
#ifndef PRF_FORMATS_H
#define PRF_FORMATS_H

#include "exporter.h"
#include "strbuf.h"

extern const struct prf_exporter prf_exporter_text;
extern const struct prf_exporter prf_exporter_json;
extern const struct prf_exporter prf_exporter_csv;
extern const struct prf_exporter prf_exporter_markdown;
extern const struct prf_exporter prf_exporter_html;
extern const struct prf_exporter prf_exporter_pstats;
extern const struct prf_exporter prf_exporter_callgrind;
extern const struct prf_exporter prf_exporter_collapsed;
extern const struct prf_exporter prf_exporter_speedscope;
extern const struct prf_exporter prf_exporter_chrometrace;
extern const struct prf_exporter prf_exporter_perfetto;
extern const struct prf_exporter prf_exporter_flamegraph;
extern const struct prf_exporter prf_exporter_dot;
extern const struct prf_exporter prf_exporter_svg;
extern const struct prf_exporter prf_exporter_png;
extern const struct prf_exporter prf_exporter_pdf;
extern const struct prf_exporter prf_exporter_mprof;

/* What a call profile (pstats, callgrind, the familiar table) needs of the sites. */
extern const char *const prf_call_columns[];

/* Where those columns are in a table; false: it has not all of them. */
struct prf_call_index {
    int calls, primitive, own, cumulative;
};
bool prf_call_index(const struct prf_table *table, struct prf_call_index *out);

/* The same for formats to which calls are a number beside the times: of a sampled
   profile it is that of the samples. */
bool prf_cost_index(const struct prf_table *table, struct prf_call_index *out);

/* Column of the tree that stack formats weigh by: own time, else the first amount that
   is no count, else the first. -1: the tree has none. */
int prf_stack_column(const struct prf_tree *tree);

/* The name of a frame in stack formats, "file:Class.function", on one line. */

void prf_frame_add(struct prf_strbuf *sb, const struct prf_function *code,
                   bool strip_dirs);

#endif
