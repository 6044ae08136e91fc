/* Memory that is freed all at once: the strings and tables of a model. */
#ifndef PRF_ARENA_H
#define PRF_ARENA_H

#include <stddef.h>

struct prf_arena_block;

struct prf_arena {
    struct prf_arena_block *blocks;
    char *next;
    char *end;
};

/* A zeroed arena is an empty one. */

/* `size` zeroed bytes, aligned for any type, or NULL when there is no memory. */
void *prf_arena_alloc(struct prf_arena *arena, size_t size);

/* A copy of text[0..len) with a NUL, or NULL. */
char *prf_arena_strndup(struct prf_arena *arena, const char *text, size_t len);
char *prf_arena_strdup(struct prf_arena *arena, const char *text);

/* Free everything; the arena is empty again. */
void prf_arena_release(struct prf_arena *arena);

#endif
