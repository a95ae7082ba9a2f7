/* The byte buffer. A held byte is moved at most once for each byte that was consumed before
 * it, so that a long stream through a small buffer costs few copies. */
#include "base/buf.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/copy.h"

enum { CAP_MIN = 256 };

void buf_init(struct buf *b) {
  *b = (struct buf){0};
}

void buf_fini(struct buf *b) {
  free(b->block);
  buf_init(b);
}

/* Moves the held bytes to new memory with room for at least `needed` bytes. */
static int grow(struct buf *b, size_t needed) {
  size_t cap = b->block ? b->block->cap : CAP_MIN, len = buf_len(b);
  while (cap < needed) {
    if (cap > SIZE_MAX / 4) return -ENOMEM;
    cap *= 2;
  }
  /* realloc may grow in place: a long line then leaves no smaller buffers behind. It would
   * copy consumed bytes too. */
  bool consumed = b->block && b->block->head > 0;
  struct buf_block *block = realloc(consumed ? NULL : b->block, sizeof *block + cap);
  if (!block) return -ENOMEM;
  if (consumed) {
    memcpy(block->bytes, buf_bytes(b), len);
    free(b->block);
  }
  block->head = 0;
  block->tail = len;
  block->cap = cap;
  b->block = block;
  return 0;
}

static void move_to_front(struct buf_block *block, size_t len) {
  memmove(block->bytes, block->bytes + block->head, len);
  block->head = 0;
  block->tail = len;
}

int buf_reserve(struct buf *b, size_t n, char **at) {
  struct buf_block *block = b->block;
  size_t len = buf_len(b);
  if (n > SIZE_MAX - len) return -ENOMEM;
  if (!block || n > block->cap - block->tail) {
    bool fits = block && len + n <= block->cap;
    if (fits && block->head >= len) {
      move_to_front(block, len);
    } else {
      /* Where it fits, moving more bytes than were consumed would make a nearly full
       * buffer pay its whole length for each small piece: it doubles instead. */
      int r = grow(b, fits ? block->cap + 1 : len + n);
      if (r < 0) return r;
    }
  }
  *at = b->block->bytes + b->block->tail;
  return 0;
}

void buf_commit(struct buf *b, size_t n) {
  assert(n <= b->block->cap - b->block->tail);
  b->block->tail += n;
}

int buf_append(struct buf *b, const void *bytes, size_t n) {
  if (n == 0) return 0;
  char *at;
  int r = buf_reserve(b, n, &at);
  if (r < 0) return r;
  copy_bytes(at, bytes, n);
  buf_commit(b, n);
  return 0;
}

void buf_consume(struct buf *b, size_t n) {
  assert(n <= buf_len(b));
  if (!b->block) return;
  b->block->head += n;
  if (b->block->head == b->block->tail) buf_fini(b);
}

ssize_t buf_find(const struct buf *b, size_t from, const char *pattern, size_t len) {
  assert(len >= 1);
  size_t held = buf_len(b);
  if (from > held || held - from < len) return -1;
  const char *bytes = buf_bytes(b);
  const char *found = memmem(bytes + from, held - from, pattern, len);
  return found ? found - bytes : -1;
}
