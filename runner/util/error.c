/* Recording failures; see <pyprofiler/error.h>. */
#include <pyprofiler/error.h>

#include <stdio.h>
#include <stdlib.h>

int
prf_vfail(struct prf_error *err, int code, const char *format, va_list args)
{
    if (err != NULL && err->code == 0) {
        err->code = code;
        vsnprintf(err->text, sizeof err->text, format, args);
    }
    return code;
}

#undef prf_fail

int
prf_fail(struct prf_error *err, int code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    prf_vfail(err, code, format, args);
    va_end(args);
    return code;
}

void
prf_error_clear(struct prf_error *err)
{
    err->code = 0;
    err->text[0] = '\0';
}

void
prf_bug(const char *file, int line, const char *what)
{
    fprintf(stderr, "pyprofiler: bug at %s:%d: %s\n", file, line, what);
    abort();
}
