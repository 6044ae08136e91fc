/* The flame graph as text: a frame for each place in the tree of calls, under the frame
   that called it, as wide as the time in which it or something it called ran. Waiting
   is left out, because the frames of tasks that wait at the same time do not fit beside
   each other into the frame that waits for all of them. With the GIL. */
#include <math.h>
#include <stdlib.h>

#include "arguments.h"
#include "label.h"
#include "page.h"
#include "units.h"

#define FLAME_WIDTH 80u
#define FLAME_LEAST 20u /* columns */
#define FLAME_MOST 10000u
#define FLAME_DEPTH 64u /* rows */
#define FLAME_BARS 10u  /* pieces below the graph */
#define FLAME_NAME 24u  /* columns of their names */

struct flame_frame {
    uint32_t node;
    uint32_t depth;
    uint64_t begin, end; /* ticks from the left edge */
};

struct flame {
    const struct prf_view *s;
    struct prf_page *page;
    struct flame_frame *frames; /* of nodes that ran, row by row, from left to right */
    size_t n_frames, n_narrow;
    uint64_t *cursors; /* by node: where its next child begins */
    size_t width, max_depth;
    uint64_t whole; /* ticks; never 0 */
    struct prf_strbuf label;
};

/* ---- layout ---- */

static int
flame_wider(const void *a, const void *b, void *context)
{
    const struct prf_view_node *nodes = context;
    const struct flame_frame *x = a, *y = b;
    uint64_t wide = nodes[x->node].running, other = nodes[y->node].running;
    if (x->depth != y->depth) {
        return x->depth < y->depth ? -1 : 1;
    }
    if (wide != other) {
        return wide > other ? -1 : 1;
    }
    return x->node < y->node ? -1 : x->node > y->node;
}

static int
flame_left(const void *a, const void *b)
{
    const struct flame_frame *x = a, *y = b;
    if (x->depth != y->depth) {
        return x->depth < y->depth ? -1 : 1;
    }
    return x->begin < y->begin ? -1 : x->begin > y->begin;
}

/* Frames beside each other under their parent's left edge, the widest first. */
static int
flame_lay_out(struct flame *f)
{
    const struct prf_view *s = f->s;
    f->frames = calloc(s->n_nodes + 1u, sizeof *f->frames);
    f->cursors = calloc(s->n_nodes + 1u, sizeof *f->cursors);
    if (f->frames == NULL || f->cursors == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    for (uint32_t i = 1; i < s->n_nodes; i++) {
        if (s->nodes[i].running > 0) {
            f->frames[f->n_frames++] =
                (struct flame_frame){.node = i, .depth = s->nodes[i].depth};
        }
    }
    qsort_r(f->frames, f->n_frames, sizeof *f->frames, flame_wider, s->nodes);
    for (size_t i = 0; i < f->n_frames; i++) { /* parents come before: less deep */
        struct flame_frame *frame = &f->frames[i];
        uint64_t *cursor = &f->cursors[s->nodes[frame->node].parent];
        frame->begin = *cursor;
        frame->end = *cursor += s->nodes[frame->node].running;
        f->cursors[frame->node] = frame->begin;
    }
    qsort(f->frames, f->n_frames, sizeof *f->frames, flame_left);
    return 0;
}

/* ---- drawing ---- */

static size_t
flame_column(const struct flame *f, uint64_t ticks)
{
    double part = (double)ticks / (double)f->whole;
    return (size_t)floor(part * (double)f->width + 0.5);
}

static double
flame_percent(const struct flame *f, uint64_t ticks)
{
    return 100.0 * (double)ticks / (double)f->whole;
}

/* Name, percentage and calls, as much of it as fits into `width` columns. */
static const char *
flame_label(struct flame *f, const char *name, uint64_t ticks, uint64_t n_calls,
            size_t width)
{
    char calls[32], percent[16];
    prf_page_calls(n_calls, calls, sizeof calls);
    snprintf(percent, sizeof percent, "%.1f%%", flame_percent(f, ticks));
    size_t all = prf_text_width(name) + 1 + strlen(percent);
    prf_strbuf_clear(&f->label);
    if (all + 1 + strlen(calls) <= width) {
        prf_strbuf_addf(&f->label, "%s %s %s", name, percent, calls);
    } else if (all <= width) {
        prf_strbuf_addf(&f->label, "%s %s", name, percent);
    } else {
        prf_shorten_add(&f->label, name, width, f->page->ellipsis);
    }
    return prf_strbuf_text(&f->label);
}

/* "[name 12.5% 3 calls ---]", `width` columns of it. */
static void
flame_put_frame(struct flame *f, const char *name, uint64_t ticks, uint64_t n_calls,
                size_t width)
{
    FILE *out = f->page->out;
    if (width == 1) {
        fputc('|', out);
        return;
    }
    const char *label = flame_label(f, name, ticks, n_calls, width - 2);
    size_t left = width - 2 - prf_text_width(label);
    fprintf(out, "[%s", label);
    if (left > 0) {
        fputc(' ', out);
        prf_page_repeat(f->page, f->page->line, left - 1);
    }
    fputc(']', out);
}

/* The row that begins at frame `i`; the first frame of the next one. */
static size_t
flame_put_row(struct flame *f, size_t i)
{
    uint32_t depth = f->frames[i].depth;
    size_t column = 0, n_drawn = 0;
    for (; i < f->n_frames && f->frames[i].depth == depth; i++) {
        const struct flame_frame *frame = &f->frames[i];
        const struct prf_view_node *node = &f->s->nodes[frame->node];
        size_t begin = flame_column(f, frame->begin), end = flame_column(f, frame->end);
        if (begin == end) {
            f->n_narrow++;
            continue;
        }
        prf_page_repeat(f->page, " ", begin - column);
        flame_put_frame(f, f->page->names[node->piece], node->running, node->n_calls,
                        end - begin);
        column = end;
        n_drawn++;
    }
    if (n_drawn > 0) {
        fputc('\n', f->page->out);
    }
    return i;
}

static void
flame_put_rows(struct flame *f)
{
    uint64_t n_calls = 0;
    for (uint32_t i = 1; i < f->s->n_nodes; i++) {
        n_calls += f->s->nodes[i].n_calls;
    }
    flame_put_frame(f, "all", f->whole, n_calls, f->width);
    fputc('\n', f->page->out);
    size_t i = 0;
    while (i < f->n_frames && f->frames[i].depth <= f->max_depth) {
        i = flame_put_row(f, i);
    }
    if (f->n_narrow > 0) {
        fprintf(f->page->out, "(%zu frame%s narrower than a column)\n", f->n_narrow,
                f->n_narrow == 1 ? " is" : "s are");
    }
    if (i < f->n_frames) {
        fprintf(f->page->out, "(%zu frame%s deeper than %zu levels)\n", f->n_frames - i,
                f->n_frames - i == 1 ? " is" : "s are", f->max_depth);
    }
}

static int
flame_busier(const void *a, const void *b, void *context)
{
    const struct prf_view_piece *pieces = context;
    uint32_t i = *(const uint32_t *)a, k = *(const uint32_t *)b;
    if (pieces[i].own != pieces[k].own) {
        return pieces[i].own > pieces[k].own ? -1 : 1;
    }
    return i < k ? -1 : i > k;
}

/* A bar for each of the pieces with the most own time. */
static void
flame_put_bars(struct flame *f)
{
    const struct prf_view *s = f->s;
    FILE *out = f->page->out;
    size_t room = f->width > FLAME_NAME + 32 ? f->width - FLAME_NAME - 24 : 8;
    size_t n = s->n_order < FLAME_BARS ? s->n_order : FLAME_BARS;
    char calls[32];
    qsort_r(s->order, s->n_order, sizeof *s->order, flame_busier, s->pieces);
    fputs("\nOwn time\n", out);
    for (size_t i = 0; i < n; i++) {
        const struct prf_view_piece *piece = &s->pieces[s->order[i]];
        double percent = flame_percent(f, piece->own);
        prf_page_put(f->page, f->page->names[s->order[i]], FLAME_NAME);
        fputc(' ', out);
        prf_page_repeat(f->page, f->page->block,
                        (size_t)(percent / 100 * (double)room + 0.5));
        fprintf(out, " %5.1f%% (%s)\n", percent,
                prf_page_calls(piece->n_calls, calls, sizeof calls));
    }
    if (n < s->n_order) {
        fprintf(out, "and %zu more\n", s->n_order - n);
    }
}

/* "<before>1.2 ms<after>", unless there are no ticks. */
static void
flame_put_time(struct flame *f, const char *before, uint64_t ticks, const char *after)
{
    char time[PRF_UNIT_TEXT];
    double ns = prf_pieces_seconds((double)ticks) * 1e9;
    if (ticks > 0) {
        prf_format_time(ns, NULL, time, sizeof time);
        fprintf(f->page->out, "%s%s%s", before, time, after);
    }
}

static void
flame_put(struct flame *f)
{
    uint64_t whole = f->s->nodes[0].running;
    fputs("Performance Flame Graph\n", f->page->out);
    if (whole == 0) {
        fputs("nothing was recorded\n", f->page->out);
        return;
    }
    f->whole = whole;
    flame_put_time(f, "", whole, " of running time");
    flame_put_time(f, ", ", prf_view_sum(f->s).waiting, " of waiting left out");
    fputs("\n\n", f->page->out);
    if (flame_lay_out(f) == 0) { /* what it raises is found by the close */
        flame_put_rows(f);
        flame_put_bars(f);
    }
}

/* ---- the method ---- */

static int
flame_options(PyObject *const values[4], struct flame *f, int *ascii)
{
    if (prf_arguments_count("width", values[0], FLAME_LEAST, FLAME_WIDTH, &f->width) <
            0 ||
        prf_arguments_count("max_depth", values[1], 1, FLAME_DEPTH, &f->max_depth) <
            0) {
        return -1;
    }
    if (f->width > FLAME_MOST) {
        PyErr_Format(PyExc_ValueError, "width must be at most %u, not %R", FLAME_MOST,
                     values[0]);
        return -1;
    }
    *ascii = prf_page_is_ascii(values[2], NULL);
    return *ascii < 0 ? -1 : 0;
}

PyObject *
prf_pieces_generate_flame_graph_text(PyObject *self, PyObject *const *args,
                                     Py_ssize_t n_args, PyObject *kwnames)
{
    static const struct prf_signature signature = {"generate_flame_graph_text",
                                                   {"width", "max_depth", "ascii"},
                                                   .n_positional = 1};
    struct prf_view s;
    struct prf_page page;
    struct flame f = {.s = &s, .page = &page, .label = PRF_STRBUF_INIT};
    PyObject *values[4];
    int ascii;
    if (prf_arguments_bind(&signature,
                           (struct prf_call_arguments){args, n_args, kwnames},
                           values) < 0 ||
        flame_options(values, &f, &ascii) < 0 ||
        prf_view_take(self, PRF_VIEW_TREE, &s) < 0) {
        return NULL;
    }
    if (prf_page_open(&page, &s, ascii) == 0) {
        flame_put(&f);
    }
    page.scratch.failed |= f.label.failed;
    PyObject *text = prf_page_close(&page);
    prf_strbuf_release(&f.label);
    free(f.frames);
    free(f.cursors);
    prf_view_release(&s);
    return text;
}
