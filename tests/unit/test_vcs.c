/* Repositories as the git command makes them, and our answers beside git's own. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "arena.h"
#include "path.h"
#include "repositories.h"
#include "vcs.h"

struct answer {
    struct prf_arena arena;
    struct prf_commit commit;
};

static struct answer
describe(const char *path)
{
    struct answer a = {0};
    struct prf_error err = {0};
    assert_int_equal(prf_vcs_describe(path, &a.arena, &a.commit, &err), 0);
    assert_int_equal(err.code, 0);
    return a;
}

static void
assert_note(const struct answer *a, const char *words)
{
    if (a->commit.note == NULL || strstr(a->commit.note, words) == NULL) {
        fail_msg("no '%s' in note '%s'", words, a->commit.note ? a->commit.note : "");
    }
}

/* All that git says of a work tree with a commit is what we say. */
static void
assert_like_git(const char *repo, bool dirty)
{
    struct answer a = describe(repo);
    assert_string_equal(a.commit.id, ask("git -C %s rev-parse HEAD", repo));
    assert_non_null(a.commit.tree);
    assert_string_equal(a.commit.tree, git_tree(repo));
    assert_int_equal(a.commit.dirty, dirty);
    assert_int_equal(a.commit.author_time,
                     strtoll(ask("git -C %s log -1 --format=%%at", repo), NULL, 10));
    assert_string_equal(a.commit.root,
                        ask("git -C %s rev-parse --show-toplevel", repo));
    prf_arena_release(&a.arena);
}

static void
test_clean(void **state)
{
    (void)state;
    make_repo("clean");
    sh("cd clean && echo ignored > x.o && git checkout -q -b topic/one");
    assert_like_git("clean", false);
    struct answer a = describe("clean/a/b/c");
    assert_string_equal(a.commit.branch, "topic/one");
    assert_null(a.commit.note);
    assert_string_equal(a.commit.tree, ask("git -C clean rev-parse HEAD^{tree}"));
    assert_int_equal(a.commit.author_time, 1700000000);
    prf_arena_release(&a.arena);
}

static void
test_dirty(void **state)
{
    (void)state;
    static const char *const changes[] = {
        "echo more >> a/b/c",
        "echo new > zz && mkdir -p q/r && echo deep > q/r/s",
        "rm a.txt && rm -r foo",
        "chmod -x go && chmod +x foo.c",
        "rm link && ln -s elsewhere link",
        "rm link && echo file > link",
        "rm a.txt && mkdir a.txt && echo inner > a.txt/inner",
        "rm -r foo && echo now-a-file > foo",
        "echo staged > s && git add s && echo later >> s",
        "echo intent > i && git add -N i",
        "git rm -q --cached foo.c",
        "git mv foo.c bar.c",
        "printf 'a\\r\\nb\\r\\n' > crlf.txt && echo '*.txt text' > .gitattributes",
        "echo x > 'name with spaces' && echo y > \"$(printf 'caf\\303\\251')\"",
        "mkdir empty && rm -rf a",
        "git init -q inner && cd inner && echo 1 > f && git add f && git commit -qm i",
        "git init -q unborn && true",
    };
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        make_repo("dirty");
        sh("cd dirty && %s", changes[i]);
        bool nothing_to_add = strstr(changes[i], "unborn") != NULL ||
                              strstr(changes[i], "rm -q --cached") != NULL;
        print_message("  change %zu\n", i);
        if (strstr(changes[i], "unborn") != NULL) {
            /* git add refuses all; without that folder nothing has changed. */
            struct answer a = describe("dirty");
            assert_string_equal(a.commit.tree,
                                ask("git -C dirty rev-parse HEAD^{tree}"));
            assert_false(a.commit.dirty);
            prf_arena_release(&a.arena);
            continue;
        }
        assert_like_git("dirty", !nothing_to_add);
    }
}

static void
test_conflict(void **state)
{
    (void)state;
    make_repo("conflict");
    sh("cd conflict && git checkout -q -b other && echo theirs > a.txt && rm foo.c &&"
       " git commit -qam theirs && git checkout -q main && echo ours > a.txt &&"
       " echo ours > foo.c && git commit -qam ours && ! git merge other > /dev/null "
       "2>&1");
    assert_like_git("conflict", true);
}

static void
test_sparse(void **state)
{
    (void)state;
    make_repo("sparse");
    sh("cd sparse && git sparse-checkout set --no-cone '/*' '!/foo/' > /dev/null 2>&1 "
       "&&"
       " test ! -e foo/x");
    assert_like_git("sparse", false);
    sh("cd sparse && echo new > new");
    assert_like_git("sparse", true);
}

static void
test_store_is_no_change(void **state)
{
    (void)state;
    make_repo("stored");
    sh("cd stored && mkdir .pyprofiler && echo '*' > .pyprofiler/.gitignore &&"
       " echo x > .pyprofiler/results.db");
    assert_like_git("stored", false);
}

static void
test_writes_nothing(void **state)
{
    (void)state;
    static const char list[] =
        "cd untouched && find . -printf '%p %s %T@ %C@\\n' | sort | sha1sum";
    make_repo("untouched");
    /* Touched files: git status would write the index anew. */
    sh("cd untouched && echo new > new && touch -d 2001-01-01 a.txt && echo 9 > foo.c");
    char before[512];
    snprintf(before, sizeof before, "%s", ask("%s", list));
    struct answer a = describe("untouched");
    assert_true(a.commit.dirty);
    assert_string_equal(before, ask("%s", list));
    prf_arena_release(&a.arena);
    assert_like_git("untouched", true);
}

static void
test_none(void **state)
{
    (void)state;
    sh("mkdir -p none/below");
    struct answer a = describe("none/below");
    assert_null(a.commit.id);
    assert_null(a.commit.root);
    assert_null(a.commit.tree);
    assert_false(a.commit.dirty);
    assert_note(&a, "git init");
    prf_arena_release(&a.arena);
}

static void
test_unborn(void **state)
{
    (void)state;
    sh("git init -q -b begin/here unborn && echo 1 > unborn/f");
    struct answer a = describe("unborn");
    assert_null(a.commit.id);
    assert_string_equal(a.commit.branch, "begin/here");
    assert_string_equal(a.commit.tree, git_tree("unborn"));
    assert_true(a.commit.dirty);
    assert_int_equal(a.commit.author_time, 0);
    assert_note(&a, "no commit yet");
    prf_arena_release(&a.arena);
}

static void
test_detached(void **state)
{
    (void)state;
    make_repo("detached");
    sh("cd detached && git checkout -q --detach");
    assert_like_git("detached", false);
    struct answer a = describe("detached");
    assert_null(a.commit.branch);
    prf_arena_release(&a.arena);
}

static void
test_bare(void **state)
{
    (void)state;
    make_repo("full");
    sh("rm -rf bare.git && git clone -q --bare full bare.git");
    struct answer a = describe("bare.git");
    assert_string_equal(a.commit.id, ask("git -C full rev-parse HEAD"));
    assert_string_equal(a.commit.tree, ask("git -C full rev-parse HEAD^{tree}"));
    assert_string_equal(a.commit.branch, "main");
    assert_null(a.commit.root);
    assert_false(a.commit.dirty);
    assert_note(&a, "bare");
    prf_arena_release(&a.arena);
}

static void
test_shallow(void **state)
{
    (void)state;
    make_repo("deep");
    sh("cd deep && echo 2 > two && git add two && git commit -q -m two");
    sh("rm -rf shallow && git clone -q --depth 1 file://%s/deep shallow", top);
    assert_like_git("shallow", false);
    struct answer a = describe("shallow");
    assert_note(&a, "git fetch --unshallow");
    prf_arena_release(&a.arena);
    struct prf_error err = {0};
    char id[41];
    assert_int_equal(prf_vcs_resolve("shallow", "HEAD~1", id, &err), PRF_ENOTFOUND);
    assert_non_null(strstr(err.text, "shallow"));
}

static void
test_submodule(void **state)
{
    (void)state;
    make_repo("part");
    make_repo("whole");
    sh("cd whole && git submodule --quiet add %s/part sub && git commit -q -m sub",
       top);
    assert_like_git("whole", false);
    assert_like_git("whole/sub", false);
    struct answer inner = describe("whole/sub/a/b/c");
    assert_string_equal(inner.commit.id, ask("git -C part rev-parse HEAD"));
    prf_arena_release(&inner.arena);

    sh("cd whole/sub && echo more >> a.txt");
    struct answer outer = describe("whole");
    assert_true(outer.commit.dirty);
    assert_note(&outer, "submodule 'sub'");
    assert_string_equal(outer.commit.tree, git_tree("whole"));
    prf_arena_release(&outer.arena);

    sh("cd whole/sub && git commit -qam more");
    assert_like_git("whole", true);
    sh("cd whole && git submodule --quiet deinit -f sub");
    assert_like_git("whole", false);
}

static void
test_linked_worktree(void **state)
{
    (void)state;
    make_repo("origin");
    sh("rm -rf linked && cd origin && git worktree add -q ../linked -b side &&"
       " cd ../linked && echo 1 > on-side && git add -A && git commit -q -m side");
    assert_like_git("linked", false);
    sh("echo 2 >> linked/on-side");
    assert_like_git("linked", true);
    struct answer a = describe("linked");
    assert_string_equal(a.commit.branch, "side");
    prf_arena_release(&a.arena);
}

static void
test_other_owner(void **state)
{
    (void)state;
    if (getuid() != 0) {
        print_message("skipped: only root can give files to another user\n");
        skip();
    }
    make_repo("theirs");
    sh("chown -R 12345 theirs");
    struct answer a = describe("theirs");
    assert_null(a.commit.id);
    assert_note(&a, "safe.directory");
    /* The fix that the note gives is the one that helps. */
    const char *fix = strstr(a.commit.note, "'git config");
    assert_non_null(fix);
    sh("%.*s", (int)strcspn(fix + 1, "'"), fix + 1);
    prf_arena_release(&a.arena);
    assert_like_git("theirs", false);
    sh("git config --global --unset-all safe.directory");
}

static void
test_corrupt_commit(void **state)
{
    (void)state;
    make_repo("corrupt");
    sh("cd corrupt && id=$(git rev-parse HEAD) && rm -f .git/objects/$(echo $id | cut "
       "-c1-2)/"
       "$(echo $id | cut -c3-)");
    struct answer a = describe("corrupt");
    assert_string_equal(a.commit.id, ask("git -C corrupt rev-parse HEAD"));
    assert_true(a.commit.dirty);
    assert_note(&a, "git fsck");
    prf_arena_release(&a.arena);
}

static void
test_corrupt_objects(void **state)
{
    (void)state;
    make_repo("garbage");
    sh("cd garbage && chmod -R u+w .git && for f in $(find .git/objects -type f); do "
       "echo junk"
       " > $f; done");
    struct answer a = describe("garbage");
    assert_note(&a, "git fsck");
    assert_true(a.commit.dirty);
    prf_arena_release(&a.arena);
}

static void
test_corrupt_head(void **state)
{
    (void)state;
    make_repo("headless");
    sh("rm headless/.git/HEAD");
    struct answer a = describe("headless");
    assert_null(a.commit.id);
    assert_note(&a, "/.git' is damaged");
    prf_arena_release(&a.arena);

    make_repo("badhead");
    sh("echo nonsense > badhead/.git/refs/heads/main");
    a = describe("badhead");
    assert_null(a.commit.id);
    assert_note(&a, "HEAD cannot be read");
    prf_arena_release(&a.arena);
}

static void
test_corrupt_index(void **state)
{
    (void)state;
    make_repo("badindex");
    sh("echo nonsense > badindex/.git/index");
    struct answer a = describe("badindex");
    assert_string_equal(a.commit.id, ask("git -C badindex rev-parse HEAD"));
    assert_null(a.commit.tree);
    assert_true(a.commit.dirty);
    assert_note(&a, "tree id unknown");
    prf_arena_release(&a.arena);
}

static void
test_unreadable(void **state)
{
    (void)state;
    make_repo("filter");
    sh("cd filter && echo '*.bin filter=lfs' > .gitattributes && echo x > x.bin");
    struct answer a = describe("filter");
    assert_true(a.commit.dirty);
    assert_note(&a, "the filter 'lfs'");
    prf_arena_release(&a.arena);
    make_repo("huge");
    sh("cd huge && truncate -s 600M dump");
    a = describe("huge");
    assert_null(a.commit.tree);
    assert_true(a.commit.dirty);
    assert_note(&a, "512 MB");
    prf_arena_release(&a.arena);
}

static void
test_missing_path(void **state)
{
    (void)state;
    struct answer a = describe("not-there/file.py");
    assert_null(a.commit.id);
    assert_note(&a, "No such file");
    prf_arena_release(&a.arena);
}

static void
test_inside_dot_git(void **state)
{
    (void)state;
    make_repo("inside");
    struct answer a = describe("inside/.git/hooks");
    assert_string_equal(a.commit.id, ask("git -C inside rev-parse HEAD"));
    prf_arena_release(&a.arena);
}

static void
assert_resolves(const char *revision)
{
    struct prf_error err = {0};
    char id[41];
    if (prf_vcs_resolve("named", revision, id, &err) != 0) {
        fail_msg("'%s': %s", revision, err.text);
    }
    assert_string_equal(id, ask("git -C named rev-parse '%s^{commit}'", revision));
}

static void
test_resolve(void **state)
{
    (void)state;
    static const char *const revisions[] = {
        "HEAD",  "@",        "HEAD~1",      "main",  "v1",
        "v1^{}", "main@{0}", "HEAD^{/two}", "topic", "HEAD^",
    };
    make_repo("named");
    sh("cd named && git tag -a -m tag v1 && echo 2 > two && git add two &&"
       " git commit -q -m two && git branch topic HEAD~1");
    for (size_t i = 0; i < sizeof revisions / sizeof *revisions; i++) {
        assert_resolves(revisions[i]);
    }
    char prefix[8];
    snprintf(prefix, sizeof prefix, "%s", ask("git -C named rev-parse HEAD"));
    assert_resolves(prefix);
}

static void
test_resolve_fails(void **state)
{
    (void)state;
    static const struct {
        const char *path, *revision, *words;
        int code;
    } cases[] = {
        {"erring", "nowhere", "'nowhere'", PRF_ENOTFOUND},
        {"erring", "HEAD~40", "'HEAD~40'", PRF_ENOTFOUND},
        {"erring", "HEAD^{tree}", "'HEAD^{tree}'", PRF_ENOTFOUND},
        {"erring", "a..b", "'a..b'", PRF_ENOTFOUND},
        {"erring", "", "''", PRF_ENOTFOUND},
        {"none", "HEAD", "git init", PRF_EVCS},
        {"not-there", "HEAD", "No such file", PRF_EVCS},
    };
    make_repo("erring");
    sh("mkdir -p none");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct prf_error err = {0};
        char id[41];
        assert_int_equal(prf_vcs_resolve(cases[i].path, cases[i].revision, id, &err),
                         cases[i].code);
        if (strstr(err.text, cases[i].words) == NULL) {
            fail_msg("no '%s' in '%s'", cases[i].words, err.text);
        }
    }
}

static void
test_library(void **state)
{
    (void)state;
    assert_true(strspn(prf_vcs_library(), "0123456789.") == strlen(prf_vcs_library()));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clean),
        cmocka_unit_test(test_dirty),
        cmocka_unit_test(test_conflict),
        cmocka_unit_test(test_sparse),
        cmocka_unit_test(test_store_is_no_change),
        cmocka_unit_test(test_writes_nothing),
        cmocka_unit_test(test_none),
        cmocka_unit_test(test_unborn),
        cmocka_unit_test(test_detached),
        cmocka_unit_test(test_bare),
        cmocka_unit_test(test_shallow),
        cmocka_unit_test(test_submodule),
        cmocka_unit_test(test_linked_worktree),
        cmocka_unit_test(test_other_owner),
        cmocka_unit_test(test_corrupt_commit),
        cmocka_unit_test(test_corrupt_objects),
        cmocka_unit_test(test_corrupt_head),
        cmocka_unit_test(test_corrupt_index),
        cmocka_unit_test(test_unreadable),
        cmocka_unit_test(test_missing_path),
        cmocka_unit_test(test_inside_dot_git),
        cmocka_unit_test(test_resolve),
        cmocka_unit_test(test_resolve_fails),
        cmocka_unit_test(test_library),
    };
    return cmocka_run_group_tests_name("vcs", tests, repositories_setup,
                                       repositories_teardown);
}
