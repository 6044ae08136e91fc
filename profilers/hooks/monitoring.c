/* A tool of sys.monitoring: see monitoring.h. */
#include "monitoring.h"

#if PRF_HAVE_MONITORING

#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <structmember.h>

#include "call_source.h"

#define MONITORING_PLACES 6

static PyMemberDef callback_members[] = {
    {"__vectorcalloffset__", T_PYSSIZET,
     offsetof(struct prf_monitoring_callback, vectorcall), READONLY, NULL},
    {NULL},
};

static PyType_Slot callback_slots[] = {
    {Py_tp_members, callback_members},
    {Py_tp_call, PyVectorcall_Call},
    {0, NULL},
};

static PyType_Spec callback_spec = {
    .name = "pyprofiler.callback",
    .basicsize = sizeof(struct prf_monitoring_callback),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_VECTORCALL |
             Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = callback_slots,
};

/* A call of which only success counts. */
static int
monitoring_do(PyObject *result)
{
    Py_XDECREF(result);
    return result ? 0 : -1;
}

/* sys.monitoring.events.NAME, or -1 with an exception. */
static long
monitoring_bit(const struct prf_monitoring *mon, const char *name)
{
    PyObject *names = PyObject_GetAttrString(mon->module, "events");
    PyObject *bit = names ? PyObject_GetAttrString(names, name) : NULL;
    long value = bit ? PyLong_AsLong(bit) : -1;
    Py_XDECREF(bit);
    Py_XDECREF(names);
    return value;
}

static int
monitoring_register(struct prf_monitoring *mon, long bit, PyObject *callback)
{
    return monitoring_do(PyObject_CallMethod(mon->module, "register_callback", "ilO",
                                             mon->tool_id, bit, callback));
}

static int
monitoring_add(struct prf_monitoring *mon, int i, void *user)
{
    const struct prf_monitoring_event *event = &mon->events[i];
    struct prf_monitoring_callback *callback =
        (struct prf_monitoring_callback *)PyType_GenericAlloc(mon->callback_type, 0);
    long bit = monitoring_bit(mon, event->name);
    mon->callbacks[i] = callback;
    if (callback == NULL || bit < 0) {
        return -1;
    }
    callback->vectorcall = event->function;
    callback->user = user;
    mon->local_mask |= event->scope & PRF_MONITORING_LOCAL ? bit : 0;
    return monitoring_register(mon, bit, (PyObject *)callback);
}

int
prf_monitoring_reset(struct prf_monitoring *mon)
{
    long global = 0;
    for (int i = 0; mon->events[i].name != NULL; i++) {
        long bit = monitoring_bit(mon, mon->events[i].name);
        if (bit < 0) {
            return -1;
        }
        global |= mon->events[i].scope & PRF_MONITORING_GLOBAL ? bit : 0;
    }
    return monitoring_do(
        PyObject_CallMethod(mon->module, "set_events", "il", mon->tool_id, global));
}

static int
monitoring_install(struct prf_monitoring *mon, void *user)
{
    for (int i = 0; mon->events[i].name != NULL; i++) {
        if (monitoring_add(mon, i, user) < 0) {
            return -1;
        }
    }
    if (prf_monitoring_reset(mon) < 0) {
        return -1;
    }
    /* What an earlier tool disabled in this place stays so in code that did not run
       between the two. */
    return monitoring_do(PyObject_CallMethod(mon->module, "restart_events", NULL));
}

static int
monitoring_open(struct prf_monitoring *mon, const char *name)
{
    PyObject *sys = PyImport_ImportModule("sys");
    mon->module = sys ? PyObject_GetAttrString(sys, "monitoring") : NULL;
    Py_XDECREF(sys);
    if (mon->module == NULL) {
        return -1;
    }
    mon->disable = PyObject_GetAttrString(mon->module, "DISABLE");
    mon->name = PyUnicode_FromFormat("pyprofiler.%s", name);
    mon->callback_type = (PyTypeObject *)PyType_FromSpec(&callback_spec);
    return mon->disable && mon->name && mon->callback_type ? 0 : -1;
}

/* Who holds a place; new reference, NULL with an exception. */
static PyObject *
monitoring_holder(const struct prf_monitoring *mon, int place)
{
    return PyObject_CallMethod(mon->module, "get_tool", "i", place);
}

/* All places are held: says by whom. */
static int
monitoring_refuse(const struct prf_monitoring *mon, struct prf_error *err)
{
    char holders[256] = "";
    for (int place = 0; place < MONITORING_PLACES; place++) {
        PyObject *holder = monitoring_holder(mon, place);
        const char *name =
            holder && PyUnicode_Check(holder) ? PyUnicode_AsUTF8(holder) : NULL;
        size_t n = strlen(holders);
        snprintf(holders + n, sizeof holders - n, "%s'%s'", n > 0 ? ", " : "",
                 name ? name : "?");
        PyErr_Clear();
        Py_XDECREF(holder);
    }
    return prf_fail(err, PRF_EUNAVAILABLE,
                    "all places in sys.monitoring are held, by %s; stop one of them",
                    holders);
}

/* 0 when a place is ours now; otherwise says who has them. */
static int
monitoring_claim(struct prf_monitoring *mon, struct prf_error *err)
{
    static const int order[MONITORING_PLACES] = {3, 4, 2, 5, 1, 0};
    for (int i = 0; i < MONITORING_PLACES; i++) {
        PyObject *holder = monitoring_holder(mon, order[i]);
        bool is_free = holder == Py_None;
        Py_XDECREF(holder);
        if (holder == NULL) {
            break;
        }
        if (!is_free) {
            continue;
        }
        if (monitoring_do(PyObject_CallMethod(mon->module, "use_tool_id", "iO",
                                              order[i], mon->name)) < 0) {
            break;
        }
        mon->tool_id = order[i];
        mon->claimed = true;
        return 0;
    }
    return PyErr_Occurred()
               ? prf_call_source_fail(err, "claiming a place in sys.monitoring")
               : monitoring_refuse(mon, err);
}

int
prf_monitoring_start(struct prf_monitoring *mon, const char *name,
                     const struct prf_monitoring_event *events, void *user,
                     struct prf_error *err)
{
    *mon = (struct prf_monitoring){.events = events};
    int rc = monitoring_open(mon, name) < 0
                 ? prf_call_source_fail(err, "using sys.monitoring")
                 : monitoring_claim(mon, err);
    if (rc == 0 && monitoring_install(mon, user) < 0) {
        rc = prf_call_source_fail(err, "installing the callbacks of sys.monitoring");
    }
    if (rc < 0) {
        prf_monitoring_stop(mon);
    }
    return rc;
}

int
prf_monitoring_watch(struct prf_monitoring *mon, PyCodeObject *code)
{
    return monitoring_do(PyObject_CallMethod(mon->module, "set_local_events", "iOl",
                                             mon->tool_id, code, mon->local_mask));
}

void
prf_monitoring_unwatch(struct prf_monitoring *mon, PyCodeObject *code)
{
    if (monitoring_do(PyObject_CallMethod(mon->module, "set_local_events", "iOi",
                                          mon->tool_id, code, 0)) < 0) {
        PyErr_Clear();
    }
}

bool
prf_monitoring_is_ours(const struct prf_monitoring *mon)
{
    PyObject *holder = monitoring_holder(mon, mon->tool_id);
    PyErr_Clear();
    Py_XDECREF(holder); /* the place keeps it, or it is not ours */
    return holder != NULL && holder == mon->name;
}

/* Give the place back. */
static void
monitoring_leave(struct prf_monitoring *mon)
{
    if (monitoring_do(PyObject_CallMethod(mon->module, "set_events", "ii", mon->tool_id,
                                          0)) < 0) {
        PyErr_Clear();
    }
    for (int i = 0; mon->events[i].name != NULL; i++) {
        if (mon->callbacks[i] != NULL &&
            monitoring_register(mon, monitoring_bit(mon, mon->events[i].name),
                                Py_None) < 0) {
            PyErr_Clear();
        }
    }
    if (monitoring_do(
            PyObject_CallMethod(mon->module, "free_tool_id", "i", mon->tool_id)) < 0) {
        PyErr_Clear();
    }
}

void
prf_monitoring_stop(struct prf_monitoring *mon)
{
    if (mon->claimed && prf_monitoring_is_ours(mon)) {
        monitoring_leave(mon);
    }
    mon->claimed = false;
    for (int i = 0; i < PRF_MONITORING_MAX; i++) {
        if (mon->callbacks[i] != NULL) {
            mon->callbacks[i]->user = NULL;
        }
        Py_CLEAR(mon->callbacks[i]);
    }
    Py_CLEAR(mon->callback_type);
    Py_CLEAR(mon->name);
    Py_CLEAR(mon->disable);
    Py_CLEAR(mon->module);
}

#endif
