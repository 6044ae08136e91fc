/* What a bisection found as a document. Writes to the FILE it is given. */
#ifndef PRF_BISECT_REPORT_H
#define PRF_BISECT_REPORT_H

#include <stdio.h>

#include <pyprofiler/error.h>

#include "bisection.h"
#include "text.h" /* struct prf_style */

void prf_bisect_text(const struct prf_bisection *bisection,
                     const struct prf_style *style, FILE *out);

/* "pyprofiler/bisect/1"; PRF_ENOMEM. */
int prf_bisect_json(const struct prf_bisection *bisection, FILE *out,
                    struct prf_error *err);

#endif
