/* Threads of the call events, and which mechanism feeds them. */
#include "call_source.h"

#include <string.h>

static PyType_Slot call_thread_slots[] = {{0, NULL}};

int
prf_call_source_fail(struct prf_error *err, const char *doing)
{
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    PyObject *text = value ? PyObject_Str(value) : NULL;
    const char *why = text ? PyUnicode_AsUTF8(text) : NULL;
    int rc = prf_fail(err, PRF_EPYTHON, "%s: %s", doing, why ? why : "unknown error");
    PyErr_Clear();
    Py_XDECREF(text);
    Py_XDECREF(type);
    Py_XDECREF(value);
    Py_XDECREF(traceback);
    return rc;
}

int
prf_call_events_open(struct prf_call_events *events, const struct prf_call_ops *ops,
                     void *user, unsigned flags, struct prf_error *err)
{
    *events = (struct prf_call_events){.ops = ops, .user = user, .flags = flags};
    PyType_Spec spec = {
        .name = "pyprofiler.call_thread",
        .basicsize = (int)ops->thread_size,
        .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
        .slots = call_thread_slots,
    };
    events->thread_type = PyType_FromSpec(&spec);
    if (events->thread_type == NULL) {
        return prf_call_source_fail(err, "making the type of threads");
    }
    return 0;
}

static struct prf_call_thread *
call_thread_new(struct prf_call_events *events, PyThreadState *tstate)
{
    PyTypeObject *type = (PyTypeObject *)events->thread_type;
    struct prf_exception saved;
    prf_exception_save(&saved);
    struct prf_call_thread *thread =
        (struct prf_call_thread *)PyType_GenericAlloc(type, 0);
    prf_exception_restore(&saved);
    if (thread == NULL) {
        return NULL;
    }
    thread->events = events;
    thread->id = tstate->id;
    thread->native_id = tstate->native_thread_id;
    thread->user = events->user;
    thread->next = events->threads;
    events->threads = thread;
    events->ops->thread_start(thread);
    return thread;
}

struct prf_call_thread *
prf_call_thread_find(struct prf_call_events *events, PyThreadState *tstate)
{
    uint64_t id = tstate->id;
    for (struct prf_call_thread **p = &events->threads; *p != NULL; p = &(*p)->next) {
        struct prf_call_thread *thread = *p;
        if (thread->id == id) {
            *p = thread->next; /* to the front: ended threads sink */
            thread->next = events->threads;
            events->threads = thread;
            return events->current = thread;
        }
    }
    struct prf_call_thread *thread = call_thread_new(events, tstate);
    events->current = thread;
    return thread;
}

struct prf_call_thread *
prf_call_thread_current(struct prf_call_events *events)
{
    return prf_call_thread_get(events, prf_thread_state());
}

/* How many of the local variables are arguments. */
static int
call_n_arguments(const PyCodeObject *code)
{
    return code->co_argcount + code->co_kwonlyargcount +
           ((code->co_flags & CO_VARARGS) != 0) +
           ((code->co_flags & CO_VARKEYWORDS) != 0);
}

/* `*args` stands behind the keyword-only ones among the variables. */
static int
call_argument_place(const PyCodeObject *code, int i)
{
    int n = code->co_argcount;
    if ((code->co_flags & CO_VARARGS) == 0 || i < n) {
        return i;
    }
    return i == n ? n + code->co_kwonlyargcount
                  : i - (i <= n + code->co_kwonlyargcount);
}

PyObject *
prf_call_arguments(struct prf_call_thread *thread, PyCodeObject *code)
{
    struct prf_exception saved;
    prf_exception_save(&saved);
    PyObject *dict = NULL;
    PyObject *names = PyCode_GetVarnames(code);
    if (names != NULL && prf_call_source_starting(thread, code)) {
        dict = PyDict_New();
    }
    for (int i = 0; dict != NULL && i < call_n_arguments(code); i++) {
        int place = call_argument_place(code, i);
        PyObject *name = PyTuple_GET_ITEM(names, place);
        PyObject *value = prf_call_source_local(thread, code, name, place);
        if (value != NULL && PyDict_SetItem(dict, name, value) < 0) {
            Py_CLEAR(dict);
        }
        Py_XDECREF(value);
    }
    Py_XDECREF(names);
    prf_exception_restore(&saved);
    return dict;
}

static const struct prf_call_source *
call_source_choose(unsigned flags)
{
#if PRF_HAVE_MONITORING
    (void)flags;
    return &prf_call_monitoring;
#else
    return (flags & PRF_CALL_NO_C) ? &prf_call_frame_eval : &prf_call_setprofile;
#endif
}

/* Those between start and stop; protected by the GIL. */
static struct prf_call_events *call_running;

static int
call_check_place(const struct prf_call_events *events, struct prf_error *err)
{
    for (struct prf_call_events *e = call_running; e != NULL; e = e->next_running) {
        if (strcmp(e->ops->name, events->ops->name) == 0) {
            return prf_fail(err, PRF_EUNAVAILABLE,
                            "pyprofiler's '%s' runs already in this process; stop it "
                            "first",
                            e->ops->name);
        }
        if (!PRF_HAVE_MONITORING) {
            return prf_fail(err, PRF_EUNAVAILABLE,
                            "calls are held by pyprofiler's '%s': this Python can tell "
                            "them to one profiler at a time; stop it first",
                            e->ops->name);
        }
    }
    return 0;
}

int
prf_call_events_start(struct prf_call_events *events, struct prf_error *err)
{
    const struct prf_call_source *source = call_source_choose(events->flags);
    int rc = call_check_place(events, err);
    if (rc == 0) {
        rc = source->start(events, err);
    }
    if (rc == 0) {
        events->running = source;
        events->next_running = call_running;
        call_running = events;
    }
    return rc;
}

void
prf_call_events_stop(struct prf_call_events *events)
{
    struct prf_call_events **p = &call_running;
    if (events->running == NULL) {
        return;
    }
    while (*p != events) {
        p = &(*p)->next_running;
    }
    *p = events->next_running;
    events->running->stop(events);
    events->running = NULL;
}

void
prf_call_events_close(struct prf_call_events *events)
{
    prf_call_events_stop(events);
    while (events->threads != NULL) {
        struct prf_call_thread *thread = events->threads;
        events->threads = thread->next;
        thread->events = NULL;
        Py_DECREF(thread);
    }
    Py_CLEAR(events->thread_type);
    events->current = NULL;
}
