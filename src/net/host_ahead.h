/* Bytes that were received before their owner asks for them, in chunks: a handle holds at
 * most one. The epoll backend reads ahead: while it takes events in, poll reads once from each
 * stream whose owner waits for bytes, all reads in a row, so that the kernel's code and data
 * stay in the caches. Where there is a ring, the kernel fills its buffers. */
#ifndef NET_HOST_AHEAD_H
#define NET_HOST_AHEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "net/host_ring.h"

/* The first chunks are read into; the others are the ring's buffers. */
enum {
  AHEAD_READS = 256,
  AHEAD_CHUNKS = AHEAD_READS + RING_BUFFERS,
  AHEAD_CHUNK_BYTES = 2048,
};

struct ahead_chunk {
  uint16_t at, len; /* the bytes that are left */
  int16_t error;    /* or what the read met instead; 0: nothing */
};

struct ahead {
  char *bytes; /* owned; touched where it is used */
  struct ahead_chunk chunks[AHEAD_CHUNKS];
  uint16_t idle[AHEAD_READS]; /* those that nobody holds, the last used on top */
  int idle_count;
  struct ring *ring; /* borrowed; NULL: none */
};

/* 0 or -ENOMEM. */
int ahead_init(struct ahead *a);
void ahead_fini(struct ahead *a);

/* Reads once from `fd`. A chunk's number, 1-based; 0: there is nothing to hold (the end of
 * the stream is met again by whoever reads next). `*drained`: it has read all there was. */
uint16_t ahead_read(struct ahead *a, int fd, bool *drained);

/* A chunk of `n` bytes that the ring's buffer holds. */
uint16_t ahead_hold(struct ahead *a, int buffer, size_t n);

/* Takes up to `n` bytes out of the chunk, or leaves them there (`peek`), or drops them (`bytes`
 * NULL); or the error it holds. `*chunk` is 0 once nothing is left. */
ssize_t ahead_take(struct ahead *a, uint16_t *chunk, void *bytes, size_t n, bool peek);

/* How many bytes the chunk holds; 0 is allowed. */
size_t ahead_len(const struct ahead *a, uint16_t chunk);

/* Gives the chunk back with what it holds; 0 is allowed. */
void ahead_drop(struct ahead *a, uint16_t *chunk);

#endif
