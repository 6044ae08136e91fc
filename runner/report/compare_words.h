/* The words and figures of a comparison that all formats share. What is appended is
   plain text that may hold bytes of a program: each format escapes it its own way. */
#ifndef PRF_COMPARE_WORDS_H
#define PRF_COMPARE_WORDS_H

#include <stdbool.h>
#include <stddef.h>

#include "comparison.h"
#include "strbuf.h"

/* The same item was compared, and got worse or better. */
bool prf_words_is_worse(const struct prf_compared *item);
bool prf_words_is_better(const struct prf_compared *item);

/* It got worse, or a clause is broken: what a gate fails on. */
bool prf_words_fails(const struct prf_compared *item);

/* "slower", "within noise", "gone", "new", "not compared". */
const char *prf_words_verdict(const struct prf_compared *item);

/* Why an item is not compared: its own words, or what the kind says. */
const char *prf_words_why(const struct prf_compared *item);

/* "+7.1%"; "was 0" where there is no ratio. */
void prf_words_add_change(struct prf_strbuf *sb, const struct prf_change *change);

/* "+5.9% to +8.2%"; nothing when there is no interval. */
void prf_words_add_interval(struct prf_strbuf *sb, const struct prf_change *change);

/* "p=0.446 n=10+10". */
void prf_words_add_test(struct prf_strbuf *sb, const struct prf_change *change);

/* "sees 4.2% and more", "too few runs". */
void prf_words_add_detectable(struct prf_strbuf *sb, const struct prf_change *change);

/* "1.234 ms"; "-" when it is not known. */
void prf_words_add_amount(struct prf_strbuf *sb, double amount, const char *unit);

/* "wall_time 1.234 ms -> 1.321 ms, +7.1% (+5.9% to +8.2%): slower", or why not. */
void prf_words_add_item(struct prf_strbuf *sb, const struct prf_compared *item);

/* "budget broken: wall_time <= +3%, is +7.1% (...) (@budget)" */
void prf_words_add_clause(struct prf_strbuf *sb, const struct prf_clause *clause);

/* "called more often, each call dearer" */
void prf_words_add_kinds(struct prf_strbuf *sb, unsigned kinds);

/* "sort.py:12 Sorter.sort" */
void prf_words_add_place(struct prf_strbuf *sb, const struct prf_where *where);

/* "1.000 ms -> 1.500 ms: called more often (10 -> 15) +0.300 ms, ..." */
void prf_words_add_where(struct prf_strbuf *sb, const struct prf_where *where);

/* "where", "where, as call has it" when another profiler told it. */
void prf_words_add_teller(struct prf_strbuf *sb, const struct prf_compared *item);

/* "main~3 (3f2a1bc9d0, Sort in place)" */
void prf_words_add_side(struct prf_strbuf *sb, const struct prf_compared_side *side);

/* "3 slower, 1 faster, 12 same, 2 not compared, 1 budget broken" of all items. */
void prf_words_add_totals(struct prf_strbuf *sb,
                          const struct prf_comparison *comparison);

/* `file` relative to `root` when it lies in it; borrowed from `file`. */
const char *prf_words_relative(const char *file, const char *root);

#endif
