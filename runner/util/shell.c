/* Words for a shell; see shell.h. */
#include "shell.h"

#include <string.h>

void
prf_shell_add(struct prf_strbuf *sb, const char *word)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                "0123456789-_=+./:,@%";
    if (*word != '\0' && word[strspn(word, plain)] == '\0') {
        prf_strbuf_adds(sb, word);
        return;
    }
    prf_strbuf_addc(sb, '\'');
    for (; *word != '\0'; word++) {
        prf_strbuf_adds(sb, *word == '\'' ? "'\\''" : (char[2]){*word, '\0'});
    }
    prf_strbuf_addc(sb, '\'');
}

void
prf_shell_add_words(struct prf_strbuf *sb, char *const *words, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        prf_strbuf_adds(sb, i > 0 ? " " : "");
        prf_shell_add(sb, words[i]);
    }
}
