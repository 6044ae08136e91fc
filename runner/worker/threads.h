/* What the kernel says of this process's threads and children. */
#ifndef PRF_THREADS_H
#define PRF_THREADS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Threads of this process, at least 1. */
int prf_thread_count(void);

/* Process ids of our children, at most `room`; returns how many. */
size_t prf_children(pid_t *pids, size_t room);

enum prf_sweep {
    PRF_SWEEP_ALL,
    PRF_SWEEP_BUT_HELPERS, /* Python goes on here and still knows its helpers */
};

/* Kill and reap every child that is not in keep[0..n_keep), and theirs, which come to
   us as the sub-reaper. Returns how many were still running; the helper processes of
   multiprocessing (resource tracker, fork server), which end with the process that they
   serve, do not count. */
int prf_children_sweep(const pid_t *keep, size_t n_keep, enum prf_sweep which);

#endif
