/* The inside of the epoll backend: its tables, shared by host_epoll.c, which holds the
 * operations, host_epoll_wait.c, which arms, waits and takes in, and host_epoll_close.c. Nobody else includes
 * this. */
#ifndef NET_HOST_EPOLL_H
#define NET_HOST_EPOLL_H

#include <assert.h>
#include <sys/epoll.h>

#include "net/host_ahead.h"
#include "net/host_batch.h"
#include "net/net.h"
#include "net/outq.h"

enum {
  SLOT_IN_SET = 1,       /* registered with epoll */
  SLOT_BULK = 2,         /* a read ahead was full: larger reads take what comes */
  SLOT_PLAIN = 4,        /* no socket; other programs may share it */
  SLOT_BLOCKS = 8,       /* a socket without O_NONBLOCK, which other programs may share */
  SLOT_STREAM = 16,      /* sends may be queued; a short read means that all is read */
  SLOT_DRAINED = 32,     /* such a read has happened, and no event came since */
  SLOT_UNSURE = 64,      /* end, error or urgent data were seen: ask the kernel always */
  SLOT_LINGERS = 128,    /* closed by its owner; bytes that it sent are still to leave */
  SLOT_OPEN = 256,       /* a handle */
  SLOT_LENT = 512,       /* close leaves the descriptor open */
  SLOT_WANTS_IN = 1024,  /* a file whose reader waits */
  SLOT_WANTS_OUT = 2048, /* a file whose writer waits */
  SLOT_AHEAD = 4096,     /* may be read ahead: nobody shares it */
  SLOT_WANTED = 8192,    /* its owner has asked for bytes that were not there */
  SLOT_OUT_TOO = 16384,  /* registered for writing too */
  SLOT_TCP = 32768,      /* its bytes can be dropped in the kernel */
};

/* Each handle has one, so it is small: what only a ring needs stands beside it, in a table
 * that there is only with a ring (host_uring.h). */
struct slot {
  uint32_t generation; /* bumped by close: events of a former owner are dropped */
  uint16_t flags;
  uint16_t chunk; /* 1-based: bytes that were received already lie there; 0: none */
};

static_assert(sizeof(struct slot) == 8, "an idle connection pays for it");

/* Of one epoll_wait, at most. A turn first reads from all sockets that have bytes and in the
 * end writes to all: more of them than this, and what the kernel knows of the first has left
 * the processor's cache before it is written to. With 500 clients 64 gave 8 % more requests
 * than 256. */
enum { EPOLL_EVENTS = 64 };

struct epoll_net {
  struct net net;
  int epoll_fd, wake_fd;
  int reserve_fd;     /* given up to refuse one connection when descriptors run out */
  struct slot *slots; /* owned; indexed by descriptor */
  size_t slot_count;
  struct epoll_event *found; /* owned; what the last epoll_wait gave */
  struct outq outq;
  struct ahead ahead;
  struct batch batch;
  net_h named; /* the connection that accept gave last, and its peer; -1: none */
  struct addr named_peer;
  struct resolver *resolver; /* owned; NULL until a name has to be asked */
  size_t lingering;          /* handles with SLOT_LINGERS */
  bool takes_ring;           /* the first wait of a stream sets a ring up, if it can */
  struct ring *ring;         /* owned; NULL: none */
  bool urgent;               /* urgent data is used: the ring receives nothing */
  bool epoll_has;            /* the epoll descriptor may have events */
  bool woken;                /* by net_wake, in the last look at epoll */
  struct uring_slot *uring_slots; /* owned; indexed by descriptor; NULL without a ring */
  size_t uring_slot_count;
  net_h noted_first, noted_last; /* a chain of handles that the ring told of; -1: none */
};

static inline struct epoll_net *epoll_self(struct net *net) {
  return (struct epoll_net *)net;
}

/* Arms the wake of a socket that has just answered EAGAIN to what waits for `what`, NET_RD
 * and NET_WR: -EAGAIN, or the error of arming. */
int epoll_arm(struct epoll_net *e, net_h h, uint32_t what);

/* The same for a file: anew for each wait. */
int epoll_arm_file(struct epoll_net *e, net_h h, uint32_t what);

/* Gives the descriptor back to the kernel. */
int epoll_give_back(struct epoll_net *e, net_h h);

/* The same for a handle that is still open, and whose queue does not matter. */
int epoll_abandon(struct epoll_net *e, net_h h);

/* What a batch of events of epoll means: see host_epoll_wait.c. */
int epoll_take_in(struct epoll_net *e, int found, struct net_event *events);

/* The process ends: the kernel will close all handles as their owners would. */
void epoll_tell_all_unread(struct epoll_net *e);

/* Operations of the seam. */
int epoll_ready(struct net *net, struct net_event *asked, int n);
int epoll_poll(struct net *net, struct net_event *events, int max, int64_t deadline_ns);
int epoll_drain(struct net *net, int64_t deadline_ns);
int epoll_close(struct net *net, net_h h);

#endif
