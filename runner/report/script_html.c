/* A script's report as a page: the page of any result (html.h) with the figures, the
   suggestions and the comparison of this one. See script_report.h. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "axis.h"
#include "html.h"
#include "script_report.h"
#include "units.h"
#include "xml.h"

/* Of a chart; it is as wide as its place, see viewBox. */
#define CHART_WIDTH 420
#define CHART_HEIGHT 170
#define CHART_LEFT 58
#define CHART_RIGHT 14
#define CHART_TOP 10
#define CHART_BOTTOM 24
#define CHART_HOTSPOTS 4 /* charts of hotspots, besides those that changed */

/* ---- cards ---- */

static void
page_cards(FILE *out, const struct prf_result *result, void *arg)
{
    const struct prf_script_report *report = arg;
    char figure[PRF_UNIT_TEXT], low[PRF_UNIT_TEXT], high[PRF_UNIT_TEXT], note[128];
    (void)result;
    for (size_t i = 0; i < PRF_SCRIPT_FIGURES; i++) {
        const struct prf_script_figure *f = &report->figures[i];
        const struct prf_previous *p = &report->comparison.rows[i].judged;
        bool known = report->comparison.none == NULL && p->n > 0 && !isnan(p->least);
        if (isnan(f->value)) {
            continue;
        }
        if (known) {
            snprintf(note, sizeof note, "%s to %s in %zu earlier run%s",
                     prf_format_amount(p->least, f->unit, NULL, low, sizeof low),
                     prf_format_amount(p->most, f->unit, NULL, high, sizeof high),
                     p->n - p->n_out, p->n - p->n_out == 1 ? "" : "s");
        }
        prf_html_card(out, f->label,
                      prf_format_amount(f->value, f->unit, NULL, figure, sizeof figure),
                      known ? note : NULL);
    }
}

/* ---- suggestions ---- */

static void
page_suggestions(FILE *out, const struct prf_script_report *report)
{
    if (report->n_suggestions == 0) {
        return;
    }
    fputs("<section><h2>Suggestions</h2>\n<ol class=\"suggestions\">\n", out);
    for (size_t i = 0; i < report->n_suggestions; i++) {
        const struct prf_suggestion *s = &report->suggestions[i];
        fputs("<li><strong>", out);
        prf_xml_put(out, s->seen);
        fputs("</strong>", out);
        if (s->file != NULL) {
            fputs(" <code class=\"dim\">", out);
            prf_xml_put(out, s->file);
            if (s->line > 0) {
                fprintf(out, ":%" PRIu32, s->line);
            }
            fputs("</code>", out);
        }
        fputs("<br>", out);
        prf_xml_put(out, s->advice);
        fputs("</li>\n", out);
    }
    fputs("</ol></section>\n", out);
}

/* ---- the table of the comparison ---- */

static const char *
page_class(enum prf_previous_verdict verdict)
{
    return verdict == PRF_PREVIOUS_REGRESSION    ? "bad"
           : verdict == PRF_PREVIOUS_IMPROVEMENT ? "good"
                                                 : "";
}

static void
page_put_label(FILE *out, const struct prf_script_report *report,
               const struct prf_script_row *row)
{
    struct prf_strbuf label = PRF_STRBUF_INIT;
    prf_script_row_label(&label, report, row);
    prf_xml_put(out, prf_strbuf_text(&label));
    prf_strbuf_release(&label);
}

static bool
page_is_compared(const struct prf_script_row *row)
{
    return row->better != PRF_BETTER_NONE && row->judged.n > 0;
}

static void
page_row(FILE *out, const struct prf_script_report *report,
         const struct prf_script_row *row)
{
    char before[PRF_UNIT_TEXT], now[PRF_UNIT_TEXT], change[32], low[32], high[32];
    const struct prf_previous *p = &row->judged;
    const char *class = page_class(p->verdict);
    fputs("<tr><td class=\"text name\">", out);
    page_put_label(out, report, row);
    fprintf(out, "</td><td>%s</td><td>%s</td><td class=\"%s\">%s</td><td>",
            prf_format_amount(p->typical, row->unit, NULL, before, sizeof before),
            prf_format_amount(p->value, row->unit, NULL, now, sizeof now), class,
            prf_script_percent(p->ratio, change, sizeof change));
    if (isnan(p->ci_low)) {
        fputs("-", out);
    } else {
        fprintf(out, "%s to %s", prf_script_percent(p->ci_low, low, sizeof low),
                prf_script_percent(p->ci_high, high, sizeof high));
    }
    fprintf(out, "</td><td>%zu</td><td class=\"text %s\">%s", p->n, class,
            prf_previous_verdict_name(p->verdict));
    if (p->n_needed > 0) {
        fprintf(out, ": %zu more needed", p->n_needed);
    }
    fputs("</td></tr>\n", out);
}

static void
page_table(FILE *out, const struct prf_script_report *report)
{
    const struct prf_script_comparison *c = &report->comparison;
    fputs("<div class=\"scroll\"><table><thead><tr><th scope=\"col\" class=\"text\">"
          "what</th><th scope=\"col\">before</th><th scope=\"col\">now</th>"
          "<th scope=\"col\">change</th><th scope=\"col\">95 %</th>"
          "<th scope=\"col\">runs</th><th scope=\"col\" class=\"text\">verdict</th>"
          "</tr></thead><tbody>\n",
          out);
    for (size_t i = 0; i < c->n_rows; i++) {
        if (page_is_compared(&c->rows[i])) {
            page_row(out, report, &c->rows[i]);
        }
    }
    fputs("</tbody></table></div>\n", out);
}

/* ---- charts: earlier runs from left to right, this one last ---- */

struct chart {
    FILE *out;
    const struct prf_script_report *report;
    const struct prf_script_row *row;
    struct prf_axis axis;
    double band_low, band_high; /* where 95 % of the next runs are; NAN: not known */
};

static double
chart_x(const struct chart *c, size_t run)
{
    double room = CHART_WIDTH - CHART_LEFT - CHART_RIGHT;
    return CHART_LEFT +
           room * ((double)run + 0.5) / (double)(c->report->comparison.n_earlier + 1);
}

static double
chart_y(const struct chart *c, double value)
{
    double room = CHART_HEIGHT - CHART_TOP - CHART_BOTTOM;
    double part = prf_axis_part(&c->axis, value);
    return CHART_TOP + room * (1 - fmin(fmax(part, 0), 1));
}

/* The axis holds the values; of the band what is not too far away. */
static void
chart_scale(struct chart *c)
{
    const struct prf_previous *p = &c->row->judged;
    double low = p->value, high = p->value;
    for (size_t i = 0; i < c->report->comparison.n_earlier; i++) {
        double value = c->row->earlier[i];
        low = isfinite(value) ? fmin(low, value) : low;
        high = isfinite(value) ? fmax(high, value) : high;
    }
    double room = fmax(high - low, fabs(high) / 20);
    c->band_low = p->typical * p->ci_low / p->ratio;
    c->band_high = p->typical * p->ci_high / p->ratio;
    if (isfinite(c->band_low)) {
        low = fmin(low, fmax(c->band_low, low - room));
        high = fmax(high, fmin(c->band_high, high + room));
    }
    c->axis = prf_axis(c->row->unit, fmax(low - room / 10, 0), high + room / 10, 4,
                       PRF_AXIS_ROUND);
}

static void
chart_ground(const struct chart *c)
{
    char label[PRF_UNIT_TEXT];
    for (int i = 0; i < c->axis.n_ticks; i++) {
        double y = chart_y(c, c->axis.first + i * c->axis.step);
        bool top = i == c->axis.n_ticks - 1;
        fprintf(c->out,
                "<line class=\"grid\" x1=\"%d\" y1=\"%.1f\" x2=\"%d\" y2=\"%.1f\"/>"
                "<text class=\"dim\" text-anchor=\"end\" x=\"%d\" y=\"%.1f\">%s%s%s"
                "</text>\n",
                CHART_LEFT, y, CHART_WIDTH - CHART_RIGHT, y, CHART_LEFT - 6, y + 4,
                prf_axis_label(&c->axis, i, label, sizeof label), top ? " " : "",
                top ? c->axis.scale.suffix : "");
    }
    if (isfinite(c->band_low)) {
        double top = chart_y(c, c->band_high), bottom = chart_y(c, c->band_low);
        fprintf(c->out,
                "<rect class=\"band\" x=\"%d\" y=\"%.1f\" width=\"%d\" "
                "height=\"%.1f\"><title>95 %% of runs like those before are "
                "here</title></rect>\n",
                CHART_LEFT, top, CHART_WIDTH - CHART_LEFT - CHART_RIGHT,
                fmax(bottom - top, 1));
    }
    double y = chart_y(c, c->row->judged.typical);
    fprintf(c->out,
            "<line class=\"typical\" x1=\"%d\" y1=\"%.1f\" x2=\"%d\" y2=\"%.1f\"/>\n"
            "<text class=\"dim\" x=\"%d\" y=\"%d\">earlier</text>"
            "<text class=\"dim\" text-anchor=\"end\" x=\"%d\" y=\"%d\">now</text>\n",
            CHART_LEFT, y, CHART_WIDTH - CHART_RIGHT, y, CHART_LEFT, CHART_HEIGHT - 6,
            CHART_WIDTH - CHART_RIGHT, CHART_HEIGHT - 6);
}

/* "2026-03-01 12:00 UTC, 1.23 s, commit 0123456789" */
static void
chart_title(const struct chart *c, int64_t started_ns, double value, const char *commit,
            bool dirty)
{
    char when[32] = "", amount[PRF_UNIT_TEXT];
    time_t seconds = (time_t)(started_ns / 1000000000);
    struct tm tm;
    if (gmtime_r(&seconds, &tm) != NULL) {
        strftime(when, sizeof when, "%Y-%m-%d %H:%M UTC", &tm);
    }
    fprintf(c->out, "<title>%s, %s, %s%.10s%s</title>", when,
            prf_format_amount(value, c->row->unit, NULL, amount, sizeof amount),
            commit != NULL ? "commit " : "no commit", commit != NULL ? commit : "",
            commit != NULL && dirty ? " with changes" : "");
}

static void
chart_points(const struct chart *c)
{
    const struct prf_script_comparison *all = &c->report->comparison;
    const struct prf_result *now = c->report->result;
    const struct prf_commit *commit = &c->report->run->commit;
    fputs("<polyline class=\"curve\" points=\"", c->out);
    for (size_t i = all->n_earlier; i-- > 0;) {
        if (isfinite(c->row->earlier[i])) {
            fprintf(c->out, "%.1f,%.1f ", chart_x(c, all->n_earlier - 1 - i),
                    chart_y(c, c->row->earlier[i]));
        }
    }
    fputs("\"/>\n", c->out);
    for (size_t i = all->n_earlier; i-- > 0;) {
        const struct prf_script_earlier *e = &all->earlier[i];
        if (isfinite(c->row->earlier[i])) {
            fprintf(c->out,
                    "<circle class=\"point\" cx=\"%.1f\" cy=\"%.1f\" r=\"3.5\">",
                    chart_x(c, all->n_earlier - 1 - i), chart_y(c, c->row->earlier[i]));
            chart_title(c, e->started_ns, c->row->earlier[i], e->commit, e->dirty);
            fputs("</circle>\n", c->out);
        }
    }
    fprintf(c->out, "<circle class=\"now %s\" cx=\"%.1f\" cy=\"%.1f\" r=\"6\">",
            page_class(c->row->judged.verdict), chart_x(c, all->n_earlier),
            chart_y(c, c->row->judged.value));
    chart_title(c, now->started_ns, c->row->judged.value, commit->id, commit->dirty);
    fputs("</circle>\n", c->out);
}

static void
page_chart(FILE *out, const struct prf_script_report *report,
           const struct prf_script_row *row)
{
    struct chart c = {.out = out, .report = report, .row = row};
    chart_scale(&c);
    fputs("<figure><figcaption>", out);
    page_put_label(out, report, row);
    fprintf(out,
            "</figcaption><svg viewBox=\"0 0 %d %d\" width=\"100%%\" role=\"img\" "
            "aria-label=\"values of the earlier runs and of this one\">\n",
            CHART_WIDTH, CHART_HEIGHT);
    chart_ground(&c);
    chart_points(&c);
    fputs("</svg></figure>\n", out);
}

/* Of the figures and of the first hotspots; of others when they changed. */
static void
page_charts(FILE *out, const struct prf_script_report *report)
{
    const struct prf_script_comparison *c = &report->comparison;
    size_t n_hotspots = 0;
    fputs("<div class=\"charts\">\n", out);
    for (size_t i = 0; i < c->n_rows; i++) {
        const struct prf_script_row *row = &c->rows[i];
        bool changed = page_class(row->judged.verdict)[0] != '\0';
        bool first = row->hotspot == NULL || n_hotspots < CHART_HOTSPOTS;
        if (page_is_compared(row) && (changed || first)) {
            n_hotspots += row->hotspot != NULL;
            page_chart(out, report, row);
        }
    }
    fputs("</div>\n", out);
}

/* ---- comparison ---- */

static void
page_put_commit(FILE *out, const char *commit, bool dirty)
{
    if (commit == NULL) {
        fputs("no commit", out);
        return;
    }
    fprintf(out, "<code>%.10s</code>%s", commit, dirty ? " with changes" : "");
}

static void
page_source(FILE *out, const struct prf_script_report *report)
{
    const struct prf_script_comparison *c = &report->comparison;
    if (!c->source_changed) {
        return;
    }
    const struct prf_script_earlier *before = &c->earlier[c->source_before];
    fputs("<p>The source was changed since the run before (", out);
    page_put_commit(out, before->commit, before->dirty);
    fputs(", now ", out);
    page_put_commit(out, report->run->commit.id, report->run->commit.dirty);
    fputs(").</p>\n", out);
}

static void
page_comparison(FILE *out, const struct prf_script_report *report)
{
    const struct prf_script_comparison *c = &report->comparison;
    fputs("<section><h2>Regression check</h2>\n", out);
    if (c->none != NULL) {
        fputs("<p class=\"dim\">None: ", out);
        prf_xml_put(out, c->none);
        fputs(".</p>\n", out);
    } else if (c->n_earlier == 0) {
        fprintf(out,
                "<p class=\"dim\">This is the first run of it under these conditions; "
                "a verdict needs %d earlier runs.</p>\n",
                PRF_PREVIOUS_LEAST);
    } else {
        fprintf(out,
                "<p>Against the newest %zu earlier run%s under the same conditions; "
                "threshold &#177;%g&nbsp;%%.</p>\n",
                c->n_earlier, c->n_earlier == 1 ? "" : "s", 100 * c->threshold);
        page_source(out, report);
        page_table(out, report);
        page_charts(out, report);
    }
    fputs("</section>\n", out);
}

static void
page_sections(FILE *out, const struct prf_result *result, void *arg)
{
    (void)result;
    page_suggestions(out, arg);
    page_comparison(out, arg);
}

int
prf_script_report_html(FILE *out, const struct prf_script_report *report,
                       struct prf_error *err)
{
    const struct prf_html_page page = {.run = report->run,
                                       .results = &report->result,
                                       .n = 1,
                                       .cards = page_cards,
                                       .sections = page_sections,
                                       .arg = (void *)report};
    return prf_html_write(out, &page, err);
}
