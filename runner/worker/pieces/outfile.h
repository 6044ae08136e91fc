/* A file that appears whole or not at all: written beside its place and renamed, so
   that a failure leaves what was there. What is no regular file (a pipe, a terminal) is
   written to directly. With the GIL, but for writing to `out`. */
#ifndef PRF_PIECES_OUTFILE_H
#define PRF_PIECES_OUTFILE_H

#include <Python.h>

#include <stdio.h>

struct prf_outfile {
    FILE *out;
    PyObject *name;  /* strong: as the caller gave it, for errors */
    char *path;      /* where it goes */
    char *temporary; /* what is written; NULL: `path` itself */
};

/* `filename` is str, bytes or os.PathLike. -1: TypeError, ValueError, OSError with the
   file's name; nothing is to be closed. */
int prf_outfile_open(PyObject *filename, struct prf_outfile *file);

/* Put it in its place, unless an exception is set or the writing failed: then it is
   removed. -1: OSError, or the exception that was set. */
int prf_outfile_close(struct prf_outfile *file);

#endif
