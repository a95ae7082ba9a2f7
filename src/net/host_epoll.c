/* The epoll backend. A handle is its descriptor. Small sends are queued and leave once a
 * turn (outq.h). A descriptor joins the epoll set at its first -EAGAIN, once, edge-triggered
 * for both directions, so that no later wait costs a system call. An edge that comes while
 * nobody waits is lost on purpose: who waits has just got -EAGAIN (rule 2 of net.h), and the
 * next edge comes after that. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "net/file.h"
#include "net/host.h"
#include "net/host_ahead.h"
#include "net/host_lookup.h"
#include "net/outq.h"

enum {
  IN_SET = 1,       /* registered with epoll */
  PLAIN = 4,        /* no socket; other programs may share it */
  BLOCKS = 8,       /* a socket without O_NONBLOCK, which other programs may share */
  STREAM = 16,      /* sends may be queued; a short read means that all is read */
  DRAINED = 32,     /* such a read has happened, and no event came since */
  UNSURE = 64,      /* end, error or urgent data were seen: ask the kernel always */
  LINGERS = 128,    /* closed by its owner; bytes that it sent are still to leave */
  OPEN = 256,       /* a handle */
  LENT = 512,       /* close leaves the descriptor open */
  WANTS_IN = 1024,  /* a file whose reader waits */
  WANTS_OUT = 2048, /* a file whose writer waits */
  AHEAD = 4096,     /* may be read ahead: nobody shares it, nothing comes beside bytes */
  WANTED = 8192,    /* its owner has asked for bytes that were not there */
};

enum { EVENTS = 256 }; /* of one epoll_wait, at most */
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
  e->slots[fd].flags = (uint16_t)(flags | OPEN);
  e->net.open++;
  return fd;
}

static int join_set(struct epoll_net *e, net_h h, uint32_t events) {
  struct slot *slot = &e->slots[h];
  struct epoll_event ev = {.events = events,
                           .data.u64 = (uint64_t)slot->generation << 32 | (uint32_t)h};
  int op = slot->flags & IN_SET ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
  if (epoll_ctl(e->epoll_fd, op, h, &ev) < 0) return -errno;
  slot->flags |= IN_SET;
  return -EAGAIN;
}

/* Arms the wake of a socket that has just answered EAGAIN. */
static int arm(struct epoll_net *e, net_h h) {
  if (e->slots[h].flags & IN_SET) return -EAGAIN;
  return join_set(e, h, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLPRI | EPOLLET);
}

/* Arms the wake of a file, anew for each wait: an edge may have gone to another program. */
static int arm_file(struct epoll_net *e, net_h h, uint32_t wants) {
  uint32_t flags = e->slots[h].flags |= (uint16_t)wants;
  return join_set(e, h,
                  (flags & WANTS_IN ? EPOLLIN : 0) | (flags & WANTS_OUT ? EPOLLOUT : 0) |
                      EPOLLONESHOT);
}

/* The result of a system call on a socket: EAGAIN arms. */
static ssize_t settled(struct epoll_net *e, net_h h, ssize_t r) {
  return r == -EAGAIN ? arm(e, h) : r;
}

/* Gives the descriptor back. */
static int forget(struct epoll_net *e, net_h h) {
  struct slot *slot = &e->slots[h];
  outq_drop(&e->outq, h);
  if (h == e->named) e->named = -1;
  /* close(2) takes it out of the set, unless somebody else has it open too. Then edges of
   * the old generation may still come, and are dropped. */
  if (slot->flags & IN_SET && slot->flags & (LENT | PLAIN | BLOCKS))
    epoll_ctl(e->epoll_fd, EPOLL_CTL_DEL, h, NULL);
  slot->generation++;
  bool lent = slot->flags & LENT;
  if (slot->flags & LINGERS) e->lingering--;
  slot->flags = 0;
  if (lent) return 0;
  /* close(2): on Linux the descriptor is gone also after EINTR; never a second close */
  return close(h) < 0 && errno != EINTR ? -errno : 0;
}

/* --- operations ----------------------------------------------------------------- */

static uint32_t flags_of(int family, int type) {
  if (type != SOCK_STREAM) return 0;
  return family == AF_UNIX ? STREAM : STREAM | AHEAD; /* unix(7): descriptors may come */
}

static net_h epoll_socket(struct net *net, int family, int type, int proto) {
  int fd = socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, proto);
  return fd < 0 ? -errno : enrol(self(net), fd, flags_of(family, type));
}

static bool is_own(const struct epoll_net *e, int fd) {
  if (fd == e->epoll_fd || fd == e->wake_fd || fd == e->reserve_fd) return true;
  return fd >= 0 && (size_t)fd < e->slot_count && e->slots[fd].flags & OPEN;
}

static net_h epoll_adopt(struct net *net, int fd, bool own) {
  struct epoll_net *e = self(net);
  if (is_own(e, fd)) return -EBUSY;
  int kind = host_kind(fd);
  if (kind < 0) return kind;
  int r = grow(e, fd);
  if (r < 0) return r;
  uint32_t flags = own ? OPEN : OPEN | LENT;
  if (kind == 0) flags |= PLAIN;
  if (kind == SOCK_STREAM) flags |= STREAM;
  if (kind != 0 && host_blocks(fd)) flags |= BLOCKS;
  if (own && fd > STDERR_FILENO) fcntl(fd, F_SETFD, FD_CLOEXEC);
  e->slots[fd].flags = (uint16_t)flags;
  net->open++;
  return fd;
}

static int epoll_pair(struct net *net, int family, int type, net_h out[2]) {
  uint32_t flags = flags_of(family, type);
  int fds[2], r = host_pair(family, type, fds);
  if (r < 0) return r;
  net_h a = enrol(self(net), fds[0], flags);
  if (a < 0) {
    close(fds[1]);
    return a;
  }
  net_h b = enrol(self(net), fds[1], flags);
  if (b < 0) {
    forget(self(net), a);
    net->open--;
    return b;
  }
  out[0] = a;
  out[1] = b;
  return 0;
}

static int epoll_connect(struct net *net, net_h h, const struct addr *addr) {
  bool blocks = self(net)->slots[h].flags & BLOCKS;
  int r = blocks ? host_blocking_connect(h, addr) : host_connect(h, addr);
  /* connect(2): asked again it says EALREADY until it gives 0 or the error */
  if (r == -EINPROGRESS || r == -EALREADY) return arm(self(net), h);
  /* unix(7): a full backlog answers EAGAIN and raises no event when room comes; told as
   * it is for TCP when the queue is full and nobody takes from it. */
  return r == -EAGAIN ? -ECONNREFUSED : r;
}

/* The peer is kept for the question that follows, which else costs a system call. */
static net_h epoll_accept(struct net *net, net_h h) {
  struct epoll_net *e = self(net);
  uint32_t flags = e->slots[h].flags;
  struct addr *peer = &e->named_peer;
  e->named = -1;
  int fd = flags & BLOCKS ? host_blocking_accept(h, peer) : host_accept(h, peer);
  if (fd >= 0) return e->named = enrol(e, fd, flags & (STREAM | AHEAD));
  if (fd == -EMFILE || fd == -ENFILE) host_refuse(h, &e->reserve_fd);
  return (net_h)settled(e, h, fd);
}

static int epoll_name_of(struct net *net, net_h h, int which, struct addr *out) {
  struct epoll_net *e = self(net);
  if (which != NET_PEER || h != e->named) return host_name_of(net, h, which, out);
  *out = e->named_peer;
  return 0;
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

static ssize_t socket_read(struct epoll_net *e, net_h h, void *bytes, size_t n) {
  struct slot *slot = &e->slots[h];
  if (slot->chunk) return ahead_take(&e->ahead, &slot->chunk, bytes, n, false);
  slot->flags |= WANTED;
  bool empty = (slot->flags & (DRAINED | UNSURE)) == DRAINED;
  ssize_t r = empty ? -EAGAIN : host_recv(h, bytes, n);
  if (r > 0) slot->flags &= (uint16_t)~WANTED;
  if (r > 0 && (size_t)r < n) slot->flags |= DRAINED;
  if (r > 0) return r;
  /* a queued send has taken the error: it is no end, and nobody may wait for an answer */
  int error = outq_error(&e->outq, h);
  if (error && error != -EPIPE) return error;
  return settled(e, h, r);
}

static ssize_t epoll_recv(struct net *net, net_h h, void *bytes, size_t n) {
  struct epoll_net *e = self(net);
  if (!(e->slots[h].flags & PLAIN)) return socket_read(e, h, bytes, n);
  ssize_t r = host_file_read(h, bytes, n);
  return r == -EAGAIN ? arm_file(e, h, WANTS_IN) : r;
}

static ssize_t send_now(struct net *net, net_h h, const void *bytes, size_t n) {
  return settled(self(net), h, host_send(h, bytes, n));
}

static ssize_t epoll_send(struct net *net, net_h h, const void *bytes, size_t n) {
  struct epoll_net *e = self(net);
  uint32_t flags = e->slots[h].flags;
  if (flags & STREAM) return outq_send(&e->outq, h, bytes, n);
  if (!(flags & PLAIN)) return send_now(net, h, bytes, n);
  ssize_t r = host_file_write(h, bytes, n);
  return r == -EAGAIN ? arm_file(e, h, WANTS_OUT) : r;
}

static ssize_t epoll_recvmsg(struct net *net, net_h h, struct msghdr *msg, int flags) {
  struct epoll_net *e = self(net);
  struct iovec *iov = msg->msg_iov;
  if (e->slots[h].chunk && !(flags & (MSG_OOB | MSG_ERRQUEUE))) {
    msg->msg_controllen = msg->msg_namelen = 0;
    msg->msg_flags = 0;
    return ahead_take(&e->ahead, &e->slots[h].chunk, iov->iov_base, iov->iov_len,
                      flags & MSG_PEEK);
  }
  /* A plain read would lose what comes beside the bytes: an urgent one, for instance. */
  e->slots[h].flags &= (uint16_t)~WANTED;
  return settled(e, h, host_recvmsg(h, msg, flags));
}

static ssize_t epoll_sendmsg(struct net *net, net_h h, const struct msghdr *msg,
                             int flags) {
  ssize_t r = outq_flush(&self(net)->outq, h);
  if (r < 0) return r;
  return settled(self(net), h, host_sendmsg(h, msg, flags));
}

/* sendfile(2) knows no MSG_DONTWAIT: without O_NONBLOCK it could sleep. */
static ssize_t epoll_sendfile(struct net *net, net_h h, int fd, int64_t offset,
                              size_t n) {
  struct epoll_net *e = self(net);
  if (e->slots[h].flags & (PLAIN | BLOCKS)) return -EINVAL;
  int r = outq_flush(&e->outq, h);
  return r < 0 ? r : settled(e, h, file_send(h, fd, offset, n));
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
  host_forget(net, self(net)->resolver, q);
}

static int epoll_lookup(struct net *net, struct net_lookup *q) {
  return host_lookup(net, &self(net)->resolver, q);
}

/* --- waiting -------------------------------------------------------------------- */

/* What of `asked` is ready, by the events that poll(2) gave. The rest is armed. */
static uint32_t ready_of(struct epoll_net *e, net_h h, uint32_t asked, uint32_t events) {
  if (e->slots[h].chunk) events |= EPOLLIN;
  uint32_t what = host_what_of(events) & asked, rest;
  if (outq_holds(&e->outq, h) && !(events & (EPOLLHUP | EPOLLERR)))
    what &= ~(uint32_t)NET_WR; /* the kernel takes the remainder first */
  if (what & NET_RD)
    e->slots[h].flags &= (uint16_t)~DRAINED; /* its edge is still to come */
  rest = asked & ~what;
  int r = -EAGAIN;
  if (rest && e->slots[h].flags & PLAIN)
    r = arm_file(e, h, (rest & NET_RD ? WANTS_IN : 0) | (rest & NET_WR ? WANTS_OUT : 0));
  else if (rest)
    r = arm(e, h);
  return r == -EAGAIN ? what : asked; /* else the operation tells the error */
}

static int epoll_ready(struct net *net, struct net_event *asked, int n) {
  struct epoll_net *e = self(net);
  int count = 0;
  outq_flush_all(&e->outq);
  int r = host_poll_all(asked, n);
  if (r < 0) return r;
  for (int i = 0; i < n; i++) {
    uint32_t what = asked[i].what;
    asked[i].what = ready_of(e, asked[i].h, what & (NET_RD | NET_WR), what >> 16);
    count += asked[i].what != 0;
  }
  return count;
}

/* What an event means for the handle: the backend's own part is done here. 0: nothing that
 * an owner waits for. */
static uint32_t note(struct epoll_net *e, net_h h, uint32_t events) {
  struct slot *slot = &e->slots[h];
  uint32_t what = host_what_of(events);
  if (slot->flags & PLAIN) { /* both have to be armed anew */
    slot->flags &= (uint16_t) ~(WANTS_IN | WANTS_OUT);
    return NET_RD | NET_WR;
  }
  if (what & NET_RD) slot->flags &= (uint16_t)~DRAINED;
  if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR | EPOLLPRI)) slot->flags |= UNSURE;
  if ((slot->flags & (WANTED | AHEAD | UNSURE)) == (WANTED | AHEAD) && what & NET_RD)
    read_ahead(e, h);
  bool rest = what & NET_WR && outq_resume(&e->outq, h);
  if (!(slot->flags & LINGERS)) return what;
  if (!rest && !outq_holds(&e->outq, h)) forget(e, h);
  return 0;
}

/* Turns what epoll found into events; drops those of former owners. */
static int take_in(struct epoll_net *e, int found, struct net_event *events) {
  int count = 0;
  for (int i = 0; i < found; i++) {
    uint64_t tag = e->found[i].data.u64, drained;
    if (tag == UINT64_MAX) {
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
  if (max > EVENTS) max = EVENTS;
  outq_flush_all(&e->outq);
  int found = outq_failed(&e->outq, events, max);
  if (found > 0) return found; /* what epoll has stays for the next poll */
  found = host_epoll_wait(e->epoll_fd, e->found, max, deadline_ns);
  return found < 0 ? found : take_in(e, found, events);
}

static int epoll_drain(struct net *net, int64_t deadline_ns) {
  struct epoll_net *e = self(net);
  struct net_event ignored[64];
  outq_flush_all(&e->outq);
  while (e->outq.rests > 0 && (deadline_ns == NET_NEVER || host_now(net) < deadline_ns)) {
    int found = host_epoll_wait(e->epoll_fd, e->found, 64, deadline_ns);
    if (found < 0) return found;
    take_in(e, found, ignored);
  }
  return e->outq.rests > 0 ? -ETIMEDOUT : 0;
}

static void epoll_wake(struct net *net) {
  int saved = errno; /* a signal handler may be the caller */
  eventfd_write(self(net)->wake_fd, 1);
  errno = saved;
}

static void epoll_free(struct net *net) {
  struct epoll_net *e = self(net);
  for (size_t h = 0; h < e->slot_count; h++)
    if (e->slots[h].flags & OPEN) forget(e, (net_h)h);
  outq_fini(&e->outq);
  ahead_fini(&e->ahead);
  resolver_free(e->resolver);
  if (e->epoll_fd >= 0) close(e->epoll_fd);
  if (e->wake_fd >= 0) close(e->wake_fd);
  if (e->reserve_fd >= 0) close(e->reserve_fd);
  free(e->slots);
  free(e->found);
  free(e);
}

static const struct net_ops epoll_ops = {
    .name = "epoll",
    .socket = epoll_socket,
    .adopt = epoll_adopt,
    .pair = epoll_pair,
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
    .sendfile = epoll_sendfile,
    .ready = epoll_ready,
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
  struct epoll_net *e = calloc(1, sizeof *e);
  *status = -ENOMEM;
  if (!e) return NULL;
  e->net.ops = &epoll_ops;
  outq_init(&e->outq, &e->net, send_now);
  e->named = -1;
  e->found = calloc(EVENTS, sizeof *e->found);
  e->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
  e->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  e->reserve_fd = eventfd(0, EFD_CLOEXEC);
  struct epoll_event ev = {.events = EPOLLIN, .data.u64 = UINT64_MAX};
  if (!e->found || ahead_init(&e->ahead) < 0) goto free_net;
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
