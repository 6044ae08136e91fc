/* The events of a recording and of the recordings of child processes in it, read where
   they stand: nothing but what is open at a moment is held in memory. No byte is
   trusted. Times are nanoseconds on one clock for all processes; 0 is the first event.
 */
#ifndef PRF_EVENTS_READ_H
#define PRF_EVENTS_READ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <pyprofiler/error.h>
#include <pyprofiler/events.h>

#include "functions.h"

struct prf_event_process {
    uint32_t pid;
    uint32_t parent; /* index of the process whose recording has this one in it */
    uint32_t first_thread, n_threads; /* in threads[] */
    uint64_t n_lost;                  /* what its hooks could not record */
    int64_t last_ns;                  /* of its last event; -1: not read so far */
    const char **notes;               /* of a child: see PRF_INFO_NOTE */
    size_t n_notes;
};

struct prf_event_thread {
    uint32_t process; /* index in processes[] */
    uint64_t tid;
    const char *name; /* "" when it has none */
    bool has_events;
};

struct prf_events_index; /* where the chunks are */

/* Child processes come after their parents, threads process by process. */
struct prf_events {
    struct prf_event_process *processes; /* [0]: the recording itself */
    size_t n_processes;
    struct prf_event_thread *threads;
    size_t n_threads;
    const struct prf_function *codes; /* of all processes; starts with those of [0] */
    size_t n_codes;
    size_t n_chunks;
    size_t n_damaged;  /* entries that had to be left out */
    uint64_t start_ns; /* CLOCK_MONOTONIC when the recording was opened */
    struct prf_events_index *index;
};

enum prf_events_flags {
    /* `data` is a mapping of a file that nobody writes to: pages that were read are
       given back, so that reading a long recording takes little memory. */
    PRF_EVENTS_MAPPED = 1,
};

/* `data` is borrowed until prf_events_free. PRF_ECORRUPT: it is no recording;
   PRF_ENOMEM. A recording without events is fine: n_chunks is 0. */
int prf_events_open(const void *data, size_t size, unsigned flags,
                    struct prf_events **out, struct prf_error *err);
void prf_events_free(struct prf_events *events);

/* Give back the whole pages of data[from .. to), which is a mapping of a file: they are
   read again when they are touched. */
void prf_pages_give_back(const void *data, size_t from, size_t to);

/* Text in the recording: not terminated, not known to be UTF-8. */
struct prf_text {
    const char *data;
    size_t len;
};

/* A call that has not ended. */
struct prf_call {
    uint32_t code;      /* index in codes[]; 0: not known, its beginning was lost */
    uint32_t user;      /* the reader's own; starts as that of the caller, or 0 */
    uint64_t n_unknown; /* code 0: how many calls this entry stands for */
    int64_t began_ns;
    int64_t inner_ns;     /* time in what it called so far */
    struct prf_text args; /* JSON object, or empty */
};

/* Calls come as they begin (CALL) and end (RETURN, UNWIND); notes come with them. Calls
   that are open when the recording ends are ended at the process's last event. */
struct prf_event {
    enum prf_event_op op;    /* never PRF_EVENT_NOTE */
    uint32_t thread;         /* index in threads[] */
    int64_t at_ns;           /* never less than the thread's event before */
    struct prf_call *call;   /* CALL, RETURN, UNWIND: until the next event is read;
                                others: the innermost one, or NULL */
    struct prf_call *caller; /* CALL, RETURN, UNWIND: NULL when there is none */
    bool cut;                /* RETURN: its end was not seen */
    struct prf_text name;    /* INSTANT, COUNTER, SPAN */
    struct prf_text text;    /* INSTANT, EXCEPTION; RETURN: the value, a JSON object */
    double value;            /* COUNTER */
    enum prf_span span;
    bool ends; /* SPAN */
};

struct prf_event_cursor;

#define PRF_EVENTS_ALL UINT32_MAX

/* Read one thread, or all of them in the order of the file. `events` is borrowed. */
int prf_event_cursor_open(struct prf_events *events, uint32_t thread,
                          struct prf_event_cursor **out, struct prf_error *err);
void prf_event_cursor_free(struct prf_event_cursor *cursor);

/* 1: an event, 0: no more, PRF_ENOMEM. */
int prf_event_next(struct prf_event_cursor *cursor, struct prf_event *event);

/* What the cursor met so far: damaged entries, ends of calls that had not begun. */
size_t prf_event_cursor_damaged(const struct prf_event_cursor *cursor);
size_t prf_event_cursor_unmatched(const struct prf_event_cursor *cursor);

#endif
