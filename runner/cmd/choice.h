/* The profilers of a run with the options that each was given. */
#ifndef PRF_CHOICE_H
#define PRF_CHOICE_H

#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>

#include <pyprofiler/error.h>

#include "args.h"
#include "describe.h"
#include "words.h"

struct prf_choice {
    const struct prf_profiler **items; /* borrowed from the profilers */
    json_t **options;                  /* of each: {"name": "text" | ["a", "b"]} */
    size_t n;
    bool unknown; /* a name is that of no profiler yet: nothing else was read */
    bool help;    /* --help came after the profiler */
};

struct prf_choice_request {
    const struct prf_words *words;
    const struct prf_profilers *known;
    const json_t *config; /* [tool.pyprofiler], or NULL */
    const char *config_path;
    const struct prf_option_group *groups; /* of run: accepted after the profiler too */
    struct prf_layers *layers;
    int layer;
    void *target; /* run's options */
    const char *standard; /* the profiler when none was named; NULL: stopwatch */
    bool lenient; /* names may be unknown: the case file is not imported yet */
};

/* PRF_EUSAGE: an unknown profiler or option, a value it does not take, a stray word;
   PRF_EUNAVAILABLE: a profiler that cannot work here, and why. */
int prf_choice_make(struct prf_choice *choice, const struct prf_choice_request *request,
                    struct prf_error *err);
void prf_choice_release(struct prf_choice *choice);

#endif
