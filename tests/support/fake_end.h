/* What lies behind a socket of the net in memory: bytes, datagrams, the connection. Ends
 * know neither handles nor time; -EAGAIN arms nothing here. */
#ifndef SUPPORT_FAKE_END_H
#define SUPPORT_FAKE_END_H

#include "base/buf.h"
#include "base/list.h"
#include "net/net.h"

struct end {
  struct list link; /* in a listener's `pending` until it is accepted */
  int family, type;
  struct addr local, peer; /* plain: IPv4 is never mapped; len 0: none */
  struct end *other;       /* borrowed; NULL: not connected, or the peer has closed */
  struct buf in;
  struct list datagrams, pending;
  int queued, backlog; /* datagrams, or connections that wait to be accepted */
  bool listening, connected, ended, reset, rd_shut, wr_shut;
  int error; /* pending: a refused datagram */
};

/* `memory`. Without it the process ends: that the fake itself has none is no verdict on what
 * is tested. */
enum { FAKE_NO_MEMORY = 77 };
void *fake_checked(void *memory);

struct end *end_new(int family, int type);

/* Frees it; its peer sees the end, or a reset when bytes were unread. */
void end_free(struct end *e);

/* Joins `e` with a new end that waits at `listener` (NULL: nobody listens). */
int end_join(struct end *e, struct end *listener);

/* `bytes` NULL: drops them. */
ssize_t end_recv(struct end *e, void *bytes, size_t n);
ssize_t end_send(struct end *e, const void *bytes, size_t n);
int end_shutdown(struct end *e, int how);
ssize_t end_recvmsg(struct end *e, struct msghdr *msg, int flags);
void end_queue_datagram(struct end *to, const struct end *from, const struct iovec *iov);

/* NET_RD | NET_WR: what would not answer -EAGAIN. */
uint32_t end_possible(const struct end *e);

/* The address without an IPv4 mapping and with zeroed rest. */
struct addr fake_plain(const struct addr *a);

/* Whether an end that is bound to `bound` gets what is sent to `to`. */
bool fake_reaches(const struct addr *to, const struct addr *bound);

#endif
