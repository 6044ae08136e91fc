/* -k: which cases by an expression over their node ids, as pytest has it. */
#ifndef PRF_SELECT_H
#define PRF_SELECT_H

#include <stdbool.h>

#include <pyprofiler/error.h>

/* Words, `and`, `or`, `not`, parentheses. A word holds when the id contains it, upper
   and lower case being the same. PRF_EUSAGE: not such an expression (says where). */
int prf_select_check(const char *expression, struct prf_error *err);

/* Does it hold for `id`? The expression was checked before. */
bool prf_select_matches(const char *expression, const char *id);

#endif
