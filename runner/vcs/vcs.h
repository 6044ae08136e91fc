/* What the measured code's repository says of itself. Reads only; never touches the
   user's index, refs or work tree. */
#ifndef PRF_VCS_H
#define PRF_VCS_H

#include <stddef.h>

#include <pyprofiler/error.h>
#include <pyprofiler/options.h> /* struct prf_strlist */

#include "result.h"

/* Everything known about the repository that holds `path` (a file or folder), strings
   in `arena`. Never fails for a reason of the repository's (none, unborn, bare,
   shallow, other owner, corrupt, ...): then fields stay empty and `note` says why and
   what to do. PRF_ENOMEM only. */
int prf_vcs_describe(const char *path, struct prf_arena *arena, struct prf_commit *out,
                     struct prf_error *err);

/* The full id of the commit that `revision` names, as git rev-parse would.
   PRF_ENOTFOUND with a text that names it; PRF_EVCS. */
int prf_vcs_resolve(const char *path, const char *revision, char out[41],
                    struct prf_error *err);

/* A commit of a range. Strings are the arena's. */
struct prf_revision {
    const char *id, *tree; /* 40 hex digits */
    const char *summary;   /* first line of the message */
    const char *author;
    const char *tags; /* "v1.2 latest", "" */
    int64_t time;     /* of the commit, seconds since 1970, UTC */
};

struct prf_revisions {
    struct prf_revision *items; /* topological, oldest first */
    size_t n;
};

enum prf_range_flags {
    PRF_RANGE_FIRST_PARENT = 1,
    PRF_RANGE_TAGS = 2, /* only commits that have a tag */
};

/* The commits of `spec` as `git rev-list` takes them: "A..B", "A" (all that it
   reaches), "^A", "A^!", several separated by blanks; but "A...B" is from the merge base
   to B. A side left out is HEAD. PRF_ENOTFOUND names what is not there (in a shallow
   clone says so); PRF_EVCS. */
int prf_vcs_range(const char *path, const char *spec, unsigned flags,
                  struct prf_arena *arena, struct prf_revisions *out,
                  struct prf_error *err);

/* One revision; as prf_vcs_resolve. */
int prf_vcs_revision(const char *path, const char *revision, struct prf_arena *arena,
                     struct prf_revision *out, struct prf_error *err);

/* Names of branches and tags, added to *out: "main", "origin/main", "v1.2". PRF_EVCS. */
int prf_vcs_names(const char *path, struct prf_strlist *out, struct prf_error *err);

/* The best common ancestor. PRF_ENOTFOUND: there is none. */
int prf_vcs_merge_base(const char *path, const char *a, const char *b, char out[41],
                       struct prf_error *err);

/* Write the work tree as it is (as `git add -A` sees it) into `objects`, an object
   folder of ours, as far as HEAD's tree does not have it. Its tree, the one that
   prf_vcs_describe says, in `out`. The repository stays as it is: no index, no object,
   no ref. PRF_EVCS (bare, or the tree is unknown), PRF_EIO. */
int prf_vcs_keep(const char *path, const char *objects, char out[41],
                 struct prf_error *err);

/* Write a commit's or tree's files into `folder`, which is made and must be empty.
   `objects` (or NULL) holds kept trees. Leaves no trace in the repository. Submodules
   stay empty folders. PRF_ENOTFOUND: no such object; PRF_EIO, PRF_EVCS. */
int prf_vcs_checkout(const char *path, const char *objects, const char *revision,
                     const char *folder, struct prf_error *err);

/* A hunk of the difference between two trees, as `git diff -U0` has it. */
struct prf_hunk {
    const char *old_file, *new_file; /* relative to the root; NULL: not on that side */
    int old_start, old_lines, new_start, new_lines;
    const char *text; /* "@@ ... @@" and its lines */
};

struct prf_hunks {
    struct prf_hunk *items; /* by file, then line */
    size_t n;
};

/* Between two commits or trees; `next` NULL: the work tree as it is. Renames are found; a
   file that was only renamed has a hunk without lines and text.
   PRF_ENOTFOUND, PRF_EVCS. */
int prf_vcs_hunks(const char *path, const char *objects, const char *base,
                  const char *next, struct prf_arena *arena, struct prf_hunks *out,
                  struct prf_error *err);

/* The bytes of a file (relative to the root) as they are in a commit or tree, in the
   arena, with a NUL after them; no conversion of line ends. PRF_ENOTFOUND, PRF_EVCS. */
int prf_vcs_file(const char *path, const char *objects, const char *revision,
                 const char *file, struct prf_arena *arena, const char **out,
                 struct prf_error *err);

/* Version of the library, "1.5.1". */
const char *prf_vcs_library(void);

#endif
