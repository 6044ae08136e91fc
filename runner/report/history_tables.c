/* A history as CSV, one line for each commit and metric, and as Markdown. */
#include <inttypes.h>
#include <math.h>

#include "history_report.h"

/* ---- csv ---- */

static void
csv_text(FILE *out, const char *text, char end)
{
    struct prf_strbuf room = PRF_STRBUF_INIT;
    prf_csv_add(out, text == NULL ? "" : text, &room);
    putc(end, out);
    prf_strbuf_release(&room);
}

static void
csv_number(FILE *out, double value)
{
    if (isfinite(value)) {
        fprintf(out, "%.17g", value);
    }
    putc(',', out);
}

static void
csv_row(const struct prf_history *h, const struct prf_history_series *s, size_t point,
        FILE *out)
{
    const struct prf_history_point *p = &s->points[point];
    const struct prf_history_place *place = &h->places[p->place];
    const struct prf_history_commit *c = &h->commits[place->commit];
    const struct prf_history_step *step = prf_history_step_at(s, point);
    const char *texts[] = {
        s->case_id,          s->profiler,        s->metric,           s->unit,
        s->setting->machine, s->setting->python, s->setting->options, c->id,
        place->tree};
    char date[PRF_DATE_TEXT];
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        csv_text(out, texts[i], ',');
    }
    fprintf(out, "%" PRId64 ",%s,", c->time,
            prf_history_date(c->time, date, sizeof date));
    csv_text(out, c->author, ',');
    csv_number(out, p->value);
    csv_number(out, p->ci_low);
    csv_number(out, p->ci_high);
    fprintf(out, "%zu,%zu,%zu,", p->n_processes, p->n_values, p->n_failed);
    csv_number(out, step == NULL ? NAN : step->ratio);
    csv_text(out, p->result, ',');
    csv_text(out, c->summary, '\n');
}

static int
history_csv_write(const struct prf_history *h,
                  const struct prf_history_options *options, FILE *out,
                  struct prf_error *err)
{
    (void)options;
    (void)err;
    fputs(
        "case,profiler,metric,unit,machine,python,options,commit,dirty_tree,time,date,"
        "author,value,ci95_low,ci95_high,processes,values,failed,step_ratio,result,"
        "subject\n",
        out);
    for (size_t i = 0; i < h->n_series; i++) {
        for (size_t k = 0; k < h->series[i].n; k++) {
            csv_row(h, &h->series[i], k, out);
        }
    }
    return 0;
}

const struct prf_history_format prf_history_csv = {
    .name = "csv",
    .extension = ".csv",
    .summary = "a line for each commit and metric",
    .write = history_csv_write,
};

/* ---- markdown ---- */

static void
markdown_text(FILE *out, const char *text)
{
    struct prf_strbuf room = PRF_STRBUF_INIT;
    prf_markdown_add(out, text == NULL ? "" : text, &room);
    prf_strbuf_release(&room);
}

static void
markdown_step(const struct prf_history *h, const struct prf_history_series *s,
              const struct prf_history_step *step, FILE *out)
{
    const struct prf_history_commit *c = prf_history_commit_of(h, s, step->at);
    char change[24], low[24], high[24], date[PRF_DATE_TEXT];
    fprintf(out, "- **%s** (%s to %s) %s",
            prf_history_change(step->ratio, change, sizeof change),
            prf_history_change(step->ci_low, low, sizeof low),
            prf_history_change(step->ci_high, high, sizeof high),
            prf_history_step_word(s, step));
    if (step->n_between > 0) {
        fprintf(out, " in one of the %zu commits after %.9s up to", step->n_between + 1,
                prf_history_commit_of(h, s, step->before)->id);
    } else {
        fputs(":", out);
    }
    fprintf(out, " %.9s, %s, ", c->id, prf_history_date(c->time, date, sizeof date));
    markdown_text(out, c->author);
    fputs(": ", out);
    markdown_text(out, c->summary);
    if (step->n_between > 0) {
        struct prf_strbuf command = PRF_STRBUF_INIT;
        prf_history_add_bisect(&command, h, s, step);
        fputs(". Which one: ", out);
        markdown_text(out, prf_strbuf_text(&command));
        prf_strbuf_release(&command);
    }
    putc('\n', out);
}

static void
markdown_row(const struct prf_history *h, const struct prf_history_series *s,
             size_t point, const char *time_unit, FILE *out)
{
    const struct prf_history_point *p = &s->points[point];
    const struct prf_history_place *place = &h->places[p->place];
    const struct prf_history_commit *c = &h->commits[place->commit];
    const struct prf_history_step *step = prf_history_step_at(s, point);
    char date[PRF_DATE_TEXT], value[PRF_UNIT_TEXT], low[PRF_UNIT_TEXT];
    char high[PRF_UNIT_TEXT], change[24] = "";
    if (step != NULL) {
        prf_history_change(step->ratio, change, sizeof change);
    }
    fprintf(out, "| %.9s%s | %s | %s | %s | %s | %zu | %s | ", c->id,
            place->kind == PRF_PLACE_WIP ? " and changes" : "",
            prf_history_date(c->time, date, sizeof date),
            isnan(p->value) && p->status != NULL
                ? p->status
                : prf_format_amount(p->value, s->unit, time_unit, value, sizeof value),
            prf_format_amount(p->ci_low, s->unit, time_unit, low, sizeof low),
            prf_format_amount(p->ci_high, s->unit, time_unit, high, sizeof high),
            p->n_processes, change);
    markdown_text(out, c->summary);
    fputs(" |\n", out);
}

static int
history_markdown_write(const struct prf_history *h,
                       const struct prf_history_options *options, FILE *out,
                       struct prf_error *err)
{
    (void)err;
    for (size_t i = 0; i < h->n_series; i++) {
        const struct prf_history_series *s = &h->series[i];
        size_t rows = options->n_rows;
        size_t from = rows == 0 || rows >= s->n ? 0 : s->n - rows;
        struct prf_strbuf setting = PRF_STRBUF_INIT;
        fputs(i > 0 ? "\n### " : "### ", out);
        markdown_text(out, s->case_id);
        fputs(", ", out);
        markdown_text(out, s->metric);
        fputs("\n\n", out);
        prf_history_add_setting(&setting, s->setting, ", ");
        markdown_text(out, prf_strbuf_text(&setting));
        prf_strbuf_release(&setting);
        fprintf(out, ", %zu of %zu commits measured\n\n", h->n_measured,
                h->n_commits - h->n_older);
        for (size_t k = 0; k < s->n_steps; k++) {
            markdown_step(h, s, &s->steps[k], out);
        }
        fputs(s->n_steps > 0 ? "\n" : "No steps.\n\n", out);
        fputs("| commit | date | value | 95 % from | to | n | step | subject |\n"
              "|---|---|---:|---:|---:|---:|---:|---|\n",
              out);
        for (size_t k = from; k < s->n; k++) {
            markdown_row(h, s, k, options->time_unit, out);
        }
    }
    return 0;
}

const struct prf_history_format prf_history_markdown = {
    .name = "markdown",
    .extension = ".md",
    .summary = "the steps and a table, for a comment",
    .write = history_markdown_write,
};
