/* Laying the cases of today over a checkout: copies from the user's work tree, never
   through a link, so that nothing is written outside the checkout. */
#ifndef PRF_OVERLAY_H
#define PRF_OVERLAY_H

#include <pyprofiler/error.h>

/* Copy a file, link or folder (whole, what is there stays) from `root` to the same
   place below `checkout`. Caches, repositories and virtual environments inside a folder
   are left out. `path` is absolute; one that is not below `root` is left alone.
   PRF_EIO. */
int prf_overlay_path(const char *root, const char *path, const char *checkout,
                     struct prf_error *err);

/* Copy a case file, and what it may need of its folder: the whole folder when the
   checkout has none, else the files that are missing there, unless it is the root or a
   package, whose files are what is measured. PRF_EIO. */
int prf_overlay_case_file(const char *root, const char *path, const char *checkout,
                          struct prf_error *err);

#endif
