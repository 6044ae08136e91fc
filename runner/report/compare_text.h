/* Inside the folder: the parts of a comparison's text. */
#ifndef PRF_COMPARE_TEXT_H
#define PRF_COMPARE_TEXT_H

#include "compare_report.h"

/* Print text that came from a program, on one line. */
void prf_compare_put(const struct prf_text *text, const char *what);

/* Print it, cut in its middle when the line, of which `used` columns are taken, has no
   room for it. */
void prf_compare_put_fitting(const struct prf_text *text, const char *what,
                             size_t used);

/* The rows below an item: which functions, lines or stacks changed, with the lines of
   the source that did. From verbosity 1 on all of them. */
void prf_compare_text_where(const struct prf_text *text,
                            const struct prf_compared *item);

#endif
