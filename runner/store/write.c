/* Writing runs and results. Everything that repeats (machines, texts, functions) is a
   row of its own, found again by its content. */
#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "recordings.h"
#include "sqlite_store.h"
#include "strbuf.h"

const struct prf_detail prf_details[] = {
    {"reason", offsetof(struct prf_result, reason),
     offsetof(struct prf_profile, reason)},
    {"traceback", offsetof(struct prf_result, traceback),
     offsetof(struct prf_profile, traceback)},
    {"output", offsetof(struct prf_result, output), PRF_NOWHERE},
    {"budget", offsetof(struct prf_result, budget), PRF_NOWHERE},
    {"report", PRF_NOWHERE, offsetof(struct prf_profile, report)},
    {"rounds", PRF_NOWHERE, offsetof(struct prf_profile, rounds)},
};
const size_t prf_n_details = sizeof prf_details / sizeof *prf_details;

/* The key of the row with that content, added when there is none. Both statements take
   the same values. */
static int
write_intern(struct prf_sqlite *s, const char *const sql[2],
             const struct prf_sql_value *values, size_t n, sqlite3_int64 *key,
             struct prf_error *err)
{
    int rc = prf_sql_integers(s, sql[0], values, n, key, 1, err);
    if (rc != 0) {
        return rc < 0 ? rc : 0;
    }
    rc = prf_sql_run(s, sql[1], values, n, err);
    *key = sqlite3_last_insert_rowid(s->db);
    return rc;
}

/* As a value: the key of the text, or NULL for none. */
static int
write_text(struct prf_sqlite *s, const char *text, struct prf_sql_value *out,
           struct prf_error *err)
{
    static const char find[] = "SELECT key FROM text WHERE value = ?";
    static const char add[] = "INSERT INTO text (value) VALUES (?)";
    *out = (struct prf_sql_value){.type = PRF_SQL_NULL};
    if (text == NULL) {
        return 0;
    }
    out->type = PRF_SQL_INT;
    return write_intern(s, (const char *const[]){find, add}, PRF_ARGS(PRF_TEXT(text)),
                        &out->integer, err);
}

static int
write_texts(struct prf_sqlite *s, const char *const *texts, size_t n,
            struct prf_sql_value *out, struct prf_error *err)
{
    int rc = 0;
    for (size_t i = 0; i < n && rc == 0; i++) {
        rc = write_text(s, texts[i], &out[i], err);
    }
    return rc;
}

static int
write_machine(struct prf_sqlite *s, const struct prf_machine *m, sqlite3_int64 *key,
              struct prf_error *err)
{
    static const char find[] =
        "SELECT key FROM machine WHERE fingerprint IS ?1 AND hostname IS ?2 AND cpu IS "
        "?3"
        " AND arch IS ?4 AND kernel IS ?5 AND os IS ?6 AND n_cpus IS ?7"
        " AND ram_bytes IS ?8 AND governor IS ?9 AND turbo IS ?10 AND aslr IS ?11";
    static const char add[] =
        "INSERT INTO machine (fingerprint, hostname, cpu, arch, kernel, os, n_cpus,"
        " ram_bytes, governor, turbo, aslr) VALUES (?,?,?,?,?,?,?,?,?,?,?)";
    return write_intern(
        s, (const char *const[]){find, add},
        PRF_ARGS(PRF_TEXT(m->fingerprint), PRF_TEXT(m->hostname), PRF_TEXT(m->cpu),
                 PRF_TEXT(m->arch), PRF_TEXT(m->kernel), PRF_TEXT(m->os),
                 PRF_INT(m->n_cpus), PRF_INT(m->ram_bytes), PRF_TEXT(m->governor),
                 PRF_TEXT(m->turbo), PRF_TEXT(m->aslr)),
        key, err);
}

static int
write_environment(struct prf_sqlite *s, const struct prf_python *p, sqlite3_int64 *key,
                  struct prf_error *err)
{
    static const char find[] =
        "SELECT key FROM environment WHERE version IS ?1 AND executable IS ?2"
        " AND implementation IS ?3 AND host IS ?4 AND flags IS ?5 AND libpython IS ?6";
    static const char add[] =
        "INSERT INTO environment (version, executable, implementation, host, flags,"
        " libpython) VALUES (?,?,?,?,?,?)";
    return write_intern(s, (const char *const[]){find, add},
                        PRF_ARGS(PRF_TEXT(p->version), PRF_TEXT(p->executable),
                                 PRF_TEXT(p->implementation), PRF_TEXT(p->host),
                                 PRF_TEXT(p->flags), PRF_TEXT(p->libpython)),
                        key, err);
}

static int
write_commit(struct prf_sqlite *s, const struct prf_commit *c, sqlite3_int64 *key,
             struct prf_error *err)
{
    static const char find[] =
        "SELECT key FROM commit_ WHERE id IS ?1 AND branch IS ?2 AND dirty = ?3"
        " AND tree IS ?4 AND author_time IS ?5 AND root IS ?6 AND note IS ?7";
    static const char add[] =
        "INSERT INTO commit_ (id, branch, dirty, tree, author_time, root, note)"
        " VALUES (?,?,?,?,?,?,?)";
    return write_intern(s, (const char *const[]){find, add},
                        PRF_ARGS(PRF_TEXT(c->id), PRF_TEXT(c->branch),
                                 PRF_INT(c->dirty), PRF_TEXT(c->tree),
                                 PRF_INT(c->author_time), PRF_TEXT(c->root),
                                 PRF_TEXT(c->note)),
                        key, err);
}

static int
write_run(struct prf_sqlite *s, const struct prf_run *run, struct prf_error *err)
{
    static const char taken[] = "SELECT key FROM run WHERE id = ?";
    static const char add[] =
        "INSERT INTO run (id, started_ns, duration_ns, tool_version, command, commit_,"
        " environment, machine) VALUES (?,?,?,?,?,?,?,?)";
    sqlite3_int64 commit;
    sqlite3_int64 environment;
    sqlite3_int64 machine;
    int rc = prf_sql_integers(s, taken, PRF_ARGS(PRF_TEXT(run->id)), NULL, 0, err);
    if (rc == 1) {
        return prf_fail(err, PRF_ESTORE, "run '%s' is in the store already", run->id);
    }
    if (rc < 0 || (rc = write_commit(s, &run->commit, &commit, err)) < 0 ||
        (rc = write_environment(s, &run->python, &environment, err)) < 0 ||
        (rc = write_machine(s, &run->machine, &machine, err)) < 0) {
        return rc;
    }
    return prf_sql_run(s, add,
                       PRF_ARGS(PRF_TEXT(run->id), PRF_INT(run->started_ns),
                                PRF_INT(run->duration_ns), PRF_TEXT(run->tool_version),
                                PRF_TEXT(run->command), PRF_INT(commit),
                                PRF_INT(environment), PRF_INT(machine)),
                       err);
}

int
prf_sqlite_add_run(struct prf_store *store, const struct prf_run *run,
                   struct prf_error *err)
{
    struct prf_sqlite *s = (struct prf_sqlite *)store;
    int rc = prf_sql_begin(s, err);
    if (rc == 0) {
        rc = prf_sql_end(s, write_run(s, run, err), err);
    }
    return rc;
}

int
prf_sqlite_finish_run(struct prf_store *store, const char *run_id, int64_t duration_ns,
                      struct prf_error *err)
{
    static const char sql[] =
        "UPDATE run SET duration_ns = ?2 WHERE id = ?1 RETURNING key";
    struct prf_sqlite *s = (struct prf_sqlite *)store;
    int rc = prf_sql_integers(s, sql, PRF_ARGS(PRF_TEXT(run_id), PRF_INT(duration_ns)),
                              NULL, 0, err);
    if (rc == 0) {
        return prf_fail(err, PRF_ENOTFOUND, "no run '%s' in '%s'", run_id, s->path);
    }
    return rc < 0 ? rc : 0;
}

/* The key of a new result: the next number in its run. */
static int
write_key(struct prf_sqlite *s, const struct prf_result *result,
          struct prf_result_key *out, struct prf_error *err)
{
    static const char count[] = "UPDATE run SET n_results = n_results + 1 WHERE id = ?"
                                " RETURNING key, n_results";
    static const char find[] =
        "SELECT key FROM series WHERE case_id = ? AND profiler = ?";
    static const char add[] = "INSERT INTO series (case_id, profiler) VALUES (?,?)";
    static const char newest[] =
        "UPDATE series SET last_run = ?1, last_n = ?3 WHERE key = ?2"
        " AND (last_run IS NULL OR last_run = ?1 OR (SELECT id FROM run WHERE key ="
        " last_run) < (SELECT id FROM run WHERE key = ?1))";
    sqlite3_int64 run[2];
    int rc =
        prf_sql_integers(s, count, PRF_ARGS(PRF_TEXT(result->run_id)), run, 2, err);
    if (rc == 0) {
        return prf_fail(err, PRF_ENOTFOUND, "no run '%s' in '%s'", result->run_id,
                        s->path);
    }
    if (rc < 0) {
        return rc;
    }
    out->run = run[0];
    out->n = run[1];
    rc = write_intern(s, (const char *const[]){find, add},
                      PRF_ARGS(PRF_TEXT(result->case_id), PRF_TEXT(result->profiler)),
                      &out->series, err);
    return rc < 0 ? rc : prf_sql_run(s, newest, PRF_ARGS(PRF_KEY(out)), err);
}

static int
write_result_row(struct prf_sqlite *s, const struct prf_result_key *key,
                 const struct prf_result *r, struct prf_error *err)
{
    static const char taken[] = "SELECT 1 FROM result WHERE id = ?";
    static const char add[] =
        "INSERT INTO result (run, series, n, id, status, started_ns, duration_ns, "
        "cpu_ns,"
        " max_rss_bytes, case_line, case_file, case_hash, options, signal)"
        " VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?)";
    struct prf_sql_value text[4];
    int rc = prf_sql_integers(s, taken, PRF_ARGS(PRF_TEXT(r->id)), NULL, 0, err);
    if (rc == 1) {
        return prf_fail(err, PRF_ESTORE, "result '%s' is in the store already", r->id);
    }
    if (rc == 0) {
        rc = write_texts(
            s, (const char *const[]){r->case_file, r->case_hash, r->options, r->signal},
            4, text, err);
    }
    if (rc < 0) {
        return rc;
    }
    return prf_sql_run(
        s, add,
        PRF_ARGS(PRF_KEY(key), PRF_TEXT(r->id), PRF_TEXT(prf_status_name(r->status)),
                 PRF_INT(r->started_ns), PRF_INT(r->duration_ns), PRF_INT(r->cpu_ns),
                 PRF_INT(r->max_rss_bytes), PRF_INT(r->case_line), text[0], text[1],
                 text[2], text[3]),
        err);
}

static int
write_detail(struct prf_sqlite *s, const struct prf_result_key *key, const char *kind,
             int owner, const char *text, struct prf_error *err)
{
    static const char add[] = "INSERT INTO detail (run, series, n, kind, owner, value)"
                              " VALUES (?,?,?,?,?,?)";
    if (text == NULL) {
        return 0;
    }
    return prf_sql_run(
        s, add, PRF_ARGS(PRF_KEY(key), PRF_TEXT(kind), PRF_INT(owner), PRF_TEXT(text)),
        err);
}

static const char *
write_field(const void *owner, size_t offset)
{
    const char *text = NULL;
    if (owner != NULL && offset != PRF_NOWHERE) {
        memcpy(&text, (const char *)owner + offset, sizeof text);
    }
    return text;
}

static int
write_details(struct prf_sqlite *s, const struct prf_result_key *key,
              const struct prf_result *result, struct prf_error *err)
{
    const struct prf_profile *profile = result->profile;
    int rc = 0;
    for (size_t i = 0; i < prf_n_details && rc == 0; i++) {
        const struct prf_detail *detail = &prf_details[i];
        const char *mine = write_field(result, detail->in_result);
        const char *its = write_field(profile, detail->in_profile);
        if (mine != NULL && its != NULL && strcmp(mine, its) == 0) {
            rc = write_detail(s, key, detail->kind, PRF_OF_RESULT | PRF_OF_PROFILE,
                              mine, err);
            continue;
        }
        rc = write_detail(s, key, detail->kind, PRF_OF_RESULT, mine, err);
        if (rc == 0) {
            rc = write_detail(s, key, detail->kind, PRF_OF_PROFILE, its, err);
        }
    }
    for (size_t i = 0; profile != NULL && i < profile->n_notes && rc == 0; i++) {
        rc = write_detail(s, key, "note", PRF_OF_PROFILE, profile->notes[i], err);
    }
    return rc;
}

static int
write_metric(struct prf_sqlite *s, const struct prf_result_key *key, size_t position,
             const struct prf_metric_values *metric, struct prf_error *err)
{
    static const char add_metric[] =
        "INSERT INTO metric (run, series, n, position, name, unit, better, n_warmup)"
        " VALUES (?,?,?,?,?,?,?,?)";
    static const char add_sample[] =
        "INSERT INTO sample (run, series, n, position, data) VALUES (?,?,?,?,?)";
    struct prf_sql_value text[2];
    uint64_t *raw = malloc((metric->n + 1) * sizeof *raw);
    if (raw == NULL) {
        return prf_fail(err, PRF_ENOMEM, "out of memory");
    }
    for (size_t i = 0; i < metric->n; i++) {
        uint64_t bits;
        memcpy(&bits, &metric->samples[i], sizeof bits);
        raw[i] = htole64(bits);
    }
    int rc =
        write_texts(s, (const char *const[]){metric->name, metric->unit}, 2, text, err);
    if (rc == 0) {
        rc = prf_sql_run(s, add_metric,
                         PRF_ARGS(PRF_KEY(key), PRF_INT((sqlite3_int64)position),
                                  text[0], text[1], PRF_INT(metric->better),
                                  PRF_INT((sqlite3_int64)metric->n_warmup)),
                         err);
    }
    if (rc == 0) {
        rc = prf_sql_run(s, add_sample,
                         PRF_ARGS(PRF_KEY(key), PRF_INT((sqlite3_int64)position),
                                  PRF_BLOB(raw, metric->n * sizeof *raw)),
                         err);
    }
    free(raw);
    return rc;
}

static int
write_mark(struct prf_sqlite *s, const struct prf_result_key *key, size_t position,
           const struct prf_mark *mark, struct prf_error *err)
{
    static const char add[] =
        "INSERT INTO mark (run, series, n, position, name, at_ns, delta_ns, n_seen)"
        " VALUES (?,?,?,?,?,?,?,?)";
    struct prf_sql_value name;
    int rc = write_text(s, mark->name, &name, err);
    if (rc < 0) {
        return rc;
    }
    return prf_sql_run(s, add,
                       PRF_ARGS(PRF_KEY(key), PRF_INT((sqlite3_int64)position), name,
                                PRF_REAL(mark->at_ns), PRF_REAL(mark->delta_ns),
                                PRF_INT(mark->n)),
                       err);
}

/* [["calls","count",0],...], the same text for every result of a profiler. */
static int
write_columns(struct prf_sqlite *s, const struct prf_table *table,
              struct prf_sql_value *out, struct prf_error *err)
{
    json_t *list = json_array();
    char *text = NULL;
    int rc;
    for (size_t i = 0; i < table->n_columns; i++) {
        const struct prf_column *column = &table->columns[i];
        json_array_append_new(list, json_pack("[s, s?, i]", column->name, column->unit,
                                              (int)column->better));
    }
    if (json_array_size(list) != table->n_columns ||
        (text = json_dumps(list, JSON_COMPACT)) == NULL) {
        rc = prf_fail(err, PRF_ENOMEM, "out of memory");
        goto out;
    }
    rc = write_text(s, text, out, err);
out:
    free(text);
    json_decref(list);
    return rc;
}

/* Functions of the profile that have been looked up already; 0: not yet. */
struct codes {
    const struct prf_profile *profile;
    sqlite3_int64 *keys;
};

static int
write_code(struct prf_sqlite *s, struct codes *codes, uint32_t index,
           sqlite3_int64 *out, struct prf_error *err)
{
    static const char find[] =
        "SELECT key FROM code WHERE qualname = ?3 AND file = ?1 AND name = ?2"
        " AND first_line = ?4 AND flags = ?5";
    static const char add[] =
        "INSERT INTO code (file, name, qualname, first_line, flags)"
        " VALUES (?,?,?,?,?)";
    *out = 0;
    if (index == 0 || index >= codes->profile->n_codes) {
        return 0; /* "no function": the caller of a root */
    }
    if (codes->keys[index] == 0) {
        const struct prf_function *code = &codes->profile->codes[index];
        struct prf_sql_value text[3];
        int rc =
            write_texts(s,
                        (const char *const[]){code->file ? code->file : "",
                                              code->name ? code->name : "",
                                              code->qualname ? code->qualname : ""},
                        3, text, err);
        if (rc == 0) {
            rc = write_intern(s, (const char *const[]){find, add},
                              PRF_ARGS(text[0], text[1], text[2],
                                       PRF_INT(code->first_line), PRF_INT(code->flags)),
                              &codes->keys[index], err);
        }
        if (rc < 0) {
            return rc;
        }
    }
    *out = codes->keys[index];
    return 0;
}

static void
write_varint(struct prf_strbuf *sb, int64_t value)
{
    uint64_t rest = ((uint64_t)value << 1) ^ (uint64_t)(value >> 63); /* zigzag */
    for (; rest >= 0x80; rest >>= 7) {
        prf_strbuf_addc(sb, (char)(rest | 0x80));
    }
    prf_strbuf_addc(sb, (char)rest);
}

static int
write_row(struct prf_sqlite *s, const char *sql, const struct prf_result_key *key,
          const struct prf_sql_value row[4], struct prf_error *err)
{
    return prf_sql_run(s, sql, PRF_ARGS(PRF_KEY(key), row[0], row[1], row[2], row[3]),
                       err);
}

/* Sites or edges: `sql` takes the result, position, two numbers, and the values. */
static int
write_table(struct prf_sqlite *s, const char *sql, const struct prf_result_key *key,
            const struct prf_table *table, struct codes *codes, struct prf_error *err)
{
    bool edges = table == &codes->profile->edges;
    struct prf_strbuf data = PRF_STRBUF_INIT;
    int rc = 0;
    for (size_t i = 0; i < table->n && rc == 0; i++) {
        sqlite3_int64 code;
        sqlite3_int64 other = table->keys[i].other;
        prf_strbuf_clear(&data);
        for (size_t c = 0; c < table->n_columns; c++) {
            write_varint(&data, table->values[i * table->n_columns + c]);
        }
        if (data.failed) {
            rc = prf_fail(err, PRF_ENOMEM, "out of memory");
            break;
        }
        rc = write_code(s, codes, table->keys[i].code, &code, err);
        if (rc == 0 && edges) {
            rc = write_code(s, codes, table->keys[i].other, &other, err);
        }
        if (rc == 0) {
            rc = write_row(s, sql, key,
                           (const struct prf_sql_value[]){
                               PRF_INT((sqlite3_int64)i), PRF_INT(code), PRF_INT(other),
                               PRF_BLOB(data.data, data.len)},
                           err);
        }
    }
    prf_strbuf_release(&data);
    return rc;
}

static int
write_tables(struct prf_sqlite *s, const struct prf_result_key *key,
             const struct prf_profile *profile, struct prf_error *err)
{
    static const char add_site[] =
        "INSERT INTO site (run, series, n, position, code, line, data)"
        " VALUES (?,?,?,?,?,?,?)";
    static const char add_edge[] =
        "INSERT INTO edge (run, series, n, position, caller, callee, data)"
        " VALUES (?,?,?,?,?,?,?)";
    if (profile->sites.n == 0 && profile->edges.n == 0) {
        return 0;
    }
    struct codes codes = {profile, calloc(profile->n_codes + 1, sizeof *codes.keys)};
    if (codes.keys == NULL) {
        return prf_fail(err, PRF_ENOMEM, "out of memory");
    }
    int rc = write_table(s, add_site, key, &profile->sites, &codes, err);
    if (rc == 0) {
        rc = write_table(s, add_edge, key, &profile->edges, &codes, err);
    }
    free(codes.keys);
    return rc;
}

static int
write_profile_row(struct prf_sqlite *s, const struct prf_result_key *key,
                  const struct prf_profile *p, struct prf_error *err)
{
    static const char add[] =
        "INSERT INTO profile (run, series, n, pid, duration_ns, n_lost, phase, status,"
        " site_columns, edge_columns) VALUES (?,?,?,?,?,?,?,?,?,?)";
    struct prf_sql_value text[2];
    struct prf_sql_value columns[2];
    int rc = write_texts(s, (const char *const[]){p->phase, p->status}, 2, text, err);
    if (rc < 0 || (rc = write_columns(s, &p->sites, &columns[0], err)) < 0 ||
        (rc = write_columns(s, &p->edges, &columns[1], err)) < 0) {
        return rc;
    }
    return prf_sql_run(s, add,
                       PRF_ARGS(PRF_KEY(key), PRF_INT(p->pid), PRF_INT(p->duration_ns),
                                PRF_INT((sqlite3_int64)p->n_lost), text[0], text[1],
                                columns[0], columns[1]),
                       err);
}

static int
write_profile(struct prf_sqlite *s, const struct prf_result_key *key,
              const struct prf_profile *p, struct prf_error *err)
{
    int rc = write_profile_row(s, key, p, err);
    for (size_t i = 0; i < p->n_metrics && rc == 0; i++) {
        rc = p->metrics[i].n > 0 ? write_metric(s, key, i, &p->metrics[i], err) : 0;
    }
    for (size_t i = 0; i < p->n_marks && rc == 0; i++) {
        rc = write_mark(s, key, i, &p->marks[i], err);
    }
    return rc < 0 ? rc : write_tables(s, key, p, err);
}

static int
write_result(struct prf_sqlite *s, const struct prf_result *result,
             const struct prf_packed *recording, struct prf_error *err)
{
    static const char add[] =
        "INSERT INTO artifact (run, series, n, kind, encoding, size_bytes, data)"
        " VALUES (?,?,?,'recording',?,?,?)";
    struct prf_result_key key;
    int rc = write_key(s, result, &key, err);
    if (rc < 0 || (rc = write_result_row(s, &key, result, err)) < 0 ||
        (rc = write_details(s, &key, result, err)) < 0) {
        return rc;
    }
    if (result->profile != NULL) {
        rc = write_profile(s, &key, result->profile, err);
    }
    if (rc == 0 && recording->encoding != NULL) {
        rc = prf_sql_run(
            s, add,
            PRF_ARGS(PRF_KEY(&key), PRF_TEXT(recording->encoding),
                     PRF_INT((sqlite3_int64)result->recording_size),
                     PRF_BLOB(recording->data != NULL ? recording->data : "",
                              recording->size)),
            err);
    }
    return rc;
}

int
prf_sqlite_add_result(struct prf_store *store, const struct prf_result *result,
                      struct prf_error *err)
{
    struct prf_sqlite *s = (struct prf_sqlite *)store;
    struct prf_packed recording;
    /* Before the write lock is taken: others need not wait for it. */
    int rc = prf_recordings_pack(s, result, &recording, err);
    if (rc == 0 && (rc = prf_sql_begin(s, err)) == 0) {
        rc = prf_sql_end(s, write_result(s, result, &recording, err), err);
    }
    prf_recordings_release(&recording, rc == 0);
    return rc;
}
