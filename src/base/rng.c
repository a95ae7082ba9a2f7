/* splitmix64, by Sebastiano Vigna: https://prng.di.unimi.it/splitmix64.c */
#include "base/rng.h"

#include <assert.h>

void rng_init(struct rng *r, uint64_t seed) {
  r->state = seed;
}

uint64_t rng_next(struct rng *r) {
  uint64_t z = (r->state += 0x9e3779b97f4a7c15u);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

uint64_t rng_below(struct rng *r, uint64_t n) {
  assert(n >= 1);
  /* The first 2^64 mod n numbers would make the small results likelier: skip them. */
  uint64_t skip = -n % n;
  uint64_t x;
  do x = rng_next(r);
  while (x < skip);
  return x % n;
}
