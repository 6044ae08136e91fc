/* Checkouts, kept trees and hunks, beside what git writes. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "arena.h"
#include "repositories.h"
#include "vcs.h"

static void
checkout(const char *repo, const char *objects, const char *revision)
{
    struct prf_error err = {0};
    sh("rm -rf out");
    if (prf_vcs_checkout(repo, objects, revision, "out", &err) != 0) {
        fail_msg("'%s': %s", revision, err.text);
    }
}

/* Ours and a worktree of git's have the same files, modes and links. */
static void
assert_checkout_like_git(const char *repo, const char *revision)
{
    char before[512];
    snprintf(before, sizeof before, "%s", dot_git_state(repo));
    checkout(repo, NULL, revision);
    assert_string_equal(before, dot_git_state(repo));
    sh("rm -rf gits && git -C %s worktree add -q --detach %s/gits %s && rm gits/.git",
       repo, top, revision);
    sh("diff -r --no-dereference out gits");
    sh("for f in out gits; do (cd $f && find . -printf '%%P %%y %%m %%l\\n' | sort) >"
       " $f.list; done; cmp out.list gits.list");
    sh("git -C %s worktree prune", repo);
}

static void
test_checkout(void **state)
{
    (void)state;
    make_repo("plain");
    sh("cd plain && echo two > a.txt && rm -r foo && echo now-a-file > foo &&"
       " printf x > \"$(printf 'new\\nline')\" && printf y > \"$(printf "
       "'not\\377utf8')\""
       " && printf z > 'with \"quotes\"' && ln -s nowhere dangling && : > empty &&"
       " mkdir -p deep/er/and/deeper && echo d > deep/er/and/deeper/f &&"
       " git add -A && git commit -qm two && git tag -a -m t tagged");
    assert_checkout_like_git("plain", "HEAD");
    assert_checkout_like_git("plain", "HEAD~1");
    assert_checkout_like_git("plain", "tagged");
    checkout("plain/deep", NULL, ask("git -C plain rev-parse HEAD^{tree}"));
    sh("diff -r --no-dereference -x .git -x lib plain out");
    checkout("plain", NULL, ask("git -C plain rev-parse HEAD:deep"));
    sh("diff -r plain/deep out");
}

/* The work tree is dirty in all ways, the checkout does not see it. */
static void
test_checkout_of_dirty(void **state)
{
    (void)state;
    make_repo("wip");
    sh("cd wip && echo '*.txt text eol=crlf' > .gitattributes && echo staged > s &&"
       " git add s && echo 9 > a.txt && rm foo.c && echo u > untracked");
    assert_checkout_like_git("wip", "HEAD");
}

static void
test_conversion(void **state)
{
    (void)state;
    static const char *const rules[] = {
        "* text=auto",
        "*.bat text eol=crlf",
        "*.txt eol=crlf",
        "* eol=crlf",
        "* text=auto eol=crlf",
        "*.txt ident",
        "* ident",
        "[attr]windows text eol=crlf\n*.bat windows",
        "sub/** text eol=crlf",
        "*.t?t text eol=crlf",
        "* -text",
        "*.bat eol=crlf\n*.bat -text",
        "*.bat eol=crlf\r",
    };
    static const char *const settings[] = {
        "core.autocrlf false", "core.autocrlf true", "core.autocrlf input",
        "core.eol crlf",       "core.eol lf",
    };
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        make_repo("ends");
        sh("cd ends && printf '%s\\n' > .gitattributes && mkdir -p sub/below &&"
           " for d in . sub sub/below; do printf 'a\\nb $Id$\\n' > $d/a.txt;"
           " printf 'a\\nb\\n' > $d/run.bat; printf 'a\\000\\nb\\n' > $d/binary.txt;"
           " printf 'mixed\\r\\nb\\n' > $d/mixed; done && git add -A 2> /dev/null &&"
           " git commit -qm ends && git rm -q .gitattributes && git commit -qm none",
           rules[i]);
        print_message("  rule %zu\n", i);
        assert_checkout_like_git("ends", "HEAD~1");
        assert_checkout_like_git("ends", "HEAD");
    }
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) {
        make_repo("ends");
        sh("cd ends && printf 'a\\nb\\n' > x.py && echo '*.md text' > .gitattributes &&"
           " printf 'a\\nb\\n' > x.md && git add -A && git commit -qm x &&"
           " git config %s",
           settings[i]);
        print_message("  setting %zu\n", i);
        assert_checkout_like_git("ends", "HEAD");
    }
}

/* Rules of a folder end with it; rules beside the tree hold everywhere. */
static void
test_conversion_places(void **state)
{
    (void)state;
    make_repo("places");
    sh("cd places && mkdir -p a/one two && for d in . a a/one two; do"
       " printf 'x\\n' > $d/f.txt; printf 'x\\n' > $d/f.cfg; done &&"
       " echo '*.txt eol=crlf' > a/.gitattributes && git add -A && git commit -qm x");
    assert_checkout_like_git("places", "HEAD");
    sh("test $(wc -c < out/a/f.txt) = 3 && test $(wc -c < out/two/f.txt) = 2");
    sh("echo '*.cfg eol=crlf' > places/.git/info/attributes");
    assert_checkout_like_git("places", "HEAD");
    sh("test $(wc -c < out/two/f.cfg) = 3; rm places/.git/info/attributes");
    sh("echo '*.cfg eol=crlf' > mine && git config --global core.attributesFile"
       " %s/mine",
       top);
    assert_checkout_like_git("places", "HEAD");
    sh("test $(wc -c < out/two/f.cfg) = 3 &&"
       " git config --global --unset core.attributesFile");
    sh("mkdir -p git && echo '*.cfg eol=crlf' > git/attributes"); /* XDG_CONFIG_HOME */
    assert_checkout_like_git("places", "HEAD");
    sh("test $(wc -c < out/two/f.cfg) = 3 && rm -r git");
}

static void
test_no_links(void **state)
{
    (void)state;
    make_repo("nolinks");
    sh("git -C nolinks config core.symlinks false");
    assert_checkout_like_git("nolinks", "HEAD");
    sh("test ! -L out/link && test \"$(cat out/link)\" = a/b");
}

static void
test_submodule(void **state)
{
    (void)state;
    make_repo("part");
    make_repo("whole");
    sh("cd whole && git submodule --quiet add %s/part sub && git commit -q -m sub",
       top);
    assert_checkout_like_git("whole", "HEAD");
    sh("rmdir out/sub");
}

static void
test_checkout_elsewhere(void **state)
{
    (void)state;
    make_repo("origin");
    sh("rm -rf bare.git linked sparse && git clone -q --bare origin bare.git &&"
       " git -C origin worktree add -q ../linked -b side && cp -a origin sparse &&"
       " git -C sparse sparse-checkout set --no-cone '/*' '!/foo/' > /dev/null 2>&1");
    static const char *const repos[] = {"bare.git", "linked", "sparse"};
    for (size_t i = 0; i < sizeof repos / sizeof *repos; i++) {
        checkout(repos[i], NULL, "HEAD");
        sh("diff -r --no-dereference -x .git -x lib origin out");
    }
}

static void
test_checkout_fails(void **state)
{
    (void)state;
    static const struct {
        const char *repo, *revision, *folder, *words;
        int code;
    } cases[] = {
        {"erring", "nowhere", "out", "'nowhere'", PRF_ENOTFOUND},
        {"erring", "HEAD:a.txt", "out", "'HEAD:a.txt'", PRF_ENOTFOUND},
        {"erring", "HEAD", "full", "not empty", PRF_EIO},
        {"erring", "HEAD", "erring/a.txt/x", "erring/a.txt", PRF_EIO},
        {"unborn", "HEAD", "out", "no commit yet", PRF_ENOTFOUND},
        {"none", "HEAD", "out", "git init", PRF_EVCS},
        {"shallow", "HEAD~1", "out", "git fetch --unshallow", PRF_ENOTFOUND},
        {"dotgit", "HEAD", "out", "'.git'", PRF_EVCS},
    };
    make_repo("erring");
    sh("cd erring && echo 2 > two && git add two && git commit -q -m two");
    sh("mkdir -p none full && touch full/x && git init -q unborn && rm -rf shallow"
       " && git clone -q --depth 1 file://%s/erring shallow",
       top);
    sh("git init -q dotgit && cd dotgit && blob=$(echo x | git hash-object -w --stdin)"
       " && tree=$(printf \"100644 blob $blob\\t.git\\n\" | git mktree) &&"
       " git update-ref HEAD $(git commit-tree -m x $tree)");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct prf_error err = {0};
        sh("rm -rf out");
        print_message("  failure %zu\n", i);
        assert_int_equal(prf_vcs_checkout(cases[i].repo, NULL, cases[i].revision,
                                          cases[i].folder, &err),
                         cases[i].code);
        if (strstr(err.text, cases[i].words) == NULL) {
            fail_msg("no '%s' in '%s'", cases[i].words, err.text);
        }
    }
}

static void
test_checkout_damaged(void **state)
{
    (void)state;
    static const char *const objects[] = {"HEAD:a.txt", "HEAD:foo"};
    static const char *const damages[] = {"rm -f $f", "chmod u+w $f && echo junk > $f"};
    for (size_t i = 0; i < 4; i++) {
        struct prf_error err = {0};
        make_repo("damaged");
        sh("cd damaged && id=$(git rev-parse %s) &&"
           " f=.git/objects/$(echo $id | cut -c1-2)/$(echo $id | cut -c3-) && %s",
           objects[i / 2], damages[i % 2]);
        sh("rm -rf out");
        assert_int_equal(prf_vcs_checkout("damaged", NULL, "HEAD", "out", &err),
                         PRF_EVCS);
        assert_non_null(strstr(err.text, "git fsck"));
    }
}

static void
test_other_owner(void **state)
{
    (void)state;
    struct prf_error err = {0};
    char id[41];
    if (getuid() != 0) {
        print_message("skipped: only root can give files to another user\n");
        skip();
    }
    make_repo("theirs");
    sh("rm -rf out && chown -R 12345 theirs");
    assert_int_equal(prf_vcs_checkout("theirs", NULL, "HEAD", "out", &err), PRF_EVCS);
    assert_non_null(strstr(err.text, "safe.directory"));
    prf_error_clear(&err);
    assert_int_equal(prf_vcs_keep("theirs", "kept", id, &err), PRF_EVCS);
    assert_non_null(strstr(err.text, "safe.directory"));
}

/* --- kept trees --- */

/* Keeps, compares with git's tree and with the work tree; nothing else has changed. */
static void
assert_kept(const char *repo, char id[41])
{
    struct prf_error err = {0};
    char before[512];
    snprintf(before, sizeof before, "%s", dot_git_state(repo));
    if (prf_vcs_keep(repo, "kept", id, &err) != 0) {
        fail_msg("%s", err.text);
    }
    assert_string_equal(before, dot_git_state(repo));
    assert_string_equal(id, git_tree(repo));
    struct prf_arena arena = {0};
    struct prf_commit commit;
    assert_int_equal(prf_vcs_describe(repo, &arena, &commit, &err), 0);
    assert_string_equal(id, commit.tree);
    prf_arena_release(&arena);
    checkout(repo, "kept", id);
}

static void
test_keep(void **state)
{
    (void)state;
    static const char *const changes[] = {
        "true",
        "echo more >> a/b/c",
        "echo new > zz && mkdir -p q/r && echo deep > q/r/s",
        "rm a.txt && rm -r foo",
        "chmod -x go && chmod +x foo.c",
        "rm link && ln -s elsewhere link",
        "rm a.txt && mkdir a.txt && echo inner > a.txt/inner",
        "rm -r foo && echo now-a-file > foo",
        "echo staged > s && git add s && echo later >> s",
        "echo staged > s && git add s",
        "git mv foo foofoo",
        "echo x > \"$(printf 'a\\nb')\" && echo y > \"$(printf '\\377')\"",
        "touch -d 2001-01-01 a.txt",
    };
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        char id[41];
        make_repo("keep");
        sh("rm -rf kept && cd keep && %s", changes[i]);
        print_message("  change %zu\n", i);
        assert_kept("keep", id);
        sh("diff -r --no-dereference -x .git -x lib keep out");
        /* git reads our objects; what was only staged is ours too. */
        sh("rm -f keep/.git/index && git -C keep gc -q --prune=now && cd keep &&"
           " GIT_ALTERNATE_OBJECT_DIRECTORIES=%s/kept git archive %s | tar -t > "
           "/dev/null",
           top, id);
    }
}

/* Only what changed is written, and nothing twice. */
static void
test_keep_is_small(void **state)
{
    (void)state;
    char id[41];
    make_repo("small");
    sh("rm -rf kept");
    assert_kept("small", id);
    sh("test $(find kept -type f -not -name .gitignore | wc -l) = 0");
    sh("echo more >> small/a/b/c");
    assert_kept("small", id);
    sh("test $(find kept -type f -not -name .gitignore | wc -l) = 4"); /* c, b, a and
                                                                          the root */
    char before[512];
    snprintf(before, sizeof before, "%s",
             ask("find kept -type f -not -name .gitignore -printf '%%p %%s %%i\\n' | "
                 "sort | sha1sum"));
    assert_kept("small", id);
    assert_string_equal(before, ask("find kept -type f -not -name .gitignore -printf "
                                    "'%%p %%s %%i\\n' | sort | sha1sum"));
}

static void
test_keep_filters(void **state)
{
    (void)state;
    char id[41];
    make_repo("crlf");
    sh("rm -rf kept && cd crlf && echo '*.txt text eol=crlf' > .gitattributes &&"
       " printf 'a\\r\\nb\\r\\n' > new.txt");
    assert_kept("crlf", id);
    sh("cmp crlf/new.txt out/new.txt");
    assert_string_equal(ask("cd crlf && GIT_ALTERNATE_OBJECT_DIRECTORIES=%s/kept git"
                            " cat-file -s %s:new.txt",
                            top, id),
                        "4");
}

static void
test_keep_situations(void **state)
{
    (void)state;
    char id[41];
    /* In the work tree itself it does not count. */
    make_repo("within");
    sh("cd within && echo 2 > two");
    struct prf_error why = {0};
    char again[41];
    assert_int_equal(prf_vcs_keep("within", "within/objects", id, &why), 0);
    assert_int_equal(prf_vcs_keep("within", "within/objects", again, &why), 0);
    assert_string_equal(id, again);
    assert_string_equal(ask("git -C within status --porcelain"), "?? two");
    sh("rm -rf kept unborn && git init -q unborn && mkdir unborn/d && echo 1 >"
       " unborn/d/f");
    assert_kept("unborn", id);
    sh("cmp unborn/d/f out/d/f");
    make_repo("partial");
    sh("cd partial && git sparse-checkout set --no-cone '/*' '!/foo/' > /dev/null 2>&1"
       " && echo new > new");
    assert_kept("partial", id);
    sh("test -e out/foo/x && test -e out/new");
    make_repo("trunk");
    sh("rm -rf twig && git -C trunk worktree add -q ../twig -b twig && echo 2 >"
       " twig/two");
    char before[512];
    struct prf_error err = {0};
    snprintf(before, sizeof before, "%s", dot_git_state("trunk"));
    assert_int_equal(prf_vcs_keep("twig", "kept", id, &err), 0);
    assert_string_equal(before, dot_git_state("trunk"));
    checkout("trunk", "kept", id);
    sh("cmp out/two twig/two");
}

static void
test_keep_fails(void **state)
{
    (void)state;
    static const struct {
        const char *repo, *objects, *words;
        int code;
    } cases[] = {
        {"none", "kept", "git init", PRF_EVCS},
        {"bare.git", "kept", "bare", PRF_EVCS},
        {"unkept/a", "unkept/a.txt/objects", "unkept/a.txt", PRF_EIO},
        {"unkept", "blocked", "cannot write an object", PRF_EIO},
        {"huge", "kept", "512 MB", PRF_EVCS},
        {"lost", "kept", "tree id unknown", PRF_EVCS},
    };
    make_repo("unkept");
    make_repo("huge");
    make_repo("lost");
    sh("mkdir -p none && rm -rf bare.git kept blocked && git clone -q --bare unkept"
       " bare.git && truncate -s 600M huge/dump && echo 2 > unkept/two");
    /* Each folder that an object could go to is a file. */
    sh("mkdir blocked && cd blocked && for a in 0 1 2 3 4 5 6 7 8 9 a b c d e f; do"
       " for b in 0 1 2 3 4 5 6 7 8 9 a b c d e f; do : > $a$b; done; done");
    sh("cd lost && echo staged > s && git add s && id=$(git rev-parse :s) &&"
       " rm -f .git/objects/$(echo $id | cut -c1-2)/$(echo $id | cut -c3-)");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct prf_error err = {0};
        char id[41];
        print_message("  failure %zu\n", i);
        assert_int_equal(prf_vcs_keep(cases[i].repo, cases[i].objects, id, &err),
                         cases[i].code);
        if (strstr(err.text, cases[i].words) == NULL) {
            fail_msg("no '%s' in '%s'", cases[i].words, err.text);
        }
    }
}

/* --- hunks --- */

struct found {
    struct prf_arena arena;
    struct prf_hunks hunks;
};

static struct found
hunks_of(const char *repo, const char *base, const char *next)
{
    struct found f = {0};
    struct prf_error err = {0};
    if (prf_vcs_hunks(repo, "kept", base, next, &f.arena, &f.hunks, &err) != 0) {
        fail_msg("%s", err.text);
    }
    return f;
}

/* The hunks' texts are those of git diff -U0, without the names of functions, which
   git finds in its own way. */
static void
assert_hunks_like_git(const char *repo, const char *base, const char *next)
{
    struct found f = hunks_of(repo, base, next);
    FILE *out = fopen("hunks", "w");
    assert_non_null(out);
    for (size_t i = 0; i < f.hunks.n; i++) {
        fputs(f.hunks.items[i].text, out);
    }
    fclose(out);
    sh("git -C %s diff -U0 -M --no-color %s %s | sed -n '/^@@/,/^diff/p' | grep -v"
       " '^diff\\|^index\\|^--- \\|^+++ \\|^similarity\\|^rename\\|^new "
       "file\\|^deleted\\|"
       "^old mode\\|^new mode\\|^Binary'"
       " | sed 's/^\\(@@ .* @@\\).*/\\1/' > gits.hunks",
       repo, base, next);
    sh("sed 's/^\\(@@ .* @@\\).*/\\1/' hunks | diff - gits.hunks");
    prf_arena_release(&f.arena);
}

static void
make_changes(void)
{
    make_repo("changes");
    sh("cd changes && seq 1 40 > numbers && seq 100 160 > moved && seq 1 5 > gone &&"
       " git add -A && git commit -qm base &&"
       " sed -i -e '3s/.*/three/' -e '20d' -e '30a new' numbers && git mv moved there "
       "&&"
       " sed -i '5s/.*/changed/' there && git rm -q gone && printf 'p\\nq\\nr\\n' > "
       "added &&"
       " printf 'no newline' > a.txt && chmod +x foo.c && : > empty &&"
       " printf '\\000binary' > bin && git add -A && git commit -qm next");
}

static void
test_hunks(void **state)
{
    (void)state;
    make_changes();
    assert_hunks_like_git("changes", "HEAD~1", "HEAD");
    assert_hunks_like_git("changes", "HEAD", "HEAD~1");
    assert_hunks_like_git("changes", "HEAD~1^{tree}", "HEAD^{tree}");
    struct found f = hunks_of("changes", "HEAD~1", "HEAD");
    static const struct {
        const char *old_file, *new_file;
        int old_start, old_lines, new_start, new_lines;
    } expected[] = {
        {"a.txt", "a.txt", 1, 1, 1, 1},       {NULL, "added", 0, 0, 1, 3},
        {"gone", NULL, 1, 5, 0, 0},           {"numbers", "numbers", 3, 1, 3, 1},
        {"numbers", "numbers", 20, 1, 19, 0}, {"numbers", "numbers", 30, 0, 30, 1},
        {"moved", "there", 5, 1, 5, 1},
    };
    assert_int_equal(f.hunks.n, sizeof expected / sizeof *expected);
    for (size_t i = 0; i < f.hunks.n; i++) {
        const struct prf_hunk *h = &f.hunks.items[i];
        assert_int_equal(h->old_file == NULL, expected[i].old_file == NULL);
        assert_int_equal(h->new_file == NULL, expected[i].new_file == NULL);
        assert_string_equal(h->old_file ? h->old_file : "",
                            expected[i].old_file ? expected[i].old_file : "");
        assert_string_equal(h->new_file ? h->new_file : "",
                            expected[i].new_file ? expected[i].new_file : "");
        assert_int_equal(h->old_start, expected[i].old_start);
        assert_int_equal(h->old_lines, expected[i].old_lines);
        assert_int_equal(h->new_start, expected[i].new_start);
        assert_int_equal(h->new_lines, expected[i].new_lines);
    }
    assert_string_equal(f.hunks.items[3].text, "@@ -3 +3 @@\n-3\n+three\n");
    assert_non_null(strstr(f.hunks.items[0].text, "\\ No newline at end of file"));
    prf_arena_release(&f.arena);
}

/* The work tree has what is not added yet, and a kept tree is as good as a commit. */
static void
test_hunks_of_work_tree(void **state)
{
    (void)state;
    char id[41];
    make_changes();
    sh("rm -rf kept && cd changes && echo new > untracked && sed -i 1d numbers &&"
       " echo staged > s && git add s && git rm -q --cached foo.c");
    char before[512];
    snprintf(before, sizeof before, "%s", dot_git_state("changes"));
    struct found f = hunks_of("changes", "HEAD", NULL);
    assert_string_equal(before, dot_git_state("changes"));
    assert_int_equal(f.hunks.n, 3);
    assert_string_equal(f.hunks.items[0].text, "@@ -1 +0,0 @@\n-1\n");
    assert_string_equal(f.hunks.items[1].new_file, "s");
    assert_string_equal(f.hunks.items[2].new_file, "untracked");
    prf_arena_release(&f.arena);
    struct prf_error err = {0};
    assert_int_equal(prf_vcs_keep("changes", "kept", id, &err), 0);
    sh("rm changes/untracked");
    f = hunks_of("changes", "HEAD", id);
    assert_int_equal(f.hunks.n, 3);
    prf_arena_release(&f.arena);
    f = hunks_of("changes", id, NULL);
    assert_int_equal(f.hunks.n, 1);
    assert_null(f.hunks.items[0].new_file);
    prf_arena_release(&f.arena);
}

static void
test_many_hunks(void **state)
{
    (void)state;
    make_repo("many");
    sh("cd many && seq 1 1000 > n && git add n && git commit -qm n &&"
       " sed -i '1~4s/$/x/' n && git commit -qam m");
    struct found f = hunks_of("many", "HEAD~1", "HEAD");
    assert_int_equal(f.hunks.n, 250);
    for (size_t i = 0; i < f.hunks.n; i++) {
        assert_int_equal(f.hunks.items[i].old_start, 1 + 4 * (int)i);
    }
    prf_arena_release(&f.arena);
}

static void
test_hunks_fail(void **state)
{
    (void)state;
    static const struct {
        const char *repo, *base, *next, *words;
        int code;
    } cases[] = {
        {"changes", "nowhere", "HEAD", "'nowhere'", PRF_ENOTFOUND},
        {"changes", "HEAD", "nowhere", "'nowhere'", PRF_ENOTFOUND},
        {"none", "HEAD", "HEAD", "git init", PRF_EVCS},
        {"bare.git", "HEAD", NULL, "bare", PRF_EVCS},
        {"torn", "HEAD~1", "HEAD", "git fsck", PRF_EVCS},
    };
    make_changes();
    make_repo("torn");
    sh("rm -rf bare.git && mkdir -p none && git clone -q --bare changes bare.git &&"
       " cd torn && echo two > a.txt && git commit -qam 2 && id=$(git rev-parse "
       "HEAD:a.txt)"
       " && rm -f .git/objects/$(echo $id | cut -c1-2)/$(echo $id | cut -c3-)");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct prf_arena arena = {0};
        struct prf_hunks hunks;
        struct prf_error err = {0};
        print_message("  failure %zu\n", i);
        assert_int_equal(prf_vcs_hunks(cases[i].repo, NULL, cases[i].base,
                                       cases[i].next, &arena, &hunks, &err),
                         cases[i].code);
        if (strstr(err.text, cases[i].words) == NULL) {
            fail_msg("no '%s' in '%s'", cases[i].words, err.text);
        }
        prf_arena_release(&arena);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_checkout),
        cmocka_unit_test(test_checkout_of_dirty),
        cmocka_unit_test(test_conversion),
        cmocka_unit_test(test_conversion_places),
        cmocka_unit_test(test_no_links),
        cmocka_unit_test(test_submodule),
        cmocka_unit_test(test_checkout_elsewhere),
        cmocka_unit_test(test_checkout_fails),
        cmocka_unit_test(test_checkout_damaged),
        cmocka_unit_test(test_other_owner),
        cmocka_unit_test(test_keep),
        cmocka_unit_test(test_keep_is_small),
        cmocka_unit_test(test_keep_filters),
        cmocka_unit_test(test_keep_situations),
        cmocka_unit_test(test_keep_fails),
        cmocka_unit_test(test_hunks),
        cmocka_unit_test(test_hunks_of_work_tree),
        cmocka_unit_test(test_many_hunks),
        cmocka_unit_test(test_hunks_fail),
    };
    return cmocka_run_group_tests_name("vcs trees", tests, repositories_setup,
                                       repositories_teardown);
}
