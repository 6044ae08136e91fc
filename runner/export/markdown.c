/* Format "markdown": metrics and top sites of each result as tables for a pull request.
 */
#include <stdlib.h>
#include <string.h>

#include <pyprofiler/stats.h>

#include "formats.h"
#include "label.h"
#include "order.h"
#include "plot.h"
#include "units.h"

#define MARKDOWN_TOP 20 /* sites, when nothing else is said */

struct markdown_file {
    FILE *out;
    struct prf_strbuf text;
    const struct prf_export_options *options;
};

static void
markdown_put(struct markdown_file *file, const char *text)
{
    prf_markdown_add(file->out, text, &file->text);
}

static void
markdown_put_amount(struct markdown_file *file, double amount, const char *unit)
{
    char text[PRF_UNIT_TEXT];
    fprintf(
        file->out, " %s |",
        prf_format_amount(amount, unit, file->options->time_unit, text, sizeof text));
}

static int
markdown_put_metric(struct markdown_file *file, const struct prf_metric_values *metric)
{
    struct prf_summary s;
    double *scratch = calloc(metric->n + 1, sizeof *scratch);
    if (scratch == NULL) {
        return -1;
    }
    prf_summarize(metric->samples, metric->n, scratch, &s);
    free(scratch);
    const double amounts[] = {s.median, s.ci_low, s.ci_high, s.min, s.mean, s.stddev};
    fputs("| ", file->out);
    markdown_put(file, metric->name);
    fputs(" |", file->out);
    for (size_t i = 0; i < sizeof amounts / sizeof *amounts; i++) {
        markdown_put_amount(file, amounts[i], metric->unit);
    }
    fprintf(file->out, " %zu | %zu |\n", s.n, s.n_mild + s.n_severe);
    return 0;
}

static int
markdown_put_metrics(struct markdown_file *file, const struct prf_profile *p)
{
    int rc = 0;
    if (p->n_metrics == 0) {
        return 0;
    }
    fputs(
        "\n| metric | median | 95 % from | to | min | mean | stddev | n | outliers |\n"
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|\n",
        file->out);
    for (size_t i = 0; i < p->n_metrics && rc == 0; i++) {
        rc = markdown_put_metric(file, &p->metrics[i]);
    }
    return rc;
}

static void
markdown_put_series(struct markdown_file *file, const struct prf_profile *p)
{
    struct prf_plot_range range;
    char name[128];
    fputs(p->n_series > 0 ? "\n| over time | lowest | highest | at | last | points |\n"
                            "|---|---:|---:|---:|---:|---:|\n"
                          : "",
          file->out);
    for (size_t i = 0; i < p->n_series; i++) {
        const struct prf_series *s = &p->series[i];
        if (prf_plot_range(s, &range)) {
            fputs("| ", file->out);
            markdown_put(file, prf_plot_name(s, name, sizeof name));
            fputs(" |", file->out);
            markdown_put_amount(file, range.low, s->unit);
            markdown_put_amount(file, range.high, s->unit);
            markdown_put_amount(file, range.high_at_ns, "ns");
            markdown_put_amount(file, s->values[s->n - 1], s->unit);
            fprintf(file->out, " %zu |\n", s->n);
        }
    }
}

static void
markdown_put_site(struct markdown_file *file, const struct prf_profile *p, size_t row)
{
    const struct prf_table *sites = &p->sites;
    struct prf_strbuf label = PRF_STRBUF_INIT;
    fputc('|', file->out);
    for (size_t c = 0; c < sites->n_columns; c++) {
        markdown_put_amount(file, (double)sites->values[row * sites->n_columns + c],
                            sites->columns[c].unit);
    }
    prf_label_add(&label, prf_row_code(p, sites->keys[row].code),
                  prf_row_line(p, sites->keys[row]), file->options->strip_dirs);
    fputc(' ', file->out);
    markdown_put(file, prf_strbuf_text(&label));
    fputs(" |\n", file->out);
    file->text.failed |= label.failed;
    prf_strbuf_release(&label);
}

static int
markdown_put_sites(struct markdown_file *file, const struct prf_profile *p,
                   struct prf_error *err)
{
    struct prf_export_options options = *file->options;
    const struct prf_table *sites = &p->sites;
    uint32_t *rows = NULL;
    size_t n = 0;
    if (sites->n == 0) {
        return 0;
    }
    options.top_k = options.top_k > 0 ? options.top_k : MARKDOWN_TOP;
    int rc =
        prf_order_rows(p, sites, &options, prf_order_default(sites), &rows, &n, err);
    if (rc < 0) {
        return rc;
    }
    fputs("\n|", file->out);
    for (size_t c = 0; c < sites->n_columns; c++) {
        fputc(' ', file->out);
        markdown_put(file, sites->columns[c].name);
        fputs(" |", file->out);
    }
    fputs(" site |\n|", file->out);
    for (size_t c = 0; c < sites->n_columns; c++) {
        fputs("---:|", file->out);
    }
    fputs("---|\n", file->out);
    for (size_t i = 0; i < n; i++) {
        markdown_put_site(file, p, rows[i]);
    }
    if (n < sites->n) {
        fprintf(file->out, "\n%zu of %zu sites\n", n, sites->n);
    }
    free(rows);
    return 0;
}

static void
markdown_put_head(struct markdown_file *file, const struct prf_run *run)
{
    fputs("# pyprofiler", file->out);
    if (run->commit.id != NULL) {
        fprintf(file->out, ": %.10s", run->commit.id);
        fputs(run->commit.dirty ? " (with uncommitted changes)" : "", file->out);
    }
    fputs("\n", file->out);
}

static int
markdown_put_result(struct markdown_file *file, const struct prf_result *result,
                    struct prf_error *err)
{
    const struct prf_profile *p = result->profile;
    fputs("\n## ", file->out);
    markdown_put(file, result->case_id);
    fputs(" (", file->out);
    markdown_put(file, result->profiler);
    fputs(")\n", file->out);
    if (result->status != PRF_STATUS_OK) {
        fprintf(file->out, "\n**%s**", prf_status_name(result->status));
        fputs(result->reason != NULL ? ": " : "", file->out);
        markdown_put(file, result->reason != NULL ? result->reason : "");
        fputc('\n', file->out);
    }
    if (p == NULL) {
        return 0;
    }
    if (markdown_put_metrics(file, p) < 0) {
        return prf_fail(err, PRF_ENOMEM, "out of memory");
    }
    markdown_put_series(file, p);
    return markdown_put_sites(file, p, err);
}

static int
markdown_write(const struct prf_run *run, const struct prf_result *const *results,
               size_t n, const struct prf_export_options *options, FILE *out,
               struct prf_error *err)
{
    struct markdown_file file = {
        .out = out, .text = PRF_STRBUF_INIT, .options = options};
    int rc = 0;
    markdown_put_head(&file, run);
    for (size_t i = 0; i < n && rc == 0; i++) {
        rc = markdown_put_result(&file, results[i], err);
    }
    if (rc == 0 && file.text.failed) {
        rc = prf_fail(err, PRF_ENOMEM, "out of memory");
    }
    prf_strbuf_release(&file.text);
    return rc;
}

const struct prf_exporter prf_exporter_markdown = {
    .name = "markdown",
    .extension = ".md",
    .summary = "metrics and top sites as tables, for a pull request",
    .write = markdown_write,
};
