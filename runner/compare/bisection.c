/* The model of a bisection; see bisection.h. */
#include "bisection.h"

#include <stdlib.h>

const char *
prf_bisect_outcome_name(enum prf_bisect_outcome outcome)
{
    static const char *const names[] = {
        [PRF_BISECT_FOUND] = "found",
        [PRF_BISECT_SAME] = "same",
        [PRF_BISECT_STUCK] = "stuck",
        [PRF_BISECT_STOPPED] = "stopped",
    };
    return names[outcome];
}

bool
prf_bisect_is_worse(const struct prf_bisect_answer *answer)
{
    return answer->better == PRF_BETTER_MORE ? answer->ratio < 1 : answer->ratio > 1;
}

void
prf_bisection_release(struct prf_bisection *bisection)
{
    free(bisection->answers);
    free(bisection->skips);
    prf_arena_release(&bisection->arena);
    *bisection = (struct prf_bisection){0};
}
