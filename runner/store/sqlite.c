/* The connection: opening a file in whatever state it is, cached statements,
   transactions, and what SQLite's codes mean to people. */
#include "sqlite_store.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "recordings.h"
#include "schema.h"
#include "strbuf.h"

/* How long a writer waits for the others. A transaction takes well under 1 ms, one with
   a big profile some 50 ms, so this is many writers or a hung one. */
#define BUSY_TIMEOUT_MS 30000

int
prf_sql_fail(struct prf_sqlite *s, struct prf_error *err)
{
    int code = sqlite3_errcode(s->db) & 0xff;
    int system = sqlite3_system_errno(s->db);
    const char *why = system != 0 ? strerror(system) : sqlite3_errmsg(s->db);
    switch (code) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return prf_fail(err, PRF_ESTORE,
                        "'%s' is locked by another process: try again when it is done",
                        s->path);
    case SQLITE_FULL:
        return prf_fail(err, PRF_ESTORE,
                        "no space left for '%s': make room on its disk", s->path);
    case SQLITE_READONLY:
        return prf_fail(
            err, PRF_ESTORE,
            "'%s' cannot be written: check the permissions of the file and of"
            " its folder, or name another store",
            s->path);
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
    case SQLITE_AUTH:
        return prf_fail(err, PRF_ESTORE,
                        "cannot open '%s': %s: check the permissions of its folder",
                        s->path, why);
    case SQLITE_IOERR:
        return prf_fail(err, PRF_ESTORE, "cannot read or write '%s': %s", s->path, why);
    case SQLITE_NOTADB:
        return prf_fail(
            err, PRF_ECORRUPT,
            "'%s' is not a result store: move it away, or name another store", s->path);
    case SQLITE_CORRUPT:
        return prf_fail(
            err, PRF_ECORRUPT,
            "'%s' is damaged: move it away to begin a new one ('sqlite3 FILE"
            " .recover' may save what it holds)",
            s->path);
    case SQLITE_NOMEM:
        return prf_fail(err, PRF_ENOMEM, "out of memory");
    default:
        return prf_fail(err, PRF_ESTORE, "'%s': %s", s->path, sqlite3_errmsg(s->db));
    }
}

static int
sqlite_bind_one(sqlite3_stmt *statement, int i, const struct prf_sql_value *value)
{
    switch (value->type) {
    case PRF_SQL_INT:
        return sqlite3_bind_int64(statement, i, value->integer);
    case PRF_SQL_REAL:
        return sqlite3_bind_double(statement, i, value->real);
    case PRF_SQL_TEXT:
        return sqlite3_bind_text(statement, i, value->data, -1, SQLITE_STATIC);
    case PRF_SQL_BLOB:
        /* A NULL address would bind NULL, also for no bytes. */
        return sqlite3_bind_blob64(statement, i, value->size ? value->data : "",
                                   value->size, SQLITE_STATIC);
    case PRF_SQL_NULL:
        return sqlite3_bind_null(statement, i);
    }
    return SQLITE_MISUSE;
}

int
prf_sql_bind(struct prf_sqlite *s, sqlite3_stmt *statement,
             const struct prf_sql_value *values, size_t n, struct prf_error *err)
{
    for (size_t i = 0; i < n; i++) {
        if (sqlite_bind_one(statement, (int)i + 1, &values[i]) != SQLITE_OK) {
            return prf_sql_fail(s, err);
        }
    }
    return 0;
}

static int
sqlite_cached(struct prf_sqlite *s, const char *sql, sqlite3_stmt **out,
              struct prf_error *err)
{
    for (size_t i = 0; i < s->n_cached; i++) {
        if (s->cache[i].sql == sql) {
            *out = s->cache[i].statement;
            return 0;
        }
    }
    if (s->n_cached == PRF_SQLITE_STATEMENTS) {
        PRF_BUG("more statements than PRF_SQLITE_STATEMENTS");
    }
    sqlite3_stmt *statement;
    if (sqlite3_prepare_v3(s->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement,
                           NULL) != SQLITE_OK) {
        return prf_sql_fail(s, err);
    }
    s->cache[s->n_cached++] = (struct prf_sqlite_cached){sql, statement};
    *out = statement;
    return 0;
}

int
prf_sql_prepare(struct prf_sqlite *s, const char *sql,
                const struct prf_sql_value *values, size_t n, sqlite3_stmt **out,
                struct prf_error *err)
{
    int rc = sqlite_cached(s, sql, out, err);
    return rc < 0 ? rc : prf_sql_bind(s, *out, values, n, err);
}

int
prf_sql_step(struct prf_sqlite *s, sqlite3_stmt *statement, struct prf_error *err)
{
    switch (sqlite3_step(statement)) {
    case SQLITE_ROW:
        return 1;
    case SQLITE_DONE:
        return 0;
    default:
        return prf_sql_fail(s, err);
    }
}

void
prf_sql_done(sqlite3_stmt *statement)
{
    if (statement != NULL) {
        sqlite3_reset(statement);
        sqlite3_clear_bindings(statement);
    }
}

int
prf_sql_run(struct prf_sqlite *s, const char *sql, const struct prf_sql_value *values,
            size_t n, struct prf_error *err)
{
    int rc = prf_sql_integers(s, sql, values, n, NULL, 0, err);
    return rc < 0 ? rc : 0;
}

int
prf_sql_integers(struct prf_sqlite *s, const char *sql,
                 const struct prf_sql_value *values, size_t n, sqlite3_int64 *out,
                 size_t n_out, struct prf_error *err)
{
    sqlite3_stmt *statement = NULL;
    int rc = prf_sql_prepare(s, sql, values, n, &statement, err);
    if (rc == 0) {
        rc = prf_sql_step(s, statement, err);
    }
    for (size_t i = 0; rc == 1 && i < n_out; i++) {
        out[i] = sqlite3_column_int64(statement, (int)i);
    }
    prf_sql_done(statement);
    return rc;
}

int
prf_sql_script(struct prf_sqlite *s, const char *sql, struct prf_error *err)
{
    return sqlite3_exec(s->db, sql, NULL, NULL, NULL) == SQLITE_OK
               ? 0
               : prf_sql_fail(s, err);
}

int
prf_sql_begin(struct prf_sqlite *s, struct prf_error *err)
{
    static const char sql[] = "BEGIN IMMEDIATE";
    return prf_sql_run(s, sql, NULL, 0, err);
}

int
prf_sql_end(struct prf_sqlite *s, int rc, struct prf_error *err)
{
    static const char commit[] = "COMMIT";
    if (rc == 0) {
        rc = prf_sql_run(s, commit, NULL, 0, err);
    }
    /* SQLite rolls back by itself after some failures, a full disk among them. */
    if (rc < 0 && sqlite3_get_autocommit(s->db) == 0) {
        sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
    }
    return rc;
}

static void
sqlite_close(struct prf_store *store)
{
    struct prf_sqlite *s = (struct prf_sqlite *)store;
    for (size_t i = 0; i < s->n_cached; i++) {
        sqlite3_finalize(s->cache[i].statement);
    }
    sqlite3_close(s->db);
    free(s->path);
    free(s);
}

static const struct prf_store_ops sqlite_ops = {
    .close = sqlite_close,
    .add_run = prf_sqlite_add_run,
    .add_result = prf_sqlite_add_result,
    .finish_run = prf_sqlite_finish_run,
    .select = prf_sqlite_select,
    .series = prf_sqlite_series,
    .points = prf_sqlite_points,
    .earlier = prf_sqlite_earlier,
    .side = prf_sqlite_side,
    .find_run = prf_sqlite_find_run,
    .save_baseline = prf_sqlite_save_baseline,
    .baselines = prf_sqlite_baselines,
    .dirty_trees = prf_sqlite_dirty_trees,
    .recording = prf_sqlite_recording,
    .describe = prf_sqlite_describe,
};

static int
sqlite_connect(struct prf_sqlite *s, const char *name, int flags, struct prf_error *err)
{
    sqlite3_close(s->db); /* of an attempt before */
    s->db = NULL;
    if (sqlite3_open_v2(name, &s->db, flags | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK) {
        return s->db == NULL ? prf_fail(err, PRF_ENOMEM, "out of memory")
                             : prf_sql_fail(s, err);
    }
    sqlite3_busy_timeout(s->db, BUSY_TIMEOUT_MS);
    return 0;
}

/* A store whose folder cannot be written, on a read-only disk for instance: the log's
   index cannot be made there, but nobody can be writing either. With a log that holds
   something it would be wrong, parts would be missing. */
static int
sqlite_connect_immutable(struct prf_sqlite *s, struct prf_error *err)
{
    struct prf_strbuf text = PRF_STRBUF_INIT;
    struct stat st;
    int rc;
    prf_strbuf_addf(&text, "%s-wal", s->path);
    if (text.failed || (stat(text.data, &st) == 0 && st.st_size > 0)) {
        rc = prf_fail(err, PRF_ESTORE,
                      "cannot read '%s': its folder must be writable, to take in what a"
                      " killed run left in '%s'",
                      s->path, prf_strbuf_text(&text));
        goto out;
    }
    prf_strbuf_clear(&text);
    prf_strbuf_adds(&text, "file:");
    for (const char *p = s->path; *p != '\0'; p++) {
        if (strchr("%?#", *p) != NULL) {
            prf_strbuf_addf(&text, "%%%02X", (unsigned)*p);
        } else {
            prf_strbuf_addc(&text, *p);
        }
    }
    prf_strbuf_adds(&text, "?immutable=1");
    rc = text.failed ? prf_fail(err, PRF_ENOMEM, "out of memory")
                     : sqlite_connect(s, text.data,
                                      SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, err);
out:
    prf_strbuf_release(&text);
    return rc;
}

/* The busy timeout does not cover the change of mode by several processes at once. */
static int
sqlite_use_wal(struct prf_sqlite *s, struct prf_error *err)
{
    for (int waited_ms = 0;; waited_ms += 5) {
        int code = sqlite3_exec(s->db, "PRAGMA journal_mode = WAL", NULL, NULL, NULL);
        if (code == SQLITE_OK) {
            return 0; /* or the file system cannot: then it stays slower, but sound */
        }
        if ((code & 0xff) != SQLITE_BUSY || waited_ms >= BUSY_TIMEOUT_MS) {
            return prf_sql_fail(s, err);
        }
        usleep(5000);
    }
}

static int
sqlite_open_write(struct prf_sqlite *s, struct prf_error *err)
{
    int version;
    int rc =
        sqlite_connect(s, s->path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, err);
    if (rc == 0 && sqlite3_db_readonly(s->db, "main") == 1) {
        rc = prf_fail(
            err, PRF_ESTORE,
            "'%s' cannot be written: check the permissions of the file and of its"
            " folder, or name another store",
            s->path);
    }
    if (rc == 0) {
        rc = prf_schema_check(s, &prf_schema_current, &version, err);
    }
    if (rc == 0) {
        rc = sqlite_use_wal(s, err);
    }
    return rc < 0 ? rc : prf_schema_migrate(s, &prf_schema_current, err);
}

static int
sqlite_open_read(struct prf_sqlite *s, struct prf_error *err)
{
    int version = 0;
    struct prf_error why = {0};
    /* Opened for writing where possible: what a killed run left is taken in. */
    int rc = sqlite_connect(s, s->path, SQLITE_OPEN_READWRITE, &why);
    if (rc == 0) {
        rc = prf_schema_check(s, &prf_schema_current, &version, &why);
    }
    int code = sqlite3_errcode(s->db) & 0xff;
    if (rc == PRF_ESTORE && (code == SQLITE_CANTOPEN || code == SQLITE_READONLY)) {
        rc = sqlite_connect_immutable(s, err);
        if (rc == 0) {
            rc = prf_schema_check(s, &prf_schema_current, &version, err);
        }
    } else if (rc < 0) {
        prf_fail(err, rc, "%s", why.text);
    }
    if (rc < 0 || version == prf_schema_current.n_steps) {
        return rc;
    }
    if (sqlite3_db_readonly(s->db, "main") == 1) {
        return prf_fail(
            err, PRF_ESTORE,
            "'%s' is of an older version and cannot be written: copy it to a"
            " folder where it can be brought up to date",
            s->path);
    }
    return prf_schema_migrate(s, &prf_schema_current, err);
}

int
prf_sqlite_open(const char *path, enum prf_store_mode mode, struct prf_store **out,
                struct prf_error *err)
{
    struct prf_sqlite *s = calloc(1, sizeof *s);
    if (s == NULL || (s->path = strdup(path)) == NULL) {
        free(s);
        return prf_fail(err, PRF_ENOMEM, "out of memory");
    }
    s->base.ops = &sqlite_ops;
    int rc =
        mode == PRF_STORE_WRITE ? sqlite_open_write(s, err) : sqlite_open_read(s, err);
    if (rc == 0) {
        /* NORMAL: a killed process loses nothing, the kernel has the log; a power
           failure may cost the last commits but never the file, and no commit waits for
           a disk. */
        rc = prf_sql_script(
            s,
            mode == PRF_STORE_WRITE
                ? "PRAGMA foreign_keys = ON; PRAGMA synchronous = NORMAL;"
                : "PRAGMA query_only = ON;",
            err);
    }
    if (rc < 0) {
        sqlite_close(&s->base);
        return rc;
    }
    if (mode == PRF_STORE_WRITE) {
        prf_recordings_sweep(s);
    }
    *out = &s->base;
    return 0;
}
