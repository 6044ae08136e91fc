/* The code registry: which functions were seen, each written to the sink once and known
   by a small id from then on. A Python function's key is its code object, held by one
   strong reference so that the address is not used again; a C function's key is its
   PyMethodDef, as in cProfile.

   All functions need the GIL. Finding does no Python work; adding may (naming a C
   function takes a repr), so other threads can run in between: adding looks again. */
#ifndef PRF_CODES_H
#define PRF_CODES_H

#include <Python.h>

#include <stdbool.h>

#include <pyprofiler/options.h>
#include <pyprofiler/sink.h>

#define PRF_CODE_SKIPPED UINT32_MAX /* the id of what the file filters left out */

struct prf_code_slot {
    const void *key;
    PyObject *held; /* strong; NULL for a C function */
    uint32_t id;
    uint32_t user; /* the caller's; 0 at first */
};

struct prf_codes {
    struct prf_sink *sink;             /* borrowed */
    const struct prf_strlist *include; /* borrowed; empty: all files */
    const struct prf_strlist *exclude; /* borrowed */
    char *cwd;                         /* relative patterns start here */
    bool *included;                    /* has include->items[i] matched a file? */
    /* More flags (enum prf_code_flags) for a Python function, asked once; or NULL. */
    uint32_t (*flags_of)(void *user, const char *file, const char *qualname);
    void *flags_user;
    struct prf_code_slot *slots; /* open addressing, a power of two */
    size_t n, capacity;
};

/* A zeroed struct is an empty registry of no use; both filters may be NULL. PRF_ENOMEM.
 */
int prf_codes_init(struct prf_codes *codes, struct prf_sink *sink,
                   const struct prf_strlist *include, const struct prf_strlist *exclude,
                   struct prf_error *err);

/* Drops the references. Idempotent. */
void prf_codes_release(struct prf_codes *codes);

static inline size_t
prf_codes_hash(const void *key)
{
    return (size_t)(((uint64_t)(uintptr_t)key * 0x9E3779B97F4A7C15u) >> 20);
}

/* The slot of a key: with id 0 and `user` 0 when it was not seen yet. Until the next
   one is added. */
static inline struct prf_code_slot *
prf_codes_slot(const struct prf_codes *codes, const void *key)
{
    size_t i = prf_codes_hash(key) & (codes->capacity - 1);
    while (codes->slots[i].key != key && codes->slots[i].key != NULL) {
        i = (i + 1) & (codes->capacity - 1);
    }
    return &codes->slots[i];
}

/* Id of a known key; 0: not seen yet. */
uint32_t prf_codes_find(const struct prf_codes *codes, const void *key);

/* Id of a code object, PRF_CODE_SKIPPED for one in a file that is filtered out, or 0
   when there is no memory. Keeps the exception that is set. */
uint32_t prf_codes_add_python(struct prf_codes *codes, PyCodeObject *code);

/* Id of a C function, named as cProfile names it. `self` is what it is bound to (or its
   first argument), `module` its __module__; both may be NULL. 0: no memory. */
uint32_t prf_codes_add_c(struct prf_codes *codes, PyMethodDef *method, PyObject *self,
                         PyObject *module);

/* Leave this C function of our own out of every result; at most 32, before any run.
   Hiding one again does nothing. */
void prf_codes_hide(const PyMethodDef *method);

/* The same for a Python function: its calls and lines. What it calls is seen, as called
   by its caller. Holds a strong reference for good; at most 32. */
void prf_codes_hide_python(PyCodeObject *code);
bool prf_codes_is_hidden_python(const PyCodeObject *code);

/* A note for each pattern of `include` that matched no file. No GIL needed. */
void prf_codes_note(const struct prf_codes *codes, struct prf_sink *sink);

/* Does the file pass the filters? */
bool prf_codes_file_kept(const struct prf_codes *codes, const char *file);

#endif
