/* Buffered output; see outbuf.h. */
#include "outbuf.h"

#include <errno.h>
#include <stdlib.h>

#include "jsoncheck.h"
#include "label.h"

int
prf_outbuf_begin(struct prf_outbuf *ob, FILE *out, struct prf_error *err)
{
    *ob = (struct prf_outbuf){.out = out, .data = malloc(PRF_OUTBUF_SIZE)};
    return ob->data == NULL ? prf_fail(err, PRF_ENOMEM, "out of memory") : 0;
}

int
prf_outbuf_end(struct prf_outbuf *ob, struct prf_error *err)
{
    errno = 0;
    if (ob->data != NULL) {
        prf_outbuf_flush(ob);
    }
    free(ob->data);
    ob->data = NULL;
    return ob->failed ? prf_fail(err, PRF_EIO, "cannot write the output: %s",
                                 errno != 0 ? strerror(errno) : "output error")
                      : 0;
}

void
prf_outbuf_flush(struct prf_outbuf *ob)
{
    ob->failed |= fwrite(ob->data, 1, ob->n, ob->out) != ob->n;
    ob->n = 0;
}

void
prf_outbuf_add_long(struct prf_outbuf *ob, const char *data, size_t len)
{
    prf_outbuf_flush(ob);
    ob->failed |= fwrite(data, 1, len, ob->out) != len;
}

static const char outbuf_pairs[] = "00010203040506070809101112131415161718192021222324"
                                   "25262728293031323334353637383940414243444546474849"
                                   "50515253545556575859606162636465666768697071727374"
                                   "75767778798081828384858687888990919293949596979899";

/* The digits of `value`, ending before `end`; where they begin. */
static char *
outbuf_digits(char *end, uint64_t value)
{
    while (value >= 100) {
        end -= 2;
        memcpy(end, outbuf_pairs + value % 100 * 2, 2);
        value /= 100;
    }
    if (value >= 10) {
        end -= 2;
        memcpy(end, outbuf_pairs + value * 2, 2);
    } else {
        *--end = (char)('0' + value);
    }
    return end;
}

void
prf_outbuf_uint(struct prf_outbuf *ob, uint64_t value)
{
    char digits[24], *end = digits + sizeof digits;
    char *start = outbuf_digits(end, value);
    prf_outbuf_add(ob, start, (size_t)(end - start));
}

void
prf_outbuf_us(struct prf_outbuf *ob, int64_t ns)
{
    char digits[32], *end = digits + sizeof digits, *start = end - 4;
    uint64_t value = ns > 0 ? (uint64_t)ns : 0;
    unsigned rest = (unsigned)(value % 1000);
    start[0] = '.';
    start[1] = (char)('0' + rest / 100);
    memcpy(start + 2, outbuf_pairs + rest % 100 * 2, 2);
    start = outbuf_digits(start, value / 1000);
    prf_outbuf_add(ob, start, (size_t)(end - start));
}

void
prf_outbuf_double(struct prf_outbuf *ob, double value)
{
    char text[40];
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, value);
        if (strtod(text, NULL) == value) {
            break;
        }
    }
    prf_outbuf_adds(ob, text);
}

/* One character that cannot stand as it is; bytes that it takes. */
static size_t
outbuf_special(struct prf_outbuf *ob, const char *text, size_t len)
{
    char escape[8];
    uint32_t point;
    size_t n = prf_utf8_next(text, len, &point);
    if (point == UINT32_MAX) {
        prf_outbuf_adds(ob, "\xEF\xBF\xBD");
    } else if (point == '"' || point == '\\') {
        escape[0] = '\\';
        escape[1] = (char)point;
        prf_outbuf_add(ob, escape, 2);
    } else if (point == '\n') {
        prf_outbuf_adds(ob, "\\n");
    } else if (point < 0x20 || point == 0x7F) {
        snprintf(escape, sizeof escape, "\\u%04x", (unsigned)point);
        prf_outbuf_adds(ob, escape);
    } else {
        prf_outbuf_add(ob, text, n);
    }
    return n;
}

void
prf_outbuf_json(struct prf_outbuf *ob, const char *text, size_t len)
{
    size_t plain = 0;
    prf_outbuf_add(ob, "\"", 1);
    for (size_t i = 0; i < len;) {
        unsigned char c = (unsigned char)text[i];
        if (c >= 0x20 && c < 0x7F && c != '"' && c != '\\') {
            i++;
            continue;
        }
        prf_outbuf_add(ob, text + plain, i - plain);
        i += outbuf_special(ob, text + i, len - i);
        plain = i;
    }
    prf_outbuf_add(ob, text + plain, len - plain);
    prf_outbuf_add(ob, "\"", 1);
}

bool
prf_outbuf_members(struct prf_outbuf *ob, const char *text, size_t len, bool first)
{
    size_t from, to;
    if (len == 0) {
        return false;
    }
    if (!prf_json_object(text, len, &from, &to)) {
        prf_outbuf_adds(ob, first ? "\"text\":" : ",\"text\":");
        prf_outbuf_json(ob, text, len);
        return true;
    }
    if (to == from) {
        return false;
    }
    prf_outbuf_add(ob, ",", !first);
    prf_outbuf_add(ob, text + from, to - from);
    return true;
}
