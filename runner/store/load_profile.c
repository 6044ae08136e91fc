/* The profile of a result: figures and marks always, sites and edges when asked for.
   The tree is not in tables; it is in the recording. */
#include <endian.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "load.h"

/* What is in the row that says there is a profile. */
struct profile_row {
    struct prf_profile *profile;
    const char *site_columns, *edge_columns;
};

static int
load_profile_row(struct prf_sqlite *s, const struct prf_result_key *key,
                 struct profile_row *row, struct prf_error *err)
{
    static const char sql[] = "SELECT pid, duration_ns, n_lost,"
                              " (SELECT value FROM text WHERE key = phase),"
                              " (SELECT value FROM text WHERE key = status),"
                              " (SELECT value FROM text WHERE key = site_columns),"
                              " (SELECT value FROM text WHERE key = edge_columns)"
                              " FROM profile WHERE run = ? AND series = ? AND n = ?";
    struct prf_loader l = {0};
    int rc = prf_sql_prepare(s, sql, PRF_ARGS(PRF_KEY(key)), &l.statement, err);
    if (rc == 0 && (rc = prf_sql_step(s, l.statement, err)) == 1) {
        struct prf_profile *profile = calloc(1, sizeof *profile);
        row->profile = profile;
        if (profile == NULL) {
            l.failed = true;
            goto out;
        }
        l.arena = &profile->arena;
        profile->pid = (uint32_t)sqlite3_column_int64(l.statement, 0);
        profile->duration_ns = sqlite3_column_int64(l.statement, 1);
        profile->n_lost = (uint64_t)sqlite3_column_int64(l.statement, 2);
        profile->phase = prf_load_text(&l, 3);
        profile->status = prf_load_text(&l, 4);
        row->site_columns = prf_load_text(&l, 5);
        row->edge_columns = prf_load_text(&l, 6);
    }
out:
    rc = prf_load_end(&l, rc, err);
    return rc < 0 ? rc : 0;
}

/* Rows of a table that hang on a result, counted before they are read. */
static int
load_count(struct prf_sqlite *s, const char *sql, const struct prf_result_key *key,
           size_t *n, struct prf_error *err)
{
    sqlite3_int64 count = 0;
    int rc = prf_sql_integers(s, sql, PRF_ARGS(PRF_KEY(key)), &count, 1, err);
    *n = (size_t)count;
    return rc < 0 ? rc : 0;
}

static void
load_metric(struct prf_loader *l, struct prf_metric_values *metric)
{
    const unsigned char *raw = sqlite3_column_blob(l->statement, 4);
    metric->name = prf_load_text(l, 0);
    metric->unit = prf_load_text(l, 1);
    metric->better = (enum prf_better)sqlite3_column_int(l->statement, 2);
    metric->n_warmup = (size_t)sqlite3_column_int64(l->statement, 3);
    metric->n = (size_t)sqlite3_column_bytes(l->statement, 4) / sizeof(double);
    metric->samples = prf_load_alloc(l, metric->n, sizeof(double));
    for (size_t i = 0; i < metric->n && metric->samples != NULL; i++) {
        uint64_t bits;
        memcpy(&bits, raw + i * sizeof bits, sizeof bits);
        bits = le64toh(bits);
        memcpy(&metric->samples[i], &bits, sizeof bits);
    }
}

static int
load_metrics(struct prf_sqlite *s, const struct prf_result_key *key,
             struct prf_profile *profile, struct prf_error *err)
{
    static const char count[] =
        "SELECT count(*) FROM metric WHERE run = ? AND series = ? AND n = ?";
    static const char sql[] =
        "SELECT (SELECT value FROM text WHERE key = m.name),"
        " (SELECT value FROM text WHERE key = m.unit), m.better, m.n_warmup, p.data"
        " FROM metric m LEFT JOIN sample p ON p.run = m.run AND p.series = m.series"
        " AND p.n = m.n AND p.position = m.position"
        " WHERE m.run = ? AND m.series = ? AND m.n = ? ORDER BY m.position";
    struct prf_loader l = {.arena = &profile->arena};
    size_t n = 0;
    int rc = load_count(s, count, key, &n, err);
    if (rc < 0 || n == 0) {
        return rc;
    }
    profile->metrics = prf_load_alloc(&l, n, sizeof *profile->metrics);
    if (profile->metrics == NULL) {
        return prf_load_end(&l, 0, err);
    }
    rc = prf_sql_prepare(s, sql, PRF_ARGS(PRF_KEY(key)), &l.statement, err);
    while (rc >= 0 && profile->n_metrics < n &&
           (rc = prf_sql_step(s, l.statement, err)) == 1) {
        struct prf_metric_values *metric = &profile->metrics[profile->n_metrics];
        load_metric(&l, metric);
        profile->n_metrics += metric->n > 0;
    }
    rc = prf_load_end(&l, rc, err);
    return rc < 0 ? rc : 0;
}

/* SQLite keeps a NaN as NULL. */
static double
load_real(sqlite3_stmt *statement, int column)
{
    return sqlite3_column_type(statement, column) == SQLITE_NULL
               ? NAN
               : sqlite3_column_double(statement, column);
}

static int
load_marks(struct prf_sqlite *s, const struct prf_result_key *key,
           struct prf_profile *profile, struct prf_error *err)
{
    static const char count[] =
        "SELECT count(*) FROM mark WHERE run = ? AND series = ? AND n = ?";
    static const char sql[] =
        "SELECT (SELECT value FROM text WHERE key = name), at_ns, delta_ns, n_seen"
        " FROM mark WHERE run = ? AND series = ? AND n = ? ORDER BY position";
    struct prf_loader l = {.arena = &profile->arena};
    size_t n = 0;
    int rc = load_count(s, count, key, &n, err);
    if (rc < 0 || n == 0) {
        return rc;
    }
    profile->marks = prf_load_alloc(&l, n, sizeof *profile->marks);
    if (profile->marks == NULL) {
        return prf_load_end(&l, 0, err);
    }
    rc = prf_sql_prepare(s, sql, PRF_ARGS(PRF_KEY(key)), &l.statement, err);
    while (rc >= 0 && profile->n_marks < n &&
           (rc = prf_sql_step(s, l.statement, err)) == 1) {
        profile->marks[profile->n_marks++] =
            (struct prf_mark){.name = prf_load_text(&l, 0),
                              .at_ns = load_real(l.statement, 1),
                              .delta_ns = load_real(l.statement, 2),
                              .n = (uint32_t)sqlite3_column_int64(l.statement, 3)};
    }
    rc = prf_load_end(&l, rc, err);
    return rc < 0 ? rc : 0;
}

static const char *
load_copy(struct prf_loader *l, const char *text)
{
    const char *copy = text == NULL ? NULL : prf_arena_strdup(l->arena, text);
    l->failed = l->failed || (text != NULL && copy == NULL);
    return copy;
}

int
prf_load_columns(struct prf_sqlite *s, const char *text, struct prf_table *table,
                 struct prf_arena *arena, struct prf_error *err)
{
    struct prf_loader l = {.arena = arena};
    json_t *list = text == NULL ? json_array() : json_loads(text, 0, NULL);
    json_t *item;
    size_t i;
    int rc = 0;
    table->columns = prf_load_alloc(&l, json_array_size(list), sizeof *table->columns);
    json_array_foreach(list, i, item)
    {
        const char *name = json_string_value(json_array_get(item, 0));
        const char *unit = json_string_value(json_array_get(item, 1)); /* or null */
        json_t *better = json_array_get(item, 2);
        if (name == NULL || !json_is_integer(better)) {
            break;
        }
        if (table->columns != NULL) {
            table->columns[table->n_columns++] = (struct prf_column){
                .name = load_copy(&l, name),
                .unit = load_copy(&l, unit),
                .better = (enum prf_better)json_integer_value(better)};
        }
    }
    if (!l.failed && (list == NULL || i < json_array_size(list))) {
        rc =
            prf_fail(err, PRF_ECORRUPT, "'%s' is damaged: columns '%s'", s->path, text);
    }
    json_decref(list);
    return prf_load_end(&l, rc, err);
}

int64_t
prf_load_varint(const unsigned char **p, const unsigned char *end)
{
    uint64_t value = 0;
    for (unsigned shift = 0; *p < end && shift < 64; shift += 7) {
        unsigned char byte = *(*p)++;
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            break;
        }
    }
    return (int64_t)(value >> 1) ^ -(int64_t)(value & 1);
}

/* Keys of functions as the tables hold them, before they become indexes of codes[]. */
struct row_keys {
    sqlite3_int64 (*keys)[2];
    size_t n;
};

static void
load_table_row(struct prf_loader *l, struct prf_table *table, struct row_keys *keys)
{
    const unsigned char *data = sqlite3_column_blob(l->statement, 2);
    const unsigned char *end = data + sqlite3_column_bytes(l->statement, 2);
    size_t i = table->n++;
    keys->keys[i][0] = sqlite3_column_int64(l->statement, 0);
    keys->keys[i][1] = sqlite3_column_int64(l->statement, 1);
    for (size_t c = 0; c < table->n_columns; c++) {
        table->values[i * table->n_columns + c] = prf_load_varint(&data, end);
    }
}

static int
load_table(struct prf_sqlite *s, const char *const sql[2],
           const struct prf_result_key *key, struct prf_table *table,
           struct prf_loader *l, struct row_keys *keys, struct prf_error *err)
{
    int rc = load_count(s, sql[0], key, &keys->n, err);
    if (rc < 0 || keys->n == 0) {
        return rc;
    }
    table->keys = prf_load_alloc(l, keys->n, sizeof *table->keys);
    table->values =
        prf_load_alloc(l, keys->n * table->n_columns, sizeof *table->values);
    keys->keys = calloc(keys->n, sizeof *keys->keys);
    l->failed = l->failed || keys->keys == NULL;
    if (!l->failed) {
        rc = prf_sql_prepare(s, sql[1], PRF_ARGS(PRF_KEY(key)), &l->statement, err);
    }
    while (rc >= 0 && !l->failed && table->n < keys->n &&
           (rc = prf_sql_step(s, l->statement, err)) == 1) {
        load_table_row(l, table, keys);
    }
    keys->n = table->n;
    rc = prf_load_end(l, rc, err);
    return rc < 0 ? rc : 0;
}

static int
load_compare(const void *a, const void *b)
{
    sqlite3_int64 x = *(const sqlite3_int64 *)a;
    sqlite3_int64 y = *(const sqlite3_int64 *)b;
    return (x > y) - (x < y);
}

/* All functions that occur, each once, sorted, 0 ("no function") first. */
static size_t
load_unique(const struct row_keys *sites, const struct row_keys *edges,
            sqlite3_int64 *out)
{
    size_t n = 0;
    size_t n_unique = 1;
    out[n++] = 0;
    for (size_t i = 0; i < sites->n; i++) {
        out[n++] = sites->keys[i][0];
    }
    for (size_t i = 0; i < edges->n; i++) {
        out[n++] = edges->keys[i][0];
        out[n++] = edges->keys[i][1];
    }
    qsort(out, n, sizeof *out, load_compare);
    for (size_t i = 1; i < n; i++) {
        if (out[i] != out[n_unique - 1]) {
            out[n_unique++] = out[i];
        }
    }
    return n_unique;
}

static int
load_code(struct prf_sqlite *s, sqlite3_int64 key, struct prf_loader *l,
          struct prf_function *out, struct prf_error *err)
{
    static const char sql[] =
        "SELECT f.value, n.value, q.value, c.first_line, c.flags FROM code c"
        " JOIN text f ON f.key = c.file JOIN text n ON n.key = c.name"
        " JOIN text q ON q.key = c.qualname WHERE c.key = ?";
    int rc = prf_sql_prepare(s, sql, PRF_ARGS(PRF_INT(key)), &l->statement, err);
    if (rc == 0 && (rc = prf_sql_step(s, l->statement, err)) == 1) {
        *out = (struct prf_function){
            .file = prf_load_text(l, 0),
            .name = prf_load_text(l, 1),
            .qualname = prf_load_text(l, 2),
            .first_line = (uint32_t)sqlite3_column_int64(l->statement, 3),
            .flags = (uint32_t)sqlite3_column_int64(l->statement, 4)};
    } else if (rc == 0) {
        rc = prf_fail(err, PRF_ECORRUPT, "'%s' is damaged: function %lld is missing",
                      s->path, (long long)key);
    }
    rc = prf_load_end(l, rc, err);
    return rc < 0 ? rc : 0;
}

static uint32_t
load_index(const sqlite3_int64 *sorted, size_t n, sqlite3_int64 key)
{
    const sqlite3_int64 *found = bsearch(&key, sorted, n, sizeof key, load_compare);
    return found == NULL ? 0 : (uint32_t)(found - sorted);
}

/* codes[] of the profile, and the keys of its rows as indexes of it. */
static int
load_codes(struct prf_sqlite *s, struct prf_profile *profile,
           const struct row_keys *sites, const struct row_keys *edges,
           struct prf_error *err)
{
    struct prf_loader l = {.arena = &profile->arena};
    sqlite3_int64 *keys = calloc(1 + sites->n + 2 * edges->n, sizeof *keys);
    int rc = 0;
    if (keys == NULL) {
        return prf_fail(err, PRF_ENOMEM, "out of memory");
    }
    size_t n = load_unique(sites, edges, keys);
    profile->codes = prf_load_alloc(&l, n, sizeof *profile->codes);
    if (profile->codes == NULL) {
        rc = prf_load_end(&l, 0, err);
        goto out;
    }
    profile->codes[0] = (struct prf_function){.file = "", .name = "", .qualname = ""};
    profile->n_codes = n;
    for (size_t i = 1; i < n && rc == 0; i++) {
        rc = load_code(s, keys[i], &l, &profile->codes[i], err);
    }
    for (size_t i = 0; i < sites->n; i++) {
        profile->sites.keys[i].code = load_index(keys, n, sites->keys[i][0]);
        profile->sites.keys[i].other = (uint32_t)sites->keys[i][1];
    }
    for (size_t i = 0; i < edges->n; i++) {
        profile->edges.keys[i].code = load_index(keys, n, edges->keys[i][0]);
        profile->edges.keys[i].other = load_index(keys, n, edges->keys[i][1]);
    }
out:
    free(keys);
    return rc;
}

static int
load_tables(struct prf_sqlite *s, const struct prf_result_key *key,
            const struct profile_row *row, struct prf_error *err)
{
    static const char site_count[] =
        "SELECT count(*) FROM site WHERE run = ? AND series = ? AND n = ?";
    static const char site_rows[] = "SELECT code, line, data FROM site"
                                    " WHERE run = ? AND series = ? AND n = ?"
                                    " ORDER BY position";
    static const char edge_count[] =
        "SELECT count(*) FROM edge WHERE run = ? AND series = ? AND n = ?";
    static const char edge_rows[] = "SELECT caller, callee, data FROM edge"
                                    " WHERE run = ? AND series = ? AND n = ?"
                                    " ORDER BY position";
    struct prf_profile *profile = row->profile;
    struct prf_loader l = {.arena = &profile->arena};
    struct row_keys sites = {0};
    struct row_keys edges = {0};
    int rc = prf_load_columns(s, row->site_columns, &profile->sites, &profile->arena, err);
    if (rc == 0) {
        rc = prf_load_columns(s, row->edge_columns, &profile->edges, &profile->arena, err);
    }
    if (rc == 0) {
        rc = load_table(s, (const char *const[]){site_count, site_rows}, key,
                        &profile->sites, &l, &sites, err);
    }
    if (rc == 0) {
        rc = load_table(s, (const char *const[]){edge_count, edge_rows}, key,
                        &profile->edges, &l, &edges, err);
    }
    if (rc == 0) {
        rc = load_codes(s, profile, &sites, &edges, err);
    }
    free(sites.keys);
    free(edges.keys);
    return rc;
}

int
prf_sqlite_load_profile(struct prf_sqlite *s, const struct prf_result_key *key,
                        bool with_tables, struct prf_profile **out,
                        struct prf_error *err)
{
    struct profile_row row = {0};
    int rc = load_profile_row(s, key, &row, err);
    if (rc < 0 || row.profile == NULL) {
        goto out;
    }
    rc = load_metrics(s, key, row.profile, err);
    if (rc == 0) {
        rc = load_marks(s, key, row.profile, err);
    }
    if (rc == 0 && with_tables) {
        rc = load_tables(s, key, &row, err);
    }
out:
    if (rc < 0) {
        prf_profile_free(row.profile);
        return rc;
    }
    *out = row.profile;
    return 0;
}
