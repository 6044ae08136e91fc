/* Where the cost of what changed is; see compare_where.h. */
#include "compare_where.h"

#include <stddef.h>
#include <string.h>

#include "compare.h"
#include "compare_profiles.h"
#include "where.h"

#define AT(field) offsetof(struct prf_compare_where_options, field)

const struct prf_option prf_compare_where_table[] = {
    {PRF_OPT_FLAG, 0, "where", NULL, AT(all),
     .help = "say where for all cases, not only for those that changed"},
    {PRF_OPT_FLAG, 0, "no-where", NULL, AT(none),
     .help = "do not look for functions and lines"},
    {PRF_OPT_UINT, 0, "top-k", NULL, AT(top_k), "10", .min = 1, .max = 10000,
     .unit = "N", .help = "most functions or lines of a case"},
    {PRF_OPT_STRING, 0, "column", NULL, AT(column), .unit = "NAME",
     .help =
         "compare this amount of functions, lines and stacks, not own costs: calls"},
    {PRF_OPT_FLAG, 0, "graph", NULL, AT(graph),
     .help = "format svg: who calls whom, not a flame graph"},
    PRF_OPTIONS_END,
};

/* Who can tell where, when the profiler that saw the change has no functions. */
static const struct {
    const char *unit;
    const char *profilers[4];
} where_tellers[] = {
    {"ns", {"call", "callgraph", "tracer", "line"}},
    {"bytes", {"tracemalloc", "memory-line"}},
};

struct telling {
    struct prf_comparing *comparing;
    struct prf_compared_results results;
    bool any; /* some result had the column */
    struct prf_error no_column;
};

/* ---- keeping ---- */

static int
where_keep_text(struct prf_arena *arena, const char **text)
{
    if (*text != NULL) {
        *text = prf_arena_strdup(arena, *text);
        return *text == NULL ? PRF_ENOMEM : 0;
    }
    return 0;
}

static int
where_keep_list(struct prf_arena *arena, const char *const **list)
{
    size_t n = 0;
    if (*list == NULL) {
        return 0;
    }
    while ((*list)[n] != NULL) {
        n++;
    }
    const char **kept = prf_arena_alloc(arena, (n + 1) * sizeof *kept);
    int rc = kept == NULL ? PRF_ENOMEM : 0;
    for (size_t i = 0; rc == 0 && i < n; i++) {
        kept[i] = (*list)[i];
        rc = where_keep_text(arena, &kept[i]);
    }
    *list = kept;
    return rc;
}

/* A list that outlives the profiles. */
static int
where_keep(struct prf_compared *item, const struct prf_where *where, size_t n,
           struct prf_arena *arena)
{
    struct prf_where *kept = prf_arena_alloc(arena, (n + 1) * sizeof *kept);
    int rc = kept == NULL ? PRF_ENOMEM : 0;
    for (size_t i = 0; rc == 0 && i < n; i++) {
        const char **const texts[] = {&kept[i].file, &kept[i].function, &kept[i].column,
                                      &kept[i].unit};
        kept[i] = where[i];
        for (size_t k = 0; rc == 0 && k < sizeof texts / sizeof *texts; k++) {
            rc = where_keep_text(arena, texts[k]);
        }
        if (rc == 0) {
            rc = where_keep_list(arena, &kept[i].hunks);
        }
        if (rc == 0) {
            rc = where_keep_list(arena, &kept[i].stack);
        }
    }
    item->where = kept;
    item->n_where = rc == 0 ? n : 0;
    return rc;
}

/* ---- telling ---- */

static bool
where_has_sites(const struct prf_case_profiles *profiles)
{
    for (int side = 0; side < PRF_DIFF_SIDES; side++) {
        size_t n = 0;
        for (size_t i = 0; i < profiles->sides[side].n; i++) {
            n += profiles->profiles[side][i]->sites.n;
        }
        if (n == 0) {
            return false;
        }
    }
    return true;
}

static int
where_of_profiles(struct telling *t, struct prf_compared *item,
                  struct prf_case_profiles *profiles, struct prf_error *err)
{
    const struct prf_compare_where_options *o = &t->comparing->options.where;
    struct prf_case_profiles_text text = {.results = &t->results, .profiles = profiles};
    struct prf_where *where;
    struct prf_error why = {0};
    size_t n;
    int rc = prf_case_profiles_hunks(profiles, &t->results, err);
    if (rc < 0) {
        return rc;
    }
    struct prf_where_request request = {
        .sides = {profiles->sides[0], profiles->sides[1]},
        .hunks = profiles->hunks,
        .n_hunks = profiles->n_hunks,
        .column = o->column,
        .top = o->top_k,
        .text = prf_case_profiles_text,
        .arg = &text};
    rc = prf_where_find(&request, &profiles->arena, &where, &n, &why);
    if (rc == PRF_ENOTFOUND) { /* another profiler may have that column */
        t->no_column = t->no_column.code == 0 ? why : t->no_column;
        return 0;
    }
    if (rc == 0) {
        t->any = true;
        rc = where_keep(item, where, n, &t->comparing->comparison.arena);
    }
    return rc < 0 ? prf_fail(err, rc, "out of memory") : 0;
}

/* 1: this profiler has told, 0: it has nothing to tell. */
static int
where_of_profiler(struct telling *t, struct prf_compared *item, const char *profiler,
                  struct prf_error *err)
{
    struct prf_case_profiles profiles;
    struct prf_error why = {0};
    int rc = prf_case_profiles_load(&profiles, &t->results, item, profiler,
                                    PRF_PROFILES_MAX, &why);
    if (rc == PRF_ENOMEM) {
        prf_fail(err, rc, "%s", why.text);
    } else if (rc < 0) { /* a damaged recording: the verdict stands */
        if (t->comparing->options.general.quiet == 0) {
            fprintf(stderr, "pyprofiler: cannot say where: %s\n", why.text);
        }
        rc = 0;
    } else if (where_has_sites(&profiles)) {
        rc = where_of_profiles(t, item, &profiles, err);
        rc = rc == 0 ? 1 : rc;
    }
    prf_case_profiles_release(&profiles);
    return rc;
}

static int
where_of_others(struct telling *t, struct prf_compared *item, struct prf_error *err)
{
    for (size_t i = 0; i < sizeof where_tellers / sizeof *where_tellers; i++) {
        if (item->unit == NULL || strcmp(where_tellers[i].unit, item->unit) != 0) {
            continue;
        }
        for (size_t k = 0; k < 4 && where_tellers[i].profilers[k] != NULL; k++) {
            const char *profiler = where_tellers[i].profilers[k];
            int rc = where_of_profiler(t, item, profiler, err);
            if (rc != 0) {
                item->where_profiler = profiler;
                return rc;
            }
        }
    }
    return 0;
}

static bool
where_same_case(const struct prf_compared *a, const struct prf_compared *b)
{
    const char *of_a = a->options != NULL ? a->options : "{}";
    const char *of_b = b->options != NULL ? b->options : "{}";
    return strcmp(a->case_id, b->case_id) == 0 &&
           strcmp(a->profiler, b->profiler) == 0 && strcmp(of_a, of_b) == 0;
}

/* Several metrics of a case have one list, if they are of one unit. */
static bool
where_known(const struct prf_comparison *comparison, struct prf_compared *item)
{
    for (size_t i = 0; i < comparison->n; i++) {
        const struct prf_compared *other = &comparison->items[i];
        if (other == item || other->where == NULL || !where_same_case(other, item) ||
            (other->where_profiler != NULL && strcmp(other->unit, item->unit) != 0)) {
            continue;
        }
        item->where = other->where;
        item->n_where = other->n_where;
        item->where_profiler = other->where_profiler;
        return true;
    }
    return false;
}

static int
where_of_item(struct telling *t, struct prf_compared *item, struct prf_error *err)
{
    if (where_known(&t->comparing->comparison, item)) {
        return 0;
    }
    int rc = where_of_profiler(t, item, item->profiler, err);
    rc = rc == 0 ? where_of_others(t, item, err) : rc;
    return rc < 0 ? rc : 0;
}

/* 1: the results are there, 0: they are not in the store (any more). */
static int
where_read(struct telling *t, struct prf_error *err)
{
    struct prf_error why = {0};
    int rc = prf_compared_results_read(&t->results, t->comparing, &why);
    if (rc == PRF_ENOMEM) {
        return prf_fail(err, rc, "%s", why.text);
    }
    if (rc < 0 && t->comparing->options.general.quiet == 0) {
        fprintf(stderr, "pyprofiler: cannot say where: %s\n", why.text);
    }
    return rc == 0;
}

static bool
where_is_asked(const struct prf_compare_where_options *o,
               const struct prf_compared *item)
{
    enum prf_verdict verdict = item->change.verdict;
    return item->uncompared == PRF_COMPARED && item->metric != NULL &&
           (o->all || verdict == PRF_VERDICT_SLOWER || verdict == PRF_VERDICT_FASTER);
}

int
prf_compare_where(struct prf_comparing *c, struct prf_error *err)
{
    struct telling t = {.comparing = c};
    struct prf_comparison *comparison = &c->comparison;
    bool read = false;
    int rc = 1; /* 0: there is nothing to read from */
    if (c->options.where.none || prf_compare_is_diff(&c->options)) {
        return 0;
    }
    for (size_t i = 0; rc > 0 && i < comparison->n; i++) {
        if (!where_is_asked(&c->options.where, &comparison->items[i])) {
            continue;
        }
        if (!read) {
            rc = where_read(&t, err);
            read = true;
        }
        if (rc > 0) {
            rc = where_of_item(&t, &comparison->items[i], err);
            rc = rc == 0 ? 1 : rc;
        }
    }
    if (rc > 0 && !t.any && t.no_column.code != 0) {
        rc = prf_fail(err, PRF_EUSAGE, "%s", t.no_column.text);
    }
    prf_compared_results_release(&t.results);
    return rc < 0 ? rc : 0;
}
