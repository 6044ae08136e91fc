/* Streams of events written by hand for tests. Include after cmocka.h. */
#ifndef PRF_TEST_EVENT_STREAM_H
#define PRF_TEST_EVENT_STREAM_H

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <pyprofiler/backend.h>
#include <pyprofiler/events.h>
#include <pyprofiler/sink.h>

#include "events.h"
#include "writer.h"

static const struct prf_metric stream_metrics[] = {
    {"calls", "count", PRF_SCOPE_NODE, PRF_BETTER_NONE, PRF_FOLD_CALLS, ""},
    {"time", "tick", PRF_SCOPE_NODE, PRF_BETTER_LESS, PRF_FOLD_COST, ""},
    {NULL},
};

/* A recording that is being written. */
struct stream_file {
    char path[64];
    struct prf_writer *writer;
    struct prf_sink *sink;
};

/* A thread's events: ticks are absolute, the deltas are ours. */
struct stream {
    struct prf_sink *sink;
    uint32_t thread, depth;
    uint64_t ticks;
    size_t chunk_bytes;
    struct prf_extent extent;
    unsigned char *p, *end;
};

static inline void
stream_open(struct stream_file *f, double ns_per_tick)
{
    struct prf_error err = {0};
    strcpy(f->path, "/tmp/prf-events-XXXXXX");
    int fd = mkstemp(f->path);
    assert_true(fd >= 0);
    close(fd);
    if (prf_writer_open(f->path, ns_per_tick, &f->writer, &err) < 0) {
        fail_msg("%s", err.text);
    }
    f->sink = prf_writer_sink(f->writer);
    prf_sink_schema(f->sink, stream_metrics);
}

static inline void
stream_close(struct stream_file *f)
{
    prf_writer_close(f->writer);
    f->writer = NULL;
    unlink(f->path);
}

/* The recording as a mapping of its file; *size is that of the file. */
static inline void *
stream_map(const struct stream_file *f, size_t *size)
{
    struct stat st;
    int fd = open(f->path, O_RDONLY);
    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &st), 0);
    void *map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
    assert_true(map != MAP_FAILED);
    close(fd);
    *size = (size_t)st.st_size;
    return map;
}

/* Give the process of the recording another id. */
static inline void
stream_set_pid(const struct stream_file *f, uint32_t pid)
{
    int fd = open(f->path, O_RDWR);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, &pid, sizeof pid, offsetof(struct prf_rec_header, pid)),
                     sizeof pid);
    close(fd);
}

static inline struct stream
stream_thread(struct stream_file *f, uint64_t tid, const char *name)
{
    return (struct stream){.sink = f->sink,
                           .thread = prf_sink_thread(f->sink, tid, name),
                           .chunk_bytes = 4096};
}

/* A chunk that begins at `ticks`, with as many open calls as the stream has. */
static inline void
stream_chunk(struct stream *s, uint64_t ticks)
{
    struct prf_event_chunk head = {s->thread, s->depth, ticks};
    assert_int_equal(
        s->sink->ops->extend(s->sink, PRF_CHUNK_EVENT, 0, s->chunk_bytes, &s->extent),
        0);
    memcpy(s->extent.data, &head, sizeof head);
    s->p = s->extent.data + sizeof head;
    s->end = s->extent.data + s->extent.capacity;
    s->ticks = ticks;
    atomic_store(s->extent.used, sizeof head);
}

static inline void
stream_commit(struct stream *s)
{
    atomic_store(s->extent.used, (uint64_t)(s->p - s->extent.data));
}

static inline void
stream_room(struct stream *s, uint64_t ticks, size_t bytes)
{
    if (s->p == NULL || s->p + bytes > s->end) {
        stream_chunk(s, ticks);
    }
}

static inline void
stream_put_text(struct stream *s, const char *text)
{
    size_t len = strlen(text);
    s->p = prf_leb128_put(s->p, len);
    memcpy(s->p, text, len);
    s->p += len;
}

/* `argument` and op, with the text that may follow. */
static inline void
stream_head(struct stream *s, uint64_t argument, enum prf_event_op op)
{
    s->p = prf_leb128_put(s->p, argument << 3 | op);
}

static inline uint64_t
stream_delta(struct stream *s, uint64_t ticks, size_t text)
{
    stream_room(s, ticks, 32 + text);
    uint64_t delta = ticks - s->ticks;
    s->ticks = ticks;
    return delta;
}

static inline void
stream_call(struct stream *s, uint64_t ticks, uint32_t code)
{
    uint64_t delta = stream_delta(s, ticks, 0);
    stream_head(s, code, PRF_EVENT_CALL);
    s->p = prf_leb128_put(s->p, delta);
    s->depth++;
    stream_commit(s);
}

static inline void
stream_end(struct stream *s, uint64_t ticks, enum prf_event_op op)
{
    stream_head(s, stream_delta(s, ticks, 0), op);
    s->depth -= s->depth > 0;
    stream_commit(s);
}

static inline void
stream_return(struct stream *s, uint64_t ticks)
{
    stream_end(s, ticks, PRF_EVENT_RETURN);
}

static inline void
stream_note(struct stream *s, enum prf_note kind, const char *json)
{
    stream_room(s, s->ticks, 32 + strlen(json));
    stream_head(s, kind, PRF_EVENT_NOTE);
    stream_put_text(s, json);
    stream_commit(s);
}

static inline void
stream_instant(struct stream *s, uint64_t ticks, const char *name, const char *json)
{
    stream_head(s, stream_delta(s, ticks, strlen(name) + strlen(json)),
                PRF_EVENT_INSTANT);
    stream_put_text(s, name);
    stream_put_text(s, json);
    stream_commit(s);
}

static inline void
stream_counter(struct stream *s, uint64_t ticks, const char *name, double value)
{
    stream_head(s, stream_delta(s, ticks, strlen(name)), PRF_EVENT_COUNTER);
    stream_put_text(s, name);
    memcpy(s->p, &value, sizeof value);
    s->p += sizeof value;
    stream_commit(s);
}

static inline void
stream_exception(struct stream *s, uint64_t ticks, const char *text)
{
    stream_head(s, stream_delta(s, ticks, strlen(text)), PRF_EVENT_EXCEPTION);
    stream_put_text(s, text);
    stream_commit(s);
}

static inline void
stream_span(struct stream *s, uint64_t ticks, enum prf_span span, bool ends,
            const char *name)
{
    stream_head(s, stream_delta(s, ticks, strlen(name)), PRF_EVENT_SPAN);
    s->p = prf_leb128_put(s->p, (uint64_t)span << 1 | ends);
    stream_put_text(s, name);
    stream_commit(s);
}

/* The bytes of `child` as a process within `f`. */
static inline void
stream_child(struct stream_file *f, const struct stream_file *child)
{
    size_t size;
    struct prf_extent extent;
    void *map = stream_map(child, &size);
    const struct prf_rec_header *h = map;
    size_t used = (size_t)h->committed;
    assert_int_equal(f->sink->ops->extend(f->sink, PRF_CHUNK_PROCESS, 0, used, &extent),
                     0);
    memcpy(extent.data, map, used);
    atomic_store(extent.used, used);
    munmap(map, size);
}

#endif
