/* Read-ahead of datagrams, for the epoll backend: when the owner of a UDP socket asks for
 * one, recvmmsg(2) takes those that wait behind it too, so that a busy socket costs less
 * than a call a datagram. A net has one batch: sockets share it in turns. What is held is
 * whole, with its sender, its true size and what came beside it. */
#ifndef NET_HOST_BATCH_H
#define NET_HOST_BATCH_H

#include <stdbool.h>
#include <sys/socket.h>

#include "net/net.h"

enum {
  BATCH_MAX = 16, /* datagrams in one call, the one that was asked for included */
  BATCH_LARGE_BYTES = 2048, /* from here on copying costs more than the calls */
};

struct batch_room;

struct batch {
  net_h h;                  /* whose datagrams are held; -1: none are */
  int next, count;          /* those of `rooms` that are still held: [next, count) */
  bool large;               /* the last datagram was large: the next is read alone */
  struct batch_room *rooms; /* owned; made when they are first needed */
};

void batch_init(struct batch *b);
void batch_fini(struct batch *b);

static inline bool batch_holds(const struct batch *b, net_h h) {
  return b->h == h;
}

/* Receives one datagram into `msg`, with `flags` of recvmsg(2), while nothing is held. Those
 * that waited behind it are held for `h`. `*drained`: none is left in the kernel. The
 * result is recvmsg's. */
ssize_t batch_receive(struct batch *b, net_h h, struct msghdr *msg, int flags,
                      bool *drained);

/* Moves the next held datagram into `msg`, as recvmsg(2) with `flags` would. */
ssize_t batch_take(struct batch *b, struct msghdr *msg, int flags);

/* Drops what is held for `h`, if anything is. */
void batch_drop(struct batch *b, net_h h);

#endif
