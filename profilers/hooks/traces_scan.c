/* Finding tracemalloc's tables at run time: see traces_scan.h.

   A block with a size that nobody else asks for is planted; a word of Python's writable
   memory that points to what looks like a hash table, and has that block in it, is the
   variable. Words that point nowhere are read through the kernel, which says so instead
   of crashing. */
#include "traces_scan.h"

#include <link.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#define SCAN_SEGMENTS 8
#define SCAN_CHAIN 64            /* entries of a bucket that are looked at */
#define SCAN_LOCKS 16384         /* candidates for the lock: any 1 that has a pointer */
#define SCAN_BYTES 1237u         /* of a planted block */
#define SCAN_MANY_BYTES 1048583u /* of one that shows in the sum */
#define SCAN_DOMAIN 0x70726601u
#define SCAN_TRIES 3

struct scan {
    struct {
        const uintptr_t *words;
        size_t n;
    } segments[SCAN_SEGMENTS];
    size_t n_segments;
    uintptr_t begin, end; /* of the object in memory */
};

/* ---- memory ---- */

static bool
scan_read(const void *from, void *to, size_t n)
{
    struct iovec local = {to, n}, remote = {(void *)from, n};
    return process_vm_readv(getpid(), &local, 1, &remote, 1, 0) == (ssize_t)n;
}

static void
scan_add_segment(struct scan *scan, uintptr_t begin, uintptr_t end)
{
    begin = (begin + sizeof(uintptr_t) - 1) & ~(sizeof(uintptr_t) - 1);
    if (scan->n_segments < SCAN_SEGMENTS && end > begin) {
        size_t i = scan->n_segments++;
        scan->segments[i].words =
            (const uintptr_t *)begin; // NOLINT(performance-no-int-to-ptr)
        scan->segments[i].n = (end - begin) / sizeof(uintptr_t);
    }
}

/* dl_iterate_phdr: 1 when it is the object with Python's allocators. */
static int
scan_object(struct dl_phdr_info *info, size_t size, void *arg)
{
    struct scan *scan = arg;
    uintptr_t inside = (uintptr_t)&PyMem_RawMalloc;
    (void)size;
    *scan = (struct scan){.begin = UINTPTR_MAX};
    for (size_t i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *ph = &info->dlpi_phdr[i];
        uintptr_t begin = info->dlpi_addr + ph->p_vaddr;
        if (ph->p_type != PT_LOAD) {
            continue;
        }
        scan->begin = begin < scan->begin ? begin : scan->begin;
        scan->end = begin + ph->p_memsz > scan->end ? begin + ph->p_memsz : scan->end;
        if (ph->p_flags & PF_W) {
            scan_add_segment(scan, begin, begin + ph->p_memsz);
        }
    }
    return inside >= scan->begin && inside < scan->end;
}

/* Could it be the address of something on the heap? */
static bool
scan_is_heap(const struct scan *scan, uintptr_t word)
{
    return word % 8 == 0 && word > 0xFFFF && word < (uintptr_t)1 << 56 &&
           (word < scan->begin || word >= scan->end);
}

/* ---- tables ---- */

/* The entry of `key` in what may be a table; false: it is none or has it not. */
static bool
scan_find(const void *candidate, const void *key, Py_uhash_t hash,
          struct prf_hashentry *out)
{
    struct prf_hashtable table;
    const void *entry = NULL;
    if (!scan_read(candidate, &table, sizeof table) || table.n_entries == 0 ||
        table.n_buckets < 2 || (table.n_buckets & (table.n_buckets - 1)) != 0 ||
        table.n_entries > table.n_buckets) {
        return false;
    }
    /* In integers: what is no table has any address in the place of its buckets. */
    uintptr_t bucket = (uintptr_t)table.buckets +
                       (hash & (table.n_buckets - 1)) * sizeof *table.buckets;
    if (!scan_read((const void *)bucket, // NOLINT(performance-no-int-to-ptr)
                   &entry, sizeof entry)) {
        return false;
    }
    for (int i = 0; entry != NULL && i < SCAN_CHAIN; i++) {
        if (!scan_read(entry, out, sizeof *out)) {
            return false;
        }
        if (out->key == key && out->hash == hash) {
            return true;
        }
        entry = out->next;
    }
    return false;
}

/* The variable that points to the table with `key`, its entry in *out. */
static struct prf_hashtable *const *
scan_variable(const struct scan *scan, const void *key, Py_uhash_t hash,
              struct prf_hashentry *out)
{
    for (size_t s = 0; s < scan->n_segments; s++) {
        const uintptr_t *words = scan->segments[s].words;
        for (size_t i = 0; i < scan->segments[s].n; i++) {
            const void *candidate =
                (const void *)words[i]; // NOLINT(performance-no-int-to-ptr)
            if (scan_is_heap(scan, words[i]) && scan_find(candidate, key, hash, out)) {
                return (struct prf_hashtable *const *)&words[i];
            }
        }
    }
    return NULL;
}

/* A block that was allocated in a Python frame: tracemalloc has one traceback for all
   others, in no table. New reference, to a bytearray of SCAN_BYTES with its NUL. */
static PyObject *
scan_plant(void)
{
    char text[32];
    PyObject *globals = PyDict_New();
    snprintf(text, sizeof text, "bytearray(%u)", SCAN_BYTES - 1);
    PyObject *array = NULL;
    if (globals != NULL) {
        PyDict_SetItemString(globals, "__builtins__", PyEval_GetBuiltins());
        array = PyRun_String(text, Py_eval_input, globals, globals);
    }
    PyErr_Clear();
    Py_XDECREF(globals);
    return array;
}

/* Table and set that a planted block is in. */
static bool
scan_tables(const struct scan *scan, struct prf_traces_places *out, const void *block)
{
    struct prf_hashentry entry;
    struct prf_trace trace;
    struct prf_traceback tb;
    out->traces = scan_variable(scan, block, prf_hash_pointer(block), &entry);
    if (out->traces == NULL || !scan_read(entry.value, &trace, sizeof trace) ||
        trace.n_bytes != SCAN_BYTES || !scan_read(trace.traceback, &tb, sizeof tb)) {
        return false;
    }
    out->tracebacks = scan_variable(scan, trace.traceback, tb.hash, &entry);
    return out->tracebacks != NULL;
}

static bool
scan_domains(const struct scan *scan, struct prf_traces_places *out, const void *block)
{
    struct prf_hashentry entry;
    bool found = false;
    const void *key = (const void *)(uintptr_t)SCAN_DOMAIN; // NOLINT
    if (PyTraceMalloc_Track(SCAN_DOMAIN, (uintptr_t)block, SCAN_BYTES) == 0) {
        out->domains = scan_variable(scan, key, SCAN_DOMAIN, &entry);
        found = out->domains != NULL &&
                scan_find(entry.value, block, prf_hash_pointer(block), &entry);
        PyTraceMalloc_Untrack(SCAN_DOMAIN, (uintptr_t)block);
    }
    return found;
}

/* ---- the lock ---- */

/* A semaphore of libc's: its value comes first. Inside tracemalloc, while a trace is
   removed, the lock is the one that was free and is taken. */
static struct {
    pthread_t thread;
    const void *locks[SCAN_LOCKS];
    size_t n;
    Py_uhash_t (*hash_key)(const void *key);
    bool asked;
} probe;

static bool
scan_lock_has(const void *lock, uint64_t value)
{
    uint64_t word;
    return scan_read(lock, &word, sizeof word) && word == value;
}

static Py_uhash_t
scan_probe_hash(const void *key)
{
    if (pthread_equal(probe.thread, pthread_self())) {
        size_t n = 0;
        for (size_t i = 0; i < probe.n; i++) {
            if (scan_lock_has(probe.locks[i], 0)) {
                probe.locks[n++] = probe.locks[i];
            }
        }
        probe.n = n;
        probe.asked = true;
    }
    return probe.hash_key(key);
}

static void
scan_lock_candidates(const struct scan *scan)
{
    probe.n = 0;
    for (size_t s = 0; s < scan->n_segments; s++) {
        for (size_t i = 0; i < scan->segments[s].n; i++) {
            uintptr_t word = scan->segments[s].words[i];
            const void *lock = (const void *)word; // NOLINT(performance-no-int-to-ptr)
            bool known = probe.n > 0 && probe.locks[probe.n - 1] == lock;
            if (!known && probe.n < SCAN_LOCKS && scan_is_heap(scan, word) &&
                scan_lock_has(lock, 1)) {
                probe.locks[probe.n++] = lock;
            }
        }
    }
}

/* One candidate, seen free outside and taken inside, is the lock. */
static bool
scan_lock(const struct scan *scan, struct prf_traces_places *out)
{
    struct prf_hashtable *table = *out->traces;
    void *block = PyMem_RawMalloc(SCAN_BYTES);
    if (block == NULL) {
        return false;
    }
    scan_lock_candidates(scan);
    probe.thread = pthread_self();
    probe.hash_key = table->hash_key;
    probe.asked = false;
    table->hash_key = scan_probe_hash;
    PyMem_RawFree(block);
    table->hash_key = probe.hash_key;
    size_t n = 0;
    for (size_t i = 0; i < probe.n; i++) {
        if (scan_lock_has(probe.locks[i], 1) &&
            (n == 0 || probe.locks[i] != probe.locks[0])) {
            probe.locks[n++] = probe.locks[i];
        }
    }
    out->lock = (PyThread_type_lock)probe.locks[0];
    return probe.asked && n == 1;
}

/* ---- the sum ---- */

/* The word that rises by the size of a block and falls again; the peak only rises. */
static const volatile size_t *
scan_sum_in(const uintptr_t *words, size_t n)
{
    const volatile size_t *now = (const volatile size_t *)words, *found = NULL;
    size_t *before = malloc(n * sizeof *before);
    size_t *during = malloc(n * sizeof *during);
    if (before != NULL && during != NULL) {
        memcpy(before, words, n * sizeof *before);
        void *block = PyMem_RawMalloc(SCAN_MANY_BYTES);
        memcpy(during, words, n * sizeof *during);
        PyMem_RawFree(block);
        for (size_t i = 0; block != NULL && found == NULL && i < n; i++) {
            if (during[i] - before[i] == SCAN_MANY_BYTES && now[i] == before[i]) {
                found = &now[i];
            }
        }
    }
    free(before);
    free(during);
    return found;
}

static const volatile size_t *
scan_sum(const struct scan *scan)
{
    const volatile size_t *found = NULL;
    for (int i = 0; found == NULL && i < SCAN_TRIES; i++) {
        for (size_t s = 0; found == NULL && s < scan->n_segments; s++) {
            found = scan_sum_in(scan->segments[s].words, scan->segments[s].n);
        }
    }
    return found;
}

bool
prf_traces_scan(struct prf_traces_places *out, const char **why)
{
    struct scan scan;
    *out = (struct prf_traces_places){0};
    *why = "Python's own memory was not found";
    if (!dl_iterate_phdr(scan_object, &scan)) {
        return false;
    }
    PyObject *array = scan_plant();
    const void *block = array ? PyByteArray_AS_STRING(array) : NULL;
    *why = "the table of traces was not found";
    bool found = block != NULL && scan_tables(&scan, out, block);
    if (found) {
        *why = "the table of domains was not found";
        found = scan_domains(&scan, out, block);
    }
    Py_XDECREF(array);
    if (found) {
        *why = "the lock of the tables was not found";
        found = scan_lock(&scan, out);
    }
    if (found) {
        *why = NULL;
        out->current = scan_sum(&scan);
    }
    return found;
}

bool
prf_traces_check(const struct prf_traces_places *places)
{
    struct prf_hashentry entry;
    struct prf_trace trace;
    void *block = PyMem_RawMalloc(SCAN_BYTES);
    bool right = block != NULL &&
                 scan_find(*places->traces, block, prf_hash_pointer(block), &entry) &&
                 scan_read(entry.value, &trace, sizeof trace) &&
                 trace.n_bytes == SCAN_BYTES;
    PyMem_RawFree(block);
    return right;
}
