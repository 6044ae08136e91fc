/* A growing text; see strbuf.h. */
#include "strbuf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool
strbuf_reserve(struct prf_strbuf *sb, size_t extra)
{
    size_t need = sb->len + extra + 1;
    if (sb->failed || need <= sb->capacity) {
        return !sb->failed;
    }
    size_t capacity = sb->capacity < 32 ? 64 : sb->capacity * 2;
    if (capacity < need) {
        capacity = need;
    }
    char *data = realloc(sb->data, capacity);
    if (data == NULL) {
        sb->failed = true;
        return false;
    }
    sb->data = data;
    sb->capacity = capacity;
    return true;
}

void
prf_strbuf_add(struct prf_strbuf *sb, const char *data, size_t len)
{
    if (!strbuf_reserve(sb, len)) {
        return;
    }
    if (len > 0) {
        memcpy(sb->data + sb->len, data, len);
    }
    sb->len += len;
    sb->data[sb->len] = '\0';
}

void
prf_strbuf_adds(struct prf_strbuf *sb, const char *text)
{
    prf_strbuf_add(sb, text, strlen(text));
}

void
prf_strbuf_addc(struct prf_strbuf *sb, char c)
{
    prf_strbuf_add(sb, &c, 1);
}

void
prf_strbuf_vaddf(struct prf_strbuf *sb, const char *format, va_list args)
{
    va_list again;
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, args);
    if (len >= 0 && strbuf_reserve(sb, (size_t)len)) {
        vsnprintf(sb->data + sb->len, (size_t)len + 1, format, again);
        sb->len += (size_t)len;
    }
    va_end(again);
}

void
prf_strbuf_addf(struct prf_strbuf *sb, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    prf_strbuf_vaddf(sb, format, args);
    va_end(args);
}

void
prf_strbuf_clear(struct prf_strbuf *sb)
{
    sb->len = 0;
    sb->failed = false;
    if (sb->data != NULL) {
        sb->data[0] = '\0';
    }
}

void
prf_strbuf_release(struct prf_strbuf *sb)
{
    free(sb->data);
    *sb = (struct prf_strbuf)PRF_STRBUF_INIT;
}

const char *
prf_strbuf_text(const struct prf_strbuf *sb)
{
    return sb->data == NULL ? "" : sb->data;
}

char *
prf_strbuf_steal(struct prf_strbuf *sb)
{
    char *text = NULL;
    if (!sb->failed && strbuf_reserve(sb, 0)) {
        sb->data[sb->len] = '\0';
        text = sb->data;
        sb->data = NULL;
    }
    prf_strbuf_release(sb);
    return text;
}
