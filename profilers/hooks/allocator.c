/* The peak of traced memory and the block that made it: see allocator.h.

   The sum is tracemalloc's own, which it has already raised when the layer looks. Raw
   blocks are handed out without the GIL: the fields are atomic, and two threads that
   make a peak in the same moment may name one another's block. */
#include "allocator.h"

#include <Python.h>

#include <stdatomic.h>
#include <string.h>

#include "traces.h"

#define ALLOCATOR_DOMAINS 3

static struct {
    PyMemAllocatorEx inner[ALLOCATOR_DOMAINS];
    const volatile size_t *current;
    _Atomic size_t n_bytes;
    const void *_Atomic block;     /* that made the peak and is held, or one of these */
    const void *_Atomic traceback; /* with allocator_gone_block */
    bool installed[ALLOCATOR_DOMAINS];
    _Atomic bool away; /* read at a peak only */
} layer __attribute__((aligned(64)));

/* Instead of a block: there is none, it is gone, it is not of Python's allocators. */
static const char allocator_no_block, allocator_gone_block, allocator_foreign_block;

/* The block of the peak goes: its traceback is read while it can be. */
static __attribute__((noinline)) void
allocator_keep(const void *block)
{
    const void *traceback = prf_traces_find(block);
    atomic_store_explicit(&layer.traceback, traceback, memory_order_relaxed);
    atomic_store_explicit(&layer.block, &allocator_gone_block, memory_order_relaxed);
}

/* Is there more now than there ever was? The common answer costs two loads. */
static inline bool
allocator_is_peak(size_t now)
{
    return __builtin_expect(
        now > atomic_load_explicit(&layer.n_bytes, memory_order_relaxed), 0);
}

static inline void
allocator_peak(size_t n_bytes, const void *block)
{
    if (atomic_load_explicit(&layer.away, memory_order_relaxed)) {
        return;
    }
    atomic_store_explicit(&layer.n_bytes, n_bytes, memory_order_relaxed);
    atomic_store_explicit(&layer.block, block, memory_order_relaxed);
}

/* What extension modules track themselves is noticed at the next allocation: it is more
   than the new block explains. */
static inline void
allocator_after(const void *block, size_t size)
{
    size_t now = *layer.current;
    if (allocator_is_peak(now)) {
        bool foreign = now - size > layer.n_bytes;
        allocator_peak(now, foreign ? &allocator_foreign_block : block);
    }
}

static inline void
allocator_gone(const void *block)
{
    if (__builtin_expect(
            block == atomic_load_explicit(&layer.block, memory_order_relaxed), 0)) {
        allocator_keep(block);
    }
}

static void *
allocator_malloc(void *ctx, size_t size)
{
    const PyMemAllocatorEx *inner = ctx;
    void *block = inner->malloc(inner->ctx, size);
    allocator_after(block, size);
    return block;
}

static void *
allocator_calloc(void *ctx, size_t n, size_t size)
{
    const PyMemAllocatorEx *inner = ctx;
    void *block = inner->calloc(inner->ctx, n, size);
    allocator_after(block, n * size);
    return block;
}

static void *
allocator_realloc(void *ctx, void *old, size_t size)
{
    const PyMemAllocatorEx *inner = ctx;
    size_t before = *layer.current;
    if (allocator_is_peak(before)) {
        allocator_peak(before, &allocator_foreign_block);
    }
    allocator_gone(old);
    void *block = inner->realloc(inner->ctx, old, size);
    allocator_after(block, size);
    return block;
}

static void
allocator_free(void *ctx, void *block)
{
    const PyMemAllocatorEx *inner = ctx;
    allocator_gone(block);
    inner->free(inner->ctx, block);
}

static PyMemAllocatorEx
allocator_layer(PyMemAllocatorDomain domain)
{
    return (PyMemAllocatorEx){&layer.inner[domain], allocator_malloc, allocator_calloc,
                              allocator_realloc, allocator_free};
}

static bool
allocator_is_top(PyMemAllocatorDomain domain)
{
    PyMemAllocatorEx top;
    PyMem_GetAllocator(domain, &top);
    return top.ctx == &layer.inner[domain] && top.malloc == allocator_malloc;
}

bool
prf_allocator_install(const volatile size_t *current)
{
    for (int i = 0; i < ALLOCATOR_DOMAINS; i++) {
        if (layer.installed[i]) {
            return false;
        }
    }
    layer.current = current;
    layer.away = false;
    allocator_peak(*current, &allocator_no_block);
    for (int i = 0; i < ALLOCATOR_DOMAINS; i++) {
        PyMemAllocatorEx own = allocator_layer((PyMemAllocatorDomain)i);
        PyMem_GetAllocator((PyMemAllocatorDomain)i, &layer.inner[i]);
        PyMem_SetAllocator((PyMemAllocatorDomain)i, &own);
        layer.installed[i] = true;
    }
    return true;
}

/* Is the layer still called, under one that the program put over it? tracemalloc's stop
   replaces it by what was there before tracemalloc. */
static bool
allocator_is_called(PyMemAllocatorDomain domain)
{
    size_t before = layer.n_bytes;
    layer.n_bytes = 0;
    if (domain == PYMEM_DOMAIN_RAW) {
        PyMem_RawFree(PyMem_RawMalloc(1));
    } else if (domain == PYMEM_DOMAIN_MEM) {
        PyMem_Free(PyMem_Malloc(1));
    } else {
        PyObject_Free(PyObject_Malloc(1));
    }
    bool called = layer.n_bytes != 0;
    layer.n_bytes = before;
    return called;
}

void
prf_allocator_look_away(bool away)
{
    atomic_store_explicit(&layer.away, away, memory_order_relaxed);
}

bool
prf_allocator_remove(void)
{
    layer.away = false; /* also where a mark's name ends the session */
    bool mine = true;
    const void *block = layer.block, *traceback = layer.traceback;
    for (int i = 0; i < ALLOCATOR_DOMAINS; i++) {
        PyMemAllocatorDomain domain = (PyMemAllocatorDomain)i;
        if (!layer.installed[i]) {
            continue;
        }
        if (allocator_is_top(domain)) {
            PyMem_SetAllocator(domain, &layer.inner[i]);
            layer.installed[i] = false;
        } else {
            layer.installed[i] = allocator_is_called(domain);
            mine = false;
        }
    }
    layer.block = block;
    layer.traceback = traceback;
    return mine;
}

struct prf_allocator_peak
prf_allocator_peak(void)
{
    const void *block = layer.block;
    struct prf_allocator_peak peak = {
        .n_bytes = layer.n_bytes,
        .foreign = block == &allocator_foreign_block,
    };
    if (block == &allocator_gone_block) {
        peak.traceback = layer.traceback;
    } else if (block != &allocator_no_block && !peak.foreign) {
        peak.traceback = prf_traces_find(block);
    }
    return peak;
}
