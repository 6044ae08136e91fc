/* Names that came from a program; see label.h. */
#include "label.h"

#include <string.h>

#include <pyprofiler/recording.h>

size_t
prf_utf8_next(const char *text, size_t len, uint32_t *point)
{
    /* Smallest code point of a sequence of that many bytes: shorter ones are not valid.
     */
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    const unsigned char *s = (const unsigned char *)text;
    *point = UINT32_MAX;
    size_t n = s[0] < 0x80             ? 1
               : (s[0] & 0xE0) == 0xC0 ? 2
               : (s[0] & 0xF0) == 0xE0 ? 3
               : (s[0] & 0xF8) == 0xF0 ? 4
                                       : 0;
    if (n == 0 || n > len) {
        return 1;
    }
    uint32_t value = n == 1 ? s[0] : s[0] & (0x7Fu >> n);
    for (size_t i = 1; i < n; i++) {
        if ((s[i] & 0xC0) != 0x80) {
            return 1;
        }
        value = value << 6 | (s[i] & 0x3Fu);
    }
    if (value < least[n] || value > 0x10FFFF || (value >= 0xD800 && value <= 0xDFFF)) {
        return 1;
    }
    *point = value;
    return n;
}

void
prf_utf8_add(struct prf_strbuf *sb, const char *text)
{
    prf_utf8_add_len(sb, text, strlen(text));
}

void
prf_utf8_add_len(struct prf_strbuf *sb, const char *text, size_t len)
{
    for (size_t i = 0, n; i < len; i += n) {
        uint32_t point;
        n = prf_utf8_next(text + i, len - i, &point);
        if (point == UINT32_MAX) {
            prf_strbuf_adds(sb, "\xEF\xBF\xBD");
        } else {
            prf_strbuf_add(sb, text + i, n);
        }
    }
}

/* C0, DEL and C1; line and paragraph separators; the marks that turn text around and so
   can make a name look like another one. */
static bool
label_is_unsafe(uint32_t point)
{
    return point < 0x20 || (point >= 0x7F && point < 0xA0) ||
           (point >= 0x2028 && point <= 0x202E) ||
           (point >= 0x2066 && point <= 0x2069) || point == 0x200E || point == 0x200F ||
           point == 0x061C;
}

static void
label_add_escape(struct prf_strbuf *sb, uint32_t point, unsigned char byte)
{
    if (point == '\n') {
        prf_strbuf_adds(sb, "\\n");
    } else if (point == '\t') {
        prf_strbuf_adds(sb, "\\t");
    } else if (point == '\r') {
        prf_strbuf_adds(sb, "\\r");
    } else if (point == UINT32_MAX || point < 0x80) {
        prf_strbuf_addf(sb, "\\x%02x", byte);
    } else {
        prf_strbuf_addf(sb, "\\u%04x", (unsigned)point);
    }
}

void
prf_visible_add(struct prf_strbuf *sb, const char *text, enum prf_visible lines)
{
    size_t len = strlen(text);
    for (size_t i = 0, n; i < len; i += n) {
        uint32_t point;
        n = prf_utf8_next(text + i, len - i, &point);
        bool kept = lines == PRF_VISIBLE_LINES && (point == '\n' || point == '\t');
        if (!kept && (point == UINT32_MAX || label_is_unsafe(point))) {
            label_add_escape(sb, point, (unsigned char)text[i]);
        } else {
            prf_strbuf_add(sb, text + i, n);
        }
    }
}

static size_t
label_count(const char *text, size_t len)
{
    size_t width = 0;
    for (size_t i = 0; i < len; i++) {
        width += ((unsigned char)text[i] & 0xC0) != 0x80;
    }
    return width;
}

size_t
prf_text_width(const char *text)
{
    return label_count(text, strlen(text));
}

/* Bytes of the first `width` characters. */
static size_t
label_prefix(const char *text, size_t width)
{
    size_t i = 0;
    while (text[i] != '\0' && (width > 0 || ((unsigned char)text[i] & 0xC0) == 0x80)) {
        width -= ((unsigned char)text[i] & 0xC0) != 0x80;
        i++;
    }
    return i;
}

void
prf_shorten_add(struct prf_strbuf *sb, const char *text, size_t width,
                const char *ellipsis)
{
    size_t all = prf_text_width(text), gap = prf_text_width(ellipsis);
    if (all <= width) {
        prf_strbuf_adds(sb, text);
        return;
    }
    if (width <= gap) {
        prf_strbuf_add(sb, text, label_prefix(text, width));
        return;
    }
    /* The end of an id says more (the case, the line) than its middle. */
    size_t tail = (width - gap + 1) / 2, head = width - gap - tail;
    prf_strbuf_add(sb, text, label_prefix(text, head));
    prf_strbuf_adds(sb, ellipsis);
    prf_strbuf_adds(sb, text + label_prefix(text, all - tail));
}

const char *
prf_code_file(const struct prf_function *code, bool strip_dirs)
{
    if ((code->flags & PRF_CODE_C) != 0 || code->file == NULL ||
        code->file[0] == '\0') {
        return "~";
    }
    const char *slash = strip_dirs ? strrchr(code->file, '/') : NULL;
    return slash != NULL ? slash + 1 : code->file;
}

const struct prf_function *
prf_row_code(const struct prf_profile *profile, uint32_t id)
{
    static const struct prf_function unknown = {
        .file = "", .name = "<unknown>", .qualname = "<unknown>"};
    return id > 0 && id < profile->n_codes ? &profile->codes[id] : &unknown;
}

uint32_t
prf_row_line(const struct prf_profile *profile, struct prf_key key)
{
    return key.other != 0 ? key.other : prf_row_code(profile, key.code)->first_line;
}

void
prf_label_add(struct prf_strbuf *sb, const struct prf_function *code, uint32_t line,
              bool strip_dirs)
{
    const char *file = prf_code_file(code, strip_dirs);
    size_t len = strlen(code->qualname);
    if (strcmp(file, "~") != 0 && len == 0) { /* nothing but the line is known */
        prf_strbuf_addf(sb, "%s:%u", file, line);
    } else if (strcmp(file, "~") != 0) {
        prf_strbuf_addf(sb, "%s:%u(%s)", file, line, code->qualname);
    } else if (len >= 2 && code->qualname[0] == '<' && code->qualname[len - 1] == '>') {
        prf_strbuf_addf(sb, "{%.*s}", (int)(len - 2), code->qualname + 1);
    } else {
        prf_strbuf_adds(sb, code->qualname);
    }
}

void
prf_csv_add(FILE *out, const char *text, struct prf_strbuf *room)
{
    prf_strbuf_clear(room);
    prf_utf8_add(room, text);
    const char *s = prf_strbuf_text(room);
    if (strpbrk(s, ",\"\r\n") == NULL) {
        fputs(s, out);
        return;
    }
    putc('"', out);
    for (; *s != '\0'; s++) {
        fputs(*s == '"' ? "\"\"" : (const char[]){*s, '\0'}, out);
    }
    putc('"', out);
}

void
prf_markdown_add(FILE *out, const char *text, struct prf_strbuf *room)
{
    prf_strbuf_clear(room);
    prf_visible_add(room, text, PRF_VISIBLE_LINE);
    for (const char *s = prf_strbuf_text(room); *s != '\0'; s++) {
        if (*s == '<') {
            fputs("&lt;", out);
        } else if (*s == '&') {
            fputs("&amp;", out);
        } else if (*s == '@') { /* nobody is to be notified */
            fputs("&#64;", out);
        } else {
            fprintf(out, "%s%c", strchr("\\`*_{}[]#|~>", *s) != NULL ? "\\" : "", *s);
        }
    }
}
