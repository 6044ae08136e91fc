/* Texts for a terminal; see page.h. */
#include "page.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "label.h"
#include "units.h"

/* Whether the characters that pages draw with are in the encoding. */
static int
page_can_draw(PyObject *encoding)
{
    PyObject *drawn = PyUnicode_FromString("\u2500\u2588\u2026");
    const char *name = PyUnicode_AsUTF8(encoding);
    PyObject *bytes = drawn == NULL || name == NULL
                          ? NULL
                          : PyUnicode_AsEncodedString(drawn, name, "strict");
    int can = bytes != NULL;
    PyErr_Clear(); /* not in it, or there is no such encoding */
    Py_XDECREF(bytes);
    Py_XDECREF(drawn);
    return can;
}

int
prf_page_is_ascii(PyObject *value, PyObject *stream)
{
    if (value != NULL && value != Py_None) {
        if (!PyBool_Check(value)) {
            PyErr_Format(PyExc_TypeError, "ascii must be a bool or None, not %.100s",
                         Py_TYPE(value)->tp_name);
            return -1;
        }
        return value == Py_True;
    }
    if (stream == NULL) {
        stream = PySys_GetObject("stdout"); /* borrowed; None without a console */
    }
    PyObject *encoding =
        stream == NULL ? NULL : PyObject_GetAttrString(stream, "encoding");
    if (encoding == NULL) {
        PyErr_Clear();
        return 0;
    }
    int ascii = PyUnicode_Check(encoding) && !page_can_draw(encoding);
    Py_DECREF(encoding);
    return ascii;
}

static char *
page_name(PyObject *name, bool ascii)
{
    struct prf_strbuf sb = PRF_STRBUF_INIT;
    PyObject *bytes =
        PyUnicode_AsEncodedString(name, ascii ? "ascii" : "utf-8", "backslashreplace");
    if (bytes == NULL) {
        return NULL;
    }
    /* A NUL inside ends the text for C: it is shown as well. */
    const char *data = PyBytes_AS_STRING(bytes);
    size_t size = (size_t)PyBytes_GET_SIZE(bytes);
    for (size_t at = 0;; at++) {
        prf_visible_add(&sb, data + at, PRF_VISIBLE_LINE);
        at += strlen(data + at);
        if (at >= size) {
            break;
        }
        prf_strbuf_adds(&sb, "\\x00");
    }
    Py_DECREF(bytes);
    char *text = prf_strbuf_steal(&sb);
    if (text == NULL) {
        PyErr_NoMemory();
    }
    return text;
}

int
prf_page_open(struct prf_page *page, const struct prf_view *s, bool ascii)
{
    *page = (struct prf_page){.ascii = ascii,
                              .line = ascii ? "-" : "\u2500",
                              .block = ascii ? "#" : "\u2588",
                              .ellipsis = ascii ? ".." : "\u2026"};
    page->out = open_memstream(&page->text, &page->size);
    page->names = calloc(s->n_pieces + 1u, sizeof *page->names);
    if (page->out == NULL || page->names == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    for (uint32_t i = 0; i < s->n_pieces; i++) {
        page->names[i] = page_name(s->pieces[i].name, ascii);
        if (page->names[i] == NULL) {
            return -1;
        }
        page->n_names = i + 1;
    }
    return 0;
}

void
prf_page_put(struct prf_page *page, const char *text, size_t width)
{
    prf_strbuf_clear(&page->scratch);
    prf_shorten_add(&page->scratch, text, width, page->ellipsis);
    const char *shown = prf_strbuf_text(&page->scratch);
    fputs(shown, page->out);
    prf_page_repeat(page, " ", width - prf_text_width(shown));
}

void
prf_page_repeat(struct prf_page *page, const char *text, size_t n)
{
    while (n-- > 0) {
        fputs(text, page->out);
    }
}

void
prf_page_time(struct prf_page *page, double seconds)
{
    char text[PRF_UNIT_TEXT];
    fprintf(page->out, " %10s",
            prf_format_time(seconds * 1e9, NULL, text, sizeof text));
}

const char *
prf_page_calls(uint64_t n_calls, char *buf, size_t size)
{
    snprintf(buf, size, "%" PRIu64 " call%s", n_calls, n_calls == 1 ? "" : "s");
    return buf;
}

PyObject *
prf_page_close(struct prf_page *page)
{
    PyObject *text = NULL;
    bool failed = page->out == NULL || ferror(page->out) || page->scratch.failed;
    if (page->out != NULL) {
        failed |= fclose(page->out) != 0;
    }
    if (!failed && !PyErr_Occurred()) {
        text = PyUnicode_DecodeUTF8(page->text, (Py_ssize_t)page->size, "replace");
    } else if (!PyErr_Occurred()) {
        PyErr_NoMemory();
    }
    for (uint32_t i = 0; page->names != NULL && i < page->n_names; i++) {
        free(page->names[i]);
    }
    free(page->names);
    free(page->text);
    prf_strbuf_release(&page->scratch);
    *page = (struct prf_page){0};
    return text;
}
