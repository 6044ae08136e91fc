/* A file that callgrind wrote: the totals, and what each function took. Knows no Python
   and no valgrind. The file is to be written with --compress-strings=no. */
#ifndef PRF_CALLGRIND_DUMP_H
#define PRF_CALLGRIND_DUMP_H

#include <stddef.h>
#include <stdint.h>

#include <pyprofiler/error.h>

#define PRF_CALLGRIND_EVENTS_MAX 16

struct prf_callgrind_function {
    const char *name;   /* of the symbol, or an address */
    const char *object; /* path of the library it is in; "": unknown */
    int64_t calls;
    int64_t own; /* of the first event (Ir) */
};

struct prf_callgrind_dump {
    char *text;                                   /* the file; all texts are in it */
    const char *events[PRF_CALLGRIND_EVENTS_MAX]; /* "Ir" "Dr" ... */
    int64_t totals[PRF_CALLGRIND_EVENTS_MAX];
    size_t n_events;
    struct prf_callgrind_function *functions; /* most expensive first */
    size_t n_functions;
};

/* PRF_ENOTFOUND, PRF_EIO, PRF_ENOMEM; PRF_ECORRUPT: no totals in it. Release it in any
   case. */
int prf_callgrind_dump_read(struct prf_callgrind_dump *dump, const char *path,
                            struct prf_error *err);

/* Total of an event by name; 0 when it was not counted. */
int64_t prf_callgrind_dump_total(const struct prf_callgrind_dump *dump,
                                 const char *event);

void prf_callgrind_dump_release(struct prf_callgrind_dump *dump);

#endif
