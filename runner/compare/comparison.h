/* A comparison of two sides as a model: filled from the store or from measuring,
   judged, then rendered. Strings and arrays are the comparison's arena's. */
#ifndef PRF_COMPARISON_H
#define PRF_COMPARISON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena.h"
#include "change.h"

/* What was compared. */
struct prf_compared_side {
    const char *name;    /* as the user gave it: "main~3", a run id, "baseline fast" */
    const char *commit;  /* 40 hex digits, or NULL */
    const char *tree;    /* of a dirty tree, or NULL */
    const char *summary; /* of the commit's message, or NULL */
    const char *const *runs; /* ids, ends with NULL */
};

/* Why a case or metric is listed without a verdict. */
enum prf_uncompared {
    PRF_COMPARED,
    PRF_ONLY_BASE,     /* gone */
    PRF_ONLY_NEXT,     /* new */
    PRF_OTHER_MACHINE, /* machines, interpreters, hosts or options differ: see why */
    PRF_NOT_MEASURED,  /* failed, crashed, was skipped, or did not build: see why */
};

/* A clause of a budget or of [tool.pyprofiler.gate], judged. */
struct prf_clause {
    const char *text;   /* "wall_time <= +3%", "peak_memory <= 64 MB" */
    const char *source; /* "@budget", "[tool.pyprofiler.gate]", "--threshold" */
    bool broken;
    bool unknown;    /* could not be judged; `why` */
    const char *why; /* "is +7.1% (+5.9% to +8.2%)" */
};

/* Where a change is: a function or line whose own cost differs. Kinds may be both
   "called more often" and "each call dearer": the amounts of each are apart. */
enum prf_site_change {
    PRF_SITE_MORE_CALLS = 1,
    PRF_SITE_DEARER = 2, /* each call */
    PRF_SITE_NEW = 4,
    PRF_SITE_GONE = 8,
    PRF_SITE_FEWER_CALLS = 16,
    PRF_SITE_CHEAPER = 32,
};

struct prf_where {
    const char *file; /* relative to the root when it lies in it; "" for C functions */
    uint32_t
        line; /* first line of the function, or the line; on the new side, if there */
    const char *function;
    const char *column, *unit;     /* what is compared: "own_ns", ... */
    double base, next;             /* own cost */
    double calls_base, calls_next; /* NAN: not known */
    double by_calls, by_cost; /* parts of next - base: because of the number of calls,
                                 of the cost of each */
    unsigned kinds;           /* enum prf_site_change */
    const char *const *hunks; /* of git diff that touch it, ends with NULL */
    const char *const *stack; /* root first, ends with NULL; NULL: a function or line */
};

/* A metric of the new side that has nothing to be compared with. */
struct prf_alone {
    const char *metric, *unit;
    enum prf_better better;
    double median; /* over processes of their medians */
    size_t n;      /* processes */
};

struct prf_compared {
    const char *case_id, *profiler;
    const char *options;   /* of the profiler, JSON, or NULL */
    const char *case_file; /* absolute, or NULL */
    int case_line;
    const char *metric; /* NULL: the case as a whole has no verdict */
    bool aside;         /* with --bisect: another metric decides */
    const char *unit;
    struct prf_change change;
    enum prf_uncompared uncompared;
    const char *why;
    bool source_changed; /* the case's own source differs */
    double threshold;    /* that holds for it */
    const char *budget; /* JSON object of the case's @budget on the new side, or NULL */
    struct prf_alone *alone; /* of what is not compared: what was measured of it */
    size_t n_alone;
    struct prf_clause *clauses;
    size_t n_clauses;
    struct prf_where *where; /* largest difference first */
    size_t n_where;
    const char *where_profiler; /* that told it, when it is another one; or NULL */
    const char *base_result, *next_result; /* ids of the newest result of each side */
};

struct prf_comparison {
    struct prf_arena arena;
    struct prf_compared_side base, next;
    struct prf_compared *items; /* by case, profiler, metric */
    size_t n;
    struct prf_change_rules rules;
    /* Of the new side, for people: "CPython 3.12.1 (embedded), AMD EPYC x 2", or NULL
     */
    const char *conditions;
    const char *const *warnings; /* ends with NULL, or NULL */
    bool measured;               /* by --run: alternately */
    bool interrupted;
    int64_t measured_ns; /* spent on measuring */
};

/* Each item has the threshold that the rules have for its unit. */
void prf_comparison_thresholds(struct prf_comparison *comparison);

/* Verdicts, q-values; clauses are judged by gate.h. PRF_ENOMEM. */
int prf_comparison_judge(struct prf_comparison *comparison, struct prf_error *err);

/* Items that got worse, and clauses that are broken. */
size_t prf_comparison_regressions(const struct prf_comparison *comparison);
size_t prf_comparison_broken(const struct prf_comparison *comparison);

void prf_comparison_release(struct prf_comparison *comparison);

#endif
