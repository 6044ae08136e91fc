/* Where Python's exceptions and our errors meet; see pyerr.h. */
#include "pyerr.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "compat.h"

static char own_folder[4096];

void
prf_pyerr_set_own_folder(const char *folder)
{
    strncpy(own_folder, folder, sizeof own_folder - 1);
}

PyObject *
prf_pyerr_take(void)
{
    return prf_exception_take();
}

char *
prf_pyerr_text(PyObject *object)
{
    char *text = NULL;
    PyObject *str = object == NULL ? NULL : PyObject_Str(object);
    PyObject *bytes = NULL;
    if (str != NULL) {
        bytes = PyUnicode_AsEncodedString(str, "utf-8", "backslashreplace");
    }
    if (bytes != NULL) {
        text = strndup(PyBytes_AS_STRING(bytes), (size_t)PyBytes_GET_SIZE(bytes));
    }
    PyErr_Clear();
    Py_XDECREF(str);
    Py_XDECREF(bytes);
    return text;
}

char *
prf_pyerr_reason(PyObject *exc)
{
    const char *type = Py_TYPE(exc)->tp_name;
    const char *dot = strrchr(type, '.');
    char *text = prf_pyerr_text(exc), *reason = NULL;
    const char *what = text == NULL ? "" : text;
    int line = (int)strcspn(what, "\n");
    if (asprintf(&reason, "%s%s%.*s", dot ? dot + 1 : type, line ? ": " : "", line,
                 what) < 0) {
        reason = NULL;
    }
    free(text);
    return reason;
}

int
prf_fail_py(struct prf_error *err, const char *what)
{
    PyObject *exc = prf_pyerr_take();
    char *reason = exc == NULL ? NULL : prf_pyerr_reason(exc);
    int rc =
        prf_fail(err, PRF_EPYTHON, "%s: %s", what, reason ? reason : "unknown error");
    free(reason);
    Py_XDECREF(exc);
    return rc;
}

/* Is this frame ours or the import system's, and not the user's? */
static bool
pyerr_is_own(PyTracebackObject *tb)
{
    bool own = false;
    PyCodeObject *code = PyFrame_GetCode(tb->tb_frame);
    const char *file = PyUnicode_AsUTF8(code->co_filename);
    if (file != NULL) {
        size_t n = strlen(own_folder);
        own = strncmp(file, "<frozen importlib", 17) == 0 ||
              (n > 0 && strncmp(file, own_folder, n) == 0 && file[n] == '/');
    }
    PyErr_Clear();
    Py_DECREF(code);
    return own;
}

/* Drops our own frames at the head of the exception's traceback. */
static void
pyerr_strip(PyObject *exc)
{
    PyObject *tb = PyException_GetTraceback(exc);
    /* None when there are no frames: a syntax error */
    bool whole = tb != NULL && PyTraceBack_Check(tb);
    PyTracebackObject *first = whole ? (PyTracebackObject *)tb : NULL;
    while (first != NULL && pyerr_is_own(first)) {
        first = first->tb_next;
    }
    if (whole && (PyObject *)first != tb) {
        PyException_SetTraceback(exc, first == NULL ? Py_None : (PyObject *)first);
        PyErr_Clear();
    }
    Py_XDECREF(tb);
}

/* A case that filled the memory it was allowed (RLIMIT_AS) is over: what is left to do
   may have more, where the hard limit allows. */
static void
pyerr_raise_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_AS, &limit);
    }
}

char *
prf_pyerr_traceback(PyObject *exc)
{
    char *text = NULL;
    PyObject *lines = NULL, *empty = NULL, *joined = NULL;
    pyerr_raise_limit();
    pyerr_strip(exc);
    PyObject *module = PyImport_ImportModule("traceback");
    if (module != NULL) {
        lines = PyObject_CallMethod(module, "format_exception", "O", exc);
        empty = PyUnicode_FromString("");
    }
    if (lines != NULL && empty != NULL) {
        joined = PyUnicode_Join(empty, lines);
    }
    if (joined != NULL) {
        text = prf_pyerr_text(joined);
    }
    PyErr_Clear();
    Py_XDECREF(module);
    Py_XDECREF(lines);
    Py_XDECREF(empty);
    Py_XDECREF(joined);
    return text == NULL ? prf_pyerr_reason(exc) : text;
}
