/* The one table of formats of a comparison. */
#include "compare_report.h"

#include <string.h>

#include "strbuf.h"
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
    const char *near = prf_suggest(name, names, n);
    if (near != NULL) {
        return prf_fail(err, PRF_EUSAGE, "no format '%s', did you mean '%s'?", name,
                        near);
    }
    struct prf_strbuf list = PRF_STRBUF_INIT;
    for (size_t i = 0; i < n; i++) {
        prf_strbuf_addf(&list, "%s%s", i > 0 ? ", " : "", names[i]);
    }
    prf_fail(err, PRF_EUSAGE, "no format '%s'; there are: %s", name,
             prf_strbuf_text(&list));
    prf_strbuf_release(&list);
    return PRF_EUSAGE;
}
