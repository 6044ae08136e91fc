/* Format "text", and the frame around a result's tables; see text.h. */
#include "text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "formats.h"
#include "order.h"

/* Less than this leaves nothing of a path to recognise: rather let the line run over.
 */
#define TEXT_LABEL_MIN 48

const char *
prf_paint(const struct prf_style *style, enum prf_paint paint)
{
    static const char *const escapes[] = {
        [PRF_PLAIN] = "\033[0m", [PRF_BOLD] = "\033[1m",   [PRF_DIM] = "\033[2m",
        [PRF_RED] = "\033[31m",  [PRF_GREEN] = "\033[32m", [PRF_YELLOW] = "\033[33m",
    };
    return style->color ? escapes[paint] : "";
}

void
prf_text_put(const struct prf_text *text, const char *what, enum prf_visible lines)
{
    struct prf_strbuf sb = PRF_STRBUF_INIT;
    prf_visible_add(&sb, what, lines);
    fputs(prf_strbuf_text(&sb), text->out);
    prf_strbuf_release(&sb);
}

void
prf_text_put_padded(const struct prf_text *text, const char *what, size_t width)
{
    struct prf_strbuf sb = PRF_STRBUF_INIT, cut = PRF_STRBUF_INIT;
    prf_visible_add(&sb, what, PRF_VISIBLE_LINE);
    prf_shorten_add(&cut, prf_strbuf_text(&sb), width,
                    text->style->ascii ? "..." : "\u2026");
    fputs(prf_strbuf_text(&cut), text->out);
    size_t used = prf_text_width(prf_strbuf_text(&cut));
    fprintf(text->out, "%*s", used < width ? (int)(width - used) : 0, "");
    prf_strbuf_release(&sb);
    prf_strbuf_release(&cut);
}

void
prf_text_put_site(const struct prf_text *text, const struct prf_profile *profile,
                  struct prf_key key, size_t used)
{
    struct prf_strbuf label = PRF_STRBUF_INIT, safe = PRF_STRBUF_INIT,
                      cut = PRF_STRBUF_INIT;
    size_t width = text->style->width > 0 ? (size_t)text->style->width : SIZE_MAX;
    size_t room = width > used + TEXT_LABEL_MIN ? width - used : TEXT_LABEL_MIN;
    prf_label_add(&label, prf_row_code(profile, key.code), prf_row_line(profile, key),
                  text->options->strip_dirs);
    prf_visible_add(&safe, prf_strbuf_text(&label), PRF_VISIBLE_LINE);
    prf_shorten_add(&cut, prf_strbuf_text(&safe), room,
                    text->style->ascii ? "..." : "\u2026");
    fputs(prf_strbuf_text(&cut), text->out);
    prf_strbuf_release(&label);
    prf_strbuf_release(&safe);
    prf_strbuf_release(&cut);
}

static enum prf_paint
text_status_paint(enum prf_status status)
{
    return status == PRF_STATUS_OK        ? PRF_GREEN
           : status == PRF_STATUS_SKIPPED ? PRF_YELLOW
                                          : PRF_RED;
}

static void
text_put_heading(const struct prf_text *text, const struct prf_result *result)
{
    const struct prf_style *style = text->style;
    fputs(prf_paint(style, PRF_BOLD), text->out);
    prf_text_put(text, result->case_id, PRF_VISIBLE_LINE);
    fprintf(text->out, "%s  ", prf_paint(style, PRF_PLAIN));
    prf_text_put(text, result->profiler, PRF_VISIBLE_LINE);
    if (result->status != PRF_STATUS_OK) {
        fprintf(text->out, "  %s%s",
                prf_paint(style, text_status_paint(result->status)),
                prf_status_name(result->status));
        if (result->signal != NULL) {
            fprintf(text->out, " (%s)", result->signal);
        }
        fputs(prf_paint(style, PRF_PLAIN), text->out);
    }
    fputc('\n', text->out);
    if (result->status != PRF_STATUS_OK && result->reason != NULL) {
        fputs("  ", text->out);
        prf_text_put(text, result->reason, PRF_VISIBLE_LINE);
        fputc('\n', text->out);
    }
}

/* Lines of a traceback: what is indented (frames and their source) is dimmed. */
static void
text_put_traceback(const struct prf_text *text, const char *traceback)
{
    struct prf_strbuf sb = PRF_STRBUF_INIT;
    prf_visible_add(&sb, traceback, PRF_VISIBLE_LINES);
    fputc('\n', text->out);
    for (const char *line = prf_strbuf_text(&sb); *line != '\0';) {
        size_t len = strcspn(line, "\n");
        fprintf(text->out, "  %s%.*s%s\n",
                prf_paint(text->style, line[0] == ' ' ? PRF_DIM : PRF_BOLD), (int)len,
                line, prf_paint(text->style, PRF_PLAIN));
        line += len + (line[len] == '\n' ? 1 : 0);
    }
    prf_strbuf_release(&sb);
}

static void
text_put_block(const struct prf_text *text, const char *heading, const char *what)
{
    size_t len = strlen(what);
    if (len == 0) {
        return;
    }
    if (heading != NULL) {
        fprintf(text->out, "\n  %s%s%s\n", prf_paint(text->style, PRF_BOLD), heading,
                prf_paint(text->style, PRF_PLAIN));
    }
    prf_text_put(text, what, PRF_VISIBLE_LINES);
    fputs(what[len - 1] == '\n' ? "" : "\n", text->out);
}

static void
text_put_failure(const struct prf_text *text, const struct prf_result *result)
{
    bool failed =
        result->status != PRF_STATUS_OK && result->status != PRF_STATUS_SKIPPED;
    if (!failed) {
        return;
    }
    if (result->traceback != NULL) {
        text_put_traceback(text, result->traceback);
    }
    if (result->output != NULL) {
        text_put_block(text, "captured output", result->output);
    }
}

static void
text_put_notes(const struct prf_text *text, const struct prf_profile *p)
{
    const char *yellow = prf_paint(text->style, PRF_YELLOW);
    const char *plain = prf_paint(text->style, PRF_PLAIN);
    fputs(p->n_notes > 0 || p->n_lost > 0 ? "\n" : "", text->out);
    for (size_t i = 0; i < p->n_notes; i++) {
        fprintf(text->out, "  %snote:%s ", yellow, plain);
        prf_text_put(text, p->notes[i], PRF_VISIBLE_LINE);
        fputc('\n', text->out);
    }
    if (p->n_lost > 0) {
        fprintf(text->out,
                "  %s%" PRIu64 " event%s lost%s: the tables are incomplete\n", yellow,
                p->n_lost, p->n_lost == 1 ? "" : "s", plain);
    }
}

/* Has any metric a value? A case that was skipped has none. */
static bool
text_is_measured(const struct prf_profile *p)
{
    size_t n = 0;
    for (size_t i = 0; i < p->n_metrics; i++) {
        n += p->metrics[i].n;
    }
    return n > 0;
}

static int
text_put_tables(const struct prf_text *text, const struct prf_result *result,
                struct prf_error *err)
{
    const struct prf_profile *p = result->profile;
    struct prf_call_index at;
    int rc = 0;
    if (text_is_measured(p)) {
        rc = prf_text_metrics(text, p, err);
    }
    if (rc == 0 && p->n_snapshots > 0) { /* marks and sites are in them */
        return prf_text_snapshots(text, p, result->options, err);
    }
    if (rc == 0 && p->n_marks > 0) {
        prf_text_marks(text, p);
    }
    if (rc == 0 && p->n_series > 0) {
        prf_text_series(text, p);
    }
    if (rc == 0 && p->sites.n > 0) {
        rc = prf_call_index(&p->sites, &at) ? prf_text_calls(text, p, err)
             : prf_text_has_lines(p)        ? prf_text_lines(text, p, err)
                                            : prf_text_sites(text, p, err);
    }
    return rc;
}

/* Units in seconds, as line_profiler has them. */
static const char *
text_unit(const char *unit)
{
    static const char *const names[][2] = {
        {"1", "s"}, {"1e-3", "ms"}, {"1e-6", "us"}, {"1e-9", "ns"}};
    for (size_t i = 0; unit != NULL && i < sizeof names / sizeof *names; i++) {
        if (strcmp(unit, names[i][0]) == 0) {
            return names[i][1];
        }
    }
    return unit;
}

/* What the caller leaves open is as the profiler's own options said when it measured:
   --sort, --top-k, --strip-dirs, --units. Borrows from `asked`. */
static struct prf_export_options
text_options(const struct prf_export_options *given, const json_t *asked)
{
    struct prf_export_options o = *given;
    const char *top = json_string_value(json_object_get(asked, "top-k"));
    const char *strip = json_string_value(json_object_get(asked, "strip-dirs"));
    if (o.sort == NULL) {
        o.sort = json_string_value(json_object_get(asked, "sort"));
    }
    if (o.time_unit == NULL) {
        o.time_unit = text_unit(json_string_value(json_object_get(asked, "units")));
    }
    if (o.top_k == 0 && top != NULL) {
        o.top_k = strtoull(top, NULL, 10);
    }
    if (o.time_unit != NULL && strcmp(o.time_unit, "auto") == 0) {
        o.time_unit = NULL;
    }
    o.strip_dirs = o.strip_dirs || (strip != NULL && strcmp(strip, "true") == 0);
    return o;
}

static int
text_put_result(const struct prf_text *text, const struct prf_result *result,
                struct prf_error *err)
{
    const struct prf_profile *p = result->profile;
    int rc = 0;
    if (p != NULL && p->sites.n > 0 && text->options->sort != NULL) {
        rc = prf_order_check(&p->sites, text->options->sort, err);
    }
    if (rc < 0) {
        return rc; /* before anything is printed */
    }
    text_put_heading(text, result);
    text_put_failure(text, result);
    if (p == NULL) {
        return 0;
    }
    if (p->report != NULL) {
        fputc('\n', text->out);
        text_put_block(text, NULL, p->report);
    }
    rc = text_put_tables(text, result, err);
    text_put_notes(text, p);
    return rc;
}

int
prf_text_result(const struct prf_text *text, const struct prf_result *result,
                struct prf_error *err)
{
    json_t *asked =
        result->options == NULL ? NULL : json_loads(result->options, 0, NULL);
    const struct prf_export_options options = text_options(text->options, asked);
    struct prf_text own = *text;
    own.options = &options;
    int rc = text_put_result(&own, result, err);
    json_decref(asked);
    return rc;
}

static int
text_write(const struct prf_run *run, const struct prf_result *const *results, size_t n,
           const struct prf_export_options *options, FILE *out, struct prf_error *err)
{
    (void)run;
    const struct prf_style style = {.color = options->color};
    const struct prf_text text = {.out = out, .style = &style, .options = options};
    int rc = 0;
    for (size_t i = 0; i < n && rc == 0; i++) {
        fputs(i > 0 ? "\n" : "", out);
        rc = prf_text_result(&text, results[i], err);
    }
    return rc;
}

const struct prf_exporter prf_exporter_text = {
    .name = "text",
    .extension = ".txt",
    .summary = "the tables of the terminal",
    .write = text_write,
};
