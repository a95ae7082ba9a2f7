/* Choosing the host backend. */
#include <errno.h>
#include <string.h>

#include "net/host_uring.h"

int net_host_has_uring(void) {
  int status;
  struct ring *ring = ring_open(&status);
  ring_close(ring);
  return ring ? 0 : status;
}

static struct net *with_ring(int *status) {
  struct net *net = net_host_epoll(status);
  if (net) epoll_self(net)->takes_ring = true;
  return net;
}

struct net *net_host(const char *backend, int *status) {
  if (!backend || strcmp(backend, "auto") == 0) return with_ring(status);
  if (strcmp(backend, "epoll") == 0) return net_host_epoll(status);
  bool known = strcmp(backend, "uring") == 0;
  /* Who names it is told at once when it cannot be had. The ring of this question is not
   * kept: it is made where it is first needed. */
  *status = known ? net_host_has_uring() : -EINVAL;
  return *status == 0 ? with_ring(status) : NULL;
}
