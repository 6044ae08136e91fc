/* Memory that is freed all at once; see arena.h. */
#include "arena.h"

#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

#define ARENA_BLOCK (64u * 1024u)

struct prf_arena_block {
    struct prf_arena_block *next;
    alignas(max_align_t) char data[];
};

void *
prf_arena_alloc(struct prf_arena *arena, size_t size)
{
    size_t align = alignof(max_align_t);
    size_t need = (size + align - 1) / align * align;
    if (need < size) {
        return NULL;
    }
    if ((size_t)(arena->end - arena->next) < need) {
        size_t room = need > ARENA_BLOCK ? need : ARENA_BLOCK;
        struct prf_arena_block *block = calloc(1, sizeof *block + room);
        if (block == NULL) {
            return NULL;
        }
        block->next = arena->blocks;
        arena->blocks = block;
        arena->next = block->data;
        arena->end = block->data + room;
    }
    void *p = arena->next;
    arena->next += need;
    return p;
}

char *
prf_arena_strndup(struct prf_arena *arena, const char *text, size_t len)
{
    char *copy = prf_arena_alloc(arena, len + 1);
    if (copy != NULL) {
        memcpy(copy, text, len);
    }
    return copy;
}

char *
prf_arena_strdup(struct prf_arena *arena, const char *text)
{
    return prf_arena_strndup(arena, text, strlen(text));
}

void
prf_arena_release(struct prf_arena *arena)
{
    struct prf_arena_block *block = arena->blocks;
    while (block != NULL) {
        struct prf_arena_block *next = block->next;
        free(block);
        block = next;
    }
    *arena = (struct prf_arena){0};
}
