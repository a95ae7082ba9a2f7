#include "support/edge.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "support/guard.h"
#include "support/seed.h"

enum { ROOM = 4096 };

struct rng edge_rng;
static struct guard guard;

int edge_set_up(void **state) {
  (void)state;
  guard_init(&guard, ROOM);
  rng_init(&edge_rng, seed_get());
  return 0;
}

int edge_tear_down(void **state) {
  (void)state;
  guard_fini(&guard);
  return 0;
}

const char *edge_bytes(const void *bytes, size_t n) {
  return guard_before(&guard, bytes, n);
}

const char *edge(const char *text) {
  return edge_bytes(text, strlen(text));
}

void edge_assert_slice(const char *text, struct slice s, const char *want) {
  assert_int_equal(s.len, strlen(want));
  assert_memory_equal(text + s.at, want, s.len);
}
