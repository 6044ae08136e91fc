/* Reading stacks, snapshots and what they hold, and the text of lines; for reader.c. */
#ifndef PRF_READ_SNAPSHOTS_H
#define PRF_READ_SNAPSHOTS_H

#include <stddef.h>

#include <pyprofiler/recording.h>

#include "profile.h"

struct prf_read_snapshots {
    struct prf_profile *p;
    struct prf_rec_held *held; /* as they come; malloc'ed */
    size_t n_held;
    size_t n_damaged;
};

/* Room for `rows[kind]` rows of each kind. PRF_ENOMEM. */
int prf_read_snapshots_init(struct prf_read_snapshots *r, struct prf_profile *profile,
                            const size_t rows[16]);
void prf_read_snapshots_release(struct prf_read_snapshots *r);

/* A row of PRF_CHUNK_STACK; `code` is the index of its code. */
void prf_read_stack(struct prf_read_snapshots *r, const struct prf_rec_stack *row,
                    uint32_t code);
void prf_read_held(struct prf_read_snapshots *r, const struct prf_rec_held *row);

/* A record of PRF_CHUNK_SNAPSHOT. PRF_ENOMEM. */
int prf_read_snapshot(struct prf_read_snapshots *r, const unsigned char *row,
                      size_t size);

/* What is held goes to its snapshot, once all rows were seen. PRF_ENOMEM. */
int prf_read_snapshots_finish(struct prf_read_snapshots *r);

/* Info PRF_INFO_PEAK. */
void prf_read_peak(struct prf_profile *profile, const char *text);

#endif
