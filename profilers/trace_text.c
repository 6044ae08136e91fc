/* Bounded texts of values and exceptions. */
#include "trace_text.h"

#include "compat.h"

#define TEXT_VALUE_MAX 200u /* bytes of one repr */

static void
text_add(struct prf_trace_buffer *b, const char *text, size_t n)
{
    size_t room = sizeof b->text - b->len;
    if (n > room) {
        n = room;
        while (n > 0 && ((unsigned char)text[n] & 0xc0) == 0x80) {
            n--; /* not in the middle of a character */
        }
    }
    memcpy(b->text + b->len, text, n);
    b->len += n;
}

/* UTF-8 of a str, lone surrogates escaped; *owner keeps it, and may be NULL. */
static const char *
text_utf8(PyObject *str, Py_ssize_t *n, PyObject **owner)
{
    const char *utf8 = PyUnicode_AsUTF8AndSize(str, n);
    *owner = NULL;
    if (utf8 == NULL) {
        PyErr_Clear();
        *owner = PyUnicode_AsEncodedString(str, "utf-8", "backslashreplace");
        utf8 = *owner ? PyBytes_AS_STRING(*owner) : NULL;
        *n = *owner ? PyBytes_GET_SIZE(*owner) : 0;
    }
    PyErr_Clear();
    return utf8;
}

void
prf_trace_buffer_str(struct prf_trace_buffer *b, PyObject *text)
{
    struct prf_exception saved;
    PyObject *owner = NULL;
    Py_ssize_t n = 0;
    prf_exception_save(&saved);
    const char *utf8 = PyUnicode_Check(text) ? text_utf8(text, &n, &owner) : NULL;
    text_add(b, utf8 ? utf8 : "?", utf8 ? (size_t)n : 1);
    Py_XDECREF(owner);
    prf_exception_restore(&saved);
}

/* As the inside of a JSON string, at most TEXT_VALUE_MAX bytes of it. */
static void
text_add_quoted(struct prf_trace_buffer *b, const char *text, size_t n)
{
    size_t cut = n > TEXT_VALUE_MAX ? TEXT_VALUE_MAX : n;
    while (cut < n && ((unsigned char)text[cut] & 0xc0) == 0x80) {
        cut--;
    }
    for (size_t i = 0; i < cut; i++) {
        unsigned char c = (unsigned char)text[i];
        char escape[8];
        if (c == '"' || c == '\\') {
            snprintf(escape, sizeof escape, "\\%c", c);
            text_add(b, escape, 2);
        } else if (c < 0x20) {
            snprintf(escape, sizeof escape, "\\u%04x", c);
            text_add(b, escape, 6);
        } else {
            b->text[b->len++] = (char)c;
        }
    }
    if (cut < n) {
        text_add(b, "\xe2\x80\xa6", 3);
    }
}

static void
text_add_str(struct prf_trace_buffer *b, PyObject *str)
{
    PyObject *owner;
    Py_ssize_t n;
    const char *utf8 = text_utf8(str, &n, &owner);
    text_add(b, "\"", 1);
    text_add_quoted(b, utf8 ? utf8 : "?", utf8 ? (size_t)n : 1);
    text_add(b, "\"", 1);
    Py_XDECREF(owner);
}

/* The repr of a value, or what is wrong with it. */
static void
text_add_repr(struct prf_trace_buffer *b, PyObject *repr, PyObject *value)
{
    PyObject *text = PyObject_CallMethod(repr, "repr", "(O)", value);
    if (text != NULL && !PyUnicode_Check(text)) {
        Py_CLEAR(text);
    }
    if (text == NULL) {
        PyErr_Clear();
        text = PyUnicode_FromFormat("<repr of '%s' failed>", Py_TYPE(value)->tp_name);
    }
    if (text != NULL) {
        text_add_str(b, text);
        Py_DECREF(text);
    } else {
        PyErr_Clear();
        text_add(b, "\"?\"", 3);
    }
}

/* Can one more "name": "value" stand there, all of it escaped, and the end? */
static bool
text_has_room(const struct prf_trace_buffer *b)
{
    return b->len + (2 * 6 * (TEXT_VALUE_MAX + 8)) < sizeof b->text;
}

PyObject *
prf_trace_repr_new(void)
{
    PyObject *module = PyImport_ImportModule("reprlib");
    PyObject *repr = module ? PyObject_CallMethod(module, "Repr", NULL) : NULL;
    PyObject *bound = repr ? PyLong_FromLong(TEXT_VALUE_MAX) : NULL;
    static const char *const names[] = {"maxstring", "maxother", "maxlong"};
    int rc = bound ? 0 : -1;
    for (size_t i = 0; rc == 0 && i < sizeof names / sizeof *names; i++) {
        rc = PyObject_SetAttrString(repr, names[i], bound);
    }
    if (rc < 0) {
        Py_CLEAR(repr);
    }
    Py_XDECREF(bound);
    Py_XDECREF(module);
    return repr;
}

void
prf_trace_buffer_values(struct prf_trace_buffer *b, PyObject *repr, PyObject *dict)
{
    PyThreadState *tstate = prf_thread_state();
    struct prf_exception saved;
    Py_ssize_t at = 0, n = 0;
    PyObject *name, *value; /* borrowed from the dict, which is ours alone */
    prf_exception_save(&saved);
    prf_unseen_enter(tstate);
    text_add(b, "{", 1);
    while (PyDict_Next(dict, &at, &name, &value)) {
        text_add(b, ", ", n++ ? 2 : 0);
        if (!text_has_room(b)) {
            text_add(b, "\"...\": \"...\"", 12);
            break;
        }
        text_add_str(b, name);
        text_add(b, ": ", 2);
        text_add_repr(b, repr, value);
    }
    text_add(b, "}", 1);
    prf_unseen_leave(tstate);
    prf_exception_restore(&saved);
}

void
prf_trace_buffer_result(struct prf_trace_buffer *b, PyObject *repr, PyObject *value)
{
    PyThreadState *tstate = prf_thread_state();
    struct prf_exception saved;
    prf_exception_save(&saved);
    prf_unseen_enter(tstate);
    text_add(b, "{\"return\": ", 11);
    text_add_repr(b, repr, value);
    text_add(b, "}", 1);
    prf_unseen_leave(tstate);
    prf_exception_restore(&saved);
}

/* Has nobody written a __str__ for it, and are the arguments plain values? */
static bool
text_exception_is_plain(PyObject *value)
{
    PyTypeObject *type = Py_TYPE(value);
    while (type->tp_flags & Py_TPFLAGS_HEAPTYPE) {
        if (type->tp_base == NULL || type->tp_str != type->tp_base->tp_str) {
            return false;
        }
        type = type->tp_base;
    }
    PyObject *args = ((PyBaseExceptionObject *)value)->args;
    for (Py_ssize_t i = 0; args != NULL && i < PyTuple_GET_SIZE(args); i++) {
        PyObject *arg = PyTuple_GET_ITEM(args, i);
        if (!PyUnicode_CheckExact(arg) && !PyLong_CheckExact(arg) && arg != Py_None &&
            !PyBytes_CheckExact(arg) && !PyFloat_CheckExact(arg)) {
            return false;
        }
    }
    return true;
}

void
prf_trace_buffer_exception(struct prf_trace_buffer *b, PyObject *type, PyObject *value)
{
    struct prf_exception saved;
    prf_exception_save(&saved);
    const char *name = PyExceptionClass_Check(type) ? PyExceptionClass_Name(type) : "?";
    text_add(b, name, strlen(name));
    PyObject *text = NULL;
    if (value != NULL && PyUnicode_CheckExact(value)) {
        text = Py_NewRef(value);
    } else if (value != NULL && PyExceptionInstance_Check(value) &&
               text_exception_is_plain(value)) {
        text = PyObject_Str(value);
    }
    if (text != NULL && PyUnicode_GET_LENGTH(text) > 0) {
        text_add(b, ": ", 2);
        prf_trace_buffer_str(b, text);
    }
    Py_XDECREF(text);
    PyErr_Clear();
    prf_exception_restore(&saved);
}
