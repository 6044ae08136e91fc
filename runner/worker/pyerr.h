/* Where Python's exceptions and our errors meet. All functions need the GIL. */
#ifndef PRF_PYERR_H
#define PRF_PYERR_H

#include <Python.h>

#include <pyprofiler/error.h>

/* Take the exception that is set, as an object with its traceback; NULL: none was. */
PyObject *prf_pyerr_take(void);

/* The exception that is set becomes a failure: "<what>: ValueError: text". */
int prf_fail_py(struct prf_error *err, const char *what);

/* "ValueError: text" on one line; the caller's (free), NULL when there is no memory. */
char *prf_pyerr_reason(PyObject *exc);

/* The traceback as Python prints it, without the frames of our own that called the
   user's code; the caller's (free). Falls back on the reason when it cannot be
   formatted. */
char *prf_pyerr_traceback(PyObject *exc);

/* The frames above which the user's code begins are those of files in this folder. */
void prf_pyerr_set_own_folder(const char *folder);

/* Any object as UTF-8 that is always valid (backslashes for what is not); the caller's.
 */
char *prf_pyerr_text(PyObject *object);

#endif
