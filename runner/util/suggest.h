/* "did you mean": the nearest known word. */
#ifndef PRF_SUGGEST_H
#define PRF_SUGGEST_H

#include <stddef.h>

#include <pyprofiler/error.h>

/* The candidate nearest to `word` by edit distance (case and '-'/'_' do not count), or
   NULL when none is near enough to be a slip. Borrowed from `candidates`. */
const char *prf_suggest(const char *word, const char *const *candidates, size_t n);

/* PRF_EUSAGE: there is no `kind` of that name, and what to write instead. */
int prf_suggest_fail(const char *kind, const char *word, const char *const *candidates,
                     size_t n, struct prf_error *err);

#endif
