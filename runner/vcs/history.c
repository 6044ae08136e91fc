/* Commits: one, a range of them, a common ancestor; see vcs.h. */
#include "vcs.h"

#include <stdlib.h>
#include <string.h>

#include <git2.h>

#include "repository.h"
#include "shallow.h"
#include "worktree.h"

/* The name of a tag and the commit that it leads to. */
struct tag {
    git_oid id;
    const char *name;
};

struct history {
    git_repository *repo;
    struct prf_arena *arena;
    struct tag *tags; /* sorted by id, then name */
    size_t n_tags;
    git_revwalk *walk;
    struct prf_shallow_walk *shallow; /* instead, in a shallow clone */
    struct prf_error *err;
};

static int
history_out_of_memory(struct prf_error *err)
{
    return prf_fail(err, PRF_ENOMEM, "out of memory");
}

static int
history_compare_tags(const void *left, const void *right)
{
    const struct tag *a = left;
    const struct tag *b = right;
    int order = git_oid_cmp(&a->id, &b->id);
    return order != 0 ? order : strcmp(a->name, b->name);
}

/* A tag of something else than a commit, or of what is missing, marks no commit. */
static bool
history_tagged_commit(git_repository *repo, const char *refname, git_oid *out)
{
    git_reference *reference = NULL;
    git_object *commit = NULL;
    bool found = git_reference_lookup(&reference, repo, refname) == 0 &&
                 git_reference_peel(&commit, reference, GIT_OBJECT_COMMIT) == 0;
    if (found) {
        git_oid_cpy(out, git_object_id(commit));
    }
    git_object_free(commit);
    git_reference_free(reference);
    return found;
}

static int
history_load_tags(struct history *h)
{
    git_strarray names = {0};
    struct prf_strbuf refname = PRF_STRBUF_INIT;
    int rc = 0;
    if (git_tag_list(&names, h->repo) < 0) {
        return prf_fail(h->err, PRF_EVCS, "cannot list the tags: %s",
                        prf_worktree_why());
    }
    h->tags = calloc(names.count + 1, sizeof *h->tags);
    for (size_t i = 0; h->tags != NULL && i < names.count; i++) {
        struct tag tag = {.name = prf_arena_strdup(h->arena, names.strings[i])};
        prf_strbuf_clear(&refname);
        prf_strbuf_addf(&refname, "refs/tags/%s", names.strings[i]);
        if (tag.name == NULL || refname.failed) {
            rc = PRF_ENOMEM;
        } else if (history_tagged_commit(h->repo, refname.data, &tag.id)) {
            h->tags[h->n_tags++] = tag;
        }
    }
    if (h->tags == NULL || rc < 0) {
        rc = history_out_of_memory(h->err);
    } else {
        qsort(h->tags, h->n_tags, sizeof *h->tags, history_compare_tags);
    }
    prf_strbuf_release(&refname);
    git_strarray_dispose(&names);
    return rc;
}

/* The first tag of the commit, h->n_tags when it has none. */
static size_t
history_first_tag(const struct history *h, const git_oid *id)
{
    size_t low = 0;
    size_t high = h->n_tags;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (git_oid_cmp(&h->tags[middle].id, id) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < h->n_tags && git_oid_equal(&h->tags[low].id, id) ? low : h->n_tags;
}

/* The names of its tags with blanks between them; NULL: out of memory. */
static const char *
history_tags(const struct history *h, const git_oid *id)
{
    struct prf_strbuf names = PRF_STRBUF_INIT;
    for (size_t i = history_first_tag(h, id);
         i < h->n_tags && git_oid_equal(&h->tags[i].id, id); i++) {
        prf_strbuf_addf(&names, "%s%s", names.len > 0 ? " " : "", h->tags[i].name);
    }
    const char *copy =
        names.failed ? NULL : prf_arena_strdup(h->arena, prf_strbuf_text(&names));
    prf_strbuf_release(&names);
    return copy;
}

static const char *
history_hex(const struct history *h, const git_oid *id)
{
    char hex[GIT_OID_HEXSZ + 1];
    return prf_arena_strdup(h->arena, git_oid_tostr(hex, sizeof hex, id));
}

static int
history_read(const struct history *h, git_commit *commit, struct prf_revision *out)
{
    const git_signature *author = git_commit_author(commit);
    const char *summary = git_commit_summary(commit);
    *out = (struct prf_revision){
        .id = history_hex(h, git_commit_id(commit)),
        .tree = history_hex(h, git_commit_tree_id(commit)),
        .summary = prf_arena_strdup(h->arena, summary == NULL ? "" : summary),
        .author = prf_arena_strdup(h->arena, author == NULL ? "" : author->name),
        .tags = history_tags(h, git_commit_id(commit)),
        .time = git_commit_time(commit),
    };
    return out->id == NULL || out->tree == NULL || out->summary == NULL ||
                   out->author == NULL || out->tags == NULL
               ? history_out_of_memory(h->err)
               : 0;
}

/* Following parents ends where a shallow clone does, with one of two codes. */
static bool
history_ends(git_repository *repo, int code)
{
    const git_error *error = git_error_last();
    return git_repository_is_shallow(repo) == 1 &&
           (code == GIT_ENOTFOUND || (error != NULL && error->klass == GIT_ERROR_ODB));
}

static int
history_broken(const struct history *h, int code, const char *spec)
{
    if (history_ends(h->repo, code)) {
        return prf_fail(h->err, PRF_ENOTFOUND, "'%s' needs older commits%s", spec,
                        prf_repository_shallow(h->repo));
    }
    return prf_fail(h->err, PRF_EVCS, "cannot follow '%s' ('git fsck'): %s", spec,
                    prf_worktree_why());
}

static int
history_mark(const struct history *h, const git_oid *id, bool hide)
{
    return h->shallow != NULL ? prf_shallow_walk_mark(h->shallow, id, hide)
           : hide             ? git_revwalk_hide(h->walk, id)
                              : git_revwalk_push(h->walk, id);
}

/* Adds what `revision` reaches to the walk, or takes it away. "" is HEAD. */
static int
history_push(const struct history *h, const char *revision, bool hide)
{
    git_commit *commit = NULL;
    int rc = prf_repository_commit(h->repo, *revision == '\0' ? "HEAD" : revision,
                                   &commit, h->err);
    if (rc == 0) {
        int code = history_mark(h, git_commit_id(commit), hide);
        rc = code < 0 ? history_broken(h, code, revision) : 0;
    }
    git_commit_free(commit);
    return rc;
}

/* "X^!": the commit without what its parents reach. */
static int
history_push_alone(const struct history *h, const char *revision)
{
    git_commit *commit = NULL;
    int rc = prf_repository_commit(h->repo, revision, &commit, h->err);
    int code = rc == 0 ? history_mark(h, git_commit_id(commit), false) : 0;
    for (unsigned i = 0; rc == 0 && code == 0 && i < git_commit_parentcount(commit);
         i++) {
        code = history_mark(h, git_commit_parent_id(commit, i), true);
    }
    if (code < 0) {
        rc = history_broken(h, code, revision);
    }
    git_commit_free(commit);
    return rc;
}

static int
history_no_base(git_repository *repo, int code, const char *a, const char *b,
                struct prf_error *err)
{
    if (code == GIT_ENOTFOUND || history_ends(repo, code)) {
        return prf_fail(err, PRF_ENOTFOUND, "'%s' and '%s' have no common ancestor%s",
                        a, b, prf_repository_shallow(repo));
    }
    return prf_fail(err, PRF_EVCS,
                    "cannot find the common ancestor of '%s' and '%s': %s", a, b,
                    prf_worktree_why());
}

/* In a shallow clone libgit2 fails also where one commit is an ancestor of the other.
 */
static bool
history_find_base(git_repository *repo, const git_commit *a, const git_commit *b,
                  git_oid *out)
{
    const git_oid *left = git_commit_id(a), *right = git_commit_id(b);
    bool shallow = git_repository_is_shallow(repo) == 1;
    bool is_left = shallow && prf_shallow_reaches(repo, right, left);
    if (!is_left && (!shallow || !prf_shallow_reaches(repo, left, right))) {
        return false;
    }
    git_oid_cpy(out, is_left ? left : right);
    return true;
}

/* All the best common ancestors: after a criss-cross merge there are several. */
static int
history_hide_bases(const struct history *h, const char *a, const char *b)
{
    git_commit *left = NULL;
    git_commit *right = NULL;
    git_oidarray bases = {0};
    int code = 0;
    int rc = prf_repository_commit(h->repo, a, &left, h->err);
    if (rc == 0) {
        rc = prf_repository_commit(h->repo, b, &right, h->err);
    }
    if (rc == 0) {
        git_oid base;
        code =
            git_merge_bases(&bases, h->repo, git_commit_id(left), git_commit_id(right));
        if (code < 0 && history_find_base(h->repo, left, right, &base)) {
            code = history_mark(h, &base, true);
        }
        rc = code < 0 ? history_no_base(h->repo, code, a, b, h->err) : 0;
    }
    for (size_t i = 0; rc == 0 && i < bases.count; i++) {
        code = history_mark(h, &bases.ids[i], true);
        rc = code < 0 ? history_broken(h, code, a) : 0;
    }
    git_oidarray_dispose(&bases);
    git_commit_free(left);
    git_commit_free(right);
    return rc;
}

/* The first ".." outside of braces, as "HEAD^{/fix ..}" has them; NULL: none. */
static char *
history_find_dots(char *word)
{
    int depth = 0;
    for (char *at = word; *at != '\0'; at++) {
        depth += (*at == '{') - (*at == '}');
        if (depth == 0 && at[0] == '.' && at[1] == '.') {
            return at;
        }
    }
    return NULL;
}

/* A word of a range: "A..B" "A...B" "^A" "A^!" "A"; it is taken apart. */
static int
history_push_word(const struct history *h, char *word)
{
    size_t len = strlen(word);
    char *dots = history_find_dots(word);
    if (dots == NULL && len > 2 && strcmp(word + len - 2, "^!") == 0) {
        word[len - 2] = '\0';
        return history_push_alone(h, word);
    }
    if (dots == NULL) {
        return history_push(h, word + (word[0] == '^'), word[0] == '^');
    }
    bool from_base = dots[2] == '.';
    const char *old = dots == word ? "HEAD" : word;
    const char *new = dots + (from_base ? 3 : 2);
    new = *new == '\0' ? "HEAD" : new;
    *dots = '\0';
    int rc = from_base ? history_hide_bases(h, old, new) : history_push(h, old, true);
    return rc < 0 ? rc : history_push(h, new, false);
}

/* The end of the word at `at`: a blank outside of braces, as "@{2 days ago}" has. */
static char *
history_word_end(char *at)
{
    int depth = 0;
    while (*at != '\0' && (depth > 0 || strchr(" \t\n", *at) == NULL)) {
        depth += (*at == '{') - (*at == '}');
        at++;
    }
    return at;
}

static int
history_push_spec(const struct history *h, const char *spec)
{
    char *words = strdup(spec);
    char *at = words;
    size_t n = 0;
    int rc = words == NULL ? history_out_of_memory(h->err) : 0;
    while (rc == 0) {
        at += strspn(at, " \t\n");
        if (*at == '\0') {
            break;
        }
        char *end = history_word_end(at);
        bool last = *end == '\0';
        *end = '\0';
        rc = history_push_word(h, at);
        at = last ? end : end + 1;
        n++;
    }
    if (rc == 0 && n == 0) {
        rc = prf_fail(h->err, PRF_ENOTFOUND, "'%s' does not name a range of commits",
                      spec);
    }
    free(words);
    return rc;
}

static int
history_start(struct history *h, const char *spec, unsigned flags)
{
    int code = 0;
    if (git_repository_is_shallow(h->repo) == 1) {
        h->shallow =
            prf_shallow_walk_new(h->repo, (flags & PRF_RANGE_FIRST_PARENT) != 0);
        return h->shallow == NULL ? history_out_of_memory(h->err)
                                  : history_push_spec(h, spec);
    }
    code = git_revwalk_new(&h->walk, h->repo);
    if (code == 0) {
        code = git_revwalk_sorting(h->walk, GIT_SORT_TOPOLOGICAL | GIT_SORT_REVERSE);
    }
    if (code == 0 && (flags & PRF_RANGE_FIRST_PARENT) != 0) {
        code = git_revwalk_simplify_first_parent(h->walk);
    }
    return code < 0 ? history_broken(h, code, spec) : history_push_spec(h, spec);
}

/* The ids of the walk, as an array of the caller's (free). */
static int
history_walk(const struct history *h, const char *spec, git_oid **out, size_t *n)
{
    size_t room = 0;
    git_oid id;
    int code;
    if (h->shallow != NULL) {
        code = prf_shallow_walk_run(h->shallow, out, n);
        return code < 0 ? history_broken(h, code, spec) : 0;
    }
    while ((code = git_revwalk_next(&id, h->walk)) == 0) {
        if (*n == room) {
            room = room == 0 ? 256 : room * 2;
            git_oid *grown = realloc(*out, room * sizeof id);
            if (grown == NULL) {
                return history_out_of_memory(h->err);
            }
            *out = grown;
        }
        (*out)[(*n)++] = id;
    }
    return code == GIT_ITEROVER ? 0 : history_broken(h, code, spec);
}

static int
history_fill(const struct history *h, const git_oid *ids, size_t n, unsigned flags,
             struct prf_revisions *out)
{
    int rc = 0;
    out->items = prf_arena_alloc(h->arena, (n + 1) * sizeof *out->items);
    if (out->items == NULL) {
        return history_out_of_memory(h->err);
    }
    for (size_t i = 0; rc == 0 && i < n; i++) {
        git_commit *commit = NULL;
        if ((flags & PRF_RANGE_TAGS) != 0 &&
            history_first_tag(h, &ids[i]) == h->n_tags) {
            continue;
        }
        int code = git_commit_lookup(&commit, h->repo, &ids[i]);
        rc = code < 0 ? history_broken(h, code, git_oid_tostr_s(&ids[i]))
                      : history_read(h, commit, &out->items[out->n++]);
        git_commit_free(commit);
    }
    return rc;
}

int
prf_vcs_range(const char *path, const char *spec, unsigned flags,
              struct prf_arena *arena, struct prf_revisions *out, struct prf_error *err)
{
    struct history h = {.arena = arena, .err = err};
    git_oid *ids = NULL;
    size_t n = 0;
    int rc;
    *out = (struct prf_revisions){0};
    if ((rc = prf_repository_open(path, &h.repo, err)) == 0 &&
        (rc = history_start(&h, spec, flags)) == 0 &&
        (rc = history_load_tags(&h)) == 0 &&
        (rc = history_walk(&h, spec, &ids, &n)) == 0) {
        rc = history_fill(&h, ids, n, flags, out);
    }
    free(ids);
    free(h.tags);
    git_revwalk_free(h.walk);
    prf_shallow_walk_free(h.shallow);
    prf_repository_close(h.repo);
    return rc;
}

int
prf_vcs_revision(const char *path, const char *revision, struct prf_arena *arena,
                 struct prf_revision *out, struct prf_error *err)
{
    struct history h = {.arena = arena, .err = err};
    git_commit *commit = NULL;
    int rc;
    *out = (struct prf_revision){0};
    if ((rc = prf_repository_open(path, &h.repo, err)) == 0 &&
        (rc = prf_repository_commit(h.repo, revision, &commit, err)) == 0 &&
        (rc = history_load_tags(&h)) == 0) {
        rc = history_read(&h, commit, out);
    }
    free(h.tags);
    git_commit_free(commit);
    prf_repository_close(h.repo);
    return rc;
}

int
prf_vcs_merge_base(const char *path, const char *a, const char *b, char out[41],
                   struct prf_error *err)
{
    git_repository *repo = NULL;
    git_commit *left = NULL;
    git_commit *right = NULL;
    git_oid base;
    int rc;
    if ((rc = prf_repository_open(path, &repo, err)) == 0 &&
        (rc = prf_repository_commit(repo, a, &left, err)) == 0 &&
        (rc = prf_repository_commit(repo, b, &right, err)) == 0) {
        int code =
            git_merge_base(&base, repo, git_commit_id(left), git_commit_id(right));
        code = code < 0 && history_find_base(repo, left, right, &base) ? 0 : code;
        rc = code < 0 ? history_no_base(repo, code, a, b, err) : 0;
    }
    if (rc == 0) {
        git_oid_tostr(out, GIT_OID_HEXSZ + 1, &base);
    }
    git_commit_free(left);
    git_commit_free(right);
    prf_repository_close(repo);
    return rc;
}
