/* Output of millions of small pieces: a big buffer, numbers without printf, JSON texts
   of a given length. What fails sticks, and is told by prf_outbuf_end. */
#ifndef PRF_OUTBUF_H
#define PRF_OUTBUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <pyprofiler/error.h>

#define PRF_OUTBUF_SIZE ((size_t)256 << 10)
#define PRF_OUTBUF_SMALL ((size_t)4096) /* what prf_outbuf_room can promise */

struct prf_outbuf {
    FILE *out;
    char *data;
    size_t n;
    bool failed;
};

/* PRF_ENOMEM. */
int prf_outbuf_begin(struct prf_outbuf *ob, FILE *out, struct prf_error *err);

/* Write what is left and free the buffer. PRF_EIO. */
int prf_outbuf_end(struct prf_outbuf *ob, struct prf_error *err);

void prf_outbuf_flush(struct prf_outbuf *ob);

/* Where the next `len` bytes go, at most PRF_OUTBUF_SMALL; move ob->n after writing. */
static inline char *
prf_outbuf_room(struct prf_outbuf *ob, size_t len)
{
    if (len > PRF_OUTBUF_SIZE - ob->n) {
        prf_outbuf_flush(ob);
    }
    return ob->data + ob->n;
}

void prf_outbuf_add_long(struct prf_outbuf *ob, const char *data, size_t len);

static inline void
prf_outbuf_add(struct prf_outbuf *ob, const char *data, size_t len)
{
    if (len > PRF_OUTBUF_SMALL) {
        prf_outbuf_add_long(ob, data, len);
        return;
    }
    memcpy(prf_outbuf_room(ob, len), data, len);
    ob->n += len;
}

static inline void
prf_outbuf_adds(struct prf_outbuf *ob, const char *text)
{
    prf_outbuf_add(ob, text, strlen(text));
}

void prf_outbuf_uint(struct prf_outbuf *ob, uint64_t value);

/* Nanoseconds as microseconds with three decimals; a negative time is 0. */
void prf_outbuf_us(struct prf_outbuf *ob, int64_t ns);

/* The fewest digits that read back as the same; `value` is finite. */
void prf_outbuf_double(struct prf_outbuf *ob, double value);

/* A JSON string with its quotes; bytes that are not UTF-8 become U+FFFD. */
void prf_outbuf_json(struct prf_outbuf *ob, const char *text, size_t len);

/* The members of the JSON object `text`, each as `, "key": value` (without the comma
   when `first`). What is no JSON object becomes the member "text". Empty: nothing, and
   false is returned. */
bool prf_outbuf_members(struct prf_outbuf *ob, const char *text, size_t len,
                        bool first);

#endif
