/* Where the lines of one side are on the other, from the hunks of a diff. Whoever has a
   repository fills struct prf_diff_hunk; nothing here knows git. */
#ifndef PRF_DIFF_LINES_H
#define PRF_DIFF_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena.h"

/* As `git diff -U0` has it: with no lines on a side, `start` is the line before. A file
   that was only renamed has a hunk without lines. */
struct prf_diff_hunk {
    const char *old_file, *new_file; /* relative to the root; NULL: not on that side */
    uint32_t old_start, old_lines, new_start, new_lines;
    const char *text; /* "@@ ... @@" and its lines; "" or NULL: renamed only */
};

struct prf_diff_lines {
    const struct prf_diff_hunk **by_old; /* those with an old file, by file and line */
    size_t n;
    bool known; /* there is a diff, be it empty */
};

/* `hunks` NULL: no diff is known. Borrows the hunks. PRF_ENOMEM. */
int prf_diff_lines_init(struct prf_diff_lines *lines, const struct prf_diff_hunk *hunks,
                        size_t n, struct prf_arena *arena);

/* What the file of the base side is called on the new side; `file` when it was not
   renamed. */
const char *prf_diff_lines_file(const struct prf_diff_lines *lines, const char *file);

/* The line on the new side, 0: it is gone (or changed). */
uint32_t prf_diff_lines_map(const struct prf_diff_lines *lines, const char *file,
                            uint32_t line);

/* Lines [first, last] of a side. */
struct prf_span {
    uint32_t first, last;
};

bool prf_diff_hunk_touches_old(const struct prf_diff_hunk *hunk, struct prf_span span);
bool prf_diff_hunk_touches_new(const struct prf_diff_hunk *hunk, struct prf_span span);

#endif
