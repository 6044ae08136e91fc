/* Functions line by line: the table of line_profiler (hits, time) or of memory_profiler
   (usage, increment, occurrences), which of them the columns say. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "formats.h"
#include "order.h"
#include "sources.h"
#include "text.h"
#include "units.h"

#define LINES_COLUMNS 3
#define LINES_CELL 64

struct lines_table {
    const struct prf_text *text;
    const struct prf_profile *profile;
    const struct lines_kind *kind;
    int at[LINES_COLUMNS]; /* of the kind's columns in the sites; -1: not there */
    struct prf_scale scale[LINES_COLUMNS];
    uint32_t *rows;             /* of lines, by function and line */
    size_t n_rows;              /* those that are no line left out */
    struct prf_table functions; /* one row each, sums of its lines */
};

/* A function and what its lines come to. */
struct lines_function {
    const struct prf_function *code;
    const struct prf_source *source; /* or NULL */
    const uint32_t *rows;
    size_t n;
    int64_t total[LINES_COLUMNS];
};

struct lines_kind {
    const char *columns[LINES_COLUMNS]; /* NULL: it has no more */
    bool largest[LINES_COLUMNS];        /* of several values the largest, not the sum */
    const char *heading;
    void (*scale)(struct lines_table *t);
    void (*put_top)(const struct lines_table *t); /* above all functions; or NULL */
    void (*put_head)(const struct lines_table *t, const struct lines_function *f);
    /* What stands before the source; `values` NULL: the line did not run. */
    void (*put_cells)(const struct lines_table *t, const struct lines_function *f,
                      const int64_t *values);
};

/* ---- hits and time ---- */

enum { LINES_HITS, LINES_TIME };

static double
lines_largest(const struct lines_table *t, int column)
{
    double largest = 0;
    for (size_t i = 0; i < t->n_rows; i++) {
        size_t width = t->profile->sites.n_columns;
        int64_t value =
            t->profile->sites.values[t->rows[i] * width + (size_t)t->at[column]];
        largest = fmax(largest, fabs((double)value));
    }
    return largest;
}

static void
lines_scale_time(struct lines_table *t)
{
    const char *unit = t->text->options->time_unit;
    /* Microseconds, as its users know it, unless that shows nothing of a long case. */
    bool is_long = lines_largest(t, LINES_TIME) >= 1e10;
    t->scale[LINES_TIME] =
        prf_scale_for("ns", 0, unit ? unit : (is_long ? "ms" : "us"));
}

static void
lines_put_timer(const struct lines_table *t)
{
    fprintf(t->text->out, "Timer unit: %g s\n", t->scale[LINES_TIME].divisor / 1e9);
}

static void
lines_put_place(const struct lines_table *t, const char *word,
                const struct lines_function *f)
{
    fprintf(t->text->out, "%s: ", word);
    prf_text_put(t->text, prf_code_file(f->code, t->text->options->strip_dirs),
                 PRF_VISIBLE_LINE);
    fputs("\nFunction: ", t->text->out);
    prf_text_put(t->text, f->code->qualname, PRF_VISIBLE_LINE);
    fprintf(t->text->out, " at line %" PRIu32 "\n", f->code->first_line);
}

static void
lines_put_time_head(const struct lines_table *t, const struct lines_function *f)
{
    fprintf(t->text->out, "Total time: %g s\n", (double)f->total[LINES_TIME] / 1e9);
    lines_put_place(t, "File", f);
}

static void
lines_put_time_cells(const struct lines_table *t, const struct lines_function *f,
                     const int64_t *values)
{
    double divisor = t->scale[LINES_TIME].divisor;
    if (values == NULL) {
        fprintf(t->text->out, " %9s %12s %8s %8s", "", "", "", "");
        return;
    }
    double time = (double)values[LINES_TIME], total = (double)f->total[LINES_TIME];
    fprintf(t->text->out, " %9" PRId64 " %12.1f", values[LINES_HITS], time / divisor);
    if (values[LINES_HITS] > 0) {
        fprintf(t->text->out, " %8.1f", time / divisor / (double)values[LINES_HITS]);
    } else {
        fprintf(t->text->out, " %8s", "");
    }
    fprintf(t->text->out, " %8.1f", total > 0 ? 100.0 * time / total : 0.0);
}

/* ---- usage, increment and occurrences ---- */

enum { LINES_USAGE, LINES_INCREMENT, LINES_OCCURRENCES };

/* MiB, as its users know it, unless that shows nothing. */
static void
lines_scale_bytes(struct lines_table *t)
{
    for (int c = LINES_USAGE; c <= LINES_INCREMENT; c++) {
        double largest = lines_largest(t, c);
        t->scale[c] = largest == 0 || largest >= 102400.0
                          ? (struct prf_scale){1048576.0, 3, "MiB"}
                          : (struct prf_scale){1024.0, 3, "KiB"};
    }
}

static void
lines_put_bytes_head(const struct lines_table *t, const struct lines_function *f)
{
    lines_put_place(t, "Filename", f);
}

static void
lines_put_bytes(const struct lines_table *t, int column, int64_t bytes)
{
    fprintf(t->text->out, " %8.3f %s", (double)bytes / t->scale[column].divisor,
            t->scale[column].suffix);
}

static void
lines_put_bytes_cells(const struct lines_table *t, const struct lines_function *f,
                      const int64_t *values)
{
    (void)f;
    if (values == NULL) {
        fprintf(t->text->out, " %12s %12s %12s ", "", "", "");
        return;
    }
    lines_put_bytes(t, LINES_USAGE, values[LINES_USAGE]);
    lines_put_bytes(t, LINES_INCREMENT, values[LINES_INCREMENT]);
    fprintf(t->text->out, " %12" PRId64 " ", values[LINES_OCCURRENCES]);
}

static const struct lines_kind lines_kinds[] = {
    {
        .columns = {"hits", "time"},
        .heading = "Line #      Hits         Time  Per Hit   % Time  Line Contents",
        .scale = lines_scale_time,
        .put_top = lines_put_timer,
        .put_head = lines_put_time_head,
        .put_cells = lines_put_time_cells,
    },
    {
        .columns = {"usage", "increment", "occurrences"},
        .largest = {true, false, false},
        .heading = "Line #    Mem usage    Increment  Occurrences   Line Contents",
        .scale = lines_scale_bytes,
        .put_head = lines_put_bytes_head,
        .put_cells = lines_put_bytes_cells,
    },
};

/* ---- both ---- */

static bool
lines_find_columns(const struct prf_table *sites, const struct lines_kind *kind,
                   int at[LINES_COLUMNS])
{
    for (int c = 0; c < LINES_COLUMNS; c++) {
        at[c] = kind->columns[c] ? prf_column_find(sites->columns, sites->n_columns,
                                                   kind->columns[c])
                                 : -1;
        if (kind->columns[c] != NULL && at[c] < 0) {
            return false;
        }
    }
    return true;
}

static const struct lines_kind *
lines_find_kind(const struct prf_table *sites, int at[LINES_COLUMNS])
{
    for (size_t i = 0; i < sizeof lines_kinds / sizeof *lines_kinds; i++) {
        if (lines_find_columns(sites, &lines_kinds[i], at)) {
            return &lines_kinds[i];
        }
    }
    return NULL;
}

bool
prf_text_has_lines(const struct prf_profile *profile)
{
    int at[LINES_COLUMNS];
    return lines_find_kind(&profile->sites, at) != NULL;
}

static void
lines_add(const struct lines_table *t, int64_t *sum, const int64_t *values)
{
    for (int c = 0; c < LINES_COLUMNS && t->at[c] >= 0; c++) {
        int64_t value = values[t->at[c]];
        if (!t->kind->largest[c]) {
            sum[c] += value;
        } else if (value > sum[c]) {
            sum[c] = value;
        }
    }
}

static const int64_t *
lines_values(const struct lines_table *t, uint32_t row)
{
    return t->profile->sites.values + row * t->profile->sites.n_columns;
}

static int
lines_compare(const void *left, const void *right, void *arg)
{
    const struct prf_key *keys = arg;
    uint32_t i = *(const uint32_t *)left, k = *(const uint32_t *)right;
    if (keys[i].code != keys[k].code) {
        return keys[i].code < keys[k].code ? -1 : 1;
    }
    return (keys[i].other > keys[k].other) - (keys[i].other < keys[k].other);
}

/* The rows of lines in order, and the functions they make up. */
static int
lines_group(struct lines_table *t, struct prf_error *err)
{
    const struct prf_table *sites = &t->profile->sites;
    struct prf_table *f = &t->functions;
    f->columns = sites->columns;
    f->n_columns = sites->n_columns;
    t->rows = calloc(sites->n + 1, sizeof *t->rows);
    f->keys = calloc(sites->n + 1, sizeof *f->keys);
    f->values = calloc((sites->n + 1) * (sites->n_columns + 1), sizeof *f->values);
    if (t->rows == NULL || f->keys == NULL || f->values == NULL) {
        return prf_fail(err, PRF_ENOMEM, "out of memory");
    }
    for (size_t i = 0; i < sites->n; i++) {
        if (sites->keys[i].other != 0) {
            t->rows[t->n_rows++] = (uint32_t)i;
        }
    }
    qsort_r(t->rows, t->n_rows, sizeof *t->rows, lines_compare, sites->keys);
    for (size_t i = 0; i < t->n_rows; i++) {
        uint32_t code = sites->keys[t->rows[i]].code;
        if (f->n == 0 || f->keys[f->n - 1].code != code) {
            f->keys[f->n++] = (struct prf_key){.code = code};
        }
        int64_t sum[LINES_COLUMNS] = {0};
        int64_t *values = f->values + (f->n - 1) * f->n_columns;
        for (int c = 0; c < LINES_COLUMNS && t->at[c] >= 0; c++) {
            sum[c] = values[t->at[c]];
        }
        lines_add(t, sum, lines_values(t, t->rows[i]));
        for (int c = 0; c < LINES_COLUMNS && t->at[c] >= 0; c++) {
            values[t->at[c]] = sum[c];
        }
    }
    return 0;
}

static struct lines_function
lines_function(const struct lines_table *t, uint32_t index)
{
    const struct prf_key *keys = t->profile->sites.keys;
    uint32_t code = t->functions.keys[index].code;
    struct lines_function f = {.code = prf_row_code(t->profile, code),
                               .source = prf_source_find(t->profile, code)};
    size_t i = 0;
    while (i < t->n_rows && keys[t->rows[i]].code != code) {
        i++;
    }
    f.rows = t->rows + i;
    while (i + f.n < t->n_rows && keys[f.rows[f.n]].code == code) {
        f.n++;
    }
    lines_add(t, f.total, t->functions.values + index * t->functions.n_columns);
    return f;
}

/* One line: its cells (when it ran), then `source` up to its end. */
static void
lines_put_line(const struct lines_table *t, const struct lines_function *f,
               uint32_t line, const int64_t *values, const char *source)
{
    FILE *out = t->text->out;
    size_t len = strcspn(source, "\r\n");
    fprintf(out, "%6" PRIu32, line);
    if (values != NULL || len > 0) {
        t->kind->put_cells(t, f, values);
    }
    char *text = strndup(source, len);
    if (text != NULL && len > 0) {
        fputs("  ", out);
        prf_text_put(t->text, text, PRF_VISIBLE_LINES);
    }
    free(text);
    fputc('\n', out);
}

/* The sum of the rows of `line` from f->rows[*next] on; NULL: it has none. */
static const int64_t *
lines_take(const struct lines_table *t, const struct lines_function *f, size_t *next,
           uint32_t line, int64_t sum[LINES_COLUMNS])
{
    const struct prf_key *keys = t->profile->sites.keys;
    bool any = false;
    memset(sum, 0, LINES_COLUMNS * sizeof *sum);
    for (; *next < f->n && keys[f->rows[*next]].other == line; ++*next) {
        lines_add(t, sum, lines_values(t, f->rows[*next]));
        any = true;
    }
    return any ? sum : NULL;
}

static const char *
lines_next_source(const char *source)
{
    const char *end = strchr(source, '\n');
    return end ? end + 1 : source + strlen(source);
}

static void
lines_put_function(const struct lines_table *t, const struct lines_function *f)
{
    const struct prf_key *keys = t->profile->sites.keys;
    const char *source = f->source ? f->source->text : "";
    uint32_t line = f->source ? f->source->first_line : 0;
    int64_t sum[LINES_COLUMNS];
    size_t next = 0;
    fputc('\n', t->text->out);
    t->kind->put_head(t, f);
    fprintf(t->text->out, "\n%s%s%s\n", prf_paint(t->text->style, PRF_BOLD),
            t->kind->heading, prf_paint(t->text->style, PRF_PLAIN));
    for (size_t i = 0; i < strlen(t->kind->heading); i++) {
        fputc('=', t->text->out);
    }
    fputc('\n', t->text->out);
    while (*source != '\0' || next < f->n) {
        uint32_t row_line = next < f->n ? keys[f->rows[next]].other : UINT32_MAX;
        bool in_source = *source != '\0' && line <= row_line;
        uint32_t at = in_source ? line : row_line;
        const int64_t *values = lines_take(t, f, &next, at, sum);
        lines_put_line(t, f, at, values, in_source ? source : "");
        if (in_source) {
            source = lines_next_source(source);
            line++;
        }
    }
}

static void
lines_put_all(const struct lines_table *t, const uint32_t *order, size_t n)
{
    if (t->kind->put_top != NULL) {
        fputc('\n', t->text->out);
        t->kind->put_top(t);
    }
    for (size_t i = 0; i < n; i++) {
        struct lines_function f = lines_function(t, order[i]);
        lines_put_function(t, &f);
    }
    if (n < t->functions.n) {
        fprintf(t->text->out, "\n  (%zu of %zu functions)\n", n, t->functions.n);
    }
}

int
prf_text_lines(const struct prf_text *text, const struct prf_profile *profile,
               struct prf_error *err)
{
    struct lines_table t = {.text = text, .profile = profile};
    uint32_t *order = NULL;
    size_t n = 0;
    t.kind = lines_find_kind(&profile->sites, t.at);
    if (t.kind == NULL) {
        PRF_BUG("a table of lines without their columns");
    }
    int rc = lines_group(&t, err);
    if (rc == 0) {
        rc = prf_order_rows(profile, &t.functions, text->options, "stdname", &order, &n,
                            err);
    }
    if (rc == 0) {
        t.kind->scale(&t);
        lines_put_all(&t, order, n);
    }
    free(order);
    free(t.rows);
    free(t.functions.keys);
    free(t.functions.values);
    return rc;
}
