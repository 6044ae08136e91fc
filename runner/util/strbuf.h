/* A growing text. Running out of memory sticks in the buffer, so that a long series of
   appends is checked once, at the end. */
#ifndef PRF_STRBUF_H
#define PRF_STRBUF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

struct prf_strbuf {
    char *data; /* NUL-terminated; NULL while nothing was appended */
    size_t len;
    size_t capacity;
    bool failed; /* an append ran out of memory; what came before it is intact */
};

#define PRF_STRBUF_INIT                                                                \
    {                                                                                  \
        NULL, 0, 0, false                                                              \
    }

void prf_strbuf_add(struct prf_strbuf *sb, const char *data, size_t len);
void prf_strbuf_adds(struct prf_strbuf *sb, const char *text);
void prf_strbuf_addc(struct prf_strbuf *sb, char c);
void prf_strbuf_addf(struct prf_strbuf *sb, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void prf_strbuf_vaddf(struct prf_strbuf *sb, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));

/* Back to length 0; keeps the memory. */
void prf_strbuf_clear(struct prf_strbuf *sb);
void prf_strbuf_release(struct prf_strbuf *sb);

/* The text, "" when empty; borrowed until the next append. */
const char *prf_strbuf_text(const struct prf_strbuf *sb);

/* The text as the caller's own string (free it), the buffer empty. NULL: no memory. */
char *prf_strbuf_steal(struct prf_strbuf *sb);

#endif
