/* Statistics of snapshots: see snapshot_stats.h. */
#include "snapshot_stats.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "label.h"
#include "strbuf.h"

/* ---- what was asked for ---- */

static const char *
stats_word(const json_t *asked, const char *name)
{
    return json_string_value(json_object_get(asked, name));
}

/* One text or a list of them, each split at commas as the command line does. */
static const char **
stats_patterns(json_t *asked, const char *name, const char *other)
{
    json_t *value = json_object_get(asked, name);
    value = value != NULL ? value : json_object_get(asked, other);
    size_t n = json_is_array(value) ? json_array_size(value) : value != NULL;
    json_t *words = json_array();
    for (size_t i = 0; i < n; i++) {
        const char *text =
            json_string_value(json_is_array(value) ? json_array_get(value, i) : value);
        while (text != NULL && *text != '\0') {
            size_t len = strcspn(text, ",");
            if (len > 0) {
                json_array_append_new(words, json_stringn(text, len));
            }
            text += len + (text[len] == ',');
        }
    }
    const char **list = calloc(json_array_size(words) + 1, sizeof *list);
    for (size_t i = 0; list != NULL && i < json_array_size(words); i++) {
        list[i] = json_string_value(json_array_get(words, i));
    }
    json_object_set_new(asked, other, words); /* keeps the texts */
    return list;
}

int
prf_snapshot_request_parse(const char *options, struct prf_snapshot_request *out,
                           struct prf_error *err)
{
    static const char *const keys[] = {
        [PRF_BY_LINE] = "lineno",
        [PRF_BY_FILE] = "filename",
        [PRF_BY_TRACEBACK] = "traceback",
    };
    json_t *asked = options != NULL ? json_loads(options, 0, NULL) : NULL;
    if (!json_is_object(asked)) {
        json_decref(asked);
        asked = json_object();
    }
    *out = (struct prf_snapshot_request){.top_k = 10, .parsed = asked};
    const char *key = stats_word(asked, "key"), *top = stats_word(asked, "top-k");
    const char *cumulative = stats_word(asked, "cumulative");
    for (size_t i = 0; key != NULL && i < sizeof keys / sizeof *keys; i++) {
        out->key = strcmp(key, keys[i]) == 0 ? (enum prf_snapshot_key)i : out->key;
    }
    out->top_k = top != NULL ? strtoull(top, NULL, 10) : out->top_k;
    out->cumulative = cumulative != NULL && strcmp(cumulative, "true") == 0;
    out->index = stats_word(asked, "index");
    out->diff = stats_word(asked, "diff");
    out->include = stats_patterns(asked, "include", "include-files");
    out->exclude = stats_patterns(asked, "exclude", "exclude-files");
    return out->include != NULL && out->exclude != NULL
               ? 0
               : prf_fail(err, PRF_ENOMEM, "out of memory");
}

void
prf_snapshot_request_release(struct prf_snapshot_request *request)
{
    free(request->include);
    free(request->exclude);
    json_decref(request->parsed);
    *request = (struct prf_snapshot_request){0};
}

/* ---- which snapshots ---- */

static int
stats_unknown(const struct prf_profile *p, const char *what, size_t len,
              struct prf_error *err)
{
    struct prf_strbuf all = PRF_STRBUF_INIT;
    for (size_t i = 0; i < p->n_snapshots; i++) {
        prf_strbuf_addf(&all, "%s%zu ", i > 0 ? ", " : "", i);
        prf_visible_add(&all, p->snapshots[i].name, PRF_VISIBLE_LINE);
    }
    int rc = prf_fail(err, PRF_EUSAGE, "no snapshot '%.*s'; there are: %s", (int)len,
                      what, prf_strbuf_text(&all));
    prf_strbuf_release(&all);
    return rc;
}

/* A number, negative ones from the end, or else the last one of that name. */
static int
stats_find(const struct prf_profile *p, const char *what, size_t len, size_t *out,
           struct prf_error *err)
{
    char *end;
    long number = strtol(what, &end, 10);
    if (len > 0 && end == what + len) {
        number += number < 0 ? (long)p->n_snapshots : 0;
        *out = (size_t)number;
        return number >= 0 && *out < p->n_snapshots ? 0
                                                    : stats_unknown(p, what, len, err);
    }
    for (size_t i = p->n_snapshots; i-- > 0;) {
        const char *name = p->snapshots[i].name;
        if (strlen(name) == len && memcmp(name, what, len) == 0) {
            *out = i;
            return 0;
        }
    }
    return stats_unknown(p, what, len, err);
}

/* Names may have colons: the first way to read "A:B" that names two snapshots. */
static int
stats_find_diff(const struct prf_profile *p, const char *diff,
                struct prf_snapshot_choice *out, struct prf_error *err)
{
    const char *colon = strchr(diff, ':');
    if (colon == NULL) {
        return prf_fail(err, PRF_EUSAGE, "it takes two snapshots as A:B");
    }
    struct prf_error why = {0};
    for (; colon != NULL; colon = strchr(colon + 1, ':')) {
        if (stats_find(p, diff, (size_t)(colon - diff), &out->base, &why) == 0 &&
            stats_find(p, colon + 1, strlen(colon + 1), &out->shown, &why) == 0) {
            out->by_change = true;
            return 0;
        }
    }
    return prf_fail(err, why.code, "%s", why.text);
}

int
prf_snapshot_choose(const struct prf_profile *p,
                    const struct prf_snapshot_request *request,
                    struct prf_snapshot_choice *out, struct prf_error *err)
{
    const char *index = request->index != NULL ? request->index : "-1";
    struct prf_error why = {0};
    *out = (struct prf_snapshot_choice){0};
    int rc = request->diff != NULL
                 ? stats_find_diff(p, request->diff, out, &why)
                 : stats_find(p, index, strlen(index), &out->shown, &why);
    return rc == 0 ? 0
                   : prf_fail(err, rc, "--%s %s: %s",
                              request->diff != NULL ? "diff" : "index",
                              request->diff != NULL ? request->diff : index, why.text);
}

/* ---- summing up ---- */

struct stats_work {
    const struct prf_profile *p;
    const struct prf_snapshot_request *request;
    struct prf_snapshot_stat *rows;
    size_t n, capacity;
    bool failed;
};

static bool
stats_matches(const char *const *patterns, const char *file)
{
    for (; *patterns != NULL; patterns++) {
        if (fnmatch(*patterns, file, FNM_NOESCAPE) == 0) {
            return true;
        }
    }
    return false;
}

/* tracemalloc.Filter: the innermost frame decides. */
static bool
stats_is_kept(const struct stats_work *w, uint32_t stack)
{
    const char *file = prf_row_code(w->p, w->p->stacks[stack].code)->file;
    return (w->request->include[0] == NULL ||
            stats_matches(w->request->include, file)) &&
           !stats_matches(w->request->exclude, file);
}

static void
stats_add(struct stats_work *w, const struct prf_snapshot_stat *stat)
{
    if (w->n == w->capacity) {
        size_t capacity = w->capacity ? w->capacity * 2 : 1024;
        void *grown = realloc(w->rows, capacity * sizeof *w->rows);
        if (grown == NULL) {
            w->failed = true;
            return;
        }
        w->rows = grown;
        w->capacity = capacity;
    }
    struct prf_snapshot_stat *row = &w->rows[w->n++];
    const struct prf_stack *frame = &w->p->stacks[stat->stack];
    *row = *stat;
    row->code = frame->code;
    row->line = w->request->key == PRF_BY_FILE ? 0 : frame->line;
}

/* The rows of one snapshot; of the base only the differences count. */
static void
stats_add_snapshot(struct stats_work *w, size_t index, bool base,
                   struct prf_snapshot_stats *sum)
{
    const struct prf_snapshot *snapshot = &w->p->snapshots[index];
    int sign = base ? -1 : 1;
    for (size_t i = 0; i < snapshot->n && !w->failed; i++) {
        const struct prf_held *held = &snapshot->held[i];
        struct prf_snapshot_stat stat = {
            .stack = held->stack,
            .n_bytes = base ? 0 : held->n_bytes,
            .n_blocks = base ? 0 : held->n_blocks,
            .bytes_diff = sign * held->n_bytes,
            .blocks_diff = sign * held->n_blocks,
        };
        if (!stats_is_kept(w, held->stack)) {
            continue;
        }
        sum->n_bytes += stat.n_bytes;
        sum->n_blocks += stat.n_blocks;
        sum->bytes_diff += stat.bytes_diff;
        sum->blocks_diff += stat.blocks_diff;
        do { /* by traceback the stack itself; cumulative: each of its frames */
            stats_add(w, &stat);
            stat.stack = w->p->stacks[stat.stack].parent;
        } while (w->request->cumulative && stat.stack != 0);
    }
}

static int
stats_order(int64_t a, int64_t b)
{
    return (a > b) - (a < b);
}

static int
stats_compare_keys(const void *a, const void *b, void *arg)
{
    const struct prf_snapshot_stat *x = a, *y = b;
    const struct prf_snapshot_request *request = arg;
    if (request->key == PRF_BY_TRACEBACK) {
        return stats_order(x->stack, y->stack);
    }
    int order = stats_order(x->code, y->code);
    return order != 0 ? order : stats_order(x->line, y->line);
}

static void
stats_merge(struct stats_work *w)
{
    size_t n = 0;
    if (w->n > 0) {
        qsort_r(w->rows, w->n, sizeof *w->rows, stats_compare_keys, (void *)w->request);
    }
    for (size_t i = 0; i < w->n; i++) {
        struct prf_snapshot_stat *last = n > 0 ? &w->rows[n - 1] : NULL;
        if (last == NULL ||
            stats_compare_keys(last, &w->rows[i], (void *)w->request) != 0) {
            w->rows[n++] = w->rows[i];
            continue;
        }
        last->n_bytes += w->rows[i].n_bytes;
        last->n_blocks += w->rows[i].n_blocks;
        last->bytes_diff += w->rows[i].bytes_diff;
        last->blocks_diff += w->rows[i].blocks_diff;
    }
    w->n = n;
}

/* Python sorts tracebacks by their frames, outermost first. */
static int
stats_compare_places(const struct prf_profile *p, const struct prf_snapshot_stat *x,
                     const struct prf_snapshot_stat *y)
{
    int order = strcmp(prf_row_code(p, x->code)->file, prf_row_code(p, y->code)->file);
    order = order != 0 ? order : stats_order(x->line, y->line);
    return order != 0 ? order : stats_order(x->stack, y->stack);
}

static int
stats_compare_size(const void *a, const void *b, void *arg)
{
    const struct prf_snapshot_stat *x = b, *y = a; /* the largest first */
    int order = stats_order(x->n_bytes, y->n_bytes);
    order = order != 0 ? order : stats_order(x->n_blocks, y->n_blocks);
    return order != 0 ? order : stats_compare_places(arg, x, y);
}

static int
stats_compare_change(const void *a, const void *b, void *arg)
{
    const struct prf_snapshot_stat *x = b, *y = a;
    int order = stats_order(llabs(x->bytes_diff), llabs(y->bytes_diff));
    order = order != 0 ? order : stats_order(x->n_bytes, y->n_bytes);
    order =
        order != 0 ? order : stats_order(llabs(x->blocks_diff), llabs(y->blocks_diff));
    order = order != 0 ? order : stats_order(x->n_blocks, y->n_blocks);
    return order != 0 ? order : stats_compare_places(arg, x, y);
}

/* What is held no more is only of interest where changes are shown. */
static void
stats_drop(struct stats_work *w, bool by_change)
{
    size_t n = 0;
    for (size_t i = 0; i < w->n; i++) {
        const struct prf_snapshot_stat *row = &w->rows[i];
        if (row->n_blocks != 0 || (by_change && row->blocks_diff != 0)) {
            w->rows[n++] = *row;
        }
    }
    w->n = n;
}

int
prf_snapshot_stats(const struct prf_profile *p,
                   const struct prf_snapshot_request *request,
                   const struct prf_snapshot_choice *choice,
                   struct prf_snapshot_stats *out, struct prf_error *err)
{
    struct stats_work w = {.p = p, .request = request};
    *out = (struct prf_snapshot_stats){0};
    stats_add_snapshot(&w, choice->shown, false, out);
    if (choice->base != choice->shown) {
        stats_add_snapshot(&w, choice->base, true, out);
    } else { /* nothing to compare with */
        out->bytes_diff = out->blocks_diff = 0;
    }
    if (w.failed) {
        free(w.rows);
        return prf_fail(err, PRF_ENOMEM, "out of memory");
    }
    stats_merge(&w);
    for (size_t i = 0; choice->base == choice->shown && i < w.n; i++) {
        w.rows[i].bytes_diff = w.rows[i].blocks_diff = 0;
    }
    stats_drop(&w, choice->by_change);
    if (w.n > 0) {
        qsort_r(w.rows, w.n, sizeof *w.rows,
                choice->by_change ? stats_compare_change : stats_compare_size,
                (void *)p);
    }
    out->rows = w.rows;
    out->n = w.n;
    return 0;
}

void
prf_snapshot_stats_release(struct prf_snapshot_stats *stats)
{
    free(stats->rows);
    *stats = (struct prf_snapshot_stats){0};
}
