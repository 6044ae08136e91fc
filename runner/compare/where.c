/* What changed; see where.h. */
#include "where.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "amounts.h"
#include "diff_columns.h"
#include "merged_tree.h"
#include "sources.h"
#include "strbuf.h"

#define WHERE_SHARE 0.002 /* of all differences: less is not listed */
#define WHERE_SHARE_SINGLE                                                             \
    0.05                       /* ... when nothing but the cost of one result says so */
#define WHERE_SHARE_KIND 0.1   /* of both parts: less does not name a kind */
#define WHERE_GONE 0x80000000u /* flag of a line that is on the base side only */

struct where {
    const struct prf_where_request *request;
    struct prf_arena *arena;
    struct prf_diff_lines lines;
    struct prf_match match;
    struct prf_amount *amounts; /* by item and line; 0: the function */
    size_t n_amounts;
    const char *column, *unit;
    double total; /* sum of all absolute differences */
};

static double
where_difference(const struct prf_amount *amount)
{
    return amount->cost[PRF_DIFF_NEXT] - amount->cost[PRF_DIFF_BASE];
}

/* ---- amounts ---- */

/* A line as the new side numbers it. Without a diff, as far from the function's first
   line as it was. */
static uint32_t
where_line(const struct where *w, enum prf_diff_side side, uint32_t item, uint32_t line)
{
    const struct prf_matched *m = &w->match.items[item];
    if (side == PRF_DIFF_NEXT || line == 0) {
        return line;
    }
    if (w->lines.known) {
        uint32_t mapped = prf_diff_lines_map(&w->lines, m->on[side].file, line);
        return mapped != 0 ? mapped : line | WHERE_GONE;
    }
    if (m->on[PRF_DIFF_NEXT].file == NULL) {
        return line | WHERE_GONE;
    }
    return line - m->on[PRF_DIFF_BASE].first_line + m->on[PRF_DIFF_NEXT].first_line;
}

static int
where_no_column(const struct prf_table *sites, const char *column,
                struct prf_error *err)
{
    struct prf_strbuf names = PRF_STRBUF_INIT;
    for (size_t i = 0; i < sites->n_columns; i++) {
        prf_strbuf_addf(&names, "%s%s", i > 0 ? ", " : "", sites->columns[i].name);
    }
    int rc = prf_fail(err, PRF_ENOTFOUND, "no column '%s': there are %s", column,
                      prf_strbuf_text(&names));
    prf_strbuf_release(&names);
    return rc;
}

static int
where_rows_of(struct where *w, enum prf_diff_side side, uint32_t result,
              struct prf_amount_row *rows, size_t *n, struct prf_error *err)
{
    const struct prf_profile *p = w->request->sides[side].profiles[result];
    const struct prf_table *sites = &p->sites;
    struct prf_diff_columns at =
        prf_diff_columns(sites->columns, sites->n_columns, w->request->column);
    if (sites->n == 0) {
        return 0;
    }
    if (at.cost < 0) {
        return where_no_column(sites, w->request->column ? w->request->column : "",
                               err);
    }
    w->column = sites->columns[at.cost].name;
    w->unit = sites->columns[at.cost].unit;
    for (size_t i = 0; i < sites->n; i++) {
        const int64_t *row = sites->values + i * sites->n_columns;
        struct prf_key key = sites->keys[i];
        uint32_t item = key.code < p->n_codes ? w->match.of[side][result][key.code] : 0;
        if (item != 0) {
            rows[(*n)++] = (struct prf_amount_row){
                .a = item,
                .b = where_line(w, side, item, key.other),
                .side = side,
                .result = result,
                .cost = (double)row[at.cost],
                .calls = at.calls >= 0 ? (double)row[at.calls] : (double)NAN};
        }
    }
    return 0;
}

static int
where_fold(struct where *w, struct prf_error *err)
{
    const struct prf_side_profiles *sides = w->request->sides;
    const size_t n_results[PRF_DIFF_SIDES] = {sides[0].n, sides[1].n};
    size_t room = 1, n = 0;
    int rc = 0;
    for (int side = 0; side < PRF_DIFF_SIDES; side++) {
        for (size_t i = 0; i < sides[side].n; i++) {
            room += sides[side].profiles[i]->sites.n;
        }
    }
    struct prf_amount_row *rows = calloc(room, sizeof *rows);
    if (rows == NULL) {
        return PRF_ENOMEM;
    }
    for (int side = 0; side < PRF_DIFF_SIDES; side++) {
        for (uint32_t i = 0; rc == 0 && i < sides[side].n; i++) {
            rc = where_rows_of(w, side, i, rows, &n, err);
        }
    }
    if (rc == 0) {
        rc = prf_amounts_fold(rows, n, n_results, w->arena, &w->amounts, &w->n_amounts);
    }
    for (size_t i = 0; rc == 0 && i < w->n_amounts; i++) {
        w->total += fabs(where_difference(&w->amounts[i]));
    }
    free(rows);
    return rc;
}

/* ---- which of them ---- */

static bool
where_calls_differ(const struct prf_amount *a)
{
    return a->calls[0] != a->calls[1] && !isnan(a->calls[0]) && !isnan(a->calls[1]);
}

static bool
where_counts(const struct where *w, const struct prf_amount *a)
{
    const struct prf_side_profiles *sides = w->request->sides;
    bool single = sides[0].n == 1 || sides[1].n == 1;
    double share = single && !prf_amount_counts(a) ? WHERE_SHARE_SINGLE : WHERE_SHARE;
    double size = fabs(prf_amount_change(a));
    return size > 0 && size >= share * w->total;
}

/* Largest first, equal ones in the order of the functions. */
static int
where_order(const void *left, const void *right)
{
    const struct prf_amount *a = *(const struct prf_amount *const *)left;
    const struct prf_amount *b = *(const struct prf_amount *const *)right;
    double of_a = fabs(where_difference(a)), of_b = fabs(where_difference(b));
    if (of_a != of_b) {
        return of_a > of_b ? -1 : 1;
    }
    return (a > b) - (a < b);
}

/* The split of a difference, see where.h. */
static void
where_split(const struct prf_amount *a, struct prf_where *out)
{
    double difference = where_difference(a);
    out->base = a->cost[PRF_DIFF_BASE];
    out->next = a->cost[PRF_DIFF_NEXT];
    out->calls_base = a->calls[PRF_DIFF_BASE];
    out->calls_next = a->calls[PRF_DIFF_NEXT];
    out->by_calls = 0;
    if (!a->on[PRF_DIFF_BASE] || !a->on[PRF_DIFF_NEXT]) {
        out->kinds = a->on[PRF_DIFF_BASE] ? PRF_SITE_GONE : PRF_SITE_NEW;
        out->by_calls = difference;
    } else if (out->calls_base > 0 && out->calls_next > 0 && where_calls_differ(a)) {
        double each = out->calls_next > out->calls_base ? out->next / out->calls_next
                                                        : out->base / out->calls_base;
        out->by_calls = (out->calls_next - out->calls_base) * each;
    }
    out->by_cost = difference - out->by_calls;
    double both = fabs(out->by_calls) + fabs(out->by_cost);
    if (out->kinds != 0) {
        return;
    }
    if (where_calls_differ(a) && fabs(out->by_calls) >= WHERE_SHARE_KIND * both) {
        out->kinds |= out->calls_next > out->calls_base ? PRF_SITE_MORE_CALLS
                                                        : PRF_SITE_FEWER_CALLS;
    }
    if (fabs(out->by_cost) >= WHERE_SHARE_KIND * both) {
        out->kinds |= out->by_cost > 0 ? PRF_SITE_DEARER : PRF_SITE_CHEAPER;
    }
}

/* ---- hunks ---- */

/* Its lambdas and inner functions are a part of a function. */
static bool
where_is_inside(const struct prf_function *inner, const struct prf_function *outer)
{
    static const char locals[] = ".<locals>.";
    size_t n = strlen(outer->qualname);
    return strcmp(outer->name, "<module>") == 0 ||
           (strncmp(inner->qualname, outer->qualname, n) == 0 &&
            strncmp(inner->qualname + n, locals, sizeof locals - 1) == 0);
}

/* To the line before the next function of the file that some result of the side has. */
static struct prf_span
where_span_by_next(const struct where *w, enum prf_diff_side side,
                   const struct prf_matched *m)
{
    struct prf_span span = {m->on[side].first_line, UINT32_MAX - 1};
    for (size_t i = 1; i < w->match.n; i++) {
        const struct prf_matched *other = &w->match.items[i];
        uint32_t first = other->on[side].first_line;
        if (other->on[side].file != NULL && first > span.first && first <= span.last &&
            strcmp(other->on[side].file, m->on[side].file) == 0 &&
            !where_is_inside(other->function, m->function)) {
            span.last = first - 1;
        }
    }
    return span;
}

static struct prf_span
where_span_of(const struct where *w, enum prf_diff_side side,
              const struct prf_matched *m)
{
    const struct prf_matched_on *on = &m->on[side];
    const struct prf_where_request *r = w->request;
    const struct prf_source *source =
        prf_source_find(r->sides[side].profiles[on->profile], on->code);
    if (source != NULL) {
        uint32_t n = 0;
        for (const char *s = source->text; *s != '\0'; s++) {
            n += *s == '\n' || s[1] == '\0';
        }
        return (struct prf_span){source->first_line,
                                 source->first_line + (n > 0 ? n - 1 : 0)};
    }
    /* A lambda has no indentation of its own. */
    const char *text = r->text != NULL && m->function->name[0] != '<'
                           ? r->text(r->arg, side, on->file)
                           : NULL;
    return text != NULL ? prf_where_span(text, on->first_line)
                        : where_span_by_next(w, side, m);
}

struct where_spans {
    struct prf_span of[PRF_DIFF_SIDES];
    bool on[PRF_DIFF_SIDES];
};

static bool
where_touches(const struct prf_diff_hunk *hunk, const struct prf_matched *m,
              const struct where_spans *spans)
{
    const char *old_file = m->on[PRF_DIFF_BASE].file;
    const char *new_file = m->on[PRF_DIFF_NEXT].file;
    return (spans->on[PRF_DIFF_BASE] && hunk->old_file != NULL &&
            strcmp(hunk->old_file, old_file) == 0 &&
            prf_diff_hunk_touches_old(hunk, spans->of[PRF_DIFF_BASE])) ||
           (spans->on[PRF_DIFF_NEXT] && hunk->new_file != NULL &&
            strcmp(hunk->new_file, new_file) == 0 &&
            prf_diff_hunk_touches_new(hunk, spans->of[PRF_DIFF_NEXT]));
}

static int
where_hunks_in(const struct where *w, const struct prf_matched *m,
               const struct where_spans *spans, struct prf_where *out)
{
    const struct prf_where_request *r = w->request;
    size_t n = 0;
    for (size_t i = 0; i < r->n_hunks; i++) {
        n += where_touches(&r->hunks[i], m, spans);
    }
    const char **texts = prf_arena_alloc(w->arena, (n + 1) * sizeof *texts);
    if (texts == NULL) {
        return PRF_ENOMEM;
    }
    n = 0;
    for (size_t i = 0; i < r->n_hunks; i++) {
        if (r->hunks[i].text != NULL && where_touches(&r->hunks[i], m, spans)) {
            texts[n++] = r->hunks[i].text;
        }
    }
    out->hunks = texts;
    return 0;
}

/* Those of the line; when there are none, and for a function, those of the function. */
static int
where_hunks(const struct where *w, const struct prf_amount *a, struct prf_where *out)
{
    const struct prf_matched *m = &w->match.items[a->a];
    struct where_spans spans = {0};
    int rc = 0;
    bool in_python = m->function->file[0] != '\0';
    if (a->b != 0) {
        enum prf_diff_side side =
            (a->b & WHERE_GONE) != 0 ? PRF_DIFF_BASE : PRF_DIFF_NEXT;
        spans.of[side] = (struct prf_span){out->line, out->line};
        spans.on[side] = m->on[side].file != NULL;
        rc = where_hunks_in(w, m, &spans, out);
    }
    if (rc == 0 && (out->hunks == NULL || out->hunks[0] == NULL)) {
        for (int side = 0; side < PRF_DIFF_SIDES; side++) {
            spans.on[side] = in_python && m->on[side].file != NULL;
            if (spans.on[side] && w->request->n_hunks > 0) {
                spans.of[side] = where_span_of(w, side, m);
            }
        }
        rc = where_hunks_in(w, m, &spans, out);
    }
    return rc;
}

/* ---- the list ---- */

static int
where_take(const struct where *w, const struct prf_amount *a, struct prf_where *out)
{
    const struct prf_matched *m = &w->match.items[a->a];
    enum prf_diff_side side =
        m->on[PRF_DIFF_NEXT].file != NULL && (a->b & WHERE_GONE) == 0 ? PRF_DIFF_NEXT
                                                                      : PRF_DIFF_BASE;
    *out = (struct prf_where){
        .file = m->function->file[0] == '\0' ? "" : m->on[side].file,
        .line = a->b != 0 ? a->b & ~WHERE_GONE : m->on[side].first_line,
        .function = m->function->qualname,
        .column = w->column,
        .unit = w->unit};
    where_split(a, out);
    return where_hunks(w, a, out);
}

/* ---- paths ---- */

/* Names from the root to the node; ends with a NULL. NULL: no memory. */
static const char *const *
where_path(const struct where *w, const struct prf_merged_tree *tree, uint32_t node)
{
    size_t depth = 0;
    for (uint32_t i = node; i != 0; i = tree->parent[i]) {
        depth++;
    }
    const char **path = prf_arena_alloc(w->arena, (depth + 1) * sizeof *path);
    for (uint32_t i = node; path != NULL && i != 0; i = tree->parent[i]) {
        const struct prf_matched *m = &w->match.items[tree->item[i]];
        path[--depth] = m->function != NULL ? m->function->qualname : "";
    }
    return path;
}

static int
where_add_stacks(const struct where *w, uint32_t item, struct prf_where *out, size_t *n,
                 struct prf_error *err)
{
    static const char *const none[] = {NULL}; /* they are the function's */
    const struct prf_amount *best[PRF_WHERE_STACKS + 1];
    struct prf_merged_tree tree;
    size_t n_best = 0;
    int rc = prf_merged_tree_build(&tree, &w->match, w->request->sides, w->column,
                                   w->arena, err);
    for (uint32_t i = 1; rc == 0 && i < tree.n; i++) {
        const struct prf_amount *a = &tree.amounts[i];
        if (tree.item[i] == item && where_counts(w, a)) {
            best[n_best++] = a;
            qsort(best, n_best, sizeof *best, where_order);
            n_best = n_best > PRF_WHERE_STACKS ? PRF_WHERE_STACKS : n_best;
        }
    }
    for (size_t i = 0; rc == 0 && i < n_best; i++) {
        struct prf_where *entry = &out[(*n)++];
        *entry = out[0];
        entry->kinds = 0;
        entry->hunks = none;
        where_split(best[i], entry);
        entry->stack = where_path(w, &tree, best[i]->a);
        rc = entry->stack == NULL ? PRF_ENOMEM : 0;
    }
    return rc;
}

static bool
where_has_tree(const struct prf_side_profiles *side)
{
    for (size_t i = 0; i < side->n; i++) {
        if (side->profiles[i]->tree.n > 1) {
            return true;
        }
    }
    return false;
}

static int
where_list(const struct where *w, struct prf_where **out, size_t *n,
           struct prf_error *err)
{
    const struct prf_where_request *r = w->request;
    const struct prf_amount **chosen = calloc(w->n_amounts + 1, sizeof *chosen);
    size_t n_chosen = 0, top = r->top > 0 ? r->top : PRF_WHERE_TOP;
    for (size_t i = 0; chosen != NULL && i < w->n_amounts; i++) {
        if (where_counts(w, &w->amounts[i])) {
            chosen[n_chosen++] = &w->amounts[i];
        }
    }
    if (chosen != NULL) {
        qsort(chosen, n_chosen, sizeof *chosen, where_order);
    }
    n_chosen = n_chosen > top ? top : n_chosen;
    *out = prf_arena_alloc(w->arena, (n_chosen + PRF_WHERE_STACKS) * sizeof **out);
    int rc = chosen == NULL || *out == NULL ? PRF_ENOMEM : 0;
    for (*n = 0; rc == 0 && *n < n_chosen; ++*n) {
        rc = where_take(w, chosen[*n], &(*out)[*n]);
    }
    if (rc == 0 && n_chosen > 0 && chosen[0]->b == 0 && where_has_tree(&r->sides[0]) &&
        where_has_tree(&r->sides[1])) {
        rc = where_add_stacks(w, chosen[0]->a, *out, n, err);
    }
    free(chosen);
    return rc;
}

int
prf_where_find(const struct prf_where_request *request, struct prf_arena *arena,
               struct prf_where **out, size_t *n, struct prf_error *err)
{
    struct where w = {.request = request, .arena = arena};
    *out = NULL;
    *n = 0;
    int rc = prf_diff_lines_init(&w.lines, request->hunks, request->n_hunks, arena);
    if (rc == 0) {
        rc = prf_match_build(&w.match, request->sides, &w.lines, arena, err);
    }
    if (rc == 0) {
        rc = where_fold(&w, err);
    }
    if (rc == 0) {
        rc = where_list(&w, out, n, err);
    }
    return rc == PRF_ENOMEM ? prf_fail(err, rc, "out of memory") : rc;
}
