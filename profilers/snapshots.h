/* What was held at moments of a case, by the stack that allocated it, written to the
   sink as it is taken: PRF_CHUNK_STACK, PRF_CHUNK_SNAPSHOT, PRF_CHUNK_HELD. All need
   the GIL and allocate nothing that Python traces. */
#ifndef PRF_SNAPSHOTS_H
#define PRF_SNAPSHOTS_H

#include <stddef.h>
#include <stdint.h>

#include <pyprofiler/error.h>
#include <pyprofiler/sink.h>

#include "traces.h"

struct prf_snapshot_table {
    uint32_t *slots; /* id, 0: free; open addressing, a power of two */
    size_t capacity;
};

/* Amounts held at a stack. */
struct prf_snapshot_row {
    uint32_t stack;
    int64_t n_bytes, n_blocks;
};

struct prf_snapshot_rows {
    struct prf_snapshot_row *rows;
    size_t n;
};

struct prf_snapshots {
    struct prf_sink *sink; /* borrowed */
    char *own_folder;      /* of our Python package, ends in '/'; NULL: not imported */
    char *case_file, *case_text; /* NULL: not read */
    const char **case_lines;     /* into case_text; NULL: written, or beyond the end */
    size_t n_case_lines;
    struct prf_rows stacks, held;
    struct prf_rec_stack *nodes; /* a copy of every stack row; [0] is unused */
    size_t n_nodes, nodes_capacity;
    struct prf_snapshot_table node_ids;
    struct prf_snapshot_file {
        char *text; /* malloc'ed */
        uint32_t code;
    } * files; /* [0] is unused */
    size_t n_files, files_capacity;
    struct prf_snapshot_table file_ids;
    struct prf_snapshot_rows first, last; /* of the first and the newest snapshot */
    int64_t n_bytes, n_blocks;            /* of the newest */
    size_t n_taken;
};

/* Reads `case_file` (NULL: none): its lines are written with the first stack that they
   are in, so that a process that dies leaves them. */
int prf_snapshots_init(struct prf_snapshots *snapshots, struct prf_sink *sink,
                       const char *case_file, struct prf_error *err);
void prf_snapshots_release(struct prf_snapshots *snapshots);

/* List what is traced now. What there is no memory for is counted as lost. */
int prf_snapshots_take(struct prf_snapshots *snapshots, const char *name, double at_ns,
                       struct prf_error *err);

/* Id of the stack of a traceback of tracemalloc's tables; 0: no memory. */
uint32_t prf_snapshots_stack(struct prf_snapshots *snapshots, const void *traceback);

/* Site rows: what the newest snapshot holds by line, and how it differs from the first.
   Columns: bytes, blocks, difference in bytes, in blocks. */
void prf_snapshots_write_sites(struct prf_snapshots *snapshots);

/* The text of every other line that held something, as info PRF_INFO_SOURCE. */
void prf_snapshots_write_sources(struct prf_snapshots *snapshots);

#endif
