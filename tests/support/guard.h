/* Bytes at the very edge of readable memory: a read past them is a SIGSEGV, in every
 * build mode. One guard holds one copy at a time. Fails by assert. */
#ifndef SUPPORT_GUARD_H
#define SUPPORT_GUARD_H

#include <stddef.h>

struct guard {
  char *map; /* owned: a closed page, the room, a closed page */
  size_t room, page;
};

/* Room for copies of up to `max` bytes. */
void guard_init(struct guard *g, size_t max);
void guard_fini(struct guard *g);

/* Copies `n` bytes so that the byte after the last may not be touched. Borrowed until the
 * next copy. */
char *guard_before(struct guard *g, const void *bytes, size_t n);

/* Copies `n` bytes so that the byte before the first may not be touched. Borrowed until
 * the next copy. */
char *guard_after(struct guard *g, const void *bytes, size_t n);

#endif
