/* A JSON grammar that says yes or no; see jsoncheck.h. */
#include "jsoncheck.h"

#include <stdint.h>
#include <string.h>

#include "label.h"

#define JSONCHECK_DEPTH 64

struct jsoncheck {
    const char *p, *end;
};

static void
jsoncheck_blanks(struct jsoncheck *c)
{
    while (c->p < c->end && strchr(" \t\r\n", *c->p) != NULL && *c->p != '\0') {
        c->p++;
    }
}

static bool
jsoncheck_is(struct jsoncheck *c, char wanted)
{
    jsoncheck_blanks(c);
    if (c->p < c->end && *c->p == wanted) {
        c->p++;
        return true;
    }
    return false;
}

static bool
jsoncheck_escape(struct jsoncheck *c)
{
    char kind = c->p < c->end ? *c->p++ : '\0';
    if (kind != 'u') {
        return kind != '\0' && strchr("\"\\/bfnrt", kind) != NULL;
    }
    for (int i = 0; i < 4; i++) {
        char digit = c->p < c->end ? *c->p++ : '\0';
        if (digit == '\0' || strchr("0123456789abcdefABCDEF", digit) == NULL) {
            return false;
        }
    }
    return true;
}

static bool
jsoncheck_string(struct jsoncheck *c)
{
    if (!jsoncheck_is(c, '"')) {
        return false;
    }
    while (c->p < c->end) {
        unsigned char byte = (unsigned char)*c->p;
        if (byte == '"') {
            c->p++;
            return true;
        }
        if (byte == '\\') {
            c->p++;
            if (!jsoncheck_escape(c)) {
                return false;
            }
        } else if (byte >= 0x20 && byte < 0x80) {
            c->p++;
        } else {
            uint32_t point;
            c->p += prf_utf8_next(c->p, (size_t)(c->end - c->p), &point);
            if (point == UINT32_MAX || point < 0x20) {
                return false;
            }
        }
    }
    return false;
}

static bool
jsoncheck_digits(struct jsoncheck *c)
{
    const char *start = c->p;
    while (c->p < c->end && *c->p >= '0' && *c->p <= '9') {
        c->p++;
    }
    return c->p > start;
}

static bool
jsoncheck_one_of(struct jsoncheck *c, const char *chars)
{
    if (c->p < c->end && *c->p != '\0' && strchr(chars, *c->p) != NULL) {
        c->p++;
        return true;
    }
    return false;
}

static bool
jsoncheck_number(struct jsoncheck *c)
{
    (void)jsoncheck_one_of(c, "-");
    if (!jsoncheck_one_of(c, "0") && !jsoncheck_digits(c)) {
        return false;
    }
    if (jsoncheck_one_of(c, ".") && !jsoncheck_digits(c)) {
        return false;
    }
    if (jsoncheck_one_of(c, "eE")) {
        (void)jsoncheck_one_of(c, "+-");
        return jsoncheck_digits(c);
    }
    return true;
}

static bool
jsoncheck_word(struct jsoncheck *c)
{
    static const char *const words[] = {"true", "false", "null"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        size_t n = strlen(words[i]);
        if ((size_t)(c->end - c->p) >= n && memcmp(c->p, words[i], n) == 0) {
            c->p += n;
            return true;
        }
    }
    return false;
}

static bool jsoncheck_value(struct jsoncheck *c, int depth);

/* Members or elements up to the closing bracket. */
static bool
jsoncheck_list(struct jsoncheck *c, bool object, int depth)
{
    char close = object ? '}' : ']';
    if (jsoncheck_is(c, close)) {
        return true;
    }
    do {
        if (object && (!jsoncheck_string(c) || !jsoncheck_is(c, ':'))) {
            return false;
        }
        if (!jsoncheck_value(c, depth + 1)) {
            return false;
        }
    } while (jsoncheck_is(c, ','));
    return jsoncheck_is(c, close);
}

static bool
jsoncheck_value(struct jsoncheck *c, int depth)
{
    jsoncheck_blanks(c);
    if (c->p == c->end || depth > JSONCHECK_DEPTH) {
        return false;
    }
    switch (*c->p) {
    case '{':
    case '[':
        c->p++;
        return jsoncheck_list(c, c->p[-1] == '{', depth);
    case '"':
        return jsoncheck_string(c);
    case 't':
    case 'f':
    case 'n':
        return jsoncheck_word(c);
    default:
        return jsoncheck_number(c);
    }
}

bool
prf_json_object(const char *text, size_t len, size_t *from, size_t *to)
{
    struct jsoncheck c = {text, text + len};
    if (!jsoncheck_is(&c, '{')) {
        return false;
    }
    jsoncheck_blanks(&c);
    *from = (size_t)(c.p - text);
    if (!jsoncheck_list(&c, true, 0)) {
        return false;
    }
    const char *end = c.p - 1;
    jsoncheck_blanks(&c);
    while (end > text + *from && strchr(" \t\r\n", end[-1]) != NULL) {
        end--;
    }
    *to = (size_t)(end - text);
    return c.p == c.end;
}
