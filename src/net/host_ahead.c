/* Read-ahead of the epoll backend. */
#include "net/host_ahead.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* Small pieces at a distance of a power of two would compete for the same few lines of the
 * processor's cache. */
enum { STRIDE = AHEAD_CHUNK_BYTES + 64 };

int ahead_init(struct ahead *a) {
  a->idle_count = 0;
  for (int i = AHEAD_CHUNKS; i > 0; i--) a->idle[a->idle_count++] = (uint16_t)i;
  a->bytes = malloc((size_t)AHEAD_CHUNKS * STRIDE);
  return a->bytes ? 0 : -ENOMEM;
}

void ahead_fini(struct ahead *a) {
  free(a->bytes);
  a->bytes = NULL;
}

static char *bytes_of(const struct ahead *a, uint16_t chunk) {
  return a->bytes + (size_t)(chunk - 1) * STRIDE;
}

uint16_t ahead_read(struct ahead *a, int fd, bool *drained) {
  *drained = false;
  if (a->idle_count == 0) return 0;
  uint16_t chunk = a->idle[a->idle_count - 1];
  ssize_t r = recv(fd, bytes_of(a, chunk), AHEAD_CHUNK_BYTES, MSG_DONTWAIT);
  if (r == 0 || (r < 0 && (errno == EAGAIN || errno == EINTR))) return 0;
  *drained = r > 0 && r < AHEAD_CHUNK_BYTES;
  a->chunks[chunk - 1] =
      (struct ahead_chunk){0, r > 0 ? (uint16_t)r : 0, r < 0 ? errno : 0};
  a->idle_count--;
  return chunk;
}

ssize_t ahead_take(struct ahead *a, uint16_t *chunk, void *bytes, size_t n, bool peek) {
  struct ahead_chunk *c = &a->chunks[*chunk - 1];
  int error = c->error;
  if (n > c->len) n = c->len;
  if (n > 0 && bytes) memcpy(bytes, bytes_of(a, *chunk) + c->at, n);
  if (peek && !error) return (ssize_t)n;
  c->at += (uint16_t)n;
  c->len -= (uint16_t)n;
  if (c->len == 0) ahead_drop(a, chunk);
  return error ? -error : (ssize_t)n;
}

void ahead_drop(struct ahead *a, uint16_t *chunk) {
  if (*chunk) a->idle[a->idle_count++] = *chunk;
  *chunk = 0;
}
