/* The io_uring side of the host backend (host_epoll.h): streams of the internet are received
 * by the ring, and queued sends leave through it, with one system call a turn; everything else
 * stays with epoll, which the ring watches. Nobody but the backend's files includes this. */
#ifndef NET_HOST_URING_H
#define NET_HOST_URING_H

#include "net/host_epoll.h"

/* What the backend knows of a handle that the ring has received for. */
struct uring_slot {
  int16_t error;     /* of the receive, to be told once; 0: none */
  bool armed : 1;    /* a receive waits for its bytes */
  bool noted : 1;    /* its owner is to hear of it */
  bool chained : 1;  /* it stands in the chain of the noted, maybe for a former owner */
  bool out_only : 1; /* epoll tells of room to write, not of arrivals */
  net_h next;        /* in that chain; meaningful while `chained` */
};

/* NULL: the ring has never received for this descriptor. */
static inline struct uring_slot *uring_slot_of(const struct epoll_net *e, net_h h) {
  return (size_t)h < e->uring_slot_count ? &e->uring_slots[h] : NULL;
}

static inline bool uring_is_armed(const struct epoll_net *e, net_h h) {
  const struct uring_slot *own = uring_slot_of(e, h);
  return own && own->armed;
}

/* Epoll tells of the handle's arrivals again. */
static inline void uring_rejoined(struct epoll_net *e, net_h h) {
  struct uring_slot *own = uring_slot_of(e, h);
  if (own) own->out_only = false;
}

/* True when epoll would not tell of arrivals. */
static inline bool uring_left_epoll(const struct epoll_net *e, net_h h) {
  const struct uring_slot *own = uring_slot_of(e, h);
  return own && own->out_only;
}

/* True when a receive has met an error that was not told yet. */
static inline bool uring_has_failed(const struct epoll_net *e, net_h h) {
  const struct uring_slot *own = uring_slot_of(e, h);
  return own && own->error;
}

/* Sets the ring up. 0 or a status, and then there is none. */
int uring_begin(struct epoll_net *e);
void uring_use(struct epoll_net *e, struct ring *ring); /* this one */
void uring_fini(struct epoll_net *e);

/* True when there is a ring. The first wait of a stream sets it up, so that a
 * script which never waits does not pay; when that fails, epoll does it all. */
static inline bool uring_is_there(struct epoll_net *e) {
  return e->ring || (e->takes_ring && uring_begin(e) == 0);
}

/* True when the ring may receive for this handle. Bytes of other programs' sockets, beside
 * urgent data, and in great numbers are better read directly. */
static inline bool uring_receives(struct epoll_net *e, net_h h) {
  const uint32_t of =
      SLOT_TCP | SLOT_AHEAD | SLOT_BLOCKS | SLOT_UNSURE | SLOT_BULK | SLOT_LINGERS;
  bool plain = (e->slots[h].flags & of) == (SLOT_TCP | SLOT_AHEAD);
  return plain && !e->urgent && uring_is_there(e);
}

/* Arms the receive of a handle that had no bytes: -EAGAIN, or the error of arming. While the
 * ring has no buffers left, epoll tells when something comes. */
ssize_t uring_arm(struct epoll_net *e, net_h h);

/* Asks an armed one whether its receive has ended: 0: it has; -EAGAIN; or the error of a
 * queued send, which who waits for an answer has to hear of. */
ssize_t uring_ask(struct epoll_net *e, net_h h);

/* Before the handle is read directly: what the ring has received for it is held now, and the
 * ring receives no more. */
void uring_disarm(struct epoll_net *e, net_h h);

/* The same for several. */
void uring_disarm_all(struct epoll_net *e, const struct net_event *asked, int n);

/* True when bytes that were received already are there; else the handle can be read directly,
 * because the ring receives no more. */
static inline bool uring_holds(struct epoll_net *e, net_h h) {
  if (uring_is_armed(e, h)) uring_disarm(e, h);
  return e->slots[h].chunk;
}

/* The program uses urgent data. A receive that waits goes past an urgent byte which comes
 * first, though nobody may want to read any more: from now on the ring receives nothing. */
void uring_leave_receiving(struct epoll_net *e);

/* What the ring's receive has met: told once. */
ssize_t uring_error(struct epoll_net *e, net_h h);

/* Takes completions in, so that what has come is held. */
void uring_take_in(struct epoll_net *e);

/* The handle is closed: nobody is told of it any more. */
void uring_forget(struct epoll_net *e, net_h h);

/* What is in the submission queue leaves. */
void uring_flush(struct epoll_net *e);

/* net_ops.poll with a ring. */
int uring_poll(struct epoll_net *e, struct net_event *events, int max,
               int64_t deadline_ns);

#endif
