/* Memory for a Lua state. */
#include "api/alloc.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Under a sanitizer each block has to be malloc's own. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { SMALL = 0 };
#else
enum { SMALL = ALLOC_SMALL };
#endif

static size_t class_of(size_t size) {
  return (size + ALLOC_STEP - 1) / ALLOC_STEP;
}

static void push(void **list, void *block) {
  *(void **)block = *list;
  *list = block;
}

static void *pop(void **list) {
  void *block = *list;
  if (block) *list = *(void **)block;
  return block;
}

/* A new chunk; what is left of the old one goes to the free list of its size. */
static bool refill(struct alloc *a) {
  char *chunk = malloc(ALLOC_CHUNK);
  if (!chunk) return false;
  if (a->left > 0) push(&a->free[a->left / ALLOC_STEP], a->at);
  push(&a->chunks, chunk);
  a->at = chunk + ALLOC_STEP;
  a->left = ALLOC_CHUNK - ALLOC_STEP;
  return true;
}

static void *take(struct alloc *a, size_t size) {
  if (size > SMALL) return malloc(size);
  size_t class = class_of(size), bytes = class * ALLOC_STEP;
  void *block = pop(&a->free[class]);
  if (block) return block;
  if (a->left < bytes && !refill(a)) return NULL;
  block = a->at;
  a->at += bytes;
  a->left -= bytes;
  return block;
}

static void give(struct alloc *a, void *block, size_t size) {
  if (size > SMALL)
    free(block);
  else
    push(&a->free[class_of(size)], block);
}

/* lua_Alloc: making a block smaller must not fail; then it stays where it is. */
static void *resize(struct alloc *a, void *block, size_t old_size, size_t size) {
  if (old_size > SMALL && size > SMALL) return realloc(block, size);
  if (size <= SMALL && old_size <= SMALL && class_of(size) == class_of(old_size))
    return block;
  void *moved = take(a, size);
  if (!moved) return size <= old_size ? block : NULL;
  memcpy(moved, block, size < old_size ? size : old_size);
  give(a, block, old_size);
  return moved;
}

void *alloc_lua(void *a, void *block, size_t old_size, size_t size) {
  if (!block) return size ? take(a, size) : NULL; /* old_size is the kind of object */
  if (size) return resize(a, block, old_size, size);
  give(a, block, old_size);
  return NULL;
}

void alloc_fini(struct alloc *a) {
  void *chunk;
  while ((chunk = pop(&a->chunks))) free(chunk);
  *a = (struct alloc){0};
}
