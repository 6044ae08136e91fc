/* The profiles behind a comparison; see compare_profiles.h. */
#include "compare_profiles.h"

#include <stdlib.h>
#include <string.h>

#include "hosting.h"
#include "path.h"
#include "reader.h"
#include "select_stored.h"
#include "vcs.h"

/* ---- results ---- */

static const struct prf_side *
results_side(const struct prf_comparing *c, enum prf_diff_side side)
{
    return side == PRF_DIFF_BASE ? &c->sides.base : &c->sides.next;
}

static int
results_query(struct prf_compared_results *r, enum prf_diff_side side,
              const struct prf_side_query *query, struct prf_error *err)
{
    struct prf_side_results *parts =
        realloc(r->parts[side], (r->n_parts[side] + 1) * sizeof *parts);
    if (parts == NULL) {
        return prf_fail(err, PRF_ENOMEM, "out of memory");
    }
    r->parts[side] = parts;
    parts[r->n_parts[side]] = (struct prf_side_results){0};
    return prf_store_side(r->comparing->store, query, &parts[r->n_parts[side]++], err);
}

/* What was measured for this comparison are its runs; what is stored is the side. */
static int
results_read_side(struct prf_compared_results *r, enum prf_diff_side side,
                  struct prf_error *err)
{
    const struct prf_comparison *comparison = &r->comparing->comparison;
    const struct prf_compared_side *of =
        side == PRF_DIFF_BASE ? &comparison->base : &comparison->next;
    const struct prf_side *s = results_side(r->comparing, side);
    struct prf_side_query query = {
        .kind = s->kind, .id = s->id, .n_newest = PRF_PROFILES_MAX};
    if (!comparison->measured || of->runs == NULL) {
        return results_query(r, side, &query, err);
    }
    int rc = 0;
    query.kind = PRF_SIDE_RUN;
    for (size_t i = 0; rc == 0 && of->runs[i] != NULL; i++) {
        query.id = of->runs[i];
        rc = results_query(r, side, &query, err);
    }
    return rc;
}

int
prf_compared_results_read(struct prf_compared_results *results,
                          struct prf_comparing *comparing, struct prf_error *err)
{
    *results = (struct prf_compared_results){.comparing = comparing};
    if (comparing->store == NULL) {
        return prf_fail(err, PRF_ENOTFOUND,
                        "the results were not stored; leave out --no-store");
    }
    int rc = results_read_side(results, PRF_DIFF_BASE, err);
    return rc < 0 ? rc : results_read_side(results, PRF_DIFF_NEXT, err);
}

void
prf_compared_results_release(struct prf_compared_results *results)
{
    for (int side = 0; side < PRF_DIFF_SIDES; side++) {
        for (size_t i = 0; i < results->n_parts[side]; i++) {
            prf_side_results_release(&results->parts[side][i]);
        }
        free(results->parts[side]);
    }
    *results = (struct prf_compared_results){0};
}

/* ---- profiles ---- */

struct profiles_chosen {
    const struct prf_side_result *result;
    const struct prf_run *run;
};

static bool
profiles_fits(const struct prf_side_result *result, const struct prf_compared *of,
              const char *profiler, const char *options)
{
    return result->status == PRF_STATUS_OK &&
           strcmp(result->case_id, of->case_id) == 0 &&
           strcmp(result->profiler, profiler) == 0 &&
           (options == NULL ||
            strcmp(result->options != NULL ? result->options : "{}", options) == 0);
}

/* Newer results come later, also in a run that comes later. */
static size_t
profiles_choose(const struct prf_compared_results *r, enum prf_diff_side side,
                const struct prf_compared *of, const char *profiler, size_t most,
                struct profiles_chosen *out)
{
    const char *options =
        strcmp(profiler, of->profiler) == 0 ? (of->options ? of->options : "{}") : NULL;
    size_t n = 0;
    for (size_t i = 0; i < r->n_parts[side]; i++) {
        const struct prf_side_results *part = &r->parts[side][i];
        for (size_t k = 0; k < part->n; k++) {
            if (!profiles_fits(&part->items[k], of, profiler, options)) {
                continue;
            }
            if (n == most) { /* the oldest goes */
                memmove(out, out + 1, (most - 1) * sizeof(*out));
                n--;
            }
            out[n++] = (struct profiles_chosen){&part->items[k], part->items[k].run};
        }
    }
    return n;
}

/* The folder of a file whose path in it is known: "/tmp/x/cases/a.py", "cases/a.py" ->
   "/tmp/x". False: it is not in one. */
static bool
root_of_file(const char *file, const char *path, size_t path_len, size_t *root_len)
{
    size_t all = file != NULL ? strlen(file) : 0;
    *root_len = all - path_len - 1;
    return path_len > 0 && all > path_len + 1 && file[*root_len] == '/' &&
           strncmp(file + *root_len + 1, path, path_len) == 0;
}

/* The folder that the files of a result were in, from where its case ran: a measured
   commit has a checkout of its own, which the result does not name. */
static int
profiles_root(struct prf_case_profiles *p, const struct profiles_chosen *chosen,
              const struct prf_profile *profile, const char **out)
{
    const struct prf_side_result *result = chosen->result;
    const char *end = strstr(result->case_id, "::");
    size_t n = end != NULL ? (size_t)(end - result->case_id) : 0, root;
    const char *file = NULL;
    for (size_t i = 1; i < profile->n_codes && file == NULL; i++) {
        if (root_of_file(profile->codes[i].file, result->case_id, n, &root)) {
            file = profile->codes[i].file;
        }
    }
    if (file == NULL && root_of_file(result->case_file, result->case_id, n, &root)) {
        file = result->case_file;
    }
    *out = chosen->run->commit.root;
    if (file != NULL) {
        *out = prf_arena_strndup(&p->arena, file, root);
        return *out == NULL ? PRF_ENOMEM : 0;
    }
    return 0;
}

static int
profiles_load_one(struct prf_case_profiles *p, struct prf_store *store,
                  enum prf_diff_side side, const struct profiles_chosen *chosen,
                  struct prf_error *err)
{
    size_t i = p->sides[side].n;
    struct prf_profile *profile = NULL;
    struct prf_error why = {0};
    int rc = prf_store_recording(store, chosen->result->id, &p->maps[side][i], &why);
    if (rc == PRF_ENOTFOUND) { /* nothing was recorded */
        return 0;
    }
    if (rc == 0) {
        rc = prf_recording_parse_mapped(p->maps[side][i].data, p->maps[side][i].size,
                                        &profile, &why);
    }
    if (rc < 0 || profile == NULL) {
        return prf_fail(err, rc, "result %s: %s", chosen->result->id, why.text);
    }
    p->profiles[side][i] = profile;
    p->newest[side] = chosen->result;
    p->runs[side] = chosen->run;
    p->sides[side].n++;
    rc = profiles_root(p, chosen, profile, &p->roots[side][i]);
    return rc < 0 ? prf_fail(err, rc, "out of memory") : 0;
}

int
prf_case_profiles_load(struct prf_case_profiles *profiles,
                       const struct prf_compared_results *results,
                       const struct prf_compared *of, const char *profiler, size_t most,
                       struct prf_error *err)
{
    int rc = 0;
    memset(profiles, 0, sizeof *profiles);
    for (int side = 0; side < PRF_DIFF_SIDES; side++) {
        struct profiles_chosen chosen[PRF_PROFILES_MAX];
        size_t n = profiles_choose(results, side, of, profiler, most, chosen);
        profiles->sides[side].profiles = profiles->profiles[side];
        profiles->sides[side].roots = profiles->roots[side];
        for (size_t i = 0; rc == 0 && i < n; i++) {
            rc = profiles_load_one(profiles, results->comparing->store, side,
                                   &chosen[i], err);
        }
    }
    return rc;
}

void
prf_case_profiles_release(struct prf_case_profiles *profiles)
{
    for (int side = 0; side < PRF_DIFF_SIDES; side++) {
        for (size_t i = 0; i < PRF_PROFILES_MAX; i++) {
            prf_profile_free((struct prf_profile *)profiles->profiles[side][i]);
            prf_recording_unmap(&profiles->maps[side][i]);
        }
    }
    prf_arena_release(&profiles->arena);
    memset(profiles, 0, sizeof *profiles);
}

/* ---- sources ---- */

/* What of the repository a run measured; NULL: not known. */
static const char *
sources_revision(const struct prf_run *run)
{
    const struct prf_commit *commit = &run->commit;
    return commit->dirty && commit->tree != NULL ? commit->tree : commit->id;
}

/* Where kept trees are; the caller's. NULL: no memory, or no store. */
static char *
sources_objects(const struct prf_comparing *c)
{
    char *root = prf_hosting_root(".");
    char *path = c->store_path != NULL ? strdup(c->store_path)
                 : root != NULL        ? prf_stored_path(c->options.store, root)
                                       : NULL;
    char *folder = path != NULL ? prf_path_dirname(path) : NULL;
    char *objects = folder != NULL ? prf_path_join(folder, "objects") : NULL;
    free(folder);
    free(path);
    free(root);
    if (objects != NULL && !prf_path_is_dir(objects)) {
        free(objects);
        objects = NULL;
    }
    return objects;
}

/* Has the newest result of a side measured the work tree as it is now? Then nobody
   needs to have kept that. */
static bool
sources_are_work_tree(const struct prf_comparing *c, enum prf_diff_side side,
                      const char *revision)
{
    const struct prf_side *s = results_side(c, side);
    return s->work_tree && s->tree != NULL && strcmp(s->tree, revision) == 0;
}

static uint32_t
sources_number(int n)
{
    return n > 0 ? (uint32_t)n : 0;
}

static int
sources_take(struct prf_compared_results *r, const struct prf_hunks *hunks)
{
    r->hunks = prf_arena_alloc(&r->comparing->comparison.arena,
                               (hunks->n + 1) * sizeof *r->hunks);
    if (r->hunks == NULL) {
        return PRF_ENOMEM;
    }
    for (size_t i = 0; i < hunks->n; i++) {
        const struct prf_hunk *h = &hunks->items[i];
        r->hunks[i] = (struct prf_diff_hunk){.old_file = h->old_file,
                                             .new_file = h->new_file,
                                             .old_start = sources_number(h->old_start),
                                             .old_lines = sources_number(h->old_lines),
                                             .new_start = sources_number(h->new_start),
                                             .new_lines = sources_number(h->new_lines),
                                             .text = h->text};
    }
    r->n_hunks = hunks->n;
    r->hunks_known = true;
    return 0;
}

static int
sources_diff(struct prf_compared_results *r, struct prf_error *err)
{
    struct prf_comparing *c = r->comparing;
    struct prf_hunks hunks = {0};
    struct prf_error why = {0};
    char *objects = sources_objects(c);
    int rc = 0;
    r->hunks_known = false;
    if (strcmp(r->revisions[0], r->revisions[1]) != 0) {
        rc = prf_vcs_hunks(c->root != NULL ? c->root : ".", objects, r->revisions[0],
                           sources_are_work_tree(c, PRF_DIFF_NEXT, r->revisions[1])
                               ? NULL
                               : r->revisions[1],
                           &c->comparison.arena, &hunks, &why);
    }
    if (rc == 0) {
        rc = sources_take(r, &hunks);
    }
    if (rc < 0 && rc != PRF_ENOMEM && c->options.general.quiet == 0) {
        fprintf(stderr, "pyprofiler: no diff: %s\n", why.text);
    }
    free(objects);
    return rc == PRF_ENOMEM ? prf_fail(err, rc, "out of memory") : 0;
}

int
prf_case_profiles_hunks(struct prf_case_profiles *profiles,
                        struct prf_compared_results *results, struct prf_error *err)
{
    const char *of[PRF_DIFF_SIDES];
    bool same = true;
    int rc = 0;
    for (int side = 0; side < PRF_DIFF_SIDES; side++) {
        of[side] = profiles->runs[side] != NULL ? sources_revision(profiles->runs[side])
                                                : NULL;
        if (of[side] == NULL) {
            return 0;
        }
        same = same && results->revisions[side] != NULL &&
               strcmp(of[side], results->revisions[side]) == 0;
    }
    if (!same) {
        memcpy(results->revisions, of, sizeof of);
        rc = sources_diff(results, err);
    }
    if (rc == 0 && results->hunks_known) {
        profiles->hunks = results->hunks;
        profiles->n_hunks = results->n_hunks;
    }
    return rc;
}

/* From the work tree; NULL: cannot be read. */
static const char *
text_read_file(struct prf_arena *arena, const char *root, const char *file)
{
    char *path = prf_path_join(root, file), *data = NULL;
    const char *text = NULL;
    size_t size;
    struct prf_error ignored = {0};
    if (path != NULL && prf_file_read(path, &data, &size, &ignored) == 0) {
        text = prf_arena_strdup(arena, data);
    }
    free(data);
    free(path);
    return text;
}

static const char *
text_read(struct prf_case_profiles_text *t, enum prf_diff_side side, const char *file)
{
    const struct prf_comparing *c = t->results->comparing;
    const char *revision = sources_revision(t->profiles->runs[side]);
    const char *text = NULL;
    struct prf_error ignored = {0};
    if (revision == NULL || file[0] == '/') {
        return NULL;
    }
    if (sources_are_work_tree(c, side, revision)) {
        const char *root = t->profiles->runs[side]->commit.root;
        return root != NULL ? text_read_file(&t->profiles->arena, root, file) : NULL;
    }
    char *objects = sources_objects(c);
    if (prf_vcs_file(c->root != NULL ? c->root : ".", objects, revision, file,
                     &t->profiles->arena, &text, &ignored) < 0) {
        text = NULL;
    }
    free(objects);
    return text;
}

const char *
prf_case_profiles_text(void *arg, enum prf_diff_side side, const char *file)
{
    struct prf_case_profiles_text *t = arg;
    for (size_t i = 0; i < t->n; i++) {
        if (t->read[i].side == side && strcmp(t->read[i].file, file) == 0) {
            return t->read[i].text;
        }
    }
    const char *text = text_read(t, side, file);
    if (t->n == t->room) {
        size_t room = 2 * t->room + 8;
        void *more = prf_arena_alloc(&t->profiles->arena, room * sizeof *t->read);
        if (more == NULL) {
            return text;
        }
        if (t->n > 0) {
            memcpy(more, t->read, t->n * sizeof *t->read);
        }
        t->read = more;
        t->room = room;
    }
    t->read[t->n].side = side;
    t->read[t->n].file = file;
    t->read[t->n++].text = text;
    return text;
}
