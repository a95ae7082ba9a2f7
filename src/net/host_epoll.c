/* The epoll backend. A handle is its descriptor. Small sends are queued and leave once a
 * turn (outq.h). A descriptor joins the epoll set at its first -EAGAIN, once, edge-triggered
 * for both directions, so that no later wait costs a system call. An edge that comes while
 * nobody waits is lost on purpose: who waits has just got -EAGAIN (rule 2 of net.h), and the
 * next edge comes after that. */
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/status.h"
#include "net/host.h"
#include "net/host_ahead.h"
#include "net/outq.h"
#include "net/resolver.h"

enum {
  IN_SET = 1,    /* registered with epoll */
  INHERITED = 4, /* descriptor of another program too: O_NONBLOCK is never set */
  ALWAYS = 8,    /* epoll refuses it (a regular file): it is always ready */
  STREAM = 16,   /* sends may be queued; a short read means that all is read */
  DRAINED = 32,  /* such a read has happened, and no event came since */
  UNSURE = 64,   /* end, error or urgent data were seen: ask the kernel always */
  LINGERS = 128, /* closed by its owner; bytes that it sent are still to leave */
  WANTED = 256,  /* its owner has asked for bytes that were not there */
};

struct slot {
  uint32_t generation; /* bumped by close: events of a former owner are dropped */
  uint16_t flags;
  uint16_t chunk; /* 1-based: bytes that were read ahead lie there; 0: none */
};

struct epoll_net {
  struct net net;
  int epoll_fd, wake_fd;
  int reserve_fd;     /* given up to refuse one connection when descriptors run out */
  struct slot *slots; /* owned; indexed by descriptor */
  size_t slot_count;
  struct epoll_event *found; /* owned; what the last epoll_wait gave */
  int found_max;
  struct outq outq;
  struct ahead ahead;
  net_h named; /* the connection that accept gave last, and its peer; -1: none */
  struct addr named_peer;
  struct resolver *resolver; /* owned; NULL until a name has to be asked */
  size_t lingering;          /* handles with LINGERS */
};

static struct epoll_net *self(struct net *net) {
  return (struct epoll_net *)net;
}

/* --- the table of handles ------------------------------------------------------- */

/* Makes room for descriptor `fd` in the table. */
static int grow(struct epoll_net *e, int fd) {
  if ((size_t)fd < e->slot_count) return 0;
  size_t count = e->slot_count ? e->slot_count : 64;
  while (count <= (size_t)fd) count *= 2;
  struct slot *slots = realloc(e->slots, count * sizeof *slots);
  if (!slots) return -ENOMEM;
  memset(slots + e->slot_count, 0, (count - e->slot_count) * sizeof *slots);
  e->slots = slots;
  e->slot_count = count;
  return 0;
}

/* Takes a fresh descriptor in as a handle; closes it when that fails. */
static net_h enrol(struct epoll_net *e, int fd, uint32_t flags) {
  int r = grow(e, fd);
  if (r < 0) {
    close(fd);
    return r;
  }
  e->slots[fd].flags = (uint16_t)flags;
  e->net.open++;
  return fd;
}

/* Arms the wake of a handle that has just answered EAGAIN. */
static int arm(struct epoll_net *e, net_h h) {
  struct slot *slot = &e->slots[h];
  if (slot->flags & IN_SET && !(slot->flags & INHERITED)) return -EAGAIN;
  struct epoll_event ev = {.data.u64 = (uint64_t)slot->generation << 32 | (uint32_t)h};
  /* An inherited descriptor is read only after poll(2) says so, one wait at a time:
   * another program may take its bytes. */
  ev.events = slot->flags & INHERITED
                  ? EPOLLIN | EPOLLONESHOT
                  : EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLPRI | EPOLLET;
  int op = slot->flags & IN_SET ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
  if (epoll_ctl(e->epoll_fd, op, h, &ev) < 0) return -errno;
  slot->flags |= IN_SET;
  return -EAGAIN;
}

/* The status of a system call that failed: EAGAIN arms. */
static int failed(struct epoll_net *e, net_h h, int error) {
  return error == EAGAIN ? arm(e, h) : -error;
}

/* --- operations ----------------------------------------------------------------- */

static net_h epoll_socket(struct net *net, int family, int type, int proto) {
  int fd = socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, proto);
  return fd < 0 ? -errno : enrol(self(net), fd, type == SOCK_STREAM ? STREAM : 0);
}

static net_h epoll_adopt(struct net *net, int fd) {
  int r = grow(self(net), fd);
  if (r < 0) return r;
  struct epoll_event ev = {.events = 0};
  uint32_t flags = INHERITED;
  if (epoll_ctl(self(net)->epoll_fd, EPOLL_CTL_ADD, fd, &ev) == 0)
    epoll_ctl(self(net)->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
  else if (errno == EPERM)
    flags |= ALWAYS; /* epoll_ctl(2): a regular file or a directory */
  else
    return -errno;
  self(net)->slots[fd].flags = flags;
  net->open++;
  return fd;
}

static int epoll_connect(struct net *net, net_h h, const struct addr *addr) {
  int r;
  do r = connect(h, &addr->u.sa, addr->len);
  while (r < 0 && errno == EINTR);
  if (r == 0) return 0;
  /* connect(2): asked again it says EALREADY until it gives 0 or the error */
  if (errno == EINPROGRESS || errno == EALREADY) return arm(self(net), h);
  /* unix(7): a full backlog answers EAGAIN and raises no event when room comes; told as
   * it is for TCP when the queue is full and nobody takes from it. */
  return errno == EAGAIN ? -ECONNREFUSED : -errno;
}

/* Out of descriptors: gives up the reserve, takes one connection and closes it, so that
 * its client learns at once, and takes the reserve back. */
static void refuse_one(struct epoll_net *e, net_h h) {
  if (e->reserve_fd < 0) e->reserve_fd = eventfd(0, EFD_CLOEXEC); /* lost to another */
  if (e->reserve_fd < 0) return;
  close(e->reserve_fd);
  int fd = accept4(h, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (fd >= 0) close(fd);
  e->reserve_fd = eventfd(0, EFD_CLOEXEC);
}

/* The peer is kept for the question that follows, which else costs a system call. */
static net_h epoll_accept(struct net *net, net_h h) {
  struct epoll_net *e = self(net);
  int fd;
  struct addr *peer = &e->named_peer;
  peer->len = sizeof peer->u;
  do fd = accept4(h, &peer->u.sa, &peer->len, SOCK_CLOEXEC | SOCK_NONBLOCK);
  while (fd < 0 && errno == EINTR);
  int error = errno;
  e->named = fd < 0 ? -1 : enrol(e, fd, e->slots[h].flags & STREAM);
  if (fd >= 0) return e->named;
  if (error == EMFILE || error == ENFILE) refuse_one(self(net), h);
  return failed(e, h, error);
}

static int epoll_name_of(struct net *net, net_h h, int which, struct addr *out) {
  struct epoll_net *e = self(net);
  if (which != NET_PEER || h != e->named) return host_name_of(net, h, which, out);
  *out = e->named_peer;
  return 0;
}

static ssize_t inherited_read(struct epoll_net *e, net_h h, void *bytes, size_t n) {
  struct pollfd p = {.fd = h, .events = POLLIN};
  if (!(e->slots[h].flags & ALWAYS) && poll(&p, 1, 0) == 0) return arm(e, h);
  ssize_t r;
  do r = read(h, bytes, n);
  while (r < 0 && errno == EINTR);
  return r < 0 ? failed(e, h, errno) : r;
}

/* Reads for an owner who waits. */
static void read_ahead(struct epoll_net *e, net_h h) {
  struct slot *slot = &e->slots[h];
  bool drained;
  slot->flags &= (uint16_t)~WANTED;
  if (slot->chunk) return;
  slot->chunk = ahead_read(&e->ahead, h, &drained);
  if (drained) slot->flags |= DRAINED;
}

static ssize_t stream_read(struct epoll_net *e, net_h h, void *bytes, size_t n) {
  uint32_t flags = e->slots[h].flags;
  uint16_t *chunk = &e->slots[h].chunk;
  if (*chunk) return ahead_take(&e->ahead, chunk, bytes, n, false);
  e->slots[h].flags |= WANTED;
  if ((flags & (DRAINED | UNSURE)) == DRAINED) return arm(e, h);
  ssize_t r;
  do r = recv(h, bytes, n, 0);
  while (r < 0 && errno == EINTR);
  if (r > 0 && (size_t)r < n) e->slots[h].flags |= DRAINED;
  if (r > 0) e->slots[h].flags &= (uint16_t)~WANTED;
  if (r > 0) return r;
  /* A queued send that met a reset has taken the error: it must not look like an end. */
  int error = r == 0 || errno != EAGAIN ? outq_error(&e->outq, h) : 0;
  if (error && error != -EPIPE) return error;
  return r < 0 ? failed(e, h, errno) : 0;
}

static ssize_t epoll_recv(struct net *net, net_h h, void *bytes, size_t n) {
  struct epoll_net *e = self(net);
  if (e->slots[h].flags & INHERITED) return inherited_read(e, h, bytes, n);
  return stream_read(e, h, bytes, n);
}

static ssize_t send_now(struct net *net, net_h h, const void *bytes, size_t n) {
  ssize_t r;
  do r = send(h, bytes, n, MSG_NOSIGNAL);
  while (r < 0 && errno == EINTR);
  return r < 0 ? failed(self(net), h, errno) : r;
}

static ssize_t epoll_send(struct net *net, net_h h, const void *bytes, size_t n) {
  if (self(net)->slots[h].flags & STREAM) return outq_send(&self(net)->outq, h, bytes, n);
  return send_now(net, h, bytes, n);
}

static ssize_t epoll_recvmsg(struct net *net, net_h h, struct msghdr *msg, int flags) {
  struct epoll_net *e = self(net);
  struct iovec *iov = msg->msg_iov;
  if (e->slots[h].chunk && !(flags & MSG_OOB)) {
    msg->msg_controllen = msg->msg_namelen = 0;
    msg->msg_flags = 0;
    return ahead_take(&e->ahead, &e->slots[h].chunk, iov->iov_base, iov->iov_len,
                      flags & MSG_PEEK);
  }
  /* A plain read would lose what comes beside the bytes: descriptors, for instance. */
  e->slots[h].flags &= (uint16_t)~WANTED;
  ssize_t r;
  do r = host_recvmsg(h, msg, flags);
  while (r < 0 && errno == EINTR);
  return r < 0 ? failed(self(net), h, errno) : r;
}

static ssize_t epoll_sendmsg(struct net *net, net_h h, const struct msghdr *msg,
                             int flags) {
  ssize_t r = outq_flush(&self(net)->outq, h);
  if (r < 0) return r;
  do r = host_sendmsg(h, msg, flags | MSG_NOSIGNAL);
  while (r < 0 && errno == EINTR);
  return r < 0 ? failed(self(net), h, errno) : r;
}

static int epoll_flush(struct net *net, net_h h) {
  struct epoll_net *e = self(net);
  if (h >= 0) return outq_flush(&e->outq, h);
  outq_flush_all(&e->outq);
  return e->outq.rests > 0 ? -EAGAIN : 0;
}

static int epoll_shutdown(struct net *net, net_h h, int how) {
  int r = how == SHUT_RD ? 0 : outq_flush(&self(net)->outq, h);
  if (r < 0) return r;
  return shutdown(h, how) < 0 ? -errno : 0;
}

/* Gives the descriptor back. */
static int forget(struct epoll_net *e, net_h h) {
  struct slot *slot = &e->slots[h];
  outq_drop(&e->outq, h);
  if (h == e->named) e->named = -1;
  /* close(2) takes it out of the set, unless somebody else has it open too. Then edges of
   * the old generation may still come, and are dropped. */
  if (slot->flags & IN_SET && slot->flags & INHERITED)
    epoll_ctl(e->epoll_fd, EPOLL_CTL_DEL, h, NULL);
  slot->generation++;
  bool inherited = slot->flags & INHERITED;
  if (slot->flags & LINGERS) e->lingering--;
  slot->flags = 0;
  if (inherited) return 0; /* the descriptor stays its owner's */
  /* close(2): on Linux the descriptor is gone also after EINTR; never a second close */
  return close(h) < 0 && errno != EINTR ? -errno : 0;
}

static int epoll_close(struct net *net, net_h h) {
  struct epoll_net *e = self(net);
  ahead_drop(&e->ahead, &e->slots[h].chunk);
  e->slots[h].flags &= (uint16_t)~WANTED;
  int r = outq_flush(&e->outq, h);
  net->open--;
  if (r == -EAGAIN) {
    e->slots[h].flags |= LINGERS;
    e->lingering++;
    return 0;
  }
  int closed = forget(e, h);
  return r < 0 && r != -EPIPE ? r : closed;
}

/* --- names ---------------------------------------------------------------------- */

static void epoll_forget(struct net *net, struct net_lookup *q) {
  if (q->ticket < 0) return;
  if (q->pending) resolver_drop(self(net)->resolver, q->pending);
  q->pending = NULL;
  epoll_close(net, q->ticket);
  q->ticket = -1;
}

/* Hands the question to a thread; the ticket is an eventfd. */
static int ask(struct epoll_net *e, struct net_lookup *q) {
  if (!e->resolver) e->resolver = resolver_new();
  if (!e->resolver) return -ENOMEM;
  int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (fd < 0) return -errno;
  net_h ticket = enrol(e, fd, 0);
  if (ticket < 0) return ticket;
  int status;
  q->ticket = ticket;
  q->pending = resolver_ask(e->resolver, q, fd, &status);
  if (!q->pending) {
    epoll_forget(&e->net, q);
    return status;
  }
  return arm(e, ticket);
}

static int epoll_lookup(struct net *net, struct net_lookup *q) {
  struct epoll_net *e = self(net);
  if (q->ticket < 0) {
    int r = resolve_now(q, true);
    return r == status_from_eai(EAI_NONAME) ? ask(e, q) : r;
  }
  int r = resolver_answer(e->resolver, q->pending, q);
  if (r == -EAGAIN) return arm(e, q->ticket);
  q->pending = NULL;
  epoll_forget(net, q);
  return r;
}

/* --- waiting -------------------------------------------------------------------- */

static int wait_events(struct epoll_net *e, int max, int64_t deadline_ns) {
  for (;;) {
    int64_t now = deadline_ns > 0 ? host_now(&e->net) : 0;
    int64_t ns = deadline_ns > now ? deadline_ns - now : 0;
    if (deadline_ns == NET_NEVER) ns = NET_NEVER;
    int n = host_wait(e->epoll_fd, e->found, max, ns);
    if (n >= 0 || errno != EINTR) return n < 0 ? -errno : n;
    if (ns == 0) return 0;
  }
}

static uint32_t what_of(uint32_t events) {
  uint32_t what = 0;
  if (events & (EPOLLIN | EPOLLPRI | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) what |= NET_RD;
  if (events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) what |= NET_WR;
  return what;
}

/* What an event means for the handle: the backend's own part is done here. 0: nothing that
 * an owner waits for. */
static uint32_t note(struct epoll_net *e, net_h h, uint32_t events) {
  struct slot *slot = &e->slots[h];
  uint32_t what = what_of(events);
  if (what & NET_RD) slot->flags &= (uint16_t)~DRAINED;
  if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR | EPOLLPRI)) slot->flags |= UNSURE;
  if ((slot->flags & (WANTED | UNSURE)) == WANTED && what & NET_RD) read_ahead(e, h);
  bool rest = what & NET_WR && outq_resume(&e->outq, h);
  if (!(slot->flags & LINGERS)) return what;
  if (!rest && !outq_holds(&e->outq, h)) forget(e, h);
  return 0;
}

/* Turns what epoll found into events; drops those of former owners. */
static int take_in(struct epoll_net *e, int found, struct net_event *events) {
  int count = 0;
  for (int i = 0; i < found; i++) {
    uint64_t tag = e->found[i].data.u64;
    if (tag == UINT64_MAX) {
      uint64_t drained;
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

static int epoll_poll(struct net *net, struct net_event *events, int max,
                      int64_t deadline_ns) {
  struct epoll_net *e = self(net);
  if (max > e->found_max) max = e->found_max;
  outq_flush_all(&e->outq);
  int found = wait_events(e, max, deadline_ns);
  return found < 0 ? found : take_in(e, found, events);
}

static int epoll_drain(struct net *net, int64_t deadline_ns) {
  struct epoll_net *e = self(net);
  struct net_event ignored[64];
  outq_flush_all(&e->outq);
  while (e->outq.rests > 0 && (deadline_ns == NET_NEVER || host_now(net) < deadline_ns)) {
    int found = wait_events(e, 64, deadline_ns);
    if (found < 0) return found;
    take_in(e, found, ignored);
  }
  return e->outq.rests > 0 ? -ETIMEDOUT : 0;
}

static void epoll_wake(struct net *net) {
  uint64_t one = 1;
  int saved = errno; /* a signal handler may be the caller */
  if (write(self(net)->wake_fd, &one, sizeof one) < 0) errno = saved;
  errno = saved;
}

static void epoll_free(struct net *net) {
  struct epoll_net *e = self(net);
  for (size_t h = 0; h < e->slot_count && e->lingering > 0; h++)
    if (e->slots[h].flags & LINGERS) forget(e, (net_h)h);
  outq_fini(&e->outq);
  resolver_free(e->resolver);
  if (e->epoll_fd >= 0) close(e->epoll_fd);
  if (e->wake_fd >= 0) close(e->wake_fd);
  if (e->reserve_fd >= 0) close(e->reserve_fd);
  free(e->slots);
  free(e->found);
  ahead_fini(&e->ahead);
  free(e);
}

static const struct net_ops epoll_ops = {
    .name = "epoll",
    .socket = epoll_socket,
    .adopt = epoll_adopt,
    .bind = host_bind,
    .listen = host_listen,
    .setopt = host_setopt,
    .getopt = host_getopt,
    .name_of = epoll_name_of,
    .connect = epoll_connect,
    .accept = epoll_accept,
    .recv = epoll_recv,
    .send = epoll_send,
    .recvmsg = epoll_recvmsg,
    .sendmsg = epoll_sendmsg,
    .flush = epoll_flush,
    .shutdown = epoll_shutdown,
    .close = epoll_close,
    .lookup = epoll_lookup,
    .forget = epoll_forget,
    .poll = epoll_poll,
    .drain = epoll_drain,
    .wake = epoll_wake,
    .now = host_now,
    .free = epoll_free,
};

struct net *net_host_epoll(int *status) {
  enum { EVENTS = 256 };
  struct epoll_net *e = calloc(1, sizeof *e);
  *status = -ENOMEM;
  if (!e) return NULL;
  e->net.ops = &epoll_ops;
  e->named = -1;
  outq_init(&e->outq, &e->net, send_now);
  e->found = calloc(EVENTS, sizeof *e->found);
  e->found_max = EVENTS;
  int r = ahead_init(&e->ahead);
  e->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
  e->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  e->reserve_fd = eventfd(0, EFD_CLOEXEC);
  struct epoll_event ev = {.events = EPOLLIN, .data.u64 = UINT64_MAX};
  if (!e->found || r < 0) goto free_net;
  *status = -errno;
  if (e->epoll_fd < 0 || e->wake_fd < 0) goto free_net;
  if (epoll_ctl(e->epoll_fd, EPOLL_CTL_ADD, e->wake_fd, &ev) < 0) {
    *status = -errno;
    goto free_net;
  }
  *status = 0;
  return &e->net;

free_net:
  epoll_free(&e->net);
  return NULL;
}
