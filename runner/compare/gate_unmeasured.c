/* Clauses that nothing was measured for; see prf_gate_warn() in gate.h. */
#include <string.h>

#include "gate_names.h"
#include "strbuf.h"

#define UNMEASURED_MAX 32 /* different clauses that are told */

/* A clause that says nothing, and for how many cases. */
struct unmeasured {
    const char *name; /* borrowed from the arena */
    const char *source;
    const char *first; /* case */
    size_t n;
};

struct unmeasured_list {
    struct prf_comparison *comparison;
    struct unmeasured items[UNMEASURED_MAX];
    size_t n;
    bool failed; /* no memory */
};

/* The items of one case: all profilers and metrics. */
struct unmeasured_case {
    const struct prf_compared *items;
    size_t n;
};

static struct unmeasured_case
unmeasured_case(const struct prf_comparison *comparison, size_t at)
{
    struct unmeasured_case of = {.items = comparison->items + at};
    while (at + of.n < comparison->n &&
           strcmp(of.items[of.n].case_id, of.items[0].case_id) == 0) {
        of.n++;
    }
    return of;
}

/* Is all that there is of it known, so that what is missing was not asked for? */
static bool
unmeasured_is_whole(const struct unmeasured_case *of)
{
    bool next = false;
    for (size_t i = 0; i < of->n; i++) {
        const struct prf_compared *item = &of->items[i];
        if (item->uncompared != PRF_COMPARED && item->uncompared != PRF_ONLY_BASE &&
            item->n_alone == 0) {
            return false;
        }
        next |= item->uncompared != PRF_ONLY_BASE;
    }
    return next;
}

static bool
unmeasured_has(const struct unmeasured_case *of, const char *name)
{
    for (size_t i = 0; i < of->n; i++) {
        const struct prf_compared *item = &of->items[i];
        bool found = item->metric != NULL &&
                     prf_gate_means(name, item->profiler, item->metric) > 0;
        for (size_t k = 0; !found && k < item->n_alone; k++) {
            found = prf_gate_means(name, item->profiler, item->alone[k].metric) > 0;
        }
        if (found) {
            return true;
        }
    }
    return false;
}

static void
unmeasured_add(struct unmeasured_list *list, const char *name, const char *source,
               const char *case_id)
{
    size_t i = 0;
    while (i < list->n && (strcmp(list->items[i].name, name) != 0 ||
                           strcmp(list->items[i].source, source) != 0)) {
        i++;
    }
    if (i == UNMEASURED_MAX) {
        return;
    }
    if (i == list->n) {
        const char *copy = prf_arena_strdup(&list->comparison->arena, name);
        list->failed |= copy == NULL;
        if (copy == NULL) {
            return;
        }
        list->items[list->n++] = (struct unmeasured){copy, source, case_id, 0};
    }
    list->items[i].n++;
}

/* `profiler`: a table of one profiler, written without quotes; or NULL. */
static void
unmeasured_look(struct unmeasured_list *list, const struct unmeasured_case *of,
                const json_t *table, const char *profiler, const char *source)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)table, key, value)
    {
        struct prf_strbuf name = PRF_STRBUF_INIT;
        prf_strbuf_addf(&name, "%s%s%s", profiler != NULL ? profiler : "",
                        profiler != NULL ? "." : "", key);
        list->failed |= name.failed;
        if (!json_is_object(value) && !unmeasured_has(of, prf_strbuf_text(&name))) {
            unmeasured_add(list, prf_strbuf_text(&name), source, of->items[0].case_id);
        }
        prf_strbuf_release(&name);
    }
}

static void
unmeasured_of_case(struct unmeasured_list *list, const struct unmeasured_case *of,
                   const json_t *table)
{
    const char *key;
    json_t *value;
    const char *text = NULL;
    for (size_t i = 0; i < of->n && text == NULL; i++) {
        text = of->items[i].budget;
    }
    json_t *budget = text == NULL ? NULL : json_loads(text, 0, NULL);
    unmeasured_look(list, of, budget, NULL, PRF_GATE_BUDGET);
    json_decref(budget);
    unmeasured_look(list, of, table, NULL, PRF_GATE_TABLE);
    json_object_foreach((json_t *)table, key, value)
    {
        bool profiler = prf_gate_is_profiler(key);
        if (json_is_object(value) &&
            (profiler || prf_gate_matches(key, of->items[0].case_id))) {
            unmeasured_look(list, of, value, profiler ? key : NULL, PRF_GATE_TABLE);
        }
    }
}

static int
unmeasured_tell(const struct unmeasured_list *list)
{
    struct prf_comparison *c = list->comparison;
    size_t n = 0;
    while (c->warnings != NULL && c->warnings[n] != NULL) {
        n++;
    }
    const char **all = prf_arena_alloc(&c->arena, (n + list->n + 1) * sizeof *all);
    if (all == NULL) {
        return -1;
    }
    for (size_t i = 0; i < n; i++) {
        all[i] = c->warnings[i];
    }
    for (size_t i = 0; i < list->n; i++) {
        const struct unmeasured *of = &list->items[i];
        struct prf_strbuf sb = PRF_STRBUF_INIT;
        prf_strbuf_addf(&sb, "'%s' of %s was not measured, so it is not judged: %s",
                        of->name, of->source, of->first);
        if (of->n > 1) {
            prf_strbuf_addf(&sb, " and %zu more", of->n - 1);
        }
        const char *text = prf_arena_strdup(&c->arena, prf_strbuf_text(&sb));
        bool failed = sb.failed || text == NULL;
        prf_strbuf_release(&sb);
        if (failed) {
            return -1;
        }
        all[n + i] = text;
    }
    all[n + list->n] = NULL;
    c->warnings = all;
    return 0;
}

int
prf_gate_warn(struct prf_comparison *comparison, const json_t *table,
              struct prf_error *err)
{
    struct unmeasured_list list = {.comparison = comparison};
    struct unmeasured_case of;
    for (size_t i = 0; i < comparison->n; i += of.n) {
        of = unmeasured_case(comparison, i);
        if (unmeasured_is_whole(&of)) {
            unmeasured_of_case(&list, &of, table);
        }
    }
    int rc = list.failed ? -1 : list.n > 0 ? unmeasured_tell(&list) : 0;
    return rc < 0 ? prf_fail(err, PRF_ENOMEM, "out of memory") : 0;
}
