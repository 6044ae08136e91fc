/* The SQLite implementation, between its files: connection and statements (sqlite.c),
   tables (schema.c), writing (write.c), choosing (read.c) and loading (load.c). */
#ifndef PRF_SQLITE_STORE_H
#define PRF_SQLITE_STORE_H

#include <sqlite3.h>

#include "store_ops.h"

#define PRF_SQLITE_STATEMENTS 64

struct prf_sqlite {
    struct prf_store base;
    sqlite3 *db;
    char *path;
    struct prf_sqlite_cached {
        const char *sql; /* compared by address: one per place in the code */
        sqlite3_stmt *statement;
    } cache[PRF_SQLITE_STATEMENTS];
    size_t n_cached;
};

/* Which result, in every table that hangs on one. */
struct prf_result_key {
    sqlite3_int64 run, series, n;
};

/* A value for a '?'. Texts and blobs are borrowed until the statement has run. */
struct prf_sql_value {
    enum { PRF_SQL_INT, PRF_SQL_REAL, PRF_SQL_TEXT, PRF_SQL_BLOB, PRF_SQL_NULL } type;
    union {
        sqlite3_int64 integer;
        double real;
        const void *data;
    };
    size_t size; /* blobs */
};

#define PRF_INT(x)                                                                     \
    {                                                                                  \
        .type = PRF_SQL_INT, .integer = (x)                                            \
    }
#define PRF_REAL(x)                                                                    \
    {                                                                                  \
        .type = PRF_SQL_REAL, .real = (x)                                              \
    }
#define PRF_TEXT(x)                                                                    \
    {                                                                                  \
        .type = PRF_SQL_TEXT, .data = (x)                                              \
    } /* NULL is NULL */
#define PRF_BLOB(x, n)                                                                 \
    {                                                                                  \
        .type = PRF_SQL_BLOB, .data = (x), .size = (n)                                 \
    }
#define PRF_KEY(k) PRF_INT((k)->run), PRF_INT((k)->series), PRF_INT((k)->n)

/* Two arguments: an array of values and how many they are. */
#define PRF_ARGS(...)                                                                  \
    (const struct prf_sql_value[]){__VA_ARGS__},                                       \
        sizeof((const struct prf_sql_value[]){__VA_ARGS__}) /                          \
            sizeof(struct prf_sql_value)

/* The statement for that text, made once, its values bound; borrowed. Step it, then
   prf_sql_done. `sql` must have static storage. */
int prf_sql_prepare(struct prf_sqlite *s, const char *sql,
                    const struct prf_sql_value *values, size_t n, sqlite3_stmt **out,
                    struct prf_error *err);
int prf_sql_bind(struct prf_sqlite *s, sqlite3_stmt *statement,
                 const struct prf_sql_value *values, size_t n, struct prf_error *err);

/* The next row: 1, no more: 0, or a failure. */
int prf_sql_step(struct prf_sqlite *s, sqlite3_stmt *statement, struct prf_error *err);
void prf_sql_done(sqlite3_stmt *statement);

/* A statement without rows. */
int prf_sql_run(struct prf_sqlite *s, const char *sql,
                const struct prf_sql_value *values, size_t n, struct prf_error *err);

/* The integers of the first row, up to n_out of them: 1, 0 when there is no row. */
int prf_sql_integers(struct prf_sqlite *s, const char *sql,
                     const struct prf_sql_value *values, size_t n, sqlite3_int64 *out,
                     size_t n_out, struct prf_error *err);

/* Several statements without values, not cached. */
int prf_sql_script(struct prf_sqlite *s, const char *sql, struct prf_error *err);

/* Sets the text for what SQLite says went wrong last; returns the code. */
int prf_sql_fail(struct prf_sqlite *s, struct prf_error *err);

/* A write transaction: takes the write lock at once, since a transaction that reads
   first fails when it cannot upgrade, and no timeout helps it. End it with the result
   so far: commits on 0, rolls back otherwise, returns the final result. */
int prf_sql_begin(struct prf_sqlite *s, struct prf_error *err);
int prf_sql_end(struct prf_sqlite *s, int rc, struct prf_error *err);

/* write.c, read.c: the operations. */
int prf_sqlite_add_run(struct prf_store *store, const struct prf_run *run,
                       struct prf_error *err);
int prf_sqlite_add_result(struct prf_store *store, const struct prf_result *result,
                          struct prf_error *err);
int prf_sqlite_finish_run(struct prf_store *store, const char *run_id,
                          int64_t duration_ns, struct prf_error *err);
int prf_sqlite_select(struct prf_store *store, const struct prf_query *query,
                      bool with_profile, prf_store_visit *visit, void *arg,
                      struct prf_error *err);
int prf_sqlite_recording(struct prf_store *store, const char *result_id,
                         struct prf_recording_map *out, struct prf_error *err);
int prf_sqlite_series(struct prf_store *store, prf_store_visit_series *visit, void *arg,
                      struct prf_error *err);
int prf_sqlite_points(struct prf_store *store, const char *case_id,
                      const char *profiler, prf_store_visit_point *visit, void *arg,
                      struct prf_error *err);
int prf_sqlite_describe(struct prf_store *store, struct prf_store_info *info,
                        struct prf_error *err);

/* earlier.c */
int prf_sqlite_earlier(struct prf_store *store, const struct prf_earlier_query *query,
                       prf_store_visit_earlier *visit, void *arg,
                       struct prf_error *err);

/* side.c */
int prf_sqlite_side(struct prf_store *store, const struct prf_side_query *query,
                    struct prf_side_results *out, struct prf_error *err);

/* named.c: runs by what people call them. */
int prf_sqlite_find_run(struct prf_store *store, const char *beginning,
                        struct prf_arena *arena, const char **out,
                        struct prf_error *err);
int prf_sqlite_save_baseline(struct prf_store *store, const char *name,
                             const char *const *run_ids, struct prf_error *err);
int prf_sqlite_baselines(struct prf_store *store, struct prf_strlist *out,
                         struct prf_error *err);
int prf_sqlite_dirty_trees(struct prf_store *store, size_t max, struct prf_arena *arena,
                           struct prf_dirty_tree **out, size_t *n,
                           struct prf_error *err);

/* The keys of the runs that a side consists of, newest first: step the statement.
   PRF_ENOTFOUND: no such run or baseline. */
int prf_sqlite_side_runs(struct prf_sqlite *s, const struct prf_side_query *query,
                         sqlite3_stmt **out, struct prf_error *err);

/* The key of the run whose id is `id`, or the only one whose id begins so. */
int prf_sqlite_run_key(struct prf_sqlite *s, const char *id, sqlite3_int64 *key,
                       struct prf_error *err);

/* load.c: rows into models, strings in the model's arena. PRF_ENOTFOUND: no such row.
 */
int prf_sqlite_load_run(struct prf_sqlite *s, sqlite3_int64 key, struct prf_run *out,
                        struct prf_error *err);
int prf_sqlite_load_result(struct prf_sqlite *s, const struct prf_result_key *key,
                           bool with_profile, struct prf_result *out,
                           struct prf_error *err);

/* load_profile.c: NULL in *out when the result has none. */
int prf_sqlite_load_profile(struct prf_sqlite *s, const struct prf_result_key *key,
                            bool with_tables, struct prf_profile **out,
                            struct prf_error *err);

/* A text that is kept by the result, by its profile, or (the same text) by both. */
enum { PRF_OF_RESULT = 1, PRF_OF_PROFILE = 2 };
#define PRF_NOWHERE ((size_t)-1)
struct prf_detail {
    const char *kind;
    size_t in_result, in_profile; /* offset of the const char *, or PRF_NOWHERE */
};
extern const struct prf_detail prf_details[];
extern const size_t prf_n_details;

#endif
