#include "support/guard.h"

#include <assert.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

void guard_init(struct guard *g, size_t max) {
  g->page = (size_t)sysconf(_SC_PAGESIZE);
  g->room = (max / g->page + 1) * g->page;
  g->map =
      mmap(NULL, g->room + 2 * g->page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  assert(g->map != MAP_FAILED);
  int r = mprotect(g->map + g->page, g->room, PROT_READ | PROT_WRITE);
  assert(r == 0);
  (void)r;
}

void guard_fini(struct guard *g) {
  munmap(g->map, g->room + 2 * g->page);
}

static char *copy(struct guard *g, size_t offset, const void *bytes, size_t n) {
  char *at = g->map + g->page + offset;
  if (n) memcpy(at, bytes, n);
  return at;
}

char *guard_before(struct guard *g, const void *bytes, size_t n) {
  assert(n <= g->room);
  return copy(g, g->room - n, bytes, n);
}

char *guard_after(struct guard *g, const void *bytes, size_t n) {
  assert(n <= g->room);
  return copy(g, 0, bytes, n);
}
