/* How a comparison exits inside `git bisect run`; see compare_bisect.h. */
#include "compare_bisect.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "command.h"
#include "compare.h"

const struct prf_option prf_compare_bisect_table[] = {
    {PRF_OPT_FLAG, 0, "bisect", NULL,
     offsetof(struct prf_compare_bisect_options, bisect),
     .help = "for git bisect run: measure (--run) and exit with 0 for good, 1 for bad, "
             "125 for what cannot be told"},
    PRF_OPTIONS_END,
};

bool
prf_compare_is_bisect(int argc, char **argv)
{
    bool asked = false;
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        asked = strcmp(argv[i], "--bisect") == 0 ||
                (asked && strcmp(argv[i], "--no-bisect") != 0);
    }
    return asked;
}

void
prf_compare_bisect_prepare(struct prf_comparing *c)
{
    c->options.measure.run = c->options.measure.run || c->options.bisect.bisect;
}

bool
prf_compare_first_decides(const struct prf_comparing *c)
{
    return c->options.bisect.bisect && c->options.metrics.n == 0;
}

/* Worse is bad whatever the others say; good is only what is known of all. */
static int
bisect_judge(const struct prf_comparison *comparison, const char **why)
{
    bool clear = true, worse = prf_comparison_broken(comparison) > 0;
    size_t n = 0;
    for (size_t i = 0; i < comparison->n; i++) {
        const struct prf_compared *item = &comparison->items[i];
        bool compared = item->uncompared == PRF_COMPARED;
        if (item->aside) {
            continue;
        }
        worse |= compared && item->change.verdict == PRF_VERDICT_SLOWER;
        n += compared;
        clear = clear && compared && item->change.verdict != PRF_VERDICT_INCONCLUSIVE;
    }
    if (worse) {
        *why = "bad: something got worse";
        return PRF_EXIT_FAILED;
    }
    *why = n == 0 ? "cannot be told: nothing was compared"
           : clear
               ? "good"
               : "cannot be told: not all of it was measured, or it is inconclusive";
    return n > 0 && clear ? PRF_EXIT_OK : PRF_EXIT_UNMEASURABLE;
}

int
prf_compare_bisect_exit(const struct prf_comparing *c, int rc)
{
    const char *why = "cannot be told: there is no comparison";
    int code = PRF_EXIT_UNMEASURABLE;
    if (rc == 0 && c->comparison.interrupted) {
        why = "cannot be told: interrupted";
    } else if (rc == 0) {
        code = bisect_judge(&c->comparison, &why);
    }
    fprintf(stderr, "pyprofiler: %s\n", why);
    return code;
}
