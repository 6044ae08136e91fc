/* The values of one series over all runs, read in one pass: a history of thousands of
   commits must not load a model for each result. */
#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "sqlite_store.h"

int
prf_sqlite_series(struct prf_store *store, prf_store_visit_series *visit, void *arg,
                  struct prf_error *err)
{
    static const char sql[] =
        "SELECT case_id, profiler FROM series ORDER BY case_id, profiler";
    struct prf_sqlite *s = (struct prf_sqlite *)store;
    sqlite3_stmt *statement = NULL;
    int rc = prf_sql_prepare(s, sql, NULL, 0, &statement, err);
    while (rc >= 0 && (rc = prf_sql_step(s, statement, err)) == 1) {
        rc = visit((const char *)sqlite3_column_text(statement, 0),
                   (const char *)sqlite3_column_text(statement, 1), arg);
        if (rc != 0) {
            break;
        }
    }
    prf_sql_done(statement);
    return rc;
}

/* A row that is read, and room for its samples that serves the next one too. */
struct points {
    sqlite3_stmt *statement;
    double *samples;
    size_t room;
};

static const char *
points_text(const struct points *l, int column)
{
    return (const char *)sqlite3_column_text(l->statement, column);
}

/* The samples are copied, since they are kept in an order of bytes of their own. */
static int
points_samples(struct points *l, size_t n)
{
    const unsigned char *raw = sqlite3_column_blob(l->statement, 20);
    if (n > l->room) {
        double *grown = realloc(l->samples, n * sizeof *grown);
        if (grown == NULL) {
            return PRF_ENOMEM;
        }
        l->samples = grown;
        l->room = n;
    }
    for (size_t i = 0; i < n; i++) {
        uint64_t bits;
        memcpy(&bits, raw + i * sizeof bits, sizeof bits);
        bits = le64toh(bits);
        memcpy(&l->samples[i], &bits, sizeof bits);
    }
    return 0;
}

/* Texts are borrowed from the row. */
static int
points_row(struct points *l, struct prf_point *out)
{
    size_t n = (size_t)sqlite3_column_bytes(l->statement, 20) / sizeof(double);
    if (points_samples(l, n) < 0) {
        return PRF_ENOMEM;
    }
    *out = (struct prf_point){
        .result_id = points_text(l, 0),
        .status = (enum prf_status)prf_status_parse(points_text(l, 1)),
        .started_ns = sqlite3_column_int64(l->statement, 2),
        .options = points_text(l, 3),
        .case_hash = points_text(l, 4),
        .run_id = points_text(l, 5),
        .commit = points_text(l, 6),
        .dirty = sqlite3_column_int(l->statement, 7) != 0,
        .tree = points_text(l, 8),
        .fingerprint = points_text(l, 9),
        .hostname = points_text(l, 10),
        .cpu = points_text(l, 11),
        .version = points_text(l, 12),
        .implementation = points_text(l, 13),
        .flags = points_text(l, 14),
        .host = points_text(l, 15),
        .executable = points_text(l, 16),
        .metric = points_text(l, 17),
        .unit = points_text(l, 18),
        .better = (enum prf_better)sqlite3_column_int(l->statement, 19),
        .samples = l->samples,
        .n_samples = n,
    };
    return 0;
}

/* CROSS JOIN fixes the order of the loops: runs by their id, in each the rows of the
   series by one seek. */
static const char points_sql[] =
    "SELECT x.id, x.status, x.started_ns,"
    " (SELECT value FROM text WHERE key = x.options),"
    " (SELECT value FROM text WHERE key = x.case_hash),"
    " r.id, c.id, c.dirty, c.tree, m.fingerprint, m.hostname, m.cpu,"
    " e.version, e.implementation, e.flags, e.host, e.executable,"
    " (SELECT value FROM text WHERE key = v.name),"
    " (SELECT value FROM text WHERE key = v.unit), v.better, p.data"
    " FROM run r CROSS JOIN result x ON x.run = r.key AND x.series ="
    " (SELECT key FROM series WHERE case_id = ? AND profiler = ?)"
    " JOIN commit_ c ON c.key = r.commit_ JOIN machine m ON m.key = r.machine"
    " JOIN environment e ON e.key = r.environment"
    " LEFT JOIN metric v ON v.run = x.run AND v.series = x.series AND v.n = x.n"
    " LEFT JOIN sample p ON p.run = v.run AND p.series = v.series AND p.n = v.n"
    " AND p.position = v.position ORDER BY r.id, x.n, v.position";

int
prf_sqlite_points(struct prf_store *store, const char *case_id, const char *profiler,
                  prf_store_visit_point *visit, void *arg, struct prf_error *err)
{
    struct prf_sqlite *s = (struct prf_sqlite *)store;
    struct points l = {0};
    int rc =
        prf_sql_prepare(s, points_sql, PRF_ARGS(PRF_TEXT(case_id), PRF_TEXT(profiler)),
                        &l.statement, err);
    while (rc >= 0 && (rc = prf_sql_step(s, l.statement, err)) == 1) {
        struct prf_point point;
        rc = points_row(&l, &point);
        rc = rc < 0 ? prf_fail(err, rc, "out of memory") : visit(&point, arg);
        if (rc != 0) {
            break;
        }
    }
    prf_sql_done(l.statement);
    free(l.samples);
    return rc;
}
