/* Texts of the trace: values and exceptions of the case, bounded. The GIL is held; the
   exception that is set is kept. */
#ifndef PRF_TRACE_TEXT_H
#define PRF_TRACE_TEXT_H

#include <Python.h>

#include "trace_stream.h"

#define PRF_TRACE_TEXT_MAX 4096u

struct prf_trace_buffer {
    size_t len;
    char text[PRF_TRACE_TEXT_MAX];
};

static inline struct prf_trace_text
prf_trace_buffer_text(const struct prf_trace_buffer *b)
{
    return (struct prf_trace_text){b->text, b->len};
}

/* A reprlib.Repr with our bounds; NULL with an exception. */
PyObject *prf_trace_repr_new(void);

/* The dict (name -> value) as a JSON object of reprs. They may run code of the case,
   which is not traced. */
void prf_trace_buffer_values(struct prf_trace_buffer *b, PyObject *repr,
                             PyObject *dict);

/* {"return": repr of the value} */
void prf_trace_buffer_result(struct prf_trace_buffer *b, PyObject *repr,
                             PyObject *value);

/* "TypeError: text". Runs no code of the case: the text is left out where that would
   need some. `value` may be NULL, or what the exception is to be made of. */
void prf_trace_buffer_exception(struct prf_trace_buffer *b, PyObject *type,
                                PyObject *value);

/* A str, cut; "?" for what has no UTF-8. */
void prf_trace_buffer_str(struct prf_trace_buffer *b, PyObject *text);

#endif
