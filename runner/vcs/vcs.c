/* The repository around a path; see vcs.h. Every failure of the repository's becomes a
   note, since a measurement is worth keeping without its commit too. */
#include "vcs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <git2.h>

#include "repository.h"
#include "worktree.h"

struct describe {
    git_repository *repo;
    struct prf_arena *arena;
    struct prf_commit *out;
    struct prf_strbuf note;
    git_oid head_tree;
    bool has_head_tree;
    bool failed; /* no memory */
};

static const char *
describe_copy(struct describe *d, const char *text)
{
    const char *copy = prf_arena_strdup(d->arena, text);
    d->failed = d->failed || copy == NULL;
    return copy;
}

static const char *
describe_hex(struct describe *d, const git_oid *id)
{
    char hex[GIT_OID_HEXSZ + 1];
    return describe_copy(d, git_oid_tostr(hex, sizeof hex, id));
}

static void
describe_unborn(struct describe *d)
{
    git_reference *head = NULL;
    if (git_reference_lookup(&head, d->repo, "HEAD") == 0 &&
        git_reference_type(head) == GIT_REFERENCE_SYMBOLIC) {
        const char *target = git_reference_symbolic_target(head);
        size_t skip = strncmp(target, "refs/heads/", 11) == 0 ? 11 : 0;
        d->out->branch = describe_copy(d, target + skip);
    }
    git_reference_free(head);
    prf_worktree_note(&d->note, "the repository has no commit yet");
}

static void
describe_commit(struct describe *d, const git_oid *id)
{
    git_commit *commit = NULL;
    d->out->id = describe_hex(d, id);
    if (git_commit_lookup(&commit, d->repo, id) < 0) {
        prf_worktree_note(&d->note,
                          "commit %.12s is missing or damaged ('git fsck'): %s",
                          d->out->id == NULL ? "" : d->out->id, prf_worktree_why());
        return;
    }
    const git_signature *author = git_commit_author(commit);
    d->out->author_time = author == NULL ? 0 : author->when.time;
    git_oid_cpy(&d->head_tree, git_commit_tree_id(commit));
    d->has_head_tree = true;
    git_commit_free(commit);
}

static void
describe_head(struct describe *d)
{
    git_reference *head = NULL;
    int code = git_repository_head(&head, d->repo);
    if (code == GIT_EUNBORNBRANCH) {
        describe_unborn(d);
    } else if (code < 0) {
        prf_worktree_note(&d->note, "HEAD cannot be read ('git fsck'): %s",
                          prf_worktree_why());
    } else {
        if (git_reference_is_branch(head)) {
            d->out->branch = describe_copy(d, git_reference_shorthand(head));
        }
        describe_commit(d, git_reference_target(head));
    }
    git_reference_free(head);
}

static void
describe_root(struct describe *d)
{
    const char *root = git_repository_workdir(d->repo);
    size_t len = root == NULL ? 0 : strlen(root);
    if (root == NULL) {
        prf_worktree_note(&d->note, "a bare repository: it has no work tree");
        return;
    }
    len -= len > 1 && root[len - 1] == '/';
    d->out->root = prf_arena_strndup(d->arena, root, len);
    d->failed = d->failed || d->out->root == NULL;
}

static int
describe_tree(struct describe *d)
{
    git_oid tree;
    if (git_repository_workdir(d->repo) == NULL) {
        if (d->has_head_tree) {
            d->out->tree = describe_hex(d, &d->head_tree);
        }
        return 0;
    }
    int found = prf_worktree_tree(d->repo, NULL, &tree, &d->note);
    if (found < 0) {
        return found;
    }
    /* Unknown counts as dirty: what was measured must not pass for the commit. */
    d->out->dirty = found != PRF_WORKTREE_KNOWN || !d->has_head_tree ||
                    !git_oid_equal(&tree, &d->head_tree);
    if (found != PRF_WORKTREE_UNKNOWN) {
        d->out->tree = describe_hex(d, &tree);
    }
    return 0;
}

static int
describe_repository(struct describe *d)
{
    describe_root(d);
    describe_head(d);
    if (git_repository_is_shallow(d->repo) == 1) {
        prf_worktree_note(&d->note, "a shallow clone: older commits are missing until"
                                    " 'git fetch --unshallow'");
    }
    return describe_tree(d);
}

int
prf_vcs_describe(const char *path, struct prf_arena *arena, struct prf_commit *out,
                 struct prf_error *err)
{
    struct describe d = {.arena = arena, .out = out};
    char *folder = prf_repository_folder(path);
    int rc = 0;
    *out = (struct prf_commit){0};
    git_libgit2_init();
    if (folder == NULL) {
        prf_worktree_note(&d.note, "cannot look for a repository at '%s': %s", path,
                          strerror(errno));
    } else if (prf_repository_open_noted(folder, &d.repo, &d.note) == 0) {
        rc = describe_repository(&d);
    }
    if (d.note.len > 0) {
        out->note = describe_copy(&d, d.note.data);
    }
    if (rc < 0 || d.failed || d.note.failed) {
        rc = prf_fail(err, PRF_ENOMEM, "out of memory");
    }
    prf_strbuf_release(&d.note);
    git_repository_free(d.repo);
    git_libgit2_shutdown();
    free(folder);
    return rc;
}

int
prf_vcs_resolve(const char *path, const char *revision, char out[41],
                struct prf_error *err)
{
    git_repository *repo = NULL;
    git_commit *commit = NULL;
    int rc = prf_repository_open(path, &repo, err);
    if (rc == 0) {
        rc = prf_repository_commit(repo, revision, &commit, err);
    }
    if (rc == 0) {
        git_oid_tostr(out, GIT_OID_HEXSZ + 1, git_commit_id(commit));
    }
    git_commit_free(commit);
    prf_repository_close(repo);
    return rc;
}

const char *
prf_vcs_library(void)
{
    static char version[32];
    int major;
    int minor;
    int patch;
    git_libgit2_version(&major, &minor, &patch);
    snprintf(version, sizeof version, "%d.%d.%d", major, minor, patch);
    return version;
}
