/* Where an item changed; see compare_text.h. */
#include <string.h>

#include "compare_text.h"
#include "compare_words.h"

#define WHERE_ROWS 5  /* of an item */
#define WHERE_LINES 8 /* of a hunk */
#define WHERE_INDENT 6

static void
where_put_line(const struct prf_text *text, const char *line, size_t len)
{
    struct prf_strbuf copy = PRF_STRBUF_INIT;
    const struct prf_style *style = text->style;
    prf_strbuf_add(&copy, line, len);
    enum prf_paint paint = line[0] == '+'   ? PRF_GREEN
                           : line[0] == '-' ? PRF_RED
                                            : PRF_DIM;
    fprintf(text->out, "%*s%s", WHERE_INDENT + 2, "",
            len > 0 ? prf_paint(style, paint) : "");
    prf_compare_put_fitting(text, prf_strbuf_text(&copy), WHERE_INDENT + 2);
    fprintf(text->out, "%s\n", len > 0 ? prf_paint(style, PRF_PLAIN) : "");
    prf_strbuf_release(&copy);
}

/* The beginning of a hunk; what is left out is counted. */
static void
where_put_hunk(const struct prf_text *text, const char *hunk)
{
    size_t n = 0, n_left = 0;
    for (const char *line = hunk; *line != '\0';) {
        size_t len = strcspn(line, "\n");
        if (n++ < WHERE_LINES || text->style->verbosity > 0) {
            where_put_line(text, line, len);
        } else {
            n_left++;
        }
        line += len + (line[len] == '\n');
    }
    if (n_left > 0) {
        fprintf(text->out, "%*s(%zu more line%s)\n", WHERE_INDENT + 2, "", n_left,
                n_left == 1 ? "" : "s");
    }
}

static void
where_put_stack(const struct prf_text *text, const char *const *stack)
{
    struct prf_strbuf sb = PRF_STRBUF_INIT;
    for (size_t i = 0; stack[i] != NULL; i++) {
        prf_strbuf_addf(&sb, "%s%s", i > 0 ? " > " : "", stack[i]);
    }
    fprintf(text->out, "%*s", WHERE_INDENT + 2, "");
    prf_compare_put_fitting(text, prf_strbuf_text(&sb), WHERE_INDENT + 2);
    fputc('\n', text->out);
    prf_strbuf_release(&sb);
}

static void
where_put(const struct prf_text *text, const struct prf_where *w)
{
    struct prf_strbuf place = PRF_STRBUF_INIT, what = PRF_STRBUF_INIT;
    size_t width = text->style->width > 0 ? (size_t)text->style->width : SIZE_MAX;
    prf_words_add_place(&place, w);
    prf_words_add_where(&what, w);
    if (w->column != NULL) {
        prf_strbuf_addf(&what, "  [%s]", w->column);
    }
    size_t used = WHERE_INDENT + 2 + prf_text_width(prf_strbuf_text(&place));
    bool fits = used + prf_text_width(prf_strbuf_text(&what)) <= width;
    fprintf(text->out, "%*s", WHERE_INDENT, "");
    prf_compare_put_fitting(text, prf_strbuf_text(&place), WHERE_INDENT);
    fits ? (void)fputs("  ", text->out)
         : (void)fprintf(text->out, "\n%*s", WHERE_INDENT + 2, "");
    prf_compare_put(text, prf_strbuf_text(&what));
    fputc('\n', text->out);
    if (w->stack != NULL) {
        where_put_stack(text, w->stack);
    }
    if (w->hunks != NULL && w->hunks[0] != NULL) {
        where_put_hunk(text, w->hunks[0]);
        for (size_t i = 1; text->style->verbosity > 0 && w->hunks[i] != NULL; i++) {
            where_put_hunk(text, w->hunks[i]);
        }
    }
    prf_strbuf_release(&place);
    prf_strbuf_release(&what);
}

void
prf_compare_text_where(const struct prf_text *text, const struct prf_compared *item)
{
    size_t n = text->style->verbosity > 0 || item->n_where < WHERE_ROWS ? item->n_where
                                                                        : WHERE_ROWS;
    if (n > 0) {
        struct prf_strbuf teller = PRF_STRBUF_INIT;
        prf_words_add_teller(&teller, item);
        fprintf(text->out, "    %s:\n", prf_strbuf_text(&teller));
        prf_strbuf_release(&teller);
    }
    for (size_t i = 0; i < n; i++) {
        where_put(text, &item->where[i]);
    }
    if (n < item->n_where) {
        fprintf(text->out, "%*s(%zu more with -v)\n", WHERE_INDENT, "",
                item->n_where - n);
    }
}
