/* Where a function of a Python source ends; see where.h. No parser: indentation, with
   brackets and long strings looked through. */
#include <string.h>

#include "where.h"

struct span_state {
    int depth;  /* of brackets */
    char quote; /* of the long string that is open, or NUL */
};

static const char *
span_skip_string(const char *s, char quote)
{
    for (s++; *s != '\0' && *s != '\n' && *s != quote; s++) {
        s += *s == '\\' && s[1] != '\0' && s[1] != '\n';
    }
    return *s == quote ? s + 1 : s;
}

static bool
span_is_long(const char *s, char quote)
{
    return s[0] == quote && s[1] == quote && s[2] == quote;
}

/* To the end of the line, keeping count of what is open there. */
static const char *
span_scan(struct span_state *state, const char *s)
{
    while (*s != '\0' && *s != '\n') {
        if (state->quote != '\0') {
            bool ends = span_is_long(s, state->quote);
            s += ends ? 3 : 1 + (*s == '\\' && s[1] != '\0' && s[1] != '\n');
            state->quote = ends ? '\0' : state->quote;
        } else if (*s == '#') {
            s += strcspn(s, "\n");
        } else if (*s == '"' || *s == '\'') {
            bool opens = span_is_long(s, *s);
            state->quote = opens ? *s : '\0';
            s = opens ? s + 3 : span_skip_string(s, *s);
        } else {
            state->depth += strchr("([{", *s) != NULL;
            state->depth -= strchr(")]}", *s) != NULL && state->depth > 0;
            s++;
        }
    }
    return *s == '\n' ? s + 1 : s;
}

static size_t
span_indent(const char *s)
{
    size_t width = 0;
    for (; *s == ' ' || *s == '\t'; s++) {
        width = *s == '\t' ? (width / 8 + 1) * 8 : width + 1;
    }
    return width;
}

static bool
span_is_word(const char *s, const char *word)
{
    return strncmp(s, word, strlen(word)) == 0;
}

/* Does the body come after this line? Not after a decorator, and not inside of it. */
static bool
span_is_head(const char *line)
{
    const char *s = line + strspn(line, " \t");
    return span_is_word(s, "def ") || span_is_word(s, "async ") ||
           span_is_word(s, "class ");
}

struct prf_span
prf_where_span(const char *text, uint32_t first_line)
{
    struct prf_span span = {first_line, first_line};
    struct span_state state = {0};
    const char *s = text;
    bool head = false, inside = false; /* of a statement or string */
    size_t indent = 0;
    for (uint32_t line = 1; line < first_line && *s != '\0'; line++) {
        s += strcspn(s, "\n");
        s += *s == '\n';
    }
    for (uint32_t line = first_line; *s != '\0'; line++) {
        const char *first = s + strspn(s, " \t\r");
        bool blank = *first == '\n' || *first == '\0' || *first == '#';
        if (line == first_line) {
            indent = span_indent(s);
        } else if (!inside && !blank && head && span_indent(s) <= indent) {
            break;
        }
        span.last = inside || !blank ? line : span.last;
        head = head || (!inside && !blank && span_is_head(s));
        s = span_scan(&state, s);
        inside = state.depth > 0 || state.quote != '\0';
    }
    return span;
}
