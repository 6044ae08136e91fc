/* stopwatch: how long the case takes, wall and processor time per execution.

   A round is at least 1000 times as long as what the clocks can tell apart: one start
   and stop around many loops of the body, or, where it cannot be looped (fixtures,
   marks), the sum of many executions. The first rounds find the number of loops, the
   next warm up, both kept as such; then rounds are measured until the median is known
   well enough or the time is used up. Time is real time, fixtures included:

   - a body whose first execution takes a tenth of --max-time is not warmed up;
   - no round is started that would not end within --max-time, going by the one before,
     unless --min-rounds or --rounds asks for it. So a body slower than --max-time is
     executed once. */
#include "backends.h"

#include <errno.h>
#include <math.h>
#include <sched.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <pyprofiler/stats.h>

#include "clock.h"

#define STOPWATCH_RESOLUTIONS 1000 /* in a round */
#define STOPWATCH_MAX_MARKS 1000u  /* of one execution */
#define STOPWATCH_AUTO_WARMUP 3
#define STOPWATCH_AUTO_MIN_ROUNDS 6u /* fewer have no 95 % interval */
#define STOPWATCH_SECOND 1000000000
#define STOPWATCH_SHORT_MIN 25000000 /* ns, with --short */
#define STOPWATCH_SHORT_MAX 50000000

enum stopwatch_phase { STOPWATCH_CALIBRATE, STOPWATCH_WARM_UP, STOPWATCH_MEASURE };

enum { STOPWATCH_WALL, STOPWATCH_CPU };

struct stopwatch_mark {
    char *name;
    double at_ns, delta_ns; /* sums */
    uint32_t n;
};

struct stopwatch {
    /* options */
    char *units;
    uint64_t rounds, min_rounds;
    int64_t warmup; /* -1: automatic */
    int64_t min_time_ns, max_time_ns;
    bool quick, rigorous, brief;
    struct prf_strlist affinity;
    /* session */
    struct prf_sink *sink;
    struct prf_rows samples;
    cpu_set_t old_affinity;
    bool affinity_set;
    double resolution_ns, target_ns, target_ci;
    /* measuring */
    enum stopwatch_phase phase;
    uint64_t loops;
    bool loopable;
    uint64_t began_ns, round_began_ns; /* real time */
    uint64_t wall_start_ns, cpu_start_ns;
    double round_wall_ns, round_cpu_ns;
    uint64_t round_executions;
    double *walls, *scratch; /* of n measured rounds; room for `capacity` */
    size_t n, capacity, n_warmup, next_check;
    double relative_ci;
    bool converged, raised;
    bool is_script; /* executed once, timed by the worker */
    /* marks of the execution that runs are marks[0..n_seen) */
    struct stopwatch_mark *marks;
    uint32_t n_marks, n_seen;
    uint64_t mark_ns;
};

static uint64_t
stopwatch_cpu_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
    return (uint64_t)ts.tv_sec * STOPWATCH_SECOND + (uint64_t)ts.tv_nsec;
}

/* The smallest step between two readings: what the clock says it resolves (1 ns) is not
   what a reading costs or how often it ticks. */
static double
stopwatch_granularity(uint64_t (*read)(void))
{
    uint64_t best = UINT64_MAX;
    for (int i = 0; i < 100; i++) {
        uint64_t before = read(), after = read();
        while (after == before) {
            after = read();
        }
        best = after - before < best ? after - before : best;
    }
    return (double)best;
}

static int
stopwatch_pin(struct stopwatch *st, struct prf_error *err)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    for (size_t i = 0; i < st->affinity.n; i++) {
        char *end;
        long cpu = strtol(st->affinity.items[i], &end, 10);
        if (*end != '\0' || end == st->affinity.items[i] || cpu < 0 ||
            cpu >= CPU_SETSIZE) {
            return prf_fail(
                err, PRF_EUSAGE,
                "'%s' is not the number of a CPU; --affinity takes a list as "
                "0,2",
                st->affinity.items[i]);
        }
        CPU_SET((size_t)cpu, &set);
    }
    if (sched_getaffinity(0, sizeof(st->old_affinity), &st->old_affinity) < 0 ||
        sched_setaffinity(0, sizeof(set), &set) < 0) {
        return prf_fail(err, PRF_EUSAGE, "cannot run on these CPUs (--affinity): %s",
                        strerror(errno));
    }
    st->affinity_set = true;
    return 0;
}

/* What else is said of the length goes before --short. */
static void
stopwatch_choose_limits(struct stopwatch *st)
{
    bool said = st->rounds > 0 || st->min_rounds > 0 || st->min_time_ns > 0 ||
                st->max_time_ns > 0 || st->quick || st->rigorous;
    if (st->brief && !said) {
        st->min_time_ns = STOPWATCH_SHORT_MIN;
        st->max_time_ns = STOPWATCH_SHORT_MAX;
    }
    st->target_ci = st->rigorous ? 0.002 : st->quick ? 0.05 : 0.01;
    if (st->max_time_ns == 0) {
        st->max_time_ns = st->rigorous ? (int64_t)20 * STOPWATCH_SECOND
                          : st->quick  ? STOPWATCH_SECOND / 2
                                       : (int64_t)3 * STOPWATCH_SECOND;
    }
}

static int
stopwatch_open(void *state, const struct prf_session *session, struct prf_error *err)
{
    struct stopwatch *st = state;
    st->sink = session->sink;
    st->is_script = session->is_script;
    if (st->quick && st->rigorous) {
        return prf_fail(err, PRF_EUSAGE, "--quick and --rigorous exclude each other");
    }
    prf_rows_init(&st->samples, st->sink, PRF_CHUNK_SAMPLE,
                  sizeof(struct prf_rec_sample));
    stopwatch_choose_limits(st);
    if (st->affinity.n > 0) {
        int rc = stopwatch_pin(st, err);
        if (rc < 0) {
            return rc;
        }
    }
    st->resolution_ns = fmax(stopwatch_granularity(prf_clock_monotonic_ns),
                             stopwatch_granularity(stopwatch_cpu_ns));
    st->target_ns = st->resolution_ns * STOPWATCH_RESOLUTIONS;
    st->loops = 1;
    st->relative_ci = INFINITY;
    st->marks = calloc(STOPWATCH_MAX_MARKS, sizeof(*st->marks));
    return st->marks ? 0 : prf_fail(err, PRF_ENOMEM, "no memory for marks");
}

static int
stopwatch_start(void *state, struct prf_round *round, struct prf_error *err)
{
    struct stopwatch *st = state;
    (void)err;
    st->loopable = round->can_loop && st->n_marks == 0;
    round->loops = st->loopable ? st->loops : 1;
    st->n_seen = 0;
    if (st->round_executions == 0) {
        st->round_began_ns = prf_clock_monotonic_ns();
        st->began_ns = st->began_ns ? st->began_ns : st->round_began_ns;
    }
    st->cpu_start_ns = stopwatch_cpu_ns();
    st->wall_start_ns = st->mark_ns = prf_clock_monotonic_ns();
    return 0;
}

static int
stopwatch_keep(struct stopwatch *st, double wall_ns)
{
    if (st->n == st->capacity) {
        size_t capacity = st->capacity ? st->capacity * 2 : 256;
        double *walls = realloc(st->walls, capacity * sizeof(*walls));
        st->walls = walls ? walls : st->walls;
        double *scratch = realloc(st->scratch, capacity * sizeof(*scratch));
        st->scratch = scratch ? scratch : st->scratch;
        if (walls == NULL || scratch == NULL) {
            return -1;
        }
        st->capacity = capacity;
    }
    st->walls[st->n++] = wall_ns;
    return 0;
}

/* The round is over: its samples, per execution. */
static int
stopwatch_emit(struct stopwatch *st, bool warmup, struct prf_error *err)
{
    double n = (double)st->round_executions;
    uint32_t flags = warmup ? PRF_SAMPLE_WARMUP : 0;
    prf_sink_sample(&st->samples, STOPWATCH_WALL, flags, st->round_wall_ns / n);
    prf_sink_sample(&st->samples, STOPWATCH_CPU, flags, st->round_cpu_ns / n);
    int rc = 0;
    if (warmup) {
        st->n_warmup++;
    } else if (stopwatch_keep(st, st->round_wall_ns / n) < 0) {
        rc = prf_fail(err, PRF_ENOMEM, "no memory for more rounds");
    }
    st->round_wall_ns = st->round_cpu_ns = 0;
    st->round_executions = 0;
    return rc;
}

static double
stopwatch_elapsed_ns(const struct stopwatch *st)
{
    return (double)(prf_clock_monotonic_ns() - st->began_ns);
}

/* Is the median known to the wanted precision? Looked at in growing steps, because each
   look sorts all rounds. */
static bool
stopwatch_converged(struct stopwatch *st)
{
    if (st->n >= st->next_check) {
        struct prf_summary summary;
        prf_summarize(st->walls, st->n, st->scratch, &summary);
        st->relative_ci = prf_relative_ci(&summary);
        st->converged = st->relative_ci < st->target_ci;
        st->next_check = st->n + 1 + st->n / 8;
    }
    return st->converged;
}

/* `round_ns`: real time of the round that has just been measured. */
static bool
stopwatch_finished(struct stopwatch *st, double round_ns)
{
    if (st->rounds > 0) {
        return st->n >= st->rounds;
    }
    if (st->n < st->min_rounds) {
        return false;
    }
    double elapsed_ns = stopwatch_elapsed_ns(st);
    if (elapsed_ns + round_ns > (double)st->max_time_ns) {
        return true;
    }
    return st->n >= STOPWATCH_AUTO_MIN_ROUNDS && stopwatch_converged(st) &&
           elapsed_ns >= (double)st->min_time_ns;
}

/* Marks of rounds that do not count. */
static void
stopwatch_clear_marks(struct stopwatch *st)
{
    for (uint32_t i = 0; i < st->n_marks; i++) {
        st->marks[i].at_ns = st->marks[i].delta_ns = 0;
        st->marks[i].n = 0;
    }
}

static bool
stopwatch_warm(const struct stopwatch *st)
{
    if (st->warmup >= 0) {
        return st->n_warmup >= (size_t)st->warmup;
    }
    return st->n_warmup >= STOPWATCH_AUTO_WARMUP ||
           stopwatch_elapsed_ns(st) > (double)st->max_time_ns / 10;
}

/* Loops for a round of the wanted length, from one that was too short. */
static uint64_t
stopwatch_more_loops(const struct stopwatch *st, double wall_ns)
{
    double factor = wall_ns > 0 ? 1.2 * st->target_ns / wall_ns : 100;
    factor = fmin(fmax(factor, 1.5), 100);
    return (uint64_t)ceil((double)st->loops * factor);
}

/* A whole round is over. */
static int
stopwatch_next(struct stopwatch *st, struct prf_error *err)
{
    double wall_ns = st->round_wall_ns;
    double round_ns = (double)(prf_clock_monotonic_ns() - st->round_began_ns);
    if (st->phase == STOPWATCH_CALIBRATE) {
        if (st->loopable && wall_ns < st->target_ns) {
            uint64_t loops = stopwatch_more_loops(st, wall_ns);
            int rc = stopwatch_emit(st, true, err);
            st->n_warmup = 0; /* it was for calibration */
            st->loops = loops;
            return rc < 0 ? rc : PRF_MORE;
        }
        st->phase = stopwatch_warm(st) ? STOPWATCH_MEASURE : STOPWATCH_WARM_UP;
    }
    if (st->phase == STOPWATCH_WARM_UP) {
        int rc = stopwatch_emit(st, true, err);
        if (stopwatch_warm(st)) {
            st->phase = STOPWATCH_MEASURE;
            stopwatch_clear_marks(st);
        }
        return rc < 0 ? rc : PRF_MORE;
    }
    int rc = stopwatch_emit(st, false, err);
    return rc < 0 ? rc : stopwatch_finished(st, round_ns) ? PRF_DONE : PRF_MORE;
}

/* Executions that are not looped are summed up to a round, for a tenth of the time at
   most: fixtures may take far longer than the body. */
static bool
stopwatch_round_complete(const struct stopwatch *st)
{
    return st->loopable || st->round_wall_ns >= st->target_ns ||
           (double)(prf_clock_monotonic_ns() - st->round_began_ns) >=
               (double)st->max_time_ns / 10;
}

static int
stopwatch_stop(void *state, const struct prf_round *round, struct prf_error *err)
{
    uint64_t wall_ns = prf_clock_monotonic_ns(); /* first: the rest is not the body's */
    uint64_t cpu_ns = stopwatch_cpu_ns();
    struct stopwatch *st = state;
    if (round->raised || st->is_script) {
        st->raised = round->raised;
        return PRF_DONE;
    }
    st->round_wall_ns += (double)(wall_ns - st->wall_start_ns);
    st->round_cpu_ns += (double)(cpu_ns - st->cpu_start_ns);
    st->round_executions += round->loops;
    if (st->n_marks > 0) {
        st->loopable = false; /* seen in this very execution */
    }
    return stopwatch_round_complete(st) ? stopwatch_next(st, err) : PRF_MORE;
}

static void
stopwatch_mark(void *state, const char *name)
{
    uint64_t now = prf_clock_monotonic_ns();
    struct stopwatch *st = state;
    if (st->n_seen == STOPWATCH_MAX_MARKS) {
        st->sink->ops->lost(st->sink, 1);
        return;
    }
    struct stopwatch_mark *mark = &st->marks[st->n_seen];
    if (mark->name == NULL) { /* in the first execution, which is not looped */
        mark->name = strdup(name);
        if (mark->name == NULL) {
            st->sink->ops->lost(st->sink, 1);
            return;
        }
        st->n_marks = st->n_seen + 1;
    }
    st->n_seen++;
    mark->at_ns += (double)(now - st->wall_start_ns);
    mark->delta_ns += (double)(now - st->mark_ns);
    mark->n++;
    st->mark_ns = prf_clock_monotonic_ns();
}

static void
stopwatch_collect_marks(struct stopwatch *st, struct prf_sink *sink)
{
    for (uint32_t i = 0; i < st->n_marks; i++) {
        const struct stopwatch_mark *m = &st->marks[i];
        if (m->n > 0) {
            struct prf_rec_mark mark = {.index = i,
                                        .at_ns = m->at_ns / m->n,
                                        .delta_ns = m->delta_ns / m->n,
                                        .n = m->n};
            prf_sink_mark(sink, &mark, m->name);
        }
    }
}

static int
stopwatch_collect(void *state, struct prf_sink *sink, struct prf_error *err)
{
    struct stopwatch *st = state;
    char json[512], ci[32] = "null";
    if (st->is_script) {
        if (st->rounds > 1 || st->min_rounds > 1) {
            prf_sink_info(sink, PRF_INFO_NOTE,
                          "a script is executed once: --rounds does not count");
        }
        return 0;
    }
    /* The caller ended it before a round was whole: what there is of it counts. */
    if (st->n == 0 && st->round_executions > 0 && !st->raised) {
        int rc = stopwatch_emit(st, false, err);
        if (rc < 0) {
            return rc;
        }
    }
    stopwatch_collect_marks(st, sink);
    if (st->n > 0) {
        st->next_check = 0; /* the last word on all rounds */
        st->converged = stopwatch_converged(st);
    }
    if (isfinite(st->relative_ci)) {
        snprintf(ci, sizeof(ci), "%.6f", st->relative_ci);
    }
    snprintf(json, sizeof(json),
             "{\"loops\": %llu, \"rounds\": %zu, \"warmup\": %zu, \"converged\": %s, "
             "\"relative_ci\": %s, \"target_ci\": %g, \"resolution_ns\": %.0f, "
             "\"max_time_ns\": %lld}",
             (unsigned long long)st->loops, st->n, st->n_warmup,
             st->converged ? "true" : "false", ci, st->target_ci, st->resolution_ns,
             (long long)st->max_time_ns);
    prf_sink_info(sink, PRF_INFO_ROUNDS, json);
    return 0;
}

static void
stopwatch_close(void *state)
{
    struct stopwatch *st = state;
    if (st->affinity_set) {
        sched_setaffinity(0, sizeof(st->old_affinity), &st->old_affinity);
        st->affinity_set = false;
    }
    for (uint32_t i = 0; st->marks != NULL && i < st->n_marks; i++) {
        free(st->marks[i].name);
    }
    free(st->marks);
    free(st->walls);
    free(st->scratch);
    st->marks = NULL;
    st->walls = st->scratch = NULL;
}

static const struct prf_metric stopwatch_metrics[] = {
    [STOPWATCH_WALL] = {"wall_time", "ns", PRF_SCOPE_RESULT, PRF_BETTER_LESS,
                        PRF_FOLD_NONE, "per execution"},
    [STOPWATCH_CPU] = {"cpu_time", "ns", PRF_SCOPE_RESULT, PRF_BETTER_LESS,
                       PRF_FOLD_NONE, "of the process, all threads, per execution"},
    {NULL},
};

static const struct prf_option stopwatch_options[] = {
    {.type = PRF_OPT_CHOICE,
     .name = "units",
     .offset = offsetof(struct stopwatch, units),
     .def = "auto",
     .choices = "auto|ns|us|ms|s",
     .help = "unit of the times shown"},
    {.type = PRF_OPT_UINT,
     .name = "rounds",
     .offset = offsetof(struct stopwatch, rounds),
     .def = "0",
     .max = 1e9,
     .unit = "N",
     .help = "measure exactly N rounds; 0: until the median is known well enough"},
    {.type = PRF_OPT_UINT,
     .name = "min-rounds",
     .offset = offsetof(struct stopwatch, min_rounds),
     .def = "0",
     .max = 1e9,
     .unit = "N",
     .help = "measure at least N rounds, whatever they take"},
    {.type = PRF_OPT_INT,
     .name = "warmup",
     .offset = offsetof(struct stopwatch, warmup),
     .def = "-1",
     .min = -1,
     .max = 1e9,
     .unit = "N",
     .help =
         "rounds that do not count, at first; -1: up to three, by the time they take"},
    {.type = PRF_OPT_DURATION,
     .name = "min-time",
     .offset = offsetof(struct stopwatch, min_time_ns),
     .def = "0",
     .unit = "TIME",
     .help = "go on for at least that long, also when the median is known"},
    {.type = PRF_OPT_DURATION,
     .name = "max-time",
     .offset = offsetof(struct stopwatch, max_time_ns),
     .def = "0",
     .unit = "TIME",
     .help = "start no round that would end later; 0: 3 s, 0.5 s when quick, 20 s when "
             "rigorous"},
    {.type = PRF_OPT_FLAG,
     .name = "quick",
     .offset = offsetof(struct stopwatch, quick),
     .help = "a rough figure: median within 5 %"},
    {.type = PRF_OPT_FLAG,
     .name = "rigorous",
     .offset = offsetof(struct stopwatch, rigorous),
     .help = "a fine figure: median within 0.2 %"},
    {.type = PRF_OPT_FLAG,
     .name = "short",
     .offset = offsetof(struct stopwatch, brief),
     .help = "25 to 50 ms, unless another option says how long: one of many processes "
             "that are compared"},
    {.type = PRF_OPT_LIST,
     .name = "affinity",
     .offset = offsetof(struct stopwatch, affinity),
     .unit = "CPUS",
     .help = "run on these CPUs only"},
    PRF_OPTIONS_END,
};

const struct prf_backend prf_stopwatch = {
    .abi = PRF_BACKEND_ABI,
    .name = "stopwatch",
    .summary = "how long: wall and processor time, in calibrated rounds",
    .caps = PRF_CAP_ROUNDS,
    .state_size = sizeof(struct stopwatch),
    .metrics = stopwatch_metrics,
    .options = stopwatch_options,
    .open = stopwatch_open,
    .start = stopwatch_start,
    .stop = stopwatch_stop,
    .mark = stopwatch_mark,
    .collect = stopwatch_collect,
    .close = stopwatch_close,
};
