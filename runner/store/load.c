/* Rows of runs and results into models. Strings go to the model's arena; running out of
   memory sticks in `loader`, so that a row is checked once. */
#include <stdlib.h>
#include <string.h>

#include "load.h"

const char *
prf_load_text(struct prf_loader *loader, int column)
{
    const unsigned char *text = sqlite3_column_text(loader->statement, column);
    int len = sqlite3_column_bytes(loader->statement, column);
    if (text == NULL) {
        return NULL;
    }
    char *copy = prf_arena_strndup(loader->arena, (const char *)text, (size_t)len);
    loader->failed = loader->failed || copy == NULL;
    return copy;
}

void *
prf_load_alloc(struct prf_loader *loader, size_t n, size_t size)
{
    void *p = n == 0 ? NULL : prf_arena_alloc(loader->arena, n * size);
    loader->failed = loader->failed || (n > 0 && p == NULL);
    return p;
}

int
prf_load_end(struct prf_loader *loader, int rc, struct prf_error *err)
{
    prf_sql_done(loader->statement);
    loader->statement = NULL;
    if (rc >= 0 && loader->failed) {
        return prf_fail(err, PRF_ENOMEM, "out of memory");
    }
    return rc;
}

/* A row that must be there, since another row refers to it. */
static int
load_row(struct prf_sqlite *s, struct prf_loader *loader, struct prf_error *err)
{
    int rc = prf_sql_step(s, loader->statement, err);
    if (rc == 0) {
        return prf_fail(err, PRF_ECORRUPT, "'%s' is damaged: a row is missing",
                        s->path);
    }
    return rc < 0 ? rc : 0;
}

static void
load_commit(struct prf_loader *l, struct prf_commit *commit)
{
    commit->id = prf_load_text(l, 5);
    commit->branch = prf_load_text(l, 6);
    commit->dirty = sqlite3_column_int(l->statement, 7) != 0;
    commit->tree = prf_load_text(l, 8);
    commit->author_time = sqlite3_column_int64(l->statement, 9);
    commit->root = prf_load_text(l, 10);
    commit->note = prf_load_text(l, 11);
}

static void
load_python(struct prf_loader *l, struct prf_python *python)
{
    python->version = prf_load_text(l, 12);
    python->executable = prf_load_text(l, 13);
    python->implementation = prf_load_text(l, 14);
    python->host = prf_load_text(l, 15);
    python->flags = prf_load_text(l, 16);
    python->libpython = prf_load_text(l, 17);
}

static void
load_machine(struct prf_loader *l, struct prf_machine *machine)
{
    machine->fingerprint = prf_load_text(l, 18);
    machine->hostname = prf_load_text(l, 19);
    machine->cpu = prf_load_text(l, 20);
    machine->arch = prf_load_text(l, 21);
    machine->kernel = prf_load_text(l, 22);
    machine->os = prf_load_text(l, 23);
    machine->n_cpus = sqlite3_column_int(l->statement, 24);
    machine->ram_bytes = sqlite3_column_int64(l->statement, 25);
    machine->governor = prf_load_text(l, 26);
    machine->turbo = prf_load_text(l, 27);
    machine->aslr = prf_load_text(l, 28);
}

int
prf_sqlite_load_run(struct prf_sqlite *s, sqlite3_int64 key, struct prf_run *out,
                    struct prf_error *err)
{
    static const char sql[] =
        "SELECT r.id, r.started_ns, r.duration_ns, r.tool_version, r.command,"
        " c.id, c.branch, c.dirty, c.tree, c.author_time, c.root, c.note,"
        " e.version, e.executable, e.implementation, e.host, e.flags, e.libpython,"
        " m.fingerprint, m.hostname, m.cpu, m.arch, m.kernel, m.os, m.n_cpus,"
        " m.ram_bytes, m.governor, m.turbo, m.aslr"
        " FROM run r JOIN commit_ c ON c.key = r.commit_"
        " JOIN environment e ON e.key = r.environment JOIN machine m ON m.key = "
        "r.machine"
        " WHERE r.key = ?";
    struct prf_run run = {0};
    struct prf_loader l = {.arena = &run.arena};
    int rc = prf_sql_prepare(s, sql, PRF_ARGS(PRF_INT(key)), &l.statement, err);
    if (rc == 0) {
        rc = load_row(s, &l, err);
    }
    if (rc == 0) {
        run.id = prf_load_text(&l, 0);
        run.started_ns = sqlite3_column_int64(l.statement, 1);
        run.duration_ns = sqlite3_column_int64(l.statement, 2);
        run.tool_version = prf_load_text(&l, 3);
        run.command = prf_load_text(&l, 4);
        load_commit(&l, &run.commit);
        load_python(&l, &run.python);
        load_machine(&l, &run.machine);
    }
    rc = prf_load_end(&l, rc, err);
    if (rc < 0) {
        prf_run_release(&run);
        return rc;
    }
    *out = run;
    return 0;
}

static int
load_status(struct prf_sqlite *s, sqlite3_stmt *statement, struct prf_result *out,
            struct prf_error *err)
{
    const char *word = (const char *)sqlite3_column_text(statement, 1);
    int status = word == NULL ? -1 : prf_status_parse(word);
    if (status < 0) {
        return prf_fail(err, PRF_ECORRUPT, "'%s' is damaged: no status is called '%s'",
                        s->path, word == NULL ? "" : word);
    }
    out->status = (enum prf_status)status;
    return 0;
}

static int
load_result_row(struct prf_sqlite *s, const struct prf_result_key *key,
                struct prf_result *out, struct prf_error *err)
{
    static const char sql[] =
        "SELECT x.id, x.status, x.started_ns, x.duration_ns, x.cpu_ns, x.max_rss_bytes,"
        " x.case_line, s.case_id, s.profiler,"
        " (SELECT value FROM text WHERE key = x.case_file),"
        " (SELECT value FROM text WHERE key = x.case_hash),"
        " (SELECT value FROM text WHERE key = x.options),"
        " (SELECT value FROM text WHERE key = x.signal)"
        " FROM result x JOIN series s ON s.key = x.series"
        " WHERE x.run = ? AND x.series = ? AND x.n = ?";
    struct prf_loader l = {.arena = &out->arena};
    int rc = prf_sql_prepare(s, sql, PRF_ARGS(PRF_KEY(key)), &l.statement, err);
    if (rc == 0 && (rc = load_row(s, &l, err)) == 0) {
        rc = load_status(s, l.statement, out, err);
        out->id = prf_load_text(&l, 0);
        out->started_ns = sqlite3_column_int64(l.statement, 2);
        out->duration_ns = sqlite3_column_int64(l.statement, 3);
        out->cpu_ns = sqlite3_column_int64(l.statement, 4);
        out->max_rss_bytes = sqlite3_column_int64(l.statement, 5);
        out->case_line = sqlite3_column_int(l.statement, 6);
        out->case_id = prf_load_text(&l, 7);
        out->profiler = prf_load_text(&l, 8);
        out->case_file = prf_load_text(&l, 9);
        out->case_hash = prf_load_text(&l, 10);
        out->options = prf_load_text(&l, 11);
        out->signal = prf_load_text(&l, 12);
    }
    return prf_load_end(&l, rc, err);
}

static int
load_note(struct prf_loader *l, struct prf_profile *profile)
{
    /* Notes are few: each makes the list anew. */
    const char **notes =
        prf_arena_alloc(&profile->arena, (profile->n_notes + 1) * sizeof *notes);
    const char *text = prf_load_text(l, 2);
    if (notes == NULL || text == NULL) {
        return -1;
    }
    if (profile->n_notes > 0) {
        memcpy(notes, profile->notes, profile->n_notes * sizeof *notes);
    }
    notes[profile->n_notes++] = text;
    profile->notes = notes;
    return 0;
}

static void
load_detail(struct prf_loader *l, const char *kind, int owner,
            struct prf_result *result)
{
    struct prf_profile *profile = result->profile;
    if (profile != NULL && strcmp(kind, "note") == 0) {
        l->arena = &profile->arena;
        l->failed = load_note(l, profile) < 0 || l->failed;
        return;
    }
    for (size_t i = 0; i < prf_n_details; i++) {
        const struct prf_detail *detail = &prf_details[i];
        if (strcmp(kind, detail->kind) != 0) {
            continue;
        }
        if ((owner & PRF_OF_RESULT) != 0 && detail->in_result != PRF_NOWHERE) {
            l->arena = &result->arena;
            const char *text = prf_load_text(l, 2);
            memcpy((char *)result + detail->in_result, &text, sizeof text);
        }
        if ((owner & PRF_OF_PROFILE) != 0 && detail->in_profile != PRF_NOWHERE &&
            profile != NULL) {
            l->arena = &profile->arena;
            const char *text = prf_load_text(l, 2);
            memcpy((char *)profile + detail->in_profile, &text, sizeof text);
        }
    }
}

/* Kinds that a newer program wrote are passed over. */
static int
load_details(struct prf_sqlite *s, const struct prf_result_key *key,
             struct prf_result *result, struct prf_error *err)
{
    static const char sql[] = "SELECT kind, owner, value FROM detail"
                              " WHERE run = ? AND series = ? AND n = ? ORDER BY key";
    struct prf_loader l = {.arena = &result->arena};
    int rc = prf_sql_prepare(s, sql, PRF_ARGS(PRF_KEY(key)), &l.statement, err);
    while (rc >= 0 && (rc = prf_sql_step(s, l.statement, err)) == 1) {
        load_detail(&l, (const char *)sqlite3_column_text(l.statement, 0),
                    sqlite3_column_int(l.statement, 1), result);
    }
    return prf_load_end(&l, rc, err);
}

int
prf_sqlite_load_result(struct prf_sqlite *s, const struct prf_result_key *key,
                       bool with_profile, struct prf_result *out, struct prf_error *err)
{
    struct prf_result result = {0};
    int rc = load_result_row(s, key, &result, err);
    if (rc == 0) {
        rc = prf_sqlite_load_profile(s, key, with_profile, &result.profile, err);
    }
    if (rc == 0) {
        rc = load_details(s, key, &result, err);
    }
    if (rc < 0) {
        prf_result_release(&result);
        return rc;
    }
    *out = result;
    return 0;
}
