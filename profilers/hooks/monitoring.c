/* A tool of sys.monitoring: see monitoring.h. */
#include "monitoring.h"

#if PRF_HAVE_MONITORING

#include <stddef.h>
#include <string.h>
#include <structmember.h>

#include "call_source.h"

#define MONITORING_NAME "pyprofiler"

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
monitoring_install(struct prf_monitoring *mon, void *user)
{
    long global = 0;
    for (int i = 0; mon->events[i].name != NULL; i++) {
        struct prf_monitoring_callback *callback =
            (struct prf_monitoring_callback *)PyType_GenericAlloc(mon->callback_type,
                                                                  0);
        long bit = monitoring_bit(mon, mon->events[i].name);
        mon->callbacks[i] = callback;
        if (callback == NULL || bit < 0) {
            return -1;
        }
        callback->vectorcall = mon->events[i].function;
        callback->user = user;
        if (monitoring_register(mon, bit, (PyObject *)callback) < 0) {
            return -1;
        }
        global |= mon->events[i].scope & PRF_MONITORING_GLOBAL ? bit : 0;
        mon->local_mask |= mon->events[i].scope & PRF_MONITORING_LOCAL ? bit : 0;
    }
    if (monitoring_do(PyObject_CallMethod(mon->module, "set_events", "il", mon->tool_id,
                                          global)) < 0) {
        return -1;
    }
    /* What an earlier session disabled is looked at again. */
    return monitoring_do(PyObject_CallMethod(mon->module, "restart_events", NULL));
}

static int
monitoring_open(struct prf_monitoring *mon)
{
    PyObject *sys = PyImport_ImportModule("sys");
    mon->module = sys ? PyObject_GetAttrString(sys, "monitoring") : NULL;
    Py_XDECREF(sys);
    if (mon->module == NULL) {
        return -1;
    }
    mon->disable = PyObject_GetAttrString(mon->module, "DISABLE");
    mon->callback_type = (PyTypeObject *)PyType_FromSpec(&callback_spec);
    PyObject *id = PyObject_GetAttrString(mon->module, "PROFILER_ID");
    mon->tool_id = id ? (int)PyLong_AsLong(id) : -1;
    Py_XDECREF(id);
    return mon->disable && mon->callback_type && mon->tool_id >= 0 ? 0 : -1;
}

/* 0 when the tool id is ours now; otherwise says who has it. */
static int
monitoring_claim(struct prf_monitoring *mon, struct prf_error *err)
{
    PyObject *holder = PyObject_CallMethod(mon->module, "get_tool", "i", mon->tool_id);
    int rc = 0;
    if (holder != NULL && holder != Py_None) {
        const char *name = PyUnicode_Check(holder) ? PyUnicode_AsUTF8(holder) : NULL;
        rc = prf_fail(err, PRF_EUNAVAILABLE,
                      "the profiler's place in sys.monitoring is held by '%s'; stop it",
                      name ? name : "?");
    } else if (holder == NULL ||
               monitoring_do(PyObject_CallMethod(mon->module, "use_tool_id", "is",
                                                 mon->tool_id, MONITORING_NAME)) < 0) {
        rc = prf_call_source_fail(err, "claiming a tool id of sys.monitoring");
    } else {
        mon->claimed = true;
    }
    PyErr_Clear();
    Py_XDECREF(holder);
    return rc;
}

int
prf_monitoring_start(struct prf_monitoring *mon,
                     const struct prf_monitoring_event *events, void *user,
                     struct prf_error *err)
{
    *mon = (struct prf_monitoring){.events = events};
    int rc = monitoring_open(mon) < 0
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
    PyObject *holder = PyObject_CallMethod(mon->module, "get_tool", "i", mon->tool_id);
    bool ours = holder != NULL && PyUnicode_Check(holder) &&
                PyUnicode_CompareWithASCIIString(holder, MONITORING_NAME) == 0;
    PyErr_Clear();
    Py_XDECREF(holder);
    return ours;
}

static void
monitoring_uninstall(struct prf_monitoring *mon)
{
    if (monitoring_do(PyObject_CallMethod(mon->module, "set_events", "ii", mon->tool_id,
                                          0)) < 0) {
        PyErr_Clear();
    }
    for (int i = 0; mon->events[i].name != NULL; i++) {
        if (mon->callbacks[i] == NULL) {
            continue;
        }
        mon->callbacks[i]->user = NULL;
        if (monitoring_register(mon, monitoring_bit(mon, mon->events[i].name),
                                Py_None) < 0) {
            PyErr_Clear();
        }
        Py_CLEAR(mon->callbacks[i]);
    }
    if (monitoring_do(
            PyObject_CallMethod(mon->module, "free_tool_id", "i", mon->tool_id)) < 0) {
        PyErr_Clear();
    }
    mon->claimed = false;
}

void
prf_monitoring_stop(struct prf_monitoring *mon)
{
    if (mon->claimed) {
        monitoring_uninstall(mon);
    }
    Py_CLEAR(mon->callback_type);
    Py_CLEAR(mon->disable);
    Py_CLEAR(mon->module);
}

#endif
