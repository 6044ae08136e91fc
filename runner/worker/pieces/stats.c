/* FunctionStats: what is known of the calls of one piece, at the moment it was asked
   for. With the GIL. */
#include "figures.h"

#include <stdlib.h>
#include <structmember.h>

#include "arguments.h"
#include "quantiles.h"

struct stats {
    PyObject_HEAD PyObject *name;
    uint64_t n_calls, n_kept;
    struct prf_piece_figures figures; /* without the quantiles */
    uint64_t *ticks;                  /* of kept calls, in their order; or NULL */
    uint64_t *sorted;                 /* the same, made when first asked for */
    uint64_t *buckets;                /* or NULL */
    PyObject *durations;              /* a list, made when first asked for */
    bool keep_calls;
};

static double
stats_quantile(const struct stats *s, double percent)
{
    const struct prf_piece_sample sample = {.n_calls = s->n_calls,
                                            .n_kept = s->n_kept,
                                            .sorted = s->sorted,
                                            .buckets = s->buckets,
                                            .min = s->figures.min,
                                            .max = s->figures.max};
    return prf_piece_sample_quantile(&sample, percent);
}

/* ---- making them ---- */

static PyTypeObject stats_type;

static int
stats_fill(struct stats *s, const uint64_t *ticks, const uint32_t *buckets)
{
    s->ticks = malloc((size_t)(s->n_kept + 1) * sizeof *s->ticks);
    if (s->ticks == NULL) {
        return -1;
    }
    if (s->n_kept > 0) {
        memcpy(s->ticks, ticks, (size_t)s->n_kept * sizeof *ticks);
    }
    if (buckets != NULL) {
        s->buckets = calloc(PRF_PIECE_BUCKETS, sizeof *s->buckets);
        if (s->buckets == NULL) {
            return -1;
        }
        prf_piece_buckets_add(buckets, s->buckets);
    }
    return 0;
}

static PyObject *
stats_new(const struct prf_view *view, const struct prf_piece_durations *d,
          uint32_t piece)
{
    const struct prf_view_piece *from = &view->pieces[piece];
    struct stats *s = (struct stats *)stats_type.tp_alloc(&stats_type, 0);
    if (s == NULL) {
        return NULL;
    }
    s->name = Py_NewRef(from->name);
    s->n_calls = from->n_calls;
    s->keep_calls = view->keep_calls;
    s->figures = prf_piece_figures_exact(from);
    s->n_kept = d->at[piece + 1] - d->at[piece];
    if (stats_fill(s, d->ticks + d->at[piece], from->buckets) < 0) {
        Py_DECREF(s);
        return PyErr_NoMemory();
    }
    return (PyObject *)s;
}

/* A view and the durations in it; -1, exception set. */
static int
stats_take(PyObject *profiler, struct prf_view *s, struct prf_piece_durations *d)
{
    unsigned parts = PRF_VIEW_CALLS | PRF_VIEW_BUCKETS;
    if (prf_view_take(profiler, parts, s) < 0) {
        return -1;
    }
    if (prf_piece_durations_of(s, d) < 0) {
        prf_view_release(s);
        return -1;
    }
    return 0;
}

static uint32_t
stats_find(PyObject *profiler, const struct prf_view *s, PyObject *name)
{
    uint32_t piece = prf_pieces_find(prf_pieces_of(profiler), name);
    return piece < s->n_pieces ? piece : PRF_PIECE_NONE;
}

static PyObject *
stats_by_name(PyObject *profiler, PyObject *name)
{
    struct prf_view s;
    struct prf_piece_durations d;
    if (stats_take(profiler, &s, &d) < 0) {
        return NULL;
    }
    uint32_t piece = stats_find(profiler, &s, name);
    PyObject *found =
        piece == PRF_PIECE_NONE ? Py_NewRef(Py_None) : stats_new(&s, &d, piece);
    prf_piece_durations_release(&d);
    prf_view_release(&s);
    return found;
}

PyObject *
prf_pieces_get_function_stats(PyObject *self, PyObject *const *args, Py_ssize_t n_args,
                              PyObject *kwnames)
{
    static const struct prf_signature signature = {
        "get_function_stats", {"name"}, .n_positional = 1, .n_required = 1};
    PyObject *values[4];
    if (prf_arguments_bind(&signature,
                           (struct prf_call_arguments){args, n_args, kwnames},
                           values) < 0) {
        return NULL;
    }
    if (!PyUnicode_Check(values[0])) {
        return PyErr_Format(PyExc_TypeError, "name must be a str, not %.100s",
                            Py_TYPE(values[0])->tp_name);
    }
    PyObject *name = PyUnicode_FromObject(values[0]); /* no subclass with a hash */
    PyObject *found = name == NULL ? NULL : stats_by_name(self, name);
    Py_XDECREF(name);
    return found;
}

static int
stats_add(PyObject *all, const struct prf_view *s, const struct prf_piece_durations *d,
          uint32_t piece)
{
    PyObject *made = stats_new(s, d, piece);
    int rc = made == NULL ? -1 : PyDict_SetItem(all, s->pieces[piece].name, made);
    Py_XDECREF(made);
    return rc;
}

PyObject *
prf_pieces_get_all_function_stats(PyObject *self, PyObject *const *args,
                                  Py_ssize_t n_args, PyObject *kwnames)
{
    static const struct prf_signature signature = {"get_all_function_stats", {NULL}};
    struct prf_view s;
    struct prf_piece_durations d;
    PyObject *values[4];
    if (prf_arguments_bind(&signature,
                           (struct prf_call_arguments){args, n_args, kwnames},
                           values) < 0 ||
        stats_take(self, &s, &d) < 0) {
        return NULL;
    }
    PyObject *all = PyDict_New();
    for (uint32_t i = 0; all != NULL && i < s.n_called; i++) {
        if (stats_add(all, &s, &d, s.order[i]) < 0) {
            Py_CLEAR(all);
        }
    }
    prf_piece_durations_release(&d);
    prf_view_release(&s);
    return all;
}

/* ---- methods ---- */

static int
stats_sort(struct stats *s)
{
    if (s->sorted != NULL) {
        return 0;
    }
    size_t size = (size_t)(s->n_kept + 1) * sizeof *s->sorted;
    uint64_t *sorted = malloc(size), *room = malloc(size);
    if (sorted == NULL || room == NULL) {
        free(sorted);
        free(room);
        PyErr_NoMemory();
        return -1;
    }
    memcpy(sorted, s->ticks, (size_t)s->n_kept * sizeof *sorted);
    prf_quantiles_sort(sorted, room, (size_t)s->n_kept);
    free(room);
    s->sorted = sorted;
    return 0;
}

static PyObject *
stats_get_percentile(PyObject *self, PyObject *const *args, Py_ssize_t n_args,
                     PyObject *kwnames)
{
    static const struct prf_signature signature = {
        "get_percentile", {"percentile"}, .n_positional = 1, .n_required = 1};
    struct stats *s = (struct stats *)self;
    PyObject *values[4];
    if (prf_arguments_bind(&signature,
                           (struct prf_call_arguments){args, n_args, kwnames},
                           values) < 0) {
        return NULL;
    }
    double percent = PyFloat_AsDouble(values[0]);
    if (percent == -1 && PyErr_Occurred()) {
        if (PyErr_ExceptionMatches(PyExc_TypeError)) {
            return PyErr_Format(PyExc_TypeError,
                                "percentile must be a number, not %.100s",
                                Py_TYPE(values[0])->tp_name);
        }
        if (!PyErr_ExceptionMatches(PyExc_OverflowError)) {
            return NULL;
        }
        PyErr_Clear(); /* an int beyond every float, and beyond 100 */
    }
    if (!(percent >= 0 && percent <= 100)) {
        return PyErr_Format(PyExc_ValueError,
                            "percentile must be from 0 to 100, not %R", values[0]);
    }
    return stats_sort(s) < 0 ? NULL : PyFloat_FromDouble(stats_quantile(s, percent));
}

static PyObject *
stats_get_median_time(PyObject *self, PyObject *ignored)
{
    (void)ignored;
    struct stats *s = (struct stats *)self;
    return stats_sort(s) < 0 ? NULL : PyFloat_FromDouble(stats_quantile(s, 50));
}

static PyObject *
stats_get_avg_time(PyObject *self, PyObject *ignored)
{
    (void)ignored;
    return PyFloat_FromDouble(((struct stats *)self)->figures.mean);
}

static PyObject *
stats_get_std_dev(PyObject *self, PyObject *ignored)
{
    (void)ignored;
    return PyFloat_FromDouble(((struct stats *)self)->figures.stddev);
}

/* Seconds of all kept calls, a new list. */
static PyObject *
stats_list(const struct stats *s)
{
    PyObject *list = PyList_New((Py_ssize_t)s->n_kept);
    for (size_t i = 0; list != NULL && i < s->n_kept; i++) {
        PyObject *seconds = PyFloat_FromDouble(prf_pieces_seconds((double)s->ticks[i]));
        if (seconds == NULL) {
            Py_CLEAR(list);
        } else {
            PyList_SET_ITEM(list, (Py_ssize_t)i, seconds);
        }
    }
    return list;
}

static PyObject *
stats_get_durations(PyObject *self, void *closure)
{
    (void)closure;
    struct stats *s = (struct stats *)self;
    if (!s->keep_calls && s->n_kept == 0) {
        return PyErr_Format(
            PyExc_AttributeError,
            "durations of %R were not kept: the profiler has keep_calls=False; make it "
            "with create_profiler(keep_calls=True), or ask for get_percentile()",
            s->name);
    }
    if (s->durations == NULL) {
        s->durations = stats_list(s);
    }
    return Py_XNewRef(s->durations);
}

static PyObject *
stats_repr(PyObject *self)
{
    const struct stats *s = (struct stats *)self;
    char text[160];
    snprintf(text, sizeof text,
             "call_count=%llu, total_time=%.9f, own_time=%.9f, min_time=%.9f, "
             "max_time=%.9f",
             (unsigned long long)s->n_calls, s->figures.total, s->figures.own,
             s->figures.min, s->figures.max);
    return PyUnicode_FromFormat("FunctionStats(name=%R, %s)", s->name, text);
}

/* ---- the type ---- */

static int
stats_traverse(PyObject *self, visitproc visit, void *arg)
{
    const struct stats *s = (struct stats *)self;
    Py_VISIT(s->durations);
    return 0;
}

static int
stats_clear(PyObject *self)
{
    Py_CLEAR(((struct stats *)self)->durations);
    return 0;
}

static void
stats_dealloc(PyObject *self)
{
    struct stats *s = (struct stats *)self;
    PyObject_GC_UnTrack(self);
    Py_CLEAR(s->durations);
    Py_CLEAR(s->name);
    free(s->ticks);
    free(s->sorted);
    free(s->buckets);
    Py_TYPE(self)->tp_free(self);
}

#define FIGURE(field) offsetof(struct stats, figures.field)

static PyMemberDef stats_members[] = {
    {"name", T_OBJECT, offsetof(struct stats, name), READONLY, "The piece's name."},
    {"call_count", T_ULONGLONG, offsetof(struct stats, n_calls), READONLY,
     "Calls that ended, recursive ones included."},
    {"total_time", T_DOUBLE, FIGURE(total), READONLY,
     "Seconds in which a call was active, what it called and waited for included; a "
     "recursive call inside another one is not counted again."},
    {"own_time", T_DOUBLE, FIGURE(own), READONLY,
     "Seconds in which it was what its thread ran: without the pieces it called and "
     "without the time in which it was suspended."},
    {"waiting_time", T_DOUBLE, FIGURE(waiting), READONLY,
     "Seconds of total_time in which it was suspended: neither it nor a piece that it "
     "called ran."},
    {"min_time", T_DOUBLE, FIGURE(min), READONLY, "Seconds of the shortest call."},
    {"max_time", T_DOUBLE, FIGURE(max), READONLY, "Seconds of the longest call."},
    {NULL},
};

static PyGetSetDef stats_getset[] = {
    {"durations", stats_get_durations, NULL,
     "Seconds of each call that was kept, in the order in which they ended. "
     "AttributeError when the profiler does not keep calls.",
     NULL},
    {NULL},
};

static PyMethodDef stats_methods[] = {
    {"get_avg_time", stats_get_avg_time, METH_NOARGS,
     PyDoc_STR("get_avg_time($self, /)\n--\n\nMean seconds of a call, by Welford's "
               "recurrence; 0.0 without calls.")},
    {"get_median_time", stats_get_median_time, METH_NOARGS,
     PyDoc_STR("get_median_time($self, /)\n--\n\nget_percentile(50).")},
    {"get_percentile", (PyCFunction)(void (*)(void))stats_get_percentile,
     METH_FASTCALL | METH_KEYWORDS,
     PyDoc_STR(
         "get_percentile($self, /, percentile)\n--\n\n"
         "Seconds that so many per cent (0 to 100) of the calls do not exceed.\n\n"
         "Linear between the two nearest calls (Hyndman and Fan 1996, type 7, "
         "numpy's default).\nWithin 1 % of that when the profiler does not keep "
         "calls. 0.0 without calls.\nValueError: percentile is not from 0 to "
         "100.")},
    {"get_std_dev", stats_get_std_dev, METH_NOARGS,
     PyDoc_STR("get_std_dev($self, /)\n--\n\nStandard deviation of the sample in "
               "seconds (divided by n - 1), by\nWelford's recurrence (Welford 1962); "
               "0.0 for fewer than two calls.")},
    {NULL},
};

static PyTypeObject stats_type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "_pyprofiler.FunctionStats",
    .tp_basicsize = sizeof(struct stats),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC |
                Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE,
    .tp_doc =
        PyDoc_STR("Statistics of the calls of one function or block, as they were "
                  "when asked for.\nTimes are seconds."),
    .tp_dealloc = stats_dealloc,
    .tp_traverse = stats_traverse,
    .tp_clear = stats_clear,
    .tp_repr = stats_repr,
    .tp_members = stats_members,
    .tp_getset = stats_getset,
    .tp_methods = stats_methods,
};

int
prf_pieces_add_stats(PyObject *module)
{
    if (PyType_Ready(&stats_type) < 0 ||
        PyModule_AddObjectRef(module, "FunctionStats", (PyObject *)&stats_type) < 0) {
        return -1;
    }
    return prf_pieces_add_calls(module);
}
