/* Results that one is compared with: the newest of the same series, measured under the
   same conditions. Runs are walked from the newest back, and in each the series is
   found by one seek: an index by series would cost every run (see schema.c). */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "load.h"

/* 0.2 s. */
#define EARLIER_RUNS 200000

struct earlier {
    struct prf_sqlite *s;
    const struct prf_earlier_query *query;
    prf_store_visit_earlier *visit;
    void *arg;
    struct prf_result_key *keys; /* what was picked */
    size_t n_keys;
    double *amounts; /* of one result */
};

/* --- which ones --------------------------------------------------------------------
 */

/* Options that choose what is shown of a result, in every profiler that has them: they
   measure nothing else. */
#define EARLIER_MEASURING(options)                                                     \
    "json_remove(" options ", '$.sort', '$.\"top-k\"', '$.\"strip-dirs\"')"

/* The unary plus keeps the walk by key. */
static const char earlier_keys[] =
    "SELECT x.run, x.series, x.n FROM (SELECT key, machine, environment FROM run"
    "  WHERE key < coalesce((SELECT key FROM run WHERE id = ?), 9223372036854775807)"
    "  ORDER BY key DESC LIMIT ?) r"
    " CROSS JOIN result x ON x.run = r.key AND x.series ="
    " (SELECT key FROM series WHERE case_id = ? AND profiler = ?)"
    " WHERE +r.machine IN (SELECT key FROM machine WHERE fingerprint IS ?)"
    " AND +r.environment IN (SELECT key FROM environment WHERE version IS ?"
    "  AND implementation IS ? AND host IS ? AND flags IS ?)"
    " AND (SELECT " EARLIER_MEASURING("value") " FROM text WHERE key = x.options)"
                                               " IS " EARLIER_MEASURING(
                                                   "?") " AND x.status = 'ok'"
                                                        " LIMIT ?";

static int
earlier_pick(struct earlier *e, struct prf_error *err)
{
    const struct prf_earlier_query *q = e->query;
    const struct prf_python *python = &q->run->python;
    sqlite3_stmt *statement = NULL;
    e->keys = calloc(q->limit + 1, sizeof *e->keys);
    if (e->keys == NULL) {
        return prf_fail(err, PRF_ENOMEM, "out of memory");
    }
    int rc = prf_sql_prepare(
        e->s, earlier_keys,
        PRF_ARGS(PRF_TEXT(q->run->id), PRF_INT(EARLIER_RUNS),
                 PRF_TEXT(q->result->case_id), PRF_TEXT(q->result->profiler),
                 PRF_TEXT(q->run->machine.fingerprint), PRF_TEXT(python->version),
                 PRF_TEXT(python->implementation), PRF_TEXT(python->host),
                 PRF_TEXT(python->flags), PRF_TEXT(q->result->options),
                 PRF_INT((sqlite3_int64)q->limit)),
        &statement, err);
    while (rc >= 0 && e->n_keys < q->limit &&
           (rc = prf_sql_step(e->s, statement, err)) == 1) {
        e->keys[e->n_keys++] =
            (struct prf_result_key){.run = sqlite3_column_int64(statement, 0),
                                    .series = sqlite3_column_int64(statement, 1),
                                    .n = sqlite3_column_int64(statement, 2)};
    }
    prf_sql_done(statement);
    return rc < 0 ? rc : 0;
}

/* --- amounts of functions ----------------------------------------------------------
 */

/* Where the columns that are wanted are among those of the sites; -1: nowhere. */
static int
earlier_columns(struct earlier *e, const struct prf_result_key *key, int *at,
                size_t *n_columns, struct prf_error *err)
{
    static const char sql[] = "SELECT (SELECT value FROM text WHERE key = site_columns)"
                              " FROM profile WHERE run = ? AND series = ? AND n = ?";
    struct prf_arena arena = {0};
    struct prf_loader l = {.arena = &arena};
    struct prf_table table = {0};
    const char *text = NULL;
    int rc = prf_sql_prepare(e->s, sql, PRF_ARGS(PRF_KEY(key)), &l.statement, err);
    if (rc == 0 && (rc = prf_sql_step(e->s, l.statement, err)) == 1) {
        text = prf_load_text(&l, 0);
    }
    rc = prf_load_end(&l, rc, err);
    if (rc >= 0) {
        rc = prf_load_columns(e->s, text, &table, &arena, err);
    }
    for (size_t c = 0; rc == 0 && c < e->query->n_columns; c++) {
        at[c] = prf_column_find(table.columns, table.n_columns, e->query->columns[c]);
    }
    *n_columns = table.n_columns;
    prf_arena_release(&arena);
    return rc;
}

/* Add a row to the amounts of its function. */
static void
earlier_add(struct earlier *e, size_t function, const int *at, size_t n_columns,
            sqlite3_stmt *row)
{
    const unsigned char *data = sqlite3_column_blob(row, 0);
    const unsigned char *end = data + sqlite3_column_bytes(row, 0);
    double *amounts = &e->amounts[function * e->query->n_columns];
    for (size_t c = 0; c < n_columns; c++) {
        double value = (double)prf_load_varint(&data, end);
        for (size_t k = 0; k < e->query->n_columns; k++) {
            if (at[k] == (int)c) {
                amounts[k] = isnan(amounts[k]) ? value : amounts[k] + value;
            }
        }
    }
}

/* A function is found in the index of codes, whatever its line; its rows are those of
   the result that have one of these keys. */
static int
earlier_function(struct earlier *e, const struct prf_result_key *key, size_t function,
                 const int *at, size_t n_columns, struct prf_error *err)
{
    static const char sql[] =
        "SELECT data FROM site WHERE run = ? AND series = ? AND n = ? AND code IN"
        " (SELECT key FROM code WHERE qualname = (SELECT key FROM text WHERE value = ?)"
        "  AND file = (SELECT key FROM text WHERE value = ?))";
    const struct prf_function *f = &e->query->functions[function];
    sqlite3_stmt *statement = NULL;
    int rc = prf_sql_prepare(
        e->s, sql, PRF_ARGS(PRF_KEY(key), PRF_TEXT(f->qualname), PRF_TEXT(f->file)),
        &statement, err);
    while (rc >= 0 && (rc = prf_sql_step(e->s, statement, err)) == 1) {
        earlier_add(e, function, at, n_columns, statement);
    }
    prf_sql_done(statement);
    return rc < 0 ? rc : 0;
}

static int
earlier_amounts(struct earlier *e, const struct prf_result_key *key,
                struct prf_error *err)
{
    size_t n = e->query->n_functions * e->query->n_columns, n_columns = 0;
    int *at = calloc(e->query->n_columns + 1, sizeof *at);
    int rc = at == NULL ? prf_fail(err, PRF_ENOMEM, "out of memory") : 0;
    for (size_t i = 0; i < n; i++) {
        e->amounts[i] = NAN;
    }
    if (rc == 0 && n > 0) {
        rc = earlier_columns(e, key, at, &n_columns, err);
    }
    for (size_t f = 0; rc == 0 && n > 0 && f < e->query->n_functions; f++) {
        rc = earlier_function(e, key, f, at, n_columns, err);
    }
    free(at);
    return rc;
}

/* --- one by one --------------------------------------------------------------------
 */

static int
earlier_show(struct earlier *e, const struct prf_result_key *key, struct prf_error *err)
{
    struct prf_run run = {0};
    struct prf_result result = {0};
    int rc = prf_sqlite_load_run(e->s, key->run, &run, err);
    if (rc == 0) {
        rc = prf_sqlite_load_result(e->s, key, false, &result, err);
    }
    if (rc == 0) {
        rc = earlier_amounts(e, key, err);
    }
    if (rc == 0) {
        struct prf_earlier earlier = {&run, &result, e->amounts};
        result.run_id = run.id;
        rc = e->visit(&earlier, e->arg);
    }
    prf_result_release(&result);
    prf_run_release(&run);
    return rc;
}

int
prf_sqlite_earlier(struct prf_store *store, const struct prf_earlier_query *query,
                   prf_store_visit_earlier *visit, void *arg, struct prf_error *err)
{
    struct earlier e = {
        .s = (struct prf_sqlite *)store, .query = query, .visit = visit, .arg = arg};
    size_t n = query->n_functions * query->n_columns;
    e.amounts = calloc(n + 1, sizeof *e.amounts);
    int rc = e.amounts == NULL ? prf_fail(err, PRF_ENOMEM, "out of memory")
                               : earlier_pick(&e, err);
    for (size_t i = 0; rc == 0 && i < e.n_keys; i++) {
        rc = earlier_show(&e, &e.keys[i], err);
    }
    free(e.amounts);
    free(e.keys);
    return rc;
}
