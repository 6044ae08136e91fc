/* Recordings of child processes: traced children write files of their own beside that
   of the case, `<recording>.<pid>`. */
#ifndef PRF_GATHER_H
#define PRF_GATHER_H

#include <stddef.h>

#include <pyprofiler/error.h>

struct prf_gathered {
    size_t n;     /* children whose recordings were taken in */
    size_t n_bad; /* ... had nothing that could be read */
};

/* Append them to `recording` in the order in which they began, and delete them. They
   are copied piece by piece: their size does not matter. All writers must have ended.
   PRF_EIO: those that are left over were deleted all the same. */
int prf_gather_children(const char *recording, struct prf_gathered *out,
                        struct prf_error *err);

/* Delete them. */
void prf_gather_remove(const char *recording);

#endif
