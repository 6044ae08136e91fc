/* Ctrl-C and termination as something to poll for. One process-wide state: signals are.
 */
#ifndef PRF_INTERRUPT_H
#define PRF_INTERRUPT_H

#include <stdbool.h>

#include <pyprofiler/error.h>

/* Catch SIGINT, SIGTERM and SIGHUP from now on. The third one ends the process at once.
   PRF_EIO. */
int prf_interrupt_install(struct prf_error *err);

/* How many arrived. */
int prf_interrupt_count(void);

/* Readable once one arrived; -1 before the installation. */
int prf_interrupt_fd(void);

#endif
