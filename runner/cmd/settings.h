/* Where results were measured: machine, interpreter and how it was hosted. Results of
   different settings are not compared, unless one asks for it. */
#ifndef PRF_SETTINGS_H
#define PRF_SETTINGS_H

#include <stddef.h>

#include <pyprofiler/error.h>
#include <pyprofiler/options.h>

#include "arena.h"
#include "store.h"

#define PRF_NO_SETTING ((size_t)-1)

struct prf_setting {
    const struct prf_run *base, *next; /* the newest one of each side, or NULL */
    size_t rank;                       /* 0: the first choice */
};

struct prf_settings {
    struct prf_setting *items;
    size_t n;
    size_t *of_base, *of_next;     /* the setting of each run of a side */
    size_t used_base, used_next;   /* compared although they differ */
    size_t n_out_base, n_out_next; /* results left out, being of other settings */
};

/* The settings of two sides, both of which have runs, ranked: those that both sides
   have first, then by the newest run of the new side. Borrows the runs. PRF_ENOMEM. */
int prf_settings_find(struct prf_settings *settings,
                      const struct prf_side_results *base,
                      const struct prf_side_results *next, struct prf_error *err);
void prf_settings_release(struct prf_settings *settings);

/* "cpu 'A' / 'B', Python 3.11.2 / 3.12.1" in the arena: what differs. NULL: no memory.
 */
const char *prf_settings_differ(const struct prf_settings *settings, size_t base,
                                size_t next, struct prf_arena *arena);

/* "CPython 3.12.1 (embed), AMD EPYC x 2", of the first choice. NULL: no memory. */
const char *prf_settings_describe(const struct prf_settings *settings,
                                  struct prf_arena *arena);

/* For the warnings: two different ones were compared; so many results were left out. */
void prf_settings_used(struct prf_settings *settings, size_t base, size_t next);
void prf_settings_left_out(struct prf_settings *settings, size_t n_base, size_t n_next);

/* Adds a line for each thing that the reader has to know. PRF_ENOMEM. */
int prf_settings_warn(const struct prf_settings *settings, struct prf_strlist *out);

#endif
