/* The one table of formats of a comparison. */
#include "compare_report.h"

#include <string.h>

#include "suggest.h"

const struct prf_compare_format *const prf_compare_formats[] = {
    &prf_compare_text,
    &prf_compare_json,
    &prf_compare_csv,
    &prf_compare_markdown,
    &prf_compare_junit,
    &prf_compare_github,
    NULL,
};

int
prf_compare_format_find(const char *name, const struct prf_compare_format **out,
                        struct prf_error *err)
{
    const char *names[32];
    size_t n = 0;
    for (; prf_compare_formats[n] != NULL && n < 32; n++) {
        names[n] = prf_compare_formats[n]->name;
        if (strcmp(names[n], name) == 0) {
            *out = prf_compare_formats[n];
            return 0;
        }
    }
    return prf_suggest_fail("format", name, names, n, err);
}
