/* Functions of two sides; see match.h. Both sides are sorted by file and name and then
   walked together. */
#include "match.h"

#include <stdlib.h>
#include <string.h>

#include "path.h"
#include "strbuf.h"

/* A function of a side, in all profiles that have it. */
struct match_code {
    const char *path;     /* where it was on that machine */
    const char *file;     /* where it is on its side */
    const char *new_file; /* ... and on the new side */
    const char *name;
    uint32_t line;     /* on its side */
    uint32_t new_line; /* on the new side, 0: not known */
    uint32_t profile, code;
    uint32_t item;
};

struct match_list {
    struct match_code *items;
    size_t n;
};

struct matcher {
    struct prf_match *match;
    const struct prf_side_profiles *sides;
    const struct prf_diff_lines *lines;
    struct prf_arena *arena;
    struct match_list lists[PRF_DIFF_SIDES];
};

/* "/a/cases/../m.py" is "/a/m.py": sys.path is often made so. NULL: no memory. */
static const char *
match_path(const char *path, struct prf_arena *arena)
{
    if (path[0] != '/' || (strstr(path, "/.") == NULL && strstr(path, "//") == NULL)) {
        return path;
    }
    char *clean = prf_path_absolute(path);
    const char *kept = clean != NULL ? prf_arena_strdup(arena, clean) : NULL;
    free(clean);
    return kept;
}

/* What both sides call a file: each commit may have its own checkout and its own
   environment. Borrowed from `file`. */
static const char *
match_file(const char *file, const char *root)
{
    static const char *const packages[] = {"/site-packages/", "/dist-packages/"};
    for (size_t i = 0; i < sizeof packages / sizeof *packages; i++) {
        const char *at = strstr(file, packages[i]);
        if (at != NULL) {
            return at + 1;
        }
    }
    size_t n = root != NULL ? strlen(root) : 0;
    while (n > 1 && root[n - 1] == '/') {
        n--;
    }
    return n > 0 && strncmp(file, root, n) == 0 && file[n] == '/' ? file + n + 1 : file;
}

/* "<... object at 0x7f...>": the address says nothing and differs. */
static const char *
match_name(const char *name, struct prf_arena *arena)
{
    static const char mark[] = " at 0x";
    struct prf_strbuf text = PRF_STRBUF_INIT;
    const char *at = strstr(name, mark);
    if (at == NULL) {
        return name;
    }
    for (; at != NULL; at = strstr(name, mark)) {
        prf_strbuf_add(&text, name, (size_t)(at - name));
        name = at + sizeof mark - 1;
        name += strspn(name, "0123456789abcdefABCDEF");
    }
    prf_strbuf_adds(&text, name);
    char *kept = text.failed ? NULL : prf_arena_strdup(arena, prf_strbuf_text(&text));
    prf_strbuf_release(&text);
    return kept;
}

static int
match_by_name(const struct match_code *a, const struct match_code *b)
{
    int order = strcmp(a->new_file, b->new_file);
    return order != 0 ? order : strcmp(a->name, b->name);
}

static int
match_by_place(const void *left, const void *right)
{
    const struct match_code *a = left, *b = right;
    int order = match_by_name(a, b);
    if (order == 0 && a->line != b->line) {
        order = a->line < b->line ? -1 : 1;
    }
    if (order == 0 && a->profile != b->profile) {
        order = a->profile < b->profile ? -1 : 1;
    }
    return order != 0 ? order : (a->code > b->code) - (a->code < b->code);
}

static int
matcher_take(struct matcher *m, enum prf_diff_side side, uint32_t profile,
             uint32_t code)
{
    const struct prf_side_profiles *s = &m->sides[side];
    const struct prf_function *f = &s->profiles[profile]->codes[code];
    const char *path = match_path(f->file, m->arena);
    if (path == NULL) {
        return PRF_ENOMEM;
    }
    struct match_code *out = &m->lists[side].items[m->lists[side].n++];
    *out = (struct match_code){.path = path,
                               .file = match_file(path, s->roots[profile]),
                               .name = match_name(f->qualname, m->arena),
                               .line = f->first_line,
                               .profile = profile,
                               .code = code};
    out->new_file = out->file;
    out->new_line = m->lines->known ? out->line : 0;
    if (side == PRF_DIFF_BASE) {
        out->new_file = prf_diff_lines_file(m->lines, out->file);
        out->new_line =
            m->lines->known ? prf_diff_lines_map(m->lines, out->file, out->line) : 0;
    }
    return out->name == NULL ? PRF_ENOMEM : 0;
}

static int
matcher_collect(struct matcher *m, enum prf_diff_side side)
{
    const struct prf_side_profiles *s = &m->sides[side];
    struct match_list *list = &m->lists[side];
    size_t n = 0;
    int rc = 0;
    uint32_t **of = prf_arena_alloc(m->arena, (s->n + 1) * sizeof *of);
    m->match->of[side] = of;
    for (size_t i = 0; of != NULL && i < s->n; i++) {
        n += s->profiles[i]->n_codes;
        of[i] = prf_arena_alloc(m->arena, (s->profiles[i]->n_codes + 1) * sizeof **of);
        rc = of[i] == NULL ? PRF_ENOMEM : rc;
    }
    list->items = calloc(n + 1, sizeof *list->items);
    if (of == NULL || list->items == NULL) {
        return PRF_ENOMEM;
    }
    for (uint32_t i = 0; i < s->n; i++) {
        for (uint32_t code = 1; rc == 0 && code < s->profiles[i]->n_codes; code++) {
            rc = matcher_take(m, side, i, code);
        }
    }
    qsort(list->items, list->n, sizeof *list->items, match_by_place);
    return rc;
}

/* Codes with one place are one function; two lambdas in a line are too. */
static bool
match_same_place(const struct match_code *a, const struct match_code *b)
{
    return match_by_name(a, b) == 0 && a->line == b->line;
}

static uint32_t
matcher_item(struct matcher *m)
{
    return (uint32_t)m->match->n++;
}

/* Give all codes at the place of items[i] the item; returns the index after them. */
static size_t
matcher_assign(struct match_list *list, size_t i, uint32_t item)
{
    size_t end = i;
    while (end < list->n && match_same_place(&list->items[i], &list->items[end])) {
        list->items[end++].item = item;
    }
    return end;
}

static size_t
match_next_place(const struct match_list *list, size_t i, size_t end)
{
    size_t next = i + 1;
    while (next < end && match_same_place(&list->items[i], &list->items[next])) {
        next++;
    }
    return next;
}

/* Those whose line the diff leads to a function of that name. */
static void
matcher_pair_by_line(struct matcher *m, const size_t from[2], const size_t to[2])
{
    struct match_list *base = &m->lists[0], *next = &m->lists[1];
    for (size_t i = from[0]; i < to[0]; i = match_next_place(base, i, to[0])) {
        for (size_t k = from[1]; k < to[1]; k = match_next_place(next, k, to[1])) {
            if (base->items[i].new_line != 0 && next->items[k].item == 0 &&
                base->items[i].new_line == next->items[k].new_line) {
                uint32_t item = matcher_item(m);
                matcher_assign(base, i, item);
                matcher_assign(next, k, item);
                break;
            }
        }
    }
}

/* The next place without an item. */
static size_t
match_free(const struct match_list *list, size_t i, size_t end)
{
    while (i < end && list->items[i].item != 0) {
        i++;
    }
    return i;
}

/* Both ranges have one file and name. */
static void
matcher_pair(struct matcher *m, const size_t from[2], const size_t to[2])
{
    size_t i = from[0], k = from[1];
    matcher_pair_by_line(m, from, to);
    for (;;) {
        i = match_free(&m->lists[0], i, to[0]);
        k = match_free(&m->lists[1], k, to[1]);
        if (i == to[0] && k == to[1]) {
            return;
        }
        uint32_t item = matcher_item(m);
        i = i < to[0] ? matcher_assign(&m->lists[0], i, item) : i;
        k = k < to[1] ? matcher_assign(&m->lists[1], k, item) : k;
    }
}

static size_t
match_group_end(const struct match_list *list, size_t i)
{
    size_t end = i;
    while (end < list->n && match_by_name(&list->items[i], &list->items[end]) == 0) {
        end++;
    }
    return end;
}

static void
matcher_walk(struct matcher *m)
{
    size_t at[2] = {0, 0};
    while (at[0] < m->lists[0].n || at[1] < m->lists[1].n) {
        int order = at[0] == m->lists[0].n   ? 1
                    : at[1] == m->lists[1].n ? -1
                                             : match_by_name(&m->lists[0].items[at[0]],
                                                             &m->lists[1].items[at[1]]);
        size_t end[2] = {at[0], at[1]};
        if (order <= 0) {
            end[0] = match_group_end(&m->lists[0], at[0]);
        }
        if (order >= 0) {
            end[1] = match_group_end(&m->lists[1], at[1]);
        }
        matcher_pair(m, at, end);
        at[0] = end[0];
        at[1] = end[1];
    }
}

/* The lists are in the order of profiles for one place, so the first one stays. */
static void
matcher_fill(struct matcher *m, enum prf_diff_side side)
{
    for (size_t i = 0; i < m->lists[side].n; i++) {
        const struct match_code *c = &m->lists[side].items[i];
        struct prf_matched *item = &m->match->items[c->item];
        m->match->of[side][c->profile][c->code] = c->item;
        if (item->on[side].file == NULL) {
            item->on[side] = (struct prf_matched_on){.file = c->file,
                                                     .first_line = c->line,
                                                     .profile = c->profile,
                                                     .code = c->code};
            item->function = &m->sides[side].profiles[c->profile]->codes[c->code];
            item->file = c->file;
            item->path = c->path;
        }
    }
}

int
prf_match_build(struct prf_match *match,
                const struct prf_side_profiles sides[PRF_DIFF_SIDES],
                const struct prf_diff_lines *lines, struct prf_arena *arena,
                struct prf_error *err)
{
    *match = (struct prf_match){.n = 1};
    struct matcher m = {.match = match, .sides = sides, .lines = lines, .arena = arena};
    int rc = matcher_collect(&m, PRF_DIFF_BASE);
    if (rc == 0) {
        rc = matcher_collect(&m, PRF_DIFF_NEXT);
    }
    if (rc == 0) {
        matcher_walk(&m);
        match->items = prf_arena_alloc(arena, match->n * sizeof *match->items);
        rc = match->items == NULL ? PRF_ENOMEM : 0;
    }
    if (rc == 0) {
        matcher_fill(&m, PRF_DIFF_BASE);
        matcher_fill(&m, PRF_DIFF_NEXT);
    }
    free(m.lists[0].items);
    free(m.lists[1].items);
    return rc < 0 ? prf_fail(err, rc, "out of memory") : 0;
}
