/* Records and rows over the extents of any sink; see <pyprofiler/sink.h>. */
#include <pyprofiler/sink.h>

#include <stdlib.h>

#include <pyprofiler/backend.h>

void
prf_rows_init(struct prf_rows *rows, struct prf_sink *sink, uint32_t kind,
              uint32_t row_size)
{
    *rows = (struct prf_rows){.sink = sink, .kind = kind, .row_size = row_size};
}

int
prf_rows_extend(struct prf_rows *rows)
{
    struct prf_extent next;
    struct prf_sink *sink = rows->sink;
    if (sink->ops->extend(sink, rows->kind, rows->row_size, rows->row_size, &next) <
        0) {
        sink->ops->lost(sink, 1);
        return -1;
    }
    rows->extent = next;
    return 0;
}

/* Zeroed room for a record of `size` bytes, a multiple of 8; NULL: lost. The record is
   part of the result once sink_commit has been called for it. */
static void *
sink_reserve(struct prf_sink *sink, uint32_t kind, size_t size)
{
    struct prf_extent *e = &sink->open[kind];
    uint64_t used = e->used ? atomic_load_explicit(e->used, memory_order_relaxed) : 0;
    if (used + size > e->capacity) {
        if (size > UINT32_MAX || sink->ops->extend(sink, kind, 0, size, e) < 0) {
            sink->ops->lost(sink, 1);
            return NULL;
        }
        used = 0;
    }
    return e->data + used;
}

static void
sink_commit(struct prf_sink *sink, uint32_t kind, size_t size)
{
    atomic_fetch_add_explicit(sink->open[kind].used, size, memory_order_release);
}

static size_t
sink_round(size_t size)
{
    return (size + 7) & ~(size_t)7;
}

uint32_t
prf_sink_code(struct prf_sink *sink, const char *file, const char *name,
              const char *qualname, uint32_t first_line, uint32_t flags)
{
    struct prf_rec_code head = {
        .first_line = first_line,
        .flags = flags,
        .file_len = (uint32_t)strlen(file),
        .name_len = (uint32_t)strlen(name),
        .qual_len = (uint32_t)strlen(qualname),
    };
    size_t size =
        sink_round(sizeof head + head.file_len + head.name_len + head.qual_len);
    head.size = (uint32_t)size;
    char *room = sink_reserve(sink, PRF_CHUNK_CODE, size);
    if (room == NULL) {
        return 0;
    }
    char *text = room + sizeof head;
    memcpy(room, &head, sizeof head);
    memcpy(text, file, head.file_len);
    memcpy(text + head.file_len, name, head.name_len);
    memcpy(text + head.file_len + head.name_len, qualname, head.qual_len);
    sink_commit(sink, PRF_CHUNK_CODE, size);
    return ++sink->n_codes;
}

void
prf_sink_sample(struct prf_rows *samples, uint32_t metric, uint32_t flags, double value)
{
    bool muted = metric < 64 && (samples->sink->muted >> metric & 1);
    struct prf_rec_sample *row = muted ? NULL : prf_rows_add(samples);
    if (row != NULL) {
        *row =
            (struct prf_rec_sample){.metric = metric, .flags = flags, .value = value};
    }
}

void
prf_sink_mark(struct prf_sink *sink, const struct prf_rec_mark *mark, const char *name)
{
    struct prf_rec_mark head = *mark;
    head.name_len = (uint32_t)strlen(name);
    size_t size = sink_round(sizeof head + head.name_len);
    head.size = (uint32_t)size;
    char *room = sink_reserve(sink, PRF_CHUNK_MARK, size);
    if (room != NULL) {
        memcpy(room, &head, sizeof head);
        memcpy(room + sizeof head, name, head.name_len);
        sink_commit(sink, PRF_CHUNK_MARK, size);
    }
}

struct prf_rec_thread *
prf_sink_thread_slot(struct prf_sink *sink, uint64_t tid, size_t room)
{
    size_t size = sink_round(sizeof(struct prf_rec_thread) + room);
    struct prf_rec_thread *record = sink_reserve(sink, PRF_CHUNK_THREAD, size);
    if (record == NULL) {
        return NULL;
    }
    *record = (struct prf_rec_thread){.size = (uint32_t)size, .tid = tid};
    sink_commit(sink, PRF_CHUNK_THREAD, size);
    sink->n_threads++;
    return record;
}

uint32_t
prf_sink_thread(struct prf_sink *sink, uint64_t tid, const char *name)
{
    size_t len = strlen(name);
    struct prf_rec_thread *record = prf_sink_thread_slot(sink, tid, len);
    if (record == NULL) {
        return 0;
    }
    memcpy(record + 1, name, len); // NOLINT(bugprone-not-null-terminated-result)
    record->name_len = (uint32_t)len;
    return sink->n_threads;
}

uint32_t
prf_sink_snapshot(struct prf_sink *sink, const struct prf_rec_snapshot *snapshot,
                  const char *name)
{
    struct prf_rec_snapshot head = *snapshot;
    head.name_len = (uint32_t)strlen(name);
    size_t size = sink_round(sizeof head + head.name_len);
    head.size = (uint32_t)size;
    char *room = sink_reserve(sink, PRF_CHUNK_SNAPSHOT, size);
    if (room == NULL) {
        return UINT32_MAX;
    }
    memcpy(room, &head, sizeof head);
    memcpy(room + sizeof head, name, head.name_len);
    sink_commit(sink, PRF_CHUNK_SNAPSHOT, size);
    return sink->n_snapshots++;
}

void
prf_sink_schema(struct prf_sink *sink, const struct prf_metric *metrics)
{
    for (const struct prf_metric *m = metrics; m->name != NULL; m++) {
        struct prf_rec_schema head = {
            .scope = (uint8_t)m->scope,
            .better = (uint8_t)m->better,
            .fold = (uint8_t)m->fold,
            .name_len = (uint8_t)strlen(m->name),
            .unit_len = (uint8_t)strlen(m->unit),
        };
        size_t size = sink_round(sizeof head + head.name_len + head.unit_len);
        head.size = (uint32_t)size;
        char *room = sink_reserve(sink, PRF_CHUNK_SCHEMA, size);
        if (room != NULL) {
            memcpy(room, &head, sizeof head);
            memcpy(room + sizeof head, m->name, head.name_len);
            memcpy(room + sizeof head + head.name_len, m->unit, head.unit_len);
            sink_commit(sink, PRF_CHUNK_SCHEMA, size);
        }
    }
}

/* An info record without its text; `*size` is that of the whole record, to be committed
   when the text is there. */
static char *
sink_reserve_info(struct prf_sink *sink, const char *key, size_t text_len, size_t *size)
{
    struct prf_rec_info head = {
        .key_len = (uint32_t)strlen(key),
        .text_len = (uint32_t)text_len,
    };
    *size = sink_round(sizeof head + head.key_len + text_len);
    head.size = (uint32_t)*size;
    char *room = sink_reserve(sink, PRF_CHUNK_INFO, *size);
    if (room == NULL) {
        return NULL;
    }
    memcpy(room, &head, sizeof head);
    memcpy(room + sizeof head, key, head.key_len);
    return room + sizeof head + head.key_len;
}

void
prf_sink_info(struct prf_sink *sink, const char *key, const char *text)
{
    size_t size, len = strlen(text);
    char *room = sink_reserve_info(sink, key, len, &size);
    if (room != NULL) {
        memcpy(room, text, len); // NOLINT(bugprone-not-null-terminated-result)
        sink_commit(sink, PRF_CHUNK_INFO, size);
    }
}

char *
prf_sink_info_slot(struct prf_sink *sink, const char *key, size_t text_size)
{
    size_t size;
    char *room = sink_reserve_info(sink, key, text_size, &size);
    if (room != NULL) {
        sink_commit(sink, PRF_CHUNK_INFO, size);
    }
    return room;
}
