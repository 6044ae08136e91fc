/* A dirty tree put aside, into an object folder of ours; see vcs.h. */
#include "vcs.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <git2.h>
#include <git2/sys/odb_backend.h>

#include "path.h"
#include "repository.h"
#include "worktree.h"

/* A store may lie in a folder that git sees: what is kept is no change of the tree. */
static void
keep_hide(const char *objects)
{
    char *ignore = prf_path_join(objects, ".gitignore");
    int fd = ignore == NULL
                 ? -1
                 : open(ignore, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd >= 0) {
        if (write(fd, "*\n", 2) != 2) {
            unlink(ignore);
        }
        close(fd);
    }
    free(ignore);
}

/* An object database of that folder alone: nothing in it leads to the repository. */
static int
keep_open(const char *objects, git_odb **out, struct prf_error *err)
{
    git_odb_backend *backend = NULL;
    int rc = prf_path_mkdirs(objects, err);
    if (rc < 0) {
        return rc;
    }
    keep_hide(objects);
    if (git_odb_new(out) < 0 ||
        git_odb_backend_loose(&backend, objects, -1, 0, 0, 0) < 0) {
        return prf_fail(err, PRF_EIO, "cannot open the objects in '%s': %s", objects,
                        prf_worktree_why());
    }
    if (git_odb_add_backend(*out, backend, 1) < 0) {
        backend->free(backend);
        return prf_fail(err, PRF_EIO, "cannot open the objects in '%s': %s", objects,
                        prf_worktree_why());
    }
    return 0;
}

static int
keep_write(git_repository *repo, git_odb *objects, const char *path, char out[41],
           struct prf_error *err)
{
    struct prf_strbuf note = PRF_STRBUF_INIT;
    git_oid id;
    int rc = 0;
    int found = prf_worktree_tree(repo, objects, &id, &note);
    if (found == PRF_ENOMEM || note.failed) {
        rc = prf_fail(err, PRF_ENOMEM, "out of memory");
    } else if (found < 0) {
        rc = prf_fail(err, found, "cannot keep the work tree of '%s': %s", path,
                      prf_strbuf_text(&note));
    } else if (found == PRF_WORKTREE_UNKNOWN) {
        rc = prf_fail(err, PRF_EVCS, "cannot keep the work tree of '%s': %s", path,
                      prf_strbuf_text(&note));
    } else {
        git_oid_tostr(out, GIT_OID_HEXSZ + 1, &id);
    }
    prf_strbuf_release(&note);
    return rc;
}

int
prf_vcs_keep(const char *path, const char *objects, char out[41], struct prf_error *err)
{
    git_repository *repo = NULL;
    git_odb *odb = NULL;
    int rc = prf_repository_open(path, &repo, err);
    if (rc == 0 && git_repository_workdir(repo) == NULL) {
        rc = prf_fail(err, PRF_EVCS, "the repository of '%s' is bare: no work tree",
                      path);
    }
    if (rc == 0) {
        rc = keep_open(objects, &odb, err);
    }
    if (rc == 0) {
        rc = keep_write(repo, odb, path, out, err);
    }
    git_odb_free(odb);
    prf_repository_close(repo);
    return rc;
}
