/* malloc, free and mmap of a process that the launcher started: the C library's (or
   whatever was preloaded in front of it), counted while somebody asks for it.

   A thread counts for itself and adds to the common count in steps of 64 KiB, so that a
   pair of malloc and free costs two thread-local additions. The thread-local storage is
   the executable's: a library that is loaded later has little of it. */
#include <pyprofiler/interpose.h>

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)

#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))
#define STEP_BYTES ((int64_t)64 << 10)
#define EARLY_BYTES ((size_t)16 << 10)

/* ---- counting ---- */

static _Atomic bool counting;
static _Atomic uint32_t epoch; /* of `counting`: what a thread counted before is void */
static _Atomic int64_t total, peak;
static _Atomic uint64_t n_total;

static __thread struct {
    int64_t n_bytes;
    uint64_t n_allocations;
    uint32_t epoch;
} mine;

static void
interpose_flush(void)
{
    int64_t now =
        atomic_fetch_add_explicit(&total, mine.n_bytes, memory_order_relaxed) +
        mine.n_bytes;
    int64_t before = atomic_load_explicit(&peak, memory_order_relaxed);
    while (now > before && !atomic_compare_exchange_weak(&peak, &before, now)) {
    }
    atomic_fetch_add_explicit(&n_total, mine.n_allocations, memory_order_relaxed);
    mine.n_bytes = 0;
    mine.n_allocations = 0;
}

static void
interpose_add(int64_t n_bytes)
{
    uint32_t now = atomic_load_explicit(&epoch, memory_order_relaxed);
    if (mine.epoch != now) {
        mine.epoch = now;
        mine.n_bytes = 0;
        mine.n_allocations = 0;
    }
    mine.n_bytes += n_bytes;
    mine.n_allocations += n_bytes > 0;
    if (mine.n_bytes >= STEP_BYTES || mine.n_bytes <= -STEP_BYTES) {
        interpose_flush();
    }
}

static inline bool
interpose_counts(void)
{
    return __builtin_expect(atomic_load_explicit(&counting, memory_order_relaxed), 0);
}

static void
interpose_count(bool on)
{
    if (on) {
        atomic_fetch_add(&epoch, 1);
        atomic_store(&total, 0);
        atomic_store(&peak, 0);
        atomic_store(&n_total, 0);
    }
    atomic_store(&counting, on);
}

static void
interpose_read(struct prf_interpose_counts *counts)
{
    if (mine.epoch == atomic_load(&epoch)) {
        interpose_flush();
    }
    counts->n_bytes = atomic_load(&total);
    counts->peak = atomic_load(&peak);
    counts->n_allocations = atomic_load(&n_total);
}

EXPORT const struct prf_interpose prf_interpose_export;
EXPORT const struct prf_interpose prf_interpose_export = {
    .abi = PRF_INTERPOSE_ABI,
    .count = interpose_count,
    .read = interpose_read,
};

// NOLINTBEGIN(readability-inconsistent-declaration-parameter-name): glibc's are __names

/* ---- the real ones ---- */

static struct {
    void *(*malloc)(size_t);
    void *(*calloc)(size_t, size_t);
    void *(*realloc)(void *, size_t);
    void *(*memalign)(size_t, size_t);
    void (*free)(void *);
    size_t (*usable)(void *);
    _Atomic int state; /* 0: unknown, 1: being looked up, 2: known */
} next;

/* What dlsym itself asks for while it looks them up; never given back. */
static struct {
    _Alignas(16) unsigned char data[EARLY_BYTES];
    size_t used;
} early;

static void *
interpose_early(size_t size)
{
    size_t whole = (size + 31) & ~(size_t)15; /* with room for the size in front */
    if (whole > EARLY_BYTES - early.used) {
        return NULL;
    }
    unsigned char *block = early.data + early.used + 16;
    memcpy(block - 16, &size, sizeof size);
    early.used += whole;
    return block;
}

static bool
interpose_is_early(const void *block)
{
    const unsigned char *p = block;
    return p >= early.data && p < early.data + EARLY_BYTES;
}

/* dlsym gives object pointers; POSIX says that they are functions too. */
static void
interpose_find(const char *name, void *function)
{
    void *symbol = dlsym(RTLD_NEXT, name);
    memcpy(function, &symbol, sizeof symbol);
}

static void
interpose_lookup(void)
{
    next.state = 1; /* still one thread: the first allocation is the loader's */
    interpose_find("malloc", &next.malloc);
    interpose_find("calloc", &next.calloc);
    interpose_find("realloc", &next.realloc);
    interpose_find("memalign", &next.memalign);
    interpose_find("free", &next.free);
    interpose_find("malloc_usable_size", &next.usable);
    next.state = 2;
}

static inline bool
interpose_ready(void)
{
    if (__builtin_expect(next.state == 2, 1)) {
        return true;
    }
    if (next.state == 0) {
        interpose_lookup();
    }
    return next.state == 2;
}

static void *
interpose_came(void *block)
{
    if (interpose_counts() && block != NULL) {
        interpose_add((int64_t)next.usable(block));
    }
    return block;
}

EXPORT void *
malloc(size_t size)
{
    return interpose_ready() ? interpose_came(next.malloc(size))
                             : interpose_early(size);
}

EXPORT void *
calloc(size_t n, size_t size)
{
    if (interpose_ready()) {
        return interpose_came(next.calloc(n, size));
    }
    return interpose_early(n * size); /* zero: it is never used twice */
}

EXPORT void
free(void *block)
{
    if (block == NULL || interpose_is_early(block)) {
        return;
    }
    if (interpose_counts()) {
        interpose_add(-(int64_t)next.usable(block));
    }
    next.free(block);
}

static void *
interpose_realloc_early(const void *block, size_t size)
{
    size_t before;
    memcpy(&before, (const unsigned char *)block - 16, sizeof before);
    void *moved = malloc(size);
    if (moved != NULL) {
        memcpy(moved, block, before < size ? before : size);
    }
    return moved;
}

EXPORT void *
realloc(void *block, size_t size)
{
    if (block == NULL || !interpose_ready()) {
        return malloc(size);
    }
    if (interpose_is_early(block)) {
        return interpose_realloc_early(block, size);
    }
    if (!interpose_counts()) {
        return next.realloc(block, size);
    }
    int64_t before = (int64_t)next.usable(block);
    void *moved = next.realloc(block, size);
    if (moved != NULL) {
        interpose_add((int64_t)next.usable(moved) - before);
    } else if (size == 0) {
        interpose_add(-before); /* that freed it */
    }
    return moved;
}

EXPORT void *
memalign(size_t alignment, size_t size)
{
    return interpose_ready() ? interpose_came(next.memalign(alignment, size)) : NULL;
}

EXPORT void *
aligned_alloc(size_t alignment, size_t size)
{
    return memalign(alignment, size);
}

EXPORT int
posix_memalign(void **out, size_t alignment, size_t size)
{
    if (alignment % sizeof(void *) != 0 || alignment == 0 ||
        (alignment & (alignment - 1)) != 0) {
        return EINVAL;
    }
    int before = errno; /* it says what is wrong by its result alone */
    void *block = memalign(alignment, size);
    errno = before;
    if (block == NULL) {
        return ENOMEM;
    }
    *out = block;
    return 0;
}

EXPORT void *
valloc(size_t size)
{
    return memalign((size_t)sysconf(_SC_PAGESIZE), size);
}

EXPORT void *
pvalloc(size_t size)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    return memalign(page, (size + page - 1) & ~(page - 1));
}

/* ---- mappings ---- */

/* Anonymous mappings that are there, because munmap does not say what it takes away.
   They are few: arenas of Python's allocator, and big blocks. */
struct mapping {
    uintptr_t from, to;
};

static struct {
    pthread_mutex_t lock;
    struct mapping *items;
    size_t n, capacity;
} maps = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* A fork may come while another thread holds the lock. */
static void
interpose_after_fork(void)
{
    pthread_mutex_init(&maps.lock, NULL);
}

__attribute__((constructor)) static void
interpose_init(void)
{
    pthread_atfork(NULL, NULL, interpose_after_fork);
}

static void *
interpose_real_mmap(void *at, size_t size, int protection, int flags, int fd,
                    off_t offset)
{
    // NOLINTNEXTLINE(performance-no-int-to-ptr)
    return (void *)syscall(SYS_mmap, at, size, protection, flags, fd, offset);
}

static bool
interpose_maps_grow(void)
{
    size_t capacity = maps.capacity == 0 ? 256 : maps.capacity * 2;
    struct mapping *items =
        interpose_real_mmap(NULL, capacity * sizeof *items, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (items == MAP_FAILED) {
        return false;
    }
    if (maps.n > 0) {
        memcpy(items, maps.items, maps.n * sizeof *items);
        syscall(SYS_munmap, maps.items, maps.capacity * sizeof *items);
    }
    maps.items = items;
    maps.capacity = capacity;
    return true;
}

static void
interpose_maps_put(uintptr_t from, uintptr_t to)
{
    if (maps.n < maps.capacity || interpose_maps_grow()) {
        maps.items[maps.n++] = (struct mapping){from, to};
    }
}

/* Take [from, to) out of what is known; returns how many bytes of it were. */
static int64_t
interpose_maps_cut(uintptr_t from, uintptr_t to)
{
    int64_t n_bytes = 0;
    for (size_t i = 0; i < maps.n;) {
        struct mapping m = maps.items[i];
        uintptr_t a = m.from > from ? m.from : from, b = m.to < to ? m.to : to;
        if (a >= b) {
            i++;
            continue;
        }
        n_bytes += (int64_t)(b - a);
        maps.items[i] = maps.items[--maps.n];
        if (m.from < a) {
            interpose_maps_put(m.from, a);
        }
        if (b < m.to) {
            interpose_maps_put(b, m.to);
        }
    }
    return n_bytes;
}

/* The lock is held around the system call too: in between, the address could be another
   thread's already. */
static int64_t
interpose_replace(uintptr_t from, size_t size, bool anonymous)
{
    uintptr_t to = (from + size + 4095) & ~(uintptr_t)4095;
    int64_t change = -interpose_maps_cut(from, to);
    if (anonymous) {
        interpose_maps_put(from, to);
        change += (int64_t)(to - from);
    }
    return change;
}

static void
interpose_unlock(int64_t change)
{
    pthread_mutex_unlock(&maps.lock);
    if (change != 0 && interpose_counts()) {
        interpose_add(change);
    }
}

EXPORT void *
mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset)
{
    bool anonymous = (flags & MAP_ANONYMOUS) != 0;
    int64_t change = 0;
    pthread_mutex_lock(&maps.lock);
    void *map = interpose_real_mmap(at, size, protection, flags, fd, offset);
    if (map != MAP_FAILED && (anonymous || (flags & MAP_FIXED) != 0)) {
        change = interpose_replace((uintptr_t)map, size, anonymous);
    }
    interpose_unlock(change);
    return map;
}

EXPORT void *mmap64(void *at, size_t size, int protection, int flags, int fd,
                    off64_t offset) __attribute__((alias("mmap")));

EXPORT int
munmap(void *at, size_t size)
{
    int64_t change = 0;
    pthread_mutex_lock(&maps.lock);
    int rc = (int)syscall(SYS_munmap, at, size);
    if (rc == 0) {
        change = interpose_replace((uintptr_t)at, size, false);
    }
    interpose_unlock(change);
    return rc;
}

EXPORT void *
mremap(void *at, size_t size, size_t new_size, int flags, ...)
{
    va_list args;
    va_start(args, flags);
    void *fixed = (flags & MREMAP_FIXED) != 0 ? va_arg(args, void *) : NULL;
    va_end(args);
    pthread_mutex_lock(&maps.lock);
    // NOLINTNEXTLINE(performance-no-int-to-ptr)
    void *map = (void *)syscall(SYS_mremap, at, size, new_size, flags, fixed);
    int64_t change = 0;
    if (map != MAP_FAILED) {
        change = interpose_replace((uintptr_t)at, size, false);
        change += interpose_replace((uintptr_t)map, new_size, change != 0);
    }
    interpose_unlock(change);
    return map;
}

// NOLINTEND(readability-inconsistent-declaration-parameter-name)

#endif
