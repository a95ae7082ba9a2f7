#include "support/seed.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static uint64_t from_clock(void) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return (uint64_t)now.tv_sec * 1000003u ^ (uint64_t)now.tv_nsec;
}

uint64_t seed_get(void) {
  static bool known;
  static uint64_t seed;
  if (known) return seed;
  const char *text = getenv("SEED");
  seed = text && *text ? strtoull(text, NULL, 10) : from_clock();
  known = true;
  printf("SEED=%" PRIu64 "\n", seed);
  fflush(stdout);
  return seed;
}
