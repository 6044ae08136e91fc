/* All profilers of this process: the built-in ones, those from shared objects in
   $PYPROFILER_PLUGINS, and how they are described to the runner. */
#ifndef PRF_CATALOG_H
#define PRF_CATALOG_H

#include <jansson.h>

#include <pyprofiler/backend.h>

/* The out-of-tree backends of $PYPROFILER_PLUGINS (paths separated by ':'). Idempotent. What
   cannot be loaded is said in the array that prf_catalog_describe returns. */
void prf_catalog_load(void);

/* By name or alias, NULL when there is none. */
const struct prf_backend *prf_catalog_find(const char *name);

/* Array of BACKEND objects of the protocol; probes each. NULL: no memory. */
json_t *prf_catalog_describe(void);

#endif
