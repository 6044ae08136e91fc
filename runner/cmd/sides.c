/* From words to sides; see sides.h. */
#include "sides.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "strbuf.h"
#include "suggest.h"
#include "vcs.h"

/* How far back a dirty tree is looked for by the beginning of its id. */
#define SIDES_TREES 1000
#define SIDES_TREE_DIGITS 4

struct resolving {
    struct prf_store *store; /* or NULL */
    const struct prf_sides_words *words;
    struct prf_sides *sides;
    struct prf_arena *arena;
    struct prf_error *err;
};

static int
sides_no_memory(struct prf_error *err)
{
    return prf_fail(err, PRF_ENOMEM, "out of memory");
}

static int sides_note(struct resolving *r, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static int
sides_note(struct resolving *r, const char *format, ...)
{
    struct prf_strbuf text = PRF_STRBUF_INIT;
    va_list args;
    va_start(args, format);
    prf_strbuf_vaddf(&text, format, args);
    va_end(args);
    int rc = text.failed ? PRF_ENOMEM : prf_strlist_add(&r->sides->notes, text.data);
    prf_strbuf_release(&text);
    return rc < 0 ? sides_no_memory(r->err) : 0;
}

static const char *
sides_copy(struct resolving *r, const char *text)
{
    return text == NULL ? NULL : prf_arena_strdup(r->arena, text);
}

/* --- one word ----------------------------------------------------------------------
 */

static int
sides_commit(struct resolving *r, const char *word, struct prf_side *out,
             struct prf_error *err)
{
    struct prf_revision revision;
    int rc = prf_vcs_revision(r->words->folder, word, r->arena, &revision, err);
    if (rc == 0) {
        *out = (struct prf_side){.kind = PRF_SIDE_COMMIT,
                                 .id = revision.id,
                                 .name = sides_copy(r, word),
                                 .commit = revision.id,
                                 .tree = revision.tree,
                                 .summary = revision.summary,
                                 .time = revision.time};
    }
    return rc;
}

/* What is known of the commit that a dirty tree is based on; it may be gone. */
static void
sides_based_on(struct resolving *r, struct prf_side *side)
{
    struct prf_revision revision;
    if (side->commit != NULL && prf_vcs_revision(r->words->folder, side->commit,
                                                 r->arena, &revision, NULL) == 0) {
        side->summary = revision.summary;
        side->time = revision.time;
    }
}

static void
sides_tree(struct resolving *r, const char *word, const struct prf_dirty_tree *tree,
           struct prf_side *out)
{
    *out = (struct prf_side){.kind = PRF_SIDE_TREE,
                             .id = tree->tree,
                             .name = sides_copy(r, word),
                             .commit = tree->commit,
                             .tree = tree->tree};
    sides_based_on(r, out);
}

/* "wip" is 0, "wip~3" is 3; -1: another word. */
static long
sides_wip(const char *word)
{
    if (strncmp(word, "wip", 3) != 0) {
        return -1;
    }
    const char *digits = word + 4;
    if (word[3] == '\0') {
        return 0;
    }
    if (word[3] != '~' || strlen(digits) > 6 ||
        digits[strspn(digits, "0123456789")] != '\0') {
        return -1;
    }
    return *digits == '\0' ? 1 : strtol(digits, NULL, 10);
}

static int
sides_dirty(struct resolving *r, const char *word, size_t back, struct prf_side *out)
{
    struct prf_dirty_tree *trees = NULL;
    size_t n = 0;
    int rc = r->store == NULL ? 0
                              : prf_store_dirty_trees(r->store, back + 1, r->arena,
                                                      &trees, &n, r->err);
    if (rc < 0) {
        return rc;
    }
    if (n == 0) {
        return prf_fail(r->err, PRF_ENOTFOUND,
                        "'%s': no work tree with changes was measured yet; "
                        "'pyprofiler-run' measures and keeps the one that is here",
                        word);
    }
    if (n <= back) {
        return prf_fail(r->err, PRF_ENOTFOUND,
                        "'%s': only %zu work trees with changes were measured, the "
                        "oldest is 'wip~%zu'",
                        word, n, n - 1);
    }
    sides_tree(r, word, &trees[back], out);
    return 0;
}

/* The dirty tree whose id begins so: 1, none: 0. */
static int
sides_tree_id(struct resolving *r, const char *word, struct prf_side *out)
{
    struct prf_dirty_tree *trees = NULL;
    size_t n = 0, length = strlen(word);
    const struct prf_dirty_tree *found = NULL;
    if (r->store == NULL || length < SIDES_TREE_DIGITS ||
        word[strspn(word, "0123456789abcdef")] != '\0') {
        return 0;
    }
    int rc = prf_store_dirty_trees(r->store, SIDES_TREES, r->arena, &trees, &n, r->err);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        if (strncmp(trees[i].tree, word, length) != 0) {
            continue;
        }
        if (found != NULL) {
            return prf_fail(r->err, PRF_ENOTFOUND,
                            "'%s' may be tree %s or %s: give more of its id", word,
                            found->tree, trees[i].tree);
        }
        found = &trees[i];
    }
    if (found != NULL) {
        sides_tree(r, word, found, out);
    }
    return rc < 0 ? rc : found != NULL;
}

/* The run whose id begins so: 1, none: 0. */
static int
sides_run(struct resolving *r, const char *word, struct prf_side *out)
{
    struct prf_error why = {0};
    const char *id = NULL;
    int rc = r->store == NULL ? PRF_ENOTFOUND
                              : prf_store_find_run(r->store, word, r->arena, &id, &why);
    if (rc == PRF_ENOTFOUND && strstr(why.text, "ambiguous") == NULL) {
        return 0;
    }
    if (rc < 0) {
        return prf_fail(r->err, rc, "%s", why.text);
    }
    *out =
        (struct prf_side){.kind = PRF_SIDE_RUN, .id = id, .name = sides_copy(r, word)};
    return 1;
}

/* Branches, tags and baselines: the nearest one, copied; NULL: none is near. */
static const char *
sides_near(struct resolving *r, const char *word, bool *is_baseline)
{
    struct prf_strlist names = {0};
    struct prf_error ignored = {0};
    const char *near = NULL;
    size_t n_revisions;
    prf_vcs_names(r->words->folder, &names, &ignored);
    n_revisions = names.n;
    if (r->store != NULL) {
        prf_store_baselines(r->store, &names, &ignored);
    }
    for (size_t i = n_revisions; i < names.n && near == NULL; i++) {
        near = strcmp(names.items[i], word) == 0 ? names.items[i] : NULL;
    }
    *is_baseline = near != NULL;
    if (near == NULL) {
        near = prf_suggest(word, (const char *const *)names.items, n_revisions);
    }
    if (near == NULL) {
        near = prf_suggest(word, (const char *const *)names.items + n_revisions,
                           names.n - n_revisions);
        *is_baseline = near != NULL;
    }
    near = sides_copy(r, near);
    prf_strlist_release(&names);
    return near;
}

static int
sides_unknown(struct resolving *r, const char *word, const struct prf_error *why)
{
    bool is_baseline = false;
    const char *near = sides_near(r, word, &is_baseline);
    if (near != NULL && is_baseline) {
        return prf_fail(r->err, PRF_ENOTFOUND,
                        "'%s' is no revision and no run, did you mean the baseline: "
                        "--baseline %s?",
                        word, near);
    }
    if (near != NULL) {
        return prf_fail(r->err, PRF_ENOTFOUND,
                        "'%s' is no revision and no run, did you mean '%s'?", word,
                        near);
    }
    return prf_fail(r->err, PRF_ENOTFOUND,
                    "'%s' is no revision, no run and no measured work tree: %s", word,
                    why->text);
}

static int
sides_word(struct resolving *r, const char *word, struct prf_side *out)
{
    struct prf_error why = {0};
    long wip = sides_wip(word);
    int rc = sides_commit(r, word, out, &why);
    if (rc == 0 && wip >= 0) {
        return sides_note(r,
                          "'%s' is a revision of this repository; the work trees that "
                          "were measured can be named by their tree ids",
                          word);
    }
    if (rc == 0 || rc == PRF_ENOMEM) {
        return rc < 0 ? sides_no_memory(r->err) : 0;
    }
    if (wip >= 0) {
        return sides_dirty(r, word, (size_t)wip, out);
    }
    rc = sides_run(r, word, out);
    if (rc == 0) {
        rc = sides_tree_id(r, word, out);
    }
    return rc == 0 ? sides_unknown(r, word, &why) : rc < 0 ? rc : 0;
}

/* --- ranges ------------------------------------------------------------------------
 */

/* The first ".." outside of braces, as "HEAD^{/fix ..}" has them; NULL: none. */
static const char *
sides_dots(const char *word)
{
    int depth = 0;
    for (const char *at = word; *at != '\0'; at++) {
        depth += (*at == '{') - (*at == '}');
        if (depth == 0 && at[0] == '.' && at[1] == '.') {
            return at;
        }
    }
    return NULL;
}

static int
sides_merge_base(struct resolving *r, const char *a, const char *b,
                 struct prf_side *out)
{
    char id[41];
    int rc = prf_vcs_merge_base(r->words->folder, a, b, id, r->err);
    if (rc == 0) {
        rc = sides_commit(r, id, out, r->err);
    }
    if (rc == 0) {
        struct prf_strbuf name = PRF_STRBUF_INIT;
        prf_strbuf_addf(&name, "merge base of %s and %s", a, b);
        out->name = sides_copy(r, prf_strbuf_text(&name));
        prf_strbuf_release(&name);
    }
    return rc;
}

/* "A..B" is A B; "A...B" is their merge base and B; an empty end is HEAD. */
static int
sides_range(struct resolving *r, const char *word, const char *dots)
{
    bool from_base = dots[2] == '.';
    const char *right = dots + (from_base ? 3 : 2);
    const char *a = prf_arena_strndup(r->arena, word, (size_t)(dots - word));
    const char *b = *right == '\0' ? "HEAD" : right;
    if (a == NULL) {
        return sides_no_memory(r->err);
    }
    if (r->words->next != NULL) {
        return prf_fail(r->err, PRF_EUSAGE,
                        "'%s' names both sides: '%s' is one too many", word,
                        r->words->next);
    }
    a = *a == '\0' ? "HEAD" : a;
    int rc = sides_word(r, b, &r->sides->next);
    if (rc < 0) {
        return rc;
    }
    return from_base ? sides_merge_base(r, a, b, &r->sides->base)
                     : sides_word(r, a, &r->sides->base);
}

/* --- baselines ---------------------------------------------------------------------
 */

static int
sides_baseline(struct resolving *r)
{
    const char *name = r->words->baseline;
    struct prf_strlist names = {0};
    int rc = r->store == NULL ? 0 : prf_store_baselines(r->store, &names, r->err);
    bool found = false;
    for (size_t i = 0; i < names.n; i++) {
        found = found || strcmp(names.items[i], name) == 0;
    }
    const char *near = prf_suggest(name, (const char *const *)names.items, names.n);
    if (rc == 0 && found) {
        r->sides->base = (struct prf_side){.kind = PRF_SIDE_BASELINE,
                                           .id = sides_copy(r, name),
                                           .name = sides_copy(r, name)};
    } else if (rc == 0 && r->words->lenient) {
        r->sides->no_baseline = true;
        rc = sides_note(r, "there is no baseline '%s' yet: nothing is compared", name);
    } else if (rc == 0 && near != NULL) {
        rc = prf_fail(r->err, PRF_ENOTFOUND,
                      "there is no baseline '%s', did you mean '%s'?", name, near);
    } else if (rc == 0) {
        rc = prf_fail(r->err, PRF_ENOTFOUND,
                      "there is no baseline '%s'; 'pyprofiler run --save-baseline %s' "
                      "makes it",
                      name, name);
    }
    prf_strlist_release(&names);
    return rc;
}

/* --- the work tree -----------------------------------------------------------------
 */

static int
sides_has_results(struct resolving *r, const struct prf_side *side, bool *out)
{
    struct prf_side_query query = {
        .kind = side->kind, .id = side->id, .n_newest = 1, .n_looked = 1};
    struct prf_side_results results = {0};
    int rc = r->store == NULL ? 0 : prf_store_side(r->store, &query, &results, r->err);
    *out = results.n > 0;
    prf_side_results_release(&results);
    return rc;
}

/* Results of the tree as it is, else of HEAD. */
static int
sides_changed_tree(struct resolving *r, const struct prf_commit *commit,
                   struct prf_side *out)
{
    bool measured = false;
    *out = (struct prf_side){.kind = PRF_SIDE_TREE,
                             .id = commit->tree,
                             .name = "the work tree",
                             .commit = commit->id,
                             .tree = commit->tree,
                             .work_tree = true};
    sides_based_on(r, out);
    int rc = sides_has_results(r, out, &measured);
    if (rc < 0 || measured || r->words->without_results) {
        return rc;
    }
    if (commit->id == NULL) {
        return prf_fail(r->err, PRF_ENOTFOUND,
                        "the work tree was not measured yet, and there is no commit; "
                        "'pyprofiler-run' measures it");
    }
    rc = sides_commit(r, "HEAD", out, r->err);
    return rc < 0
               ? rc
               : sides_note(r, "the work tree has changes that were not measured: NEW "
                               "is HEAD; 'pyprofiler-run' measures them");
}

static int
sides_work_tree(struct resolving *r, struct prf_side *out)
{
    struct prf_commit commit;
    int rc = prf_vcs_describe(r->words->folder, r->arena, &commit, r->err);
    if (rc < 0) {
        return rc;
    }
    if (commit.id != NULL && !commit.dirty) {
        rc = sides_commit(r, "HEAD", out, r->err);
        out->name = "the work tree";
        out->work_tree = rc == 0;
        return rc;
    }
    if (commit.tree != NULL) {
        return sides_changed_tree(r, &commit, out);
    }
    if (commit.id != NULL) {
        rc = sides_commit(r, "HEAD", out, r->err);
        return rc < 0 ? rc
                      : sides_note(r, "the state of the work tree is not known: NEW is "
                                      "HEAD");
    }
    return prf_fail(r->err, PRF_ENOTFOUND,
                    "what is NEW? %s; name a run or revision after BASE",
                    commit.note == NULL ? "there is no commit here" : commit.note);
}

/* --- both --------------------------------------------------------------------------
 */

static int
sides_both(struct resolving *r)
{
    const struct prf_sides_words *w = r->words;
    if (w->baseline == NULL && w->base == NULL) {
        return prf_fail(r->err, PRF_EUSAGE, "no base is given");
    }
    const char *dots = w->baseline == NULL ? sides_dots(w->base) : NULL;
    if (dots != NULL) {
        return sides_range(r, w->base, dots);
    }
    if (w->next != NULL && sides_dots(w->next) != NULL) {
        return prf_fail(r->err, PRF_EUSAGE,
                        "'%s' is a range: NEW is one commit, run or work tree",
                        w->next);
    }
    int rc = w->baseline != NULL ? sides_baseline(r)
                                 : sides_word(r, w->base, &r->sides->base);
    if (rc < 0) {
        return rc;
    }
    rc = w->next != NULL ? sides_word(r, w->next, &r->sides->next)
                         : sides_work_tree(r, &r->sides->next);
    if (rc < 0 && rc != PRF_ENOMEM && r->sides->no_baseline && w->next == NULL) {
        prf_error_clear(r->err); /* it is not needed, unless it is to be saved */
        r->sides->next = (struct prf_side){0};
        rc = 0;
    }
    return rc;
}

int
prf_sides_resolve(struct prf_store *store, const struct prf_sides_words *words,
                  struct prf_sides *out, struct prf_error *err)
{
    *out = (struct prf_sides){0};
    struct resolving r = {
        .store = store, .words = words, .sides = out, .arena = &out->arena, .err = err};
    int rc = sides_both(&r);
    const struct prf_side *const both[] = {&out->base, &out->next};
    for (size_t i = 0; rc == 0 && !out->no_baseline && i < 2; i++) {
        if (both[i]->id == NULL || both[i]->name == NULL) {
            rc = sides_no_memory(err);
        }
    }
    return rc;
}

void
prf_sides_release(struct prf_sides *sides)
{
    prf_strlist_release(&sides->notes);
    prf_arena_release(&sides->arena);
    *sides = (struct prf_sides){0};
}
