/* Queued sends: small sends on streams are copied into an arena and leave together, once a
 * turn, so that many of them cost one system call. Both host backends use it. What the
 * kernel does not take moves to the handle's remainder, at most OUTQ_REST_BYTES; when that
 * is full the sender has to wait. Order is kept: a handle has one entry, and nothing passes
 * its remainder. */
#ifndef NET_OUTQ_H
#define NET_OUTQ_H

#include "base/buf.h"
#include "net/net.h"

enum {
  OUTQ_SMALL_BYTES = 16 * 1024,   /* larger sends go to the kernel at once */
  OUTQ_ARENA_BYTES = 1024 * 1024, /* of all handles in one turn */
  OUTQ_REST_BYTES = 64 * 1024,    /* of one handle that the kernel does not drain */
};

struct outq_slot {
  uint32_t entry; /* 1-based index of its entry in this turn; 0: none */
  int32_t error;  /* the error of a queued send; 0: none */
  net_h next;     /* in the chain of `failed`; meaningful while `chained` */
  bool chained;
  struct buf *rest; /* owned; what the kernel did not take; NULL: nothing */
};

struct outq_entry {
  net_h h;             /* -1: it has left already */
  uint32_t begin, len; /* in the arena */
};

struct outq {
  struct net *net; /* borrowed */
  /* One send(2): > 0, -EAGAIN with the wake armed, or -errno. */
  ssize_t (*write)(struct net *, net_h, const void *, size_t);
  char *arena; /* owned; allocated at the first send */
  size_t used;
  struct outq_entry *entries; /* owned */
  size_t count, cap;
  struct outq_slot *slots; /* owned; indexed by handle */
  size_t slot_count;
  size_t rests; /* handles that have a remainder */
  net_h failed; /* the chain of handles whose queued bytes met an error; -1: none */
};

void outq_init(struct outq *q, struct net *net,
               ssize_t (*write)(struct net *, net_h, const void *, size_t));
void outq_fini(struct outq *q);

/* Takes bytes of a stream: how many (maybe fewer), -EAGAIN: no room, an event will come;
 * or the error of an earlier queued send, once, then -EPIPE. */
ssize_t outq_send(struct outq *q, net_h h, const void *bytes, size_t n);

/* Hands a handle's bytes to the kernel. 0; -EAGAIN: a remainder waits; or an error, told
 * once. */
int outq_flush(struct outq *q, net_h h);

/* Hands everybody's bytes to the kernel; the arena is empty afterwards. */
void outq_flush_all(struct outq *q);

/* The same in two steps, for who sends many at once: hands each entry to `send`, by its
 * number; then outq_sent tells what the kernel took of those that it did not take as a whole,
 * or a status, and outq_emptied ends it. No other call comes between. */
void outq_send_all(struct outq *q, void *to,
                   void (*send)(void *to, net_h, uint32_t number, const void *, size_t));
void outq_sent(struct outq *q, uint32_t number, ssize_t result);
void outq_emptied(struct outq *q);

/* The handle can be written again: sends its remainder. True while some is left. */
bool outq_resume(struct outq *q, net_h h);

/* The error of a queued send, told once; 0: none. */
int outq_error(struct outq *q, net_h h);

/* Makes events of the handles whose queued bytes have met an error since, at most `max`:
 * whoever waits on one has to hear of that. How many. */
int outq_failed(struct outq *q, struct net_event *events, int max);

/* True when bytes of the handle wait here. */
bool outq_holds(const struct outq *q, net_h h);

/* Forgets the handle and what waits for it. */
void outq_drop(struct outq *q, net_h h);

#endif
