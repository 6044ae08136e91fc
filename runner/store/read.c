/* Choosing results: a query becomes the keys of its results, in measuring order, and
   each is loaded by its key. So every variant of the query loads the same way, results
   stream, and the cost is that of what is asked for, not of what is stored. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "recordings.h"
#include "sqlite_store.h"
#include "strbuf.h"

#define CANDIDATES_MAX 8

/* The two kinds of ids. `sql`: the ids from ?1 to before ?2 in order, and three
   integers that the caller wants of the row. */
struct id_kind {
    const char *noun;
    const char *sql;
};

static const char run_by_id[] =
    "SELECT id, key, 0, 0 FROM run WHERE id >= ?1 AND id < ?2 ORDER BY id LIMIT 9";
static const char result_by_id[] = "SELECT id, run, series, n FROM result"
                                   " WHERE id >= ?1 AND id < ?2 ORDER BY id LIMIT 9";
static const struct id_kind id_run = {"run", run_by_id};
static const struct id_kind id_result = {"result", result_by_id};

/* The rows of a statement of id_kind: how many there are, their ids as text, the
   integers of the first. An id that is `exact` is the only one. */
static int
read_candidates(struct prf_sqlite *s, sqlite3_stmt *statement, const char *exact,
                struct prf_strbuf *list, sqlite3_int64 out[3], struct prf_error *err)
{
    int n = 0;
    int rc;
    while ((rc = prf_sql_step(s, statement, err)) == 1) {
        const char *id = (const char *)sqlite3_column_text(statement, 0);
        for (int i = 0; i < 3 && n == 0; i++) {
            out[i] = sqlite3_column_int64(statement, i + 1);
        }
        if (n == CANDIDATES_MAX) {
            prf_strbuf_adds(list, ", ...");
            return n + 1;
        }
        prf_strbuf_addf(list, "%s%s", n == 0 ? "" : ", ", id);
        n++;
        /* It sorts before the longer ids that begin with it. */
        if (strcmp(id, exact) == 0) {
            return 1;
        }
    }
    return rc < 0 ? rc : n;
}

/* The row whose id is `id`, or the only one whose id begins so. */
static int
read_id(struct prf_sqlite *s, const struct id_kind *kind, const char *id,
        sqlite3_int64 out[3], struct prf_error *err)
{
    struct prf_strbuf end = PRF_STRBUF_INIT;
    struct prf_strbuf list = PRF_STRBUF_INIT;
    sqlite3_stmt *statement = NULL;
    int rc;
    prf_strbuf_addf(&end, "%s\xff", id); /* sorts behind every id with that prefix */
    if (end.failed) {
        rc = prf_fail(err, PRF_ENOMEM, "out of memory");
        goto out;
    }
    rc = prf_sql_prepare(s, kind->sql, PRF_ARGS(PRF_TEXT(id), PRF_TEXT(end.data)),
                         &statement, err);
    if (rc == 0) {
        rc = read_candidates(s, statement, id, &list, out, err);
    }
    if (rc == 0) {
        rc =
            prf_fail(err, PRF_ENOTFOUND, "no %s '%s' in '%s'", kind->noun, id, s->path);
    } else if (rc > 1) {
        rc = prf_fail(err, PRF_ENOTFOUND, "%s '%s' is ambiguous, it may be: %s",
                      kind->noun, id, prf_strbuf_text(&list));
    }
out:
    prf_sql_done(statement);
    prf_strbuf_release(&end);
    prf_strbuf_release(&list);
    return rc < 0 ? rc : 0;
}

int
prf_sqlite_run_key(struct prf_sqlite *s, const char *id, sqlite3_int64 *key,
                   struct prf_error *err)
{
    sqlite3_int64 found[3] = {0};
    int rc = read_id(s, &id_run, id, found, err);
    *key = found[0];
    return rc;
}

#define PICK_MAX 16

/* A SELECT of keys in the making: its conditions, and the values of their '?' in order.
 */
struct pick {
    struct prf_strbuf where;
    struct prf_sql_value values[PICK_MAX];
    size_t n;
    struct prf_strbuf case_end; /* bound by address, so it lives with the pick */
    sqlite3_int64 run;          /* of the newest run, or of the one asked for; 0: any */
    bool nothing;               /* no run fits */
    bool restricted;            /* to some runs */
};

static void
pick_release(struct pick *pick)
{
    prf_strbuf_release(&pick->where);
    prf_strbuf_release(&pick->case_end);
}

static void
pick_and(struct pick *pick, const char *condition, const struct prf_sql_value *values,
         size_t n)
{
    prf_strbuf_adds(&pick->where, pick->where.len == 0 ? " WHERE " : " AND ");
    prf_strbuf_adds(&pick->where, condition);
    for (size_t i = 0; i < n; i++) {
        if (pick->n == PICK_MAX) {
            PRF_BUG("more values than PICK_MAX");
        }
        pick->values[pick->n++] = values[i];
    }
}

static bool
pick_ends_part(const char *id, size_t len)
{
    return len > 0 && (id[len - 1] == '/' || id[len - 1] == '[' ||
                       (len > 1 && strcmp(id + len - 2, "::") == 0));
}

/* The case with that id, or all below it. A range finds them in the index of series,
   the next characters say whether the prefix ends where a part of the id does. */
static void
pick_case(struct pick *pick, const char *id)
{
    size_t len = strlen(id);
    sqlite3_int64 next = (sqlite3_int64)len + 1;
    prf_strbuf_addf(&pick->case_end, "%s\xff", id);
    /* Counted in bytes as `len` is: a prefix from elsewhere may end within a character.
     */
    pick_and(pick,
             "x.series IN (SELECT key FROM series WHERE case_id >= ? AND case_id < ?"
             " AND (? OR case_id = ? OR substr(CAST(case_id AS BLOB), ?, 1) IN (X'2F', "
             "X'5B')"
             " OR substr(CAST(case_id AS BLOB), ?, 2) = X'3A3A'))",
             PRF_ARGS(PRF_TEXT(id), PRF_TEXT(pick->case_end.data),
                      PRF_INT(pick_ends_part(id, len)), PRF_TEXT(id), PRF_INT(next),
                      PRF_INT(next)));
}

static int
pick_latest(struct prf_sqlite *s, const char *commit, struct pick *pick,
            struct prf_error *err)
{
    static const char of_all[] = "SELECT key FROM run ORDER BY id DESC LIMIT 1";
    static const char of_commit[] =
        "SELECT run.key FROM commit_ CROSS JOIN run ON run.commit_ = commit_.key"
        " WHERE commit_.id = ? ORDER BY run.id DESC LIMIT 1";
    int rc = commit == NULL ? prf_sql_integers(s, of_all, NULL, 0, &pick->run, 1, err)
                            : prf_sql_integers(s, of_commit, PRF_ARGS(PRF_TEXT(commit)),
                                               &pick->run, 1, err);
    pick->nothing = rc == 0;
    return rc < 0 ? rc : 0;
}

static int
pick_run(struct prf_sqlite *s, const struct prf_query *query, struct pick *pick,
         struct prf_error *err)
{
    sqlite3_int64 found[3] = {0};
    int rc = 0;
    if (query->run_id != NULL) {
        rc = read_id(s, &id_run, query->run_id, found, err);
        pick_and(pick, "r.key = ?", PRF_ARGS(PRF_INT(found[0])));
    }
    if (rc == 0 && query->latest_run) {
        rc = pick_latest(s, query->commit, pick, err);
        pick_and(pick, "r.key = ?", PRF_ARGS(PRF_INT(pick->run)));
    }
    if (query->commit != NULL) {
        pick_and(pick, "r.commit_ IN (SELECT key FROM commit_ WHERE id = ?)",
                 PRF_ARGS(PRF_TEXT(query->commit)));
    }
    pick->restricted = pick->where.len > 0;
    return rc;
}

static int
pick_conditions(struct prf_sqlite *s, const struct prf_query *query, struct pick *pick,
                struct prf_error *err)
{
    sqlite3_int64 found[3] = {0};
    int rc = pick_run(s, query, pick, err);
    if (rc == 0 && query->result_id != NULL) {
        rc = read_id(s, &id_result, query->result_id, found, err);
        pick_and(pick, "r.key = ? AND x.run = ? AND x.series = ? AND x.n = ?",
                 PRF_ARGS(PRF_INT(found[0]), PRF_INT(found[0]), PRF_INT(found[1]),
                          PRF_INT(found[2])));
        pick->restricted = true;
    }
    if (query->case_id != NULL) {
        pick_case(pick, query->case_id);
    }
    if (query->profiler != NULL) {
        pick_and(pick, "x.series IN (SELECT key FROM series WHERE profiler = ?)",
                 PRF_ARGS(PRF_TEXT(query->profiler)));
    }
    if (rc == 0 && (pick->where.failed || pick->case_end.failed)) {
        rc = prf_fail(err, PRF_ENOMEM, "out of memory");
    }
    return rc;
}

/* CROSS JOIN fixes the order of the loops: runs by their id, then the rows of each. */
#define PICK_RUNS " FROM run r CROSS JOIN result x ON x.run = r.key"
#define PICK_SERIES                                                                    \
    " FROM series s CROSS JOIN result x ON x.run = s.last_run AND x.series = s.key"    \
    " AND x.n = s.last_n CROSS JOIN run r ON r.key = x.run"
#define PICK_KEYS "x.run AS run, x.series AS series, x.n AS n, r.id AS run_id"

static int
pick_prepare(struct prf_sqlite *s, const struct prf_query *query, struct pick *pick,
             sqlite3_stmt **out, struct prf_error *err)
{
    struct prf_strbuf sql = PRF_STRBUF_INIT;
    const char *where = prf_strbuf_text(&pick->where);
    int rc = 0;
    if (query->limit > 0) {
        prf_strbuf_adds(&sql, "SELECT run, series, n FROM (");
    }
    if (!query->latest_per_case) {
        prf_strbuf_addf(&sql, "SELECT " PICK_KEYS PICK_RUNS "%s", where);
    } else if (pick->restricted) {
        prf_strbuf_addf(&sql,
                        "SELECT run, series, n, run_id FROM (SELECT " PICK_KEYS
                        ", row_number() OVER (PARTITION BY x.series"
                        " ORDER BY r.id DESC, x.n DESC) AS age" PICK_RUNS
                        "%s) WHERE age = 1",
                        where);
    } else {
        prf_strbuf_addf(&sql, "SELECT " PICK_KEYS PICK_SERIES "%s", where);
    }
    if (query->limit > 0) {
        prf_strbuf_addf(&sql, " ORDER BY run_id DESC, n DESC LIMIT %zu)", query->limit);
    }
    prf_strbuf_adds(&sql, " ORDER BY run_id, n");
    if (sql.failed) {
        rc = prf_fail(err, PRF_ENOMEM, "out of memory");
    } else if (sqlite3_prepare_v2(s->db, sql.data, -1, out, NULL) != SQLITE_OK) {
        rc = prf_sql_fail(s, err);
    } else {
        rc = prf_sql_bind(s, *out, pick->values, pick->n, err);
    }
    prf_strbuf_release(&sql);
    return rc;
}

/* Loads what is picked and shows it; a run is loaded once for its results in a row. */
static int
read_visit(struct prf_sqlite *s, sqlite3_stmt *keys, bool with_profile,
           prf_store_visit *visit, void *arg, struct prf_error *err)
{
    struct prf_run run = {0};
    sqlite3_int64 run_key = 0;
    int rc;
    while ((rc = prf_sql_step(s, keys, err)) == 1) {
        struct prf_result_key key = {sqlite3_column_int64(keys, 0),
                                     sqlite3_column_int64(keys, 1),
                                     sqlite3_column_int64(keys, 2)};
        struct prf_result result = {0};
        if (key.run != run_key) {
            prf_run_release(&run);
            rc = prf_sqlite_load_run(s, key.run, &run, err);
            run_key = key.run;
        }
        if (rc >= 0) {
            rc = prf_sqlite_load_result(s, &key, with_profile, &result, err);
        }
        if (rc >= 0) {
            result.run_id = run.id;
            rc = visit(&run, &result, arg);
        }
        prf_result_release(&result);
        if (rc != 0) {
            break;
        }
    }
    prf_run_release(&run);
    return rc;
}

int
prf_sqlite_select(struct prf_store *store, const struct prf_query *query,
                  bool with_profile, prf_store_visit *visit, void *arg,
                  struct prf_error *err)
{
    struct prf_sqlite *s = (struct prf_sqlite *)store;
    struct pick pick = {0};
    sqlite3_stmt *keys = NULL;
    int rc = pick_conditions(s, query, &pick, err);
    if (rc < 0 || pick.nothing) {
        goto out;
    }
    rc = pick_prepare(s, query, &pick, &keys, err);
    if (rc == 0) {
        rc = read_visit(s, keys, with_profile, visit, arg, err);
    }
out:
    sqlite3_finalize(keys);
    pick_release(&pick);
    return rc;
}

int
prf_sqlite_recording(struct prf_store *store, const char *result_id,
                     struct prf_recording_map *out, struct prf_error *err)
{
    static const char sql[] =
        "SELECT size_bytes, data, encoding, result.id FROM"
        " artifact JOIN result USING (run, series, n) WHERE run = ?"
        " AND series = ? AND n = ? AND kind = 'recording'";
    struct prf_sqlite *s = (struct prf_sqlite *)store;
    sqlite3_int64 key[3];
    sqlite3_stmt *statement = NULL;
    int rc = read_id(s, &id_result, result_id, key, err);
    if (rc < 0) {
        return rc;
    }
    rc = prf_sql_prepare(s, sql,
                         PRF_ARGS(PRF_INT(key[0]), PRF_INT(key[1]), PRF_INT(key[2])),
                         &statement, err);
    if (rc == 0) {
        rc = prf_sql_step(s, statement, err);
    }
    if (rc == 1) {
        struct prf_packed packed = {
            .encoding = (const char *)sqlite3_column_text(statement, 2),
            .data = (void *)sqlite3_column_blob(statement, 1),
            .size = (size_t)sqlite3_column_bytes(statement, 1),
        };
        rc = prf_recordings_unpack(s, (const char *)sqlite3_column_text(statement, 3),
                                   &packed, (size_t)sqlite3_column_int64(statement, 0),
                                   out, err);
    } else if (rc == 0) {
        rc = prf_fail(err, PRF_ENOTFOUND, "result '%s' has no recording", result_id);
    }
    prf_sql_done(statement);
    return rc;
}

/* Bytes of the file and of what is not yet moved into it. */
static long long
read_size(const struct prf_sqlite *s)
{
    long long size_bytes = 0;
    struct prf_strbuf log = PRF_STRBUF_INIT;
    struct stat st;
    if (stat(s->path, &st) == 0) {
        size_bytes = (long long)st.st_size;
    }
    prf_strbuf_addf(&log, "%s-wal", s->path);
    if (!log.failed && stat(log.data, &st) == 0) {
        size_bytes += (long long)st.st_size;
    }
    prf_strbuf_release(&log);
    return size_bytes;
}

int
prf_sqlite_describe(struct prf_store *store, struct prf_store_info *info,
                    struct prf_error *err)
{
    /* The sum over runs: counting a million results takes longer. */
    static const char counts[] =
        "SELECT count(*), coalesce(sum(n_results), 0) FROM run";
    static const char version[] = "PRAGMA user_version";
    struct prf_sqlite *s = (struct prf_sqlite *)store;
    sqlite3_int64 n[3];
    int rc = prf_sql_integers(s, counts, NULL, 0, n, 2, err);
    if (rc >= 0) {
        rc = prf_sql_integers(s, version, NULL, 0, &n[2], 1, err);
    }
    if (rc < 0) {
        return rc;
    }
    *info = (struct prf_store_info){.schema_version = (int)n[2],
                                    .n_runs = n[0],
                                    .n_results = n[1],
                                    .size_bytes = read_size(s)};
    return 0;
}
