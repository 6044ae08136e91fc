/* Lines through a diff; see diff_lines.h. */
#include "diff_lines.h"

#include <stdlib.h>
#include <string.h>

#include <pyprofiler/error.h>

/* The first line of a range, and the first after it. Where a side has no lines, the
   place between two lines. */
static uint32_t
range_begin(uint32_t start, uint32_t n)
{
    return n > 0 ? start : start + 1;
}

static uint32_t
range_end(uint32_t start, uint32_t n)
{
    return range_begin(start, n) + n;
}

static int
lines_order(const struct prf_diff_hunk *hunk, const char *file, uint32_t line)
{
    int order = strcmp(hunk->old_file, file);
    uint32_t begin = range_begin(hunk->old_start, hunk->old_lines);
    return order != 0 ? order : (begin > line) - (begin < line);
}

static int
lines_compare(const void *left, const void *right)
{
    const struct prf_diff_hunk *a = *(const struct prf_diff_hunk *const *)left;
    const struct prf_diff_hunk *b = *(const struct prf_diff_hunk *const *)right;
    return lines_order(a, b->old_file, range_begin(b->old_start, b->old_lines));
}

int
prf_diff_lines_init(struct prf_diff_lines *lines, const struct prf_diff_hunk *hunks,
                    size_t n, struct prf_arena *arena)
{
    *lines = (struct prf_diff_lines){.known = hunks != NULL};
    lines->by_old = prf_arena_alloc(arena, (n + 1) * sizeof(void *));
    if (lines->by_old == NULL) {
        return PRF_ENOMEM;
    }
    for (size_t i = 0; hunks != NULL && i < n; i++) {
        if (hunks[i].old_file != NULL) {
            lines->by_old[lines->n++] = &hunks[i];
        }
    }
    qsort(lines->by_old, lines->n, sizeof(void *), lines_compare);
    return 0;
}

/* The last hunk that begins at the line or before it, in any file; NULL: none. */
static const struct prf_diff_hunk *
lines_before(const struct prf_diff_lines *lines, const char *file, uint32_t line)
{
    size_t low = 0, high = lines->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (lines_order(lines->by_old[middle], file, line) <= 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low > 0 ? lines->by_old[low - 1] : NULL;
}

const char *
prf_diff_lines_file(const struct prf_diff_lines *lines, const char *file)
{
    const struct prf_diff_hunk *last = lines_before(lines, file, UINT32_MAX);
    bool of_it = last != NULL && strcmp(last->old_file, file) == 0;
    return of_it && last->new_file != NULL ? last->new_file : file;
}

uint32_t
prf_diff_lines_map(const struct prf_diff_lines *lines, const char *file, uint32_t line)
{
    const struct prf_diff_hunk *h = lines_before(lines, file, line);
    if (h == NULL || strcmp(h->old_file, file) != 0) {
        return line;
    }
    uint32_t old_end = range_end(h->old_start, h->old_lines);
    if (line < old_end || h->new_file == NULL) {
        return 0;
    }
    return range_end(h->new_start, h->new_lines) + (line - old_end);
}

static bool
range_touches(uint32_t start, uint32_t n, struct prf_span span)
{
    return n > 0 && start <= span.last && start + n > span.first;
}

bool
prf_diff_hunk_touches_old(const struct prf_diff_hunk *hunk, struct prf_span span)
{
    return range_touches(hunk->old_start, hunk->old_lines, span);
}

bool
prf_diff_hunk_touches_new(const struct prf_diff_hunk *hunk, struct prf_span span)
{
    return range_touches(hunk->new_start, hunk->new_lines, span);
}
