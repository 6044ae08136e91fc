/* Before sys.monitoring: a copy of a code object that tells when a line begins, at a
   tenth of what a trace function costs (which is asked at every bytecode). Before each
   instruction at which a line may begin stand three of our own: LOAD_CONST x,
   UNARY_INVERT, POP_TOP. So x is an object of a type of ours that is told by its
   nb_invert, and says itself whether the line is a new one. Needs the GIL. */
#ifndef PRF_LINE_REWRITE_H
#define PRF_LINE_REWRITE_H

#include "compat.h"

#if !PRF_HAVE_MONITORING

#include "line_events.h"

/* The x of a line (see struct prf_line_code). A new reference, NULL with an exception.
 */
typedef PyObject *prf_line_probe_new(struct prf_line_code *code, int line);

/* The copy of code->code, and the line of each of its instructions in *line_at (the
   caller's, free). It needs one more place on the stack than the original. NULL: no
   memory, or not possible, with or without an exception. */
PyCodeObject *prf_line_rewrite(struct prf_line_code *code, prf_line_probe_new *probe,
                               int **line_at);

#endif
#endif
