/* A result as text: the tables of the terminal report and of the format "text". Which
   tables a result gets depends on the models and columns it has, never on the name of
   its profiler. Whatever came from a program is printed with its control characters
   made visible. Functions that return int give PRF_ENOMEM, or PRF_EUSAGE for a sort key
   that is not known. */
#ifndef PRF_TEXT_H
#define PRF_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "exporter.h"
#include "label.h"
#include "result.h"

struct prf_style {
    bool color;
    int width;     /* columns of the terminal, 80 when unknown, 0: no limit */
    int verbosity; /* -1 quiet, 0, 1 ... */
    bool ascii;    /* the terminal shows nothing else */
};

enum prf_paint { PRF_PLAIN, PRF_BOLD, PRF_DIM, PRF_RED, PRF_GREEN, PRF_YELLOW };

/* The escape that starts a colour (PRF_PLAIN: ends it), "" without colours. */
const char *prf_paint(const struct prf_style *style, enum prf_paint paint);

/* What a table writes to and how; passed to each of them. */
struct prf_text {
    FILE *out;
    const struct prf_style *style;
    const struct prf_export_options *options;
};

/* Print text that came from a program. */
void prf_text_put(const struct prf_text *text, const char *what,
                  enum prf_visible lines);

/* Print it `width` columns wide, filled up with blanks at its end. */
void prf_text_put_padded(const struct prf_text *text, const char *what, size_t width);

/* Print a site's name, shortened to what a line has left after `used` columns. */
void prf_text_put_site(const struct prf_text *text, const struct prf_profile *profile,
                       struct prf_key key, size_t used);

/* The table of cProfile, and (from verbosity 1 on) who called whom. The sites must have
   prf_call_columns. */
int prf_text_calls(const struct prf_text *text, const struct prf_profile *profile,
                   struct prf_error *err);

/* Sites with whatever columns they have. */
int prf_text_sites(const struct prf_text *text, const struct prf_profile *profile,
                   struct prf_error *err);

/* Functions line by line with their source, as line_profiler and memory_profiler show
   them. False: the sites have neither's columns. */
bool prf_text_has_lines(const struct prf_profile *profile);
int prf_text_lines(const struct prf_text *text, const struct prf_profile *profile,
                   struct prf_error *err);

/* Statistics of the metrics, their distribution and how they were measured. */
int prf_text_metrics(const struct prf_text *text, const struct prf_profile *profile,
                     struct prf_error *err);

void prf_text_marks(const struct prf_text *text, const struct prf_profile *profile);
void prf_text_series(const struct prf_text *text, const struct prf_profile *profile);

/* Snapshots of what was held: a list, the statistics that `options` (a result's, JSON or
   NULL) ask for, the traceback of the peak. PRF_EUSAGE: a snapshot that there is not. */
int prf_text_snapshots(const struct prf_text *text, const struct prf_profile *profile,
                       const char *options, struct prf_error *err);

/* One block character for each count, relative to the largest. */
void prf_text_bars(const struct prf_text *text, const double *heights, size_t n);

/* The whole of a result: heading, failure with traceback and output, tables, notes. */
int prf_text_result(const struct prf_text *text, const struct prf_result *result,
                    struct prf_error *err);

#endif
