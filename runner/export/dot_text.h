/* Pieces of a program for Graphviz that both graphs have, of a result and of a
   difference. */
#ifndef PRF_DOT_TEXT_H
#define PRF_DOT_TEXT_H

#include "graph_model.h"

/* Inside a quoted string of attributes with escapes and entities (labels, tooltips). */
void prf_dot_put(struct prf_strbuf *out, const char *text);

/* Inside an HTML-like label. */
void prf_dot_put_html(struct prf_strbuf *out, const char *text);

/* `text` on one line, without control characters and invalid bytes; in `scratch`, until
   it is used again. */
const char *prf_dot_line(struct prf_strbuf *scratch, const char *text);

/* "digraph ... {" and what holds for all of it: paper, fonts, shapes. */
void prf_dot_put_head(const struct prf_graph *graph, struct prf_strbuf *out);

/* Have a program drawn as "svg", "png" or "pdf". PRF_EUNAVAILABLE: there is no
   Graphviz; PRF_EIO. */
int prf_graph_draw(const char *program, const char *format, FILE *out,
                   struct prf_error *err);

#endif
