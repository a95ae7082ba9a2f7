/* The io_uring side of the host backend. */
#include "net/host_uring.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "net/host.h"

/* Chunks that a handle may hold before the ring stops to receive for it. */
enum { MOST_HELD = 32 };

/* --- what the ring has told --------------------------------------------------------- */

/* Its owner hears of it from poll. */
static void note(struct epoll_net *e, net_h h) {
  struct slot *slot = &e->slots[h];
  if (slot->flags & SLOT_NOTED || e->noted_count == e->noted_cap) return;
  slot->flags |= SLOT_NOTED;
  e->noted[e->noted_count++] = h;
}

void uring_forget(struct epoll_net *e, net_h h) {
  if (!(e->slots[h].flags & SLOT_NOTED)) return;
  for (size_t i = 0; i < e->noted_count; i++)
    if (e->noted[i] == h) e->noted[i] = -1;
}

/* Room to note every handle, so that noting never fails. */
static int reserve_notes(struct epoll_net *e) {
  if (e->noted_cap >= e->slot_count) return 0;
  net_h *noted = realloc(e->noted, e->slot_count * sizeof *noted);
  if (!noted) return -ENOMEM;
  e->noted = noted;
  e->noted_cap = e->slot_count;
  return 0;
}

/* Many bytes at once are better read directly, and so are those of an owner who does not ask
 * for what he has. */
static void hold(struct epoll_net *e, net_h h, const struct ring_done *done) {
  struct slot *slot = &e->slots[h];
  uint16_t chunk = ahead_hold(&e->ahead, done->buffer, (size_t)done->result);
  if (slot->chunk)
    ahead_append(&e->ahead, slot->last, chunk);
  else
    slot->chunk = chunk;
  slot->last = chunk;
  if (slot->held < UINT8_MAX) slot->held++;
  e->net.intake++;
  if (done->result == RING_BUFFER_BYTES) slot->flags |= SLOT_BULK;
  bool enough = slot->flags & SLOT_BULK || slot->held >= MOST_HELD;
  if (enough && done->more) ring_cancel_recv(e->ring, h, slot->generation);
}

static void received(struct epoll_net *e, const struct ring_done *done) {
  net_h h = (net_h)done->id;
  struct slot *slot = &e->slots[h];
  bool own = slot->generation == done->generation && slot->flags & SLOT_ARMED;
  if (!own || slot->flags & SLOT_LINGERS) { /* a former owner's */
    if (done->buffer >= 0) ring_give(e->ring, done->buffer);
    if (own && !done->more) slot->flags &= ~(uint32_t)SLOT_ARMED;
    return;
  }
  slot->flags &= ~(uint32_t)SLOT_DRAINED;
  if (!done->more) slot->flags &= ~(uint32_t)SLOT_ARMED;
  if (done->result > 0)
    hold(e, h, done);
  else if (done->buffer >= 0)
    ring_give(e->ring, done->buffer);
  if (done->result == 0) slot->flags |= SLOT_UNSURE;
  if (done->result == -ENOBUFS) slot->flags |= SLOT_STARVED;
  bool failed =
      done->result < 0 && done->result != -ENOBUFS && done->result != -ECANCELED;
  if (failed) slot->error = (int16_t)-done->result;
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

/* The first time after bytes were taken nothing new is known. Who asks once more without a
 * poll in between would never see more. */
ssize_t uring_ask(struct epoll_net *e, net_h h) {
  struct slot *slot = &e->slots[h];
  bool drained = slot->flags & SLOT_DRAINED;
  slot->flags &= ~(uint32_t)SLOT_DRAINED;
  if (drained) return -EAGAIN;
  ring_reap(e->ring);
  uring_take_in(e);
  return e->slots[h].chunk || e->slots[h].error ? 0 : -EAGAIN;
}

ssize_t uring_arm(struct epoll_net *e, net_h h) {
  struct slot *slot = &e->slots[h];
  int r = reserve_notes(e);
  if (r < 0) return r;
  slot->held = 0;
  slot->flags |= SLOT_ARMED;
  ring_recv(e->ring, h, slot->generation);
  return -EAGAIN;
}

/* A cancelled receive has told so by the end of the call that submitted the cancel. */
void uring_disarm(struct epoll_net *e, net_h h) {
  const struct slot *slot = &e->slots[h];
  if (!(slot->flags & SLOT_ARMED)) return;
  ring_cancel_recv(e->ring, h, slot->generation);
  for (int i = 0; e->slots[h].flags & SLOT_ARMED && i < 100; i++) {
    ring_reap(e->ring);
    uring_take_in(e);
  }
}

bool uring_armed_holds(struct epoll_net *e, net_h h) {
  if (!e->slots[h].chunk) uring_disarm(e, h);
  if (e->slots[h].chunk)
    e->slots[h].flags |= e->slots[h].flags & SLOT_ARMED ? SLOT_DRAINED : 0;
  return e->slots[h].chunk;
}

ssize_t uring_error(struct epoll_net *e, net_h h) {
  int error = e->slots[h].error;
  e->slots[h].error = 0;
  return -error;
}

void uring_close(struct epoll_net *e, net_h h) {
  struct slot *slot = &e->slots[h];
  if (slot->flags & SLOT_ARMED) ring_cancel_recv(e->ring, h, slot->generation);
  ring_close_fd(e->ring, h);
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
  size_t seen = 0;
  int count = 0;
  for (; seen < e->noted_count && count < max; seen++) {
    net_h h = e->noted[seen];
    if (h < 0) continue; /* closed since */
    e->slots[h].flags &= ~(uint32_t)SLOT_NOTED;
    events[count++] = (struct net_event){h, NET_RD};
  }
  e->noted_count -= seen;
  memmove(e->noted, e->noted + seen, e->noted_count * sizeof *e->noted);
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

/* Sends what is queued, waits, and takes in what has come. */
static int exchange(struct epoll_net *e, int64_t deadline_ns) {
  outq_send_all(&e->outq, e->ring, send_entry);
  int r = ring_enter(e->ring, deadline_ns);
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
  return e->noted_count > 0 || e->epoll_has || e->outq.failed >= 0;
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

int uring_begin(struct epoll_net *e) {
  int status;
  e->ring = ring_open(&status);
  if (!e->ring) return status;
  e->ahead.ring = e->ring;
  ring_watch(e->ring, e->epoll_fd);
  e->epoll_has = true;
  return 0;
}

void uring_fini(struct epoll_net *e) {
  ring_close(e->ring);
  free(e->noted);
}

/* --- choosing ----------------------------------------------------------------------- */

int net_host_has_uring(void) {
  int status;
  struct ring *ring = ring_open(&status);
  ring_close(ring);
  return ring ? 0 : status;
}

static struct net *with_ring(int *status) {
  struct net *net = net_host_epoll(status);
  if (!net) return NULL;
  *status = uring_begin(epoll_self(net));
  if (*status == 0) return net;
  net_free(net);
  return NULL;
}

struct net *net_host(const char *backend, int *status) {
  if (!backend || strcmp(backend, "auto") == 0 || strcmp(backend, "epoll") == 0)
    return net_host_epoll(status);
  if (strcmp(backend, "uring") == 0) return with_ring(status);
  *status = -EINVAL;
  return NULL;
}
