/* Waiters, timers, and one turn: take everything in, then fire everything that is due. */
#include "net/loop.h"

#include <assert.h>
#include <errno.h>

#include "base/table.h"

enum { EVENTS_PER_POLL = 256 };

void loop_init(struct loop *loop, struct net *net) {
  *loop = (struct loop){.net = net};
  list_init(&loop->ready);
  list_init(&loop->later);
  heap_init(&loop->timers);
}

void loop_fini(struct loop *loop) {
  heap_fini(&loop->timers);
  table_free(loop->slots, loop->slot_count, sizeof *loop->slots);
  loop->slots = NULL;
  loop->slot_count = 0;
}

void waiter_init(struct waiter *w, void (*fire)(struct waiter *)) {
  *w = (struct waiter){.h = -1, .fire = fire};
  list_init(&w->link);
}

bool waiter_busy(const struct waiter *w) {
  return w->h >= 0 || heap_holds(&w->timer) || !list_empty(&w->link);
}

/* --- who waits for which handle --------------------------------------------------- */

static int grow(struct loop *loop, net_h h) {
  size_t size = sizeof *loop->slots;
  if ((size_t)h < loop->slot_count) return 0;
  void *slots = table_reach(loop->slots, &loop->slot_count, size, (size_t)h);
  if (!slots) return -ENOMEM;
  loop->slots = slots;
  return 0;
}

/* The place of the waiter for `what` of `h`; the table must reach to `h`. */
static struct waiter **place_of(struct loop *loop, net_h h, uint32_t what) {
  return what == NET_RD ? &loop->slots[h].rd : &loop->slots[h].wr;
}

static void leave_handle(struct loop *loop, struct waiter *w) {
  if (w->h < 0) return;
  *place_of(loop, w->h, w->what) = NULL;
  w->h = -1;
  loop->parked--;
}

struct waiter *loop_waiter(struct loop *loop, net_h h, uint32_t what) {
  if (h < 0 || (size_t)h >= loop->slot_count) return NULL;
  return *place_of(loop, h, what);
}

/* --- waits ------------------------------------------------------------------------ */

int loop_wait(struct loop *loop, struct waiter *w, net_h h, uint32_t what,
              int64_t deadline_ns) {
  assert(!waiter_busy(w));
  if (h >= 0) {
    int r = grow(loop, h);
    if (r < 0) return r;
    if (*place_of(loop, h, what)) return -EBUSY;
  }
  if (deadline_ns != NET_NEVER) {
    int r = heap_insert(&loop->timers, &w->timer, deadline_ns);
    if (r < 0) return r;
  }
  if (h >= 0) {
    *place_of(loop, h, what) = w;
    w->h = h;
    w->what = what;
    loop->parked++;
  }
  return 0;
}

void loop_cancel(struct loop *loop, struct waiter *w) {
  leave_handle(loop, w);
  heap_remove(&loop->timers, &w->timer);
  list_remove(&w->link);
}

void loop_ready(struct loop *loop, struct waiter *w) {
  loop_cancel(loop, w);
  list_append(&loop->ready, &w->link);
}

void loop_later(struct loop *loop, struct waiter *w) {
  loop_cancel(loop, w);
  list_append(&loop->later, &w->link);
}

void loop_hangup(struct loop *loop, net_h h) {
  if (h < 0 || (size_t)h >= loop->slot_count) return;
  struct loop_slot slot = loop->slots[h];
  if (slot.rd) loop_ready(loop, slot.rd);
  if (slot.wr) loop_ready(loop, slot.wr);
}

/* --- one turn --------------------------------------------------------------------- */

/* True when nothing can happen that a task waits for. */
static bool nobody_waits(const struct loop *loop) {
  return loop->timers.count == loop->background && loop->parked == loop->background &&
         !loop->outside;
}

/* Until when the poll may sleep, or -EDEADLK when it would sleep for ever. */
static int sleep_until(struct loop *loop, int64_t *deadline_ns) {
  struct heap_node *first = heap_first(&loop->timers);
  if (!list_empty(&loop->ready) || !list_empty(&loop->later))
    *deadline_ns = 0;
  else if (nobody_waits(loop))
    return -EDEADLK;
  else if (first)
    *deadline_ns = first->key;
  else
    *deadline_ns = NET_NEVER;
  return 0;
}

static void ready_handles(struct loop *loop, const struct net_event *events, int count) {
  for (int i = 0; i < count; i++) {
    net_h h = events[i].h;
    if ((size_t)h >= loop->slot_count) continue;
    struct loop_slot slot = loop->slots[h];
    if (slot.rd && events[i].what & NET_RD) loop_ready(loop, slot.rd);
    if (slot.wr && events[i].what & NET_WR) loop_ready(loop, slot.wr);
  }
}

static void ready_timers(struct loop *loop) {
  struct heap_node *first = heap_first(&loop->timers);
  if (!first) return;
  int64_t now = loop_now(loop);
  for (; first && first->key <= now; first = heap_first(&loop->timers))
    loop_ready(loop, list_entry(first, struct waiter, timer));
}

/* Those that stepped aside in the turn before come after this turn's events. */
static void ready_later(struct loop *loop) {
  struct list *node;
  while ((node = list_shift(&loop->later))) list_append(&loop->ready, node);
}

static int fire_ready(struct loop *loop) {
  int fired = 0;
  struct list *node;
  while (fired < LOOP_TURN_MAX && (node = list_shift(&loop->ready))) {
    struct waiter *w = list_entry(node, struct waiter, link);
    fired++;
    w->fire(w);
  }
  return fired;
}

int loop_turn(struct loop *loop) {
  int64_t deadline_ns;
  int r = sleep_until(loop, &deadline_ns);
  if (r < 0) return r;
  if (deadline_ns != 0 && loop->before_sleep) loop->before_sleep(loop->before_sleep_arg);
  struct net_event events[EVENTS_PER_POLL];
  int count = net_poll(loop->net, events, EVENTS_PER_POLL, deadline_ns);
  if (count < 0) return count;
  loop->turn_ns = loop_now(loop);
  ready_handles(loop, events, count);
  ready_timers(loop);
  ready_later(loop);
  return fire_ready(loop);
}
