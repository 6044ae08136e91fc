/* Where the events of a recording are; for events.c and event_cursor.c alone. */
#ifndef PRF_EVENTS_INDEX_H
#define PRF_EVENTS_INDEX_H

#include "events.h"

#define PRF_EVENTS_NONE UINT32_MAX

/* A chunk of events whose thread is known. */
struct prf_events_chunk {
    size_t offset;   /* of its prf_chunk, in the whole recording */
    uint32_t thread; /* index in threads[] */
    uint32_t next;   /* the next chunk of that thread, or PRF_EVENTS_NONE */
};

struct prf_events_clock {
    double ns_per_tick;
    uint64_t base_ticks;
    int64_t base_ns; /* at base_ticks */
};

/* What is known of a process only while and where its recording is read. */
struct prf_events_source {
    size_t offset, end; /* of its recording, in the whole one */
    uint32_t *codes;    /* code id - 1 -> index in codes[] */
    size_t n_codes, codes_room;
    size_t first_chunk;
    uint64_t start_ns, first_ticks;
    double ns_per_tick;
    struct prf_events_clock clock;
};

struct prf_events_index {
    struct prf_events events; /* what the caller sees */
    const unsigned char *data;
    size_t size;
    bool mapped;
    struct prf_arena arena;
    struct prf_functions codes;
    struct prf_events_source *sources; /* of processes[i] */
    struct prf_events_chunk *chunks; /* process by process, in the order of the file */
    uint32_t *first_chunk;           /* of a thread, or PRF_EVENTS_NONE */
    size_t sources_room, processes_room, threads_room, chunks_room;
    bool surveyed; /* when each process was seen last is known */
};

/* The pages from `from` to `to` will not be read soon. */
void prf_events_give_back(const struct prf_events_index *x, size_t from, size_t to);

#endif
