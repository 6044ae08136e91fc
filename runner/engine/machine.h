/* The machine and the state of it that measurements depend on. */
#ifndef PRF_MACHINE_H
#define PRF_MACHINE_H

#include <pyprofiler/error.h>

#include "result.h"

/* Fill `out`, strings in `arena`; what the system does not tell stays NULL. The
   fingerprint covers what does not vary from boot to boot: CPU, count, RAM,
   architecture, host name. PRF_ENOMEM. */
int prf_machine_describe(struct prf_arena *arena, struct prf_machine *out,
                         struct prf_error *err);

/* The first line of a file of the kernel's, or NULL. */
const char *prf_machine_line(struct prf_arena *arena, const char *path);

#endif
