/* The table of cProfile, column for column, so that nobody has to learn a new one. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "formats.h"
#include "order.h"
#include "text.h"
#include "units.h"

#define CALLS_LABEL_AT 46 /* columns before "filename:lineno(function)" */

struct calls_table {
    const struct prf_text *text;
    const struct prf_profile *profile;
    struct prf_call_index at;
    int64_t calls, primitive, own; /* sums */
    struct prf_scale scale;
};

static const int64_t *
calls_row(const struct prf_table *table, size_t row)
{
    return table->values + row * table->n_columns;
}

static void
calls_sum(struct calls_table *t)
{
    const struct prf_table *sites = &t->profile->sites;
    for (size_t i = 0; i < sites->n; i++) {
        const int64_t *row = calls_row(sites, i);
        t->calls += row[t->at.calls];
        t->primitive += row[t->at.primitive];
        t->own += row[t->at.own];
    }
    /* Three decimals of a second show nothing of a short case. Half a unit, so that the
       largest figures have at least three digits. */
    t->scale = prf_scale_for("ns", 2.0 * (double)t->own, t->text->options->time_unit);
}

static void
calls_put_time(const struct calls_table *t, int64_t ns, int64_t per)
{
    if (per == 0) {
        fprintf(t->text->out, " %8s", "");
        return;
    }
    fprintf(t->text->out, " %8.3f", (double)ns / (double)per / t->scale.divisor);
}

/* "177/1": of 177 calls one was not by the function itself. */
static void
calls_put_count(const struct calls_table *t, int64_t calls, int64_t primitive)
{
    char count[48];
    snprintf(count, sizeof count, "%" PRId64, calls);
    if (calls != primitive) {
        snprintf(count, sizeof count, "%" PRId64 "/%" PRId64, calls, primitive);
    }
    fprintf(t->text->out, "%9s", count);
}

static void
calls_put_row(const struct calls_table *t, uint32_t row)
{
    const struct prf_table *sites = &t->profile->sites;
    const int64_t *values = calls_row(sites, row);
    int64_t calls = values[t->at.calls], primitive = values[t->at.primitive];
    calls_put_count(t, calls, primitive);
    calls_put_time(t, values[t->at.own], 1);
    calls_put_time(t, values[t->at.own], calls);
    calls_put_time(t, values[t->at.cumulative], 1);
    calls_put_time(t, values[t->at.cumulative], primitive);
    fputc(' ', t->text->out);
    prf_text_put_site(t->text, t->profile, sites->keys[row], CALLS_LABEL_AT);
    fputc('\n', t->text->out);
}

static void
calls_put_head(const struct calls_table *t, size_t n_shown)
{
    FILE *out = t->text->out;
    const char *key = t->text->options->sort;
    double seconds = (double)t->own / 1e9;
    fprintf(out, "\n         %" PRId64 " function calls", t->calls);
    if (t->calls != t->primitive) {
        fprintf(out, " (%" PRId64 " primitive calls)", t->primitive);
    }
    fprintf(out, " in %.*f seconds\n\n", seconds < 0.01 ? 6 : 3, seconds);
    fprintf(out, "   Ordered by: %s",
            prf_order_title(&t->profile->sites, key != NULL ? key : "cumulative"));
    if (strcmp(t->scale.suffix, "s") != 0) {
        fprintf(out, "; times in %s", t->scale.suffix);
    }
    fputc('\n', out);
    if (n_shown < t->profile->sites.n) {
        fprintf(out, "   List reduced from %zu to %zu due to restriction <%zu>\n",
                t->profile->sites.n, n_shown, n_shown);
    }
    fprintf(out,
            "\n%s   ncalls  tottime  percall  cumtime  percall "
            "filename:lineno(function)%s\n",
            prf_paint(t->text->style, PRF_BOLD), prf_paint(t->text->style, PRF_PLAIN));
}

static int
calls_compare_callees(const void *left, const void *right, void *arg)
{
    const struct prf_key *keys = arg;
    uint32_t i = *(const uint32_t *)left, k = *(const uint32_t *)right;
    if (keys[i].other != keys[k].other) {
        return keys[i].other < keys[k].other ? -1 : 1;
    }
    return (i > k) - (i < k);
}

static void
calls_put_caller(const struct calls_table *t, const struct prf_call_index *at,
                 uint32_t edge)
{
    const struct prf_table *edges = &t->profile->edges;
    const int64_t *values = calls_row(edges, edge);
    fputs("      <-", t->text->out);
    calls_put_count(t, values[at->calls], values[at->primitive]);
    calls_put_time(t, values[at->own], 1);
    calls_put_time(t, values[at->cumulative], 1);
    fputs("  ", t->text->out);
    prf_text_put_site(t->text, t->profile,
                      (struct prf_key){.code = edges->keys[edge].code}, 37);
    fputc('\n', t->text->out);
}

/* Position in `order` of the first edge to `callee`, by halving. */
static size_t
calls_first_edge(const struct prf_table *edges, const uint32_t *order, uint32_t callee)
{
    size_t low = 0, high = edges->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (edges->keys[order[middle]].other < callee) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static int
calls_put_callers(const struct calls_table *t, const uint32_t *rows, size_t n,
                  struct prf_error *err)
{
    const struct prf_table *edges = &t->profile->edges;
    struct prf_call_index at;
    if (edges->n == 0 || !prf_call_index(edges, &at)) {
        return 0;
    }
    uint32_t *order = calloc(edges->n, sizeof *order);
    if (order == NULL) {
        return prf_fail(err, PRF_ENOMEM, "out of memory");
    }
    for (size_t i = 0; i < edges->n; i++) {
        order[i] = (uint32_t)i;
    }
    qsort_r(order, edges->n, sizeof *order, calls_compare_callees, edges->keys);
    fputs("\n   Function was called by...\n           ncalls  tottime  cumtime\n",
          t->text->out);
    for (size_t i = 0; i < n; i++) {
        struct prf_key key = t->profile->sites.keys[rows[i]];
        fputs("   ", t->text->out);
        prf_text_put_site(t->text, t->profile, key, 3);
        fputc('\n', t->text->out);
        for (size_t e = calls_first_edge(edges, order, key.code);
             e < edges->n && edges->keys[order[e]].other == key.code; e++) {
            calls_put_caller(t, &at, order[e]);
        }
    }
    free(order);
    return 0;
}

int
prf_text_calls(const struct prf_text *text, const struct prf_profile *profile,
               struct prf_error *err)
{
    struct calls_table t = {.text = text, .profile = profile};
    uint32_t *rows = NULL;
    size_t n = 0;
    if (!prf_call_index(&profile->sites, &t.at)) {
        PRF_BUG("a call table of sites that have no calls");
    }
    int rc = prf_order_rows(profile, &profile->sites, text->options, "cumulative",
                            &rows, &n, err);
    if (rc < 0) {
        return rc;
    }
    calls_sum(&t);
    calls_put_head(&t, n);
    for (size_t i = 0; i < n; i++) {
        calls_put_row(&t, rows[i]);
    }
    if (text->style->verbosity > 0) {
        rc = calls_put_callers(&t, rows, n, err);
    }
    free(rows);
    return rc;
}
