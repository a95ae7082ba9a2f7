/* The epoll backend's waiting: arming, events, the poll. A descriptor joins the epoll set at
 * its first -EAGAIN, once, edge-triggered, so that no later wait costs a system call. An edge
 * that comes while nobody waits is lost on purpose: who waits has just got -EAGAIN (rule 2
 * of net.h), and the next edge comes after that. */
#include <errno.h>
#include <unistd.h>

#include "net/host.h"
#include "net/host_epoll.h"
#include "net/host_uring.h"

/* --- arming --------------------------------------------------------------------- */

static int join_set(struct epoll_net *e, net_h h, uint32_t events) {
  struct slot *slot = &e->slots[h];
  struct epoll_event ev = {.events = events,
                           .data.u64 = (uint64_t)slot->generation << 32 | (uint32_t)h};
  int op = slot->flags & SLOT_IN_SET ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
  if (epoll_ctl(e->epoll_fd, op, h, &ev) < 0) return -errno;
  slot->flags |= SLOT_IN_SET;
  return -EAGAIN;
}

/* A datagram socket has an edge for writing whenever the kernel is done with a datagram, so
 * it is registered for that only when a send had to wait; a stream only when it was full. */
int epoll_arm(struct epoll_net *e, net_h h, uint32_t what) {
  uint32_t flags = e->slots[h].flags, events = EPOLLIN | EPOLLRDHUP | EPOLLPRI | EPOLLET;
  bool out = flags & (SLOT_STREAM | SLOT_OUT_TOO) || what & NET_WR;
  bool knows = !(what & NET_RD && uring_left_epoll(e, h));
  if (flags & SLOT_IN_SET && (flags & SLOT_OUT_TOO || !out) && knows) return -EAGAIN;
  if (out) e->slots[h].flags |= SLOT_OUT_TOO;
  int r = join_set(e, h, out ? events | EPOLLOUT : events);
  if (r == -EAGAIN) uring_rejoined(e, h);
  return r;
}

/* An edge may have gone to another program. */
int epoll_arm_file(struct epoll_net *e, net_h h, uint32_t what) {
  uint32_t wants =
      (what & NET_RD ? SLOT_WANTS_IN : 0) | (what & NET_WR ? SLOT_WANTS_OUT : 0);
  uint32_t flags = e->slots[h].flags |= wants;
  return join_set(e, h,
                  (flags & SLOT_WANTS_IN ? EPOLLIN : 0) |
                      (flags & SLOT_WANTS_OUT ? EPOLLOUT : 0) | EPOLLONESHOT);
}

/* --- waiting -------------------------------------------------------------------- */

/* What of `asked` is ready, by the events that poll(2) gave. The rest is armed. */
static uint32_t ready_of(struct epoll_net *e, net_h h, uint32_t asked, uint32_t events) {
  if (e->slots[h].chunk || uring_has_failed(e, h) || batch_holds(&e->batch, h))
    events |= EPOLLIN;
  uint32_t what = host_what_of(events) & asked, rest;
  if (outq_holds(&e->outq, h) && !(events & (EPOLLHUP | EPOLLERR)))
    what &= ~(uint32_t)NET_WR; /* the kernel takes the remainder first */
  if (what & NET_RD)
    e->slots[h].flags &= ~(uint32_t)SLOT_DRAINED; /* its edge is still to come */
  rest = asked & ~what;
  int r = -EAGAIN;
  if (rest && e->slots[h].flags & SLOT_PLAIN)
    r = epoll_arm_file(e, h, rest);
  else if (rest)
    r = epoll_arm(e, h, rest);
  return r == -EAGAIN ? what : asked; /* else the operation tells the error */
}

int epoll_ready(struct net *net, struct net_event *asked, int n) {
  struct epoll_net *e = epoll_self(net);
  int count = 0;
  outq_flush_all(&e->outq);
  uring_disarm_all(e, asked, n);
  int r = host_poll_all(asked, n);
  if (r < 0) return r;
  for (int i = 0; i < n; i++) {
    uint32_t what = asked[i].what;
    asked[i].what = ready_of(e, asked[i].h, what & (NET_RD | NET_WR), what >> 16);
    count += asked[i].what != 0;
  }
  return count;
}

/* Reads for an owner who waits. Much that has come is better read by himself, at once. */
static void read_ahead(struct epoll_net *e, net_h h) {
  struct slot *slot = &e->slots[h];
  bool drained;
  slot->flags &= ~(uint32_t)SLOT_WANTED;
  if (slot->chunk || uring_is_armed(e, h)) return;
  slot->chunk = ahead_read(&e->ahead, h, &drained);
  if (drained) slot->flags |= SLOT_DRAINED;
  if (slot->chunk && !drained) slot->flags |= SLOT_BULK;
}

/* What an event means for the handle: the backend's own part is done here. 0: nothing that
 * an owner waits for. */
static uint32_t note(struct epoll_net *e, net_h h, uint32_t events) {
  struct slot *slot = &e->slots[h];
  uint32_t what = host_what_of(events);
  if (slot->flags & SLOT_PLAIN) { /* both have to be armed anew */
    slot->flags &= ~(uint32_t)(SLOT_WANTS_IN | SLOT_WANTS_OUT);
    return NET_RD | NET_WR;
  }
  if (what & NET_RD) slot->flags &= ~(uint32_t)SLOT_DRAINED;
  if (slot->flags & SLOT_STREAM && events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR | EPOLLPRI))
    slot->flags |= SLOT_UNSURE;
  if ((slot->flags & (SLOT_WANTED | SLOT_AHEAD | SLOT_UNSURE | SLOT_BULK)) ==
          (SLOT_WANTED | SLOT_AHEAD) &&
      what & NET_RD)
    read_ahead(e, h);
  bool rest = what & NET_WR && outq_resume(&e->outq, h);
  if (!(slot->flags & SLOT_LINGERS)) return what;
  if (!rest && !outq_holds(&e->outq, h)) epoll_give_back(e, h);
  return 0;
}

/* Turns what epoll found into events; drops those of former owners. */
int epoll_take_in(struct epoll_net *e, int found, struct net_event *events) {
  int count = 0;
  for (int i = 0; i < found; i++) {
    uint64_t tag = e->found[i].data.u64;
    if (tag == UINT64_MAX) {
      uint64_t drained;
      e->woken = true;
      if (read(e->wake_fd, &drained, sizeof drained) < 0) continue;
      continue;
    }
    net_h h = (net_h)(uint32_t)tag;
    if (e->slots[h].generation != (uint32_t)(tag >> 32)) continue;
    uint32_t what = note(e, h, e->found[i].events);
    if (what) events[count++] = (struct net_event){h, what};
  }
  return count;
}

/* Until something has come; before it sleeps it looks for a while. */
static int wait_for(struct epoll_net *e, int max, int64_t deadline_ns) {
  int64_t end_ns = host_spin_end(&e->net, deadline_ns);
  while (end_ns > 0) {
    int found = host_epoll_wait(e->epoll_fd, e->found, max, 0);
    if (found != 0) return found;
    if (host_now(NULL) >= end_ns) break;
  }
  return host_epoll_wait(e->epoll_fd, e->found, max, deadline_ns);
}

int epoll_poll(struct net *net, struct net_event *events, int max, int64_t deadline_ns) {
  struct epoll_net *e = epoll_self(net);
  if (max > EPOLL_EVENTS) max = EPOLL_EVENTS;
  if (e->ring) return uring_poll(e, events, max, deadline_ns);
  outq_flush_all(&e->outq);
  int found = outq_failed(&e->outq, events, max);
  if (found > 0) return found; /* what epoll has stays for the next poll */
  found = wait_for(e, max, deadline_ns);
  return found < 0 ? found : epoll_take_in(e, found, events);
}

int epoll_drain(struct net *net, int64_t deadline_ns) {
  struct epoll_net *e = epoll_self(net);
  struct net_event ignored[64];
  outq_flush_all(&e->outq);
  epoll_tell_all_unread(e);
  while (e->outq.rests > 0 && (deadline_ns == NET_NEVER || host_now(net) < deadline_ns)) {
    int found = host_epoll_wait(e->epoll_fd, e->found, 64, deadline_ns);
    if (found < 0) return found;
    epoll_take_in(e, found, ignored);
  }
  return e->outq.rests > 0 ? -ETIMEDOUT : 0;
}
