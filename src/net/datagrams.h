/* Many datagrams in one system call.
 *
 * Going out, datagrams of one size to one address form a train: one message that the kernel
 * cuts (UDP_SEGMENT, Linux 4.18), which costs little more than one datagram. The last of a
 * train may be shorter. A path without that (no checksum offload, a device whose MTU is
 * smaller than the datagrams, an old kernel) refuses the whole train and has sent none of
 * it: then the same datagrams go one by one.
 *
 * Coming in, a socket with UDP_GRO (Linux 5.0) gets trains joined; they are told apart here.
 * What a receiver has no room for any more is held, in records of a struct buf. */
#ifndef NET_DATAGRAMS_H
#define NET_DATAGRAMS_H

#include "base/buf.h"
#include "net/net.h"

enum {
  DATAGRAMS_MESSAGES = 64,      /* in one call */
  DATAGRAMS_PIECES = 256,       /* parts in memory of one call that sends */
  DATAGRAMS_BYTES = 512 * 1024, /* of one call that sends, about: 0.1 ms in trains; */
  DATAGRAMS_MOST = 512,         /* 0.5 ms where the kernel has to cut the trains itself */
  TRAIN_MAX = 64,               /* in one message: kernels before 6.9 take no more */
  TRAIN_BYTES = 65507,          /* of one message, over IPv4 */
  DATAGRAM_ROOM = 65536,        /* of one that comes: every UDP datagram fits */
  TRAIN_CONTROL = CMSG_SPACE(sizeof(int)),
};

union train_control {
  struct cmsghdr first; /* for the alignment */
  char bytes[TRAIN_CONTROL];
};

/* A message: `count` datagrams of `segment` bytes, of which the last may have fewer. */
struct train {
  unsigned count;
  size_t segment, bytes;
};

/* Datagrams to be sent with one call. Large, for the stack of who sends. */
struct outgoing {
  bool may_couple;        /* trains may be formed */
  unsigned count, pieces; /* messages, and the parts in memory of which they are made */
  unsigned datagrams;     /* in all messages */
  size_t bytes;           /* of them all */
  struct train trains[DATAGRAMS_MESSAGES];
  struct mmsghdr all[DATAGRAMS_MESSAGES];
  struct addr to[DATAGRAMS_MESSAGES];
  union train_control control[DATAGRAMS_MESSAGES];
  struct iovec iov[DATAGRAMS_PIECES];
};

void outgoing_init(struct outgoing *o, bool may_couple);

/* Whether the kernel forms trains at all: an older one would send one as a single datagram.
 * `h` is a UDP socket. */
bool trains_known(struct net *net, net_h h);

/* Adds one datagram, whose bytes stay where they are until it is sent; `to` NULL: to the
 * connected peer. False: full, it was not added. */
bool outgoing_add(struct outgoing *o, const char *bytes, size_t len,
                  const struct addr *to);

/* Adds datagrams of `segment` bytes that lie one behind the other in `len` bytes; the last may
 * be shorter. How many bytes there was room for; what is left is to be cut anew. */
size_t outgoing_cut(struct outgoing *o, const char *bytes, size_t len, size_t segment,
                    const struct addr *to);

/* Sends them. How many datagrams went, at least one, or the status of the first. */
int outgoing_send(struct outgoing *o, struct net *net, net_h h, int flags);

/* The bytes of the first `went` datagrams. */
size_t outgoing_bytes(const struct outgoing *o, int went);

/* True when `status` of the send may mean that no train can go this way. */
bool outgoing_derailed(const struct outgoing *o, int status);

/* One that came; borrowed until the next receive. */
struct datagram {
  const char *bytes;
  size_t len, size; /* bytes that are here; that it had, more when it was cut */
  const struct addr *from;
};

/* Rooms for those that come. */
struct incoming {
  int count, next; /* messages that came; the one that is cut now */
  int ready;       /* messages that are prepared, those that came excepted */
  size_t room;     /* how much of each is here, at most */
  bool joined;     /* they have room for the word of a train */
  char *base;      /* where the first is, and how far the next one is from it */
  size_t stride;
  size_t at, segment; /* where the next datagram begins in it; the size of each */
  struct mmsghdr all[DATAGRAMS_MESSAGES];
  struct iovec iov[DATAGRAMS_MESSAGES];
  struct addr from[DATAGRAMS_MESSAGES];
  union train_control control[DATAGRAMS_MESSAGES];
  char rooms[][DATAGRAM_ROOM + 64]; /* no multiple of a page: they share no cache lines */
};

/* Rooms for DATAGRAMS_MESSAGES, of which only what was used is memory; NULL without memory.
 * free(3) ends it. */
struct incoming *incoming_new(void);

/* What to receive: up to `n` messages, of each `room` bytes at most; 0: nobody asks for their
 * bytes and senders. */
struct incoming_wish {
  int n;
  size_t room;
  bool joined; /* some may be trains */
  int flags;   /* of recvmmsg(2) */
  char *bytes; /* where they go, room behind room; NULL: to the rooms here */
};

/* How many messages came, or a status. */
int incoming_receive(struct incoming *in, struct net *net, net_h h,
                     const struct incoming_wish *wish);

/* How many datagrams came, and their bytes, wherever those are. */
uint64_t incoming_count(struct incoming *in, uint64_t *bytes);

/* A message as it came: `count` datagrams of `segment` bytes in a row, the last of which may
 * have fewer. */
struct arrival {
  size_t at, len, size; /* where it begins behind the first room; as in struct datagram */
  size_t segment, count;
  const struct addr *from;
};

/* The next message; false: there is none. */
bool incoming_next_message(struct incoming *in, struct arrival *a);

/* The next of those that came. False: there is none. */
bool incoming_next(struct incoming *in, struct datagram *d);

/* Keeps a datagram; 0 or -ENOMEM. */
int held_put(struct buf *held, const struct datagram *d);

/* The first that is kept; `from` is where its sender goes. False: none. held_drop ends it. */
bool held_first(const struct buf *held, struct datagram *d, struct addr *from);
void held_drop(struct buf *held);

/* net_recvfrom for a socket whose datagrams may be joined: a train is held, and given
 * datagram by datagram. */
struct joined_room {
  char *bytes; /* room for `n` */
  size_t n, size;
  struct addr *from;
};
ssize_t joined_recvfrom(struct incoming *in, struct buf *held, struct net *net, net_h h,
                        struct joined_room *room, int flags);

#endif
