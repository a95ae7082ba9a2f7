/* A byte buffer: bytes go in at the tail and out at the head. It grows by doubling with
 * what arrives, never with what was promised, and gives its memory back when empty. */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stddef.h>
#include <sys/types.h>

struct buf_block {
  size_t head, tail, cap; /* held are the bytes from head to tail */
  size_t unused;          /* the kernel copies to 16-byte boundaries faster */
  char bytes[];
};

/* One pointer, because thousands of connections have an empty one. */
struct buf {
  struct buf_block *block; /* owned; NULL while nothing is held or reserved */
};

void buf_init(struct buf *b);
void buf_fini(struct buf *b);

static inline size_t buf_len(const struct buf *b) {
  return b->block ? b->block->tail - b->block->head : 0;
}

/* The first held byte, NULL when there is none; borrowed until the next reserve, consume or
 * fini. */
static inline const char *buf_bytes(const struct buf *b) {
  return b->block ? b->block->bytes + b->block->head : NULL;
}

/* Makes room for `n` more bytes and points `*at` there. 0, or -ENOMEM with all kept. */
int buf_reserve(struct buf *b, size_t n, char **at);

/* Counts `n` bytes that were written to the reserved room. */
void buf_commit(struct buf *b, size_t n);

/* Copies `n` bytes in. 0, or -ENOMEM with all kept. */
int buf_append(struct buf *b, const void *bytes, size_t n);

/* Drops the first `n` bytes (n <= buf_len); an empty buffer frees its memory. */
void buf_consume(struct buf *b, size_t n);

/* The offset of `pattern` (len >= 1) at or after offset `from`, or -1. Bytes that were
 * scanned before need not be scanned again: pass the held length minus len - 1. */
ssize_t buf_find(const struct buf *b, size_t from, const char *pattern, size_t len);

#endif
