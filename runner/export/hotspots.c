/* Where the cost of a result is; see hotspots.h. */
#include "hotspots.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "label.h"
#include "snapshot_stats.h"

/* What can be a cost, in the order of what people ask for. A column that is missing
   here serves all the same: see hotspots_choose. */
struct hotspots_source {
    const char *own, *total, *calls; /* columns; NULL: the source has none */
    const char *what;
    bool lines;
};

static const struct hotspots_source hotspots_sources[] = {
    {"own_ns", "cumulative_ns", "calls", "time", false},
    {NULL, "time", "hits", "time", false},
    {"increment", NULL, "occurrences", "memory", true},
    {"size", NULL, "count", "memory", true},
    {"own_instructions", "cumulative_instructions", "calls", "instructions", false},
};

#define HOTSPOTS_SOURCES (sizeof hotspots_sources / sizeof *hotspots_sources)

double
prf_hotspot_cost(const struct prf_hotspot *hotspot)
{
    return isnan(hotspot->own) ? hotspot->total : hotspot->own;
}

double
prf_hotspot_part(const struct prf_hotspots *hotspots, double amount)
{
    return hotspots->whole > 0 ? amount / hotspots->whole : NAN;
}

static int
hotspots_compare(const void *left, const void *right)
{
    const struct prf_hotspot *a = left, *b = right;
    double x = prf_hotspot_cost(a), y = prf_hotspot_cost(b);
    if (x != y) {
        return x > y ? -1 : 1;
    }
    int order = strcmp(a->function->file, b->function->file);
    order = order != 0 ? order : strcmp(a->function->qualname, b->function->qualname);
    return order != 0 ? order : (a->line > b->line) - (a->line < b->line);
}

/* Sort, keep what was asked for. The whole is the sum of the own costs; totals overlap,
   so without own costs it is the largest of them, or the wall time when that is more.
 */
static void
hotspots_finish(struct prf_hotspots *h, const struct prf_profile *p, size_t most)
{
    size_t n = 0;
    double sum = 0, largest = 0;
    for (size_t i = 0; i < h->n; i++) {
        const struct prf_hotspot *spot = &h->items[i];
        if (prf_hotspot_cost(spot) > 0) {
            sum += isnan(spot->own) ? 0 : spot->own;
            largest = fmax(largest, isnan(spot->total) ? 0 : spot->total);
            h->items[n++] = *spot;
        }
    }
    for (size_t i = 0; i < p->n_metrics && sum <= 0; i++) {
        const struct prf_metric_values *m = &p->metrics[i];
        if (strcmp(m->unit, h->unit) == 0 && strcmp(m->name, "wall_time") == 0) {
            largest = fmax(largest, m->samples[0]);
        }
    }
    qsort(h->items, n, sizeof *h->items, hotspots_compare);
    h->whole = sum > 0 ? sum : largest;
    h->n_all = n;
    h->n = n < most ? n : most;
}

/* ---- from the sites ---- */

/* The first source whose columns are there; else the first own amount, else the first
   amount that is no count. NULL: there is nothing that is a cost. */
static const struct hotspots_source *
hotspots_choose(const struct prf_table *t, struct hotspots_source *room)
{
    for (size_t i = 0; i < HOTSPOTS_SOURCES; i++) {
        const struct hotspots_source *s = &hotspots_sources[i];
        const char *name = s->own != NULL ? s->own : s->total;
        if (prf_column_find(t->columns, t->n_columns, name) >= 0) {
            return s;
        }
    }
    *room = (struct hotspots_source){.calls = "calls"};
    for (size_t c = 0; c < t->n_columns && room->own == NULL; c++) {
        const char *name = t->columns[c].name;
        room->own = strncmp(name, "own_", 4) == 0 ? name : NULL;
    }
    for (size_t c = 0; c < t->n_columns && room->own == NULL; c++) {
        room->own =
            strcmp(t->columns[c].unit, "count") != 0 ? t->columns[c].name : NULL;
    }
    for (size_t c = 0; c < t->n_columns && room->total == NULL; c++) {
        const char *name = t->columns[c].name;
        room->total = strncmp(name, "cumulative_", 11) == 0 ? name : NULL;
    }
    if (room->own == NULL) {
        return NULL;
    }
    const char *bare = strncmp(room->own, "own_", 4) == 0 ? room->own + 4 : room->own;
    int at = prf_column_find(t->columns, t->n_columns, room->own);
    room->what = strcmp(t->columns[at].unit, "ns") == 0      ? "time"
                 : strcmp(t->columns[at].unit, "bytes") == 0 ? "memory"
                                                             : bare;
    return room;
}

static double
hotspots_value(const struct prf_table *t, size_t row, int column)
{
    return column < 0 ? NAN : (double)t->values[row * t->n_columns + (size_t)column];
}

static double
hotspots_sum(double a, double b)
{
    return isnan(a) ? b : isnan(b) ? a : a + b;
}

/* Rows of one function follow one another in no order: sort by what they are of. */
struct hotspots_row {
    const struct prf_profile *profile;
    size_t row;
    bool lines;
};

static int
hotspots_by_function(const void *left, const void *right)
{
    const struct hotspots_row *a = left, *b = right;
    struct prf_key x = a->profile->sites.keys[a->row],
                   y = b->profile->sites.keys[b->row];
    const struct prf_function *f = prf_row_code(a->profile, x.code),
                              *g = prf_row_code(b->profile, y.code);
    int order = strcmp(f->file, g->file);
    order = order != 0 ? order : strcmp(f->qualname, g->qualname);
    if (order == 0 && f->first_line != g->first_line) {
        order = f->first_line < g->first_line ? -1 : 1;
    }
    if (order == 0 && a->lines && x.other != y.other) {
        order = x.other < y.other ? -1 : 1;
    }
    return order;
}

static int
hotspots_sites(const struct prf_profile *p, const struct hotspots_source *source,
               struct prf_arena *arena, struct prf_hotspots *h)
{
    const struct prf_table *t = &p->sites;
    int own = source->own ? prf_column_find(t->columns, t->n_columns, source->own) : -1;
    int total =
        source->total ? prf_column_find(t->columns, t->n_columns, source->total) : -1;
    int calls = prf_column_find(t->columns, t->n_columns, source->calls);
    struct hotspots_row *rows = calloc(t->n, sizeof *rows);
    h->items = prf_arena_alloc(arena, t->n * sizeof *h->items);
    if (rows == NULL || h->items == NULL) {
        free(rows);
        return PRF_ENOMEM;
    }
    h->unit = t->columns[own >= 0 ? own : total].unit;
    h->what = source->what;
    h->lines = source->lines;
    h->own_column = own >= 0 ? source->own : NULL;
    h->total_column = total >= 0 ? source->total : NULL;
    h->calls_column = calls >= 0 ? source->calls : NULL;
    for (size_t i = 0; i < t->n; i++) {
        rows[i] = (struct hotspots_row){p, i, source->lines};
    }
    qsort(rows, t->n, sizeof *rows, hotspots_by_function);
    for (size_t i = 0; i < t->n; i++) {
        size_t row = rows[i].row;
        const struct prf_function *f = prf_row_code(p, t->keys[row].code);
        if (i == 0 || hotspots_by_function(&rows[i - 1], &rows[i]) != 0) {
            uint32_t line =
                source->lines ? prf_row_line(p, t->keys[row]) : f->first_line;
            h->items[h->n++] = (struct prf_hotspot){f, line, NAN, NAN, NAN};
        }
        struct prf_hotspot *spot = &h->items[h->n - 1];
        spot->own = hotspots_sum(spot->own, hotspots_value(t, row, own));
        spot->total = hotspots_sum(spot->total, hotspots_value(t, row, total));
        /* How often a function's lines ran is not how often it was called. */
        if (source->lines || t->keys[row].other == 0) {
            spot->calls = hotspots_sum(spot->calls, hotspots_value(t, row, calls));
        }
    }
    free(rows);
    return 0;
}

/* ---- from snapshots ---- */

/* By line, of the snapshot in which most was held. */
static int
hotspots_snapshots(const struct prf_profile *p, struct prf_arena *arena,
                   struct prf_hotspots *h, struct prf_error *err)
{
    struct prf_snapshot_request request = {.key = PRF_BY_LINE};
    struct prf_snapshot_choice choice = {0};
    struct prf_snapshot_stats stats = {0};
    for (size_t i = 1; i < p->n_snapshots; i++) {
        if (p->snapshots[i].n_bytes > p->snapshots[choice.shown].n_bytes) {
            choice.shown = i;
        }
    }
    choice.base = choice.shown;
    int rc = prf_snapshot_stats(p, &request, &choice, &stats, err);
    h->items =
        rc == 0 ? prf_arena_alloc(arena, (stats.n + 1) * sizeof *h->items) : NULL;
    if (rc == 0 && h->items == NULL) {
        rc = prf_fail(err, PRF_ENOMEM, "out of memory");
    }
    for (size_t i = 0; rc == 0 && i < stats.n; i++) {
        const struct prf_snapshot_stat *row = &stats.rows[i];
        h->items[h->n++] =
            (struct prf_hotspot){prf_row_code(p, row->code), row->line,
                                 (double)row->n_blocks, (double)row->n_bytes, NAN};
    }
    h->unit = "bytes";
    h->what = "memory";
    h->lines = true;
    prf_snapshot_stats_release(&stats);
    return rc;
}

static const char *
hotspots_why_none(const struct prf_result *result)
{
    if (result->profile == NULL) {
        return "nothing was recorded";
    }
    if (result->profile->sites.n_columns > 0 || result->profile->n_snapshots > 0) {
        return "no function was seen";
    }
    return "this profiler does not look at functions or lines";
}

int
prf_hotspots_find(const struct prf_result *result, size_t most, struct prf_arena *arena,
                  struct prf_hotspots *out, struct prf_error *err)
{
    const struct prf_profile *p = result->profile;
    struct hotspots_source room;
    *out = (struct prf_hotspots){.unit = "ns", .what = "time"};
    const struct hotspots_source *source =
        p != NULL && p->sites.n > 0 ? hotspots_choose(&p->sites, &room) : NULL;
    int rc = 0;
    if (source != NULL) {
        rc = hotspots_sites(p, source, arena, out);
        rc = rc < 0 ? prf_fail(err, rc, "out of memory") : 0;
    } else if (p != NULL && p->n_snapshots > 0) {
        rc = hotspots_snapshots(p, arena, out, err);
    }
    if (rc == 0 && out->n > 0) {
        hotspots_finish(out, p, most);
    }
    out->none = out->n == 0 ? hotspots_why_none(result) : NULL;
    return rc;
}
