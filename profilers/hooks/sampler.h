/* Taking samples of the Python stacks of this process, at a rate, from inside: a thread
   of ours keeps the time and asks no GIL. One sampler per process.

   By wall clock every thread is sampled at every tick: one that holds the GIL reads its
   own stack in a signal handler; that of any other stands still and is read from
   outside, so that what waits is not woken up. By processor time each thread has a
   timer of its own, whose signals come while it runs.

   Samples go into a ring (sampler_ring.h) and from there, with the GIL, to the user's
   function. */
#ifndef PRF_SAMPLER_H
#define PRF_SAMPLER_H

#include <Python.h>

#include <stdbool.h>
#include <stdint.h>

#include <pyprofiler/error.h>

#include "sampler_ring.h"

enum prf_sampler_mode { PRF_SAMPLER_WALL, PRF_SAMPLER_CPU };

struct prf_sampler_config {
    enum prf_sampler_mode mode;
    uint64_t interval_ns;
    bool this_thread_only;
    bool below_here; /* frames that the starting thread is in now are not part */
    uint32_t max_depth;
    /* A sample; its codes live as long as the call. With the GIL, on any thread of
       Python's; runs no Python code. */
    void (*take)(void *user, const struct prf_sampler_entry *entry);
    void *user;
};

struct prf_sampler_counts {
    uint64_t n_taken;
    uint64_t n_torn; /* read in a moment of change; their time is the next sample's */
    uint64_t n_full; /* there was no room; likewise */
    uint64_t lost_ns; /* time that never came to a sample */
};

/* Needs the GIL, as all of these. PRF_EUNAVAILABLE: another one samples; PRF_EIO,
   PRF_ENOMEM. */
int prf_sampler_start(const struct prf_sampler_config *config, struct prf_error *err);

/* Hand what is in the ring to `take`. */
void prf_sampler_drain(void);

/* After it no handler of ours runs and `take` is not called. Lets other threads run
   meanwhile. Does nothing unless `user` is who started, in this process. */
void prf_sampler_stop(const void *user, struct prf_sampler_counts *counts);

#endif
