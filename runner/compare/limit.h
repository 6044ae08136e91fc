/* A limit as people write it in a budget: "+3%", "64 MB", "<= 1.5 s", "1000". Pure. */
#ifndef PRF_LIMIT_H
#define PRF_LIMIT_H

#include <stdbool.h>

#include <pyprofiler/error.h>
#include <pyprofiler/stats.h>

#include "change.h"
#include "strbuf.h"

enum prf_quantity {
    PRF_QUANTITY_PLAIN, /* a number without unit: fits every metric */
    PRF_QUANTITY_TIME,
    PRF_QUANTITY_BYTES,
};

enum prf_bound {
    PRF_BOUND_WORSE,    /* not said: on the side that is worse */
    PRF_BOUND_AT_MOST,  /* "<=" */
    PRF_BOUND_AT_LEAST, /* ">=", absolute limits only */
};

struct prf_limit {
    /* In comparison with the base: 0.03 is at most 3 % worse, -0.05 at least 5 %
       better. Else absolute. */
    bool relative;
    enum prf_bound bound;
    enum prf_quantity quantity;
    double amount;    /* absolute: ns, bytes, or as the metric counts */
    const char *text; /* what was parsed, without the operator; borrowed from it */
};

/* Units: ns us ms s min h; B kB MB GB (powers of 1000), KiB MiB GiB; '%'. PRF_EUSAGE.
 */
int prf_limit_parse(const char *text, struct prf_limit *out, struct prf_error *err);

/* Can a metric of that unit have the limit? PRF_EUSAGE. */
int prf_limit_fits(const struct prf_limit *limit, const char *unit,
                   struct prf_error *err);

/* Append "<= +3%", ">= 1000"; `unit` and `better` of the metric. */
void prf_limit_add(struct prf_strbuf *sb, const struct prf_limit *limit,
                   const char *unit, enum prf_better better);

enum prf_kept { PRF_KEPT, PRF_BROKEN, PRF_UNKNOWN };

/* Does a change keep a relative limit? Append what it is to `why`.

   The change was judged before: it counts when its verdict is neither "same" nor
   "inconclusive". A limit of "+3%" is broken when the change counts and the estimate is
   beyond the limit; noise alone does not break it. It is kept when the whole interval
   is within the limit, or when the change counts and is smaller; unknown otherwise.
   "-5%" is kept when the change counts and reaches it, broken when the whole interval
   misses it. */
enum prf_kept prf_limit_judge_change(const struct prf_limit *limit,
                                     const struct prf_change *change,
                                     struct prf_strbuf *why);

/* Does a median keep an absolute limit? Broken when it and the near end of its interval
   are beyond the limit; unknown when only the median is. Without an interval of 95 %
   low and high are the least and the largest value. */
enum prf_kept prf_limit_judge_value(const struct prf_limit *limit, double median,
                                    double low, double high, const char *unit,
                                    enum prf_better better, struct prf_strbuf *why);

#endif
