/* instructions: how many machine instructions the case executes, counted one by one by
   callgrind, under which the runner starts the process (PRF_CAP_VALGRIND).

   Only the body is instrumented. What would make two counts differ is taken away before
   each of them: caches of the interpreter are warm by executions that are not counted,
   the garbage collector starts from an empty generation, the environment is fixed by
   the runner. Callgrind's counters are read through the files that it dumps: there is
   no request that returns them. All callbacks run with the GIL. */
#include <Python.h>

#include "backends.h"

#include <inttypes.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "callgrind_dump.h"
#include "path.h"

#if __has_include(<valgrind/callgrind.h>)
#include <valgrind/callgrind.h>
#define INSTRUCTIONS_BUILT 1
#else /* the build lacks valgrind's headers: probe says so, nothing else is reached */
#define INSTRUCTIONS_BUILT 0
#define RUNNING_ON_VALGRIND 0
#define CALLGRIND_ZERO_STATS
#define CALLGRIND_START_INSTRUMENTATION
#define CALLGRIND_STOP_INSTRUMENTATION
#define CALLGRIND_DUMP_STATS
#endif

#if defined(__SANITIZE_ADDRESS__)
#define INSTRUCTIONS_SANITIZED 1
#else
#define INSTRUCTIONS_SANITIZED 0
#endif

struct instructions {
    /* options */
    uint64_t warmup;
    uint64_t rounds;
    uint64_t functions;
    bool cache; /* the runner's business, as the next: see PRF_CAP_VALGRIND */
    struct prf_strlist keep_env;
    /* session */
    const char *prefix; /* of callgrind's files; borrowed from the environment */
    pid_t pid;          /* in their names */
    uint64_t n_started;
    uint64_t n_before; /* files that callgrind had written before */
    uint64_t n_dumped;
    uint64_t n_forks_before, n_forked; /* in the counted executions */
    bool counting;
};

enum {
    COUNT_INSTRUCTIONS,
    COUNT_READS,
    COUNT_WRITES,
    COUNT_L1_MISSES,
    COUNT_LL_MISSES,
    COUNT_CYCLES,
    COUNT_OWN,
    COUNT_CALLS,
};

/* Callgrind numbers its files for as long as the process lives. Protected by the GIL.
 */
static uint64_t instructions_n_files;

/* Forks of the bodies since the process began. Handlers stay for good. */
static bool instructions_watches_forks;
static uint64_t instructions_n_forks;

static void
instructions_forked(void)
{
    instructions_n_forks++;
}

struct instructions_row {
    struct prf_rec_site site;
    int64_t own;
    int64_t calls;
};

static int
instructions_probe(struct prf_error *err)
{
    if (!INSTRUCTIONS_BUILT) {
        return prf_fail(err, PRF_EUNAVAILABLE,
                        "this build lacks it: valgrind's headers were missing (Debian: "
                        "apt install valgrind, then build again)");
    }
    if (INSTRUCTIONS_SANITIZED) {
        return prf_fail(err, PRF_EUNAVAILABLE,
                        "this build has a sanitizer, which cannot run under valgrind");
    }
    char *program = prf_path_find_program("valgrind");
    int rc = program != NULL
                 ? 0
                 : prf_fail(err, PRF_EUNAVAILABLE,
                            "valgrind is not on PATH (Debian: apt install valgrind)");
    free(program);
    return rc;
}

static int
instructions_open(void *state, const struct prf_session *session, struct prf_error *err)
{
    struct instructions *st = state;
    if (session->is_script) { /* executed once */
        st->warmup = 0;
        st->rounds = 1;
    }
    st->prefix = getenv(PRF_VALGRIND_OUT);
    st->pid = getpid();
    st->n_before = instructions_n_files;
    if (!RUNNING_ON_VALGRIND || st->prefix == NULL) {
        return prf_fail(err, PRF_EUNAVAILABLE,
                        "instructions are counted in a process that pyprofiler-run "
                        "starts under valgrind, not in one that runs already");
    }
    if (!instructions_watches_forks) {
        instructions_watches_forks =
            pthread_atfork(NULL, instructions_forked, NULL) == 0;
    }
    /* A crash would leave a core file of the whole of valgrind beside the case. */
    setrlimit(RLIMIT_CORE, &(struct rlimit){0});
    return 0;
}

static int
instructions_start(void *state, struct prf_round *round, struct prf_error *err)
{
    struct instructions *st = state;
    (void)round;
    (void)err;
    PyGC_Collect();
    st->counting = st->n_started++ >= st->warmup;
    st->n_forks_before = instructions_n_forks;
    if (st->counting) {
        CALLGRIND_ZERO_STATS;
        CALLGRIND_START_INSTRUMENTATION;
    }
    return 0;
}

static int
instructions_stop(void *state, const struct prf_round *round, struct prf_error *err)
{
    struct instructions *st = state;
    if (st->counting) {
        CALLGRIND_STOP_INSTRUMENTATION;
        CALLGRIND_DUMP_STATS;
        st->n_forked += instructions_n_forks - st->n_forks_before;
        st->counting = false;
        st->n_dumped++;
        instructions_n_files++;
    }
    (void)round;
    (void)err;
    return st->n_dumped < st->rounds ? PRF_MORE : PRF_DONE;
}

/* ---- results ---- */

/* As KCachegrind estimates them. */
static int64_t
instructions_cycles(int64_t instructions, int64_t l1_misses, int64_t ll_misses)
{
    return instructions + 10 * l1_misses + 100 * ll_misses;
}

static void
instructions_add_samples(const struct prf_callgrind_dump *dump, struct prf_rows *rows)
{
    static const char *const l1[] = {"I1mr", "D1mr", "D1mw"};
    static const char *const ll[] = {"ILmr", "DLmr", "DLmw"};
    int64_t count = prf_callgrind_dump_total(dump, "Ir"), l1_misses = 0, ll_misses = 0;
    prf_sink_sample(rows, COUNT_INSTRUCTIONS, 0, (double)count);
    if (dump->n_events == 1) {
        return;
    }
    for (size_t i = 0; i < 3; i++) {
        l1_misses += prf_callgrind_dump_total(dump, l1[i]);
        ll_misses += prf_callgrind_dump_total(dump, ll[i]);
    }
    prf_sink_sample(rows, COUNT_READS, 0, (double)prf_callgrind_dump_total(dump, "Dr"));
    prf_sink_sample(rows, COUNT_WRITES, 0,
                    (double)prf_callgrind_dump_total(dump, "Dw"));
    prf_sink_sample(rows, COUNT_L1_MISSES, 0, (double)l1_misses);
    prf_sink_sample(rows, COUNT_LL_MISSES, 0, (double)ll_misses);
    prf_sink_sample(rows, COUNT_CYCLES, 0,
                    (double)instructions_cycles(count, l1_misses, ll_misses));
}

static void
instructions_add_functions(struct instructions *st,
                           const struct prf_callgrind_dump *dump, struct prf_sink *sink)
{
    struct prf_rows rows;
    prf_rows_init(&rows, sink, PRF_CHUNK_SITE, sizeof(struct instructions_row));
    size_t n = dump->n_functions < st->functions ? dump->n_functions : st->functions;
    for (size_t i = 0; i < n; i++) {
        const struct prf_callgrind_function *f = &dump->functions[i];
        char name[512];
        snprintf(name, sizeof name, "%s [%s]", f->name,
                 *f->object == '\0' ? "?" : prf_path_basename(f->object));
        uint32_t code = prf_sink_code(sink, "", name, name, 0, PRF_CODE_C);
        struct instructions_row *row = code == 0 ? NULL : prf_rows_add(&rows);
        if (row != NULL) {
            row->site.code = code;
            row->calls = f->calls;
            row->own = f->own;
        }
    }
}

static int
instructions_collect(void *state, struct prf_sink *sink, struct prf_error *err)
{
    struct instructions *st = state;
    struct prf_rows samples;
    int rc = 0;
    if (st->n_forked > 0) {
        char note[96];
        snprintf(note, sizeof note, "%llu forked process%s not counted",
                 (unsigned long long)st->n_forked,
                 st->n_forked == 1 ? " was" : "es were");
        prf_sink_info(sink, PRF_INFO_NOTE, note);
    }
    prf_rows_init(&samples, sink, PRF_CHUNK_SAMPLE, sizeof(struct prf_rec_sample));
    for (uint64_t i = 1; i <= st->n_dumped && rc == 0; i++) {
        struct prf_callgrind_dump dump;
        char path[4096];
        snprintf(path, sizeof path, "%s.%d.%" PRIu64, st->prefix, (int)st->pid,
                 st->n_before + i);
        rc = prf_callgrind_dump_read(&dump, path, err);
        if (rc == 0) {
            instructions_add_samples(&dump, &samples);
        }
        if (rc == 0 && i == st->n_dumped) {
            instructions_add_functions(st, &dump, sink);
        }
        prf_callgrind_dump_release(&dump);
        unlink(path);
    }
    return rc;
}

static void
instructions_close(void *state)
{
    (void)state;
}

static const struct prf_metric instructions_metrics[] = {
    [COUNT_INSTRUCTIONS] = {"instructions", "count", PRF_SCOPE_RESULT, PRF_BETTER_LESS,
                            PRF_FOLD_NONE, "machine instructions that were executed"},
    [COUNT_READS] = {"data_reads", "count", PRF_SCOPE_RESULT, PRF_BETTER_LESS,
                     PRF_FOLD_NONE, "instructions' reads of memory (--cache)"},
    [COUNT_WRITES] = {"data_writes", "count", PRF_SCOPE_RESULT, PRF_BETTER_LESS,
                      PRF_FOLD_NONE, "instructions' writes of memory (--cache)"},
    [COUNT_L1_MISSES] = {"l1_misses", "count", PRF_SCOPE_RESULT, PRF_BETTER_LESS,
                         PRF_FOLD_NONE, "misses of the simulated first caches"},
    [COUNT_LL_MISSES] = {"ll_misses", "count", PRF_SCOPE_RESULT, PRF_BETTER_LESS,
                         PRF_FOLD_NONE, "misses of the simulated last cache"},
    [COUNT_CYCLES] = {"estimated_cycles", "count", PRF_SCOPE_RESULT, PRF_BETTER_LESS,
                      PRF_FOLD_NONE, "instructions + 10 * l1_misses + 100 * ll_misses"},
    [COUNT_OWN] = {"own_instructions", "count", PRF_SCOPE_SITE, PRF_BETTER_LESS,
                   PRF_FOLD_NONE, "instructions in the C function itself"},
    [COUNT_CALLS] = {"calls", "count", PRF_SCOPE_SITE, PRF_BETTER_LESS, PRF_FOLD_NONE,
                     "how often the C function was called"},
    {NULL},
};

static const struct prf_option instructions_options[] = {
    {.type = PRF_OPT_UINT,
     .name = "warmup",
     .offset = offsetof(struct instructions, warmup),
     .def = "1",
     .unit = "N",
     .help = "executions before the counted ones"},
    {.type = PRF_OPT_UINT,
     .name = "rounds",
     .offset = offsetof(struct instructions, rounds),
     .def = "1",
     .min = 1,
     .max = 1000,
     .unit = "N",
     .help = "counted executions, each a sample"},
    {.type = PRF_OPT_UINT,
     .name = "functions",
     .aliases = "top-k",
     .offset = offsetof(struct instructions, functions),
     .def = "30",
     .unit = "N",
     .help = "keep the N most expensive C functions; 0: none"},
    {.type = PRF_OPT_FLAG,
     .name = "cache",
     .offset = offsetof(struct instructions, cache),
     .help = "simulate caches: memory accesses, misses and estimated cycles too"},
    {.type = PRF_OPT_LIST,
     .name = "keep-env",
     .unit = "NAMES",
     .offset = offsetof(struct instructions, keep_env),
     .help = "variables of the environment that the case needs"},
    PRF_OPTIONS_END,
};

const struct prf_backend prf_instructions = {
    .abi = PRF_BACKEND_ABI,
    .name = "instructions",
    .summary = "how many machine instructions: exact, by callgrind; for comparing",
    .caps = PRF_CAP_EXCLUSIVE | PRF_CAP_VALGRIND,
    .state_size = sizeof(struct instructions),
    .metrics = instructions_metrics,
    .options = instructions_options,
    .probe = instructions_probe,
    .open = instructions_open,
    .start = instructions_start,
    .stop = instructions_stop,
    .collect = instructions_collect,
    .close = instructions_close,
};
