/* A program under supervision: it has a process of its own, which is the worker, with
   our terminal, standard files and process group. Whatever it does to itself, the
   caller gets a result. */
#ifndef PRF_ENGINE_SCRIPT_H
#define PRF_ENGINE_SCRIPT_H

#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>

#include <pyprofiler/error.h>

#include "describe.h"
#include "process.h"
#include "supervise.h"
#include "targets.h"

/* A program and its arguments; borrowed. */
struct prf_script {
    const struct prf_target *target; /* not of kind PRF_TARGET_CASES */
    const char *id;                  /* of its results */
    char *const *argv;
    size_t n_argv;
};

struct prf_script_end {
    struct prf_ending process; /* code -1 and signal 0: it never started */
    int told_to_stop;          /* SIGINT, SIGTERM or SIGHUP came meanwhile; 0: none */
};

/* What a shell would call the exit code: 128 and more for signals. */
int prf_script_exit_code(const struct prf_script_end *end);

/* Run it once. Signals that another process sends to us are handed on; those of the
   terminal reach it by themselves. An error is one of ours, before it began: there is
   no result then, but end->told_to_stop is set. PRF_EPYTHON, PRF_EIO, PRF_EUNAVAILABLE,
   PRF_ENOMEM. */
int prf_script_run(const struct prf_supervision *shared,
                   const struct prf_script *script, const struct prf_profiler *profiler,
                   json_t *options, struct prf_measured *out,
                   struct prf_script_end *end, struct prf_error *err);

/* Ask the greeted `engine` whether the file is a program, by its syntax tree: *answer
   is 1, 0, or -1 when it is no Python. Its worker is not fit for cases afterwards. */
int prf_script_inspect(struct prf_engine *engine, const struct prf_target *target,
                       int *answer, struct prf_error *err);

#endif
