/* What the latest run costs to show, in a small store and in a large one:

     bench_store [SMALL [LARGE]]        10,000 and 1,000,000 results unless said

   Both figures are medians of opening the store, loading every result of its newest run
   with sites and edges, and closing it. Exits with 1 when the large store takes more
   than 0.1 s, or more than half as much again as the small one. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "path.h"
#include "sqlite_store.h"

#define RESULTS_PER_RUN 100
#define REPEATS 25
#define BAR_S 0.1
#define GROWTH_BAR 1.5

static double
seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void
need(int rc, const struct prf_error *err)
{
    if (rc != 0) {
        fprintf(stderr, "bench_store: %s\n", err->text);
        exit(2);
    }
}

static void
add_run(struct prf_store *store, long number, char id[PRF_ID_SIZE])
{
    struct prf_error err = {0};
    char commit[41];
    snprintf(commit, sizeof commit, "%040lx", number);
    prf_store_new_id(id);
    struct prf_run run = {
        .id = id,
        .started_ns = number,
        .commit = {.id = commit, .branch = "main", .tree = commit, .root = "/project"},
        .python = {.version = "3.11.2",
                   .executable = "/usr/bin/python3",
                   .host = "embed"},
        .machine = {.fingerprint = "f", .hostname = "box", .n_cpus = 2},
    };
    need(prf_store_add_run(store, &run, &err), &err);
}

/* As the stopwatch gives them: two metrics of twenty rounds, one mark. */
static void
add_result(struct prf_store *store, const char *run_id, long number)
{
    struct prf_error err = {0};
    char id[PRF_ID_SIZE];
    char case_id[64];
    double samples[20];
    for (int i = 0; i < 20; i++) {
        samples[i] = 1e6 + (double)(number * 31 + i * 17 % 1000);
    }
    struct prf_metric_values metrics[2] = {
        {"wall_time", "ns", PRF_BETTER_LESS, samples, 20, 2},
        {"cpu_time", "ns", PRF_BETTER_LESS, samples, 20, 2},
    };
    struct prf_mark mark = {"generated", 12.0, 12.0, 20};
    struct prf_profile profile = {.metrics = metrics,
                                  .n_metrics = 2,
                                  .marks = &mark,
                                  .n_marks = 1,
                                  .status = "ok",
                                  .phase = "done",
                                  .rounds = "{\"rounds\": 20, \"loops\": 100}"};
    snprintf(case_id, sizeof case_id, "cases/bench.py::Bench::profile_%03ld",
             number % RESULTS_PER_RUN);
    prf_store_new_id(id);
    struct prf_result result = {.id = id,
                                .run_id = run_id,
                                .case_id = case_id,
                                .case_file = "/project/cases/bench.py",
                                .profiler = "stopwatch",
                                .profile = &profile};
    need(prf_store_add_result(store, &result, &err), &err);
}

static void
fill(const char *path, long from, long to)
{
    struct prf_store *store = NULL;
    struct prf_error err = {0};
    char run_id[PRF_ID_SIZE];
    need(prf_store_open(path, PRF_STORE_WRITE, &store, &err), &err);
    /* Filling is not what is measured: nothing is logged or synced, nobody else waits.
     */
    need(prf_sql_script((struct prf_sqlite *)store,
                        "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;"
                        "PRAGMA locking_mode = EXCLUSIVE; PRAGMA cache_size = -200000",
                        &err),
         &err);
    double start = seconds();
    for (long i = from; i < to; i++) {
        if (i % RESULTS_PER_RUN == 0) {
            add_run(store, i / RESULTS_PER_RUN, run_id);
        }
        add_result(store, run_id, i);
    }
    printf("%9ld results added at %.0f per second\n", to - from,
           (double)(to - from) / (seconds() - start));
    prf_store_close(store);
    need(prf_store_open(path, PRF_STORE_WRITE, &store, &err),
         &err); /* with a log again */
    prf_store_close(store);
}

static int
count(const struct prf_run *run, const struct prf_result *result, void *arg)
{
    (void)run;
    *(long *)arg += result->profile->n_metrics == 2;
    return 0;
}

static int
compare(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Median seconds of what `show` asks of the store. */
static double
show(const char *path, long n_results)
{
    double taken[REPEATS];
    for (int i = 0; i < REPEATS; i++) {
        struct prf_store *store = NULL;
        struct prf_error err = {0};
        struct prf_query query = {.latest_run = true};
        long n = 0;
        double start = seconds();
        need(prf_store_open(path, PRF_STORE_READ, &store, &err), &err);
        need(prf_store_select(store, &query, true, count, &n, &err), &err);
        prf_store_close(store);
        taken[i] = seconds() - start;
        if (n != RESULTS_PER_RUN) {
            fprintf(stderr, "bench_store: %ld results in the latest run\n", n);
            exit(2);
        }
    }
    qsort(taken, REPEATS, sizeof *taken, compare);
    printf("%9ld results in the store: latest run of %d in %.2f ms (%.2f to %.2f)\n",
           n_results, RESULTS_PER_RUN, taken[REPEATS / 2] * 1e3, taken[0] * 1e3,
           taken[REPEATS - 1] * 1e3);
    return taken[REPEATS / 2];
}

int
main(int argc, char **argv)
{
    long small = argc > 1 ? strtol(argv[1], NULL, 10) : 10000;
    long large = argc > 2 ? strtol(argv[2], NULL, 10) : 1000000;
    const char *tmp = getenv("TMPDIR");
    char folder[256];
    small -= small % RESULTS_PER_RUN;
    large -= large % RESULTS_PER_RUN;
    snprintf(folder, sizeof folder, "%s/bench-store-XXXXXX",
             tmp == NULL ? "/tmp" : tmp);
    if (small <= 0 || large <= small || mkdtemp(folder) == NULL) {
        fprintf(stderr, "usage: bench_store [SMALL [LARGE]]\n");
        return 4;
    }
    char *path = prf_path_join(folder, "results.db");
    fill(path, 0, small);
    double before = show(path, small);
    fill(path, small, large);
    double after = show(path, large);
    prf_path_remove_tree(folder);
    free(path);
    printf("ratio %.2f (bar %.2f), %.1f ms (bar %.0f ms)\n", after / before, GROWTH_BAR,
           after * 1e3, BAR_S * 1e3);
    return after < BAR_S && after / before < GROWTH_BAR ? 0 : 1;
}
