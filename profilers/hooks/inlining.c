/* Forbidding what enters frames unseen: see inlining.h. */
#define Py_BUILD_CORE_MODULE 1
#include "inlining.h"

#if PRF_HAVE_INLINED_GETITEM || PRF_HAVE_INLINED_INIT

/* `visit` on all classes from `type` down, on some more than once. */
static void
inlining_walk(PyTypeObject *type, void (*visit)(PyTypeObject *type))
{
    visit(type);
    PyObject *list =
        PyObject_CallMethod((PyObject *)&PyType_Type, "__subclasses__", "O", type);
    for (Py_ssize_t i = 0; list != NULL && i < PyList_GET_SIZE(list); i++) {
        inlining_walk((PyTypeObject *)PyList_GET_ITEM(list, i), visit);
    }
    PyErr_Clear();
    Py_XDECREF(list);
}

#endif

#if PRF_HAVE_INLINED_GETITEM

#define INLINING_FIRST_VERSION 0x70000000u /* no function has it by itself */

PyObject *prf_inlining_getitem;

void
prf_inlining_forbid_getitem(PyFunctionObject *function)
{
    static uint32_t next_version = INLINING_FIRST_VERSION; /* protected by the GIL */
    if (function->func_version < INLINING_FIRST_VERSION) {
        function->func_version = next_version++;
    }
}

static void
inlining_forbid_class(PyTypeObject *type)
{
    PyObject *getitem =
        type->tp_dict ? PyDict_GetItem(type->tp_dict, prf_inlining_getitem) : NULL;
    if (getitem != NULL && PyFunction_Check(getitem)) {
        prf_inlining_forbid_getitem((PyFunctionObject *)getitem);
    }
}

int
prf_inlining_forbid(struct prf_error *err)
{
    if (prf_inlining_getitem == NULL &&
        (prf_inlining_getitem = PyUnicode_InternFromString("__getitem__")) == NULL) {
        PyErr_Clear();
        return prf_fail(err, PRF_ENOMEM, "no memory for frame evaluation");
    }
    inlining_walk(&PyBaseObject_Type, inlining_forbid_class);
    return 0;
}

void
prf_inlining_allow(void)
{
    /* Such a function only takes the general way. */
}

#elif PRF_HAVE_INLINED_INIT

/* A class that is being made. It exists before its metaclass's tp_new returns. */
struct prf_inlining_class {
    struct prf_inlining_class *next, *previous;
    PyObject *bases; /* borrowed from the arguments; NULL: not a tuple */
    bool found;
};

/* Protected by the GIL. */
struct prf_inlining_class *prf_inlining_making;
static newfunc inlining_type_new; /* what PyType_Type.tp_new is without us, for good */
static unsigned inlining_forbidden; /* how often */

static PyObject *
inlining_alloc(PyTypeObject *type, Py_ssize_t n_items)
{
    return PyType_GenericAlloc(type, n_items);
}

/* Can calling the class be specialised? */
static bool
inlining_is_open(const PyTypeObject *type)
{
    return type->tp_alloc == PyType_GenericAlloc &&
           (type->tp_flags & Py_TPFLAGS_HEAPTYPE) != 0 &&
           (type->tp_flags & Py_TPFLAGS_INLINE_VALUES) != 0;
}

static void
inlining_close(PyTypeObject *type)
{
    if (!inlining_is_open(type)) {
        return;
    }
    PyHeapTypeObject *heap = (PyHeapTypeObject *)type;
    type->tp_alloc = inlining_alloc;
    if (heap->_spec_cache.init != NULL) {
        PyType_Modified(type); /* undoes what is specialised: it compares versions */
        heap->_spec_cache.init = NULL;
    }
}

static void
inlining_close_below(PyTypeObject *base, bool *found)
{
    PyObject *list =
        PyObject_CallMethod((PyObject *)&PyType_Type, "__subclasses__", "O", base);
    for (Py_ssize_t i = 0; list != NULL && i < PyList_GET_SIZE(list); i++) {
        PyTypeObject *type = (PyTypeObject *)PyList_GET_ITEM(list, i);
        if (inlining_is_open(type)) {
            inlining_close(type);
            *found = true;
        }
    }
    PyErr_Clear();
    Py_XDECREF(list);
}

void
prf_inlining_forbid_making(void)
{
    struct prf_exception saved;
    prf_exception_save(&saved);
    for (struct prf_inlining_class *c = prf_inlining_making; c != NULL; c = c->next) {
        if (c->found || c->bases == NULL) {
            continue;
        }
        if (PyTuple_GET_SIZE(c->bases) == 0) {
            inlining_close_below(&PyBaseObject_Type, &c->found);
        }
        for (Py_ssize_t i = 0; !c->found && i < PyTuple_GET_SIZE(c->bases); i++) {
            PyObject *base = PyTuple_GET_ITEM(c->bases, i);
            if (PyType_Check(base)) {
                inlining_close_below((PyTypeObject *)base, &c->found);
            }
        }
    }
    prf_exception_restore(&saved);
}

/* In place of type.__new__, for all metaclasses. Stays behind in those that are made
   while we run, so it works without us too. */
static PyObject *
inlining_new(PyTypeObject *metatype, PyObject *args, PyObject *kwargs)
{
    if (!inlining_forbidden) {
        return inlining_type_new(metatype, args, kwargs);
    }
    struct prf_inlining_class making = {.next = prf_inlining_making};
    if (PyTuple_GET_SIZE(args) > 1 && PyTuple_Check(PyTuple_GET_ITEM(args, 1))) {
        making.bases = PyTuple_GET_ITEM(args, 1);
    }
    if (making.next != NULL) {
        making.next->previous = &making;
    }
    prf_inlining_making = &making;
    PyObject *type = inlining_type_new(metatype, args, kwargs);
    *(making.previous ? &making.previous->next : &prf_inlining_making) = making.next;
    if (making.next != NULL) {
        making.next->previous = making.previous;
    }
    if (type != NULL && inlining_forbidden && PyType_Check(type)) {
        inlining_close((PyTypeObject *)type);
    }
    return type;
}

static void
inlining_forbid_class(PyTypeObject *type)
{
    inlining_close(type);
    if (type->tp_new == inlining_type_new) {
        type->tp_new = inlining_new;
    }
}

static void
inlining_allow_class(PyTypeObject *type)
{
    if (type->tp_alloc == inlining_alloc) {
        type->tp_alloc = PyType_GenericAlloc;
    }
    if (type->tp_new == inlining_new) {
        type->tp_new = inlining_type_new;
    }
}

int
prf_inlining_forbid(struct prf_error *Py_UNUSED(err))
{
    if (inlining_type_new == NULL) {
        inlining_type_new = PyType_Type.tp_new;
    }
    inlining_forbidden++;
    inlining_walk(&PyBaseObject_Type, inlining_forbid_class);
    return 0;
}

void
prf_inlining_allow(void)
{
    if (inlining_forbidden > 0 && --inlining_forbidden == 0) {
        inlining_walk(&PyBaseObject_Type, inlining_allow_class);
    }
}

#else

int
prf_inlining_forbid(struct prf_error *Py_UNUSED(err))
{
    return 0;
}

void
prf_inlining_allow(void)
{
}

#endif
