/* -k expressions: a recursive-descent evaluator over the text; see select.h. */
#include "select.h"

#include <ctype.h>
#include <string.h>

#define SELECT_DEPTH 64 /* of parentheses and nots: the stack is finite */

struct select {
    const char *text;
    const char *at;
    const char *id;
    int depth;
    struct prf_error *err;
    bool failed;
};

static bool select_or(struct select *s);

static void
select_space(struct select *s)
{
    while (isspace((unsigned char)*s->at)) {
        s->at++;
    }
}

/* Length of the word or parenthesis here; 0 at the end. */
static size_t
select_token(struct select *s)
{
    select_space(s);
    if (*s->at == '(' || *s->at == ')') {
        return 1;
    }
    size_t n = 0;
    while (s->at[n] != '\0' && strchr(" \t\n()", s->at[n]) == NULL) {
        n++;
    }
    return n;
}

static bool
select_take(struct select *s, const char *word)
{
    size_t n = select_token(s);
    if (n == 0 || strlen(word) != n || strncmp(s->at, word, n) != 0) {
        return false;
    }
    s->at += n;
    return true;
}

static bool
select_fail(struct select *s, const char *what)
{
    s->failed = true;
    prf_fail(s->err, PRF_EUSAGE, "-k '%s': %s at position %d", s->text, what,
             (int)(s->at - s->text) + 1);
    return false;
}

static bool
select_contains(const char *id, const char *word, size_t n)
{
    for (; *id != '\0'; id++) {
        if (strncasecmp(id, word, n) == 0) {
            return true;
        }
    }
    return false;
}

static bool
select_word(struct select *s)
{
    size_t n = select_token(s);
    if (n == 0 || *s->at == ')') {
        return select_fail(s, n == 0 ? "a word is missing" : "unexpected ')'");
    }
    static const char *const reserved[] = {"and", "or"};
    for (int i = 0; i < 2; i++) {
        if (strlen(reserved[i]) == n && strncmp(s->at, reserved[i], n) == 0) {
            return select_fail(s, "a word is missing");
        }
    }
    bool found = select_contains(s->id, s->at, n);
    s->at += n;
    return found;
}

static bool
select_not(struct select *s)
{
    bool value;
    if (++s->depth > SELECT_DEPTH) {
        return select_fail(s, "nested too deeply");
    }
    if (select_take(s, "not")) {
        value = !select_not(s);
    } else if (select_take(s, "(")) {
        value = select_or(s);
        if (!s->failed && !select_take(s, ")")) {
            value = select_fail(s, "')' is missing");
        }
    } else {
        value = select_word(s);
    }
    s->depth--;
    return value;
}

static bool
select_and(struct select *s)
{
    bool value = select_not(s);
    while (!s->failed && select_take(s, "and")) {
        bool next = select_not(s); /* both sides are read: the text must move on */
        value = value && next;
    }
    return value;
}

static bool
select_or(struct select *s)
{
    bool value = select_and(s);
    while (!s->failed && select_take(s, "or")) {
        bool next = select_and(s);
        value = value || next;
    }
    return value;
}

static bool
select_run(struct select *s)
{
    s->at = s->text;
    bool value = select_or(s);
    select_space(s);
    if (!s->failed && *s->at != '\0') {
        return select_fail(s, "'and' or 'or' is missing");
    }
    return value;
}

int
prf_select_check(const char *expression, struct prf_error *err)
{
    struct select s = {.text = expression, .id = "", .err = err};
    select_run(&s);
    return s.failed ? PRF_EUSAGE : 0;
}

bool
prf_select_matches(const char *expression, const char *id)
{
    struct select s = {.text = expression, .id = id};
    return select_run(&s) && !s.failed;
}
