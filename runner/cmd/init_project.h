/* The project that `pyprofiler init` finds, looked at but never run. */
#ifndef PRF_INIT_PROJECT_H
#define PRF_INIT_PROJECT_H

#include <stdbool.h>

#include <jansson.h>

#include <pyprofiler/error.h>

struct prf_init_project {
    char *root; /* absolute */
    json_t *found;
    /* Borrowed from `found`: */
    const char *package;
    const char *toml_error; /* why pyproject.toml cannot be read, or NULL */
    bool in_src;            /* the package lies in src/ */
    bool compiled;          /* it has sources that must be built before an import */
    bool has_table;         /* [tool.pyprofiler] */
    bool in_repository;
    const char *module, *function; /* of an example, NULL: none was found */
    json_t *arguments;             /* names of what the function needs */
};

/* The project at or above `folder`, read by the interpreter `python` (NULL: the one
   that a run would take). PRF_ENOTFOUND: no folder, no package; PRF_EUNAVAILABLE. */
int prf_init_project_find(const char *folder, const char *python,
                          struct prf_init_project *out, struct prf_error *err);
void prf_init_project_release(struct prf_init_project *project);

#endif
