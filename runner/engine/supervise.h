/* One case file under supervision: its worker, and each run of a case in it. Whatever
   the measured code does to itself or to the worker, the caller gets a result. */
#ifndef PRF_SUPERVISE_H
#define PRF_SUPERVISE_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include <pyprofiler/error.h>

#include "describe.h"
#include "judge.h"
#include "measured.h"
#include "plan.h"
#include "result.h"
#include "scratch.h"
#include "targets.h"
#include "worker.h"

enum prf_isolation { PRF_ISOLATION_FORK, PRF_ISOLATION_EXEC, PRF_ISOLATION_NONE };

/* What holds for a whole run of ours; borrowed by the sessions. */
struct prf_supervision {
    struct prf_worker_setup worker;
    const char *executable; /* of the user's Python */
    const char *package_dir;
    const char *hash_seed; /* NULL: as the environment says */
    struct prf_scratch *scratch;
    int64_t timeout_ns;        /* of one run; 0: none */
    int64_t import_timeout_ns; /* 0: none */
    enum prf_isolation isolation;
    bool show_output; /* -s: nothing is captured */
    const struct prf_strlist *plugins;
    /* The import warns of modules that came from below this folder, unless they lie in
       the other one, in the interpreter's own folders or in the package; NULL: no. */
    const char *foreign_root, *own_root;
};

struct prf_valgrind; /* valgrind.h */

/* Ready: the import was good. Failed: `failure` is a result that says why. */
struct prf_engine {
    const struct prf_supervision *sv;
    const struct prf_valgrind *valgrind; /* the next worker starts under it; or NULL */
    const struct prf_target *target;
    struct prf_worker worker;
    struct prf_profilers profilers;
    struct prf_case_file file;
    struct prf_result failure; /* of the import, when `failed` */
    char *log;                 /* what the worker prints */
    bool running;              /* there is a worker */
    bool greeted;              /* hello was seen */
    bool imported;             /* it has the file */
    bool failed;
    bool noted_threads;
    unsigned n_imports; /* successful ones */
    unsigned n_runs;    /* in the present worker */
};

/* Start a worker up to its `hello`: engine->profilers. PRF_EPYTHON, PRF_EPROTOCOL,
   PRF_EINTERRUPTED. Release it in any case. */
int prf_engine_start(struct prf_engine *engine, const struct prf_supervision *sv,
                     struct prf_error *err);

/* Initialise Python and import the file: engine->file, or engine->failure when the file
   is at fault (not an error of this function). */
int prf_engine_import(struct prf_engine *engine, const struct prf_target *target,
                      struct prf_error *err);

/* Run one item; `options` (borrowed, an object) are the profiler's. Starts another
   worker where the last one ended. PRF_EINTERRUPTED: the user stopped it, there is no
   result. */
int prf_engine_run(struct prf_engine *engine, const struct prf_item *item,
                   json_t *options, struct prf_measured *out, struct prf_error *err);

/* Stop the worker until the next run; what it said of itself and of the file stays. */
void prf_engine_rest(struct prf_engine *engine);

/* Stop the worker. Idempotent. */
void prf_engine_close(struct prf_engine *engine);

#endif
