/* Python objects as JSON, made before anything is written. With the GIL. */
#ifndef PRF_PIECES_METADATA_H
#define PRF_PIECES_METADATA_H

#include <Python.h>

#include <stdint.h>

struct prf_metadata_item {
    uint64_t index; /* of the call */
    char *json;
};

struct prf_metadata {
    struct prf_metadata_item *items; /* by index */
    size_t n;
};

/* Any str as a JSON text in ASCII, with its quotes; lone surrogates are escaped as they
   are, so that it reads back as the same. The caller's (free). NULL: MemoryError. */
char *prf_metadata_quote(PyObject *text);

/* From a dict of call index to dict, or NULL. What JSON does not know becomes its
   repr(). Runs the program's code. -1: exception set; release it all the same. */
int prf_metadata_render(PyObject *dict, struct prf_metadata *metadata);
void prf_metadata_release(struct prf_metadata *metadata);

/* The JSON object of a call, borrowed; NULL: it has none. Any thread. */
const char *prf_metadata_at(const struct prf_metadata *metadata, uint64_t index);

#endif
