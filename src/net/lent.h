/* Bytes on pages of their own, which the kernel sends from where they lie. Copying much costs
 * more than looking up its pages, most where the copies fall out of the processor's caches.
 *
 * What was lent must not change while it is on its way, and nobody tells when it has arrived.
 * So the body is written once, before it is sent; a head that has to change gets new pages;
 * and all are mapped for this purpose alone, so that giving them back takes them away from
 * nobody: the kernel keeps what it still sends from (decision 0018). */
#ifndef NET_LENT_H
#define NET_LENT_H

#include <stdbool.h>
#include <stddef.h>

#include "net/host_pipe.h"
#include "net/stream.h"

struct lent {
  char *bytes; /* the head, and the body right behind it; NULL: none */
  size_t head_len;
  char *map;        /* owned */
  size_t map_len;   /* bytes mapped, whole pages ... */
  size_t head_room; /* ... of which the first so many hold the head, at their end */
};

/* Room for a head and a body (both > 0), for the caller to fill. 0 or -ENOMEM. */
int lent_open(struct lent *l, size_t head_len, size_t body_len);

/* Takes the pages away from this program. One that was never opened is allowed. */
void lent_close(struct lent *l);

/* Puts the head, as it is, on pages that nobody was lent, so that it can be written to:
 * madvise(2) takes the old ones from this program only. 0; -ENOMEM, or -EINVAL for pages that
 * are locked (mlockall(2)): then it may not be. */
int lent_renew(struct lent *l);

/* The pipe through which pages go, shared by all who lend. */
struct lender {
  struct host_pipe pipe;
  bool open; /* and empty */
};

/* Sends once of n bytes of lent pages, after what is queued. > 0: so many; -EAGAIN, NET_WR
 * comes; -EINVAL: not to this handle or not now, copy them; another status, which stays. */
ssize_t lender_send(struct lender *p, struct stream *st, struct net *net, net_h h,
                    const char *bytes, size_t n);

void lender_close(struct lender *p);

#endif
