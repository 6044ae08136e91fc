/* Running a command in a checkout: what it prints is kept, it has a time limit, Ctrl-C
   ends it with all that it started. */
#ifndef PRF_BUILD_H
#define PRF_BUILD_H

#include <stdint.h>

#include <pyprofiler/error.h>

struct prf_build {
    const char *const *argv; /* argv[0] is a path; ends with NULL */
    const char *cwd;
    const char *venv;    /* its folder: PATH and VIRTUAL_ENV; or NULL */
    const char *python;  /* of the cases: its folder leads PATH without a venv */
    const char *ceiling; /* no repository above this folder is found by git */
    const char *log;     /* appended to */
    int64_t timeout_ns;  /* 0: none */
};

/* PRF_EUNAVAILABLE: it failed, the text says how ("exit code 2"); PRF_EINTERRUPTED;
   PRF_EIO: it could not be started. */
int prf_build_run(const struct prf_build *build, struct prf_error *err);

#endif
