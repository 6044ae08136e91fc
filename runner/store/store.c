/* The store as its callers see it: opens the implementation and passes calls on. Knows
   no SQL. See store.h. */
#include "store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "path.h"
#include "store_ops.h"

/* A folder of ours hides itself from git. A folder the user named (--store) and had
   before is left alone: ignoring all of it could hide their files. */
static int
store_make_folder(const char *folder, struct prf_error *err)
{
    bool existed = prf_path_is_dir(folder);
    struct prf_error why = {0};
    if (!existed && prf_path_mkdirs(folder, &why) < 0) {
        return prf_fail(err, PRF_ESTORE, "%s", why.text);
    }
    if (existed && strcmp(prf_path_basename(folder), ".pyprofiler") != 0) {
        return 0;
    }
    char *ignore = prf_path_join(folder, ".gitignore");
    if (ignore == NULL) {
        return prf_fail(err, PRF_ENOMEM, "out of memory");
    }
    /* No error of its own: a folder that cannot be written is told by opening the
     * store. */
    int fd = open(ignore, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd >= 0) {
        if (write(fd, "*\n", 2) != 2) {
            unlink(ignore);
        }
        close(fd);
    }
    free(ignore);
    return 0;
}

static int
store_check_path(const char *path, enum prf_store_mode mode, struct prf_error *err)
{
    struct stat st;
    if (stat(path, &st) == 0) {
        if (!S_ISREG(st.st_mode)) {
            return prf_fail(err, PRF_ESTORE,
                            "'%s' is not a file: move it away, or name another store",
                            path);
        }
        return 0;
    }
    if (errno != ENOENT) {
        return prf_fail(err, PRF_ESTORE, "cannot open '%s': %s", path, strerror(errno));
    }
    if (mode == PRF_STORE_READ) {
        return prf_fail(err, PRF_ENOTFOUND,
                        "no results yet: '%s' does not exist, the first run makes it",
                        path);
    }
    return 0;
}

int
prf_store_prepare(const char *path, struct prf_error *err)
{
    char *folder = prf_path_dirname(path);
    int rc = folder == NULL ? prf_fail(err, PRF_ENOMEM, "out of memory")
                            : store_make_folder(folder, err);
    free(folder);
    return rc;
}

int
prf_store_open(const char *path, enum prf_store_mode mode, struct prf_store **out,
               struct prf_error *err)
{
    int rc = store_check_path(path, mode, err);
    if (rc == 0 && mode == PRF_STORE_WRITE) {
        rc = prf_store_prepare(path, err);
    }
    return rc < 0 ? rc : prf_sqlite_open(path, mode, out, err);
}

void
prf_store_close(struct prf_store *store)
{
    if (store != NULL) {
        store->ops->close(store);
    }
}

int
prf_store_add_run(struct prf_store *store, const struct prf_run *run,
                  struct prf_error *err)
{
    return store->ops->add_run(store, run, err);
}

int
prf_store_add_result(struct prf_store *store, const struct prf_result *result,
                     struct prf_error *err)
{
    return store->ops->add_result(store, result, err);
}

int
prf_store_finish_run(struct prf_store *store, const char *run_id, int64_t duration_ns,
                     struct prf_error *err)
{
    return store->ops->finish_run(store, run_id, duration_ns, err);
}

int
prf_store_select(struct prf_store *store, const struct prf_query *query,
                 bool with_profile, prf_store_visit *visit, void *arg,
                 struct prf_error *err)
{
    return store->ops->select(store, query, with_profile, visit, arg, err);
}

int
prf_store_series(struct prf_store *store, prf_store_visit_series *visit, void *arg,
                 struct prf_error *err)
{
    return store->ops->series(store, visit, arg, err);
}

int
prf_store_earlier(struct prf_store *store, const struct prf_earlier_query *query,
                  prf_store_visit_earlier *visit, void *arg, struct prf_error *err)
{
    return store->ops->earlier(store, query, visit, arg, err);
}

int
prf_store_points(struct prf_store *store, const char *case_id, const char *profiler,
                 prf_store_visit_point *visit, void *arg, struct prf_error *err)
{
    return store->ops->points(store, case_id, profiler, visit, arg, err);
}

int
prf_store_side(struct prf_store *store, const struct prf_side_query *query,
               struct prf_side_results *out, struct prf_error *err)
{
    *out = (struct prf_side_results){0};
    return store->ops->side(store, query, out, err);
}

void
prf_side_results_release(struct prf_side_results *results)
{
    for (size_t i = 0; i < results->n_runs; i++) {
        prf_run_release(&results->runs[i]);
    }
    prf_arena_release(&results->arena);
    *results = (struct prf_side_results){0};
}

int
prf_store_find_run(struct prf_store *store, const char *beginning,
                   struct prf_arena *arena, const char **out, struct prf_error *err)
{
    return store->ops->find_run(store, beginning, arena, out, err);
}

int
prf_store_save_baseline(struct prf_store *store, const char *name,
                        const char *const *run_ids, struct prf_error *err)
{
    if (*name == '\0') {
        return prf_fail(err, PRF_EUSAGE, "a baseline needs a name");
    }
    if (run_ids == NULL || run_ids[0] == NULL) {
        return prf_fail(err, PRF_EUSAGE, "there is nothing to save as baseline '%s'",
                        name);
    }
    return store->ops->save_baseline(store, name, run_ids, err);
}

int
prf_store_baselines(struct prf_store *store, struct prf_strlist *out,
                    struct prf_error *err)
{
    return store->ops->baselines(store, out, err);
}

int
prf_store_dirty_trees(struct prf_store *store, size_t max, struct prf_arena *arena,
                      struct prf_dirty_tree **out, size_t *n, struct prf_error *err)
{
    return store->ops->dirty_trees(store, max, arena, out, n, err);
}

int
prf_store_recording(struct prf_store *store, const char *result_id,
                    struct prf_recording_map *out, struct prf_error *err)
{
    *out = (struct prf_recording_map){0};
    return store->ops->recording(store, result_id, out, err);
}

void
prf_recording_unmap(struct prf_recording_map *map)
{
    if (map->data != NULL) {
        munmap((void *)map->data, map->size);
    }
    *map = (struct prf_recording_map){0};
}

int
prf_store_describe(struct prf_store *store, struct prf_store_info *info,
                   struct prf_error *err)
{
    return store->ops->describe(store, info, err);
}

/* Nanoseconds since 1970, never the same twice in this process. */
static uint64_t
store_unique_ns(void)
{
    static _Atomic uint64_t last_ns;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    uint64_t ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
    uint64_t last = atomic_load(&last_ns);
    do {
        if (ns <= last) {
            ns = last + 1;
        }
    } while (!atomic_compare_exchange_weak(&last_ns, &last, ns));
    return ns;
}

/* 13 digits of 5 bits, most significant first, so that texts sort as the numbers. */
static void
store_base32(uint64_t value, char out[13])
{
    static const char digits[] = "0123456789abcdefghjkmnpqrstvwxyz"; /* Crockford's */
    for (int i = 12; i >= 0; i--) {
        out[i] = digits[value & 31];
        value >>= 5;
    }
}

void
prf_store_new_id(char out[PRF_ID_SIZE])
{
    uint64_t ns = store_unique_ns();
    uint64_t random = 0;
    if (getrandom(&random, sizeof random, 0) != (ssize_t)sizeof random) {
        /* No random source (a seccomp filter): processes still differ by their id. */
        random = ns * 0x9e3779b97f4a7c15u ^ (uint64_t)getpid() << 32;
    }
    store_base32(ns, out);
    store_base32(random, out + 13);
    out[PRF_ID_SIZE - 1] = '\0';
}
