/* Starting the user's interpreter in this process; see interp.h. */
#include <Python.h>

#include "interp.h"

#include <stdlib.h>
#include <string.h>

#include "pyerr.h"

static int
interp_fail_status(struct prf_error *err, PyStatus status)
{
    return prf_fail(err, PRF_EPYTHON, "cannot start Python: %s%s%s",
                    status.func ? status.func : "", status.func ? ": " : "",
                    status.err_msg ? status.err_msg : "unknown error");
}

static int
interp_init(const char *executable, const char *hash_seed, struct prf_error *err)
{
    PyConfig config;
    PyConfig_InitPythonConfig(&config);
    config.parse_argv = 0;
    if (hash_seed != NULL) {
        config.use_hash_seed = 1;
        config.hash_seed = strtoul(hash_seed, NULL, 10);
    }
    /* The executable's path alone is what makes a venv a venv. */
    PyStatus status =
        PyConfig_SetBytesString(&config, &config.program_name, executable);
    if (!PyStatus_Exception(status)) {
        status = Py_InitializeFromConfig(&config);
    }
    PyConfig_Clear(&config);
    return PyStatus_Exception(status) ? interp_fail_status(err, status) : 0;
}

/* Where the package really lies: in a wheel another folder stands on sys.path. */
static void
interp_set_own_folder(PyObject *package)
{
    PyObject *file = PyModule_GetFilenameObject(package);
    char *text = file == NULL ? NULL : prf_pyerr_text(file);
    char *slash = text == NULL ? NULL : strrchr(text, '/');
    if (slash != NULL) {
        *slash = '\0';
        prf_pyerr_set_own_folder(text);
    }
    PyErr_Clear();
    free(text);
    Py_XDECREF(file);
}

/* Import our package from its own folder, whatever else bears its name, and let child
   processes find it: last on sys.path, so that it hides nothing of the user's. */
static int
interp_add_package(const char *folder, struct prf_error *err)
{
    int rc = 0;
    PyObject *path = PySys_GetObject("path"); /* borrowed from sys */
    PyObject *entry = PyUnicode_DecodeFSDefault(folder);
    PyObject *package = NULL;
    if (path == NULL || entry == NULL || PyList_Insert(path, 0, entry) < 0) {
        rc = prf_fail_py(err, "cannot set sys.path");
        goto out;
    }
    package = PyImport_ImportModule("pyprofiler");
    if (package == NULL) {
        rc = prf_fail_py(err, "cannot import the package 'pyprofiler'");
        goto out;
    }
    if (PyList_SetSlice(path, 0, 1, NULL) < 0 || PyList_Append(path, entry) < 0) {
        rc = prf_fail_py(err, "cannot set sys.path");
        goto out;
    }
    interp_set_own_folder(package);
out:
    Py_XDECREF(entry);
    Py_XDECREF(package);
    return rc;
}

int
prf_interp_start(const json_t *init, struct prf_error *err)
{
    const char *executable = json_string_value(json_object_get(init, "executable"));
    const char *folder = json_string_value(json_object_get(init, "package_dir"));
    if (executable == NULL || folder == NULL) {
        return prf_fail(err, PRF_EPROTOCOL,
                        "init needs an executable and a package_dir");
    }
    const char *seed = json_string_value(json_object_get(init, "hash_seed"));
    int rc = Py_IsInitialized() ? 0 : interp_init(executable, seed, err);
    return rc < 0 ? rc : interp_add_package(folder, err);
}

void
prf_interp_flush(void)
{
    static const char *const names[] = {"stdout", "stderr"};
    for (size_t i = 0; i < 2; i++) {
        PyObject *stream = PySys_GetObject(names[i]); /* borrowed from sys */
        if (stream != NULL && stream != Py_None) {
            Py_XDECREF(PyObject_CallMethod(stream, "flush", NULL));
            PyErr_Clear();
        }
    }
}

static json_t *
interp_sys_text(const char *name)
{
    char *text = prf_pyerr_text(PySys_GetObject(name));
    json_t *j = text == NULL ? json_null() : json_string(text);
    free(text);
    return j;
}

json_t *
prf_interp_describe(void)
{
    char version[32];
    strncpy(version, Py_GetVersion(), sizeof version - 1);
    version[sizeof version - 1] = '\0';
    version[strcspn(version, " +")] = '\0';
    return json_pack("{ss ss ss so so ss}", "type", "ready", "version", version,
                     "implementation", "CPython", "executable",
                     interp_sys_text("executable"), "prefix", interp_sys_text("prefix"),
                     "flags", "");
}
