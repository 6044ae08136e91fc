/* What a process printed, as text that every format can carry: what is not UTF-8, and
   NULs, become U+FFFD. Strings are the arena's. */
#ifndef PRF_CAPTURED_H
#define PRF_CAPTURED_H

#include <stdbool.h>
#include <stddef.h>

#include "arena.h"

/* `len` bytes as such text; NULL: no memory. */
const char *prf_captured_text(struct prf_arena *arena, const char *data, size_t len);

/* The first MiB of a file, "" when there is nothing; *cut when there is more. `path`
   may be NULL. */
const char *prf_captured_read(struct prf_arena *arena, const char *path, bool *cut);

/* The last line that says something, "" without. */
const char *prf_captured_last_line(struct prf_arena *arena, const char *path);

#endif
