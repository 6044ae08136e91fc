/* The report of a comparison: which items, in which order, in which format; see
   compare.h. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "compare.h"
#include "compare_gate.h"
#include "compare_report.h"
#include "document.h"
#include "strbuf.h"

#define WRITE_NAMES 3

/* --- which items, and their order --------------------------------------------------
 */

static bool
write_is_change(const struct prf_compared *item)
{
    bool broken = false;
    for (size_t i = 0; i < item->n_clauses; i++) {
        broken = broken || item->clauses[i].broken;
    }
    return broken || item->uncompared != PRF_COMPARED ||
           item->change.verdict == PRF_VERDICT_FASTER ||
           item->change.verdict == PRF_VERDICT_SLOWER;
}

/* Items are in one array, so their addresses tell which one comes first there. */
static int
write_order_case(const struct prf_compared *a, const struct prf_compared *b)
{
    return (a > b) - (a < b);
}

static int
write_order_metric(const struct prf_compared *a, const struct prf_compared *b)
{
    if (a->metric == NULL || b->metric == NULL) {
        return (a->metric == NULL) - (b->metric == NULL);
    }
    return strcmp(a->metric, b->metric);
}

/* The larger number first; what was not compared, and what is no number, last. */
static int
write_order_number(const struct prf_compared *a, const struct prf_compared *b, double x,
                   double y)
{
    bool left = a->uncompared == PRF_COMPARED && !isnan(x);
    bool right = b->uncompared == PRF_COMPARED && !isnan(y);
    return left && right ? (x < y) - (x > y) : right - left;
}

/* How far from "no change", whichever direction; from zero it is infinitely far. */
static double
write_distance(const struct prf_compared *item)
{
    double ratio = item->change.ratio;
    return isnan(ratio) ? INFINITY : fabs(log(ratio));
}

static int
write_order_change(const struct prf_compared *a, const struct prf_compared *b)
{
    return write_order_number(a, b, write_distance(a), write_distance(b));
}

static int
write_order_p(const struct prf_compared *a, const struct prf_compared *b)
{
    return write_order_number(a, b, -a->change.p_value, -b->change.p_value);
}

static int
write_order_value(const struct prf_compared *a, const struct prf_compared *b)
{
    return write_order_number(a, b, a->change.next, b->change.next);
}

typedef int write_order(const struct prf_compared *, const struct prf_compared *);

static const struct {
    const char *word;
    write_order *order;
} write_orders[] = {
    {"case", write_order_case},     {"metric", write_order_metric},
    {"change", write_order_change}, {"p", write_order_p},
    {"value", write_order_value},
};

static int
write_compare(const void *left, const void *right, void *order)
{
    const struct prf_compared *a = *(const struct prf_compared *const *)left;
    const struct prf_compared *b = *(const struct prf_compared *const *)right;
    int first = (*(write_order **)order)(a, b);
    return first != 0 ? first : write_order_case(a, b);
}

/* The items to list; the caller's (free). NULL: no memory. */
static const struct prf_compared **
write_items(const struct prf_comparing *c, size_t *n)
{
    const struct prf_comparison *all = &c->comparison;
    const struct prf_compared **items = calloc(all->n + 1, sizeof *items);
    *n = 0;
    for (size_t i = 0; items != NULL && i < all->n; i++) {
        if (!c->options.only_changed || write_is_change(&all->items[i])) {
            items[(*n)++] = &all->items[i];
        }
    }
    for (size_t i = 0; items != NULL && i < sizeof write_orders / sizeof *write_orders;
         i++) {
        write_order *order = write_orders[i].order;
        if (strcmp(write_orders[i].word, c->options.sort) == 0) {
            qsort_r(items, *n, sizeof *items, write_compare, &order);
        }
    }
    return items;
}

/* --- the document ------------------------------------------------------------------
 */

/* --format, or the one whose extension the file has, the longest, or text. */
static int
write_format(const struct prf_compare_options *o, const struct prf_compare_format **out,
             struct prf_error *err)
{
    size_t length = o->output == NULL ? 0 : strlen(o->output), longest = 0;
    if (o->format != NULL) {
        return prf_compare_format_find(o->format, out, err);
    }
    *out = &prf_compare_text;
    for (size_t i = 0; prf_compare_formats[i] != NULL; i++) {
        const char *extension = prf_compare_formats[i]->extension;
        size_t n = extension == NULL ? 0 : strlen(extension);
        if (n > longest && length > n &&
            strcmp(o->output + length - n, extension) == 0) {
            *out = prf_compare_formats[i];
            longest = n;
        }
    }
    return 0;
}

static unsigned
write_flags(const struct prf_compare_options *o)
{
    return o->force ? PRF_DOCUMENT_FORCE : 0u;
}

int
prf_compare_check(const struct prf_comparing *c, struct prf_error *err)
{
    const struct prf_compare_options *o = &c->options;
    const struct prf_compare_format *format = NULL;
    int rc = prf_compare_is_diff(o) ? 0 : write_format(o, &format, err);
    return rc < 0 ? rc : prf_document_check(o->output, write_flags(o), err);
}

int
prf_compare_write(struct prf_comparing *c, struct prf_error *err)
{
    const struct prf_compare_options *o = &c->options;
    const struct prf_compare_format *format = NULL;
    struct prf_document document = {0};
    if (prf_compare_is_diff(o)) {
        return prf_compare_diff(c, err);
    }
    size_t n = 0;
    const struct prf_compared **items = write_items(c, &n);
    int rc = items == NULL ? prf_fail(err, PRF_ENOMEM, "out of memory")
                           : write_format(o, &format, err);
    if (rc == 0) {
        rc = prf_document_open(&document, o->output, write_flags(o), err);
    }
    if (rc == 0) {
        struct prf_style style = prf_say_style(&o->general, document.file);
        struct prf_compare_report_options options = {.style = &style,
                                                     .items = items,
                                                     .n = n,
                                                     .only_changed = o->only_changed,
                                                     .where = !o->where.none,
                                                     .root = c->root};
        rc = format->write(&c->comparison, &options, document.file, err);
        rc = rc < 0 ? rc : prf_document_commit(&document, err);
        if (rc == 0 && format == &prf_compare_github) {
            rc = prf_compare_step_summary(&c->comparison, &options, err);
        }
    }
    free(items);
    prf_document_close(&document);
    return rc;
}

/* --- nothing was compared ----------------------------------------------------------
 */

size_t
prf_compare_count(const struct prf_comparison *comparison)
{
    size_t n = 0;
    for (size_t i = 0; i < comparison->n; i++) {
        n += comparison->items[i].uncompared == PRF_COMPARED;
    }
    return n;
}

static void
write_nothing_of(const struct prf_comparison *comparison, enum prf_uncompared kind,
                 const char *what, struct prf_strbuf *out)
{
    size_t n = 0;
    struct prf_strbuf names = PRF_STRBUF_INIT;
    const char *last = NULL;
    for (size_t i = 0; i < comparison->n; i++) {
        const struct prf_compared *item = &comparison->items[i];
        if (item->uncompared != kind ||
            (last != NULL && strcmp(last, item->case_id) == 0)) {
            continue;
        }
        last = item->case_id;
        if (n++ < WRITE_NAMES) {
            prf_strbuf_addf(&names, "%s%s", n > 1 ? ", " : "", item->case_id);
        }
    }
    if (n > 0) {
        prf_strbuf_addf(out, "%s%zu %s (%s%s)", out->len > 0 ? "; " : "", n, what,
                        prf_strbuf_text(&names), n > WRITE_NAMES ? ", ..." : "");
    }
    prf_strbuf_release(&names);
}

void
prf_compare_say_nothing(const struct prf_comparing *c)
{
    static const struct {
        enum prf_uncompared kind;
        const char *what;
    } kinds[] = {
        {PRF_ONLY_BASE, "cases only in the base"},
        {PRF_ONLY_NEXT, "cases only on the new side"},
        {PRF_OTHER_MACHINE, "measured elsewhere, see --across-machines"},
        {PRF_NOT_MEASURED, "without values"},
    };
    struct prf_strbuf text = PRF_STRBUF_INIT;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        write_nothing_of(&c->comparison, kinds[i].kind, kinds[i].what, &text);
    }
    if (text.len == 0 && c->options.keyword != NULL) {
        prf_strbuf_addf(&text, "no case fits -k '%s'", c->options.keyword);
    }
    fflush(stdout);
    fprintf(stderr, "pyprofiler: nothing was compared: %s\n", prf_strbuf_text(&text));
    prf_strbuf_release(&text);
}
