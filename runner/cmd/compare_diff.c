/* Differential exports of `pyprofiler compare`; see compare_where.h. */
#include <stdlib.h>
#include <string.h>

#include "compare.h"
#include "compare_profiles.h"
#include "diff.h"
#include "document.h"
#include "strbuf.h"

/* So many cases are named in an error. */
#define DIFF_NAMED 5

/* The format that --format or the name of the file asks for, or NULL. */
static const struct prf_diff_format *
diff_format(const struct prf_compare_options *o)
{
    size_t n = o->output != NULL ? strlen(o->output) : 0;
    if (o->format != NULL) {
        return prf_diff_format_find(o->format);
    }
    for (size_t i = 0; prf_diff_formats[i] != NULL; i++) {
        size_t m = strlen(prf_diff_formats[i]->extension);
        if (n > m && strcmp(o->output + n - m, prf_diff_formats[i]->extension) == 0) {
            return prf_diff_formats[i];
        }
    }
    return NULL;
}

bool
prf_compare_is_diff(const struct prf_compare_options *options)
{
    return diff_format(options) != NULL;
}

void
prf_compare_diff_help(FILE *out)
{
    for (size_t i = 0; prf_diff_formats[i] != NULL; i++) {
        fprintf(out, "  %-14s %s\n", prf_diff_formats[i]->name,
                prf_diff_formats[i]->summary);
    }
}

/* ---- which case ---- */

struct choice {
    const struct prf_compared **items; /* one of each case, profiler and options */
    size_t n;
};

static bool
choice_same(const struct prf_compared *a, const struct prf_compared *b)
{
    return strcmp(a->case_id, b->case_id) == 0 &&
           strcmp(a->profiler, b->profiler) == 0 &&
           strcmp(a->options ? a->options : "{}", b->options ? b->options : "{}") == 0;
}

static void
choice_add(struct choice *choice, const struct prf_compared *item)
{
    if (item->uncompared != PRF_COMPARED) {
        return;
    }
    for (size_t i = 0; i < choice->n; i++) {
        if (choice_same(choice->items[i], item)) {
            return;
        }
    }
    choice->items[choice->n++] = item;
}

/* Has the profiler stacks? That is in its recordings only. */
static int
choice_has_stacks(struct prf_compared_results *results, const struct prf_compared *item,
                  struct prf_error *err)
{
    struct prf_case_profiles p;
    int rc = prf_case_profiles_load(&p, results, item, item->profiler, 1, err);
    bool has = rc == 0;
    for (int side = 0; has && side < PRF_DIFF_SIDES; side++) {
        has = p.sides[side].n > 0 && p.profiles[side][0]->tree.n > 1;
    }
    prf_case_profiles_release(&p);
    return rc < 0 ? rc : has;
}

/* Of several profilers those that have stacks: each is asked once. */
static int
choice_narrow(struct choice *choice, struct prf_compared_results *results,
              struct prf_error *err)
{
    const struct prf_compared **asked = calloc(choice->n + 1, sizeof *asked);
    bool *answers = calloc(choice->n + 1, sizeof *answers);
    size_t n = 0, n_asked = 0;
    int rc = asked == NULL || answers == NULL
                 ? prf_fail(err, PRF_ENOMEM, "out of memory")
                 : 0;
    for (size_t i = 0; rc == 0 && i < choice->n; i++) {
        size_t k = 0;
        while (k < n_asked &&
               strcmp(asked[k]->profiler, choice->items[i]->profiler) != 0) {
            k++;
        }
        if (k == n_asked) {
            asked[n_asked++] = choice->items[i];
            rc = choice_has_stacks(results, choice->items[i], err);
            answers[k] = rc > 0;
            rc = rc > 0 ? 0 : rc;
        }
        if (rc == 0 && answers[k]) {
            choice->items[n++] = choice->items[i];
        }
    }
    choice->n =
        rc == 0 && n > 0 ? n : choice->n; /* none: the format says what it needs */
    free(asked);
    free(answers);
    return rc;
}

static int
choice_several(const struct choice *choice, const char *format, struct prf_error *err)
{
    struct prf_strbuf names = PRF_STRBUF_INIT;
    for (size_t i = 0; i < choice->n && i < DIFF_NAMED; i++) {
        prf_strbuf_addf(&names, "%s%s (%s)", i > 0 ? ", " : "",
                        choice->items[i]->case_id, choice->items[i]->profiler);
    }
    if (choice->n > DIFF_NAMED) {
        prf_strbuf_addf(&names, " and %zu more", choice->n - DIFF_NAMED);
    }
    int rc = prf_fail(err, PRF_EUSAGE,
                      "format '%s' takes one case and profiler; choose with -k and -p "
                      "from: %s",
                      format, prf_strbuf_text(&names));
    prf_strbuf_release(&names);
    return rc;
}

static int
diff_choose(struct prf_comparing *c, struct prf_compared_results *results,
            const char *format, const struct prf_compared **out, struct prf_error *err)
{
    struct choice choice = {calloc(c->comparison.n + 1, sizeof *choice.items), 0};
    int rc = choice.items == NULL ? prf_fail(err, PRF_ENOMEM, "out of memory") : 0;
    for (size_t i = 0; rc == 0 && i < c->comparison.n; i++) {
        choice_add(&choice, &c->comparison.items[i]);
    }
    if (rc == 0 && choice.n > 1) {
        rc = choice_narrow(&choice, results, err);
    }
    if (rc == 0 && choice.n == 0) {
        rc = prf_fail(err, PRF_EUSAGE,
                      "format '%s': no case was measured on both sides by the same "
                      "profiler",
                      format);
    }
    if (rc == 0 && choice.n > 1) {
        rc = choice_several(&choice, format, err);
    }
    *out = rc == 0 ? choice.items[0] : NULL;
    free(choice.items);
    return rc;
}

/* ---- the file ---- */

static void
diff_result(struct prf_result *out, const struct prf_side_result *of,
            const struct prf_profile *profile)
{
    *out = (struct prf_result){.id = of->id,
                               .case_id = of->case_id,
                               .case_file = of->case_file,
                               .case_line = of->case_line,
                               .profiler = of->profiler,
                               .options = of->options,
                               .profile = (struct prf_profile *)profile};
}

static int
diff_write(struct prf_comparing *c, const struct prf_diff_format *format,
           const struct prf_case_profiles *p, FILE *out, struct prf_error *err)
{
    struct prf_result results[PRF_DIFF_SIDES];
    const struct prf_export_options options = {0};
    for (int side = 0; side < PRF_DIFF_SIDES; side++) {
        if (p->sides[side].n == 0) {
            return prf_fail(err, PRF_EUNAVAILABLE,
                            "nothing was recorded of the %s side",
                            side == PRF_DIFF_BASE ? "base" : "new");
        }
        diff_result(&results[side], p->newest[side],
                    p->profiles[side][p->sides[side].n - 1]);
    }
    struct prf_diff_request request = {
        .sides = {p->sides[0], p->sides[1]},
        .names = {c->comparison.base.name, c->comparison.next.name},
        .results = {&results[0], &results[1]},
        .run = p->runs[PRF_DIFF_NEXT],
        .hunks = p->hunks,
        .n_hunks = p->n_hunks,
        .column = c->options.where.column,
        .graph = c->options.where.graph,
        .options = &options};
    int rc = prf_diff_export(format, &request, out, err);
    return rc == PRF_ENOTFOUND ? PRF_EUSAGE : rc;
}

static int
diff_document(struct prf_comparing *c, const struct prf_diff_format *format,
              const struct prf_case_profiles *p, struct prf_error *err)
{
    struct prf_document document = {0};
    const struct prf_compare_options *o = &c->options;
    int rc = prf_document_open(&document, o->output, o->force ? PRF_DOCUMENT_FORCE : 0u,
                               err);
    if (rc == 0) {
        rc = diff_write(c, format, p, document.file, err);
    }
    if (rc == 0) {
        rc = prf_document_commit(&document, err);
    }
    prf_document_close(&document);
    return rc;
}

int
prf_compare_diff(struct prf_comparing *c, struct prf_error *err)
{
    const struct prf_diff_format *format = diff_format(&c->options);
    struct prf_compared_results results;
    struct prf_case_profiles profiles = {0};
    const struct prf_compared *item = NULL;
    int rc = prf_compared_results_read(&results, c, err);
    if (rc == 0) {
        rc = diff_choose(c, &results, format->name, &item, err);
    }
    if (rc == 0) {
        rc = prf_case_profiles_load(&profiles, &results, item, item->profiler,
                                    PRF_PROFILES_MAX, err);
    }
    if (rc == 0) {
        rc = prf_case_profiles_hunks(&profiles, &results, err);
    }
    if (rc == 0) {
        rc = diff_document(c, format, &profiles, err);
    }
    prf_case_profiles_release(&profiles);
    prf_compared_results_release(&results);
    return rc;
}
