/* The io_uring side of the host backend. */
#include "net/host_uring.h"

#include <errno.h>

#include "base/table.h"
#include "net/host.h"

/* --- what the ring has told --------------------------------------------------------- */

/* Its owner hears of it from poll. */
static void note(struct epoll_net *e, net_h h) {
  struct uring_slot *own = &e->uring_slots[h];
  own->noted = true;
  if (own->chained) return;
  own->chained = true;
  own->next = -1;
  if (e->noted_last >= 0)
    e->uring_slots[e->noted_last].next = h;
  else
    e->noted_first = h;
  e->noted_last = h;
}

void uring_forget(struct epoll_net *e, net_h h) {
  struct uring_slot *own = uring_slot_of(e, h);
  if (own) *own = (struct uring_slot){.next = own->next, .chained = own->chained};
}

/* Many bytes at once are better read directly. */
static void hold(struct epoll_net *e, net_h h, const struct ring_done *done) {
  struct slot *slot = &e->slots[h];
  slot->chunk = ahead_hold(&e->ahead, done->buffer, (size_t)done->result);
  e->net.intake++;
  if (done->result == RING_BUFFER_BYTES)
    slot->flags |= SLOT_BULK;
  else if (!done->rest)
    slot->flags |= SLOT_DRAINED;
}

static void received(struct epoll_net *e, const struct ring_done *done) {
  net_h h = (net_h)done->id;
  struct slot *slot = &e->slots[h];
  struct uring_slot *own = &e->uring_slots[h];
  bool is_own = slot->generation == done->generation && own->armed;
  if (is_own) own->armed = false;
  if (!is_own || slot->flags & SLOT_LINGERS) { /* a former owner's */
    if (done->buffer >= 0) ring_give(e->ring, done->buffer);
    return;
  }
  slot->flags &= ~(uint32_t)SLOT_DRAINED;
  if (done->result > 0)
    hold(e, h, done);
  else if (done->buffer >= 0)
    ring_give(e->ring, done->buffer);
  if (done->result == 0) slot->flags |= SLOT_UNSURE;
  bool failed =
      done->result < 0 && done->result != -ENOBUFS && done->result != -ECANCELED;
  if (failed) own->error = (int16_t)-done->result;
  if (failed) slot->flags |= SLOT_UNSURE;
  note(e, h);
}

void uring_take_in(struct epoll_net *e) {
  struct ring_done done;
  while (ring_next(e->ring, &done)) {
    if (done.op == RING_RECV) received(e, &done);
    if (done.op == RING_SEND) outq_sent(&e->outq, done.id, done.result);
    if (done.op != RING_WATCH) continue;
    e->epoll_has = true;
    if (!done.more) ring_watch(e->ring, e->epoll_fd);
  }
}

/* --- receiving ---------------------------------------------------------------------- */

ssize_t uring_ask(struct epoll_net *e, net_h h) {
  int error = outq_error(&e->outq, h);
  if (error && error != -EPIPE) return error;
  ring_reap(e->ring);
  uring_take_in(e);
  return uring_is_armed(e, h) ? -EAGAIN : 0;
}

/* Nobody wants to hear twice of what comes. Who waits to write still hears from epoll. */
static void leave_epoll(struct epoll_net *e, net_h h) {
  const struct slot *slot = &e->slots[h];
  struct uring_slot *own = &e->uring_slots[h];
  struct epoll_event ev = {.events = EPOLLOUT | EPOLLET,
                           .data.u64 = (uint64_t)slot->generation << 32 | (uint32_t)h};
  if (!(slot->flags & SLOT_IN_SET) || own->out_only) return;
  own->out_only = epoll_ctl(e->epoll_fd, EPOLL_CTL_MOD, h, &ev) == 0;
}

ssize_t uring_arm(struct epoll_net *e, net_h h) {
  if (ring_idle(e->ring) == 0) return epoll_arm(e, h, NET_RD);
  void *rows = table_reach(e->uring_slots, &e->uring_slot_count, sizeof *e->uring_slots,
                           (size_t)h);
  if (!rows) return -ENOMEM;
  e->uring_slots = rows;
  e->uring_slots[h].armed = true;
  leave_epoll(e, h);
  ring_recv(e->ring, h, e->slots[h].generation);
  return -EAGAIN;
}

/* A cancelled receive has told so by the end of the call that submitted the cancel. */
void uring_disarm(struct epoll_net *e, net_h h) {
  if (!uring_is_armed(e, h)) return;
  ring_cancel_recv(e->ring, h, e->slots[h].generation);
  for (int i = 0; uring_is_armed(e, h) && i < 100; i++) {
    ring_reap(e->ring);
    uring_take_in(e);
  }
}

void uring_disarm_all(struct epoll_net *e, const struct net_event *asked, int n) {
  for (int i = 0; i < n; i++)
    if (uring_is_armed(e, asked[i].h))
      ring_cancel_recv(e->ring, asked[i].h, e->slots[asked[i].h].generation);
  uring_flush(e);
}

/* Whoever waits hears of the cancel, asks again, and waits with epoll. */
void uring_leave_receiving(struct epoll_net *e) {
  e->urgent = true;
  for (size_t h = 0; h < e->uring_slot_count; h++)
    if (e->uring_slots[h].armed)
      ring_cancel_recv(e->ring, (net_h)h, e->slots[h].generation);
  uring_flush(e);
}

ssize_t uring_error(struct epoll_net *e, net_h h) {
  int error = e->uring_slots[h].error;
  e->uring_slots[h].error = 0;
  return -error;
}

void uring_flush(struct epoll_net *e) {
  if (!e->ring || !ring_queued(e->ring)) return;
  ring_reap(e->ring);
  uring_take_in(e);
}

/* --- waiting ------------------------------------------------------------------------ */

static void send_entry(void *to, net_h h, uint32_t number, const void *bytes, size_t n) {
  ring_send(to, h, number, bytes, n);
}

/* Moves noted handles into events, those that were noted first. */
static int give_noted(struct epoll_net *e, struct net_event *events, int max) {
  int count = 0;
  while (e->noted_first >= 0 && count < max) {
    net_h h = e->noted_first;
    struct uring_slot *own = &e->uring_slots[h];
    if (own->noted) events[count++] = (struct net_event){h, NET_RD};
    own->noted = own->chained = false;
    e->noted_first = own->next;
  }
  if (e->noted_first < 0) e->noted_last = -1;
  return count;
}

/* What epoll has for the handles that are its own. */
static int ask_epoll(struct epoll_net *e, struct net_event *events, int max) {
  e->woken = false;
  if (!e->epoll_has || max <= 0) return 0;
  int found = host_epoll_wait(e->epoll_fd, e->found, max, 0);
  if (found < 0) return found;
  e->epoll_has = found == max;
  return epoll_take_in(e, found, events);
}

/* The events of one handle are told once: the ring's and epoll's may name the same. */
static int merge(struct net_event *events, int first, int more) {
  int count = first;
  for (int i = first; i < first + more; i++) {
    int same = 0;
    while (same < first && events[same].h != events[i].h) same++;
    if (same < first)
      events[same].what |= events[i].what;
    else
      events[count++] = events[i];
  }
  return count;
}

/* Until something has come, or the spin is over. What is queued leaves in any case. */
static int wait_for(struct epoll_net *e, int64_t deadline_ns) {
  int64_t end_ns = host_spin_end(&e->net, deadline_ns);
  while (end_ns > 0) {
    int r = ring_reap(e->ring);
    if (r < 0 || ring_has(e->ring)) return r;
    if (host_now(NULL) >= end_ns) end_ns = 0;
  }
  return ring_enter(e->ring, deadline_ns);
}

/* Sends what is queued, waits, and takes in what has come. */
static int exchange(struct epoll_net *e, int64_t deadline_ns) {
  outq_send_all(&e->outq, e->ring, send_entry);
  int r = wait_for(e, deadline_ns);
  uring_take_in(e);
  outq_emptied(&e->outq);
  return r;
}

static int gather(struct epoll_net *e, struct net_event *events, int max) {
  int count = outq_failed(&e->outq, events, max);
  if (count > 0) return count;
  count = give_noted(e, events, max);
  int r = ask_epoll(e, events + count, max - count);
  return r < 0 ? r : merge(events, count, r);
}

static bool is_ready(const struct epoll_net *e) {
  return e->noted_first >= 0 || e->epoll_has || e->outq.failed >= 0;
}

static bool is_past(int64_t deadline_ns) {
  return deadline_ns != NET_NEVER && deadline_ns <= host_now(NULL);
}

int uring_poll(struct epoll_net *e, struct net_event *events, int max,
               int64_t deadline_ns) {
  int r = exchange(e, is_ready(e) ? 0 : deadline_ns);
  if (r < 0) return r;
  int count = gather(e, events, max);
  if (count == 0 && !e->woken && !is_past(deadline_ns)) { /* it did not sleep yet */
    r = exchange(e, deadline_ns);
    count = r < 0 ? r : gather(e, events, max);
  }
  return count;
}

/* --- the ring itself ---------------------------------------------------------------- */

void uring_use(struct epoll_net *e, struct ring *ring) {
  e->ring = e->ahead.ring = ring;
  ring_watch(ring, e->epoll_fd);
  e->epoll_has = true;
}

int uring_begin(struct epoll_net *e) {
  int status;
  e->takes_ring = false;
  struct ring *ring = ring_open(&status);
  if (!ring) return status;
  uring_use(e, ring);
  return 0;
}

void uring_fini(struct epoll_net *e) {
  ring_close(e->ring);
  table_free(e->uring_slots, e->uring_slot_count, sizeof *e->uring_slots);
}
