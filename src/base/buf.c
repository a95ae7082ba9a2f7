/* The byte buffer. A held byte is moved at most once for each byte that was consumed before
 * it, so that a long stream through a small buffer costs few copies. */
#include "base/buf.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { CAP_MIN = 256 };

void buf_init(struct buf *b) {
  *b = (struct buf){0};
}

void buf_fini(struct buf *b) {
  free(b->data);
  buf_init(b);
}

/* Moves the held bytes to new memory with room for at least `needed` bytes. */
static int grow(struct buf *b, size_t needed) {
  size_t cap = b->cap ? b->cap : CAP_MIN;
  while (cap < needed) {
    if (cap > SIZE_MAX / 2) return -ENOMEM;
    cap *= 2;
  }
  /* realloc may grow in place: a long line then leaves no smaller buffers behind. It would
   * copy consumed bytes too. */
  size_t len = buf_len(b);
  char *data = b->head ? malloc(cap) : realloc(b->data, cap);
  if (!data) return -ENOMEM;
  if (b->head) {
    memcpy(data, buf_bytes(b), len);
    free(b->data);
  }
  *b = (struct buf){.data = data, .tail = len, .cap = cap};
  return 0;
}

static void move_to_front(struct buf *b) {
  size_t len = buf_len(b);
  memmove(b->data, b->data + b->head, len);
  b->head = 0;
  b->tail = len;
}

int buf_reserve(struct buf *b, size_t n, char **at) {
  size_t len = buf_len(b);
  if (n > SIZE_MAX - len) return -ENOMEM;
  if (!b->data || n > b->cap - b->tail) {
    bool fits = b->data && len + n <= b->cap;
    if (fits && b->head >= len) {
      move_to_front(b);
    } else {
      /* Where it fits, moving more bytes than were consumed would make a nearly full
       * buffer pay its whole length for each small piece: it doubles instead. */
      int r = grow(b, fits ? b->cap + 1 : len + n);
      if (r < 0) return r;
    }
  }
  *at = b->data + b->tail;
  return 0;
}

void buf_commit(struct buf *b, size_t n) {
  assert(n <= b->cap - b->tail);
  b->tail += n;
}

int buf_append(struct buf *b, const void *bytes, size_t n) {
  if (n == 0) return 0;
  char *at;
  int r = buf_reserve(b, n, &at);
  if (r < 0) return r;
  memcpy(at, bytes, n);
  buf_commit(b, n);
  return 0;
}

void buf_consume(struct buf *b, size_t n) {
  assert(n <= buf_len(b));
  b->head += n;
  if (b->head == b->tail) buf_fini(b);
}

ssize_t buf_find(const struct buf *b, size_t from, const char *pattern, size_t len) {
  assert(len >= 1);
  size_t held = buf_len(b);
  if (from > held || held - from < len) return -1;
  const char *bytes = buf_bytes(b);
  const char *found = memmem(bytes + from, held - from, pattern, len);
  return found ? found - bytes : -1;
}
