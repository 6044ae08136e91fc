/* A hash table with open addressing; see key_map.h. */
#include "key_map.h"

#include <stdlib.h>

#include <pyprofiler/error.h>

static size_t
map_hash(int64_t a, int64_t b)
{
    uint64_t h = (uint64_t)a * 0x9e3779b97f4a7c15u ^ (uint64_t)b * 0xc2b2ae3d27d4eb4fu;
    return (size_t)(h ^ h >> 29);
}

static struct prf_key_entry *
map_place(const struct prf_key_map *map, int64_t a, int64_t b)
{
    size_t i = map_hash(a, b);
    for (;; i++) {
        struct prf_key_entry *e = &map->entries[i & (map->capacity - 1)];
        if (e->value == 0 || (e->a == a && e->b == b)) {
            return e;
        }
    }
}

static int
map_grow(struct prf_key_map *map)
{
    struct prf_key_map larger = {
        .n = map->n, .capacity = map->capacity == 0 ? 256 : 2 * map->capacity};
    larger.entries = calloc(larger.capacity, sizeof *larger.entries);
    if (larger.entries == NULL) {
        return PRF_ENOMEM;
    }
    for (size_t i = 0; i < map->capacity; i++) {
        const struct prf_key_entry *e = &map->entries[i];
        if (e->value != 0) {
            *map_place(&larger, e->a, e->b) = *e;
        }
    }
    free(map->entries);
    *map = larger;
    return 0;
}

int
prf_key_map_put(struct prf_key_map *map, int64_t a, int64_t b, size_t value,
                size_t *out)
{
    if (4 * (map->n + 1) > 3 * map->capacity && map_grow(map) < 0) {
        return PRF_ENOMEM;
    }
    struct prf_key_entry *e = map_place(map, a, b);
    if (e->value != 0) {
        *out = e->value - 1;
        return 1;
    }
    *e = (struct prf_key_entry){a, b, value + 1};
    *out = value;
    map->n++;
    return 0;
}
