/* Where the cost of a case changed: functions or lines, and the paths to the one that
   changed most. Pure, as change.h is. */
#ifndef PRF_WHERE_H
#define PRF_WHERE_H

#include "comparison.h"
#include "diff_lines.h"
#include "match.h"

#define PRF_WHERE_TOP 10
#define PRF_WHERE_STACKS 3

/* The text of a file (relative to the root) as it was on a side, NULL: not known. */
typedef const char *prf_where_text(void *arg, enum prf_diff_side side,
                                   const char *file);

struct prf_where_request {
    struct prf_side_profiles sides[PRF_DIFF_SIDES]; /* at least one result each */
    const struct prf_diff_hunk *hunks; /* between them; NULL: there is no diff */
    size_t n_hunks;
    const char *column; /* NULL: own cost */
    size_t top;         /* 0: PRF_WHERE_TOP */
    /* Tells where a function ends, or NULL: then it ends where the next one that was
       measured begins. */
    prf_where_text *text;
    void *arg;
};

/* What changed, largest difference first, then up to PRF_WHERE_STACKS paths (`stack` is
   set) to the first of them, if it is a function and both sides have trees. A profile
   without sites gives nothing.

   Costs and calls are medians over the results of a side. The difference is split as

       by_calls = (calls_next - calls_base) * cost of a call on the side with more
       by_cost  = min(calls_next, calls_base) * (next / calls_next - base / calls_base)
                = (next - base) - by_calls

   so that the calls that only one side has are told at what they cost there.
   where all of what is new or gone is by_calls, and all of it by_cost where calls are
   not known. `kinds` has a part when it is a tenth of both or more.

   Listed is what differs by more than the repeats show (see amounts.h) and by 0.2 % of
   the sum of all differences at least. Where a side has one result, repeats show
   nothing: there it must be 5 % of that sum. A number of calls on which the results of
   each side agree is exact: where it differs, or a side has no calls, only the 0.2 %
   count.

   Everything is the arena's; names, file names and hunks are borrowed from the request.
   PRF_ENOTFOUND: no such column (names those that there are); PRF_ENOMEM. */
int prf_where_find(const struct prf_where_request *request, struct prf_arena *arena,
                   struct prf_where **out, size_t *n, struct prf_error *err);

/* The lines of the function that begins at `first_line` of a Python source: to the last
   line that is indented deeper than its first. Decorators count. */
struct prf_span prf_where_span(const char *text, uint32_t first_line);

#endif
