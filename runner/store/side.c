/* The results of one side of a comparison, in as few statements as there are runs times
   three: results, metrics and samples of a run lie side by side in the same order, so
   three cursors walk through them together. One look-up for each result and table would
   take 0.3 s for two commits with a thousand cases measured ten times. */
#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "key_map.h"
#include "load.h"

/* What looking at a run costs, in results. */
#define SIDE_RUN_EFFORT 10

/* --- the state ---------------------------------------------------------------------
 */

struct side_series {
    const char *case_id, *profiler;
    bool wanted;
};

/* A case under a profiler with certain options. */
struct side_group {
    size_t n_newer; /* results of runs before this one, which are newer */
    size_t n_here;
    sqlite3_int64 run;
};

struct side_item {
    struct prf_side_result result;
    struct prf_result_key key;
};

/* A statement whose rows come in the order of (series, n). */
struct side_cursor {
    sqlite3_stmt *statement;
    bool at_row;
};

struct side {
    struct prf_sqlite *s;
    const struct prf_side_query *query;
    struct prf_loader l; /* its arena is the results' */
    struct prf_key_map text_of, series_of, group_of;
    const char **texts;
    size_t n_texts;
    struct side_series *series;
    size_t n_series;
    struct side_group *groups;
    size_t n_groups;
    struct side_item *items;
    size_t n;
    struct prf_run *runs;
    size_t n_runs;
    struct prf_metric_values *metrics; /* of one result, in the making */
    size_t n_metrics;
    struct side_cursor metric, sample; /* of the run that is looked at */
    size_t effort;
};

static void
side_release(struct side *side)
{
    free(side->text_of.entries);
    free(side->series_of.entries);
    free(side->group_of.entries);
    free(side->texts);
    free(side->series);
    free(side->groups);
    free(side->items);
    free(side->runs);
    free(side->metrics);
}

/* Room for one more thing of `size` bytes in an array of n that grows by doubling. */
static int
side_room(void *array, size_t n, size_t size)
{
    void *old;
    if ((n & (n - 1)) != 0 || (n > 0 && n < 16)) {
        return 0;
    }
    memcpy(&old, array, sizeof old);
    void *larger = realloc(old, (n < 16 ? 16 : 2 * n) * size);
    if (larger == NULL) {
        return PRF_ENOMEM;
    }
    memcpy(array, &larger, sizeof larger);
    return 0;
}

static int
side_no_memory(struct prf_error *err)
{
    return prf_fail(err, PRF_ENOMEM, "out of memory");
}

/* --- what is stored once -----------------------------------------------------------
 */

/* The text that the column is a key of; NULL for NULL. */
static int
side_text(struct side *side, sqlite3_stmt *row, int column, const char **out,
          struct prf_error *err)
{
    static const char sql[] = "SELECT value FROM text WHERE key = ?";
    size_t at = 0;
    *out = NULL;
    if (sqlite3_column_type(row, column) == SQLITE_NULL) {
        return 0;
    }
    sqlite3_int64 key = sqlite3_column_int64(row, column);
    int rc = prf_key_map_put(&side->text_of, key, 0, side->n_texts, &at);
    if (rc == 1) {
        *out = side->texts[at];
        return 0;
    }
    if (rc < 0 || side_room(&side->texts, side->n_texts, sizeof *side->texts) < 0) {
        return side_no_memory(err);
    }
    side->texts[side->n_texts++] = NULL;
    rc = prf_sql_prepare(side->s, sql, PRF_ARGS(PRF_INT(key)), &side->l.statement, err);
    if (rc == 0 && (rc = prf_sql_step(side->s, side->l.statement, err)) == 1) {
        *out = side->texts[at] = prf_load_text(&side->l, 0);
    }
    rc = prf_load_end(&side->l, rc, err);
    return rc < 0 ? rc : 0;
}

static int
side_series(struct side *side, sqlite3_int64 key, const struct side_series **out,
            struct prf_error *err)
{
    static const char sql[] = "SELECT case_id, profiler FROM series WHERE key = ?";
    size_t at = 0;
    int rc = prf_key_map_put(&side->series_of, key, 0, side->n_series, &at);
    if (rc == 0 && side_room(&side->series, side->n_series, sizeof *side->series) < 0) {
        rc = PRF_ENOMEM;
    }
    if (rc != 0) {
        *out = &side->series[at];
        return rc < 0 ? side_no_memory(err) : 0;
    }
    struct side_series *series = &side->series[side->n_series++];
    *series = (struct side_series){0};
    rc = prf_sql_prepare(side->s, sql, PRF_ARGS(PRF_INT(key)), &side->l.statement, err);
    if (rc == 0 && (rc = prf_sql_step(side->s, side->l.statement, err)) == 1) {
        series->case_id = prf_load_text(&side->l, 0);
        series->profiler = prf_load_text(&side->l, 1);
        series->wanted = series->case_id != NULL && series->profiler != NULL &&
                         (side->query->profiler == NULL ||
                          strcmp(side->query->profiler, series->profiler) == 0);
    }
    *out = series;
    rc = prf_load_end(&side->l, rc, err);
    return rc < 0 ? rc : 0;
}

/* Are there enough newer results of that group already? Counts this one. */
static int
side_is_old(struct side *side, sqlite3_int64 run, sqlite3_int64 series,
            sqlite3_int64 options, struct prf_error *err)
{
    size_t at = 0;
    int rc = prf_key_map_put(&side->group_of, series, options, side->n_groups, &at);
    if (rc == 0 && side_room(&side->groups, side->n_groups, sizeof *side->groups) < 0) {
        rc = PRF_ENOMEM;
    }
    if (rc < 0) {
        return side_no_memory(err);
    }
    if (rc == 0) {
        side->groups[side->n_groups++] = (struct side_group){.run = run};
    }
    struct side_group *group = &side->groups[at];
    if (group->run != run) {
        group->n_newer += group->n_here;
        group->n_here = 0;
        group->run = run;
    }
    group->n_here++;
    return side->query->n_newest > 0 && group->n_newer >= side->query->n_newest;
}

/* --- metrics and samples -----------------------------------------------------------
 */

static int
cursor_step(struct side *side, struct side_cursor *cursor, struct prf_error *err)
{
    int rc = prf_sql_step(side->s, cursor->statement, err);
    cursor->at_row = rc == 1;
    return rc < 0 ? rc : 0;
}

/* Moves to the first row at or behind (series, n, position) and says whether it is that
   one; position -1: any. */
static int
cursor_seek(struct side *side, struct side_cursor *cursor, sqlite3_int64 series,
            sqlite3_int64 n, sqlite3_int64 position, struct prf_error *err)
{
    int rc = 0;
    while (rc == 0 && cursor->at_row) {
        const sqlite3_int64 wanted[] = {series, n, position};
        int order = 0;
        for (int i = 0; i < (position < 0 ? 2 : 3) && order == 0; i++) {
            sqlite3_int64 here = sqlite3_column_int64(cursor->statement, i);
            order = (here > wanted[i]) - (here < wanted[i]);
        }
        if (order >= 0) {
            return order == 0;
        }
        rc = cursor_step(side, cursor, err);
    }
    return rc;
}

static void
side_samples(struct side *side, struct prf_metric_values *metric)
{
    const unsigned char *raw = sqlite3_column_blob(side->sample.statement, 3);
    metric->n =
        (size_t)sqlite3_column_bytes(side->sample.statement, 3) / sizeof(double);
    metric->samples = prf_load_alloc(&side->l, metric->n, sizeof(double));
    for (size_t i = 0; i < metric->n && metric->samples != NULL; i++) {
        uint64_t bits;
        memcpy(&bits, raw + i * sizeof bits, sizeof bits);
        bits = le64toh(bits);
        memcpy(&metric->samples[i], &bits, sizeof bits);
    }
}

static int
side_metric(struct side *side, sqlite3_int64 series, sqlite3_int64 n,
            struct prf_error *err)
{
    sqlite3_stmt *row = side->metric.statement;
    struct prf_metric_values metric = {0};
    if (side_room(&side->metrics, side->n_metrics, sizeof metric) < 0) {
        return side_no_memory(err);
    }
    metric.better = (enum prf_better)sqlite3_column_int(row, 5);
    metric.n_warmup = (size_t)sqlite3_column_int64(row, 6);
    int rc = side_text(side, row, 3, &metric.name, err);
    if (rc == 0) {
        rc = side_text(side, row, 4, &metric.unit, err);
    }
    if (rc == 0) {
        rc = cursor_seek(side, &side->sample, series, n, sqlite3_column_int64(row, 2),
                         err);
    }
    if (rc == 1) {
        side_samples(side, &metric);
    }
    if (rc >= 0 && metric.n > 0 && metric.name != NULL) {
        side->metrics[side->n_metrics++] = metric;
    }
    return rc < 0 ? rc : 0;
}

static int
side_metrics(struct side *side, sqlite3_int64 series, sqlite3_int64 n,
             struct prf_side_result *out, struct prf_error *err)
{
    int rc;
    side->n_metrics = 0;
    while ((rc = cursor_seek(side, &side->metric, series, n, -1, err)) == 1) {
        rc = side_metric(side, series, n, err);
        if (rc == 0) {
            rc = cursor_step(side, &side->metric, err);
        }
        if (rc < 0) {
            return rc;
        }
    }
    out->metrics = prf_load_alloc(&side->l, side->n_metrics, sizeof *out->metrics);
    if (out->metrics != NULL) {
        memcpy(out->metrics, side->metrics, side->n_metrics * sizeof *out->metrics);
        out->n_metrics = side->n_metrics;
    }
    return rc;
}

/* --- a run -------------------------------------------------------------------------
 */

static const char sql_results[] =
    "SELECT series, n, id, status, case_line, case_file, case_hash, options"
    " FROM result WHERE run = ? ORDER BY series, n";
static const char sql_metrics[] =
    "SELECT series, n, position, name, unit, better, n_warmup"
    " FROM metric WHERE run = ? ORDER BY series, n, position";
static const char sql_samples[] = "SELECT series, n, position, data"
                                  " FROM sample WHERE run = ? ORDER BY series, n, "
                                  "position";

static int
side_status(struct side *side, sqlite3_stmt *row, struct prf_side_result *out,
            struct prf_error *err)
{
    const char *word = (const char *)sqlite3_column_text(row, 3);
    int status = word == NULL ? -1 : prf_status_parse(word);
    if (status < 0) {
        return prf_fail(err, PRF_ECORRUPT, "'%s' is damaged: no status is called '%s'",
                        side->s->path, word == NULL ? "" : word);
    }
    out->status = (enum prf_status)status;
    return 0;
}

static int
side_take(struct side *side, sqlite3_stmt *row, const struct prf_result_key *key,
          const struct side_series *series, struct prf_error *err)
{
    struct side_item item = {.result = {.case_id = series->case_id,
                                        .profiler = series->profiler,
                                        .case_line = sqlite3_column_int(row, 4),
                                        .run_at = side->n_runs},
                             .key = *key};
    struct prf_side_result *r = &item.result;
    const char *id = (const char *)sqlite3_column_text(row, 2);
    int rc = side_status(side, row, r, err);
    if (rc < 0 || (rc = side_text(side, row, 5, &r->case_file, err)) < 0 ||
        (rc = side_text(side, row, 6, &r->case_hash, err)) < 0 ||
        (rc = side_text(side, row, 7, &r->options, err)) < 0 ||
        (rc = side_metrics(side, key->series, key->n, r, err)) < 0) {
        return rc;
    }
    r->id = id == NULL ? NULL : prf_arena_strdup(side->l.arena, id);
    if (r->id == NULL || side_room(&side->items, side->n, sizeof item) < 0) {
        return side_no_memory(err);
    }
    side->items[side->n++] = item;
    return 0;
}

static int
side_result(struct side *side, sqlite3_stmt *row, sqlite3_int64 run,
            struct prf_error *err)
{
    const struct side_series *series = NULL;
    struct prf_result_key key = {run, sqlite3_column_int64(row, 0),
                                 sqlite3_column_int64(row, 1)};
    int rc = side_series(side, key.series, &series, err);
    if (rc < 0 || !series->wanted) {
        return rc;
    }
    /* the key of no options is that of no text */
    rc = side_is_old(side, run, key.series, sqlite3_column_int64(row, 7), err);
    return rc != 0 ? (rc < 0 ? rc : 0) : side_take(side, row, &key, series, err);
}

static int
side_scan(struct side *side, sqlite3_int64 run, struct prf_error *err)
{
    struct side_cursor result = {0};
    int rc = prf_sql_prepare(side->s, sql_results, PRF_ARGS(PRF_INT(run)),
                             &result.statement, err);
    if (rc == 0) {
        rc = prf_sql_prepare(side->s, sql_metrics, PRF_ARGS(PRF_INT(run)),
                             &side->metric.statement, err);
    }
    if (rc == 0) {
        rc = prf_sql_prepare(side->s, sql_samples, PRF_ARGS(PRF_INT(run)),
                             &side->sample.statement, err);
    }
    if (rc < 0 || (rc = cursor_step(side, &result, err)) < 0 ||
        (rc = cursor_step(side, &side->metric, err)) < 0 ||
        (rc = cursor_step(side, &side->sample, err)) < 0) {
        goto out;
    }
    while (rc == 0 && result.at_row) {
        rc = side_result(side, result.statement, run, err);
        side->effort++;
        if (rc == 0) {
            rc = cursor_step(side, &result, err);
        }
    }
out:
    prf_sql_done(result.statement);
    prf_sql_done(side->metric.statement);
    prf_sql_done(side->sample.statement);
    return rc;
}

static int
side_run(struct side *side, sqlite3_int64 key, struct prf_error *err)
{
    if (side_room(&side->runs, side->n_runs, sizeof *side->runs) < 0) {
        return side_no_memory(err);
    }
    int rc = prf_sqlite_load_run(side->s, key, &side->runs[side->n_runs], err);
    if (rc < 0) {
        return rc;
    }
    rc = side_scan(side, key, err);
    side->n_runs++;
    side->effort += SIDE_RUN_EFFORT;
    return rc;
}

/* --- all of it ---------------------------------------------------------------------
 */

static int
side_order_text(const char *a, const char *b)
{
    return a == b ? 0 : a == NULL ? -1 : b == NULL ? 1 : strcmp(a, b);
}

static int
side_order_group(const struct prf_side_result *a, const struct prf_side_result *b)
{
    int order = side_order_text(a->case_id, b->case_id);
    if (order == 0) {
        order = side_order_text(a->profiler, b->profiler);
    }
    return order != 0 ? order : side_order_text(a->options, b->options);
}

static int
side_order(const void *left, const void *right)
{
    const struct side_item *a = left;
    const struct side_item *b = right;
    int order = side_order_group(&a->result, &b->result);
    if (order == 0) {
        order = (a->result.run_at < b->result.run_at) -
                (a->result.run_at > b->result.run_at);
    }
    return order != 0 ? order : (a->key.n > b->key.n) - (a->key.n < b->key.n);
}

/* Why it is not ok, and its budget: texts of their own, so only where they count. */
static int
side_details(struct side *side, struct side_item *item, struct prf_error *err)
{
    static const char sql[] =
        "SELECT kind, value FROM detail WHERE run = ? AND series = ? AND n = ?"
        " AND kind IN ('reason', 'budget') AND owner & 1";
    struct prf_side_result *r = &item->result;
    int rc = prf_sql_prepare(side->s, sql, PRF_ARGS(PRF_KEY(&item->key)),
                             &side->l.statement, err);
    while (rc >= 0 && (rc = prf_sql_step(side->s, side->l.statement, err)) == 1) {
        const char *kind = (const char *)sqlite3_column_text(side->l.statement, 0);
        const char **field = kind[0] == 'b' ? &r->budget : &r->reason;
        *field = prf_load_text(&side->l, 1);
    }
    rc = prf_load_end(&side->l, rc, err);
    return rc < 0 ? rc : 0;
}

/* The items of a group: its newest ones go to the caller. */
static int
side_finish_group(struct side *side, struct side_item *items, size_t n,
                  struct prf_side_results *out, struct prf_error *err)
{
    size_t most = side->query->n_newest;
    bool details = side->query->kind != PRF_SIDE_LIKE;
    int rc = 0;
    for (size_t i = most > 0 && n > most ? n - most : 0; rc == 0 && i < n; i++) {
        if (details && (i + 1 == n || items[i].result.status != PRF_STATUS_OK)) {
            rc = side_details(side, &items[i], err);
        }
        items[i].result.run = &out->runs[items[i].result.run_at];
        out->items[out->n++] = items[i].result;
    }
    return rc;
}

static int
side_finish(struct side *side, struct prf_side_results *out, struct prf_error *err)
{
    int rc = 0;
    out->items = prf_load_alloc(&side->l, side->n, sizeof *out->items);
    out->runs = prf_load_alloc(&side->l, side->n_runs, sizeof *out->runs);
    if (side->l.failed) {
        return side_no_memory(err);
    }
    if (side->n > 0) {
        qsort(side->items, side->n, sizeof *side->items, side_order);
    }
    for (size_t i = 0, end; rc == 0 && i < side->n; i = end) {
        for (end = i + 1;
             end < side->n &&
             side_order_group(&side->items[i].result, &side->items[end].result) == 0;
             end++) {
        }
        rc = side_finish_group(side, &side->items[i], end - i, out, err);
    }
    return rc;
}

/* In a transaction, so that all of it is of one moment. */
static int
side_read(struct side *side, struct prf_side_results *out, struct prf_error *err)
{
    sqlite3_stmt *keys = NULL;
    int rc = prf_sqlite_side_runs(side->s, side->query, &keys, err);
    while (rc >= 0 &&
           (side->query->n_looked == 0 || side->effort < side->query->n_looked) &&
           (rc = prf_sql_step(side->s, keys, err)) == 1) {
        rc = side_run(side, sqlite3_column_int64(keys, 0), err);
    }
    prf_sql_done(keys);
    return rc < 0 ? rc : side_finish(side, out, err);
}

int
prf_sqlite_side(struct prf_store *store, const struct prf_side_query *query,
                struct prf_side_results *out, struct prf_error *err)
{
    static const char begin[] = "BEGIN";
    struct side side = {.s = (struct prf_sqlite *)store, .query = query};
    struct prf_side_results results = {0};
    side.l.arena = &results.arena;
    int rc = prf_sql_run(side.s, begin, NULL, 0, err);
    if (rc == 0) {
        rc = prf_sql_end(side.s, side_read(&side, &results, err), err);
    }
    for (size_t i = 0; i < side.n_runs; i++) {
        if (rc < 0) {
            prf_run_release(&side.runs[i]);
        } else {
            results.runs[results.n_runs++] = side.runs[i];
        }
    }
    if (rc < 0) {
        prf_arena_release(&results.arena);
    } else {
        *out = results;
    }
    side_release(&side);
    return rc;
}
