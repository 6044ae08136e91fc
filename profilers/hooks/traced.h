/* Python's tracemalloc: how many bytes it counts since the start of the case, read
   without the GIL where they are. With the GIL, except where it says otherwise. */
#ifndef PRF_TRACED_H
#define PRF_TRACED_H

#include <Python.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <pyprofiler/error.h>

struct prf_traced {
    PyObject *module;               /* strong; _tracemalloc */
    const volatile size_t *counter; /* of Python's; NULL: not found */
    const char *slow;               /* why it is not */
    bool started;                   /* see traces.h; not stopped yet */
    bool was_tracing;               /* before the case */
};

/* Zeroed before. The first search for the count takes some milliseconds, so it is done
   here and not in start. PRF_EUNAVAILABLE: this Python has no tracemalloc; PRF_EPYTHON.
 */
int prf_traced_open(struct prf_traced *traced, struct prf_error *err);
void prf_traced_close(struct prf_traced *traced); /* stops it, too */

/* PRF_EPYTHON: tracemalloc does not start. */
int prf_traced_start(struct prf_traced *traced, struct prf_error *err);
void prf_traced_stop(struct prf_traced *traced);

/* The bytes now: on any thread without the GIL where the count was found, else on the
   main thread. -1: not known. */
int64_t prf_traced_read(struct prf_traced *traced);

/* Python's own answer, now and at the peak; false: there is none. */
bool prf_traced_ask(struct prf_traced *traced, int64_t bytes[2]);

#endif
