/* The writer of a recording: chunks out of mapped segments of a file.

   No descriptor is held between extensions: a case may close every descriptor it finds,
   and one that was reused would be somebody's file. Segments are opened by path,
   rarely. */
#include "writer.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define SEGMENT_MIN ((size_t)64 << 10)
#define SEGMENT_MAX ((size_t)16 << 20)
#define CHUNK_MIN ((size_t)1 << 10)
#define CHUNK_MAX ((size_t)1 << 20)
#define SEGMENTS_MAX 4096 /* 64 GiB of recording */

struct segment {
    unsigned char *data;
    size_t size;
    off_t offset; /* in the file */
};

struct prf_writer {
    struct prf_sink sink; /* first: a sink pointer is a writer pointer */
    char *path;
    char *base;    /* what the names of children's recordings start with */
    bool detached; /* the file is the parent's: no more segments */
    struct prf_rec_header *header; /* at the start of segments[0] */
    pthread_mutex_t lock;          /* protects what follows */
    size_t fill;                   /* bytes in use of the newest segment */
    size_t chunk_size[16];         /* of the next chunk of that kind */
    size_t n_segments;
    struct segment segments[SEGMENTS_MAX];
};

/* Space in the file first: touching a hole of a full disk would be a SIGBUS. */
static int
segment_allocate(int fd, off_t offset, size_t size)
{
    if (fallocate(fd, 0, offset, (off_t)size) == 0) {
        return 0;
    }
    if (errno == EOPNOTSUPP) {
        return ftruncate(fd, offset + (off_t)size);
    }
    return -1;
}

static int
segment_map(struct prf_writer *w, size_t size)
{
    if (w->n_segments == SEGMENTS_MAX || w->detached) {
        return -1;
    }
    struct segment *last = w->n_segments ? &w->segments[w->n_segments - 1] : NULL;
    off_t offset = last ? last->offset + (off_t)last->size : 0;
    int fd = open(w->path, O_RDWR | O_CLOEXEC);
    if (fd < 0) {
        return -1;
    }
    void *data = MAP_FAILED;
    if (segment_allocate(fd, offset, size) == 0) {
        data = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, offset);
    }
    int why = errno;
    close(fd);
    errno = why;
    if (data == MAP_FAILED) {
        return -1;
    }
    w->segments[w->n_segments++] = (struct segment){data, size, offset};
    w->fill = 0;
    return 0;
}

/* The next segment: at least `need` bytes, four times the last one, within limits. */
static int
segment_next(struct prf_writer *w, size_t need)
{
    struct segment *last = &w->segments[w->n_segments - 1];
    size_t size = last->size * 4 > SEGMENT_MAX ? SEGMENT_MAX : last->size * 4;
    need = (need + 4095) & ~(size_t)4095;
    if (segment_map(w, size > need ? size : need) == 0) {
        return 0;
    }
    /* Little address space or disk is left: take no more than is needed. */
    return size > need ? segment_map(w, need) : -1;
}

static size_t
writer_chunk_size(struct prf_writer *w, uint32_t kind, size_t min_bytes)
{
    if (kind == PRF_CHUNK_EVENT) {
        return min_bytes; /* one for each thread: the caller knows how many */
    }
    size_t *next = &w->chunk_size[kind & 15];
    size_t size = *next < CHUNK_MIN ? CHUNK_MIN : *next;
    *next = size * 2 > CHUNK_MAX ? CHUNK_MAX : size * 2;
    size -= sizeof(struct prf_chunk);
    return size > min_bytes ? size : min_bytes;
}

static int
writer_extend_locked(struct prf_writer *w, uint32_t kind, uint32_t row_size,
                     size_t min_bytes, struct prf_extent *out)
{
    size_t bytes = writer_chunk_size(w, kind, min_bytes);
    size_t whole = sizeof(struct prf_chunk) + bytes;
    whole = (whole + PRF_CHUNK_ALIGN - 1) & ~(size_t)(PRF_CHUNK_ALIGN - 1);
    struct segment *s = &w->segments[w->n_segments - 1];
    if (w->fill + whole > s->size) {
        /* A pad chunk covers the rest, so that a reader can walk over it. */
        size_t rest = s->size - w->fill;
        if (segment_next(w, whole) < 0) {
            return -1;
        }
        s = &w->segments[w->n_segments - 2];
        if (rest >= sizeof(struct prf_chunk)) {
            struct prf_chunk *pad = (struct prf_chunk *)(s->data + s->size - rest);
            pad->kind = PRF_CHUNK_PAD;
            pad->capacity = rest - sizeof *pad;
        }
        s = &w->segments[w->n_segments - 1];
    }
    struct prf_chunk *chunk = (struct prf_chunk *)(s->data + w->fill);
    chunk->kind = kind;
    chunk->row_size = row_size;
    chunk->capacity = whole - sizeof *chunk;
    w->fill += whole;
    atomic_store_explicit(&w->header->committed, (uint64_t)s->offset + w->fill,
                          memory_order_release);
    out->data = (unsigned char *)(chunk + 1);
    out->capacity = chunk->capacity;
    out->used = &chunk->used;
    return 0;
}

static int
writer_extend(struct prf_sink *sink, uint32_t kind, uint32_t row_size, size_t min_bytes,
              struct prf_extent *out)
{
    struct prf_writer *w = (struct prf_writer *)sink;
    pthread_mutex_lock(&w->lock);
    int rc = writer_extend_locked(w, kind, row_size, min_bytes, out);
    pthread_mutex_unlock(&w->lock);
    return rc;
}

static void
writer_lost(struct prf_sink *sink, uint64_t n)
{
    struct prf_writer *w = (struct prf_writer *)sink;
    atomic_fetch_add_explicit(&w->header->n_lost, n, memory_order_relaxed);
}

/* The pages stay in the file (and in the page cache while there is room). */
static void
writer_seal(struct prf_sink *sink, const struct prf_extent *extent)
{
    (void)sink;
    uintptr_t from = ((uintptr_t)extent->data + 4095) & ~(uintptr_t)4095;
    uintptr_t to = ((uintptr_t)extent->data + extent->capacity) & ~(uintptr_t)4095;
    if (to > from) {
        // NOLINTNEXTLINE(performance-no-int-to-ptr)
        madvise((void *)from, to - from, MADV_DONTNEED);
    }
}

static const char *
writer_base(struct prf_sink *sink)
{
    return ((struct prf_writer *)sink)->base;
}

static int writer_fork(struct prf_sink *sink);

static const struct prf_sink_ops writer_ops = {
    .extend = writer_extend,
    .lost = writer_lost,
    .seal = writer_seal,
    .fork = writer_fork,
    .base = writer_base,
};

static void
writer_init_header(struct prf_writer *w, double ns_per_tick)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    struct prf_rec_header *h = (struct prf_rec_header *)w->segments[0].data;
    h->version = PRF_RECORDING_VERSION;
    h->pid = (uint32_t)getpid();
    h->start_ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
    h->ns_per_tick = ns_per_tick;
    atomic_store(&h->committed, PRF_RECORDING_HEADER);
    memcpy(h->magic, PRF_RECORDING_MAGIC, sizeof PRF_RECORDING_MAGIC);
    w->header = h;
    w->fill = PRF_RECORDING_HEADER;
}

/* A new file for this process beside `base`; its path, the caller's, or NULL. */
static char *
writer_create_child(const char *base)
{
    char *path = NULL;
    int fd = -1;
    for (int i = 1; fd < 0 && i < 100; i++) { /* a process may have exec'ed Python */
        char number[16] = "";
        if (i > 1) {
            snprintf(number, sizeof number, ".%d", i);
        }
        free(path);
        if (asprintf(&path, "%s.%d%s", base, (int)getpid(), number) < 0) {
            return NULL;
        }
        fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (fd < 0 && errno != EEXIST) {
            break;
        }
    }
    if (fd < 0) {
        free(path);
        return NULL;
    }
    close(fd);
    return path;
}

/* `kind`'s chunks out of `from`, as far as `n` records; -1: no memory. */
static int
writer_copy_records(struct prf_writer *w, const struct prf_chunk *from, uint32_t *n)
{
    const unsigned char *row = (const unsigned char *)(from + 1);
    uint64_t used = atomic_load(&from->used);
    uint64_t end = 0;
    for (; *n > 0 && end < used; (*n)--) {
        uint32_t size;
        memcpy(&size, row + end, sizeof size);
        end += size;
    }
    struct prf_extent out;
    if (end > 0 && writer_extend(&w->sink, from->kind, 0, end, &out) == 0) {
        memcpy(out.data, row, end);
        atomic_store(out.used, end);
        return 0;
    }
    return end > 0 ? -1 : 0;
}

/* Schema and codes of the parent out of the private copies of its segments. It may have
   added codes since the fork: n_codes is from before. */
static int
writer_copy_parent(struct prf_writer *w, const struct segment *segments, size_t n)
{
    uint32_t n_codes = w->sink.n_codes, n_schema = UINT32_MAX;
    for (size_t i = 0; i < n; i++) {
        const unsigned char *data = segments[i].data;
        size_t at = i == 0 ? PRF_RECORDING_HEADER : 0;
        while (at + sizeof(struct prf_chunk) <= segments[i].size) {
            const struct prf_chunk *chunk = (const struct prf_chunk *)(data + at);
            int rc = 0;
            if (chunk->kind == PRF_CHUNK_CODE) {
                rc = writer_copy_records(w, chunk, &n_codes);
            } else if (chunk->kind == PRF_CHUNK_SCHEMA) {
                rc = writer_copy_records(w, chunk, &n_schema);
            }
            if (rc < 0) {
                return -1;
            }
            if (chunk->capacity == 0) {
                break; /* the rest of the newest segment */
            }
            at += sizeof *chunk + chunk->capacity;
        }
    }
    return n_codes == 0 ? 0 : -1;
}

/* The parent's segments stay mapped: rows that nobody reads are still written there. */
static int
writer_fork(struct prf_sink *sink)
{
    struct prf_writer *w = (struct prf_writer *)sink;
    size_t n = w->n_segments;
    struct segment *segments = malloc(n * sizeof *segments);
    char *path = segments ? writer_create_child(w->base) : NULL;
    if (path == NULL) {
        free(segments);
        return -1;
    }
    memcpy(segments, w->segments, n * sizeof *segments);
    free(w->path);
    w->path = path;
    w->detached = false;
    w->n_segments = 0;
    pthread_mutex_init(&w->lock, NULL); /* another thread may have held it */
    memset(w->chunk_size, 0, sizeof w->chunk_size);
    memset(sink->open, 0, sizeof sink->open);
    sink->n_threads = sink->n_snapshots = 0;
    int rc = segment_map(w, SEGMENT_MIN);
    if (rc == 0) {
        writer_init_header(w, sink->ns_per_tick);
        rc = writer_copy_parent(w, segments, n);
    }
    w->detached = rc < 0;
    free(segments);
    return rc;
}

int
prf_writer_open_child(const char *base, double ns_per_tick, struct prf_writer **out,
                      struct prf_error *err)
{
    char *path = writer_create_child(base);
    if (path == NULL) {
        return prf_fail(err, PRF_EIO, "cannot make a recording beside '%s': %s", base,
                        strerror(errno));
    }
    char *own = strdup(base);
    int rc = own ? prf_writer_open(path, ns_per_tick, out, err)
                 : prf_fail(err, PRF_ENOMEM, "out of memory");
    if (rc == 0) {
        free((*out)->base);
        (*out)->base = own;
        own = NULL;
    }
    free(own);
    free(path);
    return rc;
}

int
prf_writer_open(const char *path, double ns_per_tick, struct prf_writer **out,
                struct prf_error *err)
{
    int rc = 0;
    struct prf_writer *w = calloc(1, sizeof *w);
    if (w == NULL || (w->path = strdup(path)) == NULL ||
        (w->base = strdup(path)) == NULL) {
        rc = prf_fail(err, PRF_ENOMEM, "out of memory");
        goto out;
    }
    pthread_mutex_init(&w->lock, NULL);
    w->sink.ops = &writer_ops;
    w->sink.ns_per_tick = ns_per_tick;
    if (segment_map(w, SEGMENT_MIN) < 0) {
        rc = prf_fail(err, PRF_EIO, "cannot write the recording '%s': %s", path,
                      strerror(errno));
        goto out;
    }
    writer_init_header(w, ns_per_tick);
    *out = w;
    w = NULL;
out:
    prf_writer_close(w);
    return rc;
}

struct prf_sink *
prf_writer_sink(struct prf_writer *writer)
{
    return &writer->sink;
}

void
prf_writer_detach(struct prf_writer *w)
{
    int fd = open(w->path, O_RDONLY | O_CLOEXEC);
    for (size_t i = 0; i < w->n_segments; i++) {
        struct segment *s = &w->segments[i];
        void *data = MAP_FAILED;
        if (fd >= 0) {
            data = mmap(s->data, s->size, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_FIXED, fd, s->offset);
        }
        if (data == MAP_FAILED) { /* empty, but never the parent's */
            (void)mmap(s->data, s->size, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
        }
    }
    if (fd >= 0) {
        close(fd);
    }
    w->detached = true;
}

void
prf_writer_close(struct prf_writer *w)
{
    if (w == NULL) {
        return;
    }
    for (size_t i = 0; i < w->n_segments; i++) {
        munmap(w->segments[i].data, w->segments[i].size);
    }
    free(w->base);
    free(w->path);
    free(w);
}
