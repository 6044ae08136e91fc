/* A file as it was; see vcs.h. */
#include "vcs.h"

#include "repository.h"

int
prf_vcs_file(const char *path, const char *objects, const char *revision,
             const char *file, struct prf_arena *arena, const char **out,
             struct prf_error *err)
{
    git_repository *repo = NULL;
    git_tree *tree = NULL;
    git_tree_entry *entry = NULL;
    git_object *object = NULL;
    *out = NULL;
    int rc = prf_repository_open(path, &repo, err);
    if (rc == 0) {
        rc = prf_repository_add_objects(repo, objects, err);
    }
    if (rc == 0) {
        rc = prf_repository_tree(repo, revision, &tree, err);
    }
    if (rc == 0 && (git_tree_entry_bypath(&entry, tree, file) < 0 ||
                    git_tree_entry_type(entry) != GIT_OBJECT_BLOB ||
                    git_tree_entry_to_object(&object, repo, entry) < 0)) {
        rc = prf_fail(err, PRF_ENOTFOUND, "there is no file '%s' in '%s'", file,
                      revision);
    }
    if (rc == 0) {
        const git_blob *blob = (const git_blob *)object;
        size_t size = (size_t)git_blob_rawsize(blob);
        *out =
            prf_arena_strndup(arena, size > 0 ? git_blob_rawcontent(blob) : "", size);
        rc = *out == NULL ? prf_fail(err, PRF_ENOMEM, "out of memory") : 0;
    }
    git_object_free(object);
    git_tree_entry_free(entry);
    git_tree_free(tree);
    prf_repository_close(repo);
    return rc;
}
