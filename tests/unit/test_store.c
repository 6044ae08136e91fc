/* The store: what goes in comes out, whatever else happens to the file. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "path.h"
#include "schema.h"
#include "store.h"

#define TREE_A "1111111111111111111111111111111111111111"
#define COMMIT_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define COMMIT_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

static char folder[64];
static char file[128];

static int
set_up(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/prf-store-XXXXXX");
    if (mkdtemp(folder) == NULL || chmod(folder, 0755) != 0) {
        return -1;
    }
    snprintf(file, sizeof file, "%s/.pyprofiler/results.db", folder);
    return 0;
}

static int
tear_down(void **state)
{
    (void)state;
    prf_path_remove_tree(folder);
    return 0;
}

static struct prf_store *
open_store(enum prf_store_mode mode)
{
    struct prf_store *store = NULL;
    struct prf_error err = {0};
    if (prf_store_open(file, mode, &store, &err) != 0) {
        fail_msg("%s", err.text);
    }
    return store;
}

static void
assert_open_fails(enum prf_store_mode mode, int code, const char *words)
{
    struct prf_store *store = NULL;
    struct prf_error err = {0};
    int rc = prf_store_open(file, mode, &store, &err);
    if (rc != code || strstr(err.text, words) == NULL) {
        fail_msg("%d, '%s' instead of %d, '%s'", rc, err.text, code, words);
    }
    assert_null(store);
}

static struct prf_run
sample_run(const char *id)
{
    return (struct prf_run){
        .id = id,
        .started_ns = 1700000000123456789,
        .duration_ns = -1,
        .tool_version = "0.1.0",
        .command = "pyprofiler-run 'a b.py'",
        .commit = {.id = COMMIT_A,
                   .branch = "main",
                   .dirty = true,
                   .tree = TREE_A,
                   .author_time = 1699999999,
                   .root = "/srv/project"},
        .python = {.version = "3.11.2",
                   .executable = "/usr/bin/python3",
                   .implementation = "CPython",
                   .host = "embed"},
        .machine = {.fingerprint = "f00d",
                    .hostname = "box",
                    .cpu = "CPU",
                    .arch = "x86_64",
                    .n_cpus = 2,
                    .ram_bytes = 1LL << 36,
                    .aslr = "2"},
    };
}

static struct prf_result
sample_result(const char *run_id, const char *id, const char *case_id)
{
    return (struct prf_result){.id = id,
                               .run_id = run_id,
                               .case_id = case_id,
                               .profiler = "stopwatch",
                               .status = PRF_STATUS_OK,
                               .duration_ns = 5};
}

static void
add_run(struct prf_store *store, const char *id)
{
    struct prf_error err = {0};
    struct prf_run run = sample_run(id);
    if (prf_store_add_run(store, &run, &err) != 0) {
        fail_msg("%s", err.text);
    }
}

static void
add_run_on(struct prf_store *store, const char *id, const char *commit)
{
    struct prf_run run = sample_run(id);
    run.commit.id = commit;
    assert_int_equal(prf_store_add_run(store, &run, NULL), 0);
}

static void
add_result(struct prf_store *store, const char *run_id, const char *id,
           const char *case_id)
{
    struct prf_error err = {0};
    struct prf_result result = sample_result(run_id, id, case_id);
    if (prf_store_add_result(store, &result, &err) != 0) {
        fail_msg("%s", err.text);
    }
}

/* The ids that a query gives, in order, as "r1 r2 ". */
static int
collect_visit(const struct prf_run *run, const struct prf_result *result, void *arg)
{
    assert_string_equal(run->id, result->run_id);
    size_t len = strlen(arg);
    snprintf((char *)arg + len, 512 - len, "%s ", result->id);
    return 0;
}

static void
assert_selects(struct prf_store *store, struct prf_query query, const char *ids)
{
    char found[4096] = "";
    struct prf_error err = {0};
    if (prf_store_select(store, &query, false, collect_visit, found, &err) != 0) {
        fail_msg("%s", err.text);
    }
    assert_string_equal(found, ids);
}

static void
assert_select_fails(struct prf_store *store, struct prf_query query, const char *words)
{
    char found[4096] = "";
    struct prf_error err = {0};
    assert_int_equal(prf_store_select(store, &query, false, collect_visit, found, &err),
                     PRF_ENOTFOUND);
    assert_string_equal(found, "");
    if (strstr(err.text, words) == NULL) {
        fail_msg("no '%s' in '%s'", words, err.text);
    }
}

static void
assert_sound(void)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *check = NULL;
    assert_int_equal(sqlite3_open(file, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, "PRAGMA integrity_check", -1, &check, NULL),
                     0);
    assert_int_equal(sqlite3_step(check), SQLITE_ROW);
    assert_string_equal((const char *)sqlite3_column_text(check, 0), "ok");
    sqlite3_finalize(check);
    assert_int_equal(
        sqlite3_prepare_v2(db, "PRAGMA foreign_key_check", -1, &check, NULL), 0);
    assert_int_equal(sqlite3_step(check), SQLITE_DONE);
    sqlite3_finalize(check);
    sqlite3_close(db);
}

static void
assert_text(const char *a, const char *b)
{
    if (a == NULL || b == NULL) {
        assert_ptr_equal(a, b);
    } else {
        assert_string_equal(a, b);
    }
}

static void
test_folder(void **state)
{
    (void)state;
    char path[256];
    char *text = NULL;
    assert_open_fails(PRF_STORE_READ, PRF_ENOTFOUND, "no results yet");
    prf_store_close(open_store(PRF_STORE_WRITE));
    snprintf(path, sizeof path, "%s/.pyprofiler/.gitignore", folder);
    assert_int_equal(prf_file_read(path, &text, NULL, NULL), 0);
    assert_string_equal(text, "*\n");
    free(text);
    prf_store_close(open_store(PRF_STORE_READ));
    /* A folder that was there before is not ours to hide. */
    snprintf(file, sizeof file, "%s/results.db", folder);
    prf_store_close(open_store(PRF_STORE_WRITE));
    snprintf(path, sizeof path, "%s/.gitignore", folder);
    assert_false(prf_path_exists(path));
    prf_store_close(NULL);
}

static int
check_run_visit(const struct prf_run *run, const struct prf_result *result, void *arg)
{
    struct prf_run want = sample_run("run-1");
    (void)result;
    assert_text(run->id, want.id);
    assert_int_equal(run->started_ns, want.started_ns);
    assert_int_equal(run->duration_ns, 77);
    assert_text(run->tool_version, want.tool_version);
    assert_text(run->command, want.command);
    assert_text(run->commit.id, want.commit.id);
    assert_text(run->commit.branch, want.commit.branch);
    assert_int_equal(run->commit.dirty, want.commit.dirty);
    assert_text(run->commit.tree, want.commit.tree);
    assert_int_equal(run->commit.author_time, want.commit.author_time);
    assert_text(run->commit.root, want.commit.root);
    assert_null(run->commit.note);
    assert_text(run->python.version, want.python.version);
    assert_text(run->python.executable, want.python.executable);
    assert_text(run->python.implementation, want.python.implementation);
    assert_text(run->python.host, want.python.host);
    assert_null(run->python.flags);
    assert_text(run->machine.fingerprint, want.machine.fingerprint);
    assert_text(run->machine.hostname, want.machine.hostname);
    assert_text(run->machine.cpu, want.machine.cpu);
    assert_text(run->machine.arch, want.machine.arch);
    assert_int_equal(run->machine.n_cpus, want.machine.n_cpus);
    assert_int_equal(run->machine.ram_bytes, want.machine.ram_bytes);
    assert_text(run->machine.aslr, want.machine.aslr);
    assert_null(run->machine.governor);
    (*(int *)arg)++;
    return 0;
}

static void
test_run(void **state)
{
    (void)state;
    struct prf_store *store = open_store(PRF_STORE_WRITE);
    struct prf_error err = {0};
    int n = 0;
    add_run(store, "run-1");
    add_result(store, "run-1", "res-1", "a.py::A::profile_a");
    assert_int_equal(prf_store_finish_run(store, "run-1", 77, &err), 0);
    assert_int_equal(prf_store_select(store, &(struct prf_query){0}, true,
                                      check_run_visit, &n, &err),
                     0);
    assert_int_equal(n, 1);
    assert_int_equal(prf_store_finish_run(store, "run-2", 1, &err), PRF_ENOTFOUND);
    prf_store_close(store);
}

/* A result with something in every field. */
struct full {
    struct prf_result result;
    struct prf_profile profile;
    struct prf_function codes[4];
    struct prf_column columns[3];
    struct prf_key site_keys[3], edge_keys[2];
    int64_t site_values[9], edge_values[2];
    struct prf_metric_values metrics[3];
    double samples[3];
    struct prf_mark marks[2];
    const char *notes[2];
};

static void
make_full(struct full *f)
{
    *f = (struct full){
        .codes = {{"", "", "", 0, 0},
                  {"/p/a.py", "sort", "Sorter.sort", 10, 0},
                  {"", "<built-in method len>", "<built-in method len>", 0, PRF_CODE_C},
                  {"/p/a.py", "sort", "Other.sort", 30, 0}},
        .columns = {{"calls", "count", PRF_BETTER_NONE},
                    {"own_ns", "ns", PRF_BETTER_LESS},
                    {"delta", NULL, PRF_BETTER_MORE}},
        .site_keys = {{3, 0}, {1, 12}, {2, 0}},
        .site_values = {1, 2, 3, INT64_MAX, INT64_MIN, -1, 0, 127, 128},
        .edge_keys = {{0, 3}, {3, 1}},
        .edge_values = {5, 1000000},
        .samples = {1.5, -0.0, 1e300},
        .marks = {{"generated", 12.5, 12.5, 3}, {"sorted", NAN, 2.5, 1}},
        .notes = {"first note", "second note"},
    };
    f->metrics[0] = (struct prf_metric_values){"wall_time", "ns", PRF_BETTER_LESS,
                                               f->samples,  3,    2};
    f->metrics[1] =
        (struct prf_metric_values){"unitless", NULL, PRF_BETTER_NONE, f->samples, 2, 0};
    f->metrics[2] =
        (struct prf_metric_values){"score", "count", PRF_BETTER_MORE, f->samples, 1, 0};
    f->profile = (struct prf_profile){
        .codes = f->codes,
        .n_codes = 4,
        .sites = {f->columns, 3, 3, f->site_keys, f->site_values},
        .edges = {f->columns, 1, 2, f->edge_keys, f->edge_values},
        .metrics = f->metrics,
        .n_metrics = 3,
        .marks = f->marks,
        .n_marks = 2,
        .notes = f->notes,
        .n_notes = 2,
        .phase = "body",
        .status = "failed",
        .reason = "ValueError: same",
        .traceback = "its own traceback",
        .report = "report",
        .rounds = "{\"n\": 3}",
        .duration_ns = 123,
        .n_lost = 9,
        .pid = 4000000000u,
    };
    f->result = (struct prf_result){
        .id = "full-result",
        .run_id = "full-run",
        .case_id = "a.py::A::profile_a[n=1]",
        .case_hash = "hash",
        .case_file = "/p/a.py",
        .case_line = 42,
        .profiler = "call",
        .options = "{\"top_k\": \"3\"}",
        .status = PRF_STATUS_CRASHED,
        .reason = "ValueError: same",
        .signal = "SIGSEGV",
        .traceback = "another traceback",
        .output = "printed \xc3\xa9\n",
        .started_ns = 5,
        .duration_ns = -1,
        .cpu_ns = 6,
        .max_rss_bytes = 7,
        .profile = &f->profile,
        .recording = "a recording a recording a recording",
        .recording_size = 35,
    };
}

static void
check_metrics(const struct prf_profile *got, const struct prf_profile *want)
{
    assert_int_equal(got->n_metrics, want->n_metrics);
    for (size_t i = 0; i < want->n_metrics; i++) {
        const struct prf_metric_values *a = &got->metrics[i];
        const struct prf_metric_values *b = &want->metrics[i];
        assert_text(a->name, b->name);
        assert_text(a->unit, b->unit);
        assert_int_equal(a->better, b->better);
        assert_int_equal(a->n, b->n);
        assert_int_equal(a->n_warmup, b->n_warmup);
        if (b->n > 0) {
            assert_memory_equal(a->samples, b->samples, b->n * sizeof(double));
        }
    }
    assert_int_equal(got->n_marks, 2);
    assert_text(got->marks[0].name, "generated");
    assert_true(got->marks[0].at_ns == 12.5 && got->marks[0].delta_ns == 12.5);
    assert_int_equal(got->marks[0].n, 3);
    assert_true(isnan(got->marks[1].at_ns));
}

static void
check_code(const struct prf_profile *got, uint32_t a, const struct prf_profile *want,
           uint32_t b)
{
    if (b == 0) {
        assert_int_equal(a, 0);
        return;
    }
    assert_in_range(a, 1, got->n_codes - 1);
    assert_text(got->codes[a].file, want->codes[b].file);
    assert_text(got->codes[a].name, want->codes[b].name);
    assert_text(got->codes[a].qualname, want->codes[b].qualname);
    assert_int_equal(got->codes[a].first_line, want->codes[b].first_line);
    assert_int_equal(got->codes[a].flags, want->codes[b].flags);
}

static void
check_table(const struct prf_table *got, const struct prf_table *want)
{
    assert_int_equal(got->n, want->n);
    assert_int_equal(got->n_columns, want->n_columns);
    for (size_t i = 0; i < want->n_columns; i++) {
        assert_text(got->columns[i].name, want->columns[i].name);
        assert_text(got->columns[i].unit, want->columns[i].unit);
        assert_int_equal(got->columns[i].better, want->columns[i].better);
    }
    assert_memory_equal(got->values, want->values,
                        want->n * want->n_columns * sizeof *want->values);
}

static void
check_tables(const struct prf_profile *got, const struct prf_profile *want)
{
    check_table(&got->sites, &want->sites);
    check_table(&got->edges, &want->edges);
    for (size_t i = 0; i < want->sites.n; i++) {
        check_code(got, got->sites.keys[i].code, want, want->sites.keys[i].code);
        assert_int_equal(got->sites.keys[i].other, want->sites.keys[i].other);
    }
    for (size_t i = 0; i < want->edges.n; i++) {
        check_code(got, got->edges.keys[i].code, want, want->edges.keys[i].code);
        check_code(got, got->edges.keys[i].other, want, want->edges.keys[i].other);
    }
}

struct full_check {
    const struct full *full;
    bool with_profile;
    int n;
};

static void
check_result(const struct prf_result *got, const struct prf_result *want)
{
    assert_text(got->id, want->id);
    assert_text(got->case_id, want->case_id);
    assert_text(got->case_hash, want->case_hash);
    assert_text(got->case_file, want->case_file);
    assert_int_equal(got->case_line, want->case_line);
    assert_text(got->profiler, want->profiler);
    assert_text(got->options, want->options);
    assert_int_equal(got->status, want->status);
    assert_text(got->reason, want->reason);
    assert_text(got->signal, want->signal);
    assert_text(got->traceback, want->traceback);
    assert_text(got->output, want->output);
    assert_int_equal(got->started_ns, want->started_ns);
    assert_int_equal(got->duration_ns, want->duration_ns);
    assert_int_equal(got->cpu_ns, want->cpu_ns);
    assert_int_equal(got->max_rss_bytes, want->max_rss_bytes);
    assert_null(got->recording);
}

static int
check_full_visit(const struct prf_run *run, const struct prf_result *got, void *arg)
{
    struct full_check *check = arg;
    const struct prf_profile *want = &check->full->profile;
    const struct prf_profile *profile = got->profile;
    assert_text(run->id, "full-run");
    check_result(got, &check->full->result);
    assert_non_null(profile);
    assert_text(profile->phase, want->phase);
    assert_text(profile->status, want->status);
    assert_text(profile->reason, want->reason);
    assert_text(profile->traceback, want->traceback);
    assert_text(profile->report, want->report);
    assert_text(profile->rounds, want->rounds);
    assert_int_equal(profile->duration_ns, want->duration_ns);
    assert_int_equal(profile->n_lost, want->n_lost);
    assert_int_equal(profile->pid, want->pid);
    assert_int_equal(profile->n_notes, 2);
    assert_text(profile->notes[0], want->notes[0]);
    assert_text(profile->notes[1], want->notes[1]);
    check_metrics(profile, want);
    if (check->with_profile) {
        check_tables(profile, want);
    } else {
        assert_int_equal(profile->sites.n, 0);
        assert_int_equal(profile->edges.n, 0);
    }
    check->n++;
    return 0;
}

static void
test_result(void **state)
{
    (void)state;
    struct prf_store *store = open_store(PRF_STORE_WRITE);
    struct prf_error err = {0};
    struct full full;
    struct prf_recording_map map;
    make_full(&full);
    add_run(store, "full-run");
    assert_int_equal(prf_store_add_result(store, &full.result, &err), 0);
    prf_store_close(store);
    assert_sound();

    store = open_store(PRF_STORE_READ);
    for (int with = 0; with < 2; with++) {
        struct full_check check = {&full, with != 0, 0};
        assert_int_equal(prf_store_select(store, &(struct prf_query){0}, with != 0,
                                          check_full_visit, &check, &err),
                         0);
        assert_int_equal(check.n, 1);
    }
    assert_int_equal(prf_store_recording(store, "full", &map, &err), 0);
    assert_int_equal(map.size, full.result.recording_size);
    assert_memory_equal(map.data, full.result.recording, map.size);
    prf_recording_unmap(&map);
    prf_store_close(store);
}

/* ---- long recordings ---- */

#define LONG_SIZE ((size_t)9 << 20)

/* Where they are. */
static const char *
long_folder(void)
{
    static char path[200];
    snprintf(path, sizeof path, "%s/.pyprofiler/recordings", folder);
    return path;
}

static unsigned char *
long_recording(void)
{
    unsigned char *data = malloc(LONG_SIZE);
    uint32_t seed = 1;
    assert_non_null(data);
    for (size_t i = 0; i < LONG_SIZE; i++) {
        seed = seed * 1103515245u + 12345u;
        data[i] = (unsigned char)(i % 4096 < 1024 ? seed >> 24 : i >> 12);
    }
    return data;
}

static void
long_path(const char *id, char path[256])
{
    snprintf(path, 256, "%s/%s.zst", long_folder(), id);
}

static int
add_long(struct prf_store *store, const char *id, const unsigned char *data,
         struct prf_error *err)
{
    struct prf_result result = sample_result("r", id, "a.py::A::profile_a");
    result.recording = data;
    result.recording_size = LONG_SIZE;
    return prf_store_add_result(store, &result, err);
}

static void
test_long_recording(void **state)
{
    (void)state;
    struct prf_store *store = open_store(PRF_STORE_WRITE);
    struct prf_error err = {0};
    struct prf_recording_map map;
    struct stat st;
    char path[256];
    unsigned char *data = long_recording();
    add_run(store, "r");
    assert_int_equal(add_long(store, "long1", data, &err), 0);
    long_path("long1", path);
    assert_int_equal(stat(path, &st), 0);
    assert_in_range(st.st_size, 1 << 20, LONG_SIZE / 2);
    assert_int_equal(stat(file, &st), 0);
    assert_true(st.st_size < 2 << 20); /* it is not in there */
    assert_int_equal(prf_store_recording(store, "lon", &map, &err), 0);
    assert_int_equal(map.size, LONG_SIZE);
    assert_memory_equal(map.data, data, LONG_SIZE);
    prf_recording_unmap(&map);
    prf_recording_unmap(&map);

    /* The same id again: refused, and the file is left as it was. */
    assert_int_equal(add_long(store, "long1", data, &err), PRF_ESTORE);
    assert_int_equal(prf_store_recording(store, "long1", &map, NULL), 0);
    prf_recording_unmap(&map);

    /* A row that cannot be written takes its file along. */
    struct prf_result result = sample_result("no-such-run", "long2", "a.py::A::b");
    result.recording = data;
    result.recording_size = LONG_SIZE;
    assert_int_equal(prf_store_add_result(store, &result, NULL), PRF_ENOTFOUND);
    long_path("long2", path);
    assert_int_equal(access(path, F_OK), -1);
    prf_store_close(store);
    free(data);
}

static void
test_long_recording_damaged(void **state)
{
    (void)state;
    struct prf_store *store = open_store(PRF_STORE_WRITE);
    struct prf_error err = {0};
    struct prf_recording_map map;
    struct stat st;
    char path[256];
    unsigned char *data = long_recording();
    add_run(store, "r");
    assert_int_equal(add_long(store, "long1", data, NULL), 0);
    free(data);
    long_path("long1", path);
    assert_int_equal(stat(path, &st), 0);
    int fd = open(path, O_RDWR);
    assert_int_equal(pwrite(fd, "damage", 6, st.st_size / 2), 6);
    close(fd);
    assert_int_equal(prf_store_recording(store, "long1", &map, &err), PRF_ECORRUPT);
    assert_non_null(strstr(err.text, "is damaged"));
    assert_null(map.data);
    assert_int_equal(truncate(path, st.st_size / 3), 0);
    assert_int_equal(prf_store_recording(store, "long1", &map, NULL), PRF_ECORRUPT);
    assert_int_equal(unlink(path), 0);
    prf_error_clear(&err);
    assert_int_equal(prf_store_recording(store, "long1", &map, &err), PRF_ECORRUPT);
    assert_non_null(strstr(err.text, path));
    prf_store_close(store);
}

/* What a killed writer left goes when it is old; what somebody needs stays. */
static void
test_orphans(void **state)
{
    (void)state;
    struct prf_store *store = open_store(PRF_STORE_WRITE);
    const struct timespec old[2] = {{1000000000, 0}, {1000000000, 0}};
    const struct {
        const char *name;
        bool old, stays;
    } files[] = {
        {"long1.zst", true, true},
        {"killed.zst", true, false},
        {"writing.zst", false, true},
        {"notes.txt", true, true},
    };
    char path[256];
    unsigned char *data = long_recording();
    add_run(store, "r");
    assert_int_equal(add_long(store, "long1", data, NULL), 0);
    free(data);
    prf_store_close(store);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        snprintf(path, sizeof path, "%s/%s", long_folder(), files[i].name);
        close(open(path, O_CREAT | O_WRONLY, 0600));
        if (files[i].old) {
            assert_int_equal(utimensat(AT_FDCWD, path, old, 0), 0);
        }
    }
    prf_store_close(open_store(PRF_STORE_READ)); /* a reader deletes nothing */
    snprintf(path, sizeof path, "%s/killed.zst", long_folder());
    assert_int_equal(access(path, F_OK), 0);
    prf_store_close(open_store(PRF_STORE_WRITE));
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        snprintf(path, sizeof path, "%s/%s", long_folder(), files[i].name);
        assert_int_equal(access(path, F_OK), files[i].stays ? 0 : -1);
    }
}

/* No room beside the database, or for the unpacked copy. */
static void
test_long_recording_no_room(void **state)
{
    (void)state;
    struct prf_store *store = open_store(PRF_STORE_WRITE);
    struct prf_error err = {0};
    struct prf_recording_map map;
    unsigned char *data = long_recording();
    add_run(store, "r");
    close(open(long_folder(), O_CREAT | O_WRONLY, 0600)); /* in the way */
    assert_int_equal(add_long(store, "long1", data, &err), PRF_ESTORE);
    assert_non_null(strstr(err.text, "long1.zst"));
    assert_int_equal(unlink(long_folder()), 0);
    assert_int_equal(add_long(store, "long1", data, NULL), 0);
    char *tmp = getenv("TMPDIR") == NULL ? NULL : strdup(getenv("TMPDIR"));
    setenv("TMPDIR", "/nowhere", 1);
    prf_error_clear(&err);
    assert_int_equal(prf_store_recording(store, "long1", &map, &err), PRF_ESTORE);
    assert_non_null(strstr(err.text, "TMPDIR"));
    if (tmp == NULL) {
        unsetenv("TMPDIR");
    } else {
        setenv("TMPDIR", tmp, 1);
    }
    free(tmp);
    free(data);
    prf_store_close(store);
}

static int
no_profile_visit(const struct prf_run *run, const struct prf_result *result, void *arg)
{
    (void)run;
    assert_null(result->profile);
    assert_null(result->reason);
    assert_null(result->options);
    return ++*(int *)arg;
}

static void
test_bare_result(void **state)
{
    (void)state;
    struct prf_store *store = open_store(PRF_STORE_WRITE);
    struct prf_error err = {0};
    struct prf_recording_map map;
    int n = 41;
    add_run(store, "r");
    add_result(store, "r", "x1", "a.py::A::profile_a");
    add_result(store, "r", "x2", "a.py::A::profile_a");
    /* What visit returns stops, and is returned. */
    assert_int_equal(prf_store_select(store, &(struct prf_query){0}, true,
                                      no_profile_visit, &n, &err),
                     42);
    assert_int_equal(prf_store_recording(store, "x1", &map, &err), PRF_ENOTFOUND);
    assert_non_null(strstr(err.text, "no recording"));
    prf_store_close(store);
}

static void
test_refused(void **state)
{
    (void)state;
    struct prf_store *store = open_store(PRF_STORE_WRITE);
    struct prf_error err = {0};
    struct prf_store_info info;
    struct prf_run run = sample_run("r");
    struct prf_result result = sample_result("r", "x", "a.py::A::profile_a");
    struct prf_result orphan = sample_result("nowhere", "y", "a.py::A::profile_a");
    assert_int_equal(prf_store_add_run(store, &run, &err), 0);
    assert_int_equal(prf_store_add_run(store, &run, &err), PRF_ESTORE);
    assert_non_null(strstr(err.text, "run 'r' is in the store already"));
    prf_error_clear(&err);
    assert_int_equal(prf_store_add_result(store, &result, &err), 0);
    assert_int_equal(prf_store_add_result(store, &result, &err), PRF_ESTORE);
    assert_non_null(strstr(err.text, "result 'x' is in the store already"));
    prf_error_clear(&err);
    assert_int_equal(prf_store_add_result(store, &orphan, &err), PRF_ENOTFOUND);
    assert_non_null(strstr(err.text, "no run 'nowhere'"));
    /* The failures left nothing, and the store goes on working. */
    add_result(store, "r", "z", "a.py::A::profile_a");
    assert_int_equal(prf_store_describe(store, &info, NULL), 0);
    assert_int_equal(info.n_runs, 1);
    assert_int_equal(info.n_results, 2);
    assert_int_equal(info.schema_version, prf_schema_current.n_steps);
    assert_true(info.size_bytes > 0);
    assert_selects(store, (struct prf_query){0}, "x z ");
    prf_store_close(store);
    store = open_store(PRF_STORE_READ);
    prf_error_clear(&err);
    assert_int_equal(prf_store_add_run(store, &run, &err), PRF_ESTORE);
    assert_non_null(strstr(err.text, "cannot be written"));
    prf_store_close(store);
    assert_sound();
}

/* Three runs of two commits; the ids of runs say when, those of results where. */
static struct prf_store *
populated(void)
{
    struct prf_store *store = open_store(PRF_STORE_WRITE);
    add_run_on(store, "run1", COMMIT_A);
    add_run_on(store, "run3", COMMIT_B);
    add_result(store, "run3", "31", "dir/a.py::A::profile_x[n=1]");
    add_result(store, "run3", "32", "dir/a.py::A::profile_x[n=2]");
    add_result(store, "run3", "33", "dir/a.py::Ab::profile_x");
    add_run_on(store, "run2", COMMIT_A); /* a slow machine: comes in late */
    add_result(store, "run2", "21", "dir/a.py::A::profile_x[n=1]");
    add_result(store, "run2", "22", "dir/b.py::B::profile_y");
    add_result(store, "run1", "11", "dir/b.py::B::profile_y");
    add_result(store, "run1", "12", "dir/a.py::A::profile_x[n=1]");
    add_result(store, "run2", "23", "dir/b.py::B::profile_y");
    struct prf_result call = sample_result("run3", "34", "dir/b.py::B::profile_y");
    call.profiler = "call";
    assert_int_equal(prf_store_add_result(store, &call, NULL), 0);
    return store;
}

static void
test_select(void **state)
{
    (void)state;
    struct prf_store *s = populated();
    assert_selects(s, (struct prf_query){0}, "11 12 21 22 23 31 32 33 34 ");
    assert_selects(s, (struct prf_query){.run_id = "run2"}, "21 22 23 ");
    assert_selects(s, (struct prf_query){.result_id = "21", .case_id = "dir/b.py"}, "");
    prf_store_close(s);
}

static void
test_select_by(void **state)
{
    (void)state;
    struct prf_store *s = populated();
    assert_selects(s, (struct prf_query){.result_id = "22"}, "22 ");
    assert_selects(s, (struct prf_query){.result_id = "22", .run_id = "run1"}, "");
    assert_selects(s, (struct prf_query){.commit = COMMIT_A}, "11 12 21 22 23 ");
    assert_selects(s, (struct prf_query){.commit = TREE_A}, "");
    assert_selects(s, (struct prf_query){.profiler = "call"}, "34 ");
    assert_selects(s, (struct prf_query){.profiler = "none"}, "");
    assert_selects(s, (struct prf_query){.latest_run = true}, "31 32 33 34 ");
    assert_selects(s, (struct prf_query){.latest_run = true, .commit = COMMIT_A},
                   "21 22 23 ");
    assert_selects(s, (struct prf_query){.latest_run = true, .commit = TREE_A}, "");
    assert_selects(s, (struct prf_query){.latest_run = true, .run_id = "run1"}, "");
    prf_store_close(s);
}

static void
test_select_case(void **state)
{
    (void)state;
    struct prf_store *s = populated();
    assert_selects(s, (struct prf_query){.case_id = "dir/a.py::A::profile_x[n=1]"},
                   "12 21 31 ");
    assert_selects(s, (struct prf_query){.case_id = "dir/a.py::A::profile_x"},
                   "12 21 31 32 ");
    assert_selects(s, (struct prf_query){.case_id = "dir/a.py::A::profile_x["},
                   "12 21 31 32 ");
    assert_selects(s, (struct prf_query){.case_id = "dir/a.py::A"}, "12 21 31 32 ");
    assert_selects(s, (struct prf_query){.case_id = "dir/a.py::"}, "12 21 31 32 33 ");
    assert_selects(s, (struct prf_query){.case_id = "dir", .run_id = "run1"}, "11 12 ");
    assert_selects(s, (struct prf_query){.case_id = "dir/", .run_id = "run1"},
                   "11 12 ");
    assert_selects(s, (struct prf_query){.case_id = "di"}, "");
    assert_selects(s, (struct prf_query){.case_id = "dir/b.py", .profiler = "call"},
                   "34 ");
    assert_selects(s, (struct prf_query){.case_id = "", .run_id = "run1"}, "");
    prf_store_close(s);
}

static void
test_select_newest(void **state)
{
    (void)state;
    struct prf_store *s = populated();
    assert_selects(s, (struct prf_query){.latest_per_case = true}, "23 31 32 33 34 ");
    assert_selects(s, (struct prf_query){.latest_per_case = true, .commit = COMMIT_A},
                   "21 23 ");
    assert_selects(s, (struct prf_query){.latest_per_case = true, .run_id = "run1"},
                   "11 12 ");
    assert_selects(s,
                   (struct prf_query){.latest_per_case = true, .case_id = "dir/b.py"},
                   "23 34 ");
    assert_selects(s, (struct prf_query){.limit = 2}, "33 34 ");
    assert_selects(s, (struct prf_query){.limit = 3, .commit = COMMIT_A}, "21 22 23 ");
    assert_selects(s, (struct prf_query){.limit = 4, .commit = COMMIT_A},
                   "12 21 22 23 ");
    assert_selects(s, (struct prf_query){.limit = 1, .latest_per_case = true}, "34 ");
    assert_selects(s, (struct prf_query){.limit = 99, .profiler = "call"}, "34 ");
    prf_store_close(s);
}

static void
test_prefixes(void **state)
{
    (void)state;
    struct prf_store *store = open_store(PRF_STORE_WRITE);
    add_run(store, "abc1");
    add_run(store, "abc");
    add_run(store, "abd1");
    add_result(store, "abc1", "id-1", "a.py::A::profile_a");
    add_result(store, "abc", "id-2", "a.py::A::profile_a");
    add_result(store, "abd1", "other", "a.py::A::profile_a");
    assert_selects(store, (struct prf_query){.run_id = "abc"}, "id-2 ");
    assert_selects(store, (struct prf_query){.run_id = "abd"}, "other ");
    assert_selects(store, (struct prf_query){.result_id = "o"}, "other ");
    assert_select_fails(store, (struct prf_query){.run_id = "ab"},
                        "run 'ab' is ambiguous, it may be: abc, abc1, abd1");
    assert_select_fails(store, (struct prf_query){.run_id = "zz"}, "no run 'zz'");
    assert_select_fails(store, (struct prf_query){.result_id = "id"},
                        "result 'id' is ambiguous, it may be: id-1, id-2");
    assert_select_fails(store, (struct prf_query){.result_id = "id-3"},
                        "no result 'id-3'");
    for (int i = 0; i < 20; i++) {
        char id[16];
        snprintf(id, sizeof id, "many-%02d", i);
        add_run(store, id);
    }
    assert_select_fails(store, (struct prf_query){.run_id = "many"}, "many-07, ...");
    prf_store_close(store);
}

static int
nested_visit(const struct prf_run *run, const struct prf_result *result, void *arg)
{
    char found[512] = "";
    struct prf_query query = {.run_id = run->id, .case_id = result->case_id};
    assert_int_equal(prf_store_select(arg, &query, true, collect_visit, found, NULL),
                     0);
    assert_non_null(strstr(found, result->id));
    return 0;
}

static void
test_select_within_select(void **state)
{
    (void)state;
    struct prf_store *store = populated();
    assert_int_equal(prf_store_select(store, &(struct prf_query){0}, true, nested_visit,
                                      store, NULL),
                     0);
    prf_store_close(store);
}

static long long
count_rows(const char *table)
{
    char sql[64];
    sqlite3 *db = NULL;
    sqlite3_stmt *statement = NULL;
    snprintf(sql, sizeof sql, "SELECT count(*) FROM %s", table);
    assert_int_equal(sqlite3_open(file, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    long long n = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    sqlite3_close(db);
    return n;
}

static void
test_content_once(void **state)
{
    (void)state;
    struct prf_store *store = open_store(PRF_STORE_WRITE);
    struct prf_run other = sample_run("r3");
    struct full full;
    add_run(store, "r1");
    add_run(store, "r2");
    other.machine.governor = "powersave";
    other.python.host = "python";
    other.commit.dirty = false;
    assert_int_equal(prf_store_add_run(store, &other, NULL), 0);
    make_full(&full);
    full.result.run_id = "r1";
    assert_int_equal(prf_store_add_result(store, &full.result, NULL), 0);
    full.result.id = "again";
    assert_int_equal(prf_store_add_result(store, &full.result, NULL), 0);
    prf_store_close(store);
    assert_int_equal(count_rows("machine"), 2);
    assert_int_equal(count_rows("environment"), 2);
    assert_int_equal(count_rows("commit_"), 2);
    assert_int_equal(count_rows("code"), 3);
    assert_int_equal(count_rows("site"), 6);
}

static void
write_file(const char *text, size_t size)
{
    FILE *out = fopen(file, "w");
    assert_non_null(out);
    assert_int_equal(fwrite(text, 1, size, out), size);
    fclose(out);
}

static void
run_sql(const char *sql)
{
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(file, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

static void
test_not_a_store(void **state)
{
    (void)state;
    char text[8192];
    memset(text, 'x', sizeof text);
    snprintf(file, sizeof file, "%s/results.db", folder);
    write_file(text, sizeof text);
    assert_open_fails(PRF_STORE_WRITE, PRF_ECORRUPT, "is not a result store");
    assert_open_fails(PRF_STORE_READ, PRF_ECORRUPT, "is not a result store");
    unlink(file);
    run_sql("CREATE TABLE songs (name TEXT)");
    assert_open_fails(PRF_STORE_WRITE, PRF_ECORRUPT, "of another program");
    assert_open_fails(PRF_STORE_READ, PRF_ECORRUPT, "of another program");
    assert_int_equal(count_rows("songs"), 0);
    unlink(file);
    assert_int_equal(mkdir(file, 0777), 0);
    assert_open_fails(PRF_STORE_WRITE, PRF_ESTORE, "is not a file");
    assert_open_fails(PRF_STORE_READ, PRF_ESTORE, "is not a file");
    snprintf(file, sizeof file, "%s/none/x.db", folder);
    assert_open_fails(PRF_STORE_READ, PRF_ENOTFOUND, "no results yet");
}

static void
test_folder_is_a_file(void **state)
{
    (void)state;
    snprintf(file, sizeof file, "%s/file", folder);
    write_file("x", 1);
    snprintf(file, sizeof file, "%s/file/results.db", folder);
    assert_open_fails(PRF_STORE_WRITE, PRF_ESTORE, "/file");
    snprintf(file, sizeof file, "%s/file/deeper/results.db", folder);
    assert_open_fails(PRF_STORE_WRITE, PRF_ESTORE, "/file");
}

static void
test_empty_file(void **state)
{
    (void)state;
    snprintf(file, sizeof file, "%s/results.db", folder);
    write_file("", 0); /* killed while it was made */
    struct prf_store *store = open_store(PRF_STORE_READ);
    assert_selects(store, (struct prf_query){.latest_run = true}, "");
    prf_store_close(store);
    store = open_store(PRF_STORE_WRITE);
    add_run(store, "r");
    prf_store_close(store);
}

static void
test_corrupt(void **state)
{
    (void)state;
    struct prf_store *store = open_store(PRF_STORE_WRITE);
    struct prf_error err = {0};
    char found[4096] = "";
    char junk[4096];
    struct stat st;
    add_run(store, "r");
    add_result(store, "r", "x", "a.py::A::profile_a");
    prf_store_close(store);
    /* Every page but the first. */
    int fd = open(file, O_RDWR);
    assert_int_equal(fstat(fd, &st), 0);
    memset(junk, 0xa5, sizeof junk);
    for (off_t at = 4096; at < st.st_size; at += (off_t)sizeof junk) {
        assert_int_equal(pwrite(fd, junk, sizeof junk, at), sizeof junk);
    }
    close(fd);
    int rc = prf_store_open(file, PRF_STORE_READ, &store, &err);
    if (rc == 0) {
        rc = prf_store_select(store, &(struct prf_query){0}, true, collect_visit, found,
                              &err);
        prf_store_close(store);
    }
    assert_int_equal(rc, PRF_ECORRUPT);
    assert_non_null(strstr(err.text, "is damaged"));
}

/* One wrong row is told, not shown. */
static void
test_corrupt_rows(void **state)
{
    (void)state;
    static const char *const damage[] = {
        "UPDATE result SET status = 'splendid'",
        "DELETE FROM code",
        "UPDATE text SET value = '[[1]]' WHERE value LIKE '[[%own_ns%'",
        "UPDATE text SET value = 'no json' WHERE value LIKE '[[%count\",0]]'",
        "DELETE FROM machine",
        "UPDATE artifact SET data = X'00112233'",
        "UPDATE artifact SET size_bytes = 1 << 60",
    };
    struct full full;
    make_full(&full);
    for (size_t i = 0; i < sizeof damage / sizeof *damage; i++) {
        struct prf_error err = {0};
        char found[512] = "";
        struct prf_recording_map map;
        snprintf(file, sizeof file, "%s/%zu.db", folder, i);
        struct prf_store *store = open_store(PRF_STORE_WRITE);
        add_run(store, "full-run");
        assert_int_equal(prf_store_add_result(store, &full.result, NULL), 0);
        prf_store_close(store);
        run_sql(damage[i]);
        store = open_store(PRF_STORE_READ);
        int rc = strstr(damage[i], "artifact") != NULL
                     ? prf_store_recording(store, "full", &map, &err)
                     : prf_store_select(store, &(struct prf_query){0}, true,
                                        collect_visit, found, &err);
        assert_int_equal(rc, PRF_ECORRUPT);
        assert_non_null(strstr(err.text, "damaged"));
        prf_store_close(store);
    }
    /* Values that are cut off are zeros. */
    run_sql("UPDATE site SET data = X'FF'");
    struct prf_store *store = open_store(PRF_STORE_READ);
    char found[512] = "";
    assert_int_equal(prf_store_select(store, &(struct prf_query){0}, true,
                                      collect_visit, found, NULL),
                     0);
    prf_store_close(store);
}

/* As a user who is not root: permissions mean nothing to root. The check returns 0 when
   all is well; it runs in a process of its own. */
static void
as_other_user(int (*check)(void))
{
    int status;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        if (getuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0)) {
            _exit(99);
        }
        _exit(check());
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static int
fails_with(enum prf_store_mode mode, const char *words)
{
    struct prf_store *store = NULL;
    struct prf_error err = {0};
    struct prf_run run = sample_run("refused");
    int rc = prf_store_open(file, mode, &store, &err);
    if (rc == 0) {
        rc = prf_store_add_run(store, &run, &err);
        prf_store_close(store);
    }
    bool good = rc == PRF_ESTORE && strstr(err.text, words) != NULL;
    if (!good) {
        fprintf(stderr, "%d: %s\n", rc, err.text);
    }
    return good ? 0 : 1;
}

static int
count_visit(const struct prf_run *run, const struct prf_result *result, void *arg)
{
    (void)run;
    (void)result;
    (*(int *)arg)++;
    return 0;
}

static int
check_read_only(void)
{
    struct prf_store *store = NULL;
    struct prf_error err = {0};
    int n = 0;
    if (fails_with(PRF_STORE_WRITE, "cannot be written") != 0 ||
        prf_store_open(file, PRF_STORE_READ, &store, &err) != 0 ||
        prf_store_select(store, &(struct prf_query){0}, true, count_visit, &n, &err) !=
            0) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    prf_store_close(store);
    return n == 1 ? 0 : 2;
}

static int
check_folder_read_only(void)
{
    return fails_with(PRF_STORE_WRITE, "cannot be written");
}

static int
check_no_access(void)
{
    return fails_with(PRF_STORE_WRITE, "cannot open");
}

static void
test_permissions(void **state)
{
    (void)state;
    char inner[128];
    struct prf_store *store = open_store(PRF_STORE_WRITE);
    add_run(store, "r");
    add_result(store, "r", "x", "a.py::A::profile_a");
    prf_store_close(store);
    snprintf(inner, sizeof inner, "%s/.pyprofiler", folder);
    assert_int_equal(chmod(file, 0444), 0);
    assert_int_equal(chmod(inner, 0555), 0);
    as_other_user(check_read_only);
    assert_int_equal(chmod(file, 0666),
                     0); /* the file alone would do, the log would not */
    as_other_user(check_folder_read_only);
    assert_int_equal(chmod(file, 0), 0);
    as_other_user(check_no_access);
    assert_int_equal(unlink(file), 0);
    as_other_user(check_no_access);
    assert_int_equal(chmod(inner, 0755), 0);
    snprintf(file, sizeof file, "/proc/self/nowhere/results.db");
    assert_open_fails(PRF_STORE_WRITE, PRF_ESTORE, "/proc/self/nowhere");
}

/* The same numbers in every run of the test (xorshift). */
static unsigned
noise_next(void)
{
    static uint32_t x = 20240229;
    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    return x;
}

/* Fills the store until it fails; what was acknowledged stays. */
static int
fill_until_full(const char *words)
{
    static unsigned char noise[65536];
    struct prf_store *store = NULL;
    struct prf_error err = {0};
    int acknowledged = 0;
    int found = 0;
    int rc = prf_store_open(file, PRF_STORE_WRITE, &store, &err);
    struct prf_run run = sample_run("r");
    if (rc < 0 || (rc = prf_store_add_run(store, &run, &err)) < 0) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    for (size_t i = 0; i < sizeof noise; i++) {
        noise[i] = (unsigned char)(noise_next() >> 7); /* does not compress */
    }
    for (; rc == 0 && acknowledged < 1000; acknowledged += rc == 0) {
        char id[32];
        snprintf(id, sizeof id, "x%05d", acknowledged);
        struct prf_result result = sample_result("r", id, "a.py::A::profile_a");
        result.recording = noise;
        result.recording_size = sizeof noise;
        rc = prf_store_add_result(store, &result, &err);
    }
    if (rc != PRF_ESTORE || strstr(err.text, words) == NULL || acknowledged == 0) {
        fprintf(stderr, "%d after %d: %s\n", rc, acknowledged, err.text);
        return 2;
    }
    rc = prf_store_select(store, &(struct prf_query){0}, true, count_visit, &found,
                          NULL);
    prf_store_close(store);
    return rc == 0 && found == acknowledged ? 0 : 3;
}

static int
check_size_limit(void)
{
    struct rlimit limit = {1 << 20, 1 << 20};
    signal(SIGXFSZ, SIG_IGN);
    return setrlimit(RLIMIT_FSIZE, &limit) != 0
               ? 98
               : fill_until_full("cannot read or write");
}

static void
test_size_limit(void **state)
{
    (void)state;
    assert_int_equal(chmod(folder, 0777), 0);
    as_other_user(check_size_limit);
    struct prf_store *store = open_store(PRF_STORE_READ);
    prf_store_close(store);
}

static void
test_full_disk(void **state)
{
    (void)state;
    int status;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        if (unshare(CLONE_NEWNS) != 0 ||
            mount("", "/", "", MS_REC | MS_PRIVATE, "") != 0 ||
            mount("tmpfs", folder, "tmpfs", 0, "size=1m") != 0) {
            _exit(77);
        }
        int rc = fill_until_full("no space left");
        if (rc == 0) {
            assert_sound();
        }
        _exit(rc);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == 77) {
        print_message("skipped: only root can mount a small disk\n");
        skip();
    }
    assert_int_equal(WEXITSTATUS(status), 0);
}

#define N_WRITERS 4
#define N_EACH 200

/* Opens, migrates and writes at the same time as the others. */
static int
writer(int number)
{
    struct prf_store *store = NULL;
    struct prf_error err = {0};
    char run_id[PRF_ID_SIZE];
    prf_store_new_id(run_id);
    struct prf_run run = sample_run(run_id);
    if (prf_store_open(file, PRF_STORE_WRITE, &store, &err) != 0 ||
        prf_store_add_run(store, &run, &err) != 0) {
        fprintf(stderr, "writer %d: %s\n", number, err.text);
        return 1;
    }
    for (int i = 0; i < N_EACH; i++) {
        char id[PRF_ID_SIZE];
        prf_store_new_id(id);
        struct full full;
        make_full(&full);
        full.result.id = id;
        full.result.run_id = run_id;
        if (prf_store_add_result(store, &full.result, &err) != 0) {
            fprintf(stderr, "writer %d: %s\n", number, err.text);
            return 1;
        }
    }
    prf_store_close(store);
    return 0;
}

static void
test_writers(void **state)
{
    (void)state;
    pid_t pids[N_WRITERS];
    int n = 0;
    for (int i = 0; i < N_WRITERS; i++) {
        pids[i] = fork();
        assert_true(pids[i] >= 0);
        if (pids[i] == 0) {
            _exit(writer(i));
        }
    }
    for (int i = 0; i < N_WRITERS; i++) {
        int status;
        assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    struct prf_store *store = open_store(PRF_STORE_READ);
    assert_int_equal(
        prf_store_select(store, &(struct prf_query){0}, true, count_visit, &n, NULL),
        0);
    assert_int_equal(n, N_WRITERS * N_EACH);
    prf_store_close(store);
    assert_sound();
    assert_int_equal(count_rows("machine"), 1);
}

/* Writes results until it is killed and says the id of each that was acknowledged. */
static void
victim(int fd)
{
    struct prf_store *store = NULL;
    char run_id[PRF_ID_SIZE];
    prf_store_new_id(run_id);
    struct prf_run run = sample_run(run_id);
    if (prf_store_open(file, PRF_STORE_WRITE, &store, NULL) != 0 ||
        prf_store_add_run(store, &run, NULL) != 0) {
        _exit(1);
    }
    for (;;) {
        char id[PRF_ID_SIZE];
        prf_store_new_id(id);
        struct full full;
        make_full(&full);
        full.result.id = id;
        full.result.run_id = run_id;
        if (prf_store_add_result(store, &full.result, NULL) != 0 ||
            write(fd, id, sizeof id) != (ssize_t)sizeof id) {
            _exit(1);
        }
    }
}

static int
kill_one(char (*ids)[PRF_ID_SIZE], int n, int max)
{
    int pipes[2];
    int status;
    assert_int_equal(pipe(pipes), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        close(pipes[0]);
        victim(pipes[1]);
    }
    close(pipes[1]);
    /* Some results, then a moment into the next one. */
    for (int i = (int)(noise_next() % 8); i > 0 && n < max; i--) {
        assert_int_equal(read(pipes[0], ids[n], PRF_ID_SIZE), PRF_ID_SIZE);
        n++;
    }
    usleep((useconds_t)(noise_next() % 2000));
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    while (n < max && read(pipes[0], ids[n], PRF_ID_SIZE) == PRF_ID_SIZE) {
        n++;
    }
    close(pipes[0]);
    return n;
}

static void
test_killed(void **state)
{
    (void)state;
    enum { MAX = 4000, KILLS = 40 };
    char(*ids)[PRF_ID_SIZE] = calloc(MAX, sizeof *ids);
    int n = 0;
    for (int i = 0; i < KILLS; i++) {
        n = kill_one(ids, n, MAX);
        struct prf_store *store = NULL;
        struct prf_error err = {0};
        int rc = prf_store_open(file, PRF_STORE_READ, &store, &err);
        assert_true(rc == 0 || (rc == PRF_ENOTFOUND && n == 0));
        prf_store_close(store);
    }
    assert_true(n > KILLS && n < MAX);
    struct prf_store *store = open_store(PRF_STORE_READ);
    for (int i = 0; i < n; i++) {
        int found = 0;
        assert_int_equal(prf_store_select(store,
                                          &(struct prf_query){.result_id = ids[i]},
                                          true, count_visit, &found, NULL),
                         0);
        assert_int_equal(found, 1);
    }
    prf_store_close(store);
    assert_sound();
    free(ids);
}

static void
test_newer_version(void **state)
{
    (void)state;
    char sql[64];
    prf_store_close(open_store(PRF_STORE_WRITE));
    snprintf(sql, sizeof sql, "PRAGMA user_version = %d",
             prf_schema_current.n_steps + 1);
    run_sql(sql);
    assert_open_fails(PRF_STORE_WRITE, PRF_ESTORE, "update pyprofiler");
    assert_open_fails(PRF_STORE_READ, PRF_ESTORE, "update pyprofiler");
}

/* The file as version 1 made it, with a run of two results. */
static void
make_version_1(void)
{
    static const char rows[] =
        "INSERT INTO machine (key, fingerprint) VALUES (1, 'f00d');"
        "INSERT INTO environment (key, version) VALUES (1, '3.11.2');"
        "INSERT INTO commit_ (key, id, dirty, tree) VALUES (1, '" COMMIT_A
        "', 0, '" TREE_A "');"
        "INSERT INTO run (key, id, started_ns, duration_ns, commit_, environment,"
        " machine, n_results) VALUES (1, 'r', 1, 2, 1, 1, 1, 2);"
        "INSERT INTO series (key, case_id, profiler, last_run, last_n) VALUES"
        " (1, 'a.py::A::profile_a', 'stopwatch', 1, 1),"
        " (2, 'a.py::A::profile_b', 'stopwatch', 1, 2);"
        "INSERT INTO result (run, series, n, id, status, started_ns, duration_ns, "
        "cpu_ns,"
        " max_rss_bytes, case_line) VALUES (1, 1, 1, 'x', 'ok', 0, 0, 0, 0, 1),"
        " (1, 2, 2, 'y', 'ok', 0, 0, 0, 0, 1);";
    char pragmas[96];
    char path[128];
    sqlite3 *db = NULL;
    snprintf(path, sizeof path, "%s/.pyprofiler", folder);
    assert_int_equal(mkdir(path, 0755), 0);
    assert_int_equal(sqlite3_open(file, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, prf_schema_current.steps[0], NULL, NULL, NULL),
                     SQLITE_OK);
    snprintf(pragmas, sizeof pragmas,
             "PRAGMA application_id = %d; PRAGMA user_version = 1",
             PRF_SCHEMA_APPLICATION);
    assert_int_equal(sqlite3_exec(db, pragmas, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, rows, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

/* A version-1 file with results becomes one of today, whoever opens it. */
static void
test_migration(void **state)
{
    (void)state;
    const char *const runs[] = {"r", NULL};
    struct prf_error err = {0};
    struct prf_store_info info;
    make_version_1();
    struct prf_store *store = open_store(PRF_STORE_READ);
    assert_int_equal(prf_store_describe(store, &info, &err), 0);
    assert_int_equal(info.schema_version, prf_schema_current.n_steps);
    assert_selects(store, (struct prf_query){0}, "x y ");
    prf_store_close(store);
    store = open_store(PRF_STORE_WRITE);
    assert_selects(store, (struct prf_query){0}, "x y ");
    assert_int_equal(prf_store_save_baseline(store, "old", runs, &err), 0);
    assert_int_equal(count_rows("baseline_run"), 1);
    prf_store_close(store);
    assert_sound();
}

/* A file goes through a step that is still to come, and not through one that fails. */
static void
test_migration_steps(void **state)
{
    (void)state;
    static const char good[] = "ALTER TABLE run ADD COLUMN weather TEXT;"
                               "UPDATE run SET weather = 'fair';";
    static const char bad[] = "DROP TABLE sample; SELECT nonsense;";
    const int now = prf_schema_current.n_steps;
    const char *steps[16];
    struct prf_error err = {0};
    int version = -1;
    struct prf_store *store = open_store(PRF_STORE_WRITE);
    add_run(store, "r");
    add_result(store, "r", "x", "a.py::A::profile_a");
    struct prf_sqlite *s = (struct prf_sqlite *)store;
    assert_true(now + 2 <= 16);
    memcpy(steps, prf_schema_current.steps, (size_t)now * sizeof *steps);
    steps[now] = good;
    steps[now + 1] = bad;
    const struct prf_schema next = {steps, now + 1};
    assert_int_equal(prf_schema_migrate(s, &next, &err), 0);
    assert_int_equal(prf_schema_check(s, &next, &version, &err), 0);
    assert_int_equal(version, now + 1);
    assert_selects(store, (struct prf_query){0}, "x ");
    assert_int_equal(count_rows("run WHERE weather = 'fair'"), 1);

    /* A step that fails leaves the version, and the file, as they were. */
    const struct prf_schema broken = {steps, now + 2};
    assert_true(prf_schema_migrate(s, &broken, &err) < 0);
    assert_int_equal(prf_schema_check(s, &broken, &version, NULL), 0);
    assert_int_equal(version, now + 1);
    assert_int_equal(count_rows("sample"), 0);
    prf_store_close(store);
    assert_open_fails(PRF_STORE_WRITE, PRF_ESTORE, "update pyprofiler");
}

static void
test_locked(void **state)
{
    (void)state;
    struct prf_store *store = open_store(PRF_STORE_WRITE);
    struct prf_error err = {0};
    struct prf_run run = sample_run("r");
    sqlite3 *other = NULL;
    assert_int_equal(sqlite3_open(file, &other), SQLITE_OK);
    assert_int_equal(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL),
                     SQLITE_OK);
    sqlite3_busy_timeout(((struct prf_sqlite *)store)->db, 1); /* not 30 s */
    assert_int_equal(prf_store_add_run(store, &run, &err), PRF_ESTORE);
    assert_non_null(strstr(err.text, "locked by another process"));
    /* Reading goes on beside a writer. */
    assert_selects(store, (struct prf_query){.latest_run = true}, "");
    sqlite3_close(other);
    assert_int_equal(prf_store_add_run(store, &run, NULL), 0);
    prf_store_close(store);
}

static int
compare_ids(const void *a, const void *b)
{
    return strcmp(a, b);
}

static void
test_new_id(void **state)
{
    (void)state;
    enum { N = 2000 };
    static char ids[2 * N][PRF_ID_SIZE];
    int pipes[2];
    assert_int_equal(pipe(pipes), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    for (int i = 0; i < N; i++) {
        prf_store_new_id(ids[i]);
        assert_int_equal(strlen(ids[i]), PRF_ID_SIZE - 1);
        assert_int_equal(strspn(ids[i], "0123456789abcdefghjkmnpqrstvwxyz"),
                         PRF_ID_SIZE - 1);
        assert_true(i == 0 || strcmp(ids[i - 1], ids[i]) < 0);
    }
    if (pid == 0) {
        _exit(write(pipes[1], ids, sizeof ids / 2) == (ssize_t)(sizeof ids / 2) ? 0
                                                                                : 1);
    }
    close(pipes[1]);
    size_t got = 0;
    while (got < sizeof ids / 2) {
        ssize_t n = read(pipes[0], (char *)ids[N] + got, sizeof ids / 2 - got);
        assert_true(n > 0);
        got += (size_t)n;
    }
    close(pipes[0]);
    waitpid(pid, NULL, 0);
    qsort(ids, 2 * N, sizeof *ids, compare_ids);
    for (int i = 1; i < 2 * N; i++) {
        assert_string_not_equal(ids[i - 1], ids[i]);
    }
}

/* As many functions as a big program has. */
static void
test_many_sites(void **state)
{
    (void)state;
    enum { N = 5000 };
    static struct prf_function codes[N + 1];
    static struct prf_key keys[N];
    static int64_t values[N * 3];
    static char names[N + 1][16];
    struct full full;
    make_full(&full);
    for (int i = 0; i <= N; i++) {
        snprintf(names[i], sizeof names[i], "f%d", i);
        codes[i] = (struct prf_function){"/p/m.py", names[i], names[i], (uint32_t)i, 0};
    }
    for (int i = 0; i < N; i++) {
        keys[i] = (struct prf_key){(uint32_t)(N - i), 0};
        values[i * 3] = i;
    }
    full.profile.codes = codes;
    full.profile.n_codes = N + 1;
    full.profile.sites = (struct prf_table){full.columns, 3, N, keys, values};
    full.profile.edges = (struct prf_table){full.columns, 3, N - 1, keys, values};
    for (int i = 0; i < N; i++) {
        keys[i].other = (uint32_t)(i + 1);
    }
    struct prf_store *store = open_store(PRF_STORE_WRITE);
    struct full_check check = {&full, true, 0};
    add_run(store, "full-run");
    assert_int_equal(prf_store_add_result(store, &full.result, NULL), 0);
    assert_int_equal(prf_store_select(store, &(struct prf_query){0}, true,
                                      check_full_visit, &check, NULL),
                     0);
    assert_int_equal(check.n, 1);
    prf_store_close(store);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_folder),
        TEST(test_run),
        TEST(test_result),
        TEST(test_bare_result),
        TEST(test_long_recording),
        TEST(test_long_recording_damaged),
        TEST(test_orphans),
        TEST(test_long_recording_no_room),
        TEST(test_refused),
        TEST(test_select),
        TEST(test_select_by),
        TEST(test_select_case),
        TEST(test_select_newest),
        TEST(test_prefixes),
        TEST(test_select_within_select),
        TEST(test_content_once),
        TEST(test_not_a_store),
        TEST(test_folder_is_a_file),
        TEST(test_empty_file),
        TEST(test_corrupt),
        TEST(test_corrupt_rows),
        TEST(test_permissions),
        TEST(test_size_limit),
        TEST(test_full_disk),
        TEST(test_writers),
        TEST(test_killed),
        TEST(test_newer_version),
        TEST(test_migration),
        TEST(test_migration_steps),
        TEST(test_locked),
        TEST(test_new_id),
        TEST(test_many_sites),
    };
    return cmocka_run_group_tests_name("store", tests, NULL, NULL);
}
