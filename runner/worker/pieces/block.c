/* profile_block(name, **metadata): a context manager for one use. */
#include "record.h"

struct block {
    PyObject_HEAD struct prf_profiler *profiler; /* strong */
    PyObject *name;                              /* strong, an exact str */
    PyObject *metadata;                          /* strong; NULL: none */
    uint64_t start;
    uint64_t own; /* see prf_block_set_own */
    uint32_t node;
    enum { BLOCK_NEW, BLOCK_UNSEEN, BLOCK_OPEN, BLOCK_LEFT } state;
};

static PyTypeObject block_type;

PyObject *
prf_block_new(struct prf_profiler *p, PyObject *name, PyObject *metadata)
{
    struct block *b = PyObject_GC_New(struct block, &block_type);
    if (b == NULL) {
        return NULL;
    }
    b->profiler = (struct prf_profiler *)Py_NewRef(p);
    b->name = Py_NewRef(name);
    b->metadata = Py_XNewRef(metadata);
    b->own = 0;
    b->state = BLOCK_NEW;
    PyObject_GC_Track(b);
    return (PyObject *)b;
}

bool
prf_block_is_left(PyObject *block)
{
    return ((struct block *)block)->state == BLOCK_LEFT;
}

void
prf_block_set_own(PyObject *block, uint64_t own)
{
    ((struct block *)block)->own = own;
}

uint64_t
prf_block_own(PyObject *block)
{
    return ((struct block *)block)->own;
}

static PyObject *
block_enter(PyObject *self, PyObject *unused)
{
    (void)unused;
    struct block *b = (struct block *)self;
    if (b->state != BLOCK_NEW) {
        PyErr_Format(PyExc_RuntimeError,
                     "block %R has been entered already: profile_block() makes a new "
                     "one for each use",
                     b->name);
        return NULL;
    }
    b->state = BLOCK_UNSEEN;
    if (b->profiler->enabled) {
        b->state = BLOCK_OPEN; /* the clock is read last */
        if (!prf_record_enter_block(b->profiler, b->name, self, &b->start, &b->node)) {
            b->state = BLOCK_UNSEEN;
        }
    }
    return Py_NewRef(self);
}

static PyObject *
block_exit(PyObject *self, PyObject *const *args, Py_ssize_t n_args)
{
    (void)args;
    (void)n_args;
    struct block *b = (struct block *)self;
    if (b->state == BLOCK_NEW) {
        PyErr_Format(PyExc_RuntimeError, "block %R is left but was not entered",
                     b->name);
        return NULL;
    }
    if (b->state == BLOCK_OPEN) {
        b->state = BLOCK_LEFT;
        prf_record_leave_block(b->profiler, self, b->start, b->node, b->metadata);
    }
    Py_RETURN_FALSE;
}

static int
block_traverse(PyObject *self, visitproc visit, void *arg)
{
    struct block *b = (struct block *)self;
    Py_VISIT(b->profiler);
    Py_VISIT(b->metadata);
    return 0;
}

static int
block_clear(PyObject *self)
{
    Py_CLEAR(((struct block *)self)->metadata);
    return 0;
}

static void
block_dealloc(PyObject *self)
{
    struct block *b = (struct block *)self;
    PyObject_GC_UnTrack(self);
    Py_CLEAR(b->metadata);
    Py_CLEAR(b->profiler);
    Py_CLEAR(b->name);
    PyObject_GC_Del(self);
}

static PyObject *
block_repr(PyObject *self)
{
    return PyUnicode_FromFormat("<profile_block %R>", ((struct block *)self)->name);
}

static PyMethodDef block_methods[] = {
    {"__enter__", block_enter, METH_NOARGS,
     PyDoc_STR(
         "__enter__($self, /)\n--\n\nThe time starts. Returns the block itself.")},
    {"__exit__", (PyCFunction)(void (*)(void))block_exit, METH_FASTCALL,
     PyDoc_STR(
         "__exit__($self, /, *exception)\n--\n\nThe time stops; an exception goes "
         "on.")},
    {NULL},
};

static PyTypeObject block_type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "_pyprofiler.ProfileBlock",
    .tp_doc = PyDoc_STR("What profile_block() returns: a context manager, used once."),
    .tp_basicsize = sizeof(struct block),
    .tp_flags =
        Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .tp_traverse = block_traverse,
    .tp_clear = block_clear,
    .tp_dealloc = block_dealloc,
    .tp_repr = block_repr,
    .tp_methods = block_methods,
};

int
prf_pieces_add_block(PyObject *module)
{
    return PyModule_AddType(module, &block_type);
}
