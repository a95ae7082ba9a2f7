/* The epoll backend. A handle is its descriptor. Small sends are queued and leave once a
 * turn (outq.h). A descriptor joins the epoll set at its first -EAGAIN, once, edge-triggered
 * for both directions, so that no later wait costs a system call. An edge that comes while
 * nobody waits is lost on purpose: who waits has just got -EAGAIN (rule 2 of net.h), and the
 * next edge comes after that. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/libm.h"
#include "base/table.h"
#include "net/control.h"
#include "net/file.h"
#include "net/host.h"
#include "net/host_epoll.h"
#include "net/host_lookup.h"
#include "net/host_pipe.h"
#include "net/host_uring.h"

/* --- the table of handles ------------------------------------------------------- */

/* Makes room for descriptor `fd` in the table. */
static int grow(struct epoll_net *e, int fd) {
  if ((size_t)fd < e->slot_count) return 0;
  void *slots = table_reach(e->slots, &e->slot_count, sizeof *e->slots, (size_t)fd);
  if (!slots) return -ENOMEM;
  e->slots = slots;
  if (host_nears_limit(e->slot_count)) libm_load(); /* while there is one left for it */
  return 0;
}

/* Takes a fresh descriptor in as a handle; closes it when that fails. */
static net_h enrol(struct epoll_net *e, int fd, uint32_t flags) {
  int r = grow(e, fd);
  if (r < 0) {
    close(fd);
    return r;
  }
  e->slots[fd].flags = flags | SLOT_OPEN;
  e->net.open++;
  return fd;
}

/* The result of a system call on a socket: EAGAIN arms. */
static ssize_t settled(struct epoll_net *e, net_h h, uint32_t what, ssize_t r) {
  return r == -EAGAIN ? epoll_arm(e, h, what) : r;
}

/* --- operations ----------------------------------------------------------------- */

/* unix(7): with bytes of Unix sockets descriptors may come, which a read would lose. */
static uint32_t flags_of(int family, int type, int proto) {
  bool inet = family == AF_INET || family == AF_INET6;
  uint32_t flags = type == SOCK_STREAM ? SLOT_STREAM : 0;
  if (inet && flags && (proto == 0 || proto == IPPROTO_TCP)) flags |= SLOT_TCP;
  return inet && (type == SOCK_STREAM || type == SOCK_DGRAM) ? flags | SLOT_AHEAD : flags;
}

static net_h epoll_socket(struct net *net, int family, int type, int proto) {
  struct epoll_net *e = epoll_self(net);
  int fd = socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, proto);
  if (fd < 0 && errno == EMFILE && e->ring) { /* some may be about to be closed */
    uring_flush(e);
    fd = socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, proto);
  }
  return fd < 0 ? -errno : enrol(epoll_self(net), fd, flags_of(family, type, proto));
}

static bool is_own(const struct epoll_net *e, int fd) {
  if (fd == e->epoll_fd || fd == e->wake_fd || fd == e->reserve_fd) return true;
  return fd >= 0 && (size_t)fd < e->slot_count && e->slots[fd].flags & SLOT_OPEN;
}

static net_h epoll_adopt(struct net *net, int fd, bool own) {
  struct epoll_net *e = epoll_self(net);
  if (is_own(e, fd)) return -EBUSY;
  int kind = host_kind(fd);
  if (kind < 0) return kind;
  int terminal = kind == 0 && !own ? host_own_terminal(fd) : -ENOTTY;
  if (terminal >= 0) return enrol(e, terminal, SLOT_PLAIN);
  int r = grow(e, fd);
  if (r < 0) return r;
  uint32_t flags = own ? SLOT_OPEN : SLOT_OPEN | SLOT_LENT;
  if (kind == 0) flags |= SLOT_PLAIN;
  if (kind == SOCK_STREAM)
    flags |= host_is_tcp(fd) ? SLOT_STREAM | SLOT_TCP : SLOT_STREAM;
  if (kind != 0 && host_blocks(fd)) flags |= SLOT_BLOCKS;
  if (own && fd > STDERR_FILENO) fcntl(fd, F_SETFD, FD_CLOEXEC);
  e->slots[fd].flags = flags;
  net->open++;
  return fd;
}

static int epoll_pair(struct net *net, int family, int type, net_h out[2]) {
  uint32_t flags = flags_of(family, type, 0);
  int fds[2], r = host_pair(family, type, fds);
  if (r < 0) return r;
  net_h a = enrol(epoll_self(net), fds[0], flags);
  if (a < 0) {
    close(fds[1]);
    return a;
  }
  net_h b = enrol(epoll_self(net), fds[1], flags);
  if (b < 0) {
    epoll_give_back(epoll_self(net), a);
    net->open--;
    return b;
  }
  out[0] = a;
  out[1] = b;
  return 0;
}

static int epoll_connect(struct net *net, net_h h, const struct addr *addr) {
  bool blocks = epoll_self(net)->slots[h].flags & SLOT_BLOCKS;
  int r = blocks ? host_blocking_connect(h, addr) : host_connect(h, addr);
  /* connect(2): asked again it says EALREADY until it gives 0 or the error */
  if (r == -EINPROGRESS || r == -EALREADY) return epoll_arm(epoll_self(net), h, NET_WR);
  /* connect(2): a full backlog of a Unix listener; no event tells when there is room. */
  return r == -EAGAIN ? -EBUSY : r;
}

/* The peer is kept for the question that follows, which else costs a system call. */
static net_h epoll_accept(struct net *net, net_h h) {
  struct epoll_net *e = epoll_self(net);
  uint32_t flags = e->slots[h].flags;
  struct addr *peer = &e->named_peer;
  e->named = -1;
  int fd = flags & SLOT_BLOCKS ? host_blocking_accept(h, peer) : host_accept(h, peer);
  if (fd == -EMFILE && e->ring && ring_queued(e->ring)) {
    uring_flush(e);
    fd = host_accept(h, peer);
  }
  if (fd >= 0)
    return e->named = enrol(e, fd, flags & (SLOT_STREAM | SLOT_AHEAD | SLOT_TCP));
  if (fd == -EMFILE || fd == -ENFILE) host_refuse(h, &e->reserve_fd);
  return (net_h)settled(e, h, NET_RD, fd);
}

static int epoll_name_of(struct net *net, net_h h, int which, struct addr *out) {
  struct epoll_net *e = epoll_self(net);
  if (which != NET_PEER || h != e->named) return host_name_of(net, h, which, out);
  *out = e->named_peer;
  return 0;
}

/* Nothing had come since the last read. Who asks once more is told by the kernel: a task
 * that does not wait would never see more. */
static bool is_drained(struct slot *slot) {
  bool drained = (slot->flags & (SLOT_DRAINED | SLOT_UNSURE)) == SLOT_DRAINED;
  slot->flags &= ~(uint32_t)SLOT_DRAINED;
  return drained;
}

/* The end of a read that gave no bytes: a queued send may have taken the error, which is no
 * end, and nobody may wait for an answer then. */
static ssize_t nothing_read(struct epoll_net *e, net_h h, ssize_t r) {
  int error = outq_error(&e->outq, h);
  if (error && error != -EPIPE) return error;
  if (r == -EAGAIN && uring_receives(e, h)) return uring_arm(e, h);
  return settled(e, h, NET_RD, r);
}

/* What a read of up to n bytes gave. */
static ssize_t was_read(struct epoll_net *e, net_h h, size_t n, ssize_t r) {
  struct slot *slot = &e->slots[h];
  if (r > 0) slot->flags &= ~(uint32_t)SLOT_WANTED;
  if (r > 0) e->net.intake++;
  if (r > 0 && (size_t)r < n) slot->flags |= SLOT_DRAINED;
  if (r > 0 && r < AHEAD_CHUNK_BYTES) slot->flags &= ~(uint32_t)SLOT_BULK;
  return r > 0 ? r : nothing_read(e, h, r);
}

static ssize_t socket_read(struct epoll_net *e, net_h h, void *bytes, size_t n) {
  struct slot *slot = &e->slots[h];
  if (uring_is_armed(e, h) && uring_receives(e, h)) {
    ssize_t r = uring_ask(e, h);
    if (r < 0) return r;
  }
  if (uring_holds(e, h)) return ahead_take(&e->ahead, &slot->chunk, bytes, n, false);
  if (uring_has_failed(e, h)) return uring_error(e, h);
  slot->flags |= SLOT_WANTED;
  return was_read(e, h, n, is_drained(slot) ? -EAGAIN : host_recv(h, bytes, n));
}

/* Who forgets bytes does not want them read ahead. */
static ssize_t epoll_discard(struct net *net, net_h h, size_t n) {
  struct epoll_net *e = epoll_self(net);
  struct slot *slot = &e->slots[h];
  if (!(slot->flags & SLOT_TCP)) return -EINVAL;
  if (uring_holds(e, h)) return ahead_take(&e->ahead, &slot->chunk, NULL, n, false);
  if (uring_has_failed(e, h)) return uring_error(e, h);
  slot->flags = (slot->flags & ~(uint32_t)SLOT_WANTED) | SLOT_BULK;
  return was_read(e, h, n, is_drained(slot) ? -EAGAIN : host_discard(h, n));
}

static ssize_t epoll_recv(struct net *net, net_h h, void *bytes, size_t n) {
  struct epoll_net *e = epoll_self(net);
  if (!(e->slots[h].flags & SLOT_PLAIN)) return socket_read(e, h, bytes, n);
  ssize_t r = host_file_read(h, bytes, n);
  return r == -EAGAIN ? epoll_arm_file(e, h, NET_RD) : r;
}

static ssize_t send_now(struct net *net, net_h h, const void *bytes, size_t n) {
  return settled(epoll_self(net), h, NET_WR, host_send(h, bytes, n));
}

static ssize_t epoll_send(struct net *net, net_h h, const void *bytes, size_t n) {
  struct epoll_net *e = epoll_self(net);
  uint32_t flags = e->slots[h].flags;
  if (flags & SLOT_STREAM) return outq_send(&e->outq, h, bytes, n);
  if (!(flags & SLOT_PLAIN)) return send_now(net, h, bytes, n);
  ssize_t r = host_file_write(h, bytes, n);
  return r == -EAGAIN ? epoll_arm_file(e, h, NET_WR) : r;
}

static int epoll_setopt(struct net *net, net_h h, int level, int name, const void *value,
                        socklen_t len) {
  if (level == SOL_SOCKET && name == SO_OOBINLINE) uring_leave_receiving(epoll_self(net));
  return host_setopt(net, h, level, name, value, len);
}

/* Of a message that stays where it is, or of one that overtakes, nothing is known. */
enum { ASKS_KERNEL = MSG_PEEK | MSG_OOB | MSG_ERRQUEUE | MSG_DONTWAIT };

static ssize_t stream_message(struct epoll_net *e, net_h h, struct msghdr *msg,
                              int flags) {
  struct iovec *iov = msg->msg_iov;
  struct slot *slot = &e->slots[h];
  if (flags & MSG_OOB) uring_leave_receiving(e);
  if (uring_holds(e, h) && !(flags & (MSG_OOB | MSG_ERRQUEUE))) {
    msg->msg_controllen = msg->msg_namelen = 0;
    msg->msg_flags = 0;
    return ahead_take(&e->ahead, &slot->chunk, iov->iov_base, iov->iov_len,
                      flags & MSG_PEEK);
  }
  if (uring_has_failed(e, h) && !(flags & (MSG_OOB | MSG_ERRQUEUE)))
    return uring_error(e, h);
  /* A plain read would lose what comes beside the bytes: an urgent one, for instance. */
  slot->flags &= ~(uint32_t)SLOT_WANTED;
  return settled(e, h, NET_RD, host_recvmsg(h, msg, flags));
}

/* A datagram, and with it, for who wants no more than that, those that wait behind it. */
static ssize_t datagram(struct epoll_net *e, net_h h, struct msghdr *msg, int flags) {
  struct slot *slot = &e->slots[h];
  bool drained = false, asks = flags & ASKS_KERNEL;
  if (batch_holds(&e->batch, h) && !(flags & (MSG_OOB | MSG_ERRQUEUE)))
    return batch_take(&e->batch, msg, flags);
  if (!asks && is_drained(slot)) return epoll_arm(e, h, NET_RD);
  bool alone = asks || msg->msg_control || !(slot->flags & SLOT_AHEAD) ||
               !batch_holds(&e->batch, -1);
  ssize_t r = alone ? host_recvmsg(h, msg, flags)
                    : batch_receive(&e->batch, h, msg, flags, &drained);
  if (drained) slot->flags |= SLOT_DRAINED;
  return settled(e, h, NET_RD, r);
}

static ssize_t epoll_recvmsg(struct net *net, net_h h, struct msghdr *msg, int flags) {
  struct epoll_net *e = epoll_self(net);
  return e->slots[h].flags & SLOT_STREAM ? stream_message(e, h, msg, flags)
                                         : datagram(e, h, msg, flags);
}

/* Descriptors that go to another program are shared from now on: what this one would read
 * ahead, the other would miss. */
static void share(struct epoll_net *e, const struct msghdr *sent) {
  struct msghdr msg = *sent;
  struct cmsghdr *c = NULL;
  while ((c = control_next(&msg, c))) {
    if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
    for (size_t at = 0; at + sizeof(int) <= control_len(c); at += sizeof(int)) {
      int fd;
      memcpy(&fd, CMSG_DATA(c) + at, sizeof fd);
      if (!is_own(e, fd)) continue;
      e->slots[fd].flags &= ~(uint32_t)SLOT_AHEAD;
      if (e->slots[fd].flags & SLOT_OPEN) uring_disarm(e, fd);
    }
  }
}

static ssize_t epoll_sendmsg(struct net *net, net_h h, const struct msghdr *msg,
                             int flags) {
  struct epoll_net *e = epoll_self(net);
  ssize_t r = outq_flush(&e->outq, h);
  if (r < 0) return r;
  if (flags & MSG_OOB) uring_leave_receiving(e);
  if (msg->msg_control) share(e, msg);
  return settled(e, h, NET_WR, host_sendmsg(h, msg, flags));
}

static int epoll_recvmany(struct net *net, net_h h, struct mmsghdr *all, unsigned n,
                          int flags) {
  struct epoll_net *e = epoll_self(net);
  struct slot *slot = &e->slots[h];
  unsigned count = 0;
  for (; count < n && batch_holds(&e->batch, h); count++)
    all[count].msg_len = (unsigned)batch_take(&e->batch, &all[count].msg_hdr, flags);
  if (count > 0) return (int)count;
  if (!(flags & ASKS_KERNEL) && is_drained(slot)) return epoll_arm(e, h, NET_RD);
  int r = host_recvmany(h, all, n, flags);
  if (r > 0 && (unsigned)r < n) slot->flags |= SLOT_DRAINED;
  return (int)settled(e, h, NET_RD, r);
}

static int epoll_sendmany(struct net *net, net_h h, struct mmsghdr *all, unsigned n,
                          int flags) {
  return (int)settled(epoll_self(net), h, NET_WR, host_sendmany(h, all, n, flags));
}

/* sendfile(2) knows no MSG_DONTWAIT: without O_NONBLOCK it could sleep. */
static ssize_t epoll_sendfile(struct net *net, net_h h, int fd, int64_t offset,
                              size_t n) {
  struct epoll_net *e = epoll_self(net);
  if (e->slots[h].flags & (SLOT_PLAIN | SLOT_BLOCKS)) return -EINVAL;
  int r = outq_flush(&e->outq, h);
  return r < 0 ? r : settled(e, h, NET_WR, file_send(h, fd, offset, n));
}

/* What was read ahead goes first; it stays where it is until the pipe has it. */
static ssize_t splice_held(struct epoll_net *e, net_h h, int pipe_fd, size_t n) {
  char bytes[AHEAD_CHUNK_BYTES];
  uint16_t *chunk = &e->slots[h].chunk;
  if (n > sizeof bytes) n = sizeof bytes;
  ssize_t held = ahead_take(&e->ahead, chunk, bytes, n, true);
  if (held < 0) return held;
  ssize_t r = host_pipe_write(pipe_fd, bytes, (size_t)held);
  if (r > 0) ahead_take(&e->ahead, chunk, bytes, (size_t)r, false);
  return r;
}

/* splice(2) minds the socket's O_NONBLOCK only. At urgent data, which a read goes past, it
 * says EAGAIN for ever, or, once the end has come behind it, that this is the end. Nothing is
 * read ahead for who splices. */
static ssize_t epoll_splice_in(struct net *net, net_h h, int pipe_fd, size_t n) {
  struct epoll_net *e = epoll_self(net);
  struct slot *slot = &e->slots[h];
  if (slot->flags & (SLOT_PLAIN | SLOT_BLOCKS)) return -EINVAL;
  if (uring_holds(e, h)) return splice_held(e, h, pipe_fd, n);
  if (uring_has_failed(e, h)) return uring_error(e, h);
  slot->flags = (slot->flags & ~(uint32_t)SLOT_WANTED) | SLOT_BULK;
  ssize_t r = is_drained(slot) ? -EAGAIN : host_splice_in(h, pipe_fd, n);
  bool unsure = r == 0 || (r == -EAGAIN && slot->flags & SLOT_UNSURE);
  if (unsure && host_has_bytes(h)) return -EINVAL;
  if (r > 0) net->intake++;
  return r > 0 ? r : nothing_read(e, h, r);
}

static ssize_t epoll_splice_out(struct net *net, net_h h, int pipe_fd, size_t n) {
  struct epoll_net *e = epoll_self(net);
  if (e->slots[h].flags & (SLOT_PLAIN | SLOT_BLOCKS)) return -EINVAL;
  int r = outq_flush(&e->outq, h);
  return r < 0 ? r : settled(e, h, NET_WR, host_splice_out(h, pipe_fd, n));
}

static int epoll_flush(struct net *net, net_h h) {
  struct epoll_net *e = epoll_self(net);
  if (h < 0) uring_flush(e);
  if (h >= 0) return outq_flush(&e->outq, h);
  outq_flush_all(&e->outq);
  return e->outq.rests > 0 ? -EAGAIN : 0;
}

static int epoll_shutdown(struct net *net, net_h h, int how) {
  int r = how == SHUT_RD ? 0 : outq_flush(&epoll_self(net)->outq, h);
  if (r < 0) return r;
  return shutdown(h, how) < 0 ? -errno : 0;
}

/* --- names ---------------------------------------------------------------------- */

static void epoll_forget(struct net *net, struct net_lookup *q) {
  host_forget(net, epoll_self(net)->resolver, q);
}

static int epoll_lookup(struct net *net, struct net_lookup *q) {
  return host_lookup(net, &epoll_self(net)->resolver, q);
}

/* --- the net itself -------------------------------------------------------------- */

static void epoll_wake(struct net *net) {
  int saved = errno; /* a signal handler may be the caller */
  eventfd_write(epoll_self(net)->wake_fd, 1);
  errno = saved;
}

static void epoll_free(struct net *net) {
  struct epoll_net *e = epoll_self(net);
  resolver_free(e->resolver); /* first: its threads tell descriptors that close below */
  for (size_t h = 0; h < e->slot_count; h++)
    if (e->slots[h].flags & SLOT_OPEN) epoll_abandon(e, (net_h)h);
  uring_flush(e);
  uring_fini(e);
  outq_fini(&e->outq);
  ahead_fini(&e->ahead);
  batch_fini(&e->batch);
  if (e->epoll_fd >= 0) close(e->epoll_fd);
  if (e->wake_fd >= 0) close(e->wake_fd);
  if (e->reserve_fd >= 0) close(e->reserve_fd);
  table_free(e->slots, e->slot_count, sizeof *e->slots);
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
    .setopt = epoll_setopt,
    .getopt = host_getopt,
    .name_of = epoll_name_of,
    .connect = epoll_connect,
    .accept = epoll_accept,
    .recv = epoll_recv,
    .discard = epoll_discard,
    .send = epoll_send,
    .recvmsg = epoll_recvmsg,
    .sendmsg = epoll_sendmsg,
    .recvmany = epoll_recvmany,
    .sendmany = epoll_sendmany,
    .sendfile = epoll_sendfile,
    .splice_in = epoll_splice_in,
    .splice_out = epoll_splice_out,
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
  e->named = e->noted_first = e->noted_last = -1;
  batch_init(&e->batch);
  e->found = calloc(EPOLL_EVENTS, sizeof *e->found);
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
