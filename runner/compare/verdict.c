/* From numbers to verdicts: one suite at a time, or look by look; see change.h. */
#include "verdict.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "distributions.h"
#include "fdr.h"

/* Looks: at 6, 7, 8, 9, 10 pairs, then at every 12 % more, up to 200. Before that even
   the clearest order of pairs is not rare enough by chance: 2 / 2^6 = 0.03. */
#define LOOK_FIRST 6
#define LOOK_LAST 200
#define LOOK_GROWTH 1.12
/* Over all looks, for a change to be missed or called the same. */
#define LOOK_SAME_ALPHA 0.05

double
prf_change_detectable(const struct prf_change *change, double alpha, double threshold)
{
    if (change->exact) {
        return threshold;
    }
    if (!(alpha > 0.0) || !isfinite(change->error)) {
        return INFINITY;
    }
    double power = prf_t_quantile(0.4, change->degrees) * change->error;
    double level = prf_t_quantile(fmin(alpha, 0.99), change->degrees) * change->error;
    return expm1(fmax(level, log1p(fmax(threshold, 0.0))) + power);
}

double
prf_change_threshold(const struct prf_change_rules *rules, const char *unit)
{
    bool counts = unit != NULL && strcmp(unit, "count") == 0;
    return counts && rules->threshold_count > 0.0 ? rules->threshold_count
                                                  : rules->threshold;
}

bool
prf_change_is_time(const char *unit)
{
    static const char *const units[] = {"ns", "us", "ms", "s"};
    for (size_t i = 0; unit != NULL && i < sizeof units / sizeof *units; i++) {
        if (strcmp(unit, units[i]) == 0) {
            return true;
        }
    }
    return false;
}

const char *
prf_verdict_name(enum prf_verdict verdict, const char *unit, enum prf_better better)
{
    bool speed = prf_change_is_time(unit) && better != PRF_BETTER_MORE;
    switch (verdict) {
    case PRF_VERDICT_SAME:
        return "same";
    case PRF_VERDICT_FASTER:
        return speed ? "faster" : better == PRF_BETTER_MORE ? "larger" : "smaller";
    case PRF_VERDICT_SLOWER:
        return speed ? "slower" : better == PRF_BETTER_MORE ? "smaller" : "larger";
    case PRF_VERDICT_WITHIN_NOISE:
        return better == PRF_BETTER_NONE ? "changed" : "within noise";
    case PRF_VERDICT_INCONCLUSIVE:
        break;
    }
    return "inconclusive";
}

const char *
prf_verdict_word(enum prf_verdict verdict)
{
    static const char *const words[] = {
        [PRF_VERDICT_SAME] = "same",
        [PRF_VERDICT_FASTER] = "faster",
        [PRF_VERDICT_SLOWER] = "slower",
        [PRF_VERDICT_WITHIN_NOISE] = "within-noise",
        [PRF_VERDICT_INCONCLUSIVE] = "inconclusive",
    };
    return words[verdict];
}

/* A base of 0 has no ratio: whatever is not 0 is as large a change as there is. */
static bool
verdict_reaches(const struct prf_change *change, double threshold)
{
    return isnan(change->ratio) || fabs(change->ratio - 1.0) >= threshold;
}

static bool
verdict_excludes_one(const struct prf_change *change)
{
    return isnan(change->ratio) || change->ci_low > 1.0 || change->ci_high < 1.0;
}

static enum prf_verdict
verdict_direction(const struct prf_change *change)
{
    bool larger =
        isnan(change->ratio) ? change->next > change->base : change->ratio > 1.0;
    if (change->better == PRF_BETTER_NONE) {
        return PRF_VERDICT_WITHIN_NOISE;
    }
    return larger == (change->better == PRF_BETTER_MORE) ? PRF_VERDICT_FASTER
                                                         : PRF_VERDICT_SLOWER;
}

static enum prf_verdict
verdict_of(const struct prf_change *change, double alpha, double threshold)
{
    if (change->exact ? change->base != change->next
                      : change->q_value < alpha && verdict_excludes_one(change)) {
        return verdict_reaches(change, threshold) ? verdict_direction(change)
                                                  : PRF_VERDICT_WITHIN_NOISE;
    }
    if (change->ci_low >= 1.0 - threshold && change->ci_high <= 1.0 + threshold) {
        return PRF_VERDICT_SAME;
    }
    return PRF_VERDICT_INCONCLUSIVE;
}

/* q-values of what is not exact. */
static int
verdict_correct(struct prf_change *changes, size_t n, size_t *n_tests,
                struct prf_error *err)
{
    double *p = calloc(n + 1, sizeof *p);
    if (p == NULL) {
        return prf_fail(err, PRF_ENOMEM, "out of memory");
    }
    size_t tests = 0;
    for (size_t i = 0; i < n; i++) {
        if (!changes[i].exact) {
            p[tests++] = changes[i].p_verdict;
        }
    }
    int rc = prf_fdr(p, tests, p, err);
    *n_tests = tests;
    for (size_t i = 0, k = 0; rc == 0 && i < n; i++) {
        changes[i].q_value = changes[i].exact ? changes[i].p_verdict : p[k++];
    }
    free(p);
    return rc;
}

int
prf_change_judge(struct prf_change *changes, size_t n, const double *thresholds,
                 const struct prf_change_rules *rules, struct prf_error *err)
{
    size_t n_tests = 0, found = 0;
    double alpha = rules->alpha;
    int rc = verdict_correct(changes, n, &n_tests, err);
    for (size_t i = 0; i < n; i++) {
        if (changes[i].looked) {
            alpha = rules->alpha / 2.0;
        }
    }
    for (size_t i = 0; rc == 0 && i < n; i++) {
        found += !changes[i].exact && changes[i].q_value < alpha;
    }
    for (size_t i = 0; rc == 0 && i < n; i++) {
        struct prf_change *change = &changes[i];
        double threshold = thresholds == NULL ? rules->threshold : thresholds[i];
        double rank = (double)(found < n_tests ? found + 1 : n_tests);
        if (!(change->looked && change->verdict != PRF_VERDICT_INCONCLUSIVE)) {
            change->verdict = verdict_of(change, alpha, threshold);
        }
        change->detectable = prf_change_detectable(
            change, n_tests == 0 ? alpha : alpha * rank / (double)n_tests, threshold);
    }
    return rc;
}

static size_t
look_after(size_t pairs)
{
    size_t more = (size_t)((double)pairs * LOOK_GROWTH);
    return more > pairs ? more : pairs + 1;
}

/* How many looks there are, and whether this many pairs are one. */
static size_t
look_plan(size_t pairs, bool *now)
{
    size_t looks = 0;
    *now = false;
    for (size_t at = LOOK_FIRST; at <= LOOK_LAST; at = look_after(at)) {
        *now = *now || at == pairs;
        looks++;
    }
    return looks;
}

/* The interval at another level lies within the threshold. */
static bool
look_within(const struct prf_change *change, double level, double threshold)
{
    double wider =
        prf_t_quantile(level, change->degrees) / prf_t_quantile(0.05, change->degrees);
    double low = change->ratio + (change->ci_low - change->ratio) * wider;
    double high = change->ratio + (change->ci_high - change->ratio) * wider;
    return low >= 1.0 - threshold && high <= 1.0 + threshold;
}

static enum prf_verdict
look_verdict(const struct prf_change *change, const struct prf_change_rules *rules,
             double threshold, size_t n_cases)
{
    size_t fewest = change->processes_base < change->processes_next
                        ? change->processes_base
                        : change->processes_next;
    bool now;
    double looks = (double)look_plan(fewest, &now);
    double level = rules->alpha / 2.0 / (double)(n_cases > 0 ? n_cases : 1) / looks;
    bool within;
    if (change->exact) {
        return verdict_of(change, rules->alpha, threshold);
    }
    if (!now) {
        return PRF_VERDICT_INCONCLUSIVE;
    }
    within = look_within(change, LOOK_SAME_ALPHA / looks, threshold);
    if (change->p_verdict < level && verdict_excludes_one(change)) {
        /* Smaller than the threshold as it looks now: it may still turn out larger, so
           stop only when that is excluded. */
        return verdict_reaches(change, threshold) ? verdict_direction(change)
               : within                           ? PRF_VERDICT_WITHIN_NOISE
                                                  : PRF_VERDICT_INCONCLUSIVE;
    }
    return within ? PRF_VERDICT_SAME : PRF_VERDICT_INCONCLUSIVE;
}

int
prf_change_look(const struct prf_side_values *base, const struct prf_side_values *next,
                const struct prf_change_metric *metric,
                const struct prf_change_rules *rules, size_t n_cases,
                struct prf_change *out, struct prf_error *err)
{
    int rc = prf_change_measure(base, next, metric, rules, out, err);
    if (rc == 0) {
        out->looked = true;
        out->verdict = look_verdict(out, rules,
                                    prf_change_threshold(rules, metric->unit), n_cases);
    }
    return rc;
}
