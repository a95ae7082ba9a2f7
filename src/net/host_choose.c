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

/* Who names it is told at once when it cannot be had. The ring of this question is not kept:
 * it is made where it is first needed. */
static struct net *with_ring(int *status) {
  *status = net_host_has_uring();
  struct net *net = *status == 0 ? net_host_epoll(status) : NULL;
  if (net) epoll_self(net)->takes_ring = true;
  return net;
}

struct net *net_host(const char *backend, int *status) {
  if (!backend || strcmp(backend, "auto") == 0 || strcmp(backend, "epoll") == 0)
    return net_host_epoll(status);
  if (strcmp(backend, "uring") == 0) return with_ring(status);
  *status = -EINVAL;
  return NULL;
}
