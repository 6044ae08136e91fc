/* Streams of events: what the cursor makes of whole, cut off, damaged and nested ones.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "event_stream.h"
#include "reader.h"

struct reading {
    void *map;
    size_t size;
    struct prf_events *events;
    struct prf_event_cursor *cursor;
};

static void
read_open(struct reading *r, const struct stream_file *f)
{
    struct prf_error err = {0};
    *r = (struct reading){0};
    r->map = stream_map(f, &r->size);
    if (prf_events_open(r->map, r->size, PRF_EVENTS_MAPPED, &r->events, &err) < 0) {
        fail_msg("%s", err.text);
    }
}

static void
read_from(struct reading *r, uint32_t thread)
{
    struct prf_error err = {0};
    prf_event_cursor_free(r->cursor);
    assert_int_equal(prf_event_cursor_open(r->events, thread, &r->cursor, &err), 0);
}

static void
read_close(struct reading *r)
{
    prf_event_cursor_free(r->cursor);
    prf_events_free(r->events);
    munmap(r->map, r->size);
}

/* The events as words: "0:call f@5 0:ret f@9 ..."; the caller's. */
static char *
read_words(struct reading *r, uint32_t thread)
{
    static const char *const ops[] = {"ret",   "unwind", "call", "mark",
                                      "count", "raise",  "span"};
    char *text = NULL;
    size_t len;
    struct prf_event e;
    FILE *out = open_memstream(&text, &len);
    int rc;
    read_from(r, thread);
    while ((rc = prf_event_next(r->cursor, &e)) == 1) {
        bool call = e.op <= PRF_EVENT_CALL;
        fprintf(out, "%s%u:%s%s", ftell(out) > 0 ? " " : "", e.thread, ops[e.op],
                e.cut                              ? "!"
                : e.op == PRF_EVENT_SPAN && e.ends ? "-end"
                                                   : "");
        if (call) {
            fprintf(out, " %s", r->events->codes[e.call->code].name);
        }
        if (e.op == PRF_EVENT_CALL && e.call->args.len > 0) {
            fprintf(out, "%.*s", (int)e.call->args.len, e.call->args.data);
        }
        if (e.name.len > 0) {
            fprintf(out, " %.*s", (int)e.name.len, e.name.data);
        }
        if (e.text.len > 0) {
            fprintf(out, "=%.*s", (int)e.text.len, e.text.data);
        }
        if (e.op == PRF_EVENT_COUNTER) {
            fprintf(out, "=%g", e.value);
        }
        fprintf(out, "@%lld", (long long)e.at_ns);
    }
    assert_int_equal(rc, 0);
    fclose(out);
    return text;
}

static void
assert_words(struct reading *r, uint32_t thread, const char *expected)
{
    char *words = read_words(r, thread);
    assert_string_equal(words, expected);
    free(words);
}

static void
test_one_of_each(void **state)
{
    (void)state;
    struct stream_file f;
    struct reading r;
    stream_open(&f, 2.0);
    uint32_t cf = prf_sink_code(f.sink, "a.py", "f", "C.f", 3, 0);
    uint32_t cg = prf_sink_code(f.sink, "a.py", "g", "C.g", 9, 0);
    struct stream s = stream_thread(&f, 77, "main");
    stream_call(&s, 1000, cf);
    stream_note(&s, PRF_NOTE_ARGS, "{\"x\": 1}");
    stream_instant(&s, 1001, "here", "{\"n\": 2}");
    stream_counter(&s, 1002, "load", 0.5);
    stream_span(&s, 1003, PRF_SPAN_GC, false, "generation 2");
    stream_span(&s, 1004, PRF_SPAN_GC, true, "collected 3");
    stream_call(&s, 1005, cg);
    stream_exception(&s, 1006, "ValueError: no");
    stream_end(&s, 1007, PRF_EVENT_UNWIND);
    stream_return(&s, 1010);
    stream_note(&s, PRF_NOTE_RETVAL, "{\"return\": 5}");
    read_open(&r, &f);
    assert_int_equal(r.events->n_processes, 1);
    assert_int_equal(r.events->n_threads, 1);
    assert_int_equal(r.events->threads[0].tid, 77);
    assert_string_equal(r.events->threads[0].name, "main");
    assert_words(&r, PRF_EVENTS_ALL,
                 "0:call f{\"x\": 1}@0 0:mark here={\"n\": 2}@2 0:count load=0.5@4 "
                 "0:span generation 2@6 0:span-end collected 3@8 0:call g@10 "
                 "0:raise=ValueError: no@12 0:unwind g@14 0:ret f={\"return\": 5}@20");
    assert_int_equal(prf_event_cursor_damaged(r.cursor), 0);
    assert_int_equal(prf_event_cursor_unmatched(r.cursor), 0);
    read_close(&r);
    stream_close(&f);
}

/* Chunks of two threads alternate; a note may stand in the chunk after its call. */
static void
test_threads_and_chunks(void **state)
{
    (void)state;
    struct stream_file f;
    struct reading r;
    stream_open(&f, 1.0);
    uint32_t cf = prf_sink_code(f.sink, "a.py", "f", "f", 3, 0);
    struct stream a = stream_thread(&f, 1, "a"), b = stream_thread(&f, 2, "b");
    stream_call(&a, 100, cf);
    stream_call(&b, 90, cf);
    stream_chunk(&a, 100);
    stream_note(&a, PRF_NOTE_ARGS, "{}");
    stream_return(&a, 150);
    stream_chunk(&b, 200);
    stream_call(&b, 210, cf);
    stream_return(&b, 220);
    stream_chunk(&a, 300);
    stream_note(&a, PRF_NOTE_RETVAL, "{\"r\": 0}");
    stream_chunk(&b, 300);
    stream_return(&b, 310);
    read_open(&r, &f);
    assert_words(&r, PRF_EVENTS_ALL,
                 "0:call f{}@10 1:call f@0 0:ret f={\"r\": 0}@60 1:call f@120 1:ret "
                 "f@130 1:ret f@220");
    assert_words(&r, 1, "1:call f@0 1:call f@120 1:ret f@130 1:ret f@220");
    assert_words(&r, 0, "0:call f{}@10 0:ret f={\"r\": 0}@60");
    read_close(&r);
    stream_close(&f);
}

/* What is open at the end is ended when its process was seen last. */
static void
test_cut_off(void **state)
{
    (void)state;
    struct stream_file f;
    struct reading r;
    stream_open(&f, 1.0);
    uint32_t cf = prf_sink_code(f.sink, "a.py", "f", "f", 3, 0);
    uint32_t cg = prf_sink_code(f.sink, "a.py", "g", "g", 4, 0);
    struct stream a = stream_thread(&f, 1, "a"), b = stream_thread(&f, 2, "b");
    stream_call(&a, 100, cf);
    stream_call(&a, 110, cg);
    stream_call(&b, 120, cf);
    stream_return(&b, 190);
    read_open(&r, &f);
    const char *all = "0:call f@0 0:call g@10 1:call f@20 1:ret f@90 0:ret! g@90 "
                      "0:ret! f@90";
    assert_words(&r, PRF_EVENTS_ALL, all);
    read_close(&r);
    read_open(&r, &f); /* one thread first: the others' times count all the same */
    assert_words(&r, 0, "0:call f@0 0:call g@10 0:ret! g@90 0:ret! f@90");
    read_close(&r);
    stream_close(&f);
}

/* A chunk is missing: the next one says how many calls were open. */
static void
test_lost_chunk(void **state)
{
    (void)state;
    struct stream_file f;
    struct reading r;
    stream_open(&f, 1.0);
    uint32_t cf = prf_sink_code(f.sink, "a.py", "f", "f", 3, 0);
    uint32_t cg = prf_sink_code(f.sink, "a.py", "g", "g", 4, 0);
    struct stream s = stream_thread(&f, 1, "a");
    stream_call(&s, 100, cf);
    stream_call(&s, 110, cg);
    s.depth = 1; /* lost: g returned */
    stream_chunk(&s, 120);
    stream_call(&s, 130, cg);
    stream_return(&s, 131);
    s.depth = 4; /* lost: three calls began */
    stream_chunk(&s, 140);
    stream_return(&s, 141);
    stream_return(&s, 142);
    stream_call(&s, 143, cg);
    stream_return(&s, 144);
    stream_return(&s, 145);
    stream_return(&s, 146);
    stream_return(&s, 147); /* began before everything */
    read_open(&r, &f);
    assert_words(
        &r, PRF_EVENTS_ALL,
        "0:call f@0 0:call g@10 0:ret! g@20 0:call g@30 0:ret g@31 0:call g@43 "
        "0:ret g@44 0:ret f@46");
    assert_int_equal(prf_event_cursor_unmatched(r.cursor), 1);
    read_close(&r);
    stream_close(&f);
}

static uint32_t
add_child(struct stream_file *f, double ns_per_tick, uint64_t ticks, const char *note)
{
    struct stream_file child;
    stream_open(&child, ns_per_tick);
    prf_sink_code(child.sink, "a.py", "g", "g", 4, 0); /* other numbers than ours */
    uint32_t cf = prf_sink_code(child.sink, "a.py", "f", "f", 3, 0);
    struct stream s = stream_thread(&child, 5, "child");
    prf_sink_info(child.sink, PRF_INFO_NOTE, note);
    child.sink->ops->lost(child.sink, 3);
    stream_call(&s, ticks, cf);
    stream_return(&s, ticks + 1000);
    stream_child(f, &child);
    stream_close(&child);
    return cf;
}

/* Children on the parent's clock, whatever they measured for it. */
static void
test_processes(void **state)
{
    (void)state;
    struct stream_file f, middle;
    struct reading r;
    stream_open(&f, 0.5);
    uint32_t cf = prf_sink_code(f.sink, "a.py", "f", "f", 3, 0);
    struct stream s = stream_thread(&f, 1, "main");
    stream_call(&s, 10000, cf);
    stream_return(&s, 90000);
    stream_open(&middle, 0.5001);
    struct stream m = stream_thread(&middle, 2, "middle");
    stream_instant(&m, 20000, "born", "");
    add_child(&middle, 0.4999, 40000, "deep");
    stream_child(&f, &middle);
    stream_close(&middle);
    add_child(&f, 0.5, 60000, "flat");
    read_open(&r, &f);
    assert_int_equal(r.events->n_processes, 4);
    assert_int_equal(r.events->processes[3].parent, 1);
    assert_int_equal(r.events->n_codes, 3); /* the placeholder, f, g */
    assert_words(&r, PRF_EVENTS_ALL,
                 "0:call f@0 0:ret f@40000 1:mark born@5000 2:call f@25000 2:ret "
                 "f@25500 3:call f@15000 3:ret f@15500");
    read_close(&r);
    struct prf_profile *p = NULL;
    struct prf_error err = {0};
    assert_int_equal(prf_recording_read(f.path, &p, &err), 0);
    assert_int_equal(p->n_event_processes, 4);
    assert_int_equal(p->n_event_threads, 4);
    assert_int_equal(p->n_lost, 6);
    assert_int_equal(p->n_notes, 2);
    assert_non_null(strstr(p->notes[0], ": flat"));
    assert_non_null(strstr(p->notes[1], ": deep"));
    assert_int_equal(p->sites.n, 1);
    assert_int_equal(p->sites.values[0], 3); /* calls */
    prf_profile_free(p);
    stream_close(&f);
}

/* Ticks of another kind: placed by when the recordings were opened. */
static void
test_other_clock(void **state)
{
    (void)state;
    struct stream_file f;
    struct reading r;
    stream_open(&f, 0.5);
    uint32_t cf = prf_sink_code(f.sink, "a.py", "f", "f", 3, 0);
    struct stream s = stream_thread(&f, 1, "main");
    stream_call(&s, UINT64_MAX / 2, cf);
    stream_return(&s, UINT64_MAX / 2 + 100);
    add_child(&f, 1.0, 5, "monotonic");
    read_open(&r, &f);
    struct prf_event e;
    int64_t began = -1;
    read_from(&r, PRF_EVENTS_ALL);
    while (prf_event_next(r.cursor, &e) == 1) {
        if (e.thread == 1 && e.op == PRF_EVENT_CALL) {
            began = e.at_ns;
        } else if (e.thread == 1) {
            assert_int_equal(e.at_ns - began, 1000);
        }
    }
    assert_true(began >= 0 && began < 60000000000); /* opened a moment later */
    read_close(&r);
    stream_close(&f);
}

/* f calls g twice in one thread, once in another; the other f is another node's. */
static void
test_fold(void **state)
{
    (void)state;
    struct stream_file f;
    struct prf_profile *p = NULL;
    struct prf_error err = {0};
    stream_open(&f, 2.0);
    uint32_t cf = prf_sink_code(f.sink, "a.py", "f", "f", 3, 0);
    uint32_t cg = prf_sink_code(f.sink, "a.py", "g", "g", 4, 0);
    struct stream a = stream_thread(&f, 1, "a"), b = stream_thread(&f, 2, "b");
    stream_call(&a, 0, cf);
    stream_call(&a, 10, cg);
    stream_return(&a, 20);
    stream_call(&b, 20, cg);
    stream_call(&b, 30, cf);
    stream_call(&b, 32, cg);
    stream_return(&b, 34);
    stream_return(&b, 40);
    stream_return(&b, 50);
    stream_call(&a, 60, cg);
    stream_return(&a, 61);
    stream_return(&a, 100);
    assert_int_equal(prf_recording_read(f.path, &p, &err), 0);
    assert_true(p->n_event_chunks >= 2);
    assert_int_equal(p->tree.n, 6); /* the root, f, g below f, g, f, g */
    int own = prf_column_find(p->sites.columns, p->sites.n_columns, "own_ns");
    int cum = prf_column_find(p->sites.columns, p->sites.n_columns, "cumulative_ns");
    const int64_t *vf = p->sites.values, *vg = vf + p->sites.n_columns;
    assert_int_equal(p->sites.n, 2);
    assert_int_equal(vf[0], 2);
    assert_int_equal(vg[0], 4);
    assert_int_equal(vf[own], 2 * (89 + 8));
    assert_int_equal(vg[own], 2 * (10 + 20 + 2 + 1));
    assert_int_equal(vf[cum], 2 * (100 + 10));
    assert_int_equal(vg[cum], 2 * (10 + 30 + 1));
    assert_int_equal(p->n_notes, 0);
    prf_profile_free(p);
    stream_close(&f);
}

static void
fill(struct stream_file *f, uint32_t n)
{
    uint32_t code[3];
    code[0] = prf_sink_code(f->sink, "a.py", "f", "f", 3, 0);
    code[1] = prf_sink_code(f->sink, "a.py", "g", "g", 4, 0);
    code[2] = prf_sink_code(f->sink, "", "len", "<built-in len>", 0, PRF_CODE_C);
    struct stream a = stream_thread(f, 1, "a"), b = stream_thread(f, 2, "b");
    a.chunk_bytes = b.chunk_bytes = 512;
    for (uint32_t i = 0; i < n; i++) {
        struct stream *s = i % 7 == 0 ? &b : &a;
        if (i % 3 == 2 && s->depth > 0) {
            stream_return(s, 1000 + i);
            stream_note(s, PRF_NOTE_RETVAL, "{\"r\": [1, 2]}");
        } else if (i % 11 == 0) {
            stream_instant(s, 1000 + i, "mark", "{}");
        } else if (i % 13 == 0) {
            stream_counter(s, 1000 + i, "load", i);
        } else {
            stream_call(s, 1000 + i, code[i % 3]);
            stream_note(s, PRF_NOTE_ARGS, "{\"n\": 1}");
        }
    }
}

/* Read all of it; only what the memory checker says counts. */
static void
digest(const unsigned char *data, size_t size)
{
    struct prf_error err = {0};
    struct prf_profile *p = NULL;
    struct prf_events *events = NULL;
    struct prf_event_cursor *cursor = NULL;
    struct prf_event e;
    if (prf_recording_parse(data, size, &p, &err) == 0) {
        prf_profile_free(p);
    }
    if (prf_events_open(data, size, 0, &events, &err) < 0) {
        return;
    }
    int64_t last[8] = {0};
    assert_int_equal(prf_event_cursor_open(events, PRF_EVENTS_ALL, &cursor, &err), 0);
    while (prf_event_next(cursor, &e) == 1) {
        assert_true(e.thread < events->n_threads);
        assert_true(e.call == NULL || e.call->code < events->n_codes);
        assert_true(e.at_ns >= last[e.thread % 8] || e.thread >= 8);
        last[e.thread % 8] = e.at_ns;
    }
    prf_event_cursor_free(cursor);
    cursor = NULL;
    for (uint32_t t = 0; t < events->n_threads && t < 8; t++) {
        assert_int_equal(prf_event_cursor_open(events, t, &cursor, &err), 0);
        while (prf_event_next(cursor, &e) == 1) {
            assert_int_equal(e.thread, t);
        }
        prf_event_cursor_free(cursor);
    }
    prf_events_free(events);
}

static void
test_damage(void **state)
{
    (void)state;
    struct stream_file f, child;
    size_t size;
    uint32_t seed = 12345;
    stream_open(&f, 0.5);
    stream_open(&child, 0.5);
    fill(&f, 400);
    fill(&child, 200);
    stream_child(&f, &child);
    unsigned char *map = stream_map(&f, &size);
    size = prf_recording_size(map, size);
    unsigned char *copy = malloc(size);
    assert_non_null(copy);
    for (size_t cut = 0; cut < size; cut += 487) {
        unsigned char *part = malloc(cut + 1); /* the memory checker sees its end */
        memcpy(part, map, cut);
        digest(part, cut);
        free(part);
    }
    for (int round = 0; round < 400; round++) {
        memcpy(copy, map, size);
        for (int i = 0; i < 1 + round % 40; i++) {
            seed = seed * 1103515245u + 12345u;
            size_t at = 32 + (seed >> 8) % (size - 32);
            seed = seed * 1103515245u + 12345u;
            copy[at] = (unsigned char)(seed >> 16);
        }
        digest(copy, size);
    }
    free(copy);
    munmap(map, size);
    stream_close(&child);
    stream_close(&f);
}

/* Damage is counted, and what comes after it is read. */
static void
test_damage_is_told(void **state)
{
    (void)state;
    struct stream_file f;
    struct prf_profile *p = NULL;
    struct prf_error err = {0};
    struct reading r;
    stream_open(&f, 1.0);
    uint32_t cf = prf_sink_code(f.sink, "a.py", "f", "f", 3, 0);
    struct stream s = stream_thread(&f, 1, "a");
    stream_call(&s, 100, cf);
    *s.p++ = 0xFF; /* a number that does not end */
    stream_commit(&s);
    stream_chunk(&s, 200);
    stream_call(&s, 210, 99); /* a function that nobody named */
    stream_return(&s, 220);
    stream_return(&s, 230);
    struct stream nobody = {.sink = f.sink, .thread = 9, .chunk_bytes = 64};
    stream_call(&nobody, 100, cf);
    read_open(&r, &f);
    assert_int_equal(r.events->n_damaged, 1);
    assert_words(&r, PRF_EVENTS_ALL, "0:call f@0 0:ret f@130");
    assert_int_equal(prf_event_cursor_damaged(r.cursor), 2);
    read_close(&r);
    assert_int_equal(prf_recording_read(f.path, &p, &err), 0);
    assert_int_equal(p->n_notes, 1);
    assert_non_null(strstr(p->notes[0], "3 damaged places"));
    prf_profile_free(p);
    stream_close(&f);
}

/* A chunk may claim any depth: it costs nothing. */
static void
test_absurd_depth(void **state)
{
    (void)state;
    struct stream_file f;
    struct reading r;
    stream_open(&f, 1.0);
    uint32_t cf = prf_sink_code(f.sink, "a.py", "f", "f", 3, 0);
    struct stream s = stream_thread(&f, 1, "a");
    s.depth = UINT32_MAX;
    stream_chunk(&s, 100);
    stream_call(&s, 110, cf);
    read_open(&r, &f);
    assert_words(&r, PRF_EVENTS_ALL, "0:call f@10 0:ret! f@10");
    read_close(&r);
    stream_close(&f);
}

static void
test_no_recording(void **state)
{
    (void)state;
    struct prf_error err = {0};
    struct prf_events *events = NULL;
    char data[8192] = "no";
    assert_int_equal(prf_events_open(data, sizeof data, 0, &events, &err),
                     PRF_ECORRUPT);
    prf_error_clear(&err);
    assert_int_equal(prf_events_open(data, 100, 0, &events, &err), PRF_ECORRUPT);
}

static long
rss_kib(void)
{
    long size, resident = 0;
    FILE *statm = fopen("/proc/self/statm", "r");
    assert_non_null(statm);
    assert_int_equal(fscanf(statm, "%ld %ld", &size, &resident), 2);
    fclose(statm);
    return resident * (sysconf(_SC_PAGESIZE) / 1024);
}

/* A long recording takes no more memory than a short one. */
static void
test_pages_are_given_back(void **state)
{
    (void)state;
    struct stream_file f;
    struct reading r;
    struct prf_event e;
    stream_open(&f, 1.0);
    uint32_t cf = prf_sink_code(f.sink, "a.py", "f", "f", 3, 0);
    struct stream s = stream_thread(&f, 1, "a");
    s.chunk_bytes = 1 << 18;
    for (uint64_t i = 0; i < 8000000; i++) {
        stream_call(&s, i * 2000, cf);
        stream_return(&s, i * 2000 + 1000);
    }
    prf_writer_close(f.writer);
    f.writer = NULL;
    long before = rss_kib(), most = before;
    read_open(&r, &f);
    read_from(&r, PRF_EVENTS_ALL);
    for (size_t n = 0; prf_event_next(r.cursor, &e) == 1; n++) {
        if (n % 100000 == 0 && rss_kib() > most) {
            most = rss_kib();
        }
    }
    assert_true(r.size > 36u << 20);
    assert_in_range(most - before, 0, 20 << 10);
    read_close(&r);
    stream_close(&f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_of_each),
        cmocka_unit_test(test_threads_and_chunks),
        cmocka_unit_test(test_cut_off),
        cmocka_unit_test(test_lost_chunk),
        cmocka_unit_test(test_processes),
        cmocka_unit_test(test_other_clock),
        cmocka_unit_test(test_fold),
        cmocka_unit_test(test_damage),
        cmocka_unit_test(test_damage_is_told),
        cmocka_unit_test(test_absurd_depth),
        cmocka_unit_test(test_no_recording),
        cmocka_unit_test(test_pages_are_given_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
