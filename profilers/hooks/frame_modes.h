/* Which frames can run without tracing on 3.11, because no C function can be called
   from their bytecode: then PyEval_SetProfile's tax on every instruction (half of the
   cost of profiling, measured) is not paid. Anything that is not proven is traced.

   Proven are (a) code without call instructions; (b) code whose every callee is a
   global that is a Python function or a type now, and that cannot rebind one itself.
   (b) is checked again when the dictionaries change. Needs the GIL. */
#ifndef PRF_FRAME_MODES_H
#define PRF_FRAME_MODES_H

#include <Python.h>

#include <stdbool.h>
#include <stdint.h>

#include "compat.h"

#if !PRF_HAVE_MONITORING

enum prf_frame_kind {
    PRF_FRAME_TRACED, /* it may call C functions */
    PRF_FRAME_LEAF,   /* (a) */
    PRF_FRAME_GLOBALS /* (b), while prf_frame_mode_holds */
};

struct prf_frame_mode {
    PyCodeObject *code; /* strong */
    enum prf_frame_kind kind;
    uint32_t n_names;
    uint32_t *names;          /* indices in co_names of the callees */
    uint32_t n_checks;        /* how often (b) was looked at anew */
    PyObject *globals;        /* borrowed, compared only: what (b) was proven for */
    PyObject *builtins;       /* likewise */
    uint64_t globals_version; /* of the dictionaries then */
    uint64_t builtins_version;
};

struct prf_frame_modes {
    struct prf_frame_mode **slots; /* open addressing by code, a power of two */
    size_t n, capacity;
};

int prf_frame_modes_init(struct prf_frame_modes *modes); /* -1: no memory */
void prf_frame_modes_release(struct prf_frame_modes *modes);

/* Slow half: a code that was not seen yet. NULL: no memory, so trace it. */
struct prf_frame_mode *prf_frame_modes_add(struct prf_frame_modes *modes,
                                           PyCodeObject *code);

static inline size_t
prf_frame_modes_hash(const void *code)
{
    return (size_t)(((uint64_t)(uintptr_t)code * 0x9E3779B97F4A7C15u) >> 20);
}

/* The mode of a code, made when needed; stays where it is until the release. */
static inline struct prf_frame_mode *
prf_frame_modes_get(struct prf_frame_modes *modes, PyCodeObject *code)
{
    size_t i = prf_frame_modes_hash(code) & (modes->capacity - 1);
    struct prf_frame_mode *mode;
    while ((mode = modes->slots[i]) != NULL) {
        if (mode->code == code) {
            return mode;
        }
        i = (i + 1) & (modes->capacity - 1);
    }
    return prf_frame_modes_add(modes, code);
}

/* Look at the globals of (b) anew; false: a callee is a C function or not known. */
bool prf_frame_mode_check(struct prf_frame_mode *mode, PyObject *globals,
                          PyObject *builtins);

/* Does the proof of (b) hold for these dictionaries? */
static inline bool
prf_frame_mode_holds(struct prf_frame_mode *mode, PyObject *globals, PyObject *builtins)
{
    if (mode->globals == globals && mode->builtins == builtins &&
        mode->globals_version == ((PyDictObject *)globals)->ma_version_tag &&
        mode->builtins_version == ((PyDictObject *)builtins)->ma_version_tag) {
        return true;
    }
    return prf_frame_mode_check(mode, globals, builtins);
}

#endif
#endif
