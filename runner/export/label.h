/* Names that came from a program, made fit for a file or a terminal. */
#ifndef PRF_LABEL_H
#define PRF_LABEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "profile.h"
#include "strbuf.h"

/* Bytes of the character at `text` (at least 1; len > 0), its code point in *point, or
   UINT32_MAX when the byte does not begin valid UTF-8. */
size_t prf_utf8_next(const char *text, size_t len, uint32_t *point);

/* Append `text` as valid UTF-8: what is not becomes U+FFFD. */
void prf_utf8_add(struct prf_strbuf *sb, const char *text);
void prf_utf8_add_len(struct prf_strbuf *sb, const char *text, size_t len);

/* Write `text` as a field of CSV (RFC 4180), valid UTF-8; `room` is used on the way. */
void prf_csv_add(FILE *out, const char *text, struct prf_strbuf *room);

/* Write `text` on one line of Markdown: nothing in it is markup, HTML, a mention of
   somebody, or the end of a cell; `room` is used on the way. */
void prf_markdown_add(FILE *out, const char *text, struct prf_strbuf *room);

enum prf_visible {
    PRF_VISIBLE_LINE,  /* all on one line: '\n' and '\t' are shown as escapes too */
    PRF_VISIBLE_LINES, /* '\n' and '\t' stay what they are */
};

/* Append `text` with everything a terminal could take as a command (control characters,
   invalid bytes, changes of the writing direction) as a visible escape like "\x1b". */
void prf_visible_add(struct prf_strbuf *sb, const char *text, enum prf_visible lines);

/* Columns of a terminal that `text` takes, one for each character. */
size_t prf_text_width(const char *text);

/* Append `text`, shortened in its middle when it is wider than `width`. */
void prf_shorten_add(struct prf_strbuf *sb, const char *text, size_t width,
                     const char *ellipsis);

/* The file of a function, "~" for a C function; with strip_dirs its last part. Borrowed
   from `code`. */
const char *prf_code_file(const struct prf_function *code, bool strip_dirs);

/* The function of key.code, and the line: that of the row, else the function's first.
 */
const struct prf_function *prf_row_code(const struct prf_profile *profile, uint32_t id);
uint32_t prf_row_line(const struct prf_profile *profile, struct prf_key key);

/* Append pstats' standard name: "file:line(function)", "{built-in method ...}". */
void prf_label_add(struct prf_strbuf *sb, const struct prf_function *code,
                   uint32_t line, bool strip_dirs);

#endif
