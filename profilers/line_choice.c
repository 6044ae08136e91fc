/* Patterns of functions: see line_choice.h. */
#include "line_choice.h"

#include <fnmatch.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codes.h"
#include "path.h"
#include "strbuf.h"
#include "suggest.h"

#define CHOICE_MAX_NAMES 4096u

int
prf_line_choice_init(struct prf_line_choice *choice, const struct prf_strlist *patterns,
                     const char *case_file, struct prf_error *err)
{
    *choice = (struct prf_line_choice){.patterns = patterns};
    choice->case_file = strdup(case_file ? case_file : "");
    choice->matched = calloc(patterns->n + 1, sizeof(bool));
    if (choice->case_file == NULL || choice->matched == NULL) {
        return prf_fail(err, PRF_ENOMEM, "no memory for the choice of functions");
    }
    return 0;
}

void
prf_line_choice_release(struct prf_line_choice *choice)
{
    free(choice->case_file);
    free(choice->matched);
    prf_strlist_release(&choice->names);
    *choice = (struct prf_line_choice){0};
}

/* Borrowed; "" for what has no UTF-8. */
static const char *
choice_text(PyObject *text)
{
    const char *utf8 = text && PyUnicode_Check(text) ? PyUnicode_AsUTF8(text) : NULL;
    if (utf8 == NULL) {
        PyErr_Clear();
    }
    return utf8 ? utf8 : "";
}

static size_t
choice_folder_length(const char *file)
{
    const char *slash = strrchr(file, '/');
    return slash ? (size_t)(slash - file) + 1 : 0;
}

int
prf_line_choice_begin(struct prf_line_choice *choice, struct prf_error *err)
{
    PyFrameObject *frame = choice->case_file[0] == '\0'
                               ? PyThreadState_GetFrame(PyThreadState_Get())
                               : NULL;
    char *caller = NULL;
    while (frame != NULL) {
        PyCodeObject *code = PyFrame_GetCode(frame);
        const char *file = choice_text(code->co_filename);
        if (caller == NULL) {
            caller = strdup(file);
        }
        size_t n = caller ? choice_folder_length(caller) : 0;
        bool found = caller == NULL || n == 0 || strncmp(file, caller, n) != 0;
        if (found) {
            free(choice->case_file);
            choice->case_file = strdup(file);
        }
        Py_DECREF(code);
        PyFrameObject *back = found ? NULL : PyFrame_GetBack(frame);
        Py_DECREF(frame);
        frame = back;
    }
    free(caller);
    return choice->case_file ? 0 : prf_fail(err, PRF_ENOMEM, "out of memory");
}

/* The same file under another name: through a link or a relative path. */
static bool
choice_same_file(const char *a, const char *b)
{
    const char *base_a = prf_path_basename(a), *base_b = prf_path_basename(b);
    char real_a[PATH_MAX], real_b[PATH_MAX];
    return strcmp(a, b) == 0 ||
           (strcmp(base_a, base_b) == 0 && realpath(a, real_a) != NULL &&
            realpath(b, real_b) != NULL && strcmp(real_a, real_b) == 0);
}

bool
prf_line_choice_in_case(const struct prf_line_choice *choice, const PyCodeObject *code)
{
    return choice_same_file(choice_text(code->co_filename), choice->case_file);
}

/* "path/file.py" (any end of the whole path, or a glob), or a glob for the module. */
static bool
choice_place_matches(const char *place, const char *file, const char *module)
{
    size_t n = strlen(place);
    bool is_path =
        strchr(place, '/') != NULL || (n > 3 && strcmp(place + n - 3, ".py") == 0);
    if (!is_path) {
        return fnmatch(place, module, 0) == 0;
    }
    if (fnmatch(place, file, 0) == 0) {
        return true;
    }
    place += strncmp(place, "./", 2) == 0 ? 2 : 0;
    for (const char *p = file; (p = strchr(p, '/')) != NULL;) {
        if (fnmatch(place, ++p, 0) == 0) {
            return true;
        }
    }
    return false;
}

static bool
choice_matches(const struct prf_line_choice *choice, const char *pattern,
               const PyCodeObject *code, const char *module)
{
    const char *colon = strrchr(pattern, ':');
    const char *qualname = choice_text(code->co_qualname);
    if (colon == NULL) {
        return fnmatch(pattern, qualname, 0) == 0 &&
               prf_line_choice_in_case(choice, code);
    }
    char *place = strndup(pattern, (size_t)(colon - pattern));
    bool matches = place != NULL && fnmatch(colon + 1, qualname, 0) == 0 &&
                   choice_place_matches(place, choice_text(code->co_filename), module);
    free(place);
    return matches;
}

/* No memory for a name is one suggestion less. */
static void
choice_remember(struct prf_line_choice *choice, const PyCodeObject *code,
                const char *module)
{
    struct prf_strbuf name = PRF_STRBUF_INIT;
    const char *qualname = choice_text(code->co_qualname);
    if (choice->names.n >= CHOICE_MAX_NAMES) {
        return;
    }
    if (prf_line_choice_in_case(choice, code)) {
        prf_strlist_add(&choice->names, qualname);
    }
    prf_strbuf_addf(&name, "%s:%s", module, qualname);
    prf_strlist_add(&choice->names, prf_strbuf_text(&name));
    prf_strbuf_release(&name);
}

bool
prf_line_choice_takes(struct prf_line_choice *choice, const PyCodeObject *code,
                      PyObject *globals)
{
    bool takes = false;
    bool is_body = (code->co_flags & CO_OPTIMIZED) == 0; /* of a module or a class */
    if (prf_codes_is_hidden_python(code) ||
        (is_body && !(choice->takes_module &&
                      strcmp(choice_text(code->co_name), "<module>") == 0))) {
        return false;
    }
    if (choice->patterns->n == 0) {
        return prf_line_choice_in_case(choice, code);
    }
    PyObject *name = globals && PyDict_Check(globals)
                         ? PyDict_GetItemString(globals, "__name__")
                         : NULL; /* borrowed from globals */
    const char *module = choice_text(name);
    for (size_t i = 0; i < choice->patterns->n; i++) {
        if (choice_matches(choice, choice->patterns->items[i], code, module)) {
            choice->matched[i] = takes = true;
        }
    }
    choice_remember(choice, code, module);
    return takes;
}

void
prf_line_choice_note(struct prf_line_choice *choice, struct prf_sink *sink)
{
    for (size_t i = 0; i < choice->patterns->n; i++) {
        if (choice->matched[i]) {
            continue;
        }
        struct prf_strbuf text = PRF_STRBUF_INIT;
        const char *pattern = choice->patterns->items[i];
        const char *near = prf_suggest(
            pattern, (const char *const *)choice->names.items, choice->names.n);
        prf_strbuf_addf(&text, "--functions '%s' matched no function that ran%s%s%s",
                        pattern, near ? ", did you mean '" : "", near ? near : "",
                        near ? "'?" : "");
        prf_sink_info(sink, PRF_INFO_NOTE, prf_strbuf_text(&text));
        prf_strbuf_release(&text);
    }
}
