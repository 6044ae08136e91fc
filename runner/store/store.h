/* The result store: what was measured, with the commit, the interpreter and the machine
   it was measured on. Callers see this interface only; SQLite stays inside the folder.

   A store may be used by any number of runners at once. Killed at any instant it opens
   again and holds every result that prf_store_add_result returned 0 for. */
#ifndef PRF_STORE_H
#define PRF_STORE_H

#include <stdbool.h>
#include <stddef.h>

#include <pyprofiler/error.h>
#include <pyprofiler/options.h> /* struct prf_strlist */

#include "result.h"

struct prf_store;

enum prf_store_mode {
    PRF_STORE_READ,  /* must exist: PRF_ENOTFOUND */
    PRF_STORE_WRITE, /* made when missing, with its folder and .gitignore; migrated */
};

/* Make the folder of the database at `path`, which need not be there yet. PRF_ESTORE.
 */
int prf_store_prepare(const char *path, struct prf_error *err);

/* `path` is the database file. *out is the caller's, for one thread at a time, and not
   for a forked child. PRF_ESTORE: it cannot be opened or written, or is of a newer
   version; PRF_ECORRUPT: damaged, or no store at all. */
int prf_store_open(const char *path, enum prf_store_mode mode, struct prf_store **out,
                   struct prf_error *err);
void prf_store_close(struct prf_store *store);

#define PRF_ID_SIZE 27

/* A new id for a run or a result: 26 lower-case letters and digits and a NUL, sorting
   by time, never made twice by any process. Its first ten characters (32 us) rarely
   occur twice, so that people can use them alone. */
void prf_store_new_id(char out[PRF_ID_SIZE]);

/* Machine, environment, commit and run, in one transaction. */
int prf_store_add_run(struct prf_store *store, const struct prf_run *run,
                      struct prf_error *err);

/* One result with its metrics, samples, sites, edges, marks, and its recording as an
   artifact, in one transaction. The run must be there. */
int prf_store_add_result(struct prf_store *store, const struct prf_result *result,
                         struct prf_error *err);

/* The run is over: its duration. */
int prf_store_finish_run(struct prf_store *store, const char *run_id,
                         int64_t duration_ns, struct prf_error *err);

/* Which results; NULL fields do not restrict. */
struct prf_query {
    const char *run_id;    /* a unique prefix will do */
    const char *result_id; /* likewise */
    const char *commit;    /* full id */
    const char
        *case_id; /* node id, or a prefix of one that ends at "::" or "[" or "/" */
    const char *profiler;
    bool latest_run;      /* only the newest run (that fits the commit, if given) */
    bool latest_per_case; /* the newest result of each (case, profiler) */
    size_t limit;         /* only the newest so many; 0: no limit */
};

/* Results in the order in which they were measured. `visit` gets each with its
   profile's metrics and marks (sites, edges and tree only when `with_profile`) and its
   run; both are borrowed for the call. Not 0 from `visit` stops and is returned.
   PRF_ENOTFOUND: a given run or result id names nothing (or several: the text lists
   them). No match of the rest is not an error: visit is just never called. */
typedef int prf_store_visit(const struct prf_run *run, const struct prf_result *result,
                            void *arg);
int prf_store_select(struct prf_store *store, const struct prf_query *query,
                     bool with_profile, prf_store_visit *visit, void *arg,
                     struct prf_error *err);

/* One side of a comparison: what was measured of ... */
enum prf_side_kind {
    PRF_SIDE_COMMIT,   /* a commit, in a clean work tree */
    PRF_SIDE_TREE,     /* a tree id, usually that of a dirty work tree */
    PRF_SIDE_RUN,      /* one run, by its whole id */
    PRF_SIDE_BASELINE, /* the runs that were saved under a name */
    PRF_SIDE_LIKE, /* whatever: the newest runs on the machine and in the Python of the
                      run with that id, for what is known of a case's noise */
};

struct prf_side_query {
    enum prf_side_kind kind;
    const char *id;       /* commit, tree, run id, name */
    const char *profiler; /* or NULL */
    size_t n_newest;      /* at most so many results of each (case, profiler, options),
                             the newest; 0: all */
    size_t n_looked;      /* look at no further run when so many results were looked at,
                             a run itself counting as ten; 0: at all */
};

/* A result without its profile. */
struct prf_side_result {
    const char *id, *case_id, *profiler;
    const char *options;   /* JSON, or NULL */
    const char *case_hash; /* or NULL */
    const char *case_file; /* absolute, or NULL */
    int case_line;
    enum prf_status status;
    const char *reason; /* of what is not ok, or NULL */
    const char *budget; /* JSON, or NULL; only of the newest of its (case, profiler,
                           options) */
    size_t run_at;      /* index in runs ... */
    const struct prf_run *run;         /* ... and this is it */
    struct prf_metric_values *metrics; /* those with samples */
    size_t n_metrics;
};

/* Results by case, profiler, options, then oldest first. Everything is the arena's but
   the runs' own arenas; a text that occurs often is there once. */
struct prf_side_results {
    struct prf_arena arena;
    struct prf_run *runs; /* newest first; also those without a result that fits */
    size_t n_runs;
    struct prf_side_result *items;
    size_t n;
};

/* *out is the caller's (prf_side_results_release). A commit, tree or run without
   results is no error. PRF_ENOTFOUND: there is no such run or baseline. */
int prf_store_side(struct prf_store *store, const struct prf_side_query *query,
                   struct prf_side_results *out, struct prf_error *err);
void prf_side_results_release(struct prf_side_results *results);

/* The whole id of the run whose id begins so, in the arena. PRF_ENOTFOUND: none, or
   several: the text lists them. */
int prf_store_find_run(struct prf_store *store, const char *beginning,
                       struct prf_arena *arena, const char **out,
                       struct prf_error *err);

/* Name runs, so that they can be compared with later; what had the name before loses
   it. `run_ids` ends with NULL. PRF_ENOTFOUND: no such run; PRF_EUSAGE: no runs, or a
   name that is empty. */
int prf_store_save_baseline(struct prf_store *store, const char *name,
                            const char *const *run_ids, struct prf_error *err);

/* The names of all baselines, newest first, added to *out. */
int prf_store_baselines(struct prf_store *store, struct prf_strlist *out,
                        struct prf_error *err);

/* A work tree with changes that was measured. Strings are the arena's. */
struct prf_dirty_tree {
    const char *tree;   /* 40 hex digits */
    const char *commit; /* that it was based on, or NULL */
    const char *run;    /* the newest run of it */
};

/* Up to `max` of them, each tree once, newest first; *out is the arena's. */
int prf_store_dirty_trees(struct prf_store *store, size_t max, struct prf_arena *arena,
                          struct prf_dirty_tree **out, size_t *n,
                          struct prf_error *err);

/* The recording of a result, decompressed into a file without a name: long ones take no
   memory. */
struct prf_recording_map {
    const void *data; /* a mapping, NULL: none */
    size_t size;
};

/* *out is the caller's (prf_recording_unmap). PRF_ENOTFOUND: it has none; PRF_ECORRUPT,
   PRF_ESTORE. */
int prf_store_recording(struct prf_store *store, const char *result_id,
                        struct prf_recording_map *out, struct prf_error *err);
void prf_recording_unmap(struct prf_recording_map *map);

/* The series that the store has, by case and profiler; texts are borrowed for the call.
   Not 0 from `visit` stops and is returned. */
typedef int prf_store_visit_series(const char *case_id, const char *profiler,
                                   void *arg);
int prf_store_series(struct prf_store *store, prf_store_visit_series *visit, void *arg,
                     struct prf_error *err);

/* One metric of one result, with what says whether it may be compared with another. */
struct prf_point {
    const char *result_id, *run_id;
    enum prf_status status;
    int64_t started_ns;
    const char *options, *case_hash;
    const char *commit, *tree;
    bool dirty;
    const char *fingerprint, *hostname, *cpu;
    const char *version, *implementation, *flags, *host, *executable;
    const char *metric; /* NULL: the result has none */
    const char *unit;
    enum prf_better better;
    const double *samples; /* warm-up excluded */
    size_t n_samples;
};

/* All values of a series in the order of measuring, borrowed for the call: the metrics
   of a result one after the other, once with a NULL metric when it has none. In one
   pass, whatever the number of runs. Not 0 from `visit` stops and is returned. */
typedef int prf_store_visit_point(const struct prf_point *point, void *arg);
int prf_store_points(struct prf_store *store, const char *case_id, const char *profiler,
                     prf_store_visit_point *visit, void *arg, struct prf_error *err);

/* Which earlier results one can be compared with: of the same case, profiler, options,
   machine, Python and host, and ok. */
struct prf_earlier_query {
    const struct prf_run *run; /* the run of the result; it need not be in the store */
    const struct prf_result *result;
    size_t limit; /* the newest so many */
    /* Functions whose amounts are wanted, whatever lines they begin in: the sums over
       all rows with that file and that qualified name. */
    const struct prf_function *functions;
    size_t n_functions;
    const char *const *columns; /* of the sites */
    size_t n_columns;
};

/* One of them; borrowed for the call. */
struct prf_earlier {
    const struct prf_run *run;
    const struct prf_result *result; /* its profile has metrics and marks only */
    const double *amounts; /* [function * n_columns + column]; NAN: there is none */
};

/* Newest first. Not 0 from `visit` stops and is returned. In a store of a million runs
   no more than the newest 200,000 are looked at. */
typedef int prf_store_visit_earlier(const struct prf_earlier *earlier, void *arg);
int prf_store_earlier(struct prf_store *store, const struct prf_earlier_query *query,
                      prf_store_visit_earlier *visit, void *arg, struct prf_error *err);

struct prf_store_info {
    int schema_version;
    long long n_runs, n_results;
    long long size_bytes;
};
int prf_store_describe(struct prf_store *store, struct prf_store_info *info,
                       struct prf_error *err);

#endif
