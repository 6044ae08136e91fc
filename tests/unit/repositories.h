/* Repositories as the git command makes them, in a temporary folder. Include after
   cmocka.h. */
#ifndef PRF_TEST_REPOSITORIES_H
#define PRF_TEST_REPOSITORIES_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "path.h"

/* libgit2 1.5 forgets what its regular expressions matched, and a list when the search
   for a merge base or a walk fails. The leak sanitizer asks
   this function, if there is one. */
__attribute__((visibility("default"))) const char *__lsan_default_suppressions(void);
const char *
__lsan_default_suppressions(void)
{
    return "leak:libpcre2\nleak:git_merge_base\nleak:git_revwalk_next\n";
}

static char top[] = "/tmp/prf-vcs-XXXXXX";

/* A shell command in the temporary folder; it must succeed. */
static inline void __attribute__((format(printf, 1, 2))) sh(const char *format, ...)
{
    char command[4096];
    va_list args;
    va_start(args, format);
    vsnprintf(command, sizeof command, format, args);
    va_end(args);
    if (system(command) != 0) { /* NOLINT(cert-env33-c): a shell is what we want */
        fail_msg("failed: %s", command);
    }
}

/* The first line a shell command prints; a static buffer. */
static inline const char *__attribute__((format(printf, 1, 2)))
ask(const char *format, ...)
{
    static char line[2][512];
    static int turn;
    char command[4096];
    va_list args;
    va_start(args, format);
    vsnprintf(command, sizeof command, format, args);
    va_end(args);
    turn = !turn;
    line[turn][0] = '\0';
    FILE *pipe = popen(command, "r"); /* NOLINT(cert-env33-c): likewise */
    assert_non_null(pipe);
    if (fgets(line[turn], sizeof line[turn], pipe) != NULL) {
        line[turn][strcspn(line[turn], "\n")] = '\0';
    }
    assert_int_equal(pclose(pipe), 0);
    return line[turn];
}

/* What `git add -A && git write-tree` says, with an index and objects on the side. The
   copy keeps its time: git knows by it which files may have changed unseen. */
static inline const char *
git_tree(const char *repo)
{
    return ask("cd %s && side=%s/side && rm -rf $side && mkdir $side &&"
               " git=$(git rev-parse --git-dir) &&"
               " common=$(cd $(git rev-parse --git-common-dir) && pwd) &&"
               " if [ -f $git/index ]; then cp -p $git/index $side/index; fi;"
               " export GIT_INDEX_FILE=$side/index GIT_OBJECT_DIRECTORY=$side"
               " GIT_ALTERNATE_OBJECT_DIRECTORIES=$common/objects;"
               " git add -A 2>/dev/null && git write-tree",
               repo, top);
}

static inline int
repositories_setup(void **state)
{
    (void)state;
    if (mkdtemp(top) == NULL || chdir(top) != 0 || chmod(top, 0755) != 0) {
        return -1;
    }
    setenv("HOME", top, 1);
    setenv("XDG_CONFIG_HOME", top, 1);
    setenv("GIT_CONFIG_NOSYSTEM", "1", 1);
    setenv("GIT_AUTHOR_DATE", "1700000000 +0200", 1);
    setenv("LC_ALL", "C", 1);
    unsetenv("GIT_DIR");
    unsetenv("GIT_INDEX_FILE");
    sh("git config --global user.name t && git config --global user.email t@t &&"
       " git config --global init.defaultBranch main &&"
       " git config --global protocol.file.allow always &&"
       " git config --global advice.addEmbeddedRepo false");
    return 0;
}

static inline int
repositories_teardown(void **state)
{
    (void)state;
    int rc = chdir("/");
    prf_path_remove_tree(top);
    return rc;
}

/* Names that sort differently as files and as folders, an executable, a link. */
static inline void
make_repo(const char *name)
{
    sh("rm -rf %s && git init -q %s && cd %s && mkdir -p a/b foo lib && echo 1 > a/b/c "
       "&&"
       " echo 2 > a.txt && echo 3 > a-b && echo 4 > foo/x && echo 5 > foo.c && echo 6 "
       "> foo-"
       " && echo run > go && chmod +x go && ln -s a/b link && echo '*.o' > .gitignore "
       "&&"
       " git add -A && git commit -q -m one",
       name, name, name);
}

/* All that git has of a repository: names, sizes, times, bytes of its files. */
static inline const char *
dot_git_state(const char *repo)
{
    return ask(
        "cd %s && (find . -path './.git*' -printf '%%p %%y %%m %%s %%T@ %%C@\\n';"
        " find .git -type f -print0 | sort -z | xargs -0 cat) | sort | sha1sum",
        repo);
}

#endif
