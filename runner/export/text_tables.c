/* Tables for whatever columns a profiler declared: sites and marks. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "order.h"
#include "text.h"
#include "units.h"

#define TABLES_CELL 48 /* room for a heading or a figure */

struct tables_column {
    struct prf_scale scale;
    char heading[TABLES_CELL];
    int width;
};

static void
tables_format(const struct tables_column *column, int64_t value, char *buf, size_t size)
{
    if (column->scale.divisor == 1.0 && column->scale.decimals == 0) {
        snprintf(buf, size, "%" PRId64, value); /* a double does not hold them all */
    } else {
        snprintf(buf, size, "%.*f", column->scale.decimals,
                 (double)value / column->scale.divisor);
    }
}

/* "own_ns" of unit ns in milliseconds: "own [ms]". */
static void
tables_name(struct tables_column *column, const struct prf_column *declared)
{
    size_t len = strlen(declared->name), unit = strlen(declared->unit);
    if (len > unit + 1 && declared->name[len - unit - 1] == '_' &&
        strcmp(declared->name + len - unit, declared->unit) == 0) {
        len -= unit + 1;
    }
    const char *suffix = column->scale.suffix;
    snprintf(column->heading, sizeof column->heading, "%.*s%s%s%s",
             len < 32 ? (int)len : 32, declared->name, suffix[0] ? " [" : "", suffix,
             suffix[0] ? "]" : "");
}

static void
tables_measure(struct tables_column *column, const struct prf_text *text,
               const struct prf_table *table, size_t c)
{
    double largest = 0;
    char cell[TABLES_CELL];
    for (size_t i = 0; i < table->n; i++) {
        largest = fmax(largest, fabs((double)table->values[i * table->n_columns + c]));
    }
    column->scale =
        prf_scale_for(table->columns[c].unit, largest, text->options->time_unit);
    tables_name(column, &table->columns[c]);
    column->width = (int)prf_text_width(column->heading);
    for (size_t i = 0; i < table->n; i++) {
        tables_format(column, table->values[i * table->n_columns + c], cell,
                      sizeof cell);
        column->width =
            (int)strlen(cell) > column->width ? (int)strlen(cell) : column->width;
    }
}

static void
tables_put_rows(const struct prf_text *text, const struct prf_profile *p,
                const struct tables_column *columns, const uint32_t *rows, size_t n)
{
    const struct prf_table *sites = &p->sites;
    char cell[TABLES_CELL];
    size_t used = 2;
    fprintf(text->out, "\n%s", prf_paint(text->style, PRF_BOLD));
    for (size_t c = 0; c < sites->n_columns; c++) {
        fprintf(text->out, "  %*s", columns[c].width, columns[c].heading);
        used += (size_t)columns[c].width + 2;
    }
    fprintf(text->out, "  site%s\n", prf_paint(text->style, PRF_PLAIN));
    for (size_t i = 0; i < n; i++) {
        const int64_t *values = sites->values + rows[i] * sites->n_columns;
        for (size_t c = 0; c < sites->n_columns; c++) {
            tables_format(&columns[c], values[c], cell, sizeof cell);
            fprintf(text->out, "  %*s", columns[c].width, cell);
        }
        fputs("  ", text->out);
        prf_text_put_site(text, p, sites->keys[rows[i]], used);
        fputc('\n', text->out);
    }
}

int
prf_text_sites(const struct prf_text *text, const struct prf_profile *profile,
               struct prf_error *err)
{
    const struct prf_table *sites = &profile->sites;
    uint32_t *rows = NULL;
    size_t n = 0;
    struct tables_column *columns = calloc(sites->n_columns + 1, sizeof *columns);
    if (columns == NULL) {
        return prf_fail(err, PRF_ENOMEM, "out of memory");
    }
    int rc = prf_order_rows(profile, sites, text->options, prf_order_default(sites),
                            &rows, &n, err);
    if (rc == 0) {
        for (size_t c = 0; c < sites->n_columns; c++) {
            tables_measure(&columns[c], text, sites, c);
        }
        tables_put_rows(text, profile, columns, rows, n);
        if (n < sites->n) {
            fprintf(text->out, "  (%zu of %zu sites)\n", n, sites->n);
        }
    }
    free(rows);
    free(columns);
    return rc;
}

static void
tables_put_mark(const struct prf_text *text, size_t index, size_t width,
                const struct prf_mark *mark, double divisor)
{
    fprintf(text->out, "  %5zu  ", index);
    prf_text_put_padded(text, mark->name, width);
    fprintf(text->out, "  %12.3f  %12.3f\n", mark->at_ns / divisor,
            mark->delta_ns / divisor);
}

void
prf_text_marks(const struct prf_text *text, const struct prf_profile *profile)
{
    static const struct prf_mark start = {.name = "start"};
    const struct prf_mark *marks = profile->marks;
    double largest = 0;
    size_t width = 10;
    char at[TABLES_CELL], delta[TABLES_CELL];
    for (size_t i = 0; i < profile->n_marks; i++) {
        size_t len = prf_text_width(marks[i].name);
        largest = fmax(largest, marks[i].at_ns);
        width = len > width ? len : width;
    }
    width = width > 40 ? 40 : width;
    struct prf_scale scale = prf_scale_for("ns", largest, text->options->time_unit);
    snprintf(at, sizeof at, "at [%s]", scale.suffix);
    snprintf(delta, sizeof delta, "delta [%s]", scale.suffix);
    fprintf(text->out, "\n%s  index  %-*s  %12s  %12s%s\n",
            prf_paint(text->style, PRF_BOLD), (int)width, "mark", at, delta,
            prf_paint(text->style, PRF_PLAIN));
    tables_put_mark(text, 0, width, &start, scale.divisor);
    for (size_t i = 0; i < profile->n_marks; i++) {
        tables_put_mark(text, i + 1, width, &marks[i], scale.divisor);
    }
}

void
prf_text_bars(const struct prf_text *text, const double *heights, size_t n)
{
    static const char *const bars[] = {" ",      "\u2581", "\u2582", "\u2583", "\u2584",
                                       "\u2585", "\u2586", "\u2587", "\u2588"};
    double largest = 0;
    for (size_t i = 0; i < n; i++) {
        largest = fmax(largest, heights[i]);
    }
    for (size_t i = 0; i < n; i++) {
        /* Rounded up: what is there is seen. */
        double level = heights[i] > 0 ? ceil(8.0 * heights[i] / largest) : 0.0;
        fputs(bars[level > 8.0 ? 8 : (size_t)level], text->out);
    }
}
