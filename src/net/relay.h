/* One direction of a relay: bytes of one stream go to another, in order, each once, until
 * the first ends; then the second is told so. Small pieces are copied; where much comes,
 * splice(2) moves the bytes through a pipe, so that they never are in this program. It holds
 * at most a pipe, or a copy of RELAY_COPY_BYTES: who sends faster than the other reads has to
 * wait (backpressure). It never waits by itself, and touches no Lua. */
#ifndef NET_RELAY_H
#define NET_RELAY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "net/host_pipe.h"
#include "net/stream.h"

enum {
  RELAY_COPY_BYTES = 64 * 1024,
  RELAY_LARGE = 16 * 1024, /* after a receive of so much the next one is spliced */
  RELAY_PIPES = 64,        /* open at once; who finds none copies */
};

/* Pipes, of which a direction has one only while bytes are in it. */
struct relay_pool {
  struct host_pipe idle[RELAY_PIPES];
  int idle_count, open;
  int users; /* without any, no idle pipe stays open */
};

void relay_pool_fini(struct relay_pool *pool);

enum relay_side { RELAY_FROM, RELAY_TO };

/* A stream and its handle, borrowed for a call. */
struct relay_end {
  struct stream *stream;
  net_h h;
};

struct relay {
  struct relay_pool *pool; /* borrowed */
  struct host_pipe pipe;   /* the pool's, while in_pipe > 0 */
  size_t in_pipe;
  struct buf copied; /* received, and not yet taken by the other side */
  int64_t bytes;     /* that the other side has taken */
  bool large;        /* the last receive brought much */
  bool copies;       /* one of both ends cannot be spliced */
  bool ended;        /* the source's end was met */
  uint8_t side;      /* enum relay_side: whom the last status concerns */
};

/* The pool lives longer than the relay. */
void relay_init(struct relay *r, struct relay_pool *pool);

/* Gives back what it holds. Twice is harmless. */
void relay_fini(struct relay *r);

/* One receive, and sends of what came. 1: go on; -EAGAIN: `side` has armed its wake, NET_RD
 * of the source or NET_WR of the other; STATUS_EOF: all is over, and the other side was told;
 * or the status of `side`. */
int relay_step(struct relay *r, struct net *net, const struct relay_end *from,
               const struct relay_end *to);

#endif
