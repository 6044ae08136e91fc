/* JSON written as it is made: documents with many samples never stand in memory whole.
   Keys come out in the order of the calls; text is made valid UTF-8; a number that is
   not finite is null. */
#ifndef PRF_JSONOUT_H
#define PRF_JSONOUT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "strbuf.h"

struct prf_jsonout {
    FILE *out;
    struct prf_strbuf scratch;
    bool comma;  /* the next member or element needs one */
    bool failed; /* out of memory: the document is not whole */
};

/* Begin and end objects and arrays; `key` is NULL in an array and at the top. */
void prf_json_open(struct prf_jsonout *js, const char *key, char bracket);
void prf_json_close(struct prf_jsonout *js, char bracket);

void prf_json_text(struct prf_jsonout *js, const char *key,
                   const char *text); /* or null */
void prf_json_int(struct prf_jsonout *js, const char *key, int64_t value);
void prf_json_uint(struct prf_jsonout *js, const char *key, uint64_t value);
void prf_json_double(struct prf_jsonout *js, const char *key, double value);
void prf_json_bool(struct prf_jsonout *js, const char *key, bool value);

/* A value that is JSON already. */
void prf_json_raw(struct prf_jsonout *js, const char *key, const char *json);

struct prf_clause;

/* A judged clause of a budget, as an element of an array. */
void prf_json_clause(struct prf_jsonout *js, const struct prf_clause *clause);

void prf_jsonout_release(struct prf_jsonout *js);

#endif
