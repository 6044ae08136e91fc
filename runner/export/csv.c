/* Format "csv" (RFC 4180): a row for each site, or for each metric and each point of a
   curve of a result that has no sites, or one row with the status alone. The columns of
   all results are merged. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <pyprofiler/stats.h>

#include "formats.h"
#include "label.h"
#include "order.h"

#define CSV_END "\r\n"
#define CSV_LEN(a) (sizeof(a) / sizeof *(a))

static const char *const csv_site_keys[] = {"file", "line", "function"};
static const char *const csv_metric_keys[] = {
    "metric", "unit", "value",  "ci95_low", "ci95_high", "n",   "min",
    "max",    "mean", "stddev", "q1",       "q3",        "p95", "p99",
};

/* Beside "metric", "unit" and "value". */
static const char *const csv_series_keys[] = {"process", "at_ns"};

struct csv_file {
    FILE *out;
    struct prf_strbuf text;
    const char **columns; /* of sites, in all results; borrowed */
    size_t n_columns;
    bool has_sites, has_metrics, has_series;
    bool failed;
};

static void
csv_put(struct csv_file *file, const char *text)
{
    prf_csv_add(file->out, text, &file->text);
}

static void
csv_put_next(struct csv_file *file, const char *text)
{
    putc(',', file->out);
    csv_put(file, text);
}

static void
csv_put_empty(struct csv_file *file, size_t n)
{
    while (n-- > 0) {
        putc(',', file->out);
    }
}

static bool
csv_has_sites(const struct prf_result *result)
{
    return result->profile != NULL && result->profile->sites.n > 0;
}

static bool
csv_has_metrics(const struct prf_result *result)
{
    return !csv_has_sites(result) && result->profile && result->profile->n_metrics > 0;
}

static bool
csv_has_series(const struct prf_result *result)
{
    return !csv_has_sites(result) && result->profile && result->profile->n_series > 0;
}

static bool
csv_knows_column(const struct csv_file *file, const char *name)
{
    for (size_t i = 0; i < file->n_columns; i++) {
        if (strcmp(file->columns[i], name) == 0) {
            return true;
        }
    }
    return false;
}

static int
csv_collect(struct csv_file *file, const struct prf_result *const *results, size_t n)
{
    size_t room = 0;
    for (size_t i = 0; i < n; i++) {
        file->has_sites |= csv_has_sites(results[i]);
        file->has_series |= csv_has_series(results[i]);
        file->has_metrics |= csv_has_metrics(results[i]) || csv_has_series(results[i]);
        room += csv_has_sites(results[i]) ? results[i]->profile->sites.n_columns : 0;
    }
    file->columns = calloc(room + 1, sizeof *file->columns);
    if (file->columns == NULL) {
        return -1;
    }
    for (size_t i = 0; i < n; i++) {
        for (size_t c = 0;
             csv_has_sites(results[i]) && c < results[i]->profile->sites.n_columns;
             c++) {
            const char *name = results[i]->profile->sites.columns[c].name;
            if (!csv_knows_column(file, name)) {
                file->columns[file->n_columns++] = name;
            }
        }
    }
    return 0;
}

/* The end of a row that has no point. */
static void
csv_end(struct csv_file *file)
{
    csv_put_empty(file, file->has_series ? CSV_LEN(csv_series_keys) : 0);
    fputs(CSV_END, file->out);
}

static void
csv_put_names(struct csv_file *file, const char *const *names, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        csv_put_next(file, names[i]);
    }
}

static void
csv_put_head(struct csv_file *file)
{
    fputs("case,profiler,status", file->out);
    if (file->has_sites) {
        csv_put_names(file, csv_site_keys, CSV_LEN(csv_site_keys));
        csv_put_names(file, file->columns, file->n_columns);
    }
    if (file->has_metrics) {
        csv_put_names(file, csv_metric_keys, CSV_LEN(csv_metric_keys));
    }
    if (file->has_series) {
        csv_put_names(file, csv_series_keys, CSV_LEN(csv_series_keys));
    }
    fputs(CSV_END, file->out);
}

static void
csv_put_result(struct csv_file *file, const struct prf_result *result)
{
    csv_put(file, result->case_id);
    csv_put_next(file, result->profiler);
    csv_put_next(file, prf_status_name(result->status));
}

static void
csv_put_site(struct csv_file *file, const struct prf_profile *p, size_t row,
             bool strip_dirs)
{
    const struct prf_table *sites = &p->sites;
    const struct prf_function *code = prf_row_code(p, sites->keys[row].code);
    csv_put_next(file, prf_code_file(code, strip_dirs));
    fprintf(file->out, ",%" PRIu32, prf_row_line(p, sites->keys[row]));
    csv_put_next(file, code->qualname);
    for (size_t i = 0; i < file->n_columns; i++) {
        int c = prf_column_find(sites->columns, sites->n_columns, file->columns[i]);
        putc(',', file->out);
        if (c >= 0) {
            fprintf(file->out, "%" PRId64,
                    sites->values[row * sites->n_columns + (size_t)c]);
        }
    }
}

static int
csv_put_sites(struct csv_file *file, const struct prf_result *result,
              const struct prf_export_options *options, struct prf_error *err)
{
    const struct prf_profile *p = result->profile;
    uint32_t *rows = NULL;
    size_t n = 0;
    int rc = prf_order_rows(p, &p->sites, options, prf_order_default(&p->sites), &rows,
                            &n, err);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        csv_put_result(file, result);
        csv_put_site(file, p, rows[i], options->strip_dirs);
        csv_put_empty(file, file->has_metrics ? CSV_LEN(csv_metric_keys) : 0);
        csv_end(file);
    }
    free(rows);
    return rc;
}

static void
csv_put_metric(struct csv_file *file, const struct prf_metric_values *metric)
{
    struct prf_summary s = {0};
    double *scratch = calloc(metric->n + 1, sizeof *scratch);
    file->failed |= scratch == NULL;
    if (scratch != NULL) {
        prf_summarize(metric->samples, metric->n, scratch, &s);
    }
    free(scratch);
    csv_put_empty(file, file->has_sites ? CSV_LEN(csv_site_keys) + file->n_columns : 0);
    csv_put_next(file, metric->name);
    csv_put_next(file, metric->unit);
    fprintf(file->out,
            ",%.15g,%.15g,%.15g,%zu,%.15g,%.15g,%.15g,%.15g,%.15g,%.15g,%.15g,%.15g",
            s.median, s.ci_low, s.ci_high, s.n, s.min, s.max, s.mean, s.stddev, s.q1,
            s.q3, s.p95, s.p99);
}

static void
csv_put_metrics(struct csv_file *file, const struct prf_result *result)
{
    for (size_t i = 0; i < result->profile->n_metrics; i++) {
        csv_put_result(file, result);
        csv_put_metric(file, &result->profile->metrics[i]);
        csv_end(file);
    }
}

static void
csv_put_points(struct csv_file *file, const struct prf_result *result,
               const struct prf_series *series)
{
    for (size_t i = 0; i < series->n; i++) {
        csv_put_result(file, result);
        csv_put_empty(file,
                      file->has_sites ? CSV_LEN(csv_site_keys) + file->n_columns : 0);
        csv_put_next(file, series->name);
        csv_put_next(file, series->unit);
        fprintf(file->out, ",%.15g", series->values[i]);
        csv_put_empty(file, CSV_LEN(csv_metric_keys) - 3);
        fprintf(file->out, ",%" PRIu32 ",%" PRIu64 CSV_END, series->process,
                series->at_ns[i]);
    }
}

static void
csv_put_series(struct csv_file *file, const struct prf_result *result)
{
    for (size_t i = 0; i < result->profile->n_series; i++) {
        csv_put_points(file, result, &result->profile->series[i]);
    }
}

static void
csv_put_status(struct csv_file *file, const struct prf_result *result)
{
    csv_put_result(file, result);
    csv_put_empty(file, file->has_sites ? CSV_LEN(csv_site_keys) + file->n_columns : 0);
    csv_put_empty(file, file->has_metrics ? CSV_LEN(csv_metric_keys) : 0);
    csv_end(file);
}

static int
csv_write(const struct prf_run *run, const struct prf_result *const *results, size_t n,
          const struct prf_export_options *options, FILE *out, struct prf_error *err)
{
    (void)run;
    struct csv_file file = {.out = out, .text = PRF_STRBUF_INIT};
    int rc = 0;
    file.failed = csv_collect(&file, results, n) < 0;
    if (!file.failed) {
        csv_put_head(&file);
    }
    for (size_t i = 0; i < n && rc == 0 && !file.failed; i++) {
        if (csv_has_sites(results[i])) {
            rc = csv_put_sites(&file, results[i], options, err);
        } else if (csv_has_metrics(results[i]) || csv_has_series(results[i])) {
            csv_put_metrics(&file, results[i]);
            csv_put_series(&file, results[i]);
        } else {
            csv_put_status(&file, results[i]);
        }
    }
    if (rc == 0 && (file.failed || file.text.failed)) {
        rc = prf_fail(err, PRF_ENOMEM, "out of memory");
    }
    prf_strbuf_release(&file.text);
    free(file.columns);
    return rc;
}

const struct prf_exporter prf_exporter_csv = {
    .name = "csv",
    .extension = ".csv",
    .summary = "sites, or metrics and points, a row each (RFC 4180)",
    .write = csv_write,
};
