/* The code registry. Nothing here is on the path of a call that was seen before. */
#include "codes.h"

#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "compat.h"

#define CODES_FIRST_CAPACITY 1024u

int
prf_codes_init(struct prf_codes *codes, struct prf_sink *sink,
               const struct prf_strlist *include, const struct prf_strlist *exclude,
               struct prf_error *err)
{
    static const struct prf_strlist none;
    *codes = (struct prf_codes){.sink = sink,
                                .include = include ? include : &none,
                                .exclude = exclude ? exclude : &none};
    codes->slots = calloc(CODES_FIRST_CAPACITY, sizeof(*codes->slots));
    if (codes->slots == NULL) {
        return prf_fail(err, PRF_ENOMEM, "no memory for the table of functions");
    }
    codes->capacity = CODES_FIRST_CAPACITY;
    codes->included = calloc(codes->include->n + 1, sizeof *codes->included);
    if (codes->included == NULL) {
        return prf_fail(err, PRF_ENOMEM, "no memory for the file filters");
    }
    codes->cwd = getcwd(NULL, 0); /* NULL: relative patterns match nothing */
    return 0;
}

void
prf_codes_release(struct prf_codes *codes)
{
    for (size_t i = 0; i < codes->capacity; i++) {
        Py_XDECREF(codes->slots[i].held);
    }
    free(codes->slots);
    free(codes->cwd);
    free(codes->included);
    *codes = (struct prf_codes){0};
}

uint32_t
prf_codes_find(const struct prf_codes *codes, const void *key)
{
    return prf_codes_slot(codes, key)->id;
}

static int
codes_grow(struct prf_codes *codes)
{
    size_t capacity = codes->capacity * 2;
    struct prf_code_slot *slots = calloc(capacity, sizeof(*slots));
    if (slots == NULL) {
        return -1;
    }
    const struct prf_codes grown = {.slots = slots, .capacity = capacity};
    for (size_t i = 0; i < codes->capacity; i++) {
        if (codes->slots[i].key != NULL) {
            *prf_codes_slot(&grown, codes->slots[i].key) = codes->slots[i];
        }
    }
    free(codes->slots);
    codes->slots = slots;
    codes->capacity = capacity;
    return 0;
}

static uint32_t
codes_insert(struct prf_codes *codes, const void *key, PyObject *held, uint32_t id)
{
    if (id == 0 || ((codes->n + 1) * 2 > codes->capacity && codes_grow(codes) < 0)) {
        return 0;
    }
    *prf_codes_slot(codes, key) =
        (struct prf_code_slot){.key = key, .held = Py_XNewRef(held), .id = id};
    codes->n++;
    return id;
}

/* A folder or file (all below it), or a glob for the whole name; one without '/' is
   also tried on the last part of the name. */
static bool
codes_pattern_matches(const char *pattern, const char *file, const char *cwd)
{
    if (strpbrk(pattern, "*?[") != NULL) {
        const char *base = strrchr(file, '/');
        return fnmatch(pattern, file, 0) == 0 ||
               (strchr(pattern, '/') == NULL && base != NULL &&
                fnmatch(pattern, base + 1, 0) == 0);
    }
    const char *rest = file;
    if (pattern[0] != '/') {
        if (strcmp(pattern, file) == 0) {
            return true; /* "<string>" and other names that are no paths */
        }
        size_t n = cwd ? strlen(cwd) : 0;
        if (n == 0 || strncmp(file, cwd, n) != 0 || file[n] != '/') {
            return false;
        }
        rest = file + n + 1;
        pattern += strncmp(pattern, "./", 2) == 0 ? 2 : 0;
    }
    size_t n = strlen(pattern);
    while (n > 0 && pattern[n - 1] == '/') {
        n--;
    }
    return strncmp(rest, pattern, n) == 0 && (rest[n] == '/' || rest[n] == '\0');
}

/* Each one that matches is remembered in `matched`, unless that is NULL. */
static bool
codes_any_matches(const struct prf_strlist *patterns, const char *file, const char *cwd,
                  bool *matched)
{
    bool any = false;
    for (size_t i = 0; i < patterns->n; i++) {
        if (codes_pattern_matches(patterns->items[i], file, cwd)) {
            any = true;
            if (matched != NULL) {
                matched[i] = true;
            }
        }
    }
    return any;
}

void
prf_codes_note(const struct prf_codes *codes, struct prf_sink *sink)
{
    for (size_t i = 0; i < codes->include->n; i++) {
        char text[512];
        if (!codes->included[i]) {
            snprintf(text, sizeof text, "--include-files '%s' matched no file that ran",
                     codes->include->items[i]);
            prf_sink_info(sink, PRF_INFO_NOTE, text);
        }
    }
}

bool
prf_codes_file_kept(const struct prf_codes *codes, const char *file)
{
    return (codes->include->n == 0 ||
            codes_any_matches(codes->include, file, codes->cwd, codes->included)) &&
           !codes_any_matches(codes->exclude, file, codes->cwd, NULL);
}

/* UTF-8 of a str; names with lone surrogates (undecodable file names) are escaped, so
   `*owner` may own a bytes object that holds the text. */
static const char *
codes_text(PyObject *text, PyObject **owner)
{
    *owner = NULL;
    const char *utf8 = PyUnicode_AsUTF8(text);
    if (utf8 == NULL) {
        PyErr_Clear();
        *owner = PyUnicode_AsEncodedString(text, "utf-8", "backslashreplace");
        utf8 = *owner ? PyBytes_AsString(*owner) : NULL;
    }
    if (utf8 == NULL) {
        PyErr_Clear();
        utf8 = "?";
    }
    return utf8;
}

#define CODES_HIDDEN_MAX 32u

/* Protected by the GIL. */
static const void *hidden[CODES_HIDDEN_MAX];
static PyObject *hidden_python[CODES_HIDDEN_MAX]; /* strong, for good */
static size_t n_hidden, n_hidden_python;

static bool
codes_is_hidden(const PyMethodDef *method)
{
    for (size_t i = 0; i < n_hidden; i++) {
        if (hidden[i] == method) {
            return true;
        }
    }
    return false;
}

bool
prf_codes_is_hidden_python(const PyCodeObject *code)
{
    for (size_t i = 0; i < n_hidden_python; i++) {
        if (hidden_python[i] == (const PyObject *)code) {
            return true;
        }
    }
    return false;
}

void
prf_codes_hide(const PyMethodDef *method)
{
    if (n_hidden < CODES_HIDDEN_MAX && !codes_is_hidden(method)) {
        hidden[n_hidden++] = method;
    }
}

void
prf_codes_hide_python(PyCodeObject *code)
{
    if (n_hidden_python < CODES_HIDDEN_MAX && !prf_codes_is_hidden_python(code)) {
        hidden_python[n_hidden_python++] = Py_NewRef(code);
    }
}

uint32_t
prf_codes_add_python(struct prf_codes *codes, PyCodeObject *code)
{
    uint32_t id = prf_codes_find(codes, code);
    if (id != 0) {
        return id;
    }
    struct prf_exception saved;
    prf_exception_save(&saved);
    PyObject *owner[3];
    const char *file = codes_text(code->co_filename, &owner[0]);
    const char *name = codes_text(code->co_name, &owner[1]);
    const char *qualname = codes_text(code->co_qualname, &owner[2]);
    uint32_t line = code->co_firstlineno > 0 ? (uint32_t)code->co_firstlineno : 0;
    uint32_t flags =
        codes->flags_of ? codes->flags_of(codes->flags_user, file, qualname) : 0;
    id = prf_codes_file_kept(codes, file) && !prf_codes_is_hidden_python(code)
             ? prf_sink_code(codes->sink, file, name, qualname, line, flags)
             : PRF_CODE_SKIPPED;
    id = codes_insert(codes, code, (PyObject *)code, id);
    for (int i = 0; i < 3; i++) {
        Py_XDECREF(owner[i]);
    }
    prf_exception_restore(&saved);
    return id;
}

/* The repr of what type(self) has under that name, as "<method 'append' of 'list'
   objects>"; NULL without an exception when it has nothing. */
static PyObject *
codes_method_repr(const char *name, PyObject *self)
{
    PyObject *text = NULL;
    PyObject *key = PyUnicode_FromString(name);
    if (key != NULL) {
        PyObject *found =
            _PyType_Lookup(Py_TYPE(self), key); /* borrowed from the type */
        if (found != NULL) {
            Py_INCREF(found);
            text = PyObject_Repr(found);
            Py_DECREF(found);
        }
        Py_DECREF(key);
    }
    if (text == NULL) {
        PyErr_Clear();
    }
    return text;
}

/* "json" of a module object or of its name; NULL without an exception. */
static PyObject *
codes_module_name(PyObject *module)
{
    PyObject *name = NULL;
    if (module != NULL && PyUnicode_Check(module)) {
        name = Py_NewRef(module);
    } else if (module != NULL && PyModule_Check(module)) {
        name = PyModule_GetNameObject(module);
        if (name == NULL) {
            PyErr_Clear();
        }
    }
    return name;
}

/* The name that cProfile gives to a C function; new reference, or NULL with an
   exception. */
static PyObject *
codes_c_name(PyMethodDef *method, PyObject *self, PyObject *module)
{
    PyObject *text;
    if (self != NULL) {
        text = codes_method_repr(method->ml_name, self);
        if (text != NULL) {
            return text;
        }
        if (module != NULL && PyUnicode_Check(module)) {
            return PyUnicode_FromFormat("<built-in method %S.%s>", module,
                                        method->ml_name);
        }
        return PyUnicode_FromFormat("<built-in method %s>", method->ml_name);
    }
    PyObject *name = codes_module_name(module);
    if (name == NULL || PyUnicode_CompareWithASCIIString(name, "builtins") == 0) {
        text = PyUnicode_FromFormat("<%s>", method->ml_name);
    } else {
        text = PyUnicode_FromFormat("<%U.%s>", name, method->ml_name);
    }
    Py_XDECREF(name);
    return text;
}

uint32_t
prf_codes_add_c(struct prf_codes *codes, PyMethodDef *method, PyObject *self,
                PyObject *module)
{
    uint32_t id = prf_codes_find(codes, method);
    if (id != 0) {
        return id;
    }
    if (codes_is_hidden(method)) {
        return codes_insert(codes, method, NULL, PRF_CODE_SKIPPED);
    }
    struct prf_exception saved;
    prf_exception_save(&saved);
    PyObject *owner = NULL;
    PyObject *name = codes_c_name(method, self, module);
    const char *text = name ? codes_text(name, &owner) : method->ml_name;
    id = prf_codes_find(codes,
                        method); /* a repr ran: another thread may have been here */
    if (id == 0) {
        id = prf_sink_code(codes->sink, "", text, text, 0, PRF_CODE_C);
        id = codes_insert(codes, method, NULL, id);
    }
    Py_XDECREF(owner);
    Py_XDECREF(name);
    prf_exception_restore(&saved);
    return id;
}
