/* Inside the folder: a table from two integers to a value. Zeroed it is empty. */
#ifndef PRF_KEY_MAP_H
#define PRF_KEY_MAP_H

#include <stddef.h>
#include <stdint.h>

struct prf_key_map {
    struct prf_key_entry {
        int64_t a, b;
        size_t value;   /* plus one; 0: the place is free */
    } * entries;        /* the map's (free) */
    size_t n, capacity; /* a power of two */
};

/* 1: the value, in *out; 0: it was not there and is `value` now; PRF_ENOMEM. */
int prf_key_map_put(struct prf_key_map *map, int64_t a, int64_t b, size_t value,
                    size_t *out);

#endif
