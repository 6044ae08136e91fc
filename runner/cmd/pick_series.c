/* Which stored cases are meant; see pick_series.h. */
#include "pick_series.h"

#include <stdlib.h>
#include <string.h>

#include "select.h"
#include "strbuf.h"
#include "suggest.h"

#define PICK_LIST_MAX 8 /* candidates in a message */

struct pick {
    const struct prf_series_request *request;
    struct prf_series_picks *out;
    struct prf_series_picks all; /* whatever the request */
};

static int
pick_append(struct prf_series_picks *list, const char *case_id, const char *profiler)
{
    struct prf_series_pick *grown =
        realloc(list->items, (list->n + 1) * sizeof *list->items);
    if (grown == NULL) {
        return PRF_ENOMEM;
    }
    list->items = grown;
    grown[list->n] = (struct prf_series_pick){
        .case_id = prf_arena_strdup(&list->arena, case_id),
        .profiler = prf_arena_strdup(&list->arena, profiler),
    };
    bool failed = grown[list->n].case_id == NULL || grown[list->n].profiler == NULL;
    list->n += !failed;
    return failed ? PRF_ENOMEM : 0;
}

static bool
pick_fits(const struct prf_series_request *r, const char *case_id)
{
    return r->keyword != NULL ? prf_select_matches(r->keyword, case_id)
                              : strstr(case_id, r->what) != NULL;
}

static int
pick_visit(const char *case_id, const char *profiler, void *arg)
{
    struct pick *p = arg;
    const struct prf_series_request *r = p->request;
    int rc = pick_append(&p->all, case_id, profiler);
    bool fits = r->keyword != NULL ? prf_select_matches(r->keyword, case_id)
                                   : strstr(case_id, r->what) != NULL;
    if (rc == 0 && fits &&
        (r->profiler == NULL || strcmp(profiler, r->profiler) == 0)) {
        rc = pick_append(p->out, case_id, profiler);
    }
    return rc;
}

void
prf_series_release(struct prf_series_picks *picks)
{
    free(picks->items);
    prf_arena_release(&picks->arena);
    *picks = (struct prf_series_picks){0};
}

static bool
pick_has_profiler(const struct prf_series_picks *list, const char *profiler)
{
    for (size_t i = 0; i < list->n; i++) {
        if (strcmp(list->items[i].profiler, profiler) == 0) {
            return true;
        }
    }
    return false;
}

/* Keep those of `profiler`, or (case_id) those of a case. */
static void
pick_keep(struct prf_series_picks *list, const char *profiler, const char *case_id)
{
    size_t n = 0;
    for (size_t i = 0; i < list->n; i++) {
        const struct prf_series_pick *item = &list->items[i];
        if ((profiler == NULL || strcmp(item->profiler, profiler) == 0) &&
            (case_id == NULL || strcmp(item->case_id, case_id) == 0)) {
            list->items[n++] = *item;
        }
    }
    list->n = n;
}

/* Names, each once, in the order of the list. */
static void
pick_names(const struct prf_series_picks *list, bool profilers, struct prf_strbuf *out)
{
    size_t n = 0;
    for (size_t i = 0; i < list->n; i++) {
        const char *name = profilers ? list->items[i].profiler : list->items[i].case_id;
        bool again = false;
        for (size_t k = 0; k < i && !again; k++) {
            again = strcmp(name, profilers ? list->items[k].profiler
                                           : list->items[k].case_id) == 0;
        }
        if (!again && n++ < PICK_LIST_MAX) {
            prf_strbuf_addf(out, "%s%s", n > 1 ? ", " : "", name);
        } else if (!again && n == PICK_LIST_MAX + 1) {
            prf_strbuf_adds(out, ", ...");
        }
    }
}

/* Is it the case that has no results, or only its results of that profiler? */
static int
pick_fail_none(struct pick *p, struct prf_error *err)
{
    const struct prf_series_request *r = p->request;
    const char *what = r->keyword != NULL ? r->keyword : r->what;
    struct prf_strbuf text = PRF_STRBUF_INIT;
    struct prf_series_picks others = {0};
    for (size_t i = 0; i < p->all.n; i++) {
        if (pick_fits(r, p->all.items[i].case_id)) {
            (void)pick_append(&others, p->all.items[i].case_id,
                              p->all.items[i].profiler);
        }
    }
    pick_names(others.n > 0 ? &others : &p->all, others.n > 0, &text);
    if (others.n > 0) {
        prf_fail(err, PRF_ENOTFOUND,
                 "no results of '%s' with profiler '%s'; there are "
                 "some with: %s",
                 what, r->profiler, prf_strbuf_text(&text));
    } else {
        prf_fail(err, PRF_ENOTFOUND, "no case with results fits '%s'; there are: %s",
                 what, text.len > 0 ? prf_strbuf_text(&text) : "none");
    }
    prf_series_release(&others);
    prf_strbuf_release(&text);
    return PRF_ENOTFOUND;
}

/* One profiler: what was asked for is filtered already. */
static int
pick_profiler(struct pick *p, struct prf_error *err)
{
    struct prf_series_picks *out = p->out;
    const char *profiler = out->items[0].profiler;
    bool several = false;
    for (size_t i = 1; i < out->n; i++) {
        several = several || strcmp(out->items[i].profiler, profiler) != 0;
    }
    if (!several) {
        return 0;
    }
    if (pick_has_profiler(out, "stopwatch")) {
        pick_keep(out, "stopwatch", NULL);
        return 0;
    }
    struct prf_strbuf names = PRF_STRBUF_INIT;
    pick_names(out, true, &names);
    prf_fail(err, PRF_EUSAGE, "results of several profilers, give --profiler: %s",
             prf_strbuf_text(&names));
    prf_strbuf_release(&names);
    return PRF_EUSAGE;
}

/* Whole ids go before parts of ids. */
static int
pick_case(struct pick *p, struct prf_error *err)
{
    struct prf_series_picks *out = p->out;
    bool several = false;
    for (size_t i = 0; i < out->n; i++) {
        if (strcmp(out->items[i].case_id, p->request->what) == 0) {
            pick_keep(out, NULL, p->request->what);
            return 0;
        }
        several = several || strcmp(out->items[i].case_id, out->items[0].case_id) != 0;
    }
    if (!several) {
        return 0;
    }
    struct prf_strbuf names = PRF_STRBUF_INIT;
    pick_names(out, false, &names);
    prf_fail(err, PRF_EUSAGE,
             "'%s' fits several cases (-k shows all that fit an expression): %s",
             p->request->what, prf_strbuf_text(&names));
    prf_strbuf_release(&names);
    return PRF_EUSAGE;
}

int
prf_series_pick(struct prf_store *store, const struct prf_series_request *request,
                struct prf_series_picks *out, struct prf_error *err)
{
    struct pick p = {.request = request, .out = out};
    *out = (struct prf_series_picks){0};
    int rc = request->keyword == NULL ? 0 : prf_select_check(request->keyword, err);
    if (rc == 0) {
        rc = prf_store_series(store, pick_visit, &p, err);
        rc = rc < 0 ? prf_fail(err, rc, "out of memory") : rc;
    }
    if (rc == 0 && out->n == 0) {
        rc = pick_fail_none(&p, err);
    }
    if (rc == 0 && request->keyword == NULL) {
        rc = pick_case(&p, err);
    }
    if (rc == 0) {
        rc = pick_profiler(&p, err);
    }
    prf_series_release(&p.all);
    return rc;
}
