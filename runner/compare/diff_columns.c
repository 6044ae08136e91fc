/* Columns of a difference; see diff_columns.h. */
#include "diff_columns.h"

#include <string.h>

/* A cost and how often it arose. */
static const struct {
    const char *cost, *calls;
} columns_known[] = {
    {"time", "hits"},
    {"increment", "occurrences"},
    {"size", "count"},
    {"size_diff", "count_diff"},
};

static int
columns_own(const struct prf_column *columns, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (strncmp(columns[i].name, "own_", 4) == 0) {
            return (int)i;
        }
    }
    for (size_t i = 0; i < sizeof columns_known / sizeof *columns_known; i++) {
        int at = prf_column_find(columns, n, columns_known[i].cost);
        if (at >= 0) {
            return at;
        }
    }
    for (size_t i = 0; i < n; i++) {
        if (strcmp(columns[i].unit, "count") != 0) {
            return (int)i;
        }
    }
    return n > 0 ? 0 : -1;
}

static int
columns_calls(const struct prf_column *columns, size_t n, int cost)
{
    const char *name = columns[cost].name;
    for (size_t i = 0; i < sizeof columns_known / sizeof *columns_known; i++) {
        if (strcmp(columns_known[i].calls, name) == 0) {
            return cost;
        }
        if (strcmp(columns_known[i].cost, name) == 0) {
            return prf_column_find(columns, n, columns_known[i].calls);
        }
    }
    return prf_column_find(columns, n, "calls");
}

/* "own" is "own_ns", or whatever unit it has. */
static int
columns_asked(const struct prf_column *columns, size_t n, const char *asked)
{
    int at = prf_column_find(columns, n, asked);
    size_t len = strlen(asked);
    for (size_t i = 0; at < 0 && i < n; i++) {
        if (strncmp(columns[i].name, asked, len) == 0 && columns[i].name[len] == '_') {
            at = (int)i;
        }
    }
    return at;
}

struct prf_diff_columns
prf_diff_columns(const struct prf_column *columns, size_t n, const char *asked)
{
    struct prf_diff_columns out = {-1, -1};
    out.cost =
        asked == NULL ? columns_own(columns, n) : columns_asked(columns, n, asked);
    if (out.cost >= 0) {
        out.calls = columns_calls(columns, n, out.cost);
    }
    return out;
}
