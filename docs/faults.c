/* faults: what a case asks of the kernel, per execution of its body: page faults and
   context switches. A profiler from outside the tree; see writing-a-profiler.md. */
#include <sys/resource.h>

#include <pyprofiler/backend.h>

enum { METRIC_MINOR, METRIC_MAJOR, METRIC_WAITED, METRIC_PREEMPTED, N_METRICS };

struct faults {
    uint64_t rounds; /* option */
    uint64_t done;
    struct rusage before;
    struct prf_rows samples;
};

static int
faults_open(void *state, const struct prf_session *session, struct prf_error *err)
{
    struct faults *f = state;
    (void)err;
    prf_rows_init(&f->samples, session->sink, PRF_CHUNK_SAMPLE,
                  sizeof(struct prf_rec_sample));
    return 0;
}

static int
faults_start(void *state, struct prf_round *round, struct prf_error *err)
{
    struct faults *f = state;
    (void)round; /* loops stays 1: the counters are exact */
    if (getrusage(RUSAGE_SELF, &f->before) != 0) {
        return prf_fail(err, PRF_EIO, "cannot read the counters of this process");
    }
    return 0;
}

static int
faults_stop(void *state, const struct prf_round *round, struct prf_error *err)
{
    struct faults *f = state;
    struct rusage now;
    (void)round;
    if (getrusage(RUSAGE_SELF, &now) != 0) {
        return prf_fail(err, PRF_EIO, "cannot read the counters of this process");
    }
    const long counts[N_METRICS] = {
        [METRIC_MINOR] = now.ru_minflt - f->before.ru_minflt,
        [METRIC_MAJOR] = now.ru_majflt - f->before.ru_majflt,
        [METRIC_WAITED] = now.ru_nvcsw - f->before.ru_nvcsw,
        [METRIC_PREEMPTED] = now.ru_nivcsw - f->before.ru_nivcsw,
    };
    for (uint32_t i = 0; i < N_METRICS; i++) {
        prf_sink_sample(&f->samples, i, 0, (double)counts[i]);
    }
    return ++f->done < f->rounds ? PRF_MORE : PRF_DONE;
}

static int
faults_collect(void *state, struct prf_sink *sink, struct prf_error *err)
{
    (void)state; /* every round has written its samples */
    (void)sink;
    (void)err;
    return 0;
}

static void
faults_close(void *state)
{
    (void)state;
}

static const struct prf_metric faults_metrics[] = {
    [METRIC_MINOR] = {"minor_faults", "count", PRF_SCOPE_RESULT, PRF_BETTER_LESS,
                      PRF_FOLD_NONE, "pages that were mapped without reading a disk"},
    [METRIC_MAJOR] = {"major_faults", "count", PRF_SCOPE_RESULT, PRF_BETTER_LESS,
                      PRF_FOLD_NONE, "pages that were read from a disk"},
    [METRIC_WAITED] = {"waits", "count", PRF_SCOPE_RESULT, PRF_BETTER_LESS,
                       PRF_FOLD_NONE, "times the process gave up the processor"},
    [METRIC_PREEMPTED] = {"preemptions", "count", PRF_SCOPE_RESULT, PRF_BETTER_LESS,
                          PRF_FOLD_NONE, "times the processor was taken from it"},
    [N_METRICS] = {NULL},
};

static const struct prf_option faults_options[] = {
    {.type = PRF_OPT_UINT,
     .name = "rounds",
     .offset = offsetof(struct faults, rounds),
     .def = "5",
     .min = 1,
     .max = 1000000,
     .unit = "N",
     .help = "how often the body is executed"},
    PRF_OPTIONS_END,
};

__attribute__((visibility("default"))) const struct prf_backend prf_backend_export = {
    .abi = PRF_BACKEND_ABI,
    .name = "faults",
    .summary = "page faults and context switches",
    .caps = PRF_CAP_ROUNDS,
    .state_size = sizeof(struct faults),
    .metrics = faults_metrics,
    .options = faults_options,
    .open = faults_open,
    .start = faults_start,
    .stop = faults_stop,
    .collect = faults_collect,
    .close = faults_close,
};
