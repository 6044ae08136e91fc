/* The tree that `git add -A && git write-tree` would make of the work tree as it is
   now, found without writing anything to the repository: not the index, no object. */
#ifndef PRF_WORKTREE_H
#define PRF_WORKTREE_H

#include <stdbool.h>

#include <git2.h>

#include "strbuf.h"

enum prf_worktree_found {
    PRF_WORKTREE_KNOWN,
    PRF_WORKTREE_UNKNOWN,    /* the note says why */
    PRF_WORKTREE_SUBMODULES, /* known, but a submodule has changes that no tree shows */
};

/* The tree in *out. What the reader should know is added to `note`. `keep`, when not
   NULL, gets the tree with all that HEAD's tree does not have at the same place (what
   is only staged or dangling in the repository, git may delete). PRF_ENOMEM; PRF_EIO
   when `keep` takes no object: the note says why. */
int prf_worktree_tree(git_repository *repo, git_odb *keep, git_oid *out,
                      struct prf_strbuf *note);

/* Adds a note, with what separates it from the one before. */
void prf_worktree_note(struct prf_strbuf *note, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* What libgit2 said last, never NULL. */
const char *prf_worktree_why(void);

#endif
