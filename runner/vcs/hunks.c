/* What changed between two trees, hunk by hunk; see vcs.h. The work tree becomes a tree
   in memory first, so that it is seen as everywhere else. */
#include "vcs.h"

#include <string.h>

#include <git2.h>
#include <git2/sys/mempack.h>
#include <git2/sys/odb_backend.h>

#include "repository.h"
#include "worktree.h"

#define RENAME_LIMIT 1000 /* as git's diff.renameLimit */

struct hunks {
    git_repository *repo;
    struct prf_arena *arena;
    struct prf_hunks *out;
    size_t room;
    struct prf_error *err;
};

static int
hunks_fail(const struct hunks *h, const char *what)
{
    return prf_fail(h->err, PRF_EVCS, "cannot %s ('git fsck'): %s", what,
                    prf_worktree_why());
}

static int
hunks_out_of_memory(const struct hunks *h)
{
    return prf_fail(h->err, PRF_ENOMEM, "out of memory");
}

/* New objects go into memory: that backend has the highest priority. */
static int
hunks_add_memory(const struct hunks *h, git_odb **out)
{
    git_odb_backend *memory = NULL;
    if (git_repository_odb(out, h->repo) < 0 || git_mempack_new(&memory) < 0) {
        return hunks_fail(h, "compare the work tree");
    }
    if (git_odb_add_backend(*out, memory, 1000) < 0) {
        memory->free(memory);
        return hunks_fail(h, "compare the work tree");
    }
    return 0;
}

static int
hunks_work_tree(const struct hunks *h, git_tree **out)
{
    struct prf_strbuf note = PRF_STRBUF_INIT;
    git_odb *odb = NULL;
    git_oid id;
    int rc = 0;
    if (git_repository_workdir(h->repo) == NULL) {
        return prf_fail(h->err, PRF_EVCS, "a bare repository has no work tree");
    }
    rc = hunks_add_memory(h, &odb);
    int found = rc < 0 ? rc : prf_worktree_tree(h->repo, odb, &id, &note);
    if (rc == 0 && (found == PRF_ENOMEM || note.failed)) {
        rc = hunks_out_of_memory(h);
    } else if (rc == 0 && (found < 0 || found == PRF_WORKTREE_UNKNOWN)) {
        rc = prf_fail(h->err, PRF_EVCS, "cannot compare the work tree: %s",
                      prf_strbuf_text(&note));
    } else if (rc == 0 && git_tree_lookup(out, h->repo, &id) < 0) {
        rc = hunks_fail(h, "compare the work tree");
    }
    prf_strbuf_release(&note);
    git_odb_free(odb);
    return rc;
}

static int
hunks_diff(const struct hunks *h, git_tree *base, git_tree *next, git_diff **out)
{
    git_diff_options options = GIT_DIFF_OPTIONS_INIT;
    git_diff_find_options renames = GIT_DIFF_FIND_OPTIONS_INIT;
    options.flags = GIT_DIFF_INDENT_HEURISTIC;
    options.context_lines = 0;
    options.interhunk_lines = 0;
    renames.flags = GIT_DIFF_FIND_RENAMES;
    renames.rename_limit = RENAME_LIMIT;
    return git_diff_tree_to_tree(out, h->repo, base, next, &options) < 0 ||
                   git_diff_find_similar(*out, &renames) < 0
               ? hunks_fail(h, "compare the two trees")
               : 0;
}

/* Its place in the array, NULL when there is no memory. The arena keeps what was there
   before; doubling makes that no more than as much again. */
static struct prf_hunk *
hunks_next(struct hunks *h)
{
    if (h->out->n == h->room) {
        size_t room = h->room == 0 ? 64 : h->room * 2;
        struct prf_hunk *grown = prf_arena_alloc(h->arena, room * sizeof *grown);
        if (grown == NULL) {
            return NULL;
        }
        if (h->out->n > 0) {
            memcpy(grown, h->out->items, h->out->n * sizeof *grown);
        }
        h->out->items = grown;
        h->room = room;
    }
    return &h->out->items[h->out->n];
}

/* A line without its mark is the one on a missing newline, whose text says it all. */
static void
hunks_add_line(struct prf_strbuf *text, const git_diff_line *line)
{
    if (line->origin == GIT_DIFF_LINE_ADDITION ||
        line->origin == GIT_DIFF_LINE_DELETION ||
        line->origin == GIT_DIFF_LINE_CONTEXT) {
        prf_strbuf_addc(text, line->origin);
    }
    prf_strbuf_add(text, line->content, line->content_len);
}

static const char *
hunks_text(const struct hunks *h, git_patch *patch, size_t at,
           const git_diff_hunk *hunk)
{
    struct prf_strbuf text = PRF_STRBUF_INIT;
    const git_diff_line *line = NULL;
    prf_strbuf_add(&text, hunk->header, hunk->header_len);
    int n = git_patch_num_lines_in_hunk(patch, at);
    for (int i = 0; i < n; i++) {
        if (git_patch_get_line_in_hunk(&line, patch, at, (size_t)i) == 0) {
            hunks_add_line(&text, line);
        }
    }
    const char *copy =
        text.failed ? NULL
                    : prf_arena_strndup(h->arena, prf_strbuf_text(&text), text.len);
    prf_strbuf_release(&text);
    return copy;
}

static int
hunks_add(struct hunks *h, git_patch *patch, const char *old_file, const char *new_file)
{
    const git_diff_hunk *hunk = NULL;
    size_t n = git_patch_num_hunks(patch);
    for (size_t i = 0; i < n; i++) {
        struct prf_hunk *to = hunks_next(h);
        if (git_patch_get_hunk(&hunk, NULL, patch, i) < 0) {
            return hunks_fail(h, "compare the two trees");
        }
        const char *text = to == NULL ? NULL : hunks_text(h, patch, i, hunk);
        if (text == NULL) {
            return hunks_out_of_memory(h);
        }
        *to = (struct prf_hunk){.old_file = old_file,
                                .new_file = new_file,
                                .old_start = hunk->old_start,
                                .old_lines = hunk->old_lines,
                                .new_start = hunk->new_start,
                                .new_lines = hunk->new_lines,
                                .text = text};
        h->out->n++;
    }
    return 0;
}

/* Without lines: who follows lines through the diff has to know. */
static int
hunks_add_renamed(struct hunks *h, const char *old_file, const char *new_file)
{
    struct prf_hunk *to = hunks_next(h);
    if (to == NULL) {
        return hunks_out_of_memory(h);
    }
    *to = (struct prf_hunk){.old_file = old_file, .new_file = new_file, .text = ""};
    h->out->n++;
    return 0;
}

static int
hunks_file(struct hunks *h, git_diff *diff, size_t at)
{
    const git_diff_delta *delta = git_diff_get_delta(diff, at);
    git_patch *patch = NULL;
    const char *old_file = NULL;
    const char *new_file = NULL;
    if (delta->status != GIT_DELTA_ADDED &&
        (old_file = prf_arena_strdup(h->arena, delta->old_file.path)) == NULL) {
        return hunks_out_of_memory(h);
    }
    if (delta->status != GIT_DELTA_DELETED &&
        (new_file = prf_arena_strdup(h->arena, delta->new_file.path)) == NULL) {
        return hunks_out_of_memory(h);
    }
    if (git_patch_from_diff(&patch, diff, at) < 0) {
        return hunks_fail(h, "compare the two trees");
    }
    int rc = patch == NULL ? 0 : hunks_add(h, patch, old_file, new_file);
    if (rc == 0 && delta->status == GIT_DELTA_RENAMED &&
        (patch == NULL || git_patch_num_hunks(patch) == 0)) {
        rc = hunks_add_renamed(h, old_file, new_file);
    }
    git_patch_free(patch);
    return rc;
}

int
prf_vcs_hunks(const char *path, const char *objects, const char *base, const char *next,
              struct prf_arena *arena, struct prf_hunks *out, struct prf_error *err)
{
    struct hunks h = {.arena = arena, .out = out, .err = err};
    git_tree *old_tree = NULL;
    git_tree *new_tree = NULL;
    git_diff *diff = NULL;
    int rc;
    *out = (struct prf_hunks){0};
    if ((rc = prf_repository_open(path, &h.repo, err)) == 0 &&
        (rc = prf_repository_add_objects(h.repo, objects, err)) == 0 &&
        (rc = prf_repository_tree(h.repo, base, &old_tree, err)) == 0 &&
        (rc = next == NULL ? hunks_work_tree(&h, &new_tree)
                           : prf_repository_tree(h.repo, next, &new_tree, err)) == 0) {
        rc = hunks_diff(&h, old_tree, new_tree, &diff);
    }
    size_t n = rc < 0 ? 0 : git_diff_num_deltas(diff);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        rc = hunks_file(&h, diff, i);
    }
    git_diff_free(diff);
    git_tree_free(old_tree);
    git_tree_free(new_tree);
    prf_repository_close(h.repo);
    return rc;
}
