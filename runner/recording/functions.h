/* The functions that recordings name, equal ones merged. */
#ifndef PRF_FUNCTIONS_H
#define PRF_FUNCTIONS_H

#include <stddef.h>
#include <stdint.h>

#include "profile.h"

struct prf_functions {
    struct prf_arena *arena;   /* borrowed; owns the strings */
    struct prf_function *list; /* [0] is a placeholder */
    size_t n;                  /* that included */
    size_t room;
    uint32_t *slots; /* index in list[], 0: free */
    size_t mask;
};

/* PRF_ENOMEM; release it in any case. */
int prf_functions_init(struct prf_functions *codes, struct prf_arena *arena);
void prf_functions_release(struct prf_functions *codes);

/* Index of the function that a prf_rec_code of `size` bytes tells of. 1: the record is
   damaged, and the function is named "?"; PRF_ENOMEM. */
int prf_functions_add(struct prf_functions *codes, const unsigned char *record,
                      size_t size, uint32_t *index);

#endif
