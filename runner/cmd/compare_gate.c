/* Verdicts and gates of `pyprofiler compare`; see compare_gate.h. */
#include "compare_gate.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "gate.h"

/* What comes with us, and what the results have: nobody is asked what else there is. */
static int
gate_known(const struct prf_comparison *comparison, struct prf_gate_known *out,
           struct prf_error *err)
{
    struct prf_gate_metric *metrics =
        calloc(prf_gate_n_own + comparison->n, sizeof *metrics);
    if (metrics == NULL) {
        return prf_fail(err, PRF_ENOMEM, "out of memory");
    }
    memcpy(metrics, prf_gate_own, prf_gate_n_own * sizeof *metrics);
    *out = (struct prf_gate_known){.metrics = metrics, .n = prf_gate_n_own};
    for (size_t i = 0; i < comparison->n; i++) {
        const struct prf_compared *item = &comparison->items[i];
        bool known = item->metric == NULL;
        for (size_t k = 0; !known && k < out->n; k++) {
            known = strcmp(metrics[k].profiler, item->profiler) == 0 &&
                    strcmp(metrics[k].name, item->metric) == 0;
        }
        if (!known) {
            metrics[out->n++] =
                (struct prf_gate_metric){item->profiler, item->metric, item->unit};
        }
    }
    return 0;
}

static int
gate_check(const struct prf_comparing *c, const json_t *table, struct prf_error *err)
{
    struct prf_gate_known known = {0};
    int rc = table == NULL ? 0 : gate_known(&c->comparison, &known, err);
    if (rc == 0) {
        rc = prf_gate_check_table(table, c->pyproject, &known, err);
    }
    free((void *)known.metrics);
    return rc;
}

int
prf_compare_judge(struct prf_comparing *c, struct prf_error *err)
{
    const json_t *table = json_object_get(c->config, "gate");
    int rc = gate_check(c, table, err);
    prf_comparison_thresholds(&c->comparison);
    if (rc == 0) {
        rc = prf_gate_thresholds(&c->comparison, table, err);
    }
    if (rc == 0) {
        rc = prf_comparison_judge(&c->comparison, err);
    }
    if (rc == 0) {
        rc = prf_gate_judge(&c->comparison, table, err);
    }
    /* Who asks for a part only, does not expect the rest. */
    bool all = c->options.profiler == NULL && c->options.metrics.n == 0;
    return rc < 0 || !all ? rc : prf_gate_warn(&c->comparison, table, err);
}

int
prf_compare_step_summary(const struct prf_comparison *comparison,
                         const struct prf_compare_report_options *options,
                         struct prf_error *err)
{
    const char *path = getenv("GITHUB_STEP_SUMMARY");
    if (path == NULL || *path == '\0') {
        return 0;
    }
    FILE *file = fopen(path, "ae");
    int rc = file == NULL ? PRF_EIO
                          : prf_compare_markdown.write(comparison, options, file, err);
    bool failed = file != NULL && ferror(file) != 0;
    if (file != NULL && fclose(file) != 0) {
        failed = true;
    }
    if (rc == PRF_EIO || (rc == 0 && failed)) {
        return prf_fail(err, PRF_EIO, "cannot write '%s' ($GITHUB_STEP_SUMMARY): %s",
                        path, strerror(errno));
    }
    return rc;
}
