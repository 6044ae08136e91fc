/* Importing a case file as `python file.py` would find its neighbours, and listing its
   cases; see discover.h. What a case is, the package decides (pyprofiler._discover). */
#include "discover.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "adapter.h"
#include "interp.h"
#include "pyerr.h"
#include "threads.h"

struct target {
    const char *path;   /* NULL: a module */
    const char *module; /* dotted name; for a path inside a package: found, owned */
    char *root;         /* what goes first on sys.path */
    char *name;         /* module's name */
};

static void
target_release(struct target *t)
{
    free(t->root);
    free(t->name);
}

static bool
discover_is_package(const char *folder)
{
    char init[4096];
    int n = snprintf(init, sizeof init, "%s/__init__.py", folder);
    return n > 0 && (size_t)n < sizeof init && access(init, F_OK) == 0;
}

/* /a/pkg/sub/case.py with pkg and sub being packages: root /a, name pkg.sub.case. */
static int
target_from_path(struct target *t, const char *path)
{
    t->root = strdup(path);
    char *slash = t->root == NULL ? NULL : strrchr(t->root, '/');
    if (slash == NULL) {
        return -1;
    }
    t->name = strdup(slash + 1);
    if (t->name == NULL) {
        return -1;
    }
    size_t n = strlen(t->name);
    if (n > 3 && strcmp(t->name + n - 3, ".py") == 0) {
        t->name[n - 3] = '\0';
    }
    *slash = '\0';
    while (discover_is_package(t->root) && (slash = strrchr(t->root, '/')) != NULL) {
        char *longer = NULL;
        if (asprintf(&longer, "%s.%s", slash + 1, t->name) < 0) {
            return -1;
        }
        free(t->name);
        t->name = longer;
        *slash = '\0';
    }
    if (t->root[0] == '\0') {
        memcpy(t->root, "/", 2); /* the slash that was cut off left room for it */
    }
    return 0;
}

static int
discover_set_path(const char *first, const char *argv0)
{
    PyObject *path = PySys_GetObject("path"); /* borrowed from sys */
    PyObject *entry = PyUnicode_DecodeFSDefault(first);
    PyObject *argv = Py_BuildValue("[N]", PyUnicode_DecodeFSDefault(argv0));
    int rc = -1;
    if (path != NULL && entry != NULL && argv != NULL &&
        PyList_Insert(path, 0, entry) == 0 && PySys_SetObject("argv", argv) == 0) {
        rc = 0;
    }
    Py_XDECREF(entry);
    Py_XDECREF(argv);
    return rc;
}

/* A file that is no module of a package: under its own name, unless that name is taken
   by a module that others rely on (a case file called json.py). */
static PyObject *
discover_import_file(const char *path, const char *name)
{
    PyObject *util = PyImport_ImportModule("importlib.util");
    PyObject *modules = PyImport_GetModuleDict(); /* borrowed from the interpreter */
    PyObject *module = NULL, *spec = NULL, *loader = NULL, *done = NULL, *key = NULL;
    char taken[512];
    if (PyDict_GetItemString(modules, name) != NULL) {
        snprintf(taken, sizeof taken, "case_%s", name);
        name = taken;
    }
    PyObject *file = PyUnicode_DecodeFSDefault(path);
    if (util == NULL || file == NULL) {
        goto out;
    }
    key = PyUnicode_FromString(name);
    spec = PyObject_CallMethod(util, "spec_from_file_location", "OO", key, file);
    if (spec == Py_None) {
        PyErr_Format(PyExc_ImportError, "'%U' is not a Python file", file);
    }
    if (spec == NULL || spec == Py_None) {
        goto out;
    }
    module = PyObject_CallMethod(util, "module_from_spec", "O", spec);
    loader = PyObject_GetAttrString(spec, "loader");
    if (module == NULL || loader == NULL || PyDict_SetItem(modules, key, module) < 0) {
        goto out;
    }
    done = PyObject_CallMethod(loader, "exec_module", "O", module);
out:
    if (done == NULL) {
        Py_CLEAR(module);
    }
    Py_XDECREF(util);
    Py_XDECREF(file);
    Py_XDECREF(key);
    Py_XDECREF(spec);
    Py_XDECREF(loader);
    Py_XDECREF(done);
    return module;
}

static PyObject *
discover_import(const json_t *request, struct target *t)
{
    t->path = json_string_value(json_object_get(request, "path"));
    t->module = json_string_value(json_object_get(request, "module"));
    if (t->path == NULL) {
        char *cwd = getcwd(NULL, 0);
        int rc = discover_set_path(cwd == NULL ? "" : cwd, t->module);
        free(cwd);
        return rc < 0 ? NULL : PyImport_ImportModule(t->module);
    }
    if (target_from_path(t, t->path) < 0) {
        return PyErr_NoMemory();
    }
    if (discover_set_path(t->root, t->path) < 0) {
        return NULL;
    }
    return strchr(t->name, '.') != NULL ? PyImport_ImportModule(t->name)
                                        : discover_import_file(t->path, t->name);
}

static int
discover_import_plugins(const json_t *names)
{
    size_t i;
    json_t *name;
    json_array_foreach(names, i, name)
    {
        PyObject *module = PyImport_ImportModule(json_string_value(name));
        if (module == NULL) {
            return -1;
        }
        Py_DECREF(module);
    }
    return 0;
}

/* ---- Python values to JSON ---- */

static json_t *discover_json(PyObject *value);

static json_t *
discover_json_list(PyObject *value)
{
    json_t *list = json_array();
    PyObject *fast = PySequence_Fast(value, "a list");
    for (Py_ssize_t i = 0; fast != NULL && i < PySequence_Fast_GET_SIZE(fast); i++) {
        json_array_append_new(list, discover_json(PySequence_Fast_GET_ITEM(fast, i)));
    }
    Py_XDECREF(fast);
    return list;
}

static json_t *
discover_json_dict(PyObject *value)
{
    json_t *object = json_object();
    PyObject *key, *item;
    Py_ssize_t at = 0;
    while (PyDict_Next(value, &at, &key, &item)) {
        char *name = prf_pyerr_text(key);
        if (name != NULL) {
            json_object_set_new(object, name, discover_json(item));
        }
        free(name);
    }
    return object;
}

static json_t *
discover_json(PyObject *value)
{
    if (value == NULL || value == Py_None) {
        return json_null();
    }
    if (PyBool_Check(value)) {
        return json_boolean(value == Py_True);
    }
    if (PyLong_Check(value)) {
        return json_integer(PyLong_AsLongLong(value));
    }
    if (PyFloat_Check(value)) {
        return json_real(PyFloat_AS_DOUBLE(value));
    }
    if (PyList_Check(value) || PyTuple_Check(value)) {
        return discover_json_list(value);
    }
    if (PyDict_Check(value)) {
        return discover_json_dict(value);
    }
    char *text = prf_pyerr_text(value);
    json_t *j = text == NULL ? json_null() : json_string(text);
    free(text);
    return j;
}

/* ---- cases ---- */

static char *
discover_text(PyObject *dict, const char *key)
{
    PyObject *value = PyDict_GetItemString(dict, key); /* borrowed from dict */
    return value == NULL || value == Py_None ? NULL : prf_pyerr_text(value);
}

static char *
discover_case_id(const char *node, const struct prf_case *c, const char *params)
{
    char *id = NULL;
    const char *open = params == NULL ? "" : "[", *shut = params == NULL ? "" : "]";
    if (asprintf(&id, "%s::%s::%s%s%s%s", node, c->class_name, c->method_name, open,
                 params == NULL ? "" : params, shut) < 0) {
        return NULL;
    }
    return id;
}

/* Fills `c` from the package's dict and returns the protocol's CASE. */
static json_t *
discover_case(PyObject *dict, const char *node, struct prf_case *c)
{
    static const char *const copied[] = {"line",   "hash",   "doc",   "skip",
                                         "accept", "reject", "budget"};
    char *params = discover_text(dict, "params_id");
    c->class_name = discover_text(dict, "class");
    c->method_name = discover_text(dict, "method");
    c->file = discover_text(dict, "file");
    c->type = Py_XNewRef(PyDict_GetItemString(dict, "type"));
    c->kwargs = Py_XNewRef(PyDict_GetItemString(dict, "kwargs"));
    c->is_async = PyDict_GetItemString(dict, "is_async") == Py_True;
    json_t *j = NULL;
    if (c->class_name == NULL || c->method_name == NULL || c->file == NULL ||
        (c->id = discover_case_id(node, c, params)) == NULL) {
        goto out;
    }
    j = json_pack("{ss ss ss ss? ss sb}", "id", c->id, "class", c->class_name, "method",
                  c->method_name, "params", params, "file", c->file, "async",
                  c->is_async);
    for (size_t i = 0; i < sizeof copied / sizeof *copied; i++) {
        json_object_set_new(j, copied[i],
                            discover_json(PyDict_GetItemString(dict, copied[i])));
    }
out:
    free(params);
    return j;
}

static int
discover_list(PyObject *module, const struct target *t, const char *node,
              struct prf_discovery *out, json_t *cases)
{
    int rc = -1;
    PyObject *finder = PyImport_ImportModule("pyprofiler._discover");
    PyObject *list = NULL;
    if (finder != NULL) {
        list = PyObject_CallMethod(finder, "cases", "Os", module,
                                   t->path == NULL ? "" : t->path);
    }
    if (list == NULL || !PyList_Check(list)) {
        goto out;
    }
    size_t n = (size_t)PyList_GET_SIZE(list);
    out->cases = calloc(n + 1, sizeof *out->cases);
    if (out->cases == NULL) {
        PyErr_NoMemory();
        goto out;
    }
    for (size_t i = 0; i < n; i++) {
        struct prf_case *c = &out->cases[out->n++];
        json_t *j = discover_case(PyList_GET_ITEM(list, (Py_ssize_t)i), node, c);
        if (j == NULL) {
            PyErr_NoMemory();
            goto out;
        }
        json_array_append_new(cases, j);
    }
    rc = 0;
out:
    Py_XDECREF(finder);
    Py_XDECREF(list);
    return rc;
}

const struct prf_case *
prf_discovery_find(const struct prf_discovery *d, const char *id)
{
    for (size_t i = 0; i < d->n; i++) {
        if (strcmp(d->cases[i].id, id) == 0) {
            return &d->cases[i];
        }
    }
    return NULL;
}

void
prf_discovery_release(struct prf_discovery *d)
{
    for (size_t i = 0; i < d->n; i++) {
        struct prf_case *c = &d->cases[i];
        free(c->id);
        free(c->file);
        free(c->class_name);
        free(c->method_name);
        Py_XDECREF(c->type);
        Py_XDECREF(c->kwargs);
    }
    free(d->cases);
    *d = (struct prf_discovery){0};
}

/* ---- answers ---- */

/* Modules that came from somewhere else than they should: see the message `import`. */
static json_t *
discover_warnings(const json_t *request)
{
    const char *root = json_string_value(json_object_get(request, "foreign_root"));
    const char *own = json_string_value(json_object_get(request, "own_root"));
    PyObject *finder =
        root == NULL ? NULL : PyImport_ImportModule("pyprofiler._discover");
    PyObject *list = finder == NULL ? NULL
                                    : PyObject_CallMethod(finder, "foreign", "ss", root,
                                                          own == NULL ? "" : own);
    json_t *warnings = list == NULL ? json_array() : discover_json_list(list);
    PyErr_Clear(); /* a warning less is no reason to fail */
    Py_XDECREF(finder);
    Py_XDECREF(list);
    return warnings;
}

/* Line of the case file where the exception came through (the last such frame). */
static long
discover_error_line(PyObject *exc, const char *path)
{
    long line = 0;
    PyObject *tb = PyException_GetTraceback(exc);
    /* None when all of its frames were ours */
    bool whole = tb != NULL && PyTraceBack_Check(tb);
    PyTracebackObject *first = whole ? (PyTracebackObject *)tb : NULL;
    for (PyTracebackObject *t = first; t != NULL; t = t->tb_next) {
        PyCodeObject *code = PyFrame_GetCode(t->tb_frame);
        const char *file = PyUnicode_AsUTF8(code->co_filename);
        if (file != NULL && path != NULL && strcmp(file, path) == 0) {
            line = PyFrame_GetLineNumber(t->tb_frame);
        }
        Py_DECREF(code);
    }
    PyErr_Clear();
    Py_XDECREF(tb);
    return line;
}

static json_t *
discover_failed(const char *path)
{
    PyObject *exc = prf_pyerr_take();
    char *reason = prf_pyerr_reason(exc), *traceback = prf_pyerr_traceback(exc);
    char *file = path == NULL ? NULL : strdup(path);
    long line = discover_error_line(exc, path);
    if (PyErr_GivenExceptionMatches(exc, PyExc_SyntaxError)) {
        PyObject *where = PyObject_GetAttrString(exc, "filename");
        PyObject *at = PyObject_GetAttrString(exc, "lineno");
        if (where != NULL && where != Py_None) {
            free(file);
            file = prf_pyerr_text(where);
        }
        if (at != NULL && PyLong_Check(at)) {
            line = PyLong_AsLong(at);
        }
        PyErr_Clear();
        Py_XDECREF(where);
        Py_XDECREF(at);
    }
    json_t *j = json_pack("{ss ss? ss? ss?}", "type", "import-failed", "reason", reason,
                          "traceback", traceback, "file", file);
    json_object_set_new(j, "line", line > 0 ? json_integer(line) : json_null());
    free(reason);
    free(traceback);
    free(file);
    Py_XDECREF(exc);
    return j;
}

json_t *
prf_discover(const json_t *request, struct prf_discovery *out)
{
    struct target t = {0};
    json_t *answer = NULL, *cases = json_array();
    const char *node = json_string_value(json_object_get(request, "node"));
    PyObject *module = NULL;
    if (discover_import_plugins(json_object_get(request, "plugins")) == 0) {
        module = discover_import(request, &t);
    }
    if (module == NULL ||
        discover_list(module, &t, node == NULL ? "" : node, out, cases) < 0) {
        answer = discover_failed(t.path);
        goto out;
    }
    PyObject *file = PyObject_GetAttrString(module, "__file__");
    char *path = file == NULL ? NULL : prf_pyerr_text(file);
    PyErr_Clear();
    answer = json_pack(
        "{ss sO so si ss? ss so}", "type", "cases", "cases", cases, "backends",
        prf_adapter_describe(), "threads", prf_thread_count(), "file", path, "module",
        PyModule_GetName(module), "warnings", discover_warnings(request));
    free(path);
    Py_XDECREF(file);
out:
    prf_interp_flush(); /* or every forked child would print it again */
    json_decref(cases);
    target_release(&t);
    Py_XDECREF(module);
    PyErr_Clear();
    return answer;
}
