/* Name look-ups of the host backends. */
#include "net/host_lookup.h"

#include <errno.h>
#include <netdb.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/status.h"

void host_forget(struct net *net, struct resolver *resolver, struct net_lookup *q) {
  if (q->ticket < 0) return;
  if (q->pending) resolver_drop(resolver, q->pending);
  q->pending = NULL;
  net->ops->close(net, q->ticket);
  q->ticket = -1;
}

static int ask(struct net *net, struct resolver **resolver, struct net_lookup *q) {
  if (!*resolver) *resolver = resolver_new();
  if (!*resolver) return -ENOMEM;
  int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), status;
  if (fd < 0) return -errno;
  net_h ticket = net->ops->adopt(net, fd, true);
  if (ticket < 0) {
    close(fd);
    return ticket;
  }
  q->ticket = ticket;
  q->pending = resolver_ask(*resolver, q, fd, &status);
  if (q->pending) return -EAGAIN;
  host_forget(net, *resolver, q);
  return status;
}

/* Takes the answer; -EAGAIN with the wake armed. */
static int answer(struct net *net, struct resolver *resolver, struct net_lookup *q) {
  uint64_t count;
  ssize_t n = 1;
  while (n > 0) {
    int r = resolver_answer(resolver, q->pending, q);
    if (r != -EAGAIN) {
      q->pending = NULL;
      return r;
    }
    n = net->ops->recv(net, q->ticket, &count, sizeof count);
  }
  return (int)n; /* nobody may wait without a wake: then the question is dropped */
}

int host_lookup(struct net *net, struct resolver **resolver, struct net_lookup *q) {
  if (q->ticket < 0) {
    const int unknown = status_from_eai(EAI_NONAME);
    int r = resolve_now(q, RESOLVE_NUMERIC);
    /* Nobody waits behind those who ask a silent server for what a file knows. */
    if (r == unknown && *resolver && resolver_is_busy(*resolver))
      r = resolve_now(q, RESOLVE_HOSTS);
    if (r == unknown) r = ask(net, resolver, q);
    if (r != -EAGAIN) return r;
  }
  int r = answer(net, *resolver, q);
  if (r != -EAGAIN) host_forget(net, *resolver, q);
  return r;
}
