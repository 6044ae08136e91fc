/* Gates: the clauses of @budget and of [tool.pyprofiler.gate], found for a metric of a
   case and judged. Knows no command; names of metrics come from whoever calls.

   A clause names a metric and has one limit or several. "wall_time" and "cpu_time" are
   those of the profiler that measures them undisturbed, "peak_memory" is any "peak";
   "profiler.metric" says it exactly. What counts more: the table's own keys, its
   sub-tables by pattern in their order, the case's @budget; within one of them the
   exact name. A stronger clause replaces all weaker ones of the same metric. */
#ifndef PRF_GATE_H
#define PRF_GATE_H

#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>

#include <pyprofiler/error.h>
#include <pyprofiler/stats.h>

#include "arena.h"
#include "comparison.h"
#include "limit.h"

#define PRF_GATE_BUDGET "@budget"
#define PRF_GATE_TABLE "[tool.pyprofiler.gate]"

/* A metric that profilers declare. */
struct prf_gate_metric {
    const char *profiler, *name, *unit;
};

struct prf_gate_known {
    const struct prf_gate_metric *metrics;
    size_t n;
    /* There are no others: any other name is wrong. Else only one that looks like a
       slip for a known one. */
    bool complete;
};

/* The metrics that come with pyprofiler, for commands that ask no worker. */
extern const struct prf_gate_metric prf_gate_own[];
extern const size_t prf_gate_n_own;

/* PRF_EUSAGE: a name that nobody measures (with a suggestion), or a limit that is none
   or does not fit the metric. `path`: the table's file, for the text. */
int prf_gate_check_table(const json_t *table, const char *path,
                         const struct prf_gate_known *known, struct prf_error *err);
int prf_gate_check_budget(const json_t *budget, const struct prf_gate_known *known,
                          struct prf_error *err);

/* A metric of a case, and where its clauses come from. */
struct prf_gate_subject {
    const json_t *table;  /* or NULL */
    const json_t *budget; /* or NULL */
    const char *case_id, *profiler, *metric, *unit;
    enum prf_better better;
};

/* The absolute clauses for a metric that was measured alone: appended to (*clauses)[0
 *.. n), all in `arena`. PRF_ENOMEM. */
int prf_gate_judge_summary(const struct prf_gate_subject *subject,
                           const struct prf_summary *summary, struct prf_arena *arena,
                           struct prf_clause **clauses, size_t *n,
                           struct prf_error *err);

/* Before prf_comparison_judge: the threshold of each item that a relative clause allows
   to become worse. `table` may be NULL. PRF_ENOMEM. */
int prf_gate_thresholds(struct prf_comparison *comparison, const json_t *table,
                        struct prf_error *err);

/* After it: the clauses of all items. Of what was not compared only absolute clauses
   can be judged, and only when the new side was measured. PRF_ENOMEM. */
int prf_gate_judge(struct prf_comparison *comparison, const json_t *table,
                   struct prf_error *err);

/* Add to the warnings the clauses that say nothing, since of the cases that they are
   for no metric of that name was measured. Cases that failed are left out: that is
   said already. Items are by case. PRF_ENOMEM. */
int prf_gate_warn(struct prf_comparison *comparison, const json_t *table,
                  struct prf_error *err);

#endif
