/* The suggestions of a script's report: a table of rules, each of which looks at one
   thing and speaks only when it is clearly so. A new rule is a function and a line in
   the table. */
#ifndef PRF_SCRIPT_RULES_H
#define PRF_SCRIPT_RULES_H

#include "script_report.h"
#include "strbuf.h"

/* What a rule looks at. */
struct prf_rule_facts {
    const struct prf_result *result; /* has a profile */
    const struct prf_hotspots *hotspots;
    const struct prf_script_figure *figures; /* by enum prf_script_figure_id */
};

/* What it says; texts from programs are made visible by the rule. */
struct prf_rule_finding {
    struct prf_strbuf seen, advice;
    const struct prf_function *function; /* where, or NULL */
    uint32_t line;
    double weight; /* part of the run that it is about, 0 to 1: the order */
};

struct prf_rule {
    const char *name;
    /* Is it clearly so? */
    bool (*look)(const struct prf_rule_facts *facts, struct prf_rule_finding *finding);
};

/* Ends with a NULL name. */
extern const struct prf_rule prf_rules[];

/* Fills report->suggestions. PRF_ENOMEM. */
int prf_rules_apply(struct prf_script_report *report, struct prf_error *err);

#endif
