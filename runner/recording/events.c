/* Finding processes, threads, functions and chunks of events; see events.h. Only heads
   of chunks and small records are touched here, never the events. */
#include "events.h"

#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <pyprofiler/recording.h>
#include <pyprofiler/sink.h>

#include "events_index.h"
#include "reader.h"

#define EVENTS_GIVE_BACK ((size_t)4 << 20) /* bytes walked over between two calls */
#define EVENTS_SAME_CLOCK 0.01 /* calibrations of one counter differ by far less */

void
prf_pages_give_back(const void *data, size_t from, size_t to)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    from = (from + page - 1) / page * page;
    to = to / page * page;
    if (to > from) {
        madvise((unsigned char *)data + from, to - from, MADV_DONTNEED);
    }
}

void
prf_events_give_back(const struct prf_events_index *x, size_t from, size_t to)
{
    if (x->mapped) {
        prf_pages_give_back(x->data, from, to);
    }
}

/* Room for one more element in a list of `n`. */
static int
events_grow(void *list, size_t *room, size_t n, size_t size)
{
    void *old;
    if (n < *room) {
        return 0;
    }
    size_t more = *room == 0 ? 16 : *room * 2;
    memcpy(&old, list, sizeof old);
    void *grown = realloc(old, more * size);
    if (grown == NULL) {
        return PRF_ENOMEM;
    }
    memcpy(list, &grown, sizeof grown);
    *room = more;
    return 0;
}

/* Is there a recording in data[offset .. offset + size)? Its end is where the file or
   what was committed ends. */
static bool
events_is_recording(const struct prf_events_index *x, size_t offset, size_t size)
{
    const struct prf_rec_header *h = (const void *)(x->data + offset);
    return size >= PRF_RECORDING_HEADER &&
           memcmp(h->magic, PRF_RECORDING_MAGIC, sizeof PRF_RECORDING_MAGIC) == 0 &&
           h->version == PRF_RECORDING_VERSION;
}

static int
events_add_process(struct prf_events_index *x, size_t offset, size_t size,
                   uint32_t parent)
{
    struct prf_events *e = &x->events;
    const struct prf_rec_header *h = (const void *)(x->data + offset);
    if (events_grow(&e->processes, &x->processes_room, e->n_processes,
                    sizeof *e->processes) < 0 ||
        events_grow(&x->sources, &x->sources_room, e->n_processes, sizeof *x->sources) <
            0) {
        return PRF_ENOMEM;
    }
    double npt = h->ns_per_tick;
    bool usable = isfinite(npt) && npt > 1e-6 && npt < 1e9;
    x->sources[e->n_processes] = (struct prf_events_source){
        .offset = offset,
        .end = offset + prf_recording_size(h, size),
        .start_ns = h->start_ns,
        .first_ticks = UINT64_MAX,
        .ns_per_tick = usable ? npt : 1.0,
    };
    e->processes[e->n_processes++] = (struct prf_event_process){
        .pid = h->pid,
        .parent = parent,
        .last_ns = -1,
        .n_lost = atomic_load_explicit(&h->n_lost, memory_order_relaxed),
    };
    return 0;
}

/* ---- records ---- */

static int
events_code(struct prf_events_index *x, uint32_t process, const unsigned char *record,
            size_t size)
{
    struct prf_events_source *s = &x->sources[process];
    if (events_grow(&s->codes, &s->codes_room, s->n_codes, sizeof *s->codes) < 0) {
        return PRF_ENOMEM;
    }
    int rc = prf_functions_add(&x->codes, record, size, &s->codes[s->n_codes]);
    s->n_codes++;
    x->events.n_damaged += rc > 0 && process > 0; /* the reader counts its own */
    return rc < 0 ? rc : 0;
}

static int
events_thread(struct prf_events_index *x, uint32_t process, const unsigned char *record,
              size_t size)
{
    struct prf_events *e = &x->events;
    struct prf_rec_thread rec = {0};
    if (events_grow(&e->threads, &x->threads_room, e->n_threads, sizeof *e->threads) <
        0) {
        return PRF_ENOMEM;
    }
    bool whole = size >= sizeof rec;
    if (whole) {
        memcpy(&rec, record, sizeof rec);
        whole = rec.name_len <= size - sizeof rec;
    }
    e->n_damaged += !whole;
    const char *text = (const char *)record + sizeof rec;
    const char *name = prf_arena_strndup(&x->arena, text, whole ? rec.name_len : 0);
    if (name == NULL) {
        return PRF_ENOMEM;
    }
    e->threads[e->n_threads++] =
        (struct prf_event_thread){.process = process, .tid = rec.tid, .name = name};
    e->processes[process].n_threads++;
    return 0;
}

/* Notes of child processes: those of the recording itself are the profile's. */
static int
events_info(struct prf_events_index *x, uint32_t process, const unsigned char *record,
            size_t size)
{
    struct prf_rec_info rec;
    struct prf_event_process *p = &x->events.processes[process];
    const char *text = (const char *)record + sizeof rec;
    if (process == 0 || size < sizeof rec) {
        return 0;
    }
    memcpy(&rec, record, sizeof rec);
    if ((uint64_t)rec.key_len + rec.text_len > size - sizeof rec ||
        rec.key_len != strlen(PRF_INFO_NOTE) ||
        memcmp(text, PRF_INFO_NOTE, rec.key_len) != 0) {
        return 0;
    }
    /* Notes are few: each makes the list anew. */
    const char **notes = prf_arena_alloc(&x->arena, (p->n_notes + 1) * sizeof *notes);
    const char *note = prf_arena_strndup(&x->arena, text + rec.key_len, rec.text_len);
    if (notes == NULL || note == NULL) {
        return PRF_ENOMEM;
    }
    if (p->n_notes > 0) {
        memcpy(notes, p->notes, p->n_notes * sizeof *notes);
    }
    notes[p->n_notes++] = note;
    p->notes = notes;
    return 0;
}

typedef int events_record(struct prf_events_index *x, uint32_t process,
                          const unsigned char *record, size_t size);

static int
events_records(struct prf_events_index *x, uint32_t process,
               const struct prf_chunk *chunk, uint64_t used, events_record *visit)
{
    const unsigned char *p = (const unsigned char *)(chunk + 1), *end = p + used;
    while (p < end) {
        uint32_t size = 0;
        size_t left = (size_t)(end - p);
        if (left >= sizeof size) {
            memcpy(&size, p, sizeof size);
        }
        if (size < 8 || size > left) {
            x->events.n_damaged += process > 0;
            return 0;
        }
        int rc = visit(x, process, p, size);
        if (rc < 0) {
            return rc;
        }
        p += size;
    }
    return 0;
}

/* ---- chunks ---- */

/* Its thread as the chunk names it: the record may come later. */
static int
events_chunk(struct prf_events_index *x, uint32_t process,
             const struct prf_chunk *chunk, uint64_t used)
{
    struct prf_events *e = &x->events;
    struct prf_event_chunk head;
    if (used < sizeof head) {
        return 0; /* opened, and nothing written */
    }
    if (events_grow(&x->chunks, &x->chunks_room, e->n_chunks, sizeof *x->chunks) < 0 ||
        e->n_chunks >= PRF_EVENTS_NONE) {
        return PRF_ENOMEM;
    }
    memcpy(&head, chunk + 1, sizeof head);
    x->chunks[e->n_chunks++] = (struct prf_events_chunk){
        .offset = (size_t)((const unsigned char *)chunk - x->data),
        .thread = head.thread,
        .next = PRF_EVENTS_NONE,
    };
    struct prf_events_source *s = &x->sources[process];
    if (used > sizeof head && head.ticks < s->first_ticks) {
        s->first_ticks = head.ticks;
    }
    return 0;
}

static int
events_child(struct prf_events_index *x, uint32_t process,
             const struct prf_chunk *chunk, uint64_t used)
{
    size_t offset = (size_t)((const unsigned char *)(chunk + 1) - x->data);
    if (!events_is_recording(x, offset, used)) {
        x->events.n_damaged++;
        return 0;
    }
    return events_add_process(x, offset, used, process);
}

static int
events_visit(struct prf_events_index *x, uint32_t process,
             const struct prf_chunk *chunk, uint64_t used)
{
    switch (chunk->kind) {
    case PRF_CHUNK_EVENT:
        return events_chunk(x, process, chunk, used);
    case PRF_CHUNK_PROCESS:
        return events_child(x, process, chunk, used);
    case PRF_CHUNK_CODE:
        return events_records(x, process, chunk, used, events_code);
    case PRF_CHUNK_THREAD:
        return events_records(x, process, chunk, used, events_thread);
    case PRF_CHUNK_INFO:
        return events_records(x, process, chunk, used, events_info);
    default:
        return 0;
    }
}

static int
events_walk(struct prf_events_index *x, uint32_t process)
{
    size_t at = x->sources[process].offset + PRF_RECORDING_HEADER;
    size_t end = x->sources[process].end, kept = at;
    int rc = 0;
    while (rc == 0 && at + sizeof(struct prf_chunk) <= end) {
        const struct prf_chunk *chunk = (const void *)(x->data + at);
        size_t room = end - at - sizeof *chunk;
        uint64_t used = atomic_load_explicit(&chunk->used, memory_order_acquire);
        uint64_t capacity = chunk->capacity;
        if (used > capacity || capacity % 8 != 0) {
            x->events.n_damaged += process > 0;
            break; /* without a length there is no way to the next chunk */
        }
        if (capacity > room) { /* the file was cut off: what is there counts */
            x->events.n_damaged += process > 0;
            rc = chunk->kind == PRF_CHUNK_EVENT
                     ? events_chunk(x, process, chunk, used < room ? used : room)
                     : 0;
            break;
        }
        rc = events_visit(x, process, chunk, used);
        at += sizeof *chunk + capacity;
        if (at - kept >= EVENTS_GIVE_BACK) {
            prf_events_give_back(x, kept, at);
            kept = at;
        }
    }
    prf_events_give_back(x, kept, at);
    return rc;
}

/* ---- what can be said when all is known ---- */

/* Give chunks their threads and bring those of each thread in a chain. */
static int
events_link(struct prf_events_index *x)
{
    struct prf_events *e = &x->events;
    uint32_t *last = malloc((e->n_threads + 1) * sizeof *last);
    x->first_chunk = malloc((e->n_threads + 1) * sizeof *x->first_chunk);
    if (last == NULL || x->first_chunk == NULL) {
        free(last);
        return PRF_ENOMEM;
    }
    memset(x->first_chunk, 0xFF, (e->n_threads + 1) * sizeof *x->first_chunk);
    size_t n = 0, process = 0;
    for (size_t i = 0; i < e->n_chunks; i++) {
        while (process + 1 < e->n_processes &&
               i >= x->sources[process + 1].first_chunk) {
            process++;
        }
        struct prf_events_chunk chunk = x->chunks[i];
        if (chunk.thread == 0 || chunk.thread > e->processes[process].n_threads) {
            e->n_damaged++;
            continue;
        }
        chunk.thread += e->processes[process].first_thread - 1;
        uint32_t *link = e->threads[chunk.thread].has_events
                             ? &x->chunks[last[chunk.thread]].next
                             : &x->first_chunk[chunk.thread];
        e->threads[chunk.thread].has_events = true;
        *link = last[chunk.thread] = (uint32_t)n;
        x->chunks[n++] = chunk;
    }
    e->n_chunks = n;
    free(last);
    return 0;
}

/* Processes of one machine read one counter. Their calibrations differ a little: the
   first one's is used for all, or times would drift apart. A process whose ticks are of
   another kind is placed by the moment at which its recording was opened. */
static bool
events_same_clock(const struct prf_events_source *a, const struct prf_events_source *b)
{
    bool counter = a->ns_per_tick != 1.0 && b->ns_per_tick != 1.0;
    double ratio = a->ns_per_tick / b->ns_per_tick;
    return counter ? fabs(ratio - 1.0) < EVENTS_SAME_CLOCK
                   : a->ns_per_tick == b->ns_per_tick;
}

static void
events_clocks(struct prf_events_index *x)
{
    const struct prf_events_source *first = &x->sources[0];
    uint64_t base = UINT64_MAX;
    for (size_t i = 0; i < x->events.n_processes; i++) {
        const struct prf_events_source *s = &x->sources[i];
        if (events_same_clock(first, s) && s->first_ticks < base) {
            base = s->first_ticks;
        }
    }
    for (size_t i = 0; i < x->events.n_processes; i++) {
        struct prf_events_source *s = &x->sources[i];
        s->clock = (struct prf_events_clock){first->ns_per_tick, base, 0};
        if (!events_same_clock(first, s)) {
            int64_t apart = (int64_t)(s->start_ns - first->start_ns);
            s->clock = (struct prf_events_clock){s->ns_per_tick, s->first_ticks,
                                                 apart > 0 ? apart : 0};
        }
    }
}

static int
events_read(struct prf_events_index *x)
{
    struct prf_events *e = &x->events;
    int rc = events_add_process(x, 0, x->size, 0);
    if (rc == 0) {
        rc = prf_functions_init(&x->codes, &x->arena);
    }
    for (uint32_t i = 0; rc == 0 && i < e->n_processes; i++) {
        e->processes[i].first_thread = (uint32_t)e->n_threads;
        x->sources[i].first_chunk = e->n_chunks;
        rc = events_walk(x, i);
    }
    if (rc == 0) {
        rc = events_link(x);
        events_clocks(x);
        e->codes = x->codes.list;
        e->n_codes = x->codes.n;
        e->start_ns = x->sources[0].start_ns;
        e->index = x;
    }
    return rc;
}

int
prf_events_open(const void *data, size_t size, unsigned flags, struct prf_events **out,
                struct prf_error *err)
{
    struct prf_events_index *x = calloc(1, sizeof *x);
    if (x == NULL) {
        return prf_fail(err, PRF_ENOMEM, "out of memory");
    }
    x->data = data;
    x->size = size;
    x->mapped = (flags & PRF_EVENTS_MAPPED) != 0;
    x->events.index = x;
    int rc = 0;
    if (!events_is_recording(x, 0, size)) {
        rc = prf_fail(err, PRF_ECORRUPT, "not a recording of version %u",
                      PRF_RECORDING_VERSION);
    } else if (events_read(x) < 0) {
        rc = prf_fail(err, PRF_ENOMEM, "out of memory while reading events");
    }
    if (rc < 0) {
        prf_events_free(&x->events);
        return rc;
    }
    *out = &x->events;
    return 0;
}

void
prf_events_free(struct prf_events *events)
{
    if (events == NULL) {
        return;
    }
    struct prf_events_index *x = events->index;
    for (size_t i = 0; i < events->n_processes; i++) {
        free(x->sources[i].codes);
    }
    free(events->processes);
    free(events->threads);
    free(x->sources);
    free(x->chunks);
    free(x->first_chunk);
    prf_functions_release(&x->codes);
    prf_arena_release(&x->arena);
    free(x);
}
