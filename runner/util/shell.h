/* Words for a shell. */
#ifndef PRF_SHELL_H
#define PRF_SHELL_H

#include <stddef.h>

#include "strbuf.h"

/* Append a word so that a shell takes it as it is. */
void prf_shell_add(struct prf_strbuf *sb, const char *word);

/* Append `n` words with blanks between them. */
void prf_shell_add_words(struct prf_strbuf *sb, char *const *words, size_t n);

#endif
