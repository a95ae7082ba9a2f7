/* The net in memory: handles, the clock and the waiting. A handle is a slot; a socket's
 * end lies behind it, so that a connection that nobody has accepted has an end only. */
#include "support/fake_net.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "net/file.h"
#include "net/host_pipe.h"
#include "support/fake_end.h"
#include "support/fake_many.h"
#include "support/fake_names.h"

struct slot {
  struct end *end;          /* owned */
  struct net_lookup *asked; /* borrowed: this handle is the ticket of it */
  uint32_t armed;
  int64_t due_ns; /* a connect or a lookup ends then; 0: none under way; NET_NEVER */
};

struct fake_net {
  struct net net;
  int64_t now_ns;
  struct slot *slots; /* owned */
  int count, first;   /* `first`: where the next poll begins to look */
  int last_port;
  pthread_mutex_t lock;
  pthread_cond_t changed;
  volatile atomic_bool woken; /* a signal handler sets it too */
};

static struct fake_net *self(struct net *net) {
  return (struct fake_net *)net;
}

/* --- slots ------------------------------------------------------------------------------ */

static struct slot *slot_of(struct net *net, net_h h) {
  struct fake_net *f = self(net);
  if (h < 0 || h >= f->count || (!f->slots[h].end && !f->slots[h].asked)) {
    fprintf(stderr, "fake net: handle %d is not open\n", h);
    abort();
  }
  return &f->slots[h];
}

static struct end *end_of(struct net *net, net_h h) {
  return slot_of(net, h)->end;
}

/* The lowest free handle, as descriptors are given out. */
static net_h take_slot(struct net *net, struct slot slot) {
  struct fake_net *f = self(net);
  int h = 0;
  while (h < f->count && (f->slots[h].end || f->slots[h].asked)) h++;
  if (h == f->count)
    f->slots = fake_checked(realloc(f->slots, (size_t)++f->count * sizeof *f->slots));
  f->slots[h] = slot;
  net->open++;
  return h;
}

static void free_slot(struct net *net, net_h h) {
  *slot_of(net, h) = (struct slot){0};
  net->open--;
}

/* The result of an operation; -EAGAIN arms the wake for `what`. */
static ssize_t armed(struct net *net, net_h h, uint32_t what, ssize_t result) {
  if (result == -EAGAIN) slot_of(net, h)->armed |= what;
  return result;
}

static struct end *bound_to(struct net *net, const struct addr *to, int type) {
  struct fake_net *f = self(net);
  for (int h = 0; h < f->count; h++) {
    struct end *e = f->slots[h].end;
    if (e && e->type == type && (type == SOCK_DGRAM || !e->connected) &&
        fake_reaches(to, &e->local))
      return e;
  }
  return NULL;
}

/* --- making and naming ------------------------------------------------------------------ */

static net_h fake_socket(struct net *net, int family, int type, int proto) {
  if (family != AF_INET && family != AF_INET6 && family != AF_UNIX) return -EAFNOSUPPORT;
  return take_slot(net, (struct slot){.end = end_new(family, type)});
}

/* An inherited descriptor: always at its end. */
static net_h fake_adopt(struct net *net, int fd, bool own) {
  struct end *e = end_new(AF_UNSPEC, SOCK_STREAM);
  e->connected = e->ended = true;
  return take_slot(net, (struct slot){.end = e});
}

/* Two streams, or two datagram sockets, that are each other's peers. */
static int fake_pair(struct net *net, int family, int type, net_h out[2]) {
  struct end *a = end_new(family, type), *b = end_new(family, type);
  a->other = b;
  b->other = a;
  a->connected = b->connected = true;
  out[0] = take_slot(net, (struct slot){.end = a});
  out[1] = take_slot(net, (struct slot){.end = b});
  return 0;
}

static int fake_close(struct net *net, net_h h) {
  end_free(end_of(net, h));
  free_slot(net, h);
  return 0;
}

/* An address of the loopback for an end that was not bound. */
static void bind_some(struct net *net, struct end *e) {
  if (e->local.len || e->family == AF_UNIX) return;
  struct addr_text text = {.host = "127.0.0.1", .host_len = 9};
  text.port = 40000 + self(net)->last_port++;
  if (addr_from_text(&e->local, &text, AF_INET) < 0) abort();
}

static int fake_bind(struct net *net, net_h h, const struct addr *addr) {
  struct end *e = end_of(net, h);
  struct addr a = fake_plain(addr);
  if (e->local.len) return -EINVAL;
  if ((addr_family(&a) == AF_UNIX) != (e->family == AF_UNIX)) return -EAFNOSUPPORT;
  if (e->family == AF_INET && addr_family(&a) != AF_INET) return -EAFNOSUPPORT;
  if (addr_port(&a) == 0) addr_set_port(&a, 40000 + self(net)->last_port++);
  if (bound_to(net, &a, e->type)) return -EADDRINUSE;
  e->local = a;
  return 0;
}

static int fake_name_of(struct net *net, net_h h, int which, struct addr *out) {
  struct end *e = end_of(net, h);
  if (!e || (which == NET_PEER && e->peer.len == 0)) return -ENOTCONN;
  *out = which == NET_PEER ? e->peer : e->local;
  struct addr_text any = {.port = 0};
  if (out->len == 0 && e->family == AF_UNIX)
    *out = (struct addr){sizeof(sa_family_t), {.sa.sa_family = AF_UNIX}};
  else if (out->len == 0)
    return addr_from_text(out, &any, e->family);
  else if (e->family == AF_INET6)
    addr_map(out);
  return 0;
}

static int fake_setopt(struct net *net, net_h h, int level, int name, const void *value,
                       socklen_t len) {
  slot_of(net, h);
  return level == SOL_SOCKET && name == SO_ZEROCOPY ? -EOPNOTSUPP : 0;
}

static int fake_getopt(struct net *net, net_h h, int level, int name, void *value,
                       socklen_t *len) {
  struct end *e = end_of(net, h);
  int number = name == SO_TYPE ? e->type : name == SO_DOMAIN ? e->family : 0;
  if (level != SOL_SOCKET && !fake_knows(level, name)) return -ENOPROTOOPT;
  memcpy(value, &number, sizeof number);
  *len = sizeof number;
  return 0;
}

/* --- streams ---------------------------------------------------------------------------- */

static int fake_listen(struct net *net, net_h h, int backlog) {
  struct end *e = end_of(net, h);
  if (e->type != SOCK_STREAM) return -EOPNOTSUPP;
  if (e->connected) return -EINVAL;
  bind_some(net, e);
  e->listening = true;
  e->backlog = backlog;
  return 0;
}

static bool is_black_hole(const struct addr *a) {
  return addr_family(a) == AF_INET &&
         (ntohl(a->u.in.sin_addr.s_addr) & 0xffffff00) == 0xc0000200;
}

static int fake_connect(struct net *net, net_h h, const struct addr *addr) {
  struct slot *slot = slot_of(net, h);
  struct end *e = slot->end;
  if (e->connected && e->type == SOCK_STREAM) return -EISCONN;
  if (slot->due_ns == 0) {
    bind_some(net, e);
    e->peer = fake_plain(addr);
    if (e->type == SOCK_DGRAM) return 0;
    slot->due_ns =
        is_black_hole(&e->peer) ? NET_NEVER : self(net)->now_ns + FAKE_CONNECT_NS;
  }
  if (slot->due_ns == NET_NEVER || self(net)->now_ns < slot->due_ns)
    return (int)armed(net, h, NET_WR, -EAGAIN);
  slot->due_ns = 0;
  int r = end_join(e, bound_to(net, &e->peer, SOCK_STREAM));
  if (r < 0) e->peer.len = 0;
  return r;
}

static net_h fake_accept(struct net *net, net_h h) {
  struct end *e = end_of(net, h);
  if (!e->listening) return -EINVAL;
  struct list *node = list_shift(&e->pending);
  if (!node) return (net_h)armed(net, h, NET_RD, -EAGAIN);
  e->queued--;
  return take_slot(net, (struct slot){.end = list_entry(node, struct end, link)});
}

static ssize_t fake_recv(struct net *net, net_h h, void *bytes, size_t n) {
  net->intake++;
  return armed(net, h, NET_RD, end_recv(end_of(net, h), bytes, n));
}

static ssize_t fake_discard(struct net *net, net_h h, size_t n) {
  return fake_recv(net, h, NULL, n);
}

static ssize_t fake_send(struct net *net, net_h h, const void *bytes, size_t n) {
  return armed(net, h, NET_WR, end_send(end_of(net, h), bytes, n));
}

/* Through memory, as much as there is room for. */
static ssize_t fake_sendfile(struct net *net, net_h h, int fd, int64_t offset, size_t n) {
  char bytes[FAKE_ROOM];
  ssize_t r = file_read(fd, bytes, n < sizeof bytes ? n : sizeof bytes, offset);
  return r <= 0 ? r : fake_send(net, h, bytes, (size_t)r);
}

/* Through memory, as much as an empty pipe of the usual size takes. */
static ssize_t fake_splice_in(struct net *net, net_h h, int pipe_fd, size_t n) {
  char bytes[FAKE_ROOM];
  ssize_t r = fake_recv(net, h, bytes, n < sizeof bytes ? n : sizeof bytes);
  if (r > 0 && host_pipe_write(pipe_fd, bytes, (size_t)r) != r) abort();
  return r;
}

static ssize_t fake_splice_out(struct net *net, net_h h, int pipe_fd, size_t n) {
  char bytes[FAKE_ROOM];
  struct end *e = end_of(net, h);
  size_t room = e->other ? FAKE_ROOM - buf_len(&e->other->in) : 0;
  if (room == 0 || e->wr_shut || e->other->rd_shut) return fake_send(net, h, "", 1);
  ssize_t r = host_pipe_read(pipe_fd, bytes, n < room ? n : room);
  if (r <= 0) abort();
  return fake_send(net, h, bytes, (size_t)r);
}

static int fake_shutdown(struct net *net, net_h h, int how) {
  return end_shutdown(end_of(net, h), how);
}

static int fake_flush(struct net *net, net_h h) {
  if (h >= 0) slot_of(net, h);
  return 0;
}

/* --- datagrams -------------------------------------------------------------------------- */

static ssize_t fake_recvmsg(struct net *net, net_h h, struct msghdr *msg, int flags) {
  return armed(net, h, NET_RD, end_recvmsg(end_of(net, h), msg, flags));
}

/* The fragments one by one, as far as there is room. */
static ssize_t send_fragments(struct net *net, net_h h, const struct msghdr *msg) {
  ssize_t sent = 0;
  for (size_t i = 0; i < msg->msg_iovlen; i++) {
    const struct iovec *iov = &msg->msg_iov[i];
    ssize_t r = fake_send(net, h, iov->iov_base, iov->iov_len);
    if (r < 0) return sent ? sent : r;
    sent += r;
    if ((size_t)r < iov->iov_len) break;
  }
  return sent;
}

static ssize_t fake_sendmsg(struct net *net, net_h h, const struct msghdr *msg,
                            int flags) {
  struct end *e = end_of(net, h);
  if (e->type == SOCK_STREAM) return send_fragments(net, h, msg);
  struct addr to = {.len = msg->msg_namelen};
  if (to.len) memcpy(&to.u, msg->msg_name, to.len);
  to = to.len ? fake_plain(&to) : e->peer;
  if (to.len == 0) return -EDESTADDRREQ;
  if (msg->msg_iov->iov_len > 65507) return -EMSGSIZE;
  bind_some(net, e);
  struct end *target = bound_to(net, &to, SOCK_DGRAM);
  if (target)
    end_queue_datagram(target, e, msg->msg_iov);
  else if (e->family == AF_UNIX)
    return -ECONNREFUSED;
  else if (e->peer.len)
    e->error = ECONNREFUSED;
  return (ssize_t)msg->msg_iov->iov_len;
}

/* --- names ------------------------------------------------------------------------------ */

static void fake_forget(struct net *net, struct net_lookup *q) {
  if (q->ticket < 0) return;
  free_slot(net, q->ticket);
  q->ticket = -1;
}

static int fake_lookup(struct net *net, struct net_lookup *q) {
  struct fake_net *f = self(net);
  if (q->ticket < 0) {
    int64_t due_ns = f->now_ns + fake_answer_ns(q);
    q->ticket = take_slot(net, (struct slot){.asked = q, .due_ns = due_ns});
  }
  if (f->now_ns < f->slots[q->ticket].due_ns)
    return (int)armed(net, q->ticket, NET_RD, -EAGAIN);
  fake_forget(net, q);
  return fake_answer(q);
}

/* --- waiting ---------------------------------------------------------------------------- */

/* What can go on at a slot now. */
static uint32_t possible(const struct fake_net *f, const struct slot *slot) {
  if (!slot->due_ns) return end_possible(slot->end);
  return slot->due_ns != NET_NEVER && slot->due_ns <= f->now_ns ? NET_RD | NET_WR : 0;
}

static int fake_ready(struct net *net, struct net_event *asked, int n) {
  int count = 0;
  for (int i = 0; i < n; i++) {
    struct slot *slot = slot_of(net, asked[i].h);
    uint32_t what = asked[i].what & possible(self(net), slot);
    slot->armed |= asked[i].what & ~what;
    asked[i].what = what;
    count += what != 0;
  }
  return count;
}

/* Takes in events, each handle once, beginning where the last poll had to stop. */
static int take_in(struct fake_net *f, struct net_event *events, int max) {
  int count = 0, begin = f->first;
  for (int i = 0; i < f->count && count < max; i++) {
    int h = (begin + i) % f->count;
    struct slot *slot = &f->slots[h];
    if (!slot->end && !slot->asked) continue;
    uint32_t what = slot->armed & possible(f, slot);
    if (!what) continue;
    slot->armed &= ~what;
    events[count++] = (struct net_event){h, what};
    f->first = h + 1;
  }
  return count;
}

/* When something that is under way ends next; NET_NEVER: nothing is. */
static int64_t next_due(const struct fake_net *f) {
  int64_t next = NET_NEVER;
  for (int h = 0; h < f->count; h++) {
    const struct slot *slot = &f->slots[h];
    if (!slot->armed || slot->due_ns <= f->now_ns) continue;
    if ((uint64_t)slot->due_ns < (uint64_t)next) next = slot->due_ns;
  }
  return next;
}

/* Nothing can come but a wake: from another thread, or from a signal handler, which cannot
 * take the lock. So it looks now and then. */
static void await_wake(struct fake_net *f) {
  enum { SLICE_NS = 10 * 1000 * 1000, SLICES = 1000 };
  for (int i = 0; i < SLICES && !f->woken; i++) {
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += SLICE_NS;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    pthread_cond_timedwait(&f->changed, &f->lock, &until);
  }
  if (f->woken) return;
  fprintf(stderr, "fake net: poll would sleep for ever\n");
  abort();
}

static int fake_poll(struct net *net, struct net_event *events, int max,
                     int64_t deadline_ns) {
  struct fake_net *f = self(net);
  int count;
  f->now_ns += FAKE_POLL_NS;
  pthread_mutex_lock(&f->lock);
  while ((count = take_in(f, events, max)) == 0 && !f->woken) {
    if (deadline_ns != NET_NEVER && deadline_ns <= f->now_ns) break;
    int64_t next = next_due(f);
    if ((uint64_t)deadline_ns < (uint64_t)next) next = deadline_ns;
    if (next == NET_NEVER)
      await_wake(f);
    else
      f->now_ns = next;
  }
  f->woken = false;
  pthread_mutex_unlock(&f->lock);
  return count;
}

static void fake_wake(struct net *net) {
  struct fake_net *f = self(net);
  f->woken = true;
  if (pthread_mutex_trylock(&f->lock) != 0) return;
  pthread_cond_signal(&f->changed);
  pthread_mutex_unlock(&f->lock);
}

static int fake_drain(struct net *net, int64_t deadline_ns) {
  return 0;
}

static int64_t fake_now(struct net *net) {
  return self(net)->now_ns;
}

void fake_net_advance(struct net *net, int64_t ns) {
  self(net)->now_ns += ns;
}

static void fake_free(struct net *net) {
  struct fake_net *f = self(net);
  for (int h = 0; h < f->count; h++)
    if (f->slots[h].end) end_free(f->slots[h].end);
  pthread_mutex_destroy(&f->lock);
  pthread_cond_destroy(&f->changed);
  free(f->slots);
  free(f);
}

static const struct net_ops fake_ops = {
    .name = "fake",
    .socket = fake_socket,
    .adopt = fake_adopt,
    .pair = fake_pair,
    .bind = fake_bind,
    .listen = fake_listen,
    .setopt = fake_setopt,
    .getopt = fake_getopt,
    .name_of = fake_name_of,
    .connect = fake_connect,
    .accept = fake_accept,
    .recv = fake_recv,
    .discard = fake_discard,
    .send = fake_send,
    .recvmsg = fake_recvmsg,
    .sendmsg = fake_sendmsg,
    .recvmany = fake_recvmany,
    .sendmany = fake_sendmany,
    .sendfile = fake_sendfile,
    .splice_in = fake_splice_in,
    .splice_out = fake_splice_out,
    .ready = fake_ready,
    .flush = fake_flush,
    .shutdown = fake_shutdown,
    .close = fake_close,
    .lookup = fake_lookup,
    .forget = fake_forget,
    .poll = fake_poll,
    .drain = fake_drain,
    .wake = fake_wake,
    .now = fake_now,
    .free = fake_free,
};

struct net *fake_net_new(void) {
  struct fake_net *f = fake_checked(calloc(1, sizeof *f));
  f->net.ops = &fake_ops;
  f->now_ns = 1000000000;
  pthread_mutex_init(&f->lock, NULL);
  pthread_cond_init(&f->changed, NULL);
  return &f->net;
}
