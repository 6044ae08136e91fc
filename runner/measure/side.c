/* Sides: trees whose cases are measured; see side.h. */
#include "side.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "path.h"
#include "process.h"
#include "strbuf.h"
#include "trees.h"

#define SIDE_ENVIRONMENT_MAX 8

struct prf_measuring {
    const struct prf_measure_setup *setup;
    struct prf_trees trees;
};

/* What a side keeps for itself. */
struct prf_measure_inside {
    struct prf_measuring *measuring;
    struct prf_checkout *tree; /* NULL: in place */
    struct prf_arena arena;
    struct prf_supervision sv;
    const char *environment[SIDE_ENVIRONMENT_MAX];
    struct prf_target *targets; /* the setup's, in this tree */
    struct prf_engine *engines; /* one for each target */
    struct prf_plan *plans;
    const struct prf_profiler **chosen; /* of all plans, one after the other */
    bool planned;
    bool stored; /* the run is in the store */
};

int
prf_measuring_open(const struct prf_measure_setup *setup, struct prf_measuring **out,
                   struct prf_error *err)
{
    struct prf_measuring *m = calloc(1, sizeof *m);
    if (m == NULL) {
        return prf_fail(err, PRF_ENOMEM, "out of memory");
    }
    m->setup = setup;
    prf_trees_init(&m->trees, setup);
    *out = m;
    return 0;
}

void
prf_measuring_close(struct prf_measuring *measuring)
{
    if (measuring != NULL) {
        prf_trees_release(&measuring->trees);
        free(measuring);
    }
}

/* --- a place as it is called in the checkout -------------------------------------- */

/* Part of `path` behind `root`, "" for the root itself, or NULL; borrowed. */
static const char *
side_behind(const char *path, const char *root)
{
    size_t n = strlen(root);
    n -= n > 0 && root[n - 1] == '/';
    if (strncmp(path, root, n) != 0 || (path[n] != '/' && path[n] != '\0')) {
        return NULL;
    }
    return path[n] == '/' ? path + n + 1 : path + n;
}

/* `path` with the folder `from` in front replaced by `to`; other paths as they are. */
static const char *
side_moved(struct prf_arena *arena, const char *path, const char *from, const char *to)
{
    const char *rest = path == NULL ? NULL : side_behind(path, from);
    char *text = NULL;
    if (rest == NULL) {
        return path == NULL ? NULL : prf_arena_strdup(arena, path);
    }
    if (*rest == '\0') {
        return prf_arena_strdup(arena, to);
    }
    text = prf_path_join(to, rest);
    const char *moved = text == NULL ? NULL : prf_arena_strdup(arena, text);
    free(text);
    return moved;
}

static const char *
side_move(struct prf_measure_side *side, const char *path)
{
    struct prf_measure_inside *in = side->inside;
    return side_moved(&in->arena, path, in->measuring->setup->root, side->folder);
}

/* --- opening ---------------------------------------------------------------------- */

static const char *side_text(struct prf_measure_side *side, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* In the side's arena, "" when there is no memory. */
static const char *
side_text(struct prf_measure_side *side, const char *format, ...)
{
    char *text = NULL;
    va_list args;
    va_start(args, format);
    int n = vasprintf(&text, format, args);
    va_end(args);
    const char *kept = n < 0 ? NULL : prf_arena_strdup(&side->inside->arena, text);
    free(n < 0 ? NULL : text);
    return kept == NULL ? "" : kept;
}

char *
prf_measure_python_path(const char *root, const char *folder)
{
    struct prf_strbuf sb = PRF_STRBUF_INIT;
    struct prf_arena arena = {0};
    const char *old = getenv("PYTHONPATH");
    char *src = prf_path_join(folder, "src");
    prf_strbuf_addf(&sb, "PYTHONPATH=%s", folder);
    if (src != NULL && prf_path_is_dir(src)) {
        prf_strbuf_addf(&sb, ":%s", src);
    }
    for (; old != NULL && *old != '\0';) {
        size_t n = strcspn(old, ":");
        const char *entry = prf_arena_strndup(&arena, old, n);
        const char *moved = side_moved(&arena, entry, root, folder);
        prf_strbuf_addf(&sb, ":%s", moved == NULL ? "" : moved);
        old += n + (old[n] == ':');
    }
    prf_arena_release(&arena);
    free(src);
    return prf_strbuf_steal(&sb);
}

static const char *
side_python_path(struct prf_measure_side *side)
{
    char *path =
        prf_measure_python_path(side->inside->measuring->setup->root, side->folder);
    const char *text = side_text(side, "%s", path == NULL ? "PYTHONPATH=" : path);
    free(path);
    return text;
}

static void
side_set_environment(struct prf_measure_side *side)
{
    struct prf_measure_inside *in = side->inside;
    const char *venv = in->tree == NULL ? NULL : in->tree->venv;
    const char *path = getenv("PATH");
    size_t n = 0;
    in->environment[n++] = side_python_path(side);
    if (venv != NULL) {
        in->environment[n++] = side_text(side, "VIRTUAL_ENV=%s", venv);
        in->environment[n++] = side_text(side, "PATH=%s/bin:%s", venv,
                                         path == NULL ? "/usr/bin:/bin" : path);
    }
    in->environment[n] = NULL;
}

/* The current folder as a run has it: the same place in the checkout, which an old tree
   may lack. */
static int
side_set_cwd(struct prf_measure_side *side, struct prf_error *err)
{
    struct prf_measure_inside *in = side->inside;
    char *cwd = prf_path_absolute(".");
    in->sv.worker.cwd = cwd == NULL ? NULL : side_move(side, cwd);
    free(cwd);
    if (in->sv.worker.cwd == NULL) {
        return prf_fail(err, PRF_ENOMEM, "out of memory");
    }
    return in->tree == NULL ? 0 : prf_path_mkdirs(in->sv.worker.cwd, err);
}

static int
side_supervise(struct prf_measure_side *side, struct prf_error *err)
{
    struct prf_measure_inside *in = side->inside;
    const struct prf_measure_setup *s = in->measuring->setup;
    in->sv = s->sv;
    in->sv.isolation = PRF_ISOLATION_EXEC;
    in->sv.worker.foreground = false;
    in->sv.worker.cpu = s->cpu;
    side_set_environment(side);
    in->sv.worker.environment = in->environment;
    if (in->tree != NULL) {
        in->sv.foreign_root = s->root;
        in->sv.own_root = side->folder;
    }
    if (in->tree != NULL && in->tree->venv != NULL) {
        in->sv.executable = side_text(side, "%s/bin/python", in->tree->venv);
        in->sv.worker.python = in->sv.executable;
    }
    return side_set_cwd(side, err);
}

static const char *
side_copy(struct prf_run *run, const char *text)
{
    return text == NULL ? NULL : prf_arena_strdup(&run->arena, text);
}

/* The facts of the command, but of this tree. Where it was is kept as the root, so that
   the files in its profiles can be told from others. */
static void
side_describe(struct prf_measure_side *side, const struct prf_measure_request *request)
{
    struct prf_measure_inside *in = side->inside;
    const struct prf_run *facts = in->measuring->setup->facts;
    struct prf_run *run = &side->run;
    run->started_ns = prf_wall_ns();
    run->id = prf_run_new_id(&run->arena, run->started_ns);
    run->tool_version = facts->tool_version;
    run->command = facts->command;
    run->python = facts->python;
    run->python.executable = side_copy(run, in->sv.executable);
    run->machine = facts->machine;
    if (side->in_place) {
        run->commit = facts->commit;
        return;
    }
    run->commit = (struct prf_commit){.id = side_copy(run, request->commit),
                                      .tree = side_copy(run, request->tree),
                                      .dirty = request->dirty,
                                      .author_time = request->author_time,
                                      .root = side_copy(run, side->folder)};
}

static struct prf_measure_side *
side_new(struct prf_measuring *measuring, const struct prf_measure_request *request)
{
    struct prf_measure_side *side = calloc(1, sizeof *side);
    struct prf_measure_inside *in = calloc(1, sizeof *in);
    if (side == NULL || in == NULL) {
        free(side);
        free(in);
        return NULL;
    }
    side->inside = in;
    in->measuring = measuring;
    side->name = side_text(side, "%s", request->name);
    side->in_place = request->tree == NULL;
    side->folder = measuring->setup->root;
    return side;
}

int
prf_measure_open(struct prf_measuring *measuring,
                 const struct prf_measure_request *request,
                 struct prf_measure_side **out, struct prf_error *err)
{
    struct prf_measure_side *side = side_new(measuring, request);
    int rc = side == NULL ? prf_fail(err, PRF_ENOMEM, "out of memory") : 0;
    if (rc == 0 && request->tree != NULL) {
        rc = prf_trees_take(&measuring->trees, request->tree, &side->inside->tree, err);
    }
    if (rc == 0 && side->inside->tree != NULL) {
        side->folder = side->inside->tree->folder;
        side->unbuildable = side->inside->tree->unbuildable;
        side->output = side->inside->tree->output;
    }
    if (rc == 0 && side->unbuildable == NULL) {
        rc = side_supervise(side, err);
    }
    if (rc < 0) {
        prf_measure_close(side);
        return rc;
    }
    side_describe(side, request);
    *out = side;
    return 0;
}

/* --- planning --------------------------------------------------------------------- */

static int
side_fail_file(struct prf_measure_side *side, size_t i, const char *reason,
               const char *traceback, bool usage, struct prf_error *err)
{
    struct prf_measure_failure *more =
        realloc(side->failures, (side->n_failures + 1) * sizeof *more);
    if (more == NULL) {
        return prf_fail(err, PRF_ENOMEM, "out of memory");
    }
    side->failures = more;
    more[side->n_failures++] = (struct prf_measure_failure){
        .node = side->inside->targets[i].node,
        .reason = side_text(side, "%s", reason == NULL ? "" : reason),
        .traceback = traceback == NULL ? NULL : side_text(side, "%s", traceback),
        .usage = usage,
    };
    return 0;
}

/* The profilers as this worker has them: the case file may register some. */
static int
side_choose(struct prf_measure_side *side, size_t i, const struct prf_profiler **chosen,
            struct prf_error *why)
{
    const struct prf_measure_setup *s = side->inside->measuring->setup;
    for (size_t k = 0; k < s->n_profilers; k++) {
        const char *name = s->profilers[k].name;
        chosen[k] = prf_profilers_find(&side->inside->engines[i].profilers, name);
        if (chosen[k] == NULL) {
            return prf_fail(why, PRF_EUNAVAILABLE, "there is no profiler '%s'", name);
        }
        if (!chosen[k]->available) {
            return prf_fail(why, PRF_EUNAVAILABLE, "profiler '%s' cannot work here: %s",
                            name, chosen[k]->why == NULL ? "" : chosen[k]->why);
        }
    }
    return 0;
}

static int
side_add_items(struct prf_measure_side *side, size_t i, struct prf_error *err)
{
    const struct prf_measure_setup *s = side->inside->measuring->setup;
    const struct prf_plan *plan = &side->inside->plans[i];
    struct prf_measure_item *more =
        realloc(side->items, (side->n_items + plan->n + 1) * sizeof *more);
    if (more == NULL) {
        return prf_fail(err, PRF_ENOMEM, "out of memory");
    }
    side->items = more;
    for (size_t k = 0; k < plan->n; k++) {
        const struct prf_item *item = &plan->items[k];
        const struct prf_measure_profiler *p = &s->profilers[k % s->n_profilers];
        char *text = json_dumps(p->options, JSON_COMPACT | JSON_SORT_KEYS);
        more[side->n_items++] = (struct prf_measure_item){
            .case_id = item->kase->id,
            .profiler = item->profiler->name,
            .skip = item->skip,
            .options = p->given == NULL ? p->options : p->given,
            .options_text = side_text(side, "%s", text == NULL ? "{}" : text),
            .kase = item->kase,
            .planned = item,
            .file = i,
        };
        free(text);
    }
    return 0;
}

static int
side_plan_cases(struct prf_measure_side *side, size_t i, struct prf_error *err)
{
    struct prf_measure_inside *in = side->inside;
    const struct prf_measure_setup *s = in->measuring->setup;
    struct prf_engine *engine = &in->engines[i];
    const struct prf_profiler **chosen = in->chosen + i * s->n_profilers;
    struct prf_error why = {0};
    for (const char **w = engine->file.warnings; w != NULL && *w != NULL; w++) {
        (void)prf_strlist_add(&side->warnings, *w);
    }
    int rc = prf_target_check(&in->targets[i], &engine->file, &why);
    bool usage = rc == PRF_EUSAGE;
    if (rc == 0) {
        rc = side_choose(side, i, chosen, &why);
    }
    if (rc < 0) {
        return side_fail_file(side, i, why.text, NULL, usage, err);
    }
    struct prf_plan_request request = {.target = &in->targets[i],
                                       .expression = s->keyword,
                                       .chosen = chosen,
                                       .n_chosen = s->n_profilers,
                                       .known = &engine->profilers};
    rc = prf_plan_build(&in->plans[i], &engine->file, &request, err);
    return rc < 0 ? rc : side_add_items(side, i, err);
}

static int
side_plan_file(struct prf_measure_side *side, size_t i, struct prf_error *err)
{
    struct prf_measure_inside *in = side->inside;
    struct prf_engine *engine = &in->engines[i];
    struct prf_error why = {0};
    int rc = prf_engine_start(engine, &in->sv, &why);
    if (rc == 0) {
        rc = prf_engine_import(engine, &in->targets[i], &why);
    }
    if (rc == PRF_EINTERRUPTED || rc == PRF_ENOMEM) {
        return prf_fail(err, rc, "%s", why.text);
    }
    if (rc < 0) {
        return side_fail_file(side, i, why.text, NULL, false, err);
    }
    if (engine->failed) {
        rc = side_fail_file(side, i, engine->failure.reason, engine->failure.traceback,
                            false, err);
    } else {
        rc = side_plan_cases(side, i, err);
    }
    /* The import has compiled what it needed; what is measured starts from there. */
    prf_engine_rest(engine);
    return rc;
}

static int
side_map_targets(struct prf_measure_side *side, struct prf_error *err)
{
    struct prf_measure_inside *in = side->inside;
    const struct prf_measure_setup *s = in->measuring->setup;
    size_t n = s->targets->n;
    in->targets = calloc(n + 1, sizeof *in->targets);
    in->engines = calloc(n + 1, sizeof *in->engines);
    in->plans = calloc(n + 1, sizeof *in->plans);
    in->chosen = calloc(n * s->n_profilers + 1, sizeof(struct prf_profiler *));
    if (in->targets == NULL || in->engines == NULL || in->plans == NULL ||
        in->chosen == NULL) {
        return prf_fail(err, PRF_ENOMEM, "out of memory");
    }
    for (size_t i = 0; i < n; i++) {
        in->targets[i] = s->targets->items[i];
        in->targets[i].path = side_move(side, s->targets->items[i].path);
    }
    return 0;
}

int
prf_measure_plan(struct prf_measure_side *side, struct prf_error *err)
{
    struct prf_measure_inside *in = side->inside;
    if (in->planned || side->unbuildable != NULL) {
        return 0;
    }
    in->planned = true;
    int rc = side_map_targets(side, err);
    for (size_t i = 0; rc == 0 && i < in->measuring->setup->targets->n; i++) {
        rc = side_plan_file(side, i, err);
    }
    return rc;
}

/* Does the case lie in the file? */
static bool
side_is_of(const char *case_id, const char *node)
{
    size_t n = strlen(node);
    return strncmp(case_id, node, n) == 0 && strncmp(case_id + n, "::", 2) == 0;
}

const struct prf_measure_item *
prf_measure_find(struct prf_measure_side *side, const char *case_id,
                 const char *profiler, const char **why)
{
    for (size_t i = 0; i < side->n_items; i++) {
        if (strcmp(side->items[i].case_id, case_id) == 0 &&
            strcmp(side->items[i].profiler, profiler) == 0) {
            return &side->items[i];
        }
    }
    if (why == NULL) {
        return NULL;
    }
    *why = side_text(side, "%s has no such case", side->name);
    if (side->unbuildable != NULL) {
        *why =
            side_text(side, "%s cannot be measured: %s", side->name, side->unbuildable);
    }
    for (size_t i = 0; i < side->n_failures; i++) {
        if (side_is_of(case_id, side->failures[i].node)) {
            *why = side_text(side, "at %s: %s", side->name, side->failures[i].reason);
        }
    }
    return NULL;
}

/* --- measuring -------------------------------------------------------------------- */

static int
side_store(struct prf_measure_side *side, const struct prf_result *result,
           struct prf_error *err)
{
    struct prf_measure_inside *in = side->inside;
    struct prf_store *store = in->measuring->setup->store;
    int rc = 0;
    if (store == NULL) {
        return 0;
    }
    if (!in->stored) {
        rc = prf_store_add_run(store, &side->run, err);
        in->stored = rc == 0;
    }
    return rc < 0 ? rc : prf_store_add_result(store, result, err);
}

int
prf_measure_run(struct prf_measure_side *side, const struct prf_measure_item *item,
                struct prf_measured *out, struct prf_error *err)
{
    struct prf_measure_inside *in = side->inside;
    int rc = prf_engine_run(&in->engines[item->file], item->planned, item->options, out,
                            err);
    if (rc < 0) {
        return rc;
    }
    struct prf_result *result = &out->result;
    result->id = prf_result_new_id(&result->arena);
    result->run_id = prf_arena_strdup(&result->arena, side->run.id);
    /* how long we measure is no setting of the user's: others compare with it */
    result->options = prf_arena_strdup(&result->arena, item->options_text);
    /* the case is the user's: the checkout will be gone */
    result->case_file = side_moved(&result->arena, result->case_file, side->folder,
                                   in->measuring->setup->root);
    return side_store(side, result, err);
}

int
prf_measure_note(struct prf_measure_side *side, const struct prf_measure_item *like,
                 enum prf_status status, const char *reason, struct prf_error *err)
{
    struct prf_result result = {.status = status,
                                .case_id = like->case_id,
                                .case_hash = like->kase->hash,
                                .case_line = like->kase->line,
                                .profiler = like->profiler,
                                .options = like->options_text,
                                .reason = reason,
                                .output = side->output,
                                .started_ns = prf_wall_ns(),
                                .duration_ns = -1,
                                .run_id = side->run.id};
    result.id = prf_result_new_id(&result.arena);
    int rc = result.id == NULL ? prf_fail(err, PRF_ENOMEM, "out of memory")
                               : side_store(side, &result, err);
    prf_result_release(&result);
    return rc;
}

/* --- the end ---------------------------------------------------------------------- */

static void
side_finish_run(struct prf_measure_side *side)
{
    struct prf_measure_inside *in = side->inside;
    struct prf_error ignored = {0};
    if (in->stored) {
        side->run.duration_ns = prf_wall_ns() - side->run.started_ns;
        prf_store_finish_run(in->measuring->setup->store, side->run.id,
                             side->run.duration_ns, &ignored);
    }
}

void
prf_measure_close(struct prf_measure_side *side)
{
    if (side == NULL) {
        return;
    }
    struct prf_measure_inside *in = side->inside;
    side_finish_run(side);
    for (size_t i = 0; in->targets != NULL && i < in->measuring->setup->targets->n;
         i++) {
        prf_plan_release(&in->plans[i]);
        prf_engine_close(&in->engines[i]);
    }
    if (in->tree != NULL) {
        prf_trees_give(&in->measuring->trees, in->tree);
    }
    free(in->targets);
    free(in->engines);
    free(in->plans);
    free(in->chosen);
    free(side->items);
    free(side->failures);
    prf_strlist_release(&side->warnings);
    prf_run_release(&side->run);
    prf_arena_release(&in->arena);
    free(in);
    free(side);
}
