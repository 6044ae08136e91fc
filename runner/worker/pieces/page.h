/* A text for a terminal that is made of a view: names that cannot harm it, and only
   characters that it can show. With the GIL. */
#ifndef PRF_PIECES_PAGE_H
#define PRF_PIECES_PAGE_H

#include <stdio.h>

#include "view.h"
#include "strbuf.h"

struct prf_page {
    FILE *out; /* the text so far */
    char *text;
    size_t size;
    char **names; /* of pieces, on one line each */
    uint32_t n_names;
    struct prf_strbuf scratch;
    bool ascii; /* nothing but ASCII */
    const char *line, *block, *ellipsis;
};

/* Whether a text that `stream` (NULL: sys.stdout) shows must be ASCII; `value` is the
   argument `ascii`: None or NULL leaves it to the stream's encoding. -1: exception. */
int prf_page_is_ascii(PyObject *value, PyObject *stream);

/* -1: MemoryError; close it all the same. */
int prf_page_open(struct prf_page *page, const struct prf_view *s, bool ascii);

/* `text` in a field of `width` columns, shortened or filled up with blanks. */
void prf_page_put(struct prf_page *page, const char *text, size_t width);

/* `n` times `text`. */
void prf_page_repeat(struct prf_page *page, const char *text, size_t n);

/* "1.2 ms" after a blank, right-aligned in 11 columns. */
void prf_page_time(struct prf_page *page, double seconds);

/* "1 call", "12 calls". */
const char *prf_page_calls(uint64_t n_calls, char *buf, size_t size);

/* The text as str, or NULL with MemoryError; frees all. */
PyObject *prf_page_close(struct prf_page *page);

#endif
