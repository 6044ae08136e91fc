/* Recordings of child processes become part of that of the case. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>

#include <cmocka.h>

#include <signal.h>

#include "event_stream.h"
#include "gather.h"
#include "path.h"
#include "reader.h"

struct case_files {
    char folder[32], recording[48];
    struct stream_file file;
};

static void
case_open(struct case_files *c)
{
    struct prf_error err = {0};
    strcpy(c->folder, "/tmp/prf-gather-XXXXXX");
    assert_non_null(mkdtemp(c->folder));
    snprintf(c->recording, sizeof c->recording, "%s/3.rec", c->folder);
    close(open(c->recording, O_CREAT | O_RDWR, 0600));
    snprintf(c->file.path, sizeof c->file.path, "%s", c->recording);
    assert_int_equal(prf_writer_open(c->recording, 1.0, &c->file.writer, &err), 0);
    c->file.sink = prf_writer_sink(c->file.writer);
    prf_sink_schema(c->file.sink, stream_metrics);
    uint32_t code = prf_sink_code(c->file.sink, "a.py", "f", "f", 1, 0);
    struct stream s = stream_thread(&c->file, 1, "main");
    stream_call(&s, 10, code);
    stream_return(&s, 20);
    prf_writer_close(c->file.writer);
}

static void
case_close(struct case_files *c)
{
    prf_path_remove_tree(c->folder);
}

static void
child_path(const struct case_files *c, const char *suffix, char path[160])
{
    snprintf(path, 160, "%s.%s", c->recording, suffix);
}

/* A child with `n` calls; cut off after `keep` bytes unless that is 0. */
static void
add_child(const struct case_files *c, const char *suffix, int n, off_t keep)
{
    struct stream_file child;
    char path[160];
    stream_open(&child, 1.0);
    uint32_t code = prf_sink_code(child.sink, "a.py", suffix, suffix, 1, 0);
    struct stream s = stream_thread(&child, 2, suffix);
    for (int i = 0; i < n; i++) {
        stream_call(&s, 100 + (uint64_t)i * 10, code);
        stream_return(&s, 105 + (uint64_t)i * 10);
    }
    prf_writer_close(child.writer);
    child_path(c, suffix, path);
    assert_int_equal(rename(child.path, path), 0);
    if (keep > 0) {
        assert_int_equal(truncate(path, keep), 0);
    }
}

static struct prf_profile *
gather_and_read(struct case_files *c, struct prf_gathered *gathered)
{
    struct prf_error err = {0};
    struct prf_profile *p = NULL;
    if (prf_gather_children(c->recording, gathered, &err) < 0) {
        fail_msg("%s", err.text);
    }
    assert_int_equal(prf_recording_read(c->recording, &p, &err), 0);
    return p;
}

static int64_t
calls_of(const struct prf_profile *p, const char *name)
{
    for (size_t i = 0; i < p->sites.n; i++) {
        if (strcmp(p->codes[p->sites.keys[i].code].name, name) == 0) {
            return p->sites.values[i * p->sites.n_columns];
        }
    }
    return -1;
}

static void
test_children(void **state)
{
    (void)state;
    struct case_files c;
    struct prf_gathered gathered;
    char path[160];
    case_open(&c);
    add_child(&c, "100", 50000, 0); /* longer than a piece of copying */
    add_child(&c, "99", 3, 0);
    add_child(&c, "99.2", 4, 0); /* the process became another program */
    struct prf_profile *p = gather_and_read(&c, &gathered);
    assert_int_equal(gathered.n, 3);
    assert_int_equal(gathered.n_bad, 0);
    assert_int_equal(p->n_event_processes, 4);
    assert_int_equal(calls_of(p, "f"), 1);
    assert_int_equal(calls_of(p, "100"), 50000);
    assert_int_equal(calls_of(p, "99"), 3);
    assert_int_equal(calls_of(p, "99.2"), 4);
    child_path(&c, "99", path);
    assert_false(prf_path_exists(path));
    prf_profile_free(p);
    p = gather_and_read(&c, &gathered); /* nothing is left to do */
    assert_int_equal(gathered.n, 0);
    assert_int_equal(p->n_event_processes, 4);
    prf_profile_free(p);
    case_close(&c);
}

static void
test_damaged_children(void **state)
{
    (void)state;
    struct case_files c;
    struct prf_gathered gathered;
    char path[160];
    case_open(&c);
    add_child(&c, "1", 500, 0);
    add_child(&c, "2", 500, 100);    /* killed before it had a head */
    add_child(&c, "3", 5000, 12288); /* the disk was full */
    child_path(&c, "4", path);
    close(open(path, O_CREAT | O_RDWR, 0600));
    child_path(&c, "5", path); /* another file, reached through a link */
    assert_int_equal(symlink("/etc/passwd", path), 0);
    struct prf_profile *p = gather_and_read(&c, &gathered);
    assert_int_equal(gathered.n, 2);
    assert_int_equal(gathered.n_bad, 3);
    assert_int_equal(calls_of(p, "1"), 500);
    assert_in_range(calls_of(p, "3"), 1, 4999);
    prf_profile_free(p);
    case_close(&c);
}

/* Other cases' files are not touched, and those of a case without a recording go. */
static void
test_whose_files(void **state)
{
    (void)state;
    struct case_files c;
    struct prf_gathered gathered;
    struct prf_error err = {0};
    char other[160], path[160];
    case_open(&c);
    snprintf(other, sizeof other, "%s0.7", c.recording);
    close(open(other, O_CREAT | O_RDWR, 0600));
    add_child(&c, "1", 5, 0);
    assert_int_equal(truncate(c.recording, 0), 0);
    assert_int_equal(prf_gather_children(c.recording, &gathered, &err), 0);
    assert_int_equal(gathered.n, 0);
    assert_int_equal(gathered.n_bad, 1);
    child_path(&c, "1", path);
    assert_false(prf_path_exists(path));
    assert_true(prf_path_exists(other));
    close(open(path, O_CREAT | O_RDWR, 0600));
    prf_gather_remove(c.recording);
    assert_false(prf_path_exists(path));
    case_close(&c);
}

/* No room for a child: what was there before is still whole. */
static void
test_no_room(void **state)
{
    (void)state;
    struct case_files c;
    struct prf_gathered gathered;
    struct prf_error err = {0};
    struct prf_profile *p = NULL;
    struct rlimit before, limit;
    case_open(&c);
    add_child(&c, "1", 100000, 0);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    limit = before;
    limit.rlim_cur = 128 << 10;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    int rc = prf_gather_children(c.recording, &gathered, &err);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(rc, PRF_EIO);
    assert_non_null(strstr(err.text, "3.rec.1"));
    assert_int_equal(prf_recording_read(c.recording, &p, &err), 0);
    assert_int_equal(calls_of(p, "f"), 1);
    assert_int_equal(p->n_event_processes, 1);
    prf_profile_free(p);
    case_close(&c);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_children),
        cmocka_unit_test(test_damaged_children),
        cmocka_unit_test(test_whose_files),
        cmocka_unit_test(test_no_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
