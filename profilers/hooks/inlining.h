/* Specialised bytecode that enters a frame without asking for the evaluation function,
   which everyone who replaces that one must forbid:

   - x[i] with a __getitem__ written in Python, on 3.11.2 (no more on 3.11.7): it needs
     a function version of 16 bits, and gets one beyond them.
   - the call of a class whose __init__ is written in Python, on 3.13: it needs a class
     whose objects come from PyType_GenericAlloc, so that is hidden behind a function of
     ours. Making an object takes some 50 ns more then.

   Everything else that enters frames asks; the tests call one of each. Include it with
   Py_BUILD_CORE_MODULE defined. Needs the GIL. */
#ifndef PRF_INLINING_H
#define PRF_INLINING_H

#include "compat.h"

#include <internal/pycore_frame.h>

#include <pyprofiler/error.h>

/* For all classes that are there now, and those to come, until as many
   prf_inlining_allow as this succeeded. PRF_ENOMEM. */
int prf_inlining_forbid(struct prf_error *err);

/* The last one makes it as before, as far as it costs the program something. */
void prf_inlining_allow(void);

#if PRF_HAVE_INLINED_GETITEM

extern PyObject *prf_inlining_getitem; /* "__getitem__", interned for good */

void prf_inlining_forbid_getitem(PyFunctionObject *function);

/* Call it on each frame: a class may have been made since the start. */
static inline void
prf_inlining_seen(const _PyInterpreterFrame *frame)
{
    if (__builtin_expect(frame->f_code->co_name == prf_inlining_getitem, 0)) {
        prf_inlining_forbid_getitem(frame->f_func);
    }
}

#elif PRF_HAVE_INLINED_INIT

struct prf_inlining_class;

/* The classes that are being made, on all threads. */
extern struct prf_inlining_class *prf_inlining_making;

void prf_inlining_forbid_making(void);

/* Call it on each frame: it may be one that runs while a class is made and could make
   objects of it (__init_subclass__, __set_name__). */
static inline void
prf_inlining_seen(const _PyInterpreterFrame *Py_UNUSED(frame))
{
    if (__builtin_expect(prf_inlining_making != NULL, 0)) {
        prf_inlining_forbid_making();
    }
}

#else

static inline void
prf_inlining_seen(const _PyInterpreterFrame *Py_UNUSED(frame))
{
}

#endif
#endif
