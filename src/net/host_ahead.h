/* Read-ahead of the epoll backend: while it takes events in, poll reads once from each
 * stream whose owner waits for bytes, all reads in a row, so that the kernel's code and data
 * stay in the caches. What a read gave is held in a chunk until the owner asks. */
#ifndef NET_HOST_AHEAD_H
#define NET_HOST_AHEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { AHEAD_CHUNKS = 256, AHEAD_CHUNK_BYTES = 2048 };

struct ahead_chunk {
  uint16_t at, len; /* the bytes that are left */
  int error;        /* or what the read met instead; 0: nothing */
};

struct ahead {
  char *bytes; /* owned; touched where it is used */
  struct ahead_chunk chunks[AHEAD_CHUNKS];
  uint16_t idle[AHEAD_CHUNKS]; /* those that nobody holds, the last used on top */
  int idle_count;
};

/* 0 or -ENOMEM. */
int ahead_init(struct ahead *a);
void ahead_fini(struct ahead *a);

/* Reads once from `fd`. A chunk's number, 1-based; 0: there is nothing to hold (the end of
 * the stream is met again by whoever reads next). `*drained`: it has read all there was. */
uint16_t ahead_read(struct ahead *a, int fd, bool *drained);

/* Takes up to `n` bytes out of the chunk, or leaves them there (`peek`), or drops them
 * (`bytes` NULL); or the error it holds. `*chunk` becomes 0 when it is empty. */
ssize_t ahead_take(struct ahead *a, uint16_t *chunk, void *bytes, size_t n, bool peek);

/* Gives the chunk back with what it holds; 0 is allowed. */
void ahead_drop(struct ahead *a, uint16_t *chunk);

#endif
