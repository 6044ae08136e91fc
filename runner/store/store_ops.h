/* What one implementation of the store provides; store.c calls nothing else. SQLite is
   the first, a server for a team can be the second. Contracts: see store.h, function by
   function. */
#ifndef PRF_STORE_OPS_H
#define PRF_STORE_OPS_H

#include "store.h"

struct prf_store_ops {
    void (*close)(struct prf_store *store);
    int (*add_run)(struct prf_store *store, const struct prf_run *run,
                   struct prf_error *err);
    int (*add_result)(struct prf_store *store, const struct prf_result *result,
                      struct prf_error *err);
    int (*finish_run)(struct prf_store *store, const char *run_id, int64_t duration_ns,
                      struct prf_error *err);
    int (*select)(struct prf_store *store, const struct prf_query *query,
                  bool with_profile, prf_store_visit *visit, void *arg,
                  struct prf_error *err);
    int (*series)(struct prf_store *store, prf_store_visit_series *visit, void *arg,
                  struct prf_error *err);
    int (*points)(struct prf_store *store, const char *case_id, const char *profiler,
                  prf_store_visit_point *visit, void *arg, struct prf_error *err);
    int (*earlier)(struct prf_store *store, const struct prf_earlier_query *query,
                   prf_store_visit_earlier *visit, void *arg, struct prf_error *err);
    int (*side)(struct prf_store *store, const struct prf_side_query *query,
                struct prf_side_results *out, struct prf_error *err);
    int (*find_run)(struct prf_store *store, const char *beginning,
                    struct prf_arena *arena, const char **out, struct prf_error *err);
    int (*save_baseline)(struct prf_store *store, const char *name,
                         const char *const *run_ids, struct prf_error *err);
    int (*baselines)(struct prf_store *store, struct prf_strlist *out,
                     struct prf_error *err);
    int (*dirty_trees)(struct prf_store *store, size_t max, struct prf_arena *arena,
                       struct prf_dirty_tree **out, size_t *n, struct prf_error *err);
    int (*recording)(struct prf_store *store, const char *result_id,
                     struct prf_recording_map *out, struct prf_error *err);
    int (*describe)(struct prf_store *store, struct prf_store_info *info,
                    struct prf_error *err);
};

/* The first member of every implementation's own struct. */
struct prf_store {
    const struct prf_store_ops *ops;
};

/* The file's folder exists already. */
int prf_sqlite_open(const char *path, enum prf_store_mode mode, struct prf_store **out,
                    struct prf_error *err);

#endif
