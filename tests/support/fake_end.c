/* The ends of the net in memory. */
#include "support/fake_end.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "support/fake_net.h"

struct datagram {
  struct list link;
  struct addr from;
  size_t len;
  char bytes[];
};

void *fake_checked(void *memory) {
  if (!memory) _exit(FAKE_NO_MEMORY);
  return memory;
}

struct end *end_new(int family, int type) {
  struct end *e = fake_checked(calloc(1, sizeof *e));
  e->family = family;
  e->type = type;
  list_init(&e->link);
  list_init(&e->datagrams);
  list_init(&e->pending);
  buf_init(&e->in);
  return e;
}

void end_free(struct end *e) {
  struct list *node;
  if (e->other) {
    e->other->ended = true;
    e->other->reset |= buf_len(&e->in) > 0;
    e->other->other = NULL;
  }
  while ((node = list_shift(&e->datagrams)))
    free(list_entry(node, struct datagram, link));
  while ((node = list_shift(&e->pending))) {
    struct end *waits = list_entry(node, struct end, link);
    if (waits->other) waits->other->reset = true;
    end_free(waits);
  }
  list_remove(&e->link);
  buf_fini(&e->in);
  free(e);
}

/* --- addresses -------------------------------------------------------------------------- */

struct addr fake_plain(const struct addr *a) {
  struct addr copy;
  memset(&copy, 0, sizeof copy);
  copy.len = a->len;
  memcpy(&copy.u, &a->u, a->len);
  addr_unmap(&copy);
  return copy;
}

static bool is_any(const struct addr *a) {
  static const struct in6_addr any = IN6ADDR_ANY_INIT;
  if (addr_family(a) == AF_INET) return a->u.in.sin_addr.s_addr == INADDR_ANY;
  return addr_family(a) == AF_INET6 && memcmp(&a->u.in6.sin6_addr, &any, sizeof any) == 0;
}

bool fake_reaches(const struct addr *to, const struct addr *bound) {
  if (bound->len == 0) return false;
  if (is_any(bound) || is_any(to)) return addr_port(to) == addr_port(bound);
  return to->len == bound->len && memcmp(&to->u, &bound->u, to->len) == 0;
}

/* --- streams ---------------------------------------------------------------------------- */

int end_join(struct end *e, struct end *listener) {
  if (!listener || !listener->listening || listener->queued > listener->backlog)
    return -ECONNREFUSED;
  struct end *other = end_new(listener->family, SOCK_STREAM);
  other->connected = e->connected = true;
  other->other = e;
  e->other = other;
  other->local = e->peer;
  other->peer = e->local;
  list_append(&listener->pending, &other->link);
  listener->queued++;
  return 0;
}

ssize_t end_recv(struct end *e, void *bytes, size_t n) {
  size_t held = buf_len(&e->in);
  if (!e->connected) return -ENOTCONN;
  if (held == 0 && e->reset) {
    e->reset = false; /* told once; then the end */
    return -ECONNRESET;
  }
  if (held == 0) return e->ended || e->rd_shut ? 0 : -EAGAIN;
  if (n > held) n = held;
  if (bytes) memcpy(bytes, buf_bytes(&e->in), n);
  buf_consume(&e->in, n);
  return (ssize_t)n;
}

ssize_t end_send(struct end *e, const void *bytes, size_t n) {
  if (!e->connected) return -ENOTCONN;
  if (!e->other || e->wr_shut || e->other->rd_shut) return -EPIPE;
  size_t room = FAKE_ROOM - buf_len(&e->other->in);
  if (room == 0) return -EAGAIN;
  if (n > room) n = room;
  if (buf_append(&e->other->in, bytes, n) < 0) _exit(FAKE_NO_MEMORY);
  return (ssize_t)n;
}

int end_shutdown(struct end *e, int how) {
  if (!e->connected) return -ENOTCONN;
  if (how != SHUT_WR) e->rd_shut = true;
  if (how == SHUT_RD) return 0;
  e->wr_shut = true;
  if (e->other) e->other->ended = true;
  return 0;
}

/* --- datagrams -------------------------------------------------------------------------- */

static ssize_t refused(struct end *e) {
  int error = e->error;
  e->error = 0;
  return -error;
}

ssize_t end_recvmsg(struct end *e, struct msghdr *msg, int flags) {
  if (e->error) return refused(e);
  struct list *node = list_shift(&e->datagrams);
  if (!node) return -EAGAIN;
  e->queued--;
  struct datagram *d = list_entry(node, struct datagram, link);
  size_t n = d->len < msg->msg_iov->iov_len ? d->len : msg->msg_iov->iov_len;
  if (n) memcpy(msg->msg_iov->iov_base, d->bytes, n);
  if (e->family == AF_INET6) addr_map(&d->from);
  if (msg->msg_name) memcpy(msg->msg_name, &d->from.u, d->from.len);
  msg->msg_namelen = d->from.len;
  msg->msg_controllen = 0;
  msg->msg_flags = n < d->len ? MSG_TRUNC : 0;
  ssize_t result = (ssize_t)(flags & MSG_TRUNC ? d->len : n);
  free(d);
  return result;
}

void end_queue_datagram(struct end *to, const struct end *from, const struct iovec *iov) {
  if (to->queued == FAKE_DATAGRAMS) return;
  struct datagram *d = fake_checked(calloc(1, sizeof *d + iov->iov_len));
  d->from = from->local;
  d->len = iov->iov_len;
  if (d->len) memcpy(d->bytes, iov->iov_base, d->len);
  list_append(&to->datagrams, &d->link);
  to->queued++;
}

uint32_t end_possible(const struct end *e) {
  bool ends = e->ended || e->reset || e->rd_shut || e->error;
  bool full = e->other && buf_len(&e->other->in) == FAKE_ROOM && !e->other->rd_shut;
  bool readable = buf_len(&e->in) || e->queued || ends;
  return (readable ? NET_RD : 0) | (full && !e->reset ? 0 : NET_WR);
}
