/* What is told of a script that was run: figures, hotspots, suggestions, and the
   comparison with the runs of it before. A model that is filled, judged and rendered as
   text, JSON or HTML; it knows neither the store nor the command line. Works for any
   result. */
#ifndef PRF_SCRIPT_REPORT_H
#define PRF_SCRIPT_REPORT_H

#include <stdbool.h>
#include <stdio.h>

#include "arena.h"
#include "hotspots.h"
#include "previous.h"
#include "result.h"
#include "text.h" /* struct prf_style */

#define PRF_SCRIPT_HOTSPOTS 5 /* that are shown, and compared */

enum prf_script_figure_id {
    PRF_SCRIPT_WALL, /* ns */
    PRF_SCRIPT_CPU,  /* ns, with the children that were waited for */
    PRF_SCRIPT_LOAD, /* average CPU, percent of one processor */
    PRF_SCRIPT_PEAK, /* bytes */
    PRF_SCRIPT_FIGURES,
};

struct prf_script_figure {
    const char *name;  /* of the metric: "wall_time" */
    const char *label; /* for people: "wall time" */
    const char *unit;
    enum prf_better better; /* NONE: it is not judged */
    double value;           /* NAN: not known */
};

/* What a rule found. */
struct prf_suggestion {
    const char *rule;   /* its name: "dominant-function" */
    const char *seen;   /* with figures, a sentence */
    const char *advice; /* what to try, a sentence */
    const char *file;   /* where, or NULL */
    uint32_t line;      /* 0: no line */
};

/* A quantity of the run and of those before it. */
struct prf_script_row {
    const char *name; /* "wall_time", "own", "total" */
    const char *unit;
    const struct prf_hotspot *hotspot; /* whose it is, NULL: of the whole run */
    enum prf_better better;
    double *earlier; /* by earlier run, newest first; NAN: that run has none */
    struct prf_previous judged;
};

struct prf_script_earlier {
    const char *result_id;
    int64_t started_ns;
    const char *commit; /* NULL: none */
    bool dirty;
    const char *hash; /* of the source, NULL: not known */
};

struct prf_script_comparison {
    const char *none; /* why there is none, for people; NULL: there is one */
    double threshold;
    struct prf_script_earlier *earlier; /* newest first */
    size_t n_earlier, room;
    struct prf_script_row *rows; /* figures, then hotspots */
    size_t n_rows;
    size_t n_regressions, n_improvements;
    bool source_changed;  /* since the newest earlier run whose source is known */
    size_t source_before; /* that run */
};

struct prf_script_report {
    struct prf_arena arena;
    const struct prf_run *run;       /* borrowed */
    const struct prf_result *result; /* borrowed */
    struct prf_script_figure figures[PRF_SCRIPT_FIGURES];
    struct prf_hotspots hotspots;
    struct prf_suggestion *suggestions; /* the weightiest first */
    size_t n_suggestions;
    struct prf_script_comparison comparison;
    const char *json_path, *html_path; /* files that were written, or NULL */
    bool kept;                         /* it is in the store */
};

/* Figures, hotspots and suggestions; no comparison yet. `room`: for how many earlier
   runs. Release it in any case. PRF_ENOMEM. */
int prf_script_report_init(struct prf_script_report *report, const struct prf_run *run,
                           const struct prf_result *result, size_t room,
                           struct prf_error *err);
void prf_script_report_release(struct prf_script_report *report);

/* The columns of the hotspots, ending with a NULL: which amounts an earlier run is
   asked for. Own before total; the amounts of earlier runs come in that order. */
size_t prf_script_columns(const struct prf_script_report *report,
                          const char *columns[3]);

/* An earlier run, the newest first: its result with metrics, and the amounts of the
   hotspots' functions, [hotspot * columns + column], NAN where there is none. More than
   there is room for are left out. PRF_ENOMEM. */
int prf_script_report_add(struct prf_script_report *report, const struct prf_run *run,
                          const struct prf_result *result, const double *amounts,
                          struct prf_error *err);

/* After the last one. `threshold`: 0.1 is ten per cent. PRF_ENOMEM. */
int prf_script_report_judge(struct prf_script_report *report, double threshold,
                            struct prf_error *err);

/* For people, on a terminal; quiet: the regressions alone. */
void prf_script_report_text(FILE *out, const struct prf_style *style,
                            const struct prf_script_report *report);

/* Schema "pyprofiler/script/1": the members of "pyprofiler/run/1", and "summary",
   "hotspots", "suggestions", "comparison". PRF_ENOMEM. */
int prf_script_report_json(FILE *out, const struct prf_script_report *report,
                           struct prf_error *err);

/* One file, offline, light and dark. PRF_ENOMEM. */
int prf_script_report_html(FILE *out, const struct prf_script_report *report,
                           struct prf_error *err);

/* "own time of fib", "peak memory": what a row is of. Appends to `sb`, whatever is in
   it. */
void prf_script_row_label(struct prf_strbuf *sb, const struct prf_script_report *report,
                          const struct prf_script_row *row);

/* "+12.3 %" of a ratio. Returns `buf`. */
const char *prf_script_percent(double ratio, char *buf, size_t size);

#endif
