/* Format "html": results as a page; see html.h. */
#include "html.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <pyprofiler/stats.h>

#include "formats.h"
#include "hotspots.h"
#include "label.h"
#include "plot.h"
#include "units.h"
#include "xml.h"

#define HTML_ROWS 100 /* of the table, when nobody says how many */
#define HTML_CARDS 8  /* metrics beyond those read as a table: none has so many today  \
                       */

struct html {
    FILE *out;
    const struct prf_html_page *page;
    const struct prf_result *result;
    struct prf_strbuf text;
};

void
prf_html_put_lines(FILE *out, const char *text)
{
    struct prf_strbuf line = PRF_STRBUF_INIT;
    for (; *text != '\0'; text += *text == '\n') {
        size_t n = strcspn(text, "\n");
        prf_strbuf_clear(&line);
        prf_strbuf_add(&line, text, n);
        prf_xml_put(out, prf_strbuf_text(&line));
        text += n;
        if (*text == '\n') {
            fputc('\n', out);
        }
    }
    prf_strbuf_release(&line);
}

void
prf_html_card(FILE *out, const char *label, const char *figure, const char *note)
{
    fputs("<div class=\"card\"><span>", out);
    prf_xml_put(out, label);
    fputs("</span><b>", out);
    prf_xml_put(out, figure);
    fputs("</b>", out);
    if (note != NULL) {
        fputs("<span>", out);
        prf_xml_put(out, note);
        fputs("</span>", out);
    }
    fputs("</div>\n", out);
}

/* ---- head ---- */

static void
html_put_commit(FILE *out, const struct prf_commit *commit)
{
    if (commit->id == NULL) {
        fputs("no commit", out);
        return;
    }
    fprintf(out, "commit <code>%.10s</code>", commit->id);
    if (commit->branch != NULL) {
        fputs(" on ", out);
        prf_xml_put(out, commit->branch);
    }
    fputs(commit->dirty ? ", with uncommitted changes" : "", out);
}

static void
html_put_run(FILE *out, const struct prf_run *run)
{
    char when[64] = "";
    time_t seconds = (time_t)(run->started_ns / 1000000000);
    struct tm tm;
    if (run->started_ns > 0 && gmtime_r(&seconds, &tm) != NULL) {
        strftime(when, sizeof when, "%Y-%m-%d %H:%M:%S UTC, ", &tm);
    }
    fprintf(out, "<p class=\"dim\">%s", when);
    html_put_commit(out, &run->commit);
    fputs("; ", out);
    prf_xml_put(out, run->python.implementation != NULL ? run->python.implementation
                                                        : "Python");
    fputc(' ', out);
    prf_xml_put(out, run->python.version != NULL ? run->python.version : "");
    if (run->machine.cpu != NULL) {
        fputs(", ", out);
        prf_xml_put(out, run->machine.cpu);
        fprintf(out, " &#215; %d", run->machine.n_cpus);
    }
    fputs("</p>\n", out);
}

static void
html_put_status(FILE *out, const struct prf_result *result)
{
    if (result->status == PRF_STATUS_OK) {
        return;
    }
    fprintf(out, "<p><strong class=\"bad\">%s", prf_status_name(result->status));
    if (result->signal != NULL) {
        fputs(" (", out);
        prf_xml_put(out, result->signal);
        fputc(')', out);
    }
    fputs("</strong>", out);
    if (result->reason != NULL) {
        fputs(": ", out);
        prf_xml_put(out, result->reason);
    }
    fputs("</p>\n", out);
    if (result->traceback != NULL) {
        fputs("<pre tabindex=\"0\">", out);
        prf_html_put_lines(out, result->traceback);
        fputs("</pre>\n", out);
    }
}

/* ---- metrics ---- */

static void
html_put_metric(const struct html *h, const struct prf_metric_values *metric)
{
    struct prf_summary s = {0};
    char figure[PRF_UNIT_TEXT], low[PRF_UNIT_TEXT], high[PRF_UNIT_TEXT], note[128];
    double *scratch = calloc(metric->n + 1, sizeof *scratch);
    if (scratch == NULL) {
        return;
    }
    prf_summarize(metric->samples, metric->n, scratch, &s);
    free(scratch);
    snprintf(note, sizeof note, "95 %%: %s to %s, n = %zu",
             prf_format_amount(s.ci_low, metric->unit, NULL, low, sizeof low),
             prf_format_amount(s.ci_high, metric->unit, NULL, high, sizeof high), s.n);
    prf_html_card(
        h->out, metric->name,
        prf_format_amount(s.median, metric->unit, NULL, figure, sizeof figure),
        isfinite(prf_relative_ci(&s)) ? note : NULL);
}

static void
html_put_cards(const struct html *h)
{
    const struct prf_profile *p = h->result->profile;
    char figure[PRF_UNIT_TEXT];
    fputs("<div class=\"cards\">\n", h->out);
    if (h->page->cards != NULL) {
        h->page->cards(h->out, h->result, h->page->arg);
    } else if (p != NULL && p->n_metrics > 0) {
        for (size_t i = 0; i < p->n_metrics && i < HTML_CARDS; i++) {
            html_put_metric(h, &p->metrics[i]);
        }
    } else if (h->result->duration_ns >= 0) {
        prf_html_card(h->out, "time",
                      prf_format_time((double)h->result->duration_ns, NULL, figure,
                                      sizeof figure),
                      NULL);
    }
    fputs("</div>\n", h->out);
}

/* ---- hotspots ---- */

/* Which columns the table has. */
struct html_columns {
    bool calls, own, total;
};

static struct html_columns
html_columns(const struct prf_hotspots *spots)
{
    struct html_columns c = {0};
    for (size_t i = 0; i < spots->n; i++) {
        c.calls |= !isnan(spots->items[i].calls);
        c.own |= !isnan(spots->items[i].own);
        c.total |= !isnan(spots->items[i].total);
    }
    return c;
}

static void
html_put_heading(const struct html *h, const char *title, bool number)
{
    fprintf(h->out, "<th scope=\"col\"%s><button type=\"button\">%s</button></th>",
            number ? " data-n" : " class=\"text\"", title);
}

static void
html_put_amount(const struct html *h, const struct prf_hotspots *spots, double amount)
{
    char text[PRF_UNIT_TEXT];
    double percent = 100 * prf_hotspot_part(spots, amount);
    if (isnan(amount)) {
        fputs("<td data-v=\"0\">-</td><td data-v=\"0\"></td>", h->out);
        return;
    }
    fprintf(h->out,
            "<td data-v=\"%.17g\">%s</td><td class=\"part\" data-v=\"%.6f\" "
            "style=\"--p:%.1f%%\">%.1f&nbsp;%%</td>",
            amount, prf_format_amount(amount, spots->unit, NULL, text, sizeof text),
            percent, fmin(fmax(percent, 0), 100), percent);
}

static void
html_put_cell(const struct html *h, const char *class, const char *text)
{
    fprintf(h->out, "<td class=\"text %s\" data-v=\"", class);
    prf_xml_put(h->out, text);
    fputs("\">", h->out);
    prf_xml_put(h->out, text);
    fputs("</td>", h->out);
}

static void
html_put_row(struct html *h, const struct prf_hotspots *spots,
             const struct prf_hotspot *spot, struct html_columns columns)
{
    char text[PRF_UNIT_TEXT];
    fputs("<tr>", h->out);
    if (columns.calls) {
        fprintf(h->out, "<td data-v=\"%.17g\">%s</td>",
                isnan(spot->calls) ? 0 : spot->calls,
                prf_format_amount(spot->calls, "count", NULL, text, sizeof text));
    }
    if (columns.own) {
        html_put_amount(h, spots, spot->own);
    }
    if (columns.total) {
        html_put_amount(h, spots, spot->total);
    }
    html_put_cell(h, "name",
                  spot->function->qualname[0] ? spot->function->qualname : "(line)");
    prf_strbuf_clear(&h->text);
    prf_strbuf_adds(&h->text, prf_code_file(spot->function, h->page->strip_dirs));
    if (spot->line > 0) {
        prf_strbuf_addf(&h->text, ":%" PRIu32, spot->line);
    }
    html_put_cell(h, "place", prf_strbuf_text(&h->text));
    fputs("</tr>\n", h->out);
}

static void
html_put_table(struct html *h, const struct prf_hotspots *spots)
{
    struct html_columns columns = html_columns(spots);
    fputs("<div class=\"scroll\"><table class=\"sortable\"><thead><tr>", h->out);
    if (columns.calls) {
        html_put_heading(h, spots->lines ? "count" : "calls", true);
    }
    if (columns.own) {
        html_put_heading(h, columns.total ? "own" : spots->what, true);
        html_put_heading(h, "%", true);
    }
    if (columns.total) {
        html_put_heading(h, "total", true);
        html_put_heading(h, "%", true);
    }
    html_put_heading(h, "function", false);
    html_put_heading(h, "place", false);
    fputs("</tr></thead><tbody>\n", h->out);
    for (size_t i = 0; i < spots->n; i++) {
        html_put_row(h, spots, &spots->items[i], columns);
    }
    fputs("</tbody></table></div>\n", h->out);
}

static int
html_put_hotspots(struct html *h, struct prf_error *err)
{
    struct prf_arena arena = {0};
    struct prf_hotspots spots;
    size_t most = h->page->top_k > 0 ? h->page->top_k : HTML_ROWS;
    int rc = prf_hotspots_find(h->result, most, &arena, &spots, err);
    if (rc == 0) {
        fputs("<section><h2>Hotspots</h2>\n", h->out);
        if (spots.n == 0) {
            fprintf(h->out, "<p class=\"dim\">None: %s.</p>\n", spots.none);
        } else {
            html_put_table(h, &spots);
        }
        if (spots.n_all > spots.n) {
            fprintf(h->out, "<p class=\"dim\">and %zu more</p>\n",
                    spots.n_all - spots.n);
        }
        fputs("</section>\n", h->out);
    }
    prf_arena_release(&arena);
    return rc;
}

/* ---- pictures ---- */

static void
html_put_base64(FILE *out, const unsigned char *data, size_t n)
{
    static const char digits[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < n; i += 3) {
        size_t left = n - i;
        uint32_t bits = (uint32_t)data[i] << 16;
        bits |= left > 1 ? (uint32_t)data[i + 1] << 8 : 0;
        bits |= left > 2 ? data[i + 2] : 0;
        fputc(digits[bits >> 18], out);
        fputc(digits[bits >> 12 & 63], out);
        fputc(left > 1 ? digits[bits >> 6 & 63] : '=', out);
        fputc(left > 2 ? digits[bits & 63] : '=', out);
    }
}

/* The plot has a style sheet of its own, which an image keeps to itself. */
static int
html_put_series(struct html *h, struct prf_error *err)
{
    char *data = NULL;
    size_t n = 0;
    FILE *memory = open_memstream(&data, &n);
    if (memory == NULL) {
        return prf_fail(err, PRF_ENOMEM, "out of memory");
    }
    prf_plot_svg(h->result, memory);
    int rc = fclose(memory) != 0 ? prf_fail(err, PRF_ENOMEM, "out of memory") : 0;
    if (rc == 0) {
        fputs("<section><h2>Over time</h2>\n<img class=\"plot\" alt=\"Curves over time "
              "with their marks\" src=\"data:image/svg+xml;base64,",
              h->out);
        html_put_base64(h->out, (const unsigned char *)data, n);
        fputs("\"></section>\n", h->out);
    }
    free(data);
    return rc;
}

static int
html_put_flame(struct html *h, struct prf_error *err)
{
    fputs("<section><h2>Flame graph</h2>\n", h->out);
    int rc = prf_html_flame(h->out, h->result->profile, h->page->strip_dirs, err);
    fputs("</section>\n", h->out);
    return rc;
}

/* ---- the page ---- */

static void
html_put_notes(const struct html *h)
{
    const struct prf_profile *p = h->result->profile;
    size_t n = p == NULL ? 0 : p->n_notes;
    if (n > 0 || (p != NULL && p->n_lost > 0)) {
        fputs("<section><h2>Notes</h2>\n<ul>", h->out);
        if (p->n_lost > 0) {
            fprintf(h->out, "<li>%" PRIu64 " records were lost</li>\n", p->n_lost);
        }
        for (size_t i = 0; i < n; i++) {
            fputs("<li>", h->out);
            prf_xml_put(h->out, p->notes[i]);
            fputs("</li>\n", h->out);
        }
        fputs("</ul></section>\n", h->out);
    }
    if (h->result->output != NULL && h->result->output[0] != '\0') {
        fputs("<section><h2>Output</h2>\n<pre tabindex=\"0\">", h->out);
        prf_html_put_lines(h->out, h->result->output);
        fputs("</pre></section>\n", h->out);
    }
}

static int
html_put_result(struct html *h, struct prf_error *err)
{
    const struct prf_result *r = h->result;
    unsigned models = prf_result_models(r);
    fputs("<article>\n<h1>", h->out);
    prf_xml_put(h->out, r->case_id);
    fputs(" <span class=\"dim\">", h->out);
    prf_xml_put(h->out, r->profiler);
    fputs("</span></h1>\n", h->out);
    html_put_run(h->out, h->page->run);
    html_put_status(h->out, r);
    html_put_cards(h);
    if (h->page->sections != NULL) {
        h->page->sections(h->out, r, h->page->arg);
    }
    int rc = html_put_hotspots(h, err);
    if (rc == 0 && (models & PRF_MODEL_STACKS) != 0) {
        rc = html_put_flame(h, err);
    }
    if (rc == 0 && (models & PRF_MODEL_SERIES) != 0) {
        rc = html_put_series(h, err);
    }
    html_put_notes(h);
    fputs("</article>\n", h->out);
    return rc;
}

int
prf_html_write(FILE *out, const struct prf_html_page *page, struct prf_error *err)
{
    struct html h = {.out = out, .page = page, .text = PRF_STRBUF_INIT};
    int rc = 0;
    fputs("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
          "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n"
          "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none';"
          "style-src 'unsafe-inline';script-src 'unsafe-inline';img-src data:\">\n"
          "<title>",
          out);
    prf_xml_put(out, page->n > 0 ? page->results[0]->case_id : "pyprofiler");
    fprintf(out,
            " \u2013 pyprofiler</title>\n<style>\n%s</style>\n</head>\n<body>\n"
            "<main>\n",
            prf_html_style);
    for (size_t i = 0; rc == 0 && i < page->n; i++) {
        h.result = page->results[i];
        rc = html_put_result(&h, err);
    }
    fprintf(out, "</main>\n<script>\n%s</script>\n</body>\n</html>\n", prf_html_script);
    if (rc == 0 && h.text.failed) {
        rc = prf_fail(err, PRF_ENOMEM, "out of memory");
    }
    prf_strbuf_release(&h.text);
    return rc;
}

static int
html_export(const struct prf_run *run, const struct prf_result *const *results,
            size_t n, const struct prf_export_options *options, FILE *out,
            struct prf_error *err)
{
    const struct prf_html_page page = {.run = run,
                                       .results = results,
                                       .n = n,
                                       .top_k = options->top_k,
                                       .strip_dirs = options->strip_dirs};
    return prf_html_write(out, &page, err);
}

const struct prf_exporter prf_exporter_html = {
    .name = "html",
    .extension = ".html",
    .summary = "a page: hotspots, flame graph, curves; one file, no network needed",
    .write = html_export,
};
