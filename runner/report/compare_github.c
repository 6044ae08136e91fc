/* A comparison as workflow commands of GitHub: an annotation at the case for each
   regression and broken clause (error), for what could not be told or compared
   (warning), and for what got better (notice). */
#include <string.h>

#include "compare_report.h"
#include "compare_words.h"
#include "label.h"

/* GitHub's rules: '%', CR and LF in the message; ':' and ',' in a property too. */
static void
github_put(FILE *out, const char *text, const char *special)
{
    struct prf_strbuf safe = PRF_STRBUF_INIT;
    prf_utf8_add(&safe, text);
    for (const char *s = prf_strbuf_text(&safe); *s != '\0'; s++) {
        if (strchr(special, *s) != NULL) {
            fprintf(out, "%%%02X", (unsigned char)*s);
        } else if (((unsigned char)*s >= 0x20 && *s != 0x7f) || *s == '\t') {
            fputc(*s, out);
        } /* other control characters are of no use in a log */
    }
    prf_strbuf_release(&safe);
}

static void
github_put_property(FILE *out, const char *text)
{
    github_put(out, text, "%\r\n:,");
}

static void
github_put_command(FILE *out, const char *command, const struct prf_compared *item,
                   const struct prf_compare_report_options *options,
                   const struct prf_strbuf *message)
{
    fprintf(out, "::%s ", command);
    if (item->case_file != NULL) {
        fputs("file=", out);
        github_put_property(out, prf_words_relative(item->case_file, options->root));
        fprintf(out, ",line=%d,", item->case_line > 0 ? item->case_line : 1);
    }
    fputs("title=", out);
    github_put_property(out, item->case_id);
    github_put_property(out, " ");
    github_put_property(out, item->profiler != NULL ? item->profiler : "");
    fputs("::", out);
    github_put(out, prf_strbuf_text(message), "%\r\n");
    fputc('\n', out);
}

static void
github_add_where(struct prf_strbuf *sb, const struct prf_compared *item)
{
    if (item->n_where > 0) {
        prf_strbuf_adds(sb, "\n");
        prf_words_add_teller(sb, item);
        prf_strbuf_addc(sb, ':');
    }
    for (size_t i = 0; i < item->n_where && i < 3; i++) {
        prf_strbuf_adds(sb, "\n");
        prf_words_add_place(sb, &item->where[i]);
        prf_strbuf_addc(sb, ' ');
        prf_words_add_where(sb, &item->where[i]);
    }
}

static const char *
github_command(const struct prf_compared *item)
{
    bool whole = item->uncompared == PRF_COMPARED && item->metric != NULL;
    return prf_words_is_worse(item)    ? "error"
           : prf_words_is_better(item) ? "notice"
           : item->uncompared == PRF_NOT_MEASURED ||
                   (whole && item->change.verdict == PRF_VERDICT_INCONCLUSIVE)
               ? "warning"
               : NULL;
}

static void
github_put_item(FILE *out, const struct prf_compared *item,
                const struct prf_compare_report_options *options)
{
    const char *command = github_command(item);
    struct prf_strbuf message = PRF_STRBUF_INIT;
    if (command != NULL) {
        prf_words_add_item(&message, item);
        if (options->where) {
            github_add_where(&message, item);
        }
        github_put_command(out, command, item, options, &message);
    }
    for (size_t i = 0; i < item->n_clauses; i++) {
        const struct prf_clause *clause = &item->clauses[i];
        prf_strbuf_clear(&message);
        prf_words_add_clause(&message, clause);
        if (clause->broken || clause->unknown) {
            github_put_command(out, clause->broken ? "error" : "warning", item, options,
                               &message);
        }
    }
    prf_strbuf_release(&message);
}

static int
github_write(const struct prf_comparison *comparison,
             const struct prf_compare_report_options *options, FILE *out,
             struct prf_error *err)
{
    struct prf_strbuf totals = PRF_STRBUF_INIT;
    (void)err;
    for (size_t i = 0; i < options->n; i++) {
        github_put_item(out, options->items[i], options);
    }
    prf_words_add_totals(&totals, comparison);
    fprintf(out, "%s\n", prf_strbuf_text(&totals));
    prf_strbuf_release(&totals);
    return 0;
}

const struct prf_compare_format prf_compare_github = {
    .name = "github",
    .extension = NULL,
    .summary = "annotations of a workflow; and its step summary",
    .write = github_write,
};
