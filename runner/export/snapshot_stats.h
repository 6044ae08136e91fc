/* Snapshots summed up as tracemalloc.Snapshot.statistics and compare_to do it, with the
   options that a result was asked for. */
#ifndef PRF_SNAPSHOT_STATS_H
#define PRF_SNAPSHOT_STATS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <pyprofiler/error.h>

#include "profile.h"

enum prf_snapshot_key { PRF_BY_LINE, PRF_BY_FILE, PRF_BY_TRACEBACK };

/* What was asked for, as a profiler's options say it. */
struct prf_snapshot_request {
    enum prf_snapshot_key key;
    bool cumulative;
    size_t top_k;      /* 0: all */
    const char *index; /* number or name of the snapshot to show; NULL: the last */
    const char *diff;  /* "A:B", or NULL */
    const char **include, **exclude; /* file patterns, each ends with a NULL */
    void *parsed;                    /* owns all of the above */
};

/* From the JSON object of a result's options (NULL: none). Release what it made also
   after a failure. PRF_ENOMEM. */
int prf_snapshot_request_parse(const char *options, struct prf_snapshot_request *out,
                               struct prf_error *err);
void prf_snapshot_request_release(struct prf_snapshot_request *request);

/* Which snapshots: `shown`, and `base` that it is compared with; base == shown: with
   none. Without a diff the base is the first one. PRF_EUSAGE lists the snapshots. */
struct prf_snapshot_choice {
    size_t shown, base;
    bool by_change; /* a diff was asked for: the largest change comes first */
};
int prf_snapshot_choose(const struct prf_profile *profile,
                        const struct prf_snapshot_request *request,
                        struct prf_snapshot_choice *out, struct prf_error *err);

struct prf_snapshot_stat {
    uint32_t stack; /* index in stacks[]: the traceback, or any of the line's */
    uint32_t code;
    uint32_t line; /* 0 by file */
    int64_t n_bytes, n_blocks;
    int64_t bytes_diff, blocks_diff; /* since the base */
};

struct prf_snapshot_stats {
    struct prf_snapshot_stat *rows; /* the largest first */
    size_t n;
    int64_t n_bytes, n_blocks; /* of `shown`, after the filters, each block once */
    int64_t bytes_diff, blocks_diff;
};

/* PRF_ENOMEM. */
int prf_snapshot_stats(const struct prf_profile *profile,
                       const struct prf_snapshot_request *request,
                       const struct prf_snapshot_choice *choice,
                       struct prf_snapshot_stats *out, struct prf_error *err);
void prf_snapshot_stats_release(struct prf_snapshot_stats *stats);

#endif
