/* "did you mean": edit distance over short words. */
#include "suggest.h"

#include <ctype.h>
#include <string.h>

#include "strbuf.h"

#define WORD_MAX 64u

static char
suggest_fold(char c)
{
    return c == '_' ? '-' : (char)tolower((unsigned char)c);
}

static size_t
suggest_min(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Optimal string alignment: insertions, deletions, substitutions, and neighbours that
   changed places. Words longer than WORD_MAX are never near. */
static size_t
suggest_distance(const char *a, const char *b)
{
    size_t n = strlen(a), m = strlen(b);
    if (n > WORD_MAX || m > WORD_MAX) {
        return WORD_MAX;
    }
    size_t rows[3][WORD_MAX + 1];
    for (size_t j = 0; j <= m; j++) {
        rows[0][j] = j;
    }
    for (size_t i = 1; i <= n; i++) {
        size_t *row = rows[i % 3], *above = rows[(i + 2) % 3], *two = rows[(i + 1) % 3];
        row[0] = i;
        for (size_t j = 1; j <= m; j++) {
            char x = suggest_fold(a[i - 1]), y = suggest_fold(b[j - 1]);
            size_t best = suggest_min(above[j], row[j - 1]) + 1;
            best = suggest_min(best, above[j - 1] + (x != y));
            if (i > 1 && j > 1 && x == suggest_fold(b[j - 2]) &&
                y == suggest_fold(a[i - 2])) {
                best = suggest_min(best, two[j - 2] + 1);
            }
            row[j] = best;
        }
    }
    return rows[n % 3][m];
}

const char *
prf_suggest(const char *word, const char *const *candidates, size_t n)
{
    const char *best = NULL;
    size_t len = strlen(word);
    size_t best_distance = len / 3 + 1; /* further away is another word, not a slip */
    for (size_t i = 0; i < n; i++) {
        size_t d = suggest_distance(word, candidates[i]);
        /* A beginning of at least three letters counts as near: "track" for "tracker".
         */
        if (len >= 3 && strncmp(word, candidates[i], len) == 0) {
            d = suggest_min(d, best_distance - (best != NULL));
        }
        if (d < best_distance || (d == best_distance && best == NULL)) {
            best = candidates[i];
            best_distance = d;
        }
    }
    return best;
}

int
prf_suggest_fail(const char *kind, const char *word, const char *const *candidates,
                 size_t n, struct prf_error *err)
{
    const char *near = prf_suggest(word, candidates, n);
    if (near != NULL) {
        return prf_fail(err, PRF_EUSAGE, "no %s '%s', did you mean '%s'?", kind, word,
                        near);
    }
    struct prf_strbuf list = PRF_STRBUF_INIT;
    for (size_t i = 0; i < n; i++) {
        prf_strbuf_addf(&list, "%s%s", i > 0 ? ", " : "", candidates[i]);
    }
    prf_fail(err, PRF_EUSAGE, "no %s '%s'; there are: %s", kind, word,
             prf_strbuf_text(&list));
    prf_strbuf_release(&list);
    return PRF_EUSAGE;
}
