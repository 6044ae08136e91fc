/* memory-time: the memory of the case over time, sampled by a thread of ours that needs
   no GIL, with the peak that the kernel saw between the samples.

   The thread owns the series and all its descriptors: it has a descriptor table of its
   own where the kernel gives it one, so that the case neither sees nor closes them.
   Marks come from the main thread, into chunks of another kind, and let it take a
   sample.

   Python's own count of bytes (tracemalloc) is read where it is, without the GIL. A
   thread state would be a raw allocation that tracemalloc tracks, and the case may stop
   tracemalloc in that moment. Where the count is not found, the main thread alone asks
   for it: at the start, at marks and at the end. */
#define _GNU_SOURCE 1
#include "backends.h"

#include <Python.h>

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "clock.h"
#include "marks.h"
#include "procmem.h"
#include "proctree.h"
#include "traced.h"

#define MEMORY_STACK ((size_t)256 << 10) /* address space; three pages are touched */
#define MEMORY_PAGE 4096u
#define MEMORY_DUTY 10 /* a costly reading is followed by so many times its time */

enum memory_metric {
    MEMORY_RSS, /* the first four are indexed by enum memory_backend */
    MEMORY_PSS,
    MEMORY_USS,
    MEMORY_TRACED,
    MEMORY_RSS_TOTAL, /* ... and these by it + 4 */
    MEMORY_PSS_TOTAL,
    MEMORY_USS_TOTAL,
    MEMORY_PEAK,
    MEMORY_START,
    MEMORY_END,
    MEMORY_INCREMENT,
    MEMORY_MEAN,
};

enum memory_backend { BACKEND_RSS, BACKEND_PSS, BACKEND_USS, BACKEND_TRACED };

struct memory {
    /* options */
    int64_t interval_ns;
    bool include_children, multiprocess;
    char *backend_name;
    char *plots, *keep; /* for the runner */
    /* session */
    struct prf_sink *sink;
    enum memory_backend backend;
    struct prf_traced traced;
    struct prf_proctree tree;
    pid_t owner;
    bool running, peak_was_reset;
    int64_t peak_before; /* of the kernel, when another began it anew */
    struct memory *next; /* see memory_peaks */
    struct prf_marks marks;
    pthread_t thread;
    sem_t ready, wake; /* a sample was taken; take one now */
    atomic_bool ending;
    /* the thread's, while it runs and `ready` is not awaited */
    struct prf_procmem reader;
    struct prf_rows points;
    unsigned char *sealed; /* points before it are out of memory */
    uint64_t start_ns;
    uint64_t n_samples, n_failed;
    int64_t costliest_ns; /* of a reading that walks pages */
    double first, last, peak, sum;
};

static bool
memory_has_tree(const struct memory *st)
{
    return st->include_children || st->multiprocess;
}

/* ---- the thread ---- */

/* A descriptor table of its own, with nothing in it: copies of the case's descriptors
   would keep pipes open that the case closes. Where the kernel (before 5.9) or a
   sandbox refuses, the readers live in the table of the process, and watch out. */
static void
memory_own_descriptors(void)
{
#if defined(SYS_close_range)
    (void)syscall(SYS_close_range, 0u, ~0u, 1u << 1 /* CLOSE_RANGE_UNSHARE */);
#endif
}

/* Pages of the recording that are full leave this process: they would be part of the
   memory that it measures. */
static void
memory_seal(struct memory *st)
{
    const struct prf_extent *e = &st->points.extent;
    unsigned char *end = e->data + atomic_load(e->used);
    if (st->sealed < e->data || st->sealed > end) {
        st->sealed = e->data;
    }
    if (end - st->sealed > MEMORY_PAGE && st->sink->ops->seal != NULL) {
        struct prf_extent full = {.data = st->sealed,
                                  .capacity = (size_t)(end - st->sealed)};
        st->sink->ops->seal(st->sink, &full);
        st->sealed = end - (uintptr_t)end % MEMORY_PAGE;
    }
}

static void
memory_point(struct memory *st, unsigned series, uint32_t process, uint64_t at_ns,
             double value)
{
    struct prf_rec_point *point = prf_rows_add(&st->points);
    if (point != NULL) {
        *point = (struct prf_rec_point){
            .series = series, .process = process, .at_ns = at_ns, .value = value};
        memory_seal(st);
    }
}

static int64_t
memory_read(struct memory *st)
{
    return st->backend == BACKEND_TRACED ? prf_traced_read(&st->traced)
                                         : prf_procmem_read(&st->reader);
}

static void
memory_sample_children(struct memory *st, uint64_t at_ns)
{
    for (size_t i = 0; st->multiprocess && i < st->tree.n; i++) {
        const struct prf_proctree_child *child = &st->tree.children[i];
        if (child->bytes >= 0) {
            memory_point(st, st->backend, child->number, at_ns, (double)child->bytes);
        }
    }
}

static void
memory_sample(struct memory *st)
{
    uint64_t now = prf_clock_monotonic_ns();
    st->start_ns = st->n_samples == 0 ? now : st->start_ns;
    uint64_t at_ns = now - st->start_ns;
    double value = (double)memory_read(st);
    if (value < 0) {
        st->n_failed++;
        return;
    }
    unsigned series = st->backend;
    if (memory_has_tree(st)) {
        double children = (double)prf_proctree_sample(&st->tree);
        value += st->include_children ? children : 0;
        series += st->include_children ? MEMORY_RSS_TOTAL : 0;
    }
    memory_point(st, series, 0, at_ns, value);
    memory_sample_children(st, at_ns);
    if (st->n_samples++ == 0) {
        st->first = st->peak = value;
    }
    st->last = value;
    st->sum += value;
    st->peak = value > st->peak ? value : st->peak;
}

static int64_t
memory_thread_cpu_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
    return ts.tv_sec * (int64_t)1000000000 + ts.tv_nsec;
}

/* A sample, and how long there is none to be after it. Walking pages takes milliseconds
   of a process's time when it is large, and stops its mmap and page faults meanwhile.
 */
static int64_t
memory_sample_costly(struct memory *st)
{
    int64_t begin_ns = memory_thread_cpu_ns();
    memory_sample(st);
    int64_t cost_ns = memory_thread_cpu_ns() - begin_ns;
    st->costliest_ns = cost_ns > st->costliest_ns ? cost_ns : st->costliest_ns;
    return MEMORY_DUTY * cost_ns;
}

/* Sleep until the deadline; true: somebody wants a sample before it. */
static bool
memory_wait(struct memory *st, uint64_t deadline_ns)
{
    const struct timespec deadline = {.tv_sec = (time_t)(deadline_ns / 1000000000u),
                                      .tv_nsec = (long)(deadline_ns % 1000000000u)};
    int rc;
    do {
        rc = sem_clockwait(&st->wake, CLOCK_MONOTONIC, &deadline);
    } while (rc < 0 && errno == EINTR);
    return rc == 0;
}

static void *
memory_run(void *argument)
{
    struct memory *st = argument;
    uint64_t interval_ns = (uint64_t)st->interval_ns, deadline_ns;
    memory_own_descriptors();
    memory_sample(st);
    deadline_ns = st->start_ns + interval_ns;
    sem_post(&st->ready);
    for (bool ending = false; !ending;) {
        bool woken = memory_wait(st, deadline_ns);
        int64_t rest_ns = 0;
        ending = woken && atomic_load(&st->ending);
        if (st->backend == BACKEND_PSS || st->backend == BACKEND_USS) {
            rest_ns = memory_sample_costly(st);
        } else {
            memory_sample(st); /* the last one too, when it is time to stop */
        }
        if (woken) {
            sem_post(&st->ready);
        }
        /* Ticks that were missed are not made up for. */
        uint64_t now = prf_clock_monotonic_ns() + (uint64_t)rest_ns;
        if (now >= deadline_ns) {
            deadline_ns += ((now - deadline_ns) / interval_ns + 1) * interval_ns;
        }
    }
    prf_procmem_close(&st->reader);
    return NULL;
}

/* Have the thread take a sample, and wait for it: it needs no GIL. */
static void
memory_sample_now(struct memory *st)
{
    sem_post(&st->wake);
    while (sem_wait(&st->ready) < 0) {
    }
}

/* Is there nothing that a thread could read? */
static bool
memory_is_threadless(const struct memory *st)
{
    return st->backend == BACKEND_TRACED && st->traced.counter == NULL;
}

/* No signal of the case's is ever handled by our thread. */
static int
memory_create_thread(struct memory *st, struct prf_error *err)
{
    pthread_attr_t attributes;
    sigset_t all, before;
    sigfillset(&all);
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, MEMORY_STACK);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int rc = pthread_create(&st->thread, &attributes, memory_run, st);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    if (rc != 0) {
        return prf_fail(err, PRF_EIO, "cannot start the thread that samples: %s",
                        strerror(rc));
    }
    pthread_setname_np(st->thread, "memory-time");
    return 0;
}

/* The last sample, and the end of the thread. */
static void
memory_end_samples(struct memory *st)
{
    if (!st->running) {
        return;
    }
    st->running = false;
    if (getpid() != st->owner) {
        return; /* a fork of the case has no such thread */
    }
    if (memory_is_threadless(st)) {
        memory_sample(st);
        return;
    }
    atomic_store(&st->ending, true);
    sem_post(&st->wake);
    pthread_join(st->thread, NULL);
}

static int
memory_begin_samples(struct memory *st, struct prf_error *err)
{
    if (memory_is_threadless(st)) {
        memory_sample(st);
        return 0;
    }
    atomic_store(&st->ending, false);
    int rc = memory_create_thread(st, err);
    while (rc == 0 && sem_wait(&st->ready) < 0) {
    }
    return rc;
}

/* ---- the backend ---- */

static enum memory_backend
memory_find_backend(const char *name)
{
    static const struct {
        const char *name;
        enum memory_backend backend;
    } names[] = {
        {"pss", BACKEND_PSS},
        {"psutil_pss", BACKEND_PSS},
        {"uss", BACKEND_USS},
        {"psutil_uss", BACKEND_USS},
        {"tracemalloc", BACKEND_TRACED},
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(names[i].name, name) == 0) {
            return names[i].backend;
        }
    }
    return BACKEND_RSS;
}

static int
memory_probe(struct prf_error *err)
{
    struct prf_procmem reader;
    int rc = prf_procmem_open(&reader, 0, PRF_PROCMEM_RSS, err);
    if (rc == 0) {
        prf_procmem_close(&reader);
    }
    return rc;
}

static int
memory_open(void *state, const struct prf_session *session, struct prf_error *err)
{
    struct memory *st = state;
    int rc = 0;
    st->sink = session->sink;
    st->owner = getpid();
    st->backend = memory_find_backend(st->backend_name);
    st->reader.fd = -1;
    prf_rows_init(&st->points, st->sink, PRF_CHUNK_SERIES,
                  sizeof(struct prf_rec_point));
    sem_init(&st->ready, 0, 0);
    sem_init(&st->wake, 0, 0);
    if (st->backend == BACKEND_TRACED) {
        if (memory_has_tree(st)) {
            return prf_fail(err, PRF_EUSAGE,
                            "tracemalloc knows this process only: --backend "
                            "tracemalloc excludes --include-children and "
                            "--multiprocess");
        }
        return prf_traced_open(&st->traced, err);
    }
    /* Before the measured region: a kernel that does not tell is an error at once. */
    rc = prf_procmem_open(&st->reader, 0, (enum prf_procmem_kind)st->backend, err);
    prf_procmem_close(&st->reader);
    if (rc == 0 && memory_has_tree(st)) {
        rc = prf_proctree_init(&st->tree, (enum prf_procmem_kind)st->backend, err);
    }
    return rc;
}

/* Those that rely on the kernel's high-water mark, of which there is one; protected by
   the GIL. */
static struct memory *memory_peaks;

/* The mark begins anew; what it showed so far is kept for the others. */
static void
memory_peak_begin(struct memory *st)
{
    for (struct memory *other = memory_peaks; other != NULL; other = other->next) {
        int64_t peak = prf_procmem_peak();
        other->peak_before = peak > other->peak_before ? peak : other->peak_before;
    }
    st->peak_before = 0;
    st->peak_was_reset = prf_procmem_reset_peak();
    if (st->peak_was_reset) {
        st->next = memory_peaks;
        memory_peaks = st;
    }
}

static void
memory_peak_end(struct memory *st)
{
    struct memory **p = &memory_peaks;
    while (*p != NULL && *p != st) {
        p = &(*p)->next;
    }
    if (*p == st) {
        *p = st->next;
    }
}

static int
memory_start(void *state, struct prf_round *round, struct prf_error *err)
{
    struct memory *st = state;
    int rc = 0;
    (void)round;
    if (st->backend == BACKEND_TRACED) {
        rc = prf_traced_start(&st->traced, err);
    } else if (st->backend == BACKEND_RSS) {
        memory_peak_begin(st);
    }
    if (rc == 0) {
        rc = memory_begin_samples(st, err);
    }
    if (rc < 0) {
        memory_peak_end(st);
        prf_traced_stop(&st->traced);
        return rc;
    }
    st->running = true;
    prf_marks_begin(&st->marks, st->start_ns);
    return 0;
}

/* What the kernel saw between the samples: the case alone is part of any sum. */
static void
memory_true_peak(struct memory *st)
{
    int64_t bytes[2] = {-1, -1};
    if (st->backend == BACKEND_TRACED && !st->traced.was_tracing) {
        prf_traced_ask(&st->traced, bytes);
    } else if (st->peak_was_reset) {
        bytes[1] = prf_procmem_peak();
        bytes[1] = bytes[1] > st->peak_before ? bytes[1] : st->peak_before;
    }
    st->peak = (double)bytes[1] > st->peak ? (double)bytes[1] : st->peak;
}

static int
memory_stop(void *state, const struct prf_round *round, struct prf_error *err)
{
    struct memory *st = state;
    (void)round;
    (void)err;
    memory_end_samples(st);
    if (st->n_samples > 0) {
        memory_true_peak(st);
    }
    memory_peak_end(st);
    prf_traced_stop(&st->traced);
    return PRF_DONE;
}

static void
memory_mark(void *state, const char *name)
{
    struct memory *st = state;
    if (getpid() != st->owner) {
        return; /* a fork has no part in the result */
    }
    prf_marks_add(&st->marks, st->sink, name);
    if (st->running && memory_is_threadless(st)) {
        memory_sample(st);
    } else if (st->running) {
        memory_sample_now(st);
    }
    st->marks.last_ns = prf_clock_monotonic_ns(); /* without what the sample took */
}

static void
memory_note_costs(const struct memory *st, struct prf_sink *sink)
{
    char note[192];
    if (st->costliest_ns * MEMORY_DUTY > st->interval_ns) {
        snprintf(note, sizeof note,
                 "reading '%s' took up to %.1f ms: samples are further apart than the "
                 "interval where it would have taken more than a tenth of the time",
                 st->backend_name, (double)st->costliest_ns / 1e6);
        prf_sink_info(sink, PRF_INFO_NOTE, note);
    }
}

static void
memory_note(const struct memory *st, struct prf_sink *sink)
{
    memory_note_costs(st, sink);
    if (st->backend == BACKEND_RSS && !st->peak_was_reset) {
        prf_sink_info(sink, PRF_INFO_NOTE,
                      "the kernel does not let the high-water mark begin anew "
                      "(/proc/self/clear_refs): the peak is that of the samples");
    }
    if (st->traced.was_tracing && st->n_samples > 0) {
        prf_sink_info(sink, PRF_INFO_NOTE,
                      "tracemalloc was tracing before the case began: what was "
                      "allocated earlier counts, and the peak is that of the samples");
    }
    if (memory_is_threadless(st)) {
        char note[192];
        snprintf(note, sizeof note,
                 "there are samples at the start, at marks and at the end only: "
                 "tracemalloc's count is not found (%s)",
                 st->traced.slow != NULL ? st->traced.slow : "not looked for");
        prf_sink_info(sink, PRF_INFO_NOTE, note);
    }
    if (st->n_failed > 0) {
        sink->ops->lost(sink, st->n_failed);
    }
    if (st->tree.n_missed > 0) {
        prf_sink_info(sink, PRF_INFO_NOTE,
                      "there were more child processes at once than are followed "
                      "(1024): the others are not in the result");
    }
}

static int
memory_collect(void *state, struct prf_sink *sink, struct prf_error *err)
{
    struct memory *st = state;
    struct prf_rows samples;
    (void)err;
    memory_note(st, sink);
    if (st->n_samples == 0) {
        return 0;
    }
    prf_rows_init(&samples, sink, PRF_CHUNK_SAMPLE, sizeof(struct prf_rec_sample));
    prf_sink_sample(&samples, MEMORY_PEAK, 0, st->peak);
    prf_sink_sample(&samples, MEMORY_START, 0, st->first);
    prf_sink_sample(&samples, MEMORY_END, 0, st->last);
    prf_sink_sample(&samples, MEMORY_INCREMENT, 0, st->peak - st->first);
    prf_sink_sample(&samples, MEMORY_MEAN, 0, st->sum / (double)st->n_samples);
    return 0;
}

static void
memory_close(void *state)
{
    struct memory *st = state;
    memory_end_samples(st);
    memory_peak_end(st);
    prf_traced_close(&st->traced);
    prf_proctree_release(&st->tree);
}

static const char *const memory_aliases[] = {"memory-profiler-time", NULL};

static const struct prf_metric memory_metrics[] = {
    [MEMORY_RSS] = {"rss", "bytes", PRF_SCOPE_SERIES, PRF_BETTER_LESS, PRF_FOLD_NONE,
                    "resident set of a process"},
    [MEMORY_PSS] = {"pss", "bytes", PRF_SCOPE_SERIES, PRF_BETTER_LESS, PRF_FOLD_NONE,
                    "resident set of a process, its part of shared pages"},
    [MEMORY_USS] = {"uss", "bytes", PRF_SCOPE_SERIES, PRF_BETTER_LESS, PRF_FOLD_NONE,
                    "resident set of a process, without shared pages"},
    [MEMORY_TRACED] = {"traced", "bytes", PRF_SCOPE_SERIES, PRF_BETTER_LESS,
                       PRF_FOLD_NONE, "what Python allocated and did not free"},
    [MEMORY_RSS_TOTAL] = {"rss_total", "bytes", PRF_SCOPE_SERIES, PRF_BETTER_LESS,
                          PRF_FOLD_NONE, "resident sets of the case and its children"},
    [MEMORY_PSS_TOTAL] = {"pss_total", "bytes", PRF_SCOPE_SERIES, PRF_BETTER_LESS,
                          PRF_FOLD_NONE, "the same with their parts of shared pages"},
    [MEMORY_USS_TOTAL] = {"uss_total", "bytes", PRF_SCOPE_SERIES, PRF_BETTER_LESS,
                          PRF_FOLD_NONE, "the same without shared pages"},
    [MEMORY_PEAK] = {"peak", "bytes", PRF_SCOPE_RESULT, PRF_BETTER_LESS, PRF_FOLD_NONE,
                     "most memory at one time"},
    [MEMORY_START] = {"start", "bytes", PRF_SCOPE_RESULT, PRF_BETTER_NONE,
                      PRF_FOLD_NONE, "memory before the case"},
    [MEMORY_END] = {"end", "bytes", PRF_SCOPE_RESULT, PRF_BETTER_NONE, PRF_FOLD_NONE,
                    "memory after the case"},
    [MEMORY_INCREMENT] = {"increment", "bytes", PRF_SCOPE_RESULT, PRF_BETTER_LESS,
                          PRF_FOLD_NONE, "from the start to the peak"},
    [MEMORY_MEAN] = {"mean", "bytes", PRF_SCOPE_RESULT, PRF_BETTER_LESS, PRF_FOLD_NONE,
                     "mean of the samples"},
    {NULL},
};

static const struct prf_option memory_options[] = {
    {.type = PRF_OPT_DURATION,
     .short_name = 'T',
     .name = "interval",
     .offset = offsetof(struct memory, interval_ns),
     .def = "0.1",
     .min = 0.001,
     .max = 3600,
     .unit = "TIME",
     .help = "time between samples, in seconds or as '10ms'; at least 1ms"},
    {.type = PRF_OPT_FLAG,
     .short_name = 'C',
     .name = "include-children",
     .offset = offsetof(struct memory, include_children),
     .help = "the sum over the case and the processes that it starts"},
    {.type = PRF_OPT_FLAG,
     .short_name = 'M',
     .name = "multiprocess",
     .offset = offsetof(struct memory, multiprocess),
     .help = "a curve for each process that the case starts"},
    {.type = PRF_OPT_CHOICE,
     .name = "backend",
     .offset = offsetof(struct memory, backend_name),
     .def = "rss",
     .choices = "rss|pss|uss|tracemalloc|psutil|psutil_pss|psutil_uss|posix",
     .help = "which memory: resident, with a part of what is shared (pss), without "
             "(uss), or what Python allocated"},
    {.type = PRF_OPT_STRING,
     .name = "plots-directory",
     .offset = offsetof(struct memory, plots),
     .unit = "FOLDER",
     .choices = "svg",
     .flags = PRF_OPT_OUTPUT,
     .help = "write a plot of each result to this folder"},
    {.type = PRF_OPT_STRING,
     .name = "keep-file",
     .offset = offsetof(struct memory, keep),
     .unit = "FOLDER",
     .choices = "mprof",
     .implied = "./",
     .flags = PRF_OPT_OUTPUT | PRF_OPT_OPTIONAL,
     .help = "write the samples of each result to a file that mprof reads"},
    PRF_OPTIONS_END,
};

const struct prf_backend prf_memory_time = {
    .abi = PRF_BACKEND_ABI,
    .name = "memory-time",
    .aliases = memory_aliases,
    .summary = "resident memory over time, with children and marks; true peak",
    .state_size = sizeof(struct memory),
    .metrics = memory_metrics,
    .options = memory_options,
    .probe = memory_probe,
    .open = memory_open,
    .start = memory_start,
    .stop = memory_stop,
    .mark = memory_mark,
    .collect = memory_collect,
    .close = memory_close,
};
