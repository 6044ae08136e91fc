/* Formats made of streams of events: each read back by a real reader of JSON. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>

#include "event_stream.h"
#include "fixtures.h"
#include "reader.h"

struct traced {
    struct stream_file file;
    struct fixture fx;
    void *map;
    size_t size;
};

/* The result of what was written to t->file. */
static void
traced_read(struct traced *t)
{
    struct prf_error err = {0};
    prf_profile_free(t->fx.result.profile);
    t->map = stream_map(&t->file, &t->size);
    if (prf_recording_parse_mapped(t->map, t->size, &t->fx.result.profile, &err) < 0) {
        fail_msg("%s", err.text);
    }
    t->fx.result.recording = t->map;
    t->fx.result.recording_size = prf_recording_size(t->map, t->size);
    t->fx.result.recording_mapped = true;
    t->fx.result.profiler = "tracer";
}

static void
traced_open(struct traced *t)
{
    *t = (struct traced){0};
    fixture_open(&t->fx);
    stream_open(&t->file, 1.0);
}

static void
traced_close(struct traced *t)
{
    fixture_close(&t->fx);
    munmap(t->map, t->size);
    stream_close(&t->file);
}

/* Two threads and a child, with one of everything; ticks are nanoseconds. */
static void
traced_program(struct traced *t)
{
    struct stream_file child;
    traced_open(t);
    struct prf_sink *sink = t->file.sink;
    uint32_t cf = prf_sink_code(sink, "/src/a.py", "f", "C.f", 3, 0);
    uint32_t cg =
        prf_sink_code(sink, "/src/" FIXTURE_HOSTILE, "g", FIXTURE_HOSTILE, 9, 0);
    uint32_t cl =
        prf_sink_code(sink, "", "len", "<built-in method builtins.len>", 0, PRF_CODE_C);
    struct stream a = stream_thread(&t->file, 11, "MainThread");
    struct stream b = stream_thread(&t->file, 12, FIXTURE_HOSTILE);
    stream_call(&a, 1000000, cf);
    stream_note(&a, PRF_NOTE_ARGS, "{\"x\": 1, \"y\": \"\\u00e9\"}");
    stream_instant(&a, 1000100, "here", "{\"n\": [1, 2]}");
    stream_counter(&a, 1000200, "load", 0.1);
    stream_counter(&a, 1000201, "load", 1.0 / 0.0);
    stream_call(&a, 1000300, cl);
    stream_return(&a, 1000301);
    stream_note(&a, PRF_NOTE_RETVAL, "{\"return\": 5}");
    stream_span(&a, 1000400, PRF_SPAN_GC, false, "generation 2");
    stream_span(&a, 1000450, PRF_SPAN_GC, true, "collected 3");
    stream_span(&a, 1000500, PRF_SPAN_TASK, false, "Task-1");
    stream_span(&a, 1000550, PRF_SPAN_TASK, false, "Task-2");
    stream_span(&a, 1000560, PRF_SPAN_TASK, true, "Task-2");
    stream_call(&b, 1000600, cg);
    stream_note(&b, PRF_NOTE_ARGS, "{\"x\": nonsense");
    stream_exception(&b, 1000650, "ValueError: " FIXTURE_HOSTILE);
    stream_end(&b, 1000660, PRF_EVENT_UNWIND);
    stream_open(&child, 1.0);
    uint32_t ck = prf_sink_code(child.sink, "/src/a.py", "k", "k", 30, 0);
    struct stream c = stream_thread(&child, 21, "MainThread");
    stream_set_pid(&child, 4242);
    stream_call(&c, 1002000, ck); /* and then it was killed */
    stream_instant(&c, 1003000, "last", "");
    stream_child(&t->file, &child);
    stream_close(&child);
    stream_return(&a, 1001234);
    traced_read(t);
}

static json_t *
load(const char *text)
{
    json_error_t why;
    json_t *root = json_loads(text, JSON_REJECT_DUPLICATES, &why);
    if (root == NULL) {
        fail_msg("%s at %d:%d in:\n%s", why.text, why.line, why.column, text);
    }
    return root;
}

/* The n-th entry with that phase and (when given) name. */
static const json_t *
entry(const json_t *root, const char *phase, const char *name, size_t n)
{
    size_t i;
    const json_t *value;
    json_array_foreach(json_object_get(root, "traceEvents"), i, value)
    {
        const char *ph = json_string_value(json_object_get(value, "ph"));
        const char *is = json_string_value(json_object_get(value, "name"));
        if (strcmp(ph, phase) == 0 && (name == NULL || strcmp(is, name) == 0) &&
            n-- == 0) {
            return value;
        }
    }
    fail_msg("no %s entry '%s'", phase, name == NULL ? "" : name);
    return NULL;
}

static double
number(const json_t *value, const char *key)
{
    const json_t *member = json_object_get(value, key);
    assert_true(json_is_number(member));
    return json_number_value(member);
}

static const char *
words(const json_t *value, const char *key)
{
    const char *text = json_string_value(json_object_get(value, key));
    assert_non_null(text);
    return text;
}

static void
test_chrometrace(void **state)
{
    (void)state;
    struct traced t;
    traced_program(&t);
    char *text = fixture_export("chrometrace", &t.fx);
    json_t *root = load(text);
    assert_contains(text, "\"ts\":0.000,\"dur\":1.234,");
    const json_t *x = entry(root, "X", "C.f (/src/a.py:3)", 0);
    const json_t *args = json_object_get(x, "args");
    assert_int_equal(number(x, "tid"), 11);
    assert_int_equal(number(args, "x"), 1);
    assert_string_equal(words(args, "y"), "\xC3\xA9");
    assert_string_equal(words(x, "cat"), "py");
    x = entry(root, "X", "built-in method builtins.len", 0);
    assert_string_equal(words(x, "cat"), "c");
    assert_int_equal(number(json_object_get(x, "args"), "return"), 5);
    x = entry(root, "i", "here", 0);
    assert_int_equal(json_array_size(json_object_get(json_object_get(x, "args"), "n")),
                     2);
    x = entry(root, "C", "load", 0);
    assert_true(number(json_object_get(x, "args"), "value") == 0.1);
    assert_int_equal(count_of(text, "\"ph\":\"C\""), 1);
    x = entry(root, "X", "gc", 0);
    assert_string_equal(words(x, "cat"), "gc");
    assert_string_equal(words(json_object_get(x, "args"), "result"), "collected 3");
    x = entry(root, "i", "ValueError", 0);
    assert_int_equal(number(x, "tid"), 12);
    x = entry(root, "X", NULL, 3);
    args = json_object_get(x, "args");
    assert_true(json_is_true(json_object_get(args, "left by exception")));
    assert_string_equal(words(args, "text"), "{\"x\": nonsense");
    x = entry(root, "X", "k (/src/a.py:30)", 0);
    assert_int_equal(number(x, "pid"), 4242);
    assert_true(number(x, "dur") == 1.0);
    assert_true(
        json_is_true(json_object_get(json_object_get(x, "args"), "end not seen")));
    json_decref(root);
    free(text);
    traced_close(&t);
}

static void
test_chrometrace_tasks_and_names(void **state)
{
    (void)state;
    struct traced t;
    traced_program(&t);
    char *text = fixture_export("chrometrace", &t.fx);
    json_t *root = load(text);
    for (size_t i = 0; i < 2; i++) { /* Task-1 was not seen to end */
        const json_t *b = entry(root, "b", i == 0 ? "Task-1" : "Task-2", 0);
        const json_t *e = entry(root, "e", i == 0 ? "Task-1" : "Task-2", 0);
        assert_true(number(b, "id") == number(e, "id"));
        assert_true(number(b, "ts") < number(e, "ts"));
    }
    const json_t *m = entry(root, "M", "process_name", 0);
    assert_string_equal(words(json_object_get(m, "args"), "name"),
                        "cases/fib.py::Fib::profile_fib");
    m = entry(root, "M", "process_name", 1);
    assert_int_equal(number(m, "pid"), 4242);
    assert_string_equal(words(json_object_get(m, "args"), "name"), "child 4242");
    m = entry(root, "M", "thread_name", 0);
    assert_string_equal(words(json_object_get(m, "args"), "name"), "MainThread");
    assert_non_null(entry(root, "M", "thread_sort_index", 2));
    const json_t *other = json_object_get(root, "otherData");
    assert_int_equal(json_array_size(json_object_get(other, "cases")), 1);
    json_decref(root);
    free(text);
    traced_close(&t);
}

/* Cases of a run stand on one time line. */
static void
test_chrometrace_of_two(void **state)
{
    (void)state;
    struct traced t;
    size_t size;
    const struct prf_export_options options = {.strip_dirs = true};
    traced_program(&t);
    struct prf_result second = t.fx.result;
    unsigned char *copy = malloc(second.recording_size);
    assert_non_null(copy);
    memcpy(copy, second.recording, second.recording_size);
    ((struct prf_rec_header *)copy)->start_ns += 5000000;
    second.recording = copy;
    second.recording_mapped = false;
    const struct prf_result *both[] = {&t.fx.result, &second};
    char *text = fixture_export_all("chrometrace", &t.fx.run, both, 2, &options, &size);
    json_t *root = load(text);
    assert_true(number(entry(root, "X", "C.f (a.py:3)", 0), "ts") == 0);
    assert_true(number(entry(root, "X", "C.f (a.py:3)", 1), "ts") == 5000);
    json_decref(root);
    free(text);
    free(copy);
    traced_close(&t);
}

/* Balanced, and no time goes back: what speedscope insists on. */
static void
check_evented(const json_t *profile, size_t n_frames, const char *name, size_t n)
{
    const json_t *event;
    size_t i, depth = 0;
    json_int_t open[16], last = 0;
    const json_t *events = json_object_get(profile, "events");
    assert_string_equal(words(profile, "name"), name);
    assert_string_equal(words(profile, "unit"), "nanoseconds");
    assert_int_equal(json_array_size(events), n);
    json_array_foreach(events, i, event)
    {
        json_int_t frame = json_integer_value(json_object_get(event, "frame"));
        json_int_t at = json_integer_value(json_object_get(event, "at"));
        assert_true(at >= last && frame > 0 && frame < (json_int_t)n_frames);
        last = at;
        if (strcmp(words(event, "type"), "O") == 0) {
            open[depth++] = frame;
        } else {
            assert_string_equal(words(event, "type"), "C");
            assert_int_equal(frame, open[--depth]);
        }
    }
    assert_int_equal(depth, 0);
    assert_true(number(profile, "endValue") >= (double)last);
}

static void
test_speedscope(void **state)
{
    (void)state;
    struct traced t;
    traced_program(&t);
    char *text = fixture_export("speedscope", &t.fx);
    json_t *root = load(text);
    const json_t *frames = json_object_get(json_object_get(root, "shared"), "frames");
    const json_t *profiles = json_object_get(root, "profiles");
    size_t n = json_array_size(frames);
    assert_int_equal(json_array_size(profiles), 3);
    check_evented(json_array_get(profiles, 0), n,
                  "cases/fib.py::Fib::profile_fib, MainThread", 4);
    check_evented(json_array_get(profiles, 2), n, "child 4242, MainThread", 2);
    json_decref(root);
    free(text);
    traced_close(&t);
}

/* ---- perfetto ---- */

/* A message as it is walked: fields of any type, the last one in these. */
struct message {
    const unsigned char *p, *end;
    uint64_t number; /* a varint */
    const unsigned char *data;
    size_t len; /* bytes */
    double real;
};

/* The number of the next field, 0 at the end. */
static uint32_t
message_next(struct message *m)
{
    uint64_t key = 0;
    if (m->p == m->end) {
        return 0;
    }
    assert_true(prf_leb128_get(&m->p, m->end, &key));
    if ((key & 7) == 0) {
        assert_true(prf_leb128_get(&m->p, m->end, &m->number));
    } else if ((key & 7) == 1) {
        assert_true(m->end - m->p >= 8);
        memcpy(&m->real, m->p, 8);
        m->p += 8;
    } else {
        uint64_t len = 0;
        assert_int_equal(key & 7, 2);
        assert_true(prf_leb128_get(&m->p, m->end, &len));
        assert_true(len <= (uint64_t)(m->end - m->p));
        m->data = m->p;
        m->len = (size_t)len;
        m->p += len;
    }
    return (uint32_t)(key >> 3);
}

static struct message
message_in(const struct message *m)
{
    return (struct message){.p = m->data, .end = m->data + m->len};
}

/* What was in the track events. */
struct tally {
    size_t packets, tracks, begins, ends, instants, counters, names, jsons;
    uint64_t first_ns, last_ns;
};

static void
tally_event(struct tally *t, struct message event)
{
    for (uint32_t field; (field = message_next(&event)) != 0;) {
        struct message part = message_in(&event);
        if (field == 9) {
            t->begins += event.number == 1;
            t->ends += event.number == 2;
            t->instants += event.number == 3;
            t->counters += event.number == 4;
        }
        for (uint32_t f; field == 4 && (f = message_next(&part)) != 0;) {
            t->jsons += f == 9;
        }
    }
}

static void
tally_packet(struct tally *t, struct message packet)
{
    t->packets++;
    for (uint32_t field; (field = message_next(&packet)) != 0;) {
        struct message part = message_in(&packet);
        t->tracks += field == 60;
        if (field == 8) {
            t->first_ns = t->first_ns == 0 ? packet.number : t->first_ns;
            t->last_ns = packet.number > t->last_ns ? packet.number : t->last_ns;
        } else if (field == 11) {
            tally_event(t, part);
        }
        for (uint32_t f; field == 12 && (f = message_next(&part)) != 0;) {
            t->names += f == 2;
        }
    }
}

static void
test_perfetto(void **state)
{
    (void)state;
    struct traced t;
    const struct prf_export_options options = {0};
    struct tally tally = {0};
    size_t size;
    traced_program(&t);
    const struct prf_result *result = &t.fx.result;
    char *data = fixture_export_all("perfetto", &t.fx.run, &result, 1, &options, &size);
    struct message trace = {.p = (unsigned char *)data,
                            .end = (unsigned char *)data + size};
    for (uint32_t field; (field = message_next(&trace)) != 0;) {
        assert_int_equal(field, 1);
        tally_packet(&tally, message_in(&trace));
    }
    assert_int_equal(tally.begins, 4 + 1 + 2); /* calls, a collection, tasks */
    assert_int_equal(tally.ends, tally.begins);
    assert_int_equal(tally.instants, 3);
    assert_int_equal(tally.counters, 2);
    assert_int_equal(tally.names, 4);
    assert_int_equal(tally.tracks, 2 + 3 + 1 + 1); /* ..., a counter, tasks */
    assert_int_equal(tally.jsons, 3);
    assert_int_equal(tally.last_ns - tally.first_ns, 3000);
    free(data);
    traced_close(&t);
}

/* Names without end, and many counters: nothing is cut, nothing overflows. */
static void
test_long_names(void **state)
{
    (void)state;
    static const char *const formats[] = {"chrometrace", "perfetto", "speedscope"};
    struct traced t;
    const struct prf_export_options options = {0};
    char name[3000], counter[32];
    size_t size;
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    traced_open(&t);
    uint32_t code = prf_sink_code(t.file.sink, name, name, name, 1, 0);
    struct stream s = stream_thread(&t.file, 1, name);
    s.chunk_bytes = 1 << 16;
    stream_call(&s, 10, code);
    for (int i = 0; i < 5000; i++) {
        snprintf(counter, sizeof counter, "counter %d", i);
        stream_counter(&s, 20 + (uint64_t)i, counter, i);
        stream_instant(&s, 20 + (uint64_t)i, name, "");
    }
    stream_return(&s, 10000);
    traced_read(&t);
    const struct prf_result *result = &t.fx.result;
    for (size_t i = 0; i < FIXTURE_LEN(formats); i++) {
        char *data =
            fixture_export_all(formats[i], &t.fx.run, &result, 1, &options, &size);
        assert_true(size > 3000);
        if (i != 1) {
            json_decref(load(data));
        }
        free(data);
    }
    traced_close(&t);
}

/* A disk that is full is told. */
static void
test_full_disk(void **state)
{
    (void)state;
    static const char *const formats[] = {"chrometrace", "perfetto", "speedscope"};
    struct traced t;
    const struct prf_export_options options = {0};
    const struct prf_exporter *exporter = NULL;
    traced_program(&t);
    const struct prf_result *result = &t.fx.result;
    for (size_t i = 0; i < FIXTURE_LEN(formats); i++) {
        struct prf_error err = {0};
        FILE *out = fopen("/dev/full", "w");
        assert_non_null(out);
        assert_int_equal(prf_exporter_find(formats[i], &exporter, &err), 0);
        assert_int_equal(
            prf_export(exporter, &t.fx.run, &result, 1, &options, out, &err), PRF_EIO);
        assert_contains(err.text, "No space left");
        fclose(out);
    }
    traced_close(&t);
}

/* A result of the store without its recording cannot give events. */
static void
test_events_need_the_recording(void **state)
{
    (void)state;
    struct traced t;
    const struct prf_exporter *exporter = NULL;
    struct prf_error err = {0};
    traced_program(&t);
    assert_int_equal(prf_exporter_find("chrometrace", &exporter, &err), 0);
    assert_int_equal(prf_exporter_check(exporter, &t.fx.result, &err), 0);
    t.fx.result.recording = NULL;
    assert_int_equal(prf_exporter_check(exporter, &t.fx.result, &err),
                     PRF_EUNAVAILABLE);
    assert_contains(err.text, "events (models)");
    traced_close(&t);
}

/* A stream as a table of functions and as stacks. */
static void
test_through_the_tree(void **state)
{
    (void)state;
    struct traced t;
    traced_program(&t);
    char *text = fixture_export("collapsed", &t.fx);
    assert_contains(text, "/src/a.py:C.f 1233\n");
    free(text);
    text = fixture_export("callgrind", &t.fx);
    assert_contains(text, "fn=(1) C.f");
    free(text);
    text = fixture_export("csv", &t.fx);
    assert_contains(text, "C.f");
    free(text);
    traced_close(&t);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_chrometrace),
        cmocka_unit_test(test_chrometrace_tasks_and_names),
        cmocka_unit_test(test_chrometrace_of_two),
        cmocka_unit_test(test_speedscope),
        cmocka_unit_test(test_perfetto),
        cmocka_unit_test(test_long_names),
        cmocka_unit_test(test_full_disk),
        cmocka_unit_test(test_events_need_the_recording),
        cmocka_unit_test(test_through_the_tree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
