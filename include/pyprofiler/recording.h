/* The recording: the file that carries everything from the measured process to the
   runner, laid out so that whatever kills the writer, all it committed can be read.

   A header page, then chunks, each on a 64-byte boundary. A chunk is appended by moving
   the header's `committed` past it, after its own head is complete; its `used` grows as
   rows or records are completed. A child process of the measured one may leave a
   recording of its own beside it: its name is followed by "." and the child's process
   id, and by "." and a number more when that name was taken. All integers are of the machine's byte order: a
   recording is read on the machine that wrote it. */
#ifndef PYPROFILER_RECORDING_H
#define PYPROFILER_RECORDING_H

#include <stdint.h>

#define PRF_RECORDING_MAGIC "PRFREC1"
#define PRF_RECORDING_VERSION 1u
#define PRF_RECORDING_HEADER 4096u /* bytes before the first chunk */
#define PRF_CHUNK_ALIGN 64u

struct prf_rec_header {
    char magic[8];
    uint32_t version;
    uint32_t pid;               /* of the process that is measured */
    _Atomic uint64_t committed; /* offset of the end of the last whole chunk */
    uint64_t start_ns;          /* CLOCK_MONOTONIC when the writer opened it */
    double ns_per_tick;         /* of the unit "tick"; 1.0: ticks are nanoseconds */
    _Atomic uint64_t n_lost;    /* what hooks could not record */
};

enum prf_chunk_kind {
    PRF_CHUNK_PAD = 0,    /* skip */
    PRF_CHUNK_INFO = 1,   /* records: prf_rec_info, key and text */
    PRF_CHUNK_SCHEMA = 2, /* records: prf_rec_schema, the backend's metrics in order */
    PRF_CHUNK_CODE = 3,   /* records: prf_rec_code; ids count from 1 in file order */
    PRF_CHUNK_NODE = 4,   /* rows: prf_rec_node + columns; ids count from 1 */
    PRF_CHUNK_SITE = 5,   /* rows: prf_rec_site + columns */
    PRF_CHUNK_EDGE = 6,   /* rows: prf_rec_edge + columns */
    PRF_CHUNK_SAMPLE = 7, /* rows: prf_rec_sample */
    PRF_CHUNK_MARK = 8,   /* records: prf_rec_mark */
    PRF_CHUNK_SERIES = 9, /* rows: prf_rec_point */
    PRF_CHUNK_EVENT = 10, /* a stream, see <pyprofiler/events.h>; row_size 0 */
    PRF_CHUNK_PROCESS = 11,  /* a whole recording: that of a child process */
    PRF_CHUNK_STACK = 12,    /* rows: prf_rec_stack; ids count from 1 */
    PRF_CHUNK_SNAPSHOT = 13, /* records: prf_rec_snapshot, in order of time */
    PRF_CHUNK_HELD = 14,     /* rows: prf_rec_held */
    PRF_CHUNK_THREAD = 15,   /* records: prf_rec_thread; ids count from 1 */
};

struct prf_chunk {
    uint32_t kind;     /* enum prf_chunk_kind */
    uint32_t row_size; /* bytes of a row; 0: records that start with their own size */
    uint64_t capacity; /* bytes after this head */
    _Atomic uint64_t used;
    uint64_t reserved;
};

/* A record starts with its whole size, this field included, rounded up to 8. Texts
   follow their struct without NULs. */
struct prf_rec_info {
    uint32_t size;
    uint32_t key_len;
    uint32_t text_len;
    uint32_t reserved;
};

struct prf_rec_schema {
    uint32_t size;
    uint8_t scope;  /* enum prf_scope */
    uint8_t better; /* enum prf_better */
    uint8_t fold;   /* enum prf_fold */
    uint8_t name_len;
    uint8_t unit_len;
    uint8_t reserved[7];
};

enum prf_code_flags {
    PRF_CODE_C = 1, /* a C function: file is empty, the name is what pstats prints */
    PRF_CODE_HIDDEN = 2, /* recorded but not shown: its calls count as their caller */
};

struct prf_rec_code {
    uint32_t size;
    uint32_t first_line;
    uint32_t flags; /* enum prf_code_flags */
    uint32_t file_len;
    uint32_t name_len; /* co_name */
    uint32_t qual_len; /* co_qualname */
};

/* A node of the calling-context tree: `code` called from the node `parent` (0: the root
   of a thread). The columns of scope PRF_SCOPE_NODE follow, an int64_t each, own
   (exclusive) amounts only: everything else is derived by the reader. */
struct prf_rec_node {
    uint32_t parent;
    uint32_t code;
};

/* A function (line 0) or a line of it, with its columns of scope PRF_SCOPE_SITE. */
struct prf_rec_site {
    uint32_t code;
    uint32_t line;
};

/* A call from one function to another, with its columns of scope PRF_SCOPE_EDGE. */
struct prf_rec_edge {
    uint32_t caller;
    uint32_t callee;
};

enum prf_sample_flags {
    PRF_SAMPLE_WARMUP = 1, /* kept, but not part of the statistics */
    PRF_SAMPLE_OPEN = 2,   /* a place for a value that is not known yet; NaN */
};

/* One raw value of a metric of scope PRF_SCOPE_RESULT. */
struct prf_rec_sample {
    uint32_t metric; /* index in the backend's table */
    uint32_t flags;  /* enum prf_sample_flags */
    double value;
};

/* A mark (self.trace) at `at_ns` after the start of the measured region, averaged over
   loops and rounds by the backend; `index` orders marks in one execution. */
struct prf_rec_mark {
    uint32_t size;
    uint32_t index;
    double at_ns;
    double delta_ns; /* since the mark before it, or the start */
    uint32_t n;      /* executions it was seen in */
    uint32_t name_len;
};

struct prf_rec_point {
    uint32_t series;  /* index of a metric of scope PRF_SCOPE_SERIES */
    uint32_t process; /* 0: the case; others: its children in order of appearance */
    uint64_t at_ns;
    double value;
};

/* A frame of a stack: `line` of `code`, called from `parent` (0: the outermost). */
struct prf_rec_stack {
    uint32_t parent;
    uint32_t code;
    uint32_t line;
    uint32_t reserved;
};

/* A moment at which what is held was listed: "start", a mark, "stop", "peak". */
struct prf_rec_snapshot {
    uint32_t size;
    uint32_t name_len;
    double at_ns;    /* after the start of the measured region */
    int64_t n_bytes; /* held in all, filters or not */
    int64_t n_blocks;
};

/* What a snapshot (index in file order) holds that was allocated at a stack. */
struct prf_rec_held {
    uint32_t snapshot;
    uint32_t stack;
    int64_t n_bytes;
    int64_t n_blocks;
};

/* A thread of a process that has events. */
struct prf_rec_thread {
    uint32_t size;
    uint32_t name_len; /* as Python or the kernel names it; may be 0 */
    uint64_t tid;      /* the kernel's */
};

#endif
