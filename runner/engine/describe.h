/* What a worker says of itself and of a case file, as structs: profilers with their
   option tables, and cases. */
#ifndef PRF_DESCRIBE_H
#define PRF_DESCRIBE_H

#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>

#include <pyprofiler/error.h>
#include <pyprofiler/options.h>

#include "arena.h"

struct prf_profiler_metric {
    const char *name, *unit, *scope, *better, *help;
};

struct prf_profiler {
    const char *name;
    const char **aliases; /* ends with NULL */
    const char *summary;
    const char *why; /* not available: what is missing */
    bool available;
    bool registered;            /* by a case file or a plugin module */
    bool exclusive;             /* needs a process of its own */
    bool valgrind;              /* and that under valgrind, see PRF_CAP_VALGRIND */
    struct prf_option *options; /* offsets mean nothing here */
    struct prf_profiler_metric *metrics;
    size_t n_metrics;
};

struct prf_profilers {
    struct prf_arena arena;
    struct prf_profiler **items;
    size_t n;
};

/* Add the BACKENDs of a message; a name that is there already is replaced.
   PRF_EPROTOCOL. */
int prf_profilers_add(struct prf_profilers *profilers, const json_t *backends,
                      struct prf_error *err);
void prf_profilers_release(struct prf_profilers *profilers);

/* By name or alias, '_' and '-' being the same; NULL. */
const struct prf_profiler *prf_profilers_find(const struct prf_profilers *profilers,
                                              const char *name);

/* The name or alias nearest to `name`, or NULL. */
const char *prf_profilers_suggest(const struct prf_profilers *profilers,
                                  const char *name);

/* Equal, '_' and '-' being the same? */
bool prf_name_same(const char *a, const char *b);

struct prf_case {
    const char *id; /* node id */
    const char *class_name, *method;
    const char *params; /* "n=10", NULL: none */
    const char *file;
    int line;
    const char *hash, *doc;
    const char *skip;    /* the reason, NULL: not skipped */
    const char **accept; /* ends with NULL; NULL: all */
    const char **reject; /* ends with NULL */
    const char *budget;  /* JSON object {metric: limit}, NULL: none; see gate.h */
    bool async;
};

struct prf_case_file {
    struct prf_arena arena;
    struct prf_case *cases;
    size_t n;
    int n_threads; /* after the import; more than one: no fork */
    const char *file, *module;
    const char **warnings; /* ends with NULL */
};

/* From the message `cases`. PRF_EPROTOCOL. */
int prf_case_file_parse(const json_t *message, struct prf_case_file *out,
                        struct prf_error *err);
void prf_case_file_release(struct prf_case_file *file);

#endif
