/* A history as a document: a chart and a table for people, data for machines, a
   picture. Each format is one entry of a table. Writes to the FILE it is given and
   knows no command. */
#ifndef PRF_HISTORY_REPORT_H
#define PRF_HISTORY_REPORT_H

#include <stddef.h>
#include <stdio.h>

#include <pyprofiler/error.h>

#include "history.h"
#include "strbuf.h"
#include "text.h"  /* struct prf_style */
#include "units.h" /* prf_format_amount, struct prf_scale */

struct prf_history_options {
    const struct prf_style *style;
    const char *time_unit; /* or NULL: what fits */
    size_t n_rows;         /* of the table for people, the newest; 0: all */
};

struct prf_history_format {
    const char *name;      /* "json" */
    const char *extension; /* ".json": chooses the format of -o FILE */
    const char *summary;   /* one line, lower case */
    /* PRF_ENOMEM; what cannot be written is found by who closes the file. */
    int (*write)(const struct prf_history *history,
                 const struct prf_history_options *options, FILE *out,
                 struct prf_error *err);
};

/* In the order of the help; ends with NULL. */
extern const struct prf_history_format *const prf_history_formats[];

/* The format of that name, or (name NULL) of the file's extension, else text.
   PRF_EUSAGE: none is called so; the text has a suggestion or lists them. */
int prf_history_format_find(const char *name, const char *file,
                            const struct prf_history_format **out,
                            struct prf_error *err);

/* One for each file of a format. */
extern const struct prf_history_format prf_history_text, prf_history_json,
    prf_history_csv, prf_history_markdown, prf_history_svg;

/* ---- shared by the formats ---- */

#define PRF_DATE_TEXT 16

/* "2026-01-31" in UTC; "-" when it is not known. Returns `buf`. */
const char *prf_history_date(int64_t time, char *buf, size_t size);

/* The step that begins at that point, or NULL. */
const struct prf_history_step *
prf_history_step_at(const struct prf_history_series *series, size_t point);

/* The point of that place, or PRF_HISTORY_NONE. */
size_t prf_history_point_at(const struct prf_history_series *series, size_t place);

/* "slower", "smaller", ... */
const char *prf_history_step_word(const struct prf_history_series *series,
                                  const struct prf_history_step *step);

/* "+12.3%", "-100%", "x12.5" (from ten times on) for a ratio. Returns `buf`. */
const char *prf_history_change(double ratio, char *buf, size_t size);

/* The command that finds which commit made the step, for a shell. */
void prf_history_add_bisect(struct prf_strbuf *sb, const struct prf_history *history,
                            const struct prf_history_series *series,
                            const struct prf_history_step *step);

/* What is not shown and why, one sentence a line. */
void prf_history_add_notes(struct prf_strbuf *sb, const struct prf_history *history);

/* Machine, Python, options of a series: "box · Python 3.12.1 (embed)". */
void prf_history_add_setting(struct prf_strbuf *sb,
                             const struct prf_history_setting *setting,
                             const char *separator);

/* The chart of one series for a terminal, history_chart.c. */
void prf_history_chart(const struct prf_history *history,
                       const struct prf_history_series *series,
                       const struct prf_history_options *options, FILE *out);

#endif
