/* Following parents in a shallow clone, where they end before the history does: libgit2
   fails there. */
#ifndef PRF_SHALLOW_H
#define PRF_SHALLOW_H

#include <stdbool.h>
#include <stddef.h>

#include <git2.h>

struct prf_shallow_walk;

/* `first_parent`: of what is walked, only those are followed. NULL: no memory. */
struct prf_shallow_walk *prf_shallow_walk_new(git_repository *repo, bool first_parent);
void prf_shallow_walk_free(struct prf_shallow_walk *walk);

/* Walk from this commit, or hide what it reaches. 0 or a code of libgit2. */
int prf_shallow_walk_mark(struct prf_shallow_walk *walk, const git_oid *id, bool hide);

/* Parents before children; *out is the caller's (free). 0 or a code of libgit2. */
int prf_shallow_walk_run(struct prf_shallow_walk *walk, git_oid **out, size_t *n);

/* Is `id` among what `from` reaches, itself included? False also when that cannot be
   told. */
bool prf_shallow_reaches(git_repository *repo, const git_oid *from, const git_oid *id);

#endif
