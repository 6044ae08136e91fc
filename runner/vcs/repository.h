/* A repository opened for reading, with the errors that the commands show. What is made
   in memory (object folders beside it, another work tree) never reaches the disk. */
#ifndef PRF_REPOSITORY_H
#define PRF_REPOSITORY_H

#include <git2.h>

#include <pyprofiler/error.h>

#include "strbuf.h"

/* The folder that git would be asked in, the caller's; NULL with errno: none. */
char *prf_repository_folder(const char *path);

/* As git_repository_open_ext; why not is added to `note`. */
int prf_repository_open_noted(const char *folder, git_repository **out,
                              struct prf_strbuf *note);

/* The repository that holds `path`; close it, after a failure too. PRF_EVCS. */
int prf_repository_open(const char *path, git_repository **out, struct prf_error *err);
void prf_repository_close(git_repository *repo);

/* Read objects from the folder `objects` as well; NULL: nothing to do. */
int prf_repository_add_objects(git_repository *repo, const char *objects,
                               struct prf_error *err);

/* What `revision` names, peeled to a commit or a tree; the caller's. PRF_ENOTFOUND with
   a text that names it (and the cure for a shallow clone), PRF_EVCS. */
int prf_repository_commit(git_repository *repo, const char *revision, git_commit **out,
                          struct prf_error *err);
int prf_repository_tree(git_repository *repo, const char *revision, git_tree **out,
                        struct prf_error *err);

/* ", in this shallow clone ('git fetch --unshallow')" or "". */
const char *prf_repository_shallow(git_repository *repo);

#endif
