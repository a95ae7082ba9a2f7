/* Memory for a Lua state. Small blocks come from free lists by size, without a header: a
 * connection is a dozen of them, made and freed together, and malloc's headers and
 * bookkeeping would cost a tenth of its memory and of its time. What is freed is kept for
 * blocks of the same size; all is given back when the state is. */
#ifndef API_ALLOC_H
#define API_ALLOC_H

#include <stddef.h>

enum {
  ALLOC_STEP = 16,         /* sizes are rounded up to a multiple of it */
  ALLOC_SMALL = 1024,      /* larger blocks are malloc's */
  ALLOC_CHUNK = 32 * 1024, /* what small blocks are cut from */
};

struct alloc {
  void *free[ALLOC_SMALL / ALLOC_STEP + 1]; /* by size / ALLOC_STEP: linked through their
                                               first word */
  char *at;                                 /* the rest of the newest chunk */
  size_t left;
  void *chunks; /* owned; linked through their first word */
};

/* All zero is a valid beginning. */
void alloc_fini(struct alloc *a);

/* A lua_Alloc whose first argument is the struct. */
void *alloc_lua(void *a, void *block, size_t old_size, size_t size);

#endif
