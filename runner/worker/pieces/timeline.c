/* The timeline as text: calls as bars over time, by thread, in the order in which they
   began, indented by depth. With the GIL. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include "arguments.h"
#include "page.h"
#include "stats.h"
#include "units.h"

#define TIMELINE_LIMIT 50u
#define TIMELINE_WIDTH 80u
#define TIMELINE_LEAST 60u /* columns */
#define TIMELINE_MOST 10000u
#define TIMELINE_NAME 24u  /* columns */
#define TIMELINE_TIMES 22u /* columns of start and duration */
#define TIMELINE_INDENT 10u

struct timeline {
    const struct prf_view *s;
    struct prf_page *page;
    uint64_t *calls; /* indices */
    size_t n_calls, width;
    uint64_t begin, end; /* ticks */
};

static int
timeline_before(const void *a, const void *b, void *context)
{
    const struct prf_view *s = context;
    uint64_t i = *(const uint64_t *)a, k = *(const uint64_t *)b;
    const struct prf_piece_call *x = &s->calls[i], *y = &s->calls[k];
    if (x->thread != y->thread) {
        return x->thread < y->thread ? -1 : 1;
    }
    if (x->start != y->start) {
        return x->start < y->start ? -1 : 1;
    }
    uint32_t deep = s->nodes[x->node].depth, other = s->nodes[y->node].depth;
    if (deep != other) {
        return deep < other ? -1 : 1;
    }
    return i < k ? -1 : i > k;
}

static void
timeline_span(struct timeline *t)
{
    t->begin = UINT64_MAX;
    for (size_t i = 0; i < t->n_calls; i++) {
        const struct prf_piece_call *call = &t->s->calls[t->calls[i]];
        uint64_t end = call->start + call->duration;
        t->begin = call->start < t->begin ? call->start : t->begin;
        t->end = end > t->end ? end : t->end;
    }
}

/* The column of a moment in a bar's room of `width`. */
static size_t
timeline_column(const struct timeline *t, uint64_t ticks, size_t width)
{
    double span = t->end > t->begin ? (double)(t->end - t->begin) : 1;
    double column = floor((double)(ticks - t->begin) / span * (double)width + 0.5);
    return column < (double)width ? (size_t)column : width;
}

static void
timeline_put_bar(struct timeline *t, const struct prf_piece_call *call)
{
    size_t width = t->width - TIMELINE_NAME - TIMELINE_TIMES - 3;
    size_t begin = timeline_column(t, call->start, width);
    size_t end = timeline_column(t, call->start + call->duration, width);
    begin -= begin == width; /* always a column: it was there */
    end += end <= begin;
    fputs(" |", t->page->out);
    prf_page_repeat(t->page, " ", begin);
    prf_page_repeat(t->page, t->page->block, end - begin);
    prf_page_repeat(t->page, " ", width - end);
    fputs("|\n", t->page->out);
}

static void
timeline_put_call(struct timeline *t, const struct prf_piece_call *call)
{
    const struct prf_view_node *node = &t->s->nodes[call->node];
    size_t indent = (size_t)(node->depth - 1) * 2;
    indent = indent < TIMELINE_INDENT ? indent : TIMELINE_INDENT;
    prf_page_repeat(t->page, " ", indent);
    prf_page_put(t->page, t->page->names[node->piece], TIMELINE_NAME - indent);
    prf_page_time(t->page, prf_pieces_seconds((double)(call->start - t->begin)));
    prf_page_time(t->page, prf_pieces_seconds((double)call->duration));
    timeline_put_bar(t, call);
}

static void
timeline_put_head(struct timeline *t)
{
    char time[PRF_UNIT_TEXT], calls[32];
    double ns = prf_pieces_seconds((double)(t->end - t->begin)) * 1e9;
    prf_format_time(ns, NULL, time, sizeof time);
    prf_page_calls(t->s->n_calls, calls, sizeof calls);
    if (t->n_calls < t->s->n_calls) {
        fprintf(t->page->out, "the %zu longest of %s, over %s\n\n", t->n_calls, calls,
                time);
    } else {
        fprintf(t->page->out, "%s over %s\n\n", calls, time);
    }
    prf_page_put(t->page, "Call", TIMELINE_NAME);
    fprintf(t->page->out, " %10s %10s\n", "Start", "Duration");
}

static void
timeline_put(struct timeline *t, size_t limit)
{
    const struct prf_view *s = t->s;
    fputs("Execution Timeline\n", t->page->out);
    if (s->n_calls == 0 || limit == 0) {
        fputs(s->n_calls > 0 ? "no call was asked for\n"
              : !s->keep_calls
                  ? "calls were not kept: the profiler has keep_calls=False\n"
                  : "nothing was recorded\n",
              t->page->out);
        return;
    }
    t->calls = prf_view_longest(s, limit, &t->n_calls);
    if (t->calls == NULL) { /* found by the close */
        return;
    }
    qsort_r(t->calls, t->n_calls, sizeof *t->calls, timeline_before, (void *)s);
    timeline_span(t);
    timeline_put_head(t);
    uint32_t thread = UINT32_MAX;
    for (size_t i = 0; i < t->n_calls; i++) {
        const struct prf_piece_call *call = &s->calls[t->calls[i]];
        if (call->thread != thread) {
            thread = call->thread;
            fprintf(t->page->out, "Thread %" PRIu64 "\n", s->threads[thread]);
        }
        timeline_put_call(t, call);
    }
}

static int
timeline_options(PyObject *const values[4], struct timeline *t, size_t *limit,
                 int *ascii)
{
    if (prf_arguments_count("limit", values[0], 0, TIMELINE_LIMIT, limit) < 0 ||
        prf_arguments_count("width", values[1], TIMELINE_LEAST, TIMELINE_WIDTH,
                            &t->width) < 0) {
        return -1;
    }
    if (t->width > TIMELINE_MOST) {
        PyErr_Format(PyExc_ValueError, "width must be at most %u, not %R",
                     TIMELINE_MOST, values[1]);
        return -1;
    }
    *ascii = prf_page_is_ascii(values[2], NULL);
    return *ascii < 0 ? -1 : 0;
}

PyObject *
prf_pieces_generate_timeline_text(PyObject *self, PyObject *const *args,
                                  Py_ssize_t n_args, PyObject *kwnames)
{
    static const struct prf_signature signature = {
        "generate_timeline_text", {"limit", "width", "ascii"}, .n_positional = 1};
    struct prf_view s;
    struct prf_page page;
    struct timeline t = {.s = &s, .page = &page};
    PyObject *values[4];
    size_t limit;
    int ascii;
    if (prf_arguments_bind(&signature,
                           (struct prf_call_arguments){args, n_args, kwnames},
                           values) < 0 ||
        timeline_options(values, &t, &limit, &ascii) < 0 ||
        prf_view_take(self, PRF_VIEW_CALLS, &s) < 0) {
        return NULL;
    }
    if (prf_page_open(&page, &s, ascii) == 0) {
        timeline_put(&t, limit);
    }
    PyObject *text = prf_page_close(&page);
    free(t.calls);
    prf_view_release(&s);
    return text;
}
