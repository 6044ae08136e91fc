/* What commands print around the tables of the results; see report.h. */
#include "report.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include <pyprofiler/stats.h>

#include "comparison.h"
#include "formats.h"

static const char *
report_env(const char *name)
{
    const char *value = getenv(name);
    return value != NULL ? value : "";
}

static bool
report_env_on(const char *name)
{
    const char *value = report_env(name);
    return value[0] != '\0' && strcmp(value, "0") != 0;
}

bool
prf_color_enabled(enum prf_color_mode mode, int fd)
{
    if (mode != PRF_COLOR_AUTO) {
        return mode == PRF_COLOR_ALWAYS;
    }
    if (report_env("NO_COLOR")[0] != '\0') {
        return false;
    }
    if (report_env_on("FORCE_COLOR") || report_env_on("CLICOLOR_FORCE")) {
        return true;
    }
    return isatty(fd) && strcmp(report_env("TERM"), "dumb") != 0;
}

bool
prf_unicode_enabled(void)
{
    static const char *const names[] = {"LC_ALL", "LC_CTYPE", "LANG"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *value = report_env(names[i]);
        if (value[0] != '\0') {
            return strcasestr(value, "utf-8") != NULL ||
                   strcasestr(value, "utf8") != NULL;
        }
    }
    return false;
}

static const char *
report_mark(const struct prf_style *style, enum prf_status status)
{
    if (status == PRF_STATUS_OK) {
        return style->ascii ? "ok  " : "\u2713";
    }
    if (status == PRF_STATUS_SKIPPED) {
        return style->ascii ? "skip" : "-";
    }
    return style->ascii ? "FAIL" : "\u2717";
}

static enum prf_paint
report_paint(enum prf_status status)
{
    return status == PRF_STATUS_OK        ? PRF_GREEN
           : status == PRF_STATUS_SKIPPED ? PRF_YELLOW
                                          : PRF_RED;
}

/* "1.234 ms ± 0.5 %" of the first metric. False: it has no samples. */
static bool
report_metric_figure(struct prf_strbuf *sb, const struct prf_style *style,
                     const struct prf_profile *p)
{
    struct prf_summary s = {0};
    char amount[PRF_UNIT_TEXT];
    const struct prf_metric_values *metric = p->n_metrics > 0 ? &p->metrics[0] : NULL;
    double *scratch = metric ? calloc(metric->n + 1, sizeof *scratch) : NULL;
    if (scratch != NULL) {
        prf_summarize(metric->samples, metric->n, scratch, &s);
    }
    free(scratch);
    if (s.n == 0) {
        return false;
    }
    prf_strbuf_adds(
        sb, prf_format_amount(s.median, metric->unit, NULL, amount, sizeof amount));
    double half = prf_relative_ci(&s) * 100.0;
    if (half < 1e3) { /* more, or no interval at all, says nothing */
        prf_strbuf_addf(sb, " %s %.1f %%", style->ascii ? "+-" : "\u00b1", half);
    }
    return true;
}

/* "177 calls, 1.234 ms" of a call profile, else the time that was measured. */
static void
report_figure(struct prf_strbuf *sb, const struct prf_style *style,
              const struct prf_result *result)
{
    const struct prf_profile *p = result->profile;
    struct prf_call_index at;
    char time[PRF_UNIT_TEXT];
    if (p != NULL && report_metric_figure(sb, style, p)) {
        return;
    }
    if (p != NULL && p->sites.n > 0 && prf_call_index(&p->sites, &at)) {
        long long calls = 0;
        for (size_t i = 0; i < p->sites.n; i++) {
            calls += p->sites.values[i * p->sites.n_columns + (size_t)at.calls];
        }
        prf_strbuf_addf(sb, "%lld calls%s", calls,
                        result->duration_ns >= 0 ? ", " : "");
    }
    if (result->duration_ns >= 0) {
        prf_strbuf_adds(
            sb, prf_format_time((double)result->duration_ns, NULL, time, sizeof time));
    }
}

/* "failed: ValueError: bad", "crashed (SIGSEGV)", or the figure. */
static void
report_outcome(struct prf_strbuf *sb, const struct prf_style *style,
               const struct prf_result *result)
{
    if (result->status == PRF_STATUS_OK) {
        report_figure(sb, style, result);
        return;
    }
    prf_strbuf_adds(sb, prf_status_name(result->status));
    if (result->signal != NULL) {
        prf_strbuf_addf(sb, " (%s)", result->signal);
    }
    if (result->reason != NULL) {
        prf_strbuf_adds(sb, ": ");
        prf_visible_add(sb, result->reason, PRF_VISIBLE_LINE);
    }
}

void
prf_report_case_line(FILE *out, const struct prf_style *style,
                     const struct prf_result *result)
{
    const struct prf_export_options options = {0};
    const struct prf_text text = {.out = out, .style = style, .options = &options};
    struct prf_strbuf id = PRF_STRBUF_INIT, tail = PRF_STRBUF_INIT;
    const char *mark = report_mark(style, result->status);
    size_t width = style->width > 0 ? (size_t)style->width : 80;
    prf_visible_add(&id, result->case_id, PRF_VISIBLE_LINE);
    prf_visible_add(&tail, result->profiler, PRF_VISIBLE_LINE);
    prf_strbuf_adds(&tail, "  ");
    report_outcome(&tail, style, result);
    size_t used = prf_text_width(mark) + 1,
           len = prf_text_width(prf_strbuf_text(&tail));
    bool ok = result->status == PRF_STATUS_OK;
    /* A reason may be longer than the line; then it gets one of its own. */
    bool fits = used + prf_text_width(prf_strbuf_text(&id)) + 2 + len <= width;
    size_t room =
        fits || (ok && width > used + len + 22) ? width - used - 2 - len : width - used;
    fprintf(out, "%s%s%s ", prf_paint(style, report_paint(result->status)), mark,
            prf_paint(style, PRF_PLAIN));
    prf_text_put_padded(&text, result->case_id, room);
    fprintf(out, "%s%s\n", room < width - used ? "  " : "\n    ",
            prf_strbuf_text(&tail));
    prf_strbuf_release(&id);
    prf_strbuf_release(&tail);
}

int
prf_report_result(FILE *out, const struct prf_style *style,
                  const struct prf_result *result,
                  const struct prf_export_options *options, struct prf_error *err)
{
    const struct prf_text text = {.out = out, .style = style, .options = options};
    return prf_text_result(&text, result, err);
}

void
prf_report_clause(FILE *out, const struct prf_style *style, int indent,
                  const struct prf_clause *clause)
{
    const struct prf_export_options options = {0};
    const struct prf_text text = {.out = out, .style = style, .options = &options};
    enum prf_paint paint = clause->broken    ? PRF_RED
                           : clause->unknown ? PRF_YELLOW
                                             : PRF_GREEN;
    const char *word = clause->broken    ? "broken"
                       : clause->unknown ? "not clear"
                                         : "kept";
    if (!clause->broken && !clause->unknown && style->verbosity < 1) {
        return;
    }
    fprintf(out, "%*s%sbudget %s:%s ", indent, "", prf_paint(style, paint), word,
            prf_paint(style, PRF_PLAIN));
    prf_text_put(&text, clause->text, PRF_VISIBLE_LINE);
    fputs(clause->why != NULL ? ", " : "", out);
    prf_text_put(&text, clause->why != NULL ? clause->why : "", PRF_VISIBLE_LINE);
    fprintf(out, "  (%s)\n", clause->source);
}

void
prf_report_summary(FILE *out, const struct prf_style *style,
                   const struct prf_totals *totals)
{
    char time[PRF_UNIT_TEXT];
    const char *separator = "";
    for (int status = 0; status < 6; status++) {
        if (totals->n[status] > 0) {
            fprintf(out, "%s%s%zu %s%s", separator,
                    prf_paint(style, report_paint(status)), totals->n[status],
                    prf_status_name(status), prf_paint(style, PRF_PLAIN));
            separator = ", ";
        }
    }
    fputs(separator[0] == '\0' ? "nothing was run" : "", out);
    if (totals->duration_ns >= 1000000000) {
        snprintf(time, sizeof time, "%.1f s", (double)totals->duration_ns / 1e9);
    } else {
        snprintf(time, sizeof time, "%.0f ms", (double)totals->duration_ns / 1e6);
    }
    fprintf(out, " in %s\n", time);
}

static void
report_commit(const struct prf_text *text, const struct prf_commit *commit)
{
    if (commit->id == NULL) {
        fputs("no commit", text->out);
        fputs(commit->note != NULL ? ": " : "", text->out);
        prf_text_put(text, commit->note != NULL ? commit->note : "", PRF_VISIBLE_LINE);
        return;
    }
    fputs("commit ", text->out);
    fprintf(text->out, "%s%.10s%s", prf_paint(text->style, PRF_YELLOW), commit->id,
            prf_paint(text->style, PRF_PLAIN));
    fputs(commit->branch != NULL ? " on " : " (detached)", text->out);
    prf_text_put(text, commit->branch != NULL ? commit->branch : "", PRF_VISIBLE_LINE);
    fputs(commit->dirty ? ", with uncommitted changes" : "", text->out);
    fputs(commit->note != NULL ? "; " : "", text->out);
    prf_text_put(text, commit->note != NULL ? commit->note : "", PRF_VISIBLE_LINE);
}

void
prf_report_head(FILE *out, const struct prf_style *style, const struct prf_run *run)
{
    const struct prf_export_options options = {0};
    const struct prf_text text = {.out = out, .style = style, .options = &options};
    const struct prf_python *python = &run->python;
    const struct prf_machine *machine = &run->machine;
    fprintf(out, "%spyprofiler%s  ", prf_paint(style, PRF_BOLD),
            prf_paint(style, PRF_PLAIN));
    report_commit(&text, &run->commit);
    fputc('\n', out);
    fprintf(out, "%s %s",
            python->implementation != NULL ? python->implementation : "Python",
            python->version != NULL ? python->version : "of unknown version");
    if (python->host != NULL) {
        fprintf(out, " (%s)",
                strcmp(python->host, "embed") == 0 ? "embedded" : "in its own program");
    }
    if (machine->cpu != NULL) {
        fputs(", ", out);
        prf_text_put(&text, machine->cpu, PRF_VISIBLE_LINE);
        fprintf(out, " x %d", machine->n_cpus);
    }
    fputc('\n', out);
}
