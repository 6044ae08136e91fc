/* What a profiler tells: hotspots, the slowest calls, the tree of calls, a summary, and
   the report that is printed. With the GIL. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "arguments.h"
#include "page.h"
#include "stats.h"

#define REPORT_LIMIT 10u
#define REPORT_NAME 30u /* columns */
#define REPORT_SLOWEST 5u

static double
report_seconds(uint64_t ticks)
{
    return prf_pieces_seconds((double)ticks);
}

/* ---- hotspots ---- */

static int
report_hotter(const void *a, const void *b, void *context)
{
    const struct prf_view_piece *pieces = context;
    const struct prf_view_piece *x = &pieces[*(const uint32_t *)a],
                                *y = &pieces[*(const uint32_t *)b];
    if (x->total != y->total) {
        return x->total > y->total ? -1 : 1;
    }
    return x->first < y->first ? -1 : x->first > y->first;
}

/* The order of the view becomes that of total times, the largest first. */
static void
report_rank(struct prf_view *s)
{
    qsort_r(s->order, s->n_called, sizeof *s->order, report_hotter, s->pieces);
}

/* The one argument `limit`; -1, exception set. */
static int
report_limit(const char *method, struct prf_call_arguments given, size_t *limit)
{
    const struct prf_signature signature = {method, {"limit"}, .n_positional = 1};
    PyObject *values[4];
    if (prf_arguments_bind(&signature, given, values) < 0) {
        return -1;
    }
    return prf_arguments_count("limit", values[0], 0, REPORT_LIMIT, limit);
}

PyObject *
prf_pieces_get_hotspots(PyObject *self, PyObject *const *args, Py_ssize_t n_args,
                        PyObject *kwnames)
{
    struct prf_view s;
    size_t limit;
    if (report_limit("get_hotspots", (struct prf_call_arguments){args, n_args, kwnames},
                     &limit) < 0 ||
        prf_view_take(self, PRF_VIEW_TREE, &s) < 0) {
        return NULL;
    }
    report_rank(&s);
    size_t n = limit < s.n_called ? limit : s.n_called;
    PyObject *list = PyList_New((Py_ssize_t)n);
    for (size_t i = 0; list != NULL && i < n; i++) {
        const struct prf_view_piece *piece = &s.pieces[s.order[i]];
        PyObject *row =
            Py_BuildValue("(OdK)", piece->name, report_seconds(piece->total),
                          (unsigned long long)piece->n_calls);
        if (row == NULL) {
            Py_CLEAR(list);
        } else {
            PyList_SET_ITEM(list, (Py_ssize_t)i, row);
        }
    }
    prf_view_release(&s);
    return list;
}

static PyObject *
report_slowest(const struct prf_view *s, const uint64_t *longest, size_t n)
{
    PyObject *list = PyList_New((Py_ssize_t)n);
    for (size_t i = 0; list != NULL && i < n; i++) {
        const struct prf_piece_call *call = &s->calls[longest[i]];
        PyObject *row =
            Py_BuildValue("(Od)", s->pieces[s->nodes[call->node].piece].name,
                          report_seconds(call->duration));
        if (row == NULL) {
            Py_CLEAR(list);
        } else {
            PyList_SET_ITEM(list, (Py_ssize_t)i, row);
        }
    }
    return list;
}

PyObject *
prf_pieces_get_slowest_calls(PyObject *self, PyObject *const *args, Py_ssize_t n_args,
                             PyObject *kwnames)
{
    struct prf_view s;
    size_t limit, n = 0;
    PyObject *list = NULL;
    if (report_limit("get_slowest_calls",
                     (struct prf_call_arguments){args, n_args, kwnames}, &limit) < 0 ||
        prf_view_take(self, PRF_VIEW_CALLS, &s) < 0) {
        return NULL;
    }
    uint64_t *longest = NULL;
    if (!s.keep_calls && s.n_calls == 0) {
        prf_pieces_no_calls();
    } else {
        longest = prf_view_longest(&s, limit, &n);
    }
    if (longest != NULL) {
        list = report_slowest(&s, longest, n);
    }
    free(longest);
    prf_view_release(&s);
    return list;
}

/* ---- tree ---- */

/* The dict of one node, put into `siblings` under its name; its "children", borrowed.
 */
static PyObject *
report_add_node(const struct prf_view *s, uint32_t node, PyObject *siblings)
{
    const struct prf_view_node *from = &s->nodes[node];
    PyObject *children = PyDict_New();
    PyObject *made =
        children == NULL
            ? NULL
            : Py_BuildValue("{sKsdsdsO}", "calls", (unsigned long long)from->n_calls,
                            "total_time", report_seconds(from->total), "own_time",
                            report_seconds(from->own), "children", children);
    int rc =
        made == NULL ? -1 : PyDict_SetItem(siblings, s->pieces[from->piece].name, made);
    Py_XDECREF(made);
    Py_XDECREF(children); /* held by `made`, which `siblings` holds */
    return rc < 0 ? NULL : children;
}

/* No recursion: as deep as the program was. */
static PyObject *
report_tree(const struct prf_view *s)
{
    PyObject *tree = PyDict_New();
    PyObject **children = calloc(s->n_nodes + 1u, sizeof *children); /* borrowed */
    if (tree != NULL && children == NULL) {
        PyErr_NoMemory();
        Py_CLEAR(tree);
    }
    if (tree != NULL) {
        children[0] = tree;
    }
    for (uint32_t i = 1; tree != NULL && i < s->n_nodes; i++) {
        if (s->nodes[i].seen) {
            children[i] = report_add_node(s, i, children[s->nodes[i].parent]);
            if (children[i] == NULL) {
                Py_CLEAR(tree);
            }
        }
    }
    free(children);
    return tree;
}

PyObject *
prf_pieces_get_call_tree(PyObject *self, PyObject *const *args, Py_ssize_t n_args,
                         PyObject *kwnames)
{
    static const struct prf_signature signature = {"get_call_tree", {NULL}};
    struct prf_view s;
    PyObject *values[4];
    if (prf_arguments_bind(&signature,
                           (struct prf_call_arguments){args, n_args, kwnames},
                           values) < 0 ||
        prf_view_take(self, PRF_VIEW_TREE, &s) < 0) {
        return NULL;
    }
    PyObject *tree = report_tree(&s);
    prf_view_release(&s);
    return tree;
}

/* ---- summary ---- */

PyObject *
prf_pieces_get_summary(PyObject *self, PyObject *const *args, Py_ssize_t n_args,
                       PyObject *kwnames)
{
    static const struct prf_signature signature = {"get_summary", {NULL}};
    struct prf_view s;
    struct prf_pieces_summary sum;
    PyObject *values[4], *dict = NULL;
    if (prf_arguments_bind(&signature,
                           (struct prf_call_arguments){args, n_args, kwnames},
                           values) < 0 ||
        prf_view_take(self, PRF_VIEW_CALLS | PRF_VIEW_BUCKETS, &s) < 0) {
        return NULL;
    }
    if (prf_pieces_summarize(&s, &sum) == 0) {
        dict = Py_BuildValue(
            "{sIsKsdsdsdsdsdsdsdsdsdsIsKsK}", "total_functions", sum.n_functions,
            "total_calls", (unsigned long long)sum.n_calls, "total_time", sum.total,
            "avg_call_time", sum.mean, "median_call_time", sum.median, "p95_call_time",
            sum.p95, "min_call_time", sum.min, "max_call_time", sum.max, "own_time",
            sum.own, "waiting_time", sum.waiting, "elapsed_time", sum.elapsed,
            "threads", sum.n_threads, "kept_calls", (unsigned long long)sum.n_kept,
            "lost_calls", (unsigned long long)sum.n_lost);
    }
    prf_view_release(&s);
    return dict;
}

/* ---- the report ---- */

static void
report_put_amount(struct prf_page *page, const char *what, double seconds)
{
    fprintf(page->out, "  %-16s", what);
    prf_page_time(page, seconds);
    fputc('\n', page->out);
}

static void
report_put_count(struct prf_page *page, const char *what, uint64_t n)
{
    fprintf(page->out, "  %-16s %10" PRIu64 "\n", what, n);
}

static void
report_put_summary(struct prf_page *page, const struct prf_pieces_summary *sum)
{
    fputs("Performance Report\n\n", page->out);
    report_put_count(page, "functions", sum->n_functions);
    report_put_count(page, "calls", sum->n_calls);
    report_put_count(page, "threads", sum->n_threads);
    report_put_amount(page, "total time", sum->total);
    report_put_amount(page, "own time", sum->own);
    report_put_amount(page, "waiting time", sum->waiting);
    report_put_amount(page, "average call", sum->mean);
    report_put_amount(page, "median call", sum->median);
    report_put_amount(page, "95th percentile", sum->p95);
    if (sum->keep_calls && sum->n_kept < sum->n_calls) {
        report_put_count(page, "calls not kept", sum->n_calls - sum->n_kept);
    }
    if (sum->n_lost > 0) {
        report_put_count(page, "calls lost", sum->n_lost);
    }
}

static void
report_put_table(struct prf_page *page, const struct prf_view *s,
                 const struct prf_piece_figures *figures, size_t top)
{
    size_t n = top < s->n_called ? top : s->n_called;
    fputc('\n', page->out);
    prf_page_put(page, "Function", REPORT_NAME);
    fprintf(page->out, " %10s %10s %10s %10s %10s %10s %10s\n", "Calls", "Total", "Own",
            "Average", "Median", "P95", "Max");
    prf_page_repeat(page, page->line, REPORT_NAME + 7 * 11);
    fputc('\n', page->out);
    for (size_t i = 0; i < n; i++) {
        uint32_t piece = s->order[i];
        const struct prf_piece_figures *f = &figures[piece];
        const double columns[] = {f->total, f->own, f->mean, f->median, f->p95, f->max};
        prf_page_put(page, page->names[piece], REPORT_NAME);
        fprintf(page->out, " %10" PRIu64, s->pieces[piece].n_calls);
        for (size_t c = 0; c < sizeof columns / sizeof *columns; c++) {
            prf_page_time(page, columns[c]);
        }
        fputc('\n', page->out);
    }
    if (n < s->n_called) {
        fprintf(page->out, "and %zu more\n", s->n_called - n);
    }
}

static int
report_put_slowest(struct prf_page *page, const struct prf_view *s)
{
    size_t n = 0;
    uint64_t *longest = prf_view_longest(s, REPORT_SLOWEST, &n);
    if (longest == NULL) {
        return -1;
    }
    fputs(n > 0 ? "\nSlowest calls\n" : "", page->out);
    for (size_t i = 0; i < n; i++) {
        const struct prf_piece_call *call = &s->calls[longest[i]];
        fputs("  ", page->out);
        prf_page_put(page, page->names[s->nodes[call->node].piece], REPORT_NAME - 2);
        prf_page_time(page, report_seconds(call->duration));
        fputc('\n', page->out);
    }
    free(longest);
    return 0;
}

static PyObject *
report_text(struct prf_view *s, size_t top, bool ascii)
{
    struct prf_page page = {0};
    struct prf_pieces_summary sum;
    struct prf_piece_figures *figures = prf_piece_figures_of(s);
    if (figures == NULL) {
        return NULL;
    }
    if (prf_pieces_summarize(s, &sum) < 0) {
        free(figures);
        return NULL;
    }
    report_rank(s);
    if (prf_page_open(&page, s, ascii) == 0) {
        report_put_summary(&page, &sum);
        if (s->n_called > 0) {
            report_put_table(&page, s, figures, top);
        }
        report_put_slowest(&page, s); /* what it raises is found by the close */
    }
    free(figures);
    return prf_page_close(&page);
}

static PyObject *
report_write(PyObject *file, PyObject *text)
{
    PyObject *done = PyObject_CallMethod(file, "write", "O", text);
    if (done == NULL) {
        return NULL;
    }
    Py_DECREF(done);
    Py_RETURN_NONE;
}

PyObject *
prf_pieces_print_report(PyObject *self, PyObject *const *args, Py_ssize_t n_args,
                        PyObject *kwnames)
{
    static const struct prf_signature signature = {
        "print_report", {"top_n", "file"}, .n_positional = 2};
    struct prf_view s;
    PyObject *values[4];
    size_t top;
    if (prf_arguments_bind(&signature,
                           (struct prf_call_arguments){args, n_args, kwnames},
                           values) < 0 ||
        prf_arguments_count("top_n", values[0], 0, REPORT_LIMIT, &top) < 0) {
        return NULL;
    }
    PyObject *file = values[1];
    if (file == NULL || file == Py_None) {
        file = PySys_GetObject("stdout");
        if (file == NULL || file == Py_None) {
            Py_RETURN_NONE; /* no console: as print() */
        }
    }
    Py_INCREF(file); /* the program can set another sys.stdout meanwhile */
    PyObject *text = NULL, *done = NULL;
    int ascii = prf_page_is_ascii(NULL, file);
    if (ascii >= 0 && prf_view_take(self, PRF_VIEW_CALLS | PRF_VIEW_BUCKETS, &s) == 0) {
        text = report_text(&s, top, ascii);
        prf_view_release(&s);
    }
    if (text != NULL) {
        done = report_write(file, text);
    }
    Py_XDECREF(text);
    Py_DECREF(file);
    return done;
}
