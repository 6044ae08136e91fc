/* Samples on their way from where they are taken (a signal handler, the thread that
   samples) to the tree: a ring of words that any number of producers fill without a
   lock and one consumer, who holds the GIL, empties.

   An entry is reserved, filled and published; the consumer stops at one that is not
   published yet. Producers are async-signal-safe: they neither allocate nor wait. */
#ifndef PRF_SAMPLER_RING_H
#define PRF_SAMPLER_RING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <pyprofiler/error.h>

/* A frame: `instr` is the index of the instruction in the code, -1 before the first. */
struct prf_sampler_frame {
    void *code; /* PyCodeObject, kept alive as sampler.c says */
    int64_t instr;
};

/* An entry. `head` is written last. */
struct prf_sampler_entry {
    _Atomic uint64_t head; /* words of the entry << 8 | enum prf_sampler_kind; 0: none */
    uint64_t weight_ns;    /* time that the sample stands for */
    uint32_t n;            /* frames */
    uint32_t truncated;    /* the outermost are missing */
    struct prf_sampler_frame frames[]; /* innermost first */
};

enum prf_sampler_kind {
    PRF_SAMPLER_STACK = 1,
    PRF_SAMPLER_SKIP = 2, /* nothing in it: torn, or the rest before the ring's end */
};

struct prf_sampler_ring {
    uint64_t *words; /* mapped; zero where nothing is reserved */
    size_t n_words;  /* a power of two */
    _Atomic uint64_t reserved, consumed; /* words since the beginning */
};

/* Room for `n_words`, a power of two; pages are taken when they are used. Stays as it is
   when it was mapped before. PRF_ENOMEM. */
int prf_sampler_ring_map(struct prf_sampler_ring *ring, size_t n_words,
                         struct prf_error *err);

/* Forget what is in it: nobody else may use it meanwhile. */
void prf_sampler_ring_clear(struct prf_sampler_ring *ring);

/* Room for a stack of n frames; NULL: the ring is full. Publish it in any case. */
struct prf_sampler_entry *prf_sampler_ring_reserve(struct prf_sampler_ring *ring,
                                                   uint32_t n);

/* The reserved entry is complete (as STACK, with n frames or fewer), or to be skipped.
 */
void prf_sampler_ring_publish(struct prf_sampler_entry *entry, uint32_t n_reserved,
                              enum prf_sampler_kind kind);

/* The oldest entry, or NULL: none. Waits for one that is being filled. */
struct prf_sampler_entry *prf_sampler_ring_peek(struct prf_sampler_ring *ring);

/* Done with what was peeked. */
void prf_sampler_ring_drop(struct prf_sampler_ring *ring,
                           struct prf_sampler_entry *entry);

static inline bool
prf_sampler_ring_is_empty(struct prf_sampler_ring *ring)
{
    return atomic_load(&ring->reserved) == atomic_load(&ring->consumed);
}

/* Part of the ring that is in use, in percent. */
static inline unsigned
prf_sampler_ring_fill(struct prf_sampler_ring *ring)
{
    uint64_t used = atomic_load(&ring->reserved) - atomic_load(&ring->consumed);
    return (unsigned)(used * 100 / ring->n_words);
}

#endif
