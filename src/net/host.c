/* Direct system calls of the host backends. */
#include "net/host.h"

#include <errno.h>
#include <limits.h>
#include <sys/epoll.h>
#include <time.h>

int host_bind(struct net *net, net_h h, const struct addr *addr) {
  (void)net;
  return bind(h, &addr->u.sa, addr->len) < 0 ? -errno : 0;
}

int host_listen(struct net *net, net_h h, int backlog) {
  (void)net;
  return listen(h, backlog) < 0 ? -errno : 0;
}

int host_setopt(struct net *net, net_h h, int level, int name, const void *value,
                socklen_t len) {
  (void)net;
  return setsockopt(h, level, name, value, len) < 0 ? -errno : 0;
}

int host_getopt(struct net *net, net_h h, int level, int name, void *value,
                socklen_t *len) {
  (void)net;
  return getsockopt(h, level, name, value, len) < 0 ? -errno : 0;
}

int host_name_of(struct net *net, net_h h, int which, struct addr *out) {
  (void)net;
  socklen_t len = sizeof out->u;
  int r = which == NET_PEER ? getpeername(h, &out->u.sa, &len)
                            : getsockname(h, &out->u.sa, &len);
  if (r < 0) return -errno;
  out->len = len;
  return 0;
}

static bool is_plain(const struct msghdr *msg) {
  return msg->msg_iovlen == 1 && !msg->msg_control;
}

ssize_t host_recvmsg(net_h h, struct msghdr *msg, int flags) {
  if (flags != MSG_TRUNC || !is_plain(msg))
    return recvmsg(h, msg, flags | MSG_CMSG_CLOEXEC);
  struct iovec *iov = msg->msg_iov;
  ssize_t r =
      recvfrom(h, iov->iov_base, iov->iov_len, flags, msg->msg_name, &msg->msg_namelen);
  msg->msg_flags = r > 0 && (size_t)r > iov->iov_len ? MSG_TRUNC : 0;
  return r;
}

ssize_t host_sendmsg(net_h h, const struct msghdr *msg, int flags) {
  if (!is_plain(msg)) return sendmsg(h, msg, flags);
  struct iovec *iov = msg->msg_iov;
  return sendto(h, iov->iov_base, iov->iov_len, flags, msg->msg_name, msg->msg_namelen);
}

int host_wait(int epoll_fd, struct epoll_event *found, int max, int64_t ns) {
  if (ns <= 0) return epoll_wait(epoll_fd, found, max, ns == NET_NEVER ? -1 : 0);
  struct timespec left = {ns / 1000000000, ns % 1000000000};
  int n = epoll_pwait2(epoll_fd, found, max, &left, NULL);
  if (n >= 0 || errno != ENOSYS) return n;
  int64_t ms = ns / 1000000 + (ns % 1000000 != 0);
  return epoll_wait(epoll_fd, found, max, ms < INT_MAX ? (int)ms : INT_MAX);
}

int64_t host_now(struct net *net) {
  (void)net;
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}
