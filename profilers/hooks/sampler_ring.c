/* The ring of samples; see sampler_ring.h. */
#define _GNU_SOURCE 1
#include "sampler_ring.h"

#include <sched.h>
#include <string.h>
#include <sys/mman.h>

#define RING_WORD sizeof(uint64_t)

int
prf_sampler_ring_map(struct prf_sampler_ring *ring, size_t n_words,
                     struct prf_error *err)
{
    if (ring->words != NULL) {
        return 0;
    }
    void *words = mmap(NULL, n_words * RING_WORD, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (words == MAP_FAILED) {
        return prf_fail(err, PRF_ENOMEM, "no memory for the samples");
    }
    ring->words = words;
    ring->n_words = n_words;
    return 0;
}

void
prf_sampler_ring_clear(struct prf_sampler_ring *ring)
{
    if (ring->words != NULL) {
        madvise(ring->words, ring->n_words * RING_WORD, MADV_DONTNEED);
    }
    atomic_store(&ring->reserved, 0);
    atomic_store(&ring->consumed, 0);
}

static uint64_t
ring_words_of(uint32_t n_frames)
{
    return (sizeof(struct prf_sampler_entry) +
            n_frames * sizeof(struct prf_sampler_frame)) /
           RING_WORD;
}

struct prf_sampler_entry *
prf_sampler_ring_reserve(struct prf_sampler_ring *ring, uint32_t n)
{
    uint64_t need = ring_words_of(n), at = atomic_load(&ring->reserved), rest, offset;
    do {
        /* An entry does not go around the end: what is left there is skipped. */
        offset = at & (ring->n_words - 1);
        rest = offset + need > ring->n_words ? ring->n_words - offset : 0;
        if (at + rest + need - atomic_load(&ring->consumed) > ring->n_words) {
            return NULL;
        }
    } while (!atomic_compare_exchange_weak(&ring->reserved, &at, at + rest + need));
    if (rest > 0) {
        struct prf_sampler_entry *end = (void *)(ring->words + offset);
        atomic_store_explicit(&end->head, rest << 8 | PRF_SAMPLER_SKIP,
                              memory_order_release);
        offset = 0;
    }
    return (void *)(ring->words + offset);
}

void
prf_sampler_ring_publish(struct prf_sampler_entry *entry, uint32_t n_reserved,
                         enum prf_sampler_kind kind)
{
    atomic_store_explicit(&entry->head, ring_words_of(n_reserved) << 8 | kind,
                          memory_order_release);
}

struct prf_sampler_entry *
prf_sampler_ring_peek(struct prf_sampler_ring *ring)
{
    while (!prf_sampler_ring_is_empty(ring)) {
        uint64_t at = atomic_load_explicit(&ring->consumed, memory_order_relaxed);
        struct prf_sampler_entry *entry =
            (void *)(ring->words + (at & (ring->n_words - 1)));
        uint64_t head;
        /* A producer neither waits nor is interrupted by a consumer: a microsecond,
           unless the kernel has taken the processor from it. */
        while ((head = atomic_load_explicit(&entry->head, memory_order_acquire)) == 0) {
            sched_yield();
        }
        if ((head & 0xff) == PRF_SAMPLER_STACK) {
            return entry;
        }
        prf_sampler_ring_drop(ring, entry);
    }
    return NULL;
}

void
prf_sampler_ring_drop(struct prf_sampler_ring *ring, struct prf_sampler_entry *entry)
{
    uint64_t n_words = atomic_load_explicit(&entry->head, memory_order_relaxed) >> 8;
    memset(entry, 0, n_words * RING_WORD); /* any word may be the next one's head */
    atomic_fetch_add_explicit(&ring->consumed, n_words, memory_order_release);
}
