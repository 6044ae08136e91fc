/* Finding the lines of a function in its file: see line_sources.h. */
#include "line_sources.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "path.h"
#include "strbuf.h"

/* The text of a file, NULL when it cannot be read. The caller's. */
static char *
sources_read(const char *file)
{
    struct prf_error ignored = {0};
    char *text = NULL;
    size_t size = 0;
    return prf_file_read(file, &text, &size, &ignored) == 0 ? text : NULL;
}

int
prf_line_sources_init(struct prf_line_sources *sources, struct prf_sink *sink,
                      const char *case_file, struct prf_error *err)
{
    *sources = (struct prf_line_sources){.sink = sink};
    sources->cwd = getcwd(NULL, 0); /* NULL: relative names are not found */
    sources->case_file = strdup(case_file);
    if (sources->case_file == NULL) {
        return prf_fail(err, PRF_ENOMEM, "no memory for the source");
    }
    sources->case_text = case_file[0] ? sources_read(case_file) : NULL;
    return 0;
}

void
prf_line_sources_release(struct prf_line_sources *sources)
{
    free(sources->cwd);
    free(sources->case_file);
    free(sources->case_text);
    free(sources->last_file);
    free(sources->last_text);
    *sources = (struct prf_line_sources){0};
}

static const char *
sources_file(const PyCodeObject *code)
{
    const char *file = PyUnicode_AsUTF8(code->co_filename);
    if (file == NULL) {
        PyErr_Clear();
    }
    return file ? file : "";
}

bool
prf_line_sources_ready(const struct prf_line_sources *sources, const PyCodeObject *code)
{
    return sources->case_text != NULL &&
           strcmp(sources_file(code), sources->case_file) == 0;
}

/* Borrowed; NULL: there is none. */
static const char *
sources_text(struct prf_line_sources *sources, const PyCodeObject *code)
{
    const char *file = sources_file(code);
    if (prf_line_sources_ready(sources, code)) {
        return sources->case_text;
    }
    if (sources->last_file == NULL || strcmp(sources->last_file, file) != 0) {
        char *path = file[0] == '/' || sources->cwd == NULL
                         ? strdup(file)
                         : prf_path_join(sources->cwd, file);
        free(sources->last_text);
        free(sources->last_file);
        sources->last_text = path ? sources_read(path) : NULL;
        sources->last_file = strdup(file);
        free(path);
    }
    return sources->last_text;
}

/* The highest line of the function or of one inside it. */
static int
sources_last_line(PyCodeObject *code)
{
    int last = code->co_firstlineno;
    PyObject *ranges = PyObject_CallMethod((PyObject *)code, "co_lines", NULL);
    PyObject *range;
    while (ranges != NULL && (range = PyIter_Next(ranges)) != NULL) {
        PyObject *number = PyTuple_GET_ITEM(range, 2);
        int line = number == Py_None ? -1 : (int)PyLong_AsLong(number);
        last = line > last ? line : last;
        Py_DECREF(range);
    }
    PyErr_Clear();
    Py_XDECREF(ranges);
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(code->co_consts); i++) {
        PyObject *item = PyTuple_GET_ITEM(code->co_consts, i);
        int inner = PyCode_Check(item) ? sources_last_line((PyCodeObject *)item) : 0;
        last = inner > last ? inner : last;
    }
    return last;
}

static const char *
sources_next(const char *line)
{
    const char *end = strchr(line, '\n');
    return end ? end + 1 : line + strlen(line);
}

static bool
sources_blank(const char *line)
{
    size_t n = strspn(line, " \t\r\f");
    return line[n] == '\n' || line[n] == '\0';
}

/* The end of what is indented deeper than `indent` from here on. */
static const char *
sources_block_end(const char *line, size_t indent)
{
    const char *end = line;
    for (const char *p = line; *p != '\0'; p = sources_next(p)) {
        if (sources_blank(p)) {
            continue;
        }
        if (strspn(p, " \t") <= indent) {
            break;
        }
        end = sources_next(p);
    }
    return end;
}

void
prf_line_sources_add(struct prf_line_sources *sources, uint32_t id, PyCodeObject *code)
{
    const char *text = id ? sources_text(sources, code) : NULL;
    int first = code->co_firstlineno, last = sources_last_line(code);
    struct prf_strbuf sb = PRF_STRBUF_INIT;
    if (text == NULL || first < 1) {
        return;
    }
    for (int i = 1; i < first && *text != '\0'; i++) {
        text = sources_next(text);
    }
    const char *end = text;
    for (int i = first; i <= last && *end != '\0'; i++) {
        end = sources_next(end);
    }
    /* Comments and the last lines of a long expression have no instruction; a lambda or
       a comprehension ends where its code does. */
    bool has_block = PyUnicode_CompareWithASCIIString(code->co_name, "<lambda>") != 0 &&
                     PyUnicode_READ_CHAR(code->co_name, 0) != '<';
    if (has_block) {
        end = sources_block_end(end, strspn(text, " \t"));
    }
    prf_strbuf_addf(&sb, "%u %d\n%.*s", id, first, (int)(end - text), text);
    prf_sink_info(sources->sink, PRF_INFO_SOURCE, prf_strbuf_text(&sb));
    prf_strbuf_release(&sb);
}
