/* Sorting tables; see order.h. */
#include "order.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "label.h"
#include "suggest.h"

#define ORDER_LEN(a) (sizeof(a) / sizeof *(a))

#define ORDER_PARTS 3

enum order_part { ORDER_FILE = 1, ORDER_LINE, ORDER_NAME };

struct order_key {
    const char *word;
    const char *title;
    const char *column; /* sorts by this amount; NULL: by `parts` */
    unsigned char parts[ORDER_PARTS];
};

/* The words of pstats.SortKey and what they mean in our columns. */
static const struct order_key order_keys[] = {
    {"calls", "call count", "calls", {0}},
    {"ncalls", "call count", "calls", {0}},
    {"cumtime", "cumulative time", "cumulative_ns", {0}},
    {"cumulative", "cumulative time", "cumulative_ns", {0}},
    {"tottime", "internal time", "own_ns", {0}},
    {"time", "internal time", "own_ns", {0}},
    {"pcalls", "primitive call count", "primitive_calls", {0}},
    {"file", "file name", NULL, {ORDER_FILE}},
    {"filename", "file name", NULL, {ORDER_FILE}},
    {"module", "file name", NULL, {ORDER_FILE}},
    {"line", "line number", NULL, {ORDER_LINE}},
    {"name", "function name", NULL, {ORDER_NAME}},
    {"nfl", "name/file/line", NULL, {ORDER_NAME, ORDER_FILE, ORDER_LINE}},
    {"stdname", "standard name", NULL, {ORDER_FILE, ORDER_LINE, ORDER_NAME}},
};

struct order_context {
    const struct prf_profile *profile;
    const struct prf_table *table;
    bool strip_dirs;
    int column; /* -1: by parts */
    const unsigned char *parts;
};

/* Does `word` begin with `key`? Case does not count, '-' is '_'. */
static bool
order_begins(const char *word, const char *key)
{
    for (; *key != '\0'; word++, key++) {
        int c = *key == '-' ? '_' : tolower((unsigned char)*key);
        if (tolower((unsigned char)*word) != c) {
            return false;
        }
    }
    return true;
}

static int
order_find_column(const struct prf_table *table, const char *name)
{
    return prf_column_find(table->columns, table->n_columns, name);
}

/* The meaning of a candidate: a column, or parts. False: not in this table. */
static bool
order_bind(struct order_context *cx, const struct order_key *key)
{
    int column = key->column ? order_find_column(cx->table, key->column) : -1;
    if (key->column != NULL && column < 0) {
        return false;
    }
    cx->column = column;
    cx->parts = key->parts;
    return true;
}

static bool
order_same(const struct order_context *a, const struct order_context *b)
{
    return a->column == b->column &&
           (a->column >= 0 || memcmp(a->parts, b->parts, ORDER_PARTS) == 0);
}

/* Takes in one more match of the key; the number of different meanings so far. */
static int
order_note(struct order_context *cx, const struct order_context *match, int n_found)
{
    if (n_found > 0 && order_same(cx, match)) {
        return n_found;
    }
    *cx = *match;
    return n_found + 1;
}

/* How many different things the key means in this table; one of them in *cx. */
static int
order_resolve(struct order_context *cx, const char *text, bool whole)
{
    struct order_context match = *cx;
    int n_found = 0;
    for (size_t i = 0; i < cx->table->n_columns; i++) {
        const char *name = cx->table->columns[i].name;
        if (order_begins(name, text) && (!whole || strlen(name) == strlen(text))) {
            match.column = (int)i;
            match.parts = NULL;
            n_found = order_note(cx, &match, n_found);
        }
    }
    for (size_t i = 0; i < ORDER_LEN(order_keys); i++) {
        const char *word = order_keys[i].word;
        if (order_begins(word, text) && (!whole || strlen(word) == strlen(text)) &&
            order_bind(&match, &order_keys[i])) {
            n_found = order_note(cx, &match, n_found);
        }
    }
    return n_found;
}

static int
order_unknown(const struct order_context *cx, const char *text, int n_found,
              struct prf_error *err)
{
    const struct prf_table *table = cx->table;
    struct prf_strbuf all = PRF_STRBUF_INIT;
    size_t n = 0;
    const char **words =
        calloc(ORDER_LEN(order_keys) + table->n_columns, sizeof *words);
    if (words == NULL) {
        return prf_fail(err, PRF_ENOMEM, "out of memory");
    }
    for (size_t i = 0; i < ORDER_LEN(order_keys); i++) {
        struct order_context unused = *cx;
        if (order_bind(&unused, &order_keys[i])) {
            words[n++] = order_keys[i].word;
        }
    }
    for (size_t i = 0; i < table->n_columns; i++) {
        words[n++] = table->columns[i].name;
    }
    for (size_t i = 0; i < n; i++) {
        prf_strbuf_addf(&all, "%s%s", i > 0 ? " " : "", words[i]);
    }
    const char *near = prf_suggest(text, words, n);
    int rc = prf_fail(err, PRF_EUSAGE, "%s sort key '%s'%s%s%s; this table has: %s",
                      n_found > 1 ? "ambiguous" : "unknown", text,
                      near ? ", did you mean '" : "", near ? near : "",
                      near ? "'?" : "", prf_strbuf_text(&all));
    prf_strbuf_release(&all);
    free(words);
    return rc;
}

static int
order_parse(struct order_context *cx, const char *text, struct prf_error *err)
{
    int n_found = text[0] == '\0' ? 0 : order_resolve(cx, text, true);
    if (n_found != 1 && text[0] != '\0') {
        n_found = order_resolve(cx, text, false);
    }
    return n_found == 1 ? 0 : order_unknown(cx, text, n_found, err);
}

static int
order_compare_numbers(int64_t a, int64_t b)
{
    return (a > b) - (a < b);
}

static int
order_compare_part(const struct order_context *cx, uint32_t a, uint32_t b, int part)
{
    struct prf_key ka = cx->table->keys[a], kb = cx->table->keys[b];
    const struct prf_code *ca = prf_row_code(cx->profile, ka.code);
    const struct prf_code *cb = prf_row_code(cx->profile, kb.code);
    switch (part) {
    case ORDER_FILE:
        return strcmp(prf_code_file(ca, cx->strip_dirs),
                      prf_code_file(cb, cx->strip_dirs));
    case ORDER_LINE:
        return order_compare_numbers(prf_row_line(cx->profile, ka),
                                     prf_row_line(cx->profile, kb));
    default:
        return strcmp(ca->qualname, cb->qualname);
    }
}

static int
order_compare(const void *left, const void *right, void *arg)
{
    static const unsigned char ties[] = {ORDER_FILE, ORDER_LINE, ORDER_NAME};
    const struct order_context *cx = arg;
    uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
    int order = 0;
    if (cx->column >= 0) {
        size_t width = cx->table->n_columns, column = (size_t)cx->column;
        order = order_compare_numbers(cx->table->values[b * width + column],
                                      cx->table->values[a * width + column]);
    }
    for (size_t i = 0; order == 0 && cx->column < 0 && i < ORDER_PARTS && cx->parts[i]; i++) {
        order = order_compare_part(cx, a, b, cx->parts[i]);
    }
    for (size_t i = 0; order == 0 && i < ORDER_LEN(ties); i++) {
        order = order_compare_part(cx, a, b, ties[i]);
    }
    return order != 0 ? order : order_compare_numbers(a, b);
}

int
prf_order_rows(const struct prf_profile *profile, const struct prf_table *table,
               const struct prf_export_options *options, const char *fallback,
               uint32_t **rows, size_t *n, struct prf_error *err)
{
    const char *key = options->sort != NULL ? options->sort : fallback;
    struct order_context cx = {.profile = profile,
                               .table = table,
                               .strip_dirs = options->strip_dirs,
                               .column = -1,
                               .parts = (const unsigned char[ORDER_PARTS]){0}};
    int rc = key == NULL ? 0 : order_parse(&cx, key, err);
    if (rc < 0) {
        return rc;
    }
    uint32_t *order = calloc(table->n + 1, sizeof *order);
    if (order == NULL) {
        return prf_fail(err, PRF_ENOMEM, "out of memory");
    }
    for (size_t i = 0; i < table->n; i++) {
        order[i] = (uint32_t)i;
    }
    qsort_r(order, table->n, sizeof *order, order_compare, &cx);
    *rows = order;
    *n = options->top_k > 0 && options->top_k < table->n ? options->top_k : table->n;
    return 0;
}

int
prf_order_check(const struct prf_table *table, const char *key, struct prf_error *err)
{
    struct order_context cx = {.table = table, .column = -1};
    return order_parse(&cx, key, err);
}

const char *
prf_order_default(const struct prf_table *table)
{
    if (order_find_column(table, "cumulative_ns") >= 0) {
        return "cumulative_ns";
    }
    for (size_t i = 0; i < table->n_columns; i++) {
        if (strcmp(table->columns[i].unit, "count") != 0) {
            return table->columns[i].name;
        }
    }
    return table->n_columns > 0 ? table->columns[0].name : NULL;
}

const char *
prf_order_title(const struct prf_table *table, const char *key)
{
    struct order_context cx = {.table = table, .column = -1};
    if (order_parse(&cx, key, NULL) < 0) {
        return key;
    }
    const char *column = cx.column >= 0 ? table->columns[cx.column].name : NULL;
    for (size_t i = 0; i < ORDER_LEN(order_keys); i++) {
        const struct order_key *k = &order_keys[i];
        if (column != NULL ? k->column != NULL && strcmp(k->column, column) == 0
                           : k->column == NULL && k->parts == cx.parts) {
            return k->title;
        }
    }
    return column;
}
