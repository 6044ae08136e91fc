/* Runs by what people call them: a commit, a tree, the beginning of an id, a baseline.
 */
#include <string.h>

#include "load.h"

int
prf_sqlite_find_run(struct prf_store *store, const char *beginning,
                    struct prf_arena *arena, const char **out, struct prf_error *err)
{
    static const char sql[] = "SELECT id FROM run WHERE key = ?";
    struct prf_sqlite *s = (struct prf_sqlite *)store;
    struct prf_loader l = {.arena = arena};
    sqlite3_int64 key = 0;
    int rc = prf_sqlite_run_key(s, beginning, &key, err);
    if (rc == 0) {
        rc = prf_sql_prepare(s, sql, PRF_ARGS(PRF_INT(key)), &l.statement, err);
    }
    if (rc == 0 && (rc = prf_sql_step(s, l.statement, err)) == 1) {
        *out = prf_load_text(&l, 0);
    }
    rc = prf_load_end(&l, rc, err);
    return rc < 0 ? rc : 0;
}

/* --- baselines ---------------------------------------------------------------------
 */

static int
named_write(struct prf_sqlite *s, const char *name, const char *const *run_ids,
            struct prf_error *err)
{
    static const char forget[] = "DELETE FROM baseline WHERE name = ?";
    /* Deleted and added again: the newest has the largest key. */
    static const char add[] = "INSERT INTO baseline (key, name) VALUES"
                              " ((SELECT coalesce(max(key), 0) + 1 FROM baseline), ?)";
    static const char add_run[] =
        "INSERT OR IGNORE INTO baseline_run (baseline, run) VALUES (?,?)";
    int rc = prf_sql_run(s, forget, PRF_ARGS(PRF_TEXT(name)), err);
    if (rc == 0) {
        rc = prf_sql_run(s, add, PRF_ARGS(PRF_TEXT(name)), err);
    }
    sqlite3_int64 baseline = sqlite3_last_insert_rowid(s->db);
    for (size_t i = 0; rc == 0 && run_ids[i] != NULL; i++) {
        sqlite3_int64 run;
        rc = prf_sqlite_run_key(s, run_ids[i], &run, err);
        if (rc == 0) {
            rc =
                prf_sql_run(s, add_run, PRF_ARGS(PRF_INT(baseline), PRF_INT(run)), err);
        }
    }
    return rc;
}

int
prf_sqlite_save_baseline(struct prf_store *store, const char *name,
                         const char *const *run_ids, struct prf_error *err)
{
    struct prf_sqlite *s = (struct prf_sqlite *)store;
    int rc = prf_sql_begin(s, err);
    return rc < 0 ? rc : prf_sql_end(s, named_write(s, name, run_ids, err), err);
}

int
prf_sqlite_baselines(struct prf_store *store, struct prf_strlist *out,
                     struct prf_error *err)
{
    static const char sql[] = "SELECT name FROM baseline ORDER BY key DESC";
    struct prf_sqlite *s = (struct prf_sqlite *)store;
    sqlite3_stmt *statement = NULL;
    int rc = prf_sql_prepare(s, sql, NULL, 0, &statement, err);
    while (rc >= 0 && (rc = prf_sql_step(s, statement, err)) == 1) {
        const char *name = (const char *)sqlite3_column_text(statement, 0);
        if (name == NULL || prf_strlist_add(out, name) < 0) {
            rc = prf_fail(err, PRF_ENOMEM, "out of memory");
        }
    }
    prf_sql_done(statement);
    return rc;
}

/* --- trees with changes ------------------------------------------------------------
 */

static bool
named_has_tree(const struct prf_dirty_tree *trees, size_t n, const char *tree)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(trees[i].tree, tree) == 0) {
            return true;
        }
    }
    return false;
}

/* A walk through the runs from the newest on: the tree that is asked for is seldom far
   back, and a run costs 1 us. A tree that was kept and is measured again, in a checkout
   (no branch, another root), keeps its place: "compare --run wip~1 wip" shall not
   change what these words mean. */
int
prf_sqlite_dirty_trees(struct prf_store *store, size_t max, struct prf_arena *arena,
                       struct prf_dirty_tree **out, size_t *n, struct prf_error *err)
{
    static const char sql[] =
        "SELECT c.tree, c.id, r.id FROM run r CROSS JOIN commit_ c ON c.key = r.commit_"
        " WHERE c.dirty AND c.tree IS NOT NULL AND (c.branch IS NOT NULL OR NOT EXISTS"
        " (SELECT 1 FROM commit_ c2 JOIN run r2 ON r2.commit_ = c2.key WHERE"
        " c2.tree = c.tree AND c2.dirty AND c2.root IS NOT c.root AND r2.id < r.id))"
        " ORDER BY r.id DESC";
    struct prf_sqlite *s = (struct prf_sqlite *)store;
    struct prf_loader l = {.arena = arena};
    int rc = 0;
    *n = 0;
    *out = prf_load_alloc(&l, max, sizeof **out);
    if (*out != NULL) {
        rc = prf_sql_prepare(s, sql, NULL, 0, &l.statement, err);
    }
    while (rc >= 0 && *out != NULL && !l.failed && *n < max &&
           (rc = prf_sql_step(s, l.statement, err)) == 1) {
        const char *tree = (const char *)sqlite3_column_text(l.statement, 0);
        if (tree != NULL && !named_has_tree(*out, *n, tree)) {
            (*out)[(*n)++] = (struct prf_dirty_tree){
                prf_load_text(&l, 0), prf_load_text(&l, 1), prf_load_text(&l, 2)};
        }
    }
    rc = prf_load_end(&l, rc, err);
    return rc < 0 ? rc : 0;
}

/* --- the runs of a side ------------------------------------------------------------
 */

static const char of_commit[] =
    "SELECT r.key FROM commit_ c CROSS JOIN run r ON r.commit_ = c.key"
    " WHERE c.id = ? AND NOT c.dirty ORDER BY r.id DESC";
static const char of_tree[] =
    "SELECT r.key FROM commit_ c CROSS JOIN run r ON r.commit_ = c.key"
    " WHERE c.tree = ? ORDER BY r.id DESC";
static const char of_run[] = "SELECT key FROM run WHERE id = ?";
static const char of_baseline[] =
    "SELECT r.key FROM baseline b CROSS JOIN baseline_run x ON x.baseline = b.key"
    " CROSS JOIN run r ON r.key = x.run WHERE b.name = ? ORDER BY r.id DESC";
/* Machines are rows by all their facts, the kernel's version among them; only the
   fingerprint counts. */
static const char of_like[] =
    "SELECT r.key FROM run r WHERE machine IN (SELECT key FROM machine WHERE "
    "fingerprint"
    " IS (SELECT fingerprint FROM run JOIN machine ON machine.key = run.machine"
    " WHERE run.id = ?1)) AND environment IN (SELECT e.key FROM environment e,"
    " run n JOIN environment o ON o.key = n.environment WHERE n.id = ?1"
    " AND e.version IS o.version AND e.implementation IS o.implementation"
    " AND e.flags IS o.flags AND e.host IS o.host) ORDER BY r.id DESC";

static const char *const named_runs[] = {
    [PRF_SIDE_COMMIT] = of_commit,     [PRF_SIDE_TREE] = of_tree,
    [PRF_SIDE_RUN] = of_run,           [PRF_SIDE_LIKE] = of_like,
    [PRF_SIDE_BASELINE] = of_baseline,
};

static int
named_check(struct prf_sqlite *s, const struct prf_side_query *query,
            struct prf_error *err)
{
    static const char run[] = "SELECT 1 FROM run WHERE id = ?";
    static const char baseline[] = "SELECT 1 FROM baseline WHERE name = ?";
    int rc = 1;
    if (query->kind == PRF_SIDE_BASELINE) {
        rc = prf_sql_integers(s, baseline, PRF_ARGS(PRF_TEXT(query->id)), NULL, 0, err);
    } else if (query->kind == PRF_SIDE_RUN || query->kind == PRF_SIDE_LIKE) {
        rc = prf_sql_integers(s, run, PRF_ARGS(PRF_TEXT(query->id)), NULL, 0, err);
    }
    return rc == 0 ? prf_fail(err, PRF_ENOTFOUND, "no %s '%s' in '%s'",
                              query->kind == PRF_SIDE_BASELINE ? "baseline" : "run",
                              query->id, s->path)
                   : (rc < 0 ? rc : 0);
}

int
prf_sqlite_side_runs(struct prf_sqlite *s, const struct prf_side_query *query,
                     sqlite3_stmt **out, struct prf_error *err)
{
    int rc = named_check(s, query, err);
    return rc < 0 ? rc
                  : prf_sql_prepare(s, named_runs[query->kind],
                                    PRF_ARGS(PRF_TEXT(query->id)), out, err);
}
