/* Laying cases over a checkout: what is copied, what stays, what is never written to.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "overlay.h"
#include "path.h"

struct place {
    char base[32], root[64], checkout[64];
};

static void
place_path(const char *folder, const char *name, char out[192])
{
    snprintf(out, 192, "%s/%s", folder, name);
}

static void
place_write(const char *folder, const char *name, const char *text)
{
    char path[192];
    place_path(folder, name, path);
    char *parent = prf_path_dirname(path);
    assert_int_equal(prf_path_mkdirs(parent, NULL), 0);
    free(parent);
    FILE *out = fopen(path, "w");
    assert_non_null(out);
    fputs(text, out);
    fclose(out);
}

static bool
place_has(const char *folder, const char *name, const char *text)
{
    char path[192];
    char *found = NULL;
    place_path(folder, name, path);
    bool same =
        prf_file_read(path, &found, NULL, NULL) == 0 && strcmp(found, text) == 0;
    free(found);
    return same;
}

static int
place_open(void **state)
{
    struct place *p = calloc(1, sizeof *p);
    strcpy(p->base, "/tmp/prf-overlay-XXXXXX");
    assert_non_null(mkdtemp(p->base));
    snprintf(p->root, sizeof p->root, "%s/root", p->base);
    snprintf(p->checkout, sizeof p->checkout, "%s/checkout", p->base);
    assert_int_equal(prf_path_mkdirs(p->root, NULL), 0);
    assert_int_equal(prf_path_mkdirs(p->checkout, NULL), 0);
    *state = p;
    return 0;
}

static int
place_close(void **state)
{
    struct place *p = *state;
    prf_path_remove_tree(p->base);
    free(p);
    return 0;
}

static void
lay(const struct place *p, const char *name, bool case_file)
{
    struct prf_error err = {0};
    char path[192];
    place_path(p->root, name, path);
    int rc = case_file ? prf_overlay_case_file(p->root, path, p->checkout, &err)
                       : prf_overlay_path(p->root, path, p->checkout, &err);
    assert_string_equal(err.text, "");
    assert_int_equal(rc, 0);
}

static void
test_folder(void **state)
{
    const struct place *p = *state;
    place_write(p->root, "cases/a.py", "new");
    place_write(p->root, "cases/deep/b.txt", "b");
    place_write(p->root, "cases/.git/x", "x");
    place_write(p->root, "cases/__pycache__/x", "x");
    place_write(p->root, "cases/env/pyvenv.cfg", "x");
    place_write(p->checkout, "cases/a.py", "old");
    place_write(p->checkout, "cases/old.py", "old");
    lay(p, "cases", false);
    assert_true(place_has(p->checkout, "cases/a.py", "new"));
    assert_true(place_has(p->checkout, "cases/old.py", "old"));
    assert_true(place_has(p->checkout, "cases/deep/b.txt", "b"));
    assert_false(place_has(p->checkout, "cases/.git/x", "x"));
    assert_false(place_has(p->checkout, "cases/__pycache__/x", "x"));
    assert_false(place_has(p->checkout, "cases/env/pyvenv.cfg", "x"));
}

static void
test_case_file_and_what_it_needs(void **state)
{
    const struct place *p = *state;
    place_write(p->root, "cases/a.py", "new");
    place_write(p->root, "cases/support.py", "new");
    place_write(p->root, "cases/data.txt", "new");
    place_write(p->checkout, "cases/a.py", "old");
    place_write(p->checkout, "cases/support.py", "old");
    lay(p, "cases/a.py", true);
    assert_true(place_has(p->checkout, "cases/a.py", "new"));
    assert_true(place_has(p->checkout, "cases/support.py", "old"));
    assert_true(place_has(p->checkout, "cases/data.txt", "new"));
}

/* Its other files are what is measured. */
static void
test_case_file_in_a_package(void **state)
{
    const struct place *p = *state;
    place_write(p->root, "pkg/__init__.py", "new");
    place_write(p->root, "pkg/sub/__init__.py", "new");
    place_write(p->root, "pkg/sub/case.py", "new");
    place_write(p->root, "pkg/sub/code.py", "new");
    place_write(p->checkout, "pkg/__init__.py", "old");
    place_write(p->checkout, "pkg/sub/other.py", "old");
    lay(p, "pkg/sub/case.py", true);
    assert_true(place_has(p->checkout, "pkg/__init__.py", "old"));
    assert_true(place_has(p->checkout, "pkg/sub/__init__.py", "new"));
    assert_true(place_has(p->checkout, "pkg/sub/case.py", "new"));
    assert_false(place_has(p->checkout, "pkg/sub/code.py", "new"));
}

static void
test_case_file_at_the_root(void **state)
{
    const struct place *p = *state;
    place_write(p->root, "case.py", "new");
    place_write(p->root, "code.py", "new");
    lay(p, "case.py", true);
    assert_true(place_has(p->checkout, "case.py", "new"));
    assert_false(place_has(p->checkout, "code.py", "new"));
}

/* A link in the checkout, to a folder or a file, is replaced, not followed. */
static void
test_links_are_not_followed(void **state)
{
    const struct place *p = *state;
    char outside[64], link_path[192];
    snprintf(outside, sizeof outside, "%s/outside", p->base);
    place_write(outside, "a.py", "precious");
    place_write(p->root, "cases/a.py", "new");
    place_path(p->checkout, "cases", link_path);
    assert_int_equal(symlink(outside, link_path), 0);
    lay(p, "cases", false);
    assert_true(place_has(outside, "a.py", "precious"));
    assert_true(place_has(p->checkout, "cases/a.py", "new"));
    place_path(p->checkout, "cases/a.py", link_path);
    assert_int_equal(unlink(link_path), 0);
    strcat(outside, "/a.py");
    assert_int_equal(symlink(outside, link_path), 0);
    lay(p, "cases/a.py", true);
    assert_true(place_has(p->checkout, "cases/a.py", "new"));
    assert_true(place_has(p->base, "outside/a.py", "precious"));
}

static void
test_kinds_that_changed(void **state)
{
    const struct place *p = *state;
    char path[192];
    place_write(p->root, "data", "a file now");
    place_write(p->checkout, "data/inside", "a folder then");
    lay(p, "data", false);
    assert_true(place_has(p->checkout, "data", "a file now"));
    place_path(p->root, "pointer", path);
    assert_int_equal(symlink("data", path), 0);
    lay(p, "pointer", false);
    assert_true(place_has(p->checkout, "pointer", "a file now"));
    place_path(p->root, "pipe", path);
    assert_int_equal(mkfifo(path, 0600), 0);
    lay(p, "pipe", false); /* would wait for ever if it was read */
    place_path(p->checkout, "pipe", path);
    assert_false(prf_path_exists(path));
}

static void
test_failures(void **state)
{
    const struct place *p = *state;
    struct prf_error err = {0};
    char path[192];
    place_path(p->root, "nowhere", path);
    assert_int_equal(prf_overlay_path(p->root, path, p->checkout, &err), PRF_EIO);
    assert_non_null(strstr(err.text, "nowhere"));
    prf_error_clear(&err);
    /* outside the root: nothing to do */
    assert_int_equal(prf_overlay_path(p->root, "/etc/passwd", p->checkout, &err), 0);
    place_path(p->checkout, "etc", path);
    assert_false(prf_path_exists(path));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_folder, place_open, place_close),
        cmocka_unit_test_setup_teardown(test_case_file_and_what_it_needs, place_open,
                                        place_close),
        cmocka_unit_test_setup_teardown(test_case_file_in_a_package, place_open,
                                        place_close),
        cmocka_unit_test_setup_teardown(test_case_file_at_the_root, place_open,
                                        place_close),
        cmocka_unit_test_setup_teardown(test_links_are_not_followed, place_open,
                                        place_close),
        cmocka_unit_test_setup_teardown(test_kinds_that_changed, place_open,
                                        place_close),
        cmocka_unit_test_setup_teardown(test_failures, place_open, place_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
