/* Opening and naming; see repository.h. */
#include "repository.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "path.h"
#include "worktree.h"

char *
prf_repository_folder(const char *path)
{
    struct stat st;
    if (stat(path, &st) < 0) {
        return NULL;
    }
    char *absolute = prf_path_absolute(path);
    if (absolute == NULL || S_ISDIR(st.st_mode)) {
        return absolute;
    }
    char *folder = prf_path_dirname(absolute);
    free(absolute);
    return folder;
}

/* The folder at or above `folder` with a .git in it, or NULL. */
static char *
repository_find_dot_git(const char *folder)
{
    char *at = strdup(folder);
    while (at != NULL) {
        char *dot_git = prf_path_join(at, ".git");
        bool found = dot_git != NULL && prf_path_exists(dot_git);
        free(dot_git);
        if (found) {
            return at;
        }
        char *up = prf_path_dirname(at);
        bool top = up == NULL || strcmp(up, at) == 0;
        free(at);
        at = up;
        if (top) {
            break;
        }
    }
    free(at);
    return NULL;
}

/* Why no repository could be opened, and what to do. */
static void
repository_note_closed(struct prf_strbuf *note, const char *folder, int code)
{
    const git_error *error = git_error_last();
    bool owner = code == GIT_EOWNER || (code == GIT_ENOTFOUND && error != NULL &&
                                        error->klass == GIT_ERROR_CONFIG);
    char *root = repository_find_dot_git(folder);
    if (owner) {
        const char *name = root == NULL ? folder : root;
        prf_worktree_note(note,
                          "the repository '%s' belongs to another user: 'git config"
                          " --global --add safe.directory %s' makes it readable",
                          name, name);
    } else if (code == GIT_ENOTFOUND && root == NULL) {
        prf_worktree_note(note, "no git repository holds '%s': 'git init' makes one",
                          folder);
    } else if (code == GIT_ENOTFOUND) {
        prf_worktree_note(
            note, "'%s/.git' is damaged or no repository: see 'git status'", root);
    } else {
        prf_worktree_note(note, "cannot read the repository of '%s': %s", folder,
                          prf_worktree_why());
    }
    free(root);
}

int
prf_repository_open_noted(const char *folder, git_repository **out,
                          struct prf_strbuf *note)
{
    int code = git_repository_open_ext(out, folder, 0, NULL);
    if (code < 0) {
        repository_note_closed(note, folder, code);
    }
    return code;
}

int
prf_repository_open(const char *path, git_repository **out, struct prf_error *err)
{
    struct prf_strbuf note = PRF_STRBUF_INIT;
    char *folder = prf_repository_folder(path);
    int rc = 0;
    *out = NULL;
    git_libgit2_init();
    if (folder == NULL) {
        rc = prf_fail(err, PRF_EVCS, "cannot look for a repository at '%s': %s", path,
                      strerror(errno));
    } else if (prf_repository_open_noted(folder, out, &note) < 0) {
        rc = prf_fail(err, PRF_EVCS, "%s", prf_strbuf_text(&note));
    }
    prf_strbuf_release(&note);
    free(folder);
    return rc;
}

void
prf_repository_close(git_repository *repo)
{
    git_repository_free(repo);
    git_libgit2_shutdown();
}

int
prf_repository_add_objects(git_repository *repo, const char *objects,
                           struct prf_error *err)
{
    git_odb *odb = NULL;
    int rc = 0;
    if (objects == NULL || !prf_path_is_dir(objects)) {
        return 0; /* nothing was kept yet */
    }
    if (git_repository_odb(&odb, repo) < 0 ||
        git_odb_add_disk_alternate(odb, objects) < 0) {
        rc = prf_fail(err, PRF_EVCS, "cannot read the objects in '%s': %s", objects,
                      prf_worktree_why());
    }
    git_odb_free(odb);
    return rc;
}

const char *
prf_repository_shallow(git_repository *repo)
{
    return git_repository_is_shallow(repo) == 1
               ? ", in this shallow clone ('git fetch --unshallow')"
               : "";
}

static int
repository_fail(git_repository *repo, const char *revision, const char *kind, int code,
                struct prf_error *err)
{
    if (code == GIT_ENOTFOUND && git_repository_head_unborn(repo) == 1) {
        return prf_fail(err, PRF_ENOTFOUND,
                        "no %s is called '%s': the repository has no commit yet", kind,
                        revision);
    }
    if (code == GIT_ENOTFOUND) {
        return prf_fail(err, PRF_ENOTFOUND, "no %s is called '%s'%s", kind, revision,
                        prf_repository_shallow(repo));
    }
    if (code == GIT_EAMBIGUOUS) {
        return prf_fail(err, PRF_ENOTFOUND,
                        "'%s' may be several commits: give more of its id", revision);
    }
    if (code == GIT_EINVALIDSPEC || code == GIT_EPEEL) {
        return prf_fail(err, PRF_ENOTFOUND, "'%s' does not name a %s", revision, kind);
    }
    return prf_fail(err, PRF_EVCS, "cannot find '%s': %s", revision,
                    prf_worktree_why());
}

static int
repository_peel(git_repository *repo, const char *revision, git_object_t type,
                git_object **out, struct prf_error *err)
{
    git_object *object = NULL;
    int code = git_revparse_single(&object, repo, revision);
    if (code == 0) {
        code = git_object_peel(out, object, type);
    }
    git_object_free(object);
    return code == 0
               ? 0
               : repository_fail(repo, revision,
                                 type == GIT_OBJECT_TREE ? "commit or tree" : "commit",
                                 code, err);
}

int
prf_repository_commit(git_repository *repo, const char *revision, git_commit **out,
                      struct prf_error *err)
{
    return repository_peel(repo, revision, GIT_OBJECT_COMMIT, (git_object **)out, err);
}

int
prf_repository_tree(git_repository *repo, const char *revision, git_tree **out,
                    struct prf_error *err)
{
    return repository_peel(repo, revision, GIT_OBJECT_TREE, (git_object **)out, err);
}
