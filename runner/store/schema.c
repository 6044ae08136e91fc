/* The tables; see schema.h. */
#include "schema.h"

#include <stdio.h>

/* Version 1. What is asked for often (run, result, metric, sample, mark) is apart from
   what is big (site, edge, detail, artifact). A result's rows lie side by side, run by
   run, so that reading one run touches few pages however large the store is. Names
   occur once, in `text`. */
static const char step_1[] =
    "CREATE TABLE text ("
    "  key INTEGER PRIMARY KEY, value TEXT NOT NULL UNIQUE) STRICT;"

    "CREATE TABLE machine ("
    "  key INTEGER PRIMARY KEY, fingerprint TEXT, hostname TEXT, cpu TEXT, arch TEXT,"
    "  kernel TEXT, os TEXT, n_cpus INTEGER, ram_bytes INTEGER, governor TEXT,"
    "  turbo TEXT, aslr TEXT) STRICT;"
    "CREATE INDEX machine_fingerprint ON machine (fingerprint);"

    "CREATE TABLE environment ("
    "  key INTEGER PRIMARY KEY, version TEXT, executable TEXT, implementation TEXT,"
    "  host TEXT, flags TEXT, libpython TEXT) STRICT;"
    "CREATE INDEX environment_executable ON environment (executable);"

    /* One row for each state that was measured: a commit may come with several trees.
     */
    "CREATE TABLE commit_ ("
    "  key INTEGER PRIMARY KEY, id TEXT, branch TEXT, dirty INTEGER NOT NULL, tree "
    "TEXT,"
    "  author_time INTEGER, root TEXT, note TEXT) STRICT;"
    "CREATE INDEX commit_id ON commit_ (id);"

    "CREATE TABLE run ("
    "  key INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, started_ns INTEGER NOT NULL,"
    "  duration_ns INTEGER NOT NULL, tool_version TEXT, command TEXT,"
    "  commit_ INTEGER NOT NULL REFERENCES commit_,"
    "  environment INTEGER NOT NULL REFERENCES environment,"
    "  machine INTEGER NOT NULL REFERENCES machine,"
    "  n_results INTEGER NOT NULL DEFAULT 0) STRICT;"
    "CREATE INDEX run_commit ON run (commit_, id);"

    /* (last_run, last_n) is the newest result: without it, the newest of each case
       would be a walk through all results. */
    "CREATE TABLE series ("
    "  key INTEGER PRIMARY KEY, case_id TEXT NOT NULL, profiler TEXT NOT NULL,"
    "  last_run INTEGER, last_n INTEGER, UNIQUE (case_id, profiler)) STRICT;"

    /* n counts the results of a run in measuring order. No index by series: it cuts
       ingest tenfold, and (run, series) finds a case in each run with one seek. */
    "CREATE TABLE result ("
    "  run INTEGER NOT NULL REFERENCES run ON DELETE CASCADE,"
    "  series INTEGER NOT NULL REFERENCES series, n INTEGER NOT NULL,"
    "  id TEXT NOT NULL UNIQUE, status TEXT NOT NULL, started_ns INTEGER NOT NULL,"
    "  duration_ns INTEGER NOT NULL, cpu_ns INTEGER NOT NULL,"
    "  max_rss_bytes INTEGER NOT NULL, case_line INTEGER NOT NULL,"
    "  case_file INTEGER REFERENCES text, case_hash INTEGER REFERENCES text,"
    "  options INTEGER REFERENCES text, signal INTEGER REFERENCES text,"
    "  PRIMARY KEY (run, series, n)) WITHOUT ROWID, STRICT;"

    "CREATE TABLE profile ("
    "  run INTEGER NOT NULL, series INTEGER NOT NULL, n INTEGER NOT NULL,"
    "  pid INTEGER NOT NULL, duration_ns INTEGER NOT NULL, n_lost INTEGER NOT NULL,"
    "  phase INTEGER REFERENCES text, status INTEGER REFERENCES text,"
    "  site_columns INTEGER REFERENCES text, edge_columns INTEGER REFERENCES text,"
    "  PRIMARY KEY (run, series, n),"
    "  FOREIGN KEY (run, series, n) REFERENCES result ON DELETE CASCADE)"
    "  WITHOUT ROWID, STRICT;"

    "CREATE TABLE metric ("
    "  run INTEGER NOT NULL, series INTEGER NOT NULL, n INTEGER NOT NULL,"
    "  position INTEGER NOT NULL, name INTEGER NOT NULL REFERENCES text,"
    "  unit INTEGER REFERENCES text, better INTEGER NOT NULL,"
    "  n_warmup INTEGER NOT NULL, PRIMARY KEY (run, series, n, position),"
    "  FOREIGN KEY (run, series, n) REFERENCES result ON DELETE CASCADE)"
    "  WITHOUT ROWID, STRICT;"

    /* Raw values: IEEE doubles, little endian. */
    "CREATE TABLE sample ("
    "  run INTEGER NOT NULL, series INTEGER NOT NULL, n INTEGER NOT NULL,"
    "  position INTEGER NOT NULL, data BLOB NOT NULL,"
    "  PRIMARY KEY (run, series, n, position),"
    "  FOREIGN KEY (run, series, n, position) REFERENCES metric ON DELETE CASCADE)"
    "  WITHOUT ROWID, STRICT;"

    "CREATE TABLE mark ("
    "  run INTEGER NOT NULL, series INTEGER NOT NULL, n INTEGER NOT NULL,"
    "  position INTEGER NOT NULL, name INTEGER NOT NULL REFERENCES text,"
    "  at_ns REAL, delta_ns REAL, n_seen INTEGER NOT NULL,"
    "  PRIMARY KEY (run, series, n, position),"
    "  FOREIGN KEY (run, series, n) REFERENCES result ON DELETE CASCADE)"
    "  WITHOUT ROWID, STRICT;"

    "CREATE TABLE code ("
    "  key INTEGER PRIMARY KEY, file INTEGER NOT NULL REFERENCES text,"
    "  name INTEGER NOT NULL REFERENCES text, qualname INTEGER NOT NULL REFERENCES "
    "text,"
    "  first_line INTEGER NOT NULL, flags INTEGER NOT NULL,"
    "  UNIQUE (qualname, file, name, first_line, flags)) STRICT;"

    /* `data`: one varint (zigzag LEB128) for each of the profile's columns. No foreign
       key to the result, that would be a look-up for each of thousands of rows: they
       are written with it, in one transaction. */
    "CREATE TABLE site ("
    "  run INTEGER NOT NULL, series INTEGER NOT NULL, n INTEGER NOT NULL,"
    "  position INTEGER NOT NULL, code INTEGER NOT NULL, line INTEGER NOT NULL,"
    "  data BLOB NOT NULL, PRIMARY KEY (run, series, n, position)) WITHOUT ROWID, "
    "STRICT;"
    "CREATE TABLE edge ("
    "  run INTEGER NOT NULL, series INTEGER NOT NULL, n INTEGER NOT NULL,"
    "  position INTEGER NOT NULL, caller INTEGER NOT NULL, callee INTEGER NOT NULL,"
    "  data BLOB NOT NULL, PRIMARY KEY (run, series, n, position)) WITHOUT ROWID, "
    "STRICT;"
    "CREATE TRIGGER result_gone AFTER DELETE ON result BEGIN"
    "  DELETE FROM site WHERE run = old.run AND series = old.series AND n = old.n;"
    "  DELETE FROM edge WHERE run = old.run AND series = old.series AND n = old.n;"
    " END;"

    /* Long texts: owner is 1 for the result, 2 for its profile, 3 for both. */
    "CREATE TABLE detail ("
    "  key INTEGER PRIMARY KEY, run INTEGER NOT NULL, series INTEGER NOT NULL,"
    "  n INTEGER NOT NULL, kind TEXT NOT NULL, owner INTEGER NOT NULL,"
    "  value TEXT NOT NULL,"
    "  FOREIGN KEY (run, series, n) REFERENCES result ON DELETE CASCADE) STRICT;"
    "CREATE INDEX detail_result ON detail (run, series, n);"

    "CREATE TABLE artifact ("
    "  key INTEGER PRIMARY KEY, run INTEGER NOT NULL, series INTEGER NOT NULL,"
    "  n INTEGER NOT NULL, kind TEXT NOT NULL, encoding TEXT NOT NULL,"
    "  size_bytes INTEGER NOT NULL, data BLOB NOT NULL, UNIQUE (run, series, n, kind),"
    "  FOREIGN KEY (run, series, n) REFERENCES result ON DELETE CASCADE) STRICT;";

/* Version 2. Runs under names that people give, and a way from a tree to its runs. */
static const char step_2[] =
    "CREATE TABLE baseline ("
    "  key INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;"
    "CREATE TABLE baseline_run ("
    "  baseline INTEGER NOT NULL REFERENCES baseline ON DELETE CASCADE,"
    "  run INTEGER NOT NULL REFERENCES run ON DELETE CASCADE,"
    "  PRIMARY KEY (baseline, run)) WITHOUT ROWID, STRICT;"
    "CREATE INDEX commit_tree ON commit_ (tree);";

static const char *const schema_steps[] = {step_1, step_2};

const struct prf_schema prf_schema_current = {
    .steps = schema_steps,
    .n_steps = sizeof schema_steps / sizeof *schema_steps,
};

/* Not cached: a statement made before a step would be prepared again after it. */
static int
schema_integer(struct prf_sqlite *s, const char *sql, int *out, struct prf_error *err)
{
    sqlite3_stmt *statement = NULL;
    int rc = 0;
    if (sqlite3_prepare_v2(s->db, sql, -1, &statement, NULL) != SQLITE_OK ||
        sqlite3_step(statement) != SQLITE_ROW) {
        rc = prf_sql_fail(s, err);
        goto out;
    }
    *out = sqlite3_column_int(statement, 0);
out:
    sqlite3_finalize(statement);
    return rc;
}

struct schema_look {
    int application, version, n_tables;
};

static int
schema_look(struct prf_sqlite *s, struct schema_look *look, struct prf_error *err)
{
    int rc = schema_integer(s, "PRAGMA application_id", &look->application, err);
    if (rc == 0) {
        rc = schema_integer(s, "PRAGMA user_version", &look->version, err);
    }
    return rc < 0 ? rc
                  : schema_integer(s, "SELECT count(*) FROM sqlite_schema",
                                   &look->n_tables, err);
}

static bool
schema_is_empty(const struct schema_look *look)
{
    return look->application == 0 && look->version == 0 && look->n_tables == 0;
}

int
prf_schema_check(struct prf_sqlite *s, const struct prf_schema *schema, int *version,
                 struct prf_error *err)
{
    struct schema_look look = {0};
    int rc = schema_look(s, &look, err);
    if (rc == 0 && look.application == 0 && !schema_is_empty(&look)) {
        /* Another runner may have made the tables between our looks, in one
           transaction: what is seen after it is whole. */
        rc = schema_look(s, &look, err);
    }
    *version = look.version;
    if (rc < 0) {
        return rc;
    }
    if (look.application != PRF_SCHEMA_APPLICATION && !schema_is_empty(&look)) {
        return prf_fail(err, PRF_ECORRUPT,
                        "'%s' is a database of another program: name another store",
                        s->path);
    }
    if (*version > schema->n_steps) {
        return prf_fail(
            err, PRF_ESTORE,
            "'%s' was written by a newer pyprofiler (version %d of the store,"
            " this one knows up to %d): update pyprofiler",
            s->path, *version, schema->n_steps);
    }
    return 0;
}

/* One step, if one is still missing: another process may have done it meanwhile. */
static int
schema_step(struct prf_sqlite *s, const struct prf_schema *schema, int *version,
            struct prf_error *err)
{
    int rc = prf_sql_begin(s, err);
    if (rc < 0) {
        return rc;
    }
    rc = schema_integer(s, "PRAGMA user_version", version, err);
    if (rc == 0 && *version < schema->n_steps) {
        char pragmas[96];
        snprintf(pragmas, sizeof pragmas,
                 "PRAGMA application_id = %d; PRAGMA user_version = %d",
                 PRF_SCHEMA_APPLICATION, *version + 1);
        rc = prf_sql_script(s, schema->steps[*version], err);
        if (rc == 0) {
            rc = prf_sql_script(s, pragmas, err);
        }
    }
    rc = prf_sql_end(s, rc, err);
    if (rc == 0) {
        *version += *version < schema->n_steps;
    }
    return rc;
}

int
prf_schema_migrate(struct prf_sqlite *s, const struct prf_schema *schema,
                   struct prf_error *err)
{
    int version = 0;
    int rc = prf_schema_check(s, schema, &version, err);
    while (rc == 0 && version < schema->n_steps) {
        rc = schema_step(s, schema, &version, err);
    }
    return rc;
}
