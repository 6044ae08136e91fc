/* Files as they were, and files that were only renamed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "path.h"
#include "vcs.h"

static char folder[] = "/tmp/prf-vcs-file-XXXXXX";

static int
make_repo(void **state)
{
    (void)state;
    return mkdtemp(folder) == NULL || chdir(folder) != 0 ||
           system("git init -q -b main . && git config user.email a@b &&"
                  " git config user.name a && mkdir -p pkg && seq 1 9 > pkg/old &&"
                  " : > empty && git add -A && git commit -qm 1 &&"
                  " git mv pkg/old new && git commit -qm 2") != 0;
}

static int
remove_repo(void **state)
{
    (void)state;
    prf_path_remove_tree(folder);
    return 0;
}

static void
files(void **state)
{
    struct prf_arena arena = {0};
    struct prf_error err = {0};
    const char *text = NULL;
    (void)state;
    assert_int_equal(
        prf_vcs_file(folder, NULL, "HEAD~1", "pkg/old", &arena, &text, &err), 0);
    assert_string_equal(text, "1\n2\n3\n4\n5\n6\n7\n8\n9\n");
    assert_int_equal(prf_vcs_file(folder, NULL, "HEAD", "empty", &arena, &text, &err),
                     0);
    assert_string_equal(text, "");
    assert_int_equal(prf_vcs_file(folder, NULL, "HEAD", "pkg/old", &arena, &text, &err),
                     PRF_ENOTFOUND);
    assert_string_equal(err.text, "there is no file 'pkg/old' in 'HEAD'");
    prf_error_clear(&err);
    assert_int_equal(prf_vcs_file(folder, NULL, "HEAD~1", "pkg", &arena, &text, &err),
                     PRF_ENOTFOUND); /* it is a folder */
    prf_error_clear(&err);
    assert_int_equal(prf_vcs_file(folder, NULL, "nowhere", "new", &arena, &text, &err),
                     PRF_ENOTFOUND);
    prf_error_clear(&err);
    assert_int_equal(prf_vcs_file("/", NULL, "HEAD", "new", &arena, &text, &err),
                     PRF_EVCS);
    prf_arena_release(&arena);
}

static void
only_renamed(void **state)
{
    struct prf_arena arena = {0};
    struct prf_error err = {0};
    struct prf_hunks hunks;
    (void)state;
    assert_int_equal(
        prf_vcs_hunks(folder, NULL, "HEAD~1", "HEAD", &arena, &hunks, &err), 0);
    assert_int_equal(hunks.n, 1);
    assert_string_equal(hunks.items[0].old_file, "pkg/old");
    assert_string_equal(hunks.items[0].new_file, "new");
    assert_int_equal(hunks.items[0].old_lines + hunks.items[0].new_lines, 0);
    assert_string_equal(hunks.items[0].text, "");
    prf_arena_release(&arena);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files),
        cmocka_unit_test(only_renamed),
    };
    return cmocka_run_group_tests(tests, make_repo, remove_repo);
}
