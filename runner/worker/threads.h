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

/* Kill and reap every child that is not in keep[0..n_keep), and theirs, which come to
   us as the sub-reaper. Returns how many were still running. */
int prf_children_sweep(const pid_t *keep, size_t n_keep);

#endif
