/* Direct system calls of the host backends. */
#include "net/host.h"

#include <errno.h>
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

int64_t host_now(struct net *net) {
  (void)net;
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}
