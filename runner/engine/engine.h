/* Inside the engine: the worker that supervise.c runs cases in. */
#ifndef PRF_ENGINE_H
#define PRF_ENGINE_H

#include <stdbool.h>
#include <stdint.h>

#include <pyprofiler/error.h>

#include "supervise.h"

#define PRF_ENGINE_QUIT_NS (1000000000LL / 2) /* how long a worker may take to end */

/* The moment (prf_clock_ns) at which a limit from now ends; -1: there is no limit. */
int64_t prf_engine_deadline(int64_t limit_ns);

/* End the worker, by force after the grace. Idempotent. */
void prf_engine_stop(struct prf_engine *engine, int64_t grace_ns);

/* The error for an event other than a message while `doing`, with the last words of the
   worker. */
int prf_engine_fail(struct prf_engine *engine, int event, const char *doing,
                    struct prf_error *err);

/* Initialise Python in a worker that said hello. PRF_EPYTHON, PRF_EINTERRUPTED. */
int prf_engine_init(struct prf_engine *engine, struct prf_error *err);

/* The files of one run, paths of ours or NULL; a zeroed one is empty. Without
   sv->show_output there is one for what the process prints. PRF_EIO, PRF_ENOMEM. */
struct prf_engine_files {
    char *recording, *output, *fault;
};
int prf_engine_files_make(const struct prf_supervision *sv,
                          struct prf_engine_files *files, struct prf_error *err);
void prf_engine_files_remove(struct prf_engine_files *files);

/* What is known of a result before it runs: case, profiler, options, when. */
void prf_engine_describe(struct prf_result *result, const char *case_id,
                         const struct prf_profiler *profiler, const json_t *options);

/* The process has ended: read what it recorded and judge it. */
void prf_engine_finish(struct prf_measured *m, const struct prf_engine_files *files,
                       struct prf_outcome *outcome);

/* A worker that has imported the file; with `fresh` one that has run nothing yet. */
int prf_engine_ensure(struct prf_engine *engine, bool fresh, struct prf_error *err);

#endif
