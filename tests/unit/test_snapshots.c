/* Snapshots: from the recording to the model, summed up, and as people see them. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "fixtures.h"
#include "report.h"
#include "reader.h"
#include "snapshot_stats.h"
#include "writer.h"

#define A_FILE "/src/a.py"
#define B_FILE "/src/pkg/b.py"

struct written {
    char path[64];
    struct prf_writer *writer;
    struct prf_sink *sink;
    struct prf_rows stacks, held;
    struct fixture fx;
};

static int
set_up(void **state)
{
    struct written *w = calloc(1, sizeof *w);
    struct prf_error err = {0};
    assert_non_null(w);
    strcpy(w->path, "/tmp/test_snapshots.XXXXXX");
    int fd = mkstemp(w->path);
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(prf_writer_open(w->path, 1.0, &w->writer, &err), 0);
    w->sink = prf_writer_sink(w->writer);
    prf_rows_init(&w->stacks, w->sink, PRF_CHUNK_STACK, sizeof(struct prf_rec_stack));
    prf_rows_init(&w->held, w->sink, PRF_CHUNK_HELD, sizeof(struct prf_rec_held));
    fixture_open(&w->fx);
    *state = w;
    return 0;
}

static int
tear_down(void **state)
{
    struct written *w = *state;
    fixture_close(&w->fx);
    prf_writer_close(w->writer);
    unlink(w->path);
    free(w);
    return 0;
}

static uint32_t
add_stack(struct written *w, uint32_t parent, uint32_t code, uint32_t line)
{
    struct prf_rec_stack *row = prf_rows_add(&w->stacks);
    assert_non_null(row);
    *row = (struct prf_rec_stack){.parent = parent, .code = code, .line = line};
    return w->stacks.n;
}

static void
add_held(struct written *w, uint32_t snapshot, uint32_t stack, int64_t n_bytes,
         int64_t n_blocks)
{
    struct prf_rec_held *row = prf_rows_add(&w->held);
    assert_non_null(row);
    *row = (struct prf_rec_held){snapshot, stack, n_bytes, n_blocks};
}

static void
add_snapshot(struct written *w, const char *name, int64_t n_bytes, int64_t n_blocks)
{
    struct prf_rec_snapshot head = {
        .at_ns = 1e6, .n_bytes = n_bytes, .n_blocks = n_blocks};
    prf_sink_snapshot(w->sink, &head, name);
}

/* Three snapshots of five stacks:
       1 a:10   2 a:10 > a:11   3 a:10 > b:5   4 a:10 > b:6   5 a:10 > a:10 */
static struct prf_profile *
three_snapshots(struct written *w)
{
    struct prf_error err = {0};
    uint32_t a = prf_sink_code(w->sink, A_FILE, "", "", 0, 0);
    uint32_t b = prf_sink_code(w->sink, B_FILE, "", "", 0, 0);
    uint32_t outer = add_stack(w, 0, a, 10);
    add_stack(w, outer, a, 11);
    add_stack(w, outer, b, 5);
    add_stack(w, outer, b, 6);
    add_stack(w, outer, a, 10);
    add_snapshot(w, "start", 100, 1);
    add_held(w, 0, 3, 100, 1);
    add_snapshot(w, "loaded", 1600, 6);
    add_held(w, 1, 2, 500, 2);
    add_held(w, 1, 3, 1000, 3);
    add_held(w, 1, 5, 100, 1);
    add_snapshot(w, "stop", 640, 4);
    add_held(w, 2, 2, 500, 2);
    add_held(w, 2, 4, 100, 1);
    add_held(w, 2, 1, 40, 1);
    prf_sink_info(w->sink, PRF_INFO_SOURCE, "1 11\n    x = [load()]");
    prf_sink_info(w->sink, PRF_INFO_PEAK, "3");
    prf_profile_free(w->fx.result.profile);
    w->fx.result.profile = NULL;
    assert_int_equal(prf_recording_read(w->path, &w->fx.result.profile, &err), 0);
    return w->fx.result.profile;
}

/* Stacks of the same frames, by whatever rows: one entry each, no other is lost. */
static void
equal_tracebacks_are_one_entry(void **state)
{
    struct written *w = *state;
    struct prf_error err = {0};
    struct prf_profile *p = NULL;
    uint32_t a = prf_sink_code(w->sink, A_FILE, "", "", 0, 0);
    uint32_t first = add_stack(w, add_stack(w, 0, a, 10), a, 11);
    uint32_t second = add_stack(w, add_stack(w, 0, a, 10), a, 11);
    uint32_t other = add_stack(w, add_stack(w, 0, a, 9), a, 11);
    for (uint32_t i = 0; i < 2; i++) {
        add_snapshot(w, "s", 160, 6);
        add_held(w, i, first, 100, 1);
        add_held(w, i, other, 20, 2);
        add_held(w, i, second, 40, 3);
    }
    assert_int_equal(prf_recording_read(w->path, &p, &err), 0);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(p->snapshots[i].n, 2);
        assert_int_equal(p->snapshots[i].held[0].stack, first);
        assert_int_equal(p->snapshots[i].held[0].n_bytes, 140);
        assert_int_equal(p->snapshots[i].held[0].n_blocks, 4);
        assert_int_equal(p->snapshots[i].held[1].stack, other);
        assert_int_equal(p->snapshots[i].held[1].n_bytes, 20);
    }
    prf_profile_free(p);
}

static void
what_was_written_is_read(void **state)
{
    const struct prf_profile *p = three_snapshots(*state);
    assert_int_equal(p->n_snapshots, 3);
    assert_string_equal(p->snapshots[1].name, "loaded");
    assert_int_equal(p->snapshots[1].n_bytes, 1600);
    assert_int_equal(p->snapshots[1].n_blocks, 6);
    assert_int_equal(p->snapshots[1].n, 3);
    assert_int_equal(p->snapshots[1].held[2].n_bytes, 100);
    assert_int_equal(p->n_stacks, 6);
    assert_int_equal(p->stacks[3].parent, 1);
    assert_string_equal(p->codes[p->stacks[3].code].file, B_FILE);
    assert_int_equal(p->peak_stack, 3);
    assert_int_equal(p->n_sources, 1);
    assert_int_equal(p->sources[0].first_line, 11);
    assert_string_equal(p->sources[0].text, "    x = [load()]");
    assert_int_equal(p->n_notes, 0);
    assert_true(prf_result_models(&((struct written *)*state)->fx.result) &
                PRF_MODEL_SNAPSHOTS);
}

static void
damage_is_left_out(void **state)
{
    struct written *w = *state;
    uint32_t a = prf_sink_code(w->sink, A_FILE, "", "", 0, 0);
    struct prf_error err = {0};
    struct prf_profile *p = NULL;
    add_stack(w, 7, a, 1);  /* a parent that does not exist yet */
    add_stack(w, 1, 99, 1); /* a code that does not exist */
    add_snapshot(w, "start", 1, 1);
    add_held(w, 0, 77, 1, 1);
    add_held(w, 5, 1, 1, 1);
    add_held(w, 0, 0, 1, 1);
    add_held(w, 0, 1, 8, 1);
    prf_sink_info(w->sink, PRF_INFO_SOURCE, "no number");
    prf_sink_info(w->sink, PRF_INFO_PEAK, "12345");
    assert_int_equal(prf_recording_read(w->path, &p, &err), 0);
    assert_int_equal(p->snapshots[0].n, 1);
    assert_int_equal(p->snapshots[0].held[0].n_bytes, 8);
    assert_int_equal(p->stacks[1].parent, 0);
    assert_int_equal(p->stacks[2].code, 0);
    assert_int_equal(p->peak_stack, 0);
    assert_int_equal(p->n_sources, 0);
    assert_int_equal(p->n_notes, 1);
    assert_non_null(strstr(p->notes[0], "6 damaged"));
    prf_profile_free(p);
}

/* The statistics as "file:line=bytes/blocks(+change)" words. */
static char *
stats(const struct prf_profile *p, const char *options)
{
    struct prf_snapshot_request request;
    struct prf_snapshot_choice choice;
    struct prf_snapshot_stats sums;
    struct prf_error err = {0};
    char *text = NULL;
    size_t size;
    assert_int_equal(prf_snapshot_request_parse(options, &request, &err), 0);
    FILE *out = open_memstream(&text, &size);
    assert_non_null(out);
    if (prf_snapshot_choose(p, &request, &choice, &err) < 0) {
        fprintf(out, "%d %s", err.code, err.text);
    } else {
        assert_int_equal(prf_snapshot_stats(p, &request, &choice, &sums, &err), 0);
        for (size_t i = 0; i < sums.n; i++) {
            const struct prf_snapshot_stat *s = &sums.rows[i];
            fprintf(out, "%s%s:%u=%d/%d(%+d)", i > 0 ? " " : "",
                    strrchr(p->codes[s->code].file, '/') + 1, s->line, (int)s->n_bytes,
                    (int)s->n_blocks, (int)s->bytes_diff);
        }
        prf_snapshot_stats_release(&sums);
    }
    prf_snapshot_request_release(&request);
    fclose(out);
    return text;
}

static void
statistics_are_those_of_tracemalloc(void **state)
{
    const struct prf_profile *p = three_snapshots(*state);
    static const struct {
        const char *options, *expected;
    } checks[] = {
        {NULL, "a.py:11=500/2(+500) b.py:6=100/1(+100) a.py:10=40/1(+40)"},
        {"not json", "a.py:11=500/2(+500) b.py:6=100/1(+100) a.py:10=40/1(+40)"},
        {"{\"index\": \"1\"}", "b.py:5=1000/3(+900) a.py:11=500/2(+500) "
                               "a.py:10=100/1(+100)"},
        {"{\"index\": \"-2\"}", "b.py:5=1000/3(+900) a.py:11=500/2(+500) "
                                "a.py:10=100/1(+100)"},
        {"{\"index\": \"loaded\", \"key\": \"filename\"}",
         "b.py:0=1000/3(+900) a.py:0=600/3(+600)"},
        {"{\"index\": \"0\"}", "b.py:5=100/1(+0)"},
        {"{\"diff\": \"1:2\"}", "b.py:5=0/0(-1000) b.py:6=100/1(+100) "
                                "a.py:10=40/1(-60) a.py:11=500/2(+0)"},
        {"{\"diff\": \"loaded:stop\", \"key\": \"filename\"}",
         "b.py:0=100/1(-900) a.py:0=540/3(-60)"},
        {"{\"index\": \"1\", \"key\": \"traceback\"}",
         "b.py:5=1000/3(+900) a.py:11=500/2(+500) a.py:10=100/1(+100)"},
        /* Each frame counts, one that is there twice counts twice. */
        {"{\"index\": \"1\", \"cumulative\": \"true\"}",
         "a.py:10=1700/7(+1600) b.py:5=1000/3(+900) a.py:11=500/2(+500)"},
        {"{\"include\": \"*/pkg/*\"}", "b.py:6=100/1(+100)"},
        {"{\"include\": [\"*/pkg/*\", \"*a.py\"], \"exclude\": \"/src/a*\"}",
         "b.py:6=100/1(+100)"},
        {"{\"exclude\": \"*/pkg/*,/nothing\"}", "a.py:11=500/2(+500) "
                                                "a.py:10=40/1(+40)"},
        {"{\"include_files\": \"x\", \"include-files\": \"*b.py\"}",
         "b.py:6=100/1(+100)"},
        {"{\"index\": \"3\"}",
         "-2 --index 3: no snapshot '3'; there are: 0 start, 1 loaded, 2 stop"},
        {"{\"index\": \"-4\"}",
         "-2 --index -4: no snapshot '-4'; there are: 0 start, 1 loaded, 2 stop"},
        {"{\"diff\": \"1\"}", "-2 --diff 1: it takes two snapshots as A:B"},
        {"{\"diff\": \"1:nowhere\"}",
         "-2 --diff 1:nowhere: no snapshot 'nowhere'; there are: 0 start, 1 loaded, "
         "2 stop"},
    };
    for (size_t i = 0; i < FIXTURE_LEN(checks); i++) {
        char *text = stats(p, checks[i].options);
        assert_string_equal(text, checks[i].expected);
        free(text);
    }
}

static void
names_may_have_colons_and_come_twice(void **state)
{
    struct written *w = *state;
    struct prf_error err = {0};
    struct prf_snapshot_choice choice;
    struct prf_snapshot_request request = {.diff = "a:b:c"};
    struct prf_profile *p = NULL;
    add_snapshot(w, "a:b", 0, 0);
    add_snapshot(w, "c", 0, 0);
    add_snapshot(w, "c", 0, 0);
    assert_int_equal(prf_recording_read(w->path, &p, &err), 0);
    assert_int_equal(prf_snapshot_choose(p, &request, &choice, &err), 0);
    assert_int_equal(choice.base, 0);
    assert_int_equal(choice.shown, 2);
    assert_true(choice.by_change);
    prf_profile_free(p);
}

static char *
report(struct written *w, const struct prf_export_options *options)
{
    const struct prf_style style = {.width = 80};
    struct prf_error err = {0};
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    assert_non_null(out);
    int rc = prf_report_result(out, &style, &w->fx.result, options, &err);
    fclose(out);
    if (rc < 0) {
        fail_msg("%s", err.text);
    }
    return text;
}

static void
report_looks_like_top_stats(void **state)
{
    struct written *w = *state;
    three_snapshots(w);
    char *text = report(w, &(struct prf_export_options){0});
    assert_contains(text, "   1    1.000 ms     1.562 KiB           6  loaded\n");
    assert_contains(
        text, "  held at 'stop', compared with 'start', by lineno\n"
              "  /src/a.py:11: size=500 B (+500 B), count=2 (+2), average=250 B\n"
              "        x = [load()]\n"
              "  /src/pkg/b.py:6: size=100 B (+100 B), count=1 (+1), average=100 B\n");
    assert_contains(text,
                    "  total: size=640 B (+540 B), count=4 (+3), average=160 B\n");
    assert_contains(text, "  the peak was made by\n"
                          "      File \"/src/a.py\", line 10\n"
                          "      File \"/src/pkg/b.py\", line 5\n");
    free(text);
    w->fx.result.options = "{\"key\": \"traceback\", \"top-k\": \"1\"}";
    text = report(w, &(struct prf_export_options){.strip_dirs = true});
    assert_contains(text,
                    "  size=500 B (+500 B), count=2 (+2), average=250 B\n"
                    "      File \"a.py\", line 10\n"
                    "      File \"a.py\", line 11\n"
                    "        x = [load()]\n"
                    "  2 other: size=140 B (+140 B), count=2 (+2), average=70 B\n");
    free(text);
}

static void
a_diff_shows_what_is_gone(void **state)
{
    struct written *w = *state;
    three_snapshots(w);
    w->fx.result.options = "{\"diff\": \"loaded:stop\"}";
    char *text = report(w, &(struct prf_export_options){0});
    assert_contains(text, "held at 'stop', compared with 'loaded', by lineno\n"
                          "  /src/pkg/b.py:5: size=0 B (-1000 B), count=0 (-3)\n");
    free(text);
}

static void
a_wrong_index_is_an_error(void **state)
{
    struct written *w = *state;
    const struct prf_style style = {.width = 80};
    struct prf_error err = {0};
    three_snapshots(w);
    w->fx.result.options = "{\"index\": \"9\"}";
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    assert_non_null(out);
    assert_int_equal(prf_report_result(out, &style, &w->fx.result,
                                       &(struct prf_export_options){0}, &err),
                     0);
    fclose(out);
    assert_non_null(strstr(text, "--index 9: no snapshot '9'; there are: 0 start, "
                                 "1 loaded, 2 stop; the last one is shown\n"));
    assert_non_null(strstr(text, "held at 'stop', compared with 'start'"));
    free(text);
}

static void
names_reach_no_terminal_raw(void **state)
{
    struct written *w = *state;
    struct prf_error err = {0};
    uint32_t code = prf_sink_code(w->sink, FIXTURE_HOSTILE, "", "", 0, 0);
    uint32_t stack = add_stack(w, 0, code, 3);
    add_snapshot(w, FIXTURE_HOSTILE, 5, 1);
    add_held(w, 0, stack, 5, 1);
    prf_sink_info(w->sink, PRF_INFO_SOURCE, "1 3\n" FIXTURE_HOSTILE);
    prf_profile_free(w->fx.result.profile);
    assert_int_equal(prf_recording_read(w->path, &w->fx.result.profile, &err), 0);
    for (int i = 0; i < 2; i++) {
        w->fx.result.options = i == 0 ? NULL : "{\"key\": \"traceback\"}";
        char *text = report(w, &(struct prf_export_options){0});
        assert_null(strchr(text, '\033'));
        assert_null(strchr(text, '\xFF'));
        free(text);
    }
}

static void
json_has_every_snapshot(void **state)
{
    struct written *w = *state;
    const struct prf_result *result = &w->fx.result;
    three_snapshots(w);
    size_t size;
    result = &w->fx.result;
    char *text = fixture_export_all("json", &w->fx.run, &result, 1,
                                    &(struct prf_export_options){0}, &size);
    assert_contains(text, "\"snapshots\": [{\"name\": \"start\", \"at_ns\": 1000000, "
                          "\"size\": 100, \"count\": 1, \"held\": [{\"size\": 100, "
                          "\"count\": 1, \"traceback\": [{\"file\": \"/src/a.py\", "
                          "\"line\": 10},{\"file\": \"/src/pkg/b.py\", \"line\": 5}]}");
    assert_contains(text, "\"peak_traceback\": [{\"file\": \"/src/a.py\", \"line\": "
                          "10},{\"file\": \"/src/pkg/b.py\", \"line\": 5}]");
    free(text);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(equal_tracebacks_are_one_entry, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(what_was_written_is_read, set_up, tear_down),
        cmocka_unit_test_setup_teardown(damage_is_left_out, set_up, tear_down),
        cmocka_unit_test_setup_teardown(statistics_are_those_of_tracemalloc, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(names_may_have_colons_and_come_twice, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(report_looks_like_top_stats, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_diff_shows_what_is_gone, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_wrong_index_is_an_error, set_up, tear_down),
        cmocka_unit_test_setup_teardown(names_reach_no_terminal_raw, set_up, tear_down),
        cmocka_unit_test_setup_teardown(json_has_every_snapshot, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
