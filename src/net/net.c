/* The seam as the rooms above call it: the backend's operation, then the observer. With no
 * observer a call costs one predictable branch beyond the operation itself. */
#include "net/net.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#include "net/file.h"

/* Tells the observer, if there is one, and hands the result through. */
static int64_t observed(struct net *net, const char *op, net_h h, int64_t result,
                        const struct addr *addr, const void *data) {
  if (__builtin_expect(net->observer != NULL, 0)) {
    struct net_call call = {op, h, result, addr, data};
    net->observer->call(net->observer, net, &call);
  }
  return result;
}

net_h net_socket(struct net *net, int family, int type, int proto) {
  net_h h = net->ops->socket(net, family, type, proto);
  return (net_h)observed(net, "socket", h, h, NULL, NULL);
}

net_h net_adopt(struct net *net, int fd, bool own) {
  net_h h = net->ops->adopt(net, fd, own);
  return (net_h)observed(net, "adopt", h, h, NULL, NULL);
}

int net_pair(struct net *net, int family, int type, net_h out[2]) {
  int r = net->ops->pair(net, family, type, out);
  return (int)observed(net, "socketpair", r < 0 ? -1 : out[0], r, NULL, NULL);
}

int net_bind(struct net *net, net_h h, const struct addr *addr) {
  return (int)observed(net, "bind", h, net->ops->bind(net, h, addr), addr, NULL);
}

int net_listen(struct net *net, net_h h, int backlog) {
  return (int)observed(net, "listen", h, net->ops->listen(net, h, backlog), NULL, NULL);
}

int net_setopt(struct net *net, net_h h, int level, int name, const void *value,
               socklen_t len) {
  int r = net->ops->setopt(net, h, level, name, value, len);
  return (int)observed(net, "setsockopt", h, r, NULL, NULL);
}

int net_getopt(struct net *net, net_h h, int level, int name, void *value,
               socklen_t *len) {
  int r = net->ops->getopt(net, h, level, name, value, len);
  return (int)observed(net, "getsockopt", h, r, NULL, NULL);
}

int net_name_of(struct net *net, net_h h, int which, struct addr *out) {
  int r = net->ops->name_of(net, h, which, out);
  const char *op = which == NET_PEER ? "getpeername" : "getsockname";
  return (int)observed(net, op, h, r, r < 0 ? NULL : out, NULL);
}

int net_connect(struct net *net, net_h h, const struct addr *addr) {
  return (int)observed(net, "connect", h, net->ops->connect(net, h, addr), addr, NULL);
}

net_h net_accept(struct net *net, net_h h) {
  return (net_h)observed(net, "accept", h, net->ops->accept(net, h), NULL, NULL);
}

ssize_t net_observed(struct net *net, const char *op, net_h h, ssize_t result,
                     const void *data) {
  return observed(net, op, h, result, NULL, data);
}

ssize_t net_recvfrom(struct net *net, net_h h, void *bytes, size_t n, struct addr *from,
                     size_t *size, int flags) {
  struct iovec iov = {bytes, n};
  struct msghdr msg = {
      .msg_name = &from->u,
      .msg_namelen = sizeof from->u,
      .msg_iov = &iov,
      .msg_iovlen = 1,
  };
  /* recvmsg(2): with MSG_TRUNC the result is the datagram's true length */
  ssize_t r = net->ops->recvmsg(net, h, &msg, flags | MSG_TRUNC);
  if (r < 0) return observed(net, "recvfrom", h, r, NULL, NULL);
  from->len = msg.msg_namelen;
  *size = (size_t)r;
  if ((size_t)r > n) r = (ssize_t)n;
  return observed(net, "recvfrom", h, r, from, bytes);
}

ssize_t net_sendto(struct net *net, net_h h, const void *bytes, size_t n,
                   const struct addr *to, int flags) {
  struct iovec iov = {(void *)bytes, n};
  struct msghdr msg = {
      .msg_name = to ? (void *)&to->u : NULL,
      .msg_namelen = to ? to->len : 0,
      .msg_iov = &iov,
      .msg_iovlen = 1,
  };
  ssize_t r = net->ops->sendmsg(net, h, &msg, flags);
  return observed(net, to ? "sendto" : "send", h, r, to, bytes);
}

/* The address of a message, copied for the observer; NULL where there is none. */
static const struct addr *addr_of(const struct msghdr *msg, struct addr *copy) {
  if (msg->msg_namelen == 0 || msg->msg_namelen > sizeof copy->u) return NULL;
  *copy = (struct addr){.len = msg->msg_namelen};
  memcpy(&copy->u, msg->msg_name, msg->msg_namelen);
  return copy;
}

ssize_t net_recvmsg(struct net *net, net_h h, struct msghdr *msg, int flags) {
  ssize_t r = net->ops->recvmsg(net, h, msg, flags);
  if (__builtin_expect(net->observer == NULL, 1)) return r;
  struct addr copy;
  bool whole = r >= 0 && (size_t)r <= msg->msg_iov->iov_len;
  observed(net, "recvmsg", h, r, r < 0 ? NULL : addr_of(msg, &copy),
           whole ? msg->msg_iov->iov_base : NULL);
  return r;
}

ssize_t net_sendmsg(struct net *net, net_h h, const struct msghdr *msg, int flags) {
  ssize_t r = net->ops->sendmsg(net, h, msg, flags);
  if (__builtin_expect(net->observer == NULL, 1)) return r;
  struct addr copy;
  bool whole = r >= 0 && (size_t)r <= msg->msg_iov->iov_len; /* in the first fragment */
  return observed(net, "sendmsg", h, r, addr_of(msg, &copy),
                  whole ? msg->msg_iov->iov_base : NULL);
}

/* Tells the observer of each of `count` messages, or of the failure. */
static int observed_many(struct net *net, const char *op, net_h h,
                         const struct mmsghdr *all, int count) {
  if (__builtin_expect(net->observer == NULL, 1)) return count;
  if (count < 0) return (int)observed(net, op, h, count, NULL, NULL);
  for (int i = 0; i < count; i++) {
    const struct msghdr *msg = &all[i].msg_hdr;
    bool whole = msg->msg_iovlen == 1 && all[i].msg_len <= msg->msg_iov->iov_len;
    struct addr copy;
    observed(net, op, h, all[i].msg_len, addr_of(msg, &copy),
             whole ? msg->msg_iov->iov_base : NULL);
  }
  return count;
}

int net_sendmany(struct net *net, net_h h, struct mmsghdr *all, unsigned n, int flags) {
  return observed_many(net, "sendmany", h, all,
                       net->ops->sendmany(net, h, all, n, flags));
}

int net_recvmany(struct net *net, net_h h, struct mmsghdr *all, unsigned n, int flags) {
  return observed_many(net, "recvmany", h, all,
                       net->ops->recvmany(net, h, all, n, flags));
}

/* Through memory, as any send. */
static ssize_t send_copy(struct net *net, net_h h, int fd, int64_t offset, size_t n) {
  enum { COPY_BYTES = 64 * 1024 };
  char bytes[COPY_BYTES];
  ssize_t r = file_read(fd, bytes, n < COPY_BYTES ? n : COPY_BYTES, offset);
  return r <= 0 ? r : net->ops->send(net, h, bytes, (size_t)r);
}

ssize_t net_sendfile(struct net *net, net_h h, int fd, int64_t offset, size_t n) {
  ssize_t r = net->ops->sendfile(net, h, fd, offset, n);
  if (r == -EINVAL) r = send_copy(net, h, fd, offset, n);
  return observed(net, "sendfile", h, r, NULL, NULL);
}

/* Through memory, as any receive. */
static ssize_t recv_away(struct net *net, net_h h, size_t n) {
  enum { AWAY_BYTES = 64 * 1024 };
  char bytes[AWAY_BYTES];
  return net->ops->recv(net, h, bytes, n < AWAY_BYTES ? n : AWAY_BYTES);
}

ssize_t net_discard(struct net *net, net_h h, size_t n) {
  ssize_t r = net->ops->discard(net, h, n);
  if (r == -EINVAL) r = recv_away(net, h, n);
  return observed(net, "discard", h, r, NULL, NULL);
}

ssize_t net_splice_in(struct net *net, net_h h, int pipe_fd, size_t n) {
  ssize_t r = net->ops->splice_in(net, h, pipe_fd, n);
  return observed(net, "splice_in", h, r, NULL, NULL);
}

ssize_t net_splice_out(struct net *net, net_h h, int pipe_fd, size_t n) {
  ssize_t r = net->ops->splice_out(net, h, pipe_fd, n);
  return observed(net, "splice_out", h, r, NULL, NULL);
}

int net_ready(struct net *net, struct net_event *asked, int n) {
  return net->ops->ready(net, asked, n);
}

int net_flush(struct net *net, net_h h) {
  return net->ops->flush(net, h);
}

int net_drain(struct net *net, int64_t deadline_ns) {
  return net->ops->drain(net, deadline_ns);
}

int net_shutdown(struct net *net, net_h h, int how) {
  return (int)observed(net, "shutdown", h, net->ops->shutdown(net, h, how), NULL, NULL);
}

int net_close(struct net *net, net_h h) {
  return (int)observed(net, "close", h, net->ops->close(net, h), NULL, NULL);
}

int net_lookup(struct net *net, struct net_lookup *q) {
  int r = net->ops->lookup(net, q);
  const struct addr *addr = q->of ? q->of : r == 0 && q->count > 0 ? q->addrs : NULL;
  return (int)observed(net, "lookup", -1, r, addr, q->host);
}

void net_forget(struct net *net, struct net_lookup *q) {
  net->ops->forget(net, q);
}

void net_lookup_fini(struct net *net, struct net_lookup *q) {
  if (q->ticket >= 0) net_forget(net, q);
  free(q->addrs);
  q->addrs = NULL;
  q->count = 0;
}

int net_poll(struct net *net, struct net_event *events, int max, int64_t deadline_ns) {
  net->intake++;
  return net->ops->poll(net, events, max, deadline_ns);
}

void net_free(struct net *net) {
  if (net) net->ops->free(net);
}
