/* What commits are called here, to suggest when a name is not found. */
#include "vcs.h"

#include <git2.h>

#include "repository.h"

int
prf_vcs_names(const char *path, struct prf_strlist *out, struct prf_error *err)
{
    git_repository *repo = NULL;
    git_reference_iterator *references = NULL;
    git_reference *reference = NULL;
    int rc = prf_repository_open(path, &repo, err);
    if (rc < 0) {
        return rc;
    }
    if (git_reference_iterator_new(&references, repo) < 0) {
        rc = prf_fail(err, PRF_EVCS, "cannot list the branches of '%s'", path);
    }
    while (rc == 0 && git_reference_next(&reference, references) == 0) {
        if (git_reference_is_branch(reference) == 1 ||
            git_reference_is_remote(reference) == 1 ||
            git_reference_is_tag(reference) == 1) {
            rc = prf_strlist_add(out, git_reference_shorthand(reference));
        }
        git_reference_free(reference);
    }
    git_reference_iterator_free(references);
    prf_repository_close(repo);
    return rc < 0 ? prf_fail(err, rc, "out of memory") : 0;
}
