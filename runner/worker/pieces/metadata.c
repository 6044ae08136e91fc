/* Metadata of calls as JSON; see metadata.h. */
#include "metadata.h"

#include <stdlib.h>
#include <string.h>

#include "strbuf.h"

static void
metadata_add_point(struct prf_strbuf *sb, Py_UCS4 point)
{
    if (point == '"' || point == '\\') {
        prf_strbuf_addc(sb, '\\');
        prf_strbuf_addc(sb, (char)point);
    } else if (point >= 0x20 && point < 0x7F) {
        prf_strbuf_addc(sb, (char)point);
    } else if (point <= 0xFFFF) {
        prf_strbuf_addf(sb, "\\u%04x", (unsigned)point);
    } else {
        unsigned rest = (unsigned)point - 0x10000u;
        prf_strbuf_addf(sb, "\\u%04x\\u%04x", 0xD800u | rest >> 10,
                        0xDC00u | (rest & 0x3FFu));
    }
}

char *
prf_metadata_quote(PyObject *text)
{
    struct prf_strbuf sb = PRF_STRBUF_INIT;
    prf_strbuf_addc(&sb, '"');
    for (Py_ssize_t i = 0; i < PyUnicode_GET_LENGTH(text); i++) {
        metadata_add_point(&sb, PyUnicode_READ_CHAR(text, i));
    }
    prf_strbuf_addc(&sb, '"');
    char *quoted = prf_strbuf_steal(&sb);
    if (quoted == NULL) {
        PyErr_NoMemory();
    }
    return quoted;
}

/* json.dumps(value, allow_nan=False, default=repr) with the built-in repr. */
static PyObject *
metadata_dump(PyObject *json, PyObject *value)
{
    PyObject *builtins = PyEval_GetBuiltins(); /* borrowed */
    PyObject *repr =
        builtins == NULL ? NULL : PyMapping_GetItemString(builtins, "repr");
    PyObject *dumps = PyObject_GetAttrString(json, "dumps");
    PyObject *args = PyTuple_Pack(1, value);
    PyObject *kwargs =
        repr == NULL ? NULL
                     : Py_BuildValue("{sOsO}", "allow_nan", Py_False, "default", repr);
    PyObject *text = dumps == NULL || args == NULL || kwargs == NULL
                         ? NULL
                         : PyObject_Call(dumps, args, kwargs);
    Py_XDECREF(kwargs);
    Py_XDECREF(args);
    Py_XDECREF(dumps);
    Py_XDECREF(repr);
    if (text != NULL && !PyUnicode_Check(text)) {
        Py_CLEAR(text);
    }
    return text;
}

/* What json refuses (NaN, a list that holds itself, keys of its own) as a text; what
   has no repr() by its type's name. An exception that is no Exception stays. */
static PyObject *
metadata_describe(PyObject *value)
{
    if (!PyErr_ExceptionMatches(PyExc_Exception)) {
        return NULL;
    }
    PyErr_Clear();
    PyObject *text = PyObject_Repr(value);
    if (text == NULL && PyErr_ExceptionMatches(PyExc_Exception)) {
        PyErr_Clear();
        text = PyUnicode_FromFormat("<%s>", Py_TYPE(value)->tp_name);
    }
    return text;
}

/* The JSON of one value, appended. -1: exception. */
static int
metadata_add_value(PyObject *json, PyObject *value, struct prf_strbuf *sb)
{
    PyObject *text = metadata_dump(json, value);
    bool dumped = text != NULL;
    if (!dumped && (text = metadata_describe(value)) == NULL) {
        return -1;
    }
    char *quoted = dumped ? NULL : prf_metadata_quote(text);
    const char *plain = dumped ? PyUnicode_AsUTF8(text) : quoted;
    if (plain != NULL) {
        prf_strbuf_adds(sb, plain);
    }
    free(quoted);
    Py_DECREF(text);
    return plain == NULL ? -1 : 0;
}

/* Each value by itself: one that json refuses does not hide the others. */
static char *
metadata_object(PyObject *json, PyObject *dict)
{
    struct prf_strbuf sb = PRF_STRBUF_INIT;
    PyObject *items = PyDict_Items(dict);
    int rc = items == NULL ? -1 : 0;
    prf_strbuf_addc(&sb, '{');
    for (Py_ssize_t i = 0; rc == 0 && i < PyList_GET_SIZE(items); i++) {
        PyObject *item = PyList_GET_ITEM(items, i);
        char *key = prf_metadata_quote(PyTuple_GET_ITEM(item, 0)); /* a keyword: str */
        if (key == NULL) {
            rc = -1;
            break;
        }
        prf_strbuf_addf(&sb, "%s%s: ", i > 0 ? ", " : "", key);
        free(key);
        rc = metadata_add_value(json, PyTuple_GET_ITEM(item, 1), &sb);
    }
    Py_XDECREF(items);
    prf_strbuf_addc(&sb, '}');
    char *text = rc == 0 ? prf_strbuf_steal(&sb) : NULL;
    if (rc == 0 && text == NULL) {
        PyErr_NoMemory();
    }
    prf_strbuf_release(&sb);
    return text;
}

static int
metadata_by_index(const void *a, const void *b)
{
    uint64_t x = ((const struct prf_metadata_item *)a)->index;
    uint64_t y = ((const struct prf_metadata_item *)b)->index;
    return x < y ? -1 : x > y;
}

int
prf_metadata_render(PyObject *dict, struct prf_metadata *metadata)
{
    *metadata = (struct prf_metadata){0};
    if (dict == NULL || PyDict_GET_SIZE(dict) == 0) {
        return 0;
    }
    PyObject *json = PyImport_ImportModule("json");
    size_t room = (size_t)PyDict_GET_SIZE(dict);
    metadata->items = calloc(room, sizeof *metadata->items);
    if (json != NULL && metadata->items == NULL) {
        PyErr_NoMemory();
    }
    int rc = json == NULL || metadata->items == NULL ? -1 : 0;
    PyObject *index, *value; /* borrowed from `dict`, a copy that nobody changes */
    Py_ssize_t at = 0;
    while (rc == 0 && PyDict_Next(dict, &at, &index, &value)) {
        struct prf_metadata_item *item = &metadata->items[metadata->n];
        item->index = PyLong_AsUnsignedLongLong(index);
        item->json = metadata_object(json, value);
        rc = item->json == NULL ? -1 : 0;
        metadata->n += item->json != NULL;
    }
    Py_XDECREF(json);
    qsort(metadata->items, metadata->n, sizeof *metadata->items, metadata_by_index);
    return rc;
}

void
prf_metadata_release(struct prf_metadata *metadata)
{
    for (size_t i = 0; i < metadata->n; i++) {
        free(metadata->items[i].json);
    }
    free(metadata->items);
    *metadata = (struct prf_metadata){0};
}

const char *
prf_metadata_at(const struct prf_metadata *metadata, uint64_t index)
{
    struct prf_metadata_item wanted = {.index = index};
    const struct prf_metadata_item *found =
        metadata->n == 0 ? NULL
                         : bsearch(&wanted, metadata->items, metadata->n, sizeof wanted,
                                   metadata_by_index);
    return found == NULL ? NULL : found->json;
}
