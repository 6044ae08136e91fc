/* Runs and results; see result.h. */
#include "result.h"

#include <string.h>

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
