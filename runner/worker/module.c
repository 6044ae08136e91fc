/* The plugin's two doors: the launcher's, for an embedded Python, and the extension
   module `_pyprofiler`, for the user's own interpreter. */
#include <Python.h>

#include <pyprofiler/version.h>

#include "compat.h"
#include "pieces.h"
#include "plugin.h"
#include "session.h"
#include "trace_child.h"
#include "zygote.h"

const struct prf_plugin prf_plugin_export __attribute__((visibility("default"))) = {
    .abi = PRF_PLUGIN_ABI,
    .python = PRF_PYTHON_COMPILED,
    .serve = prf_zygote_serve,
};

static PyObject *
module_serve(PyObject *module, PyObject *arg)
{
    (void)module;
    long fd = PyLong_AsLong(arg);
    if (fd == -1 && PyErr_Occurred()) {
        return NULL;
    }
    return PyLong_FromLong(prf_zygote_serve((int)fd, "python"));
}

static PyMethodDef module_methods[] = {
    {"serve", module_serve, METH_O,
     PyDoc_STR(
         "serve(fd)\n--\n\nServe the runner on its control socket; returns the exit "
         "code.")},
    {"trace_child", prf_trace_child, METH_O,
     PyDoc_STR(
         "trace_child(text)\n--\n\nTrace this process, a child of a traced case, from "
         "when the result is freed.")},
    {NULL},
};

static struct PyModuleDef module_def = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_pyprofiler",
    .m_doc = PyDoc_STR("The worker of pyprofiler inside this interpreter."),
    .m_size = 0,
    .m_methods = module_methods,
};

PyMODINIT_FUNC PyInit__pyprofiler(void); /* the name that import looks for */

PyMODINIT_FUNC
PyInit__pyprofiler(void)
{
    PyObject *module = PyModule_Create(&module_def);
    if (module != NULL && prf_session_add_type(module) < 0) {
        Py_CLEAR(module);
    }
    if (module != NULL && prf_pieces_add_profiler(module) < 0) {
        Py_CLEAR(module);
    }
    return module;
}
