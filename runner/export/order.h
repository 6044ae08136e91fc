/* In which order, and how many, rows of a table are shown. */
#ifndef PRF_ORDER_H
#define PRF_ORDER_H

#include <stddef.h>
#include <stdint.h>

#include <pyprofiler/error.h>

#include "exporter.h"
#include "profile.h"

/* Sort keys are the table's columns and, for tables that have what they mean, the keys of
   pstats (calls ncalls cumulative cumtime tottime time filename file module name nfl line
   pcalls stdname); a beginning that means one thing will do, as it does for pstats.
   Amounts are in descending order, names and lines in ascending order, ties in the order
   of file, line and name. */

/* Row numbers of `table` (a profile's sites; of edges the caller counts as the function)
   in the order of options->sort, or of `fallback` when that is NULL, the first
   options->top_k of them. *rows is the caller's (free). PRF_EUSAGE: a key this table does
   not know, with a suggestion; PRF_ENOMEM. */
int prf_order_rows(const struct prf_profile *profile, const struct prf_table *table,
                   const struct prf_export_options *options, const char *fallback,
                   uint32_t **rows, size_t *n, struct prf_error *err);

/* Is it a key of this table? PRF_EUSAGE with a suggestion, PRF_ENOMEM. */
int prf_order_check(const struct prf_table *table, const char *key,
                    struct prf_error *err);

/* The order that suits a table which nobody gave one: its cumulative amount, else the
   first amount that is no count. A column's name, or NULL when it has none. */
const char *prf_order_default(const struct prf_table *table);

/* What a key sorts by, for a heading: "cumulative time", "bytes". The key is one that
   prf_order_rows took. */
const char *prf_order_title(const struct prf_table *table, const char *key);

#endif
