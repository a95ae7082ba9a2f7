/* A seeded generator (splitmix64): the same seed gives the same numbers everywhere. Not
 * for secrets. */
#ifndef BASE_RNG_H
#define BASE_RNG_H

#include <stdint.h>

struct rng {
  uint64_t state;
};

void rng_init(struct rng *r, uint64_t seed);

/* The next 64 bits. */
uint64_t rng_next(struct rng *r);

/* A number from 0 to n - 1 (n >= 1). */
uint64_t rng_below(struct rng *r, uint64_t n);

#endif
