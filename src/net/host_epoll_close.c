/* The epoll backend's closing. */
#include <errno.h>
#include <unistd.h>

#include "net/host.h"
#include "net/host_epoll.h"
#include "net/host_uring.h"

int epoll_give_back(struct epoll_net *e, net_h h) {
  struct slot *slot = &e->slots[h];
  outq_drop(&e->outq, h);
  if (h == e->named) e->named = -1;
  /* close(2) takes it out of the set, unless somebody else has it open too. Then edges of
   * the old generation may still come, and are dropped. */
  if (slot->flags & SLOT_IN_SET && slot->flags & (SLOT_LENT | SLOT_PLAIN | SLOT_BLOCKS))
    epoll_ctl(e->epoll_fd, EPOLL_CTL_DEL, h, NULL);
  bool lent = slot->flags & SLOT_LENT;
  if (slot->flags & SLOT_LINGERS) e->lingering--;
  uring_forget(e, h);
  slot->generation++;
  slot->flags = 0;
  if (lent) return 0;
  /* close(2): on Linux the descriptor is gone also after EINTR; never a second close */
  return close(h) < 0 && errno != EINTR ? -errno : 0;
}

/* The kernel resets a stream that is closed before all that came was read (RFC 2525 section
 * 2.17). Of bytes that are here already it does not know. */
static void tell_unread(struct epoll_net *e, net_h h) {
  const struct slot *slot = &e->slots[h];
  bool unread = ahead_len(&e->ahead, slot->chunk) > 0;
  if (unread && slot->flags & SLOT_AHEAD) host_reset_at_close(h);
}

void epoll_tell_all_unread(struct epoll_net *e) {
  if (e->ring) uring_take_in(e);
  for (size_t h = 0; h < e->slot_count; h++) tell_unread(e, (net_h)h);
}

/* A receive that is armed ends at once: the peer may wait for the end of the stream, and the
 * script for the peer. */
static void drop_held(struct epoll_net *e, net_h h) {
  struct slot *slot = &e->slots[h];
  uring_disarm(e, h);
  tell_unread(e, h);
  ahead_drop(&e->ahead, &slot->chunk);
  batch_drop(&e->batch, h);
}

int epoll_abandon(struct epoll_net *e, net_h h) {
  drop_held(e, h);
  return epoll_give_back(e, h);
}

int epoll_close(struct net *net, net_h h) {
  struct epoll_net *e = epoll_self(net);
  drop_held(e, h);
  e->slots[h].flags &= ~(uint32_t)SLOT_WANTED;
  int r = outq_flush(&e->outq, h);
  net->open--;
  if (uring_has_failed(e, h)) uring_error(e, h);
  if (r == -EAGAIN) {
    e->slots[h].flags |= SLOT_LINGERS;
    e->lingering++;
    return 0;
  }
  int closed = epoll_give_back(e, h);
  return r < 0 && r != -EPIPE ? r : closed;
}
