/* Functions, found again by their content; see functions.h. */
#include "functions.h"

#include <stdlib.h>
#include <string.h>

#include <pyprofiler/recording.h>

#define FUNCTIONS_ROOM 64

static uint64_t
functions_hash_bytes(const char *text, uint64_t h)
{
    for (const char *p = text; *p != '\0'; p++) {
        h = (h ^ (unsigned char)*p) * 0x100000001B3u; /* FNV-1a */
    }
    return h;
}

static uint64_t
functions_hash(const struct prf_function *code)
{
    return functions_hash_bytes(code->qualname,
                                functions_hash_bytes(code->file, code->first_line));
}

static bool
functions_same(const struct prf_function *a, const struct prf_function *b)
{
    return a->first_line == b->first_line && a->flags == b->flags &&
           strcmp(a->qualname, b->qualname) == 0 && strcmp(a->file, b->file) == 0;
}

/* The slot of an equal function, or the free one for it. */
static uint32_t *
functions_slot(const struct prf_functions *codes, const struct prf_function *code)
{
    size_t i = (size_t)functions_hash(code) & codes->mask;
    while (codes->slots[i] != 0 &&
           !functions_same(&codes->list[codes->slots[i]], code)) {
        i = (i + 1) & codes->mask;
    }
    return &codes->slots[i];
}

static int
functions_grow(struct prf_functions *codes, size_t room)
{
    uint32_t *slots = calloc(room * 2, sizeof *slots);
    struct prf_function *list = realloc(codes->list, room * sizeof *list);
    if (list != NULL) {
        codes->list = list;
    }
    if (slots == NULL || list == NULL) {
        free(slots);
        return PRF_ENOMEM;
    }
    free(codes->slots);
    codes->slots = slots;
    codes->mask = room * 2 - 1;
    codes->room = room;
    for (size_t i = 1; i < codes->n; i++) {
        *functions_slot(codes, &codes->list[i]) = (uint32_t)i;
    }
    return 0;
}

int
prf_functions_init(struct prf_functions *codes, struct prf_arena *arena)
{
    *codes = (struct prf_functions){.arena = arena};
    if (functions_grow(codes, FUNCTIONS_ROOM) < 0) {
        return PRF_ENOMEM;
    }
    codes->list[codes->n++] =
        (struct prf_function){.file = "", .name = "", .qualname = ""};
    return 0;
}

void
prf_functions_release(struct prf_functions *codes)
{
    free(codes->list);
    free(codes->slots);
    *codes = (struct prf_functions){0};
}

static int
functions_read(struct prf_arena *arena, const unsigned char *record, size_t size,
               struct prf_function *code)
{
    struct prf_rec_code rec = {0};
    *code = (struct prf_function){.file = "?", .name = "?", .qualname = "?"};
    if (size < sizeof rec) {
        return 1;
    }
    memcpy(&rec, record, sizeof rec);
    if ((uint64_t)rec.file_len + rec.name_len + rec.qual_len > size - sizeof rec) {
        return 1;
    }
    const char *text = (const char *)record + sizeof rec;
    code->first_line = rec.first_line;
    code->flags = rec.flags;
    code->file = prf_arena_strndup(arena, text, rec.file_len);
    code->name = prf_arena_strndup(arena, text + rec.file_len, rec.name_len);
    code->qualname =
        prf_arena_strndup(arena, text + rec.file_len + rec.name_len, rec.qual_len);
    return code->file && code->name && code->qualname ? 0 : PRF_ENOMEM;
}

int
prf_functions_add(struct prf_functions *codes, const unsigned char *record, size_t size,
                  uint32_t *index)
{
    struct prf_function code;
    int rc = functions_read(codes->arena, record, size, &code);
    if (rc < 0 ||
        (codes->n == codes->room && functions_grow(codes, codes->room * 2) < 0)) {
        return PRF_ENOMEM;
    }
    uint32_t *slot = functions_slot(codes, &code);
    if (*slot == 0) {
        *slot = (uint32_t)codes->n;
        codes->list[codes->n++] = code;
    }
    *index = *slot;
    return rc;
}
