/* Numbers by chance, the same on every machine for the same seed: xoshiro256** of
   Blackman and Vigna (2018), seeded by splitmix64. Not for secrets. */
#ifndef PRF_RANDOM_H
#define PRF_RANDOM_H

#include <stddef.h>
#include <stdint.h>

struct prf_random {
    uint64_t state[4];
};

static inline void
prf_random_seed(struct prf_random *random, uint64_t seed)
{
    for (int i = 0; i < 4; i++) {
        uint64_t x = seed += UINT64_C(0x9e3779b97f4a7c15);
        x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
        x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
        random->state[i] = x ^ (x >> 31);
    }
}

static inline uint64_t
prf_random_bits(struct prf_random *random)
{
    uint64_t *s = random->state;
    uint64_t product = s[1] * 5, shifted = s[1] << 17;
    uint64_t result = ((product << 7) | (product >> 57)) * 9;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= shifted;
    s[3] = (s[3] << 45) | (s[3] >> 19);
    return result;
}

/* In [0, 1). */
static inline double
prf_random_unit(struct prf_random *random)
{
    return (double)(prf_random_bits(random) >> 11) * 0x1p-53;
}

/* In [0, n), n below 2^32: the bias is n / 2^32. */
static inline size_t
prf_random_below(struct prf_random *random, size_t n)
{
    return (size_t)(((prf_random_bits(random) >> 32) * (uint64_t)n) >> 32);
}

#endif
