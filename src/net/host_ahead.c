/* Bytes that were received before their owner asks. */
#include "net/host_ahead.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/copy.h"

/* Small pieces at a distance of a power of two would compete for the same few lines of the
 * processor's cache. */
enum { STRIDE = AHEAD_CHUNK_BYTES + 64 };

int ahead_init(struct ahead *a) {
  a->idle_count = 0;
  a->ring = NULL;
  for (int i = AHEAD_READS; i > 0; i--) a->idle[a->idle_count++] = (uint16_t)i;
  a->bytes = malloc((size_t)AHEAD_READS * STRIDE);
  return a->bytes ? 0 : -ENOMEM;
}

void ahead_fini(struct ahead *a) {
  free(a->bytes);
  a->bytes = NULL;
}

static char *bytes_of(const struct ahead *a, uint16_t chunk) {
  if (chunk > AHEAD_READS) return ring_bytes(a->ring, chunk - AHEAD_READS - 1);
  return a->bytes + (size_t)(chunk - 1) * STRIDE;
}

uint16_t ahead_read(struct ahead *a, int fd, bool *drained) {
  *drained = false;
  if (a->idle_count == 0) return 0;
  uint16_t chunk = a->idle[a->idle_count - 1];
  ssize_t r = recv(fd, bytes_of(a, chunk), AHEAD_CHUNK_BYTES, MSG_DONTWAIT);
  if (r == 0 || (r < 0 && (errno == EAGAIN || errno == EINTR))) return 0;
  *drained = r > 0 && r < AHEAD_CHUNK_BYTES;
  a->chunks[chunk - 1] = (struct ahead_chunk){.len = r > 0 ? (uint16_t)r : 0,
                                              .error = r < 0 ? (int16_t)errno : 0};
  a->idle_count--;
  return chunk;
}

uint16_t ahead_hold(struct ahead *a, int buffer, size_t n) {
  uint16_t chunk = (uint16_t)(AHEAD_READS + 1 + buffer);
  a->chunks[chunk - 1] = (struct ahead_chunk){.len = (uint16_t)n};
  return chunk;
}

void ahead_drop(struct ahead *a, uint16_t *chunk) {
  if (*chunk > AHEAD_READS)
    ring_give(a->ring, *chunk - AHEAD_READS - 1);
  else if (*chunk)
    a->idle[a->idle_count++] = *chunk;
  *chunk = 0;
}

size_t ahead_len(const struct ahead *a, uint16_t chunk) {
  return chunk ? a->chunks[chunk - 1].len : 0;
}

ssize_t ahead_take(struct ahead *a, uint16_t *chunk, void *bytes, size_t n, bool peek) {
  struct ahead_chunk *c = &a->chunks[*chunk - 1];
  int error = c->error;
  if (error) {
    ahead_drop(a, chunk);
    return -error;
  }
  if (n > c->len) n = c->len;
  if (n > 0 && bytes) copy_bytes(bytes, bytes_of(a, *chunk) + c->at, n);
  if (peek) return (ssize_t)n;
  c->at += (uint16_t)n;
  c->len -= (uint16_t)n;
  if (c->len == 0) ahead_drop(a, chunk);
  return (ssize_t)n;
}
