/* A run and its results, as the store keeps them and reports show them. All strings are
   owned by the struct's arena; NULL means not known, unless said. */
#ifndef PRF_RESULT_H
#define PRF_RESULT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena.h"
#include "profile.h"

enum prf_status {
    PRF_STATUS_OK,
    PRF_STATUS_FAILED,  /* the case raised */
    PRF_STATUS_CRASHED, /* a signal, or the process ended under the case */
    PRF_STATUS_TIMEOUT,
    PRF_STATUS_SKIPPED,
    PRF_STATUS_ERROR, /* set-up, tear-down or the profiler itself */
};

/* "ok" "failed" ...; the inverse gives -1 for an unknown word. */
const char *prf_status_name(enum prf_status status);
int prf_status_parse(const char *name);

struct prf_commit {
    const char *id;     /* 40 hex digits; NULL: no commit (see note) */
    const char *branch; /* NULL: detached */
    bool dirty;         /* the work tree differs from the commit */
    const char *tree;   /* tree id of what was measured, uncommitted changes included */
    int64_t author_time; /* seconds since 1970, UTC */
    const char *root;    /* absolute path of the work tree; NULL: no repository */
    const char *note;    /* why something above is missing, for people */
};

struct prf_python {
    const char *version;        /* "3.11.2" */
    const char *executable;     /* absolute path */
    const char *implementation; /* "CPython" */
    const char *host;           /* "embed" or "python" */
    const char *flags;          /* build options that matter, as text */
    const char *libpython;      /* path, NULL for host "python" */
};

struct prf_machine {
    const char *fingerprint; /* hex digest of what follows that does not vary */
    const char *hostname, *cpu, *arch, *kernel, *os;
    int n_cpus;
    int64_t ram_bytes;
    const char *governor, *turbo, *aslr; /* as the kernel says it, NULL: unknown */
};

struct prf_run {
    struct prf_arena arena;
    const char *id;     /* unique, sortable by time */
    int64_t started_ns; /* since 1970, UTC */
    int64_t duration_ns;
    const char *tool_version;
    const char *command; /* the command line, quoted for a shell */
    bool interrupted;    /* more was to be run; not kept in the store */
    struct prf_commit commit;
    struct prf_python python;
    struct prf_machine machine;
};

struct prf_clause; /* of gate.h */

struct prf_result {
    struct prf_arena arena;
    const char *id; /* unique; what export and show take */
    const char *run_id;
    const char *case_id;   /* "cases/sort.py::Sorting::profile_sort[n=100]" */
    const char *case_hash; /* of the method's source */
    const char *case_file; /* absolute path */
    int case_line;
    const char *profiler; /* canonical name */
    const char *options;  /* JSON object of the options that were given */
    const char *budget;   /* JSON object of the case's @budget; NULL: none */
    enum prf_status status;
    const char *reason;
    const char *signal; /* "SIGSEGV" */
    const char *traceback;
    const char *output;  /* what the case printed */
    int64_t started_ns;  /* since 1970 */
    int64_t duration_ns; /* of the measured body, -1: not known */
    int64_t cpu_ns;      /* of the process, user and system */
    int64_t max_rss_bytes;
    struct prf_profile *profile; /* owned; NULL when nothing was recorded */
    /* Judged clauses of the budget and of [tool.pyprofiler.gate]; not kept in the
     * store.
     */
    const struct prf_clause *clauses;
    size_t n_clauses;
    const void *recording; /* borrowed while the result is stored or exported */
    size_t recording_size;
    bool recording_mapped; /* it is a mapping of a file that nobody writes to */
};

/* A new id for a run that started then: sortable by time to the microsecond, unique by
   what follows; and one for a result. NULL: no memory. */
const char *prf_run_new_id(struct prf_arena *arena, int64_t started_ns);
const char *prf_result_new_id(struct prf_arena *arena);

void prf_run_release(struct prf_run *run);
void prf_result_release(struct prf_result *result);

#endif
