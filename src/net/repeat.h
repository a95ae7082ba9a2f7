/* A datum that is sent again and again, as one stream without end. There are several ways to
 * hand its bytes to the kernel; decision 0018 says which is taken when, and why none of them
 * can send a byte that was changed meanwhile. It never waits by itself, and touches no Lua. */
#ifndef NET_REPEAT_H
#define NET_REPEAT_H

#include <stdbool.h>
#include <stdint.h>

#include "net/host_pipe.h"
#include "net/stream.h"
#include "net/trial.h"

enum repeat_method {
  REPEAT_SEND,     /* the kernel copies: large sends, from a block that the caches hold */
  REPEAT_VMSPLICE, /* pages of the block, through a pipe into the socket */
  REPEAT_SENDFILE, /* pages of a file in memory */
  REPEAT_ZEROCOPY, /* MSG_ZEROCOPY: pages of the block, and word when they are free again */
  REPEAT_METHODS
};

struct repeat {
  const char *data; /* borrowed: the datum; len > 0 */
  size_t len;
  enum repeat_method method;
  bool forced;           /* no other method will do */
  bool ready;            /* what the method needs is there */
  bool useless;          /* the method cannot be used, or lacks something */
  char *block;           /* owned: the datum, once or several times; NULL: `data` is it */
  size_t block_bytes;    /* a multiple of len */
  int fragments;         /* of one call, at most */
  size_t filled;         /* how much of the block is made so far */
  bool mapped;           /* the block is a mapping of its own */
  bool piping;           /* there is a pipe */
  struct host_pipe pipe; /* owned */
  size_t piped;          /* bytes in it: those that follow what was sent */
  int file;              /* owned; the block as a file; -1: none */
  size_t written;        /* bytes of it so far */
  uint64_t calls;        /* system calls that moved bytes */
  int64_t pending;       /* zero-copy sends that the kernel has not yet done with */
  bool tries;            /* a trial says which method it is */
  enum repeat_method usual; /* that it would be without one */
  struct trial trial;
  int64_t wait_ns; /* of a trial: since then it waits for room; NET_NEVER: it does not */
};

/* "send" "vmsplice" "sendfile" "zerocopy"; NULL for other numbers. */
const char *repeat_name(enum repeat_method method);

/* Takes the method that costs least on most machines for at most so many bytes and so much
 * time (UINT64_MAX, NET_NEVER: no limit). A long job tries another one too, and goes on with
 * the faster. Who wants a certain method sets it, and `forced`, afterwards. */
void repeat_init(struct repeat *r, const char *data, size_t len, uint64_t bytes,
                 int64_t ns);

/* Gives back all but the datum. Twice is harmless. */
void repeat_fini(struct repeat *r);

/* Sends once of the stream, from its byte `at` on, at most n bytes (n > 0). > 0: so many;
 * -EAGAIN, NET_WR comes; another status, -EOPNOTSUPP or -EINVAL for a method that is not for
 * this handle. A method that cannot be used and is not forced becomes REPEAT_SEND. */
ssize_t repeat_send(struct repeat *r, struct stream *st, struct net *net, net_h h,
                    uint64_t at, size_t n);

/* Time since then does not count in a trial, until the next send. */
void repeat_pause(struct repeat *r, int64_t since_ns);

/* Takes what the kernel tells of zero-copy sends. True when it is done with all of them;
 * else the wake is armed. */
bool repeat_settled(struct repeat *r, struct net *net, net_h h);

#endif
