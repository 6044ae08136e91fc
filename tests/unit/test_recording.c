/* The recording from writer to model: rows, records, the fold, and what is left of a
   file that was cut off or damaged. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <pyprofiler/backend.h>

#include "reader.h"
#include "writer.h"

struct node_row {
    struct prf_rec_node node;
    int64_t calls, ticks;
};

static const struct prf_metric metrics[] = {
    {"wall_time", "ns", PRF_SCOPE_RESULT, PRF_BETTER_LESS, PRF_FOLD_NONE, ""},
    {"calls", "count", PRF_SCOPE_NODE, PRF_BETTER_NONE, PRF_FOLD_CALLS, ""},
    {"time", "tick", PRF_SCOPE_NODE, PRF_BETTER_LESS, PRF_FOLD_COST, ""},
    {NULL},
};

struct fixture {
    char path[64];
    struct prf_writer *writer;
    struct prf_sink *sink;
};

static int
set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    strcpy(f->path, "/tmp/test_recording.XXXXXX");
    int fd = mkstemp(f->path);
    assert_true(fd >= 0);
    close(fd);
    struct prf_error err = {0};
    assert_int_equal(prf_writer_open(f->path, 0.5, &f->writer, &err), 0);
    f->sink = prf_writer_sink(f->writer);
    prf_sink_schema(f->sink, metrics);
    *state = f;
    return 0;
}

static int
tear_down(void **state)
{
    struct fixture *f = *state;
    prf_writer_close(f->writer);
    unlink(f->path);
    free(f);
    return 0;
}

static struct prf_profile *
read_back(struct fixture *f)
{
    struct prf_profile *p = NULL;
    struct prf_error err = {0};
    assert_int_equal(prf_recording_read(f->path, &p, &err), 0);
    return p;
}

static uint32_t
add_node(struct prf_rows *rows, uint32_t parent, uint32_t code, int64_t calls,
         int64_t ticks)
{
    struct node_row *row = prf_rows_add(rows);
    assert_non_null(row);
    *row = (struct node_row){{parent, code}, calls, ticks};
    return rows->n;
}

static int64_t
value_of(const struct prf_table *t, size_t row, const char *column)
{
    int c = prf_column_find(t->columns, t->n_columns, column);
    assert_true(c >= 0);
    return t->values[row * t->n_columns + (size_t)c];
}

/* f calls itself once and g twice; ticks are half a nanosecond. */
static void
test_fold(void **state)
{
    struct fixture *f = *state;
    uint32_t cf = prf_sink_code(f->sink, "a.py", "f", "C.f", 3, 0);
    uint32_t cg = prf_sink_code(f->sink, "a.py", "g", "C.g", 9, 0);
    struct prf_rows rows;
    prf_rows_init(&rows, f->sink, PRF_CHUNK_NODE, sizeof(struct node_row));
    uint32_t outer = add_node(&rows, 0, cf, 1, 100);
    uint32_t inner = add_node(&rows, outer, cf, 1, 40);
    add_node(&rows, outer, cg, 1, 10);
    add_node(&rows, inner, cg, 1, 20);
    struct prf_profile *p = read_back(f);
    assert_int_equal(p->n_codes, 3);
    assert_int_equal(p->sites.n, 2);
    assert_int_equal(value_of(&p->sites, 0, "calls"), 2);
    assert_int_equal(value_of(&p->sites, 0, "primitive_calls"), 1);
    assert_int_equal(value_of(&p->sites, 0, "own_ns"), 70);
    assert_int_equal(value_of(&p->sites, 0, "cumulative_ns"), 85);
    assert_int_equal(value_of(&p->sites, 1, "calls"), 2);
    assert_int_equal(value_of(&p->sites, 1, "primitive_calls"), 2);
    assert_int_equal(value_of(&p->sites, 1, "cumulative_ns"), 15);
    assert_int_equal(p->edges.n, 2); /* f -> f, f -> g */
    assert_int_equal(value_of(&p->edges, 1, "calls"), 2);
    assert_string_equal(p->codes[p->sites.keys[0].code].qualname, "C.f");
    prf_profile_free(p);
}

static void
test_samples_marks_infos(void **state)
{
    struct fixture *f = *state;
    struct prf_rows rows;
    prf_rows_init(&rows, f->sink, PRF_CHUNK_SAMPLE, sizeof(struct prf_rec_sample));
    prf_sink_sample(&rows, 0, PRF_SAMPLE_WARMUP, 99);
    for (int i = 0; i < 10000; i++) {
        prf_sink_sample(&rows, 0, 0, i);
    }
    prf_sink_mark(f->sink, &(struct prf_rec_mark){.at_ns = 5, .delta_ns = 5, .n = 1},
                  "half");
    prf_sink_info(f->sink, PRF_INFO_PHASE, "body");
    prf_sink_info(f->sink, PRF_INFO_PHASE, "done");
    prf_sink_info(f->sink, PRF_INFO_NOTE, "first");
    prf_sink_info(f->sink, PRF_INFO_NOTE, "second");
    char *long_text = malloc(3000001);
    memset(long_text, 'x', 3000000);
    long_text[3000000] = '\0';
    prf_sink_info(f->sink, PRF_INFO_TRACEBACK, long_text);
    struct prf_profile *p = read_back(f);
    assert_int_equal(p->n_metrics, 1);
    assert_int_equal(p->metrics[0].n, 10000);
    assert_int_equal(p->metrics[0].n_warmup, 1);
    assert_true(p->metrics[0].samples[9999] == 9999.0);
    assert_string_equal(p->marks[0].name, "half");
    assert_string_equal(p->phase, "done");
    assert_int_equal(p->n_notes, 2);
    assert_string_equal(p->notes[1], "second");
    assert_int_equal(strlen(p->traceback), 3000000);
    free(long_text);
    prf_profile_free(p);
}

/* The schema declares wall_time; a case that crashed has no sample of it. */
static void
test_no_sample_no_metric(void **state)
{
    struct fixture *f = *state;
    struct prf_profile *p = read_back(f);
    assert_int_equal(p->n_metrics, 0);
    prf_profile_free(p);
    struct prf_rows rows;
    prf_rows_init(&rows, f->sink, PRF_CHUNK_SAMPLE, sizeof(struct prf_rec_sample));
    prf_sink_sample(&rows, 0, PRF_SAMPLE_WARMUP, 99);
    p = read_back(f);
    assert_int_equal(p->n_metrics, 0);
    prf_profile_free(p);
}

static void
test_rows_keep_their_address(void **state)
{
    struct fixture *f = *state;
    prf_sink_code(f->sink, "a.py", "f", "f", 1, 0);
    struct prf_rows rows;
    prf_rows_init(&rows, f->sink, PRF_CHUNK_NODE, sizeof(struct node_row));
    struct node_row *first = prf_rows_add(&rows);
    first->node.code = 1;
    for (int i = 1; i < 200000; i++) {
        struct node_row *row = prf_rows_add(&rows);
        row->node = (struct prf_rec_node){(uint32_t)i, 1};
        first->calls++;
    }
    struct prf_profile *p = read_back(f);
    assert_int_equal(p->tree.n, 200001);
    assert_int_equal(value_of(&p->sites, 0, "calls"), 199999);
    assert_int_equal(p->n_notes, 0);
    prf_profile_free(p);
}

/* A killed writer: whatever the moment, what was committed is read. */
static void
test_cut_off_anywhere(void **state)
{
    struct fixture *f = *state;
    prf_sink_code(f->sink, "a.py", "f", "f", 1, 0);
    prf_sink_info(f->sink, PRF_INFO_STATUS, "ok");
    FILE *file = fopen(f->path, "rb");
    static char data[1 << 16];
    size_t size = fread(data, 1, sizeof data, file);
    fclose(file);
    struct prf_error err = {0};
    for (size_t n = 0; n < PRF_RECORDING_HEADER; n += 512) {
        struct prf_profile *p = NULL;
        assert_int_equal(prf_recording_parse(data, n, &p, &err), PRF_ECORRUPT);
        prf_error_clear(&err);
    }
    for (size_t n = PRF_RECORDING_HEADER; n < size && n < 16384; n += 8) {
        char *copy = malloc(n); /* its own block, so that a read beyond it is caught */
        memcpy(copy, data, n);
        struct prf_profile *p = NULL;
        assert_int_equal(prf_recording_parse(copy, n, &p, &err), 0);
        prf_profile_free(p);
        free(copy);
    }
}

/* Flip bytes all over: no crash, and damage is said. */
static void
test_damaged(void **state)
{
    struct fixture *f = *state;
    struct prf_rows rows;
    prf_sink_code(f->sink, "a.py", "f", "f", 1, 0);
    prf_rows_init(&rows, f->sink, PRF_CHUNK_NODE, sizeof(struct node_row));
    add_node(&rows, 0, 1, 1, 1);
    add_node(&rows, 7, 5, 1, 1); /* neither parent nor code exist */
    struct prf_profile *p = read_back(f);
    assert_int_equal(p->n_notes, 1);
    assert_non_null(strstr(p->notes[0], "2 damaged"));
    prf_profile_free(p);
    FILE *file = fopen(f->path, "rb");
    static char data[1 << 16];
    size_t size = fread(data, 1, sizeof data, file);
    fclose(file);
    unsigned seed = 12345;
    for (int round = 0; round < 3000; round++) {
        char *copy = malloc(size);
        memcpy(copy, data, size);
        for (int i = 0; i < 4; i++) {
            seed = seed * 1103515245u + 12345u;
            copy[PRF_RECORDING_HEADER + (seed >> 8) % 8192] = (char)(seed >> 24);
        }
        struct prf_error err = {0};
        p = NULL;
        int rc = prf_recording_parse(copy, size, &p, &err);
        assert_true(rc == 0 || rc == PRF_ENOMEM);
        prf_profile_free(p);
        free(copy);
    }
}

static void
test_forked_child_cannot_disturb(void **state)
{
    struct fixture *f = *state;
    struct prf_rows rows;
    prf_sink_code(f->sink, "a.py", "f", "f", 1, 0);
    prf_rows_init(&rows, f->sink, PRF_CHUNK_NODE, sizeof(struct node_row));
    struct node_row *row = prf_rows_add(&rows);
    row->node.code = 1;
    row->calls = 1;
    pid_t pid = fork();
    if (pid == 0) {
        prf_writer_detach(f->writer);
        row->calls = 666;
        for (int i = 0; i < 100000; i++) {
            prf_rows_add(&rows);
        }
        _exit(0);
    }
    int status;
    waitpid(pid, &status, 0);
    assert_int_equal(status, 0);
    struct prf_profile *p = read_back(f);
    assert_int_equal(p->tree.n, 2);
    assert_int_equal(value_of(&p->sites, 0, "calls"), 1);
    prf_profile_free(p);
}

static void
test_equal_codes_are_merged(void **state)
{
    struct fixture *f = *state;
    struct prf_rows rows;
    prf_rows_init(&rows, f->sink, PRF_CHUNK_NODE, sizeof(struct node_row));
    for (int i = 0; i < 100; i++) {
        uint32_t code = prf_sink_code(f->sink, "<string>", "g", "g", 1, 0);
        add_node(&rows, 0, code, 1, 2);
    }
    struct prf_profile *p = read_back(f);
    assert_int_equal(p->sites.n, 1);
    assert_int_equal(value_of(&p->sites, 0, "calls"), 100);
    prf_profile_free(p);
}

static void
test_errors(void **state)
{
    (void)state;
    struct prf_error err = {0};
    struct prf_writer *w = NULL;
    struct prf_profile *p = NULL;
    assert_int_equal(prf_writer_open("/nonexistent/x", 1.0, &w, &err), PRF_EIO);
    assert_non_null(strstr(err.text, "/nonexistent/x"));
    prf_error_clear(&err);
    assert_int_equal(prf_recording_read("/nonexistent/x", &p, &err), PRF_EIO);
    prf_error_clear(&err);
    assert_int_equal(prf_recording_read("/dev/null", &p, &err), PRF_ECORRUPT);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_fold, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_samples_marks_infos, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_no_sample_no_metric, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_rows_keep_their_address, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_cut_off_anywhere, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_damaged, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_forked_child_cannot_disturb, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_equal_codes_are_merged, set_up, tear_down),
        cmocka_unit_test(test_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
