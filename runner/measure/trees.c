/* Checkouts of trees; see trees.h. */
#include "trees.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "build.h"
#include "captured.h"
#include "overlay.h"
#include "path.h"
#include "vcs.h"

#define TREES_MEMORY "/dev/shm"
#define TREES_ROOM_BYTES (512ULL << 20)
#define TREES_ROOM_VENV_BYTES (2ULL << 30)

void
prf_trees_init(struct prf_trees *trees, const struct prf_measure_setup *setup)
{
    *trees = (struct prf_trees){.setup = setup, .base = {.lock = -1}};
}

/* --- where ----------------------------------------------------------------------- */

/* Memory, when there is enough of it for some checkouts and built extensions can be
   loaded from there. */
static bool
trees_fit(const char *folder, const struct prf_measure_setup *setup)
{
    struct statvfs fs;
    unsigned long long need =
        setup->venv || setup->build != NULL ? TREES_ROOM_VENV_BYTES : TREES_ROOM_BYTES;
    return statvfs(folder, &fs) == 0 && access(folder, W_OK | X_OK) == 0 &&
           (fs.f_flag & (ST_NOEXEC | ST_RDONLY)) == 0 &&
           (unsigned long long)fs.f_bavail * fs.f_frsize >= need;
}

/* $TMPDIR is what the user chose; kept trees should survive the next boot. */
static const char *
trees_parent(const struct prf_trees *trees)
{
    const char *tmp = getenv("TMPDIR");
    if (tmp != NULL && *tmp != '\0' && access(tmp, W_OK | X_OK) == 0) {
        return tmp;
    }
    bool memory = !trees->on_disk && !trees->setup->keep_trees &&
                  trees_fit(TREES_MEMORY, trees->setup);
    return memory ? TREES_MEMORY : "/tmp";
}

/* A kept one is to stay. */
static int
trees_open_base(struct prf_trees *trees, struct prf_error *err)
{
    trees->base.lock = trees->setup->keep_trees ? PRF_TEMPDIR_UNLOCKED : -1;
    return prf_tempdir_open(&trees->base, trees_parent(trees), PRF_MEASURE_TREES, err);
}

/* --- one tree -------------------------------------------------------------------- */

static void
tree_free(struct prf_checkout *tree)
{
    if (tree == NULL) {
        return;
    }
    free(tree->place);
    free(tree->folder);
    free(tree->venv);
    free(tree->unbuildable);
    free(tree->output);
    free(tree);
}

static struct prf_checkout *
tree_new(struct prf_trees *trees, const char *id)
{
    struct prf_checkout *tree = calloc(1, sizeof *tree);
    char number[16];
    snprintf(number, sizeof number, "%04u", ++trees->n_made);
    if (tree == NULL) {
        return NULL;
    }
    snprintf(tree->id, sizeof tree->id, "%s", id);
    tree->place = prf_path_join(trees->base.path, number);
    const char *name = prf_path_basename(trees->setup->root);
    if (tree->place != NULL) {
        tree->folder = prf_path_join(tree->place, *name == '\0' ? "root" : name);
    }
    if (tree->folder == NULL) {
        tree_free(tree);
        return NULL;
    }
    return tree;
}

static bool
tree_is_whole(const struct prf_measure_setup *setup, const char *path)
{
    for (size_t i = 0; setup->folders != NULL && i < setup->folders->n; i++) {
        const char *folder = setup->folders->items[i];
        size_t n = strlen(folder), m = strlen(setup->root);
        bool within = strncmp(path, folder, n) == 0 && path[n] == '/';
        bool below_root = strncmp(folder, setup->root, m) == 0 && folder[m] == '/';
        if (within && below_root) {
            return true;
        }
    }
    return false;
}

/* The cases of today. A folder that holds the whole repository would bring today's code
   as well: of it only the case files are taken. */
static int
tree_lay_over(const struct prf_trees *trees, const struct prf_checkout *tree,
              struct prf_error *err)
{
    const struct prf_measure_setup *s = trees->setup;
    int rc = 0;
    for (size_t i = 0; rc == 0 && s->folders != NULL && i < s->folders->n; i++) {
        rc = prf_overlay_path(s->root, s->folders->items[i], tree->folder, err);
    }
    for (size_t i = 0; rc == 0 && i < s->targets->n; i++) {
        const char *path = s->targets->items[i].path;
        if (path != NULL && !tree_is_whole(s, path)) {
            rc = prf_overlay_case_file(s->root, path, tree->folder, err);
        }
    }
    for (size_t i = 0; rc == 0 && s->overlay != NULL && i < s->overlay->n; i++) {
        rc = prf_overlay_path(s->root, s->overlay->items[i], tree->folder, err);
    }
    return rc;
}

static int
tree_mark(struct prf_checkout *tree, const char *doing, const struct prf_error *why,
          struct prf_error *err)
{
    char *text = NULL;
    if (asprintf(&text, "%s: %s", doing, why->text) < 0) {
        return prf_fail(err, PRF_ENOMEM, "out of memory");
    }
    tree->unbuildable = text;
    return 0;
}

static int
tree_checkout(struct prf_trees *trees, struct prf_checkout *tree, struct prf_error *err)
{
    const struct prf_measure_setup *s = trees->setup;
    struct prf_error why = {0};
    if (mkdir(tree->place, 0700) < 0) {
        return prf_fail(err, PRF_EIO, "cannot make '%s': %s", tree->place,
                        strerror(errno));
    }
    int rc = prf_vcs_checkout(s->root, s->objects, tree->id, tree->folder, &why);
    if (rc == PRF_EVCS || rc == PRF_ENOTFOUND) {
        return tree_mark(tree, "it cannot be checked out", &why, err);
    }
    return rc < 0 ? prf_fail(err, rc, "%s", why.text) : tree_lay_over(trees, tree, err);
}

static int
tree_make_venv(const struct prf_trees *trees, struct prf_checkout *tree,
               const char *log, struct prf_error *err)
{
    const struct prf_measure_setup *s = trees->setup;
    tree->venv = prf_path_join(tree->place, "venv");
    const char *const argv[] = {s->sv.executable,
                                "-m",
                                "venv",
                                tree->venv,
                                s->system_site_packages ? "--system-site-packages"
                                                        : NULL,
                                NULL};
    const struct prf_build build = {.argv = argv,
                                    .cwd = tree->place,
                                    .ceiling = trees->base.path,
                                    .log = log,
                                    .timeout_ns = s->build_timeout_ns};
    return tree->venv == NULL ? prf_fail(err, PRF_ENOMEM, "out of memory")
                              : prf_build_run(&build, err);
}

static int
tree_run_build(const struct prf_trees *trees, const struct prf_checkout *tree,
               const char *log, struct prf_error *err)
{
    const struct prf_measure_setup *s = trees->setup;
    const char *const argv[] = {"/bin/sh", "-c", s->build, NULL};
    const struct prf_build build = {.argv = argv,
                                    .cwd = tree->folder,
                                    .venv = tree->venv,
                                    .python = s->sv.executable,
                                    .ceiling = trees->base.path,
                                    .log = log,
                                    .timeout_ns = s->build_timeout_ns};
    return prf_build_run(&build, err);
}

static int
tree_keep_output(struct prf_checkout *tree, const char *log, struct prf_error *err)
{
    struct prf_arena arena = {0};
    bool cut;
    const char *text = prf_captured_read(&arena, log, &cut);
    if (*text != '\0') {
        tree->output = strdup(text);
    }
    int rc = *text != '\0' && tree->output == NULL
                 ? prf_fail(err, PRF_ENOMEM, "out of memory")
                 : 0;
    prf_arena_release(&arena);
    return rc;
}

static int
tree_build(const struct prf_trees *trees, struct prf_checkout *tree,
           struct prf_error *err)
{
    const struct prf_measure_setup *s = trees->setup;
    struct prf_error why = {0};
    const char *doing = "the venv cannot be made";
    char *log = prf_path_join(tree->place, "build.log");
    int rc = log == NULL ? prf_fail(&why, PRF_ENOMEM, "out of memory") : 0;
    if (rc == 0 && s->venv) {
        rc = tree_make_venv(trees, tree, log, &why);
    }
    if (rc == 0 && s->build != NULL) {
        doing = "the build failed";
        rc = tree_run_build(trees, tree, log, &why);
    }
    if (rc == PRF_EUNAVAILABLE) {
        rc = tree_mark(tree, doing, &why, err);
    } else if (rc < 0) {
        prf_fail(err, rc, "%s", why.text);
    }
    if (rc == 0) {
        rc = tree_keep_output(tree, log, err);
    }
    free(log);
    return rc;
}

/* --- all of them ----------------------------------------------------------------- */

static struct prf_checkout *
trees_find(struct prf_trees *trees, const char *id)
{
    for (size_t i = 0; i < trees->n; i++) {
        if (strcmp(trees->items[i]->id, id) == 0) {
            return trees->items[i];
        }
    }
    return NULL;
}

static int
trees_add(struct prf_trees *trees, struct prf_checkout *tree, struct prf_error *err)
{
    struct prf_checkout **more = realloc(trees->items, (trees->n + 1) * sizeof *more);
    if (more == NULL) {
        return prf_fail(err, PRF_ENOMEM, "out of memory");
    }
    trees->items = more;
    trees->items[trees->n++] = tree;
    return 0;
}

static void
trees_remove_files(const struct prf_trees *trees, struct prf_checkout *tree)
{
    if (tree->place != NULL && !trees->setup->keep_trees) {
        prf_path_remove_tree(tree->place);
    }
}

/* Nothing of a tree that cannot be built is looked at again but why. */
static int
trees_make(struct prf_trees *trees, const char *id, struct prf_checkout **out,
           struct prf_error *err)
{
    int rc = trees->base.path == NULL ? trees_open_base(trees, err) : 0;
    struct prf_checkout *tree = rc < 0 ? NULL : tree_new(trees, id);
    if (tree == NULL) {
        return rc < 0 ? rc : prf_fail(err, PRF_ENOMEM, "out of memory");
    }
    rc = tree_checkout(trees, tree, err);
    if (rc == 0 && tree->unbuildable == NULL) {
        rc = tree_build(trees, tree, err);
    }
    if (rc == 0) {
        rc = trees_add(trees, tree, err);
    }
    if (rc < 0 || tree->unbuildable != NULL) {
        trees_remove_files(trees, tree);
    }
    if (rc < 0) {
        tree_free(tree);
        return rc;
    }
    *out = tree;
    return 0;
}

/* Memory that was too small after all: the next ones go to the disk. */
static bool
trees_move_to_disk(struct prf_trees *trees)
{
    bool memory = trees->base.path != NULL &&
                  strncmp(trees->base.path, TREES_MEMORY "/", sizeof TREES_MEMORY) == 0;
    struct statvfs fs;
    if (!memory || trees->on_disk || statvfs(trees->base.path, &fs) < 0 ||
        (fs.f_bavail > 64 && fs.f_favail > 64)) {
        return false;
    }
    for (size_t i = 0; i < trees->n; i++) {
        if (trees->items[i]->n_users > 0) {
            return false;
        }
    }
    prf_trees_release(trees);
    trees->on_disk = true;
    return true;
}

int
prf_trees_take(struct prf_trees *trees, const char *id, struct prf_checkout **out,
               struct prf_error *err)
{
    struct prf_error why = {0};
    struct prf_checkout *tree = trees_find(trees, id);
    int rc = tree == NULL ? trees_make(trees, id, &tree, &why) : 0;
    if (rc == PRF_EIO && trees_move_to_disk(trees)) {
        prf_error_clear(&why);
        rc = trees_make(trees, id, &tree, &why);
    }
    if (rc < 0) {
        return prf_fail(err, rc, "%s", why.text);
    }
    tree->n_users++;
    tree->used = ++trees->clock;
    *out = tree;
    return 0;
}

/* The unused checkout that was used longest ago, when there are too many. */
static size_t
trees_oldest(const struct prf_trees *trees)
{
    size_t n = 0, oldest = trees->n;
    for (size_t i = 0; i < trees->n; i++) {
        const struct prf_checkout *tree = trees->items[i];
        if (tree->unbuildable != NULL || tree->n_users > 0) {
            continue;
        }
        n++;
        if (oldest == trees->n || tree->used < trees->items[oldest]->used) {
            oldest = i;
        }
    }
    return n > trees->setup->max_trees ? oldest : trees->n;
}

void
prf_trees_give(struct prf_trees *trees, struct prf_checkout *tree)
{
    tree->n_users--;
    size_t i = trees_oldest(trees);
    if (i < trees->n) {
        trees_remove_files(trees, trees->items[i]);
        tree_free(trees->items[i]);
        trees->items[i] = trees->items[--trees->n];
    }
}

void
prf_trees_release(struct prf_trees *trees)
{
    for (size_t i = 0; i < trees->n; i++) {
        tree_free(trees->items[i]);
    }
    free(trees->items);
    if (trees->setup != NULL && trees->setup->keep_trees) {
        prf_tempdir_release(&trees->base);
    } else {
        prf_tempdir_remove(&trees->base);
    }
    trees->items = NULL;
    trees->n = 0;
}
