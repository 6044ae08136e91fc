/* "did you mean": the nearest known word. */
#ifndef PRF_SUGGEST_H
#define PRF_SUGGEST_H

#include <stddef.h>

/* The candidate nearest to `word` by edit distance (case and '-'/'_' do not count), or
   NULL when none is near enough to be a slip. Borrowed from `candidates`. */
const char *prf_suggest(const char *word, const char *const *candidates, size_t n);

#endif
