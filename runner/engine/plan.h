/* Cases × profilers: what will be run, and what is skipped and why. */
#ifndef PRF_PLAN_H
#define PRF_PLAN_H

#include <stddef.h>

#include <pyprofiler/error.h>

#include "arena.h"
#include "describe.h"
#include "targets.h"

struct prf_item {
    const struct prf_case *kase;
    const struct prf_profiler *profiler;
    const char *skip;   /* the reason, NULL: it runs */
    const char *wrong;  /* what the case asks for cannot be: an error; NULL: nothing */
    const char **notes; /* ends with NULL */
};

struct prf_plan {
    struct prf_arena arena;
    struct prf_item *items; /* by case, in the file's order, then by profiler */
    size_t n;
};

struct prf_plan_request {
    const struct prf_target *target;
    const char *expression; /* -k, checked; NULL: all */
    const struct prf_profiler *const *chosen;
    size_t n_chosen;
    const struct prf_profilers *known; /* to judge the names in decorators */
};

/* PRF_ENOMEM. An empty plan is no error. The plan borrows from `file` and `request`. */
int prf_plan_build(struct prf_plan *plan, const struct prf_case_file *file,
                   const struct prf_plan_request *request, struct prf_error *err);
void prf_plan_release(struct prf_plan *plan);

#endif
