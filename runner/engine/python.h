/* Which interpreter a case runs in, and what it says about itself. */
#ifndef PRF_PYTHON_H
#define PRF_PYTHON_H

#include <stdbool.h>

#include <jansson.h>

#include <pyprofiler/error.h>

#include "arena.h"
#include "strbuf.h"

struct prf_python_choice {
    const char
        *asked; /* a path, a name on PATH, "3.12", a venv's folder; NULL: search */
    const char *source; /* who asked: "--python" */
    const char *near;   /* absolute folder where the search for .venv starts */
    const char *root;   /* and where it ends; NULL: cwd */
    const char *own;    /* prf_layout_python's, or NULL */
    bool own_first;     /* it is looked at before a .venv, not after */
};

struct prf_interpreter {
    struct prf_arena arena; /* owns the strings */
    const char *version;    /* "3.11.2" */
    int major, minor;
    const char *executable;     /* absolute; that of a virtual environment stays its */
    const char *implementation; /* "CPython" */
    const char *libpython;      /* path of the shared library; NULL: none */
    const char *soname;         /* what was looked for */
    const char *flags;          /* build options that matter, as text */
    bool free_threaded, debug;
    json_t *config; /* [tool.pyprofiler], NULL: none */
};

/* Path or name of the interpreter to ask, as chosen; *out is the caller's. *source
   (borrowed) says by what. PRF_EUSAGE: what was asked for does not exist;
   PRF_ENOTFOUND: no Python anywhere. */
int prf_python_choose(const struct prf_python_choice *choice, char **out,
                      const char **source, struct prf_error *err);

/* Let it run a script (-I -S) with one argument, or NULL; what it prints, errors too,
   is added to `out`. PRF_EUNAVAILABLE: it failed, or took longer than 10 s;
   PRF_EINTERRUPTED. */
int prf_python_run(const char *python, const char *script, const char *argument,
                   struct prf_strbuf *out, struct prf_error *err);

/* Start it once (-I -S) and let it describe itself; `pyproject` is the file whose table
   [tool.pyprofiler] is wanted as well, or NULL. PRF_EUNAVAILABLE: it does not work;
   PRF_EUSAGE: the file is wrong. */
int prf_python_ask(const char *python, const char *pyproject,
                   struct prf_interpreter *out, struct prf_error *err);
void prf_interpreter_release(struct prf_interpreter *interpreter);

/* PRF_EUNAVAILABLE when it cannot host cases: too old, not CPython, free-threaded, or
   no plugin for it in `plugin_dir` (the text says which there are). */
int prf_python_check(const struct prf_interpreter *interpreter, const char *plugin,
                     const char *built, struct prf_error *err);

#endif
