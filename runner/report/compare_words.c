/* Words of a comparison; see compare_words.h. */
#include "compare_words.h"

#include <math.h>
#include <string.h>

#include "units.h"

bool
prf_words_is_worse(const struct prf_compared *item)
{
    return item->uncompared == PRF_COMPARED && item->metric != NULL &&
           item->change.verdict == PRF_VERDICT_SLOWER;
}

bool
prf_words_is_better(const struct prf_compared *item)
{
    return item->uncompared == PRF_COMPARED && item->metric != NULL &&
           item->change.verdict == PRF_VERDICT_FASTER;
}

bool
prf_words_fails(const struct prf_compared *item)
{
    bool fails = prf_words_is_worse(item);
    for (size_t i = 0; i < item->n_clauses; i++) {
        fails |= item->clauses[i].broken;
    }
    return fails;
}

const char *
prf_words_verdict(const struct prf_compared *item)
{
    switch (item->uncompared) {
    case PRF_COMPARED:
        return prf_verdict_name(item->change.verdict, item->unit, item->change.better);
    case PRF_ONLY_BASE:
        return "gone";
    case PRF_ONLY_NEXT:
        return "new";
    case PRF_OTHER_MACHINE:
    case PRF_NOT_MEASURED:
        break;
    }
    return "not compared";
}

const char *
prf_words_why(const struct prf_compared *item)
{
    static const char *const kinds[] = {
        [PRF_COMPARED] = "",
        [PRF_ONLY_BASE] = "only the base has it",
        [PRF_ONLY_NEXT] = "the base does not have it",
        [PRF_OTHER_MACHINE] = "measured under other conditions",
        [PRF_NOT_MEASURED] = "not measured",
    };
    return item->why != NULL ? item->why : kinds[item->uncompared];
}

/* Large changes need no decimals, and a factor has no end. */
static void
words_add_share(struct prf_strbuf *sb, double ratio)
{
    double percent = 100.0 * (ratio - 1.0);
    if (fabs(percent) >= 1e6) {
        prf_strbuf_addf(sb, "%+.1e%%", percent);
    } else {
        prf_strbuf_addf(sb, "%+.*f%%", fabs(percent) < 999.95 ? 1 : 0, percent);
    }
}

void
prf_words_add_change(struct prf_strbuf *sb, const struct prf_change *change)
{
    if (isfinite(change->ratio)) {
        words_add_share(sb, change->ratio);
    } else {
        prf_strbuf_adds(sb, change->base == 0.0 ? "was 0" : "-");
    }
}

void
prf_words_add_interval(struct prf_strbuf *sb, const struct prf_change *change)
{
    if (isfinite(change->ratio) && isfinite(change->ci_low) &&
        isfinite(change->ci_high) && !change->exact) {
        words_add_share(sb, change->ci_low);
        prf_strbuf_adds(sb, " to ");
        words_add_share(sb, change->ci_high);
    }
}

void
prf_words_add_test(struct prf_strbuf *sb, const struct prf_change *change)
{
    if (change->exact) {
        prf_strbuf_adds(sb, "exact ");
    } else if (isfinite(change->p_value)) {
        prf_strbuf_addf(sb, change->p_value < 0.0005 ? "p<0.001 " : "p=%.3f ",
                        change->p_value);
    }
    prf_strbuf_addf(sb, "n=%zu+%zu", change->n_base, change->n_next);
}

void
prf_words_add_detectable(struct prf_strbuf *sb, const struct prf_change *change)
{
    if (isfinite(change->detectable)) {
        prf_strbuf_addf(sb, "sees %.1f%% and more", 100.0 * change->detectable);
    } else {
        prf_strbuf_adds(sb, "too few runs");
    }
}

void
prf_words_add_amount(struct prf_strbuf *sb, double amount, const char *unit)
{
    char buf[PRF_UNIT_TEXT];
    prf_strbuf_adds(
        sb, prf_format_amount(amount, unit == NULL ? "" : unit, NULL, buf, sizeof buf));
}

void
prf_words_add_item(struct prf_strbuf *sb, const struct prf_compared *item)
{
    const struct prf_change *c = &item->change;
    if (item->metric != NULL) {
        prf_strbuf_addf(sb, "%s ", item->metric);
    }
    if (item->uncompared != PRF_COMPARED || item->metric == NULL) {
        prf_strbuf_addf(sb, "%s: %s", prf_words_verdict(item), prf_words_why(item));
        return;
    }
    prf_words_add_amount(sb, c->base, item->unit);
    prf_strbuf_adds(sb, " -> ");
    prf_words_add_amount(sb, c->next, item->unit);
    prf_strbuf_adds(sb, ", ");
    prf_words_add_change(sb, c);
    struct prf_strbuf interval = PRF_STRBUF_INIT;
    prf_words_add_interval(&interval, c);
    if (interval.len > 0) {
        prf_strbuf_addf(sb, " (%s)", prf_strbuf_text(&interval));
    }
    sb->failed |= interval.failed;
    prf_strbuf_release(&interval);
    prf_strbuf_addf(sb, ": %s", prf_words_verdict(item));
    if (c->verdict == PRF_VERDICT_INCONCLUSIVE) {
        prf_strbuf_adds(sb, ", ");
        prf_words_add_detectable(sb, c);
    }
    prf_strbuf_adds(sb, item->source_changed ? ", the case's own source changed" : "");
}

void
prf_words_add_clause(struct prf_strbuf *sb, const struct prf_clause *clause)
{
    prf_strbuf_addf(sb, "budget %s: %s",
                    clause->broken    ? "broken"
                    : clause->unknown ? "not clear"
                                      : "kept",
                    clause->text);
    if (clause->why != NULL) {
        prf_strbuf_addf(sb, ", %s", clause->why);
    }
    if (clause->source != NULL) {
        prf_strbuf_addf(sb, " (%s)", clause->source);
    }
}

void
prf_words_add_kinds(struct prf_strbuf *sb, unsigned kinds)
{
    static const struct {
        unsigned kind;
        const char *name;
    } names[] = {
        {PRF_SITE_NEW, "new"},
        {PRF_SITE_GONE, "gone"},
        {PRF_SITE_MORE_CALLS, "called more often"},
        {PRF_SITE_FEWER_CALLS, "called less often"},
        {PRF_SITE_DEARER, "each call dearer"},
        {PRF_SITE_CHEAPER, "each call cheaper"},
    };
    const char *separator = "";
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (kinds & names[i].kind) {
            prf_strbuf_addf(sb, "%s%s", separator, names[i].name);
            separator = ", ";
        }
    }
}

void
prf_words_add_place(struct prf_strbuf *sb, const struct prf_where *where)
{
    if (where->file != NULL && where->file[0] != '\0') {
        prf_strbuf_addf(sb, "%s:%u ", where->file, where->line);
    }
    prf_strbuf_adds(sb, where->function != NULL ? where->function : "?");
}

static void
words_add_part(struct prf_strbuf *sb, double part, const char *unit)
{
    if (isfinite(part) && part != 0.0) {
        prf_strbuf_adds(sb, part > 0.0 ? " +" : " ");
        prf_words_add_amount(sb, part, unit);
    }
}

static void
words_add_calls(struct prf_strbuf *sb, const struct prf_where *w)
{
    prf_strbuf_adds(sb, (w->kinds & PRF_SITE_MORE_CALLS) != 0 ? "called more often"
                                                              : "called less often");
    if (isfinite(w->calls_base) && isfinite(w->calls_next)) {
        prf_strbuf_addf(sb, " (%.0f -> %.0f)", w->calls_base, w->calls_next);
    }
    words_add_part(sb, w->by_calls, w->unit);
}

void
prf_words_add_where(struct prf_strbuf *sb, const struct prf_where *w)
{
    const char *separator = ": ";
    prf_words_add_amount(sb, w->base, w->unit);
    prf_strbuf_adds(sb, " -> ");
    prf_words_add_amount(sb, w->next, w->unit);
    if (w->kinds & (PRF_SITE_NEW | PRF_SITE_GONE)) {
        prf_strbuf_addf(sb, "%s%s", separator,
                        (w->kinds & PRF_SITE_NEW) ? "new" : "gone");
        return;
    }
    if (w->kinds & (PRF_SITE_MORE_CALLS | PRF_SITE_FEWER_CALLS)) {
        prf_strbuf_adds(sb, separator);
        words_add_calls(sb, w);
        separator = ", ";
    }
    if (w->kinds & (PRF_SITE_DEARER | PRF_SITE_CHEAPER)) {
        prf_strbuf_addf(sb, "%seach call %s", separator,
                        (w->kinds & PRF_SITE_DEARER) ? "dearer" : "cheaper");
        words_add_part(sb, w->by_cost, w->unit);
    }
}

void
prf_words_add_teller(struct prf_strbuf *sb, const struct prf_compared *item)
{
    prf_strbuf_adds(sb, "where");
    if (item->where_profiler != NULL) {
        prf_strbuf_addf(sb, ", as %s has it", item->where_profiler);
    }
}

void
prf_words_add_side(struct prf_strbuf *sb, const struct prf_compared_side *side)
{
    prf_strbuf_adds(sb, side->name != NULL ? side->name : "?");
    if (side->commit == NULL) {
        return;
    }
    prf_strbuf_addf(sb, " (%.10s", side->commit);
    prf_strbuf_adds(sb, side->tree != NULL ? " with changes" : "");
    if (side->summary != NULL) {
        prf_strbuf_addf(sb, ", %s", side->summary);
    }
    prf_strbuf_addc(sb, ')');
}

/* --- totals ------------------------------------------------------------------------
 */

#define WORDS_MAX 16 /* different names of verdicts */

struct words_totals {
    const char *names[WORDS_MAX];
    size_t counts[WORDS_MAX], n;
};

static void
words_count(struct words_totals *totals, const char *name)
{
    size_t i = 0;
    while (i < totals->n && strcmp(totals->names[i], name) != 0) {
        i++;
    }
    if (i < WORDS_MAX) {
        totals->names[i] = name;
        totals->counts[i]++;
        totals->n += i == totals->n;
    }
}

/* Of one kind; `verdict` counts only for what was compared. */
static void
words_count_all(struct words_totals *totals, const struct prf_comparison *comparison,
                enum prf_uncompared uncompared, enum prf_verdict verdict)
{
    for (size_t i = 0; i < comparison->n; i++) {
        const struct prf_compared *item = &comparison->items[i];
        if (item->uncompared == uncompared &&
            (uncompared != PRF_COMPARED ||
             (item->metric != NULL && item->change.verdict == verdict))) {
            words_count(totals, prf_words_verdict(item));
        }
    }
}

static void
words_add_clauses(struct prf_strbuf *sb, const struct prf_comparison *comparison)
{
    size_t n_broken = 0, n_unclear = 0;
    for (size_t i = 0; i < comparison->n; i++) {
        for (size_t k = 0; k < comparison->items[i].n_clauses; k++) {
            const struct prf_clause *clause = &comparison->items[i].clauses[k];
            n_broken += clause->broken;
            n_unclear += !clause->broken && clause->unknown;
        }
    }
    if (n_broken > 0) {
        prf_strbuf_addf(sb, "%s%zu budget%s broken", sb->len > 0 ? ", " : "", n_broken,
                        n_broken == 1 ? "" : "s");
    }
    if (n_unclear > 0) {
        prf_strbuf_addf(sb, "%s%zu budget%s not clear", sb->len > 0 ? ", " : "",
                        n_unclear, n_unclear == 1 ? "" : "s");
    }
}

void
prf_words_add_totals(struct prf_strbuf *sb, const struct prf_comparison *comparison)
{
    static const enum prf_verdict order[] = {PRF_VERDICT_SLOWER, PRF_VERDICT_FASTER,
                                             PRF_VERDICT_SAME, PRF_VERDICT_WITHIN_NOISE,
                                             PRF_VERDICT_INCONCLUSIVE};
    struct words_totals totals = {0};
    struct prf_strbuf own = PRF_STRBUF_INIT;
    for (size_t i = 0; i < sizeof order / sizeof *order; i++) {
        words_count_all(&totals, comparison, PRF_COMPARED, order[i]);
    }
    for (int kind = PRF_ONLY_BASE; kind <= PRF_NOT_MEASURED; kind++) {
        words_count_all(&totals, comparison, (enum prf_uncompared)kind,
                        PRF_VERDICT_SAME);
    }
    for (size_t i = 0; i < totals.n; i++) {
        prf_strbuf_addf(&own, "%s%zu %s", i > 0 ? ", " : "", totals.counts[i],
                        totals.names[i]);
    }
    words_add_clauses(&own, comparison);
    prf_strbuf_adds(sb, own.len > 0 ? prf_strbuf_text(&own) : "nothing was compared");
    sb->failed |= own.failed;
    prf_strbuf_release(&own);
}

const char *
prf_words_relative(const char *file, const char *root)
{
    size_t n = root == NULL ? 0 : strlen(root);
    while (n > 1 && root[n - 1] == '/') {
        n--;
    }
    bool inside = n > 0 && strncmp(file, root, n) == 0 && file[n] == '/';
    return inside ? file + n + 1 : file;
}
