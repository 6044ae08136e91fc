/* Where tracemalloc keeps its tables, found in the writable memory of the object that
   Python's allocators are in; for traces.c only. */
#ifndef PRF_TRACES_SCAN_H
#define PRF_TRACES_SCAN_H

#include <Python.h>

#include <pythread.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* _Py_hashtable_t and its parts. */
struct prf_hashentry {
    const struct prf_hashentry *next;
    Py_uhash_t hash;
    const void *key;
    const void *value;
};

struct prf_hashtable {
    size_t n_entries;
    size_t n_buckets; /* a power of two */
    const struct prf_hashentry *const *buckets;
    void *get_entry;
    Py_uhash_t (*hash_key)(const void *key);
};

/* trace_t: the value of a block. */
struct prf_trace {
    size_t n_bytes;
    const void *traceback;
};

/* traceback_t: innermost frame first. */
struct prf_traceback {
    Py_uhash_t hash;
    uint16_t n_frames;
    uint16_t n_frames_in_all;
    struct __attribute__((packed)) {
        PyObject *filename;
        unsigned line;
    } frames[];
};

struct prf_traces_places {
    struct prf_hashtable *const *traces;     /* block -> struct prf_trace */
    struct prf_hashtable *const *domains;    /* domain -> table of such */
    struct prf_hashtable *const *tracebacks; /* the set of them */
    PyThread_type_lock lock;                 /* protects the first two */
    const volatile size_t *current;          /* bytes traced; NULL: not found */
};

/* The hash of a pointer, as tables of blocks use it. */
static inline Py_uhash_t
prf_hash_pointer(const void *pointer)
{
    uintptr_t y = (uintptr_t)pointer;
    return (Py_uhash_t)(y >> 4 | y << (8 * sizeof y - 4));
}

/* With the GIL and while tracing: plants blocks and looks where they appear. False:
   *why says what was not found. */
bool prf_traces_scan(struct prf_traces_places *out, const char **why);

/* Does a planted block still appear there? */
bool prf_traces_check(const struct prf_traces_places *places);

#endif
