/* The interpreter of the worker: starting it as the user's own would start. */
#ifndef PRF_INTERP_H
#define PRF_INTERP_H

#include <jansson.h>

#include <pyprofiler/error.h>

/* Initialise Python as `init` (the protocol's message) says, or adopt the one that is
   already running (host "python"), and make our package importable. The GIL is held
   afterwards. PRF_EPYTHON. */
int prf_interp_start(const json_t *init, struct prf_error *err);

/* Flush sys.stdout and sys.stderr, whatever they are now; no exception stays set. */
void prf_interp_flush(void);

/* The protocol's `ready` message; NULL with a Python exception set. */
json_t *prf_interp_describe(void);

#endif
