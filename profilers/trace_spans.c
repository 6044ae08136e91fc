/* What is no call but shows on a thread's timeline: garbage collections and the steps
   of asyncio tasks. */
#include "tracer.h"

#include "clock.h"
#include "compat.h"

/* ---- garbage collection ---- */

static void
spans_gc_name(char *name, size_t size, bool end, PyObject *info)
{
    PyObject *number = /* borrowed from info */
        PyDict_Check(info)
            ? PyDict_GetItemString(info, end ? "collected" : "generation")
            : NULL;
    long value = number && PyLong_Check(number) ? PyLong_AsLong(number) : -1;
    snprintf(name, size, "%s %ld", end ? "collected" : "generation", value);
}

static PyObject *
spans_gc(PyObject *Py_UNUSED(self), PyObject *const *args, Py_ssize_t n_args)
{
    struct tracer *st = prf_tracer_active();
    struct tracer_thread *t =
        st && st->running && n_args == 2
            ? (struct tracer_thread *)prf_call_thread_current(&st->events)
            : NULL;
    if (t == NULL) {
        Py_RETURN_NONE;
    }
    bool end = PyUnicode_Check(args[0]) &&
               PyUnicode_CompareWithASCIIString(args[0], "stop") == 0;
    char name[48];
    spans_gc_name(name, sizeof name, end, args[1]);
    if (prf_tracer_room(st, t, sizeof name + PRF_TRACE_EVENT_MAX)) {
        struct prf_trace_text text = {name, strlen(name)};
        prf_trace_span(&t->stream, (unsigned)PRF_SPAN_GC << 1 | end, text, prf_now());
    }
    Py_RETURN_NONE;
}

static PyMethodDef spans_gc_def = {
    "pyprofiler_gc", (PyCFunction)(void (*)(void))spans_gc, METH_FASTCALL, NULL};

/* gc.callbacks; new reference, NULL with an exception. */
static PyObject *
spans_gc_list(void)
{
    PyObject *gc = PyImport_ImportModule("gc");
    PyObject *list = gc ? PyObject_GetAttrString(gc, "callbacks") : NULL;
    Py_XDECREF(gc);
    return list;
}

int
prf_tracer_gc_start(struct tracer *st, struct prf_error *err)
{
    static bool hidden;
    if (!hidden) { /* a case may call what it finds in the list */
        prf_codes_hide(&spans_gc_def);
        hidden = true;
    }
    PyObject *list = spans_gc_list();
    st->gc_callback = list ? PyCFunction_New(&spans_gc_def, NULL) : NULL;
    if (st->gc_callback == NULL || !PyList_Check(list) ||
        PyList_Append(list, st->gc_callback) < 0) {
        PyErr_Clear();
        Py_CLEAR(st->gc_callback);
        Py_XDECREF(list);
        return prf_fail(err, PRF_EPYTHON, "cannot add to gc.callbacks");
    }
    Py_DECREF(list);
    return 0;
}

void
prf_tracer_gc_stop(struct tracer *st)
{
    PyObject *list = st->gc_callback ? spans_gc_list() : NULL;
    for (Py_ssize_t i = 0;
         list != NULL && PyList_Check(list) && i < PyList_GET_SIZE(list); i++) {
        if (PyList_GET_ITEM(list, i) == st->gc_callback) {
            PyList_SetSlice(list, i, i + 1, NULL);
            break;
        }
    }
    PyErr_Clear();
    Py_XDECREF(list);
    Py_CLEAR(st->gc_callback);
}

/* ---- tasks ---- */

/* The task that runs on this thread's event loop; new reference, or NULL, perhaps with
   an exception. `module` is _asyncio. */
static PyObject *
spans_current_task(PyObject *module)
{
    PyObject *dict = PyModule_GetDict(module); /* borrowed */
    PyObject *current = PyDict_GetItemString(dict, "current_task");
    if (current != NULL) {
        return PyObject_CallNoArgs(current);
    }
    PyObject *get_loop = PyDict_GetItemString(dict, "_get_running_loop");
    PyObject *tasks = PyDict_GetItemString(dict, "_current_tasks");
    PyObject *loop = get_loop && tasks ? PyObject_CallNoArgs(get_loop) : NULL;
    PyObject *task =
        loop && PyDict_Check(tasks) ? PyDict_GetItemWithError(tasks, loop) : NULL;
    Py_XINCREF(task);
    Py_XDECREF(loop);
    return task;
}

PyObject *
prf_tracer_task(void)
{
    PyThreadState *tstate = prf_thread_state();
    struct prf_exception saved;
    PyObject *name = NULL;
    prf_exception_save(&saved);
    prf_unseen_enter(tstate);
    PyObject *modules = PyImport_GetModuleDict(); /* borrowed from the interpreter */
    PyObject *module = PyDict_GetItemString(modules, "_asyncio");
    PyObject *task =
        module && PyModule_Check(module) ? spans_current_task(module) : NULL;
    if (task != NULL && task != Py_None) {
        name = PyObject_CallMethod(task, "get_name", NULL);
    }
    Py_XDECREF(task);
    PyErr_Clear();
    prf_unseen_leave(tstate);
    prf_exception_restore(&saved);
    return name;
}
