/* Verdicts of a comparison's items, and what they amount to; see comparison.h. */
#include "comparison.h"

#include <stdlib.h>

static bool
comparison_is_judged(const struct prf_compared *item)
{
    return item->uncompared == PRF_COMPARED && item->metric != NULL;
}

void
prf_comparison_thresholds(struct prf_comparison *comparison)
{
    for (size_t i = 0; i < comparison->n; i++) {
        struct prf_compared *item = &comparison->items[i];
        item->threshold = prf_change_threshold(&comparison->rules, item->unit);
    }
}

/* The items' changes one behind the other and back again: q-values need them all. */
int
prf_comparison_judge(struct prf_comparison *comparison, struct prf_error *err)
{
    struct prf_change *changes = malloc((comparison->n + 1) * sizeof *changes);
    double *thresholds = malloc((comparison->n + 1) * sizeof *thresholds);
    size_t n = 0;
    int rc = 0;
    if (changes == NULL || thresholds == NULL) {
        rc = prf_fail(err, PRF_ENOMEM, "out of memory");
        goto out;
    }
    for (size_t i = 0; i < comparison->n; i++) {
        if (comparison_is_judged(&comparison->items[i])) {
            thresholds[n] = comparison->items[i].threshold;
            changes[n++] = comparison->items[i].change;
        }
    }
    if ((rc = prf_change_judge(changes, n, thresholds, &comparison->rules, err)) != 0) {
        goto out;
    }
    for (size_t i = 0, k = 0; i < comparison->n; i++) {
        if (comparison_is_judged(&comparison->items[i])) {
            comparison->items[i].change = changes[k++];
        }
    }
out:
    free(changes);
    free(thresholds);
    return rc;
}

size_t
prf_comparison_regressions(const struct prf_comparison *comparison)
{
    size_t n = 0;
    for (size_t i = 0; i < comparison->n; i++) {
        n += comparison_is_judged(&comparison->items[i]) &&
             comparison->items[i].change.verdict == PRF_VERDICT_SLOWER;
    }
    return n;
}

size_t
prf_comparison_broken(const struct prf_comparison *comparison)
{
    size_t n = 0;
    for (size_t i = 0; i < comparison->n; i++) {
        for (size_t k = 0; k < comparison->items[i].n_clauses; k++) {
            n += comparison->items[i].clauses[k].broken;
        }
    }
    return n;
}

void
prf_comparison_release(struct prf_comparison *comparison)
{
    prf_arena_release(&comparison->arena);
    *comparison = (struct prf_comparison){0};
}
