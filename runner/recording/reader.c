/* Reading recordings into the model. Never trusts a byte: a recording may have been cut
   off anywhere, or written by a process that was already corrupting its memory. */
#include "reader.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <pyprofiler/recording.h>

#include "functions.h"
#include "event_tree.h"
#include "fold.h"
#include "read_snapshots.h"
#include "sources.h"
#include "trim.h"

#define SCHEMA_MAX 64
#define READER_GIVE_BACK ((size_t)4 << 20)
#define READER_NOTES 4         /* of its own, at most */
#define READER_UNFOLDED 0x100u /* beside PRF_EVENTS_MAPPED: events are only counted */
#define SERIES_MIN 64          /* points; a power of two */

struct reader {
    const unsigned char *data;
    size_t end; /* of what is committed and present */
    double ns_per_tick;
    struct prf_profile *p;
    struct prf_rec_schema schema[SCHEMA_MAX];
    const char *names[SCHEMA_MAX]; /* of metrics, in the arena */
    const char *units[SCHEMA_MAX];
    size_t n_schema;
    struct prf_functions codes;
    uint32_t *canonical; /* code id -> index in codes[], equal codes merged */
    size_t n_ids;
    size_t n_damaged;
    bool has_events;
    bool unfolded;     /* events are only counted */
    unsigned flags;    /* enum prf_events_flags */
    int64_t max_depth; /* of shown calls; negative: no limit */
    size_t rows[16];   /* rows (or records) of each chunk kind */
    struct prf_read_snapshots snapshots;
    const char *peak; /* of PRF_INFO_PEAK, in the arena */
};

typedef int reader_visit(struct reader *r, uint32_t kind, const unsigned char *row,
                         size_t size);

/* ---- walking ---- */

static int
reader_walk_chunk(struct reader *r, const struct prf_chunk *chunk, uint64_t used,
                  reader_visit *visit)
{
    const unsigned char *p = (const unsigned char *)(chunk + 1), *end = p + used;
    while (p < end) {
        size_t left = (size_t)(end - p);
        size_t size = chunk->row_size;
        if (size == 0) {
            uint32_t own = 0;
            if (left >= sizeof own) {
                memcpy(&own, p, sizeof own);
            }
            size = own;
        }
        if (size < 8 || size > left) {
            r->n_damaged++;
            return 0;
        }
        int rc = visit(r, chunk->kind, p, size);
        if (rc < 0) {
            return rc;
        }
        p += size;
    }
    return 0;
}

static int
reader_walk(struct reader *r, reader_visit *visit)
{
    size_t at = PRF_RECORDING_HEADER, kept = at;
    while (at + sizeof(struct prf_chunk) <= r->end) {
        const struct prf_chunk *chunk = (const struct prf_chunk *)(r->data + at);
        size_t room = r->end - at - sizeof *chunk;
        uint64_t used = atomic_load_explicit(&chunk->used, memory_order_acquire);
        if (chunk->capacity > room || used > chunk->capacity ||
            chunk->capacity % 8 != 0) {
            r->n_damaged++;
            return 0; /* without a length there is no way to the next chunk */
        }
        bool records = chunk->kind != PRF_CHUNK_PAD && chunk->kind != PRF_CHUNK_EVENT &&
                       chunk->kind != PRF_CHUNK_PROCESS && chunk->kind < 16;
        r->has_events |=
            chunk->kind == PRF_CHUNK_EVENT || chunk->kind == PRF_CHUNK_PROCESS;
        if (records) {
            int rc = reader_walk_chunk(r, chunk, used, visit);
            if (rc < 0) {
                return rc;
            }
        }
        at += sizeof *chunk + chunk->capacity;
        if ((r->flags & PRF_EVENTS_MAPPED) != 0 && at - kept >= READER_GIVE_BACK) {
            prf_pages_give_back(r->data, kept, at);
            kept = at;
        }
    }
    return 0;
}

/* ---- schema ---- */

static int
reader_visit_schema(struct reader *r, uint32_t kind, const unsigned char *row,
                    size_t size)
{
    struct prf_rec_schema s;
    r->rows[kind]++;
    if (kind != PRF_CHUNK_SCHEMA || r->n_schema == SCHEMA_MAX || size < sizeof s) {
        return 0;
    }
    memcpy(&s, row, sizeof s);
    if (sizeof s + s.name_len + s.unit_len > size) {
        r->n_damaged++;
        return 0;
    }
    const char *text = (const char *)row + sizeof s;
    bool tick = s.unit_len == 4 && memcmp(text + s.name_len, "tick", 4) == 0;
    struct prf_arena *arena = &r->p->arena;
    const char *name = prf_arena_strndup(arena, text, s.name_len);
    const char *unit =
        tick ? "ns" : prf_arena_strndup(arena, text + s.name_len, s.unit_len);
    if (name == NULL || unit == NULL) {
        return PRF_ENOMEM;
    }
    s.reserved[0] = tick;
    r->schema[r->n_schema] = s;
    r->names[r->n_schema] = name;
    r->units[r->n_schema++] = unit;
    return 0;
}

static double
reader_scale(const struct reader *r, size_t metric)
{
    return r->schema[metric].reserved[0] ? r->ns_per_tick : 1.0;
}

static size_t
reader_count_scope(const struct reader *r, enum prf_scope scope)
{
    size_t n = 0;
    for (size_t i = 0; i < r->n_schema; i++) {
        n += r->schema[i].scope == scope;
    }
    return n;
}

/* The name of a tree's column: "calls", "own_ns", "own_bytes". */
static const char *
reader_node_column(struct reader *r, size_t metric)
{
    if (r->schema[metric].fold != PRF_FOLD_COST) {
        return r->names[metric];
    }
    char name[128];
    bool plain = strcmp(r->names[metric], "time") == 0;
    snprintf(name, sizeof name, "own_%s%s%s", plain ? "" : r->names[metric],
             plain ? "" : "_", r->units[metric]);
    return prf_arena_strdup(&r->p->arena, name);
}

static int
reader_columns(struct reader *r, enum prf_scope scope, struct prf_column **columns,
               size_t *n_columns)
{
    size_t n = reader_count_scope(r, scope);
    *n_columns = n;
    *columns = prf_arena_alloc(&r->p->arena, (n + 1) * sizeof **columns);
    if (*columns == NULL) {
        return PRF_ENOMEM;
    }
    struct prf_column *c = *columns;
    for (size_t i = 0; i < r->n_schema; i++) {
        if (r->schema[i].scope != scope) {
            continue;
        }
        c->name = scope == PRF_SCOPE_NODE ? reader_node_column(r, i) : r->names[i];
        c->unit = r->units[i];
        c->better = r->schema[i].better;
        if (c->name == NULL) {
            return PRF_ENOMEM;
        }
        c++;
    }
    return 0;
}

static void
reader_scale_row(struct reader *r, enum prf_scope scope, const unsigned char *row,
                 int64_t *values)
{
    size_t c = 0;
    for (size_t i = 0; i < r->n_schema; i++) {
        if (r->schema[i].scope != scope) {
            continue;
        }
        int64_t value;
        memcpy(&value, row + 8 * c, sizeof value);
        values[c++] = r->schema[i].reserved[0]
                          ? (int64_t)llround((double)value * r->ns_per_tick)
                          : value;
    }
}

/* ---- codes ---- */

static int
reader_code(struct reader *r, const unsigned char *row, size_t size)
{
    int rc = prf_functions_add(&r->codes, row, size, &r->canonical[r->n_ids + 1]);
    r->n_ids += rc >= 0;
    r->n_damaged += rc > 0;
    return rc < 0 ? rc : 0;
}

static int
reader_visit_code(struct reader *r, uint32_t kind, const unsigned char *row,
                  size_t size)
{
    return kind == PRF_CHUNK_CODE ? reader_code(r, row, size) : 0;
}

static int
reader_codes(struct reader *r)
{
    struct prf_profile *p = r->p;
    r->canonical = calloc(r->rows[PRF_CHUNK_CODE] + 1, sizeof *r->canonical);
    if (r->canonical == NULL || prf_functions_init(&r->codes, &p->arena) < 0 ||
        reader_walk(r, reader_visit_code) < 0) {
        return PRF_ENOMEM;
    }
    p->codes = prf_arena_alloc(&p->arena, r->codes.n * sizeof *p->codes);
    if (p->codes == NULL) {
        return PRF_ENOMEM;
    }
    memcpy(p->codes, r->codes.list, r->codes.n * sizeof *p->codes);
    p->n_codes = r->codes.n;
    return 0;
}

static uint32_t
reader_code_index(struct reader *r, uint32_t id)
{
    if (id == 0 || id > r->n_ids) {
        r->n_damaged++;
        return 0;
    }
    return r->canonical[id];
}

/* ---- tables ---- */

static void
reader_node(struct reader *r, const unsigned char *row)
{
    struct prf_tree *t = &r->p->tree;
    struct prf_rec_node node;
    memcpy(&node, row, sizeof node);
    size_t i = t->n++;
    t->code[i] = reader_code_index(r, node.code);
    t->parent[i] = node.parent;
    if (node.parent >= i) { /* parents are written before their children */
        t->parent[i] = 0;
        r->n_damaged++;
    }
    reader_scale_row(r, PRF_SCOPE_NODE, row + sizeof node,
                     t->values + i * t->n_columns);
}

static void
reader_table_row(struct reader *r, struct prf_table *table, enum prf_scope scope,
                 const unsigned char *row)
{
    uint32_t ids[2];
    memcpy(ids, row, sizeof ids);
    struct prf_key *key = &table->keys[table->n];
    key->code = reader_code_index(r, ids[0]);
    key->other = scope == PRF_SCOPE_EDGE ? reader_code_index(r, ids[1]) : ids[1];
    reader_scale_row(r, scope, row + sizeof ids,
                     table->values + table->n * table->n_columns);
    table->n++;
}

static void
reader_sample(struct reader *r, const unsigned char *row)
{
    struct prf_rec_sample s;
    memcpy(&s, row, sizeof s);
    if (s.metric >= r->n_schema || r->schema[s.metric].scope != PRF_SCOPE_RESULT) {
        r->n_damaged++;
        return;
    }
    size_t index = 0;
    for (size_t i = 0; i < s.metric; i++) {
        index += r->schema[i].scope == PRF_SCOPE_RESULT;
    }
    struct prf_metric_values *m = &r->p->metrics[index];
    if (s.flags & PRF_SAMPLE_WARMUP) {
        m->n_warmup++;
    } else if (isfinite(s.value)) {
        m->samples[m->n++] = s.value * reader_scale(r, s.metric);
    }
}

/* The curve of that metric and process, a new one when there is none; NULL: no memory.
 */
static struct prf_series *
reader_series(struct reader *r, const struct prf_rec_point *pt)
{
    struct prf_profile *p = r->p;
    for (size_t i = 0; i < p->n_series; i++) {
        if (p->series[i].name == r->names[pt->series] &&
            p->series[i].process == pt->process) {
            return &p->series[i];
        }
    }
    struct prf_series *more =
        prf_arena_alloc(&p->arena, (p->n_series + 1) * sizeof *more);
    if (more == NULL) {
        return NULL;
    }
    if (p->n_series > 0) {
        memcpy(more, p->series, p->n_series * sizeof *more);
    }
    p->series = more;
    more[p->n_series] = (struct prf_series){.name = r->names[pt->series],
                                            .unit = r->units[pt->series],
                                            .process = pt->process};
    return &more[p->n_series++];
}

/* Room for one more point: what there is doubles at each power of two. Room for all
   points of the recording would be there once for each of many processes. */
static int
reader_grow_series(struct reader *r, struct prf_series *s)
{
    if (s->n != 0 && (s->n < SERIES_MIN || (s->n & (s->n - 1)) != 0)) {
        return 0;
    }
    size_t room = s->n == 0 ? SERIES_MIN : 2 * s->n;
    uint64_t *at_ns = prf_arena_alloc(&r->p->arena, room * sizeof *at_ns);
    double *values = prf_arena_alloc(&r->p->arena, room * sizeof *values);
    if (at_ns == NULL || values == NULL) {
        return PRF_ENOMEM;
    }
    if (s->n > 0) {
        memcpy(at_ns, s->at_ns, s->n * sizeof *at_ns);
        memcpy(values, s->values, s->n * sizeof *values);
    }
    s->at_ns = at_ns;
    s->values = values;
    return 0;
}

static int
reader_point(struct reader *r, const unsigned char *row)
{
    struct prf_rec_point pt;
    memcpy(&pt, row, sizeof pt);
    if (pt.series >= r->n_schema || r->schema[pt.series].scope != PRF_SCOPE_SERIES) {
        r->n_damaged++;
        return 0;
    }
    struct prf_series *s = reader_series(r, &pt);
    if (s == NULL || reader_grow_series(r, s) < 0) {
        return PRF_ENOMEM;
    }
    s->at_ns[s->n] = pt.at_ns;
    s->values[s->n++] = pt.value;
    return 0;
}

static void
reader_stack(struct reader *r, const unsigned char *row)
{
    struct prf_rec_stack stack;
    memcpy(&stack, row, sizeof stack);
    prf_read_stack(&r->snapshots, &stack, reader_code_index(r, stack.code));
}

static void
reader_held(struct reader *r, const unsigned char *row)
{
    struct prf_rec_held held;
    memcpy(&held, row, sizeof held);
    prf_read_held(&r->snapshots, &held);
}

static int
reader_finish_snapshots(struct reader *r)
{
    int rc = prf_read_snapshots_finish(&r->snapshots);
    r->n_damaged += r->snapshots.n_damaged;
    if (r->peak != NULL) {
        prf_read_peak(r->p, r->peak);
    }
    return rc;
}

/* ---- records ---- */

static int
reader_mark(struct reader *r, const unsigned char *row, size_t size)
{
    struct prf_rec_mark rec;
    if (size < sizeof rec) {
        r->n_damaged++;
        return 0;
    }
    memcpy(&rec, row, sizeof rec);
    if (rec.name_len > size - sizeof rec) {
        r->n_damaged++;
        return 0;
    }
    struct prf_mark *mark = &r->p->marks[r->p->n_marks];
    mark->name =
        prf_arena_strndup(&r->p->arena, (const char *)row + sizeof rec, rec.name_len);
    mark->at_ns = rec.at_ns;
    mark->delta_ns = rec.delta_ns;
    mark->n = rec.n;
    if (mark->name == NULL) {
        return PRF_ENOMEM;
    }
    r->p->n_marks++;
    return 0;
}

static void
reader_set_info(struct reader *r, const char *key, const char *text)
{
    struct prf_profile *p = r->p;
    const struct {
        const char *key;
        const char **field;
    } fields[] = {
        {PRF_INFO_PHASE, &p->phase},   {PRF_INFO_STATUS, &p->status},
        {PRF_INFO_REASON, &p->reason}, {PRF_INFO_TRACEBACK, &p->traceback},
        {PRF_INFO_REPORT, &p->report}, {PRF_INFO_ROUNDS, &p->rounds},
    };
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        if (strcmp(key, fields[i].key) == 0) {
            *fields[i].field = text;
            return;
        }
    }
    if (strcmp(key, PRF_INFO_NOTE) == 0) {
        p->notes[p->n_notes++] = text;
    } else if (strcmp(key, PRF_INFO_DURATION) == 0) {
        p->duration_ns = strtoll(text, NULL, 10);
    } else if (strcmp(key, PRF_INFO_USAGE) == 0) {
        p->usage = true;
    } else if (strcmp(key, PRF_INFO_PEAK) == 0) {
        r->peak = text;
    }
}

static void
reader_source(struct reader *r, const char *text)
{
    uint32_t id = 0;
    struct prf_source *source = &r->p->sources[r->p->n_sources];
    if (!prf_source_parse(text, &id, &source->first_line, &source->text)) {
        r->n_damaged++;
        return;
    }
    source->code = reader_code_index(r, id);
    r->p->n_sources++;
}

static int
reader_info(struct reader *r, const unsigned char *row, size_t size)
{
    struct prf_rec_info rec;
    if (size < sizeof rec) {
        r->n_damaged++;
        return 0;
    }
    memcpy(&rec, row, sizeof rec);
    if ((uint64_t)rec.key_len + rec.text_len > size - sizeof rec) {
        r->n_damaged++;
        return 0;
    }
    const char *text = (const char *)row + sizeof rec;
    char *key = prf_arena_strndup(&r->p->arena, text, rec.key_len);
    char *value = prf_arena_strndup(&r->p->arena, text + rec.key_len, rec.text_len);
    if (key == NULL || value == NULL) {
        return PRF_ENOMEM;
    }
    if (strcmp(key, PRF_INFO_SOURCE) == 0) {
        reader_source(r, value);
    } else if (strcmp(key, PRF_INFO_MAX_DEPTH) == 0) {
        r->max_depth = strtoll(value, NULL, 10);
    } else {
        reader_set_info(r, key, value);
    }
    return 0;
}

static int
reader_visit_rows(struct reader *r, uint32_t kind, const unsigned char *row,
                  size_t size)
{
    struct prf_profile *p = r->p;
    const size_t need[16] = {
        [PRF_CHUNK_NODE] = 8 + 8 * p->tree.n_columns,
        [PRF_CHUNK_SITE] = 8 + 8 * p->sites.n_columns,
        [PRF_CHUNK_EDGE] = 8 + 8 * p->edges.n_columns,
        [PRF_CHUNK_SAMPLE] = sizeof(struct prf_rec_sample),
        [PRF_CHUNK_SERIES] = sizeof(struct prf_rec_point),
        [PRF_CHUNK_STACK] = sizeof(struct prf_rec_stack),
        [PRF_CHUNK_HELD] = sizeof(struct prf_rec_held),
    };
    if (need[kind] != 0 && size != need[kind]) {
        r->n_damaged++;
        return 0;
    }
    switch (kind) {
    case PRF_CHUNK_NODE:
        reader_node(r, row);
        break;
    case PRF_CHUNK_SITE:
        reader_table_row(r, &p->sites, PRF_SCOPE_SITE, row);
        break;
    case PRF_CHUNK_EDGE:
        reader_table_row(r, &p->edges, PRF_SCOPE_EDGE, row);
        break;
    case PRF_CHUNK_SAMPLE:
        reader_sample(r, row);
        break;
    case PRF_CHUNK_SERIES:
        return reader_point(r, row);
    case PRF_CHUNK_STACK:
        reader_stack(r, row);
        break;
    case PRF_CHUNK_HELD:
        reader_held(r, row);
        break;
    case PRF_CHUNK_SNAPSHOT:
        return prf_read_snapshot(&r->snapshots, row, size);
    case PRF_CHUNK_MARK:
        return reader_mark(r, row, size);
    case PRF_CHUNK_INFO:
        return reader_info(r, row, size);
    default:
        break;
    }
    return 0;
}

static int
reader_reserve_table(struct reader *r, enum prf_scope scope, uint32_t kind,
                     struct prf_table *table)
{
    int rc = reader_columns(r, scope, &table->columns, &table->n_columns);
    size_t n = r->rows[kind] + 1;
    table->keys = prf_arena_alloc(&r->p->arena, n * sizeof *table->keys);
    table->values =
        prf_arena_alloc(&r->p->arena, n * table->n_columns * sizeof *table->values);
    return rc < 0 || table->keys == NULL || table->values == NULL ? PRF_ENOMEM : 0;
}

static int
reader_reserve_tree(struct reader *r)
{
    struct prf_tree *t = &r->p->tree;
    struct prf_arena *arena = &r->p->arena;
    int rc = reader_columns(r, PRF_SCOPE_NODE, &t->columns, &t->n_columns);
    size_t n = r->rows[PRF_CHUNK_NODE] + 1;
    t->parent = prf_arena_alloc(arena, n * sizeof *t->parent);
    t->code = prf_arena_alloc(arena, n * sizeof *t->code);
    t->values = prf_arena_alloc(arena, n * t->n_columns * sizeof *t->values + 1);
    t->n = 1; /* the root */
    return rc < 0 || !t->parent || !t->code || !t->values ? PRF_ENOMEM : 0;
}

static int
reader_reserve_metrics(struct reader *r)
{
    struct prf_profile *p = r->p;
    size_t n = reader_count_scope(r, PRF_SCOPE_RESULT);
    p->metrics = prf_arena_alloc(&p->arena, (n + 1) * sizeof *p->metrics);
    if (p->metrics == NULL) {
        return PRF_ENOMEM;
    }
    for (size_t i = 0; i < r->n_schema; i++) {
        if (r->schema[i].scope != PRF_SCOPE_RESULT) {
            continue;
        }
        struct prf_metric_values *m = &p->metrics[p->n_metrics++];
        m->name = r->names[i];
        m->unit = r->units[i];
        m->better = r->schema[i].better;
        m->samples = prf_arena_alloc(&p->arena, (r->rows[PRF_CHUNK_SAMPLE] + 1) *
                                                    sizeof *m->samples);
        if (m->samples == NULL) {
            return PRF_ENOMEM;
        }
    }
    return 0;
}

static int
reader_reserve(struct reader *r)
{
    struct prf_profile *p = r->p;
    p->marks =
        prf_arena_alloc(&p->arena, (r->rows[PRF_CHUNK_MARK] + 1) * sizeof *p->marks);
    /* more notes than records: the reader adds its own */
    p->notes = prf_arena_alloc(&p->arena, (r->rows[PRF_CHUNK_INFO] + READER_NOTES) *
                                              sizeof *p->notes);
    p->sources =
        prf_arena_alloc(&p->arena, (r->rows[PRF_CHUNK_INFO] + 1) * sizeof *p->sources);
    if (p->marks == NULL || p->notes == NULL || p->sources == NULL ||
        reader_reserve_tree(r) < 0 ||
        reader_reserve_table(r, PRF_SCOPE_SITE, PRF_CHUNK_SITE, &p->sites) < 0 ||
        reader_reserve_table(r, PRF_SCOPE_EDGE, PRF_CHUNK_EDGE, &p->edges) < 0 ||
        prf_read_snapshots_init(&r->snapshots, p, r->rows) < 0) {
        return PRF_ENOMEM;
    }
    return reader_reserve_metrics(r);
}

static int
reader_note(struct reader *r, const char *format, ...)
{
    char text[256];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    char *note = prf_arena_strdup(&r->p->arena, text);
    if (note == NULL) {
        return PRF_ENOMEM;
    }
    r->p->notes[r->p->n_notes++] = note;
    return 0;
}

/* What the backend recorded but does not show. */
static int
reader_trim(struct reader *r, const enum prf_fold *folds, struct prf_error *err)
{
    struct prf_trimmed trimmed;
    int rc = prf_trim_tree(r->p, folds, r->max_depth, &trimmed, err);
    if (rc == 0 && trimmed.n_hidden > 0) {
        rc = reader_note(r,
                         "%" PRId64
                         " call%s of functions that are not shown (by file or "
                         "name) count as their caller",
                         trimmed.n_hidden, trimmed.n_hidden == 1 ? "" : "s");
    }
    if (rc == 0 && trimmed.n_deep > 0) {
        rc = reader_note(r,
                         "%" PRId64 " call%s deeper than %" PRId64
                         " count as the function at that depth",
                         trimmed.n_deep, trimmed.n_deep == 1 ? "" : "s", r->max_depth);
    }
    return rc;
}

static int
reader_fold(struct reader *r, struct prf_error *err)
{
    enum prf_fold folds[SCHEMA_MAX];
    size_t n = 0;
    for (size_t i = 0; i < r->n_schema; i++) {
        if (r->schema[i].scope == PRF_SCOPE_NODE) {
            folds[n++] = r->schema[i].fold;
        }
    }
    int rc = reader_trim(r, folds, err);
    return rc == 0 && r->p->sites.n == 0 ? prf_fold_tree(r->p, folds, err) : rc;
}

/* Calls that were recorded one by one become a tree as well. */
static int
reader_events(struct reader *r, struct prf_error *err)
{
    struct prf_events *events = NULL;
    if (!r->has_events) {
        return 0;
    }
    int rc = prf_events_open(r->data, r->end, r->flags, &events, err);
    if (rc == 0 && r->unfolded) {
        rc = prf_events_count(events, r->p, err);
    } else if (rc == 0) {
        rc = prf_events_fold(events, r->p, err);
    }
    prf_events_free(events);
    return rc;
}

/* What was declared but never measured, as by a case that crashed, is no metric. */
static void
reader_drop_metrics(struct prf_profile *p)
{
    size_t n = 0;
    for (size_t i = 0; i < p->n_metrics; i++) {
        if (p->metrics[i].n > 0) {
            p->metrics[n++] = p->metrics[i];
        }
    }
    p->n_metrics = n;
}

static int
reader_note_damage(struct reader *r)
{
    return r->n_damaged == 0
               ? 0
               : reader_note(r, "%zu damaged entries of the recording were left out",
                             r->n_damaged);
}

size_t
prf_recording_size(const void *data, size_t size)
{
    const struct prf_rec_header *h = data;
    if (size < PRF_RECORDING_HEADER) {
        return size;
    }
    uint64_t committed = atomic_load_explicit(&h->committed, memory_order_acquire);
    return committed < size ? (size_t)committed : size;
}

static int
reader_parse(const void *data, size_t size, unsigned flags, struct prf_profile **out,
             struct prf_error *err)
{
    const struct prf_rec_header *h = data;
    if (size < PRF_RECORDING_HEADER ||
        memcmp(h->magic, PRF_RECORDING_MAGIC, sizeof PRF_RECORDING_MAGIC) != 0 ||
        h->version != PRF_RECORDING_VERSION) {
        return prf_fail(err, PRF_ECORRUPT, "not a recording of version %u",
                        PRF_RECORDING_VERSION);
    }
    struct reader r = {
        .data = data,
        .end = prf_recording_size(data, size),
        .flags = flags & PRF_EVENTS_MAPPED,
        .unfolded = (flags & READER_UNFOLDED) != 0,
        .ns_per_tick = isfinite(h->ns_per_tick) ? h->ns_per_tick : 1.0,
        .p = calloc(1, sizeof *r.p),
        .max_depth = -1,
    };
    int rc = PRF_ENOMEM;
    if (r.p == NULL) {
        goto out;
    }
    r.p->duration_ns = -1;
    r.p->pid = h->pid;
    r.p->n_lost = atomic_load_explicit(&h->n_lost, memory_order_relaxed);
    if ((rc = reader_walk(&r, reader_visit_schema)) < 0 ||
        (rc = reader_codes(&r)) < 0 || (rc = reader_reserve(&r)) < 0 ||
        (rc = reader_walk(&r, reader_visit_rows)) < 0 ||
        (rc = reader_finish_snapshots(&r)) < 0 || (rc = reader_events(&r, err)) < 0 ||
        (rc = reader_fold(&r, err)) < 0 || (rc = reader_note_damage(&r)) < 0) {
        goto out;
    }
    reader_drop_metrics(r.p);
    *out = r.p;
    r.p = NULL;
out:
    prf_read_snapshots_release(&r.snapshots);
    free(r.canonical);
    prf_functions_release(&r.codes);
    prf_profile_free(r.p);
    return rc < 0 ? prf_fail(err, rc, "out of memory while reading a recording") : 0;
}

int
prf_recording_parse(const void *data, size_t size, struct prf_profile **out,
                    struct prf_error *err)
{
    return reader_parse(data, size, 0, out, err);
}

int
prf_recording_parse_mapped(const void *data, size_t size, struct prf_profile **out,
                           struct prf_error *err)
{
    return reader_parse(data, size, PRF_EVENTS_MAPPED, out, err);
}

int
prf_recording_parse_unfolded(const void *data, size_t size, struct prf_profile **out,
                             struct prf_error *err)
{
    return reader_parse(data, size, PRF_EVENTS_MAPPED | READER_UNFOLDED, out, err);
}

int
prf_recording_read(const char *path, struct prf_profile **out, struct prf_error *err)
{
    int rc = 0;
    struct stat st;
    void *data = MAP_FAILED;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0) {
        rc = prf_fail(err, PRF_EIO, "cannot read the recording '%s': %s", path,
                      strerror(errno));
        goto out;
    }
    if (st.st_size < (off_t)PRF_RECORDING_HEADER) {
        rc = prf_fail(err, PRF_ECORRUPT, "'%s' is not a recording", path);
        goto out;
    }
    data = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (data == MAP_FAILED) {
        rc = prf_fail(err, PRF_EIO, "cannot read the recording '%s': %s", path,
                      strerror(errno));
        goto out;
    }
    rc = prf_recording_parse_mapped(data, (size_t)st.st_size, out, err);
out:
    if (data != MAP_FAILED) {
        munmap(data, (size_t)st.st_size);
    }
    if (fd >= 0) {
        close(fd);
    }
    return rc;
}
