/* FunctionCall, and CallSequence: the calls of a profiler as they were at one moment,
   as a sequence that makes the objects when they are asked for. With the GIL. */
#include <stdlib.h>
#include <string.h>

#include "arguments.h"
#include "figures.h"

/* What all calls of one answer share. */
struct calls_source {
    PyObject_HEAD struct prf_view view; /* with calls */
    PyObject *metadata; /* strong: dict of call index to dict, or NULL */
};

struct calls_sequence {
    PyObject_HEAD struct calls_source *source; /* strong */
    Py_ssize_t start, step, n;                 /* in the calls of the source */
};

struct calls_call {
    PyObject_HEAD struct calls_source *source; /* strong */
    Py_ssize_t index;
};

static PyTypeObject calls_source_type, calls_sequence_type, calls_call_type;

/* ---- source ---- */

static int
calls_source_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(((struct calls_source *)self)->metadata);
    return 0;
}

static int
calls_source_clear(PyObject *self)
{
    Py_CLEAR(((struct calls_source *)self)->metadata);
    return 0;
}

static void
calls_source_dealloc(PyObject *self)
{
    struct calls_source *source = (struct calls_source *)self;
    PyObject_GC_UnTrack(self);
    Py_CLEAR(source->metadata);
    prf_view_release(&source->view);
    Py_TYPE(self)->tp_free(self);
}

static PyTypeObject calls_source_type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "_pyprofiler._CallSource",
    .tp_basicsize = sizeof(struct calls_source),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC |
                Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE,
    .tp_doc = PyDoc_STR("What the calls of one sequence share."),
    .tp_dealloc = calls_source_dealloc,
    .tp_traverse = calls_source_traverse,
    .tp_clear = calls_source_clear,
};

PyObject *
prf_pieces_no_calls(void)
{
    PyErr_SetString(PyExc_RuntimeError,
                    "calls were not kept: the profiler has keep_calls=False; make it "
                    "with create_profiler(keep_calls=True)");
    return NULL;
}

static struct calls_source *
calls_source_new(PyObject *profiler)
{
    const struct prf_pieces *p = prf_pieces_of(profiler);
    if (p == NULL) {
        return NULL;
    }
    if (!p->keep_calls && p->n_calls == 0) {
        return (struct calls_source *)prf_pieces_no_calls();
    }
    struct calls_source *source =
        (struct calls_source *)calls_source_type.tp_alloc(&calls_source_type, 0);
    if (source == NULL) {
        return NULL;
    }
    if (p->metadata != NULL) {
        source->metadata = PyDict_Copy(p->metadata);
    }
    if ((p->metadata != NULL && source->metadata == NULL) ||
        prf_view_take(profiler, PRF_VIEW_CALLS, &source->view) < 0) {
        Py_CLEAR(source);
    }
    return source;
}

/* ---- FunctionCall ---- */

static const struct prf_piece_call *
calls_of(const struct calls_call *call)
{
    return &call->source->view.calls[call->index];
}

static PyObject *
calls_node_name(const struct prf_view *s, uint32_t node)
{
    return s->pieces[s->nodes[node].piece].name;
}

static PyObject *
calls_get_name(PyObject *self, void *closure)
{
    (void)closure;
    struct calls_call *call = (struct calls_call *)self;
    return Py_NewRef(calls_node_name(&call->source->view, calls_of(call)->node));
}

static PyObject *
calls_get_start(PyObject *self, void *closure)
{
    (void)closure;
    const struct prf_piece_call *call = calls_of((struct calls_call *)self);
    return PyFloat_FromDouble(prf_pieces_moment(call->start));
}

static PyObject *
calls_get_end(PyObject *self, void *closure)
{
    (void)closure;
    const struct prf_piece_call *call = calls_of((struct calls_call *)self);
    return PyFloat_FromDouble(prf_pieces_moment(call->start + call->duration));
}

static PyObject *
calls_get_duration(PyObject *self, void *closure)
{
    (void)closure;
    const struct prf_piece_call *call = calls_of((struct calls_call *)self);
    return PyFloat_FromDouble(prf_pieces_seconds((double)call->duration));
}

static PyObject *
calls_get_own(PyObject *self, void *closure)
{
    (void)closure;
    const struct prf_piece_call *call = calls_of((struct calls_call *)self);
    return PyFloat_FromDouble(prf_pieces_seconds((double)call->own));
}

static PyObject *
calls_get_stack(PyObject *self, void *closure)
{
    (void)closure;
    struct calls_call *call = (struct calls_call *)self;
    const struct prf_view *s = &call->source->view;
    uint32_t node = calls_of(call)->node;
    PyObject *stack = PyTuple_New(s->nodes[node].depth);
    for (; stack != NULL && node != 0; node = s->nodes[node].parent) {
        PyTuple_SET_ITEM(stack, s->nodes[node].depth - 1,
                         Py_NewRef(calls_node_name(s, node)));
    }
    return stack;
}

static uint64_t
calls_ident(const struct calls_call *call)
{
    const struct prf_view *s = &call->source->view;
    uint32_t thread = calls_of(call)->thread;
    return thread < s->n_threads ? s->threads[thread] : 0;
}

static PyObject *
calls_get_thread(PyObject *self, void *closure)
{
    (void)closure;
    return PyLong_FromUnsignedLongLong(calls_ident((struct calls_call *)self));
}

static PyObject *
calls_get_metadata(PyObject *self, void *closure)
{
    (void)closure;
    struct calls_call *call = (struct calls_call *)self;
    if (call->source->metadata == NULL) {
        return PyDict_New();
    }
    PyObject *key = PyLong_FromSsize_t(call->index);
    if (key == NULL) {
        return NULL;
    }
    PyObject *found = PyDict_GetItemWithError(call->source->metadata, key);
    Py_DECREF(key);
    if (found == NULL) {
        return PyErr_Occurred() ? NULL : PyDict_New();
    }
    return PyDict_Copy(found);
}

static PyObject *
calls_repr(PyObject *self)
{
    struct calls_call *call = (struct calls_call *)self;
    char text[64];
    snprintf(text, sizeof text, "%.9f",
             prf_pieces_seconds((double)calls_of(call)->duration));
    return PyUnicode_FromFormat(
        "FunctionCall(name=%R, duration=%s, thread_id=%llu)",
        calls_node_name(&call->source->view, calls_of(call)->node), text,
        (unsigned long long)calls_ident(call));
}

/* Calls of two answers are the same when all but the metadata is. */
static PyObject *
calls_compare(PyObject *self, PyObject *other, int op)
{
    if (!Py_IS_TYPE(other, &calls_call_type) || (op != Py_EQ && op != Py_NE)) {
        Py_RETURN_NOTIMPLEMENTED;
    }
    const struct calls_call *a = (struct calls_call *)self,
                            *b = (struct calls_call *)other;
    const struct prf_piece_call *x = calls_of(a), *y = calls_of(b);
    bool same = x->start == y->start && x->duration == y->duration &&
                calls_ident(a) == calls_ident(b) &&
                PyUnicode_Compare(calls_node_name(&a->source->view, x->node),
                                  calls_node_name(&b->source->view, y->node)) == 0;
    return PyBool_FromLong(same == (op == Py_EQ));
}

static Py_hash_t
calls_hash(PyObject *self)
{
    const struct prf_piece_call *call = calls_of((struct calls_call *)self);
    uint64_t mixed = (call->start ^ call->duration << 21) * 0x9E3779B97F4A7C15u;
    Py_hash_t hash = (Py_hash_t)(mixed >> 1);
    return hash == -1 ? -2 : hash;
}

static int
calls_call_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(((struct calls_call *)self)->source);
    return 0;
}

static void
calls_call_dealloc(PyObject *self)
{
    PyObject_GC_UnTrack(self);
    Py_DECREF(((struct calls_call *)self)->source);
    Py_TYPE(self)->tp_free(self);
}

static PyGetSetDef calls_getset[] = {
    {"name", calls_get_name, NULL, "Name of the function or block.", NULL},
    {"start_time", calls_get_start, NULL,
     "When it began: seconds as time.perf_counter() counts them.", NULL},
    {"end_time", calls_get_end, NULL,
     "When it returned, raised or was closed: seconds as time.perf_counter() counts "
     "them.",
     NULL},
    {"duration", calls_get_duration, NULL,
     "Seconds from its start to its end, waiting included.", NULL},
    {"own_time", calls_get_own, NULL,
     "Seconds of these in which it was what its thread ran: not what it called, and "
     "not while it was suspended.",
     NULL},
    {"call_stack", calls_get_stack, NULL,
     "Tuple of the names of the pieces it ran in, the outermost first; the last one is "
     "its own.",
     NULL},
    {"thread_id", calls_get_thread, NULL,
     "threading.get_ident() of the thread on which it ended.", NULL},
    {"metadata", calls_get_metadata, NULL,
     "What profile_block() was given beside the name, as a new dict; empty without.",
     NULL},
    {NULL},
};

static PyTypeObject calls_call_type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "_pyprofiler.FunctionCall",
    .tp_basicsize = sizeof(struct calls_call),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC |
                Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE,
    .tp_doc = PyDoc_STR("One call of a function, or one run through a block."),
    .tp_dealloc = calls_call_dealloc,
    .tp_traverse = calls_call_traverse,
    .tp_repr = calls_repr,
    .tp_richcompare = calls_compare,
    .tp_hash = calls_hash,
    .tp_getset = calls_getset,
};

static PyObject *
calls_call_new(struct calls_source *source, Py_ssize_t index)
{
    struct calls_call *call =
        (struct calls_call *)calls_call_type.tp_alloc(&calls_call_type, 0);
    if (call != NULL) {
        call->source = (struct calls_source *)Py_NewRef(source);
        call->index = index;
    }
    return (PyObject *)call;
}

/* ---- CallSequence ---- */

static PyObject *
calls_sequence_new(struct calls_source *source, Py_ssize_t start, Py_ssize_t step,
                   Py_ssize_t n)
{
    struct calls_sequence *sequence =
        (struct calls_sequence *)calls_sequence_type.tp_alloc(&calls_sequence_type, 0);
    if (sequence != NULL) {
        sequence->source = (struct calls_source *)Py_NewRef(source);
        sequence->start = start;
        sequence->step = step;
        sequence->n = n;
    }
    return (PyObject *)sequence;
}

static Py_ssize_t
calls_length(PyObject *self)
{
    return ((struct calls_sequence *)self)->n;
}

static PyObject *
calls_item(PyObject *self, Py_ssize_t index)
{
    const struct calls_sequence *sequence = (struct calls_sequence *)self;
    if (index < 0 || index >= sequence->n) {
        PyErr_SetString(PyExc_IndexError, "call index out of range");
        return NULL;
    }
    return calls_call_new(sequence->source, sequence->start + index * sequence->step);
}

static PyObject *
calls_slice(const struct calls_sequence *sequence, PyObject *slice)
{
    Py_ssize_t start, stop, step;
    if (PySlice_Unpack(slice, &start, &stop, &step) < 0) {
        return NULL;
    }
    Py_ssize_t n = PySlice_AdjustIndices(sequence->n, &start, &stop, step);
    /* Nothing of an empty slice is used, and its start can be anywhere. */
    return calls_sequence_new(sequence->source,
                              n > 0 ? sequence->start + start * sequence->step : 0,
                              n > 1 ? sequence->step * step : 1, n);
}

static PyObject *
calls_subscript(PyObject *self, PyObject *key)
{
    const struct calls_sequence *sequence = (struct calls_sequence *)self;
    if (PySlice_Check(key)) {
        return calls_slice(sequence, key);
    }
    if (!PyIndex_Check(key)) {
        return PyErr_Format(PyExc_TypeError,
                            "indices of calls must be integers or slices, not %.100s",
                            Py_TYPE(key)->tp_name);
    }
    Py_ssize_t index = PyNumber_AsSsize_t(key, PyExc_IndexError);
    if (index == -1 && PyErr_Occurred()) {
        return NULL;
    }
    return calls_item(self, index < 0 ? index + sequence->n : index);
}

/* As lists are compared; with anything that is a sequence of as many. */
static PyObject *
calls_sequence_compare(PyObject *self, PyObject *other, int op)
{
    bool sequence = Py_IS_TYPE(other, &calls_sequence_type) || PyList_Check(other);
    if (!sequence || (op != Py_EQ && op != Py_NE)) {
        Py_RETURN_NOTIMPLEMENTED;
    }
    Py_ssize_t n = calls_length(self);
    int same = PySequence_Size(other) == n;
    for (Py_ssize_t i = 0; same == 1 && i < n; i++) {
        PyObject *a = calls_item(self, i);
        PyObject *b = a == NULL ? NULL : PySequence_GetItem(other, i);
        same = b == NULL ? -1 : PyObject_RichCompareBool(a, b, Py_EQ);
        Py_XDECREF(a);
        Py_XDECREF(b);
    }
    return same < 0 ? NULL : PyBool_FromLong(same == (op == Py_EQ));
}

static PyObject *
calls_sequence_repr(PyObject *self)
{
    return PyUnicode_FromFormat("<%zd calls>", calls_length(self));
}

static PyObject *
calls_index(PyObject *self, PyObject *call)
{
    Py_ssize_t at = PySequence_Index(self, call);
    return at < 0 ? NULL : PyLong_FromSsize_t(at);
}

static PyObject *
calls_count(PyObject *self, PyObject *call)
{
    Py_ssize_t n = PySequence_Count(self, call);
    return n < 0 ? NULL : PyLong_FromSsize_t(n);
}

static int
calls_sequence_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(((struct calls_sequence *)self)->source);
    return 0;
}

static void
calls_sequence_dealloc(PyObject *self)
{
    PyObject_GC_UnTrack(self);
    Py_DECREF(((struct calls_sequence *)self)->source);
    Py_TYPE(self)->tp_free(self);
}

static PySequenceMethods calls_as_sequence = {
    .sq_length = calls_length,
    .sq_item = calls_item,
};

static PyMappingMethods calls_as_mapping = {
    .mp_length = calls_length,
    .mp_subscript = calls_subscript,
};

static PyMethodDef calls_methods[] = {
    {"index", calls_index, METH_O,
     PyDoc_STR("index($self, call, /)\n--\n\nWhere the call is. ValueError: nowhere.")},
    {"count", calls_count, METH_O,
     PyDoc_STR("count($self, call, /)\n--\n\nHow often the call is in it.")},
    {NULL},
};

static PyTypeObject calls_sequence_type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "_pyprofiler.CallSequence",
    .tp_basicsize = sizeof(struct calls_sequence),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_SEQUENCE |
                Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE,
    .tp_doc = PyDoc_STR(
        "Calls in the order in which they ended, as they were when asked for: a\n"
        "sequence that cannot be changed and makes each FunctionCall when it is used."),
    .tp_dealloc = calls_sequence_dealloc,
    .tp_traverse = calls_sequence_traverse,
    .tp_repr = calls_sequence_repr,
    .tp_richcompare = calls_sequence_compare,
    .tp_hash = PyObject_HashNotImplemented,
    .tp_as_sequence = &calls_as_sequence,
    .tp_as_mapping = &calls_as_mapping,
    .tp_methods = calls_methods,
};

PyObject *
prf_pieces_get_all_calls(PyObject *self, PyObject *const *args, Py_ssize_t n_args,
                         PyObject *kwnames)
{
    static const struct prf_signature signature = {"get_all_calls", {NULL}};
    PyObject *values[4];
    if (prf_arguments_bind(&signature,
                           (struct prf_call_arguments){args, n_args, kwnames},
                           values) < 0) {
        return NULL;
    }
    struct calls_source *source = calls_source_new(self);
    if (source == NULL) {
        return NULL;
    }
    PyObject *all = calls_sequence_new(source, 0, 1, (Py_ssize_t)source->view.n_calls);
    Py_DECREF(source);
    return all;
}

/* collections.abc.Sequence knows it: isinstance() of what takes any sequence. */
static int
calls_register(void)
{
    PyObject *abc = PyImport_ImportModule("_collections_abc");
    PyObject *sequence = abc == NULL ? NULL : PyObject_GetAttrString(abc, "Sequence");
    PyObject *done = sequence == NULL
                         ? NULL
                         : PyObject_CallMethod(sequence, "register", "O",
                                               (PyObject *)&calls_sequence_type);
    int rc = done == NULL ? -1 : 0;
    Py_XDECREF(done);
    Py_XDECREF(sequence);
    Py_XDECREF(abc);
    return rc;
}

int
prf_pieces_add_calls(PyObject *module)
{
    PyTypeObject *const types[] = {&calls_source_type, &calls_call_type,
                                   &calls_sequence_type};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        if (PyType_Ready(types[i]) < 0) {
            return -1;
        }
    }
    if (PyModule_AddObjectRef(module, "FunctionCall", (PyObject *)&calls_call_type) <
            0 ||
        PyModule_AddObjectRef(module, "CallSequence",
                              (PyObject *)&calls_sequence_type) < 0) {
        return -1;
    }
    return calls_register();
}
