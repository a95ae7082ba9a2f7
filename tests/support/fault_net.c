/* The wrapper that injects faults. */
#include "support/fault_net.h"

#include <errno.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "base/status.h"

enum { HANDLES = 32768 };

struct fault_net {
  struct net net;
  struct net *inner; /* owned */
  struct rng rng;
  struct fault_rates rates;
  unsigned count;
  struct {
    enum fault_op op;
    unsigned nth;
    int status;
  } exact;
  unsigned calls[FAULT_OPS];
  struct fault_patience patience;
  uint8_t owed[HANDLES]; /* events that a needless -EAGAIN has promised */
  net_h due[HANDLES];    /* the handles with a promise, oldest first */
  int dues;
};

const struct fault_rates fault_soft = {
    .short_count = 300,
    .again = 150,
    .spurious = 150,
    .no_descriptor = 100,
    .no_sendfile = 200,
    .no_trains = 100,
    .no_discard = 200,
    .no_splice = 5,
};

const struct fault_rates fault_hard = {
    .short_count = 200,
    .again = 100,
    .spurious = 100,
    .no_descriptor = 100,
    .no_sendfile = 200,
    .no_trains = 100,
    .no_discard = 200,
    .no_splice = 5,
    .reset = 20,
    .refused = 40,
    .no_buffers = 30,
    .no_name = 200,
};

static struct fault_net *self(struct net *net) {
  return (struct fault_net *)net;
}

static bool strikes(struct fault_net *f, int rate) {
  if (rate == 0 || rng_below(&f->rng, 1000) >= (uint64_t)rate) return false;
  f->count++;
  return true;
}

static int one_of(struct fault_net *f, const int *statuses, int n) {
  return statuses[rng_below(&f->rng, (uint64_t)n)];
}
#define ONE_OF(f, ...) \
  one_of(f, (const int[]){__VA_ARGS__}, sizeof((int[]){__VA_ARGS__}) / sizeof(int))

/* Counts a call. The status that it has to fail with, or 0. */
static int due(struct fault_net *f, enum fault_op op) {
  bool it = ++f->calls[op] == f->exact.nth && op == f->exact.op;
  return it ? f->exact.status : 0;
}

/* Promises an event. */
static void owe(struct fault_net *f, net_h h, uint32_t what) {
  if (h < 0 || h >= HANDLES) return;
  if (!f->owed[h]) f->due[f->dues++] = h;
  f->owed[h] |= (uint8_t)what;
}

static void forgive(struct fault_net *f, net_h h) {
  if (h < 0 || h >= HANDLES || !f->owed[h]) return;
  f->owed[h] = 0;
  int kept = 0;
  for (int i = 0; i < f->dues; i++)
    if (f->due[i] != h) f->due[kept++] = f->due[i];
  f->dues = kept;
}

static bool needless_again(struct fault_net *f, net_h h, uint32_t what) {
  if (!strikes(f, f->rates.again)) return false;
  owe(f, h, what);
  return true;
}

static size_t cut(struct fault_net *f, size_t n) {
  if (n < 2 || !strikes(f, f->rates.short_count)) return n;
  return 1 + rng_below(&f->rng, n - 1);
}

/* The number of open handles is the inner net's. */
static int64_t counted(struct net *net, int64_t result) {
  net->open = self(net)->inner->open;
  return result;
}

/* --- operations --------------------------------------------------------------------- */

static net_h fault_socket(struct net *net, int family, int type, int proto) {
  struct fault_net *f = self(net);
  int fault = due(f, FAULT_SOCKET);
  if (fault) return fault;
  if (strikes(f, f->rates.refused)) return ONE_OF(f, -EMFILE, -ENFILE, -ENOBUFS, -ENOMEM);
  return (net_h)counted(net, f->inner->ops->socket(f->inner, family, type, proto));
}

static net_h fault_adopt(struct net *net, int fd, bool own) {
  int fault = due(self(net), FAULT_ADOPT);
  if (fault) return fault;
  return (net_h)counted(net, self(net)->inner->ops->adopt(self(net)->inner, fd, own));
}

static int fault_pair(struct net *net, int family, int type, net_h out[2]) {
  struct fault_net *f = self(net);
  int fault = due(f, FAULT_PAIR);
  if (fault) return fault;
  if (strikes(f, f->rates.refused)) return ONE_OF(f, -EMFILE, -ENFILE, -ENOMEM);
  int r = f->inner->ops->pair(f->inner, family, type, out);
  if (r == 0) net->open += 2;
  return r;
}

static int fault_ready(struct net *net, struct net_event *asked, int n) {
  int fault = due(self(net), FAULT_READY);
  if (fault) return fault;
  return self(net)->inner->ops->ready(self(net)->inner, asked, n);
}

static int fault_bind(struct net *net, net_h h, const struct addr *addr) {
  struct fault_net *f = self(net);
  int fault = due(f, FAULT_BIND);
  if (fault) return fault;
  if (strikes(f, f->rates.refused)) return ONE_OF(f, -EADDRINUSE, -EACCES);
  return f->inner->ops->bind(f->inner, h, addr);
}

static int fault_listen(struct net *net, net_h h, int backlog) {
  struct fault_net *f = self(net);
  int fault = due(f, FAULT_LISTEN);
  if (fault) return fault;
  if (strikes(f, f->rates.refused)) return -EADDRINUSE;
  return f->inner->ops->listen(f->inner, h, backlog);
}

static int fault_setopt(struct net *net, net_h h, int level, int name, const void *value,
                        socklen_t len) {
  int fault = due(self(net), FAULT_SETOPT);
  if (fault) return fault;
  return self(net)->inner->ops->setopt(self(net)->inner, h, level, name, value, len);
}

static int fault_getopt(struct net *net, net_h h, int level, int name, void *value,
                        socklen_t *len) {
  int fault = due(self(net), FAULT_GETOPT);
  if (fault) return fault;
  return self(net)->inner->ops->getopt(self(net)->inner, h, level, name, value, len);
}

static int fault_name_of(struct net *net, net_h h, int which, struct addr *out) {
  struct fault_net *f = self(net);
  int fault = due(f, FAULT_NAME_OF);
  if (fault) return fault;
  if (strikes(f, f->rates.refused)) return -ENOTCONN;
  return f->inner->ops->name_of(f->inner, h, which, out);
}

static int fault_connect(struct net *net, net_h h, const struct addr *addr) {
  struct fault_net *f = self(net);
  int fault = due(f, FAULT_CONNECT);
  if (fault) return fault;
  if (strikes(f, f->rates.refused)) return ONE_OF(f, -ECONNREFUSED, -ETIMEDOUT, -EPERM);
  if (needless_again(f, h, NET_WR)) return -EAGAIN;
  return f->inner->ops->connect(f->inner, h, addr);
}

static net_h fault_accept(struct net *net, net_h h) {
  struct fault_net *f = self(net);
  int fault = due(f, FAULT_ACCEPT);
  if (fault) return fault;
  if (strikes(f, f->rates.no_descriptor))
    return ONE_OF(f, -EMFILE, -ENFILE, -ENOMEM, -ENOBUFS, -ECONNABORTED, -EPROTO);
  if (needless_again(f, h, NET_RD)) return -EAGAIN;
  return (net_h)counted(net, f->inner->ops->accept(f->inner, h));
}

static ssize_t fault_recv(struct net *net, net_h h, void *bytes, size_t n) {
  struct fault_net *f = self(net);
  int fault = due(f, FAULT_RECV);
  if (fault) return fault;
  if (strikes(f, f->rates.reset)) return ONE_OF(f, -ECONNRESET, -ETIMEDOUT);
  if (needless_again(f, h, NET_RD)) return -EAGAIN;
  net->intake++;
  return f->inner->ops->recv(f->inner, h, bytes, cut(f, n));
}

static ssize_t fault_discard(struct net *net, net_h h, size_t n) {
  struct fault_net *f = self(net);
  int fault = due(f, FAULT_DISCARD);
  if (fault) return fault;
  if (strikes(f, f->rates.reset)) return ONE_OF(f, -ECONNRESET, -ETIMEDOUT);
  if (needless_again(f, h, NET_RD)) return -EAGAIN;
  if (strikes(f, f->rates.no_discard)) return -EINVAL;
  net->intake++;
  return f->inner->ops->discard(f->inner, h, cut(f, n));
}

static ssize_t fault_send(struct net *net, net_h h, const void *bytes, size_t n) {
  struct fault_net *f = self(net);
  int fault = due(f, FAULT_SEND);
  if (fault) return fault;
  if (strikes(f, f->rates.reset)) return ONE_OF(f, -ECONNRESET, -EPIPE, -ETIMEDOUT);
  if (needless_again(f, h, NET_WR)) return -EAGAIN;
  return f->inner->ops->send(f->inner, h, bytes, cut(f, n));
}

static ssize_t fault_recvmsg(struct net *net, net_h h, struct msghdr *msg, int flags) {
  struct fault_net *f = self(net);
  int fault = due(f, FAULT_RECVMSG);
  if (fault) return fault;
  if (strikes(f, f->rates.no_buffers)) return ONE_OF(f, -ECONNREFUSED, -ENOMEM);
  if (needless_again(f, h, NET_RD)) return -EAGAIN;
  return f->inner->ops->recvmsg(f->inner, h, msg, flags);
}

static ssize_t fault_sendmsg(struct net *net, net_h h, const struct msghdr *msg,
                             int flags) {
  struct fault_net *f = self(net);
  int fault = due(f, FAULT_SENDMSG);
  if (fault) return fault;
  if (strikes(f, f->rates.no_buffers)) return ONE_OF(f, -ENOBUFS, -EPERM, -ENOMEM);
  if (needless_again(f, h, NET_WR)) return -EAGAIN;
  struct msghdr fewer = *msg; /* several fragments are a stream's */
  fewer.msg_iovlen = cut(f, msg->msg_iovlen);
  return f->inner->ops->sendmsg(f->inner, h, &fewer, flags);
}

static int fault_recvmany(struct net *net, net_h h, struct mmsghdr *all, unsigned n,
                          int flags) {
  struct fault_net *f = self(net);
  int fault = due(f, FAULT_RECVMANY);
  if (fault) return fault;
  if (strikes(f, f->rates.no_buffers)) return ONE_OF(f, -ECONNREFUSED, -ENOMEM);
  if (needless_again(f, h, NET_RD)) return -EAGAIN;
  return f->inner->ops->recvmany(f->inner, h, all, (unsigned)cut(f, n), flags);
}

static int fault_sendmany(struct net *net, net_h h, struct mmsghdr *all, unsigned n,
                          int flags) {
  struct fault_net *f = self(net);
  int fault = due(f, FAULT_SENDMANY);
  if (fault) return fault;
  if (strikes(f, f->rates.no_buffers)) return ONE_OF(f, -ENOBUFS, -EPERM, -ENOMEM);
  if (needless_again(f, h, NET_WR)) return -EAGAIN;
  if (all->msg_hdr.msg_control && strikes(f, f->rates.no_trains))
    return ONE_OF(f, -EIO, -EINVAL, -EMSGSIZE);
  return f->inner->ops->sendmany(f->inner, h, all, (unsigned)cut(f, n), flags);
}

static ssize_t fault_sendfile(struct net *net, net_h h, int fd, int64_t offset,
                              size_t n) {
  struct fault_net *f = self(net);
  if (strikes(f, f->rates.reset)) return ONE_OF(f, -ECONNRESET, -EPIPE, -ETIMEDOUT);
  if (needless_again(f, h, NET_WR)) return -EAGAIN;
  if (strikes(f, f->rates.no_sendfile)) return -EINVAL;
  return f->inner->ops->sendfile(f->inner, h, fd, offset, cut(f, n));
}

static ssize_t fault_splice_in(struct net *net, net_h h, int pipe_fd, size_t n) {
  struct fault_net *f = self(net);
  int fault = due(f, FAULT_SPLICE_IN);
  if (fault) return fault;
  if (strikes(f, f->rates.reset)) return ONE_OF(f, -ECONNRESET, -ETIMEDOUT);
  if (needless_again(f, h, NET_RD)) return -EAGAIN;
  if (strikes(f, f->rates.no_splice)) return -EINVAL;
  net->intake++;
  return f->inner->ops->splice_in(f->inner, h, pipe_fd, cut(f, n));
}

static ssize_t fault_splice_out(struct net *net, net_h h, int pipe_fd, size_t n) {
  struct fault_net *f = self(net);
  int fault = due(f, FAULT_SPLICE_OUT);
  if (fault) return fault;
  if (strikes(f, f->rates.reset)) return ONE_OF(f, -ECONNRESET, -EPIPE, -ETIMEDOUT);
  if (needless_again(f, h, NET_WR)) return -EAGAIN;
  if (strikes(f, f->rates.no_splice)) return -EINVAL;
  return f->inner->ops->splice_out(f->inner, h, pipe_fd, cut(f, n));
}

static int fault_flush(struct net *net, net_h h) {
  int fault = due(self(net), FAULT_FLUSH);
  if (fault) return fault;
  return self(net)->inner->ops->flush(self(net)->inner, h);
}

static int fault_shutdown(struct net *net, net_h h, int how) {
  int fault = due(self(net), FAULT_SHUTDOWN);
  if (fault) return fault;
  return self(net)->inner->ops->shutdown(self(net)->inner, h, how);
}

static int fault_close(struct net *net, net_h h) {
  struct fault_net *f = self(net);
  int fault = due(f, FAULT_CLOSE);
  forgive(f, h);
  int r = (int)counted(net, f->inner->ops->close(f->inner, h));
  return fault ? fault : r;
}

static int fault_lookup(struct net *net, struct net_lookup *q) {
  struct fault_net *f = self(net);
  int fault = q->ticket < 0 ? due(f, FAULT_LOOKUP) : 0;
  if (fault) return fault;
  if (q->ticket < 0 && strikes(f, f->rates.no_name)) return status_from_eai(EAI_AGAIN);
  return (int)counted(net, f->inner->ops->lookup(f->inner, q));
}

static void fault_forget(struct net *net, struct net_lookup *q) {
  forgive(self(net), q->ticket);
  self(net)->inner->ops->forget(self(net)->inner, q);
  counted(net, 0);
}

/* --- waiting ---------------------------------------------------------------------------- */

/* Adds `what` of `h` to the events; false when they are full. */
static bool add(struct net_event *events, int *count, int max, net_h h, uint32_t what) {
  for (int i = 0; i < *count; i++) {
    if (events[i].h != h) continue;
    events[i].what |= what;
    return true;
  }
  if (*count == max) return false;
  events[(*count)++] = (struct net_event){h, what};
  return true;
}

/* Keeps the promises that fit. */
static void pay(struct fault_net *f, struct net_event *events, int *count, int max) {
  int kept = 0;
  for (int i = 0; i < f->dues; i++) {
    net_h h = f->due[i];
    if (add(events, count, max, h, f->owed[h]))
      f->owed[h] = 0;
    else
      f->due[kept++] = h;
  }
  f->dues = kept;
}

/* Bounds the sleep of a poll after a fault. */
static bool limit(struct fault_net *f, int64_t *deadline_ns) {
  const struct fault_patience *p = &f->patience;
  if (!p->idle || !p->struck(p->arg)) return false;
  int64_t now = f->inner->ops->now(f->inner);
  if ((uint64_t)*deadline_ns <= (uint64_t)(now + p->long_ns)) return false;
  *deadline_ns = now + p->patience_ns;
  return true;
}

static void lose_patience(struct fault_net *f) {
  void (*idle)(void *) = f->patience.idle;
  f->patience.idle = NULL;
  idle(f->patience.arg);
}

static int fault_poll(struct net *net, struct net_event *events, int max,
                      int64_t deadline_ns) {
  struct fault_net *f = self(net);
  int fault = due(f, FAULT_POLL);
  if (fault) return fault;
  bool early = strikes(f, f->rates.spurious);
  if (early || f->dues > 0) deadline_ns = 0;
  bool limited = limit(f, &deadline_ns);
  int count = f->inner->ops->poll(f->inner, events, max, deadline_ns);
  if (count < 0) return count;
  if (limited && count == 0) lose_patience(f);
  pay(f, events, &count, max);
  if (early) add(events, &count, max, (net_h)rng_below(&f->rng, 64), NET_RD | NET_WR);
  return count;
}

static int fault_drain(struct net *net, int64_t deadline_ns) {
  return self(net)->inner->ops->drain(self(net)->inner, deadline_ns);
}

static void fault_wake(struct net *net) {
  self(net)->inner->ops->wake(self(net)->inner);
}

static int64_t fault_now(struct net *net) {
  return self(net)->inner->ops->now(self(net)->inner);
}

static void fault_free(struct net *net) {
  net_free(self(net)->inner);
  free(net);
}

static const struct net_ops fault_ops = {
    .name = "fault",
    .socket = fault_socket,
    .adopt = fault_adopt,
    .pair = fault_pair,
    .bind = fault_bind,
    .listen = fault_listen,
    .setopt = fault_setopt,
    .getopt = fault_getopt,
    .name_of = fault_name_of,
    .connect = fault_connect,
    .accept = fault_accept,
    .recv = fault_recv,
    .discard = fault_discard,
    .send = fault_send,
    .recvmsg = fault_recvmsg,
    .sendmsg = fault_sendmsg,
    .recvmany = fault_recvmany,
    .sendmany = fault_sendmany,
    .sendfile = fault_sendfile,
    .splice_in = fault_splice_in,
    .splice_out = fault_splice_out,
    .ready = fault_ready,
    .flush = fault_flush,
    .shutdown = fault_shutdown,
    .close = fault_close,
    .lookup = fault_lookup,
    .forget = fault_forget,
    .poll = fault_poll,
    .drain = fault_drain,
    .wake = fault_wake,
    .now = fault_now,
    .free = fault_free,
};

struct net *fault_net_new(struct net *inner, uint64_t seed,
                          const struct fault_rates *rates) {
  struct fault_net *f = calloc(1, sizeof *f);
  if (!f) abort();
  f->net.ops = &fault_ops;
  f->inner = inner;
  f->rates = *rates;
  rng_init(&f->rng, seed);
  return &f->net;
}

unsigned fault_net_count(const struct net *net) {
  return ((const struct fault_net *)net)->count;
}

void fault_net_fail(struct net *net, enum fault_op op, unsigned nth, int status) {
  struct fault_net *f = self(net);
  f->exact.op = op;
  f->exact.nth = nth;
  f->exact.status = status;
  memset(f->calls, 0, sizeof f->calls);
}

unsigned fault_net_calls(const struct net *net, enum fault_op op) {
  return ((const struct fault_net *)net)->calls[op];
}

const char *fault_op_name(enum fault_op op) {
  static const char *const names[FAULT_OPS] = {
      NULL,      "socket",    "adopt",      "pair",     "bind",    "listen",   "setopt",
      "getopt",  "name_of",   "connect",    "accept",   "recv",    "send",     "recvmsg",
      "sendmsg", "splice_in", "splice_out", "ready",    "flush",   "shutdown", "close",
      "lookup",  "poll",      "discard",    "recvmany", "sendmany"};
  return names[op];
}

const char *fault_net_struck(const struct net *net, int *status) {
  const struct fault_net *f = (const struct fault_net *)net;
  if (net->ops != &fault_ops || !f->exact.op) return NULL;
  if (f->calls[f->exact.op] < f->exact.nth) return NULL;
  *status = f->exact.status;
  return fault_op_name(f->exact.op);
}

void fault_net_patience(struct net *net, const struct fault_patience *patience) {
  self(net)->patience = *patience;
}
