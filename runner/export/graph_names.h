/* What functions and their modules are called in a picture. */
#ifndef PRF_GRAPH_NAMES_H
#define PRF_GRAPH_NAMES_H

#include "graph_model.h"

struct prf_graph_names {
    struct prf_graph *graph; /* its arena owns the names */
    const char *roots[2];    /* folders where packages start */
    size_t n_roots;
    struct prf_strbuf text;
};

/* PRF_ENOMEM. */
int prf_graph_names_init(struct prf_graph_names *names, struct prf_graph *graph);
void prf_graph_names_release(struct prf_graph_names *names);

/* The module of a function and its name inside, both on one line and not too long; a C
   function's are taken from its pstats name: "time" and "sleep", "builtins" and
   "list.append". PRF_ENOMEM. */
int prf_graph_names_get(struct prf_graph_names *names, const struct prf_function *code,
                        const char **module, const char **name);

#endif
