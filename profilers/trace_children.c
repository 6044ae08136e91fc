/* The environment of child processes that are to trace. */
#include "trace_children.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

#define CHILDREN_MODULE "PyInit__pyprofiler" /* what a plain Python loads */

/* ---- the text ---- */

/* This shared object, if Python can load it as the module _pyprofiler. */
static const char *
children_plugin(void)
{
    Dl_info info;
    if (dladdr((const void *)children_plugin, &info) == 0 || info.dli_fname == NULL ||
        info.dli_fname[0] != '/') {
        return NULL;
    }
    void *self = dlopen(info.dli_fname, RTLD_LAZY | RTLD_NOLOAD);
    bool loadable = self != NULL && dlsym(self, CHILDREN_MODULE) != NULL;
    if (self != NULL) {
        dlclose(self);
    }
    return loadable ? info.dli_fname : NULL;
}

static void
children_put_list(FILE *out, const char *name, const struct prf_strlist *list)
{
    for (size_t i = 0; i < list->n; i++) {
        fprintf(out, "option=%s=%s\n", name, list->items[i]);
    }
}

static void
children_put_option(FILE *out, const struct prf_option *o, const void *field)
{
    switch (o->type) {
    case PRF_OPT_FLAG:
        fprintf(out, "option=%s=%s\n", o->name,
                *(const bool *)field ? "true" : "false");
        break;
    case PRF_OPT_INT:
        fprintf(out, "option=%s=%lld\n", o->name, (long long)*(const int64_t *)field);
        break;
    case PRF_OPT_UINT:
        fprintf(out, "option=%s=%llu\n", o->name,
                (unsigned long long)*(const uint64_t *)field);
        break;
    case PRF_OPT_DURATION:
        fprintf(out, "option=%s=%lldns\n", o->name, (long long)*(const int64_t *)field);
        break;
    case PRF_OPT_LIST:
        children_put_list(out, o->name, field);
        break;
    default: /* what becomes of the result is not the child's affair */
        break;
    }
}

/* The value of the variable, the caller's; NULL: no memory. */
static char *
children_text(struct prf_sink *sink, const char *plugin,
              const struct prf_option *options, const void *state)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (out == NULL) {
        return NULL;
    }
    fprintf(out, "plugin=%s\npython=%lx\nrecording=%s\nns_per_tick=%.17g\n", plugin,
            Py_Version, sink->ops->base(sink), sink->ns_per_tick);
    for (const struct prf_option *o = options; o->type != PRF_OPT_END; o++) {
        if ((o->flags & PRF_OPT_HIDDEN) == 0) {
            children_put_option(out, o, (const char *)state + o->offset);
        }
    }
    if (fclose(out) != 0) {
        free(text);
        return NULL;
    }
    return text;
}

/* ---- the environment ---- */

/* The folder with our sitecustomize; new reference, NULL perhaps with an exception. */
static PyObject *
children_folder(void)
{
    PyObject *util = PyImport_ImportModule("importlib.util");
    PyObject *spec =
        util ? PyObject_CallMethod(util, "find_spec", "s", "pyprofiler") : NULL;
    PyObject *places =
        spec ? PyObject_GetAttrString(spec, "submodule_search_locations") : NULL;
    PyObject *place = places ? PySequence_GetItem(places, 0) : NULL;
    PyObject *folder = place ? PyUnicode_FromFormat("%S/_tracing", place) : NULL;
    Py_XDECREF(place);
    Py_XDECREF(places);
    Py_XDECREF(spec);
    Py_XDECREF(util);
    return folder;
}

static PyObject *
children_environ(void)
{
    PyObject *os = PyImport_ImportModule("os");
    PyObject *environ_map = os ? PyObject_GetAttrString(os, "environ") : NULL;
    Py_XDECREF(os);
    return environ_map;
}

/* The value of a variable; new reference, NULL without an exception: it has none. */
static PyObject *
children_get(PyObject *environ_map, const char *name)
{
    PyObject *value = PyMapping_GetItemString(environ_map, name);
    if (value == NULL) {
        PyErr_Clear();
    }
    return value;
}

void
prf_trace_children_start(struct prf_trace_children *c, struct prf_sink *sink,
                         const struct prf_option *options, const void *state)
{
    const char *plugin = sink->ops->base != NULL ? children_plugin() : NULL;
    char *text = plugin ? children_text(sink, plugin, options, state) : NULL;
    PyObject *folder = NULL;
    PyObject *map = text ? children_environ() : NULL;
    if (map == NULL) {
        goto out;
    }
    c->old_trace = children_get(map, PRF_TRACE_VARIABLE);
    if (c->old_trace != NULL) { /* we are a child: ours will be as we are */
        Py_CLEAR(c->old_trace);
        goto out;
    }
    folder = children_folder();
    if (folder == NULL) {
        goto out;
    }
    c->old_path = children_get(map, "PYTHONPATH");
    c->trace = PyUnicode_DecodeFSDefault(text);
    c->path = c->old_path != NULL && PyUnicode_Check(c->old_path)
                  ? PyUnicode_FromFormat("%U:%U", folder, c->old_path)
                  : Py_NewRef(folder);
    if (c->trace == NULL || c->path == NULL ||
        PyMapping_SetItemString(map, PRF_TRACE_VARIABLE, c->trace) < 0 ||
        PyMapping_SetItemString(map, "PYTHONPATH", c->path) < 0) {
        PyErr_Clear();
        prf_trace_children_stop(c);
    }
out:
    PyErr_Clear();
    Py_XDECREF(map);
    Py_XDECREF(folder);
    free(text);
}

static void
children_restore(PyObject *map, const char *name, PyObject *ours, PyObject *before)
{
    PyObject *now = children_get(map, name);
    if (now != NULL && ours != NULL &&
        PyObject_RichCompareBool(now, ours, Py_EQ) == 1) {
        int rc = before ? PyMapping_SetItemString(map, name, before)
                        : PyMapping_DelItemString(map, name);
        if (rc < 0) {
            PyErr_Clear();
        }
    }
    Py_XDECREF(now);
}

void
prf_trace_children_stop(struct prf_trace_children *c)
{
    PyObject *map = c->trace || c->path ? children_environ() : NULL;
    if (map != NULL) {
        children_restore(map, PRF_TRACE_VARIABLE, c->trace, c->old_trace);
        children_restore(map, "PYTHONPATH", c->path, c->old_path);
        Py_DECREF(map);
    }
    PyErr_Clear();
    Py_CLEAR(c->trace);
    Py_CLEAR(c->path);
    Py_CLEAR(c->old_trace);
    Py_CLEAR(c->old_path);
}
