/* Snapshots of what is held, as tracemalloc prints its statistics: the list of them,
   the largest entries of one and what changed, the traceback of the peak. */
#include "text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "snapshot_stats.h"
#include "units.h"

/* "+1.5 KiB", "-3 B", "+0 B". */
static const char *
snapshots_signed(int64_t n_bytes, char *buf, size_t size)
{
    char amount[PRF_UNIT_TEXT];
    snprintf(buf, size, "%c%s", n_bytes < 0 ? '-' : '+',
             prf_format_bytes((double)llabs(n_bytes), amount, sizeof amount));
    return buf;
}

static void
snapshots_put_list(const struct prf_text *text, const struct prf_profile *p)
{
    char at[PRF_UNIT_TEXT], bytes[PRF_UNIT_TEXT];
    fputs("\n   #          at          size      blocks  snapshot\n", text->out);
    for (size_t i = 0; i < p->n_snapshots; i++) {
        const struct prf_snapshot *s = &p->snapshots[i];
        fprintf(text->out, "%4zu  %10s  %12s  %10" PRId64 "  ", i,
                prf_format_time(s->at_ns, text->options->time_unit, at, sizeof at),
                prf_format_bytes((double)s->n_bytes, bytes, sizeof bytes), s->n_blocks);
        prf_text_put(text, s->name, PRF_VISIBLE_LINE);
        fputc('\n', text->out);
    }
}

static const char *
snapshots_file(const struct prf_text *text, const struct prf_profile *p, uint32_t code)
{
    const char *file = prf_row_code(p, code)->file;
    const char *slash = text->options->strip_dirs ? strrchr(file, '/') : NULL;
    return slash != NULL ? slash + 1 : file;
}

static void
snapshots_put_source(const struct prf_text *text, const struct prf_profile *p,
                     uint32_t code, uint32_t line)
{
    for (size_t i = 0; line != 0 && i < p->n_sources; i++) {
        const struct prf_source *source = &p->sources[i];
        if (source->code == code && source->first_line == line) {
            fprintf(text->out, "        %s", prf_paint(text->style, PRF_DIM));
            prf_text_put(text, source->text + strspn(source->text, " \t\f"),
                         PRF_VISIBLE_LINE);
            fprintf(text->out, "%s\n", prf_paint(text->style, PRF_PLAIN));
            return;
        }
    }
}

/* Outermost frame first, as Python prints a traceback. */
static void
snapshots_put_stack(const struct prf_text *text, const struct prf_profile *p,
                    uint32_t stack)
{
    size_t n = 0;
    for (uint32_t at = stack; at != 0; at = p->stacks[at].parent) {
        n++;
    }
    uint32_t *path = calloc(n + 1, sizeof *path);
    for (uint32_t at = stack, i = 0; path != NULL && at != 0;
         at = p->stacks[at].parent) {
        path[i++] = at;
    }
    while (path != NULL && n-- > 0) {
        const struct prf_stack *frame = &p->stacks[path[n]];
        fputs("      File \"", text->out);
        prf_text_put(text, snapshots_file(text, p, frame->code), PRF_VISIBLE_LINE);
        fprintf(text->out, "\", line %" PRIu32 "\n", frame->line);
        snapshots_put_source(text, p, frame->code, frame->line);
    }
    free(path);
}

static void
snapshots_put_amounts(const struct prf_text *text, const struct prf_snapshot_stat *stat,
                      bool with_diff)
{
    char bytes[PRF_UNIT_TEXT], change[PRF_UNIT_TEXT + 1], average[PRF_UNIT_TEXT];
    fprintf(text->out, "size=%s",
            prf_format_bytes((double)stat->n_bytes, bytes, sizeof bytes));
    if (with_diff) {
        fprintf(text->out, " (%s)",
                snapshots_signed(stat->bytes_diff, change, sizeof change));
    }
    fprintf(text->out, ", count=%" PRId64, stat->n_blocks);
    if (with_diff) {
        fprintf(text->out, " (%+" PRId64 ")", stat->blocks_diff);
    }
    if (stat->n_blocks > 0) {
        int64_t mean = stat->n_bytes / stat->n_blocks; /* whole, as Python prints it */
        fprintf(text->out, ", average=%s",
                prf_format_bytes((double)mean, average, sizeof average));
    }
    fputc('\n', text->out);
}

static void
snapshots_put_row(const struct prf_text *text, const struct prf_profile *p,
                  const struct prf_snapshot_request *request,
                  const struct prf_snapshot_stat *stat, bool with_diff)
{
    fputs("  ", text->out);
    if (request->key != PRF_BY_TRACEBACK) {
        prf_text_put(text, snapshots_file(text, p, stat->code), PRF_VISIBLE_LINE);
        if (request->key == PRF_BY_LINE) {
            fprintf(text->out, ":%" PRIu32, stat->line);
        }
        fputs(": ", text->out);
    }
    snapshots_put_amounts(text, stat, with_diff);
    if (request->key == PRF_BY_TRACEBACK) {
        snapshots_put_stack(text, p, stat->stack);
    } else {
        snapshots_put_source(text, p, stat->code, stat->line);
    }
}

/* "held at 'stop', compared with 'start', by lineno". */
static void
snapshots_put_heading(const struct prf_text *text, const struct prf_profile *p,
                      const struct prf_snapshot_request *request,
                      const struct prf_snapshot_choice *choice)
{
    static const char *const by[] = {"lineno", "filename", "traceback"};
    fprintf(text->out, "\n  %sheld at '", prf_paint(text->style, PRF_BOLD));
    prf_text_put(text, p->snapshots[choice->shown].name, PRF_VISIBLE_LINE);
    if (choice->base != choice->shown) {
        fputs("', compared with '", text->out);
        prf_text_put(text, p->snapshots[choice->base].name, PRF_VISIBLE_LINE);
    }
    fprintf(text->out, "', by %s%s%s\n", by[request->key],
            request->cumulative ? ", cumulative" : "",
            prf_paint(text->style, PRF_PLAIN));
}

static void
snapshots_put_stats(const struct prf_text *text, const struct prf_profile *p,
                    const struct prf_snapshot_request *request,
                    const struct prf_snapshot_choice *choice,
                    const struct prf_snapshot_stats *stats)
{
    bool with_diff = choice->base != choice->shown;
    size_t n =
        request->top_k > 0 && request->top_k < stats->n ? request->top_k : stats->n;
    struct prf_snapshot_stat rest = {0};
    snapshots_put_heading(text, p, request, choice);
    for (size_t i = 0; i < n; i++) {
        snapshots_put_row(text, p, request, &stats->rows[i], with_diff);
    }
    for (size_t i = n; i < stats->n; i++) {
        rest.n_bytes += stats->rows[i].n_bytes;
        rest.n_blocks += stats->rows[i].n_blocks;
        rest.bytes_diff += stats->rows[i].bytes_diff;
        rest.blocks_diff += stats->rows[i].blocks_diff;
    }
    if (stats->n > n) {
        fprintf(text->out, "  %zu other: ", stats->n - n);
        snapshots_put_amounts(text, &rest, with_diff);
    }
    const struct prf_snapshot_stat total = {
        .n_bytes = stats->n_bytes,
        .n_blocks = stats->n_blocks,
        .bytes_diff = stats->bytes_diff,
        .blocks_diff = stats->blocks_diff,
    };
    fputs("  total: ", text->out);
    snapshots_put_amounts(text, &total, with_diff);
}

/* What does not fit this result's snapshots is told, and the default is shown. */
static int
snapshots_choose(const struct prf_text *text, const struct prf_profile *p,
                 struct prf_snapshot_request *request,
                 struct prf_snapshot_choice *choice, struct prf_error *err)
{
    struct prf_error why = {0};
    if (prf_snapshot_choose(p, request, choice, &why) == 0) {
        return 0;
    }
    request->index = request->diff = NULL;
    int rc = prf_snapshot_choose(p, request, choice, err);
    if (rc == 0) {
        fputs("\n  ", text->out);
        prf_text_put(text, why.text, PRF_VISIBLE_LINE);
        fputs("; the last one is shown\n", text->out);
    }
    return rc;
}

int
prf_text_snapshots(const struct prf_text *text, const struct prf_profile *p,
                   const char *options, struct prf_error *err)
{
    struct prf_snapshot_request request = {0};
    struct prf_snapshot_choice choice;
    struct prf_snapshot_stats stats = {0};
    int rc = prf_snapshot_request_parse(options, &request, err);
    if (rc == 0) {
        rc = snapshots_choose(text, p, &request, &choice, err);
    }
    if (rc == 0) {
        request.top_k = text->options->top_k > 0 ? text->options->top_k : request.top_k;
        rc = prf_snapshot_stats(p, &request, &choice, &stats, err);
    }
    if (rc == 0) {
        snapshots_put_list(text, p);
        snapshots_put_stats(text, p, &request, &choice, &stats);
    }
    if (rc == 0 && p->peak_stack != 0) {
        fprintf(text->out, "\n  %sthe peak was made by%s\n",
                prf_paint(text->style, PRF_BOLD), prf_paint(text->style, PRF_PLAIN));
        snapshots_put_stack(text, p, p->peak_stack);
    }
    prf_snapshot_stats_release(&stats);
    prf_snapshot_request_release(&request);
    return rc;
}
