/* The seed of a test program: SEED from the environment, else one of the clock's. */
#ifndef SUPPORT_SEED_H
#define SUPPORT_SEED_H

#include <stdint.h>

/* The same number at each call; the first call prints it as "SEED=N". */
uint64_t seed_get(void);

#endif
