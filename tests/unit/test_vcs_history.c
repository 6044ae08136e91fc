/* Ranges, revisions and merge bases, beside git's own answers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "arena.h"
#include "repositories.h"
#include "vcs.h"

/* Only the slow unwinder sees which function of libgit2 forgets. */
__attribute__((visibility("default"))) const char *__asan_default_options(void);
const char *
__asan_default_options(void)
{
    return "fast_unwind_on_malloc=0";
}

/* main: 0 - 1 - 2 - merge - 5, side: 1 - 3 - 4 -> merge; criss: two merge bases. */
static void
make_history(void)
{
    make_repo("graph");
    sh("cd graph && git tag zero && commit() { echo $1 > f$1 && git add f$1 &&"
       " GIT_COMMITTER_DATE=\"17000000${1}0 +0000\" git commit -qm \"commit $1\"; } &&"
       " commit 1 && git tag -a -m t one && git tag also-one && git branch side &&"
       " commit 2 && git checkout -q side && commit 3 && commit 4 && git tag four &&"
       " git checkout -q main && git merge -q --no-edit -m merge side && commit 5 &&"
       " git tag blob HEAD:f5 && git checkout -q --orphan alone && commit 6 &&"
       " git checkout -q -b left main && commit 7 && git checkout -q -b right main &&"
       " commit 8 && git tag right-8 && git merge -q -m r left && commit 9 &&"
       " git checkout -q left && git merge -q -m l right-8 && git checkout -q main");
}

struct range {
    struct prf_arena arena;
    struct prf_revisions found;
};

static struct range
range_of(const char *repo, const char *spec, unsigned flags)
{
    struct range r = {0};
    struct prf_error err = {0};
    if (prf_vcs_range(repo, spec, flags, &r.arena, &r.found, &err) != 0) {
        fail_msg("'%s': %s", spec, err.text);
    }
    return r;
}

/* No commit stands before one of its parents. */
static void
assert_topological(const char *repo, const struct prf_revisions *found)
{
    for (size_t i = 0; i < found->n; i++) {
        char parents[512];
        snprintf(parents, sizeof parents, "%s",
                 ask("git -C %s log -1 --format=%%P %s", repo, found->items[i].id));
        for (size_t j = i + 1; j < found->n; j++) {
            assert_null(strstr(parents, found->items[j].id));
        }
    }
}

/* The ids, sorted, as one line. */
static void
sorted_ids(const struct prf_revisions *found, char *out, size_t size)
{
    FILE *list = fopen("ids", "w");
    assert_non_null(list);
    for (size_t i = 0; i < found->n; i++) {
        fprintf(list, "%s\n", found->items[i].id);
    }
    fclose(list);
    snprintf(out, size, "%s", ask("sort ids | sha1sum"));
}

static void
assert_like_rev_list(const char *spec, const char *words, unsigned flags)
{
    char ours[128];
    struct range r = range_of("graph", spec, flags);
    sorted_ids(&r.found, ours, sizeof ours);
    const char *gits = ask("git -C graph rev-list %s | sort | sha1sum", words);
    if (strcmp(ours, gits) != 0) {
        fail_msg("'%s' is not 'git rev-list %s'", spec, words);
    }
    assert_topological("graph", &r.found);
    prf_arena_release(&r.arena);
}

static void
test_range(void **state)
{
    (void)state;
    static const struct {
        const char *spec, *words;
        unsigned flags;
    } cases[] = {
        {"main", "main", 0},
        {"one..main", "one..main", 0},
        {"one..", "one..main", 0},
        {"..side", "main..side", 0},
        {"side..main", "side..main", 0},
        {"main side", "main side", 0},
        {" main \t^side\n", "main ^side", 0},
        {"^one main side", "^one main side", 0},
        {"main^!", "main^!", 0},
        {"main~1^!", "main~1^!", 0},
        {"zero^!", "zero^!", 0},
        {"zero..side^{/commit 3}", "zero..side~1", 0},
        {"four...main", "$(git -C graph merge-base four main)..main", 0},
        {"left...right", "left..right", 0},
        {"right...left", "right..left", 0},
        {"main", "--first-parent main", PRF_RANGE_FIRST_PARENT},
        {"one..main", "--first-parent one..main", PRF_RANGE_FIRST_PARENT},
        {"main", "--no-walk zero one four", PRF_RANGE_TAGS},
        {"main", "--no-walk zero one", PRF_RANGE_TAGS | PRF_RANGE_FIRST_PARENT},
        {"^main", "main..main", 0},
    };
    make_history();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_like_rev_list(cases[i].spec, cases[i].words, cases[i].flags);
    }
}

static void
test_range_fails(void **state)
{
    (void)state;
    static const struct {
        const char *repo, *spec, *words;
        int code;
    } cases[] = {
        {"graph", "nowhere..main", "'nowhere'", PRF_ENOTFOUND},
        {"graph", "main nowhere", "'nowhere'", PRF_ENOTFOUND},
        {"graph", "nowhere^!", "'nowhere'", PRF_ENOTFOUND},
        {"graph", "", "does not name a range", PRF_ENOTFOUND},
        {"graph", " \t ", "does not name a range", PRF_ENOTFOUND},
        {"graph", "blob", "'blob'", PRF_ENOTFOUND},
        {"graph", "alone...main", "no common ancestor", PRF_ENOTFOUND},
        {"unborn", "HEAD", "no commit yet", PRF_ENOTFOUND},
        {"none", "HEAD", "git init", PRF_EVCS},
    };
    sh("mkdir -p none && git init -q unborn");
    make_history();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct prf_arena arena = {0};
        struct prf_revisions found;
        struct prf_error err = {0};
        assert_int_equal(
            prf_vcs_range(cases[i].repo, cases[i].spec, 0, &arena, &found, &err),
            cases[i].code);
        if (strstr(err.text, cases[i].words) == NULL) {
            fail_msg("no '%s' in '%s'", cases[i].words, err.text);
        }
        prf_arena_release(&arena);
    }
}

static void
test_revision(void **state)
{
    (void)state;
    struct prf_arena arena = {0};
    struct prf_revision r;
    struct prf_error err = {0};
    make_history();
    assert_int_equal(prf_vcs_revision("graph", "one", &arena, &r, &err), 0);
    assert_string_equal(r.id, ask("git -C graph rev-parse one^{commit}"));
    assert_string_equal(r.tree, ask("git -C graph rev-parse one^{tree}"));
    assert_string_equal(r.summary, "commit 1");
    assert_string_equal(r.author, "t");
    assert_string_equal(r.tags, "also-one one");
    assert_int_equal(r.time, 1700000010);
    assert_int_equal(prf_vcs_revision("graph", "main", &arena, &r, &err), 0);
    assert_string_equal(r.tags, "");
    assert_int_equal(prf_vcs_revision("graph", "no", &arena, &r, &err), PRF_ENOTFOUND);
    prf_error_clear(&err);
    assert_int_equal(prf_vcs_revision("none", "HEAD", &arena, &r, &err), PRF_EVCS);
    prf_arena_release(&arena);
}

static void
test_merge_base(void **state)
{
    (void)state;
    struct prf_error err = {0};
    char id[41];
    make_history();
    assert_int_equal(prf_vcs_merge_base("graph", "main~2", "side", id, &err), 0);
    assert_string_equal(id, ask("git -C graph merge-base main~2 side"));
    assert_int_equal(prf_vcs_merge_base("graph", "left", "right", id, &err), 0);
    sh("cd graph && git merge-base --all left right | grep -q %s", id);
    assert_int_equal(prf_vcs_merge_base("graph", "main", "alone", id, &err),
                     PRF_ENOTFOUND);
    assert_non_null(strstr(err.text, "no common ancestor"));
    prf_error_clear(&err);
    assert_int_equal(prf_vcs_merge_base("graph", "main", "nowhere", id, &err),
                     PRF_ENOTFOUND);
    assert_non_null(strstr(err.text, "'nowhere'"));
    prf_error_clear(&err);
    assert_int_equal(prf_vcs_merge_base("none", "a", "b", id, &err), PRF_EVCS);
}

static void
test_shallow(void **state)
{
    (void)state;
    struct prf_arena arena = {0};
    struct prf_revisions found;
    struct prf_error err = {0};
    char id[41];
    make_repo("deep");
    sh("cd deep && for i in 1 2 3 4 5; do echo $i > n && git add n &&"
       " git commit -qm n$i; done && git checkout -q -b old HEAD~4 && echo o > o &&"
       " git add o && git commit -qm o && git checkout -q main");
    sh("rm -rf shallow && git clone -q --depth 3 --no-single-branch file://%s/deep"
       " shallow",
       top);
    assert_int_equal(prf_vcs_resolve("shallow", "HEAD~2", id, &err), 0);
    assert_int_equal(prf_vcs_resolve("shallow", "HEAD~3", id, &err), PRF_ENOTFOUND);
    assert_non_null(strstr(err.text, "git fetch --unshallow"));
    prf_error_clear(&err);
    static const char *const deeper[] = {"HEAD~4..HEAD", "HEAD...origin/old"};
    for (size_t i = 0; i < sizeof deeper / sizeof *deeper; i++) {
        assert_int_equal(prf_vcs_range("shallow", deeper[i], 0, &arena, &found, &err),
                         PRF_ENOTFOUND);
        assert_non_null(strstr(err.text, "git fetch --unshallow"));
        prf_error_clear(&err);
    }
    /* What is there is walked, as git does. */
    static const struct {
        const char *range;
        unsigned flags;
        const char *git;
    } there[] = {
        {"HEAD", 0, "HEAD"},
        {"HEAD~1..HEAD", 0, "HEAD~1..HEAD"},
        {"HEAD~2..HEAD", PRF_RANGE_FIRST_PARENT, "--first-parent HEAD~2..HEAD"},
        {"HEAD ^origin/old", 0, "HEAD ^origin/old"},
        {"HEAD^!", 0, "HEAD^!"},
        {"HEAD~1...HEAD", 0, "HEAD~1..HEAD"},
        {"merged", 0, "merged"},
        {"merged", PRF_RANGE_FIRST_PARENT, "--first-parent merged"},
        {"HEAD..merged", 0, "HEAD..merged"},
    };
    sh("cd shallow && git checkout -q -b merged && git merge -q --no-edit"
       " --allow-unrelated-histories -s ours origin/old && git checkout -q main");
    for (size_t i = 0; i < sizeof there / sizeof *there; i++) {
        char wanted[64];
        assert_int_equal(prf_vcs_range("shallow", there[i].range, there[i].flags,
                                       &arena, &found, &err),
                         0);
        sh("cd shallow && git rev-list --count %s > ../count", there[i].git);
        snprintf(wanted, sizeof wanted, "test $(cat count) = %zu", found.n);
        sh("%s", wanted);
        for (size_t k = 0; k + 1 < found.n; k++) { /* no child before its parent */
            sh("cd shallow && ! git merge-base --is-ancestor %s %s",
               found.items[k + 1].id, found.items[k].id);
        }
    }
    char older[41];
    assert_int_equal(prf_vcs_resolve("shallow", "HEAD~1", older, &err), 0);
    assert_int_equal(prf_vcs_merge_base("shallow", "HEAD~1", "HEAD", id, &err), 0);
    assert_string_equal(id, older);
    assert_int_equal(prf_vcs_merge_base("shallow", "HEAD", "HEAD~1", id, &err), 0);
    assert_string_equal(id, older);
    /* old's commits are there, the common ancestor is not. */
    assert_int_equal(prf_vcs_merge_base("shallow", "HEAD", "origin/old~1", id, &err),
                     PRF_ENOTFOUND);
    assert_non_null(strstr(err.text, "git fetch --unshallow"));
    prf_arena_release(&arena);
}

static void
test_damaged_parent(void **state)
{
    (void)state;
    struct prf_arena arena = {0};
    struct prf_revisions found;
    struct prf_error err = {0};
    make_repo("torn");
    sh("cd torn && echo 2 > two && git add two && git commit -qm two &&"
       " id=$(git rev-parse HEAD~1) && rm -f .git/objects/$(echo $id | cut -c1-2)/"
       "$(echo $id | cut -c3-)");
    assert_int_equal(prf_vcs_range("torn", "HEAD", 0, &arena, &found, &err), PRF_EVCS);
    assert_non_null(strstr(err.text, "git fsck"));
    prf_arena_release(&arena);
}

static void
test_elsewhere(void **state)
{
    (void)state;
    make_history();
    sh("rm -rf linked bare.git && git -C graph worktree add -q ../linked side &&"
       " git clone -q --bare graph bare.git");
    struct range r = range_of("linked/a", "zero..HEAD", 0);
    assert_int_equal(r.found.n, 3);
    prf_arena_release(&r.arena);
    r = range_of("bare.git", "zero..main", 0);
    assert_int_equal(r.found.n, 6);
    prf_arena_release(&r.arena);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_range),     cmocka_unit_test(test_range_fails),
        cmocka_unit_test(test_revision),  cmocka_unit_test(test_merge_base),
        cmocka_unit_test(test_shallow),   cmocka_unit_test(test_damaged_parent),
        cmocka_unit_test(test_elsewhere),
    };
    return cmocka_run_group_tests_name("vcs history", tests, repositories_setup,
                                       repositories_teardown);
}
