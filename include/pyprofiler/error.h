/* Errors as every layer of pyprofiler reports them: a code for the program, one line
   for the person. The caller owns the struct; the first failure wins. */
#ifndef PYPROFILER_ERROR_H
#define PYPROFILER_ERROR_H

#include <stdarg.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Exported by the plugin, for backends that are loaded into it. */
#pragma GCC visibility push(default)

/* Functions that can fail return 0 or one of these. */
enum prf_code {
    PRF_OK = 0,
    PRF_ENOMEM = -1,
    PRF_EUSAGE = -2,       /* the command line or the configuration is wrong */
    PRF_ENOTFOUND = -3,    /* a named thing does not exist */
    PRF_EIO = -4,          /* a file, pipe or process call failed */
    PRF_EPYTHON = -5,      /* the interpreter could not be used, or raised */
    PRF_ESTORE = -6,       /* the result store */
    PRF_EVCS = -7,         /* the repository */
    PRF_EPROTOCOL = -8,    /* runner and worker did not understand each other */
    PRF_EUNAVAILABLE = -9, /* a profiler or a format cannot work here */
    PRF_EINTERRUPTED = -10,
    PRF_ECORRUPT = -11, /* a recording or a store is damaged */
};

struct prf_error {
    int code; /* enum prf_code, 0 when nothing failed */
    char text[1024];
};

/* Record a failure unless one is recorded already; returns `code`, so that
   `return prf_fail(err, PRF_EIO, "cannot read '%s': %s", path, why);` reads well.
   The text is one line, lower case, no full stop, subject in single quotes, then what
   the user can do. `err` may be NULL. */
int prf_fail(struct prf_error *err, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
int prf_vfail(struct prf_error *err, int code, const char *format, va_list args)
    __attribute__((format(printf, 3, 0)));

#ifdef __clang_analyzer__
/* So that it sees what `return prf_fail(...)` returns. */
#define prf_fail(err, code, ...) (prf_fail((err), (code), __VA_ARGS__), (code))
#endif

/* Forget what was recorded, to use the struct again. */
void prf_error_clear(struct prf_error *err);

/* A broken promise between our own functions: prints where, then aborts. */
#define PRF_BUG(what) prf_bug(__FILE__, __LINE__, (what))
_Noreturn void prf_bug(const char *file, int line, const char *what);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif
#endif
