/* Finding results in the store; see select_stored.h. */
#include "select_stored.h"

#include <stdlib.h>
#include <string.h>

#include "describe.h"
#include "hosting.h"
#include "path.h"
#include "reader.h"
#include "vcs.h"

char *
prf_stored_path(const char *asked, const char *root)
{
    if (asked == NULL) {
        return prf_path_join(root, ".pyprofiler/results.db");
    }
    return prf_path_is_dir(asked) ? prf_path_join(asked, "results.db") : strdup(asked);
}

const char *
prf_stored_profiler(const char *name)
{
    static const char *const aliases[][2] = {
        {"cprofile", "call"},
        {"memory-profiler-line", "memory-line"},
        {"memory-profiler-time", "memory-time"},
        {"viztracer", "tracer"},
        {"line-profiler", "line"},
        {"sample", "sampling"},
    };
    for (size_t i = 0; name != NULL && i < sizeof aliases / sizeof *aliases; i++) {
        if (prf_name_same(aliases[i][0], name)) {
            return aliases[i][1];
        }
    }
    return name;
}

int
prf_stored_open(const char *asked, struct prf_store **out, struct prf_error *err)
{
    char *root = prf_hosting_root(".");
    char *path = root == NULL ? NULL : prf_stored_path(asked, root);
    struct prf_error why = {0};
    int rc = path == NULL ? prf_fail(&why, PRF_ENOMEM, "out of memory")
                          : prf_store_open(path, PRF_STORE_READ, out, &why);
    if (rc == PRF_ENOTFOUND) {
        prf_fail(err, rc, "no store at '%s'; pyprofiler-run makes it", path);
    } else if (rc < 0) {
        prf_fail(err, rc, "%s", why.text);
    }
    free(path);
    free(root);
    return rc;
}

static void
stored_copy_text(struct prf_arena *arena, const char **field)
{
    if (*field != NULL) {
        *field = prf_arena_strdup(arena, *field);
    }
}

/* The store shows one run for all its results, so it is copied. */
static void
stored_copy_run(struct prf_run *out, const struct prf_run *run)
{
    *out = *run;
    out->arena = (struct prf_arena){0};
    const char **const texts[] = {
        &out->id,
        &out->tool_version,
        &out->command,
        &out->commit.id,
        &out->commit.branch,
        &out->commit.tree,
        &out->commit.root,
        &out->commit.note,
        &out->python.version,
        &out->python.executable,
        &out->python.implementation,
        &out->python.host,
        &out->python.flags,
        &out->python.libpython,
        &out->machine.fingerprint,
        &out->machine.hostname,
        &out->machine.cpu,
        &out->machine.arch,
        &out->machine.kernel,
        &out->machine.os,
        &out->machine.governor,
        &out->machine.turbo,
        &out->machine.aslr,
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        stored_copy_text(&out->arena, texts[i]);
    }
}

static int
stored_take_run(struct prf_stored *s, const struct prf_run *run)
{
    for (size_t i = 0; i < s->n_runs; i++) {
        if (strcmp(s->runs[i].id, run->id) == 0) {
            s->run_of[s->n] = i;
            return 0;
        }
    }
    struct prf_run *runs = realloc(s->runs, (s->n_runs + 1) * sizeof *runs);
    if (runs == NULL) {
        return PRF_ENOMEM;
    }
    s->runs = runs;
    stored_copy_run(&runs[s->n_runs], run);
    if (runs[s->n_runs].id == NULL) {
        prf_run_release(&runs[s->n_runs]);
        return PRF_ENOMEM;
    }
    s->run_of[s->n] = s->n_runs++;
    return 0;
}

/* A result is shown once: it is taken over, and an empty struct left to be released. */
static int
stored_visit(const struct prf_run *run, const struct prf_result *result, void *arg)
{
    struct prf_stored *s = arg;
    struct prf_result *results = realloc(s->results, (s->n + 1) * sizeof *results);
    if (results != NULL) {
        s->results = results;
    }
    size_t *run_of = realloc(s->run_of, (s->n + 1) * sizeof *run_of);
    if (run_of != NULL) {
        s->run_of = run_of;
    }
    if (results == NULL || run_of == NULL || stored_take_run(s, run) < 0) {
        return PRF_ENOMEM;
    }
    results[s->n++] = *result;
    *(struct prf_result *)result = (struct prf_result){0};
    return 0;
}

/* 1: something was found, 0: nothing, or an error that is not about finding. */
static int
stored_try(struct prf_store *store, const struct prf_query *query,
           struct prf_stored *out, struct prf_error *why)
{
    prf_error_clear(why);
    int rc = prf_store_select(store, query, true, stored_visit, out, why);
    if (rc == PRF_ENOTFOUND) {
        return 0;
    }
    return rc < 0 ? rc : out->n > 0;
}

static bool
stored_is_hex(const char *text)
{
    return text[strspn(text, "0123456789abcdef")] == '\0';
}

/* A result or run by (the start of) its id; then a case; then a revision. An ambiguous
   start of an id is kept in `why` and is the error when nothing else fits. */
static int
stored_find(struct prf_store *store, const struct prf_stored_request *request,
            struct prf_stored *out, struct prf_error *why)
{
    struct prf_query q = {.profiler = request->profiler, .limit = request->one ? 1 : 0};
    const char *what = request->what;
    struct prf_error ambiguous = {0}, ignored = {0};
    char commit[41];
    int rc = 0;
    if (what == NULL || strcmp(what, "latest") == 0) {
        q.latest_run = true;
        return stored_try(store, &q, out, why);
    }
    if (stored_is_hex(what)) {
        q.result_id = what;
        rc = stored_try(store, &q, out, &ambiguous);
        q.result_id = NULL;
    }
    if (rc == 0 && strchr(what, ':') == NULL && strchr(what, '/') == NULL) {
        q.run_id = what;
        rc = stored_try(store, &q, out, why);
        q.run_id = NULL;
    }
    if (rc == 0) {
        q.case_id = what;
        q.latest_per_case = true;
        rc = stored_try(store, &q, out, why);
        q.case_id = NULL;
        q.latest_per_case = false;
    }
    if (rc == 0 && prf_vcs_resolve(".", what, commit, &ignored) == 0) {
        q.commit = commit;
        rc = stored_try(store, &q, out, why);
    }
    if (rc == 0) {
        *why = ambiguous;
    }
    return rc;
}

int
prf_stored_select(struct prf_store *store, const struct prf_stored_request *request,
                  struct prf_stored *out, struct prf_error *err)
{
    struct prf_error why = {0};
    *out = (struct prf_stored){0};
    int rc = stored_find(store, request, out, &why);
    if (rc > 0) {
        return 0;
    }
    prf_stored_release(out);
    if (rc < 0) {
        return prf_fail(err, rc, "%s", why.code == 0 ? "out of memory" : why.text);
    }
    if (request->what == NULL) {
        return prf_fail(err, PRF_ENOTFOUND, "the store holds no result%s%s",
                        request->profiler == NULL ? "" : " of profiler ",
                        request->profiler == NULL ? "" : request->profiler);
    }
    const char *several = strstr(why.text, "several");
    return prf_fail(
        err, PRF_ENOTFOUND,
        "'%s' is no result, run, case or commit with results in the store%s%s",
        request->what, several == NULL ? "" : ": ", several == NULL ? "" : why.text);
}

void
prf_stored_release(struct prf_stored *stored)
{
    for (size_t i = 0; i < stored->n; i++) {
        prf_result_release(&stored->results[i]);
    }
    for (size_t i = 0; i < stored->n_runs; i++) {
        prf_run_release(&stored->runs[i]);
    }
    for (size_t i = 0; stored->completed != NULL && i < stored->n; i++) {
        prf_profile_free(stored->completed[i].before);
        prf_recording_unmap(&stored->completed[i].recording);
    }
    free(stored->completed);
    free(stored->results);
    free(stored->runs);
    free(stored->run_of);
    *stored = (struct prf_stored){0};
}

int
prf_stored_write(const struct prf_stored *stored, const struct prf_exporter *exporter,
                 const struct prf_export_options *options, FILE *out,
                 struct prf_error *err)
{
    const struct prf_result **list = calloc(stored->n + 1, sizeof *list);
    if (list == NULL) {
        return prf_fail(err, PRF_ENOMEM, "out of memory");
    }
    for (size_t i = 0; i < stored->n; i++) {
        list[i] = &stored->results[i];
    }
    int rc = exporter->write(&stored->runs[stored->n_runs - 1], list, stored->n,
                             options, out, err);
    free(list);
    return rc;
}

int
prf_stored_complete(struct prf_store *store, struct prf_stored *stored, size_t index,
                    enum prf_stored_part part, struct prf_error *err)
{
    struct prf_result *result = &stored->results[index];
    struct prf_profile *before = result->profile, *profile = NULL;
    struct prf_error why = {0};
    if (stored->completed == NULL) {
        stored->completed = calloc(stored->n + 1, sizeof *stored->completed);
    }
    if (stored->completed == NULL) {
        return prf_fail(err, PRF_ENOMEM, "out of memory");
    }
    struct prf_recording_map *map = &stored->completed[index].recording;
    int rc = prf_store_recording(store, result->id, map, &why);
    if (rc == 0) {
        rc = part == PRF_STORED_EVENTS && before != NULL
                 ? prf_recording_parse_unfolded(map->data, map->size, &profile, &why)
                 : prf_recording_parse_mapped(map->data, map->size, &profile, &why);
    }
    if (rc == PRF_ENOTFOUND) { /* skipped, or nothing was recorded */
        return 0;
    }
    if (rc < 0) {
        return prf_fail(err, rc, "%s", why.text);
    }
    if (before != NULL && profile != NULL) { /* notes of the runner's are only there */
        profile->notes = before->notes;
        profile->n_notes = before->n_notes;
    }
    stored->completed[index].before = before;
    result->profile = profile;
    result->recording = map->data;
    result->recording_size = prf_recording_size(map->data, map->size);
    result->recording_mapped = true;
    return 0;
}
