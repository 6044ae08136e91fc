/* Limits; see limit.h. */
#include "limit.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "units.h"

struct limit_unit {
    const char *name;
    enum prf_quantity quantity;
    double factor;
};

static const struct limit_unit limit_units[] = {
    {"", PRF_QUANTITY_PLAIN, 1.0},
    {"ns", PRF_QUANTITY_TIME, 1.0},
    {"us", PRF_QUANTITY_TIME, 1e3},
    {"\u00b5s", PRF_QUANTITY_TIME, 1e3}, /* micro sign */
    {"\u03bcs", PRF_QUANTITY_TIME, 1e3}, /* Greek mu */
    {"ms", PRF_QUANTITY_TIME, 1e6},
    {"s", PRF_QUANTITY_TIME, 1e9},
    {"min", PRF_QUANTITY_TIME, 60e9},
    {"h", PRF_QUANTITY_TIME, 3600e9},
    {"B", PRF_QUANTITY_BYTES, 1.0},
    {"kB", PRF_QUANTITY_BYTES, 1e3},
    {"KB", PRF_QUANTITY_BYTES, 1e3},
    {"MB", PRF_QUANTITY_BYTES, 1e6},
    {"GB", PRF_QUANTITY_BYTES, 1e9},
    {"KiB", PRF_QUANTITY_BYTES, 1024.0},
    {"MiB", PRF_QUANTITY_BYTES, 1048576.0},
    {"GiB", PRF_QUANTITY_BYTES, 1073741824.0},
};

static const char *
limit_skip(const char *text)
{
    while (isspace((unsigned char)*text)) {
        text++;
    }
    return text;
}

static bool
limit_is_word(const char *text, const char *word)
{
    size_t n = strlen(word);
    return strncmp(text, word, n) == 0 && *limit_skip(text + n) == '\0';
}

static const struct limit_unit *
limit_unit_find(const char *text)
{
    for (size_t i = 0; i < sizeof limit_units / sizeof *limit_units; i++) {
        if (limit_is_word(text, limit_units[i].name)) {
            return &limit_units[i];
        }
    }
    return NULL;
}

/* strtod takes "inf", "nan" and "0x1p4" too. */
static bool
limit_is_number(const char *text)
{
    const char *digits = text + (*text == '+' || *text == '-');
    bool hex = digits[0] == '0' && (digits[1] == 'x' || digits[1] == 'X');
    return !hex && (isdigit((unsigned char)*digits) || *digits == '.');
}

int
prf_limit_parse(const char *text, struct prf_limit *out, struct prf_error *err)
{
    const char *at = limit_skip(text);
    *out = (struct prf_limit){.bound = PRF_BOUND_WORSE};
    if (strncmp(at, "<=", 2) == 0 || strncmp(at, ">=", 2) == 0) {
        out->bound = *at == '<' ? PRF_BOUND_AT_MOST : PRF_BOUND_AT_LEAST;
        at = limit_skip(at + 2);
    }
    char *end = NULL;
    double value = limit_is_number(at) ? strtod(at, &end) : NAN;
    if (end == NULL || end == at || !isfinite(value)) {
        return prf_fail(err, PRF_EUSAGE,
                        "'%s' is no limit: '+3%%', '1.5 s', '64 MB' or a number", text);
    }
    const char *suffix = limit_skip(end);
    const struct limit_unit *unit = limit_unit_find(suffix);
    out->text = at;
    out->relative = limit_is_word(suffix, "%");
    if (!out->relative && unit == NULL) {
        return prf_fail(err, PRF_EUSAGE,
                        "'%s' has an unknown unit '%s': %%, ns us ms s min h, B kB MB "
                        "GB KiB MiB GiB",
                        text, suffix);
    }
    if (out->relative && out->bound == PRF_BOUND_AT_LEAST) {
        return prf_fail(err, PRF_EUSAGE,
                        "'%s': a share says how much worse it may become, as '+3%%'",
                        text);
    }
    out->amount = out->relative ? value / 100.0 : value * unit->factor;
    out->quantity = out->relative ? PRF_QUANTITY_PLAIN : unit->quantity;
    return 0;
}

int
prf_limit_fits(const struct prf_limit *limit, const char *unit, struct prf_error *err)
{
    static const char *const what[] = {
        [PRF_QUANTITY_PLAIN] = "a number",
        [PRF_QUANTITY_TIME] = "a time",
        [PRF_QUANTITY_BYTES] = "a size",
    };
    enum prf_quantity has = unit == NULL                 ? PRF_QUANTITY_PLAIN
                            : strcmp(unit, "ns") == 0    ? PRF_QUANTITY_TIME
                            : strcmp(unit, "bytes") == 0 ? PRF_QUANTITY_BYTES
                                                         : PRF_QUANTITY_PLAIN;
    if (limit->relative || limit->quantity == PRF_QUANTITY_PLAIN ||
        limit->quantity == has) {
        return 0;
    }
    return prf_fail(err, PRF_EUSAGE, "'%s' is %s, the metric is %s", limit->text,
                    what[limit->quantity], what[has]);
}

static bool
limit_is_lower(const struct prf_limit *limit, enum prf_better better)
{
    return limit->bound == PRF_BOUND_WORSE ? better == PRF_BETTER_MORE
                                           : limit->bound == PRF_BOUND_AT_LEAST;
}

static const char *
limit_unit_text(const char *unit)
{
    return unit == NULL ? "" : unit;
}

void
prf_limit_add(struct prf_strbuf *sb, const struct prf_limit *limit, const char *unit,
              enum prf_better better)
{
    char buf[PRF_UNIT_TEXT];
    if (limit->relative) {
        bool more = better == PRF_BETTER_MORE;
        double amount = 100.0 * (more ? -limit->amount : limit->amount);
        prf_strbuf_addf(sb, "%s %+.6g%%", more ? ">=" : "<=", amount);
        return;
    }
    prf_strbuf_adds(sb, limit_is_lower(limit, better) ? ">= " : "<= ");
    if (limit->quantity == PRF_QUANTITY_PLAIN) {
        prf_strbuf_adds(sb, prf_format_amount(limit->amount, limit_unit_text(unit),
                                              NULL, buf, sizeof buf));
        return;
    }
    size_t n = strlen(limit->text);
    while (n > 0 && isspace((unsigned char)limit->text[n - 1])) {
        n--;
    }
    prf_strbuf_add(sb, limit->text, n);
}

/* How much worse, with its interval; the ends change places where more is better. */
struct limit_worse {
    double at, low, high;
};

static struct limit_worse
limit_worse(const struct prf_change *c)
{
    if (c->better == PRF_BETTER_MORE) {
        return (struct limit_worse){1.0 - c->ratio, 1.0 - c->ci_high, 1.0 - c->ci_low};
    }
    if (isnan(c->ratio)) { /* it was nothing and is something */
        return (struct limit_worse){INFINITY, NAN, NAN};
    }
    return (struct limit_worse){c->ratio - 1.0, c->ci_low - 1.0, c->ci_high - 1.0};
}

static void
limit_add_change(struct prf_strbuf *why, const struct prf_change *c, enum prf_kept kept)
{
    if (isnan(c->ratio)) {
        prf_strbuf_addf(why, "was 0 and is %.6g", c->next);
        return;
    }
    prf_strbuf_addf(why, "is %+.1f%%", 100.0 * (c->ratio - 1.0));
    if (isfinite(c->ci_low) && isfinite(c->ci_high) && !c->exact) {
        prf_strbuf_addf(why, " (%+.1f%% to %+.1f%%)", 100.0 * (c->ci_low - 1.0),
                        100.0 * (c->ci_high - 1.0));
    }
    if (kept != PRF_UNKNOWN) {
        return;
    }
    if (isfinite(c->detectable)) {
        prf_strbuf_addf(why, "; sees %.1f%% and more", 100.0 * c->detectable);
    } else {
        prf_strbuf_adds(why, "; too few runs");
    }
}

enum prf_kept
prf_limit_judge_change(const struct prf_limit *limit, const struct prf_change *change,
                       struct prf_strbuf *why)
{
    struct limit_worse worse = limit_worse(change);
    bool counts = change->exact ? change->next != change->base
                                : change->verdict != PRF_VERDICT_SAME &&
                                      change->verdict != PRF_VERDICT_INCONCLUSIVE;
    bool beyond = worse.at > limit->amount;
    enum prf_kept kept = PRF_UNKNOWN;
    if (limit->amount < 0.0) {
        bool missed = change->exact || worse.low > limit->amount;
        kept = beyond && missed    ? PRF_BROKEN
               : !beyond && counts ? PRF_KEPT
                                   : PRF_UNKNOWN;
    } else if (beyond && counts) {
        kept = PRF_BROKEN;
    } else if (!beyond && (counts || change->exact || worse.high <= limit->amount)) {
        kept = PRF_KEPT;
    }
    limit_add_change(why, change, kept);
    return kept;
}

enum prf_kept
prf_limit_judge_value(const struct prf_limit *limit, double median, double low,
                      double high, const char *unit, enum prf_better better,
                      struct prf_strbuf *why)
{
    char text[3][PRF_UNIT_TEXT];
    const char *name = limit_unit_text(unit);
    bool lower = limit_is_lower(limit, better);
    bool beyond = lower ? median < limit->amount : median > limit->amount;
    bool surely = lower ? high < limit->amount : low > limit->amount;
    prf_strbuf_addf(why, "is %s",
                    prf_format_amount(median, name, NULL, text[0], sizeof text[0]));
    if (low < high) {
        prf_strbuf_addf(why, " (%s to %s)",
                        prf_format_amount(low, name, NULL, text[1], sizeof text[1]),
                        prf_format_amount(high, name, NULL, text[2], sizeof text[2]));
    }
    if (isnan(median) || (beyond && !surely)) {
        return PRF_UNKNOWN;
    }
    return beyond ? PRF_BROKEN : PRF_KEPT;
}
