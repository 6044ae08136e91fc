/* The rules; see script_rules.h. Limits are such that a rule is silent unless a reader
   would agree at a glance: a suggestion that is wrong costs more than one that is
   missing. */
#include "script_rules.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "formats.h"
#include "label.h"
#include "units.h"

#define MS 1e6

/* ---- helpers ---- */

static bool
rules_times(const struct prf_rule_facts *f)
{
    return f->hotspots->n > 0 && strcmp(f->hotspots->unit, "ns") == 0;
}

static void
rules_add_time(struct prf_strbuf *sb, double ns)
{
    char buf[PRF_UNIT_TEXT];
    prf_strbuf_adds(sb, prf_format_time(ns, NULL, buf, sizeof buf));
}

static void
rules_add_name(struct prf_strbuf *sb, const struct prf_function *function)
{
    prf_strbuf_addc(sb, '\'');
    prf_visible_add(sb, function->qualname, PRF_VISIBLE_LINE);
    prf_strbuf_addc(sb, '\'');
}

static bool
rules_is_c(const struct prf_function *function)
{
    return (function->flags & PRF_CODE_C) != 0;
}

/* Does a C function give the processor away? By what it is called: the names of the
   standard library's that wait. Only asked when little of the processor was used. */
static bool
rules_waits(const struct prf_function *function)
{
    static const char *const words[] = {
        "sleep", "select",   "poll",     "acquire",   "wait",
        "recv",  "accept",   "connect",  "waitpid",   "getaddrinfo",
        "read",  "readline", "readinto", "write",     "flush",
        "fsync", "send",     "sendall",  "recv_into", "wait4",
    };
    bool found = false;
    for (size_t i = 0; rules_is_c(function) && i < sizeof words / sizeof *words; i++) {
        size_t n = strlen(words[i]);
        const char *at = strstr(function->qualname, words[i]);
        /* the whole word: "<built-in method time.sleep>", "<method 'poll' of ...>" */
        found |= at != NULL && at > function->qualname &&
                 strchr("._' ", at[-1]) != NULL && strchr("'> ", at[n]) != NULL;
    }
    return found;
}

/* The row of the first function that has that name, and a file that contains `file`;
   NULL: there is none. */
static const int64_t *
rules_find(const struct prf_profile *p, const char *file, const char *qualname)
{
    for (size_t i = 0; i < p->sites.n; i++) {
        const struct prf_function *f = prf_row_code(p, p->sites.keys[i].code);
        if (strcmp(f->qualname, qualname) == 0 && strstr(f->file, file) != NULL) {
            return &p->sites.values[i * p->sites.n_columns];
        }
    }
    return NULL;
}

/* Own time in C functions that wait, and in *most the one with most of it. NAN: the
   result knows of no C functions. */
static double
rules_waited(const struct prf_rule_facts *f, const struct prf_function **most)
{
    const struct prf_table *t = &f->result->profile->sites;
    int own = prf_column_find(t->columns, t->n_columns, "own_ns");
    double sum = NAN, largest = 0;
    *most = NULL;
    for (size_t i = 0; own >= 0 && i < t->n; i++) {
        const struct prf_function *g =
            prf_row_code(f->result->profile, t->keys[i].code);
        double ns = (double)t->values[i * t->n_columns + (size_t)own];
        if (rules_is_c(g)) {
            sum = (isnan(sum) ? 0 : sum) + (rules_waits(g) ? ns : 0);
        }
        if (rules_waits(g) && ns > largest) {
            largest = ns;
            *most = g;
        }
    }
    return sum;
}

#define WAIT_LEAST (100 * MS)
#define WAIT_LOAD 50.0  /* percent of a processor */
#define WAIT_BLIND 20.0 /* the same where functions are not known */
#define WAIT_SEEN 0.5   /* of the time without processor, in functions that wait */

/* A machine that is busy with something else looks the same from outside: what waits
   must have been seen, or hardly anything may have run. */
static bool
rules_is_waiting(const struct prf_rule_facts *f)
{
    const struct prf_function *most;
    double wall = f->figures[PRF_SCRIPT_WALL].value;
    double load = f->figures[PRF_SCRIPT_LOAD].value;
    if (!(wall >= WAIT_LEAST) || !(load < WAIT_LOAD)) {
        return false;
    }
    double waited = rules_waited(f, &most);
    return isnan(waited) ? load < WAIT_BLIND
                         : waited >= WAIT_SEEN * wall * (100 - load) / 100;
}

/* ---- one function has most of the time ---- */

#define DOMINANT_PART 0.5
#define DOMINANT_LEAST (1 * MS)

static void
rules_say_dominant(const struct prf_hotspot *top, struct prf_rule_finding *out)
{
    if (rules_is_c(top->function)) {
        prf_strbuf_adds(&out->advice,
                        "It is a C function: call it less often or with less data, or "
                        "look for one that does the work in one call.");
    } else if (strcmp(top->function->qualname, "<module>") == 0) {
        prf_strbuf_adds(
            &out->advice,
            "Move the code of the module's top level into functions, where "
            "names are locals and not looked up in a dict, and see which of "
            "them is slow; `line` shows the lines.");
    } else {
        prf_strbuf_adds(
            &out->advice,
            "Look at its algorithm and at work it repeats; `line` shows which "
            "of its lines are slow.");
    }
}

/* Own time; of a profiler that has only whole times nothing can be said. */
static bool
rules_dominant(const struct prf_rule_facts *f, struct prf_rule_finding *out)
{
    const struct prf_hotspot *top = f->hotspots->n > 0 ? &f->hotspots->items[0] : NULL;
    if (!rules_times(f) || isnan(top->own) || f->hotspots->n_all < 2 ||
        f->hotspots->whole < DOMINANT_LEAST ||
        (rules_waits(top->function) && rules_is_waiting(f))) {
        return false;
    }
    double part = prf_hotspot_part(f->hotspots, top->own);
    if (part < DOMINANT_PART) {
        return false;
    }
    rules_add_name(&out->seen, top->function);
    prf_strbuf_addf(&out->seen, " takes %.0f %% of the time by itself (", 100 * part);
    rules_add_time(&out->seen, top->own);
    prf_strbuf_addf(&out->seen, "%s).", top->calls == 1 ? " in one call" : "");
    rules_say_dominant(top, out);
    out->function = top->function;
    out->line = top->line;
    out->weight = part;
    return true;
}

/* ---- cheap calls, very many of them, from one place ---- */

#define MANY_CALLS 100000
#define MANY_EACH 2000.0   /* ns of its own for a call, at most */
#define MANY_PART 0.1      /* of all time spent in those calls */
#define MANY_FROM_HERE 0.9 /* of all calls of the function */

/* A function that calls itself is for another rule. */
static bool
rules_is_many(const struct prf_rule_facts *f, size_t edge, double *part)
{
    const struct prf_profile *p = f->result->profile;
    struct prf_call_index e, s;
    struct prf_key key = p->edges.keys[edge];
    const int64_t *row = &p->edges.values[edge * p->edges.n_columns];
    if (!prf_call_index(&p->edges, &e) || !prf_call_index(&p->sites, &s) ||
        key.code == key.other || row[e.calls] < MANY_CALLS) {
        return false;
    }
    const int64_t *all = NULL;
    for (size_t i = 0; i < p->sites.n && all == NULL; i++) {
        all = p->sites.keys[i].code == key.other
                  ? &p->sites.values[i * p->sites.n_columns]
                  : NULL;
    }
    *part = (double)row[e.cumulative] / f->hotspots->whole;
    return all != NULL && *part >= MANY_PART &&
           (double)row[e.calls] >= MANY_FROM_HERE * (double)all[s.calls] &&
           (double)row[e.own] <= MANY_EACH * (double)row[e.calls];
}

static bool
rules_many_calls(const struct prf_rule_facts *f, struct prf_rule_finding *out)
{
    const struct prf_profile *p = f->result->profile;
    size_t best = p->edges.n;
    double part = 0, most = 0;
    struct prf_call_index e;
    for (size_t i = 0; rules_times(f) && i < p->edges.n; i++) {
        if (rules_is_many(f, i, &part) && part > most) {
            most = part;
            best = i;
        }
    }
    if (best == p->edges.n || !prf_call_index(&p->edges, &e)) {
        return false;
    }
    const struct prf_function *caller = prf_row_code(p, p->edges.keys[best].code);
    const struct prf_function *callee = prf_row_code(p, p->edges.keys[best].other);
    const int64_t *row = &p->edges.values[best * p->edges.n_columns];
    rules_add_name(&out->seen, caller);
    prf_strbuf_adds(&out->seen, " calls ");
    rules_add_name(&out->seen, callee);
    prf_strbuf_addf(&out->seen, " %lld times, ", (long long)row[e.calls]);
    rules_add_time(&out->seen, (double)row[e.cumulative] / (double)row[e.calls]);
    prf_strbuf_addf(&out->seen, " each: %.0f %% of the time.", 100 * most);
    prf_strbuf_adds(
        &out->advice,
        rules_is_c(callee)
            ? "Move the call out of the loop, or give all the data to one "
              "call (a method of the container, map, numpy)."
            : "Calling costs as much as the work: move it out of the loop, "
              "cache its results, write its body in place, or treat all the "
              "data at once.");
    out->function = caller;
    out->line = caller->first_line;
    out->weight = most;
    return true;
}

/* ---- waiting ---- */

static bool
rules_waiting(const struct prf_rule_facts *f, struct prf_rule_finding *out)
{
    double wall = f->figures[PRF_SCRIPT_WALL].value;
    double load = f->figures[PRF_SCRIPT_LOAD].value;
    const struct prf_function *most = NULL;
    if (!rules_is_waiting(f)) {
        return false;
    }
    (void)rules_waited(f, &most);
    prf_strbuf_adds(&out->seen, "Of ");
    rules_add_time(&out->seen, wall);
    prf_strbuf_addf(&out->seen, ", %.0f %% is waiting (average CPU %.0f %%)",
                    100 - load, load);
    if (most != NULL) {
        prf_strbuf_adds(&out->seen, ", most of it in ");
        rules_add_name(&out->seen, most);
        out->function = most;
    }
    prf_strbuf_adds(&out->seen, ".");
    if (most == NULL) { /* who knows */
        prf_strbuf_adds(&out->advice,
                        "If the machine was not busy with other programs: ");
    }
    prf_strbuf_adds(&out->advice, most == NULL ? "a" : "A");
    prf_strbuf_adds(&out->advice,
                    " faster algorithm will not help: wait for several things at once "
                    "(threads, asyncio), read and write in larger pieces, or do not "
                    "wait.");
    out->weight = (100 - load) / 100;
    return true;
}

/* ---- imports ---- */

#define IMPORTS_PART 0.5
#define IMPORTS_LEAST (20 * MS)
#define IMPORTS_SHORT (2000 * MS) /* a longer program is not about its start */

static bool
rules_imports(const struct prf_rule_facts *f, struct prf_rule_finding *out)
{
    const struct prf_profile *p = f->result->profile;
    double wall = f->figures[PRF_SCRIPT_WALL].value;
    struct prf_call_index s;
    if (!rules_times(f) || !prf_call_index(&p->sites, &s) || wall > IMPORTS_SHORT) {
        return false;
    }
    const int64_t *row = rules_find(p, "importlib", "_find_and_load");
    double part = row == NULL ? 0 : (double)row[s.cumulative] / f->hotspots->whole;
    if (row == NULL || part < IMPORTS_PART ||
        (double)row[s.cumulative] < IMPORTS_LEAST) {
        return false;
    }
    prf_strbuf_addf(&out->seen, "%.0f %% of the time (", 100 * part);
    rules_add_time(&out->seen, (double)row[s.cumulative]);
    prf_strbuf_addf(&out->seen, ") is importing, %lld modules.",
                    (long long)row[s.calls]);
    prf_strbuf_adds(
        &out->advice,
        "Import what is rarely needed inside the functions that need it, and "
        "see `python -X importtime` for which modules are slow.");
    out->weight = part;
    return true;
}

/* ---- memory ---- */

#define HOLDS_PART 0.5
#define HOLDS_LEAST (4 * 1024.0 * 1024)

static bool
rules_memory(const struct prf_rule_facts *f, struct prf_rule_finding *out)
{
    const struct prf_hotspots *h = f->hotspots;
    char buf[PRF_UNIT_TEXT];
    if (h->n == 0 || h->n_all < 2 || strcmp(h->unit, "bytes") != 0 ||
        h->whole < HOLDS_LEAST || isnan(h->items[0].own) ||
        strncmp(h->items[0].function->file, "<frozen", 7) == 0) {
        return false; /* what importing holds is the code */
    }
    double part = prf_hotspot_part(h, h->items[0].own);
    if (part < HOLDS_PART) {
        return false;
    }
    prf_strbuf_addf(&out->seen, "One %s ", h->lines ? "line" : "function");
    prf_visible_add(&out->seen, prf_code_file(h->items[0].function, true),
                    PRF_VISIBLE_LINE);
    prf_strbuf_addf(&out->seen, ":%u accounts for %.0f %% of the memory (%s).",
                    h->items[0].line, 100 * part,
                    prf_format_bytes(h->items[0].own, buf, sizeof buf));
    prf_strbuf_adds(
        &out->advice,
        "Keep less of it at a time: a generator instead of a list, array or "
        "numpy instead of objects, __slots__ in classes with many instances, "
        "and let go of what is not needed any more.");
    out->function = h->items[0].function;
    out->line = h->items[0].line;
    out->weight = part;
    return true;
}

#define COLLECT_PART 0.1

static bool
rules_collect(const struct prf_rule_facts *f, struct prf_rule_finding *out)
{
    const struct prf_profile *p = f->result->profile;
    struct prf_call_index s;
    if (!rules_times(f) || !prf_call_index(&p->sites, &s)) {
        return false;
    }
    const int64_t *row = rules_find(p, "", "<built-in method gc.collect>");
    double part = row == NULL ? 0 : (double)row[s.own] / f->hotspots->whole;
    if (row == NULL || part < COLLECT_PART || (double)row[s.own] < DOMINANT_LEAST) {
        return false;
    }
    prf_strbuf_addf(&out->seen, "gc.collect takes %.0f %% of the time (", 100 * part);
    rules_add_time(&out->seen, (double)row[s.own]);
    prf_strbuf_addf(&out->seen, " in %lld calls).", (long long)row[s.calls]);
    prf_strbuf_adds(
        &out->advice,
        "Leave collecting to Python, or call gc.freeze() when all that lives "
        "long was made.");
    out->weight = part;
    return true;
}

/* ---- recursion ---- */

#define RECURSION_CALLS 1000 /* for one call from outside */
#define RECURSION_WIDTH 20   /* calls for each level of depth */
#define RECURSION_PART 0.2
#define RECURSION_SELF 0.99 /* of its calls are from itself */

/* How deep `code` stands above itself at most, over all stacks. 0: there are no stacks.
 */
static size_t
rules_depth(const struct prf_profile *p, uint32_t code)
{
    const struct prf_tree *t = &p->tree;
    uint32_t *depth = t->n > 1 ? calloc(t->n, sizeof *depth) : NULL;
    size_t most = 0;
    for (size_t i = 1; depth != NULL && i < t->n; i++) {
        depth[i] = depth[t->parent[i]] + (t->code[i] == code);
        most = depth[i] > most ? depth[i] : most;
    }
    free(depth);
    return most;
}

/* A function that branches into itself: far more calls than levels. One that calls
   itself once a level has as many. Whether the arguments repeat is not known. */
static bool
rules_is_branching(const struct prf_profile *p, size_t site,
                   const struct prf_call_index *s)
{
    struct prf_call_index e;
    uint32_t code = p->sites.keys[site].code;
    const int64_t *row = &p->sites.values[site * p->sites.n_columns];
    int64_t outside = row[s->primitive] > 0 ? row[s->primitive] : 1, self = 0;
    if (row[s->calls] / outside < RECURSION_CALLS || !prf_call_index(&p->edges, &e)) {
        return false;
    }
    for (size_t i = 0; i < p->edges.n; i++) {
        if (p->edges.keys[i].code == code && p->edges.keys[i].other == code) {
            self += p->edges.values[i * p->edges.n_columns + (size_t)e.calls];
        }
    }
    size_t depth = rules_depth(p, code);
    return depth > 1 && (double)self >= RECURSION_SELF * (double)row[s->calls] &&
           row[s->calls] / outside >= (int64_t)(RECURSION_WIDTH * depth);
}

static bool
rules_recursion(const struct prf_rule_facts *f, struct prf_rule_finding *out)
{
    const struct prf_profile *p = f->result->profile;
    struct prf_call_index s;
    if (!rules_times(f) || !prf_call_index(&p->sites, &s)) {
        return false;
    }
    size_t best = p->sites.n;
    for (size_t i = 0; i < p->sites.n; i++) {
        const int64_t *row = &p->sites.values[i * p->sites.n_columns];
        double part = (double)row[s.cumulative] / f->hotspots->whole;
        if (part >= RECURSION_PART && part > out->weight &&
            rules_is_branching(p, i, &s)) {
            best = i;
            out->weight = part;
        }
    }
    if (best == p->sites.n) {
        return false;
    }
    const int64_t *row = &p->sites.values[best * p->sites.n_columns];
    out->function = prf_row_code(p, p->sites.keys[best].code);
    out->line = out->function->first_line;
    rules_add_name(&out->seen, out->function);
    prf_strbuf_addf(&out->seen,
                    " calls itself: %lld call%s from outside became %lld, at most %zu "
                    "deep, %.0f %% of the time.",
                    (long long)row[s.primitive], row[s.primitive] == 1 ? "" : "s",
                    (long long)row[s.calls], rules_depth(p, p->sites.keys[best].code),
                    100 * out->weight);
    prf_strbuf_adds(
        &out->advice,
        "If the same arguments come again, functools.cache computes each once; "
        "or build the result from the small cases upwards.");
    return true;
}

/* ---- the profiler itself ---- */

#define OVERHEAD_PART 0.5
#define OVERHEAD_LEAST (50 * MS)

/* What counting costs, by what is counted: about, on a processor of today. */
static const struct {
    const char *column;
    double ns;
} rules_costs[] = {{"calls", 60}, {"hits", 50}, {"occurrences", 1600}};

static bool
rules_overhead(const struct prf_rule_facts *f, struct prf_rule_finding *out)
{
    const struct prf_table *t = &f->result->profile->sites;
    double wall = f->figures[PRF_SCRIPT_WALL].value, count = 0, cost = 0;
    for (size_t k = 0; k < sizeof rules_costs / sizeof *rules_costs && cost == 0; k++) {
        int c = prf_column_find(t->columns, t->n_columns, rules_costs[k].column);
        for (size_t i = 0; c >= 0 && i < t->n; i++) {
            count += (double)t->values[i * t->n_columns + (size_t)c];
        }
        cost = count * rules_costs[k].ns;
    }
    if (!(wall > 0) || cost < OVERHEAD_LEAST || cost < OVERHEAD_PART * wall) {
        return false;
    }
    double part = fmin(cost / wall, 0.95);
    prf_strbuf_addf(&out->seen,
                    "About %.0f %% of the wall time is the profiler's: it saw %.0f ",
                    100 * part, count);
    prf_strbuf_adds(&out->seen, "events in ");
    rules_add_time(&out->seen, wall);
    prf_strbuf_adds(&out->seen, ".");
    prf_strbuf_adds(
        &out->advice,
        "Small functions look slower than they are: see what `passthrough` or "
        "`stopwatch` measure without a profiler, and sample instead of "
        "counting for the shares.");
    out->weight = part / 2; /* what the program does comes first */
    return true;
}

/* ---- printing ---- */

#define OUTPUT_PART 0.3

static bool
rules_output(const struct prf_rule_facts *f, struct prf_rule_finding *out)
{
    const struct prf_profile *p = f->result->profile;
    struct prf_call_index s;
    if (!rules_times(f) || !prf_call_index(&p->sites, &s)) {
        return false;
    }
    const int64_t *row = rules_find(p, "", "<built-in method builtins.print>");
    double part = row == NULL ? 0 : (double)row[s.cumulative] / f->hotspots->whole;
    if (row == NULL || part < OUTPUT_PART || row[s.calls] < 1000 ||
        (double)row[s.cumulative] < 10 * MS) {
        return false;
    }
    prf_strbuf_addf(&out->seen, "print takes %.0f %% of the time (%lld calls).",
                    100 * part, (long long)row[s.calls]);
    prf_strbuf_adds(&out->advice,
                    "Collect lines and write them at once: sys.stdout.write('\\n'.join("
                    "lines)).");
    out->weight = part;
    return true;
}

/* ---- the table ---- */

const struct prf_rule prf_rules[] = {
    {"dominant-function", rules_dominant},
    {"many-calls", rules_many_calls},
    {"waiting", rules_waiting},
    {"imports", rules_imports},
    {"memory-in-one-place", rules_memory},
    {"collecting", rules_collect},
    {"recursion", rules_recursion},
    {"overhead", rules_overhead},
    {"printing", rules_output},
    {NULL},
};

#define RULES_MAX (sizeof prf_rules / sizeof *prf_rules - 1)

static int
rules_keep(struct prf_script_report *report, const struct prf_rule *rule,
           const struct prf_rule_finding *finding)
{
    struct prf_suggestion s = {.rule = rule->name, .line = finding->line};
    const struct prf_function *f = finding->function;
    s.file = f == NULL || rules_is_c(f) ? NULL : f->file;
    s.seen = prf_arena_strdup(&report->arena, prf_strbuf_text(&finding->seen));
    s.advice = prf_arena_strdup(&report->arena, prf_strbuf_text(&finding->advice));
    report->suggestions[report->n_suggestions++] = s;
    return s.seen == NULL || s.advice == NULL || finding->seen.failed ||
                   finding->advice.failed
               ? PRF_ENOMEM
               : 0;
}

/* Keep them in the order of their weight: insertion, there are few. */
static int
rules_apply(struct prf_script_report *report, double weights[RULES_MAX])
{
    const struct prf_rule_facts facts = {report->result, &report->hotspots,
                                         report->figures};
    int rc = 0;
    for (const struct prf_rule *rule = prf_rules; rc == 0 && rule->name != NULL;
         rule++) {
        struct prf_rule_finding finding = {.seen = PRF_STRBUF_INIT,
                                           .advice = PRF_STRBUF_INIT};
        if (rule->look(&facts, &finding)) {
            rc = rules_keep(report, rule, &finding);
            size_t at = report->n_suggestions - 1;
            struct prf_suggestion added = report->suggestions[at];
            for (; at > 0 && weights[at - 1] < finding.weight; at--) {
                weights[at] = weights[at - 1];
                report->suggestions[at] = report->suggestions[at - 1];
            }
            weights[at] = finding.weight;
            report->suggestions[at] = added;
        }
        prf_strbuf_release(&finding.seen);
        prf_strbuf_release(&finding.advice);
    }
    return rc;
}

int
prf_rules_apply(struct prf_script_report *report, struct prf_error *err)
{
    double weights[RULES_MAX];
    report->suggestions =
        prf_arena_alloc(&report->arena, RULES_MAX * sizeof *report->suggestions);
    int rc = report->suggestions == NULL       ? PRF_ENOMEM
             : report->result->profile == NULL ? 0
                                               : rules_apply(report, weights);
    return rc < 0 ? prf_fail(err, rc, "out of memory") : 0;
}
