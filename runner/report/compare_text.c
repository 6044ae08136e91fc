/* A comparison for a terminal: a heading for each case and profiler, a row for each
   metric, below it what it broke and where it comes from, at the end the totals. */
#include <math.h>
#include <string.h>

#include "compare_text.h"
#include "compare_words.h"
#include "report.h"

enum text_column { TEXT_METRIC, TEXT_BASE, TEXT_NEXT, TEXT_CHANGE, TEXT_INTERVAL };
#define TEXT_COLUMNS 5

struct text_layout {
    size_t widths[TEXT_COLUMNS];
    bool short_intervals; /* half the width instead of both ends */
};

void
prf_compare_put(const struct prf_text *text, const char *what)
{
    prf_text_put(text, what, PRF_VISIBLE_LINE);
}

void
prf_compare_put_fitting(const struct prf_text *text, const char *what, size_t used)
{
    struct prf_strbuf safe = PRF_STRBUF_INIT, cut = PRF_STRBUF_INIT;
    size_t width = text->style->width > 0 ? (size_t)text->style->width : SIZE_MAX;
    size_t room = width > used + 24 ? width - used : 24;
    prf_visible_add(&safe, what, PRF_VISIBLE_LINE);
    prf_shorten_add(&cut, prf_strbuf_text(&safe), room,
                    text->style->ascii ? "..." : "\u2026");
    fputs(prf_strbuf_text(&cut), text->out);
    prf_strbuf_release(&safe);
    prf_strbuf_release(&cut);
}

static bool
text_has_row(const struct prf_compared *item)
{
    return item->uncompared == PRF_COMPARED && item->metric != NULL;
}

/* Has the change a size, or is it only "~"? */
static bool
text_is_significant(const struct prf_compared *item)
{
    return item->change.exact || (item->change.verdict != PRF_VERDICT_SAME &&
                                  item->change.verdict != PRF_VERDICT_INCONCLUSIVE);
}

static void
text_add_interval(struct prf_strbuf *sb, const struct prf_text *text,
                  const struct prf_compared *item, bool short_interval)
{
    const struct prf_change *c = &item->change;
    struct prf_strbuf own = PRF_STRBUF_INIT;
    if (!text_is_significant(item)) {
        prf_words_add_test(&own, c);
    } else if (!short_interval) {
        prf_words_add_interval(&own, c);
    } else if (isfinite(c->ci_high - c->ci_low) && !c->exact) {
        prf_strbuf_addf(&own, "%s %.1f%%", text->style->ascii ? "+-" : "\u00b1",
                        50.0 * (c->ci_high - c->ci_low));
    }
    if (own.len > 0) {
        prf_strbuf_addf(sb, "(%s)", prf_strbuf_text(&own));
    }
    sb->failed |= own.failed;
    prf_strbuf_release(&own);
}

static void
text_add_cell(struct prf_strbuf *sb, const struct prf_text *text,
              const struct prf_compared *item, enum text_column column,
              bool short_interval)
{
    const struct prf_change *c = &item->change;
    switch (column) {
    case TEXT_METRIC:
        prf_visible_add(sb, item->metric, PRF_VISIBLE_LINE);
        break;
    case TEXT_BASE:
        prf_words_add_amount(sb, c->base, item->unit);
        break;
    case TEXT_NEXT:
        prf_words_add_amount(sb, c->next, item->unit);
        break;
    case TEXT_CHANGE:
        if (text_is_significant(item)) {
            prf_words_add_change(sb, c);
        } else {
            prf_strbuf_addc(sb, '~');
        }
        break;
    case TEXT_INTERVAL:
        text_add_interval(sb, text, item, short_interval);
        break;
    }
}

static void
text_measure(const struct prf_text *text,
             const struct prf_compare_report_options *options,
             struct text_layout *layout)
{
    static const char *const heads[] = {"metric", "base", "new", "change", ""};
    struct prf_strbuf cell = PRF_STRBUF_INIT;
    for (int column = 0; column < TEXT_COLUMNS; column++) {
        layout->widths[column] = strlen(heads[column]);
        for (size_t i = 0; i < options->n; i++) {
            if (text_has_row(options->items[i])) {
                prf_strbuf_clear(&cell);
                text_add_cell(&cell, text, options->items[i], (enum text_column)column,
                              layout->short_intervals);
                size_t width = prf_text_width(prf_strbuf_text(&cell));
                layout->widths[column] =
                    width > layout->widths[column] ? width : layout->widths[column];
            }
        }
    }
    prf_strbuf_release(&cell);
}

/* Columns of a row up to and including its verdict. */
static size_t
text_row_width(const struct text_layout *layout)
{
    size_t width = 2 + strlen("  within noise");
    for (int i = 0; i < TEXT_COLUMNS; i++) {
        width += layout->widths[i] + (i == TEXT_METRIC     ? 0
                                      : i == TEXT_INTERVAL ? 1
                                                           : 2);
    }
    return width;
}

static enum prf_paint
text_paint(const struct prf_compared *item)
{
    return prf_words_is_worse(item)                           ? PRF_RED
           : prf_words_is_better(item)                        ? PRF_GREEN
           : item->change.verdict == PRF_VERDICT_INCONCLUSIVE ? PRF_YELLOW
                                                              : PRF_DIM;
}

static const char *
text_mark(const struct prf_text *text, const struct prf_compared *item)
{
    bool ascii = text->style->ascii;
    return prf_words_is_worse(item)                           ? (ascii ? "!" : "\u2717")
           : prf_words_is_better(item)                        ? (ascii ? "*" : "\u2713")
           : item->change.verdict == PRF_VERDICT_INCONCLUSIVE ? "?"
                                                              : " ";
}

static void
text_put_verdict(const struct prf_text *text, const struct prf_compared *item,
                 size_t used)
{
    const struct prf_style *style = text->style;
    struct prf_strbuf more = PRF_STRBUF_INIT;
    const char *verdict = prf_words_verdict(item);
    fprintf(text->out, "%s%s%s", prf_paint(style, text_paint(item)), verdict,
            prf_paint(style, PRF_PLAIN));
    if (item->change.verdict == PRF_VERDICT_INCONCLUSIVE) {
        prf_words_add_detectable(&more, &item->change);
        size_t width = used + strlen(verdict) + more.len + 3;
        bool fits = style->width <= 0 || width <= (size_t)style->width;
        fprintf(text->out, fits ? " (%s)" : "\n    (%s)", prf_strbuf_text(&more));
    }
    fputc('\n', text->out);
    prf_strbuf_release(&more);
}

/* All numbers, for who wants to check the verdict. */
static void
text_put_numbers(const struct prf_text *text, const struct prf_compared *item)
{
    const struct prf_change *c = &item->change;
    struct prf_strbuf sb = PRF_STRBUF_INIT;
    prf_words_add_change(&sb, c);
    prf_strbuf_adds(&sb, " (");
    prf_words_add_interval(&sb, c);
    prf_strbuf_adds(&sb, ") ");
    prf_words_add_test(&sb, c);
    prf_strbuf_addf(&sb, " of %zu+%zu processes", c->processes_base, c->processes_next);
    if (isfinite(c->q_value)) {
        prf_strbuf_addf(&sb, ", q=%.3g", c->q_value);
    }
    if (isfinite(c->effect)) {
        prf_strbuf_addf(&sb, ", effect %+.2f", c->effect);
    }
    prf_strbuf_adds(&sb, ", ");
    prf_words_add_detectable(&sb, c);
    fprintf(text->out, "    %s\n", prf_strbuf_text(&sb));
    prf_strbuf_release(&sb);
}

static void
text_put_row(const struct prf_text *text, const struct prf_compared *item,
             const struct text_layout *layout)
{
    const struct prf_style *style = text->style;
    fprintf(text->out, "%s%s%s ", prf_paint(style, text_paint(item)),
            text_mark(text, item), prf_paint(style, PRF_PLAIN));
    for (int column = 0; column < TEXT_COLUMNS; column++) {
        struct prf_strbuf cell = PRF_STRBUF_INIT;
        text_add_cell(&cell, text, item, (enum text_column)column,
                      layout->short_intervals);
        size_t width = prf_text_width(prf_strbuf_text(&cell));
        int pad = (int)(layout->widths[column] - width);
        bool left = column == TEXT_METRIC || column == TEXT_INTERVAL;
        const char *gap = column == TEXT_METRIC     ? ""
                          : column == TEXT_INTERVAL ? " "
                                                    : "  ";
        fprintf(text->out, "%s%*s%s%*s", gap, left ? 0 : pad, "",
                prf_strbuf_text(&cell), left ? pad : 0, "");
        prf_strbuf_release(&cell);
    }
    fputs("  ", text->out);
    text_put_verdict(text, item, text_row_width(layout) - strlen("within noise"));
    if (style->verbosity > 0) {
        text_put_numbers(text, item);
    }
}

static void
text_put_uncompared(const struct prf_text *text, const struct prf_compared *item)
{
    fputs("  ", text->out);
    if (item->metric != NULL) {
        prf_compare_put(text, item->metric);
        fputs("  ", text->out);
    }
    fprintf(text->out, "%s%s%s: ", prf_paint(text->style, PRF_YELLOW),
            prf_words_verdict(item), prf_paint(text->style, PRF_PLAIN));
    prf_compare_put(text, prf_words_why(item));
    fputc('\n', text->out);
}

static bool
text_same(const char *a, const char *b)
{
    return strcmp(a == NULL ? "" : a, b == NULL ? "" : b) == 0;
}

static void
text_put_heading(const struct prf_text *text, const struct prf_compared *item)
{
    size_t used = strlen(item->profiler != NULL ? item->profiler : "") + 2;
    static const char changed[] = "  (its source changed)";
    used += item->source_changed ? sizeof changed - 1 : 0;
    fprintf(text->out, "\n%s", prf_paint(text->style, PRF_BOLD));
    prf_compare_put_fitting(text, item->case_id, used);
    fprintf(text->out, "%s  ", prf_paint(text->style, PRF_PLAIN));
    prf_compare_put(text, item->profiler != NULL ? item->profiler : "");
    if (item->source_changed) {
        fprintf(text->out, "%s%s%s", prf_paint(text->style, PRF_YELLOW), changed,
                prf_paint(text->style, PRF_PLAIN));
    }
    fputc('\n', text->out);
}

static void
text_put_items(const struct prf_text *text,
               const struct prf_compare_report_options *options)
{
    struct text_layout layout = {0};
    const struct prf_compared *before = NULL;
    text_measure(text, options, &layout);
    if (text->style->width > 0 &&
        text_row_width(&layout) > (size_t)text->style->width) {
        layout.short_intervals = true;
        text_measure(text, options, &layout);
    }
    for (size_t i = 0; i < options->n; i++) {
        const struct prf_compared *item = options->items[i];
        if (before == NULL || !text_same(before->case_id, item->case_id) ||
            !text_same(before->profiler, item->profiler)) {
            text_put_heading(text, item);
        }
        before = item;
        if (text_has_row(item)) {
            text_put_row(text, item, &layout);
        } else {
            text_put_uncompared(text, item);
        }
        for (size_t k = 0; k < item->n_clauses; k++) {
            prf_report_clause(text->out, text->style, 4, &item->clauses[k]);
        }
        if (options->where) {
            prf_compare_text_where(text, item);
        }
    }
}

static void
text_put_side(const struct prf_text *text, const char *label,
              const struct prf_compared_side *side)
{
    struct prf_strbuf sb = PRF_STRBUF_INIT;
    prf_words_add_side(&sb, side);
    fputs(label, text->out);
    prf_compare_put_fitting(text, prf_strbuf_text(&sb), strlen(label));
    fputc('\n', text->out);
    prf_strbuf_release(&sb);
}

static void
text_put_head(const struct prf_text *text, const struct prf_comparison *comparison)
{
    text_put_side(text, "base  ", &comparison->base);
    text_put_side(text, "new   ", &comparison->next);
    if (comparison->conditions != NULL) {
        prf_compare_put(text, comparison->conditions);
        fputc('\n', text->out);
    }
    const char *const *warning = comparison->warnings;
    for (; warning != NULL && *warning != NULL; warning++) {
        fprintf(text->out, "%swarning:%s ", prf_paint(text->style, PRF_YELLOW),
                prf_paint(text->style, PRF_PLAIN));
        prf_compare_put(text, *warning);
        fputc('\n', text->out);
    }
}

/* Is there something with a common threshold of its own? */
static bool
text_has_counts(const struct prf_comparison *comparison)
{
    const struct prf_change_rules *rules = &comparison->rules;
    bool found = false;
    for (size_t i = 0; i < comparison->n; i++) {
        found |=
            prf_change_threshold(rules, comparison->items[i].unit) != rules->threshold;
    }
    return found;
}

static void
text_put_foot(const struct prf_text *text, const struct prf_comparison *comparison,
              const struct prf_compare_report_options *options)
{
    const struct prf_change_rules *rules = &comparison->rules;
    struct prf_strbuf sb = PRF_STRBUF_INIT;
    prf_words_add_totals(&sb, comparison);
    bool bad = prf_comparison_regressions(comparison) > 0 ||
               prf_comparison_broken(comparison) > 0;
    fprintf(text->out, "%s%s%s%s\n", options->n > 0 ? "\n" : "",
            bad ? prf_paint(text->style, PRF_RED) : "", prf_strbuf_text(&sb),
            bad ? prf_paint(text->style, PRF_PLAIN) : "");
    prf_strbuf_release(&sb);
    if (text->style->verbosity < 0) {
        return;
    }
    if (options->only_changed && options->n < comparison->n) {
        fprintf(text->out, "%zu of %zu are listed (--only-changed)\n", options->n,
                comparison->n);
    }
    fprintf(text->out, "changes below %.3g%%", 100.0 * rules->threshold);
    if (text_has_counts(comparison)) {
        fprintf(text->out, " (of counts %.3g%%)",
                100.0 * prf_change_threshold(rules, "count"));
    }
    fprintf(text->out, " are not reported, at most %.3g%% of what is may be chance\n",
            100.0 * rules->alpha);
    if (comparison->measured) {
        fprintf(text->out, "measured alternately for %.1f s%s\n",
                (double)comparison->measured_ns / 1e9,
                comparison->interrupted ? ", interrupted" : "");
    }
}

static int
text_write(const struct prf_comparison *comparison,
           const struct prf_compare_report_options *options, FILE *out,
           struct prf_error *err)
{
    static const struct prf_export_options none = {0};
    const struct prf_text text = {
        .out = out, .style = options->style, .options = &none};
    (void)err;
    if (text.style->verbosity >= 0) {
        text_put_head(&text, comparison);
    }
    text_put_items(&text, options);
    text_put_foot(&text, comparison, options);
    return 0;
}

const struct prf_compare_format prf_compare_text = {
    .name = "text",
    .extension = ".txt",
    .summary = "the table of the terminal",
    .write = text_write,
};
