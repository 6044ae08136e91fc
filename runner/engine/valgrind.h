/* A worker under valgrind's callgrind: the command line that starts it, and the small
   fixed environment without which the same case would not count the same twice. */
#ifndef PRF_VALGRIND_H
#define PRF_VALGRIND_H

#include <jansson.h>

#include <pyprofiler/error.h>

#include "arena.h"
#include "supervise.h"
#include "worker.h"

/* For one run; a zeroed one is empty. */
struct prf_valgrind {
    struct prf_arena arena;
    char *folder; /* of callgrind's files */
    const char **wrapper;
    const char **environment;
};

/* `options` are the profiler's, see PRF_CAP_VALGRIND. Borrows from `sv`. Release it in
   any case. PRF_EUNAVAILABLE: there is no valgrind on PATH; PRF_EIO, PRF_ENOMEM. */
int prf_valgrind_prepare(struct prf_valgrind *valgrind,
                         const struct prf_supervision *sv, const json_t *options,
                         struct prf_error *err);

/* Let what `setup` starts run under it; `setup` borrows from `valgrind`. */
void prf_valgrind_apply(const struct prf_valgrind *valgrind,
                        struct prf_worker_setup *setup);

/* Deletes callgrind's files too. Idempotent. */
void prf_valgrind_release(struct prf_valgrind *valgrind);

#endif
