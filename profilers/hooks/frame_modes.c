/* Proving that a frame calls no C function, from its bytecode (3.11). */
#include "frame_modes.h"

#include "compat.h"

#if !PRF_HAVE_MONITORING

#include <opcode.h>
#include <stdlib.h>

#define FRAME_MODES_FIRST_CAPACITY 1024u

/* A program that rebinds globals all the time is cheaper traced than checked. */
#define FRAME_MODE_MAX_CHECKS 1000u

int
prf_frame_modes_init(struct prf_frame_modes *modes)
{
    *modes = (struct prf_frame_modes){.capacity = FRAME_MODES_FIRST_CAPACITY};
    modes->slots = calloc(modes->capacity, sizeof(struct prf_frame_mode *));
    return modes->slots ? 0 : -1;
}

void
prf_frame_modes_release(struct prf_frame_modes *modes)
{
    for (size_t i = 0; modes->slots != NULL && i < modes->capacity; i++) {
        struct prf_frame_mode *mode = modes->slots[i];
        if (mode != NULL) {
            Py_DECREF(mode->code);
            free(mode->names);
            free(mode);
        }
    }
    free(modes->slots);
    *modes = (struct prf_frame_modes){0};
}

static void
frame_modes_place(struct prf_frame_mode **slots, size_t capacity,
                  struct prf_frame_mode *mode)
{
    size_t i = prf_frame_modes_hash(mode->code) & (capacity - 1);
    while (slots[i] != NULL) {
        i = (i + 1) & (capacity - 1);
    }
    slots[i] = mode;
}

static int
frame_modes_grow(struct prf_frame_modes *modes)
{
    size_t capacity = modes->capacity * 2;
    struct prf_frame_mode **slots = calloc(capacity, sizeof(void *));
    if (slots == NULL) {
        return -1;
    }
    for (size_t i = 0; i < modes->capacity; i++) {
        if (modes->slots[i] != NULL) {
            frame_modes_place(slots, capacity, modes->slots[i]);
        }
    }
    free(modes->slots);
    modes->slots = slots;
    modes->capacity = capacity;
    return 0;
}

/* What an instruction means for the proof. A callee gets onto the stack by LOAD_GLOBAL
   with its lowest bit set, or by one of those that spoil (b); what could change a
   dictionary without running a Python frame spoils it too. */
static bool
frame_mode_spoils(int opcode)
{
    switch (opcode) {
    case PUSH_NULL:
    case LOAD_METHOD:
    case MAKE_FUNCTION: /* comprehensions and decorators call it without a NULL */
    case BEFORE_WITH:   /* __exit__ is called without a NULL */
    case BEFORE_ASYNC_WITH:
    case LOAD_BUILD_CLASS:
    case STORE_GLOBAL:
    case DELETE_GLOBAL:
    case STORE_NAME:
    case DELETE_NAME:
    case STORE_ATTR:
    case DELETE_ATTR:
    case STORE_SUBSCR:
    case DELETE_SUBSCR:
        return true;
    default:
        return false;
    }
}

/* Sets kind and names from the bytecode; `names` has room for all global loads. */
static void
frame_mode_scan(struct prf_frame_mode *mode, const unsigned char *bytes, Py_ssize_t n)
{
    bool spoilt = false, calls = false;
    unsigned oparg = 0;
    for (Py_ssize_t i = 0; i + 1 < n; i += 2) {
        int opcode = bytes[i];
        oparg = oparg << 8 | bytes[i + 1];
        if (opcode == EXTENDED_ARG) {
            continue;
        }
        if (opcode == CALL_FUNCTION_EX) {
            mode->kind = PRF_FRAME_TRACED;
            return;
        }
        if (opcode == LOAD_GLOBAL && (oparg & 1)) {
            mode->names[mode->n_names++] = oparg >> 1;
        }
        calls = calls || opcode == CALL;
        spoilt = spoilt || frame_mode_spoils(opcode);
        oparg = 0;
    }
    mode->kind = !calls   ? PRF_FRAME_LEAF
                 : spoilt ? PRF_FRAME_TRACED
                          : PRF_FRAME_GLOBALS;
}

static int
frame_mode_analyse(struct prf_frame_mode *mode)
{
    PyObject *bytes = PyCode_GetCode(mode->code);
    if (bytes == NULL) {
        return -1;
    }
    Py_ssize_t n = PyBytes_GET_SIZE(bytes);
    mode->names = malloc((size_t)n / 2 * sizeof(*mode->names) + 1);
    if (mode->names != NULL) {
        frame_mode_scan(mode, (unsigned char *)PyBytes_AS_STRING(bytes), n);
    }
    Py_DECREF(bytes);
    return mode->names ? 0 : -1;
}

struct prf_frame_mode *
prf_frame_modes_add(struct prf_frame_modes *modes, PyCodeObject *code)
{
    if ((modes->n + 1) * 2 > modes->capacity && frame_modes_grow(modes) < 0) {
        return NULL;
    }
    struct prf_frame_mode *mode = calloc(1, sizeof(*mode));
    if (mode == NULL) {
        return NULL;
    }
    struct prf_exception saved;
    prf_exception_save(&saved);
    mode->code = code;
    int rc = frame_mode_analyse(mode);
    prf_exception_restore(&saved);
    if (rc < 0) {
        free(mode);
        return NULL;
    }
    Py_INCREF(code);
    frame_modes_place(modes->slots, modes->capacity, mode);
    modes->n++;
    return mode;
}

/* The value of a global name; borrowed, NULL without an exception. */
static PyObject *
frame_mode_global(PyObject *name, PyObject *globals, PyObject *builtins)
{
    PyObject *value = PyDict_GetItemWithError(globals, name);
    if (value == NULL && !PyErr_Occurred()) {
        value = PyDict_GetItemWithError(builtins, name);
    }
    PyErr_Clear();
    return value;
}

static bool
frame_mode_callees_known(const struct prf_frame_mode *mode, PyObject *globals,
                         PyObject *builtins)
{
    for (uint32_t i = 0; i < mode->n_names; i++) {
        PyObject *name = PyTuple_GET_ITEM(mode->code->co_names, mode->names[i]);
        PyObject *value = frame_mode_global(name, globals, builtins);
        if (value == NULL || !(PyFunction_Check(value) || PyType_Check(value))) {
            return false;
        }
    }
    return true;
}

bool
prf_frame_mode_check(struct prf_frame_mode *mode, PyObject *globals, PyObject *builtins)
{
    if (mode->kind != PRF_FRAME_GLOBALS || !PyDict_CheckExact(globals) ||
        !PyDict_CheckExact(builtins)) {
        return false;
    }
    struct prf_exception saved;
    prf_exception_save(&saved);
    bool known = frame_mode_callees_known(mode, globals, builtins);
    prf_exception_restore(&saved);
    if (!known || ++mode->n_checks > FRAME_MODE_MAX_CHECKS) {
        mode->kind = PRF_FRAME_TRACED; /* for good */
        return false;
    }
    mode->globals = globals;
    mode->builtins = builtins;
    mode->globals_version = ((PyDictObject *)globals)->ma_version_tag;
    mode->builtins_version = ((PyDictObject *)builtins)->ma_version_tag;
    return true;
}

#endif
