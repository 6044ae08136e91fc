/* A comparison as Markdown that GitHub renders, fit for a comment: a headline, what
   changed or broke, the rest folded. */
#include <string.h>

#include "compare_report.h"
#include "compare_words.h"
#include "label.h"

#define MARKDOWN_WHERE 5   /* functions of an item */
#define MARKDOWN_HUNK 2000 /* bytes; a comment may have 65,536 */

struct markdown_file {
    FILE *out;
    struct prf_strbuf text;
};

static void
markdown_put(struct markdown_file *file, const char *text)
{
    prf_markdown_add(file->out, text == NULL ? "" : text, &file->text);
}

static void
markdown_put_words(struct markdown_file *file, struct prf_strbuf *words)
{
    markdown_put(file, prf_strbuf_text(words));
    file->text.failed |= words->failed;
    prf_strbuf_release(words);
}

static bool
markdown_is_first(const struct prf_compared *item)
{
    return prf_words_fails(item) || prf_words_is_better(item);
}

static const char *
markdown_mark(const struct prf_compared *item)
{
    return prf_words_fails(item)       ? ":x: "
           : prf_words_is_better(item) ? ":white_check_mark: "
                                       : "";
}

static void
markdown_put_change(struct markdown_file *file, const struct prf_compared *item)
{
    const struct prf_change *c = &item->change;
    struct prf_strbuf cell = PRF_STRBUF_INIT, interval = PRF_STRBUF_INIT;
    prf_words_add_change(&cell, c);
    prf_words_add_interval(&interval, c);
    if (interval.len > 0) {
        prf_strbuf_addf(&cell, " (%s)", prf_strbuf_text(&interval));
    }
    if (!c->exact &&
        (c->verdict == PRF_VERDICT_SAME || c->verdict == PRF_VERDICT_INCONCLUSIVE)) {
        prf_strbuf_adds(&cell, ", ");
        prf_words_add_test(&cell, c);
    }
    prf_strbuf_release(&interval);
    markdown_put_words(file, &cell);
}

static void
markdown_put_verdict(struct markdown_file *file, const struct prf_compared *item)
{
    bool strong = markdown_is_first(item);
    fprintf(file->out, "%s%s", markdown_mark(item), strong ? "**" : "");
    markdown_put(file, prf_words_verdict(item));
    fputs(strong ? "**" : "", file->out);
    if (item->uncompared != PRF_COMPARED || item->metric == NULL) {
        fputs(": ", file->out);
        markdown_put(file, prf_words_why(item));
    } else if (item->change.verdict == PRF_VERDICT_INCONCLUSIVE) {
        struct prf_strbuf sb = PRF_STRBUF_INIT;
        prf_words_add_detectable(&sb, &item->change);
        fputs(": ", file->out);
        markdown_put_words(file, &sb);
    }
    fputs(item->source_changed ? "; its source changed" : "", file->out);
    for (size_t i = 0; i < item->n_clauses; i++) {
        if (item->clauses[i].broken || item->clauses[i].unknown) {
            struct prf_strbuf sb = PRF_STRBUF_INIT;
            prf_words_add_clause(&sb, &item->clauses[i]);
            fputs("<br>", file->out);
            markdown_put_words(file, &sb);
        }
    }
}

static void
markdown_put_row(struct markdown_file *file, const struct prf_compared *item)
{
    bool compared = item->uncompared == PRF_COMPARED && item->metric != NULL;
    const char *const names[] = {item->case_id, item->profiler, item->metric};
    for (size_t i = 0; i < 3; i++) {
        fputs("| ", file->out);
        markdown_put(file, names[i]);
        putc(' ', file->out);
    }
    for (int side = 0; side < 2; side++) {
        struct prf_strbuf sb = PRF_STRBUF_INIT;
        if (compared) {
            prf_words_add_amount(&sb, side == 0 ? item->change.base : item->change.next,
                                 item->unit);
        }
        fputs("| ", file->out);
        markdown_put_words(file, &sb);
        putc(' ', file->out);
    }
    fputs("| ", file->out);
    if (compared) {
        markdown_put_change(file, item);
    }
    fputs(" | ", file->out);
    markdown_put_verdict(file, item);
    fputs(" |\n", file->out);
}

static void
markdown_put_table(struct markdown_file *file,
                   const struct prf_compare_report_options *options, bool first)
{
    bool begun = false;
    for (size_t i = 0; i < options->n; i++) {
        if (markdown_is_first(options->items[i]) != first) {
            continue;
        }
        if (!begun) {
            fputs("\n| case | profiler | metric | base | new | change | verdict |\n"
                  "|---|---|---|---:|---:|---:|---|\n",
                  file->out);
        }
        begun = true;
        markdown_put_row(file, options->items[i]);
    }
}

/* A fence longer than any row of backticks in the text. */
static void
markdown_put_code(struct markdown_file *file, const char *language, const char *code)
{
    size_t run = 0, longest = 2, n = 0;
    for (const char *s = code; *s != '\0'; s++) {
        run = *s == '`' ? run + 1 : 0;
        longest = run > longest ? run : longest;
    }
    char fence[64];
    n = longest + 1 < sizeof fence ? longest + 1 : sizeof fence - 1;
    memset(fence, '`', n);
    fence[n] = '\0';
    size_t len = strlen(code);
    size_t shown = len;
    if (len > MARKDOWN_HUNK) {
        for (shown = MARKDOWN_HUNK; shown > 0 && code[shown - 1] != '\n';) {
            shown--;
        }
    }
    struct prf_strbuf cut = PRF_STRBUF_INIT;
    prf_strbuf_add(&cut, code, shown > 0 ? shown : MARKDOWN_HUNK);
    prf_strbuf_clear(&file->text);
    prf_visible_add(&file->text, prf_strbuf_text(&cut), PRF_VISIBLE_LINES);
    prf_strbuf_release(&cut);
    const char *safe = prf_strbuf_text(&file->text);
    size_t end = strlen(safe);
    fprintf(file->out, "\n%s%s\n%s%s%s\n", fence, language, safe,
            end > 0 && safe[end - 1] == '\n' ? "" : "\n", fence);
}

static void
markdown_put_where(struct markdown_file *file, const struct prf_compared *item)
{
    fputs("\n**", file->out);
    markdown_put(file, item->case_id);
    fputs("** ", file->out);
    struct prf_strbuf teller = PRF_STRBUF_INIT;
    prf_strbuf_addf(&teller, "%s: ", item->metric);
    prf_words_add_teller(&teller, item);
    markdown_put_words(file, &teller);
    fputs(":\n", file->out);
    size_t n = item->n_where < MARKDOWN_WHERE ? item->n_where : MARKDOWN_WHERE;
    for (size_t i = 0; i < n; i++) {
        const struct prf_where *w = &item->where[i];
        struct prf_strbuf sb = PRF_STRBUF_INIT;
        prf_words_add_place(&sb, w);
        prf_strbuf_adds(&sb, " ");
        prf_words_add_where(&sb, w);
        fputs("\n- ", file->out);
        markdown_put_words(file, &sb);
        fputc('\n', file->out);
        if (w->hunks != NULL && w->hunks[0] != NULL) {
            markdown_put_code(file, "diff", w->hunks[0]);
        }
    }
    if (n < item->n_where) {
        fprintf(file->out, "\n%zu more\n", item->n_where - n);
    }
}

static bool
markdown_has_where(const struct prf_compare_report_options *options)
{
    bool any = false;
    for (size_t i = 0; options->where && i < options->n; i++) {
        any |= options->items[i]->n_where > 0;
    }
    return any;
}

static void
markdown_put_head(struct markdown_file *file, const struct prf_comparison *comparison)
{
    struct prf_strbuf totals = PRF_STRBUF_INIT, base = PRF_STRBUF_INIT,
                      next = PRF_STRBUF_INIT;
    bool bad = prf_comparison_regressions(comparison) > 0 ||
               prf_comparison_broken(comparison) > 0;
    prf_words_add_totals(&totals, comparison);
    prf_words_add_side(&base, &comparison->base);
    prf_words_add_side(&next, &comparison->next);
    fprintf(file->out, "### pyprofiler: %s", bad ? ":x: " : "");
    markdown_put_words(file, &totals);
    fputs("\n\n", file->out);
    markdown_put_words(file, &base);
    fputs(" → ", file->out);
    markdown_put_words(file, &next);
    fputc('\n', file->out);
    if (comparison->conditions != NULL) {
        fputs("\n", file->out);
        markdown_put(file, comparison->conditions);
        fputc('\n', file->out);
    }
    const char *const *warning = comparison->warnings;
    for (; warning != NULL && *warning != NULL; warning++) {
        fputs("\n:warning: ", file->out);
        markdown_put(file, *warning);
        fputc('\n', file->out);
    }
}

static int
markdown_write(const struct prf_comparison *comparison,
               const struct prf_compare_report_options *options, FILE *out,
               struct prf_error *err)
{
    struct markdown_file file = {.out = out, .text = PRF_STRBUF_INIT};
    size_t n_rest = 0;
    for (size_t i = 0; i < options->n; i++) {
        n_rest += !markdown_is_first(options->items[i]);
    }
    markdown_put_head(&file, comparison);
    markdown_put_table(&file, options, true);
    if (markdown_has_where(options)) {
        fputs("\n<details><summary>where</summary>\n", out);
        for (size_t i = 0; i < options->n; i++) {
            if (options->items[i]->n_where > 0) {
                markdown_put_where(&file, options->items[i]);
            }
        }
        fputs("\n</details>\n", out);
    }
    if (n_rest > 0) {
        fprintf(out, "\n<details><summary>%zu without a change</summary>\n", n_rest);
        markdown_put_table(&file, options, false);
        fputs("\n</details>\n", out);
    }
    bool failed = file.text.failed;
    prf_strbuf_release(&file.text);
    return failed ? prf_fail(err, PRF_ENOMEM, "out of memory") : 0;
}

const struct prf_compare_format prf_compare_markdown = {
    .name = "markdown",
    .extension = ".md",
    .summary = "for a comment on a pull request",
    .write = markdown_write,
};
