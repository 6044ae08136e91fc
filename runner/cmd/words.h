/* Which words of a run's command line are targets, which one names profilers. */
#ifndef PRF_WORDS_H
#define PRF_WORDS_H

#include <stdbool.h>
#include <stddef.h>

#include <pyprofiler/error.h>

#include "args.h"
#include "describe.h"

struct prf_words {
    const char **targets; /* room for argc; borrowed from argv */
    size_t n_targets;
    bool has_program;      /* -m or -c was given: a target that is no word */
    const char *profilers; /* "call" or "call,stopwatch"; NULL: none was named */
    struct prf_args tail;  /* what follows the profilers */
};

/* Is the word a profiler, or a list of which one is? */
bool prf_words_is_profiler(const char *word, const struct prf_profilers *known);

/* A first look, before the profilers are known: sets what options it understands
   provisionally and ignores the rest. *first is the first word, or NULL. */
void prf_words_prescan(int argc, char **argv, const struct prf_option_group *groups,
                       void *target, struct prf_layers *layers, const char **first);

/* Options and words up to the profilers. A word that is neither a known profiler nor
   possibly a target is taken for one that the case file registers. PRF_EUSAGE. */
int prf_words_read(int argc, char **argv, const struct prf_option_group *groups,
                   const struct prf_profilers *known, struct prf_layers *layers,
                   void *target, struct prf_words *out, struct prf_error *err);
void prf_words_release(struct prf_words *words);

#endif
