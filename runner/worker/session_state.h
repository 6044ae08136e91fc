/* A profiler that Python code drives, without Python's side of it: its files and its
   life. Shared by the session_*.c and region.c only. All functions need the GIL. */
#ifndef PRF_SESSION_STATE_H
#define PRF_SESSION_STATE_H

#include <Python.h>

#include <stdbool.h>
#include <sys/types.h>

#include <pyprofiler/backend.h>

#include "writer.h"

enum prf_session_phase {
    PRF_SESSION_NEW,       /* nothing was measured, there is no file */
    PRF_SESSION_MEASURING, /* start returned 0 */
    PRF_SESSION_STOPPED,   /* the backend still has what it did not write yet */
    PRF_SESSION_DONE,      /* all is in the file, the backend is closed */
};

struct prf_session_object {
    PyObject_HEAD const struct prf_backend *backend;
    enum prf_session_phase phase;
    void *state;               /* of the backend; NULL: closed */
    struct prf_writer *writer; /* while there is a state */
    char *path;                /* of the recording; NULL: there is none */
    bool kept;                 /* the file is the user's */
    bool busy;         /* a call into the backend runs; it may let threads run */
    pid_t owner;       /* the process in which it was started */
    PyObject *options; /* strong, a dict of texts or lists of texts */
    char *label;       /* what is measured: a case id, or "" */
    char *file;        /* whose functions are meant: absolute, or "" */
    uint64_t began_ns, ended_ns;             /* CLOCK_MONOTONIC */
    struct prf_session_object *next, **link; /* in the list of those with a file */
};

/* Once for the process: clock, catalog, what happens at fork and exit. -1 with an
   exception set. */
int prf_session_prepare(void);

/* The recording's file in a temporary folder of this process, $TMPDIR or /tmp, and its
   writer. PRF_EIO, PRF_ENOMEM. */
int prf_session_file_open(struct prf_session_object *s, struct prf_error *err);

/* Close the writer; the file stays. */
void prf_session_file_close(struct prf_session_object *s);

/* Delete the file, unless it is kept or belongs to the parent of this process. */
void prf_session_file_remove(struct prf_session_object *s);

/* Move the file to `path`, where nothing deletes it. PRF_EIO. */
int prf_session_file_keep(struct prf_session_object *s, const char *path,
                          struct prf_error *err);

/* Another session of this process that measures with that backend, or NULL; borrowed.
 */
const struct prf_session_object *
prf_session_measuring(const struct prf_backend *backend);

/* Open the backend on a new recording; what was measured before is dropped. After a
   failure there is nothing. PRF_EUSAGE: an option; PRF_EUNAVAILABLE, PRF_EIO, ... */
int prf_session_open(struct prf_session_object *s, struct prf_error *err);

/* After prf_session_open. PRF_EUNAVAILABLE: it cannot measure now; says who holds what
   it needs. After a failure there is nothing. */
int prf_session_start(struct prf_session_object *s, struct prf_error *err);

/* Fine when it does not measure. */
int prf_session_stop(struct prf_session_object *s, struct prf_error *err);

void prf_session_mark(struct prf_session_object *s, PyObject *name);

/* How it ended; texts may be NULL. */
struct prf_session_outcome {
    const char *status; /* "ok" "failed" ... */
    const char *reason;
    const char *traceback;
};

/* All that is known into the file, and close the backend; nothing is left to do when
   that was done. PRF_EUSAGE: nothing was measured, or it measures. */
int prf_session_finish(struct prf_session_object *s,
                       const struct prf_session_outcome *outcome,
                       struct prf_error *err);

/* Stop it, close everything, delete the file. Keeps the exception that is set. */
void prf_session_drop(struct prf_session_object *s);

/* The exception of a failure; returns NULL. */
PyObject *prf_session_raise(const struct prf_error *err);

/* ---- session_output.c: of a finished session ---- */

PyObject *prf_session_report(struct prf_session_object *s);
/* `options`: a dict of struct prf_export_options' fields, or NULL. */
PyObject *prf_session_export(struct prf_session_object *s, const char *format,
                             PyObject *options);
/* The names of the formats that the result can be written in: a list of str. */
PyObject *prf_session_formats(struct prf_session_object *s);

#endif
