/* The loop: who waits for what, the timers, and one turn. A loop is a net, its clock and
 * its waiters; it has no globals, so one process can run several. It knows neither tasks
 * nor Lua: a waiter is a callback. It never sleeps outside net_poll. */
#ifndef NET_LOOP_H
#define NET_LOOP_H

#include <stddef.h>
#include <stdint.h>

#include "base/heap.h"
#include "base/list.h"
#include "net/net.h"

/* One wait. It is embedded in its owner, who keeps it in place while it waits. */
struct waiter {
  struct list link;       /* in the loop's ready or later queue, or in none */
  struct heap_node timer; /* in the loop's timers while a deadline is set */
  net_h h;                /* waits for events of this handle; -1: for none */
  uint32_t what;          /* NET_RD or NET_WR */
  void (*fire)(struct waiter *);
};

struct loop_slot {
  struct waiter *rd, *wr; /* borrowed; NULL: nobody waits */
};

struct loop {
  struct net *net;   /* borrowed */
  struct list ready; /* fire in this turn, in order */
  struct list later; /* fire in the next turn, after its events */
  struct heap timers;
  struct loop_slot *slots; /* owned; indexed by handle */
  size_t slot_count;
  size_t parked;     /* waiters that wait for a handle */
  int64_t turn_ns;   /* when this turn began: nearly now, and asking costs nothing */
  size_t background; /* of the waits, those that no task is behind: each has a handle and
                        a deadline */
  size_t outside;    /* what may wake it from outside: signals that are listened to */
  void (*before_sleep)(void *); /* called before a poll that may sleep; may be NULL */
  void *before_sleep_arg;
};

void loop_init(struct loop *loop, struct net *net);

/* Frees the tables. Waiters that still wait are forgotten. */
void loop_fini(struct loop *loop);

static inline int64_t loop_now(struct loop *loop) {
  return net_now(loop->net);
}

/* The moment `span_ns` after another; NET_NEVER when the span is that, or when it is beyond
 * what a moment can tell. */
static inline int64_t loop_after(int64_t moment_ns, int64_t span_ns) {
  if (span_ns == NET_NEVER || span_ns > INT64_MAX - moment_ns) return NET_NEVER;
  return moment_ns + span_ns;
}

void waiter_init(struct waiter *w, void (*fire)(struct waiter *));

/* True while the waiter waits for a handle or a time, or is queued to fire. */
bool waiter_busy(const struct waiter *w);

/* Waits for `what` (NET_RD or NET_WR) of handle `h` (-1: none) until `deadline_ns`
 * (NET_NEVER: for ever); then `fire` is called once, in a later step of this or a coming
 * turn. It does not say why: look again. 0; -EBUSY: another waiter has that place;
 * -ENOMEM. On failure nothing waits. */
int loop_wait(struct loop *loop, struct waiter *w, net_h h, uint32_t what,
              int64_t deadline_ns);

/* Who waits for `what` of handle `h`, or NULL. */
struct waiter *loop_waiter(struct loop *loop, net_h h, uint32_t what);

/* Ends the wait and lets it fire in this turn, after those that are ready already. */
void loop_ready(struct loop *loop, struct waiter *w);

/* Ends the wait and lets it fire in the next turn. */
void loop_later(struct loop *loop, struct waiter *w);

/* Ends the wait; it does not fire. */
void loop_cancel(struct loop *loop, struct waiter *w);

/* Readies both waiters of a handle that is about to be closed. */
void loop_hangup(struct loop *loop, net_h h);

/* One turn: sleep until an event or a deadline, ready those that are due, fire all that
 * are ready (also those that become ready meanwhile, at most LOOP_TURN_MAX). The number
 * that fired, -EDEADLK when nothing waits that could ever fire, or poll's error. */
enum { LOOP_TURN_MAX = 4096 };
int loop_turn(struct loop *loop);

#endif
