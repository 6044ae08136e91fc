/* Results for people: tables on a terminal, one look for all commands. Writes to the
   FILE it is given and knows no command. */
#ifndef PRF_REPORT_H
#define PRF_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "exporter.h"
#include "result.h"
#include "text.h"  /* struct prf_style */
#include "units.h" /* prf_format_time, prf_format_bytes */

enum prf_color_mode { PRF_COLOR_AUTO, PRF_COLOR_ALWAYS, PRF_COLOR_NEVER };

/* --color and the environment: NO_COLOR (non-empty) wins over all but an explicit
   --color=always; then FORCE_COLOR, CLICOLOR_FORCE; off when `fd` is no terminal or
   TERM=dumb. */
bool prf_color_enabled(enum prf_color_mode mode, int fd);

/* Does the environment's locale say UTF-8 (LC_ALL, LC_CTYPE, LANG)? prf_style.ascii is
   its opposite. */
bool prf_unicode_enabled(void);

/* One line for a finished case: mark, id, profiler, headline figure, reason. */
void prf_report_case_line(FILE *out, const struct prf_style *style,
                          const struct prf_result *result);

/* The whole of one result: its tables (stopwatch figures with marks, the pstats-like
   function table, ...), notes, traceback and output on failure. */
int prf_report_result(FILE *out, const struct prf_style *style,
                      const struct prf_result *result,
                      const struct prf_export_options *options, struct prf_error *err);

struct prf_clause;

/* A clause of a budget that is broken or could not be judged, as a line of its own
   after `indent` blanks; one that is kept only from verbosity 1 on. */
void prf_report_clause(FILE *out, const struct prf_style *style, int indent,
                       const struct prf_clause *clause);

struct prf_totals {
    size_t n[6]; /* by enum prf_status */
    int64_t duration_ns;
};

/* "5 ok, 1 failed, 2 skipped in 1.3 s" */
void prf_report_summary(FILE *out, const struct prf_style *style,
                        const struct prf_totals *totals);

/* Commit, branch, dirty, Python, machine: the head of a report. */
void prf_report_head(FILE *out, const struct prf_style *style,
                     const struct prf_run *run);

#endif
