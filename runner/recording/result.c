/* Runs and results; see result.h. */
#include "result.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

static const char *const status_names[] = {
    [PRF_STATUS_OK] = "ok",           [PRF_STATUS_FAILED] = "failed",
    [PRF_STATUS_CRASHED] = "crashed", [PRF_STATUS_TIMEOUT] = "timeout",
    [PRF_STATUS_SKIPPED] = "skipped", [PRF_STATUS_ERROR] = "error",
};

const char *
prf_status_name(enum prf_status status)
{
    return status_names[status];
}

int
prf_status_parse(const char *name)
{
    for (size_t i = 0; i < sizeof status_names / sizeof *status_names; i++) {
        if (strcmp(name, status_names[i]) == 0) {
            return (int)i;
        }
    }
    return -1;
}

static void
result_random_hex(char *out, size_t n_bytes)
{
    unsigned char bytes[16] = {0};
    if (getrandom(bytes, n_bytes, 0) < 0) {
        struct timespec now;
        clock_gettime(CLOCK_REALTIME, &now);
        uint64_t mixed = (uint64_t)now.tv_nsec ^ ((uint64_t)now.tv_sec << 30) ^
                         ((uint64_t)getpid() << 40);
        memcpy(bytes, &mixed, sizeof mixed);
    }
    for (size_t i = 0; i < n_bytes; i++) {
        snprintf(out + 2 * i, 3, "%02x", bytes[i]);
    }
}

/* "20260131T120000-123456-9f86d081" */
const char *
prf_run_new_id(struct prf_arena *arena, int64_t started_ns)
{
    char text[48], hex[12];
    time_t seconds = (time_t)(started_ns / 1000000000);
    struct tm tm;
    gmtime_r(&seconds, &tm);
    result_random_hex(hex, 4);
    size_t n = strftime(text, sizeof text, "%Y%m%dT%H%M%S-", &tm);
    snprintf(text + n, sizeof text - n, "%06d-%s", (int)(started_ns / 1000 % 1000000),
             hex);
    return prf_arena_strdup(arena, text);
}

const char *
prf_result_new_id(struct prf_arena *arena)
{
    char hex[20];
    result_random_hex(hex, 8);
    return prf_arena_strdup(arena, hex);
}

void
prf_run_release(struct prf_run *run)
{
    struct prf_arena arena = run->arena;
    prf_arena_release(&arena);
    *run = (struct prf_run){0};
}

void
prf_result_release(struct prf_result *result)
{
    struct prf_arena arena = result->arena;
    prf_profile_free(result->profile);
    prf_arena_release(&arena);
    *result = (struct prf_result){0};
}
