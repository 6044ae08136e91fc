/* $GITHUB_STEP_SUMMARY; see compare_summary.h. */
#include "compare_summary.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int
prf_compare_step_summary(const struct prf_comparison *comparison,
                         const struct prf_compare_report_options *options,
                         struct prf_error *err)
{
    const char *path = getenv("GITHUB_STEP_SUMMARY");
    if (path == NULL || *path == '\0') {
        return 0;
    }
    FILE *file = fopen(path, "ae");
    int rc =
        file == NULL ? 0 : prf_compare_markdown.write(comparison, options, file, err);
    bool failed = file == NULL || fflush(file) != 0 || ferror(file) != 0;
    int why = errno;
    if (file != NULL) {
        fclose(file);
    }
    return rc == 0 && failed
               ? prf_fail(err, PRF_EIO, "cannot write '%s' ($GITHUB_STEP_SUMMARY): %s",
                          path, strerror(why))
               : rc;
}
